"""TextClassifier: scikit-learn's contract without scikit-learn's base classes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charloom
from charloom.classify.estimator import NotFittedError
from charloom.errors import CharloomError
from classify_rows import small_rows

ROWS = small_rows(90)


def small(**changes: Any) -> charloom.TextClassifier:
    return charloom.TextClassifier(**{"hidden_size": 8, "embedding_size": 6, "steps": 4, "batch_size": 16, **changes})


@pytest.fixture(scope="module")
def fitted() -> charloom.TextClassifier:
    return small().fit(list(ROWS.texts), list(ROWS.labels))


def test_fit_gives_itself_and_predict_gives_labels(fitted: charloom.TextClassifier) -> None:
    assert fitted.classes_.tolist() == ["english", "german", "python"]
    texts = ["der die", "", "日本", "the\nand\tis"]
    found = fitted.predict_proba(texts)
    np.testing.assert_allclose(found.sum(1), 1)
    assert fitted.predict(texts).tolist() == fitted.classes_[found.argmax(1)].tolist()
    np.testing.assert_allclose(fitted.predict_log_proba(texts), np.log(found))
    assert fitted.score(ROWS.texts, ROWS.labels) == np.mean(fitted.predict(ROWS.texts) == np.array(ROWS.labels))


@pytest.mark.parametrize("labels", [[10, 2, 10, 2] * 4, [True, False] * 8, [3.0, -2.0] * 8])
def test_labels_come_back_as_they_were_given(labels: list[Any]) -> None:
    classifier = small().fit([f"text {label}" for label in labels], labels)
    assert classifier.classes_.tolist() == sorted(set(labels))
    assert classifier.predict(["text"]).dtype == np.asarray(labels).dtype
    columns = [classifier.classifier_.classes.index(str(label)) for label in classifier.classes_]
    expected = classifier.classifier_.probabilities(["text 2"])[:, columns]
    np.testing.assert_array_equal(classifier.predict_proba(["text 2"]), expected)


def test_the_same_seed_gives_the_same_classifier_whatever_was_drawn_before(fitted: charloom.TextClassifier) -> None:
    again = small().fit(np.array(ROWS.texts), np.array(ROWS.labels))
    np.testing.assert_array_equal(again.predict_proba(ROWS.texts), fitted.predict_proba(ROWS.texts))


def test_parameters_are_read_and_set_by_name() -> None:
    classifier = small(dropout=0.2)
    assert classifier.get_params()["dropout"] == 0.2
    assert classifier.set_params(dropout=0.1, kind="generative") is classifier
    assert repr(classifier).startswith("TextClassifier(kind='generative', hidden_size=8")
    with pytest.raises(CharloomError, match="no parameter 'droput'; did you mean 'dropout'"):
        classifier.set_params(droput=0.1)


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        ("one string", ["a"], "the texts are one string"),
        (["a", 1], ["x", "y"], "text 1 is of type int, not a string"),
        (np.zeros((2, 2)), ["x", "y"], "more than one dimension"),
        (["a", "b"], ["x"], "2 texts and 1 labels"),
        (["a", "b"], ["x", "x"], "only one class, 'x'"),
        (["a", "b"], [["x"], ["y"]], "labels have more than one dimension"),
        ([], [], "has no texts"),
        (["a", "b"], [0.5, 1.0], "Unknown label type: continuous"),
        (["a", "b"], [float("nan"), 1.0], "NaN or infinity"),
        (["a", "b"], None, "requires y to be passed"),
        (["a", "b", "c"], ["x", None, "y"], "label 1 is None"),
        (["a", "b", "c"], np.array(["x", None, "y"], object), "label 1 is None"),
        (["a", "b", "c"], ["x", "y", float("nan")], "label 2 is NaN"),
        (["a", "b", "c"], ["x", 1, "y"], r"label 0 is 'x' \(str\), label 1 is 1 \(int\); make them all of one type"),
        (["a", "b", "c"], [True, 2, False], r"label 0 is True \(bool\), label 1 is 2 \(int\)"),
        (["a", "b"], "xy", "the labels are one string"),
        (["a", "b"], {"x", "y"}, "the labels are a set"),
        (["a", "b"], 5, "the labels are of type int, not a sequence"),
        (["a", "b"], [1j, 2j], "the labels are complex numbers"),
        (["a", "b"], [object(), object()], "cannot be sorted"),
        (["a", "b"], [["x"], ["y", "z"]], "more than one dimension"),
        (None, ["x", "y"], "the texts are of type None, not a sequence"),
        ({"a": 1, "b": 2}, ["x", "y"], "the texts are a dict"),
        (["a", None], ["x", "y"], "text 1 is of type None, not a string"),
        (["a", float("nan")], ["x", "y"], "text 1 is of type float, not a string"),
        ([f"label{n % 2}" for n in range(40)], [f"a text {n}" for n in range(40)], "columns look swapped"),
    ],
)
def test_what_cannot_be_fitted_gets_a_sentence(texts: Any, labels: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        small().fit(texts, labels)


@pytest.mark.parametrize(
    "labels", [[1, 2, 3.0, 1], [np.int64(1), 2, 3, 1], [np.str_("a"), "b", "a", "b"], [b"x", b"y", b"x", b"y"]]
)
def test_labels_that_are_of_one_kind_are_taken(labels: list[Any]) -> None:
    classifier = small().fit(["one", "two", "three", "four"], labels)
    assert classifier.classes_.tolist() == sorted(set(labels))


def test_what_cannot_be_asked_or_scored_gets_a_sentence(fitted: charloom.TextClassifier) -> None:
    for texts in (None, 5, "one", ["a", None], {"a"}):
        with pytest.raises(CharloomError, match="text"):
            fitted.predict(texts)  # type: ignore[arg-type]
    for texts, labels in ((["a"], ["x", "y"]), ([], [])):
        with pytest.raises(CharloomError, match="texts"):
            fitted.score(texts, labels)


def test_a_score_is_weighted(fitted: charloom.TextClassifier) -> None:
    right = fitted.predict(ROWS.texts) == np.array(ROWS.labels)
    weights = np.where(right, 3.0, 1.0)
    for scale in (1, 1000):  # only proportions count
        assert fitted.score(ROWS.texts, ROWS.labels, sample_weight=scale * weights) == pytest.approx(
            3 * right.sum() / (3 * right.sum() + (~right).sum())
        )


def test_before_it_is_fitted_it_says_so() -> None:
    with pytest.raises((NotFittedError, AttributeError), match="not fitted yet"):
        small().predict(["a"])


def test_with_a_run_the_command_line_can_read_it(tmp_path: Path) -> None:
    texts = [text + "\n\t" for text in ROWS.texts]  # which no file of rows could contain
    classifier = small(run=tmp_path / "run").fit(texts, ROWS.labels)
    loaded = charloom.load_classifier(tmp_path / "run")
    np.testing.assert_array_equal(loaded.probabilities(texts), classifier.predict_proba(texts))


def test_it_works_where_scikit_learn_is_not_installed() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = None; import charloom\n"
        "c = charloom.TextClassifier(hidden_size=4, steps=1).fit(['a', 'b', 'aa', 'bb'], [0, 1, 0, 1])\n"
        "print(len(c.predict(['a'])))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr


# --- with scikit-learn ---


def test_it_is_cloned_validated_across_folds_and_put_into_a_pipeline(fitted: charloom.TextClassifier) -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone, is_classifier
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    twin = clone(fitted)
    assert twin.get_params() == fitted.get_params()
    assert not hasattr(twin, "classifier_")
    assert is_classifier(twin)
    assert len(cross_val_score(small(), list(ROWS.texts), list(ROWS.labels), cv=3)) == 3
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipeline = make_pipeline(lower, small()).fit(list(ROWS.texts), ROWS.labels)
    assert pipeline.predict(["der"]).shape == (1,)
    search = GridSearchCV(small(), {"dropout": [0.1, 0.2]}, cv=2).fit(list(ROWS.texts), list(ROWS.labels))
    assert search.best_params_["dropout"] in (0.1, 0.2)


class OfNumbers(charloom.TextClassifier):
    """Reads rows of numbers as texts, because scikit-learn has no checks for estimators of texts."""

    def __init__(self, hidden_size: int = 8, steps: int = 4) -> None:
        super().__init__(hidden_size=hidden_size, embedding_size=6, steps=steps, batch_size=16)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {"hidden_size": self.hidden_size, "steps": self.steps}

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "OfNumbers":  # noqa: N803
        return super().fit(written(X), y, sample_weight=sample_weight)

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        return super().predict_proba(written(X))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array, tags.input_tags.two_d_array, tags.input_tags.string = False, True, False
        return tags


def written(numbers: Any) -> list[str]:
    return [" ".join(f"{value:.1f}" for value in row) for row in np.asarray(numbers)]


NUMBERS = "about arrays of numbers, which no text classifier takes"
EXPECTED = {
    "check_n_features_in_after_fitting": "a text has no number of features",
    "check_n_features_in": "a text has no number of features",
    "check_complex_data": NUMBERS,
    "check_dtype_object": NUMBERS,
    "check_estimators_empty_data_messages": NUMBERS,
    "check_estimators_nan_inf": NUMBERS,
    "check_estimator_sparse_tag": NUMBERS,
    "check_estimator_sparse_array": NUMBERS,
    "check_estimator_sparse_matrix": NUMBERS,
    "check_fit1d": NUMBERS,
    "check_fit2d_predict1d": NUMBERS,
    "check_classifiers_train": "asks for 83 % of points in a plane from four steps of reading their digits",
    "check_sample_weight_equivalence_on_dense_data": "weights equal repeated neighbouring texts; it shuffles them",
    "check_supervised_y_2d": "a column of labels is refused, where scikit-learn's own take it with a warning",
}
"""scikit-learn's checks that fail, and why."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_check_estimator_passes_but_for_what_is_listed() -> None:
    pytest.importorskip("sklearn")
    from sklearn.utils.estimator_checks import check_estimator

    assert all(entry["status"] == "passed" for entry in check_estimator(small(), on_fail=None, on_skip=None))
    results = check_estimator(OfNumbers(), on_fail=None, on_skip=None)
    failed = {entry["check_name"]: repr(entry["exception"]) for entry in results if entry["status"] == "failed"}
    assert failed.keys() == EXPECTED.keys(), failed
    assert sum(entry["status"] == "passed" for entry in results) > 30
