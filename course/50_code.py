# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A model that writes Python, and a parser that looks over its shoulder
#
# A character model learns what source code looks like; whether it *is* source code, only a parser knows. This lesson trains a model
# on the standard library that is installed with Python, lets it write, and then lets it write under a constraint: **the text so far
# can always be completed to valid Python**. The same model finishes names as you type, and points at places that look wrong.
#
# **Time:** 25 minutes to read; about three minutes to run on two cores. **You need:** Python, and chapter 7 of the main lesson
# (how text is drawn from a model, and what temperature is). Nothing is downloaded. The environment variable `CHARLOOM_COURSE` is `full`
# (the default) or `fast` (seconds: it shows that everything runs, not how good it gets).

# %%
import io
import keyword
import os
import random
import tempfile
import time
import tokenize
import warnings
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display

import charloom
from charloom import SamplingConfig, Writer, generate_many
from charloom.code import Checker, IdentifierCompleter, Writing, find_hints, finish, names_in, parses
from charloom.data import dataset
from charloom.evaluation import paired
from charloom.plotting import COLOURS, MARKERS, show

FAST = os.environ.get("CHARLOOM_COURSE", "full") == "fast"
print("a fast run" if FAST else "a full run")


def choose(full, fast):
    """The first value in a full run, the second in a fast one."""
    return fast if FAST else full


def say(text):
    """Show a sentence with figures that this run computed."""
    display(Markdown(text))


files = [data.decode() for _, data in dataset("python-library").read()]
print(f"{len(files)} files, {sum(map(len, files)):,} characters, {len(set(''.join(files)))} distinct")

# %% [markdown]
# Tests and tables are left out, and so are files with non-ASCII characters: a vocabulary of 96 symbols is learned faster. The
# files are shuffled, so that the held-out ones at the end are of all kinds.

# %%
kept = files[: -len(files) // 10]
held_out = files[-len(files) // 10 :]
folder = Path(tempfile.mkdtemp())
(folder / "source").mkdir()
for number, text in enumerate(kept[: choose(None, 40)]):
    (folder / "source" / f"{number:04}.py").write_text(text)
run = charloom.train(folder / "source", run=folder / "run", time_budget=choose("90s", "8s"), origin=None)
writer, model = Writer.load(run.path), charloom.load(run.path)
bits = [charloom.evaluate(model, text[:5000]).bits_per_character for text in held_out[:5]]
print(f"{run.step():,} steps of {run.config().plan.steps:,} planned")
print(f"{np.mean(bits):.2f} ± {np.std(bits, ddof=1):.2f} bits per character on five files that it has not seen")

# %% [markdown]
# ## Free writing
#
# We begin a class; the model continues. Does `ast.parse` accept it?

# %%
PROMPT = "class Reader:\n    def __init__(self, path):\n        self.path = path\n"
(sample,) = generate_many(writer, [PROMPT], length=400, temperature=0.7, seed=3)
print(PROMPT + sample.text)
print("\nparses:", parses(PROMPT + sample.text))

# %% [markdown]
# It hardly could, even without a mistake: 400 characters end in the middle of something. To be fair, the model first continues to the
# end of the statement, and then whatever is still open is closed: brackets, strings, empty blocks. `finish` reports what it adds, and
# removes nothing.

# %%
for text in ("values = [1, f(2", "def f(x):\n    if x:", "try:\n    x = '''a", "x = 1\n"):
    print(repr(text), "+", repr(finish("", text)))
    assert parses(text + finish("", text))

# %% [markdown]
# ## What can still be completed?
#
# `Checker` reads a text one character at a time and says when it has become hopeless. It has three judges, cheapest first:
#
# 1. a **lexer** knows strings, escapes, comments, brackets and indentation, and checks each character;
# 2. Python's own **parser** decides at the end of each token whether a text can begin like this;
# 3. and at the end of each line, whether the whole text is valid once everything open is closed.
#
# Predict first: which of these six does it refuse, and at which character?

# %%
for text in ("x = [1, 2)", "x = = 1\n", "if x:\nprint(x)", "else: ", "name = 'a\n", "def f(x, x=1):\n"):
    checker, good = Checker(), ""
    for character in text:
        if not checker.push(character):
            break
        good += character
    verdict = "can be completed" if good == text else f"hopeless at {text[len(good)]!r}"
    print(f"{text!r:22} {verdict}")

# %% [markdown]
# Did the last one surprise you? `def f(x, x=1)` has the same parameter twice, and yet the parser accepts it. A grammar describes form:
# *a function has a name and a list of parameters, each a name, perhaps with a default*. That two of the names are equal is nothing
# that such rules can say; they would need a memory of all names so far. So Python checks it later: the **parser** builds a tree, the
# **compiler** then enters the tree's names into a symbol table, and only there does it find `x` for the second time. And whether a
# name has a value at all, nobody knows until the line **runs**.


# %%
def stage(source):
    """The first stage that refuses a text: the parser, the compiler, or running it."""
    if not parses(source):
        return "refused by the parser"
    try:
        code = compile(source, "a text", "exec")
    except SyntaxError as error:
        return f"parses; refused by the compiler: {error.msg}"
    try:
        exec(code, {"__name__": "__main__"})
    except Exception as error:
        return f"parses and compiles; fails when it runs: {error}"
    return "parses, compiles and runs"


for source in ("def f(x, x=1: pass", "def f(x, x=1): pass", "return 1", "print(x)", "x = 1"):
    print(f"{source:22} {stage(source)}")
assert stage("def f(x, x=1): pass").startswith("parses; refused by the compiler: duplicate")

# %% [markdown]
# The constraint of this lesson is the first stage. It promises text that parses: no more, and that much for certain.
#
# It must also never reject what a real parser accepts. So the library itself is the test: each prefix of twelve held-out files.

# %%
began, characters = time.perf_counter(), 0
for text in held_out[: choose(12, 3)]:
    checker = Checker()
    assert all(checker.push(character) for character in text)
    characters += len(text)
seconds = time.perf_counter() - began
print(
    f"{characters:,} characters of the library, none refused, {1e6 * seconds / characters:.0f} microseconds a character"
)

# %% [markdown]
# ## Writing under the constraint
#
# An impossible character is never drawn: its probability is set to zero, and the others share what it had. An impossible *line* is
# drawn again from its beginning, from the network's state at that point; after eight refusals more cautiously, and in the end the
# statement is closed. So what is written is close to what the model would write, but not exactly its distribution among possible texts
# (where the only possible character is an improbable one, it is written all the same).
#
# In what follows, ▮ marks where the 400 characters end. After it the model finishes its statement, and `finish` closes what is still open.

# %%
for seed in range(3, choose(30, 4)):  # the first with redrawn lines and without triple quotes
    writing = Writing(writer, PROMPT, SamplingConfig(temperature=0.7), length=400, seed=seed)
    text = "".join(piece.text for piece in writing.pieces())
    if writing.redrawn and '"""' not in text:
        break
added = finish(PROMPT, text, writing.more)
print(PROMPT + text + "▮" + added)
print(f"\nLines drawn again: {writing.redrawn}; statements ended or replaced: {writing.replaced}")
print("parses:", parses(PROMPT + text + added))

# %% [markdown]
# How much does it help? Three beginnings, each continued with several seeds, free and constrained with the same ones, finished the same
# way. Parsing is the least that one can ask, so we also ask the compiler.

# %%
PROMPTS = (PROMPT, "import os\nimport sys\n\ndef main(arguments):\n", "def parse(text, start=0):\n    result = []\n")
LENGTHS, SEEDS = choose((50, 150, 400), (50, 100)), choose(10, 2)
CONFIG = SamplingConfig(temperature=0.7)


def compiles(source):
    """Whether the compiler accepts a text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of odd escapes, for example
            compile(source, "a text", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def written(prompt, length, constrained):
    """Finished texts, one for each seed."""
    if constrained:
        for seed in range(SEEDS):
            writing = Writing(writer, prompt, CONFIG, length=length, seed=100 + seed)
            text = "".join(piece.text for piece in writing.pieces())
            yield prompt + text + finish(prompt, text, writing.more)
    else:
        for each in generate_many(writer, [prompt] * SEEDS, length=length + 1000, temperature=0.7, seed=100):
            text, more = each.text[:length], each.text[length:]
            yield prompt + text + finish(prompt, text, more)


shares = {}  # for each way and length: the share of the texts of each beginning
for length in LENGTHS:
    for way in ("free", "constrained"):
        texts = [list(written(prompt, length, way == "constrained")) for prompt in PROMPTS]
        shares[way, length] = np.array([np.mean([parses(text) for text in each]) for each in texts])
        shares[f"{way}, compiles", length] = np.array([np.mean([compiles(text) for text in each]) for each in texts])
    print(
        f"{length:>4} characters: "
        + "; ".join(f"{way} {shares[way, length].mean():.0%}" for way, at in shares if at == length)
    )
assert all(share.min() > 0.99 for (way, _), share in shares.items() if way == "constrained")

# %%
figure, axes = plt.subplots(figsize=(7, 3.8), dpi=100)
for number, way in enumerate(dict.fromkeys(way for way, _ in shares)):
    means = np.array([shares[way, length].mean() for length in LENGTHS])
    spreads = np.array([shares[way, length].std(ddof=1) for length in LENGTHS])
    label = way if "compiles" in way else f"{way}, parses"
    line = "--" if "compiles" in way else "-"
    below = np.minimum(spreads, means)  # a share is not below 0, and not above 1
    style = {
        "color": COLOURS[number],
        "ls": line,
        "capsize": 3,
        "label": label,
        "marker": MARKERS[number],
        "elinewidth": 1.5,
    }
    style |= (
        {"alpha": 0.9} if "compiles" in way else {"alpha": 0.35, "lw": 5, "ms": 10}
    )  # thick and pale, below the other
    axes.errorbar(LENGTHS, means, (below, np.minimum(spreads, 1 - means)), **style)
axes.set(xlabel="characters written", ylabel="share of the texts", ylim=(-0.05, 1.1))
longest = LENGTHS[-1]
refused = 1 - shares["constrained, compiles", longest].mean()
axes.set_title(
    f"Of the texts of {longest} characters, {shares['free', longest].mean():.0%} parse when written freely,\n"
    f"{shares['constrained', longest].mean():.0%} under the constraint",
    loc="left",
    fontsize=11,
)
axes.legend(frameon=False, fontsize=9)
axes.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
show(
    "The share of texts that parse by their length, written freely and under the constraint, and of those that compile."
)

# %%
say(
    f"The bars show how much the {len(PROMPTS)} beginnings differ, each with {SEEDS} seeds. "
    + (
        f"Of the constrained texts of {longest} characters, {refused:.0%} parse but do not compile: names and `return`s in the "
        "wrong place are the compiler's business."
        if refused
        else f"All constrained texts of {longest} characters also compile; the constraint does not promise that."
    )
)

# %% [markdown]
# A text that parses and compiles need not mean anything: a model that has just begun a long string makes no mistake, whatever it writes
# into it. `benchmarks/code.py` therefore also reports how much of the text is code.
#
# ## Names, as you type
#
# The model knows how people name things, but forgets the names of *this* file after a few hundred characters. A count of the file's
# names remembers them and knows nothing else. Here is each alone, and both mixed as probabilities of whole words.

# %%
FILE = """class Shelf:
    def __init__(self, wooden_boards):
        self.wooden_boards = wooden_boards
        self.last_visitor = None

    def visit(self, visitor_name):
        self.last_visitor = visitor_name
        return len(self."""
WAYS = {"the model": 0.0, "the file's names": 1.0, "both": 0.5}
for begun in ("", "w", "wo"):
    for way, share in WAYS.items():
        completer = IdentifierCompleter(writer, FILE + begun, mixture=share)
        found = ", ".join(f"{begun}{each.text} {each.probability:.0%}" for each in completer.suggest(3))
        print(f"self.{begun:3} {way:17} {found}")

# %% [markdown]
# One example proves nothing. So here are places in files that the model has not seen: at the beginning of a name, is the right one among
# the first three suggestions? The ways are compared file by file: their mean difference has a margin, Student's t for 95 % times the
# standard error, and counts if it is larger than that. They are compared before rounding, so a difference and its margin may look equal
# in print and still be told apart.

# %%
FILES, PLACES, READ = choose(12, 2), choose(6, 2), 1_200


def places(text):
    """The names of four letters or more between characters 600 and 1,200 of a text."""
    return [name for name in names_in(text[:READ]) if name.start >= 600 and len(name.text) >= 4]


def hits(text, seed):
    """For each way, how many of some names, in percent, are among its first three suggestions."""
    chosen = random.Random(seed).sample(places(text), PLACES)
    counts = []
    for share in WAYS.values():
        right = 0
        for name in chosen:
            completer = IdentifierCompleter(writer, text[: name.start], mixture=share)
            right += name.text in [suggestion.text for suggestion in completer.suggest(3)]
        counts.append(100 * right / len(chosen))
    return counts


long = [text for text in held_out if len(places(text)) >= PLACES][:FILES]
suggested = np.array([hits(text, seed) for seed, text in enumerate(long)])  # (files, ways)
for way, column in zip(WAYS, suggested.T, strict=True):
    print(
        f"{way:17} {column.mean():3.0f}% of the names are among the first three; the files' spread is {column.std(ddof=1):.0f}"
    )
for other in (0, 1):
    name = list(WAYS)[other]
    said = paired(suggested[:, 2], suggested[:, other]).sentence(
        f"the mixture beats {name} alone",
        f"the mixture is worse than {name} alone",
        f"the mixture and {name}",
        "points",
        0,
    )
    say(f"* By file, {said}.")

# %% [markdown]
# ## What looks wrong
#
# A mistake surprises a model that has read a lot of correct code. But so does anything new. To tell them apart, each operator is
# compared with others that could replace it, and each name that occurs only once with names of similar spelling. If an alternative,
# *and what follows it*, is much less surprising, that is a hint.
#
# The program below parses, compiles and runs without an error. It just does nothing. Do you see why?

# %%
BUG = """import argparse


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("path")
    options = parser.parse_args()
    with open(options.path) as file:
        for line in file:
            print(line.rstrip())


if __name__ != "__main__":
    main()
"""
print(stage(BUG))
for hint in find_hints(writer, BUG, 3):
    print(
        f"line {hint.line:3}: {hint.text} rather {hint.best}, {hint.gain:4.1f} nats less: {BUG.splitlines()[hint.line - 1].strip()}"
    )

# %% [markdown]
# `!=` for `==`: the parser has no opinion on it, and a reader's eye slides over it. The model has seen that line in many files, nearly always the other way round.
#
# That was an example chosen to stand out. What about mistakes in general? We put in mistakes of three kinds, each in twelve held-out
# files, one in a file: a name that is misspelled in one place; `and` and `or` exchanged; an operator turned (`<` for `>`, `-` for `+`).
# Predict first: which kind does it find, and which not?


# %%
def tokens(text):
    """The names, keywords and operators of a text, each with its position; no comments or strings."""
    starts = np.cumsum([0] + [len(line) + 1 for line in text.split("\n")])
    found = tokenize.generate_tokens(io.StringIO(text).readline)
    return [
        (starts[at.start[0] - 1] + at.start[1], at.string) for at in found if at.type in (tokenize.NAME, tokenize.OP)
    ]


def replaced(text, place, old, new):
    """The text with `new` instead of `old` at a place, and the place."""
    assert text.startswith(old, place)
    return text[:place] + new + text[place + len(old) :], place


def misspelled(text, draw):
    """A bug: a name that occurs three times or more is wrong once, with two neighbouring letters exchanged."""
    counts = Counter(name for _, name in tokens(text))
    often = [(place, name) for place, name in tokens(text) if len(name) >= 6 and counts[name] >= 3]
    place, name = draw.choice([each for each in often if not keyword.iskeyword(each[1])])
    at = draw.choice([at for at in range(1, len(name) - 1) if name[at] != name[at + 1]])
    return replaced(text, place, name, name[:at] + name[at + 1] + name[at] + name[at + 2 :])


def exchanged(pairs):
    """A bug: one of these operators, between two operands, becomes its partner."""

    def bug(text, draw):
        here = [each for each in tokens(text) if each[1] in pairs and text.startswith(f" {each[1]} ", each[0] - 1)]
        place, operator = draw.choice(here)
        return replaced(text, place, operator, pairs[operator])

    return bug


BUGS = {
    "a misspelled name": misspelled,
    "and for or": exchanged({"and": "or", "or": "and"}),
    "another operator": exchanged({"<": ">", ">": "<", "+": "-", "-": "+", "==": "!=", "!=": "=="}),
}


def piece_of(text):
    """The beginning of a file, about 2,500 characters, finished to valid Python."""
    start = text[: text.find("\n", 2_500) + 1]
    return start + finish("", start)


# %%
def rank_of_hint(wrong, line):
    """The place of the mistake's line among the hints; infinite if it is not among them."""
    lines = [hint.line for hint in find_hints(writer, wrong, 20)]
    return lines.index(line) + 1 if line in lines else np.inf


def rank_of_surprise(wrong, line):
    """The place of the mistake's line among all lines, sorted by how surprising their characters are on average."""
    nats, place, means = charloom.surprisal(model, wrong), 0, []
    for each in wrong.split("\n"):
        means.append(np.mean(nats[place : place + len(each)]) if each.strip() else 0.0)
        place += len(each) + 1
    return 1 + sum(mean > means[line - 1] for mean in means)


COUNT = choose(12, 2)
tried = {}
for name, bug in BUGS.items():
    ranks = []
    for number, text in enumerate(held_out):
        try:
            piece = piece_of(text)
            wrong, place = bug(piece, random.Random(number))
        except IndexError:  # nothing in this file that could be wrong in this way
            continue
        if parses(piece) and parses(wrong) and len(piece) > 1_500:
            line = wrong.count("\n", 0, place + 1) + 1
            ranks.append((rank_of_hint(wrong, line), rank_of_surprise(wrong, line), wrong.count("\n")))
        if len(ranks) == COUNT:
            break
    tried[name] = np.array(ranks)
    hints, surprises, lines = tried[name].T
    print(f"{name:<18} {len(ranks)} files of {lines.mean():.0f} lines: ", end="")
    print(f"first hint {np.mean(hints == 1):.0%}, among five {np.mean(hints <= 5):.0%}; ", end="")
    print(f"most surprising line {np.mean(surprises == 1):.0%}, among five {np.mean(surprises <= 5):.0%}")


# %%
def chance(found, count):
    """A share and its standard error."""
    share = found / count
    return f"{share:.0%} ± {(share * (1 - share) / count) ** 0.5:.0%}"


everywhere = np.concatenate(list(tried.values()))
among, plain = everywhere[:, 0] <= 5, everywhere[:, 1] <= 5
said = paired(100.0 * among, 100.0 * plain).sentence(
    "**Hints beat plain surprise**", "**Hints lose against plain surprise**", "Hints and plain surprise", "points", 0
)
best = max(tried, key=lambda name: np.mean(tried[name][:, 0] <= 5))
least = min(tried, key=lambda name: np.mean(tried[name][:, 0] <= 5))
say(
    f"Among the first five hints are {chance(among.sum(), len(among))} of the mistakes; among the five most surprising lines "
    f"{chance(plain.sum(), len(plain))}. {said}. Found most "
    f"often: *{best}*; least often: *{least}*. With {COUNT} files of each kind that order is only a first impression."
)

# %% [markdown]
# A hint is not an error: most lines that it points at are right, only unusual. And a mistake that looks like ordinary code, such as `<`
# for `>` between two numbers, is invisible to anyone who does not know what the program is for, model or human. `benchmarks/code.py`
# measures the same over many more files.
#
# The same on the command line:
#
#     charloom train python-library
#     charloom generate RUN --syntax python --prompt "class Reader:" --temperature 0.7 --finish
#     charloom complete RUN "return len(self." --syntax python --text shelf.py
#     charloom score RUN --text shelf.py --hints 10
#
# **Try, and predict first:**
#
# 1. Write at temperature 1.0 and 1.5. What happens to the share of free snippets that parse, and to the number of lines that are redrawn?
# 2. Write a text that parses but does not compile, other than `def f(x, x=1)`, and one that compiles but does not run.
#
# <details><summary>What to expect</summary>
#
# 1. The share falls quickly, and more lines are redrawn: less probable characters are more often impossible ones. The constrained texts
#    still all parse, and make less and less sense.
# 2. For example `break` outside a loop, `x = 1; global x` in a function, or `nonlocal x` at the top; and `1 / 0` or `x.append(1)` without an
#    `x`.
#
# </details>
