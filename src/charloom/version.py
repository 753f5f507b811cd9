"""The version of charloom."""

__version__ = "0.2.0"
