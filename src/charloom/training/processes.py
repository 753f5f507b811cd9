"""Several processes that train one model: what they send each other.

Process 0 leads: it alone reads the clock, writes the run and decides. The others follow its orders, so nothing has to
be agreed on. The orders are a few bytes each; what is long are the gradients, which all processes add up.

Each wait has an end. While the leader validates or saves, it lets the others know every few seconds that it is alive;
while processes prepare at their own pace, all of them do (`Processes.roll`). So if nothing comes for `PATIENCE`
seconds, a machine or its network is gone.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from charloom.errors import CharloomError, ProcessesError, SettingsError, shown
from charloom.interruption import SIGNALS, Interrupted, Interruption, signal_came
from charloom.machine.launch import Launch
from charloom.version import __version__

PATIENCE = 40.0
"""Seconds without any sign of life after which a process counts as gone."""

BEAT = 4.0
"""Seconds between two signs of life."""

GATHERING = 300.0
"""Seconds within which all processes must have started."""

_SHORT = 2.0
"""Seconds of one attempt to meet."""

STEP, GATHER, TASK, STATE, WAIT, END = range(6)
"""The orders: train a step; put carried states and momentum together; build a trainer; take over its state; go on
waiting; end with the exit code that follows."""

_REPORT = 1024
"""Bytes of a process's report about its work."""

_FAREWELL = "farewell"

Done = TypeVar("Done")


class Processes:
    """The processes of one training, as one of them sees them. Raises `ProcessesError` if another is gone."""

    def __init__(self, launch: Launch) -> None:
        self.rank, self.count, self.launch = launch.rank, launch.count, launch
        self.signal = 0
        "The number of a signal that some process received during the last step; 0 for none."
        self.interruption: Interruption | None = None
        "Where this process keeps a signal back, if it follows."
        self._listening, self._spoke = True, time.monotonic()
        self._speaking, self._over = threading.Lock(), threading.Event()
        self._store = _meet(launch)
        if torch.cuda.is_available():
            torch.cuda.set_device(min(launch.local_rank, torch.cuda.device_count() - 1))
        with _explained("the processes cannot reach each other", ADVICE_NETWORK):
            backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
            dist.init_process_group(
                backend, store=self._store, rank=self.rank, world_size=self.count, timeout=timedelta(seconds=PATIENCE)
            )
        self._same_versions()
        threading.Thread(target=self._watch_launcher, name="charloom-launcher", daemon=True).start()
        if self.leads:
            threading.Thread(target=self._stay_alive, name="charloom-leader", daemon=True).start()

    @property
    def leads(self) -> bool:
        """Whether this process decides and writes."""
        return self.rank == 0

    # what all processes do together

    def add(self, gradients: Sequence[torch.Tensor], *others: torch.Tensor) -> list[torch.Tensor]:
        """The sums over all processes: of the gradients, then of the others, in the shapes that they have."""
        parts = [*gradients, *others]
        received = torch.zeros(len(SIGNALS))
        if self.interruption is not None and self.interruption.waiting in SIGNALS:
            received[SIGNALS.index(self.interruption.waiting)] = 1.0
        flat = torch.cat([*(part.flatten() for part in parts), received.to(parts[0].device)])
        self._sum(flat)
        *sums, received = torch.split(flat, [*(part.numel() for part in parts), len(SIGNALS)])
        self.signal = next((SIGNALS[place] for place, sent in enumerate(received.tolist()) if sent), 0)
        return [total.view(part.shape) for total, part in zip(sums, parts, strict=True)]

    def deal(self, parts: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
        """A part of size K_p for each process p, one after the other -> (processes, K): what they have for this one."""
        own = sizes[self.rank]
        received = parts.new_empty(self.count * own)
        with self._lost():
            dist.all_to_all_single(received, parts, [own] * self.count, list(sizes))
        return received.view(self.count, own)

    def collect(self, mine: torch.Tensor, sizes: Sequence[int]) -> Callable[[], list[torch.Tensor]]:
        """Start exchanging the tensors (K_p,) of all processes p, with lengths `sizes`; call the result to wait for
        them."""
        sent, received = mine.repeat(self.count), mine.new_empty(sum(sizes))
        with self._lost():
            sending: Any = dist.all_to_all_single(
                received, sent, list(sizes), [len(mine)] * self.count, async_op=True
            )  # while this process goes on computing

        def collected() -> list[torch.Tensor]:
            with self._lost():
                sending.wait()
            return list(torch.split(received, list(sizes)))

        return collected

    def union(self, mine: torch.Tensor) -> torch.Tensor:
        """What the processes hold together: float32, zero wherever a process holds nothing. Exact to the bit."""
        whole = mine.clone()
        self._sum(whole.view(torch.int32))
        return whole

    def exchange(self, mine: torch.Tensor) -> torch.Tensor:
        """(K,) of each process, equally long -> (processes, K)"""
        everyone = mine.new_empty((self.count, *mine.shape))
        with self._lost():
            dist.all_gather(list(everyone.unbind()), mine)
        return everyone

    def roll(self, work: Callable[[], Done]) -> Done:
        """Do `work`, each process at its own pace, and wait for all of them.

        Raises what `work` raises; if it fails in another process, the leader raises a `ProcessesError` with its words.
        """
        over, reports, lost = threading.Event(), list[str](), list[ProcessesError]()
        mine = torch.zeros(_REPORT, dtype=torch.uint8)  # 0: at work

        def call() -> None:
            try:
                while True:
                    everyone = self.exchange(mine.clone())
                    if bool((everyone[:, 0] > 0).all()):
                        reports.extend(map(_read, everyone))
                        return
                    over.wait(BEAT)
            except ProcessesError as error:
                lost.append(error)

        caller = threading.Thread(target=call, name="charloom-roll", daemon=True)
        caller.start()
        try:
            done = work()
        except Exception as error:
            _write(mine, str(error) if isinstance(error, CharloomError) else f"{type(error).__name__}: {error}")
            over.set()
            caller.join()
            if not self.leads and isinstance(error, CharloomError):
                raise SystemExit(2) from error  # the leader says why
            raise
        _write(mine, "")
        over.set()
        caller.join()
        if lost:
            raise lost[0]
        for rank, report in enumerate(reports):
            if report and self.leads:
                raise ProcessesError(f"process {rank} of {self.count}: {shown(report)}")
            if report:
                raise SystemExit(2)  # the leader says why
        return done

    # what the leader says, and the others hear

    @contextmanager
    def ordered(self, order: int, content: bytes = b"") -> Iterator[None]:
        """In the leader: order the others to do what the block does, together with it. In the others: nothing.

        Raises `ProcessesError` if an error interrupted an earlier order: the others still wait in the middle of it.
        """
        if not self.leads:
            yield
            return
        with self._speaking:
            if not self._listening:
                raise ProcessesError("the other processes are in the middle of a step that was interrupted")
            self._listening = False
            self._say(order, content)
        yield
        with self._speaking:
            self._listening, self._spoke = True, time.monotonic()

    def heard(self) -> tuple[int, bytes]:
        """In a follower: the next order, and what comes with it."""
        while True:
            order, content = self._hear()
            if order != WAIT:
                return order, content

    def tell(self, data: bytes = b"") -> bytes:
        """Within an order: the leader's data, in every process."""
        if self.leads:
            self._say(WAIT, data)
            return data
        return self._hear()[1]

    # the end

    def leave(self, error: BaseException | None) -> None:
        """Part from the others; the leader tells them how it ends."""
        self._over.set()
        if self.leads:
            code = _exit_code(error)
            _soon(lambda: self._store.set(_FAREWELL, json.dumps(code)))
            if self._listening and not isinstance(error, ProcessesError):
                with suppress(ProcessesError), self.ordered(END, json.dumps(code).encode()):
                    pass
        if error is None:
            with suppress(Exception):
                dist.barrier()
                dist.destroy_process_group()

    def farewell(self) -> int | None:
        """The leader's exit code, if it has ended and said so; None if it ended without a word."""

        def ask() -> int | None:
            end = time.monotonic() + _SHORT
            while time.monotonic() < end:  # the leader may be about to notice what we noticed
                if self._store.check([_FAREWELL]):
                    return int(json.loads(self._store.get(_FAREWELL)))
                time.sleep(0.05)
            return None

        return _soon(ask)

    def speaks(self) -> bool:
        """Whether this follower is the one that reports what the leader cannot: the first one that asks."""
        return _soon(lambda: int(self._store.add("speaks", 1))) in (None, 1)

    @property
    def name(self) -> str:
        """This process in a message."""
        return f"process {self.rank} of {self.count} on {socket.gethostname()}"

    def _same_versions(self) -> None:
        mine = torch.zeros(_REPORT, dtype=torch.uint8)
        _write(mine, json.dumps({"charloom": __version__, "torch": torch.__version__}))
        everyone = [json.loads(_read(report)) for report in self.exchange(mine)]
        for rank, theirs in enumerate(everyone):
            for what, version in theirs.items():
                if version != everyone[0][what]:
                    raise SettingsError(
                        f"process {rank} has {what} {shown(version)} and process 0 has {everyone[0][what]}; install "
                        "the same version on every machine"
                    )

    def _watch_launcher(self) -> None:
        """Stop, as after a signal, if the launcher has ended without one: nobody could end this training any more."""
        while not self._over.wait(BEAT / 4) and not signal_came():  # another one would count as impatience
            if os.getppid() != self.launch.parent:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    def _stay_alive(self) -> None:
        """Tell the others now and then that the leader is busy with something in which they have no part."""
        while not self._over.wait(BEAT / 4):
            with self._speaking, suppress(ProcessesError):  # the next order reports it
                if self._listening and time.monotonic() - self._spoke > BEAT:
                    self._say(WAIT, b"")

    def _say(self, order: int, content: bytes) -> None:
        self._broadcast(torch.tensor([order, len(content)]))
        if content:
            self._broadcast(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        self._spoke = time.monotonic()

    def _hear(self) -> tuple[int, bytes]:
        header = torch.zeros(2, dtype=torch.int64)
        self._broadcast(header)
        order, length = (int(value) for value in header)
        content = torch.zeros(length, dtype=torch.uint8)
        if length:
            self._broadcast(content)
        return order, content.numpy().tobytes()

    def _broadcast(self, tensor: torch.Tensor) -> None:
        with self._lost():
            dist.broadcast(tensor, 0)

    def _sum(self, tensor: torch.Tensor) -> None:
        with self._lost():
            dist.all_reduce(tensor)

    def _lost(self) -> Any:
        return _explained(f"another of the {self.count} processes has ended or can no longer be reached", "")


ADVICE_NETWORK = (
    "; check that every machine can reach the others, and name the network that they share in GLOO_SOCKET_IFNAME (such "
    "as eth0)"
)


@contextmanager
def joined(launch: Launch | None) -> Iterator[Processes | None]:
    """The processes of this training for the length of the block; None if there is only this one.

    Raises `CharloomError`.
    """
    if launch is None:
        yield None
        return
    processes = Processes(launch)
    try:
        yield processes
    except BaseException as error:
        processes.leave(error)
        raise
    processes.leave(None)


def _meet(launch: Launch) -> Any:
    """The store in which the processes find each other, when all have come. Raises `ProcessesError`."""
    end, why = time.monotonic() + GATHERING, ""
    store: Any = None
    while time.monotonic() < end:  # in short waits, so that a signal can end it
        try:
            store = store or _store(launch)
            store.set(f"started/{launch.rank}", "")
            store.wait([f"started/{rank}" for rank in range(launch.count)], timedelta(seconds=_SHORT))
            return store
        except RuntimeError as error:
            why = _first_line(error)
            if "EADDRINUSE" in str(error) or "address already in use" in str(error).lower():
                raise ProcessesError(
                    f"the port of {launch.address} is taken by another program; choose another one with torchrun's "
                    "--master-port"
                ) from None
    raise ProcessesError(
        f"not all of the {launch.count} processes met at {launch.address} within {GATHERING:.0f} s ({why}); start them "
        "all, and check that every machine can reach that address"
    )


def _store(launch: Launch) -> Any:
    """The launcher's store, or else one of process 0."""
    ours = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    host, port = launch.address.rsplit(":", 1)
    distributed: Any = dist  # it does not say that it exports its stores
    store = distributed.TCPStore(
        host,
        int(port),
        launch.count,
        is_master=ours and launch.rank == 0,
        timeout=timedelta(seconds=_SHORT),
        wait_for_workers=False,
        multi_tenant=ours,
    )
    # the launcher's store may still hold what an earlier start wrote
    return distributed.PrefixStore(f"charloom/{launch.restarts}", store)


def _soon(ask: Callable[[], Done]) -> Done | None:
    """The store's answer; None if it cannot be reached, which it may notice only after a quarter of an hour."""
    answers: list[Done] = []

    def attempt() -> None:
        with suppress(Exception):
            answers.append(ask())

    asking = threading.Thread(target=attempt, name="charloom-store", daemon=True)
    asking.start()
    asking.join(2 * _SHORT)
    return answers[0] if answers else None


@contextmanager
def _explained(what: str, advice: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch's own errors of communication are its children
        raise ProcessesError(f"{what} ({_first_line(error)}){advice}") from None


def _first_line(error: Exception) -> str:
    """What torch says first, without the place in its source."""
    line = str(error).strip().split("\n")[0]
    said = line.rsplit("] ", 1)[-1] if line.startswith("[") and "] " in line else line
    return shown(said.split(". ")[0])[:200].rstrip(".")


def _write(report: torch.Tensor, text: str) -> None:
    """Mark a report as final, with a text that may be empty."""
    data = text.encode()[: _REPORT - 1]
    report[1 : 1 + len(data)] = torch.tensor(list(data), dtype=torch.uint8)
    report[0] = 1


def _read(report: torch.Tensor) -> str:
    return bytes(report.tolist())[1:].rstrip(b"\0").decode(errors="replace")


def _exit_code(error: BaseException | None) -> int:
    if error is None or isinstance(error, GeneratorExit):
        return 0
    if isinstance(error, Interrupted):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    return 2 if isinstance(error, CharloomError) else 1


def complain(message: str) -> None:
    """Print what the leader cannot know."""
    print(f"charloom: {' '.join(message.split())}", file=sys.stderr, flush=True)
