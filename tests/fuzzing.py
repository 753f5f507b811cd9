"""Damaged and lying model folders and runs: each gives a model or a one-sentence error, and nothing else happens.

    python tests/fuzzing.py --folders 20000 --seed 0
    python tests/fuzzing.py --seed 0 --only 1234 --keep /tmp/folder

Good folders are changed in several files at once (`damaged_folders`). Then everything that reads them is called:
`charloom.load` and `charloom.generate`; for runs also `describe` and `resume`, with a disk that keeps nothing, and for
some with a real disk and a step. A Python audit hook watches the process. A finding is anything that is not a read
within the folder, every exception except `CharloomError`, a sentence that does not fit on one line, more than a second,
and too much memory.
"""

import argparse
import codecs
import json
import os
import random
import re
import shutil
import signal
import stat
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

import charloom
from charloom.data.text_sources import open_text, string_corpus
from charloom.data.vocabulary import Vocabulary
from charloom.errors import CharloomError
from charloom.machine import threads
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import ModelConfig, VocabularyRecord, is_run
from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig
from charloom.storage import strict_json
from charloom.storage.atomic_files import Disk
from charloom.training import experiment
from charloom.training.checkpoints import POINTER
from charloom.training.description import describe
from charloom.training.loop import SaveEvery
from charloom.training.request import Length, RunRequest
from charloom.training.runs import Run
from damaged_folders import (
    Folder,
    Pairs,
    bytes_of,
    mutate,
    places,
    read,
    read_json,
    seal,
    tensors_of,
    write,
    write_json,
)

LONGEST = 1.0
"""Seconds of processor time that reading a folder may take."""
PATIENCE = 10
"""Seconds after which a call counts as hanging."""
LONGEST_SENTENCE = 800
MOST_MEMORY = 64 << 20
"""Bytes by which the process may grow; the folders are far smaller."""
ADDRESSES = 2 << 30
"""Bytes of address space beyond what is used before the first folder."""

TEXT = "the rain fell in torrents — except at intervals,\nwhen it was checked by a violent gust of wind.\n" * 4
ELSEWHERE: Folder = {"treasure.tmp": b"nobody may touch this"}
"""A folder that links lead to."""


# --- what is watched
# ----------------------------------------------------------------------------------------------------

HARMLESS = {
    *("builtins.id", "sys._getframe", "object.__getattr__", "time.sleep"),
    *("os.listdir", "os.scandir", "pathlib.Path.glob", "pathlib.Path.rglob", "glob.glob"),
}
"""Events that read nothing but the process itself, or names of files."""
ALLOCATOR = {("ctypes.dlopen", "(None,)"), ("ctypes.dlsym", "('mallopt',)")}
"""Events from telling the process's C library to keep freed memory."""
SAVING = frozenset({"fcntl.flock", "object.__setattr__"})
"""Events from taking a lock, and from packing weights (through ctypes)."""
CHANGING = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "os.link", "os.symlink"}

CODEC = re.compile(r"encodings\.\w+")
"""Where Python looks for an encoding that it does not know: among its own modules."""

OWN_PAGES = re.compile(r"/proc/self/(?:status|task(?:/[0-9]+/schedstat)?)")
"""Where the kernel reports a process's memory, and how long its threads waited for a processor."""

NAMELESS = getattr(os, "O_TMPFILE", 0)
"""Flags of a nameless file that vanishes when closed; a lock uses one to find out what its folder supports."""


@dataclass
class Watch:
    """What a call may do: read below `reads`, write below `writes`, and nothing else."""

    reads: tuple[Path, ...]
    writes: tuple[Path, ...] = ()
    harmless: frozenset[str] = frozenset()
    seen: list[str] = field(default_factory=list)
    "What was done that may not be done."

    def event(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in HARMLESS or name in self.harmless or (name, str(arguments[-1:])) in ALLOCATOR:
            return
        if name == "import" and CODEC.fullmatch(str(arguments[0])):
            return
        if name == "open":
            path, mode, flags = arguments
            writes = bool((flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND))
            writes = writes or bool(set(mode or "") & set("wax+"))
            if NAMELESS and (flags or 0) & NAMELESS == NAMELESS:
                path = Path(os.fsdecode(path)) / "lock"
            if writes and not self._within(path, self.writes, follow=not flags & os.O_NOFOLLOW):
                self.seen.append(f"writes {path!r}")
            elif not writes and not OWN_PAGES.fullmatch(str(path)) and not self._within(path, self.reads, follow=False):
                self.seen.append(f"reads {path!r}")
        elif name in CHANGING:
            paths = [path for path in arguments if isinstance(path, (str, bytes, os.PathLike))]
            if not all(self._within(path, self.writes, follow=False) for path in paths):
                self.seen.append(f"{name} {paths!r}")
        else:
            self.seen.append(f"{name} {str(arguments)[:200]}")

    def _within(self, path: Any, roots: tuple[Path, ...], *, follow: bool) -> bool:
        """Whether a path is below one of `roots`, after following links if requested."""
        if isinstance(path, int):  # a descriptor, checked when it was opened
            return True
        with suppress(ValueError):
            place = Path(os.path.normpath(Path.cwd() / os.fsdecode(path)))
            place = place.parent.resolve() / place.name if roots is self.writes else place
            place = place.resolve() if follow else place
            return any(place == root or root in place.parents for root in roots)
        return False


_watch: Watch | None = None
_hooked = False


def _hook(name: str, arguments: tuple[Any, ...]) -> None:
    global _watch
    watch, _watch = _watch, None  # the hook's own actions do not count
    if watch is not None:
        watch.event(name, arguments)
        _watch = watch


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Let `watch` see what the process does. An audit hook can never be removed, so one serves all."""
    global _watch, _hooked
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    _watch = watch
    try:
        yield
    finally:
        _watch = None


class Hangs(BaseException):
    """A call that does not end."""


@contextmanager
def patience(seconds: int) -> Iterator[None]:
    """Raise `Hangs` after a number of seconds."""

    def stop(number: int, frame: object) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# --- what is called
# -----------------------------------------------------------------------------------------------------


class StillDisk(Disk):
    """A disk that keeps nothing: with it `resume` only reads."""

    def open(self, path: Path, flags: int) -> int:
        return os.open(os.devnull, os.O_RDWR)

    def write(self, file: int, data: memoryview) -> int:
        return len(data)

    def force(self, file: int) -> None:
        pass

    def truncate(self, file: int, size: int) -> None:
        pass

    def rename(self, source: Path, target: Path) -> None:
        pass

    def remove(self, path: Path) -> None:
        pass

    def make_folder(self, path: Path) -> None:
        pass

    def remove_folder(self, path: Path) -> None:
        pass

    def force_folder(self, path: Path) -> None:
        pass


@dataclass
class Outcome:
    """The outcome of a call."""

    call: str
    value: Any = None
    sentence: str | None = None
    "What the `CharloomError` said."
    findings: list[str] = field(default_factory=list)
    "What may not happen."
    seconds: float = 0.0


def attempt(call: str, action: Callable[[], Any], watch: Watch) -> Outcome:
    """Call `action`, and check that it returns a value or raises one sentence, in time, and does nothing else."""
    outcome = Outcome(call)
    began = time.process_time()
    try:
        with patience(PATIENCE), watching(watch):
            outcome.value = action()
    except CharloomError as error:
        outcome.sentence = str(error)
        outcome.findings += flaws(outcome.sentence)
    except Hangs:
        outcome.findings.append("hangs")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "charloom/" in frame.filename]
        where = f"{Path(ours[-1].filename).name}:{ours[-1].name}" if ours else "?"
        outcome.findings.append(f"{type(error).__name__} in {where}: {str(error)[:200]!r}")
    outcome.seconds = time.process_time() - began
    if outcome.seconds > LONGEST:
        outcome.findings.append(f"takes {outcome.seconds:.1f} s")
    outcome.findings += [f"does {what}" for what in dict.fromkeys(watch.seen)]
    return outcome


def flaws(sentence: str) -> list[str]:
    """What is wrong with a sentence: it must be one line that a terminal can show."""
    found = []
    if not sentence.strip():
        found.append("no sentence")
    if not sentence.isprintable():
        found.append(f"a sentence that cannot be shown: {sentence[:200]!r}")
    if len(sentence) > LONGEST_SENTENCE:
        found.append(f"a sentence of {len(sentence)} characters: {sentence[:100]!r}")
    return found


def judge(path: Path, *, train: bool = False) -> list[Outcome]:
    """Call everything that reads the folder `path`; with `train`, also resume the run, if it is one, for a step."""
    path = path.absolute()
    loaded = attempt("load", lambda: charloom.load(path), Watch((path,)))
    outcomes = [loaded]
    if loaded.value is not None:
        loaded.findings += unfaithful(path, loaded.value)
        outcomes.append(attempt("generate", lambda: some_text(loaded.value), Watch((path,))))
    if not is_training(path):
        return outcomes
    if loaded.value is not None:  # it starts the same way
        outcomes.append(attempt("describe", lambda: describe(path), Watch((path,))))
    if asks_for_much(path):
        return outcomes
    around = path.parent  # where the run's text and its parent model may be
    watch = Watch((around,), (path / "lock", Path(os.devnull)), SAVING)
    resumed = attempt("resume", lambda: resume_without_a_trace(path), watch)
    # creating an existing folder changes nothing
    resumed.findings = [finding for finding in resumed.findings if finding != f"does os.mkdir [{str(path)!r}]"]
    outcomes.append(resumed)
    if train:
        outcomes.append(attempt("train", lambda: train_for_a_step(path), Watch((around,), (path,), SAVING)))
    return outcomes


def unfaithful(path: Path, model: LanguageModel) -> list[str]:
    """How the loaded model differs from what the files say, as read by independent code."""
    folder = path / "model" if is_run(path) else path
    config, vocabulary = (read_json((folder / f"{name}.json").read_bytes()) for name in ("config", "vocabulary"))
    listed = VocabularyRecord(model.vocabulary.kind, model.vocabulary.characters)
    found = []
    if not says(config, strict_json.plain(model.config)):
        found.append("loads another configuration than the file has")
    if not says(vocabulary, strict_json.plain(listed)):
        found.append("loads another vocabulary than the file has")
    symbols = model.vocabulary.characters
    if list(symbols) != sorted(set(symbols)) or any("\ud800" <= symbol <= "\udfff" for symbol in symbols):
        found.append("loads a vocabulary that is none")
    weights = [(tensor.name, tensor.type, tensor.shape, tensor.data) for tensor in tensors_of(model.weights())]
    said = tensors_of((folder / "model.safetensors").read_bytes())
    if sorted(weights) != sorted((tensor.name, tensor.type, tensor.shape, tensor.data) for tensor in said):
        found.append("loads other weights than the file has")
    if not all(bool(torch.isfinite(weight).all()) for weight in model.network.state_dict().values()):
        found.append("loads weights that are not finite")
    return found


def says(value: Any, plain: Any) -> bool:
    """Whether a record was made from this JSON value, with each key once; an integer may represent a float."""
    if isinstance(value, Pairs):
        keys = [key for key, _ in value]
        same = isinstance(plain, dict) and sorted(keys) == sorted(plain)
        return same and all(says(item, plain[key]) for key, item in value)
    if isinstance(value, list):
        return isinstance(plain, list) and len(value) == len(plain) and all(map(says, value, plain))
    return value == plain and (type(value) is type(plain) or (type(value) is int and type(plain) is float))


def some_text(model: LanguageModel) -> str:
    """A few symbols through the network."""
    return "".join(charloom.generate(model, "", length=3, seed=1))


def is_training(path: Path) -> bool:
    """Whether the configuration is that of a run, which someone may try to resume."""
    try:
        return stat.S_ISREG((path / "config.json").stat().st_mode) and b'"plan"' in (path / "config.json").read_bytes()
    except OSError:
        return False


def asks_for_much(path: Path) -> bool:
    """Whether resuming means initialising a large network, as configured: that may take its time."""
    if (path / POINTER).exists():
        return False
    try:
        network = Run(path).config().network
    except CharloomError:
        return False
    return max(network.hidden_size, network.embedding_size, 10 * network.layers) > 100


def resume_without_a_trace(path: Path) -> Any:
    """The reading half of `resume`."""
    session = experiment.resume(path, device="cpu", disk=StillDisk())
    session._lock.release()
    check_notices(session.notices)
    return session


def train_for_a_step(path: Path) -> Any:
    """Resume the run for a step, save, and check that the run can still be read."""
    session = experiment.resume(path, device="cpu", save_every=SaveEvery(steps=1))
    check_notices(session.notices)
    events = session.events()
    event = next(events, None)
    events.close()
    try:
        charloom.load(path)
    except CharloomError as error:
        raise AssertionError(f"what was saved cannot be read: {error}") from error
    return event or session


def check_notices(notices: tuple[str, ...]) -> None:
    """Messages to the user must be displayable."""
    for notice in notices:
        assert not flaws(notice), flaws(notice)


# --- good folders
# -------------------------------------------------------------------------------------------------------


def models() -> dict[str, Folder]:
    """Good model folders of all kinds."""
    made = {}
    for name, network, more in (
        ("lstm", NetworkConfig(hidden_size=5, embedding_size=3), {}),
        ("gru", NetworkConfig(cell="gru", hidden_size=4, embedding_size=4, tied=True), {"documents": "lines"}),
        ("tanh", NetworkConfig(cell="rnn-tanh", hidden_size=6, embedding_size=0, layers=2), {"kind": "bytes"}),
        ("relu", NetworkConfig(cell="rnn-relu", hidden_size=3, embedding_size=2, initialization="identity"), {}),
    ):
        torch.manual_seed(1)
        documents = more.get("documents", "none")
        config = ModelConfig(network, documents, predicts_end=documents == "lines")  # type: ignore[arg-type]
        made[f"model-{name}"] = saved(LanguageModel.new(config, Vocabulary.of([TEXT], more.get("kind", "characters"))))  # type: ignore[arg-type]
    return made


def saved(model: LanguageModel) -> Folder:
    """The folder of a model."""
    vocabulary = VocabularyRecord(model.vocabulary.kind, model.vocabulary.characters)
    return {
        "config.json": strict_json.dump(model.config),
        "vocabulary.json": strict_json.dump(vocabulary),
        "model.safetensors": model.weights(),
        "README.md": b"# A model\n",
    }


def runs() -> dict[str, Folder]:
    """Good runs of all kinds, trained in the working directory, with the text and the model they need."""
    Path("text.txt").write_text(TEXT)
    write(ELSEWHERE, Path("elsewhere"))
    parent = NetworkConfig(hidden_size=4, embedding_size=3)
    write(saved(LanguageModel.new(ModelConfig(parent, "none", False), Vocabulary.of(["abc"]))), Path("parent"))
    one_step = TrainingConfig(batch_size=2, sequence_length=8, validations=2)
    made = {}
    for name, corpus, network, training, origin in (
        ("plain", CorpusConfig(), parent, one_step, None),
        ("gru", CorpusConfig(documents="lines"), replace(parent, cell="gru", layers=2), one_step, None),
        (
            "bytes",
            CorpusConfig(vocabulary="bytes", encoding="latin-1"),
            parent,
            replace(one_step, optimizer="sgd"),
            None,
        ),
        ("tuned", CorpusConfig(split=(1.0, 0.0, 0.0)), parent, replace(one_step, average=0.0), Path("parent")),
        (
            "tied",
            CorpusConfig(),
            replace(parent, embedding_size=4, tied=True),
            replace(one_step, optimizer="rmsprop"),
            None,
        ),
    ):
        text = open_text(Path("text.txt"), corpus) if name in ("bytes", "tuned") else string_corpus(TEXT, corpus)
        request = RunRequest(
            corpus, network, training, length=Length(steps=4), origin=origin, device="cpu", precision="float32"
        )
        session = experiment.begin(text, request, run=Path("run"))
        session._rhythm = replace(session._rhythm, save_every=SaveEvery(steps=1))
        before: Folder = {}
        for event in session.events():
            if event.progress.step == 2:
                before = read(Path("run/checkpoints"))
            if event.progress.step == 3 and name in ("plain", "bytes"):
                break
        del session
        folder = relative(read(Path("run")))
        if name != "gru":  # as after a crash: the previous checkpoint is still there
            folder |= {f"checkpoints/{file}": data for file, data in before.items()}
        made[f"run-{name}"] = folder
        shutil.rmtree("run")
    return made


def relative(folder: Folder) -> Folder:
    """The run with paths that do not depend on where it was made."""
    here = str(Path.cwd())
    return folder | {"config.json": bytes_of(folder, "config.json").decode().replace(f"{here}/", "").encode()}


def originals() -> dict[str, Folder]:
    """Good folders, from which all others are made."""
    return {**models(), **runs()}


# --- the campaign
# -------------------------------------------------------------------------------------------------------


@dataclass
class Campaign:
    """The results for many folders."""

    folders: int = 0
    loaded: int = 0
    refused: int = 0
    resumed: int = 0
    trained: int = 0
    sentences: Counter[str] = field(default_factory=Counter)
    "Kinds of sentences: the words that are ours."
    findings: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def add(self, number: int, done: list[str], outcomes: list[Outcome]) -> None:
        self.folders += 1
        for outcome in outcomes:
            self.slowest = max(self.slowest, outcome.seconds)
            if outcome.sentence is not None:
                self.sentences[kind_of(outcome.sentence)] += 1
            self.findings += [
                f"folder {number} ({'; '.join(done)}): {outcome.call}: {what}" for what in outcome.findings
            ]
        ended = {outcome.call: outcome.sentence is None and not outcome.findings for outcome in outcomes}
        self.loaded += ended["load"]
        self.refused += not ended["load"]
        self.resumed += ended.get("resume", False)
        self.trained += ended.get("train", False)


def kind_of(sentence: str) -> str:
    """A sentence without its quotations, so that equal ones can be counted."""
    words = sentence.replace("'", " ").replace(":", " ").split()
    return " ".join(word for word in words if word.isalpha() and word.islower())[:60]


def made_of(good: dict[str, Folder], number: int, seed: int) -> tuple[Folder, list[str]]:
    """Folder `number` of a seed, and how it was changed."""
    draw = random.Random(f"{seed} {number}")
    name = draw.choice(list(good))
    folder = dict(good[name])
    return folder, [name, *mutate(folder, draw)]


SWEPT = (0, -1, 2**63 - 1, 1e308, True, None, "a", "\x1b", [], Pairs())


def sweep(good: dict[str, Folder]) -> Iterator[tuple[Folder, list[str]]]:
    """Every value in every JSON file of two folders, replaced by each of a few; the checksums fit."""
    for name in ("model-gru", "run-plain"):
        files = [file for file in good[name] if file.endswith((".json", ".jsonl"))]
        for file in files:
            lines = [bytes_of(good[name], file)] if file.endswith(".json") else bytes_of(good[name], file).splitlines()
            for line, data in enumerate(lines):
                for place in range(len(list(places([read_json(data)])))):
                    for value in SWEPT:
                        root = [read_json(data)]
                        where, at = list(places(root))[place]
                        where[at] = value
                        changed = [*lines[:line], write_json(root[0]).encode(), *lines[line + 1 :]]
                        folder = good[name] | {file: b"".join(part + b"\n" for part in changed)}
                        seal(folder)
                        yield folder, [name, file, f"place {place} of line {line} is {value!r}"]


def warm_up(good: dict[str, Folder]) -> None:
    """Import everything, and check that the good folders are good."""
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "cp1252"):
        codecs.lookup(encoding)  # one of Python's own modules each, imported where a text is not UTF-8
    threads.alone(len, "")  # imports what a machine shared with other work asks for
    for folder in good.values():
        judge(write(folder, Path("case")), train=True)
    for name, folder in good.items():
        outcomes = judge(write(folder, Path("case")), train=True)
        assert all(outcome.sentence is None and not outcome.findings for outcome in outcomes), (name, outcomes)
    mistaken = bytes_of(good["model-lstm"], "config.json").replace(b'"lstm"', b'"lstn"')
    # the first mistake imports the module that finds suggestions
    judge(write(good["model-lstm"] | {"config.json": mistaken}, Path("case")))


def campaign(folders: int | None, seed: int, *, train_every: int = 8) -> Campaign:
    """Judge a number of folders, or those of the sweep, in the working directory."""
    import resource

    def growth(before: int) -> int:
        """The growth of the process's peak memory in bytes."""
        return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10) - before

    result, good = Campaign(), originals()
    warm_up(good)
    addresses = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (addresses + ADDRESSES, resource.RLIM_INFINITY))
    before = growth(0)
    cases = sweep(good) if folders is None else (made_of(good, number, seed) for number in range(folders))
    for number, (folder, done) in enumerate(cases):
        train = folders is None or number % train_every == 0
        result.add(number, done, judge(write(folder, Path("case")), train=train))
        if read(Path("elsewhere")) != ELSEWHERE:
            result.findings.append(f"folder {number} ({'; '.join(done)}): a file elsewhere was changed")
            write(ELSEWHERE, Path("elsewhere"))
        if growth(before) > MOST_MEMORY:
            result.findings.append(f"folder {number} ({'; '.join(done)}): takes {growth(before):,} bytes")
            before += growth(before)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description="Damage model folders and runs, and see what reads them.")
    parser.add_argument("--folders", type=int, default=1000)
    parser.add_argument("--sweep", action="store_true", help="instead change each value of the JSON files once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one folder, whose outcomes are shown")
    parser.add_argument("--keep", type=Path, help="where to leave it")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    keep = options.keep.absolute() if options.keep else None
    memory = Path("/dev/shm")  # no waiting for a disk there
    with tempfile.TemporaryDirectory(prefix="charloom-", dir=memory if memory.is_dir() else None) as folder:
        os.chdir(folder)
        if options.only is not None:
            good = originals()
            warm_up(good)
            made, done = made_of(good, options.only, options.seed)
            if keep:
                write(made, keep)
            print("; ".join(done))
            for outcome in judge(write(made, Path("case")), train=True):
                print(outcome)
            os.chdir("/")
            return 0
        began = time.monotonic()
        result = campaign(None if options.sweep else options.folders, options.seed)
        seconds = time.monotonic() - began
        os.chdir("/")
    if options.json:
        print(json.dumps({**strict_json.plain(result), "seconds": round(seconds, 1)}))
        return int(bool(result.findings))
    for finding in result.findings:
        print(finding)
    print(f"folders               {result.folders} (in {seconds:.0f} s)")
    print(f"loaded, refused       {result.loaded}, {result.refused}")
    print(f"resumed, trained      {result.resumed}, {result.trained}")
    print(f"kinds of sentences    {len(result.sentences)}")
    print(f"slowest call          {result.slowest:.2f} s")
    print(f"findings              {len(result.findings)}")
    return int(bool(result.findings))


if __name__ == "__main__":
    sys.exit(main())
