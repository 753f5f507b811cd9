"""Where a model lies that several processes load."""

from pathlib import Path

from charloom.errors import SettingsError
from charloom.models.model_folder import ModelPlace, place_of
from charloom.places.located import located


def lasting_place(model: ModelPlace) -> Path:
    """The folder of a model, fetched or unpacked once, here. Raises `SettingsError`, `FolderError`."""
    found = place_of(model)
    if found is None:
        raise SettingsError(
            f"each worker loads the model itself, so give the path of a run or model folder, or a name, instead of a "
            f"{type(model).__name__}"
        )
    return located(found)
