"""A true fixed point beside a state in floats, and how far its linearisation is from theirs."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..lagrangians import Lagrangian, SimplexLagrangian
from ..lagrangians.group import NormLagrangian
from ..synapses import Array, Pairwise
from .boxes import EPS, TINY, Boxes
from .intervals import BoxMap
from .linear import KINK_DISTANCE, Floats, Linearisation

_ATTEMPTS = 6
_ROOM = 1.5


def enclosure(linear: Linearisation) -> Floats | None:
    """A radius for each unit within which there is exactly one fixed point; None if none is proven.

    With f(x) = x - F(x), Y about the inverse of f'(x) and J a bound on f' in the box x +- r, there
    is one if |Y f(x)| + |1 - Y J| r < r in every entry (Krawczyk's test; Neumaier, "Interval
    Methods for Systems of Equations", 1990, chapter 5).
    """
    moved = _residual(linear)
    if moved is None:
        return None
    derivative = np.eye(linear.size) - (linear.coupling @ linear.hessian) / linear.leak[:, None]
    try:
        inverse = np.linalg.inv(derivative)
    except np.linalg.LinAlgError:
        return None
    size, step = np.abs(inverse), (linear.size + 8) * EPS
    through = linear.links / linear.leak[:, None] * (1 + 8 * EPS)
    off = np.abs(np.eye(linear.size) - inverse @ derivative)
    off += 2 * step * (np.eye(linear.size) + size @ (np.eye(linear.size) + np.abs(derivative)))
    off += step * size @ (through @ np.abs(linear.hessian))
    first = size @ moved * (1 + step) + TINY
    radius = _ROOM * first + 4 * EPS * np.abs(_states(linear))
    for _ in range(_ATTEMPTS):
        spread = hessian_error(linear, radius)
        if spread is None:
            return None
        image = first + (off @ radius + size @ (through @ (spread @ radius))) * (1 + 4 * step)
        if (image < radius).all():
            return np.asarray(radius)
        radius = _ROOM * image
        if not np.isfinite(radius).all():
            return None
    return None


def accuracy(linear: Linearisation) -> Floats:
    """How well each unit of the fixed point is known: proven, or as `find` polishes it."""
    found = enclosure(linear)
    return KINK_DISTANCE * (1 + np.abs(_states(linear))) if found is None else found


def hessian_error(linear: Linearisation, near: Floats) -> Floats | None:
    """How far H at states within `near` may be from `linear.hessian`, entry by entry, from above.

    None if a Lagrangian is of a kind that gives no such bound.
    """
    error = np.zeros((linear.size, linear.size))
    for name, layer in linear.network.layers.items():
        if len(layer.shape) > 1:
            return None
        span, x = linear.spans[name], linear.states[name]
        bounds = _hessian_bounds(layer.lagrangian, x, near[span], linear.hessian[span, span])
        if bounds is None:
            return None
        here = linear.hessian[span, span]
        error[span, span] = np.maximum(bounds[1] - here, here - bounds[0]) * (1 + 4 * EPS)
    return np.maximum(error, 0.0)


def _hessian_bounds(
    lagrangian: Lagrangian, x: Array, near: Array, here: Array
) -> tuple[Array, Array] | None:
    lo, hi = np.nextafter(x - near, -np.inf), np.nextafter(x + near, np.inf)
    if lagrangian.separable:
        low, high = lagrangian.slope_bounds(lo, hi)
        return np.diag(low), np.diag(high)
    if isinstance(lagrangian, SimplexLagrangian):
        return simplex_hessian(lagrangian, lo, hi)
    if isinstance(lagrangian, NormLagrangian):
        # |d(1/s)| <= |dx| / s^2 and |dc| <= |dx| / s, so that |dH| <= 3 a |dx| / s^2.
        a, smoothing, _ = lagrangian._constants(len(x))
        away = float(np.linalg.norm(hi - lo))
        s = np.sqrt(max(float(np.linalg.norm(lagrangian._project(x))) - away, 0.0) ** 2 + smoothing)
        amount = a / s * (3 * away / s + 1e-13) * (1 + 1e-12)
        return here - amount, here + amount
    return None


def simplex_hessian(lagrangian: SimplexLagrangian, lo: Array, hi: Array) -> tuple[Array, Array]:
    """Bounds on H over a box: less the weights s_i s_j / sum s of a Laplacian, and their sums."""
    low, high = lagrangian._weight_bounds(lagrangian.activation_bounds(lo, hi))
    least, most = max(1.0, float(low.sum()) * (1 - 1e-12)), float(high.sum()) * (1 + 1e-12)
    room = 1e-13
    strong = lagrangian.beta * np.outer(high, high) / least * (1 + room) + TINY
    weak = lagrangian.beta * np.outer(low, low) / most * (1 - room)
    for weights in (strong, weak):
        np.fill_diagonal(weights, 0.0)
    rows = np.diag(weak.sum(axis=1) * (1 - room)), np.diag(strong.sum(axis=1) * (1 + room))
    return rows[0] - strong, rows[1] - weak


def _residual(linear: Linearisation) -> Floats | None:
    """|x - F(x)| of every unit from above; None where F has no interval image."""
    net = linear.network
    plain = all(isinstance(s, Pairwise) for s in net.synapses) and linear.leak.all()
    if not plain or any(len(layer.shape) > 1 for layer in net.layers.values()):
        return None
    last = next(iter(net.layers))
    boxmap = BoxMap.of(net, last, ()).of_all()
    points = Boxes.points({name: x[None] for name, x in linear.states.items()})
    new = boxmap.image(points).new
    return _joined(
        np.maximum(new[n][1] - points[n][0], points[n][0] - new[n][0])[0] for n in net.layers
    ) * (1 + 4 * EPS)


def _states(linear: Linearisation) -> Floats:
    return _joined(x.ravel() for x in linear.states.values())


def _joined(parts: Iterable[Array]) -> Floats:
    return np.concatenate(list(parts))
