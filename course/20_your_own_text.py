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
# **A text, a time budget, a model that writes like it.** This lesson is one screen: put the path of your text into the next
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
# learning by heart**, by a recipe based on experiments. A few minutes are enough for a megabyte; an hour is better.

# %%
import charloom

file = FOLDER / "text.txt"
file.write_text(text, encoding="utf-8", newline="\n")
run = charloom.train(file, run=FOLDER / "run", time_budget="4s" if FAST else "75s")
plan, network = run.config().plan, run.config().network
print(f"{network.layers} layer of {network.hidden_size} units, {plan.parameters:,} parameters, {plan.steps:,} steps")
print("why:", plan.recipe.reason)

# %%
from IPython.display import Image, Markdown, display

from charloom.plotting import plot_loss

plot_loss([run], FOLDER / "loss.png")
display(Image(FOLDER / "loss.png", width=640))

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
# Measured on the last tenth of the text, which it did not train on. A figure alone says little, so we put two baselines next to
# it: a model that counts sequences of five characters, and the compressor xz, both primed with the training text.

# %%
from charloom.evaluation import NGram, compressors

cut = int(0.9 * len(text))
train_text, held_out = text[:cut], text[cut:]
score = charloom.evaluate(model, held_out)
ids, held_out_ids = model.encode(train_text), model.encode(held_out)
five_gram = NGram(ids, 5, len(set(text))).nats(held_out_ids) / len(held_out) / math.log(2)
xz = next(
    one.bits_per_character
    for one in compressors(train_text.encode(), held_out.encode(), len(held_out))
    if one.name == "xz"
)
figures = {"this model": score.bits_per_character, "5-gram": five_gram, "xz": xz}
best = min(figures, key=figures.get)
display(
    Markdown(
        "\n".join(
            [
                f"**Of these, {best} is best: {figures[best]:.3f} bits per character.** The model's perplexity per "
                f"character is {score.perplexity:.2f}, and it "
                f"guesses {score.accuracy:.0%} of the characters.",
                "",
                "| predicts | bits per character |",
                "|---|---|",
                *(f"| {name} | {bits:.3f} |" for name, bits in sorted(figures.items(), key=lambda item: item[1])),
            ]
        )
    )
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
# **Next:** try a longer budget (`time_budget="15m"`), more text, or start from this model with another text (`origin=run.path`,
# `--from`). `charloom train --resume --run RUN` continues a run that was stopped.
