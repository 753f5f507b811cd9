"""charloom study"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from charloom.cli.sources import Chosen
from charloom.durations import seconds
from charloom.errors import SettingsError, shown
from charloom.interruption import Interrupted, Interruption, catch_signals
from charloom.settings import CorpusConfig, Device, NetworkConfig, Precision, TrainingConfig

TERMINAL = ("setting", "held-out nats", "spread", "characters seen", "chars/s", "parameters", "memory (MB)")
"""Columns of the report's table that fit in a terminal."""

DEFAULT_BUDGET = 60.0
"""Default seconds per trial."""


def study(
    text: str | None = None,
    /,
    *,
    learning_rates: str | None = None,
    hidden_sizes: str | None = None,
    layers: str | None = None,
    sequence_lengths: str | None = None,
    cells: str | None = None,
    grid: bool = False,
    search: int = 0,
    space: Path | None = None,
    storage: str | None = None,
    worker: str | None = None,
    name: str | None = None,
    copy: Annotated[str | None, Parameter(name="--text")] = None,
    seeds: int = 1,
    budget: str | None = None,
    characters: int | None = None,
    run: Path | None = None,
    resume: bool = False,
    jobs: int = 1,
    prompt: str = "",
    config: Path | None = None,
    corpus: Annotated[CorpusConfig, Parameter(name="*")] = CorpusConfig(),
    network: NetworkConfig = NetworkConfig(),
    training: TrainingConfig = TrainingConfig(),
    device: Device = "auto",
    precision: Precision = "auto",
    json: bool = False,
    chosen: Chosen = frozenset(),
) -> None:
    """Find out what settings do: train many models that differ in one setting, and compare them.

    Each list is a sweep around one centre: the recipe's settings for this text and budget, or those given by --network,
    --training and --config. The centre is trained once for each seed. Every trial is a run of its own under trials/.
    The result is report.html, report.md, their pictures, and best.toml for charloom train --config. Ctrl-C stops; the
    same command, or --run DIR alone, continues. --worker ADDRESS joins a search of another machine: everything but the
    text comes from its database.

    Parameters
    ----------
    text
        A file, a folder of text files, - for standard input, or the name of a corpus (charloom data list).
    learning_rates
        Values to try, separated by commas: 3e-4,1e-3,3e-3,1e-2.
    hidden_sizes
        Units in each layer: 64,128,256,512.
    layers
        Recurrent layers: 1,2,3.
    sequence_lengths
        Characters that the gradient flows back through: 16,32,64,128,256.
    cells
        Recurrent cells: lstm,gru,rnn-tanh,rnn-relu.
    grid
        Try every combination of values instead of one change at a time.
    search
        Number of trials of a search over many settings at once (needs the extra tune), the recipe first; replaces the
        lists.
    space
        The search space as TOML: low and high, or values, for each setting. By default ranges around the recipe, shown
        in study.json and in the report.
    storage
        postgresql://USER@HOST/DATABASE, to share one search between several machines; by default a file in the study's
        folder. Keep a password in ~/.pgpass or PGPASSWORD; it is never shown or written. Trials of a --budget are
        comparable only between equal machines, so no others may join; --characters admits any.
    worker
        Join the search in this database (an address as for --storage), with the settings that it keeps.
    name
        Name of a search in a database that holds several.
    copy
        Where a worker's copy of the text lies; not needed for a corpus that has a name. It must be the same text.
    seeds
        Seeds per setting; two or more can tell a difference from chance.
    budget
        Time per trial, including its start: 60s, 4m. The default is 60s.
    characters
        Characters that each trial sees, instead of a time.
    run
        Folder of the study; by default a new one under studies/. An unfinished study is continued.
    resume
        Continue the study in --run.
    jobs
        Parallel trials; they share the threads, so times are no longer comparable.
    prompt
        A prompt that every trained model continues in the report.
    config
        A TOML file with settings of the centre; flags override it.
    device
        Where to train; auto takes the first available of CUDA, MPS and CPU.
    precision
        Number format for products during training; auto takes bfloat16 if the processor supports it.
    json
        Print one JSON value at the end.
    """
    from charloom.cli import files
    from charloom.data.text_sources import open_text
    from charloom.study import value_lists
    from charloom.study.space import parse_space
    from charloom.study.study import open_study, reopen_study
    from charloom.study.trials import Request

    if worker is not None:
        _join(worker, name, copy or text, run, jobs, json=json)
        return
    if copy is not None:
        raise SettingsError("--text is where a worker's copy of the text lies; give the text itself as the argument")
    _check_trials(budget, characters, seeds)
    values: dict[str, Any] = {
        "learning_rates": value_lists.numbers("learning-rates", learning_rates, float, "1e-3,3e-3,1e-2"),
        "hidden_sizes": value_lists.numbers("hidden-sizes", hidden_sizes, int, "64,128,256"),
        "layers": value_lists.numbers("layers", layers, int, "1,2,3"),
        "sequence_lengths": value_lists.numbers("sequence-lengths", sequence_lengths, int, "32,64,128"),
        "cells": value_lists.cells(cells),
    }
    varied = any(values.values())
    _check_text(text, run, varied=varied, searched=bool(search), resume=resume)
    _check_search(search, space, storage, name, listed=grid or varied, continued=text is None)
    described = files.read(space).decode("utf-8", errors="replace") if space is not None else ""
    if space is not None:
        parse_space(described, str(space))
    with _threads(jobs) as (threads, interruption):
        if text is None:
            assert run is not None, "there is a text or a study"
            opened = reopen_study(run)
        else:
            opened_text = open_text(text, corpus)
            request = Request(
                text_sha256=opened_text.text.sha256,
                corpus=corpus,
                **values,
                grid=grid,
                search=search,
                space=described,
                shared=storage is not None,
                seeds=seeds,
                budget_seconds=None if characters is not None else seconds(budget) if budget else DEFAULT_BUDGET,
                characters=characters,
                network=network,
                training=training,
                chosen=tuple(sorted(name for name in chosen if name.startswith(("network.", "training.")))),
                device=device,
                precision=precision,
                prompt=prompt,
            )
            opened = open_study(request, opened_text, run)
        opened = replace(opened, search=name)
        answer = _work(opened, storage, jobs, threads, interruption)
    _show(answer, opened.folder.path, json=json)


def _check_trials(budget: str | None, characters: int | None, seeds: int) -> None:
    """Raise `SettingsError` for trials that cannot be run."""
    if budget is not None and characters is not None:
        raise SettingsError("a trial has one budget; give only one of --budget and --characters")
    if characters is not None and characters < 1:
        raise SettingsError(f"characters is {characters}; a trial must see at least 1")
    if not 1 <= seeds <= 1000:
        raise SettingsError(f"seeds is {seeds}; give 1 to 1000")
    if budget:
        seconds(budget)


def _check_text(text: str | None, run: Path | None, *, varied: bool, searched: bool, resume: bool) -> None:
    """Raise `SettingsError` where there is nothing to study, or nothing to vary."""
    if text is None and run is None:
        raise SettingsError(
            "there is no text to study; give a file, a folder, - or the name of a corpus, or a study to continue as "
            "--run"
        )
    if text is None and varied:
        raise SettingsError(f"there is no text to study; to continue {run}, leave out the values")
    if text is not None and not varied and not searched:
        raise SettingsError(
            "there is nothing to vary; give --learning-rates, --hidden-sizes, --layers, --sequence-lengths, --cells "
            "or --search"
        )
    if resume and not (run and run.exists()):
        raise SettingsError("--resume needs the study to continue; name it with --run")


def _check_search(
    search: int, space: Path | None, storage: str | None, name: str | None, *, listed: bool, continued: bool
) -> None:
    """Raise `SettingsError` for a search that cannot be run, `MissingExtraError` without the extra."""
    from charloom.study.addresses import parse_address
    from charloom.study.storages import require_optuna

    if search < 0 or (search and listed):
        raise SettingsError(f"search is {search}; give at least one trial, without lists of values, or leave it out")
    if space is not None and not search:
        raise SettingsError("--space is only for a search; give the number of trials with --search")
    if storage is not None:
        if not (search or continued):
            raise SettingsError("--storage is only for a search; give the number of trials with --search")
        parse_address(storage)
    elif name is not None:
        raise SettingsError("--name is only for a search in a database; give its address with --storage")
    if search:
        require_optuna()


def _join(address: str, name: str | None, text: str | None, run: Path | None, jobs: int, *, json: bool) -> None:
    """Take part in a search until it is complete, and show what it found."""
    from charloom.cli.output import say
    from charloom.study.addresses import parse_address
    from charloom.study.joining import join

    parse_address(address)
    with _threads(jobs) as (threads, interruption):
        opened = join(address, name, text, run, say)
        answer = _work(opened, address, jobs, threads, interruption)
    _show(answer, opened.folder.path, json=json)


@contextmanager
def _threads(jobs: int) -> Iterator[tuple[int, Interruption]]:
    """Share the threads between the jobs and catch signals; gives how many threads there are."""
    from charloom.cli.output import say
    from charloom.study.study import available_threads, divide_threads

    threads = available_threads()
    divide_threads(threads, jobs)
    if jobs > 1:
        say(
            f"{jobs} trials at a time, {threads // jobs} threads each: their results per time are not comparable with "
            "one at a time"
        )
    with catch_signals() as interruption:
        yield threads, interruption


def _work(opened: Any, storage: str | None, jobs: int, threads: int, interruption: Interruption) -> Any:
    from charloom.cli.output import say
    from charloom.study.study import work

    try:
        return work(opened, storage, jobs=jobs, threads=threads, say=say, interruption=interruption)
    except Interrupted:
        if storage is not None:
            say("stopped; finished trials are kept, and unfinished ones are given back; to go on, repeat the command")
        else:
            say(f"stopped; finished trials are kept; continue with: charloom study --run {shown(opened.folder.path)}")
        raise


def _show(made: Any, folder: Path, *, json: bool) -> None:
    from charloom.cli.output import print_json

    if json:
        print_json({"study": str(folder), "report": str(folder / "report.html"), **made.figures})
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from charloom.study.tables import COLUMNS, row

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in TERMINAL:
        table.add_column(name, justify="left" if name == "setting" else "right", overflow="fold")
    for point in made.settings:
        cells = dict(zip(COLUMNS, row(point), strict=True))
        table.add_row(*(escape(cells[name]) for name in TERMINAL))
    console = Console()
    (console if console.is_terminal else Console(width=120)).print(table)
    for finding in made.findings:
        print(finding)
    print(folder / "report.html")
