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
# # Character-level recurrent networks, from the first tensor to a good model
#
# A network reads a text one character at a time and guesses, after each, what comes next. That is all. From this one habit it
# learns spelling, grammar, layout, and when to close a bracket; and then it can write, complete, correct, classify and compress.
#
# This notebook answers **thirty-one questions** about such networks with code that runs. Every answer has two depths:
#
# * **By hand**: plain PyTorch, a few lines that you can make your own. Those of questions 12 to 24 together are a complete program.
# * **With charloom**: the same in one call, and a cell marked ✔ that **checks that both agree**.
#
# You need Python and a little PyTorch, an afternoon, and a laptop. If you only want the story, read the headings, the pictures and
# the **bold** sentences. Every figure in the text below was computed by the run that you see, never typed in.
#
# *How it runs.* Nothing is downloaded: the text is the manual that comes with every Python. To use another text, change one line in
# the cell below. The environment variable `CHARLOOM_COURSE` is `full` (the default, about ten minutes on two cores) or `fast`
# (tiny networks, about a minute: it shows that everything runs, not how good it gets).

# %% [markdown]
# The first cell installs what is missing, for places such as Colab. If charloom is installed, it does nothing.

# %%
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("charloom") is None:
    clone = Path("..").resolve()  # a clone has the package's source next to this folder
    package = str(clone) if (clone / "src" / "charloom").is_dir() else "charloom[course]"
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", package], check=True)
print("charloom is here")

# %% tags=["by-hand"]
import os
import tempfile

TEXT = "python-docs"  # the one line to change: the path of your text file, such as "my.txt"

FAST = os.environ.get("CHARLOOM_COURSE", "full") == "fast"
FOLDER = Path(tempfile.mkdtemp(prefix="charloom-course-"))  # where this notebook keeps its files


def choose(full, fast):
    """The first value in a full run, the second in a fast one."""
    return fast if FAST else full


print("a fast run: the figures below show that everything works, not how good it gets" if FAST else "a full run")

# %%
import textwrap

import matplotlib.pyplot as plt
from IPython.display import Markdown, display

from charloom.plotting import (  # colours that colour-blind people can tell apart, each with its own shape
    COLOURS,
    MARKERS,
)

plt.rcParams.update(
    {
        "axes.prop_cycle": plt.cycler(color=COLOURS),
        "axes.axisbelow": True,
        "axes.grid": True,
        "grid.alpha": 0.25,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "figure.figsize": (8, 4),
        "figure.dpi": 80,
    }
)


def say(text):
    """Show a sentence with figures computed by the run."""
    display(Markdown(text))


def headline(text, width=95):
    """A title that states the result, wrapped to as many lines as it needs."""
    return textwrap.fill(text, width)


def show_text(text):
    """Show what a model wrote, unchanged."""
    print(textwrap.indent(text, "    | ", lambda line: True))


def agree(what, by_hand, charloom, tolerance):
    """Check that two figures are the same up to `tolerance`, and say so."""
    difference = abs(by_hand - charloom)
    assert difference <= tolerance, f"{what}: {by_hand} by hand, {charloom} with charloom"
    print(f"✔ {what}: {by_hand:.5f} by hand, {charloom:.5f} with charloom, difference {difference:.1e}")


def same(what, by_hand, charloom):
    """Check that two things are equal, and say so."""
    assert by_hand == charloom, f"{what}: {by_hand!r} by hand, {charloom!r} with charloom"
    print(f"✔ {what}: the same by hand and with charloom")


print("ready")

# %% [markdown]
# ## 1. Understanding character-level RNNs
#
# This chapter shows the basic ideas, with models that charloom trains in one call. From chapter 2 on we build everything
# ourselves.
#
# ### Why characters?
#
# A model of words needs a list of all words, and meets new words every day. A model of characters needs a list of about a hundred
# characters and can read and write any word. **The price: a sentence becomes five times as many steps, and the model has to learn
# spelling first.**

# %%
import re

import charloom
from charloom import CorpusConfig
from charloom.data import open_text

corpus = open_text(TEXT, CorpusConfig())
whole = str(corpus.text)[: choose(2_000_000, 40_000)]
path = FOLDER / "text.txt"
path.write_text(whole, encoding="utf-8", newline="\n")

cut = int(0.9 * len(whole))
known_words = set(re.findall(r"\w+", whole[:cut]))
later_words = re.findall(r"\w+", whole[cut:])
new_words = sum(word not in known_words for word in later_words) / len(later_words)
new_characters = sum(c not in set(whole[:cut]) for c in set(whole[cut:])) / len(set(whole[cut:]))
say(
    f"The first nine tenths of this text have **{len(known_words):,} different words** and only "
    f"**{len(set(whole[:cut]))} different "
    f"characters**. Of the words in the last tenth, **{new_words:.1%} were never seen before**; of its characters "
    f"{new_characters:.1%}. "
    f"A word has {len(whole) / len(re.findall(r'[a-zA-Z]+', whole)):.1f} characters on average, the space after it "
    "included."
)

# %% [markdown]
# ### What the network computes
#
# At step *t* the network reads a character c_t. Three formulas turn it into a guess about the next one:
#
# $$e_t = \mathrm{Embedding}(c_t) \qquad h_t = f(W_{hh}\,h_{t-1} + W_{xh}\,e_t + b_h) \qquad o_t = \mathrm{softmax}(W_{ho}\,h_t + b_o)$$
#
# * **e_t, the embedding**: a row of a table, a few numbers that represent the character.
# * **h_t, the hidden state**: everything the network remembers. It is computed from the previous state and the new character. f is
#   tanh (every number stays between -1 and 1) or ReLU (negative numbers become 0).
# * **o_t**: a probability for each character that could come next.
#
# Here they are in plain tensors, compared with PyTorch's own `nn.RNN`, which computes the same thing:

# %%
import torch
from torch import nn

torch.manual_seed(0)
word = "hello"
letters = sorted(set(word))
embedding = nn.Embedding(len(letters), 3)
W_ho, b_o = torch.randn(len(letters), 4), torch.randn(len(letters))

for name, f in (("tanh", torch.tanh), ("relu", torch.relu)):
    rnn = nn.RNN(3, 4, nonlinearity=name)
    W_xh, W_hh, b_h = rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0 + rnn.bias_hh_l0
    h = torch.zeros(4)  # no memory yet
    for character in word:
        e = embedding(torch.tensor(letters.index(character)))
        h = f(W_hh @ h + W_xh @ e + b_h)
    _, last = rnn(embedding(torch.tensor([letters.index(character) for character in word]))[:, None])
    print(
        f"{name}: our h after {word!r} is {h.detach().numpy().round(3)}, nn.RNN's "
        f"{last.detach().numpy().ravel().round(3)}"
    )
    assert torch.allclose(h, last.flatten(), atol=1e-6)

o = torch.softmax(W_ho @ h + b_o, dim=0)
print("o, with weights that have learned nothing:", {letter: round(p, 2) for letter, p in zip(letters, o.tolist())})

# %% [markdown]
# ### A first model, in one call
#
# Training means changing all those numbers, a little at a time, until the right next character gets a high probability. For now we
# let charloom do it and look at the result; chapters 3 to 6 show how it is done.

# %%
import time

from charloom import NetworkConfig, TrainingConfig

HIDDEN, EMBEDDING, EPOCHS = choose(256, 48), choose(64, 16), choose(6, 3)

began = time.perf_counter()
run = charloom.train(
    path,
    run=FOLDER / "first",
    epochs=EPOCHS,
    network=NetworkConfig(hidden_size=HIDDEN, embedding_size=EMBEDDING, dropout=0.1),
    training=TrainingConfig(batch_size=16, sequence_length=choose(64, 32)),
)
first_seconds = time.perf_counter() - began
first = charloom.load(run.path)
first_score = charloom.evaluate(first, whole[cut:])
say(
    f"In {first_seconds:.0f} seconds a network with {first.network.parameter_count():,} numbers read the training "
    f"part {EPOCHS} times. "
    f"On the last tenth, which it never saw, **its first guess is right for {first_score.accuracy:.0%} of the "
    "characters**."
)

# %% [markdown]
# **Prediction** means computing the distribution after a given beginning:

# %%
beginning = whole[cut : cut + 400]
beginning = beginning[: beginning.rfind(" ", 0, 390) + 3]  # stop inside a word
ids = torch.tensor([first.vocabulary.boundary, *first.vocabulary.encode(beginning).tolist()])
with torch.no_grad():
    logits, _ = first.network(ids[:, None])  # (time, 1 text, characters)
probabilities = torch.softmax(logits[-1, 0], dim=0)
best = probabilities.topk(10)

figure, axes = plt.subplots(figsize=(8, 3))
axes.bar([repr(first.vocabulary.symbol(int(i))) for i in best.indices], best.values)
axes.set_ylabel("probability")
axes.set_title(
    headline(f"After {beginning[-30:]!r} the model expects {first.vocabulary.symbol(int(best.indices[0]))!r} most")
)
plt.show()

# %% [markdown]
# **Generation** is prediction in a loop: draw a character from the distribution, feed it back in, and so on. When does it
# stop? There are two conditions:
#
# 1. **A length**: stop after n characters.
# 2. **An end-of-sequence token**: an extra symbol that marks the end of a text. A model that was trained on many short texts
#    can *predict* it, and so decides by itself when it has finished.
#
# The model above saw one long text, so it stops by length. A second one is trained on the words of our text, each as a separate
# text, so it learns where words end:

# %%
show_text("".join(charloom.generate(first, "The ", length=choose(400, 100), temperature=0.7, seed=1)))

words = sorted({word.lower() for word in re.findall(r"[A-Za-z]{3,12}", whole)})
words_path = FOLDER / "words.txt"
words_path.write_text("\n".join(words) + "\n", encoding="utf-8")
word_run = charloom.train(
    words_path,
    run=FOLDER / "words",
    steps=choose(1000, 30),
    corpus=CorpusConfig(documents="lines"),
    network=NetworkConfig(hidden_size=choose(128, 32), embedding_size=16, dropout=0.2),
    training=TrainingConfig(batch_size=choose(32, 8)),
)
word_model = charloom.load(word_run.path)
samples = charloom.generate_many(word_model, [""] * 24, length=40, temperature=0.8, seed=1)
invented = [sample.text for sample in samples if sample.text not in words]
say(
    f"Of {len(samples)} words that the second model wrote, {sum(sample.stop_reason == 'end' for sample in samples)} "
    "ended because it "
    f"drew the end symbol. **{len(invented)} of them are not in the text: it made them up**, for example "
    f"{', '.join(invented[:12])}."
)

# %% [markdown]
# ### Long-range dependencies, and gradients that vanish
#
# To learn that a bracket opened 50 characters ago must be closed, the error at the closing bracket has to reach back 50 steps.
# On its way it is multiplied by the same matrix, and by the slope of tanh, at each step. Where these are smaller than 1, the
# gradient shrinks exponentially; where they are larger, it explodes. Bengio et al. described this in 1994; Hochreiter and
# Schmidhuber's **LSTM** (1997) and Cho et al.'s **GRU** (2014) solve this with a memory that is *added to* rather than
# multiplied, and with gates that decide what to keep.
#
# We can measure it. Take a window of text, the loss at its last character, and the gradient of that loss with respect to the
# embedding of each character before: its norm says how much a character *d* steps back can still teach.

# %%
from charloom import CharRNN, Streams, Trainer

vocabulary = first.vocabulary
train_ids = vocabulary.encode(whole[:cut]).astype("int64")
held_out_ids = torch.from_numpy(vocabulary.encode(whole[cut:]).astype("int64"))


def gradient_by_distance(network, length):
    """Mean norm of the gradient of the last prediction's loss, for inputs 0, 1, ..., length - 1 characters before it."""
    starts = torch.linspace(0, len(held_out_ids) - length - 1, 64).long()
    windows = held_out_ids[starts + torch.arange(length + 1)[:, None]]  # (length + 1, 64)
    embedded = network.embedding(windows[:-1]).detach().requires_grad_()  # (length, 64, E)
    hidden, _ = network.layers[0](embedded)
    loss = nn.functional.cross_entropy(network.output(hidden[-1]), windows[-1], reduction="sum")
    loss.backward()
    return embedded.grad.norm(dim=2).mean(dim=1).flip(0)


DISTANCE = choose(150, 60)
cells = {"rnn-tanh": "RNN with tanh", "rnn-relu": "RNN with ReLU", "gru": "GRU", "lstm": "LSTM"}
before, after = {}, {}
for cell in cells:
    torch.manual_seed(1)
    config = NetworkConfig(
        cell=cell, hidden_size=choose(128, 32), embedding_size=32, dropout=0, initialization="uniform"
    )
    network = CharRNN(config, inputs=len(vocabulary), outputs=vocabulary.boundary)
    before[cell] = gradient_by_distance(network, DISTANCE)
    batches = Streams(train_ids, boundary=vocabulary.boundary, batch_size=32, sequence_length=64)
    settings = TrainingConfig(optimizer="adamw", learning_rate=2e-3, average=0)
    for progress in Trainer(network, batches, settings, steps=choose(300, 20)).steps():
        pass
    after[cell] = gradient_by_distance(network, DISTANCE)

# %%
figure, panels = plt.subplots(1, 2, figsize=(11, 4), sharey=True)
for axes, measured, when in zip(panels, (before, after), ("before training", "after training")):
    for (cell, name), colour, marker in zip(cells.items(), COLOURS, MARKERS):
        axes.plot(measured[cell] / measured[cell][0], color=colour, marker=marker, markevery=15, label=name)
    axes.set_yscale("log")
    axes.set_ylim(1e-10, 3)
    axes.set_xlabel("characters back")
    axes.set_title(when)
panels[0].set_ylabel("norm of the gradient,\nas a share of that at distance 0")
panels[1].legend()
FAR = DISTANCE // 3
left_over = {name: float(after[cell][FAR] / after[cell][0]) for cell, name in cells.items()}
best_cell = max(left_over, key=left_over.get)
figure.suptitle(
    headline(
        f"{FAR} characters back, "
        + ", ".join(f"{name}: {share:.0e}" for name, share in left_over.items())
        + " of the gradient is left"
    )
)
figure.tight_layout()
plt.show()
say(
    f"**Of the four, the {best_cell} keeps the largest share of its gradient over {FAR} characters after training: "
    f"{max(left_over.values()) / left_over['RNN with tanh']:.0f} times that of the RNN with tanh.** Before training the "
    f"share of the LSTM is {float(before['lstm'][FAR] / before['lstm'][0]):.0e}: its gates are half open then, and keep "
    "little. To remember is something that a gated cell *learns*."
)

# %% [markdown]
# ### A unit that tracks quotation marks
#
# Does anything in the hidden state have a meaning for us? Karpathy, Johnson and Fei-Fei (2015, arXiv 1506.02078) found single
# units that switch on inside quotation marks. We look for one: let the first model read held-out text, and see which of its units
# correlates with *being inside double quotes*. To be fair, the unit is chosen on the first half and judged on the second.

# %%
import numpy as np

passage = whole[cut : cut + 20_000]
inside, place = [], False
for position, character in enumerate(passage):
    if character == '"':
        place = not place
    if passage[max(0, position - 1) : position + 1] == "\n\n":
        place = False  # a blank line closes whatever was left open
    inside.append(float(place))

with torch.no_grad():
    passage_ids = torch.from_numpy(vocabulary.encode(passage).astype("int64"))[:, None]
    hidden = first.network.layers[0](first.network.embedding(passage_ids))[0][:, 0].numpy()  # (characters, units)


def best_unit(feature):
    """The unit that best follows a feature in the first half of the passage, and its correlation in the second half."""
    feature, half = np.array(feature), len(passage) // 2
    if feature[:half].std() == 0 or feature[half:].std() == 0:
        return 0, 0.0  # the feature never changes in this text
    found = [np.corrcoef(hidden[:half, unit], feature[:half])[0, 1] for unit in range(hidden.shape[1])]
    unit = int(np.argmax(np.abs(found)))
    return unit, float(np.corrcoef(hidden[half:, unit], feature[half:])[0, 1])


quote_unit, quote_correlation = best_unit(inside)
middle = len(passage) // 2
changes = np.abs(np.diff(inside[middle:]))
shown = middle + int(np.argmax(np.convolve(changes, np.ones(120), "valid") >= 4)) if changes.sum() else middle
window = slice(shown, shown + 120)

figure, axes = plt.subplots(figsize=(14, 3))
axes.bar(
    range(120), 2 * np.array(inside[window]), width=1, bottom=-1, color=COLOURS[4], alpha=0.3, label="inside quotes"
)
axes.plot(hidden[window, quote_unit], color=COLOURS[0], marker="o", markersize=3, label=f"unit {quote_unit}")
axes.set_xticks(
    range(120), [{" ": "·", "\n": "↵"}.get(character, character) for character in passage[window]], fontsize=8
)
axes.set_xlim(-1, 120)
axes.set_ylabel("activation")
axes.set_ylim(-1.05, 1.5)
axes.legend(loc="upper right", ncols=2)
axes.set_title(f"Unit {quote_unit} of {hidden.shape[1]} follows quotation marks (correlation {quote_correlation:+.2f})")
plt.show()

from charloom.report import by_character, followers, predict

found = predict(first, charloom.Text.of(passage))
others = followers(charloom.Writer(first).stepper, found.targets, by_character(first, found), vocabulary.boundary)[:4]
say(
    f"**Nobody told the network about quotation marks**, yet unit {quote_unit} goes with them, with a correlation of "
    f"{quote_correlation:+.2f} (1 or -1 would be perfect, 0 no relation at all). `charloom report` looks for a dozen such "
    "features in the same way; here it finds "
    + ", ".join(f"*{one.feature}* (unit {one.unit}, {one.correlation:+.2f})" for one in others)
    + "."
)

# %% [markdown]
# ### What context costs
#
# The state has a fixed size, so **a step costs the same after ten characters and after ten million**. Attention, the other way
# to use context, looks at all previous characters at each step, so its cost and memory grow with the context. We time both at
# the same width.

# %%
WIDTH = 256
contexts = [64, 256, 1024, 4096, 16_384, *choose([65_536], [])]


def microseconds(function):
    """The shortest of several timings."""
    timings = []
    for _ in range(30):
        began = time.perf_counter()
        function()
        timings.append(time.perf_counter() - began)
    return 1e6 * min(timings)


step_cell, project = nn.LSTMCell(WIDTH, WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
character = torch.randn(1, WIDTH)
state = (torch.zeros(1, WIDTH), torch.zeros(1, WIDTH))
recurrent_times, attention_times = [], []
with torch.inference_mode():
    for context in contexts:
        keys, values = torch.randn(1, context, WIDTH), torch.randn(1, context, WIDTH)  # what attention has to store
        recurrent_times.append(microseconds(lambda: step_cell(character, state)))
        attention_times.append(
            microseconds(
                lambda: nn.functional.scaled_dot_product_attention(project(character)[None, :, :WIDTH], keys, values)
            )
        )

figure, axes = plt.subplots()
axes.plot(contexts, attention_times, marker=MARKERS[1], color=COLOURS[1], label="one layer of attention")
axes.plot(contexts, recurrent_times, marker=MARKERS[0], color=COLOURS[0], label="one layer of LSTM")
axes.set_xscale("log", base=2)
axes.set_yscale("log")
axes.set_xlabel("characters of context")
axes.set_ylabel("microseconds for the next character")
axes.legend()
growth = attention_times[-1] / attention_times[0]
axes.set_title(
    headline(
        f"From {contexts[0]} to {contexts[-1]:,} characters of context, a step of attention becomes {growth:.0f} "
        "times as slow, a step of "
        f"the LSTM {recurrent_times[-1] / recurrent_times[0]:.1f} times"
    )
)
plt.show()
say(
    f"And the memory: the LSTM keeps {2 * WIDTH:,} numbers, whatever came before; attention keeps "
    f"{2 * WIDTH * contexts[-1]:,} at "
    f"{contexts[-1]:,} characters. **The same fact is the weakness: everything that the LSTM knows of the past must "
    "fit into those "
    f"{2 * WIDTH} numbers.**"
)

# %% [markdown]
# ### What such models are good for
#
# A model that knows which texts are probable can do more than write. Here are four uses, each in a few lines; the other lessons of
# this course go deeper.
#
# **Spelling: a wrong word is an improbable word.** The surprise of a text is -log p, summed over its characters.
#
# **Completion: the most probable way to go on.**

# %%
common = re.findall(r"[a-z]{6,10}", whole[:cut])
common = sorted(set(common), key=lambda word: (-common.count(word), word))[: choose(200, 40)]
context = whole[cut : cut + 300] + " the "
caught = 0
for word in common:
    wrong = word[:2] + word[3] + word[2] + word[4:]  # swap two letters
    if wrong == word:
        wrong = word[:2] + word[3:]
    right_nats = charloom.surprisal(first, context + word + " ")[len(context) :].sum()
    wrong_nats = charloom.surprisal(first, context + wrong + " ")[len(context) :].sum()
    caught += right_nats < wrong_nats
say(
    f"Of {len(common)} common words, the model finds the right spelling more probable than one with two letters "
    f"swapped in **{caught}** cases."
)

prefix = common[0][:3]
for found in charloom.beam_search(first, context + prefix, length=12, stop=[" ", "\n"])[:5]:
    print(f"{prefix}{found.text:<12} probability {found.probability:.2f}")

# %% [markdown]
# **Classification: which model finds the text more probable?** Train one model for each class (languages, spam and ham; here prose
# and program code), and the smaller surprise wins. **Code modelling** is the same task on another text: the second of these
# models writes Python.

# %%
code = str(open_text("python-source", CorpusConfig()).text)[: len(whole)]
texts = {"this text": whole, "Python code": code}
rivals = {}
for name, content in texts.items():
    source = FOLDER / f"{name}.txt"
    source.write_text(content, encoding="utf-8", newline="\n")
    rival_run = charloom.train(
        source,
        run=FOLDER / f"model of {name}",
        steps=choose(500, 30),
        corpus=CorpusConfig(vocabulary="bytes"),  # 256 symbols, so both models can read any text
        network=NetworkConfig(hidden_size=choose(128, 32), embedding_size=32, dropout=0.1),
    )
    rivals[name] = charloom.load(rival_run.path)

right, tried = 0, 0
for name, content in texts.items():
    for start in np.linspace(int(0.9 * len(content)), len(content) - 80, choose(100, 20)).astype(int):
        snippet = content[start : start + 80]
        surprise = {rival: charloom.surprisal(model, snippet).sum() for rival, model in rivals.items()}
        right += min(surprise, key=surprise.get) == name
        tried += 1
say(
    f"**{right} of {tried} held-out snippets of 80 characters are given to the right class.** And the model of code "
    "writes:"
)
show_text(
    "def " + "".join(charloom.generate(rivals["Python code"], "def ", length=choose(300, 80), temperature=0.6, seed=3))
)

# %% [markdown]
# ### Advantages and limitations
#
# | For | Against |
# |---|---|
# | any text, any word, any language: no word list | a word is several steps, so training sees less text in the same time |
# | the smallest vocabulary, so small models do well | each step waits for the previous one: training cannot process the whole text in parallel |
# | a step costs the same after any length of context | all memory must fit into a state of fixed size |
# | gradients flow back through gates | but they fade with distance, as measured above |
# | writes, scores, completes, corrects, classifies, compresses | its texts look right long before they make sense |

# %% [markdown]
# ## 2. Setting up the environment

# %% [markdown]
# ### Q1: How do you install the necessary libraries for building and training character-level RNNs in PyTorch?
#
# **By hand.** You need three packages: `pip install torch numpy matplotlib`. On Linux, pip installs PyTorch's build for GPUs, about
# 3 GB; `pip install torch --index-url https://download.pytorch.org/whl/cpu` installs the small CPU build.
#
# **With charloom.** `pip install "charloom[course]"` installs those, charloom itself, and what you need to open notebooks. Here is what
# this run used:

# %%
from importlib.metadata import version

for package in ("torch", "numpy", "matplotlib", "charloom"):
    print(f"{package:<12} {version(package)}")
print(f"{'Python':<12} {sys.version.split()[0]}")

# %% [markdown]
# ### Q2: How do you import the required modules for text processing, model building, and training in PyTorch?
#
# **By hand.** The standard library reads and counts, numpy draws random numbers, `torch.nn` has the layers, and `matplotlib`
# draws. Chapters 3 to 7 need nothing but these seven lines.

# %% tags=["by-hand"]
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

print(f"PyTorch {torch.__version__} has {[name for name in ('RNN', 'GRU', 'LSTM') if hasattr(nn, name)]}")

# %% [markdown]
# **With charloom.** One import. It has few public names, and each is loaded on first use:

# %%
import charloom

print(", ".join(charloom.__all__))

# %% [markdown]
# ### Q3: How do you set up your environment to use a GPU if available, or fallback to a CPU in PyTorch?
#
# **By hand.** Ask for the best available device, keep it in one variable, and move both the model and every batch to it. `cuda`
# is an NVIDIA GPU, `mps` Apple's. For networks as small as ours a GPU helps little: most of the time it waits for the next small
# step.

# %% tags=["by-hand"]
if torch.cuda.is_available():
    device = torch.device("cuda")
    torch.backends.cudnn.allow_tf32 = False  # exact products, so that the comparisons below hold on a GPU too
elif torch.backends.mps.is_available():
    device = torch.device("mps")
else:
    device = torch.device("cpu")
print(f"training on {device}, with {torch.get_num_threads()} threads")

# %% [markdown]
# **With charloom.** `--device auto`, the default, decides the same way:

# %%
from charloom.machine import choose_device

same("the device", device.type, choose_device("auto").name)

# %% [markdown]
# ### Q4: How do you set a random seed in PyTorch to ensure reproducibility of results?
#
# **By hand.** `torch.manual_seed(n)` seeds the stream from which PyTorch draws initial weights and dropout. The draws for writing
# text get their own stream, with its own seed, so that writing a text never changes a training.
#
# **A hidden assumption: the same seed gives the same result on the same machine.** Another processor, another number of threads
# or another version adds numbers in a different order, and training magnifies the last digit. Reproducible means: exactly on the
# same machine, closely on another.

# %% tags=["by-hand"]
SEED = 1
torch.manual_seed(SEED)
once = torch.randn(3)
torch.manual_seed(SEED)
again = torch.randn(3)
print("once ", once.tolist())
print("again", again.tolist())

# %% [markdown]
# **With charloom.** `TrainingConfig(seed=1)`, or `--training.seed 1`. Two runs with the same seed give the same weights, to the
# last bit:

# %%
few = TrainingConfig(seed=SEED, batch_size=8, sequence_length=32)
tiny = NetworkConfig(hidden_size=16, embedding_size=8)
twins = [charloom.train(path, run=FOLDER / f"twin-{n}", steps=5, network=tiny, training=few) for n in (1, 2)]
same("two trainings with one seed", *(charloom.load(twin.path).weights() for twin in twins))

# %% [markdown]
# ## 3. Preparing the dataset

# %% [markdown]
# ### Q5: How do you load a text dataset from a file in Python for use in a character-level RNN?
#
# **By hand.** `Path.read_text`, with an explicit encoding. Never leave it out: Python's default depends on the machine. If the file
# has a different encoding, Python raises an error, and that is good: better an error now than question marks that the model learns.
#
# Our text is the manual inside Python's `help()`. It is not a file, so we write it to one first.

# %% tags=["by-hand"]
file = Path(TEXT)
if TEXT == "python-docs":
    from pydoc_data.topics import topics

    file = FOLDER / "python-docs.txt"
    file.write_text("\n\n".join(topics[name].strip("\n") + "\n" for name in sorted(topics)), encoding="utf-8")

text = file.read_text(encoding="utf-8")
if FAST:
    text = text[:40_000]
print(f"{len(text):,} characters from {file.name}")

# %% [markdown]
# **With charloom.** A text can be a file, a folder, or the name of a corpus (`charloom data list`). A byte order mark and Windows
# line ends are fixed, with a note that they were.

# %%
corpus = open_text(file, CorpusConfig())
print(f"read from {corpus.name}, SHA-256 {corpus.text.sha256[:16]}…", *corpus.notes)
same("the text", text, str(corpus.text)[: len(text)])

# %% [markdown]
# ### Q6: How do you inspect the contents and length of the loaded text dataset?
#
# **By hand.** Look at it. Then count: how long is it, how many distinct characters does it have, which are common, which are odd?
# Five minutes here save hours later: a megabyte of licence headers, or one line of ten thousand characters, is learned as faithfully
# as anything else.

# %% tags=["by-hand"]
from collections import Counter

counts = Counter(text)
print(text[:300])
print("...")
print(f"{len(text):,} characters, {len(counts)} different ones, {text.count(chr(10)) + 1:,} lines")
print("rarest:", [character for character, _ in counts.most_common()[-12:]])

# %%
most = counts.most_common(40)
shares = np.array(list(counts.values())) / len(text)
entropy = float(-(shares * np.log2(shares)).sum())

figure, axes = plt.subplots(figsize=(11, 3))
axes.bar(
    [{" ": "␣", "\n": "↵"}.get(character, character) for character, _ in most],
    [count / len(text) for _, count in most],
)
axes.tick_params(axis="x", labelsize=8)
axes.set_ylabel("share of the text")
axes.set_title(
    headline(
        f"The commonest character makes {most[0][1] / len(text):.0%} of the text, the ten commonest "
        f"{sum(count for _, count in most[:10]) / len(text):.0%}"
    )
)
plt.show()
say(
    f"Who knows only these shares needs {entropy:.2f} bits for a character; who knows nothing needs "
    f"log2({len(counts)}) = "
    f"{math.log2(len(counts)):.2f}. **Everything below {entropy:.2f} bits is what a model learns from the order of "
    "the characters.**"
)

# %% [markdown]
# **With charloom.** `charloom data show python-docs` prints the same information; in Python:

# %%
same("the number of characters", len(text), min(len(text), corpus.text.characters))
same("the number of different characters", len(counts), len(charloom.Vocabulary.of([text]).characters))

# %% [markdown]
# ### Q7: How do you split the loaded text dataset into training and validation sets?
#
# **By hand.** Two slices: the first nine tenths to train on, the last tenth to evaluate on.

# %% tags=["by-hand"]
boundary_place = int(0.9 * len(text))
train_text, validation_text = text[:boundary_place], text[boundary_place:]
print(f"training: {len(train_text):,} characters, validation: {len(validation_text):,}")

# %% [markdown]
# **A hidden assumption: the validation text is contiguous.** Many tutorials cut the text into overlapping windows first and
# then move a random tenth of the windows to validation. How many of those held-out characters were seen in training?

# %%
WINDOW = 100
random = np.random.Generator(np.random.PCG64(0))
starts = np.arange(len(text) - WINDOW)  # a window begins at each character
is_validation = random.random(len(starts)) < 0.1
seen = np.zeros(len(text), bool)
for start in starts[~is_validation]:
    seen[start : start + WINDOW] = True
judged = np.zeros(len(text), bool)
for start in starts[is_validation]:
    judged[start : start + WINDOW] = True
leaked = (seen & judged).sum() / judged.sum()
say(
    f"**{leaked:.2%} of the “held-out” characters of shuffled windows also stand in a training window.** Such a "
    "validation measures how well the "
    "text was learned by heart. Two slices have no character in common."
)

# %% [markdown]
# **With charloom.** `--split 0.9,0.1,0` (training, validation, test), contiguous, in this order. The split depends only on the
# text: no batch size moves it.

# %%
halves = charloom.Corpus(charloom.Text.of(text), (0.9, 0.1, 0.0), "text", "a string")
same("the training text", train_text, str(halves.train))
same("the validation text", validation_text, str(halves.validation))

# %% [markdown]
# ## 4. Text processing and encoding

# %% [markdown]
# ### Q8: How do you create a character-to-index mapping for the text dataset in PyTorch?
#
# **By hand.** A network computes with numbers, so each character gets one: its place in the sorted list of all characters. The list
# is sorted so that the same text always gives the same numbers.
#
# There is one more symbol, which is not a character: the **boundary**. The network reads it before the first character, so that
# even that one is predicted from something. It gets the last number.

# %% tags=["by-hand"]
characters = sorted(set(text))
index_of = {character: index for index, character in enumerate(characters)}
BOUNDARY = len(characters)
print(
    f"{len(characters)} characters and the boundary, for example",
    {character: index_of[character] for character in characters[-5:]},
)

# %% [markdown]
# **With charloom.** `Vocabulary.of`. It refuses an unknown character, with an error that names the character and its
# place.

# %%
vocabulary = charloom.Vocabulary.of([text])
same("the characters in their order", "".join(characters), vocabulary.characters)
same("the boundary", BOUNDARY, vocabulary.boundary)
try:
    vocabulary.encode("a snowman: ☃")
except charloom.CharloomError as error:
    print(error)

# %% [markdown]
# ### Q9: How do you create an index-to-character mapping for decoding model outputs in PyTorch?
#
# **By hand.** The list is already that mapping: `characters[index]`.

# %% tags=["by-hand"]


def decode(indices):
    """The text for some indices."""
    return "".join(characters[index] for index in indices)


print(decode([index_of[character] for character in text[:40]]))

# %% [markdown]
# **With charloom.**

# %%
some = [index_of[character] for character in text[:40]]
same("decoded text", decode(some), vocabulary.decode(some))

# %% [markdown]
# ### Q10: How do you encode the entire text dataset into numerical format using the character-to-index mapping?
#
# **By hand.** Look each character up and keep the numbers in a tensor. Embeddings and losses in PyTorch expect `int64`.

# %% tags=["by-hand"]


def encode(string):
    """The indices of a text, as a tensor."""
    return torch.tensor([index_of[character] for character in string], dtype=torch.int64)


train_ids, validation_ids = encode(train_text), encode(validation_text)
print(train_ids[:20].tolist(), "stands for", repr(train_text[:20]))

# %% [markdown]
# **With charloom.** `vocabulary.encode` does the same with one table look-up for the whole text, and uses one byte per character
# instead of eight.

# %%
same("the encoded text", train_ids.tolist(), vocabulary.encode(train_text).tolist())
began = time.perf_counter()
encode(train_text)
by_hand_seconds = time.perf_counter() - began
began = time.perf_counter()
vocabulary.encode(train_text)
say(f"By hand {1000 * by_hand_seconds:.0f} ms, with charloom {1000 * (time.perf_counter() - began):.1f} ms.")

# %% [markdown]
# **Exercise.** Is `decode(encode(s)) == s` for every text `s`? Find a counterexample.
#
# *Solution.* It holds for every text made of known characters. Any other character makes `encode` raise a `KeyError`. A vocabulary
# of *bytes* knows them all:

# %% tags=["solution"]
assert decode(encode(text[:1000]).tolist()) == text[:1000]
snowman = charloom.Vocabulary("bytes").encode("☃")
print("as bytes, ☃ is", snowman.tolist(), "and back:", charloom.Vocabulary("bytes").decode(snowman.tolist()))

# %% [markdown]
# ### Q11: How do you generate input sequences and corresponding target sequences for training a character-level RNN in PyTorch?
#
# **By hand.** The target of each character is the one after it: the same text, shifted by one. But one text is a single, very
# long sequence. Two steps make it manageable:
#
# 1. **Fold it into streams.** Cut it into pieces of equal length and put them side by side, so that several places in the text
#    are read at the same time.
# 2. **Cut the streams into slices** of 64 characters: the gradient flows back through one slice, but no further.
#
# Slice *k + 1* starts exactly where slice *k* ended, in each stream. So **the state can be carried** from one to the next, and
# the network knows what came before, although the gradient does not reach that far (*truncated backpropagation through time*).

# %% tags=["by-hand"]


def fold(ids, streams, length):
    """Inputs and targets, each (slices, length, streams); an incomplete last slice is dropped."""
    slices = len(ids) // (streams * length)
    targets = ids[: slices * streams * length]
    inputs = torch.cat([torch.tensor([BOUNDARY]), targets[:-1]])  # the same, shifted by one
    return [part.view(streams, slices, length).permute(1, 2, 0).contiguous() for part in (inputs, targets)]


STREAMS, LENGTH = 16, choose(64, 32)
inputs, targets = fold(train_ids, STREAMS, LENGTH)
print(f"{len(inputs)} slices of {LENGTH} characters in {STREAMS} streams:", tuple(inputs.shape))
print("stream 1 reads    ", repr(decode(inputs[0, :40, 1].tolist())))
print("stream 1 predicts ", repr(decode(targets[0, :40, 1].tolist())))
print("and in slice 1    ", repr(decode(targets[1, :40, 1].tolist())))

# %%
figure, axes = plt.subplots(figsize=(9, 2.6))
rows, columns = 4, 5
for row in range(rows):
    for column in range(columns):
        axes.add_patch(plt.Rectangle((column, -row), 0.96, 0.8, color=COLOURS[column], alpha=0.35))
        axes.text(column + 0.48, 0.55 - row, f"slice {column}", ha="center", va="center", fontsize=8)
    axes.text(-0.1, 0.4 - row, f"stream {row}", ha="right", va="center")
    axes.annotate("", (columns + 0.15, 0.2 - row), (-0.05, 0.2 - row), arrowprops={"arrowstyle": "->", "alpha": 0.5})
axes.set_xlim(-0.9, columns + 0.3)
axes.set_ylim(-rows + 0.8, 1)
axes.axis("off")
axes.set_title("A colour is one batch; the state travels along the arrows, the text goes on in the next row")
plt.show()

# %% [markdown]
# **A hidden assumption: shuffled windows are different.** With the usual `DataLoader(shuffle=True)` over windows, consecutive batches
# are unrelated, so each window has to start from an empty state. Such a network practises beginnings, and never sees a state older
# than a window. Q25 measures how much this matters.
#
# **With charloom.** `Streams`. It drops nothing: if the text does not fill the last slice, the columns differ by one character, and
# the gap is ignored in the loss. On a text that fills its slices it gives exactly the same numbers:

# %%
usable = inputs.numel()
streams = charloom.Streams(train_ids[:usable].numpy(), boundary=BOUNDARY, batch_size=STREAMS, sequence_length=LENGTH)
same("the number of slices", len(inputs), len(streams))
same("the inputs of slice 1", inputs[1].tolist(), streams[1].inputs.tolist())
same("the targets of slice 1", targets[1].tolist(), streams[1].targets.tolist())

# %% [markdown]
# ## 5. Building the character-level RNN model

# %% [markdown]
# ### Q12: How do you define the architecture of a character-level RNN using PyTorch's `nn.RNN` or `nn.LSTM` module?
#
# **By hand.** Three layers, as in the three equations: an embedding, a recurrent layer, an output. `nn.RNN`, `nn.GRU` and
# `nn.LSTM` are called the same way, so the cell can be a choice. They run the whole slice in one call, much faster than a Python
# loop.

# %% tags=["by-hand"]
CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Architecture(nn.Module):
    """The layers of a character-level network. Q15 shows how they work together."""

    def __init__(self, input_size, hidden_size, output_size, embedding_size=64, layers=1, cell="lstm"):
        super().__init__()
        self.cell, self.layers, self.hidden_size = cell, layers, hidden_size
        self.embedding = nn.Embedding(input_size, embedding_size)  # a row of numbers for each symbol
        self.recurrent = CELLS[cell](embedding_size, hidden_size, num_layers=layers)
        self.output = nn.Linear(hidden_size, output_size)  # a score for each character that may come next


print(Architecture(input_size=104, hidden_size=256, output_size=103))

# %% [markdown]
# **With charloom.** `CharRNN`, with the same three layers. `cell` is `lstm`, `gru`, `rnn-tanh` or `rnn-relu`. With the same seed,
# both draw the same initial weights, because they create the same layers in the same order:

# %%
torch.manual_seed(SEED)
ours = Architecture(104, 256, 103)
torch.manual_seed(SEED)
config = NetworkConfig(cell="lstm", hidden_size=256, layers=1, embedding_size=64, dropout=0, initialization="uniform")
theirs = CharRNN(config, inputs=104, outputs=103)
same("the first weights", ours.recurrent.weight_hh_l0.tolist(), theirs.layers[0].weight_hh_l0.tolist())

# %% [markdown]
# ### Q13: How do you specify the input size, hidden size, and output size when building the RNN model in PyTorch?
#
# **By hand.** The text determines two of the three:
#
# * **input size**: all symbols that can be read, including the boundary;
# * **output size**: all symbols that can be predicted. Our text has no end inside it, so the boundary is not one of them;
# * **hidden size**: your choice. It decides how much can be remembered, and nearly all of the cost, which grows with its
#   square.

# %% tags=["by-hand"]
INPUT_SIZE, OUTPUT_SIZE = len(characters) + 1, len(characters)
HIDDEN_SIZE, EMBEDDING_SIZE = choose(256, 48), choose(64, 16)

model = Architecture(INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE)
for name, parameter in model.named_parameters():
    print(f"{name:<24} {tuple(parameter.shape)!s:<14} {parameter.numel():>9,}")

# %%
E, H, V = EMBEDDING_SIZE, HIDDEN_SIZE, OUTPUT_SIZE
by_formula = (V + 1) * E + 4 * H * (E + H + 2) + V * (H + 1)  # four gates, each with two matrices and two biases
config = NetworkConfig(hidden_size=H, embedding_size=E)
same("the number of parameters", by_formula, CharRNN(config, inputs=INPUT_SIZE, outputs=OUTPUT_SIZE).parameter_count())
say(f"**{4 * H * (E + H + 2) / by_formula:.0%} of the {by_formula:,} parameters are in the recurrent layer.**")

# %% [markdown]
# **Exercise.** How many parameters does the same network have with a GRU, which has three gates instead of four? And with `nn.RNN`?
#
# *Solution.*

# %% tags=["solution"]
for cell, gates in (("lstm", 4), ("gru", 3), ("rnn", 1)):
    found = sum(parameter.numel() for parameter in Architecture(INPUT_SIZE, H, V, E, cell=cell).parameters())
    assert found == (V + 1) * E + gates * H * (E + H + 2) + V * (H + 1)
    print(f"{cell:<5} {found:>9,}")

# %% [markdown]
# ### Q14: How do you initialize the hidden state of the RNN before passing data through the model?
#
# **By hand.** With zeros: nothing has been read, so there is nothing to remember. There is one state for each layer and stream; an
# LSTM's has two parts, h and its cell state c. We always keep them in a tuple, so that later code need not ask which cell it is.

# %% tags=["by-hand"]


def zero_state(model, streams):
    """An empty state: (h, c) for an LSTM, else (h,), each (layers, streams, hidden_size)."""
    parts = 2 if model.cell == "lstm" else 1
    shape = (model.layers, streams, model.hidden_size)
    return tuple(torch.zeros(shape, device=model.output.weight.device) for _ in range(parts))


print([tuple(part.shape) for part in zero_state(model, streams=32)])

# %% [markdown]
# **A hidden assumption: when is the state reset to zero?** Only at the beginning of the text. In between it is *carried*. To see
# why, read a text in one piece, then in two pieces with the state carried, then in two pieces with the state reset in the
# middle.

# %%
with torch.no_grad():
    embedded = model.embedding(train_ids[:200])[:, None]
    in_one_piece, _ = model.recurrent(embedded, zero_state(model, 1))
    first_half, carried = model.recurrent(embedded[:100], zero_state(model, 1))
    with_carry, _ = model.recurrent(embedded[100:], carried)
    from_zero, _ = model.recurrent(embedded[100:], zero_state(model, 1))
print(f"largest difference with the state carried:  {(in_one_piece[100:] - with_carry).abs().max():.1e}")
print(f"largest difference with the state at zero:  {(in_one_piece[100:] - from_zero).abs().max():.1e}")

# %% [markdown]
# **With charloom.** `network.zero_state(streams)`; omitting the state means the same. `model.read(text)` returns the state
# after a text.

# %%
network = CharRNN(config, inputs=INPUT_SIZE, outputs=OUTPUT_SIZE)
same(
    "shapes of a zero state",
    [part.shape for part in zero_state(model, 32)],
    [part.shape for part in network.zero_state(32)],
)

# %% [markdown]
# ### Q15: How do you implement the forward pass of the RNN model to process an input sequence and predict the next character?
#
# **By hand.** Embed, run, project. The inputs are the indices (time, streams) and the previous state; the outputs are a score for
# each possible next character at each position, and the new state. The scores are called *logits*; softmax would turn them into
# probabilities, but that is left to the loss, which does it more precisely.

# %% tags=["by-hand"]


class CharacterRNN(Architecture):
    """The layers, and how they work together."""

    def forward(self, ids, state):
        """ids (time, streams) and a state -> logits (time, streams, output_size) and the state after the last one."""
        embedded = self.embedding(ids)  # (time, streams, embedding_size)
        hidden, after = self.recurrent(embedded, state if self.cell == "lstm" else state[0])
        return self.output(hidden), after if self.cell == "lstm" else (after,)


torch.manual_seed(SEED)
model = CharacterRNN(INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
logits, state = model(inputs[0].to(device), zero_state(model, STREAMS))
print("logits", tuple(logits.shape), " state", [tuple(part.shape) for part in state])
chances = torch.softmax(logits[-1, 0], dim=0)
print(f"an untrained network finds everything about equally likely: from {chances.min():.4f} to {chances.max():.4f}")

# %% [markdown]
# **With charloom.** The signature is the same, `(ids, state) -> (logits, state)`. We copy our weights into charloom's network,
# which names them a little differently, and compare. All further checks use this function.

# %%
from charloom import LanguageModel
from charloom.models import ModelConfig


def as_charloom(model, symbols=None, predicts_end=False):
    """Our network as a charloom model: the same weights under charloom's names. (For networks of one layer.)"""
    cell = "rnn-tanh" if model.cell == "rnn" else model.cell
    config = NetworkConfig(
        cell=cell,
        hidden_size=model.hidden_size,
        embedding_size=model.embedding.embedding_dim,
        dropout=0,
        initialization="uniform",
    )
    made = LanguageModel.new(ModelConfig(config, "none", predicts_end), symbols or vocabulary, device=device)
    weights = {name.replace("recurrent.", "layers.0."): value.clone() for name, value in model.state_dict().items()}
    made.network.load_state_dict(weights)
    return made


with torch.no_grad():
    theirs, their_state = as_charloom(model).network(inputs[0].to(device), None)
agree("the largest logit", float(logits.detach().max()), float(theirs.max()), 1e-4)
print(f"largest difference between any two logits: {(logits - theirs).abs().max():.1e}")

# %% [markdown]
# ## 6. Training the RNN model

# %% [markdown]
# ### Q16: How do you define the loss function for training the character-level RNN model in PyTorch?
#
# **By hand.** The loss of one prediction is -log p of the character that actually came: 0 if the model was sure and right, large
# if it was sure and wrong. It is called *surprise* or *cross-entropy*; with the natural logarithm it is measured in **nats**
# (one nat is 1.44 bits). We take the mean over all characters of the batch.

# %% tags=["by-hand"]


def loss_of(logits, targets):
    """Mean surprise of the targets (time, streams) in nats, from logits (time, streams, output_size)."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


loss = loss_of(logits, targets[0].to(device))
print(
    f"loss of the untrained network: {loss.item():.4f} nats; knowing nothing is log({OUTPUT_SIZE}) = "
    f"{math.log(OUTPUT_SIZE):.4f}"
)

# %% [markdown]
# `F.cross_entropy` is no black box:

# %%
chances = torch.softmax(logits, dim=2)  # (time, streams, output_size)
of_the_truth = chances.gather(2, targets[0].to(device)[:, :, None])  # the probability of the true character
print(f"-log p, worked out by us: {-of_the_truth.log().mean().item():.4f}")
assert abs(-of_the_truth.log().mean().item() - loss.item()) < 1e-4

# %% [markdown]
# **With charloom.** The trainer uses the same loss, and `evaluate` sums it over a text, each character once:

# %%
sample = validation_text[:500]
with torch.no_grad():
    start = torch.cat([torch.tensor([BOUNDARY]), encode(sample)])[:, None].to(device)
    sample_logits, _ = model(start[:-1], zero_state(model, 1))
agree(
    "loss in nats",
    loss_of(sample_logits, start[1:]).item(),
    charloom.evaluate(as_charloom(model), sample).nats_per_character,
    1e-4,
)

# %% [markdown]
# ### Q17: How do you select and configure an optimizer for training the RNN model in PyTorch?
#
# **By hand.** **AdamW is the safe choice**: it gives each parameter its own step size. Two more things matter as much as the name of
# the optimizer: the *peak* of the learning rate, and its *schedule*. It rises during the first steps, while the optimizer's averages
# are still unreliable, and then falls along a cosine to almost nothing, so that the last steps are fine-tuning.

# %% tags=["by-hand"]


def learning_rate(step, steps, peak):
    """A linear rise over the first twentieth of the steps, then half a cosine down to a fiftieth of the peak."""
    rise = round(0.05 * steps)
    if step < rise:
        return peak * (step + 1) / rise
    progress = (step - rise) / max(1, steps - rise - 1)
    return peak * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)


def make_optimizer(model):
    """AdamW over all parameters; the learning rate is set before each step."""
    return torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0.01)


PEAK = 1e-2
print(
    "learning rate at steps 0, 50, 500, 999 of 1,000:",
    [f"{learning_rate(step, 1000, PEAK):.5f}" for step in (0, 50, 500, 999)],
)

# %% [markdown]
# **With charloom.** `TrainingConfig` names optimizer and schedule. Its default is **Muon** for the recurrent matrices (Jordan
# et al. 2024), which learns faster here, as chapter 10 will show. For our comparison we ask for AdamW, and leave everything else
# as in our own loop.

# %%
import charloom


def as_by_hand(peak=PEAK, streams=STREAMS, length=LENGTH, seed=SEED):
    """charloom's settings to match our own loop."""
    return TrainingConfig(
        optimizer="adamw",
        beta1=0.9,
        beta2=0.99,
        weight_decay=0.01,
        learning_rate=peak,
        warmup=0.05,
        schedule="cosine",
        final_learning_rate=0.02,
        clip=1.0,
        average=0,
        batch_size=streams,
        sequence_length=length,
        seed=seed,
    )


same(
    "the learning rate at all of 1,000 steps",
    [learning_rate(step, 1000, PEAK) for step in range(1000)],
    [charloom.training.learning_rate(step, 1000, as_by_hand()) for step in range(1000)],
)

# %% [markdown]
# ### Q18: How do you implement a training loop that updates model weights based on the loss in PyTorch?
#
# **By hand.** For each slice: predict, compute the loss, backpropagate, clip the gradient (Q19), take a step. Then *detach* the
# state: its values carry over into the next slice, the gradient does not. At the end of the text, the next epoch starts from the
# beginning with an empty state. The loop yields a record after each step, so the caller decides what to do with them.

# %% tags=["by-hand"]


def train(model, ids, steps, peak, streams=16, length=64, clip=1.0):
    """Train for a number of steps; yields the loss, the gradient norm and the learning rate of each."""
    inputs, targets = (part.to(device) for part in fold(ids, streams, length))
    optimizer = make_optimizer(model)
    for step in range(steps):
        k = step % len(inputs)  # which slice
        if k == 0:
            state = zero_state(model, streams)  # an epoch starts at the beginning of the text
        rate = learning_rate(step, steps, peak)
        for group in optimizer.param_groups:
            group["lr"] = rate
        logits, state = model(inputs[k], state)
        loss = loss_of(logits, targets[k])
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        state = tuple(part.detach() for part in state)
        yield {"loss": loss.item(), "norm": norm.item(), "rate": rate}


torch.manual_seed(SEED)
model = CharacterRNN(INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
for step, record in enumerate(train(model, train_ids, steps=30, peak=PEAK, streams=STREAMS, length=LENGTH), start=1):
    if step % 10 == 0:
        print(f"step {step}: loss {record['loss']:.3f} nats")

# %% [markdown]
# **With charloom.** `Trainer`, whose `steps()` yields records too. From the same seed, the same text and the same settings,
# both losses must be the same at each step, up to the rounding of 32-bit numbers:

# %%


def losses_of_charloom(steps, seed=SEED, hidden_size=HIDDEN_SIZE, layers=1, peak=PEAK, streams=STREAMS, length=LENGTH):
    """The losses of charloom's trainer, with the settings of our loop."""
    torch.manual_seed(seed)
    config = NetworkConfig(
        hidden_size=hidden_size, layers=layers, embedding_size=EMBEDDING_SIZE, dropout=0, initialization="uniform"
    )
    network = CharRNN(config, inputs=INPUT_SIZE, outputs=OUTPUT_SIZE).to(device)
    whole_slices = train_ids[: len(train_ids) // (streams * length) * streams * length].numpy()
    batches = charloom.Streams(whole_slices, boundary=BOUNDARY, batch_size=streams, sequence_length=length)
    trainer = charloom.Trainer(network, batches, as_by_hand(peak, streams, length, seed), steps=steps)
    return [progress.loss_nats for progress in trainer.steps()]


def losses_by_hand(steps, seed=SEED, hidden_size=HIDDEN_SIZE, layers=1, peak=PEAK, streams=STREAMS, length=LENGTH):
    """The losses of our own loop."""
    torch.manual_seed(seed)
    model = CharacterRNN(INPUT_SIZE, hidden_size, OUTPUT_SIZE, EMBEDDING_SIZE, layers).to(device)
    return [record["loss"] for record in train(model, train_ids, steps, peak, streams, length)]


def same_losses(what, **settings):
    """Check that both loops have the same losses."""
    pairs = list(zip(losses_by_hand(12, **settings), losses_of_charloom(12, **settings), strict=True))
    largest = max(abs(ours - theirs) for ours, theirs in pairs)
    agree(f"the loss of step 12 ({what}; largest difference before: {largest:.1e})", *pairs[-1], 2e-3)


same_losses("standard settings")

# %% [markdown]
# ### Q19: How do you implement gradient clipping to prevent exploding gradients during the training of the RNN model in PyTorch?
#
# **By hand.** Treat all gradients together as one long vector. If it is longer than the limit, shorten it to the limit without
# changing its direction. That is the line with `clip_grad_norm_` in the loop above; written out, it is this:

# %% tags=["by-hand"]


def clip_gradients(parameters, largest):
    """Shorten the gradient to at most `largest`; returns its original length."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.sqrt(sum((gradient**2).sum() for gradient in gradients))
    if norm > largest:
        for gradient in gradients:
            gradient.mul_(largest / norm)
    return norm


logits, _ = model(inputs[0].to(device), zero_state(model, STREAMS))
(1000 * loss_of(logits, targets[0].to(device))).backward()  # a loss a thousand times as large
print(
    f"before: {clip_gradients(model.parameters(), 1.0).item():.3f}, after: "
    f"{clip_gradients(model.parameters(), 1.0).item():.3f}"
)

# %% [markdown]
# Does it matter? We train a ReLU network, which has no upper bound on its values, at a high learning rate, with and without clipping:

# %%
norms = {}
for clip in (1.0, math.inf):
    torch.manual_seed(SEED)
    wild = CharacterRNN(INPUT_SIZE, choose(128, 48), OUTPUT_SIZE, 32, cell="rnn").to(device)
    wild.recurrent = nn.RNN(32, choose(128, 48), nonlinearity="relu").to(device)
    nn.init.normal_(
        wild.recurrent.weight_hh_l0, std=1.6 / math.sqrt(choose(128, 48))
    )  # a recurrent matrix that stretches
    records = list(train(wild, train_ids, steps=choose(60, 25), peak=1e-2, streams=16, length=40, clip=clip))
    norms[clip] = records

figure, panels = plt.subplots(1, 2, figsize=(11, 3.5))
for (clip, records), colour, marker in zip(norms.items(), COLOURS, MARKERS):
    label = "no limit" if clip == math.inf else f"clipped at {clip:g}"
    panels[0].plot([record["norm"] for record in records], color=colour, marker=marker, markevery=5, label=label)
    panels[1].plot([record["loss"] for record in records], color=colour, marker=marker, markevery=5, label=label)
for axes, what in zip(panels, ("norm of the gradient, before clipping", "loss in nats")):
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel(what)
panels[0].legend()
last_losses = {clip: float(np.mean([record["loss"] for record in records[-5:]])) for clip, records in norms.items()}
figure.suptitle(
    headline(
        f"The gradient reaches {max(record['norm'] for record in norms[math.inf]):.0e}; the last losses are "
        f"{last_losses[1.0]:.2f} with clipping "
        f"and {last_losses[math.inf]:.2f} without"
    )
)
figure.tight_layout()
plt.show()

# %% [markdown]
# **With charloom.** `TrainingConfig(clip=1.0)` is the default; every record has the `gradient_norm` before clipping. Our function
# does the same as PyTorch's:

# %%
torch.manual_seed(SEED)
twin = CharacterRNN(INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
clipped = []
for clip in (clip_gradients, nn.utils.clip_grad_norm_):
    twin.zero_grad()
    logits, _ = twin(inputs[0].to(device), zero_state(twin, STREAMS))
    (1000 * loss_of(logits, targets[0].to(device))).backward()
    clip(list(twin.parameters()), 1.0)
    clipped.append(float(twin.output.weight.grad.norm()))
agree("norm of the output's gradient after clipping", *clipped, 1e-4)

# %% [markdown]
# ### Q20: How do you monitor and plot the training loss over epochs in PyTorch?
#
# **By hand.** Keep the record of each step, average the loss over each epoch, and evaluate on the validation text once an epoch.
# Such a picture answers three questions: does the training loss fall, does the validation loss fall with it, and when do they part
# (*overfitting*: the text is being learned by heart)?
#
# This is the long training run of our own program.

# %% tags=["by-hand"]


@torch.no_grad()
def validation_loss(model, ids):
    """Mean surprise of a text in nats: read once, in order, the state carried, every character counted once."""
    column = torch.cat([torch.tensor([BOUNDARY]), ids])[:, None].to(device)  # (time + 1, 1 stream)
    state, total = zero_state(model, 1), 0.0
    for start in range(0, len(ids), 1000):
        end = min(start + 1000, len(ids))
        logits, state = model(column[start:end], state)
        total += loss_of(logits, column[start + 1 : end + 1]).item() * (end - start)
    return total / len(ids)


EPOCHS = choose(6, 3)
steps_per_epoch = len(inputs)
torch.manual_seed(SEED)
model = CharacterRNN(INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
history, epoch_losses, validation_losses = [], [], []
for record in train(model, train_ids, EPOCHS * steps_per_epoch, peak=PEAK, streams=STREAMS, length=LENGTH):
    history.append(record)
    if len(history) % steps_per_epoch == 0:
        epoch_losses.append(sum(each["loss"] for each in history[-steps_per_epoch:]) / steps_per_epoch)
        validation_losses.append(validation_loss(model, validation_ids))
        print(
            f"epoch {len(epoch_losses)}: training {epoch_losses[-1]:.3f}, validation {validation_losses[-1]:.3f} nats"
        )

plt.figure(figsize=(8, 4))
plt.plot(
    [step / steps_per_epoch for step in range(len(history))],
    [each["loss"] for each in history],
    alpha=0.3,
    label="each step",
)
plt.plot(range(1, EPOCHS + 1), epoch_losses, marker="o", label="training, mean of the epoch")
plt.plot(range(1, EPOCHS + 1), validation_losses, marker="s", label="validation, after the epoch")
plt.xlabel("epochs")
plt.ylabel("nats per character")
plt.title(f"Validation: {validation_losses[0]:.2f} nats after one epoch, {validation_losses[-1]:.2f} after {EPOCHS}")
plt.legend()
plt.show()

# %%
gap = validation_losses[-1] - epoch_losses[-1]
lowest = int(np.argmin(validation_losses)) + 1
say(
    f"The validation loss is lowest after epoch {lowest} of {EPOCHS}"
    + (
        ", so **more epochs would still help**. "
        if lowest == EPOCHS
        else ", so **the later epochs only learned by heart**. "
    )
    + f"At the end it lies {gap:+.2f} nats from the training loss. In "
    f"{sum(each['norm'] > 1 for each in history) / len(history):.0%} of the "
    "steps the gradient was longer than 1 and was clipped."
)

# %% [markdown]
# **With charloom.** `charloom.train` in one call. It keeps the record on disk, `charloom plot RUN --output loss.png` plots it, and
# Ctrl-C loses nothing. With our own settings it should reach the same model, except for rounding, which a thousand steps magnify,
# and for the end of the text, which it does not drop:

# %%
from IPython.display import Image

from charloom.plotting import plot_loss

whole_path = FOLDER / "whole.txt"
whole_path.write_text(text, encoding="utf-8", newline="\n")
twin_run = charloom.train(
    whole_path,
    run=FOLDER / "by-hand-settings",
    steps=len(history),
    network=NetworkConfig(hidden_size=HIDDEN_SIZE, embedding_size=EMBEDDING_SIZE, dropout=0, initialization="uniform"),
    training=as_by_hand(),
    precision="float32",
)
twin_score = charloom.evaluate(charloom.load(twin_run.path), validation_text)
agree(
    "validation loss after the whole training", validation_losses[-1], twin_score.nats_per_character, choose(0.05, 0.1)
)
plot_loss([twin_run], FOLDER / "loss.png")
display(Image(FOLDER / "loss.png", width=640))

# %% [markdown]
# ## 7. Generating text with the trained model

# %% [markdown]
# ### Q21: How do you implement a function to generate text sequences from the trained RNN model in PyTorch?
#
# **By hand.** Read the seed text, draw a character from the distribution after it, feed it back in, repeat. Drawing takes one
# uniform number *u* between 0 and 1: line up the probabilities and take the character into whose interval *u* falls.

# %% tags=["by-hand"]


def draw(logits, temperature, uniform):
    """The first index at which the cumulative probability exceeds `uniform`."""
    scores = logits.cpu().double().numpy() / temperature
    probabilities = np.exp(scores - scores.max())
    cumulative = np.cumsum(probabilities / probabilities.sum())
    return min(int(np.searchsorted(cumulative, uniform, side="right")), len(cumulative) - 1)


@torch.no_grad()
def generate(model, seed_text, length, temperature=1.0, seed=0, end=None):
    """New characters after `seed_text`, one at a time: `length` of them, or until the index `end` is drawn."""
    random = np.random.Generator(np.random.PCG64(seed))
    ids = torch.cat([torch.tensor([BOUNDARY]), encode(seed_text)])[:, None].to(device)
    logits, state = model(ids, zero_state(model, 1))  # the whole seed is read, from the boundary on
    for _ in range(length):
        index = draw(logits[-1, 0], temperature, random.random())
        if index == end:
            return
        yield characters[index]
        logits, state = model(torch.tensor([[index]], device=device), state)


print("".join(generate(model, "The ", length=choose(400, 100), temperature=0.7, seed=1)))

# %% [markdown]
# **With charloom.** `charloom.generate`. It draws by the same rule from the same random numbers, so **our function and
# charloom's write the same text**:

# %%
library = as_charloom(model)
by_hand = "".join(generate(model, "The ", length=200, temperature=0.7, seed=1))
with_charloom = "".join(charloom.generate(library, "The ", length=200, temperature=0.7, seed=1))
same("200 characters from one seed", by_hand, with_charloom)

# %% [markdown]
# ### Q22: How do you generate text character by character starting from a seed string using the trained model?
#
# **By hand.** `generate` yields one character at a time; print each as it arrives, and the text appears as if it were typed. The
# seed string is read first and shapes everything that follows: **the model answers in the style of the question.**

# %% tags=["by-hand"]
for seed_text in ("class ", "If the ", text[: min(60, len(text))].splitlines()[-1] + "\n"):
    print(f"--- after {seed_text!r}")
    print(seed_text, end="")
    for character in generate(model, seed_text, length=150, temperature=0.6, seed=2):
        print(character, end="", flush=True)
    print()

# %% [markdown]
# **With charloom.** `for piece in charloom.generate(model, "class "): print(piece, end="")`, or `charloom generate RUN --prompt
# "class "` in a terminal. If you use a beginning often, read it once: `model.read` returns the state after it.

# %%
state = library.read("class ")
from_state = "".join(charloom.generate(library, state=state, length=150, temperature=0.6, seed=2))
same(
    "150 characters after 'class '", "".join(generate(model, "class ", length=150, temperature=0.6, seed=2)), from_state
)

# %% [markdown]
# **Exercise.** How fast is each? Time 500 characters.
#
# *Solution.* charloom writes with plain arrays instead of PyTorch, which spends most of its time on overhead for each tiny step:

# %% tags=["solution"]
speeds = {}
for name, writer in (
    ("by hand", lambda: generate(model, "A", 500)),
    ("with charloom", lambda: charloom.generate(library, "A", length=500)),
):
    began = time.perf_counter()
    "".join(writer())
    speeds[name] = 500 / (time.perf_counter() - began)
say(", ".join(f"{name}: {speed:,.0f} characters a second" for name, speed in speeds.items()) + ".")

# %% [markdown]
# ### Q23: How do you experiment with different temperature values to control the creativity and diversity of the generated text?
#
# **By hand.** The temperature divides the logits before softmax. Below 1, likely characters become likelier; near 0, the most
# probable one always wins; above 1, unlikely ones get a chance. What does it do to a text? We count two things: how many of the
# words exist in our text, and how many of the words are distinct.

# %% tags=["by-hand"]
for temperature in (0.2, 0.7, 1.3):
    print(f"--- temperature {temperature}")
    print("".join(generate(model, "The ", length=200, temperature=temperature, seed=3)))

# %%
vocabulary_of_words = set(re.findall(r"[a-z]{3,}", text.lower()))


def share_of_real_words(written):
    """The share of a text's words that also occur in ours."""
    found = re.findall(r"[a-z]{3,}", written.lower())
    return sum(word in vocabulary_of_words for word in found) / max(1, len(found))


def share_of_different_words(written):
    """The share of a text's words that are distinct."""
    found = re.findall(r"[a-z]{3,}", written.lower())
    return len(set(found)) / max(1, len(found))


temperatures = [0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.6, 2.0]
real, different = [], []
for temperature in temperatures:
    written = charloom.generate_many(library, ["The "] * 8, length=choose(1000, 120), temperature=temperature, seed=1)
    joined = " ".join(sample.text for sample in written)
    real.append(share_of_real_words(joined))
    different.append(share_of_different_words(joined))

figure, axes = plt.subplots()
axes.plot(temperatures, real, marker=MARKERS[0], label="words that exist in our text")
axes.plot(temperatures, different, marker=MARKERS[1], label="different words")
axes.set_xlabel("temperature")
axes.set_ylabel("share of the words written")
axes.legend()
axes.set_title(
    headline(
        f"At {temperatures[1]} the words are right ({real[1]:.0%}) and repeat themselves ({different[1]:.0%} "
        f"different); at {temperatures[-1]} they "
        f"are different ({different[-1]:.0%}) and made up ({real[-1]:.0%} exist)"
    )
)
plt.show()

# %% [markdown]
# **With charloom.** `temperature=`, and also `top_k`, `top_p`, `min_p` and a repetition penalty; most of these cut off unlikely
# characters instead of making them rarer. Near 0, both give the *greedy* text, always the most probable character:

# %%
greedy = "".join(charloom.generate(library, "The ", length=100, greedy=True))
same("the greedy text", "".join(generate(model, "The ", length=100, temperature=1e-6)), greedy)

# %% [markdown]
# ### Q24: How do you ensure that the model generates text with a specific length or number of characters?
#
# **By hand.** Count. `generate` yields exactly `length` new characters; the seed text does not count. The other way to end is an
# **end symbol** that the model itself predicts. For that it has to see ends during training: we train a second model on words, with
# the boundary after each. It stops when it draws the boundary, at a length of its own choice.

# %% tags=["by-hand"]
for length in (1, 10, 100):
    print(length, "asked for,", len("".join(generate(model, "The ", length))), "written")

word_list = sorted({"".join(c for c in word if c.isalpha()).lower() for word in text.split()})
word_list = [word for word in word_list if 3 <= len(word) <= 12 and all(c in index_of for c in word)]
shuffled = np.random.Generator(np.random.PCG64(0)).permutation(len(word_list))
word_ids = torch.cat([torch.cat([encode(word_list[place]), torch.tensor([BOUNDARY])]) for place in shuffled])
torch.manual_seed(SEED)
namer = CharacterRNN(INPUT_SIZE, choose(128, 32), OUTPUT_SIZE + 1, 16).to(device)  # + 1: the boundary can be predicted
for record in train(namer, word_ids, steps=choose(1500, 60), peak=PEAK, streams=16, length=32):
    pass
names = ["".join(generate(namer, "", length=40, seed=seed, end=BOUNDARY)) for seed in range(12)]
print(f"loss {record['loss']:.2f} nats; words that end by themselves:", ", ".join(names))

# %% [markdown]
# **With charloom.** `length=` (exactly that many, unless something ends the text earlier), `stop=["\n\n"]` for a string that must not
# appear, and `--documents lines` for a model that learns where texts end.

# %%
for length in (1, 10, 100):
    same(f"a length of {length}", length, len("".join(charloom.generate(library, "The ", length=length))))
namer_library = as_charloom(namer, predicts_end=True)
same(
    "words that end by themselves",
    names,
    ["".join(charloom.generate(namer_library, "", length=40, seed=seed)) for seed in range(12)],
)

# %% [markdown]
# **Exercise.** Write a paragraph: a text that stops before the first blank line and has at most 600 characters.
#
# *Solution.*

# %% tags=["solution"]
paragraph = ""
for character in generate(model, "The ", length=600, temperature=0.5, seed=5):
    paragraph += character
    if paragraph.endswith("\n\n"):
        break
same(
    "the paragraph",
    paragraph.removesuffix("\n\n"),
    "".join(charloom.generate(library, "The ", length=600, temperature=0.5, seed=5, stop=["\n\n"])),
)
show_text("The " + paragraph)

# %% [markdown]
# **That was the whole program.** The cells *by hand* from Q12 to here define a network, train it and let it write, in less than
# 200 lines, and use nothing but PyTorch and numpy.

# %% [markdown]
# ## 8. Evaluating model performance

# %% [markdown]
# ### Q25: How do you evaluate the model's performance in predicting the next character in a sequence on a validation set in PyTorch?
#
# **By hand.** Read the validation text once, from beginning to end, with the state carried, and count every character exactly once.
# We compute two figures: the mean surprise, and the *accuracy*, the share of characters that were the most probable one. There is no
# averaging of batch averages, and no dropped tail.

# %%


@torch.no_grad()
def evaluate(model, ids):
    """Mean surprise in nats, and accuracy; the state is carried through the whole text."""
    column = torch.cat([torch.tensor([BOUNDARY]), ids])[:, None].to(device)
    state, nats, right = zero_state(model, 1), 0.0, 0
    for start in range(0, len(ids), 1000):
        end = min(start + 1000, len(ids))
        logits, state = model(column[start:end], state)
        targets = column[start + 1 : end + 1]
        nats += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        right += (logits.argmax(dim=2) == targets).sum().item()
    return nats / len(ids), right / len(ids)


nats, accuracy = evaluate(model, validation_ids)
say(f"**{nats:.4f} nats per character, and {accuracy:.1%} of the characters were the first guess.**")

# %% [markdown]
# **With charloom.** `charloom.evaluate(model, text)`, or `charloom evaluate RUN`, which adds n-grams and compressors to compare
# with (`--baselines`).

# %%
score = charloom.evaluate(library, validation_text)
agree("nats per character", nats, score.nats_per_character, 1e-4)
agree("accuracy", accuracy, score.accuracy, 2e-4)

# %% [markdown]
# **A hidden assumption: how much context does a prediction get?** *Carried*: everything before it. *Fresh*: the text is cut into
# windows, and each starts with an empty state, as models with a fixed window have to be evaluated. The same model and the same text
# give different figures:

# %%
windows = [8, 16, 32, 64, 128, 256, 512]
fresh = [charloom.evaluate(library, validation_text, context=window).nats_per_character for window in windows]

figure, axes = plt.subplots()
axes.plot(windows, fresh, marker=MARKERS[0], label="a fresh start in each window")
axes.axhline(score.nats_per_character, color=COLOURS[1], linestyle="--", label="the state carried")
axes.set_xscale("log", base=2)
axes.set_xticks(windows, windows)
axes.set_xlabel("characters in a window")
axes.set_ylabel("nats per character")
axes.legend()
axes.set_title(
    headline(
        f"The same model is worth {fresh[windows.index(64)]:.2f} nats in windows of 64, "
        f"{fresh[windows.index(256)]:.2f} in windows of 256, and "
        f"{score.nats_per_character:.2f} with the state carried"
    )
)
plt.show()

# %% [markdown]
# And does it matter how it was *trained*? Two small networks see the same number of characters: one in streams with the state
# carried, one in shuffled windows that start from an empty state. We evaluate each both ways.

# %%


def train_on_shuffled_windows(model, ids, steps, peak, streams, length, seed):
    """The usual DataLoader: random windows, each with an empty state."""
    random = torch.Generator().manual_seed(seed)
    optimizer = make_optimizer(model)
    for step in range(steps):
        starts = torch.randint(1, len(ids) - length, (streams,), generator=random)
        places = starts + torch.arange(length)[:, None]  # (length, streams)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        logits, _ = model(ids[places - 1].to(device), zero_state(model, streams))
        loss = loss_of(logits, ids[places].to(device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


SMALL, SEEDS = choose(128, 32), choose((1, 2, 3), (1, 2))
SHORT = 16  # characters in a window

results = {(way, judged): [] for way in ("streams", "windows") for judged in ("carried", "fresh")}
for seed in SEEDS:
    for way in ("streams", "windows"):
        torch.manual_seed(seed)
        small = CharacterRNN(INPUT_SIZE, SMALL, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
        if way == "streams":
            for record in train(small, train_ids, choose(600, 40), peak=PEAK, streams=64, length=SHORT):
                pass
        else:
            train_on_shuffled_windows(small, train_ids, choose(600, 40), PEAK, streams=64, length=SHORT, seed=seed)
        results[way, "carried"].append(validation_loss(small, validation_ids))
        results[way, "fresh"].append(
            charloom.evaluate(as_charloom(small), validation_text, context=SHORT).nats_per_character
        )

means = {key: float(np.mean(values)) for key, values in results.items()}
ranges = max(max(values) - min(values) for values in results.values())
print("trained on   judged carried   judged in fresh windows of 16   (mean of", len(SEEDS), "seeds, nats)")
for way in ("streams", "windows"):
    print(f"{way:<12} {means[way, 'carried']:>14.3f}   {means[way, 'fresh']:>29.3f}")
advantage = means["windows", "carried"] - means["streams", "carried"]
say(
    f"Judged with the state carried, streams are {abs(advantage):.3f} nats {'better' if advantage > 0 else 'worse'} "
    f"than shuffled windows; judged in windows of {SHORT} the difference is "
    f"{means['windows', 'fresh'] - means['streams', 'fresh']:+.3f}. The seeds differ by up to {ranges:.3f} nats, so "
    "differences below that say nothing. "
    "**A figure means something only together with the way in which the text was read: never compare carried with "
    "fresh.**"
)

# %% [markdown]
# ### Q26: How do you calculate and interpret the perplexity score for the character-level RNN model?
#
# **By hand.** Perplexity is `exp(nats per character)`. Read it as: *the model hesitates as if it had to choose among that many
# equally likely characters*.

# %%
perplexity = math.exp(nats)
say(
    f"**Perplexity {perplexity:.2f} per character**: of {OUTPUT_SIZE} characters that could come, it hesitates among "
    f"about {perplexity:.1f}."
)
agree("perplexity", perplexity, score.perplexity, 1e-3)

# %% [markdown]
# **A hidden assumption: per character.** Perplexity per *word* is something else. The perplexity of a word is that of a character
# to the power of the word's length, because the surprises of its characters add up. To interpret a figure, compare it with others:
# a model that knows nothing, one that counts letters, one that counts sequences of five, and a compressor.

# %%
from charloom.evaluation import NGram, compressors

floor = {
    "all characters equally likely": math.log(OUTPUT_SIZE),
    "how common each character is": NGram(train_ids.numpy(), 1, OUTPUT_SIZE).nats(validation_ids.numpy())
    / len(validation_ids),
    "the 4 characters before (5-gram)": NGram(train_ids.numpy(), 5, OUTPUT_SIZE).nats(validation_ids.numpy())
    / len(validation_ids),
}
for baseline in compressors(train_text.encode(), validation_text.encode(), len(validation_text)):
    if baseline.name == "xz":
        floor["xz, primed with the training text"] = baseline.bits_per_character * math.log(2)
floor["our network, by hand"] = nats
floor["charloom's defaults (chapter 1)"] = first_score.nats_per_character

pieces = [validation_text[place : place + 40] for place in range(0, len(validation_text) - 40, 40)]
repeated = sum(piece in train_text for piece in pieces) / len(pieces)
length_of_word = len(validation_text) / len(validation_text.split())
say(
    "| who predicts | nats | bits | perplexity per character | per word |\n|---|---|---|---|---|\n"
    + "\n".join(
        f"| {name} | {value:.3f} | {value / math.log(2):.3f} | {math.exp(value):.2f} | "
        f"{math.exp(value * length_of_word):,.0f} |"
        for name, value in floor.items()
    )
)
say(
    f"**Know your text:** {repeated:.0%} of the validation text, in pieces of 40 characters, stand word for word in the "
    "training text too, for a manual repeats itself. A compressor that copies from far back, and a model that counts long "
    "sequences, live on that; a small network has to learn passages by heart first. Compare this table with that "
    "of Tiny Shakespeare in chapter 10."
)
say(
    f"A perplexity of {perplexity:.2f} *per character* is one of **{perplexity**length_of_word:,.0f} per word** here, "
    "because a word has "
    f"{length_of_word:.1f} characters, its space included. Anyone who quotes a perplexity without saying per what has "
    "said nothing."
)

# %% [markdown]
# **Exercise.** A model has a perplexity of 4.2 per character. How many bits does it need per character, and how many bytes
# for a megabyte of such text?
#
# *Solution.*

# %% tags=["solution"]
bits = math.log2(4.2)
print(
    f"log2(4.2) = {bits:.2f} bits; a million characters need {1e6 * bits / 8:,.0f} bytes, {8 / bits:.1f} times less "
    "than as plain bytes"
)

# %% [markdown]
# ### Q27: How do you visualize the model's predictions versus the actual next characters in a sequence?
#
# **By hand.** For each position of a passage: the true character, and the five most probable ones, darker if likelier. A frame marks
# the true one if it is among them.

# %%
start = len(validation_text) // 3
passage = validation_text[start : start + 40].replace("\n", " ")
with torch.no_grad():
    column = torch.cat([torch.tensor([BOUNDARY]), encode(validation_text[start - 300 : start] + passage)])[:, None].to(
        device
    )
    logits, _ = model(column[:-1], zero_state(model, 1))
chances = torch.softmax(logits[-len(passage) :, 0], dim=1).cpu()
best = chances.topk(5, dim=1)

figure, axes = plt.subplots(figsize=(13, 2.6))
axes.imshow(best.values.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
for place, actual in enumerate(passage):
    for row in range(5):
        guess = characters[best.indices[place, row]]
        shown_guess = {" ": "␣", "\n": "↵"}.get(guess, guess)
        dark = best.values[place, row] > 0.6
        axes.text(
            place,
            row,
            shown_guess,
            ha="center",
            va="center",
            fontsize=9,
            color="white" if dark else "black",
            family="DejaVu Sans Mono",
        )
        if guess == actual:
            axes.add_patch(
                plt.Rectangle((place - 0.47, row - 0.47), 0.94, 0.94, fill=False, color=COLOURS[1], linewidth=2)
            )
axes.set_xticks(
    range(len(passage)), ["␣" if character == " " else character for character in passage], family="DejaVu Sans Mono"
)
axes.xaxis.tick_top()
axes.set_yticks(range(5), [f"guess {row + 1}" for row in range(5)])
axes.grid(visible=False)
among = sum(index_of[actual] in best.indices[place].tolist() for place, actual in enumerate(passage))
axes.set_title(
    f"The truth (top line) is the first guess {sum(best.indices[p, 0] == index_of[a] for p, a in enumerate(passage))} "
    f"times of {len(passage)}, and among the first five {among} times",
    pad=14,
)
plt.show()

# %% [markdown]
# **With charloom.** `charloom score RUN --text F --png heat-map.png` for a picture, `--html` for an interactive page. Each character
# is coloured by its surprise, with the expected characters below.

# %%
from charloom.evaluation import Surprises
from charloom.plotting import draw_heat_map

surprises = list(Surprises(library, validation_text[start - 300 : start + 96]))
shown_part = surprises[300:]
mean_bits = sum(surprise.nats for surprise in shown_part) / len(shown_part) / math.log(2)
display(
    Image(draw_heat_map(shown_part, f"{mean_bits:.2f} bits per character over this passage", columns=48), width=900)
)
agree("the surprise of the first character", -math.log(chances[0, index_of[passage[0]]]), shown_part[0].nats, 1e-3)

nats_of_each = charloom.surprisal(library, validation_text)
letter = np.array([character.isalpha() for character in validation_text])
first_letter = letter & ~np.concatenate([[False], letter[:-1]])
say(
    f"**Surprise sits at the beginnings of words.** Over the whole validation text the first letter of a word costs "
    f"{nats_of_each[first_letter].mean() / math.log(2):.2f} bits, a letter inside one "
    f"{nats_of_each[letter & ~first_letter].mean() / math.log(2):.2f}."
)

# %% [markdown]
# ## 9. Hyperparameter adjustments
#
# Four questions of the form *what happens if*. Each is answered by a small experiment, with the same rules for all:
#
# * **An equal budget**: every network reads the same number of characters, in the same number of steps.
# * **One thing at a time**: everything else stays at the shared centre.
# * **Several seeds**: the same setting is trained several times, and each result is a point. **Differences smaller than those
#   between the seeds mean nothing.**
#
# The experiments are small and short, so they show directions. For a larger text, a larger network or more time, the best values shift.

# %%
BUDGET = choose(600_000, 20_000)  # characters that each network reads
AT_ONCE = 1024  # characters per step: streams times sequence length
CENTRE = {"hidden_size": choose(128, 32), "layers": 1, "peak": 1.6e-2, "length": 64}
done = {}


def experiment(seed, **changes):
    """Train one small network by hand and evaluate it; the same settings are trained only once."""
    settings = {**CENTRE, **changes}
    key = (seed, *settings.values())
    if key not in done:
        torch.manual_seed(seed)
        network = CharacterRNN(INPUT_SIZE, settings["hidden_size"], OUTPUT_SIZE, EMBEDDING_SIZE, settings["layers"]).to(
            device
        )
        steps, streams = BUDGET // AT_ONCE, AT_ONCE // settings["length"]
        began = time.perf_counter()
        losses = [
            record["loss"] for record in train(network, train_ids, steps, settings["peak"], streams, settings["length"])
        ]
        seconds = time.perf_counter() - began
        done[key] = {
            "nats": validation_loss(network, validation_ids),
            "losses": losses,
            "seconds": seconds,
            "network": network,
        }
    return done[key]


def sweep(name, values):
    """The results of all seeds for each value of one setting."""
    return {value: [experiment(seed, **{name: value}) for seed in SEEDS] for value in values}


def mean_of(results, what="nats"):
    """The mean over the seeds, for each value."""
    return {value: float(np.mean([one[what] for one in ones])) for value, ones in results.items()}


def largest_spread(results):
    """The largest difference between the seeds of one value."""
    return max(max(one["nats"] for one in ones) - min(one["nats"] for one in ones) for ones in results.values())


def draw_results(axes, results, name, title):
    """A point for each seed, a line through the means."""
    places = range(len(results))
    for place, ones in zip(places, results.values()):
        axes.plot([place] * len(ones), [one["nats"] for one in ones], "o", color=COLOURS[0], alpha=0.6)
    axes.plot(places, list(mean_of(results).values()), color=COLOURS[1], marker=MARKERS[1], label="mean of the seeds")
    axes.set_xticks(places, [f"{value:g}" for value in results])
    axes.set_xlabel(name)
    axes.set_ylabel("validation, nats per character")
    axes.set_title(headline(title, 55), fontsize=10)


def draw_curves(axes, results, name):
    """The training loss of the first seed, smoothed."""
    for (value, ones), colour, marker in zip(results.items(), COLOURS, MARKERS):
        losses = np.array(ones[0]["losses"])
        width = max(1, len(losses) // 15)
        smooth = np.convolve(losses, np.ones(width) / width, "valid")
        axes.plot(
            np.arange(len(smooth)) + width,
            smooth,
            color=colour,
            marker=marker,
            markevery=max(1, len(smooth) // 8),
            label=f"{value:g}",
        )
    axes.set_xlabel("step")
    axes.set_ylabel("training loss, nats (smoothed)")
    axes.legend(title=name, fontsize=8)


say(
    f"Each network reads {BUDGET:,} characters in {BUDGET // AT_ONCE} steps, with {len(SEEDS)} seeds. The centre: one "
    "LSTM layer of "
    f"{CENTRE['hidden_size']} units, learning rate {CENTRE['peak']:g}, sequences of {CENTRE['length']}."
)

# %% [markdown]
# ### Q28: How do you experiment with different learning rates to observe their impact on the model's training performance?
#
# **By hand.** Try values that differ by a constant *factor*, from far too small to far too large, so that the best one is
# inside the range and not at its end.

# %%
rates = sweep("peak", [1e-3, 4e-3, 1.6e-2, 6.4e-2, 2.56e-1])
means = mean_of(rates)
best_rate = min(means, key=means.get)
figure, panels = plt.subplots(1, 2, figsize=(12, 4.2))
draw_curves(panels[0], rates, "learning rate")
draw_results(
    panels[1],
    rates,
    "learning rate (peak)",
    f"Best of these: {best_rate:g} with {means[best_rate]:.2f} nats; the smallest gives {means[min(means)]:.2f}, the "
    f"largest {means[max(means)]:.2f}",
)
figure.tight_layout()
plt.show()
say(
    f"**The best learning rate of these is {best_rate:g}.** The smallest costs "
    f"{means[min(means)] - means[best_rate]:.2f} nats, the largest "
    f"{means[max(means)] - means[best_rate]:.2f}; the seeds differ by up to {largest_spread(rates):.3f}. Too small "
    "learns too slowly for the time there is; too large overshoots. With more steps, the best value is usually smaller."
)

# %% [markdown]
# **With charloom.** `TrainingConfig(learning_rate=...)`, or `--training.learning-rate`. Both loops agree, whatever the rate:

# %%
same_losses(f"learning rate {best_rate:g}", peak=best_rate)

# %% [markdown]
# ### Q29: How do you adjust the hidden size of the RNN model, and what impact does it have on the model's ability to generate text?
#
# **By hand.** One argument. More units remember more, and cost more: the recurrent matrix grows with the square. We look at the
# loss, at the time, and at the written text: how many of its words exist?

# %%
sizes = sweep("hidden_size", choose([32, 64, 128, 256], [8, 16, 32, 64]))
means, times = mean_of(sizes), mean_of(sizes, "seconds")
real = {}
for size, ones in sizes.items():
    written = [
        sample.text
        for one in ones
        for sample in charloom.generate_many(
            as_charloom(one["network"]), ["The "] * 8, length=choose(500, 100), temperature=0.8, seed=1
        )
    ]
    real[size] = share_of_real_words(" ".join(written))

small_size, large_size = min(sizes), max(sizes)
figure, panels = plt.subplots(1, 2, figsize=(12, 4.2))
draw_results(
    panels[0],
    sizes,
    "hidden size",
    f"From {small_size} to {large_size} units the loss goes from {means[small_size]:.2f} to {means[large_size]:.2f} "
    f"nats, the time from {times[small_size]:.1f} to {times[large_size]:.1f} s",
)
panels[1].bar([str(size) for size in real], list(real.values()), color=COLOURS[2])
panels[1].set_xlabel("hidden size")
panels[1].set_ylabel("words written that exist in our text")
panels[1].set_title(
    headline(
        f"{real[small_size]:.0%} of the words exist with {small_size} units, {real[large_size]:.0%} with {large_size}",
        55,
    ),
    fontsize=10,
)
figure.tight_layout()
plt.show()
for size in (small_size, large_size):
    print(f"--- {size} units")
    print("".join(generate(sizes[size][0]["network"], "The ", length=200, temperature=0.7, seed=4)))
say(
    f"**{large_size // small_size} times the units: {means[small_size] - means[large_size]:.2f} nats better, in "
    f"{times[large_size] / times[small_size]:.1f} times the time** (the seeds differ by up to "
    f"{largest_spread(sizes):.3f}). That is at an equal number of characters. At an equal *time* the smaller one could "
    "have read that many times as much, which is another experiment."
)

# %% [markdown]
# **With charloom.** `NetworkConfig(hidden_size=...)`; with a time budget, charloom chooses it by how much your machine can read in
# that time.

# %%
same_losses(f"hidden size {small_size}", hidden_size=small_size)

# %% [markdown]
# ### Q30: How do you experiment with the number of layers in the RNN model to analyze its effect on text generation?
#
# **By hand.** One argument again. A second layer reads the states of the first as if they were a text, and doubles the number of
# steps that each gradient must pass through.

# %%
depths = sweep("layers", [1, 2, 3])
means, times = mean_of(depths), mean_of(depths, "seconds")
best_depth = min(means, key=means.get)
figure, panels = plt.subplots(1, 2, figsize=(12, 4.2))
draw_curves(panels[0], depths, "layers")
draw_results(
    panels[1],
    depths,
    "layers",
    f"After {BUDGET:,} characters, {best_depth} {'layer is' if best_depth == 1 else 'layers are'} best: "
    + ", ".join(f"{value:.3f}" for value in means.values())
    + " nats",
)
figure.tight_layout()
plt.show()
for depth in (1, 3):
    print(f"--- layers: {depth}")
    print("".join(generate(depths[depth][0]["network"], "The ", length=200, temperature=0.7, seed=4)))
certain = abs(means[1] - means[3]) > largest_spread(depths)
say(
    f"**Three layers instead of one: {means[3] - means[1]:+.3f} nats, in {times[3] / times[1]:.1f} times the time.** "
    f"The seeds differ by up to {largest_spread(depths):.3f}, so this difference is "
    f"{'larger than chance' if certain else 'no larger than chance'}."
)

# %% [markdown]
# **With charloom.** `NetworkConfig(layers=...)`:

# %%
same_losses("2 layers", layers=2, hidden_size=choose(64, 32))

# %% [markdown]
# ### Q31: How do you change the sequence length for input sequences, and what effect does it have on the training process and model performance?
#
# **By hand.** The sequence length is how far the gradient flows back. To change nothing else, the number of streams changes
# inversely, so that each step still holds the same number of characters.

# %%
lengths = sweep("length", [4, 16, 64, 256])
means, times = mean_of(lengths), mean_of(lengths, "seconds")
best_length = min(means, key=means.get)
figure, panels = plt.subplots(1, 2, figsize=(12, 4.2))
draw_results(
    panels[0],
    lengths,
    "sequence length",
    f"Best of these: {best_length} characters with {means[best_length]:.2f} nats; with 4 it is {means[4]:.2f}, with 256 "
    f"{means[256]:.2f}",
)
panels[1].bar([str(length) for length in times], list(times.values()), color=COLOURS[2])
panels[1].set_xlabel("sequence length")
panels[1].set_ylabel("seconds of training")
panels[1].set_title(
    headline(f"The same characters take {times[4]:.1f} s in slices of 4 and {times[256]:.1f} s in slices of 256", 55),
    fontsize=10,
)
figure.tight_layout()
plt.show()
costs = {length: nats_of_it - means[best_length] for length, nats_of_it in means.items()}
spread = largest_spread(lengths)
say(
    f"**The best of these lengths is {best_length}; slices of 4 cost {costs[4]:.3f} nats, slices of 256 cost {costs[256]:.3f}.** "
    f"The seeds differ by up to {spread:.3f}, so "
    + (", ".join(str(length) for length, cost in costs.items() if cost > spread) or "none")
    + " of the lengths can be told from the best at this budget. Two things pull against each other. Short slices see what "
    "stood before, because the state is carried, but cannot learn *what to keep* for longer than a slice. Long slices leave "
    "fewer streams, so each step sees fewer different places of the text. The first counts for more the longer one trains."
)

# %% [markdown]
# **With charloom.** `TrainingConfig(sequence_length=...)`:

# %%
same_losses("sequence length 16", length=16, streams=AT_ONCE // 16)

# %% [markdown]
# **Exercise.** All four experiments changed one thing. Combine the best value of each: is the result better than the centre by
# the sum of the four gains?
#
# *Solution.* There is no reason why it should be: the best value of one setting depends on the others.

# %% tags=["solution"]
best = {
    "peak": min(mean_of(rates), key=mean_of(rates).get),
    "hidden_size": min(mean_of(sizes), key=mean_of(sizes).get),
    "layers": best_depth,
    "length": best_length,
}
together = float(np.mean([experiment(seed, **best)["nats"] for seed in SEEDS]))
centre = float(np.mean([experiment(seed)["nats"] for seed in SEEDS]))
gains = [centre - min(mean_of(results).values()) for results in (rates, sizes, depths, lengths)]
print(
    f"centre {centre:.3f}, the best of each together {together:.3f} nats: a gain of {centre - together:.3f}; the sum "
    f"of the gains is {sum(gains):.3f}"
)

# %% [markdown]
# ## 10. Conclusion
#
# ### What was learned

# %%
by_counting, by_xz = floor["the 4 characters before (5-gram)"], floor["xz, primed with the training text"]
best_size = min(mean_of(sizes), key=mean_of(sizes).get)
learned = [
    f"**From {math.log(OUTPUT_SIZE):.2f} to {nats:.2f} nats.** Our own program of less than 200 lines takes the perplexity "
    f"per character from {OUTPUT_SIZE} to {perplexity:.2f} and guesses {accuracy:.0%} of the characters of a text that it "
    f"never saw. On this text, of which {repeated:.0%} repeats what stood before, a 5-gram model needs "
    f"{by_counting:.2f} nats and xz {by_xz:.2f}.",
    f"**By hand and library agree**: the same losses, the same perplexity ({perplexity:.3f} and {score.perplexity:.3f}), "
    "the same text from the same seed.",
    "**The same characters can teach more or less.** With charloom's defaults (Muon, averaged weights, dropout, orthogonal "
    f"first weights) a network of the same size comes to {first_score.nats_per_character:.3f} nats after as many epochs, "
    f"{first_score.nats_per_character - nats:+.3f} from ours.",
    f"**What is left of a gradient {FAR} characters back**, after training: "
    + ", ".join(f"{name} {share:.0e}" for name, share in left_over.items())
    + ".",
    "**How a figure is measured matters as much as the model**: the same network is worth "
    f"{fresh[windows.index(64)]:.2f} nats in windows of 64 characters and {score.nats_per_character:.2f} with the state "
    "carried.",
    f"**Of the settings that we tried**, at our small budget: learning rate {best_rate:g}, {best_size} units, layers: "
    f"{best_depth}, sequence length {best_length}.",
]
say("\n".join(f"* {finding}" for finding in learned))

# %% [markdown]
# ### How good can it get? Tiny Shakespeare
#
# The standard small text of the field is a megabyte of Shakespeare's plays; the first nine tenths are for training, the last tenth
# for validation. It is not part of this notebook, which needs no internet, so this longest run was made beforehand by one
# command, `python benchmarks/course_record.py`, which wrote the record that the next cell reads.

# %%
import json

record_file = Path("record.json")
record = json.loads(record_file.read_text(encoding="utf-8")) if record_file.exists() else None
if record is None:
    say(
        "There is no record here yet: run `python benchmarks/course_record.py` in a clone of charloom, then this "
        "cell again."
    )
else:
    carried, fresh_256 = record["carried"], record["fresh"]
    say(
        f"""
| Model | Trained for | nats per character, validation |
|---|---|---|
| **charloom, {record["network"]}, state carried** | {record["seconds"]:.0f} s on {record["machine"]["threads"]} cores | **{carried["nats_per_character"]:.4f}** |
| the same in fresh windows of {record["context"]} | the same run | {fresh_256["nats_per_character"]:.4f} |
| nanoGPT, 10.65 M parameters ([its README](https://github.com/karpathy/nanoGPT)) | 3 minutes on an A100 GPU | 1.4697 |
| nanoGPT's recipe for a CPU (same README) | 3 minutes on a laptop | 1.88 |
| minLSTM ([arXiv 2410.01201](https://arxiv.org/abs/2410.01201), its own split, test) | | 1.555 |
| minGRU (same paper) | | 1.548 |
| a 5-gram model | the same text | {math.log(2) * record["baselines"]["5-gram"]:.4f} |
| xz, primed with the training text | | {math.log(2) * record["baselines"]["xz"]:.4f} |
"""
    )
    say(
        f"charloom: perplexity {carried['perplexity']:.2f} per character, {carried['accuracy']:.1%} of the characters "
        f"guessed, {record['parameters']:,} parameters, one seed. nanoGPT is judged on random windows of 256 characters, so "
        "the fresh figure is the one to compare with it. We know of no published recurrent network below 1.52 nats on this "
        "split, other than those of this project."
    )
    show_text(record["sample"])

# %% [markdown]
# ### Recurrent character models today
#
# * **State-space models** brought recurrence back: the step is linear in the state, so a whole text can be trained in parallel.
#   S4 ([arXiv 2111.00396](https://arxiv.org/abs/2111.00396)), Mamba ([2312.00752](https://arxiv.org/abs/2312.00752)), and on
#   bytes MambaByte ([2401.13660](https://arxiv.org/abs/2401.13660)).
# * **Minimal RNNs**: *Were RNNs All We Needed?* ([2410.01201](https://arxiv.org/abs/2410.01201)) removes the hidden state from
#   the gates of GRU and LSTM; the rest can be trained in parallel too.
# * **xLSTM** ([2405.04517](https://arxiv.org/abs/2405.04517)) gives the LSTM exponential gates and a matrix memory;
#   **RWKV** ([2305.13048](https://arxiv.org/abs/2305.13048)) is a recurrent network at the size of large language models.
# * **Byte-level transformers** do without a tokenizer: character transformers with 64 layers
#   ([1808.04444](https://arxiv.org/abs/1808.04444)), ByT5 ([2105.13626](https://arxiv.org/abs/2105.13626)), MEGABYTE
#   ([2305.07185](https://arxiv.org/abs/2305.07185)), the Byte Latent Transformer
#   ([2412.09871](https://arxiv.org/abs/2412.09871)).
# * **Among plain recurrent networks** on characters, read about the Mogrifier LSTM ([1909.01792](https://arxiv.org/abs/1909.01792))
#   and the regularised AWD-LSTM ([1803.08240](https://arxiv.org/abs/1803.08240)).
#
# For large models on large texts, transformers and their hybrids are ahead. **For a megabyte of text, a laptop and a few
# minutes, an LSTM is still hard to beat.**
#
# ### Where to go next

# %%
if Path("20_your_own_text.ipynb").exists() or Path("20_your_own_text.py").exists():
    print(
        "The other lessons:",
        ", ".join(sorted({lesson.stem for lesson in Path().glob("[0-9][0-9]_*") if lesson.stem[:2] != "10"})),
    )
say(
    """* A text of your own, in one command: `charloom train my.txt --time-budget 4m`, then `charloom generate runs/my --prompt "Once "`.
* What a model knows: `charloom report runs/my` shows where its loss sits, which units follow what, and whether it copies.
* Change `TEXT` in the second cell and run this notebook on it."""
)
