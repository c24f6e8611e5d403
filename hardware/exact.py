"""The schedule of a plan in Python's own unbounded integers, with every width checked.

A second arithmetic for the same numbers, for tests and for `benchmarks/overflow.py`: divisions, one
unit and one message at a time. Of `hardware.kernels` it shares no code. Slow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .exact_arithmetic import Ints, Overflow, Widths, boltzmann, log_sum, output, relaxed, scaled
from .plan import Integers, Job, Plan
from .schedule import STARTS, Interpreter

__all__ = ["Overflow", "Recall", "recall"]


@dataclass
class Recall(Widths):
    """One cue. Values of all units after every step, as lists of int.

    Attributes
    ----------
    v, h : list of list of int
        A row per step.
    c : list of int
    out : list of list of int
        What is sent in every step, by the population whose turn it is.
    """

    v: list[list[int]] = field(default_factory=list)
    h: list[list[int]] = field(default_factory=list)
    c: list[int] = field(default_factory=list)
    out: list[list[int]] = field(default_factory=list)


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
        return relaxed(seen, "visible", v, drive, visible.decay, held=clamped)

    def change(v: Ints, sent: Ints) -> Ints:
        return [_feature_message(seen, plan, x, y) for x, y in zip(v, sent, strict=True)]

    def relax_memories(h: Ints, total: Ints, driven: Ints) -> Ints:
        drive = [x + int(b) + y for x, b, y in zip(total, hidden.bias, driven, strict=True)]
        return relaxed(seen, "hidden", h, drive, hidden.decay, held=[0] * len(h))

    def logit(h: Ints) -> Ints:
        return [seen.fit("logit", scaled(seen, x, hidden.mantissa, hidden.shift)) for x in h]

    functions: dict[str, Callable[..., Ints]] = {
        "visible.relax": relax_features,
        "visible.change": change,
        "visible.add": lambda one, other: [x + y for x, y in zip(one, other, strict=True)],
        "hidden.relax": relax_memories,
        "hidden.logit": logit,
        "hidden.output": lambda h: [
            seen.fit("message of hidden", output(seen, hidden, x)) for x in h
        ],
    }
    if normaliser is not None:
        n = normaliser

        def exponentials(bits: int) -> Callable[..., Ints]:
            return lambda a, c: boltzmann(seen, a, c[0], n.logit_bits, bits)

        def summed(c: Ints, total: Ints) -> Ints:
            return [log_sum(seen, n, seen.fit("c", c[0]), total[0])]

        functions |= {
            "normaliser.rise": lambda c: [c[0] + n.headroom],
            "normaliser.exponential": exponentials(n.sum_bits),
            "normaliser.probability": exponentials(n.p_bits),
            "normaliser.log_sum": summed,
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


def _feature_message(seen: Recall, plan: Plan, v: int, sent: int) -> int:
    change = seen.fit("message of visible", output(seen, plan.visible, v) - sent)
    return change if abs(change) >= plan.visible.threshold else 0
