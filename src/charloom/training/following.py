"""A process that follows: it does what the leader orders, and neither writes nor prints."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from charloom.data.corpus import Corpus
from charloom.data.text_sources import is_there, reopen
from charloom.data.vocabulary import Vocabulary
from charloom.errors import CharloomError, DivergedError, FolderError, ProcessesError, shown
from charloom.errors.options import option
from charloom.interruption import Interruption
from charloom.machine.hardware import choose_device, prepare_processor
from charloom.settings import CorpusConfig
from charloom.training.budget import practice
from charloom.training.preparation import Prepared, prepare_as
from charloom.training.processes import END, GATHER, STATE, STEP, TASK, Processes, complain
from charloom.training.tasks import SharedText, Task, demand_device, demand_precision, read_task, receive_state
from charloom.training.trainer import Trainer

OwnText = Callable[[CorpusConfig], Corpus]
"""Reads the text that this process was started with."""


def follow(processes: Processes, interruption: Interruption, own_text: OwnText | None = None) -> Path:
    """Do what the leader orders until it ends, and end the same way: return the run, or raise `SystemExit`.

    `own_text` reads the text as it is called on this machine; None for the one that the leader names.
    """
    prepare_processor()
    processes.interruption = interruption
    follower = Follower(processes, own_text)
    try:
        with interruption.hold():
            code = follower.obey()
    except (DivergedError, ProcessesError) as error:
        code = _ended(processes, interruption, error)
    except CharloomError as error:
        complain(f"{processes.name}: {error}")
        code = 2
    if code or follower.run is None:
        raise SystemExit(code)
    return follower.run


def _ended(processes: Processes, interruption: Interruption, error: CharloomError) -> int:
    """The exit code after an error that, as a rule, the leader has met as well and reports."""
    code = processes.farewell()
    if code is not None:
        return code
    if interruption.waiting:
        return 128 + interruption.waiting
    if processes.speaks():
        complain(
            f"{processes.name}: {error}; what the run saved last is intact, so resume it with {option('resume')} on "
            "every machine"
        )
    return 2


@dataclass
class _Text:
    """The text of the last task, encoded."""

    described: SharedText
    config: CorpusConfig
    corpus: Corpus
    vocabulary: Vocabulary


class Follower:
    """Carries out orders."""

    def __init__(self, processes: Processes, own_text: OwnText | None) -> None:
        self._processes, self._own_text = processes, own_text
        self._text: _Text | None = None
        self._trainer: Trainer | None = None
        self.run: Path | None = None
        "The run that the leader writes."

    def obey(self) -> int:
        """Carry out orders until the last; returns the exit code that comes with it. Raises `CharloomError`."""
        while True:
            order, content = self._processes.heard()
            if order == END:
                return int(content)
            if order == TASK:
                self._trainer = self._processes.roll(lambda content=content: self._prepared(read_task(content)))  # type: ignore[misc]
                continue
            assert self._trainer is not None, "a task comes first"
            if order == STEP:
                self._trainer.advance()
            elif order == STATE:
                self.run = receive_state(self._processes, self._trainer, content)
            else:
                assert order == GATHER, f"there is no order {order}"
                self._trainer.gathered()

    def _prepared(self, task: Task) -> Trainer:
        device = choose_device(task.device)  # type: ignore[arg-type]
        demand_device(self._processes, device.name)
        demand_precision(task)
        if task.text is None:
            return practice(task, self._processes)
        return self._prepare(task, task.text).trainer(task.training, task, self._processes)

    def _prepare(self, task: Task, described: SharedText) -> Prepared:
        known = self._text
        if known is None or (known.described.sha256, known.config) != (described.sha256, task.corpus):
            corpus = self._read(described, task.corpus)
            vocabulary = Vocabulary(described.vocabulary.kind, described.vocabulary.characters)
            known = self._text = _Text(described, task.corpus, corpus, vocabulary)
        return prepare_as(known.corpus, task, known.vocabulary, choose_device(task.device))  # type: ignore[arg-type]

    def _read(self, described: SharedText, config: CorpusConfig) -> Corpus:
        if self._own_text is not None:
            corpus = self._own_text(config)
        else:
            copy = Path(described.copy)
            if not (copy.exists() if described.source == "copy" else is_there(described.source)):
                raise FolderError(
                    f"the run's text is not at {shown(described.source)} on this machine; put it there, or name where "
                    f"it is with {option('text')}"
                )
            corpus = reopen(described.source, copy, config, described.name)
        if corpus.text.sha256 != described.sha256:
            raise FolderError(
                f"{shown(corpus.source)} on this machine is not the text that process 0 reads (its SHA-256 differs); "
                "give the same text everywhere"
            )
        return corpus
