"""How a message names a setting: as a flag on the command line, as an argument in Python."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_FLAGS = ContextVar("charloom_flags", default=False)

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


@contextmanager
def named_as_flags(flags: bool = True) -> Iterator[None]:
    """Within this, messages name settings as flags: the command line's commands run in it."""
    before = _FLAGS.set(flags)
    try:
        yield
    finally:
        _FLAGS.reset(before)
