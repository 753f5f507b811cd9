"""Where settings come from besides flags: a TOML file, then a preset. Flags win over the file, the file over the
preset."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict

from charloom.errors import SettingsError
from charloom.training.presets import preset

LENGTHS = ("--steps", "--epochs", "--time-budget")

RESUMABLE = {
    *("--resume", "--run", "--text", "--data", "--steps", "--epochs", "--save-every", "--sample-every"),
    *("--device", "--json", "--jobs", "--storage", "--name"),
}
"""What may be given together with --resume."""

JOINING = {"--worker", "--name", "TEXT", "--text", "--run", "--jobs", "--json"}
"""What may be given together with --worker."""

MOVED = {
    "TEXT": ", or, if it is the run's own text and was moved, name it with --text",
    "DATA": ", or, if it has the run's own rows and was moved, name it with --data",
}
"""Advice for an argument that a resumed run refuses."""

Chosen = Annotated[frozenset[str], Parameter(parse=False)]
"""The settings that flags, file or preset name, as in `network.hidden_size`: no recipe may change them. A verb that has
a parameter `chosen` of this type gets them."""

HYPHEN = "-"
"""Standard input, or standard output, in place of a file."""


class _Value(str):
    """An argument that the parser takes for a value although it begins with a hyphen."""

    __slots__ = ()

    def startswith(self, *arguments: object) -> bool:
        return False


def prepare(arguments: Sequence[str]) -> list[str]:
    """The arguments as the parser needs them: `--split 0.9,0.1,0` as three values, and `-` as a value, not as an
    option."""
    prepared: list[str] = []
    for argument in arguments:
        if argument.startswith("--split="):
            prepared.append("--split")
            argument = argument.removeprefix("--split=")
        before = prepared[-1] if prepared else ""
        if before == "--split" and "," in argument:
            prepared.extend(argument.split(","))
        else:
            is_value = argument == HYPHEN and before not in ("--prompt", "--stop")
            prepared.append(_Value(argument) if is_value else argument)
    return prepared


class Sources:
    """Fills in the settings of one command that its flags left open, and remembers which were chosen."""

    def __init__(self) -> None:
        self.chosen: frozenset[str] = frozenset()

    def fill_in(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        """Take what flags left open from `--config` and `--preset`; with `--resume` refuse whatever cannot change.

        Raises `SettingsError`.
        """
        flags = {argument.name: argument for argument in arguments if argument.tokens}
        if "--worker" in flags:
            for name in flags:
                if name not in JOINING:
                    raise SettingsError(f"a worker takes its settings from the search; leave out {name}")
            return
        if "--resume" in flags and flags["--resume"].tokens[0].value != "false":
            for name in flags:
                if name not in RESUMABLE:
                    moved = MOVED.get(name, "")
                    raise SettingsError(f"a run that is resumed keeps its settings; leave out {name}{moved}")
            return
        sources = []
        if "--config" in flags:
            path = Path(flags["--config"].tokens[0].value)
            sources.append((_read(path), str(path)))
        named = flags["--preset"].tokens[0].value if "--preset" in flags else None
        if named is None and sources:
            in_file = sources[0][0].get("preset")
            named = in_file if isinstance(in_file, str) else None
        if named is not None:
            sources.append((preset(named), f"preset {named}"))
        for data, source in sources:
            lengths = [argument for argument in arguments if argument.name in LENGTHS]
            has_length = not lengths or any(argument.tokens for argument in lengths)  # or the verb has its own length
            kept = {key: value for key, value in data.items() if not (has_length and _flag(key) in LENGTHS)}
            Dict(kept, source=source, use_commands_as_keys=False)(app, commands, arguments)
        self.chosen = frozenset(argument.name[2:].replace("-", "_") for argument in arguments if argument.tokens)


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def _read(path: Path) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read: {(error.strerror or str(error)).lower()}; check the path"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}; correct that line") from None
