# %% [markdown]
# ### The cell from the inside
#
# *About 40 minutes. You need Q12 to Q15, matrix products, tanh and the sigmoid σ(a) = 1 / (1 + e^-a), which lies between 0 and 1.*
#
# `nn.RNN`, `nn.GRU` and `nn.LSTM` run a whole slice in one call. Inside, each is a loop over the characters, and the body of the
# loop, **the cell**, is a few lines. We write all four (`nn.RNN` comes with tanh or ReLU) from their equations. If we have understood them, our loop gives
# the same numbers as PyTorch and charloom, at every step.
#
# All cells have the same signature: the input x_t and the state go in, the new state comes out. x_t is the embedding of the
# character that was read, as in chapter 1. What chapter 1 calls $W_{xh}$ is W_ih in PyTorch; its two
# biases together are $b_h$. A layer's weights are two matrices and two biases:
#
# | | shape | what it multiplies |
# |---|---|---|
# | W_ih, b_ih | (blocks · H, E), (blocks · H) | the input x_t, of E numbers |
# | W_hh, b_hh | (blocks · H, H), (blocks · H) | the hidden state h, of H numbers |
#
# The plain RNN has one block, the GRU three, and the LSTM four: one for each gate, and one for what is proposed as new content.

# %%


def weights_of(layer):
    """W_ih, W_hh, b_ih, b_hh of one of PyTorch's recurrent layers."""
    return layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0, layer.bias_hh_l0


def run_cell(step, weights, inputs, state):
    """A cell over a sequence (time, streams, E): all hidden states (time, streams, H), and the state at the end."""
    hidden = []
    for x in inputs:  # (streams, E)
        state = step(x, state, weights)
        hidden.append(state[0])
    return torch.stack(hidden), state


# %% [markdown]
# #### tanh and ReLU
#
# $$h_t = \varphi(W_{ih}\,x_t + b_{ih} + W_{hh}\,h_{t-1} + b_{hh}), \qquad \varphi = \tanh \text{ or } \mathrm{ReLU}$$
#
# The whole state is *replaced* at each step. tanh keeps each number between -1 and 1; ReLU sets negative numbers to 0 and has no
# upper limit.

# %%


def tanh_step(x, state, weights, activation=torch.tanh):
    """x (streams, E) and (h,), h (streams, H) -> the new (h,)."""
    W_ih, W_hh, b_ih, b_hh = weights  # (H, E), (H, H), (H,), (H,)
    (h,) = state
    return (activation(x @ W_ih.T + b_ih + h @ W_hh.T + b_hh),)


def relu_step(x, state, weights):
    """The same with ReLU."""
    return tanh_step(x, state, weights, activation=torch.relu)


# %% [markdown]
# #### LSTM
#
# The LSTM (Hochreiter and Schmidhuber 1997; the forget gate is from Gers, Schmidhuber and Cummins 2000) keeps two things: **c, the
# memory**, and h, what it shows of it. The memory is not replaced but *edited*: multiplied by a gate, and added to. A gate is a
# vector of numbers between 0 (closed) and 1 (open), computed at each step from x_t and h_{t-1}, for every unit.
#
# | block | PyTorch's rows | name | the question that it answers |
# |---|---|---|---|
# | i = σ(…) | 0 to H | input gate | how much of the new content is written? |
# | f = σ(…) | H to 2H | forget gate | how much of the old memory is kept? |
# | g = tanh(…) | 2H to 3H | candidate | which new content is proposed? |
# | o = σ(…) | 3H to 4H | output gate | how much of the memory is shown? |
#
# Each "…" is $W_{ih}\,x_t + b_{ih} + W_{hh}\,h_{t-1} + b_{hh}$ with the rows of its block. Then
#
# $$c_t = f \odot c_{t-1} + i \odot g \qquad h_t = o \odot \tanh(c_t)$$
#
# where ⊙ multiplies unit by unit. **The order i, f, g, o is PyTorch's.** The ONNX format, for example, stores i, o, f, g, and
# weights that are copied in the wrong order give no error, only nonsense.

# %%


def lstm_step(x, state, weights):
    """x (streams, E) and (h, c), each (streams, H) -> the new (h, c)."""
    W_ih, W_hh, b_ih, b_hh = weights  # (4H, E), (4H, H), (4H,), (4H,)
    h, c = state
    i, f, g, o = (x @ W_ih.T + b_ih + h @ W_hh.T + b_hh).chunk(4, dim=1)  # each (streams, H)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


# %% [markdown]
# #### GRU
#
# The GRU (Cho et al. 2014) has one state and two gates. What it forgets is exactly what it replaces:
#
# | block | PyTorch's rows | name | the question that it answers |
# |---|---|---|---|
# | r = σ(…) | 0 to H | reset gate | how much of the old state may the candidate see? |
# | z = σ(…) | H to 2H | update gate | how much of the old state is kept? |
# | n | 2H to 3H | candidate | which new content is proposed? |
#
# $$n = \tanh\big(W_{in}\,x_t + b_{in} + r \odot (W_{hn}\,h_{t-1} + b_{hn})\big) \qquad h_t = (1 - z) \odot n + z \odot h_{t-1}$$
#
# **PyTorch's GRU is a variant.** In the original paper the reset gate is applied *before* the matrix, $W_{hn}\,(r \odot h_{t-1})$;
# PyTorch, like NVIDIA's cuDNN, applies it *after*, so that one matrix product serves all three blocks. The two are different
# networks: weights trained for one do not fit the other. And some papers write z where we have 1 - z.

# %%


def gru_step(x, state, weights):
    """x (streams, E) and (h,), h (streams, H) -> the new (h,)."""
    W_ih, W_hh, b_ih, b_hh = weights  # (3H, E), (3H, H), (3H,), (3H,)
    (h,) = state
    from_x = (x @ W_ih.T + b_ih).chunk(3, dim=1)  # each (streams, H)
    from_h = (h @ W_hh.T + b_hh).chunk(3, dim=1)
    r, z = (torch.sigmoid(a + b) for a, b in zip(from_x[:2], from_h[:2]))
    n = torch.tanh(from_x[2] + r * from_h[2])
    return ((1 - z) * n + z * h,)


# %% [markdown]
# #### Both cells as diagrams
#
# First the pen: a wire with corners, a dot where a wire branches, a block with its function, a circle for an operation.

# %% jupyter={"source_hidden": true}
BLACK, GREY, INPUT = "#222222", "#666666", COLOURS[5]


def rounded(axes, x, y, width, height, radius, **style):
    """A box with round corners around a place."""
    shape = {"boxstyle": f"round,pad=0,rounding_size={radius}"}
    corner = (x - width / 2, y - height / 2)
    axes.add_patch(plt.matplotlib.patches.FancyBboxPatch(corner, width, height, **shape, **style))


def wire(axes, *places, colour=BLACK, width=1.8, arrow=True):
    """A line through some places, with an arrow at its end."""
    axes.plot(*zip(*(places[:-1] if arrow else places)), color=colour, lw=width, solid_joinstyle="round", zorder=1)
    if arrow:
        style = {"arrowstyle": "-|>", "color": colour, "lw": width, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 13}
        axes.annotate("", places[-1], places[-2], arrowprops=style, zorder=1)


def draw_block(axes, x, y, letter, name, colour):
    """A layer with weights of its own, and what it is called."""
    rounded(axes, x, y, 1.24, 0.84, 0.12, facecolor=colour, edgecolor=colour, zorder=3)
    axes.text(x, y + 0.13, letter, color="white", ha="center", va="center", fontsize=13, weight="bold", zorder=4)
    axes.text(x, y - 0.21, name, color="white", ha="center", va="center", fontsize=8, zorder=4)


def operation(axes, x, y, sign):
    """Two wires multiplied or added, unit by unit, or one wire changed."""
    size, letters = (0.25, 14) if len(sign) == 1 else (0.36, 9)
    axes.add_patch(plt.Circle((x, y), size, facecolor="white", edgecolor=BLACK, lw=1.5, zorder=3))
    axes.text(x, y - 0.01, sign, ha="center", va="center", fontsize=letters, zorder=4)


# %% jupyter={"source_hidden": true}


def draw_cell(title, blocks, gates, memory, wires, dots, operations, symbols, notes):
    """A cell from lists of its parts; `gates` are the blocks that read both h and x."""
    axes = plt.subplots(figsize=(11, 5.6), dpi=144)[1]
    axes.set(xlim=(-0.9, 11.9), ylim=(-0.75, 5.7), aspect="equal")
    axes.axis("off")
    axes.set_title(headline(title))
    rounded(axes, 5.5, 2.8, 10.4, 5.2, 0.3, facecolor="#f4f4f4", edgecolor="#bbbbbb")
    for each in blocks:
        draw_block(axes, *each)
    for x in gates:
        for place, level, colour in ((x - 0.2, 1.05, BLACK), (x + 0.2, 0.55, INPUT)):
            wire(axes, (place, level), (place, 1.58), colour=colour)
            axes.plot([place], [level], ".", color=colour, markersize=9, zorder=2)
    for places in memory:
        wire(axes, *places, width=3)
    for places, style in wires:
        wire(axes, *places, **style)
    for each in operations:
        operation(axes, *each)
    axes.plot(*zip(*dots), ".", color=BLACK, markersize=9, zorder=2)
    for x, y, symbol in symbols:
        axes.text(
            x, y, f"${symbol}$", ha="right" if x < 0 else "left" if x > 10 else "center", va="center", fontsize=14
        )
    for x, y, remark in notes:
        side = "right" if x > 11 else "left"
        axes.text(x, y, remark, fontsize=8.5, color=GREY, style="italic", ha=side, va="center", zorder=4)
    return axes


BY_X = {"colour": INPUT}
TO = (11.9, -0.1, "h goes to the next step and to the output layer")

# %% [markdown]
# The diagram of the LSTM shows the memory c as a line along the top, on which there is a multiplication by the forget gate and an
# addition, and nothing else. Coloured blocks have weights; circles work unit by unit. The blue wires carry the input x_t, the
# black ones the state and what is computed from it.

# %% jupyter={"source_hidden": true}
draw_cell(
    "An LSTM edits its memory: along the top, c is multiplied by f and i ⊙ g is added, nothing more",
    blocks=[
        (2.4, 2.0, "f", "σ forget", COLOURS[1]),
        (4.2, 2.0, "i", "σ input", COLOURS[2]),
        (6.0, 2.0, "g", "tanh new", COLOURS[3]),
        (7.8, 2.0, "o", "σ output", COLOURS[0]),
    ],
    gates=[2.4, 4.2, 6.0, 7.8],
    memory=[[(-0.3, 4.8), (2.15, 4.8)], [(2.65, 4.8), (4.85, 4.8)], [(5.35, 4.8), (11.3, 4.8)]],
    wires=[
        ([(-0.3, 1.05), (7.6, 1.05)], {"arrow": False}),
        ([(1.2, -0.3), (1.2, 0.55), (8.0, 0.55)], BY_X | {"arrow": False}),
        ([(2.4, 2.42), (2.4, 4.55)], {}),
        ([(4.2, 2.42), (4.2, 3.5), (4.85, 3.5)], {}),
        ([(6.0, 2.42), (6.0, 3.5), (5.35, 3.5)], {}),
        ([(5.1, 3.75), (5.1, 4.55)], {}),
        ([(9.6, 4.8), (9.6, 4.16)], {}),
        ([(9.6, 3.44), (9.6, 3.05)], {}),
        ([(7.8, 2.42), (7.8, 2.8), (9.35, 2.8)], {}),
        ([(9.6, 2.55), (9.6, 1.05), (11.3, 1.05)], {}),
    ],
    dots=[(9.6, 4.8)],
    operations=[(2.4, 4.8, "×"), (5.1, 4.8, "+"), (5.1, 3.5, "×"), (9.6, 3.8, "tanh"), (9.6, 2.8, "×")],
    symbols=[
        (-0.35, 4.8, "c_{t-1}"),
        (-0.35, 1.05, "h_{t-1}"),
        (11.35, 4.8, "c_t"),
        (11.35, 1.05, "h_t"),
        (1.2, -0.5, "x_t"),
    ],
    notes=[
        (2.6, 4.2, "how much of the\nold memory is kept"),
        (5.3, 4.2, "what is written"),
        (7.95, 3.2, "how much\nis shown"),
        TO,
    ],
)
show(
    "An LSTM cell: the memory c runs along the top through a multiplication by the forget gate and an addition; below, four blocks read the input and the hidden state, and the output gate decides what is shown."
)

# %% [markdown]
# The diagram of the GRU shows its only state along the top: z of the old one is kept, 1 - z of the candidate n is added. The reset
# gate r works on the product W_hn h, as in PyTorch.

# %% jupyter={"source_hidden": true}
draw_cell(
    "A GRU has one state and no separate memory: what z does not keep is replaced by the candidate n",
    blocks=[
        (2.4, 2.0, "z", "σ update", COLOURS[1]),
        (4.2, 2.0, "r", "σ reset", COLOURS[2]),
        (6.0, 2.0, r"$W_{hn}\,h$", "linear", GREY),
        (8.6, 2.9, "n", "tanh new", COLOURS[3]),
    ],
    gates=[2.4, 4.2],
    memory=[[(-0.3, 4.8), (2.15, 4.8)], [(2.65, 4.8), (8.35, 4.8)], [(8.85, 4.8), (11.3, 4.8)]],
    wires=[
        ([(0.8, 4.8), (0.8, 1.05), (6.0, 1.05), (6.0, 1.58)], {}),
        ([(1.2, -0.3), (1.2, 0.55), (8.6, 0.55), (8.6, 2.48)], BY_X),
        ([(2.4, 2.42), (2.4, 4.55)], {}),
        ([(2.4, 3.95), (4.84, 3.95)], {}),
        ([(5.56, 3.95), (8.35, 3.95)], {}),
        ([(4.2, 2.42), (4.2, 2.9), (5.75, 2.9)], {}),
        ([(6.0, 2.42), (6.0, 2.65)], {}),
        ([(6.25, 2.9), (7.98, 2.9)], {}),
        ([(8.6, 3.32), (8.6, 3.7)], {}),
        ([(8.6, 4.2), (8.6, 4.55)], {}),
    ],
    dots=[(0.8, 4.8), (2.4, 3.95)],
    operations=[(2.4, 4.8, "×"), (8.6, 4.8, "+"), (5.2, 3.95, "1 − z"), (8.6, 3.95, "×"), (6.0, 2.9, "×")],
    symbols=[(-0.35, 4.8, "h_{t-1}"), (11.35, 4.8, "h_t"), (1.2, -0.5, "x_t")],
    notes=[
        (2.6, 4.38, "how much of the\nold state is kept"),
        (8.9, 4.2, "the rest is replaced"),
        (4.3, 3.22, "how much n sees"),
        TO,
    ],
)
show(
    "A GRU cell: the state h runs along the top, is multiplied by the update gate, and the candidate, which saw the state through the reset gate, is added."
)

# %% [markdown]
# **Equal to PyTorch's layers.** Each cell reads the first slice of our text, from a random state, with random weights. All hidden
# states of all steps and streams must agree, and the state at the end.

# %%
STEPS_BY_HAND = {"rnn-tanh": tanh_step, "rnn-relu": relu_step, "gru": gru_step, "lstm": lstm_step}


def fused_layer(cell, inputs, size):
    """PyTorch's layer of a cell; it computes a whole sequence in one call."""
    if cell.startswith("rnn"):
        return nn.RNN(inputs, size, nonlinearity=cell.removeprefix("rnn-"))
    return {"gru": nn.GRU, "lstm": nn.LSTM}[cell](inputs, size)


torch.manual_seed(SEED)
embedded = nn.Embedding(INPUT_SIZE, 12)(inputs[0]).detach().to(device)  # (time, streams, E)
for cell, step in STEPS_BY_HAND.items():
    layer = fused_layer(cell, 12, 20).to(device)
    state = tuple(torch.randn(STREAMS, 20, device=device) for _ in range(2 if cell == "lstm" else 1))
    with torch.no_grad():
        ours, our_state = run_cell(step, weights_of(layer), embedded, state)
        given = tuple(part[None] for part in state)  # PyTorch has a first axis for the layers
        theirs, their_state = layer(embedded, given if cell == "lstm" else given[0])
    their_state = their_state if cell == "lstm" else (their_state,)
    for name, our_part, their_part in (("h of all steps", ours, theirs), *zip("hc", our_state, their_state)):
        largest = (our_part - their_part.view_as(our_part)).abs().max().item()
        assert largest < 1e-5, (cell, name, largest)
        print(f"✔ {cell:<8} {name:<14} {our_part.numel():>7,} numbers, largest difference from PyTorch {largest:.1e}")

# %% [markdown]
# **Equal to charloom's networks.** The whole way, from characters to logits, with our own loop in the middle:

# %%
for cell, step in STEPS_BY_HAND.items():
    config = NetworkConfig(cell=cell, hidden_size=20, embedding_size=12, dropout=0, initialization="uniform")
    torch.manual_seed(SEED)
    network = CharRNN(config, inputs=INPUT_SIZE, outputs=OUTPUT_SIZE).to(device)
    ids = inputs[0].to(device)
    with torch.no_grad():
        zero = tuple(part[0] for part in network.zero_state(STREAMS))
        hidden, state = run_cell(step, weights_of(network.layers[0]), network.embedding(ids), zero)
        theirs, their_state = network(ids)
        all_agree(f"{cell}: the logits", network.output(hidden), theirs, 1e-5)
    all_agree(f"{cell}: the state afterwards", torch.stack(state), torch.cat(their_state), 1e-5)

# %% [markdown]
# How much do the two variants of the GRU differ? Here is the original step, on the same weights:

# %%


def original_gru_step(x, state, weights):
    """Cho et al. 2014: the reset gate is applied to the state, before the matrix."""
    W_ih, W_hh, b_ih, b_hh = weights
    (h,) = state
    W_hr, W_hz, W_hn = W_hh.chunk(3)
    b_hr, b_hz, b_hn = b_hh.chunk(3)
    x_r, x_z, x_n = (x @ W_ih.T + b_ih).chunk(3, dim=1)
    r = torch.sigmoid(x_r + h @ W_hr.T + b_hr)
    z = torch.sigmoid(x_z + h @ W_hz.T + b_hz)
    n = torch.tanh(x_n + (r * h) @ W_hn.T + b_hn)
    return ((1 - z) * n + z * h,)


layer = fused_layer("gru", 12, 20).to(device)
start = (torch.zeros(STREAMS, 20, device=device),)
with torch.no_grad():
    as_pytorch, _ = run_cell(gru_step, weights_of(layer), embedded, start)
    as_published, _ = run_cell(original_gru_step, weights_of(layer), embedded, start)
gap = (as_pytorch - as_published).abs()
assert gap.max() > 1e-3  # far more than rounding: the check above would see the wrong variant
print(f"on the same weights, h differs by up to {gap.max():.3f}, {gap.mean():.3f} on average")

# %% [markdown]
# #### What a gate does to a memory
#
# Suppose that the forget gate of a unit stays at f and nothing is written. Then c is multiplied by f at each step, and after t
# steps f^t of it is left. The state of a plain tanh unit is multiplied by its own weight w, and pressed through tanh, each time.
# We let both steps run on one unit, with weights that we set ourselves.

# %%


def kept_by_lstm(forget, steps):
    """How much of c = 1 is left after each step, with the forget gate at `forget` and the input gate shut."""
    bias = torch.tensor([-50.0, math.log(forget / (1 - forget)), 0.0, 0.0])  # i, f, g, o: σ(-50) is 0
    weights, x = (torch.zeros(4, 1), torch.zeros(4, 1), bias, torch.zeros(4)), torch.zeros(1, 1)
    state, kept = (torch.zeros(1, 1), torch.ones(1, 1)), [1.0]
    for _ in range(steps):
        state = lstm_step(x, state, weights)
        kept.append(state[1].item())
    return kept


def kept_by_tanh(weight, steps):
    """h = 1 and what is left of it after each step, in a tanh unit that reads nothing but itself."""
    weights, state = (torch.zeros(1, 1), torch.tensor([[weight]]), torch.zeros(1), torch.zeros(1)), (torch.ones(1, 1),)
    kept = [1.0]
    for _ in range(steps):
        state = tanh_step(torch.zeros(1, 1), state, weights)
        kept.append(state[0].item())
    return kept


# %%
HORIZON = 100
figure, axes = plt.subplots(figsize=(11, 4), dpi=110)
for forget, colour, marker in zip((0.5, 0.9, 0.99, 0.999), COLOURS, MARKERS):
    kept = kept_by_lstm(forget, HORIZON)
    assert abs(kept[-1] - forget**HORIZON) < 1e-4, (forget, kept[-1])
    axes.plot(kept, color=colour, marker=marker, markevery=10, label=f"LSTM, forget gate at {forget:g}")
for weight, colour in zip((0.9, 1.0), COLOURS[4:]):
    axes.plot(kept_by_tanh(weight, HORIZON), color=colour, linestyle="--", label=f"tanh unit, weight {weight:g}")
axes.set(xlabel="steps", ylabel="share of the first value that is left", ylim=(-0.03, 1.05))
axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
figure.subplots_adjust(right=0.76)
axes.set_title(
    headline(
        f"What is left after {HORIZON} steps: {kept_by_lstm(0.99, HORIZON)[-1]:.0%} with a forget gate of 0.99, "
        f"{kept_by_lstm(0.9, HORIZON)[-1]:.3%} with 0.9, and {kept_by_tanh(1.0, HORIZON)[-1]:.0%} in a tanh unit with weight 1",
        110,
    )
)
show("Curves of what is left of a value by the number of steps: LSTM units with four forget gates, and two tanh units.")

# %% [markdown]
# So the forget gate sets how long a unit remembers. Where does it stand before training? We measure it on the first slice of the
# text, with PyTorch's initial weights, and with 1 added to the bias of the forget gate, as Jozefowicz, Zaremba and Sutskever
# recommended in 2015 and charloom does by default.

# %%


def mean_forget_gate(layer, inputs):
    """The mean of f over all units, steps and streams."""
    W_ih, W_hh, b_ih, b_hh = weights_of(layer)
    hidden, _ = layer(inputs)
    before = torch.cat([torch.zeros_like(hidden[:1]), hidden[:-1]])  # h before each step
    return torch.sigmoid((inputs @ W_ih.T + b_ih + before @ W_hh.T + b_hh).chunk(4, dim=2)[1]).mean().item()


opened = {0: [], 1: []}
with torch.no_grad():
    for seed in range(5):
        torch.manual_seed(seed)
        layer = nn.LSTM(12, 64).to(device)
        for extra in opened:
            layer.bias_ih_l0[64:128] += extra
            opened[extra].append(mean_forget_gate(layer, embedded))
for extra, gates in opened.items():
    gate = np.mean(gates)
    say(
        f"Bias + {extra}: the mean forget gate is {gate:.3f} (five seeds: {min(gates):.3f} to {max(gates):.3f}). At that value, half of "
        f"the memory is gone after {math.log(0.5) / math.log(gate):.1f} steps."
    )

# %% [markdown]
# Remembering is something that a gated cell has to *learn*; chapter 6 measures what that means for the gradient.
#
# **Exercise. Predict first:** at which forget gate is half of the memory left after 50 characters? And after 1,000? First guess,
# then solve f^t = 1/2.
#
# <details><summary>Solution</summary>
#
# f^t = 1/2 gives f = 2^(-1/t): 0.986 for 50 steps, 0.9993 for 1,000. Long memory needs gates that are open almost completely, and
# the sigmoid reaches such values only far out: its argument is ln(f / (1 - f)), about 4.3 and 7.3.
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
for steps in (50, 1000):
    forget = 2 ** (-1 / steps)
    left = kept_by_lstm(forget, steps)[-1]
    print(
        f"{steps:>5} steps: f = {forget:.5f}, its argument {math.log(forget / (1 - forget)):.2f}, left by our step: {left:.3f}"
    )
    assert abs(left - 0.5) < 1e-3

# %% [markdown]
# **Exercise. Predict first:** swap two hidden units of an LSTM: their rows in all four blocks of all weights, their columns in
# W_hh, and their columns in the output layer. What happens to the logits? What if you forget the columns of W_hh?
#
# <details><summary>Solution</summary>
#
# Nothing: the units have no order, only names, so the same network can be written down in H! ways. This is why unit 17 of one
# training has nothing to do with unit 17 of another. Without the columns of W_hh, every unit takes units 3 and 8 for each other, and
# the logits change.
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
import copy

swapped = torch.arange(HIDDEN_SIZE)
swapped[[3, 8]] = swapped[[8, 3]]
rows = torch.cat([block * HIDDEN_SIZE + swapped for block in range(4)])  # in the blocks i, f, g, o
with torch.no_grad():
    expected, _ = model(inputs[0].to(device), zero_state(model, STREAMS))
    for whole in (False, True):
        twin = copy.deepcopy(model)
        for weight in weights_of(twin.recurrent):
            weight.copy_(weight[rows.to(device)])
        if whole:
            twin.recurrent.weight_hh_l0.copy_(twin.recurrent.weight_hh_l0[:, swapped.to(device)])
        twin.output.weight.copy_(twin.output.weight[:, swapped.to(device)])
        found, _ = twin(inputs[0].to(device), zero_state(twin, STREAMS))
        print(
            f"{'with' if whole else 'without'} W_hh's columns, the logits differ by {(found - expected).abs().max():.1e}"
        )
assert (found - expected).abs().max() < 1e-5

# %% [markdown]
# **Exercise. Predict first:** set the update gate of a GRU to 1 by a large bias. What does the cell do, and what is the gradient
# of its last state with respect to its first?
#
# <details><summary>Solution</summary>
#
# h_t = h_{t-1}: it copies its state and ignores everything it reads. The gradient is the identity, over any distance. A gate that
# is fully open is a wire, and a network that can learn to open it can learn from far away.
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
layer = nn.GRU(12, 20).to(device)
with torch.no_grad():
    layer.bias_ih_l0[20:40] = 50  # the rows of z
first = torch.randn(STREAMS, 20, device=device, requires_grad=True)
_, (last,) = run_cell(gru_step, weights_of(layer), embedded, (first,))
(gradient,) = torch.autograd.grad(last.sum(), first)
print(
    f"after {len(embedded)} steps the state has changed by {(last - first).abs().max():.1e}, the gradient is {gradient.mean():.3f}"
)
assert torch.equal(gradient, torch.ones_like(gradient))
