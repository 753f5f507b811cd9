"""Two workers on one search in a database; one of them is repeatedly killed during a trial. Prints the final state.

Usage: python tests/search_workers.py ADDRESS NAME WANTED KILLS FOLDER

A separate process, because it forks: the workers start with everything imported. Their trials train nothing: each
sleeps and returns a figure computed from its setting.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from charloom.study.outcomes import Outcome
from charloom.study.search_loop import OUTCOME, Search
from charloom.study.standing import name_of
from charloom.study.storages import open_storage

HEARTBEAT, GRACE = 1, 3


def search(address: str, name: str, wanted: int) -> Search:
    storage = open_storage(address, Path("unused"), stop=threading.Event(), say=print)
    return Search(name, storage, wanted, seed=None, validations=10, grace=GRACE, beat=HEARTBEAT)


def worker(address: str, name: str, wanted: int, seconds: float, log: Path, rest: Path | None = None) -> None:
    """Work until the search is done; the log records what started and what ended.

    With `rest` it pauses after half of the trials until that file exists, so that the search cannot end too early.
    """
    trained = 0

    def note(*words: object) -> None:
        with log.open("a") as file:
            print(*words, file=file)

    mine = search(address, name, wanted)

    def train(trial: Any, run: str) -> float:
        value = float(trial.suggest_float("training.dropout", 0, 1))
        nonlocal trained
        note("began", trial.number)
        time.sleep(seconds)
        while rest and trained >= wanted // 2 and not rest.exists():
            time.sleep(0.05)
        trial.set_user_attr(OUTCOME, {"state": Outcome("finished", "", 0.0, None, None).state, "run": run})
        note("trained", trial.number)
        trained += 1
        return value

    mine.run(1, train)
    note("done")


def fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def main(address: str, name: str, wanted: int, kills: int, folder: Path) -> None:
    rest = folder / "rest"
    steady = fork(lambda: worker(address, name, wanted, 0.25, folder / "steady", rest))
    killed = 0
    try:
        while killed < kills:
            log = folder / f"killed-{killed}"
            child = fork(lambda log=log: worker(address, name, wanted, 60, log))  # type: ignore[misc]
            while not (log.exists() and "began" in log.read_text()):
                assert os.waitpid(child, os.WNOHANG) == (0, 0), "the search ended before the worker could be killed"
                time.sleep(0.01)
            time.sleep(0.02 * (killed % 20))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed += 1
    except BaseException:
        os.kill(steady, signal.SIGKILL)
        raise
    rest.touch()
    _, status = os.waitpid(steady, 0)
    found = search(address, name, wanted)
    print(
        json.dumps(
            {
                "status": status,
                "killed": killed,
                "trials": [
                    {
                        "number": trial.number,
                        "state": trial.state.name,
                        "counts": trial in found.ended(),
                        "run": name_of(trial),
                        "outcome": OUTCOME in trial.user_attrs,
                    }
                    for trial in found._search.get_trials(deepcopy=False)
                ],
                "logs": {path.name: path.read_text().splitlines() for path in sorted(folder.iterdir()) if path != rest},
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
