"""The routes of what can be asked of a model at once: completions, corrections, classes."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from weakref import WeakKeyDictionary

from fastapi import FastAPI, Request
from pydantic import BaseModel, Field, model_validator

from charloom.errors import SettingsError
from charloom.server.routes.language_tools import Kind, LanguageTools
from charloom.server.routes.leaving import while_connected
from charloom.server.routes.request import StrictRequest, refused
from charloom.server.routes.workers import Workers
from charloom.server.served import Application, Registry, Served

TEXT, TEXTS, TEXTS_TOGETHER = 20_000, 64, 200_000
"""Most characters of a text, most texts of a request, and most characters of all its texts."""

MOST = 100
"""Most completions of a request."""

Result = TypeVar("Result")
Text = Annotated[str, Field(max_length=TEXT)]
ModelName = Annotated[str | None, Field(max_length=200)]


class CompleteRequest(StrictRequest):
    """A text whose last word, line or identifier is to be finished."""

    model: ModelName = None
    text: Text
    count: int = Field(default=5, ge=1, le=MOST)
    kind: Kind = "word"


class CorrectRequest(StrictRequest):
    """A text whose spelling is to be corrected."""

    model: ModelName = None
    text: Text
    aggressive: bool = False
    confidence: float = Field(default=0.5, ge=0, le=1)


class ClassifyRequest(StrictRequest):
    """One text or several, to be put into classes."""

    model: ModelName = None
    text: Text | None = None
    texts: list[Text] | None = Field(default=None, min_length=1, max_length=TEXTS)

    @model_validator(mode="after")
    def one_of_both(self) -> "ClassifyRequest":
        """Raises `PydanticCustomError`, which becomes an answer."""
        if (self.text is None) == (self.texts is None):
            raise refused("give either text or texts", "texts")
        if sum(map(len, self.all_texts)) > TEXTS_TOGETHER:
            raise refused(f"the texts have more than {TEXTS_TOGETHER:,} characters; send fewer at once", "texts")
        return self

    @property
    def all_texts(self) -> list[str]:
        """The texts, however they were given."""
        return [self.text] if self.text is not None else self.texts or []


class CompletionAnswer(BaseModel):
    """A way to go on."""

    text: str = Field(description="The characters to add.")
    probability: float
    ends: bool = Field(description="False if it was cut off at the longest length.")


class CompleteAnswer(BaseModel):
    """The most probable ways to go on, the most probable first."""

    completions: list[CompletionAnswer]


class CorrectionAnswer(BaseModel):
    """A word that was probably meant to be another."""

    start: int = Field(description="Where the word begins, in characters (Unicode code points).")
    end: int
    word: str
    correction: str
    probability: float
    reason: str


class CorrectAnswer(BaseModel):
    """The corrected text, and what was changed."""

    text: str
    corrections: list[CorrectionAnswer]


class ClassAnswer(BaseModel):
    """A class and its probability."""

    label: str
    probability: float


class ClassifyAnswer(BaseModel):
    """For each text every class, the most probable first."""

    predictions: list[list[ClassAnswer]]


class Applications:
    """Models prepared for these requests; a model that is replaced is prepared again when it is first asked."""

    def __init__(self, registry: Registry, workers: Workers) -> None:
        self._registry, self._workers = registry, workers
        self._tools: WeakKeyDictionary[Served, LanguageTools] = WeakKeyDictionary()

    def able(self, name: str | None, application: Application) -> Served:
        """The model of this name; without a name the first that is able to do this.

        Raises `UnknownModelError`, and `SettingsError` if it cannot do this.
        """
        if name is not None:
            served = self._registry.get(name)
            if application in served.applications:
                return served
            raise SettingsError(f"the model {name!r} cannot {application}; see /v1/models for what each model can")
        for each in map(self._registry.get, self._registry.names()):
            if application in each.applications:
                return each
        raise SettingsError(f"no model here can {application}; start the server with one that can")

    def tools(self, served: Served) -> LanguageTools:
        """The model, prepared to complete and correct."""
        if served not in self._tools:
            self._tools[served] = LanguageTools(served)
        return self._tools[served]

    async def answer(self, request: Request, work: Callable[[], Result]) -> Result:
        """What `work` gives, done by a thread while the client waits for it. Raises `ClientLeft`, `ServerBusy`."""
        return await while_connected(request.receive, self._workers.run(work))


def add_routes(api: FastAPI, applications: Applications) -> None:
    """Add the routes /v1/complete, /v1/correct and /v1/classify."""

    @api.post("/v1/complete", response_model=CompleteAnswer)
    async def complete(body: CompleteRequest, request: Request) -> Any:
        """Finish the last word, line or identifier of a text."""
        tools = applications.tools(applications.able(body.model, "complete"))
        found = await applications.answer(request, lambda: tools.complete(body.text, body.count, body.kind))
        return {
            "completions": [{"text": each.text, "probability": each.probability, "ends": each.ends} for each in found]
        }

    @api.post("/v1/correct", response_model=CorrectAnswer)
    async def correct(body: CorrectRequest, request: Request) -> Any:
        """Correct the spelling of a text."""
        tools = applications.tools(applications.able(body.model, "correct"))
        options = {"aggressive": body.aggressive, "confidence": body.confidence}
        text, changes = await applications.answer(request, lambda: tools.correct(body.text, **options))  # type: ignore[arg-type]
        corrections = [
            {
                "start": change.start,
                "end": change.start + len(change.before),
                "word": change.before,
                "correction": change.after,
                "probability": change.after_probability,
                "reason": change.reason,
            }
            for change in changes
        ]
        return {"text": text, "corrections": corrections}

    @api.post("/v1/classify", response_model=ClassifyAnswer)
    async def classify(body: ClassifyRequest, request: Request) -> Any:
        """Say how probable each class is for each text."""
        classifier = applications.able(body.model, "classify").classifier
        assert classifier is not None
        rows = await applications.answer(request, lambda: classifier.probabilities(body.all_texts))
        predictions = [
            sorted(zip(classifier.classes, row.tolist(), strict=True), key=lambda each: -each[1]) for row in rows
        ]
        return {
            "predictions": [[{"label": label, "probability": share} for label, share in row] for row in predictions]
        }
