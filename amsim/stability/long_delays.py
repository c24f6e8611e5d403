"""Characteristic roots of one long delay, by a scalar equation for each mode.

Where all time constants per leak are equal, or two layers with one each act only on each other, and
a round trip takes the time D whichever way it goes, det M(s) falls apart: the roots solve

    (leak_1 + s tau_1) (leak_2 + s tau_2) e^(s D) = sigma

with an eigenvalue sigma of what goes round (one factor, for a single time constant). With the
logarithm of both sides there is one equation for each whole number k, the branches of Lambert's W
where tau_2 = 0:

    f_k(s) = s D + log(leak_1 + s tau_1) + log(leak_2 + s tau_2) - log sigma - 2 pi i k = 0

To the right of the poles Re f_k' > 0, so that f_k is one to one there (Noshiro and Warschawski):
every branch has one root or none, and for one sigma roots fall to the left as |k| grows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..synapses import Array
from .linear import Floats, Linearisation

if TYPE_CHECKING:
    from .delays import DelayedNetwork

Complex = NDArray[np.complex128]

_STEPS = 200
_HALVINGS = 40


@dataclass(frozen=True, eq=False)
class Loop:
    """The scalar equations: taus and leaks of the factors, D, and the gains.

    Attributes
    ----------
    tau, leak : tuple of float
    delay : float
    gains : ndarray of complex
        The resolved eigenvalues sigma.
    blur : float
        Others are smaller than this; 0 if there are none.
    """

    tau: tuple[float, float]
    leak: tuple[float, float]
    delay: float
    gains: Complex
    blur: float

    def roots(self, count: int) -> Complex | None:
        """Roots, the rightmost `count` among them; None if those are not right of the poles."""
        turns = np.arange(-(count // 2) - 2, count // 2 + 3)
        logs = np.log(self.gains.astype(np.complex128))[:, None] + 2j * np.pi * turns
        found, solved = self._solve(logs.ravel())
        found = found[solved]
        if self.blur:
            # To the left of this, eigenvalues that are lost in rounding may have roots as well.
            edge, known = self._solve(np.log(np.array([self.blur + 0j])))
            if known[0]:
                found = found[found.real > edge.real[0]]
                return found if len(found) else None
        return found if len(found) >= count else None

    @property
    def _pole(self) -> float:
        """The rightmost zero of the factors."""
        return max(-a / t for a, t in zip(self.leak, self.tau, strict=True) if t > 0)

    def _solve(self, logs: Complex) -> tuple[Complex, NDArray[np.bool_]]:
        """Newton's method, damped to stay right of the poles and to come nearer with every step."""
        size = max(t / a if a else t for t, a in zip(self.tau, self.leak, strict=True))
        s = np.maximum(logs.real / self.delay, self._pole / 2 if self._pole else 0.0) + 1j * (
            logs.imag / (self.delay + size)
        )
        s = np.where(s.real <= self._pole, self._pole + 1 / (self.delay + size) + 1j * s.imag, s)
        value = self._value(s, logs)
        moving = np.ones(s.shape, dtype=bool)
        for _ in range(_STEPS):
            step = -value / self._slope(s)
            moving &= np.abs(step) > 1e-15 * np.abs(s)
            if not moving.any():
                break
            s, value, moving = self._damped_step(s, value, np.where(moving, step, 0.0), logs)
        return s, np.abs(value) <= 1e-12 * (1 + np.abs(logs))

    def _damped_step(
        self, s: Complex, value: Complex, step: Complex, logs: Complex
    ) -> tuple[Complex, Complex, NDArray[np.bool_]]:
        """New states and values, and which moved: as much of each step as comes nearer.

        What has come as near as rounding lets it stays where it is.
        """
        moved, new, nearer = self._tried(s, value, step, logs)
        for _ in range(_HALVINGS):
            farther = ~nearer & (moved != s)
            if not farther.any():
                break
            step = np.where(farther, step / 2, step)
            moved, new, nearer = self._tried(s, value, step, logs)
        return np.where(nearer, moved, s), np.where(nearer, new, value), nearer

    def _tried(
        self, s: Complex, value: Complex, step: Complex, logs: Complex
    ) -> tuple[Complex, Complex, NDArray[np.bool_]]:
        moved = s + step
        new = self._value(moved, logs)
        return moved, new, (moved.real > self._pole) & (np.abs(new) < np.abs(value))

    def _value(self, s: Complex, logs: Complex) -> Complex:
        with np.errstate(all="ignore"):
            factors = [np.log(a + s * t) for a, t in zip(self.leak, self.tau, strict=True)]
            return np.asarray(s * self.delay + factors[0] + factors[1] - logs)

    def _slope(self, s: Complex) -> Complex:
        with np.errstate(all="ignore"):
            parts = [t / (a + s * t) for a, t in zip(self.leak, self.tau, strict=True)]
            return np.asarray(self.delay + parts[0] + parts[1])


def loop_of(system: DelayedNetwork) -> Loop | None:
    """The scalar equations of a delayed network; None where it does not fall apart so."""
    linear = system.linear
    one = _one_time_constant(linear)
    if one is not None and len(system.distinct) == 1:
        matrix = linear.coupling @ linear.hessian
        gains, blur = _eigenvalues(matrix, linear)
        return Loop((one[0], 0.0), (one[1], 1.0), float(system.distinct[0]), gains, blur)
    return _two_layers(system)


def falls_apart(linear: Linearisation) -> bool:
    """Whether each mode has a scalar equation of its own under one delay for all messages."""
    return _one_time_constant(linear) is not None or taus_of_two_layers(linear) is not None


def taus_of_two_layers(linear: Linearisation) -> tuple[float, float] | None:
    """Time constants per leak of two layers that only act on each other, one each; else None."""
    layers = list(linear.network.layers.items())
    if len(layers) != 2 or any(source == target for source, target in linear.blocks):
        return None
    if not linear.leak.all() or any(np.ptp(layer.tau) > 0 for _, layer in layers):
        return None
    first, second = (float(layer.tau.flat[0]) / layer.leak for _, layer in layers)
    return first, second


def _one_time_constant(linear: Linearisation) -> tuple[float, float] | None:
    if np.ptp(linear.tau) or np.ptp(linear.leak):
        return None
    return float(linear.tau[0]), float(linear.leak[0])


def _two_layers(system: DelayedNetwork) -> Loop | None:
    """Two layers with a time constant and a delay each that act on each other only."""
    linear = system.linear
    names = list(linear.network.layers)
    if len(names) != 2 or any(source == target for source, target in linear.blocks):
        return None
    taus, leaks, delay, product = [], [], 0.0, None
    for source, target in ((names[0], names[1]), (names[1], names[0])):
        span = linear.spans[target]
        tau, block = linear.tau[span], linear.blocks.get((source, target))
        if np.ptp(tau) or block is None:
            return None
        used = system.delays[source, target][block != 0]
        if len(used) and np.ptp(used):
            return None
        taus.append(float(tau[0]))
        leaks.append(float(linear.leak[span][0]))
        delay += float(used[0]) if len(used) else 0.0
        own = linear.spans[source]
        half = block @ linear.hessian[own, own]
        product = half if product is None else half @ product
    if not (delay > 0 and np.isfinite(delay)):
        return None
    gains, blur = _eigenvalues(np.asarray(product), linear)
    return Loop((taus[0], taus[1]), (leaks[0], leaks[1]), delay, gains, blur)


def _eigenvalues(matrix: Array, linear: Linearisation) -> tuple[Complex, float]:
    """Eigenvalues that rounding leaves digits of, and below what size there may be others."""
    values = np.linalg.eigvals(matrix).astype(np.complex128)
    magnitude: Floats = np.abs(values)
    largest = float(magnitude.max(initial=0.0))
    blur = len(matrix) * float(np.finfo(np.float64).eps) * largest
    kept = values[magnitude > blur]
    return kept, blur if len(kept) < len(values) else 0.0
