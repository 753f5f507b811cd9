"""A picture in a notebook has what it shows in words next to it."""

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from charloom.plotting import described, show

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg=="
)


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """What is shown as if in a notebook: the formats, and what is said about each."""
    pytest.importorskip("IPython")
    shown = list[tuple[dict[str, str], dict[str, Any]]]()
    monkeypatch.setattr(described, "_in_a_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda data, metadata, raw: shown.append((data, metadata)))
    return shown


def test_a_figure_has_its_sentence_and_its_titles(displayed: list[tuple[dict[str, str], dict[str, Any]]]) -> None:
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2)
    figure.suptitle("Both\nfall")
    panels[1].set_title("The second falls faster.", loc="left")
    show("Two curves by step.")
    ((data, about),) = displayed
    assert data["text/plain"] == about["image/png"]["alt"] == "Two curves by step. Both fall. The second falls faster."
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert not plt.fignum_exists(figure.number)


@pytest.mark.parametrize("as_file", [True, False])
def test_a_picture_from_elsewhere_too(
    as_file: bool, tmp_path: Path, displayed: list[tuple[dict[str, str], dict[str, Any]]]
) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    show("One point.", tmp_path / "a.png" if as_file else PNG, width=300)
    ((data, about),) = displayed
    assert base64.b64decode(data["image/png"]) == PNG
    assert about["image/png"] == {"alt": "One point.", "width": 300}


def test_outside_a_notebook_a_picture_is_its_sentence() -> None:
    code = f"from charloom.plotting import show; show('One point.', {PNG!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "One point.\n", "")
