"""How long does a plain PyTorch loop need for the reference recipe on this machine?

Usage: python benchmarks/bare_loop.py [SECONDS TO MEASURE]

This is the loop that an expert writes by hand, with nothing around it: one `nn.LSTM` of 512 over embeddings of 128, 65
symbols, batch 32, sequence length 128, torch's dropout 0.3, fused AdamW, clipping, bfloat16 if `--precision auto` takes
it. It prints R, the seconds for the 2,940 steps of twelve epochs of Tiny Shakespeare: the unit for budgets, because
machines differ by a factor of two or more.
"""

import sys
import time

import torch
from torch import nn

from charloom.machine.hardware import choose_precision

STEPS = 2940
TIME, STREAMS, SYMBOLS = 128, 32, 65


class Plain(nn.Module):
    """Embedding, LSTM, dropout, output."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.lstm, self.output = nn.Embedding(SYMBOLS, 128), nn.LSTM(128, 512), nn.Linear(512, SYMBOLS)

    def forward(self, ids: torch.Tensor, state: tuple[torch.Tensor, ...] | None) -> tuple[torch.Tensor, tuple]:
        hidden, state = self.lstm(self.embedding(ids), state)
        return self.output(nn.functional.dropout(hidden, 0.3)), state


def reference_seconds(measured: float = 30.0) -> float:
    """R, from `measured` seconds of steps."""
    torch.manual_seed(0)
    model, bfloat16 = Plain(), choose_precision("auto", "cpu", "lstm", 512).name == "bfloat16"
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.99), fused=True)
    ids = torch.randint(0, SYMBOLS, (TIME + 1, STREAMS))
    state, steps, began = None, -5, time.perf_counter()
    while steps <= 0 or time.perf_counter() - began < measured:
        if steps == 0:  # earlier steps set up kernels
            began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            logits, state = model(ids[:-1], state)
        loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), ids[1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        state = tuple(part.detach() for part in state)
        steps += 1
    return (time.perf_counter() - began) / steps * STEPS


if __name__ == "__main__":
    print(f"{reference_seconds(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0):.1f}")
