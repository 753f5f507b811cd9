"""Named texts: some come with every Python installation, others are downloaded and checked.

Every name works for everybody: embedded texts need nothing, and a download needs the extra `text` and is refused unless
its SHA-256 is the one below.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from charloom.errors import MissingExtraError, TextError, did_you_mean

NamedTexts = Iterator[tuple[str, bytes]]
"""Texts, each with the name that errors call it by."""


@dataclass(frozen=True)
class Dataset:
    """A named text: its description, its licence, and how to get it."""

    name: str
    description: str
    licence: str
    read: Callable[[], NamedTexts]
    address: str | None = None
    "Where it is fetched from; None if it comes with Python."
    sha256: str | None = None
    "What the download must match; None if it varies with the Python version."
    language: str | None = None
    "ISO 639-1 code, if it is in one natural language."
    hub: str | None = None
    "Its name among the data sets of huggingface.co, if the same text is there."


def dataset(name: str) -> Dataset:
    """The text called `name`. Raises `TextError` with the known names."""
    if name not in DATASETS:
        raise TextError(f"there is no file, folder or corpus {name[:100]!r}{did_you_mean(name, DATASETS)}")
    return DATASETS[name]


def named_source(source: str) -> Dataset | None:
    """The named text that a run's record of its source, `corpus NAME`, stands for; None for any other source."""
    return DATASETS.get(source.removeprefix("corpus ")) if source.startswith("corpus ") else None


def fetch(entry: Dataset) -> Path | None:
    """The local file of a download, fetched and checked if necessary; None for a text that comes with Python.

    Raises `TextError`, `MissingExtraError`.
    """
    if entry.address is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # in a notebook, tqdm misses widgets that are not used
            import pooch
    except ImportError:
        raise MissingExtraError(f"fetching {entry.name}", "text") from None
    pooch.get_logger().setLevel("WARNING")
    try:
        return Path(
            pooch.retrieve(
                entry.address,
                known_hash=f"sha256:{entry.sha256}",
                fname=f"{entry.name}.txt",
                path=pooch.os_cache("charloom"),
                progressbar=False,
            )
        )
    except ValueError:
        raise TextError(
            f"{entry.address} no longer serves the text known as {entry.name}; the download was discarded"
        ) from None
    except (OSError, RuntimeError) as error:
        raise TextError(
            f"{entry.name} could not be fetched from {entry.address} ({type(error).__name__}); check the network, or "
            "give a file"
        ) from None


def _python_docs() -> NamedTexts:
    """The topics in alphabetical order, each without the paragraphs that repeat what came before.

    The topics quote each other at length, and on a text that repeats itself a program that copies beats one that has
    learned. So a paragraph is kept only if at least two thirds of its passages are new: found neither earlier in the
    kept paragraphs nor earlier in this one. What is kept is not changed.
    """
    from pydoc_data.topics import topics

    seen, kept = set[str](), list[str]()
    for topic in sorted(topics):
        paragraphs = []
        for paragraph in _BLANK_LINES.split(topics[topic].strip("\n")):
            found = passages(paragraph)
            new = set(found) - seen
            if 3 * len(new) >= 2 * len(found):
                seen |= new
                paragraphs.append(paragraph)
        if paragraphs:
            kept.append("\n\n".join(paragraphs) + "\n")
    yield "python-docs", "\n\n".join(kept).encode()


_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n)+")

PASSAGE = 30
"""Characters of a passage: longer than most phrases, shorter than most sentences."""


def passages(paragraph: str) -> list[str]:
    """Every stretch of 30 characters of a paragraph, however its lines are broken and indented; a short one is one."""
    flat = " ".join(paragraph.split())
    return [flat[start : start + PASSAGE] for start in range(max(1, len(flat) - PASSAGE + 1))]


def _python_source() -> NamedTexts:
    import sysconfig

    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.glob("*.py")):
        data = path.read_bytes()
        if data.strip():
            yield path.name, data


def _python_library() -> NamedTexts:
    """Whole files of the standard library, ordered by the SHA-256 of their paths.

    Skipped are tests, files with tabs or non-ASCII characters, and tables: files in which more than a third of the
    lines begin with a quote or a digit. This gives a character vocabulary of 96 symbols and one way to indent. The
    order mixes the packages, so that the last tenth holds files of all kinds.
    """
    import hashlib
    import sysconfig

    library = Path(sysconfig.get_path("stdlib"))
    paths = [path.relative_to(library) for path in library.rglob("*.py")]
    kept = [
        path.as_posix()
        for path in paths
        if all(part.isidentifier() and not _NO_SOURCE.fullmatch(part) for part in path.with_suffix("").parts)
    ]
    for name in sorted(kept, key=lambda name: hashlib.sha256(name.encode()).digest()):
        data = (library / name).read_bytes()
        lines = data.splitlines()
        if data.strip() and data.isascii() and not _CONTROL.search(data) and 3 * _entries(lines) <= len(lines):
            yield name, data


_NO_SOURCE = re.compile(r"tests?|test_.*|.*_tests?|lib2to3|site_packages|_sysconfigdata.*")
"""Skipped folders: tests, and sources for another Python."""

_CONTROL = re.compile(rb"[\t\f\v\x00]")


def _entries(lines: list[bytes]) -> int:
    """The share of lines that look like rows of a table."""
    return sum(line.lstrip()[:1] in _BEGINS_ENTRY for line in lines)


_BEGINS_ENTRY = frozenset((b"'", b'"', *(b"%d" % digit for digit in range(10))))


def _downloaded(name: str) -> Callable[[], NamedTexts]:
    def read() -> NamedTexts:
        path = fetch(DATASETS[name])
        assert path is not None, "a download has a file"
        yield name, path.read_bytes()

    return read


DATASETS = {
    entry.name: entry
    for entry in (
        Dataset(
            "python-docs",
            "Topics of Python's built-in help: the language reference without repetitions, about 350,000 characters",
            "PSF-2.0",
            _python_docs,
            language="en",
        ),
        Dataset(
            "python-source",
            "Modules at the top of Python's standard library, one text per module",
            "PSF-2.0",
            _python_source,
        ),
        Dataset(
            "python-library",
            "Python's standard library, with packages, without tests and tables; whole files, shuffled, ASCII only",
            "PSF-2.0",
            _python_library,
        ),
        Dataset(
            "tiny-shakespeare",
            "Plays by Shakespeare, the standard small corpus of the field: 1,115,394 characters, 65 distinct",
            "public domain",
            _downloaded("tiny-shakespeare"),
            "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
            "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            language="en",
            hub="karpathy/tiny_shakespeare",
        ),
    )
}
