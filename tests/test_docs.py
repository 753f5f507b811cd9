"""What the documents tell a reader to type is something that the command line understands."""

import re
import shlex
from pathlib import Path

import pytest

from charloom.cli.main import build
from charloom.cli.sources import prepare

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> list[tuple[str, str]]:
    found = []
    for document in DOCUMENTS:
        for block in re.findall(r"```(?:sh|bash|console)\n(.*?)```", document.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                match = re.search(r"(?:^|\$ |\| )(charloom .*?)(?:\s+#.*| \| .*| > .*)?$", line.strip())
                if match:
                    found.append((document.name, match.group(1)))
    return found


def test_there_are_commands_to_check() -> None:
    assert len({command for name, command in commands() if name == "README.md"}) >= 5


@pytest.mark.parametrize(("document", "command"), commands())
def test_a_command_in_the_documents_is_understood(document: str, command: str) -> None:
    arguments = prepare(shlex.split(command)[1:])
    if arguments[-1] in ("--help", "--version"):
        return
    app = build()
    app.config = ()  # the files that a command names are not here
    app.parse_args(arguments, exit_on_error=False, print_error=False)


def test_links_between_documents_lead_to_files_that_are_there() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
