"""The files of runs and model folders that move between machines: their names, and how long each may be in bytes."""

import re
from pathlib import Path

from charloom.places.ready_made import WORDS
from charloom.storage import strict_json

MEBIBYTE = 1 << 20

NEEDED = ("config.json", "vocabulary.json", "model.safetensors")
"""What a model consists of, for charloom."""

MODEL = {
    "config.json": strict_json.LARGEST_JSON,
    "vocabulary.json": 16 * MEBIBYTE,
    "model.safetensors": 2048 * MEBIBYTE,
    "n-grams.safetensors": 2048 * MEBIBYTE,
    "n-grams.safetensors.xz": 256 * MEBIBYTE,
    WORDS: 256 * MEBIBYTE,
    "README.md": MEBIBYTE,
}
"""What charloom reads of a model folder, and its card."""

FOR_OTHERS = {
    "tokenizer.json": 256 * MEBIBYTE,
    "tokenizer_config.json": MEBIBYTE,
    "generation_config.json": MEBIBYTE,
}
"""What other libraries read there."""

RUN = {
    "config.json": strict_json.LARGEST_JSON,
    "metrics.jsonl": 1024 * MEBIBYTE,
    "clock.jsonl": 1024 * MEBIBYTE,
    "text.txt": 2048 * MEBIBYTE,
    "checkpoint.safetensors": 8192 * MEBIBYTE,
}
"""The files at the top of a run, without its lock."""

_OLD_CHECKPOINT = re.compile(
    r"checkpoint\.json|checkpoints/step-[0-9]{8,20}(?:-evaluated|-finished)?/(?:[a-z]+\.safetensors|[a-z]+\.json)"
)


def largest(name: str, *, run: bool) -> int | None:
    """How long the file called `name` in a run or else a model folder may be; None if charloom writes no such file."""
    if run and _OLD_CHECKPOINT.fullmatch(name):
        return 2048 * MEBIBYTE
    if run and not name.startswith("model/"):
        return RUN.get(name)
    return {**MODEL, **FOR_OTHERS}.get(name.removeprefix("model/") if run else name)


def in_checkpoint(name: str) -> bool:
    """Whether this is a file of a checkpoint, which only training needs."""
    return name == "checkpoint.safetensors" or bool(_OLD_CHECKPOINT.fullmatch(name))


def complete(folder: Path) -> bool:
    """Whether this is a run or a model folder with everything that a model consists of."""
    try:
        model = folder / "model" if (folder / "model").is_dir() else folder
        return all((model / name).is_file() for name in NEEDED)
    except OSError:  # it may not be read
        return False
