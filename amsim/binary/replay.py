"""The energies along a recorded recall, computed from its flips."""

from __future__ import annotations

from typing import Any

import numpy as np

from .energies import Floats
from .inputs import Signs
from .recall_result import Flips, Integers
from .tables import Table


def energies_and_flips(
    memories: Any, values: Table, cues: Signs, results: Integers, log: Integers, every: int
) -> tuple[tuple[Floats, Integers], Flips]:
    """sum F (T, B) as numbers and bands, of the cues and after `every` checks; and the flips.

    Ctrl-C leaves the cues that are missing without energies (NaN); their flips stay.
    """
    from .kernels import energies_along, new_fields

    ends = every * np.arange(results[:, 2].max() // every + 1)
    total = np.empty((len(cues), len(ends)))
    band, b = np.empty(total.shape, np.int64), 0
    size, count = memories.columns.shape
    fields = new_fields(count, size)
    try:
        for b, part in enumerate(np.split(log, np.cumsum(results[:-1, 3]))):
            sums = np.empty(len(part) + 1), np.empty(len(part) + 1, np.int64)
            energies_along(memories, cues[b].copy(), part[:, 1].copy(), values, fields, *sums)
            # After a number of checks, the flips of the checks below it have happened.
            place = np.searchsorted(part[:, 0], ends)
            total[b], band[b] = (column[place] for column in sums)
    except KeyboardInterrupt:
        total[b:], band[b:] = np.nan, 0
    cue_of = np.repeat(np.arange(len(cues)), results[:, 3])
    return (total.T, band.T), Flips(cue_of, log[:, 0], log[:, 1])
