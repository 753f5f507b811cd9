"""Settings as a TOML file that `charloom train --config` takes."""

import json
from collections.abc import Sequence
from dataclasses import fields

from charloom.settings import CorpusConfig, NetworkConfig, TrainingConfig


def settings_file(
    corpus: CorpusConfig,
    network: NetworkConfig,
    training: TrainingConfig,
    length: tuple[str, object],
    comments: Sequence[str],
) -> bytes:
    """The file: comments, the length of training, and every setting except the seed."""
    lines = [f"# {' '.join(comment.split())}" for comment in comments]
    lines += ["", f"{length[0]} = {value(length[1])}"]
    lines += [f"{field.name} = {value(getattr(corpus, field.name))}" for field in fields(corpus)]
    for name, config in (("network", network), ("training", training)):
        lines += ["", f"[{name}]"]
        lines += [
            f"{field.name} = {value(getattr(config, field.name))}" for field in fields(config) if field.name != "seed"
        ]
    return ("\n".join(lines) + "\n").encode()


def value(of: object) -> str:
    """A number, string, boolean or list of these in TOML."""
    if isinstance(of, bool):
        return "true" if of else "false"
    if isinstance(of, str):
        return json.dumps(of, ensure_ascii=False)
    if isinstance(of, (list, tuple)):
        return f"[{', '.join(value(part) for part in of)}]"
    return repr(of)
