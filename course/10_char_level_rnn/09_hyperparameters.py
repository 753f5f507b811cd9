# %% [markdown]
# ## 9. Hyperparameter adjustments
#
# *About 45 minutes with the exercises, six of them computing. You need `fold` (Q11), the network (Q12 to Q15) and
# the training loop (Q17 to Q19).*
#
# Four questions of the form *what happens if*. Each is answered by a small experiment, and all follow the same rules:
#
# * **One thing at a time.** Everything else stays as in the shared *centre*, a small network that trains in seconds.
# * **A stated budget.** Networks are compared after an equal number of characters, after an equal time, or both. The two can give
#   opposite answers.
# * **Several seeds, in pairs.** Every setting is trained with the same seeds; only the search for each depth's learning rate in Q30 has
#   one seed, its own. Two settings are compared seed by seed, by the rule of
#   chapter 4: **a difference that is no larger than its margin is not a result**, and the sentences below say so themselves,
#   because they are chosen by the outcome. (They compare before rounding, so a difference and its margin may look equal in print and
#   still be told apart.)
# * **Nothing is compared that did not train**, except in Q28, where failing to train is the result. A network that still predicts no better than letter frequencies says nothing about
#   its setting, other than that it did not train.
#
# The experiments are small and short, so they show directions. For a larger text, a larger network or more time, the best values
# shift.

# %%
import re
import time

from charloom.evaluation import paired

BUDGET = choose(300 * 1024, 8 * 1024)  # characters that each network reads, unless stated otherwise
TRIALS = choose((1, 2, 3), (1, 2))  # the seeds of every setting
CENTRE = {"hidden_size": choose(64, 24), "layers": 1, "peak": 1.6e-2, "streams": 16, "length": 32}

everything = torch.cat([train_ids, validation_ids])
full = len(train_ids) // 1024 * 1024  # so that all slices of all experiments are full
trained_on, held_out = everything[:full], everything[full:][:200_000]


@torch.no_grad()
def held_out_loss(network):
    """Nats per character of the held-out text, in sixteen rows that are read side by side: ten times as fast as one."""
    inputs, targets = (part[0].to(device) for part in fold(held_out, 16, len(held_out) // 16))
    state, total = zero_state(network, 16), 0.0
    for some_inputs, some_targets in zip(inputs.split(256), targets.split(256)):
        logits, state = network(some_inputs, state)
        total += loss_of(logits, some_targets).item() * len(some_inputs)
    return total / len(inputs)


shares = (torch.bincount(trained_on, minlength=OUTPUT_SIZE) + 1).double()
UNIGRAM = float(F.nll_loss((shares / shares.sum()).log().expand(len(held_out), -1), held_out))
print(f"a model that knows only how common each character is: {UNIGRAM:.3f} nats; every network must get well below")

# %% [markdown]
# One function trains one network and measures it. It remembers what it has trained, so experiments share their common settings.

# %%
done = {}


def experiment(seed, kind=CharacterRNN, steps=None, **changes):
    """Train one small network by hand and evaluate it; the same settings are trained only once."""
    settings = CENTRE | changes
    per_step = settings["streams"] * settings["length"]
    steps = steps or BUDGET // per_step
    key = (seed, kind, steps, *settings.values())
    if key not in done:
        torch.manual_seed(seed)
        network = kind(INPUT_SIZE, settings["hidden_size"], OUTPUT_SIZE, EMBEDDING_SIZE, settings["layers"]).to(device)
        began = time.perf_counter()
        records = train(network, trained_on, steps, settings["peak"], settings["streams"], settings["length"])
        losses = [record["loss"] for record in records]
        seconds = time.perf_counter() - began
        nats = held_out_loss(network)
        done[key] = {"network": network, "nats": nats, "losses": losses, "steps": steps, "seconds": seconds}
    return done[key]


first_of_all = experiment(TRIALS[0])
say(
    f"The centre is one LSTM layer of {CENTRE['hidden_size']} units, learning rate {CENTRE['peak']:g}, "
    f"{CENTRE['streams']} streams in slices of {CENTRE['length']}. With seed {TRIALS[0]} it reads {BUDGET:,} characters in "
    f"{first_of_all['steps']} steps and {first_of_all['seconds']:.1f} s, and gets to {first_of_all['nats']:.3f} nats."
)

# %% [markdown]
# A *sweep* trains one network for each value of one setting and each seed.

# %%


def sweep(name, values, **others):
    """For each value of one setting, the results of all seeds."""
    return {value: [experiment(seed, **{name: value}, **others) for seed in TRIALS] for value in values}


def of_seeds(ones, what="nats"):
    """One figure of each seed, as an array."""
    return np.array([one[what] for one in ones])


def means_of(results, what="nats"):
    """The mean over the seeds, for each value."""
    return {value: float(of_seeds(ones, what).mean()) for value, ones in results.items()}


def values_untrained(results):
    """The values with a network that did not get well below the letter frequencies (a fast run trains too little to ask)."""
    return [value for value, ones in results.items() if any(one["nats"] > UNIGRAM - choose(0.3, -9) for one in ones)]


def must_have_trained(results):
    """Stop if a network did not get well below the letter frequencies."""
    assert not values_untrained(results), (
        f"{values_untrained(results)} did not train; try a lower learning rate or more steps"
    )


print("the same setting again costs nothing:", sweep("layers", [1])[1][0] is first_of_all)

# %% [markdown]
# Two settings are compared seed by seed, and the sentences below are written by functions that have one for each possible outcome.

# %%


def difference(ones, others, what="nats"):
    """How much higher a figure of one setting is than of another, seed by seed."""
    return paired(of_seeds(ones, what), of_seeds(others, what))


def which_is_better(one_name, ones, other_name, others):
    """Which of two settings has the lower loss, if that can be told."""
    return difference(ones, others).sentence(
        f"{other_name} beats {one_name}", f"{one_name} beats {other_name}", f"{one_name} and {other_name}"
    )


def listed(names):
    """Names with commas, and with `and` before the last."""
    *first, last = map(str, names)
    return f"{', '.join(first)} and {last}" if first else last


def best_of(results):
    """The value with the lowest mean loss, and all others that cannot be told from it."""
    means = means_of(results)
    best = min(means, key=means.get)
    close = [value for value in results if value != best and not difference(results[value], results[best]).clear]
    return best, close


print(which_is_better("the centre", sweep("layers", [1])[1], "itself", sweep("layers", [1])[1]))

# %% [markdown]
# Every plot shows a point for each seed and a line through the means, or the training loss by step.

# %%


def draw_results(axes, results, name, label=None, number=0, what="nats", base=2):
    """A point for each seed, and a line through the means; the values on a logarithmic axis."""
    for value, ones in results.items():
        axes.plot([value] * len(ones), of_seeds(ones, what), MARKERS[number], color=COLOURS[number], alpha=0.5, ms=5)
    axes.plot(list(results), list(means_of(results, what).values()), color=COLOURS[number], label=label)
    axes.set_xscale("log", base=base)
    axes.set_xticks(list(results), [f"{value:g}" for value in results])
    axes.minorticks_off()
    axes.set_xlabel(name)
    axes.set_ylabel("held-out loss, nats per character")


def draw_curves(axes, results, name):
    """The training loss of each setting, the mean over its seeds, smoothed."""
    for (value, ones), colour, marker in zip(results.items(), COLOURS, MARKERS):
        losses = np.mean([one["losses"] for one in ones], axis=0)
        width = max(1, len(losses) // 40)
        smooth = np.convolve(losses, np.ones(width) / width, "valid")
        steps = np.arange(len(smooth)) + width
        axes.plot(
            steps, smooth, color=colour, marker=marker, markevery=max(1, len(smooth) // 8), ms=5, label=f"{value:g}"
        )
    axes.set_xlabel("step")
    axes.set_ylabel("training loss, nats per character")
    axes.legend(title=name, fontsize=8)


print("ready")

# %% [markdown]
# ### Q28: How do you experiment with different learning rates to observe their impact on the model's training performance?
#
# **By hand.** Try values that differ by a constant *factor*, from far too small to far too large, so that the best one lies
# inside the range and not at its end. A learning rate multiplies, so the axis is logarithmic.
#
# **Predict first:** the rates below differ by a factor of 4. How much worse than the best will its two neighbours be, and what will
# the largest rate do?
#
# *The figure: training loss by step for five learning rates on the left, held-out loss against the learning rate on the right.*

# %%
rates = sweep("peak", [1e-3, 4e-3, 1.6e-2, 6.4e-2, 2.56e-1])
means = means_of(rates)
best_rate, close_rates = best_of(rates)
figure, panels = plt.subplots(1, 2, figsize=(12, 4.2))
draw_curves(panels[0], rates, "learning rate")
tenth = first_of_all["steps"] // 10
late = {value: np.mean([one["losses"][-tenth:] for one in ones]) for value, ones in rates.items()}
panels[0].set_title(
    headline("In the last tenth: " + ", ".join(f"{value:g} has {loss:.2f}" for value, loss in late.items()), 60),
    fontsize=10,
)
draw_results(panels[1], rates, "peak of the learning rate", base=10)
panels[1].axhline(UNIGRAM, color=COLOURS[6], linestyle=":", label="letter frequencies")
panels[1].legend(fontsize=8)
panels[1].set_title(
    headline(
        f"Best of these is {best_rate:g} with {means[best_rate]:.2f} nats; {min(means):g} has {means[min(means)]:.2f}, "
        f"{max(means):g} has {means[max(means)]:.2f}",
        60,
    ),
    fontsize=10,
)
figure.tight_layout()
show(
    "Left: the training loss by step for five learning rates. Right: the held-out loss by the learning rate, a point for each seed."
)

# %%
lost = [value for value, nats_of_it in means.items() if nats_of_it > UNIGRAM - 0.1]
say(
    f"**The best learning rate of these is {best_rate:g}**"
    + (f", but {listed(f'{rate:g}' for rate in close_rates)} cannot be told from it" if close_rates else "")
    + ". "
    + "; ".join(
        f"{value:g}: {difference(ones, rates[best_rate])}" for value, ones in rates.items() if value != best_rate
    )
    + f" nats compared with it (margins over {len(TRIALS)} seeds). "
    + (
        f"With {listed(f'{rate:g}' for rate in lost)} the network learned hardly more than how common each character is. "
        if lost
        else "All of them learned more than letter frequencies. "
    )
    + (
        "The best is at the end of the range, so the range is too narrow."
        if best_rate in (min(means), max(means))
        else "The best lies inside the range, so the range is wide enough."
    )
)

# %% [markdown]
# **With charloom.** `charloom study` does just this: it changes one setting at a time around a centre, trains each with several
# seeds, and writes a report with pictures. One command does it for all four questions of this chapter. We give it our own text,
# split, centre and optimizer, so each of its trainings must end where ours does, except for rounding, which hundreds of steps
# magnify.
#
# Its sentences follow a rule of their own, so they need not agree with ours. It does not pair the seeds: two settings cannot be told
# apart if their means are no further apart than twice the standard error, estimated from the spread of the seeds in the whole study; a
# setting with a larger spread uses its own.

# %%
import json
import subprocess
import sys

STUDIED = {"learning-rate": choose([1e-3, 4e-3], [4e-3]), "hidden-size": [CENTRE["hidden_size"] // 2], "layers": [2]}
STUDIED["sequence-length"] = choose([16, 64], [16])
OURS = {"learning-rate": "peak", "hidden-size": "hidden_size", "layers": "layers", "sequence-length": "length"}
STUDY_SEEDS = TRIALS[: choose(2, 1)]
study_file = FOLDER / "study.txt"
study_file.write_text(text, encoding="utf-8", newline="\n")
share = (full + 0.5) / len(text)  # so that the training part is exactly `trained_on`
centre = as_by_hand(CENTRE["peak"], CENTRE["streams"], CENTRE["length"], seed=STUDY_SEEDS[0])
options = {
    "learning-rates": STUDIED["learning-rate"],
    "hidden-sizes": STUDIED["hidden-size"],
    "layers": STUDIED["layers"],
    "sequence-lengths": STUDIED["sequence-length"],
    "characters": BUDGET,
    "seeds": len(STUDY_SEEDS),
    "network.hidden-size": CENTRE["hidden_size"],
    "network.embedding-size": EMBEDDING_SIZE,
    "network.layers": CENTRE["layers"],
    "network.dropout": 0,
    "network.initialization": "uniform",
    "split": [share, 1 - share, 0],
    "run": FOLDER / "study",
    "jobs": min(2, torch.get_num_threads()),
    "device": device.type,
    "precision": "float32",
}
options |= {f"training.{name.replace('_', '-')}": value for name, value in vars(centre).items()}

# %%
command = [sys.executable, "-m", "charloom", "study", str(study_file), "--json"]
for name, value in options.items():
    command += [f"--{name}", ",".join(map(str, value)) if isinstance(value, list) else str(value)]
finished = subprocess.run(command, capture_output=True, text=True)
assert finished.returncode == 0, finished.stderr
study = json.loads(finished.stdout)
its_trials = {trial["name"]: trial for trial in study["trials"]}
print("charloom study TEXT", " ".join(command[6:16]), "...")
print(f"{len(its_trials)} trainings; its report is {FOLDER / 'study' / 'report.html'}")

# %%
TOLERANCE = choose(0.03, 3e-4)  # nats: what rounding may become in hundreds of steps (in tens of them)


def compare_with_study(factor):
    """Check that the same experiment, by hand and by `charloom study`, has the same losses and the same order."""
    ours, theirs, by_seed = {}, {}, {}
    for value in dict.fromkeys([CENTRE[OURS[factor]], *STUDIED[factor]]):
        is_centre = value == CENTRE[OURS[factor]]
        name = "centre" if is_centre else f"{factor}-{value:g}"
        by_seed[value] = (
            [experiment(seed, **{OURS[factor]: value})["nats"] for seed in STUDY_SEEDS],
            [its_trials[f"{name}-seed-{seed}"]["nats_per_character"] for seed in STUDY_SEEDS],
        )
        ours[value], theirs[value] = (float(np.mean(losses)) for losses in by_seed[value])
        agree(f"{factor} {value:g}", ours[value], theirs[value], TOLERANCE)
    clear = [(one, other) for one in ours for other in ours if max(by_seed[one][0]) < min(by_seed[other][0])]
    same(
        f"which {factor} is better, in {len(clear)} of {len(ours) * (len(ours) - 1) // 2} pairs in which every seed agrees",
        clear,
        [(one, other) for one, other in clear if max(by_seed[one][1]) < min(by_seed[other][1])],
    )
    print("charloom's own words, by its rule:", study["factors"][factor]["finding"])


compare_with_study("learning-rate")

# %% [markdown]
# **Exercise.** *Predict first:* with a quarter of the steps, is the best of these learning rates higher, lower or the same? And are
# two rates that now cannot be told apart likely to stay so?
#
# <details><summary>Solution</summary>
#
# Two things pull against each other: with few steps, small ones do not get far; but large ones overshoot, and there is less time to
# recover. Rates that are level after all steps may part, because one of them is ahead on the way. The next cell trains all five again
# with a quarter of the characters and prints what came out, and which rates cannot be told from the best.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
few_steps = max(5, BUDGET // (CENTRE["streams"] * CENTRE["length"]) // 4)
hurried = sweep("peak", list(rates), steps=few_steps)
best_hurried, close_hurried = best_of(hurried)
print(f"after {few_steps} steps:", {value: round(found, 3) for value, found in means_of(hurried).items()})
print(
    f"the best is {best_hurried:g}; not to be told from it: {listed(close_hurried) if close_hurried else 'none'}. "
    f"After all steps it was {best_rate:g}."
)

# %% [markdown]
# ### Q29: How do you adjust the hidden size of the RNN model, and what impact does it have on the model's ability to generate text?
#
# **By hand.** One argument. More units remember more, and cost more: the recurrent matrix grows with the square. So we compare
# twice: after an equal number of characters, and after an *equal time*, in which a small network reads more. The number of its
# steps is set beforehand from the time of a step, so that its learning rate still falls to the end. "Best" below means best of the
# sizes that are tried; if that is the largest of them, a larger one may be better still.
#
# **A hidden assumption: that a clock measures the network.** It also measures whatever else the machine does. So all settings take
# turns, a few steps each, and the shortest turn of each counts.
#
# And the written text? We let each network write, and count how many of its words occur in ours.
#
# **Predict first:** which size wins at equal time?

# %%
words_of_our_text = set(re.findall(r"\w{3,}", text.lower()))
WRITTEN = choose(300, 60)  # how much each text has


@torch.no_grad()
def write(network, length=WRITTEN, texts=16, temperature=0.8, seed=1):
    """Texts that a network writes side by side, all after the beginning of the held-out text."""
    random = torch.Generator().manual_seed(seed)
    logits, state = network(held_out[:50, None].repeat(1, texts).to(device), zero_state(network, texts))
    written = []
    for _ in range(length):
        chances = torch.softmax(logits[-1].cpu() / temperature, dim=1)
        written.append(torch.multinomial(chances, 1, generator=random).T)  # (1, texts)
        logits, state = network(written[-1].to(device), state)
    return [decode(column) for column in torch.cat(written).T.tolist()]


def measure_words(results):
    """Add to each result the share of the words it writes that occur in our text, in percent."""
    for ones in results.values():
        for one in ones:
            words = [word for part in write(one["network"]) for word in re.findall(r"\w{3,}", part.lower())[1:-1]]
            one["words"] = 100 * sum(word in words_of_our_text for word in words) / max(1, len(words))


# %%
TURNS, STEPS_OF_A_TURN = choose(50, 3), 3


def times_of_a_step(name, values):
    """Seconds that a step takes with each value: all take turns, and the shortest turn of each counts."""
    runs, shortest = {}, dict.fromkeys(values, math.inf)
    for value in values:
        one = CENTRE | {name: value}
        network = CharacterRNN(INPUT_SIZE, one["hidden_size"], OUTPUT_SIZE, EMBEDDING_SIZE, one["layers"]).to(device)
        steps = TURNS * STEPS_OF_A_TURN
        runs[value] = train(network, trained_on, steps, one["peak"], one["streams"], one["length"])
    for _ in range(TURNS):
        for value, run in runs.items():
            began = time.perf_counter()
            for _ in range(STEPS_OF_A_TURN):
                next(run)
            shortest[value] = min(shortest[value], (time.perf_counter() - began) / STEPS_OF_A_TURN)
    return shortest


def at_equal_time(results, name, cost, others=lambda value: {}):
    """Each setting again, with as many steps as fit into the time that the slowest one takes; `cost`: of a step."""
    slowest = max(cost, key=cost.get)
    steps = {value: round(results[slowest][0]["steps"] * cost[slowest] / cost[value]) for value in results}
    again = {value: sweep(name, [value], steps=steps[value], **others(value))[value] for value in results}
    return again, steps[slowest] * cost[slowest]


# %%
sizes = sweep("hidden_size", choose([16, 32, 64, 128], [8, 16, 24, 32]))
size_costs = times_of_a_step("hidden_size", sizes)
sizes_in_time, seconds = at_equal_time(sizes, "hidden_size", size_costs)
for results in (sizes, sizes_in_time):
    must_have_trained(results)
measure_words(sizes)
print("milliseconds of a step:", {size: round(1000 * cost, 1) for size, cost in size_costs.items()})
print("characters read in equal time:", {size: f"{ones[0]['steps'] * 512:,}" for size, ones in sizes_in_time.items()})

# %% [markdown]
# *The figure: held-out loss against the hidden size at equal characters and at equal time on the left; the share of written words
# that exist on the right.*

# %%
small, large = min(sizes), max(sizes)
size_means, time_means, word_means = means_of(sizes), means_of(sizes_in_time), means_of(sizes, "words")
best_size, close_sizes = best_of(sizes)
best_in_time, close_in_time = best_of(sizes_in_time)
figure, panels = plt.subplots(1, 2, figsize=(12, 4.2))
draw_results(panels[0], sizes, "hidden size", f"equal characters: {BUDGET:,}")
draw_results(panels[0], sizes_in_time, "hidden size", f"equal time: {seconds:.1f} s", number=1)
panels[0].legend(fontsize=8)
panels[0].set_title(
    headline(
        f"From {small} to {large} units: {size_means[small]:.2f} to {size_means[large]:.2f} nats at equal characters, "
        f"{time_means[small]:.2f} to {time_means[large]:.2f} at equal time",
        60,
    ),
    fontsize=10,
)
draw_results(panels[1], sizes, "hidden size", number=2, what="words")
panels[1].set_ylabel("words written that occur in our text, %")
panels[1].set_title(
    headline(
        f"{word_means[small]:.0f} % of the words exist with {small} units, {word_means[large]:.0f} % with {large}", 60
    ),
    fontsize=10,
)
figure.tight_layout()
show(
    "Left: the held-out loss by the hidden size, at equal characters and at equal time. Right: the share of written words that exist, by the hidden size."
)
for size in (small, large):
    print(f"--- {size} units")
    show_text(write(sizes[size][0]["network"], texts=1)[0][:200])

# %%
more_words = difference(sizes[large], sizes[small], "words")
slower = size_costs[large] / size_costs[small]
say(
    f"**At equal characters, {which_is_better(f'size {large}', sizes[large], f'size {small}', sizes[small])}**, in "
    f"{slower:.1f} times the time. The best size is {best_size}"
    + (f", though {listed(close_sizes)} cannot be told from it. " if close_sizes else ". ")
    + f"**At equal time, {which_is_better(f'size {large}', sizes_in_time[large], f'size {small}', sizes_in_time[small])}**; the "
    f"best size is {best_in_time}"
    + (f", though {listed(close_in_time)} cannot be told from it. " if close_in_time else ". ")
    + (
        "The two comparisons do not contradict each other. "
        if {best_size, *close_sizes} & {best_in_time, *close_in_time}
        else "So the best size depends on which budget you have. "
    )
    + f"The share of written words that exist changes by {more_words.mean:+.0f} ± {more_words.margin:.0f} percentage points "
    f"from size {small} to {large}"
    + (
        ": the text shows what the loss says."
        if more_words.clear and more_words.mean > 0
        else ", so the text contradicts the loss."
        if more_words.clear
        else ", which may be chance."
    )
)

# %% [markdown]
# **With charloom.** `NetworkConfig(hidden_size=...)`, and `--hidden-sizes` of the study above. With a time budget, `charloom
# train` chooses the size by how much your machine can read in that time.

# %%
compare_with_study("hidden-size")

# %% [markdown]
# **Exercise.** *Predict first:* from one hidden size to its double, by which factor do the parameters of the recurrent layer grow,
# and by which the time of a step?
#
# <details><summary>Solution</summary>
#
# An LSTM layer has 4·H·(E + H + 2) parameters, so the factor lies between 2 (while the embedding size E is much larger than H) and 4
# (while it is much smaller). The time need not follow: in small networks, much of a step is not arithmetic but the overhead of many
# small operations, one after the other.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
for one, double in zip(list(sizes)[:-1], list(sizes)[1:]):
    layers = [sum(part.numel() for part in sizes[size][0]["network"].recurrent.parameters()) for size in (one, double)]
    for size, found in zip((one, double), layers):
        assert found == 4 * size * (EMBEDDING_SIZE + size + 2)
    print(
        f"{one:>4} to {double:>3} units: {layers[1] / layers[0]:.2f} times the parameters, "
        f"{size_costs[double] / size_costs[one]:.2f} times the time"
    )

# %% [markdown]
# ### Q30: How do you experiment with the number of layers in the RNN model to analyze its effect on text generation?
#
# **By hand.** One argument again: `layers`. A second layer reads the states of the first as if they were a text, so each gradient
# has to pass through more steps, and each step takes longer.
#
# **A hidden assumption: that one learning rate suits all depths.** It does not. A rate that is good for one layer can keep three
# layers from training at all, and then we would compare a trained network with an untrained one. So each depth first gets a search
# of its own, with a seed that is used for nothing else (otherwise the search would favour what happened to go well with the seeds of
# the comparison). Deep networks may also need longer to get started, so the budget here is twice as large.

# %%
SEARCH_SEED = 11
DEEP_STEPS = 2 * BUDGET // (CENTRE["streams"] * CENTRE["length"])
TRIED = {1: [1.6e-2, 3.2e-2, 6.4e-2], 2: [8e-3, 1.6e-2, 3.2e-2], 3: [4e-3, 8e-3, 1.6e-2]}
searched = {
    depth: {rate: [experiment(SEARCH_SEED, layers=depth, peak=rate, steps=DEEP_STEPS)] for rate in tried}
    for depth, tried in TRIED.items()
}
own_rate = {depth: min(found, key=lambda rate: found[rate][0]["nats"]) for depth, found in searched.items()}
depths = {depth: sweep("layers", [depth], peak=rate, steps=DEEP_STEPS)[depth] for depth, rate in own_rate.items()}
depth_costs = times_of_a_step("layers", depths)
depths_in_time, seconds = at_equal_time(depths, "layers", depth_costs, lambda depth: {"peak": own_rate[depth]})
late = sorted({*values_untrained(depths), *values_untrained(depths_in_time)})
measure_words(depths)


def steps_until_started(one):
    """The first step at which the smoothed training loss is 0.1 nats below letter frequencies; infinite if none is."""
    width = max(1, len(one["losses"]) // 40)
    below = np.flatnonzero(np.convolve(one["losses"], np.ones(width) / width, "valid") < UNIGRAM - 0.1)
    return int(below[0]) + width if len(below) else math.inf


def step_words(step):
    """A mean of such steps, in words."""
    return f"step {step:.0f}" if math.isfinite(step) else "no step"


started = {depth: [steps_until_started(one) for one in ones] for depth, ones in depths.items()}
print("learning rate of each depth:", own_rate)
print("the step at which the curve is 0.1 nats below letter frequencies, for each seed:", started)

# %% [markdown]
# *The figure: the search for each depth's learning rate on the left, the training loss of each depth by step on the right.*

# %%
figure, panels = plt.subplots(1, 2, figsize=(12, 4.2))
for number, (depth, results) in enumerate(searched.items()):
    losses = [ones[0]["nats"] for ones in results.values()]
    panels[0].plot(list(results), losses, color=COLOURS[number], marker=MARKERS[number], label=f"{depth}")
all_rates = sorted({rate for tried in TRIED.values() for rate in tried})
panels[0].axhline(UNIGRAM, color=COLOURS[6], linestyle=":")
panels[0].set_xscale("log")
panels[0].set_xticks(all_rates, [f"{rate:g}" for rate in all_rates])
panels[0].minorticks_off()
panels[0].set_xlabel("peak of the learning rate")
panels[0].set_ylabel("held-out loss, nats per character")
panels[0].legend(title="layers (dotted: letter frequencies)", fontsize=8)
chosen_rates = ", ".join(f"{rate:g} for {depth}" for depth, rate in own_rate.items())
panels[0].set_title(headline(f"Best rate by number of layers, one seed: {chosen_rates}", 60), fontsize=10)
draw_curves(panels[1], depths, "layers")
panels[1].axhline(UNIGRAM, color=COLOURS[6], linestyle=":")
waits = {depth: float(np.mean(steps)) for depth, steps in started.items()}
panels[1].set_title(
    headline(
        f"0.1 nats below letter frequencies, mean of the seeds: 1 layer at {step_words(waits[1])}, "
        f"3 layers at {step_words(waits[3])}",
        60,
    ),
    fontsize=10,
)
figure.tight_layout()
show(
    "Left: the held-out loss by the learning rate for one, two and three layers. Right: the training loss of each depth by step."
)

# %% [markdown]
# *The figure: held-out loss against the number of layers at equal characters and at equal time on the left; the share of written
# words that exist on the right.*

# %%
depth_means = means_of(depths)
best_depth, close_depths = best_of(depths)
best_depth_in_time, close_depths_in_time = best_of(depths_in_time)
figure, panels = plt.subplots(1, 2, figsize=(12, 4.2))
characters_each = DEEP_STEPS * CENTRE["streams"] * CENTRE["length"]
draw_results(panels[0], depths, "layers", f"equal characters: {characters_each:,}")
draw_results(panels[0], depths_in_time, "layers", f"equal time: {seconds:.1f} s", number=1)
panels[0].legend(fontsize=8)
panels[0].set_title(
    headline("Each with its own rate: " + ", ".join(f"{mean:.2f}" for mean in depth_means.values()) + " nats", 60),
    fontsize=10,
)
draw_results(panels[1], depths, "layers", number=2, what="words")
panels[1].set_ylabel("words written that occur in our text, %")
depth_words = means_of(depths, "words")
panels[1].set_title(
    headline("Words that exist: " + ", ".join(f"{found:.0f} %" for found in depth_words.values()), 60), fontsize=10
)
figure.tight_layout()
show(
    "Left: the held-out loss by the number of layers, at equal characters and at equal time. Right: the share of written words that exist."
)
for depth in (1, 3):
    print(f"--- layers: {depth}")
    show_text(write(depths[depth][0]["network"], texts=1)[0][:200])

# %%
fewer_words = difference(depths[3], depths[1], "words")
at_an_end = [depth for depth, rate in own_rate.items() if rate in (min(TRIED[depth]), max(TRIED[depth]))]
beyond = (
    f"; for depth {listed(at_an_end)} it is at an end of what was tried, so a better one may lie beyond"
    if at_an_end
    else ""
)
say(
    f"**Each depth with the best learning rate of its search{'' if late else ', all of them trained'}{beyond}.** "
    f"At equal characters ({characters_each:,}): "
    f"{which_is_better('depth 2', depths[2], 'depth 1', depths[1])}; "
    f"{which_is_better('depth 3', depths[3], 'depth 1', depths[1])}. "
    f"At equal time: {which_is_better('depth 2', depths_in_time[2], 'depth 1', depths_in_time[1])}; "
    f"{which_is_better('depth 3', depths_in_time[3], 'depth 1', depths_in_time[1])}. "
    + (
        f"The learning curves differ from the start: of {DEEP_STEPS} steps, one layer is 0.1 nats below letter "
        f"frequencies at {step_words(waits[1])}, three layers, with their learning rate of {own_rate[3]:g} instead of "
        f"{own_rate[1]:g}, at {step_words(waits[3])}. "
        if waits[3] > 1.5 * waits[1]
        else "With these rates, three layers start to learn about as early as one. "
    )
    + f"The share of written words that exist changes by {fewer_words.mean:+.0f} ± {fewer_words.margin:.0f} percentage points "
    f"from one layer to three{'' if fewer_words.clear else ', which may be chance'}."
)
if late:
    say(
        f"At depth {listed(late)}, at least one network did not get well below letter frequencies in what it was given. "
        "What is said about that depth above then says that a network had not started yet, not what depth is worth."
    )

# %% [markdown]
# **Another text, another optimizer, the same question.** The project's study of *Moby-Dick* (`docs/studies/moby-dick`) trained one,
# two and three layers of 256 units with Muon, orthogonal first weights and one learning rate, on 500,000 characters each.

# %%
MOBY_DICK = {1: 2.0049, 2: 2.0585, 3: 2.2363}  # nats per character, means of two seeds, from that report
costs_of_depth = {depth: (difference(depths[depth], depths[1]), MOBY_DICK[depth] - MOBY_DICK[1]) for depth in (2, 3)}
say(
    "| layers | cost compared with one layer, here | on Moby-Dick |\n|---|---|---|\n"
    + "\n".join(f"| {depth} | {here} | {there:+.3f} |" for depth, (here, there) in costs_of_depth.items())
)
agreeing = [depth for depth, (here, there) in costs_of_depth.items() if here.clear and here.mean * there > 0]
opposed = [depth for depth, (here, there) in costs_of_depth.items() if here.clear and here.mean * there < 0]
say(
    (
        f"**With the rates that were tried here, both say the same about {listed(agreeing)} layers.** "
        if agreeing
        else ""
    )
    + (
        f"**They differ about {listed(opposed)} layers**, so the answer depends on text, size and optimizer. "
        if opposed
        else ""
    )
    + ("For the other depths our seeds do not decide. " if len(agreeing) + len(opposed) < len(costs_of_depth) else "")
    + "Both budgets are short: each network reads less than a million characters, and nothing here says what a depth is worth "
    "after a hundred times as many."
)

# %% [markdown]
# **With charloom.** `NetworkConfig(layers=...)`, and `--layers` of the study above, at the centre's learning rate and its shorter
# budget:

# %%
compare_with_study("layers")

# %% [markdown]
# ### Q31: How do you change the sequence length for input sequences, and what effect does it have on the training process and model performance?
#
# **By hand.** `fold(ids, streams, length)`. But the length changes two things at once:
#
# * **The reach of the gradient.** It flows back through one slice and no further, although the state is carried. So a short slice
#   might not teach the network *what to keep* for longer than that.
# * **The number of updates.** With the same number of streams, slices a quarter as long give four times as many steps for the same
#   characters.
#
# To tell them apart we need a network whose gradient reaches only *k* characters, in slices that stay 64 long. It detaches the
# state every *k* characters inside the slice. Text, streams and updates then stay exactly the same.

# %%


class ShortReach(CharacterRNN):
    """The same network, whose gradient flows back through at most `reach` characters."""

    reach = 64

    def forward(self, ids, state):
        logits = []
        for piece in ids.split(self.reach):
            some, state = super().forward(piece, tuple(part.detach() for part in state))
            logits.append(some)
        return torch.cat(logits), state


REACHES = {reach: type(f"Reach{reach}", (ShortReach,), {"reach": reach}) for reach in (1, 8, 16)}
shape = (INPUT_SIZE, CENTRE["hidden_size"], OUTPUT_SIZE, EMBEDDING_SIZE)
plain = CharacterRNN(*shape).to(device)
different = torch.arange(min(64, INPUT_SIZE), device=device)[:, None]  # symbols that are all different
for reach, kind in REACHES.items():
    short = kind(*shape).to(device)
    short.load_state_dict(plain.state_dict())
    logits, _ = short(different, zero_state(short, 1))
    assert torch.allclose(logits, plain(different, zero_state(plain, 1))[0], atol=1e-5)
    logits[-1].max().backward()
    reached = int((short.embedding.weight.grad.abs().sum(dim=1) > 0).sum())  # each symbol has its own row
    assert reached == (len(different) - 1) % reach + 1
    print(
        f"reach {reach:>2}: the same predictions; from the last one, the gradient reaches {reached} character{'s' * (reached > 1)}"
    )

# %% [markdown]
# **Predict first:** at the same number of updates, how much does it cost if the gradient reaches only 1, 8 or 16 characters instead
# of 64? And how much do slices of 16 gain or lose if they come, as usual, with four times the updates?

# %%
LENGTHS = (8, 16, 64)
lengths = sweep("length", LENGTHS)  # as usual: the same streams, so short slices mean many updates
reaches = {reach: sweep("length", [64], kind=kind)[64] for reach, kind in REACHES.items()}
reaches[64] = lengths[64]  # nothing is detached inside the slice
for results in (lengths, reaches):
    must_have_trained(results)
effects = {
    length: {
        "more updates": difference(lengths[length], reaches[length]),  # the same reach
        "shorter reach": difference(reaches[length], reaches[64]),  # the same updates
        "together": difference(lengths[length], lengths[64]),
    }
    for length in LENGTHS[:-1]
}
updates = {length: ones[0]["steps"] for length, ones in lengths.items()}
say(
    "| slices of | updates | effect of more updates | effect of shorter reach | together |\n|---|---|---|---|---|\n"
    + "\n".join(
        f"| {length} | {updates[length]:,} | " + " | ".join(map(str, parts.values())) + " |"
        for length, parts in effects.items()
    )
    + f"\n\nNats per character compared with slices of 64 and {updates[64]:,} updates; negative is better. The first two "
    "columns of effects add up to the third."
)

# %% [markdown]
# *The figure: held-out loss against the slice length and against the reach of the gradient on the left; on the right the effect of
# short slices, split into its two parts, with margins.*

# %%
best_length, close_lengths = best_of(lengths)
figure, panels = plt.subplots(1, 2, figsize=(12, 4.2))
draw_results(panels[0], reaches, "characters", f"reach of the gradient, always {updates[64]:,} updates")
draw_results(panels[0], lengths, "characters", "slice length, more updates if shorter", number=1)
panels[0].set_xticks(list(reaches), list(reaches))
panels[0].legend(fontsize=8)
length_means, reach_means = means_of(lengths), means_of(reaches)
panels[0].set_title(
    headline(
        f"Slices of 8 instead of 64: {length_means[8] - length_means[64]:+.2f} nats; a reach of 8 instead of 64, with "
        f"equal updates: {reach_means[8] - reach_means[64]:+.2f}",
        60,
    ),
    fontsize=10,
)
for number, part in enumerate(("more updates", "shorter reach")):
    places = np.arange(len(effects)) + 0.35 * number - 0.175
    found = [parts[part] for parts in effects.values()]
    heights, margins = [each.mean for each in found], [min(each.margin, 1.0) for each in found]
    panels[1].bar(places, heights, 0.33, yerr=margins, capsize=4, color=COLOURS[number + 1], label=part)
panels[1].set_xticks(range(len(effects)), [f"slices of {length}" for length in effects])
panels[1].axhline(0, color=COLOURS[6], linewidth=1)
panels[1].set_ylabel("nats compared with slices of 64")
panels[1].legend(fontsize=8)
panels[1].set_title(
    headline(
        "More updates and shorter reach: "
        + ", ".join(
            f"{parts['more updates'].mean:+.2f} and {parts['shorter reach'].mean:+.2f} for slices of {length}"
            for length, parts in effects.items()
        ),
        60,
    ),
    fontsize=10,
)
figure.tight_layout()
show(
    "Left: the held-out loss by the slice length and by the reach of the gradient. Right: bars for the effects of more updates and of a shorter reach, with margins."
)

# %%
needed = [reach for reach in REACHES if difference(reaches[reach], reaches[64]).clear]
length_costs = times_of_a_step("length", lengths)
clocks = {length: updates[length] * cost for length, cost in length_costs.items()}
say(
    "**At equal updates, "
    + (
        f"the reach of the gradient makes a clear difference at {listed(needed)}:** "
        if needed
        else "no shorter reach of the gradient can be told from one of 64:** "
    )
    + "; ".join(which_is_better(f"a reach of {reach}", reaches[reach], "one of 64", reaches[64]) for reach in REACHES)
    + ". **At equal characters, "
    + "; ".join(
        which_is_better(f"length {length}", lengths[length], "length 64", lengths[64]) for length in LENGTHS[:-1]
    )
    + "**, and "
    + "; ".join(
        f"of the {parts['together'].mean:+.3f} nats for slices of {length}, more updates at the same reach make "
        f"{parts['more updates'].mean:+.3f}"
        for length, parts in effects.items()
    )
    + f". Slices of 8 take {clocks[8] / clocks[64]:.1f} times the time of slices of 64. The learning rate was the same for all."
)
by_updates = [
    abs(parts["more updates"].mean) - parts["more updates"].margin
    > abs(parts["shorter reach"].mean) + parts["shorter reach"].margin
    for parts in effects.values()
]
say(
    "**So a comparison of sequence lengths at equal characters is, here, one of the number of updates.**"
    if all(by_updates)
    else "Which of the two effects is larger, these seeds do not decide for every length."
)

# %% [markdown]
# In all of these trainings the *state* is carried over the whole text, whatever the reach: everything that it happens to hold can be
# used, and only the learning of what to keep is cut short. A few hundred steps do not say what a longer training would make of a
# long reach.
#
# **With charloom.** `TrainingConfig(sequence_length=...)`, and `--sequence-lengths` of the study, which keeps the streams and the
# characters, so shorter slices get more updates. Its report says so too.

# %%
compare_with_study("sequence-length")

# %% [markdown]
# **Exercise.** *Predict first:* slices stay at 32 characters and the characters read stay the same, but there are 8 or 32 streams
# instead of 16. Which is best, and why?
#
# <details><summary>Solution</summary>
#
# Half the streams means twice the updates, each from a noisier gradient, because it averages over half as many characters. Which
# counts for more at this budget, and what it costs in time, the next cell prints.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
streams = sweep("streams", [8, 16, 32])
for count in (8, 32):
    print(which_is_better(f"a batch of {count} streams", streams[count], "a batch of 16", streams[16]))
for count, cost in times_of_a_step("streams", streams).items():
    made = streams[count][0]["steps"]
    print(f"{count:>2} streams: {made:,} updates of {1000 * cost:.1f} ms, {made * cost:.1f} s")
