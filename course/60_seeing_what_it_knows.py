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
# report, and a proof: **a text can be compressed to exactly as many bits as the model claims**.

# %%
import math
import os
import tempfile
from pathlib import Path

TEXT = "python-docs"  # the one line to change: the path of your text file, such as "my.txt"

FAST = os.environ.get("CHARLOOM_COURSE", "full") == "fast"  # tiny networks, only to see that everything runs
FOLDER = Path(tempfile.mkdtemp(prefix="charloom-course-"))
print("a fast run" if FAST else "a full run")

# %% [markdown]
# First we train a model on nine tenths of a text; everything below is measured on the last tenth.

# %%
import charloom
from charloom import CorpusConfig
from charloom.data import open_text

text = str(open_text(TEXT, CorpusConfig()).text)[: 40_000 if FAST else 1_000_000]
file = FOLDER / "text.txt"
file.write_text(text, encoding="utf-8", newline="\n")
run = charloom.train(
    file,
    run=FOLDER / "run",
    steps=20 if FAST else 700,
    network=charloom.NetworkConfig(hidden_size=32 if FAST else 256, embedding_size=64, dropout=0.1),
)
model = charloom.load(run.path)
cut = int(0.9 * len(text))
train_text, held_out = text[:cut], text[cut:]
score = charloom.evaluate(model, held_out)
print(f"{score.bits_per_character:.3f} bits per character, {score.accuracy:.0%} guessed")

# %% [markdown]
# ## The surprise of each character
#
# `charloom score RUN --text F` shows it in colours; here are the numbers behind them. Surprise is measured in bits: at 1 bit the model
# gave the character an even chance; at 10 bits, one in a thousand.

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
from IPython.display import Image, Markdown, display

from charloom.plotting import draw_heat_map

mean_bits = sum(surprise.nats for surprise in surprises) / len(surprises) / math.log(2)
display(
    Image(draw_heat_map(surprises, f"{mean_bits:.2f} bits per character over this passage", columns=60), width=1000)
)

# %% [markdown]
# ## The report
#
# `charloom report RUN` looks from several sides: where the loss comes from, how much the context helps, which mistakes are common,
# whether the probabilities can be trusted, which hidden units follow something, and whether the model copies. Each section
# starts with its finding:

# %%
from charloom import Text
from charloom.report import write_report

report = write_report(
    model, Text.of(held_out), Text.of(train_text), title="The model of this lesson", written=4_000 if FAST else 50_000
)
display(Markdown("\n".join(f"* **{finding}**" for finding in report.findings)))

# %%
for name, data in report.page.files("report").items():
    if str(name) in ("loss-by-class.png", "context.png", "units.png"):
        display(Image(data, width=800))

# %% [markdown]
# ## The proof
#
# Anyone who claims 2 bits per character can be held to it: an entropy coder turns a model's probabilities into a file, and the size
# of the file is the sum of all surprises. **No figure that is due to a bug survives this**: if the model had seen a character before
# predicting it, the decoder, which has not, could not follow.

# %%
from charloom.compress import Codec

piece = held_out[: 2_000 if FAST else 30_000]
codec = Codec(model.arrays())
packed = codec.compress(piece.encode()).data
assert codec.decompress(packed) == piece.encode(), "what comes out is what went in"
claimed = charloom.evaluate(model, piece).nats / math.log(2) / 8
display(
    Markdown(
        f"{len(piece.encode()):,} bytes of text became **{len(packed):,} bytes**; the surprises add up to "
        f"{claimed:,.0f} bytes, the rest is the file's "
        f"header. It was decoded again, to the same text."
    )
)

# %% [markdown]
# In a terminal: `charloom compress runs/my text.txt`, and back with `charloom decompress runs/my text.txt.cl`.
