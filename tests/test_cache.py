"""The cache of packed and fetched models: complete or absent, whatever other processes do."""

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from charloom.models.model_folder import read_model
from charloom.places import cache, packing
from charloom.places.located import located
from hub_server import Hub
from hub_server import hub as running_hub
from models import small_model, write_folder

Call = Callable[..., subprocess.CompletedProcess[str]]
SOMEBODY = 65534
"""A user who owns nothing here."""

LARGE = 64 << 20


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    cache._SUBSTITUTES.clear()
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(small_model("abc de"), tmp_path_factory.mktemp("made") / "model")


@pytest.fixture
def packed_file(model: Path, tmp_path: Path) -> Path:
    path = tmp_path / "a.zip"
    with path.open("wb") as file:
        packing.pack(model, file)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def python(program: str, *arguments: object, **more: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)  # type: ignore


def said(process: "subprocess.Popen[str]") -> str:
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return out.strip()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", cache.LIST])
@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.write_bytes(b"{}")])
def test_an_unpacked_folder_that_lost_a_file_or_a_part_is_unpacked_again(
    name: str, lose: Callable[[Path], object], packed_file: Path, model: Path
) -> None:
    folder = located(packed_file)
    lose(folder / name)
    assert located(packed_file) == folder
    assert names(folder) == names(model) | {cache.LIST}
    assert read_model(folder).vocabulary.characters == " abcde"


def test_a_file_below_a_folder_of_an_unpacked_run_counts_too(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "run" / "model")
    (tmp_path / "run" / "model" / "words.xz").write_bytes(b"1")
    (tmp_path / "run" / "config.json").write_bytes(b"{}")
    with (tmp_path / "run.zip").open("wb") as file:
        packing.pack(tmp_path / "run", file)
    words = located(tmp_path / "run.zip") / "model" / "words.xz"
    words.unlink()
    assert located(tmp_path / "run.zip") == words.parent.parent and words.read_bytes() == b"1"


FILL = """
import pathlib, sys, time
from charloom.places import cache
def fill(folder):
    with open(sys.argv[1], "a") as log:
        log.write("filled\\n")
    for name in ("config.json", "vocabulary.json", "model.safetensors", "words.xz"):
        (folder / name).write_text(name)
        time.sleep(0.05)
folder = cache.filled(pathlib.Path("packed/entry"), fill)
print(folder, sorted(path.name for path in folder.iterdir()))
"""


@pytest.mark.parametrize("before", ["nothing", "a part"])
def test_processes_that_want_the_same_folder_at_once_fill_it_once(before: str, tmp_path: Path, own_cache: Path) -> None:
    entry = own_cache / "packed" / "entry"
    if before == "a part":
        entry.mkdir(parents=True)
        (entry / "config.json").write_text("{}")
    processes = [python(FILL, tmp_path / "log") for _ in range(5)]
    answers = {said(process) for process in processes}
    files = sorted([cache.LIST, "config.json", "vocabulary.json", "model.safetensors", "words.xz"])
    assert answers == {f"{entry} {files}"}
    assert (tmp_path / "log").read_text() == "filled\n"


HANG = """
import pathlib, time
from charloom.places import cache
def fill(folder):
    (folder / "config.json").write_text("half")
    print("begun", flush=True)
    time.sleep(600)
cache.filled(pathlib.Path("packed/entry"), fill)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_what_a_killed_process_left_is_swept_and_what_a_running_one_has_is_not(
    packed_file: Path, own_cache: Path
) -> None:
    process = python(HANG)
    assert process.stdout and process.stdout.readline() == "begun\n"
    half = own_cache / "packed" / ".new-entry"
    located(packed_file)
    assert names(half) == {"config.json"}  # of a process that is at work
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (located(packed_file) / "config.json").unlink()
    located(packed_file)
    assert not half.exists()


def test_what_others_keep_around_the_cache_stays(packed_file: Path, own_cache: Path) -> None:
    own = own_cache / "letters" / ".new-draft"
    own.mkdir(parents=True)
    located(packed_file)
    assert own.is_dir() and names(own.parent) == {".new-draft"}


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
def test_a_process_waits_for_the_one_that_fills_and_takes_over_if_that_is_killed(
    tmp_path: Path, own_cache: Path
) -> None:
    first = python(HANG)
    assert first.stdout and first.stdout.readline() == "begun\n"
    second = python(FILL, tmp_path / "log")
    time.sleep(0.5)
    assert second.poll() is None and not (tmp_path / "log").exists()
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert "words.xz" in said(second)
    assert not (own_cache / "packed" / ".new-entry").exists()


GROWTH = """
import pathlib, sys
from charloom.places.located import located
def peak():
    status = pathlib.Path("/proc/self/status").read_text()  # of this program alone; getrusage counts what forked it
    return int(status.split("VmHWM:")[1].split()[0])
located(sys.argv[1])  # what is imported for this counts before
before = peak()
folder = located(sys.argv[2])
print(peak() - before, (folder / "model.safetensors").stat().st_size)
"""


def growth(small: object, large: object) -> int:
    """By how many KiB the memory of a process grows that locates a large model after a small one."""
    kibibytes, size = map(int, said(python(GROWTH, small, large)).split())
    assert size == LARGE
    return kibibytes


@pytest.mark.skipif(sys.platform != "linux", reason="memory in KiB")
def test_a_packed_file_is_unpacked_in_pieces(packed_file: Path, tmp_path: Path) -> None:
    noise = os.urandom(700 << 10)  # so that the whole is not suspiciously compressed
    files = {"config.json": b"{}", "vocabulary.json": b"{}", "words.xz": noise, "model.safetensors": bytes(LARGE)}
    with zipfile.ZipFile(tmp_path / "large.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    assert growth(packed_file, tmp_path / "large.zip") < 8 << 10


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    pytest.importorskip("huggingface_hub")
    with running_hub() as known:
        monkeypatch.setenv("HF_ENDPOINT", known.address)
        yield known


@pytest.mark.skipif(sys.platform != "linux", reason="memory in KiB")
def test_a_model_is_fetched_in_pieces(server: Hub, model: Path) -> None:
    files = {path.name: path.read_bytes() for path in model.iterdir()}
    server.repository("somebody/small").commit(files)
    server.repository("somebody/large").commit(files | {"model.safetensors": bytes(LARGE)})
    assert growth("somebody/small", "somebody/large") < 8 << 10


AS_SOMEBODY = """
import os, sys
from charloom.errors import CharloomError
from charloom.places import cache
from charloom.places.located import located
mine, os.environ[cache.VARIABLE] = os.environ[cache.VARIABLE], sys.argv[3]
located(sys.argv[2])  # imports everything, while this may still read the libraries
os.environ[cache.VARIABLE] = mine
os.setgid(int(sys.argv[1])), os.setuid(int(sys.argv[1]))
try:
    folder = located(sys.argv[2])
    print(folder, *sorted(path.name for path in folder.iterdir()))
except CharloomError as error:
    print(error)
"""
as_root = pytest.mark.skipif(
    getattr(os, "geteuid", lambda: 1)() != 0,
    reason="only root can become another user, and permissions hold for others",
)


@pytest.fixture
def public(packed_file: Path, tmp_path: Path) -> Path:
    """The folder of this test, which others may enter and read."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == 0 and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o055)
    packed_file.chmod(0o644)
    return tmp_path


@as_root
@pytest.mark.parametrize("mode", [0o555, 0o700])
@pytest.mark.parametrize("filled_before", [False, True])
def test_somebody_who_may_not_write_the_cache_uses_a_temporary_folder(
    mode: int, filled_before: bool, public: Path, model: Path, packed_file: Path, own_cache: Path
) -> None:
    if filled_before:
        located(packed_file)
    own_cache.mkdir(exist_ok=True)
    own_cache.chmod(mode)
    before = sorted(own_cache.rglob("*"))
    folder, *files = said(python(AS_SOMEBODY, SOMEBODY, packed_file, public / "warm")).split()
    assert set(files) == names(model) | {cache.LIST}
    readable = filled_before and mode == 0o555
    assert folder.startswith(str(own_cache)) == readable
    assert readable or not Path(folder).exists()  # it went with its process
    assert sorted(own_cache.rglob("*")) == before


@as_root
def test_somebody_who_may_write_nowhere_gets_one_sentence(public: Path, packed_file: Path, own_cache: Path) -> None:
    own_cache.mkdir(mode=0o555)
    closed = public / "closed"
    closed.mkdir(mode=0o755)
    no_places = "import tempfile; tempfile.tempdir = sys.argv[4]\n"
    program = AS_SOMEBODY.replace("try:", f"{no_places}try:", 1)
    answer = said(python(program, SOMEBODY, packed_file, public / "warm", closed))
    assert answer.startswith(f"neither the cache {own_cache} nor the folder for temporary files can be written")
    assert "permission denied" in answer and cache.VARIABLE in answer and "\n" not in answer


def test_where_the_cache_is_a_file_a_temporary_folder_serves(
    packed_file: Path, own_cache: Path, charloom: Call
) -> None:
    own_cache.write_text("mine")
    assert charloom("generate", packed_file, "--length", "5").returncode == 0
    assert own_cache.read_text() == "mine"


@pytest.mark.parametrize("put", [lambda path: path.write_text("rubbish"), lambda path: path.symlink_to("nowhere")])
def test_what_lies_where_a_folder_belongs_is_replaced(put: Callable[[Path], object], packed_file: Path) -> None:
    folder = located(packed_file)
    shutil.rmtree(folder)
    put(folder)
    assert located(packed_file) == folder
    assert folder.is_dir() and not folder.is_symlink()
