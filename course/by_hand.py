"""python by_hand.py my.txt trains a network on a text and lets it write; 10_char_level_rnn.ipynb explains each part."""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

device = torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


def encode(string):
    """The indices of a text, as a tensor."""
    return torch.tensor([index_of[character] for character in string], dtype=torch.int64)


def fold(ids, streams, length):
    """Inputs and targets, each (slices, length, streams); an incomplete last slice is dropped."""
    slices = len(ids) // (streams * length)
    targets = ids[: slices * streams * length]
    inputs = torch.cat([targets.new_tensor([BOUNDARY]), targets[:-1]])  # the same, shifted by one
    return [part.view(streams, slices, length).permute(1, 2, 0).contiguous() for part in (inputs, targets)]


class Architecture(nn.Module):
    """The layers of a character-level network. Q15 shows how they work together."""

    def __init__(self, input_size, hidden_size, output_size, embedding_size=64, layers=1, cell="lstm"):
        super().__init__()
        self.cell, self.layers, self.hidden_size = cell, layers, hidden_size
        self.embedding = nn.Embedding(input_size, embedding_size)  # a row of numbers for each symbol
        self.recurrent = CELLS[cell](embedding_size, hidden_size, num_layers=layers)
        self.output = nn.Linear(hidden_size, output_size)  # a score for each character that may come next


class CharacterRNN(Architecture):
    """The layers, and how they work together."""

    def forward(self, ids, state):
        """ids (time, streams) and a state -> logits (time, streams, output_size) and the state after the last one."""
        embedded = self.embedding(ids)  # (time, streams, embedding_size)
        hidden, after = self.recurrent(embedded, state if self.cell == "lstm" else state[0])
        return self.output(hidden), after if self.cell == "lstm" else (after,)


def zero_state(model, streams):
    """An empty state: (h, c) for an LSTM, else (h,), each (layers, streams, hidden_size)."""
    parts = 2 if model.cell == "lstm" else 1
    shape = (model.layers, streams, model.hidden_size)
    return tuple(torch.zeros(shape, device=model.output.weight.device) for _ in range(parts))


def loss_of(logits, targets):
    """Mean surprise of the targets (time, streams) in nats, from logits (time, streams, output_size)."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


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


def draw(logits, temperature, uniform):
    """The first index at which the cumulative probability exceeds `uniform`."""
    scores = logits.cpu().double().numpy() / temperature
    probabilities = np.exp(scores - scores.max())
    cumulative = np.cumsum(probabilities / probabilities.sum())
    return min(int(np.searchsorted(cumulative, uniform, side="right")), len(cumulative) - 1)


@torch.no_grad()
def generate(model, seed_text, length, temperature=1.0, seed=0):
    """New characters after `seed_text`, one at a time."""
    random = np.random.Generator(np.random.PCG64(seed))
    ids = torch.cat([torch.tensor([BOUNDARY]), encode(seed_text)])[:, None].to(device)
    logits, state = model(ids, zero_state(model, 1))  # the whole seed is read, from the boundary on
    for _ in range(length):
        index = draw(logits[-1, 0], temperature, random.random())
        yield characters[index]
        logits, state = model(torch.tensor([[index]], device=device), state)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train a character-level network on a text and let it write.")
    parser.add_argument("text", type=Path, help="a text file in UTF-8")
    parser.add_argument("--steps", type=int, default=1500)
    options = parser.parse_args()
    try:
        text = options.text.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        parser.exit(2, f"{options.text} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}\n")
    if len(text) < 10_000:
        parser.exit(2, f"{options.text} has {len(text):,} characters; there must be 10,000 to learn from\n")
    characters = sorted(set(text))
    BOUNDARY, index_of = len(characters), {character: index for index, character in enumerate(characters)}
    train_ids, validation_ids = encode(text).tensor_split([int(0.9 * len(text))])
    torch.manual_seed(1)
    model = CharacterRNN(len(characters) + 1, 256, len(characters)).to(device)
    for step, record in enumerate(train(model, train_ids, options.steps, peak=1e-2), start=1):
        if step % max(1, options.steps // 10) == 0:
            held_out = validation_loss(model, validation_ids)
            print(f"step {step:,}: loss {record['loss']:.3f}, validation loss {held_out:.3f} nats", flush=True)
    print(text[:1] + "".join(generate(model, text[:1], length=400, temperature=0.7)))
