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
