"""How a message names a setting: as a flag on the command line, as an argument in Python.

What only helps on this machine is left out of a server's answers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_FLAGS = ContextVar("charloom_flags", default=False)

_REMOTE = ContextVar("charloom_remote", default=False)

_ARGUMENTS = {"from": "origin"}
"""Settings whose flag and argument have different names."""


def option(name: str, value: str | float | None = None) -> str:
    """The setting `name`, perhaps with a value: `--device auto` on the command line, `device="auto"` in Python."""
    if _FLAGS.get():
        flag = f"--{name.replace('_', '-')}"
        return flag if value is None else f"{flag} {value if isinstance(value, str) else format(value, 'g')}"
    argument = _ARGUMENTS.get(name, name)
    if value is None:
        return argument
    return f'{argument}="{value}"' if isinstance(value, str) else f"{argument}={value!r}"


def as_flags() -> bool:
    """Whether messages name settings as flags here."""
    return _FLAGS.get()


def on_this_machine(advice: str) -> str:
    """Advice that only helps who can use this package here; empty in the answers of a server."""
    return "" if _REMOTE.get() else advice


@contextmanager
def answering() -> Iterator[None]:
    """Within this, messages are for somebody else, who asked a server."""
    before = _REMOTE.set(True)
    try:
        yield
    finally:
        _REMOTE.reset(before)


@contextmanager
def named_as_flags(flags: bool = True) -> Iterator[None]:
    """Within this, messages name settings as flags: the command line's commands run in it."""
    before = _FLAGS.set(flags)
    try:
        yield
    finally:
        _FLAGS.reset(before)
