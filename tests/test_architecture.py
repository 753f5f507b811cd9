"""The architecture: who imports whom, what is public, and that every file has a docstring."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import charloom
import charloom.errors

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "charloom"


def test_imports_go_downward() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_training_never_imports_generation() -> None:
    for path in (SOURCE / "training").glob("*.py"):
        assert "charloom.generation" not in path.read_text(), path.name


def test_every_module_stands_in_the_import_contract() -> None:
    contract = (ROOT / ".importlinter").read_text()
    assert len(contract.splitlines()) < 30
    layers = contract.split("layers =\n", 1)[1].split("\n\n", 1)[0]
    assert "exhaustive = true" in contract
    assert set(re.findall(r"\w+", layers)) == {module.name for module in pkgutil.iter_modules([str(SOURCE)])}


def test_the_root_holds_no_more_than_it_must() -> None:
    modules = {path.stem for path in SOURCE.glob("*.py")}
    assert modules == {"__init__", "__main__", "durations", "interruption", "settings", "version"}


PACKAGES = [charloom, *(importlib.import_module(f"charloom.{name}") for name in charloom._PACKAGES)]
packages = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)


def names(package: ModuleType) -> set[str]:
    """What `dir` shows, without the packages."""
    shown = set(package.__dir__())
    if package is not charloom:
        return shown
    assert shown > set(charloom._PACKAGES)
    return shown - set(charloom._PACKAGES)


@packages
def test_the_public_names_are_complete_and_no_module_hides_one(package: ModuleType) -> None:
    public = names(package)
    assert set(package.__all__) == public | ({"__version__"} if package is charloom else set())
    assert {module.name for module in pkgutil.iter_modules(package.__path__)}.isdisjoint(public), (
        "a module hides a name"
    )


@packages
def test_what_a_type_checker_sees_is_what_a_program_gets(package: ModuleType) -> None:
    tree = ast.parse(Path(str(package.__file__)).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("charloom.")
        for alias in node.names
    }
    assert set(typed) == names(package)
    for name, module in typed.items():
        assert getattr(package, name) is getattr(importlib.import_module(module), name)


SHALLOW = re.compile(r"^\s*(?:>>> )?(?:from|import) charloom\.\w+\.", re.MULTILINE)


def test_lessons_and_pages_import_public_names_alone() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "course").rglob("[0-9]*.py")]
    assert len(pages) > 20
    assert [page.name for page in pages if SHALLOW.search(page.read_text())] == []


def test_every_module_class_and_public_function_says_what_it_is() -> None:
    silent = []
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        nodes = [tree, *(node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)))]
        for node in nodes:
            name = getattr(node, "name", "module")
            if not name.startswith("_") and path.name != "__init__.py" and not ast.get_docstring(node):
                silent.append(f"{path.relative_to(SOURCE)}: {name}")
    assert silent == []


def functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions of a module and the methods of its classes."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{each.name}", each) for each in node.body if isinstance(each, ast.FunctionDef))


def test_public_functions_say_what_comes_out_and_which_errors_they_raise() -> None:
    silent = []
    for path in SOURCE.rglob("*.py"):
        for name, function in functions(path):
            if any(part.startswith("_") for part in name.split(".")) or "cli" in path.parts:
                continue
            text = ast.get_docstring(function)
            raised = {
                node.exc.func.id
                for node in ast.walk(function)
                if isinstance(node, ast.Raise)
                and isinstance(node.exc, ast.Call)
                and isinstance(node.exc.func, ast.Name)
            }
            ours = {error for error in raised if hasattr(charloom.errors, error)}
            if not text or not ("Raise" in text or all(error in text for error in ours)):
                silent.append(f"{path.relative_to(SOURCE)}: {name}")
    assert silent == []


def test_no_body_of_a_function_has_more_than_sixty_lines() -> None:
    long = []
    for path in SOURCE.rglob("*.py"):
        for name, function in functions(path):
            body = function.body[1:] if ast.get_docstring(function) else function.body
            if body and body[-1].end_lineno - body[0].lineno >= 60:  # type: ignore[operator]
                long.append(f"{path.relative_to(SOURCE)}: {name}")
    assert long == []


def test_importing_the_package_or_the_command_line_does_not_import_torch() -> None:
    code = "import sys, charloom, charloom.cli.main, charloom.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_tree_in_contributing_names_every_module_and_no_other() -> None:
    tree = (ROOT / "CONTRIBUTING.md").read_text().split("```", 2)[1]
    listed, package = set(), ""
    for indent, name in re.findall(r"^(  |    )((?:\w+/)+|\w+\.py)", tree, re.MULTILINE):
        package = name if name.endswith("/") else package if indent == "    " else ""
        listed.add(name if name == package else package + name)
    paths = [path for path in SOURCE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py")]
    packages = {f"{path.relative_to(SOURCE).parent}/" for path in SOURCE.rglob("*.py")} - {"./"}
    modules = {path.relative_to(SOURCE).as_posix() for path in paths if "cli" not in path.parts}
    assert listed - {"__init__.py"} == modules | packages


def test_no_module_is_called_after_nothing() -> None:
    names = {path.stem for path in SOURCE.rglob("*.py")}
    assert names.isdisjoint({"utils", "util", "helpers", "common", "manager", "misc"})
