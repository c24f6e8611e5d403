"""Plans in Lava: the backends of `hardware.run`, and processes to wire."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from ..graphs.job import GraphJob, chosen_signals
from ..graphs.job import prepare as prepare_graph
from ..graphs.plan import GraphPlan
from ..jobs import Clamp, Inputs, prepare, signals
from ..plan import AnyPlan, Job, Plan, require_plan
from ..trace import Trace
from .float_recall_steps import float_steps
from .install import require_lava
from .session import Session, remove_log_handlers
from .shared_graph import SharedGraph
from .shared_job import SharedJob

# Backend: tag of the models, and whether populations are processes of their own.
_MODELS = {
    "lava": ("fixed_pt", True),
    "lava-float": ("floating_pt", True),
    "lava-fused": ("fixed_pt", False),
}

# A fused process does so many periods in a step of Lava, to make little of the cost of a step.
# Whether everything is at rest is looked up as often.
FUSED_PERIODS = 16


def build(
    plan: Plan | GraphPlan,
    cues: Mapping[str, ArrayLike] | ArrayLike,
    *,
    steps: int | None = None,
    batch: int | None = None,
    periods: int = 1,
    record: bool | Iterable[str] = (),
    clamp: Clamp | None = None,
    inputs: Inputs | None = None,
) -> Any:
    """A network as a Lava process, to connect with other Lava processes and run in a `Session`.

    Parameters
    ----------
    plan : Plan or GraphPlan
    cues : array_like (*batch, D), or mapping of layer names to them
        As of `hardware.run`. Recalled from the first step on. Ports and Vars have the shape (n,) if
        there is one cue without batch axes, (batch, n) otherwise.
    steps : int, optional
        Of one recall; `plan.steps` by default.
    batch : int, optional
        Cues recalled at the same time; those that remain follow, group after group, every `steps`
        steps. All by default, and always of a `GraphPlan`.
    periods : int
        Periods in a step of Lava, for the fused model.
    record, clamp, inputs
        As of `hardware.run`; signals are in ``process.job.signals``.

    Returns
    -------
    DenseAM or LayerGraph
        See `hardware.lava.graph.processes.DenseAM` and, of a `GraphPlan`,
        `hardware.lava.layers.processes.LayerGraph` for their ports and Vars.

    Examples
    --------
    >>> import amsim as am, hardware as hw                                      # doctest: +SKIP
    >>> patterns = am.patterns.random(5, 64, seed=0)                            # doctest: +SKIP
    >>> plan = hw.compile(am.dense_am(patterns))                                # doctest: +SKIP
    >>> memory = hw.lava.build(plan, am.patterns.corrupt(patterns[0], flip=.2)) # doctest: +SKIP
    >>> memory.s_out.connect(reader.a_in)                                       # doctest: +SKIP
    >>> with hw.lava.Session(memory, hw.lava.config("lava")) as session:        # doctest: +SKIP
    ...     session.run(plan.steps)
    ...     features = memory.v.get() / plan.visible.scale
    """
    if isinstance(plan, GraphPlan):
        return _build_graph(
            plan, cues, batch, periods, record, steps=steps, clamp=clamp, inputs=inputs
        )
    require_plan(plan, "hardware.lava.build")
    job, axes = prepare(plan, cast(ArrayLike, cues), steps=steps, clamp=clamp, inputs=inputs)
    chosen = signals(plan, record)
    require_lava()
    from .graph.processes import DenseAM

    try:
        return DenseAM(
            plan,
            SharedJob(plan, job, chosen, batch=batch, flat=not axes, periods=periods),
        )
    finally:
        remove_log_handlers()


def _build_graph(
    plan: GraphPlan, cues: Any, batch: int | None, periods: int, record: Any, **given: Any
) -> Any:
    job, axes = prepare_graph(plan, cues, **given)
    if batch is not None:
        raise ValueError(
            "batch groups the cues of features and memories (am.dense_am) alone: leave it out, "
            "and all cues of a GraphPlan are recalled at the same time"
        )
    chosen = chosen_signals(plan, record)
    require_lava()
    from .layers.processes import LayerGraph

    try:
        return LayerGraph(plan, SharedGraph(plan, job, chosen, flat=not axes, periods=periods))
    finally:
        remove_log_handlers()


def config(backend: str = "lava") -> Any:
    """Lava's RunConfig that chooses the models of a backend.

    Parameters
    ----------
    backend : "lava", "lava-float" or "lava-fused"
    """
    if backend not in _MODELS:
        raise ValueError(f"no Lava backend {backend!r}; one of {', '.join(_MODELS)}")
    require_lava()
    from lava.magma.core.run_configs import Loihi2SimCfg

    tag, populations = _MODELS[backend]
    return Loihi2SimCfg(select_tag=tag, select_sub_proc_model=populations)


def run(
    plan: Plan,
    job: Job,
    record: tuple[str, ...] = (),
    *,
    backend: str = "lava",
    timeout: float = 60.0,
) -> Trace:
    """Run a job in Lava; see `hardware.run`, which prepares it and decodes the result.

    Parameters
    ----------
    plan : Plan
    job : Job
    record : tuple of str
    backend : "lava", "lava-float" or "lava-fused"
    timeout : float
        Seconds without a step after which the run is given up.

    Returns
    -------
    Trace
        With "lava-float" the final states are floats, not rounded to integers.
    """
    models = config(backend)
    from .graph.processes import DenseAM

    start = time.perf_counter()
    with _RegistryRestored():
        shared = SharedJob(plan, job, record, periods=_periods(backend))
        with Session(DenseAM(plan, shared), models, timeout=timeout) as session:
            built = time.perf_counter()
            if backend == "lava-float":
                session.run(float_steps(plan, job.steps))
            else:
                _run_job(session, plan, shared, backend)
            seconds = {"build": built - start, "run": time.perf_counter() - built}
    settled = None if backend == "lava-float" else _settled(plan, shared)
    kind = np.float64 if backend == "lava-float" else np.int64
    without = ("rounds", "normaliser") if plan.normaliser is None else ()
    return Trace(
        final={n: a.astype(kind) for n, a in shared.final.items() if n not in without},
        signals={n: a.astype(kind) for n, a in shared.signals.items()},
        messages={n: a.copy() for n, a in shared.messages.items() if n not in without},
        steps=job.steps,
        seconds=seconds,
        settled=settled,
    )


def run_graph(
    plan: GraphPlan,
    job: GraphJob,
    record: tuple[str, ...] = (),
    *,
    backend: str = "lava",
    timeout: float = 60.0,
) -> Trace:
    """Run a job of a network of any layers; as `run`.

    Parameters
    ----------
    plan : GraphPlan
    job : GraphJob
    record : tuple of str
    backend : "lava" or "lava-fused"
    timeout : float
        Seconds without a step after which the run is given up.
    """
    models = config(backend)
    from .layers.processes import LayerGraph

    start = time.perf_counter()
    with _RegistryRestored():
        shared = SharedGraph(plan, job, record, periods=_periods(backend))
        with Session(LayerGraph(plan, shared), models, timeout=timeout) as session:
            built = time.perf_counter()
            _run_job(session, plan, shared, backend)
            seconds = {"build": built - start, "run": time.perf_counter() - built}
    return shared.trace(seconds)


def _periods(backend: str) -> int:
    """Of the plan, that a process does in a step of Lava; of populations it does a step."""
    return FUSED_PERIODS if backend == "lava-fused" else 1


def _run_job(
    session: Session, plan: AnyPlan, shared: SharedJob | SharedGraph, backend: str
) -> None:
    """Run a job; if nothing is recorded, periods at rest are counted and not computed."""
    stride = FUSED_PERIODS * plan.period if backend == "lava-fused" else 1
    if shared.signals:
        session.run(-(-shared.job.steps // stride))
    else:
        _until_rest(session, plan, shared, stride)


def _until_rest(
    session: Session, plan: AnyPlan, shared: SharedJob | SharedGraph, stride: int
) -> None:
    """Run a job; periods after everything came to rest are counted and not computed.

    Parameters
    ----------
    stride : int
        Steps of the plan in a step of Lava.
    """
    job = shared.job
    interval = max(plan.period, stride)  # in steps; a whole number of periods and of steps of Lava
    block = FUSED_PERIODS * plan.period // interval * interval
    done = 0

    def advance(steps: int) -> None:
        nonlocal done
        session.run(-(-steps // stride))
        done += steps

    while done + block <= job.steps:
        advance(block)
        # In period 0 the states are held, so that it may look like rest.
        moving = np.maximum(np.max(list(shared.moving.values()), axis=0), 1)
        if (moving * plan.period < done).all() and done > (job.driven + 1) * plan.period:
            skipped = ((job.steps - done) // interval - 1) * interval
            if skipped > 0:
                shared.skipped = skipped
                before = {kind: count.copy() for kind, count in shared.messages.items()}
                advance(interval)
                for kind, count in shared.messages.items():
                    count += skipped // interval * (count - before[kind])
                done += skipped
            break
    if done < job.steps:
        advance(job.steps - done)


def _settled(plan: Plan, shared: SharedJob) -> Any:
    """Steps after which nothing of a cue changed any more, (N,); -1 where something still did."""
    moving = np.maximum(np.max(list(shared.moving.values()), axis=0), 1)
    return np.where(moving < shared.job.steps // plan.period, moving * plan.period, -1)


class _RegistryRestored:
    """Lava keeps every process and Var for ever; take those made in this block off its lists."""

    def __enter__(self) -> None:
        from lava.magma.core.process.process import ProcessServer
        from lava.magma.core.process.variable import VarServer

        self._lists = (ProcessServer().processes, VarServer().vars)
        self._lengths = [len(entries) for entries in self._lists]

    def __exit__(self, *_: object) -> None:
        for entries, length in zip(self._lists, self._lengths, strict=True):
            del entries[length:]
