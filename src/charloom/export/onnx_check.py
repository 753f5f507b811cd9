"""Whether onnxruntime computes with an ONNX graph what charloom computes, where it is installed."""

import numpy as np

from charloom.errors import CharloomError
from charloom.generation.numpy_steps import Stepper
from charloom.models.model_folder import ModelArrays

ROWS, STEPS = 3, 20
"""Texts side by side, and symbols of each."""

TOLERANCE = 1e-5
"""The largest difference of logits, as a share of those above 1."""


def largest_difference(data: bytes, model: ModelArrays) -> float | None:
    """The largest difference between the logits of an ONNX file and those of charloom, over some symbols of several
    texts, in units of the larger of 1 and the logit; None without onnxruntime.

    Raises `CharloomError` if it is above `TOLERANCE`.
    """
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    rows = Stepper(model.config.network, model.weights).begin(ROWS)
    names, state = ["h", "c"][: len(rows.state)], [part.copy() for part in rows.state]
    symbols = np.random.Generator(np.random.PCG64(0)).integers(0, len(model.vocabulary), (STEPS, ROWS))
    largest = 0.0
    for step in symbols:
        logits, *state = session.run(None, {"symbol": step, **dict(zip(names, state, strict=True))})
        rows.advance(step)
        expected = rows.logits()
        largest = max(largest, float((np.abs(logits - expected) / np.maximum(1, np.abs(expected))).max()))
    if not largest <= TOLERANCE:
        raise CharloomError(
            f"onnxruntime computes other logits than charloom (they differ by {largest:.1e}); update onnxruntime"
        )
    return largest
