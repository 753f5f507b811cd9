"""charloom train"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from charloom.cli.output import print_json, say
from charloom.cli.run_options import RunOptions
from charloom.cli.sources import HYPHEN, Chosen
from charloom.durations import seconds
from charloom.errors import SettingsError
from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig
from charloom.training.restarts import demand_name, is_ours

if TYPE_CHECKING:
    from charloom.interruption import Interruption
    from charloom.machine.launch import Launch
    from charloom.training.processes import Processes
    from charloom.training.request import Length
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
    from charloom.cli.display import show_training
    from charloom.interruption import Interrupted, catch_signals
    from charloom.machine.launch import launch
    from charloom.training.request import Length

    length = Length(steps=steps, epochs=epochs, budget=seconds(time_budget) if time_budget else None)
    sampling = seconds(sample_every) if sample_every else None
    with catch_signals() as interruption, _together(launch()) as processes:
        if processes is not None and not processes.leads:
            _follow(processes, interruption, text or moved)
            return
        if options.resume or is_ours(options.run, launch()):
            session = _resume(options, length if options.resume else Length(), moved, processes)
        else:
            session = _begin(options, length, text, moved, corpus, network, training, chosen, processes)
        _introduce(session, automatic=options.automatic)
        try:
            show_training(session, interruption, _again(session), between=_Samples(session, sampling).due)
        except Interrupted:
            _say_kept(session)
            raise
    _conclude(session)
    if options.json:
        print_json(_result(session))


def _together(launch: "Launch | None") -> AbstractContextManager["Processes | None"]:
    """The processes that train together, if there are several."""
    if launch is None:
        return nullcontext()
    from charloom.training.processes import joined

    return joined(launch)


def _follow(processes: "Processes", interruption: "Interruption", text: str | None) -> None:
    from charloom.data.text_sources import open_text
    from charloom.training.following import follow

    follow(processes, interruption, None if text is None else lambda config: open_text(text, config))


def _resume(options: RunOptions, length: "Length", moved: str | None, processes: "Processes | None") -> "Session":
    from charloom.training.experiment import resume

    return resume(
        options.resumed,
        length,
        text=moved,
        device=options.device,
        save_every=options.saving,
        processes=processes,
    )


def _begin(
    options: RunOptions,
    length: "Length",
    text: str | None,
    moved: str | None,
    corpus: CorpusConfig,
    network: NetworkConfig,
    training: TrainingConfig,
    chosen: frozenset[str],
    processes: "Processes | None",
) -> "Session":
    from charloom.cli.main import STARTED
    from charloom.data.text_sources import open_text
    from charloom.training.experiment import begin
    from charloom.training.request import RunRequest
    from charloom.training.runs import demand_free

    if moved is not None:
        raise SettingsError("--text is only for --resume; give the text to train on without --text")
    if text is None:
        raise SettingsError("there is no text to train on; give a file, a folder, - or the name of a corpus")
    if processes is not None:
        demand_name(processes.launch, options.run)
        if text == HYPHEN:
            raise SettingsError("several processes cannot share standard input; give a file that each of them can read")
    demand_free(options.run)  # before a large text is read
    request = RunRequest(
        *(corpus, network, training),
        length=length,
        origin=options.origin,
        automatic=options.automatic,
        device=options.device,
        precision=options.precision,
        chosen=chosen,
    )
    return begin(
        open_text(text, corpus),
        request,
        run=options.run,
        save_every=options.saving,
        started=STARTED,
        processes=processes,
    )


class _Samples:
    """Shows a text by the current model from time to time; it only reads the weights."""

    def __init__(self, session: Any, every: float | None) -> None:
        self._session, self._every, self._last = session, every, session.seconds

    def due(self) -> str:
        """A text to show now, or an empty string."""
        from charloom.generation.generate import generate

        if self._every is None or self._session.seconds - self._last < self._every:
            return ""
        text = "".join(generate(self._session.model, "", length=200, temperature=0.8, seed=self._session.trainer.step))
        self._last = self._session.seconds
        return f"--- step {self._session.trainer.step:,} writes:\n{text}\n---"


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
    processes, streams = session.trainer.processes, session.config.plan.streams
    if processes is None:
        _say_unused(session.config.plan)
    else:
        rows = streams / processes.count
        say(f"{processes.count} processes train together; each reads about {rows:.3g} of the {streams} rows of a step")


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
    processes = session.trainer.processes
    command = "charloom" if processes is None else processes.launch.command
    return f"{command} train --resume --run {session.run.path}"


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
