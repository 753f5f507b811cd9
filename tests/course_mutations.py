"""Break the main lesson on purpose: run with the names of mutations, it prints a JSON line for each: what noticed it.

The chapters run in one process, in fast mode, as in the notebook. At a cell that a mutation changes, the changed cell
and the cells of the same section after it run first, until one raises; then the original cell, and so on. Where the
check is in another section, the changed cell runs again before it, and then the cell with the check.
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
    check: str | None = None
    "What is in the cell that must notice, if that cell is in another section."


MUTATIONS = (
    Mutation("a text is encoded from its end", "Q10:", "for character in string]", "for character in string[::-1]]"),
    Mutation("targets are the characters before", "Q11:", "targets[:-1]])", "targets[1:]])"),
    Mutation("the first state is not empty", "Q14:", "torch.zeros(shape", "torch.ones(shape"),
    Mutation(
        "the state is left out of the logits", "Q15:", "return self.output(hidden)", "return self.output(hidden * 0)"
    ),
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
    Mutation("guesses are one place late", "Q27:", "logits[-len(passage) :, 0]", "logits[-len(passage) - 1 : -1, 0]"),
    Mutation(
        "the learning rate is that of the centre",
        "9.",
        'steps, settings["peak"]',
        'steps, CENTRE["peak"]',
        'compare_with_study("learning-rate")',
    ),
    Mutation(
        "the hidden size is that of the centre",
        "9.",
        'INPUT_SIZE, settings["hidden_size"]',
        'INPUT_SIZE, CENTRE["hidden_size"]',
        'compare_with_study("hidden-size")',
    ),
    Mutation(
        "the layers are those of the centre",
        "9.",
        'EMBEDDING_SIZE, settings["layers"]',
        'EMBEDDING_SIZE, CENTRE["layers"]',
        'compare_with_study("layers")',
    ),
    Mutation(
        "the length is that of the centre",
        "9.",
        'settings["streams"], settings["length"])\n',
        'settings["streams"], CENTRE["length"])\n',
        'compare_with_study("sequence-length")',
    ),
)

NEEDED_BY_NOTHING = ("What a network learns first", "Looking inside")
"""Sections that define nothing that a later mutated section uses."""


@dataclass(frozen=True)
class Cell:
    """A code cell, and the heading that it is under."""

    section: str
    source: str


def code_cells() -> list[Cell]:
    """The code cells of the main lesson, in order, without those that no other needs."""
    sys.path.insert(0, str(COURSE))
    from sources import source

    cells, section = list[Cell](), ""
    for cell in source(COURSE / "10_char_level_rnn").cells:
        solves = "solution" in cell.metadata.get("tags", [])
        if cell.cell_type == "code" and not solves and not section.startswith(NEEDED_BY_NOTHING):
            cells.append(Cell(section, cell.source))
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else ():
            if line.startswith(("## ", "### ")):
                section = line.lstrip("# ")
    return cells


def cell_of(cells: list[Cell], text: str, section: str = "") -> int:
    """The first cell of a section that has a text. Raises `SystemExit` if there is none."""
    for number, cell in enumerate(cells):
        if cell.section.startswith(section) and text in cell.source:
            return number
    sys.exit(f"no cell under {section or 'any heading'} has: {text}")


def places(cells: list[Cell], mutations: list[Mutation]) -> dict[int, list[tuple[Mutation, list[str]]]]:
    """Before which cell each mutation is tried, and the cells to run for it: the changed one and those that may notice.

    Raises `SystemExit` if the lesson no longer has a line.
    """
    found = dict[int, list[tuple[Mutation, list[str]]]]()
    for mutation in mutations:
        number = cell_of(cells, mutation.right, mutation.section)
        changed = cells[number].source.replace(mutation.right, mutation.wrong)
        if mutation.check is None:
            following = [cell.source for cell in cells[number + 1 :] if cell.section == cells[number].section]
            at = number
        else:
            at = cell_of(cells, mutation.check)
            following = [cells[at].source]
        found.setdefault(at, []).append((mutation, [changed, *following]))
    return found


def what_notices(sources: list[str], names: dict[str, Any]) -> str | None:
    """What a changed cell or one of those after it raises; None if nothing does. Names are as before afterwards."""
    before = dict(names)
    names["FOLDER"] = Path(tempfile.mkdtemp(dir=names["FOLDER"]))
    try:
        for source in sources:
            run(source, names)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        names.clear()
        names.update(before)
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
    mutated = places(cells, [each for each in MUTATIONS if each.name in sys.argv[1:]])
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells[: max(mutated) + 1]):
        for mutation, sources in mutated.get(number, ()):
            print(
                json.dumps({"mutation": mutation.name, "noticed": what_notices(sources, names)}),
                file=answers,
                flush=True,
            )
        run(cell.source, names)


if __name__ == "__main__":
    main()
