"""Texts read by a classifier's network, side by side; here is what needs torch."""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray

from charloom.classify.generative import GenerativeNetwork
from charloom.classify.network import ClassifierNetwork
from charloom.classify.symbols import Symbols, padded
from charloom.errors import NotFiniteError
from charloom.models.language_model import as_tensors, expected_of, pack
from charloom.models.network import reading
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig
from charloom.storage.tensor_files import Expected, unpack

Floats = NDArray[np.float64]
AnyNetwork = ClassifierNetwork | GenerativeNetwork

TOGETHER = 1 << 15
"""The most symbols read side by side, which limits memory whatever the lengths of the texts."""


def new_network(
    network: ClassifierNetworkConfig,
    classification: ClassificationConfig,
    *,
    symbols: int,
    classes: int,
    device: str | torch.device,
) -> AnyNetwork:
    """A network with fresh weights on `device`; on "meta" it has none."""
    kind = GenerativeNetwork if classification.kind == "generative" else ClassifierNetwork
    with torch.device(device):
        return kind(network, classification, symbols=symbols, classes=classes).eval()


def expected_of_network(network: AnyNetwork) -> Expected:
    """Shape and type of each tensor in its file."""
    return expected_of(network.state_dict())


def fill(network: AnyNetwork, data: bytes, where: str) -> None:
    """Give a network on "meta" the weights in the content of a safetensors file. Raises `FolderError`."""
    network.load_state_dict(as_tensors(unpack(data, expected_of_network(network), where)), assign=True)


def packed(network: AnyNetwork, temperature: float, count_weight: float) -> bytes:
    """The weights with this temperature and count weight as a safetensors file; the network stays unchanged."""
    numbers = {"temperature": temperature, "count_weight": count_weight}
    return pack({**network.state_dict(), **{name: torch.tensor(value) for name, value in numbers.items()}})


def logits_of_texts(network: AnyNetwork, cut: Sequence[Sequence[Symbols]], *, boundary: int, classes: int) -> Floats:
    """Logits (N, C) of encoded texts, each in pieces. Raises `NotFiniteError`.

    A discriminative network's are the mean of the pieces', a generative one's log-likelihoods their sum.
    """
    counts = np.array([len(pieces) for pieces in cut], np.float64)
    owners = np.repeat(np.arange(len(cut)), counts.astype(np.int64))
    total = np.zeros((len(cut), classes))
    np.add.at(total, owners, _read(network, list(chain.from_iterable(cut)), boundary, classes))
    if isinstance(network, GenerativeNetwork):  # the prior counts once a text, not once a piece
        prior = network.prior.double().cpu().numpy()
        return total - (counts - 1)[:, None] * prior  # type: ignore[no-any-return]
    return total / np.maximum(counts, 1)[:, None]


def _read(network: AnyNetwork, pieces: Sequence[Symbols], boundary: int, classes: int) -> Floats:
    """Logits (N, C) of pieces."""
    read = np.zeros((len(pieces), classes))
    device = network.device
    with reading(network):
        for places in _side_by_side([len(piece) for piece in pieces]):
            ids, lengths = padded([pieces[place] for place in places], boundary)
            logits = network(torch.from_numpy(ids).to(device), torch.from_numpy(lengths).to(device))
            read[places] = logits.double().cpu().numpy() if device.type != "mps" else logits.cpu().double().numpy()
    if not np.isfinite(read).all():
        raise NotFiniteError
    return read


def _side_by_side(lengths: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Indices of texts that are read together, the longest first."""
    order = np.argsort(-np.array(lengths, np.int64), kind="stable")
    first = 0
    while first < len(order):
        rows = max(1, TOGETHER // (lengths[order[first]] + 2))
        yield order[first : first + rows]
        first += rows
