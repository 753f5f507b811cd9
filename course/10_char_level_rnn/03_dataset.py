# %% [markdown]
# ## 3. Preparing the dataset
#
# *About 20 minutes. You need Python's strings and files; of PyTorch, nothing yet.*

# %% [markdown]
# ### Q5: How do you load a text dataset from a file in Python for use in a character-level RNN?
#
# **By hand.** `Path.read_text`, with an explicit encoding. Never leave it out: Python's default depends on the machine.
# `utf-8-sig` is UTF-8 that also removes a *byte order mark*, an invisible character that some editors write at the beginning.
# Python turns the line ends of Windows (`\r\n`) into newlines by itself. If the file has a different encoding, Python raises an
# error, and that is good: better an error now than question marks that the model learns.
#
# Our text is the manual inside Python's `help()`. It is not a file, so we write it to one first. Its topics quote each other at
# length, and on a text that repeats itself, copying would look like learning. So we keep a paragraph only if at least two thirds
# of its passages of 30 characters are new.

# %% tags=["by-hand"]
import re


def without_repetitions(topics):
    """The topics in alphabetical order, each without the paragraphs that repeat what came before."""
    seen, kept = set(), []
    for name in sorted(topics):
        paragraphs = []
        for paragraph in re.split(r"\n(?:[ \t]*\n)+", topics[name].strip("\n")):
            flat = " ".join(paragraph.split())  # however its lines are broken
            passages = [flat[start : start + 30] for start in range(max(1, len(flat) - 29))]
            new = set(passages) - seen
            if 3 * len(new) >= 2 * len(passages):
                seen |= new
                paragraphs.append(paragraph)
        if paragraphs:
            kept.append("\n\n".join(paragraphs) + "\n")
    return "\n\n".join(kept)


def read_file(path):
    """The text of a file: UTF-8, with newlines as line ends; an error if it is not UTF-8."""
    return Path(path).read_text(encoding="utf-8-sig")


file = Path(TEXT)
if TEXT == "python-docs":
    from pydoc_data.topics import topics

    file = FOLDER / "python-docs.txt"
    file.write_text(without_repetitions(topics), encoding="utf-8", newline="\n")

text = read_file(file)
print(f"{len(text):,} characters from {file.name}")

# %% [markdown]
# **With charloom.** A text can be a file, a folder, or the name of a corpus (`charloom data list`). It says what it changes while reading. We compare the whole text, and then a file made to be difficult: a byte order mark, three kinds of line
# ends, and characters of two, three and four bytes.

# %%
from charloom import CorpusConfig
from charloom.data import open_text

corpus = open_text(TEXT, CorpusConfig())  # the name or the path, as charloom itself finds it
same(f"the whole text, {len(text):,} characters", text, str(corpus.text))

difficult = FOLDER / "difficult.txt"
difficult.write_bytes("\ufeffWindows\r\nOld Mac\rUnix\nGrüße, 你好, ☃, 🙂\r\n\r\nthe end".encode())
read_by_charloom = open_text(difficult, CorpusConfig())
same("the difficult file", read_file(difficult), str(read_by_charloom.text))
print(repr(read_file(difficult)))
print("charloom notes:", *(note.split(": ", 1)[1] + "." for note in read_by_charloom.notes))

# %% [markdown]
# Both must also *refuse* the same file: here one in Latin-1, where "ü" is the single byte 0xfc. Each names the place.

# %%
latin = FOLDER / "latin.txt"
latin.write_bytes("Viele Grüße".encode("latin-1"))
places = []
for reader in (read_file, lambda path: open_text(path, CorpusConfig())):
    try:
        reader(latin)
    except (UnicodeDecodeError, charloom.CharloomError) as error:
        print(f"{type(error).__name__}: {error}")
        places.append(int(re.search(r"(?:position|offset) (\d+)", str(error)).group(1)))
assert len(places) == 2, "one of the two read the file"
same("the place of the first wrong byte", *places)

# %% [markdown]
# ### Q6: How do you inspect the contents and length of the loaded text dataset?
#
# **By hand.** Look at it. Then count: how long is it, how many distinct characters does it have, which are common, which are odd,
# how long are the lines? Five minutes here save hours later: a megabyte of licence headers, or one line of ten thousand
# characters, is learned as faithfully as anything else.

# %% tags=["by-hand"]
from collections import Counter

if FAST:
    text = text[:40_000]  # enough to see that everything runs

counts = Counter(text)
lines = text.split("\n")
print(text[:300])
print("...")
print(f"{len(text):,} characters, {len(counts)} different ones, {len(text.encode()):,} bytes of UTF-8")
print(f"{len(lines):,} lines, the longest of {max(map(len, lines)):,} characters")
print("rarest:", [character for character, _ in counts.most_common()[-12:]])

# %% [markdown]
# The figure shows the share of each of the 40 commonest characters. The first number below it is the *entropy* of the shares of all
# characters: the mean of −log2 of the share over all characters of the text, which is how surprising a character is on average to
# somebody who knows only how common each is.

# %%
most = counts.most_common(40)
shares = np.array(list(counts.values())) / len(text)
entropy = float(-(shares * np.log2(shares)).sum())


def visible(character):
    """A character as it is drawn: a space and a newline get a sign."""
    return {" ": "␣", "\n": "↵", "$": r"\$"}.get(character, character)


figure, axes = plt.subplots(figsize=(11, 3), dpi=110)
axes.bar([visible(character) for character, _ in most], [count / len(text) for _, count in most])
axes.tick_params(axis="x", labelsize=8)
axes.set_ylabel("share of the text")
axes.set_title(
    headline(
        f"The commonest character makes up {most[0][1] / len(text):.0%} of the text, the ten commonest "
        f"{sum(count for _, count in most[:10]) / len(text):.0%}"
    )
)
show("Bars: the share of each of the 40 commonest characters of the text.")
say(
    f"A model that knows only these shares needs {entropy:.2f} bits for a character; one that knows nothing needs "
    f"log2({len(counts)}) = "
    f"{math.log2(len(counts)):.2f}. **Everything below {entropy:.2f} bits is what a model learns from the order of "
    "the characters.**"
)

# %% [markdown]
# **With charloom.** `charloom data show python-docs` prints the length and the number of characters of a named text. In Python, a
# `Text` knows its sizes, and a `Vocabulary` turns it into numbers, which numpy counts. The count of every single character must
# agree:

# %%
theirs = charloom.Text.of(text)
known = charloom.Vocabulary.of(theirs.pieces())
numbers = known.encode(str(theirs))
same("the number of characters and of bytes", (len(text), len(text.encode())), (theirs.characters, theirs.bytes))
same(
    f"how often each of the {len(counts)} characters occurs",
    dict(counts),
    dict(zip(known.characters, np.bincount(numbers).tolist(), strict=True)),
)
same("the number of lines", len(lines), int((numbers == known.encode("\n")[0]).sum()) + 1)

# %% [markdown]
# **Exercise. Predict first:** if you shuffled all characters of the text, which of these figures would change: the entropy above,
# the loss of the best possible model, the number of lines, the longest line?
#
# <details><summary>Solution</summary>
#
# The entropy of the shares and the number of lines stay the same: both are counts. The longest line changes, and the best possible
# model falls back to the entropy of the shares: without an order there is nothing else to learn. A compressor shows it.
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
import zlib

shuffled = "".join(np.random.Generator(np.random.PCG64(0)).permutation(list(text)))
assert Counter(shuffled) == counts
for name, content in (("the text", text), ("shuffled", shuffled)):
    bits = 8 * len(zlib.compress(content.encode(), 9)) / len(content)
    longest = max(map(len, content.split("\n")))
    print(f"{name}: {content.count(chr(10)) + 1:,} lines, longest {longest:,}, zlib {bits:.2f} bits for a character")

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
in_validation = np.zeros(len(text), bool)
for start in starts[is_validation]:
    in_validation[start : start + WINDOW] = True
leaked = (seen & in_validation).sum() / in_validation.sum()
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
