"""The shapes of answers, for the description of the interface at /openapi.json."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from charloom.server.served import Application


class ErrorBody(BaseModel):
    """What went wrong."""

    message: str = Field(description="One sentence: what, where, what to do.")
    type: Literal["invalid_request_error", "server_error"]
    param: str | None = Field(description="The field that is to blame.")
    code: str | None


class ErrorAnswer(BaseModel):
    """Every error has this shape."""

    error: ErrorBody


class Usage(BaseModel):
    """What a request used, in symbols of the prompts and characters of the texts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class LogProbabilityLists(BaseModel):
    """Lists with an entry for each symbol. A symbol that nothing comes before has no log-probability."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextFacts(BaseModel):
    """How a text was drawn, and why it ends."""

    draws: int = Field(description="Random numbers used up so far: send it to continue with the same numbers.")
    seed: int
    stop_reason: Literal["length", "stop", "end"]


class CompletionChoice(BaseModel):
    """One text."""

    index: int
    text: str
    logprobs: LogProbabilityLists | None
    finish_reason: Literal["length", "stop"]
    charloom: TextFacts


class CompletionAnswer(BaseModel):
    """All texts of a request."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage


class ModelFacts(BaseModel):
    """What a model is."""

    id: str
    kind: Literal["language", "classifier"]
    symbols: list[str] | None = Field(description="What can be predicted, in the order of ids; null for bytes.")
    vocabulary: Literal["characters", "bytes"]
    cell: str | None
    layers: int
    hidden_size: int
    applications: list[Application]
    classes: list[str] | None = None


class ModelEntry(BaseModel):
    """A model, as OpenAI lists it."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    charloom: ModelFacts


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"]
    data: list[ModelEntry]


class TokenizerInfo(BaseModel):
    """The tokenizer of a model."""

    tokenizer_class: str
    bos_token: str
    eos_token: str
    vocabulary_size: int
    clean_up_tokenization_spaces: bool


class Tokens(BaseModel):
    """A text as ids."""

    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None


class Detokenized(BaseModel):
    """Ids as a text."""

    prompt: str


class ScoredCharacter(BaseModel):
    """A character, and what was expected in its place."""

    text: str
    nats: float
    rank: int | None
    top: list[tuple[str, float]]


class ScoreAnswer(BaseModel):
    """A text, character by character."""

    characters: list[ScoredCharacter]
    bits_per_character: float | None
    nats: float


class ActivityAnswer(BaseModel):
    """Hidden units, each with a value for each character."""

    units: list[int]
    values: list[list[float]]


_REFUSED = {
    400: "The request cannot be answered as it is.",
    401: "The key is missing or wrong.",
    403: "The request comes from a page that may not ask.",
    404: "No model has this name.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    421: "The request is for another host.",
    500: "The model is damaged, or the server is broken.",
    503: "All rows are taken; try again after the seconds in Retry-After.",
}


def documented(answer: type[BaseModel], *, streams: bool = False) -> dict[int | str, dict[str, Any]]:
    """What a route may answer."""
    done: dict[str, Any] = {"model": answer, "description": "The answer."}
    if streams:
        event = {"type": "object", "properties": {"data": {"type": "string"}}, "required": ["data"]}
        done["content"] = {"text/event-stream": {"schema": event}}
    refused: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorAnswer, "description": description} for status, description in _REFUSED.items()
    }
    return {200: done, **refused}
