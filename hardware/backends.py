"""Where a plan can run: the emulator, Lava, and whatever a package registers.

A backend is a function ``backend(plan, job, record) -> Trace``. A package that drives a real chip
registers its own under the entry point group ``amsim.backends``; the name of the entry point is
the name of the backend. Nothing ever falls back to another backend.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from amsim import checks

from .plan import Job, Plan
from .trace import Trace

GROUP = "amsim.backends"
LAVA = ("lava", "lava-float", "lava-fused")


class BackendUnavailable(RuntimeError):  # noqa: N818 - the field says "unavailable"
    """The backend is not installed here, or does not work; the message says what to do."""


Backend = Callable[[Plan, Job, tuple[str, ...]], Trace]


def find(name: str) -> Backend:
    """The backend of a name.

    Raises
    ------
    BackendUnavailable
        If it is not there; the message names those that are, and the remedy.
    """
    checks.text("backend", name)
    if name == "emulator":
        from .emulator import emulate

        return emulate
    if name in LAVA:
        return _lava(name)
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        raise BackendUnavailable(
            f"no backend {name!r}; here are {', '.join(available())}. A package that drives a chip "
            f"adds its own by an entry point in the group {GROUP!r} (docs/hardware.md)"
        )
    try:
        backend: Backend = found[0].load()
    except (ImportError, AttributeError) as error:
        raise BackendUnavailable(
            f"backend {name!r} ({found[0].value}) cannot be imported: {error}; repair or "
            f"reinstall the package that registers it"
        ) from error
    return backend


def available() -> tuple[str, ...]:
    """Names that can be asked for; whether Lava itself is installed shows when it is asked for."""
    return ("emulator", *LAVA, *sorted(point.name for point in entry_points(group=GROUP)))


def _lava(name: str) -> Backend:
    from . import lava

    try:
        lava.require_lava()
    except ImportError as error:
        raise BackendUnavailable(f"backend {name!r} is not available: {error}") from error
    return lambda plan, job, record: lava.run(plan, job, record, backend=name)
