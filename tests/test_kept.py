"""Which model is kept: stated wherever a run is described, and a run that only gets worse ends."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

import charloom as package
from charloom.data.text_sources import string_corpus
from charloom.errors import SettingsError
from charloom.interruption import Interruption
from charloom.plotting.loss_curves import read_curves
from charloom.settings import ClassifierTrainingConfig, CorpusConfig, NetworkConfig, TrainingConfig
from charloom.training import start
from charloom.training.kept import Kept, kept
from charloom.training.request import Length, RunRequest
from charloom.training.runs import Run
from charloom.training.session import Session

pytestmark = pytest.mark.usefixtures("as_on_the_command_line")

NETWORK = NetworkConfig(hidden_size=16, embedding_size=8, dropout=0.0)
TRAINING = TrainingConfig(batch_size=4, sequence_length=16, learning_rate=3e-2, validations=20)
STEPS = 60
FLAGS = (
    *("--network.hidden-size", 16, "--network.embedding-size", 8, "--network.dropout", 0, "--training.batch-size", 4),
    *("--training.sequence-length", 16, "--training.learning-rate", 3e-2, "--training.validations", 20),
)


@pytest.fixture(scope="module")
def deceptive() -> str:
    """A text whose last tenth is unlike the rest, so that training soon makes the validation worse."""
    draw = random.Random(1)
    return "abcdefgh\n" * 200 + "".join(draw.choice("abcdefgh\n") for _ in range(200))


def begin(text: str, run: Path, *, steps: int = STEPS, patience: int = 0) -> Session:
    training = TrainingConfig(**{**TRAINING.__dict__, "patience": patience})
    request = RunRequest(CorpusConfig(), NETWORK, training, length=Length(steps=steps))
    return start.begin(string_corpus(text, CorpusConfig()), request, run=run)


def finish(session: Session) -> Run:
    for _ in session.events():
        pass
    return session.run


def validation(step: int, nats: float) -> dict[str, Any]:
    return {"step": step, "validation": {"nats_per_character": nats}}


def test_the_first_of_equal_validations_is_the_one_whose_model_is_kept() -> None:
    assert kept([validation(1, 3.0), validation(2, 2.0), validation(3, 2.0)]) == Kept(2, 2.0, 3, 2.0)
    assert kept([{"step": 1, "loss_nats": 2.0}]) is None


@pytest.mark.parametrize(
    ("found", "overfits"),
    [
        (Kept(20, 1.80, 100, 1.90), True),
        (Kept(20, 1.80, 100, 1.801), False),
        (Kept(90, 1.80, 100, 1.90), False),
        (Kept(80, 1.80, 100, 1.90), True),
        (Kept(81, 1.80, 100, 1.90), False),
        (Kept(100, 1.80, 100, 1.80), False),
    ],
)
def test_a_run_overfits_where_it_was_best_early_and_became_worse(found: Kept, overfits: bool) -> None:
    assert found.overfits is overfits


def test_what_is_kept_is_what_the_files_of_the_run_say(deceptive: str, tmp_path: Path) -> None:
    session = begin(deceptive, tmp_path / "run")
    best: list[tuple[int, float | None]] = []
    for event in session.events():
        if event.validation:
            nats = event.validation.score.nats_per_character
            if not best or nats < (best[-1][1] or 0):
                best.append((event.progress.step, nats))
            assert (event.best_step, event.best_nats) == best[-1]
    found = session.kept()
    assert found is not None
    assert (found.step, found.nats_per_character) == best[-1]
    assert found.overfits
    assert session.best_step == found.step < STEPS


def test_train_info_card_and_curve_all_name_the_model_that_is_kept(
    deceptive: str, charloom: Any, tmp_path: Path
) -> None:
    text, run = tmp_path / "text.txt", tmp_path / "run"
    text.write_text(deceptive)
    done = charloom("train", text, "--run", run, "--steps", STEPS, *FLAGS, "--json")
    best = json.loads(done.stdout)["kept"]
    step, last = best["step"], best["last_step"]
    assert step < last == STEPS
    said = f"kept the model of step {step:,} of {STEPS}, {best['nats_per_character']:.3f} nats"
    assert said in done.stderr
    assert f"the last one, of step {last}, had {best['last_nats_per_character']:.3f}" in done.stderr
    assert json.loads(charloom("info", run, "--json").stdout)["kept"] == best
    assert re.search(rf"kept: step +{step} *\n", charloom("info", run).stdout)
    assert said in (run / "model" / "README.md").read_text()
    assert f"{step:,} of {STEPS} steps" in (run / "model" / "README.md").read_text()
    curves = read_curves(Run(run), "run")
    assert curves.kept[1].tolist() == [best["nats_per_character"]]
    assert curves.kept[0].tolist() == curves.final[0].tolist()
    assert curves.kept[0][0] in curves.validation[0]


def test_each_validation_in_the_progress_says_whether_it_is_the_best(
    deceptive: str, charloom: Any, tmp_path: Path
) -> None:
    (tmp_path / "text.txt").write_text(deceptive)
    done = charloom("train", tmp_path / "text.txt", "--run", tmp_path / "run", "--steps", STEPS, *FLAGS)
    lines = [line for line in done.stderr.splitlines() if line.startswith("step ") and "validation" in line]
    best = json.loads(charloom("info", tmp_path / "run", "--json").stdout)["kept"]
    (kept_line,) = [line for line in lines if line.startswith(f"step {best['step']}/")]
    assert "(best so far)" in kept_line
    assert f"(best {best['nats_per_character']:.3f} at step {best['step']})" in lines[-1]


def test_who_overfits_is_not_told_to_go_on(deceptive: str, charloom: Any, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(deceptive)
    done = charloom("train", tmp_path / "text.txt", "--run", tmp_path / "run", "--steps", STEPS, *FLAGS)
    assert "--resume" not in done.stderr
    assert Kept.ADVICE in done.stderr


def test_who_does_not_overfit_gets_no_advice_against_it(small_text: str, charloom: Any, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(small_text)
    done = charloom("train", tmp_path / "text.txt", "--run", tmp_path / "run", "--steps", 12, *FLAGS)
    assert Kept.ADVICE not in done.stderr
    assert "kept the model of step 12 of 12" in done.stderr


# --- early end ---


def test_a_run_ends_when_validation_has_not_improved_for_as_long_as_its_patience(
    deceptive: str, tmp_path: Path
) -> None:
    whole, session = finish(begin(deceptive, tmp_path / "whole")), begin(deceptive, tmp_path / "run", patience=4)
    run = finish(session)
    best = session.kept()
    assert session.stopped_early
    assert not session.unfinished
    assert best is not None
    assert best.last_step == best.step + 4 * session.config.plan.validate_every < STEPS
    steps = best.last_step
    told = [line for line in run.metrics() if "final" not in line]
    assert told == [line for line in whole.metrics() if line["step"] <= steps and "final" not in line]


def test_without_patience_what_was_asked_for_is_done(deceptive: str, tmp_path: Path) -> None:
    session = begin(deceptive, tmp_path / "run")
    finish(session)
    assert session.trainer.step == STEPS
    assert not session.stopped_early


def test_an_early_end_is_the_same_after_any_interruption(deceptive: str, tmp_path: Path) -> None:
    whole = finish(begin(deceptive, tmp_path / "whole", patience=4))
    end = max(line["step"] for line in whole.metrics())
    for at in range(1, end + 1):
        path = tmp_path / f"interrupted-{at}"
        session = begin(deceptive, path, patience=4)
        with pytest.raises(KeyboardInterrupt):
            for event in session.events(Interruption()):
                if event.progress.step == at:
                    raise KeyboardInterrupt
        run = finish(start.resume(path, Length()))
        for name in ("metrics.jsonl", "model/model.safetensors", "model/README.md"):
            assert (run.path / name).read_bytes() == (whole.path / name).read_bytes(), (at, name)


def test_a_run_that_ended_early_goes_on_only_where_steps_are_asked_for(deceptive: str, tmp_path: Path) -> None:
    path = tmp_path / "run"
    ended = finish(begin(deceptive, path, patience=4))
    before = ended.metrics()
    again = start.resume(path, Length())
    assert finish(again).metrics() == before
    assert again.stopped_early
    longer = start.resume(path, Length(steps=STEPS))
    finish(longer)
    assert longer.trainer.step == STEPS


def test_an_early_end_is_said_and_no_resume_advised(deceptive: str, charloom: Any, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(deceptive)
    run = tmp_path / "run"
    flags = ("--run", run, "--steps", STEPS, "--training.patience", 4, *FLAGS)
    done = charloom("train", tmp_path / "text.txt", *flags)
    best = json.loads(charloom("info", run, "--json").stdout)["kept"]
    assert (
        f"stopped at step {best['last_step']} of {STEPS}: validation has not improved since step {best['step']}"
        in done.stderr
    )
    assert "--resume" not in done.stderr


def test_the_card_is_that_of_the_finished_run_after_a_resume(deceptive: str, tmp_path: Path) -> None:
    run = finish(begin(deceptive, tmp_path / "run", patience=4))
    card = (run.model / "README.md").read_text()
    finish(start.resume(run.path, Length()))
    assert (run.model / "README.md").read_text() == card
    assert package.load(run.path).network.config.hidden_size == 16


def test_a_classifier_s_patience_is_its_own() -> None:
    with pytest.raises(SettingsError, match="for a classifier use --patience"):
        ClassifierTrainingConfig(patience=3)
