"""Models on a hub in place of a folder: fetched once and checked; nothing damaged, hostile or half fetched is used."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import charloom
import charloom as library
import classify_rows
from charloom.errors import FolderError, MissingExtraError
from charloom.places import cache, contents, hub, notices
from charloom.places.addresses import Address, address
from charloom.places.located import lasting_name, located
from hub_server import Hub
from hub_server import hub as running_hub
from models import small_model, write_folder
from tiny_runs import TinyRun, finish

pytest.importorskip("huggingface_hub")

Call = Callable[..., subprocess.CompletedProcess[str]]
NAME = "somebody/letters"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, a home without tokens, and no folder here that could be meant."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.chdir(tmp_path)
    cache._SUBSTITUTES.clear()
    cache._REMEMBERED.clear()
    return tmp_path / "cache"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub() as known:
        monkeypatch.setenv("HF_ENDPOINT", known.address)
        yield known


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(small_model("abc de\n"), tmp_path_factory.mktemp("made") / "model")


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != cache.LIST}


def other_model(path: Path, text: str = "xyz ") -> dict[str, bytes]:
    return files_of(write_folder(small_model(text, seed=3), path))


def everything(folder: Path) -> dict[str, bytes]:
    """All files below a folder, without the locks, which stay."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def refused(done: "subprocess.CompletedProcess[str]", *words: str) -> None:
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr, done.stderr


def test_an_address_stands_wherever_a_run_does(server: Hub, model: Path, charloom: Call) -> None:
    server.repository(NAME).commit(files_of(model))
    for command in (["generate", "", "--length", "30"], ["score", "", "abc"], ["info", ""]):
        here, there = (charloom(*(word or place for word in command), "--json") for place in (str(model), NAME))
        assert here.returncode == there.returncode == 0, there.stderr
        answers = [json.loads(done.stdout) for done in (here, there)]
        for answer in answers:
            answer.pop("path", None), answer.pop("seconds", None)
        assert answers[0] == answers[1], command[0]


def test_only_what_charloom_reads_is_fetched_and_only_once(server: Hub, model: Path) -> None:
    extra = {"pytorch_model.bin": b"\x80\x04cos\nsystem", "run.py": b"raise SystemExit", "../../evil": b"x"}
    card = {"README.md": b"# Letters\n"}
    server.repository(NAME).commit(files_of(model) | extra | card)
    folder = located(NAME)
    assert files_of(folder) == files_of(model) | card
    asked = list(server.requests)
    assert not any(name.rpartition("/")[2] in request for request in asked for name in extra)
    assert located(NAME) == folder and charloom.load(NAME).vocabulary.characters == "\n abcde"
    assert server.requests == asked


def test_a_person_at_a_terminal_hears_what_is_fetched(
    server: Hub, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.repository(NAME).commit(files_of(model))
    heard: list[str] = []
    monkeypatch.setattr(notices, "listeners", [heard.append])
    located(NAME)
    located(NAME)
    (line,) = heard
    assert NAME in line and f"{sum(map(len, files_of(model).values())):,} bytes" in line


def test_a_revision_is_a_branch_a_tag_or_a_commit(server: Hub, model: Path, tmp_path: Path) -> None:
    first = server.repository(NAME).commit(files_of(model))
    second = server.repository(NAME).commit(other_model(tmp_path / "other"), "refs/pr/1")
    for revision, known in ((None, "\n abcde"), ("main", "\n abcde"), ("refs/pr/1", " xyz"), (second, " xyz")):
        place = NAME if revision is None else f"{NAME}@{revision}"
        assert charloom.load(place).vocabulary.characters == known
    assert located(f"{NAME}@{first}") == located(NAME)


def test_once_fetched_a_model_needs_no_network(
    server: Hub, model: Path, monkeypatch: pytest.MonkeyPatch, charloom: Call
) -> None:
    commit = server.repository(NAME).commit(files_of(model))
    located(NAME)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = len(server.requests)
    assert charloom("generate", NAME, "--length", "5").returncode == 0
    assert charloom("generate", f"{NAME}@{commit}", "--length", "5").returncode == 0
    assert charloom("pull", NAME).returncode == 0
    refused(charloom("generate", "somebody/else"), "somebody/else", "HF_HUB_OFFLINE")
    assert len(server.requests) == asked


def test_without_the_extra_a_fetched_model_still_works_and_another_one_says_what_to_install(
    server: Hub, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.repository(NAME).commit(files_of(model))
    folder = located(NAME)
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub.errors", None)
    assert located(NAME) == folder
    with pytest.raises(MissingExtraError, match=r"somebody/else.*charloom\[hub\]"):
        located("somebody/else")


def test_a_server_that_is_gone_is_one_sentence_and_the_cache_still_serves(
    model: Path, monkeypatch: pytest.MonkeyPatch, charloom: Call
) -> None:
    with running_hub() as known:
        monkeypatch.setenv("HF_ENDPOINT", known.address)
        known.repository(NAME).commit(files_of(model))
        located(NAME)
    refused(charloom("generate", "somebody/else"), "cannot be reached", "somebody/else")
    refused(charloom("pull", NAME), "cannot be reached")
    assert charloom("generate", NAME, "--length", "5").returncode == 0


def test_pull_fetches_the_newest_version_and_keeps_the_old_one(
    server: Hub, model: Path, tmp_path: Path, charloom: Call
) -> None:
    first = server.repository(NAME).commit(files_of(model))
    done = json.loads(charloom("pull", NAME, "--json").stdout)
    assert done["commit"] == first
    second = server.repository(NAME).commit(other_model(tmp_path / "other"))
    assert hub.fetched(Address(NAME)).commit == first  # a use asks nobody
    done = charloom("pull", NAME, "--output", "mine")
    assert (done.returncode, done.stdout) == (0, "mine\n")
    assert files_of(tmp_path / "mine") == files_of(tmp_path / "other")
    assert hub.fetched(Address(NAME)).commit == second
    assert files_of(located(f"{NAME}@{first}")) == files_of(model)
    refused(charloom("pull", NAME, "--output", "mine"), "mine", "not empty")


def test_two_hubs_do_not_share_a_cache(
    server: Hub, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.repository(NAME).commit(files_of(model))
    first = located(NAME)
    with running_hub() as other:
        monkeypatch.setenv("HF_ENDPOINT", other.address)
        other.repository(NAME).commit(other_model(tmp_path / "other"))
        assert files_of(located(NAME)) != files_of(first)


def test_a_classifier_is_fetched_with_its_counts(server: Hub, tmp_path: Path, charloom: Call) -> None:
    run = classify_rows.finish(classify_rows.begin(classify_rows.small_rows(), tmp_path / "kinds", steps=2))
    server.repository(NAME).commit(files_of(run / "model"))
    assert charloom("pull", NAME).returncode == 0
    answers = [charloom("classify", "predict", place, "--text", "und die").stdout for place in (run, NAME)]
    assert answers[0] == answers[1] != ""
    assert charloom("info", NAME).returncode == 0


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda server: server.repositories.clear(), ["there is no model", NAME, "log in"]),
        (lambda server: setattr(server.repository(NAME), "private", True), ["there is no model", "log in"]),
        (lambda server: server.status.update({"/api/": 401}), ["there is no model", "log in"]),
        (lambda server: server.status.update({"/api/": 403}), ["does not allow"]),
        (lambda server: server.status.update({"/api/": 404}), ["there is no model"]),
        (lambda server: server.status.update({"/api/": 429}), ["too many requests"]),
        (lambda server: server.status.update({"/api/": 500}), ["status 500", "later"]),
        (lambda server: server.status.update({"vocabulary.json": 500}), ["status 500", "later"]),
        (lambda server: server.status.update({"stored": 404}), ["there is no model"]),
    ],
)
def test_what_a_hub_refuses_is_one_sentence(
    break_it: Callable[[Hub], None], words: list[str], server: Hub, model: Path, own_cache: Path, charloom: Call
) -> None:
    server.repository(NAME).commit(files_of(model))
    server.token = "secret"
    break_it(server)
    for verb in ("generate", "pull"):
        refused(charloom(verb, NAME), *words)
    assert everything(own_cache) == {}


def test_a_wrong_revision_is_one_sentence(server: Hub, model: Path, charloom: Call) -> None:
    server.repository(NAME).commit(files_of(model))
    refused(charloom("generate", f"{NAME}@v2"), "no revision 'v2'")
    refused(charloom("pull", NAME, "--revision", "v2"), "no revision 'v2'")
    refused(charloom("pull", f"{NAME}@v1", "--revision", "v2"), "--revision")
    refused(charloom("pull", f"{NAME}@{'a' * 40}"), "no revision")
    refused(charloom("pull", "letters"), "OWNER/NAME")
    refused(charloom("pull", f"{NAME}@../x"), "OWNER/NAME")


def damaged(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def entry(said: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in said["siblings"] if each["rfilename"] == name)


def with_entry(name: str, **changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(said: dict[str, Any]) -> dict[str, Any]:
        entry(said, name).update(changes)
        return said

    return change


def without(said: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in said.items() if key not in keys}


ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "a damaged small file": ({"body": lambda name, data: damaged(data) if name == "config.json" else data}, "damaged"),
    "damaged weights": ({"body": lambda name, data: damaged(data) if name[0] == "m" else data}, "damaged"),
    "a file of another model": ({"body": lambda name, data: b"{}"}, "damaged"),
    "a shorter file": ({"body": lambda name, data: data[:-9]}, "damaged"),
    "a broken connection": ({"promised": lambda size: size + 9}, "cannot be reached or the connection broke"),
    "a file that goes on": ({"body": lambda name, data: data + bytes(1 << 20)}, "more than"),
    "weights larger than charloom's": (
        {"listing": with_entry("model.safetensors", size=contents.MODEL["model.safetensors"] + 1)},
        "not a file of charloom's",
    ),
    "a configuration larger than charloom's": ({"listing": with_entry("config.json", size=1 << 40)}, "not a file of"),
    "no size": ({"listing": with_entry("config.json", size=None)}, "does not answer as a model hub"),
    "a size in words": ({"listing": with_entry("config.json", size="10")}, "does not answer as a model hub"),
    "no checksum": ({"listing": with_entry("config.json", blobId=None)}, "does not answer as a model hub"),
    "another checksum": ({"listing": with_entry("config.json", blobId="0" * 40)}, "damaged"),
    "a commit that leads elsewhere": ({"listing": lambda said: {**said, "sha": "../../evil"}}, "does not answer"),
    "no commit": ({"listing": lambda said: without(said, "sha")}, "does not answer"),
    "no files": ({"listing": lambda said: without(said, "siblings")}, "it has no config.json"),
    "files that are no list": ({"listing": lambda said: {**said, "siblings": 7}}, "it has no config.json"),
    "a list": ({"listing": lambda said: []}, "does not answer as a model hub"),
    "no JSON": ({"listing": lambda said: b"<html>"}, "does not answer as a model hub"),
    "a deep answer": ({"listing": lambda said: b"[" * 100_000}, "does not answer as a model hub"),
    "an endless answer": ({"listing": lambda said: b" " * ((16 << 20) + 1)}, "more than"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_hostile_or_damaged_answer_is_refused_and_leaves_nothing(
    name: str, server: Hub, model: Path, tmp_path: Path, own_cache: Path, charloom: Call
) -> None:
    server.repository(NAME).commit(files_of(model))
    changes, word = ANSWERS[name]
    for field, change in changes.items():
        setattr(server, field, change)
    before = everything(tmp_path)
    refused(charloom("generate", NAME), word)
    refused(charloom("pull", NAME, "--output", "mine"), word)
    assert everything(tmp_path) == before
    for field in changes:  # once the hub is well again
        setattr(server, field, getattr(Hub(), field))
    assert charloom("generate", NAME, "--length", "5").returncode == 0


def test_a_model_without_weights_in_a_format_that_is_read_is_refused(server: Hub, model: Path, charloom: Call) -> None:
    files = files_of(model)
    files["pytorch_model.bin"] = files.pop("model.safetensors")
    server.repository(NAME).commit(files)
    refused(charloom("generate", NAME), "it has no model.safetensors")
    assert not server.asked("pytorch_model.bin")


def test_a_configuration_that_lies_is_refused_when_it_is_read(server: Hub, model: Path, charloom: Call) -> None:
    files = files_of(model)
    config = json.loads(files["config.json"])
    config["network"]["hidden_size"] = 4096
    server.repository(NAME).commit(files | {"config.json": json.dumps(config).encode()})
    refused(charloom("generate", NAME), "model.safetensors", "different models")
    refused(charloom("pull", NAME, "--output", "mine"), "different models")
    assert not Path("mine").exists()


def test_a_fetch_that_ends_halfway_is_never_used(
    server: Hub, model: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.repository(NAME).commit(files_of(model))
    real, arrived = hub.download, list[str]()

    def crash(*arguments: Any) -> Any:
        if len(arrived) == 2:
            raise KeyboardInterrupt
        arrived.append(arguments[2])
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(hub, "download", crash)
        with pytest.raises(KeyboardInterrupt):
            located(NAME)
    assert everything(own_cache) == {}
    with monkeypatch.context() as patch:  # the power fails, so that not even the rubbish is removed
        arrived.clear()
        patch.setattr(hub, "download", crash)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            located(NAME)
    assert everything(own_cache)
    assert files_of(located(NAME)) == files_of(model)


@pytest.mark.parametrize("name", ["model.safetensors", "words.xz", "README.md", cache.LIST])
@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:4])])
def test_a_cached_model_that_lost_a_file_or_a_part_is_fetched_again_or_refused(
    name: str, lose: Callable[[Path], object], server: Hub, model: Path, monkeypatch: pytest.MonkeyPatch, charloom: Call
) -> None:
    files = files_of(model) | {"words.xz": b"words", "README.md": b"# Letters\n"}
    server.repository(NAME).commit(files)
    lose(located(NAME) / name)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refused(charloom("generate", NAME), f"a file of {NAME} was deleted from the cache", "HF_HUB_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert files_of(located(NAME)) == files
    asked = len(server.requests)
    assert files_of(located(NAME)) == files and len(server.requests) == asked


def test_where_the_cache_cannot_be_written_a_temporary_folder_serves(
    server: Hub, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "file" / "cache"))
    server.repository(NAME).commit(files_of(model))
    folder = located(NAME)
    assert files_of(folder) == files_of(model)
    asked = list(server.requests)
    assert located(NAME) == folder
    assert server.requests == asked
    shutil.rmtree(folder)


def test_the_token_is_sent_to_the_hub_and_shown_nowhere(
    server: Hub, model: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path, charloom: Call
) -> None:
    server.token = "hf_verysecret"
    server.repository(NAME).private = True
    server.repository(NAME).commit(files_of(model))
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    done = charloom("pull", NAME)
    refused(done, "there is no model")
    assert "hf_wrong" not in done.stderr
    monkeypatch.setenv("HF_TOKEN", "hf_verysecret")
    assert charloom("pull", NAME).returncode == 0
    assert not any(b"hf_verysecret" in data for data in everything(own_cache).values())


def test_a_path_goes_before_an_address(server: Hub, model: Path, tmp_path: Path, charloom: Call) -> None:
    server.repository(NAME).commit(files_of(model))
    shutil.copytree(write_folder(small_model("xyz", seed=3), tmp_path / "other"), tmp_path / NAME)
    assert charloom("generate", NAME, "--length", "5").returncode == 0
    refused(charloom("generate", "somebody/mistyped"), "there is no run or model folder somebody/mistyped")
    refused(charloom("generate", "runs/mistyped"), "there is no run or model folder runs/mistyped")
    refused(charloom("generate", "./another/letters"), "there is no run or model folder another/letters")
    mistyped = charloom("train", "-", "--from", "./another/letters", "--run", "new", input="some text\n" * 99)
    refused(mistyped, "there is no run or model folder another/letters")
    for place in (Path("another/letters"), Path("./another/letters"), Path("english")):
        with pytest.raises(FolderError, match=f"there is no run or model folder {place}"):
            library.load(place)
    assert server.requests == []


@pytest.mark.parametrize(
    ("place", "meant"),
    [
        ("a/b", Address("a/b")),
        ("a/b@v1.0", Address("a/b", "v1.0")),
        ("a-b/c_d.e@refs/pr/1", Address("a-b/c_d.e", "refs/pr/1")),
        (Path("a/b"), None),
        (Path("./a/b"), None),
        (Path("a/b@main"), None),
        ("a", None),
        ("a/b/c", None),
        ("/a/b", None),
        ("../b", None),
        ("a/..", None),
        ("./b", None),
        ("a/b.zip", None),
        ("a/b@", None),
        ("a/b@../x", None),
        ("a/b@-x", None),
        ("a//b", None),
        ("a b/c", None),
        ("a/b\n", None),
        ("runs/my", None),
        ("studies/my", None),
        ("-a/b", None),
        ("a--b/c", None),
        ("", None),
    ],
)
def test_what_looks_like_an_address(place: str | Path, meant: Address | None) -> None:
    assert address(place) == meant


def test_a_run_that_starts_from_a_model_on_a_hub_remembers_the_commit(
    server: Hub, model: Path, tmp_path: Path, charloom: Call
) -> None:
    files = TinyRun(steps=2)
    finish(files.begin(tmp_path / "parent"))
    commit = server.repository(NAME).commit(files_of(tmp_path / "parent" / "model"))
    assert lasting_name(NAME) == f"{NAME}@{commit}"
    text = "the same letters again and again\n" * 40
    done = charloom("train", "-", "--run", "child", "--from", NAME, "--steps", "2", "--device", "cpu", input=text)
    assert done.returncode == 0, done.stderr
    origin = json.loads((tmp_path / "child" / "config.json").read_text())["origin"]
    assert origin["path"] == f"{NAME}@{commit}"
    assert f'base_model: "{NAME}"' in (tmp_path / "child" / "model" / "README.md").read_text()


def test_a_damaged_hub_model_never_raises_anything_but_a_sentence(server: Hub, model: Path) -> None:
    files = files_of(model)
    for name in contents.NEEDED:
        for data in (b"", b"{}", b"\x80\x04pickle", files[name][:-3]):
            server.repository(NAME).commit(files | {name: data})
            with pytest.raises(FolderError):
                charloom.load(str(Address(NAME, server.repository(NAME).references["main"])))
