"""The plan of a network of any layers in words and numbers."""

from __future__ import annotations

from . import bounds
from .plan import GraphPlan
from .turns import stages


def describe(plan: GraphPlan) -> str:
    """Sizes, schedule, and the proven range of every signal, as `GraphPlan.report` prints them."""
    turns = "; ".join(", ".join(group) for group in stages(plan))
    lines = [
        f"{len(plan.layers)} layers, {len(plan.projections)} projections, {plan.chip}",
        f"weights   {plan.weight_bits} bits",
        f"schedule  {plan.period} steps for a time of {plan.dt:g}; turns of {turns}; "
        f"{plan.steps} steps a recall, cued by {', '.join(plan.cued)}",
        "",
        f"{'layer':16} {'units':>6} {'kind':9} {'state':>12} {'output':>12} {'quantum':>9} rounds",
    ]
    for name, units in plan.layers.items():
        rounds = "" if units.normaliser is None else f" {units.normaliser.rounds:6d}"
        lines.append(
            f"{name:16} {units.size:6d} {units.kind:9} {units.scale:12.6g} "
            f"{units.output_scale:12.6g} {units.threshold:9d}{rounds}"
        )
    lines.append("states and outputs in integers per unit")
    lines += ["", f"{'signal':44} {'largest':>14} {'bits':>5} {'of':>4}"]
    lines += [
        f"{signal.name:44} {signal.largest:14,d} {signal.bits:5d} {signal.available:4d}"
        for signal in bounds.check(plan)
    ]
    return "\n".join([*lines, "", "verified_on_hardware: false"])
