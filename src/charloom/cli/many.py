"""What verbs share that answer many texts: how many workers, an output that is continued, a display."""

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from charloom.cli import files
from charloom.cli.output import say
from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError

if TYPE_CHECKING:
    from charloom.many.groups import Group
    from charloom.storage.line_files import LineFile

Row = TypeVar("Row")


@dataclass(frozen=True)
class ManyOptions:
    """How many texts are answered at once, and where the answers go."""

    workers: int | None = None
    "How many processes share the texts, each with one thread. The results are those of one worker, in order."
    output: Path | None = None
    "Write the results into this file. What an earlier, interrupted call wrote there is kept and continued."
    force: bool = False
    "Overwrite --output from its beginning."

    def check(self) -> None:
        """Raise `SettingsError` for a number of workers that makes no sense; say so if there are too many."""
        from charloom.machine import workers
        from charloom.machine.threads import processors

        workers.check(self.workers)
        if self.force and self.output is None:
            raise SettingsError("--force overwrites the file of --output; name one, or leave out --force")
        if self.workers is not None and self.workers > max(1, len(processors())):
            say(f"{self.workers:,} workers share {len(processors()):,} processors; more workers than that gain nothing")

    @property
    def given(self) -> bool:
        """Whether any of them was given."""
        return self.workers is not None or self.output is not None


@contextmanager
def line_file(options: ManyOptions, source: Path | str | None = None) -> "Iterator[LineFile | None]":
    """The file of `--output`, or None for standard output. Raises `StorageError`, and `SettingsError` for `source`."""
    from charloom.storage.line_files import LineFile

    if options.output is None or str(options.output) == HYPHEN:
        yield None
        return
    target = files.target(options.output, force=True)
    if source is not None and Path(source).exists() and target.exists() and Path(source).samefile(target):
        raise SettingsError(f"{options.output} is the input itself; choose another --output")
    if options.force and target.exists():
        files.write(target, b"")
    with LineFile(target) as file:
        yield file


def left(
    groups: "Iterable[Group[Row]]",
    file: "LineFile | None",
    fits: Callable[[Row, bytes], bool],
    lines: Callable[[Row], int] = lambda row: 1,
) -> "Iterator[Group[Row]]":
    """The groups that are not yet in the output; says how many rows are."""
    from charloom.many.resuming import Resumed

    if file is None:
        yield from groups
        return
    resumed = Resumed(groups, file, fits, lines)
    for number, group in enumerate(resumed):
        if number == 0 and resumed.done:
            say(f"{file.path}: {resumed.done:,} rows are there already; continuing")
        yield group
    if resumed.done and resumed.complete:
        say(f"{file.path}: all {resumed.done:,} rows are there already; --force writes them again")


def write_lines(
    answered: "Generator[tuple[Group[Any], Sequence[str]]]", file: "LineFile | None", called: str = "rows"
) -> None:
    """Write the lines of all groups in order, and show how far they are."""
    from charloom.cli.rows_shown import rows_shown

    with closing(answered), rows_shown(called, to_terminal=file is None) as shown:
        for group, lines in answered:
            text = "".join(lines[group.done :])
            if file is None:
                sys.stdout.write(text)
                sys.stdout.flush()
            else:
                file.append(text.encode())
            shown.add(len(lines) - group.done, group.share)
        if file is not None:
            file.append(b"")  # so that there is a file even if there were no rows
