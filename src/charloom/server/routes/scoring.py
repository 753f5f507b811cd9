"""`POST /v1/score` and `POST /v1/activity`: what a model makes of a text, character by character."""

import json
import math
from collections.abc import AsyncIterator
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Request
from fastapi.sse import format_sse_event
from pydantic import Field
from starlette.responses import Response

from charloom.errors import CharloomError
from charloom.models.model_folder import encode_for
from charloom.server.batching.jobs import Engine, Job, Stream
from charloom.server.routes.activity import Activity
from charloom.server.routes.answers import ActivityAnswer, ScoreAnswer, documented
from charloom.server.routes.characters import Characters
from charloom.server.routes.errors import RequestError, described
from charloom.server.routes.language import language_model
from charloom.server.routes.leaving import DONE, Events, while_connected
from charloom.server.routes.pacing import cancel, collected, paced
from charloom.server.routes.request import StrictRequest, bounded
from charloom.server.routes.symbols import symbols_of
from charloom.server.served import Limits, Registry


class ScoreRequest(StrictRequest):
    """A text to read."""

    model: str | None = Field(None, max_length=1000)
    text: str
    top: int | None = Field(5, description="Alternatives to report for each character.")
    stream: bool | None = Field(True, description="Whether the characters come in pieces, as server-sent events.")


class ActivityRequest(StrictRequest):
    """A text to read while hidden units are watched."""

    model: str | None = Field(None, max_length=1000)
    text: str
    layer: int = Field(0, ge=0, le=31, description="The layer, counted from 0.")
    units: list[Annotated[int, Field(ge=0, le=16_383)]] | None = Field(None, description="None: those that vary most.")


def scoring(registry: Registry, limits: Limits) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["scores"])
    score_bounds = bounded(
        ScoreRequest,
        {
            "text": (str, Field(min_length=1, max_length=limits.prompt)),
            "top": (int | None, Field(5, ge=0, le=limits.top, description="Alternatives for each character.")),
        },
    )
    units = Annotated[list[Annotated[int, Field(ge=0, le=16_383)]], Field(min_length=1, max_length=limits.units)]
    activity_bounds = bounded(
        ActivityRequest,
        {
            "text": (str, Field(min_length=1, max_length=limits.activity)),
            "units": (units | None, Field(None, description="Without them, those that vary most.")),
        },
    )

    @router.post("/v1/score", responses=documented(ScoreAnswer, streams=True), name="Score a text")
    async def score(request: Request, body: score_bounds) -> Response:  # type: ignore[valid-type]
        """How much each character of a text surprises the model, and what it expected instead."""
        asked: ScoreRequest = body
        _, writer, engine = language_model(registry, asked.model)
        symbols = symbols_of(writer.vocabulary, writer.config.documents)
        top = 5 if asked.top is None else asked.top
        if asked.stream is False and len(asked.text) * max(top, 1) > limits.reported:
            raise RequestError(
                f"{len(asked.text):,} characters with {top} alternatives are too many for one answer; at most "
                f"{limits.reported:,} together, so send less at once, or leave stream on",
                "text",
            )
        try:
            ids = encode_for(writer.config, writer.vocabulary, asked.text).astype(np.int64)
        except CharloomError as error:
            raise RequestError(str(error), "text") from None
        reading = engine.submit(Job(np.concatenate(([writer.vocabulary.boundary], ids)), 0, read_alternatives=top))
        characters = Characters(symbols)
        if asked.stream is not False:
            return Events(_events(reading, characters, engine), [reading])
        try:
            answer = await while_connected(request.receive, _whole(reading, characters))
        finally:
            cancel([reading])
        return Response(answer, media_type="application/json")

    watching = Activity(limits)

    @router.post("/v1/activity", responses=documented(ActivityAnswer), name="Watch hidden units")
    async def activity(request: Request, body: activity_bounds) -> Response:  # type: ignore[valid-type]
        """The values of hidden units after each character of a text."""
        asked: ActivityRequest = body
        _, writer, _ = language_model(registry, asked.model)
        answer = await while_connected(
            request.receive, watching.of(writer, asked.text, layer=asked.layer, units=asked.units)
        )
        return Response(answer, media_type="application/json")

    return router


async def _whole(reading: Stream, characters: Characters) -> str:
    records = list[str]()
    async for piece in collected(reading):
        records += characters.add(piece.read)
    per_character = characters.nats / math.log(2) / characters.count if characters.count else None
    totals = json.dumps({"bits_per_character": per_character, "nats": characters.nats})
    return f'{{"characters":[{",".join(records)}],{totals[1:]}'


async def _events(reading: Stream, characters: Characters, engine: Engine) -> AsyncIterator[bytes]:
    try:
        async for piece in paced(reading, engine):
            records = characters.add(piece.read)
            if records:
                yield format_sse_event(data_str=f"[{','.join(records)}]")
        yield DONE
    except CharloomError as error:
        yield format_sse_event(data_str=json.dumps(described(error)[1]))
