"""Who imports whom: the contracts of pyproject.toml hold; docs/architecture.md has their map."""

import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).parents[2]


def test_modules_keep_to_their_layers():
    check = [sys.executable, str(HOME / ".ci" / "layers.py")]
    run = subprocess.run(check, cwd=HOME, capture_output=True, text=True, timeout=200, check=False)
    assert "2 kept, 0 broken" in run.stdout, run.stdout + run.stderr
