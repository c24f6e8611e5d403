"""The schedule of a plan in Python's own unbounded integers, with every width checked.

A second arithmetic for the same numbers, for tests and for `benchmarks/overflow.py`: divisions, one
unit and one message at a time. Of `hardware.kernels` it shares no code. Slow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .plan import TANH_BITS, Integers, Job, Normaliser, Plan
from .schedule import STARTS, Interpreter

Ints = list[int]

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
    memories, features = plan.units
    values: dict[str, Any] = {
        signal: [int(x) for x in getattr(job, name)[cue]] for signal, name in STARTS.items()
    }
    values |= {"sent": [0] * features, "total": [0] * memories}
    units = Interpreter(
        plan.schedule,
        values,
        _functions(seen, plan),
        _connections(seen, plan),
        lambda period: {
            name: [int(x) for x in rows[min(period, len(rows) - 1), cue]]
            for name, rows in _inputs(job).items()
        },
    )
    for t in range(job.steps):
        units.step(t)
        seen.v.append(values["v"])
        seen.h.append(values["h"])
        seen.c.append(values["c"][0])
        seen.out.append(values[units.turn.sends])
    return seen


def _inputs(job: Job) -> dict[str, Integers]:
    return {"input_visible": job.input_visible, "input_hidden": job.input_hidden}


def _functions(seen: Recall, plan: Plan) -> dict[str, Callable[..., Ints]]:
    """The functions of `hardware.schedule`, on lists of integers."""
    visible, hidden, normaliser = plan.visible, plan.hidden, plan.normaliser

    def relax_features(v: Ints, arriving: Ints, driven: Ints, clamped: Ints) -> Ints:
        drive = [
            0 if held else seen.fit("arriving", x * 2**visible.gain) + int(bias) + y
            for held, x, bias, y in zip(clamped, arriving, visible.bias, driven, strict=True)
        ]
        return _relaxed(seen, "visible", v, drive, visible.decay, held=clamped)

    def change(v: Ints, sent: Ints) -> Ints:
        return [_feature_message(seen, plan, x, y) for x, y in zip(v, sent, strict=True)]

    def relax_memories(h: Ints, total: Ints, driven: Ints) -> Ints:
        drive = [x + int(b) + y for x, b, y in zip(total, hidden.bias, driven, strict=True)]
        return _relaxed(seen, "hidden", h, drive, hidden.decay, held=[0] * len(h))

    def logit(h: Ints) -> Ints:
        return [seen.fit("logit", _scaled(seen, x, hidden.mantissa, hidden.shift)) for x in h]

    functions: dict[str, Callable[..., Ints]] = {
        "visible.relax": relax_features,
        "visible.change": change,
        "visible.add": lambda one, other: [x + y for x, y in zip(one, other, strict=True)],
        "hidden.relax": relax_memories,
        "hidden.logit": logit,
        "hidden.output": lambda h: [_power(seen, plan, x) for x in h],
    }
    if normaliser is not None:
        n = normaliser

        def exponentials(bits: int) -> Callable[..., Ints]:
            return lambda a, c: _boltzmann(seen, a, c[0], n.logit_bits, bits)

        def log_sum(c: Ints, total: Ints) -> Ints:
            return [_log_sum(seen, n, seen.fit("c", c[0]), total[0])]

        functions |= {
            "normaliser.rise": lambda c: [c[0] + n.headroom],
            "normaliser.exponential": exponentials(n.sum_bits),
            "normaliser.probability": exponentials(n.p_bits),
            "normaliser.log_sum": log_sum,
        }
    return functions


def _connections(seen: Recall, plan: Plan) -> dict[str, Callable[[Any, Any], Ints]]:
    """The connections of `hardware.schedule`: one message after the other, sums checked at each."""
    rows = [[int(w) for w in row] for row in plan.weights]
    columns = [list(column) for column in zip(*rows, strict=True)]

    def through(weights: list[Ints], name: str) -> Callable[[Any, Any], Ints]:
        def received(messages: Ints | None, before: Ints | None) -> Ints:
            sums = list(before) if before is not None else [0] * len(weights[0])
            for row, message in zip(weights, messages or [], strict=messages is not None):
                for i, weight in enumerate(row):
                    sums[i] = seen.fit(name, sums[i] + weight * message)
            return sums

        return received

    ones = [[1] for _ in rows]
    return {
        "W": through(columns, "total"),
        "W^T": through(rows, "arriving"),
        "1^T": through(ones, "sum of a round"),
        "1": through([[1]], "c"),
    }


def _towards_zero(x: int, divisor: int) -> int:
    return x // divisor if x >= 0 else -(-x // divisor)


def _rounded(x: int, divisor: int) -> int:
    """x / divisor for x >= 0 to the nearest integer, halves up."""
    return (2 * x + divisor) // (2 * divisor)


def _relaxed(
    seen: Recall, name: str, states: Ints, targets: Ints, mantissas: Integers, held: Ints
) -> Ints:
    """States a step nearer to their targets, but for those that are held."""
    moved = list(states)
    for i, (x, target) in enumerate(zip(states, targets, strict=True)):
        if held[i]:
            continue
        seen.fit(f"target of {name}", target)
        drive = seen.fit(f"drive of {name}", target - x)
        share = _towards_zero(seen.product(drive, int(mantissas[i])), 4096)
        moved[i] = seen.fit(name, x + share)
    return moved


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


def _boltzmann(seen: Recall, logit: Ints, c: int, fraction: int, bits: int) -> Ints:
    return [_exp2(seen, seen.fit("logit - c", a - c), fraction, bits) for a in logit]


def _log_sum(seen: Recall, n: Normaliser, c: int, total: int) -> int:
    change = _log2(seen, max(total, n.floor), n.logit_bits) - n.sum_bits * 2**n.logit_bits
    return seen.fit("c", c + change)
