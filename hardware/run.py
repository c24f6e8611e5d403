"""Run a plan on a backend: cues to integers, integers back to states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from amsim import checks
from amsim.results import RunResult, Variables

from .backends import find, find_for_graphs
from .graphs.job import chosen_signals
from .graphs.job import prepare as prepare_graph
from .graphs.plan import GraphPlan
from .graphs.turns import signals as graph_signals
from .jobs import Clamp, Floats, Inputs, prepare, signals
from .plan import Integers, Plan, require_plan
from .schedule import SIGNALS
from .trace import Trace

__all__ = ["Inputs", "Result", "prepare", "run"]


@dataclass(frozen=True, eq=False)
class Result(RunResult):
    """What a backend computed.

    Attributes
    ----------
    plan : Plan or GraphPlan
    backend : str
    batch : tuple of int
        Axes of the cues in front of the units.
    trace : Trace
        The integers with one batch axis.
    verified_on_hardware : bool
        Always False: nothing in this package has run on a chip.
    """

    plan: Plan | GraphPlan
    backend: str
    batch: tuple[int, ...]
    trace: Trace
    verified_on_hardware: bool = False
    STATUSES: ClassVar = ("settled", "step_limit", "unknown")
    time_label: ClassVar = "time (units of τ)"

    @cached_property
    def integers(self) -> dict[str, Integers]:
        """States after the last step, (*batch, n), by layer, and of normalisers."""
        return {name: self._batched(state) for name, state in self.trace.final.items()}

    @cached_property
    def final(self) -> dict[str, Floats]:
        """States after the last step in the units of the network, (*batch, n)."""
        return {name: self.integers[name] / scale for name, scale in self.plan.scales.items()}

    @property
    def messages(self) -> dict[str, Integers]:
        """Messages sent, (*batch), by what they are counted as.

        From "visible", "hidden", in "rounds" and from "normaliser"; with a `GraphPlan` from every
        layer, and "hidden.rounds" and "hidden.normaliser" of a softmax.
        """
        return {name: count.reshape(self.batch) for name, count in self.trace.messages.items()}

    @property
    def settled(self) -> Integers | None:
        """Steps after which nothing changed, (*batch), -1 where something did; see `Trace`."""
        return None if self.trace.settled is None else self.trace.settled.reshape(self.batch)

    @property
    def steps(self) -> int:
        """Steps computed."""
        return self.trace.steps

    @property
    def seconds(self) -> dict[str, float]:
        """Wall-clock times, "build" and "run"."""
        return self.trace.seconds

    def states(self, name: str) -> Integers:
        """A recorded signal after every step, (steps, *batch, n).

        Raises
        ------
        ValueError
            If it was not recorded.
        """
        checks.text("name", name)
        if name not in self.trace.signals:
            raise ValueError(
                f"{name!r} was not recorded; pass record=({name!r},) to run (there are "
                f"{', '.join(every_signal(self.plan))})"
            )
        rows = self.trace.signals[name]
        return rows.reshape(len(rows), *self.batch, rows.shape[-1])

    @cached_property
    def codes(self) -> Integers:
        """`statuses` as numbers, (*batch): 0 settled, 1 step_limit, 2 unknown."""
        if self.settled is None:
            return np.full(self.batch, 2)
        return np.where(self.settled < 0, 1, 0)

    @property
    def settle_times(self) -> Floats:
        """Time after which nothing of a cue changed, (*batch); NaN where something did."""
        if self.settled is None:
            return np.full(self.batch, np.nan)
        time = self.settled / self.plan.period * self.plan.dt
        return np.asarray(np.where(self.settled < 0, np.nan, time))

    @property
    def message(self) -> str:
        """What happened, and the remedy where it is not what one wants."""
        cues, moving = self.codes.size, int((self.codes == 1).sum())
        if self.settled is None:
            return (
                f"{cues} cues ran {self.steps} steps on {self.backend!r}, which does not tell "
                f"whether they settled: run the plan on 'emulator' or 'lava'"
            )
        if moving:
            return (
                f"{moving} of {cues} cues still changed after {self.steps} steps: run more steps "
                f"(steps=...), or look for an oscillation (record=True)"
            )
        return f"{cues} of {cues} cues settled within {self.settled.max()} of {self.steps} steps"

    @property
    def stats(self) -> dict[str, Any]:
        """`messages`, "steps", and "build_time" and "wall_time" in seconds."""
        build, run = (self.seconds.get(what, 0.0) for what in ("build", "run"))
        counts = {"messages": self.messages, "steps": self.steps}
        return {**counts, "build_time": build, "wall_time": build + run}

    __repr__ = RunResult.__repr__

    def _about(self) -> str:
        return f"{self.backend}, {super()._about()}, verified_on_hardware=False"

    def _recorded_variables(self) -> Variables:
        """Signals; those of layers in the units of the network, others as the integers they are."""
        if not self.trace.signals:
            return {}
        found: Variables = {"step": (("step",), np.arange(1, self.steps + 1))}
        for name in self.trace.signals:
            axes = ("step", *self._batch_axes(), *self._unit_axes(name.removesuffix("_out"), 1))
            rows = self.states(name)
            of_layer = name in self.final
            found[name] = (axes, rows / self.plan.scales[name] if of_layer else rows)
        return found

    def _batched(self, state: Integers) -> Integers:
        return state.reshape(*self.batch, state.shape[-1])


def run(
    plan: Plan | GraphPlan,
    cues: Mapping[str, ArrayLike] | ArrayLike,
    *,
    backend: str = "emulator",
    steps: int | None = None,
    record: bool | Iterable[str] = (),
    clamp: Clamp | None = None,
    inputs: Inputs | None = None,
) -> Result:
    """Recall cues with the integers of a plan.

    Parameters
    ----------
    plan : Plan or GraphPlan
    cues : array_like (*batch, D), or mapping of layer names to them
        States of the features at t = 0 (of a `GraphPlan`: of its `cued` layers); the others start
        at rest for them.
    backend : str, default "emulator"
        "emulator", "lava", "lava-float", "lava-fused", or one that a package registered.
    steps : int, optional
        `plan.steps` by default.
    record : bool, name or names, default ()
        Signals to keep after every step: "visible", "hidden", "normaliser" (all with True), and
        the messages "visible_out", "hidden_out", "normaliser_out". Of a `GraphPlan` the names of
        its layers, with "hidden.normaliser" and "hidden.rounds_out" of a softmax.
    clamp : mask or indices, or mapping of "visible" to them, optional
        Features that keep the value of the cue; a mask may have the axes of the batch.
    inputs : mapping of layer names to array_like, PiecewiseConstant, callable or Events, optional
        Input added to the bias, broadcast to (*batch, n); without a mapping that of the features.
        Inputs change between periods: a jump of
        `amsim.PiecewiseConstant` counts from the first period that begins no earlier (exact where
        its times are multiples of `plan.dt`; a rounding of 1e-9 periods is forgiven), and any other
        callable takes the time at the start of each period. `Events` arrive in any step, and add up
        until the next turn of their layer.
        Sizes are bounded by `compile(..., input_limits=...)`.

    Returns
    -------
    Result

    Raises
    ------
    RangeError
        If a cue or an input is larger than the plan was made for.
    BackendUnavailable
        If the backend is not there.
    ValueError, TypeError
        If an argument does not fit the plan.

    Examples
    --------
    >>> import amsim as am
    >>> import hardware as hw
    >>> patterns = am.patterns.random(5, 64, seed=0)
    >>> plan = hw.compile(am.dense_am(patterns))
    >>> cue = am.patterns.corrupt(patterns[0], flip=0.2, seed=1)
    >>> result = hw.run(plan, cue)
    >>> print(f"{am.patterns.overlap(result.final['visible'], patterns)[0]:.3f}")
    1.000
    """
    if isinstance(plan, GraphPlan):
        graph = find_for_graphs(backend)
        chosen = chosen_signals(plan, record)
        given, batch = prepare_graph(plan, cues, steps=steps, clamp=clamp, inputs=inputs)
        return Result(plan=plan, backend=backend, batch=batch, trace=graph(plan, given, chosen))
    require_plan(plan, "hardware.run")
    function = find(backend)
    chosen = signals(plan, record)
    if isinstance(cues, Mapping):
        raise TypeError("cue must be an array of features: the plan has no other cued layers")
    job, batch = prepare(plan, cues, steps=steps, clamp=clamp, inputs=inputs)
    return Result(plan=plan, backend=backend, batch=batch, trace=function(plan, job, chosen))


def every_signal(plan: Plan | GraphPlan) -> tuple[str, ...]:
    """What can be recorded."""
    return graph_signals(plan) if isinstance(plan, GraphPlan) else SIGNALS
