"""How good is correction without any training, on modern English among names and code, compared with symspellpy?

Usage: python benchmarks/spelling_ready.py TEXT --pairs PAIRS [--share 0.1] [--part even|odd] [--names LIST]
                                           [--model english] [--lines 1000] [--skip 0] [--seeds 3] [--output JSON]

    pip install symspellpy

TEXT is a text, or a table language<TAB>sentence, of which the English ones are read. It gets slips that people made:
`--share` of the words for which PAIRS (Norvig's format or codespell's) has misspellings gets one of them; --part takes
the pairs of every other word, and every other name. Misspellings in symspellpy's list are left out, since it cannot
find them. After every few lines stands a sentence with surnames of LIST (language<TAB>name, every language alike), 200
in all, and a line of code, shell, settings, an address or a path, 100 in all. Both know their own words: charloom those
that come with the model and symspellpy's list, unless --no-list; symspellpy its list with its frequencies.

Corrected: the share of misspelt words that are restored. Changed wrongly: those turned into another word. False alarms:
right words of the text that were changed, per 1,000; names changed; lines of code changed. symspellpy leaves the same
lines of code alone as charloom and judges the same words; in the row "every word" it judges whatever consists of
letters.
"""

import argparse
import json
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from charloom.correct import word_lists
from charloom.correct.corrector import Corrector
from charloom.correct.lexicon import Lexicon, plain
from charloom.correct.spans import WORD, Span, like, spans
from charloom.generation.writer import Writer
from machine import title
from spelling_clean import kinds_of_lines
from spelling_peers import Pair, Peer, read_pairs, symspell, symspell_list
from spelling_text import corrupt

NAMES, LINES = 200, 100
SENTENCES = (
    "Last week {} and {} came to see us.",
    "I told {} about it, but {} did not answer.",
    "{} wrote that the house belongs to {} now.",
    "Ask {} or {} if you need help.",
)


@dataclass
class Mixed:
    """A text with slips, and what stands where."""

    text: str = ""
    meant: dict[int, str] = field(default_factory=dict)
    right: int = 0
    names: set[int] = field(default_factory=set)
    code: list[tuple[int, int]] = field(default_factory=list)

    def add(self, line: str) -> int:
        """Add a line; gives its position."""
        start = len(self.text)
        self.text += line + "\n"
        return start


def english_lines(file: Path) -> list[str]:
    """The lines of a text, or the English sentences of a table."""
    text = file.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    if file.suffix == ".tsv":
        rows = (line.split("\t") for line in text.splitlines())
        return [row[1] for row in rows if row[0] in ("en", "ham")]
    return [line for line in text.split("\n") if line.strip()]


def of_part(pairs: list[Pair], part: str | None) -> list[Pair]:
    """The pairs of every other intended word."""
    words = sorted({pair.meant for pair in pairs})
    chosen = set(words if part is None else words[part == "odd" :: 2])
    return [pair for pair in pairs if pair.meant in chosen]


def names_of(file: Path, draw: random.Random, part: str | None = None) -> list[str]:
    """Surnames, every language alike; of each every other one with `part`."""
    by_language: dict[str, list[str]] = defaultdict(list)
    for line in file.read_text(encoding="utf-8").splitlines():
        language, name = line.split("\t")
        if re.fullmatch(r"[^\W\d_]{3,}", name):
            by_language[language].append(name)
    if part is not None:
        by_language = {language: names[part == "odd" :: 2] for language, names in by_language.items()}
    return [draw.choice(by_language[language]) for language in sorted(by_language) for _ in range(NAMES)]


def mixed(
    lines: list[str], misspellings: dict[str, list[str]], share: float, names: list[str], draw: random.Random
) -> Mixed:
    """The lines with slips, and sentences with names and lines of code between them."""
    made = Mixed()
    code = [line for kind in kinds_of_lines(draw).values() for line in draw.sample(kind, LINES // 5)]
    code = [line for line in code if "\n" not in line][:LINES]
    draw.shuffle(names)
    draw.shuffle(code)
    step = max(1, len(lines) // LINES)
    for number, line in enumerate(lines):
        corrupted = corrupt(line, misspellings, draw, share=share)
        start = made.add(corrupted.text)
        made.meant.update({start + place: meant for place, meant in corrupted.meant.items()})
        made.right += corrupted.right
        if number % step == 0 and number // step < LINES:
            sentence = draw.choice(SENTENCES)
            for _ in range(2 if names else 0):
                name = names[len(made.names) % len(names)]
                made.names.add(len(made.text) + sentence.index("{}"))
                sentence = sentence.replace("{}", name, 1)
            if names:
                made.add(sentence)
            start = made.add(code[number // step])
            made.code.append((start, len(made.text)))
    return made


def by_symspell(peer: Peer, lexicon: Lexicon, text: str, *, every: bool) -> dict[int, str]:
    """What symspellpy changes: its best word for each that it does not know, with the capitals of that."""
    found = dict[int, str]()
    every_word = (Span(match.start(), match.group()) for match in WORD.finditer(text))
    for span in every_word if every else spans(text):
        if len(span.word) > 1 and plain(span.word) not in lexicon.counts:
            other = like(peer(plain(span.word)), span.word)
            if plain(other) != plain(span.word):
                found[span.start] = other
    return found


def tally(made: Mixed, changes: dict[int, str]) -> Counter[str]:
    """What the changes did, as counts."""
    counts = Counter(misspelt=len(made.meant), right=made.right, names=len(made.names), lines=len(made.code))
    lines = set[int]()
    for place, word in changes.items():
        line = next((start for start, end in made.code if start <= place < end), None)
        if place in made.meant:
            counts["corrected" if made.meant[place] == word else "changed wrongly"] += 1
        elif place in made.names:
            counts["names changed"] += 1
        elif line is not None:
            lines.add(line)
        else:
            counts["false alarms"] += 1
    counts["lines changed"] = len(lines)
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--part", choices=("even", "odd"))
    parser.add_argument("--names", type=Path)
    parser.add_argument("--model", default="english")
    parser.add_argument("--lines", type=int, default=1000)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--no-list", action="store_true")
    parser.add_argument("--show", action="store_true", help="print every change of a right word, and missed slips")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    own = symspell_list()
    lexicon, peer = Lexicon(own), symspell(own)
    if options.no_list:
        word_lists.ENGLISH = "absent"
    corrector = Corrector(Writer.load(options.model), word_lists.words_of_model(options.model))
    misspellings = defaultdict[str, list[str]](list)
    for pair in of_part(read_pairs(options.pairs), options.part):
        if pair.typed not in own:
            misspellings[pair.meant].append(pair.typed)
    lines = english_lines(options.text)[options.skip :][: options.lines]
    rows = defaultdict[str, Counter[str]](Counter)
    for seed in range(options.seeds):
        draw = random.Random(seed)
        names = names_of(options.names, draw, options.part) if options.names else []
        made = mixed(lines, misspellings, options.share, names, draw)
        ours = {change.start: change.after for change in corrector.changes(made.text)}
        rows["charloom"] += tally(made, ours)
        rows["symspellpy"] += tally(made, by_symspell(peer, lexicon, made.text, every=False))
        rows["symspellpy, every word"] += tally(made, by_symspell(peer, lexicon, made.text, every=True))
        if options.show:
            show(made, ours)
    print(f"{options.text.name}, {options.pairs.name}, {options.seeds} seeds; {title()}")
    print(
        "| | misspelt | corrected | changed wrongly | right words | false alarms per 1,000 | names changed | "
        "lines of code changed |\n|---|---|---|---|---|---|---|---|"
    )
    for name, row in rows.items():
        print(
            f"| {name} | {row['misspelt']:,} | {row['corrected'] / max(1, row['misspelt']):.1%} | "
            f"{row['changed wrongly'] / max(1, row['misspelt']):.1%} | {row['right']:,} | "
            f"{1000 * row['false alarms'] / row['right']:.2f} | {row['names changed']} of {row['names']} | "
            f"{row['lines changed']} of {row['lines']} |"
        )
    if options.output:
        options.output.write_text(json.dumps({"machine": title(), "rows": rows}, indent=1))


def show(made: Mixed, changes: dict[int, str]) -> None:
    """Print the changes of right words, and the slips that were missed or became another word."""
    typed = {span.start: span.word for span in spans(made.text)}
    right = [f"{typed[place]}>{word}" for place, word in changes.items() if place not in made.meant]
    print("changed right words:", ", ".join(right))
    wrong = {place: word for place, word in made.meant.items() if changes.get(place) != word}
    print("missed:", ", ".join(f"{typed.get(at)}>{changes.get(at)} ({word})" for at, word in wrong.items()))


if __name__ == "__main__":
    main()
