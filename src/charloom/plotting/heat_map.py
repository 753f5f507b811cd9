"""A text coloured by surprise: in the terminal, as a self-contained page, and as a picture of predictions and truth."""

import html
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from charloom.evaluation.surprisal import Surprise
from charloom.plotting import style
from charloom.plotting.style import Picture, rendered

LEVELS = ("#fffbe6", "#fde9a9", "#fbcb6b", "#f5a04a", "#e0703f", "#bd4545", "#862a4e", "#4a1a4a")
"""From no surprise to seven bits and more: yellow to dark purple, steadily darker, so that it works in print and for
the colour-blind."""

RIGHT = "#0072B2"
"""The colour of a correct prediction."""

MARKS = " .:-=+*#"
"""The same levels without colour."""


def level(nats: float) -> int:
    """Whole bits of surprise, at most 7."""
    return min(len(LEVELS) - 1, int(nats / math.log(2)))


def ink(step: int) -> str:
    """Black or white, whichever is readable on a level."""
    return "#000000" if step < 5 else "#ffffff"


def lines(surprises: Iterable[Surprise], width: int) -> Iterator[list[Surprise]]:
    """The characters in lines of at most `width`; a newline ends its line."""
    line: list[Surprise] = []
    for surprise in surprises:
        line.append(surprise)
        if surprise.character == "\n" or len(line) == width:
            yield line
            line = []
    if line:
        yield line


def glyph(character: str) -> str:
    """A character as shown in its own cell."""
    if character == "":
        return "■"
    if character in (" ", "\n"):
        return "␣" if character == " " else "↵"
    if len(character) == 1 and ord(character) < 32:
        return chr(0x2400 + ord(character))
    return character if character.isprintable() else "\ufffd"


def page(surprises: Iterable[Surprise], title: str, summary: str) -> Iterator[str]:
    """A self-contained HTML page, in pieces; each character can be pointed at or reached with the arrow keys."""
    template = Path(__file__).with_name("heat_map.html").read_text("utf-8")
    colours = "".join(f".s{n}{{background:{colour};color:{ink(n)}}}" for n, colour in enumerate(LEVELS))
    scale = "".join(f'<span class="s{n}">{"7+" if n == 7 else n}</span>' for n in range(len(LEVELS)))
    for mark, value in (("title", html.escape(title)), ("summary", html.escape(summary)), ("scale", scale)):
        template = template.replace(f"<!--{mark}-->", value)
    before, after = template.replace("/*colours*/", colours).split("<!--text-->")
    yield before
    records: list[str] = []
    for line in lines(surprises, 10_000):
        cells = []
        for surprise in line:
            plain = surprise.character and (surprise.character.isprintable() or surprise.character == "\t")
            text = html.escape(surprise.character if plain else glyph(surprise.character))
            cells.append(f'<i class="s{level(surprise.nats)}">{text}</i>')
            records.append(
                json.dumps(
                    [
                        round(surprise.nats / math.log(2), 2),
                        surprise.rank,
                        [[name, round(chance, 4)] for name, chance in surprise.top],
                        surprise.character,
                    ],
                    ensure_ascii=False,
                    separators=(",", ":"),
                ).replace("</", "<\\/")
            )
        yield f"<p>{''.join(cells)}</p>\n"
    first, last = after.split("/*records*/")
    yield first
    for start in range(0, len(records), 1000):
        yield ",\n".join(records[start : start + 1000]) + (",\n" if start + 1000 < len(records) else "")
    yield last


def _between(colour: str, share: float) -> tuple[float, ...]:
    """A blend: white at a share of 0, the colour at 1."""
    return tuple(1 - share * (1 - int(colour[place : place + 2], 16) / 255) for place in (1, 3, 5))


def _luminance(colour: tuple[float, ...]) -> float:
    """Relative luminance; at 0.18 black and white have the same contrast (WCAG 2.2)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def draw_heat_map(surprises: list[Surprise], title: str, *, columns: int = 48, candidates: int = 3) -> Picture:
    """A picture: the true characters, coloured by surprise, each above the most probable ones, darker if likelier."""
    from matplotlib.patches import Rectangle

    blocks = [surprises[start : start + columns] for start in range(0, len(surprises), columns)]
    height = candidates + 1.7
    figure = style.figure(0.24 * columns + 1.1, 0.27 * height * len(blocks) + 1.2)
    axes = figure.subplots()
    for number, block in enumerate(blocks):
        top = -number * height
        for column, surprise in enumerate(block):
            step = level(surprise.nats)
            axes.add_patch(Rectangle((column, top), 1, 1, facecolor=LEVELS[step], edgecolor="white", linewidth=0.5))
            cell: dict[str, Any] = {"ha": "center", "va": "center", "family": "DejaVu Sans Mono", "parse_math": False}
            axes.text(
                column + 0.5, top + 0.45, glyph(surprise.character), color=ink(step), weight="bold", size=9, **cell
            )
            for place, (name, chance) in enumerate(surprise.top[:candidates]):
                right = name == surprise.character
                shade = _between(RIGHT if right else "#555555", chance)
                axes.add_patch(
                    Rectangle((column, top - place - 1), 1, 1, facecolor=shade, edgecolor="white", linewidth=0.5)
                )
                colour = "white" if _luminance(shade) < 0.18 else "black"
                axes.text(column + 0.5, top - place - 0.55, glyph(name), color=colour, size=8, **cell)
    axes.set_xlim(0, columns)
    axes.set_ylim(-(len(blocks) - 1) * height - candidates - 0.2, 1.2)
    axes.set_axis_off()
    axes.set_title(title, loc="left", size=10, parse_math=False)
    figure.supxlabel(
        f"top row: the text, darker where it surprised more (0 to 7 bits); below: the {candidates} most probable "
        "characters, darker where likelier, blue where right",
        size=8,
    )
    return rendered(figure)
