"""The result of a study: a report with pictures, the same figures as plain values, and the best settings as a file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charloom.plotting.pages import Page
from charloom.study import drawings, search_report
from charloom.study.curves import Curve, Outcomes, Point, curves, noise, settings_of
from charloom.study.findings import budget_words, finding
from charloom.study.outcomes import Outcome
from charloom.study.space import parse_space
from charloom.study.tables import COLUMNS, plain_figures, row
from charloom.study.toml_files import settings_file
from charloom.study.trials import Study, Trial
from charloom.training.recipes import most_epochs

SHOWN = 3
"""How many settings of a search have their samples shown, in addition to the recipe's."""


UNUSED = 0.7
"""A trial that took less than this share of its budget was planned while the machine was slow."""


@dataclass(frozen=True)
class Answer:
    """Everything a study found."""

    page: Page
    findings: tuple[str, ...]
    "One sentence for each factor."
    settings: tuple[Point, ...]
    "Best first."
    best: Point | None
    figures: dict[str, Any]
    "All figures as plain values."

    def best_file(self, study: Study) -> bytes | None:
        """The best settings as TOML; None if no trial finished."""
        if self.best is None:
            return None
        trial, request = self.best.trials[0], study.request
        if request.budget_seconds is not None:
            length: tuple[str, object] = ("time_budget", f"{request.budget_seconds:.3f}s")
        else:
            length = ("steps", self.best.outcomes[0].figures.steps if self.best.outcomes[0].figures else 1)
        said = (
            f"The best of {self.figures['settings']} settings tried on {study.name}, {budget_words(request)} per "
            f"trial: {self.best.mean:.4f} held-out nats per character, mean of {len(self.best.nats)}."
        )
        return settings_file(request.corpus, trial.network, trial.training, length, [said])


def answer(study: Study, outcomes: Outcomes, run: Callable[[str], Path], folder: str) -> Answer:
    """The answer, from finished trials. `run` returns a trial's directory; `folder` is the study's name in commands."""
    spread, budget = noise(outcomes), budget_words(study.request)
    lines, settings = curves(study, outcomes), settings_of(outcomes)
    if study.request.search:
        findings: tuple[str, ...] = (f"{search_report.finding(settings, spread)}.",)
    else:
        findings = tuple(f"{finding(curve, spread, budget)}." for curve in lines)
    best = next((point for point in settings if point.nats), None)
    page = Page(f"What the settings do on {study.name}")
    _introduction(page, study, outcomes, spread, best)
    page.heading("Found")
    for sentence in findings:
        page.say(sentence)
    if study.request.search:
        _search(page, study, outcomes, findings[0])
    for curve in lines:
        _factor(page, study, curve, spread, run)
    page.heading("All settings")
    page.table(COLUMNS, [row(point) for point in settings])
    _ended_badly(page, outcomes)
    page.heading("What they write")
    prompt = f"after {study.request.prompt!r}" if study.request.prompt else "from nothing"
    page.say(f"All with the same seed, temperature 0.8, {prompt}.")
    shown = settings
    if study.request.search:
        shown = list(dict.fromkeys([*settings[:SHOWN], search_report.first_of(settings)]))
    for point in shown:
        look = point.outcomes[0].look
        if look is not None and point.nats:
            page.heading(
                f"{point.value}: {point.mean:.3f} nats, {look.known_words:.0%} of its words occur in the text", 3
            )
            page.verbatim(study.request.prompt + look.sample)
    page.say(f"Every trial is a run; inspect one with charloom info {folder}/trials/NAME.")
    return Answer(
        page, findings, tuple(settings), best, plain_figures(study, outcomes, lines, findings, best, settings, spread)
    )


def _introduction(page: Page, study: Study, outcomes: Outcomes, spread: float | None, best: Point | None) -> None:
    request = study.request
    seeds = "one seed" if request.seeds == 1 else f"{request.seeds} seeds"
    each = (
        f"{budget_words(request)} for each trial, start and final validation included"
        if request.budget_seconds
        else (f"{budget_words(request)} seen by each trial")
    )
    page.say(
        f"{len(outcomes)} trials on {study.name} ({study.training_characters:,} characters to train on): {each}, "
        f"{seeds}."
    )
    if request.search:
        page.say(
            "Trials are proposed by TPE, and those that fall behind are stopped. The first has the recipe's settings: "
            f"{centre_words(study)}. {study.reason}."
        )
        if request.shared:
            page.say(machines(outcomes))
    elif not request.grid:
        page.say(f"One setting at a time is changed around one centre: {centre_words(study)}. {study.reason}.")
    page.say(
        "Held-out nats per character are measured the same way for every trial: float32, the same characters, in "
        "sixteen rows. "
        "One learning rate serves all parameters: Muon's updates are scaled to the size of AdamW's, and weight decay "
        "is multiplied by it as well."
    )
    if spread is not None:
        page.say(
            f"Between seeds of one setting the loss varies by {spread:.4f} nats (standard deviation, over all "
            "settings)."
        )
    troubled = [f"{trial.name} ({why})" for trial, outcome in outcomes.items() if (why := trouble(outcome, study))]
    if troubled:
        page.say(
            f"The machine's speed varied, and {len(troubled)} trials did not get the steps that their time allowed: "
            f"{', '.join(troubled)}. A trial that ended before its last step ended with the learning rate still above "
            "its final value. To train one again, remove its folder under trials/ and its file under outcomes/, and "
            "repeat the command."
        )
    if request.budget_seconds is not None and not request.search:
        page.say(
            "In each trial the learning rate falls towards the end of that trial's time, so at equal characters the "
            "trials are at "
            "different points of their schedules; --characters makes those equal."
        )
    if best is not None:
        page.say(
            f"Best: {best.value} with {best.mean:.4f} nats. Its settings are in best.toml: "
            "charloom train TEXT --config best.toml."
        )


def trouble(outcome: Outcome, study: Study) -> str:
    """How a busy machine disturbed a trial with a time budget, in a few words; empty if it did not."""
    figures, budget_seconds = outcome.figures, study.request.budget_seconds
    if outcome.state != "finished" or figures is None or budget_seconds is None:
        return ""
    if figures.steps < figures.planned_steps:
        return f"step {figures.steps:,} of {figures.planned_steps:,}"
    spent = max(outcome.wall_seconds, figures.seconds)
    most = most_epochs(study.training_characters) * study.training_characters
    if spent < UNUSED * budget_seconds and figures.characters_seen < 0.9 * most:
        return f"{spent:.0f} s of {budget_seconds:.0f}"
    return ""


def machines(outcomes: Outcomes) -> str:
    """What to know about trials of several machines."""
    precisions = sorted({outcome.figures.precision for outcome in outcomes.values() if outcome.figures})
    said = "Several machines may have trained them, so speeds and memory are not comparable between trials."
    if len(precisions) > 1:
        said += f" Precision was the machine's own ({' or '.join(precisions)}); --precision float32 makes it the same."
    return said


def centre_words(study: Study) -> str:
    """The centre's settings in words."""
    network, training = study.network, study.training
    return (
        f"{network.cell} {network.layers}x{network.hidden_size}, embedding {network.embedding_size}, dropout "
        f"{network.dropout:g}, "
        f"weight dropout {network.weight_dropout:g}, {training.optimizer} at {training.learning_rate:g}, "
        f"weight decay {training.weight_decay:g}, batch {training.batch_size}, sequence length "
        f"{training.sequence_length}"
    )


def _factor(page: Page, study: Study, curve: Curve, spread: float | None, run: Callable[[str], Path]) -> None:
    budget = budget_words(study.request)
    centre = None if study.request.grid else Trial("", study.network, study.training).value(curve.factor)
    name, words = curve.factor.name, curve.factor.words
    page.heading(f"{words[0].upper()}{words[1:]}")
    page.say(f"{finding(curve, spread, budget)}.")
    steps = [(point.label, point.figure("steps")) for point in curve.points]
    if name == "sequence-length" and all(taken for _, taken in steps):
        told = ", ".join(f"{label}: {taken:,.0f}" for label, taken in steps)
        page.say(
            f"The batch size stays {study.training.batch_size}, so a shorter sequence length means more steps, each on "
            f"fewer characters ({told} steps); at equal characters, that is much of its effect."
        )
    page.picture(
        f"{name}.png", drawings.draw_curve(curve, spread, budget, centre), f"held-out loss against the {words}"
    )
    page.picture(f"{name}-learning.png", drawings.draw_learning(curve, run), f"loss while training, by {words}")
    page.picture(f"{name}-cost.png", drawings.draw_cost(curve), f"speed, memory and parameters against the {words}")
    if name == "learning-rate":
        page.picture(f"{name}-gradient.png", drawings.draw_gradient(curve), f"gradient against the {words}")
    context = drawings.draw_context(curve) if name == "sequence-length" else None
    if context is not None:
        page.picture(f"{name}-context.png", context, f"loss against the length of the context, by {words}")


def _search(page: Page, study: Study, outcomes: Outcomes, sentence: str) -> None:
    space = parse_space(study.space, "the search space")
    page.picture(
        "search.png",
        search_report.draw_course(outcomes, sentence.removesuffix(".")),
        "the loss of each trial, in order",
    )
    page.picture(
        "search-settings.png",
        search_report.draw_settings(outcomes, space, search_report.settings_finding(outcomes, space)),
        "loss against each setting",
    )
    page.say(
        "The best setting was chosen on the held-out text, so its figure is slightly flattering; trials from other "
        "seeds are less so. The search space:"
    )
    page.verbatim(study.space)


def _ended_badly(page: Page, outcomes: Outcomes) -> None:
    lost = [
        (trial.name, outcome.state, outcome.message)
        for trial, outcome in outcomes.items()
        if outcome.state != "finished"
    ]
    if lost:
        page.heading("Trials without a result")
        page.table(("trial", "state", "message"), lost)
