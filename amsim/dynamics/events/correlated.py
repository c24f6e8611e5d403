"""`CommonJitter` and `Bursts`: jitter and loss that messages of a group share, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from ... import checks
from ...display import fields_repr
from .clocks import number_field


@runtime_checkable
class Distribution(Protocol):
    """What is used of a frozen distribution such as ``scipy.stats.uniform(0, 0.5)``."""

    def ppf(self, q: Any) -> Any:
        """Quantiles."""

    def support(self) -> tuple[float, float]:
        """Smallest and largest value."""


@dataclass(frozen=True, eq=False)
class CommonJitter:
    """Further travel time that all messages of a group have in common.

    It keeps its value for an exponentially distributed time, and is then drawn anew (a
    Kubo-Anderson process): each group has its own path in time, whatever is sent.

    Parameters
    ----------
    jitter : float or frozen scipy.stats distribution
        Uniform in [0, jitter], or distributed.
    correlation : float
        Mean time between draws, which is the correlation time.
    at : {"out", "into"}, default "out"
        Whether messages share it that leave a group of the `Fabric`, or that reach one. Without a
        fabric each layer is a group.

    Notes
    -----
    Two messages of a group that are t apart have the correlation exp(-t / correlation) times
    var(common) / (var(common) + var(own jitter)); those of different groups have none.

    Examples
    --------
    >>> import amsim as am
    >>> timing = am.Timing(jitter=0.1, common_jitter=am.CommonJitter(0.3, correlation=2.0))
    >>> timing.common_jitter
    CommonJitter(jitter=0.3, correlation=2, at='out')
    """

    jitter: float | Distribution
    correlation: float
    at: Literal["out", "into"] = "out"

    __repr__ = fields_repr

    def __post_init__(self) -> None:
        if isinstance(self.jitter, Distribution):
            check_distribution("CommonJitter: jitter", self.jitter)
        else:
            number_field(self, "jitter")
        number_field(self, "correlation", at_least=checks.SMALLEST)
        checks.choice("CommonJitter: at", self.at, ("out", "into"))


@dataclass(frozen=True)
class Bursts:
    """Losses that come in bursts: every group goes to and fro between two states.

    Times in both states are exponentially distributed (Gilbert 1960, Elliott 1963, in continuous
    time), whatever is sent.

    Parameters
    ----------
    good, bad : float
        Mean time in the good and in the bad state.
    drop_good, drop_bad : float, default 0.0 and 1.0
        Probabilities that a message gets lost.
    at : {"out", "into"}, default "out"
        Whether messages share the state that leave a group of the `Fabric`, or that reach one.
        Without a fabric each layer is a group.

    Notes
    -----
    With w = bad / (good + bad), the share (1 - w) drop_good + w drop_bad is lost in the mean. The
    states of a group that are t apart have the correlation exp(-t (1 / good + 1 / bad)). A burst is
    longer than h with probability exp(-h / bad); a heartbeat h repairs what shorter ones lost.

    Examples
    --------
    >>> import amsim as am
    >>> am.Timing(bursts=am.Bursts(good=19.0, bad=1.0), heartbeat=2.0).bursts
    Bursts(good=19.0, bad=1.0, drop_good=0.0, drop_bad=1.0, at='out')
    """

    good: float
    bad: float
    drop_good: float = 0.0
    drop_bad: float = 1.0
    at: Literal["out", "into"] = "out"

    def __post_init__(self) -> None:
        for name in ("good", "bad"):
            number_field(self, name, at_least=checks.SMALLEST)
        for name in ("drop_good", "drop_bad"):
            number_field(self, name, at_most=1.0)
        checks.choice("Bursts: at", self.at, ("out", "into"))


def check_distribution(what: str, value: Distribution) -> None:
    """Raise where a distribution is not frozen, or reaches below 0."""
    if hasattr(value, "freeze"):
        raise TypeError(
            f"{what} is a family of distributions; give its parameters to freeze it, "
            f"such as scipy.stats.uniform(0, 0.5)"
        )
    lowest = float(value.support()[0])
    if not lowest >= 0:
        raise ValueError(
            f"{what} has a distribution that reaches down to {lowest:g}; "
            f"no message may arrive before it leaves: shift or truncate it at 0"
        )
