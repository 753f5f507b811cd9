"""The exported folder in a real browser, on a static host that allows nothing from elsewhere."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import charloom
from charloom.export.web_page import export_web
from charloom.settings import Cell
from chromium import browser, static_host
from conftest import CELLS
from models import small_model, write_folder

TEXT = "The quick brown fox; ünï — 😀 jumps over 13 lazy dogs.\nAnd again!\n"

ASK = """
async ({ call, request, alone }) => {
  const address = new URL("local/local_backend.js", document.baseURI).href;
  const { LocalBackend } = await import(address);
  if (alone) window.backend = undefined;
  const backend = (window.backend ??= new LocalBackend());
  const made = { text: "", characters: [] };
  const onPiece = (piece) => {
    made.text += piece.text ?? "";
    made.characters.push(...(piece.characters ?? piece));
  };
  try {
    const answer = await backend[call](request, { onPiece });
    return { ...made, answer };
  } catch (error) {
    return { ...made, error: `${error.constructor.name}: ${error.message}` };
  }
}
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[[Path], Any]]:
    """Opens an exported folder as a page without anything on it; whatever the browser complains about fails the
    test."""
    complaints: list[str] = []
    with ExitStack() as open_things:

        def page_of(site: Path) -> Any:
            (site / "bare.html").write_text("<!doctype html><title>a page</title>")
            page = open_things.enter_context(chromium.new_page())
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(open_things.enter_context(static_host(site)) + "bare.html")
            return page

        yield page_of
    assert complaints == []


def exported(model: Any, tmp_path: Path, name: str = "tiny") -> Path:
    folder = write_folder(model, tmp_path / f"{name}-model")
    export_web(folder, tmp_path / name, name)
    return tmp_path / name


def ask(page: Any, call: str, *, alone: bool = False, **request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = page.evaluate(ASK, {"call": call, "request": request, "alone": alone})
    return answer


def assert_writes_the_same(page: Any, model: Any, *, seeds: int, length: int) -> None:
    for seed in range(seeds):
        written = ask(page, "write", prompt="The ", length=length, seed=seed, stop=[], draws=0, top=5)
        assert written.get("error") is None
        assert written["text"] == "".join(charloom.generate(model, "The ", length=length, seed=seed))
        assert "".join(character["text"] for character in written["characters"]) == written["text"]


@pytest.mark.parametrize("cell", CELLS)
def test_a_seed_writes_the_same_text_in_a_browser(cell: Cell, opened: Callable[[Path], Any], tmp_path: Path) -> None:
    kind = "bytes" if cell in ("gru", "rnn-relu") else "characters"
    model = small_model(TEXT, cell, kind=kind)
    page = opened(exported(model, tmp_path))
    (described,) = ask(page, "models")["answer"]
    assert (described["id"], described["cell"], described["layers"]) == ("tiny", cell, 2)
    assert_writes_the_same(page, model, seeds=2, length=300)


def test_the_page_itself_writes_what_python_writes(opened: Callable[[Path], Any], tmp_path: Path) -> None:
    model = small_model(TEXT)
    page = opened(exported(model, tmp_path))
    page.goto(page.url.removesuffix("bare.html"))
    page.get_by_label("Begin with").fill("The ")
    page.get_by_label("Speed").fill("4")
    page.get_by_label("Length").fill("100")
    page.get_by_role("button", name="Write", exact=True).first.click()
    shown = page.locator(".prose .character")
    shown.nth(99).wait_for(timeout=20_000)
    written = "".join({"↵\n": "\n"}.get(text, text) for text in shown.all_text_contents())
    assert written == "".join(charloom.generate(model, "The ", length=100, seed=4, temperature=0.7))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["characters", "bytes"])
@pytest.mark.parametrize("cell", CELLS)
def test_ten_seeds_write_the_same_thousand_characters(
    cell: Cell, kind: str, opened: Callable[[Path], Any], tmp_path: Path
) -> None:
    model = small_model(TEXT, cell, kind=kind, layers=1, hidden_size=128)
    assert_writes_the_same(opened(exported(model, tmp_path)), model, seeds=10, length=1000)


def test_two_texts_at_once_are_those_written_alone(opened: Callable[[Path], Any], tmp_path: Path) -> None:
    model = small_model(TEXT)
    page = opened(exported(model, tmp_path))
    together = page.evaluate(
        f"(requests) => Promise.all(requests.map({ASK}))",
        [{"call": "write", "request": {"prompt": "Th", "length": 3000, "seed": seed, "top": 0}} for seed in (1, 2)],
    )
    alone = ["".join(charloom.generate(model, "Th", length=3000, seed=seed)) for seed in (1, 2)]
    assert [written["text"] for written in together] == alone


def test_a_request_that_is_given_up_ends_at_once_and_the_next_is_answered(
    opened: Callable[[Path], Any], tmp_path: Path
) -> None:
    model = small_model(TEXT)
    page = opened(exported(model, tmp_path))
    ask(page, "models")
    outcome = page.evaluate(
        """async () => {
          const leaving = new AbortController();
          const endless = { prompt: "", length: 1e9, seed: 1 };
          const onPiece = () => leaving.abort();
          const { signal } = leaving;
          const outcome = await backend.write(endless, { signal, onPiece }).catch((error) => error.name);
          const late = await backend.write(endless, { signal }).catch((error) => error.name);
          return [outcome, late];
        }"""
    )
    assert outcome == ["AbortError", "AbortError"]
    assert_writes_the_same(page, model, seeds=1, length=50)


def test_the_worker_rests_after_a_request_was_given_up(opened: Callable[[Path], Any], tmp_path: Path) -> None:
    """It takes turns between writing and its messages: one that wrote on would send a piece for each question."""
    page = opened(exported(small_model(TEXT), tmp_path))
    answers, messages = page.evaluate(
        """async () => {
          const Before = Worker;
          let messages = 0;
          window.Worker = class extends Before {
            constructor(...given) {
              super(...given);
              this.addEventListener("message", () => (messages += 1));
            }
          };
          const { LocalBackend } = await import(new URL("local/local_backend.js", document.baseURI).href);
          const [backend, leaving] = [new LocalBackend(), new AbortController()];
          const listeners = { signal: leaving.signal, onPiece: () => leaving.abort() };
          await backend.write({ prompt: "", length: 1e9 }, listeners).catch(() => {});
          await backend.models();
          messages = 0;
          const answers = 10;
          for (let asked = 0; asked < answers; asked += 1) await backend.models();
          return [answers, messages];
        }"""
    )
    assert answers <= messages <= answers + 1  # and the last word of the request that was given up


def test_a_text_is_scored_and_units_are_shown(opened: Callable[[Path], Any], tmp_path: Path) -> None:
    page = opened(exported(small_model(TEXT), tmp_path))
    scored = ask(page, "score", text=TEXT, top=3)
    assert [one["text"] for one in scored["characters"]] == list(TEXT)
    units = page.evaluate(
        "async (text) => { const found = await backend.activity({ text, layer: 0, units: [4] }, {});"
        "return [found.units, found.values[0] instanceof Float32Array, found.values[0].length]; }",
        TEXT,
    )
    assert units == [[4], True, len(TEXT)]


def test_bad_requests_get_a_sentence(opened: Callable[[Path], Any], tmp_path: Path) -> None:
    page = opened(exported(small_model(TEXT), tmp_path))
    for call, request, words in (
        ("write", {"prompt": "щ"}, "U+0449"),
        ("write", {"prompt": "", "temperature": 0}, "temperature is 0"),
        ("write", {"prompt": "", "top_p": 7}, "top-p is 7"),
        ("write", {"prompt": "", "stop": [""]}, "stop string is empty"),
        ("write", {"prompt": "", "seed": -1}, "seed is -1"),
        ("write", {"prompt": "", "length": 1.5}, "whole number"),
        ("score", {"text": "", "top": 3}, "no text"),
        ("activity", {"text": "The", "layer": 7, "units": None}, "no layer 7"),
        ("activity", {"text": "The", "layer": 0, "units": [12]}, "no unit 12"),
    ):
        error = ask(page, call, **request)["error"]
        assert error.startswith("BackendError: ") and error.endswith(".") and words in error, error


def test_a_damaged_folder_gets_a_sentence_and_is_read_again_when_it_is_whole(
    opened: Callable[[Path], Any], tmp_path: Path
) -> None:
    model = small_model(TEXT)
    site = exported(model, tmp_path)
    page = opened(site)
    for name, damage in (
        ("config.json", None),
        ("config.json", b"{}"),
        ("config.json", b"nothing"),
        ("vocabulary.json", None),
        ("vocabulary.json", json.dumps({"kind": "characters", "characters": "ba"}).encode()),
        ("vocabulary.json", json.dumps({"kind": "bytes", "characters": ""}).encode()),
        ("model.safetensors", None),
        ("model.safetensors", b""),
        ("model.safetensors", (site / "model" / "model.safetensors").read_bytes()[:-1]),
        ("local/worker.js", b"this is no script"),
    ):
        path = site / ("" if name.endswith(".js") else "model") / name
        before = path.read_bytes()
        path.unlink() if damage is None else path.write_bytes(damage)
        error = ask(page, "models", alone=True)["error"]
        assert error.startswith("BackendError: ") and error.endswith("."), (name, error)
        path.write_bytes(before)
    assert_writes_the_same(page, model, seeds=1, length=50)
    assert ask(page, "models", alone=True)["answer"][0]["id"] == "tiny"
