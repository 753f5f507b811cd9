# %% [markdown]
# ### Looking inside
#
# *Time*: half an hour to read, two minutes to run. *You need*: question 25, and what a hidden state is (question 14).
#
# What does a network know that lets it predict? Four looks: units that follow something a reader can name; a map of its
# characters; what a bracket does to everything after it; and what it costs to remember. For the first three we train one more
# network, of the size of ours, this time with charloom's own optimizer, learning rate and first weights, in one call.

# %%
whole, cut = text, len(train_text)
path = FOLDER / "text.txt"
path.write_text(whole, encoding="utf-8", newline="\n")
passes = len(history) // len(inputs)  # as many epochs as our own program had

began = time.perf_counter()
run = charloom.train(
    path,
    run=FOLDER / "first",
    epochs=passes,
    network=NetworkConfig(hidden_size=HIDDEN_SIZE, embedding_size=EMBEDDING_SIZE, dropout=0.1),
    training=TrainingConfig(batch_size=STREAMS, sequence_length=LENGTH),
)
first_seconds = time.perf_counter() - began
first = charloom.load(run.path)
first_score = charloom.evaluate(first, validation_text)
ahead = nats - first_score.nats_per_character
say(
    f"In {first_seconds:.0f} seconds a network with {first.network.parameter_count():,} numbers read the training part {passes} "
    f"times. It needs {first_score.nats_per_character:.3f} nats on the validation text; our own program reached {nats:.3f}. "
    + f"They are {abs(ahead):.3f} nats apart. One run each decides nothing by the rule of chapter 4."
)

# %% [markdown]
# #### Units that follow something
#
# Does a single number in the hidden state have a meaning for us? Karpathy, Johnson and Fei-Fei (2015, arXiv 1506.02078) found
# units that switch on inside quotation marks and units that count along the line. We look for three such features: *inside double
# quotes*, *indentation of the line*, and *place in the line*.
#
# **By hand.** We need the memory after each character, tanh(c) for an LSTM. `nn.LSTM` returns c only at the end, so we step through
# the text with `nn.LSTMCell` and the same weights. Then we correlate each unit with each feature.

# %%
READ = min(20_000, len(validation_text))
read_text, half = validation_text[:READ], READ // 2


@torch.no_grad()
def memory_of(network, ids):
    """tanh(c) of each unit (characters, units) after each character."""
    layer = network.layers[0]
    cell = nn.LSTMCell(layer.input_size, layer.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): weight.cpu() for name, weight in layer.state_dict().items()})
    embedded = network.embedding.weight.cpu()[torch.cat([torch.tensor([BOUNDARY]), ids])]
    state, memory = None, []
    for row in embedded:
        state = cell(row[None], state)
        memory.append(torch.tanh(state[1][0]))
    return torch.stack(memory[1:]).numpy()


# %%


def reading_features(text):
    """What a reader knows after each character: three simple things."""
    quotes, indentation, place = [], [], []
    inside, along, spaces, leading = False, 0, 0, True
    for position, character in enumerate(text):
        blank_line = character == "\n" and text[position - 1 : position] in ("\n", "")
        along = 0 if character == "\n" else along + 1
        leading = character == "\n" or (leading and character in " \t")
        spaces = 0 if character == "\n" else along if leading else spaces
        inside = not blank_line and inside != (character == '"')  # a blank line closes what was left open
        quotes.append(inside)
        indentation.append(0 if leading else spaces)
        place.append(along)
    names = ("inside double quotation marks", "indentation", "place in the line")
    return {name: np.array(values, float) for name, values in zip(names, (quotes, indentation, place))}


def correlations(memory, feature):
    """Pearson's correlation (units,) of each unit with a feature; 0 where either does not change."""
    memory, feature = memory - memory.mean(axis=0), feature - feature.mean()
    scale = np.sqrt((memory**2).sum(axis=0) * (feature**2).sum())
    return np.divide(feature @ memory, scale, out=np.zeros(memory.shape[1]), where=scale > 1e-9)


read_ids = encode(read_text)
memory = memory_of(first.network, read_ids)
read_features = reading_features(read_text)
print(
    "memory", memory.shape, " features", {name: f"mean {values.mean():.2f}" for name, values in read_features.items()}
)

# %% [markdown]
# The best of hundreds of units looks good by luck alone. So the unit is *chosen* on the first half of what was read and *judged* on the
# second. And we ask how good luck would look: how many of all units do as well on the second half, and how well does the best
# unit, found in the same way, do in networks that have learned nothing?

# %%
never_trained = []
for seed in choose((1, 2, 3, 4, 5), (1, 2)):
    torch.manual_seed(seed)
    new = CharRNN(first.config.network, inputs=first.network.inputs, outputs=first.network.outputs).eval()
    never_trained.append(memory_of(new, read_ids))


def best_unit(memory, feature):
    """The unit that follows a feature best in the first half, and the correlations of all units in the second."""
    return int(np.abs(correlations(memory[:half], feature[:half])).argmax()), correlations(
        memory[half:], feature[half:]
    )


found_units = {}
for name, feature in read_features.items():
    unit, judged = best_unit(memory, feature)
    as_good = int((np.abs(judged) >= abs(judged[unit])).sum()) - 1  # without itself
    by_luck = [abs(later[other]) for other, later in (best_unit(each, feature) for each in never_trained)]
    found_units[name] = (unit, float(judged[unit]), as_good, max(by_luck))
    print(
        f"{name:<30} unit {unit:>3}: {judged[unit]:+.2f}; as good on the second half: {as_good} of the other {len(judged) - 1} units; "
        f"best of {len(by_luck)} untrained networks: {min(by_luck):.2f} to {max(by_luck):.2f}"
    )

# %% [markdown]
# **With charloom.** `charloom report RUN` looks for a dozen such features in the same way. The check compares our features, the units
# that were found, and their correlations:

# %%
from charloom.report import activations, by_character, followers, predict
from charloom.report import features_of as features_of_charloom

predicted = predict(first, Text.of(read_text))
grouped = by_character(first, predicted)
theirs = features_of_charloom(grouped.codes)
for name, feature in read_features.items():
    if name in theirs:  # left out if it hardly varies in this text
        same(f"the feature {name}", feature.tolist(), theirs[name].tolist())
stepper = charloom.Writer(first).stepper
memory_of_charloom = activations(stepper, predicted.targets, first.vocabulary.boundary)
apart = float(np.abs(memory - memory_of_charloom).max())
assert apart < 1e-3, f"the memories differ by up to {apart}"
print(f"✔ the memory of {memory.shape[1]} units after {len(memory):,} characters: differs by at most {at_most(apart)}")
by_charloom = followers(stepper, predicted.targets, grouped, first.vocabulary.boundary)
for one in by_charloom:
    if one.feature in found_units:
        unit, correlation, _, _ = found_units[one.feature]
        same(f"the unit for {one.feature}", unit, one.unit)
        agree("its correlation on the second half", correlation, one.correlation, 1e-3)

# %% [markdown]
# The picture shows each unit over a passage of the second half, where its feature changes most. Orange is above the unit's mean,
# purple below.

# %%
WIDTH, ROWS = 64, 4


def liveliest(feature):
    """Where, in the second half, a passage begins in which a feature changes most."""
    changes = np.concatenate([[0], np.cumsum(np.abs(np.diff(feature[half:])))])
    size = WIDTH * ROWS
    return half + int((changes[size:] - changes[:-size]).argmax())


def colour_passage(axes, start, values):
    """Write a passage, each character on the colour of a unit's value."""
    grid = values[start : start + WIDTH * ROWS].reshape(ROWS, WIDTH)
    limit = np.abs(grid).max()
    axes.imshow(grid, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
    for place, character in enumerate(read_text[start : start + WIDTH * ROWS]):
        row, column = divmod(place, WIDTH)
        colour = "white" if abs(grid[row, column]) > 0.75 * limit else "black"
        glyph = {" ": "", "\n": "↵"}.get(character, character)
        axes.text(
            column,
            row,
            glyph,
            ha="center",
            va="center",
            fontsize=9,
            family="DejaVu Sans Mono",
            color=colour,
            parse_math=False,
        )
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)


# %%
figure, panels = plt.subplots(len(found_units), 1, figsize=(11, 5.2), dpi=120)
for axes, (name, (unit, correlation, as_good, luck)) in zip(panels, found_units.items()):
    colour_passage(axes, liveliest(read_features[name]), memory[:, unit] - memory[:, unit].mean())
    axes.set_title(
        f"{name}: unit {unit}, correlation {correlation:+.2f} on this half; {as_good} of the other {memory.shape[1] - 1} units do as well, "
        f"the best untrained one {luck:.2f}",
        fontsize=9,
    )
figure.tight_layout()
show("Three passages of text, each character coloured by the value of one unit: orange above its mean, purple below.")
above = [name for name, (_, correlation, _, luck) in found_units.items() if abs(correlation) > luck]
below = [name for name in found_units if name not in above]
say(
    (
        f"**Nobody told the network about these things.** Its best unit follows *{'*, *'.join(above)}* better than the best "
        "unit of any untrained network does. "
        if above
        else ""
    )
    + (
        f"For *{'*, *'.join(below)}* an untrained network has a unit that is just as good: there, a correlation alone "
        "proves nothing."
        if below
        else "A unit that merely happens to look good would not reach these figures."
    )
)

# %% [markdown]
# **Exercise.** Cut the quotation unit out of the output layer: set its column of weights to zero. *Predict first*: will the loss rise most at
# quotation marks, everywhere alike, or hardly at all? Compare with twenty other units.
#
# <details><summary>Solution</summary>
#
# The cell cuts out one unit at a time and takes the extra loss at quotation marks and at all other characters. If the quotation
# unit is no worse to lose at quotation marks than others are, then it *follows* quotes without being what the network *uses* at
# the output: a correlation is not yet a mechanism. It still acts inside the network, through the recurrent weights.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
import copy

is_quote = np.array([character == '"' for character in read_text])
uncut = charloom.surprisal(first, read_text)


def loss_without(unit):
    """Extra nats at quotation marks, and elsewhere, if the output does not see a unit."""
    network = copy.deepcopy(first.network)
    with torch.no_grad():
        network.output.weight[:, unit] = 0
    extra = charloom.surprisal(first.with_network(network), read_text) - uncut
    return (extra[is_quote].mean() if is_quote.any() else 0.0), extra[~is_quote].mean()


quote_unit = found_units["inside double quotation marks"][0]
others = np.random.Generator(np.random.PCG64(0)).permutation(memory.shape[1])[: choose(20, 3)]
cut_out = np.array([loss_without(int(unit)) for unit in others if unit != quote_unit])
at_quotes, elsewhere = loss_without(quote_unit)
more_than = int((cut_out[:, 0] < at_quotes).sum())
print(f"the quotation unit: {at_quotes:+.3f} nats at quotation marks, {elsewhere:+.4f} elsewhere")
print(f"that is more at quotation marks than {more_than} of {len(cut_out)} other units cost there")

# %% [markdown]
# #### A map of the characters
#
# Each character is a row of the embedding, and the first layer sees it through its input weights, $W_{xh}\,x$. Characters that are
# alike to the layer have nearly the same effect on the state. We project these vectors onto the two directions in which
# they differ most (principal components), and colour them by class. The network was never told the classes. The plane shows only a
# part of the differences, so whether a character's nearest neighbour is of its class is counted by the angle between the whole vectors
# (their cosine) and not on the map.

# %%
counts_in_training = Counter(train_text)
mapped = [index for index, character in enumerate(characters) if counts_in_training[character] >= 20]
with torch.no_grad():
    seen_by_layer = first.network.embedding.weight @ first.network.layers[0].weight_ih_l0.T
vectors = seen_by_layer[mapped].cpu().double().numpy()
moved, sizes, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
places, explained = moved[:, :2] * sizes[:2], float((sizes[:2] ** 2).sum() / (sizes**2).sum())


def kind_of(character):
    """The class of a character, as a reader sees it."""
    if character.isspace():
        return "space"
    if character.isdigit():
        return "digit"
    if character.isalpha():
        return "capital" if character.isupper() else "vowel" if character in "aeiou" else "consonant"
    return "bracket or quote" if character in "()[]{}<>\"'`‘’“”" else "other mark"


kinds_of_mapped = [kind_of(characters[index]) for index in mapped]
cosines = vectors @ vectors.T / np.outer(*[np.linalg.norm(vectors, axis=1)] * 2)
np.fill_diagonal(cosines, -2)
nearest_of_mapped = cosines.argmax(axis=1)


def share_with_neighbours(kinds):
    """The share of characters whose nearest other character is of the same class."""
    return float(np.mean([kinds[place] == kinds[other] for place, other in enumerate(nearest_of_mapped)]))


together = share_with_neighbours(kinds_of_mapped)
random = np.random.Generator(np.random.PCG64(1))
if_shuffled = [share_with_neighbours(random.permutation(kinds_of_mapped)) for _ in range(1000)]

# %%
figure, axes = plt.subplots(figsize=(11, 8), dpi=110)
for kind, colour in zip(sorted(set(kinds_of_mapped)), COLOURS):
    here = [place for place, other in enumerate(kinds_of_mapped) if other == kind]
    axes.scatter(*places[here].T, s=0)  # so that the axes fit
    axes.plot([], [], "s", color=colour, label=kind)
    for place in here:  # the character stands in its own place
        name = VISIBLE.get(characters[mapped[place]], characters[mapped[place]])
        style = {"ha": "center", "va": "center", "fontsize": 9, "family": "DejaVu Sans Mono", "parse_math": False}
        axes.text(*places[place], name, color=colour, **style)
axes.set_xlabel(f"first principal component (this plane has {explained:.0%} of the variance)")
axes.set_ylabel("second principal component")
axes.legend(fontsize=8)
axes.set_title(
    headline(
        f"{together:.0%} of the characters have one of their own class as nearest neighbour (by cosine); with shuffled classes "
        f"{np.mean(if_shuffled):.0%}, at most {max(if_shuffled):.0%} in 1,000 shuffles",
        80,
    )
)
show(
    "A map of the characters by the first two principal components of what the first layer makes of their embeddings, coloured by class."
)

# %% [markdown]
# **With charloom.** `charloom report` has such a map too. The check compares the share of the variance and the places, up to
# the direction of the axes:

# %%
from charloom.report import plane

theirs = plane(first.arrays(), np.array(mapped))
agree("share of the variance in the plane", explained, theirs.share, 1e-4)
signs = np.sign((places * theirs.places).sum(axis=0))  # one for each axis
largest = np.abs(places - signs * theirs.places).max()
assert largest < 1e-3 * np.abs(places).max(), f"places differ by up to {largest}"
print(f"✔ the places of {len(mapped)} characters: the same by hand and with charloom, up to {at_most(largest)}")

# %% [markdown]
# **Exercise.** *Predict first*: which character is nearest to `(`, to `0`, to `e`, to the line end? Is the nearest one also one that can
# take its place in a text?
#
# <details><summary>Solution</summary>
#
# Vectors that point the same way change the state in the same way. The cosines that the cell prints are far from 1, so even nearest
# neighbours are only somewhat alike, and they need not be of the class a reader would choose: the cell also counts how many capitals are
# nearest to their own small letter.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
for character in "(0e\n":
    if index_of.get(character) in mapped:
        place = mapped.index(index_of[character])
        closest = cosines[place].argsort()[::-1][:3]
        print(repr(character), "→", [f"{characters[mapped[other]]!r} {cosines[place, other]:.2f}" for other in closest])
pairs = [(characters[index], characters[mapped[other]]) for index, other in zip(mapped, nearest_of_mapped)]
own_small_letter = [near == character.lower() for character, near in pairs if character.isupper()]
print(f"{sum(own_small_letter)} of {len(own_small_letter)} capitals are nearest to their own small letter")

# %% [markdown]
# #### How long does a bracket last?
#
# An opened bracket must be closed, perhaps much later. Does the network remember it? We change one character: each passage with
# an open bracket is read twice, once as it is and once with a space in place of the bracket. Everything else is the same, so
# any difference in the probability of a closing bracket n characters later must come from memory, but for n = 1, where the
# network has just read the bracket (or the space) itself. The picture shows the mean probability in both readings, over the
# brackets that are still open at that distance.

# %%
BEFORE, AFTER = choose(100, 40), choose(120, 40)
opened = []  # the place of each bracket, and how many characters later it is closed
for found in re.finditer(r"\(([^()]+?)\)", validation_text):
    place, length = found.start(), len(found.group(1)) + 1
    if place >= BEFORE and place + AFTER < len(validation_text) and "\n\n" not in found.group(1):
        opened.append((place, min(length, AFTER)))

remembered = {}
if opened and ")" in index_of and " " in index_of:
    for name, stand_in in (("with the bracket", "("), ("with a space in its place", " ")):
        columns = [
            encode(validation_text[place - BEFORE : place] + stand_in + validation_text[place + 1 : place + AFTER])
            for place, _ in opened
        ]
        ids = torch.stack([torch.cat([torch.tensor([BOUNDARY]), column]) for column in columns], dim=1)
        with torch.no_grad():
            logits, _ = first.network(ids.to(first.network.device))
        chance = torch.softmax(logits.cpu(), dim=2)[
            BEFORE + 1 :, :, index_of[")"]
        ].numpy()  # after each character from it on
        still_open = np.arange(len(chance))[:, None] < np.array([length for _, length in opened])
        remembered[name] = np.where(still_open, chance, np.nan)

# %% [markdown]
# The check takes the probability of the closing bracket, where it really comes, from charloom:

# %%
checked = 0
for number, (place, length) in enumerate(opened[: choose(20, 5)]):
    if remembered and length < AFTER:
        passage_read = validation_text[place - BEFORE : place + length + 1]
        by_charloom = math.exp(-charloom.surprisal(first, passage_read)[-1])
        by_hand = float(remembered["with the bracket"][length - 1, number])
        assert abs(by_hand - by_charloom) < 1e-4, f"bracket {number}: {by_hand} by hand, {by_charloom} with charloom"
        checked += 1
print(
    f"✔ the probability of the bracket that closes: the same by hand and with charloom ({checked} brackets)"
    if checked
    else "no bracket closes within what was read"
)

# %%
edges = [0, 5, 10, 20, 40, 80, AFTER] if AFTER > 80 else [0, 5, 10, 20, AFTER]
measured = []  # distance, probability with and without, and their difference, where a pair is a bracket
for low, high in itertools.pairwise(edges):
    if not remembered:
        break
    with_it, without = (values[low:high] for values in remembered.values())
    here = ~np.isnan(with_it).all(axis=0)
    if here.sum() >= 5:
        pair = [np.nanmean(values[:, here], axis=0) for values in (with_it, without)]
        measured.append((f"{low + 1} to {high}", pair[0].mean(), pair[1].mean(), paired(*pair)))

figure, axes = plt.subplots(figsize=(9, 3.8), dpi=110)
for column, (name, colour, marker) in enumerate(zip(remembered, COLOURS, MARKERS), start=1):
    axes.plot([row[0] for row in measured], [row[column] for row in measured], color=colour, marker=marker, label=name)
axes.set_xlabel("characters since the bracket was opened")
axes.set_ylabel("probability of a closing bracket next")
axes.set_ylim(bottom=0)
axes.legend()
lasting = [distance_back for distance_back, _, _, found in measured if found.clear and found.mean > 0]
axes.set_title(
    headline(
        f"One character makes the closing bracket clearly more probable at {len(lasting)} of {len(measured)} distances"
        + (f", the furthest {lasting[-1]} characters later" if lasting else ""),
        85,
    )
)
show(
    "The probability of a closing bracket by the distance from the opening one, for passages with the bracket and with a space in its place."
)
for distance_back, with_it, without, found in measured:
    said = found.sentence("more probable", "less probable", "with and without", "", 4)
    print(f"{distance_back:>9} later: {with_it:.3f} with, {without:.3f} without; {said}")

# %% [markdown]
# #### What context costs
#
# The state has a fixed size, so **a step costs the same after ten characters and after ten million**. Attention, the other way
# to use context, looks at all previous characters at each step, so its cost and memory grow with the context. We time both at
# the same width, in several rounds, and take the shortest, because other work on the machine can only slow a step down. For the LSTM
# there is nothing to vary: its state has the same size, whatever was read, so the same step is timed again for each context, and its line
# only shows how steady the clock is. The picture shows the time of one step against the number of characters before it.

# %%
COST_WIDTH = 256
contexts = [64, 256, 1024, 4096, 16_384, *choose([65_536], [])]


def microseconds(function):
    """The shortest of several timings."""
    timings = []
    for _ in range(30):
        began = time.perf_counter()
        function()
        timings.append(time.perf_counter() - began)
    return 1e6 * min(timings)


step_cell, project = nn.LSTMCell(COST_WIDTH, COST_WIDTH), nn.Linear(COST_WIDTH, 3 * COST_WIDTH)
one_character = torch.randn(1, COST_WIDTH)
empty = (torch.zeros(1, COST_WIDTH), torch.zeros(1, COST_WIDTH))


def attend(keys, values):
    """One step of attention: the new character looks at all before it."""
    query = project(one_character)[None, :, :COST_WIDTH]
    return F.scaled_dot_product_attention(query, keys, values)


ROUNDS = choose(5, 2)
step_times = np.zeros((2, len(contexts), ROUNDS))  # recurrent and attention, contexts, rounds
with torch.inference_mode():
    for repeat in range(ROUNDS):
        for column in range(len(contexts)):  # a state of the same size, however much was read
            step_times[0, column, repeat] = microseconds(lambda: step_cell(one_character, empty))
        for column, context in enumerate(contexts):
            keys, values = (torch.randn(1, context, COST_WIDTH) for _ in range(2))  # attention stores them
            step_times[1, column, repeat] = microseconds(lambda k=keys, v=values: attend(k, v))

# %%
shortest_steps = step_times.min(axis=2)
growth = shortest_steps[:, -1] / shortest_steps[:, 0]
slower = [f"{float(f'{value:.2g}'):g}" for value in growth]  # two digits
figure, axes = plt.subplots(figsize=(9, 4), dpi=110)
for row, name in ((1, "one layer of attention"), (0, "one layer of LSTM")):
    axes.plot(contexts, shortest_steps[row], marker=MARKERS[row], color=COLOURS[row], label=name)
axes.set_xscale("log", base=2)
axes.set_xticks(contexts, [f"{context:,}" for context in contexts])
axes.set_yscale("log")
axes.set_xlabel("characters of context")
axes.set_ylabel("microseconds for the next character")
axes.legend()
axes.set_title(
    headline(
        f"From {contexts[0]} to {contexts[-1]:,} characters of context, a step of attention takes "
        f"{slower[1]} times as long, one of the LSTM "
        + ("about as long as before" if 0.8 < growth[0] < 1.25 else f"{slower[0]} times as long"),
        85,
    )
)
show("The time of one step by the number of characters before it, one line for the LSTM and one for attention.")
say(
    (
        "**The time of the LSTM's step hardly changes**"
        if 0.8 < growth[0] < 1.25
        else "**The time of the LSTM's step changes, though it computes the same: other work on the machine may have disturbed the timing**"
    )
    + (
        ", that of attention grows with the context. "
        if growth[1] > 1.25
        else ", and that of attention does not grow within these contexts. "
    )
    + f"And the memory: the LSTM keeps {2 * COST_WIDTH:,} numbers, whatever came before; attention keeps "
    f"{2 * COST_WIDTH * contexts[-1]:,} at {contexts[-1]:,} characters. **The same fact is the weakness: everything that the "
    f"LSTM knows of the past must fit into those {2 * COST_WIDTH} numbers.**"
)
