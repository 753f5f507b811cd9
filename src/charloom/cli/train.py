"""charloom train"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from charloom.cli.main import STARTED
from charloom.cli.output import print_json, say
from charloom.cli.run_options import NONE, RunOptions
from charloom.cli.sources import HYPHEN, Chosen
from charloom.durations import seconds
from charloom.errors import SettingsError
from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig

if TYPE_CHECKING:
    from charloom.data.corpus import Corpus
    from charloom.training.loop import Event
    from charloom.training.session import Session


def train(
    text: str | None = None,
    /,
    *,
    options: Annotated[RunOptions, Parameter(name="*")] = RunOptions(),
    config: Path | None = None,
    preset: str | None = None,
    moved: Annotated[str | None, Parameter(name="--text")] = None,
    time_budget: str | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    corpus: Annotated[CorpusConfig, Parameter(name="*")] = CorpusConfig(),
    network: NetworkConfig = NetworkConfig(),
    training: TrainingConfig = TrainingConfig(),
    sample_every: str | None = None,
    chosen: Chosen = frozenset(),
) -> None:
    """Train a model on a text.

    Ctrl-C finishes the step, saves, and says how to resume; no completed work is lost. Ctrl-C again, a second or more
    later, ends at once; the steps since the last checkpoint will then be repeated.

    Parameters
    ----------
    text
        A file, a folder of text files, - for standard input, or the name of a corpus (charloom data list).
    config
        A TOML file of settings, by their names here; flags override it.
    preset
        Named settings: default, reference, quick or small.
    moved
        With --resume: where the run's text is now, if it was moved or renamed. Its SHA-256 must be the same.
    time_budget
        Time from the start of the command to the saved model: 90s, 4m, 1h30m. The default is 4m.
    epochs
        Passes over the training text; with --resume, a larger number extends the run.
    steps
        Number of batches to train on; with --resume, a larger number extends the run.
    sample_every
        How often to show a text by the current model: 1m.
    """
    from charloom.cli.display import say_stopped
    from charloom.interruption import Interrupted
    from charloom.training.train import train as train_in_library

    report = _Report(options, seconds(sample_every) if sample_every else None)
    settings: dict[str, Any]
    if options.resume:
        settings = {"resume": options.resumed, "text": moved}
    else:
        settings = {
            "run": options.run,
            "text": _opened(text, moved, options, corpus),
            "corpus": corpus,
            "network": network,
            "training": training,
            "origin": None if options.from_ == NONE else options.from_,
            "precision": options.precision,
            "chosen": chosen,
            "started": STARTED,
        }
    try:
        train_in_library(
            **settings,
            time_budget=time_budget,
            epochs=epochs,
            steps=steps,
            device=options.device,
            save_every=options.saving,
            on_start=report.start,
            callback=report.show,
            progress=True,
        )
    except Interrupted:
        if report.session is not None:
            say_stopped(report.session, _again(report.session))
            _say_kept(report.session)
        raise
    if report.session is not None:  # this process leads
        _conclude(report.session)
        if options.json:
            print_json(_result(report.session))


def _opened(text: str | None, moved: str | None, options: RunOptions, corpus: CorpusConfig) -> "Corpus":
    from charloom.data.text_sources import open_text
    from charloom.machine.launch import processes
    from charloom.training.runs import demand_free

    if moved is not None:
        raise SettingsError("--text is only for --resume; give the text to train on without --text")
    if text is None:
        raise SettingsError("there is no text to train on; give a file, a folder, - or the name of a corpus")
    if processes() == 1:
        demand_free(options.run)  # before a large text is read
    elif text == HYPHEN:
        raise SettingsError("several processes cannot share standard input; give a file that each of them can read")
    return open_text(text, corpus)


class _Report:
    """Says what a training does: before it, and from time to time by a text that the model writes."""

    def __init__(self, options: RunOptions, every: float | None) -> None:
        self._options, self._every, self._last = options, every, 0.0
        self.session: Session | None = None

    def start(self, session: "Session") -> None:
        """Introduce the training."""
        self.session, self._last = session, session.seconds
        _introduce(session, automatic=self._options.automatic)

    def show(self, event: "Event[Any]") -> str:
        """A text to show now, or an empty string; it only reads the weights."""
        from charloom.generation.generate import generate

        assert self.session is not None, "training has started"
        if self._every is None or event.seconds - self._last < self._every:
            return ""
        step = event.progress.step
        text = "".join(generate(self.session.model, "", length=200, temperature=0.8, seed=step))
        self._last = self.session.seconds
        return f"--- step {step:,} writes:\n{text}\n---"


def _introduce(session: Any, *, automatic: bool) -> None:
    from charloom.training.recipes import most_epochs

    config, path = session.config, session.run.path
    text, plan, network = config.text, config.plan, config.network
    for note in (*text.notes, *session.notices):
        say(note)
    _say_processes(session)
    if session.resumed_from:
        say(f"{path}: resuming from step {session.resumed_from:,} of {plan.steps:,}")
        return
    unit = "byte" if config.corpus.vocabulary == "bytes" else "character"
    held = (
        "nothing is held out for validation"
        if plan.final_validation == "none"
        else f"the last {_held(config)} are held out for validation"
    )
    distinct = f"{text.distinct_symbols:,} distinct {unit}{'s' if text.distinct_symbols != 1 else ''}"
    say(f"{text.name}: {text.characters:,} characters, {distinct}; {held}")
    if text.unseen_in_training:
        say(f"{text.unseen_in_training} of its {unit}s occur only in the held-out part")
    if plan.streams < config.training.batch_size and config.corpus.documents == "lines":
        say(
            f"a step reads lines in only {plan.streams} of {config.training.batch_size} parallel rows: the text is "
            "short, or one of its lines is very long"
        )
    elif plan.streams < config.training.batch_size:
        say(f"the text is short: it is read in only {plan.streams} of {config.training.batch_size} parallel streams")
    if config.origin is not None:
        say(
            f"starting from {config.origin.path}"
            + (f", with {config.origin.new_symbols} new symbols" if config.origin.new_symbols else "")
        )
    if plan.recipe is not None and plan.recipe.settings:
        values = ", ".join(
            f"{name.split('.')[1].replace('_', ' ')} {_value(config, name)}" for name in plan.recipe.settings
        )
        say(f"recipe: {plan.recipe.reason}")
        if automatic and config.origin is not None:
            say("        (--from none starts from nothing)")
        say(f"        so {values}; change any of it with a flag or --preset (docs/explanation/recipes.md)")
    budget = f" in {plan.budget_seconds:g} s" if plan.budget_seconds else ""
    if budget and plan.recipe is None:
        most = most_epochs(int(config.corpus.split[0] * text.characters), tuning=config.origin is not None)
        if plan.steps == max(1, round(most * plan.steps_per_epoch)):
            say(f"more than {most:g} epochs would not help a text this short, so the run may end before its time is up")
    say(
        f"{path}: {network.cell} {network.layers}x{network.hidden_size}, {plan.parameters:,} parameters, "
        f"{plan.steps:,} step{'s' * (plan.steps != 1)} ({plan.steps / plan.steps_per_epoch:.1f} epochs){budget}, "
        f"{plan.precision} on {plan.device}: {plan.precision_reason}"
    )


def _say_processes(session: Any) -> None:
    ranks, streams = session.trainer.ranks, session.config.plan.streams
    if ranks.count == 1:
        _say_unused(session.config.plan)
    else:
        rows = streams / ranks.count
        say(f"{ranks.count} processes train together; each reads about {rows:.3g} of the {streams} rows of a step")


def _say_unused(plan: Any) -> None:
    """Say if most of the machine has nothing to do, and more processes would change that."""
    import torch

    from charloom.machine.threads import processors

    if plan.device == "cuda" and torch.cuda.device_count() > 1:
        have, use, most = f"{torch.cuda.device_count()} GPUs", "one of them", torch.cuda.device_count()
    elif plan.device == "cpu" and len(processors()) > 2 * torch.get_num_threads():
        have, use = f"{len(processors())} processors", f"{torch.get_num_threads()} of them"
        most = max(2, len(processors()) // (2 * torch.get_num_threads()))  # two may share a core
    else:
        return
    count = min(most, plan.streams)
    if count > 1 and plan.parameters >= _WORTH_SHARING:
        say(
            f"this machine has {have} and the run uses {use}; to use more: torchrun --nproc-per-node {count} -m "
            "charloom -- train … (docs/how-to/many-machines.md)"
        )


_WORTH_SHARING = 300_000
"""Parameters of a network from which on two processes are clearly faster than one."""


def _value(config: Any, name: str) -> str:
    group, field = name.split(".")
    value = getattr(getattr(config, group), field)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _held(config: Any) -> str:
    _, validation, test = config.corpus.split
    return f"{validation:.0%}" if test == 0 else f"{validation:.0%} before the test text"


def _again(session: Any) -> str:
    from charloom.machine.launch import command

    return f"{command()} train --resume --run {session.run.path}"


def _conclude(session: Any) -> None:
    from charloom.training.session import how_measured

    final, kept = session.final_validation(), session.kept()
    step, total = session.trainer.step, session.trainer.total
    if session.stopped_early:
        say(f"stopped at step {step:,} of {total:,}: validation has not improved since step {session.best_step:,}")
    elif session.unfinished:
        again = "" if kept is not None and kept.overfits else f"; resume with: {_again(session)}"
        say(f"the time budget ended at step {step:,} of {total:,}{again}")
    _say_kept(session)
    if final is None:
        say(f"{session.run.path}: trained to step {session.trainer.step:,}; no validation text, so no score")
        return
    say(
        f"{session.run.path}: {final['bits_per_character']:.3f} bits ({final['nats_per_character']:.4f} nats) per "
        f"character on {how_measured(final)}"
    )


def _say_kept(session: Any) -> None:
    kept = session.kept()
    if kept is not None:
        say(kept.sentence(session.trainer.total))
        if kept.overfits:
            say(kept.ADVICE)


def _result(session: Any) -> dict[str, Any]:
    from charloom.storage.strict_json import plain

    return {
        "run": str(session.run.path),
        "steps": session.trainer.step,
        "resumed_from": session.resumed_from,
        "characters_seen": session.trainer.characters_seen,
        "seconds": session.seconds,
        "characters_per_second": session.characters_per_second,
        "parameters": session.config.plan.parameters,
        "kept": plain(session.kept()),
        "validation": session.final_validation(),
    }
