"""Public clients against a real server: what they get is what the library writes and measures."""

import asyncio
import contextlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from charloom.evaluation.score import evaluate, surprisal
from charloom.generation.generate import generate
from models import small_model

pytest.importorskip("uvicorn")

from live_server import Live, serving

ROOT = Path(__file__).resolve().parents[1]
MODELS: dict[str, Any] = {}


@pytest.fixture(scope="module")
def models(docs_text: str) -> None:
    text = docs_text[20_000:21_200]
    MODELS["docs"] = small_model(docs_text, seed=1, sharpness=1.0)
    MODELS["bytes"] = small_model(text, kind="bytes", seed=2, sharpness=1.0)
    MODELS["lines"] = small_model(text, documents="lines", seed=3, sharpness=1.0)


@pytest.fixture(scope="module")
def live(models: None) -> Iterator[Live]:
    with serving(MODELS) as server:
        yield server


def written(prompt: str, length: int, seed: int, model: str = "docs", **sampling: Any) -> str:
    return "".join(generate(MODELS[model], prompt, length=length, seed=seed, **sampling))


def test_the_openai_package_gets_texts_streams_and_errors(live: Live) -> None:
    openai = pytest.importorskip("openai")
    with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == list(MODELS)
        assert client.models.retrieve("docs").id == "docs"
        whole = client.completions.create(model="docs", prompt="The ", max_tokens=30, seed=1, logprobs=2, n=2)
        assert [choice.text for choice in whole.choices] == [written("The ", 30, 1), written("The ", 30, 2)]
        assert whole.usage.completion_tokens == 60
        assert "".join(whole.choices[0].logprobs.tokens) == whole.choices[0].text
        pieces = client.completions.create(
            model="docs", prompt="The ", max_tokens=30, seed=1, stream=True, stream_options={"include_usage": True}
        )
        chunks = list(pieces)
        assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == written("The ", 30, 1)
        assert chunks[-1].usage.total_tokens == 34
        more = client.completions.create(model="docs", prompt="The ", max_tokens=9, seed=1, extra_body={"top_k": 3})
        assert more.choices[0].text == written("The ", 9, 1, top_k=3)
        with pytest.raises(openai.BadRequestError, match="temperature is -1") as refused:
            client.completions.create(model="docs", prompt="The ", temperature=-1)
        assert refused.value.param == "temperature"
        with pytest.raises(openai.NotFoundError, match="no model is named 'dogs' here; did you mean 'docs'"):
            client.completions.create(model="dogs", prompt="The ")


def test_the_openai_package_gets_the_same_asynchronously(live: Live) -> None:
    openai = pytest.importorskip("openai")

    async def several() -> tuple[list[str], str]:
        async with openai.AsyncOpenAI(base_url=f"{live.url}/v1", api_key="none") as client:
            answers = await asyncio.gather(
                *(client.completions.create(model="docs", prompt="A", max_tokens=20, seed=seed) for seed in range(9))
            )
            text = ""
            async for chunk in await client.completions.create(
                model="docs", prompt="A", max_tokens=20, seed=3, stream=True
            ):
                text += chunk.choices[0].text
            return [answer.choices[0].text for answer in answers], text

    texts, streamed = asyncio.run(several())
    assert texts == [written("A", 20, seed) for seed in range(9)]
    assert streamed == texts[3]


def test_an_error_within_a_stream_reaches_the_openai_package(models: None) -> None:
    openai = pytest.importorskip("openai")
    from charloom.errors import NotFiniteError

    with serving({"docs": MODELS["docs"]}, plain={"pause": 0.001}) as live:
        with openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0) as client:
            stream = iter(client.completions.create(model="docs", prompt="A", max_tokens=100_000, stream=True))
            next(stream)
            live.engine("docs").failure = NotFiniteError()
            with pytest.raises(openai.APIError, match="not a finite number"):
                list(stream)
        live.eventually(lambda: live.engine("docs").running == 0)


def test_curl_shows_a_stream_as_it_comes(live: Live) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    body = json.dumps({"model": "docs", "prompt": "The ", "max_tokens": 20, "seed": 5, "stream": True})
    command = ["curl", "-sS", "-N", f"{live.url}/v1/completions", "--json", body]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    text = "".join(json.loads(line.removeprefix("data: "))["choices"][0]["text"] for line in lines[:-2])
    assert text == written("The ", 20, 5)


HARNESSED = ("docs", "bytes")

HARNESS = """
import json, sys
import lm_eval
from lm_eval.tasks import TaskManager

folder, *servers = sys.argv[1:]
tasks = TaskManager(include_path=folder, include_defaults=False)
for server in servers:
    model, url = server.split("=")
    for tokenized in (True, False):
        found = lm_eval.simple_evaluate(
            model="local-completions",
            model_args={"model": model, "base_url": f"{url}/v1/completions", "max_length": 258, "num_concurrent": 2,
                        "tokenized_requests": tokenized},
            tasks=["texts", "choices"], task_manager=tasks, bootstrap_iters=0, log_samples=True,
        )
        samples = [[response[0] for response in sample["filtered_resps"]] for sample in found["samples"]["choices"]]
        greedy = [[response[1] for response in sample["filtered_resps"]] for sample in found["samples"]["choices"]]
        bits = found["results"]["texts"]["bits_per_byte,none"]
        rolling = [sample["filtered_resps"][0] for sample in found["samples"]["texts"]]
        print("RESULT", json.dumps([model, tokenized, bits, rolling, samples, greedy]))
"""

CHOICES = """
task: choices
dataset_path: json
dataset_kwargs: {data_files: {test: texts.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: 0
target_delimiter: ""
metric_list: [{metric: acc}]
"""


@pytest.fixture(scope="module")
def harness(
    models: None, docs_text: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, bool], list[Any]]:
    """What the evaluation harness finds, by model and by whether it sends ids; and the documents.

    It asks for the tokenizer without the name of a model, so each model has a server of its own.
    """
    pytest.importorskip("lm_eval")
    folder = tmp_path_factory.mktemp("harness")
    pages = [docs_text[first:last].strip() for first, last in ((20_000, 20_700), (20_700, 20_850), (20_851, 21_364))]
    ends = [
        len(page[:40].rstrip()) for page in pages
    ]  # the harness takes spaces at the end of a question for a choice's
    documents = [
        {"page": page, "question": page[:end], "choices": [page[end : end + 20], page[30:33], "e"]}
        for page, end in zip(pages, ends, strict=True)
    ]
    (folder / "texts.jsonl").write_text("".join(json.dumps(document) + "\n" for document in documents))
    page = (ROOT / "docs" / "how-to" / "serve.md").read_text("utf-8")
    (rolling,) = re.findall(r"```yaml\n(task: texts.*?)```", page, re.DOTALL)
    for name, task in (("texts.yaml", rolling), ("choices.yaml", CHOICES)):
        (folder / name).write_text(task)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder / "home")}
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(serving({name: MODELS[name]})) for name in HARNESSED}
        done = subprocess.run(
            [sys.executable, "-c", HARNESS, str(folder), *(f"{name}={one.url}" for name, one in servers.items())],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    results = [
        json.loads(line.removeprefix("RESULT ")) for line in done.stdout.splitlines() if line.startswith("RESULT ")
    ]
    found = {(model, tokenized): [*rest, documents] for model, tokenized, *rest in results}
    assert len(found) == 2 * len(HARNESSED)
    return found


def window_nats(model: Any, text: str, size: int) -> float:
    """A text cut into windows of `size` symbols as the harness cuts it, each read from a zero state.

    Before a window it reads one symbol, and before the last as many as complete it.
    """
    import torch

    ids, nats = model.vocabulary.encode(text).astype(int).tolist(), 0.0
    for first in range(0, len(ids), size):
        window = ids[first : first + size]
        before = ids[first - (size - len(window)) - 1 : first] if first else [model.vocabulary.boundary]
        with torch.no_grad():
            logits, _ = model.network(torch.tensor([before + window[:-1]]).T, None)
        logs = torch.log_softmax(logits[-len(window) :, 0].double(), -1)
        nats -= float(logs[range(len(window)), window].sum())
    return nats


@pytest.mark.parametrize("model", HARNESSED)
def test_the_harness_measures_our_own_figure_on_the_same_windows(
    harness: dict[tuple[str, bool], list[Any]], model: str
) -> None:
    """A text of whole windows has the figure of `charloom evaluate --context`; `max_length` is two more."""
    bits, rolling, *_, documents = harness[model, True]
    pages = [document["page"] for document in documents]
    network, sizes = MODELS[model], [len(page.encode()) for page in pages]
    nats = [window_nats(network, page, 256) for page in pages]
    assert bits == pytest.approx(sum(nats) / sum(sizes) / math.log(2), abs=1e-4)
    assert rolling == pytest.approx([-each for each in nats], abs=1e-3)
    assert sizes[2] == 512
    fresh = evaluate(network, pages[2], context=256).bits_per_byte
    assert -rolling[2] / 512 / math.log(2) == pytest.approx(fresh, abs=1e-4)
    whole = evaluate(network, pages[1]).bits_per_byte
    assert -rolling[1] / sizes[1] / math.log(2) == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize("model", HARNESSED)
def test_the_harness_ranks_choices_by_their_log_probability(
    harness: dict[tuple[str, bool], list[Any]], model: str
) -> None:
    """A prompt of ids is read exactly as it is, one of text from the boundary on."""
    _, _, samples, greedy, documents = harness[model, False]
    for document, figures, best in zip(documents, samples, greedy, strict=True):
        for choice, figure, is_best in zip(document["choices"], figures, best, strict=True):
            nats = surprisal(MODELS[model], document["question"] + choice)[len(document["question"]) :]
            assert figure == pytest.approx(-nats.sum(), abs=1e-3)
            written = "".join(generate(MODELS[model], document["question"], length=len(choice), greedy=True))
            assert is_best == (written == choice)
