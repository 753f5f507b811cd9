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
