"""charloom score"""

import itertools
import json as json_module
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from charloom.cli import files
from charloom.cli.many import ManyOptions
from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError, shown

if TYPE_CHECKING:
    from charloom.evaluation.score import Score
    from charloom.evaluation.surprisal import Surprise, Surprises

PICTURED = 384
"""Most characters that a picture shows."""


def score(
    run: str,
    passage: str | None = None,
    /,
    *,
    text: str | None = None,
    encoding: str = "utf-8",
    column: str = "",
    candidates: int = 5,
    summary: bool = False,
    html: Path | None = None,
    png: Path | None = None,
    hints: int | None = None,
    many: Annotated[ManyOptions, Parameter(name="*")] = ManyOptions(),
    json: bool = False,
) -> None:
    """Show how much each character of a text surprises a model, and what it expected.

    The text is read once from its beginning with the state carried. A terminal shows it coloured by surprisal; --html
    writes a page that needs no other file, --png a picture of the predictions next to the text.

    With --workers or --output, each file of the folder --text is a text of its own, and only the figures are given: a
    line for each, and one for all, whose score is the sum of theirs. --output holds a JSON value for each file.

    Parameters
    ----------
    run
        A run directory or a model folder.
    passage
        The text itself.
    text
        Instead of a passage: a file, a folder, - for standard input, or the name of a corpus.
    encoding
        Encoding of that file.
    column
        Column of that file's rows (Parquet, JSON lines) that holds the texts.
    candidates
        How many of the most probable characters to give for each position.
    summary
        Give only the figures of the whole text, which may be of any length.
    html
        Write a page for a browser.
    png
        Write a picture of the first characters.
    hints
        Instead of the score, show this many places in Python source where the model expected something else.
    json
        Print one JSON value.
    """
    from charloom.cli.measure_folder import folder_of, measure_folder
    from charloom.data.text import Text
    from charloom.data.text_sources import open_text
    from charloom.evaluation.score import evaluate
    from charloom.evaluation.surprisal import Surprises
    from charloom.settings import CorpusConfig
    from charloom.training.runs import load

    if many.given:
        options = {
            "the passage": passage,
            "--html": html,
            "--png": png,
            "--hints": hints is not None,
            "--column": column,
        }
        folder = folder_of(text, options)
        measure_folder(run, folder, many, names={"carried": "score"}, encoding=encoding, context=None, json=json)
        return
    if (passage is None) == (text is None):
        raise SettingsError("give one text: a passage after the run, or a file with --text")
    if hints is not None and (html or png):
        raise SettingsError("hints are only printed; leave out --html and --png")
    if summary and (html or png or hints is not None):
        raise SettingsError("a summary is only printed; leave out --html, --png and --hints")
    targets = {path: files.target(path, force=True) for path in (html, png) if path is not None}
    if len(set(targets.values())) < len(targets) or (
        targets and text not in (None, HYPHEN) and Path(str(text)).resolve() in targets.values()
    ):
        raise SettingsError("the page, the picture and the text must be different files; give each its own name")
    if hints is not None:
        if column:
            raise SettingsError("hints are for one file; leave out --column")
        _print_hints(run, passage, text, hints, encoding, json=json)
        return
    model = load(run)
    if passage is not None:
        scored, name = Text.of(passage), "a passage"
    else:
        other = open_text(str(text), CorpusConfig(split=(1.0, 0.0, 0.0), encoding=encoding, column=column))
        scored, name = other.text, other.name
    if summary:
        _print_summary(evaluate(model, scored), json=json)
        return
    surprises = Surprises(model, scored, candidates=candidates)
    if not targets:
        _print(surprises, surprises, json=json)
        return
    _write(surprises, targets, f"{shown(run)} on {name}", html=html, png=png, json=json)


def _write(
    surprises: "Surprises", targets: Mapping[Path, Path], title: str, *, html: Path | None, png: Path | None, json: bool
) -> None:
    """Write the page and the picture; print the figures."""
    rows = iter(surprises)
    kept = list(rows if html or json else itertools.islice(rows, PICTURED))
    deque(rows, 0)  # a picture shows the beginning, but the score is of the whole text
    contents = {}
    if html:
        contents[targets[html]] = "".join(_page(kept, title, surprises)).encode()
    if png:
        contents[targets[png]] = _picture(kept, title, surprises)
    for path, data in contents.items():
        files.write(path, data)
    if json:
        _print(kept, surprises, json=True)
    else:
        print(_summary(surprises.score))


def _print_summary(found: "Score", *, json: bool) -> None:
    from charloom.cli.output import print_json

    if json:
        print_json({"score": found.summary()})
    else:
        print(_summary(found))


def _print_hints(run: str, passage: str | None, text: str | None, hints: int, encoding: str, *, json: bool) -> None:
    from charloom.cli.output import print_json
    from charloom.code.hints import find_hints
    from charloom.data.text_sources import open_text
    from charloom.generation.writer import Writer
    from charloom.settings import CorpusConfig

    if passage is None:
        file = open_text(str(text), CorpusConfig(split=(1.0, 0.0, 0.0), encoding=encoding)).text
        if file.several:
            raise SettingsError("hints are for one file; name one in the folder")
        passage = str(file)
    suspicious = find_hints(Writer.load(run), passage, hints)
    if json:
        print_json({"hints": [asdict(hint) | {"gain": hint.gain} for hint in suspicious]})
        return
    for hint in suspicious:
        print(
            f"{hint.line}:{hint.column}\t{shown(hint.text)} ({hint.nats:.1f} nats) -> {shown(hint.best)} "
            f"({hint.best_nats:.1f})\t{hint.kind}"
        )


def _summary(score: "Score") -> str:
    return (
        f"{score.bits_per_character:.3f} bits ({score.nats_per_character:.4f} nats) per character on "
        f"{score.characters:,} characters, {score.accuracy:.1%} of the symbols were the most probable; state carried"
    )


def _page(kept: "list[Surprise]", title: str, surprises: "Surprises") -> Iterator[str]:
    from charloom.plotting.heat_map import page

    return page(kept, title, _summary(surprises.score))


def _picture(kept: "list[Surprise]", title: str, surprises: "Surprises") -> bytes:
    from charloom.plotting.heat_map import draw_heat_map

    score = surprises.score
    part = f", the first {PICTURED:,} of {score.characters:,} characters" if score.characters > PICTURED else ""
    return draw_heat_map(kept[:PICTURED], f"{title}{part}: {score.bits_per_character:.2f} bits per character")


def _print(rows: "Iterable[Surprise]", surprises: "Surprises", *, json: bool) -> None:
    if not json:
        _colour(rows)
        print(_summary(surprises.score))
        return
    with tempfile.TemporaryFile(
        "w+", encoding="utf-8"
    ) as waiting:  # if scoring fails halfway, nothing has been printed
        separator = '{"characters": ['
        for surprise in rows:
            waiting.write(separator + json_module.dumps(_plain(surprise), ensure_ascii=False))
            separator = ", "
        waiting.write(f'], "score": {json_module.dumps(surprises.score.summary())}}}\n')
        waiting.seek(0)
        shutil.copyfileobj(waiting, sys.stdout)


def _plain(surprise: "Surprise") -> dict[str, Any]:
    return {
        "character": surprise.character,
        "nats": surprise.nats,
        "rank": surprise.rank,
        "top": [list(pair) for pair in surprise.top],
    }


def _colour(rows: "Iterable[Surprise]") -> None:
    """Print the text coloured by surprisal; without colours, with a mark below each character."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.text import Text

    from charloom.plotting.heat_map import LEVELS, MARKS, ink, level, lines

    console = Console(file=sys.stdout, highlight=False)
    coloured = console.color_system is not None and not console.no_color
    for line in lines(rows, max(20, console.width - 1)):
        cells = Text()
        for surprise in line:
            step = level(surprise.nats)
            character = "↵" if surprise.character == "\n" else surprise.character or "■"
            cells.append(
                character if character.isprintable() else "\ufffd", f"{ink(step)} on {LEVELS[step]}" if coloured else ""
            )
        console.print(cells, soft_wrap=True)
        if not coloured:
            widths = [max(1, cell_len(surprise.character)) for surprise in line]
            print("".join(MARKS[level(each.nats)] * width for each, width in zip(line, widths, strict=True)))
    if coloured:
        scale = Text("surprise in bits ")
        for step, colour in enumerate(LEVELS):
            scale.append(f" {step}{'+' if step == 7 else ''} ", f"{ink(step)} on {colour}")
        console.print(scale, soft_wrap=True)
    else:
        meanings = ", ".join(f"{step}{'+' if step == 7 else ''} {mark!r}" for step, mark in enumerate(MARKS))
        print(f"marks: bits of surprise: {meanings}")
