"""How many misspelt words are corrected, each alone, by charloom, Norvig's method, pyspellchecker, symspellpy and
hunspell?

Usage: python benchmarks/spelling_words.py PAIRS [--words LIST] [--output JSON]

    pip install pyspellchecker symspellpy spylls

PAIRS is a file of lines `right: wrong wrong`. All take the same word list, symspellpy's unless --words names another;
hunspell has its own. A word alone has no context, so of charloom only the error model and the word counts are compared.
"""

import argparse
import json
import time
from pathlib import Path

from charloom.correct.corrector import Beliefs, Corrector
from charloom.correct.lexicon import Lexicon, read_words
from charloom.generation.speed import fresh_model
from charloom.settings import NetworkConfig
from machine import title
from spelling_peers import Pair, Peer, peers, read_pairs, symspell_list

WITHOUT_CONTEXT = Beliefs(word=0.0, following=0.0, slip=1.0, further=0.0, pair=0.0, frequency=0.5, capital=0.0)
"""Weights that rank the candidates for a word by slips and counts alone."""


def charloom_peer(lexicon: Lexicon) -> Peer:
    """Charloom's best candidate for a word; a known word is left alone."""
    untrained = fresh_model(NetworkConfig(hidden_size=8, embedding_size=8), symbols=95)  # its surprisals have no weight
    corrector = Corrector(untrained, lexicon, beliefs=WITHOUT_CONTEXT)
    beginning = corrector.context.begin()

    def correct(word: str) -> str:
        if word in lexicon:
            return word
        candidates = corrector.candidates(word, "", beginning)
        return next((candidate.word for candidate in candidates if candidate.reason), word)

    return correct


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--words", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    pairs = read_pairs(options.pairs)
    counts = read_words(options.words.read_text(), options.words.name) if options.words else symspell_list()
    rows: dict[str, dict[str, float]] = {}
    for name, peer in (*peers(counts), ("charloom", charloom_peer(Lexicon(counts)))):
        began = time.perf_counter()
        right = _right(peer, pairs)
        speed = len(pairs) / (time.perf_counter() - began)
        rows[name] = {"first": right, "share": right / len(pairs), "words_per_second": speed}
    known = sum(pair.typed in counts for pair in pairs)
    print(
        f"{len(pairs)} pairs of {options.pairs.name}; {len(counts):,} words, {known} of the typed ones among them; "
        f"{title()}"
    )
    print("| | first | share | words a second |\n|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['first']:.0f} | {row['share']:.1%} | {row['words_per_second']:,.0f} |")
    if options.output:
        options.output.write_text(
            json.dumps({"machine": title(), "pairs": len(pairs), "known": known, "rows": rows}, indent=1)
        )


def _right(peer: Peer, pairs: list[Pair]) -> int:
    return sum(peer(pair.typed) == pair.meant for pair in pairs)


if __name__ == "__main__":
    main()
