"""The course opens and runs anywhere: badges, install cell and Binder's files point where the project is published."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

jupytext = pytest.importorskip("jupytext", reason="the lessons need the extra course")

ROOT = Path(__file__).resolve().parents[1]
COURSE = ROOT / "course"
sys.path.insert(0, str(COURSE))
from sources import BRANCH, INSTALL, REPOSITORY, lessons, source  # noqa: E402

LESSONS = lessons()
PUBLISHED = re.compile(
    r"(?:colab\.research\.google\.com/github|mybinder\.org/v2/gh|git\+https://github\.com)/([\w.-]+/[\w.-]+)"
)
"""Owner and name in an address that opens or installs this project."""


def links(markdown: str) -> dict[str, str]:
    """The badges of a cell: what each says, and where it leads."""
    return dict(re.findall(r"\[!\[([^]]+)\]\([^)]+\)\]\(([^)]+)\)", markdown))


def code_cells(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_a_lesson_begins_with_its_title_its_badges_and_the_install_cell(lesson: Path) -> None:
    notebook = source(lesson)
    head = notebook.cells[0].source
    assert re.match(r"# .+\n\n\[!\[", head)
    assert links(head) == {
        "Open in Colab": f"https://colab.research.google.com/github/{REPOSITORY}/blob/{BRANCH}/course/{lesson.stem}.ipynb",
        "Open on Binder": f"https://mybinder.org/v2/gh/{REPOSITORY}/{BRANCH}?urlpath=lab/tree/course/{lesson.stem}.ipynb",
    }
    assert code_cells(notebook)[0] == INSTALL.rstrip("\n")
    assert sum("pip" in cell and "install" in cell for cell in code_cells(notebook)) == 1, "installed in one place"


def test_the_address_of_the_project_is_the_same_everywhere() -> None:
    texts = [
        ROOT / "README.md",
        ROOT / "pyproject.toml",
        COURSE / "README.md",
        *COURSE.rglob("*.py"),
        *COURSE.glob("*.ipynb"),
    ]
    found = {name for path in texts for name in PUBLISHED.findall(path.read_text("utf-8"))}
    assert found <= {REPOSITORY}


def test_the_readme_of_the_course_leads_to_every_lesson() -> None:
    readme = (COURSE / "README.md").read_text("utf-8")
    for lesson in LESSONS:
        assert f"({lesson.stem}.ipynb)" in readme
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", readme):
        assert (COURSE / target).exists() or target == "by_hand.py", target


# --- the install cell ---


def installs(folder: Path, *, installed: bool) -> list[str]:
    """What the install cell gives to pip if charloom is or is not installed; `folder` is where the notebook lies."""
    program = f"""
import importlib.util, json, os, subprocess
os.chdir({str(folder)!r})
find_spec, given = importlib.util.find_spec, []
importlib.util.find_spec = lambda name: {installed!r} or None if name == "charloom" else find_spec(name)
subprocess.run = lambda command, check: given.extend(command)
{INSTALL}
print(json.dumps(given))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_the_install_cell_does_nothing_where_charloom_is_installed(tmp_path: Path) -> None:
    assert installs(tmp_path, installed=True) == []


def test_the_install_cell_takes_the_clone_that_it_lies_in(tmp_path: Path) -> None:
    (tmp_path / "src" / "charloom").mkdir(parents=True)
    (tmp_path / "course").mkdir()
    assert installs(tmp_path / "course", installed=False)[-1] == f"charloom[course,text] @ {tmp_path.as_uri()}"


def test_without_a_clone_the_install_cell_takes_the_published_repository(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    command = installs(tmp_path / "content", installed=False)
    assert command[1:4] == ["-m", "pip", "install"]
    assert command[-1] == f"charloom[course,text] @ git+https://github.com/{REPOSITORY}"


# --- Binder ---


def test_binder_installs_the_small_torch_and_this_clone() -> None:
    lines = (ROOT / ".binder" / "requirements.txt").read_text("utf-8").splitlines()
    assert lines == ["--extra-index-url https://download.pytorch.org/whl/cpu", "torch", ".[course,text]"]


def test_binder_runs_a_python_that_the_package_supports() -> None:
    import tomllib

    least = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    asked = re.fullmatch(r"python-3\.(\d+)", (ROOT / ".binder" / "runtime.txt").read_text("utf-8").strip())
    assert asked
    assert int(asked[1]) >= int(least.removeprefix(">=3."))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_the_lessons_use_nothing_that_their_extras_do_not_install(lesson: Path) -> None:
    """Each package that a lesson imports comes with the extras `course` and `text`, directly or below JupyterLab."""
    brought = {"IPython", "PIL", "babel", "charloom", "constriction", "matplotlib", "numpy", "packaging"}
    brought |= {"rapidfuzz", "torch"}
    imported = {
        name.split(".")[0]
        for cell in code_cells(source(lesson))
        for name in re.findall(r"^\s*(?:import|from) ([\w.]+)", cell, re.MULTILINE)
    }
    assert imported <= brought | sys.stdlib_module_names
