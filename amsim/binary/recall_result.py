"""`Recall`, the result of `BinaryMemory.recall`, and `Flips`, its record of changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..display import fields_repr
from ..results import RunResult, Variables
from .energies import Floats

Integers = NDArray[np.int64]
# From what one wants to what one does not, in the order of the compiled codes.
STATUSES = ("settled", "cycle", "sweep_limit", "interrupted")
INTERRUPTED = STATUSES.index("interrupted")
# Of memories that end in a cycle, or at the limit of sweeps.
REMEDIES = (
    "update one unit at a time, or use the gradient rule with self terms",
    "allow more, or use the flip rule without staleness and temperature, which always settles",
)


@dataclass(frozen=True, eq=False)
class Flips:
    """Every flip of a recorded recall, cue by cue, in the order in which they happened.

    Attributes
    ----------
    cue : ndarray of int (F,)
        Position in the flattened batch.
    check : ndarray of int (F,)
        Number of the check that flipped the unit, from 0 for each cue.
    unit : ndarray of int (F,)
    """

    cue: Integers
    check: Integers
    unit: Integers

    __repr__ = fields_repr


@dataclass(frozen=True, eq=False)
class Record:
    """Energies of B cues where they changed, and the flips that changed them.

    Attributes
    ----------
    at_flips : ndarray (B + F,)
        Of each cue, and after each of its flips.
    events : Flips
    counts : ndarray of int (B,)
        Flips of each cue.
    every : int
        Checks from one energy to the next.
    checks : int
        The most that a cue had.
    """

    at_flips: Floats
    events: Flips
    counts: Integers
    every: int
    checks: int

    def energy(self) -> Floats:
        """Of the cues and after `every` checks, (T, B)."""
        ends = self.every * np.arange(self.checks // self.every + 1)
        energy = np.empty((len(self.counts), len(ends)))
        first = np.cumsum(self.counts + 1) - self.counts - 1
        parts = np.split(self.events.check, np.cumsum(self.counts)[:-1])
        for b, part in enumerate(parts):
            # After a number of checks, the flips of the checks below it have happened.
            energy[b] = self.at_flips[first[b] + np.searchsorted(part, ends)]
        return energy.T


@dataclass(frozen=True, eq=False)
class Recall(RunResult):
    """The end of a recall, and how it got there.

    Attributes
    ----------
    final : ndarray (*batch, D)
        Last states, -1.0 and +1.0.
    status : str
        The worst of `statuses`.
    statuses : ndarray of str (*batch)
        "settled": no unit would flip. "cycle": a parallel recall repeats itself.
        "sweep_limit": neither within `max_sweeps`; always so at a temperature. "interrupted": not
        reached when Ctrl-C came; `final` has the cue.
    codes : ndarray of int (*batch)
        `statuses` as numbers, the higher the worse; 0 is "settled".
    flips, checks : ndarray of int (*batch)
        How many units changed, and how many were asked. A parallel sweep asks all that may change.
    settle_times : ndarray (*batch)
        When each cue was found settled: with `timing` in its unit, else in sweeps, each of them as
        many checks as units may change (`time_label` says which). NaN where it was not.
    stats : dict
        "flips", "checks", "period", as above, and "wall_time" in seconds.
    period : ndarray of int (*batch)
        1 where settled, the sweeps of a cycle, 0 where unknown.
    energy : ndarray (T, *batch)
        With ``record=True``, of the cue and after every check (parallel: every sweep). A cue that
        ended before the others keeps its last energy.
    events : Flips
        With ``record=True``.
    remedies : tuple of str
        What the message advises after a cycle, and at the limit of sweeps.
    times : ndarray or None
        With `timing`, when each check happened; the same for all cues.
    """

    final: Floats
    flips: Integers
    checks: Integers
    period: Integers
    codes: Integers = field(repr=False)
    checks_per_sweep: int
    wall_time: float
    times: Floats | None = None
    recorded: Record | None = field(default=None, repr=False)
    remedies: tuple[str, str] = field(default=REMEDIES, repr=False)
    STATUSES: ClassVar = STATUSES

    @property
    def time_label(self) -> str:
        """What `settle_times` count: "sweeps", or with `timing` its unit of time."""
        return "sweeps" if self.times is None else "time (units of the clock)"

    @property
    def settle_times(self) -> Floats:
        """See above."""
        sweeps = self.checks / self.checks_per_sweep
        times = sweeps if self.times is None else self.times[self.checks - 1]
        return np.where(self.codes == 0, times, np.nan)

    @property
    def stats(self) -> dict[str, Any]:
        """See above."""
        counts = {"flips": self.flips, "checks": self.checks, "period": self.period}
        return {**counts, "wall_time": self.wall_time}

    @cached_property
    def energy(self) -> Floats:
        """Energies; needs ``record=True``."""
        return self._record().energy().reshape(-1, *self.codes.shape)

    @property
    def events(self) -> Flips:
        """Flips; needs ``record=True``."""
        return self._record().events

    @property
    def message(self) -> str:
        """What happened, and the remedy where it is not what one wants."""
        count, cues = np.bincount(self.codes.ravel(), minlength=4), self.codes.size
        if left := count[INTERRUPTED]:
            return (
                f"interrupted: {cues - left} of {cues} cues have ended, {left} were not reached "
                f"and are as they were given"
            )
        if count[2]:
            return f"{count[2]} of {cues} cues did not settle within max_sweeps: {self.remedies[1]}"
        if count[1]:
            return (
                f"{count[1]} of {cues} cues ended in a cycle of up to {self.period.max()} parallel "
                f"sweeps: {self.remedies[0]}"
            )
        return f"{cues} of {cues} cues settled after {self.flips.sum()} flips"

    __repr__ = RunResult.__repr__

    def _final_by_layer(self) -> Mapping[str, Floats]:
        return {"visible": self.final}

    def _recorded_variables(self) -> Variables:
        if self.recorded is None:
            return {}
        found: Variables = {"energy": (("check", *self._batch_axes()), self.energy)}
        for name in ("cue", "check", "unit"):
            found[f"flip_{name}"] = (("flip",), getattr(self.events, name))
        return found

    def _record(self) -> Record:
        if self.recorded is None:
            raise ValueError(
                "energies and flips were not kept: BinaryMemory.recall keeps them with "
                "record=True, and a TwoStateNetwork has energy(recall.final)"
            )
        return self.recorded
