"""charloom generate"""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from charloom.cli import files
from charloom.errors import SettingsError, TextError, shown
from charloom.settings import SamplingConfig, Weights

if TYPE_CHECKING:
    from charloom.applications.novelty import Lines
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
    new: bool = False,
    compare: Path | None = None,
    compiled: Weights | None = None,
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
    new
        Of a model of lines: only lines that its training text does not have, each but once; others are drawn again.
    compare
        Tell how many lines are new beside this list, a line each; with --new, the list in the training text's place.
    compiled
        Write a single long text faster, after some seconds of preparation: by a compiled loop (needs the extra fast), with
        weights in float32 or rounded to int8.
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
    if (new or compare is not None) and (endless or compiled):
        raise SettingsError("lines are compared when they are whole; leave out --endless and --compiled")
    if len(prompts) > 1 and compiled:
        raise SettingsError("several texts are written together, without a compiled loop; leave out --compiled")
    writer = Writer.load(run, compiled=compiled)
    if new or compare is not None:
        known = _known(run, writer, compare)
        _write_compared(writer, prompts, sampling, known, length=length, stop=stop or (), seed=seed, new=new, json=json)
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


def _known(run: Path, writer: "Writer", compare: Path | None) -> "Lines":
    """The lines that a line is compared with: those of a list, or of the run's training text."""
    from charloom.applications.novelty import Lines
    from charloom.model_files import is_run
    from charloom.reports import same_text
    from charloom.runs import Run

    if writer.config.documents != "lines":
        raise SettingsError(
            f"{shown(run)} is no model of lines; train one with --documents lines, or leave out --new and --compare"
        )
    if compare is not None:
        return Lines(_decoded(compare).split("\n"))
    if not is_run(run):
        raise SettingsError(f"{shown(run)} is a model folder and has no text of its own; give the list with --compare")
    return Lines.of(same_text(Run(run), Run(run).config()).train)


def _write_compared(
    writer: "Writer",
    prompts: list[str],
    sampling: SamplingConfig,
    known: "Lines",
    *,
    length: int,
    stop: Sequence[str],
    seed: int,
    new: bool,
    json: bool,
) -> None:
    """Write lines, those that are new alone if asked, and say on standard error how they compare with what is known."""
    from charloom.applications.novelty import TRIES, compare, line_of, new_samples
    from charloom.cli.output import print_json, say
    from charloom.samples import write_samples

    if new:
        samples = new_samples(writer, prompts, sampling, known, length=length, stop=stop, seed=seed)
    else:
        seeds = range(seed, seed + len(prompts))
        samples = write_samples(writer, prompts, sampling, length=length, stop=stop, seeds=seeds)
    lines = list[str]()
    for sample in samples:
        lines.append(line_of(sample))
        if json:
            print_json({**_told(sample), "new": not known.alike(lines[-1])})
        else:
            print(sample.prompt + sample.text, flush=True)
    if new and len(lines) < len(prompts):
        say(
            f"{len(lines):,} new lines of {len(prompts):,}: for the others {TRIES} draws each brought nothing new; "
            "a higher --temperature writes more that is"
        )
    elif not new:
        told = compare(lines, known)
        say(
            f"{told.new:,} of {told.lines:,} lines are new, {told.repeated:,} repeat one of the {len(known):,} that are known, "
            f"{told.alike:,} but for capitals or accents; {told.distinct:,} are different from each other"
        )


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
    return [_decoded(file)]


def _decoded(file: Path) -> str:
    data = files.read(file)
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise TextError(f"{file} is not UTF-8: byte at offset {error.start:,}; save it as UTF-8") from None
