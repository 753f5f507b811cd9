"""The sources of the lessons: a jupytext script (percent format) for each, or a folder with one for each chapter.

A notebook begins with its title, badges that open it elsewhere, and a cell that installs charloom where it is missing.
Badges and cell are the same in each lesson, so they are added here and not written in the scripts.
"""

from pathlib import Path
from typing import Any

import jupytext
from nbformat.v4 import new_code_cell

HERE = Path(__file__).resolve().parent

REPOSITORY = "charloom/charloom"
"""Owner and name on GitHub: the one place that says where the badges and the install cell point."""

BRANCH = "main"

INSTALL = f"""\
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("charloom") is None:  # on Colab, for example; where charloom is installed, nothing happens
    clone = Path("..").resolve()  # a clone has the package's source next to this folder
    cloned = (clone / "src" / "charloom").is_dir()
    place = clone.as_uri() if cloned else "git+https://github.com/{REPOSITORY}"
    package = f"charloom[course,text] @ {{place}}"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)
print("charloom is installed")
"""


def lessons() -> list[Path]:
    """Each lesson's source, in the order of the course: a script NN_name.py, or a folder NN_name of such scripts."""
    return sorted(path for path in HERE.glob("[0-9][0-9]_*") if path.is_dir() or path.suffix == ".py")


def scripts(lesson: Path) -> list[Path]:
    """The scripts of one lesson, in their order."""
    return sorted(lesson.glob("[0-9][0-9]*_*.py")) if lesson.is_dir() else [lesson]


def badges(name: str) -> str:
    """Markdown: links that open the notebook `name` on Colab and on Binder."""
    on_colab = f"https://colab.research.google.com/github/{REPOSITORY}/blob/{BRANCH}/course/{name}.ipynb"
    on_binder = f"https://mybinder.org/v2/gh/{REPOSITORY}/{BRANCH}?urlpath=lab/tree/course/{name}.ipynb"
    return (
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({on_colab}) "
        f"[![Open on Binder](https://mybinder.org/badge_logo.svg)]({on_binder})"
    )


def source(lesson: Path) -> Any:
    """The lesson as a notebook that has not been run."""
    first, *others = [jupytext.read(script, fmt="py:percent") for script in scripts(lesson)]
    for chapter in others:
        first.cells.extend(chapter.cells)
    title, _, rest = first.cells[0].source.partition("\n")
    assert title.startswith("# "), f"{lesson.name} begins with a cell whose first line is its title"
    first.cells[0].source = f"{title}\n\n{badges(lesson.stem)}\n{rest}"
    first.cells.insert(1, new_code_cell(INSTALL.rstrip("\n")))
    first.metadata.pop("jupytext", None)  # a notebook for readers: its source stays the script
    for number, cell in enumerate(first.cells):
        if "solution" in cell.metadata.get("tags", []):  # an exercise does not show what its solution prints
            cell.metadata["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
        cell.id = f"{lesson.stem[:2]}-{number:03d}"  # the same each time it is built
    return first
