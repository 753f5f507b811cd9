"""Run the lessons and write them as notebooks, with their outputs.

Usage: python course/build.py [--mode full|fast] [--output FOLDER] [LESSON ...]      (make course)

A lesson is a script NN_name.py next to this file, or a folder NN_name; without any named, all are built, and by_hand.py
is assembled from the main one. A lesson that raises, or writes to standard error, does not replace the notebook and
makes this command fail: a reader would trip over it.
"""

import argparse
import base64
import io
import os
import sys
import time
from pathlib import Path
from typing import Any

import jupytext
from nbclient import NotebookClient
from PIL import Image

import assemble
from sources import HERE, lessons, source


def build(lesson: Path, mode: str) -> Any:
    """The lesson as a notebook that was run. Raises what a cell raises."""
    os.environ["CHARLOOM_COURSE"] = mode  # which the kernel inherits
    notebook = source(lesson)
    client = NotebookClient(
        notebook,
        timeout=1200,
        kernel_name="python3",
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],  # it warns that it listens on this machine without encryption
        resources={"metadata": {"path": str(HERE)}},
    )
    client.execute()
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when each cell ran is of no interest to readers
    return notebook


def shrink(notebook: Any) -> None:
    """Store each picture with a palette of 128 colours: a third of the size, and no eye sees it."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    for data in (output.data for output in outputs if "image/png" in output.get("data", {})):
        whole = base64.b64decode(data["image/png"])
        small = io.BytesIO()
        picture = Image.open(io.BytesIO(whole)).convert("RGB")
        picture.quantize(128, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        if len(small.getvalue()) < len(whole):
            data["image/png"] = base64.b64encode(small.getvalue()).decode() + "\n"


def complaints(notebook: Any) -> list[str]:
    """What the cells wrote to standard error."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    return [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the lessons and write them as notebooks.")
    parser.add_argument("lessons", nargs="*", type=Path, help="sources (default: all)")
    parser.add_argument("--mode", choices=["full", "fast"], default="full")
    parser.add_argument("--output", type=Path, default=HERE)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)  # before a quarter of an hour of work
    failed = 0
    if not options.lessons:
        assemble.write()
    for lesson in options.lessons or lessons():
        began = time.perf_counter()
        notebook = build(lesson, options.mode)
        shrink(notebook)
        said = complaints(notebook)
        for text in said:
            print(f"{lesson.name} writes to standard error: {text}", file=sys.stderr)
        failed += bool(said)
        rejected = ".rejected" if said else ""  # kept for a look, but not in the notebook's place
        jupytext.write(notebook, options.output / f"{lesson.stem}{rejected}.ipynb")
        print(f"{lesson.stem}: {time.perf_counter() - began:.0f} s", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
