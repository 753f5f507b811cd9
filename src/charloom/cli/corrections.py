"""What `charloom correct` says about its changes."""

import sys
from typing import TYPE_CHECKING, Any

from charloom.errors import shown

if TYPE_CHECKING:
    from charloom.correct.corrector import Change


def keep_line_ends() -> None:
    """Print line ends as they are, on every system."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(newline="")


def reason(record: dict[str, Any]) -> str:
    """The sentence about a change."""
    return (
        f"line {record['line']}, column {record['column']}: "
        f"{shown(record['before'])} ({record['before_probability']:.1%}) -> "
        f"{shown(record['after'])} ({record['after_probability']:.1%}), {record['reason']}"
    )


def record(text: str, change: "Change", *, line: int = 1, start: int = 0) -> dict[str, Any]:
    """A change as a JSON value. `text` may be a part: it begins in line `line`, after `start` characters."""
    line_start = text.rfind("\n", 0, change.start) + 1
    return {
        "start": start + change.start,
        "line": line + text.count("\n", 0, change.start),
        "column": change.start - line_start + 1,
        "before": change.before,
        "after": change.after,
        "before_probability": change.before_probability,
        "after_probability": change.after_probability,
        "reason": change.reason,
    }


def without_list(unseen: float | None) -> str:
    """Why little is corrected without a word list, with the share of new words if there are any."""
    new = round(1000 * (unseen or 0))
    share = f" (of 1,000 further words of such a text about {new} would be new)" if new else ""
    return (
        f"there is no list of words in the language of the run's text, so only the surest slips are corrected{share}; "
        "give a list with --words, one word a line, or for English install the extra: pip install 'charloom[text]'"
    )
