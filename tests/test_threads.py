"""Threads sleep while they wait if other work shares the machine, and no bit of a result depends on it."""

import gc
import itertools
import os
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from charloom.data.batches import Streams
from charloom.generation.generate import generate
from charloom.generation.numpy_steps import Stepper
from charloom.generation.writer import Writer
from charloom.machine import threads
from charloom.machine.threads import Follow, Guard, Sharing, Sleep
from charloom.models.network import CharRNN, reading
from charloom.settings import Cell, NetworkConfig, TrainingConfig
from charloom.training.trainer import Trainer
from conftest import CELLS
from models import small_model

needs_libgomp = pytest.mark.skipif(threads._libgomp() is None, reason="torch's OpenMP here is not GNU's")


class Machine:
    """A machine with its own clock: what a check shows, and how often it was found to be shared or not."""

    def __init__(self) -> None:
        self.sharing, self.now, self.waited, self.changes = Sharing(), 100.0, 0.0, list[tuple[float, bool]]()

    def run(self, seconds: float, waiting: Callable[[], float]) -> None:
        """Check ten times a second, with our threads waiting as much as `waiting` says."""
        for _ in range(round(10 * seconds)):
            before = self.sharing.shared
            self.now += 0.1
            self.waited += 0.1 * waiting()
            if self.sharing.look(self.now, self.waited) != before:
                self.changes.append((round(self.now - 100, 1), not before))


def test_a_quiet_machine_is_never_taken_for_a_shared_one() -> None:
    machine = Machine()
    machine.run(60, lambda: 0.05)
    assert machine.changes == []


def test_a_moment_of_other_work_every_second_is_nothing_to_sleep_for() -> None:
    machine, looks = Machine(), itertools.count()
    machine.run(60, lambda: 0.6 if next(looks) % 10 == 0 else 0.02)
    assert machine.changes == []


def test_other_work_is_noticed_soon_whether_it_was_there_before_or_not() -> None:
    machine = Machine()
    machine.run(1, lambda: 0.6)
    assert machine.changes == [(pytest.approx(0.4), True)]
    machine = Machine()
    machine.run(10, lambda: 0.0)
    machine.run(1, lambda: 0.6)
    assert machine.changes == [(pytest.approx(10.3), True)]


def test_a_shared_machine_is_tried_again_ever_more_rarely_and_the_end_of_other_work_is_noticed() -> None:
    machine = Machine()
    machine.run(600, lambda: 0.6)
    tries = [at for at, shared in machine.changes if not shared]
    assert len(tries) < 600 / threads._LONGEST + 6
    assert all(later - sooner <= threads._LONGEST + 1 for sooner, later in itertools.pairwise(tries))
    spinning = sum(b - a for (a, shared), (b, _) in itertools.pairwise(machine.changes) if not shared)
    assert spinning < 0.03 * 600
    machine.run(threads._LONGEST + 1, lambda: 0.0)
    assert not machine.sharing.shared


def test_after_a_quiet_time_the_next_try_comes_soon_again() -> None:
    machine = Machine()
    machine.run(600, lambda: 0.6)
    machine.run(60, lambda: 0.0)
    machine.changes.clear()
    machine.run(4, lambda: 0.6)
    (begun, shared), (tried, ours), *_ = machine.changes
    assert shared and not ours
    assert tried - begun == pytest.approx(threads._SHORTEST, abs=0.25)


def test_a_time_without_work_is_not_counted() -> None:
    machine = Machine()
    machine.run(1, lambda: 0.0)
    machine.sharing.pause()
    machine.now, machine.waited = machine.now + 1000, machine.waited + 900
    assert machine.sharing.look(machine.now, machine.waited) is False


def test_the_guard_tells_when_the_machine_is_shared_and_when_it_is_not() -> None:
    waiting, told, clock = [0.0], list[bool](), [0.0, time.monotonic()]

    def waited() -> float:
        now = time.monotonic()
        clock[0] += waiting[0] * (now - clock[1])
        clock[1] = now
        return clock[0]

    guard = Guard(waited, told.append)
    with guard.work():
        waiting[0] = 1.0
        assert _within(20, lambda: told == [True] and guard.shared)
        waiting[0] = 0.0
        assert _within(20, lambda: told == [True, False] and not guard.shared)


def test_a_system_that_does_not_say_how_long_threads_wait_is_left_alone() -> None:
    told = list[bool]()
    guard = Guard(lambda: None, told.append)
    for _ in range(3):
        with guard.work():
            time.sleep(0.05)
    assert told == []
    assert not guard.shared


@needs_libgomp
def test_threads_that_are_to_sleep_are_more_than_processors_and_go_again() -> None:
    def asleep() -> int:
        return sum(thread.name == "charloom-sleep" for thread in threading.enumerate())

    sleep = Sleep()
    for _ in range(20):
        sleep(True)
        sleep(True)
        assert asleep() == 1
        assert float(torch.ones(1 << 17).sum()) == 1 << 17
        sleep(False)
        sleep(False)
        assert _within(10, lambda: asleep() == 0)


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(threads.processors()) < 2, reason="nothing to be bound to"
)
def test_only_the_second_thread_follows_and_is_free_again_afterwards(two_threads: None) -> None:
    torch.ones(1 << 17).sum()
    own, python = os.sched_getaffinity(0), {thread.native_id for thread in threading.enumerate()}
    others = {int(task.name) for task in threads._TASKS.iterdir()} - python
    before = {thread: os.sched_getaffinity(thread) for thread in others}
    follow = Follow()
    for _ in range(2):
        follow(threading.get_native_id())
        assert others
        assert all(len(os.sched_getaffinity(thread)) == 1 for thread in others)
        assert os.sched_getaffinity(0) == own
    follow(None)
    assert {thread: os.sched_getaffinity(thread) for thread in others} == before


def test_after_the_work_nothing_is_left_as_on_a_shared_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_LINGER", 0.3)
    told, followed = list[bool](), list[int | None]()
    guard = Guard(lambda: 2 * time.monotonic(), told.append, followed.append)
    with guard.work():
        assert _within(20, lambda: told == [True] and len(followed) > 1)
    assert set(followed) == {threading.get_native_id()}
    assert _within(20, lambda: told == [True, False] and followed[-1] is None and not guard.shared)


def _within(seconds: float, true: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def two_threads() -> Iterator[None]:
    """For torch and for numpy, whatever the machine's own number."""
    before, pools = torch.get_num_threads(), threads._pools()
    counts = [pool.num_threads for pool in pools]
    torch.set_num_threads(2)
    for pool in pools:
        pool.set_num_threads(2)
    yield
    torch.set_num_threads(before)
    for pool, count in zip(pools, counts, strict=True):
        pool.set_num_threads(count)


def trained(cell: Cell, precision: str, asleep: Callable[[int], bool]) -> list[np.ndarray]:
    """The weights after some steps, with the threads of step k asleep or spinning while they wait."""
    torch.manual_seed(0)
    network = CharRNN(NetworkConfig(cell=cell, hidden_size=128, embedding_size=32, dropout=0.2), inputs=31, outputs=30)
    ids = np.random.Generator(np.random.PCG64(0)).integers(0, 30, 8192, np.uint8)
    config = TrainingConfig(batch_size=32, sequence_length=64)
    batches = Streams(ids, boundary=30, batch_size=32, sequence_length=64)
    trainer, sleep = Trainer(network, batches, config, steps=4, precision=precision), Sleep()
    for step in range(4):
        sleep(asleep(step))
        trainer.advance()
    sleep(False)
    return [tensor.numpy().copy() for tensor in trainer.network.state_dict().values()]


@needs_libgomp
@pytest.mark.parametrize("cell", CELLS)
def test_no_bit_of_a_training_depends_on_how_threads_wait(cell: Cell, precision: str, two_threads: None) -> None:
    quiet = trained(cell, precision, lambda step: False)
    for busy in (lambda step: True, lambda step: step % 2 == 1):
        for ours, theirs in zip(trained(cell, precision, busy), quiet, strict=True):
            assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(("layers", "size"), [(1, 512), (2, 256), (1, 100), (3, 37)])
@pytest.mark.parametrize("cell", CELLS)
def test_a_single_row_has_the_same_bits_from_one_thread_as_from_two(
    cell: Cell, layers: int, size: int, two_threads: None
) -> None:
    model = small_model("abcdefgh", cell, layers=layers, hidden_size=size)
    rows = [Stepper(model.config.network, model.arrays().weights).begin() for _ in range(2)]
    for symbol in [0, 3, 1, 7] * 8:
        rows[0].advance(np.array([symbol]))
        threads.alone(rows[1].advance, np.array([symbol]))
        assert np.array_equal(rows[0].logits(), threads.alone(lambda row: row.logits(), rows[1]))


def test_what_is_computed_alone_leaves_the_threads_as_they_were(two_threads: None) -> None:
    counts = [pool.num_threads for pool in threads._pools()]
    seen = threads.alone(lambda _: [pool.num_threads for pool in threads._pools()], None)
    assert counts == [2] * len(counts)
    assert seen == [1] * len(counts)
    with pytest.raises(ZeroDivisionError):
        threads.alone(lambda zero: 1 // zero, 0)
    assert [pool.num_threads for pool in threads._pools()] == counts


@pytest.mark.parametrize("compiled", [None, "float32"])
def test_the_text_is_the_same_on_a_shared_machine(compiled: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if compiled:
        pytest.importorskip("numba")
    writer = Writer(small_model("abcdefgh", hidden_size=256, sharpness=1), compiled=compiled)  # type: ignore[arg-type]
    texts = []
    for often in (0, 1, 3):
        state = {"asked": 0}

        def sometimes(often: int = often, state: dict[str, int] = state) -> bool:
            state["asked"] += 1
            return often > 0 and state["asked"] % often == 0

        for module in ("charloom.generation.writer", "charloom.generation.numba_steps"):
            if module in sys.modules:
                monkeypatch.setattr(f"{module}.shared", sometimes)
        texts.append("".join(generate(writer, "head", length=600, seed=3)))
        assert state["asked"] > 0
    assert texts[0] == texts[1] == texts[2]


def test_training_and_reading_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = list[str]()
    monkeypatch.setattr(
        "charloom.training.trainer.working", lambda: watched.append("training") or threads.contextlib.nullcontext()
    )
    monkeypatch.setattr(
        "charloom.models.network.working", lambda: watched.append("reading") or threads.contextlib.nullcontext()
    )
    network = CharRNN(NetworkConfig(hidden_size=8, embedding_size=4), inputs=4, outputs=3)
    batches = Streams(np.zeros(64, np.uint8), boundary=3, batch_size=2, sequence_length=8)
    Trainer(network, batches, TrainingConfig(), steps=1).advance()
    assert watched == ["training"]
    with reading(network):
        pass
    assert watched == ["training", "reading"]


@needs_libgomp
def test_a_forked_process_has_a_guard_of_its_own() -> None:
    code = (
        "import os, time\n"
        "from charloom.machine import threads\n"
        "threads.processors = lambda: {0, 1}\n"
        "with threads.working(): pass\n"
        "if os.fork() == 0:\n"
        "    with threads.working(): pass\n"
        "    import threading\n"
        "    os._exit(0 if any(t.name == 'charloom-guard' and t.is_alive() for t in threading.enumerate()) else 7)\n"
        "print(os.waitstatus_to_exitcode(os.wait()[1]))\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0\n", done.stderr


def test_the_guard_survives_a_look_while_torch_is_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))  # as it is in the middle of its import
    threads._sleep(True)
    threads._follow(1)


def test_a_program_with_loops_of_its_own_is_watched_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guard(lambda: None, lambda asleep: None)
    monkeypatch.setattr(threads, "_GUARD", guard)
    monkeypatch.setattr(threads, "_WATCHING", [])
    monkeypatch.setattr(threads, "processors", lambda: {0, 1})
    threads.watch_threads()
    threads.watch_threads()
    gc.collect()
    assert guard._working == 1
    with threads.working():
        assert guard._working == 2
    assert guard._working == 1
