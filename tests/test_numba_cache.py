"""What numba has compiled is used again, and never once the sources have changed."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

import numba

from charloom.generation import numba_cache, numba_draws, numba_rows, numba_steps

COMPILED = [
    *(numba_draws._draw_rows, numba_draws._report_rows),
    *(numba_steps._write, numba_steps._follow, numba_steps._nats, numba_steps._shared),
    *(each for each in vars(numba_rows).values() if hasattr(each, "stats") and hasattr(each, "py_func")),
]

PACKAGE = {
    "numba_kinds.py": "from typing import NamedTuple\n\nclass {name}(NamedTuple):\n    value: int\n",
    "numba_work.py": (
        "from charloom.generation import numba_cache\n"
        "from pathlib import Path\n"
        "numba_cache._HERE = Path(__file__).parent\n"
        "import numba_kinds\n\n"
        "@numba_cache.compiled()\n"
        "def work(given):\n"
        "    return given.value + {more}\n"
    ),
    "run.py": (
        "import numba_kinds, numba_work\n"
        "kind = [each for name, each in vars(numba_kinds).items() if name.startswith('Kind')][0]\n"
        "print(numba_work.work(kind(1)), sum(numba_work.work.stats.cache_hits.values()))\n"
    ),
}


def test_every_function_that_is_kept_lies_in_a_folder_of_these_sources() -> None:
    mark = f"numba-{numba_cache.stamp(Path(numba_steps.__file__).parent)}"
    kept = [each for each in COMPILED if each.stats.cache_path]
    assert len(kept) >= 8
    for each in kept:
        assert mark in Path(each.stats.cache_path).parts, each
    assert mark not in str(numba.config.CACHE_DIR)  # other packages keep their own place


def test_any_change_of_the_sources_gives_another_folder(tmp_path: Path) -> None:
    stamps = set()
    for name, content in (("numba_a.py", "1"), ("numba_b.py", "1"), ("numba_a.py", "2"), ("numba_b.py", "1\n")):
        (tmp_path / name).write_text(content)
        stamps.add(numba_cache.stamp(tmp_path))
    assert len(stamps) == 4
    (tmp_path / "other.py").write_text("1")
    assert numba_cache.stamp(tmp_path) in stamps


def test_a_type_that_was_renamed_and_code_that_changed_elsewhere_make_no_old_cache_fail(tmp_path: Path) -> None:
    """numba alone raises `AttributeError` here: the index names a class that is gone."""

    def ran(**given: str) -> str:
        for name, content in PACKAGE.items():
            text = content.replace("{name}", given.get("name", "Kind")).replace("{more}", given.get("more", "1"))
            if not (tmp_path / name).exists() or (tmp_path / name).read_text() != text:
                (tmp_path / name).write_text(text)
        done = subprocess.run([sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert ran() == "2 0"
    assert ran() == "2 1"  # nothing is compiled twice
    assert ran(name="Kinder") == "2 0"
