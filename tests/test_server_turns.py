"""Requests for texts come in one by one, so whatever else arrives is not held up by them."""

import asyncio
from typing import Any

import pytest

pytest.importorskip("starlette")

from starlette.types import Receive, Scope, Send

from charloom.server.turns import Turns

TEXTS = "/v1/completions"


async def nothing(*message: Any) -> Any: ...


async def rounds_of(requests: list[str]) -> list[tuple[str, int]]:
    """In which round of the event loop each of the requests that arrive together comes in."""
    came_in, number, more = list[tuple[str, int]](), 0, True

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        came_in.append((scope["path"], number))

    def count() -> None:
        nonlocal number
        number += 1
        if more:
            asyncio.get_running_loop().call_soon(count)

    count()
    turns = Turns(app, TEXTS)
    await asyncio.gather(*(turns({"type": "http", "path": path}, nothing, nothing) for path in requests))
    more = False
    assert turns.waiting == 0
    return came_in


def test_requests_for_texts_come_in_one_in_a_round_and_in_order_and_others_at_once() -> None:
    came_in = asyncio.run(rounds_of([TEXTS, TEXTS, "/health", TEXTS, "/metrics"]))
    others, texts = came_in[:2], came_in[2:]
    assert [path for path, _ in others] == ["/health", "/metrics"]
    assert len({number for _, number in others}) == 1
    numbers = [number for _, number in texts]
    assert len(set(numbers)) == 3 and numbers == sorted(numbers)


def test_a_request_that_is_given_up_while_it_waits_leaves_its_turn_to_the_next() -> None:
    async def give_up() -> int:
        came_in = list[str]()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            came_in.append(scope["client"])

        turns = Turns(app, TEXTS)
        tasks = [
            asyncio.create_task(turns({"type": "http", "path": TEXTS, "client": name}, nothing, nothing))
            for name in "abc"
        ]
        await asyncio.sleep(0)
        assert turns.waiting == 3
        tasks[1].cancel()
        await asyncio.wait(tasks)
        assert came_in == ["a", "c"]
        return turns.waiting

    assert asyncio.run(give_up()) == 0
