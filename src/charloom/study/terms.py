"""What all workers of a search agree on. It lies in the storage, and is all that a worker needs besides the text."""

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from charloom.data.corpus import Corpus
from charloom.errors import CharloomError, FolderError, SettingsError, shown
from charloom.errors.options import option
from charloom.settings import NetworkConfig, TrainingConfig
from charloom.storage import strict_json
from charloom.study.trials import Request, Study

KEPT = "charloom"
"""The storage keeps the terms under this name."""

LONGEST_NAME = 100
"""Most characters of a search's name."""

_CORPUS = "corpus "


@dataclass(frozen=True)
class Terms:
    """A search as its first worker described it."""

    request: Request
    text: str
    "The name of the text."
    corpus: str
    "The name of a corpus that every machine can get; empty for any other text."
    training_characters: int
    symbols: int
    network: NetworkConfig
    training: TrainingConfig
    reason: str
    space: str
    machine: str
    "What trains the trials: times of different machines are not comparable."
    format: Literal["charloom-search-1"] = "charloom-search-1"

    def study(self, source: str) -> Study:
        """The study of a worker that reads the text from `source`."""
        return Study(
            self.request,
            self.text,
            source,
            self.training_characters,
            self.symbols,
            self.network,
            self.training,
            self.reason,
            self.space,
        )


def proposed(study: Study, machine: str) -> Any:
    """The terms of a study as plain values."""
    corpus = study.source.removeprefix(_CORPUS) if study.source.startswith(_CORPUS) else ""
    return strict_json.plain(
        Terms(
            study.request,
            study.name,
            corpus,
            study.training_characters,
            study.symbols,
            study.network,
            study.training,
            study.reason,
            study.space,
            machine,
        )
    )


def read_terms(value: Any, search: str) -> Terms:
    """The terms that a storage keeps. Raises `FolderError`."""
    if isinstance(value, dict) and "request" not in value:
        raise FolderError(f"the search {shown(search)} was begun by an earlier version; begin a new one")
    try:
        return strict_json.load(Terms, value, f"the search {shown(search)}")
    except CharloomError as error:
        raise FolderError(f"{str(error).partition('; restore')[0]}; was it begun by another version?") from None


def agreed(terms: Terms, study: Study, machine: str, search: str) -> Study:
    """A worker's study on the agreed terms. Raises `SettingsError` if its trials would not be comparable."""
    theirs, mine = terms.request, study.request
    if replace(theirs, search=0) != replace(mine, search=0):
        raise SettingsError(f"the search {shown(search)} has other settings; choose another {option('name')}")
    if theirs.shared and theirs.budget_seconds is not None and machine != terms.machine:
        raise SettingsError(
            f"the search {shown(search)} gives each trial {theirs.budget_seconds:g} s of {shown(terms.machine)}, and "
            f"this is {machine}: times of different machines are not comparable; begin a search with "
            f"{option('characters')} to use both"
        )
    request = replace(mine, search=max(theirs.search, mine.search))
    return replace(terms.study(study.source), request=request)


def check_text(terms: Terms, corpus: Corpus, search: str) -> None:
    """Raise `SettingsError` if this is not the text of the search."""
    if corpus.text.sha256 != terms.request.text_sha256:
        raise SettingsError(
            f"the search {shown(search)} is about another text ({shown(terms.text)}, SHA-256 "
            f"{shown(terms.request.text_sha256)[:12]}…); this one has {corpus.text.sha256[:12]}…"
        )


def machine_words(device: str, threads: int) -> str:
    """What trains here, as far as it decides how fast."""
    from charloom.machine.hardware import environment, machine

    processor = environment(device)["device"] if device == "cuda" else machine()["processor"]
    return f"{processor} with {threads} thread{'s' * (threads != 1)}"


def search_name(request: Request, text: str) -> str:
    """The name of a search in its storage, if none is given: the same command gives the same name everywhere."""
    same = replace(request, search=0, shared=False)
    return f"{text}-{hashlib.sha256(strict_json.dump(same)).hexdigest()[:12]}"


def check_name(name: str) -> None:
    """Raise `SettingsError` for a name that no search can have."""
    if not (0 < len(name) <= LONGEST_NAME and name.isprintable() and name.strip() == name):
        raise SettingsError(
            f"name is {shown(name[:LONGEST_NAME])!r}; a search has a name of 1 to {LONGEST_NAME} printable characters"
        )


def folder_name(search: str) -> str:
    """The name of a folder for a search, whatever the storage calls it."""
    return re.sub(r"[^\w.-]+", "-", search).strip(".-")[:LONGEST_NAME] or "search"
