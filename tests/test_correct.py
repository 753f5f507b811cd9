"""Correction: right words are unchanged, misspelt words come out right, and every change is accounted for."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import harbour
from charloom.correct.context import Context
from charloom.correct.corrector import KNOWN as KNOWN_WORDS
from charloom.correct.corrector import Beliefs, Corrector, apply
from charloom.correct.distances import Distances
from charloom.correct.lexicon import Lexicon
from charloom.correct.spans import begins_sentence, like, spans
from charloom.errors import SettingsError
from charloom.generation.writer import Writer
from conftest import CELLS
from models import brute_force_nats, small_model, write_folder

Call = Callable[..., subprocess.CompletedProcess[str]]

KNOWN = ["the", "sea", "seat", "tea", "east", "sat", "set", "don't", "has"]
LEXICON = Lexicon(dict.fromkeys(KNOWN, 3))
DOUBTFUL = {"beliefs": Beliefs(right=-30, name=0, repeated=0, foreign=0), "known": replace(KNOWN_WORDS, right=-30)}
"""No word is trusted: everything that is judged is changed."""

RANDOM = small_model("abdehnost' .\n", sharpness=0.5)
APART = [
    " ",
    "\t",
    "\n",
    "\r\n",
    "  ",
    ". ",
    ", ",
    "-",
    "—",
    "(",
    ")",
    "日本",
    "3",
    "é",
    "http://teh.sae/",
    "`sae`",
    "x_sae",
]
PIECES = st.sampled_from([*KNOWN, *map(str.capitalize, KNOWN), *map(str.upper, KNOWN), *APART])
MISSPELT = st.sampled_from(["sae", "teh", "Tae", "thesea", "HASTT", "eats", "dont", "ste"]) | PIECES


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harbour.train(tmp_path_factory.mktemp("harbour") / "run")


@pytest.fixture(scope="module")
def corrector(run: Path) -> Corrector:
    return Corrector(Writer.load(run), Lexicon.of([harbour.sentences(1500)]))


# --- laws, with a model of random weights ---


@settings(max_examples=60)
@given(st.lists(PIECES, max_size=30).map(" ".join) | st.lists(PIECES, max_size=12).map("\n".join))
def test_a_text_of_known_words_comes_out_as_it_was(text: str) -> None:
    assert Corrector(RANDOM, LEXICON, **DOUBTFUL).correct(text) == (text, [])


@settings(max_examples=40)
@given(st.lists(MISSPELT, max_size=14).map(" ".join), st.booleans())
def test_the_changes_rebuild_the_output_and_all_else_is_kept(text: str, aggressive: bool) -> None:
    corrector = Corrector(RANDOM, LEXICON, **DOUBTFUL, aggressive=aggressive, confidence=0)
    corrected, changes = corrector.correct(text)
    lines = [[span.word for span in spans(line)] for line in text.split("\n")]  # an indented one counts as code
    words = [word for line in lines for word in line]
    if all(3 * sum(word in LEXICON for word in line) >= len(line) for line in lines):  # none is another language
        assert changes or not {"sae", "teh", "dont", "ste"} & set(words)
    rebuilt, shift = text, 0
    for change in changes:
        start = change.start + shift
        assert rebuilt[start : start + len(change.before)] == change.before != change.after
        rebuilt = rebuilt[:start] + change.after + rebuilt[start + len(change.before) :]
        shift += len(change.after) - len(change.before)
        assert change.before_probability < change.after_probability <= 1
        assert change.before_probability + change.after_probability <= 1 + 1e-9
        assert change.reason
        assert change.before in {span.word for span in spans(text)}
        assert aggressive or change.before not in LEXICON
    assert rebuilt == corrected == apply(text, changes)


@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_probabilities_of_candidates_add_up_and_the_word_itself_is_one_of_them(kind: str) -> None:
    corrector = Corrector(small_model("abdehnost' .\n", kind=kind, sharpness=0.5), LEXICON)
    found = corrector.candidates("sae", " sat", corrector.context.read("the ", corrector.context.begin()))
    assert sum(each.probability for each in found) == pytest.approx(1)
    assert [each.probability for each in found] == sorted((each.probability for each in found), reverse=True)
    assert {"sea", "sat"} <= {each.word for each in found}
    assert [each.word for each in found if not each.reason] == ["sae"]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_continuations_scored_together_have_the_surprisal_of_each_alone(cell: str, kind: str) -> None:
    model = small_model("abcdé \n", cell, kind=kind, sharpness=0.7)  # type: ignore[arg-type]
    context = Context(model)
    before, texts = "ab éa", ["b", "", "cab d\na", "é", "dd"]
    found = context.nats(context.read(before, context.begin()), texts)
    whole = [brute_force_nats(model, model.encode(before + text).tolist()) for text in texts]
    assert found == pytest.approx(np.array(whole) - whole[1], rel=1e-4, abs=1e-5)
    logs = context.steps(context.read(before, context.begin()), "cab")
    ids = model.encode("cab").tolist()
    assert -sum(logs[place, symbol] for place, symbol in enumerate(ids)) == pytest.approx(
        float(context.nats(context.read(before, context.begin()), ["cab"])[0]), rel=1e-5
    )


def test_of_lines_only_the_line_itself_follows() -> None:
    model = small_model("abc \n", documents="lines", sharpness=0.7)
    with torch.no_grad():
        model.network.output.bias[model.vocabulary.characters.index("\n")] -= 40  # it never occurs in such a text
    context = Context(model)
    state = context.read("ab\nc", context.begin())
    short, long = context.nats(state, ["a\n", "a\nbcb"])
    assert (
        short
        == long
        == pytest.approx(
            brute_force_nats(model, model.encode("ca\n").tolist())
            - brute_force_nats(model, model.encode("c").tolist()),
            rel=1e-4,
        )
    )


def test_what_follows_has_a_say() -> None:
    corrector = Corrector(RANDOM, LEXICON)
    shares = [
        {each.word: each.probability for each in corrector.candidates("sae", after, corrector.context.begin())}
        for after in (" then", "ooo")
    ]
    assert shares[0]["sea"] != pytest.approx(shares[1]["sea"], rel=1e-3)


def test_characters_that_the_model_does_not_know_are_read_as_near_ones() -> None:
    context = Context(small_model("ab'\"-e ", sharpness=0.7))
    assert context.legible("a’b “é”—\r\n日") == 'a\'b "e"-  '
    assert not context.knows("é")
    assert Context(small_model("ab\n")).legible("日a\r\nb") == "a\nb"


def test_words_that_follow_other_rules_are_not_judged() -> None:
    text = (
        "See http://teh.org/sae, www.teh.org, teh@sae.org, /usr/teh/sae, `teh sae`, teh_sae, teh2, 3rd, camelCase, "
        "teh.py, teh(), <sae teh>, &teh; and @teh #sae.\n```\nteh sae\n```\nBut don't judge well-known ones"
    )
    assert [span.word for span in spans(text)] == ["See", "and", "But", "don't", "judge", "well", "known", "ones"]
    assert all(text[span.start : span.end] == span.word for span in spans(text))


def test_a_megabyte_without_a_space_is_no_trouble() -> None:
    for piece in ("a", "a.", "a@", "`", "<", "a/", "'a", "A", "&a;", "_"):
        text = piece * (1_000_000 // len(piece))
        assert Corrector(RANDOM, LEXICON).correct(text) == (text, [])


def test_capitals_are_those_of_the_typed_word() -> None:
    assert [like("sea", shape) for shape in ("sae", "Sae", "SAE", "S", "sAE")] == ["sea", "Sea", "SEA", "Sea", "sea"]
    assert like("don't", "dno’t") == "don’t"
    assert begins_sentence("Yes.  Teh", 6)
    assert begins_sentence("“Teh", 1)
    assert not begins_sentence("the Teh", 4)


# --- a model that has learned a small world ---


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (
            "The old sialor carried a weary lantern from the harbour.",
            "The old sailor carried a weary lantern from the harbour.",
        ),
        (
            "Teh quiet captian recieved a clever mesage acros the bridge.",
            "The quiet captain received a clever message across the bridge.",
        ),
        (
            "The honest widdow found a quiet blankit behind the chrch.",
            "The honest widow found a quiet blanket behind the church.",
        ),
        ("The\told  saylor folowed.\r\n\r\n keaper", "The\told  sailor followed.\r\n\r\n keeper"),
        (
            "The honest widow found a letter from theharbour before the morning.",
            "The honest widow found a letter from the harbour before the morning.",
        ),
        ("日本 — the old sialor", "日本 — the old sailor"),
    ],
)
def test_misspelt_words_are_corrected_and_layout_and_case_are_kept(
    corrector: Corrector, typed: str, meant: str
) -> None:
    assert corrector.correct(typed)[0] == meant


def test_names_are_left_alone(corrector: Corrector) -> None:
    text = "The old sailor Wolaski carried a lantern from Brest. Brest and NATO found a letter."
    assert corrector.correct(text) == (text, [])


def test_nothing_is_changed_into_a_word_that_no_list_has(run: Path) -> None:
    without = harbour.sentences(1500).replace("lantern", " ").replace("Lantern", " ")
    typed = "The old sailor carried a weary lanterm from the harbour."
    for words in (Lexicon.of([without]), Lexicon.of([without, "lantern " * 9])):
        assert Corrector(Writer.load(run), words).correct(typed) == (typed, [])
    for words in (Lexicon.of([without, "lantern " * 10]), Lexicon.of([without], {"lantern": 1})):
        assert Corrector(Writer.load(run), words).correct(typed)[0] == typed.replace("lanterm", "lantern")


def test_a_known_word_that_was_meant_otherwise_is_corrected_only_where_asked(run: Path, corrector: Corrector) -> None:
    text = "The old sailor carried a weary lantern form the harbour in the from of a ship.\n"
    right = "The old sailor carried a weary lantern from the harbour in the form of a ship.\n"
    assert corrector.correct(text) == (text, [])
    bold = Corrector(Writer.load(run), corrector.lexicon, aggressive=True)
    corrected, changes = bold.correct(text)
    assert corrected == right
    assert all(change.reason.startswith("not usual here") for change in changes)
    held_out = harbour.sentences(20, seed=1)
    assert bold.correct(held_out) == (held_out, [])


def test_a_correction_needs_the_confidence_that_is_asked_for(run: Path, corrector: Corrector) -> None:
    text = "The old sialor carried a weary lantern"
    (change,) = corrector.correct(text)[1]
    for confidence, changes in ((change.after_probability - 1e-6, 1), (min(1.0, change.after_probability + 1e-6), 0)):
        strict = Corrector(Writer.load(run), corrector.lexicon, confidence=confidence)
        assert len(strict.correct(text)[1]) == changes
    with pytest.raises(SettingsError, match="confidence"):
        Corrector(RANDOM, LEXICON, confidence=1.5)


# --- the command ---


def test_a_file_comes_out_as_it_was_but_for_its_changes_which_are_told(
    run: Path, charloom: Call, tmp_path: Path
) -> None:
    text = "\ufeffThe old sialor\r\nfound  a letter.\n\nTeh end"
    (tmp_path / "typed.txt").write_bytes(text.encode())
    done = charloom("correct", run, "--text", "typed.txt")
    assert done.stdout == text.replace("sialor", "sailor").replace("Teh", "The")
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("line 1, column 10: sialor (")
    assert "-> sailor (" in lines[0]
    assert lines[0].endswith("unknown word: two letters exchanged")
    assert lines[1].startswith("line 4, column 1: Teh")
    told = json.loads(charloom("correct", run, "--text", "typed.txt", "--json").stdout)
    assert told["text"] == done.stdout
    assert [(change["start"], change["before"], change["after"]) for change in told["changes"]] == [
        (text.index("sialor"), "sialor", "sailor"),
        (text.index("Teh"), "Teh", "The"),
    ]
    assert all(0 <= change["before_probability"] < change["after_probability"] <= 1 for change in told["changes"])


def test_a_text_comes_from_the_command_or_from_standard_input(run: Path, charloom: Call) -> None:
    assert charloom("correct", run, "The old sialor").stdout == "The old sailor\n"
    for arguments in (["-"], ["--text", "-"]):
        assert charloom("correct", run, *arguments, input="The old sialor\n").stdout == "The old sailor\n"
    assert charloom("correct", run, "--text", "-", input="").stdout == ""


def test_more_words_can_be_known(run: Path, charloom: Call, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("sialor 5\nthe\n")
    assert charloom("correct", run, "The old sialor", "--words", "words.txt").stdout == "The old sialor\n"
    folder = write_folder(small_model("abdehnost' .\n"), tmp_path / "model")
    assert charloom("correct", folder, "the", "--words", "words.txt").stdout == "the\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["give one text"]),
        (["a", "--text", "b"], ["give one text"]),
        (["--text", "absent.txt"], ["absent.txt cannot be read"]),
        (["--text", "latin.txt"], ["latin.txt is not UTF-8", "offset 1"]),
        (["a", "--words", "wrong.txt"], ["line 1 of wrong.txt"]),
        (["a", "--confidence", "2"], ["confidence is 2"]),
    ],
)
def test_bad_input_is_one_sentence(
    run: Path, charloom: Call, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    (tmp_path / "latin.txt").write_bytes(b"a\xe9b")
    (tmp_path / "wrong.txt").write_text("no such format\n")
    refused(charloom("correct", run, *arguments), *words)


def test_a_model_folder_has_no_words_of_its_own(charloom: Call, tmp_path: Path) -> None:
    refused(charloom("correct", write_folder(RANDOM, tmp_path / "model"), "a"), "model folder", "--words")


def test_without_rapidfuzz_the_distances_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rapidfuzz")
    draw = random.Random(1)
    for length in (1, 2, 3, 7):
        words = ["".join(draw.choices("abc’é🙂", k=length)) for _ in range(300)]
        typed = ["", "a", "ab", "ba", *words[:5], *("".join(draw.choices("abc’é🙂", k=length + n)) for n in (0, 1, 2))]
        fast = Distances(words)
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "rapidfuzz", None)
            slow = Distances(words)
        for word in typed:
            assert slow.to(word, 99).tolist() == fast.to(word, 99).tolist()


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert all(word in done.stderr for word in words), done.stderr
