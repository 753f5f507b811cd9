"""What `/v1/completions` answers: texts that `charloom.generate` writes, and log-probabilities as scorers need them."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from charloom.evaluation.score import surprisal
from charloom.generation.generate import generate
from charloom.generation.writer import Writer
from charloom.report.units import activations
from models import log_probabilities, small_model

pytest.importorskip("httpx2")
pytest.importorskip("uvicorn")

import httpx2 as httpx

from charloom.server.routes.app import build
from charloom.server.served import Limits
from live_server import Live, serving

TEXT = "The cat sat.\nÉté <b> 漢字!"
LINES = "one\ntwo\nthree\n"
MODELS = {
    "plain": small_model(TEXT, seed=1),
    "bytes": small_model(TEXT, "gru", kind="bytes", seed=2),
    "lines": small_model(LINES, documents="lines", seed=3),
    "other": small_model("ab", "rnn-tanh", seed=4),
}
SAMPLED: list[dict[str, Any]] = [
    {},
    {"temperature": 0.5},
    {"temperature": 0},
    {"top_k": 2},
    {"top_k": -1},
    {"top_p": 0.6, "temperature": 1.5},
    {"min_p": 0.2},
    {"repetition_penalty": 3},
]


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving(MODELS) as server:
        yield server


@pytest.fixture(scope="module")
def client(live: Live) -> Iterator[Any]:
    with httpx.Client(base_url=live.url, timeout=30) as session:
        yield session


def ask(client: Any, path: str = "/v1/completions", **fields: Any) -> dict[str, Any]:
    answer = client.post(path, json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def events(client: Any, path: str = "/v1/completions", **fields: Any) -> list[Any]:
    """The events of a stream that ends as it should."""
    answer = client.post(path, json=fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.split("\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines.pop() == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def generated(model: str, prompt: str, *, length: int, seed: int, stop: Any = (), **sampling: Any) -> str:
    """What the library writes for the fields of a request."""
    if sampling.get("temperature") == 0:
        sampling = {**sampling, "temperature": 1.0, "greedy": True}
    sampling["top_k"] = max(sampling.get("top_k", 0), 0)
    return "".join(generate(MODELS[model], prompt, length=length, seed=seed, stop=stop, **sampling))


@pytest.mark.parametrize("model", ["plain", "bytes", "lines"])
@pytest.mark.parametrize("sampling", SAMPLED)
def test_a_completion_is_what_the_library_writes(client: Any, model: str, sampling: dict[str, Any]) -> None:
    prompt = "one" if model == "lines" else "The c"
    answer = ask(client, model=model, prompt=prompt, max_tokens=40, seed=7, **sampling)
    (choice,) = answer["choices"]
    assert choice["text"] == generated(model, prompt, length=40, seed=7, **sampling)
    if model != "lines":
        assert len(choice["text"]) == 40
        assert choice["finish_reason"] == "length"
    assert answer["usage"] == {
        "prompt_tokens": len(prompt),
        "completion_tokens": len(choice["text"]),
        "total_tokens": len(prompt) + len(choice["text"]),
    }


@pytest.mark.parametrize("prompt", [None, "", []])
def test_without_a_prompt_a_new_text_begins(client: Any, prompt: Any) -> None:
    assert ask(client, prompt=prompt, seed=3)["choices"][0]["text"] == generated("plain", "", length=16, seed=3)
    assert ask(client, seed=3)["choices"][0]["text"] == generated("plain", "", length=16, seed=3)


def test_several_prompts_and_several_texts_are_numbered_prompt_by_prompt(client: Any) -> None:
    answer = ask(client, prompt=["T", "cat"], n=3, best_of=3, max_tokens=9, seed=5)
    texts = {choice["index"]: choice["text"] for choice in answer["choices"]}
    assert texts == {
        3 * place + i: generated("plain", prompt, length=9, seed=5 + 3 * place + i)
        for place, prompt in enumerate(["T", "cat"])
        for i in range(3)
    }
    assert answer["usage"]["prompt_tokens"] == 4


def test_a_seed_that_was_drawn_is_reported_and_writes_the_same_text_again(client: Any) -> None:
    first, second = (ask(client, prompt="T", max_tokens=30)["choices"][0] for _ in range(2))
    assert first["charloom"]["seed"] != second["charloom"]["seed"]
    assert ask(client, prompt="T", max_tokens=30, seed=first["charloom"]["seed"])["choices"][0]["text"] == first["text"]


@pytest.mark.parametrize("model", ["plain", "bytes"])
def test_a_text_that_continues_with_its_draws_is_the_same_text(client: Any, model: str) -> None:
    whole = ask(client, model=model, prompt="The", max_tokens=30, seed=9, repetition_penalty=1.5)["choices"][0]
    text, draws = "", 0
    for length in (1, 9, 20):
        part = ask(
            client, model=model, prompt="The" + text, max_tokens=length, seed=9, draws=draws, repetition_penalty=1.5
        )["choices"][0]
        text, draws = text + part["text"], part["charloom"]["draws"]
    if model == "plain":  # a byte model may write bytes that are no characters, which a prompt cannot repeat
        assert (text, draws) == (whole["text"], whole["charloom"]["draws"])
        assert draws == 30


def test_a_stop_string_ends_the_text_and_is_not_in_it(client: Any) -> None:
    free = generated("plain", "The", length=200, seed=2)
    stop = free[20:22]
    for given in (stop, [stop], ["not in it", stop]):
        choice = ask(client, prompt="The", max_tokens=200, seed=2, stop=given, logprobs=0)["choices"][0]
        assert choice["text"] == free[: free.index(stop)]
        assert (choice["finish_reason"], choice["charloom"]["stop_reason"]) == ("stop", "stop")
        assert "".join(choice["logprobs"]["tokens"]) == choice["text"]


def test_a_text_that_the_model_ends_says_so(client: Any) -> None:
    choice = ask(client, model="lines", prompt="one", max_tokens=5000, seed=1, logprobs=1)["choices"][0]
    assert (choice["finish_reason"], choice["charloom"]["stop_reason"]) == ("stop", "end")
    assert choice["logprobs"]["tokens"] == list(choice["text"])


def test_a_scoring_request_has_an_entry_for_what_comes_next_also_where_the_text_ends(client: Any) -> None:
    ended = 0
    for seed in range(40):
        fields = {"model": "lines", "prompt": "one", "max_tokens": 1, "seed": seed, "logprobs": 1, "echo": True}
        choice = ask(client, **fields)["choices"][0]
        assert {len(column) for column in choice["logprobs"].values()} == {4}
        assert None not in choice["logprobs"]["token_logprobs"][:3]
        ended += choice["charloom"]["stop_reason"] == "end"
    assert 0 < ended < 40


@pytest.mark.parametrize("model", ["plain", "bytes", "lines"])
@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("logprobs", [None, 0, 3])
def test_a_stream_is_the_whole_answer_in_pieces(client: Any, model: str, echo: bool, logprobs: int | None) -> None:
    prompt = "two\none" if model == "lines" else "Été\n漢"
    fields = {"model": model, "prompt": prompt, "max_tokens": 50, "seed": 4, "echo": echo, "logprobs": logprobs, "n": 2}
    whole = ask(client, **fields)
    pieces = events(client, **fields, stream=True, stream_options={"include_usage": True})
    last = pieces.pop()
    assert last["choices"] == []
    assert last["usage"] == whole["usage"]
    assert all(piece["usage"] is None for piece in pieces)
    for index, choice in enumerate(whole["choices"]):
        own = [piece for piece in pieces if piece["choices"][0]["index"] == index]
        parts = [piece["choices"][0] for piece in own]
        assert "".join(part["text"] for part in parts) == choice["text"]
        assert [part["finish_reason"] for part in parts] == [None] * (len(parts) - 1) + [choice["finish_reason"]]
        assert own[-1]["charloom"] == choice["charloom"]
        assert all("stop_reason" not in piece["charloom"] for piece in own[:-1])
        for name, column in (choice["logprobs"] or {}).items():
            assert [entry for part in parts for entry in part["logprobs"][name]] == column
    assert not any("usage" in piece for piece in events(client, **fields, stream=True))


def test_the_first_character_comes_at_once_and_the_others_in_few_events() -> None:
    with serving({"plain": MODELS["plain"]}, plain={"pause": 0.001}) as slow, httpx.Client(base_url=slow.url) as client:
        pieces = events(client, prompt="T", max_tokens=100, stream=True)
    sizes = [len(piece["choices"][0]["text"]) for piece in pieces]
    assert sum(sizes) == 100
    assert sizes[0] <= 2
    assert len(sizes) <= 40


@pytest.mark.parametrize("model", ["plain", "bytes", "lines"])
def test_with_echo_each_symbol_of_the_prompt_has_its_log_probability(client: Any, model: str) -> None:
    network = MODELS[model]
    text = "one\nthree" if model == "lines" else "Été 漢."
    ids = network.vocabulary.encode(text)
    if model == "lines":
        ids[ids == network.vocabulary.encode("\n")[0]] = network.vocabulary.boundary
    answer = ask(client, model=model, prompt=text, max_tokens=1, temperature=0, logprobs=5, echo=True)
    lists = answer["choices"][0]["logprobs"]
    assert {len(column) for column in lists.values()} == {len(ids) + 1}
    nats = expected_nats(network, ids.tolist())
    np.testing.assert_allclose(lists["token_logprobs"][:-1], nats, atol=1e-5)
    assert answer["choices"][0]["text"].startswith(text)


def expected_nats(network: Any, ids: list[int]) -> list[float]:
    """log p of each symbol of a text; after a boundary the state is zero again."""
    boundary, found, text = network.vocabulary.boundary, list[float](), list[int]()
    for symbol in ids:
        text.append(symbol)
        if symbol == boundary:
            found += log_of(network, text)
            text = []
    return found + log_of(network, text)


def log_of(network: Any, text: list[int]) -> list[float]:
    return [float(row[symbol]) for row, symbol in zip(log_probabilities(network, text), text, strict=True)]


@pytest.mark.parametrize("logprobs", [0, 1, 2, 20])
@pytest.mark.parametrize("model", ["plain", "bytes", "lines", "other"])
def test_the_figures_are_what_a_scorer_relies_on(client: Any, model: str, logprobs: int) -> None:
    """Equal floats, the most probable symbol always present, as many alternatives as asked for."""
    prompt = {"lines": "one\ntwo", "other": "abba"}.get(model, "Été: " if model == "bytes" else "The sat")
    lists = ask(client, model=model, prompt=prompt, max_tokens=20, logprobs=logprobs, echo=True, seed=1)
    lists = lists["choices"][0]["logprobs"]
    outputs = MODELS[model].network.outputs
    greedy = 0
    for token, figure, top in zip(lists["tokens"], lists["token_logprobs"], lists["top_logprobs"], strict=True):
        if figure is None:  # the end of a text
            assert (model, top, token) == ("lines", None, "\n")
            continue
        assert top[token] == figure
        assert len(top) in (min(max(logprobs, 1), outputs), min(logprobs + 1, outputs))
        greedy += figure == max(top.values())
        if logprobs == 20 and outputs <= 20:
            assert sum(map(np.exp, top.values())) == pytest.approx(1)
    if logprobs == 1:
        assert 0 < greedy < len(lists["tokens"])


def test_the_first_symbol_of_ids_has_no_log_probability(client: Any) -> None:
    network = MODELS["plain"]
    boundary = network.vocabulary.boundary
    ids = network.vocabulary.encode("cat").tolist()
    opened = ask(client, prompt=[[boundary, *ids]], max_tokens=1, logprobs=1, echo=True, temperature=0)["choices"][0]
    text = ask(client, prompt="cat", max_tokens=1, logprobs=1, echo=True, temperature=0)["choices"][0]
    assert opened["text"] == "<|endoftext|>" + text["text"]
    assert opened["logprobs"]["token_logprobs"] == [None, *text["logprobs"]["token_logprobs"]]
    assert opened["logprobs"]["top_logprobs"] == [None, *text["logprobs"]["top_logprobs"]]
    assert opened["logprobs"]["tokens"] == ["<|endoftext|>", *text["logprobs"]["tokens"]]


def test_ids_are_read_exactly_as_they_are(client: Any) -> None:
    """A window of a text starts from a zero state and its first symbol: the fresh protocol of `charloom evaluate`."""
    network = MODELS["plain"]
    ids = network.vocabulary.encode("The cat").tolist()
    lists = ask(client, prompt=ids, max_tokens=1, logprobs=1, echo=True)["choices"][0]["logprobs"]
    import torch

    with torch.no_grad():
        logits, _ = network.network(torch.tensor([ids]).T, None)
    logs = torch.log_softmax(logits[:, 0].double(), -1).numpy()
    expected = [logs[place, symbol] for place, symbol in enumerate(ids[1:])]
    assert lists["token_logprobs"][0] is None
    np.testing.assert_allclose(lists["token_logprobs"][1:-1], expected, atol=1e-5)


def test_a_boundary_that_the_model_cannot_predict_has_no_log_probability(client: Any) -> None:
    network = MODELS["plain"]
    ids = [*network.vocabulary.encode("cat").tolist(), network.vocabulary.boundary, *network.vocabulary.encode("sat")]
    choice = ask(client, prompt="cat<|endoftext|>sat", max_tokens=1, logprobs=1, echo=True, seed=1)["choices"][0]
    figures = choice["logprobs"]["token_logprobs"]
    assert [place for place, figure in enumerate(figures) if figure is None] == [3]
    alone = ask(client, prompt="sat", max_tokens=1, logprobs=1, echo=True, seed=1)["choices"][0]["logprobs"]
    assert figures[4:] == alone["token_logprobs"]
    assert len(figures) == len(ids) + 1


def test_a_character_that_is_not_known_is_found_after_a_boundary(client: Any) -> None:
    refused = client.post("/v1/completions", json={"prompt": "cat<|endoftext|>sat?"})
    assert "'?' (U+003F) at character 19 " in refused.json()["error"]["message"]


def test_the_offsets_are_places_in_the_text(client: Any) -> None:
    for model in ("plain", "bytes", "lines"):
        prompt = "one\ntwo" if model == "lines" else "é<|endoftext|>漢"
        choice = ask(client, model=model, prompt=prompt, max_tokens=12, logprobs=0, echo=True, seed=3)["choices"][0]
        text, lists = choice["text"], choice["logprobs"]
        assert lists["text_offset"] == sorted(lists["text_offset"])
        for token, offset in zip(lists["tokens"], lists["text_offset"], strict=True):
            if offset < len(prompt) and not (model == "bytes" and len(token) == 4):
                assert text[offset : offset + len(token)] == token


def test_a_scoring_request_to_a_byte_model_lists_one_symbol_more_than_the_prompt(client: Any) -> None:
    for seed in range(20):
        choice = ask(client, model="bytes", prompt="漢", max_tokens=1, logprobs=1, echo=True, seed=seed)["choices"][0]
        assert len(choice["logprobs"]["tokens"]) == 4
        assert len(choice["text"]) == 2


def test_a_prompt_can_be_scored_without_writing(client: Any) -> None:
    choice = ask(client, prompt="The cat", max_tokens=0, logprobs=1, echo=True)["choices"][0]
    assert choice["text"] == "The cat"
    assert len(choice["logprobs"]["tokens"]) == 7
    assert choice["finish_reason"] == "length"
    assert ask(client, prompt="The cat", max_tokens=0, echo=True)["choices"][0]["text"] == "The cat"
    refused = client.post("/v1/completions", json={"prompt": "The cat", "max_tokens": 0})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "max_tokens")


@pytest.mark.parametrize("model", ["plain", "bytes", "lines"])
def test_text_becomes_ids_and_text_again(client: Any, model: str) -> None:
    text = "one\ntwo\n" if model == "lines" else "Été\n漢"
    boundary = MODELS[model].vocabulary.boundary
    found = ask(client, "/tokenize", model=model, prompt=text, add_special_tokens=False)
    assert found["count"] == len(found["tokens"])
    assert ask(client, "/detokenize", model=model, tokens=found["tokens"]) == {"prompt": text}
    opened = ask(client, "/tokenize", model=model, prompt=text, return_token_strs=True)
    assert opened["tokens"] == [boundary, *found["tokens"]]
    assert len(opened["token_strs"]) == opened["count"]
    info = client.get("/tokenizer_info", params={"model": model}).json()
    special = ask(client, "/tokenize", model=model, prompt=info["eos_token"], add_special_tokens=False)
    assert special["tokens"] == [boundary]
    assert boundary != 0
    sent = ask(client, model=model, prompt=opened["tokens"], max_tokens=9, seed=1)["choices"][0]["text"]
    assert sent == ask(client, model=model, prompt=text, max_tokens=9, seed=1)["choices"][0]["text"]


@pytest.mark.parametrize("model", ["plain", "bytes", "lines"])
def test_every_id_has_a_string_of_its_own(client: Any, model: str) -> None:
    ids = list(range(MODELS[model].vocabulary.boundary + 1))
    names = list[str]()
    for first in range(0, len(ids), 64):
        prompts = [[symbol] for symbol in ids[first : first + 64]]
        choices = ask(client, model=model, prompt=prompts, max_tokens=0, echo=True, logprobs=0)["choices"]
        names += [choice["logprobs"]["tokens"][0] for choice in choices]
    assert len(set(names)) == len(ids)
    if model == "bytes":
        assert names[:128] == [chr(symbol) for symbol in range(128)]


def test_the_models_are_listed(client: Any) -> None:
    listed = client.get("/v1/models").json()
    assert listed["object"] == "list"
    assert [entry["id"] for entry in listed["data"]] == list(MODELS)
    for entry in listed["data"]:
        assert client.get(f"/v1/models/{entry['id']}").json() == entry
        facts = entry["charloom"]
        network = MODELS[entry["id"]].config.network
        assert (facts["cell"], facts["layers"], facts["hidden_size"]) == (
            network.cell,
            network.layers,
            network.hidden_size,
        )
        symbols = facts["symbols"]
        assert (symbols is None) == (facts["vocabulary"] == "bytes")
        assert symbols is None or len(set(symbols)) == MODELS[entry["id"]].network.outputs
    missing = client.get("/v1/models/plane")
    assert missing.status_code == 404
    assert "did you mean 'plain'?" in missing.json()["error"]["message"]


@pytest.mark.parametrize("model", ["plain", "bytes", "lines"])
def test_a_score_is_what_the_library_measures(client: Any, model: str) -> None:
    text = "one\nthree\n" if model == "lines" else "Été 漢.\nThe cat"
    network = MODELS[model]
    whole = ask(client, "/v1/score", model=model, text=text, top=3, stream=False)
    assert "".join(character["text"] for character in whole["characters"]) == text
    nats = [character["nats"] for character in whole["characters"]]
    np.testing.assert_allclose(nats, surprisal(network, text), atol=1e-5)
    assert whole["nats"] == pytest.approx(sum(nats))
    assert whole["bits_per_character"] == pytest.approx(sum(nats) / np.log(2) / len(text))
    streamed = events(client, "/v1/score", model=model, text=text, top=3)
    assert [character for part in streamed for character in part] == whole["characters"]
    for character in whole["characters"]:
        shares = [share for _, share in character["top"]]
        assert len(shares) == 3
        assert shares == sorted(shares, reverse=True)
        if model != "bytes":
            names = [name for name, _ in character["top"]]
            place = names.index(character["text"]) + 1 if character["text"] in names else None
            assert character["rank"] == place or (place is None and character["rank"] > 3)


@pytest.mark.parametrize("model", ["plain", "bytes", "lines", "other"])
def test_the_activity_is_what_the_report_and_an_exported_page_show_of_hidden_units(client: Any, model: str) -> None:
    import torch

    network, text = MODELS[model], {"lines": "one", "other": "abba"}.get(model, "Été")
    layer = network.config.network.layers - 1
    answer = ask(client, "/v1/activity", model=model, text=text, layer=layer, units=[3, 0])
    assert answer["units"] == [3, 0]
    states, state, ids = [], None, [network.vocabulary.boundary, *network.vocabulary.encode(text).tolist()]
    for symbol in ids:
        with torch.no_grad():
            _, state = network.network(torch.tensor([[symbol]]), state)
        part = state[-1][layer, 0].numpy()
        states.append(np.tanh(part) if network.config.network.cell == "lstm" else part)
    ends = np.cumsum([len(character.encode()) for character in text]) if model == "bytes" else range(1, len(ids))
    expected = np.array([[states[end][unit] for end in ends] for unit in (3, 0)])
    np.testing.assert_allclose(answer["values"], expected, atol=1e-4)
    stepper, ids = Writer(network).stepper, ids[1:]
    reported = activations(stepper, np.array(ids), network.vocabulary.boundary)[:, layer * 12 :]
    np.testing.assert_allclose(
        answer["values"], [[reported[end - 1][unit] for end in ends] for unit in (3, 0)], atol=1e-4
    )
    every = ask(client, "/v1/activity", model=model, text=text, layer=layer)
    assert sorted(every["units"]) == list(range(12))
    spread = [np.std(values) for values in every["values"]]
    assert model == "bytes" or spread == pytest.approx(sorted(spread, reverse=True), abs=1e-4)


def test_the_documentation_loads_nothing(client: Any) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert "<script" not in page.text
    assert "src=" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    described = client.get("/openapi.json").json()
    for path in described["paths"]:
        assert path in page.text
    for name in described["components"]["schemas"]:
        assert f'id="{name}"' in page.text


def test_the_bounds_are_in_the_schema() -> None:
    limits = Limits(prompt=11, length=12, texts=13, stops=14, stop_characters=15, top=16, seed=17, draws=18)
    schemas = build(None, limits).openapi()["components"]["schemas"]  # type: ignore[arg-type]
    fields = schemas["CompletionRequest"]["properties"]
    assert {"maxLength": 11, "type": "string"} in fields["prompt"]["anyOf"][0]["oneOf"]
    for name, bound in (("max_tokens", 12), ("n", 13), ("logprobs", 16), ("seed", 17), ("draws", 18)):
        assert fields[name]["anyOf"][0]["maximum"] == bound, name
    assert '"maxItems": 14' in json.dumps(fields["stop"])
    assert '"maxLength": 15' in json.dumps(fields["stop"])
    assert schemas["CompletionRequest"]["additionalProperties"] is False
