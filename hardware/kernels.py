"""The integer arithmetic of the chip, written once; every backend calls it.

Each function uses only comparisons, additions, multiplications, shifts and bits, so it takes Python
integers, NumPy arrays of int64 (elementwise) and numba scalars alike, and gives the same integers.
Nothing here saturates or wraps: `hardware.ranges` proves beforehand that results fit 24 bits.

Numbers are fixed-point. A value with b fractional bits stands for integer / 2**b. Logarithms and
exponents are to base 2 ("octaves").
"""

from __future__ import annotations

from typing import Any

# Integers of any kind: int, integer ndarray, numba scalar.
Integer = Any

DECAY_BITS = 12
POWER_BITS = 15
_POLY_BITS = 16
_ONE = 1 << _POLY_BITS
_SIGN = 63  # a right shift by so many leaves -1 of a negative integer, 0 of another
_FAR = 40  # a right shift by more gives the same 0

# 2**f = 1 + f - f (1 - f) (A0 + A1 f), relative error 1.1e-4, exact at f = 0 and 1.
_A0, _A1 = 19961, 5129
# log2(1 + f) = f + f (1 - f) (B0 + B1 f), error 8.8e-4 octaves, exact at f = 0 and 1.
_B0, _B1 = 27713, -10435
# 1 / (1 + f) ~ C0 + C1 f + C2 f^2, relative error 1e-2, cubed by one Halley step.
_C0, _C1, _C2 = 64873, -52944, 21165


def sign(x: Integer) -> Integer:
    """-1, 0 or 1."""
    return 1 * (x > 0) - (x < 0)


def shift_round(x: Integer, bits: Integer) -> Integer:
    """Compute x / 2**bits for x >= 0, to the nearest integer, halves up."""
    return (x + ((1 << bits) >> 1)) >> bits


def scale(x: Integer, mantissa: Integer, shift: Integer) -> Integer:
    """Compute x * mantissa / 2**shift to the nearest integer, halves away from zero (odd in x)."""
    product = x * mantissa
    if shift == 0:
        return product
    return (product + (1 << (shift - 1)) + (product >> _SIGN)) >> shift


def decay(x: Integer, mantissa: Integer) -> Integer:
    """Compute x * mantissa / 4096, rounded towards zero as Loihi's leak is."""
    product = x * mantissa
    return (product + ((product >> _SIGN) & ((1 << DECAY_BITS) - 1))) >> DECAY_BITS


def relax(x: Integer, target: Integer, mantissa: Integer) -> Integer:
    """One step of a leaky state towards its target; it stays between the two."""
    return x + decay(target - x, mantissa)


def delta(value: Integer, sent: Integer, threshold: Integer) -> Integer:
    """Send-on-delta: the change since the last message if it reaches the threshold, else 0."""
    change = value - sent
    if threshold <= 1:
        return change
    return change * (abs(change) >= threshold)


def exp2(x: Integer, fraction: Integer, bits: Integer) -> Integer:
    """2**x with `bits` fractional bits, to the nearest integer.

    Parameters
    ----------
    x : integer with `fraction` (at most 16) fractional bits
    """
    f = (x & ((1 << fraction) - 1)) << (_POLY_BITS - fraction)
    bend = (f * (_ONE - f)) >> _POLY_BITS
    mantissa = _ONE + f - shift_round(bend * (_A0 + ((_A1 * f) >> _POLY_BITS)), _POLY_BITS)
    places = (x >> fraction) + (bits - _POLY_BITS)
    left = places * (places > 0)
    right = -places * (places < 0)
    right = right - (right - _FAR) * (right > _FAR)
    return shift_round(mantissa << left, right)


def log2(x: Integer, fraction: Integer) -> Integer:
    """log2(x) of an integer 1 <= x < 2**24, with `fraction` (at most 16) fractional bits."""
    octave = x * 0
    for step in (16, 8, 4, 2, 1):
        octave = octave + step * ((x >> (octave + step)) > 0)
    f = ((x << _POLY_BITS) >> octave) - _ONE
    bend = (f * (_ONE - f)) >> _POLY_BITS
    f = f + ((bend * (_B0 + ((_B1 * f) >> _POLY_BITS))) >> _POLY_BITS)
    return (octave << fraction) + shift_round(f, _POLY_BITS - fraction)


def tanh(octaves: Integer, fraction: Integer) -> Integer:
    """(1 - u) / (1 + u) with u = 2**-octaves, octaves >= 0; result with 16 fractional bits.

    With octaves = 2 x log2(e) this is tanh(x).
    """
    u = exp2(-octaves, fraction, _POLY_BITS)
    inverse = _C0 + ((u * (_C1 + ((_C2 * u) >> _POLY_BITS))) >> _POLY_BITS)
    error = _ONE - (((_ONE + u) * inverse) >> _POLY_BITS)
    error = error + ((error * error) >> _POLY_BITS)
    inverse = inverse + ((inverse * error) >> _POLY_BITS)
    return ((_ONE - u) * inverse) >> _POLY_BITS


def power(x: Integer, exponent: Integer) -> Integer:
    """x**exponent of 0 <= x < 2**15, where 2**15 stands for 1."""
    result = x
    for _ in range(exponent - 1):
        result = shift_round(result * x, POWER_BITS)
    return result


def boltzmann(logit: Integer, c: Integer, fraction: Integer, bits: Integer) -> Integer:
    """2**(logit - c): what a memory unit sends in a round, and as p."""
    return exp2(logit - c, fraction, bits)


def log_sum(
    c: Integer, total: Integer, fraction: Integer, bits: Integer, floor: Integer
) -> Integer:
    """One round of the normaliser: c += log2(total), total with `bits` fractional bits.

    Below `floor` a total is mostly rounding, and c falls by what `floor` allows: a larger total
    would not have been rounded away, so c stays above the true value, up to log2(1.5).
    """
    seen = total + (floor - total) * (total < floor)
    return c + log2(seen, fraction) - (bits << fraction)
