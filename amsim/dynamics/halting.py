"""When a run may stop before its last time."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Settled:
    """Stop a cue when its state hardly moves.

    Parameters
    ----------
    tolerance : float, default 1e-6
        Largest |tau dx/dt| over the units of all layers, in units of the state.

    Notes
    -----
    Where the network contracts with factor L < 1 around the state (a stored memory does, with
    L near 0), the distance to the fixed point is at most tolerance / (1 - L). With delays a small
    residual says nothing of the kind.

    Examples
    --------
    >>> Settled(1e-4).tolerance
    0.0001
    """

    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise ValueError(
                f"Settled: tolerance must be positive, got {self.tolerance!r}; "
                f"pass until=None to run to t1"
            )
