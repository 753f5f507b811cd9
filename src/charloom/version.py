"""The version of charloom."""

__version__ = "0.1.0"
