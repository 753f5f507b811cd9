"""Runs on texts that stay in their files: the same, byte for byte, as on texts in memory."""

import itertools
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charloom.data import text_survey
from charloom.data.batches import IGNORED
from charloom.data.corpus import corpus_of
from charloom.data.sections import Sections
from charloom.data.stored_ids import StoredIds
from charloom.data.text import Text
from charloom.data.text_ids import encode, ids_of
from charloom.data.text_sources import STANDARD_INPUT, open_text, string_corpus
from charloom.data.vocabulary import Vocabulary
from charloom.errors import FolderError, TextError
from charloom.evaluation import reading
from charloom.evaluation.score import evaluate, evaluate_dynamic, evaluate_folded
from charloom.evaluation.surprisal import Surprises
from charloom.models.language_model import LanguageModel
from charloom.settings import CorpusConfig, DocumentKind, NetworkConfig, TrainingConfig, VocabularyKind
from charloom.training import plan, start, texts
from charloom.training.estimates import evaluate_estimate
from charloom.training.loop import SaveEvery
from charloom.training.request import Length, RunRequest
from charloom.training.runs import Run
from charloom.training.session import Session
from large import corpus, in_file, in_files, in_memory, own_cache
from models import small_model, write_folder
from tiny_runs import WatchedDisk, differences, finish, sample_text

pytestmark = pytest.mark.usefixtures("one_thread")

ACCENTS = str.maketrans("aeo", "äé€")
LONG = sample_text(3000)


@pytest.fixture(autouse=True)
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return own_cache(monkeypatch, tmp_path / "cache")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("texts")


def begin(text: Text | Path | str, path: Path, *, steps: int = 12, **settings: object) -> Session:
    config = CorpusConfig(**settings)  # type: ignore[arg-type]
    request = RunRequest(
        config,
        NetworkConfig(hidden_size=10, embedding_size=4, dropout=0.3),
        TrainingConfig(batch_size=8, sequence_length=24, validations=3, learning_rate=0.02),
        length=Length(steps=steps),
        device="cpu",
        precision="float32",
    )
    if isinstance(text, Text):
        opened = corpus(text, **settings)
    else:
        opened = open_text(text, config) if isinstance(text, Path) else string_corpus(text, config)
    return start.begin(opened, request, run=path, save_every=SaveEvery(steps=3), disk=WatchedDisk())


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def passes(patch: pytest.MonkeyPatch) -> list[int]:
    """Gets an entry for each pass over a text from now on."""
    seen, whole = list[int](), text_survey._Pass
    patch.setattr(text_survey, "_Pass", lambda *given: seen.append(given[1]) or whole(*given))
    return seen


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


@pytest.mark.parametrize("documents", ["none", "lines"])
def test_a_run_on_a_file_that_is_interrupted_and_resumed_is_the_uninterrupted_one(
    documents: DocumentKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_files(monkeypatch, section=500)
    text = written(tmp_path / "text", LONG.translate(ACCENTS))
    finish(begin(text, tmp_path / "whole", documents=documents))
    for _, event in zip(
        range(5), (events := begin(text, tmp_path / "run", documents=documents).events()), strict=False
    ):
        assert event.progress.step <= 5
    events.close()
    read = passes(monkeypatch)
    finish(start.resume(tmp_path / "run", save_every=SaveEvery(steps=3), disk=WatchedDisk()))
    assert differences(tmp_path / "run", tmp_path / "whole") == []
    assert read == [], "what was read once is remembered"


def test_a_run_on_a_large_string_is_resumed_from_its_copy_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_files(monkeypatch, section=500)
    text = LONG.translate(ACCENTS)
    finish(begin(text, tmp_path / "whole", documents="lines"))
    events = begin(text, tmp_path / "run", documents="lines").events()
    for _ in range(5):
        next(events)
    events.close()
    finish(start.resume(tmp_path / "run", save_every=SaveEvery(steps=3), disk=WatchedDisk()))
    assert differences(tmp_path / "run", tmp_path / "whole") == []


def test_a_text_that_changes_under_a_run_ends_it_and_once_restored_it_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_files(monkeypatch)
    text = written(tmp_path / "text", LONG)
    finish(begin(text, tmp_path / "whole"))
    events = begin(text, tmp_path / "run").events()
    for _ in range(4):
        next(events)
    written(text, LONG[:-1])
    with pytest.raises(TextError, match="was changed while it was in use"):
        for _ in events:
            pass
    with pytest.raises(FolderError, match="has changed since"):
        start.resume(tmp_path / "run")
    written(text, LONG)
    finish(start.resume(tmp_path / "run", save_every=SaveEvery(steps=3), disk=WatchedDisk()))
    assert differences(tmp_path / "run", tmp_path / "whole") == []


def test_a_run_on_a_text_from_standard_input_keeps_a_copy_and_is_resumed_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_files(monkeypatch)
    spooled = in_file(LONG, tmp_path / "spooled")
    request = RunRequest(network=NetworkConfig(hidden_size=4), length=Length(steps=2), device="cpu")
    opened = corpus_of(spooled, CorpusConfig(), name="text", source=STANDARD_INPUT)
    finish(start.begin(opened, request, run=tmp_path / "run", disk=WatchedDisk()))
    assert (tmp_path / "run" / "text.txt").read_text("utf-8") == LONG
    assert not isinstance(texts.same_text(Run(tmp_path / "run"), Run(tmp_path / "run").config()).text.data, memoryview)


def test_a_damaged_clean_copy_is_made_again_and_its_run_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached: Path
) -> None:
    in_files(monkeypatch)
    source = written(tmp_path / "crlf.txt", LONG.replace("\n", "\r\n"))
    finish(begin(source, tmp_path / "run", steps=2))
    run = Run(tmp_path / "run")
    (copy,) = cached.glob("texts/crlf-*/text.txt")
    for keep_times, moved in ((False, None), (True, None), (True, source)):
        status = copy.stat()
        with copy.open("r+b") as file:
            file.write(b"***")
        if keep_times:
            os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
            for survey in cached.glob("texts/*/text.json"):
                survey.unlink()
        assert str(texts.same_text(run, run.config(), moved).text) == LONG


# --- sections ---


LINES = st.lists(st.text(st.sampled_from("abé"), max_size=12), min_size=1, max_size=60)


def sections_of(text: Text, vocabulary: Vocabulary, documents: DocumentKind, **sizes: int) -> Sections:
    ids = ids_of(text, vocabulary, documents)
    assert isinstance(ids, StoredIds) == (not isinstance(text.data, memoryview))
    return Sections(ids, boundary=vocabulary.boundary, seed=3, fold=documents == "none", **sizes)


@given(
    lines=LINES,
    documents=st.sampled_from(["lines", "none"]),
    batch_size=st.integers(1, 6),
    sequence_length=st.integers(1, 20),
    section=st.integers(8, 80),
)
def test_in_an_epoch_of_sections_each_symbol_is_a_target_once(
    lines: list[str],
    documents: DocumentKind,
    batch_size: int,
    sequence_length: int,
    section: int,
    folder: Path,
) -> None:
    text = "".join(f"{line}\n" for line in lines)
    ends = (
        tuple(np.cumsum([len(line) + 1 for line in lines]).tolist()) if documents == "none" and len(lines) > 1 else ()
    )
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(dir=folder) as place:
        in_files(patch, section=section)
        patch.setattr(os, "fsync", lambda file: None)
        vocabulary = Vocabulary.of([text])
        stored = in_file(text, Path(place) / "text", ends)
        batches = sections_of(stored, vocabulary, documents, batch_size=batch_size, sequence_length=sequence_length)
        want = sorted(encode(in_memory(text, ends), vocabulary, documents).tolist())
        for epoch in range(2):
            read = [batches[k] for k in range(epoch * len(batches), (epoch + 1) * len(batches))]
            assert (
                sorted(target for batch in read for target in batch.targets[batch.targets != IGNORED].tolist()) == want
            )
            assert sum(batch.weight for batch in read) == pytest.approx(len(batches))
            assert len(read[0].carried) == len(read[-1].going_on) == 0
            for one, following in itertools.pairwise(read):
                assert len(one.going_on) == len(following.carried)
        again = sections_of(stored, vocabulary, documents, batch_size=batch_size, sequence_length=sequence_length)
        for k in (len(batches), 0):
            assert torch.equal(again[k].inputs, batches[k].inputs)
        memory = sections_of(
            in_memory(text, ends), vocabulary, documents, batch_size=batch_size, sequence_length=sequence_length
        )
        assert (len(memory), memory.streams) == (len(batches), batches.streams)
        for k in range(len(batches)):
            assert torch.equal(memory[k].inputs, batches[k].inputs)
            assert torch.equal(memory[k].targets, batches[k].targets)


def test_a_text_without_an_end_is_cut_and_its_rest_follows_the_symbol_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_files(monkeypatch, section=10)
    text, vocabulary = "abcdefghij" * 5, Vocabulary.of(["abcdefghij\n"])
    batches = sections_of(in_file(text, tmp_path / "text"), vocabulary, "lines", batch_size=1, sequence_length=10)
    assert len(batches) == 5
    firsts = sorted(batches[k].inputs[0, 0].item() for k in range(5))
    assert firsts == [vocabulary.encode("j")[0]] * 4 + [vocabulary.boundary]


@pytest.mark.parametrize("damage", [b"", b" ", b"{}", b'{"stops": [5], "batches": [1], "streams": 1}'])
def test_the_number_of_batches_is_counted_once_and_again_if_its_record_is_damaged(
    damage: bytes, cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_files(monkeypatch, section=200)
    vocabulary, text = Vocabulary.of([LONG]), in_file(LONG, tmp_path / "text")
    sizes = {"batch_size": 4, "sequence_length": 10}
    batches = sections_of(text, vocabulary, "lines", **sizes)
    counted = list[int]()
    read = Sections._read
    monkeypatch.setattr(Sections, "_read", lambda *each: counted.append(each[1]) or read(*each))
    assert len(sections_of(text, vocabulary, "lines", **sizes)) == len(batches) and counted == []
    (record,) = cached.glob("texts/*.json")
    record.write_bytes(damage or _with_another_batch(record.read_bytes()))
    assert len(sections_of(text, vocabulary, "lines", **sizes)) == len(batches) and len(counted) > 5


def _with_another_batch(record: bytes) -> bytes:
    layout = json.loads(record)
    layout["batches"][0] += 1
    return json.dumps(layout).encode()


def test_each_epoch_reads_the_sections_in_an_order_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_files(monkeypatch, section=200)
    vocabulary, text = Vocabulary.of([LONG]), in_file(LONG, tmp_path / "text")
    batches = sections_of(text, vocabulary, "lines", batch_size=4, sequence_length=10)
    first, second = (
        [sorted(batches[k].targets.flatten().tolist()) for k in range(epoch * len(batches), (epoch + 1) * len(batches))]
        for epoch in range(2)
    )
    assert first != second and len(first) == len(second)


# --- scores ---


@pytest.mark.parametrize(
    ("ends", "documents"), [((), "none"), ((), "lines"), ((400, 900, 3000), "none"), ((400, 900, 3000), "lines")]
)
def test_a_text_in_its_file_has_the_score_that_it_has_in_memory(
    ends: tuple[int, ...], documents: DocumentKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = LONG.translate(ACCENTS)
    model = small_model(text, documents=documents, predicts_end=documents == "lines" or bool(ends))
    there = in_memory(text, ends)
    measures = (
        evaluate,
        lambda model, text: evaluate(model, text, context=10),
        evaluate_folded,
        lambda model, text: evaluate_dynamic(model, text, segment=64),
        lambda model, text: evaluate_estimate(model, text, 700).score,
        lambda model, text: surprises(model, text).score,
    )
    want = [measure(model, there) for measure in measures]
    in_files(monkeypatch)
    here = in_file(text, tmp_path / "text", ends)
    assert [measure(model, here) for measure in measures] == want
    monkeypatch.setattr(reading, "SECTION", 300)
    for measure, there_found in zip(measures, want, strict=True):
        found = measure(model, here)
        assert found.nats == pytest.approx(there_found.nats, rel=1e-6)
        assert replace(found, nats=0.0) == replace(there_found, nats=0.0)


def surprises(model: LanguageModel, text: Text) -> Surprises:
    found = Surprises(model, text)
    for _ in found:
        pass
    return found


def test_a_run_without_a_time_budget_reads_all_of_a_long_validation_text_only_if_it_trained_on_as_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "READ_WHOLE", 200)
    for steps, protocol in ((1, "folded"), (20, "carried")):
        session = begin(in_memory(LONG), tmp_path / protocol, steps=steps, split=(0.6, 0.4, 0.0))
        assert session.config.plan.final_validation == protocol
        session._lock.release()


Call = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_summary_is_the_score_without_its_characters(
    charloom: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(small_model(LONG), tmp_path / "model")
    text = written(tmp_path / "text.txt", LONG[:900])
    whole = json.loads(charloom("score", "model", "--text", text, "--json").stdout)["score"]
    in_files(monkeypatch)
    assert json.loads(charloom("score", "model", "--text", text, "--summary", "--json").stdout)["score"] == whole
    (line,) = charloom("score", "model", "--text", text, "--summary").stdout.splitlines()
    assert f"{whole['bits_per_character']:.3f} bits" in line and "on 900 characters" in line


def test_a_summary_has_no_page(charloom: Call, tmp_path: Path) -> None:
    found = charloom("score", "model", "abc", "--summary", "--html", "a.html")
    assert found.returncode == 2 and "leave out --html, --png and --hints" in found.stderr
