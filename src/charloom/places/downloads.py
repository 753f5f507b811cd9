"""What a hub answers, with bounded sizes: nothing that arrives is believed, and every failure is one sentence."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from charloom.errors import CharloomError, FolderError, MissingExtraError, shown
from charloom.places.addresses import Address
from charloom.places.endpoint import endpoint, host, offline
from charloom.storage import strict_json

LARGEST_ANSWER = 16 << 20
"""Bytes of the description of a repository."""

PIECE = 1 << 16
"""Bytes that are handed on at a time."""

Headers = Mapping[str, str]


def describe(where: Address, token: str | bool | None) -> dict[str, Any]:
    """What the hub says about the repository at this revision: its commit, and its files. Raises `FolderError`."""
    revision = quote(where.revision or "main", safe="")
    path = f"/api/models/{where.repository}/revision/{revision}?blobs=true"
    data = b"".join(_answer(where, path, LARGEST_ANSWER, token))
    try:
        said = strict_json.parse(data, f"the answer of {host()}", largest=LARGEST_ANSWER)
    except FolderError:
        raise no_hub() from None
    if not isinstance(said, dict):
        raise no_hub()
    return said


def download(where: Address, commit: str, name: str, size: int, token: str | bool | None) -> Iterator[bytes]:
    """The content of the file called `name` in pieces, never more than `size` bytes. Raises `FolderError`."""
    return _answer(where, f"/{where.repository}/resolve/{commit}/{name}", size, token)


def no_hub() -> FolderError:
    """The error for an answer that no hub gives."""
    return FolderError(f"{host()} does not answer as a model hub does; check HF_ENDPOINT, or try again later")


def _answer(where: Address, path: str, largest: int, token: str | bool | None) -> Iterator[bytes]:
    """An answer in pieces as they arrive: never unpacked, because a small piece may become a large one."""
    with hub_errors(where, f"fetching {where} (no folder here has that name) from {host()}"):
        from huggingface_hub.utils import build_hf_headers, get_session

        headers = {**build_hf_headers(token=token, library_name="charloom"), "Accept-Encoding": "identity"}
        with get_session().stream("GET", endpoint() + path, headers=headers, timeout=30) as response:
            check_status(where, response.status_code, response.headers)
            length = 0
            for piece in response.iter_raw(PIECE):
                length += len(piece)
                if length > largest:
                    raise FolderError(
                        f"{host()} sends more than the {largest:,} bytes that {path.split('?')[0]} may have; "
                        "it was discarded"
                    )
                yield piece


@contextmanager
def hub_errors(where: Address, need: str) -> Iterator[None]:
    """Turn whatever goes wrong while the block talks to the hub into one sentence; `need` says what for.

    Raises `FolderError`, and `MissingExtraError` without huggingface_hub.
    """
    if offline():
        raise FolderError(f"{need} is switched off by HF_HUB_OFFLINE; unset that")
    try:
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        raise MissingExtraError(need, "hub") from None
    try:
        yield
    except CharloomError:
        raise
    except HfHubHTTPError as error:
        check_status(where, error.response.status_code, error.response.headers)
        raise no_hub() from None
    except Exception as error:  # the library trusts answers to have a certain form
        if isinstance(error, HfHubHTTPError.__bases__):  # the HTTP library's errors
            raise FolderError(
                f"{need} failed, because it cannot be reached or the connection broke "
                f"({type(error).__name__}); check the network, then try again"
            ) from None
        reason = shown(" ".join(str(error).split())[:200])
        raise FolderError(f"{need} failed: {reason or type(error).__name__}") from None


def check_status(where: Address, status: int, headers: Headers) -> None:
    """Refuse an answer that is an error. Raises `FolderError` with what it means and what to do."""
    if status < 400:
        return
    code = headers.get("X-Error-Code", "")
    if code == "RevisionNotFound":
        raise FolderError(
            f"{where.repository} at {host()} has no revision {where.revision or 'main'!r}; check it there"
        )
    if code == "GatedRepo":
        raise FolderError(f"{host()} asks for your consent before it gives you {where.repository}; give it there")
    if status == 403:
        raise FolderError(f"{host()} does not allow you to do this with {where.repository}; check your token's rights")
    if status in (401, 404):
        raise FolderError(
            f"there is no model {where.repository} at {host()}, or your token does not let you use it, and no folder "
            "of that name here; check the name, or log in with: hf auth login"
        )
    if status == 429:
        raise FolderError(f"{host()} answers too many requests from here already; wait a while, then try again")
    raise FolderError(f"{host()} failed with status {status}; try again later")
