"""The address of a storage, parsed before any driver sees it: which parts may be shown, and which must be hidden."""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from charloom.errors import SettingsError

SCHEME = "postgresql://"

HIDDEN = "***"

_GIVE = f"give {SCHEME}USER@HOST/DATABASE, or leave it out for a file in the study's folder"


@dataclass(frozen=True)
class Address:
    """The address of a PostgreSQL database."""

    url: str = field(repr=False)
    "The address as given, secrets included: only for the driver."
    shown: str
    "User, host, port and database."
    secrets: frozenset[str] = field(repr=False)
    "Every password, in every form in which a message may quote it."

    def hide(self, message: str) -> str:
        """`message` without the address's secrets."""
        message = message.replace(self.url, self.shown)
        for secret in sorted(self.secrets, key=len, reverse=True):
            message = message.replace(secret, HIDDEN)
        return message


def parse_address(address: str) -> Address:
    """The address of a storage. Raises `SettingsError`, which never repeats a possible password.

    An address that drivers may read in different ways is refused: one of them might take part of the password for the
    host, and show it.
    """
    if not address.startswith(SCHEME):
        scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://", address)
        what = f"begins with {scheme[0]!r}" if scheme else "is not an address"
        raise SettingsError(f"storage {what}; {_GIVE}")
    rest = address.removeprefix(SCHEME)
    place, _, query = rest.partition("?")
    authority, slash, database = place.partition("/")
    if "#" in rest or rest.count("@") != authority.count("@") or authority.count("@") > 1:
        raise SettingsError(
            "storage has an @ or # inside a name, a password or a value; "
            "write @ there as %40, # as %23, / as %2F and ? as %3F, or keep the password in ~/.pgpass"
        )
    user_information, at, host = authority.rpartition("@")
    user, _, password = user_information.partition(":")
    _, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if colon and port and not port.isdecimal():
        raise SettingsError(f"storage has a port that is not a number; {_GIVE}")
    secrets = {password}
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if re.search("pass|pwd|secret|token|key", unquote_plus(key), re.IGNORECASE):
            secrets.add(value)
    forms = {form for secret in secrets for form in _forms(secret)}
    return Address(address, f"{SCHEME}{user}{at}{host}{slash}{database}", frozenset(forms - {""}))


def _forms(secret: str) -> set[str]:
    plain = {secret, unquote(secret), unquote_plus(secret)}
    encoded = {encode(each) for each in plain for encode in (quote, quote_plus)} | {
        quote(each, safe="") for each in plain
    }
    escaped = {each.replace("\\", "\\\\").replace("'", "\\'") for each in plain}  # as in keyword=value
    return plain | encoded | escaped | {repr(each)[1:-1] for each in plain}
