"""A picture in a notebook, with what it shows in words for readers who cannot see it."""

import base64
import io
import sys
from pathlib import Path
from typing import Any


def show(description: str, picture: Path | bytes | None = None, *, width: int | None = None) -> None:
    """Show a picture with a sentence that says what it shows.

    `picture`: a PNG or its path; by default matplotlib's current figure, which is closed. The titles of a figure are
    added to the sentence. `width`: how wide the picture is shown, in pixels. Jupyter's formats have a place for the
    sentence next to the picture; programs that show no pictures show the sentence. Outside a notebook, a figure is
    shown in a window, if there is one.
    """
    if picture is None:
        import matplotlib.pyplot as plt

        figure = plt.gcf()
        if not _in_a_notebook():
            plt.show()
            return
        picture, description = _drawn(figure), " ".join([description, *_titles(figure)])
        plt.close(figure)
    elif not _in_a_notebook():
        print(description)
        return
    from IPython.display import display

    data = picture if isinstance(picture, bytes) else picture.read_bytes()
    about: dict[str, Any] = {"alt": description} | ({"width": width} if width else {})
    bundle = {"image/png": base64.b64encode(data).decode(), "text/plain": description}
    display(bundle, metadata={"image/png": about}, raw=True)  # type: ignore[no-untyped-call]


def _in_a_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return shell is not None and shell() is not None


def _drawn(figure: Any) -> bytes:
    """A figure as a PNG."""
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return file.getvalue()


def _titles(figure: Any) -> list[str]:
    """The titles of a figure, each as a sentence."""
    titles = [figure.get_suptitle()]
    titles += [axes.get_title(loc) for axes in figure.axes for loc in ("left", "center", "right")]
    return [" ".join(title.split()).rstrip(".") + "." for title in titles if title.strip()]
