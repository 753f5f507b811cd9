# %% [markdown]
# ## 4. Text processing and encoding
#
# *About 25 minutes, and 25 more for counting. You need Python's dictionaries and slices, and what a PyTorch tensor and its shape
# are.*

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
same("the number of each character", [*index_of.values()], [int(vocabulary.encode(each)[0]) for each in index_of])
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
# **With charloom.** `vocabulary.decode`. It refuses the boundary, which has no character. We decode every number once:

# %%
same("all characters decoded", decode(range(BOUNDARY)), vocabulary.decode(range(BOUNDARY)))

# %% [markdown]
# ### Q10: How do you encode the entire text dataset into numerical format using the character-to-index mapping?
#
# **By hand.** Look each character up and keep the numbers in a tensor. The loss in PyTorch expects `int64`, and embeddings take it too.

# %% tags=["by-hand"]


def encode(string):
    """The indices of a text, as a tensor."""
    return torch.tensor([index_of[character] for character in string], dtype=torch.int64)


train_ids, validation_ids = encode(train_text), encode(validation_text)
print(train_ids[:20].tolist(), "stands for", repr(train_text[:20]))

# %% [markdown]
# **With charloom.** `vocabulary.encode` does the same with one table look-up for the whole text, and uses one byte for each
# character if there are at most 255, instead of eight.

# %%
same("the encoded training text", train_ids.tolist(), vocabulary.encode(train_text).tolist())
same("the encoded validation text", validation_ids.tolist(), vocabulary.encode(validation_text).tolist())
say(f"{train_ids.nbytes:,} bytes by hand, {vocabulary.encode(train_text).nbytes:,} with charloom.")

# %% [markdown]
# **Exercise. Predict first:** is `decode(encode(s)) == s` for every text `s`? If you think not, which `s` is a counterexample, and
# what would a vocabulary have to look like so that it always holds?
#
# <details><summary>Solution</summary>
#
# It holds for every text made of known characters. Any other character makes `encode` raise a `KeyError`. A vocabulary of the 256
# *bytes* knows them all: in UTF-8 every character is one to four bytes. The price is that "ü" takes two steps instead of one.
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
assert decode(encode(text[:1000]).tolist()) == text[:1000]
stranger = next(character for character in "☃🙂" if character not in index_of)
try:
    encode(stranger)
except KeyError as error:
    print("KeyError:", error)
as_bytes = charloom.Vocabulary("bytes").encode(stranger)
print("as bytes it is", as_bytes.tolist(), "and back:", charloom.Vocabulary("bytes").decode(as_bytes.tolist()))

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
    inputs = torch.cat([targets.new_tensor([BOUNDARY]), targets[:-1]])  # the same, shifted by one
    return [part.view(streams, slices, length).permute(1, 2, 0).contiguous() for part in (inputs, targets)]


STREAMS, LENGTH = 16, choose(64, 32)
inputs, targets = fold(train_ids, STREAMS, LENGTH)
print(f"{len(inputs)} slices of {LENGTH} characters in {STREAMS} streams:", tuple(inputs.shape))
print("stream 1 reads    ", repr(decode(inputs[0, :40, 1].tolist())))
print("stream 1 predicts ", repr(decode(targets[0, :40, 1].tolist())))
print("and in slice 1    ", repr(decode(targets[1, :40, 1].tolist())))

# %% [markdown]
# The figure shows the first three slices of the first four streams, each with the characters at its beginning and its end. ⟨b⟩ is
# the boundary, ␣ a space, ↵ a newline. 0 is the empty state of the beginning, *h* the state that is carried; the gradient does not
# cross the gap between two slices.

# %%


def both_ends(ids, first=14, last=9):
    """The characters with which a slice begins and ends."""
    written = ["⟨b⟩" if symbol == BOUNDARY else visible(characters[symbol]) for symbol in ids]
    return "".join(written[:first]) + " … " + "".join(written[-last:])


print(both_ends(inputs[0, :, 0].tolist()))

# %%


def draw_streams(inputs, rows=4, columns=3):
    """The first streams and slices, with the characters at their ends, the batches, and the carried state."""
    axes = plt.subplots(figsize=(11, 3.4), dpi=144)[1]
    letters = {"family": "monospace", "fontsize": 8.5, "va": "center"}
    for column in range(columns):
        left, colour = 1.14 * column, COLOURS[(0, 1, 2)[column]]
        axes.text(left + 0.5, 0.95, f"batch {column}", ha="center", va="bottom", color=colour, weight="bold")
        for row in range(rows):
            axes.add_patch(plt.Rectangle((left, 0.3 - row), 1, 0.55, facecolor=colour, alpha=0.16, edgecolor=colour))
            axes.text(left + 0.5, 0.575 - row, both_ends(inputs[column, :, row].tolist()), ha="center", **letters)
            arrow = {"arrowstyle": "-|>", "color": "black", "lw": 1.2}
            axes.annotate("", (left + 1.14, 0.575 - row), (left + 1, 0.575 - row), arrowprops=arrow)
    for row in range(rows):
        axes.text(-0.2, 0.575 - row, f"stream {row}", ha="right", va="center", fontsize=9)
        axes.annotate("", (0, 0.575 - row), (-0.14, 0.575 - row), arrowprops={**arrow, "linestyle": ":"})
        axes.text(-0.1, 0.66 - row, "0", ha="center", va="bottom", fontsize=9)
        axes.text(1.14 * columns + 0.04, 0.575 - row, "…", va="center")
    axes.text(1.07, 0.66, "h", ha="center", va="bottom", fontsize=9, style="italic")
    axes.set(xlim=(-0.62, 1.14 * columns + 0.12), ylim=(0.15 - rows + 1, 1.25))
    axes.axis("off")
    return axes


axes = draw_streams(inputs)
axes.set_title(
    headline(
        f"A batch is one column: {LENGTH} characters from each of {STREAMS} places. Along a row, the text and the "
        "state (arrows) continue in the next batch"
    )
)
show(
    "Four streams of text as rows, cut into three batches as columns; arrows carry the state from each slice to the next in its row."
)

# %% [markdown]
# **A hidden assumption: shuffled windows are different.** With the usual `DataLoader(shuffle=True)` over windows, consecutive
# batches are unrelated, so each window has to start from an empty state. Such a network practises beginnings, and never sees a
# state older than a window. Q25 measures whether this matters.
#
# **With charloom.** `Streams`. It drops nothing: if the text does not fill the last slice, the columns differ by one character, and
# the gap is ignored in the loss. On a text that fills its slices it gives exactly the same numbers:

# %%
usable = inputs.numel()
streams = charloom.Streams(train_ids[:usable].numpy(), boundary=BOUNDARY, batch_size=STREAMS, sequence_length=LENGTH)
same("the number of slices", len(inputs), len(streams))
for name, ours in (("inputs", inputs), ("targets", targets)):
    theirs = torch.stack([getattr(streams[k], name) for k in range(len(streams))])
    same(f"all {ours.numel():,} {name}", ours.tolist(), theirs.tolist())

# %% [markdown]
# **Exercise. Predict first:** at which place of the text is `targets[k, t, b]`, the target at time t of slice k in stream b? Write
# the formula down before you look. And which single entry of `inputs` is the boundary?
#
# <details><summary>Solution</summary>
#
# A stream is `slices * LENGTH` characters long, so stream b begins at `b * slices * LENGTH`, slice k begins `k * LENGTH` later,
# and time t is t more: `(b * slices + k) * LENGTH + t`. The input is the character before that. Only place 0 of the text has none,
# so the boundary is at k = t = b = 0; the first input of every other stream is the last character of the stream before it.
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
slices = len(inputs)
for k, t, b in product((0, 1, slices - 1), (0, 5, LENGTH - 1), (0, 1, STREAMS - 1)):
    place = (b * slices + k) * LENGTH + t
    assert targets[k, t, b] == train_ids[place]
    assert inputs[k, t, b] == (train_ids[place - 1] if place else BOUNDARY)
print("27 places follow the formula; the boundary is at", (inputs == BOUNDARY).nonzero().tolist())
