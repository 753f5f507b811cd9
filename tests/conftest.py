"""Shared fixtures: small real texts, small networks, a run that is trained once."""

import gc
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # the networks here are so small that two threads only wait for each other
hypothesis.settings.register_profile("charloom", deadline=None)  # a busy machine is not a bug
hypothesis.settings.load_profile("charloom")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
CELLS = ("lstm", "gru", "rnn-tanh", "rnn-relu")


LONGEST = (
    *("test_course", "test_documented_commands", "test_wheel", "test_outputs", "test_study_interrupted"),
    *("test_playground", "test_disk_failures", "test_study_search", "test_unfinished_steps", "test_signals"),
)
"""Files that take a minute or more: they come first, so that no process waits for another at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


def pytest_collection_finish() -> None:
    """Thousands of tests and torch stay to the end: looking through them for garbage took a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(autouse=True)
def ordinary_numbers() -> None:
    """Floating point as Python promises it: training in this process makes the processor take tiny numbers for zero."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Handle Ctrl-C as in a terminal: if the tests run in the background, the shell makes them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real texts next to the project; without it the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip("the shared texts (../shared/data) are not here")
    return SHARED


@pytest.fixture(scope="session")
def docs_text() -> str:
    """The embedded corpus, about 350,000 characters."""
    from charloom.data.datasets import dataset

    return "".join(data.decode() for _, data in dataset("python-docs").read())


@pytest.fixture(scope="session")
def small_text(docs_text: str) -> str:
    """6,000 characters of it."""
    return docs_text[20_000:26_000]


class Standard(io.StringIO):
    """A standard stream that has a `buffer`, as the real ones do."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.buffer = io.BytesIO(text.encode())


@pytest.fixture
def charloom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line in this process, in its own folder: what `main` does, without a new interpreter."""

    def call(*arguments: object, cwd: Path = tmp_path, input: str = "") -> subprocess.CompletedProcess[str]:
        from charloom.cli.main import run

        words = [str(argument) for argument in arguments]
        out, err = Standard(), Standard()
        with monkeypatch.context() as patch:
            patch.chdir(cwd)
            patch.setenv("COLUMNS", "120")
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            patch.setattr(sys, "stdin", Standard(input))
            code = run(words)
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture
def charloom_process(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line in a separate process, in its own folder."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "charloom", *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=tmp_path,
            timeout=300,
        )

    return call


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread for torch: a tiny network is slower with more of them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def needs_bfloat16() -> None:
    """Skips where the processor does not multiply bfloat16: torch refuses an LSTM of it there."""
    from charloom.machine import hardware

    if not hardware._processor_multiplies_bfloat16():
        pytest.skip("this processor does not multiply bfloat16")


@pytest.fixture(params=["float32", "bfloat16"])
def precision(request: pytest.FixtureRequest) -> str:
    """Each number format of training, where the processor has it."""
    if request.param == "bfloat16":
        request.getfixturevalue("needs_bfloat16")
    return str(request.param)


@pytest.fixture
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which every recipe is the smallest."""
    from charloom.training import speed

    monkeypatch.setattr(speed, "characters_per_second", lambda *_: 1000.0)


@pytest.fixture
def as_on_the_command_line() -> Iterator[None]:
    """Messages name settings as flags."""
    from charloom.errors.options import named_as_flags

    with named_as_flags():
        yield


@pytest.fixture
def postgres() -> str:
    """The address of a PostgreSQL for this test; CI starts one."""
    address = os.environ.get("CHARLOOM_TEST_POSTGRES", "")
    if not address:
        assert not os.environ.get("CHARLOOM_TEST_POSTGRES_REQUIRED"), "CI should have started a PostgreSQL"
        pytest.skip("there is no PostgreSQL: CHARLOOM_TEST_POSTGRES is not set (.ci/run starts one)")
    pytest.importorskip("psycopg", reason="PostgreSQL needs the extra tune")
    return address


@pytest.fixture
def released_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache for this test, of which nothing is in use afterwards."""
    from charloom.places import cache, cache_entries

    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    cache._SUBSTITUTES.clear()
    yield tmp_path / "cache"
    for folder in list(cache_entries._USED):
        cache_entries.release(folder)
