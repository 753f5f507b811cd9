"""Who may ask: the Host and Origin of a request, and the key.

A page on another site can make a browser send requests to a server on this machine. If it names this machine by its own
name (DNS rebinding, as in CVE-2024-28224), the browser even shows it the answers. So the Host of every request must be
a name of this server, letter by letter, and an Origin, if there is one, must be the same.
"""

import hmac
import ipaddress
import re
from collections.abc import Collection, Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from charloom.errors import SettingsError, shown
from charloom.server.refusals import refuse

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""Names by which a browser on this machine finds it, whatever a name server says."""

LONGEST_KEY = 1024
"""Most characters of a key."""

_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*|\[[0-9a-f:.]+\]")


def host_names(address: str, port: int, further: Iterable[str] = ()) -> frozenset[str]:
    """Every Host that a server on `address` answers to, in lower case.

    `further`: names such as example.org or example.org:8443; one without a port stands for the server's own port and
    for none, as behind a proxy. Raises `SettingsError` for a name that cannot be one.
    """
    own = () if is_any(address) else (_literal(address),)
    names = {f"{name}:{port}" for name in (*LOOPBACK, *own)}
    names |= {name.rpartition(":")[0] for name in names if port == 80}
    for given in further:
        name, colon, its_port = _parts(given)
        if not _NAME.fullmatch(name) or (colon and not (its_port.isdecimal() and its_port.isascii())):
            raise SettingsError(
                f"{shown(given[:100])!r} is not a host; give a name, as in example.org or example.org:8443"
            )
        names |= {f"{name}:{its_port}"} if colon else {name, f"{name}:{port}"}
    return frozenset(names)


def is_any(address: str) -> bool:
    """Whether an address stands for all addresses of this machine, as 0.0.0.0 does."""
    return address in ("", "0.0.0.0", "::")


def check_key(key: str) -> bytes:
    """The key as it is compared. Raises `SettingsError` for one that cannot be sent in a header."""
    if not 1 <= len(key) <= LONGEST_KEY or not all("!" <= character <= "~" for character in key):
        raise SettingsError(
            f"the API key cannot be used; it has 1 to {LONGEST_KEY:,} characters: ASCII letters, digits and signs, but "
            "no spaces"
        )
    return key.encode()


class KnownHosts:
    """Refuses every request whose Host is not a name of this server, or whose Origin is another site."""

    def __init__(self, app: ASGIApp, names: Collection[str], *, any_address: bool = False) -> None:
        """`names`: as `host_names` gives them; `any_address`: also the address that the client is connected to."""
        self._app, self._names, self._any_address = app, names, any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, or pass the request on."""
        objection = self.objection(scope)
        if objection:
            await refuse(send, 403, objection)
        else:
            await self._app(scope, receive, send)

    def objection(self, scope: Scope) -> str:
        """Why a request is refused; empty if it is not."""
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        if len(hosts) != 1 or not self._is_ours(hosts[0], scope):
            return "this server does not answer to that Host; allow the name with --allow-host"
        if len(origins) > 1 or any(not _same_site(origin, hosts[0]) for origin in origins):
            return "requests from pages of another site are refused"
        return ""

    def _is_ours(self, host: bytes, scope: Scope) -> bool:
        name = host.decode("latin-1").lower() if host.isascii() else ""
        if name in self._names:
            return True
        server = scope.get("server") if self._any_address else None
        if not server:
            return False
        address = _literal(server[0])
        return name == f"{address}:{server[1]}" or (server[1] == 80 and name == address)


class NeedsKey:
    """Refuses every request without the key, except for reading `open_paths`."""

    def __init__(self, app: ASGIApp, key: bytes, open_paths: Collection[str]) -> None:
        self._app, self._key, self._open_paths = app, key, open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or pass the request on."""
        if self.lets_in(scope):
            await self._app(scope, receive, send)
            return
        message = "this server needs its API key, in a header: Authorization: Bearer KEY"
        await refuse(send, 401, message, code="invalid_api_key", headers={"www-authenticate": "Bearer"})

    def lets_in(self, scope: Scope) -> bool:
        """Whether a request has the key, or needs none."""
        is_open = scope["method"] in ("GET", "HEAD") and scope["path"] in self._open_paths
        return is_open or self._has_key(scope)

    def _has_key(self, scope: Scope) -> bool:
        given = _values(scope, b"authorization")
        scheme, _, key = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        return scheme.lower() == b"bearer" and hmac.compare_digest(key.strip(b" "), self._key)


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]


def _same_site(origin: bytes, host: bytes) -> bool:
    return origin.lower() in (b"http://" + host.lower(), b"https://" + host.lower())


def _literal(address: str) -> str:
    """An address as it stands in an URL."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address.lower()
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else parsed
    return f"[{parsed}]" if mapped is None else str(mapped)


def _parts(host: str) -> tuple[str, str, str]:
    """Name, colon and port of a host, in lower case."""
    host = host.lower()
    if host.endswith("]") or ":" not in host:
        return host, "", ""
    return host.rpartition(":")
