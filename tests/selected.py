"""What the tests of this session ask a shared fixture for."""

from typing import Any

import pytest


def selected(request: pytest.FixtureRequest, *names: str) -> list[tuple[Any, ...]]:
    """The values of these parameters in each selected test that has all of them, in order, each once."""
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    asked = [each.params for each in calls if each is not None and set(names) <= set(each.params)]
    return list(dict.fromkeys(tuple(each[name] for name in names) for each in asked))
