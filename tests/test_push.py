"""Models that are put on a hub: everything that others need, after a look at the card, and back again unchanged."""

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import classify_rows
from charloom.cli import push as verb
from charloom.models import model_folder
from charloom.models.tokenizer_files import tokenizer_files
from charloom.places import cache, packing
from hub_server import Hub
from hub_server import hub as running_hub
from models import small_model, write_folder
from tiny_runs import TinyRun, finish

pytest.importorskip("huggingface_hub")

Call = Callable[..., subprocess.CompletedProcess[str]]
NAME = "somebody/letters"
TOKEN = "hf_secret"


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr("huggingface_hub.utils._runtime.is_xet_available", lambda: False, raising=False)
    monkeypatch.setattr("huggingface_hub._commit_api.is_xet_available", lambda: False, raising=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub() as known:
        known.token = TOKEN
        monkeypatch.setenv("HF_ENDPOINT", known.address)
        yield known


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "run"
    finish(TinyRun(steps=4).begin(path))
    return path


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def newest(server: Hub, name: str = NAME, reference: str = "main") -> dict[str, bytes]:
    known = server.repositories[name]
    return known.commits[known.references[reference]]


def refused(done: "subprocess.CompletedProcess[str]", *words: str) -> None:
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("charloom: ")]
    for word in words:
        assert word in line, line
    assert TOKEN not in done.stderr


def test_a_pushed_model_comes_back_byte_for_byte(server: Hub, run: Path, tmp_path: Path, charloom: Call) -> None:
    done = charloom("push", run, NAME, "--yes", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    there, mine = newest(server), files_of(run / "model")
    assert sorted(there) == sorted(mine) == answer["files"]
    assert answer["url"] == f"{server.address}/{NAME}"
    assert {name: data for name, data in there.items() if name != "README.md"} == {
        name: data for name, data in mine.items() if name != "README.md"
    }
    assert there["README.md"] == mine["README.md"].replace(b"this-folder", NAME.encode())
    assert charloom("pull", NAME, "--output", "back").returncode == 0
    for name in ("config.json", "vocabulary.json", "model.safetensors"):
        assert (tmp_path / "back" / name).read_bytes() == mine[name]


def test_a_model_is_loaded_once_when_it_is_pushed(
    server: Hub, run: Path, charloom: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = list[Path]()
    real = model_folder.read_model
    monkeypatch.setattr(model_folder, "read_model", lambda folder: loaded.append(folder) or real(folder))
    assert charloom("push", run, NAME, "--yes").returncode == 0
    assert loaded == [run / "model"]


def test_only_the_model_leaves_the_machine(server: Hub, run: Path, charloom: Call) -> None:
    text = (run / "text.txt").read_bytes()
    assert charloom("push", run, NAME, "--yes").returncode == 0
    assert not any(text[100:200] in data for data in newest(server).values())
    assert not {"text.txt", "metrics.jsonl", "checkpoint.json", "clock.jsonl"} & set(newest(server))


def test_the_card_and_the_files_are_shown_before_anything_is_uploaded(server: Hub, run: Path, charloom: Call) -> None:
    done = charloom("push", run, NAME)
    refused(done, "--yes")
    card = (run / "model" / "README.md").read_text().replace("this-folder", NAME)
    assert card in done.stderr
    assert all(f"    {name}  " in done.stderr for name in files_of(run / "model"))
    assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "uploaded"), [("y", True), ("yes", True), ("n", False), ("", False), ("what", False)]
)
def test_a_terminal_is_asked(
    answer: str, uploaded: bool, server: Hub, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    verb.push(run, NAME)
    assert bool(server.repositories) == uploaded


def test_an_older_model_folder_gets_what_it_lacks(server: Hub, tmp_path: Path, charloom: Call) -> None:
    model = small_model("abc de")
    write_folder(model, tmp_path / "old")
    assert charloom("push", "old", NAME, "--yes").returncode == 0
    there = newest(server)
    expected = tokenizer_files(model.config, model.vocabulary)
    assert {name: there[name] for name in expected} == expected
    assert there["README.md"].startswith(b"---\nlibrary_name: charloom")
    assert set(files_of(tmp_path / "old")) == {"config.json", "vocabulary.json", "model.safetensors"}


def test_a_packed_run_and_a_classifier_are_pushed_too(server: Hub, run: Path, tmp_path: Path, charloom: Call) -> None:
    with (tmp_path / "a.zip").open("wb") as file:
        packing.pack(run, file)
    assert charloom("push", "a.zip", NAME, "--yes").returncode == 0
    assert newest(server)["model.safetensors"] == (run / "model" / "model.safetensors").read_bytes()
    kinds = classify_rows.finish(classify_rows.begin(classify_rows.small_rows(), tmp_path / "kinds", steps=2))
    assert charloom("push", kinds, "somebody/kinds", "--yes").returncode == 0
    there = newest(server, "somebody/kinds")
    assert set(there) == set(files_of(kinds / "model"))
    assert "tokenizer.json" not in there
    predicted = [
        charloom("classify", "predict", place, "--text", "und die").stdout for place in (kinds, "somebody/kinds")
    ]
    assert predicted[0] == predicted[1] != ""


def test_what_the_user_knows_about_the_model_goes_into_its_card(server: Hub, run: Path, charloom: Call) -> None:
    from huggingface_hub import ModelCard

    before = (run / "model" / "README.md").read_bytes()
    words = ["--license", "cc-by-4.0", "--language", "en", "--language", "de", "--datasets", "a/b"]
    assert charloom("push", run, NAME, "--yes", *words).returncode == 0
    card, old = ModelCard(newest(server)["README.md"].decode()), ModelCard(before.decode())
    assert (card.data.license, card.data.language, card.data.datasets) == ("cc-by-4.0", ["en", "de"], ["a/b"])
    assert card.data.eval_results == old.data.eval_results
    assert card.text.strip() == old.text.replace("this-folder", NAME).strip()
    assert (run / "model" / "README.md").read_bytes() == before


def test_a_private_repository_is_created_private_and_a_public_one_is_not_used_for_it(
    server: Hub, run: Path, charloom: Call
) -> None:
    assert charloom("push", run, NAME, "--yes", "--private").returncode == 0
    assert server.repositories[NAME].private
    assert charloom("push", run, "somebody/open", "--yes").returncode == 0
    assert not server.repositories["somebody/open"].private
    commits = len(server.repositories["somebody/open"].commits)
    refused(charloom("push", run, "somebody/open", "--yes", "--private"), "everybody can see it")
    assert len(server.repositories["somebody/open"].commits) == commits


def test_a_branch_or_a_pull_request(server: Hub, run: Path, charloom: Call) -> None:
    server.repository(NAME).commit({"config.json": b"{}"})
    main = newest(server)
    refused(charloom("push", run, f"{NAME}@v2", "--yes"), "no revision 'v2'")
    server.repository(NAME).references["v2"] = server.repository(NAME).references["main"]
    assert charloom("push", run, NAME, "--yes", "--revision", "v2").returncode == 0
    done = charloom("push", run, NAME, "--yes", "--create-pr")
    assert done.stdout == f"{server.address}/{NAME}/discussions/1\n"
    assert newest(server) == main
    for reference in ("v2", "refs/pr/1"):
        assert newest(server, reference=reference)["config.json"] == (run / "model" / "config.json").read_bytes()


@pytest.mark.parametrize(
    ("break_it", "word"),
    [
        (lambda server: setattr(server, "token", "another"), "there is no model"),
        (lambda server: server.status.update({"create": 500}), "status 500"),
        (lambda server: server.status.update({"commit": 403}), "does not allow"),
        (lambda server: server.status.update({"validate": 400}), "failed"),
        (lambda server: server.status.update({"store": 400}), "failed"),
    ],
)
def test_what_a_hub_refuses_is_one_sentence_and_no_half_model_is_left(
    break_it: Callable[[Hub], None], word: str, server: Hub, run: Path, charloom: Call
) -> None:
    break_it(server)
    before = files_of(run / "model")
    refused(charloom("push", run, NAME, "--yes"), word)
    assert not any(known.commits for known in server.repositories.values())
    assert files_of(run / "model") == before


def test_what_cannot_be_pushed(
    server: Hub, run: Path, tmp_path: Path, charloom: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(charloom("push", run, "letters", "--yes"), "OWNER/NAME")
    refused(charloom("push", "nowhere", NAME, "--yes"), "nowhere")
    damaged = write_folder(small_model("abc"), tmp_path / "damaged")
    (damaged / "model.safetensors").write_bytes(b"\x80\x04")
    refused(charloom("push", damaged, NAME, "--yes"), "model.safetensors", "damaged")
    assert server.requests == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refused(charloom("push", run, NAME, "--yes"), "HF_HUB_OFFLINE")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setitem(sys.modules, "huggingface_hub.errors", None)
    refused(charloom("push", run, NAME, "--yes"), "charloom[hub]")


def test_a_server_that_is_gone(run: Path, charloom: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_hub() as known:
        monkeypatch.setenv("HF_ENDPOINT", known.address)
    refused(charloom("push", run, NAME, "--yes"), "cannot be reached")
