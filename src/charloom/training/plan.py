"""Decides before the first step: how many steps, and when to validate."""

import copy
import math
import time
from collections.abc import Collection
from dataclasses import replace

from charloom.data.corpus import Corpus
from charloom.errors import SettingsError
from charloom.errors.options import option
from charloom.machine.hardware import TRUSTED_SIZE, Choice, choose_precision
from charloom.settings import NetworkConfig, Precision, TrainingConfig
from charloom.training import budget, recipes
from charloom.training.preparation import Prepared
from charloom.training.processes import Processes
from charloom.training.recipes import Recipe, fill_in
from charloom.training.request import Length, RunRequest
from charloom.training.runs import Plan, RunConfig
from charloom.training.tasks import assign
from charloom.training.trainer import Trainer

DEFAULT_BUDGET = 240.0
"""Seconds that a run takes by default."""

READ_WHOLE = 2_000_000
"""Characters up to which validation text is always read as a whole for the final score of a run without a time budget.

A longer one is, if the run trained on as many characters; otherwise its score would take longer than the training.
"""


def by_recipe(
    network: NetworkConfig,
    training: TrainingConfig,
    chosen: Collection[str],
    *,
    characters: int,
    seconds: float,
    device: Choice,
    precision: Precision,
    tuning: bool = False,
    speed: float | None = None,
    processes: Processes | None = None,
) -> tuple[NetworkConfig, TrainingConfig, Recipe]:
    """Fill in what nobody chose, for a training text of `characters` characters and `seconds` of time.

    With `tuning` the weights are another model's, so `network` has its shape. `speed` is the characters per second at
    which any network is trained; None measures it, with all `processes` at work.
    """

    def measured(network: NetworkConfig, training: TrainingConfig) -> float:
        if speed is not None:
            return speed
        usual = choose_precision(precision, device.name, network.cell, network.hidden_size)
        return budget.characters_per_second(device, usual, network, training, characters, processes)

    filled: set[str] = set()
    if not tuning:
        settings = recipes.size(characters, seconds * measured(NetworkConfig(), budget.USUAL))
        size, usual = settings["network.hidden_size"], choose_precision(precision, device.name, "lstm", 512)
        if (
            size > TRUSTED_SIZE
            and choose_precision("auto", device.name, network.cell, size).name != usual.name == "bfloat16"
        ):
            settings |= {"network.hidden_size": TRUSTED_SIZE}  # float32 would cost more than the units are worth
        network, training, names = fill_in(network, training, settings, chosen)
        filled.update(names)
    pace = measured(network, training)
    could = _epochs(seconds, pace, characters)
    most = recipes.most_epochs(characters, tuning=tuning)
    epochs = min(could, most)
    settings = recipes.tuning(characters) if tuning else recipes.restraint(network, characters, epochs)
    settings |= recipes.patience(training.validations)
    network, training, names = fill_in(network, training, settings, chosen)
    recipe = Recipe("", tuple(sorted(filled.union(names))), pace)
    return network, training, recipe.planned(network, epochs, could)


def with_recipe(
    request: RunRequest, *, characters: int, started: float, device: Choice, processes: Processes | None = None
) -> tuple[RunRequest, Recipe | None]:
    """The request with a length; if that is a time budget, a recipe fills in what nobody chose.

    `characters` is the length of the training text, `started` the moment from which the budget counts.
    """
    if request.length == Length():
        request = replace(request, length=Length(budget=DEFAULT_BUDGET))
    budget_seconds, chosen = request.length.budget, request.chosen
    if budget_seconds is None or chosen is None or set(chosen) >= recipes.CHOOSES:
        return request, None
    network, training, recipe = by_recipe(
        request.network,
        request.training,
        chosen,
        characters=characters,
        seconds=budget_seconds - (time.monotonic() - started),
        device=device,
        precision=request.precision,
        tuning=request.origin is not None,
        processes=processes,
    )
    return replace(request, network=network, training=training), recipe


def epochs_in_time(request: RunRequest, recipe: Recipe, characters: int, started: float) -> float:
    """How often a text of `characters` characters can be read in what is left of the time budget."""
    left = (request.length.budget or 0.0) - (time.monotonic() - started)
    return _epochs(left, recipe.characters_per_second, characters)


def _epochs(seconds: float, characters_per_second: float, characters: int) -> float:
    return budget.SHARE * seconds * characters_per_second / max(1, characters)


def make_plan(
    request: RunRequest,
    prepared: Prepared,
    corpus: Corpus,
    recipe: Recipe | None,
    *,
    device: Choice,
    precision: Choice,
    save_every: float,
    started: float,
    processes: Processes | None = None,
) -> tuple[Plan, float | None]:
    """The plan of a run, and the moment at which its time budget ends it, if it has one."""
    model, batches, training, validation = prepared.model, prepared.batches, request.training, corpus.validation
    deadline, carried, budget_seconds = None, True, request.length.budget
    if budget_seconds is not None:
        speed = _speed(prepared, request, corpus, budget_seconds, precision, processes)
        spent = time.monotonic() - started
        allowance = budget.allow(budget_seconds, spent, speed, validation, training, save_every=save_every)
        part, carried = allowance.validation_characters, allowance.carried
        most = recipes.most_epochs(corpus.train.characters, tuning=request.origin is not None)
        steps = min(allowance.steps, max(1, round(most * len(batches))))
        if recipe is not None:
            recipe = recipe.planned(request.network, steps / len(batches), allowance.steps / len(batches))
        final = validation.characters * speed.carried_character if carried else part * speed.folded_character
        deadline = started + 1.03 * budget_seconds - final - 1.0
    else:
        steps = request.length.in_steps(len(batches))
        seen = steps * batches.streams * training.sequence_length
        part = min(validation.characters, max(4096, min(65_536, seen // 100)))
        carried = validation.characters <= max(READ_WHOLE, seen)
    plan = Plan(
        steps=steps,
        steps_per_epoch=len(batches),
        streams=batches.streams,
        log_every=max(1, steps // 500),
        validate_every=max(1, math.ceil(steps / training.validations)),
        validation_characters=part,
        final_validation="none" if validation.characters == 0 else "carried" if carried else "folded",
        device=device.name,
        precision="bfloat16" if precision.name == "bfloat16" else "float32",
        precision_reason=precision.reason,
        budget_seconds=budget_seconds,
        recipe=recipe,
        parameters=model.network.parameter_count(),
    )
    return plan, deadline


def _speed(
    prepared: Prepared,
    request: RunRequest,
    corpus: Corpus,
    seconds: float,
    precision: Choice,
    processes: Processes | None,
) -> budget.Speed:
    """How fast such a model is trained and read here, measured on a copy."""
    assign(processes, prepared.task(corpus, request, steps=budget.MANY, precision=precision.name))
    network = copy.deepcopy(prepared.model.network)
    probe = Trainer(
        network,
        prepared.batches,
        request.training,
        steps=budget.MANY,
        precision=precision.name,
        processes=processes,
    )
    return budget.measure(probe, prepared.model.with_network(probe.average), corpus.validation, seconds)


def extended(config: RunConfig, length: Length, steps_per_epoch: int) -> RunConfig:
    """The configuration with a longer plan, if one is asked for. Raises `SettingsError`."""
    if length.budget is not None:
        raise SettingsError(
            f"a resumed run keeps its number of steps; extend it with {option('steps')} or {option('epochs')}"
        )
    steps = length.steps or (round(length.epochs * steps_per_epoch) if length.epochs else None)
    if steps is None:
        return config
    if steps < config.plan.steps:
        raise SettingsError(
            f"the run was planned for {config.plan.steps:,} steps, and {steps:,} would be fewer; give more"
        )
    training = replace(config.training, patience=0)  # the user asked for these steps
    return replace(config, training=training, plan=replace(config.plan, steps=steps))
