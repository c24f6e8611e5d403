"""Estimates in words and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cost_lines import PARTS, USED, Range

if TYPE_CHECKING:
    from .cost import Estimate


def describe(cost: Estimate) -> str:
    """What `Estimate.report` prints."""
    placement = cost.placement
    rows = [
        f"one cue, {cost.steps:,} steps, cores of {placement.system.name}: {placement.n_cores:,}, "
        f"chips: {placement.n_chips:,}, prices of {cost.prices.name}",
        "",
        f"{'':20} {'count':>14} {'in a row':>12} {'energy / uJ':>16} {'time / ms':>16}",
    ]
    for line in cost.lines:
        in_a_row = "" if line.time is None else f"{line.in_a_row:,.0f}"
        rows.append(
            f"{line.name:20} {line.count:14,.0f} {in_a_row:>12} "
            f"{scaled(line.energy, 1e6):>16} {scaled(line.time, 1e3):>16}"
        )
    rows.append("")
    for part in PARTS:
        energy, time = cost.by_part[part]
        rows.append(f"{part:48} {scaled(energy, 1e6):>16} {scaled(time, 1e3):>16}")
    rows.append(f"{'one cue':48} {scaled(cost.energy, 1e6):>16} {scaled(cost.latency, 1e3):>16}")
    used = [limit for name, limit in cost.prices.limits.items() if name in USED]
    sources = dict.fromkeys(limit.source for limit in used if limit.value is not None)
    rows += ["", f"prices: {'; '.join(sources)}"]
    if cost.assumed:
        rows.append(f"assumed, not published: {', '.join(cost.assumed)}")
    return "\n".join([*rows, "verified_on_hardware: false"])


def scaled(ends: Range | None, factor: float) -> str:
    """A range in some unit, as text."""
    if ends is None or ends == (0.0, 0.0):
        return "-"
    low, high = (_short(factor * end) for end in ends)
    return low if low == high else f"{low} to {high}"


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
