"""Options that classifiers had before the release of charloom 0.1.0; old configurations still name them."""

from typing import Any

from charloom.errors import FolderError
from charloom.storage.strict_json import short_json

REMAINING = {"members": 1}
"""The only value of each that still works; the rest of the code takes it for granted."""


def without_deleted_options(config: Any, where: str) -> Any:
    """A parsed config.json of a classifier or its run, without the keys of `REMAINING`.

    Raises `FolderError` if one of them has any other value, or if the pooling is "attention".
    """
    options = config.get("classification") if isinstance(config, dict) else None
    if not isinstance(options, dict):
        return config
    for name, remaining in REMAINING.items():
        value = options.get(name, remaining)
        if type(value) is not type(remaining) or value != remaining:
            raise _deleted(name, value, where)
    if options.get("pooling") == "attention":
        raise _deleted("pooling", "attention", where)
    return {**config, "classification": {name: value for name, value in options.items() if name not in REMAINING}}


def _deleted(name: str, value: object, where: str) -> FolderError:
    return FolderError(
        f"{where}: {name} is {short_json(value)}, which charloom supported only before release 0.1.0; train the "
        "classifier again without it"
    )
