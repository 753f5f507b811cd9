"""What pydantic finds wrong with a request, as one sentence about one field."""

from collections.abc import Mapping
from typing import Any

from charloom.storage.strict_json import short_json

_JSON = "send the request as a JSON object, with Content-Type: application/json"

_SENTENCES = {
    "greater_than_equal": "{param} is {value}; it must be at least {ge}",
    "greater_than": "{param} is {value}; it must be above {gt}",
    "less_than_equal": "{param} is {value}; it must be at most {le}",
    "finite_number": "{param} is {value}; it must be a finite number",
    "int_type": "{param} is {value}; it must be a whole number",
    "int_from_float": "{param} is {value}; it must be a whole number",
    "int_parsing_size": "{param} is {value}; it is too large a number",
    "float_type": "{param} is {value}; it must be a number",
    "bool_type": "{param} is {value}; it must be true or false",
    "string_type": "{param} is {value}; it must be a text",
    "list_type": "{param} is {value}; it must be a list",
    "string_unicode": "{param} has half of a surrogate pair in it, which is no character; remove it",
    "string_too_long": "{param} is longer than {max_length} characters; send less at once",
    "string_too_short": "{param} is empty; give it at least {min_length} character",
    "too_long": "{param} has more than {max_length} entries; send less at once",
    "too_short": "{param} is empty; give it at least {min_length} entry",
    "literal_error": "{param} is {value}; it must be {expected}",
    "missing": "{param} is missing; add it",
    "json_invalid": "the body of the request is not valid JSON ({error}); correct it",
}


def sentence(error: Mapping[str, Any]) -> tuple[str, str | None]:
    """One sentence for an error of pydantic, and the name of the field."""
    place = [part for part in error["loc"] if part != "body"]
    param = str(place[0])[:100] if place and isinstance(place[0], str) else None
    kind, context = error["type"], error.get("ctx") or {}
    if kind == "refused":
        return str(error["msg"]), str(context["field"])
    if param is None and kind != "json_invalid":
        return _JSON, None
    pattern = _SENTENCES.get(kind)
    if pattern is None:
        return f"{param}: {error['msg']}", param
    shown = {name: f"{value:,g}" if isinstance(value, float) else value for name, value in context.items()}
    shown |= {name: f"{value:,}" for name, value in context.items() if isinstance(value, int)}
    return pattern.format(param=_path(place), value=_value(error.get("input")), **shown), param


def _path(place: list[Any]) -> str:
    """`stop[3]`: the field, and where in it; names of alternatives in between are left out."""
    if not place:
        return "the request"
    inner = [f"[{part}]" for part in place[1:] if isinstance(part, int)]
    names = [f".{part}" for part in place[1:] if isinstance(part, str) and part.isidentifier()]
    return str(place[0])[:100] + "".join(inner if place[0] in ("prompt", "stop") else names + inner)


def _value(value: object) -> str:
    try:
        return short_json(value)
    except (TypeError, ValueError):  # bytes, or an integer with thousands of digits
        return "something else"
