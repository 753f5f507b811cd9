"""charloom generate"""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError, TextError
from charloom.settings import SamplingConfig


def generate(
    run: Path,
    /,
    *,
    prompt: str | None = None,
    prompt_file: Path | None = None,
    length: int = 500,
    endless: bool = False,
    sampling: Annotated[SamplingConfig, Parameter(name="*")] = SamplingConfig(),
    stop: list[str] | None = None,
    seed: int = 0,
    samples: int = 1,
    json: bool = False,
) -> None:
    """Write text with a model.

    The text streams as it is made, the prompt first. The same seed gives the same text.

    Parameters
    ----------
    run
        A run directory or a model folder.
    prompt
        Text to continue; without it the model begins a text of its own.
    prompt_file
        A file with the text to continue; - for standard input.
    length
        New characters at most, and exactly as many where nothing stops it; the prompt does not count.
    endless
        Write until you stop it.
    stop
        Stop before this string would appear; it is not printed. Can be given several times.
    seed
        Seed of the draws; sample i of several uses seed + i.
    samples
        How many texts to write.
    json
        Print one JSON value for each sample.
    """
    import time

    from charloom.cli.output import print_json
    from charloom.generation import generate_pieces
    from charloom.runs import load

    if endless and json:
        raise SettingsError("an endless text has no JSON value, because it never ends; leave out --endless or --json")
    if samples < 1:
        raise SettingsError(f"samples is {samples}; it must be at least 1")
    begin = _prompt(prompt, prompt_file)
    model = load(run)
    for number in range(samples):
        started = time.monotonic()
        pieces = generate_pieces(
            model, begin, sampling, length=None if endless else length, stop=stop or (), seed=seed + number
        )
        if not json:
            if number and not model.config.predicts_end:
                print(f"--- sample {number + 1}")
            print(begin, end="", flush=True)
        written, reason = [], "length"
        for piece in pieces:
            reason = piece.stop_reason or reason
            if json:
                written.append(piece.text)
            else:
                print(piece.text, end="", flush=True)
        if not json:
            print(flush=True)
            continue
        text = "".join(written)
        took = time.monotonic() - started
        print_json({"prompt": begin, "text": text, "characters": len(text), "stop_reason": reason, "seconds": took})


def _prompt(prompt: str | None, file: Path | None) -> str:
    if prompt is not None and file is not None:
        raise SettingsError("give the prompt once: --prompt or --prompt-file")
    if file is None:
        return prompt or ""
    try:
        data = sys.stdin.buffer.read() if str(file) == HYPHEN else file.read_bytes()
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise TextError(f"{file} cannot be read: {(error.strerror or str(error)).lower()}; check the path") from None
    except UnicodeDecodeError as error:
        raise TextError(f"{file} is not UTF-8: byte at offset {error.start:,}; save it as UTF-8") from None
