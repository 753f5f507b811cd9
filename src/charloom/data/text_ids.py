"""A text as ids: its characters, with the boundary symbol wherever a text ends."""

import numpy as np

from charloom.data.corpus import Text
from charloom.data.vocabulary import Ids, Vocabulary
from charloom.settings import DocumentKind


def encode(text: Text, vocabulary: Vocabulary, documents: DocumentKind = "none") -> Ids:
    """The ids of `text`, one for each character (or byte), with boundaries.

    With documents "lines", each newline becomes the boundary: it ends a text. Where one of several texts ends
    (`Text.ends`), a boundary is inserted, unless a line has just ended there. Raises `TextError` for an unknown
    character.
    """
    ids = vocabulary.encode_pieces(text.pieces(), text.bytes if vocabulary.kind == "bytes" else text.characters)
    newline = newline_id(vocabulary)
    if documents == "lines" and newline is not None:
        ids[ids == newline] = vocabulary.boundary
    if not text.several:
        return ids
    ends = text.ends if vocabulary.kind == "characters" else _byte_ends(text)
    if documents == "lines":
        ends = ends[ids[ends - 1] != vocabulary.boundary]
    return np.insert(ids, ends, vocabulary.boundary)


def remembered(ids: Ids, boundary: int, *, begun: bool) -> Ids:
    """The part of a text that the state depends on: everything from the last boundary on.

    Without a boundary, all of it; it is then opened by a boundary unless the text has already `begun`.
    """
    ids, ends = ids.astype(np.int64), np.flatnonzero(ids == boundary)
    if len(ends):
        return ids[ends[-1] :]
    return ids if begun else np.concatenate(([boundary], ids))


def newline_id(vocabulary: Vocabulary) -> int | None:
    """Id of the newline, if the vocabulary has it."""
    if vocabulary.kind == "bytes":
        return 10
    place = vocabulary.characters.find("\n")
    return place if place >= 0 else None


def predicts_end(text: Text, documents: DocumentKind) -> bool:
    """Whether this text has ends in it, so that a model can learn to end a text."""
    return documents == "lines" or text.several


def _byte_ends(text: Text) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array([text.slice(0, end).bytes for end in text.ends.tolist()])
