"""The arithmetic of the chip in Python's unbounded integers, with every width checked.

A second one beside `hardware.kernels`, of which it shares no code: divisions, one number at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .units import TANH_BITS, Normaliser

Ints = list[int]

STATE_BITS, PRODUCT_BITS, WORD_BITS = 24, 40, 32
ONE = 1 << 16


class Overflow(ArithmeticError):  # noqa: N818
    """A value does not fit the bits that the chip has for it."""


@dataclass
class Widths:
    """Checks widths, and remembers the largest values.

    Attributes
    ----------
    largest : dict of str to int
        The largest absolute value that each kind of value reached.
    """

    largest: dict[str, int] = field(default_factory=dict)

    def fit(self, name: str, value: int, bits: int = STATE_BITS) -> int:
        """The value, if it fits a signed integer of so many bits."""
        if not -(1 << (bits - 1)) < value < 1 << (bits - 1):
            raise Overflow(f"{name}: {value} does not fit {bits} bits")
        if abs(value) > self.largest.get(name, 0):
            self.largest[name] = abs(value)
        return value

    def product(self, x: int, y: int) -> int:
        """x y, before its shift."""
        return self.fit("product", x * y, PRODUCT_BITS + 1)


def towards_zero(x: int, divisor: int) -> int:
    """Compute x / divisor, rounded towards zero."""
    return x // divisor if x >= 0 else -(-x // divisor)


def rounded(x: int, divisor: int) -> int:
    """x / divisor for x >= 0 to the nearest integer, halves up."""
    return (2 * x + divisor) // (2 * divisor)


def scaled(seen: Widths, x: int, mantissa: int, shift: int) -> int:
    """Compute x mantissa / 2**shift to the nearest integer, halves away from zero."""
    size = rounded(seen.product(abs(x), mantissa), 2**shift)
    return size if x >= 0 else -size


def exp2(seen: Widths, x: int, fraction: int, bits: int) -> int:
    """Compute 2**x with `bits` fractional bits; x has `fraction` of them."""
    whole = x // 2**fraction
    f = (x - whole * 2**fraction) * 2 ** (16 - fraction)
    bend = seen.fit("word", f * (ONE - f), WORD_BITS + 1) // ONE
    slope = 19961 + seen.fit("word", 5129 * f, WORD_BITS + 1) // ONE
    mantissa = ONE + f - rounded(seen.fit("word", bend * slope, WORD_BITS + 1), ONE)
    places = whole + bits - 16
    value = mantissa << places if places >= 0 else rounded(mantissa, 1 << -places)
    return seen.fit("exponential", value)


def log2(seen: Widths, x: int, fraction: int) -> int:
    """Compute log2(x) with `fraction` fractional bits."""
    octave: int = x.bit_length() - 1
    f = seen.fit("product", x * ONE, PRODUCT_BITS + 1) // 2**octave - ONE
    bend = seen.fit("word", f * (ONE - f), WORD_BITS + 1) // ONE
    slope = 27713 + seen.fit("word", -10435 * f, WORD_BITS + 1) // ONE
    f += seen.fit("word", bend * slope, WORD_BITS + 1) // ONE
    return (octave << fraction) + rounded(f, 1 << (16 - fraction))


def tanh(seen: Widths, octaves: int) -> int:
    """Compute (1 - u) / (1 + u) of u = 2**-octaves, with 16 fractional bits."""
    u = exp2(seen, -octaves, TANH_BITS, 16)
    slope = -52944 + seen.fit("word", 21165 * u, WORD_BITS + 1) // ONE
    inverse = 64873 + seen.fit("word", u * slope, WORD_BITS + 1) // ONE
    error = ONE - seen.fit("word", (ONE + u) * inverse, WORD_BITS + 2) // ONE
    error += seen.fit("word", error * error, WORD_BITS + 1) // ONE
    inverse += seen.fit("word", inverse * error, WORD_BITS + 1) // ONE
    return seen.fit("word", (ONE - u) * inverse, WORD_BITS + 1) // ONE


def relaxed(
    seen: Widths, name: str, states: Ints, targets: Ints, mantissas: Any, held: Ints
) -> Ints:
    """States a step nearer to their targets, but for those that are held."""
    moved = list(states)
    for i, (x, target) in enumerate(zip(states, targets, strict=True)):
        if held[i]:
            continue
        seen.fit(f"target of {name}", target)
        drive = seen.fit(f"drive of {name}", target - x)
        share = towards_zero(seen.product(drive, int(mantissas[i])), 4096)
        moved[i] = seen.fit(name, x + share)
    return moved


def output(seen: Widths, part: Any, x: int) -> int:
    """g of a state, by the numbers of a layer."""
    if part.kind == "power":
        return power(seen, part, x)
    if part.kind == "identity":
        return scaled(seen, x, part.mantissa, part.shift)
    size = ONE * (x != 0)
    if part.kind != "sign":
        octaves = scaled(seen, min(abs(x), part.saturation), part.mantissa, part.shift)
        size = tanh(seen, octaves) * (x != 0)
    signed = size if x > 0 else -size
    if part.kind == "sigmoid":  # (1 + tanh) / 2
        return rounded(seen.product(ONE + signed, part.level), 2 * ONE)
    g = rounded(seen.product(size, part.level), ONE)
    return g if x > 0 else -g


def power(seen: Widths, part: Any, x: int) -> int:
    """The output of a rectified power."""
    base = scaled(seen, max(x, 0), part.mantissa, part.shift)
    result = base
    for _ in range(part.power - 1):
        seen.fit("base of the power", base, 16)
        result = rounded(seen.fit("word", result * base, WORD_BITS + 1), 2**15)
    return rounded(result, 2**part.down)


def boltzmann(seen: Widths, logit: Ints, c: int, fraction: int, bits: int) -> Ints:
    """Compute 2**(logit - c) of every unit."""
    return [exp2(seen, seen.fit("logit - c", a - c), fraction, bits) for a in logit]


def log_sum(seen: Widths, n: Normaliser, c: int, total: int) -> int:
    """c after a round in which `total` arrived."""
    change = log2(seen, max(total, n.floor), n.logit_bits) - n.sum_bits * 2**n.logit_bits
    return seen.fit("c", c + change)
