"""How pictures look and are saved: colours that the colour-blind can tell apart, and reproducible bytes."""

import math
import textwrap
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, which colour-blind people can tell apart; each has its own marker."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X")


class Picture(bytes):
    """The bytes of a PNG file. A notebook shows them as a picture."""

    def _repr_png_(self) -> bytes:
        return bytes(self)

    def __repr__(self) -> str:
        return f"<a PNG of {len(self):,} bytes; .save(path) writes it>"

    def save(self, path: str | Path) -> None:
        """Write the picture to `path`."""
        Path(path).write_bytes(self)


def figure(width: float = 8, height: float = 4.5) -> Any:
    """An empty matplotlib figure without a window; sizes in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def axes(place: Any, title: str, across: str, up: str) -> Any:
    """Axes with a title that states the result, and labels."""
    made = place.add_subplot() if hasattr(place, "add_subplot") else place
    made.set_title(wrapped(title, made.figure), fontsize=11, parse_math=False)
    made.set_xlabel(across, parse_math=False)
    made.set_ylabel(up, parse_math=False)
    made.grid(alpha=0.25)
    made.spines[["top", "right"]].set_visible(False)
    return made


def wrapped(title: str, picture: Any) -> str:
    """A title wrapped to the width of a figure."""
    lines = math.ceil(len(title) / (10 * picture.get_figwidth()))
    return textwrap.fill(title, math.ceil(len(title) / max(1, lines)) + 6)  # lines of similar length


def reduced(png: bytes, colours: int = 64) -> Picture:
    """A PNG with at most `colours` colours: a third of the bytes for lines and letters."""
    from PIL import Image

    buffer = BytesIO()
    with Image.open(BytesIO(png)) as picture:
        few = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        few.save(buffer, "png", optimize=True)
    return Picture(buffer.getvalue())


def rendered(picture: Any, *, dpi: int = 130, grow: bool = False) -> Picture:
    """A figure as a PNG, on white, so that it is readable on dark pages too.

    `grow` enlarges it to fit what is drawn: with square cells, the layout cannot make room for all labels.
    """
    size = {"bbox_inches": "tight", "pad_inches": 0.1} if grow else {}
    return Picture(_saved(picture, "png", {"Software": "charloom"}, dpi=dpi, **size))


def vector(picture: Any) -> bytes:
    """A figure as an SVG, on white."""
    return _saved(picture, "svg", {"Date": None})


def _saved(picture: Any, kind: str, metadata: dict[str, Any], **options: Any) -> bytes:
    import matplotlib

    buffer = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "charloom"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a script that the font lacks
        picture.savefig(buffer, format=kind, facecolor="white", metadata=metadata, **options)
    return buffer.getvalue()
