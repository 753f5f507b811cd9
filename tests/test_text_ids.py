"""A text as ids, with the boundary where texts end."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charloom.data.text import Text
from charloom.data.text_ids import encode, newline_id, predicts_end
from charloom.data.vocabulary import Vocabulary
from charloom.errors import TextError
from charloom.settings import DocumentKind, VocabularyKind
from models import several_texts

TEXTS = st.lists(st.text(st.sampled_from("ab\n\né😀"), min_size=1), min_size=1, max_size=6)
KINDS = st.sampled_from(["characters", "bytes"])
DOCUMENTS = st.sampled_from(["none", "lines"])


def joined(texts: list[str]) -> Text:
    return several_texts(*texts) if len(texts) > 1 else Text.of(texts[0])


def expected(texts: list[str], vocabulary: Vocabulary, documents: DocumentKind) -> list[int]:
    """The ids, put together a text and a character at a time."""
    ids: list[int] = []
    for text in texts:
        for character in text:
            line_ends = documents == "lines" and character == "\n"
            ids += [vocabulary.boundary] if line_ends else vocabulary.encode(character).tolist()
        if len(texts) > 1 and not (documents == "lines" and text.endswith("\n")):
            ids.append(vocabulary.boundary)
    return ids


@given(TEXTS, KINDS, DOCUMENTS)
def test_ids_are_the_characters_and_a_boundary_wherever_a_text_ends(
    texts: list[str], kind: VocabularyKind, documents: DocumentKind
) -> None:
    vocabulary = Vocabulary.of(texts, kind)
    ids = encode(joined(texts), vocabulary, documents)
    assert ids.tolist() == expected(texts, vocabulary, documents)
    assert ids.dtype == vocabulary.dtype


@given(st.text(min_size=1), KINDS)
def test_one_text_has_no_boundary_within(text: str, kind: VocabularyKind) -> None:
    vocabulary = Vocabulary.of([text], kind)
    assert np.array_equal(encode(Text.of(text), vocabulary), vocabulary.encode(text))


@given(st.lists(st.text(st.sampled_from("abé"))), KINDS)
def test_between_the_boundaries_stand_the_lines(lines: list[str], kind: VocabularyKind) -> None:
    text = "".join(f"{line}\n" for line in lines)
    vocabulary = Vocabulary.of([text, "x"], kind)
    ids = encode(Text.of(text), vocabulary, "lines")
    parts = np.split(ids, np.flatnonzero(ids == vocabulary.boundary) + 1)
    assert [vocabulary.decode(part[:-1]) for part in parts[:-1]] == lines
    assert len(parts[-1]) == 0


def test_a_last_line_without_its_newline_is_left_open() -> None:
    vocabulary = Vocabulary.of(["a\nb"])
    assert encode(Text.of("a\nb"), vocabulary, "lines").tolist() == [1, vocabulary.boundary, 2]


def test_a_file_that_ends_with_a_newline_ends_once() -> None:
    vocabulary = Vocabulary.of(["a\nb"])
    ids = encode(several_texts("a\n", "b"), vocabulary, "lines")
    assert ids.tolist() == [1, vocabulary.boundary, 2, vocabulary.boundary]


def test_without_lines_a_newline_stays_beside_the_end_of_its_file() -> None:
    vocabulary = Vocabulary.of(["a\nb"])
    ids = encode(several_texts("a\n", "b"), vocabulary)
    assert ids.tolist() == [1, 0, vocabulary.boundary, 2, vocabulary.boundary]


def test_a_part_of_several_texts_has_the_ends_within_it() -> None:
    vocabulary = Vocabulary("bytes")
    ids = encode(several_texts("éé", "😀", "b").slice(1, 3), vocabulary)
    assert ids.tolist() == [*"é".encode(), 256, *"😀".encode(), 256]


def test_a_vocabulary_without_a_newline_has_no_lines_to_close() -> None:
    vocabulary = Vocabulary.of(["ab"])
    assert newline_id(vocabulary) is None
    assert encode(Text.of("ab"), vocabulary, "lines").tolist() == [0, 1]


@given(KINDS)
def test_the_id_of_the_newline_is_that_of_the_newline(kind: VocabularyKind) -> None:
    vocabulary = Vocabulary.of(["\tb\na"], kind)
    assert [newline_id(vocabulary)] == vocabulary.encode("\n").tolist()


@pytest.mark.parametrize(
    ("text", "documents", "ends"),
    [
        (Text.of("a\nb\n"), "none", False),
        (Text.of("a\nb\n"), "lines", True),
        (several_texts("a", "b"), "none", True),
    ],
)
def test_a_model_learns_ends_only_where_it_sees_them(text: Text, documents: DocumentKind, ends: bool) -> None:
    vocabulary = Vocabulary.of([str(text)])
    assert predicts_end(text, documents) == ends == (vocabulary.boundary in encode(text, vocabulary, documents))


def test_a_character_that_the_vocabulary_lacks_is_refused_with_its_place_in_the_whole() -> None:
    with pytest.raises(TextError, match=r"'c'.*character 3 "):
        encode(several_texts("ab", "ac"), Vocabulary.of(["ab"]))
