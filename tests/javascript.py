"""The playground's modules under node, for tests."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from charloom.playground import SITE


def in_node(script: str, *arguments: object) -> Any:
    """The JSON value that a module prints: `script` runs with the site's modules, with `arguments` in `given`.

    Without node the test is skipped.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    opening = f"const given = {json.dumps(arguments)}; const site = {json.dumps(SITE.as_uri())};\n"
    done = subprocess.run(
        [node, "--input-type=module", "-"],
        input=opening + script,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
