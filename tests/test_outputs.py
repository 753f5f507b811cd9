"""What every verb does if its results or messages cannot be written: one sentence, or its work; no traceback."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charloom.cli.main import GROUPS, VERBS
from hub_server import hub
from models import small_model, write_folder
from selected import selected

Call = Callable[..., subprocess.CompletedProcess[str]]

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the commands are forked")

SMALL = ("--network.hidden-size", "8", "--network.embedding-size", "4")

COMMANDS: dict[str, tuple[str, ...]] = {
    "train": ("text.txt", "--steps", "2", "--json", *SMALL),
    "generate": ("run", "--length", "300"),
    "evaluate": ("run", "--json"),
    "score": ("run", "to be"),
    "report": ("run", "--written", "0", "--text", "short.txt"),
    "compress": ("run", "short.txt", "--force"),
    "decompress": ("run", "archive.cl", "--force"),
    "complete": ("run", "th"),
    "correct": ("run", "to be or not"),
    "classify train": ("rows.tsv", "--steps", "2", "--json", *SMALL),
    "classify predict": ("classifier", "--text", "to be"),
    "classify evaluate": ("classifier", "rows.tsv"),
    "classify explain": ("classifier", "--text", "to be"),
    "info": ("run",),
    "plot": ("run", "--output", "curve.png"),
    "study": ("--run", "study"),
    "bench": ("run", "--seconds", "0.01"),
    "course": ("lessons", "--force"),
    "data list": (),
    "data fetch": ("python-docs",),
    "data show": ("python-docs",),
    "data cache": (),
    "models list": (),
    "models show": ("english",),
    "pack": ("run", "--output", "run.zip", "--force"),
    "push": ("run", "you/letters", "--yes"),
    "pull": ("you/letters",),
    "export": ("run", "--web", "site"),
}
"""A command of every verb that prints something."""

ENDLESS = {"serve"}
"""Verbs that go on until a signal comes; test_server_process ends them."""

NO_VERB: dict[str, tuple[str, ...]] = {"--help": (), "--version": (), **{f"{verb} --help": () for verb in VERBS}}

FULL = ("output full", "errors full") if Path("/dev/full").exists() else ()

DOORS = tuple(
    door
    for door in ("output full", "output closed", "nobody reads", "errors full", "errors closed", "nobody reads errors")
    if "full" not in door or door in FULL
)

SLOW = {"report", "study", "bench", "classify train"}
"""Verbs that take seconds are tried only at the first door; the doors are the same for all."""


def tried_at(*doors: str) -> list[Any]:
    """Each door with each command tried at it: every verb at the first, and at each of the others, whose code is the
    same for all verbs, a third of them; the slow suite has the rest."""
    found = []
    for number, door in ((DOORS.index(door), door) for door in doors):
        for place, name in enumerate(COMMANDS):
            if number == 0 or name not in SLOW:
                later = number > 0 and (place + number) % 3 != 0
                found.append(pytest.param(door, name, marks=[pytest.mark.slow] * later))
        found += [pytest.param(door, name) for name in NO_VERB if number < 2]
    return found


def verbs() -> set[str]:
    """Every verb of the command line, including those in groups."""
    from importlib import import_module

    found = {verb for verb in VERBS if verb not in GROUPS}
    for group in GROUPS:
        app = import_module(f"charloom.cli.{group}").app
        found |= {f"{group} {name}" for name in app if not name.startswith("-")}
    return found


def test_every_verb_is_among_those_that_are_tried() -> None:
    assert set(COMMANDS) == verbs() - ENDLESS


@pytest.fixture(scope="module")
def results(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, docs_text: str
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """How each command that is asked for ended at its door."""
    folder = tmp_path_factory.mktemp("doors")
    (folder / "text.txt").write_text(docs_text[20_000:24_000])
    (folder / "short.txt").write_text(docs_text[20_000:20_400])
    rows = [
        f"{'long' if len(line) > 60 else 'short'}\t{line}" for line in docs_text[20_000:26_000].splitlines() if line
    ]
    (folder / "rows.tsv").write_text("\n".join(line.replace("\t", " ", line.count("\t") - 1) for line in rows) + "\n")
    preparing = [
        ("train", "text.txt", "--steps", "2", "--run", "run", *SMALL),
        ("classify", "train", "rows.tsv", "--steps", "2", "--run", "classifier", *SMALL),
        ("compress", "run", "short.txt", "--output", "archive.cl"),
        ("study", "text.txt", "--layers", "1", "--characters", "900", "--run", "study", *SMALL),
    ]
    asked = [("", list(words)) for words in preparing]
    commands = COMMANDS | NO_VERB
    cases = selected(request, "door", "name")
    asked += [(door, [*name.split(), *commands[name]]) for door, name in cases]
    with hub() as known:
        names = {"HF_ENDPOINT": known.address, "HF_TOKEN": "a", "HF_HUB_DISABLE_XET": "1"}
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("doors.py")), str(folder)],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            env=os.environ | names | {"CHARLOOM_CACHE": str(folder / "cache")},
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    for ended in found[: len(preparing)]:
        assert ended["code"] == 0, ended
    return dict(zip(cases, found[len(preparing) :], strict=True))


def ended(results: dict[tuple[Any, ...], dict[str, Any]], door: str, name: str) -> dict[str, Any]:
    found = results[door, name]
    assert "Traceback" not in found["err"], found["err"]
    assert "Exception ignored" not in found["err"], found["err"]
    return found


LOST = {"output full": "standard output cannot be written: no space left", "output closed": "standard output is closed"}


@needs_fork
@pytest.mark.parametrize(("door", "name"), tried_at(*(door for door in DOORS if door in LOST)))
def test_results_that_cannot_be_written_are_an_error(
    door: str, name: str, results: dict[tuple[Any, ...], dict[str, Any]]
) -> None:
    found = ended(results, door, name)
    assert found["code"] == 2
    said = [line for line in found["err"].splitlines() if line.startswith("charloom: ")]
    assert len(said) == 1
    assert LOST[door] in said[0]


@needs_fork
@pytest.mark.parametrize(("door", "name"), tried_at("nobody reads"))
def test_results_that_nobody_reads_are_none(
    door: str, name: str, results: dict[tuple[Any, ...], dict[str, Any]]
) -> None:
    found = ended(results, door, name)
    assert found["code"] == 0
    assert "charloom: " not in found["err"]


@needs_fork
@pytest.mark.parametrize(("door", "name"), tried_at(*(door for door in DOORS if "errors" in door)))
def test_messages_that_cannot_be_written_end_nothing(
    door: str, name: str, results: dict[tuple[Any, ...], dict[str, Any]]
) -> None:
    found = ended(results, door, name)
    assert found["code"] == 0
    assert found["out"]


def shell(command: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", "-c", command.replace("charloom", f"'{sys.executable}' -m charloom")],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.skipif(os.name != "posix", reason="a shell's redirections")
@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("charloom --version >&-", 2, "standard output is closed"),
        ("charloom data list >/dev/full", 2, "no space left"),
        ("charloom nonsense 2>&-", 2, ""),
        ("charloom nonsense >&- 2>&-", 2, ""),
        ("charloom data list | head -c 1 >/dev/null", 0, ""),
        ("charloom data list 2>&- >out && test -s out", 0, ""),
        ("charloom data list <&- >out && test -s out", 0, ""),
        ("charloom train - <&-", 2, "standard input is empty"),
        ("charloom train - <&- >&-", 2, "standard input is empty"),
    ],
)
def test_a_process_of_its_own_does_the_same(command: str, code: int, words: str, tmp_path: Path) -> None:
    if "/dev/full" in command and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    done = shell(command, tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stderr.count("\n") == (1 if words else 0)


@pytest.mark.skipif(os.name != "posix", reason="a shell's redirections")
def test_no_file_takes_the_place_of_a_closed_output(tmp_path: Path, docs_text: str) -> None:
    """The next opened file would get the descriptor of a closed standard output, and results would go into it."""
    (tmp_path / "text.txt").write_text(docs_text[20_000:24_000])
    small = "--network.hidden-size 8 --network.embedding-size 4 --steps 2 --json"
    assert shell(f"charloom train text.txt {small} --run whole", tmp_path).returncode == 0
    assert shell(f"charloom train text.txt {small} --run closed >&- 2>&-", tmp_path).returncode == 2
    names = [path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file()]
    for name in names:
        if name.name not in ("clock.jsonl", "lock"):
            assert (tmp_path / "closed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


# --- compressed files on standard streams ---


@pytest.fixture(scope="module")
def coder(tmp_path_factory: pytest.TempPathFactory, docs_text: str) -> Path:
    folder = tmp_path_factory.mktemp("coder")
    write_folder(small_model(docs_text[:4000]), folder / "model")
    (folder / "a.txt").write_text(docs_text[:300])
    return folder


@pytest.mark.skipif(os.name != "posix", reason="a shell's pipes")
@pytest.mark.parametrize("json_flag", ["", "--json"])
def test_a_file_is_compressed_and_given_back_through_pipes(json_flag: str, coder: Path, tmp_path: Path) -> None:
    shutil.copytree(coder, tmp_path, dirs_exist_ok=True)
    done = shell(
        f"charloom compress model - --output - {json_flag} <a.txt 2>first >a.cl && "
        f"charloom decompress model - --output - {json_flag} <a.cl 2>second >b.txt",
        tmp_path,
    )
    assert done.returncode == 0, (tmp_path / "second").read_text()
    assert (tmp_path / "b.txt").read_bytes() == (tmp_path / "a.txt").read_bytes()
    size, coded = ((tmp_path / name).stat().st_size for name in ("a.txt", "a.cl"))
    first, second = ((tmp_path / name).read_text() for name in ("first", "second"))
    if json_flag:
        assert (json.loads(first)["output"], json.loads(first)["compressed_bytes"]) == ("-", coded)
        assert json.loads(second) | {"seconds": 0} == {"output": "-", "bytes": size, "seconds": 0}
    else:
        assert first.startswith(f"standard output: {size} bytes became {coded}")
        assert second == f"standard output: {size} bytes\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.cl", "a.txt", "b.txt", "first", "model", "second"]


@pytest.mark.skipif(os.name != "posix", reason="a shell's pipes")
def test_a_damaged_file_gives_nothing_on_standard_output(coder: Path, tmp_path: Path) -> None:
    shutil.copytree(coder, tmp_path, dirs_exist_ok=True)
    assert shell("charloom compress model a.txt", tmp_path).returncode == 0
    data = bytearray((tmp_path / "a.txt.cl").read_bytes())
    data[-1] ^= 1
    (tmp_path / "a.txt.cl").write_bytes(data)
    done = shell("charloom decompress model a.txt.cl --output -", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("charloom: a.txt.cl cannot be decompressed: ")


# --- what contradicts itself ---


def test_a_text_with_a_length_and_without_an_end_is_refused(coder: Path, charloom: Call) -> None:
    for words in (("--length", 20, "--endless"), ("--endless", "--length=500")):
        done = charloom("generate", coder / "model", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "give only one of --length and --endless" in done.stderr
