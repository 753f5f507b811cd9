"""Runs on texts that stay in their files: the same, byte for byte, as on texts in memory."""

from pathlib import Path

import pytest

from charloom.data.corpus import Text
from charloom.settings import CorpusConfig, DocumentKind, NetworkConfig, TrainingConfig, VocabularyKind
from charloom.training import experiment
from charloom.training.loop import SaveEvery
from charloom.training.request import Length, RunRequest
from charloom.training.session import Session
from large import corpus, in_file, in_files, in_memory, own_cache
from tiny_runs import WatchedDisk, differences, finish, sample_text

pytestmark = pytest.mark.usefixtures("one_thread")

ACCENTS = str.maketrans("aeo", "äé€")
LONG = sample_text(3000)


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return own_cache(monkeypatch, tmp_path / "cache")


def begin(text: Text, path: Path, *, steps: int = 12, **settings: object) -> Session:
    request = RunRequest(
        CorpusConfig(**settings),  # type: ignore[arg-type]
        NetworkConfig(hidden_size=10, embedding_size=4, dropout=0.3),
        TrainingConfig(batch_size=8, sequence_length=24, validations=3, learning_rate=0.02),
        length=Length(steps=steps),
        device="cpu",
        precision="float32",
    )
    return experiment.begin(
        corpus(text, **settings), request, run=path, save_every=SaveEvery(steps=3), disk=WatchedDisk()
    )


@pytest.mark.parametrize(
    ("text", "ends", "kind", "documents"),
    [
        (LONG, (), "characters", "none"),
        (LONG.translate(ACCENTS), (), "characters", "none"),
        (LONG.translate(ACCENTS), (), "bytes", "none"),
        (LONG.translate(ACCENTS), (), "characters", "lines"),
        (LONG.translate(ACCENTS), (400, 1600, 3000), "characters", "none"),
        (LONG, (400, 1600, 2800, 3000), "bytes", "lines"),
    ],
)
def test_a_run_on_a_text_in_its_file_is_the_run_on_the_text_in_memory(
    text: str,
    ends: tuple[int, ...],
    kind: VocabularyKind,
    documents: DocumentKind,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = {"vocabulary": kind, "documents": documents, "split": (0.8, 0.1, 0.1)}
    finish(begin(in_memory(text, ends), tmp_path / "memory", **settings))
    in_files(monkeypatch)
    finish(begin(in_file(text, tmp_path / "text", ends), tmp_path / "file", **settings))
    assert differences(tmp_path / "file", tmp_path / "memory") == []
