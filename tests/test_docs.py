"""The command line understands every command in the documentation."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from charloom.cli.main import build
from charloom.cli.sources import Sources, prepare

ROOT = Path(__file__).resolve().parents[1]
PAGES = [path for path in sorted((ROOT / "docs").rglob("*.md")) if "studies" not in path.relative_to(ROOT).parts[:-2]]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]


def commands() -> list[tuple[str, str]]:
    found = []
    for document in DOCUMENTS:
        for block in re.findall(r"```(?:sh|bash|console)\n(.*?)```", document.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                match = re.search(r"(?:^|\$ |\| )(charloom .*?)(?:\s+#.*| \| .*| > .*)?$", line.strip())
                if match and not re.search(r"\b(COMMAND|OPTIONS)\b", match.group(1)):
                    found.append((str(document.relative_to(ROOT)), match.group(1)))
    return found


def test_there_are_commands_to_check() -> None:
    assert len({command for name, command in commands() if name == "README.md"}) >= 5
    assert {name for name, _ in commands()} >= {
        str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("how-to/*.md")
    }


@pytest.mark.parametrize(("document", "command"), commands())
def test_a_command_in_the_documents_is_understood(document: str, command: str) -> None:
    arguments = prepare(shlex.split(command)[1:])
    if arguments[-1] in ("--help", "--version"):
        return
    app = build(Sources())
    app.config = ()  # the files that a command names are not here
    app.parse_args(arguments, exit_on_error=False, print_error=False)


def test_links_between_documents_lead_to_files_and_headings_that_are_there() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?://|#)([^)]+)\)", document.read_text()):
            path, _, heading = target.partition("#")
            assert (document.parent / path).exists(), f"{document.name}: {target}"
            if heading:
                titles = re.findall(r"^#+ (.+)$", (document.parent / path).read_text(), re.MULTILINE)
                assert heading in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}, target


def test_the_readme_is_a_front_page() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


@pytest.mark.parametrize(("script", "name"), [("command_line", "command-line"), ("python_interface", "python")])
def test_the_reference_is_what_the_program_says(script: str, name: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, str(ROOT / "docs" / f"{script}.py"), str(tmp_path / "now.md")], check=True)
    page = ROOT / "docs" / "reference" / f"{name}.md"
    assert page.read_text() == (tmp_path / "now.md").read_text(), "run: make docs"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        document = todo.pop()
        if document in seen:
            continue
        seen.add(document)
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text()):
            path = (document.parent / target).resolve()
            todo += sorted(path.glob("*.md")) if path.is_dir() else [path] if path.suffix == ".md" else []
    assert set(PAGES) - seen == set()
