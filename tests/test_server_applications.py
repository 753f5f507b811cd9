"""What the server completes, corrects and classifies is what the commands do; and its few threads are bounded."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from fastapi import FastAPI

from charloom.server.access import host_names
from charloom.server.batching.jobs import ServerBusy
from charloom.server.metrics import Metrics
from charloom.server.registry import Models
from charloom.server.routes import errors
from charloom.server.routes.workers import Workers
from charloom.server.served import Limits
from charloom.server.service import Access, Service
from models import small_model, write_folder
from server_help import PORT, Answer, StandInEngine, ask
from tiny_runs import TinyRun, finish

CODE = "def first_word(text):\n    word = text.split()[0]\n    return wo"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "tiny"
    finish(TinyRun().begin(path))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(small_model("some text to write, say\n"), tmp_path_factory.mktemp("folders") / "small")


@pytest.fixture(scope="module")
def post(run: Path, folder: Path) -> Callable[..., Answer]:
    service = made(str(run), "english", "languages", str(folder))

    def send(path: str, **body: Any) -> Answer:
        return asyncio.run(ask(service, "POST", path, body=body))

    return send


def made(*places: str) -> Service:
    counts = Metrics()
    models = Models(places, StandInEngine, counts)
    models.load()
    api = FastAPI()
    errors.install(api)
    return Service(api, models, Access(host_names("127.0.0.1", PORT)), limits=Limits(), counts=counts, files={})


@pytest.mark.parametrize("text", ["the weather in Lon", "It was a dark and ", "", "I beleive"])
def test_words_are_completed_as_the_command_does(
    post: Callable[..., Answer], charloom: Callable[..., Any], text: str
) -> None:
    answer = post("/v1/complete", model="english", text=text, count=7)
    expected = json.loads(charloom("complete", "english", text, "--suggestions", 7, "--json").stdout)
    assert [each["text"] for each in answer.json["completions"]] == [each["text"] for each in expected]
    for one, other in zip(answer.json["completions"], expected, strict=True):
        assert one["probability"] == pytest.approx(other["probability"], rel=1e-4)
        assert one["ends"] == other["ends"]


def test_lines_identifiers_and_words_of_a_run_are_completed_as_the_command_does(
    post: Callable[..., Answer], charloom: Callable[..., Any], run: Path
) -> None:
    for model, kind, flags, text in (
        ("english", "line", ["--line"], "To be, or not"),
        ("english", "identifier", ["--syntax", "python"], CODE),
        ("tiny", "word", [], "the "),
    ):
        place = run if model == "tiny" else model
        answer = post("/v1/complete", model=model, text=text, kind=kind, count=3)
        expected = json.loads(charloom("complete", place, text, "--suggestions", 3, "--json", *flags).stdout)
        assert [each["text"] for each in answer.json["completions"]] == [each["text"] for each in expected], kind


def test_typing_on_gives_what_the_whole_text_gives(run: Path) -> None:
    for kind, text in (("word", "the text of the"), ("line", "the text of"), ("identifier", "text = file.re")):
        typing, whole = made(str(run)), made(str(run))
        for end in range(len(text) + 1):
            body = {"text": text[:end], "kind": kind}
            step = asyncio.run(ask(typing, "POST", "/v1/complete", body=body)).json["completions"]
        once = asyncio.run(ask(whole, "POST", "/v1/complete", body=body)).json["completions"]
        assert [each["text"] for each in step] == [each["text"] for each in once]
        for one, other in zip(step, once, strict=True):
            assert one["probability"] == pytest.approx(other["probability"], rel=1e-4)


def test_spelling_is_corrected_as_the_command_does(post: Callable[..., Answer], charloom: Callable[..., Any]) -> None:
    pytest.importorskip("rapidfuzz")
    text = "I beleive that he recieved teh letter. 🙂 Was it definately late?"
    answer = post("/v1/correct", model="english", text=text).json
    expected = json.loads(charloom("correct", "english", text, "--json").stdout)
    assert answer["text"] == expected["text"] and len(answer["corrections"]) >= 3
    for one, other in zip(answer["corrections"], expected["changes"], strict=True):
        assert text[one["start"] : one["end"]] == one["word"] == other["before"]
        assert (one["correction"], one["reason"]) == (other["after"], other["reason"])
    assert post("/v1/correct", model="english", text=text, confidence=1).json["corrections"] == []


def test_texts_are_classified_as_the_command_does(post: Callable[..., Answer], charloom: Callable[..., Any]) -> None:
    texts = ["Guten Morgen, wie geht es?", "", "Where is the station?"]
    answer = post("/v1/classify", texts=texts).json["predictions"]
    for text, row in zip(texts, answer, strict=True):
        expected = json.loads(charloom("classify", "predict", "languages", "--text", text, "--json", "--all").stdout)
        assert row[0]["label"] == expected["label"]
        assert len(row) == 66 and sum(each["probability"] for each in row) == pytest.approx(1)
        assert row == sorted(row, key=lambda each: -each["probability"])
    assert post("/v1/classify", text=texts[0], model="languages").json["predictions"] == answer[:1]


def test_what_a_model_cannot_do_is_a_sentence(post: Callable[..., Answer]) -> None:
    for path, body, sentence in (
        ("complete", {"model": "languages", "text": "a"}, "the model 'languages' cannot complete"),
        ("correct", {"model": "small", "text": "a"}, "the model 'small' cannot correct"),
        ("classify", {"model": "english", "text": "a"}, "the model 'english' cannot classify"),
        ("complete", {"model": "nobody", "text": "a"}, "no model is named 'nobody' here"),
        ("complete", {"model": "small", "text": "é"}, "é"),
        ("classify", {"text": "a", "texts": ["a"]}, "give either text or texts"),
        ("classify", {}, "give either text or texts"),
        ("classify", {"texts": []}, "texts"),
        ("classify", {"texts": ["a" * 20_000] * 11}, "the texts have more than 200,000 characters"),
        ("complete", {"text": "a", "kind": "page"}, "kind"),
        ("complete", {"text": "a", "cuont": 1}, "did you mean 'count'?"),
        ("complete", {"text": "\ud800"}, "text"),
        ("complete", {"text": 1}, "text"),
    ):
        answer = post(f"/v1/{path}", **body)
        assert answer.status in (400, 404) and sentence in answer.message, (path, body, answer)
        assert answer.message.count("\n") == 0


@pytest.mark.parametrize(
    ("path", "field", "most"), [("complete", "text", 20_000), ("correct", "text", 20_000), ("classify", "text", 20_000)]
)
def test_texts_are_bounded(post: Callable[..., Answer], path: str, field: str, most: int) -> None:
    model = {"complete": "small", "correct": "english", "classify": "languages"}[path]
    letter = "." if path == "correct" else "s"
    for length, status in ((most - 1, 200), (most, 200), (most + 1, 400)):
        assert post(f"/v1/{path}", model=model, **{field: letter * length}).status == status


def test_numbers_are_bounded(post: Callable[..., Answer]) -> None:
    for count, status in (
        (0, 400),
        (1, 200),
        (100, 200),
        (101, 400),
        (1.5, 400),
        (True, 400),
        ("5", 400),
        (10**400, 400),
    ):
        assert post("/v1/complete", model="small", text="so", count=count).status == status, count
    for confidence, status in ((-0.01, 400), (0, 200), (1, 200), (1.01, 400), ("1", 400)):
        assert post("/v1/correct", model="english", text="so", confidence=confidence).status == status
    for texts, status in ((["a"] * 64, 200), (["a"] * 65, 400)):
        assert post("/v1/classify", texts=texts).status == status


def test_a_replaced_model_is_prepared_again(folder: Path, tmp_path: Path) -> None:
    from charloom.server.routes.applications import Applications

    service = made(str(folder))
    models: Any = service.health._registry
    applications = Applications(models, Workers(1, 1))
    first = applications.tools(models.get("small"))
    assert applications.tools(models.get("small")) is first
    models._entries["small"] = models.read("small")
    assert applications.tools(models.get("small")) is not first
    assert len(applications._tools) <= 2


def test_workers_do_some_work_at_a_time_let_some_wait_and_refuse_the_rest() -> None:
    async def run() -> None:
        workers, go_on, begun = Workers(2, 3), threading.Event(), list[int]()

        def work(number: int) -> int:
            begun.append(number)
            go_on.wait(60)
            return number

        tasks = [asyncio.create_task(workers.run(lambda n=number: work(n))) for number in range(5)]
        while len(begun) < 2:
            await asyncio.sleep(0.001)
        with pytest.raises(ServerBusy):
            await workers.run(lambda: 0)
        tasks[4].cancel()
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(workers.run(lambda: work(5))))  # its place is free at once
        await asyncio.sleep(0)
        go_on.set()
        assert await asyncio.gather(*tasks[:4], tasks[5]) == [0, 1, 2, 3, 5]
        assert 4 not in begun
        with pytest.raises(ZeroDivisionError):
            await workers.run(lambda: 1 // 0)
        assert await workers.run(lambda: 7) == 7
        end = time.monotonic() + 10
        while workers._here and time.monotonic() < end:
            await asyncio.sleep(0.001)
        assert workers._here == 0

    asyncio.run(run())


def test_a_full_queue_is_answered_at_once_and_a_client_that_left_frees_its_place(folder: Path) -> None:
    from charloom.server.routes import applications

    async def run() -> None:
        counts = Metrics()
        models = Models([str(folder)], StandInEngine, counts)
        models.load()
        api, workers, go_on = FastAPI(), Workers(1, 1), threading.Event()
        errors.install(api)
        able = applications.Applications(models, workers)
        applications.add_routes(api, able)
        able.tools(models.get("small")).complete = lambda *_: (go_on.wait(60), [])[1]  # type: ignore[method-assign]
        body, left = {"text": "so"}, asyncio.Event()
        one = asyncio.create_task(ask(api, "POST", "/v1/complete", body=body))
        two = asyncio.create_task(ask(api, "POST", "/v1/complete", body=body, leave=left))
        while workers._here < 2:
            await asyncio.sleep(0.001)
        full = await ask(api, "POST", "/v1/complete", body=body)
        assert (full.status, full.headers["retry-after"], full.json["error"]["code"]) == (503, "1", "server_busy")
        left.set()
        await two
        assert workers._here == 1
        go_on.set()
        assert (await one).status == 200

    asyncio.run(run())
