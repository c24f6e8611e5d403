"""Models of the project's own processes, without Lava's search for them.

For each process Lava executes every file beside it, as often as there are files: that takes longer
than all else before a recall begins.
"""

from __future__ import annotations

import copy
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs

_OURS = f"{__package__}."


class _Known(dict[Any, Any]):
    """By process the model that a RunConfig makes an exception, or chooses among ours."""

    def __init__(self, config: Any) -> None:
        super().__init__(config.exception_proc_model_map)
        self._config = config

    def __contains__(self, process: object) -> bool:
        return super().__contains__(process) or type(process).__module__.startswith(_OURS)

    def __missing__(self, process: Any) -> Any:
        package = import_module(type(process).__module__.rpartition(".")[0])
        models = [
            model
            for found in iter_modules(package.__path__, f"{package.__name__}.")
            for model in ProcGroupDiGraphs._find_proc_models_in_module(
                process, import_module(found.name)
            )
        ]
        return ProcGroupDiGraphs._select_proc_models(process, models, self._config)


def knowing_ours(config: Any) -> Any:
    """A RunConfig that chooses as this one does, and needs no search for models of the project."""
    if not hasattr(config, "exception_proc_model_map"):
        return config  # one of the user's, which Lava does not ask for exceptions
    knowing = copy.copy(config)
    knowing.exception_proc_model_map = _Known(config)
    return knowing
