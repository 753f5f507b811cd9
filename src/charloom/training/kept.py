"""Which of a run's models is kept: the one with the best validation in metrics.jsonl."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

EARLY, WORSE = 0.8, 0.005
"""A run overfits if it was best before this share of its steps and has since lost this share of its nats."""


@dataclass(frozen=True)
class Kept:
    """The best validation of a run and its last one; both were measured during training, perhaps on a part."""

    step: int
    nats_per_character: float
    last_step: int
    last_nats_per_character: float

    ADVICE: ClassVar[str] = (
        "it was best well before its end, so more steps would not help; try more text, --from a model of similar text, "
        "or a higher --network.weight-dropout"
    )
    "What to do about overfitting."

    @property
    def overfits(self) -> bool:
        """Whether the model was best well before the last validation and has become worse since then."""
        return (
            self.step <= EARLY * self.last_step
            and self.last_nats_per_character - self.nats_per_character > WORSE * self.nats_per_character
        )

    def sentence(self, steps: int) -> str:
        """Which model is kept and how the last validation compares, in words; `steps` is the number planned."""
        nats = f"{self.nats_per_character:.3f} nats on the validation text"
        said = f"kept the model of step {self.step:,} of {steps:,}, {nats}"
        if self.step == self.last_step:
            return f"{said}, the best of all"
        return f"{said}; the last one, of step {self.last_step:,}, had {self.last_nats_per_character:.3f}"


def kept(lines: Sequence[dict[str, Any]]) -> Kept | None:
    """The model that is kept, from the lines of a run's metrics; None before the first validation."""
    validations = [(line["step"], line["validation"]["nats_per_character"]) for line in lines if "validation" in line]
    if not validations:
        return None
    best = min(validations, key=lambda validation: validation[1])  # of equal ones the first, as during training
    return Kept(*best, *validations[-1])
