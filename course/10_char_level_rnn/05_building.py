# %% [markdown]
# ## 5. Building the character-level RNN model

# %% [markdown]
# ### Q12: How do you define the architecture of a character-level RNN using PyTorch's `nn.RNN` or `nn.LSTM` module?
#
# **By hand.** Three layers, as in the three equations: an embedding, a recurrent layer, an output. `nn.RNN`, `nn.GRU` and
# `nn.LSTM` are called the same way, so the cell can be a choice. They run the whole slice in one call, much faster than a Python
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
# both draw the same initial weights, because they create the same layers in the same order:

# %%
torch.manual_seed(SEED)
ours = Architecture(104, 256, 103)
torch.manual_seed(SEED)
config = NetworkConfig(cell="lstm", hidden_size=256, layers=1, embedding_size=64, dropout=0, initialization="uniform")
theirs = CharRNN(config, inputs=104, outputs=103)
same("the first weights", ours.recurrent.weight_hh_l0.tolist(), theirs.layers[0].weight_hh_l0.tolist())

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

model = Architecture(INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE)
for name, parameter in model.named_parameters():
    print(f"{name:<24} {tuple(parameter.shape)!s:<14} {parameter.numel():>9,}")

# %%
E, H, V = EMBEDDING_SIZE, HIDDEN_SIZE, OUTPUT_SIZE
by_formula = (V + 1) * E + 4 * H * (E + H + 2) + V * (H + 1)  # four gates, each with two matrices and two biases
config = NetworkConfig(hidden_size=H, embedding_size=E)
same("the number of parameters", by_formula, CharRNN(config, inputs=INPUT_SIZE, outputs=OUTPUT_SIZE).parameter_count())
say(f"**{4 * H * (E + H + 2) / by_formula:.0%} of the {by_formula:,} parameters are in the recurrent layer.**")

# %% [markdown]
# **Exercise.** How many parameters does the same network have with a GRU, which has three gates instead of four? And with `nn.RNN`?
#
# *Solution.*

# %% tags=["solution"]
for cell, gates in (("lstm", 4), ("gru", 3), ("rnn", 1)):
    found = sum(parameter.numel() for parameter in Architecture(INPUT_SIZE, H, V, E, cell=cell).parameters())
    assert found == (V + 1) * E + gates * H * (E + H + 2) + V * (H + 1)
    print(f"{cell:<5} {found:>9,}")

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
# **A hidden assumption: when is the state reset to zero?** Only at the beginning of the text. In between it is *carried*. To see
# why, read a text in one piece, then in two pieces with the state carried, then in two pieces with the state reset in the
# middle.

# %%
with torch.no_grad():
    embedded = model.embedding(train_ids[:200])[:, None]
    in_one_piece, _ = model.recurrent(embedded, zero_state(model, 1))
    first_half, carried = model.recurrent(embedded[:100], zero_state(model, 1))
    with_carry, _ = model.recurrent(embedded[100:], carried)
    from_zero, _ = model.recurrent(embedded[100:], zero_state(model, 1))
print(f"largest difference with the state carried:  {(in_one_piece[100:] - with_carry).abs().max():.1e}")
print(f"largest difference with the state at zero:  {(in_one_piece[100:] - from_zero).abs().max():.1e}")

# %% [markdown]
# **With charloom.** `network.zero_state(streams)`; omitting the state means the same. `model.read(text)` returns the state
# after a text.

# %%
network = CharRNN(config, inputs=INPUT_SIZE, outputs=OUTPUT_SIZE)
same(
    "shapes of a zero state",
    [part.shape for part in zero_state(model, 32)],
    [part.shape for part in network.zero_state(32)],
)

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
# which names them a little differently, and compare. All further checks use this function.

# %%
from charloom import LanguageModel
from charloom.models import ModelConfig


def as_charloom(model, symbols=None, predicts_end=False):
    """Our network as a charloom model: the same weights under charloom's names. (For networks of one layer.)"""
    cell = "rnn-tanh" if model.cell == "rnn" else model.cell
    config = NetworkConfig(
        cell=cell,
        hidden_size=model.hidden_size,
        embedding_size=model.embedding.embedding_dim,
        dropout=0,
        initialization="uniform",
    )
    made = LanguageModel.new(ModelConfig(config, "none", predicts_end), symbols or vocabulary, device=device)
    weights = {name.replace("recurrent.", "layers.0."): value.clone() for name, value in model.state_dict().items()}
    made.network.load_state_dict(weights)
    return made


with torch.no_grad():
    theirs, their_state = as_charloom(model).network(inputs[0].to(device), None)
agree("the largest logit", float(logits.detach().max()), float(theirs.max()), 1e-4)
print(f"largest difference between any two logits: {(logits - theirs).abs().max():.1e}")
