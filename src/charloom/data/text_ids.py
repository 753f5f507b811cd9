"""A text as ids: its characters, with the boundary symbol wherever a text ends."""

import numpy as np

from charloom.data import file_bytes
from charloom.data.stored_ids import StoredIds
from charloom.data.text import Text
from charloom.data.text_bytes import TextBytes
from charloom.data.vocabulary import Ids, Vocabulary
from charloom.settings import DocumentKind, VocabularyKind


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
    ends = text.ends if vocabulary.kind == "characters" else text.bytes_of(text.ends)
    if documents == "lines":
        ends = ends[ids[ends - 1] != vocabulary.boundary]
    return np.insert(ids, ends, vocabulary.boundary)


def ids_of(text: Text, vocabulary: Vocabulary, documents: DocumentKind = "none") -> Ids | StoredIds:
    """The same, left in the text's file if it is large. Raises `TextError`."""
    if not is_large(text):
        return encode(text, vocabulary, documents)
    return StoredIds(text, vocabulary, newline_id(vocabulary) if documents == "lines" else None)


def is_large(text: Text) -> bool:
    """Whether a text, or a part of one, is better left in its file."""
    return isinstance(text.data, TextBytes) and text.bytes >= file_bytes.LARGE


def vocabulary_of(text: Text, kind: VocabularyKind) -> Vocabulary:
    """The vocabulary of a whole text. Raises `TextError` if it is empty."""
    if kind == "bytes" or not (isinstance(text.data, TextBytes) and text.data.whole):
        return Vocabulary.of(text.pieces(), kind)
    return Vocabulary.of(map(chr, text.data.survey.symbols.tolist()))


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
