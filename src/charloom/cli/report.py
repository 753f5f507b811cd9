"""charloom report"""

from pathlib import Path
from typing import Literal


def report(
    run: str,
    /,
    *,
    split: Literal["validation", "test", "train"] | None = None,
    text: str | None = None,
    encoding: str = "utf-8",
    column: str = "",
    written: int = 100_000,
    temperature: float = 1.0,
    seed: int = 0,
    output: Path | None = None,
    json: bool = False,
) -> None:
    """Report on what a model knows, with pictures: a page of HTML, the same in Markdown, and the figures.

    Where the loss comes from (classes of characters, positions in a word), how much the context helps, the commonest
    mistakes, whether probabilities can be trusted, what hidden units follow, and whether the model copies.

    Parameters
    ----------
    run
        A run directory, or a model folder together with --text.
    split
        Which part of the run's own text is used; validation by default.
    text
        Another text: a file, a folder, - for standard input, or the name of a corpus. If it is the run's own text,
        moved or renamed, --split says which part to use.
    encoding
        Encoding of that other text.
    column
        Column of that other text's rows (Parquet, JSON lines) that holds the texts.
    written
        Characters for the model to write, to check whether it copies; 0 skips this.
    temperature
        Temperature at which they are drawn.
    seed
        The same seed draws the same text.
    output
        A new folder (default: reports/NAME-OF-THE-RUN, then -2, -3).
    json
        Print the figures as one JSON value.
    """
    from charloom.cli import files
    from charloom.cli.output import print_json, say
    from charloom.errors import SettingsError, shown
    from charloom.models.model_folder import is_run
    from charloom.report.report import write_report
    from charloom.settings import SamplingConfig
    from charloom.training.runs import load
    from charloom.training.texts import text_to_evaluate

    SamplingConfig(temperature=temperature)
    if written < 0 or seed < 0:
        raise SettingsError(f"written is {written} and seed is {seed}; neither can be negative")
    model = load(run)
    copying = is_run(run) and written > 0
    measured, name, train = text_to_evaluate(run, split, text, encoding, column=column, with_train=copying)
    folder = files.new_folder(output, Path("reports") / Path(run).resolve().name)
    made = write_report(
        model,
        measured,
        train,
        title=f"{shown(run)} on {name}",
        written=written,
        temperature=temperature,
        seed=seed,
        progress=lambda section: say(f"{section} ..."),
    )
    folder.mkdir(parents=True, exist_ok=True)
    for path, data in made.page.files("report").items():
        files.write(folder / path, data)
    if json:
        print_json({"report": str(folder), **made.figures})
    else:
        print("\n".join(made.findings))
        print(f"{folder / 'report.html'}")
