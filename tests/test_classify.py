"""Classifiers: laws of their predictions, their training and their files."""

import itertools
import json
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from charloom.classify import experiment
from charloom.classify.calibration import best_temperature, bins, calibration_error, surprise_nats
from charloom.classify.evaluation import evaluate
from charloom.classify.explanation import explain
from charloom.classify.generative import GenerativeNetwork
from charloom.classify.measures import measure
from charloom.classify.model import Classifier, load_classifier, softmax
from charloom.classify.request import ClassifierRequest
from charloom.classify.rows import Rows, as_copy, hold_out, parse_copy
from charloom.classify.session import ClassifierSession
from charloom.classify.symbols import SymbolTable, vocabulary_of
from charloom.classify.training import class_weights
from charloom.errors import FolderError
from charloom.machine import hardware
from charloom.training.loop import SaveEvery
from charloom.training.request import Length
from classify_rows import begin, finish, small_rows

KINDS = (
    {},
    {"kind": "generative"},
    {"layers": 2, "next_character": 0.5, "crops": 0.5},
    {"bidirectional": False, "pooling": "last", "cell": "gru", "n_grams": 0},
)
kinds = pytest.mark.parametrize("changes", KINDS, ids=["plain", "generative", "two-layers", "one-way"])

STRANGE = ["", " ", "ß", "über müssen", "\ud800", "日本語のテキスト", "a\tb\nc", "x" * 700, "the and is"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that distinguishes the three classes."""
    path = tmp_path_factory.mktemp("classifier") / "run"
    return finish(
        begin(small_rows(600), path, steps=150, batch_size=32, sequence_length=40, hidden_size=24, dropout=0.1)
    )


@pytest.fixture(scope="module")
def classifier(trained: Path) -> Classifier:
    return load_classifier(trained)


def fresh(tmp_path: Path, **changes: object) -> Classifier:
    """A barely trained classifier, of any kind."""
    return load_classifier(finish(begin(small_rows(), tmp_path / "run", steps=2, **changes)))


# --- predictions ---


@kinds
def test_batching_does_not_change_a_prediction(tmp_path: Path, changes: dict[str, object]) -> None:
    model = fresh(tmp_path, **changes)
    together = model.probabilities([*STRANGE, *small_rows(40).texts])
    alone = np.concatenate([model.probabilities([text]) for text in [*STRANGE, *small_rows(40).texts]])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-6)


@kinds
def test_probabilities_add_up_to_one_for_any_text(tmp_path: Path, changes: dict[str, object]) -> None:
    found = fresh(tmp_path, **changes).probabilities(STRANGE)
    assert found.shape == (len(STRANGE), 3)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)
    assert (found >= 0).all()


def test_no_text_gives_no_row(classifier: Classifier) -> None:
    assert classifier.probabilities([]).shape == (0, 3)


@settings(max_examples=20)
@given(st.permutations(range(12)))
def test_the_order_of_texts_is_kept(classifier: Classifier, order: list[int]) -> None:
    texts = small_rows(12, seed=5).texts
    mixed = classifier.probabilities([texts[place] for place in order])
    np.testing.assert_allclose(mixed, classifier.probabilities(texts)[order], rtol=1e-4, atol=1e-6)


def test_a_long_text_says_the_mean_of_what_its_pieces_say(tmp_path: Path) -> None:
    model = fresh(tmp_path, sequence_length=10, n_grams=0)
    text = "der die das und ist nicht ein"[:29] + "x"  # three pieces of ten
    pieces = [text[:10], text[10:20], text[20:]]
    np.testing.assert_allclose(model.logits([text])[0], model.logits(pieces).mean(0), rtol=1e-4, atol=1e-5)


def test_a_long_text_counts_the_prior_of_a_generative_classifier_once(tmp_path: Path) -> None:
    model = fresh(tmp_path, kind="generative", sequence_length=10, n_grams=0)
    assert isinstance(model.network, GenerativeNetwork)
    prior = model.network.prior.numpy()
    text = "der die das und ist "
    halves = model.logits([text[:10], text[10:]])
    np.testing.assert_allclose(model.logits([text])[0], halves.sum(0) - prior, rtol=1e-4, atol=1e-4)


def test_a_text_of_a_megabyte_is_answered_in_pieces_that_fit_a_bound(classifier: Classifier) -> None:
    pieces = classifier._pieces(classifier.table.encode("der die das " * 83_000))
    assert max(map(len, pieces)) <= 40
    label, probability = classifier.predict(["der die das nicht " * 10_000])[0]
    assert (label, probability > 0.5) == ("german", True)


def test_the_generative_classifier_is_bayes_rule(tmp_path: Path) -> None:
    """P(class | text) from the sum of surprisals that the network gives each symbol, written out by hand."""
    model = fresh(tmp_path, kind="generative", n_grams=0)
    network = model.network
    assert isinstance(network, GenerativeNetwork)
    ids = torch.tensor([model.table.boundary, *model.table.encode("nicht").tolist(), model.table.boundary])
    logs = []
    with torch.no_grad():
        for place in range(3):
            state, total = None, float(network.prior[place])
            for now, after in itertools.pairwise(ids):
                condition = network.condition(torch.tensor([place]))
                value = torch.cat([network.embedding(now[None]), condition], -1)[None]
                value, state = network.layers[0](value, state)
                total += float(network.output(value)[0, 0].log_softmax(-1)[after])
            logs.append(total)
    by_hand = np.array(logs) / float(network.temperature)
    np.testing.assert_allclose(model.probabilities(["nicht"])[0], softmax(by_hand[None])[0], rtol=1e-4)


def test_below_the_threshold_a_text_is_unknown(classifier: Classifier) -> None:
    ((label, probability),) = classifier.predict(["der die das"])
    assert classifier.predict(["der die das"], threshold=probability) == [(label, probability)]
    assert classifier.predict(["der die das"], threshold=probability + 1e-9) == [("unknown", probability)]


def test_an_unseen_character_still_tells_its_block() -> None:
    table = SymbolTable(vocabulary_of(["абв абв abc abc"]))
    cyrillic, other, han = table.encode("я"), table.encode("ю"), table.encode("語")
    assert cyrillic[0] == other[0] == table.unknown[table.encode("а")[0]]
    assert han[0] == len(table) - 1 != cyrillic[0]
    assert int(table.unknown.max()) < len(table)


def test_it_learns(classifier: Classifier) -> None:
    assert evaluate(classifier, small_rows(200, seed=9)).measures.accuracy > 0.7  # some words belong to two classes


def test_a_share_is_what_the_log_odds_lose_when_the_character_is_not_known(classifier: Classifier) -> None:
    text, place = "die schöne", classifier.classes.index("german")
    found = explain(classifier, text, label="german")
    odds = []
    for number in range(len(text)):
        stranger = "\x01" if ord(text[number]) < 128 else "\xff"  # in no text, but in the same block
        (row,) = classifier.probabilities([text[:number] + stranger + text[number + 1 :]])
        odds.append(np.log2(row[place] / (1 - row[place])))
    whole = np.log2(found.probability / (1 - found.probability))
    np.testing.assert_allclose(found.shares, whole - np.array(odds), rtol=1e-3, atol=1e-4)


# --- training ---


@kinds
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path, changes: dict[str, object]) -> None:
    rows = small_rows()
    whole = finish(begin(rows, tmp_path / "whole", **changes))
    session: ClassifierSession = begin(rows, tmp_path / "broken", **changes)
    for number, _ in enumerate(session.events(), 1):
        if number == 7:
            break  # like Ctrl-C: the work so far is saved
    del session
    finish(experiment.resume(tmp_path / "broken", save_every=SaveEvery(None, 100)))
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(tmp_path / "broken") for p in (tmp_path / "broken").rglob("*") if p.is_file())
    for name in files:
        if name.name not in ("clock.jsonl", "lock"):
            assert (whole / name).read_bytes() == (tmp_path / "broken" / name).read_bytes(), name


def test_a_run_in_bfloat16_goes_on_in_float32_where_the_processor_does_not_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: ClassifierSession = begin(small_rows(), tmp_path / "run")
    next(events := session.events())
    events.close()
    del session
    path = tmp_path / "run" / "config.json"
    path.write_text(path.read_text().replace('"precision": "float32"', '"precision": "bfloat16"'))
    monkeypatch.setattr(hardware, "_processor_multiplies_bfloat16", lambda: False)
    finish(moved := experiment.resume(tmp_path / "run"))
    assert '"precision": "float32"' in path.read_text()
    assert any(notice.startswith("training goes on in float32: the processor") for notice in moved.notices)
    path.write_text(path.read_text().replace('"precision": "float32"', '"precision": "bfloat16"'))
    finish(done := experiment.resume(tmp_path / "run"))
    assert '"precision": "bfloat16"' in path.read_text() and done.notices == ()  # nothing was left to train


def test_looking_at_the_held_rows_more_often_leaves_the_same_weights(tmp_path: Path) -> None:
    states = []
    for validations in (1, 6):
        session = begin(small_rows(), tmp_path / str(validations), validations=validations)
        finish(session)
        states.append(session.trainer.network.state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_until_the_first_validation_the_model_of_the_last_checkpoint_is_kept(tmp_path: Path) -> None:
    session = begin(small_rows(), tmp_path / "run", validations=1)
    first = load_classifier(tmp_path / "run").weights()
    for event in session.events():
        if event.progress.step == 7:
            break
    assert first != load_classifier(tmp_path / "run").weights() == session.classifier.weights()


def test_training_stops_early_where_the_held_rows_get_no_better(tmp_path: Path) -> None:
    rows = Rows(tuple("ab" * 60), tuple(f"word {chr(97 + number // 5)}" for number in range(120)))  # nothing to learn
    session = begin(rows, tmp_path / "run", steps=400, validations=100, patience=3)
    finish(session)
    assert session.stopped_early
    assert session.trainer.step == session.best_step + 3 * 4


def test_rows_that_changed_are_not_gone_on_with(tmp_path: Path) -> None:
    session = begin(small_rows(), tmp_path / "run")
    session.events().close()
    copy = tmp_path / "run" / "text.txt"
    copy.write_bytes(copy.read_bytes().replace(b"english", b"swedish"))
    session._lock.release()
    with pytest.raises(FolderError, match="has changed since"):
        experiment.resume(tmp_path / "run")


def test_class_weights_count_texts_alike_or_classes_alike() -> None:
    assert class_weights((30, 10), 0.0).tolist() == [1.0, 1.0]
    weights = class_weights((30, 10), 1.0)
    assert float(weights[0] * 30) == pytest.approx(float(weights[1] * 10))
    assert float((weights * torch.tensor([30.0, 10.0])).sum()) == pytest.approx(40)


def gradients(path: Path, batch_size: int, **changes: object) -> dict[str, torch.Tensor]:
    """The mean over an epoch of the gradients given to the optimizer, with fixed weights and no dropout."""
    labels = ["english"] * 50 + ["german"] * 10 + ["python"] * 9
    rows = Rows(tuple(labels), tuple(f"{label[:1] * (7 * place % 31)}{place}" for place, label in enumerate(labels)))
    changes = {"dropout": 0.0, "character_dropout": 0.0, "held": 0.0, "n_grams": 0, **changes}
    trainer = begin(rows, path, batch_size=batch_size, steps=1000, **changes).trainer
    trainer.config, trainer._bfloat16 = replace(trainer.config, clip=0.0, average=0.0), False
    total = {name: torch.zeros_like(weights) for name, weights in trainer.network.named_parameters()}

    def add(rate: float) -> None:
        for name, weights in trainer.network.named_parameters():
            if weights.grad is not None:
                total[name] += weights.grad / len(trainer.batches)

    trainer.optimizer.step = add
    for _ in range(len(trainer.batches)):
        trainer.advance()
    return total


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"next_character": 0.0, "class_weights": 0.5},
        {"every_place": 0.5, "class_weights": 1.0},
        {"kind": "generative", "class_weights": 0.5},
    ],
    ids=["plain", "class weights", "every place", "generative"],
)
@pytest.mark.parametrize("batch_size", [1, 7, 16])
def test_each_text_and_each_character_counts_alike_whatever_batch_it_is_in(
    tmp_path: Path, batch_size: int, changes: dict[str, object]
) -> None:
    found, whole = (gradients(tmp_path / str(size), size, **changes) for size in (batch_size, 69))
    for name, gradient in whole.items():
        torch.testing.assert_close(found[name], gradient, atol=1e-6, rtol=1e-4)


def test_the_loss_of_a_batch_is_that_of_its_texts_over_the_usual_number_of_texts(tmp_path: Path) -> None:
    session = begin(small_rows(50), tmp_path, batch_size=16, next_character=0.0, label_smoothing=0.0, dropout=0.0)
    network, weights = session.trainer.network, torch.tensor([0.5, 1.0, 2.0])
    for batch in (session.trainer.batches[k] for k in range(len(session.trainer.batches))):
        logs = network(batch.ids, batch.lengths).log_softmax(-1)
        losses = [-weights[label] * logs[text, label] for text, label in enumerate(batch.labels.tolist())]
        expected = sum(losses) / batch.texts_per_batch
        assert network.loss(batch, weights).item() == pytest.approx(expected.item(), rel=1e-5)
    assert batch.texts_per_batch == pytest.approx(len(session.trainer.batches._texts) / len(session.trainer.batches))


# --- rows ---


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "X!", "y", "yy", "1", "2", ""])), min_size=2))
def test_near_duplicates_are_on_one_side(pairs: list[tuple[str, str]]) -> None:
    rows = Rows(tuple(label for label, _ in pairs), tuple(text for _, text in pairs))
    kept, held = hold_out(rows, 0.4, seed=1)
    assert sorted([*kept, *held]) == list(range(len(rows)))
    plain = {"x": "x", "X!": "x", "y": "y", "yy": "yy"}
    sides = [{plain.get(rows.texts[place], rows.texts[place]) for place in side} for side in (kept, held)]
    assert not sides[0] & sides[1]


def test_a_share_of_each_class_is_held_out() -> None:
    rows = Rows(("a",) * 100 + ("b",) * 10, tuple(f"text {chr(97 + n % 26) * (n + 1)}" for n in range(110)))
    _, held = hold_out(rows, 0.2, seed=3)
    assert ((held < 100).sum(), (held >= 100).sum()) == (20, 2)


@given(st.lists(st.tuples(st.text(), st.text() | st.just("\ud800")), min_size=1))
def test_a_copy_of_rows_gives_them_back(pairs: list[tuple[str, str]]) -> None:
    rows = Rows(tuple(label for label, _ in pairs), tuple(text for _, text in pairs))
    again = parse_copy(as_copy(rows), "copy")
    assert (again.labels, again.texts) == (rows.labels, rows.texts)


@pytest.mark.parametrize("line", [b"{}", b'["a"]', b'["a", 1]', b"nonsense"])
def test_a_damaged_copy_is_refused(line: bytes) -> None:
    with pytest.raises(FolderError, match="copy is damaged"):
        parse_copy(b'["a", "b"]\n' + line + b"\n", "copy")


# --- figures ---


def test_the_measures_are_those_of_a_table_counted_by_hand() -> None:
    """Four of a, two of b, none of c; one a is classified as b, one b as c."""
    predicted = np.array([0, 0, 0, 1, 1, 2])
    probabilities = np.full((6, 3), 0.1)
    probabilities[np.arange(6), predicted] = 0.8
    found = measure(probabilities, np.array([0, 0, 0, 0, 1, 1]))
    assert found.confusion.tolist() == [[3, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.balanced_accuracy == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found.macro_f1 == pytest.approx((6 / 7 + 1 / 2 + 0) / 3)
    assert found.nats == pytest.approx(-4 * np.log(0.8) - 2 * np.log(0.1))
    assert found.calibration_error == pytest.approx(0.8 - 4 / 6)


def test_the_best_temperature_is_found_and_cannot_be_beaten() -> None:
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(4000, 3)) * 2
    labels = np.array([draw.choice(3, p=row) for row in softmax(logits)])
    found = best_temperature(logits * 5, labels)
    assert found == pytest.approx(5, rel=0.1)
    least = surprise_nats(logits * 5, labels, found)
    assert all(least <= surprise_nats(logits * 5, labels, found * factor) + 1e-6 for factor in (0.8, 0.95, 1.05, 1.25))
    assert calibration_error(bins(softmax(logits * 5 / found), labels)) < 0.03


def test_a_few_texts_that_are_all_right_do_not_make_it_certain() -> None:
    logits = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    temperature = best_temperature(logits, np.array([0, 1, 0]))
    assert softmax(logits / temperature).max() < 0.95


# --- files ---


def test_a_folder_with_a_wrong_temperature_or_class_is_refused(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (trained / "model").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "classes": ["a", "a", "b"]}))
    with pytest.raises(FolderError, match="at least two classes, each once"):
        load_classifier(folder)
    (folder / "config.json").write_text(json.dumps({**config, "classes": ["a", "b"]}))
    with pytest.raises(FolderError, match="belong to different models"):
        load_classifier(folder)
    (folder / "config.json").write_text(json.dumps(config))
    data = (folder / "model.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    start = len(data) - max(e["data_offsets"][1] for e in header.values()) + header["temperature"]["data_offsets"][0]
    (folder / "model.safetensors").write_bytes(data[:start] + struct.pack("<f", 0.0) + data[start + 4 :])
    with pytest.raises(FolderError, match="temperature is not above 0"):
        load_classifier(folder)


def with_old_options(run: Path, old: Path, **options: object) -> Path:
    """A copy of a run as a version before 0.1.0 wrote it, with options of classifiers that are gone."""
    shutil.copytree(run, old)
    for path in (old / "config.json", old / "model" / "config.json"):
        config = json.loads(path.read_text())
        config["classification"] |= {"members": 1} | options
        path.write_text(json.dumps(config))
    return old


def test_a_run_of_before_loads_and_goes_on_to_the_same_model(tmp_path: Path) -> None:
    rows = small_rows()
    whole = finish(begin(rows, tmp_path / "whole"))
    begun = begin(rows, tmp_path / "begun")
    next(events := begun.events())
    events.close()
    old = with_old_options(tmp_path / "begun", tmp_path / "old")
    assert load_classifier(old).config == begun.classifier.config
    finish(experiment.resume(old))
    weights = [(path / "model" / "model.safetensors").read_bytes() for path in (whole, old)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(("option", "value"), [("members", 3), ("members", "1"), ("pooling", "attention")])
def test_a_run_with_an_option_that_is_gone_says_so(trained: Path, tmp_path: Path, option: str, value: object) -> None:
    old = with_old_options(trained, tmp_path / "old", **{option: value})
    said = f'{option} is "?{value}"?, which charloom supported only before release 0.1.0; train the classifier again'
    with pytest.raises(FolderError, match=said):
        load_classifier(old)
    with pytest.raises(FolderError, match=said):
        experiment.resume(old)


def test_a_language_model_is_no_classifier(tmp_path: Path) -> None:
    from tiny_runs import TinyRun, finish

    path = tmp_path / "language-model"
    finish(TinyRun(hidden_size=3, steps=2, characters=400).begin(path))
    with pytest.raises(FolderError, match="is a language model, not a classifier"):
        load_classifier(path)
    with pytest.raises(FolderError, match="is a run of a language model"):
        experiment.resume(path)


def test_a_classifier_starts_from_a_language_model(tmp_path: Path) -> None:
    from charloom.training.runs import load
    from tiny_runs import TinyRun, finish

    path = tmp_path / "language-model"
    finish(TinyRun(hidden_size=6, steps=2, characters=400).begin(path))
    parent = load(path)
    request = ClassifierRequest(length=Length(steps=1), origin=path)
    session = experiment.begin(small_rows(), request, run=tmp_path / "run")
    network = session.classifier.network
    assert session.config.network.hidden_size == 6
    assert session.config.origin is not None
    for name, weights in parent.network.layers[0].named_parameters():
        assert torch.equal(dict(network.layers[1].named_parameters())[name], weights)
    known = set(session.classifier.vocabulary.characters) & set(parent.vocabulary.characters)
    for character in known:
        mine = network.embedding.weight[session.classifier.vocabulary.characters.index(character)]
        assert torch.equal(mine, parent.network.embedding.weight[parent.vocabulary.characters.index(character)])
