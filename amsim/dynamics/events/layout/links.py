"""Links by receiver, for networks that can be run in windows."""

from __future__ import annotations

import numpy as np

from .... import neurons
from .arrays import LINK, Layout, Records

# Going through all links in every window has to pay, against a queue of single messages: as long as
# one is on its way, each window looks at its link, at about a hundredth of what the queue costs.
# About 0.1 / quantum of them pass a link while a unit relaxes; later only heartbeats may. A message
# with jitter is looked at until it or a later one has come.
_PER_QUANTUM = 2.0  # shortest window, in units of tau times the quantum,
_MOST_WINDOWS = 200.0  # and how many the longest delay with its jitter or a heartbeat may last,
_MOST_LOOKS = 50.0  # or the jitter alone


def runs_in_windows(layout: Layout) -> bool:
    """Whether messages go by link, and windows as long as the smallest delay are fast enough."""
    rules, populations = layout.rules[0], layout.populations
    zero = rules["zero"] and rules["drop"] > 0
    if not rules["link"] or rules["clocked"] or rules["latest"] or zero:
        return False
    normalised = np.isin(populations["kind"], (neurons.SHARE, neurons.NORMALISER))
    shared = np.isfinite(populations["rate"])
    if not (shared.all() and not normalised.any() and len(layout.delays)):
        return False
    jitter = layout.jitter.max(initial=0.0)
    heartbeat = rules["heartbeat"] if np.isfinite(rules["heartbeat"]) else 0.0
    shortest = max(
        _PER_QUANTUM * layout.units["quantum"].min() / populations["fastest"].max(),
        (layout.delays.max() + jitter) / _MOST_WINDOWS,
        heartbeat / _MOST_WINDOWS,
        jitter / _MOST_LOOKS,
    )
    return bool(min(layout.delays.min(), rules["slot"]) >= shortest)


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
