"""charloom generate --new and --compare: generated lines compared with known ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from charloom.cli import files
from charloom.cli.output import print_json, say
from charloom.errors import SettingsError, shown
from charloom.settings import SamplingConfig

if TYPE_CHECKING:
    from charloom.generation.novelty import Lines
    from charloom.generation.writer import Writer


def known_lines(run: str, writer: "Writer", compare: Path | None) -> "Lines":
    """The lines to compare with: those of a list, or of the run's training text. Raises `SettingsError`."""
    from charloom.generation.novelty import Lines
    from charloom.models.model_folder import is_run
    from charloom.training.runs import as_run
    from charloom.training.texts import same_text

    if writer.config.documents != "lines":
        raise SettingsError(
            f"{shown(run)} is not a model of lines; train one with --documents lines, or leave out --new and --compare"
        )
    if compare is not None:
        return Lines(files.read_text(compare).split("\n"))
    if not is_run(run):
        raise SettingsError(f"{shown(run)} is a model folder, which has no training text; give a list with --compare")
    here = as_run(run)
    return Lines.of(same_text(here, here.config()).train)


def write_compared(
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
    """Write lines, with `new` only new ones, and report on standard error how they compare with the known ones."""
    from charloom.generation.batched_generation import write_samples
    from charloom.generation.novelty import TRIES, compare, line_of, new_samples

    if new:
        samples = new_samples(writer, prompts, sampling, known, length=length, stop=stop, seed=seed)
    else:
        seeds = range(seed, seed + len(prompts))
        samples = write_samples(writer, prompts, sampling, length=length, stop=stop, seeds=seeds)
    lines = list[str]()
    for sample in samples:
        lines.append(line_of(sample))
        if json:
            print_json({**sample.record(), "new": not known.alike(lines[-1])})
        else:
            print(sample.prompt + sample.text, flush=True)
    if new and len(lines) < len(prompts):
        say(
            f"{len(lines):,} new lines of {len(prompts):,}: the others were not new in {TRIES} draws each; "
            "a higher --temperature writes more new lines"
        )
    elif not new:
        counts = compare(lines, known)
        say(
            f"{counts.new:,} of {counts.lines:,} lines are new, {counts.repeated:,} repeat one of the {len(known):,} "
            f"known ones, {counts.alike:,} apart from capitals or accents; "
            f"{counts.distinct:,} are different from each other"
        )
