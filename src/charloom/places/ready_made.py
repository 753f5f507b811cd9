"""The models that come with the package, by name. Their files are data of this package; nothing is fetched."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from charloom.errors import FolderError, did_you_mean

DATA = Path(__file__).parent / "data"

WORDS = "words.xz"
"""The file of a model folder with the counted words of the model's training text, if it has one."""

Kind = Literal["language model", "classifier"]


@dataclass(frozen=True)
class ReadyMade:
    """A model that comes with charloom."""

    name: str
    kind: Kind
    summary: str

    @property
    def folder(self) -> Path:
        """Its model folder, in the installed package."""
        return DATA / self.name

    def card(self) -> str:
        """Its README.md without the metadata block. Raises `FolderError`."""
        try:
            text = (self.folder / "README.md").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            raise FolderError(f"{self.folder / 'README.md'} cannot be read; install charloom again") from None
        return text.split("---\n", 2)[-1] if text.startswith("---\n") else text


READY_MADE = {
    entry.name: entry
    for entry in (
        ReadyMade("english", "language model", "English prose: writes, completes, corrects, starts small texts"),
        ReadyMade("languages", "classifier", "66 languages: the language of a sentence, of a few words, of one"),
    )
}


def ready_made(name: str) -> ReadyMade:
    """The ready-made model called `name`.

    Raises `FolderError` for an unknown name, with the known ones, or if this installation lacks its files.
    """
    if name not in READY_MADE:
        raise FolderError(f"there is no ready-made model {name[:100]!r}{did_you_mean(name, READY_MADE)}")
    entry = READY_MADE[name]
    if not (entry.folder / "config.json").is_file():
        raise FolderError(f"this installation of charloom lacks the files of {name!r}; install charloom again")
    return entry


def at(folder: Path) -> ReadyMade | None:
    """The ready-made model whose folder this is; None for any other folder."""
    return next((entry for entry in READY_MADE.values() if entry.folder == folder), None)
