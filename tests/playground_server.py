"""A server for the tests of the playground: the page and the routes that it uses, with models in this process."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

import charloom
from charloom.complete.word_files import counted_words, words_file
from charloom.evaluation.surprisal import Surprises
from charloom.generation.sampling import REPETITION_WINDOW, distributions, draw, log_probabilities
from charloom.generation.stopping import Outlet
from charloom.generation.writer import Writer
from charloom.playground import SITE
from charloom.report.units import activations
from charloom.settings import SamplingConfig

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
SAMPLING = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
LENGTH, UNITS = 5000, 64


class PlaygroundServer:
    """Serves models by name, places of language models or classifiers; can be stopped and started again at its port."""

    def __init__(self, models: Mapping[str, str | Path], *, classifiers: tuple[str, ...] = (), key: str | None = None):
        self.key = key
        self._places = {name: str(place) for name, place in models.items()}
        self._writers = {name: Writer.load(place) for name, place in models.items()}
        self._models: dict[str, Any] = {}
        self._classifiers = {name: charloom.classify.load_classifier(name) for name in classifiers}
        self._corrector: dict[str, charloom.correct.Corrector] = {}
        self._words: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.port = 0
        self.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        handler = type("Handler", (_Handler,), {"served": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def models(self, request: dict[str, Any]) -> dict[str, Any]:
        entries = []
        for name, writer in self._writers.items():
            network, vocabulary = writer.config.network, writer.vocabulary
            has_words = self._places[name] == "english"
            about = {
                "kind": "language",
                "symbols": list(vocabulary.characters),
                "vocabulary": vocabulary.kind,
                "cell": network.cell,
                "layers": network.layers,
                "hidden_size": network.hidden_size,
                "applications": ["score", "activity", "complete", *(["correct"] if has_words else [])],
            }
            entries.append({"id": name, "object": "model", "charloom": about})
        for name, classifier in self._classifiers.items():
            about = {"kind": "classifier", "symbols": None, "vocabulary": "characters", "cell": "gru", "layers": 0}
            about |= {"hidden_size": 0, "applications": ["classify"], "classes": list(classifier.classes)}
            entries.append({"id": name, "object": "model", "charloom": about})
        return {"object": "list", "data": entries}

    def completions(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        writer = self._writers[request["model"]]
        sampling = {name: request[name] for name in SAMPLING if name in request}
        if sampling.get("temperature") == 0:
            sampling |= {"temperature": 1.0, "greedy": True}
        config, length, top = SamplingConfig(**sampling), request["max_tokens"], request["logprobs"]
        if not 0 < length <= LENGTH:
            raise charloom.errors.SettingsError(f"max_tokens is {length}; it must be from 1 to {LENGTH}")
        (ids,) = writer.prompts([request["prompt"]])
        draws = request.get("draws", 0)
        uniform = np.random.Generator(np.random.PCG64(request["seed"]).advance(draws))
        return self._write(
            writer, ids, config, Outlet(writer.vocabulary, length, request.get("stop", [])), uniform, draws, top
        )

    def _write(self, writer, ids, config, outlet, uniform, draws, top):  # type: ignore[no-untyped-def]
        names = [writer.vocabulary.symbol(symbol) for symbol in range(len(writer.vocabulary))]
        rows = writer.begin([ids])
        recent, pending, offset, reason = deque(ids[1:].tolist(), REPETITION_WINDOW), deque[Any](), 0, None
        while reason is None:
            logits = writer.logits(rows)
            own = log_probabilities(logits)[0]
            symbol = draw(distributions(logits, config, (recent,))[0], uniform.random())
            draws += 1
            best = np.argsort(-own, kind="stable")[:top].tolist()
            pending.append((names[symbol], float(own[symbol]), {names[each]: float(own[each]) for each in best}))
            text, reason = outlet.push(symbol)
            shown = [pending.popleft() for _ in text]
            places = [offset + place for place in range(len(text))]
            offset += len(text)
            tokens, values, tops = (
                ([list(part) for part in zip(*shown, strict=True)] or [[], [], []]) if shown else ([], [], [])
            )
            logprobs = {"tokens": tokens, "token_logprobs": values, "top_logprobs": tops, "text_offset": places}
            choice = {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": None}
            about: dict[str, Any] = {"draws": draws}
            if reason:
                choice["finish_reason"] = "length" if reason == "length" else "stop"
                about["stop_reason"] = reason
            yield {"object": "text_completion", "choices": [choice], "charloom": about}
            if symbol != writer.vocabulary.boundary:
                recent.append(symbol)
                rows.advance(np.array([symbol]))
        yield {"object": "text_completion", "choices": [], "usage": {"completion_tokens": offset}}

    def score(self, request: dict[str, Any]) -> Iterator[Any]:
        name = request["model"]
        with self._lock:
            model = self._models.setdefault(name, None) or charloom.load(self._places[name])
            self._models[name] = model
        surprises = Surprises(model, request["text"], candidates=request["top"])
        return ([{"text": one.character, "nats": one.nats, "rank": one.rank, "top": one.top}] for one in surprises)

    def activity(self, request: dict[str, Any]) -> dict[str, Any]:
        writer = self._writers[request["model"]]
        ids, size = writer.vocabulary.encode(request["text"]), writer.config.network.hidden_size
        layer, units = request["layer"], request["units"]
        values = activations(writer.stepper, ids, writer.vocabulary.boundary)[:, layer * size : (layer + 1) * size]
        if units is None:
            units = np.argsort(-values.std(0), kind="stable")[:UNITS].tolist()
        return {"units": units, "values": values[:, units].T.tolist()}

    def complete(self, request: dict[str, Any]) -> dict[str, Any]:
        name, text, kind = request["model"], request["text"], request["kind"]
        writer, place = self._writers[name], self._places[name]
        if kind == "word" and place == "english" and words_file(place):
            with self._lock:
                self._words.setdefault(name, None) or self._words.update({name: counted_words(place)})
            completer: Any = charloom.complete.MixedCompleter(writer, self._words[name], text)
        else:
            completer = charloom.complete.Completer(writer, text, unit="line" if kind == "line" else "word")
        found = completer.suggest(request["count"])
        return {"completions": [{"text": each.text, "probability": each.probability} for each in found]}

    def correct(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request["model"]
        with self._lock:
            corrector = self._corrector.get(name) or charloom.correct.Corrector(self._places[name])
            self._corrector[name] = corrector
        text, changes = corrector.correct(request["text"])
        records = [
            {
                "start": change.start,
                "end": change.start + len(change.before),
                "word": change.before,
                "correction": change.after,
                "probability": change.after_probability,
                "reason": change.reason,
            }
            for change in changes
        ]
        return {"text": text, "corrections": records}

    def classify(self, request: dict[str, Any]) -> dict[str, Any]:
        classifier = self._classifiers[request["model"]]
        shares = classifier.probabilities([request["text"]])[0]
        best = np.argsort(-shares, kind="stable")
        found = [{"label": classifier.classes[place], "probability": float(shares[place])} for place in best]
        return {"predictions": [found]}


class _Handler(BaseHTTPRequestHandler):
    served: PlaygroundServer
    protocol_version = "HTTP/1.0"

    def log_message(self, format: str, *values: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/health":
            return self._json({"status": "ok"})
        if path == "/v1/models":
            return self._guarded(lambda: self._json(self.served.models({})))
        file = SITE / (path.lstrip("/") or "index.html")
        if file.parent != SITE or not file.is_file():
            return self._error(404, "there is nothing here")
        self._send(200, KINDS[file.suffix], file.read_bytes())
        return None

    def do_POST(self) -> None:
        self._guarded(self._answer)

    def _guarded(self, act: Callable[[], None]) -> None:
        if self.served.key and self.headers.get("Authorization") != f"Bearer {self.served.key}":
            self._error(401, "this server needs its API key")
            return
        try:
            act()
        except charloom.errors.CharloomError as error:
            self._error(400, str(error))
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _answer(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = getattr(self.served, self.path.rpartition("/")[2])(request)
        if isinstance(answer, dict):
            return self._json(answer)
        first = next(answer)
        self._head(200, "text/event-stream")
        for value in (first, *()):
            self._event(value)
        for value in answer:
            self._event(value)
        self.wfile.write(b"data: [DONE]\n\n")
        return None

    def _event(self, value: object) -> None:
        self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")

    def _json(self, value: object, status: int = 200) -> None:
        self._send(status, "application/json", json.dumps(value).encode())

    def _error(self, status: int, message: str) -> None:
        about = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
        self._json({"error": about}, status)

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self._head(status, kind, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, kind: str, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
