"""How an object looks in a notebook: a small table, as Markdown."""

import re
from collections.abc import Mapping

from charloom.errors import shown


def table(title: str, rows: Mapping[str, str]) -> str:
    """A table of two columns under a title. What Markdown would take for markup is escaped."""
    lines = [f"| {_plain(name)} | {_plain(value)} |" for name, value in rows.items()]
    return "\n".join([f"**{_plain(title)}**", "", "| | |", "|---|---|", *lines])


def _plain(text: str) -> str:
    return re.sub(r"[\\`*$|<]", r"\\\g<0>", shown(text))
