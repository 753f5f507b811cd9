"""Where settings come from beside the flags: a TOML file, then a preset. Flags win over the file, the file over the preset."""

import tomllib
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path

from cyclopts import App
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict

from charloom.errors import SettingsError
from charloom.training.presets import preset

LENGTHS = ("--steps", "--epochs", "--time-budget")
RESUMABLE = {
    *(
        "--resume",
        "--run",
        "--text",
        "--data",
        "--steps",
        "--epochs",
        "--save-every",
        "--sample-every",
        "--device",
        "--json",
    ),
    *("--jobs", "--storage"),
}

MOVED = {
    "TEXT": ", or, if it is the run's own text and was moved, name it with --text",
    "DATA": ", or, if it has the run's own rows and was moved, name it with --data",
}
"""What else an argument may have been meant for that a resumed run does not take."""


CHOSEN: ContextVar[frozenset[str]] = ContextVar("CHOSEN", default=frozenset())
"""Settings that flags, file or preset of this command name, as in `network.hidden_size`: no recipe may change them."""

HYPHEN = "\0"
"""Stands for the argument `-`, which the parser would take for an option; no argument can hold this character."""


def prepare(arguments: Sequence[str]) -> list[str]:
    """The arguments as the parser wants them: `--split 0.9,0.1,0` as three values, `-` as `HYPHEN`."""
    prepared: list[str] = []
    for argument in arguments:
        if argument.startswith("--split="):
            prepared.append("--split")
            argument = argument.removeprefix("--split=")
        before = prepared[-1] if prepared else ""
        if before == "--split" and "," in argument:
            prepared.extend(argument.split(","))
        else:
            prepared.append(HYPHEN if argument == "-" and before not in ("--prompt", "--stop") else argument)
    return prepared


def merge_sources(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Fill in what the flags left open, from `--config` and `--preset`; with `--resume` nothing may be given at all."""
    given = {argument.name: argument for argument in arguments if argument.tokens}
    CHOSEN.set(frozenset())
    if "--resume" in given and given["--resume"].tokens[0].value != "false":
        for name in given:
            if name not in RESUMABLE:
                moved = MOVED.get(name, "")
                raise SettingsError(f"a run that is resumed keeps its settings; leave out {name}{moved}")
        return
    sources = []
    if "--config" in given:
        path = Path(given["--config"].tokens[0].value)
        sources.append((_read(path), str(path)))
    named = given["--preset"].tokens[0].value if "--preset" in given else None
    if named is None and sources:
        in_file = sources[0][0].get("preset")
        named = in_file if isinstance(in_file, str) else None
    if named is not None:
        sources.append((preset(named), f"preset {named}"))
    for data, source in sources:
        lengths = [argument for argument in arguments if argument.name in LENGTHS]
        has_length = not lengths or any(argument.tokens for argument in lengths)  # or the verb has a length of its own
        kept = {key: value for key, value in data.items() if not (has_length and _flag(key) in LENGTHS)}
        Dict(kept, source=source, use_commands_as_keys=False)(app, commands, arguments)
    CHOSEN.set(frozenset(argument.name[2:].replace("-", "_") for argument in arguments if argument.tokens))


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {(error.strerror or str(error)).lower()}; check the path"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}; correct that line") from None
