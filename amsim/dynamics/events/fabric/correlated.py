"""Jitter and loss that a group has in common, as random processes in time. Compiled.

Both are constant for exponentially distributed times. They go on as they are asked, since time does
not go back; their random numbers belong to the group and to the number of the draw, so that they do
not depend on what is sent.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

import math

import numpy as np

from ....compiled.jit import inner
from ....compiled.streams import mixed, unit_interval
from ..engine.sending import quantile


@inner
def _two_numbers(seed, g, k):
    """In (0, 1), for draw k of group g."""
    key = mixed(mixed(seed, np.uint64(g)), np.uint64(k))
    return unit_interval(mixed(key, np.uint64(0))), unit_interval(mixed(key, np.uint64(1)))


@inner
def common_delay(ways, traffic, g, now):
    """The common jitter of group g."""
    rules, group = ways.rules[0], traffic.groups[g]
    while group.redrawn <= now:
        u, wait = _two_numbers(rules.seed_common, g, group.redraws)
        group.common = quantile(ways.common, u)
        group.redrawn -= rules.correlation * math.log(wait)
        group.redraws += 1
    return group.common


@inner
def loss(ways, traffic, g, now):
    """The probability that a message of group g gets lost; its first state is stationary."""
    rules, group = ways.rules[0], traffic.groups[g]
    while group.switches <= now:
        u, wait = _two_numbers(rules.seed_burst, g, group.switched)
        first = u < rules.bad / (rules.good + rules.bad)
        group.bad = first if group.switched == 0 else not group.bad
        group.switches -= (rules.bad if group.bad else rules.good) * math.log(wait)
        group.switched += 1
    return rules.drop_bad if group.bad else rules.drop_good


@inner
def correlated(ways, traffic, receivers, senders, drop, now):
    """What groups share of a message now: its probability to get lost, and its common jitter.

    Parameters
    ----------
    ways, traffic : bundles of arrays
    receivers, senders : int
        The groups at its ends.
    drop : float
        The probability of a loss without bursts.
    now : float
    """
    rules, common = ways.rules[0], 0.0
    if rules.good > 0.0:
        drop = loss(ways, traffic, receivers if rules.bursts_into else senders, now)
    if len(ways.common) > 0:
        common = common_delay(ways, traffic, receivers if rules.common_into else senders, now)
    return drop, common
