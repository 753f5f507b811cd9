"""Where the page lies."""

from pathlib import Path

SITE = Path(__file__).with_name("site")
"""The folder of the page: static files, with `index.html` among them."""
