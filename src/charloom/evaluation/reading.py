"""A model reads a text: the one loop behind every score, surprisal and report.

A text is cut into spans, each read from a zero state and the symbol before it: where a text begins, nothing is known of
the one before, as in training. The functions here say which spans there are, how many are read side by side, and how
many symbols at a time; `read` goes through them and gives what the network predicts. Everything is computed in float32,
whatever the precision of training.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from charloom.data.batches import IGNORED, Batch, Integers, Streams, folded, pieces, rows, spans
from charloom.data.sections import SECTION
from charloom.data.stored_ids import AnyIds, StoredIds
from charloom.models.language_model import LanguageModel
from charloom.models.network import State, reading

ROWS = 64
"""Spans that are read side by side."""

SIDE_BY_SIDE_CHUNK = 256
"""Symbols of each span that are read at a time, where many spans are read side by side."""

FOLDS = 16
"""Rows into which a text is folded for a quick estimate."""


Spans = tuple[Integers, Integers]
"""Starts and lengths (N,) of parts of a text."""


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a network predicts at T places of each of B spans."""

    group: int
    "Counts the groups of spans that are read side by side, from 0."
    symbols: int
    "Predictions that count."
    targets: torch.Tensor
    "(T, B): the symbols that follow; `IGNORED` after the end of a span."
    logits: torch.Tensor
    "(T, B, V)"

    @property
    def correct(self) -> int:
        """Predictions whose most probable symbol is the true one."""
        return int((self.logits.argmax(-1) == self.targets).sum())

    @property
    def nats(self) -> torch.Tensor:
        """Surprisal (T, B) of the targets; zero where they are ignored."""
        losses = torch.nn.functional.cross_entropy(
            self.logits.flatten(0, 1), self.targets.flatten(), ignore_index=IGNORED, reduction="none"
        )
        return losses.view(self.targets.shape)


def read(model: LanguageModel, batches: Iterable[Batch]) -> Iterator[Predicted]:
    """What the model predicts at each place, on its own device; the state is carried until a batch begins new spans."""
    network, device = model.network, model.network.device
    state: State | None = None
    group = -1
    for batch in batches:
        if batch.begins:
            state, group = None, group + 1
        with reading(network):
            logits, state = network(batch.inputs.to(device), state)
        yield Predicted(group, batch.symbols, batch.targets.to(device), logits)


def in_order(model: LanguageModel, ids: AnyIds, chunk: int) -> Iterator[Batch]:
    """One span after the other in the order of the text: the whole text, or each of those that it consists of."""
    boundary = model.vocabulary.boundary
    for starts, lengths in _spans(ids, boundary):
        for start, length in zip(starts, lengths, strict=True):
            yield from _chunks(ids, np.array([start]), np.array([length]), chunk, boundary)


def carried_batches(model: LanguageModel, ids: AnyIds, chunk: int) -> Iterator[Batch]:
    """The whole text as one span; or, if it consists of several, many of them side by side."""
    boundary = model.vocabulary.boundary
    for starts, lengths in _groups(ids, boundary):
        if len(starts) == 1:
            yield from _chunks(ids, starts, lengths, chunk, boundary)
        else:
            yield from side_by_side(ids, starts, lengths, chunk, boundary)


def window_batches(model: LanguageModel, ids: AnyIds, context: int, chunk: int) -> Iterator[Batch]:
    """Windows of `context` symbols side by side; where one of several texts ends, its window ends too."""
    boundary, context = model.vocabulary.boundary, min(context, max(1, len(ids)))
    for begins, sizes in _groups(ids, boundary, ROWS * context):
        owner, number = pieces(-(-sizes // context))
        starts = begins[owner] + number * context
        lengths = np.minimum(context, (begins + sizes)[owner] - starts)
        yield from side_by_side(ids, starts, lengths, chunk, boundary)


def folded_batches(model: LanguageModel, ids: AnyIds) -> Iterator[Batch]:
    """Sixteen spans of about equal length side by side; of several texts, each, the long ones in pieces.

    With documents the same as `carried_batches`.
    """
    if model.config.documents != "none":
        return carried_batches(model, ids, SIDE_BY_SIDE_CHUNK)
    boundary = model.vocabulary.boundary
    starts, lengths = _together(_spans(ids, boundary))
    if len(starts) > 1:
        return side_by_side(ids, *folded(starts, lengths, FOLDS), SIDE_BY_SIDE_CHUNK, boundary)
    streams = Streams(ids, boundary=boundary, batch_size=FOLDS, sequence_length=SIDE_BY_SIDE_CHUNK)
    return (streams[k] for k in range(len(streams)))


def _spans(ids: AnyIds, boundary: int) -> Iterator[Spans]:
    """Starts and lengths of the texts in `ids`: all at once, or some at a time if they are in a file."""
    return ids.spans() if isinstance(ids, StoredIds) else iter([spans(ids, boundary)])


def _groups(ids: AnyIds, boundary: int, unit: int = 1) -> Iterator[Spans]:
    """The spans that are sorted by length to be read side by side: all, or those of a few million symbols in a file.

    With a `unit`, long spans in a file are cut at multiples of it.
    """
    if not isinstance(ids, StoredIds):
        yield spans(ids, boundary)
        return
    group, symbols = list[Spans](), 0
    for part in ids.spans():
        for starts, lengths in _cut(part, max(1, SECTION // unit) * unit) if unit > 1 else [part]:
            group.append((starts, lengths))
            symbols += int(lengths.sum())
            if symbols >= SECTION:
                yield _together(group)
                group, symbols = [], 0
    if group:
        yield _together(group)


def _cut(part: Spans, longest: int) -> Iterator[Spans]:
    """Spans, those beyond `longest` in pieces of that length."""
    if int(part[1].max()) <= longest:
        yield part
        return
    for start, length in zip(*part, strict=True):
        for first in range(0, int(length), longest):
            yield np.array([start + first]), np.array([min(longest, length - first)])


def _together(parts: Iterable[Spans]) -> Spans:
    starts, lengths = zip(*parts, strict=True)
    return np.concatenate(starts), np.concatenate(lengths)


def side_by_side(ids: AnyIds, starts: Integers, lengths: Integers, chunk: int, boundary: int) -> Iterator[Batch]:
    """Spans (N,) in groups of `ROWS`, the longest first; spans of equal length stay in order."""
    order = longest_first(lengths)
    for first in range(0, len(order), ROWS):
        chosen = order[first : first + ROWS]
        yield from _chunks(ids, starts[chosen], lengths[chosen], min(chunk, SIDE_BY_SIDE_CHUNK), boundary)


def longest_first(lengths: Integers) -> Integers:
    """The order (N,) in which `side_by_side` reads spans of these lengths."""
    return np.argsort(-lengths, kind="stable")


def _chunks(ids: AnyIds, starts: Integers, lengths: Integers, chunk: int, boundary: int) -> Iterator[Batch]:
    longest = int(lengths.max(initial=0))
    for first in range(0, longest, chunk):
        yield rows(ids, starts, lengths, first, min(first + chunk, longest), boundary=boundary)
