"""A report on what a model knows: where its loss comes from, how it errs, what its units follow, and whether it copies.

Everything is measured on text that the model was not trained on, read once with the state carried, and on text that the
model wrote.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from charloom.data.text import Text
from charloom.data.text_sources import AnyText, as_text
from charloom.errors import MissingExtraError
from charloom.evaluation.score import text_to_score
from charloom.generation.batched_generation import write_samples
from charloom.generation.writer import Writer
from charloom.models.language_model import AnyModel, LanguageModel, as_model
from charloom.plotting.heat_map import glyph
from charloom.plotting.pages import Page
from charloom.report import calibration, classes, context, copying, embeddings, mistakes, units, words
from charloom.report.predictions import Characters, Predictions, by_character, predict
from charloom.settings import SamplingConfig

TEXTS = 64
"""How many texts are written at a time."""


@dataclass(frozen=True)
class Report:
    """The finished report: its page and its figures."""

    page: Page
    figures: dict[str, Any]
    "The figures of each section, as plain values."
    findings: list[str] = field(default_factory=list)
    "One sentence for each section."


def write_report(
    model: AnyModel,
    held_out: AnyText,
    train: AnyText | None = None,
    *,
    title: str = "What a model knows",
    written: int = 100_000,
    temperature: float = 1.0,
    seed: int = 0,
    progress: Callable[[str], None] = lambda section: None,
) -> Report:
    """The report on a model, measured on `held_out`; `train`, its training text, adds whether it copies.

    `written` characters are drawn at `temperature` with `seed`. Raises `TextError` for an empty text or an unseen
    character.
    """
    model, held_out = as_model(model), text_to_score(held_out)
    made = Report(Page(title), {})
    progress("reading the text")
    predictions = predict(model, held_out)
    characters = by_character(model, predictions)
    nats = predictions.nats.sum() / held_out.characters
    made.page.say(
        f"Measured on {held_out.characters:,} characters, read once with the state carried: "
        f"{nats:.4f} nats ({nats / np.log(2):.3f} bits) per character; "
        f"{predictions.right.mean():.1%} of the symbols were predicted as most probable."
    )
    progress("where the loss comes from")
    _loss(made, characters)
    _context(made, model, held_out, predictions)
    progress("mistakes and calibration")
    _mistakes(made, model, predictions)
    _calibration(made, predictions)
    progress("hidden units")
    _inside(made, model, predictions, characters)
    if train is not None and written:
        progress(f"writing {written:,} characters")
        text = write_text(model, written, temperature, seed)
        progress("looking for copies")
        _copies(made, str(as_text(train)), str(held_out), text, temperature)
    return made


def write_text(model: LanguageModel, characters: int, temperature: float, seed: int) -> str:
    """About `characters` characters without a prompt, 64 texts at a time; texts that end are joined by newlines."""
    writer, config = Writer(model), SamplingConfig(temperature=temperature)
    texts, size = list[str](), 0
    length = max(1, -(-characters // TEXTS))
    while size < characters:
        seeds = range(seed + len(texts), seed + len(texts) + TEXTS)
        for sample in write_samples(writer, [""] * TEXTS, config, length=length, stop=(), seeds=seeds):
            texts.append(sample.text)
            size += len(sample.text) + 1
    return "\n".join(texts)[:characters]


def _loss(made: Report, characters: Characters) -> None:
    loss = classes.loss_by_class(characters)
    _section(made, "Where the loss comes from", loss.finding())
    made.page.picture(
        "loss-by-class.png", classes.draw(loss), "nats per character by class and by position in the word"
    )
    made.page.table(classes.COLUMNS, classes.rows(loss))
    made.figures["loss"] = {
        kind: {
            group.name: {
                "characters": group.characters,
                "nats_per_character": group.nats_per_character,
                "share": group.nats / loss.nats,
                "accuracy": group.right / group.characters,
            }
            for group in groups
        }
        for kind, groups in (("classes", loss.classes), ("letters_of_words", loss.places))
    }


def _context(made: Report, model: LanguageModel, text: Text, predictions: Predictions) -> None:
    ids = model.encode(text)
    several = model.config.documents != "none" or bool((ids == model.vocabulary.boundary).any())
    if several or len(ids) != len(predictions.nats) or len(ids) <= context.TIERS[0][0]:
        return  # separate texts have no context but themselves
    help_ = context.loss_by_context(model, ids, predictions)
    _section(made, "How much the context helps", help_.finding())
    made.page.picture("context.png", context.draw(help_), "loss against context length")
    made.page.say(
        "Each point: predictions with between half of n and n symbols of context, from a zero state. Bars: two "
        "standard errors."
    )
    made.figures["context"] = {
        "carried": help_.carried,
        "nats_by_context": {str(step.context): step.nats_per_symbol for step in help_.steps},
    }


def _mistakes(made: Report, model: LanguageModel, predictions: Predictions) -> None:
    names = [glyph(_symbol(model, symbol)) for symbol in range(len(model.vocabulary))]
    counted = mistakes.mistakes(predictions, len(names))
    _section(made, "The commonest mistakes", mistakes.finding(counted, names))
    if not counted.pairs:
        return
    made.page.picture("mistakes.png", mistakes.draw(counted, names), "predicted characters against true ones")
    rows = [
        [names[true], names[wrong], f"{times:,}", f"{times / counted.wrong:.2%}"]
        for true, wrong, times in counted.pairs[:15]
    ]
    made.page.table(["true", "predicted", "times", "share of the mistakes"], rows)
    made.figures["mistakes"] = [
        {"true": _symbol(model, true), "predicted": _symbol(model, wrong), "times": times}
        for true, wrong, times in counted.pairs
    ]


def _calibration(made: Report, predictions: Predictions) -> None:
    measured = calibration.calibration(predictions)
    _section(made, "Calibration and temperature", measured.finding())
    made.page.picture("calibration.png", calibration.draw(measured), "reliability curve, and loss against temperature")
    made.page.say(
        f"On the first half of the text temperature {measured.temperature:.3f} is the best; on the second half it "
        f"gains {measured.gain:.4f} nats per character over temperature 1."
    )
    made.figures["calibration"] = {
        "expected_calibration_error": measured.expected_error,
        "temperature": measured.temperature,
        "gain_nats": measured.gain,
        "reliability": [[one.confidence, one.right, one.symbols] for one in measured.bins],
        "nats_by_temperature": {str(key): value for key, value in measured.nats_by_temperature},
    }


def _inside(made: Report, model: LanguageModel, predictions: Predictions, characters: Characters) -> None:
    arrays = model.arrays()
    boundary = model.vocabulary.boundary
    best = units.followers(Writer(arrays).stepper, predictions.targets, characters, boundary)
    if best:
        _section(made, "Hidden units that follow something", units.finding(best))
        made.page.picture("units.png", units.draw(best, characters.codes), "hidden units over a passage of the text")
        made.page.table(
            ["feature", "layer", "unit", "correlation"],
            [[one.feature, str(one.layer), str(one.unit), f"{one.correlation:+.3f}"] for one in best],
        )
        made.page.say(
            "Each unit is chosen on the first half of the text and measured on the second, so a correlation near zero "
            "says that no single unit follows this."
        )
    made.figures["units"] = [
        {"feature": one.feature, "layer": one.layer, "unit": one.unit, "correlation": one.correlation} for one in best
    ]
    counts = np.bincount(predictions.targets[predictions.targets != boundary], minlength=boundary)
    chosen = np.sort(np.argsort(-counts, kind="stable")[: min(embeddings.MOST, int((counts > 0).sum()))])
    if len(chosen) > 2:
        plane = embeddings.plane(arrays, chosen)
        _section(made, "A map of the characters", plane.finding() if plane.pairs else "")
        made.page.picture("embeddings.png", embeddings.draw(plane), "the characters in the plane of most variance")


def _copies(made: Report, train: str, held_out: str, text: str, temperature: float) -> None:
    held_out, text = held_out[: len(text)], text[: len(held_out)]  # equal lengths, so that the figures are comparable
    vocabulary = words.Words.of(train)
    mine, theirs = words.Words.of(text), words.Words.of(held_out)
    try:
        copied, held = copying.compare(train, [text, held_out])
    except MissingExtraError as error:
        made.page.heading("Does it copy?")
        made.page.say(f"{error}")
        made.findings.append(str(error))
    else:
        longest = copied.longest[0] if copied.longest else None
        length = len(longest.text) if longest else 0
        finding = (
            f"The longest passage that it copied has {length} characters; held-out text shares "
            f"{len(held.longest[0].text) if held.longest else 0} with the training text"
        )
        _section(made, "Does it copy?", finding)
        names = ("written by the model", "held-out text")
        rows = [["characters", *(f"{one.characters:,}" for one in (copied, held))]]
        rows += [
            [f"pieces of {size} characters that are new", *(f"{one.novel.get(size, 1):.1%}" for one in (copied, held))]
            for size in copying.SIZES
        ]
        rows.append(["longest shared passage on average", *(f"{one.mean:.1f} characters" for one in (copied, held))])
        made.page.table(["", *names], rows)
        made.page.say("The longest passages written by the model that also occur in the training text:")
        for passage in copied.longest:
            made.page.verbatim(passage.text)
        made.figures["copying"] = {
            name: {
                "characters": one.characters,
                "novel": {str(size): share for size, share in one.novel.items()},
                "mean_shared_characters": one.mean,
                "longest": [passage.text for passage in one.longest],
            }
            for name, one in (("written", copied), ("held_out", held))
        }
    if not vocabulary.total or not mine.total or not theirs.total:
        return
    finding = (
        f"{mine.known(vocabulary):.1%} of the words that it writes at temperature {temperature:g} occur in the "
        "training text; of "
        f"held-out text {theirs.known(vocabulary):.1%}"
    )
    _section(made, "Its words", finding)
    picture = words.draw(
        {"training text": vocabulary, "held-out text": theirs, "written by the model": mine},
        f"Its word lengths differ from the training text's by {mine.apart(vocabulary):.1%}, held-out text's by "
        f"{theirs.apart(vocabulary):.1%}",
    )
    made.page.picture("words.png", picture, "how long the words are")
    made.page.say(f"Its commonest words of its own: {', '.join(mine.new(vocabulary, 20)) or 'none'}.")
    made.figures["words"] = {
        "written_known": mine.known(vocabulary),
        "held_out_known": theirs.known(vocabulary),
        "written_lengths_apart": mine.apart(vocabulary),
        "held_out_lengths_apart": theirs.apart(vocabulary),
        "new": mine.new(vocabulary, 50),
    }


def _section(made: Report, title: str, finding: str) -> None:
    made.page.heading(title)
    if finding:
        made.page.say(f"{finding}.")
        made.findings.append(finding)


def _symbol(model: LanguageModel, symbol: int) -> str:
    """A symbol as shown to people; the boundary as what it represents."""
    if symbol != model.vocabulary.boundary:
        return model.vocabulary.symbol(symbol)
    return "\n" if model.config.documents == "lines" else ""
