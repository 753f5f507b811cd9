# %% [markdown]
# ## 8. Evaluating model performance

# %% [markdown]
# ### Q25: How do you evaluate the model's performance in predicting the next character in a sequence on a validation set in PyTorch?
#
# **By hand.** Read the validation text once, from beginning to end, with the state carried, and count every character exactly once.
# We compute two figures: the mean surprise, and the *accuracy*, the share of characters that were the most probable one. There is no
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
# **With charloom.** `charloom.evaluate(model, text)`, or `charloom evaluate RUN`, which adds n-grams and compressors to compare
# with (`--baselines`).

# %%
score = charloom.evaluate(library, validation_text)
agree("nats per character", nats, score.nats_per_character, 1e-4)
agree("accuracy", accuracy, score.accuracy, 2e-4)

# %% [markdown]
# **A hidden assumption: how much context does a prediction get?** *Carried*: everything before it. *Fresh*: the text is cut into
# windows, and each starts with an empty state, as models with a fixed window have to be evaluated. The same model and the same text
# give different figures:

# %%
windows = [8, 16, 32, 64, 128, 256, 512]
fresh = [charloom.evaluate(library, validation_text, context=window).nats_per_character for window in windows]

figure, axes = plt.subplots()
axes.plot(windows, fresh, marker=MARKERS[0], label="a fresh start in each window")
axes.axhline(score.nats_per_character, color=COLOURS[1], linestyle="--", label="the state carried")
axes.set_xscale("log", base=2)
axes.set_xticks(windows, windows)
axes.set_xlabel("characters in a window")
axes.set_ylabel("nats per character")
axes.legend()
axes.set_title(
    headline(
        f"The same model is worth {fresh[windows.index(64)]:.2f} nats in windows of 64, "
        f"{fresh[windows.index(256)]:.2f} in windows of 256, and "
        f"{score.nats_per_character:.2f} with the state carried"
    )
)
plt.show()

# %% [markdown]
# And does it matter how it was *trained*? Two small networks see the same number of characters: one in streams with the state
# carried, one in shuffled windows that start from an empty state. We evaluate each both ways.

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


SMALL, SEEDS = choose(128, 32), choose((1, 2, 3), (1, 2))
SHORT = 16  # characters in a window

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
        results[way, "carried"].append(validation_loss(small, validation_ids))
        results[way, "fresh"].append(
            charloom.evaluate(as_charloom(small), validation_text, context=SHORT).nats_per_character
        )

means = {key: float(np.mean(values)) for key, values in results.items()}
ranges = max(max(values) - min(values) for values in results.values())
print("trained on   judged carried   judged in fresh windows of 16   (mean of", len(SEEDS), "seeds, nats)")
for way in ("streams", "windows"):
    print(f"{way:<12} {means[way, 'carried']:>14.3f}   {means[way, 'fresh']:>29.3f}")
advantage = means["windows", "carried"] - means["streams", "carried"]
say(
    f"Judged with the state carried, streams are {abs(advantage):.3f} nats {'better' if advantage > 0 else 'worse'} "
    f"than shuffled windows; judged in windows of {SHORT} the difference is "
    f"{means['windows', 'fresh'] - means['streams', 'fresh']:+.3f}. The seeds differ by up to {ranges:.3f} nats, so "
    "differences below that say nothing. "
    "**A figure means something only together with the way in which the text was read: never compare carried with "
    "fresh.**"
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
# **A hidden assumption: per character.** Perplexity per *word* is something else. The perplexity of a word is that of a character
# to the power of the word's length, because the surprises of its characters add up. To interpret a figure, compare it with others:
# a model that knows nothing, one that counts letters, one that counts sequences of five, and a compressor.

# %%
from charloom.evaluation import NGram, compressors

floor = {
    "all characters equally likely": math.log(OUTPUT_SIZE),
    "how common each character is": NGram(train_ids.numpy(), 1, OUTPUT_SIZE).nats(validation_ids.numpy())
    / len(validation_ids),
    "the 4 characters before (5-gram)": NGram(train_ids.numpy(), 5, OUTPUT_SIZE).nats(validation_ids.numpy())
    / len(validation_ids),
}
for baseline in compressors(train_text.encode(), validation_text.encode(), len(validation_text)):
    if baseline.name == "xz":
        floor["xz, primed with the training text"] = baseline.bits_per_character * math.log(2)
floor["our network, by hand"] = nats
floor["charloom's defaults (chapter 1)"] = first_score.nats_per_character

pieces = [validation_text[place : place + 40] for place in range(0, len(validation_text) - 40, 40)]
repeated = sum(piece in train_text for piece in pieces) / len(pieces)
length_of_word = len(validation_text) / len(validation_text.split())
say(
    "| who predicts | nats | bits | perplexity per character | per word |\n|---|---|---|---|---|\n"
    + "\n".join(
        f"| {name} | {value:.3f} | {value / math.log(2):.3f} | {math.exp(value):.2f} | "
        f"{math.exp(value * length_of_word):,.0f} |"
        for name, value in floor.items()
    )
)
say(
    f"**Know your text:** {repeated:.0%} of the validation text, in pieces of 40 characters, stand word for word in the "
    "training text too, for a manual repeats itself. A compressor that copies from far back, and a model that counts long "
    "sequences, live on that; a small network has to learn passages by heart first. Compare this table with that "
    "of Tiny Shakespeare in chapter 10."
)
say(
    f"A perplexity of {perplexity:.2f} *per character* is one of **{perplexity**length_of_word:,.0f} per word** here, "
    "because a word has "
    f"{length_of_word:.1f} characters, its space included. Anyone who quotes a perplexity without saying per what has "
    "said nothing."
)

# %% [markdown]
# **Exercise.** A model has a perplexity of 4.2 per character. How many bits does it need per character, and how many bytes
# for a megabyte of such text?
#
# *Solution.*

# %% tags=["solution"]
bits = math.log2(4.2)
print(
    f"log2(4.2) = {bits:.2f} bits; a million characters need {1e6 * bits / 8:,.0f} bytes, {8 / bits:.1f} times less "
    "than as plain bytes"
)

# %% [markdown]
# ### Q27: How do you visualize the model's predictions versus the actual next characters in a sequence?
#
# **By hand.** For each position of a passage: the true character, and the five most probable ones, darker if likelier. A frame marks
# the true one if it is among them.

# %%
start = len(validation_text) // 3
passage = validation_text[start : start + 40].replace("\n", " ")
with torch.no_grad():
    column = torch.cat([torch.tensor([BOUNDARY]), encode(validation_text[start - 300 : start] + passage)])[:, None].to(
        device
    )
    logits, _ = model(column[:-1], zero_state(model, 1))
chances = torch.softmax(logits[-len(passage) :, 0], dim=1).cpu()
best = chances.topk(5, dim=1)

figure, axes = plt.subplots(figsize=(13, 2.6))
axes.imshow(best.values.T, cmap="Blues", vmin=0, vmax=1, aspect="auto")
for place, actual in enumerate(passage):
    for row in range(5):
        guess = characters[best.indices[place, row]]
        shown_guess = {" ": "␣", "\n": "↵"}.get(guess, guess)
        dark = best.values[place, row] > 0.6
        axes.text(
            place,
            row,
            shown_guess,
            ha="center",
            va="center",
            fontsize=9,
            color="white" if dark else "black",
            family="DejaVu Sans Mono",
        )
        if guess == actual:
            axes.add_patch(
                plt.Rectangle((place - 0.47, row - 0.47), 0.94, 0.94, fill=False, color=COLOURS[1], linewidth=2)
            )
axes.set_xticks(
    range(len(passage)), ["␣" if character == " " else character for character in passage], family="DejaVu Sans Mono"
)
axes.xaxis.tick_top()
axes.set_yticks(range(5), [f"guess {row + 1}" for row in range(5)])
axes.grid(visible=False)
among = sum(index_of[actual] in best.indices[place].tolist() for place, actual in enumerate(passage))
axes.set_title(
    f"The truth (top line) is the first guess {sum(best.indices[p, 0] == index_of[a] for p, a in enumerate(passage))} "
    f"times of {len(passage)}, and among the first five {among} times",
    pad=14,
)
plt.show()

# %% [markdown]
# **With charloom.** `charloom score RUN --text F --png heat-map.png` for a picture, `--html` for an interactive page. Each character
# is coloured by its surprise, with the expected characters below.

# %%
from charloom.evaluation import Surprises
from charloom.plotting import draw_heat_map

surprises = list(Surprises(library, validation_text[start - 300 : start + 96]))
shown_part = surprises[300:]
mean_bits = sum(surprise.nats for surprise in shown_part) / len(shown_part) / math.log(2)
display(
    Image(draw_heat_map(shown_part, f"{mean_bits:.2f} bits per character over this passage", columns=48), width=900)
)
agree("the surprise of the first character", -math.log(chances[0, index_of[passage[0]]]), shown_part[0].nats, 1e-3)

nats_of_each = charloom.surprisal(library, validation_text)
letter = np.array([character.isalpha() for character in validation_text])
first_letter = letter & ~np.concatenate([[False], letter[:-1]])
say(
    f"**Surprise sits at the beginnings of words.** Over the whole validation text the first letter of a word costs "
    f"{nats_of_each[first_letter].mean() / math.log(2):.2f} bits, a letter inside one "
    f"{nats_of_each[letter & ~first_letter].mean() / math.log(2):.2f}."
)
