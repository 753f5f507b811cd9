"""Arguments of the wrong type from Python: one sentence, no traceback from our code."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import charloom
from classify_rows import begin, finish, small_rows


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, small_text: str) -> Any:
    """A folder, a model and a classifier."""
    folder = tmp_path_factory.mktemp("made")
    network = charloom.NetworkConfig(hidden_size=8, embedding_size=4)
    charloom.train(small_text, run=folder / "run", steps=1, network=network)
    finish(begin(small_rows(40), folder / "classifier", steps=2))
    return folder, charloom.load(folder / "run"), charloom.load_classifier(folder / "classifier")


WRONG = [None, 5, b"abc", ["a", 2], Path("t.txt")]
TAKES_A_TEXT: list[Callable[[Any, Any], Any]] = [
    lambda model, text: charloom.evaluate(model, text),
    lambda model, text: charloom.surprisal(model, text),
    lambda model, text: list(charloom.generate(model, text, length=2)),
    lambda model, text: charloom.generate_many(model, text, length=2),
    lambda model, text: charloom.generate_many(model, [text], length=2),
    lambda model, text: charloom.beam_search(model, text, length=2),
    lambda model, text: charloom.Completer(model, text),
    lambda model, text: model.read(text),
    lambda model, text: charloom.Text.of(text),
]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("call", range(len(TAKES_A_TEXT)))
def test_what_is_no_text_gets_a_sentence(call: int, wrong: object, made: Any) -> None:
    with pytest.raises(charloom.CharloomError, match=r"expected a text|list of strings|no file or folder") as caught:
        TAKES_A_TEXT[call](made[1], wrong)
    assert "\n" not in str(caught.value)


def test_a_path_as_a_prompt_is_answered_with_the_way_to_its_content(made: Any) -> None:
    with pytest.raises(charloom.CharloomError, match=r"'t\.txt' is a path; pass its content, with \.read_text\(\)"):
        charloom.generate(made[1], Path("t.txt"))  # type: ignore[arg-type]


def test_a_writer_where_a_model_is_read_gets_a_sentence(made: Any) -> None:
    for call in (charloom.evaluate, charloom.surprisal):
        with pytest.raises(charloom.CharloomError, match=r"the model is a Writer; give a model"):
            call(charloom.Writer(made[1]), "abc")  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [*WRONG, "one string"])
def test_what_is_no_list_of_texts_is_not_classified(wrong: Any, made: Any) -> None:
    for call in (made[2].predict, made[2].probabilities):
        with pytest.raises(charloom.CharloomError, match=r"list of strings|expected a text"):
            call(wrong)


@pytest.mark.parametrize("wrong", [None, 5, b"run", ["run"]])
def test_what_is_no_path_gets_a_sentence(wrong: Any) -> None:
    for call in (charloom.load, charloom.load_classifier, charloom.Writer.load):
        with pytest.raises(charloom.CharloomError, match="expected a path"):
            call(wrong)


@pytest.mark.parametrize(
    "settings",
    [
        {"length": 1.5},
        {"length": "3"},
        {"length": True},
        {"seed": 1.5},
        {"stop": "abc"},
        {"stop": 5},
        {"stop": [1]},
        {"temperature": None},
        {"temperature": "hot"},
        {"top_k": 1.5},
        {"top_p": "x"},
    ],
)
def test_a_wrong_type_among_the_settings_of_writing_is_named(settings: dict[str, Any], made: Any) -> None:
    with pytest.raises(charloom.CharloomError, match=f"{next(iter(settings))}|expected a text"):
        list(charloom.generate(made[1], "a", **settings))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: charloom.NetworkConfig(hidden_size="3"), "network.hidden_size is '3' .str.; it takes a whole number"),  # type: ignore[arg-type]
        (lambda: charloom.NetworkConfig(hidden_size=3.5), "whole number"),  # type: ignore[arg-type]
        (lambda: charloom.TrainingConfig(learning_rate=None), "learning_rate is None; it takes a number"),  # type: ignore[arg-type]
        (lambda: charloom.CorpusConfig(split=None), "three shares"),  # type: ignore[arg-type]
        (lambda: charloom.CorpusConfig(split="abc"), "three shares"),  # type: ignore[arg-type]
        (lambda: charloom.CorpusConfig(split=("a", 1, 0)), "a share of the split is 'a'"),  # type: ignore[arg-type]
        (lambda: charloom.train("ab\n" * 99, steps="3"), "a run's length is '3'"),  # type: ignore[arg-type]
        (lambda: charloom.train("ab\n" * 99, time_budget=[1]), "a run's length is"),  # type: ignore[arg-type]
        (lambda: charloom.train("ab\n" * 99, network={"layers": 1}), "give a charloom.NetworkConfig"),  # type: ignore[arg-type]
        (lambda: charloom.train("ab\n" * 99, run=5), "expected a path"),  # type: ignore[arg-type]
        (lambda: charloom.train(None), "there is no text to train on"),  # type: ignore[arg-type]
        (lambda: charloom.train("ab\n" * 99, steps=1, run="a\0b"), "is not a valid folder name"),
        (lambda: charloom.train("ab\n" * 99, steps=1.5), "a run's number of steps is 1.5 .float.; it takes a whole"),  # type: ignore[arg-type]
        (lambda: charloom.train("ab\n" * 99, steps=1, callback=3), "callback is 3; give a function"),  # type: ignore[arg-type]
        (lambda: charloom.train("ab\n" * 99, steps=1, device="gpu"), "device is 'gpu'; did you mean 'cpu'"),  # type: ignore[arg-type]
        (lambda: charloom.train("ab\n" * 99, steps=1, precision="x"), "precision is 'x'; it is one of auto"),  # type: ignore[arg-type]
        (lambda: charloom.train("ab\n" * 99, steps=1, origin=""), "not a|neither a run nor a model folder"),
        (lambda: charloom.train("ab\n" * 99, steps=1, run=""), "is not a run; choose another"),
        (lambda: charloom.beam_search("runs/my", "abc", width="x"), "width is 'x' .str.; it takes a whole number"),  # type: ignore[arg-type]
        (lambda: charloom.evaluate("runs/my", "abc"), "there is no run or model folder runs/my"),
        (lambda: charloom.evaluate(5, "abc"), "the model is 5 .int.; give a model"),  # type: ignore[arg-type]
        (lambda: charloom.generate("runs/my", "abc"), "there is no run or model folder runs/my"),
        (lambda: charloom.generate(5, "abc"), "the model is 5 .int.; give a model"),  # type: ignore[arg-type]
        (lambda: charloom.TextClassifier(hidden_size="a").fit(["a", "b"], [0, 1]), "whole number"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_type_gets_a_sentence(call: Callable[[], object], said: str) -> None:
    with pytest.raises(charloom.CharloomError, match=said):
        call()


def test_numbers_of_numpy_are_numbers(made: Any) -> None:
    import numpy as np

    network = charloom.NetworkConfig(hidden_size=np.int64(8), dropout=np.float32(0.5))  # type: ignore[arg-type]
    assert network.hidden_size == 8
    assert len("".join(charloom.generate(made[1], "a", length=np.int64(3), seed=np.int32(1), top_k=np.int64(2)))) == 3


def test_a_context_longer_than_the_text_is_the_whole_text(made: Any) -> None:
    assert charloom.evaluate(made[1], "abc", context=10**30) == charloom.evaluate(made[1], "abc", context=3)


def test_a_run_that_cannot_be_made_is_not_said_to_exist(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, said in (("file/run", "a folder above it is a file"), ("file", "exists and is not a run")):
        with pytest.raises(charloom.CharloomError, match=said):
            charloom.train("ab\n" * 99, steps=1, run=tmp_path / name)
