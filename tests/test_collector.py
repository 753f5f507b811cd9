"""The garbage collector waits while a command starts, and then works as usual."""

import subprocess
import sys

from charloom.machine.collector import STARTING

PROGRAM = f"""
import gc

def collections():
    return sum(generation["collections"] for generation in gc.get_stats())

gc.collect()
import charloom.__main__

assert gc.get_threshold()[0] == {STARTING}
before = collections()
import charloom.training.start, charloom.study.search_loop, charloom.classify.experiment

assert collections() == before
kept = [[number] for number in range({STARTING})]
assert collections() > before + 10
print(*gc.get_threshold(), len(gc.callbacks))
"""


def test_the_collector_waits_for_the_imports_and_is_then_as_it_was() -> None:
    usual = subprocess.run(
        [sys.executable, "-c", "import gc; print(*gc.get_threshold(), 0)"], capture_output=True, text=True, check=True
    )
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (usual.stdout, "")
