"""`/tokenizer_info`, `/tokenize`, `/detokenize`: a model's symbols for clients that count and cut tokens themselves."""

import asyncio
import json
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from charloom.server.routes.answers import Detokenized, TokenizerInfo, Tokens, documented
from charloom.server.routes.language import language_model
from charloom.server.routes.request import StrictRequest, bounded
from charloom.server.routes.symbols import Reader, Symbols, symbols_of
from charloom.server.served import Limits, Registry

_SLICE = 32_768
"""Ids that become JSON or text between two looks at what else there is to do."""


class TokenizeRequest(StrictRequest):
    """A text to turn into ids."""

    model: str | None = Field(None, max_length=1000)
    prompt: str
    add_special_tokens: bool | None = Field(True, description="Whether the boundary comes first, as in a prompt.")
    return_token_strs: bool | None = Field(False, description="Whether the names of the ids are returned too.")


class DetokenizeRequest(StrictRequest):
    """Ids to turn into a text."""

    model: str | None = Field(None, max_length=1000)
    tokens: list[Annotated[int, Field(ge=0, le=2**31)]]


def tokenizer(registry: Registry, limits: Limits) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["tokenizer"])
    text = bounded(TokenizeRequest, {"prompt": (str, Field(max_length=limits.body_bytes))})
    ids = Annotated[list[Annotated[int, Field(ge=0, le=2**31)]], Field(max_length=limits.body_bytes, fail_fast=True)]
    several = bounded(DetokenizeRequest, {"tokens": (ids, Field())})

    def symbols(name: str | None) -> Symbols:
        _, writer, _ = language_model(registry, name)
        return symbols_of(writer.vocabulary, writer.config.documents)

    @router.get("/tokenizer_info", responses=documented(TokenizerInfo), name="About the tokenizer")
    async def tokenizer_info(model: Annotated[str | None, Query(max_length=1000)] = None) -> dict[str, Any]:
        """The special symbol of a model: it opens and ends a text."""
        known = symbols(model)
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": known.boundary_name,
            "eos_token": known.boundary_name,
            "vocabulary_size": len(known.names),
            "clean_up_tokenization_spaces": False,
        }

    @router.post("/tokenize", responses=documented(Tokens), name="Text to ids")
    async def tokenize(body: text) -> Response:  # type: ignore[valid-type]
        """The ids of a text: one for each character, or byte."""
        asked: TokenizeRequest = body
        known = symbols(asked.model)
        found = known.encode(asked.prompt).tolist()
        boundary = known.vocabulary.boundary
        if asked.add_special_tokens is not False and found[:1] != [boundary]:
            found.insert(0, boundary)
        names = [known.names[symbol] for symbol in found] if asked.return_token_strs else None
        start = f'{{"count":{len(found)},"max_model_len":{limits.prompt},"tokens":'
        answer = f'{start}{await _listed(found)},"token_strs":{await _listed(names) if names is not None else "null"}}}'
        return Response(answer, media_type="application/json")

    @router.post("/detokenize", responses=documented(Detokenized), name="Ids to text")
    async def detokenize(body: several) -> Response:  # type: ignore[valid-type]
        """The text of ids; the boundary is written as /tokenizer_info says."""
        asked: DetokenizeRequest = body
        known = symbols(asked.model)
        known.check(asked.tokens)
        return Response(json.dumps({"prompt": await _text(known, asked.tokens)}), media_type="application/json")

    return router


async def _text(symbols: Symbols, ids: list[int]) -> str:
    """The text of many ids, in slices, so that nothing else has to wait."""
    reader, slices = Reader(symbols), list[str]()
    for first in range(0, len(ids), _SLICE):
        slices.append("".join(map(reader.push, ids[first : first + _SLICE])))
        await asyncio.sleep(0)
    return "".join(slices) + reader.finish()


async def _listed(values: list[Any]) -> str:
    """A long list as JSON, in slices, so that nothing else has to wait."""
    slices = list[str]()
    for first in range(0, len(values), _SLICE):
        slices.append(json.dumps(values[first : first + _SLICE])[1:-1])
        await asyncio.sleep(0)
    return f"[{','.join(slices)}]"
