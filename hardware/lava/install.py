"""Import Lava where it can work, and say what to do where it cannot."""

import importlib
import multiprocessing
import sys

from amsim.errors import MissingDependencyError

from .newer_python import support

support()


def require_lava() -> None:
    """Import Lava, or explain why that is impossible.

    Lava starts its processes by fork and claims multiprocessing's start method for it when it is
    imported. A start method that was set before is respected: "fork" stays, any other is an error.

    Raises
    ------
    MissingDependencyError
        If Lava is not installed, or cannot be imported on this Python, or there is no fork.
    RuntimeError
        If multiprocessing's start method is not "fork".
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        raise MissingDependencyError(
            "The Lava backend starts its processes by fork, which this system does not have. Use "
            "Linux or macOS, or backend='emulator', which computes the same integers without Lava."
        )
    method = multiprocessing.get_start_method(allow_none=True)
    if method not in (None, "fork"):
        raise RuntimeError(
            f"Lava starts its processes by fork, but multiprocessing's start method is {method!r}. "
            "Do not call multiprocessing.set_start_method in this program, or set it to 'fork', "
            "or run Lava in a program of its own."
        )
    if method == "fork" and "lava.magma.core.process.process" not in sys.modules:
        # Lava sets the method itself, and fails if that was done before.
        multiprocessing.set_start_method(None, force=True)
    try:
        importlib.import_module("lava.magma.core.process.process")
    except Exception as error:  # on a Python, or beside a package, that Lava does not know
        hiding = getattr(sys.modules.get("lava"), "__file__", None)
        if hiding is not None:  # Lava itself is a folder without an __init__.py
            raise MissingDependencyError(
                f"the file {hiding} hides the package lava; rename it, or start Python elsewhere"
            ) from error
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise MissingDependencyError(
            f"The Lava backend needs lava-nc 0.10.0, which cannot be imported on this Python "
            f"{version} ({error}). `amsim lava install` installs it; backend='emulator' computes "
            "the same integers without Lava."
        ) from error
    finally:
        if method == "fork":
            multiprocessing.set_start_method("fork", force=True)
