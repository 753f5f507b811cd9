"""charloom compress of a folder: each file by itself, with several processes."""

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from charloom.cli import files
from charloom.cli.archived import ENDING, figures, sentence
from charloom.cli.many import ManyOptions, check_copies
from charloom.cli.output import print_json, say
from charloom.cli.rows_shown import rows_shown
from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError, shown
from charloom.storage.atomic_files import storage_errors

if TYPE_CHECKING:
    from charloom.many.groups import Group


def compress_folder(
    run: str, folder: Path, output: Path | None, workers: int | None, *, adaptive: bool, force: bool, json: bool
) -> None:
    """Compress each file below a folder that has no compressed file yet; with `force`, each file."""
    from charloom.data.corpus import files_of
    from charloom.many.archives import Archiver
    from charloom.many.groups import Group, answered
    from charloom.many.model_place import lasting_place

    ManyOptions(workers).check()
    if str(output) == HYPHEN:
        raise SettingsError("several files cannot be written to standard output; name a folder with --output")
    found = files_of(folder, ending=ENDING)
    targets = {path: _target(path, folder, output) for path in found}
    made = {} if force else {path: target for path, target in targets.items() if target.exists()}
    missing = [path for path in found if path not in made]
    if made:
        check_copies(made, _other_models(lasting_place(run)))
        say(f"{shown(folder)}: {len(made):,} of {len(found):,} files are compressed already")

    def asked() -> "Iterator[Group[bytes | Path]]":
        for number, path in enumerate(missing, 1):
            yield Group(number - 1, [path], share=number / len(missing))

    prepare = Archiver(lasting_place(run), adaptive)
    results = answered(prepare, asked(), workers=workers or 1)  # an archive names the threads that it was made with
    with closing(results), rows_shown("files", to_terminal=True) as display:
        for group, (archive,) in results:
            (path,) = group.rows
            assert isinstance(path, Path)
            target = targets[path]
            with storage_errors(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            files.write(files.target(target, force=force), archive.compressed.data)
            if json:
                times = {"seconds": archive.seconds, "check_seconds": archive.check_seconds}
                print_json(figures(str(target), archive.compressed, adaptive) | times)
            else:
                print(sentence(shown(target), archive.compressed), flush=True)
            display.add(1, group.share)
    sys.stdout.flush()


def _other_models(run: Path) -> Callable[[Path], str | None]:
    from charloom.compress.coded_files import OVERHEAD, identity, made_by
    from charloom.models.model_folder import model_folder, read_model

    ours = identity(read_model(model_folder(run)))

    def wrong(archive: Path) -> str | None:
        with files.pieces(archive, OVERHEAD) as pieces:
            theirs = made_by(next(pieces, b""))
        if theirs is None:
            return f"{shown(archive)} is not a compressed file"
        return None if theirs == ours else f"{shown(archive)} was compressed with another model"

    return wrong


def _target(path: Path, folder: Path, output: Path | None) -> Path:
    """Where the compressed file belongs: next to the file, or at the same place below `output`."""
    place = path if output is None else output / path.relative_to(folder)
    return place.with_name(place.name + ENDING)
