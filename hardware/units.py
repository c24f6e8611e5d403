"""The integers of the three kinds of units, and what each sends; see `hardware.plan` for when."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import kernels

Integers = NDArray[np.int64]
TANH_BITS = 10


@dataclass(frozen=True, eq=False)
class Visible:
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
        Of the output; see the module.
    threshold : int
        Smallest change of the output that is sent.
    scale, output_scale : float
        Integers per unit of state, of output.
    """

    kind: str
    decay: Integers
    bias: Integers
    limit: Integers
    input_limit: int
    gain: int
    mantissa: int
    shift: int
    saturation: int
    level: int
    threshold: int
    scale: float
    output_scale: float

    def output(self, v: Integers) -> Integers:
        """g of a state, elementwise."""
        if self.kind == "sign":
            return np.asarray(self.level * kernels.sign(v))
        if self.kind == "identity":
            return np.asarray(kernels.scale(v, self.mantissa, self.shift))
        octaves = kernels.scale(np.minimum(np.abs(v), self.saturation), self.mantissa, self.shift)
        size = kernels.scale(kernels.tanh(octaves, TANH_BITS), self.level, 16)
        return np.asarray(kernels.sign(v) * size)


@dataclass(frozen=True, eq=False)
class Hidden:
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

    kind: str
    decay: Integers
    bias: Integers
    input_limit: int
    mantissa: int
    shift: int
    power: int
    down: int
    scale: float
    output_scale: float

    def output(self, h: Integers) -> Integers:
        """f of a state of rectified-power memories, elementwise."""
        base = kernels.scale(np.maximum(h, 0), self.mantissa, self.shift)
        return np.asarray(kernels.shift_round(kernels.power(base, self.power), self.down))

    def logit(self, h: Integers) -> Integers:
        """beta h in octaves, elementwise; softmax memories."""
        return np.asarray(kernels.scale(h, self.mantissa, self.shift))


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

    logit_bits: int
    sum_bits: int
    p_bits: int
    rounds: int
    headroom: int
    floor: int

    def message(self, logit: Integers, c: Integers) -> Integers:
        """What a memory sends in a round."""
        return np.asarray(kernels.boltzmann(logit, c, self.logit_bits, self.sum_bits))

    def probability(self, logit: Integers, c: Integers) -> Integers:
        """What a memory sends to the features."""
        return np.asarray(kernels.boltzmann(logit, c, self.logit_bits, self.p_bits))

    def update(self, c: Integers, total: Integers) -> Integers:
        """c after a round in which `total` arrived."""
        return np.asarray(kernels.log_sum(c, total, self.logit_bits, self.sum_bits, self.floor))


def values(part: Visible | Hidden | Normaliser) -> dict[str, Any]:
    """The attributes of a part of a plan by name."""
    return {field.name: getattr(part, field.name) for field in fields(part)}
