"""The server under load, in short: the measurements of benchmarks/serving_load.py with small numbers."""

import asyncio
import string
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import small_model, write_folder
from serve_process import required

required()

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import serving_client  # noqa: E402
import serving_load  # noqa: E402

LETTERS = string.ascii_letters + " .,\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(small_model(LETTERS, seed=1), tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[serving_client.Server]:
    with serving_client.served(folder, rows=4, queue=12) as running:
        yield running


def test_an_overloaded_server_answers_everything_completely(server: serving_client.Server) -> None:
    found = asyncio.run(serving_load.overload(server, 1.0, length=100, rows=4, times=20))
    assert set(found["answers"]) <= {200, 503} and found["answers"][200] > 0
    assert found["incomplete answers"] == found["refusals without Retry-After"] == 0


def test_clients_that_leave_change_no_other_stream_and_leave_no_row_taken(server: serving_client.Server) -> None:
    found = asyncio.run(serving_load.disconnects(server, 6, rows=4, longest_prompt=20_000))
    for state in serving_load.STATES:
        assert found[f"{state}: left"] == 6
        assert found[f"{state}: other streams, changed"] == 0
        assert state == "queued" or found[f"{state}: other streams"] > 0


def test_seeded_requests_write_what_they_write_alone(folder: Path) -> None:
    with serving_client.served(folder, rows=16, queue=64) as server:
        assert asyncio.run(serving_load.alone(server, 45, length=100)) == {"kept": 30, "changed": 0}


def test_many_connections_and_many_requests_leave_nothing_behind(server: serving_client.Server) -> None:
    found = asyncio.run(serving_load.memory(server, 64, length=20))
    assert found["answers 200"] + found.get("answers 503", 0) == 64
    found = asyncio.run(serving_load.soak(server, 200, together=8))
    assert found["answers 200"] == 200 and found["incomplete"] == 0
    assert found["open files more"] <= 0


@pytest.mark.slow
def test_a_hundred_thousand_requests_leave_nothing_behind(server: serving_client.Server) -> None:
    found = asyncio.run(serving_load.soak(server, 100_000, together=8))
    assert found["answers 200"] == 100_000 and found["incomplete"] == 0
    assert found["open files more"] <= 0
    assert found["MiB more for 10,000 requests"] < 0.5
