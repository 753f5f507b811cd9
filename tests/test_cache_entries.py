"""What lies in the cache: listed, kept while it is used, and removed."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import pytest

from charloom.data.large_sources import clean_copy
from charloom.errors import FolderError
from charloom.places import cache, cache_entries
from charloom.settings import CorpusConfig

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def own_cache(released_cache: Path) -> Path:
    return released_cache


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "hamlet.txt"
    path.write_bytes(b"To be\r\n" * 100)
    return path


@pytest.fixture
def entry(text: Path) -> Path:
    """A clean copy that nobody uses."""
    folder = clean_copy([text], CorpusConfig(), name="hamlet").path.parent
    cache_entries.release(folder)
    return folder


USING = """
import sys, time
from pathlib import Path
from charloom.data.large_sources import clean_copy
from charloom.settings import CorpusConfig
clean_copy([Path(sys.argv[1])], CorpusConfig(), name="hamlet")
print("using", flush=True)
time.sleep(600)
"""

FILLING = """
import time
from pathlib import Path
from charloom.places import cache
def fill(folder):
    (folder / "half").write_text("half")
    print("filling", flush=True)
    time.sleep(600)
cache.filled(Path("texts/hamlet-0-0"), fill, lambda folder: True)
"""


@pytest.fixture
def other() -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts a process that uses or fills the cache until the test ends."""
    started = []

    def start(program: str, *arguments: object) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", program, *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None and process.stdout.readline() in ("using\n", "filling\n")
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def names(listed: subprocess.CompletedProcess[str]) -> list[str]:
    assert listed.returncode == 0, listed.stderr
    said = json.loads(listed.stdout)
    return [each["name"] for each in said.get("entries", said.get("removed"))]


def test_entries_are_listed_with_their_size_and_what_they_were_made_from(
    entry: Path, text: Path, charloom: Call
) -> None:
    said = json.loads(charloom("data", "cache", "--json").stdout)
    size = sum(path.stat().st_size for path in entry.iterdir())
    name = f"texts/{entry.name}"
    assert said["entries"] == [{"name": name, "bytes": size, "made_from": str(text), "in_use": False}]
    line, total = charloom("data", "cache").stdout.splitlines()
    assert line == f"{name}\t{size:,} bytes\tfrom {text}"
    assert total == f"{size:,} bytes in {cache.cache()}"


def test_settings_of_a_copy_are_part_of_what_it_was_made_from(text: Path) -> None:
    clean_copy([text], CorpusConfig(encoding="cp1252", documents="lines", shuffle=3), name="hamlet")
    assert [each.made_from for each in cache_entries.entries()] == [f"{text} (encoding cp1252, shuffle 3)"]


def test_an_empty_cache_is_listed_as_that(charloom: Call) -> None:
    assert charloom("data", "cache").stdout == f"0 bytes in {cache.cache()}\n"
    assert names(charloom("data", "cache", "--clear", "--json")) == []


def test_one_entry_is_removed_by_its_name(entry: Path, text: Path, charloom: Call) -> None:
    name = f"texts/{entry.name}"
    assert names(charloom("data", "cache", "--remove", name, "--json")) == [name]
    assert not entry.exists() and text.exists()
    gone = charloom("data", "cache", "--remove", name)
    assert gone.returncode == 2 and "there is nothing called" in gone.stderr and "the cache is empty" in gone.stderr


@pytest.mark.parametrize("name", ["../hamlet.txt", "texts", "texts/..", ".", "/etc", "letters/draft"])
def test_nothing_is_removed_that_charloom_did_not_put_there(
    name: str, entry: Path, own_cache: Path, charloom: Call
) -> None:
    draft = own_cache / "letters" / "draft"
    draft.mkdir(parents=True)
    (own_cache / "texts" / "mine").mkdir()
    refused = charloom("data", "cache", "--remove", name)
    assert refused.returncode == 2 and "there is nothing called" in refused.stderr
    assert entry.exists()
    charloom("data", "cache", "--clear")
    assert not entry.exists() and draft.exists() and (own_cache / "texts" / "mine").exists()


def test_what_another_process_uses_is_not_removed(text: Path, charloom: Call, other: Callable[..., object]) -> None:
    process = other(USING, text)
    (used,) = cache_entries.entries()
    assert used.in_use
    refused = charloom("data", "cache", "--remove", used.name)
    assert refused.returncode == 2 and "in use by another process; wait until that ends" in refused.stderr
    cleared = charloom("data", "cache", "--clear")
    assert cleared.returncode == 0 and "in use by another process" in cleared.stderr and used.path.exists()
    process.send_signal(signal.SIGKILL)  # type: ignore[attr-defined]
    process.wait()  # type: ignore[attr-defined]
    assert not cache_entries.entries()[0].in_use
    assert charloom("data", "cache", "--clear").returncode == 0
    assert not used.path.exists()
    assert not list(used.path.parent.glob(".*used*"))


def test_nobody_begins_to_use_what_is_being_removed(entry: Path) -> None:
    begins = threading.Thread(target=cache_entries.use, args=[entry])
    with filelock.FileLock(cache.lock_of(entry)):
        begins.start()
        begins.join(0.2)
        assert entry not in cache_entries._USED
    begins.join()
    assert entry in cache_entries._USED


def test_what_is_in_use_just_before_it_would_be_removed_stays(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_of = cache.lock_of

    def at_the_last_moment(place: Path) -> Path:
        monkeypatch.setattr(cache, "lock_of", lock_of)
        cache_entries.use(place)
        return lock_of(place)

    monkeypatch.setattr(cache, "lock_of", at_the_last_moment)
    with pytest.raises(FolderError, match="is in use by another process"):
        cache_entries.discard(entry)
    assert entry.exists()


def test_what_another_process_fills_is_neither_listed_nor_removed(
    own_cache: Path, entry: Path, charloom: Call, other: Callable[..., object]
) -> None:
    process = other(FILLING)
    half = own_cache / "texts" / ".new-hamlet-0-0"
    assert names(charloom("data", "cache", "--clear", "--json")) == [f"texts/{entry.name}"]
    assert (half / "half").exists()
    process.kill()  # type: ignore[attr-defined]
    process.wait()  # type: ignore[attr-defined]
    charloom("data", "cache", "--clear")
    assert not half.exists()


def test_the_lock_of_an_entry_that_is_filled_again_keeps_it(entry: Path) -> None:
    with cache._held(entry), pytest.raises(FolderError, match="in use by another process"):
        cache_entries.discard(entry)
    cache_entries.discard(entry)
    assert not entry.exists()


def test_removing_everything_and_one_thing_at_once_makes_no_sense(charloom: Call) -> None:
    refused = charloom("data", "cache", "--clear", "--remove", "texts/a")
    assert refused.returncode == 2 and "leave out --remove" in refused.stderr


def test_models_are_listed_by_what_they_are(own_cache: Path) -> None:
    for place in ("packed/0123", "hub/example.org/somebody--model/abc"):
        (own_cache / place).mkdir(parents=True)
        (own_cache / place / cache.LIST).write_text("{}")
    assert [each.made_from for each in cache_entries.entries()] == ["somebody/model from example.org", "a packed model"]
