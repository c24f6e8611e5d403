"""Effects of delays and slow normalisers near a fixed point, in closed form.

Every delay here is that of a round trip through the loop, in the unit of tau: where a message takes
the time d in each direction of a two-layer network, the round trip takes 2 d.

References
----------
Marcus & Westervelt, "Stability of analog neural networks with delay", Phys. Rev. A 39, 1989, for
the thresholds of negative feedback.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks

__all__ = [
    "critical_delay_one_layer",
    "critical_delay_two_layer",
    "critical_normaliser_delay",
    "critical_normaliser_lag",
    "uniform_delay_rate",
]


def __dir__() -> list[str]:
    return __all__


Floats = NDArray[np.float64]

_STEPS = 300  # of a Newton iteration that converges monotonically, mostly in about ten


def uniform_delay_rate(
    sigma: ArrayLike, tau_visible: ArrayLike, tau_hidden: ArrayLike, delay: ArrayLike
) -> Any:
    r"""Rate at which two layers with one time constant and one delay each approach a fixed point.

    The rightmost root of the linearised network is real, s = -lambda, with

    .. math::
        (1 - \lambda \tau_v)(1 - \lambda \tau_h)\, e^{-\lambda D} = \sigma

    Parameters
    ----------
    sigma : array_like
        Largest eigenvalue of Xi^T F Xi G, not negative: the gain of a round trip.
    tau_visible, tau_hidden : array_like
        Time constants, not negative, at least one of them positive.
    delay : array_like
        D, the delay of a round trip; not negative.

    Returns
    -------
    float or ndarray
        lambda, per unit of time: positive for sigma < 1 at every delay, negative (growth) for
        sigma > 1. Roughly ln(1 / sigma) / (D + tau_v + tau_h) near sigma = 1.

    Raises
    ------
    ValueError
        If an argument is negative or not finite, both time constants are 0, or the rate exceeds
        floating point.

    Examples
    --------
    >>> rate = uniform_delay_rate(0.5, 1.0, 0.1, 2.0)
    >>> print(f"{rate:.6f}")
    0.214805
    >>> print(f"{(1 - rate) * (1 - 0.1 * rate) * np.exp(-2 * rate):.6f}")
    0.500000
    """
    gain, visible, hidden, lag = (
        _not_negative(name, value)
        for name, value in (
            ("sigma", sigma),
            ("tau_visible", tau_visible),
            ("tau_hidden", tau_hidden),
            ("delay", delay),
        )
    )
    gain, visible, hidden, lag = np.broadcast_arrays(gain, visible, hidden, lag)
    slow, fast = np.maximum(visible, hidden), np.minimum(visible, hidden)
    if not (slow > 0).all():
        raise ValueError("tau_visible and tau_hidden are both 0: one layer needs dynamics")
    # In units of the longest time no number below leaves floating point; tiny ones may become 0.
    unit = np.maximum(slow, lag)
    with np.errstate(all="ignore"):
        goal, zero = np.log(np.where(gain > 0, gain, 1.0)), gain == 0
        far = _rate_below_half(goal, slow / unit, fast / unit, lag / unit)
        gap = _gap_to_end(goal, fast / slow, lag / slow)
        near = np.where(zero, 1.0, 1 - gap) / slow
        # The slowest factor is at least 1/2 at the one, and below 1/2 at the other.
        rate = np.where(zero | (gap < 0.5), near, far / unit)
    if not np.isfinite(rate).all():
        raise ValueError("the rate exceeds floating point: take a longer unit of time")
    return _scalar(rate)


def _rate_below_half(goal: Floats, slow: Floats, fast: Floats, lag: Floats) -> Floats:
    """Root of ln(1 - s r) + ln(1 - f r) - d r = goal if 1 - s r >= 1/2, else the r where it is 1/2.

    The left side is concave, falls, and is at most -(s + f + d) r: Newton's method, started where
    that is the goal, stays beyond the root and comes down to it.
    """
    half = 1 / (2 * slow)
    rate = np.minimum(half, -goal / (slow + fast + lag))
    for _ in range(_STEPS):
        value = np.log1p(-slow * rate) + np.log1p(-fast * rate) - lag * rate - goal
        slope = slow / (1 - slow * rate) + fast / (1 - fast * rate) + lag
        new = np.minimum(rate + np.where(slope > 0, value / slope, 0.0), half)
        if not (np.abs(new - rate) > 4e-16 * np.abs(new)).any():
            break
        rate = new
    return rate


def _gap_to_end(goal: Floats, share: Floats, lag: Floats) -> Floats:
    """Root x <= 1/2 of ln x + ln(1 - q + q x) - d (1 - x) = goal, x = 1 - s r; else 1/2.

    In y = ln x the left side is convex and rises: Newton's method, started at 1/2, comes down.
    """
    exponent: Floats = np.full(np.shape(goal), np.log(0.5))
    for _ in range(_STEPS):
        gap = np.exp(exponent)
        other = (1 - share) + share * gap
        value = exponent + np.log(other) - lag * (1 - gap) - goal
        # Below the goal already at 1/2: the root is elsewhere.
        step = np.where(value > 0, value / (1 + share * gap / other + lag * gap), 0.0)
        if not (step > 4e-16 * np.abs(exponent)).any():
            break
        exponent = exponent - step
    return np.exp(exponent)


def critical_normaliser_lag(kappa: ArrayLike) -> Any:
    r"""Time constant at which a lagging softmax normaliser destabilises a memory.

    The memory reads out f = exp(beta (h - z)) with tau_z dz/dt = log-sum-exp(beta h) / beta - z.
    Near a stored memory (p ~ 1), with tau_v = tau_h = 1 and kappa = beta |xi|^2, it is stable for

    .. math::
        \tau_z < \frac{4 - \kappa + \sqrt{\kappa^2 + 8 \kappa}}{4 (\kappa - 1)} \approx 2 / \kappa

    Parameters
    ----------
    kappa : array_like
        Positive.

    Returns
    -------
    float or ndarray
        The critical tau_z; infinite for kappa <= 1.

    Raises
    ------
    ValueError
        If kappa is not positive and finite.

    Notes
    -----
    A normaliser with tau_z dz/dt = sum_mu f_mu - 1 has the same threshold for tau_z / beta, since
    its right-hand side is beta (h - z) near the memory.

    Examples
    --------
    >>> print(f"{critical_normaliser_lag(10.0):.6f}")
    0.206011
    """
    gain = _positive("kappa", kappa)
    strong = np.where(gain > 1, gain, np.nan)
    # sqrt(k^2 + 8 k) - k = 8 / (1 + sqrt(1 + 8 / k)), without overflow and cancellation.
    lag = (1 + 2 / (1 + np.sqrt(1 + 8 / strong))) / (strong - 1)
    return _scalar(np.where(gain > 1, lag, np.inf))


def critical_normaliser_delay(kappa: ArrayLike) -> Any:
    r"""Delay at which an instantaneous softmax normaliser destabilises a memory.

    As `critical_normaliser_lag`, with z(t) = log-sum-exp(beta h(t - d)) / beta. The first crossing
    is at the frequency w and the delay d:

    .. math::
        w^2 = -(1 + \kappa) + \sqrt{\kappa^2 + 4 \kappa}, \qquad
        d = \frac1w \operatorname{atan2}\!\left(\frac{2 w}{\kappa},
        1 - \frac{1 - w^2}{\kappa}\right)

    Parameters
    ----------
    kappa : array_like
        beta |xi|^2, positive.

    Returns
    -------
    float or ndarray
        The critical delay; infinite for kappa <= 1/2.

    Raises
    ------
    ValueError
        If kappa is not positive and finite.

    Examples
    --------
    >>> print(f"{critical_normaliser_delay(10.0):.6f}")
    0.201127
    """
    gain = _positive("kappa", kappa)
    strong = np.where(gain > 0.5, gain, np.nan)
    # (2 k - 1) / (1 + k + root) is the same square without cancellation; by k, without overflow.
    square = ((strong - 0.5) / strong) * 2 / (1 + 1 / strong + np.sqrt(1 + 4 / strong))
    frequency = np.sqrt(square)
    angle = np.arctan2(2 * frequency / strong, 1 - (1 - square) / strong)
    return _scalar(np.where(gain > 0.5, angle / frequency, np.inf))


def critical_delay_one_layer(gain: ArrayLike) -> Any:
    r"""Delay at which negative feedback within one layer starts to oscillate.

    For a mode x' = -x - b x(t - d) of gain -b, in units of tau:

    .. math::
        d = \arccos(-1 / b) / \sqrt{b^2 - 1}

    Parameters
    ----------
    gain : array_like
        b, the strength of the negative feedback, positive.

    Returns
    -------
    float or ndarray
        The critical delay; infinite for b <= 1.

    Raises
    ------
    ValueError
        If the gain is not positive and finite.

    Examples
    --------
    >>> print(f"{critical_delay_one_layer(2.0):.6f}")
    1.209200
    """
    strength = _positive("gain", gain)
    above = np.where(strength > 1, strength, np.nan)
    frequency = np.sqrt(above - 1) * np.sqrt(above + 1)
    delay = np.arctan2(frequency, -1.0) / frequency  # arccos(-1 / b) is this angle
    return _scalar(np.where(strength > 1, delay, np.inf))


def critical_delay_two_layer(gain: ArrayLike) -> Any:
    r"""Round-trip delay at which two layers with antisymmetric coupling start to oscillate.

    For v' = -v + a h(t - d1), h' = -h - b v(t - d2), with kappa = a b and D = d1 + d2:

    .. math::
        D = (\pi - 2 \arctan \sqrt{\kappa - 1}) / \sqrt{\kappa - 1}

    Parameters
    ----------
    gain : array_like
        kappa, the product of both gains, positive.

    Returns
    -------
    float or ndarray
        The critical delay D of a round trip; infinite for kappa <= 1.

    Raises
    ------
    ValueError
        If the gain is not positive and finite.

    Examples
    --------
    >>> print(f"{critical_delay_two_layer(2.0):.6f}")
    1.570796
    """
    strength = _positive("gain", gain)
    frequency = np.sqrt(np.where(strength > 1, strength - 1, np.nan))
    delay = 2 * np.arctan2(1.0, frequency) / frequency
    return _scalar(np.where(strength > 1, delay, np.inf))


def _positive(name: str, value: ArrayLike) -> Floats:
    array = _not_negative(name, value)
    if not (array > 0).all():
        raise ValueError(f"{name} must be positive, got {checks.shown(value)}")
    return array


def _not_negative(name: str, value: ArrayLike) -> Floats:
    array = checks.array(name, value)
    if (array < 0).any():
        raise ValueError(f"{name} must be finite and not negative, got {checks.shown(value)}")
    return array


def _scalar(value: Any) -> Any:
    """A float for scalar arguments, an array for arrays."""
    return float(value) if np.ndim(value) == 0 else np.asarray(value)
