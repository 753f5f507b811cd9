"""Does the server keep its promises under load: speed, overload, clients that leave, memory?

Usage: python benchmarks/serving_load.py [RUN] [--part speed|overload|disconnects|alone|memory|soak ...]
[--seconds 60] [--leavers 1000] [--requests 20000] [--rows 64] [--output JSON]

RUN is `english` unless another is named. Client and server share this machine.

speed: one stream against `charloom generate`, 64 streams against `--samples 64`, and how soon the first character comes
after a prompt of 100 characters. overload: ten times the requests that the server can answer, sent when they are due
whatever comes back: every answer is a complete 200 or a 503. disconnects: clients that leave in four states (reading a
stream, waiting for a plain answer, queued, in a long prompt), with the time until the row or the place is free, while
other streams are written, which must not change. alone: 100 seeded requests at once, of which a third is given up; the
others must be what they are alone. memory: 512 connections. soak: many requests.
"""

import argparse
import asyncio
import gc
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from machine import title
from serving_client import Call, Server, served, share

PROMPT = "It was on a morning late in the year, when the fields lay white, that he first heard of the house, and "[:100]
PARTS = ("speed", "overload", "disconnects", "alone", "memory", "soak")
STATES = ("stream", "plain", "queued", "prompt")

BASELINE = """
import json, sys, time
from charloom.generation.batched_generation import generate_many
from charloom.generation.generate import generate
from charloom.generation.writer import Writer
place, prompt, length, texts = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
writer, found = Writer.load(place), {}
for name, write in (
    ("one", lambda: "".join(generate(writer, prompt, length=length, seed=1))),
    ("many", lambda: generate_many(writer, [prompt] * texts, length=length, seed=1)),
):
    write()
    began = time.perf_counter()
    write()
    found[name] = length * (texts if name == "many" else 1) / (time.perf_counter() - began)
print(json.dumps(found))
"""


async def rates(server: Server, length: int, streams: int, **more: Any) -> dict[str, float]:
    """Characters a second of one stream and of many, and the milliseconds to the first character."""
    firsts = []
    for seed in range(30):
        call = await server.finished(prompt=PROMPT, max_tokens=2, seed=seed, **more)
        firsts.append(1000 * (call.texts_at[0] - call.sent))
    written = []
    for count in (1, streams):
        began = time.perf_counter()
        calls = await asyncio.gather(
            *(server.finished(prompt=PROMPT, max_tokens=length, seed=seed, **more) for seed in range(count))
        )
        assert all(call.status == 200 and call.is_complete for call in calls)
        written.append(sum(len(call.text) for call in calls) / (time.perf_counter() - began))
    return {
        "one stream, characters a second": written[0],
        f"{streams} streams, characters a second": written[1],
        "first character, median ms": share(firsts, 0.5),
        "first character, p99 ms": share(firsts, 0.99),
    }


async def speed(server: Server, place: str, length: int = 1000, streams: int = 64) -> dict[str, float]:
    """The rates, and as shares of what the commands write."""
    found = await rates(server, length, streams)
    command = [sys.executable, "-c", BASELINE, place, PROMPT, str(length), str(streams)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    best = json.loads(done.stdout)
    one, many = found["one stream, characters a second"], found[f"{streams} streams, characters a second"]
    return found | {
        "one stream, share of generate": one / best["one"],
        f"{streams} streams, share of --samples {streams}": many / best["many"],
    }


async def overload(
    server: Server, seconds: float, *, times: float = 10.0, length: int = 100, rows: int = 64
) -> dict[str, Any]:
    """Requests at `times` the server's capacity, open loop."""
    began = time.perf_counter()
    for _ in range(3):
        await asyncio.gather(*(server.finished(prompt=PROMPT, max_tokens=length, seed=seed) for seed in range(rows)))
    capacity = 3 * rows / (time.perf_counter() - began)
    before, calls, healths = server.memory(), list[Call](), list[float]()
    stop = asyncio.Event()

    async def watch() -> None:
        while not stop.is_set():
            call = await server.call("GET", "/health")
            await call.over.wait()
            healths.append(call.ended - call.sent)
            await asyncio.sleep(0.1)

    async def one(seed: int) -> None:
        call = await server.write(prompt=PROMPT, max_tokens=length, seed=seed)
        calls.append(call)
        await call.over.wait()

    gc.disable()  # the client keeps all it has seen, and looking through it would count as the server's time
    watching = asyncio.create_task(watch())
    began, tasks = time.perf_counter(), list[asyncio.Task[None]]()
    while (due := len(tasks) / (times * capacity)) < seconds:
        await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
        tasks.append(asyncio.create_task(one(len(tasks))))
    late = time.perf_counter() - began - seconds
    await asyncio.gather(*tasks)
    stop.set()
    await watching
    gc.enable()
    free = await server.until(0)
    accepted = [call for call in calls if call.status == 200]
    refused = [call for call in calls if call.status == 503]
    gaps = [gap for call in accepted for gap in call.gaps]
    return {
        "capacity, requests a second": capacity,
        "sent": len(calls),
        "sent, seconds behind the plan": max(0.0, late),
        "answers": dict(Counter(call.status for call in calls)),
        "incomplete answers": sum(not call.is_complete for call in calls),
        "refusals without Retry-After": sum(b"retry-after" not in call.arrivals[0][1].lower() for call in refused),
        "refused after, p99 ms": 1000 * share([call.ended - call.sent for call in refused], 0.99),
        "between characters, p99 ms": 1000 * share(gaps, 0.99),
        "between characters, longest ms": 1000 * max(gaps, default=float("nan")),
        "health, p99 ms": 1000 * share(healths, 0.99),
        "all rows free after, seconds": free,
        "memory, MiB more": server.memory() - before,
    }


async def disconnects(server: Server, leavers: int, *, rows: int, longest_prompt: int = 60_000) -> dict[str, Any]:
    """Clients that leave in each state, one after the other, next to streams that stay."""
    witnesses, length = max(1, min(4, rows - 1)), 300
    asked = [{"prompt": PROMPT, "max_tokens": length, "seed": seed} for seed in range(witnesses)]
    alone = [(await server.finished(**each)).text for each in asked]
    found: dict[str, Any] = {}
    for state in STATES:
        watched = _Witnesses(server, asked, alone)
        if state != "queued":
            frees = await watched.during(_leave_running(server, state, leavers, longest_prompt))
        else:
            holders = [await server.write(prompt=PROMPT, max_tokens=100_000, seed=seed) for seed in range(rows)]
            await server.until(rows)
            frees = await _leave_queued(server, leavers, rows)
            for holder in holders:
                holder.leave()
        await server.until(0)
        found |= {
            f"{state}: left": len(frees),
            f"{state}: free after, median ms": 1000 * share(frees, 0.5),
            f"{state}: free after, p99 ms": 1000 * share(frees, 0.99),
            f"{state}: other streams": watched.seen,
            f"{state}: other streams, changed": watched.changed,
        }
    return found


class _Witnesses:
    """Streams that are written again and again while something else happens, and must not change."""

    def __init__(self, server: Server, asked: list[dict[str, Any]], alone: list[str]) -> None:
        self._server, self._asked, self._alone = server, asked, alone
        self.seen = self.changed = 0
        self._stop = False

    async def during(self, work: Coroutine[Any, Any, list[float]]) -> list[float]:
        """The result of `work`."""
        watching = [asyncio.create_task(self._watch(number)) for number in range(len(self._asked))]
        try:
            return await work
        finally:
            self._stop = True
            await asyncio.gather(*watching)

    async def _watch(self, number: int) -> None:
        while not self._stop:
            text = (await self._server.finished(**self._asked[number])).text
            self.seen, self.changed = self.seen + 1, self.changed + (text != self._alone[number])


async def _leave_running(server: Server, state: str, leavers: int, longest_prompt: int) -> list[float]:
    """Seconds until the row of each leaver is free, as the figure of cancelled texts says."""
    frees, letters = list[float](), PROMPT * (longest_prompt // len(PROMPT))
    prompt = letters if state == "prompt" else PROMPT
    for seed in range(leavers):
        gone = await _given_up(server)
        call = await server.write(prompt=prompt, max_tokens=50_000, seed=seed, stream=state != "plain")
        if state == "stream":
            await call.begun.wait()
        else:
            await asyncio.sleep(0.05)  # it has its row now
        call.leave()
        left = time.perf_counter()
        while await _given_up(server) == gone:
            await asyncio.sleep(0.001)
            if time.perf_counter() - left > 300:
                raise TimeoutError(f"a client that left ({state}) is still there")
        frees.append(time.perf_counter() - left)
    return frees


async def _leave_queued(server: Server, leavers: int, rows: int) -> list[float]:
    frees = []
    for seed in range(leavers):
        call = await server.write(prompt=PROMPT, max_tokens=100, seed=seed, stream=seed % 2 == 0)
        await server.until(rows, 1)
        call.leave()
        left = time.perf_counter()
        await server.until(rows, 0)
        frees.append(time.perf_counter() - left)
    return frees


async def _given_up(server: Server) -> int:
    """Texts that were given up so far."""
    call = await server.call("GET", "/metrics")
    await call.over.wait()
    lines = call.body.decode().splitlines()
    return sum(int(line.split()[-1]) for line in lines if line.startswith("charloom_cancelled_total{"))


async def alone(server: Server, requests: int = 100, length: int = 200) -> dict[str, int]:
    """Seeded requests at once, of which every third is given up; the others against what they are alone."""
    asked = [
        {"prompt": PROMPT[: 10 + seed % 90], "max_tokens": length, "seed": seed, "stream": seed % 2 == 0}
        for seed in range(requests)
    ]
    calls = [await server.write(**each) for each in asked]
    for call in calls[::3]:
        await asyncio.wait({asyncio.create_task(call.begun.wait())}, timeout=0.01)
        call.leave()
    kept = [number for number in range(requests) if number % 3]
    await asyncio.gather(*(calls[number].over.wait() for number in kept))
    changed = 0
    for number in kept:
        changed += calls[number].text != (await server.finished(**asked[number])).text
    return {"kept": len(kept), "changed": changed}


async def memory(server: Server, connections: int = 512, length: int = 50) -> dict[str, float]:
    """MiB that these connections take at a time, each with a request, accepted or not."""
    await asyncio.gather(*(server.finished(prompt=PROMPT, max_tokens=length, seed=seed) for seed in range(32)))
    before, most = server.memory(), 0.0
    calls = [await server.write(prompt=PROMPT, max_tokens=length, seed=seed) for seed in range(connections)]
    while not all(call.over.is_set() for call in calls):
        most = max(most, server.memory())
        await asyncio.sleep(0.05)
    statuses = Counter(call.status for call in calls)
    return {"most, MiB more": most - before, "later, MiB more": server.memory() - before, **_named(statuses)}


async def soak(server: Server, requests: int, length: int = 20, together: int = 32) -> dict[str, Any]:
    """Many requests, one after another in each of some lanes: memory and open files before and after."""
    numbers, statuses = iter(range(requests)), Counter[int]()
    incomplete = 0

    async def lane() -> None:
        nonlocal incomplete
        for seed in numbers:
            call = await server.finished(prompt=PROMPT[: seed % 50], max_tokens=length, seed=seed, stream=seed % 3 > 0)
            statuses[call.status] += 1
            incomplete += not call.is_complete
            if seed == requests // 10:
                early.append(server.memory())

    early = list[float]()
    await server.finished(prompt=PROMPT, max_tokens=length)
    await server.until(0)
    files, began = server.files(), time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(together)))
    await server.until(0)
    more = server.memory() - early[0]
    return {
        "requests a second": requests / (time.perf_counter() - began),
        **_named(statuses),
        "incomplete": incomplete,
        "MiB more for 10,000 requests": more / (0.9 * requests / 10_000),
        "open files more": server.files() - files,
    }


def _named(statuses: Counter[int]) -> dict[str, int]:
    return {f"answers {status}": count for status, count in sorted(statuses.items())}


def measure(part: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The figures of one part, each with a server of its own."""
    rows = 4 if part == "disconnects" else arguments.rows
    queue = 128 if part != "alone" else 256
    with served(arguments.run, rows=rows, queue=queue) as server:
        work: Any = {
            "speed": lambda: speed(server, arguments.run),
            "overload": lambda: overload(server, arguments.seconds, rows=rows),
            "disconnects": lambda: disconnects(server, arguments.leavers, rows=rows),
            "alone": lambda: alone(server),
            "memory": lambda: memory(server),
            "soak": lambda: soak(server, arguments.requests),
        }[part]
        found: dict[str, Any] = asyncio.run(work())
        return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?", default="english")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--leavers", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    print(title())
    figures = {}
    for part in arguments.part:
        figures[part] = measure(part, arguments)
        print(f"\n{part}")
        for name, value in figures[part].items():
            print(f"  {name}: {value:,.3g}" if isinstance(value, float) else f"  {name}: {value}", flush=True)
    if arguments.output:
        arguments.output.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
