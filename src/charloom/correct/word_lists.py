"""Available word lists: symspellpy's English one and the system's dictionaries, each for texts in its language.

A list fits a text if it contains at least half of the text's running words. symspellpy's list contains 81 % (an
encyclopedia with its markup) to 99 % of English texts, and at most 35 % of other languages (Catalan, of 66).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import util
from pathlib import Path

from charloom.complete.word_files import read_word_counts, words_file
from charloom.correct.lexicon import Lexicon, forms_of, plain, read_words
from charloom.correct.spans import WORD
from charloom.models.model_folder import ModelPlace

COVERED = 0.5
"""Share of a text's running words that a list of its language must contain."""

FOLDERS = tuple(Path("/usr/share") / name for name in ("dict", "hunspell", "myspell", "myspell/dicts"))
"""Where systems keep word lists (one word per line) and Hunspell's dictionaries."""

ENGLISH = "frequency_dictionary_en_82_765.txt"
"""82,765 English words with their frequencies in books, in symspellpy (MIT)."""

OFTEN = 3
"""How often a word must occur in the text of a ready-made model, which is long and edited, before it is suggested,
and, where there is a list as well, before it counts as known."""

_MOST_FORMS = 5_000
"""How many of a text's commonest words decide its language."""


def known_words(
    pieces: Iterable[str], further: Mapping[str, int] | None = None, *, folders: Iterable[Path] = FOLDERS
) -> Lexicon:
    """The words of a training text, given in pieces, of a list of its language, and of a `further` one.

    `Lexicon.has_list` says whether there is a list at all.
    """
    forms = forms_of(pieces)
    english = _of_language(forms, _english())
    listed = english or next((words for words in _system(folders) if _of_language(forms, words)), {})
    if further:
        listed = _both(listed, further)
    return Lexicon.joined(forms, listed, english=bool(english))


def words_of_model(place: ModelPlace, further: Mapping[str, int] | None = None) -> Lexicon | None:
    """The English words that come with a model, those of symspellpy's list if it is installed, and `further` ones.

    With that list, a word that is in none and rare in the model's texts counts as unknown: it may be a misprint.
    `place`: a model folder, or the name of a ready-made model such as "english". None if no words come with it. Raises
    `FolderError`.
    """
    path = words_file(place)
    if path is None:
        return None
    forms, seen = Counter[str](), Counter[str]()
    for token, count in read_word_counts(path).items():
        for form in WORD.findall(token):
            forms[form] += count
            seen[plain(form)] += count
    english = _english()
    listed = _both(english, further or {})
    if english:
        forms = Counter({form: n for form, n in forms.items() if plain(form) in listed or seen[plain(form)] >= OFTEN})
    return Lexicon.joined(forms, listed, english=True, attested=OFTEN, general=True)


def _both(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """The words of two lists, each with the greater of its counts."""
    return {word: max(one.get(word, 0), other.get(word, 0)) for word in one.keys() | other.keys()}


def _of_language(forms: Mapping[str, int], words: Mapping[str, int]) -> Mapping[str, int]:
    """The list if it fits the language of a text, otherwise an empty one."""
    common = sorted((form for form in forms if len(form) > 1), key=lambda form: -forms[form])[:_MOST_FORMS]
    total = sum(forms[form] for form in common)
    listed = sum(forms[form] for form in common if plain(form).removesuffix("'s") in words)
    return words if total and listed >= COVERED * total else {}


def _english() -> Mapping[str, int]:
    """symspellpy's list; empty if it is not installed."""
    module = util.find_spec("symspellpy")
    path = Path(module.origin).with_name(ENGLISH) if module and module.origin else None
    if path is None or not path.is_file():
        return {}
    return read_words(path.read_text(encoding="utf-8-sig"), path.name)


def _system(folders: Iterable[Path]) -> Iterator[Mapping[str, int]]:
    """The system's word lists; of Hunspell's dictionaries the plain entries, without the forms made by flags."""
    files = {path.resolve() for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_file()}
    for path in sorted(files):
        if path.suffix == ".dic" or (path.parent.name == "dict" and path.suffix == ""):
            text = _read(path)
            yield {plain(word): 1 for line in text.splitlines() if (word := _word(line))}


def _word(line: str) -> str:
    """The word of a line without Hunspell's flags and comments; empty for a number."""
    word = line.partition("/")[0].partition("\t")[0].strip()
    return word if word and not word.isdigit() and " " not in word else ""


def _read(path: Path) -> str:
    """The text of a list in UTF-8 or, as old dictionaries are, in Latin-1; empty if it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return ""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
