"""What a model is called where others see it: at a server, on a page."""

import os
from pathlib import Path

from charloom.errors import SettingsError, shown
from charloom.places.addresses import address
from charloom.places.located import located
from charloom.places.ready_made import READY_MADE


def name_of(place: str) -> str:
    """What others call the model at `place`: a ready-made model's own name, a run's folder, NAME of OWNER/NAME.

    Raises `SettingsError` for a folder without a name, such as the root.
    """
    if place in READY_MADE and located(place) == READY_MADE[place].folder:
        return place
    remote = None if Path(place).exists() else address(place)
    path = Path(os.path.abspath(place) if remote is None else remote.repository)  # noqa: PTH100  # a link has a name of its own
    if path.name == "model" and (path / "config.json").exists():
        path = path.parent
    name = path.stem if path.suffix == ".zip" else path.name
    if not name or len(name) > 200 or not name.isprintable():
        raise SettingsError(
            f"{shown(place)} has no name that others could use; rename it to at most 200 printable characters"
        )
    return name
