"""generate, evaluate, score, compress and correct for many texts: N workers equal one, resumed equals uninterrupted."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import charloom as package
from charloom import many
from charloom.compress.codec import Codec
from charloom.correct.corrector import Corrector
from charloom.correct.lexicon import Lexicon
from charloom.data.lines import Lines
from charloom.errors import SettingsError, TextError
from charloom.evaluation.score import Score
from charloom.generation.batched_generation import generate_many
from charloom.generation.writer import Writer
from charloom.many.corrections import passages
from charloom.many.windows import measure
from models import small_model, write_folder
from partial_outputs import finished, interrupted

Command = Callable[..., subprocess.CompletedProcess[str]]

KNOWN = ("the", "harbour", "lantern", "sailor", "keeps", "lights", "over", "water", "and", "night")
WRITTEN = ("the", "harbur", "lantern", "sailor", "keps", "lights", "over", "watter", "and", "night")

ALPHABET = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.,'\n-0123456789"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(small_model(ALPHABET), tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("words") / "words.txt"
    path.write_text("\n".join(KNOWN) + "\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five texts in two levels, one of them empty, and a file that is not looked at."""
    place, draw = tmp_path / "texts", random.Random(7)
    (place / "deeper").mkdir(parents=True)
    for name in ("b.txt", "a.txt", "deeper/c.txt", "deeper/d.txt"):
        words = draw.choices(WRITTEN, k=15)
        (place / name).write_text(" ".join(words) + ".\n\nA second paragraph of it.\n")
    (place / "empty.txt").touch()
    (place / ".hidden").write_bytes(b"\xff\xfe")
    return place


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The sentence of a refused command."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def without_seconds(text: str) -> str:
    return re.sub(r', "(check_)?seconds": [0-9.e-]+', "", text)


def cuts(whole: bytes) -> list[int]:
    """Places at which an output is cut: between lines and within them."""
    ends = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    return sorted({1, ends[0], ends[len(ends) // 2], ends[-2] + 3, len(whole) - 1})


# ---- evaluate and score


def test_figures_of_a_folder_are_those_of_one_worker(charloom: Command, model: Path, folder: Path) -> None:
    command = ("evaluate", model, "--text", folder, "--context", 16, "--json")
    one, two = (charloom(*command, "--workers", n) for n in (1, 2))
    assert one.returncode == 0, one.stderr
    assert (two.returncode, two.stdout) == (0, one.stdout)
    *carried, total = [json.loads(line) for line in one.stdout.splitlines()]
    done = charloom("score", model, "--text", folder, "--workers", 1, "--json")
    *scored, all_scored = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["score"] for row in scored] == [row["carried"] for row in carried]
    assert all_scored["score"] == total["carried"]
    shown = charloom("score", model, "--text", folder, "--workers", 1).stdout
    assert shown.count("\n") == 7, "a heading for people, a line for each file, and one for all"


def test_the_windows_of_one_text_are_shared_out_and_give_the_figures_of_one_process(
    charloom: Command, model: Path, tmp_path: Path
) -> None:
    draw = random.Random(3)
    (tmp_path / "text.txt").write_text("".join(draw.choices(ALPHABET, k=3_001)))
    command = ("evaluate", model, "--text", "text.txt", "--context", 5, "--json")
    plain = charloom(*command)
    assert plain.returncode == 0, plain.stderr
    assert charloom(*command, "--workers", 2).stdout == plain.stdout
    form = command[:-1]
    assert charloom(*form, "--workers", 1).stdout == charloom(*form).stdout
    for more, sentence in (
        (["--output", "out"], "files of a folder"),
        (["--dynamic"], "one process"),
        (["--context", 0], "at least 1"),
    ):
        assert sentence in refused(charloom("evaluate", model, "--text", "text.txt", "--workers", 2, *more))
    assert "standard input" in refused(charloom("evaluate", model, "--text", "-", "--workers", 2))


def test_a_file_has_the_figures_that_it_has_alone_and_all_have_the_sum(
    charloom: Command, model: Path, folder: Path
) -> None:
    done = charloom("evaluate", model, "--text", folder, "--context", 16, "--workers", 1, "--json")
    *rows, total = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["file"] for row in rows] == ["a.txt", "b.txt", "deeper/c.txt", "deeper/d.txt", "empty.txt"]
    assert (rows[-1]["characters"], rows[-1]["carried"], rows[-1]["fresh"]) == (0, None, None)
    characters = 0
    for row in rows[:-1]:
        alone = json.loads(
            charloom("evaluate", model, "--text", folder / row["file"], "--context", 16, "--json").stdout
        )
        assert (row["characters"], row["bytes"]) == (alone["characters"], alone["bytes"])
        for way in ("carried", "fresh"):
            assert {name: row[way][name] for name in alone[way]} == alone[way]
        characters += row["characters"]
    assert (total["files"], total["characters"]) == (5, characters)
    for way in ("carried", "fresh"):
        nats = sum(row[way]["nats"] for row in rows[:-1])
        assert total[way]["nats_per_character"] == pytest.approx(nats / characters, rel=1e-12)
    assert total["fresh"]["context"] == 16


@pytest.mark.parametrize(("verb", "flags"), [("evaluate", ["--context", "16"]), ("score", [])])
def test_figures_interrupted_at_any_byte_and_called_again_equal_those_of_one_call(
    charloom: Command, model: Path, folder: Path, tmp_path: Path, verb: str, flags: list[str]
) -> None:
    out = tmp_path / "out.jsonl"
    command = (verb, model, "--text", folder, *flags, "--output", out)
    whole, mark = finished(charloom, command, out)
    total = charloom(*command, "--json", "--force").stdout
    assert whole.count(b"\n") == 5
    for cut in [*cuts(whole), len(whole)]:
        interrupted(out, whole[:cut], mark)
        again = charloom(*command, "--json")
        assert (again.stdout, out.read_bytes()) == (total, whole), cut
    for other in (b'{"file": "b.txt"}\n', b'{"file": "a.txt", "characters": 9}\n', b"[]\n", b"null\n", b"\n"):
        interrupted(out, other, mark)
        assert "lines that do not belong" in refused(charloom(*command))
        assert out.with_name("out.jsonl.partial").read_bytes() == other
    inside = (*command[:-1], folder / "out.jsonl")
    assert "lies in the folder that is read" in refused(charloom(*inside))


@pytest.mark.skipif(sys.platform != "linux", reason="names as Linux has them")
def test_a_file_whose_name_is_not_utf_8_is_measured(
    charloom: Command, model: Path, folder: Path, tmp_path: Path
) -> None:
    name = os.fsdecode(b"z\xff.txt")
    (folder / name).write_text("the night")
    out = tmp_path / "out.jsonl"
    command = ("score", model, "--text", folder, "--output", out)
    whole, mark = finished(charloom, command, out)
    assert json.loads(whole.splitlines()[-1])["file"] == name
    interrupted(out, whole, mark)
    assert charloom(*command).returncode == 0
    assert out.read_bytes() == whole


def test_the_figures_of_another_model_are_not_taken_for_those_of_this_one(
    charloom: Command, model: Path, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    command = ("evaluate", model, "--text", folder, "--context", 16, "--output", out)
    whole, mark = finished(charloom, command, out)
    other = write_folder(small_model(ALPHABET, seed=9), tmp_path / "other")
    assert "exists" in refused(charloom("evaluate", other, *command[2:]))
    interrupted(out, whole, mark)
    assert "differs in the model;" in refused(charloom("evaluate", other, *command[2:]))
    assert "differs in --context;" in refused(charloom(*command[:5], 17, *command[6:]))
    (folder / "a.txt").write_text("The text of a file that was changed")
    assert "differs in the input;" in refused(charloom(*command))
    assert charloom(*command, "--force").returncode == 0
    assert json.loads(out.read_text().splitlines()[0])["characters"] == 35


def test_a_bad_file_is_named_and_the_files_before_it_are_measured(charloom: Command, model: Path, folder: Path) -> None:
    (folder / "b.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    done = charloom("evaluate", model, "--text", folder, "--workers", 1, "--json")
    assert re.search(r"b\.txt is a PNG picture.*start its name with a dot", refused(done))
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == ["a.txt"]
    (folder / "b.txt").write_text("a letter that the model has never seen, \u00e9", "utf-8")
    assert re.search(r"b\.txt.*'\u00e9'", refused(charloom("score", model, "--text", folder, "--workers", 1)))


def test_what_workers_cannot_share_is_one_sentence(
    charloom: Command, model: Path, folder: Path, tmp_path: Path
) -> None:
    assert "in order, in one process" in refused(charloom("score", model, "--text", folder / "a.txt", "--workers", 2))
    for verb in ("evaluate", "score"):
        (tmp_path / "nothing").mkdir(exist_ok=True)
        assert "holds no files" in refused(charloom(verb, model, "--text", tmp_path / "nothing", "--workers", 2))
        assert "at least 1" in refused(charloom(verb, model, "--text", folder, "--workers", 0))
    command = ("--text", folder, "--workers", 2)
    assert "--verify is computed by one process" in refused(charloom("evaluate", model, *command, "--verify"))
    assert "--html is for one text" in refused(charloom("score", model, *command, "--html", "a.html"))
    assert "leave out --workers" in refused(charloom("compress", model, folder / "a.txt", "--workers", 2))


def test_an_iterator_gives_the_scores_of_evaluate(model: Path, folder: Path) -> None:
    texts: list[Any] = ["the night", folder / "a.txt", "A second one"]
    loaded = package.load(model)
    for context in (None, 4):
        whole = [package.evaluate(loaded, text, context=context) for text in texts]
        for count in (None, 1):
            assert list(many.evaluate(model, iter(texts), context=context, workers=count)) == whole
    assert isinstance(sum(whole[1:], whole[0]), Score)
    found = many.evaluate(model, ["good", "bad \u00e9"])
    assert next(found).characters == 4
    with pytest.raises(TextError, match="text 2: "):
        next(found)
    with pytest.raises(TextError, match="text 1 is empty"):
        next(many.evaluate(model, [""]))
    with pytest.raises(SettingsError, match="context"):
        many.evaluate(model, [], context=0)
    for call in (many.evaluate, many.generate, many.correct, many.compress, many.predict):
        with pytest.raises(SettingsError, match="whole number"):
            call(model, [], workers=1.5)  # type: ignore[operator]
    with pytest.raises(SettingsError, match="whole number"):
        measure(model, None, str(folder / "a.txt"), "utf-8", context=4, workers=1.5)  # type: ignore[arg-type]


# ---- compress


def test_archives_of_a_folder_are_those_of_one_worker_and_decompress(
    charloom: Command, model: Path, folder: Path, tmp_path: Path
) -> None:
    (folder / "binary").write_bytes(bytes(range(256)))
    ends = {}
    for count in (None, 2):
        place = tmp_path / f"out-{count}"
        more = [] if count is None else ["--workers", count]
        done = charloom("compress", model, folder, "--output", place, *more, "--json")
        assert done.returncode == 0, done.stderr
        written = {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*.cl")}
        ends[count] = written, without_seconds(done.stdout).replace(str(place), "out")
    assert ends[None] == ends[2]
    assert sorted(ends[2][0]) == sorted(f"{path.relative_to(folder).as_posix()}.cl" for path in visible(folder))
    codec = Codec(model)
    for name, data in ends[2][0].items():
        assert codec.decompress(data) == (folder / name.removesuffix(".cl")).read_bytes()


def visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def test_files_that_are_compressed_already_are_left_out(charloom: Command, model: Path, folder: Path) -> None:
    assert charloom("compress", model, folder).returncode == 0
    texts = [path for path in visible(folder) if path.suffix != ".cl"]
    whole = {path: path.with_name(path.name + ".cl").read_bytes() for path in texts}
    first, second, *others = texts
    first.with_name(first.name + ".cl").unlink()
    kept = second.with_name(second.name + ".cl")
    kept.write_bytes(kept.read_bytes() + b"kept as it is")
    done = charloom("compress", model, folder)
    assert "4 of 5 files are compressed already" in done.stderr
    assert done.stdout.count("\n") == 1
    assert kept.read_bytes().endswith(b"kept as it is")
    assert charloom("compress", model, folder, "--force").returncode == 0
    assert {path: path.with_name(path.name + ".cl").read_bytes() for path in texts} == whole
    assert not list(folder.rglob("*.cl.cl"))
    assert not list(folder.rglob(".charloom-*"))
    assert all(path.exists() for path in others)


def test_archives_that_do_not_belong_to_the_files_are_refused(
    charloom: Command, model: Path, folder: Path, tmp_path: Path
) -> None:
    assert charloom("compress", model, folder).returncode == 0
    archive = folder / "a.txt.cl"
    whole = archive.read_bytes()
    other = write_folder(small_model(ALPHABET, seed=9), tmp_path / "other")
    assert "another model (and 4 more); remove it" in refused(charloom("compress", other, folder))
    archive.write_bytes(b"notes")
    assert "a.txt.cl is not a compressed file; remove it" in refused(charloom("compress", model, folder))
    archive.write_bytes(whole)
    assert charloom("compress", model, folder).returncode == 0
    (folder / "a.txt").write_text("changed")
    newer = archive.stat().st_mtime_ns + 5_000_000_000
    os.utime(folder / "a.txt", ns=(newer, newer))
    said = refused(charloom("compress", model, folder))
    assert "a.txt has changed since" in said
    assert "make all again with --force" in said
    assert archive.read_bytes() == whole
    assert charloom("compress", model, folder, "--force").returncode == 0
    assert Codec(model).decompress(archive.read_bytes()) == b"changed"


def test_a_file_that_cannot_be_read_costs_none_of_those_before(
    charloom: Command, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def refuse(path: Path, *arguments: Any, **more: Any) -> Any:
        if path.name == "b.txt":
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **more)

    monkeypatch.setattr(Path, "open", refuse)
    assert re.search(r"b\.txt cannot be read: permission denied", refused(charloom("compress", model, folder)))
    assert (folder / "a.txt.cl").exists()
    monkeypatch.undo()
    assert charloom("compress", model, folder, "--workers", 2).returncode == 0
    assert sum(path.suffix == ".cl" for path in visible(folder)) == 5


def test_an_iterator_gives_the_archives_of_the_codec(model: Path, folder: Path) -> None:
    files: list[Any] = [b"bytes of the night", folder / "a.txt", str(folder / "b.txt")]
    whole = [b"bytes of the night", *(Path(path).read_bytes() for path in files[1:])]
    codec = Codec(model)
    for count in (1, 2):
        found = list(many.compress(model, iter(files), workers=count))
        assert [codec.decompress(each.data) for each in found] == whole


# ---- generate


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_texts_are_those_of_one_worker(charloom: Command, model: Path, tmp_path: Path, form: list[str]) -> None:
    command = ("generate", model, "--samples", 70, "--length", 12, "--seed", 3, "--prompt", "the ", "--prompt", "A")
    plain = charloom(*command, *form)
    assert plain.returncode == 0, plain.stderr
    (tmp_path / "prompts.txt").write_text("the \nA\n")
    for count in (1, 2):
        assert without_seconds(charloom(*command, *form, "--workers", count).stdout) == without_seconds(plain.stdout)
    command = ("generate", model, "--samples", 70, "--length", 12, "--seed", 3, "--prompts", "prompts.txt")
    for more in ([], ["--workers", 2]):
        assert without_seconds(charloom(*command, *form, *more).stdout) == without_seconds(plain.stdout)
    charloom(*command, "--output", "out.jsonl", "--workers", 2)
    if form:
        assert without_seconds((tmp_path / "out.jsonl").read_text()) == without_seconds(plain.stdout)


def test_texts_interrupted_at_any_byte_and_called_again_equal_those_of_one_call(
    charloom: Command, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    command = ("generate", model, "--samples", 150, "--length", 5, "--prompt", "the ", "--output", out)
    whole, mark = finished(charloom, command, out)
    for cut in cuts(whole):
        interrupted(out, whole[:cut], mark)
        assert charloom(*command).returncode == 0
        assert without_seconds(out.read_text()) == without_seconds(whole.decode()), cut
    interrupted(out, whole, mark)
    for more, name in (
        (["--prompt", "A"], "--prompt"),
        (["--seed", 2], "--seed"),
        (["--temperature", 0.5], "--temperature"),
    ):
        assert f"differs in {name};" in refused(charloom(*command, *more))


def test_a_prompt_that_the_model_cannot_read_is_named_after_the_texts_before_it(
    charloom: Command, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "prompts.txt").write_text("good\n" * 40 + "bad \u00e9\n" + "good\n" * 40)
    done = charloom(
        "generate", model, "--prompts", "prompts.txt", "--samples", 2, "--length", 3, "--workers", 2, "--json"
    )
    assert re.search(r"prompt 41: .*--from", refused(done)), "a worker names settings as the command line does"
    assert done.stdout.count("\n") == 80


def test_what_does_not_go_with_workers_is_one_sentence(charloom: Command, model: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a\nb\n")
    for flags, sentence in (
        (["--prompts", "prompts.txt", "--prompt", "x"], "give the prompt once"),
        (["--prompts", "prompts.txt", "--endless"], "endless"),
        (["--samples", 99, "--workers", 2, "--syntax", "python"], "do not go with"),
        (["--samples", 99, "--workers", 2, "--length", -1], "length is -1"),
        (["--prompts", "nothing.txt"], "cannot be read"),
        (["--prompts", "prompts.txt", "--output", "prompts.txt"], "input itself"),
    ):
        assert sentence in refused(charloom("generate", model, *flags))


def test_an_iterator_gives_the_texts_of_generate_many(model: Path) -> None:
    prompts = [("the ", "A", "night ")[n % 3] for n in range(150)]
    whole = [sample.text for sample in generate_many(model, prompts, length=6, seed=5, temperature=0.7)]
    for count in (None, 1, 2):
        found = many.generate(model, iter(prompts), length=6, seed=5, temperature=0.7, workers=count)
        assert [sample.text for sample in found] == whole
    with pytest.raises(SettingsError, match="temperature"):
        many.generate(model, prompts, temperature=-1.0)


# ---- correct


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Paragraphs with slips, several line ends, and no newline at the end."""
    path = tmp_path / "text.txt"
    parts = [f"the harbur lantern {n}\nkeps lights\n\n" for n in range(9)]
    path.write_bytes(b"\n" + "".join(parts).encode() + b"over watter\r\n\r\n\r\nand the sailer")
    return path


@pytest.mark.parametrize(("each", "form"), [("paragraph", []), ("line", ["--json"])])
def test_corrections_are_those_of_one_worker(
    charloom: Command, model: Path, words: Path, text: Path, tmp_path: Path, each: str, form: list[str]
) -> None:
    command = ("correct", model, "--text", text, "--words", words, "--confidence", 0.1, "--each", each, *form)
    plain = charloom(*command)
    assert plain.returncode == 0, plain.stderr
    assert "harbour" in plain.stdout
    done = charloom(*command, "--workers", 2)
    assert (done.stdout, done.stderr) == (plain.stdout, plain.stderr)
    assert charloom(*command, "--workers", 1, "--output", "out.txt").returncode == 0
    assert (tmp_path / "out.txt").read_bytes().decode() == plain.stdout


@pytest.mark.parametrize(("each", "form"), [("paragraph", []), ("line", ["--json"])])
def test_corrections_interrupted_at_any_byte_and_called_again_equal_those_of_one_call(
    charloom: Command, model: Path, words: Path, text: Path, tmp_path: Path, each: str, form: list[str]
) -> None:
    out = tmp_path / "out.txt"
    command = ("correct", model, "--text", text, "--words", words, "--confidence", 0.1, "--each", each, *form)
    command = (*command, "--output", out)
    whole, mark = finished(charloom, command, out)
    for cut in cuts(whole):
        interrupted(out, whole[:cut], mark)
        assert charloom(*command).returncode == 0
        assert out.read_bytes() == whole, cut


def test_a_change_is_found_where_it_is_said_to_be(charloom: Command, model: Path, words: Path, text: Path) -> None:
    command = ("correct", model, "--text", text, "--words", words, "--confidence", 0.1)
    original = text.read_bytes().decode()
    for each in ("text", "paragraph", "line"):
        values = [json.loads(line) for line in charloom(*command, "--each", each, "--json").stdout.splitlines()]
        changes = [change for value in values for change in value["changes"]]
        assert changes
        for change in changes:
            assert original.startswith(change["before"], change["start"])
            lines = original.split("\n")
            assert lines[change["line"] - 1].startswith(change["before"], change["column"] - 1)


def test_a_whole_text_is_one_text_however_many_workers_there_are(
    charloom: Command, model: Path, words: Path, text: Path, tmp_path: Path
) -> None:
    command = ("correct", model, "--text", text, "--words", words)
    plain, several = charloom(*command), charloom(*command, "--workers", 2)
    assert several.stdout == plain.stdout
    assert "--each paragraph" in several.stderr
    assert charloom(*command, "--output", "out.txt").stdout == ""
    assert (tmp_path / "out.txt").read_bytes().decode() == plain.stdout
    assert "overwrite it with --force" in refused(charloom(*command, "--output", "out.txt"))
    assert charloom(*command, "--output", "out.txt", "--force").returncode == 0


def test_corrected_copies_of_a_folder_are_those_of_each_file_and_those_there_are_left_out(
    charloom: Command, model: Path, words: Path, folder: Path, tmp_path: Path
) -> None:
    command = ("correct", model, "--words", words, "--confidence", 0.1, "--text")
    for count in (1, 2):
        place = tmp_path / f"out-{count}"
        done = charloom(*command, folder, "--output", place, "--workers", count)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert re.search(r"^deeper/c\.txt, line 1, column \d+: watter", done.stderr, re.MULTILINE)
        for path in visible(folder)[:2]:
            assert (place / path.relative_to(folder)).read_text() == charloom(*command, path).stdout
        assert [path.relative_to(place) for path in visible(place)] == [
            path.relative_to(folder) for path in visible(folder)
        ]
    (place / "a.txt").unlink()
    (place / "b.txt").write_text("kept")
    again = charloom(*command, folder, "--output", place)
    assert "4 of 5 files are there already" in again.stderr
    assert (place / "b.txt").read_text() == "kept"
    assert (place / "a.txt").read_text() == charloom(*command, folder / "a.txt").stdout
    newer = (place / "a.txt").stat().st_mtime_ns + 5_000_000_000
    os.utime(folder / "a.txt", ns=(newer, newer))
    assert "a.txt has changed since" in refused(charloom(*command, folder, "--output", place))
    rows = [json.loads(line) for line in charloom(*command, folder, "--json", "--workers", 2).stdout.splitlines()]
    assert [row["file"] for row in rows] == [path.relative_to(folder).as_posix() for path in visible(folder)]
    for flags, sentence in (
        ([], "name a folder with --output"),
        (["--output", folder / "out"], "lies in the folder"),
        (["--output", place, "--each", "line"], "leave out --each"),
    ):
        assert sentence in refused(charloom(*command, folder, *flags))
    shutil.rmtree(place)
    (folder / "b.txt").write_bytes(b"bad \xff")
    assert "b.txt is not UTF-8" in refused(charloom(*command, folder, "--output", place, "--workers", 2))
    assert [path.name for path in visible(place)] == ["a.txt"]


def test_an_iterator_gives_the_corrections_of_the_corrector(model: Path) -> None:
    known = dict.fromkeys(KNOWN, 1)
    corrector = Corrector(Writer.load(model), Lexicon(known), confidence=0.1)
    texts = ["the harbur", "", "keps lights over watter"] * 9
    whole = [corrector.correct(text) for text in texts]
    for count in (None, 1, 2):
        assert list(many.correct(model, iter(texts), words=known, confidence=0.1, workers=count)) == whole
    with pytest.raises(SettingsError, match="confidence"):
        many.correct(model, texts, confidence=2)


@settings(max_examples=60)
@given(st.text("a \n\r", max_size=30))
def test_passages_make_up_the_text_and_paragraphs_are_not_cut(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("passages") / "text.txt"
    path.write_bytes(text.encode())
    for each in ("line", "paragraph"):
        made = list(passages(Lines(path, whole=True), each))  # type: ignore[arg-type]
        assert "".join(passage.text for passage in made) == text
        for passage in made:
            assert text.startswith(passage.text, passage.start)
            assert passage.line == text.count("\n", 0, passage.start) + 1
            inner = passage.text.strip().split("\n")
            assert each == "line" or not passage.text.strip() or all(line.strip() for line in inner)
    by_words = [passage for passage in made if passage.text.strip()]
    assert len(by_words) == sum(1 for part in re.split(r"\n\s*\n", text) if part.strip())
