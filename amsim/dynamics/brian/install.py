"""The import of Brian2, with an error that names the remedy where it is missing."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from ...errors import MissingDependencyError


def require_brian2() -> ModuleType:
    """Brian2, imported without what its import does to exceptions and warnings of the process.

    Raises
    ------
    MissingDependencyError
        If it is not installed or cannot be imported.
    """
    if sys.modules.get("brian2") is not None:
        return sys.modules["brian2"]
    hook = sys.excepthook
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            show = warnings.showwarning
            brian2 = importlib.import_module("brian2")
            if warnings.showwarning is not show:
                logging.captureWarnings(False)
    except Exception as error:
        raise MissingDependencyError(
            f"Brian2 cannot be imported ({error}). Install it with `pip install brian2`; without "
            f"it, ExponentialIntegrator() and EventDriven() run the same networks."
        ) from error
    finally:
        sys.excepthook = hook
    return brian2


@contextmanager
def numpy_target(b2: ModuleType) -> Iterator[None]:
    """Compile nothing, whatever the preferences say, and leave them as they were."""
    before = b2.prefs["codegen.target"]
    b2.prefs["codegen.target"] = "numpy"
    try:
        yield
    finally:
        b2.prefs["codegen.target"] = before
