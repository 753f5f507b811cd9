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
# kind. Then three questions are worth asking. Are the names **new**? Are they **of the requested kind**? And would they **pass for
# real** ones?
#
# The names here are those in Python's own library: classes, functions, constants and errors. Nothing is downloaded. The environment
# variable `CHARLOOM_COURSE` is `full` (the default, about two minutes) or `fast` (seconds: it shows that everything runs).

# %%
import ast
import os
import sysconfig
import tempfile
from collections import Counter
from pathlib import Path

import charloom
from charloom import CorpusConfig, NetworkConfig, SamplingConfig
from charloom.data import make_corpus
from charloom.generation import Lines, compare

FAST = os.environ.get("CHARLOOM_COURSE", "full") == "fast"
FOLDER = Path(tempfile.mkdtemp(prefix="charloom-course-"))
print("a fast run" if FAST else "a full run")

# %% [markdown]
# ## A list with kinds

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

names_file = FOLDER / "names.tsv"
names_file.write_text("".join(f"{kind}\t{name}\n" for kind, name in sorted(found)), encoding="utf-8", newline="\n")
print(f"{len(found):,} names:", dict(Counter(kind for kind, _ in found).most_common()))

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
    held_out = str(
        make_corpus([("names", names_file.read_bytes())], config, name="names", source="names").validation
    ).splitlines()[1:]
    kinds = Counter(line.partition("\t")[0] for line in held_out)
    letters = len({line.partition("\t")[2][:1] for line in held_out})
    print(f"shuffle {shuffle}: held out are {dict(kinds.most_common())}, with {letters} first letters")

run = charloom.train(
    names_file,
    run=FOLDER / "run",
    corpus=config,
    network=NetworkConfig(hidden_size=32 if FAST else 192, embedding_size=32, dropout=0.4),
    training=charloom.TrainingConfig(batch_size=8 if FAST else 32, learning_rate=12e-3, weight_decay=0.1),
    steps=30 if FAST else 900,
)
model = charloom.load(run.path)

# %% [markdown]
# In a terminal: `charloom train names.tsv --documents lines --shuffle 1`.
#
# ## Asking for a kind

# %%
KINDS = ("class", "function", "constant", "error")


def write(kind, many, temperature=0.8):
    """Names of a kind."""
    made = charloom.generate_many(model, [f"{kind}\t"] * many, length=50, temperature=temperature, seed=1)
    return [sample.text for sample in made]


for kind in KINDS:
    print(f"{kind:<9}", ", ".join(write(kind, 6)))

# %% [markdown]
# ## Are they new?
#
# `compare` counts lines that are in the training list, lines that are in it apart from capitals, accents and spaces, and new ones. A
# low **temperature** repeats the list and repeats itself; a high one writes more new lines, and more that are not names.

# %%
import matplotlib.pyplot as plt

corpus = make_corpus([("names", names_file.read_bytes())], config, name="names", source="names")
known, existing = Lines.of(corpus.train), Lines.of(corpus.validation)
temperatures = (0.3, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
rows = []
for temperature in temperatures:
    lines = [f"{kind}\t{name}" for kind in KINDS for name in write(kind, 10 if FAST else 150, temperature)]
    rows.append(compare(lines, known, existing))

figure, axes = plt.subplots(figsize=(7.5, 4))
for count, style in (("new", "o-"), ("repeated", "s--"), ("distinct", "^:")):
    axes.plot(temperatures, [row.share(count) for row in rows], style, label=count)
axes.set_xlabel("temperature")
axes.set_ylabel("share of the written names")
axes.set_ylim(0, 1.03)
axes.set_title(
    f"{rows[0].share('new'):.0%} are new at {temperatures[0]}, {rows[-1].share('new'):.0%} at {temperatures[-1]}"
)
axes.legend(frameon=False)
for side in ("top", "right"):
    axes.spines[side].set_visible(False)
plt.show()

# %% [markdown]
# New names that occur in the **held-out** list are the best sign of all: they exist, and the model has never seen them.

# %%
lines = [f"{kind}\t{name}" for kind in KINDS for name in write(kind, 40 if FAST else 500)]
told = compare(lines, known, existing)
print(
    f"{told.lines:,} names at 0.8: {told.new:,} new, of which {told.held_out} exist; {told.repeated:,} repeat the training list"
)
exist = {line for line in lines if line in existing.exact and not known.alike(line)}
print(", ".join(sorted(line.split()[1] for line in exist)[:12]))

# %% [markdown]
# To get only new names, each once, `charloom generate RUN --prompt $'error\t' --samples 10 --new` redraws whatever is in the
# training list.

# %%
from charloom.generation import new_samples

fresh = new_samples(model, ["error\t"] * 10, SamplingConfig(temperature=0.8), known, length=50, seed=1)
print(", ".join(sample.text for sample in fresh))

# %% [markdown]
# ## Are they of the requested kind?
#
# The model must not be its own judge. We ask another one, which only knows the pairs of letters that each kind has in the training
# list. It errs too, so we put its verdict on real held-out names next to its verdict on the written ones.

# %%
import math

pairs = {kind: Counter() for kind in KINDS}
for line in known.exact - {""}:
    kind, _, name = line.partition("\t")
    if kind in pairs:
        pairs[kind].update(zip(f"^{name}", f"{name}$", strict=True))


def judged(name):
    """The kind that makes a name's pairs of letters most probable."""

    def nats(kind):
        total = sum(pairs[kind].values())
        return -sum(
            math.log((pairs[kind][pair] + 0.1) / (total + 300)) for pair in zip(f"^{name}", f"{name}$", strict=True)
        )

    return min(KINDS, key=nats)


real = [line.partition("\t")[::2] for line in existing.exact if line.partition("\t")[0] in KINDS]
written = [line.partition("\t")[::2] for line in lines]
for title, pairs_of in (("held-out names", real), ("written names", written)):
    shares = []
    for kind in KINDS:
        of_kind = [name for each, name in pairs_of if each == kind]
        shares.append(f"{kind} {sum(judged(name) == kind for name in of_kind) / max(1, len(of_kind)):.0%}")
    print(f"{title:<15} judged to be what they are: {', '.join(shares)}")

# %% [markdown]
# **Next:** try a list of your own (towns by country, products by shop): a kind, a tab and a name on each line. `benchmarks/names.py`
# asks the same questions of first names and of surnames in eighteen languages, compared with n-grams, and measures how often a
# classifier can tell a written name from a real one.
