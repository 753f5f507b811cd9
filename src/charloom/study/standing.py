"""How far a search is, read from its trials in the storage and from nothing else; pure.

A trial is known by the name of its run, which it keeps if it is tried again. Whatever happens between two workers, of
several trials with one name the first that ended counts, and no other.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

RUN, SURPLUS = "run", "surplus"
"""Attributes of trials in the storage: a name that was given, and that a trial was dropped."""

FIRST = "trial-0000"
"""The name of the trial with the centre's settings."""

_NAME = re.compile(r"trial-\d{4,9}(-seed-\d{1,20})?")
"""A name becomes that of a folder, so nothing else is believed."""

_ENDED = ("COMPLETE", "PRUNED")
"""States of trials that count; those that were put back, or were surplus, have failed."""


@dataclass(frozen=True)
class Standing:
    """How far a search is: names of trials."""

    ended: frozenset[str]
    owed: frozenset[str]
    "Others that somebody trains, or that wait to be put back."
    running: int
    "How many are being trained, surplus ones included."

    def enough(self, wanted: int, only: Collection[str] | None, *, with_owed: bool = False) -> bool:
        """Whether as many have ended as are wanted, the one with the centre's settings among them; `with_owed`: whether
        they will have, without another."""
        names = self.ended | self.owed if with_owed else self.ended
        return len(names) >= wanted and (only is not None or FIRST in names)


def name_of(trial: Any) -> str:
    """The name of a frozen trial's run; a retried trial continues its earlier run."""
    given = trial.user_attrs.get(RUN)
    if isinstance(given, str) and _NAME.fullmatch(given):
        return given
    history = trial.system_attrs.get("retry_history") or [trial.number]
    return f"trial-{int(history[0]):04}"


def counts(trial: Any) -> bool:
    """Whether a trial has ended."""
    return trial.state.name in _ENDED


def is_running(trial: Any) -> bool:
    """Whether a trial is being trained, as far as the storage knows."""
    return bool(trial.state.name == "RUNNING")


def is_dropped(trial: Any) -> bool:
    """Whether a trial was surplus; one that is tried again keeps the marks of its earlier attempts."""
    mark = trial.user_attrs.get(SURPLUS)
    return mark is True or mark == trial.number


def ended(trials: Sequence[Any], only: Collection[str] | None) -> list[Any]:
    """The trials that count, in order."""
    counted = dict[str, Any]()
    for trial in trials:
        if counts(trial):
            counted.setdefault(name_of(trial), trial)
    return [trial for name, trial in counted.items() if only is None or name in only]


def lost(trials: Sequence[Any]) -> set[int]:
    """The numbers of the trials that failed without being queued again: their worker died in between."""
    again = {number for trial in trials for number in trial.system_attrs.get("retry_history", ())}
    return {trial.number for trial in trials if trial.state.name == "FAIL" and not is_dropped(trial)} - again


def standing(trials: Sequence[Any], only: Collection[str] | None) -> Standing:
    """How far a search is; `only`: the names of its trials, if they are known."""
    missing = lost(trials)
    names = frozenset(map(name_of, ended(trials, only)))
    owed = {name_of(trial) for trial in trials if is_running(trial) or trial.number in missing} - names
    return Standing(names, frozenset(owed if only is None else owed & set(only)), sum(map(is_running, trials)))


def is_surplus(number: int, trials: Sequence[Any], wanted: int, only: Collection[str] | None) -> bool:
    """Whether a trial that begins is one too many: enough others, or one of the same name, began before it."""
    name = name_of(next(trial for trial in trials if trial.number == number))
    if only is not None and name not in only:
        return True
    before = {name_of(each) for each in trials if each.number < number and (counts(each) or is_running(each))}
    twice = any(name_of(each) == name and counts(each) for each in trials if each.number != number)
    enough = only is None and name != FIRST and len(before) >= wanted
    return twice or name in before or enough
