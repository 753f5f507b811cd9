"""The process of a worker: it prepares once, and then answers one row after the other until its standard input ends.

Questions and answers are pickled, each after its length; they never leave the two processes, and are never stored.
"""

import os
import pickle
import queue
import struct
import sys
import threading
import traceback
from contextlib import suppress
from typing import IO, Any

from charloom.errors import CharloomError
from charloom.errors.options import named_as_flags

_LENGTH = struct.Struct("<Q")

BEGINNING = b"\xffcharloom\xfe"
"""Stands before each message. Where answers share a pipe with standard output, what others print there is skipped."""

LARGEST = 1 << 36
"""The most bytes of a message."""

MOST_SKIPPED = 1 << 20
"""The most bytes before a message."""


def send(stream: IO[bytes], data: bytes) -> None:
    """Write one message. Raises `OSError` if nobody reads."""
    stream.write(BEGINNING + _LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes:
    """Read one message. Raises `EOFError` if the stream ends before its end, or holds something else."""
    seen = _exactly(stream, len(BEGINNING))
    for _ in range(MOST_SKIPPED):
        if seen == BEGINNING:
            break
        seen = seen[1:] + _exactly(stream, 1)
    (size,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    if seen != BEGINNING or size > LARGEST:
        raise EOFError
    return _exactly(stream, size)


def serve(answers_to: int) -> None:
    """Answer the questions on standard input: the first is what to prepare, and how messages name settings; each
    further one is a row. `answers_to`: the descriptor of the pipe for answers.

    An answer is (True, result) or (False, exception). What is printed meanwhile goes to standard error.
    """
    sys.stdout.flush()
    answers = os.fdopen(os.dup(1) if answers_to == 1 else answers_to, "wb")
    os.dup2(2, 1)
    questions: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, questions), daemon=True).start()
    answer: Any = None
    flags = False
    while True:
        try:
            question = pickle.loads(questions.get())
            if answer is None:
                (prepare, flags), value = question, None
                with named_as_flags(flags):
                    answer = prepare()
            else:
                with named_as_flags(flags):
                    value = answer(question)
            reply = pickle.dumps((True, value), pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            reply = _failed(error)
        send(answers, reply)


def _listen(source: IO[bytes], questions: "queue.SimpleQueue[bytes]") -> None:
    """Take questions while the main thread computes; when there are no more, nobody asks any longer: end at once."""
    with suppress(OSError, EOFError):
        while True:
            questions.put(receive(source))
    os._exit(0)


def _failed(error: Exception) -> bytes:
    """An exception as an answer; one that cannot be pickled, by its name and text."""
    if not isinstance(error, CharloomError):
        error.add_note("in a worker process:\n" + traceback.format_exc())
    with suppress(Exception):
        data = pickle.dumps((False, error), pickle.HIGHEST_PROTOCOL)
        pickle.loads(data)
        return data
    plain = RuntimeError(f"{type(error).__name__}: {error}")
    plain.add_note("in a worker process:\n" + traceback.format_exc())
    return pickle.dumps((False, plain), pickle.HIGHEST_PROTOCOL)


def _exactly(stream: IO[bytes], size: int) -> bytes:
    parts = list[bytes]()
    while size:
        part = stream.read(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
