"""A placement in words and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .result import AnyPlacement


def describe(placement: AnyPlacement) -> str:
    """What `report` of a placement prints."""
    plan, chip = placement.plan, placement.chip
    sizes = ", ".join(f"{size:,} {name}" for name, size in placement.sizes.items())
    lines = [
        f"{sizes}, {plan.weight_bits} weight bits on {placement.system.name} ({chip.name})",
        f"cores     {placement.n_cores:,} on {placement.n_chips:,} "
        f"chip{'s' * (placement.n_chips > 1)}; {_holding(placement)}",
    ]
    if not chip.programmable:
        lines.append(f"{chip.name} has fixed neurons and cannot run this plan: for prices only")
    lines += ["", f"{'most in a core':20} {'used':>10} {'there':>10}"]
    lines += [_row(placement, index) for index in range(len(placement.use(0)))]
    source = "a run" if placement.measured else "units that are never silent on their turn"
    across, down = placement.links.hops
    lines += [
        "",
        f"messages per cue of {source}",
        f"sent to a core       {placement.flows.sum():14,.0f}",
        f"between cores        {placement.cut:14,.0f}",
        f"hops east-west       {across:14,.0f}",
        f"hops north-south     {down:14,.0f}",
        f"over the hottest link{placement.links.hottest:14,.0f}",
    ]
    if placement.n_chips > 1:
        crossings = placement.links.crossings(placement.mesh)
        lines.append(f"from chip to chip    {crossings:14,.0f}")
    return "\n".join([*lines, "verified_on_hardware: false"])


def _holding(placement: AnyPlacement) -> str:
    parts = []
    for name in placement.sizes:
        held = [n for each in placement.held if (n := each.units.get(name, 0))]
        spread = f"{min(held):,}" if min(held) == max(held) else f"{min(held):,} to {max(held):,}"
        parts.append(f"{spread} {name} in {len(held):,}")
    return ", ".join(parts)


def _row(placement: AnyPlacement, index: int) -> str:
    uses = [placement.use(core)[index] for core in range(placement.n_cores)]
    most = max(uses, key=lambda use: use.needed)
    there = "not public" if most.there is None else f"{most.there:,}"
    return f"{most.name:20} {most.needed:10,} {there:>10}"
