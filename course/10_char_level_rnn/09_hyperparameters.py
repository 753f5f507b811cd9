# %% [markdown]
# ## 9. Hyperparameter adjustments
#
# Four questions of the form *what happens if*. Each is answered by a small experiment, with the same rules for all:
#
# * **An equal budget**: every network reads the same number of characters, in the same number of steps.
# * **One thing at a time**: everything else stays at the shared centre.
# * **Several seeds**: the same setting is trained several times, and each result is a point. **Differences smaller than those
#   between the seeds mean nothing.**
#
# The experiments are small and short, so they show directions. For a larger text, a larger network or more time, the best values shift.

# %%
BUDGET = choose(600_000, 20_000)  # characters that each network reads
AT_ONCE = 1024  # characters per step: streams times sequence length
CENTRE = {"hidden_size": choose(128, 32), "layers": 1, "peak": 1.6e-2, "length": 64}
done = {}


def experiment(seed, **changes):
    """Train one small network by hand and evaluate it; the same settings are trained only once."""
    settings = {**CENTRE, **changes}
    key = (seed, *settings.values())
    if key not in done:
        torch.manual_seed(seed)
        network = CharacterRNN(INPUT_SIZE, settings["hidden_size"], OUTPUT_SIZE, EMBEDDING_SIZE, settings["layers"]).to(
            device
        )
        steps, streams = BUDGET // AT_ONCE, AT_ONCE // settings["length"]
        began = time.perf_counter()
        losses = [
            record["loss"] for record in train(network, train_ids, steps, settings["peak"], streams, settings["length"])
        ]
        seconds = time.perf_counter() - began
        done[key] = {
            "nats": validation_loss(network, validation_ids),
            "losses": losses,
            "seconds": seconds,
            "network": network,
        }
    return done[key]


def sweep(name, values):
    """The results of all seeds for each value of one setting."""
    return {value: [experiment(seed, **{name: value}) for seed in SEEDS] for value in values}


def mean_of(results, what="nats"):
    """The mean over the seeds, for each value."""
    return {value: float(np.mean([one[what] for one in ones])) for value, ones in results.items()}


def largest_spread(results):
    """The largest difference between the seeds of one value."""
    return max(max(one["nats"] for one in ones) - min(one["nats"] for one in ones) for ones in results.values())


def draw_results(axes, results, name, title):
    """A point for each seed, a line through the means."""
    places = range(len(results))
    for place, ones in zip(places, results.values()):
        axes.plot([place] * len(ones), [one["nats"] for one in ones], "o", color=COLOURS[0], alpha=0.6)
    axes.plot(places, list(mean_of(results).values()), color=COLOURS[1], marker=MARKERS[1], label="mean of the seeds")
    axes.set_xticks(places, [f"{value:g}" for value in results])
    axes.set_xlabel(name)
    axes.set_ylabel("validation, nats per character")
    axes.set_title(headline(title, 55), fontsize=10)


def draw_curves(axes, results, name):
    """The training loss of the first seed, smoothed."""
    for (value, ones), colour, marker in zip(results.items(), COLOURS, MARKERS):
        losses = np.array(ones[0]["losses"])
        width = max(1, len(losses) // 15)
        smooth = np.convolve(losses, np.ones(width) / width, "valid")
        axes.plot(
            np.arange(len(smooth)) + width,
            smooth,
            color=colour,
            marker=marker,
            markevery=max(1, len(smooth) // 8),
            label=f"{value:g}",
        )
    axes.set_xlabel("step")
    axes.set_ylabel("training loss, nats (smoothed)")
    axes.legend(title=name, fontsize=8)


say(
    f"Each network reads {BUDGET:,} characters in {BUDGET // AT_ONCE} steps, with {len(SEEDS)} seeds. The centre: one "
    "LSTM layer of "
    f"{CENTRE['hidden_size']} units, learning rate {CENTRE['peak']:g}, sequences of {CENTRE['length']}."
)

# %% [markdown]
# ### Q28: How do you experiment with different learning rates to observe their impact on the model's training performance?
#
# **By hand.** Try values that differ by a constant *factor*, from far too small to far too large, so that the best one is
# inside the range and not at its end.

# %%
rates = sweep("peak", [1e-3, 4e-3, 1.6e-2, 6.4e-2, 2.56e-1])
means = mean_of(rates)
best_rate = min(means, key=means.get)
figure, panels = plt.subplots(1, 2, figsize=(12, 4.2))
draw_curves(panels[0], rates, "learning rate")
draw_results(
    panels[1],
    rates,
    "learning rate (peak)",
    f"Best of these: {best_rate:g} with {means[best_rate]:.2f} nats; the smallest gives {means[min(means)]:.2f}, the "
    f"largest {means[max(means)]:.2f}",
)
figure.tight_layout()
plt.show()
say(
    f"**The best learning rate of these is {best_rate:g}.** The smallest costs "
    f"{means[min(means)] - means[best_rate]:.2f} nats, the largest "
    f"{means[max(means)] - means[best_rate]:.2f}; the seeds differ by up to {largest_spread(rates):.3f}. Too small "
    "learns too slowly for the time there is; too large overshoots. With more steps, the best value is usually smaller."
)

# %% [markdown]
# **With charloom.** `TrainingConfig(learning_rate=...)`, or `--training.learning-rate`. Both loops agree, whatever the rate:

# %%
same_losses(f"learning rate {best_rate:g}", peak=best_rate)

# %% [markdown]
# ### Q29: How do you adjust the hidden size of the RNN model, and what impact does it have on the model's ability to generate text?
#
# **By hand.** One argument. More units remember more, and cost more: the recurrent matrix grows with the square. We look at the
# loss, at the time, and at the written text: how many of its words exist?

# %%
sizes = sweep("hidden_size", choose([32, 64, 128, 256], [8, 16, 32, 64]))
means, times = mean_of(sizes), mean_of(sizes, "seconds")
real = {}
for size, ones in sizes.items():
    written = [
        sample.text
        for one in ones
        for sample in charloom.generate_many(
            as_charloom(one["network"]), ["The "] * 8, length=choose(500, 100), temperature=0.8, seed=1
        )
    ]
    real[size] = share_of_real_words(" ".join(written))

small_size, large_size = min(sizes), max(sizes)
figure, panels = plt.subplots(1, 2, figsize=(12, 4.2))
draw_results(
    panels[0],
    sizes,
    "hidden size",
    f"From {small_size} to {large_size} units the loss goes from {means[small_size]:.2f} to {means[large_size]:.2f} "
    f"nats, the time from {times[small_size]:.1f} to {times[large_size]:.1f} s",
)
panels[1].bar([str(size) for size in real], list(real.values()), color=COLOURS[2])
panels[1].set_xlabel("hidden size")
panels[1].set_ylabel("words written that exist in our text")
panels[1].set_title(
    headline(
        f"{real[small_size]:.0%} of the words exist with {small_size} units, {real[large_size]:.0%} with {large_size}",
        55,
    ),
    fontsize=10,
)
figure.tight_layout()
plt.show()
for size in (small_size, large_size):
    print(f"--- {size} units")
    print("".join(generate(sizes[size][0]["network"], "The ", length=200, temperature=0.7, seed=4)))
say(
    f"**{large_size // small_size} times the units: {means[small_size] - means[large_size]:.2f} nats better, in "
    f"{times[large_size] / times[small_size]:.1f} times the time** (the seeds differ by up to "
    f"{largest_spread(sizes):.3f}). That is at an equal number of characters. At an equal *time* the smaller one could "
    "have read that many times as much, which is another experiment."
)

# %% [markdown]
# **With charloom.** `NetworkConfig(hidden_size=...)`; with a time budget, charloom chooses it by how much your machine can read in
# that time.

# %%
same_losses(f"hidden size {small_size}", hidden_size=small_size)

# %% [markdown]
# ### Q30: How do you experiment with the number of layers in the RNN model to analyze its effect on text generation?
#
# **By hand.** One argument again. A second layer reads the states of the first as if they were a text, and doubles the number of
# steps that each gradient must pass through.

# %%
depths = sweep("layers", [1, 2, 3])
means, times = mean_of(depths), mean_of(depths, "seconds")
best_depth = min(means, key=means.get)
figure, panels = plt.subplots(1, 2, figsize=(12, 4.2))
draw_curves(panels[0], depths, "layers")
draw_results(
    panels[1],
    depths,
    "layers",
    f"After {BUDGET:,} characters, {best_depth} {'layer is' if best_depth == 1 else 'layers are'} best: "
    + ", ".join(f"{value:.3f}" for value in means.values())
    + " nats",
)
figure.tight_layout()
plt.show()
for depth in (1, 3):
    print(f"--- layers: {depth}")
    print("".join(generate(depths[depth][0]["network"], "The ", length=200, temperature=0.7, seed=4)))
certain = abs(means[1] - means[3]) > largest_spread(depths)
say(
    f"**Three layers instead of one: {means[3] - means[1]:+.3f} nats, in {times[3] / times[1]:.1f} times the time.** "
    f"The seeds differ by up to {largest_spread(depths):.3f}, so this difference is "
    f"{'larger than chance' if certain else 'no larger than chance'}."
)

# %% [markdown]
# **With charloom.** `NetworkConfig(layers=...)`:

# %%
same_losses("2 layers", layers=2, hidden_size=choose(64, 32))

# %% [markdown]
# ### Q31: How do you change the sequence length for input sequences, and what effect does it have on the training process and model performance?
#
# **By hand.** The sequence length is how far the gradient flows back. To change nothing else, the number of streams changes
# inversely, so that each step still holds the same number of characters.

# %%
lengths = sweep("length", [4, 16, 64, 256])
means, times = mean_of(lengths), mean_of(lengths, "seconds")
best_length = min(means, key=means.get)
figure, panels = plt.subplots(1, 2, figsize=(12, 4.2))
draw_results(
    panels[0],
    lengths,
    "sequence length",
    f"Best of these: {best_length} characters with {means[best_length]:.2f} nats; with 4 it is {means[4]:.2f}, with 256 "
    f"{means[256]:.2f}",
)
panels[1].bar([str(length) for length in times], list(times.values()), color=COLOURS[2])
panels[1].set_xlabel("sequence length")
panels[1].set_ylabel("seconds of training")
panels[1].set_title(
    headline(f"The same characters take {times[4]:.1f} s in slices of 4 and {times[256]:.1f} s in slices of 256", 55),
    fontsize=10,
)
figure.tight_layout()
plt.show()
costs = {length: nats_of_it - means[best_length] for length, nats_of_it in means.items()}
spread = largest_spread(lengths)
say(
    f"**The best of these lengths is {best_length}; slices of 4 cost {costs[4]:.3f} nats, slices of 256 cost {costs[256]:.3f}.** "
    f"The seeds differ by up to {spread:.3f}, so "
    + (", ".join(str(length) for length, cost in costs.items() if cost > spread) or "none")
    + " of the lengths can be told from the best at this budget. Two things pull against each other. Short slices see what "
    "stood before, because the state is carried, but cannot learn *what to keep* for longer than a slice. Long slices leave "
    "fewer streams, so each step sees fewer different places of the text. The first counts for more the longer one trains."
)

# %% [markdown]
# **With charloom.** `TrainingConfig(sequence_length=...)`:

# %%
same_losses("sequence length 16", length=16, streams=AT_ONCE // 16)

# %% [markdown]
# **Exercise.** All four experiments changed one thing. Combine the best value of each: is the result better than the centre by
# the sum of the four gains?
#
# *Solution.* There is no reason why it should be: the best value of one setting depends on the others.

# %% tags=["solution"]
best = {
    "peak": min(mean_of(rates), key=mean_of(rates).get),
    "hidden_size": min(mean_of(sizes), key=mean_of(sizes).get),
    "layers": best_depth,
    "length": best_length,
}
together = float(np.mean([experiment(seed, **best)["nats"] for seed in SEEDS]))
centre = float(np.mean([experiment(seed)["nats"] for seed in SEEDS]))
gains = [centre - min(mean_of(results).values()) for results in (rates, sizes, depths, lengths)]
print(
    f"centre {centre:.3f}, the best of each together {together:.3f} nats: a gain of {centre - together:.3f}; the sum "
    f"of the gains is {sum(gains):.3f}"
)
