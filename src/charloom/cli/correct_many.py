"""charloom correct of paragraphs, lines and folders: texts of their own, with several processes."""

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charloom.cli import files
from charloom.cli.corrections import keep_line_ends, reason, record, without_list
from charloom.cli.many import ManyOptions, check_copies, left, line_file, write_lines
from charloom.cli.output import dumped, print_json, say
from charloom.cli.rows_shown import rows_shown
from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError, shown
from charloom.storage.atomic_files import storage_errors

if TYPE_CHECKING:
    from charloom.many.corrections import Corrected, Correcting, Each, Passage
    from charloom.many.groups import Group


def correct_passages(correcting: "Correcting", source: Path, each: "Each", many: ManyOptions, *, json: bool) -> None:
    """Correct the lines or paragraphs of a file or of standard input, each by itself."""
    from charloom.data.lines import Lines
    from charloom.many.corrections import TOGETHER, passages
    from charloom.many.groups import answered, groups

    text = Lines(source, whole=True)
    if not json:
        keep_line_ends()
    settings = {
        "--each": each,
        "--words": dict(correcting.words),
        "--aggressive": correcting.aggressive,
        "--confidence": correcting.confidence,
        "--json": json,
    }
    with line_file(many, "correct", correcting.model, source, settings) as file:
        asked = left(
            groups(passages(text, each), together=TOGETHER, share=lambda: text.share),
            file,
            lines=(lambda passage: 1) if json else lambda passage: passage.lines,
        )
        results = answered(correcting, asked, workers=many.workers)

        def lines() -> "Generator[tuple[Group[Passage], list[str]]]":
            remarked = False
            with closing(results):
                for group, some in results:
                    remarked = remarked or _remark(some)
                    yield group, [_line(*pair, json=json) for pair in zip(group.rows, some, strict=True)]
                    if not json:
                        for passage, corrected in list(zip(group.rows, some, strict=True))[group.done :]:
                            for change in _changes(passage, corrected):
                                say(reason(change))

        write_lines(lines(), file, f"{each}s")


def correct_folder(correcting: "Correcting", folder: Path, many: ManyOptions, *, json: bool) -> None:
    """Correct each file below a folder that has no corrected copy yet; with --force, each file."""
    from charloom.data.corpus import files_of
    from charloom.many.corrections import Passage
    from charloom.many.groups import Group, answered

    targets = {path: _target(path, folder, many.output, json=json) for path in files_of(folder)}
    there = targets if not many.force else {}
    made = {path: target for path, target in there.items() if target is not None and target.exists()}
    missing = [path for path in targets if path not in made]
    if made:
        check_copies(made)
        say(f"{many.output}: {len(made):,} of {len(targets):,} files are there already")

    def asked() -> "Iterator[Group[Path]]":
        for number, path in enumerate(missing, 1):
            yield Group(number - 1, [path], share=number / len(missing))

    results, remarked = answered(correcting, asked(), workers=many.workers), False
    with closing(results), rows_shown("files", to_terminal=json) as display:
        for group, some in results:
            (path,), (corrected,), target = group.rows, some, targets[group.rows[0]]
            remarked = remarked or _remark(some)
            name = path.relative_to(folder).as_posix()
            changes = list(_changes(Passage(corrected.original), corrected))
            if target is not None:
                with storage_errors(target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                files.write(files.target(target, force=many.force), corrected.text.encode())
            if json:
                print_json({"file": name, "text": corrected.text, "changes": changes})
            else:
                for change in changes:
                    say(f"{shown(name)}, {reason(change)}")
            display.add(1, group.share)


def _target(path: Path, folder: Path, output: Path | None, *, json: bool) -> Path | None:
    """Where the corrected copy of a file belongs; None if it is only printed, as JSON."""
    if output is None and json:
        return None
    if output is None or str(output) == HYPHEN:
        raise SettingsError("the corrected files need a place; name a folder with --output, or use --json")
    if output.resolve().is_relative_to(folder.resolve()):
        raise SettingsError(f"{output} lies in the folder that is corrected; choose another --output")
    return output / path.relative_to(folder)


def _line(passage: "Passage", corrected: "Corrected", *, json: bool) -> str:
    if not json:
        return corrected.text
    value = {"line": passage.line, "text": corrected.text, "changes": list(_changes(passage, corrected))}
    return dumped(value) + "\n"


def _changes(passage: "Passage", corrected: "Corrected") -> Iterator[dict[str, Any]]:
    for change in corrected.changes:
        yield record(passage.text, change, line=passage.line, start=passage.start)


def _remark(some: "list[Corrected]") -> bool:
    """Say what is worth saying about the known words; whether there was anything."""
    if some and not some[0].has_list:
        say(without_list(some[0].unseen))
        return True
    return False
