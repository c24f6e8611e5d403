"""Links by receiver, for networks that can be run in windows."""

from __future__ import annotations

import numpy as np

from .... import neurons
from .arrays import LINK, Layout, Records

_LARGEST = 600.0  # exponent of rate times delay
# Going through all links in every window has to pay, against a queue of single messages; about
# 0.1 / quantum of them pass each link while a unit relaxes.
_SHORTEST = 0.05  # delay, in units of tau times the quantum


def runs_in_windows(layout: Layout) -> bool:
    """Whether all delays are by link, constant and long enough, and all units single."""
    rules, populations = layout.rules[0], layout.populations
    simple = rules["link"] and not (rules["clocked"] or rules["drop"] or len(layout.jitter))
    kinds = populations["kind"]
    crossing = ~np.isin(kinds, (*neurons.GROUPS, neurons.SHARE, neurons.NORMALISER))
    shared = np.isfinite(populations["rate"])
    if not (simple and np.isinf(rules["heartbeat"]) and crossing.all() and shared.all()):
        return False
    fastest = populations["fastest"].max()
    shortest = _SHORTEST * populations["quantum"].min() / fastest
    reach = fastest * layout.delays.max(initial=0.0)
    return bool(len(layout.delays) and layout.delays.min() > shortest and reach < _LARGEST)


def links_by_receiver(layout: Layout) -> Records:
    """Weights and delays of all links."""
    parts = [np.zeros(0, LINK)]
    for projection in layout.projections:
        source, target = (layout.populations[projection[end]] for end in ("source", "target"))
        senders, receivers = (p["stop"] - p["start"] for p in (source, target))
        place = projection["delay"] + np.add.outer(
            projection["delay_receiver"] * np.arange(receivers),
            projection["delay_sender"] * np.arange(senders),
        )
        begin, part = projection["weights"], np.zeros((receivers, senders), LINK)
        weights = layout.weights[begin : begin + part.size].reshape(senders, receivers)
        part["weight"] = weights.T / target["leak"]
        part["factor"] = np.exp(target["rate"] * layout.delays[place])
        parts.append(part.ravel())
    return np.concatenate(parts)
