"""charloom serve"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from charloom.errors import CharloomError, MissingExtraError, SettingsError

if TYPE_CHECKING:
    from charloom.server.process import Server

KEY_VARIABLE = "CHARLOOM_API_KEY"


def serve(
    *runs: str,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_key: str | None = None,
    api_key_file: Path | None = None,
    allow_host: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    rows: int = 64,
    queue: int = 128,
    longest_text: int = 100_000,
    longest_prompt: int = 65_536,
    quiet: bool = False,
) -> None:
    """Serve models over HTTP, with a page on which one watches them write.

    Programs ask as they ask OpenAI's servers: base address http://127.0.0.1:8000/v1, see /docs. Ctrl-C lets running
    requests end for five seconds. Needs the extra serve: pip install 'charloom[serve]'.

    Parameters
    ----------
    runs
        Runs, model folders, packed runs, models on a hub (OWNER/NAME), or ready-made models: english, languages. Each
        is served by its name; when a run is trained further, its better model takes over.
    host
        The address to listen on. Any other than this machine's own (127.0.0.1) needs a key.
    port
        The port to listen on; 0 for any free one.
    api_key
        The key that requests must bring (Authorization: Bearer KEY). Other users of this machine can see it in the list
        of processes: better give --api-key-file, or the variable CHARLOOM_API_KEY.
    api_key_file
        A file whose first line is the key.
    allow_host
        A further name of this server, as in example.org or example.org:8443, for a proxy in front of it; may be given
        several times.
    rows
        Texts that are written side by side, for each model.
    queue
        Texts that may wait for a row, for each model; more are refused at once.
    longest_text
        Most characters that a request may let a model write.
    longest_prompt
        Most characters of a prompt, or of a text to score.
    quiet
        Do not log requests.
    """
    from charloom.cli.output import say
    from charloom.interruption import Interrupted

    if not runs:
        raise SettingsError("there is no model to serve; name a run, or a ready-made model: charloom serve english")
    key = _key(api_key, api_key_file)
    try:
        from charloom.server.serving import Wishes, prepare
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("fastapi", "starlette", "pydantic", "uvicorn", "h11"):
            raise MissingExtraError("serving models", "serve") from None
        raise
    wishes = Wishes(
        host, port, key, tuple(allow_host), rows, queue, longest_text, longest_prompt, log_requests=not quiet
    )
    with prepare(runs, wishes) as serving:
        for line in serving.lines():
            say(line)
        server: Server = serving.run()
    if server.failure is not None:
        raise server.failure
    if server.signal is not None:
        raise Interrupted(server.signal)


def _key(given: str | None, file: Path | None) -> str | None:
    """The key from the flag, the file, or the variable. Raises `CharloomError`; the message never contains it."""
    if given is not None and file is not None:
        raise SettingsError("give --api-key or --api-key-file, not both")
    if given is not None:
        return given
    if file is None:
        return os.environ.get(KEY_VARIABLE) or None
    try:
        with file.open(encoding="utf-8") as opened:
            line = opened.readline(4096).strip()
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is not text"
        raise SettingsError(f"{file} cannot be read: {reason.lower()}; check the path") from None
    if not line:
        raise CharloomError(f"{file} has no key in its first line; write one there")
    return line
