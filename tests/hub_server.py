"""A model hub on this machine: the few routes that fetching and uploading use, and the ways in which they can fail."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

MAIN = "main"


@dataclass
class Repository:
    """A repository: its commits, each with its files by their names, and what its branches and tags mean."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    private: bool = False

    def commit(self, files: dict[str, bytes], reference: str = MAIN) -> str:
        """Add a commit with these files and no others; gives its name."""
        sums = {name: hashlib.sha1(data).hexdigest() for name, data in files.items()}
        summary = json.dumps([len(self.commits), sums])
        name = hashlib.sha1(summary.encode()).hexdigest()
        self.commits[name] = dict(files)
        self.references[reference] = name
        return name


@dataclass
class Hub:
    """What the server knows and what it was asked."""

    address: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    token: str | None = None
    "What a caller must send for private repositories and for uploads."
    requests: list[str] = field(default_factory=list)
    "Method and path of each request."
    status: dict[str, int] = field(default_factory=dict)
    "Answers with this status if the path contains the key."
    listing: Callable[[dict[str, Any]], Any] = lambda said: said
    "Changes the description of a repository before it is sent."
    body: Callable[[str, bytes], bytes] = lambda name, data: data
    "Changes the content of a file before it is sent."
    promised: Callable[[int], int] = lambda size: size
    "The Content-Length of a file that has this size."
    large: frozenset[str] = frozenset({"model.safetensors", "n-grams.safetensors"})
    "Files that are stored by their SHA-256."
    stored: dict[str, bytes] = field(default_factory=dict)
    "Uploaded contents by their SHA-256."
    created: list[dict[str, Any]] = field(default_factory=list)
    proposals: int = 0

    def repository(self, name: str) -> Repository:
        return self.repositories.setdefault(name, Repository())

    def asked(self, part: str) -> int:
        """How many requests contain `part`."""
        return sum(part in request for request in self.requests)


@contextmanager
def hub() -> Iterator[Hub]:
    """A running hub."""
    known = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": known}))
    server.daemon_threads = True
    known.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self._handle("GET")

    def do_POST(self) -> None:
        self._handle("POST")

    def do_PUT(self) -> None:
        self._handle("PUT")

    def _handle(self, method: str) -> None:
        path = urlsplit(self.path).path
        self.hub.requests.append(f"{method} {self.path}")
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        forced = next((status for part, status in self.hub.status.items() if part in path), None)
        if forced is not None:
            self._error(forced)
            return
        for verb, pattern, action in _ROUTES:
            found = re.fullmatch(pattern, path)
            if verb == method and found:
                action(self, *map(unquote, found.groups()), data)
                return
        self._error(404)

    def _authorised(self) -> bool:
        return self.hub.token is None or self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _known(self, name: str) -> Repository | None:
        known = self.hub.repositories.get(name)
        if known is None or (known.private and not self._authorised()):
            self._error(401, "RepoNotFound")
            return None
        return known

    def _describe(self, name: str, revision: str, _: bytes) -> None:
        known = self._known(name)
        if known is None:
            return
        commit = known.references.get(revision, revision)
        if not known.commits and revision == MAIN:  # created, and still empty
            self._json({"id": name, "private": known.private, "siblings": []})
            return
        if commit not in known.commits:
            self._error(404, "RevisionNotFound")
            return
        siblings = [self._entry(*item) for item in known.commits[commit].items()]
        self._json(self.hub.listing({"id": name, "sha": commit, "private": known.private, "siblings": siblings}))

    def _entry(self, name: str, data: bytes) -> dict[str, Any]:
        git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        entry: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": git}
        if name in self.hub.large:
            sha256 = hashlib.sha256(data).hexdigest()
            entry |= {"blobId": "0" * 40, "lfs": {"sha256": sha256, "size": len(data), "pointerSize": 130}}
        return entry

    def _file(self, name: str, commit: str, file: str, _: bytes) -> None:
        known = self._known(name)
        if known is None:
            return
        if file in self.hub.large:  # as on the real hub, another machine has them
            self.send_response(302)
            self.send_header("Location", f"{self.hub.address}/stored/{name}/{commit}/{file}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._content(name, commit, file, b"")

    def _content(self, name: str, commit: str, file: str, _: bytes) -> None:
        data = self.hub.body(file, self.hub.repositories[name].commits[commit][file])
        self.send_response(200)
        self.send_header("Content-Length", str(self.hub.promised(len(data))))
        self.end_headers()
        try:
            self.wfile.write(data)
        except ConnectionError:  # the reader has had enough
            self.close_connection = True

    def _create(self, data: bytes) -> None:
        if not self._authorised():
            self._error(401)
            return
        asked = json.loads(data)
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.hub.repositories:
            self._json({"error": "it exists", "url": f"{self.hub.address}/{name}"}, 409)
            return
        self.hub.created.append(asked)
        self.hub.repository(name).private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self._json({"url": f"{self.hub.address}/{name}", "name": name, "id": name})

    def _validate(self, data: bytes) -> None:
        self._json({"warnings": [], "errors": []})

    def _modes(self, name: str, revision: str, data: bytes) -> None:
        files = [
            {
                "path": each["path"],
                "uploadMode": "lfs" if each["path"] in self.hub.large else "regular",
                "shouldIgnore": False,
            }
            for each in json.loads(data)["files"]
        ]
        self._json({"files": files})

    def _batch(self, name: str, data: bytes) -> None:
        objects = [
            {**each, "actions": {"upload": {"href": f"{self.hub.address}/store/{each['oid']}"}}}
            for each in json.loads(data)["objects"]
        ]
        self._json({"transfer": "basic", "objects": objects})

    def _store(self, oid: str, data: bytes) -> None:
        assert hashlib.sha256(data).hexdigest() == oid
        self.hub.stored[oid] = data
        self._json({})

    def _commit(self, name: str, revision: str, data: bytes) -> None:
        if not self._authorised():
            self._error(403)
            return
        known = self.hub.repositories[name]
        if revision != MAIN and revision not in known.references:
            self._error(404, "RevisionNotFound")
            return
        files = dict(known.commits.get(known.references.get(revision, ""), {}))
        for line in map(json.loads, data.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.stored[value["oid"]]
        proposed = "create_pr=1" in self.path
        self.hub.proposals += proposed
        commit = known.commit(files, f"refs/pr/{self.hub.proposals}" if proposed else revision)
        url = f"{self.hub.address}/{name}"
        self._json(
            {"commitUrl": f"{url}/commit/{commit}", "commitOid": commit, "pullRequestUrl": f"{url}/discussions/1"}
        )

    def _json(self, value: Any, status: int = 200) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _error(self, status: int, code: str | None = None) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        data = json.dumps({"error": "refused"}).encode()
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


_NAME = "([^/]+/[^/]+)"
_ROUTES: list[tuple[str, str, Callable[..., None]]] = [
    ("GET", f"/api/models/{_NAME}", lambda handler, name, data: handler._describe(name, MAIN, data)),
    ("GET", f"/api/models/{_NAME}/revision/([^/]+)", _Handler._describe),
    ("GET", f"/{_NAME}/resolve/([0-9a-f]+)/(.+)", _Handler._file),
    ("GET", f"/stored/{_NAME}/([0-9a-f]+)/(.+)", _Handler._content),
    ("POST", "/api/repos/create", _Handler._create),
    ("POST", "/api/validate-yaml", _Handler._validate),
    ("POST", f"/api/models/{_NAME}/preupload/([^/]+)", _Handler._modes),
    ("POST", rf"/{_NAME}\.git/info/lfs/objects/batch", _Handler._batch),
    ("PUT", "/store/([0-9a-f]+)", _Handler._store),
    ("POST", f"/api/models/{_NAME}/commit/([^/]+)", _Handler._commit),
]
