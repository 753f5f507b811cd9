"""What stands in a network's place if counted n-grams decide alone: how frequent the classes are.

    P(class) = softmax((prior + count_weight * n_grams) / temperature)

It is stored in `model.safetensors`, and needs no torch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charloom.storage.tensor_files import Expected, pack_arrays, unpack


@dataclass(frozen=True, eq=False)
class ClassPrior:
    """The logarithms of the frequencies of the classes, and the two numbers that calibration sets."""

    prior: NDArray[np.float32]
    "(C,)"
    temperature: float = 1.0
    count_weight: float = 1.0

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> "ClassPrior":
        """The prior of classes with `counts` (C,) texts, none of them zero."""
        return cls(np.log(counts / counts.sum()).astype(np.float32))

    def weights(self) -> bytes:
        """The numbers as a safetensors file."""
        numbers = {"temperature": self.temperature, "count_weight": self.count_weight}
        return pack_arrays({"prior": self.prior} | {name: np.float32(value) for name, value in numbers.items()})  # type: ignore[arg-type]


def read_prior(data: bytes, where: str, *, classes: int) -> ClassPrior:
    """The prior in the content of a safetensors file. Raises `FolderError`."""
    arrays = unpack(data, expected_of_prior(classes), where)
    return ClassPrior(arrays["prior"], float(arrays["temperature"]), float(arrays["count_weight"]))


def expected_of_prior(classes: int) -> Expected:
    """Shape and type of each tensor in the file."""
    return {"prior": ((classes,), "float32"), "temperature": ((), "float32"), "count_weight": ((), "float32")}
