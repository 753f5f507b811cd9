"""Output of a generated text: streamed to a terminal, or as a JSON value."""

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charloom.generation.batched_generation import Sample
    from charloom.generation.generate import Piece

FLUSH_SECONDS = 0.03
"""Seconds between two flushes: thirty a second look continuous."""


def collected(prompt: str, pieces: "Iterator[Piece]", began: float) -> "Sample":
    """All pieces of a text that was started at the monotonic time `began`, as one sample."""
    from charloom.generation.batched_generation import Sample

    written = list(pieces)
    reason = written[-1].stop_reason
    assert reason is not None, "the last piece has the reason why the text ends"
    return Sample(prompt, "".join(piece.text for piece in written), reason, time.monotonic() - began)


def stream(prompt: str, pieces: "Iterator[Piece]") -> None:
    """Print the prompt and then the text piece by piece; print nothing if the first piece already fails."""
    first = next(pieces)
    sys.stdout.write(prompt + first.text)
    sys.stdout.flush()
    shown = time.monotonic()
    try:
        for piece in pieces:
            sys.stdout.write(piece.text)
            if time.monotonic() - shown > FLUSH_SECONDS:
                sys.stdout.flush()
                shown = time.monotonic()
    finally:
        sys.stdout.flush()
    print(flush=True)
