"""Whether a plan fits the published limits of its chip."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from amsim import checks
from amsim.display import fields_html, fields_repr

from . import ranges
from .chips import Chip, Limit
from .chips import chip as chip_named
from .errors import LimitError
from .graphs import bounds
from .graphs.plan import GraphPlan
from .plan import Plan, require_plan
from .units import kept_bits

_FEWER = "take fewer memories or features"


@dataclass(frozen=True)
class Check:
    """One limit and what the plan needs of it.

    Attributes
    ----------
    name : str
    needed : float
    limit : Limit
        Its `value` is None where nothing is published: then nothing can be said.
    remedy : str
        The nearest change that would fit.
    """

    name: str
    needed: float
    limit: Limit
    remedy: str

    @property
    def fits(self) -> bool | None:
        """None if the limit is not public."""
        return None if self.limit.value is None else self.needed <= self.limit.value


@dataclass(frozen=True)
class Validation:
    """All checks of a plan; `str` is a table.

    Attributes
    ----------
    chip : str
    checks : tuple of Check
    verified_on_hardware : bool
        Always False.
    """

    chip: str
    checks: tuple[Check, ...]
    verified_on_hardware: bool = False

    __repr__ = fields_repr
    _repr_html_ = fields_html

    def __str__(self) -> str:
        words = {True: "fits", False: "EXCEEDED", None: "not public"}
        rows = [f"{'limit of ' + self.chip:28} {'needed':>10} {'there':>10}"]
        for check in self.checks:
            there = "" if check.limit.value is None else f"{check.limit.value:g}"
            basis = check.limit.basis if check.fits is not None else ""
            rows.append(
                f"{check.name:28} {check.needed:10.10g} {there:>10}  {words[check.fits]:10} {basis}"
            )
        return "\n".join([*rows, "verified_on_hardware: false"])


def validate(
    plan: Plan | GraphPlan, chip: str | Path | Chip | None = None, *, chips: int = 1
) -> Validation:
    """Compare a plan with the limits of its chip.

    Parameters
    ----------
    plan : Plan
    chip : str, Path or Chip, optional
        A name, a .toml file or a table; the chip that the plan was made for by default.
    chips : int, default 1
        Chips that share the network; `hardware.place` says how many it needs.

    Returns
    -------
    Validation
        Where each limit comes from stands in `Check.limit`.

    Raises
    ------
    RangeError
        If a signal does not fit its integers.
    LimitError
        If the plan needs more than there is; the message names the limit and the nearest change.

    Examples
    --------
    >>> import amsim as am
    >>> import hardware as hw
    >>> plan = hw.compile(am.dense_am(am.patterns.random(5, 64, seed=0)))
    >>> all(check.fits is not False for check in hw.validate(plan).checks)
    True
    """
    if not isinstance(plan, GraphPlan):
        plan = require_plan(plan, "hardware.validate")
    table = chip_named(plan.chip if chip is None else chip)
    found = _checks(plan, table, checks.count("chips", chips))
    for check in found:
        if check.fits is False:
            raise LimitError(
                f"{check.name}: {check.needed:,.10g} needed, {table.name} has "
                f"{check.limit.value:,g} ({check.limit.source}): {check.remedy}"
            )
    return Validation(table.name, found)


def _checks(plan: Plan | GraphPlan, table: Chip, chips: int) -> tuple[Check, ...]:
    limits = table.limits
    if isinstance(plan, GraphPlan):
        return _graph_checks(plan, table, chips)
    memories, features = plan.units
    softmax = plan.normaliser is not None
    units = memories + features + softmax
    cores = chips * int(limits["cores"].value or 0)
    # Both directions are stored: a core holds the weights that arrive at its units.
    bytes_needed = math.ceil(2 * plan.weights.size * plan.weight_bits / 8)
    bytes_there = _times(limits["synapse_bytes_per_core"], cores)
    state_bytes = math.ceil(kept_bits(features, memories, int(softmax), softmax=softmax) / 8)
    state_there = _times(_known(table, "state_bytes_per_core"), cores)
    most = math.floor((bytes_there.value or 0) * 8 / (2 * features * plan.weight_bits))
    per_row = f"place it on more chips (hardware.place), or at most {most:,} memories of {features}"
    where = "a chip" if chips == 1 else f"{chips} chips"
    message, state, product = _widths(plan)
    # Of a core with units of one kind; one with both listens to more: hardware.place counts them.
    senders = max(memories, features + softmax)
    return (
        Check(f"units of {where}", units, _times(limits["neurons_per_core"], cores), per_row),
        Check(f"synaptic bytes of {where}", bytes_needed, bytes_there, per_row),
        Check(f"bytes of neuron state of {where}", state_bytes, state_there, per_row),
        Check("weight bits", plan.weight_bits, limits["weight_bits"], "take fewer weight_bits"),
        Check("message bits", message, _known(table, "message_bits"), "take a smaller cue_limit"),
        Check("state bits", state, _known(table, "state_bits"), ranges.COARSER),
        Check("product bits", product, _known(table, "product_bits"), ranges.COARSER),
        Check("axons into a core, at least", senders, _known(table, "axons_in_per_core"), _FEWER),
    )


def _graph_checks(plan: GraphPlan, table: Chip, chips: int) -> tuple[Check, ...]:
    """Those of any layers; what a single core holds of them says `hardware.place`."""
    cores = chips * int(table.limits["cores"].value or 0)
    softmaxes = sum(units.normaliser is not None for units in plan.layers.values())
    units = softmaxes + sum(units.size for units in plan.layers.values())
    weights = sum(each.weights.size for each in plan.projections)
    fewer = "take fewer units or weight_bits, or place it on more chips (hardware.place)"
    where = "a chip" if chips == 1 else f"{chips} chips"
    message, state, product = _widths(plan)
    return (
        Check(f"units of {where}", units, _times(table.limits["neurons_per_core"], cores), fewer),
        Check(
            f"synaptic bytes of {where}",
            math.ceil(weights * plan.weight_bits / 8),
            _times(table.limits["synapse_bytes_per_core"], cores),
            fewer,
        ),
        Check(
            "weight bits", plan.weight_bits, table.limits["weight_bits"], "take fewer weight_bits"
        ),
        Check("message bits", message, _known(table, "message_bits"), "take a smaller cue_limit"),
        Check("state bits", state, _known(table, "state_bits"), ranges.COARSER),
        Check("product bits", product, _known(table, "product_bits"), ranges.COARSER),
    )


def _widths(plan: Plan | GraphPlan) -> tuple[int, int, int]:
    """Bits of the widest message, state or sum, and product."""
    bits = {"message": 1, "product": 1, "": 1}
    signals = bounds.check(plan) if isinstance(plan, GraphPlan) else ranges.check(plan)
    for signal in signals:
        kind = next(word for word in bits if word in signal.name)
        bits[kind] = max(bits[kind], signal.bits)
    return bits["message"], bits[""], bits["product"]


def _known(table: Chip, name: str) -> Limit:
    return table.limits.get(name, Limit(None, "", table.name, "assumed", public=False))


def _times(limit: Limit, cores: int) -> Limit:
    value = None if limit.value is None else limit.value * cores
    return Limit(value, limit.unit, limit.source, limit.basis, limit.public)
