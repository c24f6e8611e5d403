"""Whether a plan fits the published limits of its chip."""

from __future__ import annotations

import math
from dataclasses import dataclass

from . import ranges
from .chips import Limit, chip
from .errors import LimitError
from .plan import Plan


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


def validate(plan: Plan) -> Validation:
    """Compare a plan with the limits of its chip.

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
    signals = ranges.check(plan)
    checks = _checks(plan, max(s.bits for s in signals if "message" in s.name))
    for check in checks:
        if check.fits is False:
            raise LimitError(
                f"{check.name}: {check.needed:,.10g} needed, {plan.chip} has "
                f"{check.limit.value:,g} ({check.limit.source}): {check.remedy}"
            )
    return Validation(plan.chip, checks)


def _checks(plan: Plan, message_bits: int) -> tuple[Check, ...]:
    limits = chip(plan.chip).limits
    memories, features = plan.units
    units = memories + features + (plan.normaliser is not None)
    cores = int(limits["cores"].value or 0)
    # Both directions are stored: a core holds the weights that arrive at its units.
    bytes_needed = 2 * plan.weights.size * math.ceil(plan.weight_bits / 8)
    bytes_there = _times(limits["synapse_bytes_per_core"], cores)
    most = math.floor((bytes_there.value or 0) / (2 * features))
    per_row = f"at most {most:,} memories of {features}"
    return (
        Check("units of a chip", units, _times(limits["neurons_per_core"], cores), per_row),
        Check("synaptic bytes of a chip", bytes_needed, bytes_there, per_row),
        Check("weight bits", plan.weight_bits, limits["weight_bits"], "take fewer weight_bits"),
        Check("message bits", message_bits, limits["message_bits"], "take a smaller cue_limit"),
        Check("axons into a core", max(memories, features), limits["axons_in_per_core"], ""),
    )


def _times(limit: Limit, cores: int) -> Limit:
    value = None if limit.value is None else limit.value * cores
    return Limit(value, limit.unit, limit.source, limit.basis, limit.public)
