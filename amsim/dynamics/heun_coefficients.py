"""What steps of one length are made of: where they begin, and their exact coefficients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..synapses import Array

# Moments that are this near, in units of the step, are one.
SAME = 1e-7
# Points of the quadrature of what coloured noise adds in a step.
_NODES = 16


class Stretch(NamedTuple):
    """Steps of one length."""

    start: float  # on the clock of the problem
    length: float
    moments: Array  # (S,) beginnings on the user's clock

    @property
    def stop(self) -> float:
        return self.start + self.length * len(self.moments)


def stretches(t0: float, t1: float, step: float) -> Iterator[Stretch]:
    """Steps from t0 to t0 + t1 on the user's clock: between multiples of `step`, and at the ends.

    The beginning of a step has the same bits in every run that has such a step.
    """
    begin, end = t0 / step, (t0 + t1) / step
    first, last = int(np.ceil(begin - SAME)), int(np.floor(end + SAME))
    if last < first:
        yield Stretch(0.0, t1, np.array([t0]))
        return
    if first - begin > SAME:
        yield Stretch(0.0, first * step - t0, np.array([t0]))
    if last > first:
        yield Stretch(max(first * step - t0, 0.0), step, np.arange(first, last) * step)
    if end - last > SAME:
        start = max(last * step - t0, 0.0)
        yield Stretch(start, t1 - start, np.array([last * step]))


class Rates(NamedTuple):
    """What columns obey, (M,) each."""

    rate: Array  # of the decay
    gain: Array  # of the drive, and of the noise

    def moves(self, length: float | Array) -> tuple[Array, Array, Array]:
        """What is left of a state; its change by a drive that is 1, and by one of s = 0 to 1."""
        z = self.rate * length
        with np.errstate(invalid="ignore", divide="ignore"):
            whole = np.where(z > 0, -np.expm1(-z) / z, 1.0)
            # (1 - whole) / z loses digits for small z, and its series ends for large z.
            late = np.where(z > 0.05, (1.0 - whole) / z, _late_series(z))
        return np.exp(-z), self.gain * length * whole, self.gain * length * late

    def curved(self, length: float | Array) -> Array:
        """The change of a state by a drive s^2, s from 0 to 1."""
        z = self.rate * length
        with np.errstate(invalid="ignore", divide="ignore"):
            late = self.moves(length)[2] / (self.gain * length)
            share = np.where(z > 1.0, (1.0 - 2.0 * late) / z, _curved_series(np.minimum(z, 1.0)))
        return np.asarray(self.gain * length * share)

    def variance(self, length: float | Array) -> Array:
        """Of the state after so long by white noise of temperature 1."""
        z = 2.0 * self.rate * length
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.where(z > 0, -np.expm1(-z) / z, 1.0)
        return np.asarray(2.0 * self.gain * length * share)


def _late_series(z: Array) -> Array:
    """(1 - (1 - e^-z) / z) / z for small z."""
    total, term = np.zeros_like(z), np.full_like(z, 0.5)
    for k in range(3, 12):
        total, term = total + term, -term * z / k
    return total


def _curved_series(z: Array) -> Array:
    """The integral of s^2 e^(-z (1 - s)) from 0 to 1, for z up to 1."""
    total, term = np.zeros_like(z), np.full_like(z, 1.0 / 3.0)
    for m in range(4, 24):
        total, term = total + term, -term * z / m
    return total


class Colours(NamedTuple):
    """What a step does with coloured noise; see `Path`, whose names these are."""

    kick: Array
    carry: Array
    swing: Array
    fade: Array
    fresh: Array


def colours(rates: Rates, correlation: float, length: float) -> Colours:
    """The exact joint step of states and the Ornstein-Uhlenbeck noise that drives them.

    Noise obeys c d(eta) = -eta dt + sqrt(2 T tau) dW, and enters the state by gain eta. What both
    get from one dW, length - u before the end, is e^(-u/c) and gain G(u), with
    G(u) = integral over s < u of e^(-rate (u - s)) e^(-s/c).
    """
    from scipy.special import roots_legendre

    nodes, weights = roots_legendre(_NODES)
    share = 0.5 * length * weights[:, None]
    ages = 0.5 * length * (nodes + 1.0)[:, None]
    faded = np.exp(-ages / correlation)
    passed = _passed(rates, correlation, ages)
    strength = np.sqrt(2.0 / rates.gain) / correlation
    fresh = strength * np.sqrt(-0.5 * correlation * np.expm1(-2.0 * length / correlation))
    swing = strength**2 * (share * passed * faded).sum(axis=0) / fresh
    kick = np.sqrt(np.maximum(strength**2 * (share * passed**2).sum(axis=0) - swing**2, 0.0))
    fade = np.full_like(fresh, np.exp(-length / correlation))
    return Colours(kick, _passed(rates, correlation, np.array(length)), swing, fade, fresh)


def _passed(rates: Rates, correlation: float, age: Array) -> Array:
    """gain G(age), see `colours`."""
    slow = np.minimum(rates.rate, 1.0 / correlation)
    apart = np.abs(rates.rate - 1.0 / correlation)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(apart * age > 0, -np.expm1(-apart * age) / apart, age)
    return np.asarray(rates.gain * np.exp(-slow * age) * share)
