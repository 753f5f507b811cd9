"""One text measured by several processes, as far as that is exact.

Windows that start from a zero state do not know of each other, so workers share them out in the very batches in which
one process reads them, and the sums are added in their order. The carried figure is read in order by one worker, while
the others read windows.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from charloom.data.batches import Batch
from charloom.errors import NotFiniteError
from charloom.evaluation.reading import Predicted, carried_batches, read, window_batches
from charloom.evaluation.score import Score, text_to_score
from charloom.machine.workers import check, in_order
from charloom.models.language_model import CHUNK
from charloom.training.runs import load
from charloom.training.texts import text_to_evaluate

PARTS = 4
"""Parts of the windows for each worker, so that none waits long for the last one."""

Sums = list[tuple[int, float, int, int]]
"""For each batch: its group, nats, symbols, and predictions that were right."""


@dataclass(frozen=True)
class Measured:
    """The scores of a text."""

    name: str
    carried: Score
    fresh: Score
    context_unit: str


@dataclass(frozen=True)
class _Answer:
    name: str
    characters: int
    bytes: int
    context_unit: str
    sums: Sums


def measure(
    run: Path, split: str | None, text: str | None, encoding: str, *, context: int, workers: int | None
) -> Measured:
    """The carried and the fresh score of a text, as `charloom.evaluate` gives them. Raises `CharloomError`."""
    check(workers)
    parts = PARTS * (workers or 1) if workers != 1 else 1
    rows: list[int | None] = [None, *range(parts)]  # the carried figure first: it takes longest
    prepare = _Reader(run, split, text, encoding, context, parts)
    with closing(in_order(prepare, rows, workers=workers, called=lambda row: "the text")) as answers:
        carried, *others = answers
    fresh = sorted((each for answer in others for each in answer.sums), key=lambda each: each[0])
    return Measured(carried.name, _score(carried, carried.sums), _score(carried, fresh), carried.context_unit)


@dataclass(frozen=True)
class _Reader:
    """Prepares a model and a text, of which a part of the windows is read at a time, or all of it in order."""

    run: Path
    split: str | None
    text: str | None
    encoding: str
    context: int
    parts: int

    def __call__(self) -> Callable[[int | None], _Answer]:
        model = load(self.run)
        measured, name, _ = text_to_evaluate(self.run, self.split, self.text, self.encoding, with_train=False)
        ids = model.encode(text_to_score(measured))

        def answer(part: int | None) -> _Answer:
            if part is None:
                sums = [_sum(0, each) for each in read(model, carried_batches(model, ids, CHUNK))]
            else:
                groups = list[int]()
                batches = self._chosen(window_batches(model, ids, self.context, CHUNK), part, groups)
                sums = [_sum(groups[each.group], each) for each in read(model, batches)]
            return _Answer(name, measured.characters, measured.bytes, model.vocabulary.kind, sums)

        return answer

    def _chosen(self, batches: Iterator[Batch], part: int, groups: list[int]) -> Iterator[Batch]:
        """The batches of a part: one group in `parts`; `groups` gets their numbers."""
        group = -1
        for batch in batches:
            group += batch.begins
            if group % self.parts == part:
                if batch.begins:
                    groups.append(group)
                yield batch


def _sum(group: int, predicted: Predicted) -> tuple[int, float, int, int]:
    return group, float(predicted.nats.cpu().double().sum()), predicted.symbols, predicted.correct


def _score(answer: _Answer, sums: Sums) -> Score:
    """The sums in order, as one process adds them. Raises `NotFiniteError`."""
    nats, symbols, correct = 0.0, 0, 0
    for _, some, count, right in sums:
        nats, symbols, correct = nats + some, symbols + count, correct + right
        if not math.isfinite(nats):
            raise NotFiniteError
    return Score(nats, symbols, correct, answer.characters, answer.bytes)
