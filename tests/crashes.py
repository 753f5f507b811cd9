"""Runs that are killed, resumed, and compared with uninterrupted runs.

    python tests/crashes.py --kills 400 --seed 0

Half of the runs are killed at a disk operation (the operations of the first session are enumerated): before one, after
one, or halfway through a write. The other half are killed at a random moment. Some are killed again while they are
being resumed, and some are stopped by the user first. A killed run is resumed as a user would resume it, until it is
finished; then every file must be what it would have been (`tiny_runs.differences`).

Each session is a child process, forked from this one, which has imported torch but never computes: a child of a process
that has computed may wait forever for threads that it did not inherit.

With `--signals 100`, that many commands get signals as well (`signals`).
"""

import argparse
import json
import math
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, get_args

import torch
import torch._dynamo  # the first step of an optimizer would import it, in every child again

from charloom.settings import Cell
from charloom.storage import strict_json
from charloom.training import checkpoints
from charloom.training.runs import load
from signals import Commands, Ending
from signals import lines as lines_of_signals
from signals import plan as plan_of_signals
from tiny_runs import Difference, TinyRun, WatchedDisk, differences, remove

Moment = Literal["before", "within", "after"]

FINISHED, FAILED, STOPPED = 0, 1, 3
PATIENCE = 120.0
"""Seconds after which a session counts as hanging."""

PLAIN = [TinyRun(cell) for cell in get_args(Cell)]
DOCUMENTS = [replace(run, documents="lines") for run in PLAIN]
EXTENDED = [replace(run, extended_to=17) for run in PLAIN]


class Kill(NamedTuple):
    """When a session dies: at its n-th disk operation, or after a share of the time that it would take."""

    operation: int = 0
    "Counted from 1; 0 for never."
    moment: Moment = "before"
    share: float | None = None

    def __str__(self) -> str:
        if self.share is not None:
            return f"after {self.share:.0%} of the time"
        return f"{self.moment} operation {self.operation}"


@dataclass(frozen=True)
class Case:
    """A run, and what happens to it."""

    name: str
    run: TinyRun
    kills: tuple[Kill, ...]
    "One for each of the first sessions."
    stop: int | None = None
    "Step at which the user stops the first session, if it lives that long."


@dataclass
class Result:
    """The outcome of a case."""

    name: str
    sittings: list[str] = field(default_factory=list)
    "How each one ended."
    operations: list[tuple[str, str]] = field(default_factory=list)
    "Operations at which it was killed, and the moment."
    killed: int = 0
    differences: list[Difference] = field(default_factory=list)
    error: str = ""
    "Why it could not be resumed."


class KillingDisk(WatchedDisk):
    """A disk that kills its process at a given operation."""

    def __init__(self, kill: Kill) -> None:
        super().__init__()
        self._kill = kill

    def operation(self, name: str, perform: Callable[..., Any], *arguments: Any) -> Any:
        here = len(self.operations) + 1 == self._kill.operation
        if here and self._kill.moment == "before":
            _die()
        if here and self._kill.moment == "within":
            file, data = arguments
            perform(file, data[: len(data) // 2])
            _die()
        result = super().operation(name, perform, *arguments)
        if here:
            _die()
        return result


def _die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process survived its death")


@dataclass(frozen=True)
class Unbroken:
    """An uninterrupted run."""

    path: Path
    start: Path | None
    "What a case starts from; None for nothing."
    operations: list[str]
    stopped: list[str]
    "Operations of a session that the user stopped at step `stop`."
    stopped_from: int
    "How many of them came before the user stopped it."
    stop: int
    seconds: float

    def points(self, seed: int) -> list[tuple[int | None, Kill]]:
        """Every moment of every operation of a session, and of the save when the user stops one: the step of that, the
        kill.

        Neighbours in this list are operations of different kinds and far apart; the list starts anywhere.
        """
        whole = [(None, number, name) for number, name in enumerate(self.operations, 1)]
        saving = [(self.stop, number, name) for number, name in enumerate(self.stopped, 1)][self.stopped_from :]
        kinds: dict[str, list[tuple[int | None, Kill]]] = {}
        for stop, number, name in whole + saving:
            kinds.setdefault(name, []).extend((stop, Kill(number, moment)) for moment in ("before", "after"))
            if name == "write":
                kinds.setdefault("half a write", []).append((stop, Kill(number, "within")))
        draw = random.Random(seed)
        rows = zip_longest(*(_far_apart(points, draw.randrange(len(points))) for points in kinds.values()))
        return [point for row in rows for point in row if point is not None]


def _far_apart(points: list[Any], first: int) -> list[Any]:
    """The same points, each far from the one before it."""
    stride = round(len(points) * (math.sqrt(5) - 1) / 2)
    while math.gcd(stride, len(points)) > 1:
        stride += 1
    return [points[(first + number * stride) % len(points)] for number in range(len(points))]


class Bench:
    """Runs the cases."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unbroken: dict[TinyRun, Unbroken] = {}

    def unbroken(self, run: TinyRun) -> Unbroken:
        """The run without interruption; made twice, with the same result."""
        if run not in self._unbroken:
            folder = self._folder / f"unbroken-{len(self._unbroken)}"
            folder.mkdir()
            start = None
            if run.extended_to is not None:
                start = folder / "start"
                _copy(self.unbroken(replace(run, extended_to=None)).path, start)
                _log_every(start, 4)
            # a step that is validated: what is saved there once more is another checkpoint of the same step
            stop = 8 if start is None else 16
            seconds, traces = [], []
            for name, step in (("first", None), ("second", None), ("stopped", stop)):
                _copy(start, folder / name)
                began = time.monotonic()
                status, _ = self._sit(run, folder / name, Kill(), stop=step, trace=folder / f"{name}.json")
                seconds.append(time.monotonic() - began)
                if status != (FINISHED if step is None else STOPPED):
                    raise AssertionError(f"a run that is left alone fails:\n{self._log()}")
                traces.append(json.loads((folder / f"{name}.json").read_text()))
            if differences(folder / "first", folder / "second"):
                raise AssertionError(f"a run is not the same twice: {differences(folder / 'first', folder / 'second')}")
            self._unbroken[run] = Unbroken(
                folder / "first",
                start,
                traces[0]["operations"],
                traces[2]["operations"],
                traces[2]["before_stop"],
                stop,
                min(seconds[:2]),
            )
        return self._unbroken[run]

    def carry_out(self, case: Case) -> Result:
        """Kill the run as the case says, resume it until it is finished, and compare."""
        unbroken, path = self.unbroken(case.run), self._folder / "run"
        while True:
            remove(path)
            _copy(unbroken.start, path)
            result = self._carry_out(case, path, unbroken)
            if result.killed or result.error:
                return result
            # it finished before it was due to be killed
            case = replace(
                case, kills=(case.kills[0]._replace(share=(case.kills[0].share or 1) * 0.8), *case.kills[1:])
            )

    def _carry_out(self, case: Case, path: Path, unbroken: Unbroken) -> Result:
        result = Result(case.name)
        for number, kill in enumerate((*case.kills, Kill(), Kill())):
            delay = None if kill.share is None else kill.share * unbroken.seconds
            stop = case.stop if number == 0 else None
            status, hangs = self._sit(case.run, path, kill, stop=stop, delay=delay)
            if status == -signal.SIGKILL and not hangs:
                result.killed += 1
                result.sittings.append(f"killed {kill}")
                if kill.share is None:
                    operations = unbroken.operations if stop is None else unbroken.stopped
                    name = operations[kill.operation - 1] if number == 0 else "in a resumed sitting"
                    result.operations.append((name, kill.moment))
            elif status == STOPPED:
                result.sittings.append(f"stopped at step {stop}")
            elif status == FINISHED:
                result.sittings.append("finished")
                result.differences = differences(path, unbroken.path)
                return result
            else:
                result.error = "it hangs" if hangs else self._log()
                return result
        result.error = "it does not finish"
        return result

    def _sit(
        self,
        run: TinyRun,
        path: Path,
        kill: Kill,
        *,
        stop: int | None = None,
        delay: float | None = None,
        trace: Path | None = None,
    ) -> tuple[int, bool]:
        """A session in a child process: its exit status (negative: a signal), and whether it hung."""
        sys.stdout.flush()
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            _be_a_sitting(run, path, kill, stop, trace, self._folder / "log.txt")
        sent = False
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status), sent and delay is None
            if not sent and time.monotonic() - began >= (PATIENCE if delay is None else delay):
                os.kill(child, signal.SIGKILL)
                sent = True
            time.sleep(0.0005)

    def _log(self) -> str:
        return (self._folder / "log.txt").read_text()


def _be_a_sitting(run: TinyRun, path: Path, kill: Kill, stop: int | None, trace: Path | None, log: Path) -> NoReturn:
    """What the child does; it never returns into the parent's code."""
    status = FAILED
    try:
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), 2)
        torch.set_num_threads(1)
        disk = KillingDisk(kill)
        if (path / checkpoints.FILE).exists():
            load(path)  # whatever happened, there is a usable model
        status, before_stop = FINISHED, 0
        events = run.go_on(path, disk).events()
        for event in events:
            if event.progress.step == stop:
                status, before_stop = STOPPED, len(disk.operations)
                events.close()
        if trace is not None:
            trace.write_text(json.dumps({"operations": disk.operations, "before_stop": before_stop}))
    except BaseException:
        status = FAILED
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _log_every(run: Path, steps: int) -> None:
    """Make each line of metrics cover several steps, as in long runs, so that some are pending when a run is saved."""
    config = json.loads((run / "config.json").read_text())
    config["plan"]["log_every"] = steps
    (run / "config.json").write_bytes(strict_json.dump(config))


def _copy(start: Path | None, path: Path) -> None:
    if start is not None:
        shutil.copytree(start, path)


def plan(bench: Bench, *, kills: int, documents: int, extended: int, seed: int) -> Iterator[Case]:
    """Cases of each kind: plain runs of all cells, runs on a text of documents, and runs that are extended."""
    for kind, count, runs in (
        ("plain", kills, PLAIN),
        ("documents", documents, DOCUMENTS),
        ("extended", extended, EXTENDED),
    ):
        enumerated = 0
        for index in range(count):
            run = runs[index % len(runs)]
            name = f"{kind}-{run.cell}-{index // len(runs)}"
            draw = random.Random(f"{seed} {name}")
            unbroken = bench.unbroken(run)
            if index // len(runs) % 2 == 0:
                points = unbroken.points(seed)
                stop, first = points[enumerated % len(points)]
                enumerated += 1
            else:
                last = run.extended_to or run.steps
                stop = draw.randint(1, last) if draw.random() < 0.25 else None
                first = Kill(share=draw.random())
            more = draw.choices((0, 1, 2), (0.5, 0.35, 0.15))[0]
            yield Case(name, run, (first, *(_kill_of_a_resumed_sitting(draw, unbroken) for _ in range(more))), stop)


def _kill_of_a_resumed_sitting(draw: random.Random, unbroken: Unbroken) -> Kill:
    """Often at one of the first operations, which clean up after the previous kill."""
    if draw.random() < 0.25:
        return Kill(share=draw.random() * 0.8)
    last = draw.choice((4, 12, 40, len(unbroken.operations) // 2))
    return Kill(draw.randint(1, last), draw.choice(("before", "after")))


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill runs, resume them, compare them with runs that were left alone.")
    parser.add_argument(
        "--kills", type=int, default=400, help="runs that are killed at least once, over the four cells"
    )
    parser.add_argument("--documents", type=int, default=24, help="further ones on a text of documents")
    parser.add_argument("--extended", type=int, default=24, help="further ones that are made longer when resumed")
    parser.add_argument("--signals", type=int, default=0, help="commands that get signals, over the four cells")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lines", action="store_true", help="print a line of JSON for each run as soon as it is done")
    options = parser.parse_args()
    results, began = [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="charloom-crashes-") as folder:
        bench = Bench(Path(folder))
        cases = plan(
            bench, kills=options.kills, documents=options.documents, extended=options.extended, seed=options.seed
        )
        for case in cases:
            result = bench.carry_out(case)
            results.append(result)
            if options.lines:
                print(json.dumps(asdict(result)), flush=True)
            elif result.error or result.differences:
                print(f"{result.name}: {', '.join(result.sittings)}\n{result.error}{result.differences}", flush=True)
        points = len(bench.unbroken(PLAIN[0]).points(options.seed)) if results else 0
        endings = _signalled(Path(folder), options.signals, options.seed, as_lines=options.lines)
    kinds = Counter(difference.kind for result in results for difference in result.differences)
    failed = sum(bool(result.error) for result in results)
    if not options.lines:
        at_operations = sum(len(result.operations) for result in results)
        killed = sum(result.killed for result in results)
        print(f"runs killed                 {len(results)} (in {time.monotonic() - began:.0f} s)")
        print(f"kills                       {killed}, of which {at_operations} at an operation of the disk")
        print(f"points of one whole run     {points}")
        print(f"runs that did not resume    {failed}")
        print(f"files differing or missing  {kinds['differing'] + kinds['missing']}")
        print(f"lines lost or doubled       {kinds['lost'] + kinds['doubled']}")
        print(f"stray files                 {kinds['stray']}")
        if endings:
            print("\n".join(lines_of_signals(endings)))
    return int(bool(failed or kinds or any(ending.wrong or ending.differences for ending in endings)))


def _signalled(folder: Path, count: int, seed: int, *, as_lines: bool) -> list[Ending]:
    commands, found = Commands(folder), list[Ending]()
    for case in plan_of_signals(commands, [run.cell for run in PLAIN], count=count, seed=seed):
        found.append(commands.carry_out(case))
        if as_lines:
            print(json.dumps(asdict(found[-1])), flush=True)
        elif found[-1].wrong or found[-1].differences:
            print(found[-1], flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
