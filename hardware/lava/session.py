"""A Lava graph that cannot hang."""

from __future__ import annotations

import logging
import sys
import warnings
import weakref
from typing import TYPE_CHECKING, Any

from amsim import checks

from ..jobs import MOST_STEPS
from .install import require_lava
from .workers import LavaError, LavaTimeoutError, WorkerGroup

if TYPE_CHECKING:
    from types import TracebackType

    from .runtime import GuardedRuntime

__all__ = ["LavaError", "LavaTimeoutError", "Session", "remove_log_handlers"]

_SEARCH = "lava.magma.compiler.compiler_graphs"  # of Lava: where files are executed


class Session:
    """Compile a process and all that it is connected to, and keep the graph until the end.

    Use it in a ``with`` block. Whatever happens in the block or in a child (an exception, a
    killed process, a step that never ends, Ctrl-C, ``sys.exit``) ends every process of the graph
    within two seconds, with one error that holds the traceback of the child. ``Var.get`` and
    ``Var.set`` of all processes work between runs, through shared memory; so do Lava's own
    ``run``, ``wait``, ``pause`` and ``stop``.

    Parameters
    ----------
    process
        Any Lava process. It has not been run or compiled before.
    config
        Lava's RunConfig, which chooses the process models. By default the fixed-point models
        of populations: ``Loihi2SimCfg(select_tag="fixed_pt", select_sub_proc_model=True)``.
    timeout
        Seconds without progress (a model built, a step done by some process) after which the
        graph is given up.

    Raises
    ------
    LavaError
        If a model fails, in its constructor or in a step, or if its process dies.
    LavaTimeoutError
        If there is no progress.
    ValueError
        If a Var starts with a fraction, or a number, that the integers of its model cannot hold.
    MissingDependencyError
        If Lava cannot be imported.

    Notes
    -----
    Lava executes every Python file beside that of a process, to look for models. A script that
    opens a Session has to do so below ``if __name__ == "__main__":``, or stand in another folder
    than the processes; otherwise it would open one in itself, which is refused with an error.

    Examples
    --------
    >>> from lava.proc.lif.process import LIF                          # doctest: +SKIP
    >>> neurons = LIF(shape=(3,), bias_mant=5)                         # doctest: +SKIP
    >>> with Session(neurons) as session:                              # doctest: +SKIP
    ...     session.run(10)
    ...     voltages = neurons.v.get()
    """

    def __init__(self, process: Any, config: Any = None, *, timeout: float = 60.0) -> None:
        _refuse_nested()
        try:
            executable = _compile(process, config, timeout)
        finally:
            remove_log_handlers()
        from .runtime import GuardedRuntime

        self._runtime = GuardedRuntime(executable, WorkerGroup(), timeout)
        self._forgotten = weakref.finalize(self, _end_forgotten, self._runtime)
        process.runtime = self._runtime
        executable.assign_runtime_to_all_processes(self._runtime)
        self._runtime.initialize()

    def run(self, steps: int) -> None:
        """Run the graph and wait until it has done the steps.

        Parameters
        ----------
        steps
            At least 1.
        """
        from lava.magma.core.run_conditions import RunSteps

        self._runtime.start(RunSteps(num_steps=checks.count("steps", steps, at_most=MOST_STEPS)))

    def stop(self) -> None:
        """End the graph; the end of a ``with`` block does it."""
        self._forgotten.detach()
        self._runtime.stop()
        remove_log_handlers()

    @property
    def pids(self) -> list[int]:
        """Ids of the operating-system processes of the graph."""
        return self._runtime.pids

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._runtime.end(f"an exception ({kind.__name__}) left its with block")
        self.stop()


def _compile(process: Any, config: Any, timeout: float) -> Any:
    require_lava()
    from lava.magma.core.run_configs import Loihi2SimCfg

    from .known_models import knowing_ours

    if not timeout > 0:
        raise ValueError(f"timeout must be positive, got {timeout!r}")
    if process.runtime is not None:
        raise LavaError(f"{process.name} has been run before; build a new process")
    if config is None:
        config = Loihi2SimCfg(select_tag="fixed_pt", select_sub_proc_model=True)
    try:
        return process.compile(knowing_ours(config))
    except OpenedByImport as error:
        raise LavaError(str(error)) from None


class OpenedByImport(BaseException):
    """A Session was opened while Lava executed files to find models."""


def _refuse_nested() -> None:
    """Raise in a file that Lava's compiler is executing: what it opens would open it again."""
    frame, name = sys._getframe(1), ""
    while frame is not None:
        if frame.f_code.co_name == "<module>" and not name:
            name = frame.f_code.co_filename
        if frame.f_globals.get("__name__") == _SEARCH:
            raise OpenedByImport(
                f"{name or 'a file'} opens a Session when it is imported, and Lava's compiler "
                f"imports every file beside a process to look for models. Put what runs below "
                f'`if __name__ == "__main__":`, or the processes into a folder of their own'
            )
        frame = frame.f_back  # type: ignore[assignment]


def remove_log_handlers() -> None:
    """Remove the handlers that each Lava process adds to the root logger, and each compiler.

    A handler is known by Lava's format. Without this, every later line of the log is printed once
    per process that ever was.
    """
    if "lava.magma.core.process.process" not in sys.modules:
        return
    from lava.magma.core.process.process import LogConfig

    root = logging.getLogger()
    for handler in list(root.handlers):
        if handler.formatter is not None and handler.formatter._fmt == LogConfig.format:
            root.removeHandler(handler)
    logging.getLogger("lava.magma.compiler.compiler").handlers.clear()


def _end_forgotten(runtime: GuardedRuntime) -> None:
    if runtime.alive:
        runtime.end("its Session was forgotten")
        remove_log_handlers()
        warnings.warn(
            "A Lava Session was not stopped; its processes are ended now. "
            "Use `with Session(...)`, or call stop().",
            RuntimeWarning,
            stacklevel=2,
        )
