"""Import Brian2, or say why that is impossible."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings
from types import ModuleType

from ...errors import MissingDependencyError


def require_brian2() -> ModuleType:
    """Brian2, imported without what its import does to exceptions and warnings of the process.

    Raises
    ------
    MissingDependencyError
        If it is not installed or cannot be imported.
    """
    if "brian2" in sys.modules:
        return sys.modules["brian2"]
    hook = sys.excepthook
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            brian2 = importlib.import_module("brian2")
            logging.captureWarnings(False)
    except Exception as error:
        raise MissingDependencyError(
            f"Brian2 cannot be imported ({error}). Install it with `pip install brian2`; without "
            f"it, ExponentialIntegrator() and EventDriven() run the same networks."
        ) from error
    finally:
        sys.excepthook = hook
    return brian2
