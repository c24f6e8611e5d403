"""The rules of a run: what `Timing` and `EventDriven` ask for, as numbers."""

from __future__ import annotations

import math

import numpy as np

from ....compiled import draws
from ....network import Network
from ....neurons import NORMALISER
from ..clocks import Barrier, Periodic, Poisson
from ..options import EventDriven
from ..timing import Timing
from .arrays import RULES, UNIT_CONSTANTS, Floats, Ints, Records

_MOST_TICKS = 1e6
_NEVER = 2**62


def check_clock(network: Network, timing: Timing) -> None:
    """Raise ValueError for clocks that tick so often that a run has no end."""
    clock = timing.clock
    if clock is None:
        return
    every = clock.step if isinstance(clock, Barrier) else getattr(clock, "period", 1.0)
    often = clock.rate if isinstance(clock, Poisson) else 1 / every
    fastest = min(float(layer.tau.min()) for layer in network.layers.values())
    if often * fastest > _MOST_TICKS:
        names = {Poisson: "rate", Periodic: "1 / period", Barrier: "1 / step"}
        what = names[type(clock)]
        raise ValueError(
            f"Timing: {what} of the clock is {often:.3g}, more than {_MOST_TICKS:g} ticks within "
            f"the smallest tau ({fastest:g}); such units look all the time: leave the clock out"
        )


def check_correlated(network: Network, timing: Timing) -> None:
    """Raise ValueError for processes that change so often that a run has no end."""
    times = {}
    if timing.common_jitter is not None:
        times["correlation of common_jitter"] = timing.common_jitter.correlation
    if timing.bursts is not None:
        times |= {"good of bursts": timing.bursts.good, "bad of bursts": timing.bursts.bad}
    fastest = min(float(layer.tau.min()) for layer in network.layers.values())
    for name, time in times.items():
        if fastest > _MOST_TICKS * time:
            raise ValueError(
                f"Timing: {name} is {time:.3g}, less than the smallest tau ({fastest:g}) over "
                f"{_MOST_TICKS:g}; what changes so often is not shared by any two messages: take "
                f"jitter and drop"
            )


def rules_of(
    options: EventDriven, seed: int, tolerance: float, transit: float, fan: int, slot: float
) -> Records:
    """One row of RULES."""
    timing, rules = options.timing, np.zeros(1, RULES)
    clock = timing.clock
    for name, value in {
        "link": timing.scope == "link",
        "latest": timing.arrival == "latest",
        "zero": timing.on_drop == "zero",
        "ahead": options.announce == "ahead",
        "clocked": clock is not None,
        "tolerance": tolerance,
        "drop": timing.drop,
        "heartbeat": math.inf if timing.heartbeat is None else timing.heartbeat,
        "poisson": clock.rate if isinstance(clock, Poisson) else 0.0,
        "tick_jitter": clock.jitter if isinstance(clock, Periodic) else 0.0,
        "resync": (clock.ticks_between if isinstance(clock, Periodic) else 0) or _NEVER,
        "resync_time": (clock.resync if isinstance(clock, Periodic) else None) or 0.0,
        "slot": slot,
        "transit": transit,
        "limit": options.max_events,
        "fan": fan,
        "seed_jitter": draws.stream(seed, draws.JITTER),
        "seed_drop": draws.stream(seed, draws.DROP),
        "seed_tick": draws.stream(seed, draws.TICK),
    }.items():
        rules[name] = value
    return rules


def units_of(populations: Records, rate: Floats, timing: Timing, seed: int) -> Records:
    """Population, rate of decay and clock of every unit."""
    width = populations["stop"] - populations["start"]
    units = np.zeros(len(rate), UNIT_CONSTANTS)
    units["rate"] = rate
    units["population"] = np.repeat(np.arange(len(populations)), width)
    units["quantum"] = populations["quantum"][units["population"]] * _mismatch(
        populations["kind"][units["population"]], timing, seed
    )
    set_clocks(units, np.arange(len(units)), timing, seed)
    return units


def _mismatch(kind: Ints, timing: Timing, seed: int) -> Floats:
    """The factor of the quantum of every unit; normalisers have none."""
    if not timing.quantum_spread:
        return np.ones(len(kind))
    from scipy.special import ndtri

    z = ndtri(draws.uniform(seed, draws.QUANTUM, len(kind)))
    return np.where(kind == NORMALISER, 1.0, np.exp(timing.quantum_spread * z))


def set_clocks(units: Records, number: Ints, timing: Timing, seed: int) -> None:
    """Give each unit the clock of a number; barriers begin at t = 0."""
    units["clock"] = number
    if not isinstance(timing.clock, Periodic):
        return
    clock, count = timing.clock, int(number.max()) + 1
    phase = clock.skew * draws.uniform(seed, draws.PHASE, count)
    spread = 2 * draws.uniform(seed, draws.DRIFT, count) - 1
    units["phase"] = clock.period * phase[number]
    units["period"] = clock.period * (1 + clock.drift * spread[number])
