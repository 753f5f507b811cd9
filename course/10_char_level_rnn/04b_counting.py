# %% [markdown]
# ### From counting to a network
#
# *About 25 minutes. You need Q7 to Q10, logarithms, probabilities, means and standard deviations, and one PyTorch training step; Q17
# explains Adam.*
#
# Before we build a recurrent network, we should know what the simplest models can do, and where they stop. The simplest model that
# looks at the text at all is the **bigram**: it predicts each character from the one before it, by counting how often one follows
# the other. Karpathy's *makemore* (2022) starts in the same way, with names. We count the pairs of our own text.
#
# The counts make a table: a row for each character that was read, and one for the boundary; a column for each that came next.

# %%


def pairs_of(ids):
    """The symbol read and the symbol that comes next, at each place of a text: the boundary opens it."""
    return torch.cat([ids.new_tensor([BOUNDARY]), ids[:-1]]), ids


def count_pairs(ids):
    """How often each symbol (column) comes after each other (row): (characters + 1, characters)."""
    this, following = pairs_of(ids)
    V = len(characters)
    return torch.bincount(this * V + following, minlength=(V + 1) * V).view(V + 1, V)


pairs = count_pairs(train_ids)
for pair in ("th", "tq", "qu"):
    if set(pair) <= set(characters):
        print(
            f"{pair!r}: {pairs[index_of[pair[0]], index_of[pair[1]]]:,} times, counted in the string {train_text.count(pair):,}"
        )
print(f"{(pairs > 0).sum():,} of {pairs.numel():,} pairs occur at all")
unseen = int((count_pairs(validation_ids)[pairs == 0]).sum())
print(f"{unseen} of the {len(validation_ids):,} pairs of the validation text never occur in the training text")

# %% [markdown]
# Each row, divided by its sum, is a probability distribution. The figure shows those of the 30 commonest characters: darker means
# more probable, numbers are percent.

# %%
common = sorted(character for character, _ in Counter(train_text).most_common(30))
order = [index_of[character] for character in common]
after = pairs / pairs.sum(1, keepdim=True).clamp(min=1)  # P(next | this)
part = after[order][:, order].numpy()

figure, axes = plt.subplots(figsize=(8.6, 8.2), dpi=110)
axes.imshow(part, cmap="Blues", vmin=0, vmax=0.8)
for row, column in zip(*np.nonzero(part >= 0.095)):
    shade = "white" if part[row, column] > 0.45 else "black"
    axes.text(column, row, f"{100 * part[row, column]:.0f}", ha="center", va="center", fontsize=7, color=shade)
names = [visible(character) for character in common]
axes.set_xticks(range(len(order)), names)
axes.set_yticks(range(len(order)), names)
axes.xaxis.tick_top()
axes.xaxis.set_label_position("top")
axes.set_xlabel("next character")
axes.set_ylabel("this character")
axes.grid(False)
row, column = np.unravel_index(part.argmax(), part.shape)
spread = int(part.max(1).argmin())
axes.set_title(
    headline(
        f"After {common[row]!r} comes {common[column]!r} in {part.max():.0%} of all cases; after "
        f"{common[spread]!r} no character is more probable than {part[spread].max():.0%}",
        70,
    ),
    pad=12,
)
show(
    "A table of the 30 commonest characters: how often each column follows each row, in percent, darker if more often."
)

# %% [markdown]
# **Smoothing.** A pair that never occurred has probability 0, so the first one in a new text costs -log 0, an infinite loss. The
# remedy is as old as Laplace: pretend that each pair was seen *a* more times than it was,
#
# $$P(\text{next} \mid \text{this}) = \frac{\text{count}(\text{this}, \text{next}) + a}{\text{count}(\text{this}) + a V}.$$
#
# Which *a*? We count on nine tenths of the training text and take the *a* with the smallest loss on its last tenth. The validation
# text stays untouched until the choice is made.

# %%


def smoothed(pairs, a):
    """Probabilities (characters + 1, characters) from counts of pairs."""
    total = pairs.sum(1, keepdim=True) + a * pairs.shape[1]
    return (pairs + a) / total.clamp(min=1e-9)  # 0 for all that follows a character that was never seen, if a is 0


def bigram_loss(probabilities, ids):
    """Mean surprise of a text in nats."""
    this, following = pairs_of(ids)
    return -probabilities[this, following].log().mean().item()


most_of_it, tail = train_ids[: len(train_ids) * 9 // 10], train_ids[len(train_ids) * 9 // 10 :]
tried = {a: bigram_loss(smoothed(count_pairs(most_of_it), a), tail) for a in (0, 0.001, 0.01, 0.1, 1, 10, 100)}
for a, loss in tried.items():
    print(f"a = {a:<6g} {loss:.4f} nats on the last tenth of the training text")
SMOOTHING = min(tried, key=tried.get)
table = smoothed(pairs, SMOOTHING)
counted_loss = bigram_loss(table, validation_ids)
say(
    f"With a = {SMOOTHING:g} the bigram needs **{counted_loss:.4f} nats per character on the validation text**. Knowing nothing "
    f"costs log({len(characters)}) = {math.log(len(characters)):.4f}."
)

# %% [markdown]
# A model of probabilities can write: draw a character from the row of the one before, again and again. (Q21 explains the drawing.)

# %%


def write_from(table, length, seed):
    """Draw a text from a table of probabilities, a character at a time."""
    uniform, symbol, written = np.random.Generator(np.random.PCG64(seed)), BOUNDARY, []
    for _ in range(length):
        symbol = int(np.searchsorted(np.cumsum(table[symbol].double().numpy()), uniform.random(), side="right"))
        written.append(symbol)
    return decode(written)


bigram_text = write_from(table, 300, seed=SEED)
show_text(bigram_text)

# %% [markdown]
# #### The same model as a network
#
# Now forget the counting, and let gradient descent find the table. The network has one layer: a weight for each pair. The
# character that was read is a *one-hot* vector, all zeros and a single 1, and
#
# $$y = \text{one-hot} \cdot W \qquad p = \mathrm{softmax}(y), \qquad W: (V + 1) \times V.$$ Multiplying a one-hot vector by W picks a row of W, so nobody multiplies: it is a look-up, and exactly what `nn.Embedding` does.

# %%
V = len(characters)
torch.manual_seed(SEED)
W = torch.randn(V + 1, V)
this, following = pairs_of(train_ids)
multiplied = F.one_hot(this[:50], V + 1).float() @ W
assert torch.equal(multiplied, W[this[:50]])
print("✔ one-hot vectors times W are the rows of W")

# %% [markdown]
# The loss is the mean of -log P over all pairs, as in Q16. Equal pairs have equal losses, so we may sum over the *table* instead
# of the text: each entry counts as often as its pair occurs. This is the same loss, with one term for each pair instead of one for
# each character. For the smoothing we add *a* to each count here too: the network then sees each pair *a* more times.

# %%
over_the_text = F.cross_entropy(W[this], following).item()
over_the_table = -(pairs * W.log_softmax(1)).sum().item() / len(train_ids)
assert abs(over_the_text - over_the_table) < 1e-4, (over_the_text, over_the_table)
print(f"✔ the loss of a random W: {over_the_text:.5f} nats over the text, {over_the_table:.5f} over the table")

seen = ((pairs + SMOOTHING) / (pairs + SMOOTHING).sum()).to(device)  # how much each pair counts
W = torch.zeros(V + 1, V, device=device, requires_grad=True)  # all characters equally probable
optimizer = torch.optim.Adam([W], lr=0.5, betas=(0.9, 0.95), eps=1e-15)  # rare pairs have tiny gradients
STEPS, losses = 300, []
for step in range(STEPS):
    for group in optimizer.param_groups:
        group["lr"] = 0.5 * (1 - step / STEPS)  # smaller and smaller steps
    loss = -(seen * W.log_softmax(1)).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
learned = W.detach().softmax(1).cpu()
learned_loss = bigram_loss(learned, validation_ids)
assert abs(learned_loss - counted_loss) < 2e-4, (learned_loss, counted_loss)
print(f"✔ validation loss: {counted_loss:.5f} nats counted, {learned_loss:.5f} learned by gradient descent")

# %% [markdown]
# The left panel shows the loss falling to what counting gives at once; the right one each probability of the table, counted and
# learned.

# %%
figure, panels = plt.subplots(1, 2, figsize=(11, 3.8), dpi=110)
floor_of_counting = -(seen.cpu() * table.log()).sum().item()
panels[0].plot(losses, color=COLOURS[0], label="gradient descent")
panels[0].axhline(floor_of_counting, color=COLOURS[1], linestyle="--", label="counting")
panels[0].set_xscale("symlog", linthresh=10)
panels[0].set_xlim(0, STEPS)
panels[0].set_xlabel("step")
panels[0].set_ylabel("training loss in nats")
panels[0].legend()
panels[1].plot([1e-6, 1], [1e-6, 1], color="black", linewidth=0.8)
frequent = pairs.sum(1) > 0
panels[1].plot(table[frequent].flatten(), learned[frequent].flatten(), ".", markersize=3, color=COLOURS[0])
panels[1].set(xscale="log", yscale="log", xlabel="probability, counted", ylabel="probability, learned")
largest = (table - learned).abs().max().item()
near = next(step for step, loss in enumerate(losses) if loss < floor_of_counting + 0.001)
figure.suptitle(
    headline(
        f"Gradient descent finds the table of counts: after {near} steps its loss is within 0.001 nats, after {STEPS} no "
        f"probability is off by more than {at_most(largest)}"
    )
)
figure.tight_layout()
show(
    "Left: the training loss of gradient descent falls to that of counting. Right: each learned probability against the counted one, all on the diagonal."
)

# %% [markdown]
# Why learn by gradient descent what can be counted? Because a network can be *changed*: more layers, more inputs, a memory. A
# table cannot.
#
# **With charloom.** The bigram is a recurrent network without memory. Let the embedding be -log P, which is never negative, so that
# a hidden layer with ReLU, which is max(0, x), copies it; let the output change its sign: then the logits are log P. All that is missing is the matrix
# **W_hh, by which a state would see the state before it: it is zero.** charloom evaluates this network, and writes with it.

# %%
from charloom import LanguageModel
from charloom.models import ModelConfig

shape = NetworkConfig(cell="rnn-relu", hidden_size=V, embedding_size=V, dropout=0, initialization="identity")
forgetful = LanguageModel.new(ModelConfig(shape, "none", False), vocabulary, device=device)
with torch.no_grad():
    layer, output = forgetful.network.layers[0], forgetful.network.output
    forgetful.network.embedding.weight.copy_(-table.log())
    layer.weight_ih_l0.copy_(torch.eye(V))
    layer.weight_hh_l0.zero_()
    output.weight.copy_(-torch.eye(V))
    for bias in (layer.bias_ih_l0, layer.bias_hh_l0, output.bias):
        bias.zero_()
agree(
    "the bigram's loss on the validation text",
    counted_loss,
    charloom.evaluate(forgetful, validation_text).nats_per_character,
    1e-5,
)
same("300 characters written by the bigram", bigram_text, "".join(charloom.generate(forgetful, length=300, seed=SEED)))

# %% [markdown]
# **Exercise. Predict first:** what are the bigram's loss on the validation text and its writing like if *a* is a million?
#
# <details><summary>Solution</summary>
#
# The counts drown: all probabilities become nearly 1 / V, the loss nearly log V, and it writes noise in which every character is
# as frequent as every other. Smoothing is a slider between "believe the counts" and "believe nothing".
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
drowned = smoothed(pairs, 1e6)
print(f"{bigram_loss(drowned, validation_ids):.4f} nats, and log V is {math.log(V):.4f}")
show_text(write_from(drowned, 100, seed=SEED))

# %% [markdown]
# #### More context: longer tables
#
# One character is little to go by. An *n-gram* predicts from the n - 1 characters before. Longer contexts say more, but each is
# rarer, and many contexts of a new text were never seen. Two ways to handle that:
#
# * **add a**, as above: an unseen context gives equal probabilities;
# * **fall back** on the context that is one character shorter, the more so the more *kinds* of characters followed the long one
#   (Witten and Bell 1991):
#
# $$P_n(s \mid u) = \frac{\text{count}(u s) + \text{kinds}(u)\,P_{n-1}(s \mid u')}{\text{count}(u) + \text{kinds}(u)}, \qquad P_0 = \frac{1}{V}$$
#
# for a character s after a context u, where u' is u without its first character; where u was never seen, P_n = P_{n-1}.

# %%
LONGEST = choose(7, 5)


class Counts:
    """How often each sequence of n characters occurs; for each context, how often, and how many kinds followed it."""

    def __init__(self, text, n):
        self.grams = Counter(text[place : place + n] for place in range(len(text) - n + 1))
        self.total, self.kinds = Counter(), Counter()
        for gram, count in self.grams.items():
            self.total[gram[:-1]] += count
            self.kinds[gram[:-1]] += 1


def with_fallback(tables, context, character):
    """Witten and Bell's probability of a character, from the orders that the context is long enough for."""
    probability = 1 / V
    for n, table in enumerate(tables[: len(context) + 1], start=1):
        u = context[len(context) - n + 1 :]
        kinds = table.kinds[u]
        if kinds:
            probability = (table.grams[u + character] + kinds * probability) / (table.total[u] + kinds)
    return probability


def with_added(table, context, character):
    """The probability of a character with `SMOOTHING` added to each count."""
    return (table.grams[context + character] + SMOOTHING) / (table.total[context] + SMOOTHING * V)


tables = [Counts(train_text, n) for n in range(1, LONGEST + 1)]
print("contexts:", [f"{len(table.total):,} of {n - 1} characters" for n, table in enumerate(tables, start=1)])

# %% [markdown]
# Such bookkeeping is easy to get wrong without noticing. So we work out a few probabilities a second time, straight from the
# formula: look up in the text what followed the context. And after any context, the probabilities must add up to 1.

# %%
import re


def from_the_text(context, character):
    """Witten and Bell's formula, with no table: slow."""
    followers = re.findall(f"(?={re.escape(context)}(.))", train_text, flags=re.DOTALL)
    shorter = from_the_text(context[1:], character) if context else 1 / V
    kinds = len(set(followers))
    return (followers.count(character) + kinds * shorter) / (len(followers) + kinds) if followers else shorter


for place in np.linspace(LONGEST, len(validation_text) - 1, 5).astype(int):
    context, character = validation_text[place - LONGEST + 1 : place], validation_text[place]
    fast, slow = with_fallback(tables, context, character), from_the_text(context, character)
    total = sum(with_fallback(tables, context, each) for each in characters)
    assert abs(fast - slow) < 1e-12 and abs(total - 1) < 1e-9, (context, character, fast, slow, total)
    print(
        f"✔ P({character!r} after {context!r}) = {fast:.6f} from the tables and from the text; the sum is {total:.6f}"
    )

# %%
ORDERS = range(1, LONGEST + 1)
surprises = {"add a": {}, "fall back": {}}
never_seen = {}
for n in ORDERS:
    contexts = [validation_text[max(0, place - n + 1) : place] for place in range(len(validation_text))]
    places = list(zip(contexts, validation_text))
    surprises["add a"][n] = -np.log([with_added(tables[n - 1], *each) for each in places])
    surprises["fall back"][n] = -np.log([with_fallback(tables[:n], *each) for each in places])
    never_seen[n] = np.mean([tables[n - 1].total[context] == 0 for context in contexts])
mean = {way: {n: values[n].mean() for n in ORDERS} for way, values in surprises.items()}
print(" n   add a   fall back   contexts counted    of V^(n-1)   unseen in the validation text")
for n in ORDERS:
    print(
        f"{n:>2} {mean['add a'][n]:>7.3f} {mean['fall back'][n]:>11.3f} {len(tables[n - 1].total):>18,} {V ** (n - 1):>13.1e}"
        f" {never_seen[n]:>31.1%}"
    )

# %% [markdown]
# **When is a difference more than chance?** The counting has no seeds, but the validation text is a sample: another one would give
# other figures. So we cut it into ten pieces and measure two orders on each: ten *pairs*, and a difference in each of them. Their mean
# *d* comes with a margin,
#
# $$d \pm t \cdot \frac{\text{standard deviation of the differences}}{\sqrt{n}},$$
#
# where n is the number of pairs, the standard deviation of the differences is what the sentences below call their *spread*, and t,
# Student's, is such that the margin contains the true difference in 95 of 100 experiments: 2.26 for
# ten pairs, 4.30 for three. **A difference that is no larger than its margin is not a result: the two cannot be told apart.** This is the
# one rule for comparisons in this notebook; where it cannot be used, the text says so. Where networks are trained for
# the comparison, a pair is a seed.

# %%
from charloom.evaluation import paired

example = paired([2.02, 2.03, 2.04], [2.0, 2.0, 2.0])  # the losses of two settings with three seeds
print(example.sentence("the first is worse", "the first is better", "the two"))
agree("the margin", 4.3027 * np.std([0.02, 0.03, 0.04], ddof=1) / math.sqrt(3), example.margin, 1e-6)

# %%
PIECES_TO_COMPARE = 10


def over_pieces(surprises):
    """The mean surprise of each of ten pieces of a text."""
    return [piece.mean() for piece in np.array_split(surprises, PIECES_TO_COMPARE)]


def compare_counts(name, surprises, other_name, others):
    """A sentence about two ways to predict the validation text."""
    found = paired(over_pieces(surprises), over_pieces(others))
    return found.sentence(
        f"{name} is worse than {other_name}", f"{name} is better than {other_name}", f"{name} and {other_name}"
    )


best = {way: min(ORDERS, key=lambda n: mean[way][n]) for way in mean}
figure, panels = plt.subplots(1, 2, figsize=(11, 3.8), dpi=110)
for (way, losses), colour, marker in zip(mean.items(), COLOURS, MARKERS):
    panels[0].plot(ORDERS, losses.values(), color=colour, marker=marker, label=way)
panels[0].set(xlabel="order n of the n-gram", ylabel="nats per character, held out", xticks=list(ORDERS))
panels[0].legend()
panels[1].plot(ORDERS, [float(V) ** (n - 1) for n in ORDERS], color=COLOURS[3], marker="^", label="possible contexts")
panels[1].plot(
    ORDERS, [len(table.total) for table in tables], color=COLOURS[0], marker="o", label="contexts in the text"
)
panels[1].axhline(len(train_text), color="black", linestyle=":", label="characters in the text")
panels[1].set(xlabel="order n of the n-gram", ylabel="rows of the table", yscale="log", xticks=list(ORDERS))
panels[1].legend()
figure.suptitle(
    headline(
        f"With “add a”, order {best['add a']} is best; with a fallback, order {best['fall back']} of {LONGEST}. The table of order "
        f"{LONGEST} has {len(tables[-1].total):,} rows, and {never_seen[LONGEST]:.0%} of the new text's contexts are not among them"
    )
)
figure.tight_layout()
show(
    "Left: the loss of n-grams by their order, for both ways to handle contexts that were never seen. Right: the number of contexts that are possible and that occur."
)
for n in ORDERS[1:]:
    with_it, without = surprises["fall back"][n], surprises["fall back"][n - 1]
    print("with fallback,", compare_counts(f"order {n}", with_it, f"order {n - 1}", without))

# %%
longest_two = [surprises["fall back"][n] for n in (LONGEST, LONGEST - 1)]
say(
    f"With a fallback, the second character of context was worth {mean['fall back'][2] - mean['fall back'][3]:.2f} nats. Is the last "
    f"one, number {LONGEST - 1}, worth anything? {compare_counts(f'Order {LONGEST}', longest_two[0], f'order {LONGEST - 1}', longest_two[1])}. "
    f"The number of rows grew from {len(tables[1].total):,} to {len(tables[-1].total):,}."
)

# %% [markdown]
# **With charloom.** `charloom evaluate RUN --baselines` compares a model with n-grams too. Their smoothing is modified Kneser-Ney,
# the best of those that Chen and Goodman compared in 1998:

# %%
from charloom.evaluation import NGram

kneser_ney = -np.log(NGram(train_ids.numpy(), LONGEST, V).probabilities(validation_ids.numpy()))
say(
    f"At order {LONGEST} it needs {kneser_ney.mean():.3f} nats, ours {mean['fall back'][LONGEST]:.3f}: "
    + compare_counts("Kneser-Ney", kneser_ney, "our fallback", surprises["fall back"][LONGEST])
    + "."
)

# %% [markdown]
# **Exercise. Predict first:** how many
# characters of context must a table have to know that a quotation mark is still open after 40 characters, and how many rows could
# it need?
#
# <details><summary>Solution</summary>
#
# At least 41, so an n-gram of order 42, with up to V^41 rows. No text has so many places: most contexts of that length in a new
# text were never seen, as the cell below counts. And what the table learned in one row says nothing about the row that differs in
# one letter.
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
long_contexts = {train_text[place : place + 41] for place in range(len(train_text) - 40)}
new = np.mean([validation_text[place : place + 41] not in long_contexts for place in range(len(validation_text) - 40)])
print(f"V^41 = {V:d}^41 = 10^{41 * math.log10(V):.0f} rows; {new:.0%} of such contexts in the validation text are new")

# %% [markdown]
# **The question that remains.** A table treats contexts that differ in a single letter as strangers, and it needs a row for each.
# What we want is a model that reads *everything* before, keeps what matters in a *fixed* number of numbers, and treats similar
# pasts alike. The network above is nearly that. It only lacks a way to carry something from one character to the next: **what if
# its hidden layer could also read what it was itself, one step before?**
#
# $$h_t = \varphi(W_{xh}\,x_t + W_{hh}\,h_{t-1} + b_h)$$
#
# where φ is tanh, for example. That is the recurrent network, and W_hh is the matrix that was zero.
