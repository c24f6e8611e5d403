"""Executions that leave a fixed point: upper bounds on what any certificate may promise.

One hidden layer and one synapse. An attack starts with v within r of the fixed point, in every
unit, and uses what the hypotheses of a certificate allow: messages in flight with any value of the
box, links that deliver late. Every state that it visits is the state of an execution:

- The adversary waits until the memories rest with the registers that suit memory mu best, and
  keeps the message p_mu; then it does the same for the least p_mu, and for the next memory.
- From these messages, each feature is given those that raise it most, rests, sends; then those
  that lower it most. All the features' extremes are now in flight, and the next round begins.
- In the end the features rest at a corner of what was reached that favours another memory,
  everything is delivered at once, and the network recalls without delays.

In the scope "broadcast" all memories receive the same features. Zero rounds are a plain cue.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import amsim as am

Array = NDArray[np.float64]
ELSEWHERE = 1e-2  # farther than this from the fixed point, a recall has ended elsewhere


def attack_radius(
    net: am.Network, state: Array, scope: str = "link", *, rounds: int = 30, steps: int = 12
) -> float:
    """The smallest r at which an attack was found, to 2 ** -steps of the start; inf if none was."""
    bad = 2.0 * float(np.abs(state).max())
    if not escapes(net, state, bad, scope, rounds):
        return np.inf
    good = 0.0
    for _ in range(steps):
        middle = (good + bad) / 2
        if escapes(net, state, middle, scope, rounds):
            bad = middle
        else:
            good = middle
    return bad


def escapes(net: am.Network, state: Array, r: float, scope: str, rounds: int) -> bool:
    """Whether an execution that starts within r ends elsewhere."""
    low, high = state - r, state + r
    if _ends_elsewhere(net, state, _corners(net, state, low, high)):
        return True
    for _ in range(rounds):
        old = low, high
        low, high = _round(net, state, low, high, scope)
        if np.abs(high - low).max() < ELSEWHERE * 1e-3:
            return False
        if np.allclose(old, (low, high), rtol=1e-4, atol=0):
            break
    return rounds > 0 and _ends_elsewhere(net, state, _corners(net, state, low, high))


def _round(
    net: am.Network, state: Array, low: Array, high: Array, scope: str
) -> tuple[Array, Array]:
    """The least and the greatest value that each feature can be brought to."""
    xi, hidden = net.synapses[0].weights, net.layers["hidden"]
    g = net.layers["visible"].lagrangian
    a, b = g.activation(low), g.activation(high)
    least = np.where(xi > 0, xi * a, xi * b).sum(axis=1) + hidden.bias
    most = np.where(xi > 0, xi * b, xi * a).sum(axis=1) + hidden.bias
    if scope == "broadcast":
        winner = int(np.argmax(xi @ g.activation(state) + hidden.bias))
        better = xi > xi[winner]
        favour, against = np.where(better, b, a), np.where(better, a, b)
        raised, lowered = (x @ xi.T + hidden.bias for x in (favour, against))
        sent = hidden.lagrangian.activation(np.concatenate([raised, lowered]))
        down, up = sent.min(axis=0), sent.max(axis=0)
    else:
        one = np.eye(len(xi), dtype=bool)
        up = np.diag(hidden.lagrangian.activation(np.where(one, most, least)))
        down = np.diag(hidden.lagrangian.activation(np.where(one, least, most)))
    bias = net.layers["visible"].bias
    return (
        np.where(xi > 0, xi * down[:, None], xi * up[:, None]).sum(axis=0) + bias,
        np.where(xi > 0, xi * up[:, None], xi * down[:, None]).sum(axis=0) + bias,
    )


def _corners(net: am.Network, state: Array, low: Array, high: Array) -> Array:
    """Corners of a box: the best for one memory against the winner, and for one memory alone."""
    xi = net.synapses[0].weights
    against = xi - xi[int(np.argmax(xi @ state))]
    middle = np.broadcast_to(state.clip(low, high), xi.shape)
    better = np.where(against > 0, high, np.where(against < 0, low, middle))
    return np.concatenate([better, np.where(xi > 0, high, low), np.where(xi > 0, low, high)])


def _ends_elsewhere(net: am.Network, state: Array, v: Array, updates: int = 300) -> bool:
    """Recall without delays: one neuron layer after the other, each at rest."""
    xi = net.synapses[0].weights
    visible, hidden = net.layers["visible"], net.layers["hidden"]
    for _ in range(updates):
        f = hidden.lagrangian.activation(visible.lagrangian.activation(v) @ xi.T + hidden.bias)
        new = f @ xi + visible.bias
        if np.abs(new - v).max() < 1e-9:
            break
        v = new
    return bool(np.abs(new - state).max() > ELSEWHERE)
