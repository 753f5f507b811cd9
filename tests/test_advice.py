"""Suggestions of the command line for unknown words."""

import subprocess
from collections.abc import Callable

import pytest

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("vesrion", "did you mean 'charloom --version'?"),
        ("--vesrion", "did you mean 'charloom --version'?"),
        ("version", "did you mean 'charloom --version'?"),
        ("-V", "did you mean 'charloom --version'?"),
        ("hlep", "did you mean 'charloom --help'?"),
        ("classify help", "did you mean 'charloom classify --help'?"),
        ("trian", "there is no verb trian; did you mean 'train'?"),
        ("sample", "there is no verb sample; it is one of train, generate, evaluate"),
        ("classify vesrion", "it is one of train, predict, evaluate, explain"),
        ("data lst", "did you mean 'list'?"),
        ("--resume", "options come after the verb"),
        ("train my.txt --lr 3", "no option --lr; did you mean --training.learning-rate?"),
        ("train my.txt --lr=3", "no option --lr; did you mean --training.learning-rate?"),
        ("classify train my.tsv --lr 3", "did you mean --training.learning-rate?"),
        ("train my.txt --seed 3", "did you mean --training.seed?"),
        ("train my.txt --hidden 3", "did you mean --network.hidden-size?"),
        ("train my.txt --batch_sise 3", "did you mean --training.batch-size?"),
        ("train my.txt --gpu", "did you mean --device?"),
        ("train my.txt --time 4m", "did you mean --time-budget?"),
        ("train my.txt --hlep", "did you mean --help?"),
        ("train my.txt --zzz", "charloom train --help lists all options"),
        ("generate run --temp 1", "did you mean --temperature?"),
        ("generate run --max-tokens 1", "did you mean --length?"),
        ("generate --run run", "give the run without it, after the verb"),
        ("train my.txt stray", "charloom train takes no argument stray"),
        ("evaluate run my.txt", "did you mean --text my.txt?"),
        ("generate run Once", "did you mean --prompt Once?"),
        ("generate run Once upon", "did you mean --prompt 'Once upon'?"),
        ("score run two words", "put a text of several words in quotes"),
        ("train https://example.org/a.txt", "is an address, and texts are not downloaded from one; download the file"),
        ("evaluate run --split vallidation", "split"),
    ],
)
def test_what_was_meant_is_said(command: str, said: str, charloom: Call) -> None:
    done = charloom(*command.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
