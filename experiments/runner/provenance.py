"""Provenance of results: versions, commit, machine."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

_PACKAGES = ("amsim", "numpy", "scipy", "numba", "xarray", "h5netcdf", "joblib", "matplotlib")


def provenance() -> dict[str, Any]:
    """Describe what runs, and on what.

    Returns
    -------
    dict
        "versions" by package, "commit" of the source (None if it is installed; with "+changes"
        where files differ from it), "python", "platform", "processor", "host".
    """
    return {
        "versions": {name: _version(name) for name in _PACKAGES},
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "host": socket.gethostname(),
    }


@cache  # what this process imports stays as it is; reading it takes longer than a small run
def _version(package: str) -> str | None:
    if package == "amsim":
        from amsim import __version__

        return __version__
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Ask git, if this very file is under version control."""
    here = Path(__file__).parent
    if _git("ls-files", "--error-unmatch", "experiment.py", at=here) is None:
        return None
    commit = _git("rev-parse", "HEAD", at=here)
    top = here.parents[1]
    packages = [str(top / name) for name in ("amsim", "hardware", "experiments")]
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *packages, at=here)
    return f"{commit}+changes" if changed else commit


def _git(*arguments: str, at: Path) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=at, capture_output=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace").strip()


def _processor() -> str:
    """Name the processor: results may differ in their last bits between two kinds."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
