"""The ready-made model `languages`: its files, its answers, damage."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import charloom as library
from charloom.classify.model import Classifier
from charloom.places import ready_made
from charloom.places.ready_made import READY_MADE

Call = Callable[..., subprocess.CompletedProcess[str]]

FOLDER = READY_MADE["languages"].folder
FILES = ("config.json", "model.safetensors", "n-grams.safetensors.xz", "vocabulary.json")

SENTENCES = {
    "de": "Der Zug nach Hamburg fährt heute zehn Minuten später ab.",
    "en": "The train to the coast leaves ten minutes later today.",
    "fr": "Le train pour la côte part dix minutes plus tard aujourd'hui.",
    "es": "El tren a la costa sale hoy diez minutos más tarde.",
    "it": "Il treno per la costa parte oggi con dieci minuti di ritardo.",
    "pl": "Pociąg nad morze odjeżdża dzisiaj dziesięć minut później.",
    "tr": "Sahile giden tren bugün on dakika geç kalkıyor.",
    "el": "Το τρένο για την ακτή φεύγει σήμερα δέκα λεπτά αργότερα.",
    "ru": "Поезд к морю сегодня отправляется на десять минут позже.",
    "ja": "海へ行く電車は今日十分遅れて出発します。",
}


@pytest.fixture(scope="module")
def model() -> Classifier:
    return library.load_classifier("languages")


def test_its_files_are_those_of_its_card_and_at_most_3_mb() -> None:
    card = READY_MADE["languages"].card()
    for name in FILES:
        found = hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()
        assert f"SHA-256 of {name}: `{found}`" in card
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted([*FILES, "README.md"])
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 3_000_000


def test_its_card_names_every_class(model: Classifier) -> None:
    named = re.findall(r"^\| ([\w-]+) \| [A-Z][\w() ]+ \| [\d,]+ \|$", READY_MADE["languages"].card(), re.MULTILINE)
    assert tuple(named) == model.classes
    assert len(named) == 66


def test_it_tells_ten_languages_apart(model: Classifier) -> None:
    found = model.predict(list(SENTENCES.values()))
    assert [label for label, _ in found] == list(SENTENCES)
    assert all(probability > 0.9 for _, probability in found)


def test_a_text_gets_the_probabilities_that_it_always_got(model: Classifier) -> None:
    found = dict(zip(model.classes, model.probabilities(["guten Morgen"])[0].tolist(), strict=True))
    expected = {"de": 0.9928, "nl": 0.0023, "en": 0.0014, "sv": 0.0009}
    assert {name: round(found[name], 4) for name in expected} == expected


def test_every_verb_takes_its_name(charloom: Call, tmp_path: Path) -> None:
    label, probability, text = charloom("classify", "predict", "languages", SENTENCES["de"]).stdout.split("\t")
    assert (label, text) == ("de", SENTENCES["de"] + "\n")
    assert float(probability) > 0.9
    (tmp_path / "rows.tsv").write_text("".join(f"{label}\t{text}\n" for label, text in SENTENCES.items()), "utf-8")
    assert "accuracy 100.00%" in charloom("classify", "evaluate", "languages", "rows.tsv").stdout
    assert charloom("classify", "explain", "languages", "guten Morgen").stdout.startswith("de ")
    facts = json.loads(charloom("info", "languages", "--json").stdout)
    assert (facts["kind"], len(facts["classes"]), facts["network"]) == ("classifier", 66, None)
    assert "languages" in charloom("models", "list").stdout
    assert "| sah | Yakut |" in charloom("models", "show", "languages").stdout
    said = charloom("generate", "languages")
    assert (said.returncode, said.stdout) == (2, "")
    assert "holds a classifier, not a language model" in said.stderr


def _shorter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _other(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [_shorter, _other, Path.unlink])
@pytest.mark.parametrize("name", ["config.json", "n-grams.safetensors.xz"])
def test_a_damaged_package_gets_a_sentence(
    charloom: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: Callable[[Path], None]
) -> None:
    shutil.copytree(FOLDER, tmp_path / "data" / "languages")
    monkeypatch.setattr(ready_made, "DATA", tmp_path / "data")
    damage(tmp_path / "data" / "languages" / name)
    done = charloom("classify", "predict", "languages", "guten Morgen")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert re.search(r"damaged|is not complete|lacks the files of 'languages'; install", done.stderr)
