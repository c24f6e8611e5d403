"""The command ``amsim lava``: adds Lava to the environment that amsim runs in."""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import subprocess
import sys
from typing import Any

from .console import DONE, MISSING, UserError, emit, fail, note

_HELP = """\
  amsim lava install
  amsim doctor --deep
"""
_PACKAGES = ("lava-nc==0.10.0", "asteval")
_SECONDS = 600
_WHAT_IT_DOES = """\
Lava 0.10.0 asks for Python 3.10, NumPy 1 and networkx up to 2.8.7. amsim's tests run it on later
ones as well, and it computes the same integers there; but its maintainers do not support that, and
`pip check` will complain. So it is installed without its dependencies, which amsim has, but for
asteval. It also brings a package called `tests`."""


def add(commands: Any) -> None:
    """Add the command to the parser."""
    lava = commands.add_parser(
        "lava",
        examples=_HELP,
        help="add Intel's simulator of Loihi to this environment",
        description=f"Add Lava to the environment that amsim runs in.\n\n{_WHAT_IT_DOES}",
    )
    lava.add_argument("action", choices=["install"])
    lava.set_defaults(run=_install)


def _install(args: argparse.Namespace) -> int:
    from .. import doctor

    found = doctor.examine("lava-nc")
    if found.status != "ok":
        note(_WHAT_IT_DOES)
        _run([*_installer(), *_PACKAGES])
        found = doctor.examine("lava-nc")
    if found.status != "ok":
        return fail(MISSING, f"Lava is installed, but {found.detail}")
    emit(f"Lava {found.version} is installed; a graph of it computes what the emulator does")
    return DONE


def _installer() -> list[str]:
    """The command that installs into this environment, but for the packages."""
    python = sys.executable
    if importlib.util.find_spec("pip"):
        return [python, "-m", "pip", "install", "--ignore-requires-python", "--no-deps"]
    uv = shutil.which("uv")
    if uv is None:
        raise UserError(f"neither pip nor uv is here; run `{python} -m ensurepip` first")
    return [uv, "pip", "install", "--python", python, "--no-deps"]


def _run(command: list[str]) -> None:
    note(" ".join(command))
    try:
        # What it says is no result of ours.
        code = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=sys.stderr, timeout=_SECONDS, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        raise UserError(f"no end within {_SECONDS} s; is the package index reachable?") from None
    except OSError as error:
        raise UserError(f"cannot start {command[0]}: {error.strerror}") from error
    if code:
        raise UserError(f"the installation ended with code {code}; its own words stand above")
