# %% [markdown]
# ### What a network learns first
#
# *Time*: ten minutes to read, one to run. *You need*: `train` (question 18) and `generate` (question 21).
#
# We stop the training of a small network after 1, 10, 30, 100, … steps, and each time let it continue the same seed text with
# the same random numbers. All that changes is what it has learned. Three seeds are trained; the texts are those of
# the first. Above each text is its loss on the first 8,000 characters of the held-out text (an easier passage: not to be compared with other losses here).

# %%
import itertools

from charloom.evaluation import paired

SNAPSHOTS = choose((1, 10, 30, 100, 300, 1000, 2000), (1, 10, 30))
LEARNERS = choose((1, 2, 3), (1, 2))  # seeds
PROBE = validation_ids[: choose(8_000, 1_000)]


def as_it_learns(seed):
    """Train a small network; yields it at each of the steps where we look at it."""
    torch.manual_seed(seed)
    learner = CharacterRNN(INPUT_SIZE, choose(128, 32), OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
    for step, _ in enumerate(train(learner, train_ids, SNAPSHOTS[-1], PEAK, STREAMS, LENGTH), start=1):
        if step in SNAPSHOTS:
            yield step, learner


def sample_of(network):
    """What a network writes: enough text to count things in it."""
    samples = charloom.generate_many(as_charloom(network), [OPENING] * 10, length=choose(500, 80), seed=1)
    return [OPENING + sample.text for sample in samples]


seen_while_learning = {}
for seed in LEARNERS:
    for step, learner in as_it_learns(seed):
        loss_then = validation_loss(learner, PROBE)
        seen_while_learning[seed, step] = (loss_then, sample_of(learner))
        if seed == LEARNERS[0]:
            continued = "".join(generate(learner, OPENING, length=160, temperature=0.8, seed=1))
            print(f"--- after step {step:,}: {loss_then:.2f} nats")
            show_text(OPENING + continued)

# %%
agree(
    "loss of the last network on held-out text",
    loss_then,
    charloom.evaluate(as_charloom(learner), validation_text[: len(PROBE)]).nats_per_character,
    1e-4,
)
same(
    "the text of the last network",
    "".join(generate(learner, OPENING, length=160, temperature=0.8, seed=1)),
    "".join(charloom.generate(as_charloom(learner), OPENING, length=160, temperature=0.8, seed=1)),
)

# %% [markdown]
# What came first: letters, spaces or words? We measure each by something simple, at temperature 1, where the network writes what it
# has learned:
#
# * **letters**: how often each character occurs;
# * **spaces**: how long the pieces between them are;
# * **words**: whether a word of three letters or more occurs in the training text.
#
# For the first two we take the distance (question 24) from the training text, for the last the share of words that do not occur
# in it. Held-out text of the same length is not at distance 0 either. So we say that a network has come all the way if it is as
# near as held-out text is. The picture shows how much of the way each measure has gone, against the training steps;
# above 1 it is nearer to the training text than held-out text is. Below the picture we compare when 80% of the way was gone; a measure
# that never gets so far counts as if it did at twice the last step, so how much later it comes is then only a lower bound.

# %%
MEASURED = {
    "letters": lambda texts: list("".join(texts)),
    "spaces": lambda texts: [len(piece) for text in texts for piece in text.split()],
}


def unlike_the_text(texts):
    """How far texts are from the training text, by each measure."""
    made_up = 1 - np.mean([shares_of_words(text)[0] for text in texts])
    of_training = {name: measure([train_text]) for name, measure in MEASURED.items()}
    apart = {name: distance(measure(texts), of_training[name]) for name, measure in MEASURED.items()}
    return apart | {"words": float(made_up)}


size, places = choose(500, 80), np.linspace(0, len(validation_text) - choose(500, 80), 10).astype(int)
all_the_way = unlike_the_text([validation_text[place : place + size] for place in places])
remaining = {place: unlike_the_text(texts) for place, (_, texts) in seen_while_learning.items()}


def way_gone(seed, step, name):
    """The share of the way from the first step to held-out text."""
    first, now = remaining[seed, SNAPSHOTS[0]][name], remaining[seed, step][name]
    return (first - now) / max(1e-9, first - all_the_way[name])


# %%
ways = {
    name: np.array([[way_gone(seed, step, name) for step in SNAPSHOTS] for seed in LEARNERS]) for name in all_the_way
}
MOST = 0.8
reached = {  # the first step, for each seed, at which most of the way is gone
    name: [next((step for step, way in zip(SNAPSHOTS, row) if way >= MOST), math.inf) for row in rows]
    for name, rows in ways.items()
}
in_order = sorted(reached, key=lambda name: (np.median(reached[name]), np.mean(ways[name]) * -1))

comparisons, groups = {}, [[in_order[0]]]  # a new group begins where the difference is clear
for earlier, later in itertools.pairwise(in_order):
    steps_of = [np.minimum(reached[name], 2 * SNAPSHOTS[-1]) for name in (later, earlier)]  # never: twice the last step
    found = comparisons[earlier, later] = paired(*map(np.log2, steps_of))
    if found.clear and found.mean > 0:
        groups.append([later])
    else:
        groups[-1].append(later)

# %%
figure, axes = plt.subplots(figsize=(9, 4), dpi=110)
for name, colour, marker in zip(in_order, COLOURS, MARKERS):
    axes.plot(SNAPSHOTS, ways[name].mean(axis=0), color=colour, marker=marker, label=name)
    axes.fill_between(SNAPSHOTS, ways[name].min(axis=0), ways[name].max(axis=0), color=colour, alpha=0.15)
axes.axhline(1, color="0.5", linestyle=":", label="held-out text")
axes.set_xscale("log")
axes.set_xticks(SNAPSHOTS, [f"{step:,}" for step in SNAPSHOTS])
axes.minorticks_off()
axes.set_ylim(-0.2, 1.7)
axes.set_xlabel("training steps")
axes.set_ylabel("share of the way to held-out text")
axes.legend()
axes.set_title(
    headline(
        "It learns "
        + ", then ".join(" and ".join(group) for group in groups)
        + (" (which of those joined by “and” comes first cannot be told)" if len(groups) < len(in_order) else "")
        + f"; {len(LEARNERS)} seeds, band: lowest to highest",
        85,
    )
)
show("How much of the way to held-out text is gone, by training step, for letters, spaces and words.")

# %%


def when_reached(steps):
    """In words, when most of the way was gone."""
    steps = sorted(steps)
    if steps[0] == math.inf:
        return f"with no seed by step {SNAPSHOTS[-1]:,}"
    if steps[-1] == math.inf:
        return f"only with some seeds by step {SNAPSHOTS[-1]:,}"
    return f"by step {steps[0]:,}" + (f" to {steps[-1]:,}, depending on the seed" if steps[0] != steps[-1] else "")


say("\n".join(f"* **{name}**: {MOST:.0%} of the way, {when_reached(reached[name])}" for name in in_order))
for (earlier, later), found in comparisons.items():
    said = found.sentence(
        f"**{earlier} before {later}**",
        f"**{later} before {earlier}**",
        f"{earlier} and {later}",
        "doublings of the steps",
        1,
    )
    say(f"* {said}")
