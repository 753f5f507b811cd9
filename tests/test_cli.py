"""Commands as a person types them, and their output."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import charloom as package
from charloom.cli.main import VERBS
from charloom.training.checkpoints import saved_step

Call = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ("--network.hidden-size", 16, "--network.embedding-size", 8, "--training.batch-size", 4)
SCORE = {"nats_per_character", "bits_per_character", "bits_per_byte", "perplexity", "accuracy"}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, docs_text: str) -> Path:
    """A folder with a text, a run of it and a run of its lines."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "text.txt").write_text(docs_text[:12_000])
    (folder / "names.txt").write_text("anna\nbob\ncarl\ndora\neve\nfred\n" * 30)
    for arguments in (
        ["text.txt", "--run", "run", "--split", "0.8,0.1,0.1"],
        ["names.txt", "--run", "names", "--documents", "lines"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "charloom", "train", *arguments, "--steps", "20", *map(str, SMALL), "--json"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        (folder / f"{arguments[2]}.json").write_text(done.stdout)
    return folder


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit code 2, nothing on standard output, one sentence on standard error that contains the words."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


def test_every_verb_has_help_without_torch(charloom: Call) -> None:
    for verb in ([], *([verb] for verb in VERBS), ["data", "list"]):
        done = charloom(*verb, "--help")
        assert done.returncode == 0
        assert "Usage: charloom" in done.stdout
    code = (
        "import sys; from charloom.cli.main import run\n"
        f"for verb in {list(VERBS)}: run([verb, '--help'])\n"
        "sys.exit(3 if 'torch' in sys.modules else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_the_version_is_the_package_s(charloom: Call) -> None:
    assert charloom("--version").stdout.strip() == package.__version__


def test_training_prints_one_json_value_with_what_the_contract_names(trained: Path) -> None:
    result = json.loads((trained / "run.json").read_text())
    assert {
        "run",
        "steps",
        "resumed_from",
        "characters_seen",
        "seconds",
        "characters_per_second",
        "parameters",
        "validation",
    } <= result.keys()
    assert result["run"] == "run"
    assert result["steps"] == 20
    assert result["resumed_from"] == 0
    assert SCORE | {"protocol"} <= result["validation"].keys()
    assert result["validation"]["protocol"] == "carried"


def test_evaluate_agrees_with_training_and_names_both_protocols(trained: Path, charloom: Call) -> None:
    result = json.loads(charloom("evaluate", trained / "run", "--json").stdout)
    told = json.loads((trained / "run.json").read_text())["validation"]
    held_out = (trained / "text.txt").read_text()[9_600:10_800]
    assert (result["characters"], result["bytes"]) == (1200, len(held_out.encode()))
    assert result["carried"] == {name: told[name] for name in SCORE}
    assert result["fresh"].keys() == SCORE | {"context", "context_unit"}
    assert (result["fresh"]["context"], result["fresh"]["context_unit"]) == (256, "characters")


def test_evaluate_takes_each_part_and_any_other_text(trained: Path, charloom: Call, docs_text: str) -> None:
    for part, characters in (("train", 9600), ("validation", 1200), ("test", 1200)):
        assert (
            json.loads(charloom("evaluate", trained / "run", "--split", part, "--json").stdout)["characters"]
            == characters
        )
    (trained / "other.txt").write_text(docs_text[500:900])
    for place in ("run", "run/model"):
        done = charloom("evaluate", trained / place, "--text", trained / "other.txt", "--json")
        assert json.loads(done.stdout)["characters"] == 400
    proven = json.loads(charloom("evaluate", trained / "run", "--verify", "--json").stdout)
    assert proven["compressed"]["nats"] == pytest.approx(1200 * proven["carried"]["nats_per_character"])
    assert abs(proven["compressed"]["coded_bytes"] - proven["compressed"]["nats"] / 8 / 0.6931) < 8
    assert "bytes of code" in charloom("evaluate", trained / "run", "--verify").stdout
    learned = json.loads(charloom("evaluate", trained / "run", "--dynamic", "--json").stdout)
    assert set(learned["dynamic"]) == SCORE
    assert learned["carried"] == proven["carried"]
    assert (
        "dynamic, the model learning from what it has read" in charloom("evaluate", trained / "run", "--dynamic").stdout
    )
    shown = charloom("evaluate", trained / "run", "--baselines")
    assert "5-gram" in shown.stdout
    assert "xz" in shown.stdout


def test_generate_streams_the_prompt_first_and_then_just_so_many_characters(trained: Path, charloom: Call) -> None:
    done = charloom("generate", trained / "run", "--prompt", "The ", "--length", 50, "--seed", 3)
    assert done.stdout.startswith("The ")
    assert len(done.stdout) == 4 + 50 + 1
    told = json.loads(
        charloom("generate", trained / "run", "--prompt", "The ", "--length", 50, "--seed", 3, "--json").stdout
    )
    assert told["prompt"] + told["text"] + "\n" == done.stdout
    assert told["characters"] == 50
    assert told["stop_reason"] == "length"


def test_generate_writes_several_samples_each_with_a_seed_of_its_own(trained: Path, charloom: Call) -> None:
    lines = charloom(
        "generate", trained / "run", "--samples", 3, "--length", 40, "--json", "--seed", 5
    ).stdout.splitlines()
    alone = charloom("generate", trained / "run", "--length", 40, "--json", "--seed", 6).stdout
    assert len(lines) == 3
    assert json.loads(lines[1])["text"] == json.loads(alone)["text"]


def test_several_prompts_are_continued_each_with_its_samples(trained: Path, charloom: Call) -> None:
    told = [
        json.loads(line)
        for line in charloom(
            "generate", trained / "run", "--prompt", "The ", "--prompt", "a", "--samples", 2, "--length", 30, "--json"
        ).stdout.splitlines()
    ]
    assert [sample["prompt"] for sample in told] == ["The ", "The ", "a", "a"]
    alone = charloom("generate", trained / "run", "--prompt", "a", "--length", 30, "--seed", 3, "--json").stdout
    assert told[3]["text"] == json.loads(alone)["text"]
    shown = charloom("generate", trained / "run", "--prompt", "The ", "--prompt", "a", "--length", 30).stdout
    assert shown.startswith("The " + told[0]["text"] + "\n--- sample 2\na")


def test_writing_never_imports_torch(trained: Path) -> None:
    code = (
        "import sys; from charloom.cli.main import run; code = run(sys.argv[1:]); "
        "sys.exit(code or 'torch' in sys.modules)"
    )
    for more in ([], ["--samples", "2"], ["--json"]):
        command = [sys.executable, "-c", code, "generate", str(trained / "run"), "--prompt", "The ", "--length", "5"]
        subprocess.run([*command, *more], check=True, capture_output=True)


def test_training_and_evaluating_never_import_torchs_compiler(trained: Path, tmp_path: Path) -> None:
    """It would take a second of every command."""
    code = "import sys; from charloom.cli.main import run; run(sys.argv[1:]); sys.exit('torch._dynamo' in sys.modules)"
    sizes = [*map(str, SMALL), "--steps", "5"]
    for command in (
        ["train", str(trained / "text.txt"), "--run", str(tmp_path / "run"), *sizes],
        ["evaluate", str(trained / "run")],
    ):
        subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True)


def test_weights_in_eight_bits_write_too(trained: Path, charloom: Call) -> None:
    done = charloom("generate", trained / "run", "--compiled", "int8", "--prompt", "The ", "--length", 40)
    assert done.returncode == 0
    assert len(done.stdout) == 4 + 40 + 1
    told = charloom("generate", trained / "run", "--compiled", "int8", "--prompt", "The ", "--length", 40, "--json")
    assert "The " + json.loads(told.stdout)["text"] + "\n" == done.stdout
    refused(charloom("generate", trained / "run", "--compiled", "int8", "--samples", 2), "--compiled")
    refused(charloom("generate", trained / "run", "--compiled", "int4"), "int4")


def test_bench_measures_writing_and_training(trained: Path, charloom: Call) -> None:
    told = json.loads(charloom("bench", trained / "run", "--seconds", 0.01, "--json").stdout)
    writing = told["writing"]
    assert writing["network"].startswith("lstm")
    assert all(writing[name] > 0 for name in ("one_text", "together", "prompt", "limit", "weight_bytes"))
    assert writing["share"] == pytest.approx(writing["one_text"] / writing["limit"])
    assert told["training"]["characters_per_second"] > 0
    assert told["training"]["precision"] in ("float32", "bfloat16")
    lines = json.loads(charloom("bench", trained / "names", "--seconds", 0.01, "--json").stdout)
    assert lines["writing"]["together"] > 0
    shown = charloom("bench", trained / "run", "--seconds", 0.01)
    assert "one text" in shown.stdout
    assert told["training"]["precision_reason"] in shown.stdout


def test_generate_stops_before_a_stop_string(trained: Path, charloom: Call) -> None:
    free = json.loads(charloom("generate", trained / "run", "--length", 200, "--json").stdout)["text"]
    stop = free[60:62]
    told = json.loads(charloom("generate", trained / "run", "--length", 200, "--stop", stop, "--json").stdout)
    assert told["text"] == free[: free.index(stop)]
    assert told["stop_reason"] == "stop"


def test_an_endless_text_ends_quietly_when_nobody_reads_on(trained: Path) -> None:
    command = [sys.executable, "-m", "charloom", "generate", str(trained / "run"), "--endless"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert len(process.stdout.read(3000)) == 3000
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_prompt_can_come_from_a_file(trained: Path, charloom: Call) -> None:
    (trained / "prompt.txt").write_text("The ")
    done = charloom("generate", trained / "run", "--prompt-file", trained / "prompt.txt", "--length", 5)
    assert done.stdout.startswith("The ")


def test_a_model_of_lines_writes_lines_and_says_that_they_ended(trained: Path, charloom: Call) -> None:
    lines = charloom("generate", trained / "names", "--samples", 5, "--json", "--length", 400).stdout.splitlines()
    told = [json.loads(line) for line in lines]
    assert any(sample["stop_reason"] == "end" for sample in told)
    assert all("\n" not in sample["text"] for sample in told if sample["stop_reason"] == "end")


def test_score_tells_the_surprise_of_each_character(trained: Path, charloom: Call, docs_text: str) -> None:
    passage = docs_text[3000:3200]
    told = json.loads(charloom("score", trained / "run", passage, "--candidates", 3, "--json").stdout)
    assert "".join(row["character"] for row in told["characters"]) == passage
    assert all(set(row) == {"character", "nats", "rank", "top"} and len(row["top"]) == 3 for row in told["characters"])
    mean = sum(row["nats"] for row in told["characters"]) / len(passage)
    assert told["score"]["nats_per_character"] == pytest.approx(mean)
    (trained / "passage.txt").write_text(passage)
    again = json.loads(charloom("score", trained / "run", "--text", trained / "passage.txt", "--json").stdout)
    assert again["score"] == told["score"]
    shown = charloom("score", trained / "run", passage).stdout
    assert "bits of surprise" in shown
    assert f"{told['score']['bits_per_character']:.3f} bits" in shown


def test_score_ends_quietly_where_nobody_reads_its_colours(trained: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "charloom", "score", str(trained / "run"), "The the"]
    colours = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color", "PYTHONUNBUFFERED": ""}
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, env=colours)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_score_draws_a_page_and_a_picture(trained: Path, charloom: Call, docs_text: str, tmp_path: Path) -> None:
    (tmp_path / "part.txt").write_text(docs_text[:1000])
    done = charloom("score", trained / "run", "--text", "part.txt", "--html", "page.html", "--png", "picture.png")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert (tmp_path / "page.html").read_text("utf-8").startswith("<!doctype html>")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    refused(charloom("score", trained / "run"), "one text")
    refused(charloom("score", trained / "run", "a", "--text", "part.txt"), "one text")
    refused(charloom("score", trained / "run", "日"), "U+65E5")
    refused(charloom("score", trained / "run", "a", "--html", "no/page.html"), "no/page.html")
    refused(charloom("score", trained / "run", "--text", "part.txt", "--png", "part.txt"), "its own name")
    refused(charloom("score", trained / "run", "a", "--html", "-"), "standard output")
    assert (tmp_path / "part.txt").read_text() == docs_text[:1000]


def test_report_draws_what_a_model_knows(trained: Path, charloom: Call, docs_text: str, tmp_path: Path) -> None:
    found = json.loads(charloom("report", trained / "run", "--written", 500, "--json").stdout)
    assert {"report", "loss", "context", "mistakes", "calibration", "units", "copying", "words"} <= set(found)
    folder = tmp_path / found["report"]
    assert folder == tmp_path / "reports" / "run"
    page, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    for picture in folder.glob("*.png"):
        assert f"]({picture.name})" in text
    assert page.count("data:image/png;base64,") == len(list(folder.glob("*.png"))) >= 7
    assert json.loads(charloom("report", trained / "run", "--written", 0, "--json").stdout)["report"].endswith("run-2")
    lines = charloom("report", trained / "names", "--written", 300, "--output", "names", "--split", "train")
    assert lines.returncode == 0, lines.stderr
    assert "first letters of words" in lines.stdout
    (tmp_path / "part.txt").write_text(docs_text[:60])
    model = charloom("report", trained / "run" / "model", "--text", "part.txt", "--json")
    assert "copying" not in json.loads(model.stdout)
    refused(charloom("report", trained / "run", "--output", "names"), "not empty")
    refused(charloom("report", trained / "run" / "model"), "--text")
    refused(charloom("report", trained / "run", "--temperature", "-1"), "temperature")
    refused(charloom("report", trained / "run", "--written", "-1"), "written")
    assert not (tmp_path / "reports" / "run-3").exists()


def test_a_file_is_compressed_and_given_back(trained: Path, charloom: Call, docs_text: str, tmp_path: Path) -> None:
    file = tmp_path / "part.txt"
    file.write_text(docs_text[:1500], "utf-8")
    told = json.loads(charloom("compress", trained / "run", "part.txt", "--json").stdout)
    coded = tmp_path / "part.txt.cl"
    assert told["compressed_bytes"] == coded.stat().st_size
    assert told["original_bytes"] == file.stat().st_size
    refused(charloom("compress", trained / "run", "part.txt"), "part.txt.cl exists", "--force")
    refused(charloom("decompress", trained / "run", "part.txt.cl"), "part.txt exists", "--force")
    file.unlink()
    assert "1,5" in charloom("decompress", trained / "run" / "model", "part.txt.cl").stdout
    assert file.read_text("utf-8") == docs_text[:1500]
    refused(
        charloom("decompress", trained / "names", "part.txt.cl", "--output", "other"), "part.txt.cl", "another model"
    )
    assert charloom("compress", trained / "run", "part.txt", "--adaptive", "--output", "smaller.cl").returncode == 0
    assert charloom("decompress", trained / "run", "smaller.cl", "--output", "again").returncode == 0
    assert (tmp_path / "again").read_bytes() == file.read_bytes()
    assert (tmp_path / "smaller.cl").stat().st_size < coded.stat().st_size
    coded.write_bytes(coded.read_bytes()[:-1])
    refused(charloom("decompress", trained / "run", "part.txt.cl", "--output", "other"), "part.txt.cl", "damaged")
    refused(charloom("decompress", trained / "run", "part.txt"), "--output")
    refused(charloom("compress", trained / "run", "nowhere"), "nowhere")
    (tmp_path / "empty").mkdir()
    refused(charloom("compress", trained / "run", "empty"), "holds no files")
    refused(charloom("compress", trained / "run", "x" * 254), "cannot be read")
    refused(charloom("compress", trained / "run", "-"), "--output")
    (tmp_path / "twin.txt.cl.tmp").write_text("mine")
    assert charloom("compress", trained / "run", "-", "--output", "twin.txt.cl", input="a b").returncode == 0
    assert (tmp_path / "twin.txt.cl.tmp").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    assert not (tmp_path / "other").exists()


def test_info_says_what_a_run_is(trained: Path, charloom: Call) -> None:
    told = json.loads(charloom("info", trained / "run", "--json").stdout)
    assert told["step"] == 20
    assert told["text"]["characters"] == 12_000
    assert told["validation"]["protocol"] == "carried"
    assert "lstm" in charloom("info", trained / "run" / "model").stdout


def test_plot_draws_several_runs(trained: Path, charloom: Call) -> None:
    for name, magic in (("loss.png", b"\x89PNG"), ("loss.svg", b"<?xml")):
        done = charloom("plot", trained / "run", trained / "names", "--output", name, cwd=trained)
        assert done.stdout.strip() == name
        assert (trained / name).read_bytes().startswith(magic)


def test_data_lists_and_shows_the_texts_with_a_name(charloom: Call) -> None:
    names = [entry["name"] for entry in json.loads(charloom("data", "list", "--json").stdout)]
    assert {"python-docs", "tiny-shakespeare"} <= set(names)
    shown = json.loads(charloom("data", "show", "python-docs", "--json").stdout)
    assert 300_000 < shown["characters"] < 700_000
    assert "comes with Python" in charloom("data", "fetch", "python-docs").stdout


def test_standard_input_is_kept_so_that_the_run_can_go_on(charloom: Call, docs_text: str, tmp_path: Path) -> None:
    done = charloom("train", "-", "--run", "run", "--steps", 5, *SMALL, input=docs_text[:3000])
    assert done.returncode == 0, done.stderr
    again = charloom("train", "--resume", "--run", "run", "--steps", 8, "--json")
    told = json.loads(again.stdout)
    assert (told["steps"], told["resumed_from"]) == (8, 5)
    assert json.loads(charloom("evaluate", "run", "--json").stdout)["characters"] == 300


def test_a_toml_file_sets_what_flags_do_not(charloom: Call, docs_text: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(docs_text[:3000])
    (tmp_path / "run.toml").write_text(
        'steps = 4\nsplit = [0.8, 0.2, 0.0]\n[network]\nhidden-size = 8\ncell = "gru"\n'
        "[training]\nbatch_size = 2\nseed = 5\n"
    )
    done = charloom("train", "text.txt", "--config", "run.toml", "--network.cell", "rnn-tanh", "--run", "run", "--json")
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["network"]["cell"] == "rnn-tanh"
    assert config["network"]["hidden_size"] == 8
    assert config["training"]["seed"] == 5
    assert config["corpus"]["split"] == [0.8, 0.2, 0.0]
    assert json.loads(done.stdout)["steps"] == 4


def test_a_preset_gives_way_to_the_file_and_to_flags(charloom: Call, docs_text: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(docs_text[:3000])
    (tmp_path / "run.toml").write_text('preset = "reference"\n[network]\nhidden_size = 8\n')
    done = charloom("train", "text.txt", "--config", "run.toml", "--steps", 2, "--run", "run", "--training.clip", 0.5)
    assert done.returncode == 0, done.stderr
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["network"]["hidden_size"] == 8
    assert config["training"]["clip"] == 0.5
    assert config["training"]["beta2"] == 0.99


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_after_the_step_with_everything_saved(
    number: signal.Signals, code: int, docs_text: str, tmp_path: Path, charloom: Call
) -> None:
    (tmp_path / "text.txt").write_text(docs_text[:50_000])
    arguments = ["train", "text.txt", "--run", "run", "--steps", "100000", "--json", *map(str, SMALL)]
    process = subprocess.Popen(
        [sys.executable, "-m", "charloom", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step "):
            break
    time.sleep(0.3)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == ""
    assert "charloom train --resume --run run" in err
    assert "Traceback" not in err
    stopped = int(err.split("stopped at step ")[1].split(" ")[0].replace(",", ""))
    assert saved_step(tmp_path / "run") == stopped > 1


def test_samples_are_shown_while_training_and_change_nothing(charloom: Call, docs_text: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(docs_text[:3000])
    with_samples = charloom("train", "text.txt", "--run", "a", "--steps", 30, *SMALL, "--sample-every", "0.05s")
    charloom("train", "text.txt", "--run", "b", "--steps", 30, *SMALL)
    assert "writes:" in with_samples.stderr
    assert (tmp_path / "a/model/model.safetensors").read_bytes() == (
        tmp_path / "b/model/model.safetensors"
    ).read_bytes()


def test_fine_tuning_from_a_run_takes_its_network(
    trained: Path, charloom: Call, docs_text: str, tmp_path: Path
) -> None:
    (tmp_path / "more.txt").write_text(docs_text[12_000:15_000])
    done = charloom("train", "more.txt", "--run", "tuned", "--from", trained / "run", "--steps", 3, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "tuned" / "config.json").read_text())["network"]["hidden_size"] == 16


@pytest.mark.parametrize("kind", ["dropout", "weight-dropout"])
def test_fine_tuning_takes_its_dropout_from_the_flags(
    kind: str, trained: Path, charloom: Call, docs_text: str, tmp_path: Path
) -> None:
    (tmp_path / "more.txt").write_text(docs_text[12_000:15_000])
    flag = (f"--network.{kind}", "0.25")
    done = charloom("train", "more.txt", "--run", "tuned", "--from", trained / "run", "--steps", 1, *flag)
    assert done.returncode == 0, done.stderr
    network = json.loads((tmp_path / "tuned" / "config.json").read_text())["network"]
    assert network[kind.replace("-", "_")] == 0.25


def test_what_is_wrong_with_a_text_is_said_in_one_sentence(charloom: Call, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 " * 100)
    refused(charloom("train", "nowhere.txt"), "nowhere.txt", "no file")
    refused(charloom("train", "python-dics"), "python-dics", "did you mean 'python-docs'")
    refused(charloom("train", "empty.txt"), "empty.txt", "empty")
    refused(charloom("train", "latin.txt"), "latin.txt", "offset 3", "--encoding")
    refused(charloom("train", "latin.txt", "--encoding", "klingon"), "klingon")
    refused(charloom("train"), "no text")
    assert not (tmp_path / "runs").exists()


def test_what_is_wrong_with_a_setting_is_said_in_one_sentence(charloom: Call, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("some text " * 50)
    (tmp_path / "bad.toml").write_text("[training]\nbacth_size = 3\n")
    (tmp_path / "type.toml").write_text('[training]\nbatch_size = "many"\n')
    (tmp_path / "broken.toml").write_text("[training\n")
    train = ("train", "text.txt", "--run", "run")
    refused(charloom(*train, "--network.hiden-size", 3), "--network.hiden-size", "--network.hidden-size")
    refused(charloom(*train, "--config", "bad.toml"), "bacth_size", "batch-size")
    refused(charloom(*train, "--config", "type.toml"), "batch_size", "type.toml", "many")
    refused(charloom(*train, "--config", "broken.toml"), "broken.toml", "TOML")
    refused(charloom(*train, "--config", "absent.toml"), "absent.toml")
    refused(charloom(*train, "--network.hidden-size", 0), "hidden_size", "at least 1")
    refused(charloom(*train, "--network.hidden-size", "big"), "hidden-size", "big")
    refused(charloom(*train, "--split", "0.9,0.2,0"), "0.9,0.2,0", "add up to 1")
    refused(charloom(*train, "--split", "0.9,0.1"), "split")
    refused(charloom(*train, "--time-budget", "4x"), "4x")
    refused(charloom(*train, "--steps", 3, "--epochs", 1), "one length")
    refused(charloom(*train, "--preset", "hugh"), "hugh")
    refused(charloom(*train, "--precision", "float16"), "precision")
    refused(charloom("trian", "text.txt"), "trian", "train")
    assert not (tmp_path / "run").exists()


def test_what_is_wrong_with_a_run_is_said_in_one_sentence(trained: Path, charloom: Call, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    before = {path: path.read_bytes() for path in (trained / "run").rglob("*") if path.is_file()}
    refused(charloom("train", trained / "text.txt", "--run", trained / "run"), "exists")
    refused(charloom("train", "--resume", "--run", "folder"), "folder", "not a run directory")
    refused(charloom("train", "--resume", "--run", "nowhere"), "nowhere", "not a run directory")
    refused(charloom("train", "--resume"), "--run")
    refused(charloom("train", "--resume", "--run", trained / "run", "--network.layers", 2), "--network.layers")
    refused(charloom("generate", "nowhere"), "nowhere")
    refused(charloom("generate", "folder"), "folder", "neither")
    refused(charloom("evaluate", trained / "run" / "model"), "--text")
    refused(charloom("plot"), "run")
    refused(charloom("plot", trained / "run", "--output", "loss.gif"), "loss.gif")
    assert before == {path: path.read_bytes() for path in (trained / "run").rglob("*") if path.is_file()}


def test_what_is_wrong_with_a_request_to_write_is_said_in_one_sentence(trained: Path, charloom: Call) -> None:
    run = trained / "run"
    refused(charloom("generate", run, "--prompt", "日本"), "日", "U+65E5", "character 0")
    refused(charloom("generate", run, "--temperature", 0), "temperature", "greedy")
    refused(charloom("generate", run, "--temperature", -1), "temperature")
    refused(charloom("generate", run, "--top-p", 0), "top_p")
    refused(charloom("generate", run, "--top-p", 1.5), "top_p")
    refused(charloom("generate", run, "--length", -3), "length")
    refused(charloom("generate", run, "--samples", 0), "samples")
    refused(charloom("generate", run, "--samples", 2, "--endless"), "--endless")
    refused(charloom("generate", run, "--prompt", "a", "--prompt", "b", "--endless"), "--endless")
    refused(charloom("generate", run, "--endless", "--json"), "endless")
    refused(charloom("generate", run, "--prompt", "a", "--prompt-file", "b"), "once")
    refused(charloom("generate", run, "--prompt-file", "nowhere"), "nowhere")


def test_a_damaged_model_is_refused(trained: Path, charloom: Call, tmp_path: Path) -> None:
    shutil.copytree(trained / "run" / "model", tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[: len(data) // 2])
    refused(charloom("generate", "model"), "model.safetensors", "damaged")
    weights.write_bytes(data)
    vocabulary = tmp_path / "model" / "vocabulary.json"
    vocabulary.write_text(json.dumps({"kind": "characters", "characters": "abc"}))
    refused(charloom("generate", "model"), "different models")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda config: config["network"].update(hiden_size=3), ("hiden_size", "did you mean 'hidden_size'")),
        (lambda config: config["network"].pop("layers"), ("network", "lacks 'layers'")),
        (lambda config: config["network"].update(hidden_size="16"), ("hidden_size", "whole number")),
        (lambda config: config.update(format="other"), ("format",)),
    ],
)
@pytest.mark.parametrize("place", ["config.json", "model/config.json"])
def test_a_configuration_with_a_mistake_is_refused(
    change: Callable[[dict], object], words: tuple[str, ...], place: str, trained: Path, charloom: Call, tmp_path: Path
) -> None:
    shutil.copytree(trained / "run", tmp_path / "run")
    config = json.loads((tmp_path / "run" / place).read_text())
    change(config)
    (tmp_path / "run" / place).write_text(json.dumps(config))
    command = ("train", "--resume", "--run", "run") if place == "config.json" else ("generate", "run")
    refused(charloom(*command), place, *words)


def test_a_text_of_one_repeated_character_trains(charloom: Call, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a" * 2000)
    done = charloom("train", "a.txt", "--steps", 3, *SMALL, "--json")
    assert json.loads(done.stdout)["validation"]["bits_per_character"] == pytest.approx(0, abs=1e-6)


def test_a_split_that_leaves_nothing_to_validate_on_trains_and_says_so(charloom: Call, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("some text " * 100)
    done = charloom("train", "text.txt", "--steps", 3, *SMALL, "--split", "1,0,0", "--json")
    assert json.loads(done.stdout)["validation"] is None
    assert "nothing is held out for validation" in done.stderr


def test_two_processes_cannot_train_into_one_run(docs_text: str, tmp_path: Path, charloom: Call) -> None:
    (tmp_path / "text.txt").write_text(docs_text[:20_000])
    arguments = ["train", "text.txt", "--run", "run", "--steps", "100000", *map(str, SMALL)]
    process = subprocess.Popen(
        [sys.executable, "-m", "charloom", *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step "):
            break
    refused(charloom("train", "--resume", "--run", "run"), "another process")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def test_an_existing_run_is_reported_before_the_text_is_read(charloom: Call, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    done = charloom("train", "missing.txt", "--run", "run")
    assert done.returncode == 2
    assert done.stderr == "charloom: run exists and is not a run; choose another --run\n"
