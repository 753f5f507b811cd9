"""Cleans a file of rows before training: a header, quotes, spaces, swapped columns."""

from collections import Counter
from collections.abc import Sequence
from statistics import median

Cells = list[tuple[str, str]]

LABEL_NAMES = {
    *("label", "labels", "class", "classes", "category", "categories", "target", "targets", "tag", "y", "v1"),
    *("language", "lang", "country", "origin", "nationality", "sentiment", "topic", "intent", "emotion", "type"),
    *("genre", "author", "dialect", "spam", "output", "group", "code", "kind"),
}
TEXT_NAMES = {
    *("text", "texts", "sentence", "sentences", "message", "messages", "content", "body", "document", "x", "v2"),
    *("review", "comment", "tweet", "name", "surname", "word", "title", "description", "input", "utterance", "sms"),
    *("line", "phrase", "question", "post", "email", "snippet", "data"),
}
"""Usual names of columns, in lower case."""

SURE_NAMES = {"label", "labels", "class", "category", "target", "class_name", "label_name", "class_label"}
"""Names of the first column that mean a header, whatever the second is called."""

FEW = 5
"""If every other class has this many rows, a label that occurs only in the first row is worth a note."""


def clean(cells: Cells, numbers: Sequence[int]) -> tuple[Cells, list[str]]:
    """Remove outer quotes, spaces around labels, and a header; returns the rows and a sentence for each change.

    `numbers` are the line numbers of the rows.
    """
    notes: list[str] = []
    if all(_quoted(label) for label, _ in cells):
        cells = [(_unquoted(label), _unquoted(text)) for label, text in cells]
        notes.append("every label is quoted; the quotes are removed")
    spaced = sum(label != label.strip() for label, _ in cells)
    if spaced:
        cells = [(label.strip(), text) for label, text in cells]
        notes.append(f"{spaced:,} label{'s have' if spaced > 1 else ' has'} spaces around them, which are removed")
    counts = Counter(label for label, _ in cells)
    label, text = cells[0]
    same = [place for place, cell in enumerate(cells) if cell == cells[0]]
    if len(same) == counts[label] and len(counts) > 1 and _is_header(label, text):
        lines = ", ".join(f"{numbers[place]:,}" for place in same[:5]) + (", …" if len(same) > 5 else "")
        notes.append(
            f"{f'lines {lines} are' if len(same) > 1 else f'line {lines} is'} taken for a header and left out: "
            f"{label!r}, {text!r}"
        )
        gone = set(same)
        return [cell for place, cell in enumerate(cells) if place not in gone], notes
    others = [count for name, count in counts.items() if name != label]
    if counts[label] == 1 and others and min(others) >= FEW:
        notes.append(
            f"only line {numbers[0]:,} has the label {label!r}; if it is a header, delete it, or it becomes a class"
        )
    folded = Counter(name.casefold() for name in counts)
    alike = sorted(name for name in counts if folded[name.casefold()] > 1)
    if alike:
        notes.append(f"labels that differ only in case are different classes: {', '.join(map(repr, alike[:6]))}")
    tabs = {text.count("\t") for _, text in cells}
    if len(cells) > 1 and len(tabs) == 1 and 0 not in tabs:
        notes.append(
            f"each row has {tabs.pop() + 2} columns; the first is the label, and the others together are the text"
        )
    if len(cells) >= 10 and len(counts) >= 0.9 * len(cells):
        notes.append(
            f"{len(cells):,} rows have {len(counts):,} different labels; a class needs several texts, so check that "
            "the first column is the label"
        )
    return cells, notes


def look_swapped(labels: Sequence[str], texts: Sequence[str]) -> bool:
    """Whether labels and texts look swapped: nearly all labels differ, and they look like texts."""
    rows, distinct, different = len(labels), len(set(labels)), len(set(texts))
    if rows >= 4 and distinct > rows / 2 and 2 * different <= distinct:
        return True
    if rows < 10 or distinct < 0.9 * rows:
        return False
    return median(map(len, labels)) > max(20, 2 * median(map(len, texts)))


def _is_header(label: str, text: str) -> bool:
    named, called = (cell.strip().strip('"').casefold().lstrip("#").replace(" ", "_") for cell in (label, text))
    return named in SURE_NAMES or (named in LABEL_NAMES | TEXT_NAMES and called in TEXT_NAMES | LABEL_NAMES)


def _quoted(cell: str) -> bool:
    return len(cell) >= 2 and cell[0] == cell[-1] == '"'


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if _quoted(cell) else cell
