"""What the verbs that share models have in common: the files of a model, read and checked."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from charloom.errors import SettingsError
from charloom.places.addresses import Address, demanded

if TYPE_CHECKING:
    from charloom.models.model_folder import ModelArrays


def addressed(repository: str, revision: str | None) -> Address:
    """The address of a verb, whose revision is part of it or given by `--revision`. Raises `CharloomError`."""
    where = demanded(repository)
    if revision is None:
        return where
    if where.revision is not None:
        raise SettingsError(f"{where} and --revision {revision} both give a revision; leave one out")
    return demanded(f"{replace(where, revision=revision)}")


def checked(run: str | Path) -> "tuple[Path, ModelArrays | None]":
    """The model folder of a run or a model folder, and its model, unless that is a classifier; both have been loaded.

    Raises `FolderError`.
    """
    from charloom.models.model_folder import is_classifier, model_folder, read_model

    folder = model_folder(run)
    if is_classifier(folder):
        from charloom.classify.model import load_classifier

        load_classifier(folder)
        return folder, None
    return folder, read_model(folder)


def files_to_share(run: str, where: Address) -> dict[str, bytes]:
    """The files of a model for people at an address, with what other libraries read. Raises `FolderError`."""
    from charloom.models.model_folder import read_model_file
    from charloom.models.tokenizer_files import tokenizer_files
    from charloom.places import contents

    folder, model = checked(run)
    there = (name for name in contents.MODEL if (folder / name).exists())
    files = {name: read_model_file(folder, name, contents.MODEL[name]) for name in there}
    if model is not None:
        files |= tokenizer_files(model.config, model.vocabulary)
    card = files.get("README.md") or _least_card(where.repository, classifier=model is None)
    return {**files, "README.md": card.replace(b"this-folder", where.repository.encode())}


def with_metadata(
    card: bytes, license: str | None, language: Sequence[str] | None, datasets: Sequence[str] | None
) -> bytes:
    """The card with these fields of its metadata set. Raises `CharloomError`."""
    given = {"license": license, "language": language, "datasets": datasets}
    given = {name: value for name, value in given.items() if value}
    if not given:
        return card
    from huggingface_hub import ModelCard

    try:
        parsed = ModelCard(card.decode("utf-8"), ignore_metadata_errors=True)
    except ValueError as error:
        reason = " ".join(str(error).split())[:150]
        raise SettingsError(f"the metadata of README.md cannot be read ({reason}); correct it first") from None
    for name, value in given.items():
        setattr(parsed.data, name, value)
    return str(parsed).encode()


def _least_card(title: str, *, classifier: bool) -> bytes:
    """A minimal card for a model folder without one: only what is certain."""
    from charloom.training.card_metadata import Metadata

    metadata = Metadata("text-classification" if classifier else "text-generation", title, "")
    what = "a classifier of texts" if classifier else "a character-level language model"
    return "\n".join([*metadata.block(title), f"# {title}", "", f"This is {what}, made with charloom.", ""]).encode()
