"""Does an exported page write what Python writes, and how fast?

Usage: python benchmarks/web_export.py [--training 8s] [--seeds 10] [--characters 1000] [--output JSON]

Needs playwright and a Chromium. For each of the four cells a network of 1x128 is trained on the embedded corpus, and
ten seeds write 1,000 characters each in Chromium and in Python, with different sampling settings: how many texts are
equal, and where the first difference lies. Then the characters a second that the page writes, ten alternatives for each
included, with random weights of 1x512 and with `english` (1x768), the best and the median of several texts; and how
long it takes from the opened page to the first character.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

import charloom
from charloom.data.datasets import dataset
from charloom.export.web_page import export_web
from charloom.generation.speed import fresh_model
from charloom.generation.writer import Writer
from charloom.models.model_folder import ModelArrays, VocabularyRecord, model_folder
from charloom.settings import NetworkConfig
from charloom.storage import strict_json
from charloom.storage.tensor_files import pack_arrays
from machine import title

CELLS = ("lstm", "gru", "rnn-tanh", "rnn-relu")
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"temperature": 0.7},
    {"top_p": 0.9},
    {"top_k": 20, "temperature": 1.2},
    {"min_p": 0.05, "repetition_penalty": 1.2},
)
PROMPT = "The "
SPEED_TEXTS, SPEED_LENGTH = 7, 1000

WRITE = """
async (request) => {
  const { LocalBackend } = await import(new URL("local/local_backend.js", document.baseURI).href);
  window.backend ??= new LocalBackend();
  const began = performance.now();
  let text = "", first = 0;
  const onPiece = (piece) => {
    first ||= performance.now() - began;
    text += piece.text;
  };
  await backend.write(request, { onPiece });
  return { text, first: first / 1000, seconds: (performance.now() - began) / 1000 };
}
"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def page_of(browser: Browser, folder: Path) -> Iterator[Page]:
    """An empty page next to the exported model in `folder`."""
    with tempfile.TemporaryDirectory() as place:
        site = Path(place) / "site"
        export_web(folder, site, "benchmark")
        (site / "bare.html").write_text("<!doctype html><title>a page</title>")
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        page = browser.new_page()
        try:
            page.goto(f"http://127.0.0.1:{server.server_address[1]}/bare.html")
            yield page
        finally:
            page.close()
            server.shutdown()
            server.server_close()
            thread.join()


def equality(browser: Browser, cell: str, folder: Path, seeds: int, characters: int) -> dict[str, Any]:
    """How many texts of a trained model are the same, and where the others part."""
    equal, partings, writer = 0, [], Writer.load(folder)
    with page_of(browser, model_folder(folder)) as page:
        for seed in range(seeds):
            settings = SETTINGS[seed % len(SETTINGS)]
            request = {"prompt": PROMPT, "length": characters, "seed": seed, "top": 0, **settings}
            written = page.evaluate(WRITE, request)["text"]
            own = "".join(charloom.generate(writer, PROMPT, length=characters, seed=seed, **settings))
            equal += written == own
            if written != own:
                pairs = enumerate(zip(written, own, strict=False))
                partings.append({"seed": seed, "at": next(place for place, (one, other) in pairs if one != other)})
    return {"cell": cell, "texts": seeds, "characters": characters, "equal": equal, "partings": partings}


def speed(browser: Browser, name: str, folder: Path) -> dict[str, Any]:
    """Characters a second, and seconds from the request of a page without a model to its first character."""
    with page_of(browser, folder) as page:
        request = {"prompt": "", "length": SPEED_LENGTH, "top": 10}
        first = page.evaluate(WRITE, {**request, "seed": 0})["first"]
        times = [page.evaluate(WRITE, {**request, "seed": seed})["seconds"] for seed in range(1, SPEED_TEXTS + 1)]
    speeds = [SPEED_LENGTH / seconds for seconds in times]
    return {"model": name, "best": max(speeds), "median": statistics.median(speeds), "first_character": first}


def written_folder(model: ModelArrays, folder: Path) -> Path:
    """A model as a folder."""
    folder.mkdir()
    known = VocabularyRecord(model.vocabulary.kind, model.vocabulary.characters)
    (folder / "config.json").write_bytes(strict_json.dump(model.config))
    (folder / "vocabulary.json").write_bytes(strict_json.dump(known))
    (folder / "model.safetensors").write_bytes(pack_arrays(model.weights))
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--training", default="8s", help="time for each of the four networks")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--characters", type=int, default=1000)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("google-chrome")
    text = "".join(data.decode() for _, data in dataset("python-docs").read())
    report: dict[str, Any] = {"machine": title(), "equality": [], "speed": []}
    with sync_playwright() as running, tempfile.TemporaryDirectory() as place:
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        report["browser"] = browser.version
        for cell in CELLS:
            run = charloom.train(
                text,
                run=Path(place) / cell,
                time_budget=given.training,
                network=NetworkConfig(cell=cell, hidden_size=128, layers=1, embedding_size=32),  # type: ignore[arg-type]
                origin=None,
            )
            report["equality"].append(equality(browser, cell, run.path, given.seeds, given.characters))
            print(report["equality"][-1], flush=True)
        large = fresh_model(NetworkConfig(hidden_size=512, layers=1)).arrays()
        folders = {"lstm 1x512": written_folder(large, Path(place) / "large"), "english": model_folder("english")}
        for name, folder in folders.items():
            report["speed"].append(speed(browser, name, folder))
            print(report["speed"][-1], flush=True)
        browser.close()
    if given.output:
        given.output.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
