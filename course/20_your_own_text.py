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
# # Your own text
#
# **A text, a time budget, a model that writes like it.** Put the path of your text into the next
# cell, and run everything. By default it uses the source code of Python's standard library, which comes with every Python.
#
# The same in a terminal: `charloom train my.txt --time-budget 4m`, then `charloom generate runs/my`.

# %%
import math
import os
import tempfile
from pathlib import Path

TEXT = "python-source"  # the one line to change: the path of your text file, such as "my.txt"

FAST = os.environ.get("CHARLOOM_COURSE", "full") == "fast"  # tiny networks, only to see that everything runs
FOLDER = Path(tempfile.mkdtemp(prefix="charloom-course-"))
print("a fast run" if FAST else "a full run")

# %% [markdown]
# ## Look at the text first
#
# *About fifteen minutes, nine of them computing. You need Python; the words used here are explained in lesson 10.*
#
# Whatever you do not notice is learned all the same: licence headers, a wrong encoding, one line of ten thousand characters.

# %%
from charloom import CorpusConfig
from charloom.data import open_text

corpus = open_text(TEXT, CorpusConfig())
text = str(corpus.text)[: 40_000 if FAST else 1_000_000]
lines = text.splitlines()
print(text[:400])
print("...")
print(
    f"{len(text):,} characters, {len(set(text))} different ones, {len(lines):,} lines, the longest has "
    f"{max(map(len, lines)):,}"
)
for note in corpus.notes:
    print(note)

# %% [markdown]
# ## Train within a time budget
#
# You say how long; **charloom measures your machine and chooses the size of the network and how strongly it is kept from
# learning by heart**, by a recipe based on experiments. Little more than a minute is spent here, so that the lesson is short; give
# your own text more. A small text in English does not start from nothing, but from `english`, a model that comes with charloom; the
# last section shows what that is worth. If the machine is slower than measured, training stops when the time is up. The line that
# begins with `why:` says where this run starts, and why.

# %%
import charloom

file = FOLDER / "text.txt"
file.write_text(text, encoding="utf-8", newline="\n")
run = charloom.train(file, run=FOLDER / "run", time_budget="5s" if FAST else "75s")
plan, network = run.config().plan, run.config().network
print(
    f"{network.layers} layer{'s' * (network.layers > 1)} of {network.hidden_size} units, {plan.parameters:,} parameters"
)
print(f"{run.step():,} steps of {plan.steps:,} planned")
print("why:", plan.recipe.reason)

# %%
from IPython.display import Markdown, display

from charloom.plotting import plot_loss, show

plot_loss([run], FOLDER / "loss.png")
show("The training loss and the validation loss by the characters read.", FOLDER / "loss.png", width=640)

# %% [markdown]
# ## Let it write
#
# Lower temperatures are safe and repetitive; higher ones are lively and make words up.

# %%
model = charloom.load(run.path)
prompt = text[:10_000].splitlines()[-1][:12]  # a beginning that occurs in the text
for temperature in (0.4, 0.8):
    print(f"--- temperature {temperature}")
    print(
        prompt + "".join(charloom.generate(model, prompt, length=80 if FAST else 400, temperature=temperature, seed=1))
    )

# %% [markdown]
# ## How good is it?
#
# Measured on the last tenth of the text, which it did not train on. A figure alone says little, so we put everything next to it that
# can predict or compress a text on this machine: models that count sequences of characters (n-grams), the compressors that come with
# Python (xz, bz2, zlib), and PPMd and zpaq if they are installed. All are primed with the training text.
#
# Like must be compared with like. N-grams are fixed before the held-out text begins, as this model is. Compressors are not: PPMd and
# zpaq keep learning from the held-out text while they code it, xz and zlib copy from what they have already read of it, and bz2 sorts it
# together with the training text, in one block. So the model is also scored while it keeps learning (*dynamic evaluation*: it predicts
# 64 characters, then learns from them), and compressors are compared with that figure.
#
# *The figure: bits per character of each, the lowest at the top.*

# %%
import matplotlib.pyplot as plt

from charloom import Text
from charloom.evaluation import compare, evaluate_dynamic
from charloom.plotting import COLOURS

cut = int(0.9 * len(text))
train_text, held_out = text[:cut], text[cut:]
FIXED, LEARNING = "this model", "this model, learning while it reads"
score = charloom.evaluate(model, held_out)
others = compare(model, Text.of(train_text), Text.of(held_out))
ours = {
    FIXED: score.bits_per_character,
    LEARNING: evaluate_dynamic(model, held_out).bits_per_character,
}
figures = {other.name: other.bits_per_character for other in others} | ours
ranking = sorted(figures, key=figures.get)

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 80})
figure, axes = plt.subplots(figsize=(9, 0.42 * len(ranking) + 1))
colours = [COLOURS[1] if name in ours else COLOURS[0] for name in ranking]
bars = axes.barh(ranking, [figures[name] for name in ranking], color=colours)
axes.bar_label(bars, [f"{figures[name]:.3f}" for name in ranking], padding=3)
axes.invert_yaxis()
axes.set_xlabel("bits per character of the held-out text (lower is better)")
axes.set_title(f"{ranking[0]} is best of {len(ranking)}: {figures[ranking[0]]:.2f} bits per character", loc="left")
figure.tight_layout()
show("Bars: bits per character of the held-out text for this model, n-grams and compressors, the lowest at the top.")
for other in others:
    print(f"{other.name:<14} {other.bits_per_character:.3f}   knows {other.knew}")

# %% [markdown]
# What does that mean? This model is **one training with one seed**, so a difference of less than 0.05 bits is called a tie. And
# compressors have an advantage of their own: where a passage was seen before, in the training text or earlier in the held-out text,
# they know how it continues. So we look at how much is repeated, and at what the model and the best n-gram need for the rest.

# %%
import numpy as np

from charloom.evaluation import NGram

TIE, PIECE = 0.05, 20
counting = [name for name in ranking if name == "uniform" or name.endswith("-gram")]
rivals = {FIXED: counting, LEARNING: [name for name in ranking if name not in (*ours, *counting)]}
beats = {mine: [name for name in others if figures[name] > figures[mine] + TIE] for mine, others in rivals.items()}
loses = {mine: [name for name in others if figures[name] < figures[mine] - TIE] for mine, others in rivals.items()}
ties = {mine: [name for name in others if name not in beats[mine] + loses[mine]] for mine, others in rivals.items()}


def verdict(mine):
    """What the model beats, ties with and loses to, of those that it can be compared with."""
    won, tied, lost = (", ".join(each[mine]) or "none" for each in (beats, ties, loses))
    return f"beats {len(beats[mine])} of {len(rivals[mine])} ({won}), ties with {tied} and loses to {lost}"


best_gram = next(name for name in ranking if name.endswith("-gram"))
order = int(best_gram.removesuffix("-gram"))
ids, held_out_ids = model.encode(train_text), model.encode(held_out)
counted = -np.log2(NGram(ids, order, model.network.outputs).probabilities(held_out_ids))
read = np.asarray(charloom.surprisal(model, held_out)) / math.log(2)
repeated, from_training = np.zeros(len(held_out), bool), np.zeros(len(held_out), bool)
for place in range(0, len(held_out) - PIECE + 1, PIECE):
    before = text.find(held_out[place : place + PIECE], 0, cut + place)  # where it stood first, or -1
    repeated[place : place + PIECE] = before >= 0
    from_training[place : place + PIECE] = 0 <= before < cut

# %%
sentences = [
    f"After {run.seconds():.0f} s of training, the model's perplexity per character is {score.perplexity:.2f}, and "
    f"its first guess is right for {score.accuracy:.0%} of the characters.",
    f"**As it is ({figures[FIXED]:.2f} bits), compared with what is fixed too,** it {verdict(FIXED)}. "
    f"**Learning while it reads ({figures[LEARNING]:.2f} bits), compared with the compressors,** it "
    f"{verdict(LEARNING)}.",
    f"Of the held-out text, in pieces of {PIECE} characters, {repeated.mean():.0%} stood word for word somewhere before, "
    f"{from_training.mean():.0%} in the training text and the rest in the held-out text itself.",
]
for needs, part in (("There, the model as it is needs", repeated), ("Elsewhere, the model needs", ~repeated)):
    if part.any():
        sentences.append(f"{needs} {read[part].mean():.2f} bits, the {order}-gram {counted[part].mean():.2f}.")
change = figures[LEARNING] - figures[FIXED]
sentences.append(f"Learning while it reads changes the model's figure by {change:+.2f} bits.")
if ranking[0] not in ours:
    sentences.append(
        f"To pack this text, take {ranking[0]}; what a packing program cannot do is write or complete a text."
    )
if best_gram in loses[FIXED]:
    sentences.append(
        "Even counting predicts this text better than so short a training; whether a longer one wins, try."
    )
display(Markdown(" ".join(sentences)))

# %% [markdown]
# **Exercise.** All compressors above were primed with the training text. *Predict first:* how many bits per character do the three that
# come with Python (xz, bz2, zlib) need for the held-out text alone, as you would pack a single file?
#
# <details><summary>Solution</summary>
#
# Each needs more, as the cell shows: without the training text a compressor first has to learn from the very text that it packs. The
# comparison is unfair to the compressors, since the model has read nine tenths of the text; even so, some may stay ahead of a model
# trained this briefly.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
from charloom.evaluation import compressors

for alone in compressors(b"", held_out.encode(), len(held_out)):
    print(f"{alone.name:<5} {figures[alone.name]:.3f} bits primed, {alone.bits_per_character:.3f} alone")
print(
    f"the model, which has read the training text, {figures[FIXED]:.3f}, and {figures[LEARNING]:.3f} if it learns from "
    "the held-out text, as a compressor does"
)

# %% [markdown]
# ## Texts of one line each
#
# Names, titles, messages: with `documents="lines"` (`--documents lines`) each line is a separate text, and **the model learns
# where one ends**. Here it learns the names of functions.

# %%
import re

names = sorted(set(re.findall(r"def ([a-z_]{3,30})\(", text))) or sorted(set(re.findall(r"[A-Za-z]{3,30}", text)))
names_file = FOLDER / "names.txt"
names_file.write_text("\n".join(names) + "\n", encoding="utf-8")
names_run = charloom.train(
    names_file,
    run=FOLDER / "names",
    corpus=CorpusConfig(documents="lines"),
    network=charloom.NetworkConfig(hidden_size=32 if FAST else 128, embedding_size=32, dropout=0.3),
    steps=20 if FAST else 800,
)
made = charloom.generate_many(charloom.load(names_run.path), [""] * 60, length=40, temperature=0.8, seed=1)
new = sorted({one.text for one in made} - set(names))
display(
    Markdown(
        f"From {len(names):,} names it learned to write others. **{len(new)} of 60 are new**: "
        f"{', '.join(f'`{name}`' for name in new[:24])}"
    )
)

# %% [markdown]
# ## A small text in English
#
# A text of a few pages is too little to learn English from. So charloom reads some of it with `english`, a model that comes with the
# package, and if the text looks like English, training **starts from that model**: only what is special about your text is still to be
# learned. `origin=None` (`--from none`) starts from nothing instead. Is it worth it? Five passages of 20,000 characters from Python's
# manual, each with the 5,000 after it held out, and 30 seconds for each training, so five minutes for all ten. A text that does not look
# enough like English starts from nothing by itself, so here `origin="english"` is given. **Predict first:** how many bits per character
# apart will the two be?

# %%
from charloom.data import dataset
from charloom.evaluation import paired

manual = "".join(data.decode() for _, data in dataset("python-docs").read())
PASSAGE = 5_000 if FAST else 20_000
bits = {"english as it is": [], "from english": [], "from nothing": []}
for number in range(2 if FAST else 5):
    passage = manual[number * 60_000 :][:PASSAGE]
    known = set(passage) & set(charloom.load("english").vocabulary.characters)  # all three can read these
    unseen = "".join(c for c in manual[number * 60_000 + PASSAGE :][: PASSAGE // 4] if c in known)
    trained = {"english as it is": charloom.load("english")}
    for name, origin in (("from english", "english"), ("from nothing", None)):
        length = {"steps": 2} if FAST else {"time_budget": "30s"}
        made_of = charloom.train(passage, run=FOLDER / f"{name}-{number}", origin=origin, **length)
        trained[name] = charloom.load(made_of.path)
    for name, each in trained.items():
        bits[name].append(charloom.evaluate(each, unseen).bits_per_character)

# %%
for name, values in bits.items():
    print(f"{name:<17}", *(f"{value:.2f}" for value in values), "bits per character, a figure for each passage")
said = paired(bits["from english"], bits["from nothing"]).sentence(
    "**starting from english is worse**", "**starting from english is better**", "they", "bits per character", 2
)
display(
    Markdown(
        f"Starting from nothing and from english: {said}. A pair is a passage; a difference counts if it is larger than its "
        "margin, which is Student's t for 95 % times the standard error."
    )
)

# %% [markdown]
# **Next:** try a longer budget (`time_budget="15m"`), more text, or start from this lesson's model with another text (`origin=run.path`,
# `--from`). `charloom train --resume --run RUN` continues a run that was stopped.
