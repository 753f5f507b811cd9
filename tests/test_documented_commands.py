"""Every command in the README, the tutorial and the how-to pages runs, in its page's order; so do their Python lines.

Each page gets a folder with the files that it names. The commands are those of the page, except that what only takes
time is shortened: budgets, steps, epochs, the network, the validation part of a large text.
"""

import gzip
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pyarrow as arrow
import pytest
from pyarrow import parquet

from forged import SCRIPT
from hub_server import hub

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / "README.md", ROOT / "docs" / "tutorial.md"),
    *(page for page in sorted((ROOT / "docs" / "how-to").glob("*.md")) if page.name != "serve.md"),  # test_server_page
]
GIVEN = {
    "complete.md": "runs/my",
    "compress.md": "runs/my",
    "correct.md": "runs/my",
    "many-machines.md": "runs/my",
    "many-texts.md": "runs/my",
    "share.md": "runs/my",
    "speed.md": "runs/my",
}
"""The run that a page takes for granted."""

FORGED = Path(__file__).with_name("forged.py")
COMMAND: list[str] = []
"""How a shell starts charloom."""

NEEDS_ITS_COMMANDS = ("export.md",)
"""Pages whose Python lines read what their commands write."""

SHORTER = (
    (r"(charloom train python-docs .*)--time-budget \w+", r"\1--time-budget 8s"),
    (r"--time-budget (?!8s)\w+", "--steps 5"),  # a few steps always fit the time that a slow machine needs
    (r"--budget \w+", "--characters 20000"),
    (r"--hidden-sizes 32,128 --seeds 2", "--hidden-sizes 32"),
    (r"--search 30 --characters \d+ --seeds 2 --storage", "--search 1 --characters 20000 --storage"),
    (r"--(storage|worker) postgresql://me@host/searches", rf"--\1 '{os.environ.get('CHARLOOM_TEST_POSTGRES', '')}'"),
    (r"--name my-search", f"--name my-search-{os.getpid()}"),
    (r"(--worker \S+ --text my.txt)", rf"\1 --name my-search-{os.getpid()}"),
    (r"(charloom push .*)", r"\1 --yes"),
    (
        r"--learning-rates 3e-3,1e-2,3e-2 --hidden-sizes 64,128,256 --seeds 2",
        "--learning-rates 3e-3 --hidden-sizes 64",
    ),
    (r"--steps (\d+)00\b", r"--steps \1"),
    (r"--epochs \d+", "--steps 5"),
    (r"charloom bench$", "charloom bench runs/my --seconds 0.05"),  # of all sizes: test_cli
    (r"(charloom (?:classify )?train (?!.*(?:--time-budget|--steps|--resume)).*)", r"\1 --steps 20"),
    (r"(charloom train (?!.*(?:--resume|--from|--time-budget)).*)", r"\1 --network.hidden-size 48"),
    (r"(charloom train python-library .*)", r"\1 --split 0.997,0.003,0"),
    (r'time_budget="\w+"', "steps=12, origin=None, network=charloom.NetworkConfig(hidden_size=48)"),
    (r"steps=5000\b", "steps=16"),
)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```(?:{language})\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def shortened(line: str) -> str:
    for pattern, by in SHORTER:
        line = re.sub(pattern, by, line)
    return line


def commands(page: Path) -> list[str]:
    """The page's charloom commands, shortened; what it installs and what it prints are left out."""
    lines = [
        line.strip().removeprefix("$ ").split("  #")[0].strip()
        for block in blocks(page, "sh|bash|console")
        for line in block.replace("\\\n", " ").splitlines()
    ]
    return [shortened(line) for line in lines if line.startswith("charloom ")]


def program(page: Path) -> str:
    """The page's Python lines, shortened."""
    return shortened("\n".join(blocks(page, "python")))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, docs_text: str) -> Path:
    """A folder with every file that a page names, and a run that some take for granted."""
    folder, draw = tmp_path_factory.mktemp("world"), random.Random(1)
    for name, start, characters in (
        ("my.txt", 0, 60_000),
        ("letters.txt", 60_000, 5_000),
        ("other.txt", 80_000, 2_000),
        ("letter.txt", 90_000, 600),
        ("chapter.txt", 100_000, 3_000),
    ):
        (folder / name).write_text(docs_text[start : start + characters] + "".join(sorted(set(docs_text))), "utf-8")
    shutil.copy(ROOT / "src" / "charloom" / "durations.py", folder / "shelf.py")
    (folder / "books").mkdir()
    for number in range(3):
        (folder / "books" / f"{number}.txt").write_text(docs_text[2_000 * number :][:1_500], "utf-8")
    names = ["".join(draw.choices("aeiourlnst", k=draw.randint(3, 9))).title() for _ in range(600)]
    (folder / "names.txt").write_text("\n".join(names[:500]) + "\n")
    (folder / "other-names.txt").write_text("\n".join(names[500:]) + "\n")
    texts = [docs_text[place : place + 300] for place in range(0, 30_000, 300)]
    posts = "".join(json.dumps({"post": {"body": text}}) + "\n" for text in texts)
    (folder / "posts.jsonl.gz").write_bytes(gzip.compress(posts.encode()))
    parquet.write_table(arrow.table({"text": texts}), folder / "reviews.parquet")
    (folder / "my.txt.gz").write_bytes(gzip.compress((folder / "my.txt").read_bytes()))
    (folder / "plays").mkdir()
    (folder / "plays" / "one.txt").write_text(docs_text[:9_000])
    (folder / "plays" / "two.txt.gz").write_bytes(gzip.compress(docs_text[9_000:18_000].encode()))
    rows = [f"{('Italian', 'Greek')[number % 2]}\t{name}" for number, name in enumerate(names)]
    (folder / "surnames.tsv").write_text("\n".join(rows) + "\n")
    spam = [("spam", f"win a free prize now {name}") for name in names] + [("ham", f"see you {name}") for name in names]
    draw.shuffle(spam)
    lines = [f"{label}\t{message}" for label, message in spam]
    (folder / "messages.tsv").write_text("\n".join(lines[:400]) + "\n")
    (folder / "sentences.tsv").write_text("\n".join(lines[:400]) + "\n")
    (folder / "test.tsv").write_text("\n".join(lines[400:460]) + "\n")
    (folder / "new.txt").write_text("\n".join(message for _, message in spam[460:480]) + "\n")
    run("charloom train my.txt --run runs/my --from none --steps 40 --network.hidden-size 64", folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def forge() -> Iterator[None]:
    """What the commands are forked from, where processes can fork."""
    if not hasattr(os, "fork"):
        COMMAND[:] = [sys.executable, "-m", "charloom"]
        yield
        return
    address = Path(tempfile.mkdtemp()) / "socket"  # its name may have only a hundred characters
    environment = os.environ | {"MPLBACKEND": "agg"}
    with subprocess.Popen(
        [sys.executable, FORGED, "--serve", address], stdin=PIPE, stdout=PIPE, env=environment
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        COMMAND[:] = [sys.executable, "-S", "-E", str(FORGED), str(address)]
        yield
        COMMAND.clear()
        process.stdin.close()
    shutil.rmtree(address.parent)


def serve(command: str, cwd: Path) -> None:
    """Start a server that never ends, look at its page, and end it with Ctrl-C."""
    arguments = [sys.executable, "-m", *shlex.split(command), "--port", "0"]
    process = subprocess.Popen(arguments, cwd=cwd, stderr=subprocess.PIPE, text=True)
    try:
        lines, address = list[str](), None
        for line in process.stderr or ():  # where it is, perhaps after a word on what it prepares
            lines.append(line)
            address = re.search(r"http://[\d.:]+/$", line.strip())
            if address:
                break
        assert address, f"{command}\n{''.join(lines)}"
        with urllib.request.urlopen(address[0], timeout=60) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
    finally:
        process.kill()
        process.communicate()


def run(command: str, cwd: Path) -> None:
    """Run it as a reader would, in bash."""
    if command.startswith("charloom serve "):
        serve(command, cwd)
        return
    function = f'charloom() {{ {shlex.join(COMMAND)} "$@"; }}\n'
    environment = os.environ | {"MPLBACKEND": "agg"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", function + command],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout[-1000:]}{done.stderr[-3000:]}"


@pytest.fixture
def folder(page: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The page's own folder."""
    for file in world.iterdir():
        if file.is_file():
            shutil.copy(file, tmp_path)
    shutil.copytree(world / "books", tmp_path / "books")
    shutil.copytree(world / "plays", tmp_path / "plays")
    if page.name in GIVEN:
        shutil.copytree(world / "runs" / "my", tmp_path / GIVEN[page.name])
    monkeypatch.setenv("CHARLOOM_CACHE", str(tmp_path / ".cache"))
    with hub() as known:
        for name, value in {"ENDPOINT": known.address, "TOKEN": "a", "HUB_DISABLE_XET": "1"}.items():
            monkeypatch.setenv(f"HF_{name}", value)
        if page.name == "share.md":
            pytest.importorskip("huggingface_hub")
            model = world / "runs" / "my" / "model"
            known.repository("you/letters").commit({path.name: path.read_bytes() for path in model.iterdir()})
        yield tmp_path


def test_every_page_has_its_commands() -> None:
    assert all(commands(page) for page in PAGES)
    assert sum(len(commands(page)) for page in PAGES) > 35


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(page: Path, folder: Path) -> None:
    for command in commands(page):
        if "--storage ''" not in command and "--worker ''" not in command:  # those need a database
            run(command, folder)


@pytest.mark.parametrize("page", [page for page in PAGES if program(page)], ids=lambda page: page.stem)
def test_the_python_lines_of_a_page_run(page: Path, folder: Path) -> None:
    given = (
        'texts, labels = ["win a prize", "see you"] * 60, ["spam", "ham"] * 60\n' if "texts" in program(page) else ""
    )
    for command in commands(page) if page.name in NEEDS_ITS_COMMANDS else ():
        run(command, folder)
    script = folder / "page.py"
    script.write_text(given + program(page), "utf-8")
    run(f"charloom {SCRIPT} page.py" if str(FORGED) in COMMAND else f'"{sys.executable}" page.py', folder)
