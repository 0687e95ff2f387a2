"""Runs the front end's own tests: `node --test` over spot/frontend/test/."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

FRONTEND = Path(__file__).resolve().parents[2] / "spot" / "frontend"


def test_the_front_ends_own_tests_pass() -> None:
    # The virtual environment's Node, where one had to be fetched, lies beside its Python.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    node = shutil.which("node", path=path)
    assert node is not None, "Node.js is missing: `make` fetches it"
    files = sorted(str(file) for file in (FRONTEND / "test").rglob("*.test.js"))
    done = subprocess.run(
        [node, "--test", *files], check=False, cwd=FRONTEND, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert files
