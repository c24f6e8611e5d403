"""Stability without delays: stable, unstable, neutral or unknown.

A fixed point is known to some accuracy, and so is its linearisation. A mode whose rate may have
either sign within it is neutral. At a kink there is no linearisation: the slopes of both sides say
whether the energy has a strict minimum.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import numpy as np

from ..synapses import Array
from .linear import DENSE, KINK_DISTANCE, Floats, Linearisation

Status = Literal["stable", "unstable", "neutral", "unknown"]
Shape = Literal["minimum", "saddle", "unknown"]

_MOST_KINKS = 12  # of which all subsets are tried
_FLAT = 1e-9  # curvature, relative to the leak, that passes for 0
_ROUNDING = 4 * float(np.finfo(np.float64).eps)
# Relative to 1 + |state|: beyond it the state says nothing about a fixed point.
_LARGEST_ERROR = 1e-2
_NO_ROTATION = 1e-3  # turning, relative to decay, that passes for none
_SAFETY = 4.0  # Newton's step to a multiple root is short by its multiplicity


def status_of(linear: Linearisation, residual: float) -> Status:
    """Whether small deviations die out without delays.

    Parameters
    ----------
    linear : Linearisation
    residual : float
        Largest |tau dx/dt| at the state.

    Notes
    -----
    With M(s) = s tau + leak - C H, rounding and the error of the state move M by a matrix that is
    at most E, entry by entry. An eigenvalue s is neutral if M(i Im s) may be singular:
    the spectral radius of |M(i Im s)^-1| E is 1 or more (Oettli and Prager's backward error).
    """
    if linear.kink:
        return _at_a_kink(linear)
    near = KINK_DISTANCE * (1 + _sizes(linear))
    first = _of_modes(linear, near)
    if first != "stable" and first != "unstable":
        return first
    error = np.minimum(_state_error(linear, residual), _LARGEST_ERROR * (1 + _sizes(linear)))
    return _of_modes(linear, near + error) if (error > near).any() else first


def energy_shape(linear: Linearisation) -> Shape:
    """What the energy has at a kink, as a function of the activations.

    To second order it is dg^T (leak / h - C) dg / 2 with the slopes h of the side of dg, and dg has
    one sign where the other side is flat. It has a strict minimum if the form is strictly
    copositive on that cone: if no principal submatrix has a positive eigenvector with an eigenvalue
    that is not positive (Kaplan, Linear Algebra Appl. 313, 2000).
    """
    if linear.synapse_kink is not None:
        return "unknown"
    if linear.at_step:
        return "saddle" if _step_is_unstable(linear) else "unknown"
    rough = any(not linear.network.layers[name].lagrangian.separable for name in linear.kinks)
    if linear.size > DENSE or rough or not linear.kinks or not linear.leak.all():
        return "unknown"
    form = _energy_form(linear)
    if form is None:
        return "unknown"
    if np.linalg.eigvalsh(form)[0] > _FLAT:
        return "minimum"
    at, sign = _cone(linear)
    free = form[np.ix_(~at, ~at)]
    lowest = np.linalg.eigvalsh(free)[0] if len(free) else np.inf
    if lowest < -_FLAT:
        return "saddle"
    if lowest <= _FLAT:
        return "unknown"
    across = form[np.ix_(at, ~at)]
    reduced = form[np.ix_(at, at)] - across @ np.linalg.solve(free, across.T)
    if (sign[at] == 0).any():  # sloped on both sides: not a cone of one sign
        return "unknown"
    return _copositive(reduced * np.outer(sign[at], sign[at]))


def descent_directions(linear: Linearisation) -> int:
    """Directions in which the energy falls, beside kinks."""
    form = None if linear.at_step or linear.size > DENSE else _energy_form(linear)
    if form is None:
        return 0
    at, _ = _cone(linear)
    free = form[np.ix_(~at, ~at)]
    return int((np.linalg.eigvalsh(free) < -_FLAT).sum()) if len(free) else 0


def _at_a_kink(linear: Linearisation) -> Status:
    if linear.synapse_kink is not None:
        return "unknown"
    if linear.rho < 1:  # all slopes around the state contract
        return "stable"
    shape = energy_shape(linear)
    if shape == "saddle":
        return "unstable"
    # The energy falls with any taus of separable layers, and with one tau for a group.
    one_tau = all(
        layer.lagrangian.separable or not np.ptp(layer.tau, axis=-1).any()
        for layer in linear.network.layers.values()
    )
    return "stable" if shape == "minimum" and one_tau else "unknown"


def _step_is_unstable(linear: Linearisation) -> bool:
    """Whether the first unit that leaves a step is driven on by what it moves.

    Its output jumps to +-1; after a short time t it has moved linked units by about
    t |C_ji| H_j / tau_j, or at once, and they push it back by C_ij times that: onwards, for
    symmetric links, unless it inhibits itself.
    """
    symmetric = np.allclose(linear.coupling, linear.coupling.T, rtol=1e-9, atol=0)
    if not symmetric or linear.size > DENSE:
        return False
    step = np.zeros(linear.size, bool)
    bend = np.zeros(linear.size, bool)
    for name, kink in linear.kinks.items():
        step[linear.spans[name]] = kink.at & np.isinf(kink.steepest)
        bend[linear.spans[name]] = kink.at
    answer = np.where(bend, 0.0, np.diag(linear.hessian))
    for unit in np.flatnonzero(step):
        row = linear.coupling[unit]
        others = step & (np.arange(linear.size) != unit)
        if row[unit] >= 0 and not row[others].any() and (row[unit] or (row**2 * answer).any()):
            return True
    return False


def _energy_form(linear: Linearisation) -> Floats | None:
    """leak - R C R with R the root of H, of the steeper side at kinks; None for directed links."""
    if not np.allclose(linear.coupling, linear.coupling.T, rtol=1e-9, atol=1e-300):
        return None
    root = np.zeros((linear.size, linear.size))
    for span in linear.spans.values():
        values, vectors = np.linalg.eigh(linear.hessian[span, span])
        root[span, span] = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    root = root / np.sqrt(linear.leak)
    return np.asarray(np.eye(linear.size) - root.T @ linear.coupling @ root)


def _cone(linear: Linearisation) -> tuple[Array, Floats]:
    """Units at kinks, and to which side their output can move: +1, -1, or 0 for both."""
    at, sign = np.zeros(linear.size, bool), np.zeros(linear.size)
    for name, kink in linear.kinks.items():
        flat = _FLAT * kink.steepest
        at[linear.spans[name]] = kink.at
        sign[linear.spans[name]] = np.where(kink.left <= flat, 1.0, 0.0) - np.where(
            kink.right <= flat, 1.0, 0.0
        )
    return at, sign


def _copositive(form: Floats) -> Shape:
    """Whether x^T form x > 0 for all x >= 0, x != 0: "minimum"; or < 0 for some: "saddle"."""
    count = len(form)
    touching = False
    for size in range(1, count + 1 if count <= _MOST_KINKS else 3):
        chosen = np.array(list(itertools.combinations(range(count), size)))
        values, vectors = np.linalg.eigh(form[chosen[:, :, None], chosen[:, None, :]])
        one_sign = (vectors > 0).all(axis=1) | (vectors < 0).all(axis=1)
        if (one_sign & (values < -_FLAT)).any():
            return "saddle"
        touching |= bool((np.abs(values) <= _FLAT).any())
    return "unknown" if touching or count > _MOST_KINKS else "minimum"


def _sizes(linear: Linearisation) -> Floats:
    return np.concatenate([np.abs(x).ravel() for x in linear.states.values()])


def _of_modes(linear: Linearisation, near: Floats) -> Status:
    """The status, for a state known to within `near`."""
    values, right, left = linear.modes
    error = _error_product(linear, near)
    full, pushed = linear.completed(right), linear.completed_left(left)
    with np.errstate(all="ignore"):
        moved = error(np.abs(full)) + _ROUNDING * np.abs(values) * linear.tau[:, None] * np.abs(
            full
        )
        weight = np.abs(np.sum(pushed.conj() * linear.tau[:, None] * full, axis=0))
        blur = np.sum(np.abs(pushed) * moved, axis=0) / weight
    doubtful = ~(np.abs(values.real) > blur)
    # Multiple roots split into pairs near the real axis.
    turning = np.where(
        np.abs(values.imag) > _NO_ROTATION * np.abs(values.real), np.abs(values.imag), 0.0
    )
    neutral = np.zeros(len(values), bool)
    for frequency in np.unique(turning[doubtful]):
        if linear.size > DENSE or _may_be_singular(linear, error, float(frequency)):
            neutral |= doubtful & (turning == frequency)
    if ((values.real > 0) & ~neutral).any():
        return "unstable"
    return "neutral" if neutral.any() else "stable"


def _error_product(linear: Linearisation, near: Floats) -> Callable[[Array], Array]:
    """E u for columns u >= 0 at s = 0: what rounding, and states within `near`, add to M."""
    spread = linear.slope_spread(near)
    unit = _ROUNDING * linear.size**0.5

    def one(u: Array) -> Array:
        rounding = linear.leak * u + linear.magnitude_product(u)
        return np.asarray(unit * rounding + linear.through_links(spread(u)))

    return lambda columns: np.stack([one(u) for u in columns.T], axis=1)


def _may_be_singular(
    linear: Linearisation, error: Callable[[Array], Array], frequency: float
) -> bool:
    matrix = np.diag(1j * frequency * linear.tau + linear.leak) - linear.coupling @ linear.hessian
    bound = error(np.eye(linear.size)) + _ROUNDING * np.diag(frequency * linear.tau)
    try:
        inverse = np.abs(np.linalg.inv(matrix))
    except np.linalg.LinAlgError:
        return True
    if not np.isfinite(inverse).all():
        return True
    return bool(np.abs(np.linalg.eigvals(inverse @ bound)).max() >= 1)


def _state_error(linear: Linearisation, residual: float) -> Floats:
    """How far from the state a fixed point may be, by the residual and the rounding of forces."""
    sizes = _sizes(linear)
    terms = linear.leak * sizes + linear.through_links(_outputs(linear))
    force = residual + _ROUNDING * terms
    if linear.size > DENSE:
        values, right, left = linear.modes
        full, pushed = linear.completed(right), linear.completed_left(left)
        with np.errstate(all="ignore"):
            weight = np.abs(np.sum(pushed.conj() * linear.tau[:, None] * full, axis=0) * values)
            step = np.abs(full) * (np.abs(pushed).T @ force) / weight
        return np.asarray(_SAFETY * np.nan_to_num(step, nan=np.inf).sum(axis=1))
    from scipy.sparse.csgraph import connected_components

    matrix = np.diag(linear.leak) - linear.coupling @ linear.hessian
    error = np.full(linear.size, np.inf)
    # Each by itself: a network that drifts says nothing about one that is not linked to it.
    count, parts = connected_components(matrix != 0, directed=False)
    for units in (np.flatnonzero(parts == part) for part in range(count)):
        with suppress(np.linalg.LinAlgError):
            inverse = np.linalg.inv(matrix[np.ix_(units, units)])
            error[units] = _SAFETY * np.abs(inverse) @ force[units]
    return error


def _outputs(linear: Linearisation) -> Floats:
    layers = linear.network.layers.items()
    return np.concatenate(
        [np.abs(x.lagrangian.activation(linear.states[name])).ravel() for name, x in layers]
    )
