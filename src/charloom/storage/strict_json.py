"""Dataclasses to JSON and back, strictly: every key of a file is used, or an error says why not.

Refused: duplicate, unknown and missing keys, wrong types, NaN and infinities, unbounded nesting, files over a size
limit. Nothing is coerced ("512" is not 512) and nothing is filled in: a file that lacks a key is damaged.
"""

import dataclasses
import json
import math
import types
from collections.abc import Mapping
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from charloom.errors import CharloomError, FolderError, did_you_mean

Record = TypeVar("Record")

LARGEST_JSON = 1 << 20
"""Maximum size of our JSON files in bytes, except the vocabulary's."""


def dump(value: object) -> bytes:
    """JSON of a dataclass or plain values: UTF-8, indented, with a final newline; equal values give equal bytes."""
    return (json.dumps(plain(value), ensure_ascii=True, allow_nan=False, indent=2) + "\n").encode()


def dump_line(value: object) -> bytes:
    """JSON on one line, with a final newline."""
    return (json.dumps(plain(value), ensure_ascii=True, allow_nan=False) + "\n").encode()


def plain(value: object) -> Any:
    """`value`, with every dataclass in it converted to a dictionary."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def parse(data: bytes, where: str, *, largest: int = LARGEST_JSON) -> Any:
    """The JSON value in `data`; `where` names the file in errors. Raises `FolderError`."""
    if len(data) > largest:
        raise FolderError(
            f"{where} has {len(data):,} bytes; such a file has at most {largest:,}, so it is not one of ours"
        )
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_int=_whole,
            parse_float=_finite,
        )
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error).split("\n")[0]
        raise FolderError(f"{where} is damaged: {reason[:200]}; restore it from a copy, or train again") from None


def load(kind: type[Record], value: Any, where: str, path: str = "") -> Record:
    """`value` (parsed JSON) as a `kind` dataclass: every key present and of the right type. Raises `FolderError`."""
    at = path or "it"
    if not isinstance(value, dict):
        raise FolderError(f"{where}: {at} should hold named values, not {short_json(value)}")
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for key in value:
        if key not in fields:
            raise FolderError(f"{where}: {at} has no setting {key[:100]!r}{did_you_mean(key[:100], fields)}")
    for key in fields:
        if key not in value:
            raise FolderError(f"{where}: {at} lacks {key!r}; restore the file from a copy, or train again")
    hints = get_type_hints(kind)
    loaded = {key: _load_value(hints[key], item, where, f"{path}.{key}".lstrip(".")) for key, item in value.items()}
    try:
        return kind(**loaded)
    except CharloomError as error:
        raise FolderError(f"{where}: {error}") from None


def require_at_least(record: object, least: int, *names: str, prefix: str = "") -> None:
    """Raise `FolderError` if one of these numbers of a record that stood in a file is below `least`."""
    for name in names:
        if getattr(record, name) < least:
            raise FolderError(f"{prefix}{name} is {getattr(record, name)}, below {least}; restore the file from a copy")


def _load_value(hint: Any, value: Any, where: str, path: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return load(hint, value, where, path)  # type: ignore[arg-type]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        if not isinstance(value, str) or value not in arguments:
            raise FolderError(f"{where}: {path} is {short_json(value)}{did_you_mean(str(value)[:100], arguments)}")
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _load_value(inner, value, where, path)
    if origin is tuple:
        if not isinstance(value, list):
            raise FolderError(f"{where}: {path} should be a list, not {short_json(value)}")
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_load_value(arguments[0], item, where, path) for item in value)
        if len(value) != len(arguments):
            raise FolderError(f"{where}: {path} should have {len(arguments)} values, not {len(value)}")
        return tuple(_load_value(inner, item, where, path) for inner, item in zip(arguments, value, strict=True))
    if origin is dict:
        if not isinstance(value, dict):
            raise FolderError(f"{where}: {path} should hold named values, not {short_json(value)}")
        return {
            key: _load_value(arguments[1], item, where, f"{path}.{repr(key[:100])[1:-1]}")
            for key, item in value.items()
        }
    if hint is float and type(value) is int and abs(value) < 2**53:
        return float(value)
    if type(value) is not hint:
        raise FolderError(f"{where}: {path} should be {_NAMES[hint]}, not {short_json(value)}")
    return value


_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def short_json(value: Any) -> str:
    """A value from a file as shown in messages: short, and on one line."""
    try:
        text = json.dumps(value)
    except RecursionError:  # writing needs slightly more depth than reading
        return "a value that is nested too deeply"
    return text if len(text) <= 60 else text[:57] + "..."


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:100]!r} occurs twice")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid JSON")


def _whole(text: str) -> int:
    if len(text) > 20:  # the sign and digits of 64 bits; anything longer would overflow in use
        raise ValueError(f"{text[:20]}... is too large a number")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large a number")
    return value
