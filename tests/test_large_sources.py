"""Clean copies of large texts: the same text as in memory, made once, complete or absent."""

import gzip
import json
import lzma
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charloom.data import blocks, large_sources, shuffled
from charloom.data.corpus import make_corpus, read_folder
from charloom.data.ends import Ends, ends_at, ends_within, written
from charloom.data.large_sources import CleanCopy, clean_copy, clean_stream
from charloom.data.large_texts import large_text
from charloom.errors import StorageError, TextError
from charloom.places import cache, cache_entries
from charloom.settings import CorpusConfig

WHOLE = (1.0, 0.0, 0.0)
TEXT = "Grüße,\r\nnaïve café\n" * 50
ROWS = [{"text": "one\r\ntwo"}, {"text": ""}, {"text": "drei ü\n"}, {"other": 1}]


@pytest.fixture(autouse=True)
def own_cache(released_cache: Path) -> Path:
    return released_cache


def folder_of(path: Path, *data: bytes) -> list[Path]:
    """A folder with these files, in order."""
    path.mkdir(exist_ok=True)
    for number, content in enumerate(data):
        (path / f"{number:03}").write_bytes(content)
    return sorted(path.iterdir())


def copied(copy: CleanCopy) -> tuple[bytes, int, list[int], tuple[str, ...]]:
    return copy.path.read_bytes(), copy.characters, copy.ends.tolist(), copy.notes


FRAGMENTS = st.sampled_from(["a", "\r\n", "\r", "\n", "é", "😀", "\ufeff", "line\n"])
FILES = st.lists(st.tuples(st.lists(FRAGMENTS, max_size=6).map("".join), st.booleans()), min_size=1, max_size=5)


# --- the same as in memory ---


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(files=FILES, shuffle=st.sampled_from([0, 3]), piece=st.integers(4, 30))
def test_a_copy_is_what_is_read_into_memory(
    files: list[tuple[str, bool]], shuffle: int, piece: int, tmp_path: Path
) -> None:
    texts = ["begin", *(text for text, _ in files)]
    packed = [False, *(each for _, each in files)]
    data = [gzip.compress(text.encode()) if pack else text.encode() for text, pack in zip(texts, packed, strict=True)]
    folder = tmp_path / "files"
    for old in folder.glob("*"):
        old.unlink()
    paths = folder_of(folder, *data)
    config = CorpusConfig(split=WHOLE, documents="lines", shuffle=shuffle)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "PIECE", piece)
        patch.setattr(shuffled, "SORTED", 100)
        patch.setattr(shuffled, "HELD", 20)
        copy = clean_copy(paths, config, name="files", folder=paths[0].parent)
    expected = make_corpus(read_folder(folder), config, name="files", source="/files", in_folder=True)
    notes = expected.notes[:-1] if shuffle else expected.notes  # the last is about the shuffling
    assert copied(copy) == (bytes(expected.text.data), expected.text.characters, expected.text.ends.tolist(), notes)


def test_a_stream_is_cleaned_like_a_file(tmp_path: Path) -> None:
    (path,) = folder_of(tmp_path / "files", lzma.compress(TEXT.encode("cp1252")))
    config = CorpusConfig(split=WHOLE, encoding="cp1252")
    stream = clean_stream(iter([path.read_bytes()[:9], path.read_bytes()[9:]]), config, name=str(path))
    assert copied(stream) == copied(clean_copy([path], config, name="a"))


def test_rows_are_texts_that_end(tmp_path: Path) -> None:
    (path,) = folder_of(tmp_path / "files", "".join(json.dumps(row) + "\n" for row in ROWS).encode())
    copy = clean_copy([path], CorpusConfig(split=WHOLE, column="text"), name="a")
    assert copied(copy)[:3] == ("one\ntwodrei ü\n".encode(), 14, [7, 14])


def test_errors_are_those_of_memory(tmp_path: Path, own_cache: Path) -> None:
    paths = folder_of(tmp_path / "files", b"fine", b"caf\xe9")
    with pytest.raises(TextError) as here:
        make_corpus(read_folder(paths[0].parent), CorpusConfig(), name="a", source="/a", in_folder=True)
    with pytest.raises(TextError) as there:
        clean_copy(paths, CorpusConfig(), name="a", folder=paths[0].parent)
    assert str(here.value) == str(there.value)
    assert not [path for path in (own_cache / "texts").iterdir() if path.is_dir()]


# --- ends ---


@given(st.lists(st.integers(1, 10**15), unique=True).map(sorted), st.data())
def test_ends_are_cut_and_written_like_a_tuple(places: list[int], data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("charloom.data.ends._WRITTEN", 3)
        assert b"".join(written(ends_at(places))) == repr(tuple(places)).encode()
    top = st.integers(0, places[-1] + 1 if places else 1)
    start, stop = sorted(data.draw(st.tuples(top, top)))
    found = ends_within(ends_at(places), start, stop)
    assert found.tolist() == [place - start for place in places if start < place <= stop]


@pytest.mark.parametrize(
    "ends", [ends_at([3, 5]), ends_within(ends_at([3, 5]), 0, 4), ends_within(ends_at([3, 5]), 1, 5)]
)
def test_ends_cannot_be_changed(ends: Ends) -> None:
    with pytest.raises(ValueError, match="read-only"):
        ends[0] = 1


def test_many_ends_take_eight_bytes_each_and_stay_on_the_disk(tmp_path: Path) -> None:
    rows = b'{"text": "x"}\n' * 200_000
    (path,) = folder_of(tmp_path / "files", rows)
    copy = clean_copy([path], CorpusConfig(split=WHOLE, column="text"), name="a")
    assert np.array_equal(copy.ends, np.arange(1, 200_001))
    assert (copy.path.parent / large_sources.ENDS).stat().st_size == 8 * 200_000
    assert isinstance(copy.ends.base, np.memmap)


# --- made once ---


def test_a_copy_is_made_once_and_again_when_a_file_or_a_setting_changes(tmp_path: Path, own_cache: Path) -> None:
    (path,) = folder_of(tmp_path / "files", TEXT.encode())
    config = CorpusConfig(split=WHOLE)
    first = clean_copy([path], config, name="a")
    made = first.path.stat().st_mtime_ns
    assert clean_copy([path], CorpusConfig(), name="a").path.stat().st_mtime_ns == made  # the split changes nothing
    assert clean_copy([path], CorpusConfig(encoding="cp1252"), name="a").path != first.path
    cache_entries.release(first.path.parent)
    path.write_bytes(b"another\r\n" * 100)
    second = clean_copy([path], config, name="a")
    assert second.path != first.path and second.path.read_bytes() == b"another\n" * 100
    assert not first.path.exists()  # what the file was before is of no use to anybody


def test_another_file_of_the_same_size_and_time_is_cleaned(tmp_path: Path) -> None:
    (path,) = folder_of(tmp_path / "files", b"one\r\n")
    clean_copy([path], CorpusConfig(), name="a")
    before = path.stat()
    time.sleep(0.02)  # a clock may be coarse
    path.write_bytes(b"two\r\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert clean_copy([path], CorpusConfig(), name="a").path.read_bytes() == b"two\n"


def test_a_copy_that_is_in_use_stays_when_its_file_changes(tmp_path: Path) -> None:
    (path,) = folder_of(tmp_path / "files", TEXT.encode())
    first = clean_copy([path], CorpusConfig(), name="a")
    path.write_bytes(b"another\r\n" * 100)
    clean_copy([path], CorpusConfig(), name="a")
    assert first.path.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (large_sources.RECORD, b'{"format": "charloom-clean-2"}'),
        (large_sources.RECORD, b"rubbish"),
        (large_sources.TEXT, b"short"),
    ],
)
def test_an_entry_of_another_version_or_a_damaged_one_is_made_again(name: str, content: bytes, tmp_path: Path) -> None:
    (path,) = folder_of(tmp_path / "files", TEXT.encode())
    first = clean_copy([path], CorpusConfig(), name="a")
    expected = copied(first)
    (first.path.parent / name).write_bytes(content)
    sizes = {each.name: each.stat().st_size for each in first.path.parent.iterdir() if each.name != cache.LIST}
    (first.path.parent / cache.LIST).write_text(json.dumps(sizes))  # as another version would have listed it
    assert copied(clean_copy([path], CorpusConfig(), name="a")) == expected


@pytest.mark.parametrize("name", [large_sources.TEXT, large_sources.ENDS])
def test_a_copy_with_other_bytes_of_the_same_number_is_made_again(name: str, tmp_path: Path) -> None:
    paths = folder_of(tmp_path / "files", TEXT.encode(), TEXT.encode())
    first = clean_copy(paths, CorpusConfig(), name="a", folder=paths[0].parent)
    expected = copied(first)
    file = first.path.parent / name
    file.write_bytes(bytes(reversed(file.read_bytes())))
    assert copied(clean_copy(paths, CorpusConfig(), name="a", folder=paths[0].parent)) == expected


def test_a_copy_that_was_only_touched_is_kept(tmp_path: Path) -> None:
    (path,) = folder_of(tmp_path / "files", TEXT.encode())
    first = clean_copy([path], CorpusConfig(), name="a")
    os.utime(first.path, ns=(1, 1))
    assert clean_copy([path], CorpusConfig(), name="a").path.stat().st_mtime_ns == 1


def test_each_column_of_a_file_has_a_copy_of_its_own(tmp_path: Path) -> None:
    (path,) = folder_of(tmp_path / "files", b'{"text": "one", "title": "two"}\n')
    texts = [clean_copy([path], CorpusConfig(column=column), name="a").path.read_text() for column in ("text", "title")]
    assert texts == ["one", "two"]


def test_a_file_has_one_copy_however_its_path_is_written(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path,) = folder_of(tmp_path / "files", TEXT.encode())
    (tmp_path / "link").symlink_to(path)
    monkeypatch.chdir(path.parent)
    for each in (path, tmp_path / "link", Path("000"), Path("../files/000"), tmp_path / "files" / ".." / "link"):
        copy = clean_copy([each], CorpusConfig(), name="a")
        assert copy.notes == (f"{each}: read 50 CRLF line ends as newlines (mixed with 50 newlines)",)
    assert len(list(own_cache.glob("texts/*/clean.json"))) == 1


def test_the_copy_of_a_folder_replaces_that_of_its_older_state(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for files in ([b"one\r\n", b"two\r\n"], [b"one\r\n", b"two\r\n", b"three"]):
        paths = folder_of(tmp_path / "files", *files)
        copy = clean_copy(paths, CorpusConfig(), name="a", folder=tmp_path / "files")
        cache_entries.release(copy.path.parent)
    assert [file.parent for file in own_cache.glob("texts/*/clean.json")] == [copy.path.parent]
    monkeypatch.chdir(paths[0].parent)
    again = clean_copy([Path(path.name) for path in paths], CorpusConfig(), name="a", folder=Path())
    assert again.path == copy.path
    assert again.notes == tuple(f"{name}: read 1 CRLF line ends as newlines" for name in ("000", "001"))


def test_a_stream_leaves_the_copy_of_a_file_called_like_it(tmp_path: Path) -> None:
    (path,) = folder_of(tmp_path / "files", TEXT.encode())
    copy = clean_copy([path], CorpusConfig(), name="standard-input")
    cache_entries.release(copy.path.parent)
    clean_stream([b"text"], CorpusConfig(), name="standard input")
    assert copy.path.exists()


def test_notes_of_files_with_control_characters_in_their_names_can_be_printed(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m"
    path.write_bytes(TEXT.encode())
    (here,) = clean_copy([path], CorpusConfig(), name="a").notes
    (there,) = make_corpus([(str(path), TEXT.encode())], CorpusConfig(), name="a", source="/a").notes
    assert here == there and here.isprintable()


def test_a_stream_leaves_with_its_process_and_what_a_killed_one_left_is_removed(
    tmp_path: Path, own_cache: Path
) -> None:
    program = (
        "import os, sys\nfrom charloom.data.large_sources import clean_stream\n"
        "from charloom.data.text_survey import surveyed\n"
        "from charloom.settings import CorpusConfig\n"
        "copy = clean_stream([b'text\\r\\n' * 100], CorpusConfig(), name='standard input')\n"
        "surveyed(copy.path)\n"
        "print(copy.path.read_bytes() == b'text\\n' * 100, flush=True)\n"
        "if sys.argv[1] == 'killed': os._exit(9)\n"
    )
    for how, left in (("killed", 2), ("ends", 0)):
        done = subprocess.run([sys.executable, "-c", program, how], capture_output=True, text=True)
        assert done.stdout == "True\n", done.stderr
        assert len([path for path in (own_cache / "texts").iterdir() if path.is_dir()]) == left
    assert not list((own_cache / "texts").iterdir())  # not even a lock


# --- what can go wrong ---


@pytest.mark.parametrize("change", ["grows", "is replaced", "vanishes"])
def test_a_file_that_changes_while_it_is_read_is_refused(change: str, tmp_path: Path, own_cache: Path) -> None:
    paths = folder_of(tmp_path / "files", b"one\r\n" * 100, b"two\r\n")
    real = blocks.file_pieces

    def changing(path: Path) -> Iterator[bytes]:
        yield from real(path)
        if path == paths[0] and change == "grows":
            with path.open("ab") as file:
                file.write(b"more")
        elif path == paths[0] and change == "is replaced":
            path.unlink()
            path.write_bytes(b"One\r\n" * 100)
            os.utime(path, ns=(1, 1))
        elif path == paths[0]:
            path.unlink()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "file_pieces", changing)
        said = "cannot be read: no such file" if change == "vanishes" else "changed while it was read; wait until it is"
        with pytest.raises(TextError, match=rf"000 {said}"):
            clean_copy(paths, CorpusConfig(), name="a", folder=paths[0].parent)
    assert not [path for path in (own_cache / "texts").iterdir() if path.is_dir()]


@pytest.mark.parametrize("name", ["text.txt", "ends.bin", "clean.json"])
def test_a_disk_that_fills_up_leaves_nothing_and_says_what_to_do(
    name: str, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = folder_of(tmp_path / "files", b"one\r\n" * 100, b"two\r\n")
    real = os.open

    def full(path: object, *arguments: object, **named: object) -> int:
        if str(path).endswith(name):
            raise OSError(28, "No space left on device")
        return real(path, *arguments, **named)  # type: ignore[arg-type]

    real_open = Path.open

    def full_open(path: Path, *arguments: object, **named: object) -> object:
        if path.name == name:
            raise OSError(28, "No space left on device")
        return real_open(path, *arguments, **named)  # type: ignore[call-overload]

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        patch.setattr(Path, "open", full_open)
        with pytest.raises(StorageError) as caught:
            clean_copy(paths, CorpusConfig(), name="a", folder=paths[0].parent)
    assert "no space is left on the disk; free some, then try again, or set CHARLOOM_CACHE to" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [path for path in (own_cache / "texts").iterdir() if path.is_dir()]
    clean_copy(paths, CorpusConfig(), name="a", folder=paths[0].parent)  # and with room it goes on


def test_a_disk_that_is_full_of_ids_can_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path,) = folder_of(tmp_path / "files", "Grüße".encode())
    real = os.open

    def full(path: object, *arguments: object, **named: object) -> int:
        if str(path).endswith("ids.bin"):
            raise OSError(28, "No space left on device")
        return real(path, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(StorageError, match=r"free some, then try again, or set CHARLOOM_CACHE to a folder"):
        large_text(path)


GROWTH = """
import sys
from pathlib import Path
from charloom.data.large_sources import clean_copy
from charloom.settings import CorpusConfig
def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])
more = eval(sys.argv[1])
clean_copy([Path(sys.argv[2])], CorpusConfig(**more), name="small")
before = peak()
copy = clean_copy([Path(sys.argv[3])], CorpusConfig(**more), name="large")
print(peak() - before, copy.path.stat().st_size)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory in KiB")
@pytest.mark.parametrize(
    ("more", "line", "text"),
    [
        ("{}", b"some words\r\n" * 9, b"some words\n" * 9),
        ("{'column': 'text'}", b'{"text": "%s"}\n' % (b"x" * 99), b"x" * 99),
    ],
)
def test_memory_does_not_grow_with_the_text(more: str, line: bytes, text: bytes, tmp_path: Path) -> None:
    for name, count in (("small", 20_000), ("large", 400_000)):
        (tmp_path / name).write_bytes(gzip.compress(line * count, 1))
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, more, tmp_path / "small", tmp_path / "large"], capture_output=True, text=True
    )
    kibibytes, size = map(int, done.stdout.split())
    assert size == 400_000 * len(text)
    assert kibibytes < 12 << 10
