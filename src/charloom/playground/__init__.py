"""The playground: one page that the server and an exported folder share."""

from charloom.playground.folder import SITE

__all__ = ["SITE"]
