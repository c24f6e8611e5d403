"""The proof that a plan cannot overflow: the largest value of every signal, over all cues.

Only the integers of the plan enter, as Python's own, which have no width that could wrap: arrays of
them are of dtype object. The argument, signal by signal:

- `relax` moves a state towards its target without passing it, so a state stays within the bounds
  of its start and of its targets. Targets are sums over messages; every message is bounded by its
  unit's output at the bound of its state, and sums are bounded by sums of absolute values, so
  that also partial sums, in any order of arrival, fit.
- In one period a feature moves by at most decay(|target - v|), which bounds the change of every
  message, of h, and of the logits; `Normaliser.headroom` exceeds the latter. So before the rounds
  c is not below the log-sum. A round keeps it so up to log2(1.5): rounding hides at most half a
  unit per memory, which is at most half of `floor`. Hence a sum of messages is at most 1.5.
- A round lowers c by `window` octaves or brings it within one octave of the log-sum; `rounds` is
  enough for the first from the largest gap, and one more. The last starts within one octave, and
  sum p is 1 up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import domain, kernels
from .chips import chip
from .errors import RangeError
from .plan import TANH_BITS, Integers, Normaliser, Plan

Exact = NDArray[Any]  # of Python's integers
Floats = NDArray[np.float64]
PRODUCT_BITS = 40
# Bits of a value that are multiplied at a time, in float64: a sum of 2**26 products with weights of
# 7 bits stays below 2**53, and is exact. Rows of weights at a time, which stay in a cache.
_LIMB, _ROWS = 20, 128
COARSER = "take fewer weight_bits, or a smaller cue_limit, input limit or bias"
UNBOUNDED = (
    "features without bound drive such memories without bound; take Tanh features, or divide the "
    "patterns so that the sum of |xi_mu . xi_nu| over a row stays below 1"
)
SOFTER = "take a smaller beta, dt or cue_limit"
# Relative error of exp2 with its rounding, and error of log2 in octaves with the rounding of c.
_EXP2_ERROR = 2e-4
_LOG2_ERROR = 2e-3


@dataclass(frozen=True)
class Signal:
    """A proven bound.

    Attributes
    ----------
    name : str
    largest : int
        No absolute value exceeds it.
    available : int
        Bits, sign included.
    remedy : str
        What to change if it does not fit.
    """

    name: str
    largest: int
    available: int
    remedy: str

    @property
    def bits(self) -> int:
        """Bits needed, sign included."""
        return int(self.largest).bit_length() + 1


@dataclass(frozen=True, eq=False)
class Bounds:
    """Proven bounds per unit, in the integers of the plan."""

    message: Exact  # |g|, |sent|
    octaves: int  # argument of tanh
    total: Exact  # sum of W g
    hidden: Exact  # |h| and its target
    hidden_drive: Exact  # |target - h|
    base: int  # of a rectified power
    output: Exact  # f of powers
    arriving: Exact  # sum of W^T p or W^T f
    visible: Exact  # |target| of v
    visible_drive: Exact
    logit: int
    logit_change: int


def check(plan: Plan) -> tuple[Signal, ...]:
    """Check every number of a plan, and prove that every signal fits.

    Returns
    -------
    tuple of Signal

    Raises
    ------
    ValueError, TypeError
        If a number is not what `hardware.domain` allows.
    RangeError
        For the first signal that may not fit.
    """
    domain.check(plan)
    return prove(plan)


def prove(plan: Plan) -> tuple[Signal, ...]:
    """Prove that every signal of a plan whose numbers are in their domain fits.

    Raises
    ------
    RangeError
        For the first signal that may not fit.
    """
    known = bounds(plan)
    found = signals(plan, known)
    for signal in found:
        if signal.bits > signal.available:
            raise RangeError(signal.name, signal.bits, signal.available, signal.remedy)
    if (known.visible > plan.visible.limit).any():
        # The bounds hold only if features that start within the limit stay there.
        state = int(chip(plan.chip).limits["state_bits"].value or 0)
        raise RangeError("state of visible", None, state, UNBOUNDED)
    return found


def signals(plan: Plan, known: Bounds | None = None) -> tuple[Signal, ...]:
    """Every signal with its proven bound, fitting or not; `known` are the `bounds` of the plan."""
    limits = chip(plan.chip).limits
    state = int(limits["state_bits"].value or 0)
    message = min(state, int(limits["message_bits"].value or 0))
    known = bounds(plan) if known is None else known
    visible, hidden = plan.visible, plan.hidden

    def signal(name: str, largest: int | Exact, available: int, remedy: str) -> Signal:
        return Signal(name, int(np.max(largest)), available, remedy)

    found = [
        signal("weights", _largest_weights(plan), plan.weight_bits, "take more weight_bits"),
        signal("messages of visible", 2 * known.message, message, COARSER),
        signal("octaves of visible", known.octaves, state, COARSER),
        signal("sum arriving at hidden", known.total, state, COARSER),
        signal("state of hidden", known.hidden, state, COARSER),
        signal("target - state of hidden", known.hidden_drive, state, COARSER),
        signal("sum arriving at visible", known.arriving << visible.gain, state, COARSER),
        signal("state of visible", np.maximum(_limit(plan), known.visible), state, COARSER),
        signal("target - state of visible", known.visible_drive, state, COARSER),
        signal(
            "products of states",
            max(
                _product(known.hidden_drive, hidden.decay),
                _product(known.visible_drive, visible.decay),
                _product(known.hidden, hidden.mantissa),
                _product(_output_argument(plan), visible.mantissa),
                1 << 2 * max(kernels.POWER_BITS, 16),
            ),
            PRODUCT_BITS,
            COARSER,
        ),
    ]
    if plan.normaliser is None:
        if hidden.power > 1:
            found.append(signal("base of the power", known.base, kernels.POWER_BITS + 1, COARSER))
        found.append(signal("messages of hidden", known.output, message, COARSER))
    else:
        logits, count = (known.logit, known.logit_change), len(plan.weights)
        found += normaliser_signals(plan.normaliser, count, logits, (state, message))
        p = probability_sum(plan.normaliser, count)
        found.append(signal("messages of hidden", p, message, "store fewer memories"))
    return tuple(found)


def exact(values: NDArray[Any]) -> Exact:
    """The same integers as those of Python."""
    return values.astype(object)


def _product(size: Exact, mantissa: Integers | int) -> int:
    return int(np.max(size * (mantissa if isinstance(mantissa, int) else exact(mantissa))))


def sums(weights: NDArray[np.int8], values: Exact, of: Callable[[Floats], Floats]) -> Exact:
    """Compute of(weights) @ values for values >= 0, exactly; `of` has results >= 0."""
    limbs: list[Floats] = []
    while values.any() or not limbs:
        limbs.append((values & ((1 << _LIMB) - 1)).astype(np.float64))
        values = values >> _LIMB
    factors = np.stack(limbs, axis=1)
    rows = range(0, len(weights), _ROWS)
    parts = [of(weights[row : row + _ROWS].astype(np.float64)) @ factors for row in rows]
    places = [1 << _LIMB * place for place in range(len(limbs))]
    summed = exact(np.concatenate(parts).astype(np.int64))
    return np.asarray(summed @ np.array(places, dtype=object))


def rising(weights: Floats) -> Floats:
    """The positive part."""
    return np.maximum(weights, 0)


def falling(weights: Floats) -> Floats:
    """The size of the negative part."""
    return np.maximum(-weights, 0)


def _largest_weights(plan: Plan) -> Integers:
    """The largest |W| of each feature."""
    ends = plan.weights.max(axis=0), plan.weights.min(axis=0)
    largest: Integers = np.maximum(ends[0].astype(np.int64), -ends[1].astype(np.int64))
    return largest


def _limit(plan: Plan) -> Exact:
    return exact(plan.visible.limit)


def _output_argument(plan: Plan) -> Exact:
    limit = _limit(plan)
    return np.minimum(limit, plan.visible.saturation) if plan.visible.kind == "tanh" else limit


def bounds(plan: Plan) -> Bounds:
    """Bounds of every unit's signals for a plan whose features stay within `visible.limit`."""
    visible, hidden = plan.visible, plan.hidden
    powers = plan.normaliser is None
    message = exact(visible.output(_limit(plan)))
    total = sums(plan.weights, message, np.abs)
    state = total + exact(np.abs(hidden.bias)) + hidden.input_limit
    base = int(np.max(kernels.scale(state, hidden.mantissa, hidden.shift))) if powers else 0
    # A larger base is refused, and its powers would have no end.
    fits = hidden.power == 1 or base < 1 << kernels.POWER_BITS
    output = hidden.output(state) if powers and fits else 0 * state
    arriving = _arriving_at_visible(plan, output)
    target = (arriving << visible.gain) + exact(np.abs(visible.bias)) + visible.input_limit
    visible_drive = target + _limit(plan)
    sent = _message_change(plan, visible_drive, message)
    change = sums(plan.weights, sent, np.abs) + 2 * hidden.input_limit
    drive = np.minimum(2 * state, -(-(change + 1) * 4096 // exact(hidden.decay)) + 1)
    moved = kernels.decay(drive, exact(hidden.decay))
    return Bounds(
        message=message,
        octaves=_octaves(plan),
        total=total,
        hidden=state,
        hidden_drive=drive,
        base=base,
        output=output,
        arriving=arriving,
        visible=target,
        visible_drive=visible_drive,
        logit=0 if powers else int(np.max(hidden.logit(state))),
        logit_change=0 if powers else int(np.max(hidden.logit(moved))) + 1,
    )


def _octaves(plan: Plan) -> int:
    if plan.visible.kind != "tanh":
        return 0
    visible = plan.visible
    return int(np.max(kernels.scale(_output_argument(plan), visible.mantissa, visible.shift)))


def _arriving_at_visible(plan: Plan, output: Exact) -> Exact:
    """Bound on |W^T p| or |W^T f| and on its partial sums; `output` bounds f."""
    if plan.normaliser is not None:
        largest = exact(_largest_weights(plan))
        return largest * probability_sum(plan.normaliser, len(plan.weights))
    rows = plan.weights.T
    return np.maximum(sums(rows, output, rising), sums(rows, output, falling))


def _message_change(plan: Plan, drive: Exact, message: Exact) -> Exact:
    """Bound on the change of `sent` in one period."""
    visible = plan.visible
    moved = kernels.decay(drive, exact(visible.decay))
    if visible.kind == "identity":
        change = kernels.scale(moved, visible.mantissa, visible.shift) + 1
    elif visible.kind == "tanh":
        # tanh has slope at most 1; octaves are 2 x log2(e); 1e-3 covers the approximation.
        scaled = (moved * visible.mantissa).astype(np.float64)
        octaves = scaled / 2.0 ** (visible.shift + TANH_BITS) + 2.0**-TANH_BITS
        steepest = visible.level * (octaves * math.log(2) / 2 * 1.01 + 1e-3)
        change = exact(np.ceil(np.minimum(steepest, domain.WIDE)).astype(np.int64)) + 2
    else:
        change = 2 * message
    return np.asarray(np.minimum(2 * message, change + 2 * (visible.threshold - 1)))


def window(normaliser: Normaliser) -> float:
    """Octaves that c falls in a round in which nothing is heard."""
    return normaliser.sum_bits - math.log2(normaliser.floor)


def rounds_needed(normaliser: Normaliser, logit_change: int) -> int:
    """Rounds that bring c from the largest gap to within one octave, and a last one."""
    one = 1 << normaliser.logit_bits
    gap = (normaliser.headroom + logit_change) / one + 0.1
    return 1 + max(0, math.ceil((gap - 1) / window(normaliser)))


def headroom_needed(logit_change: int, logit_bits: int) -> int:
    """Whole octaves, in integers, by which c must rise before the rounds."""
    return math.ceil(logit_change / (1 << logit_bits) + 0.1) << logit_bits


def probability_sum(normaliser: Normaliser, count: int) -> int:
    """Bound on sum p after a last round that starts within one octave."""
    last = 1 + count / 2 ** (normaliser.sum_bits - 1)
    largest: float = last * 2**_LOG2_ERROR * (1 + _EXP2_ERROR) ** 2
    return math.ceil(largest * 2.0**normaliser.p_bits + count / 2)


def normaliser_signals(
    normaliser: Normaliser,
    count: int,
    logits: tuple[int, int],
    available: tuple[int, int],
    where: str = "",
) -> list[Signal]:
    """The signals of a softmax and its normaliser.

    Parameters
    ----------
    normaliser : Normaliser
    count : int
        Of softmax units.
    logits : (int, int)
        Bounds on a logit and on its change in a period.
    available : (int, int)
        Bits of a state and of a message.
    where : str
        What stands in front of the names.

    Raises
    ------
    ValueError
        If the normaliser cannot follow such logits.
    """
    (logit, change), (state, message) = logits, available
    total = math.ceil(1.5 * 2**_LOG2_ERROR * (1 + _EXP2_ERROR) * 2**normaliser.sum_bits) + count
    above = math.ceil((math.log2(count) + 2) * (1 << normaliser.logit_bits))
    c = logit + above + normaliser.headroom
    headroom = headroom_needed(change, normaliser.logit_bits)
    if normaliser.headroom < headroom:
        raise ValueError(
            f"{where}normaliser.headroom is {normaliser.headroom}, below the proven rise {headroom}"
        )
    if not count <= normaliser.floor <= 1 << (normaliser.sum_bits - 1):
        # Below, rounding could hide a sum; above, c would not fall by an octave in a round.
        raise ValueError(
            f"{where}normaliser.floor is {normaliser.floor}, it has to be from the number of "
            f"memories, {count}, to {1 << (normaliser.sum_bits - 1)}"
        )
    if normaliser.rounds < rounds_needed(normaliser, change):
        raise ValueError(
            f"{where}normaliser.rounds is {normaliser.rounds}, which cannot follow the logits; "
            f"{rounds_needed(normaliser, change)} can"
        )
    return [
        Signal(f"{where}logits", logit, state, SOFTER),
        Signal(f"{where}c of the normaliser", c, message, SOFTER),
        Signal(f"{where}logit - c", logit + c, state, SOFTER),
        Signal(f"{where}sum arriving at the normaliser", total, state, "store fewer memories"),
        Signal(f"{where}messages in a round", total, message, "store fewer memories"),
    ]
