"""What verbs share that answer many texts: how many workers, an output, a display."""

import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from charloom.cli import files
from charloom.cli.output import say
from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError, StorageError, shown

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
    "Write the results into this new file. An interrupted call leaves FILE.partial, which the same call continues."
    force: bool = False
    "Replace the file of --output, and what is left of another interrupted call."

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
def line_file(
    options: ManyOptions, verb: str, model: Path, source: Path | str | None, settings: Mapping[str, object]
) -> "Iterator[LineFile | None]":
    """The file of `--output`, or None for standard output.

    `source` and `settings` are those of `charloom.many.marks.mark_of`. Raises `StorageError`, `FolderError`,
    `TextError`, and `SettingsError` for an output that is the input, or lies in it.
    """
    from charloom.many.marks import mark_of
    from charloom.storage.line_files import LineFile

    if options.output is None or str(options.output) == HYPHEN:
        yield None
        return
    target = files.target(options.output, force=True)
    if source is not None and Path(source).exists():
        if target.exists() and Path(source).samefile(target):
            raise SettingsError(f"{options.output} is the input itself; choose another --output")
        if Path(source).is_dir() and target.is_relative_to(Path(source).resolve()):
            raise SettingsError(f"{options.output} lies in the folder that is read; choose another --output")
    files.target(options.output, force=options.force)
    with LineFile(target, mark_of(verb, model, source, settings), force=options.force) as file:
        yield file


def left(
    groups: "Iterable[Group[Row]]",
    file: "LineFile | None",
    *,
    lines: Callable[[Row], int] = lambda row: 1,
    seen: Callable[[Row, bytes], bool] = lambda row, line: True,
) -> "Iterable[Group[Row]]":
    """The groups that an interrupted call has not written; says how many rows are there. See `remaining`."""
    from charloom.many.resuming import remaining

    if file is None:
        return groups
    return remaining(groups, file, lines=lines, seen=seen, found=lambda count: _continuing(file, count))


def _continuing(file: "LineFile", count: int) -> None:
    if count:
        say(f"{file.partial}: {count:,} rows are there already; continuing")


def check_copies(made: Mapping[Path, Path], wrong: Callable[[Path], str | None] = lambda copy: None) -> None:
    """Raise `StorageError` if a file has changed since its copy was made, or if something else is wrong with a copy.

    `made`: the copies that are there, by their files; `wrong`: what is wrong with one, if anything is.
    """
    found = [reason for path, copy in made.items() if (reason := _changed(path, copy) or wrong(copy))]
    if found:
        others = f" (and {len(found) - 1:,} more)" if found[1:] else ""
        raise StorageError(f"{found[0]}{others}; remove it to make it again, or make all again with --force")


def _changed(path: Path, copy: Path) -> str | None:
    try:
        newer = path.stat().st_mtime_ns > copy.stat().st_mtime_ns
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}; check it") from None
    return f"{shown(path)} has changed since {shown(copy)} was made" if newer else None


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
