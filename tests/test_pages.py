"""Pages show exactly the text they are given, whatever it is."""

import html
import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from charloom.plotting.pages import Page, plain

marks = st.text(st.sampled_from("ab1 \\`*_{}[]()<>#|!~&;-+=.:\"'$/"), max_size=20) | st.text(max_size=20)


def shown(page: str, tag: str) -> list[str]:
    """What a browser shows for each element of a kind."""
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]*>", "\ue000", text)) for text in found]


def printable(text: str) -> str:
    return " ".join(text.replace("\x00", "\ufffd").split())


@given(marks)
def test_a_sentence_is_shown_as_it_stands(text: str) -> None:
    page = Page("t")
    page.say(f"x {text}")
    page.say(text or "y")
    assert printable(shown(page.html(), "p")[0]) == printable(f"x {text}")
    assert "\ue000" not in "".join(shown(page.html(), "p"))


@given(st.lists(marks, min_size=2, max_size=2))
def test_a_cell_is_shown_as_it_stands(cells: list[str]) -> None:
    page = Page("t")
    page.table(["one", "two"], [cells])
    assert [printable(part) for part in shown(page.html(), "td")] == [printable(cell) for cell in cells]


@given(marks)
def test_a_block_is_shown_to_the_character(text: str) -> None:
    page = Page("t")
    page.verbatim(text)
    expected = "\n".join(re.split(r"\r\n?|\n", text.replace("\x00", "\ufffd")))
    assert shown(page.html(), "code") == [expected + "\n"]


def test_pictures_stand_in_the_page_and_beside_the_markdown() -> None:
    page = Page("a title & more")
    page.picture("loss.png", b"\x89PNG", "the loss [of it]")
    made = page.files("report")
    assert made[Path("loss.png")] == b"\x89PNG"
    assert b"![the loss \\[of it\\]](loss.png)" in made[Path("report.md")]
    assert b'src="data:image/png;base64,iVBORw=="' in made[Path("report.html")]
    assert b"http" not in made[Path("report.html")]


def test_figures_stay_readable_in_markdown() -> None:
    assert plain("1.43 nats (2.06 bits), -0.1 % of it") == "1.43 nats (2.06 bits), -0.1 % of it"
