"""`compare_costs`: one network on several chips, at several weight bits and quanta."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from amsim import Network, checks
from amsim.display import fields_repr

from .chips import Chip
from .chips import chip as chip_named
from .cost import Estimate, estimate
from .cost_report import scaled
from .errors import LimitError, NotPublicError
from .placement import GraphPlacement, Placement, place
from .planner import compile
from .run import Result, run


@dataclass(frozen=True, eq=False)
class CostRow:
    """One plan on one chip.

    Attributes
    ----------
    chip : str
    weight_bits : int
    quantum : float
    run : Result
    placement : Placement, GraphPlacement or None
        None where it does not fit.
    estimate : Estimate or None
        None where it does not fit, or a price is not public.
    note : str
        Why something is missing.
    """

    chip: str
    weight_bits: int
    quantum: float
    run: Result
    placement: Placement | GraphPlacement | None
    estimate: Estimate | None
    note: str = ""

    __repr__ = fields_repr

    @property
    def messages(self) -> float:
        """Messages of all units per cue."""
        return sum(float(count.mean()) for count in self.run.messages.values())


@dataclass(frozen=True, eq=False)
class CostTable:
    """What `compare_costs` returns; `str` is a table.

    Attributes
    ----------
    rows : tuple of CostRow
    verified_on_hardware : bool
        Always False.
    """

    rows: tuple[CostRow, ...]
    verified_on_hardware: bool = False

    __repr__ = fields_repr

    def __str__(self) -> str:
        lines = [
            f"{'chip':10} {'bits':>4} {'quantum':>8} {'cores':>6} {'chips':>5} {'messages':>10} "
            f"{'synaptic ops':>12} {'energy / uJ':>16} {'time / ms':>14}"
        ]
        for row in self.rows:
            start = f"{row.chip:10} {row.weight_bits:4d} {row.quantum:8g}"
            if row.placement is None:
                lines.append(f"{start} {row.note}")
                continue
            start += f" {row.placement.n_cores:6,} {row.placement.n_chips:5,} {row.messages:10,.0f}"
            if row.estimate is None:
                lines.append(f"{start} {row.note:>12}")
                continue
            lines.append(
                f"{start} {row.estimate.lines[0].count:12,.0f} "
                f"{scaled(row.estimate.energy, 1e6):>16} {scaled(row.estimate.latency, 1e3):>14}"
            )
        return "\n".join([*lines, "verified_on_hardware: false"])


def compare_costs(
    network: Network,
    cues: ArrayLike,
    *,
    chips: Iterable[str | Path | Chip] = ("loihi1", "loihi2"),
    weight_bits: Iterable[int] = (8,),
    quanta: Iterable[float] = (0.0,),
    prices: str | Path | Chip | None = None,
    cores: int | None = None,
) -> CostTable:
    """Recall cues in the emulator, and price the recalls on each chip.

    Parameters
    ----------
    network : Network
    cues : array_like (*batch, D)
    chips : iterable of str, Path or Chip
    weight_bits : iterable of int
    quanta : iterable of float
        Least changes that a feature sends, in the unit of its output.
    prices : str, Path or Chip, optional
        Those of each chip by default.
    cores : int, optional
        As in `hardware.place`.

    Returns
    -------
    CostTable
        A row for each chip, width and quantum.

    Raises
    ------
    ValueError, TypeError
        If there is no such chip, or chips, weight_bits or quanta have nothing in them or are no
        lists.

    Examples
    --------
    Fewer messages cost less:

    >>> import amsim as am
    >>> import hardware as hw
    >>> patterns = am.patterns.random(5, 64, seed=0)
    >>> table = hw.compare_costs(
    ...     am.dense_am(patterns),
    ...     am.patterns.corrupt(patterns, flip=0.2, seed=1),
    ...     chips=["loihi1"],
    ...     quanta=(0.0, 0.003),
    ... )
    >>> exact, sparse = (row.estimate.energy[0] for row in table.rows)
    >>> sparse < exact
    True
    """
    chips, weight_bits, quanta = _several(chips=chips, weight_bits=weight_bits, quanta=quanta)
    tables = [chip_named(chip) for chip in chips]
    rows = []
    for bits in weight_bits:
        for quantum in quanta:
            plan = compile(network, weight_bits=bits, quantum=quantum)
            result = run(plan, cues)
            rows += [_row(table, bits, quantum, result, prices, cores) for table in tables]
    return CostTable(tuple(rows))


def _several(**given: Any) -> list[list[Any]]:
    """Each argument as a list with something in it."""
    found = []
    for name, values in given.items():
        if isinstance(values, (str, Path)) or not isinstance(values, Iterable):
            raise TypeError(
                f"{name} must be a list, got {checks.shown(values)}: put it in brackets"
            )
        found.append(list(np.atleast_1d(values) if isinstance(values, np.ndarray) else values))
        if not found[-1]:
            raise ValueError(f"{name} is empty: nothing to compare")
    return found


def _row(
    table: Chip,
    bits: int,
    quantum: float,
    result: Result,
    prices: str | Path | Chip | None,
    cores: int | None,
) -> CostRow:
    try:
        placement = place(result.plan, table, run=result, cores=cores)
    except LimitError as error:
        return CostRow(table.name, bits, quantum, result, None, None, f"does not fit: {error}")
    try:
        found = estimate(placement, result, prices)
    except NotPublicError:
        note = "prices not public"
        return CostRow(table.name, bits, quantum, result, placement, None, note)
    return CostRow(table.name, bits, quantum, result, placement, found)
