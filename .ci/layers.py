"""Check who imports whom, against the contracts in pyproject.toml.

Code of the project imports `hardware` and `experiments` as parts of `amsim`, beside which their
folders stand; so the sources are copied to where they are imported from.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HOME = Path(__file__).parents[1]


def copy_sources(folder: Path) -> None:
    """Make `folder`/amsim, with everything in it."""
    places = {"amsim": "amsim", "hardware": "amsim/hardware", "experiments": "amsim/experiments"}
    for name, place in places.items():
        shutil.copytree(
            HOME / name,
            folder / place,
            ignore=shutil.ignore_patterns("__pycache__", "*.pyi"),
            dirs_exist_ok=True,
        )


def lint(folder: Path) -> int:
    """Check the sources in a folder; the exit code is 0 if they keep to the contracts."""
    command = "from importlinter.cli import lint_imports_command as lint; lint()"
    options = ["--no-cache", "--config", str(HOME / "pyproject.toml")]
    return subprocess.run([sys.executable, "-c", command, *options], cwd=folder).returncode


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        copy_sources(Path(folder))
        sys.exit(lint(Path(folder)))
