"""The model for a benchmark of words: an existing one, or one trained for the purpose."""

import tempfile
from pathlib import Path

import charloom
from charloom.data.corpus import Corpus
from charloom.generation.writer import Writer
from charloom.training.runs import Run
from charloom.training.texts import same_text


def trained(text: Path, run: Path | None, time_budget: str) -> tuple[Writer, Corpus]:
    """The model of `run`, or else of a temporary run on `text`; and the text, split as in training."""
    with tempfile.TemporaryDirectory() as folder:
        path = run or Path(folder) / "run"
        if run is None:
            charloom.train(text, run=path, time_budget=time_budget, origin=None)
        here = Run(path)
        return Writer.load(path), same_text(here, here.config())
