"""What the server has done, as Prometheus reads it: https://prometheus.io/docs/instrumenting/exposition_formats/

Labels come from routes, models and status codes alone, never from what a client wrote, so their number is bounded.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from starlette.types import Scope

from charloom.server.served import Registry

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of the page."""

FIRST = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
BETWEEN = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.25, 1.0)
"""Upper bounds of the buckets, in seconds: until the first character, and between characters."""

Labels = tuple[tuple[str, str], ...]


class Histogram:
    """How many values fell below each of some bounds, and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts, self.total = [0] * (len(bounds) + 1), 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str, labels: Labels) -> Iterable[str]:
        """Its lines on the page."""
        below = 0
        for bound, count in zip((*map(repr, self.bounds), "+Inf"), self.counts, strict=True):
            below += count
            yield line(f"{name}_bucket", (*labels, ("le", bound)), below)
        yield line(f"{name}_sum", labels, self.total)
        yield line(f"{name}_count", labels, below)


class ModelMetrics:
    """What was done with one model, by whatever engine ran it."""

    def __init__(self) -> None:
        self.characters_read = self.characters_written = 0
        self.rejected = self.cancelled = self.reloads = self.failed_reloads = 0
        self.first, self.between = Histogram(FIRST), Histogram(BETWEEN)


class HasPath(Protocol):
    """A route."""

    path: str


class Metrics:
    """Everything that the page shows."""

    def __init__(self) -> None:
        self.requests = Counter[tuple[str, str, int]]()
        "By method, route and status; status 0 if the client left before the answer."
        self.models: dict[str, ModelMetrics] = {}
        self.started = time.time()

    def of(self, name: str) -> ModelMetrics:
        """The figures of the model of this name, which is one of the registry's."""
        return self.models.setdefault(name, ModelMetrics())

    def count_request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that was answered, by route and status."""
        route: HasPath | None = scope.get("route")
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
        self.requests[method, "other" if route is None else route.path, status] += 1

    def page(self, registry: Registry) -> str:
        """The page, in Prometheus's text format."""
        lines = [*_head("charloom_requests_total", "counter", "Requests by method, route and status.")]
        for (method, route, status), count in sorted(self.requests.items()):
            labels = (("method", method), ("route", route), ("status", str(status)))
            lines.append(line("charloom_requests_total", labels, count))
        lines += [*_head("charloom_start_time_seconds", "gauge", "When the server was started, in seconds since 1970.")]
        lines.append(line("charloom_start_time_seconds", (), self.started))
        lines += _engines(registry)
        lines += _totals({name: self.of(name) for name in registry.names()})
        lines += _waits({name: self.of(name) for name in registry.names()})
        return "\n".join(lines) + "\n"


def line(name: str, labels: Labels, value: float) -> str:
    """A sample: name, labels, value."""
    pairs = ",".join(f'{key}="{_quoted(text)}"' for key, text in labels)
    return f"{name}{{{pairs}}} {value!r}" if pairs else f"{name} {value!r}"


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _head(name: str, kind: str, meaning: str) -> tuple[str, str]:
    return f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"


def _engines(registry: Registry) -> list[str]:
    engines = {name: engine for name in registry.names() if (engine := registry.get(name).engine) is not None}
    lines = [*_head("charloom_running", "gauge", "Texts that are read or written now.")]
    lines += [line("charloom_running", (("model", name),), engine.running) for name, engine in engines.items()]
    lines += [*_head("charloom_waiting", "gauge", "Texts that wait for a row.")]
    lines += [line("charloom_waiting", (("model", name),), engine.waiting) for name, engine in engines.items()]
    return lines


_TOTALS = {
    "characters_read": "Symbols of prompts that were handed to the model.",
    "characters_written": "Characters that were written.",
    "rejected": "Texts refused because the queue was full.",
    "cancelled": "Texts given up because the client left.",
    "reloads": "Times that a newer model took over.",
    "failed_reloads": "Times that a changed model could not be loaded.",
}


def _totals(models: Mapping[str, ModelMetrics]) -> list[str]:
    lines = list[str]()
    for field, meaning in _TOTALS.items():
        lines += _head(f"charloom_{field}_total", "counter", meaning)
        lines += [
            line(f"charloom_{field}_total", (("model", name),), getattr(each, field)) for name, each in models.items()
        ]
    return lines


def _waits(models: Mapping[str, ModelMetrics]) -> list[str]:
    lines = list[str]()
    for field, meaning in (
        ("first", "Seconds from the request of a text to its first characters."),
        ("between", "Seconds from some characters of a text to the next."),
    ):
        name = "charloom_first_character_seconds" if field == "first" else "charloom_between_characters_seconds"
        lines += _head(name, "histogram", meaning)
        for model, each in models.items():
            lines += getattr(each, field).lines(name, (("model", model),))
    return lines
