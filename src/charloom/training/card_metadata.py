"""The metadata block of a card, as model hubs read it: YAML, with the fields that are known and no others."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Figures = Mapping[str, float]

TAGS = ("character-level", "recurrent-neural-network")


@dataclass(frozen=True)
class Metadata:
    """What hubs are told about a model. What is not known stays empty and does not appear."""

    task: str
    "The hubs' name for what the model does."
    text: str
    "Name of what it was trained on."
    split: str
    "The part of that on which its figures were measured."
    figures: Figures = field(default_factory=dict)
    licence: str | None = None
    "The hubs' identifier, such as cc0-1.0."
    language: str | tuple[str, ...] | None = None
    "ISO 639-1 code, or several."
    datasets: tuple[str, ...] = ()
    "The hub's own names of the training texts."
    base_model: str | None = None
    "The hub's own name of the model that training started from."
    tags: tuple[str, ...] = TAGS

    def block(self, title: str) -> list[str]:
        """The lines of the block, with the lines that enclose it. `title` is the model's name in its results."""
        return [
            "---",
            "library_name: charloom",
            f"pipeline_tag: {self.task}",
            *([f"license: {self.licence}"] if self.licence else ()),
            *_list("language", (self.language,) if isinstance(self.language, str) else self.language or ()),
            *_list("datasets", self.datasets),
            *([f"base_model: {quoted(self.base_model)}"] if self.base_model else ()),
            *_list("tags", self.tags),
            *self._results(title),
            "---",
        ]

    def _results(self, title: str) -> Iterator[str]:
        if not self.figures:
            return
        yield "model-index:"
        yield f"- name: {quoted(title)}"
        yield "  results:"
        yield "  - task:"
        yield f"      type: {self.task}"
        yield "    dataset:"
        yield f"      name: {quoted(self.text)}"
        yield f"      type: {quoted(self.datasets[0] if self.datasets else _identifier(self.text))}"
        yield f"      split: {quoted(self.split)}"
        yield "    metrics:"
        for name, value in self.figures.items():
            yield f"    - type: {name}"
            yield f"      name: {name.replace('_', ' ')}"
            yield f"      value: {value:.4f}"


def quoted(text: str) -> str:
    """A string as YAML understands it, whatever it contains."""
    if text.isprintable():
        return json.dumps(text, ensure_ascii=False)
    inner = (character if character.isprintable() else f"\\U{ord(character):08x}" for character in text)
    return '"' + "".join(f"\\{each}" if each in '\\"' else each for each in inner) + '"'


def _list(name: str, values: Iterable[str]) -> list[str]:
    lines = [f"- {quoted(value)}" for value in values]
    return [f"{name}:", *lines] if lines else []


def _identifier(name: str) -> str:
    """A name in the form of an identifier: letters, digits, hyphens, dots and underscores."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-") or "text"
