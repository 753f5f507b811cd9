"""Where settings come from beside the flags: a TOML file, then a preset. Flags win over the file, the file over the preset."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict

from charloom.errors import SettingsError
from charloom.presets import preset

LENGTHS = ("--steps", "--epochs", "--time-budget")
RESUMABLE = {"--resume", "--run", "--steps", "--epochs", "--save-every", "--sample-every", "--device", "--json"}


def expand_shares(arguments: Sequence[str]) -> list[str]:
    """`--split 0.9,0.1,0` as the three values that the parser wants."""
    expanded: list[str] = []
    for argument in arguments:
        if argument.startswith("--split="):
            expanded.append("--split")
            argument = argument.removeprefix("--split=")
        is_shares = bool(expanded) and expanded[-1] == "--split" and "," in argument
        expanded.extend(argument.split(",") if is_shares else [argument])
    return expanded


def merge_sources(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Fill in what the flags left open, from `--config` and `--preset`; with `--resume` nothing may be given at all."""
    given = {argument.name: argument for argument in arguments if argument.tokens}
    if "--resume" in given and given["--resume"].tokens[0].value != "false":
        for name in given:
            if name not in RESUMABLE:
                raise SettingsError(f"a run that is resumed keeps its settings; leave out {name}")
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
        has_length = any(argument.tokens for argument in arguments if argument.name in LENGTHS)
        kept = {key: value for key, value in data.items() if not (has_length and _flag(key) in LENGTHS)}
        Dict(kept, source=source, use_commands_as_keys=False)(app, commands, arguments)


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
        raise SettingsError(f"{path} is not TOML: {error}; mend that line") from None
