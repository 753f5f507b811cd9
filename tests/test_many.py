"""Many texts at once, verb by verb: N workers equal one, interrupted and called again equals uninterrupted."""

import errno
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charloom import many
from charloom.classify.counts_alone import counts_alone, folder_files
from charloom.classify.model import load_classifier
from charloom.classify.rows import parse_lines
from charloom.cli import rows_shown
from charloom.data import lines as lines_module
from charloom.data.lines import Lines
from charloom.errors import CharloomError, TextError
from charloom.many import groups as groups_module
from charloom.storage import line_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.storage.line_files import LineFile, Mark
from classify_rows import begin, finish, small_rows
from partial_outputs import finished, interrupted

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier with a network."""
    path = tmp_path_factory.mktemp("classifier") / "run"
    return finish(begin(small_rows(200), path, steps=10, hidden_size=16, dropout=0.1, sequence_length=40))


@pytest.fixture(scope="module")
def classifier(network: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of counts alone, for which no worker imports torch."""
    trained = load_classifier(network)
    assert trained.n_grams is not None
    path = tmp_path_factory.mktemp("counts") / "model"
    path.mkdir()
    for name, data in folder_files(counts_alone(trained.n_grams, trained.classes, np.array([5, 6, 7]))).items():
        (path / name).write_bytes(data)
    return path


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of eight rows, so that forty rows are several."""
    monkeypatch.setattr(groups_module, "TOGETHER", 8)


def some_lines(path: Path, count: int = 43) -> Path:
    rows = [f"{text} {number}" for number, text in enumerate(small_rows(count).texts)]
    rows[5], rows[6] = "", "a\ttab"
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The sentence of a refused command."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.usefixtures("small_groups")
def test_a_network_gives_the_bits_of_one_worker(charloom: Command, network: Path, tmp_path: Path) -> None:
    texts = some_lines(tmp_path / "texts.txt")
    command = ("classify", "predict", network, texts, "--json", "--all")
    plain = charloom(*command)
    assert plain.stdout.count("\n") == 43
    assert charloom(*command, "--workers", 2).stdout == plain.stdout


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("flags", [[], ["--json", "--all", "--threshold", "0.6"]])
def test_classes_are_those_of_one_worker_byte_for_byte(
    charloom: Command, classifier: Path, tmp_path: Path, flags: list[str]
) -> None:
    texts = some_lines(tmp_path / "texts.txt")
    plain = charloom("classify", "predict", classifier, texts, *flags)
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.count("\n") == 43
    for count in (1, 2):
        assert charloom("classify", "predict", classifier, texts, *flags, "--workers", count).stdout == plain.stdout
    piped = charloom("classify", "predict", classifier, *flags, "--workers", 1, input=texts.read_text("utf-8"))
    assert piped.stdout == plain.stdout
    charloom("classify", "predict", classifier, texts, *flags, "--output", "out.txt")
    assert (tmp_path / "out.txt").read_text("utf-8") == plain.stdout


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_classes_interrupted_at_any_byte_and_called_again_equal_those_of_one_call(
    charloom: Command, classifier: Path, tmp_path: Path, flags: list[str]
) -> None:
    texts, out = some_lines(tmp_path / "texts.txt"), tmp_path / "out.txt"
    command = ("classify", "predict", classifier, texts, *flags, "--output", out)
    whole, mark = finished(charloom, command, out)
    ends = [place for place, byte in enumerate(whole) if byte == 10]
    for cut in (0, 1, ends[0], ends[0] + 1, ends[7], ends[7] + 1, ends[8] + 1, ends[20] - 3, len(whole) - 1):
        interrupted(out, whole[:cut], mark)
        assert charloom(*command).returncode == 0
        assert sorted(tmp_path.iterdir()) == [out, texts]
        assert out.read_bytes() == whole, cut


def test_what_is_complete_is_not_done_again(charloom: Command, classifier: Path, tmp_path: Path) -> None:
    texts, out = some_lines(tmp_path / "texts.txt"), tmp_path / "out.txt"
    command = ("classify", "predict", classifier, texts, "--output", out)
    whole, mark = finished(charloom, command, out)
    interrupted(out, b"kept\n" * 42 + b"torn", mark)
    assert "42 rows are there already" in charloom(*command).stderr
    assert out.read_bytes() == b"kept\n" * 42 + whole.split(b"\n")[42] + b"\n"
    interrupted(out, b"kept\n" * 44, mark)
    assert "lines that do not belong" in refused(charloom(*command))
    assert charloom(*command, "--force").returncode == 2, "an equal mark is continued, with --force too"


def test_an_output_that_exists_is_left_as_it_is(charloom: Command, classifier: Path, tmp_path: Path) -> None:
    texts, out = some_lines(tmp_path / "texts.txt"), tmp_path / "out.txt"
    command = ("classify", "predict", classifier, texts, "--output", out)
    for there in (b"my precious line", b"", b"lines\nof notes\n"):
        out.write_bytes(there)
        assert "exists; overwrite it with --force" in refused(charloom(*command))
        assert (out.read_bytes(), sorted(tmp_path.iterdir())) == (there, [out, texts])
    out.chmod(0o600)
    assert charloom(*command, "--force").returncode == 0
    assert (out.read_text("utf-8"), out.stat().st_mode & 0o777) == (charloom(*command[:-2]).stdout, 0o600)
    assert "input itself" in refused(charloom("classify", "predict", classifier, texts, "--output", texts, "--force"))
    assert "no folder" in refused(charloom("classify", "predict", classifier, texts, "--output", "no/such/out"))


@pytest.mark.parametrize("change", ["model", "--threshold", "--all", "--json", "input", "verb", "time"])
def test_what_another_call_began_is_refused_and_the_sentence_names_the_difference(
    charloom: Command, classifier: Path, tmp_path: Path, change: str
) -> None:
    texts, out = some_lines(tmp_path / "texts.txt"), tmp_path / "out.txt"
    command: list[object] = ["classify", "predict", classifier, texts, "--output", out]
    _, mark = finished(charloom, command, out)
    interrupted(out, b"a line of another call\n", mark)
    name = f"the {change}"
    if change == "model":
        command[2] = shutil.copytree(classifier, tmp_path / "model")
        trained = tmp_path / "model" / "config.json"
        trained.write_bytes(trained.read_bytes() + b"\n")
    elif change == "input":
        texts.write_bytes(texts.read_bytes() + b"one more\n")
    elif change == "time":
        os.utime(texts, ns=(0, 0))
        name = "the input"
    elif change == "verb":
        interrupted(out, b"a line of another call\n", mark.replace(b"classify predict", b"generate"))
    else:
        command += [change, "0.6"] if change == "--threshold" else [change]
        name = change
    said = refused(charloom(*command))
    assert f"was begun by a call that differs in {name}; remove it, or start again with --force" in said
    assert out.with_name("out.txt.partial").read_bytes() == b"a line of another call\n"
    assert not out.exists()
    assert charloom(*command, "--force").returncode == 0
    assert out.read_bytes().count(b"\n") == texts.read_bytes().count(b"\n")


@pytest.mark.parametrize("mark", [None, b"", b"[]", b"{}", b'{"verb": 1}', b"[" * 100_000, b" " * (2 << 20)])
def test_a_partial_file_without_a_mark_of_ours_is_left_as_it_is(
    charloom: Command, classifier: Path, tmp_path: Path, mark: bytes | None
) -> None:
    texts, out = some_lines(tmp_path / "texts.txt"), tmp_path / "out.txt"
    command = ("classify", "predict", classifier, texts, "--output", out)
    partial, marked = tmp_path / "out.txt.partial", tmp_path / "out.txt.partial.json"
    partial.write_bytes(b"notes")
    if mark is not None:
        marked.write_bytes(mark)
    assert "has no mark of ours" in refused(charloom(*command))
    assert partial.read_bytes() == b"notes"
    assert (marked.read_bytes() if marked.exists() else None) == mark
    partial.unlink()
    assert charloom(*command).returncode == (0 if mark is None else 2)
    assert charloom(*command, "--force").returncode == 0
    assert sorted(tmp_path.iterdir()) == [out, texts]


def test_only_one_call_writes_an_output(charloom: Command, classifier: Path, tmp_path: Path) -> None:
    texts, out = some_lines(tmp_path / "texts.txt"), tmp_path / "out.txt"
    command = ("classify", "predict", classifier, texts, "--output", out)
    with LineFile(out, Mark("verb", "model", "input", {})) as file:
        file.append(b"the first call\n")
        for more in ([], ["--force"]):
            assert "is being written by another call" in refused(charloom(*command, *more))
    assert out.read_bytes() == b"the first call\n"


def test_the_rows_of_a_pipe_cannot_be_recognized(charloom: Command, classifier: Path, tmp_path: Path) -> None:
    texts, out = some_lines(tmp_path / "texts.txt"), tmp_path / "out.txt"
    command = ("classify", "predict", classifier, "--output", out)
    text = texts.read_text("utf-8")
    _, mark = finished(charloom, (*command[:-2], texts, *command[-2:]), out)
    interrupted(out, b"some\n", json.dumps(json.loads(mark) | {"input": ""}).encode())
    assert "cannot be recognized" in refused(charloom(*command, input=text))
    assert charloom(*command, "--force", input=text).returncode == 0
    assert out.read_text("utf-8") == charloom(*command[:-2], texts).stdout


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("count", [1, 2])
def test_a_bad_line_is_named_and_the_lines_before_it_are_answered(
    charloom: Command, classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"a line\n" * 19 + b"bad \xff line\n" + b"after\n")
    done = charloom("classify", "predict", classifier, bad, "--workers", count)
    assert "line 20, is not UTF-8" in refused(done)
    assert done.stdout.count("\n") == 19
    monkeypatch.setattr(lines_module, "LONGEST", 1 << 20)
    bad.write_bytes(b"a line\n" * 19 + b"x" * ((1 << 20) + 1) + b"\n")
    done = charloom("classify", "predict", classifier, bad, "--workers", 1)
    assert "line 20, is longer than 1 MiB" in refused(done)
    assert done.stdout.count("\n") == 19


def test_workers_that_make_no_sense_are_one_sentence(charloom: Command, classifier: Path, tmp_path: Path) -> None:
    texts = some_lines(tmp_path / "texts.txt")
    for count, sentence in ((0, "at least 1"), (100_000, "give at most")):
        assert sentence in refused(charloom("classify", "predict", classifier, texts, "--workers", count))
    assert "many texts" in refused(charloom("classify", "predict", classifier, "--text", "one", "--workers", 2))
    missing = refused(charloom("classify", "predict", tmp_path / "none", texts, "--workers", 2))
    assert "there is no run or model folder" in missing


def test_an_iterator_gives_the_classes_of_the_classifier(classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups_module, "TOGETHER", 8)
    texts = list(small_rows(30).texts)
    whole = [each for n in range(0, 30, 8) for each in load_classifier(classifier).predict(texts[n : n + 8])]
    for count in (None, 1, 2):
        assert list(many.predict(classifier, iter(texts), workers=count)) == whole
    with pytest.raises(TextError, match="list"):
        list(many.predict(classifier, "one text"))
    with pytest.raises(TextError):
        list(many.predict(classifier, ["one", 2]))  # type: ignore[list-item]
    with pytest.raises(CharloomError, match="give the path"):
        many.predict(load_classifier(classifier), texts)  # type: ignore[arg-type]


@settings(max_examples=80)
@given(st.binary(max_size=60).map(lambda data: data.replace(b"\xef\xbb\xbf", b"")), st.booleans())
def test_lines_of_a_stream_are_those_of_the_whole_file(data: bytes, mark: bool) -> None:
    data = b"\xef\xbb\xbf" * mark + data
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        try:
            whole: object = parse_lines(data, "standard input")
        except TextError as error:
            whole = str(error)
        try:
            found: object = list(Lines("-"))
        except TextError as error:
            found = str(error)
    if isinstance(whole, str) and "control characters" not in whole and "not text" not in whole:
        assert isinstance(found, str)
        assert found.split(";")[0] == whole.split(";")[0]
    else:
        assert found == whole


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=5).map(lambda data: data.replace(b"\n", b"")), max_size=8), st.data())
def test_a_line_file_keeps_what_it_is_asked_to_keep(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("lines") / "file"
    torn, kept = data.draw(st.sampled_from([b"", b"torn"])), data.draw(st.integers(0, len(lines)))
    mark = Mark("verb", "model", "input", {})
    interrupted(path, b"".join(line + b"\n" for line in lines) + torn, strict_json.dump(mark))
    with LineFile(path, mark) as file:
        there = []
        for line in file.lines():
            there.append(line)
            if len(there) == kept:
                file.keep()
        file.append(b"one\n")
        file.append(b"two\n")
    assert there == lines
    assert path.read_bytes() == b"".join(line + b"\n" for line in [*lines[:kept], b"one", b"two"])


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_a_call_that_is_ended_keeps_what_it_wrote_and_is_continued(
    charloom: Command, classifier: Path, tmp_path: Path, number: signal.Signals
) -> None:
    texts, out = tmp_path / "texts.txt", tmp_path / "out.txt"
    partial = tmp_path / "out.txt.partial"
    texts.write_text("".join(f"the text of line {number}\n" for number in range(30_000)))
    words = ["classify", "predict", str(classifier), str(texts), "--workers", "2", "--output", str(out)]
    with subprocess.Popen([sys.executable, "-m", "charloom", *words], stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 100
        while not (partial.exists() and partial.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        said = process.communicate(timeout=100)[1]
    assert process.returncode == (130 if number == signal.SIGINT else -9), said
    assert "Traceback" not in said
    rows = partial.read_bytes().split(b"\n")[:-1]
    assert 0 < len(rows) < 30_000
    again = charloom(*words)
    assert (again.returncode, f"{len(rows):,} rows are there already" in again.stderr) == (0, True), again.stderr
    assert out.read_bytes().split(b"\n")[: len(rows)] == rows
    assert [row.split(b"\t")[2] for row in out.read_bytes().splitlines()] == texts.read_bytes().splitlines()
    assert sorted(tmp_path.iterdir()) == [out, texts]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full device as Linux has it")
@pytest.mark.parametrize(("door", "code", "said"), [("full", 2, "no space left on device"), ("gone", 0, "")])
def test_results_that_cannot_be_written_end_the_workers_too(
    classifier: Path, tmp_path: Path, door: str, code: int, said: str
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("a line of text\n" * 5_000)
    command = [sys.executable, "-m", "charloom", "classify", "predict", str(classifier), str(texts), "--workers", "2"]
    if door == "full":
        out = os.open("/dev/full", os.O_WRONLY)
    else:
        nobody, out = os.pipe()
        os.close(nobody)
    with subprocess.Popen(command, stdout=out, stderr=subprocess.PIPE, text=True) as process:
        os.close(out)
        error = process.communicate(timeout=100)[1]  # ends when no process holds it any longer
    assert (process.returncode, "Traceback" in error) == (code, False), error
    assert error.count("\n") == bool(said)
    assert said in error


class FullDisk(Disk):
    """A disk with room for some bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def write(self, file: int, data: memoryview) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        some = data[: self.room]
        self.room -= len(some)
        return super().write(file, some)


def test_a_disk_that_is_full_keeps_what_was_written_and_the_call_is_continued(
    charloom: Command, classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_module, "TOGETHER", 8)
    texts = some_lines(tmp_path / "texts.txt")
    command = ("classify", "predict", classifier, texts, "--output", "out.txt")
    whole, mark = finished(charloom, command, tmp_path / "out.txt")
    (tmp_path / "out.txt").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(line_files, "Disk", lambda: FullDisk(len(mark) + len(whole) // 2))
        assert "no space is left on the disk" in refused(charloom(*command))
    assert (tmp_path / "out.txt.partial").read_bytes() == whole[: len(whole) // 2]
    assert charloom(*command).returncode == 0
    assert (tmp_path / "out.txt").read_bytes() == whole


def test_how_far_the_rows_are_is_shown_on_standard_error_alone(
    charloom: Command, classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_module, "TOGETHER", 8)
    monkeypatch.setattr(rows_shown, "LINE_SECONDS", 0.0)
    texts = some_lines(tmp_path / "texts.txt")
    done = charloom("classify", "predict", classifier, texts, "--output", "out.txt")
    assert done.stdout == ""
    shown = done.stderr.splitlines()
    assert [re.sub(r" +[\d,.]+ a second.*", "", line) for line in shown[-2:]] == ["100%  40 texts", "100%  43 texts"]
    console = rows_shown.Console(file=(screen := io.StringIO()), force_terminal=True, width=100)
    monkeypatch.setattr(rows_shown, "Console", lambda stderr: console)
    monkeypatch.setattr(rows_shown, "BAR_SECONDS", 0.0)
    done = charloom("classify", "predict", classifier, texts, "--output", "out.txt", "--force")
    assert (done.stdout, "43 texts" in screen.getvalue()) == ("", True)
