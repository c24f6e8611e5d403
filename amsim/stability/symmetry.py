"""Rotations that leave a network as it is, and the modes that they make neutral.

Rotations exp(theta J_l) of the states of the layers, with antisymmetric J_l, commute with the
dynamics if each layer's outputs turn with its states and J_a W = W J_b for all weights from layer b
to layer a, and J b = 0 for all biases. Then J x is a null vector of the linearisation at x.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..lagrangians import Identity, LayerNorm, Spherical
from ..synapses import Array, Pairwise
from .linear import Floats, Linearisation
from .links import links_of

_UNKNOWN = 600  # most planes of all layers that are looked at
_ZERO = 1e-10  # relative: parts of null vectors that pass for 0
_BROKEN = 1e-12  # relative to the weights of each link and to each bias: less passes for rounding
_ONE = 1e-8  # gains nearer to 1 pass for 1
Generator = dict[str, Array]


def generators(linear: Linearisation) -> list[Generator]:
    """Rotations that move the state, as many as they have directions, by layer (units, units).

    Each is scaled to a largest entry of 1. Layers that it does not turn are left out.
    """
    turned = _symmetries(linear)
    if not turned:
        return []
    moved = np.stack([_moved(linear, each) for each in turned])
    left, sizes, _ = np.linalg.svd(moved, full_matrices=False)
    scale = float(np.linalg.norm(np.concatenate([x.ravel() for x in linear.states.values()])))
    found = []
    for combination in left.T[sizes > _ZERO * max(scale, 1e-300)]:
        sums = {
            n: sum((c * each[n] for c, each in zip(combination, turned, strict=True)),
                   np.zeros_like(turned[0][n]))
            for n in turned[0]
        }  # fmt: skip
        largest = max(float(np.abs(x).max()) for x in sums.values())
        found.append({n: x / largest for n, x in sums.items() if np.abs(x).max() > _ZERO * largest})
    return found


def explains(linear: Linearisation, found: list[Generator]) -> bool:
    """Whether all gains are below 1, but for those of 1 that the rotations make.

    For an energy, where the gains of a pass are real and no deviation is amplified beyond them.
    """
    if not found or linear.network.directed or not ((linear.tau > 0) & (linear.leak > 0)).all():
        return False
    gains = np.linalg.eigvals(linear.coupling @ linear.hessian / linear.leak[:, None])
    critical = gains[np.abs(gains) > 1 - _ONE]
    ahead = np.abs(critical - 1) < _ONE
    return bool(np.abs(np.abs(critical) - 1).max() < _ONE and ahead.sum() == len(found))


def in_words(found: list[Generator]) -> str:
    """Which layers are turned, and in which planes if that is short."""
    told = []
    for each in found:
        parts = []
        for name, matrix in each.items():
            planes = np.argwhere(np.triu(np.abs(matrix) > _ZERO))
            where = f" in the plane of units {planes[0][0]} and {planes[0][1]}"
            parts.append(f"{name!r}{where if len(planes) == 1 else ''}")
        told.append(f"a rotation of {' and '.join(parts)}")
    return "; ".join(told[:3]) + (f"; and {len(told) - 3} more" if len(told) > 3 else "")


def _symmetries(linear: Linearisation) -> list[Generator]:
    """A basis of the rotations under which the network stays as it is."""
    net = linear.network
    if not all(isinstance(x, Pairwise) for x in net.synapses):
        return []
    planes = [
        (name, i, j)
        for name, layer in net.layers.items()
        if isinstance(layer.lagrangian, (Identity, Spherical, LayerNorm)) and len(layer.shape) == 1
        for i, j in itertools.combinations(range(layer.size), 2)
    ]
    if not 0 < len(planes) <= _UNKNOWN:
        return []
    conditions = np.stack([_broken(linear, *plane) for plane in planes], axis=1)
    _, sizes, right = np.linalg.svd(conditions, full_matrices=True)
    rank = int((sizes > _BROKEN).sum())
    basis = []
    for vector in right[rank:]:
        each = {n: np.zeros((net.layers[n].size,) * 2) for n, _, _ in planes}
        for (name, i, j), value in zip(planes, vector, strict=True):
            each[name][i, j], each[name][j, i] = value, -value
        basis.append(each)
    return basis


def _broken(linear: Linearisation, name: str, i: int, j: int) -> Floats:
    """What the rotation in one plane of a layer changes: J W - W J, J b and, there, J 1 or J d.

    Of each matrix and vector in units of its largest entry: a large one hides none of the others.
    """
    net, found = linear.network, []
    for synapse in net.synapses:
        assert isinstance(synapse, Pairwise)
        for target, link in links_of(synapse):
            weights = np.asarray(link.weights.T if link.back else link.weights, np.float64)
            change = np.zeros_like(weights)
            if target == name:
                change[i] += weights[j]
                change[j] -= weights[i]
            if link.source == name:
                change[:, j] -= weights[:, i]
                change[:, i] += weights[:, j]
            found.append(change.ravel() / _largest(weights))
    for other, layer in net.layers.items():
        kept = [np.broadcast_to(np.asarray(layer.bias, np.float64), layer.size)]
        if isinstance(layer.lagrangian, LayerNorm):
            delta = np.asarray(layer.lagrangian.delta, np.float64)
            kept += [np.ones(layer.size), np.broadcast_to(delta, layer.size)]
        for vector in kept:
            change = np.zeros(layer.size)
            if other == name:
                change[i], change[j] = vector[j], -vector[i]
            found.append(change / _largest(vector))
    return np.concatenate(found)


def _largest(values: Floats) -> float:
    return float(np.abs(values).max(initial=0.0)) or 1.0


def _moved(linear: Linearisation, each: Generator) -> Floats:
    """J x over all layers."""
    states = linear.states
    return np.concatenate(
        [each[n] @ x if n in each else np.zeros(x.size) for n, x in states.items()]
    )
