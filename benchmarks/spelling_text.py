"""How many misspelt words of a running text are corrected, and how many right ones spoilt, compared with the peers?

Usage: python benchmarks/spelling_text.py TEXT [--run RUN | --time-budget 4m] [--words N] [--pairs PAIRS] [--quick]
                                          [--output JSON]

    pip install pyspellchecker symspellpy spylls

Held-out text (which the run was not trained on) is corrupted by this model: each word of four letters or more, without
capitals or only with a first one, gets a slip with probability 1/10. The slip is one of five, equally likely, at a
random place in the word: two letters exchanged, a letter left out, a letter doubled, a letter replaced by a
neighbouring key, a letter replaced or followed by any other. With --pairs, words for which the file has misspellings
always get one of those instead. All methods know the same words: those of the training text and symspellpy's list, with
their counts scaled to each other; hunspell has its own.

Corrected: the share of misspelt words that are restored. Some slips make another known word; "unknown" is the share
among the others, which is all that can be found without looking at the context. False alarms: right words that were
changed, per 1,000 right words; the peers check every unknown word, including names, as documented. Ours is also run
with --aggressive.
"""

import argparse
import json
import random
import string
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from charloom.correct.corrector import Corrector
from charloom.correct.lexicon import Lexicon, plain
from charloom.correct.spans import like, spans
from charloom.correct.word_lists import known_words
from machine import title
from spelling_peers import Peer, peers, read_pairs, symspell_list
from trained import trained

RATE = 0.1
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


@dataclass(frozen=True)
class Corrupted:
    """A text with slips, and the intended words by position."""

    text: str
    meant: dict[int, str]
    right: int
    "Words that were left alone."


def corrupt(
    text: str, misspellings: dict[str, list[str]], draw: random.Random, *, share: float | None = None
) -> Corrupted:
    """The text with slips by the model of this file; with `share`, only that share of the words that have misspellings
    gets one of those."""
    parts, meant, place, length, right = list[str](), dict[int, str](), 0, 0, 0
    for span in spans(text):
        word = span.word
        typed = word
        if share is not None:
            if plain(word) in misspellings and draw.random() < share:
                typed = like(draw.choice(misspellings[plain(word)]), word)
        elif plain(word) in misspellings:
            typed = like(draw.choice(misspellings[plain(word)]), word)
        elif len(word) >= 4 and word.isascii() and word.isalpha() and word[1:].islower() and draw.random() < RATE:
            while typed == word:
                typed = slip(word, draw)
        before = text[place : span.start]
        parts += before, typed
        if typed == word:
            right += 1
        else:
            meant[length + len(before)] = word
        length, place = length + len(before) + len(typed), span.end
    return Corrupted("".join([*parts, text[place:]]), meant, right)


def slip(word: str, draw: random.Random) -> str:
    """The word with one slip, which may leave it as it is; with its capitals."""
    kind, text = draw.randrange(5), word.lower()
    place = draw.randrange(len(text))
    before, here, after = text[:place], text[place], text[place + 1 :]
    if kind == 0:
        found = before + after[:1] + here + after[1:]
    elif kind == 1:
        found = before + after
    elif kind == 2:
        found = before + here + here + after
    elif kind == 3:
        found = before + draw.choice(neighbours(here)) + after
    else:
        letter = draw.choice(string.ascii_lowercase)
        found = before + draw.choice([letter, here + letter]) + after
    return like(found, word)


def neighbours(key: str) -> list[str]:
    """Keys that are left and right of a key, and above and below it."""
    y = next(number for number, row in enumerate(KEYS) if key in row)
    x = KEYS[y].index(key)
    near = [(y, x - 1), (y, x + 1), (y - 1, x), (y - 1, x + 1), (y + 1, x - 1), (y + 1, x)]
    return [KEYS[row][column] for row, column in near if 0 <= row < 3 and 0 <= column < len(KEYS[row])]


def changes_of(peer: Peer, known: Callable[[str], bool], text: str) -> dict[int, str]:
    """A text with a function applied to its unknown words of two letters or more, keeping their capitals."""
    made = dict[int, str]()
    for span in spans(text):
        if len(span.word) > 1 and not known(span.word):
            found = like(peer(plain(span.word)), span.word)
            if plain(found) != plain(span.word):
                made[span.start] = found
    return made


def merged(train: Lexicon, listed: dict[str, int]) -> dict[str, int]:
    """The counts of both, with the list's scaled down to the size of the text, at least 1."""
    scale = train.total / sum(listed.values())
    words = train.counts.keys() | listed.keys()
    return {word: train.counts.get(word, 0) + max(1, round(scale * listed.get(word, 0))) for word in words}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--time-budget", default="4m")
    parser.add_argument("--words", type=int, default=10_000)
    parser.add_argument("--skip", type=int, default=0, help="words to skip at the beginning of the held-out text")
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    words = 1_500 if options.quick else options.words
    writer, corpus = trained(options.text, options.run, "30s" if options.quick else options.time_budget)
    counts = merged(Lexicon.of(corpus.train.pieces()), symspell_list())
    lexicon, ours = Lexicon(counts), known_words(corpus.train.pieces())
    held_out = str(corpus.validation)
    all_spans = list(spans(held_out))[options.skip : options.skip + words]
    text = held_out[all_spans[0].start : all_spans[-1].end]
    misspellings: dict[str, list[str]] = {}
    for pair in read_pairs(options.pairs) if options.pairs else []:
        if plain(pair.typed) not in lexicon:
            misspellings.setdefault(pair.meant, []).append(pair.typed)
    corrupted = corrupt(text, misspellings, random.Random(options.seed))
    typed = {span.start: span.word for span in spans(corrupted.text)}
    unknown = {place for place in corrupted.meant if typed.get(place, "") not in lexicon}
    rows = {}

    def tell(name: str, made: dict[int, str], seconds: float) -> None:
        hit = {place for place, meant in corrupted.meant.items() if made.get(place) == meant}
        rows[name] = {
            "corrected": len(hit) / len(corrupted.meant),
            "corrected_of_unknown": len(hit & unknown) / max(1, len(unknown)),
            "changed_wrongly": len(corrupted.meant.keys() & made.keys() - hit) / len(corrupted.meant),
            "false_alarms": len(made.keys() - corrupted.meant.keys()) / corrupted.right * 1000,
            "seconds_per_1000_words": seconds / len(typed) * 1000,
        }

    def known(word: str) -> bool:
        return word in lexicon

    for name, peer in peers(counts):
        began = time.perf_counter()
        made = changes_of(peer, (lambda word: False) if "hunspell" in name else known, corrupted.text)
        tell(name, made, time.perf_counter() - began)
    for name, aggressive in (("charloom", False), ("charloom --aggressive", True)):
        began = time.perf_counter()
        found = Corrector(writer, ours, aggressive=aggressive).changes(corrupted.text)
        tell(name, {change.start: change.after for change in found}, time.perf_counter() - began)
    print(
        f"{len(typed):,} words of {corpus.name}, {len(corrupted.meant):,} misspelt, "
        f"{len(corrupted.meant) - len(unknown):,} "
        f"of them as another known word; {title()}"
    )
    print("| | corrected | of unknown words | changed wrongly | false alarms per 1,000 | s per 1,000 words |")
    print("|---|---|---|---|---|---|")
    for name, row in rows.items():
        print(
            f"| {name} | {row['corrected']:.1%} | {row['corrected_of_unknown']:.1%} | {row['changed_wrongly']:.1%} | "
            f"{row['false_alarms']:.2f} | {row['seconds_per_1000_words']:.2f} |"
        )
    if options.output:
        told = {
            "machine": title(),
            "text": corpus.name,
            "words": len(typed),
            "misspelt": len(corrupted.meant),
            "rows": rows,
        }
        options.output.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
