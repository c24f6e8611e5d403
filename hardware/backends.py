"""Where a plan can run: the emulator, Lava, and whatever a package registers.

A backend is a function; `Backend` has the rules that it keeps. A package that drives a real chip
registers its own under the entry point group ``amsim.backends``; the name of the entry point is
the name of the backend. Nothing ever falls back to another backend.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Protocol, cast

from amsim import checks

from .graphs.job import GraphJob
from .graphs.plan import GraphPlan
from .plan import Job, Plan
from .trace import Trace

GROUP = "amsim.backends"
LAVA = ("lava", "lava-float", "lava-fused")


class BackendUnavailable(RuntimeError):  # noqa: N818 - the field says "unavailable"
    """The backend is not installed here, or does not work; the message says what to do."""


class Backend(Protocol):
    """Runs a job: ``backend(plan, job, record) -> Trace``.

    1. The integers are those of the plan: in each step the population whose turn it is does what
       `plan.schedule` says, with the functions of `hardware.kernels` and the numbers of
       `plan.visible`, `plan.hidden` and `plan.normaliser`. "lava-float" alone computes in floats.
    2. It starts from the job: v, h and c from `Job.visible`, `hidden` and `log_sum`, c also in
       every memory, all else from 0. Cues do not influence each other.
    3. A clamped feature keeps its v. Driven inputs of period k are in row min(k, T - 1).
    4. `Trace.final` has the states after exactly `job.steps` steps, also in the middle of a period:
       "visible" (B, D), "hidden" (B, K), and "normaliser" (B, 1) if the plan has one.
    5. `Trace.signals` has each name in `record` and no other, (T, B, n): row t is the value at the
       end of step t. "..._out" is the message of the step, 0 where a unit is silent.
    6. `Trace.messages` counts what is not 0, for each cue, as the turns say (`Turn.counted`).
    7. Steps may be left out once nothing can change any more, if states and counts are those of all
       steps. `Trace.settled` says after how many steps a cue rests, counted in whole periods and
       never 0, and -1 where it still moved; None where that is not known.
    8. The plan and the job are not changed. They were checked, and the plan is proven: a backend
       checks what else can go wrong, and raises; it never returns what it did not compute.

    `hardware.exact` computes the same step by step, and `Plan.golden` writes it to a file.
    """

    def __call__(self, plan: Plan, job: Job, record: tuple[str, ...], /) -> Trace: ...


class GraphBackend(Protocol):
    """Runs a job of a `GraphPlan`, by the rules of `Backend` and with the signals of its turns."""

    def __call__(self, plan: GraphPlan, job: GraphJob, record: tuple[str, ...], /) -> Trace: ...


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


def find_for_graphs(name: str) -> GraphBackend:
    """The backend of a name, for a `GraphPlan`.

    Raises
    ------
    BackendUnavailable
        If it is not there, or takes plans of two layers alone.
    """
    backend = find(name)
    if name in ("lava", "lava-fused"):
        from . import lava

        return lambda plan, job, record: lava.run_graph(plan, job, record, backend=name)
    if name != "emulator":
        raise BackendUnavailable(
            f"backend {name!r} takes plans of features and memories (am.dense_am) alone; networks "
            f"of other layers run on 'emulator', 'lava' and 'lava-fused'"
        )
    return cast(GraphBackend, backend)


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
