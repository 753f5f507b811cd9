# %% [markdown]
# ## 8. Evaluating model performance
#
# *Time*: half an hour to read, two minutes to run. *You need*: the `model` of question 20, and `library`, which is that
# model in charloom (chapter 7); the functions `train` and `validation_loss` of chapter 6; and the rule of chapter 4 for differences.
#
# One number says how good a language model is: its mean surprise on text that it never saw. This chapter computes it, shows what it
# depends on apart from the model, and compares it with everything else that predicts text, compressors included.

# %% [markdown]
# ### Q25: How do you evaluate the model's performance in predicting the next character in a sequence on a validation set in PyTorch?
#
# **By hand.** Read the validation text once, from beginning to end, with the state carried, and count every character exactly once.
# We compute two figures: the mean surprise, and the *accuracy*, the share of places where the model's first guess was right. There is no
# averaging of batch averages, and no dropped tail.

# %%


@torch.no_grad()
def evaluate(model, ids):
    """Mean surprise in nats, and accuracy; the state is carried through the whole text."""
    column = torch.cat([torch.tensor([BOUNDARY]), ids])[:, None].to(device)
    state, nats, right = zero_state(model, 1), 0.0, 0
    for start in range(0, len(ids), 1000):
        end = min(start + 1000, len(ids))
        logits, state = model(column[start:end], state)
        targets = column[start + 1 : end + 1]
        nats += F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum").item()
        right += (logits.argmax(dim=2) == targets).sum().item()
    return nats / len(ids), right / len(ids)


nats, accuracy = evaluate(model, validation_ids)
say(f"**{nats:.4f} nats per character, and {accuracy:.1%} of the characters were the first guess.**")

# %% [markdown]
# **With charloom.** `charloom.evaluate(library, validation_text)`, or `charloom evaluate RUN`, which adds n-grams and compressors to compare
# with (`--baselines`).

# %%
score = charloom.evaluate(library, validation_text)
agree("nats per character", nats, score.nats_per_character, 1e-4)
agree("accuracy", accuracy, score.accuracy, 2e-4)

# %% [markdown]
# **A hidden assumption: how much context does a prediction get?** *Carried*: everything before it. *Fresh*: the text is cut into
# windows, and each starts with an empty state, as models with a fixed window often are evaluated. Two different questions are
# easily confused here:
#
# * *What is the loss in windows of n characters?* The mean over all places of a window. The first places have hardly any
#   context, and they are a large part of a short window.
# * *What is the loss of a character that has n characters before it?* That is one place in the window. It comes close to the carried
#   loss much sooner.
#
# The first needs a reading for each n. For the second, one reading in windows of 512 is enough: we keep the loss at each place. We
# also read the text with the state carried and take its loss at the same places, so that the two differ in their context only. The
# picture shows both against n.

# %%
from charloom.evaluation import paired

LONGEST = choose(512, 64)
windows = [size for size in (8, 16, 32, 64, 128, 256, 512) if size <= LONGEST]


@torch.no_grad()
def nats_in_windows(model, ids, length):
    """Surprise (length, windows) at each place of windows that start from an empty state."""
    count = len(ids) // length
    everything = torch.cat([torch.tensor([BOUNDARY]), ids[: count * length]])
    inputs = everything[:-1].view(count, length).T.to(device)  # the symbol before each; the boundary only at the start
    targets = everything[1:].view(count, length).T.to(device)
    logits, _ = model(inputs, zero_state(model, count))
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(length, count).cpu()


fresh = [charloom.evaluate(library, validation_text, context=size).nats_per_character for size in windows]
at_each_place = nats_in_windows(model, validation_ids, LONGEST)
read_through = charloom.surprisal(library, validation_text)[: at_each_place.numel()].reshape(-1, LONGEST).T
excess = at_each_place.double().numpy() - read_through  # what it costs to know nothing before the window
part = validation_text[: at_each_place.numel()]
agree(
    f"nats in windows of {LONGEST}",
    at_each_place.double().mean().item(),
    charloom.evaluate(library, part, context=LONGEST).nats_per_character,
    1e-4,
)

# %%
bands = [(size // 2, size) for size in windows]  # places with between half of n and n characters of context
costs_of_context = [
    paired(excess[low:high].mean(axis=0), 0.0) for low, high in bands
]  # a pair is a window, read both ways

figure, axes = plt.subplots(figsize=(9, 4), dpi=110)
in_windows = np.array(fresh) - score.nats_per_character
axes.plot(windows, in_windows, marker=MARKERS[0], color=COLOURS[0], label="mean over a whole window of n")
heights, margins = [cost.mean for cost in costs_of_context], [cost.margin for cost in costs_of_context]
axes.errorbar(windows, heights, margins, marker=MARKERS[1], color=COLOURS[1], label="n/2 to n characters before it")
axes.axhline(0, color="0.5", linestyle=":")
axes.set_xscale("log", base=2)
axes.set_xticks(windows, windows)
axes.set_xlabel("n, characters (bars: margins over the windows)")
axes.set_ylabel("nats more than with all that came before")
axes.legend()
place = windows.index(64)
axes.set_title(
    headline(
        f"A window of 64 costs {in_windows[place]:.2f} nats a character, but a character with 32 to 64 before it only "
        f"{costs_of_context[place].mean:.3f} ± {costs_of_context[place].margin:.3f}",
        85,
    )
)
show(
    "What missing context costs, by the number n of characters: one line for the mean over windows of n, one for characters that have n/2 to n before them."
)

# %%
context_cost = dict(zip(windows, costs_of_context))
small = [cost.mean + cost.margin <= 0.01 for cost in costs_of_context]
enough = next((size for place, size in enumerate(windows) if all(small[place:])), None)
say(
    f"Carried, the model needs {score.nats_per_character:.2f} nats; in windows of {windows[-1]} {fresh[-1]:.2f}, and in "
    f"windows of {windows[0]} {fresh[0]:.2f}. "
    + (
        f"**From {enough} characters of context on, a single prediction is as good as with all of it, to 0.01 nats.** "
        "Both statements are true at once, because the first characters of each window are expensive. "
        if enough
        else f"Even {windows[-1]} characters of context leave more than 0.01 nats to gain. "
    )
    + "`charloom report` measures the same."
)

# %% [markdown]
# And does it matter how it was *trained*? Two small networks see the same number of characters: one in streams with the state
# carried, one in shuffled windows that start from an empty state. We evaluate each both ways. Seeds make a difference too, so we train
# several pairs, each from the same first weights, and ask whether the difference is clear of the spread.

# %%


def train_on_shuffled_windows(model, ids, steps, peak, streams, length, seed):
    """The usual DataLoader: random windows, each with an empty state."""
    random = torch.Generator().manual_seed(seed)
    optimizer = make_optimizer(model)
    for step in range(steps):
        starts = torch.randint(1, len(ids) - length, (streams,), generator=random)
        places = starts + torch.arange(length)[:, None]  # (length, streams)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        logits, _ = model(ids[places - 1].to(device), zero_state(model, streams))
        loss = loss_of(logits, ids[places].to(device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


SMALL, SEEDS = choose(128, 32), choose((1, 2, 3, 4, 5), (1, 2))
SHORT, JUDGED = 16, choose(20_000, 2_000)  # characters in a window, and characters of validation text

results = {(way, judged): [] for way in ("streams", "windows") for judged in ("carried", "fresh")}
for seed in SEEDS:
    for way in ("streams", "windows"):
        torch.manual_seed(seed)
        small = CharacterRNN(INPUT_SIZE, SMALL, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
        if way == "streams":
            for record in train(small, train_ids, choose(600, 40), peak=PEAK, streams=64, length=SHORT):
                pass
        else:
            train_on_shuffled_windows(small, train_ids, choose(600, 40), PEAK, streams=64, length=SHORT, seed=seed)
        results[way, "carried"].append(validation_loss(small, validation_ids[:JUDGED]))
        results[way, "fresh"].append(float(nats_in_windows(small, validation_ids[:JUDGED], SHORT).mean()))

# %%
judgements = {}
print(f"nats per character, mean of {len(SEEDS)} seeds (lowest to highest)")
for judged, how in (("carried", "the state carried"), ("fresh", f"fresh windows of {SHORT}")):
    for way in ("streams", "windows"):
        values = results[way, judged]
        print(
            f"trained on {way:<8} judged with {how:<22} {np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
        )
    judgements[how] = paired(results["windows", judged], results["streams", judged]).sentence(
        "**streams are better than windows**", "**windows are better than streams**", "windows and streams"
    )
say("; ".join(f"with {how}, {sentence}" for how, sentence in judgements.items()).capitalize() + ".")
say(
    "So a figure means something only together with the way in which the text was read: **never compare carried with fresh.**"
)

# %% [markdown]
# ### Q26: How do you calculate and interpret the perplexity score for the character-level RNN model?
#
# **By hand.** Perplexity is `exp(nats per character)`. Read it as: *the model hesitates as if it had to choose among that many
# equally likely characters*.

# %%
perplexity = math.exp(nats)
say(
    f"**Perplexity {perplexity:.2f} per character**: of {OUTPUT_SIZE} characters that could come, it hesitates among "
    f"about {perplexity:.1f}."
)
agree("perplexity", perplexity, score.perplexity, 1e-3)

# %% [markdown]
# **A hidden assumption: per character.** Perplexity per *word* is something else. The surprises of a word's characters add up, so the
# perplexity of a word is that of a character to the power of the word's length.
#
# A figure means little alone. We take everything at hand that predicts text: a model that knows nothing; one that counts letters;
# n-grams, which count sequences of up to twelve characters; and compressors, which are predictors too: to compress a text to *b*
# bits per character is to be surprised by *b* bits at each, on average. Every compressor gets the training text first (zlib, whose memory is short, its last 32 KiB) and is charged only
# for what the validation text adds. PPMd and zpaq are included where they are installed.
#
# **Like with like.** Counts are fixed before the validation text begins, and so is our network. A compressor is not: xz and
# zlib copy from what they have already read of the validation text, bz2 sorts it together with the training text, in one block, and
# PPMd and zpaq keep learning from it while they code. So our network gets a second figure: it predicts 64 characters, then learns
# from them (*dynamic evaluation*). The n-grams are compared with the first figure, the compressors with the second.

# %%
from charloom.evaluation import NGram, best_order, compare, evaluate_dynamic

outcomes = compare(library, Text.of(train_text), Text.of(validation_text))
floor = {baseline.name: baseline.bits_per_character * math.log(2) for baseline in outcomes}
longest_counts = {}
for order in range(1, choose(13, 7)):
    total = NGram(train_ids.numpy(), order, OUTPUT_SIZE).nats(validation_ids.numpy())
    longest_counts[order] = total / len(validation_ids)
    floor[f"{order}-gram"] = longest_counts[order]
best_by_counting = best_order(train_ids.numpy(), OUTPUT_SIZE)  # chosen on training text alone
FROZEN, LEARNING = "our network, by hand", "our network, learning while it reads"
floor[FROZEN], floor[LEARNING] = nats, evaluate_dynamic(library, validation_text).nats_per_character

# %% [markdown]
# The check works out two of the baselines by hand: xz with Python's own `lzma`, and the shares of single characters, by counting.

# %%
import lzma


def xz_size(data):
    """Bytes of a text compressed with xz."""
    return len(lzma.compress(data.encode(), preset=9 | lzma.PRESET_EXTREME))


added = xz_size(train_text + validation_text) - xz_size(train_text)
agree("nats of xz", 8 * added / len(validation_text) * math.log(2), floor["xz"], 1e-9)
agree("nats of knowing nothing", math.log(OUTPUT_SIZE), floor["uniform"], 1e-9)
counted = Counter(train_text)
shares_counted = {character: counted[character] / len(train_text) for character in characters}
if all(shares_counted[character] for character in set(validation_text)):
    by_counting = -sum(math.log(shares_counted[character]) for character in validation_text) / len(validation_text)
    agree("nats of single characters (charloom smooths its counts)", by_counting, floor["1-gram"], 5e-3)

# %% [markdown]
# The chart shows them all, the best at the top. Our network was trained once, so the rule of chapter 4 cannot be used. The thin lines
# are two standard deviations of small networks over seeds (question 25); what lies within them is not told apart: a rough guide.

# %%
noise = max(np.std(results[way, "carried"], ddof=1) for way in ("streams", "windows"))
ranked = sorted(floor, key=floor.get)
kinds = {"our": 1, "uniform": 6, "zlib": 2, "bz2": 2, "xz": 2, "PPMd": 2, "zpaq": 2}  # a colour for each kind

figure, axes = plt.subplots(figsize=(9, 0.5 + 0.27 * len(ranked)), dpi=110)
for row, name in enumerate(ranked):
    axes.barh(row, floor[name] / math.log(2), color=COLOURS[kinds.get(name.split()[0], 0)], height=0.7)
    after = 2 * noise / math.log(2) if name in (FROZEN, LEARNING) else 0  # the thin line
    axes.text(
        floor[name] / math.log(2) + after + 0.05, row, f"{floor[name] / math.log(2):.2f}", va="center", fontsize=8
    )
    if after:
        axes.errorbar(floor[name] / math.log(2), row, xerr=after, color="black", linewidth=1)
axes.set_yticks(range(len(ranked)), ranked, fontsize=8)
axes.invert_yaxis()
axes.set_xlabel(
    "bits per character of validation text\n(orange: our network, blue: counting, green: compressors, black: knowing nothing)"
)
fixed = [name for name in ranked if name == "uniform" or name.endswith("-gram")]
rivals = {FROZEN: fixed, LEARNING: [name for name in ranked if name not in (FROZEN, LEARNING, *fixed)]}
better = {ours: [name for name in others if floor[name] < floor[ours] - 2 * noise] for ours, others in rivals.items()}
alike = {ours: [name for name in each if abs(floor[name] - floor[ours]) <= 2 * noise] for ours, each in rivals.items()}
axes.set_title(
    headline(
        f"Better than our network: {len(better[FROZEN])} of the {len(fixed)} fixed methods; better than our network while "
        f"it learns: {len(better[LEARNING])} of the {len(rivals[LEARNING])} compressors",
        85,
    )
)
show("Bars: the bits per character of our network, n-grams and compressors, the best at the top.")

# %%
length_of_word = len(validation_text) / len(validation_text.split())
say(
    "| who predicts | nats | bits | perplexity per character | per word |\n|---|---|---|---|---|\n"
    + "\n".join(
        f"| {name} | {floor[name]:.3f} | {floor[name] / math.log(2):.3f} | {math.exp(floor[name]):.2f} | "
        f"{math.exp(floor[name] * length_of_word):.1e} |"
        for name in ranked
        if name in ("uniform", "1-gram", "5-gram", f"{best_by_counting}-gram") or not name.endswith("-gram")
    )
)
for ours, what, others in (
    (FROZEN, "our network", "methods that are fixed before the validation text"),
    (LEARNING, "our network while it learns", "compressors"),
):
    say(
        f"**Of the {len(rivals[ours])} {others}, {', '.join(better[ours]) or 'none'} "
        f"{'predict' if len(better[ours]) > 1 else 'predicts'} this text better than {what}"
        f" ({floor[ours] / math.log(2):.2f} bits).**"
        + (f" Not to be told apart from it: {', '.join(alike[ours])}." if alike[ours] else "")
    )
say(
    f"Learning while it reads changes our figure by {(floor[LEARNING] - floor[FROZEN]) / math.log(2):+.2f} bits. The "
    f"best n-gram by the training text alone has order {best_by_counting}."
)
say(
    f"A perplexity of {perplexity:.2f} *per character* is one of **{perplexity**length_of_word:,.0f} per word** here, "
    f"because a word has {length_of_word:.1f} characters, its space included. Anyone who quotes a perplexity without "
    "saying per what has said nothing."
)

# %% [markdown]
# A compressor that copies, and a model that counts long sequences, live on repetitions; a small network has to learn passages by heart
# first. How much is there to copy? We cut the validation text into pieces and look for each in all that stands before it.

# %%
whole = train_text + validation_text


def copied_shares(size):
    """The shares of the pieces that occur in the training text, and only earlier in the validation text."""
    places = range(len(train_text), len(whole) - size + 1, size)
    found = np.array([(place, whole.find(whole[place : place + size])) for place in places])
    from_training = found[:, 1] < len(train_text)
    return from_training.mean(), (~from_training & (found[:, 1] < found[:, 0])).mean()


copied = {size: copied_shares(size) for size in (20, 40)}
say(
    "**Know your text:** "
    + "; ".join(
        f"of its pieces of {size} characters, {learned:.1%} occur in the training text and another {read:.1%} earlier "
        "in the validation text"
        for size, (learned, read) in copied.items()
    )
    + (
        ". There is little to copy here, so copying explains little of the figures above."
        if sum(copied[20]) < 0.05
        else ". So copying long passages does not explain the figures above, though short ones may help."
        if sum(copied[40]) < 0.05
        else ". So there are long passages to copy."
    )
)

# %% [markdown]
# **Exercise.** A model has a perplexity of 4.2 per character. *Predict first*: is a megabyte of such text compressed by it to about a half,
# a quarter, or a tenth? Then compute how many bits it needs per character, and how many bytes for a million characters.
#
# <details><summary>Solution</summary>
#
# The bits per character are the logarithm of the perplexity to base 2, and a plain character takes 8 of them.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
bits = math.log2(4.2)
print(
    f"log2(4.2) = {bits:.2f} bits; a million characters need {1e6 * bits / 8:,.0f} bytes, {bits / 8:.0%} of the "
    "million of plain text"
)

# %% [markdown]
# ### Q27: How do you visualize the model's predictions versus the actual next characters in a sequence?
#
# **By hand.** For each position of a passage: the true character, and the five most probable ones, darker if likelier. A frame marks
# the true one if it is among them.

# %%
start = len(validation_text) // 3
before, passage = validation_text[start - 300 : start], validation_text[start : start + 40]
with torch.no_grad():
    column = torch.cat([torch.tensor([BOUNDARY]), encode(before + passage)])[:, None].to(device)
    logits, _ = model(column[:-1], zero_state(model, 1))
chances = torch.softmax(logits[-len(passage) :, 0].cpu().double(), dim=1)
best = chances.topk(5, dim=1)


def mark_guesses(axes, passage, best):
    """Write the five guesses into the picture; a frame around the right one."""
    for place, actual in enumerate(passage):
        for row in range(5):
            guess = characters[best.indices[place, row]]
            colour = "white" if best.values[place, row] > 0.6 else "black"
            style = {"ha": "center", "va": "center", "fontsize": 9, "family": "DejaVu Sans Mono", "color": colour}
            axes.text(place, row, VISIBLE.get(guess, guess), **style)
            if guess == actual:
                corner = (place - 0.47, row - 0.47)
                axes.add_patch(plt.Rectangle(corner, 0.94, 0.94, fill=False, color=COLOURS[1], linewidth=2))


figure, axes = plt.subplots(figsize=(13, 2.6), dpi=110)
axes.imshow(best.values.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
mark_guesses(axes, passage, best)
axes.set_xticks(range(len(passage)), [VISIBLE.get(each, each) for each in passage], family="DejaVu Sans Mono")
axes.xaxis.tick_top()
axes.set_yticks(range(5), [f"guess {row + 1}" for row in range(5)])
axes.grid(visible=False)
truths = [index_of[actual] for actual in passage]
first = sum(int(best.indices[place, 0]) == truth for place, truth in enumerate(truths))
among = sum(truth in best.indices[place].tolist() for place, truth in enumerate(truths))
axes.set_title(
    f"The truth (top line) is the first guess {first} times out of {len(passage)}, among the first five {among} times",
    pad=14,
)
show(
    "A table of 40 characters of the validation text: below each, the five most probable guesses, darker if more probable, with a frame around the right one."
)

# %% [markdown]
# **With charloom.** `charloom score RUN --text F --png heat-map.png` for a picture, `--html` for an interactive page. Each character
# is coloured by its surprise, with the expected characters below. The check compares all guesses at all positions: which five
# they are, their probabilities, and the surprise of the truth.

# %%
from charloom.evaluation import Surprises
from charloom.plotting import draw_heat_map

surprises = list(Surprises(library, before + validation_text[start : start + 96]))[len(before) :]
for place, surprise in enumerate(surprises[: len(passage)]):
    theirs = dict(surprise.top)
    for index, chance in zip(best.indices[place][: len(theirs)].tolist(), best.values[place].tolist()):
        found = theirs.get(characters[index])
        assert found is not None, f"position {place}: charloom does not expect {characters[index]!r}"
        assert abs(found - chance) < 1e-4, f"position {place}, {characters[index]!r}: {chance} by hand, {found}"
    ours = -math.log(chances[place, truths[place]])
    assert abs(ours - surprise.nats) < 1e-3, f"position {place}: {ours} nats by hand, {surprise.nats} with charloom"
print(
    f"✔ the most probable characters and the surprise at all {len(passage)} positions: by hand and with charloom the same"
)
mean_bits = sum(surprise.nats for surprise in surprises) / len(surprises) / math.log(2)
show(
    f"A passage of the validation text, each character coloured by its surprise: {mean_bits:.2f} bits on average.",
    draw_heat_map(surprises, f"{mean_bits:.2f} bits per character over this passage", columns=48),
    width=900,
)

# %% [markdown]
# Where does the surprise sit? We compare the first letters of words with the letters inside them, in twelve parts of the
# validation text:

# %%
nats_of_each = charloom.surprisal(library, validation_text)
letter = np.array([character.isalpha() for character in validation_text])
first_letter = letter & ~np.concatenate([[False], letter[:-1]])
of_first, of_others = [], []
for part in np.array_split(np.arange(len(validation_text)), 12):
    of_first.append(nats_of_each[part][first_letter[part]].mean() / math.log(2))
    of_others.append(nats_of_each[part][(letter & ~first_letter)[part]].mean() / math.log(2))
say(
    f"The first letter of a word costs {np.mean(of_first):.2f} bits, a letter inside one {np.mean(of_others):.2f}: "
    + paired(of_first, of_others).sentence(
        "**surprise sits at the beginnings of words**",
        "**surprise sits inside words**",
        "first letters and others",
        "bits",
        2,
    )
    + "."
)
