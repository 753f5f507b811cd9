"""A damaged or lying model folder or run gives a model or one sentence, and nothing else happens."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import charloom
from charloom.errors import FolderError
from damaged_folders import Entry, Folder, Link, Pipe, Subfolder, bytes_of, file_of, put, read, seal, tensors_of, write
from fuzzing import ELSEWHERE, LONGEST, Outcome, Watch, attempt, flaws, judge, made_of, originals

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="links, pipes, limits and signals as Linux has them")

FUZZING = Path(__file__).with_name("fuzzing.py")


def fuzz(*arguments: str) -> dict[str, Any]:
    """The findings of the campaign, in a separate process: a crash of that process is a finding too."""
    done = subprocess.run([sys.executable, str(FUZZING), "--json", *arguments], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_of_400_damaged_folders_each_loads_or_gives_one_sentence_and_nothing_else_happens() -> None:
    found = fuzz("--folders", "400", "--seed", "0")
    assert found["findings"] == []
    assert found["folders"] == 400
    least = {"loaded": 80, "refused": 120, "resumed": 20, "trained": 1}
    assert {name: found[name] for name in least if found[name] < least[name]} == {}
    assert len(found["sentences"]) > 60, "many different things are wrong with them"


@pytest.mark.slow
def test_of_20000_damaged_folders_each_loads_or_gives_one_sentence_and_nothing_else_happens() -> None:
    found = fuzz("--folders", "20000", "--seed", "0")
    assert found["findings"] == []
    assert found["folders"] == 20_000


@pytest.mark.slow
def test_whichever_value_of_a_json_file_is_replaced_the_folder_loads_or_gives_one_sentence() -> None:
    found = fuzz("--sweep")
    assert found["findings"] == []
    assert found["folders"] > 1500


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Folder]]:
    """Good folders; the working directory has the text and the model that they were made from."""
    with contextlib.chdir(tmp_path_factory.mktemp("fuzzing")):
        folders = originals()
        for folder in folders.values():  # import everything
            judge(write(folder, Path("case")), train=True)
        yield folders


def outcomes_of(folder: Folder, *, sealed: bool = True) -> dict[str, Outcome]:
    """The outcome for a folder, with its checksums made to fit."""
    if sealed:
        seal(folder)
    outcomes = judge(write(folder, Path("case")), train=True)
    assert read(Path("elsewhere")) == ELSEWHERE
    return {outcome.call: outcome for outcome in outcomes}


class Example(NamedTuple):
    """A change to one file of a good folder, and the expected message."""

    folder: str
    file: str
    "Its path, or how that ends; of several, the last."
    change: Callable[[bytes], Entry]
    call: str
    sentence: str | None
    "A regular expression; None where the call must succeed."


def replaced(old: str, new: str) -> Callable[[bytes], bytes]:
    """A change to the text of a file, which must occur at least once."""

    def change(data: bytes) -> bytes:
        changed = re.sub(old.encode(), lambda found: new.encode(), data, count=1)
        assert changed != data, f"{old} is not there"
        return changed

    return change


def line(text: str, encoding: str = "utf-8") -> Callable[[bytes], bytes]:
    """A line appended to a log."""
    return lambda data: data + text.encode(encoding) + b"\n"


def with_shape(shape: object) -> Callable[[bytes], bytes]:
    """The first tensor, declared with another shape."""
    return lambda data: file_of([tensors_of(data)[0]._replace(shape=shape), *tensors_of(data)[1:]])


def with_type(kind: str) -> Callable[[bytes], bytes]:
    """The first tensor, declared with another type."""
    return lambda data: file_of([tensors_of(data)[0]._replace(type=kind), *tensors_of(data)[1:]])


def with_data(byte: bytes) -> Callable[[bytes], bytes]:
    """Tensors that hold nothing but one byte."""
    return lambda data: file_of([tensor._replace(data=byte * len(tensor.data)) for tensor in tensors_of(data)])


def with_doubles(data: bytes) -> bytes:
    """The first tensor in float64."""
    first, *rest = tensors_of(data)
    return file_of([first._replace(type="F64", data=first.data * 2), *rest])


def becomes(entry: Entry) -> Callable[[bytes], Entry]:
    """Something else in place of the file."""
    return lambda data: entry


REFUSED = {
    "a key that occurs twice": Example(
        "model-lstm",
        "config.json",
        replaced('"layers": 1', '"layers": 1, "layers": 1'),
        "load",
        "'layers' occurs twice",
    ),
    "a key that we do not know": Example(
        "model-lstm", "config.json", replaced('"cell"', '"cel"'), "load", "no setting 'cel'"
    ),
    "a whole number in words": Example(
        "model-lstm", "config.json", replaced('"layers": 1', '"layers": "1"'), "load", '"1"'
    ),
    "true for a whole number": Example(
        "model-lstm", "config.json", replaced('"layers": 1', '"layers": true'), "load", "a whole number, not true"
    ),
    "a number beyond every float": Example(
        "model-lstm", "config.json", replaced("0.3", "1e999"), "load", "too large a number"
    ),
    "a whole number beyond 64 bits": Example(
        "model-lstm", "config.json", replaced('"layers": 1', '"layers": 1' + "0" * 400), "load", "too large a number"
    ),
    "not a number": Example("model-lstm", "config.json", replaced("0.3", "NaN"), "load", "NaN is not valid JSON"),
    "lists in lists": Example("model-lstm", "config.json", lambda data: b"[" * 100_000, "load", "nested too deeply"),
    "a character twice": Example(
        "model-lstm", "vocabulary.json", replaced("ab", "aab"), "load", "distinct and in code point order"
    ),
    "half a character": Example(
        "model-lstm", "vocabulary.json", replaced(r"\\u2014", "\\ud800"), "load", "half of a surrogate pair"
    ),
    "weights of another shape": Example("model-lstm", "model.safetensors", with_shape([1]), "load", r"the shape \[1\]"),
    "weights of another type": Example(
        "model-lstm", "model.safetensors", with_doubles, "load", "is float64, not float32"
    ),
    "weights that are not finite": Example("model-lstm", "model.safetensors", with_data(b"\xff"), "load", "not finite"),
    "a folder for a file": Example(
        "model-lstm", "vocabulary.json", becomes(Subfolder()), "load", "is not a file of at most"
    ),
    "a pipe for a file": Example(
        "model-lstm", "model.safetensors", becomes(Pipe()), "load", "is not a file of at most"
    ),
    "a link to itself": Example(
        "model-lstm", "model.safetensors", becomes(Link("model.safetensors")), "load", "cannot be read"
    ),
}
EXAMPLES = {
    "a time without seconds": Example(
        "run-plain", "clock.jsonl", line('{"step": 9}'), "describe", "lacks its step or its"
    ),
    "seconds that are a text": Example(
        "run-plain", "clock.jsonl", line('{"step": 9, "seconds": "a"}'), "describe", "lacks its step or its figures"
    ),
    "a loss without characters": Example(
        "run-plain", "metrics.jsonl", line('{"step": 9, "loss_nats": 1.5}'), "describe", "lacks its step or its figures"
    ),
    "a score without its figure": Example(
        "run-plain", "metrics.jsonl", line('{"step": 9, "validation": {}}'), "describe", "lacks its step or its figures"
    ),
    "a line in another encoding, which Python guesses and imports": Example(
        "run-plain",
        "clock.jsonl",
        lambda data: '{"step": 1, "seconds": 2}'.encode("utf-32-be") + b"\n",
        "describe",
        "not JSON",
    ),
    "a shape that commands the terminal": Example(
        "model-lstm", "model.safetensors", with_shape("\x1b[2J\n"), "load", r'the shape "\\u001b\[2J\\n", but'
    ),
    "a type that commands the terminal": Example(
        "model-lstm", "model.safetensors", with_type("F32\x1b[2J"), "load", r"unknown variant `F32\\x1b\[2J`"
    ),
    "a file name that commands the terminal": Example(
        "run-gru",
        "manifest.json",
        replaced('"files": {', '"files": {"\\u001b": 1,'),
        "resume",
        r"files\.\\x1b should be a text",
    ),
    "an environment that commands the terminal": Example(
        "run-gru",
        "manifest.json",
        replaced('"torch": "', '"torch": "\\u001b'),
        "resume",
        "environment contains unprintable text",
    ),
    "a pointer that commands the terminal": Example(
        "run-plain",
        "checkpoint.json",
        replaced("step-", "step-\\u001b"),
        "resume",
        "does not name a checkpoint of this run",
    ),
    "an interval of fewer than no steps": Example(
        "run-gru",
        "position.json",
        replaced(r'"interval_steps": \d+', '"interval_steps": -1'),
        "resume",
        "interval_steps is -1",
    ),
    "fewer than no symbols": Example(
        "run-gru",
        "position.json",
        replaced(r'"interval_symbols": \d+', '"interval_symbols": -16'),
        "resume",
        "is -16, below 0",
    ),
    "metrics logged every 0 steps": Example(
        "run-plain",
        "config.json",
        replaced(r'"log_every": \d+', '"log_every": 0'),
        "resume",
        r"plan\.log_every is 0, below 1",
    ),
    "validated every 0 steps": Example(
        "run-plain",
        "config.json",
        replaced(r'"validate_every": \d+', '"validate_every": 0'),
        "describe",
        "is 0, below 1",
    ),
    "fewer than no characters to validate on": Example(
        "run-plain",
        "config.json",
        replaced(r'"validation_characters": \d+', '"validation_characters": -1'),
        "resume",
        r"plan\.validation_characters is -1, below 0",
    ),
    "a random stream that torch refuses": Example(
        "run-gru", "random.safetensors", with_data(b"\x00"), "resume", "is not a random state"
    ),
    "a checkpoint that is a link to a folder elsewhere": Example(
        "run-plain", "checkpoints/step-00000001", becomes(Link("../../elsewhere")), "train", None
    ),
    "a log that is a link to a file elsewhere": Example(
        "run-plain", "metrics.jsonl", becomes(Link("../elsewhere/treasure.tmp")), "train", r"metrics\.jsonl is a link"
    ),
    "a lock that is a link to a file elsewhere": Example(
        "run-plain", "lock", becomes(Link("../elsewhere/treasure.tmp")), "train", "lock is a link"
    ),
}
EXAMPLES |= {
    "a log of times that is a folder": Example(
        "run-plain", "clock.jsonl", becomes(Subfolder()), "resume", r"clock\.jsonl"
    ),
    "a log of times that is a pipe": Example("run-plain", "clock.jsonl", becomes(Pipe()), "resume", r"clock\.jsonl"),
    "a text that is a pipe": Example("run-plain", "text.txt", becomes(Pipe()), "resume", r"text\.txt"),
    "a network larger than the one that was trained": Example(
        "run-plain",
        "config.json",
        replaced(r'"hidden_size": \d+', '"hidden_size": 16384'),
        "resume",
        "does not hold the network",
    ),
    "more characters to validate on than there are": Example(
        "run-plain",
        "config.json",
        replaced(r'"validation_characters": \d+', '"validation_characters": 99999'),
        "train",
        None,
    ),
    "a path that commands the terminal": Example(
        "run-plain", "config.json", replaced('"source": "copy"', '"source": "\\u001b"'), "resume", r"\\x1b"
    ),
}


def check(example: Example, good: dict[str, Folder]) -> None:
    folder = dict(good[example.folder])
    ending = [file for file in folder if file.endswith(f"/{example.file}")]
    file = max(ending) if ending and example.file not in folder else example.file
    put(folder, file, example.change(bytes_of(folder, file) if file in folder else b""))
    outcomes = outcomes_of(folder)
    assert {call: outcome.findings for call, outcome in outcomes.items() if outcome.findings} == {}
    assert example.call in outcomes, list(outcomes)
    outcome = outcomes[example.call]
    if example.sentence is None:
        assert outcome.sentence is None
    else:  # refused with this message, or it is a notice if a fallback exists
        said = outcome.sentence or "; ".join(getattr(outcome.value, "notices", ()))
        assert re.search(example.sentence, said), said


@pytest.mark.parametrize("example", REFUSED.values(), ids=REFUSED)
def test_what_is_damaged_or_lies_is_refused_in_one_sentence(example: Example, good: dict[str, Folder]) -> None:
    check(example, good)


def test_however_deeply_a_value_is_nested_it_is_refused_in_one_sentence(good: dict[str, Folder]) -> None:
    path, config = write(good["model-lstm"], Path("case")).absolute(), bytes_of(good["model-lstm"], "config.json")
    for depth in [*range(1, 600, 100), *range(600, 1000), 10_000, 100_000]:
        (path / "config.json").write_bytes(config.replace(b'"layers": 1', b'"layers": ' + b"[" * depth + b"]" * depth))
        outcome = attempt("load", lambda: charloom.load(path), Watch((path,)))
        assert (outcome.findings, outcome.sentence is None) == ([], False), depth


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_what_was_once_a_finding_is_none_any_more(example: Example, good: dict[str, Folder]) -> None:
    check(example, good)


def test_a_stray_file_among_the_checkpoints_is_left_alone(good: dict[str, Folder]) -> None:
    outcomes = outcomes_of(good["run-plain"] | {"checkpoints/.DS_Store": b"a file of the system"})
    assert outcomes["train"].sentence is None
    assert Path("case/checkpoints/.DS_Store").exists()


def test_a_run_whose_model_is_a_link_is_not_trained_but_its_model_is_read(good: dict[str, Folder]) -> None:
    folder = {name: entry for name, entry in good["run-plain"].items() if not name.startswith("model/")}
    outcomes = outcomes_of(folder | {"model": Link("../parent")})
    assert outcomes["resume"].sentence is not None and "model is a link" in outcomes["resume"].sentence
    assert outcomes["load"].sentence is None


# --- what the harness itself can see ---


def test_the_good_folders_load_and_can_be_trained(good: dict[str, Folder]) -> None:
    for name, folder in good.items():
        outcomes = outcomes_of(dict(folder), sealed=False)
        assert all(outcome.sentence is None and not outcome.findings for outcome in outcomes.values()), name
        assert ("train" in outcomes) == name.startswith("run-")


def test_the_same_seed_makes_the_same_folders(good: dict[str, Folder]) -> None:
    for number in range(20):
        assert made_of(good, number, 7) == made_of(good, number, 7)
    assert made_of(good, 1, 7) != made_of(good, 1, 8)


def test_sealing_makes_a_changed_checkpoint_one_that_is_believed(good: dict[str, Folder]) -> None:
    folder = dict(good["run-plain"])
    file = max(name for name in folder if name.endswith("average.safetensors"))
    folder[file] = with_data(b"\x3c")(bytes_of(folder, file))
    said = outcomes_of(dict(folder), sealed=False)["resume"]
    assert said.value.notices and "its checksum is wrong" in said.value.notices[0]
    assert outcomes_of(folder)["resume"].value.notices == ()


def writes(path: Path) -> None:
    (path / "new").write_text("a")


def removes(path: Path) -> None:
    (path / "file").unlink()


def reads_elsewhere(path: Path) -> None:
    (path.parent / "elsewhere" / "treasure.tmp").read_bytes()


def climbs_out(path: Path) -> None:
    (path / ".." / "elsewhere" / "treasure.tmp").read_bytes()


def imports(path: Path) -> None:
    sys.modules.pop("colorsys", None)
    import colorsys

    assert colorsys


def executes(path: Path) -> None:
    exec("1")


def connects(path: Path) -> None:
    import socket

    with socket.socket() as connection:
        connection.settimeout(0.01)
        connection.connect_ex(("127.0.0.1", 9))


def starts_a_process(path: Path) -> None:
    subprocess.run(["true"])


def starts_a_shell(path: Path) -> None:
    os.system("true")


@pytest.mark.parametrize(
    "action",
    [writes, removes, reads_elsewhere, climbs_out, imports, executes, connects, starts_a_process, starts_a_shell],
)
def test_whatever_a_call_may_not_do_is_seen(action: Callable[[Path], None], good: dict[str, Folder]) -> None:
    path = write({"file": b"1"}, Path("case")).absolute()
    assert [
        finding
        for finding in attempt("it", lambda: action(path), Watch((path,))).findings
        if finding.startswith("does")
    ]


def test_reading_within_the_folder_is_no_finding(good: dict[str, Folder]) -> None:
    path = write({"file": b"1"}, Path("case")).absolute()
    assert attempt("it", lambda: (path / "file").read_bytes(), Watch((path,))).findings == []


def test_writing_through_a_link_out_of_a_folder_is_a_finding_where_writing_into_it_is_none(
    good: dict[str, Folder],
) -> None:
    path = write({"file": b"1", "link": Link("../elsewhere/other.tmp")}, Path("case")).absolute()
    assert attempt("it", lambda: (path / "file").write_bytes(b"2"), Watch((path,), (path,))).findings == []
    assert attempt("it", lambda: (path / "link").write_bytes(b"2"), Watch((path,), (path,))).findings
    Path("elsewhere/other.tmp").unlink()


@pytest.mark.parametrize(
    "error", [KeyError("a"), MemoryError(), RecursionError(), SystemExit(2), ValueError("no sentence")]
)
def test_an_error_that_is_not_for_the_user_is_a_finding(error: BaseException) -> None:
    def action() -> None:
        raise error

    assert attempt("it", action, Watch(())).findings[0].startswith(type(error).__name__)


@pytest.mark.parametrize("sentence", ["", " ", "one\ntwo", "\x1b[2J", "one\u2028two", "\ud800", "long " * 500])
def test_what_is_no_sentence_of_one_line_is_a_finding(sentence: str) -> None:
    assert flaws(sentence)


def test_a_sentence_of_one_line_is_no_finding() -> None:
    def action() -> None:
        raise FolderError("this folder is damaged; restore it from a copy")

    assert attempt("it", action, Watch(())).findings == []


def test_a_call_that_takes_longer_than_a_second_is_a_finding() -> None:
    def action() -> None:
        began = time.process_time()
        while time.process_time() - began < LONGEST:
            pass

    assert attempt("it", action, Watch(())).findings[0].startswith("takes ")
