"""The blocks in which a text stands, with no more of each than decides what may follow.

Of a block that is open its header is kept, of the statement before the clauses that others may follow (`if` before
`else`, `try` before `except`, decorators); the bodies that are closed are `pass`. So what the parser reads at a line's
end does not grow with the text.
"""

import copy
import re
from dataclasses import dataclass

_FOLLOWING = {"elif", "else", "except", "finally"}
_COMPOUND = {"if", "for", "while", "try", "with", "async", "def", "class", "match", "case"}
_FIRST_WORD = re.compile(r"@|\w*")


@dataclass(frozen=True)
class _Clause:
    """A logical line that something may follow."""

    text: str
    word: str
    opens: bool
    "Whether a block follows, on lines of its own."

    @property
    def body(self) -> str:
        """What stands for its block."""
        return "case _: pass\n" if self.word == "match" else "pass\n"


@dataclass(frozen=True)
class _Level:
    indent: str
    clauses: tuple[_Clause, ...] = ()

    def followed_by(self, clause: _Clause) -> "_Level":
        """The level after a further line of it."""
        kept = self.clauses
        if clause.word in _FOLLOWING and kept:
            if kept[-1].word == clause.word:
                kept = kept[:-1]
        elif not (kept and kept[-1].word == "@"):
            kept = ()
        return _Level(self.indent, (*kept, clause))

    @property
    def missing(self) -> str:
        """What the statement at this level cannot do without."""
        words = {clause.word for clause in self.clauses}
        if self.clauses and self.clauses[-1].word == "@":
            return f"{self.indent}def _(): pass\n"
        if "try" in words and not words & {"except", "finally"}:
            return f"{self.indent}finally: pass\n"
        return ""


class Outline:
    """The open blocks of a text after its first logical lines."""

    def __init__(self) -> None:
        self._levels: list[_Level] = [_Level("")]

    def copy(self) -> "Outline":
        """Another one of the same blocks."""
        twin = copy.copy(self)
        twin._levels = self._levels.copy()
        return twin

    def add(self, line: str, depth: int, *, opens: bool) -> None:
        """Take a logical line, with its newline, inside `depth` blocks; whether it opens another one."""
        body = line.lstrip(" \t\f\n")
        indent = line[: len(line) - len(body)].rpartition("\n")[2].rpartition("\f")[2]
        found = _FIRST_WORD.match(body)
        word = found[0] if found else ""
        kept = line if opens or word == "@" or word in _COMPOUND or word in _FOLLOWING else f"{indent}pass\n"
        del self._levels[depth + 1 :]
        while len(self._levels) <= depth:
            self._levels.append(_Level(indent))
        self._levels[depth] = self._levels[depth].followed_by(_Clause(kept, word, opens))

    @property
    def context(self) -> str:
        """A short text after which the same lines may follow as after the whole."""
        out = []
        for level in self._levels:
            for place, clause in enumerate(level.clauses):
                out.append(clause.text)
                last = place == len(level.clauses) - 1
                if clause.opens and not last:
                    out.append(f"{level.indent} {clause.body}")
        return "".join(out)

    @property
    def closing(self) -> str:
        """Lines that make a whole text of it, as few as there must be; none where it is one."""
        out = []
        deepest = self._levels[-1]
        if deepest.clauses and deepest.clauses[-1].opens:
            out.append(f"{deepest.indent}    {deepest.clauses[-1].body}")
        out.extend(level.missing for level in reversed(self._levels))
        return "".join(out)
