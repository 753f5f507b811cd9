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
# # Names: writing lines of a kind, and knowing whether they are new
#
# A list has a name on each line, preceded by its kind: `language<TAB>surname`, for example. A model that reads each line as a separate
# text (`--documents lines`) learns names **given their kind**: give it the kind and the tab as a prompt, and it writes a name of that
# kind. Then three questions are worth asking. Are the names **new**? Would they **pass for real** ones? And are they **of the requested
# kind**?
#
# The first question alone is a trap: *xqzzk* is new, too. So newness counts here only together with the second question, and the judge of
# that is not the model itself.
#
# The names are those in Python's own library: classes, functions, constants and errors. Nothing is downloaded.
#
# **Time:** 15 minutes to read; about two minutes to run on two cores. **You need:** Python, and to know what temperature does
# (chapter 7 of the main lesson). The environment variable `CHARLOOM_COURSE` is `full` (the default) or `fast` (seconds: it shows that
# everything runs).

# %%
import ast
import math
import os
import random
import sysconfig
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown, display

import charloom
from charloom import CorpusConfig, NetworkConfig, SamplingConfig
from charloom.data import make_corpus
from charloom.evaluation import paired
from charloom.generation import Lines, new_samples
from charloom.plotting import COLOURS, MARKERS, show

FAST = os.environ.get("CHARLOOM_COURSE", "full") == "fast"
FOLDER = Path(tempfile.mkdtemp(prefix="charloom-course-"))
print("a fast run" if FAST else "a full run")


def say(text):
    """Show a sentence with figures that this run computed."""
    display(Markdown(text))


# %% [markdown]
# ## A list with kinds
# A third of the names is put away now, for the judge: it must know names that the model has never seen. The model gets the rest.

# %%
library = Path(sysconfig.get_paths()["stdlib"])
sources = sorted(
    path
    for path in library.rglob("*.py")
    if not any("test" in part or part == "site-packages" for part in path.relative_to(library).parts)
)
found = set[tuple[str, str]]()
for source in sources[:: 12 if FAST else 1]:
    try:
        tree = ast.parse(source.read_bytes())
    except SyntaxError:  # a file that is wrong on purpose
        continue
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            found.add(("error" if node.name.endswith(("Error", "Warning")) else "class", node.name))
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("__"):
            found.add(("function", node.name))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id.isupper() and len(node.id) > 2:
            found.add(("constant", node.id))

KINDS = ("class", "function", "constant", "error")
listed = sorted(found)
for_judge = set(random.Random(1).sample(listed, len(listed) // 3))
names_file = FOLDER / "names.tsv"
lines = [f"{kind}\t{name}\n" for kind, name in listed if (kind, name) not in for_judge]
names_file.write_text("".join(lines), encoding="utf-8", newline="\n")
print(
    f"{len(lines):,} names for the model, {len(for_judge):,} for the judge:", dict(Counter(kind for kind, _ in listed))
)

# %% [markdown]
# ## The order matters
#
# The list is sorted, and the split is contiguous: its last tenth would hold out only functions that begin with the last letters. A
# figure on that would say how well the model writes names that begin with *w*. `--shuffle SEED` reorders the lines **before** the
# split. The order depends only on the lines and the seed (each line is hashed), so the run can be resumed and evaluated later, and
# equal lines stay together: no held-out line was trained on.

# %%
for shuffle in (0, 1):
    config = CorpusConfig(documents="lines", shuffle=shuffle)
    corpus = make_corpus([("names", names_file.read_bytes())], config, name="names", source="names")
    held_out = str(corpus.validation).splitlines()[1:]
    kinds = Counter(line.partition("\t")[0] for line in held_out)
    letters = len({line.partition("\t")[2][:1] for line in held_out})
    print(f"shuffle {shuffle}: held out are {dict(kinds.most_common())}, with {letters} first letters")

run = charloom.train(
    names_file,
    run=FOLDER / "run",
    corpus=config,
    network=NetworkConfig(hidden_size=32 if FAST else 192, embedding_size=32, dropout=0.4),
    training=charloom.TrainingConfig(batch_size=8 if FAST else 32, learning_rate=12e-3, weight_decay=0.1),
    steps=30 if FAST else 1600,
)
model = charloom.load(run.path)

# %% [markdown]
# In a terminal: `charloom train names.tsv --documents lines --shuffle 1`.
#
# ## Asking for a kind


# %%
def write(kind, many, temperature=0.8, seed=1):
    """Names of a kind."""
    made = charloom.generate_many(model, [f"{kind}\t"] * many, length=50, temperature=temperature, seed=seed)
    return [sample.text for sample in made]


for kind in KINDS:
    print(f"{kind:<9}", ", ".join(write(kind, 6)))

# %% [markdown]
# ## A judge
#
# What makes *readable_lines* a name and *rqadxble* not? Its letters follow each other as letters do in names. A **4-gram** model counts just
# that: how often each letter came after the three letters before it, in the third of the names that the model does not know. Where
# three letters were never seen, it looks at two, then one (Witten and Bell's way of mixing them). It is no network, shares no data with
# ours, and knows nothing of what ours finds probable.


# %%
class Judge:
    """A 4-gram model of the names of one kind."""

    def __init__(self, names):
        self.counts = defaultdict(Counter)
        for name in names:
            letters = f"^^^{name}$"
            for place in range(3, len(letters)):
                for start in range(place - 3, place + 1):  # after three letters, two, one, none
                    self.counts[letters[start:place]][letters[place]] += 1

    def chance(self, before, letter):
        """The probability of a letter after others: a mixture of what followed them, and what followed fewer of them."""
        shorter = self.chance(before[1:], letter) if before else 1 / 128
        after = self.counts.get(before)
        if after is None:
            return shorter
        return (after[letter] + len(after) * shorter) / (after.total() + len(after))

    def surprise(self, name):
        """Mean surprise of a name's letters, in bits."""
        letters = f"^^^{name}$"
        places = range(3, len(letters))
        return -sum(math.log2(self.chance(letters[place - 3 : place], letters[place])) for place in places) / len(
            places
        )


judges = {kind: Judge([name for each, name in for_judge if each == kind]) for kind in KINDS}
for name in ("readable_lines", "rqadxble_lenis", "tset_dats", "get_context"):
    print(f"{name:<16} {judges['function'].surprise(name):.1f} bits a letter")

# %% [markdown]
# Where is the line? Real names decide: the **held-out** ones, which neither the model nor the judge has seen. The line is drawn where
# nine in ten of them pass, kind by kind. So a name *passes* if it is no stranger than the great majority of real names. Where there are
# fewer than thirty held-out names, no line can be drawn, and the kind stays out.

# %%
known, existing = Lines.of(corpus.train), Lines.of(corpus.validation)
real = {
    kind: [line.partition("\t")[2] for line in sorted(existing.exact) if line.startswith(f"{kind}\t")] for kind in KINDS
}
JUDGED = [kind for kind in KINDS if len(real[kind]) >= 30]
limits = {kind: np.quantile([judges[kind].surprise(name) for name in real[kind]], 0.9) for kind in JUDGED}


def passes(kind, name):
    """Whether the judge finds a name no stranger than nine in ten real names."""
    return judges[kind].surprise(name) <= limits[kind]


draw = random.Random(1)
for kind in JUDGED:
    letters = "".join(real[kind])
    jumbled = ["".join(draw.sample(letters, len(name))) for name in real[kind]]
    as_they_are, mixed_up = (np.mean([passes(kind, name) for name in names]) for names in (real[kind], jumbled))
    print(
        f"{kind:<9} {len(real[kind]):>4} held-out names: {as_they_are:.0%} pass; of their letters, jumbled: {mixed_up:.0%}"
    )

# %% [markdown]
# ## Are they new, and do they pass?
#
# A name is **new** if it is not in the training list, even if capitals, accents and spaces are ignored. Predict first: what does a low
# **temperature** do to the share of new names, to the share that passes, and to the share of different ones? And a high one? At which do you
# get the most names that are new *and* pass?

# %%
temperatures = (0.3, 0.5, 0.7, 0.9, 1.0, 1.2)
SEEDS, MANY = (2, 5) if FAST else (4, 50)


def shares(temperature, seed):
    """Of the names written with one seed, the share that are new, that pass, that are both, and that are distinct."""
    made = [(kind, name) for kind in JUDGED for name in write(kind, MANY, temperature, seed=1 + 10_000 * seed)]
    new = np.array([not known.alike(f"{kind}\t{name}") for kind, name in made])
    passed = np.array([passes(kind, name) for kind, name in made])
    return new.mean(), passed.mean(), (new & passed).mean(), len(set(made)) / len(made)


LABELS = ("new", "passes", "new and passes", "distinct")
rates = np.array([[shares(temperature, seed) for seed in range(SEEDS)] for temperature in temperatures])
means, spreads = rates.mean(1), rates.std(1, ddof=1)
print("temperature  ", *(f"{label:<17}" for label in LABELS))
for temperature, mean, spread in zip(temperatures, means, spreads, strict=True):
    print(f"{temperature:<14}", *(f"{at:4.0%} ± {around:<9.0%}" for at, around in zip(mean, spread, strict=True)))

# %%
figure, axes = plt.subplots(figsize=(7.5, 4.2), dpi=100)
for number, label in enumerate(LABELS):
    style = {"color": COLOURS[number], "marker": MARKERS[number], "lw": 2.5 if number == 2 else 1.2}
    axes.errorbar(temperatures, 100 * means[:, number], 100 * spreads[:, number], label=label, capsize=2, **style)
axes.axhline(90, color="#888888", lw=1, ls=":", label="held-out real names: 90% pass")
axes.set(xlabel="temperature", ylabel="share of the written names (%)", ylim=(0, 104))
axes.set_title(
    f"At {temperatures[-1]}, {means[-1, 0]:.0%} are new, but only {means[-1, 2]:.0%} are new and pass for names",
    loc="left",
    fontsize=11,
)
axes.legend(frameon=False, fontsize=9)
axes.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
show(
    "The share of written names that are new, that pass for names, that are both, and that are distinct, by temperature."
)

# %%


def highest(column):
    """Where a share is highest, and whether the temperature next to it in rank can be told from that."""
    first, second = np.argsort(-means[:, column], kind="stable")[:2]
    said = paired(100 * rates[first, :, column], 100 * rates[second, :, column]).sentence(
        f"more than at {temperatures[second]}, the runner-up",
        f"fewer than at {temperatures[second]}, the runner-up",
        f"that and {temperatures[second]}, the runner-up with {means[second, column]:.0%},",
        "points",
        0,
    )
    return f"at {temperatures[first]}: {means[first, column]:.0%}; {said}"


say(f"* Names that are **new**, whether they pass or not, are most frequent {highest(0)}.")
say(f"* Names that are **new and pass** are most frequent {highest(2)}.")
passing = paired(rates[0, :, 1], 0.9)
if passing.clear and passing.mean > 0:
    say(
        f"At {temperatures[0]}, {means[0, 1]:.0%} pass, more than the 90% of real names: it writes what is most usual, and real names are "
        f"not always usual. It also repeats itself: {means[0, 3]:.0%} are distinct, against {means[-1, 3]:.0%} at {temperatures[-1]}."
    )
made = [(kind, name) for kind in JUDGED for name in write(kind, MANY, 1.2) if not known.alike(f"{kind}\t{name}")]
for verdict in (True, False):
    chosen = [name for kind, name in made if passes(kind, name) == verdict][:8]
    print(f"new at 1.2, {'passes' if verdict else 'does not':<9}:", ", ".join(chosen))

# %% [markdown]
# The judge errs, too: it refuses one real name in ten, and it likes what is usual. *Passing* means "made like real names", not "good".
#
# New names that occur in the **held-out** list are the best sign of all: they exist, and the model has never seen them.

# %%
many = [f"{kind}\t{name}" for kind in KINDS for name in write(kind, 40 if FAST else 400)]
new = [line for line in many if not known.alike(line)]
exist = sorted({line.partition("\t")[2] for line in new if line in existing.exact})
print(
    f"{len(many):,} names at 0.8: {len(new):,} new, {len(exist)} different ones of which exist:", ", ".join(exist[:12])
)

# %% [markdown]
# To get only new names, each once, `charloom generate RUN --prompt $'error\t' --samples 10 --new` redraws whatever is in the
# training list.

# %%
fresh = new_samples(model, ["error\t"] * 10, SamplingConfig(temperature=0.8), known, length=50, seed=1)
print(", ".join(sample.text for sample in fresh))

# %% [markdown]
# ## Are they of the requested kind?
#
# The judges can say that as well: which kind's judge is least surprised? They err, so we put their verdict on real held-out names next to
# that on the written ones, and draw the written ones several times.


# %%
def judged(name):
    """The kind whose judge is least surprised by a name."""
    return min(KINDS, key=lambda kind: judges[kind].surprise(name))


print(f"{'':<10}{'held-out names':>16}{'written names':>18}")
for kind in KINDS:
    reference = np.mean([judged(name) == kind for name in real[kind]]) if real[kind] else float("nan")
    written = [
        np.mean([judged(name) == kind for name in write(kind, 2 * MANY, seed=1 + 10_000 * seed)])
        for seed in range(SEEDS)
    ]
    few = "" if kind in JUDGED else f"  (only {len(real[kind])} held-out names)"
    print(f"{kind:<10}{reference:>16.0%}{np.mean(written):>11.0%} ± {np.std(written, ddof=1):.0%}{few}")

# %% [markdown]
# **Next:** try a list of your own (towns by country, products by shop): a kind, a tab and a name on each line. `benchmarks/names.py`
# asks the same questions of first names and of surnames in eighteen languages, compared with n-grams, and measures how often a
# classifier can tell a written name from a real one.
#
# **Predict, then try:** let the judge use pairs of letters instead of four (`f"^{name}$"`, contexts of one letter). Does it still catch the
# gibberish? And if you train the judge on the model's own training names, does the share that passes rise or fall?
#
# <details><summary>Hints</summary>
#
# *tionatio* consists of common pairs of letters; is any of its triples rare? And a judge that has seen the training names finds whatever was
# copied from them less strange, so both its limit (from held-out names, which it has not seen) and its verdicts change. Why should judge
# and model not learn from the same names?
#
# </details>
