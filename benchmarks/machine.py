"""What a figure was measured on, in one line, for every benchmark's report."""

from charloom.machine.hardware import machine


def title() -> str:
    """The machine on one line."""
    known = machine()
    return (
        f"{known['processor']} ({', '.join(known['extensions'])}), {known['threads']} threads, {known['system']}, "
        f"Python {known['python']}, torch {known['torch']}"
    )
