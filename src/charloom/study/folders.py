"""A study's folder: study.json, a run for each trial, how each ended, their processes' output, and the answer.

study.json              what was requested, and the centre
search.json             what its search is called in a shared storage
text.txt                a copy of the text, if it came from standard input
trials/NAME/            a run like any other
outcomes/NAME.json      how it ended
logs/NAME.txt           what its process printed; NAME.json: its result
report.md, report.html, *.png, best.toml
lock                    held while a process works on the study
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import filelock

from charloom.errors import FolderError, StorageError
from charloom.errors.options import option
from charloom.storage import atomic_files, strict_json
from charloom.storage.atomic_files import Disk
from charloom.study.outcomes import Outcome, read_outcome
from charloom.study.trials import Study, Trial
from charloom.training.runs import take_lock

FIRST = "trials"
FOLDERS = {FIRST, "outcomes", "logs"}
_BEFORE_STUDY = {"text.txt", f"text.txt{atomic_files.TEMPORARY}", f"study.json{atomic_files.TEMPORARY}"}


@dataclass(frozen=True)
class SearchName:
    """The content of `search.json`."""

    name: str
    format: Literal["charloom-search-name-1"] = "charloom-search-name-1"


@dataclass(frozen=True)
class StudyFolder:
    """The paths of a study's files."""

    path: Path

    def run(self, trial: str) -> Path:
        """A trial's run directory."""
        return self.path / "trials" / trial

    def outcome(self, trial: str) -> Path:
        """The file of a trial's outcome."""
        return self.path / "outcomes" / f"{trial}.json"

    def log(self, trial: str, ending: str) -> Path:
        """A file of what a trial's process printed."""
        return self.path / "logs" / f"{trial}.{ending}"

    def study(self) -> Study:
        """The request. Raises `FolderError` if this is not a study."""
        where = self.path / "study.json"
        if not where.is_file():
            raise FolderError(f"{self.path} is not a study: it has no study.json; start one with: charloom study TEXT")
        return strict_json.load(Study, strict_json.parse(where.read_bytes(), str(where)), str(where))

    def outcomes(self, trials: tuple[Trial, ...]) -> dict[Trial, Outcome]:
        """The outcomes of the trials that have ended."""
        outcomes = {trial: read_outcome(self.outcome(trial.name)) for trial in trials}
        return {trial: outcome for trial, outcome in outcomes.items() if outcome is not None}

    def never_begun(self) -> bool:
        """Whether the folder is empty, or holds only what a crash leaves before study.json is written."""
        if not self.path.exists():
            return True
        if not self.path.is_dir():
            return False
        names = {entry.name for entry in self.path.iterdir()}
        if not names:
            return True
        empty = all(not any((self.path / name).iterdir()) for name in names & FOLDERS if (self.path / name).is_dir())
        return FIRST in names and names <= FOLDERS | _BEFORE_STUDY and empty

    def search(self) -> str | None:
        """What its search is called in a shared storage, if that is known. Raises `FolderError`."""
        where = self.path / "search.json"
        if not where.is_file():
            return None
        return strict_json.load(SearchName, strict_json.parse(where.read_bytes(), str(where)), str(where)).name

    def name_search(self, name: str) -> None:
        """Remember what its search is called. Raises `StorageError`."""
        if self.search() != name:
            atomic_files.replace(Disk(), self.path / "search.json", strict_json.dump(SearchName(name)))

    def create(self) -> bool:
        """Make the folder itself; False if it was there: of several processes one gets True. Raises `StorageError`."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir()
        except FileExistsError:
            return False
        except OSError as error:
            raise self._uncreated(error) from None
        return True

    def make(self, study: Study, text: Iterable[bytes | memoryview] | None) -> None:
        """The folder of a new study; `text` is copied if it cannot be read again. Raises `StorageError`."""
        try:
            for name in sorted(FOLDERS, key=FIRST.__ne__):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._uncreated(error) from None
        if text is not None:
            atomic_files.replace(Disk(), self.path / "text.txt", text)
        atomic_files.replace(Disk(), self.path / "study.json", strict_json.dump(study))

    def _uncreated(self, error: OSError) -> StorageError:
        why = (error.strerror or str(error)).lower()
        return StorageError(f"{self.path} cannot be created: {why}; choose another {option('run')}")

    def lock(self) -> filelock.BaseFileLock:
        """Take the study's lock. Raises `FolderError` if another process works on it."""
        return take_lock(self.path, f"{self.path} is in use by another process; wait for it, or stop it")
