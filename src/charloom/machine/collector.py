"""The garbage collector, which a command that is starting does without.

Imports leave little to collect, and looking for it is a tenth of their time.
"""

import gc

STARTING = 400_000
"""New objects that it waits for; what commands import, torch included, leaves up to 297,000."""


def collect_later() -> None:
    """Collect for the first time when there are `STARTING` new objects, and from then on as usual."""
    usual = gc.get_threshold()
    if usual[0] == STARTING:
        return

    def as_usual(phase: str, info: object) -> None:
        gc.callbacks.remove(as_usual)
        gc.set_threshold(*usual)

    gc.callbacks.append(as_usual)
    gc.set_threshold(STARTING, *usual[1:])
