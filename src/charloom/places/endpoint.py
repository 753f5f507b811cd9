"""The hub to use, and whether it may be used: the variables of huggingface_hub, read when they are needed."""

import os
import re

DEFAULT = "https://huggingface.co"
_YES = ("1", "ON", "YES", "TRUE")


def endpoint() -> str:
    """The address of the hub, without a final slash."""
    return (os.environ.get("HF_ENDPOINT") or DEFAULT).rstrip("/")


def host() -> str:
    """The hub as messages name it: without scheme and password."""
    return endpoint().split("://")[-1].rpartition("@")[2][:100]


def folder_name() -> str:
    """The hub as the name of a folder."""
    return re.sub(r"[^\w.-]+", "-", host())


def offline() -> bool:
    """Whether the user has switched off the network for hubs."""
    return any(os.environ.get(name, "").upper() in _YES for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))
