"""What is decided before the first step: the number of steps, and when to validate."""

import math
import time
from collections.abc import Collection
from dataclasses import dataclass, replace

from charloom.data.batches import Batches
from charloom.data.corpus import Text
from charloom.errors import SettingsError, arguments
from charloom.machine.hardware import TRUSTED_SIZE, Choice, choose_precision
from charloom.models.language_model import LanguageModel
from charloom.settings import NetworkConfig, Precision, TrainingConfig
from charloom.training import budget, recipes
from charloom.training.recipes import Recipe, fill_in
from charloom.training.runs import Plan, RunConfig
from charloom.training.trainer import Trainer


@dataclass(frozen=True)
class Length:
    """How long to train: one of three."""

    steps: int | None = None
    epochs: float | None = None
    budget: float | None = None
    "Seconds, from the start of the command to the saved model."

    def __post_init__(self) -> None:
        given = [value for value in (self.steps, self.epochs, self.budget) if value is not None]
        for value in given:
            arguments.number("a run's length", value)
        if len(given) > 1:
            raise SettingsError("a run has one length; give only one of --steps, --epochs and --time-budget")
        if given and not (math.isfinite(given[0]) and given[0] > 0):
            raise SettingsError(f"a run's length is {given[0]:g}; it must be above 0")


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
) -> tuple[NetworkConfig, TrainingConfig, Recipe]:
    """The configurations with what nobody chose set for a training text of so many characters and the time there is.

    `tuning`: the weights are another model's, so `network` has its shape. `speed`: characters a second at which any network
    is trained; it is measured where it is None.
    """

    def measured(network: NetworkConfig, training: TrainingConfig) -> float:
        if speed is not None:
            return speed
        usual = choose_precision(precision, device.name, network.cell, network.hidden_size)
        return budget.characters_per_second(device, usual, network, training, characters)

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
    could = budget.SHARE * seconds * pace / max(1, characters)
    most = recipes.most_epochs(characters, tuning=tuning)
    epochs = min(could, most)
    settings = recipes.tuning(characters) if tuning else recipes.restraint(network, characters, epochs)
    settings |= recipes.patience(training.validations)
    network, training, names = fill_in(network, training, settings, chosen)
    recipe = Recipe("", tuple(sorted(filled.union(names))), pace)
    return network, training, recipe.planned(network, epochs, could)


def make_plan(
    model: LanguageModel,
    batches: Batches,
    validation: Text,
    training: TrainingConfig,
    length: Length,
    *,
    device: Choice,
    precision: Choice,
    save_every: float,
    started: float,
    most_epochs: float = math.inf,
    recipe: Recipe | None = None,
) -> tuple[Plan, float | None]:
    """What is fixed before the first step, and the moment at which a time budget ends the run.

    `most_epochs`: a time budget plans no more readings than these.
    """
    deadline, carried = None, True
    if length.budget is not None:
        probe = Trainer(model.network, batches, training, steps=1_000_000, precision=precision.name)
        speed = budget.measure(probe, model.with_network(probe.average), validation, length.budget)
        allowance = budget.allow(
            length.budget,
            time.monotonic() - started,
            speed,
            validation,
            training,
            save_every=save_every,
        )
        steps, part, carried = allowance.steps, allowance.validation_characters, allowance.carried
        could, steps = steps, min(steps, max(1, round(most_epochs * len(batches))))
        if recipe is not None:
            recipe = recipe.planned(model.network.config, steps / len(batches), could / len(batches))
        final = validation.characters * speed.carried_character if carried else part * speed.folded_character
        deadline = started + 1.03 * length.budget - final - 1.0
    else:
        steps = length.steps or max(1, round((length.epochs or 1) * len(batches)))
        seen = steps * batches.streams * training.sequence_length
        part = min(validation.characters, max(4096, min(65_536, seen // 100)))
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
        budget_seconds=length.budget,
        recipe=recipe,
        parameters=model.network.parameter_count(),
    )
    return plan, deadline


def extended(config: RunConfig, length: Length, steps_per_epoch: int) -> RunConfig:
    """The configuration with a longer plan, where one is asked for."""
    if length.budget is not None:
        raise SettingsError("a run that is resumed keeps its steps; extend it with --steps or --epochs")
    steps = length.steps or (round(length.epochs * steps_per_epoch) if length.epochs else None)
    if steps is None:
        return config
    if steps < config.plan.steps:
        raise SettingsError(
            f"the run was begun for {config.plan.steps:,} steps; {steps:,} would be fewer, so give more"
        )
    training = replace(config.training, patience=0)  # these steps are asked for
    return replace(config, training=training, plan=replace(config.plan, steps=steps))
