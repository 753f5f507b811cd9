"""What the rows of an output are made of, so that only such an output is continued."""

import hashlib
import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

from charloom.data.corpus import files_of
from charloom.errors import FolderError, TextError, shown
from charloom.models.model_folder import ModelPlace, model_folder
from charloom.storage import strict_json
from charloom.storage.line_files import Mark

LONGEST = 100
"""Characters of a setting; of a longer one, the mark holds a hash."""


def mark_of(verb: str, model: ModelPlace, source: Path | str | None, settings: Mapping[str, object]) -> Mark:
    """The mark of a call. `source`: a file, a folder, "-" for standard input, or None if the settings say it all.

    `settings`: whatever changes a row, by the name of its option. Raises `FolderError`, `TextError`.
    """
    named = {name: _short(json.dumps(strict_json.plain(value))) for name, value in settings.items()}
    return Mark(verb, _of_model(model), _of_source(source), named)


def _of_model(model: ModelPlace) -> str:
    """A hash of the files of a model, except its card."""
    folder, digest = model_folder(model), hashlib.sha256()
    try:
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.name != "README.md" and not path.name.startswith("."):
                with path.open("rb") as source:
                    digest.update(os.fsencode(path.name) + b"\0" + hashlib.file_digest(source, "sha256").digest())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise FolderError(f"{shown(folder)} cannot be read: {reason}; check it") from None
    return digest.hexdigest()


def _of_source(source: Path | str | None) -> str:
    if source is None:
        return "none"
    try:
        if str(source) == "-":
            status = os.fstat(sys.stdin.fileno())
            place = os.lseek(sys.stdin.fileno(), 0, os.SEEK_CUR) if stat.S_ISREG(status.st_mode) else 0
            return _of_file(status) and f"{_of_file(status)} {place}"
        path = Path(source)
        if not path.is_dir():
            return _of_file(path.stat())
        digest = hashlib.sha256()
        for each in files_of(path):
            digest.update(os.fsencode(each.relative_to(path)) + b"\0" + _of_file(each.stat()).encode() + b"\0")
        return digest.hexdigest()
    except (OSError, ValueError) as error:
        if str(source) == "-":
            return ""
        reason = str((error.strerror if isinstance(error, OSError) else None) or error).lower()
        raise TextError(f"{shown(source)} cannot be read: {reason}; check the path") from None


def _of_file(status: os.stat_result) -> str:
    """The size, time and place of a file; empty for what is none, such as a pipe."""
    if not stat.S_ISREG(status.st_mode):
        return ""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_dev} {status.st_ino}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else hashlib.sha256(text.encode()).hexdigest()
