"""`Poisson`, `Periodic` and `Barrier`: when units may look at their outputs, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ... import checks


@dataclass(frozen=True)
class Poisson:
    """Units look at random times, independently of each other.

    Parameters
    ----------
    rate : float
        Mean number of looks of a unit per unit of time.

    Examples
    --------
    >>> Poisson(rate=100.0)
    Poisson(rate=100.0)
    """

    rate: float

    def __post_init__(self) -> None:
        number_field(self, "rate", at_least=checks.SMALLEST)


@dataclass(frozen=True)
class Periodic:
    """Units look at the ticks of clocks that run freely.

    Parameters
    ----------
    period : float
        Time between two ticks of a nominal clock.
    drift : float, default 0.0
        Spread of the clocks: the period of one is period * (1 + drift * u), with u uniform in
        [-1, 1] and fixed. Less than 1.
    jitter : float, default 0.0
        Each tick is shifted by a random time, uniform in [-jitter / 2, jitter / 2]; at most the
        shortest period.
    skew : float, default 1.0
        Spread of the first ticks: clocks start at a phase that is uniform in [0, skew * period].
        At most 1; with 0 they start together.
    per : {"unit", "group"}, default "unit"
        Whether each unit has a clock, or each group of the `Fabric` has one for all of its units:
        clock domains, such as cores or boards. Without a fabric each layer is a group.
    latch : bool, default False
        Whether messages are read when they arrive, or at the first tick after that of the group
        that they reach, as between clock domains. Of messages of a unit that are read at one tick,
        the one that was sent last counts. Needs per="group".
    resync : float, optional
        Clocks are set anew in this time, a whole number of periods: each then ticks at its phase,
        and drifts away again. Slow clocks must not miss a tick within it.

    Examples
    --------
    >>> Periodic(0.1, drift=0.01).jitter
    0.0
    >>> boards = Periodic(0.1, drift=6.25e-6, per="group", latch=True, resync=200.0)
    """

    period: float
    drift: float = 0.0
    jitter: float = 0.0
    skew: float = 1.0
    per: Literal["unit", "group"] = "unit"
    latch: bool = False
    resync: float | None = None

    def __post_init__(self) -> None:
        number_field(self, "period", at_least=checks.SMALLEST)
        number_field(self, "drift", below=1.0)
        number_field(self, "jitter")
        number_field(self, "skew", at_most=1.0)
        checks.choice("Periodic: per", self.per, ("unit", "group"))
        object.__setattr__(self, "latch", checks.flag("Periodic: latch", self.latch))
        if self.jitter > self.period * (1 - self.drift):
            raise ValueError(
                f"Periodic: jitter is {self.jitter!r}, longer than the shortest period "
                f"{self.period * (1 - self.drift):g}: ticks would change their order; reduce it"
            )
        if self.latch and self.per != "group":
            raise ValueError(
                'Periodic: latch needs the clock of a group that reads: pass per="group"'
            )
        if self.resync is not None:
            number_field(self, "resync", at_least=self.period)
            self._check_resync(self.resync)

    def _check_resync(self, resync: float) -> None:
        ticks = self.ticks_between
        if abs(ticks * self.period - resync) > 1e-9 * resync:
            raise ValueError(
                f"Periodic: resync must be a whole number of periods {self.period:g}, "
                f"got {resync:g}"
            )
        if (ticks - 1) * self.period * (1 + self.drift) + self.jitter > ticks * self.period:
            raise ValueError(
                f"Periodic: with drift {self.drift:g} a clock would miss a tick within "
                f"resync = {resync:g}: take a shorter one"
            )

    @property
    def ticks_between(self) -> int:
        """Ticks from one time at which clocks are set to the next; 0 if they never are."""
        return 0 if self.resync is None else round(self.resync / self.period)


@dataclass(frozen=True)
class Barrier:
    """All units look together, when all messages of the step before have arrived.

    At a barrier all units read what came since the last one, look at their outputs, and send.
    The next barrier comes when the last of these messages has arrived, after its way through the
    links of the `Fabric` and the delay of the `Timing`: the more is sent, the longer a step.

    Parameters
    ----------
    step : float
        Shortest time between two barriers, such as that of the updates of a core.
    overhead : float, default 0.0
        From the last arrival to the barrier: what it takes to find that all are done.

    Notes
    -----
    A step that begins at t takes max(step, last arrival - t + overhead). States move on all the
    while, as those of analog units do. A chip that counts steps has the same dynamics in each:
    give it links and delays that always fit into `step`, and read its time from
    ``traj.stats["delivery_mean"]``, the mean of last arrival - t + overhead.

    Where messages never end (units that babble faster than their links serve) no barrier comes.

    Examples
    --------
    >>> import amsim as am
    >>> am.Timing(clock=am.Barrier(0.05), fabric=am.Fabric(hop=am.Link(200.0))).clock
    Barrier(step=0.05, overhead=0.0)
    """

    step: float
    overhead: float = 0.0

    def __post_init__(self) -> None:
        number_field(self, "step", at_least=checks.SMALLEST)
        number_field(self, "overhead")


def number_field(
    owner: Any,
    name: str,
    *,
    at_least: float = 0.0,
    below: float | None = None,
    at_most: float | None = None,
) -> None:
    """Check one parameter of a dataclass, and keep it as a float."""
    found = checks.number(
        f"{type(owner).__name__}: {name}",
        getattr(owner, name),
        at_least=at_least,
        below=below,
        at_most=checks.LARGEST if below is None and at_most is None else at_most,
    )
    object.__setattr__(owner, name, found)
