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
# Nothing is downloaded. The environment variable `CHARLOOM_COURSE` is `full` (the default, a few minutes) or `fast` (seconds: it
# shows that everything runs, not how good it gets).

# %%
import os
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import charloom
from charloom import SamplingConfig, Writer, generate_many
from charloom.code import Checker, IdentifierCompleter, Writing, find_hints, finish, parses
from charloom.data import dataset

FAST = os.environ.get("CHARLOOM_COURSE", "full") == "fast"
print("a fast run" if FAST else "a full run")

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
for number, text in enumerate(kept[:40] if FAST else kept):
    (folder / "source" / f"{number:04}.py").write_text(text)
run = charloom.train(folder / "source", run=folder / "run", time_budget="8s" if FAST else "4m")
writer, model = Writer.load(run.path), charloom.load(run.path)
print(
    f"{charloom.evaluate(model, held_out[0][:5000]).bits_per_character:.2f} bits per character on a file it has not seen"
)

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
# It could not, even without a mistake: 400 characters end in the middle of something. To be fair, the model first continues to the
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
# It must never reject what a real parser accepts. So the library itself is the test: every prefix of every file.

# %%
for text in ("x = [1, 2)", "x = = 1\n", "if x:\nprint(x)", "else: ", "name = 'a\n", "def f(x, x=1):\n"):
    checker, good = Checker(), ""
    for character in text:
        if not checker.push(character):
            break
        good += character
    verdict = "can be completed" if good == text else f"hopeless at {text[len(good)]!r}"
    print(f"{text!r:22} {verdict}")

# %%
began, characters = time.perf_counter(), 0
for text in held_out[: 3 if FAST else 15]:
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
# An impossible character is never drawn: its probability is set to zero. An impossible *line* is drawn again from its beginning, from
# the network's state at that point. So lines come with the probabilities that the model gives them, given that they are possible:
# nothing is patched up afterwards.

# %%
for seed in range(3, 4 if FAST else 30):  # the first text with redrawn lines that is not one long string
    writing = Writing(writer, PROMPT, SamplingConfig(temperature=0.7), length=400, seed=seed)
    text = "".join(piece.text for piece in writing.pieces())
    if writing.redrawn and '"""' not in text:
        break
added = finish(PROMPT, text, writing.more)
print(PROMPT + text + "▮" + added)
print(f"\n{writing.redrawn} lines were drawn again, {writing.replaced} statements ended or replaced")
print("parses:", parses(PROMPT + text + added))

# %% [markdown]
# How much does it help? Compare both with the same seeds, finished the same way, at several lengths:

# %%
LENGTHS, COUNT = ((50, 100) if FAST else (50, 100, 200, 400)), 4 if FAST else 40
shares: dict[str, list[float]] = {"free": [], "constrained": []}
for length in LENGTHS:
    free = generate_many(writer, [PROMPT] * COUNT, length=length + 1000, temperature=0.7, seed=100)
    made = [(each.text[:length], each.text[length:]) for each in free]
    shares["free"].append(np.mean([parses(PROMPT + text + finish(PROMPT, text, more)) for text, more in made]))
    made = []
    for number in range(COUNT):
        writing = Writing(writer, PROMPT, SamplingConfig(temperature=0.7), length=length, seed=100 + number)
        made.append(("".join(piece.text for piece in writing.pieces()), writing.more))
    shares["constrained"].append(np.mean([parses(PROMPT + text + finish(PROMPT, text, more)) for text, more in made]))
    print(f"{length} characters: free {shares['free'][-1]:.0%}, constrained {shares['constrained'][-1]:.0%}")
assert min(shares["constrained"]) > 0.99

figure, axes = plt.subplots(figsize=(6, 3.2))
for name, values in shares.items():
    axes.plot(LENGTHS, values, marker="o", label=name)
axes.set(xlabel="characters", ylabel="share that parses", ylim=(-0.03, 1.06), title="Snippets, temperature 0.7")
axes.legend()
figure.tight_layout()
plt.show()

# %% [markdown]
# A text that parses need not mean anything: a model that has just begun a long string makes no mistake, whatever it writes into it.
# `benchmarks/code.py` therefore also reports how much of the text is code, and how much of it compiles.

# %% [markdown]
# ## Names, as you type
#
# The model knows how people name things, but forgets the names of *this* file after a few hundred characters. A count of the file's
# names remembers them and knows nothing else. Mixed as probabilities of whole words, each contributes what it is good at.

# %%
FILE = """class Shelf:
    def __init__(self, wooden_boards):
        self.wooden_boards = wooden_boards
        self.last_visitor = None

    def visit(self, visitor_name):
        self.last_visitor = visitor_name
        return len(self."""
completer = IdentifierCompleter(writer, FILE)
for key in ("", "w", "o"):
    completer = completer.type(key)
    for way, share in (("mixed", None), ("model alone", 0.0)):
        other = completer if share is None else IdentifierCompleter(writer, FILE + completer.begun, mixture=share)
        found = ", ".join(f"{other.begun}{each.text} {each.probability:.0%}" for each in other.suggest(3))
        print(f"self.{completer.begun:3} {way:12} {found}")

# %% [markdown]
# ## What looks wrong
#
# A mistake surprises a model that has read a lot of correct code. But so does anything new. To tell them apart, each operator is
# compared with others that could replace it, and each name that occurs only once with names of similar spelling. If an alternative,
# *and what follows it*, is much less surprising, that is a hint. Here a file from the held-out part gets one mistake:

# %%
chosen = next(text for text in held_out if "is not None and" in text and "==" in text and 2000 < len(text) < 20_000)
source = chosen[: chosen.index("\n", chosen.index("is not None and") + 800) + 1]
source += finish("", source)
wrong = source.replace("is not None and", "is not None or", 1)
mistake = wrong.count("\n", 0, wrong.index("is not None or")) + 1
before, after = charloom.surprisal(model, source).sum(), charloom.surprisal(model, wrong).sum()
print(f"the mistake is in line {mistake}; surprise before {before:.0f} nats, after {after:.0f}")
for hint in find_hints(writer, wrong, 5):
    line = wrong.split("\n")[hint.line - 1].strip()
    mark = "  <- the mistake" if hint.line == mistake else ""
    print(f"line {hint.line:3}: {hint.text} rather {hint.best}, {hint.gain:4.1f} nats less: {line[:60]}{mark}")

# %% [markdown]
# A hint is not an error: most of these lines are right, only unusual. `benchmarks/code.py` measures, over many files, how often the
# changed place is among the first hints.
#
# The same on the command line:
#
#     charloom train python-library
#     charloom generate RUN --syntax python --prompt "class Reader:" --temperature 0.7 --finish
#     charloom complete RUN "return len(self." --syntax python --text shelf.py
#     charloom score RUN --text shelf.py --hints 10
#
# **Try it.** Write at temperature 1.0 and 1.5. What happens to the share of free snippets that parse, and to the number of lines
# that are redrawn? Do the texts that parse also make sense?
