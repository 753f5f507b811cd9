"""Messages name settings as flags on the command line, and as arguments in Python."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import charloom as library
from charloom.errors import CharloomError
from charloom.errors.options import named_as_flags, option


def test_an_option_is_a_flag_on_the_command_line_and_an_argument_in_python() -> None:
    assert (option("time_budget"), option("device", "auto"), option("from")) == (
        "time_budget",
        'device="auto"',
        "origin",
    )
    with named_as_flags():
        assert (option("time_budget"), option("device", "auto"), option("n_grams", 0)) == (
            "--time-budget",
            "--device auto",
            "--n-grams 0",
        )
    assert option("run") == "run"


def test_the_same_mistake_is_named_in_the_words_of_each(
    charloom: Callable[..., Any], tmp_path: Path, small_text: str
) -> None:
    (tmp_path / "my.txt").write_text(small_text)
    done = charloom("train", "my.txt", "--steps", 1, "--network.hidden-size", 8)
    assert done.returncode == 0
    done = charloom("train", "my.txt", "--steps", 1, "--run", "runs/my")
    assert "choose another --run" in done.stderr
    with pytest.raises(CharloomError, match="choose another run") as raised:
        library.train(small_text, steps=1, run=tmp_path / "runs" / "my")
    assert "another --" not in str(raised.value)


def test_no_message_of_the_library_writes_a_flag_itself() -> None:
    """Flags in messages come from `option`, or stand in a whole command."""
    import re

    root = Path(library.__file__).parent
    flags = [
        f"{path.relative_to(root)}: {line.strip()}"
        for path in root.rglob("*.py")
        if path.relative_to(root).parts[0] not in ("cli", "server", "study")
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"(use|with|another|leave out|add|or|lower) --[a-z]", line)
        and '"' in line
        and "charloom " not in line
    ]
    assert flags == []
