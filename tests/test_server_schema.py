"""Requests made from the server's own description: no answer is a defect, and each is what the description says."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from models import small_model

pytest.importorskip("schemathesis")
pytest.importorskip("uvicorn")

import schemathesis
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from charloom.server.served import Limits
from live_server import serving

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
)
OPERATIONS = [
    ("/v1/completions", "POST"),
    ("/v1/score", "POST"),
    ("/v1/activity", "POST"),
    ("/v1/models", "GET"),
    ("/v1/models/{name}", "GET"),
    ("/tokenizer_info", "GET"),
    ("/tokenize", "POST"),
    ("/detokenize", "POST"),
]


@pytest.fixture(scope="module")
def description() -> Iterator[Any]:
    models = {"a": small_model("abcdefgh\n", seed=1), "b": small_model("a", kind="bytes")}
    limits = Limits(prompt=60, length=20, texts=4, activity=30)
    with serving(models, limits) as live:
        yield schemathesis.openapi.from_url(f"{live.url}/openapi.json")


def ask(description: Any, path: str, method: str, count: int, **more: Any) -> None:
    """Send requests of one kind that are valid, and others that are not."""
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @given(case=description[path][method].as_strategy(generation_mode=mode))
        @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), **more)
        def answered(case: Any) -> None:
            case.call_and_validate(checks=CHECKS, timeout=30)

        if mode is GenerationMode.POSITIVE or path not in ("/v1/models", "/v1/models/{name}"):
            answered()


def test_the_operations_are_all_that_the_server_describes(description: Any) -> None:
    described = {(result.ok().path, result.ok().method.upper()) for result in description.get_all_operations()}
    assert described == set(OPERATIONS)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_requests_made_from_the_description_are_answered_as_it_says(description: Any, path: str, method: str) -> None:
    ask(description, path, method, 15, derandomize=True, database=None)


@pytest.mark.slow
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_a_thousand_requests_of_each_kind_are_answered_as_the_description_says(
    description: Any, path: str, method: str
) -> None:
    ask(description, path, method, 1000)
