"""A model on a hub in place of a folder: fetched once, compared with its checksums, then used from the cache.

    hub/HOST/OWNER--NAME/COMMIT/              the files that charloom reads, complete and checked
    hub/HOST/OWNER--NAME/refs/REVISION        the commit that a branch or tag meant when it was last fetched

A model that is in the cache is used from there without asking the hub; `newest` asks.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from charloom.errors import FolderError, shown
from charloom.places import cache, contents
from charloom.places.addresses import COMMIT, Address
from charloom.places.downloads import describe, download, no_hub
from charloom.places.endpoint import folder_name, host, offline
from charloom.places.notices import notify
from charloom.storage import atomic_files
from charloom.storage.atomic_files import Disk


@dataclass(frozen=True)
class Fetched:
    """A model that was fetched from a hub."""

    folder: Path
    commit: str


@dataclass(frozen=True)
class _File:
    size: int
    sha256: str | None
    git_sha1: str | None
    "Of the file as git stores it, for files that are not stored by their SHA-256."

    def checked(self, pieces: Iterable[bytes], why: FolderError) -> Iterator[bytes]:
        """The same pieces; raises `why` at their end if together they are not this file."""
        if self.sha256 is not None:
            digest, expected = hashlib.sha256(), self.sha256
        else:
            header = b"blob %d\0" % self.size
            digest, expected = hashlib.sha1(header, usedforsecurity=False), self.git_sha1 or ""
        length = 0
        for piece in pieces:
            length += len(piece)
            digest.update(piece)
            yield piece
        if length != self.size or digest.hexdigest() != expected:
            raise why


def fetched(where: Address, *, newest: bool = False, token: str | bool | None = None) -> Fetched:
    """The model at an address: from the cache if it is there, else, or with `newest`, from the hub.

    `token` is as in huggingface_hub: None for the user's own, False for none. Raises `FolderError`, `StorageError`,
    and `MissingExtraError` without the extra `hub`.
    """
    there = cached(where)
    if there is not None and (not newest or where.commit or offline()):
        return there
    if offline() and _damaged(where):
        raise FolderError(
            f"a file of {where} was deleted from the cache or cut short, and HF_HUB_OFFLINE forbids fetching it again; "
            "unset that"
        )
    said = describe(where, token)
    commit = said.get("sha")
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit) or where.commit not in (None, commit):
        raise no_hub()
    files = _files(where, said)
    folder = cache.filled(_place(where) / commit, lambda new: _fetch(where, commit, files, new, token))
    if where.commit is None:
        cache.remember(_reference(where), commit.encode())
    return Fetched(folder, commit)


def cached(where: Address) -> Fetched | None:
    """The model at an address as it was last fetched; None if it is not in the cache."""
    commit = _known_commit(where)
    folder = cache.found(_place(where) / commit) if commit else None
    return Fetched(folder, commit) if folder is not None else None


def _damaged(where: Address) -> bool:
    commit = _known_commit(where)
    return bool(commit) and cache.damaged(_place(where) / commit)


def _known_commit(where: Address) -> str:
    """The commit that the address meant when it was last fetched; empty if it never was."""
    commit = where.commit or (cache.remembered(_reference(where), 40) or b"").decode("ascii", "replace")
    return commit if COMMIT.fullmatch(commit) else ""


def _place(where: Address) -> Path:
    return Path("hub") / folder_name() / where.repository.replace("/", "--")


def _reference(where: Address) -> Path:
    return _place(where) / "refs" / quote(where.revision or "main", safe="")


def _files(where: Address, said: Mapping[str, Any]) -> dict[str, _File]:
    """The files to fetch, of those that the hub lists; other names are never used. Raises `FolderError`."""
    listed = said.get("siblings")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    named = {name: _file(entry) for entry in entries if (name := entry.get("rfilename")) in contents.MODEL}
    for name in contents.NEEDED:
        if name not in named:
            raise FolderError(f"{where} at {host()} is not a model that charloom can read: it has no {name}")
    for name, file in named.items():
        if file.size > contents.MODEL[name]:
            raise FolderError(f"{name} of {where} has {file.size:,} bytes, so it is not a file of charloom's")
    return named


def _file(entry: Mapping[str, Any]) -> _File:
    stored = entry.get("lfs")
    size, sha1 = entry.get("size"), entry.get("blobId")
    sha256 = stored.get("sha256") if isinstance(stored, dict) else None
    if type(size) is not int or not isinstance(sha256 or sha1, str):
        raise no_hub()
    return _File(size, sha256, sha1)


def _fetch(where: Address, commit: str, files: Mapping[str, _File], folder: Path, token: str | bool | None) -> None:
    """Fetch each file into `folder`, compared with the checksum that the hub names. Raises `FolderError`."""
    size = sum(file.size for file in files.values())
    notify(f"fetching {where} from {host()}: {len(files)} files, {size:,} bytes")
    for name, file in files.items():
        why = FolderError(
            f"{name} of {shown(where)} arrived damaged: its checksum is not the one that {host()} names; try again"
        )
        pieces = download(where, commit, name, file.size, token)
        atomic_files.write_new(Disk(), folder / name, file.checked(pieces, why))
