"""`Settled`: the rule by which a simulation stops before its last time."""

from __future__ import annotations

from dataclasses import dataclass

from .. import checks


@dataclass(frozen=True)
class Settled:
    """Stop a cue when its state hardly moves.

    Parameters
    ----------
    tolerance : float, default 1e-6
        Largest |tau dx/dt| over the units of all layers, in units of the state.
    certified : bool, default False
        Whether to go on until every unit of layer "visible" (or of the first one) is proven to be
        within `tolerance` of a fixed point. `Trajectory.stats` then has "distance_bound" (*batch),
        the proven distances; they are larger, or infinite, for cues of which `Trajectory.message`
        says why. For the networks of `stability.certify`, with inputs that end constant and no
        clamped units.
    naive : bool, default False
        Whether residuals alone count in an event-driven run. They are small before the first
        message has arrived, so that a network with delays can seem to have settled far from rest;
        by default none may be under way, and none sent for as long as one may travel.

    Notes
    -----
    Where the network contracts with factor L < 1 around the state (a stored memory does, with
    L near 0), the distance to the fixed point is at most residual / (1 - L). `certified` proves it
    once the residual is half the tolerance; if the bound is larger than the tolerance, it runs
    again to a smaller residual. With delays a small residual alone says nothing of the kind.

    Examples
    --------
    >>> Settled(1e-4).tolerance
    0.0001
    >>> import amsim as am
    >>> stored = am.patterns.random(3, 32, seed=0)
    >>> traj = am.simulate(am.dense_am(stored), stored[0], until=am.Settled(certified=True))
    >>> bool(traj.stats["distance_bound"] <= 1e-6)
    True
    """

    tolerance: float = 1e-6
    certified: bool = False
    naive: bool = False

    def __post_init__(self) -> None:
        for name, value in {
            "tolerance": checks.number(
                "Settled: tolerance", self.tolerance, above=0.0, more="; until=None runs to t1"
            ),
            "certified": checks.flag("Settled: certified", self.certified),
            "naive": checks.flag("Settled: naive", self.naive),
        }.items():
            object.__setattr__(self, name, value)
        if self.certified and self.naive:
            raise ValueError("Settled: the naive rule proves nothing; drop naive or certified")
