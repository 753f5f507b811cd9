"""charloom generate"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from charloom.cli import files
from charloom.cli.many import ManyOptions
from charloom.cli.sources import Chosen
from charloom.cli.text_output import collected, stream
from charloom.errors import SettingsError
from charloom.settings import SamplingConfig, Syntax, Weights

if TYPE_CHECKING:
    from charloom.generation.batched_generation import Sample
    from charloom.generation.writer import Writer

MOST_SAMPLES = 1_000_000

ALONE = (
    "--workers, --output and --prompts do not go with --endless, --new, --compare, --syntax and --compiled; leave out "
    "either"
)
"""Why some texts are written one after the other."""


def generate(
    run: str,
    /,
    *,
    prompt: list[str] | None = None,
    prompt_file: Path | None = None,
    prompts: Path | None = None,
    length: int = 500,
    endless: bool = False,
    sampling: Annotated[SamplingConfig, Parameter(name="*")] = SamplingConfig(),
    stop: list[str] | None = None,
    seed: int | Literal["random"] = 0,
    samples: int = 1,
    new: bool = False,
    compare: Path | None = None,
    compiled: Weights | None = None,
    syntax: Syntax | None = None,
    finish: bool = False,
    many: Annotated[ManyOptions, Parameter(name="*")] = ManyOptions(),
    json: bool = False,
    chosen: Chosen = frozenset(),
) -> None:
    """Write text with a model.

    A single text is printed as it is generated, after the prompt; several are generated together and printed in order.
    The same seed gives the same text. Texts are written 64 together, so --workers shares out more than 64; an --output
    holds a JSON value for each text.

    Parameters
    ----------
    run
        A run directory or a model folder.
    prompt
        Text to continue; without it the model begins a new text. Can be given several times; each prompt is continued.
    prompt_file
        A file with the text to continue; - for standard input.
    prompts
        A file with a prompt on each line; - for standard input.
    length
        Most new characters, and exactly as many if nothing stops the text; the prompt does not count.
    endless
        Write until you stop it.
    stop
        Stop before this string would appear; it is not printed. Can be given several times.
    seed
        Seed of the random draws; text i of several uses seed + i. With random a new seed is chosen and printed.
    samples
        How many texts to write for each prompt.
    new
        For a model of lines: write only lines that its training text does not contain, each once; others are redrawn.
    compare
        Report how many lines are new compared with this list; with --new, use this list instead of the training text.
    compiled
        Write a single text with the compiled loop from its first character (needs the extra fast and several seconds to
        prepare), with weights in float32 or rounded to int8. In long texts the loop takes over in any case.
    syntax
        With python, prompt and text can always be completed to valid Python: invalid characters are not drawn, and
        invalid lines are drawn again.
    finish
        Continue beyond --length to the end of the statement, and close everything open (with --syntax).
    json
        Print one JSON value for each text.
    """
    from charloom.cli.output import say
    from charloom.generation.generate import new_seed
    from charloom.generation.writer import Writer

    if not 1 <= samples <= MOST_SAMPLES:
        raise SettingsError(f"samples is {samples}; it must be at least 1 and at most {MOST_SAMPLES:,}")
    asked = [text for text in _prompts(prompt, prompt_file, prompts) for _ in range(samples)]
    several, compared = len(asked) > 1 or prompts is not None, new or compare is not None
    _refuse(
        (endless and json, "an endless text has no JSON value, because it never ends; leave out --endless or --json"),
        (
            endless and "length" in chosen,
            "a text has a length or is endless; give only one of --length and --endless",
        ),
        (several and endless, "no other text can follow an endless one; leave out --endless, or ask for one text"),
        (
            compared and (endless or compiled),
            "only complete lines can be compared; leave out --endless and --compiled",
        ),
        (
            several and compiled,
            "several texts are written together, without the compiled loop; leave out --compiled",
        ),
        (
            finish and (syntax is None or stop),
            "--finish needs --syntax and does not go with --stop; give --syntax, and leave out --stop",
        ),
        (syntax and compared, "only lines can be compared, not code; leave out --syntax, or --new and --compare"),
        (syntax and (endless or compiled), "--syntax does not go with --endless and --compiled; leave out either"),
    )
    if seed == "random":
        seed = new_seed()
        say(f"seed {seed}")
    many.check()
    if prompts is not None or many.output is not None or (several and many.given):
        _refuse((endless or compared or syntax or compiled, ALONE))
        rows = _lines(prompts, samples) if prompts is not None else iter(asked)
        _write_many(run, rows, prompts, many, sampling, length, stop or [], seed, samples, json=json)
        return
    writer = Writer.load(run, compiled=compiled)
    if syntax:
        from charloom.cli.generate_code import write_code

        write_code(writer, asked, sampling, length, stop or [], seed, finish=finish, json=json)
        return
    if compared:
        from charloom.cli.generate_lines import known_lines, write_compared

        known = known_lines(run, writer, compare)
        write_compared(writer, asked, sampling, known, length=length, stop=stop or (), seed=seed, new=new, json=json)
        return
    if not several:
        _write_one(writer, asked[0], sampling, None if endless else length, stop or [], seed, json=json)
        return
    from charloom.generation.batched_generation import write_samples

    seeds = range(seed, seed + len(asked))
    texts = write_samples(writer, asked, sampling, length=length, stop=stop or (), seeds=seeds)
    _print(texts, divided=writer.config.documents != "lines", json=json)


def _write_one(
    writer: "Writer",
    prompt: str,
    sampling: SamplingConfig,
    length: int | None,
    stop: list[str],
    seed: int,
    *,
    json: bool,
) -> None:
    """Print a text while it is written."""
    from charloom.cli.output import print_json
    from charloom.generation.generate import generate_pieces

    began = time.monotonic()
    pieces = generate_pieces(writer, prompt, sampling, length=length, stop=stop, seed=seed)
    if json:
        print_json(collected(prompt, pieces, began).record())
    else:
        stream(prompt, pieces)


def _print(samples: "Iterable[Sample]", *, divided: bool, json: bool) -> None:
    """Several texts, each whole; `divided`: with a line between them."""
    from charloom.cli.output import print_json

    for number, sample in enumerate(samples):
        if json:
            print_json(sample.record())
            continue
        if number and divided:
            print(f"--- sample {number + 1}")
        print(sample.prompt + sample.text, flush=True)


def _refuse(*mistakes: tuple[object, str]) -> None:
    """Raise `SettingsError` with the sentence of the first mistake that was made."""
    for made, sentence in mistakes:
        if made:
            raise SettingsError(sentence)


def _write_many(
    run: str,
    prompts: Iterator[str],
    source: Path | None,
    many: ManyOptions,
    sampling: SamplingConfig,
    length: int,
    stop: list[str],
    seed: int,
    samples: int,
    *,
    json: bool,
) -> None:
    """Write the texts in the groups in which `write_samples` writes them."""
    from charloom.cli.many import left, line_file, write_lines
    from charloom.generation.batched_generation import ROWS
    from charloom.many.groups import answered, groups
    from charloom.many.model_place import lasting_place
    from charloom.many.writing import SampleLines, check_writing

    check_writing(length, stop, seed)
    settings: dict[str, object] = {"--length": length, "--stop": stop, "--seed": seed, "--samples": samples}
    settings |= {f"--{name.replace('_', '-')}": value for name, value in asdict(sampling).items()}
    if source is None:
        every = list(prompts)
        prompts, settings["--prompt"] = iter(every), every[::samples]
    with line_file(many, "generate", lasting_place(run), source, settings) as file:
        json = json or file is not None
        prepare = SampleLines(lasting_place(run), sampling, length, tuple(stop), seed, samples, json=json)
        asked = left(groups(prompts, together=ROWS), file)
        write_lines(answered(prepare, asked, workers=many.workers), file, "texts")


def _lines(file: Path, samples: int) -> Iterator[str]:
    """Each line of a file, `samples` times."""
    from charloom.data.lines import Lines

    return (line for line in Lines(file) for _ in range(samples))


def _prompts(prompts: list[str] | None, file: Path | None, many: Path | None) -> list[str]:
    if bool(prompts) + (file is not None) + (many is not None) > 1:
        raise SettingsError("give the prompt once: --prompt, --prompt-file or --prompts")
    if many is not None:
        return []
    if file is None:
        return prompts or [""]
    return [files.read_text(file)]
