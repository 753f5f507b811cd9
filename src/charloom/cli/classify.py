"""charloom classify"""

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError
from charloom.settings import ClassificationConfig, ClassifierNetworkConfig, ClassifierTrainingConfig, Device, Precision

app = App(
    name="classify",
    help="Tell the class of a text: train, predict, evaluate, explain.",
    default_parameter=Parameter(negative=()),
    help_format="plaintext",
    help_epilogue="Start with: charloom classify train DATA.tsv",
)


@app.command
def train(
    data: Path | None = None,
    /,
    *,
    run: Path | None = None,
    resume: bool = False,
    moved: Annotated[Path | None, Parameter(name="--data")] = None,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    epochs: float | None = None,
    steps: int | None = None,
    classification: Annotated[ClassificationConfig, Parameter(name="*")] = ClassificationConfig(),
    network: ClassifierNetworkConfig = ClassifierNetworkConfig(),
    training: ClassifierTrainingConfig = ClassifierTrainingConfig(),
    save_every: str = "30s",
    device: Device = "auto",
    precision: Precision = "auto",
    json: bool = False,
) -> None:
    """Train a classifier on rows of label, tab, text.

    Ctrl-C finishes the step, saves, and says how to continue; no completed work is lost.

    Parameters
    ----------
    data
        A file of rows label<TAB>text, or - for standard input.
    run
        Directory of the run; without it runs/NAME-OF-THE-FILE, then -2, -3. An existing run is never overwritten.
    resume
        Go on with --run from its last checkpoint.
    moved
        With --resume: where the run's rows are now, if the file was moved or renamed. They must be the same, by their SHA-256.
    from_
        A language model whose weights to start from; cell and sizes are that model's.
    epochs
        How often the rows are read; without it, chosen from their length.
    steps
        How many batches are trained instead.
    save_every
        How often a checkpoint is saved: 30s, or a number of steps.
    device
        Where to train; auto takes CUDA, MPS or the CPU, the first that is there.
    precision
        Numbers in which products are computed while training; auto takes bfloat16 where the processor supports it.
    json
        Print one JSON value at the end.
    """
    from charloom.classify import experiment
    from charloom.cli.classification import conclude, introduce, result, shown_steps
    from charloom.cli.output import print_json, say, stopped
    from charloom.cli.train import saving
    from charloom.interruption import Interrupted, catch_signals

    often = saving(save_every)
    with catch_signals() as interruption:
        if resume:
            if run is None:
                raise SettingsError("--resume needs the run to go on with; name it with --run")
            if data is not None:
                raise SettingsError(
                    "a run that is resumed reads its own rows again; leave out the file, or, if it is theirs and was moved, "
                    "name it with --data"
                )
            session = experiment.resume(run, data=moved, device=device, save_every=often)
        else:
            if moved is not None:
                raise SettingsError(
                    "--data names the rows of a run that is resumed; give rows to train on without --data"
                )
            if data is None:
                raise SettingsError("there are no rows to train on; give a file of label<TAB>text, or -")
            rows, name, source = _rows(data)
            session = experiment.begin(
                rows,
                classification,
                network,
                training,
                name=name,
                source=source,
                epochs=epochs,
                steps=steps,
                run=run,
                origin=from_,
                device=device,
                precision=precision,
                save_every=often,
            )
            for note in rows.notes:
                say(note)
        introduce(session)
        try:
            shown_steps(session, interruption)
        except Interrupted:
            say(stopped(session, f"charloom classify train --resume --run {session.run.path}"))
            raise
    conclude(session)
    if json:
        print_json(result(session))


@app.command
def predict(
    model: Path,
    texts: Path = Path(HYPHEN),
    /,
    *,
    text: str | None = None,
    threshold: float = 0.0,
    all_: Annotated[bool, Parameter(name="--all")] = False,
    json: bool = False,
) -> None:
    """Predict the class of each text: label, tab, probability, tab, text.

    Lines of standard input are answered as they come, so that another program can ask one after the other.

    Parameters
    ----------
    model
        The run that `classify train` made, or its model folder.
    texts
        A file with a text on each line; without it, standard input.
    text
        One text, instead of a file.
    threshold
        Call a text "unknown" whose most probable class is less probable than this.
    all_
        With --json, also the probability of every class.
    json
        Print one JSON value for each text.
    """
    from charloom.classify.model import load_classifier
    from charloom.classify.rows import waiting_lines
    from charloom.cli.classification import print_predictions, together
    from charloom.cli.output import say

    _share("threshold", threshold)
    if text is not None and not json and ("\n" in text or "\r" in text):
        raise SettingsError(
            "the text has line breaks, and its answer is one line; add --json, or put spaces in their place"
        )
    classifier = load_classifier(model)
    piped = text is None and str(texts) == HYPHEN
    parts = (
        waiting_lines(sys.stdin.buffer, "standard input")  # type: ignore[arg-type]
        if piped
        else together(_texts(texts, text))
    )
    if piped and sys.stdin.isatty():
        say("a text on each line; end with Ctrl-D (on Windows Ctrl-Z and Enter)")
    for part in parts:
        print_predictions(classifier, part, threshold, every=all_, json=json)


@app.command
def evaluate(
    model: Path,
    data: Path | None = None,
    /,
    *,
    mistakes: int = 10,
    png: Path | None = None,
    json: bool = False,
) -> None:
    """Measure a classifier on rows whose labels are known, and show how it errs.

    Parameters
    ----------
    model
        The run that `classify train` made, or its model folder.
    data
        A file of rows label<TAB>text, or - for standard input; without it, the rows that the run held out.
    mistakes
        How many of the surest mistakes to show.
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
    model: Path,
    texts: Path = Path(HYPHEN),
    /,
    *,
    text: str | None = None,
    label: str | None = None,
    json: bool = False,
) -> None:
    """Show which characters moved the decision: by how many bits its log-odds fall when a character is not known.

    Parameters
    ----------
    model
        The run that `classify train` made, or its model folder.
    texts
        A file with a text on each line; without it, standard input.
    text
        One text, instead of a file.
    label
        Show what speaks for this class, instead of for the most probable one.
    json
        Print one JSON value for each text.
    """
    from charloom.classify.explanation import explain as reasons
    from charloom.classify.model import load_classifier
    from charloom.cli.classification import print_explanation

    classifier = load_classifier(model)
    found = [reasons(classifier, each, label=label) for each in _texts(texts, text)]
    for each in found:
        print_explanation(each, json=json)


def _rows(data: Path) -> tuple[Any, str, str | None]:
    """The rows of a file, a name for them, and the path from which they can be read again."""
    from charloom.classify.rows import parse_rows
    from charloom.cli import files
    from charloom.data.text_sources import text_name

    piped = str(data) == HYPHEN
    rows = parse_rows(files.read(data), "standard input" if piped else str(data))
    if piped:
        return rows, "texts", None
    return rows, text_name(data.resolve(), "texts"), str(data.resolve()) if data.is_file() else None


def _texts(file: Path, text: str | None) -> list[str]:
    from charloom.classify.rows import parse_lines
    from charloom.cli import files

    if text is not None:
        if str(file) != HYPHEN:
            raise SettingsError("give one of a file and --text")
        return [text]
    return parse_lines(files.read(file), "standard input" if str(file) == HYPHEN else str(file))


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise SettingsError(f"{name} is {value:g}; it must be at least 0 and at most 1")
