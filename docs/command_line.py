"""Write docs/reference/command-line.md from the commands themselves.

Usage: python docs/command_line.py [FILE]      (make docs)
"""

import sys
from pathlib import Path

from charloom.cli.main import build
from charloom.cli.sources import Sources

PAGE = Path(__file__).resolve().parent / "reference" / "command-line.md"

HEAD = """\
<!-- Written by docs/command_line.py from the commands; a test compares the two. -->

Results go to standard output, progress and warnings to standard error. Exit codes: 0 done; 2 something that you can
fix, said in one sentence; 130, 143 and 129 interrupted by Ctrl-C, SIGTERM and SIGHUP, with everything up to the last
completed step saved.

"""


def page() -> str:
    """The reference of all verbs, as Markdown."""
    text: str = build(Sources()).generate_docs(output_format="markdown", recursive=True, heading_level=1)
    title, rest = text.split("\n", 1)
    return f"{title}\n\n{HEAD}{rest.strip()}\n"


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else PAGE).write_text(page(), encoding="utf-8")
