"""The batches that a model is trained on: one long text in streams, several texts or lines as documents."""

import numpy as np

from charloom.data import sections
from charloom.data.batches import Batches, Streams
from charloom.data.documents import Documents
from charloom.data.sections import Sections
from charloom.data.stored_ids import AnyIds, StoredIds
from charloom.data.vocabulary import Vocabulary
from charloom.settings import DocumentKind


def make_batches(
    ids: AnyIds,
    vocabulary: Vocabulary,
    *,
    documents: DocumentKind,
    batch_size: int,
    sequence_length: int,
    seed: int,
) -> Batches:
    """The batches of a training text (T,), whose texts end at the boundary."""
    boundary = vocabulary.boundary
    lines = documents == "lines"
    several = ids.several if isinstance(ids, StoredIds) else bool((ids == boundary).any())
    if not (lines or several):
        return Streams(ids, boundary=boundary, batch_size=batch_size, sequence_length=sequence_length)
    sizes = {"boundary": boundary, "batch_size": batch_size, "sequence_length": sequence_length}
    if len(ids) > sections.MIXED:
        return Sections(ids, **sizes, seed=seed, fold=not lines)
    return Documents(ids[:], **sizes, seed=seed, fold=not lines)


def unseen(ids: AnyIds, vocabulary: Vocabulary, whole: Vocabulary, documents: DocumentKind) -> int:
    """How many symbols of the `whole` text are missing from its training part `ids` (T,)."""
    if vocabulary.kind == "bytes":
        return 0
    if isinstance(ids, StoredIds):
        return ids.unseen()
    counts = np.zeros(len(vocabulary), np.int64)
    for start in range(0, len(ids), 1 << 20):
        counts += np.bincount(ids[start : start + (1 << 20)], minlength=len(vocabulary))
    seen = {vocabulary.characters[symbol] for symbol in np.flatnonzero(counts[:-1])}
    if documents == "lines" and counts[-1]:
        seen.add("\n")  # the boundary represents it
    return len(set(whole.characters) - seen)
