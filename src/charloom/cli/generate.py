"""charloom generate"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from charloom.cli import files
from charloom.errors import SettingsError
from charloom.settings import SamplingConfig, Syntax, Weights

if TYPE_CHECKING:
    from charloom.applications.code.writing import Writing
    from charloom.generation import Piece
    from charloom.samples import Sample
    from charloom.writer import Writer

MOST_SAMPLES = 1_000_000

FLUSH_SECONDS = 0.03
"""Text that is made faster than this is shown together: thirty times a second looks like a flow."""


def generate(
    run: Path,
    /,
    *,
    prompt: list[str] | None = None,
    prompt_file: Path | None = None,
    length: int = 500,
    endless: bool = False,
    sampling: Annotated[SamplingConfig, Parameter(name="*")] = SamplingConfig(),
    stop: list[str] | None = None,
    seed: int = 0,
    samples: int = 1,
    compiled: Weights | None = None,
    syntax: Syntax | None = None,
    finish: bool = False,
    json: bool = False,
) -> None:
    """Write text with a model.

    A single text streams as it is made, the prompt first; several are made together and shown in their order. The same
    seed gives the same text.

    Parameters
    ----------
    run
        A run directory or a model folder.
    prompt
        Text to continue; without it the model begins a text of its own. Given several times, each is continued.
    prompt_file
        A file with the text to continue; - for standard input.
    length
        New characters at most, and exactly as many where nothing stops it; the prompt does not count.
    endless
        Write until you stop it.
    stop
        Stop before this string would appear; it is not printed. Can be given several times.
    seed
        Seed of the draws; text i of several uses seed + i.
    samples
        How many texts to write for each prompt.
    compiled
        Write a single long text faster, after some seconds of preparation: by a compiled loop (needs the extra fast), with
        weights in float32 or rounded to int8.
    syntax
        With python, what is written, the prompt included, can always be completed to a Python text: characters that cannot stand
        are not drawn, lines that cannot stand are drawn again.
    finish
        Write on to the end of the statement, and close what is open (with --syntax): beyond --length.
    json
        Print one JSON value for each text.
    """
    from charloom.cli.output import print_json
    from charloom.generation import generate_pieces
    from charloom.samples import Sample, write_samples
    from charloom.writer import Writer

    if endless and json:
        raise SettingsError("an endless text has no JSON value, because it never ends; leave out --endless or --json")
    if not 1 <= samples <= MOST_SAMPLES:
        raise SettingsError(f"samples is {samples}; it must be at least 1 and at most {MOST_SAMPLES:,}")
    prompts = [text for text in _prompts(prompt, prompt_file) for _ in range(samples)]
    if len(prompts) > 1 and endless:
        raise SettingsError("an endless text is followed by no other; leave out --endless, or ask for one text")
    if len(prompts) > 1 and compiled:
        raise SettingsError("several texts are written together, without a compiled loop; leave out --compiled")
    if finish and (syntax is None or stop):
        raise SettingsError(
            "a text is finished by the rules of a syntax and ends at its length; give --syntax, and no --stop"
        )
    if syntax and (endless or compiled):
        raise SettingsError(
            "with a syntax a text has a length and no compiled loop; leave out --endless and --compiled"
        )
    writer = Writer.load(run, compiled=compiled)
    if syntax:
        _write_code(writer, prompts, sampling, length, stop or [], seed, finish=finish, json=json)
        return
    if len(prompts) == 1:
        began = time.monotonic()
        pieces = generate_pieces(
            writer, prompts[0], sampling, length=None if endless else length, stop=stop or (), seed=seed
        )
        if not json:
            _stream(prompts[0], pieces)
            return
        written = list(pieces)
        text, reason = "".join(piece.text for piece in written), written[-1].stop_reason
        assert reason is not None
        print_json(_told(Sample(prompts[0], text, reason, time.monotonic() - began)))
        return
    seeds = range(seed, seed + len(prompts))
    several = write_samples(writer, prompts, sampling, length=length, stop=stop or (), seeds=seeds)
    for number, sample in enumerate(several):
        if json:
            print_json(_told(sample))
            continue
        if number and writer.config.documents != "lines":
            print(f"--- sample {number + 1}")
        print(sample.prompt + sample.text, flush=True)


def _write_code(
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
    """Texts one after the other, each a statement at a time."""
    from charloom.applications.code import writing as code
    from charloom.cli.output import print_json
    from charloom.samples import Sample

    made = [
        code.Writing(writer, prompt, sampling, length=length, stop=stop, seed=seed + number)
        for number, prompt in enumerate(prompts)
    ]
    for number, (prompt, writing) in enumerate(zip(prompts, made, strict=True)):
        began = time.monotonic()
        if not json:
            if number:
                print(f"--- sample {number + 1}")
            _stream(prompt, _finished(prompt, writing) if finish else writing.pieces())
            continue
        pieces = list(writing.pieces())
        text, reason = "".join(piece.text for piece in pieces), pieces[-1].stop_reason
        assert reason is not None
        told = _told(Sample(prompt, text, reason, time.monotonic() - began))
        told |= {"redrawn": writing.redrawn, "replaced": writing.replaced}
        print_json(told | ({"finish": code.finish(prompt, text, writing.more)} if finish else {}))


def _finished(prompt: str, writing: "Writing") -> "Iterator[Piece]":
    """The pieces of a text, and what finishes it as a further one."""
    from charloom.applications.code.writing import finish
    from charloom.generation import Piece

    text = ""
    for piece in writing.pieces():
        text += piece.text
        yield piece
    yield Piece(finish(prompt, text, writing.more))


def _told(sample: "Sample") -> dict[str, object]:
    return {
        "prompt": sample.prompt,
        "text": sample.text,
        "characters": len(sample.text),
        "stop_reason": sample.stop_reason,
        "seconds": sample.seconds,
    }


def _stream(prompt: str, pieces: "Iterator[Piece]") -> None:
    """The prompt and then the text as it comes, on standard output; nothing where not even the first piece can be made."""
    first = next(pieces)
    sys.stdout.write(prompt + first.text)
    sys.stdout.flush()
    shown = time.monotonic()
    try:
        for piece in pieces:
            sys.stdout.write(piece.text)
            if time.monotonic() - shown > FLUSH_SECONDS:
                sys.stdout.flush()
                shown = time.monotonic()
    finally:
        sys.stdout.flush()
    print(flush=True)


def _prompts(prompts: list[str] | None, file: Path | None) -> list[str]:
    if prompts and file is not None:
        raise SettingsError("give the prompt once: --prompt or --prompt-file")
    if file is None:
        return prompts or [""]
    return [files.read_text(file)]
