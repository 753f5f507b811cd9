"""The open blocks of a text, reduced to what decides what may follow.

Of an open block the header is kept, and of the statement before it the clauses that others may follow (`if` before
`else`, `try` before `except`, decorators); closed bodies become `pass`. So what the parser reads at the end of a line
does not grow with the text.
"""

import copy
import re
from dataclasses import dataclass

_FOLLOWING = {"elif", "else", "except", "finally"}
_COMPOUND = {"if", "for", "while", "try", "with", "async", "def", "class", "match", "case"}
_FIRST_WORD = re.compile(r"@|\w*")


@dataclass(frozen=True)
class _Clause:
    """A logical line that further clauses may follow."""

    text: str
    word: str
    opens: bool
    "Whether a block follows on the next lines."

    @property
    def body(self) -> str:
        """A placeholder for its block."""
        return "case _: pass\n" if self.word == "match" else "pass\n"


@dataclass(frozen=True)
class _Level:
    indent: str
    clauses: tuple[_Clause, ...] = ()

    def followed_by(self, clause: _Clause) -> "_Level":
        """The level after one more of its lines."""
        kept = self.clauses
        if clause.word in _FOLLOWING and kept:
            if kept[-1].word == clause.word:
                kept = kept[:-1]
        elif not (kept and kept[-1].word == "@"):
            kept = ()
        return _Level(self.indent, (*kept, clause))

    @property
    def missing(self) -> str:
        """What the statement at this level still needs."""
        words = {clause.word for clause in self.clauses}
        if self.clauses and self.clauses[-1].word == "@":
            return f"{self.indent}def _(): pass\n"
        if "try" in words and not words & {"except", "finally"}:
            return f"{self.indent}finally: pass\n"
        return ""


class Outline:
    """The open blocks after the logical lines read so far."""

    def __init__(self) -> None:
        self._levels: list[_Level] = [_Level("")]

    def copy(self) -> "Outline":
        """A copy with the same blocks."""
        twin = copy.copy(self)
        twin._levels = self._levels.copy()
        return twin

    def add(self, line: str, depth: int, *, opens: bool) -> None:
        """Add a logical line, with its newline, inside `depth` blocks; `opens`: whether it opens another one."""
        body = line.lstrip(" \t\f\n")
        indent = line[: len(line) - len(body)].rpartition("\n")[2].rpartition("\f")[2]
        first_word = _FIRST_WORD.match(body)
        word = first_word[0] if first_word else ""
        kept = line if opens or word == "@" or word in _COMPOUND or word in _FOLLOWING else f"{indent}pass\n"
        del self._levels[depth + 1 :]
        while len(self._levels) <= depth:
            self._levels.append(_Level(indent))
        self._levels[depth] = self._levels[depth].followed_by(_Clause(kept, word, opens))

    @property
    def context(self) -> str:
        """A short text that the same lines may follow as the whole text."""
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
        """The fewest lines that complete the text; none if it is complete."""
        out = []
        deepest = self._levels[-1]
        if deepest.clauses and deepest.clauses[-1].opens:
            out.append(f"{deepest.indent}    {deepest.clauses[-1].body}")
        out.extend(level.missing for level in reversed(self._levels))
        return "".join(out)
