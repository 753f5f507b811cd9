"""charloom evaluate"""

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from charloom.cli.many import ManyOptions
from charloom.cli.sources import HYPHEN
from charloom.errors import SettingsError


def evaluate(
    run: str,
    /,
    *,
    split: Literal["validation", "test", "train"] | None = None,
    text: str | None = None,
    encoding: str = "utf-8",
    column: str = "",
    context: int = 256,
    baselines: bool = False,
    verify: bool = False,
    dynamic: bool = False,
    many: Annotated[ManyOptions, Parameter(name="*")] = ManyOptions(),
    json: bool = False,
) -> None:
    """Measure a model on text that it was not trained on.

    Every character counts once. Carried: the text is read from its beginning and the state is never reset. Fresh: the
    text is cut every CONTEXT symbols, and each window starts from a zero state and the one symbol before it.

    With --workers, each file of the folder --text is a text of its own: a line of figures for each, and one for all,
    whose score is the sum of theirs; --output holds a JSON value for each file. Of a single text, workers share out the
    fresh windows, while one of them reads the carried figure.

    Parameters
    ----------
    run
        A run directory, or a model folder together with --text.
    split
        Which part of the run's own text; validation by default.
    text
        Another text: a file, a folder, - for standard input, or the name of a corpus. If it is the run's own text,
        moved or renamed, --split says which part of it.
    encoding
        Encoding of that other text.
    column
        Column of that other text's rows (Parquet, JSON lines) that holds the texts.
    context
        Symbols in a window of the fresh figure: characters, or bytes of UTF-8 if the model's vocabulary is bytes.
    baselines
        Also measure n-grams and general compressors, primed with the run's training text: xz, bz2, zlib, and if
        installed PPMd (pip install pyppmd) and zpaq (a program). Those two learn while they code: compare them with
        --dynamic.
    verify
        Prove the carried figure: compress the text, decompress it, and compare the size with the score (without what
        the ends cost if the text is made of several).
    dynamic
        Also measure a copy of the model that keeps learning from what it has predicted.
    json
        Print one JSON value.
    """
    from charloom.cli.output import print_json
    from charloom.compress.codec import Codec
    from charloom.compress.proof import proof
    from charloom.evaluation.baselines import compare
    from charloom.evaluation.score import evaluate as score
    from charloom.evaluation.score import evaluate_dynamic
    from charloom.training.runs import load
    from charloom.training.texts import text_to_evaluate

    if many.given:
        options = {"--baselines": baselines, "--verify": verify, "--dynamic": dynamic}
        _evaluate_many(run, split, text, encoding, context, many, options, json=json)
        return
    model = load(run)
    codec = Codec(model) if verify else None
    measured, name, train = text_to_evaluate(run, split, text, encoding, column=column, with_train=baselines)
    carried = score(model, measured)
    fresh = score(model, measured, context=context)
    result: dict[str, Any] = {
        "characters": measured.characters,
        "bytes": measured.bytes,
        "carried": carried.summary(),
        "fresh": {**fresh.summary(), "context": context, "context_unit": model.vocabulary.kind},
    }
    if dynamic:
        result["dynamic"] = evaluate_dynamic(model, measured).summary()
    if train is not None:
        floor = compare(model, train, measured)
        result["baselines"] = {
            entry.name: {"bits_per_character": entry.bits_per_character, "knew": entry.knew} for entry in floor
        }
    if codec is not None:
        result["compressed"] = proof(codec, model, measured, carried)
    if json:
        print_json(result)
    else:
        _show(result, f"{run} on {name}: {measured.characters:,} characters, {measured.bytes:,} bytes")


def _evaluate_many(
    run: str,
    split: str | None,
    text: str | None,
    encoding: str,
    context: int,
    many: ManyOptions,
    options: Mapping[str, bool],
    *,
    json: bool,
) -> None:
    """Measure the files of a folder, or one text, with several processes."""
    from charloom.cli.measure_folder import measure_folder
    from charloom.cli.output import print_json
    from charloom.many.model_place import lasting_place
    from charloom.many.windows import measure

    many.check()
    for name, given in options.items():
        if given:
            raise SettingsError(f"{name} is computed by one process; leave it out, or --workers")
    if context < 1:
        raise SettingsError(f"context is {context}; it must be at least 1")
    if text is not None and Path(text).is_dir():
        if split is not None:
            raise SettingsError("--split is for the run's own text; leave it out, or --text")
        names = {"carried": "carried", "fresh": "fresh"}
        measure_folder(run, Path(text), many, names=names, encoding=encoding, context=context, json=json)
        return
    if many.output is not None:
        raise SettingsError("--output is for the files of a folder; name one with --text, or leave out --output")
    if text == HYPHEN:
        raise SettingsError("workers cannot share standard input; save it in a file, or leave out --workers")
    found = measure(lasting_place(run), split, text, encoding, context=context, workers=many.workers)
    result = {
        "characters": found.carried.characters,
        "bytes": found.carried.bytes,
        "carried": found.carried.summary(),
        "fresh": {**found.fresh.summary(), "context": context, "context_unit": found.context_unit},
    }
    if json:
        print_json(result)
    else:
        _show(result, f"{run} on {found.name}: {result['characters']:,} characters, {result['bytes']:,} bytes")


def _show(result: dict[str, Any], title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(file=sys.stdout, highlight=False)
    console.print(title, markup=False, soft_wrap=True)
    window = f"fresh, {result['fresh']['context']:,} {result['fresh']['context_unit']} of context"
    table = Table("", "carried", window, box=None, pad_edge=False)
    for name in ("nats_per_character", "bits_per_character", "bits_per_byte", "perplexity", "accuracy"):
        table.add_row(name.replace("_", " "), *(f"{result[way][name]:.4f}" for way in ("carried", "fresh")))
    console.print(table)
    if "dynamic" in result:
        dynamic = result["dynamic"]
        console.print(
            f"dynamic, the model learning from what it has read: {dynamic['nats_per_character']:.4f} nats, "
            f"{dynamic['bits_per_character']:.4f} bits per character; not comparable with figures of a fixed model",
            soft_wrap=True,
        )
    if "compressed" in result:
        archive = result["compressed"]
        console.print(
            f"compressed and decompressed: {archive['coded_bytes']:,} bytes of code for {archive['nats']:,.1f} nats, "
            f"which are {archive['nats'] / 8 / math.log(2):,.1f} bytes; {archive['excess']:+.3%}",
            soft_wrap=True,
        )
    if "baselines" not in result:
        return
    console.print()
    floor = Table("bits per character", "", "what it knew", box=None, pad_edge=False)
    floor.add_row("this model, carried", f"{result['carried']['bits_per_character']:.3f}", "its training")
    for name, entry in sorted(result["baselines"].items(), key=lambda item: item[1]["bits_per_character"]):
        floor.add_row(name, f"{entry['bits_per_character']:.3f}", entry["knew"])
    console.print(floor)
