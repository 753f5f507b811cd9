"""Commands that get signals, are resumed, and are compared with an uninterrupted one.

    python tests/crashes.py --kills 0 --documents 0 --extended 0 --signals 100

`charloom train` runs as a user runs it, on a tiny network. It gets one to three signals of all kinds, including
SIGKILL, from its first millisecond on, together or up to about 100 ms apart. Whatever comes, it ends with a promised
exit code and without a traceback, says truthfully up to which step it is saved, and the run resumes to the same bytes.

Half of the commands are separate processes, with interpreter and imports; the others are forked from this one, which
has already imported torch, so that the signals hit the training itself.
"""

import os
import random
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from charloom.settings import Cell
from charloom.training import checkpoints
from tiny_runs import Difference, differences, remove, sample_text

ASKING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
PATIENCE = 240.0
"""Seconds after which a command counts as hanging."""

STOPPED = re.compile(r"^stopped at step ([\d,]+) of [\d,]+, (all saved|saved up to step ([\d,]+))", re.MULTILINE)
TRACES = ("Traceback", "ignored in", "Fatal Python error", "terminate called")


@dataclass(frozen=True)
class Signalled:
    """A command, its signals, and when: seconds after its start, then after the previous signal."""

    name: str
    cell: Cell
    own_process: bool
    signals: tuple[tuple[float, int], ...]


@dataclass
class Ending:
    """Its outcome."""

    name: str
    own_process: bool
    signals: str
    code: int = 0
    before_our_first_line: bool = False
    "Whether the system itself ended it: Python had not come to anything of ours."
    wrong: str = ""
    "What must not be, if it is."
    differences: list[Difference] = field(default_factory=list)


@dataclass
class Ended:
    code: int
    said: str


class Commands:
    """Runs the commands."""

    def __init__(self, folder: Path, steps: int = 40) -> None:
        self._folder, self._steps = folder, steps
        (folder / "text.txt").write_text(sample_text(2000))
        self._unbroken: dict[Cell, Path] = {}
        self.seconds: dict[bool, float] = {}
        "How long a command takes: as a process of its own (True), and forked."

    def unbroken(self, cell: Cell) -> Path:
        """The uninterrupted run."""
        if cell not in self._unbroken:
            path = self._folder / f"unbroken-{cell}"
            for own in (True, False) if not self.seconds else (False,):
                remove(path)
                began = time.monotonic()
                ended = self._run(self._command(cell, path), (), own_process=own)
                self.seconds[own] = time.monotonic() - began
                assert ended.code == 0, ended.said
            self._unbroken[cell] = path
        return self._unbroken[cell]

    def carry_out(self, case: Signalled) -> Ending:
        """Run the command, send the signals, check how it ends, and resume until the run is finished."""
        path = self._folder / "run"
        remove(path)
        numbers = " ".join(f"{signal.Signals(number).name}+{1000 * delay:.0f}ms" for delay, number in case.signals)
        found = Ending(case.name, case.own_process, numbers)
        ended = self._run(self._command(case.cell, path), case.signals, own_process=case.own_process)
        found.code, found.wrong = ended.code, self._wrong(case, ended, path)
        found.before_our_first_line = ended.code not in (0, -signal.SIGKILL) and _before_us(ended)
        for _ in range(3):
            again = self._run(self._command(case.cell, path), (), own_process=False)
            if again.code == 0:
                break
            found.wrong = found.wrong or f"it cannot be resumed: exit code {again.code}: {again.said[-500:]}"
        found.differences = differences(path, self.unbroken(case.cell))
        return found

    def _wrong(self, case: Signalled, ended: Ended, path: Path) -> str:
        sent = {number for _, number in case.signals}
        codes = {0, *(128 + number for number in sent if number in ASKING)}
        if signal.SIGKILL in sent:
            codes.add(-signal.SIGKILL)
        if case.own_process and sent & set(ASKING) and _before_us(ended):
            return (
                ""  # Python had not reached our code; the shell shows the same codes for a process ended by the system
            )
        if ended.code not in codes:
            return f"exit code {ended.code}: {ended.said[-500:]}"
        if any(trace in ended.said for trace in TRACES):
            return ended.said[-1000:]
        said = STOPPED.search(ended.said)
        if said and (path / checkpoints.FILE).exists():
            promised = int((said[3] or said[1]).replace(",", ""))
            saved = checkpoints.saved_step(path)
            if promised != saved:
                return f"it says that {promised} steps are saved, and {saved} are"
        return ""

    def _command(self, cell: Cell, path: Path) -> list[str]:
        if (path / "config.json").exists():
            return ["train", "--resume", "--run", str(path), "--save-every", "7"]
        sizes = ["--network.hidden-size", "10", "--network.embedding-size", "4", "--network.dropout", "0.3"]
        batches = ["--training.batch-size", "8", "--training.sequence-length", "24", "--training.validations", "4"]
        length = ["--steps", str(self._steps), "--save-every", "7", "--precision", "float32", "--device", "cpu"]
        return [
            *("train", str(self._folder / "text.txt"), "--run", str(path), "--network.cell", cell),
            *sizes,
            *batches,
            *length,
        ]

    def _run(self, arguments: list[str], signals: tuple[tuple[float, int], ...], *, own_process: bool) -> Ended:
        log = self._folder / "log.txt"
        start = _spawned if own_process else _forked
        child = start(arguments, log)
        began = due = time.monotonic()
        waiting = list(signals)
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return Ended(os.waitstatus_to_exitcode(status), log.read_text(errors="replace"))
            if waiting and time.monotonic() >= due + waiting[0][0]:
                due = time.monotonic()
                os.kill(child, waiting.pop(0)[1])
            elif time.monotonic() - began > PATIENCE:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return Ended(-999, f"it hangs: {log.read_text(errors='replace')[-500:]}")
            else:
                time.sleep(0.0005)


def _before_us(ended: Ended) -> bool:
    """Whether a command ended before its first line, which is in `charloom/__main__.py`."""
    files = [Path(name) for name in re.findall(r'File "([^"]+)"', ended.said)]
    ours = [file.name for file in files if file.parent.name == "charloom" or "charloom" in file.parts[-3:-1]]
    if ended.said:
        return (
            "KeyboardInterrupt" in ended.said
            and {file.name for file in ours} <= {"__init__.py", "version.py"}
            and "step" not in ended.said
        )
    return -ended.code in ASKING


def _spawned(arguments: list[str], log: Path) -> int:
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "charloom", *arguments], stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    process.returncode = 0  # it was waited for by its process id
    return process.pid


def _forked(arguments: list[str], log: Path) -> int:
    sys.stdout.flush()
    signal.pthread_sigmask(signal.SIG_BLOCK, ASKING)
    child = os.fork()
    if child == 0:
        _be_a_command(arguments, log)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)
    return child


def _be_a_command(arguments: list[str], log: Path) -> NoReturn:
    """What the child does; it never returns into the parent's code."""
    code: Any = 1
    try:
        said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
        for number in (1, 2):
            os.dup2(said, number)
        from charloom import __main__ as door  # its first line takes the signals

        signal.pthread_sigmask(signal.SIG_UNBLOCK, ASKING)
        sys.argv = ["charloom", *arguments]
        door.main()
    except SystemExit as leaving:
        code = leaving.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def plan(commands: Commands, cells: list[Cell], *, count: int, seed: int) -> Iterator[Signalled]:
    """A number of commands, one cell after another, half of them separate processes."""
    for index in range(count):
        cell, own = cells[index % len(cells)], index // len(cells) % 2 == 0
        commands.unbroken(cell)
        draw = random.Random(f"{seed} signals {index}")
        several = draw.choice((1, 2, 2, 3)) - 1
        kinds = [*ASKING, *ASKING, signal.SIGKILL]
        latest = draw.choice((0.3, 1.0)) * commands.seconds[own]  # often during start-up
        signals = [(draw.uniform(0.001, latest), draw.choice(ASKING if several else kinds))]
        for _ in range(several):
            signals.append((draw.choice((0.0, 0.001, 0.08, draw.uniform(0, 0.2), 1.05)), draw.choice(kinds)))
        yield Signalled(f"{cell}-{index}", cell, own, tuple(signals))


def lines(found: list[Ending]) -> list[str]:
    """The report on all of them."""
    codes: dict[str, int] = {}
    for ending in found:
        key = "before our first line" if ending.before_our_first_line else str(ending.code)
        codes[key] = codes.get(key, 0) + 1
    return [
        f"commands that got signals   {len(found)}, with {sum(len(each.signals.split()) for each in found)} signals",
        f"exit codes                  {', '.join(f'{code}: {count}' for code, count in sorted(codes.items()))}",
        f"ended wrongly               {sum(bool(each.wrong) for each in found)}",
        f"ended in other bytes        {sum(bool(each.differences) for each in found)}",
    ]
