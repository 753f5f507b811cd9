# %% [markdown]
# ## 7. Generating text with the trained model

# %% [markdown]
# ### Q21: How do you implement a function to generate text sequences from the trained RNN model in PyTorch?
#
# **By hand.** Read the seed text, draw a character from the distribution after it, feed it back in, repeat. Drawing takes one
# uniform number *u* between 0 and 1: line up the probabilities and take the character into whose interval *u* falls.

# %% tags=["by-hand"]


def draw(logits, temperature, uniform):
    """The first index at which the cumulative probability exceeds `uniform`."""
    scores = logits.cpu().double().numpy() / temperature
    probabilities = np.exp(scores - scores.max())
    cumulative = np.cumsum(probabilities / probabilities.sum())
    return min(int(np.searchsorted(cumulative, uniform, side="right")), len(cumulative) - 1)


@torch.no_grad()
def generate(model, seed_text, length, temperature=1.0, seed=0, end=None):
    """New characters after `seed_text`, one at a time: `length` of them, or until the index `end` is drawn."""
    random = np.random.Generator(np.random.PCG64(seed))
    ids = torch.cat([torch.tensor([BOUNDARY]), encode(seed_text)])[:, None].to(device)
    logits, state = model(ids, zero_state(model, 1))  # the whole seed is read, from the boundary on
    for _ in range(length):
        index = draw(logits[-1, 0], temperature, random.random())
        if index == end:
            return
        yield characters[index]
        logits, state = model(torch.tensor([[index]], device=device), state)


print("".join(generate(model, "The ", length=choose(400, 100), temperature=0.7, seed=1)))

# %% [markdown]
# **With charloom.** `charloom.generate`. It draws by the same rule from the same random numbers, so **our function and
# charloom's write the same text**:

# %%
library = as_charloom(model)
by_hand = "".join(generate(model, "The ", length=200, temperature=0.7, seed=1))
with_charloom = "".join(charloom.generate(library, "The ", length=200, temperature=0.7, seed=1))
same("200 characters from one seed", by_hand, with_charloom)

# %% [markdown]
# ### Q22: How do you generate text character by character starting from a seed string using the trained model?
#
# **By hand.** `generate` yields one character at a time; print each as it arrives, and the text appears as if it were typed. The
# seed string is read first and shapes everything that follows: **the model answers in the style of the question.**

# %% tags=["by-hand"]
for seed_text in ("class ", "If the ", text[: min(60, len(text))].splitlines()[-1] + "\n"):
    print(f"--- after {seed_text!r}")
    print(seed_text, end="")
    for character in generate(model, seed_text, length=150, temperature=0.6, seed=2):
        print(character, end="", flush=True)
    print()

# %% [markdown]
# **With charloom.** `for piece in charloom.generate(model, "class "): print(piece, end="")`, or `charloom generate RUN --prompt
# "class "` in a terminal. If you use a beginning often, read it once: `model.read` returns the state after it.

# %%
state = library.read("class ")
from_state = "".join(charloom.generate(library, state=state, length=150, temperature=0.6, seed=2))
same(
    "150 characters after 'class '", "".join(generate(model, "class ", length=150, temperature=0.6, seed=2)), from_state
)

# %% [markdown]
# **Exercise.** How fast is each? Time 500 characters.
#
# *Solution.* charloom writes with plain arrays instead of PyTorch, which spends most of its time on overhead for each tiny step:

# %% tags=["solution"]
speeds = {}
for name, writer in (
    ("by hand", lambda: generate(model, "A", 500)),
    ("with charloom", lambda: charloom.generate(library, "A", length=500)),
):
    began = time.perf_counter()
    "".join(writer())
    speeds[name] = 500 / (time.perf_counter() - began)
say(", ".join(f"{name}: {speed:,.0f} characters a second" for name, speed in speeds.items()) + ".")

# %% [markdown]
# ### Q23: How do you experiment with different temperature values to control the creativity and diversity of the generated text?
#
# **By hand.** The temperature divides the logits before softmax. Below 1, likely characters become likelier; near 0, the most
# probable one always wins; above 1, unlikely ones get a chance. What does it do to a text? We count two things: how many of the
# words exist in our text, and how many of the words are distinct.

# %% tags=["by-hand"]
for temperature in (0.2, 0.7, 1.3):
    print(f"--- temperature {temperature}")
    print("".join(generate(model, "The ", length=200, temperature=temperature, seed=3)))

# %%
vocabulary_of_words = set(re.findall(r"[a-z]{3,}", text.lower()))


def share_of_real_words(written):
    """The share of a text's words that also occur in ours."""
    found = re.findall(r"[a-z]{3,}", written.lower())
    return sum(word in vocabulary_of_words for word in found) / max(1, len(found))


def share_of_different_words(written):
    """The share of a text's words that are distinct."""
    found = re.findall(r"[a-z]{3,}", written.lower())
    return len(set(found)) / max(1, len(found))


temperatures = [0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.6, 2.0]
real, different = [], []
for temperature in temperatures:
    written = charloom.generate_many(library, ["The "] * 8, length=choose(1000, 120), temperature=temperature, seed=1)
    joined = " ".join(sample.text for sample in written)
    real.append(share_of_real_words(joined))
    different.append(share_of_different_words(joined))

figure, axes = plt.subplots()
axes.plot(temperatures, real, marker=MARKERS[0], label="words that exist in our text")
axes.plot(temperatures, different, marker=MARKERS[1], label="different words")
axes.set_xlabel("temperature")
axes.set_ylabel("share of the words written")
axes.legend()
axes.set_title(
    headline(
        f"At {temperatures[1]} the words are right ({real[1]:.0%}) and repeat themselves ({different[1]:.0%} "
        f"different); at {temperatures[-1]} they "
        f"are different ({different[-1]:.0%}) and made up ({real[-1]:.0%} exist)"
    )
)
plt.show()

# %% [markdown]
# **With charloom.** `temperature=`, and also `top_k`, `top_p`, `min_p` and a repetition penalty; most of these cut off unlikely
# characters instead of making them rarer. Near 0, both give the *greedy* text, always the most probable character:

# %%
greedy = "".join(charloom.generate(library, "The ", length=100, greedy=True))
same("the greedy text", "".join(generate(model, "The ", length=100, temperature=1e-6)), greedy)

# %% [markdown]
# ### Q24: How do you ensure that the model generates text with a specific length or number of characters?
#
# **By hand.** Count. `generate` yields exactly `length` new characters; the seed text does not count. The other way to end is an
# **end symbol** that the model itself predicts. For that it has to see ends during training: we train a second model on words, with
# the boundary after each. It stops when it draws the boundary, at a length of its own choice.

# %% tags=["by-hand"]
for length in (1, 10, 100):
    print(length, "asked for,", len("".join(generate(model, "The ", length))), "written")

word_list = sorted({"".join(c for c in word if c.isalpha()).lower() for word in text.split()})
word_list = [word for word in word_list if 3 <= len(word) <= 12 and all(c in index_of for c in word)]
shuffled = np.random.Generator(np.random.PCG64(0)).permutation(len(word_list))
word_ids = torch.cat([torch.cat([encode(word_list[place]), torch.tensor([BOUNDARY])]) for place in shuffled])
torch.manual_seed(SEED)
namer = CharacterRNN(INPUT_SIZE, choose(128, 32), OUTPUT_SIZE + 1, 16).to(device)  # + 1: the boundary can be predicted
for record in train(namer, word_ids, steps=choose(1500, 60), peak=PEAK, streams=16, length=32):
    pass
names = ["".join(generate(namer, "", length=40, seed=seed, end=BOUNDARY)) for seed in range(12)]
print(f"loss {record['loss']:.2f} nats; words that end by themselves:", ", ".join(names))

# %% [markdown]
# **With charloom.** `length=` (exactly that many, unless something ends the text earlier), `stop=["\n\n"]` for a string that must not
# appear, and `--documents lines` for a model that learns where texts end.

# %%
for length in (1, 10, 100):
    same(f"a length of {length}", length, len("".join(charloom.generate(library, "The ", length=length))))
namer_library = as_charloom(namer, predicts_end=True)
same(
    "words that end by themselves",
    names,
    ["".join(charloom.generate(namer_library, "", length=40, seed=seed)) for seed in range(12)],
)

# %% [markdown]
# **Exercise.** Write a paragraph: a text that stops before the first blank line and has at most 600 characters.
#
# *Solution.*

# %% tags=["solution"]
paragraph = ""
for character in generate(model, "The ", length=600, temperature=0.5, seed=5):
    paragraph += character
    if paragraph.endswith("\n\n"):
        break
same(
    "the paragraph",
    paragraph.removesuffix("\n\n"),
    "".join(charloom.generate(library, "The ", length=600, temperature=0.5, seed=5, stop=["\n\n"])),
)
show_text("The " + paragraph)

# %% [markdown]
# **That was the whole program.** The cells *by hand* from Q12 to here define a network, train it and let it write, in less than
# 200 lines, and use nothing but PyTorch and numpy.
