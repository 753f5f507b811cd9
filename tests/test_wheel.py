"""The built wheel installs into an empty environment, without development tools, and works there."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_built_wheel_trains_generates_evaluates_and_has_models_and_the_course_in_an_empty_environment(
    tmp_path: Path, docs_text: str
) -> None:
    uv = os.environ.get("CHARLOOM_TEST_UV")
    built_by = ["--installer", "uv"] if uv else []
    run(sys.executable, "-m", "build", *built_by, "--outdir", tmp_path / "dist", ROOT, cwd=tmp_path)  # from the sdist
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    binaries = tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin")
    if uv:
        run(uv, "pip", "install", "--quiet", "--python", binaries / "python", wheel, cwd=tmp_path)
    else:
        run(binaries / "python", "-m", "pip", "install", "--quiet", "--no-compile", wheel, cwd=tmp_path)
    installed = run(binaries / "python", "-m", "pip", "list", cwd=tmp_path)
    assert "pytest" not in installed

    (tmp_path / "text.txt").write_text(docs_text[:5000])
    charloom = binaries / "charloom"
    run(charloom, "train", "text.txt", "--preset", "small", "--steps", 5, "--run", "run", cwd=tmp_path)
    assert len(run(charloom, "generate", "run", "--length", 20, cwd=tmp_path)) == 21
    assert json.loads(run(charloom, "evaluate", "run", "--json", cwd=tmp_path))["characters"] == 500

    assert wheel.stat().st_size < 20 << 20
    assert run(charloom, "generate", "english", "--prompt", "It was", "--length", 20, cwd=tmp_path).startswith("It was")
    assert len(run(charloom, "complete", "english", "It was a dark and st", cwd=tmp_path).splitlines()) == 5
    assert json.loads(run(charloom, "score", "english", "It was.", "--json", cwd=tmp_path))
    run(charloom, "train", "text.txt", "--time-budget", "5s", "--run", "from-english", cwd=tmp_path)
    origin = json.loads((tmp_path / "from-english" / "config.json").read_text())["origin"]
    assert origin["path"] == "english"

    assert {"english", "languages"} <= set(run(charloom, "models", "list", cwd=tmp_path).split())
    for name in ("english", "languages"):
        assert "SHA-256 of model.safetensors" in run(charloom, "models", "show", name, cwd=tmp_path)
    slips = "They found the old hosue in the midle of the forest."
    corrected = run(charloom, "correct", "english", slips, cwd=tmp_path)
    assert corrected == "They found the old house in the middle of the forest.\n"
    predicted = run(charloom, "classify", "predict", "languages", "--text", "Wie spät ist es?", "--json", cwd=tmp_path)
    assert '"de"' in predicted
    compress = [charloom, "compress", "english", "run/model/README.md", "--output", "text.cl"]
    refused = subprocess.run(compress, cwd=tmp_path, capture_output=True, text=True)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.endswith(" needs an optional package; install it with: pip install 'charloom[compress]'\n")
    assert len(refused.stderr.splitlines()) == 1 and not (tmp_path / "text.cl").exists()

    run(charloom, "course", "lessons", cwd=tmp_path)
    for notebook in (ROOT / "course").glob("[0-9][0-9]_*.ipynb"):
        assert (tmp_path / "lessons" / notebook.name).read_bytes() == notebook.read_bytes()
