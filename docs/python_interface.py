"""Write docs/reference/python.md from the public names of the package.

Usage: python docs/python_interface.py [FILE]      (make docs)
"""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import charloom

PAGE = Path(__file__).resolve().parent / "reference" / "python.md"

HEAD = """\
# Python

<!-- Written by docs/python_interface.py from the package; a test compares the two. -->

These names are public. Everything that a user can fix is raised as `charloom.CharloomError`, a `ValueError` with one
sentence; anything else is a bug. `help(charloom)` and `help(NAME)` say more.
"""


def page() -> str:
    """The reference of all public names, as Markdown."""
    parts = [HEAD, *_package(charloom)]
    for name in charloom._PACKAGES:
        parts += _package(getattr(charloom, name))
    return "\n".join(parts)


def _package(package: ModuleType) -> Iterator[str]:
    yield f"## {package.__name__}\n"
    if package is not charloom:
        yield f"{_first(package)}\n"
    own = sorted(
        set(package.__all__) - ({"__version__"} if package is charloom else set(charloom.__all__)),
        key=lambda name: (name.lower(), name),
    )
    for name in own:
        yield from _entry(package, name, getattr(package, name))
    if not own:
        yield "Its public names are those of `charloom`.\n"


def _entry(package: ModuleType, name: str, value: Any) -> Iterator[str]:
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        yield f"- **{name}**"
        return
    yield f"- **{name}**`{_signature(value)}`  \n  {_first(value)}"
    if inspect.isclass(value) and not issubclass(value, Exception):
        for member, what in sorted(vars(value).items()):
            method = what.__func__ if isinstance(what, (classmethod, staticmethod)) else what
            if not member.startswith("_") and inspect.isfunction(method):
                yield f"  - `.{member}{_signature(method)}` {_first(method)}"


def _signature(value: Any) -> str:
    """The parameters by name, with defaults; types are left to `help`."""
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):
        return ""
    shown = [
        re.sub(r"=<.*>$|=\w+Config\(.*\)$", "=…", str(one.replace(annotation=inspect.Parameter.empty)))
        for one in parameters
        if one.name not in ("self", "cls")
    ]
    return f"({', '.join(shown)})"


def _first(value: Any) -> str:
    """The first sentence of its docstring."""
    text = inspect.getdoc(value) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return paragraph.split(". ")[0].rstrip(".:") + "."


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else PAGE).write_text(page() + "\n", encoding="utf-8")
