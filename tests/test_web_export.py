"""The exported page: the network in JavaScript writes and scores what Python does, under node and in a browser."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charloom
from charloom.evaluation.surprisal import Surprises
from charloom.generation.generate import generate_pieces
from charloom.generation.sampling import distribution
from charloom.generation.stopping import StopGate
from charloom.generation.writer import Writer
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import ModelConfig
from charloom.settings import NetworkConfig, SamplingConfig
from conftest import CELLS
from javascript import in_node
from models import small_model, with_biases, write_folder

TEXT = "The quick brown fox; ünï — 😀 jumps over 13 lazy dogs.\nAnd again!\n"

LOAD = """
import { readFile } from "node:fs/promises";
const [folder, ...rest] = given;
const { LanguageModel } = await import(`${site}/local/language_model.js`);
const read = (name) => readFile(`${folder}/${name}`);
const parsed = async (name) => JSON.parse(await read(name));
const file = await read("model.safetensors");
const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
const model = new LanguageModel(await parsed("config.json"), await parsed("vocabulary.json"), bytes);
"""

WRITE = (
    LOAD
    + """
const { write } = await import(`${site}/local/writing.js`);
const { checked } = await import(`${site}/local/request.js`);
const { Lately } = await import(`${site}/local/lately.js`);
const lately = new Lately();
const written = rest[0].map((request) => {
  const work = write(model, checked(request), lately);
  const made = { text: "", characters: [], draws: [] };
  for (;;) {
    const { value, done } = work.next();
    if (done) return { ...made, reason: value };
    if (!value) continue;
    made.text += value.text;
    made.characters.push(...value.characters);
    made.draws.push(value.draws);
  }
});
console.log(JSON.stringify(written));
"""
)

SETTINGS: list[dict[str, Any]] = [
    {},
    {"temperature": 0.6},
    {"temperature": 1.7, "top_k": 5},
    {"top_p": 0.7},
    {"min_p": 0.1, "temperature": 2.0},
    {"repetition_penalty": 1.8, "top_p": 0.9},
    {"repetition_penalty": 0.7, "top_k": 9, "top_p": 0.8, "min_p": 0.02, "temperature": 0.9},
    {"greedy": True},
]


def expected(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """What Python writes for a request."""
    names = SamplingConfig.__dataclass_fields__
    config = SamplingConfig(**{name: value for name, value in request.items() if name in names})
    pieces = list(
        generate_pieces(
            Writer.load(folder),
            request.get("prompt", ""),
            config,
            length=request["length"],
            stop=request.get("stop", ()),
            seed=request.get("seed", 0),
        )
    )
    return {"text": "".join(piece.text for piece in pieces), "reason": pieces[-1].stop_reason}


def assert_same(folder: Path, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Python and JavaScript write the same texts, which end for the same reasons; returns those of JavaScript."""
    written: list[dict[str, Any]] = in_node(WRITE, str(folder), requests)
    for request, result in zip(requests, written, strict=True):
        assert {name: result[name] for name in ("text", "reason")} == expected(folder, request), request
        assert "".join(character["text"] for character in result["characters"]) == result["text"]
    return written


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_a_seed_writes_the_same_text_as_in_python(cell: Any, kind: str, tmp_path: Path) -> None:
    folder = write_folder(with_biases(small_model(TEXT, cell, kind=kind, layers=3)), tmp_path / "model")
    requests = [
        {"prompt": prompt, "length": 150, "seed": seed, **settings}
        for (seed, settings), prompt in zip(enumerate(SETTINGS), itertools.cycle(("", "The qu", TEXT * 3)))
    ]
    assert_same(folder, requests)


@pytest.mark.parametrize("shape", [{"embedding_size": 0}, {"embedding_size": 20, "tied": True}])
def test_one_hot_inputs_and_shared_outputs_write_the_same(shape: dict[str, Any], tmp_path: Path) -> None:
    vocabulary = small_model(TEXT).vocabulary
    config = NetworkConfig(hidden_size=20, layers=2, **shape)
    model = with_biases(LanguageModel.new(ModelConfig(config, "none", False), vocabulary))
    assert_same(write_folder(model, tmp_path / "model"), [{"prompt": "The ", "length": 300, "seed": 8}])


@pytest.mark.parametrize("documents", ["lines", "none"])
@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_texts_that_end_do_so_where_python_ends_them(documents: Any, kind: str, tmp_path: Path) -> None:
    model = small_model(TEXT, documents=documents, predicts_end=True, kind=kind)
    folder = write_folder(model, tmp_path / "model")
    requests = [{"prompt": "And\nThe ", "length": 500, "seed": seed} for seed in range(12)]
    assert "end" in {result["reason"] for result in assert_same(folder, requests)}


def test_stop_strings_and_lengths_are_those_of_python(tmp_path: Path) -> None:
    folder = write_folder(small_model(TEXT, sharpness=1), tmp_path / "model")
    stops = [["o"], ["la", "az", "q"], ["😀"], ["e ", "xx"], ["never there"]]
    requests = [{"length": 300, "seed": seed, "stop": stop} for seed, stop in enumerate(stops * 3)]
    requests += [{"length": length, "seed": 3} for length in (0, 1, 2, 65)]
    reasons = {result["reason"] for result in assert_same(folder, requests)}
    assert reasons == {"stop", "length"}


def test_stop_strings_are_found_as_in_python_whatever_they_share() -> None:
    uniform = np.random.Generator(np.random.PCG64(6))

    def word(most: int) -> str:
        return "".join(uniform.choice(list("ab😀"), uniform.integers(1, most)).tolist())

    cases = [(word(30), [word(5) for _ in range(uniform.integers(0, 4))]) for _ in range(300)]
    script = """
        const { StopGate } = await import(`${site}/local/stopping.js`);
        console.log(JSON.stringify(given[0].map(([text, stop]) => {
          const gate = new StopGate(stop);
          const told = [];
          for (const character of text) {
            const { free, stopped } = gate.push(character);
            told.push([free, stopped]);
            if (stopped) return told;
          }
          return [...told, gate.finish()];
        })));
    """
    for (text, stop), found in zip(cases, in_node(script, cases), strict=True):
        gate, told = StopGate(stop), list[Any]()
        for character in text:
            told.append(list(gate.push(character)))
            if told[-1][1]:
                break
        else:
            told.append(gate.finish())
        assert found == told, (text, stop)


def test_a_text_that_never_ends_begins_anew_after_its_end(tmp_path: Path) -> None:
    folder = write_folder(small_model(TEXT, documents="lines"), tmp_path / "model")
    endless = "".join(itertools.islice(charloom.generate(folder, length=None, seed=5), 400))
    script = WRITE.replace("if (!value) continue;", "if (!value) continue; if (made.text.length > 450) return made;")
    (written,) = in_node(script, str(folder), [{"length": None, "seed": 5}])
    assert "\n" in written["text"]
    assert written["text"].startswith(endless[:400])


def test_a_text_goes_on_with_the_same_numbers(tmp_path: Path) -> None:
    folder = write_folder(small_model(TEXT), tmp_path / "model")
    (whole,) = assert_same(folder, [{"prompt": "The ", "length": 100, "seed": 9}])
    begun = whole["text"][:40]
    assert whole["draws"] == list(range(1, 101))
    rest = {"prompt": "The " + begun, "length": 60, "seed": 9, "draws": whole["draws"][39]}
    first, (again,) = {"prompt": "The ", "length": 100, "seed": 9}, in_node(WRITE, str(folder), [rest])
    assert again["text"] == whole["text"][40:]
    known = in_node(WRITE, str(folder), [first, rest, rest])  # states that were kept change nothing
    assert [result["text"] for result in known] == [whole["text"], again["text"], again["text"]]


def test_the_surprise_is_that_of_python(tmp_path: Path) -> None:
    for kind in ("characters", "bytes"):
        for documents in ("none", "lines"):
            model = small_model(TEXT, kind=kind, documents=documents)  # type: ignore[arg-type]
            folder = write_folder(model, tmp_path / f"{kind}-{documents}")
            score = LOAD + (
                "const { score } = await import(`${site}/local/scoring.js`);\n"
                "console.log(JSON.stringify([...score(model, { text: rest[0], top: 4 })].flat()));"
            )
            found = in_node(score, str(folder), TEXT)
            told = list(Surprises(model, TEXT, candidates=4))
            assert [one["text"] for one in found] == [one.character for one in told]
            assert [one["nats"] for one in found] == pytest.approx([one.nats for one in told], abs=1e-4)
            for one, other in zip(found, told, strict=True):
                assert [share for _, share in one["top"]] == pytest.approx([share for _, share in other.top], abs=1e-5)
                names = ["<0a>" if documents == "lines" and name == "\n" else name for name, _ in other.top]
                assert ["<0a>" if name == "\n" and documents == "lines" else name for name, _ in one["top"]] == names


def test_units_have_the_values_that_they_have_in_python(tmp_path: Path) -> None:
    for cell in CELLS:
        model = with_biases(small_model(TEXT, cell))
        folder = write_folder(model, tmp_path / cell)
        activity = LOAD + (
            "const { activity } = await import(`${site}/local/scoring.js`);\n"
            "const work = activity(model, rest[0]); let next; do next = work.next(); while (!next.done);\n"
            "const { units, values } = next.value;\n"
            "console.log(JSON.stringify({ units, values: values.map((row) => [...row]) }));"
        )
        writer = Writer.load(folder)
        rows, values = writer.begin(writer.prompts([""])), []
        for symbol in model.encode(TEXT).tolist():
            rows.advance(np.array([symbol]))
            part = rows.state[-1][1, 0]
            values.append(np.tanh(part) if cell == "lstm" else part.copy())
        wanted = np.array(values)
        asked = in_node(activity, str(folder), {"text": TEXT, "layer": 1, "units": [3, 0]})
        assert asked["units"] == [3, 0]
        np.testing.assert_allclose(asked["values"], wanted[:, [3, 0]].T, atol=1e-5)
        chosen = in_node(activity, str(folder), {"text": TEXT, "layer": 1, "units": None})
        assert wanted.std(0)[chosen["units"]].tolist() == pytest.approx(sorted(wanted.std(0), reverse=True), abs=1e-5)


def test_distributions_are_those_of_python_ties_included() -> None:
    uniform = np.random.Generator(np.random.PCG64(1))
    logits = [uniform.normal(size=size).astype(np.float32) * 4 for size in (1, 3, 7, 8, 97, 128, 129, 1000)]
    logits += [np.round(one) for one in logits] + [np.zeros(size, np.float32) for size in (4, 163)]
    shares = [{"top_p": 0.25}, {"top_p": 0.5}, {"top_p": 0.5, "top_k": 3}]  # of four equal ones some end exactly there
    settings = shares + [{name: value for name, value in one.items() if name != "greedy"} for one in SETTINGS]
    script = """
        const { distribution } = await import(`${site}/sampling.js`);
        const { checked } = await import(`${site}/local/request.js`);
        const [logits, settings, recent] = given;
        console.log(JSON.stringify(logits.map((row) => settings.map((one) =>
            [...distribution(Float32Array.from(row), checked(one), recent.filter((id) => id < row.length))]))));
    """
    recent = [0, 2, 2, 5, 90]
    found = in_node(script, [row.tolist() for row in logits], settings, recent)
    for row, several in zip(logits, found, strict=True):
        for one, values in zip(settings, several, strict=True):
            wanted = distribution(row, SamplingConfig(**one), [symbol for symbol in recent if symbol < len(row)])
            np.testing.assert_allclose(values, wanted, rtol=1e-12, err_msg=f"{one}, {len(row)} symbols")


def test_sums_are_added_up_as_numpy_does() -> None:
    uniform = np.random.Generator(np.random.PCG64(2))
    rows = [uniform.random(size) for size in (1, 5, 8, 15, 128, 129, 163, 300, 1001)]
    script = """
        const { pairwiseSum } = await import(`${site}/sampling.js`);
        console.log(JSON.stringify(given[0].map((row) => pairwiseSum(Float64Array.from(row)))));
    """
    assert in_node(script, [row.tolist() for row in rows]) == [float(row[None].sum(1)[0]) for row in rows]


def test_bytes_become_text_when_python_says_so() -> None:
    vocabulary = charloom.Vocabulary("bytes")
    uniform = np.random.Generator(np.random.PCG64(3))
    several = [uniform.integers(0, 256, 40).tolist() for _ in range(50)]
    several += [list("\ufeffa😀é\ud7ff—".encode()), [0xE0, 0x80, 0x41, 0xF4, 0x90, 0xED, 0xA0, 0x80, 0xC2]]
    script = """
        const { Vocabulary } = await import(`${site}/local/vocabulary.js`);
        console.log(JSON.stringify(given[0].map((bytes) => {
          const decoder = new Vocabulary("bytes", "").decoder();
          return [...bytes.map((byte) => decoder.push(byte)), decoder.finish()];
        })));
    """
    for ids, found in zip(several, in_node(script, several), strict=True):
        decoder = vocabulary.decoder()
        assert found == [*(decoder.push(symbol) for symbol in ids), decoder.finish()]
