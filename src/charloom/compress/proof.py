"""Proof of a score: an archive of as many bytes as the nats promise."""

import math

from charloom.compress.codec import Codec
from charloom.data.text import Text
from charloom.evaluation.score import Score, evaluate
from charloom.models.language_model import LanguageModel


def proof(codec: Codec, model: LanguageModel, text: Text, carried: Score) -> dict[str, float]:
    """Compare the carried score in nats with the bytes of the compressed text, which is decoded as a check.

    In a text made of several, ends that do not stand for a character are left out of both figures.
    """
    nats = evaluate(model, Text(text.data, text.characters)).nats if text.several else carried.nats
    compressed = codec.compress(bytes(piece) for piece in text.byte_pieces())
    return {
        "nats": nats,
        "coded_bytes": compressed.coded_bytes,
        "file_bytes": len(compressed.data),
        "excess": compressed.coded_bytes * 8 * math.log(2) / nats - 1 if nats else 0.0,
    }
