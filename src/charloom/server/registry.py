"""The models that are served, by name. Each may be replaced by a newer one of the same place at any time."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from charloom.errors import SettingsError, shown
from charloom.generation.writer import Writer
from charloom.models.model_folder import is_classifier, model_folder
from charloom.places.names import name_of
from charloom.places.ready_made import WORDS
from charloom.server.batching.jobs import Engine, Job
from charloom.server.metered import MeteredEngine
from charloom.server.metrics import Metrics
from charloom.server.routes.language_tools import knows_words
from charloom.server.served import Application, Served, UnknownModelError

MakeEngine = Callable[[Writer], Engine]
"""An engine for a model."""

FILES = ("config.json", "vocabulary.json", "model.safetensors", "n-grams.safetensors", "n-grams.safetensors.xz", WORDS)
"""The files of a model folder that decide what it answers."""

Signature = tuple[tuple[int, int, int] | None, ...]

GRACE = 600.0
"""Seconds that a model which was replaced has to finish the texts it has begun."""


@dataclass
class Entry:
    """A model, where it lies, and which state of its files was read."""

    served: Served
    folder: Path
    read: Signature


def named(places: Sequence[str]) -> dict[str, str]:
    """The places by their names. Raises `SettingsError` for two of the same name."""
    names = dict[str, str]()
    for place in places:
        name = name_of(place)
        if name in names:
            raise SettingsError(
                f"{shown(names[name])} and {shown(place)} would both be served as {name!r}; rename one of the folders"
            )
        names[name] = place
    return names


def signature(place: str, folder: Path) -> Signature:
    """Time, size and identity of each of the model's files: another signature means that one was written."""
    packed = Path(place)
    paths = [folder / name for name in FILES]
    return tuple(_file(path) for path in ([packed, *paths] if packed.is_file() else paths))


def _file(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def load(name: str, place: str, make_engine: MakeEngine) -> Entry:
    """The model at `place`, ready to be served. Raises `CharloomError`.

    It takes seconds for a large model, and may be called in any thread.
    """
    folder = model_folder(place)
    read = signature(place, folder)
    stamp = read[-len(FILES) :][FILES.index("model.safetensors")]
    created = 0 if stamp is None else stamp[0] // 10**9
    if is_classifier(folder):
        from charloom.classify.model import load_classifier

        classifier = load_classifier(folder)
        classifier.probabilities(["a"])  # raises what is wrong with its weights
        served = Served(name, created, place, classifier=classifier, applications=("classify",))
    else:
        writer = Writer.load(folder)
        able: tuple[Application, ...] = ("score", "activity", "complete", "correct")
        able = able if knows_words(place) else able[:-1]
        served = Served(name, created, place, writer, make_engine(writer), applications=able)
    return Entry(served, folder, read)


async def prove(served: Served) -> None:
    """Let a language model make one step. Raises `NotFiniteError` if its output is not a finite number."""
    if served.engine is None or served.writer is None:
        return
    engine = served.engine.engine if isinstance(served.engine, MeteredEngine) else served.engine  # it is not counted
    boundary = np.array([served.writer.vocabulary.boundary], np.int64)
    async for _ in engine.submit(Job(boundary, length=1)):
        pass


class Models:
    """A registry of models. All methods but `load` belong to the event loop's thread."""

    def __init__(self, places: Sequence[str], make_engine: MakeEngine, metrics: Metrics) -> None:
        """Raises `SettingsError` for two places of the same name."""
        self.places = named(places)
        self.metrics = metrics
        self._make_engine = make_engine
        self._entries: dict[str, Entry] = {}
        self._ending: dict[Engine, asyncio.Task[None]] = {}

    def load(self) -> None:
        """Read all models. Raises `CharloomError` for the first that cannot be used."""
        for name in self.places:
            self._entries[name] = self.read(name)

    def read(self, name: str) -> Entry:
        """The model of this name as it is on the disk now. Raises `CharloomError`. May be called in any thread."""
        metrics = self.metrics.of(name)
        return load(name, self.places[name], lambda writer: MeteredEngine(self._make_engine(writer), metrics))

    async def prove(self) -> None:
        """Let every model make one step. Raises `NotFiniteError`."""
        for entry in self._entries.values():
            await prove(entry.served)

    def names(self) -> Sequence[str]:
        """All names, in the order in which the models were named."""
        return list(self.places)

    def entry(self, name: str) -> Entry:
        """The model of this name and its files, as they are now."""
        return self._entries[name]

    def get(self, name: str | None = None) -> Served:
        """The model of this name; None means the first language model. Raises `UnknownModelError`, and `SettingsError`
        if there is no language model."""
        if name is not None:
            if name not in self._entries:
                raise UnknownModelError(name, self.names())
            return self._entries[name].served
        for entry in self._entries.values():
            if entry.served.writer is not None:
                return entry.served
        raise SettingsError("only classifiers are served here; start the server with a language model too")

    def put(self, name: str, entry: Entry) -> None:
        """Serve this model from now on. The one before it ends the texts that it has begun."""
        before = self._entries.get(name)
        self._entries[name] = entry
        if before is not None and before.served.engine is not None:
            self._end(before.served.engine)

    def _end(self, engine: Engine) -> None:
        """Close an engine once its texts are written, in the background."""
        task = asyncio.get_running_loop().create_task(engine.close(grace=GRACE))
        self._ending[engine] = task
        task.add_done_callback(lambda _: self._ending.pop(engine, None))

    async def close(self, *, grace: float) -> None:
        """Close all engines; what they write may go on for `grace` seconds."""
        engines = [entry.served.engine for entry in self._entries.values() if entry.served.engine is not None]
        ending = list(self._ending)
        for task in list(self._ending.values()):
            task.cancel()
        await asyncio.gather(*(engine.close(grace=grace) for engine in [*engines, *ending]), return_exceptions=True)
