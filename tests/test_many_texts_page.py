"""The page about many texts: its Dask program runs, and loads the model once a worker."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "many-texts.md"


def programs() -> dict[str, str]:
    """The page's programs by what they need."""
    found = re.findall(r"```py\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return {"ray" if "import ray" in text else "distributed": text for text in found}


@pytest.mark.parametrize("package", ["distributed", "ray"])
def test_the_program_runs(package: str, tmp_path: Path) -> None:
    pytest.importorskip(package)
    path = tmp_path / "program.py"
    path.write_text(programs()[package], "utf-8")
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "('en', " in done.stdout
    assert "('de', " in done.stdout
