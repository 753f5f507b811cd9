"""The entry point of the command line: verbs by name, one-sentence errors, exit codes that scripts can rely on.

0 success; 2 an error that the user can fix; 130, 143 and 129 interrupted by Ctrl-C, SIGTERM and SIGHUP. A verb's module
is imported when the verb is used, so that help needs no torch.
"""

import sys
import time
from collections.abc import Sequence

STARTED = time.monotonic()
"""When the command started; a time budget counts from here."""

from cyclopts import App, CycloptsError, Parameter  # noqa: E402

from charloom.cli.passwords import without_passwords  # noqa: E402
from charloom.cli.sources import Sources, prepare  # noqa: E402
from charloom.cli.streams import ReaderGone, open_streams, settle  # noqa: E402
from charloom.errors import CharloomError, SettingsError  # noqa: E402
from charloom.errors.options import named_as_flags  # noqa: E402
from charloom.machine.launch import local_rank, processes, quiet_processes  # noqa: E402
from charloom.places import notices  # noqa: E402
from charloom.version import __version__  # noqa: E402

VERBS = {
    "train": "Train a model on a text.",
    "generate": "Write text with a model.",
    "evaluate": "Measure a model on text that it was not trained on.",
    "score": "Show how much each character of a text surprises a model.",
    "report": "Report on what a model knows: where its loss comes from, how it errs, whether it copies.",
    "compress": "Compress a file with a model, losslessly.",
    "decompress": "Restore a compressed file.",
    "complete": "Show the most probable ways to finish a word or a line.",
    "correct": "Correct the spelling of a text.",
    "classify": "Classify texts: train, predict, evaluate, explain.",
    "info": "Show what a run or model is: training text, progress, quality.",
    "plot": "Draw the loss curves of runs.",
    "study": "Find out what settings do: sweep them, compare, report.",
    "serve": "Serve models over HTTP, with a page on which one watches them write.",
    "bench": "Measure how fast this machine trains and writes.",
    "course": "Copy the course's notebooks into a folder.",
    "data": "Named texts: list, fetch, show.",
    "models": "Ready-made models: list, show.",
    "export": "Write a model for other programs: a page for a browser, or an ONNX file.",
    "pack": "Pack a run or model folder into one file.",
    "push": "Share a model on a hub.",
    "pull": "Fetch a model from a hub.",
}

GROUPS = ("classify", "data", "models")
"""Verbs that have verbs of their own."""


def build(sources: Sources) -> App:
    """The application with all its verbs, none of them imported yet; `sources` fills in what flags leave open."""
    app = App(
        name="charloom",
        help="Character-level recurrent language models: train on a text, write, measure.",
        version=__version__,
        default_parameter=Parameter(negative=()),
        help_epilogue="Start with: charloom train python-docs --time-budget 90s",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
        config=(sources.fill_in,),
        help_format="plaintext",
    )
    for verb, summary in VERBS.items():
        if verb in GROUPS:
            app.command(f"charloom.cli.{verb}:app", name=verb, help=summary)
        else:
            app.command(f"charloom.cli.{verb}:{verb}", name=verb, help=summary)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    quiet_processes()
    open_streams()
    code = run(sys.argv[1:] if arguments is None else arguments)
    settle()
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    with named_as_flags():
        return _run(arguments)


def _run(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] == "--":  # some launchers keep the hyphens that end their own options
        arguments = arguments[1:]
    try:
        if sys.stderr.isatty():
            notices.listeners[:] = [complain]
        _demand_one_process(arguments)
        sources = Sources()
        app = build(sources)
        if len(arguments) == 2 and arguments[0] in VERBS and arguments[1] in app.help_flags:
            app.help_print(arguments[:1])  # without parsing first: a quarter faster
        else:
            verb, bound, wanted = app.parse_args(prepare(arguments), exit_on_error=False, print_error=False)
            verb(*bound.args, **bound.kwargs, **({"chosen": sources.chosen} if "chosen" in wanted else {}))
        sys.stdout.flush()
    except CycloptsError as error:
        from charloom.cli.advice import advised

        complain(advised(error, arguments, VERBS))
        return 2
    except CharloomError as error:
        complain(str(error))
        return 2
    except ReaderGone:  # the reader has seen enough
        return 0
    except KeyboardInterrupt as interrupt:
        return int(getattr(interrupt, "exit_code", 130))
    return 0


def _demand_one_process(arguments: Sequence[str]) -> None:
    """Raise `SettingsError` if a verb that does its work alone was started several times at once."""
    if arguments and arguments[0] in VERBS and arguments[0] != "train" and processes() > 1:
        raise SettingsError(
            f"charloom {arguments[0]} works in one process; start it without torchrun, which is for charloom train"
        )


def complain(message: str) -> None:
    """Print one line on standard error; of several processes on a machine, one does."""
    if local_rank() == 0:
        print(f"charloom: {' '.join(without_passwords(message).split())}", file=sys.stderr)


if __name__ == "__main__":
    main()
