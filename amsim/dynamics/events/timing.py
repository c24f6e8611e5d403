"""When messages leave, how long they travel, and which of them get lost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike


@runtime_checkable
class Distribution(Protocol):
    """What is used of a frozen distribution such as ``scipy.stats.uniform(0, 0.5)``."""

    def ppf(self, q: Any) -> Any:
        """Quantiles."""

    def support(self) -> tuple[float, float]:
        """Smallest and largest value."""


Delay = ArrayLike | Distribution


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
        _number("Poisson", "rate", self.rate, above=0.0)


@dataclass(frozen=True)
class Periodic:
    """Units look at their own ticks, which start at a random phase.

    Parameters
    ----------
    period : float
        Time between two ticks of a nominal clock.
    drift : float, default 0.0
        Spread of the clocks: the period of a unit is period * (1 + drift * u), with u uniform in
        [-1, 1] and fixed. Less than 1.
    jitter : float, default 0.0
        Each tick is shifted by a random time, uniform in [-jitter / 2, jitter / 2]; at most the
        shortest period.

    Examples
    --------
    >>> Periodic(0.1, drift=0.01).jitter
    0.0
    """

    period: float
    drift: float = 0.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        _number("Periodic", "period", self.period, above=0.0)
        _number("Periodic", "drift", self.drift, at_least=0.0, below=1.0)
        _number("Periodic", "jitter", self.jitter, at_least=0.0)
        if self.jitter > self.period * (1 - self.drift):
            raise ValueError(
                f"Periodic: jitter is {self.jitter!r}, longer than the shortest period "
                f"{self.period * (1 - self.drift):g}: ticks would change their order; reduce it"
            )


@dataclass(frozen=True, eq=False)
class Timing:
    """Delays, losses and clocks of an asynchronous network; all times in the unit of tau.

    Parameters
    ----------
    delay : float, array_like, frozen scipy.stats distribution, or mapping; default 0.0
        Travel time of messages. A distribution is drawn once per sending unit, or once per link
        if scope="link". An array has one entry per unit of the network (layers one after the
        other), or with scope="link" the shape of the weights of the only synapse, for both
        directions. A mapping gives layers by name (their units as senders; arrays have the shape
        of the layer), or pairs (sender, receiver) of layers, where an array has one row per
        sending and one column per receiving unit and needs scope="link". What a mapping leaves
        out has no delay.
    scope : {"broadcast", "link"}, default "broadcast"
        Whether a message reaches all units of a layer at one time, or each by its own link, with
        its own delay, jitter and loss.
    jitter : float or frozen scipy.stats distribution, default 0.0
        Further travel time of each message, drawn anew: uniform in [0, jitter], or distributed.
    drop : float, default 0.0
        Probability that a message gets lost, less than 1.
    on_drop : {"hold", "zero"}, default "hold"
        What a receiver reads from a link whose message was lost: the last value, or 0 until the
        next message comes.
    heartbeat : float, optional
        A unit that has sent nothing for so long sends its output again.
    arrival : {"timestamp", "latest"}, default "timestamp"
        Which message counts if one overtakes another: the one sent last, or the one that came
        last.
    tau_spread : float, default 0.0
        Mismatch of time constants: the tau of each unit is multiplied by exp(tau_spread * z), with
        z standard normal and fixed.
    clock : Poisson or Periodic, optional
        When a unit may look at its output and send. By default it sends at the very moment at which
        its output has moved by a quantum.

    Raises
    ------
    ValueError, TypeError
        If a value is not usable; the message names the remedy. What depends on the network is
        checked by `simulate`.

    Notes
    -----
    All draws are functions of the seed of `simulate`, the unit and the number of its message or
    tick, so that they depend neither on the batch nor on the order of computation. The cues of a
    batch see the same delays, losses and clocks.

    Examples
    --------
    >>> from amsim import Periodic, Timing
    >>> Timing(delay=0.5, drop=0.1, heartbeat=5.0, clock=Periodic(0.01)).scope
    'broadcast'
    """

    delay: Delay | Mapping[Any, Delay] = 0.0
    scope: Literal["broadcast", "link"] = "broadcast"
    jitter: float | Distribution = 0.0
    drop: float = 0.0
    on_drop: Literal["hold", "zero"] = "hold"
    heartbeat: float | None = None
    arrival: Literal["timestamp", "latest"] = "timestamp"
    tau_spread: float = 0.0
    clock: Poisson | Periodic | None = None

    def __post_init__(self) -> None:
        parts = self.delay.values() if isinstance(self.delay, Mapping) else [self.delay]
        for part in parts:
            _check_delay(part)
        if isinstance(self.jitter, Distribution):
            _check_delay(self.jitter, "jitter")
        else:
            _number("Timing", "jitter", self.jitter, at_least=0.0)
        _number("Timing", "drop", self.drop, at_least=0.0, below=1.0)
        _number("Timing", "tau_spread", self.tau_spread, at_least=0.0)
        if self.heartbeat is not None:
            _number("Timing", "heartbeat", self.heartbeat, above=0.0)
        if not (self.clock is None or isinstance(self.clock, (Poisson, Periodic))):
            raise TypeError(
                f"Timing: clock is {self.clock!r}; use Poisson(rate), Periodic(period), or None "
                f"for units that send without a clock"
            )
        for name, choices in (
            ("scope", ("broadcast", "link")),
            ("on_drop", ("hold", "zero")),
            ("arrival", ("timestamp", "latest")),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"Timing: {name} is {getattr(self, name)!r}; "
                    f"use {' or '.join(map(repr, choices))}"
                )


def _check_delay(value: Any, name: str = "delay") -> None:
    """Numbers and distributions that are finite and not negative."""
    if isinstance(value, Distribution):
        if hasattr(value, "freeze"):
            raise TypeError(
                f"Timing: {name} is a family of distributions; give its parameters to freeze it, "
                f"such as scipy.stats.uniform(0, 0.5)"
            )
        lowest = float(value.support()[0])
        if not lowest >= 0:
            raise ValueError(
                f"Timing: {name} has a distribution that reaches down to {lowest:g}; "
                f"no message may arrive before it leaves: shift or truncate it at 0"
            )
        return
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise TypeError(
            f"Timing: {name} is {value!r}; use a number, an array, or a frozen distribution such "
            f"as scipy.stats.uniform(0, 0.5)"
        )
    if array.size == 0 or not np.isfinite(array).all() or array.min() < 0:
        raise ValueError(f"Timing: {name} must be finite and not negative, got {value!r}")


def _number(
    owner: str,
    name: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float = math.inf,
) -> None:
    """Check one real parameter."""
    lower = f"> {above:g}" if above is not None else f">= {at_least:g}"
    rule = f"a number {lower}" + (f" and < {below:g}" if below < math.inf else "")
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{owner}: {name} is {value!r}; use {rule}")
    fits = value > above if above is not None else value >= (at_least or 0.0)
    if not (math.isfinite(value) and fits and value < below):
        raise ValueError(f"{owner}: {name} is {value!r}; use {rule}")
