"""One search, two machines, and everything that can happen between them. Linux, as root, with PostgreSQL installed.

    python benchmarks/many_studies.py drill --trials 150 --incidents 24
    python benchmarks/many_studies.py study

The machines are network namespaces with links of their own to a bridge, where a PostgreSQL of the script's own listens.
The clock of one machine is nine hours fast, the other's seven hours slow, and the database's jumps at each restart.

`drill`: workers that sleep instead of training, while at random one is killed or paused, a link stalls, or the database
restarts at once (`pg_ctl restart -m immediate`). Afterwards every trial that a worker stored must count, none twice,
and none may be left running.

`study`: the same with `charloom study` and `charloom study --worker`, real trials, one incident of each kind, a
terminal that is closed and a worker that is killed: no process may outlive its worker, both machines must report the
same trials, and the database's password must appear in no output and no file.

A worker says that it lives every second here, and is taken for dead after six, instead of 20 and 120.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

BEAT, GRACE = 1.0, 6.0
OFFSETS = {"a": 9 * 3600, "b": -7 * 3600}
KINDS = ("kill", "pause", "stall", "restart")

CUT = 45.0
"""Seconds without a network after which both ends have given up their connections."""

PASSWORD = "hunter2S3cret"
NETWORK = f"10.231.{os.getpid() % 250}"

CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long offset(void) { const char *given = getenv("CLOCK_OFFSET"); return given ? atol(given) : 0; }
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, now);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += offset();
    return failed;
}
time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (to) *to = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *restrict to, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    to->tv_sec = now.tv_sec;
    to->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""


def shell(*words: object, check: bool = True) -> str:
    """What a command prints."""
    return subprocess.run([str(word) for word in words], check=check, capture_output=True, text=True, cwd="/").stdout


class Place:
    """Two machines, a bridge, and a database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machines = {name: f"charloom-{os.getpid()}-{name}" for name in OFFSETS}
        self._bridge = f"cl{os.getpid() % 100_000}"
        self.address = f"postgresql://charloom:{PASSWORD}@{NETWORK}.1/postgres"

    @contextmanager
    def built(self) -> Iterator["Place"]:
        """Build it, and remove it whatever happens."""
        with ExitStack() as removal:
            (self.folder / "clock.c").write_text(CLOCK)
            self.clock = self.folder / "clock.so"
            shell("cc", "-shared", "-fPIC", "-O1", "-o", self.clock, self.folder / "clock.c", "-ldl")
            shell("ip", "link", "add", self._bridge, "type", "bridge")
            removal.callback(shell, "ip", "link", "del", self._bridge, check=False)
            shell("ip", "addr", "add", f"{NETWORK}.1/24", "dev", self._bridge)
            shell("ip", "link", "set", self._bridge, "up")
            for number, (name, space) in enumerate(self.machines.items(), 2):
                shell("ip", "netns", "add", space)
                removal.callback(shell, "ip", "netns", "del", space, check=False)
                removal.callback(self._empty, space)
                link = self.link(name)
                shell("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
                shell("ip", "link", "set", link, "master", self._bridge, "up")
                shell("ip", "-n", space, "addr", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
                shell("ip", "-n", space, "link", "set", "eth0", "up")
                shell("ip", "-n", space, "link", "set", "lo", "up")
            removal.callback(self._postgres, "-m", "immediate", "stop", check=False)
            self._begin()
            yield self

    def link(self, machine: str) -> str:
        """The bridge's end of a machine's cable."""
        return f"{self._bridge}{machine}"

    def restart(self, offset: int) -> None:
        """Restart the database as after a crash, with another clock."""
        self._postgres("-m", "immediate", "-w", "restart", offset=offset)

    def start(self, machine: str, arguments: list[str], log: Path, cwd: Path) -> "subprocess.Popen[bytes]":
        """A process on a machine."""
        cwd.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "LD_PRELOAD": str(self.clock), "CLOCK_OFFSET": str(OFFSETS[machine])}
        with log.open("ab") as out:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.machines[machine], *arguments],
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def living(self, machine: str) -> list[int]:
        """The processes of a machine."""
        return [int(word) for word in shell("ip", "netns", "pids", self.machines[machine], check=False).split()]

    def _empty(self, space: str) -> None:
        for process in shell("ip", "netns", "pids", space, check=False).split():
            with suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)

    def _begin(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        at = shutil.which("initdb")
        self._programs = found[-1] if found else Path(str(at)).parent
        self._data = self.folder / "postgres"
        self._data.mkdir()
        shutil.chown(self._data, "postgres")
        self.folder.chmod(0o755)
        (secret := self._data / "password").write_text(PASSWORD)
        shutil.chown(secret, "postgres")
        files = ("-D", self._data / "db", "--no-sync", "-E", "UTF8")
        who = ("-U", "charloom", "-A", "scram-sha-256", f"--pwfile={secret}")
        shell("runuser", "-u", "postgres", "--", self._programs / "initdb", *files, *who)
        with (self._data / "db" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all charloom {NETWORK}.0/24 scram-sha-256\n")
        options = f"-k {self._data} -c listen_addresses={NETWORK}.1 -c fsync=off"
        self._postgres("-w", "-l", self._data / "log", "-o", options, "start")

    def _postgres(self, *words: object, offset: int = 0, check: bool = True) -> None:
        clock = ("env", f"LD_PRELOAD={self.clock}", f"CLOCK_OFFSET={offset}")
        control = (*clock, self._programs / "pg_ctl", "-D", self._data / "db", *words)
        command = [str(word) for word in ("runuser", "-u", "postgres", "--", *control)]
        subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")


# --- a drill: nothing is trained ---


def sleeping_worker(address: str, wanted: int, log: Path) -> None:
    """Take trials until enough have ended; each sleeps. The log says what the database took over."""
    from charloom.study.search_loop import OUTCOME, Search
    from charloom.study.storages import open_storage

    def note(*words: object) -> None:
        with log.open("a") as file:
            print(*words, file=file, flush=True)

    class Noted(Search):
        def _tell(self, trial: Any, **result: Any) -> Any:
            told = super()._tell(trial, **result)
            if told is not None and "values" in result:
                note("stored", trial.number)
            return told

    stop = threading.Event()
    storage = open_storage(address, Path("unused"), stop=stop, say=lambda line: note("said", line))
    search = Noted("drill", storage, wanted, seed=None, validations=10, grace=GRACE, beat=BEAT, stop=stop)

    def train(trial: Any, name: str) -> float:
        value = float(trial.suggest_float("training.dropout", 0, 1))
        note("began", trial.number)
        for step in range(random.randint(1, 4)):
            if search.taken_over(trial):
                note("taken", trial.number)
            time.sleep(1.0)
            trial.report(value, step)
        trial.set_user_attr(OUTCOME, name)
        return value

    search.enqueue({"training.dropout": 0.5})
    search.run(2, train)
    note("done", round(time.time()))


def drill(place: Place, trials: int, incidents: int, seed: int) -> dict[str, Any]:
    """Workers on both machines, incidents at random; returns what was found."""
    draws, kinds = random.Random(seed), Counter[str]()
    logs = {name: place.folder / f"{name}.log" for name in place.machines}
    me = [sys.executable, str(Path(__file__).resolve()), "sleep", place.address, str(trials)]

    def begin(name: str) -> "subprocess.Popen[bytes]":
        return place.start(name, [*me, str(logs[name])], place.folder / f"{name}.out", place.folder)

    workers = {name: begin(name) for name in place.machines}
    began = time.monotonic()
    while not all(log.exists() and "stored" in log.read_text() for log in logs.values()):
        assert all(worker.poll() is None for worker in workers.values()), (place.folder / "a.out").read_text()
        time.sleep(0.1)
    for _ in range(incidents):
        time.sleep(draws.uniform(0.2, 2.0))
        name, kind = draws.choice(list(workers)), draws.choice(KINDS)
        codes = {each: worker.poll() for each, worker in workers.items()}
        if 0 in codes.values():
            break  # the search is complete
        for each in (each for each, code in codes.items() if code is not None):
            kinds["gave up"] += 1
            workers[each] = begin(each)
        kinds[kind] += 1
        if kind == "kill":
            workers[name].kill()
            workers[name].wait()
            workers[name] = begin(name)
        elif kind == "pause":
            os.kill(workers[name].pid, signal.SIGSTOP)
            time.sleep(draws.choice([1.0, GRACE + 4]))
            os.kill(workers[name].pid, signal.SIGCONT)
        elif kind == "stall":
            shell("ip", "link", "set", place.link(name), "down")
            time.sleep(draws.choice([1.0, GRACE + 4, CUT]))
            shell("ip", "link", "set", place.link(name), "up")
        else:
            place.restart(draws.choice([0, 5 * 3600, -3 * 3600]))
    codes = {name: worker.wait(600) for name, worker in workers.items()}
    stored = {
        int(line.split()[1]) for log in logs.values() for line in log.read_text().splitlines() if "stored" in line
    }
    return {"seconds": round(time.monotonic() - began), "incidents": dict(kinds), "codes": codes} | standing(
        place, "drill", trials, stored
    )


def standing(place: Place, name: str, wanted: int, stored: set[int]) -> dict[str, Any]:
    """What the database holds at the end; raises `AssertionError` if it does not add up."""
    from charloom.study.search_loop import Search
    from charloom.study.standing import counts, name_of
    from charloom.study.storages import open_storage

    storage = open_storage(place.address, Path("unused"), stop=threading.Event(), say=print)
    found = Search(name, storage, wanted, seed=None, validations=10, grace=GRACE)
    trials = found._search.get_trials(deepcopy=False)
    ended = found.ended()
    counted = Counter(map(name_of, ended))
    states = Counter(trial.state.name for trial in trials)
    twice = {name for name, count in Counter(name_of(each) for each in trials if counts(each)).items() if count > 1}
    by_number = {trial.number: trial for trial in trials}
    lost = {number for number in stored if name_of(by_number[number]) not in counted}
    assert max(counted.values()) == 1 and len(counted) >= wanted, counted
    assert not lost, lost
    assert not states["RUNNING"], states
    return {"counted": len(counted), "stored": len(stored), "ended_twice": len(twice), "states": dict(states)}


# --- the real command ---


def quick_command(arguments: list[str]) -> None:
    """The command line, with quicker heartbeats."""
    from charloom.cli.main import main
    from charloom.study import search

    search.BEAT_SECONDS, search.GRACE_SECONDS = BEAT, GRACE
    sys.argv = ["charloom", *arguments]
    main()


def study(place: Place, text: Path) -> dict[str, Any]:
    """One incident of each kind in a search with real trials."""
    copy = place.folder / "elsewhere.txt"
    copy.write_bytes(text.read_bytes())
    me = [sys.executable, str(Path(__file__).resolve()), "command", "study"]
    size = ("--network.hidden-size", "32", "--network.embedding-size", "8", "--training.validations", "4")
    length = ("--characters", "400000", "--seeds", "2", "--training.batch-size", "8")
    begin = [*me, str(text), "--search", "8", *length, *size, "--storage", place.address, "--name", "trouble", "--json"]
    join = [*me, "--worker", place.address, "--text", str(copy), "--json"]
    outputs = {name: place.folder / f"{name}.out" for name in place.machines}
    starts = {"a": begin, "b": join}

    def start(name: str) -> "subprocess.Popen[bytes]":
        return place.start(name, starts[name], outputs[name], place.folder / name)

    def training(name: str) -> bool:
        return len(place.living(name)) >= 2

    def until(reached: Callable[[], bool], seconds: float = 300) -> None:
        end = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < end, {name: path.read_text()[-2000:] for name, path in outputs.items()}
            time.sleep(0.1)

    orphans = 0
    workers = {"a": start("a")}
    until(lambda: training("a"))
    for number in (signal.SIGKILL, signal.SIGHUP, signal.SIGINT):
        workers["b"] = start("b")
        until(lambda: training("b"))
        time.sleep(1)
        os.kill(workers["b"].pid, number)
        workers["b"].wait(60)
        until(lambda: not place.living("b"), 60)
    workers["b"] = start("b")
    until(lambda: training("b"))
    place.restart(5 * 3600)
    until(lambda: training("b") and training("a"))
    shell("ip", "link", "set", place.link("b"), "down")
    time.sleep(GRACE + 4)
    shell("ip", "link", "set", place.link("b"), "up")
    codes = {name: worker.wait(600) for name, worker in workers.items()}
    orphans = sum(len(place.living(name)) for name in place.machines)
    assert not orphans
    reports = {name: json.loads(path.read_text().splitlines()[-1]) for name, path in outputs.items()}
    found = {
        name: {each["name"]: each.get("nats_per_character") for each in report["trials"]}
        for name, report in reports.items()
    }
    assert found["a"] == found["b"], found
    written = [
        path for path in place.folder.rglob("*") if path.is_file() and place.folder / "postgres" not in path.parents
    ]
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]
    return {"codes": codes, "orphans": orphans, "trials": sorted(found["a"])} | standing(place, "trouble", 8, set())


def main() -> None:
    """See above."""
    if sys.argv[1:2] == ["sleep"]:
        sleeping_worker(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
        return
    if sys.argv[1:2] == ["command"]:
        quick_command(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["drill", "study"])
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--incidents", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--text", type=Path, default=Path(__file__).resolve().parents[1] / "README.md")
    parser.add_argument("--keep", type=Path, help="a new folder for everything, which is kept")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # nothing is left behind
    with ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="charloom-many-")))
        folder.mkdir(parents=True, exist_ok=True)
        place = stack.enter_context(Place(folder.resolve()).built())
        if given.what == "drill":
            found = drill(place, given.trials, given.incidents, given.seed)
        else:
            found = study(place, given.text.resolve())
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
