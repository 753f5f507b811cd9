"""The network: characters in, logits of the next character out, with an explicit state.

    e_t = embedding(c_t)                           (one-hot: the symbol's own unit vector)
    h_t = f(W_hh h_{t-1} + W_xh e_t + b)           f: tanh, ReLU, or the gates of an LSTM or GRU
    logits_t = W_ho h_t + b_o                      softmax(logits_t) is the distribution of c_{t+1}

Elman 1990 (RNN); Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000 (LSTM); Cho et al. 2014
(GRU). Axes: T time, B streams, E embedding, H hidden, V symbols that can be predicted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from charloom.machine.threads import working
from charloom.models.dropout import Dropout
from charloom.models.full_rows import LayerState, Read, in_full_rows
from charloom.settings import NetworkConfig

State = tuple[torch.Tensor, ...]
"""The memory of a network: (h,) of shape (layers, B, H), for an LSTM (h, c). The same type for every cell."""


class Recurrent(nn.Module):
    """The base of all networks: a configuration, recurrent `layers`, and an `output`."""

    config: NetworkConfig
    output: nn.Linear
    weight_dropout: Dropout

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return self.output.bias.device

    @property
    def gates(self) -> int:
        """Blocks of H rows in each matrix of a layer: four for an LSTM, three for a GRU, else one."""
        return {"lstm": 4, "gru": 3}.get(self.config.cell, 1)

    def parameter_count(self) -> int:
        """The number of parameters."""
        return sum(parameter.numel() for parameter in self.parameters())

    def _read(self, layer: nn.Module, values: torch.Tensor, state: LayerState) -> tuple[torch.Tensor, LayerState]:
        """Apply one layer to a sequence, with weight dropout while training if configured."""
        return self._reader(layer)(values, state)

    def _reader(self, layer: nn.Module) -> Read:
        """A layer as a function that drops the same recurrent weights at every call.

        DropConnect on the recurrent matrix, with the same weights dropped at all steps of a batch: Merity, Keskar and
        Socher 2018 (arXiv 1708.02182).
        """
        if not self.training or self.config.weight_dropout == 0:
            return in_full_rows(layer)
        weights = {"weight_hh_l0": self.weight_dropout(layer.weight_hh_l0)}
        return in_full_rows(lambda values, state: torch.func.functional_call(layer, weights, (values, state)))


class CharRNN(Recurrent):
    """Embedding, recurrent layers, output.

    `inputs` symbols can be read (the boundary among them) and `outputs` symbols can be predicted. A model that never
    saw the end of a text has no output for the boundary, so it can neither draw it nor give it any probability.
    """

    def __init__(self, config: NetworkConfig, *, inputs: int, outputs: int) -> None:
        super().__init__()
        self.config, self.inputs, self.outputs = config, inputs, outputs
        self.embedding = make_embedding(inputs, config.embedding_size) if config.embedding_size else None
        sizes = [config.embedding_size or inputs] + [config.hidden_size] * config.layers
        self.layers = nn.ModuleList(make_layer(config, size) for size in sizes[:-1])
        self.dropout, self.weight_dropout = Dropout(config.dropout), Dropout(config.weight_dropout)
        self.output = nn.Linear(config.hidden_size, outputs, bias=True)
        if config.tied:
            del self.output.weight  # forward uses the embedding's first rows instead
        self._initialize()

    def forward(self, ids: torch.Tensor, state: State | None = None) -> tuple[torch.Tensor, State]:
        """ids (T, B), state (None: zero) -> logits (T, B, V), state after the last symbol."""
        logits, after = self.read_pieces([ids], state)
        return logits.view(*ids.shape, -1), after

    def read_pieces(self, pieces: Sequence[torch.Tensor], state: State | None = None) -> tuple[torch.Tensor, State]:
        """Read pieces of ids (T, B), one after the other, where B never grows: logits (places, V), state after the last
        piece.

        Each piece continues the first rows of the piece before. The logits of all pieces are concatenated along
        `places`.
        """
        ids = _joined([piece.flatten() for piece in pieces])
        if self.embedding is not None:
            values = self.embedding(ids)
        else:
            values = nn.functional.one_hot(ids, self.inputs).to(self.output.bias.dtype)
        parts: list[tuple[torch.Tensor, ...]] = []
        for number, layer in enumerate(self.layers):
            if number:
                values = self.dropout(values)
            read, after = self._reader(layer), self._state_of(state, number)
            outputs: list[torch.Tensor] = []
            for piece, part in zip(pieces, values.split([piece.numel() for piece in pieces]), strict=True):
                if outputs:
                    after = _first_rows(after, piece.shape[1])
                output, after = read(part.view(*piece.shape, -1), after)
                outputs.append(output.flatten(0, 1))
            values = _joined(outputs)
            parts.append(after if isinstance(after, tuple) else (after,))  # type: ignore[arg-type]
        values = self.dropout(values)
        weight = (
            self.embedding.weight[: self.outputs]
            if self.config.tied and self.embedding is not None
            else self.output.weight
        )
        logits = nn.functional.linear(values, weight, self.output.bias)
        return logits, tuple(torch.cat(tensors) for tensors in zip(*parts, strict=True))

    def zero_state(self, streams: int) -> State:
        """A zero state (layers, B, H)."""
        zeros = self.output.bias.new_zeros(self.config.layers, streams, self.config.hidden_size)
        return (zeros, zeros.clone()) if self.config.cell == "lstm" else (zeros,)

    def _state_of(self, state: State | None, number: int) -> LayerState:
        if state is None:
            return None
        part = tuple(tensor[number : number + 1].contiguous() for tensor in state)
        return part if self.config.cell == "lstm" else part[0]

    @torch.no_grad()
    def _initialize(self) -> None:
        """Initialise: recurrent weights by the configuration, zero biases, open forget gates in an LSTM.

        Orthogonal: Saxe et al. 2014, a matrix for each gate. Identity: Le, Jaitly and Hinton 2015, for ReLU.
        Forget bias 1: Jozefowicz, Zaremba and Sutskever 2015.
        """
        size = self.config.hidden_size
        if self.output.bias.is_meta:
            return
        if self.config.tied and self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=size**-0.5)  # otherwise the first logits would be far from zero
        if self.config.initialization == "uniform":
            return
        for layer in self.layers:
            start_layer(layer, self.config)
        nn.init.zeros_(self.output.bias)


def _joined(parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat(parts) if len(parts) > 1 else parts[0]


def _first_rows(state: LayerState, count: int) -> LayerState:
    """The first `count` rows of a layer's state (1, B, H)."""
    assert state is not None, "a piece has been read before"
    return tuple(part[:, :count] for part in state) if isinstance(state, tuple) else state[:, :count]


@torch.no_grad()
def start_layer(layer: nn.Module, config: NetworkConfig) -> None:
    """Initialise a layer's weights in place; does nothing on the device "meta"."""
    if config.initialization == "uniform" or layer.weight_hh_l0.is_meta:
        return
    size = config.hidden_size
    for gate in layer.weight_hh_l0.split(size):  # type: ignore[operator]
        if config.initialization == "identity":
            nn.init.eye_(gate)
        else:
            nn.init.orthogonal_(gate)
    for bias in (layer.bias_ih_l0, layer.bias_hh_l0):
        nn.init.zeros_(bias)  # type: ignore[arg-type]
    if config.cell == "lstm":
        layer.bias_ih_l0[size : 2 * size] = 1.0  # type: ignore[operator]


def make_embedding(symbols: int, size: int) -> nn.Embedding:
    """An embedding with normal weights, which are not drawn on the device "meta": torch would import its compiler for
    that."""
    vectors = torch.empty(symbols, size)
    if not vectors.is_meta:
        nn.init.normal_(vectors)
    return nn.Embedding.from_pretrained(vectors, freeze=False)  # type: ignore[no-any-return,no-untyped-call]


def make_layer(config: NetworkConfig, inputs: int) -> nn.Module:
    """One recurrent layer, (T, B, inputs) -> (T, B, H), computed by torch's fused kernel."""
    if config.cell == "lstm":
        return nn.LSTM(inputs, config.hidden_size)
    if config.cell == "gru":
        return nn.GRU(inputs, config.hidden_size)
    return nn.RNN(inputs, config.hidden_size, nonlinearity="relu" if config.cell == "rnn-relu" else "tanh")


@contextmanager
def reading(network: Recurrent) -> Iterator[None]:
    """Use the network without dropout and gradients, in float32; afterwards it is as it was before."""
    training = network.training
    network.eval()
    try:
        float32 = torch.autocast(network.device.type, enabled=False)  # also within a caller's autocast
        with working(), torch.inference_mode(), float32, torch.backends.cudnn.flags(allow_tf32=False):
            yield
    finally:
        network.train(training)
