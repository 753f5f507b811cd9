"""A document of sentences, tables and pictures: Markdown with picture files, and a self-contained HTML page."""

import base64
import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid #8886; vertical-align: top; }
img { max-width: 100%; background: white; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8882; padding: .8rem; }
"""


class Page:
    """A document that grows from top to bottom. Its texts may hold any characters: markup is escaped."""

    def __init__(self, title: str) -> None:
        self.title, self.pictures = title, dict[str, bytes]()
        "PNG pictures by file name."
        self._parts: list[str] = []
        self.heading(title, 1)

    def heading(self, text: str, level: int = 2) -> None:
        """A heading."""
        self._parts.append(f"{'#' * level} {plain(text)}")

    def say(self, sentences: str) -> None:
        """A paragraph."""
        self._parts.append(plain(sentences))

    def table(self, names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table with a head."""
        lines = [[plain(cell).replace("|", "\\|") for cell in row] for row in (names, *rows)]
        lines.insert(1, ["---"] * len(names))
        self._parts.append("\n".join(f"| {' | '.join(row)} |" for row in lines))

    def verbatim(self, text: str) -> None:
        """A block of preformatted text, with its line breaks."""
        text = re.sub(r"\r\n?", "\n", text)
        fence = "```"
        while fence in text:
            fence += "`"
        self._parts.append(f"{fence}\n{text}\n{fence}")

    def picture(self, name: str, png: bytes, description: str) -> None:
        """A picture, stored next to the document as `name`; the description is for readers who cannot see it."""
        self.pictures[name] = png
        self._parts.append(f"![{plain(description)}]({name})")

    def markdown(self) -> str:
        """The page as Markdown; pictures are links to files."""
        return "\n\n".join(self._parts) + "\n"

    def html(self) -> str:
        """The same as HTML, with embedded pictures."""
        from markdown_it import MarkdownIt

        body = MarkdownIt("commonmark", {"html": False}).enable("table").render(self.markdown())
        for name, png in self.pictures.items():
            body = body.replace(f'src="{name}"', f'src="data:image/png;base64,{base64.b64encode(png).decode()}"')
        return (
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(self.title)}</title><style>{STYLE}</style></head>\n<body>\n{body}</body></html>\n"
        )

    def files(self, name: str) -> dict[Path, bytes]:
        """All files of the document, including `name`.md and `name`.html."""
        made = {Path(picture): png for picture, png in self.pictures.items()}
        return made | {Path(f"{name}.md"): self.markdown().encode(), Path(f"{name}.html"): self.html().encode()}


def plain(text: str) -> str:
    """Text on one line, with everything special to Markdown escaped."""
    marked = re.sub(r"[\\`*_{}\[\]<#~&]", lambda match: "\\" + match.group(), " ".join(text.split()))
    return re.sub(r"^(\d+(?=[.)](?:\s|$))|(?=[-+=>]))", r"\1\\", marked)  # otherwise a list, a rule or a quotation
