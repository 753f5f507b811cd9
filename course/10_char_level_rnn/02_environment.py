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
