"""`POST /v1/completions`."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Sequence

from fastapi import APIRouter, Request
from fastapi.sse import format_sse_event
from starlette.responses import Response

from charloom.data.text_ids import remembered
from charloom.errors import CharloomError
from charloom.generation.generate import new_seed
from charloom.generation.writer import Writer
from charloom.server.batching.jobs import Engine, Job, Stream
from charloom.server.routes.answers import CompletionAnswer, documented
from charloom.server.routes.completion_answer import Choice, Envelope
from charloom.server.routes.completion_request import CompletionRequest, bounded_completion_request
from charloom.server.routes.errors import RequestError, described
from charloom.server.routes.language import language_model
from charloom.server.routes.leaving import DONE, Events, while_connected
from charloom.server.routes.pacing import cancel, collected, paced
from charloom.server.routes.prompts import Opened, opened
from charloom.server.routes.symbols import symbols_of
from charloom.server.served import Limits, Registry


def completions(registry: Registry, limits: Limits) -> APIRouter:
    """The route."""
    router = APIRouter(tags=["completions"])
    bounded = bounded_completion_request(limits)

    @router.post("/v1/completions", responses=documented(CompletionAnswer, streams=True), name="Continue texts")
    async def complete(request: Request, body: bounded) -> Response:  # type: ignore[valid-type]
        """Continue one text or several: what OpenAI calls a legacy completion, with characters for tokens."""
        asked: CompletionRequest = body
        served, writer, engine = language_model(registry, asked.model, "writes no text")
        choices, streams = _begun(writer, engine, asked, limits)
        envelope = Envelope(f"cmpl-{secrets.token_hex(12)}", int(time.time()), served.name)
        if asked.stream:
            usage = bool(asked.stream_options and asked.stream_options.include_usage)
            return Events(_events(envelope, choices, streams, engine, usage=usage), streams)
        try:
            answer = await while_connected(request.receive, _whole(envelope, choices, streams))
        finally:
            cancel(streams)
        return Response(answer, media_type="application/json")

    return router


def _begun(
    writer: Writer, engine: Engine, asked: CompletionRequest, limits: Limits
) -> tuple[list[Choice], list[Stream]]:
    """The texts that are asked for, all submitted. Raises `CharloomError`; then nothing runs."""
    symbols = symbols_of(writer.vocabulary, writer.config.documents)
    prompts = opened(symbols, asked.prompt)
    _check(asked, prompts, limits)
    seed = new_seed() if asked.seed is None else asked.seed
    echo, alternatives = bool(asked.echo), asked.logprobs
    choices, streams = list[Choice](), list[Stream]()
    try:
        for index, prompt in enumerate(prompt for prompt in prompts for _ in range(asked.copies)):
            choice = Choice(symbols, prompt, index=index, seed=seed + index, echo=echo, length=asked.length)
            if alternatives is not None:
                choice.report()
            choices.append(choice)
            reads = echo and alternatives is not None
            job = Job(
                prompt.ids if reads else remembered(prompt.ids, symbols.vocabulary.boundary, begun=True),
                asked.length,
                asked.sampling,
                asked.stops,
                seed + index,
                asked.draws or 0,
                read_alternatives=alternatives if echo else None,
                written_alternatives=alternatives,
            )
            streams.append(engine.submit(job))
    except BaseException:
        cancel(streams)
        raise
    return choices, streams


def _check(asked: CompletionRequest, prompts: Sequence[Opened], limits: Limits) -> None:
    """Raise `RequestError` for a request that is too large although each field is within its bounds."""
    texts = len(prompts) * asked.copies
    if texts > limits.texts:
        raise RequestError(
            f"{len(prompts)} prompts with n of {asked.copies} are {texts} texts; at most {limits.texts}", "n"
        )
    if asked.logprobs is not None and not asked.stream:
        read = sum(len(prompt.own) for prompt in prompts) if asked.echo else 0
        symbols = asked.copies * (read + len(prompts) * asked.length)
        if symbols * max(asked.logprobs, 1) > limits.reported:
            raise RequestError(
                f"log-probabilities of {symbols:,} symbols with {asked.logprobs} alternatives are too many for one "
                f"answer; at most {limits.reported:,} together, so send less at once, or set stream",
                "logprobs",
            )


async def _whole(envelope: Envelope, choices: Sequence[Choice], streams: Sequence[Stream]) -> str:
    async def collect(choice: Choice, stream: Stream) -> None:
        async for piece in collected(stream):
            choice.add(piece)

    await asyncio.gather(*map(collect, choices, streams))
    return envelope.whole(choices)


async def _events(
    envelope: Envelope, choices: Sequence[Choice], streams: Sequence[Stream], engine: Engine, *, usage: bool
) -> AsyncIterator[bytes]:
    """The events of all texts, as they come; an error is the last one."""
    ready = asyncio.Queue[str | CharloomError | None](1)

    async def send(choice: Choice, stream: Stream) -> None:
        try:
            async for piece in paced(stream, engine):
                choice.add(piece)
                if choice.has_news:
                    await ready.put(envelope.chunk(choice, usage=usage))
            await ready.put(None)
        except CharloomError as error:
            await ready.put(error)

    tasks = [asyncio.create_task(send(choice, stream)) for choice, stream in zip(choices, streams, strict=True)]
    try:
        unfinished = len(tasks)
        while unfinished:
            event = await ready.get()
            if isinstance(event, CharloomError):
                yield format_sse_event(data_str=json.dumps(described(event)[1]))
                return
            if event is None:
                unfinished -= 1
            else:
                yield format_sse_event(data_str=event)
        if usage:
            yield format_sse_event(data_str=envelope.usage(choices))
        yield DONE
    finally:
        for task in tasks:
            task.cancel()
