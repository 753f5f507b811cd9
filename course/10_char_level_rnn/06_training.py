# %% [markdown]
# ## 6. Training the RNN model
#
# *Time: an hour to read and try, about three minutes to run on two cores. You need the slices of Q11, the network of Q15, and an
# idea of what a gradient is: for each weight, how fast the loss rises when the weight grows.*
#
# Training repeats one short cycle: predict, measure how wrong the prediction was, find out which weights were to blame, change
# each of them a little. This chapter builds the cycle piece by piece, compares every piece with charloom, watches a long run, and
# saves it so that it can continue later.

# %% [markdown]
# ### Q16: How do you define the loss function for training the character-level RNN model in PyTorch?
#
# **By hand.** The loss of one prediction is -log p of the character that actually came: 0 if the model was sure and right, large
# if it was sure and wrong. It is called *surprise* or *cross-entropy*; with the natural logarithm it is measured in **nats**
# (one nat is 1.44 bits). We take the mean over all characters of the batch.

# %% tags=["by-hand"]


def loss_of(logits, targets):
    """Mean surprise of the targets (time, streams) in nats, from logits (time, streams, output_size)."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


loss = loss_of(logits, targets[0].to(device))
print(
    f"loss of the untrained network: {loss.item():.4f} nats; knowing nothing is log({OUTPUT_SIZE}) = "
    f"{math.log(OUTPUT_SIZE):.4f}"
)

# %% [markdown]
# `F.cross_entropy` is no black box. Look up the probability of the character that came, take its logarithm, and average:

# %%
chances = torch.softmax(logits, dim=2)  # (time, streams, output_size)
of_the_truth = chances.gather(2, targets[0].to(device)[:, :, None])  # the probability of the true character
agree_with_torch = abs(-of_the_truth.log().mean().item() - loss.item())
assert agree_with_torch < 1e-4
print(f"-log p, worked out by us: {-of_the_truth.log().mean().item():.4f}, difference {agree_with_torch:.0e}")

# %% [markdown]
# **With charloom.** The trainer minimises the same loss, and `evaluate` sums it over a text, each character once:

# %%
import charloom

sample = validation_text[:500]
with torch.no_grad():
    start = torch.cat([torch.tensor([BOUNDARY]), encode(sample)])[:, None].to(device)
    sample_logits, _ = model(start[:-1], zero_state(model, 1))
agree(
    "loss in nats",
    loss_of(sample_logits, start[1:]).item(),
    charloom.evaluate(as_charloom(model), sample).nats_per_character,
    1e-4,
)

# %% [markdown]
# **Exercise.** A model gives the right character the probability 1/2 half of the time and 1/8 the other half. Another gives it 5/16
# every time, which is the mean of the two. Predict first: which has the smaller loss?
#
# <details><summary>Solution</summary>
#
# The second. The loss is a mean of logarithms, and a logarithm punishes a small probability more than it rewards a large one.
# In bits the first needs (1 + 3) / 2 = 2 for a character.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
unsteady = -(math.log(1 / 2) + math.log(1 / 8)) / 2
steady = -math.log(5 / 16)
assert steady < unsteady and math.isclose(unsteady / math.log(2), 2)
print(f"1/2 and 1/8 in turn: {unsteady:.3f} nats; always 5/16: {steady:.3f} nats")

# %% [markdown]
# ### Q17: How do you select and configure an optimizer for training the RNN model in PyTorch?
#
# **By hand.** We start with **AdamW**, a common first choice: it keeps a running mean of each parameter's gradient and of its
# square (`betas` say how long they remember), and moves the parameter by the rate times the first, divided by the root of the second. So
# each parameter has a step size of its own. `weight_decay` also pulls every parameter a little towards 0. Two settings matter as much as the name of the optimizer: the *peak*
# of the learning rate, and its *schedule*. The rate rises during the first steps, while those running means still rest on few
# gradients, and then falls along a cosine to almost nothing, so that the last steps only polish.

# %% tags=["by-hand"]


def learning_rate(step, steps, peak):
    """A linear rise over the first twentieth of the steps, then half a cosine down to a fiftieth of the peak."""
    rise = round(0.05 * steps)
    if step < rise:
        return peak * (step + 1) / rise
    progress = (step - rise) / max(1, steps - rise - 1)
    return peak * (0.02 + 0.98 * (1 + math.cos(math.pi * progress)) / 2)


def make_optimizer(model):
    """AdamW over all parameters; the learning rate is set before each step."""
    return torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0.01)


PEAK = 1e-2
print(
    "learning rate at steps 0, 50, 500, 999 of 1,000:",
    [f"{learning_rate(step, 1000, PEAK):.5f}" for step in (0, 50, 500, 999)],
)

# %% [markdown]
# **With charloom.** `TrainingConfig` names optimizer and schedule. Its default optimizer is Muon for the recurrent matrices (Jordan
# et al. 2024) and AdamW for the rest. For our comparison we ask for AdamW alone, and set everything else as in our own loop.

# %%
from charloom import TrainingConfig


def as_by_hand(peak=PEAK, streams=STREAMS, length=LENGTH, seed=SEED):
    """charloom's settings to match our own loop."""
    return TrainingConfig(
        optimizer="adamw",
        beta1=0.9,
        beta2=0.99,
        weight_decay=0.01,
        learning_rate=peak,
        warmup=0.05,
        schedule="cosine",
        final_learning_rate=0.02,
        clip=1.0,
        average=0,
        batch_size=streams,
        sequence_length=length,
        seed=seed,
    )


same(
    "the learning rate at all of 1,000 steps",
    [learning_rate(step, 1000, PEAK) for step in range(1000)],
    [charloom.training.learning_rate(step, 1000, as_by_hand()) for step in range(1000)],
)

# %% [markdown]
# And the optimizer itself: two copies of one network take three steps with the same gradients, one with torch's AdamW as we
# configured it, one with charloom's. Afterwards their weights must be equal.

# %%
from charloom.training import make_optimizer as charlooms_optimizer

torch.manual_seed(SEED)
pair = [CharacterRNN(INPUT_SIZE, 32, OUTPUT_SIZE, 16).to(device) for _ in range(2)]
pair[1].load_state_dict(pair[0].state_dict())
ours = make_optimizer(pair[0])
theirs = charlooms_optimizer(dict(pair[1].named_parameters()), as_by_hand(), gates=4, bfloat16=False)
for step in range(3):
    pair[0].zero_grad()
    loss_of(pair[0](inputs[step].to(device), zero_state(pair[0], STREAMS))[0], targets[step].to(device)).backward()
    for one, other in zip(pair[0].parameters(), pair[1].parameters()):
        other.grad = one.grad.clone()
    ours.param_groups[0]["lr"] = PEAK
    ours.step()
    theirs.step(PEAK)
apart = max((a - b).abs().max().item() for a, b in zip(pair[0].parameters(), pair[1].parameters()))
assert apart < 1e-5, apart
print(f"✔ all weights after three steps of AdamW: largest difference between ours and charloom's {apart:.1e}")

# %% [markdown]
# ### Q18: How do you implement a training loop that updates model weights based on the loss in PyTorch?
#
# **By hand.** For each slice: predict, compute the loss, backpropagate, clip the gradient (Q19), take a step. Then *detach* the
# state: its values carry over into the next slice, the gradient does not. One reading of the whole text is an *epoch*; the next one starts from the
# beginning with an empty state. The loop yields a record after each step, so the caller decides what to do with them.

# %% tags=["by-hand"]


def train(model, ids, steps, peak, streams=16, length=64, clip=1.0):
    """Train for a number of steps; yields the loss, the gradient norm and the learning rate of each."""
    inputs, targets = (part.to(device) for part in fold(ids, streams, length))
    optimizer = make_optimizer(model)
    for step in range(steps):
        k = step % len(inputs)  # which slice
        if k == 0:
            state = zero_state(model, streams)  # an epoch starts at the beginning of the text
        rate = optimizer.param_groups[0]["lr"] = learning_rate(step, steps, peak)
        logits, state = model(inputs[k], state)
        loss = loss_of(logits, targets[k])
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        state = tuple(part.detach() for part in state)  # keep the values, drop the way back
        yield {"loss": loss.item(), "norm": norm.item(), "rate": rate}


torch.manual_seed(SEED)
model = CharacterRNN(INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
for step, record in enumerate(train(model, train_ids, steps=30, peak=PEAK, streams=STREAMS, length=LENGTH), start=1):
    if step % 10 == 0:
        print(f"step {step}: loss {record['loss']:.3f} nats")

# %% [markdown]
# **With charloom.** `Trainer`, whose `steps()` yields records too. From the same seed, the same text and the same settings,
# both losses must be the same at each step, up to the rounding of 32-bit numbers:

# %%
from charloom import CharRNN, NetworkConfig


def losses_of_charloom(
    steps, seed=SEED, hidden_size=HIDDEN_SIZE, layers=1, peak=PEAK, streams=STREAMS, length=LENGTH, ids=train_ids
):
    """The losses of charloom's trainer, with the settings of our loop."""
    torch.manual_seed(seed)
    config = NetworkConfig(
        hidden_size=hidden_size, layers=layers, embedding_size=EMBEDDING_SIZE, dropout=0, initialization="uniform"
    )
    network = CharRNN(config, inputs=INPUT_SIZE, outputs=OUTPUT_SIZE).to(device)
    whole_slices = ids[: len(ids) // (streams * length) * streams * length].numpy()
    batches = charloom.Streams(whole_slices, boundary=BOUNDARY, batch_size=streams, sequence_length=length)
    trainer = charloom.Trainer(network, batches, as_by_hand(peak, streams, length, seed), steps=steps)
    return [progress.loss_nats for progress in trainer.steps()]


def losses_by_hand(
    steps, seed=SEED, hidden_size=HIDDEN_SIZE, layers=1, peak=PEAK, streams=STREAMS, length=LENGTH, ids=train_ids
):
    """The losses of our own loop."""
    torch.manual_seed(seed)
    model = CharacterRNN(INPUT_SIZE, hidden_size, OUTPUT_SIZE, EMBEDDING_SIZE, layers).to(device)
    return [record["loss"] for record in train(model, ids, steps, peak, streams, length)]


def same_losses(what, steps=12, **settings):
    """Check that both loops have the same losses."""
    pairs = list(zip(losses_by_hand(steps, **settings), losses_of_charloom(steps, **settings), strict=True))
    largest = max(abs(ours - theirs) for ours, theirs in pairs)
    assert largest < 2e-3, f"the losses of {what} are up to {largest} apart"
    agree(f"the loss of step {steps} ({what}; largest difference before: {largest:.1e})", *pairs[-1], 2e-3)


same_losses("standard settings")
same_losses("three epochs of five slices", steps=15, ids=train_ids[: 5 * STREAMS * LENGTH], hidden_size=32)

# %% [markdown]
# The second comparison reads the same short text three times, so it also checks what happens between two epochs.
#
# **Exercise.** Without `optimizer.zero_grad()`, PyTorch *adds* each new gradient to the old one. Predict first: after two calls of
# `backward` on the same slice, how long is the gradient (all its numbers taken as one vector)? And if there are ten different slices, is it ten times as long as that of
# one?
#
# <details><summary>Solution</summary>
#
# On the same slice it is exactly twice as long. Over ten different slices the gradients point in different directions and partly
# cancel, so the sum is shorter than the ten lengths added up. In training, forgetting the line means that each step follows all
# slices since the beginning rather than the current one.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}


def gradient_length(slices):
    """The length of the gradient after `backward` on each of some slices, never cleared in between."""
    model.zero_grad()
    for k in slices:
        loss_of(model(inputs[k].to(device), zero_state(model, STREAMS))[0], targets[k].to(device)).backward()
    return math.sqrt(sum(parameter.grad.square().sum().item() for parameter in model.parameters()))


once, twice = gradient_length([0]), gradient_length([0, 0])
assert math.isclose(twice, 2 * once, rel_tol=1e-4)
added, single = gradient_length(range(10)), sum(gradient_length([k]) for k in range(10))
assert added <= single
print(f"one slice {once:.3f}, the same twice {twice:.3f}; ten slices {added:.3f}, their lengths added up {single:.3f}")
model.zero_grad()

# %% [markdown]
# ### Q19: How do you implement gradient clipping to prevent exploding gradients during the training of the RNN model in PyTorch?
#
# **By hand.** Treat all gradients together as one long vector. If it is longer than the limit, shorten it to the limit without
# changing its direction. That is the line with `clip_grad_norm_` in the loop above; written out, it is this:

# %% tags=["by-hand"]


def clip_gradients(parameters, largest):
    """Shorten the gradient to at most `largest`; returns its original length."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.sqrt(sum((gradient**2).sum() for gradient in gradients))
    if norm > largest:
        for gradient in gradients:
            gradient.mul_(largest / norm)
    return norm


logits, _ = model(inputs[0].to(device), zero_state(model, STREAMS))
(1000 * loss_of(logits, targets[0].to(device))).backward()  # a loss a thousand times as large
before = clip_gradients(list(model.parameters()), 1.0).item()
after = clip_gradients(list(model.parameters()), 1.0).item()
print(f"length before: {before:.3f}, after: {after:.3f}")

# %% [markdown]
# **With charloom.** `TrainingConfig(clip=1.0)` is the default; every record has the `gradient_norm` before clipping. One step, three
# ways: our function, PyTorch's, and charloom's trainer. The limit is half the gradient's length, so that there is something to cut.
# The lengths before must agree, and so must every number of the gradients after:

# %%
from dataclasses import replace


def gradient_of_first_slice(clip):
    """The gradients of a fresh network for slice 0 after `clip(parameters)`, and what `clip` returned."""
    torch.manual_seed(SEED)
    network = CharacterRNN(INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
    loss_of(network(inputs[0].to(device), zero_state(network, STREAMS))[0], targets[0].to(device)).backward()
    length = clip(list(network.parameters()))
    return float(length), [parameter.grad for parameter in network.parameters()]


def gradient_of_charlooms_step(limit):
    """The same after one step of charloom's trainer, and the length that it records."""
    torch.manual_seed(SEED)
    config = NetworkConfig(hidden_size=HIDDEN_SIZE, embedding_size=EMBEDDING_SIZE, dropout=0, initialization="uniform")
    network = CharRNN(config, inputs=INPUT_SIZE, outputs=OUTPUT_SIZE).to(device)
    ids = train_ids[: inputs.numel()].numpy()
    batches = charloom.Streams(ids, boundary=BOUNDARY, batch_size=STREAMS, sequence_length=LENGTH)
    trainer = charloom.Trainer(network, batches, replace(as_by_hand(), clip=limit), steps=20)
    return trainer.advance().gradient_norm, [parameter.grad for parameter in network.parameters()]


whole_length, _ = gradient_of_first_slice(lambda parameters: clip_gradients(parameters, math.inf))
LIMIT = whole_length / 2
by_hand_length, by_hand_gradients = gradient_of_first_slice(lambda parameters: clip_gradients(parameters, LIMIT))
for name, (length, gradients) in {
    "PyTorch": gradient_of_first_slice(lambda parameters: nn.utils.clip_grad_norm_(parameters, LIMIT)),
    "charloom's trainer": gradient_of_charlooms_step(LIMIT),
}.items():
    assert math.isclose(by_hand_length, length, rel_tol=1e-4), (
        f"{name}: {length} before clipping, ours {by_hand_length}"
    )
    apart = max(float((a - b).abs().max()) for a, b in zip(by_hand_gradients, gradients, strict=True))
    assert apart < 1e-5, f"{name}: gradients after clipping are up to {apart} apart"
    print(f"✔ {name}: the same length before, {length:.5f}; after, no gradient differs by more than {at_most(apart)}")

# %% [markdown]
# **Does it matter?** That depends on the network. tanh keeps every number between -1 and 1. ReLU has no upper bound: if the recurrent
# matrix stretches, the state and the gradient grow from step to step, and one bad slice can undo a hundred good ones (with plain gradient descent; AdamW, as the exercise below shows,
# suffers differently). So we train
# networks with ReLU whose recurrent matrix starts as the identity (Le, Jaitly and Hinton 2015), and LSTMs for comparison, with and
# without the limit, from several seeds:

# %%
CLIP_SEEDS = choose((1, 2, 3, 4, 5), (1, 2))


def relu_network(hidden_size, embedding_size=32):
    """A network with the simplest cell and ReLU instead of tanh."""
    network = CharacterRNN(INPUT_SIZE, hidden_size, OUTPUT_SIZE, embedding_size, cell="rnn")
    network.recurrent = nn.RNN(embedding_size, hidden_size, nonlinearity="relu")
    return network.to(device)


def identity_network(hidden_size):
    """The same, with a recurrent matrix that starts as the identity: nothing fades, so things can grow."""
    network = relu_network(hidden_size)
    nn.init.eye_(network.recurrent.weight_hh_l0)
    return network


def lstm_network(hidden_size, embedding_size=32):
    """A network with an LSTM."""
    return CharacterRNN(INPUT_SIZE, hidden_size, OUTPUT_SIZE, embedding_size).to(device)


# %%


def clipping_runs(make_network, peak):
    """The records of a short training for each limit and seed."""
    runs = {1.0: [], math.inf: []}
    for clip, records in runs.items():
        for seed in CLIP_SEEDS:
            torch.manual_seed(seed)
            network = make_network(choose(128, 32))
            records.append(
                list(train(network, train_ids, steps=choose(200, 20), peak=peak, streams=16, length=64, clip=clip))
            )
    return runs


def last_losses(runs):
    """For each seed, the mean loss of the last tenth of its steps; NaN counts as infinite."""
    ends = [[record["loss"] for record in records[-len(records) // 10 :]] for records in runs]
    return [float(np.nan_to_num(np.mean(end), nan=math.inf, posinf=math.inf)) for end in ends]


clipping = {"ReLU": clipping_runs(identity_network, PEAK), "LSTM": clipping_runs(lstm_network, PEAK)}

# %% [markdown]
# The picture shows every step of the ReLU networks, a line for each seed. (The loss of the first steps is far off the top.)

# %%
figure, panels = plt.subplots(1, 2, figsize=(11, 3.8), sharex=True)
styles = {1.0: ("clipped at 1", COLOURS[0], "-"), math.inf: ("no limit", COLOURS[1], "--")}
for clip, (label, colour, line) in styles.items():
    for number, records in enumerate(clipping["ReLU"][clip]):
        look = {"color": colour, "linestyle": line, "linewidth": 0.9, "label": label if number == 0 else None}
        panels[0].plot([record["norm"] for record in records], **look)
        panels[1].plot([record["loss"] for record in records], **look)
for axes, what in zip(panels, ("length of the gradient, before clipping", "training loss, nats per character")):
    axes.set_xlabel("step")
    axes.set_ylabel(what)
panels[0].set_yscale("log")
lowest = min(loss for runs in clipping["ReLU"].values() for loss in last_losses(runs))
panels[1].set_ylim(0.9 * lowest, 1.2 * math.log(OUTPUT_SIZE))
panels[1].legend()
ends = {clip: float(np.mean(last_losses(runs))) for clip, runs in clipping["ReLU"].items()}
figure.suptitle(
    headline(
        f"ReLU networks, {len(CLIP_SEEDS)} seeds each: the last losses are {ends[1.0]:.2f} nats on average with a limit, "
        f"{ends[math.inf]:.2f} without"
    )
)
figure.tight_layout()
show(
    "Left: the length of the gradient by step, on a logarithmic scale. Right: the training loss by step. A line for each seed, with the limit and without it."
)

# %% [markdown]
# Both trainings of a pair have the same seed, so they start from the same weights. A training that diverges counts as one that knows
# nothing, with a loss of log V.

# %%
from charloom.evaluation import paired

for kind, runs in clipping.items():
    limited, free = (np.minimum(last_losses(runs[clip]), math.log(OUTPUT_SIZE)) for clip in (1.0, math.inf))
    cut = np.mean([record["norm"] > 1 for records in runs[1.0] for record in records])
    outcome = paired(free, limited).sentence(
        "**without the limit it ends higher: here clipping helps**",
        "**without the limit it ends lower: here clipping only slows the training down**",
        "with and without the limit",
    )
    print(f"{kind}: with a limit {np.round(limited, 3).tolist()}, without {np.round(free, 3).tolist()}")
    say(
        f"{kind}: at the end the loss is {np.mean(limited):.3f} nats with the limit and {np.mean(free):.3f} without; "
        f"{outcome}. With the limit, {cut:.1%} of the steps were clipped."
    )

# %% [markdown]
# **Exercise.** Predict first: if the loss is multiplied by a thousand, what happens to the first step of AdamW, with the gradient
# clipped at 1? And without clipping?
#
# <details><summary>Solution</summary>
#
# Almost nothing in both cases. Clipping gives the thousandfold gradient the length 1 in the same direction. And AdamW divides the
# mean of the gradients by the root of the mean of their squares, so a constant factor cancels. That is also why a single huge
# gradient does its harm in AdamW *afterwards*: it stays in the mean of the squares for about a hundred steps (1 / (1 - 0.99)) and
# makes every step short that long.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}


def first_step(factor, clip):
    """How far each weight moves in one step of AdamW when the loss is multiplied by a factor."""
    torch.manual_seed(SEED)
    network = lstm_network(32)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    optimizer = make_optimizer(network)
    (factor * loss_of(network(inputs[0].to(device), zero_state(network, STREAMS))[0], targets[0].to(device))).backward()
    nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimizer.step()
    return torch.cat([(a.detach() - b).flatten() for a, b in zip(network.parameters(), before, strict=True)])


plain = first_step(1, math.inf)
for factor, clip in ((1000, math.inf), (1000, 1.0)):
    moved = first_step(factor, clip)
    alike = float(F.cosine_similarity(plain, moved, dim=0))
    print(
        f"loss x {factor}, limit {clip}: length {moved.norm() / plain.norm():.3f} of the plain step, cosine {alike:.3f}"
    )
    assert alike > 0.9

# %% [markdown]
# ### Q20: How do you monitor and plot the training loss over epochs in PyTorch?
#
# **By hand.** Keep the record of each step, average the loss over each epoch, and evaluate on the validation text once an epoch.
# Such a picture answers two questions: does the training loss fall, and does the validation loss fall with it?

# %% tags=["by-hand"]


@torch.no_grad()
def validation_loss(model, ids):
    """Mean surprise of a text in nats: read once, in order, the state carried, every character counted once."""
    column = torch.cat([torch.tensor([BOUNDARY]), ids])[:, None].to(device)  # (time + 1, 1 stream)
    state, total = zero_state(model, 1), 0.0
    for start in range(0, len(ids), 1000):
        part = column[start : start + 1001]  # a thousand characters, and the one before them
        logits, state = model(part[:-1], state)
        total += loss_of(logits, part[1:]).item() * (len(part) - 1)
    return total / len(ids)


print(f"after thirty steps: {validation_loss(model, validation_ids[:2000]):.3f} nats")

# %% [markdown]
# The long training run of our own program:

# %% tags=["by-hand"]
EPOCHS = choose(6, 3)
steps_per_epoch = len(inputs)
torch.manual_seed(SEED)
model = CharacterRNN(INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
history, epoch_losses, validation_losses = [], [], []
for record in train(model, train_ids, EPOCHS * steps_per_epoch, peak=PEAK, streams=STREAMS, length=LENGTH):
    history.append(record)
    if len(history) % steps_per_epoch == 0:
        epoch_losses.append(sum(each["loss"] for each in history[-steps_per_epoch:]) / steps_per_epoch)
        validation_losses.append(validation_loss(model, validation_ids))
        print(
            f"epoch {len(epoch_losses)}: training {epoch_losses[-1]:.3f}, validation {validation_losses[-1]:.3f} nats"
        )

# %% [markdown]
# **With charloom.** `evaluate` reads a text in the same way: once, in order, every character counted once. So both figures for the
# trained network must be the same:

# %%
score_of_model = charloom.evaluate(as_charloom(model), validation_text)
agree("the validation loss after training", validation_losses[-1], score_of_model.nats_per_character, 1e-5)

# %% [markdown]
# The picture shows the loss of every step, its mean over each epoch, the validation loss after each epoch, and below them the
# learning rate, without which a loss curve cannot be read:

# %% tags=["by-hand"]
figure, (axes, below) = plt.subplots(2, 1, figsize=(8, 5), sharex=True, height_ratios=(4, 1))
places = [step / steps_per_epoch for step in range(len(history))]
axes.plot(places, [each["loss"] for each in history], alpha=0.3, label="training, each step")
middles = [epoch + 0.5 for epoch in range(EPOCHS)]
axes.plot(middles, epoch_losses, marker="o", label="training, mean over the epoch")
axes.plot(range(1, EPOCHS + 1), validation_losses, marker="s", label="validation, after the epoch")
axes.set_ylabel("nats per character")
axes.set_title(
    f"Validation: {validation_losses[0]:.2f} nats after one epoch, {validation_losses[-1]:.2f} after {EPOCHS}"
)
axes.legend()
below.plot(places, [each["rate"] for each in history], color="black")
below.set_ylabel("learning rate")
below.set_xlabel("epochs")
figure.tight_layout()
figure.savefig(FOLDER / "by-hand.png", bbox_inches="tight")
plt.close(figure)

# %%
show(
    "By epoch: the training loss of each step and its mean over each epoch, the validation loss after each epoch, and "
    f"below them the learning rate. At the end the validation loss is {validation_losses[-1]:.2f} nats.",
    FOLDER / "by-hand.png",
)
say(
    f"In {sum(each['norm'] > 1 for each in history) / len(history):.1%} of the {len(history):,} steps the gradient was "
    "longer than 1 and was clipped."
)

# %% [markdown]
# **How much has been learned by heart?** Comparing the two curves does not tell. The training loss of an epoch is a mean over steps
# during which the network was still changing, read in short streams; the validation loss is that of the finished network, read in
# one piece. To compare like with like, we let the *finished* network read each tenth of the text in the same way, from an empty
# state: nine tenths that it was trained on, and the last, which it never saw. The nine also show how much one passage differs from
# another.

# %%


@torch.no_grad()
def loss_of_each_tenth(model):
    """The mean surprise of each tenth of the text, all read side by side; the last tenth is the validation text."""
    size = len(validation_ids)
    parts = [train_ids[place * len(train_ids) // 9 :][:size] for place in range(9)] + [validation_ids]
    length = min(len(part) for part in parts)
    ids = torch.stack([part[:length] for part in parts], dim=1)  # (time, 10 streams)
    column = torch.cat([torch.full((1, 10), BOUNDARY), ids]).to(device)
    state, total = zero_state(model, 10), torch.zeros(10, device=device)
    for start in range(0, length, 1000):
        targets = column[start + 1 : start + 1001]
        logits, state = model(column[start : start + len(targets)], state)
        total += F.cross_entropy(logits.permute(0, 2, 1), targets, reduction="none").sum(dim=0)
    return (total / length).tolist()


# %%
tenths = loss_of_each_tenth(model)
trained_on_it, held_out = tenths[:9], tenths[9]
gap = held_out - float(np.mean(trained_on_it))
figure, axes = plt.subplots(figsize=(8, 3))
axes.plot(range(1, 10), trained_on_it, MARKERS[0], color=COLOURS[0], label="trained on")
axes.plot([10], [held_out], MARKERS[1], color=COLOURS[1], label="never seen")
axes.axhline(np.mean(trained_on_it), color=COLOURS[0], linewidth=1, linestyle="--", label="mean of the nine")
axes.legend(fontsize=8)
axes.set_xticks(range(1, 11))
axes.set_xlabel("tenth of the text")
axes.set_ylabel("nats per character")
more = "more" if gap > 0 else "less"
axes.set_title(headline(f"The tenth that was never seen costs {abs(gap):.2f} nats {more} than the mean of the others"))
show("The loss of each tenth of the text: nine points for what was trained on, a tenth for what was never seen.")

# %%
if held_out > max(trained_on_it):
    outcome = (
        "It costs more than any of them, so **part of the training text was learned by heart**, unless the last tenth "
        "happens to be the hardest passage"
    )
else:
    outcome = "Others cost as much, so **the gap may come from one passage being harder than another**"
say(
    f"Read in the same way by the same network, the nine tenths cost between {min(trained_on_it):.3f} and {max(trained_on_it):.3f} "
    f"nats, the one that it never saw {held_out:.3f}, {gap:+.3f} from their mean. {outcome}. This is one network; below, "
    "networks with other seeds read the tenths too."
)
agree(
    "the loss of a tenth, and charloom's",
    trained_on_it[8],
    charloom.evaluate(
        as_charloom(model), train_text[8 * len(train_text) // 9 :][: len(validation_text)]
    ).nats_per_character,
    2e-3,
)

# %% [markdown]
# **Would more epochs help?** The curve flattens at the end, but that is the schedule's doing: the learning rate has gone down to
# almost nothing. So neither a flat end nor a falling one says what a *longer schedule* would have given; you have to train again.
# We do so with networks of half the size, from several seeds: a schedule of two epochs, and one of four. The longer one is also
# evaluated halfway, when it has read exactly as much as the shorter:

# %%
SHORT_EPOCHS, SCHEDULE_SEEDS, HALF_SIZE = choose(2, 1), choose((1, 2, 3), (1, 2)), HIDDEN_SIZE // 2


def schedule_run(epochs, seed):
    """Train a network of half the size; it, its validation loss halfway and at the end, and the losses of all steps."""
    torch.manual_seed(seed)
    network = CharacterRNN(INPUT_SIZE, HALF_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
    steps, losses = epochs * steps_per_epoch, []
    for record in train(network, train_ids, steps, peak=PEAK, streams=STREAMS, length=LENGTH):
        losses.append(record["loss"])
        if len(losses) == steps // 2:
            halfway = validation_loss(network, validation_ids)
    end = validation_loss(network, validation_ids)
    return {"network": network, "halfway": halfway, "end": end, "losses": losses}


short_runs = [schedule_run(SHORT_EPOCHS, seed) for seed in SCHEDULE_SEEDS]
long_runs = [schedule_run(2 * SHORT_EPOCHS, seed) for seed in SCHEDULE_SEEDS]


def figures(runs, what):
    """One figure of each run, in the order of the seeds."""
    return [run[what] for run in runs]


for name, found in {
    f"{SHORT_EPOCHS} epochs, at the end": figures(short_runs, "end"),
    f"{2 * SHORT_EPOCHS} epochs, at the end": figures(long_runs, "end"),
}.items():
    print(f"{name:<24} {np.mean(found):.3f} nats, seeds from {min(found):.3f} to {max(found):.3f}")

# %%
short_end, long_end = figures(short_runs, "end"), figures(long_runs, "end")
said = paired(long_end, short_end).sentence(
    "**a longer schedule does harm**", "**a longer schedule helps**", "the longer schedule and the shorter one"
)
say(
    f"With twice as many epochs, {said}. This holds for networks of {HALF_SIZE} units and for this "
    "doubling; for another size or a further doubling you have to measure again."
)

# %% [markdown]
# The networks of the longer schedule, one for each seed, also read the tenths of the text. The pairs are now the seeds: the mean of
# the nine tenths that they were trained on, and the one that they never saw.

# %%
of_seeds_by_tenth = np.array([loss_of_each_tenth(run["network"]) for run in long_runs])  # (seeds, 10)
say(
    "The unseen tenth compared with the mean of the others: "
    + paired(of_seeds_by_tenth[:, 9], of_seeds_by_tenth[:, :9].mean(axis=1)).sentence(
        "**it costs more**", "**it costs less**", "they"
    )
    + f". The costliest of the others has {of_seeds_by_tenth[:, :9].mean(axis=0).max():.3f} nats, the unseen one "
    f"{of_seeds_by_tenth[:, 9].mean():.3f}. Seeds say nothing about how hard a passage is; the spread of the nine does."
)

# %% [markdown]
# **With charloom.** `charloom.train` in one call. It keeps the record on disk, `charloom plot RUN --output loss.png` plots it, and
# Ctrl-C loses nothing. The same network of half the size, from the same seed, on the same slices, must go down the same curve,
# except for rounding, which hundreds of steps magnify. We compare the mean loss of each epoch, and the validation loss at the end.
#
# While it trains, charloom only *estimates* the validation loss, in the line of progress and in the curve of the picture: from pieces
# spread evenly over the validation text, each read from an empty state. At the end it reads the whole in order, as we do. The picture
# shows that figure as a second dot, and it is the one to trust. (The run's validation text begins a little earlier than ours, where the
# last full slice ends, so the figure in the picture differs slightly from the one that the check compares.)

# %%
from charloom import CorpusConfig
from charloom.plotting import plot_loss

whole_path = FOLDER / "whole.txt"
whole_path.write_text(text, encoding="utf-8", newline="\n")
whole_slices = (inputs.numel() + 0.5) / len(text)  # the share of the text that fills our slices
SAME_SETTINGS = {
    "corpus": CorpusConfig(split=(whole_slices, 1 - whole_slices, 0.0)),
    "network": NetworkConfig(hidden_size=HALF_SIZE, embedding_size=EMBEDDING_SIZE, dropout=0, initialization="uniform"),
    "training": as_by_hand(seed=SCHEDULE_SEEDS[0]),
    "precision": "float32",
    "device": device.type,
}
steps = SHORT_EPOCHS * steps_per_epoch
twin_run = charloom.train(whole_path, run=FOLDER / "by-hand-settings", steps=steps, **SAME_SETTINGS)
recorded = [line for line in twin_run.metrics() if "loss_nats" in line]
every = recorded[0]["step"]  # each line of the record is a mean over this many steps
for epoch in range(SHORT_EPOCHS):
    lines = [line["loss_nats"] for line in recorded if epoch < line["step"] / steps_per_epoch <= epoch + 1]
    ours = short_runs[0]["losses"][epoch * steps_per_epoch : (epoch + 1) * steps_per_epoch]
    agree(f"the mean loss of epoch {epoch + 1}", float(np.mean(ours)), float(np.mean(lines)), choose(0.02, 0.05))
twin_score = charloom.evaluate(charloom.load(twin_run.path), validation_text)
agree("the validation loss at the end", short_runs[0]["end"], twin_score.nats_per_character, choose(0.05, 0.1))
plot_loss([twin_run], FOLDER / "loss.png")
show(
    "The training loss and the validation loss of the run by the characters read, drawn by charloom.",
    FOLDER / "loss.png",
    width=640,
)

# %% [markdown]
# **Exercise.** You have trained half of a long schedule and run out of time. Predict first: is the model that you have as good as one that was given a schedule of just this length?
#
# <details><summary>Solution</summary>
#
# Two things pull in opposite directions. The unfinished training had a high learning rate until the end, so its weights still jump
# about; a schedule that ends calms them. But a high rate also covers more ground, and early in a training there is much ground to
# cover. Which of the two counts for more depends on how far the training has come, so the cell compares them rather than guess.
#
# </details>

# %% tags=["solution"] jupyter={"source_hidden": true}
halfway = figures(long_runs, "halfway")
print(paired(halfway, short_end).sentence("stopped halfway is worse", "stopped halfway is better", "the two"))

# %% [markdown]
# ### Dropout: `train()` and `eval()`
#
# Dropout sets a random share of the hidden numbers to zero in each step, so that no prediction can rely on one of them alone. The
# others are divided by the share that is left, so that their sum stays the same on average. While you *train*, this noise is the
# point; when you *use* the model, it only disturbs. PyTorch keeps one switch for it in each module, `training`: `model.train()` sets
# it, `model.eval()` clears it. Only layers that ask for it change: dropout, and those that keep running statistics, such as batch
# normalisation. Ours so far have neither. Gradients do not care: to save their cost you also need `torch.no_grad()`.

# %% tags=["by-hand"]


class WithDropout(CharacterRNN):
    """The same network, with a share of the hidden numbers dropped while it trains."""

    dropped = 0.3

    def forward(self, ids, state):
        hidden, after = self.recurrent(self.embedding(ids), state if self.cell == "lstm" else state[0])
        hidden = F.dropout(hidden, self.dropped, training=self.training)
        return self.output(hidden), after if self.cell == "lstm" else (after,)


torch.manual_seed(SEED)
print("ten ones, 30% dropped:", [round(x, 2) for x in F.dropout(torch.ones(10), 0.3, training=True).tolist()])
noisy = WithDropout(INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
noisy.load_state_dict(model.state_dict())  # the weights of the long run: dropout has none of its own
passage_ids = validation_ids[:3000]
in_mode = {}
for mode in ("train", "eval"):
    getattr(noisy, mode)()  # noisy.train() or noisy.eval()
    in_mode[mode] = [validation_loss(noisy, passage_ids) for _ in range(4)]
    print(f"{mode + '()':<8}", *(f"{loss:.5f}" for loss in in_mode[mode]))

# %%
too_high = [loss - in_mode["eval"][0] for loss in in_mode["train"]]
assert max(in_mode["eval"]) - min(in_mode["eval"]) < 1e-6
say(
    "With `eval()` four readings of one passage give the same loss. Anyone who forgets it gets another loss each time, "
    + (
        f"**here from {min(too_high):.3f} to {max(too_high):.3f} nats too high.**"
        if min(too_high) > 0
        else f"here between {min(too_high):+.3f} and {max(too_high):+.3f} nats off."
    )
    + " This network never met dropout while it trained; one that did is used to the noise, and loses less."
)

# %% [markdown]
# **With charloom.** `NetworkConfig(dropout=0.3)`. `charloom.evaluate`, `generate` and everything else that *reads* switches to
# evaluation and back, so there is nothing to forget:

# %%
from charloom import LanguageModel
from charloom.models import ModelConfig

config = NetworkConfig(hidden_size=HIDDEN_SIZE, embedding_size=EMBEDDING_SIZE, dropout=0.3, initialization="uniform")
dropping = LanguageModel.new(ModelConfig(config, "none", False), vocabulary, device=device)
dropping.network.load_state_dict(as_charloom(model).network.state_dict())
dropping.network.train()
agree(
    "the loss of the passage, read by a network in training mode",
    in_mode["eval"][0],
    charloom.evaluate(dropping, validation_text[:3000]).nats_per_character,
    1e-4,
)
same("afterwards it is in training mode", True, dropping.network.training)

# %% [markdown]
# ### Saving, loading, and continuing as if nothing had happened
#
# To *use* a model you need its weights and its alphabet. To *continue its training* you need what the loop held besides: the
# optimizer's running means, the number of the step, on which the learning rate and the slice depend, and the carried state. (With
# dropout, also the state of the random numbers: `torch.get_rng_state()`.) In PyTorch all of it goes into one dictionary.
#
# So that it can start anywhere, here is the loop of Q18 again, for the steps from `first` to `last`:

# %% tags=["by-hand"]


def new_training(seed):
    """A small network and its optimizer."""
    torch.manual_seed(seed)
    network = CharacterRNN(INPUT_SIZE, HIDDEN_SIZE // 2, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
    return network, make_optimizer(network)


def steps_between(network, optimizer, state, first, last, steps):
    """Steps `first` to `last` of a training of `steps`: the losses, and the state after them."""
    losses = []
    for step in range(first, last):
        k = step % len(inputs)
        if k == 0:
            state = zero_state(network, STREAMS)
        optimizer.param_groups[0]["lr"] = learning_rate(step, steps, PEAK)
        logits, state = network(inputs[k].to(device), state)
        loss = loss_of(logits, targets[k].to(device))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        state = tuple(part.detach() for part in state)
        losses.append(loss.item())
    return losses, state


uninterrupted, _ = steps_between(*new_training(SEED), None, 0, 20, 20)

# %% [markdown]
# Now the same training, stopped after ten of twenty steps and saved. `weights_only=True` makes `torch.load` refuse anything but
# tensors and plain Python values: a file that can hold any object can also run any code. `map_location` puts the tensors on the
# device of *this* machine, so a checkpoint from a GPU opens on a laptop.

# %% tags=["by-hand"]
checkpoint = FOLDER / "checkpoint.pt"
network, optimizer = new_training(SEED)
first_half, state = steps_between(network, optimizer, None, 0, 10, 20)
torch.save(
    {
        "characters": characters,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": 10,
        "state": state,
    },
    checkpoint,
)


def second_half(forgotten=None):
    """The losses of the other ten steps, by a new network that gets everything from the file, except what is forgotten."""
    saved = torch.load(checkpoint, map_location=device, weights_only=True)
    network, optimizer = new_training(seed=99)  # other weights, to be overwritten
    network.load_state_dict(saved["network"])
    if forgotten != "optimizer":
        optimizer.load_state_dict(saved["optimizer"])
    state = zero_state(network, STREAMS) if forgotten == "state" else saved["state"]
    first = 0 if forgotten == "step" else saved["step"]
    return steps_between(network, optimizer, state, first, first + 10, 20)[0]


for forgotten in (None, "optimizer", "step", "state"):
    off = max(abs(a - b) for a, b in zip(uninterrupted[10:], second_half(forgotten), strict=True))
    print(f"forgotten: {forgotten or 'nothing':<10} largest difference of a loss: {off:.6f} nats")
same_again = first_half + second_half()
assert np.allclose(uninterrupted, same_again, atol=1e-4, rtol=0), (uninterrupted, same_again)
print("✔ a resumed training has the losses of one that was never interrupted")

# %% [markdown]
# **With charloom.** A run is saved at regular intervals and whenever it stops. `charloom.train(resume=run)` continues it,
# `charloom.load(run)` gives the model, without what only training needs. Here the callback stops the run after ten steps:

# %%
settings = {**SAME_SETTINGS, "training": as_by_hand(seed=SEED), "steps": 20}
at_once = charloom.train(whole_path, run=FOLDER / "at-once", **settings)
in_halves = charloom.train(
    whole_path, run=FOLDER / "in-halves", callback=lambda event: event.progress.step == 10, **settings
)
charloom.train(resume=in_halves)
recorded = {run: [line["loss_nats"] for line in run.metrics() if "loss_nats" in line] for run in (at_once, in_halves)}
apart = max(abs(a - b) for a, b in zip(recorded[at_once], recorded[in_halves], strict=True))
assert apart < 1e-4, recorded
print(f"✔ the losses of a run at once and of one stopped and resumed: largest difference {apart:.0e}")
agree("the loss of step 20, resumed", same_again[-1], recorded[in_halves][-1], 2e-3)
loaded = [charloom.load(run).network.state_dict() for run in (at_once, in_halves)]
apart = max(float((loaded[0][name] - loaded[1][name]).abs().max()) for name in loaded[0])
assert apart < 1e-4, f"the resumed run has other weights, up to {apart} apart"
print(f"✔ the weights of both models, loaded again: largest difference {apart:.0e}")

# %% [markdown]
# **On a GPU** nothing changes. Three places name a device, and the program above has them all: the model is moved once
# (`.to(device)`), the slices are moved, and the zero state is created where the weights are. This cell trains a few steps on each
# kind of device that this machine has, with the very same functions:

# %%
home, losses_on = device, {}
for place in dict.fromkeys(("cpu", home.type)):
    device = torch.device(place)
    losses_on[place] = losses_by_hand(5, hidden_size=32)
device = home
for place, losses in losses_on.items():
    print(f"{place:<5}", *(f"{loss:.4f}" for loss in losses))
    assert np.allclose(losses, losses_on["cpu"], atol=2e-3)
if len(losses_on) == 1:
    print("This machine has no other device than the CPU; on one with a GPU this cell compares both.")
