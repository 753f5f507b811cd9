"""What a completion is asked for, in the words of OpenAI's legacy completions and of vLLM."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from charloom.server.routes.request import StrictRequest, bounded, refused
from charloom.server.served import Limits
from charloom.settings import SamplingConfig

Prompt = str | list[str] | list[int] | list[list[int]] | None

DEFAULT_LENGTH = 16
"""Characters that are written where a request does not say, as with OpenAI."""


class StreamOptions(StrictRequest):
    """Options of a stream."""

    include_usage: bool | None = Field(None, description="Whether a last chunk counts the characters.")


class CompletionRequest(StrictRequest):
    """A text, or several, to be continued. Everything may be left out."""

    model: str | None = Field(None, max_length=1000, description="A name that /v1/models lists; else the first.")
    prompt: Prompt = Field(
        None, description="A text, texts, ids or lists of ids; ids are read exactly as they are. None: a new text."
    )
    max_tokens: int | None = Field(DEFAULT_LENGTH, description="Characters to write; fewer only if the text ends.")
    temperature: float | None = Field(1.0, ge=0, le=1000, description="0 always takes the most probable symbol.")
    top_p: float | None = Field(1.0, gt=0, le=1, description="The smallest set of symbols with this probability.")
    top_k: int | None = Field(0, ge=-1, le=2**31, description="The k most probable symbols; 0 or -1 for all.")
    min_p: float | None = Field(0.0, ge=0, le=1, description="Least probability, as a share of the largest.")
    repetition_penalty: float | None = Field(1.0, gt=0, le=1000, description="Above 1: recent symbols rarely recur.")
    stop: str | list[str] | None = Field(None, description="The text ends before such a string.")
    seed: int | None = Field(None, description="The same seed gives the same text; text i uses seed + i.")
    draws: int | None = Field(0, description="Random numbers of the seed that a continued text has used up.")
    n: int | None = Field(1, description="Texts for each prompt.")
    best_of: int | None = Field(None, ge=1, description="Equal to n, or left out.")
    stream: bool | None = Field(False, description="Whether the text comes in pieces, as server-sent events.")
    stream_options: StreamOptions | None = Field(None, description="Only for streams.")
    echo: bool | None = Field(False, description="Whether the answer begins with the prompt.")
    logprobs: int | None = Field(None, description="Report log-probabilities, of this number of alternatives too.")
    user: str | None = Field(None, max_length=1000, description="Ignored.")
    suffix: Annotated[str, Field(max_length=0)] | None = Field(None, description="Text cannot be inserted.")
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = Field(None, description="Not available.")
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = Field(0.0, description="Not available.")
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = Field(0.0, description="Not available.")

    @model_validator(mode="before")
    @classmethod
    def _available(cls, value: Any) -> Any:
        """Refuse what cannot be honoured, by name."""
        for name, instead in _UNAVAILABLE.items():
            given = value.get(name) if isinstance(value, dict) else None
            if given or given is False:
                raise refused(f"{name} is not available here; {instead}", name)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "CompletionRequest":
        if self.best_of is not None and self.best_of != self.copies:
            raise refused("best_of differs from n; every text is returned, so leave best_of out", "best_of")
        if self.max_tokens == 0 and not self.echo:
            raise refused("max_tokens is 0; it must be at least 1, or echo must be true", "max_tokens")
        if self.stream_options is not None and not self.stream:
            raise refused("stream_options is only for streams; set stream to true", "stream_options")
        return self

    @property
    def length(self) -> int:
        """Characters to write."""
        return DEFAULT_LENGTH if self.max_tokens is None else self.max_tokens

    @property
    def copies(self) -> int:
        """Texts for each prompt."""
        return 1 if self.n is None else self.n

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def sampling(self) -> SamplingConfig:
        """How symbols are drawn."""
        return SamplingConfig(
            temperature=self.temperature or 1.0,
            top_k=max(self.top_k or 0, 0),
            top_p=1.0 if self.top_p is None else self.top_p,
            min_p=self.min_p or 0.0,
            repetition_penalty=1.0 if self.repetition_penalty is None else self.repetition_penalty,
            greedy=self.temperature == 0,
        )


_UNAVAILABLE = {
    "suffix": "a text is only continued at its end, so leave it out",
    "logit_bias": "use temperature, top_k, top_p or min_p",
    "presence_penalty": "use repetition_penalty",
    "frequency_penalty": "use repetition_penalty",
}


def bounded_completion_request(limits: Limits) -> Any:
    """The request with the bounds of a server."""
    text: Any = Annotated[str, Field(max_length=limits.prompt)]
    ids: Any = Annotated[list[Annotated[int, Field(ge=0, le=2**31)]], Field(max_length=limits.prompt, fail_fast=True)]
    stop: Any = Annotated[str, Field(min_length=1, max_length=limits.stop_characters)]
    fields = CompletionRequest.model_fields

    def bounds(name: str, **more: Any) -> tuple[Any, Any]:
        field = fields[name]
        return int | None, Field(field.default, description=field.description, **more)

    def several(kind: Any, tag: str) -> Any:
        return Annotated[list[kind], Field(min_length=1, max_length=limits.texts, fail_fast=True), Tag(tag)]

    one_text: Any = Annotated[text, Tag("text")]
    one_list: Any = Annotated[ids, Tag("ids")]
    prompt: Any = Annotated[
        one_text | one_list | several(text, "texts") | several(ids, "lists"), Discriminator(_kind_of_prompt)
    ]
    stops: Any = Annotated[list[stop], Field(max_length=limits.stops, fail_fast=True)]
    return bounded(
        CompletionRequest,
        {
            "prompt": (prompt | None, Field(None, description=fields["prompt"].description)),
            "max_tokens": bounds("max_tokens", ge=0, le=limits.length),
            "stop": (
                Annotated[Annotated[stop, Tag("text")] | Annotated[stops, Tag("texts")], Discriminator(_kind_of_stop)]
                | None,
                Field(None, description=fields["stop"].description),
            ),
            "seed": bounds("seed", ge=0, le=limits.seed),
            "draws": bounds("draws", ge=0, le=limits.draws),
            "n": bounds("n", ge=1, le=limits.texts),
            "logprobs": bounds("logprobs", ge=0, le=limits.top),
        },
    )


def _kind_of_prompt(value: object) -> Literal["text", "ids", "texts", "lists"]:
    if not isinstance(value, list):
        return "text"
    first = value[0] if value else 0
    return "texts" if isinstance(first, str) else "lists" if isinstance(first, list) else "ids"


def _kind_of_stop(value: object) -> Literal["text", "texts"]:
    return "texts" if isinstance(value, list) else "text"
