"""Baselines for correction: Norvig's method, pyspellchecker, symspellpy and hunspell (as spylls), as functions of a
word.

    pip install pyspellchecker symspellpy spylls

All but hunspell use the given word list; hunspell knows the words of its en_US dictionary. A peer leaves the words it
knows alone, as its documentation does; so do we.
"""

import json
import string
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Peer = Callable[[str], str]


@dataclass(frozen=True)
class Pair:
    """A word, and what was typed in its place."""

    meant: str
    typed: str


def read_pairs(file: Path) -> list[Pair]:
    """The pairs of a file in Norvig's format: a line `right: wrong wrong` for each word, with or without commas.

    Or in codespell's, `wrong->right`, of which only lines with a single word on either side are read.
    """
    pairs = list[Pair]()
    for line in file.read_text().lower().splitlines():
        wrong, arrow, right = line.partition("->")
        if arrow:
            pairs += [Pair(right, wrong)] if wrong.isalpha() and right.isalpha() else []
            continue
        meant, _, typed = line.partition(":")
        words = (word.partition("*")[0] for word in typed.replace(",", " ").split())
        pairs += [Pair(meant.strip(), word) for word in words if word != meant.strip()]
    return pairs


def peers(counts: Mapping[str, int]) -> Iterator[tuple[str, Peer]]:
    """Each peer and its name, prepared with these words."""
    yield "Norvig's method", norvig(counts)
    yield "pyspellchecker", pyspellchecker(counts)
    yield "symspellpy", symspell(counts)
    yield "hunspell en_US (spylls)", hunspell()


def symspell_list() -> dict[str, int]:
    """The list of 82,765 English words that symspellpy ships, with their frequencies."""
    import symspellpy

    from charloom.correct.lexicon import read_words

    path = Path(symspellpy.__file__).with_name("frequency_dictionary_en_82_765.txt")
    return read_words(path.read_text(encoding="utf-8-sig"), path.name)


def norvig(counts: Mapping[str, int]) -> Peer:
    """The method of "How to write a spelling corrector" (Norvig 2007), written from its description.

    The commonest of the known words at the smallest number of simple edits (0, 1 or 2); otherwise the word itself.
    """

    def edits(word: str) -> Iterator[str]:
        for place in range(len(word) + 1):
            before, rest = word[:place], word[place:]
            if rest:
                yield before + rest[1:]
            if len(rest) > 1:
                yield before + rest[1] + rest[0] + rest[2:]
            for letter in string.ascii_lowercase:
                yield before + letter + rest
                if rest:
                    yield before + letter + rest[1:]

    def correct(word: str) -> str:
        if word in counts:
            return word
        first = set(edits(word))
        known = {each for each in first if each in counts}
        known = known or {each for other in first for each in edits(other) if each in counts}
        return max(known, key=lambda each: (counts[each], each), default=word)

    return correct


def pyspellchecker(counts: Mapping[str, int]) -> Peer:
    from spellchecker import SpellChecker

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words.json"
        path.write_text(json.dumps(dict(counts)))
        checker = SpellChecker(language=None, local_dictionary=str(path), distance=2)
    return lambda word: checker.correction(word) or word


def symspell(counts: Mapping[str, int]) -> Peer:
    from symspellpy import SymSpell, Verbosity

    checker = SymSpell(max_dictionary_edit_distance=2, prefix_length=7)
    for word, count in counts.items():
        checker.create_dictionary_entry(word, count)

    def correct(word: str) -> str:
        found = checker.lookup(word, Verbosity.TOP, max_edit_distance=2)
        return found[0].term if found else word

    return correct


def hunspell() -> Peer:
    import spylls.hunspell
    from spylls.hunspell import Dictionary

    dictionary = Dictionary.from_files(str(Path(spylls.hunspell.__file__).parent / "data" / "en" / "en_US"))

    def correct(word: str) -> str:
        return word if dictionary.lookup(word) else next(iter(dictionary.suggest(word)), word).lower()

    return correct
