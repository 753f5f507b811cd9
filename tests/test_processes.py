"""Several processes train as one does: the same weights, the same files, the same ends."""

import json
import random
import re
import signal
import socket
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
from charloom.data.shares import share_of
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
    for name in ("weights", "optimizer", "carried", "random"):
        files = [next(run.glob("checkpoints/*")) / f"{name}.safetensors" for run in (one, several)]
        a, b = map(safetensors.numpy.load_file, files)
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_allclose(a[key], b[key], rtol=0, atol=2e-5, err_msg=f"{name} {key}")


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
        share = share_of(batch, rank, count)
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
    return max((int(path.name.split("-")[1]) for path in run.glob("checkpoints/step-*")), default=-1)


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
def test_a_signal_to_one_process_stops_all_of_them_at_the_same_step(
    forge: Forge, folder: Path, number: int, code: int
) -> None:
    team = forge.start(2, folder, *words("run", {"--steps": 100_000}))
    until_step(4, folder / "run")
    team.send(number, 1)
    assert ", all saved; resume with: " in ends(team.wait(), code)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
def test_a_launcher_that_is_killed_takes_its_processes_with_it(forge: Forge, folder: Path) -> None:
    settings = {"--steps": 300, "--save-every": 1000, "--training.validations": 1}
    ends(train(forge, folder, 2, "whole", settings), 0)
    launcher = Forge()
    team = launcher.start(2, folder, *words("run", settings), TEST_PATIENCE="10")
    until_step(0, folder / "run")
    launcher.kill()
    end = time.monotonic() + 60
    while any(map(lives, team.pids)):
        assert time.monotonic() < end, "the processes outlive their launcher"
        time.sleep(0.02)
    assert re.search(r"stopped at step \d+ of 300, all saved; resume with: ", team.said(0))
    ends(forge.run(2, folder, "train", "--resume", "--run", "run", "--device", "cpu"), 0)
    assert differences(folder / "run", folder / "whole") == []


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


GONE = r"another of the 2 processes has ended or can no longer be reached \([^\n]+\); "


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stalled"])
def test_if_one_process_is_gone_the_others_end_with_a_sentence(
    forge: Forge, folder: Path, rank: int, number: int
) -> None:
    team = forge.start(2, folder, *words("run", {"--steps": 100_000}), TEST_PATIENCE="3")
    until_step(4, folder / "run")
    team.send(number, rank)
    if number == signal.SIGSTOP:
        time.sleep(4)
        team.send(signal.SIGKILL, rank)
    ended = team.wait()
    gone, left = ended[rank], ended[1 - rank]
    assert (gone.code, left.code) == (-signal.SIGKILL, 2)
    said = left.err.splitlines()[-1]
    if rank == 1:
        again = "start as many processes again with train --resume --run run"
        assert re.fullmatch(rf"charloom: {GONE}run is saved up to step \d+: {again}", said)
    else:
        assert re.fullmatch(rf"charloom: process 1 of 2 on \S+: {GONE}what the run saved last is intact, .*", said)
    assert "Traceback" not in left.err


def test_whoever_is_killed_nothing_is_lost(forge: Forge, folder: Path) -> None:
    assert kill(forge, folder, 20, seed=0) == 20


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
            team = forge.start(2, folder, *(again if begun else words(run, settings)), TEST_GATHERING="4")
            if killed < times:
                if draw.random() < 0.8:
                    until_step(min(39, steps_saved(folder / run) + draw.randint(0, 12)), folder / run)
                time.sleep(draw.uniform(0, 0.1))
                team.send(signal.SIGKILL, draw.randrange(2))
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
    assert refused(forge, folder, *words("run", {"--training.batch-size": 1})) == (
        "2 processes share 1 parallel streams, so some would have none; start at most 1, or raise "
        "--training.batch-size if the text is long enough"
    )
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
    assert refused(forge, folder, *words("run", {}), RANK="two").startswith("RANK is 'two', not a number")


def test_processes_that_do_not_fit_together_are_refused(forge: Forge, folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    (other / "text.txt").write_text(sample_text(2000) + "!")
    said = refused(forge, folder, *words("run", {}), rank1_FOLDER=str(other))
    assert re.fullmatch(
        r"process 1 of 2: \S+text.txt on this machine is not the text that process 0 reads \(its SHA-256 differs\); "
        "give the same text everywhere",
        said,
    )
    (other / "text.txt").unlink()
    assert "process 1 of 2: " in refused(forge, folder, *words("run", {}), rank1_FOLDER=str(other))
    said = refused(forge, folder, *words("run", {}), rank1_TEST_VERSION="0.1")
    assert "process 1 has charloom 0.1 and process 0 has " in said


def test_a_port_that_another_program_has_is_named(forge: Forge, folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        team = forge.start(2, folder, *words("run", {}), MASTER_PORT=str(port), TEST_GATHERING="1")
        end = time.monotonic() + 60
        while not any(file.stat().st_size for file in folder.glob("output-*-0.err")) and time.monotonic() < end:
            time.sleep(0.01)
    said = f"the port of 127.0.0.1:{port} is taken by another program; choose another one with torchrun's --master-port"
    assert [process.code for process in team.wait()] == [2, 2]
    assert said in next(folder.glob("output-*-0.err")).read_text()


def test_a_training_that_its_launcher_starts_again_resumes_its_own_run_alone(forge: Forge, folder: Path) -> None:
    store = torch.distributed.TCPStore("127.0.0.1", 0, None, True, wait_for_workers=False)  # a launcher keeps it
    launcher = {"TORCHELASTIC_MAX_RESTARTS": "3", "TORCHELASTIC_RUN_ID": "mine", "MASTER_PORT": str(store.port)}
    launcher["TORCHELASTIC_USE_AGENT_STORE"] = "True"
    settings = {"--steps": 60}
    ends(train(forge, folder, 2, "whole", settings), 0)
    team = forge.start(2, folder, *words("run", settings), **launcher)
    until_step(4, folder / "run")
    team.send(signal.SIGKILL, 1)
    team.wait()
    first = {"TORCHELASTIC_MAX_RESTARTS": "3", "TORCHELASTIC_RUN_ID": "mine"}
    other = first | {"TORCHELASTIC_RUN_ID": "another", "TORCHELASTIC_RESTART_COUNT": "1"}
    for environment in (first, other):
        ended = forge.run(2, folder, *words("run", settings), **environment)
        assert "run exists; choose another --run" in ends(ended, 2)
    again = launcher | {"TORCHELASTIC_RESTART_COUNT": "1"}
    assert "resuming from step" in ends(forge.run(2, folder, *words("run", settings), **again), 0)
    assert store.check(["charloom/0/started/1", "charloom/1/started/1"])  # no start reads what another one wrote
    (folder / "run" / "launch.txt").unlink()
    assert differences(folder / "run", folder / "whole") == []


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
