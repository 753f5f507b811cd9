"""The learning rate as a pure function of the step."""

import math

from charloom.settings import TrainingConfig


def learning_rate(step: int, steps: int, config: TrainingConfig) -> float:
    """Learning rate of step 0 <= step < steps: a linear warm-up, then the decay of the schedule.

    Cosine: Loshchilov and Hutter 2017 (arXiv 1608.03983), without restarts.
    """
    warmup = round(config.warmup * steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup - 1)
    if config.schedule == "constant":
        share = 1.0
    elif config.schedule == "linear":
        share = 1 - progress
    else:
        share = (1 + math.cos(math.pi * min(1.0, progress))) / 2
    return config.learning_rate * (config.final_learning_rate + (1 - config.final_learning_rate) * share)
