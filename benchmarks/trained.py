"""The model that a benchmark of words measures: one that exists, or one that is trained for it."""

import tempfile
from pathlib import Path

import charloom
from charloom.data.corpus import Corpus
from charloom.generation.writer import Writer
from charloom.training.run_text import same_text
from charloom.training.runs import Run


def trained(text: Path, run: Path | None, time_budget: str) -> tuple[Writer, Corpus]:
    """The model of `run`, or where there is none of a run on `text` that is thrown away; and the text, split as it was."""
    with tempfile.TemporaryDirectory() as folder:
        path = run or Path(folder) / "run"
        if run is None:
            charloom.train(text, run=path, time_budget=time_budget)
        here = Run(path)
        return Writer.load(path), same_text(here, here.config())
