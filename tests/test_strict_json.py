"""JSON files: what was written is read back, and anything else is refused in one sentence."""

import ast
import dataclasses
import functools
import json
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

import charloom
from charloom import settings
from charloom.classify.model import ClassifierConfig
from charloom.classify.n_gram_sizes import NGramSizes
from charloom.classify.runs import ClassifierPlan, ClassifierRunConfig
from charloom.data.large_sources import CopyRecord
from charloom.data.sections import Layout
from charloom.data.text_bytes import Header
from charloom.errors import CharloomError, FolderError
from charloom.export.web_page import ExportRecord
from charloom.models.model_folder import ModelConfig, VocabularyRecord
from charloom.storage import strict_json
from charloom.storage.line_files import Mark
from charloom.study.folders import SearchName
from charloom.study.outcomes import Outcome
from charloom.study.terms import Terms
from charloom.study.trials import Study
from charloom.training.checkpoints import Position
from charloom.training.runs import Plan, RunConfig

RECORDS = (
    RunConfig,
    ModelConfig,
    VocabularyRecord,
    Position,
    ClassifierConfig,
    ClassifierRunConfig,
    Outcome,
    Study,
    Terms,
    SearchName,
    ExportRecord,
    CopyRecord,
    Header,
    Layout,
    Mark,
)

SETTINGS = (
    settings.CorpusConfig,
    settings.NetworkConfig,
    settings.TrainingConfig,
    settings.ClassificationConfig,
    settings.ClassifierNetworkConfig,
    settings.ClassifierTrainingConfig,
)

MODEL = json.loads(strict_json.dump(ModelConfig(settings.NetworkConfig(), "none", False)))

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(list(MODEL)) | st.text(), inner),
)


def valid_settings(kind: type) -> st.SearchStrategy[Any]:
    """Settings within their ranges."""
    changes: dict[type, dict[str, st.SearchStrategy[Any]]] = {
        settings.CorpusConfig: {
            "split": st.sampled_from([(1.0, 0.0, 0.0), (0.9, 0.1, 0.0), (0.5, 0.25, 0.25)]),
            "encoding": st.text(),
        },
        settings.NetworkConfig: {"hidden_size": st.integers(1, 16_384), "dropout": st.floats(0, 0.99)},
        settings.TrainingConfig: {
            "seed": st.integers(0, 2**63 - 1),
            "learning_rate": st.floats(0, 1000, exclude_min=True),
        },
        settings.ClassificationConfig: {"held": st.floats(0, 0.5), "n_grams": st.integers(2, 16)},
        settings.ClassifierNetworkConfig: {"hidden_size": st.integers(1, 16_384), "dropout": st.floats(0, 0.99)},
        settings.ClassifierTrainingConfig: {"seed": st.integers(0, 2**63 - 1), "batch_size": st.integers(1, 65_536)},
    }
    return st.builds(kind, **changes[kind])


@functools.cache  # a strategy takes longer to make than to use
def made_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type as declared in our records."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in SETTINGS:
        return valid_settings(hint)
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        values = {field.name: made_of(hints[field.name]) for field in dataclasses.fields(hint)}
        if hint is ClassifierConfig:  # which refuses fewer than two classes, one twice, or neither network nor n-grams
            values["classes"] = st.lists(st.text(), min_size=2, unique=True).map(tuple)
            values["longest"] = st.integers(1, 2**63)
            values["n_grams"] = st.lists(made_of(NGramSizes), min_size=1, max_size=2).map(tuple)
        if hint in (Plan, ClassifierPlan, Position, NGramSizes):  # which refuse counts that lie below their least
            values |= {name: st.integers(1, 2**63) for name in values if hints[name] is int}
        return st.builds(hint, **values)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of([st.none() if argument is type(None) else made_of(argument) for argument in arguments])
    if origin is tuple and arguments[-1] is not Ellipsis:
        return st.tuples(*map(made_of, arguments))
    if origin is tuple:
        return st.lists(made_of(arguments[0])).map(tuple)
    if origin is dict:
        # as what a manifest says of the environment must be
        shown = st.text(st.characters(exclude_categories=("C", "Z")), max_size=200)
        return st.dictionaries(shown, shown)
    return {
        int: st.integers(-(2**63), 2**63),
        float: st.floats(allow_nan=False, allow_infinity=False),
        str: st.text(),
        bool: st.booleans(),
    }[hint]


def read(kind: type, raw: bytes) -> Any:
    return strict_json.load(kind, strict_json.parse(raw, "file.json"), "file.json")


def refused(kind: type, raw: bytes) -> str:
    """The error message for `raw`."""
    with pytest.raises(FolderError) as caught:
        read(kind, raw)
    said = str(caught.value)
    assert said.startswith("file.json")
    assert "\n" not in said
    assert len(said) < 500
    return said


def model(**changes: object) -> bytes:
    return json.dumps({**MODEL, **changes}).encode()


def network(**changes: object) -> bytes:
    return model(network={**MODEL["network"], **changes})


# --- there and back ---


@pytest.mark.parametrize("kind", RECORDS)
@given(st.data())
def test_a_record_is_read_back_as_it_was_written(kind: type, data: st.DataObject) -> None:
    value = data.draw(made_of(kind))
    assert read(kind, strict_json.dump(value)) == value


def test_no_record_that_is_loaded_anywhere_is_left_out_here() -> None:
    loaded = set()
    for path in Path(charloom.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "strict_json.load":
                loaded.add(ast.unparse(node.args[0]))
    assert loaded == {kind.__name__ for kind in RECORDS}


@given(st.data())
def test_the_same_record_gives_the_same_bytes(data: st.DataObject) -> None:
    value = data.draw(made_of(RunConfig))
    assert strict_json.dump(value) == strict_json.dump(read(RunConfig, strict_json.dump(value)))


@given(made_of(Position))
def test_a_line_is_one_line_and_says_the_same(position: Position) -> None:
    line = strict_json.dump_line(position)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line) == json.loads(strict_json.dump(position))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_written(value: float) -> None:
    for write in (strict_json.dump, strict_json.dump_line):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write({"loss": value})


# --- what is refused ---


@pytest.mark.parametrize("kind", RECORDS)
@given(st.data())
@hypothesis.settings(max_examples=10)  # of each, every key is left out
def test_no_record_may_lack_a_key(kind: type, data: st.DataObject) -> None:
    value = json.loads(strict_json.dump(data.draw(made_of(kind))))
    for missing in value:
        others = {key: item for key, item in value.items() if key != missing}
        assert f"lacks '{missing}'" in refused(kind, json.dumps(others).encode())


@pytest.mark.parametrize("kind", RECORDS)
def test_no_record_may_have_another_key(kind: type) -> None:
    name = next(iter(get_type_hints(kind)))
    raw = json.dumps({f"{name}x": 1}).encode()
    assert f"has no setting '{name}x'; did you mean '{name}'?" in refused(kind, raw)


def test_a_key_that_is_like_none_is_met_with_all_there_are() -> None:
    assert "it is one of network, documents, predicts_end, format" in refused(ModelConfig, model(zzz=1))


def test_an_unknown_key_deep_inside_is_named_with_its_place() -> None:
    said = refused(ModelConfig, network(hiden_size=1))
    assert "network has no setting 'hiden_size'; did you mean 'hidden_size'?" in said


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (network(hidden_size="512"), "network.hidden_size should be a whole number, not \"512\""),
        (network(hidden_size=512.0), "network.hidden_size should be a whole number, not 512.0"),
        (network(hidden_size=True), "network.hidden_size should be a whole number, not true"),
        (network(hidden_size=None), "network.hidden_size should be a whole number, not null"),
        (network(dropout="0"), "network.dropout should be a number, not \"0\""),
        (network(dropout=False), "network.dropout should be a number, not false"),
        (network(dropout=2**53), "network.dropout should be a number, not 9007199254740992"),
        (network(tied=0), "network.tied should be true or false, not 0"),
        (network(cell="lstn"), "network.cell is \"lstn\"; did you mean 'lstm'?"),
        (network(cell=["lstm"]), "network.cell is [\"lstm\"]"),
        (model(network=[]), "network should hold named values, not []"),
        (model(format="charloom-model-2"), "format is \"charloom-model-2\""),
        (b"[1, 2]", "it should hold named values, not [1, 2]"),
        (b"null", "it should hold named values, not null"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused_and_nothing_is_converted(raw: bytes, said: str) -> None:
    assert said in refused(ModelConfig, raw)


def test_a_whole_number_is_a_number() -> None:
    loaded = read(ModelConfig, network(dropout=0))
    assert (loaded.network.dropout, type(loaded.network.dropout)) == (0.0, float)


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ([0.9, 0.1], "should have 3 values, not 2"),
        ("0.9,0.1,0", "should be a list"),
        ([0.9, "0.1", 0], "should be a number"),
        ([0.9, 0.2, 0], "adds up to 1.1"),
    ],
)
def test_a_list_has_its_length_its_types_and_its_range(split: object, said: str) -> None:
    plain = {"vocabulary": "characters", "documents": "none", "shuffle": 0, "encoding": "utf-8", "column": ""}
    raw = json.dumps({"split": split, **plain}).encode()
    assert said in refused(settings.CorpusConfig, raw)


def test_a_value_outside_its_range_is_refused_with_the_name_of_the_file() -> None:
    assert "network.layers is 0; it must be at least 1" in refused(ModelConfig, network(layers=0))


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_what_is_no_finite_number_is_refused(literal: str) -> None:
    raw = network(dropout=0.25).replace(b"0.25", literal.encode())
    assert f"damaged: {literal}" in refused(ModelConfig, raw)


@pytest.mark.parametrize("digits", [21, 400, 5_000, 500_000])
@pytest.mark.parametrize("name", ["hidden_size", "dropout"])
def test_a_number_of_too_many_digits_is_refused(digits: int, name: str) -> None:
    raw = network(**{name: 12345}).replace(b"12345", b"9" * digits)
    assert "too large a number" in refused(ModelConfig, raw)


def test_a_key_that_stands_there_twice_is_refused() -> None:
    raw = model().replace(b'"documents"', b'"documents": "lines", "documents"')
    assert "the key 'documents' occurs twice" in refused(ModelConfig, raw)


@pytest.mark.parametrize("pair", ["[]", "{}"])
def test_nesting_without_end_is_refused_whether_or_not_it_can_be_read(pair: str) -> None:
    opening = "[" if pair == "[]" else '{"a":'
    for depth in [*range(850, 1010), 100_000]:  # one of these depths can just be read
        nested = opening * depth + "1" + pair[1] * depth
        refused(ModelConfig, model(network="X").replace(b'"X"', nested.encode()))


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"{}{}", b'{"a": 1,}', b"{'a': 1}", b"\xff", b'"\x01"', b"\xef\xbb\xbf{}", b"\x00"]
)
def test_what_is_no_json_is_refused_as_damaged(raw: bytes) -> None:
    assert "file.json is damaged" in refused(ModelConfig, raw)


def test_a_file_beyond_the_limit_is_refused_before_it_is_read() -> None:
    assert "at most 1,048,576" in refused(ModelConfig, b" " * (strict_json.LARGEST_JSON + 1))
    assert strict_json.parse(b" " * (strict_json.LARGEST_JSON - 1) + b"1", "file.json") == 1


@pytest.mark.parametrize("raw", [network(hidden_size="x" * 100_000), model(**{"x" * 100_000: 1})])
def test_what_is_refused_is_not_shown_in_all_its_length(raw: bytes) -> None:
    assert len(refused(ModelConfig, raw)) < 500


@given(ANY_JSON)
def test_any_json_is_read_or_refused_and_nothing_else(value: object) -> None:
    for kind in RECORDS:
        try:
            read(kind, json.dumps(value).encode())
        except CharloomError as error:
            assert "\n" not in str(error)


@given(st.binary())
def test_any_bytes_are_read_or_refused_and_nothing_else(raw: bytes) -> None:
    try:
        read(ModelConfig, raw)
    except CharloomError as error:
        assert "\n" not in str(error)
