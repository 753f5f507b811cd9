"""charloom classify: what it prints, and the sentence for each kind of bad input."""

import gzip
import io
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charloom.classify.calibration import Bin
from charloom.classify.evaluation import Evaluation, Mistake, draw_evaluation
from charloom.classify.measures import Measures
from charloom.classify.rows import parse_lines, waiting_lines
from charloom.classify.runs import ClassifierRun
from charloom.cli.classification import print_evaluation
from classify_rows import as_tsv, begin, finish, small_rows

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("classifier") / "run"
    return finish(begin(small_rows(300), path, steps=40, hidden_size=16, dropout=0.1, sequence_length=40))


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The error message of a refused command."""
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_train_predict_evaluate_explain(charloom: Command, tmp_path: Path) -> None:
    data = as_tsv(small_rows(200), tmp_path / "data.tsv")
    sizes = ("--network.hidden-size", 8, "--steps", 6)
    done = charloom("classify", "train", data, "--run", "model", *sizes, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["steps"], result["classes"]) == (6, ["english", "german", "python"])
    assert set(result["held"]) == {"nats_per_text", "accuracy", "macro_f1"}
    assert (tmp_path / "model" / "model" / "README.md").read_text("utf-8").startswith("---\nlibrary_name: charloom")
    for arguments in (("predict", "model", data), ("evaluate", "model"), ("explain", "model", "--text", "der")):
        assert charloom("classify", *arguments).returncode == 0, arguments


def test_predict_prints_a_line_for_each_line_in_their_order(charloom: Command, run: Path) -> None:
    lines = ["der die das", "", "a\tb", "日本", "the and is not"]
    done = charloom("classify", "predict", run, "-", input="\n".join(lines) + "\n")
    rows = [line.split("\t", 2) for line in done.stdout.splitlines()]
    assert [row[2] for row in rows] == lines
    assert all(row[0] in ("english", "german", "python") and 0 < float(row[1]) <= 1 for row in rows)
    without_hyphen = charloom("classify", "predict", run, input="\n".join(lines))
    assert without_hyphen.stdout == done.stdout


def test_predict_answers_each_line_before_the_next_is_sent(run: Path) -> None:
    for flags in ([], ["--json"]):
        command = [sys.executable, "-m", "charloom", "classify", "predict", str(run), *flags]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            watch = threading.Timer(100, process.kill)  # an answer that waits for more input would never come
            watch.start()
            for text in ("der die das", "", "the and is not", "über"):
                process.stdin.write(f"{text}\n".encode())
                process.stdin.flush()
                answer = process.stdout.readline().decode().rstrip("\n")
                assert (json.loads(answer)["text"] if flags else answer.split("\t")[2]) == text
            process.stdin.write(b"half a line, ")
            process.stdin.flush()
            process.stdin.write(b"and its end")
            process.stdin.close()
            assert b"half a line, and its end" in process.stdout.read()
            assert process.wait() == 0
            watch.cancel()


PRINTED = st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\r")
"""Characters of a text: one that is full of control characters is refused as a whole."""


@given(st.lists(st.text(PRINTED)), st.integers(1, 9))
def test_lines_that_come_in_pieces_are_the_lines_of_the_whole(lines: list[str], size: int) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()

    class InPieces(io.BytesIO):
        def read1(self, most: int | None = -1, /) -> bytes:
            return self.read(size)

    found = [line for part in waiting_lines(InPieces(data), "here") for line in part]
    assert found == parse_lines(data, "here")
    assert [line for part in waiting_lines(InPieces(data[:-1]), "here") for line in part] == parse_lines(
        data[:-1], "here"
    )


def test_a_line_of_standard_input_that_is_not_utf_8_is_named_and_those_before_are_answered(run: Path) -> None:
    command = [sys.executable, "-m", "charloom", "classify", "predict", str(run)]
    done = subprocess.run(command, input=b"der\ndie\ncaf\xe9\n", capture_output=True)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"standard input, line 3, is not UTF-8 (byte 0xe9); it looks like cp1252" in done.stderr


def test_a_text_with_tabs_comes_back_and_one_with_line_breaks_breaks_no_line(charloom: Command, run: Path) -> None:
    answer = charloom("classify", "predict", run, "--text", "a\tb\tc").stdout
    assert answer.removesuffix("\n").split("\t", 2)[2] == "a\tb\tc"
    for text in ("one\ntwo", "one\r\ntwo", "one\r", "\n"):
        assert "add --json" in refused(charloom("classify", "predict", run, "--text", text))
        assert json.loads(charloom("classify", "predict", run, "--text", text, "--json").stdout)["text"] == text


def test_an_argument_is_a_text_unless_it_is_or_looks_like_a_file(charloom: Command, run: Path, tmp_path: Path) -> None:
    (tmp_path / "der").write_text("the\nis\n")
    assert [line.split("\t")[2] for line in charloom("classify", "predict", run, "der").stdout.splitlines()] == [
        "the",
        "is",
    ]
    for text in ("der die das.", "", "a/b c", "x" * 5000):
        assert charloom("classify", "predict", run, text).stdout.endswith(f"\t{text}\n")
        assert (
            charloom("classify", "predict", run, text).stdout
            == charloom("classify", "predict", run, "--text", text).stdout
        )
    assert "add --json" in refused(charloom("classify", "predict", run, "der\ndie"))
    assert (
        charloom("classify", "explain", run, "der die").stdout
        == charloom("classify", "explain", run, "--text", "der die").stdout
    )


@pytest.mark.parametrize("verb", ["predict", "explain"])
def test_a_file_that_is_not_there_is_not_taken_for_a_text(charloom: Command, run: Path, verb: str) -> None:
    for name in ("absent.txt", "texts/absent", "see example.com", "inbox"):
        said = refused(charloom("classify", verb, run, name))
        assert f"there is no file {name}; check the path, or, if it is the text itself, give it with --text" in said
    assert "not both" in refused(charloom("classify", verb, run, "der", "--text", "die"))


def test_predict_as_json_has_every_class_if_asked(charloom: Command, run: Path) -> None:
    done = charloom("classify", "predict", run, "--text", "über", "--json", "--all")
    value = json.loads(done.stdout)
    assert value["text"] == "über"
    assert sum(value["probabilities"].values()) == pytest.approx(1)
    assert value["probability"] == value["probabilities"][value["label"]]


def test_a_threshold_makes_what_is_unsure_unknown(charloom: Command, run: Path) -> None:
    done = charloom("classify", "predict", run, "--threshold", 1, "--text", "über")
    assert done.stdout.startswith("unknown\t")


def test_the_same_model_comes_of_a_file_of_windows(charloom: Command, tmp_path: Path) -> None:
    """A byte order mark and CRLF belong to the file, not to the texts."""
    data = as_tsv(small_rows(60), tmp_path / "data.tsv")
    other = tmp_path / "windows.tsv"
    other.write_bytes(b"\xef\xbb\xbf" + data.read_bytes().replace(b"\n", b"\r\n"))
    for name, file in (("one", data), ("two", other)):
        assert charloom("classify", "train", file, "--run", name, "--steps", 2).returncode == 0
    one, two = (tmp_path / name / "model" / "model.safetensors" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_rows_from_standard_input_are_kept_and_can_be_resumed(charloom: Command, tmp_path: Path) -> None:
    data = as_tsv(small_rows(60), tmp_path / "data.tsv")
    done = charloom("classify", "train", "-", "--run", "model", "--steps", 2, input=data.read_text("utf-8"))
    assert done.returncode == 0, done.stderr
    again = charloom("classify", "train", "--resume", "--run", "model", "--json")
    assert json.loads(again.stdout)["resumed_from"] == 2


def test_evaluate_tells_figures_confusions_and_mistakes(charloom: Command, run: Path, tmp_path: Path) -> None:
    data = as_tsv(small_rows(80, seed=4), tmp_path / "test.tsv")
    done = charloom("classify", "evaluate", run, data, "--png", "picture.png")
    assert done.stdout.splitlines()[1].startswith("accuracy ")
    assert "taken for" in done.stdout
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    value = json.loads(charloom("classify", "evaluate", run, data, "--json", "--mistakes", 2).stdout)
    assert value["texts"] == 80 == sum(map(sum, value["confusion"]))
    right = sum(value["confusion"][place][place] for place in range(3))
    assert value["accuracy"] == pytest.approx(right / 80)
    assert len(value["mistakes"]) <= 2


@pytest.mark.parametrize("classes", [3, 12, 18, 30])
@pytest.mark.parametrize("columns", [80, 200])
def test_confusions_are_shown_whole_at_any_width(classes: int, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tuple(f"class-{number:02}" for number in range(classes))
    confusion = np.full((classes, classes), 1_234)
    found = Evaluation(names, Measures(confusion, 1.0, 0.1), [Bin(10, 0.5, 0.5)], [Mistake("a", *names[:2], 0.9, 0.1)])
    out = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        patch.setattr(sys, "stdout", out)
        print_evaluation(found, "title", 0, json=False)
    assert "…" not in out.getvalue()
    assert "taken for" in out.getvalue()
    assert max(map(len, out.getvalue().splitlines()[2:])) <= columns
    assert "1,234" in out.getvalue().split("taken for", 1)[1] or "1,234  class" in out.getvalue()


@pytest.mark.parametrize("classes", [2, 18, 60])
def test_nothing_of_the_picture_is_cut_off(classes: int) -> None:
    names = tuple(f"a class of a long name {number:02}" for number in range(classes))
    found = Evaluation(names, Measures(np.full((classes, classes), 7), 1.0, 0.1), [Bin(10, 0.5, 0.5)], [])
    image = matplotlib.image.imread(io.BytesIO(draw_evaluation(found, "a title")))[..., :3]
    for edge in (image[:5], image[-5:], image[:, :5], image[:, -5:]):
        assert (edge == 1).all()


def test_an_explanation_has_a_share_for_each_character(charloom: Command, run: Path) -> None:
    value = json.loads(charloom("classify", "explain", run, "--text", "über nicht", "--json").stdout)
    assert len(value["shares"]) == len("über nicht")
    shown = charloom("classify", "explain", run, "--text", "über nicht", "--label", "english")
    assert shown.stdout.startswith("english 0.")
    assert "über nicht" in shown.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a\tone\nb two\n", "line 2, has no tab"),
        ("a\tone\n\ttwo\n", "line 2, has no label before the tab"),
        ("a\tone\na\ttwo\n", "only one class, 'a'"),
        ("", "has no rows"),
        ("\n\n", "has no rows"),
        (b"a\tone\nb\t\xff\n", "line 2, is not UTF-8 (byte 0xff)"),
        ("ham\tcaf\xe9\nspam\tna\xefve\n".encode("cp1252"), "it looks like cp1252: save it as UTF-8"),
        ("ham\tone\nspam\ttwo\n".encode("utf-16"), "it looks like utf-16: save it as UTF-8"),
        ("ham\tone\nspam\ttwo\n".encode("utf-16-le"), "it looks like utf-16-le: save it as UTF-8"),
        ("label,text\nham,one\nspam,two\n", "looks like CSV with commas, so save it with tabs"),
        ("ham;one\nspam;two\n", "looks like CSV with semicolons"),
        ('ham\t"one\nmore"\nspam\ttwo\n', "if a quoted text continues on the next line, put it on one line"),
        ("label\ttext\na\tone\na\ttwo\n", "only one class, 'a'"),
        ("  \tone\nb\ttwo\n", "line 1, has no label before the tab"),
        ("".join(f"text number {n}\t{'ab'[n % 2]}\n" for n in range(400)), "its columns look swapped"),
        ("text\tlabel\n" + "".join(f"number {n}\t{'ab'[n % 2]}\n" for n in range(40)), "its columns look swapped"),
        (
            "".join(f"a rather long sentence, of which this is number {n}\tid{n}\n" for n in range(40)),
            "40 different labels in 40 rows and 40 different texts, so its columns look swapped",
        ),
        (b"PK\x03\x04\xff\0\0", "is a ZIP archive"),
    ],
)
def test_rows_that_cannot_be_learned_from_get_a_sentence(
    charloom: Command, tmp_path: Path, content: str | bytes, said: str
) -> None:
    (tmp_path / "bad.tsv").write_bytes(content.encode() if isinstance(content, str) else content)
    assert said in refused(charloom("classify", "train", "bad.tsv", "--run", "model"))
    assert not (tmp_path / "model").exists()


GOOD = "".join(f"{label}\t{text} {n}\n" for n in range(10) for label, text in (("ham", "see you"), ("spam", "win now")))


def trained_on(
    charloom: Command, folder: Path, content: str | bytes, name: str = "data.tsv"
) -> tuple[list[str], int, str]:
    """Classes, rows and messages of a training on a file."""
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    done = charloom("classify", "train", name, "--run", "model", "--steps", 1, "--network.hidden-size", 4, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((folder / "model" / "config.json").read_text())["rows"]["rows"]
    return json.loads(done.stdout)["classes"], rows, done.stderr


@pytest.mark.parametrize(
    "header", ["label\ttext", "Label\tText", "class\tutterance", "v1\tv2", "Category\tMessage", "language\tsentence"]
)
def test_a_header_is_left_out_and_said_to_be(charloom: Command, tmp_path: Path, header: str) -> None:
    classes, rows, said = trained_on(charloom, tmp_path, f"{header}\n{GOOD}")
    assert (classes, rows) == (["ham", "spam"], 20)
    assert "line 1 is taken for a header and left out: " in said
    evaluated = charloom("classify", "evaluate", "model", "data.tsv", "--json")
    assert json.loads(evaluated.stdout)["texts"] == 20
    assert charloom("classify", "train", "--resume", "--run", "model").returncode == 0


def test_a_header_that_comes_again_is_left_out_each_time(charloom: Command, tmp_path: Path) -> None:
    classes, rows, said = trained_on(charloom, tmp_path, f"label\ttext\n{GOOD}label\ttext\n{GOOD}")
    assert (classes, rows) == (["ham", "spam"], 40)
    assert "lines 1, 22 are taken for a header" in said


def test_a_class_that_is_called_like_a_column_is_a_class(charloom: Command, tmp_path: Path) -> None:
    classes, rows, said = trained_on(charloom, tmp_path, "label\tgummed\ntag\ttext\nlabel\ttext\ntag\tof cloth\n")
    assert (classes, rows) == (["label", "tag"], 4)
    assert "header" not in said


def test_a_first_label_that_never_comes_again_is_pointed_at(charloom: Command, tmp_path: Path) -> None:
    classes, _, said = trained_on(charloom, tmp_path, f"Sprache\tSatz\n{GOOD}")
    assert classes == ["Sprache", "ham", "spam"]
    assert "only line 1 has the label 'Sprache'; if it is a header, delete it" in said


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (GOOD.replace("ham\t", " ham \t", 3), "3 labels have spaces around them, which are removed"),
        (
            "".join('"{}"\t"{} ""so"""\n'.format(*line.split("\t")) for line in GOOD.splitlines()),
            "every label is quoted; the quotes are removed",
        ),
    ],
)
def test_spaces_and_quotes_around_labels_make_no_classes(
    charloom: Command, tmp_path: Path, content: str, note: str
) -> None:
    classes, rows, said = trained_on(charloom, tmp_path, content)
    assert (classes, rows) == (["ham", "spam"], 20)
    assert note in said


def test_what_looks_odd_is_said_and_trained_on(charloom: Command, tmp_path: Path) -> None:
    _, _, said = trained_on(charloom, tmp_path, GOOD.replace("ham\t", "Ham\t", 2).replace("\t", "\tmore\t"))
    assert "labels that differ only in case are different classes: 'Ham', 'ham'" in said
    assert "each row has 3 columns" in said


def test_good_rows_are_trained_on_without_a_word_about_them(charloom: Command, tmp_path: Path) -> None:
    _, _, said = trained_on(charloom, tmp_path, GOOD)
    assert "data.tsv:" not in said


def test_rows_may_be_compressed(charloom: Command, tmp_path: Path) -> None:
    classes, rows, _ = trained_on(charloom, tmp_path, gzip.compress(GOOD.encode()), "data.tsv.gz")
    assert (classes, rows) == (["ham", "spam"], 20)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "there are no rows to train on"),
        (("absent.tsv",), "cannot be read"),
        (("--resume",), "--resume needs a run"),
        (("good.tsv", "--label-smoothing", "2"), "label_smoothing is 2; it must be at least 0 and at most 0.9"),
        (("good.tsv", "--steps", "1", "--epochs", "1"), "only one of --steps and --epochs"),
        (("good.tsv", "--epochs", "0"), "a run's length is 0"),
        (("good.tsv", "--network.tied"), "network.tied is only for language models"),
        (("good.tsv", "--from", "absent"), "there is no run or model folder absent"),
    ],
)
def test_training_with_what_cannot_be_gets_a_sentence(
    charloom: Command, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    as_tsv(small_rows(30), tmp_path / "good.tsv")
    assert said in refused(charloom("classify", "train", *arguments))


def test_empty_texts_are_learned_from_and_answered(charloom: Command, tmp_path: Path) -> None:
    (tmp_path / "data.tsv").write_text("a\t\nb\tone\n" * 10)
    assert charloom("classify", "train", "data.tsv", "--run", "model", "--steps", 2).returncode == 0
    assert charloom("classify", "predict", "model", input="\n\n").stdout.count("\n") == 2


def test_an_unknown_label_gets_a_sentence(charloom: Command, run: Path, tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("german\tder\nGerman\tdie\n")
    said = refused(charloom("classify", "evaluate", run, "test.tsv"))
    assert "row 2 has the label 'German', which this classifier does not know; did you mean 'german'?" in said


@pytest.mark.parametrize("verb", ["predict", "evaluate", "explain"])
def test_a_model_that_is_none_gets_a_sentence(charloom: Command, tmp_path: Path, verb: str) -> None:
    assert "there is no run or model folder nowhere" in refused(charloom("classify", verb, "nowhere", input=""))
    (tmp_path / "empty").mkdir()
    assert "neither a run nor a model folder" in refused(charloom("classify", verb, "empty", input=""))


def test_a_notebook_shows_a_classifier_s_run_with_the_figures_of_its_best_validation(
    charloom: Command, run: Path
) -> None:
    facts = json.loads(charloom("info", run, "--json").stdout)
    shown = ClassifierRun(run)._repr_markdown_()
    assert "of 3 classes in " in shown
    assert "| steps | 40 of 40 |" in shown
    assert f"accuracy {facts['held']['accuracy']:.4f}" in shown
    assert f"at step {facts['best_step']:,}" in shown


def test_a_classifier_is_described(charloom: Command, run: Path) -> None:
    facts = json.loads(charloom("info", run, "--json").stdout)
    assert (facts["kind"], facts["rows"]["rows"], facts["step"]) == ("classifier run", 300, 40)
    assert facts["held"]["nats_per_text"] > 0
    assert json.loads(charloom("info", run / "model", "--json").stdout)["classes"] == ["english", "german", "python"]


@pytest.mark.parametrize("verb", [("generate",), ("evaluate",), ("train", "--resume", "--run")])
def test_a_classifier_is_no_language_model(charloom: Command, run: Path, verb: tuple[str, ...]) -> None:
    assert "holds a classifier, not a language model" in refused(charloom(*verb, run))


def test_what_cannot_be_explained_gets_a_sentence(charloom: Command, run: Path) -> None:
    assert "at most 2,000" in refused(charloom("classify", "explain", run, input="x" * 2_001))
    assert "no class 'germn'; did you mean 'german'?" in refused(
        charloom("classify", "explain", run, "--text", "x", "--label", "germn")
    )


def test_a_run_that_exists_is_not_written_over(charloom: Command, run: Path, tmp_path: Path) -> None:
    as_tsv(small_rows(30), tmp_path / "data.tsv")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    for rows in ("data.tsv", "missing.tsv"):  # before the rows are read
        said = refused(charloom("classify", "train", rows, "--run", run))
        assert f"{run} exists" in said and said.endswith(f"charloom classify train --resume --run {run}\n")
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*")}


@pytest.mark.slow
def test_the_example_of_spam_in_the_readme_is_spam(charloom: Command, shared: Path, tmp_path: Path) -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    examples = re.findall(r'(?:explain runs/spam --text |predict_proba\(\[)"([^"]+)"', readme)
    assert len(examples) == 2
    assert charloom("classify", "train", shared / "spam" / "sms.tsv", "--run", "spam").returncode == 0
    for text in examples:
        assert charloom("classify", "predict", "spam", "--text", text).stdout.startswith("spam\t0.9")
