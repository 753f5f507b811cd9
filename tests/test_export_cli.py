"""`charloom export --web`: the folder is complete or as it was before; what cannot be exported gets one sentence."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charloom.errors import StorageError
from charloom.export import web_page
from charloom.playground import SITE
from charloom.storage.atomic_files import Disk
from models import small_model, write_folder

TEXT = "The quick brown fox.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = write_folder(small_model(TEXT), tmp_path / "fox")
    (made / "README.md").write_text("# A card\n")
    (made / "LICENSE").write_text("Do what you want.\n")
    return made


def files_below(path: Path) -> dict[str, bytes]:
    return {each.relative_to(path).as_posix(): each.read_bytes() for each in path.rglob("*") if each.is_file()}


def test_the_folder_holds_the_page_and_the_model_as_they_are(
    charloom: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    done = charloom("export", folder, "--web", "site", "--json")
    assert done.returncode == 0, done.stderr
    written, told = files_below(tmp_path / "site"), json.loads(done.stdout)
    assert told == {
        "output": "site",
        "files": {name: len(data) for name, data in written.items()},
        "bytes": sum(map(len, written.values())),
    }
    about = json.loads(written.pop("export.json"))
    assert (about["format"], about["model"]) == ("charloom-web-1", "fox")
    model = {f"model/{name}": data for name, data in files_below(folder).items()}
    assert written == {**files_below(SITE), **model}


def test_what_is_printed_says_how_to_look_at_it(charloom: Callable[..., Any], folder: Path) -> None:
    printed = charloom("export", folder, "--web", "site").stdout
    assert "python -m http.server --directory site" in printed
    assert "model/model.safetensors" in printed


def test_an_earlier_export_is_replaced_and_any_other_folder_is_kept(
    charloom: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert charloom("export", folder, "--web", "empty").returncode == 0
    before = files_below(tmp_path / "empty")
    (tmp_path / "empty" / "model" / "README.md").unlink()
    (tmp_path / "empty" / "model" / "config.json").write_text("changed")
    assert charloom("export", folder, "--web", "empty").returncode == 0
    assert files_below(tmp_path / "empty") == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letters.txt").write_text("dear")
    (tmp_path / "empty" / ".git").mkdir()
    (tmp_path / "empty" / ".git" / "HEAD").write_text("of what is published")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "export.json").write_text('{"model": "mine"}')
    (tmp_path / "file").write_text("dear")
    for target in ("mine", "empty", "other", "file", "nowhere/site", "\0"):
        done = charloom("export", folder, "--web", target)
        assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1, target
    assert files_below(tmp_path / "mine") == {"letters.txt": b"dear"}
    assert (tmp_path / "empty" / ".git" / "HEAD").exists()


class BrokenDisk(Disk):
    """Fails at the operation with this number."""

    def __init__(self, failing: int) -> None:
        self.left = failing

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(28, "no space")

    def force(self, file: int) -> None:
        self._count()
        super().force(file)

    def rename(self, source: Path, target: Path) -> None:
        self._count()
        super().rename(source, target)


def test_a_failing_disk_leaves_the_folder_as_it_was(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web_page.export_web(folder, tmp_path / "site", "before")
    before, failing = files_below(tmp_path / "site"), 0
    while True:
        failing += 1
        disk = BrokenDisk(failing)
        monkeypatch.setattr(web_page, "Disk", lambda disk=disk: disk)
        try:
            web_page.export_web(folder, tmp_path / "site", "after")
        except StorageError:
            assert files_below(tmp_path / "site") == before
            assert sorted(path.name for path in tmp_path.iterdir()) == ["fox", "site"]
        else:
            break
    assert failing > len(before)
    assert json.loads((tmp_path / "site" / "export.json").read_bytes())["model"] == "after"


@pytest.mark.parametrize("target", [".", ".."])
def test_the_current_folder_is_not_replaced(target: str, folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    web_page.export_web(folder, tmp_path / "site", "fox")
    before = files_below(tmp_path / "site")
    monkeypatch.chdir(tmp_path / "site" / ("model" if target == ".." else ""))
    with pytest.raises(StorageError, match=f"{re.escape(target)} holds the current folder"):
        web_page.export_web(folder, Path(target), "again")
    assert files_below(Path("." if target == "." else "..")) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fox"], "--web DIR or --onnx FILE"),
        (["fox", "--web", "a", "--onnx", "b"], "--web DIR or --onnx FILE"),
        (["nothing", "--web", "a"], "there is no run or model folder nothing"),
        (["engish", "--web", "a"], "did you mean the ready-made model 'english'"),
        (["languages", "--web", "a"], "holds a classifier"),
        (["languages", "--onnx", "a"], "holds a classifier"),
        (["nothing", "--onnx", "a"], "there is no run or model folder nothing"),
    ],
)
def test_what_cannot_be_exported_gets_one_sentence(
    arguments: list[str], words: str, charloom: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    done = charloom("export", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["fox"]


def test_a_ready_made_model_is_exported_with_its_card_under_its_name(
    charloom: Callable[..., Any], tmp_path: Path
) -> None:
    assert charloom("export", "english", "--web", "site").returncode == 0
    assert json.loads((tmp_path / "site" / "export.json").read_bytes())["model"] == "english"
    assert b"license" in (tmp_path / "site" / "model" / "README.md").read_bytes()
