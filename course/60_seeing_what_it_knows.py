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
# # Seeing what it knows
#
# For each character of a text, a model can say how much it was surprised. This one number leads to a picture of what it knows, a
# report, and a proof: **a text can be compressed to as many bits as the model claims**, up to a header of 93 bytes and a few
# more, which we will account for one by one.
#
# **Time:** 15 minutes to read; about two minutes to run on two cores. **You need:** Python, and chapter 8 of the main lesson (nats,
# bits, held-out text). The environment variable `CHARLOOM_COURSE` is `full` (the default) or `fast` (seconds: it shows that everything
# runs).

# %%
import bz2
import lzma
import math
import os
import tempfile
from pathlib import Path

import numpy as np

TEXT = "python-docs"  # the one line to change: the path of your text file, such as "my.txt"

FAST = os.environ.get("CHARLOOM_COURSE", "full") == "fast"  # tiny networks, only to see that everything runs
FOLDER = Path(tempfile.mkdtemp(prefix="charloom-course-"))
print("a fast run" if FAST else "a full run")

# %% [markdown]
# First we train a model on nine tenths of a text; everything below is measured on the last tenth. The validation loss in the line of
# progress is an estimate in nats, from pieces spread over the last tenth, each read from an empty state. The figure below that line is
# in bits, with the whole tenth read in order.

# %%
import charloom
from charloom import CorpusConfig
from charloom.data import open_text

text = str(open_text(TEXT, CorpusConfig()).text)[: 40_000 if FAST else 1_000_000]
file = FOLDER / "text.txt"
file.write_text(text, encoding="utf-8", newline="\n")
small = {"steps": 20, "network": charloom.NetworkConfig(hidden_size=32, embedding_size=64)}
run = charloom.train(file, run=FOLDER / "run", **(small if FAST else {"time_budget": "60s", "origin": None}))
model = charloom.load(run.path)
cut = int(0.9 * len(text))
train_text, held_out = text[:cut], text[cut:]
score = charloom.evaluate(model, held_out)
print(f"{score.bits_per_character:.3f} bits per character, {score.accuracy:.0%} guessed")

# %% [markdown]
# ## The surprise of each character
#
# `charloom score RUN --text F` shows it in colours; here are the numbers behind them. Surprise is measured in bits: at 1 bit the model
# gave the character an even chance; at 10 bits, one in a thousand. Rank 1: no other character was more probable.

# %%
from charloom.evaluation import Surprises

start = len(held_out) // 3
surprises = list(Surprises(model, held_out[: start + 240]))[start:]
print("character  bits   rank  expected")
for surprise in surprises[:16]:
    expected = ", ".join(f"{character!r} {chance:.2f}" for character, chance in surprise.top[:3])
    print(f"{surprise.character!r:<9} {surprise.nats / math.log(2):>5.2f} {surprise.rank:>6}  {expected}")

# %% [markdown]
# The same as a picture. Above: the text, darker where it is more surprising. Below: the three most expected characters.

# %%
from IPython.display import Markdown, display

from charloom.plotting import draw_heat_map, show

mean_bits = sum(surprise.nats for surprise in surprises) / len(surprises) / math.log(2)
title = f"{mean_bits:.2f} bits per character over this passage"
show(
    f"A passage of the held-out text, darker where it is more surprising, with what was expected below it. {title}.",
    draw_heat_map(surprises, title, columns=60),
    width=1000,
)

# %% [markdown]
# ## The report
#
# `charloom report RUN` looks from several sides: where the loss comes from, how much the context helps, which mistakes are common,
# whether the probabilities can be trusted, which hidden units follow something, and whether the model copies. (The *expected calibration
# error* is the mean distance between how sure the model was and how often it was right, over groups of characters of which it was
# about equally sure.) Each section starts with its finding:

# %%
from charloom import Text
from charloom.report import write_report

report = write_report(
    model, Text.of(held_out), Text.of(train_text), title="The model of this lesson", written=4_000 if FAST else 50_000
)
display(Markdown("\n".join(f"* **{finding}**" for finding in report.findings)))

# %% [markdown]
# Three of its pictures: the loss by class of character; the loss by length of context; and what some hidden units follow.
#
# The second answers one of two questions that chapter 8 of the main lesson tells apart: what is the loss of *a character that has* about
# *n* characters before it? The other one, the mean loss *in windows of n*, is higher, because the first characters of
# each window have hardly any before them. So "n characters are enough" here and "windows of n cost more" there are both true.

# %%
SHOWN = {
    "loss-by-class.png": "Bars: the loss of each class of character, and its share of the whole loss.",
    "context.png": "The loss of a character by the number of characters before it.",
    "units.png": "Passages of text, each character coloured by the value of a hidden unit.",
}
for name, data in report.page.files("report").items():
    if str(name) in SHOWN:
        show(SHOWN[str(name)], data, width=800)

# %% [markdown]
# ## The proof
#
# Anyone who claims 2 bits per character can be held to it: an entropy coder turns a model's probabilities into a file, and the size
# of the file is the sum of all surprises. **No figure that comes from looking ahead survives this**: if the model had seen a character
# before predicting it, the decoder, which has not, could not follow.
#
# We compress three pieces of the held-out text, and decode them.

# %%
from charloom.compress import Codec

SIZE = 2_000 if FAST else 10_000
pieces = [held_out[start * (len(held_out) - SIZE) // 2 :][:SIZE] for start in range(3)]
codec = Codec(model.arrays())
packed = [codec.compress(piece.encode()) for piece in pieces]
for piece, each in zip(pieces, packed, strict=True):
    assert codec.decompress(each.data) == piece.encode(), "what comes out is what went in"
claims = [charloom.evaluate(model, piece).nats / math.log(2) / 8 for piece in pieces]
for piece, each, claim in zip(pieces, packed, claims, strict=True):
    print(
        f"{len(piece.encode()):,} bytes of text: the surprises add up to {claim:,.1f} bytes; the file has {len(each.data):,}"
    )

# %% [markdown]
# ### Where each byte goes
# The file is a little larger than the sum of the surprises. Predict first: by a factor, or by a constant? What could the rest be?

# %%
from charloom.compress import ESCAPE, OVERHEAD

HEADER = {
    "the format, and whether the model kept learning": 5,
    "which model is needed to decode it": 16,
    "how this machine rounds (8), and which machine it was (24)": 32,
    "a digest of the original, to check what comes out": 16,
    "its size in bytes, and in characters": 16,
    "a checksum of the file": 8,
}
assert sum(HEADER.values()) == OVERHEAD


def account(piece, each, claim):
    """What the file's bytes are for, in the order of the table below; together they are the file."""
    reserved = -len(piece) * math.log2(1 - ESCAPE) / 8
    promised = each.nats / math.log(2) / 8
    return claim, reserved, promised - claim - reserved, each.coded_bytes - promised, OVERHEAD


ROWS = (
    "the surprises, computed by PyTorch",
    "a small share kept for characters that the model does not know",
    "computed symbol by symbol: rounded differently, and at most 24 bits each",
    "the coder: it ends on a whole 32-bit word, and rounds probabilities",
    "header and checksum",
)
table = np.array([account(*one) for one in zip(pieces, packed, claims, strict=True)])
for row, values in zip(ROWS, table.T, strict=True):
    print(f"{row:<72}", *(f"{value:>11,.3f}" for value in values))
totals = [len(each.data) for each in packed]
print(f"{'the file':<72}", *(f"{total:>11,.3f}" for total in totals))
assert np.allclose(table.sum(axis=1), totals)
print("\nheader and checksum:")
for use, size in HEADER.items():
    print(f"{size:>4}  {use}")

# %%
without = table[:, 1:4].sum(axis=1)
display(
    Markdown(
        f"**The code itself exceeds the claim by {without.min():.1f} to {without.max():.1f} bytes, {without.sum() / table[:, 0].sum():.2%} of it.** "
        f"The rest of the difference is the {OVERHEAD} bytes of header and checksum, whatever the length of the text. "
        "So the claim of bits per character is the size of a file that exists."
    )
)

# %% [markdown]
# If a text contains a character that the model does not know, that character is sent as it is: an *escape* of 16 bits, and about 20
# bits for its number in Unicode. The code ends on a whole 32-bit word, so the file grows by a multiple of 4 bytes: here by 4 or 8. And a
# file in which one bit is wrong is refused:

# %%
from charloom.errors import CharloomError

turtle = codec.compress((pieces[0] + "🐢").encode())
print(f"one turtle more: {len(turtle.data) - len(packed[0].data)} bytes more, {turtle.escapes} escape")
damaged = bytearray(packed[0].data)
damaged[len(damaged) // 2] ^= 1
try:
    codec.decompress(bytes(damaged))
except CharloomError as error:
    print(f"one bit wrong: {error}")
else:
    raise AssertionError("a damaged file was decoded")

# %% [markdown]
# ### Compared with two compressors that come with Python
# (Lesson 20 also has PPMd and zpaq, which predict each symbol as a model does, and do better than these two.)
# General compressors know no text in advance. So we give them the training text first and count only what the piece adds to the
# file: then both sides have seen the same. Their headers cancel in that difference, so ours is left out too. Ours still has an advantage
# that this comparison hides: the model itself has to be kept somewhere.


# %%
from charloom.evaluation import paired


def added(compress, piece):
    """Bytes that a piece adds to the compressed training text, of which bz2 can remember 900,000 bytes at most."""
    before = train_text.encode()[-800_000:]
    return len(compress(before + piece.encode())) - len(compress(before))


COMPRESSORS = {
    "bz2": lambda data: bz2.compress(data, 9),
    "xz": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
}
code = [len(each.data) - OVERHEAD for each in packed]
bits = {"this model": np.array([8 * size / len(piece) for piece, size in zip(pieces, code, strict=True)])}
for name, compress in COMPRESSORS.items():
    bits[name] = np.array([8 * added(compress, piece) / len(piece) for piece in pieces])
for name, values in bits.items():
    print(f"{name:<12} {values.mean():.3f} ± {values.std(ddof=1):.3f} bits per character, without header")

best = min(COMPRESSORS, key=lambda name: bits[name].mean())
said = paired(bits["this model"], bits[best]).sentence(
    f"the model loses against {best}", f"the model beats {best}", f"the model and {best}", "bits per character"
)
display(
    Markdown(
        f"{best} is the better of the two compressors. On these pieces, **{said}**. The margin is Student's t for 95 %, times the standard error. "
        f"The model has {model.network.parameter_count():,} weights, four bytes each."
    )
)

# %% [markdown]
# In a terminal: `charloom compress runs/my text.txt`, and back with `charloom decompress runs/my text.txt.cl`.
#
# **Predict, then try:** compress a text in another language, or random characters. How many bits does a character take then, and is the
# model's claim still right?
#
# <details><summary>What to expect</summary>
#
# Many more bits than 8 if the text has characters that the model does not know or never expects; but the file still has as many bits
# as the surprises and escapes add up to, and the bytes accounted for above. A claim may be bad news and still be true.
#
# </details>
