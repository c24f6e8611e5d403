"""How stale messages may be while the energy, with a term for what is under way, still falls."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np

from .. import checks
from ..lagrangians import Entmax, Lagrangian, Softmax
from ..network import Network
from ..synapses import Dense
from .boxes import EPS
from .linear import Floats
from .structured import norm_below_one

MessageScope: TypeAlias = Literal["link", "broadcast"]

_FAR = 1e30  # a range that passes for all states
_STEPS = 200


def energy_staleness(net: Network, scope: MessageScope = "link") -> float:
    r"""Age of messages below which no asynchronous execution cycles: a lower bound.

    With slopes of at most k (beta / 2 for a Softmax layer) and messages of ages up to B,

    .. math::
        E + \frac{1}{2 B_E} \sum_j \frac{\tau_j}{k_j} \int_{t-B}^t (s - t + B)\, y_j'(s)^2 ds,
        \qquad B_E = 1 \big/ \big\| D^{-1/2} |C| D^{-1/2} \big\|, \quad D = \mathrm{diag}(\tau / k)

    falls for B < B_E, whatever delays do within the bound: vary, overtake, or bridge losses by the
    last value. Bounded executions then approach fixed points; docs/stability.md has the proof.

    Parameters
    ----------
    net : Network
        `Dense` synapses, layers of one axis with tau > 0, one for a group, and Lagrangians whose
        slopes are bounded: separable ones, Softmax, Entmax.
    scope : {"link", "broadcast"}, default "link"
        With "broadcast" all that hear a unit hear the same of it at any time; C takes the place of
        its magnitudes.

    Returns
    -------
    float
        B_E, rounded down, in the unit of tau; inf where nothing is coupled.

    Raises
    ------
    ValueError, TypeError
        If the network is of another kind: no proof covers it.

    Examples
    --------
    One tanh unit that inhibits itself by -4: a constant delay oscillates beyond 0.471.

    >>> import amsim as am
    >>> layer = am.Layer(1, am.Tanh())
    >>> net = am.Network({"x": layer}, [am.Dense([[-4.0]], between=("x", "x"))])
    >>> critical = am.theory.timing.critical_delay_one_layer(4.0)
    >>> print(f"{am.stability.energy_staleness(net):.6f} {critical:.3f}")
    0.250000 0.471
    """
    checks.instance("net", net, Network, "a Network")
    checks.choice("scope", scope, get_args(MessageScope))
    inertia, links = _inertia(net), _links(net, magnitudes=scope == "link")
    if not links.any():
        return float("inf")
    root = np.sqrt(inertia)
    scaled = links / root[:, None] / root
    error = 8 * (len(net.synapses) + 2) * EPS * np.abs(scaled)
    bound = float(np.linalg.norm(scaled, 2)) * (1 + 1e-9)
    for _ in range(_STEPS):
        if norm_below_one(scaled / bound, error / bound * (1 + 1e-9)):
            return 1 / bound * (1 - 4 * EPS)
        bound *= 1 + 1e-8
    raise ValueError("weights and time constants leave the range of floats; scale them")


def _inertia(net: Network) -> Floats:
    """tau / k of every unit, from below."""
    parts = []
    for name, layer in net.layers.items():
        if len(layer.shape) > 1 or layer.algebraic:
            raise ValueError(
                f"layer {name!r} is algebraic or has several axes: the proof needs units with "
                f"tau > 0 on one axis"
            )
        if not layer.lagrangian.separable and np.ptp(layer.tau) > 0:
            raise ValueError(
                f"layer {name!r} has unequal tau within a group: its energy need not fall even "
                f"without delays; give it one tau"
            )
        slope = _steepest(name, layer.lagrangian, layer.size)
        parts.append(np.full(layer.size, layer.tau) / slope * (1 - 4 * EPS))
    return np.concatenate(parts)


def _steepest(name: str, lagrangian: Lagrangian, size: int) -> float:
    """The largest eigenvalue of the Hessian at any state, from above."""
    if isinstance(lagrangian, Softmax):
        return lagrangian.beta / 2 * (1 + 4 * EPS)
    if isinstance(lagrangian, Entmax):
        return lagrangian.beta * (1 + 4 * EPS)
    if lagrangian.separable:
        with np.errstate(all="ignore"):
            everywhere = np.full(size, _FAR)
            slope = float(lagrangian.slope_bounds(-everywhere, everywhere)[1].max())
        if slope < _FAR / 1e10:
            return slope
    raise ValueError(
        f"layer {name!r} is {type(lagrangian).__name__}, whose slopes have no bound that is known "
        f"here: use Tanh, Sigmoid, ReLU, Identity, Softmax or Entmax"
    )


def _links(net: Network, magnitudes: bool) -> Floats:
    """C, or the sum of |C| over synapses, (units, units)."""
    ends = np.cumsum([0, *(layer.size for layer in net.layers.values())])
    spans = {n: slice(a, b) for n, a, b in zip(net.layers, ends[:-1], ends[1:], strict=True)}
    out = np.zeros((int(ends[-1]), int(ends[-1])))
    for synapse in net.synapses:
        if type(synapse) is not Dense:
            raise ValueError(
                f"synapse {synapse.name!r} is {type(synapse).__name__}: the proof needs Dense ones"
            )
        first, second = (spans[name] for name in synapse.between)
        weights = np.asarray(synapse.weights, np.float64)
        if synapse.between[0] == synapse.between[1]:
            weights = (weights + weights.T) / 2
            out[first, first] += np.abs(weights) if magnitudes else weights
            continue
        weights = np.abs(weights) if magnitudes else weights
        out[first, second] += weights
        out[second, first] += weights.T
    return out
