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
