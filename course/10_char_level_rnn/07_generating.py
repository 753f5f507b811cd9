# %% [markdown]
# ## 7. Generating text with the trained model
#
# *Time*: half an hour to read, two minutes to run. *You need*: chapters 4 to 6 (`encode`, `zero_state`, `CharacterRNN`, `train`),
# and the `model` that question 20 trained.
#
# A language model gives a distribution over the next character. To write is to draw from it, again and again. Everything else in this
# chapter is about how to draw, where to begin, and when to stop.

# %% [markdown]
# ### Q21: How do you implement a function to generate text sequences from the trained RNN model in PyTorch?
#
# **By hand.** Read the seed text, draw a character from the distribution after it, feed it back in, repeat. Drawing takes one
# uniform number *u* between 0 and 1: line up the probabilities as intervals, and take the character in whose interval *u* lies.

# %% tags=["by-hand"]


def draw(logits, temperature, uniform):
    """The first index at which the cumulative probability exceeds `uniform`."""
    scores = logits.cpu().double().numpy() / temperature
    probabilities = np.exp(scores - scores.max())
    cumulative = np.cumsum(probabilities / probabilities.sum())
    return min(int(np.searchsorted(cumulative, uniform, side="right")), len(cumulative) - 1)


@torch.no_grad()
def generate(model, seed_text, length, temperature=1.0, seed=0):
    """New characters after `seed_text`, one at a time."""
    random = np.random.Generator(np.random.PCG64(seed))
    ids = torch.cat([torch.tensor([BOUNDARY]), encode(seed_text)])[:, None].to(device)
    logits, state = model(ids, zero_state(model, 1))  # the whole seed is read, from the boundary on
    for _ in range(length):
        index = draw(logits[-1, 0], temperature, random.random())
        yield characters[index]
        logits, state = model(torch.tensor([[index]], device=device), state)


# %% [markdown]
# A seed text may have only characters that the network knows, so we take beginnings that the text itself uses.

# %% tags=["by-hand"]


def openings_of(text, count):
    """The commonest beginnings of paragraphs: a word and its space, or four characters where there is no space nearby."""
    begins = Counter()
    for paragraph in text.split("\n\n"):
        word, space, _ = paragraph.strip()[:12].partition(" ")
        begins[word + space if space else word[:4]] += 1
    found = [opening for opening, _ in begins.most_common() if opening[:1].isalpha()]
    found.sort(key=lambda opening: not opening.endswith(" "))  # whole words first
    return [*found, *(text[place : place + 4] for place in range(count))][:count]


OPENING, *MORE_OPENINGS = openings_of(train_text, 3)
print(OPENING + "".join(generate(model, OPENING, length=choose(400, 100), temperature=0.7, seed=1)))

# %% [markdown]
# The next picture is `draw` at work. Each bar is the distribution after what has been written so far, from 0 to 1 in the order of the
# indices; the arrow is the number that was drawn, and the character under the arrow is written next.

# %%
BARS = 6
VISIBLE = {" ": "␣", "\n": "↵"}

uniforms = np.random.Generator(np.random.PCG64(1)).random(BARS)  # the numbers that `generate` draws with seed 1
written = OPENING
figure, axes = plt.subplots(figsize=(11, 4.4), dpi=144)
for bar, uniform in enumerate(uniforms):
    with torch.no_grad():
        ids = torch.cat([torch.tensor([BOUNDARY]), encode(written)])[:, None].to(device)
        logits, _ = model(ids, zero_state(model, 1))
    chances = torch.softmax(logits[-1, 0].cpu().double(), dim=0).numpy()
    chosen, left = draw(logits[-1, 0], 1.0, uniform), 0.0
    for index, chance in enumerate(chances):
        colour = COLOURS[1] if index == chosen else COLOURS[0]
        axes.barh(-bar, chance, 0.5, left, color=colour, alpha=0.75 if index == chosen else 0.3, edgecolor="white")
        if chance > 0.02:
            name = VISIBLE.get(characters[index], characters[index])
            axes.text(left + chance / 2, -bar, name, ha="center", va="center", family="DejaVu Sans Mono")
        left += chance
    axes.annotate("", (uniform, 0.25 - bar), (uniform, 0.62 - bar), arrowprops={"arrowstyle": "-|>", "color": "black"})
    axes.text(-0.01, -bar, repr(written), ha="right", va="center", family="DejaVu Sans Mono", fontsize=9)
    written += characters[chosen]
axes.set_xlim(0, 1)
axes.set_yticks([])
axes.grid(visible=False)
axes.set_xlabel("cumulative probability of the next character; the arrow is the number drawn")
axes.set_title(f"{BARS} numbers are drawn, and {OPENING!r} becomes {written!r}")
show(
    "Six bars, one below the other, each divided into the probabilities of the next character; an arrow marks the number that was drawn, and the character in whose part it lies is coloured."
)
assert written == OPENING + "".join(generate(model, OPENING, length=BARS, seed=1))

# %% [markdown]
# **With charloom.** `charloom.generate`. It draws by the same rule from the same random numbers, so **our function and
# charloom's write the same text**:

# %%
library = as_charloom(model)
for seed, temperature in ((1, 0.7), (2, 1.0), (3, 1.4)):
    by_hand = "".join(generate(model, OPENING, length=200, temperature=temperature, seed=seed))
    with_charloom = "".join(charloom.generate(library, OPENING, length=200, temperature=temperature, seed=seed))
    same(f"200 characters from seed {seed} at temperature {temperature}", by_hand, with_charloom)

# %% [markdown]
# **Exercise.** *Predict first*: what does `draw` write if *u* is always 0.5, the middle? Always the most probable character?
#
# <details><summary>Solution</summary>
#
# No. It takes the character in the middle of the line, in the order of the indices. That is the most probable one wherever one
# character has more than half of the probability; elsewhere it is an accident of the alphabet. The cell counts how often the two
# agree.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
middle, likeliest = [], []
with torch.no_grad():
    column = torch.cat([torch.tensor([BOUNDARY]), validation_ids[:500]])[:, None].to(device)
    for logits in model(column, zero_state(model, 1))[0][:, 0]:
        middle.append(draw(logits, 1.0, 0.5))
        likeliest.append(int(logits.argmax()))
agreeing = sum(one == other for one, other in zip(middle, likeliest, strict=True)) / len(middle)
print(f"the middle of the line is the most probable character in {agreeing:.0%} of {len(middle)} places")

# %% [markdown]
# ### Q22: How do you generate text character by character starting from a seed string using the trained model?
#
# **By hand.** `generate` yields one character at a time; print each as it arrives, and the text appears as if it were typed. The
# seed string is read first, and the state after it is where the writing begins.

# %% tags=["by-hand"]
for seed_text in MORE_OPENINGS:
    print(f"--- after {seed_text!r}")
    print(seed_text, end="")
    for character in generate(model, seed_text, length=150, temperature=0.6, seed=2):
        print(character, end="", flush=True)
    print()

# %% [markdown]
# Does the model answer in the style of the question? We measure one simple thing: the share of marks, that is of characters that
# are neither letters, digits nor spaces. We cut the validation text into passages of 200 characters, take the quarter with most
# marks and the quarter with fewest, let the model continue each, and count the marks that it writes. The two lists are compared
# by the rule of chapter 4: a pair is a passage of the one quarter and one of the other.

# %%
from charloom.evaluation import paired


def share_of_marks(text):
    """The share of characters that are neither letters, digits nor spaces."""
    return sum(not (character.isalnum() or character.isspace()) for character in text) / max(1, len(text))


passages = [validation_text[place : place + 200] for place in range(0, len(validation_text) - 200, 200)]
passages.sort(key=share_of_marks)
quarter = len(passages) // 4
few, many = passages[:quarter], passages[-quarter:]
replies = {
    name: [
        share_of_marks(sample.text)
        for sample in charloom.generate_many(library, seeds, length=choose(300, 60), temperature=0.7, seed=2)
    ]
    for name, seeds in (("few", few), ("many", many))
}
answered = paired(100 * np.array(replies["many"]), 100 * np.array(replies["few"]))
say(
    f"In the passages with the most marks, {np.mean([share_of_marks(each) for each in many]):.0%} of the characters are "
    f"marks; in those with the fewest, {np.mean([share_of_marks(each) for each in few]):.0%}. In what the model writes after "
    f"them, {np.mean(replies['many']):.1%} and {np.mean(replies['few']):.1%} are: "
    + answered.sentence(
        "**in this respect the model answers in the style of the question**",
        "**in this respect the model answers against the style of the question**",
        "the answers to both",
        "points",
        1,
    )
    + "."
)

# %% [markdown]
# **With charloom.** `for piece in charloom.generate(library, "class "): print(piece, end="")`, or `charloom generate RUN --prompt
# "class "` in a terminal (with a beginning of your own text). If you use a beginning often, read it once: `library.read` returns the state after it. The check compares that
# state with ours, and then the text that is written from it.

# %%
for seed_text in ("", OPENING, many[0]):
    with torch.no_grad():
        ids = torch.cat([torch.tensor([BOUNDARY]), encode(seed_text)])[:, None].to(device)
        _, our_state = model(ids, zero_state(model, 1))
    their_state = library.read(seed_text)
    apart = max(float((ours - theirs).abs().max()) for ours, theirs in zip(our_state, their_state, strict=True))
    assert apart < 1e-4, f"the states after {seed_text!r} differ by {apart}"
    same(
        f"150 characters after {seed_text[:12]!r} (the states before differ by {apart:.0e})",
        "".join(generate(model, seed_text, length=150, temperature=0.6, seed=2)),
        "".join(charloom.generate(library, state=their_state, length=150, temperature=0.6, seed=2)),
    )

# %% [markdown]
# **Exercise.** *Predict first*: both programs compute the same numbers. Is one faster, and by how much: 1.5 times, 5 times, 20 times?
# Time 500 characters.
#
# <details><summary>Solution</summary>
#
# The cell compares the fastest of several runs of each, because other work on the machine can only slow a run down. charloom writes
# with plain arrays. PyTorch is made for large tensors, and spends most of each tiny step on getting ready for it.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
speeds = {"by hand": [], "with charloom": []}
for _ in range(choose(7, 2)):
    for name, writer in (
        ("by hand", lambda: generate(model, OPENING, 500)),
        ("with charloom", lambda: charloom.generate(library, OPENING, length=500)),
    ):
        began = time.perf_counter()
        "".join(writer())
        speeds[name].append(500 / (time.perf_counter() - began))
for name, measured in speeds.items():
    print(f"{name}: {max(measured):,.0f} characters a second in the fastest of {len(measured)} runs")
by_hand_speed, charloom_speed = (max(measured) for measured in speeds.values())
say(
    f"charloom is about **{charloom_speed / by_hand_speed:.1f} times as fast** here."
    if charloom_speed > 1.1 * by_hand_speed
    else f"Our own function is about **{by_hand_speed / charloom_speed:.1f} times as fast** here."
    if by_hand_speed > 1.1 * charloom_speed
    else "Neither is faster here by more than a tenth."
)

# %% [markdown]
# ### Q23: How do you experiment with different temperature values to control the creativity and diversity of the generated text?
#
# **By hand.** The temperature *τ* divides the logits before softmax:
#
# $$p_j = \frac{e^{y_j / \tau}}{\sum_k e^{y_k / \tau}}$$
#
# Below 1, likely characters become likelier; near 0, the most probable one always wins; above 1, unlikely ones get a chance. The
# picture shows one distribution at four temperatures. The number of equally likely characters that would be as uncertain, e to
# the power of the entropy, is in each title.

# %%
column = torch.cat([torch.tensor([BOUNDARY]), encode(OPENING)])[:, None].to(device)
with torch.no_grad():
    scores = model(column, zero_state(model, 1))[0][-1, 0].cpu().double()
order = scores.argsort(descending=True)[:12]
names = [VISIBLE.get(characters[index], characters[index]) for index in order]

figure, panels = plt.subplots(1, 4, figsize=(12, 2.8), sharey=True, dpi=144)
choices = []
for axes, temperature, colour in zip(panels, (0.3, 0.7, 1.0, 2.0), COLOURS):
    chances = torch.softmax(scores / temperature, dim=0)
    choices.append(math.exp(-(chances * chances.clamp(min=1e-300).log()).sum()))
    axes.bar(range(len(order)), chances[order], color=colour)
    axes.set_xticks(range(len(order)), names, family="DejaVu Sans Mono")
    axes.set_title(f"τ = {temperature}: as {choices[-1]:.1f} choices")
panels[0].set_ylabel(f"probability after {OPENING!r}")
figure.suptitle(
    f"The same logits at four temperatures: from {choices[0]:.1f} equally likely characters to {choices[-1]:.1f}"
)
figure.tight_layout()
show(
    "Four bar charts of the twelve most probable next characters, one for each temperature: the higher it is, the flatter they are."
)

# %% tags=["by-hand"]
for temperature in (0.2, 0.7, 1.3):
    print(f"--- temperature {temperature}")
    print(OPENING + "".join(generate(model, OPENING, length=200, temperature=temperature, seed=3)))

# %% [markdown]
# What does it do to a text? We count two things: how many of the words written exist in our text, and how many of them are
# different from each other. Five groups of texts are written at each temperature; the shaded band is their range, and the
# dotted lines are what held-out text has, in as many pieces of the same length.

# %%
words_of_text = set(re.findall(r"[a-z]{3,}", train_text.lower()))


def shares_of_words(written):
    """The shares of a text's words that occur in the training text, and that are distinct."""
    found = re.findall(r"[a-z]{3,}", written.lower())
    real = sum(word in words_of_text for word in found)
    return real / max(1, len(found)), len(set(found)) / max(1, len(found))


temperatures, GROUPS, EACH = [0.1, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.6, 2.0], 5, 4
shares = np.zeros((len(temperatures), GROUPS, 2))
for row, temperature in enumerate(temperatures):
    samples = charloom.generate_many(
        library, [OPENING] * (GROUPS * EACH), length=choose(500, 60), temperature=temperature, seed=1
    )
    for group in range(GROUPS):
        joined = " ".join(sample.text for sample in samples[group * EACH : (group + 1) * EACH])
        shares[row, group] = shares_of_words(joined)
size = choose(500, 60)
places = np.linspace(0, len(validation_text) - size, GROUPS * EACH).astype(int)
held_out = [validation_text[place : place + size] for place in places]
of_text = np.mean([shares_of_words(" ".join(held_out[group::GROUPS])) for group in range(GROUPS)], axis=0)

# %%
figure, axes = plt.subplots(figsize=(9, 4), dpi=110)
for kind, name in enumerate(("words that exist in the training text", "different words")):
    axes.plot(temperatures, shares[:, :, kind].mean(axis=1), marker=MARKERS[kind], color=COLOURS[kind], label=name)
    low, high = shares[:, :, kind].min(axis=1), shares[:, :, kind].max(axis=1)
    axes.fill_between(temperatures, low, high, color=COLOURS[kind], alpha=0.2)
    axes.axhline(of_text[kind], color=COLOURS[kind], linestyle=":", label=f"{name}: held-out text")
axes.set_xlabel("temperature")
axes.set_ylabel("share of the words written")
axes.legend(fontsize=8)
cool, hot = shares[1].mean(axis=0), shares[-1].mean(axis=0)
axes.set_title(
    headline(
        f"From temperature {temperatures[1]} to {temperatures[-1]}, words that exist go from {cool[0]:.0%} to "
        f"{hot[0]:.0%}, different words from {cool[1]:.0%} to {hot[1]:.0%}",
        85,
    )
)
show(
    "The share of written words that exist, and of those that are different, by temperature, with dotted lines for held-out text."
)
nearest = min(range(len(temperatures)), key=lambda row: float(np.abs(shares[row].mean(axis=0) - of_text).sum()))
say(
    f"Both shares together come closest to those of held-out text at temperature **{temperatures[nearest]}** "
    f"({shares[nearest, :, 0].mean():.0%} exist, {shares[nearest, :, 1].mean():.0%} are different; held-out text: "
    f"{of_text[0]:.0%} and {of_text[1]:.0%}). Temperature 1 is the distribution that was learned; a lower one hides the "
    "model's mistakes, at the price of variety."
)

# %% [markdown]
# **With charloom.** `temperature=`, and also `top_k`, `top_p`, `min_p` and a repetition penalty; most of these cut off unlikely
# characters instead of making them rarer. We compare the distributions themselves, at each temperature, and the *greedy* text,
# always the most probable character, which is what a temperature near 0 gives:

# %%
from charloom import SamplingConfig
from charloom.generation import distribution

for temperature in temperatures:
    ours = torch.softmax(scores / temperature, dim=0).numpy()
    theirs = distribution(scores.numpy(), SamplingConfig(temperature=temperature))
    assert np.abs(ours - theirs).max() < 1e-9, f"temperature {temperature}: {np.abs(ours - theirs).max()}"
print(f"✔ the distributions at {len(temperatures)} temperatures: the same by hand and with charloom")
greedy = "".join(charloom.generate(library, OPENING, length=100, greedy=True))
same("the greedy text", "".join(generate(model, OPENING, length=100, temperature=1e-6)), greedy)

# %% [markdown]
# ### Q24: How do you ensure that the model generates text with a specific length or number of characters?
#
# **By hand.** Count. `generate` yields exactly `length` new characters; the seed text does not count.

# %% tags=["by-hand"]
for length in (1, 10, 100):
    print(length, "asked for,", len("".join(generate(model, OPENING, length))), "written")

# %% [markdown]
# The other way to end is an **end symbol** that the model itself predicts. For that it has to see ends during training. We
# train on the words of our text, each a text of its own: it begins with the boundary, and ends with it. The network knows only
# the letters of these words.
#

# %% tags=["by-hand"]
word_list = sorted({"".join(c for c in word if c.isalpha()).lower() for word in text.split()})
word_list = [word for word in word_list if 3 <= len(word) <= 12]
shuffled = np.random.Generator(np.random.PCG64(0)).permutation(len(word_list))
word_list = [word_list[place] for place in shuffled]
training_words, unseen_words = word_list[: int(0.9 * len(word_list))], word_list[int(0.9 * len(word_list)) :]

letters = sorted(set("".join(training_words)))
letter_of, END = {letter: index for index, letter in enumerate(letters)}, len(letters)  # the boundary comes last
unseen_words = [word for word in unseen_words if set(word) <= set(letters)]


def encode_word(word):
    """The indices of a word's letters, and the end after them."""
    return torch.tensor([*(letter_of[letter] for letter in word), END])


def new_namer(seed):
    """A small network of letters, which can also predict the end."""
    torch.manual_seed(seed)
    return CharacterRNN(len(letters) + 1, choose(128, 32), len(letters) + 1, 16).to(device)


print(f"{len(training_words):,} words of {len(letters)} letters, and {len(unseen_words):,} that are not trained on")

# %% [markdown]
# **A hidden assumption: training begins where writing begins.** Writing starts from an empty state and the boundary. So must each
# word in training. If the state were carried from one word to the next, as it is within a long text, the network would
# almost never see an empty state before a boundary, and what it wrote first would be an accident. We train it both ways.
#
# Words have different lengths, so a batch is *padded*: positions after a word's end are filled up, and their targets are ignored. The loss of each
# batch is divided by the usual number of symbols, not by its own: then every symbol counts alike, in long words and in
# short ones.

# %% tags=["by-hand"]
PADDING = -100  # a target that does not count


def padded(words):
    """Inputs and targets (longest word + 1, words); each word begins and ends with the boundary."""
    targets = nn.utils.rnn.pad_sequence([encode_word(word) for word in words], padding_value=PADDING)
    inputs = torch.cat([torch.full_like(targets[:1], END), targets[:-1].clamp(min=0)])
    return inputs.to(device), targets.to(device)


def nats_of_words(model, inputs, targets):
    """The sum of all surprises, each word read from an empty state."""
    logits, _ = model(inputs, zero_state(model, inputs.shape[1]))
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=PADDING, reduction="sum")


def train_on_words(model, words, steps, peak, seed, batch=64):
    """Train on texts that each begin with an empty state; yields the loss of each step."""
    random, optimizer = np.random.Generator(np.random.PCG64(seed)), make_optimizer(model)
    usual = batch * sum(len(word) + 1 for word in words) / len(words)  # symbols in a batch
    per_epoch = max(1, len(words) // batch)
    for step in range(steps):
        if step % per_epoch == 0:
            order = random.permutation(len(words))  # in each epoch a new order
        chosen = order[step % per_epoch * batch :][:batch]
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        loss = nats_of_words(model, *padded([words[place] for place in chosen])) / usual
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield loss.item()


# %% tags=["by-hand"]
@torch.no_grad()
def write_word(model, longest, seed):
    """A word, written from nothing until the end is drawn."""
    random = np.random.Generator(np.random.PCG64(seed))
    index, state, word = END, zero_state(model, 1), ""
    while len(word) < longest:
        logits, state = model(torch.tensor([[index]], device=device), state)
        index = draw(logits[-1, 0], 1.0, random.random())
        if index == END:
            break
        word += letters[index]
    return word


namer = new_namer(SEED)
for word_loss in train_on_words(namer, training_words, choose(400, 40), PEAK, SEED):
    pass
invented = [write_word(namer, longest=40, seed=seed) for seed in range(12)]
print(f"loss {word_loss:.2f} nats per symbol; it writes:", ", ".join(invented))

# %% [markdown]
# **With charloom.** `length=` (exactly that many, unless something ends the text earlier), `stop=["\n\n"]` for a string that must not
# appear, and `--documents lines` for a model that learns where texts end. A folder of files is read in the same way: each file
# begins with an empty state. The check gives charloom our weights and the unseen words, each as a text of its own, and compares the
# sum of all surprises, ends included:

# %%
from charloom import Text

for length in (1, 10, 100):
    by_hand = len("".join(generate(model, OPENING, length)))
    same(f"a length of {length}", by_hand, len("".join(charloom.generate(library, OPENING, length=length))))
word_vocabulary = charloom.Vocabulary.of("".join(letters))
namer_library = as_charloom(namer, word_vocabulary, predicts_end=True)
same(
    "words that end by themselves",
    invented,
    ["".join(charloom.generate(namer_library, "", length=40, seed=seed)) for seed in range(12)],
)
joined = "".join(unseen_words)
ends = tuple(np.cumsum([len(word) for word in unseen_words]).tolist())
with torch.no_grad():
    by_hand_nats = nats_of_words(namer, *padded(unseen_words)).item() / len(unseen_words)
charloom_nats = charloom.evaluate(namer_library, Text(memoryview(joined.encode()), len(joined), ends)).nats
agree("nats for an unseen word, its end included", by_hand_nats, charloom_nats / len(unseen_words), 1e-3)

# %% [markdown]
# Now the experiment: three ways to train the same network on the same words, each with several seeds. *By hand* as above; with
# charloom's `documents="lines"` and our settings; and the wrong way, with the state carried across words.
# (charloom differs in two small things: its batches have about equal numbers of symbols, ours equal numbers of words; and its network
# knows one more symbol, the line end, which it never meets.) From each we let
# words be written from nothing and compare them with the words of the text: their lengths and their first letters. The distance
# of two distributions is the share that would have to be moved to make them equal: 0 if they are equal, 1 if they have nothing in
# common.

# %%
word_file = FOLDER / "words.txt"
word_file.write_text("\n".join(training_words) + "\n", encoding="utf-8", newline="\n")
word_ids = torch.cat([encode_word(word) for word in training_words])
WORD_STEPS, WORD_SEEDS, WRITTEN = choose(400, 40), choose((1, 2, 3, 4), (1, 2)), choose(400, 60)


ROW = 16  # to charloom a line counts as at least this many symbols, when it decides how many make a batch
LINES = round(64 * (len(word_ids) / len(training_words)) / ROW)  # so that a batch has 64 words there too


def with_charloom_lines(seed):
    """The same network, trained by `charloom.train` on lines."""
    run = charloom.train(
        word_file,
        run=FOLDER / f"words-{seed}",
        steps=WORD_STEPS,
        corpus=CorpusConfig(documents="lines", split=(1.0, 0.0, 0.0)),
        network=NetworkConfig(hidden_size=choose(128, 32), embedding_size=16, dropout=0, initialization="uniform"),
        training=as_by_hand(streams=LINES, length=ROW, seed=seed),
        precision="float32",
    )
    return charloom.load(run.path)


# %%
def train_across_words(model, ids, steps, peak, streams=16, length=32):
    """The wrong way: the state is carried from each word to the next, as in a long text."""
    optimizer, slices = make_optimizer(model), len(ids) // (streams * length)
    inputs, targets = (  # the symbol before the first word is the boundary, too
        part[: slices * streams * length].view(streams, slices, length).permute(1, 2, 0).to(device)
        for part in (ids.roll(1), ids)
    )
    for step in range(steps):
        k = step % slices
        if k == 0:
            state = zero_state(model, streams)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        logits, state = model(inputs[k], tuple(part.detach() for part in state))
        loss = loss_of(logits, targets[k])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


# %%
written_words = {"by hand": [], "charloom": [], "state carried": []}
for seed in WORD_SEEDS:
    right, wrong = new_namer(seed), new_namer(seed)
    for _ in train_on_words(right, training_words, WORD_STEPS, PEAK, seed):
        pass
    train_across_words(wrong, word_ids, WORD_STEPS, PEAK)
    with_charloom = with_charloom_lines(seed)
    assert set(with_charloom.vocabulary.characters) == {*letters, "\n"}
    by_hand, carried = (as_charloom(each, word_vocabulary, predicts_end=True) for each in (right, wrong))
    writers = (by_hand, with_charloom, carried)
    for name, writer in zip(written_words, writers, strict=True):
        samples = charloom.generate_many(writer, [""] * WRITTEN, length=40, seed=1000 * seed)
        written_words[name].append([sample.text for sample in samples])

# %%


def shares_of(values):
    """How often each value occurs, as shares."""
    return {value: count / len(values) for value, count in Counter(values).items()}


def distance(ours, others):
    """Half the sum of the differences of two distributions: between 0 and 1."""
    ours, others = shares_of(ours), shares_of(others)
    return sum(abs(ours.get(value, 0) - others.get(value, 0)) for value in ours.keys() | others.keys()) / 2


random = np.random.Generator(np.random.PCG64(5))
by_chance = [[training_words[place] for place in random.integers(0, len(training_words), WRITTEN)] for _ in WORD_SEEDS]
features = {"length": len, "first letter": lambda word: word[:1]}
distances = {
    (name, what): [distance(list(map(of, sample)), list(map(of, training_words))) for sample in samples]
    for what, of in features.items()
    for name, samples in (*written_words.items(), ("words of the text, drawn", by_chance))
}
print(f"distance from the words of the text, mean of {len(WORD_SEEDS)} seeds (lowest to highest)")
for (name, what), values in distances.items():
    print(f"{what:<13} {name:<26} {np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})")

# %%
for what in features:
    ways = {name: distances[name, what] for name in written_words}
    say(
        f"**{what.capitalize()}**: "
        + paired(ways["by hand"], ways["charloom"]).sentence(
            "charloom is nearer to the text than by hand",
            "by hand is nearer to the text than charloom",
            "by hand and charloom",
            "",
        )
        + "; "
        + paired(ways["state carried"], ways["by hand"]).sentence(
            "**with the state carried across words, what is written is further from the text**",
            "**with the state carried across words, what is written is nearer to the text**",
            "with and without the state carried across words",
            "",
        )
        + "."
    )

# %% [markdown]
# The lengths of the words and their first letters, in the text and as written:

# %%
figure, panels = plt.subplots(1, 2, figsize=(12, 3.8), dpi=110, width_ratios=[2, 3])
commonest = sorted(
    {word[0] for word in training_words}, key=lambda c: (-sum(word[0] == c for word in training_words), c)
)[:22]
for axes, what, values in zip(panels, features, (range(1, 16), commonest), strict=True):
    in_text = shares_of([features[what](word) for word in training_words])
    axes.bar(range(len(values)), [in_text.get(value, 0) for value in values], color="0.85", label="words of the text")
    for (name, samples), colour, marker in zip(written_words.items(), COLOURS, MARKERS):
        found = shares_of([features[what](word) for sample in samples for word in sample])
        shown_shares = [found.get(value, 0) for value in values]
        axes.plot(range(len(values)), shown_shares, color=colour, marker=marker, markersize=4, linewidth=1, label=name)
    axes.set_xticks(range(len(values)), values)
    axes.set_xlabel(what)
panels[0].set_ylabel("share of the words")
panels[1].legend()
first_letters = {name: np.mean(distances[name, "first letter"]) for name in written_words}
figure.suptitle(
    "Distance of the first letters from those of the text: "
    + ", ".join(f"{name} {value:.2f}" for name, value in first_letters.items())
)
figure.tight_layout()
show(
    "The lengths of words on the left and their first letters on the right: bars for the text, and a line for each of three ways to train."
)

# %% [markdown]
# **Exercise.** Write a paragraph: a text that stops at the first blank line and has at most 600 characters with it. *Predict first*: will
# most of them end by themselves, or be cut at 600? Does the temperature matter?
#
# <details><summary>Solution</summary>
#
# Look for the blank line after each character, and stop there. How many paragraphs end by themselves depends on three things: how long those
# of the text are, how well the network has learned where they end, and the temperature, since a low one makes an unlikely end still less
# likely and keeps the network in a circle once it is in one. So the cell counts at two temperatures and in the text.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}


def write_paragraph(seed, temperature=0.5):
    """A text that stops before the first blank line, or at 600 characters."""
    paragraph = ""
    for character in generate(model, OPENING, length=600, temperature=temperature, seed=seed):
        paragraph += character
        if paragraph.endswith("\n\n"):
            break
    return paragraph.removesuffix("\n\n")


def is_short(paragraph):
    """Whether it fits into 600 characters, its blank line included."""
    return len(paragraph) + 2 <= 600


paragraphs = {each: [write_paragraph(seed, each) for seed in range(5, 5 + choose(10, 3))] for each in (0.5, 1.0)}
same(
    "the first paragraph",
    paragraphs[0.5][0],
    "".join(charloom.generate(library, OPENING, length=600, temperature=0.5, seed=5, stop=["\n\n"])),
)
show_text(OPENING + paragraphs[0.5][0])
short = np.mean([is_short(paragraph) for paragraph in train_text.split("\n\n")])
print(f"of the paragraphs of the training text, {short:.0%} end within 600 characters")
for each, ones in paragraphs.items():
    count, ended = len(ones), sum(map(is_short, ones))
    luck = sum(math.comb(count, k) * short**k * (1 - short) ** (count - k) for k in range(ended + 1))
    print(
        f"temperature {each}: {ended} of {count} do; with the text's share, {ended} or fewer have a probability of "
        f"{luck:.1g}, so "
        + (
            "the length of the text's paragraphs is not the only reason"
            if luck < 0.05
            else "this does not show that they end less often than those of the text"
        )
    )

# %% [markdown]
# **That is a whole program.** The functions *by hand* from Q10 to Q21 encode a text, define a network, train it and let it
# write. The file `by_hand.py`, next to this notebook in the repository, is assembled from them, and runs alone: `python by_hand.py my.txt`.
