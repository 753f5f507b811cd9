"""Write by_hand.py: the whole program of the main lesson in one file, from the definitions in its cells.

Usage: python course/assemble.py      (course/build.py does it too)

What the lesson defines in cells tagged "by-hand" is copied as it stands; only the beginning and the main part are here.
"""

import ast
from pathlib import Path

from sources import HERE, source

PROGRAM = HERE / "by_hand.py"
LESSON = HERE / "10_char_level_rnn"

BEGINNING = '''\
"""python by_hand.py my.txt trains a network on a text and lets it write; 10_char_level_rnn.ipynb explains each part."""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

device = torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu")
'''

DEFINITIONS = (
    "CELLS",
    "encode",
    "fold",
    "Architecture",
    "CharacterRNN",
    "zero_state",
    "loss_of",
    "learning_rate",
    "make_optimizer",
    "train",
    "validation_loss",
    "draw",
    "generate",
)
"""What the program takes from the lesson, in its order."""

MAIN = """if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train a character-level network on a text and let it write.")
    parser.add_argument("text", type=Path, help="a text file in UTF-8")
    parser.add_argument("--steps", type=int, default=1500)
    options = parser.parse_args()
    try:
        text = options.text.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        parser.exit(2, f"{options.text} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}\\n")
    if len(text) < 10_000:
        parser.exit(2, f"{options.text} has {len(text):,} characters; there must be 10,000 to learn from\\n")
    characters = sorted(set(text))
    BOUNDARY, index_of = len(characters), {character: index for index, character in enumerate(characters)}
    train_ids, validation_ids = encode(text).tensor_split([int(0.9 * len(text))])
    torch.manual_seed(1)
    model = CharacterRNN(len(characters) + 1, 256, len(characters)).to(device)
    for step, record in enumerate(train(model, train_ids, options.steps, peak=1e-2), start=1):
        if step % max(1, options.steps // 10) == 0:
            held_out = validation_loss(model, validation_ids)
            print(f"step {step:,}: loss {record['loss']:.3f}, validation loss {held_out:.3f} nats", flush=True)
    print(text[:1] + "".join(generate(model, text[:1], length=400, temperature=0.7)))
"""


def definitions(cells: list[str]) -> dict[str, str]:
    """The source of each function, class and constant that some cells define, under its name; the last one counts."""
    found = {}
    for cell in cells:
        for statement in ast.parse(cell).body:
            match statement:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]):
                    lines = cell.splitlines()[_first_line(statement) - 1 : statement.end_lineno]
                    found[name] = "\n".join(lines)
    return found


def _first_line(statement: ast.stmt) -> int:
    """The line of a definition's first decorator, or of the statement itself."""
    return min(part.lineno for part in (statement, *getattr(statement, "decorator_list", ())))


def assembled() -> str:
    """The program. Raises `KeyError` if the lesson no longer defines one of its parts."""
    cells = [cell.source for cell in source(LESSON).cells if "by-hand" in cell.metadata.get("tags", [])]
    found = definitions(cells)
    constants = [found[name] for name in DEFINITIONS if name.isupper()]
    functions = [found[name] for name in DEFINITIONS if not name.isupper()]
    return "\n\n\n".join([BEGINNING + "\n".join(constants), *functions, MAIN])


def write(program: Path = PROGRAM) -> None:
    """Write the program."""
    program.write_text(assembled(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write()
