"""Which of a run's models is kept: the one of the best validation, read from the lines of metrics.jsonl."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

EARLY, WORSE = 0.8, 0.005
"""A model that was best before this share of its steps, and became worse than this share of its nats, has overfitted."""


@dataclass(frozen=True)
class Kept:
    """The best validation of a run and its last one. Both figures were taken while training: folded, perhaps on a part."""

    step: int
    nats_per_character: float
    last_step: int
    last_nats_per_character: float

    ADVICE: ClassVar[str] = (
        "it was best well before its end, so more steps would not help; what does: more text, --from a model of similar "
        "text, or a higher --network.weight-dropout"
    )
    "What to do where it overfits."

    @property
    def overfits(self) -> bool:
        """Whether the model was best well before the last validation and has become worse since."""
        return (
            self.step <= EARLY * self.last_step
            and self.last_nats_per_character - self.nats_per_character > WORSE * self.nats_per_character
        )

    def sentence(self, steps: int) -> str:
        """Which model is kept and what became of it after that, for a person; `steps` is how many were planned."""
        said = f"kept the model of step {self.step:,} of {steps:,}, {self.nats_per_character:.3f} nats on the validation text"
        if self.step == self.last_step:
            return f"{said}, the best of all"
        return f"{said}; the last one, of step {self.last_step:,}, had {self.last_nats_per_character:.3f}"


def kept(lines: Sequence[dict[str, Any]]) -> Kept | None:
    """The model that is kept, from the lines of a run's metrics; None before the first validation."""
    found = [(line["step"], line["validation"]["nats_per_character"]) for line in lines if "validation" in line]
    if not found:
        return None
    best = min(found, key=lambda validation: validation[1])  # the first of equals, as while training
    return Kept(*best, *found[-1])
