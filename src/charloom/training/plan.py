"""Decides before the first step: how many steps, and when to validate.

Speed is measured once, and from then on only steps count.
"""

import copy
import math
import time
from collections.abc import Collection
from dataclasses import replace

from charloom.data.batches import Batches
from charloom.data.corpus import Corpus
from charloom.data.text import Text
from charloom.errors import SettingsError
from charloom.errors.options import option
from charloom.machine.hardware import TRUSTED_SIZE, Choice, choose_precision
from charloom.models.language_model import LanguageModel
from charloom.settings import NetworkConfig, Precision, TrainingConfig
from charloom.training import recipes, speed
from charloom.training.distributed import ALONE, Ranks
from charloom.training.recipes import Recipe, fill_in
from charloom.training.request import Length, RunRequest
from charloom.training.runs import Plan, RunConfig
from charloom.training.speed import MANY, Speed
from charloom.training.trainer import Trainer

DEFAULT_BUDGET = 240.0
"""Seconds that a run takes by default."""

SHARE = 0.97
"""Share of the budget that is planned; the rest is a reserve in case the machine slows down."""

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
    pace: float | None = None,
    ranks: Ranks = ALONE,
) -> tuple[NetworkConfig, TrainingConfig, Recipe]:
    """Fill in what nobody chose, for a training text of `characters` characters and `seconds` of time.

    With `tuning` the weights are another model's, so `network` has its shape. `pace` is the characters per second at
    which any network is trained; None measures it, with all `ranks` at work.
    """

    def measured(network: NetworkConfig, training: TrainingConfig) -> float:
        if pace is not None:
            return pace
        usual = choose_precision(precision, device.name, network.cell, network.hidden_size)
        return speed.characters_per_second(device, usual, network, training, characters, ranks)

    filled: set[str] = set()
    if not tuning:
        settings = recipes.size(characters, seconds * measured(NetworkConfig(), speed.USUAL))
        size, usual = settings["network.hidden_size"], choose_precision(precision, device.name, "lstm", 512)
        if (
            size > TRUSTED_SIZE
            and choose_precision("auto", device.name, network.cell, size).name != usual.name == "bfloat16"
        ):
            settings |= {"network.hidden_size": TRUSTED_SIZE}  # float32 would cost more than the units are worth
        network, training, names = fill_in(network, training, settings, chosen)
        filled.update(names)
    fast = measured(network, training)
    could = _epochs(seconds, fast, characters)
    most = recipes.most_epochs(characters, tuning=tuning)
    epochs = min(could, most)
    settings = recipes.tuning(characters) if tuning else recipes.restraint(network, characters, epochs)
    settings |= recipes.patience(training.validations)
    network, training, names = fill_in(network, training, settings, chosen)
    recipe = Recipe("", tuple(sorted(filled.union(names))), fast)
    return network, training, recipe.planned(network, epochs, could)


def with_recipe(
    request: RunRequest, *, characters: int, started: float, device: Choice, ranks: Ranks = ALONE
) -> tuple[RunRequest, Recipe | None, float]:
    """The request with a length, its recipe, and the number of epochs that the time allows for.

    If the length is a time budget, a recipe fills in what nobody chose. `characters` is the length of the training
    text, `started` the moment from which the budget counts.
    """
    if request.length == Length():
        request = replace(request, length=Length(budget=DEFAULT_BUDGET))
    budget, chosen = request.length.budget, request.chosen
    if budget is None or chosen is None or set(chosen) >= recipes.CHOOSES:
        return request, None, math.inf
    network, training, recipe = by_recipe(
        request.network,
        request.training,
        chosen,
        characters=characters,
        seconds=ranks.decide(lambda: budget - (time.monotonic() - started)),
        device=device,
        precision=request.precision,
        tuning=request.origin is not None,
        ranks=ranks,
    )
    left = ranks.decide(lambda: budget - (time.monotonic() - started))
    epochs = _epochs(left, recipe.characters_per_second, characters)
    return replace(request, network=network, training=training), recipe, epochs


def _epochs(seconds: float, characters_per_second: float, characters: int) -> float:
    return SHARE * seconds * characters_per_second / max(1, characters)


def make_plan(
    request: RunRequest,
    corpus: Corpus,
    model: LanguageModel,
    batches: Batches,
    recipe: Recipe | None,
    *,
    device: Choice,
    precision: Choice,
    save_every: float,
    started: float,
    ranks: Ranks = ALONE,
) -> tuple[Plan, float | None]:
    """The plan of a run, and the moment at which its time budget ends it, if it has one."""
    training, validation = request.training, corpus.validation
    deadline, carried, budget = None, True, request.length.budget
    if budget is not None:
        network = copy.deepcopy(model.network)
        probe = Trainer(network, batches, training, steps=MANY, precision=precision.name, ranks=ranks)
        pace = speed.measure(probe, model.with_network(probe.average), validation, budget)
        spent = time.monotonic() - started
        possible, part, carried = _allow(budget, spent, pace, validation, training, save_every=save_every)
        most = recipes.most_epochs(corpus.train.characters, tuning=request.origin is not None)
        steps = min(possible, max(1, round(most * len(batches))))
        if recipe is not None:
            recipe = recipe.planned(request.network, steps / len(batches), possible / len(batches))
        final = validation.characters * pace.carried_character if carried else part * pace.folded_character
        deadline = started + 1.03 * budget - final - 1.0
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
        budget_seconds=budget,
        recipe=recipe,
        parameters=model.network.parameter_count(),
    )
    return plan, deadline


def _allow(
    budget: float, spent: float, pace: Speed, validation: Text, config: TrainingConfig, *, save_every: float
) -> tuple[int, int, bool]:
    """What `budget` seconds allow after `spent` of them: steps, characters of a validation, and whether the final score
    can be measured with carried state, in a twentieth of the budget."""
    characters = validation.characters
    part = characters
    if pace.folded_character:
        part = min(characters, max(2048, int(0.03 * budget / config.validations / pace.folded_character)))
    carried = characters * pace.carried_character <= max(1.0, 0.05 * budget)
    final = characters * pace.carried_character if carried else part * pace.folded_character
    overhead = config.validations * (part * pace.folded_character + pace.save) + final + 2 * pace.save
    usable = SHARE * budget - spent - overhead
    per_step = pace.step * (1 + pace.save / max(save_every, 1.0))
    return max(1, int(usable / per_step)) if per_step else 1, part, carried


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
