"""What takes time and is worth a line to a person: the command line listens, a program hears nothing."""

from collections.abc import Callable

listeners: list[Callable[[str], None]] = []
"""What is called with each line."""


def notify(line: str) -> None:
    """Give a line to everybody who listens."""
    for listener in listeners:
        listener(line)
