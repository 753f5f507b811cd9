# %% [markdown]
# ## 1. Understanding character-level RNNs
#
# This chapter shows the basic ideas, with models that charloom trains in one call. From chapter 2 on we build everything
# ourselves.
#
# ### Why characters?
#
# A model of words needs a list of all words, and meets new words every day. A model of characters needs a list of about a hundred
# characters and can read and write any word. **The price: a sentence becomes five times as many steps, and the model has to learn
# spelling first.**

# %%
import re

import charloom
from charloom import CorpusConfig
from charloom.data import open_text

corpus = open_text(TEXT, CorpusConfig())
whole = str(corpus.text)[: choose(2_000_000, 40_000)]
path = FOLDER / "text.txt"
path.write_text(whole, encoding="utf-8", newline="\n")

cut = int(0.9 * len(whole))
known_words = set(re.findall(r"\w+", whole[:cut]))
later_words = re.findall(r"\w+", whole[cut:])
new_words = sum(word not in known_words for word in later_words) / len(later_words)
new_characters = sum(c not in set(whole[:cut]) for c in set(whole[cut:])) / len(set(whole[cut:]))
say(
    f"The first nine tenths of this text have **{len(known_words):,} different words** and only "
    f"**{len(set(whole[:cut]))} different "
    f"characters**. Of the words in the last tenth, **{new_words:.1%} were never seen before**; of its characters "
    f"{new_characters:.1%}. "
    f"A word has {len(whole) / len(re.findall(r'[a-zA-Z]+', whole)):.1f} characters on average, the space after it "
    "included."
)

# %% [markdown]
# ### What the network computes
#
# At step *t* the network reads a character c_t. Three formulas turn it into a guess about the next one:
#
# $$e_t = \mathrm{Embedding}(c_t) \qquad h_t = f(W_{hh}\,h_{t-1} + W_{xh}\,e_t + b_h) \qquad o_t = \mathrm{softmax}(W_{ho}\,h_t + b_o)$$
#
# * **e_t, the embedding**: a row of a table, a few numbers that represent the character.
# * **h_t, the hidden state**: everything the network remembers. It is computed from the previous state and the new character. f is
#   tanh (every number stays between -1 and 1) or ReLU (negative numbers become 0).
# * **o_t**: a probability for each character that could come next.
#
# Here they are in plain tensors, compared with PyTorch's own `nn.RNN`, which computes the same thing:

# %%
import torch
from torch import nn

torch.manual_seed(0)
word = "hello"
letters = sorted(set(word))
embedding = nn.Embedding(len(letters), 3)
W_ho, b_o = torch.randn(len(letters), 4), torch.randn(len(letters))

for name, f in (("tanh", torch.tanh), ("relu", torch.relu)):
    rnn = nn.RNN(3, 4, nonlinearity=name)
    W_xh, W_hh, b_h = rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0 + rnn.bias_hh_l0
    h = torch.zeros(4)  # no memory yet
    for character in word:
        e = embedding(torch.tensor(letters.index(character)))
        h = f(W_hh @ h + W_xh @ e + b_h)
    _, last = rnn(embedding(torch.tensor([letters.index(character) for character in word]))[:, None])
    print(
        f"{name}: our h after {word!r} is {h.detach().numpy().round(3)}, nn.RNN's "
        f"{last.detach().numpy().ravel().round(3)}"
    )
    assert torch.allclose(h, last.flatten(), atol=1e-6)

o = torch.softmax(W_ho @ h + b_o, dim=0)
print("o, with weights that have learned nothing:", {letter: round(p, 2) for letter, p in zip(letters, o.tolist())})

# %% [markdown]
# ### A first model, in one call
#
# Training means changing all those numbers, a little at a time, until the right next character gets a high probability. For now we
# let charloom do it and look at the result; chapters 3 to 6 show how it is done.

# %%
import time

from charloom import NetworkConfig, TrainingConfig

HIDDEN, EMBEDDING, EPOCHS = choose(256, 48), choose(64, 16), choose(6, 3)

began = time.perf_counter()
run = charloom.train(
    path,
    run=FOLDER / "first",
    epochs=EPOCHS,
    network=NetworkConfig(hidden_size=HIDDEN, embedding_size=EMBEDDING, dropout=0.1),
    training=TrainingConfig(batch_size=16, sequence_length=choose(64, 32)),
)
first_seconds = time.perf_counter() - began
first = charloom.load(run.path)
first_score = charloom.evaluate(first, whole[cut:])
say(
    f"In {first_seconds:.0f} seconds a network with {first.network.parameter_count():,} numbers read the training "
    f"part {EPOCHS} times. "
    f"On the last tenth, which it never saw, **its first guess is right for {first_score.accuracy:.0%} of the "
    "characters**."
)

# %% [markdown]
# **Prediction** means computing the distribution after a given beginning:

# %%
beginning = whole[cut : cut + 400]
beginning = beginning[: beginning.rfind(" ", 0, 390) + 3]  # stop inside a word
ids = torch.tensor([first.vocabulary.boundary, *first.vocabulary.encode(beginning).tolist()])
with torch.no_grad():
    logits, _ = first.network(ids[:, None])  # (time, 1 text, characters)
probabilities = torch.softmax(logits[-1, 0], dim=0)
best = probabilities.topk(10)

figure, axes = plt.subplots(figsize=(8, 3))
axes.bar([repr(first.vocabulary.symbol(int(i))) for i in best.indices], best.values)
axes.set_ylabel("probability")
axes.set_title(
    headline(f"After {beginning[-30:]!r} the model expects {first.vocabulary.symbol(int(best.indices[0]))!r} most")
)
plt.show()

# %% [markdown]
# **Generation** is prediction in a loop: draw a character from the distribution, feed it back in, and so on. When does it
# stop? There are two conditions:
#
# 1. **A length**: stop after n characters.
# 2. **An end-of-sequence token**: an extra symbol that marks the end of a text. A model that was trained on many short texts
#    can *predict* it, and so decides by itself when it has finished.
#
# The model above saw one long text, so it stops by length. A second one is trained on the words of our text, each as a separate
# text, so it learns where words end:

# %%
show_text("".join(charloom.generate(first, "The ", length=choose(400, 100), temperature=0.7, seed=1)))

words = sorted({word.lower() for word in re.findall(r"[A-Za-z]{3,12}", whole)})
words_path = FOLDER / "words.txt"
words_path.write_text("\n".join(words) + "\n", encoding="utf-8")
word_run = charloom.train(
    words_path,
    run=FOLDER / "words",
    steps=choose(1000, 30),
    corpus=CorpusConfig(documents="lines"),
    network=NetworkConfig(hidden_size=choose(128, 32), embedding_size=16, dropout=0.2),
    training=TrainingConfig(batch_size=choose(32, 8)),
)
word_model = charloom.load(word_run.path)
samples = charloom.generate_many(word_model, [""] * 24, length=40, temperature=0.8, seed=1)
invented = [sample.text for sample in samples if sample.text not in words]
say(
    f"Of {len(samples)} words that the second model wrote, {sum(sample.stop_reason == 'end' for sample in samples)} "
    "ended because it "
    f"drew the end symbol. **{len(invented)} of them are not in the text: it made them up**, for example "
    f"{', '.join(invented[:12])}."
)

# %% [markdown]
# ### Long-range dependencies, and gradients that vanish
#
# To learn that a bracket opened 50 characters ago must be closed, the error at the closing bracket has to reach back 50 steps.
# On its way it is multiplied by the same matrix, and by the slope of tanh, at each step. Where these are smaller than 1, the
# gradient shrinks exponentially; where they are larger, it explodes. Bengio et al. described this in 1994; Hochreiter and
# Schmidhuber's **LSTM** (1997) and Cho et al.'s **GRU** (2014) solve this with a memory that is *added to* rather than
# multiplied, and with gates that decide what to keep.
#
# We can measure it. Take a window of text, the loss at its last character, and the gradient of that loss with respect to the
# embedding of each character before: its norm says how much a character *d* steps back can still teach.

# %%
from charloom import CharRNN, Streams, Trainer

vocabulary = first.vocabulary
train_ids = vocabulary.encode(whole[:cut]).astype("int64")
held_out_ids = torch.from_numpy(vocabulary.encode(whole[cut:]).astype("int64"))


def gradient_by_distance(network, length):
    """Mean norm of the gradient of the last prediction's loss, for inputs 0, 1, ..., length - 1 characters before it."""
    starts = torch.linspace(0, len(held_out_ids) - length - 1, 64).long()
    windows = held_out_ids[starts + torch.arange(length + 1)[:, None]]  # (length + 1, 64)
    embedded = network.embedding(windows[:-1]).detach().requires_grad_()  # (length, 64, E)
    hidden, _ = network.layers[0](embedded)
    loss = nn.functional.cross_entropy(network.output(hidden[-1]), windows[-1], reduction="sum")
    loss.backward()
    return embedded.grad.norm(dim=2).mean(dim=1).flip(0)


DISTANCE = choose(150, 60)
cells = {"rnn-tanh": "RNN with tanh", "rnn-relu": "RNN with ReLU", "gru": "GRU", "lstm": "LSTM"}
before, after = {}, {}
for cell in cells:
    torch.manual_seed(1)
    config = NetworkConfig(
        cell=cell, hidden_size=choose(128, 32), embedding_size=32, dropout=0, initialization="uniform"
    )
    network = CharRNN(config, inputs=len(vocabulary), outputs=vocabulary.boundary)
    before[cell] = gradient_by_distance(network, DISTANCE)
    batches = Streams(train_ids, boundary=vocabulary.boundary, batch_size=32, sequence_length=64)
    settings = TrainingConfig(optimizer="adamw", learning_rate=2e-3, average=0)
    for progress in Trainer(network, batches, settings, steps=choose(300, 20)).steps():
        pass
    after[cell] = gradient_by_distance(network, DISTANCE)

# %%
figure, panels = plt.subplots(1, 2, figsize=(11, 4), sharey=True)
for axes, measured, when in zip(panels, (before, after), ("before training", "after training")):
    for (cell, name), colour, marker in zip(cells.items(), COLOURS, MARKERS):
        axes.plot(measured[cell] / measured[cell][0], color=colour, marker=marker, markevery=15, label=name)
    axes.set_yscale("log")
    axes.set_ylim(1e-10, 3)
    axes.set_xlabel("characters back")
    axes.set_title(when)
panels[0].set_ylabel("norm of the gradient,\nas a share of that at distance 0")
panels[1].legend()
FAR = DISTANCE // 3
left_over = {name: float(after[cell][FAR] / after[cell][0]) for cell, name in cells.items()}
best_cell = max(left_over, key=left_over.get)
figure.suptitle(
    headline(
        f"{FAR} characters back, "
        + ", ".join(f"{name}: {share:.0e}" for name, share in left_over.items())
        + " of the gradient is left"
    )
)
figure.tight_layout()
plt.show()
say(
    f"**Of the four, the {best_cell} keeps the largest share of its gradient over {FAR} characters after training: "
    f"{max(left_over.values()) / left_over['RNN with tanh']:.0f} times that of the RNN with tanh.** Before training the "
    f"share of the LSTM is {float(before['lstm'][FAR] / before['lstm'][0]):.0e}: its gates are half open then, and keep "
    "little. To remember is something that a gated cell *learns*."
)

# %% [markdown]
# ### A unit that tracks quotation marks
#
# Does anything in the hidden state have a meaning for us? Karpathy, Johnson and Fei-Fei (2015, arXiv 1506.02078) found single
# units that switch on inside quotation marks. We look for one: let the first model read held-out text, and see which of its units
# correlates with *being inside double quotes*. To be fair, the unit is chosen on the first half and judged on the second.

# %%
import numpy as np

passage = whole[cut : cut + 20_000]
inside, place = [], False
for position, character in enumerate(passage):
    if character == '"':
        place = not place
    if passage[max(0, position - 1) : position + 1] == "\n\n":
        place = False  # a blank line closes whatever was left open
    inside.append(float(place))

with torch.no_grad():
    passage_ids = torch.from_numpy(vocabulary.encode(passage).astype("int64"))[:, None]
    hidden = first.network.layers[0](first.network.embedding(passage_ids))[0][:, 0].numpy()  # (characters, units)


def best_unit(feature):
    """The unit that best follows a feature in the first half of the passage, and its correlation in the second half."""
    feature, half = np.array(feature), len(passage) // 2
    if feature[:half].std() == 0 or feature[half:].std() == 0:
        return 0, 0.0  # the feature never changes in this text
    found = [np.corrcoef(hidden[:half, unit], feature[:half])[0, 1] for unit in range(hidden.shape[1])]
    unit = int(np.argmax(np.abs(found)))
    return unit, float(np.corrcoef(hidden[half:, unit], feature[half:])[0, 1])


quote_unit, quote_correlation = best_unit(inside)
middle = len(passage) // 2
changes = np.abs(np.diff(inside[middle:]))
shown = middle + int(np.argmax(np.convolve(changes, np.ones(120), "valid") >= 4)) if changes.sum() else middle
window = slice(shown, shown + 120)

figure, axes = plt.subplots(figsize=(14, 3))
axes.bar(
    range(120), 2 * np.array(inside[window]), width=1, bottom=-1, color=COLOURS[4], alpha=0.3, label="inside quotes"
)
axes.plot(hidden[window, quote_unit], color=COLOURS[0], marker="o", markersize=3, label=f"unit {quote_unit}")
axes.set_xticks(
    range(120), [{" ": "·", "\n": "↵"}.get(character, character) for character in passage[window]], fontsize=8
)
axes.set_xlim(-1, 120)
axes.set_ylabel("activation")
axes.set_ylim(-1.05, 1.5)
axes.legend(loc="upper right", ncols=2)
axes.set_title(f"Unit {quote_unit} of {hidden.shape[1]} follows quotation marks (correlation {quote_correlation:+.2f})")
plt.show()

from charloom.report import by_character, followers, predict

found = predict(first, charloom.Text.of(passage))
others = followers(charloom.Writer(first).stepper, found.targets, by_character(first, found), vocabulary.boundary)[:4]
say(
    f"**Nobody told the network about quotation marks**, yet unit {quote_unit} goes with them, with a correlation of "
    f"{quote_correlation:+.2f} (1 or -1 would be perfect, 0 no relation at all). `charloom report` looks for a dozen such "
    "features in the same way; here it finds "
    + ", ".join(f"*{one.feature}* (unit {one.unit}, {one.correlation:+.2f})" for one in others)
    + "."
)

# %% [markdown]
# ### What context costs
#
# The state has a fixed size, so **a step costs the same after ten characters and after ten million**. Attention, the other way
# to use context, looks at all previous characters at each step, so its cost and memory grow with the context. We time both at
# the same width.

# %%
WIDTH = 256
contexts = [64, 256, 1024, 4096, 16_384, *choose([65_536], [])]


def microseconds(function):
    """The shortest of several timings."""
    timings = []
    for _ in range(30):
        began = time.perf_counter()
        function()
        timings.append(time.perf_counter() - began)
    return 1e6 * min(timings)


step_cell, project = nn.LSTMCell(WIDTH, WIDTH), nn.Linear(WIDTH, 3 * WIDTH)
character = torch.randn(1, WIDTH)
state = (torch.zeros(1, WIDTH), torch.zeros(1, WIDTH))
recurrent_times, attention_times = [], []
with torch.inference_mode():
    for context in contexts:
        keys, values = torch.randn(1, context, WIDTH), torch.randn(1, context, WIDTH)  # what attention has to store
        recurrent_times.append(microseconds(lambda: step_cell(character, state)))
        attention_times.append(
            microseconds(
                lambda: nn.functional.scaled_dot_product_attention(project(character)[None, :, :WIDTH], keys, values)
            )
        )

figure, axes = plt.subplots()
axes.plot(contexts, attention_times, marker=MARKERS[1], color=COLOURS[1], label="one layer of attention")
axes.plot(contexts, recurrent_times, marker=MARKERS[0], color=COLOURS[0], label="one layer of LSTM")
axes.set_xscale("log", base=2)
axes.set_yscale("log")
axes.set_xlabel("characters of context")
axes.set_ylabel("microseconds for the next character")
axes.legend()
growth = attention_times[-1] / attention_times[0]
axes.set_title(
    headline(
        f"From {contexts[0]} to {contexts[-1]:,} characters of context, a step of attention becomes {growth:.0f} "
        "times as slow, a step of "
        f"the LSTM {recurrent_times[-1] / recurrent_times[0]:.1f} times"
    )
)
plt.show()
say(
    f"And the memory: the LSTM keeps {2 * WIDTH:,} numbers, whatever came before; attention keeps "
    f"{2 * WIDTH * contexts[-1]:,} at "
    f"{contexts[-1]:,} characters. **The same fact is the weakness: everything that the LSTM knows of the past must "
    "fit into those "
    f"{2 * WIDTH} numbers.**"
)

# %% [markdown]
# ### What such models are good for
#
# A model that knows which texts are probable can do more than write. Here are four uses, each in a few lines; the other lessons of
# this course go deeper.
#
# **Spelling: a wrong word is an improbable word.** The surprise of a text is -log p, summed over its characters.
#
# **Completion: the most probable way to go on.**

# %%
common = re.findall(r"[a-z]{6,10}", whole[:cut])
common = sorted(set(common), key=lambda word: (-common.count(word), word))[: choose(200, 40)]
context = whole[cut : cut + 300] + " the "
caught = 0
for word in common:
    wrong = word[:2] + word[3] + word[2] + word[4:]  # swap two letters
    if wrong == word:
        wrong = word[:2] + word[3:]
    right_nats = charloom.surprisal(first, context + word + " ")[len(context) :].sum()
    wrong_nats = charloom.surprisal(first, context + wrong + " ")[len(context) :].sum()
    caught += right_nats < wrong_nats
say(
    f"Of {len(common)} common words, the model finds the right spelling more probable than one with two letters "
    f"swapped in **{caught}** cases."
)

prefix = common[0][:3]
for found in charloom.beam_search(first, context + prefix, length=12, stop=[" ", "\n"])[:5]:
    print(f"{prefix}{found.text:<12} probability {found.probability:.2f}")

# %% [markdown]
# **Classification: which model finds the text more probable?** Train one model for each class (languages, spam and ham; here prose
# and program code), and the smaller surprise wins. **Code modelling** is the same task on another text: the second of these
# models writes Python.

# %%
code = str(open_text("python-source", CorpusConfig()).text)[: len(whole)]
texts = {"this text": whole, "Python code": code}
rivals = {}
for name, content in texts.items():
    source = FOLDER / f"{name}.txt"
    source.write_text(content, encoding="utf-8", newline="\n")
    rival_run = charloom.train(
        source,
        run=FOLDER / f"model of {name}",
        steps=choose(500, 30),
        corpus=CorpusConfig(vocabulary="bytes"),  # 256 symbols, so both models can read any text
        network=NetworkConfig(hidden_size=choose(128, 32), embedding_size=32, dropout=0.1),
    )
    rivals[name] = charloom.load(rival_run.path)

right, tried = 0, 0
for name, content in texts.items():
    for start in np.linspace(int(0.9 * len(content)), len(content) - 80, choose(100, 20)).astype(int):
        snippet = content[start : start + 80]
        surprise = {rival: charloom.surprisal(model, snippet).sum() for rival, model in rivals.items()}
        right += min(surprise, key=surprise.get) == name
        tried += 1
say(
    f"**{right} of {tried} held-out snippets of 80 characters are given to the right class.** And the model of code "
    "writes:"
)
show_text(
    "def " + "".join(charloom.generate(rivals["Python code"], "def ", length=choose(300, 80), temperature=0.6, seed=3))
)

# %% [markdown]
# ### Advantages and limitations
#
# | For | Against |
# |---|---|
# | any text, any word, any language: no word list | a word is several steps, so training sees less text in the same time |
# | the smallest vocabulary, so small models do well | each step waits for the previous one: training cannot process the whole text in parallel |
# | a step costs the same after any length of context | all memory must fit into a state of fixed size |
# | gradients flow back through gates | but they fade with distance, as measured above |
# | writes, scores, completes, corrects, classifies, compresses | its texts look right long before they make sense |
