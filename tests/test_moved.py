"""A run whose text has moved: its new place can be given, and is accepted only for the same text."""

import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from classify_rows import as_tsv, small_rows

Call = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ("--steps", 3, "--network.hidden-size", 8, "--network.embedding-size", 4, "--training.batch-size", 4)


@pytest.fixture
def moved(tmp_path: Path, charloom: Call, docs_text: str) -> dict[str, object]:
    """A run called `run` whose text.txt is now new.txt; returns its earlier figures."""
    (tmp_path / "text.txt").write_text(docs_text[:5_000])
    (tmp_path / "other.txt").write_text(docs_text[:600])
    assert charloom("train", "text.txt", "--run", "run", *SMALL).returncode == 0
    before = json.loads(charloom("evaluate", "run", "--json").stdout)
    (tmp_path / "text.txt").rename(tmp_path / "new.txt")
    return before


def refused(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        (("evaluate", "run"), "name where it is now with --text"),
        (("report", "run"), "name where it is now with --text"),
        (("train", "--resume", "--run", "run"), "name where it is now with --text"),
        (("correct", "run", "teh text"), "name where it is now with --text after a passage"),
        (("evaluate", "run", "--text", "other.txt", "--baselines"), "charloom train --resume --run run --text NEW"),
    ],
)
def test_a_text_that_was_moved_is_missed_with_the_way_to_name_it(
    moved: object, charloom: Call, command: tuple[str, ...], remedy: str
) -> None:
    said = refused(charloom(*command))
    assert "the text of run is no longer at" in said
    assert remedy in said


def test_evaluate_takes_the_moved_text_for_the_runs_own(moved: object, charloom: Call) -> None:
    assert json.loads(charloom("evaluate", "run", "--text", "new.txt", "--json").stdout) == moved
    part = json.loads(charloom("evaluate", "run", "--text", "new.txt", "--split", "train", "--json").stdout)
    assert part["characters"] == 4_500
    assert "the validation part of text" in charloom("evaluate", "run", "--text", "new.txt").stdout
    other = json.loads(charloom("evaluate", "run", "--text", "other.txt", "--json").stdout)
    assert other["characters"] == 600
    said = refused(charloom("evaluate", "run", "--text", "other.txt", "--split", "train"))
    assert "other.txt is not the text that run was started with" in said


def test_evaluate_takes_the_moved_text_from_standard_input_and_compressed(
    moved: object, charloom: Call, tmp_path: Path
) -> None:
    text = (tmp_path / "new.txt").read_text()
    assert json.loads(charloom("evaluate", "run", "--text", "-", "--json", input=text).stdout) == moved
    (tmp_path / "new.gz").write_bytes(gzip.compress(text.encode()))
    assert json.loads(charloom("evaluate", "run", "--text", "new.gz", "--json").stdout) == moved


def test_a_run_that_is_resumed_with_its_moved_text_remembers_it(moved: object, charloom: Call, tmp_path: Path) -> None:
    config = tmp_path / "run" / "config.json"
    before = config.read_bytes()
    said = refused(charloom("train", "--resume", "--run", "run", "--text", "other.txt"))
    assert "other.txt is not the text that run was started with" in said
    assert "name it with --text" in refused(charloom("train", "new.txt", "--resume", "--run", "run"))
    assert config.read_bytes() == before
    done = charloom("train", "--resume", "--run", "run", "--text", "new.txt", "--steps", 5, "--json")
    assert json.loads(done.stdout)["resumed_from"] == 3
    assert charloom("evaluate", "run").returncode == 0
    assert json.loads(config.read_text())["text"]["source"] == str((tmp_path / "new.txt").resolve())


def test_correct_takes_the_moved_text_beside_a_passage(moved: object, charloom: Call) -> None:
    for passage, given in (("the text", ""), ("-", "the text\n")):
        done = charloom("correct", "run", passage, "--text", "new.txt", input=given)
        assert (done.returncode, done.stdout) == (0, "the text\n")
    said = refused(charloom("correct", "run", "the text", "--text", "other.txt"))
    assert "give one text" in said
    assert "other.txt is not the text that run was started with" in said


def test_the_text_of_another_encoding_is_known_again(charloom: Call, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes(("Größe und Maß. " * 100).encode("cp1252"))
    assert charloom("train", "text.txt", "--run", "run", "--encoding", "cp1252", *SMALL).returncode == 0
    before = charloom("evaluate", "run", "--json").stdout
    (tmp_path / "text.txt").rename(tmp_path / "new.txt")
    assert charloom("evaluate", "run", "--text", "new.txt", "--encoding", "cp1252", "--json").stdout == before


def test_the_rows_of_a_classifier_may_be_moved(charloom: Call, tmp_path: Path) -> None:
    data = as_tsv(small_rows(60), tmp_path / "data.tsv")
    sizes = ("--steps", 2, "--network.hidden-size", 4)
    assert charloom("classify", "train", data, "--run", "run", *sizes).returncode == 0
    before = charloom("classify", "evaluate", "run", "--json").stdout
    data.rename(tmp_path / "new.tsv")
    as_tsv(small_rows(60, seed=5), tmp_path / "other.tsv")
    for command in (("evaluate", "run"), ("train", "--resume", "--run", "run")):
        assert "charloom classify train --resume --run run --data NEW" in refused(charloom("classify", *command))
    resume = ("classify", "train", "--resume", "--run", "run", "--data")
    assert "holds other rows" in refused(charloom(*resume, "other.tsv"))
    assert charloom(*resume, "new.tsv").returncode == 0
    assert charloom("classify", "evaluate", "run", "--json").stdout == before
