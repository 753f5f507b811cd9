"""The course: every lesson runs, every question is answered, and the notebooks match their sources."""

import ast
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

jupytext = pytest.importorskip("jupytext", reason="the lessons need the extra course")

ROOT = Path(__file__).resolve().parents[1]
COURSE = ROOT / "course"
sys.path.insert(0, str(COURSE))
from assemble import PROGRAM, assembled  # noqa: E402
from course_mutations import MUTATIONS, Mutation  # noqa: E402
from selected import selected  # noqa: E402
from sources import lessons, source  # noqa: E402

LESSONS = lessons()
MAIN = COURSE / "10_char_level_rnn"
LARGEST = 2_000_000
"""Maximum size of a notebook in bytes: larger ones are slow to open, and code hosts do not show them."""

LONGEST_PROGRAM = 150
"""Maximum number of lines of the program in one file."""

EXERCISES = 15
"""Minimum number of exercises in the main lesson."""

CHAPTERS = (
    "1. Understanding character-level RNNs",
    "2. Setting up the environment",
    "3. Preparing the dataset",
    "4. Text processing and encoding",
    "5. Building the character-level RNN model",
    "6. Training the RNN model",
    "7. Generating text with the trained model",
    "8. Evaluating model performance",
    "9. Hyperparameter adjustments",
    "10. What such models are good for",
    "11. Conclusion",
)

QUESTIONS = (
    "Q1: How do you install the necessary libraries for building and training character-level RNNs in PyTorch?",
    "Q2: How do you import the required modules for text processing, model building, and training in PyTorch?",
    "Q3: How do you set up your environment to use a GPU if available, or fallback to a CPU in PyTorch?",
    "Q4: How do you set a random seed in PyTorch to ensure reproducibility of results?",
    "Q5: How do you load a text dataset from a file in Python for use in a character-level RNN?",
    "Q6: How do you inspect the contents and length of the loaded text dataset?",
    "Q7: How do you split the loaded text dataset into training and validation sets?",
    "Q8: How do you create a character-to-index mapping for the text dataset in PyTorch?",
    "Q9: How do you create an index-to-character mapping for decoding model outputs in PyTorch?",
    "Q10: How do you encode the entire text dataset into numerical format using the character-to-index mapping?",
    "Q11: How do you generate input sequences and corresponding target sequences for training a character-level RNN in "
    "PyTorch?",
    "Q12: How do you define the architecture of a character-level RNN using PyTorch's `nn.RNN` or `nn.LSTM` module?",
    "Q13: How do you specify the input size, hidden size, and output size when building the RNN model in PyTorch?",
    "Q14: How do you initialize the hidden state of the RNN before passing data through the model?",
    "Q15: How do you implement the forward pass of the RNN model to process an input sequence and predict the next "
    "character?",
    "Q16: How do you define the loss function for training the character-level RNN model in PyTorch?",
    "Q17: How do you select and configure an optimizer for training the RNN model in PyTorch?",
    "Q18: How do you implement a training loop that updates model weights based on the loss in PyTorch?",
    "Q19: How do you implement gradient clipping to prevent exploding gradients during the training of the RNN model "
    "in PyTorch?",
    "Q20: How do you monitor and plot the training loss over epochs in PyTorch?",
    "Q21: How do you implement a function to generate text sequences from the trained RNN model in PyTorch?",
    "Q22: How do you generate text character by character starting from a seed string using the trained model?",
    "Q23: How do you experiment with different temperature values to control the creativity and diversity of the "
    "generated text?",
    "Q24: How do you ensure that the model generates text with a specific length or number of characters?",
    "Q25: How do you evaluate the model's performance in predicting the next character in a sequence on a validation "
    "set in PyTorch?",
    "Q26: How do you calculate and interpret the perplexity score for the character-level RNN model?",
    "Q27: How do you visualize the model's predictions versus the actual next characters in a sequence?",
    "Q28: How do you experiment with different learning rates to observe their impact on the model's training "
    "performance?",
    "Q29: How do you adjust the hidden size of the RNN model, and what impact does it have on the model's ability to "
    "generate text?",
    "Q30: How do you experiment with the number of layers in the RNN model to analyze its effect on text generation?",
    "Q31: How do you change the sequence length for input sequences, and what effect does it have on the training "
    "process and model performance?",
)


def headings(notebook: Any, mark: str) -> Iterator[tuple[str, list[Any]]]:
    """Each heading of one level, and the code cells up to the next."""
    title, cells = None, list[Any]()
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (found := re.match(rf"{mark} (.+)", cell.source)):
            if title is not None:
                yield title, cells
            title, cells = found.group(1), []
        elif cell.cell_type == "code":
            cells.append(cell)
    if title is not None:
        yield title, cells


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def by_hand(notebook: Any) -> list[str]:
    """The cells of the program that needs no charloom."""
    return [cell.source for cell in notebook.cells if "by-hand" in cell.metadata.get("tags", [])]


def undescribed(notebook: Any) -> list[str]:
    """What is said about each picture that has no description: a sentence that says what it shows."""
    said = list[str]()
    for output in outputs(notebook):
        data, about = output.get("data", {}), output.get("metadata", {})
        if "image/png" in data:
            said.append(about.get("image/png", {}).get("alt", ""))
        said += ["" for tag in re.findall("<img[^>]*>", str(data.get("text/html", ""))) if 'alt="' not in tag]
    return [words for words in said if len(words) < 30 or not words.endswith(".")]


def all_questions_are_answered(notebook: Any) -> None:
    """Every question is there, in order, each with a code cell that ran and showed something."""
    answers = [(title, cells) for title, cells in headings(notebook, "###") if title.startswith("Q")]
    assert tuple(title for title, _ in answers) == QUESTIONS
    for title, cells in answers:
        assert any(cell.execution_count and cell.outputs for cell in cells), title


@pytest.fixture(scope="session")
def fast(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Any]:
    """A lesson as a notebook that was run in fast mode, once."""
    folder, run = tmp_path_factory.mktemp("course"), dict[Path, Any]()

    def build(lesson: Path) -> Any:
        if lesson not in run:
            command = [sys.executable, COURSE / "build.py", "--mode", "fast", "--output", folder, lesson]
            done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
            assert done.returncode == 0, done.stdout + done.stderr
            run[lesson] = jupytext.read(folder / f"{lesson.stem}.ipynb")
        return run[lesson]

    return build


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_a_lesson_runs_without_an_error_or_a_warning(lesson: Path, fast: Callable[[Path], Any]) -> None:
    shown = outputs(fast(lesson))
    assert len(shown) > 3
    assert not [output for output in shown if output.output_type == "error"]
    assert not [output for output in shown if output.get("name") == "stderr"]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_every_picture_says_in_words_what_it_shows(lesson: Path, fast: Callable[[Path], Any]) -> None:
    ran = fast(lesson)
    assert sum("image/png" in output.get("data", {}) for output in outputs(ran)) > 0
    assert undescribed(ran) == []
    code = "\n".join(cell.source for cell in source(lesson).cells if cell.cell_type == "code")
    assert "plt.show(" not in code, "show(...) adds the words"


def test_all_questions_are_answered_by_code_that_runs(fast: Callable[[Path], Any]) -> None:
    all_questions_are_answered(fast(MAIN))


def test_every_check_that_by_hand_and_charloom_agree_was_made(fast: Callable[[Path], Any]) -> None:
    answers = dict(headings(fast(MAIN), "###"))
    for question in QUESTIONS[2:]:
        said = "".join(output.get("text", "") for cell in answers[question] for output in cell.outputs)
        assert "✔" in said, question


def test_the_cells_by_hand_run_without_charloom(tmp_path: Path) -> None:
    program = tmp_path / "cells.py"
    program.write_text("from pathlib import Path\n" + "\n".join(by_hand(source(MAIN))), encoding="utf-8")
    assert imported(program) <= {"torch", "numpy", "matplotlib"}
    environment = os.environ | {"CHARLOOM_COURSE": "fast", "MPLBACKEND": "agg", "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", program], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_every_exercise_has_a_solution_that_runs() -> None:
    cells = source(MAIN).cells
    asks = [number for number, cell in enumerate(cells) if asks_something(cell)]
    assert len(asks) >= EXERCISES
    for number, following in zip(asks, [*asks[1:], len(cells)], strict=True):
        solutions = [cell for cell in cells[number:following] if "solution" in cell.metadata.get("tags", [])]
        assert solutions, cells[number].source[:200]


def rebound(cells: list[str]) -> dict[str, list[str]]:
    """Names of functions and classes that mean something else in another place, and each of their meanings."""
    meanings, defined = dict[str, list[str]](), set[str]()
    for cell in cells:
        for statement in ast.parse(cell).body:
            match statement:
                case ast.FunctionDef() | ast.ClassDef():
                    names = [statement.name]
                    defined.add(statement.name)
                case ast.Import() | ast.ImportFrom():
                    module = getattr(statement, "module", None)
                    for one in statement.names:
                        name = (one.asname or one.name).split(".")[0]
                        meanings.setdefault(name, []).append(f"{one.name} of {module}")
                    continue
                case _:
                    names = sorted(stored(statement))
            for name in names:
                meanings.setdefault(name, []).append(ast.unparse(statement))
    return {name: found for name in sorted(defined) if len(set(found := meanings[name])) > 1}


def stored(statement: ast.AST) -> set[str]:
    """The names that a statement binds in its own scope."""
    if isinstance(statement, ast.Lambda | ast.FunctionDef | ast.ClassDef):
        return set()
    names = {statement.id} if isinstance(statement, ast.Name) and isinstance(statement.ctx, ast.Store) else set()
    inner = [*ast.iter_child_nodes(statement)]
    if isinstance(statement, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        return set().union(*(stored(part.iter) for part in statement.generators))
    return names.union(*(stored(part) for part in inner))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_no_helper_is_overwritten_with_another_meaning(lesson: Path) -> None:
    assert rebound([cell.source for cell in source(lesson).cells if cell.cell_type == "code"]) == {}


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        (["def read(path): return 1", "def read(network): return 2"], "read"),
        (["def read(path): return 1", "read = 3"], "read"),
        (["def read(path): return 1", "for read in (1, 2):\n    print(read)"], "read"),
        (["def read(path): return 1", "from module import read"], "read"),
    ],
)
def test_a_helper_that_is_overwritten_is_found(cells: list[str], name: str) -> None:
    assert list(rebound(cells)) == [name]
    assert rebound([cells[0], cells[0], "print([read for read in (1, 2)])"]) == {}


def test_what_is_said_to_be_no_more_than_a_figure_is_not() -> None:
    cells = [cell.source for cell in source(MAIN).cells if "def at_most(" in cell.source]
    (statement,) = (part for part in ast.parse(cells[0]).body if getattr(part, "name", "") == "at_most")
    names: dict[str, Any] = {"math": math}
    exec(ast.unparse(statement), names)
    for number in range(1, 400):
        for value in (number / 7 * 10.0 ** (number % 9 - 8), number * 1e-5):
            said = float(names["at_most"](value))
            assert value <= said * (1 + 1e-9)
            assert said <= value * 2
    assert names["at_most"](0) == "0"
    assert names["at_most"](2e-7) == "2e-07"
    assert names["at_most"](2.1e-7) == "3e-07"


def asks_something(cell: Any) -> bool:
    """Whether a cell is an exercise."""
    return cell.cell_type == "markdown" and "**Exercise" in cell.source


# --- the checks can fail ---


@pytest.fixture(scope="session")
def noticed(request: pytest.FixtureRequest) -> dict[str, str | None]:
    """What notices each mutation that is tested, by the mutation's name."""
    names = [mutation.name for (mutation,) in selected(request, "mutation")]
    command = [sys.executable, Path(__file__).with_name("course_mutations.py"), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["mutation"]: line["noticed"] for line in lines}


def of_a_study(mutation: Mutation) -> bool:
    """Whether only a study notices, which takes longer than all others together."""
    return "compare_with_study" in (mutation.check or "")


@pytest.mark.parametrize(
    "mutation",
    [
        pytest.param(each, marks=pytest.mark.slow) if of_a_study(each) or number % 6 else each
        for number, each in enumerate(MUTATIONS)
    ],
    ids=lambda mutation: mutation.name.replace(" ", "-"),
)
def test_a_wrong_line_in_the_program_by_hand_is_noticed(mutation: Mutation, noticed: dict[str, str | None]) -> None:
    assert noticed[mutation.name] is not None, f"{mutation.section} {mutation.right!r} can become {mutation.wrong!r}"


# --- the program in one file ---


def imported(program: Path) -> set[str]:
    """The packages that a program imports, other than those of Python itself."""
    names = set[str]()
    for node in ast.walk(ast.parse(program.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names - sys.stdlib_module_names


def run_by_hand(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The program in one file, with each warning an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONUTF8": "1"},
        timeout=1200,
    )


def test_the_program_is_what_the_cells_define() -> None:
    assert PROGRAM.read_text("utf-8") == assembled(), "it is out of date; write it with: python course/assemble.py"
    assert len(assembled().splitlines()) <= LONGEST_PROGRAM
    assert imported(PROGRAM) == {"torch", "numpy"}


def test_the_program_trains_and_writes(docs_text: str, tmp_path: Path) -> None:
    text = tmp_path / "my.txt"
    text.write_text(docs_text[:12_000], encoding="utf-8", newline="\n")
    done = run_by_hand(text, "--steps", 20)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    figures = [
        re.fullmatch(r"step [0-9]+: loss ([0-9.]+), validation loss ([0-9.]+) nats", line) for line in lines[:10]
    ]
    first, last = figures[0], figures[9]
    assert first and last
    assert float(last[1]) < float(first[1])
    assert float(last[2]) < float(first[2])
    written = done.stdout.split("nats\n")[-1].removesuffix("\n")
    assert len(written) == 401
    assert written[0] == docs_text[0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "has 0 characters; there must be 10,000 to learn from"),
        (b"too short " * 99, "has 990 characters; there must be 10,000 to learn from"),
        (b"\xff\xfe" * 9999, "cannot be read: it is not UTF-8"),
    ],
    ids=["missing", "empty", "short", "binary"],
)
def test_a_text_that_cannot_be_learned_from_is_one_sentence(
    content: bytes | None, sentence: str, tmp_path: Path
) -> None:
    text = tmp_path / "my.txt"
    if content is not None:
        text.write_bytes(content)
    done = run_by_hand(text)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"{text} {sentence}\n"


# --- what is built ---


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_the_built_notebook_is_that_of_the_source_and_ran_in_full(lesson: Path) -> None:
    path = lesson.with_suffix(".ipynb")
    assert path.stat().st_size < LARGEST
    written, built = source(lesson), jupytext.read(path)
    assert [(cell.cell_type, cell.source) for cell in built.cells] == [
        (cell.cell_type, cell.source) for cell in written.cells
    ], f"{path.name} is out of date; build it with: make course"
    code = [cell for cell in built.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [output for output in outputs(built) if output.output_type == "error" or output.get("name") == "stderr"]
    assert any("a full run" in output.get("text", "") for output in outputs(built))
    assert undescribed(built) == []


def test_the_built_notebook_answers_all_questions_in_eleven_chapters() -> None:
    built = jupytext.read(MAIN.with_suffix(".ipynb"))
    all_questions_are_answered(built)
    assert tuple(title for title, _ in headings(built, "##")) == CHAPTERS
    assert sum("image/png" in output.get("data", {}) for output in outputs(built)) > 15


# --- charloom course ---


def test_the_notebooks_are_copied_out(charloom: Callable[..., Any], tmp_path: Path) -> None:
    done = charloom("course", "lessons")
    assert (done.returncode, done.stderr) == (0, "")
    copied = {path.name: path.read_bytes() for path in (tmp_path / "lessons").iterdir()}
    assert {f"{lesson.stem}.ipynb" for lesson in LESSONS} <= set(copied)
    for name, data in copied.items():
        assert data == (COURSE / name).read_bytes()
    assert len(done.stdout.splitlines()) == len(copied)


def test_no_notebook_is_written_over_unless_that_is_asked_for(charloom: Callable[..., Any], tmp_path: Path) -> None:
    notes = tmp_path / "lessons" / MAIN.with_suffix(".ipynb").name
    notes.parent.mkdir()
    notes.write_text("my notes")
    done = charloom("course", "lessons")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "exists; overwrite it with --force, or choose another folder" in done.stderr
    assert [path.name for path in notes.parent.iterdir()] == [notes.name]
    assert notes.read_text() == "my notes"
    assert charloom("course", "lessons", "--force").returncode == 0
    assert notes.read_bytes() == MAIN.with_suffix(".ipynb").read_bytes()


def test_a_folder_that_cannot_be_made_is_one_sentence(charloom: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = charloom("course", "file")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "cannot be created" in done.stderr
