"""Fixed points of a network, found to rounding error, and their classification."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..display import fields_repr
from ..network import Network
from ..synapses import Array
from .linear import DENSE, Floats, Linearisation, solve_krylov
from .states import State, in_range, one_state, stacked_states
from .status import descent_directions, energy_shape

Kind = Literal["memory", "mixture", "spurious"]
Shape = Literal["minimum", "saddle", "degenerate", "unknown"]

_TOLERANCE = 1e-12
_ITERATIONS, _POLISH = 300, 2
_HALVED = 0.5  # of the residual: polishing goes on, as it must at multiple roots
_NEAR = 1e-3  # residual, relative to the state, from which on Newton's method is tried
_STEP, _STEPS = 0.1, 20  # steps in units of the largest tau, and how many at a time
_SAME_STATE = 1e-2  # relative to 1 + |state|: what passes for a state of the same fixed point
_SETTLED_RESIDUAL = 1e-5  # residual, relative to the state, of what `simulate` calls settled
_LARGEST_SHIFT = 0.1  # relative: how far a fixed point may be from a state that rests by that
_SAME = 1e-6  # relative distance below which two fixed points are one
_FLAT = 1e-9  # curvature that passes for 0
# Patterns that describe a state are looked for among so many of the most similar ones.
_CANDIDATES = 200
_PURE = 1.5  # effective number of patterns below which a state is one of them
_UNEXPLAINED = 0.65  # relative distance to all combinations of patterns


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """A fixed point, or what `find` got to.

    Attributes
    ----------
    states : dict of str to ndarray (*shape)
        Of all layers; accepted wherever a state is.
    residual : float
        Largest |dE/dg| = |tau dx/dt| over the units.
    converged : bool
        Whether the residual is below 1e-12 (1 + the largest |state|).
    energy : float
        NaN where synapses are directed: there is none.
    iterations : int
    """

    states: dict[str, Array]
    residual: float
    converged: bool
    energy: float
    iterations: int

    __repr__ = fields_repr


@dataclass(frozen=True, eq=False)
class Classification:
    """What a fixed point is.

    Attributes
    ----------
    kind : {"memory", "mixture", "spurious"}
        One stored pattern; a combination of several; or not near any combination of them.
    pattern : int
        The pattern that contributes most.
    weights : ndarray (P,)
        The combination of patterns nearest to the state, with few nonzero weights.
    distance : float
        From the state to that combination, relative to the state.
    stability : {"minimum", "saddle", "degenerate", "unknown"}
        Of the energy. "degenerate" where it is flat in some direction and falls in none, "unknown"
        at kinks whose two sides decide nothing, and where synapses are directed. With one tau for
        each Softmax or LayerNorm group, minima are stable and saddles are not; else ask `analyse`.
    index : int
        Number of directions in which the energy falls; at a kink, and for networks of more than
        600 units, 1 stands for one or more. 0 where "unknown".
    """

    kind: Kind
    pattern: int
    weights: Floats
    distance: float
    stability: Shape
    index: int

    __repr__ = fields_repr


@in_range
def find(net: Network, state: State) -> Equilibrium:
    """Find the fixed point near a state, to rounding error.

    Near rest, also near a saddle, by Newton's method. A state that is not, such as a cue, first
    follows the dynamics in coarse steps (exponential Euler) until it is; where that must be exact,
    start from the last state of `simulate`.

    Parameters
    ----------
    net : Network
    state : array_like or mapping of layer names to array_like
        One state, as for `simulate`: an array is that of layer "visible", layers that are left out
        have their algebraic value.

    Returns
    -------
    Equilibrium
        `converged` says whether it is one.

    Raises
    ------
    ValueError, TypeError
        If the state does not fit the network.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(3, 32, seed=0)
    >>> net = am.dense_am(patterns, hidden=am.Softmax(beta=0.2))
    >>> rest = am.stability.find(net, patterns[0])
    >>> rest.converged, rest.residual < 1e-12
    (True, True)
    """
    states = one_state(net, state)
    vector = net.pack(states)
    flow = _Flow(net)
    residual = _size(_force(net, vector))
    best, smallest, iteration, polished = vector, residual, 0, 0
    for iteration in range(_ITERATIONS + 1):
        halved = residual <= _HALVED * smallest
        if residual < smallest:
            best, smallest = vector, residual
        if smallest <= _TOLERANCE * _scale(best):
            polished += not halved or not polished
        if polished > _POLISH or not 0 < residual < np.inf or iteration == _ITERATIONS:
            break
        moved = vector
        if residual <= _NEAR * _scale(vector):
            moved = vector + _newton_step(net, vector)
        if moved is vector or not (polished or _size(_force(net, moved)) < residual):
            moved = flow.follow(vector, iteration)
        vector, residual = moved, _size(_force(net, moved))
    full = net.complete(net.unpack(best))
    return Equilibrium(
        states=full,
        residual=smallest,
        converged=smallest <= _TOLERANCE * _scale(best),
        energy=_energy(net, full),
        iterations=iteration,
    )


def nearby_fixed_point(net: Network, state: State) -> Equilibrium:
    """The fixed point that a state belongs to, to rounding error if there is one so near.

    A state that rests as `simulate` asks may drift along a flat direction, towards a fixed point
    far away or none: it is then taken as it is, or as near rest as `find` gets beside it.

    Raises
    ------
    ValueError
        If the state is neither within 1 % of a fixed point nor at rest.
    """
    given = one_state(net, state)
    found = find(net, given)
    here = net.pack(given)
    distance = _size(net.pack(found.states) - here) / _scale(here)
    residual = _size(_force(net, here)) / _scale(here)
    if found.converged and distance <= (
        _LARGEST_SHIFT if residual <= _SETTLED_RESIDUAL else _SAME_STATE
    ):
        return found
    if residual > _SETTLED_RESIDUAL:
        raise _no_fixed_point(net, given, found, distance)
    if distance <= _SAME_STATE:
        return found
    full = net.complete({name: given[name] for name in net.dynamic})
    return Equilibrium(full, _size(_force(net, here)), False, _energy(net, full), 0)


def _no_fixed_point(
    net: Network, states: Mapping[str, Array], found: Equilibrium, distance: float
) -> ValueError:
    with np.errstate(all="ignore"):
        force = {name: _size(x) for name, x in net.unchecked_force(states).items()}
    worst = max(force, key=lambda name: force[name])
    remedy = "run it on with simulate until it has settled"
    if found.converged:
        remedy = (
            f"pass the last state of a run that settled, or find(net, state).states, which is "
            f"{distance:.2g} of the state away"
        )
    return ValueError(
        f"the state is no fixed point: |tau dx/dt| is up to {force[worst]:.3g} in layer {worst!r}; "
        f"{remedy}"
    )


@in_range
def find_all(net: Network, starts: State) -> list[Equilibrium]:
    """Find the fixed points near many states, each once, lowest energy first.

    Where synapses are directed, and there is no energy, in the order of the starts.

    Parameters
    ----------
    net : Network
    starts : array_like (*batch, *shape) or mapping of layer names to such arrays
        Cues, final states of a batch, or midpoints between memories, near which saddles lie.

    Returns
    -------
    list of Equilibrium
        Those that converged. Two are the same if no state differs by more than 1e-6, relative to
        1 + the largest |state|; in layers without leak the activations are compared, since flat
        directions of the Lagrangian change nothing there.

    Raises
    ------
    ValueError, TypeError
        If the starts do not fit the network.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(2, 32, seed=0)
    >>> net = am.dense_am(patterns, hidden=am.Softmax(beta=1.0))
    >>> starts = [*patterns, patterns.mean(axis=0), 0.9 * patterns[0]]
    >>> len(am.stability.find_all(net, starts))
    3
    """
    batch = stacked_states(net, starts)
    count = len(next(iter(batch.values())))
    found: list[Equilibrium] = []
    for i in range(count):
        rest = find(net, {name: batch[name][i] for name in net.dynamic})
        if rest.converged and not any(_same(net, rest.states, x.states) for x in found):
            found.append(rest)
    return found if net.directed else sorted(found, key=lambda rest: rest.energy)


@in_range
def classify(
    net: Network, state: State, patterns: ArrayLike, *, layer: str = "visible"
) -> Classification:
    """Say what a fixed point is: memory, mixture or spurious; minimum or saddle of the energy.

    The activation of the layer is written as a sum of patterns with weights of either sign but
    none needed twice (non-negative least squares over the patterns and their negatives). The state
    is a memory if the effective number of patterns, (sum |w|)^2 / sum w^2, is below 1.5, a mixture
    if it is more, and spurious if it is farther than 0.65 |state| from every such sum. (The sign of
    a sum of patterns, as in Hopfield networks, is at most 0.61 away.)

    Parameters
    ----------
    net : Network
    state : array_like or mapping of layer names to array_like
        One fixed point, such as `find(...).states`.
    patterns : array_like (P, units)
        The stored patterns.
    layer : str, default "visible"
        The layer that holds them.

    Returns
    -------
    Classification

    Raises
    ------
    ValueError, TypeError
        If the state is no fixed point, or it or the patterns do not fit the network.

    Notes
    -----
    Linear combinations of as many independent patterns as units reach every state: then nothing is
    spurious in this sense. Of more than 200 patterns the 200 most similar ones are tried.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(2, 32, seed=0)
    >>> net = am.dense_am(patterns, hidden=am.Softmax(beta=1.0))
    >>> middle = am.stability.find(net, patterns.mean(axis=0))
    >>> found = am.stability.classify(net, middle.states, patterns)
    >>> found.kind, found.stability, found.index
    ('mixture', 'saddle', 1)
    """
    states = nearby_fixed_point(net, state).states
    checks.choice("layer", layer, tuple(states))
    stored = checks.array("patterns", patterns, largest=checks.LARGEST)
    units = net.layers[layer].size
    if stored.ndim != 2 or stored.shape[1] != units or not len(stored):
        raise ValueError(
            f"patterns have shape {stored.shape}, layer {layer!r} has {units} units; "
            f"they need shape (patterns, {units})"
        )
    active = net.layers[layer].lagrangian.activation(states[layer]).ravel()
    weights, distance = _combination(active, stored)
    total = float(np.abs(weights).sum())
    spread = total**2 / float(np.sum(weights**2)) if total else np.inf
    kind: Kind = "memory" if spread < _PURE else "mixture"
    if distance > _UNEXPLAINED or not total:
        kind = "spurious"
    shape, index = _inertia(Linearisation(net, states))
    return Classification(
        kind=kind,
        pattern=int(np.abs(weights).argmax()),
        weights=weights,
        distance=distance,
        stability=shape,
        index=index,
    )


def _energy(net: Network, states: Mapping[str, Array]) -> float:
    return np.nan if net.directed else float(net.energy(states))


def _force(net: Network, vector: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return net.pack(net.unchecked_force(net.unpack(vector)))


def _size(force: Array) -> float:
    largest = float(np.abs(force).max())
    return largest if largest < np.inf else np.inf


def _scale(vector: Array) -> float:
    return 1.0 + float(np.abs(vector).max())


class _Flow:
    """Coarse steps along the dynamics, with the leak exact: they never leave the fixed points."""

    def __init__(self, net: Network) -> None:
        self.net = net
        layers = net.dynamic.values()
        self.tau = np.concatenate([np.ravel(layer.tau) for layer in layers])
        self.leak = np.concatenate([np.full(layer.size, layer.leak) for layer in layers])

    def follow(self, vector: Array, iteration: int) -> Array:
        """Some steps, shorter ones after many iterations: inhibition overshoots in long ones."""
        step = _STEP * self.tau.max() * 0.5 ** (iteration // 50) / self.tau
        # (1 - e^(-leak step)) / leak, and its limit without leak.
        decay = self.leak * step
        share = np.where(decay > 0, -np.expm1(-decay) / np.where(decay > 0, self.leak, 1), step)
        for _ in range(_STEPS):
            vector = vector + share * _force(self.net, vector)
        return vector


def _newton_step(net: Network, vector: Array) -> Array:
    states, force = net.unpack(vector), _force(net, vector)
    tau = np.concatenate([np.ravel(layer.tau) for layer in net.dynamic.values()])
    if sum(layer.size for layer in net.layers.values()) > 2 * DENSE:
        linear = Linearisation(net, net.complete(states))
        return solve_krylov(lambda u: -tau * linear.jacobian_product(u), force)
    matrix = -tau[:, None] * net.jacobian(states)
    if all(layer.leak for layer in net.layers.values()):
        with suppress(np.linalg.LinAlgError):
            return np.asarray(np.linalg.solve(matrix, force))
    # Flat directions, or a bifurcation: the shortest of the solutions.
    return np.asarray(np.linalg.lstsq(matrix, force, rcond=1e-12)[0])


def _same(net: Network, one: Mapping[str, Array], other: Mapping[str, Array]) -> bool:
    for name, layer in net.layers.items():
        first, second = one[name], other[name]
        if layer.leak == 0:
            first, second = (layer.lagrangian.activation(x) for x in (first, second))
        if np.abs(first - second).max() > _SAME * _scale(first):
            return False
    return True


def _combination(state: Array, patterns: Floats) -> tuple[Floats, float]:
    """Weights (P,) of the patterns whose sum is nearest to the state, and its relative distance."""
    from scipy.optimize import nnls

    size = float(np.linalg.norm(state))
    norms = np.linalg.norm(patterns, axis=1)
    weights = np.zeros(len(patterns))
    if size <= _FLAT * norms.max():
        return weights, 0.0
    similar = np.abs(patterns @ state) / np.where(norms > 0, norms, 1.0)
    chosen = np.sort(np.argsort(-similar, kind="stable")[:_CANDIDATES])
    basis = patterns[chosen].T
    found, distance = nnls(np.concatenate([basis, -basis], axis=1), state)
    weights[chosen] = found[: len(chosen)] - found[len(chosen) :]
    return weights, float(distance) / size


def _inertia(linear: Linearisation) -> tuple[Shape, int]:
    """What the energy has at a fixed point, and the directions in which it falls."""
    if linear.network.directed:
        return "unknown", 0
    if linear.kink:
        shape = energy_shape(linear)
        return shape, max(descent_directions(linear), 1) if shape == "saddle" else 0
    curvature = linear.curvatures
    index = int((curvature < -_FLAT).sum())
    flat = bool((np.abs(curvature) <= _FLAT).any()) and bool(linear.leak.all())
    return "saddle" if index else "degenerate" if flat else "minimum", index
