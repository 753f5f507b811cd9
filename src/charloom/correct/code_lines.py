"""Lines of code in a text (programs, commands, settings, listings), whose words do not follow the rules of a language.

A line is recognised by its shape: a prompt, an operator between spaces, a statement of a common language, a command
with options. A block of indented lines, as in Markdown, is code if one of its lines is, or if no line in it looks like
a sentence.
"""

import re
from collections.abc import Iterator

_LONGEST = 240
"""Longest line of code in characters; a longer line is a paragraph."""

_PROMPT = re.compile(
    r"\s*(?:[$%❯➜]|>>>|\.\.\.|PS [^>\n]*>|[A-Z]:\\[^>\n]*>|In \[\d*\]:|\[?[\w.-]+@[\w.-]+[: ][^\s$#]*[$#])\s+\S"
)

_OPERATOR = re.compile(
    r"\S\s(?:[-+*/%&|^:.?]?=|[=!<>]==?|&&|\|\|?|->|=>|<-|>>|<<|>|<|2>&1)\s\S"  # between spaces
    r"|\w\([\"']|\w\([^()\n]*\)\s*[;{:]|\{\s*$|^\s*[]})]+[;,]?\s*$"  # calls, the beginnings and ends of blocks
    r"|^\s*(?://|/\*|\*/|#!|#include\b|#define\b|@\w+(?:\(|\s*$))"  # comments, directives, decorators
)

_STATEMENT = re.compile(
    r"\s*(?:"
    r"import (?:[\w.*]*[\w*](?:, [\w.*]*[\w*])*|\{.*\})(?: (?:as|from) [\w.'\"/@-]+)?;?\s*$"
    r"|from [\w.]+ import\b"
    r"|(?:async )?def \w+|class \w+\s*[:({]"
    r"|(?:(?:export|public|private|protected|static|async) )+[\w<>\[\] ]+[({=;]|function \w*\s*\("
    r"|(?:if|elif|while|for|with|except|match|case)\b.*[^\s.?!]:\s*$|(?:else|try|finally):\s*$"
    r"|(?:else )?(?:if|while|for|switch) ?\(.*\)\s*\{?\s*$"
    r"|(?:return|yield|raise|assert|del|lambda|await|throw)(?: [^\s.?!,]+){0,3}\s*$"
    r"|(?:pass|break|continue|done|fi|esac|then|else)\s*$"
    r"|(?:const|let|var|int|float|double|char|bool|void|auto|fn|struct|enum|typedef|namespace|using|package|use|mod) "
    r"[\w:<>*&]+(?: \w+)?\s*[;={(]"
    r"|(?:SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE|ALTER TABLE|DROP TABLE)\b"
    r"|(?:\w+ )*(?:class|interface|enum|struct) [A-Z]\w*(?: (?:extends|implements) \w+)?\s*\{?\s*$"
    r"|- [a-z][\w.-]*:(?: |\s*$)|[a-z][\w.-]*: [^\s.?!,;:]+\s*$"
    r"|(?:print|echo) [\"'($]|\[[\w.-]+\]\s*$"
    r")"
)
"""Beginnings, and some whole lines, of Python, shell, C-like languages, JavaScript, Rust, SQL and settings."""

_COMMAND = re.compile(
    r"\s*(?:sudo |nohup )?(?:"
    r"apt|apt-get|aptitude|awk|bash|brew|cargo|charloom|chmod|chown|cmake|conda|cp|curl|cd|df|dnf|docker|"
    r"docker-compose|du|gcc|gdb|git|gh|grep|gunzip|gzip|helm|journalctl|jq|kubectl|ls|mkdir|mv|mypy|npm|npx|"
    r"pip|pip3|pipx|pnpm|poetry|psql|pytest|python|python3|"
    r"rm|rmdir|rsync|ruff|rustc|rustup|scp|sed|sqlite3|ssh|sudo|systemctl|tar|tmux"
    r"|uv|uname|unzip|vim|wc|wget|xargs|yarn|yum|zsh"
    r") \S"
)
"""Commands whose names do not begin a sentence."""

_OPTION = re.compile(r"\s--?[A-Za-z][\w-]*(?:[=\s]|$)|(?:^|\s)[\w.-]+=\S")
"""An option, or a name and its value."""

_SENTENCE = re.compile(r"\s*[\"'“‘(]?[^\W\d_a-z]|.*[.!?,:;…][\"'”’)\]]*\s*$")
"""Begins with a capital or ends with a punctuation mark, like sentences and verses."""

_SENTENCE_END = re.compile(r".*[.!?…,][\"'”’)\]]*\s*$")

_INDENTED = re.compile(r"(?: {4}|\t)\s*\S")


def code_lines(text: str) -> Iterator[tuple[int, int]]:
    """The positions (start, end) of lines of code, in order."""
    block = list[tuple[int, int]]()
    after_empty = True
    for start, end in [*_lines(text), (len(text), len(text))]:
        line = text[start:end]
        if block or (after_empty and _INDENTED.match(line)):
            if _INDENTED.match(line):
                block.append((start, end))
                continue
            lines = [text[first:last] for first, last in block]
            is_code = any(map(is_code_line, lines)) or not any(map(_SENTENCE.match, lines))
            yield from block if is_code else ()
            block = []
        after_empty = not line.strip()
        if is_code_line(line):
            yield start, end


def is_code_line(line: str) -> bool:
    """Whether a single line has the shape of code."""
    if len(line) > _LONGEST or not line.strip() or line.startswith("|"):  # a row of a table
        return False
    if _PROMPT.match(line) or _OPERATOR.search(line) or _STATEMENT.match(line):
        return True
    return not _SENTENCE_END.match(line) and bool(_COMMAND.match(line) or _OPTION.search(line))


def _lines(text: str) -> Iterator[tuple[int, int]]:
    for match in re.finditer(r"[^\n]+|(?<=\n)(?=\n)", text):
        yield match.span()
