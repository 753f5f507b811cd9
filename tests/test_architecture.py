"""The shape of the house: who imports whom, what is public, what every file says of itself."""

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import charloom

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "charloom"


def test_imports_go_downward() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_training_never_imports_generation() -> None:
    assert "charloom.generation" not in (SOURCE / "training.py").read_text()


def test_every_module_stands_in_the_import_contract() -> None:
    contract = (ROOT / ".importlinter").read_text()
    modules = {f"charloom.{module.name}" for module in pkgutil.iter_modules([str(SOURCE)])}
    assert {name for name in modules if not re.search(rf"{re.escape(name)}\b", contract)} == set()


def test_the_public_names_are_sorted_complete_and_there() -> None:
    assert charloom.__all__ == sorted(charloom.__all__)
    assert set(charloom.__all__) == {*charloom._HOMES, "__version__"}
    for name, home in charloom._HOMES.items():
        assert getattr(charloom, name) is getattr(importlib.import_module(f"charloom.{home}"), name)


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


def test_importing_the_package_or_the_command_line_does_not_import_torch() -> None:
    code = "import sys, charloom, charloom.cli.main, charloom.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_tree_in_contributing_names_every_module_and_no_other() -> None:
    listed = set(
        re.findall(
            r"^  (?:  )?(\w+\.py|analysis/|applications/|studies/|cli/)",
            (ROOT / "CONTRIBUTING.md").read_text(),
            re.MULTILINE,
        )
    )
    there = {path.name for path in SOURCE.glob("*.py")} | {"analysis/", "applications/", "studies/", "cli/"}
    assert listed - {"main.py"} == there - {"__main__.py"}


def test_no_module_is_called_after_nothing() -> None:
    names = {path.stem for path in SOURCE.rglob("*.py")}
    assert names.isdisjoint({"utils", "util", "helpers", "common", "manager", "misc"})
