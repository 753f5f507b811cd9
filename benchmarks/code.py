"""How good is a model of Python source at writing text that parses, completing names, and finding mistakes?

Usage: python benchmarks/code.py [--run RUN | --time-budget 15m] [--rows parse,grid,...] [--quick] [--output JSON]

The model comes from `charloom train python-library`: the installed standard library without tests and tables. The whole
files after the split are held out; the first file there, which the split may cut, never counts.

parse, grid, beginnings
             Snippets of 400 characters at temperature 0.7 (200 of them), and of 100, 200, 400, 800 characters at
             temperatures 0.5, 0.7, 1.0 (50 each), with and without the constraint, from the same seeds. Each continues
             from a place in a held-out file where a statement begins at the left margin. The model reads the 1,000
             characters before it and the beginning of the statement (`def `, `class `, `x = `); only the text from that
             statement on is parsed, so it needs nothing from before. In the last row each snippet begins a new file,
             without a prompt. A snippet ends early if the model ends the file. Then the same model continues both in
             the same way (constrained or not) to the end of the statement, for at most 1,000 characters, and
             `charloom.code.writing.finish` closes whatever is open, for both. A snippet counts if `ast.parse` accepts
             all of it: the requested characters and the additions. Also reported: the share that compiles, and how much
             of the text is code rather than strings and comments.
speed        Characters a second, one text at a time, with and without the constraint, in pairs.
identifiers  Names of three characters or more, drawn from the held-out files: how often the right one is first, or
             among five, after n typed characters; and the keys saved on these names if one key accepts one of five
             suggestions. Compared with the names of the file so far, most recent first, and with jedi, in its own
             order.
operators, misspelt, arguments
             One change in each of n held-out files of 1,500 characters or more (of longer files the first 4,000, up to
             a line end): an operator swapped for another of its kind, a name misspelt (two letters exchanged, one left
             out, doubled or replaced), two plain arguments exchanged. How often the changed file has a higher surprise,
             in total and per character, than the original; and whether the change is among the first hints for the
             changed file.

Everything is measured on held-out files; the mixture and the decay of identifiers were chosen on files of the training
part.
"""

import argparse
import copy
import itertools
import json
import random
import re
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import charloom
from charloom.code.hints import find_hints, places
from charloom.code.identifiers import IdentifierCompleter
from charloom.code.lexer import Lexer
from charloom.code.names import names_in
from charloom.code.parser import parses
from charloom.code.writing import FINISH, Writing, finish
from charloom.data.corpus import Corpus
from charloom.errors import TextError
from charloom.generation.batched_generation import generate_many
from charloom.generation.generate import generate_pieces
from charloom.generation.writer import Writer
from charloom.settings import SamplingConfig
from charloom.training.runs import Run
from charloom.training.texts import same_text
from machine import title

CONTEXT = 1000
ROWS = ("parse", "grid", "beginnings", "speed", "identifiers", "operators", "misspelt", "arguments")
CHANGES = ("operators", "misspelt", "arguments")
LENGTHS, TEMPERATURES = (100, 200, 400, 800), (0.5, 0.7, 1.0)
MARGIN = re.compile(r"^(?:def |class |@|import |from |if |for |try:|[A-Za-z_]\w* = )", re.MULTILINE)


def held_out(corpus: Corpus) -> list[str]:
    """The whole files after the split."""
    part = corpus.validation
    return [str(part.slice(first, last)) for first, last in itertools.pairwise(part.ends)]


def training_files(corpus: Corpus) -> list[str]:
    """Files of the training part."""
    bounds = [0, *corpus.train.ends]
    return [str(corpus.train.slice(first, last)) for first, last in itertools.pairwise(bounds)]


Place = tuple[str, str]
"""The text before a statement at the left margin, and the beginning of the statement."""

Snippet = tuple[str, str]
"""A text, and what the model would write next."""


def prompts(files: list[str], count: int, seed: int) -> list[Place]:
    """Places where a statement begins at the margin, and the text before it parses by itself."""
    draw = random.Random(seed)
    found: list[Place] = []
    while len(found) < count:
        text = draw.choice(files)
        starts = [match for match in MARGIN.finditer(text) if match.start() > 300]
        if starts:
            match = draw.choice(starts)
            if parses(text[: match.start()]):
                found.append((text[max(0, match.start() - CONTEXT) : match.start()], match[0]))
    return found


def free(writer: Writer, places: list[Place], length: int, temperature: float, seed: int) -> list[Snippet]:
    """Snippets without the constraint."""
    read = [context + begun for context, begun in places]
    samples = generate_many(writer, read, length=length + FINISH, temperature=temperature, seed=seed)
    return [(sample.text[:length], sample.text[length:]) for sample in samples]


def constrained(
    writer: Writer, places: list[Place], length: int, temperature: float, seed: int
) -> tuple[list[Snippet], int, int]:
    """The same with the constraint, and how many lines were redrawn and statements replaced.

    The context is read as preceding a new text, so that the constraint checks exactly the text that is parsed.
    """
    made, redrawn, replaced = [], 0, 0
    config = SamplingConfig(temperature=temperature)
    for number, (context, begun) in enumerate(places):
        state = writer.read(context) if context else None
        writing = Writing(writer, begun, config, length=length, seed=seed + number, state=state)
        text = "".join(piece.text for piece in writing.pieces())
        made.append((text, writing.more))
        redrawn, replaced = redrawn + writing.redrawn, replaced + writing.replaced
    return made, redrawn, replaced


def parse_row(writer: Writer, places: list[Place], length: int, temperature: float) -> dict[str, Any]:
    """Shares that parse."""
    count = len(places)
    with_it, redrawn, replaced = constrained(writer, places, length, temperature, 1)
    row: dict[str, Any] = {"length": length, "temperature": temperature, "snippets": count}
    without = free(writer, places, length, temperature, 1)
    for name, made in (("constrained", with_it), ("free", without)):
        begun = [start for _, start in places]
        added = [finish(start, text, more) for start, (text, more) in zip(begun, made, strict=True)]
        whole = [start + text + end for start, (text, _), end in zip(begun, made, added, strict=True)]
        row[name] = sum(map(parses, whole)) / count
        row[f"{name}_compiles"] = sum(map(compiles, whole)) / count
        row[f"{name}_code"] = sum(
            code_characters(start, text) for start, (text, _) in zip(begun, made, strict=True)
        ) / sum(len(text) for text, _ in made)
        row[f"{name}_added"] = sum(map(len, added)) / count
        row[f"{name}_ended_early"] = sum(len(text) < length for text, _ in made)
    row["the_same_text"] = sum(mine[0] == other[0] for mine, other in zip(with_it, without, strict=True))
    return row | {"lines_redrawn": redrawn, "statements_replaced": replaced}


def code_characters(begun: str, text: str) -> int:
    """How many of a snippet's characters are outside strings and comments."""
    lexer, count = Lexer(), 0
    for place, character in enumerate(begun + text):
        lexer.push(character)
        count += place >= len(begun) and not (lexer.strings or lexer.comment)
    return count


def compiles(text: str) -> bool:
    """Whether the compiler accepts it too: no `return` outside a function, no name that is both global and local."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(text, "snippet", "exec")
        except (SyntaxError, ValueError):
            return False
    return True


def speed(writer: Writer, places: list[Place]) -> dict[str, float]:
    """Characters a second."""
    seconds, characters = {"constrained": 0.0, "free": 0.0}, {"constrained": 0, "free": 0}
    for number, (context, begun) in enumerate(places):
        state = writer.read(context)
        began = time.perf_counter()
        writing = Writing(writer, begun, SamplingConfig(temperature=0.7), length=800, seed=number, state=state)
        text = "".join(piece.text for piece in writing.pieces())
        seconds["constrained"] += time.perf_counter() - began
        characters["constrained"] += len(text) + len(writing.more)
        began = time.perf_counter()
        pieces = generate_pieces(writer, begun, SamplingConfig(temperature=0.7), length=800, seed=number, state=state)
        characters["free"] += sum(len(piece.text) for piece in pieces)
        seconds["free"] += time.perf_counter() - began
    return {name: characters[name] / seconds[name] for name in seconds}


def recent(known: list[str], begun: str) -> list[str]:
    """The rest of each of these names with the given beginning, most recent first."""
    return [name[len(begun) :] for name in known if name.startswith(begun) and name != begun]


def of_jedi(text: str, begun: str) -> list[str]:
    """jedi's suggestions."""
    import jedi

    lines = (text + begun).split("\n")
    try:
        found = jedi.Script(text + begun).complete(len(lines), len(lines[-1]))
    except Exception:  # it fails on some unfinished files, and then suggests nothing
        return []
    return [each.complete for each in found if each.complete]


def identifiers(
    writer: Writer, files: list[str], count: int, *, jedi: bool, mixture: float | None = None
) -> dict[str, Any]:
    """Ranks of the right name, and keys."""
    draw = random.Random(7)
    chosen = []
    while len(chosen) < count:
        text = draw.choice(files)
        found = [name for name in names_in(text) if len(name.text) >= 3 and 500 < name.start < 10_000]
        if found:
            chosen.append((text, draw.choice(found)))
    ways = ["charloom", "model alone", "recent names"] + ["jedi"] * jedi
    first = {way: {k: [0, 0, 0] for k in (0, 1, 2, 3)} for way in ways}
    keys = dict.fromkeys(ways, 0)
    seconds = []
    for text, name in chosen:
        before = text[: name.start]
        mine = IdentifierCompleter(writer, before, **({} if mixture is None else {"mixture": mixture}))
        known = list(dict.fromkeys(other.text for other in reversed([*names_in(before)])))
        alone = copy.copy(mine)
        alone._mixture = 0.0
        done: dict[str, int | None] = dict.fromkeys(ways)
        for typed in range(len(name.text)):
            begun, rest = name.text[:typed], name.text[typed:]
            if typed:
                mine, alone = mine.type(name.text[typed - 1]), alone.type(name.text[typed - 1])
            if typed > 3 and all(found is not None for found in done.values()):
                break
            began = time.perf_counter()
            given = {"charloom": [each.text for each in mine.suggest(5)]}
            seconds.append(time.perf_counter() - began)
            given["model alone"] = [each.text for each in alone.suggest(5)]
            given["recent names"] = recent(known, begun)[:5]
            if jedi:
                given["jedi"] = of_jedi(before, begun)[:5]
            for way in ways:
                if typed in first[way]:
                    row = first[way][typed]
                    row[0] += rest in given[way][:1]
                    row[1] += rest in given[way]
                    row[2] += 1
                if done[way] is None and rest in given[way]:
                    done[way] = typed + 1
        for way in ways:
            keys[way] += done[way] or len(name.text)
    letters = sum(len(name.text) for _, name in chosen)
    return {
        "names": count,
        "letters": letters,
        **{
            way: {
                "keys_saved": 1 - keys[way] / letters,
                "first": {k: row[0] / row[2] for k, row in first[way].items()},
                "among_five": {k: row[1] / row[2] for k, row in first[way].items()},
            }
            for way in ways
        },
        "median_milliseconds": 1000 * float(np.median(seconds)),
    }


def misspelt(name: str, draw: random.Random) -> str:
    """The name with one slip, which makes it a different name."""
    while True:
        at = draw.randrange(1, len(name))
        slip = draw.randrange(4)
        letter = draw.choice("abcdefghijklmnopqrstuvwxyz_")
        made = (
            name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :],
            name[:at] + name[at + 1 :],
            name[:at] + name[at - 1] + name[at:],
            name[:at] + letter + name[at + 1 :],
        )[slip]
        if made != name and made.isidentifier():
            return made


def changes(files: list[str], kind: str, count: int) -> Iterator[tuple[str, str, int]]:
    """Files, the same with one change, and where it is."""
    draw = random.Random(f"11 {kind}")
    made = 0
    while made < count:
        text = draw.choice(files)
        if len(text) < 1500:
            continue
        text = text if len(text) <= 4000 else text[: text.rfind("\n", 0, 4000) + 1]
        try:
            if kind == "misspelt":
                all_names = [name for name in names_in(text) if len(name.text) >= 4]
                often = [name for name in all_names if sum(other.text == name.text for other in all_names) > 2]
                if not often:
                    continue
                name = draw.choice(often)
                start, old = name.start, name.text
                new = misspelt(old, draw)
                if new in {other.text for other in all_names}:
                    continue
            else:
                wanted = "operator" if kind == "operators" else "arguments"
                found = [place for place in places(text) if place.kind == wanted]
                if not found:
                    continue
                place = draw.choice(found)
                start, old, new = place.start, place.text, draw.choice(place.alternatives)
            changed = text[:start] + new + text[start + len(old) :]
            places(changed)
        except TextError:  # a long file was cut inside a statement
            continue
        made += 1
        yield text, changed, start


def hints(model: Any, writer: Writer, files: list[str], kind: str, count: int) -> dict[str, Any]:
    """How often the change raises the surprise, and is found."""
    total = mean = 0
    known: dict[str, float] = {}
    among = dict.fromkeys((1, 3, 5, 10), 0)
    size = []
    for text, changed, start in changes(files, kind, count):
        if text not in known:
            known[text] = float(charloom.surprisal(model, text).sum())
        before, after = known[text], float(charloom.surprisal(model, changed).sum())
        total += after > before
        mean += after / len(changed) > before / len(text)
        line = changed.count("\n", 0, start) + 1
        column = start - (changed.rfind("\n", 0, start) + 1) + 1
        found = find_hints(writer, changed, 10)
        rank = next((number for number, hint in enumerate(found, 1) if (hint.line, hint.column) == (line, column)), 99)
        for most in among:
            among[most] += rank <= most
        size.append(len(places(changed)))
    return {
        "changes": count,
        "higher_in_all": total / count,
        "higher_per_character": mean / count,
        "among_first": {most: found / count for most, found in among.items()},
        "median_places": float(np.median(size)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="How good a model of Python source is.")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--time-budget", default="15m")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--quick", action="store_true", help="a little of everything: shows that it runs")
    parser.add_argument(
        "--tune", action="store_true", help="only the mixture of identifiers, on files of the training part"
    )
    parser.add_argument("--lengths", default=",".join(map(str, LENGTHS)), help="lengths of the grid")
    parser.add_argument("--changes", type=int, default=100, help="changes of each kind")
    parser.add_argument("--names", type=int, default=300, help="names that are completed")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.run or Path(folder) / "run"
        if options.run is None:
            charloom.train("python-library", run=path, time_budget="20s" if options.quick else options.time_budget)
        run = Run(path)
        writer, model, corpus = Writer.load(path), charloom.load(path), same_text(run, run.config())
    files = held_out(corpus)
    report: dict[str, Any] = {
        "machine": title(),
        "held_out_files": len(files),
        "held_out_characters": sum(map(len, files)),
    }
    print(f"{report['machine']}\n{len(files)} files, {report['held_out_characters']:,} characters held out", flush=True)
    count, rows = 5 if options.quick else 200, options.rows.split(",")
    if options.tune:
        for mixture in (0.2, 0.4, 0.6, 0.8):
            row = identifiers(writer, training_files(corpus), 100, jedi=False, mixture=mixture)
            print(mixture, json.dumps(row["charloom"]), flush=True)
        return
    if "parse" in rows:
        report["parse"] = [parse_row(writer, prompts(files, count, 400), 400, 0.7)]
        print(json.dumps(report["parse"][0]), flush=True)
    if "grid" in rows:
        report["grid"] = []
        for length in map(int, options.lengths.split(",")):
            for temperature in TEMPERATURES:
                row = parse_row(writer, prompts(files, max(2, count // 4), length), length, temperature)
                report["grid"].append(row)
                print(json.dumps(row), flush=True)
    if "beginnings" in rows:
        report["beginnings"] = parse_row(writer, [("", "")] * (count // 2), 400, 0.7)
        print("from the beginning of a file:", json.dumps(report["beginnings"]), flush=True)
    if "speed" in rows:
        report["speed"] = speed(writer, prompts(files, 2 if options.quick else 20, 3))
        print(json.dumps(report["speed"]), flush=True)
    if "identifiers" in rows:
        report["identifiers"] = identifiers(writer, files, 5 if options.quick else options.names, jedi=_has_jedi())
        print(json.dumps(report["identifiers"]), flush=True)
    for kind in CHANGES:
        if kind in rows:
            report[kind] = hints(model, writer, files, kind, 3 if options.quick else options.changes)
            print(kind, json.dumps(report[kind]), flush=True)
    if options.output:
        options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _has_jedi() -> bool:
    try:
        import jedi  # noqa: F401
    except ImportError:
        print("jedi is not installed, so it is skipped: pip install 'charloom[bench]'", flush=True)
        return False
    return True


if __name__ == "__main__":
    main()
