"""The schedule of a `GraphPlan` in Python's own integers, with every width checked.

A second arithmetic for the same numbers, one unit and one message at a time; slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..exact_arithmetic import Ints, Widths, boltzmann, log_sum, output, relaxed, scaled
from .job import GraphJob
from .plan import GraphPlan, Projection, Units
from .turns import StepInterpreter, signals

# What `hardware.graphs.bounds` calls the values.
_SIGNALS = {
    "message": "messages",
    "drive": "target - state",
    "logit": "logits",
    "c": "c of the normaliser",
    "exponential": "messages in a round",
}


def recall(plan: GraphPlan, job: GraphJob, cue: int = 0) -> tuple[dict[str, list[Ints]], Widths]:
    """Run one cue of a job.

    Parameters
    ----------
    plan : GraphPlan
    job : GraphJob
    cue : int

    Returns
    -------
    dict of str to list of list of int
        Every signal that can be recorded, a row for each step.
    Widths
        With the largest value of every kind.

    Raises
    ------
    Overflow
        If any value does not fit.
    """
    seen = Widths()
    values: dict[str, Any] = {name: [int(x) for x in rows[cue]] for name, rows in job.start.items()}
    for name, units in plan.layers.items():
        values[f"{name}.sent"] = [0] * units.size
    for each in plan.projections:
        values[f"{each.name}.total"] = [0] * plan.layers[each.target].size
    own = {name: Widths() for name, units in plan.layers.items() if units.normaliser}
    functions: dict[str, Callable[..., Ints]] = {}
    connections: dict[str, Callable[[Any, Any], Ints]] = {}
    for name, units in plan.layers.items():
        functions |= _functions(seen, own.get(name, seen), plan, name, units)
        connections[f"{name}.ones"] = _adding(
            seen, [[1] * units.size], f"{name}: sum arriving at the normaliser"
        )
        connections[f"{name}.one"] = lambda c, _: list(c)
    for each in plan.projections:
        connections[each.name] = _adding(seen, each.weights.tolist(), f"sum of {each.name}")
    units_ = StepInterpreter(
        plan.schedule,
        values,
        functions,
        connections,
        lambda period: {
            f"{name}.input": [int(x) for x in rows[min(period, len(rows) - 1), cue]]
            for name, rows in job.inputs.items()
        },
    )
    rows: dict[str, list[Ints]] = {name: [] for name in signals(plan)}
    for t in range(job.steps):
        units_.step(t)
        sent = {f"{turn.counted}_out": values[turn.sends] for turn in units_.now if turn.sends}
        for name in rows:
            layer, _, part = name.removesuffix("_out").partition(".")
            like = values[f"{layer}.c" if part == "normaliser" else f"{layer}.x"]
            state = like if not name.endswith("_out") else [0] * len(like)
            rows[name].append(list(sent.get(name, state)))
    return rows, Widths(dict(_named(plan, seen, own)))


def _named(plan: GraphPlan, seen: Widths, own: Mapping[str, Widths]) -> Iterator[tuple[str, int]]:
    """The largest values by the names that `bounds` has for them."""
    for name, value in seen.largest.items():
        kind, _, layer = name.rpartition(" of ")
        if kind in _SIGNALS:
            yield f"{_SIGNALS[kind]} of {layer}", value
        else:
            yield f"state of {name}" if name in plan.layers else name, value
    for layer, widths in own.items():
        for name, value in widths.largest.items():
            yield f"{layer}: {_SIGNALS.get(name, name)}", value


def _adding(seen: Widths, weights: list[Ints], what: str) -> Callable[[Any, Any], Ints]:
    """Messages through weights, one after the other; sums are checked at each."""

    def received(messages: Ints | None, before: Ints | None) -> Ints:
        sums = list(before) if before is not None else [0] * len(weights)
        for j, message in enumerate(messages or []):
            for i, row in enumerate(weights):
                sums[i] = seen.fit(what, sums[i] + row[j] * message)
        return sums

    return received


def _functions(
    seen: Widths, own: Widths, plan: GraphPlan, name: str, units: Units
) -> dict[str, Callable[..., Ints]]:
    """The functions of the turns, on lists of integers."""

    def gather(x: Ints, *totals: Ints) -> Ints:
        drive = [0] * len(x)
        for each, total in zip(plan.onto(name), totals, strict=True):
            drive = [
                seen.fit(f"sum of all that arrives at {name}", y + _scaled(seen, each, z))
                for y, z in zip(drive, total, strict=True)
            ]
        return drive

    def relax(x: Ints, drive: Ints, driven: Ints, clamped: Ints) -> Ints:
        targets = [y + int(b) + z for y, b, z in zip(drive, units.bias, driven, strict=True)]
        return relaxed(seen, name, x, targets, units.decay, held=clamped)

    def change(x: Ints, sent: Ints) -> Ints:
        return difference([output(seen, units, y) for y in x], sent)

    def difference(g: Ints, sent: Ints) -> Ints:
        pairs = zip(g, sent, strict=True)
        found = [seen.fit(f"message of {name}", y - z) for y, z in pairs]
        return [y if abs(y) >= units.threshold else 0 for y in found]

    functions: dict[str, Callable[..., Ints]] = {
        "gather": gather,
        "relax": relax,
        "change": change,
        "difference": difference,
        "add": lambda one, other: [x + y for x, y in zip(one, other, strict=True)],
        "logit": lambda x: [
            own.fit("logit", scaled(seen, y, units.mantissa, units.shift)) for y in x
        ],
    }
    if units.normaliser is not None:
        n = units.normaliser
        functions |= {
            "rise": lambda c: [c[0] + n.headroom],
            "exponential": lambda a, c: boltzmann(own, a, c[0], n.logit_bits, n.sum_bits),
            "probability": lambda a, c: boltzmann(own, a, c[0], n.logit_bits, n.p_bits),
            "log_sum": lambda c, total: [log_sum(own, n, own.fit("c", c[0]), total[0])],
        }
    return {f"{name}.{each}": function for each, function in functions.items()}


def _scaled(seen: Widths, each: Projection, total: int) -> int:
    return scaled(seen, total, each.mantissa, each.shift)
