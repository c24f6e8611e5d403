"""Links by receiver, for networks that can be run in windows."""

from __future__ import annotations

import numpy as np

from .... import neurons
from .arrays import LINK, Layout, Records

# Going through all links in every window has to pay, against a queue of single messages; about
# 0.1 / quantum of them pass each link while a unit relaxes.
_SHORTEST = 0.05  # delay, in units of tau times the quantum


def runs_in_windows(layout: Layout) -> bool:
    """Whether messages go by link with delays that are long enough, and all units are single."""
    rules, populations = layout.rules[0], layout.populations
    zero = rules["zero"] and rules["drop"] > 0
    if not rules["link"] or rules["clocked"] or rules["latest"] or zero:
        return False
    normalised = np.isin(populations["kind"], (neurons.SHARE, neurons.NORMALISER))
    shared = np.isfinite(populations["rate"])
    if not (shared.all() and not normalised.any() and len(layout.delays)):
        return False
    shortest = _SHORTEST * populations["quantum"].min() / populations["fastest"].max()
    return bool(layout.delays.min() > shortest)


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
        part["delay"] = layout.delays[place]
        parts.append(part.ravel())
    return np.concatenate(parts)
