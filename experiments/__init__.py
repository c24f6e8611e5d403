"""Experiments on networks without a clock, one module a question; `find` and `names` list them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amsim import checks
from amsim.siblings import adopt

if TYPE_CHECKING:
    from .runner.experiment import Experiment

adopt(__name__)

__all__ = [
    "find",
    "names",
]


def __dir__() -> list[str]:
    return __all__


def find(name: str) -> Experiment:
    """Import the experiment of that name.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> import experiments
    >>> experiments.find("asynchrony").name
    'asynchrony'
    """
    from importlib import import_module

    if checks.text("name", name) in _modules():
        module = import_module(f"{__name__}.{name}")
        if hasattr(module, "EXPERIMENT"):
            return module.EXPERIMENT  # type: ignore[no-any-return]
    raise ValueError(f"there is no experiment {name!r}; choose from {', '.join(names())}")


def names() -> list[str]:
    """Names of all experiments: of the modules here that define ``EXPERIMENT``."""
    from importlib import import_module

    return [
        name for name in _modules() if hasattr(import_module(f"{__name__}.{name}"), "EXPERIMENT")
    ]


def _modules() -> list[str]:
    from pkgutil import iter_modules

    return [module.name for module in iter_modules(__path__) if not module.ispkg]
