"""Lines in the order of their keyed hashes: on the disk as in memory."""

import hashlib
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from charloom.data import blocks, shuffled
from charloom.data.parts import Notes, Part
from charloom.data.parts import parts as documents
from charloom.errors import StorageError, TextError
from charloom.settings import CorpusConfig

LINES = st.lists(st.text("ab\né", max_size=5), min_size=1, max_size=30)


def parts(texts: list[str]) -> Iterator[Part]:
    for text in texts:
        if text:
            yield text.encode(), len(text), True


def result(made: Iterator[Part]) -> tuple[bytes, int, int]:
    """The bytes, the characters and the number of ends."""
    found = list(made)
    return b"".join(data for data, _, _ in found), sum(part[1] for part in found), sum(part[2] for part in found)


def plainly(texts: list[str], seed: int) -> bytes:
    """All lines in a list that is sorted."""
    lines = [line for text in texts if text for line in text.removesuffix("\n").encode().split(b"\n")]
    key = seed.to_bytes(8, "little")
    lines.sort(key=lambda line: (hashlib.blake2b(line, digest_size=16, key=key).digest(), line))
    return b"".join(line + b"\n" for line in lines)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=LINES,
    seed=st.integers(1, 2**63 - 1),
    most=st.integers(1, 400),
    held=st.integers(1, 60),
    piece=st.integers(1, 20),
)
def test_on_the_disk_the_order_is_the_one_in_memory(
    texts: list[str], seed: int, most: int, held: int, piece: int, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shuffled, "SORTED", most)
        patch.setattr(shuffled, "HELD", held)
        patch.setattr(blocks, "PIECE", piece)
        on_disk = result(shuffled.shuffled(parts(texts), seed, tmp_path))
        in_memory = result(shuffled.shuffled(parts(texts), seed))
    expected = plainly(texts, seed)
    assert on_disk == in_memory == (expected, len(expected.decode()), 1)
    assert not any(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_text_nor_with_a_line_that_occurs_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shuffled, "SORTED", 1 << 15)
    monkeypatch.setattr(shuffled, "HELD", 1 << 13)
    monkeypatch.setattr(blocks, "PIECE", 1 << 12)
    tracemalloc.start()
    peaks = []
    for count in (1, 6):
        made = (
            ("".join(f"line {each}\n\n\n" for each in range(first, first + 1000)), first)
            for first in range(0, count * 2_000, 1000)
        )
        tracemalloc.reset_peak()
        size = sum(
            len(data)
            for data, _, _ in shuffled.shuffled(((text.encode(), len(text), True) for text, _ in made), 1, tmp_path)
        )
        assert size > count * 20_000
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize("cut", [1, 7, 100])
@pytest.mark.parametrize(("line", "refused"), [("x" * 20, False), ("x" * 21, True), ("é" * 11, True)])
def test_a_line_that_is_too_long_to_be_sorted_is_refused(
    cut: int, line: str, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charloom.data.parts.LONGEST", 20)
    monkeypatch.setattr(blocks, "PIECE", cut)
    data = f"short\n\n{line}\nshort".encode()
    read = documents([("other", [b"line\n" * 9]), ("here", [data])], CorpusConfig(shuffle=1), Notes(), in_folder=False)
    if refused:
        with pytest.raises(TextError, match=r"^here, line 3, is longer than .* so it cannot be shuffled"):
            list(read)
    else:
        assert b"".join(part[0] for part in read).endswith(data)


def test_a_full_disk_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "lines"
    folder.mkdir()

    def full(*arguments: object, **named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StorageError, match="cannot be written: no space is left on the disk"):
        list(shuffled.shuffled(parts(["a\nb"]), 1, folder))
