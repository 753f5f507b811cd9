"""Suggestions for words that the command line does not know."""

import difflib
from collections.abc import Iterable, Sequence

from cyclopts import CycloptsError, UnknownCommandError, UnknownOptionError, UnusedCliTokensError

from charloom.errors import did_you_mean, shown

MEANT = {
    "lr": "training.learning-rate",
    "rate": "training.learning-rate",
    "learning_rate": "training.learning-rate",
    "bs": "training.batch-size",
    "batch": "training.batch-size",
    "seq-len": "training.sequence-length",
    "seq-length": "training.sequence-length",
    "bptt": "training.sequence-length",
    "block-size": "training.sequence-length",
    "optim": "training.optimizer",
    "wd": "training.weight-decay",
    "hidden": "network.hidden-size",
    "hidden-dim": "network.hidden-size",
    "rnn-size": "network.hidden-size",
    "units": "network.hidden-size",
    "num-layers": "network.layers",
    "n-layers": "network.layers",
    "model": "network.cell",
    "rnn": "network.cell",
    "emb": "network.embedding-size",
    "embedding": "network.embedding-size",
    "time": "time-budget",
    "budget": "time-budget",
    "max-steps": "steps",
    "iters": "steps",
    "iterations": "steps",
    "epoch": "epochs",
    "gpu": "device",
    "cuda": "device",
    "cpu": "device",
    "name": "run",
    "output": "run",
    "out": "run",
    "out-dir": "run",
    "resume-from": "from",
    "init-from": "from",
    "checkpoint": "from",
    "temp": "temperature",
    "len": "length",
    "max-length": "length",
    "max-tokens": "length",
    "num-samples": "samples",
    "n": "samples",
    "start": "prompt",
    "format": "json",
    "data": "text",
    "input": "text",
    "file": "text",
}
"""Other programs' names for an option, and ours; the first that the verb has is suggested."""

STRAY = {"evaluate": "--text", "report": "--text", "generate": "--prompt"}
"""What a surplus argument was probably meant for, by verb."""

PASSAGES = ("score", "correct", "complete")
"""Verbs that take a text as a single argument."""

VERSION = ("version", "-v", "-V", "ver")
HELP = ("help", "-help", "-?", "/?")
SIMILAR = 0.6


def advised(error: CycloptsError, arguments: Sequence[str], verbs: Iterable[str]) -> str:
    """The message for an error in a command line, with a suggestion."""
    match error:
        case UnknownCommandError(unused_tokens=[word, *_]):
            chain = [*(error.command_chain or ())]
            return _unknown_verb(word, chain, [*_names(error)] or [*verbs])
        case UnknownOptionError() if error.token.source == "cli":
            return _unknown_option(error, arguments)
        case UnusedCliTokensError(unused_tokens=[*words]):
            return _stray([str(word) for word in words], arguments)
    return str(error)


def _unknown_verb(word: str, chain: list[str], verbs: list[str]) -> str:
    meant = word.lstrip("-").lower()
    before = " ".join(["charloom", *chain])
    if not chain and (word in VERSION or _like(meant, "version")):
        return f"there is no verb {shown(word)}; did you mean 'charloom --version'?"
    if word in HELP or _like(meant, "help"):
        return f"there is no verb {shown(word)}; did you mean '{before} --help'?"
    if word.startswith("-"):
        return f"{before} has no option {shown(word)}; options come after the verb; {before} --help lists the verbs"
    told = did_you_mean(word, verbs)
    return f"there is no verb {shown(word)}{told}" + (
        "" if told.endswith("?") else f"; {before} --help says what each does"
    )


def _unknown_option(error: UnknownOptionError, arguments: Sequence[str]) -> str:
    given = (error.token.keyword or error.token.value).partition("=")[0]
    known = [name for argument in error.argument_collection if argument.parse for name in argument.names]
    known = [name for name in known if name.startswith("--")]
    verb = " ".join(["charloom", *(error.command_chain or ())])
    word = given.lstrip("-").lower().replace("_", "-")
    close = _meant(word, known)
    if _like(word, "help"):
        close = "--help"
    elif _like(word, "version"):
        return f"{verb} has no option {shown(given)}; did you mean 'charloom --version'?"
    if close is None and word == "text" and any(argument.name == "TEXT" for argument in error.argument_collection):
        return f"{verb} has no option {shown(given)}; give the text without it, after the verb"
    if close is None and word == "run":
        return f"{verb} has no option {shown(given)}; give the run without it, after the verb"
    told = f"did you mean {close}?" if close else f"{verb} --help lists all options"
    return f"{verb} has no option {shown(given)}; {told}"


def _meant(word: str, known: list[str]) -> str | None:
    """The known option that `word` probably means, if any."""
    other = MEANT.get(word)
    if other is not None and f"--{other}" in known:
        return f"--{other}"
    whole = [name for name in known if name.rpartition(".")[2].lstrip("-") == word]  # --seed for --training.seed
    if whole:
        return whole[0]
    last = {name.rpartition(".")[2].lstrip("-"): name for name in reversed(known)}
    close = difflib.get_close_matches(word, last, n=1, cutoff=SIMILAR) if len(word) > 2 else []
    if close:
        return last[close[0]]
    begun = [name for short, name in last.items() if len(word) > 2 and short.startswith(word)]
    if begun:
        return begun[0]
    near = difflib.get_close_matches(f"--{word}", known, n=1, cutoff=0.8)
    return near[0] if near else None


def _stray(words: list[str], arguments: Sequence[str]) -> str:
    verb = next((argument for argument in arguments if not argument.startswith("-")), "")
    told = " ".join(map(shown, words))
    option = STRAY.get(verb)
    if option is not None:
        meant = f"did you mean {option} {told!r}?" if " " in told else f"did you mean {option} {told}?"
    elif verb in PASSAGES:
        meant = "put a text of several words in quotes"
    else:
        meant = f"leave it out, or see charloom {verb} --help"
    return f"charloom {verb} takes no argument {told}; {meant}"


def _like(word: str, known: str) -> bool:
    return difflib.SequenceMatcher(None, word, known).ratio() >= 0.75


def _names(error: UnknownCommandError) -> Iterable[str]:
    """The verbs that are possible there."""
    app = error.app
    return [name for name in (app or ()) if not name.startswith("-")]
