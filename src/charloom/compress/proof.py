"""A score proved by an archive: as many bytes as its nats promise."""

import math

from charloom.compress.codec import Codec
from charloom.data.corpus import Text
from charloom.evaluation.score import Score, evaluate
from charloom.models.language_model import LanguageModel


def proof(codec: Codec, model: LanguageModel, text: Text, carried: Score) -> dict[str, float]:
    """The carried score in nats next to the bytes of the coded text, verified by decoding.

    Of a text that is several, ends that stand for no character are left out of both.
    """
    nats = evaluate(model, Text(text.data, text.characters)).nats if text.ends else carried.nats
    made = codec.compress(bytes(text.data))
    return {
        "nats": nats,
        "coded_bytes": made.coded_bytes,
        "file_bytes": len(made.data),
        "excess": made.coded_bytes * 8 * math.log(2) / nats - 1 if nats else 0.0,
    }
