"""charloom generate --syntax: texts that can always be completed to valid source."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from charloom.cli.output import print_json
from charloom.cli.text_output import collected, stream
from charloom.settings import SamplingConfig

if TYPE_CHECKING:
    from charloom.code.writing import Writing
    from charloom.generation.generate import Piece
    from charloom.generation.writer import Writer


def write_code(
    writer: "Writer",
    prompts: list[str],
    sampling: SamplingConfig,
    length: int,
    stop: list[str],
    seed: int,
    *,
    finish: bool,
    json: bool,
) -> None:
    """Write the texts one after the other, each one statement at a time."""
    from charloom.code import writing as code

    writings = [
        code.Writing(writer, prompt, sampling, length=length, stop=stop, seed=seed + number)
        for number, prompt in enumerate(prompts)
    ]
    for number, (prompt, writing) in enumerate(zip(prompts, writings, strict=True)):
        began = time.monotonic()
        if not json:
            if number:
                print(f"--- sample {number + 1}")
            stream(prompt, _finished(prompt, writing) if finish else writing.pieces())
            continue
        sample = collected(prompt, writing.pieces(), began)
        value = {**sample.record(), "redrawn": writing.redrawn, "replaced": writing.replaced}
        print_json(value | ({"finish": code.finish(prompt, sample.text, writing.more)} if finish else {}))


def _finished(prompt: str, writing: "Writing") -> "Iterator[Piece]":
    """The pieces of a text, and as the last piece what finishes it."""
    from charloom.code.writing import finish
    from charloom.generation.generate import Piece

    text = ""
    for piece in writing.pieces():
        text += piece.text
        yield piece
    yield Piece(finish(prompt, text, writing.more))
