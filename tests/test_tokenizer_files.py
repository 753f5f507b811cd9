"""The files for other libraries: the same ids as the model's own, and an exact way back."""

import json
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies

from charloom.data.vocabulary import Vocabulary
from charloom.models.model_folder import ModelConfig
from charloom.models.tokenizer_files import BOUNDARY, tokenizer_files
from charloom.settings import DocumentKind, NetworkConfig, SamplingConfig, VocabularyKind
from models import small_model
from tiny_runs import TinyRun, finish

KINDS: list[tuple[VocabularyKind, DocumentKind]] = [
    ("characters", "none"),
    ("characters", "lines"),
    ("bytes", "none"),
    ("bytes", "lines"),
]
AWKWARD = "a\n\n\tb  c é x́\U0001f600 \u2028\x00\r\n  ﬁ\u200d<s>▁Ġ"
kinds = pytest.mark.parametrize(("kind", "documents"), KINDS)


def folder(path: Path, kind: VocabularyKind, documents: DocumentKind, text: str = AWKWARD) -> Path:
    """The files of a model of `text`, as they are shared."""
    config = ModelConfig(NetworkConfig(), documents, documents == "lines")
    for name, data in tokenizer_files(config, Vocabulary.of([text], kind)).items():
        (path / name).write_bytes(data)
    return path


@kinds
def test_a_tokenizer_has_the_models_own_ids_and_gives_every_text_back(
    kind: VocabularyKind, documents: DocumentKind, tmp_path: Path
) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    read = tokenizers.Tokenizer.from_file(str(folder(tmp_path, kind, documents) / "tokenizer.json"))
    model = small_model(AWKWARD, kind=kind, documents=documents)

    @hypothesis.given(strategies.text(strategies.sampled_from(AWKWARD)))
    @hypothesis.example(AWKWARD)
    @hypothesis.settings(max_examples=50)
    def check(text: str) -> None:
        ids = read.encode(text).ids
        assert ids == model.encode(text).tolist()
        assert read.decode(ids, skip_special_tokens=False) == text

    check()


@kinds
def test_transformers_finds_the_tokenizer_and_reads_the_same(
    kind: VocabularyKind, documents: DocumentKind, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    read = transformers.AutoTokenizer.from_pretrained(str(folder(tmp_path, kind, documents)))
    model = small_model(AWKWARD, kind=kind, documents=documents)
    ids = read(AWKWARD)["input_ids"]
    assert ids == model.encode(AWKWARD).tolist()
    assert read.decode(ids) == AWKWARD
    assert read.bos_token_id == read.eos_token_id == model.vocabulary.boundary
    assert read.convert_tokens_to_ids(read.eos_token) == model.vocabulary.boundary


@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_the_boundary_is_one_special_token(kind: VocabularyKind, tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    read = tokenizers.Tokenizer.from_file(str(folder(tmp_path, kind, "none") / "tokenizer.json"))
    known = Vocabulary.of([AWKWARD], kind)
    ids = read.encode(f"a{BOUNDARY}b").ids
    assert ids == [*known.encode("a"), known.boundary, *known.encode("b")]
    assert read.decode(ids) == "ab"


def test_a_tokenizer_refuses_a_character_that_the_model_does_not_know(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    read = tokenizers.Tokenizer.from_file(str(folder(tmp_path, "characters", "none") / "tokenizer.json"))
    with pytest.raises(Exception, match="UNK"):
        read.encode("ж")


def test_transformers_reads_how_the_model_is_meant_to_write(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    for documents in ("none", "lines"):
        read = transformers.GenerationConfig.from_pretrained(str(folder(tmp_path, "characters", documents)))
        usual = SamplingConfig()
        assert (read.do_sample, read.temperature) == (not usual.greedy, usual.temperature)
        assert read.bos_token_id == len(set(AWKWARD))
        assert read.eos_token_id == (len(set(AWKWARD)) if documents == "lines" else None)


def test_a_run_has_the_files_from_its_first_commit_and_reads_without_them(tmp_path: Path) -> None:
    run = TinyRun(steps=3)
    session = run.begin(tmp_path / "run")
    model = session.model
    expected = tokenizer_files(model.config, model.vocabulary)
    there = {name: (tmp_path / "run" / "model" / name).read_bytes() for name in expected}
    assert there == expected
    finish(session)
    assert {name: (tmp_path / "run" / "model" / name).read_bytes() for name in expected} == expected
    for name in expected:
        (tmp_path / "run" / "model" / name).write_bytes(b"\x00 damaged")
    finish(TinyRun(steps=3, extended_to=5).go_on(tmp_path / "run"))
    for name in expected:
        assert json.loads(expected[name])
