"""Whether the server can do its work: every model has made one step, and its output was a finite number."""

from typing import Any

from charloom.server.served import Registry


class Health:
    """Ready once the models are; ending once the server has been told to."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.ready = self.ending = False

    @property
    def status(self) -> int:
        """The status of the answer: 200 if requests are taken, otherwise 503."""
        return 200 if self.ready and not self.ending else 503

    def answer(self) -> dict[str, Any]:
        """The answer, as plain values: the status in a word, and for each model how many texts run and wait."""
        word = "ending" if self.ending else "ready" if self.ready else "loading"
        models = {}
        for name in self._registry.names() if self.ready else ():
            engine = self._registry.get(name).engine
            models[name] = {} if engine is None else {"running": engine.running, "waiting": engine.waiting}
        return {"status": word, "models": models}
