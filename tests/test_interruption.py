"""A signal sets a flag inside a loop and raises elsewhere; a command ends with the promised code."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from charloom import interruption
from charloom.interruption import SIGNALS, Interrupted, catch_signals

CODES = {number: 128 + number for number in SIGNALS}


@pytest.fixture(autouse=True)
def handlers_are_as_before(ctrl_c: None) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    left = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert left == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_only_sets_a_flag_where_it_is_deferred_and_is_raised_when_it_is_heeded(number: int) -> None:
    done = []
    with catch_signals() as caught, pytest.raises(Interrupted) as raised:
        with caught.deferred():
            for each in (number, *SIGNALS):  # sent together they are one press
                signal.raise_signal(each)
            done.append(caught.asked)
        caught.heed()
        pytest.fail("it went on")
    assert done == [number]
    assert raised.value.exit_code == CODES[number]


@pytest.mark.parametrize("number", SIGNALS)
def test_elsewhere_a_signal_is_raised_at_once(number: int) -> None:
    with catch_signals() as caught, pytest.raises(Interrupted) as raised, caught.deferred(), caught.immediate():
        signal.raise_signal(number)
        pytest.fail("it went on")
    assert raised.value.exit_code == CODES[number]


def test_what_came_before_is_raised_where_signals_are_immediate_again() -> None:
    with catch_signals() as caught, pytest.raises(Interrupted), caught.deferred():
        signal.raise_signal(signal.SIGINT)
        with caught.immediate():
            pytest.fail("it went on")


def test_a_signal_that_nobody_heeded_is_raised_at_the_end() -> None:
    with pytest.raises(Interrupted), catch_signals() as caught, caught.deferred():
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_that_insists_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "SAME_PRESS", 0.0)
    with catch_signals() as caught, pytest.raises(Interrupted), caught.deferred():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it went on")


def test_within_another_the_same_interruption_counts_and_in_another_thread_nothing_is_installed() -> None:
    seen = []

    def work() -> None:
        with catch_signals():
            seen.extend(signal.getsignal(number) for number in SIGNALS)

    before = [signal.getsignal(number) for number in SIGNALS]
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == before
    with catch_signals() as outer, catch_signals() as inner:
        assert inner is outer


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP here")
def test_a_hangup_that_is_ignored_stays_ignored_as_nohup_wants_it() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with catch_signals():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def python(code: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **more}, timeout=60
    )


COMMAND = """
import signal, sys
sys.argv = ["charloom", "--version"]
import charloom.__main__ as door
import charloom.cli.main
charloom.cli.main.run = lambda arguments: {do}
door.main()
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("times", [1, 3])
def test_a_command_ends_with_the_promised_code_and_says_nothing(number: int, times: int) -> None:
    do = f"[signal.raise_signal({int(number)}) for _ in range({times})] and 0"
    done = python(COMMAND.format(do=do))
    assert (done.returncode, done.stdout, done.stderr) == (CODES[number], "", "")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_command_ends_on_the_spot_while_it_imports(number: int, tmp_path: Path) -> None:
    (tmp_path / "slow_to_import.py").write_text(
        f"import signal\ntry:\n    signal.raise_signal({int(number)})\nfinally:\n    print('it went on')\n"
    )
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = python(COMMAND.format(do="__import__('slow_to_import') and 0"), PYTHONPATH=paths)
    assert (done.returncode, done.stdout, done.stderr) == (CODES[number], "", "")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_command_that_is_done_ends_with_its_own_code_whatever_comes_then(number: int) -> None:
    code = COMMAND.format(do="2").replace(
        "door.main()", f"import atexit\natexit.register(signal.raise_signal, {int(number)})\ndoor.main()"
    )
    done = python(code)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
