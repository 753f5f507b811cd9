"""How an object looks in a notebook: a small table, as Markdown."""

from collections.abc import Mapping


def table(title: str, rows: Mapping[str, str]) -> str:
    """A table of two columns under a title."""
    return "\n".join(
        [f"**{title}**", "", "| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    )
