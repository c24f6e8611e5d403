"""The schedule of clocked binary units: when each is checked, and when its messages arrive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled.draws import DELAY, DRIFT, DROP, JITTER, PHASE, TICK, uniform
from ..dynamics.events import Barrier, Periodic, Poisson, Timing
from .energies import Floats


class Schedule(NamedTuple):
    """All ticks in the order of time; the same for all cues."""

    unit: NDArray[np.int64]  # (T,) checked at this tick
    time: Floats  # (T,)
    arrival: Floats  # (T,) of a message that is sent at this tick; infinite if it gets lost
    heartbeat: float  # infinite: none
    newest: bool  # whether a message that was sent before one that has arrived is ignored

    def of(self, units: NDArray[np.bool_]) -> Schedule:
        """The ticks of some units."""
        chosen = units[self.unit]
        return self._replace(
            unit=self.unit[chosen], time=self.time[chosen], arrival=self.arrival[chosen]
        )


def schedule(timing: Timing, size: int, sweeps: int, seed: int) -> Schedule:
    """The ticks of `size` units until each has had `sweeps` in the mean.

    Raises
    ------
    ValueError, TypeError
        If the timing asks for what two-state units do not have.
    """
    _check(timing)
    if isinstance(timing.clock, Poisson):
        unit, time = _poisson(timing.clock, size, sweeps, seed)
    else:
        unit, time = _periodic(timing.clock, size, sweeps, seed)
    travel = _per_unit(timing.delay, size, seed)[unit]
    if hasattr(timing.jitter, "ppf"):
        travel = travel + timing.jitter.ppf(uniform(seed, JITTER, len(unit)))
    elif timing.jitter:
        travel = travel + timing.jitter * uniform(seed, JITTER, len(unit))
    lost = uniform(seed, DROP, len(unit)) < timing.drop
    heartbeat = np.inf if timing.heartbeat is None else float(timing.heartbeat)
    arrival = np.where(lost, np.inf, time + travel)
    return Schedule(unit, time, arrival, heartbeat, timing.arrival == "timestamp")


def _poisson(clock: Poisson, size: int, sweeps: int, seed: int) -> Any:
    """Unit and time of each tick; tick n of a unit does not depend on how many are asked for."""
    end, count = sweeps / clock.rate, sweeps + 16
    while True:
        draws = uniform(seed, TICK, size * count).reshape(count, size)
        times = np.cumsum(-np.log(draws), axis=0) / clock.rate
        if times[-1].min() > end:
            return _in_order(times, end)
        count *= 2


def _periodic(clock: Any, size: int, sweeps: int, seed: int) -> Any:
    period = clock.period * (1 + clock.drift * (2 * uniform(seed, DRIFT, size) - 1))
    count = int(np.ceil(sweeps * clock.period / period.min())) + 1
    times = (np.arange(count)[:, None] + clock.skew * uniform(seed, PHASE, size)) * period
    # Half a jitter later throughout, so that no tick comes before 0.
    times += clock.jitter * uniform(seed, TICK, size * count).reshape(count, size)
    return _in_order(times, sweeps * clock.period)


def _in_order(times: Floats, end: float) -> tuple[NDArray[np.int64], Floats]:
    """Ticks (count, units) up to a time, sorted by time and then by unit."""
    size = times.shape[1]
    order = np.argsort(times, axis=None, kind="stable")
    order = order[times.ravel()[order] <= end]
    return order % size, times.ravel()[order]


def _per_unit(delay: Any, size: int, seed: int) -> Floats:
    if hasattr(delay, "ppf"):
        return np.asarray(delay.ppf(uniform(seed, DELAY, size)), dtype=np.float64)
    array = np.asarray(delay, dtype=np.float64)
    if array.shape not in ((), (size,)):
        raise ValueError(
            f"Timing: delay has shape {array.shape}; give a number, a distribution, or one value "
            f"for each of the {size} units"
        )
    return np.broadcast_to(array, size)


def _check(timing: Any) -> None:
    if not isinstance(timing, Timing):
        raise TypeError(f"timing must be Timing(...), got {timing!r}")
    if timing.clock is None:
        raise ValueError(
            "timing needs a clock for two-state units, which have no time constant: "
            "Timing(clock=Poisson(rate)) or Timing(clock=Periodic(period))"
        )
    clock = timing.clock
    by_group = isinstance(clock, Periodic) and (clock.per == "group" or clock.resync is not None)
    for unusable, what, remedy in (
        (timing.scope != "broadcast", "scope='link'", "every unit broadcasts its state"),
        (isinstance(timing.delay, Mapping), "a delay by layers", "give one array"),
        (timing.on_drop != "hold", "on_drop='zero'", "a two-state unit has no zero"),
        (timing.tau_spread != 0, "tau_spread", "vary the clocks: Periodic(period, drift=...)"),
        (isinstance(timing.clock, Barrier), "a barrier", "take Periodic(period, skew=0)"),
        (by_group, "a clock of groups", 'leave per, latch and resync out'),
        (timing.fabric is not None, "a fabric", "their messages have a delay each; leave it out"),
        (timing.common_jitter is not None, "common jitter", "take jitter"),
        (timing.bursts is not None, "a burst of losses", "take drop"),
        (timing.drift is not None, "a drift", "their delays are constant"),
        (bool(timing.refractory), "a refractory time", "ticks say how often they may flip"),
        (timing.quantum_spread != 0, "quantum_spread", "they send each flip"),
        (bool(timing.faults), "a fault", "clamp units, or leave faults out"),
    ):  # fmt: skip
        if unusable:
            raise ValueError(f"{what} is not for two-state units: {remedy}")
