"""Matrices of which each block has one owner among several processes, here threads that hand each other tensors."""

import threading
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from charloom.errors import ProcessesError, SettingsError
from charloom.machine import hardware
from charloom.settings import NetworkConfig
from charloom.training import processes
from charloom.training.optimizers import Muon
from charloom.training.processes import STEP, Processes
from charloom.training.shared_blocks import SharedBlocks, dealt
from charloom.training.tasks import demand_precision

SHAPES = [torch.Size((4, 6, 6)), torch.Size((4, 6, 2)), torch.Size((4, 6, 6))]


class Thread:
    """What `SharedBlocks` needs of a process."""

    def __init__(self, rank: int, count: int, table: dict[int, Any], barrier: threading.Barrier) -> None:
        self.rank, self.count, self.kinds = rank, count, set[torch.dtype]()
        self.collected = list[int]()
        self._table, self._barrier = table, barrier

    def _everyone(self, mine: Any) -> list[Any]:
        self._table[self.rank] = mine
        self._barrier.wait(20)
        everyone = [self._table[rank] for rank in range(self.count)]
        self._barrier.wait(20)
        return everyone

    def deal(self, parts: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
        self.kinds |= {parts.dtype}
        return torch.stack([theirs.split(list(sizes))[self.rank] for theirs in self._everyone(parts)])

    def collect(self, mine: torch.Tensor, sizes: Sequence[int]) -> Callable[[], list[torch.Tensor]]:
        self.kinds |= {mine.dtype}
        everyone: list[torch.Tensor] = self._everyone(mine)
        assert [len(part) for part in everyone] == list(sizes)
        self.collected.append(max(sizes))
        return lambda: everyone


def together(count: int, work: Callable[[Thread], Any]) -> list[Any]:
    """What `work` gives in each of `count` threads."""
    table, barrier, found = dict[int, Any](), threading.Barrier(count), dict[int, Any]()

    def run(rank: int) -> None:
        found[rank] = work(Thread(rank, count, table, barrier))

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    return [found[rank] for rank in range(count)]


def test_a_block_is_sent_before_the_next_is_computed_and_the_largest_come_first() -> None:
    def work(thread: Thread) -> Any:
        blocks, sent = SharedBlocks(SHAPES, thread), list[int]()  # type: ignore[arg-type]

        def after_sending(block: torch.Tensor) -> torch.Tensor:
            sent.append(len(thread.collected))
            return 2 * block

        mine = [part[own] for part, own in zip(drawn(0), blocks.own, strict=True)]
        return blocks.whole(mine, torch.float32, after_sending), sent, thread.collected

    for whole, sent, sizes in together(2, work):
        assert sent == [0, 1, 2, 3, 4, 5]
        assert sizes == [36, 36, 36, 36, 12, 12]
        assert all(torch.equal(found, 2 * part) for found, part in zip(whole, drawn(0), strict=True))


def drawn(rank: int) -> list[torch.Tensor]:
    """Numbers that need all the bits of float32."""
    generator = torch.Generator().manual_seed(rank)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


@pytest.mark.parametrize("count", [2, 3, 5, 13])  # 13: one owns nothing
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_every_block_is_summed_by_its_owner_and_by_nobody_else(count: int, kind: torch.dtype) -> None:
    def work(thread: Thread) -> Any:
        blocks = SharedBlocks(SHAPES, thread)  # type: ignore[arg-type]
        return blocks.sums(drawn(thread.rank), kind), blocks.own, thread.kinds

    results = together(count, work)
    owned = [torch.zeros(shape[0], dtype=torch.int64) for shape in SHAPES]
    for rank, (sums, own, kinds) in enumerate(results):
        assert kinds == {kind}
        for matrix, (total, mine) in enumerate(zip(sums, own, strict=True)):
            owned[matrix][mine] += 1
            parts = [drawn(each)[matrix][mine] for each in range(count)]  # one's own is not rounded
            sent = [part if each == rank else part.to(kind).float() for each, part in enumerate(parts)]
            torch.testing.assert_close(total[mine], torch.stack(sent).sum(0), rtol=0, atol=1e-5)
            rest = torch.ones(len(total), dtype=torch.bool)
            rest[mine] = False
            assert not total[rest].any()
    assert all((count_of_owners == 1).all() for count_of_owners in owned)


@pytest.mark.parametrize("count", [2, 3, 13])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_what_the_owners_have_becomes_whole_in_every_process(count: int, kind: torch.dtype) -> None:
    def work(thread: Thread) -> Any:
        blocks = SharedBlocks(SHAPES, thread)  # type: ignore[arg-type]
        whole = blocks.whole([part[mine] for part, mine in zip(drawn(0), blocks.own, strict=True)], kind)
        return whole, thread.kinds

    for whole, kinds in together(count, work):
        assert kinds == {kind}
        for found, part in zip(whole, drawn(0), strict=True):
            assert torch.equal(found, part.to(kind).float())


@pytest.mark.parametrize("bfloat16", [False, True])
def test_what_muon_sends_in_a_step_has_the_type_of_its_products_and_momentum_is_exact(bfloat16: bool) -> None:
    def work(thread: Thread) -> Any:
        matrices = [torch.nn.Parameter(torch.zeros(shape[0] * shape[1], shape[2])) for shape in SHAPES]
        muon = Muon(matrices, gates=4, momentum=0.9, weight_decay=0, bfloat16=bfloat16, processes=thread)  # type: ignore[arg-type]
        for matrix, gradient in zip(matrices, drawn(0), strict=True):
            matrix.grad = gradient.flatten(0, 1)
        muon.add_up()
        muon.step(0.1)
        sent, thread.kinds = thread.kinds, set()
        muon.make_whole()
        momenta = [muon.state[matrix]["momentum_buffer"] for matrix in matrices]
        return sent, thread.kinds, momenta, matrices

    (sent, saved, momenta, matrices), (_, _, theirs, equal) = together(2, work)
    assert sent == {torch.bfloat16 if bfloat16 else torch.float32}
    assert saved == {torch.float32}
    for momentum, their, gradient in zip(momenta, theirs, drawn(0), strict=True):
        assert torch.equal(momentum, their)
        whole = gradient.flatten(0, 1) + (gradient.bfloat16().float() if bfloat16 else gradient).flatten(0, 1)
        torch.testing.assert_close(momentum, 0.1 * whole)
    assert all(torch.equal(one, other) for one, other in zip(matrices, equal, strict=True))


@pytest.mark.parametrize(("count", "most"), [(1, 12), (2, 6), (3, 4), (4, 3)])
def test_blocks_are_dealt_out_evenly_and_lie_next_to_one_another(count: int, most: int) -> None:
    owners = dealt([(4, 512, 512), (4, 512, 512), (4, 512, 512)], count)
    assert owners == [sorted(of_blocks) for of_blocks in owners]
    blocks = [owner for of_blocks in owners for owner in of_blocks]
    assert [blocks.count(owner) for owner in range(count)] == [most] * count


def test_the_costliest_blocks_are_dealt_first() -> None:
    owners = dealt([(2, 512, 64), (1, 512, 512), (1, 512, 512)], 2)
    assert sorted([*owners[1], *owners[2]]) == [0, 1]
    assert owners[0] == [0, 1]


def test_after_an_order_that_was_interrupted_there_is_no_other() -> None:
    """The other processes wait in the middle of it, so they would take the next order for something else."""
    processes = Processes.__new__(Processes)
    processes.rank, processes._listening, processes._spoke = 0, True, 0.0
    processes._speaking = threading.Lock()
    said = list[int]()
    processes._say = lambda order, content: said.append(order)  # type: ignore[method-assign]
    with processes.ordered(STEP):
        pass
    with pytest.raises(MemoryError), processes.ordered(STEP):
        raise MemoryError
    with pytest.raises(ProcessesError, match="was interrupted"), processes.ordered(STEP):
        pass
    assert said == [STEP, STEP]


def test_what_is_collected_is_on_its_way_while_the_process_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    happened = list[str]()

    class Sending:
        def wait(self) -> None:
            happened.append("waited")

    def all_to_all(received: torch.Tensor, sent: torch.Tensor, *_: Any, async_op: bool) -> Sending:
        happened.append("sent" if async_op else "sent and waited")
        received.copy_(torch.tensor([1.0, 2.0, 3.0]))
        return Sending()

    monkeypatch.setattr(processes.dist, "all_to_all_single", all_to_all)
    one = Processes.__new__(Processes)
    one.rank, one.count = 0, 2
    collected = one.collect(torch.tensor([1.0]), [1, 2])
    happened.append("computed")
    assert [part.tolist() for part in collected()] == [[1.0], [2.0, 3.0]]
    assert happened == ["sent", "computed", "waited"]


def test_a_process_without_the_number_format_of_the_others_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_processor_multiplies_bfloat16", lambda: False)
    task: Any = SimpleNamespace(precision="float32", device="cpu", network=NetworkConfig(hidden_size=8))
    demand_precision(task)
    task.precision = "bfloat16"
    with pytest.raises(SettingsError, match=r"trains in bfloat16; use .*, or, to resume a run, let this machine"):
        demand_precision(task)
