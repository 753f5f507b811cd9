"""Several processes train as one does: the same weights, the same files, the same ends."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given
from hypothesis import strategies as st

from charloom.data.batches import IGNORED, Streams
from charloom.data.documents import Documents
from charloom.errors import FolderError
from charloom.training.checkpoints import saved_step
from charloom.training.distributed import Ranks, share_of
from tiny_runs import differences, sample_text
from together import Ended, Forge

STEPS = 12
SMALL = {
    "--steps": STEPS,
    "--network.hidden-size": 12,
    "--network.embedding-size": 4,
    "--training.batch-size": 8,
    "--training.sequence-length": 24,
    "--training.validations": 3,
    "--training.learning-rate": 0.02,
    "--device": "cpu",
    "--precision": "float32",
    "--save-every": 2,
}


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    forge = Forge()
    yield forge
    forge.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text(sample_text(2000))
    return tmp_path


def words(run: str, settings: dict[str, object]) -> list[object]:
    """The arguments of a small training."""
    flags = [word for setting in (SMALL | settings).items() for word in setting]
    return ["train", "text.txt", *flags, "--run", run]


def train(forge: Forge, folder: Path, count: int, run: str, settings: dict[str, object]) -> list[Ended]:
    return forge.run(count, folder, *words(run, settings))


def resume(forge: Forge, folder: Path, count: int, run: str, *more: object, **environment: str) -> list[Ended]:
    return forge.run(
        count, folder, "train", "--resume", "--run", run, "--save-every", 2, "--device", "cpu", *more, **environment
    )


def metrics(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def figures(value: object) -> list[float]:
    """All numbers in a line of metrics."""
    if isinstance(value, dict):
        return [number for item in value.values() for number in figures(item)]
    return [float(value)] if isinstance(value, (int, float)) else []


def assert_equal_runs(one: Path, several: Path) -> None:
    """The same figures, the same weights and the same carried state, in float32."""
    for mine, theirs in zip(metrics(one), metrics(several), strict=True):
        assert mine.keys() == theirs.keys()
        assert figures(mine) == pytest.approx(figures(theirs), abs=1e-4)
    a, b = (safetensors.numpy.load_file(run / "checkpoint.safetensors") for run in (one, several))
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_allclose(a[key], b[key], rtol=0, atol=2e-5, err_msg=key)


def ends(ended: list[Ended], code: int) -> str:
    """All processes end with this code, and only the first one speaks; returns its words."""
    assert [process.code for process in ended] == [code] * len(ended), [process.err for process in ended]
    for process in ended[1:]:
        assert process.out == process.err == ""
    assert "Traceback" not in ended[0].err and "Warning" not in ended[0].err
    return ended[0].err


@pytest.mark.parametrize(
    ("count", "settings"),
    [
        (2, {"--network.cell": "lstm", "--network.dropout": 0.3, "--network.weight-dropout": 0.2}),
        (2, {"--network.cell": "rnn-relu", "--training.optimizer": "muon"}),
        (2, {"--documents": "lines", "--training.optimizer": "muon", "--network.layers": 2}),
        (3, {"--network.cell": "lstm", "--training.optimizer": "muon", "--training.clip": 0.05}),  # some own two gates
        (2, {"--network.cell": "rnn-relu", "--documents": "lines", "--network.dropout": 0.3}),
        (3, {"--network.cell": "rnn-tanh", "--training.optimizer": "muon"}),  # one owns nothing
        (3, {"--documents": "lines", "--training.batch-size": 3, "--training.sequence-length": 16}),  # some have no row
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else value,
)
def test_several_processes_train_as_one(forge: Forge, folder: Path, count: int, settings: dict[str, object]) -> None:
    for number in (1, count):
        ends(train(forge, folder, number, f"run-{number}", settings), 0)
    assert_equal_runs(folder / "run-1", folder / f"run-{count}")


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=30),
    count=st.integers(1, 5),
    lines=st.booleans(),
    k=st.integers(0, 9),
)
def test_the_shares_of_a_batch_are_the_batch(lengths: list[int], count: int, lines: bool, k: int) -> None:
    ids = np.concatenate([np.append(np.arange(length) % 7, 7) for length in lengths])
    sizes = {"boundary": 7, "batch_size": 4, "sequence_length": 8}
    batches = Documents(ids, **sizes, seed=1) if lines else Streams(ids, **sizes)
    batch = batches[k]
    whole = torch.cat([torch.stack(piece).flatten(1) for piece in batch.pieces], 1)
    seen = torch.zeros(whole.shape[1], dtype=torch.int64)
    carried, going_on = [], []
    for rank in range(count):
        share = share_of(batch, Ranks(rank, count))
        mine = torch.cat([torch.stack(piece).flatten(1) for piece in share.batch.pieces], 1)
        assert share.of_places == whole.shape[1]
        if rank < len(batch.lengths):
            assert torch.equal(mine, whole[:, share.places])
            assert share.batch.lengths.tolist() == batch.lengths[rank::count].tolist()
            seen[share.places] += 1
        else:
            assert (mine[1] == IGNORED).all() and share.batch.symbols == 0
        carried += list(zip(share.before.tolist(), (share.batch.carried * count + rank).tolist(), strict=True))
        going_on += list(zip(share.after.tolist(), (share.batch.going_on * count + rank).tolist(), strict=True))
    assert (seen == 1).all()
    assert sorted(carried) == list(enumerate(batch.carried.tolist()))
    assert sorted(going_on) == list(enumerate(batch.going_on.tolist()))


def test_a_stopped_run_of_two_processes_resumes_as_if_it_had_never_stopped(
    forge: Forge, folder: Path, precision: str
) -> None:
    settings = {"--network.dropout": 0.3, "--network.weight-dropout": 0.2, "--steps": 60, "--precision": precision}
    ends(train(forge, folder, 2, "whole", settings), 0)
    team = forge.start(2, folder, *words("stopped", settings))
    until_step(2, folder / "stopped")
    team.send(signal.SIGINT)
    said = ends(team.wait(), 130)
    assert re.search(r"stopped at step \d+ of 60, all saved; resume with: torchrun --nproc-per-node 2 -m ch", said)
    ends(resume(forge, folder, 2, "stopped"), 0)
    assert differences(folder / "stopped", folder / "whole") == []


def until_step(step: int, run: Path) -> None:
    """Wait until a run has saved a step."""
    end = time.monotonic() + 60
    while steps_saved(run) < step:
        assert time.monotonic() < end, f"{run} does not reach step {step}"
        time.sleep(0.002)


def steps_saved(run: Path) -> int:
    try:
        return saved_step(run)
    except FolderError:
        return -1


def test_a_run_goes_on_with_another_number_of_processes_and_says_so(forge: Forge, folder: Path) -> None:
    ends(train(forge, folder, 1, "whole", {"--steps": 12}), 0)
    ends(train(forge, folder, 2, "run", {"--steps": 4}), 0)
    assert last_clock(folder / "run")["processes"] == 2
    for count, was, steps in ((1, 2, 8), (2, 1, 12)):
        said = ends(resume(forge, folder, count, "run", "--steps", steps), 0)
        assert f"changed since the last checkpoint: processes {was} -> {count}; the results may differ in" in said
    whole, run = (metrics(folder / name)[-2]["validation"] for name in ("whole", "run"))
    assert figures(whole) != pytest.approx(figures(run), abs=1e-4)  # a longer plan has another learning rate


def last_clock(run: Path) -> dict[str, object]:
    return json.loads((run / "clock.jsonl").read_text().splitlines()[-1])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_all_processes_at_the_same_step(forge: Forge, folder: Path, number: int, code: int) -> None:
    team = forge.start(2, folder, *words("run", {"--steps": 100_000}))
    until_step(4, folder / "run")
    team.send(number)
    assert ", all saved; resume with: " in ends(team.wait(), code)


def test_if_one_process_is_killed_the_leader_ends_with_a_sentence(forge: Forge, folder: Path) -> None:
    team = forge.start(2, folder, *words("run", {"--steps": 100_000}))
    until_step(4, folder / "run")
    team.send(signal.SIGKILL, 1)
    left, gone = team.wait()
    assert (gone.code, left.code) == (-signal.SIGKILL, 2)
    again = "resume it with as many processes or with one"
    assert re.search(rf"charloom: another of the 2 processes cannot be reached \([^\n]+\); .*{again}", left.err)
    assert "Traceback" not in left.err


def test_whoever_is_killed_nothing_is_lost(forge: Forge, folder: Path) -> None:
    assert kill(forge, folder, 5, seed=0) == 5


@pytest.mark.slow
def test_a_hundred_kills(forge: Forge, folder: Path) -> None:
    assert kill(forge, folder, 100, seed=1) == 100


def kill(forge: Forge, folder: Path, times: int, seed: int) -> int:
    """Kill a random process of two at a random moment, resume, and so on; each run must end as if left alone."""
    draw, killed, runs = random.Random(seed), 0, 0
    settings = {"--steps": 40, "--save-every": 3, "--network.dropout": 0.3}
    ends(train(forge, folder, 2, "whole", settings), 0)
    while killed < times:
        runs += 1
        run = f"run-{runs}"
        while not (folder / run).exists() or differences(folder / run, folder / "whole"):
            begun = (folder / run / "config.json").exists()
            again = ["train", "--resume", "--run", run, "--save-every", 3, "--device", "cpu"]
            team = forge.start(2, folder, *(again if begun else words(run, settings)))
            if killed < times:
                if draw.random() < 0.8:
                    until_step(min(39, steps_saved(folder / run) + draw.randint(0, 12)), folder / run)
                time.sleep(draw.uniform(0, 0.1))
                team.send(signal.SIGKILL, killed % 2)
                time.sleep(1)
                team.send(signal.SIGKILL, 1 - killed % 2)  # as torchrun does
            codes = [process.code for process in team.wait()]
            assert set(codes) <= {0, 2, -signal.SIGKILL}, codes
            killed += -signal.SIGKILL in codes
            if codes == [0, 0]:
                assert differences(folder / run, folder / "whole") == []
    return killed


def refused(forge: Forge, folder: Path, *arguments: object, **environment: str) -> str:
    """What the first of two processes says when both are refused; no run is left behind."""
    said = ends(forge.run(2, folder, *arguments, **environment), 2)
    assert not list(folder.rglob("config.json"))
    return said.removeprefix("charloom: ").rstrip("\n")


def test_what_cannot_be_shared_is_refused_with_one_sentence(forge: Forge, folder: Path) -> None:
    assert refused(forge, folder, "info", "run") == (
        "charloom info works in one process; start it without torchrun, which is for charloom train"
    )
    standard_input = ["-" if word == "text.txt" else word for word in words("run", {})]
    assert refused(forge, folder, *standard_input) == (
        "several processes cannot share standard input; give a file that each of them can read"
    )
    restarted = {"TORCHELASTIC_MAX_RESTARTS": "3"}
    assert refused(forge, folder, "train", "text.txt", "--steps", 3, **restarted) == (
        "torchrun may start this training again, which must then know its run; name one with --run"
    )


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at /proc")
def test_a_training_that_torchrun_starts_again_resumes_its_run(forge: Forge, folder: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = [str(word) for word in words("run", {"--steps": 400})]
    with subprocess.Popen(
        [*torchrun, "--max-restarts", "3", "-m", "charloom", "--", *arguments],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    ) as launcher:
        until_step(4, folder / "run")
        os.kill(workers(launcher.pid)[1], signal.SIGKILL)
        said = launcher.communicate(timeout=120)[1]
    assert launcher.returncode == 0, said
    assert "resuming from step" in said
    assert metrics(folder / "run")[-1]["step"] == 400


def workers(launcher: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()]


def test_a_run_that_another_launcher_made_is_left_alone(forge: Forge, folder: Path) -> None:
    first = {"TORCHELASTIC_MAX_RESTARTS": "3", "TORCHELASTIC_RUN_ID": "mine"}
    ends(forge.run(2, folder, *words("run", {}), **first), 0)
    other = first | {"TORCHELASTIC_RUN_ID": "another", "TORCHELASTIC_RESTART_COUNT": "1"}
    for environment in (first, other):
        assert "run exists; choose another --run" in ends(forge.run(2, folder, *words("run", {}), **environment), 2)


def test_python_in_several_processes_trains_one_run_which_all_of_them_return(forge: Forge, folder: Path) -> None:
    (folder / "script.py").write_text(
        "import charloom, pathlib\n"
        "network = charloom.NetworkConfig(hidden_size=12, embedding_size=4)\n"
        "run = charloom.train(pathlib.Path('text.txt'), run='run', steps=4, network=network)\n"
        "print(run.path.name, run.step())\n"
    )
    ended = forge.run(2, folder, "script.py", SCRIPT="1")
    assert [process.code for process in ended] == [0, 0], [process.err for process in ended]
    assert [process.out for process in ended] == ["run 4\n"] * 2
    assert ended[1].err == ""
