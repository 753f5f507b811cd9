"""Removes typed passwords from messages: an address may turn up anywhere, and error messages repeat it."""

import re

HIDDEN = "***"

_USER_INFORMATION = re.compile(r"([a-z][a-z0-9+.-]+:/{1,2}[^\s:/@]*):.*@", re.IGNORECASE | re.DOTALL)
"""`scheme://user:secret@`, or with one slash, as in a path; a secret may hold anything, so it ends at the last @."""

_NO_PORT = re.compile(r"([a-z][a-z0-9+.-]+:/{1,2}[^\s:/@]*):(?!\d+(?:\W|$)|\*\*\*@)[^\s:/]\S*", re.IGNORECASE)
"""`://user:secret` without its @; a port is a number."""

_PARAMETER = re.compile(
    r"""(\w*(?:password|passwd|pwd)\s*=\s*)(?:\\*(['"]).*\2|[^\s&'"]*)""", re.IGNORECASE | re.DOTALL
)
"""`password=secret`, in an address or among keywords."""


def without_passwords(message: str) -> str:
    """The message with `***` in place of every password in an address or after `password=`."""
    message = _USER_INFORMATION.sub(rf"\1:{HIDDEN}@", message)
    message = _NO_PORT.sub(rf"\1:{HIDDEN}", message)
    return _PARAMETER.sub(rf"\1{HIDDEN}", message)
