"""Lists of words that are at hand: symspellpy's English one and the dictionaries of the system, each for texts in its
language.

A list is of a text's language if it has at least half of the text's running words. Of English texts symspellpy's list
has 81 % (an encyclopedia with its markup) to 99 %, of other languages at most 35 % (Catalan, of 66).
"""

from collections.abc import Iterable, Iterator, Mapping
from importlib import util
from pathlib import Path

from charloom.correct.lexicon import Lexicon, forms_of, plain, read_words

COVERED = 0.5
"""Share of the running words of a text that a list of its language has."""

FOLDERS = tuple(Path("/usr/share") / name for name in ("dict", "hunspell", "myspell", "myspell/dicts"))
"""Where systems keep lists of words (one a line) and Hunspell's dictionaries."""

ENGLISH = "frequency_dictionary_en_82_765.txt"
"""82,765 English words with their frequencies in books, in symspellpy (MIT)."""

_MOST_FORMS = 5_000
"""The commonest words of a text, of which its language is told."""


def known_words(
    pieces: Iterable[str], given: Mapping[str, int] | None = None, *, folders: Iterable[Path] = FOLDERS
) -> Lexicon:
    """The words of a training text that comes in pieces, those that are given, and those of a list of its language.

    `Lexicon.has_list` says whether any were given or found.
    """
    forms = forms_of(pieces)
    english = _of_language(forms, _english())
    found = english or next((words for words in _system(folders) if _of_language(forms, words)), {})
    if given:
        found = _both(found, given)
    return Lexicon.joined(forms, found, english=bool(english))


def _both(found: Mapping[str, int], given: Mapping[str, int]) -> dict[str, int]:
    """The words of two lists; those that are in both keep the greater count."""
    return {word: max(found.get(word, 0), given.get(word, 0)) for word in found.keys() | given.keys()}


def _of_language(forms: Mapping[str, int], words: Mapping[str, int]) -> Mapping[str, int]:
    """The list if it is of the language of a text, otherwise an empty one."""
    common = sorted((form for form in forms if len(form) > 1), key=lambda form: -forms[form])[:_MOST_FORMS]
    total = sum(forms[form] for form in common)
    listed = sum(forms[form] for form in common if plain(form).removesuffix("'s") in words)
    return words if total and listed >= COVERED * total else {}


def _english() -> Mapping[str, int]:
    """symspellpy's list, where it is installed."""
    found = util.find_spec("symspellpy")
    path = Path(found.origin).with_name(ENGLISH) if found and found.origin else None
    if path is None or not path.is_file():
        return {}
    return read_words(path.read_text(encoding="utf-8-sig"), path.name)


def _system(folders: Iterable[Path]) -> Iterator[Mapping[str, int]]:
    """The lists of words of the system; of Hunspell's dictionaries the words as they stand there, without their
    endings."""
    files = {path.resolve() for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_file()}
    for path in sorted(files):
        if path.suffix == ".dic" or (path.parent.name == "dict" and path.suffix == ""):
            text = _read(path)
            yield {plain(word): 1 for line in text.splitlines() if (word := _word(line))}


def _word(line: str) -> str:
    """The word of a line: without Hunspell's flags and comments; empty for a number."""
    word = line.partition("/")[0].partition("\t")[0].strip()
    return word if word and not word.isdigit() and " " not in word else ""


def _read(path: Path) -> str:
    """A list in UTF-8, or else in Latin-1, as old dictionaries are; empty if it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return ""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
