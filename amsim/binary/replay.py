"""What a recorded recall keeps of its cues: their flips, and the energies at these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .energies import Floats
from .inputs import Signs
from .recall_result import Flips, Integers, Record
from .tables import Table

# Flips of a cue for which there is room at first, per unit.
_ROOM = 2


class Recorder:
    """Collects the flips of some cues at a time, and sum F of the cue and after each of them.

    Parameters
    ----------
    memories : Memories
    values : Table
        Of F.
    """

    def __init__(self, memories: Any, values: Table) -> None:
        self._memories, self._values = memories, values
        self._most = _ROOM * len(memories.columns)  # flips of a cue, as far as is known
        self._counts: list[Integers] = []
        self._logs: list[Integers] = []
        self._sums: list[tuple[Floats, Integers]] = []

    def run(self, update: Callable[[Integers], Integers], cues: Signs) -> None:
        """Update some cues with a log that has room for their flips: once, or twice.

        `update` takes the log, begins with the cues as they were given, and returns the number of
        flips of each.
        """
        log = self._log(len(cues) * self._most)
        counts = update(log)
        self._most = max(self._most, int(counts.max()))
        if (total := int(counts.sum())) > len(log):
            log = self._log(total)
            update(log)
        self.keep(cues, counts, log[:total].copy())

    def keep(self, cues: Signs, counts: Integers, log: Integers) -> None:
        """Work out the sums along these flips: all of the cues are kept, or none of them."""
        from .kernels import energies_along, new_fields

        size, count = self._memories.columns.shape
        fields = new_fields(count, size)
        ends = np.cumsum(counts + 1)
        total, band = np.empty(ends[-1]), np.empty(ends[-1], np.int64)
        for b, part in enumerate(np.split(log[:, 1], np.cumsum(counts)[:-1])):
            own = slice(ends[b] - counts[b] - 1, ends[b])
            arguments = cues[b].copy(), part.copy(), self._values, fields, total[own], band[own]
            energies_along(self._memories, *arguments)
        self._add(counts, log, total, band)

    def rest(self, cues: Signs) -> None:
        """Cues that were not reached have the energy that they began with; NaN after Ctrl-C."""
        counts, log = np.zeros(len(cues), np.int64), self._log(0)
        try:
            self.keep(cues, counts, log)
        except KeyboardInterrupt:
            self._add(counts, log, np.full(len(cues), np.nan), counts)

    def record(
        self, energy: Callable[[Floats, Integers], Floats], checks: Integers, every: int
    ) -> Record:
        """The record of all cues, with energies from sums and bands."""
        counts, log = np.concatenate(self._counts), np.concatenate(self._logs)
        total, band = (np.concatenate(parts) for parts in zip(*self._sums, strict=True))
        events = Flips(np.repeat(np.arange(len(counts)), counts), log[:, 0], log[:, 1])
        return Record(energy(total, band), events, counts, every, int(checks.max()))

    def _add(self, counts: Integers, log: Integers, total: Floats, band: Integers) -> None:
        self._counts.append(counts)
        self._logs.append(log)
        self._sums.append((total, band))

    @staticmethod
    def _log(room: int) -> Integers:
        return np.empty((room, 2), np.int64)
