"""Many texts measured."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from charloom.errors import TextError, arguments
from charloom.evaluation.score import Score, check_context
from charloom.evaluation.score import evaluate as score
from charloom.machine.workers import check
from charloom.many.folders import about, read_text
from charloom.many.groups import Group, answered, groups
from charloom.many.model_place import lasting_place
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import ModelPlace
from charloom.training.runs import load


def evaluate(
    model: ModelPlace, texts: Iterable[str | Path], *, context: int | None = None, workers: int | None = None
) -> Iterator[Score]:
    """The score of each text, in order, as an iterator; their sum is the score of all. A `Path` stands for its content.

    With `context` the state is fresh, as in `charloom.evaluate`. With `workers` of 2 or more that many processes share
    the texts. Raises `TextError` for an empty text or an unseen character, `FolderError`, `SettingsError`.
    """
    check(workers)
    if context is not None:
        check_context(context)
    prepare = Scorer(lasting_place(model), carried=context is None, context=context)
    asked = groups(_strings(texts), together=1)
    found = (each for _, some in answered(prepare, asked, workers=workers) for each in some)
    return (_one(number, carried or fresh) for number, (carried, fresh, _) in enumerate(found, 1))


Scores = tuple[Score | None, Score | None, str]
"""The carried and the fresh score of a text, each None if it was not asked for or the text is empty, and the unit of
its contexts."""


@dataclass(frozen=True)
class Scorer:
    """Prepares a model that measures texts."""

    model: ModelPlace
    carried: bool = True
    context: int | None = None
    "For the fresh score; None for none."
    encoding: str = "utf-8"
    "Of files."

    def __call__(self) -> Callable[[Group[str | Path]], list[Scores]]:
        model = load(self.model)
        return lambda group: [self._scores(model, text, group.first + n) for n, text in enumerate(group.rows, 1)]

    def _scores(self, model: LanguageModel, text: str | Path, number: int) -> Scores:
        kind = model.vocabulary.kind
        try:
            read = text if isinstance(text, str) else read_text(text, self.encoding)
            if not read:
                return None, None, kind
            carried = score(model, read) if self.carried else None
            return carried, None if self.context is None else score(model, read, context=self.context), kind
        except TextError as error:
            raise (TextError(f"text {number:,}: {error}") if isinstance(text, str) else about(text, error)) from None


def _one(number: int, found: Score | None) -> Score:
    if found is None:
        raise TextError(f"text {number} is empty, so it has no score; leave it out")
    return found


def _strings(texts: Iterable[str | Path]) -> Iterator[str | Path]:
    if isinstance(texts, (str, bytes, Path)):
        raise TextError("give several texts, such as a list of strings; put a single one in a list")
    for text in texts:
        if not isinstance(text, Path):
            arguments.text(text)
        yield text
