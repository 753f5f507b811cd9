"""How many keystrokes does completion save, compared with a word trigram and a character n-gram?

Usage: python benchmarks/completion.py TEXT [--run RUN] [--time-budget 4m] [--characters 10000] [--start 0] [--quick]
       python benchmarks/completion.py TEXT --run english --data DATA [--characters 10000] [--start 0]

The rule is the same for all: before each character of a word, including the first, k suggestions are shown. If the rest
of the word is among them, one key accepts it, along with the following space if there is one. Everything else costs one
key per character. The figure is the share of characters that needed no key. All methods learn from the training part of
the text (its first nine tenths) and are measured on the beginning of the rest, or from `--start` characters on (the
shares of the mixtures were chosen from 500,000 on); capitals count. The model is trained here unless a run of that text
is given. There are two groups of rows: methods that know only the training text, and methods that also count what was
typed before, ours and the peers alike. With a model that brings its words, as --run english, nothing of TEXT is
learned, and the word trigram learns all of the model's training texts, which DATA holds. Latency: one typed key and
five suggestions, on as many cores as the machine has.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from charloom.complete.completer import Completer, in_word
from charloom.complete.mixed import MixedCompleter, Shares
from charloom.complete.word_counts import WordCounts
from charloom.complete.word_files import counted_words
from charloom.evaluation.baselines import best_order
from charloom.generation.writer import Writer
from charloom.models.model_folder import is_run
from machine import title
from ready_texts import english
from trained import trained
from word_peers import CharacterGrams, Counted, Suggester, WordTrigram

SHOWN = (1, 3, 5)

STATIC = Shares(model=0.5, counts=0.5, recent=0, following=0)
"""The model and the counts of the training text, without the typed text."""

Suggest = Callable[[str, str, int], list[str]]


def saved(text: str, start: int, suggest: Suggest) -> tuple[dict[int, float], list[float]]:
    """The share of keys saved on text[start:] by each number of suggestions, and the seconds of each answer."""
    keys, seconds = dict.fromkeys(SHOWN, 0), list[float]()
    place = start
    while place < len(text):
        if not in_word(text[place]):
            for shown in SHOWN:
                keys[shown] += 1
            place += 1
            continue
        end = place
        while end < len(text) and in_word(text[end]):
            end += 1
        space = text[end : end + 1] == " "
        open_ = dict.fromkeys(SHOWN, end - place + space)
        for typed in range(end - place):
            began = time.perf_counter()
            found = suggest(text[:place], text[place : place + typed], max(SHOWN))
            seconds.append(time.perf_counter() - began)
            rest = text[place + typed : end]
            rank = found.index(rest) + 1 if rest in found else max(SHOWN) + 1
            for shown in SHOWN:
                if rank <= shown:
                    open_[shown] = min(open_[shown], typed + 1)
            if rank == 1:
                break
        for shown in SHOWN:
            keys[shown] += open_[shown]
        place = end + space
    return {shown: 1 - count / (len(text) - start) for shown, count in keys.items()}, seconds


class Typist:
    """Asks the model as someone typing would: the typed text is read once."""

    def __init__(self, completer: Completer | MixedCompleter) -> None:
        self._completer = completer

    def __call__(self, before: str, begun: str, suggestions: int) -> list[str]:
        typed = before + begun
        self._completer = self._completer.type(typed[len(self._completer.typed) :])
        return [each.text for each in self._completer.suggest(suggestions)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--run")
    parser.add_argument("--data", type=Path, help="the texts of a ready-made model")
    parser.add_argument("--time-budget", default="4m")
    parser.add_argument("--characters", type=int, default=10_000)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", help="the names of rows")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    characters = 1_500 if options.quick else options.characters
    if options.run and not is_run(options.run):
        suggesters, context, text, name = ready_made(options.run, options.text, options.data, options.start, characters)
    else:
        writer, corpus = trained(options.text, options.run, "30s" if options.quick else options.time_budget)
        train, held_out, name = str(corpus.train), str(corpus.validation), corpus.name
        context = (train[-5000:] + held_out[: options.start])[-5000:]
        text = context + held_out[options.start : options.start + characters]
        suggesters = of_a_run(writer, train)
    rows = {}
    for row, make in suggesters.items():
        if options.only and row not in options.only:
            continue
        suggest = make()
        shares, seconds = saved(text, len(context), suggest)
        rows[row] = {
            "saved": {str(shown): share for shown, share in shares.items()},
            "median_seconds": statistics.median(seconds),
            "slowest_of_twenty_seconds": statistics.quantiles(seconds, n=20)[-1],
        }
    report(rows, name, len(text) - len(context), options.output)


def of_a_run(writer: Writer, train: str) -> dict[str, Callable[[], Suggest]]:
    """The methods, which learn from the training text of a run."""
    order = best_order(writer.vocabulary.encode(train[-1_000_000:]), writer.vocabulary.boundary)
    counts = cache(lambda: WordCounts([train]))
    trigram, grams = cache(lambda: WordTrigram(train)), cache(lambda: CharacterGrams(train, writer.vocabulary, order))
    return {
        "charloom": lambda: Typist(Completer(writer)),
        "charloom and counts": lambda: Typist(MixedCompleter(writer, counts(), shares=STATIC)),
        "trigram of words, back-off": lambda: Suggester(trigram(), lately=False),
        f"{order}-gram of characters": lambda: Suggester(grams(), lately=False),
        "charloom and what was typed": lambda: Typist(MixedCompleter(writer)),
        "charloom, counts and what was typed": lambda: Typist(MixedCompleter(writer, counts())),
        "trigram of words and what was typed": lambda: Suggester(trigram(), lately=True),
        f"{order}-gram of characters and what was typed": lambda: Suggester(grams(), lately=True),
    }


def ready_made(
    model: Path, file: Path, data: Path, start: int, characters: int
) -> tuple[dict[str, Callable[[], Suggest]], str, str, str]:
    """The methods for a model that brings its words; what stands before the passage, both, and the text's name."""
    writer, counts = Writer.load(model), counted_words(model)
    whole = file.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
    known = set(writer.vocabulary.characters)
    whole = "".join(character if character in known else " " for character in whole)
    context = whole[max(0, start - 5000) : start]
    all_counts = cache(lambda: Counted(WordCounts([text for source in english(data) for text in source.train])))
    suggesters: dict[str, Callable[[], Suggest]] = {
        "charloom": lambda: Typist(Completer(writer)),
        "charloom and counts": lambda: Typist(MixedCompleter(writer, counts, shares=STATIC)),
        "trigram of words": lambda: Suggester(all_counts(), lately=False),
        "charloom and what was typed": lambda: Typist(MixedCompleter(writer)),
        "charloom, counts and what was typed": lambda: Typist(MixedCompleter(writer, counts)),
        "trigram of words and what was typed": lambda: Suggester(all_counts(), lately=True),
    }
    return suggesters, context, context + whole[start : start + characters], file.name


def report(rows: dict[str, dict[str, Any]], text: str, characters: int, output: Path | None) -> None:
    """Print the table, and write it to a file."""
    print(f"keystrokes saved on {characters:,} held-out characters of {text}; {title()}")
    print("| | " + " | ".join(f"{shown} shown" for shown in SHOWN) + " | ms, median | ms, 95 % |")
    print("|---|" + "---|" * (len(SHOWN) + 2))
    for name, row in rows.items():
        shares = " | ".join(f"{row['saved'][str(shown)]:.1%}" for shown in SHOWN)
        print(
            f"| {name} | {shares} | {1e3 * row['median_seconds']:.1f} | {1e3 * row['slowest_of_twenty_seconds']:.1f} |"
        )
    if output:
        told = {"machine": title(), "text": text, "characters": characters, "rows": rows}
        output.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
