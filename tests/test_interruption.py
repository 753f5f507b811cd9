"""Signals wait for the end of a block, may insist, and reach the previous handlers."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from charloom import interruption
from charloom.interruption import SIGNALS, Interrupted, Interruption, catch_signals

CODES = {number: 128 + number for number in SIGNALS}


@pytest.fixture(autouse=True)
def handlers_are_as_before(ctrl_c: None) -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    left = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert left == before


@pytest.fixture
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every further signal insists."""
    monkeypatch.setattr(interruption, "SAME_PRESS", 0.0)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_waits_for_the_end_of_the_block_and_is_raised_there(number: int) -> None:
    done = []
    with catch_signals() as caught:
        with pytest.raises(Interrupted) as raised, caught.hold():
            signal.raise_signal(number)
            done.append("block")
        assert raised.value.exit_code == CODES[number]
    assert done == ["block"]
    assert not caught.at_once


@pytest.mark.parametrize("number", SIGNALS)
def test_outside_a_block_a_signal_is_raised_at_once(number: int) -> None:
    with catch_signals(), pytest.raises(Interrupted) as raised:
        signal.raise_signal(number)
        pytest.fail("it went on")
    assert raised.value.exit_code == CODES[number]


def test_signals_that_come_together_are_one_press() -> None:
    done = []
    with catch_signals() as caught:
        with pytest.raises(Interrupted) as raised, caught.hold():
            for number in (*SIGNALS, *SIGNALS):
                signal.raise_signal(number)
            done.append("block")
        for number in SIGNALS:
            signal.raise_signal(number)  # while it unwinds
    assert done == ["block"]
    assert raised.value.exit_code == 130
    assert not caught.at_once


def test_a_signal_that_insists_breaks_the_block_off(nobody_waits: None) -> None:
    with catch_signals() as caught, pytest.raises(Interrupted), caught.hold():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it went on")
    assert caught.at_once


def test_a_signal_that_insists_breaks_off_the_saving_after_the_first_one_was_raised(nobody_waits: None) -> None:
    with catch_signals() as caught:
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted), caught.hold():
            signal.raise_signal(signal.SIGTERM)
            pytest.fail("it went on")
    assert caught.at_once


def test_without_our_handlers_pythons_own_waits_too() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt) as raised, Interruption().hold():
        signal.raise_signal(signal.SIGINT)
        done.append("block")
    assert not isinstance(raised.value, Interrupted)
    assert done == ["block"]


def test_a_handler_of_the_users_own_is_called_for_each_signal_once_after_the_block(nobody_waits: None) -> None:
    calls: list[object] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: calls.append(number))
    try:
        caught = Interruption()
        for _ in range(2):
            with caught.hold():
                signal.raise_signal(signal.SIGINT)
                calls.append("block")
        assert calls == ["block", signal.SIGINT, "block", signal.SIGINT]
        with caught.hold():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        assert not caught.at_once, "it wants no end"
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_block_within_a_block_ends_nothing() -> None:
    done = []
    with catch_signals() as caught, pytest.raises(Interrupted), caught.hold():
        with caught.hold():
            signal.raise_signal(signal.SIGINT)
            done.append("inner")
        with Interruption().hold():
            done.append("another's")
        done.append("outer")
    assert done == ["inner", "another's", "outer"]


def test_an_error_in_the_block_is_what_is_raised_and_the_handlers_are_put_back() -> None:
    with catch_signals() as caught, pytest.raises(MemoryError), caught.hold():
        signal.raise_signal(signal.SIGINT)
        raise MemoryError


def test_in_another_thread_nothing_changes() -> None:
    seen = []

    def work() -> None:
        with catch_signals() as caught, caught.hold():
            seen.extend(signal.getsignal(number) for number in SIGNALS)

    before = [signal.getsignal(number) for number in SIGNALS]
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == before


def test_within_an_import_nothing_is_raised_but_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slow_to_import.py").write_text(
        "import signal, time\nsignal.raise_signal(signal.SIGINT)\ntime.sleep(0.2)\nWHOLE = True\n"
    )
    with catch_signals(), pytest.raises(Interrupted):
        import slow_to_import

        while True:
            threading.Event().wait(0.01)
    assert slow_to_import.WHOLE


def test_a_module_that_trains_while_it_is_imported_can_be_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "trains_when_imported.py").write_text(
        "import signal\nfrom charloom.interruption import catch_signals\n"
        "with catch_signals():\n    signal.raise_signal(signal.SIGINT)\n    raise AssertionError('it went on')\n"
    )
    with pytest.raises(Interrupted):
        import trains_when_imported  # noqa: F401


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP here")
def test_a_hangup_that_is_ignored_stays_ignored_as_nohup_wants_it() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with catch_signals() as caught, caught.hold():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def python(code: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **more}, timeout=60
    )


def test_where_there_is_no_sighup_the_others_are_taken() -> None:
    done = python(
        "import signal\nif hasattr(signal, 'SIGHUP'): del signal.SIGHUP\n"
        "from charloom.interruption import SIGNALS, catch_signals, end_on_signals, ignore_signals\n"
        "assert SIGNALS == (signal.SIGINT, signal.SIGTERM)\n"
        "with catch_signals() as caught, caught.hold(): pass\n"
        "end_on_signals(); ignore_signals()"
    )
    assert (done.returncode, done.stderr) == (0, "")


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
        "door.main()",
        f"import atexit\natexit.register(signal.raise_signal, {int(number)})\ndoor.main()",
    )
    done = python(code)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
