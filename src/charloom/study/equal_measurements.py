"""Equal measurements of every trial: its loss on the same characters, what it writes, its use of context.

A trial's own last figure is carried or folded, on all or part of the text, depending on its budget, so those of two
trials may not be comparable. These are.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from charloom.data.corpus import Corpus
from charloom.data.text import Text
from charloom.errors import NotFiniteError
from charloom.evaluation.score import evaluate_folded
from charloom.generation.generate import generate
from charloom.report.context import loss_by_context
from charloom.report.predictions import predict
from charloom.report.report import write_text
from charloom.report.words import Words
from charloom.study.outcomes import ContextLoss, Look
from charloom.training.runs import load

HELD_OUT = 200_000
"""At most this many characters of the held-out text are read."""

SAMPLE, WRITTEN, TEMPERATURE, SEED = 300, 4_000, 0.8, 1
"""Lengths of the sample and of the text whose words are counted, and how both are drawn."""

CONTEXT_CHARACTERS, TIERS = 8_192, ((16, 512), (128, 128), (512, 16))


@dataclass(frozen=True)
class Looker:
    """The measurements that all trials of a study get."""

    corpus: Corpus
    prompt: str

    @cached_property
    def _words(self) -> Words:
        return Words.of(str(self.corpus.text))

    @cached_property
    def held_out(self) -> Text:
        """What is read: held-out text, or training text if none is held out."""
        text = self.corpus.validation if self.corpus.validation.characters else self.corpus.train
        return text.slice(0, min(HELD_OUT, text.characters))

    def look(self, run: Path, *, context: bool) -> Look | None:
        """The measurements of a trained run, with its use of context if requested; None if its output is not finite."""
        model = load(run)
        try:
            score = evaluate_folded(model, self.held_out)
            sample = "".join(generate(model, self.prompt, length=SAMPLE, temperature=TEMPERATURE, seed=SEED))
            written = write_text(model, WRITTEN, TEMPERATURE, SEED)
            losses: tuple[ContextLoss, ...] = ()
            part = self.held_out.slice(0, min(CONTEXT_CHARACTERS, self.held_out.characters))
            ids = model.encode(part)
            alone = model.config.documents == "none" and len(ids) == part.characters
            if context and alone and len(ids) > TIERS[0][0]:
                measured = loss_by_context(model, ids, predict(model, part), TIERS)
                losses = tuple(ContextLoss(step.context, step.nats_per_symbol) for step in measured.steps)
        except NotFiniteError:
            return None
        return Look(
            nats=score.nats_per_character,
            characters=self.held_out.characters,
            sample=sample,
            known_words=Words.of(written).known(self._words),
            context=losses,
        )
