"""Sizes are checked before anything is read or built, and no file content is ever executed."""

import ast
import importlib.util
import json
import os
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import safetensors.torch

from charloom.data.vocabulary import Vocabulary
from charloom.errors import FolderError
from charloom.models import model_folder
from charloom.models.language_model import LanguageModel, expected_of, load_folder
from charloom.models.model_folder import ModelConfig, VocabularyRecord
from charloom.settings import NetworkConfig
from charloom.storage import strict_json, tensor_files
from charloom.training import checkpoints, experiment, runs
from charloom.training.runs import Run
from damaged_folders import Folder, bytes_of, read, seal, sha256, write
from models import small_model
from tiny_runs import TinyRun, finish

AROUND = {"one-below": -1, "at": 0, "one-above": 1}
around = pytest.mark.parametrize("beyond", AROUND.values(), ids=AROUND)
"""A size one below a limit, at it, and one above it."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model folder."""
    model = small_model("some text")
    vocabulary = VocabularyRecord(model.vocabulary.kind, model.vocabulary.characters)
    files: Folder = {
        "config.json": strict_json.dump(model.config),
        "vocabulary.json": strict_json.dump(vocabulary),
        "model.safetensors": model.weights(),
    }
    return write(files, tmp_path / "model")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A run that is finished."""
    path = tmp_path_factory.mktemp("trained") / "run"
    finish(TinyRun(hidden_size=3, steps=2, characters=400).begin(path))
    return read(path)


def pad(path: Path, size: int) -> None:
    """Pad a JSON file to `size` bytes without changing its meaning."""
    path.write_bytes(path.read_bytes().ljust(size))


def refused(action: Callable[[], object], sentence: str) -> None:
    """The action ends with that sentence, and uses hardly any memory."""
    tracemalloc.start()
    try:
        with pytest.raises(FolderError, match=sentence):
            action()
        assert tracemalloc.get_traced_memory()[1] <= 1 << 20
    finally:
        tracemalloc.stop()


@around
@pytest.mark.parametrize(
    ("name", "limit"),
    [("config.json", strict_json.LARGEST_JSON), ("vocabulary.json", model_folder.LARGEST_VOCABULARY)],
)
def test_a_file_of_a_model_is_read_up_to_its_limit_and_not_beyond(
    name: str, limit: int, beyond: int, folder: Path
) -> None:
    load_folder(folder)  # so that first-time imports do not count
    pad(folder / name, limit + beyond)
    if beyond <= 0:
        assert load_folder(folder).vocabulary.characters == Vocabulary.of(["some text"]).characters
    else:
        refused(lambda: load_folder(folder), f"{name} is not a file of at most {limit:,} bytes")


@around
def test_json_is_parsed_up_to_its_limit_and_not_beyond(beyond: int) -> None:
    data = b"[]".ljust(strict_json.LARGEST_JSON + beyond)
    if beyond <= 0:
        assert strict_json.parse(data, "it") == []
    else:
        refused(lambda: strict_json.parse(data, "it"), "it has 1,048,577 bytes; such a file has at most 1,048,576")


@around
def test_the_header_of_weights_is_read_up_to_its_limit_and_not_beyond(beyond: int, folder: Path) -> None:
    path, limit = folder / "model.safetensors", tensor_files.LARGEST_HEADER
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].ljust(limit + beyond)
    path.write_bytes(struct.pack("<Q", len(header)) + header + data[8 + length :])
    if beyond <= 0:
        assert load_folder(folder).weights() == data
    else:
        refused(lambda: load_folder(folder), r"model\.safetensors is not a file of at most")
        with pytest.raises(FolderError, match="truncated or not a safetensors file"):
            tensor_files.unpack(path.read_bytes(), expected_of(safetensors.torch.load(data)), "it")


@around
@pytest.mark.parametrize("name", ["config.json", "checkpoint.json", "manifest.json", "position.json"])
def test_a_file_of_a_run_is_read_up_to_its_limit_and_not_beyond(
    name: str, beyond: int, trained: Folder, tmp_path: Path
) -> None:
    (full,) = [file for file in trained if file.endswith(name) and not file.startswith("model/")]
    folder = trained | {full: bytes_of(trained, full).ljust(strict_json.LARGEST_JSON + beyond)}
    seal(folder)
    if name == "manifest.json":  # which was rewritten with the checksums
        folder[full] = bytes_of(folder, full).ljust(strict_json.LARGEST_JSON + beyond)
        pointer = json.loads(bytes_of(folder, "checkpoint.json"))
        folder["checkpoint.json"] = strict_json.dump({**pointer, "manifest": sha256(bytes_of(folder, full))})
    if name == "checkpoint.json":
        folder[full] = bytes_of(folder, full).ljust(strict_json.LARGEST_JSON + beyond)
    run = write(folder, tmp_path / "run")
    complaint = f"{name} is not a file of at most 1,048,576 bytes"
    if beyond <= 0:
        experiment.resume(run)._lock.release()
    elif name == "checkpoint.json":  # its checkpoint is found without it
        session = experiment.resume(run)
        session._lock.release()
        assert any(complaint in notice for notice in session.notices)
    else:
        with pytest.raises(FolderError, match=complaint):
            experiment.resume(run)


def test_the_log_of_a_run_is_not_read_beyond_its_limit(trained: Folder, tmp_path: Path) -> None:
    run = write(trained, tmp_path / "run")
    assert Run(run).metrics()
    os.truncate(run / "metrics.jsonl", runs.LARGEST_METRICS + 1)
    refused(Run(run).metrics, r"metrics\.jsonl is not a file of at most 1,073,741,824 bytes")


def test_weights_are_not_read_beyond_what_the_configuration_asks_for(folder: Path) -> None:
    load_folder(folder)
    os.truncate(folder / "model.safetensors", 64 << 20)
    refused(lambda: load_folder(folder), r"model\.safetensors is not a file of at most")


def test_weights_are_not_read_beyond_the_limit_of_all_weights(folder: Path) -> None:
    load_folder(folder)
    network = NetworkConfig(hidden_size=16_384, layers=8)
    (folder / "config.json").write_bytes(strict_json.dump(ModelConfig(network, "none", False)))
    os.truncate(folder / "model.safetensors", model_folder.LARGEST_WEIGHTS + 1)
    with pytest.raises(FolderError, match="is not a file of at most 17,179,869,184 bytes"):
        load_folder(folder)


@pytest.mark.parametrize("group", checkpoints.GROUPS)
def test_a_checkpoint_is_not_read_beyond_what_the_configuration_asks_for(
    group: str, trained: Folder, tmp_path: Path
) -> None:
    run = write(trained, tmp_path / "run")
    (path,) = run.glob(f"checkpoints/*/{group}.safetensors")
    os.truncate(path, 64 << 20)
    with pytest.raises(FolderError, match=f"{group}.safetensors is not a file of at most"):
        experiment.resume(run)


def test_a_network_that_the_weights_are_not_there_for_is_never_built(folder: Path) -> None:
    load_folder(folder)
    content = json.loads((folder / "config.json").read_text())
    content["network"].update(hidden_size=16_384, embedding_size=16_384)
    (folder / "config.json").write_text(json.dumps(content))
    refused(lambda: load_folder(folder), "belong to different models")


def test_the_largest_vocabulary_there_can_be_is_below_its_limit() -> None:
    every = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    data = strict_json.dump(VocabularyRecord("characters", every))
    assert len(data) <= model_folder.LARGEST_VOCABULARY
    where, largest = "it", model_folder.LARGEST_VOCABULARY
    record = strict_json.load(VocabularyRecord, strict_json.parse(data, where, largest=largest), where)
    assert len(Vocabulary(record.kind, record.characters)) == 0x110000 - 0x800 + 1


def test_the_largest_network_there_can_be_has_a_header_below_its_limit() -> None:
    config = ModelConfig(NetworkConfig(hidden_size=16_384, layers=32, embedding_size=16_384), "none", False)
    tensors = LanguageModel.new(config, Vocabulary("bytes"), device="meta").network.state_dict()
    header = {
        name: {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [10**13, 10**13]}
        for name, tensor in tensors.items()
    }
    assert len(json.dumps(header)) <= tensor_files.LARGEST_HEADER


# --- the package's own text ---

FORBIDDEN = {
    *("pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "runpy", "code", "codeop"),
    *("builtins", "subprocess", "multiprocessing", "importlib", "imp", "pkgutil", "ctypes"),
    *("torch.load", "torch.save", "torch.jit", "torch.hub", "torch.package", "torch.export", "torch.compile"),
    *("torch.serialization", "torch.utils.cpp_extension", "numpy.load", "numpy.save", "numpy.savez", "numpy.fromfile"),
    *("os.system", "os.popen", "os.execv", "os.fork", "os.posix_spawn", "logging.config", "yaml"),
}
"""Modules and functions that execute data, or pass it on to something that does."""
BUILT_IN = {"eval", "exec", "compile", "__import__", "breakpoint"}
"""The same, for names that need no import."""
ALLOWED = {
    ("__init__.py", "importlib.import_module"),
    *(("machine/hardware.py", name) for name in ("ctypes", "ctypes.CDLL", "ctypes.CDLL(None).mallopt")),
    ("code/parser.py", "compile"),
    *(
        ("evaluation/predictive_compressors.py", name)
        for name in ("subprocess", "subprocess.run", "subprocess.CalledProcessError")
    ),
    *(
        ("machine/workers.py", name)
        for name in (
            *("subprocess", "subprocess.PIPE", "subprocess.DEVNULL", "subprocess.Popen", "subprocess.TimeoutExpired"),
            *("pickle", "pickle.dumps", "pickle.loads", "pickle.HIGHEST_PROTOCOL"),
        )
    ),
    *(("machine/worker.py", f"pickle{name}") for name in ("", ".dumps", ".loads", ".HIGHEST_PROTOCOL")),
    *(("study/processes.py", name) for name in ("subprocess", "subprocess.PIPE", "subprocess.Popen")),
    *(
        ("machine/threads.py", name)
        for name in ("ctypes", "ctypes.CDLL", "ctypes.cast", "ctypes.c_uint", "ctypes.c_void_p")
    ),
    *(("correct/word_lists.py", name) for name in ("importlib.util", "importlib.util.find_spec")),
}
"""The public names are imported when they are first used, by a table in that file; the process's own C library keeps
freed memory, and its OpenMP lets threads sleep; Python source is parsed, to a tree and never to code, to learn whether
it is incomplete; a study starts this package's own command line; a worker is a process of this package, and the two
pickle for each other what goes through their pipes and nowhere else; zpaq is started to measure a text; symspellpy's
list is found without importing it."""


def forbidden(source: str) -> Iterator[str]:
    """The forbidden names that a module imports or uses, whatever it calls them."""
    tree = ast.parse(source)
    meaning = {name: name for name in BUILT_IN}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                meaning[alias.asname or top] = alias.name if alias.asname else top
                yield from is_forbidden(alias.name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                meaning[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield from is_forbidden(f"{node.module}.{alias.name}")
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)):
            first, dot, rest = ast.unparse(node).partition(".")
            if first in meaning:
                yield from is_forbidden(meaning[first] + dot + rest)


def is_forbidden(name: str) -> Iterator[str]:
    """`name`, if it or what it belongs to is forbidden."""
    parts = name.split(".")
    if not BUILT_IN.isdisjoint(parts[:1]) or any(".".join(parts[: end + 1]) in FORBIDDEN for end in range(len(parts))):
        yield name


def test_nothing_in_the_package_can_execute_what_a_file_says() -> None:
    specification = importlib.util.find_spec("charloom")
    assert specification is not None and specification.origin is not None
    package = Path(specification.origin).parent
    files = sorted(package.rglob("*.py"))
    assert len(files) > 30
    used = {
        (path.relative_to(package).as_posix(), name)
        for path in files
        for name in forbidden(path.read_text(encoding="utf-8"))
    }
    assert used == ALLOWED
    imported = {
        ast.unparse(node.args[0])
        for node in ast.walk(ast.parse((package / "__init__.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "import_module"
    }
    assert imported == {"f'{package}.{modules[name]}'", "f'charloom.{name}'"}


@pytest.mark.parametrize(
    "source",
    [
        *("import pickle", "from pickle import loads", "import torch\ntorch.load(x)", "import torch as t\nt.load(x)"),
        *(
            "from torch import load as read\nread(x)",
            "eval('1')",
            "call = exec",
            "import marshal as m",
            "__import__(x)",
        ),
        *(
            "def f():\n    import shelve",
            "import torch.jit",
            "import numpy as np\nnp.load(x)",
            "import os\nos.system(x)",
        ),
        *("from importlib import import_module", "import importlib\nimportlib.import_module(x)", "import builtins"),
    ],
)
def test_what_could_execute_is_found_whatever_it_is_called(source: str) -> None:
    assert list(forbidden(source))


@pytest.mark.parametrize(
    "source", ["network.eval()", "import re\nre.compile(x)", "import json\njson.load(x)", "code = 1"]
)
def test_what_only_sounds_alike_is_not_found(source: str) -> None:
    assert not list(forbidden(source))
