"""At equal time on this machine: `charloom train`, nanoGPT's recipe for a CPU, and the LSTM of the tutorials.

Usage: python benchmarks/equal_time.py [--seconds 266] [--seeds 3] [--text tiny-shakespeare] [--output FILE.json]

The two others are reimplemented from their published figures and train in this process for SECONDS of training time;
start-up and scoring do not count for them. They train in float32, as published; if this processor multiplies bfloat16
natively, which charloom then uses, they train once more in bfloat16 (autocast), in separate rows. charloom gets a time
budget for its whole command: SECONDS, and a tenth of it, so that the second row shows whether it is ten times as fast.
All are scored in float32 on every character of the last tenth of the text: the transformer with at least half of its
window as context, which is more than its own protocol gives it; both LSTMs in one piece with carried state. The median
of the seeds is reported. All take turns, seed by seed.
"""

import argparse
import itertools
import json
import math
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from charloom.data.text_ids import encode
from charloom.data.text_sources import open_text
from charloom.data.vocabulary import Vocabulary
from charloom.machine.hardware import choose_precision
from charloom.settings import CorpusConfig
from machine import machine, title
from time_to_quality import measured


class Block(nn.Module):
    """Attention and a four times wider layer, each after a norm and with a residual (the plain GPT-2 block)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.query_key_value, self.mixed = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.wider, self.back = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        rows, times, width = values.shape
        parts = self.query_key_value(self.before(values)).view(rows, times, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        looked = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        values = values + self.mixed(looked.transpose(1, 2).reshape(rows, times, width))
        return values + self.back(functional.gelu(self.wider(self.between(values))))


class Transformer(nn.Module):
    """nanoGPT's shape for a laptop: 4 layers, 4 heads, width 128, window 64, no dropout, tied embeddings."""

    WINDOW, ROWS, RATE = 64, 12, 1e-3

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(symbols, 128), nn.Embedding(self.WINDOW, 128)
        self.blocks = nn.Sequential(*(Block(128, 4) for _ in range(4)))
        self.norm = nn.LayerNorm(128, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                deep = name.endswith(("mixed.weight", "back.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(8) if deep else 0.02)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        values = self.token(ids) + self.place.weight[: ids.shape[1]]
        return functional.linear(self.norm(self.blocks(values)), self.token.weight)

    def optimizer(self) -> torch.optim.Optimizer:
        large = [parameter for parameter in self.parameters() if parameter.ndim == 2]
        small = [parameter for parameter in self.parameters() if parameter.ndim < 2]
        groups = [{"params": large, "weight_decay": 0.1}, {"params": small, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=self.RATE, betas=(0.9, 0.99))

    def rate(self, share: float, step: int) -> float:
        """A rise of 100 steps, then a cosine down to a tenth; over the time instead of over 2,000 steps."""
        return min(1.0, (step + 1) / 100) * (0.1 + 0.9 * (1 + math.cos(math.pi * share)) / 2)

    @torch.no_grad()
    def nats(self, ids: torch.Tensor) -> float:
        half, total, count = self.WINDOW // 2, 0.0, len(ids) - 1
        starts = range(0, count - self.WINDOW, half)
        for first in range(0, len(starts), 256):
            rows = torch.stack([ids[start : start + self.WINDOW + 1] for start in starts[first : first + 256]])
            losses = self._losses(rows)
            total += losses[:, half:].sum().item() + (losses[0, :half].sum().item() if first == 0 else 0.0)
        reached = starts[-1] + self.WINDOW
        tail = self._losses(ids[None, count - self.WINDOW :])
        return (total + tail[0, self.WINDOW - (count - reached) :].sum().item()) / count

    def _losses(self, rows: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(self(rows[:, :-1]).mT, rows[:, 1:], reduction="none")


class Tutorial(nn.Module):
    """One LSTM of 256 over embeddings of 64, shuffled windows of 100, 64 at a time, from a zero state; Adam at 1e-3."""

    WINDOW, ROWS = 100, 64

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(symbols, 64), nn.LSTM(64, 256, batch_first=True)
        self.output = nn.Linear(256, symbols)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.output(self.lstm(self.embedding(ids))[0])

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)

    def rate(self, share: float, step: int) -> float:
        return 1.0

    @torch.no_grad()
    def nats(self, ids: torch.Tensor) -> float:
        return functional.cross_entropy(self(ids[None, :-1])[0], ids[1:]).item()


def train(model: Transformer | Tutorial, ids: torch.Tensor, seconds: float, seed: int, precision: str) -> int:
    """Train by the recipe for a number of seconds, in float32 or bfloat16 products; returns the number of steps."""
    optimizer, step, began = model.optimizer(), 0, time.perf_counter()
    first = [group["lr"] for group in optimizer.param_groups]
    draw = torch.Generator().manual_seed(seed)
    while (spent := time.perf_counter() - began) < seconds:
        starts = torch.randint(len(ids) - model.WINDOW, (model.ROWS, 1), generator=draw)
        rows = ids[starts + torch.arange(model.WINDOW + 1)]
        for group, rate in zip(optimizer.param_groups, first, strict=True):
            group["lr"] = rate * model.rate(spent / seconds, step)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model(rows[:, :-1])
        loss = functional.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        if isinstance(model, Transformer):
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
    return step


def split_ids(name: str) -> tuple[torch.Tensor, torch.Tensor, int]:
    """The training ids; the validation ids and the one before them, which is only read; the number of symbols."""
    corpus = open_text(name, CorpusConfig())
    vocabulary = Vocabulary.of(corpus.text.pieces(), "characters")
    ids = torch.from_numpy(encode(corpus.text, vocabulary).astype("int64"))
    boundary = corpus.train.characters
    return ids[:boundary], ids[boundary - 1 :], len(vocabulary)


def main() -> None:
    parser = argparse.ArgumentParser(description="Quality at equal time, compared with two well-known recipes.")
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1, help="to measure in parts (default: 1)")
    parser.add_argument("--text", default="tiny-shakespeare")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    training, validation, symbols = split_ids(options.text)
    chosen = choose_precision("auto", "cpu", "lstm", 512).name
    rows: dict[str, list[float]] = {}
    steps: dict[str, list[int]] = {}
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for kind, precision in itertools.product((Transformer, Tutorial), dict.fromkeys(("float32", chosen))):
            torch.manual_seed(seed)
            model, name = kind(symbols), f"{kind.__name__}, {precision}"
            steps.setdefault(name, []).append(train(model, training, options.seconds, seed, precision))
            rows.setdefault(name, []).append(model.eval().nats(validation))
        for share, words in ((1, ""), (10, ", a tenth of the time")):
            name, seconds = f"charloom, {chosen}{words}", options.seconds / share
            rows.setdefault(name, []).append(measured(options.text, seconds, seed, [])["carried"])
        print({name: round(values[-1], 4) for name, values in rows.items()}, file=sys.stderr, flush=True)
    print(f"{options.seconds:.0f} s, nats per character on {options.text}; {title()}")
    for name, values in rows.items():
        taken = f"  {statistics.median(steps[name]):,.0f} steps" if name in steps else ""
        print(f"  {name:<42} {statistics.median(values):.4f}   ({min(values):.4f} to {max(values):.4f}){taken}")
    if options.output:
        options.output.write_text(
            json.dumps({"machine": machine(), "seconds": options.seconds, "nats": rows, "steps": steps}, indent=2)
            + "\n"
        )


if __name__ == "__main__":
    main()
