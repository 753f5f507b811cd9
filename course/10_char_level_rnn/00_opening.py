# %% [markdown]
# # Character-level recurrent networks, from the first tensor to a good model
#
# A network reads a text one character at a time and guesses, after each, what comes next. That is all. From this one habit it learns
# spelling, grammar, layout, and when to close a bracket; and then it can write, complete, correct, classify and compress.
#
# This notebook answers **thirty-one questions** about such networks with code that runs. Every answer has two depths:
#
# * **By hand**: plain PyTorch, a few lines that you can make your own. Put together they are a complete program, `by_hand.py`, which lies
#   next to this notebook in the repository and trains on any text file of 10,000 characters or more: `python by_hand.py my.txt`, in
#   that folder.
# * **With charloom**: the same with the library, and a cell marked ✔ that **checks that both agree**. It stops the notebook if they do
#   not.
#
# **Time.** A weekend: about eight hours with the exercises. Each chapter says how long it takes and what it needs. If you only want the
# story, read the headings, the pictures and the **bold** sentences; that takes an hour.
#
# **Prerequisites.** Python (functions, loops, classes), and a little PyTorch: what a tensor is, and that `loss.backward()` computes
# gradients. You know what a matrix times a vector is, what a logarithm and a probability are, and, for chapter 6, the chain rule.
# From chapter 4 on, you need means and standard deviations. Nothing about recurrent networks or language models is assumed.
#
# **How to run it.** You can read everything here without running it. To run it, you need a laptop, no GPU. Nothing is downloaded, apart
# from the packages that the next cell installs if they are missing and one text in chapter 10, which is skipped when there is no network:
# the main text is the manual that comes with every Python. Three ways:
#
# * On **Colab** or **Binder**, with the badges above.
# * On **your own machine**: `pip install torch --index-url https://download.pytorch.org/whl/cpu` for the small CPU build of PyTorch
#   (without it, pip on Linux fetches the GPU build, about 3 GB), then `pip install '.[course,text]'` in a clone, and `jupyter lab
#   course`.
# * On **your own text**: change `TEXT` in the cell after the next one. It should be English, in UTF-8, and have at least 100,000
#   characters. On Colab, upload the file first (the folder symbol on the left).
#
# The environment variable `CHARLOOM_COURSE` is `full` (the default, about twenty minutes on two cores) or `fast` (tiny networks, about
# two minutes: it shows that everything runs, not how good it gets). On Colab, put `%env CHARLOOM_COURSE=fast` into a cell at the top.
#
# **What to believe.** Sentences that compare two things were written by the run that you see. One rule, explained in chapter 4, decides
# whether two things can be told apart at all. Where they were trained for the comparison, there are several trainings with different
# seeds; elsewhere the sentence says what varies. Figures from elsewhere come with their source.

# %% tags=["by-hand"]
import os
import tempfile
from pathlib import Path

TEXT = "python-docs"  # the one line to change: the path of your text file, such as "my.txt"

FAST = os.environ.get("CHARLOOM_COURSE", "full") == "fast"
FOLDER = Path(tempfile.mkdtemp(prefix="charloom-course-"))  # where this notebook keeps its files


def choose(full, fast):
    """The first value in a full run, the second in a fast one."""
    return fast if FAST else full


print("a fast run: the figures below show that everything works, not how good it gets" if FAST else "a full run")

# %% [markdown]
# The next two cells have only what all later ones need: how pictures look, how sentences and figures are shown, and two checks that
# results agree.

# %% jupyter={"source_hidden": true}
import math
import reprlib
import textwrap

import matplotlib.pyplot as plt
from IPython.display import Markdown, display

from charloom.machine import watch_threads
from charloom.plotting import COLOURS, MARKERS, show

# COLOURS are colours that colour-blind people can tell apart, each with a shape of MARKERS; show() shows a picture, with a sentence for
# readers who cannot see it.

watch_threads()  # next to other work, the threads of a step sleep while they wait for each other
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


# %% jupyter={"source_hidden": true}
def say(text):
    """Show a sentence with figures computed by the run."""
    display(Markdown(text))


def headline(text, width=95):
    """A title that states the result, wrapped to as many lines as it needs."""
    return textwrap.fill(text, width)


def show_text(text):
    """Show what a model wrote, unchanged."""
    print(textwrap.indent(text, "    | ", lambda line: True))


def at_most(value, digits=1):
    """A figure that `value` does not exceed: rounded up to so many digits."""
    if value <= 0:
        return "0"
    unit = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return f"{math.ceil(value / unit * (1 - 1e-12)) * unit:.{digits - 1}e}"


def agree(what, by_hand, charloom, tolerance):
    """Check that two figures are the same up to `tolerance`, and say so."""
    difference = abs(by_hand - charloom)
    assert difference <= tolerance, f"{what}: {by_hand} by hand, {charloom} with charloom"
    print(f"✔ {what}: {by_hand:.5f} by hand, {charloom:.5f} with charloom, difference {difference:.1e}")


def same(what, by_hand, charloom):
    """Check that two things are equal, and say so."""
    assert by_hand == charloom, f"{what}: {reprlib.repr(by_hand)} by hand, {reprlib.repr(charloom)} with charloom"
    print(f"✔ {what}: the same by hand and with charloom")


print("ready")
