"""Named texts: embedded ones, and downloads that are checked."""

import ast
import hashlib
import re
import sys
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from charloom.data.datasets import DATASETS, Dataset, dataset, fetch
from charloom.errors import MissingExtraError, TextError

EMBEDDED = [name for name, entry in DATASETS.items() if entry.address is None]
TEXT = b"To be, or not to be"


class Server(HTTPServer):
    """Serves one text on this machine, and counts the requests."""

    asked = 0

    @property
    def entry(self) -> Dataset:
        address = f"http://127.0.0.1:{self.server_port}/text.txt"
        return Dataset("served", "", "", lambda: iter(()), address, hashlib.sha256(TEXT).hexdigest())


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(TEXT)))
        self.end_headers()
        self.wfile.write(TEXT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which downloads are kept."""
    pooch = pytest.importorskip("pooch")
    monkeypatch.setattr(pooch, "os_cache", lambda _: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.mark.parametrize("name", DATASETS)
def test_each_text_says_what_it_is_and_under_what_licence(name: str) -> None:
    entry = dataset(name)
    assert entry.name == name
    assert entry.description
    assert entry.licence


@pytest.mark.parametrize("name", DATASETS)
def test_a_text_that_is_downloaded_has_a_checksum(name: str) -> None:
    entry = dataset(name)
    assert (entry.address is None) == (entry.sha256 is None)


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_text_is_read_without_fetching_and_is_the_same_each_time(name: str) -> None:
    assert fetch(dataset(name)) is None
    assert list(dataset(name).read()) == list(dataset(name).read())


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedded_text_is_utf_8(name: str) -> None:
    assert all(raw.decode() for _, raw in dataset(name).read())


def test_the_documentation_has_about_as_many_characters_as_is_said(docs_text: str) -> None:
    assert "350,000" in dataset("python-docs").description
    assert len(docs_text) == pytest.approx(350_000, rel=0.2)  # it differs with the version of Python


def paragraphs(text: str) -> list[str]:
    return [part for part in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n")) if part.strip()]


def passages(paragraph: str) -> list[str]:
    """Its stretches of thirty characters."""
    flat = " ".join(paragraph.split())
    return [flat[start : start + 30] for start in range(len(flat) - 29)] or [flat]


def test_the_documentation_holds_whole_paragraphs_of_the_topics_in_their_order(docs_text: str) -> None:
    from pydoc_data.topics import topics

    whole = (paragraph for topic in sorted(topics) for paragraph in paragraphs(topics[topic]))
    kept = paragraphs(docs_text)
    assert all(paragraph in whole for paragraph in kept)  # `in` consumes: a subsequence
    assert len(set(kept)) == len(kept)


def test_a_paragraph_is_left_out_exactly_if_more_than_a_third_of_it_was_there_before(docs_text: str) -> None:
    from pydoc_data.topics import topics

    kept, seen, left_out = iter(paragraphs(docs_text)), set[str](), 0
    expected = next(kept, None)
    for paragraph in (each for topic in sorted(topics) for each in paragraphs(topics[topic])):
        mine = set(passages(paragraph))
        repeated = len(passages(paragraph)) - len(mine - seen)
        if repeated * 3 > len(passages(paragraph)):
            left_out += 1
        else:
            assert paragraph == expected
            expected = next(kept, None)
            seen |= mine
    assert expected is None
    assert left_out > 100, "the topics do repeat each other"


def test_each_module_of_the_library_is_a_text_of_its_own() -> None:
    names = [name for name, _ in dataset("python-source").read()]
    assert names == sorted(set(names))
    assert {"ast.py", "typing.py"} <= set(names)


def test_the_library_is_whole_files_of_ascii_without_tests_and_tables() -> None:
    files = dict(dataset("python-library").read())
    assert {"ast.py", "asyncio/events.py", "json/decoder.py"} <= set(files)
    assert not {"html/entities.py", "encodings/cp437.py", "keyword.py", "test/test_ast.py"} & set(files)
    assert not any("test" in Path(name).parts[:-1] or "tests" in Path(name).parts[:-1] for name in files)
    library = Path(sysconfig.get_path("stdlib"))
    for name, data in files.items():
        assert data.isascii() and b"\t" not in data
        assert data == (library / name).read_bytes()


def test_the_library_ends_with_files_of_many_packages() -> None:
    names = [name for name, _ in dataset("python-library").read()]
    assert names != sorted(names)
    assert len({name.partition("/")[0] for name in names[-len(names) // 10 :] if "/" in name}) >= 4


def test_files_of_the_library_are_python() -> None:
    for _, data in list(dataset("python-library").read())[::40]:
        ast.parse(data)


@pytest.mark.slow
def test_every_file_of_the_library_is_python() -> None:
    for _, data in dataset("python-library").read():
        ast.parse(data)


def test_a_name_that_is_nearly_right_is_met_with_the_right_one() -> None:
    with pytest.raises(TextError, match="'python-doc'; did you mean 'python-docs'"):
        dataset("python-doc")


def test_a_name_that_is_like_none_is_met_with_all_there_are() -> None:
    with pytest.raises(TextError) as caught:
        dataset("x" * 500)
    assert all(name in str(caught.value) for name in DATASETS)
    assert "x" * 101 not in str(caught.value)


def test_the_checksum_of_the_download_is_that_of_the_text_that_is_meant(shared: Path) -> None:
    raw = (shared / "text" / "tiny-shakespeare.txt").read_bytes()
    assert dataset("tiny-shakespeare").sha256 == hashlib.sha256(raw).hexdigest()


def test_a_download_is_kept_and_not_fetched_again(server: Server, cache: Path) -> None:
    for _ in range(2):
        path = fetch(server.entry)
        assert path is not None
        assert path.parent == cache
        assert path.read_bytes() == TEXT
    assert server.asked == 1


def test_a_download_that_was_changed_since_is_fetched_again(server: Server, cache: Path) -> None:
    path = fetch(server.entry)
    assert path is not None
    path.write_bytes(b"changed")
    fetch(server.entry)
    assert path.read_bytes() == TEXT


def test_a_download_with_another_checksum_is_refused_and_not_kept(server: Server, cache: Path) -> None:
    with pytest.raises(TextError, match="no longer serves the text known as served; the download was discarded"):
        fetch(replace(server.entry, sha256="0" * 64))
    assert list(cache.iterdir()) == []


def test_a_place_that_does_not_answer_is_named(server: Server, cache: Path) -> None:
    silent = replace(server.entry, address="http://127.0.0.1:1/text.txt")
    with pytest.raises(TextError, match=r"served could not be fetched from http://127\.0\.0\.1:1/text\.txt"):
        fetch(silent)


def test_without_the_extra_fetching_says_what_to_install(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'charloom\[text\]'"):
        fetch(server.entry)
