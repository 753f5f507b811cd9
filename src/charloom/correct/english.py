"""British and American spellings of English words, and regular forms that a word list may lack."""

import re
from collections.abc import Iterator

_SPELLINGS = (
    (re.compile(r"(?<=[a-z]{2})or(?=(?:s|ed|ing|er|ers|able|ably|ful|less|ite|ites|al|hood|ly|y|man|men)?$)"), "our"),
    (re.compile(r"(?<=[a-z]{2})our(?=(?:s|ed|ing|er|ers|able|ably|ful|less|ite|ites|al|hood|ly|y|man|men)?$)"), "or"),
    (re.compile(r"(?<=[a-z]{2})iz(?=(?:e|es|ed|ing|er|ers|ation|ations|able)$)"), "is"),
    (re.compile(r"(?<=[a-z]{2})is(?=(?:e|es|ed|ing|er|ers|ation|ations|able)$)"), "iz"),
    (re.compile(r"yz(?=(?:e|es|ed|ing|er)$)"), "ys"),
    (re.compile(r"ys(?=(?:e|es|ed|ing|er)$)"), "yz"),
    (re.compile(r"(?<=[bt])er(?=(?:s|ed)?$)"), "re"),
    (re.compile(r"(?<=[bt])re(?=(?:s|d)?$)"), "er"),
    (re.compile(r"(?<=[aeiou]l)l(?=(?:ed|ing|er|ers|ous)$)"), ""),
    (re.compile(r"(?<=[^aeiou][aeiou])l(?=(?:ed|ing|er|ers|ous|y|en|ment|ments|ful|s|)$)"), "ll"),
    (re.compile(r"ens(?=(?:e|es|eless|ed|ing)$)"), "enc"),
    (re.compile(r"(?<=[a-z])og(?=s?$)"), "ogue"),
    (re.compile(r"ward$"), "wards"),
    (re.compile(r"wards$"), "ward"),
    (re.compile(r"mold"), "mould"),
    (re.compile(r"plow"), "plough"),
    (re.compile(r"gray"), "grey"),
    (re.compile(r"mustach"), "moustach"),
    (re.compile(r"ae|oe"), "e"),
    (re.compile(r"^in(?=[a-z]{4})"), "en"),
    (re.compile(r"^en(?=[a-z]{4})"), "in"),
)
"""Endings that differ between the two spellings, in both directions."""


def other_spellings(word: str) -> Iterator[str]:
    """Possible spellings of a lower-case word across the Atlantic; most of them are not words at all."""
    for pattern, other in _SPELLINGS:
        if pattern.search(word):
            yield pattern.sub(other, word, count=1)


_ENDINGS = frozenset(["s", "es", "ed", "d", "ing", "ings", "er", "r", "ers", "rs", "est", "ly", "ness", "less", "like"])


def is_form(word: str, stem: str) -> bool:
    """Whether a word is another word plus an ending: nobody who types `shudderings` means `shuddering`."""
    return len(stem) > 3 and word.startswith(stem) and word[len(stem) :] in _ENDINGS
