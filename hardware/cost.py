"""`estimate`: what a recall would cost in energy and time at published prices.

Counts come from a run, places from a placement, prices from a table. All numbers are per cue, means
over the cues of the run. A step of the chip ends when its busiest core is done and the barrier
has passed, so that only what that core does counts for the time:

- synaptic operations: every message meets the weights of all its listeners. A step carries one
  kind of message, and each goes to every core of its listeners; so the core with the most
  listeners does most of them, in every step;
- neuron updates: every unit is updated in every step, at the price of an active one in the steps of
  its turn and of an idle one in the others;
- mesh: a message is handed to each core that holds listeners, over the hops of the way there.
  In time, messages overlap, and a step waits for the longest way once if there is any message;
- barrier: one per step. It has no published energy;
- static: the power of the chips that are used, for as long as the recall takes.

Left out, because nothing is published: cores that wait for a busy link, input and output, the
processors beside the neuro-cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .chips import Chip
from .chips import chip as chip_named
from .cost_lines import PARTS, USED, Line, Range, lines_of, total
from .placement import Placement
from .placement.layers import GraphPlacement
from .placement.result import check_run
from .run import Result


@dataclass(frozen=True, eq=False)
class Estimate:
    """Energy and time of a recall at published prices; made by `hardware.estimate`.

    Attributes
    ----------
    placement : Placement or GraphPlacement
    prices : Chip
        Whose prices were taken.
    steps : int
    lines : tuple of Line
    verified_on_hardware : bool
        Always False.
    """

    placement: Placement | GraphPlacement
    prices: Chip
    steps: int
    lines: tuple[Line, ...]
    verified_on_hardware: bool = False

    @property
    def energy(self) -> Range:
        """Of one cue, lower and upper end, in J."""
        return total([line.energy for line in self.lines])

    @property
    def latency(self) -> Range:
        """Of one cue, lower and upper end, in s."""
        return total([line.time for line in self.lines])

    @property
    def by_part(self) -> dict[str, tuple[Range, Range]]:
        """Energy in J and time in s of each part."""
        return {
            part: (
                total([line.energy for line in self.lines if line.part == part]),
                total([line.time for line in self.lines if line.part == part]),
            )
            for part in PARTS
        }

    @property
    def assumed(self) -> tuple[str, ...]:
        """Names of prices that are assumed and not published."""
        return tuple(n for n, x in self.prices.limits.items() if n in USED and x.basis == "assumed")

    def report(self) -> str:
        """The lines as a table."""
        from .cost_report import describe

        return describe(self)

    def __repr__(self) -> str:
        low, high = self.energy
        return (
            f"Estimate({low:.3g} to {high:.3g} J, {self.latency[0]:.3g} to {self.latency[1]:.3g} s "
            f"a cue at {self.prices.name} prices, verified_on_hardware=False)"
        )


def estimate(
    placement: Placement | GraphPlacement, run: Result, prices: str | Path | Chip | None = None
) -> Estimate:
    """What the recalls of a run would cost on a placement.

    Parameters
    ----------
    placement : Placement or GraphPlacement
    run : Result
        Of the same plan. What is sent decides the costs.
    prices : str, Path or Chip, optional
        The chip whose prices are taken, that of the placement by default.
        `chip.assuming(synapse_energy=...)` gives a chip prices of your own.

    Returns
    -------
    Estimate

    Raises
    ------
    NotPublicError
        If a price that is needed is not public; the message names all of them.
    ValueError, TypeError
        If the run is empty or one of another plan, or there is no such chip.

    Examples
    --------
    >>> import amsim as am
    >>> import hardware as hw
    >>> patterns = am.patterns.random(5, 64, seed=0)
    >>> plan = hw.compile(am.dense_am(patterns))
    >>> run = hw.run(plan, patterns[:2])
    >>> cost = hw.estimate(hw.place(plan), run, prices="loihi1")
    >>> low, high = cost.energy
    >>> print(f"{1e6 * low:.0f} to {1e6 * high:.0f} uJ, {1e3 * cost.latency[1]:.1f} ms")
    123 to 193 uJ, 1.8 ms
    """
    if not isinstance(placement, Placement | GraphPlacement):
        raise TypeError(
            f"placement must be what hardware.place returns, got {type(placement).__name__}"
        )
    check_run(placement.plan, run)
    table = placement.chip if prices is None else chip_named(prices)
    return Estimate(placement, table, run.steps, lines_of(placement, run, table))
