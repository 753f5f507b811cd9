"""Many texts written."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Unpack

from charloom.errors import CharloomError, SettingsError, TextError, arguments
from charloom.generation.batched_generation import ROWS, Sample, write_samples
from charloom.generation.generate import check as check_request
from charloom.generation.sampling import SamplingKeywords, with_sampling_keywords
from charloom.generation.writer import Writer
from charloom.machine.workers import check
from charloom.many.groups import Group, Incomplete, answered, groups, strings
from charloom.many.model_place import lasting_place
from charloom.models.model_folder import ModelPlace
from charloom.settings import SamplingConfig


@with_sampling_keywords
def generate(
    model: ModelPlace,
    prompts: Iterable[str],
    *,
    length: int = 500,
    stop: Sequence[str] = (),
    seed: int = 0,
    workers: int | None = None,
    **sampling: Unpack[SamplingKeywords],
) -> Iterator[Sample]:
    """A text for each prompt, in order, as an iterator; `prompts` may be one too. Text i is drawn with `seed + i`.

    The texts are those of `charloom.generate_many`, which are written 64 together; with `workers` of 2 or more that
    many processes share these groups. Raises `SettingsError`, `FolderError`, and `TextError` for a prompt with an
    unseen character, after the texts before it.
    """
    check(workers)
    arguments.whole("seed", seed)
    check_writing(length, stop, seed)
    writing = Writing(lasting_place(model), SamplingConfig(**sampling), length, tuple(stop), seed)
    found = answered(writing, groups(strings(prompts), together=ROWS), workers=workers)
    return (sample for _, samples in found for sample in samples)


def check_writing(length: int | None, stop: Sequence[str], seed: int) -> None:
    """Raise `SettingsError` for settings outside their range."""
    if length is None:
        raise SettingsError("texts that never end cannot be written together; give a length")
    check_request(length, stop, [seed])


@dataclass(frozen=True)
class Writing:
    """Prepares a model that writes a text for each prompt."""

    model: ModelPlace
    sampling: SamplingConfig
    length: int
    stop: tuple[str, ...]
    seed: int
    "Of the first text; the next one has the next number."
    samples: int = 1
    "How many rows in turn have the same prompt: only to name a bad one."

    def __call__(self) -> Callable[[Group[str]], list[Sample] | Incomplete]:
        writer = Writer.load(self.model)
        return lambda group: self.write(writer, group)

    def write(self, writer: Writer, group: Group[str]) -> list[Sample] | Incomplete:
        """The texts of a group, up to a prompt that the model cannot read."""
        good, error = _readable(writer, group.rows)
        seeds = range(self.seed + group.first, self.seed + group.first + good)
        prompts = list(group.rows[:good])
        written = write_samples(writer, prompts, self.sampling, length=self.length, stop=self.stop, seeds=seeds)
        samples = list(written) if prompts else []
        if error is None:
            return samples
        number = (group.first + good) // self.samples + 1
        return Incomplete(samples, TextError(f"prompt {number:,}: {error}"))


@dataclass(frozen=True)
class SampleLines(Writing):
    """The same; texts come as `charloom generate` prints them."""

    json: bool = False

    def __call__(self) -> "Callable[[Group[str]], list[str] | Incomplete]":  # type: ignore[override]
        writer = Writer.load(self.model)
        divided = writer.config.documents != "lines" and not self.json

        def answer(group: Group[str]) -> list[str] | Incomplete:
            found = self.write(writer, group)
            samples = found.results if isinstance(found, Incomplete) else found
            lines = [
                (f"--- sample {number + 1}\n" if divided and number else "") + self._line(sample)
                for number, sample in enumerate(samples, group.first)
            ]
            return Incomplete(lines, found.error) if isinstance(found, Incomplete) else lines

        return answer

    def _line(self, sample: Sample) -> str:
        if not self.json:
            return f"{sample.prompt}{sample.text}\n"
        return json.dumps(sample.record(), ensure_ascii=False, allow_nan=False) + "\n"


def _readable(writer: Writer, prompts: Iterable[str]) -> tuple[int, CharloomError | None]:
    """How many prompts the model can read before one that it cannot, and why not."""
    good = 0
    for prompt in prompts:
        try:
            writer.prompts([prompt])
        except TextError as error:
            return good, error
        good += 1
    return good, None
