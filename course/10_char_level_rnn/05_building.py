# %% [markdown]
# ## 5. Building the character-level RNN model
#
# *About 30 minutes, and 40 more for the cell from the inside. You need PyTorch's `nn.Module`, matrix products, and Q10 and Q11.*

# %% [markdown]
# ### Q12: How do you define the architecture of a character-level RNN using PyTorch's `nn.RNN` or `nn.LSTM` module?
#
# **By hand.** Three layers, as in the equations of chapter 1: an embedding, a recurrent layer, an output. `nn.RNN`, `nn.GRU` and
# `nn.LSTM` are called the same way, so the cell can be a choice. The default is the LSTM: four blocks of weights instead of one, and a second state c. *The cell from the
# inside*, at the end of this chapter, explains both; until then take it for a better tanh cell. They run the whole slice in one call, much faster than a Python
# loop.

# %% tags=["by-hand"]
CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


class Architecture(nn.Module):
    """The layers of a character-level network. Q15 shows how they work together."""

    def __init__(self, input_size, hidden_size, output_size, embedding_size=64, layers=1, cell="lstm"):
        super().__init__()
        self.cell, self.layers, self.hidden_size = cell, layers, hidden_size
        self.embedding = nn.Embedding(input_size, embedding_size)  # a row of numbers for each symbol
        self.recurrent = CELLS[cell](embedding_size, hidden_size, num_layers=layers)
        self.output = nn.Linear(hidden_size, output_size)  # a score for each character that may come next


print(Architecture(input_size=104, hidden_size=256, output_size=103))

# %% [markdown]
# **With charloom.** `CharRNN`, with the same three layers. `cell` is `lstm`, `gru`, `rnn-tanh` or `rnn-relu`. With the same seed,
# both draw the same initial weights, because they create the same layers in the same order. We compare every one of them:

# %%
torch.manual_seed(SEED)
ours = Architecture(104, 256, 103)
torch.manual_seed(SEED)
config = NetworkConfig(cell="lstm", hidden_size=256, layers=1, embedding_size=64, dropout=0, initialization="uniform")
theirs = CharRNN(config, inputs=104, outputs=103)
for (name, weight), twin in zip(ours.named_parameters(), theirs.parameters(), strict=True):
    all_agree(f"the first weights of {name}", weight, twin, 0.0)

# %% [markdown]
# ### Q13: How do you specify the input size, hidden size, and output size when building the RNN model in PyTorch?
#
# **By hand.** The text determines two of the three:
#
# * **input size**: all symbols that can be read, including the boundary;
# * **output size**: all symbols that can be predicted. Our text has no end inside it, so the boundary is not one of them;
# * **hidden size**: your choice. It decides how much can be remembered, and nearly all of the cost, which grows with its
#   square.

# %% tags=["by-hand"]
INPUT_SIZE, OUTPUT_SIZE = len(characters) + 1, len(characters)
HIDDEN_SIZE, EMBEDDING_SIZE = choose(256, 48), choose(64, 16)

model = Architecture(INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
for name, parameter in model.named_parameters():
    print(f"{name:<24} {tuple(parameter.shape)!s:<14} {parameter.numel():>9,}")

# %%
E, H, V = EMBEDDING_SIZE, HIDDEN_SIZE, OUTPUT_SIZE
by_formula = (V + 1) * E + 4 * H * (E + H + 2) + V * (H + 1)  # four blocks, each with two matrices and two biases
config = NetworkConfig(hidden_size=H, embedding_size=E, dropout=0, initialization="uniform")
network = CharRNN(config, inputs=INPUT_SIZE, outputs=OUTPUT_SIZE)
same(
    "the shapes of all weights",
    [tuple(w.shape) for w in model.parameters()],
    [tuple(w.shape) for w in network.parameters()],
)
same("the number of parameters", by_formula, network.parameter_count())
say(f"**{4 * H * (E + H + 2) / by_formula:.0%} of the {by_formula:,} parameters are in the recurrent layer.**")

# %% [markdown]
# **Exercise. Predict first:** an LSTM has four blocks of weights, one for each of its three gates and one for new content. How
# many parameters does the same network have with a GRU, which has three blocks, and how many with `nn.RNN`, which has one? And
# with twice the hidden size: twice as many, fewer, or more?
#
# <details><summary>Solution</summary>
#
# Replace the 4 in the formula by 3 or 1. Doubling H makes 4 H (E + H + 2) more than twice as large, and nearly four times where H
# is much larger than E.
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
for cell, blocks in (("lstm", 4), ("gru", 3), ("rnn", 1)):
    sizes = []
    for size in (H, 2 * H):
        found = sum(weight.numel() for weight in Architecture(INPUT_SIZE, size, V, E, cell=cell).parameters())
        assert found == (V + 1) * E + blocks * size * (E + size + 2) + V * (size + 1)
        sizes.append(found)
    print(
        f"{cell:<5} {sizes[0]:>9,}, with twice the hidden size {sizes[1]:>9,}: {sizes[1] / sizes[0]:.1f} times as many"
    )

# %% [markdown]
# ### Q14: How do you initialize the hidden state of the RNN before passing data through the model?
#
# **By hand.** With zeros: nothing has been read, so there is nothing to remember. There is one state for each layer and stream; an
# LSTM's has two parts, h and its cell state c. We always keep them in a tuple, so that later code need not ask which cell it is.

# %% tags=["by-hand"]


def zero_state(model, streams):
    """An empty state: (h, c) for an LSTM, else (h,), each (layers, streams, hidden_size)."""
    parts = 2 if model.cell == "lstm" else 1
    shape = (model.layers, streams, model.hidden_size)
    return tuple(torch.zeros(shape, device=model.output.weight.device) for _ in range(parts))


print([tuple(part.shape) for part in zero_state(model, streams=32)])

# %% [markdown]
# **A hidden assumption: when is the state reset to zero?** Only at the beginning of the text; in
# training, where each stream begins, once an epoch. In between it is *carried*. To see why, read a text in one piece, then in two
# pieces with the state carried, then in two pieces with the state reset in the middle.

# %%
with torch.no_grad():
    embedded = model.embedding(train_ids[:200].to(device))[:, None]  # (time, 1 stream, embedding_size)
    in_one_piece, _ = model.recurrent(embedded, zero_state(model, 1))
    first_half, carried = model.recurrent(embedded[:100], zero_state(model, 1))
    with_carry, _ = model.recurrent(embedded[100:], carried)
    from_zero, _ = model.recurrent(embedded[100:], zero_state(model, 1))
print(f"largest difference with the state carried:  {(in_one_piece[100:] - with_carry).abs().max():.1e}")
print(f"largest difference with the state at zero:  {(in_one_piece[100:] - from_zero).abs().max():.1e}")

# %% [markdown]
# **With charloom.** `network.zero_state(streams)`; omitting the state means the same. A charloom model's `read(text)` returns the state after a
# text. We check the values and the shapes for each cell, and then that a text read in two pieces with the state carried ends in
# the state of the text read in one.

# %%
for cell, name in {"rnn": "rnn-tanh", "gru": "gru", "lstm": "lstm"}.items():
    empty = zero_state(Architecture(INPUT_SIZE, 8, OUTPUT_SIZE, cell=cell), 32)
    shape = NetworkConfig(cell=name, hidden_size=8)
    theirs = CharRNN(shape, inputs=INPUT_SIZE, outputs=OUTPUT_SIZE).zero_state(32)
    all_agree(f"the zero state of {cell}", torch.stack(empty), torch.stack(theirs), 0.0)

network = network.to(device)
ids = train_ids[:200, None].to(device)
with torch.no_grad():
    _, whole = network(ids, zero_state(model, 1))  # our state in charloom's network
    _, half = network(ids[:100], None)
    _, both = network(ids[100:], half)
whole, both = torch.stack(whole), torch.stack(both)
largest = (whole - both).abs().max().item()
assert largest <= 1e-5, f"reading in two pieces leads to another state, up to {largest:.1e} apart"
print(f"✔ charloom's state after two pieces, and after one: {whole.numel()} numbers, largest difference {largest:.1e}")

# %% [markdown]
# ### Q15: How do you implement the forward pass of the RNN model to process an input sequence and predict the next character?
#
# **By hand.** Embed, run, project. The inputs are the indices (time, streams) and the previous state; the outputs are a score for
# each possible next character at each position, and the new state. The scores are called *logits*; softmax would turn them into
# probabilities, but that is left to the loss, which does it more precisely.

# %% tags=["by-hand"]


class CharacterRNN(Architecture):
    """The layers, and how they work together."""

    def forward(self, ids, state):
        """ids (time, streams) and a state -> logits (time, streams, output_size) and the state after the last one."""
        embedded = self.embedding(ids)  # (time, streams, embedding_size)
        hidden, after = self.recurrent(embedded, state if self.cell == "lstm" else state[0])
        return self.output(hidden), after if self.cell == "lstm" else (after,)


torch.manual_seed(SEED)
model = CharacterRNN(INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
logits, state = model(inputs[0].to(device), zero_state(model, STREAMS))
print("logits", tuple(logits.shape), " state", [tuple(part.shape) for part in state])
chances = torch.softmax(logits[-1, 0], dim=0)
print(f"an untrained network finds everything about equally likely: from {chances.min():.4f} to {chances.max():.4f}")

# %% [markdown]
# **With charloom.** The signature is the same, `(ids, state) -> (logits, state)`. We copy our weights into charloom's network,
# which names them a little differently, and compare every logit and every number of the state. The function
# below does the copying; many later checks use it.

# %%
import re

from charloom import LanguageModel
from charloom.models import ModelConfig


def as_charloom(model, symbols=None, predicts_end=False):
    """Our network as a charloom model: the same weights under charloom's names."""
    config = NetworkConfig(
        cell="rnn-tanh" if model.cell == "rnn" else model.cell,
        hidden_size=model.hidden_size,
        layers=model.layers,
        embedding_size=model.embedding.embedding_dim,
        dropout=0,
        initialization="uniform",
    )
    made = LanguageModel.new(ModelConfig(config, "none", predicts_end), symbols or vocabulary, device=device)
    weights = {
        re.sub(r"recurrent\.(\w+)_l(\d+)", r"layers.\2.\1_l0", name): weight.clone()
        for name, weight in model.state_dict().items()
    }
    made.network.load_state_dict(weights)
    return made


# %%
with torch.no_grad():
    start = inputs[0].to(device)
    _, before = model(start, zero_state(model, STREAMS))  # a state that is not zero
    ours, our_state = model(inputs[1].to(device), before)
    theirs, their_state = as_charloom(model).network(inputs[1].to(device), before)
all_agree("the logits", ours, theirs, 1e-5)
for name, our_part, their_part in zip(("h", "c"), our_state, their_state, strict=True):
    all_agree(f"the state {name} afterwards", our_part, their_part, 1e-5)

for cell, layers in (("rnn", 1), ("gru", 1), ("lstm", 2)):
    other = CharacterRNN(INPUT_SIZE, 24, OUTPUT_SIZE, 8, layers, cell).to(device)
    with torch.no_grad():
        ours, our_state = other(start, zero_state(other, STREAMS))
        theirs, their_state = as_charloom(other).network(start, None)
    all_agree(f"{cell}, {layers} layer{'s' * (layers > 1)}: the logits", ours, theirs, 1e-5)
    all_agree(
        f"{cell}, {layers} layer{'s' * (layers > 1)}: the state", torch.cat(our_state), torch.cat(their_state), 1e-5
    )

# %% [markdown]
# **Exercise. Predict first:** an untrained network should know nothing. What loss do you expect for it, and how would you notice
# at this point that the last layer was initialised with weights that are a hundred times too large? And ten times?
#
# <details><summary>Solution</summary>
#
# About log V, the loss of someone who finds everything equally likely. Larger weights make it sure of itself without any reason,
# and being sure and wrong costs more than not knowing. A first loss far above log V is the cheapest alarm there is. It is coarse, since
# small logits multiplied by ten can still be small: see what the cell prints.
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
print(f"log V = {math.log(OUTPUT_SIZE):.3f} nats")
for factor in (1, 10, 100):
    first_loss = F.cross_entropy((factor * logits).flatten(0, 1), targets[0].to(device).flatten()).item()
    above = first_loss - math.log(OUTPUT_SIZE)
    alarm = "an alarm" if above > 1 else "worth a look" if above > 0.2 else "hardly shows" if factor > 1 else "no alarm"
    print(f"logits times {factor}: {first_loss:.3f} nats, {above:+.3f} from log V: {alarm}")
