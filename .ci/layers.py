"""Check who imports whom, against the contracts in pyproject.toml.

Code of the project imports `hardware` and `experiments` as parts of `amsim`, beside which their
folders stand; so the sources are copied to where they are imported from.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from importlinter.cli import lint_imports

HOME = Path(__file__).parents[1]


def copy_sources(folder: Path) -> None:
    """Make `folder`/amsim, with everything in it."""
    for name, place in (("amsim", ""), ("hardware", "amsim"), ("experiments", "amsim")):
        shutil.copytree(
            HOME / name,
            folder / place / name,
            ignore=shutil.ignore_patterns("__pycache__", "*.pyi"),
            dirs_exist_ok=True,
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        copy_sources(Path(folder))
        os.chdir(folder)
        sys.path.insert(0, folder)
        status = lint_imports(str(HOME / "pyproject.toml"), no_cache=True, no_logo=True)
        os.chdir(HOME)
    sys.exit(status)
