"""Packed runs: one file with the same bytes each time, in place of a folder; damaged and hostile ones are refused."""

import io
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import charloom
import classify_rows
from charloom.errors import FolderError, StorageError
from charloom.models import model_folder
from charloom.models.model_folder import read_model
from charloom.places import cache, contents, packed, packing
from charloom.places.located import located
from charloom.training import start
from models import small_model, write_folder
from tiny_runs import TinyRun, differences, finish

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, in a process that has not unpacked anything yet."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    packed._sum.cache_clear()
    cache._SUBSTITUTES.clear()
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "run"
    finish(TinyRun(steps=6).begin(path))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(small_model("abc de"), tmp_path_factory.mktemp("made") / "model")


def file_of(folder: Path, path: Path) -> Path:
    with path.open("wb") as file:
        packing.pack(folder, file)
    return path


def zipped(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != cache.LIST}


def files_in(folder: Path) -> list[Path]:
    """All files below a folder, without the locks, which stay."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_the_same_content_gives_the_same_bytes(run: Path, tmp_path: Path) -> None:
    first = file_of(run, tmp_path / "a.zip").read_bytes()
    copy = shutil.copytree(run, tmp_path / "copy")
    for number, path in enumerate(sorted(copy.rglob("*"), reverse=True)):
        os.utime(path, (number, number))
    (copy / "notes.txt").write_text("mine")
    (copy / "model" / "model.safetensors").chmod(0o600)
    assert file_of(copy, tmp_path / "b.zip").read_bytes() == first


def test_a_packed_run_has_what_a_run_has_but_not_its_lock_nor_anything_else(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    (copy / "notes.txt").write_text("mine")
    (copy / "model" / "weights.pkl").write_bytes(b"mine")
    with zipfile.ZipFile(file_of(copy, tmp_path / "a.zip")) as archive:
        names = set(archive.namelist())
    whole = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert names == whole - {"lock", "checkpoint.safetensors.previous"}
    assert "text.txt" in names  # this run has its text from a string


def test_an_unpacked_run_resumes_to_the_same_bytes(run: Path, tmp_path: Path) -> None:
    whole = shutil.copytree(run, tmp_path / "whole")
    with zipfile.ZipFile(file_of(run, tmp_path / "a.zip")) as archive:
        archive.extractall(tmp_path / "elsewhere")
    longer = TinyRun(steps=6, extended_to=9)
    for path in (whole, tmp_path / "elsewhere"):
        finish(longer.go_on(path))
    assert differences(tmp_path / "elsewhere", whole) == []


def test_a_packed_file_stands_wherever_a_run_does(run: Path, tmp_path: Path, charloom: Call) -> None:
    done = charloom("pack", run, "--output", "a.zip", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["bytes"] == (tmp_path / "a.zip").stat().st_size
    (tmp_path / "text").write_text("the text\n")
    for command in (
        ["generate", None, "--length", "40", "--json"],
        ["evaluate", None, "--json"],
        ["score", None, "the text", "--json"],
        ["complete", None, "th", "--json"],
        ["compress", None, "text", "--output", "out.cl", "--force", "--json"],
        ["info", None, "--json"],
    ):
        answers = []
        for place in (run, "a.zip"):
            done = charloom(*(place if word is None else word for word in command))
            assert done.returncode == 0, done.stderr
            answer = json.loads(done.stdout)
            for name in ("seconds", "check_seconds", "path"):
                answer.pop(name, None) if isinstance(answer, dict) else None
            answers.append(answer)
        assert answers[0] == answers[1], command[0]


def test_a_packed_run_cannot_be_trained_where_it_is(run: Path, tmp_path: Path, charloom: Call) -> None:
    path = file_of(run, tmp_path / "a.zip")
    before = path.read_bytes()
    for verb in (["train"], ["classify", "train"]):
        done = charloom(*verb, "--resume", "--run", "a.zip")
        assert (done.returncode, done.stdout) == (2, "")
        assert "a.zip" in done.stderr and len(done.stderr.splitlines()) == 1
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_packed_file_stands_for_its_model_in_python(model: Path, tmp_path: Path) -> None:
    path = file_of(model, tmp_path / "model.zip")
    assert "".join(charloom.generate(path, length=30)) == "".join(charloom.generate(model, length=30))
    assert charloom.load(str(path)).weights() == charloom.load(model).weights()


def test_a_packed_file_is_unpacked_once_whatever_its_name(
    model: Path, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = located(file_of(model, tmp_path / "a.zip"))
    monkeypatch.setattr(packed, "_unpack", lambda *_: pytest.fail("it was unpacked again"))
    assert located(shutil.copy(tmp_path / "a.zip", tmp_path / "b")) == first
    assert first.parent == own_cache / "packed"
    assert contents_of(first) == contents_of(model)


def test_another_content_under_the_same_name_is_another_model(model: Path, tmp_path: Path) -> None:
    path = file_of(model, tmp_path / "a.zip")
    first = located(path)
    other = write_folder(small_model("xyz", seed=1), tmp_path / "other")
    file_of(other, path)
    assert located(path) != first
    assert read_model(located(path)).vocabulary.characters == "xyz"


def test_a_folder_packed_by_another_program_is_understood(model: Path, tmp_path: Path) -> None:
    files = {f"my model/{name}": data for name, data in contents_of(model).items()}
    path = zipped(tmp_path / "a.zip", {"my model/": b"", **files, "__MACOSX/x": b""}, zipfile.ZIP_DEFLATED)
    assert contents_of(located(path)) == contents_of(model)


def test_only_files_that_charloom_reads_are_unpacked(run: Path, model: Path, tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", contents_of(model) | {"weights.pkl": b"cos\nsystem", "sub/x.py": b"import os"})
    assert contents_of(located(path)) == contents_of(model)
    unpacked = located(file_of(run, tmp_path / "run.zip"))
    assert not (unpacked / "checkpoints").exists()


def changed(files: dict[str, bytes], name: str, data: bytes) -> dict[str, bytes]:
    return {**files, name: data}


HOSTILE: dict[str, Callable[[Path, Path], object]] = {
    "parent": lambda path, model: zipped(path, changed(contents_of(model), "../../evil.txt", b"x")),
    "absolute": lambda path, model: zipped(path, changed(contents_of(model), "/tmp/evil.txt", b"x")),
    "backslash": lambda path, model: zipped(path, changed(contents_of(model), "..\\evil.txt", b"x")),
    "drive": lambda path, model: zipped(path, changed(contents_of(model), "C:evil.txt", b"x")),
    "link": lambda path, model: with_link(path, contents_of(model)),
    "bomb": lambda path, model: zipped(
        path, changed(contents_of(model), "README.md", bytes(1 << 20)), zipfile.ZIP_DEFLATED
    ),
    "large": lambda path, model: zipped(
        path, changed(contents_of(model), "README.md", bytes((1 << 20) + 1)), zipfile.ZIP_DEFLATED
    ),
    "many": lambda path, model: zipped(path, contents_of(model) | {f"{n}": b"" for n in range(packed.MOST_FILES)}),
    "twice": lambda path, model: twice(path, contents_of(model)),
    "no weights": lambda path, model: zipped(path, {"config.json": b"{}", "vocabulary.json": b"{}"}),
    "nothing": lambda path, model: zipped(path, {"notes.txt": b"hello"}),
    "encrypted": lambda path, model: flagged(zipped(path, contents_of(model))),
    "other method": lambda path, model: zipped(path, contents_of(model), zipfile.ZIP_LZMA),
    "smaller than it says": lambda path, model: lying(path, contents_of(model)),
}


def with_link(path: Path, files: dict[str, bytes]) -> None:
    zipped(path, files)
    with zipfile.ZipFile(path, "a") as archive:
        entry = zipfile.ZipInfo("README.md")
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")


def twice(path: Path, files: dict[str, bytes]) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "w") as archive:
        for name, data in [*files.items(), ("config.json", b"{}")]:
            archive.writestr(name, data)


def flagged(path: Path) -> None:
    """Mark every entry as encrypted, in both places."""
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(signature)
        while place >= 0:
            data[place + offset] |= 1
            place = data.find(signature, place + 1)
    path.write_bytes(data)


def lying(path: Path, files: dict[str, bytes]) -> None:
    """The list says that a compressed file is shorter than it is."""
    zipped(path, changed(files, "README.md", os.urandom(50) * 40), zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    place = data.rfind(b"README.md") - 46
    assert data[place : place + 4] == b"PK\x01\x02"
    data[place + 24 : place + 28] = struct.pack("<I", 100)
    path.write_bytes(data)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_nothing_is_written(
    name: str, model: Path, tmp_path: Path, own_cache: Path, charloom: Call
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    HOSTILE[name](folder / "a.zip", model)
    before = (folder / "a.zip").read_bytes()
    done = charloom("generate", "a.zip", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1 and "a.zip" in done.stderr
    assert files_in(tmp_path) == [folder / "a.zip"]
    assert (folder / "a.zip").read_bytes() == before
    assert not Path("/tmp/evil.txt").exists()


def test_a_damaged_file_is_refused_wherever_it_is_damaged(model: Path, tmp_path: Path, own_cache: Path) -> None:
    whole = file_of(model, tmp_path / "a.zip").read_bytes()
    path = tmp_path / "damaged.zip"
    refused = 0
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        packed._sum.cache_clear()
        try:
            folder = located(path)
        except FolderError as error:
            assert "\n" not in str(error)
            refused += 1
        else:  # not a zip any more, or a byte without meaning
            assert folder == path or contents_of(folder) == contents_of(model)
    assert refused > 100
    for size in (0, 4, 30, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FolderError):
            charloom.load(path)


def test_an_ordinary_file_is_still_no_run(tmp_path: Path, charloom: Call) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    done = charloom("generate", "notes.txt")
    assert done.returncode == 2 and "neither a run nor a model folder" in done.stderr


def test_a_crash_while_unpacking_leaves_nothing_that_is_used(
    model: Path, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(model, tmp_path / "a.zip")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", crash)
        with pytest.raises(KeyboardInterrupt):
            located(path)
    assert files_in(own_cache) == []
    assert contents_of(located(path)) == contents_of(model)


def test_where_the_cache_cannot_be_written_a_temporary_folder_serves(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "cache"))
    path = file_of(model, tmp_path / "a.zip")
    folder = located(path)
    assert contents_of(folder) == contents_of(model)
    packed._sum.cache_clear()
    assert located(path) == folder  # once in a process
    shutil.rmtree(folder)


def test_without_any_place_to_write_there_is_one_sentence(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(model, tmp_path / "a.zip")

    def refuse(*_: object, **__: object) -> str:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(StorageError, match=f"read-only file system.*{cache.VARIABLE}"):
        located(path)


def test_what_packing_refuses(run: Path, tmp_path: Path, charloom: Call) -> None:
    def refused(*arguments: object) -> str:
        done = charloom(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) == 1
        return done.stderr

    assert charloom("pack", run, "--output", "a.zip").returncode == 0
    before = (tmp_path / "a.zip").read_bytes()
    assert "--force" in refused("pack", run, "--output", "a.zip")
    assert "packed already" in refused("pack", "a.zip", "--output", "b.zip")
    assert "nowhere" in refused("pack", "nowhere")
    copy = shutil.copytree(run, tmp_path / "damaged")
    (copy / "model" / "model.safetensors").write_bytes(b"damaged")
    assert "model.safetensors" in refused("pack", copy, "--output", "a.zip", "--force")
    assert (tmp_path / "a.zip").read_bytes() == before
    session = TinyRun(steps=6).begin(tmp_path / "busy")
    assert "is being trained" in refused("pack", "busy")
    assert charloom("pack", "busy/model").returncode == 0
    assert (tmp_path / "busy-model.zip").exists()
    finish(session)


def test_a_classifier_is_packed_too(tmp_path: Path, charloom: Call) -> None:
    classify_rows.finish(classify_rows.begin(classify_rows.small_rows(), tmp_path / "kinds", steps=2))
    assert charloom("pack", "kinds").returncode == 0
    answers = [charloom("classify", "predict", place, "--text", "xyz").stdout for place in ("kinds", "kinds.zip")]
    assert answers[0] == answers[1] != ""


def test_the_end_of_a_zip_is_read_as_python_reads_it(model: Path, tmp_path: Path) -> None:
    """A file with a longer list than its last bytes say, in a second end, is not believed."""
    whole = file_of(model, tmp_path / "a.zip").read_bytes()
    end = whole[-22:]
    for data in (whole + b"x", whole[:-2] + b"\x01\x00x", whole[:-22] + b"PK\x06\x07" + bytes(16) + end):
        path = tmp_path / "b.zip"
        path.write_bytes(data)
        packed._sum.cache_clear()
        with pytest.raises(FolderError, match="end"):
            located(path)
    assert zipfile.ZipFile(io.BytesIO(whole)).namelist()


def test_only_what_charloom_writes_moves_and_only_where_it_writes_it(run: Path, model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    for name in ("README.md", "tokenizer.json", "vocabulary.json", "model.safetensors"):
        (copy / name).write_text("mine")
    file_of(copy, tmp_path / "copy.zip")
    assert (tmp_path / "copy.zip").read_bytes() == file_of(run, tmp_path / "run.zip").read_bytes()
    files = contents_of(model) | {"text.txt": b"mine", "metrics.jsonl": b"", "clock.jsonl": b"mine"}
    assert contents_of(located(zipped(tmp_path / "model.zip", files))) == contents_of(model)


@pytest.mark.parametrize("part", ["", "model/"])
def test_what_reading_would_refuse_is_refused_when_it_is_packed(
    part: str, run: Path, tmp_path: Path, charloom: Call
) -> None:
    copy = shutil.copytree(run, tmp_path / "copy")
    largest = contents.MODEL["README.md"]
    (copy / "model" / "README.md").write_bytes(bytes(largest))
    assert charloom("pack", f"copy/{part}", "--output", "fits.zip").returncode == 0
    assert (located(tmp_path / "fits.zip") / ("" if part else "model") / "README.md").stat().st_size == largest
    (copy / "model" / "README.md").write_bytes(bytes(largest + 1))
    done = charloom("pack", f"copy/{part}", "--output", "a.zip")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert f"README.md has {largest + 1:,} bytes" in done.stderr
    assert not (tmp_path / "a.zip").exists()


def test_a_model_is_loaded_once_when_it_is_packed(run: Path, charloom: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = list[Path]()
    real = model_folder.read_model
    monkeypatch.setattr(model_folder, "read_model", lambda folder: loaded.append(folder) or real(folder))
    assert charloom("pack", run, "--output", "a.zip").returncode == 0
    assert loaded == [run / "model"]


def test_messages_name_what_the_user_named_and_not_the_cache(
    run: Path, model: Path, tmp_path: Path, own_cache: Path, charloom: Call
) -> None:
    damaged = shutil.copytree(model, tmp_path / "damaged")
    (damaged / "vocabulary.json").write_text("{}")
    file_of(damaged, tmp_path / "damaged.zip")
    file_of(model, tmp_path / "model.zip")
    rows = classify_rows.finish(classify_rows.begin(classify_rows.small_rows(), tmp_path / "kinds", steps=2))
    file_of(rows, tmp_path / "kinds.zip")
    for command, word in (
        (["generate", "damaged.zip"], "damaged.zip/vocabulary.json"),
        (["evaluate", "model.zip"], "model.zip is a model folder"),
        (["generate", "kinds.zip"], "kinds.zip/model holds a classifier"),
        (["plot", "model.zip"], "model.zip"),
        (["classify", "predict", "model.zip", "--text", "x"], "model.zip is a language model"),
    ):
        done = charloom(*command)
        assert done.returncode == 2 and word in done.stderr, done.stderr
        assert str(own_cache) not in done.stderr


def test_a_packed_run_is_not_resumed_in_the_cache(run: Path, tmp_path: Path, own_cache: Path) -> None:
    path = file_of(run, tmp_path / "a.zip")
    for resume in (charloom.train, start.resume):
        with pytest.raises(FolderError, match=r"a\.zip is a file, not a run directory.*unpack it first"):
            resume(**{"resume" if resume is charloom.train else "run": path})  # type: ignore[operator]
    with pytest.raises(FolderError, match=r"somebody/letters is not a run directory: there is no such folder"):
        charloom.train(resume="somebody/letters")
    assert not own_cache.exists()


def test_the_documents_list_every_file_that_moves() -> None:
    docs = Path(__file__).resolve().parents[1] / "docs"
    formats = (docs / "reference" / "files-and-formats.md").read_text()
    sections = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", formats, re.DOTALL | re.MULTILINE))
    for table, files in (("A run", contents.RUN), ("A model folder", contents.MODEL | contents.FOR_OTHERS)):
        cells = " ".join(line.split("|")[1] for line in sections[table].splitlines() if line.startswith("| `"))
        listed = {name for name in re.findall(r"`([^`]+)`", cells) if not name.endswith("/")}
        assert listed - {"lock", "launch.txt", "checkpoint.safetensors.previous"} == set(files)
    share = (docs / "how-to" / "share.md").read_text()
    said = next(part for part in share.split("\n\n") if "fetched or unpacked, each up to a size" in part)
    assert set(re.findall(r"`([^`]+)`", said)) == set(contents.MODEL)
