"""The plan once more, in Python's own unbounded integers, with every width checked.

A second route to the same numbers, for tests and for `benchmarks/overflow.py`. It shares no code
with `hardware.kernels`: divisions, one unit and one message at a time. Slow.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .plan import TANH_BITS, Job, Plan

STATE_BITS, PRODUCT_BITS, WORD_BITS = 24, 40, 32
_ONE = 1 << 16


class Overflow(ArithmeticError):  # noqa: N818
    """A value does not fit the bits that the chip has for it."""


@dataclass
class Recall:
    """One cue. Values of all units after every step, as lists of int.

    Attributes
    ----------
    v, h : list of list of int
        A row per step.
    c : list of int
    out : list of list of int
        What is sent in every step, by the population whose turn it is.
    largest : dict of str to int
        The largest absolute value that each kind of value reached.
    """

    v: list[list[int]] = field(default_factory=list)
    h: list[list[int]] = field(default_factory=list)
    c: list[int] = field(default_factory=list)
    out: list[list[int]] = field(default_factory=list)
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


def recall(plan: Plan, job: Job, cue: int = 0) -> Recall:
    """Run one cue of a job.

    Raises
    ------
    Overflow
        If any value does not fit.
    """
    seen = Recall()
    weights = [[int(w) for w in row] for row in plan.weights]
    v = [int(x) for x in job.visible[cue]]
    h = [int(x) for x in job.hidden[cue]]
    sent, total, logit = [0] * len(v), [0] * len(h), [0] * len(h)
    c = heard = int(job.log_sum[cue, 0])
    arriving = [0] * len(v)
    e_sum = 0
    for t in range(job.steps):
        period, phase = t // plan.period, t % plan.period
        if phase == 0:
            if period > 0:
                inputs = job.input_visible[min(period, len(job.input_visible) - 1), cue]
                v = [
                    v[i]
                    if job.clamped[cue, i]
                    else _relaxed(
                        seen,
                        "visible",
                        v[i],
                        seen.fit("arriving", arriving[i] * 2**plan.visible.gain)
                        + int(plan.visible.bias[i])
                        + int(inputs[i]),
                        int(plan.visible.decay[i]),
                    )
                    for i in range(len(v))
                ]
            out = [_feature_message(seen, plan, v[i], sent[i]) for i in range(len(v))]
            sent = [s + m for s, m in zip(sent, out, strict=True)]
            for i, message in enumerate(out):
                for k in range(len(h)):
                    total[k] = seen.fit("total", total[k] + weights[k][i] * message)
        elif phase == 1:
            if period > 0:
                inputs = job.input_hidden[min(period, len(job.input_hidden) - 1), cue]
                h = [
                    _relaxed(
                        seen,
                        "hidden",
                        h[k],
                        total[k] + int(plan.hidden.bias[k]) + int(inputs[k]),
                        int(plan.hidden.decay[k]),
                    )
                    for k in range(len(h))
                ]
            if plan.normaliser is None:
                out = [_power(seen, plan, x) for x in h]
                arriving = _sums(seen, weights, out)
            else:
                logit = [
                    seen.fit("logit", _scaled(seen, x, plan.hidden.mantissa, plan.hidden.shift))
                    for x in h
                ]
                heard = heard + plan.normaliser.headroom
                out = _boltzmann(seen, plan, logit, heard, plan.normaliser.sum_bits)
                e_sum = _added(seen, out)
        elif phase % 2 == 0:
            assert plan.normaliser is not None
            c = c + plan.normaliser.headroom if phase == 2 else c
            c = _log_sum(seen, plan, seen.fit("c", c), e_sum)
            out = [c]
        else:
            assert plan.normaliser is not None
            heard, last = c, phase == plan.period - 1
            bits = plan.normaliser.p_bits if last else plan.normaliser.sum_bits
            out = _boltzmann(seen, plan, logit, heard, bits)
            if last:
                arriving = _sums(seen, weights, out)
            else:
                e_sum = _added(seen, out)
        seen.v.append(v)
        seen.h.append(h)
        seen.c.append(c)
        seen.out.append(out)
    return seen


def _towards_zero(x: int, divisor: int) -> int:
    return x // divisor if x >= 0 else -(-x // divisor)


def _rounded(x: int, divisor: int) -> int:
    """x / divisor for x >= 0 to the nearest integer, halves up."""
    return (2 * x + divisor) // (2 * divisor)


def _relaxed(seen: Recall, name: str, x: int, target: int, mantissa: int) -> int:
    seen.fit(f"target of {name}", target)
    drive = seen.fit(f"drive of {name}", target - x)
    return seen.fit(name, x + _towards_zero(seen.product(drive, mantissa), 4096))


def _scaled(seen: Recall, x: int, mantissa: int, shift: int) -> int:
    size = _rounded(seen.product(abs(x), mantissa), 2**shift)
    return size if x >= 0 else -size


def _feature_message(seen: Recall, plan: Plan, v: int, sent: int) -> int:
    visible = plan.visible
    if visible.kind == "identity":
        g = _scaled(seen, v, visible.mantissa, visible.shift)
    elif v == 0:
        g = 0
    else:
        size = visible.level
        if visible.kind == "tanh":
            octaves = _scaled(
                seen, min(abs(v), visible.saturation), visible.mantissa, visible.shift
            )
            size = _rounded(seen.product(_tanh(seen, octaves), visible.level), _ONE)
        g = size if v > 0 else -size
    change = seen.fit("message of visible", g - sent)
    return change if abs(change) >= visible.threshold else 0


def _exp2(seen: Recall, x: int, fraction: int, bits: int) -> int:
    whole = x // 2**fraction
    f = (x - whole * 2**fraction) * 2 ** (16 - fraction)
    bend = seen.fit("word", f * (_ONE - f), WORD_BITS + 1) // _ONE
    slope = 19961 + seen.fit("word", 5129 * f, WORD_BITS + 1) // _ONE
    mantissa = _ONE + f - _rounded(seen.fit("word", bend * slope, WORD_BITS + 1), _ONE)
    places = whole + bits - 16
    value = mantissa << places if places >= 0 else _rounded(mantissa, 1 << -places)
    return seen.fit("exponential", value)


def _log2(seen: Recall, x: int, fraction: int) -> int:
    octave: int = x.bit_length() - 1
    f = seen.fit("product", x * _ONE, PRODUCT_BITS + 1) // 2**octave - _ONE
    bend = seen.fit("word", f * (_ONE - f), WORD_BITS + 1) // _ONE
    slope = 27713 + seen.fit("word", -10435 * f, WORD_BITS + 1) // _ONE
    f += seen.fit("word", bend * slope, WORD_BITS + 1) // _ONE
    return (octave << fraction) + _rounded(f, 1 << (16 - fraction))


def _tanh(seen: Recall, octaves: int) -> int:
    u = _exp2(seen, -octaves, TANH_BITS, 16)
    slope = -52944 + seen.fit("word", 21165 * u, WORD_BITS + 1) // _ONE
    inverse = 64873 + seen.fit("word", u * slope, WORD_BITS + 1) // _ONE
    error = _ONE - seen.fit("word", (_ONE + u) * inverse, WORD_BITS + 2) // _ONE
    error += seen.fit("word", error * error, WORD_BITS + 1) // _ONE
    inverse += seen.fit("word", inverse * error, WORD_BITS + 1) // _ONE
    return seen.fit("word", (_ONE - u) * inverse, WORD_BITS + 1) // _ONE


def _power(seen: Recall, plan: Plan, h: int) -> int:
    base = _scaled(seen, max(h, 0), plan.hidden.mantissa, plan.hidden.shift)
    result = base
    for _ in range(plan.hidden.power - 1):
        seen.fit("base of the power", base, 16)
        result = _rounded(seen.fit("word", result * base, WORD_BITS + 1), 2**15)
    return seen.fit("message of hidden", _rounded(result, 2**plan.hidden.down))


def _boltzmann(seen: Recall, plan: Plan, logit: list[int], c: int, bits: int) -> list[int]:
    assert plan.normaliser is not None
    fraction = plan.normaliser.logit_bits
    return [_exp2(seen, seen.fit("logit - c", a - c), fraction, bits) for a in logit]


def _log_sum(seen: Recall, plan: Plan, c: int, total: int) -> int:
    n = plan.normaliser
    assert n is not None
    change = _log2(seen, max(total, n.floor), n.logit_bits) - n.sum_bits * 2**n.logit_bits
    return seen.fit("c", c + change)


def _added(seen: Recall, messages: list[int]) -> int:
    total = 0
    for message in messages:
        total = seen.fit("sum of a round", total + message)
    return total


def _sums(seen: Recall, weights: list[list[int]], messages: list[int]) -> list[int]:
    sums = [0] * len(weights[0])
    for row, message in zip(weights, messages, strict=True):
        for i, weight in enumerate(row):
            sums[i] = seen.fit("arriving", sums[i] + weight * message)
    return sums
