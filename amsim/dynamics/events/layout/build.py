"""From a network and its timing to the arrays of the engines."""

from __future__ import annotations

import numpy as np

from ....network import Network
from ..options import EventDriven
from .arrays import LINK, Layout
from .delays import jitter_of
from .links import links_by_receiver, runs_in_windows
from .populations import check, populations_of, set_rates
from .projections import fan_out, project
from .rules import check_clock, check_correlated, rules_of, units_of


def lay_out(
    network: Network,
    options: EventDriven,
    seed: int,
    tolerance: float,
    naive: bool = False,
    slot: float = np.inf,
) -> Layout:
    """Lay out a network; raises ValueError where the engines cannot run it.

    Parameters
    ----------
    network : Network
    options : EventDriven
    seed : int
        Of delays, losses, clocks and time constants.
    tolerance : float
        Of the residuals of a cue that ends before the time limit; 0 if none does.
    naive : bool
        Whether a cue may end while messages are under way.
    slot : float
        Length of the slots of noise, if there is noise.
    """
    check(network, options)
    check_clock(network, options.timing)
    check_correlated(network, options.timing)
    populations = populations_of(network, options)
    rate = set_rates(populations, network, options, seed)
    projections, weights, delays = project(network, options, populations, seed)
    jitter = jitter_of(options.timing)
    transit = 0.0 if naive else float(delays.max(initial=0.0) + jitter.max(initial=0.0))
    fan = fan_out(projections, populations)
    layout = Layout(
        populations=populations,
        projections=projections,
        rules=rules_of(options, seed, tolerance, transit, fan, slot),
        units=units_of(populations, rate, options.timing, seed),
        weights=weights,
        delays=delays,
        jitter=jitter,
        links=np.zeros(0, LINK),
    )
    timing = options.timing
    if not timing.shares and timing.drift is None and runs_in_windows(layout):
        return layout._replace(links=links_by_receiver(layout))
    return layout
