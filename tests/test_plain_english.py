"""The project's texts are plain English: a short list of stiff or archaic phrases, each with what to write instead."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
READ = (
    "src/charloom/**/*.py",
    "docs/**/*.md",
    "docs/*.py",
    "course/**/*.py",
    "benchmarks/*.py",
    "tests/*.py",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
)

IDIOMS = {
    r"meant itself": "goes first, or is used",
    r"makes? it plain": "says so",
    r"told of": "primed with, given, or knows about",
    r"(?:is|are|be|was|were|been) mended": "fixed",
    r"(?:go|goes|going|gone|went) on with": "continue or resume",
    r"(?:gone|went|goes) back from": "skip, or fall back to an older one",
    r"anew": "again",
    r"in mid-(?:trial|step|run|training)": "during a trial (step, run, training)",
    r"(?:come|comes|came) to (?:a|the) figures?": "have a result",
    r"what (?:a|an|the) \w+ (?:comes|came) to": "the result of",
    r"so many (?:steps|seconds|characters|symbols|words|lines|bytes|kilobytes|megabytes|threads|texts|rows)": "n steps",
    r"whoever": "anyone who, or: regardless of who",
    r"beside": "next to, in addition to, or compared with",
    r"made ready": "prepared",
    r"(?:stands|stood) there": "is there, or occurs",
    r"(?:stands|stood) twice": "occurs twice",
    r"(?:no|whose) heart (?:that )?(?:could )?stop(?:ped|s)?": "a heartbeat that stopped",
    r"(?:it|this|that|what|which) is no (?:number|address|setting|study|classifier|corpus)": "is not a",
    r"behind (?:the|a|its) (?:verb|word|slash|split|text|dot|prompt)": "after the",
    r"(?:a|one|the|each|every|first|last) sitting": "session",
    r"broken off": "interrupted, or stopped",
    r"in the place of": "in place of, or instead of",
    r"what (?:became|becomes|has become) of": "the outcome of",
    r"(?:is|are) to be seen in": "shows",
}
"""Phrases of this project's past that are never the best English in it, and what to write instead."""


SPACE = r"[\s#]+"
"""Between two words, also over the end of a line of a comment."""


def idioms(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, phrase and replacement of each idiom in a text; a phrase may continue in the next line of a comment."""
    for pattern, better in IDIOMS.items():
        phrase = SPACE.join(pattern.split(" "))
        for match in re.finditer(rf"\b(?:{phrase})\b", text):
            yield text.count("\n", 0, match.start()) + 1, " ".join(match.group().split()), better


@pytest.mark.parametrize("pattern", READ)
def test_no_text_has_a_phrase_that_a_native_engineer_would_not_write(pattern: str) -> None:
    stiff = [
        f"{path.relative_to(ROOT)}:{line}: {phrase!r}; write: {better}"
        for path in sorted(ROOT.glob(pattern))
        if path != Path(__file__).resolve()
        for line, phrase, better in sorted(idioms(path.read_text("utf-8")))
    ]
    assert not stiff, "\n" + "\n".join(stiff)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("It is told of the text.", 1),
        ("Fine.\nThe run is gone on\n# with later.", 2),
        ("The file stands there.", 1),
        ("It waits for so many seconds.", 1),
        ("A port that is no number", 1),
    ],
)
def test_an_idiom_is_found_in_its_line(text: str, line: int) -> None:
    assert [place for place, _, _ in idioms(text)] == [line]


@pytest.mark.parametrize(
    "text", ["There is no number.", "It is amended.", "so many files that memory runs out", "Besides,", "sitting idle"]
)
def test_good_english_passes(text: str) -> None:
    assert not list(idioms(text))
