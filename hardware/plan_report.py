"""A plan in words and numbers."""

from __future__ import annotations

from . import ranges
from .plan import Plan


def describe(plan: Plan) -> str:
    """Sizes, schedule, and the proven range of every signal, as `Plan.report` prints them."""
    memories, features = plan.units
    rounds = 0 if plan.normaliser is None else plan.normaliser.rounds
    lines = [
        f"{features} {plan.visible.kind} features, {memories} {plan.hidden.kind} memories, "
        f"{plan.chip}",
        f"weights   {plan.weight_bits} bits, {plan.weight_scale:.6g} integers per unit",
        f"features  {plan.visible.scale:.6g} integers per unit of state, "
        f"{plan.visible.output_scale:.6g} of output, sent from a change of "
        f"{plan.visible.threshold}",
        f"memories  {plan.hidden.scale:.6g} integers per unit of state, "
        f"{plan.hidden.output_scale:.6g} of output",
        f"schedule  {plan.period} steps for a time of {plan.dt:g}, {rounds} normaliser rounds; "
        f"{plan.steps} steps a recall",
        "",
        f"{'signal':32} {'largest':>14} {'bits':>5} {'of':>4}",
    ]
    lines += [
        f"{signal.name:32} {signal.largest:14,d} {signal.bits:5d} {signal.available:4d}"
        for signal in ranges.check(plan)
    ]
    return "\n".join([*lines, "", "verified_on_hardware: false"])
