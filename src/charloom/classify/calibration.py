"""Calibrated probabilities: one temperature for all classes, fitted on held-out texts.

Guo et al. 2017, "On calibration of modern neural networks" (arXiv 1706.04599). If n-grams are counted too, the same
texts decide how much network and n-grams are worth: P(class) is proportional to P_network^a P_n-grams^b, a logarithmic
opinion pool (Heskes 1998, "Selecting weighting factors in logarithmic opinion pools"), with a = 1 / temperature and b =
count_weight a.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from charloom.classify.model import Floats, softmax

RANGE = (0.05, 100.0)

PRIOR = 2.0
"""How surprising it is, before any text is seen, that network or n-grams are worth something other than 1: the surprise
grows with half of this times the squared logarithm, in nats for all texts together."""

ROUNDS = 60
BINS = 10


def best_temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """The temperature at which `labels` (N,) are least surprising, given `logits` (N, C); 1 if N is 0.

    One more text is assumed that belongs to all classes equally, because a few texts that are all right would otherwise
    make the temperature zero. The surprise is convex in the inverse temperature, so golden-section search finds the
    minimum.
    """
    if not len(labels):
        return 1.0
    share = 1 / (len(labels) + 1)

    def surprise(inverse: float) -> float:
        logs = _log_softmax(logits * inverse)
        right = logs[np.arange(len(labels)), labels].mean()
        return float(-(1 - share) * right - share * logs.mean())

    low, high = (1 / limit for limit in reversed(RANGE))
    golden = (5**0.5 - 1) / 2
    for _ in range(ROUNDS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if surprise(left) <= surprise(right) else (left, high)
    return 2 / (low + high)


def best_pool(logits: Floats, counts: Floats, labels: NDArray[np.int64]) -> tuple[float, float]:
    """Temperature and count weight at which `labels` (N,) are least surprising; 1 and 1 if N is 0.

    `logits` (N, C) are the network's, `counts` (N, C) the n-grams'. As in `best_temperature`, one more text is assumed.
    The surprise is convex in the inverse temperature and in its product with the count weight; both stay above 0. A few
    texts that are all right say little about either, so both stay near 1 (`PRIOR`) unless there are many.
    """
    import torch  # here, because reading calibrated probabilities needs none

    if not len(labels):
        return 1.0, 1.0
    parts = torch.from_numpy(np.stack([_log_softmax(logits), _log_softmax(counts)]))
    right = torch.from_numpy(labels)[:, None]
    share = 1 / (len(labels) + 1)
    shares = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([shares], max_iter=ROUNDS, line_search_fn="strong_wolfe")

    def surprise() -> torch.Tensor:
        optimizer.zero_grad()
        logs = torch.einsum("k,knc->nc", shares.exp(), parts).log_softmax(-1)
        nats = -(1 - share) * logs.gather(1, right).mean() - share * logs.mean()
        nats = nats + PRIOR / 2 * shares.square().sum() / len(labels)
        nats.backward()  # type: ignore[no-untyped-call]
        return nats

    with torch.enable_grad():
        optimizer.step(surprise)  # type: ignore[no-untyped-call]
    inverse, product = (
        float(value) for value in shares.detach().exp().clamp(*(1 / limit for limit in reversed(RANGE)))
    )
    return 1 / inverse, product / inverse


def surprise_nats(logits: Floats, labels: NDArray[np.int64], temperature: float) -> float:
    """Mean surprisal of the right classes, in nats."""
    logs = _log_softmax(logits / temperature)
    return float(-logs[np.arange(len(labels)), labels].mean())


@dataclass(frozen=True)
class Bin:
    """Predictions of similar confidence."""

    texts: int
    confidence: float
    "Mean probability of the predicted class."
    accuracy: float
    "Share that was right."


def bins(probabilities: Floats, labels: NDArray[np.int64]) -> list[Bin]:
    """Predictions in ten bins of equal width, without the empty ones."""
    sure, right = probabilities.max(1), probabilities.argmax(1) == labels
    place = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    return [
        Bin(int(mine.sum()), float(sure[mine].mean()), float(right[mine].mean()))
        for mine in (place == number for number in range(BINS))
        if mine.any()
    ]


def calibration_error(calibration: list[Bin]) -> float:
    """Expected calibration error: the distance between confidence and accuracy, averaged over the predictions."""
    total = sum(each.texts for each in calibration)
    return sum(each.texts * abs(each.confidence - each.accuracy) for each in calibration) / total


def _log_softmax(logits: Floats) -> Floats:
    return np.log(np.maximum(softmax(logits), 1e-300))
