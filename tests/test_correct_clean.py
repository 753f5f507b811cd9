"""Correct text stays as it is: names, code, settings, addresses and other languages."""

import math
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import harbour
from charloom.correct.code_lines import code_lines, is_code_line
from charloom.correct.corrector import Corrector, slip_odds
from charloom.correct.english import is_form, other_spellings
from charloom.correct.lexicon import Lexicon
from charloom.correct.spans import spans
from charloom.correct.word_lists import known_words
from charloom.generation.writer import Writer

Call = Callable[..., subprocess.CompletedProcess[str]]

SURNAMES = [
    "Kirchner",
    "Sandler",
    "Castain",
    "Fischerman",
    "Marchant",
    "Stranges",
    "Kipper",
    "Widov",
    "Hornest",
    "Weery",
    "Cleaver",
    "Lanter",
    "Lettner",
    "Ancher",
    "Baskett",
    "Compas",
    "Blanke",
    "Laddar",
    "Massage",
    "Brigge",
    "Chirch",
    "Stormm",
    "Olds",
    "Kieper",
    "Captein",
    "Marcket",
    "Followes",
    "Wachter",
]

CODE = """import nunpy as np
from nunpy import arry
x = lantren + leter
def kepeer(saior, lettr):
    retrun folowed(lettr)
if wtched(ladder):
for leter in mesages:
const lantren = require("lantren");
public static void caried(String mesage) {
#include <lantren.h>
>>> kepeer.leter
$ foud lantren leter
git comit -m "lantren leter"
python3 -m lantren leter
grep lantren leter.txt
sudo apt-get instal lantren
export LANTREN=leter
exprot LANTREN=leter
SELECT leter FROM lantren WHERE mesage IS NULL
[lantren]
timeuot: lantren""".splitlines()

PIECES = """lantren=leter
LANTREN=/leter/mesage
--lantren
-lantren
https://lantren.leter/mesage?folowed=ladder
lantren.leter.com
www.lantren.leter
sailer@lantren.com
/leter/mesage
./lantren
~/leter
C:\\lantren\\leter
leter/mesage
lantren_leter
lantrenLeter
lantren2
lantren()
lantren[leter]
lantren::leter
leter.txt
${LANTREN}
{lantren}
lantren:leter
leter+mesage""".splitlines()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return harbour.train(tmp_path_factory.mktemp("harbour") / "run")


@pytest.fixture(scope="module")
def corrector(run: Path) -> Corrector:
    return Corrector(Writer.load(run), Lexicon.of([harbour.sentences(1500)]))


def test_of_names_in_running_text_hardly_one_is_changed(corrector: Corrector) -> None:
    changed = list[str]()
    for name in SURNAMES:
        for text in (f"The old sailor {name} found a letter.\n", f"{name} found a letter near the lighthouse.\n"):
            changed += [each.before for each in corrector.correct(text)[1]]
    assert changed == []


@pytest.mark.parametrize("line", CODE)
def test_lines_of_code_are_left_alone(corrector: Corrector, line: str) -> None:
    text = f"The old sailor found a letter:\n\n{line}\n\nThe quiet widow watched."
    assert corrector.correct(text) == (text, [])
    start = text.index(line)
    assert list(code_lines(text)) == [(start, start + len(line))]


@pytest.mark.parametrize("piece", PIECES)
def test_settings_addresses_and_paths_are_left_alone(corrector: Corrector, piece: str) -> None:
    for text in (f"The old sailor found {piece} near the harbour.", piece, f"found ({piece}), quiet"):
        assert corrector.correct(text) == (text, [])


def test_indented_code_is_left_alone_and_indented_verse_is_not(corrector: Corrector) -> None:
    code = "The widow found:\n\n    lantren leter\n    foud mesage\n\nand\n\n\tlantren\n\tkepeer = 3\n\n"
    assert corrector.correct(code) == (code, [])
    assert [code[start:end] for start, end in code_lines(code)] == [
        "    lantren leter",
        "    foud mesage",
        "\tlantren",
        "\tkepeer = 3",
    ]
    verse = "The widow found:\n\n    The old sailor carried a letter,\n    The quiet capatin watched.\n"
    assert corrector.correct(verse)[0] == verse.replace("capatin", "captain")


@pytest.mark.parametrize(
    "line",
    [
        "The old sailor found a letter.",
        "the sea; the sky; and all that is therein;",
        "He said: yes",
        "for want of a nail the shoe was lost,",
        "import duties were raised again.",
        "return home at once, he said",
        "if it rains we stay",
        "make yourself comfortable now, and good night",
        "# The history of whaling",
        "> I agree with that",
        "| name | meaning |",
        "- milk and bread",
        "class dismissed.",
        "while the sun shone he was content",
    ],
)
def test_prose_is_no_code(line: str) -> None:
    assert not is_code_line(line)
    assert list(spans(line))


def test_a_text_in_another_language_is_left_alone(corrector: Corrector) -> None:
    text = "Der alte Seeman fand einen Brief, den der Kapiten hatte.\nThe old sialor found a letter.\n"
    assert corrector.correct(text)[0] == text.replace("sialor", "sailor")


def test_a_word_that_comes_again_is_less_of_a_slip(corrector: Corrector) -> None:
    once = "The old sailor carried a weary lantorn from the harbour.\n"
    (change,) = corrector.correct(once)[1]
    again = corrector.correct(once + "The quiet widow found a weary lantorn near the lighthouse.\n" * 3)[1]
    assert not again or again[0].before_probability > 10 * change.before_probability


def test_dialect_with_its_apostrophes_is_left_alone(corrector: Corrector) -> None:
    for text in ("The sailor watchin' an' huntin' 'ladde", "a lett'r from the harb'ur", "the old sail’r carri’d"):
        assert corrector.correct(text) == (text, [])


def test_names_of_the_training_text_are_not_put_in_small_letters() -> None:
    lexicon = Lexicon.of(["Starbuck walked. " * 20 + "a ship " * 20])
    assert lexicon.is_name("Starbuck")
    assert not lexicon.is_name("ship")
    assert lexicon.near("starbick", 1, most=9) == ["starbuck"]


def test_rare_words_of_a_text_are_known_but_no_targets() -> None:
    lexicon = Lexicon.of(["lantern " * 9 + "sailor " * 10], {"harbour": 1})
    assert all(word in lexicon for word in ("lantern", "sailor", "harbour"))
    assert lexicon.near("lanterm", 2, most=9) == []
    assert lexicon.near("sailer", 2, most=9) == ["sailor"]
    assert lexicon.near("harbur", 2, most=9) == ["harbour"]


def test_a_list_with_large_counts_does_not_drown_the_text() -> None:
    lexicon = Lexicon.of(["sailor " * 60 + "sea " * 40], {"sea": 10**12, "the": 3 * 10**12})
    assert lexicon.counts == {"sailor": 60, "sea": 40 + 25, "the": 75}


def test_either_spelling_of_a_listed_word_is_known_in_english() -> None:
    words = {"favour": 1, "organise": 1, "center": 1, "travelled": 1, "harbor": 1}
    english, other = Lexicon.of([], words, english=True), Lexicon.of([], words)
    for word in ("favor", "organize", "centre", "traveled", "harbour", "Harbour's"):
        assert word in english
        assert word not in other
    assert "yor" not in Lexicon.of([], {"your": 1}, english=True)
    assert all(word != other for word in words for other in other_spellings(word))


def test_regular_forms_are_no_slips_in_english() -> None:
    assert is_form("shudderings", "shuddering")
    assert is_form("hurdled", "hurdle")
    assert not is_form("lettter", "letter")
    assert not is_form("lanterne", "lantern")


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05, 0.2])
def test_how_many_slips_a_text_has_is_found_from_the_text(share: float) -> None:
    draw = random.Random(1)
    words, slips = 20_000, int(20_000 * share)
    odds = [draw.gauss(3, 2) for _ in range(slips)] + [draw.gauss(-4, 2) for _ in range(400)]
    found = slip_odds([1 / (1 + math.exp(-each)) for each in odds], words)
    prior = 0.05 / 0.95
    assert found * prior / (1 + found * prior) == pytest.approx(share, abs=0.01)


def test_a_short_text_keeps_to_what_is_supposed() -> None:
    supposed = (0.025 / 0.975) / (0.05 / 0.95)
    assert supposed * 0.8 < slip_odds([], 10) < supposed
    assert supposed < slip_odds([0.99], 5) < 2 * supposed
    assert slip_odds([], 100_000) < 0.01


# --- lists ---


def test_a_list_is_used_for_a_text_in_its_language_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charloom.correct.word_lists.ENGLISH", "absent")
    (tmp_path / "words").write_text("der\ndie\nund\nsee\nalte\nkapitän\nhafen\n")
    (tmp_path / "README.words").write_text("The old sailor")
    german, english = "Der alte Kapitän und die alte See. ", "The old captain and the sea. "
    assert known_words([german], folders=[tmp_path]).has_list is False  # not in a folder of such a name
    (tmp_path / "dict").mkdir()
    (tmp_path / "words").rename(tmp_path / "dict" / "words")
    found = known_words([german], folders=[tmp_path / "dict", tmp_path / "absent"])
    assert found.has_list
    assert "hafen" in found
    other = known_words([english], folders=[tmp_path / "dict"])
    assert not other.has_list
    assert "hafen" not in other


def test_a_dictionary_of_hunspell_is_read_without_its_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("charloom.correct.word_lists.ENGLISH", "absent")
    text = "5\nHafen/Skm\nalte/A\tpo:adj\nder\n\nKapitän\n"
    for encoding in ("utf-8", "latin-1"):
        (tmp_path / "de.dic").write_text(text, encoding=encoding)
        found = known_words(["der alte Kapitän der alte Brief"], folders=[tmp_path])
        assert found.has_list
        assert "hafen" in found.targets
        assert not {"5", "", "hafen/skm"} & found.targets


def test_english_has_a_list_with_the_extra_and_other_languages_have_not() -> None:
    pytest.importorskip("symspellpy")
    english = known_words([harbour.sentences(50)], folders=[])
    assert english.has_list
    assert english.english
    assert "unimportant" in english
    german = known_words(["Der alte Kapitän und die alte See. "], folders=[])
    assert not german.has_list
    assert "unimportant" not in german
    assert not known_words([], folders=[]).has_list


def test_a_text_without_a_list_asks_for_one(tmp_path: Path, charloom: Call) -> None:
    draw = random.Random(0)
    words = ["".join(draw.choice("abdeiklmnorstu") for _ in range(5)) for _ in range(400)]
    text = " ".join(draw.choice(words) for _ in range(4000))
    (tmp_path / "text.txt").write_text(text)
    done = charloom("train", "text.txt", "--run", "run", "--steps", 3, "--network.hidden-size", 16)
    assert done.returncode == 0, done.stderr
    done = charloom("correct", "run", words[0])
    assert done.stdout == words[0] + "\n"
    assert done.stderr.count("\n") == 1
    assert "no list of words" in done.stderr
    assert ". " not in done.stderr.splitlines()[0]  # one sentence
    assert "--words" in done.stderr
    (tmp_path / "words.txt").write_text("\n".join(words))
    assert charloom("correct", "run", words[0], "--words", "words.txt").stderr == ""


@pytest.mark.parametrize(("text", "said"), [("a b " * 5000 + "c", False), ("a b " * 50 + "c d e", True)])
def test_new_words_are_given_as_the_reason_only_where_some_are_expected(text: str, said: bool) -> None:
    from charloom.cli.corrections import without_list

    message = without_list(Lexicon.of([text]).unseen)
    assert ("would be new" in message) == said
    assert "about 0" not in message
