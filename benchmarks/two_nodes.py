"""What does a network between two machines cost? Two network namespaces on one machine stand for them.

Usage (Linux, as root): python benchmarks/two_nodes.py [--steps 40] [--rounds 3] [--batch 32]
                                       [--gigabits 1] [--milliseconds 1]

The link (delayed_link.py) has a rate in each direction and a delay there and back, which are measured first. In turns,
two processes train through the link and over the loopback device, on the same two cores; the process that stands for
the cable takes its time from these cores, too. With `--cut`, the link is cut halfway instead: both processes must end
with a sentence within a minute.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from delayed_link import answered, link
from machine import title
from processes import arguments, command, seconds_per_step

FIRST, SECOND = (f"charloom-{name}-{os.getpid()}" for name in "ab")
NODES = {FIRST: "10.77.0.1", SECOND: "10.77.0.2"}

LOAD = 3_000_000
"""Bytes that measure the link: about what a node sends in a step."""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def nodes(gigabits: float, milliseconds: float) -> Iterator[None]:
    """Two namespaces with a link between them."""
    try:
        for node in NODES:
            ip("netns", "add", node)
        with link(*NODES, rate=gigabits * 1e9, delay=milliseconds / 1e3):
            for node, address in NODES.items():
                ip("-n", node, "addr", "add", f"{address}/24", "dev", "eth0")
                for device in ("eth0", "lo"):
                    ip("-n", node, "link", "set", device, "up")
            yield
    finally:
        for node in NODES:
            subprocess.run(["ip", "netns", "del", node], capture_output=True)


def start(node: str, rank: int, steps: int, batch: int, folder: Path) -> subprocess.Popen[str]:
    """Start the launcher of one node."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node-rank", str(rank)]
    launcher += ["--nproc-per-node", "1", "--master-addr", NODES[FIRST], "--master-port", "29612"]
    training = arguments(steps, 512, folder / "run", batch=batch)
    return subprocess.Popen(
        ["ip", "netns", "exec", node, *launcher, "-m", "charloom", "--", *training],
        env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "eth0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def launched(steps: int, batch: int, folder: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """The launchers of both nodes, which end with the block at the latest."""
    launchers = [start(node, rank, steps, batch, folder) for rank, node in enumerate(NODES)]
    try:
        yield launchers
    finally:
        for launcher in launchers:
            launcher.kill()


def received(node: str) -> int:
    """Bytes that a node has received."""
    file = "/sys/class/net/eth0/statistics/rx_bytes"
    return int(subprocess.run(["ip", "netns", "exec", node, "cat", file], capture_output=True, text=True).stdout)


def over_the_link(steps: int, batch: int) -> tuple[float, float]:
    """Seconds and received megabytes per step and node."""
    with tempfile.TemporaryDirectory() as folder:
        before = received(SECOND)
        with launched(steps, batch, Path(folder)) as launchers:
            said = [launcher.communicate(timeout=600)[1] for launcher in launchers]
        if any(launcher.returncode for launcher in launchers):
            raise SystemExit("\n".join(said))
        return seconds_per_step(Path(folder) / "run"), (received(SECOND) - before) / steps / 1e6


def over_loopback(steps: int, batch: int) -> float:
    """Seconds per step of the same two processes on one machine."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        subprocess.run(
            [*command(2), *arguments(steps, 512, run, batch=batch)],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
        )
        return seconds_per_step(run)


def cut() -> None:
    """Cut the link during training, and show how both nodes end."""
    with tempfile.TemporaryDirectory() as folder, launched(100_000, 32, Path(folder)) as launchers:
        while not (Path(folder) / "run" / "checkpoint.json").exists() and all(
            node.poll() is None for node in launchers
        ):
            time.sleep(0.5)
        time.sleep(10)  # some steps
        ip("-n", SECOND, "link", "set", "eth0", "down")
        began = time.monotonic()
        for node, launcher in zip(NODES, launchers, strict=True):
            said = launcher.communicate(timeout=300)[1]
            (sentence,) = (line for line in said.splitlines() if line.startswith("charloom: "))
            print(f"{node} after {time.monotonic() - began:.0f} s: {sentence}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Two machines as two network namespaces.")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--gigabits", type=float, default=1.0)
    parser.add_argument("--milliseconds", type=float, default=1.0)
    parser.add_argument("--cut", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that nothing is left behind
    with nodes(options.gigabits, options.milliseconds):
        print(title())
        short, long = (answered(*NODES, NODES[SECOND], size) * 1e3 for size in (1, LOAD))
        print(f"the link     {short:8.1f} ms until an answer; {long:.1f} ms for {LOAD / 1e6:g} MB and the answer")
        if options.cut:
            cut()
            return
        apart, megabytes, together = [], [], []
        for _ in range(options.rounds):
            seconds, received = over_the_link(options.steps, options.batch)
            apart.append(seconds)
            megabytes.append(received)
            together.append(over_loopback(options.steps, options.batch))
        ratios = [near / far for near, far in zip(together, apart, strict=True)]
        print(f"one machine  {statistics.median(together) * 1e3:8.1f} ms a step")
        print(f"two machines {statistics.median(apart) * 1e3:8.1f} ms a step, {megabytes[-1]:.2f} MB received by each")
        print(f"speed with the link {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
