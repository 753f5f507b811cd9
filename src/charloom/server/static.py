"""The page and its files, read once and kept in memory."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from charloom.playground import SITE

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""What is served; a file with another ending is not."""

POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What the page may load: nothing from elsewhere, and no script or style within the HTML."""

_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}
"""`no-cache`: a browser keeps a file, and asks each time whether it is still the same."""


@dataclass(frozen=True)
class StaticFile:
    """A file as it is sent."""

    data: bytes
    media_type: str
    tag: str
    "Its ETag."


def static_files(folder: Path = SITE) -> dict[str, StaticFile]:
    """The files of the page by their path on the server; "/" is index.html, if there is one."""
    files = dict[str, StaticFile]()
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.suffix in MEDIA_TYPES and path.is_file():
            data = path.read_bytes()
            tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
            files[f"/{path.relative_to(folder).as_posix()}"] = StaticFile(data, MEDIA_TYPES[path.suffix], tag)
    if "/index.html" in files:
        files["/"] = files["/index.html"]
    return files


def routes(files: Mapping[str, StaticFile]) -> list[Route]:
    """A route for each file."""

    async def send(request: Request) -> Response:
        file = files[request.scope["path"]]
        headers = {**_HEADERS, "etag": file.tag}
        wanted = request.headers.get("if-none-match", "")
        if file.tag in (tag.strip().removeprefix("W/") for tag in wanted.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(file.data, headers={**headers, "content-type": file.media_type})

    return [Route(path, send, methods=["GET"], include_in_schema=False) for path in files]
