"""charloom score"""

import itertools
import json as json_module
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from charloom.cli import files
from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError

if TYPE_CHECKING:
    from charloom.surprises import Surprise, Surprises

PICTURED = 384
"""Characters that a picture shows at most."""


def score(
    run: Path,
    passage: str | None = None,
    /,
    *,
    text: str | None = None,
    encoding: str = "utf-8",
    candidates: int = 5,
    html: Path | None = None,
    png: Path | None = None,
    json: bool = False,
) -> None:
    """Show how much each character of a text surprises a model, and what it expected.

    The text is read once from its beginning, the state carried. On a terminal it is shown coloured by surprise; with --html
    as a page that stands alone, with --png as a picture of predictions against truth.

    Parameters
    ----------
    run
        A run directory or a model folder.
    passage
        The text itself.
    text
        Instead of it: a file, a folder, - for standard input, or the name of a corpus.
    encoding
        Encoding of that file.
    candidates
        How many of the most probable characters are told at each place.
    html
        Write a page, to be opened in a browser.
    png
        Write a picture of the first characters.
    json
        Print one JSON value.
    """
    from charloom.corpus import Text
    from charloom.runs import load
    from charloom.settings import CorpusConfig
    from charloom.surprises import Surprises
    from charloom.texts import open_text

    if (passage is None) == (text is None):
        raise SettingsError("give one text: a passage behind the run, or a file with --text")
    model = load(run)
    if passage is not None:
        read, name = Text.of(passage), "a passage"
    else:
        given = "-" if text == HYPHEN else str(text)
        other = open_text(given, CorpusConfig(split=(1.0, 0.0, 0.0), encoding=encoding))
        read, name = other.text, other.name
    found = Surprises(model, read, candidates=candidates)
    title = f"{run} on {name}"
    if html or png:
        kept = list(found)  # the page tells the score before the text
        if html:
            files.write(html, "".join(_page(kept, title, found)).encode())
        if png:
            files.write(png, _picture(kept, title, found))
        _tell(kept, found, json=json, silent=True)
    else:
        _tell(found, found, json=json, silent=False)


def _summary(found: "Surprises") -> str:
    score = found.score
    return (
        f"{score.bits_per_character:.3f} bits ({score.nats_per_character:.4f} nats) per character on "
        f"{score.characters:,} characters, {score.accuracy:.1%} of the symbols were the most probable; state carried"
    )


def _page(kept: "list[Surprise]", title: str, found: "Surprises") -> Iterator[str]:
    from charloom.heat_map import page

    return page(kept, title, _summary(found))


def _picture(kept: "list[Surprise]", title: str, found: "Surprises") -> bytes:
    from charloom.heat_map import picture

    part = f", the first {PICTURED:,} of {len(kept):,} characters" if len(kept) > PICTURED else ""
    return picture(kept[:PICTURED], f"{title}{part}: {found.score.bits_per_character:.2f} bits per character")


def _tell(rows: "Iterable[Surprise]", found: "Surprises", *, json: bool, silent: bool) -> None:
    if json:
        out, separator = sys.stdout, ""
        iterator = iter(rows)
        first = list(itertools.islice(iterator, 1))  # what is wrong is known before anything is printed
        out.write('{"characters": [')
        for surprise in itertools.chain(first, iterator):
            out.write(separator + json_module.dumps(_plain(surprise), ensure_ascii=False))
            separator = ", "
        out.write(f'], "score": {json_module.dumps(found.score.summary())}}}\n')
        return
    if not silent:
        _colour(rows)
    print(_summary(found))


def _plain(surprise: "Surprise") -> dict[str, Any]:
    return {
        "character": surprise.character,
        "nats": surprise.nats,
        "rank": surprise.rank,
        "top": [list(pair) for pair in surprise.top],
    }


def _colour(rows: "Iterable[Surprise]") -> None:
    """The text coloured by surprise; where there are no colours, with a mark beneath each character."""
    from rich.console import Console
    from rich.text import Text

    from charloom.heat_map import LEVELS, MARKS, ink, level, lines

    console = Console(file=sys.stdout, highlight=False)
    coloured = console.color_system is not None and not console.no_color
    for line in lines(rows, max(20, console.width - 1)):
        shown = Text()
        for surprise in line:
            step = level(surprise.nats)
            character = "↵" if surprise.character == "\n" else surprise.character or "■"
            shown.append(
                character if character.isprintable() else "\ufffd", f"{ink(step)} on {LEVELS[step]}" if coloured else ""
            )
        console.print(shown, soft_wrap=True)
        if not coloured:
            console.print("".join(MARKS[level(surprise.nats)] for surprise in line), markup=False, soft_wrap=True)
    if coloured:
        scale = Text("surprise in bits ")
        for step, colour in enumerate(LEVELS):
            scale.append(f" {step}{'+' if step == 7 else ''} ", f"{ink(step)} on {colour}")
        console.print(scale)
    else:
        told = ", ".join(f"{step}{'+' if step == 7 else ''} {mark!r}" for step, mark in enumerate(MARKS))
        console.print(f"marks: bits of surprise: {told}", markup=False, soft_wrap=True)
