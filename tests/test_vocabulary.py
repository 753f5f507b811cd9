"""Characters and ids: nothing is lost in either direction."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charloom.data import vocabulary as module
from charloom.data.vocabulary import Vocabulary
from charloom.errors import TextError
from charloom.settings import VocabularyKind

pytestmark = pytest.mark.usefixtures("as_on_the_command_line")

BYTES = Vocabulary("bytes")


def characters(count: int) -> str:
    """The first `count` characters of Unicode, without surrogates."""
    codes = (code for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    return "".join(chr(code) for code, _ in zip(codes, range(count), strict=False))


@given(st.text(min_size=1))
def test_decoding_what_was_encoded_gives_the_text_back(text: str) -> None:
    vocabulary = Vocabulary.of([text])
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_vocabulary_that_covers_more_gives_the_text_back_too(text: str, more: str) -> None:
    vocabulary = Vocabulary.of([text, more])
    assert vocabulary.decode(vocabulary.encode(text)) == text


@given(st.text())
def test_bytes_give_any_text_back(text: str) -> None:
    assert BYTES.decode(BYTES.encode(text)) == text


@given(st.text())
def test_ids_of_bytes_are_the_bytes_of_utf_8(text: str) -> None:
    assert bytes(BYTES.encode(text).tolist()) == text.encode()


@given(st.text(min_size=1))
def test_ids_follow_the_code_points(text: str) -> None:
    vocabulary = Vocabulary.of([text])
    assert vocabulary.encode("".join(sorted(set(text), key=ord))).tolist() == list(range(len(set(text))))


@given(st.text(min_size=1))
def test_the_boundary_comes_last(text: str) -> None:
    vocabulary = Vocabulary.of([text])
    assert vocabulary.boundary == len(vocabulary) - 1 == vocabulary.encode(max(text)).item() + 1


def test_bytes_have_256_symbols_and_the_boundary() -> None:
    assert (BYTES.boundary, len(BYTES)) == (256, 257)


@given(st.lists(st.text(), min_size=1).filter(any))
def test_a_vocabulary_of_pieces_equals_that_of_the_whole(pieces: list[str]) -> None:
    assert Vocabulary.of(pieces) == Vocabulary.of(["".join(pieces)])


@given(st.lists(st.text(), min_size=1).filter(any), st.sampled_from(["characters", "bytes"]))
def test_encoding_pieces_equals_encoding_the_whole(pieces: list[str], kind: VocabularyKind) -> None:
    whole = "".join(pieces)
    vocabulary = Vocabulary.of(pieces, kind)
    ids = vocabulary.encode(whole)
    assert np.array_equal(vocabulary.encode_pieces(pieces, len(ids)), ids)


@given(st.text(), st.data())
def test_the_decoder_never_gives_half_a_character(text: str, data: st.DataObject) -> None:
    raw = text.encode()
    cut = data.draw(st.integers(0, len(raw)))
    decoder = BYTES.decoder()
    complete = "".join([decoder.push(symbol) for symbol in raw[:cut]])
    assert complete == raw[:cut].decode(errors="ignore")
    assert complete + "".join([decoder.push(symbol) for symbol in raw[cut:]]) + decoder.finish() == text


@given(st.binary())
def test_bytes_that_are_no_utf_8_become_replacement_characters(raw: bytes) -> None:
    assert BYTES.decode(raw) == raw.decode(errors="replace")


def test_a_character_that_is_cut_off_becomes_one_replacement_character() -> None:
    assert BYTES.decode("a€".encode()[:-1]) == "a\N{REPLACEMENT CHARACTER}"


def test_two_decoders_of_one_vocabulary_do_not_mix() -> None:
    first, second = BYTES.decoder(), BYTES.decoder()
    pushed = [decoder.push(symbol) for pair in zip("é".encode(), "ü".encode(), strict=True)
              for decoder, symbol in zip((first, second), pair, strict=True)]  # fmt: skip
    assert pushed == ["", "", "é", "ü"]


def test_an_unseen_character_is_named_with_its_code_point_place_and_remedy() -> None:
    with pytest.raises(TextError) as caught:
        Vocabulary.of(["cafe"]).encode("café")
    for part in ("'é'", "U+00E9", "character 3 ", "4 characters", "replace it", "learns it"):
        assert part in str(caught.value)


def test_a_code_point_beyond_all_known_ones_is_named() -> None:
    with pytest.raises(TextError, match=r"U\+1F600.*character 1 "):
        Vocabulary.of(["ab"]).encode("a😀")


def test_the_place_of_an_unseen_character_is_counted_from_the_beginning_of_all_pieces() -> None:
    with pytest.raises(TextError, match=r"'x'.*character 7 "):
        Vocabulary.of(["abé"]).encode_pieces(["éabéa", "abx"], 8)


@pytest.mark.parametrize("vocabulary", [Vocabulary.of(["ab"]), BYTES])
def test_half_of_a_surrogate_pair_is_refused_with_its_place(vocabulary: Vocabulary) -> None:
    with pytest.raises(TextError, match=r"U\+D83D.*character 12 "):
        vocabulary.encode("ab\ud83d", offset=10)


@pytest.mark.parametrize(
    ("count", "smallest"),
    [(1, np.uint8), (254, np.uint8), (255, np.uint8), (256, np.uint16), (65_535, np.uint16), (65_536, np.uint32)],
)
def test_ids_have_the_smallest_type_that_holds_the_boundary(count: int, smallest: type) -> None:
    vocabulary = Vocabulary.of([characters(count)])
    ids = vocabulary.encode(vocabulary.characters)
    assert ids.dtype == vocabulary.dtype == smallest
    assert ids.tolist() == list(range(count))


def test_ids_of_bytes_have_room_for_the_boundary() -> None:
    assert BYTES.encode("a").dtype == np.uint16


@pytest.mark.parametrize("vocabulary", [Vocabulary.of(["ab"]), BYTES])
def test_no_text_gives_no_ids(vocabulary: Vocabulary) -> None:
    assert vocabulary.encode("").shape == (0,)
    assert vocabulary.decode([]) == ""


@pytest.mark.parametrize("vocabulary", [Vocabulary.of(["ab"]), BYTES])
def test_the_boundary_and_what_lies_beyond_the_ids_stand_for_no_character(vocabulary: Vocabulary) -> None:
    for symbol in (vocabulary.boundary, vocabulary.boundary + 1, -1):
        with pytest.raises(TextError, match=f"id {symbol} "):
            vocabulary.decode([symbol])


def test_each_symbol_can_be_shown() -> None:
    assert [Vocabulary.of(["ba"]).symbol(symbol) for symbol in range(3)] == ["a", "b", "<end>"]
    assert [BYTES.symbol(symbol) for symbol in (10, 255, 256)] == ["<0a>", "<ff>", "<end>"]


@pytest.mark.parametrize(
    ("kind", "listed", "said"),
    [
        ("characters", "ba", "order"),
        ("characters", "aa", "distinct"),
        ("characters", "", "at least one"),
        ("characters", "a\ud800", "surrogate"),
        ("bytes", "a", "no characters"),
    ],
)
def test_a_list_of_characters_that_is_no_vocabulary_is_refused(kind: VocabularyKind, listed: str, said: str) -> None:
    with pytest.raises(TextError, match=said):
        Vocabulary(kind, listed)


def test_a_text_without_characters_makes_no_vocabulary() -> None:
    with pytest.raises(TextError, match="not empty"):
        Vocabulary.of(["", ""])


def test_the_examples_in_the_module_are_true() -> None:
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0
