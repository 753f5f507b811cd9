"""Break the main lesson on purpose: run as a program, it prints a JSON line for each mutation, with what noticed it.

The chapters run in one process, in fast mode, as in the notebook. At a cell that a mutation changes, the changed cell
and the cells of the same section after it run first, until one raises; then the original cell, and so on.
"""

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COURSE = Path(__file__).resolve().parents[1] / "course"


@dataclass(frozen=True)
class Mutation:
    """A wrong line in the program by hand."""

    name: str
    section: str
    "How the heading of its section begins."
    right: str
    "What is in the first cell there that has it."
    wrong: str


MUTATIONS = (
    Mutation("a text is encoded from its end", "Q10:", "for character in string]", "for character in string[::-1]]"),
    Mutation("targets are the characters before", "Q11:", "targets[:-1]])", "targets[1:]])"),
    Mutation("the first state is not empty", "Q14:", "torch.zeros(shape", "torch.ones(shape"),
    Mutation("the loss is in bits", "Q16:", "targets.flatten())", "targets.flatten()) / math.log(2)"),
    Mutation("the learning rate rises for longer", "Q17:", "round(0.05 * steps)", "round(0.1 * steps)"),
    Mutation("the optimizer has other settings", "Q17:", "betas=(0.9, 0.99)", "betas=(0.9, 0.999)"),
    Mutation("the state is reset at each step", "Q18:", "if k == 0:", "if True:"),
    Mutation("the state is never reset", "Q18:", "if k == 0:", "if step == 0:"),
    Mutation("the state is not detached", "Q18:", "part.detach() for part in state", "part for part in state"),
    Mutation("long gradients are left alone", "Q19:", "if norm > largest:", "if norm < largest:"),
    Mutation("validation forgets the state", "Q20:", "logits, state = model(part", "logits, _ = model(part"),
    Mutation("a checkpoint lacks the optimizer", "Saving", 'if forgotten != "optimizer":', "if False:"),
    Mutation("no blame travels back", "Backpropagation", "from_later = da @ W_hh", "from_later = torch.zeros_like(da)"),
    Mutation("the temperature multiplies", "Q21:", ".numpy() / temperature", ".numpy() * temperature"),
    Mutation("perplexity is a power of two", "Q26:", "math.exp(nats)", "2**nats"),
)


@dataclass(frozen=True)
class Cell:
    """A code cell, and the heading that it is under."""

    section: str
    source: str


def code_cells() -> list[Cell]:
    """The code cells of the main lesson, in order."""
    sys.path.insert(0, str(COURSE))
    from sources import source

    cells, section = list[Cell](), ""
    for cell in source(COURSE / "10_char_level_rnn").cells:
        if cell.cell_type == "code":
            cells.append(Cell(section, cell.source))
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else ():
            if line.startswith(("## ", "### ")):
                section = line.lstrip("# ")
    return cells


def places(cells: list[Cell]) -> dict[int, list[Mutation]]:
    """Each mutation at the cell that it changes. Raises `SystemExit` if the lesson no longer has that line."""
    found = dict[int, list[Mutation]]()
    for mutation in MUTATIONS:
        there = [
            number
            for number, cell in enumerate(cells)
            if cell.section.startswith(mutation.section) and mutation.right in cell.source
        ]
        if not there:
            sys.exit(f"no cell under {mutation.section} has: {mutation.right}")
        found.setdefault(there[0], []).append(mutation)
    return found


def what_notices(mutation: Mutation, cells: list[Cell], number: int, names: dict[str, Any]) -> str | None:
    """What a cell of the section raises once cell `number` is changed; None if nothing does."""
    changed = cells[number].source.replace(mutation.right, mutation.wrong)
    rest = [cell.source for cell in cells[number + 1 :] if cell.section == cells[number].section]
    folder, names["FOLDER"] = names["FOLDER"], Path(tempfile.mkdtemp(dir=names["FOLDER"]))
    try:
        for source in (changed, *rest):
            run(source, names)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        names["FOLDER"] = folder
    return None


def run(source: str, names: dict[str, Any]) -> None:
    """Run a cell."""
    exec(compile(source, "<cell>", "exec"), names)


def main() -> None:
    """Break the lesson in each of the ways."""
    os.environ |= {"CHARLOOM_COURSE": "fast", "MPLBACKEND": "agg"}
    os.chdir(COURSE)
    answers, sys.stdout = sys.stdout, sys.stderr
    import matplotlib.pyplot as plt

    plt.show = lambda *_, **__: plt.close("all")
    cells = code_cells()
    mutated = places(cells)
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells[: max(mutated) + 1]):
        for mutation in mutated.get(number, ()):
            noticed = what_notices(mutation, cells, number, names)
            print(json.dumps({"mutation": mutation.name, "noticed": noticed}), file=answers, flush=True)
        run(cell.source, names)


if __name__ == "__main__":
    main()
