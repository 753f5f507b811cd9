"""The playground: one page that the server and an exported folder share."""

from pathlib import Path

SITE = Path(__file__).with_name("site")
"""The folder of the page: static files, with `index.html` among them."""
