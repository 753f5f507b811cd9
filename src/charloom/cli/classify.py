"""charloom classify"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from charloom.cli.many import ManyOptions
from charloom.cli.run_options import RunOptions
from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError, TextError
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig, ClassifierTrainingConfig

if TYPE_CHECKING:
    from charloom.classify.request import ClassifierRequest
    from charloom.classify.session import ClassifierSession

app = App(
    name="classify",
    help="Classify texts: train, predict, evaluate, explain.",
    default_parameter=Parameter(negative=()),
    help_format="plaintext",
    help_epilogue="Start with: charloom classify train DATA.tsv",
)


@app.command
def train(
    data: Path | None = None,
    /,
    *,
    options: Annotated[RunOptions, Parameter(name="*")] = RunOptions(),
    moved: Annotated[Path | None, Parameter(name="--data")] = None,
    epochs: float | None = None,
    steps: int | None = None,
    classification: Annotated[ClassificationConfig, Parameter(name="*")] = ClassificationConfig(),
    network: ClassifierNetworkConfig = ClassifierNetworkConfig(),
    training: ClassifierTrainingConfig = ClassifierTrainingConfig(),
) -> None:
    """Train a classifier on rows of label, tab, text.

    Ctrl-C finishes the step, saves, and says how to resume; no completed work is lost.

    Parameters
    ----------
    data
        A file of rows label<TAB>text, or - for standard input.
    moved
        With --resume: where the run's rows are now, if the file was moved or renamed. Their SHA-256 must be the same.
    epochs
        Passes over the rows; by default chosen from their length.
    steps
        Number of batches to train on, instead of epochs.
    """
    from charloom.classify.request import ClassifierRequest
    from charloom.cli.classification import conclude, introduce, result
    from charloom.cli.display import show_training
    from charloom.cli.output import print_json
    from charloom.interruption import catch_signals
    from charloom.training.request import Length

    request = ClassifierRequest(
        *(classification, network, training),
        length=Length(steps, epochs),
        origin=options.origin,
        device=options.device,
        precision=options.precision,
    )
    with catch_signals() as interruption:
        session = _resume(options, data, moved) if options.resume else _begin(options, request, data, moved)
        introduce(session)
        show_training(session, interruption, f"charloom classify train --resume --run {session.run.path}")
    conclude(session)
    if options.json:
        print_json(result(session))


def _resume(options: RunOptions, data: Path | None, moved: Path | None) -> "ClassifierSession":
    from charloom.classify.experiment import resume

    if data is not None:
        raise SettingsError(
            "a resumed run reads its own rows again; leave out the file, or, if it is the run's own file and was "
            "moved, name it with --data"
        )
    return resume(options.resumed, data=moved, device=options.device, save_every=options.saving)


def _begin(
    options: RunOptions, request: "ClassifierRequest", data: Path | None, moved: Path | None
) -> "ClassifierSession":
    from charloom.classify.experiment import begin
    from charloom.cli.output import say
    from charloom.training.runs import demand_free

    if moved is not None:
        raise SettingsError("--data is only for --resume; give the rows to train on without --data")
    if data is None:
        raise SettingsError("there are no rows to train on; give a file of label<TAB>text, or -")
    demand_free(options.run)  # before a large file is read
    rows, name, source = _rows(data)
    session = begin(rows, request, name=name, source=source, run=options.run, save_every=options.saving)
    for note in rows.notes:
        say(note)
    return session


@app.command
def predict(
    model: str,
    texts: str = HYPHEN,
    /,
    *,
    text: str | None = None,
    threshold: float = 0.0,
    all_: Annotated[bool, Parameter(name="--all")] = False,
    many: Annotated[ManyOptions, Parameter(name="*")] = ManyOptions(),
    json: bool = False,
) -> None:
    """Predict the class of each text: label, tab, probability, tab, text.

    Lines of standard input are answered as they arrive, so that another program can send them one at a time; with
    --workers or --output they are answered in groups.

    Parameters
    ----------
    model
        The run that `classify train` made, its model folder, or a ready-made classifier such as languages.
    texts
        A file with a text on each line, or the text itself; without it, standard input.
    text
        The text itself, even if there is a file of that name.
    threshold
        Answer "unknown" if the most probable class is less probable than this.
    all_
        With --json, also the probability of every class.
    json
        Print one JSON value for each text.
    """
    from charloom.classify.model import load_classifier
    from charloom.classify.rows import waiting_lines
    from charloom.cli.classification import print_predictions
    from charloom.cli.output import say

    _share("threshold", threshold)
    many.check()
    text = _one_text(texts, text)
    if text is not None and not json and ("\n" in text or "\r" in text):
        raise SettingsError(
            "the text has line breaks, but the answer is one line; add --json, or replace them by spaces"
        )
    if texts == HYPHEN and text is None and sys.stdin.isatty():
        say("a text on each line; end with Ctrl-D (on Windows Ctrl-Z and Enter)")
    if text is not None:
        if many.given:
            raise SettingsError("--workers and --output are for many texts; give a file with a text on each line")
        print_predictions(load_classifier(model), [text], threshold, every=all_, json=json)
    elif texts != HYPHEN or many.given:
        _predict_many(model, texts, many, threshold, every=all_, json=json)
    else:
        classifier = load_classifier(model)
        for part in waiting_lines(sys.stdin.buffer, "standard input"):  # type: ignore[arg-type]
            print_predictions(classifier, part, threshold, every=all_, json=json)


def _predict_many(model: str, texts: str, many: ManyOptions, threshold: float, *, every: bool, json: bool) -> None:
    """Answer the lines of a file or of standard input in groups, whose sizes depend on the lines alone."""
    from charloom.cli.many import left, line_file, write_lines
    from charloom.data.lines import Lines
    from charloom.many.groups import answered, groups
    from charloom.many.model_place import lasting_place
    from charloom.many.predictions import PredictionLines

    _there(texts)
    lines = Lines(texts)
    prepare = PredictionLines(lasting_place(model), threshold, every=every, json=json)
    settings = {"--threshold": threshold, "--all": every, "--json": json}
    with line_file(many, "classify predict", lasting_place(model), texts, settings) as file:
        asked = left(groups(lines, size=len, share=lambda: lines.share), file)
        write_lines(answered(prepare, asked, workers=many.workers), file, "texts")


@app.command
def evaluate(
    model: str,
    data: Path | None = None,
    /,
    *,
    mistakes: int = 10,
    png: Path | None = None,
    json: bool = False,
) -> None:
    """Measure a classifier on rows with known labels, and show its mistakes.

    Parameters
    ----------
    model
        The run that `classify train` made, its model folder, or a ready-made classifier such as languages.
    data
        A file of rows label<TAB>text, or - for standard input; without it, the rows that the run held out.
    mistakes
        How many of the most confident mistakes to show.
    png
        Write a picture of the confusion table and the calibration.
    json
        Print one JSON value.
    """
    from charloom.classify.evaluation import draw_evaluation
    from charloom.classify.evaluation import evaluate as compare
    from charloom.classify.experiment import held_rows
    from charloom.classify.model import load_classifier
    from charloom.cli import files
    from charloom.cli.classification import print_evaluation
    from charloom.cli.output import say
    from charloom.errors import shown

    target = files.target(png, force=True) if png is not None else None
    classifier = load_classifier(model)
    rows, name, _ = (held_rows(model), "the rows held out", None) if data is None else _rows(data)
    found = compare(classifier, rows, name)
    for note in rows.notes:
        say(note)
    if target is not None:
        title = f"{shown(model)} on {name}: {found.measures.accuracy:.1%} of {len(rows):,} right"
        files.write(target, draw_evaluation(found, title))
    print_evaluation(found, f"{shown(model)} on {name}", max(0, mistakes), json=json)


@app.command
def explain(
    model: str,
    texts: str = HYPHEN,
    /,
    *,
    text: str | None = None,
    label: str | None = None,
    json: bool = False,
) -> None:
    """Show which characters decided the class: by how many bits its log-odds fall if a character is unknown.

    Parameters
    ----------
    model
        The run that `classify train` made, its model folder, or a ready-made classifier such as languages.
    texts
        A file with a text on each line, or the text itself; without it, standard input.
    text
        The text itself, even if there is a file of that name.
    label
        Explain this class instead of the most probable one.
    json
        Print one JSON value for each text.
    """
    from charloom.classify.explanation import explain as reasons
    from charloom.classify.model import load_classifier
    from charloom.cli.classification import print_explanation

    classifier = load_classifier(model)
    text = _one_text(texts, text)
    found = [reasons(classifier, each, label=label) for each in (_lines(texts) if text is None else [text])]
    for each in found:
        print_explanation(each, json=json)


def _rows(data: Path) -> tuple[Any, str, str | None]:
    """The rows of a file, a name for them, and the path to read them again, if there is one."""
    from charloom.classify.rows import parse_rows
    from charloom.cli import files
    from charloom.data.text_sources import text_name

    piped = str(data) == HYPHEN
    rows = parse_rows(files.read(data), "standard input" if piped else str(data))
    if piped:
        return rows, "texts", None
    return rows, text_name(data.resolve(), "texts"), str(data.resolve()) if data.is_file() else None


def _one_text(texts: str, text: str | None) -> str | None:
    """The text itself, from `--text` or from the argument; None if the argument is a file or standard input."""
    from charloom.data.text_sources import is_text_itself

    if texts == HYPHEN:
        return text
    if text is not None:
        raise SettingsError("give a text or a file, or --text, not both")
    return texts if is_text_itself(texts) else None


def _lines(texts: str) -> list[str]:
    """The lines of a file or of standard input, each a text."""
    from charloom.classify.rows import parse_lines
    from charloom.cli import files

    _there(texts)
    return parse_lines(files.read(Path(texts)), "standard input" if texts == HYPHEN else texts)


def _there(texts: str) -> None:
    if texts != HYPHEN and not Path(texts).exists():
        raise TextError(f"there is no file {texts}; check the path, or, if it is the text itself, give it with --text")


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise SettingsError(f"{name} is {value:g}; it must be at least 0 and at most 1")
