"""How fast this machine trains and writes, compared with its limits."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from charloom.data.vocabulary import Vocabulary
from charloom.generation.batched_generation import ROWS, write_samples
from charloom.generation.generate import generate_pieces
from charloom.generation.writer import SOON, Writer
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import ModelConfig
from charloom.settings import NetworkConfig, SamplingConfig

CHUNK = 200
"""Characters timed together."""


@dataclass(frozen=True)
class WritingSpeed:
    """Characters per second, drawing included, and the limit set by reading the weights."""

    one_text: float
    texts_together: int
    together: float
    "Of all texts together."
    prompt: float
    "Characters of a single prompt read per second."
    weight_bytes: int
    "Bytes of weights read for each character."
    bandwidth: float
    "Bytes per second that the fastest plain matrix-vector product reads from a matrix of that size."
    bandwidth_by: str
    "The library of that product, and its layout."

    @property
    def limit(self) -> float:
        """Characters per second if generation did nothing but read the weights."""
        return self.bandwidth / self.weight_bytes

    @property
    def share(self) -> float:
        """Share of that limit that one text reaches."""
        return self.one_text / self.limit


def fresh_model(network: NetworkConfig, symbols: int = 65) -> LanguageModel:
    """An untrained model: it writes nonsense at the real cost."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        characters = "".join(map(chr, range(32, 32 + symbols)))
        return LanguageModel.new(ModelConfig(network, "none", False), Vocabulary("characters", characters))


def writing(writer: Writer, *, seconds: float = 1.0, rows: int = ROWS) -> WritingSpeed:
    """Measure how fast a model generates text; each figure is the median of what fits into `seconds`."""
    pieces = generate_pieces(writer, "", SamplingConfig(), length=None)
    letter = next(piece.text for piece in pieces if piece.text.strip("\n"))
    for _ in range(SOON):  # by then the compiled loop has taken over if it is going to
        next(pieces)

    def one_text() -> None:
        for _ in range(CHUNK):
            next(pieces)

    def together() -> int:
        samples = write_samples(writer, [""] * rows, SamplingConfig(), length=CHUNK, stop=(), seeds=range(rows))
        return sum(len(sample.text) for sample in samples)

    prompt = letter * 4 * CHUNK
    single = CHUNK / median_seconds(one_text, seconds)
    many = together() / median_seconds(together, seconds)
    reading = len(prompt) / median_seconds(lambda: writer.read(prompt), seconds)
    bandwidth, by = vector_bandwidth(writer.stepper.weight_bytes, writer.config.network.hidden_size, seconds)
    return WritingSpeed(single, rows, many, reading, writer.stepper.weight_bytes, bandwidth, by)


def vector_bandwidth(size: int, rows: int, seconds: float = 1.0) -> tuple[float, str]:
    """Bytes per second that a product of a vector and a float32 matrix of `size` bytes reads, and which library was
    fastest."""
    columns = max(1, size // (4 * rows))
    draw = np.random.Generator(np.random.PCG64(0))
    vector, matrix = draw.random((1, rows), np.float32), draw.random((rows, columns), np.float32)
    by_columns, out = np.asfortranarray(matrix), np.empty((1, columns), np.float32)
    tensors = torch.from_numpy(matrix.T.copy()), torch.from_numpy(vector[0])
    products: dict[str, Callable[[], object]] = {
        "numpy, columns": lambda: np.dot(vector, by_columns, out=out),
        "numpy, rows": lambda: np.dot(vector, matrix, out=out),
        "torch": lambda: torch.mv(*tensors),
    }
    times = {name: median_seconds(product, seconds / 3, least=50) for name, product in products.items()}
    best = min(times, key=times.__getitem__)
    return matrix.nbytes / times[best], best


def median_seconds(do: Callable[[], object], seconds: float, *, least: int = 3) -> float:
    """Median duration of as many calls as fit into `seconds`, after one that is not timed."""
    do()
    durations: list[float] = []
    end = time.perf_counter() + seconds
    while len(durations) < least or time.perf_counter() < end:
        began = time.perf_counter()
        do()
        durations.append(time.perf_counter() - began)
    return statistics.median(durations)
