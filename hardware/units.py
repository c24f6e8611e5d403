"""The numbers of the three populations, and what a unit sends; `hardware.schedule` says when."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from amsim import checks
from amsim.display import fields_repr

from . import kernels
from .domain import WIDE, Choice, Count, Positive, Table
from .spec import MOST_POWER

Integers = NDArray[np.int64]
TANH_BITS = 10
_WIDTH = 24  # of states and sums
# Bits of a mantissa, and the largest shift after a product with one.
MANTISSA_BITS, MOST_SHIFT = 16, 40

_Mantissa, _Shift = Count(0, (1 << MANTISSA_BITS) - 1), Count(0, MOST_SHIFT)


class Owner:
    """A dataclass whose arrays are its own and read-only: what was proven about them stays true."""

    def __post_init__(self) -> None:
        for name, value in values(self).items():
            if isinstance(value, np.ndarray):
                object.__setattr__(self, name, checks.owned(value))

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), tuple(values(self).values())  # copies and pickles own theirs, too


class Outputs:
    """What units of any kind send, by the numbers that they have: `kind` says which count."""

    kind: str
    mantissa: int
    shift: int
    saturation: int
    level: int
    power: int
    down: int
    threshold: int

    def output(self, x: Integers) -> Integers:
        """The output of a state, elementwise; not of softmax units."""
        if self.kind == "identity":
            return np.asarray(kernels.scale(x, self.mantissa, self.shift))
        if self.kind == "sign":
            return np.asarray(self.level * kernels.sign(x))
        if self.kind == "power":
            base = kernels.scale(np.maximum(x, 0), self.mantissa, self.shift)
            return np.asarray(kernels.shift_round(kernels.power(base, self.power), self.down))
        octaves = kernels.scale(np.minimum(np.abs(x), self.saturation), self.mantissa, self.shift)
        size, sign = kernels.tanh(octaves, TANH_BITS), kernels.sign(x)
        if self.kind == "tanh":
            return np.asarray(sign * kernels.scale(size, self.level, 16))
        return np.asarray(kernels.scale((1 << 16) + sign * size, self.level, 17))

    def change(self, x: Integers, sent: Integers) -> Integers:
        """The message: the change of the output since `sent`, where it reaches the threshold."""
        return np.asarray(kernels.delta(self.output(x), sent, self.threshold))

    def add(self, sent: Integers, message: Integers) -> Integers:
        """What has been sent, after a message."""
        return np.asarray(sent + message)

    def logit(self, x: Integers) -> Integers:
        """Compute beta x in octaves, elementwise; softmax units."""
        return np.asarray(kernels.scale(x, self.mantissa, self.shift))


@dataclass(frozen=True, eq=False)
class Visible(Owner, Outputs):
    """Integers of the feature units.

    Attributes
    ----------
    kind : str
        "identity", "tanh" or "sign".
    decay : ndarray of int (D,)
        12-bit mantissas of the leak over one period.
    bias : ndarray of int (D,)
    limit : ndarray of int (D,)
        Proven bound on |v|.
    input_limit : int
        Largest absolute driven input.
    gain : int
        Left shift of the sum that arrives.
    mantissa, shift, saturation, level : int
        Of the output, which is by `kind`

        - "identity": scale(v, mantissa, shift),
        - "tanh": s scale(tanh(scale(min(|v|, saturation), mantissa, shift), TANH_BITS), level, 16)
          with s = sign(v),
        - "sign": level sign(v).
    threshold : int
        Smallest change of the output that is sent.
    scale, output_scale : float
        Integers per unit of state, of output.
    """

    kind: Annotated[str, Choice(("identity", "tanh", "sign"))]
    decay: Annotated[Integers, Table(("features",), 1, 1 << kernels.DECAY_BITS)]
    bias: Annotated[Integers, Table(("features",), -WIDE, WIDE)]
    limit: Annotated[Integers, Table(("features",), 0, WIDE)]
    input_limit: Annotated[int, Count(0, WIDE)]
    gain: Annotated[int, Count(0, 23)]
    mantissa: Annotated[int, _Mantissa]
    shift: Annotated[int, _Shift]
    saturation: Annotated[int, Count(0, WIDE)]
    level: Annotated[int, Count(0, (1 << 16) - 1)]
    threshold: Annotated[int, Count(1, WIDE)]
    scale: Annotated[float, Positive()]
    output_scale: Annotated[float, Positive()]

    __repr__ = fields_repr

    def relax(
        self, v: Integers, arriving: Integers, driven: Integers, clamped: NDArray[np.bool_]
    ) -> Integers:
        """v a period later, from the sum that arrives and the driven input."""
        target = (arriving << self.gain) + self.bias + driven
        return np.where(clamped, v, kernels.relax(v, target, self.decay))


@dataclass(frozen=True, eq=False)
class Hidden(Owner, Outputs):
    """Integers of the memory units.

    Attributes
    ----------
    kind : str
        "softmax" or "power".
    decay, bias : ndarray of int (K,)
    input_limit : int
        Largest absolute driven input.
    mantissa, shift : int
        From h to the logit, or to the base of the power.
    power, down : int
        Exponent n - 1 of a rectified power and the right shift after it; 1 and 0 for softmax.
    scale, output_scale : float
        Integers per unit of state, of output.
    """

    kind: Annotated[str, Choice(("softmax", "power"))]
    decay: Annotated[Integers, Table(("memories",), 1, 1 << kernels.DECAY_BITS)]
    bias: Annotated[Integers, Table(("memories",), -WIDE, WIDE)]
    input_limit: Annotated[int, Count(0, WIDE)]
    mantissa: Annotated[int, _Mantissa]
    shift: Annotated[int, _Shift]
    power: Annotated[int, Count(1, MOST_POWER)]
    down: Annotated[int, Count(0, 16)]
    scale: Annotated[float, Positive()]
    output_scale: Annotated[float, Positive()]

    __repr__ = fields_repr

    def relax(self, h: Integers, total: Integers, driven: Integers) -> Integers:
        """h a period later, from the sum of all that arrived and the driven input."""
        return np.asarray(kernels.relax(h, total + self.bias + driven, self.decay))


@dataclass(frozen=True)
class Normaliser:
    """The log-domain normaliser of softmax memories.

    Before its rounds c rises by `headroom`, which is proven to be at least the most
    that the true value can rise in a period. It then falls onto the true value from above, so
    that no sum exceeds 1.5, whatever the number of memories, and comes to 1 in the last round.

    Attributes
    ----------
    logit_bits, sum_bits, p_bits : int
        Fractional bits of a and c, of the messages in a round, of p.
    rounds : int
        Rounds in a period.
    headroom : int
        In logit_bits; a whole number of octaves.
    floor : int
        See `kernels.log_sum`.
    """

    # The errors of the kernels that `ranges` counts with are those of so many bits.
    logit_bits: Annotated[int, Count(10, 16)]
    sum_bits: Annotated[int, Count(16, 22)]
    p_bits: Annotated[int, Count(14, 16)]
    rounds: Annotated[int, Count(1, 1 << 15)]
    headroom: Annotated[int, Count(0, 1 << 23)]
    floor: Annotated[int, Count(1, 1 << 22)]

    def rise(self, c: Integers) -> Integers:
        """c before the first round."""
        return np.asarray(c + self.headroom)

    def exponential(self, logit: Integers, c: Integers) -> Integers:
        """What a memory sends in a round."""
        return np.asarray(kernels.boltzmann(logit, c, self.logit_bits, self.sum_bits))

    def probability(self, logit: Integers, c: Integers) -> Integers:
        """What a memory sends to the features."""
        return np.asarray(kernels.boltzmann(logit, c, self.logit_bits, self.p_bits))

    def log_sum(self, c: Integers, total: Integers) -> Integers:
        """c after a round in which `total` arrived."""
        return np.asarray(kernels.log_sum(c, total, self.logit_bits, self.sum_bits, self.floor))


def values(part: Any) -> dict[str, Any]:
    """The attributes of a plan, or of a part of one, by name."""
    return {field.name: getattr(part, field.name) for field in fields(part)}


def kept_bits(features: int, memories: int, normalisers: int, *, softmax: bool) -> int:
    """Bits that units keep from step to step, weights and codes not counted.

    A feature keeps v, sent and its bias, a memory h, total and its bias, with softmax a and c as
    well, each as wide as a state, and both the mantissa of their leak; the normaliser keeps c.
    """
    unit = 3 * _WIDTH + kernels.DECAY_BITS
    return features * unit + memories * (unit + 2 * _WIDTH * softmax) + normalisers * _WIDTH
