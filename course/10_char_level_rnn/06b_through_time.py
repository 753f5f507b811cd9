# %% [markdown]
# ### Backpropagation through time, by hand
#
# *Time: 40 minutes to read and try, about a minute to run. You need the chain rule, and the cell with tanh from the inside.*
#
# `loss.backward()` is the one line of the training loop that we have taken on trust. What does it do? The network reads
# characters from left to right; the blame for each wrong prediction travels back from right to left, through the same steps.
# **One vector does the travelling: dL/dh_t, how the loss would change if the state after step *t* were different.** It has two
# sources: the prediction made at step *t* itself, and everything that comes later, which arrives through h_{t+1}.
#
# Forwards, for t = 0, 1, ..., with B streams, E numbers of an embedding, H hidden numbers and V characters:
#
# | | shape |
# |---|---|
# | $a_t = x_t W_{xh}^\top + h_{t-1} W_{hh}^\top + b_h$ | (B, H) |
# | $h_t = \tanh(a_t)$ | (B, H) |
# | $y_t = h_t W_{hy}^\top + b_y$ | (B, V) |
#
# Backwards, for t = T-1, T-2, ..., each line follows from one above by the chain rule. (The loss of one prediction is $-y_k + \log \sum_j e^{y_j}$
# for the target k; its derivative is softmax minus one-hot. It is divided by T B because the loss is a mean.)
#
# | | shape |
# |---|---|
# | $dL/dy_t = (\mathrm{softmax}(y_t) - \text{one-hot of the target}) / (T B)$ | (B, V) |
# | $dL/dh_t = dL/dy_t \, W_{hy} + \text{what arrives from step } t+1$ | (B, H) |
# | $dL/da_t = dL/dh_t \cdot (1 - h_t^2)$, since tanh' = 1 - tanh² | (B, H) |
# | passed on to step t-1: $dL/da_t \, W_{hh}$ | (B, H) |
#
# Every matrix was used at each step, so its gradient is a sum over all of them. Now the same as a loop:

# %% tags=["by-hand"]


def backward_by_hand(network, ids, targets):
    """The gradient of `loss_of` for every weight of a network with one tanh layer, from a zero state, without autograd."""
    weights = {name: parameter.detach() for name, parameter in network.named_parameters()}
    W_xh, W_hh = weights["recurrent.weight_ih_l0"], weights["recurrent.weight_hh_l0"]  # (H, E), (H, H)
    b_h, W_hy = (
        weights["recurrent.bias_ih_l0"] + weights["recurrent.bias_hh_l0"],
        weights["output.weight"],
    )  # (H), (V, H)
    T, B = ids.shape
    x = weights["embedding.weight"][ids]  # (T, B, E)
    h = [torch.zeros(B, W_hh.shape[0], device=x.device)]  # h[t] is the state before step t
    for t in range(T):
        h.append(torch.tanh(x[t] @ W_xh.T + h[t] @ W_hh.T + b_h))  # (B, H)

    gradient = {name: torch.zeros_like(value) for name, value in weights.items()}
    from_later = torch.zeros_like(h[0])  # (B, H); nothing comes after the last step
    for t in reversed(range(T)):
        p = torch.softmax(h[t + 1] @ W_hy.T + weights["output.bias"], dim=1)  # (B, V)
        dy = (p - F.one_hot(targets[t], p.shape[1])) / (T * B)  # (B, V)
        dh = dy @ W_hy + from_later  # (B, H)
        da = dh * (1 - h[t + 1] ** 2)  # (B, H)
        gradient["output.weight"] += dy.T @ h[t + 1]  # (V, H)
        gradient["output.bias"] += dy.sum(dim=0)  # (V)
        gradient["recurrent.weight_hh_l0"] += da.T @ h[t]  # (H, H)
        gradient["recurrent.weight_ih_l0"] += da.T @ x[t]  # (H, E)
        for name in ("recurrent.bias_ih_l0", "recurrent.bias_hh_l0"):
            gradient[name] += da.sum(dim=0)  # (H)
        gradient["embedding.weight"].index_add_(0, ids[t], da @ W_xh)  # a row (E) for each character read
        from_later = da @ W_hh  # (B, H), passed on to step t - 1
    return gradient


torch.manual_seed(SEED)
tanh_network = CharacterRNN(INPUT_SIZE, 32, OUTPUT_SIZE, 16, cell="rnn").to(device)
some_ids, some_targets = inputs[0].to(device), targets[0].to(device)
by_hand_gradient = backward_by_hand(tanh_network, some_ids, some_targets)
print({name: tuple(value.shape) for name, value in by_hand_gradient.items()})

# %% [markdown]
# Does `backward()` do the same? And charloom's network, with the same weights? Every number of every gradient is compared:

# %%
loss_of(tanh_network(some_ids, zero_state(tanh_network, STREAMS))[0], some_targets).backward()
autograd = {name: parameter.grad for name, parameter in tanh_network.named_parameters()}
charlooms = as_charloom(tanh_network).network.train()
loss_of(charlooms(some_ids)[0], some_targets).backward()
with_charloom = {name.replace("layers.0.", "recurrent."): p.grad for name, p in charlooms.named_parameters()}
for other, gradients in {"PyTorch's autograd": autograd, "charloom's network": with_charloom}.items():
    apart = {name: float((value - gradients[name]).abs().max()) for name, value in by_hand_gradient.items()}
    worst = max(apart, key=apart.get)
    assert apart[worst] < 1e-5, f"{worst} differs from that of {other} by {apart[worst]}"
    print(f"✔ all {len(apart)} gradients, by hand and by {other}: largest difference {apart[worst]:.0e} ({worst})")

# %% [markdown]
# ### Truncated gradients, and a state that is carried
#
# To go all the way back, the loop above would have to keep the states of the whole text. So training cuts the way back after each
# slice, with `detach`. What is *not* cut is the way forward: the next slice starts from the values that the last one ended with.
#
# The diagram shows two slices of one stream. Blue arrows carry values and cross the border between the slices; orange arrows carry
# gradients and end at it.

# %%


def box(axes, x, y, label, colour):
    """A labelled box of the diagram."""
    axes.text(
        x,
        y,
        label,
        ha="center",
        va="center",
        fontsize=9,
        bbox={"boxstyle": "round,pad=0.4", "fc": colour, "ec": "none"},
    )


def arrow(axes, start, end, colour, **style):
    """An arrow of the diagram."""
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 1.6, **style})


# %%
SHOWN, CUT = 8, 4  # steps in the diagram, and where the second slice begins
place = LENGTH - CUT
was_read = [characters[i] for i in torch.cat([inputs[0, place:, 1], inputs[1, : SHOWN - CUT, 1]]).tolist()]
came = [characters[i] for i in torch.cat([targets[0, place:, 1], targets[1, : SHOWN - CUT, 1]]).tolist()]
figure, axes = plt.subplots(figsize=(10, 4), dpi=144)
for t in range(SHOWN):
    step = f"{place + t}" if t < CUT else f"{t - CUT}"
    box(axes, t, 0, visible(was_read[t]), "#E8E8E8")
    box(axes, t, 1, f"$h_{{{step}}}$", "#CFE3F2")
    box(axes, t, 2, visible(came[t]), "#E8E8E8")
    arrow(axes, (t - 0.06, 0.25), (t - 0.06, 0.75), COLOURS[0])
    arrow(axes, (t - 0.06, 1.25), (t - 0.06, 1.75), COLOURS[0])
    arrow(axes, (t + 0.06, 1.75), (t + 0.06, 1.25), COLOURS[1], linestyle="--")
    arrow(axes, (t + 0.06, 0.75), (t + 0.06, 0.25), COLOURS[1], linestyle="--")
    if t:
        arrow(axes, (t - 0.7, 1.08), (t - 0.3, 1.08), COLOURS[0])
    if t and t != CUT:
        arrow(axes, (t - 0.3, 0.92), (t - 0.7, 0.92), COLOURS[1], linestyle="--")
axes.axvline(CUT - 0.5, color="black", linestyle=":", ymin=0.05, ymax=0.83)
axes.text(CUT - 0.5, 2.55, "detach: values pass, gradients do not", ha="center", fontsize=9)
for x, label in ((1.5, "end of slice 0"), (5.5, "beginning of slice 1")):
    axes.text(x, -0.5, label, ha="center", fontsize=9)
for y, label in ((0, "reads"), (1, "state"), (2, "should\npredict")):
    axes.text(-0.6, y, label, ha="right", va="center", fontsize=9)
axes.plot([], [], color=COLOURS[0], label="values")
axes.plot([], [], color=COLOURS[1], linestyle="--", label="gradients")
axes.legend(loc="upper right", ncols=2, fontsize=8, frameon=False)
axes.set(xlim=(-1.4, SHOWN - 0.4), ylim=(-0.7, 3.0))
axes.axis("off")
axes.set_title("The state crosses the border between two slices, the gradient does not")
show(
    "Two slices of one stream, eight characters: arrows with values cross the border between the slices, arrows with gradients end at it."
)

# %% [markdown]
# Both halves of the picture's title can be measured. We ask how the loss of slice 1 depends on the embeddings that were read in slice 0:
# once with the state detached, once without.

# %%


from charloom.evaluation import paired


def gradient_in_the_slice_before(detach):
    """The norm of the gradient of the second slice's loss with respect to the embeddings of the first slice."""
    embedded = model.embedding(inputs[0].to(device)).detach().requires_grad_()
    _, state = model.recurrent(embedded, zero_state(model, STREAMS))
    if detach:
        state = tuple(part.detach() for part in state)
    logits, _ = model(inputs[1].to(device), state)
    (gradient,) = torch.autograd.grad(loss_of(logits, targets[1].to(device)), embedded, allow_unused=True)
    return 0.0 if gradient is None else float(gradient.norm()), logits.detach()


cut_norm, cut_logits = gradient_in_the_slice_before(detach=True)
whole_norm, whole_logits = gradient_in_the_slice_before(detach=False)
assert cut_norm == 0 < whole_norm and torch.equal(cut_logits, whole_logits)

# %%
late_losses, state = {"carried": [], "emptied": []}, zero_state(model, STREAMS)
LATE = LENGTH // 4  # the last places of a slice, which have LENGTH - LATE characters of it before them
with torch.no_grad():
    for k in range(min(100, len(inputs))):
        carried, after = model(inputs[k].to(device), state)
        emptied, _ = model(inputs[k].to(device), zero_state(model, STREAMS))
        wanted = targets[k][-LATE:].to(device)
        for name, found in (("carried", carried), ("emptied", emptied)):
            late_losses[name].append(loss_of(found[-LATE:], wanted).item())
        state = after
carried, emptied = (np.array(losses[1:]) for losses in late_losses.values())  # slice 0 is empty either way
gain = paired(emptied, carried)
say(
    f"With `detach` the gradient in the slice before is {cut_norm:.0f}, without it {whole_norm:.4f}; the predictions are "
    f"the same to the last bit. And do the carried values matter, late in a slice? In the last {LATE} places of a slice, "
    + gain.sentence(
        "an empty state at the beginning costs more than the carried one",
        "an empty state at the beginning costs less than the carried one",
        "an empty state at the beginning and the carried one",
        digits=4,
    )
    + ". **No gradient ever crosses a border"
    + (
        ", yet the network uses, on text that it was trained on, "
        f"{'a little of ' * (gain.mean < 0.01)}what is carried across.**"
        if gain.clear and gain.mean > 0
        else "; that the network uses what is carried across is not shown here.**"
    )
)

# %% [markdown]
# ### Why gradients vanish
#
# On its way back the gradient is multiplied, at each step, by the slope of tanh and by W_hh: `from_later = da @ W_hh`. Where these
# factors are smaller than 1, it shrinks exponentially with the distance; where they are larger, it explodes. Bengio, Simard and
# Frasconi (1994) described this; Hochreiter and Schmidhuber's **LSTM** (1997; its forget gate: Gers, Schmidhuber and Cummins 2000) and
# Cho et al.'s **GRU** (2014) keep a memory that is multiplied, unit by unit, by a gate that can stay near 1, instead of by a matrix and
# the slope of tanh.
#
# We measure it: the loss of one prediction, and its gradient with respect to the embedding of each character before. The norm, as a
# share of that at distance 0, says how much a character *d* steps back can still teach. Four cells, before and after training,
# each from several seeds:


# %%
def gradient_by_distance(network, length):
    """Mean norm of the gradient of the last prediction's loss, for inputs 0, 1, ..., length - 1 characters before it."""
    starts = torch.linspace(0, len(validation_ids) - length - 1, 64).long()
    passages = validation_ids[starts + torch.arange(length + 1)[:, None]].to(device)  # (length + 1, 64)
    embedded = network.embedding(passages[:-1]).detach().requires_grad_()  # (length, 64, E)
    hidden, _ = network.recurrent(embedded)
    loss = F.cross_entropy(network.output(hidden[-1]), passages[-1], reduction="sum")
    (gradient,) = torch.autograd.grad(loss, embedded)
    return gradient.norm(dim=2).mean(dim=1).flip(0).cpu()


FOUR_CELLS = {
    "RNN with tanh": lambda size: CharacterRNN(INPUT_SIZE, size, OUTPUT_SIZE, 32, cell="rnn").to(device),
    "RNN with ReLU": relu_network,
    "GRU": lambda size: CharacterRNN(INPUT_SIZE, size, OUTPUT_SIZE, 32, cell="gru").to(device),
    "LSTM": lstm_network,
}
DISTANCE, CELL_SEEDS = choose(150, 60), choose((1, 2, 3), (1, 2))
shares = {when: {name: [] for name in FOUR_CELLS} for when in ("before training", "after training")}
trained_lstms, reached = [], {}
for name, make in FOUR_CELLS.items():
    for seed in CELL_SEEDS:
        torch.manual_seed(seed)
        network = make(choose(128, 32))
        for when in shares:
            if when == "after training":
                for record in train(network, train_ids, choose(400, 20), peak=2e-3, streams=16, length=64):
                    pass
                reached.setdefault(name, []).append(round(record["loss"], 2))
            norms = gradient_by_distance(network, DISTANCE)
            shares[when][name].append((norms / norms[0]).double().clamp(min=1e-60))
        if name == "LSTM":
            trained_lstms.append(network)
print("last training loss of each seed, nats:", reached)

# %% [markdown]
# The picture shows how much of the gradient is left at each distance: lines are (geometric) means over the seeds, bands reach from
# the lowest seed to the highest. A straight line on this scale is exponential decay.

# %%


def geometric_mean(curves):
    """The geometric mean of some curves, point by point."""
    return torch.stack(curves).log().mean(dim=0).exp()


FAR = DISTANCE // 3
figure, panels = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True)
for axes, (when, of_cell) in zip(panels, shares.items()):
    for (name, curves), colour, marker in zip(of_cell.items(), COLOURS, MARKERS):
        lowest, highest = torch.stack(curves).amin(dim=0), torch.stack(curves).amax(dim=0)
        axes.fill_between(range(DISTANCE), lowest, highest, color=colour, alpha=0.2, linewidth=0)
        axes.plot(
            geometric_mean(curves), color=colour, marker=marker, markevery=DISTANCE // 10, markersize=4, label=name
        )
    axes.axvline(FAR, color="black", linestyle=":", linewidth=1)
    axes.set_yscale("log")
    axes.set_ylim(1e-16, 3)
    axes.set_xlabel("characters back")
    axes.set_title(when)
panels[0].set_ylabel("norm of the gradient,\nas a share of that at distance 0")
panels[1].legend(fontsize=8)
left_over = {name: float(geometric_mean(curves)[FAR]) for name, curves in shares["after training"].items()}
figure.suptitle(
    headline(
        f"Left of the gradient {FAR} characters back, after training: "
        + ", ".join(f"{name} {share:.0e}" for name, share in left_over.items())
    )
)
figure.tight_layout()
show(
    "The share of the gradient that is left by the number of characters back, on a logarithmic scale, for four cells, before training on the left and after it on the right."
)

# %%


def range_at(when, name):
    """The lowest and the highest seed's share of the gradient that is left at the distance FAR."""
    found = [float(curve[FAR]) for curve in shares[when][name]]
    return min(found), max(found)


for when in shares:
    for name in FOUR_CELLS:
        print(f"{when:<16} {name:<14} {FAR} back: from {range_at(when, name)[0]:.0e} to {range_at(when, name)[1]:.0e}")
best_cell, *others = sorted(left_over, key=left_over.get, reverse=True)


def magnitudes(when, name):
    """For each seed, the power of ten of the share that is left at the distance FAR."""
    return np.log10([float(curve[FAR]) for curve in shares[when][name]])


say(
    f"After training, {FAR} characters back, the largest mean share is left in the {best_cell}: {left_over[best_cell]:.0e}. "
    "In powers of ten, seed by seed:\n\n"
    + "\n".join(
        "* "
        + paired(magnitudes("after training", best_cell), magnitudes("after training", name)).sentence(
            f"**more is left in the {best_cell} than in the {name}**",
            f"less is left in the {best_cell} than in the {name}",
            f"{best_cell} and {name}",
            "powers of ten",
            1,
        )
        for name in others
    )
)
changes = {name: paired(magnitudes("after training", name), magnitudes("before training", name)) for name in FOUR_CELLS}
grown = [name for name, change in changes.items() if change.clear and change.mean > 0]
say(
    "**What training changes**, in powers of ten: "
    + "; ".join(f"{name} {change.mean:+.1f} ± {change.margin:.1f}" for name, change in changes.items())
    + f". Those that clearly keep more of the gradient once they are trained: {', '.join(grown) or 'none'}. "
    + ("Remembering is something that a network has to *learn*." if grown else "")
)

# %% [markdown]
# **Why is so little left in an untrained LSTM?** Two ways lead back. One runs along the memory c, which is multiplied by the forget gate
# f at each step; f is a sigmoid of numbers near 0, so about 1/2. The other runs through h and the weights of all gates. To see what each
# is worth, we close the second one: the cell of chapter 5, with h detached before each step.

# %%


def gradient_along_c(network, length):
    """As `gradient_by_distance` for an LSTM, but along the memory c alone."""
    starts = torch.linspace(0, len(validation_ids) - length - 1, 64).long()
    passages = validation_ids[starts + torch.arange(length + 1)[:, None]].to(device)
    embedded = network.embedding(passages[:-1]).detach().requires_grad_()
    h, c = (part[0] for part in zero_state(network, 64))
    for x in embedded:
        h, c = lstm_step(x, (h.detach(), c), weights_of(network.recurrent))
    loss = F.cross_entropy(network.output(h), passages[-1], reduction="sum")
    (gradient,) = torch.autograd.grad(loss, embedded)
    return gradient.norm(dim=2).mean(dim=1).flip(0).cpu()


ways = {"both ways": [], "along c": []}
for seed in CELL_SEEDS:
    torch.manual_seed(seed)
    untrained = lstm_network(choose(128, 32))
    for way, measure in zip(ways, (gradient_by_distance, gradient_along_c)):
        norms = measure(untrained, DISTANCE)
        ways[way].append(float(norms[FAR] / norms[0]) ** (1 / FAR))  # the factor of one step, if all were alike
for way, factors in ways.items():
    print(f"{way:<10} the gradient is multiplied by {min(factors):.2f} to {max(factors):.2f} a step")
say(
    "In an untrained LSTM, "
    + paired(ways["both ways"], ways["along c"]).sentence(
        "both ways together keep more in a step than c alone",
        "both ways together keep less in a step than c alone",
        "what both ways together keep in a step and what c alone keeps",
        "",
    )
    + "."
)

# %% [markdown]
# The gates of the first way can be *opened*, and that is what training can do to let a memory last. Let us look at them:

# %%


@torch.no_grad()
def forget_gates(network, ids):
    """The forget gate of each unit after each character, from the second block of the weights."""
    x = network.embedding(ids.to(device)[:, None])  # (time, 1, E)
    h, _ = network.recurrent(x)  # (time, 1, H)
    before = torch.cat([torch.zeros_like(h[:1]), h[:-1]])
    layer, size = network.recurrent, network.hidden_size
    second = slice(size, 2 * size)  # PyTorch stacks the gates as input, forget, cell, output
    from_input = x @ layer.weight_ih_l0[second].T + layer.bias_ih_l0[second]
    return torch.sigmoid(from_input + before @ layer.weight_hh_l0[second].T + layer.bias_hh_l0[second])[:, 0]


# %%


def mean_gates(network):
    """The mean of each unit's forget gate over a passage."""
    return forget_gates(network, validation_ids[:2000]).mean(dim=0).cpu()


gates = {"before training": [], "after training": [mean_gates(network) for network in trained_lstms]}
for seed in CELL_SEEDS:
    torch.manual_seed(seed)
    gates["before training"].append(mean_gates(lstm_network(choose(128, 32))))

figure, axes = plt.subplots(figsize=(8, 3))
for (when, found), colour in zip(gates.items(), COLOURS):
    axes.hist(torch.cat(found).numpy(), bins=np.linspace(0, 1, 51), color=colour, alpha=0.6, label=when)
axes.set_xlabel("forget gate of a unit, mean over a passage (1 keeps everything)")
axes.set_ylabel(f"units of {len(CELL_SEEDS)} networks")
axes.legend()
most_open = {when: sorted(float(each.max()) for each in found) for when, found in gates.items()}
axes.set_title(
    headline(
        "A network's most open forget gate: "
        + ", ".join(f"{found[0]:.2f} to {found[-1]:.2f} {when}" for when, found in most_open.items())
        + f". In that unit, the path along c alone keeps over {FAR} steps about "
        + ", ".join(f"{found[0] ** FAR:.0e} to {found[-1] ** FAR:.0e} {when}" for when, found in most_open.items())
    )
)
show("Histograms of the mean forget gate of each unit, before and after training.")

# %% [markdown]
# That is why many programs start with the forget gate's bias at 1, so that the gates are more open from the first step (Jozefowicz,
# Zaremba and Sutskever 2015). charloom does so unless you ask for `initialization="uniform"`.
#
# **Exercise.** A network without tanh, h_t = W h_{t-1}, where W is an orthogonal matrix (a rotation) times 0.9, 1 or 1.1. Predict first:
# how much of the gradient is left after 50 steps for each? What would tanh change?
#
# <details><summary>Solution</summary>
#
# A rotation keeps lengths, so exactly the number to the power of 50: 0.005, 1 and 117. Between vanishing and exploding lies a single number.
# tanh has slopes of at most 1, so it can only shrink the gradient: it rescues nothing for 0.9, and for 1.1 it holds back
# the explosion when the states are large.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
rotation = torch.linalg.qr(torch.randn(64, 64, dtype=torch.float64))[0]
for stretch in (0.9, 1.0, 1.1):
    for name, activation in (("linear", lambda value: value), ("tanh", torch.tanh)):
        start = torch.randn(64, dtype=torch.float64).requires_grad_()
        h = start
        for _ in range(50):
            h = activation(stretch * rotation @ h)
        direction = torch.randn(64, dtype=torch.float64)
        (gradient,) = torch.autograd.grad(h @ direction, start)
        left = float(gradient.norm() / direction.norm())
        print(f"times {stretch}, {name}: {left:.2e} of the gradient is left; {stretch} ** 50 = {stretch**50:.2e}")
        assert name == "tanh" or math.isclose(left, stretch**50, rel_tol=1e-6)

# %% [markdown]
# **Exercise.** Predict first: which gradients of `backward_by_hand` become wrong if the line `from_later = da @ W_hh` is left out, so
# that no blame travels back? Which stay right?
#
# <details><summary>Solution</summary>
#
# The output layer's gradients stay right: they need only the state and the error of the same step. All others become wrong, for a
# state is then blamed only for the prediction right after it. With slices of one character this is what training would do.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
state, total = zero_state(tanh_network, STREAMS), 0.0
for t in range(LENGTH):  # detaching after each character drops exactly what that line passes on
    logits, state = tanh_network(some_ids[t : t + 1], tuple(part.detach() for part in state))
    total = total + loss_of(logits, some_targets[t : t + 1]) / LENGTH
names, parameters = zip(*tanh_network.named_parameters())
for name, value in zip(names, torch.autograd.grad(total, parameters)):
    right = torch.allclose(value, by_hand_gradient[name], atol=1e-6)
    print(f"{name:<24} {'right' if right else 'wrong'}")
    assert right == name.startswith("output")
