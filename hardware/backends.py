"""Where a plan can run: the emulator, Lava, and whatever a package registers.

A backend is a function ``backend(plan, job, record) -> Trace``. A package that drives a real chip
registers its own under the entry point group ``amsim.backends``; the name of the entry point is
the name of the backend. Nothing ever falls back to another backend.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points

from amsim import checks

from .plan import Integers, Job, Plan

GROUP = "amsim.backends"
LAVA = ("lava", "lava-float", "lava-fused")
# What can be recorded. "..._out" is the message that a unit sends in the step, 0 if it is silent.
STATES = ("visible", "hidden", "normaliser")
SIGNALS = (*STATES, "visible_out", "hidden_out", "normaliser_out")


class BackendUnavailable(RuntimeError):  # noqa: N818 - the field says "unavailable"
    """The backend is not installed here, or does not work; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Trace:
    """What a backend returns.

    Attributes
    ----------
    final : dict of str to ndarray of int
        v (B, D) under "visible", h (B, K) under "hidden", c (B, 1) under "normaliser" (softmax
        memories only), after the last step.
    signals : dict of str to ndarray of int (T, B, n)
        The recorded signals; row t is the value at the end of step t.
    messages : dict of str to ndarray of int (B,)
        Messages that are not 0, by kind: "visible" (from features), "hidden" (p or f from
        memories), "rounds" (from memories to the normaliser), "normaliser".
    steps : int
        Steps that were asked for; the states are those after so many steps.
    seconds : dict of str to float
        Wall-clock times, "build" and "run".
    settled : ndarray of int (B,), optional
        Steps after which the integers of a cue no longer changed, -1 where they still did.
    """

    final: dict[str, Integers]
    signals: dict[str, Integers]
    messages: dict[str, Integers]
    steps: int
    seconds: dict[str, float] = field(default_factory=dict)
    settled: Integers | None = None


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
