"""Damaged and lying folders: what a model folder or a run can contain, and ways to change it.

By structure: JSON, vocabularies, tensor headers, files that belong together, checksums that are made to fit. By bytes:
flips, cuts, insertions, zeros, files that are swapped, missing, or not files at all. Every way takes a source of random
numbers, so that the same seed gives the same folder.
"""

import hashlib
import json
import os
import random
import shutil
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, get_args

from charloom.data.vocabulary import Vocabulary
from charloom.errors import CharloomError
from charloom.models.language_model import LanguageModel
from charloom.models.model_folder import ModelConfig, VocabularyRecord
from charloom.settings import Cell
from charloom.storage import strict_json

# --- what a folder is
# ---------------------------------------------------------------------------------------------------


class Link(NamedTuple):
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class Subfolder:
    """A folder in place of a file."""


@dataclass(frozen=True)
class Pipe:
    """A named pipe that nobody writes to."""


Entry = bytes | Link | Subfolder | Pipe
Folder = dict[str, Entry]
"""Paths below a folder and their contents; non-empty folders are not listed."""


def read(path: Path) -> Folder:
    """The files below `path`."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def write(folder: Folder, path: Path) -> Path:
    """Make `path` that folder, whatever was there."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    for name, entry in folder.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(entry, bytes):
            file.write_bytes(entry)
        elif isinstance(entry, Link):
            file.symlink_to(entry.target)
        elif isinstance(entry, Subfolder):
            file.mkdir(exist_ok=True)
        else:
            os.mkfifo(file)
    return path


def put(folder: Folder, name: str, entry: Entry) -> None:
    """Make `name` that entry, replacing everything there or below."""
    for other in [other for other in folder if other == name or other.startswith(name + "/")]:
        del folder[other]
    folder[name] = entry


# --- JSON that says things which no dictionary can hold
# -----------------------------------------------------------------


class Pairs(list[Any]):
    """A JSON object as a list of [key, value], so that a key can occur twice."""


class Verbatim(str):
    """JSON text that is written as it is."""

    __slots__ = ()


def read_json(data: bytes) -> Any:
    """The JSON value in `data`. Raises `ValueError` if it is not JSON."""
    try:
        return json.loads(data.decode(), object_pairs_hook=lambda pairs: Pairs([key, value] for key, value in pairs))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def write_json(value: Any) -> str:
    """The JSON text of `value`."""
    if isinstance(value, Verbatim):
        return value
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{write_json(key)}: {write_json(item)}" for key, item in value) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write_json, value)) + "]"
    return json.dumps(value)


def value_of(value: Any, key: str) -> Any:
    """The value that belongs to `key`. Raises `ValueError`."""
    for pair in value if isinstance(value, Pairs) else ():
        if pair[0] == key:
            return pair[1]
    raise ValueError(f"no {key}")


def set_value(value: Any, key: str, item: Any) -> None:
    """Put `item` where the value of `key` is. Raises `ValueError`."""
    for pair in value if isinstance(value, Pairs) else ():
        if pair[0] == key:
            pair[1] = item
            return
    raise ValueError(f"no {key}")


def places(value: Any) -> Iterator[tuple[list[Any], int]]:
    """Where values are, as (list, index)."""
    for number, item in enumerate(value):
        place = (item, 1) if isinstance(value, Pairs) else (value, number)
        yield place
        inner = place[0][place[1]]
        if isinstance(inner, list):
            yield from places(inner)


NUMBERS = [
    *("0", "-1", "1", "2", "3", "32", "33", "512", "16384", "16385", "65536", "2147483648", "9223372036854775807"),
    *("18446744073709551616", "1" + "0" * 308, "1" + "0" * 309, "1" + "0" * 400, "9" * 4299, "9" * 5000),
    *("0.5", "1.0", "-0.0", "1e-320", "1e308", "-1e308", "1e999", "-1e999", "1e400", "NaN", "Infinity", "-Infinity"),
    *("01", "+1", ".5", "1_000", "0x10", "1e", "--1"),
]
TEXTS = [
    *("", "a", "1", "true", "none", "lines", "characters", "bytes", "lstm", "gru", "rnn-tanh", "rnn-relu", "identity"),
    *("sgd", "rmsprop", "constant", "float32", "bfloat16", "cuda", "carried", "copy", "a string", "corpus nothing"),
    *("utf-16", "latin-1", "us\nascii", "ascii", "rot13", "undefined", "idna", "unicode_escape", "utf-8-sig", "cp037"),
    *("\n", "a\nb", "\r", "\x1b[2J", "\x00", "a\x00b", "\x85", "\u2028", "\u202e", "\ud800", "\udc80\ud83d", "é", "😀"),
    *("__class__", "__reduce__", "os.system", "step-00000003\x00", "step-", "step-\n", "x" * 300, "x" * 70_000),
]


def nested(draw: random.Random) -> Verbatim:
    """A deeply nested value."""
    depth = draw.choice((2, 50, 200, draw.randint(300, 1000), draw.randint(900, 1000), 3000, 100_000))
    opening, closing = draw.choice((("[", "]"), ('{"a": ', "}"), ('[{"a": ', "}]")))
    return Verbatim(opening * depth + "1" + closing * depth)


def another_value(value: Any, draw: random.Random) -> Any:
    """A replacement for `value`: close to it, of another type, or anything."""
    kind = draw.random()
    if kind < 0.25 and isinstance(value, (int, float)) and not isinstance(value, bool):
        return draw.choice((value + 1, value - 1, value * 2, -value, value // 2, value + 0.5, float(value) % 1e300))
    if kind < 0.25 and isinstance(value, str) and value:
        at = draw.randrange(len(value))
        return draw.choice((value[:at], value[:at] + value[at + 1 :], value.upper(), value + " ", value[::-1]))
    if kind < 0.4:
        text = write_json(value)
        return draw.choice(
            ([value], Pairs([["a", value]]), text, None, True, Verbatim(text + "0"), Verbatim(text + ".0"))
        )
    return draw.choice(
        (
            draw.choice((0, -1, 1, 2**63 - 1, -(2**63))),
            Verbatim(draw.choice(NUMBERS)),
            draw.choice(TEXTS),
            draw.choice(TEXTS),
            draw.choice((None, True, False, [], Pairs(), [[]], [None] * 1000)),
            nested(draw),
        )
    )


def change_value(root: list[Any], draw: random.Random) -> str:
    """Change the JSON value in `root[0]` in one place; returns a description."""
    everywhere = list(places(root))
    where, at = draw.choice(everywhere)
    objects = [inner for there, place in everywhere if isinstance(inner := there[place], Pairs)]
    chosen = draw.choice(objects) if objects else None
    kind = draw.random()
    if kind < 0.45 or chosen is None:
        if not isinstance(where[at], list) or draw.random() < 0.2:
            where[at] = another_value(where[at], draw)
            return "a value changed"
        where, at = draw.choice(everywhere)
        where[at] = another_value(where[at], draw)
        return "a value changed"
    if kind < 0.55 and chosen:
        del chosen[draw.randrange(len(chosen))]
        return "a key removed"
    if kind < 0.65 and chosen:
        key, value = draw.choice(chosen)
        value = value if draw.random() < 0.5 else another_value(value, draw)
        chosen.insert(draw.randint(0, len(chosen)), [key, value])
        return "a key doubled"
    if kind < 0.75 and chosen:
        pair = draw.choice(chosen)
        pair[0] = draw.choice((*TEXTS, pair[0].upper(), pair[0][:-1], pair[0] + "s"))
        return "a key renamed"
    if kind < 0.85:
        value = draw.choice((draw.choice(TEXTS), nested(draw), None, 1))
        chosen.append([draw.choice((*TEXTS, "format", "hidden_size", "__init__")), value])
        return "a key added"
    if kind < 0.95 and len(everywhere) > 1:
        other, place = draw.choice(everywhere)
        where[at], other[place] = json_copy(other[place]), json_copy(where[at])
        return "two values exchanged"
    draw.shuffle(chosen)
    return "keys in another order"


def json_copy(value: Any) -> Any:
    """A copy of a JSON value, so that none ever holds itself."""
    if isinstance(value, Pairs):
        return Pairs([key, json_copy(item)] for key, item in value)
    return [json_copy(item) for item in value] if isinstance(value, list) else value


def change_json(data: bytes, draw: random.Random) -> tuple[bytes, str]:
    """Change JSON in its content or its notation."""
    if draw.random() < 0.1:
        text = data.decode(errors="replace")
        return draw.choice(
            (
                (b"\xef\xbb\xbf" + data, "a byte order mark"),
                (text.encode("utf-16"), "another encoding"),
                (data + b"{}", "a second value"),
                (data + b"\x00", "a zero after it"),
                (b" " * draw.choice((1, 1000, 2 << 20)) + data, "spaces before it"),
                (text.replace('"', "'").encode(), "other quotes"),
                (text.replace("}", ",}").encode(), "commas before the end"),
                (text.replace("\n", "\r\n").encode(), "other line ends"),
                (data.replace(b"\\u", b"\\U"), "other escapes"),
                (json.dumps(text).encode(), "JSON in JSON"),
                (nested(draw).encode(), "only nesting"),
            )
        )
    root = [read_json(data)]
    done = [change_value(root, draw) for _ in range(draw.choice((1, 1, 1, 2, 3)))]
    return write_json(root[0]).encode("utf-8", "surrogatepass"), ", ".join(done)


def change_vocabulary(data: bytes, draw: random.Random) -> tuple[bytes, str]:
    """Change a vocabulary's characters, often keeping their number: duplicates, another order, half characters."""
    vocabulary = read_json(data)
    characters = value_of(vocabulary, "characters")
    if not (isinstance(characters, str) and characters):
        raise ValueError("no characters")
    at = draw.randrange(len(characters))
    before, after = characters[:at], characters[at + 1 :]
    changed = draw.choice(
        (
            *(before + characters[at - 1] + after, before + "\udfff" + after, characters[:-1] + "\ud800"),
            *(characters[::-1], characters[at:] + before, characters.upper(), characters[:-1] + "\U0010ffff"),
            *(before + after, characters + "\U0010ffff", characters * 2, ""),
        )
    )
    set_value(vocabulary, "characters", changed)
    return write_json(vocabulary).encode(), "characters"


def change_lines(data: bytes, draw: random.Random) -> tuple[bytes, str]:
    """Change a file of JSON lines."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return nested(draw).encode() + b"\n", "a first line"
    at = draw.randrange(len(lines))
    kind = draw.randrange(6)
    if kind == 0:
        lines.insert(at, draw.choice(lines))
    elif kind == 1:
        del lines[at]
    elif kind == 2:
        draw.shuffle(lines)
    elif kind == 3:
        lines[at] = draw.choice((b"\n", b"{}\n", b'{"step": 1}\n', b"null\n", b'{"step": true}\n', b'{"step": 1e3}\n'))
    else:
        changed, what = change_json(lines[at].strip(), draw)
        lines[at] = changed + draw.choice((b"\n", b"\n", b"\n", b""))
        return b"".join(lines), f"a line: {what}"
    return b"".join(lines), "lines"


# --- weights
# ------------------------------------------------------------------------------------------------------------


class Tensor(NamedTuple):
    """An entry of a safetensors file."""

    name: Any
    type: Any
    shape: Any
    data: bytes


TYPES = ("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F4", "I16", "F16", "BF16", "I32", "F32", "F64", "I64", "U64", "C64")
WRONG_TYPES = ("f32", "", "F32\n", "F32\x1b[2J", "F128", None, 32, ["F32"], Verbatim("1e999"))


def split(data: bytes) -> tuple[Pairs, bytes]:
    """Header and body of a safetensors file. Raises `ValueError`."""
    length = int.from_bytes(data[:8], "little")
    header = read_json(data[8 : 8 + length])
    if not isinstance(header, Pairs):
        raise ValueError("no header")
    return header, data[8 + length :]


def join(header: str, body: bytes, *, lie: int = 0) -> bytes:
    """A safetensors file whose first number may lie about the header's length."""
    raw = header.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", (len(raw) + lie) % 2**64) + raw + body


def tensors_of(data: bytes) -> list[Tensor]:
    """The tensors of a good safetensors file. Raises `ValueError`."""
    header, body = split(data)
    tensors = []
    for name, entry in header:
        if name != "__metadata__":
            offsets = value_of(entry, "data_offsets")
            if not (isinstance(offsets, list) and [type(offset) for offset in offsets] == [int, int]):
                raise ValueError("no offsets")
            tensors.append(Tensor(name, value_of(entry, "dtype"), value_of(entry, "shape"), body[slice(*offsets)]))
    return tensors


def file_of(tensors: list[Tensor], more: list[Any] | None = None, *, order: list[Tensor] | None = None) -> bytes:
    """A safetensors file of the tensors, with consecutive data, whatever their headers claim."""
    header, at = Pairs(), 0
    for tensor in tensors:
        offsets = [at, at + len(tensor.data)]
        header.append(
            [tensor.name, Pairs([["dtype", tensor.type], ["shape", tensor.shape], ["data_offsets", offsets]])]
        )
        at += len(tensor.data)
    return join(write_json(Pairs([*(more or []), *header])), b"".join(tensor.data for tensor in tensors))


def change_weights(data: bytes, draw: random.Random) -> tuple[bytes, str]:
    """Change a safetensors file by its structure."""
    kind = draw.choice(
        (
            "header",
            "names",
            "shapes",
            "types",
            "offsets",
            "more",
            "fewer",
            "length",
            "spaces",
            "numbers",
            "tail",
            "order",
        )
    )
    header, body = split(data)
    tensors = tensors_of(data)
    if kind == "header" or not tensors:
        root = [header]
        done = change_value(root, draw)
        return join(write_json(root[0]), body), f"header: {done}"
    at = draw.randrange(len(tensors))
    tensor = tensors[at]
    if kind == "names":
        name = draw.choice((draw.choice(tensors).name, tensor.name + "x", "__metadata__", *TEXTS))
        tensors[at] = tensor._replace(name=name)
    elif kind == "shapes":
        tensors[at] = tensor._replace(shape=another_shape(tensor.shape, draw))
    elif kind == "types":
        half, double = tensor.data[: len(tensor.data) // 2], tensor.data * 2
        consistent = draw.choice(
            (("I32", tensor.data), ("F64", double), ("I64", double), ("F16", half), ("BF16", half))
        )
        other = draw.choice((*TYPES, *WRONG_TYPES)), draw.choice((tensor.data, double, half, b""))
        new, data = draw.choice((consistent, other))
        tensors[at] = tensor._replace(type=new, data=data)
    elif kind == "offsets":
        return join(write_json(other_offsets(header, len(body), draw)), body), kind
    elif kind == "more":
        if draw.random() < 0.5:
            metadata = draw.choice((Pairs([["a", "b"]]), Pairs([["a", 1]]), Pairs(), None, [], "a", nested(draw)))
            return file_of(tensors, [["__metadata__", metadata]]), "metadata"
        new = draw.choice((Tensor("more", "F32", [2], bytes(8)), Tensor("more", "F32", [0], b""), tensor))
        tensors.insert(at, new)
    elif kind == "fewer":
        del tensors[at]
    elif kind == "length":
        lie = draw.choice((-1, 1, 8, -8, 1000, 2**32, 2**63, 2**64 - 1, -(2**20)))
        return join(write_json(header), body, lie=lie), kind
    elif kind == "spaces":
        spaces = draw.choice((" ", "\n", "\t", "\0", "\f")) * draw.choice((1, 7, 1000, 1 << 20))
        text = write_json(header)
        return join(draw.choice((text + spaces, spaces + text, text[:1] + spaces + text[1:])), body), kind
    elif kind == "numbers":
        tensors[at] = tensor._replace(data=other_numbers(tensor.data, draw))
    elif kind == "tail":
        size = draw.choice((1, 4, len(body) // 2, len(body)))
        return join(write_json(header), draw.choice((body[: len(body) - size], body + bytes(size)))), kind
    else:
        draw.shuffle(tensors)
    return file_of(tensors), kind


def another_shape(shape: Any, draw: random.Random) -> Any:
    """A replacement for `shape`, perhaps with the same number of elements."""
    if not isinstance(shape, list) or not all(isinstance(size, int) for size in shape):
        return []
    size = 1
    for length in shape:
        size *= length
    return draw.choice(
        (
            *(shape[::-1], [size], [*shape, 1], [1, *shape], shape[:-1], [length + 1 for length in shape], []),
            *([-length for length in shape], [0], [*shape, 0], [2**32, 2**32], [2**63], [2**64, 1], [1] * 10_000),
            *([float(length) for length in shape], [True] * len(shape), [str(length) for length in shape]),
            *("a\nb", "\x1b[2J" * 4, {}, None, 5, [shape], [None], nested(draw), Verbatim("[1e999]"), Verbatim("[-0]")),
        )
    )


def other_offsets(header: Pairs, size: int, draw: random.Random) -> Pairs:
    """The header with data that overlap, leave holes, or lie outside."""
    entries = [entry for name, entry in header if name != "__metadata__"]
    one, other = draw.choice(entries), draw.choice(entries)
    begin, end = value_of(one, "data_offsets")
    if draw.random() < 0.3:
        set_value(one, "data_offsets", value_of(other, "data_offsets"))
        set_value(other, "data_offsets", [begin, end])
        return header
    offsets = draw.choice(
        (
            *(
                value_of(other, "data_offsets"),
                [end, begin],
                [begin, begin],
                [begin + 4, end + 4],
                [begin - 4, end - 4],
            ),
            *(
                [begin, end + 4],
                [begin, end - 4],
                [0, size],
                [size, size + end - begin],
                [-begin - 1, end],
                [2**63, end],
            ),
            *(
                [2**64 - 4, 2**64 - 1],
                [begin],
                [begin, end, end],
                [],
                None,
                [float(begin), end],
                ["0", "4"],
                nested(draw),
            ),
        )
    )
    set_value(one, "data_offsets", offsets)
    return header


def other_numbers(data: bytes, draw: random.Random) -> bytes:
    """Float32 numbers, some of them not finite, very large, or hardly above zero."""
    if draw.random() < 0.2:
        return draw.choice((b"\x00", b"\xff", b"\x01")) * len(data)
    numbers = bytearray(data)
    value = draw.choice((float("nan"), float("inf"), float("-inf"), 3e38, -3e38, 1e-45, -0.0, -1.0, 1e30))
    for _ in range(draw.choice((1, 2, max(1, len(data) // 4)))):
        if len(data) >= 4:
            struct.pack_into("<f", numbers, draw.randrange(len(data) // 4) * 4, value)
    return bytes(numbers)


# --- files that lie together
# --------------------------------------------------------------------------------------------


def lie_about_sizes(folder: Folder, draw: random.Random) -> str:
    """Configuration, vocabulary and weights of a model changed so that they match, or only claim to."""
    model = "model/" if "model/config.json" in folder else ""
    config, vocabulary = (read_json(bytes_of(folder, f"{model}{name}.json")) for name in ("config", "vocabulary"))
    network = value_of(config, "network")
    big = draw.random() < 0.4
    for key, values in (
        ("cell", get_args(Cell)),
        ("hidden_size", (1024, 4096, 16_384) if big else (1, 2, 3, 8, 17)),
        ("layers", (1, 8, 32) if big else (1, 2, 3)),
        ("embedding_size", (0, 1, 4, 16_384) if big else (0, 1, 4)),
        ("tied", (True, False)),
        ("dropout", (0, 0.5, 0.99)),
        ("initialization", ("orthogonal", "identity", "uniform")),
    ):
        if draw.random() < 0.4:
            set_value(network, key, draw.choice(values))
    if draw.random() < 0.3:
        set_value(config, "predicts_end", draw.random() < 0.5)
    if draw.random() < 0.4:
        characters = "".join(
            sorted(draw.sample([*map(chr, range(10, 400)), "\u4e2d", "\U0010ffff"], draw.randint(1, 40)))
        )
        kind = draw.choice(("bytes", "characters", "characters"))
        set_value(vocabulary, "kind", kind)
        set_value(vocabulary, "characters", "" if kind == "bytes" else characters)
    if "config.json" in folder and model and draw.random() < 0.2:
        run = read_json(bytes_of(folder, "config.json"))
        set_value(run, "network", network)
        folder["config.json"] = write_json(run).encode()
        return "sizes of the run alone"
    folder[f"{model}config.json"] = write_json(config).encode()
    folder[f"{model}vocabulary.json"] = write_json(vocabulary).encode()
    if "config.json" in folder and model and draw.random() < 0.6:
        run = read_json(bytes_of(folder, "config.json"))
        set_value(run, "network", json_copy(network))
        folder["config.json"] = write_json(run).encode()
    if draw.random() < 0.1:
        return "sizes, without the weights"
    try:
        config = strict_json.load(ModelConfig, json.loads(write_json(config)), "it")
        listed = strict_json.load(VocabularyRecord, json.loads(write_json(vocabulary)), "it")
        symbols = Vocabulary(listed.kind, listed.characters)
        expected = LanguageModel.new(config, symbols, device="meta").network.state_dict()
    except CharloomError:
        return "sizes that do not go together"
    total = sum(tensor.numel() for tensor in expected.values())
    if total <= 100_000:
        data = [bytes.fromhex("0000003c") * tensor.numel() for tensor in expected.values()]
        tensors = [
            Tensor(name, "F32", list(expected[name].shape), item) for name, item in zip(expected, data, strict=True)
        ]
        folder[f"{model}model.safetensors"] = file_of(tensors)
        return "sizes that go together"
    header, at = Pairs(), 0
    for name, tensor in expected.items():
        offsets = [at, at := at + 4 * tensor.numel()]
        header.append([name, Pairs([["dtype", "F32"], ["shape", list(tensor.shape)], ["data_offsets", offsets]])])
    folder[f"{model}model.safetensors"] = join(write_json(header), bytes(draw.choice((0, 4, 10_000))))
    return "sizes of which only the header is there"


def bytes_of(folder: Folder, name: str) -> bytes:
    """The content of a file. Raises `ValueError` if there is none."""
    entry = folder.get(name)
    if not isinstance(entry, bytes):
        raise ValueError(f"no file {name}")
    return entry


def seal(folder: Folder) -> None:
    """Make the checksums of the checkpoints fit the files, as far as possible."""
    for name in [name for name in folder if name.startswith("checkpoints/") and name.endswith("/manifest.json")]:
        with suppress(ValueError, RecursionError):
            manifest = read_json(bytes_of(folder, name))
            files = value_of(manifest, "files")
            for pair in files if isinstance(files, Pairs) else ():
                file = f"{name.removesuffix('manifest.json')}{pair[0]}"
                if isinstance(folder.get(file), bytes) and isinstance(pair[1], str):
                    pair[1] = sha256(bytes_of(folder, file))
            folder[name] = write_json(manifest).encode("utf-8", "surrogatepass")
    with suppress(ValueError, RecursionError):
        pointer = read_json(bytes_of(folder, "checkpoint.json"))
        manifest = bytes_of(folder, f"checkpoints/{value_of(pointer, 'folder')}/manifest.json")
        set_value(pointer, "manifest", sha256(manifest))
        folder["checkpoint.json"] = write_json(pointer).encode("utf-8", "surrogatepass")


def sha256(data: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


# --- bytes and files
# ----------------------------------------------------------------------------------------------------


def change_bytes(data: bytes, draw: random.Random) -> tuple[bytes, str]:
    """Flips, cuts, insertions, zeros."""
    at, size = draw.randint(0, len(data)), draw.choice((1, 2, 8, 100, max(1, len(data) // 3)))
    kind = draw.randrange(8)
    if kind <= 2 and data:
        changed = bytearray(data)
        for _ in range(draw.choice((1, 1, 2, 10))):
            changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        return bytes(changed), "bits flipped"
    if kind == 3:
        return data[:at], "cut off"
    if kind == 4:
        return data[:at] + draw.randbytes(size) + data[at:], "bytes inserted"
    if kind == 5:
        return data[:at] + bytes(min(size, len(data) - at)) + data[at + size :], "zeros"
    if kind == 6:
        return data[:at] + data[at + size :], "bytes left out"
    return draw.choice((b"", b"\x00", b"\n", b"{}", b"[]", b"null", data + data)), "replaced"


def change_files(folder: Folder, draw: random.Random) -> str:
    """Files that are missing, swapped, or not files."""
    names = list(folder)
    name, other = draw.choice(names), draw.choice(names)
    above = sorted({part for file in names for part in [file.rpartition("/")[0]] if part})
    kind = draw.randrange(9)
    if kind == 0:
        folder[name], folder[other] = folder[other], folder[name]
        return f"{name} and {other} exchanged"
    if kind == 1:
        del folder[name]
        return f"{name} removed"
    if kind == 2 and above:
        name = draw.choice(above)
        for inner in [inner for inner in folder if inner.startswith(name + "/")]:
            del folder[inner]
        return f"{name} removed"
    if kind == 3 and above:
        name = draw.choice(above)
        up = "../" * (1 + name.count("/"))
        put(folder, name, draw.choice((b"", Link(f"{up}elsewhere"), Link(name.rpartition("/")[2]), Subfolder())))
        return f"{name} replaced"
    if kind == 4:
        new = draw.choice(
            ("a", "a.tmp", "model/a.tmp", "model/model.safetensors.tmp", "checkpoints/a", "checkpoints/step-9")
        )
        if not any(new.startswith(file + "/") for file in folder):
            put(folder, new, draw.choice((b"", Link(new.rpartition("/")[2]), Subfolder(), Pipe())))
        return f"{new} added"
    if kind == 5:
        put(folder, name, Pipe())
        return f"{name} is a pipe"
    if kind == 6:
        put(folder, name, Subfolder())
        return f"{name} is a folder"
    if kind == 7:
        put(folder, name, Link(name.rpartition("/")[2]))
        return f"{name} is a link to itself"
    up = "./" + "../" * name.count("/")
    put(folder, name, Link(draw.choice((up + other, up + "missing", up, f"{up}../elsewhere/treasure.tmp"))))
    return f"{name} is a link"


WEIGHTS = {".json": 6, ".jsonl": 4, ".safetensors": 3}
"""How often each kind of file is changed; the most important ones get most."""


def mutate(folder: Folder, draw: random.Random) -> list[str]:
    """Change `folder` in one to four places; returns a description."""
    done = []
    for _ in range(draw.choice((1, 1, 1, 2, 2, 3, 4))):
        kind = draw.random()
        if kind < 0.12 and folder:
            done.append(change_files(folder, draw))
            continue
        if kind < 0.24:
            with suppress(ValueError, RecursionError):
                done.append(lie_about_sizes(folder, draw))
                continue
        names = list(folder) or [""]
        name = draw.choices(names, [WEIGHTS.get(Path(name).suffix, 1) for name in names])[0]
        data = folder.get(name, b"")
        if not isinstance(data, bytes):
            continue
        change = change_bytes
        if kind < 0.85:
            change = {".json": change_json, ".jsonl": change_lines, ".safetensors": change_weights}.get(
                Path(name).suffix, change_bytes
            )
        if change is change_json and name.endswith("vocabulary.json") and draw.random() < 0.5:
            change = change_vocabulary
        try:
            folder[name], what = change(data, draw)
        except (
            ValueError,
            TypeError,
            KeyError,
            ArithmeticError,
            RecursionError,
        ):  # it can no longer be read, or added to
            folder[name], what = change_bytes(data, draw)
        done.append(f"{name}: {what}")
    if "checkpoint.json" in folder and draw.random() < 0.75:
        seal(folder)
    return done
