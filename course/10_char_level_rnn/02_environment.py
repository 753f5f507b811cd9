# %% [markdown]
# ## 2. Setting up the environment
#
# *About 15 minutes. You need Python and a terminal.*

# %% [markdown]
# ### Q1: How do you install the necessary libraries for building and training character-level RNNs in PyTorch?
#
# **By hand.** You need three packages: `pip install torch numpy matplotlib`. On Linux, pip installs PyTorch's build for NVIDIA
# GPUs, about 3 GB; `pip install torch --index-url https://download.pytorch.org/whl/cpu` installs the small build without GPU
# support.
#
# **With charloom.** `pip install '.[course,text]'` in a clone installs those three, charloom itself, and what you need to open
# notebooks. Here is what this run used. The check reads the list from which pip works, and compares the installed versions with
# it:

# %%
import sys
from importlib.metadata import requires, version

from packaging.requirements import Requirement  # pip's own rules for versions; matplotlib brings it along

asked_for = {one.name: one.specifier for one in map(Requirement, requires("charloom")) if one.marker is None}
for package in ("torch", "numpy", "matplotlib"):
    print(f"{package:<12} {version(package):<16} charloom asks for {asked_for.get(package, 'no such package')}")
    assert package in asked_for and asked_for[package].contains(version(package), prereleases=True), package
print(f"{'charloom':<12} {version('charloom')}")
print(f"{'Python':<12} {sys.version.split()[0]}")
print("✔ the three packages are those that charloom asks for, in versions that it accepts")

# %% [markdown]
# ### Q2: How do you import the required modules for text processing, model building, and training in PyTorch?
#
# **By hand.** The standard library reads, counts and measures time, numpy draws random numbers, `torch.nn` has the layers,
# `torch.nn.functional` the loss, and `matplotlib` draws. Chapters 3 to 7 need little more than these eight lines.

# %% tags=["by-hand"]
import math
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

print(f"PyTorch {torch.__version__} has the layers", [name for name in ("RNN", "GRU", "LSTM") if hasattr(nn, name)])

# %% [markdown]
# **With charloom.** One import. It has few public names, and each is loaded on first use. What it builds is made of the same
# modules of PyTorch:

# %%
import charloom

print(", ".join(charloom.__all__))

# %%
from charloom import CharRNN, NetworkConfig

for cell, layer in {"rnn-tanh": nn.RNN, "rnn-relu": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}.items():
    network = CharRNN(NetworkConfig(cell=cell, hidden_size=4, embedding_size=2), inputs=3, outputs=2)
    used = [type(part) for part in (network.embedding, network.layers[0], network.output)]
    same(f"the layers of {cell}", [nn.Embedding, layer, nn.Linear], used)

# %% [markdown]
# ### Q3: How do you set up your environment to use a GPU if available, or fallback to a CPU in PyTorch?
#
# **By hand.** Ask for the best available device, keep it in one variable, and move both the model and every batch to it with
# `.to(device)`. `cuda` is an NVIDIA GPU, `mps` Apple's. If you forget one of the two, PyTorch raises an error that says that
# tensors are on different devices. For networks as small as ours a GPU helps little: most of the time it waits for the next small
# step.

# %% tags=["by-hand"]


def best_device():
    """An NVIDIA GPU, or else an Apple GPU, or else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


device = best_device()
torch.backends.cudnn.allow_tf32 = False  # exact products on a GPU, as on a CPU: the checks below compare digits
layer, batch = nn.Linear(3, 2).to(device), torch.ones(5, 3).to(device)
print(f"training on {device}, with {torch.get_num_threads()} threads; a layer's result is on {layer(batch).device}")

# %% [markdown]
# **With charloom.** `--device auto`, the default, decides the same way. This machine can only show one case of it, so we also
# pretend to have each of the four kinds of machine, and compare both decisions:

# %%
from itertools import product
from unittest.mock import patch

from charloom.machine import choose_device

same("the device of this machine", device.type, choose_device("auto").name)
for nvidia, apple in product((True, False), repeat=2):
    with (
        patch("torch.cuda.is_available", return_value=nvidia),
        patch("torch.backends.mps.is_available", return_value=apple),
    ):
        case = f"{'an' if nvidia else 'no'} NVIDIA GPU and {'an' if apple else 'no'} Apple GPU"
        same(f"with {case}: {best_device().type}", best_device().type, choose_device("auto").name)

# %% [markdown]
# ### Q4: How do you set a random seed in PyTorch to ensure reproducibility of results?
#
# **By hand.** `torch.manual_seed(n)` sets the beginning of the stream from which PyTorch draws initial weights and dropout. To see
# that this makes a *training* repeatable, we train a tiny network on one line of text. You need not understand it yet: chapters 3
# to 6 build a better one piece by piece.

# %% tags=["by-hand"]
SEED = 1
LINE = "how much wood would a woodchuck chuck if a woodchuck could chuck wood? "


def small_training(seed, steps=5):
    """The losses of a few steps of gradient descent on a line of text, and a weight before the first of them."""
    symbols = sorted(set(LINE))
    ids = torch.tensor([len(symbols)] + [symbols.index(character) for character in LINE], device=device)
    torch.manual_seed(seed)
    layers = nn.Embedding(len(symbols) + 1, 8), nn.LSTM(8, 16), nn.Linear(16, len(symbols))
    embedding, recurrent, output = (layer.to(device) for layer in layers)
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    first, losses = output.weight[0, 0].item(), []
    for _ in range(steps):
        loss = F.cross_entropy(output(recurrent(embedding(ids[:-1]))[0]), ids[1:])
        losses.append(loss.item())
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
            parameter.data -= 0.5 * gradient
    return losses, first


for name, seed in (("seed 1", 1), ("again 1", 1), ("seed 2", 2)):
    losses, first = small_training(seed)
    print(f"{name:<8} a first weight: {first:+.6f}   losses:", " ".join(f"{loss:.6f}" for loss in losses))

# %% [markdown]
# **With charloom.** `TrainingConfig(seed=1)`, or `--training.seed 1`. It must draw the same first weights, and so reach the same
# losses. If it ignored the seed, or drew one number too many, all of them would differ. (While it trains, charloom shows a line of
# progress. Its loss is the mean over the steps since the line last changed, so it need not be the loss of the last step.)

# %%
from charloom import TrainingConfig


def all_agree(what, by_hand, charloom, tolerance):
    """Check that all numbers of two tensors (or lists) are the same up to `tolerance`, and say so."""
    ours, theirs = (torch.as_tensor(numbers).detach().cpu() for numbers in (by_hand, charloom))
    assert ours.shape == theirs.shape, f"{what}: {tuple(ours.shape)} by hand, {tuple(theirs.shape)} with charloom"
    largest = (ours - theirs).abs().max().item()
    assert largest <= tolerance, f"{what}: a difference of {largest:.1e}"  # which is also false for nan
    print(f"✔ {what}: {ours.numel():,} numbers by hand and with charloom, largest difference {largest:.1e}")


tiny = {
    "network": NetworkConfig(hidden_size=16, embedding_size=8, dropout=0, initialization="uniform"),
    "corpus": charloom.CorpusConfig(split=(1.0, 0.0, 0.0)),
}
plain = {"optimizer": "sgd", "learning_rate": 0.5, "beta1": 0, "weight_decay": 0, "clip": 0, "average": 0}
constant = {"schedule": "constant", "warmup": 0, "batch_size": 1, "sequence_length": len(LINE)}
for seed in (1, 2):
    losses = []
    charloom.train(
        LINE,
        run=FOLDER / f"seed-{seed}",
        steps=5,
        **tiny,
        training=TrainingConfig(seed=seed, **plain, **constant),
        precision="float32",
        callback=lambda event: losses.append(event.progress.loss_nats),
    )
    all_agree(f"the losses of 5 steps with seed {seed}", small_training(seed)[0], losses, 1e-5)

# %% [markdown]
# **A second stream, for writing.** Drawing the characters of a text uses random numbers too. They come from a generator of their
# own, with its own seed, so that writing a text never changes a training. We can make these numbers visible: a network whose last
# layer is zero finds all V characters equally likely, so the number u draws character ⌊u V⌋.

# %% tags=["by-hand"]
alphabet = "abcdefghijklmnopqrstuvwxyz"
uniform = np.random.Generator(np.random.PCG64(SEED))
drawn = "".join(alphabet[int(uniform.random() * len(alphabet))] for _ in range(40))
print(drawn)

# %%
from charloom import LanguageModel
from charloom.models import ModelConfig

model = LanguageModel.new(ModelConfig(tiny["network"], "none", False), charloom.Vocabulary.of([alphabet]))
nn.init.zeros_(model.network.output.weight)
nn.init.zeros_(model.network.output.bias)
same("40 characters drawn at random", drawn, "".join(charloom.generate(model, length=40, seed=SEED)))

# %% [markdown]
# **A hidden assumption: the same seed gives the same result on the same machine.** Another processor, another number of threads or
# another version adds numbers in a different order, and training magnifies the last digit. A GPU may even add in a different order
# each time; `torch.use_deterministic_algorithms(True)` forbids that where PyTorch can, and costs speed. Reproducible means:
# exactly on the same CPU with the same settings, closely elsewhere.
#
# **Exercise. Predict first:** someone adds a line `torch.rand(1)` between `torch.manual_seed(1)` and the network. Which weights
# change: none, the first one, or all? And if the line comes after the network is built, but before the training?
#
# <details><summary>Solution</summary>
#
# Before the network: practically all of them. Every draw takes the next numbers of one stream, so one number too many shifts all
# that follow. After the network: none, and the losses stay the same too, unless the training itself draws (dropout, a shuffled
# order). This is why charloom gives each purpose its own stream.
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
firsts = []
for extra in (0, 1):
    torch.manual_seed(SEED)
    torch.rand(extra)
    firsts.append(nn.Linear(100, 100).weight)
say(f"With one number too many, {(firsts[0] != firsts[1]).float().mean():.0%} of 10,000 weights change.")
