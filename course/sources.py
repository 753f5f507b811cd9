"""The sources of the lessons: a jupytext script (percent format) for each, or a folder with one for each chapter."""

from pathlib import Path
from typing import Any

import jupytext

HERE = Path(__file__).resolve().parent


def lessons() -> list[Path]:
    """Each lesson's source, in the order of the course: a script NN_name.py, or a folder NN_name of such scripts."""
    return sorted(path for path in HERE.glob("[0-9][0-9]_*") if path.is_dir() or path.suffix == ".py")


def scripts(lesson: Path) -> list[Path]:
    """The scripts of one lesson, in their order."""
    return sorted(lesson.glob("[0-9][0-9]*_*.py")) if lesson.is_dir() else [lesson]


def source(lesson: Path) -> Any:
    """The lesson as a notebook that has not been run."""
    first, *others = [jupytext.read(script, fmt="py:percent") for script in scripts(lesson)]
    for chapter in others:
        first.cells.extend(chapter.cells)
    first.metadata.pop("jupytext", None)  # a notebook for readers: its source stays the script
    for number, cell in enumerate(first.cells):
        cell.id = f"{lesson.stem[:2]}-{number:03d}"  # the same each time it is built
    return first
