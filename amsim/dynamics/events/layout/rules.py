"""The rules of a run: what `Timing` and `EventDriven` ask for, as numbers."""

from __future__ import annotations

import math

import numpy as np

from ....compiled import draws
from ....network import Network
from ..options import EventDriven
from ..timing import Periodic, Poisson, Timing
from .arrays import RULES, UNIT_CONSTANTS, Floats, Records

_MOST_TICKS = 1e6


def check_clock(network: Network, timing: Timing) -> None:
    """Raise ValueError for clocks that tick so often that a run has no end."""
    clock = timing.clock
    if clock is None:
        return
    often = clock.rate if isinstance(clock, Poisson) else 1 / clock.period
    fastest = min(float(layer.tau.min()) for layer in network.layers.values())
    if often * fastest > _MOST_TICKS:
        what = "rate" if isinstance(clock, Poisson) else "1 / period"
        raise ValueError(
            f"Timing: {what} of the clock is {often:.3g}, more than {_MOST_TICKS:g} ticks within "
            f"the smallest tau ({fastest:g}); such units look all the time: leave the clock out"
        )


def rules_of(
    options: EventDriven, seed: int, settles: bool, transit: float, fan: int, slot: float
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
        "settles": settles,
        "drop": timing.drop,
        "heartbeat": math.inf if timing.heartbeat is None else timing.heartbeat,
        "poisson": clock.rate if isinstance(clock, Poisson) else 0.0,
        "tick_jitter": clock.jitter if isinstance(clock, Periodic) else 0.0,
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
    clock, width = timing.clock, populations["stop"] - populations["start"]
    period, drift = (clock.period, clock.drift) if isinstance(clock, Periodic) else (0.0, 0.0)
    units = np.zeros(len(rate), UNIT_CONSTANTS)
    units["rate"] = rate
    units["population"] = np.repeat(np.arange(len(populations)), width)
    units["phase"] = period * draws.uniform(seed, draws.PHASE, len(units))
    spread = 2 * draws.uniform(seed, draws.DRIFT, len(units)) - 1
    units["period"] = period * (1 + drift * spread)
    return units
