"""The address of a model on a hub: OWNER/NAME, perhaps with @REVISION."""

import os
import re
from dataclasses import dataclass
from os import PathLike

from charloom.errors import FolderError, shown

_PART = r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_REPOSITORY = re.compile(rf"({_PART})/({_PART})")
_REVISION = re.compile(r"[\w][\w./-]{0,199}", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")

LOCAL = ("runs", "studies", "reports")
"""Folders in which charloom itself puts things: a path below one of them is never an address."""


def is_path(place: str | PathLike[str]) -> bool:
    """Whether this can only be a path: it is no string, or it begins with a dot or a slash."""
    return not isinstance(place, str) or place.startswith((".", "/"))


@dataclass(frozen=True)
class Address:
    """A model on a hub."""

    repository: str
    "OWNER/NAME."
    revision: str | None = None
    "A branch, a tag or a commit; None for the main branch."

    def __str__(self) -> str:
        return self.repository if self.revision is None else f"{self.repository}@{self.revision}"

    @property
    def commit(self) -> str | None:
        """The commit that the revision names, if it is one: 40 hexadecimal digits."""
        return self.revision if self.revision and COMMIT.fullmatch(self.revision) else None


def address(place: str | PathLike[str]) -> Address | None:
    """The address that a string is, by its form alone; None for anything else, such as a path below `runs/`."""
    if not isinstance(place, str) or is_path(place):
        return None
    name, mark, revision = place.partition("@")
    found = _REPOSITORY.fullmatch(name)
    if not found or name.endswith((".zip", ".git")) or found[1] in LOCAL:
        return None
    if mark and (not _REVISION.fullmatch(revision) or ".." in revision):
        return None
    return Address(name, revision or None)


def demanded(place: str | PathLike[str]) -> Address:
    """The address that `place` is. Raises `FolderError` if it is none."""
    found = address(place)
    if found is None:
        raise FolderError(f"{shown(place)} is not the address of a model; write OWNER/NAME, or OWNER/NAME@REVISION")
    return found


def looks_local(found: Address) -> bool:
    """Whether this is probably a mistyped path: something in the current folder has the owner's name."""
    return os.path.lexists(found.repository.split("/")[0])
