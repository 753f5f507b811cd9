"""`charloom serve` next to llama.cpp's `llama-server`: one stream, 64 streams, and the first character.

Usage: python benchmarks/serving_peers.py LLAMA_SERVER [--model english] [--rounds 3] [--threads 2]

LLAMA_SERVER is the program; the source archive of llama-cpp-python brings its source (vendor/llama.cpp, target
llama-server). It needs `pip install gguf`, too.

No transformer of this size that writes characters is published in its format, so it gets an untrained one: a Llama of
four layers with about as many weights as charloom's `english` (2.9 million), each symbol a token, in float32 and in
8 bits. What it writes is noise, but costs the same. Both sides are asked by the same client through the same interface,
with a text for each of 64 slots, without the truncations that llama-server applies unless told otherwise, and without
its memory of earlier prompts. The sides take turns; medians of all rounds are shown.
"""

import argparse
import asyncio
import contextlib
import signal
import socket
import statistics
import string
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from machine import title
from serving_client import Server, served
from serving_load import rates

STREAMS, LENGTH = 64, 1000
WIDTH, LAYERS, HEADS, INNER = 256, 4, 4, 640
"""A Llama of 3.0 million weights."""

SYMBOLS = [*(character for character in string.printable if character.isprintable() and character != " "), "Ġ", "Ċ"]
"""Its tokens, as GPT-2 writes bytes: space and newline have letters of their own."""

PLAIN = {"samplers": ["temperature"], "temperature": 1.0, "ignore_eos": True, "cache_prompt": False}
"""What llama-server must be told to draw from the whole distribution, as charloom does, and to read every prompt."""


def llama(path: Path, kind: gguf.GGMLQuantizationType) -> int:
    """Write an untrained Llama; returns the number of its weights."""
    numbers, writer = np.random.default_rng(1), gguf.GGUFWriter(path, "llama")
    tokens = [*SYMBOLS, "<end>", "Ġ<pair>"]
    writer.add_context_length(2 * LENGTH)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * len(SYMBOLS) + [gguf.TokenType.CONTROL, gguf.TokenType.NORMAL])
    writer.add_token_merges(["Ġ <pair>"])  # it wants one; this never applies
    writer.add_eos_token_id(len(SYMBOLS))
    writer.add_bos_token_id(len(SYMBOLS))
    writer.add_add_bos_token(False)
    weights = 0

    def add(name: str, *shape: int) -> None:
        nonlocal weights
        weights += int(np.prod(shape))
        values = numbers.normal(0, 0.05, shape).astype(np.float32) if len(shape) > 1 else np.ones(shape, np.float32)
        if len(shape) == 1 or kind == gguf.GGMLQuantizationType.F32:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)

    add("token_embd.weight", len(tokens), WIDTH)
    for layer in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{name}.weight", WIDTH, WIDTH)
        add(f"blk.{layer}.ffn_gate.weight", INNER, WIDTH)
        add(f"blk.{layer}.ffn_up.weight", INNER, WIDTH)
        add(f"blk.{layer}.ffn_down.weight", WIDTH, INNER)
        add(f"blk.{layer}.attn_norm.weight", WIDTH)
        add(f"blk.{layer}.ffn_norm.weight", WIDTH)
    add("output_norm.weight", WIDTH)
    add("output.weight", len(tokens), WIDTH)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return weights


@contextlib.contextmanager
def llama_served(program: Path, model: Path, threads: int) -> Iterator[Server]:
    """llama-server on a free port, ready to be asked."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    room = str(STREAMS * (LENGTH + 256))
    command = [program, "--model", model, "--port", port, "--parallel", STREAMS, "--ctx-size", room]
    command += ["--threads", threads, "--threads-batch", threads, "--no-warmup"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, text=True)
        try:
            server = Server(process, port)
            asyncio.run(_ready(server))
            yield server
        except BaseException:
            log.seek(0)
            print(log.read().decode()[-3000:])
            raise
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


async def _ready(server: Server) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            call = await server.call("GET", "/health")
            await call.over.wait()
            if call.status == 200:
                return
        await asyncio.sleep(0.1)
    raise TimeoutError("llama-server did not start")


def main() -> None:
    """Measure and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--model", default="english")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    print(title())
    with tempfile.TemporaryDirectory() as folder:
        sides: dict[str, tuple[Any, dict[str, Any]]] = {
            f"charloom serve {arguments.model}": (lambda: served(arguments.model, rows=STREAMS), {"temperature": 1.0})
        }
        for kind in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.Q8_0):
            path = Path(folder) / f"{kind.name}.gguf"
            weights = llama(path, kind)
            sides[f"llama-server, {weights / 1e6:.1f} million weights, {kind.name}"] = (
                lambda path=path: llama_served(arguments.program, path, arguments.threads),
                PLAIN,
            )
        found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
        for _ in range(arguments.rounds):
            for side, (start, asked) in sides.items():
                with start() as server:
                    found[side].append(asyncio.run(rates(server, LENGTH, STREAMS, **asked)))
    for side, rounds in found.items():
        print(f"\n{side}, medians of {len(rounds)} rounds (and range)")
        for name in rounds[0]:
            values = [each[name] for each in rounds]
            print(f"  {name:40} {statistics.median(values):10,.1f} ({min(values):,.1f} to {max(values):,.1f})")


if __name__ == "__main__":
    main()
