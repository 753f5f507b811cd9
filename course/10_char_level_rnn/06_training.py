# %% [markdown]
# ## 6. Training the RNN model

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
# `F.cross_entropy` is no black box:

# %%
chances = torch.softmax(logits, dim=2)  # (time, streams, output_size)
of_the_truth = chances.gather(2, targets[0].to(device)[:, :, None])  # the probability of the true character
print(f"-log p, worked out by us: {-of_the_truth.log().mean().item():.4f}")
assert abs(-of_the_truth.log().mean().item() - loss.item()) < 1e-4

# %% [markdown]
# **With charloom.** The trainer uses the same loss, and `evaluate` sums it over a text, each character once:

# %%
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
# ### Q17: How do you select and configure an optimizer for training the RNN model in PyTorch?
#
# **By hand.** **AdamW is the safe choice**: it gives each parameter its own step size. Two more things matter as much as the name of
# the optimizer: the *peak* of the learning rate, and its *schedule*. It rises during the first steps, while the optimizer's averages
# are still unreliable, and then falls along a cosine to almost nothing, so that the last steps are fine-tuning.

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
# **With charloom.** `TrainingConfig` names optimizer and schedule. Its default is **Muon** for the recurrent matrices (Jordan
# et al. 2024), which learns faster here, as chapter 10 will show. For our comparison we ask for AdamW, and leave everything else
# as in our own loop.

# %%
import charloom


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
# ### Q18: How do you implement a training loop that updates model weights based on the loss in PyTorch?
#
# **By hand.** For each slice: predict, compute the loss, backpropagate, clip the gradient (Q19), take a step. Then *detach* the
# state: its values carry over into the next slice, the gradient does not. At the end of the text, the next epoch starts from the
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
        rate = learning_rate(step, steps, peak)
        for group in optimizer.param_groups:
            group["lr"] = rate
        logits, state = model(inputs[k], state)
        loss = loss_of(logits, targets[k])
        optimizer.zero_grad()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        state = tuple(part.detach() for part in state)
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


def losses_of_charloom(steps, seed=SEED, hidden_size=HIDDEN_SIZE, layers=1, peak=PEAK, streams=STREAMS, length=LENGTH):
    """The losses of charloom's trainer, with the settings of our loop."""
    torch.manual_seed(seed)
    config = NetworkConfig(
        hidden_size=hidden_size, layers=layers, embedding_size=EMBEDDING_SIZE, dropout=0, initialization="uniform"
    )
    network = CharRNN(config, inputs=INPUT_SIZE, outputs=OUTPUT_SIZE).to(device)
    whole_slices = train_ids[: len(train_ids) // (streams * length) * streams * length].numpy()
    batches = charloom.Streams(whole_slices, boundary=BOUNDARY, batch_size=streams, sequence_length=length)
    trainer = charloom.Trainer(network, batches, as_by_hand(peak, streams, length, seed), steps=steps)
    return [progress.loss_nats for progress in trainer.steps()]


def losses_by_hand(steps, seed=SEED, hidden_size=HIDDEN_SIZE, layers=1, peak=PEAK, streams=STREAMS, length=LENGTH):
    """The losses of our own loop."""
    torch.manual_seed(seed)
    model = CharacterRNN(INPUT_SIZE, hidden_size, OUTPUT_SIZE, EMBEDDING_SIZE, layers).to(device)
    return [record["loss"] for record in train(model, train_ids, steps, peak, streams, length)]


def same_losses(what, **settings):
    """Check that both loops have the same losses."""
    pairs = list(zip(losses_by_hand(12, **settings), losses_of_charloom(12, **settings), strict=True))
    largest = max(abs(ours - theirs) for ours, theirs in pairs)
    agree(f"the loss of step 12 ({what}; largest difference before: {largest:.1e})", *pairs[-1], 2e-3)


same_losses("standard settings")

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
print(
    f"before: {clip_gradients(model.parameters(), 1.0).item():.3f}, after: "
    f"{clip_gradients(model.parameters(), 1.0).item():.3f}"
)

# %% [markdown]
# Does it matter? We train a ReLU network, which has no upper bound on its values, at a high learning rate, with and without clipping:

# %%
norms = {}
for clip in (1.0, math.inf):
    torch.manual_seed(SEED)
    wild = CharacterRNN(INPUT_SIZE, choose(128, 48), OUTPUT_SIZE, 32, cell="rnn").to(device)
    wild.recurrent = nn.RNN(32, choose(128, 48), nonlinearity="relu").to(device)
    nn.init.normal_(
        wild.recurrent.weight_hh_l0, std=1.6 / math.sqrt(choose(128, 48))
    )  # a recurrent matrix that stretches
    records = list(train(wild, train_ids, steps=choose(60, 25), peak=1e-2, streams=16, length=40, clip=clip))
    norms[clip] = records

figure, panels = plt.subplots(1, 2, figsize=(11, 3.5))
for (clip, records), colour, marker in zip(norms.items(), COLOURS, MARKERS):
    label = "no limit" if clip == math.inf else f"clipped at {clip:g}"
    panels[0].plot([record["norm"] for record in records], color=colour, marker=marker, markevery=5, label=label)
    panels[1].plot([record["loss"] for record in records], color=colour, marker=marker, markevery=5, label=label)
for axes, what in zip(panels, ("norm of the gradient, before clipping", "loss in nats")):
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel(what)
panels[0].legend()
last_losses = {clip: float(np.mean([record["loss"] for record in records[-5:]])) for clip, records in norms.items()}
figure.suptitle(
    headline(
        f"The gradient reaches {max(record['norm'] for record in norms[math.inf]):.0e}; the last losses are "
        f"{last_losses[1.0]:.2f} with clipping "
        f"and {last_losses[math.inf]:.2f} without"
    )
)
figure.tight_layout()
plt.show()

# %% [markdown]
# **With charloom.** `TrainingConfig(clip=1.0)` is the default; every record has the `gradient_norm` before clipping. Our function
# does the same as PyTorch's:

# %%
torch.manual_seed(SEED)
twin = CharacterRNN(INPUT_SIZE, HIDDEN_SIZE, OUTPUT_SIZE, EMBEDDING_SIZE).to(device)
clipped = []
for clip in (clip_gradients, nn.utils.clip_grad_norm_):
    twin.zero_grad()
    logits, _ = twin(inputs[0].to(device), zero_state(twin, STREAMS))
    (1000 * loss_of(logits, targets[0].to(device))).backward()
    clip(list(twin.parameters()), 1.0)
    clipped.append(float(twin.output.weight.grad.norm()))
agree("norm of the output's gradient after clipping", *clipped, 1e-4)

# %% [markdown]
# ### Q20: How do you monitor and plot the training loss over epochs in PyTorch?
#
# **By hand.** Keep the record of each step, average the loss over each epoch, and evaluate on the validation text once an epoch.
# Such a picture answers three questions: does the training loss fall, does the validation loss fall with it, and when do they part
# (*overfitting*: the text is being learned by heart)?
#
# This is the long training run of our own program.

# %% tags=["by-hand"]


@torch.no_grad()
def validation_loss(model, ids):
    """Mean surprise of a text in nats: read once, in order, the state carried, every character counted once."""
    column = torch.cat([torch.tensor([BOUNDARY]), ids])[:, None].to(device)  # (time + 1, 1 stream)
    state, total = zero_state(model, 1), 0.0
    for start in range(0, len(ids), 1000):
        end = min(start + 1000, len(ids))
        logits, state = model(column[start:end], state)
        total += loss_of(logits, column[start + 1 : end + 1]).item() * (end - start)
    return total / len(ids)


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

plt.figure(figsize=(8, 4))
plt.plot(
    [step / steps_per_epoch for step in range(len(history))],
    [each["loss"] for each in history],
    alpha=0.3,
    label="each step",
)
plt.plot(range(1, EPOCHS + 1), epoch_losses, marker="o", label="training, mean of the epoch")
plt.plot(range(1, EPOCHS + 1), validation_losses, marker="s", label="validation, after the epoch")
plt.xlabel("epochs")
plt.ylabel("nats per character")
plt.title(f"Validation: {validation_losses[0]:.2f} nats after one epoch, {validation_losses[-1]:.2f} after {EPOCHS}")
plt.legend()
plt.show()

# %%
gap = validation_losses[-1] - epoch_losses[-1]
lowest = int(np.argmin(validation_losses)) + 1
say(
    f"The validation loss is lowest after epoch {lowest} of {EPOCHS}"
    + (
        ", so **more epochs would still help**. "
        if lowest == EPOCHS
        else ", so **the later epochs only learned by heart**. "
    )
    + f"At the end it lies {gap:+.2f} nats from the training loss. In "
    f"{sum(each['norm'] > 1 for each in history) / len(history):.0%} of the "
    "steps the gradient was longer than 1 and was clipped."
)

# %% [markdown]
# **With charloom.** `charloom.train` in one call. It keeps the record on disk, `charloom plot RUN --output loss.png` plots it, and
# Ctrl-C loses nothing. With our own settings it should reach the same model, except for rounding, which a thousand steps magnify,
# and for the end of the text, which it does not drop:

# %%
from IPython.display import Image

from charloom.plotting import plot_loss

whole_path = FOLDER / "whole.txt"
whole_path.write_text(text, encoding="utf-8", newline="\n")
twin_run = charloom.train(
    whole_path,
    run=FOLDER / "by-hand-settings",
    steps=len(history),
    network=NetworkConfig(hidden_size=HIDDEN_SIZE, embedding_size=EMBEDDING_SIZE, dropout=0, initialization="uniform"),
    training=as_by_hand(),
    precision="float32",
)
twin_score = charloom.evaluate(charloom.load(twin_run.path), validation_text)
agree(
    "validation loss after the whole training", validation_losses[-1], twin_score.nats_per_character, choose(0.05, 0.1)
)
plot_loss([twin_run], FOLDER / "loss.png")
display(Image(FOLDER / "loss.png", width=640))
