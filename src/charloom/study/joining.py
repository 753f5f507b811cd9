"""Joining a search from a machine that knows only the address of its storage, and where its copy of the text lies."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock

from charloom.data.copies import copy_of
from charloom.data.corpus import Corpus
from charloom.data.text_sources import STANDARD_INPUT, open_text, reopen
from charloom.errors import FolderError, SettingsError, shown
from charloom.errors.options import option
from charloom.study.folders import StudyFolder
from charloom.study.search_loop import Search
from charloom.study.storages import open_storage, require_optuna, storage_failures
from charloom.study.study import Opened
from charloom.study.terms import KEPT, Terms, check_text, folder_name, read_terms

FOLDERS = 1000
"""How many workers may share a folder of studies."""


def join(address: str, name: str | None, text: str | None, wanted: Path | None, say: Callable[[str], None]) -> Opened:
    """This machine's part in a search, its folder locked. `wanted`: the folder; by default one under studies/.

    `name`: the search's; by default the only one that is not complete. Raises `CharloomError`.
    """
    with storage_failures(address):
        storage = open_storage(address, Path(), stop=threading.Event(), say=say)
        search, terms = _found(storage, name)
    corpus = _text(terms, text, search)
    folder, held = _folder(wanted, search, terms)
    begun = (folder.path / "study.json").exists()
    source = "copy" if corpus.source == STANDARD_INPUT else corpus.source
    study = terms.study(source)
    folder.make(study, copy_of(corpus, study.request.corpus) if source == "copy" else None)
    folder.name_search(search)
    return Opened(folder, study, corpus, begun, search, held)


def _found(storage: Any, name: str | None) -> tuple[str, Terms]:
    """The search of this name, or the only one that is not complete, or the only one."""
    optuna = require_optuna()
    summaries = optuna.get_all_study_summaries(storage, include_best_trial=False)
    kept = {each.study_name: each.user_attrs[KEPT] for each in summaries if KEPT in each.user_attrs}
    if not kept:
        raise SettingsError("there is no search in this database; begin one with: charloom study TEXT --search N")
    if name is not None:
        if name not in kept:
            raise SettingsError(f"there is no search {shown(name)} in this database; it has {_listed(kept)}")
        return name, read_terms(kept[name], name)
    if len(kept) == 1:
        (only,) = kept
        return only, read_terms(kept[only], only)
    incomplete = [each for each in kept if not _complete(storage, each, kept[each])]
    if len(incomplete) != 1:
        which = _listed(incomplete or kept)
        raise SettingsError(f"there are several searches in this database; name one with {option('name')}: {which}")
    return incomplete[0], read_terms(kept[incomplete[0]], incomplete[0])


def _listed(names: Any) -> str:
    return ", ".join(shown(each) for each in sorted(names)[-20:])


def _complete(storage: Any, name: str, kept: Any) -> bool:
    """Whether all trials of a search have ended; one that cannot be read is nobody's."""
    try:
        terms = read_terms(kept, name)
    except FolderError:
        return True
    search = Search(name, storage, terms.request.search, seed=None, validations=terms.training.validations, grace=None)
    return search.complete


def _text(terms: Terms, text: str | None, search: str) -> Corpus:
    if text is not None:
        corpus = open_text(text, terms.request.corpus)
    elif terms.corpus:
        corpus = reopen(f"corpus {terms.corpus}", Path(), terms.request.corpus, terms.text)
    else:
        raise SettingsError(
            f"the search {shown(search)} is about the text {shown(terms.text)}; say where this machine has it, with "
            f"{option('text')}"
        )
    check_text(terms, corpus, search)
    return corpus


def _folder(wanted: Path | None, search: str, terms: Terms) -> tuple[StudyFolder, filelock.BaseFileLock]:
    """A folder of this search that no other worker uses, or a new one, and its lock. Raises `CharloomError`."""
    if wanted is not None:
        folder = StudyFolder(wanted)
        if not (folder.never_begun() or _is_of(folder, search, terms)):
            raise FolderError(f"{wanted} holds something else than this search; choose another {option('run')}")
        folder.create()
        return folder, folder.lock()
    name = folder_name(search)
    for number in range(1, FOLDERS):
        folder = StudyFolder(Path("studies") / (f"{name}-{number}" if number > 1 else name))
        if folder.create() or _is_of(folder, search, terms):
            with suppress(FolderError):  # another worker has it
                return folder, folder.lock()
    raise FolderError(f"there are too many folders of this search; choose another {option('run')}")


def _is_of(folder: StudyFolder, search: str, terms: Terms) -> bool:
    """Whether a folder is one of this search."""
    if not (folder.path / "study.json").exists() or folder.search() != search:
        return False
    return replace(folder.study().request, search=0) == replace(terms.request, search=0)
