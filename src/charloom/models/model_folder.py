"""A model folder, read without torch: the configuration, the vocabulary, and the weights as arrays.

It holds `config.json`, `vocabulary.json`, `model.safetensors` and a card, `README.md`. Nothing in it is ever executed
or unpickled, and sizes are checked against the configuration before anything is built.
"""

import stat
from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any, Literal, Protocol, Union

from charloom.data.stored_ids import AnyIds
from charloom.data.text import Text
from charloom.data.text_ids import encode, ids_of
from charloom.data.vocabulary import Ids, Vocabulary
from charloom.errors import CharloomError, FolderError, arguments, shown
from charloom.places.located import located
from charloom.places.ready_made import READY_MADE
from charloom.settings import DocumentKind, NetworkConfig, VocabularyKind
from charloom.storage import strict_json
from charloom.storage.tensor_files import Array, Expected, largest_file, unpack

LARGEST_VOCABULARY = 16 << 20
LARGEST_WEIGHTS = 16 << 30


@dataclass(frozen=True)
class ModelConfig:
    """The content of a model folder's `config.json`."""

    network: NetworkConfig
    documents: DocumentKind
    "How the training text was cut into texts."
    predicts_end: bool
    "Whether the model learned where a text ends."
    format: Literal["charloom-model-1"] = "charloom-model-1"


@dataclass(frozen=True)
class VocabularyRecord:
    """The content of `vocabulary.json`."""

    kind: VocabularyKind
    characters: str


@dataclass(frozen=True, eq=False)
class ModelArrays:
    """A model as it is stored."""

    config: ModelConfig
    vocabulary: Vocabulary
    weights: dict[str, Array]
    "float32 arrays, named as in `shapes`."

    def arrays(self) -> "ModelArrays":
        """Itself, so that it can be used in place of a model."""
        return self

    def encode(self, text: str | Text) -> Ids:
        """Ids (T,) of a text, with boundaries where this model expects them. Raises `TextError` for an unseen
        character."""
        return encode_for(self.config, self.vocabulary, text)


def encode_for(config: ModelConfig, vocabulary: Vocabulary, text: str | Text) -> Ids:
    """Ids (T,) of a text for such a model: boundaries where documents end, and where texts end if it predicts ends."""
    return encode(_with_ends(config, text if isinstance(text, Text) else Text.of(text)), vocabulary, config.documents)


def ids_for(config: ModelConfig, vocabulary: Vocabulary, text: Text) -> AnyIds:
    """The same, left in the text's file if it is large."""
    return ids_of(_with_ends(config, text), vocabulary, config.documents)


def _with_ends(config: ModelConfig, text: Text) -> Text:
    """The text with the ends that the model predicts."""
    return text if config.predicts_end else Text(text.data, text.characters)


def sizes(vocabulary: Vocabulary, predicts_end: bool) -> tuple[int, int]:
    """Numbers of input and output symbols: the boundary is an output only if training saw texts end."""
    return len(vocabulary), len(vocabulary) - (not predicts_end)


def shapes(network: NetworkConfig, *, inputs: int, outputs: int) -> Expected:
    """Name, shape and type of each tensor of a network that reads `inputs` symbols and predicts `outputs`."""
    size, gates = network.hidden_size, {"lstm": 4, "gru": 3}.get(network.cell, 1)
    all_shapes: dict[str, tuple[int, ...]] = {"output.bias": (outputs,)}
    if network.embedding_size:
        all_shapes["embedding.weight"] = (inputs, network.embedding_size)
    if not network.tied:
        all_shapes["output.weight"] = (outputs, size)
    for number in range(network.layers):
        below = size if number else network.embedding_size or inputs
        all_shapes[f"layers.{number}.weight_ih_l0"] = (gates * size, below)
        all_shapes[f"layers.{number}.weight_hh_l0"] = (gates * size, size)
        all_shapes[f"layers.{number}.bias_ih_l0"] = (gates * size,)
        all_shapes[f"layers.{number}.bias_hh_l0"] = (gates * size,)
    return {name: (shape, "float32") for name, shape in all_shapes.items()}


def is_run(place: str | PathLike[str]) -> bool:
    """Whether a path or the name of a ready-made model is a run directory and not a model folder."""
    path = located(place)
    return (path / "model").is_dir() or (path / "checkpoints").is_dir()


class HasPath(Protocol):
    """A `Run`."""

    @property
    def path(self) -> Path:
        """Its directory."""


ModelPlace = Union[HasPath, str, PathLike[str]]  # noqa: UP007
"""Where a model lies: a run, or the path of a run directory or model folder."""


def place_of(source: object) -> str | PathLike[str] | None:
    """The path that a path, a string or a run stands for; None for anything else."""
    place = source if isinstance(source, (str, PathLike)) else getattr(source, "path", None)
    return place if isinstance(place, (str, PathLike)) else None


def model_folder(place: ModelPlace) -> Path:
    """The model folder of a run, or the folder itself. Raises `FolderError`."""
    found = place_of(place)
    arguments.path(place if found is None else found)
    path = located(found)  # type: ignore[arg-type]
    if not path.exists():
        close = get_close_matches(str(path), READY_MADE, n=1)
        meant = f"did you mean the ready-made model {close[0]!r}?" if close else "check the path"
        raise FolderError(f"there is no run or model folder {shown(path)}; {meant}")
    if not is_run(path) and not (path / "config.json").exists():
        raise FolderError(f"{shown(path)} is neither a run nor a model folder: it has no config.json; check the path")
    return path / "model" if is_run(path) else path


def read_model(folder: Path) -> ModelArrays:
    """Read the model in `folder`. Raises `FolderError` with one sentence about what is wrong."""
    where = str(folder / "config.json")
    data = read_model_file(folder, "config.json", strict_json.LARGEST_JSON)
    config = strict_json.load(ModelConfig, of_language_model(strict_json.parse(data, where), folder), where)
    vocabulary = read_vocabulary(folder)
    inputs, outputs = sizes(vocabulary, config.predicts_end)
    expected = shapes(config.network, inputs=inputs, outputs=outputs)
    data = read_model_file(folder, "model.safetensors", min(LARGEST_WEIGHTS, largest_file(expected)))
    return ModelArrays(config, vocabulary, unpack(data, expected, str(folder / "model.safetensors"), rounded=True))


def read_vocabulary(folder: Path) -> Vocabulary:
    """The vocabulary in a model folder. Raises `FolderError`."""
    where = str(folder / "vocabulary.json")
    data = read_model_file(folder, "vocabulary.json", LARGEST_VOCABULARY)
    record = strict_json.load(VocabularyRecord, strict_json.parse(data, where, largest=LARGEST_VOCABULARY), where)
    try:
        return Vocabulary(record.kind, record.characters)
    except CharloomError as error:
        raise FolderError(f"{where}: {error}") from None


def is_classifier(place: ModelPlace) -> bool:
    """Whether a run directory or a model folder is a classifier's, by its config.json."""
    try:
        folder = model_folder(place)
        parsed = strict_json.parse(read_model_file(folder, "config.json", strict_json.LARGEST_JSON), str(folder))
    except FolderError:
        return False
    return _of_classifier(parsed)


def _of_classifier(config: Any) -> bool:
    kind = config.get("format") if isinstance(config, dict) else None
    return isinstance(kind, str) and kind.startswith("charloom-classifier-")


def of_language_model(config: Any, path: Path) -> Any:
    """The content of a config.json, unless it belongs to a classifier. Raises `FolderError`."""
    if _of_classifier(config):
        raise FolderError(f"{shown(path)} holds a classifier, not a language model; use it with: charloom classify")
    return config


def read_model_file(folder: Path, name: str, largest: int) -> bytes:
    """The bytes of a file of a model or run, at most `largest`. Raises `FolderError`."""
    path = folder / name
    try:
        status = path.stat()
        size = status.st_size if stat.S_ISREG(status.st_mode) else largest + 1
        data = path.read_bytes() if size <= largest else b""
    except FileNotFoundError:
        raise FolderError(f"{folder} is not complete: it has no {name}; restore it from a copy") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise FolderError(f"{path} cannot be read ({str(reason).lower()}); restore it from a copy") from None
    if size > largest:
        raise FolderError(
            f"{path} is not a file of at most {largest:,} bytes, so charloom did not write it; restore it from a copy"
        )
    return data
