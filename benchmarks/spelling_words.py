"""How many single misspelt words are corrected, compared with Norvig's method, pyspellchecker, symspellpy and hunspell?

Usage: python benchmarks/spelling_words.py PAIRS [--words LIST] [--time-budget 2m] [--run RUN] [--quick] [--output JSON]

    pip install pyspellchecker symspellpy spylls

PAIRS is a file of lines `right: wrong wrong`. All take the same word list, that of symspellpy unless another is named,
and hunspell its own. Ours: a character model trained here on words drawn from the list (each as often as the square
root of its count says), the counts, and slips whose costs and weights are learned in five folds: each pair is corrected
with what the pairs of other words taught. "Not learned" is the error model with its default costs, and the counts,
without a character model.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

import charloom
from charloom.correct.corrector import Beliefs, Corrector
from charloom.correct.learning import Learned, Pair, learn, read_pairs
from charloom.correct.lexicon import Lexicon, read_words
from charloom.generation.writer import Writer
from charloom.settings import CorpusConfig
from machine import title
from spelling_peers import Peer, peers, symspell_list

FOLDS = 5
ALONE = Beliefs(slip=1.0, further=0.0, pair=0.0, capital=0.0)
"""Which candidate for a word is the best, regardless of whether the word is right, which is not the question here."""


def sampled(counts: Mapping[str, int], lines: int) -> str:
    """Words drawn from a list, one per line, in proportion to the square roots of their counts."""
    words = sorted(counts)
    shares = np.sqrt(np.array([counts[word] for word in words], np.float64))
    draw = np.random.Generator(np.random.PCG64(0))
    return "".join(f"{words[place]}\n" for place in draw.choice(len(words), lines, p=shares / shares.sum()))


def folds(pairs: list[Pair]) -> dict[str, int]:
    """The fold of each intended word; all its misspellings are in one fold."""
    return {word: number % FOLDS for number, word in enumerate(sorted({pair.meant for pair in pairs}))}


class Ours:
    """The library's corrector on single words."""

    def __init__(self, writer: Writer, lexicon: Lexicon) -> None:
        self._writer, self._lexicon = writer, lexicon
        self._asked = Corrector(writer, lexicon).context
        self._begin = self._asked.begin()

    def nats(self, words: list[str]) -> list[float]:
        """Surprisal of words as lines."""
        return [float(nats) for nats in self._asked.nats(self._begin, [f"{word}\n" for word in words])]

    def ranked(self, word: str, learned: Learned | None) -> list[str]:
        """Candidates, most probable first; a known word is left alone."""
        if word in self._lexicon:
            return [word]
        if learned is None:
            corrector = Corrector(
                self._writer, self._lexicon, beliefs=replace(ALONE, word=0.0, following=0.0, frequency=0.5)
            )
        else:
            beliefs = replace(ALONE, word=learned.model, following=learned.model, frequency=learned.frequency)
            corrector = Corrector(self._writer, self._lexicon, errors=learned.errors, beliefs=beliefs)
        found = corrector.candidates(word, "\n", self._begin)
        return [each.word for each in found if each.reason] or [word]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--words", type=Path)
    parser.add_argument("--time-budget", default="2m")
    parser.add_argument("--run", type=Path, help="a run on such words, instead of training one")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    pairs = read_pairs(options.pairs.read_text(), options.pairs.name)
    counts = read_words(options.words.read_text(), options.words.name) if options.words else symspell_list()
    lexicon = Lexicon(counts)
    with tempfile.TemporaryDirectory() as folder:
        path = options.run or Path(folder) / "run"
        if options.run is None:
            text = sampled(counts, 20_000 if options.quick else 400_000)
            budget = "20s" if options.quick else options.time_budget
            charloom.train(text, run=path, time_budget=budget, corpus=CorpusConfig(documents="lines"))
        ours = Ours(Writer.load(path), lexicon)
    rows: dict[str, dict[str, float]] = {}

    def tell(name: str, first: int, seconds: float) -> None:
        rows[name] = {"first": first, "share": first / len(pairs), "words_per_second": len(pairs) / seconds}

    for name, peer in peers(counts):
        began = time.perf_counter()
        tell(name, _right(peer, pairs), time.perf_counter() - began)
    began = time.perf_counter()
    tell(
        "charloom, not learned",
        sum(ours.ranked(pair.typed, None)[0] == pair.meant for pair in pairs),
        time.perf_counter() - began,
    )
    fold_of, first, three, seconds = folds(pairs), 0, 0, 0.0
    for fold in range(FOLDS):
        others = [pair for pair in pairs if fold_of[pair.meant] != fold]
        learned = learn(others, lexicon, model_nats=ours.nats)
        began = time.perf_counter()
        for pair in (pair for pair in pairs if fold_of[pair.meant] == fold):
            ranked = ours.ranked(pair.typed, learned)
            first, three = first + (ranked[0] == pair.meant), three + (pair.meant in ranked[:3])
        seconds += time.perf_counter() - began
    tell("charloom, learned from other words' pairs", first, seconds)
    known = sum(pair.typed in counts for pair in pairs)
    print(
        f"{len(pairs)} pairs of {options.pairs.name}; {len(counts):,} words, of the typed ones {known} among them; {title()}"
    )
    print("| | first | share | words a second |\n|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['first']:.0f} | {row['share']:.1%} | {row['words_per_second']:,.0f} |")
    print(f"ours, learned: {three / len(pairs):.1%} among the first three")
    if options.output:
        told = {
            "machine": title(),
            "pairs": len(pairs),
            "known": known,
            "among_three": three / len(pairs),
            "rows": rows,
        }
        options.output.write_text(json.dumps(told, indent=1))


def _right(peer: Peer, pairs: list[Pair]) -> int:
    return sum(peer(pair.typed) == pair.meant for pair in pairs)


if __name__ == "__main__":
    main()
