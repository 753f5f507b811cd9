"""charloom evaluate and score with --workers: the figures of each file of a folder, and of all together."""

import json as json_module
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charloom.cli.many import ManyOptions, left, line_file, write_lines
from charloom.cli.output import dumped, print_json
from charloom.errors import SettingsError, shown

if TYPE_CHECKING:
    from charloom.evaluation.score import Score
    from charloom.many.groups import Group

SUMS = ("nats", "symbols", "correct")
"""What a line holds of a score in addition to its ratios, so that scores can be added."""


def folder_of(text: str | None, alternatives: Mapping[str, object]) -> Path:
    """The folder whose files are scored. Raises `SettingsError` for another text, or for options that show one."""
    if text is None or not Path(text).is_dir():
        raise SettingsError(
            "score reads a text in order, in one process; leave out --workers and --output, or name a folder of "
            "texts with --text"
        )
    for name, given in alternatives.items():
        if given:
            raise SettingsError(f"{name} is for one text, not for each file of a folder; leave it out, or --workers")
    return Path(text)


def measure_folder(
    run: str,
    folder: Path,
    many: ManyOptions,
    *,
    names: Mapping[str, str],
    encoding: str,
    context: int | None,
    json: bool,
) -> None:
    """Print a line for each file and one for all. `names`: how the carried and the fresh score are called in JSON."""
    from charloom.data.corpus import files_of
    from charloom.many.groups import answered, groups
    from charloom.many.model_place import lasting_place
    from charloom.many.scores import Scorer

    many.check()
    found = files_of(folder)
    total = _Total(folder, names)
    place = lasting_place(run)
    prepare = Scorer(place, context=context, encoding=encoding)
    as_lines = json or many.output is not None
    verb = "evaluate" if "fresh" in names else "score"
    settings = {"--context": context, "--encoding": encoding}
    with line_file(many, verb, place, folder, settings) as file:
        asked = left(groups(found, together=1, share=_shares(len(found))), file, seen=total.add_line)

        def lines() -> "Generator[tuple[Group[Any], list[str]]]":
            for group, some in answered(prepare, asked, workers=many.workers):
                values = [
                    total.value(path, carried, fresh, {"context": context, "context_unit": unit} if fresh else {})
                    for path, (carried, fresh, unit) in zip(group.rows, some, strict=True)
                ]
                heading = "" if as_lines or group.first else _heading(names)
                yield group, [_dumped(value) if as_lines else heading + _line(value, names) for value in values]

        write_lines(lines(), file, "files")
    if json:
        print_json(total.summary())
    else:
        print(_line(total.summary(), names), flush=True)


def _shares(count: int) -> Any:
    numbers = iter(range(1, count + 1))
    return lambda: next(numbers) / count


@dataclass
class _Total:
    """The sums of the scores of all files."""

    folder: Path
    names: Mapping[str, str]
    sums: "dict[str, Score]" = field(default_factory=dict)
    files: int = 0
    more: dict[str, Any] = field(default_factory=dict)

    def value(self, path: Path, carried: "Score | None", fresh: "Score | None", more: dict[str, Any]) -> dict[str, Any]:
        """The JSON value of a file, whose scores are added."""
        some = carried or fresh
        found: dict[str, Any] = {
            "file": _name(path, self.folder),
            "characters": some.characters if some else 0,
            "bytes": some.bytes if some else 0,
        }
        for kind, score in (("carried", carried), ("fresh", fresh)):
            if kind in self.names:
                found[self.names[kind]] = None if score is None else _plain(score) | (more if kind == "fresh" else {})
                self._add(self.names[kind], score)
        self.more = more or self.more
        self.files += 1
        return found

    def add_line(self, path: Path, line: bytes) -> bool:
        """Add the scores in a line that an earlier call wrote; False if it is not that of `path`."""
        from charloom.evaluation.score import Score

        try:
            value = json_module.loads(line)
            if value["file"] != _name(path, self.folder):
                return False
            found = {}
            for name in self.names.values():
                part = value[name]
                if part is not None:
                    counts = [part["symbols"], part["correct"], value["characters"], value["bytes"]]
                    if not all(type(count) is int for count in counts):
                        return False
                    found[name] = Score(float(part["nats"]), *counts)
                    if self.names.get("fresh") == name:
                        self.more = {key: part[key] for key in ("context", "context_unit")}
        except (ValueError, TypeError, KeyError):
            return False
        for name, score in found.items():
            self._add(name, score)
        self.files += 1
        return True

    def _add(self, name: str, score: "Score | None") -> None:
        if score is not None:
            self.sums[name] = self.sums[name] + score if name in self.sums else score

    def summary(self) -> dict[str, Any]:
        """The JSON value of all files together."""
        some = next(iter(self.sums.values()), None)
        value: dict[str, Any] = {
            "files": self.files,
            "characters": some.characters if some else 0,
            "bytes": some.bytes if some else 0,
        }
        for kind, name in self.names.items():
            score = self.sums.get(name)
            value[name] = None if score is None else _plain(score) | (self.more if kind == "fresh" else {})
        return value


def _plain(score: "Score") -> dict[str, Any]:
    return score.summary() | {name: getattr(score, name) for name in SUMS}


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _dumped(value: object) -> str:
    return dumped(value) + "\n"


def _heading(names: Mapping[str, str]) -> str:
    ways = " and ".join(names)
    return f"bits per character, {ways}; characters; file\n"


def _line(value: Mapping[str, Any], names: Mapping[str, str]) -> str:
    figures = "".join(
        f"{value[name]['bits_per_character']:>9.4f}" if value[name] is not None else f"{'-':>9}"
        for name in names.values()
    )
    what = shown(value["file"]) + "\n" if "file" in value else f"all {value['files']:,} files"
    return f"{figures} {value['characters']:>14,}  {what}"
