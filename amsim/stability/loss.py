"""`loss_bound`: how likely losses spoil a recall, where messages are repeated.

`docs/certificates.md` proves the bound. In short: as long as nothing that is used is older than the
staleness of a certificate, the recall is proven; for that not to be so, all copies that a link
carried during some time must have been lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .. import checks
from ..display import short, span, table, tabled
from ..network import Network
from ..synapses import Array
from .boxes import EPS
from .certificates import certify
from .certification_problem import Scope, States
from .links import links_of
from .staleness_limits import largest_staleness

_COPIES = 64  # how many fewer lost copies in a row than there is time for are looked at


@dataclass(frozen=True, eq=False)
class LossBound:
    """What `loss_bound` proved, for one cue or a batch of them.

    Attributes
    ----------
    failure : ndarray (*batch)
        An upper bound on the probability that the recall does not end at the target. 0 with a
        certificate for any age of messages, 1 where nothing was proven.
    staleness : ndarray (*batch)
        The age of messages for which the recall is certified, in the unit of tau; inf for any age,
        0 where there is no certificate.
    time : ndarray (*batch)
        Until when ages have to be kept; after that any age will do. NaN without a certificate.
    links : int
        How many links (or senders, in broadcast) lose messages independently.
    """

    failure: Array
    staleness: Array
    time: Array
    links: int

    @short
    def __repr__(self) -> str:
        return f"LossBound(failure at most {span(self.failure)}; {self.links} links)"

    @tabled
    def _repr_html_(self) -> str:
        rows: list[tuple[object, ...]] = [
            ("failure at most", span(self.failure)),
            ("staleness", span(self.staleness)),
            ("until", span(self.time)),
            ("links", self.links),
        ]
        return table("LossBound", rows)


def loss_bound(
    net: Network,
    cue: States,
    target: States,
    drop: float,
    heartbeat: float,
    delay: float,
    scope: Scope = "link",
    *,
    staleness: float | None = None,
    drift: float = 0.0,
    tolerance: float = 1e-3,
) -> LossBound:
    """Bound the probability that a recall fails because messages are lost.

    Every message is lost with the probability `drop`, whatever happened before, and no unit is
    silent for longer than `heartbeat`; it may send more often. A message says the output that the
    unit has when it sends, and receivers hold the newest that they got: ``Timing(on_drop="hold",
    arrival="timestamp")`` and ``announce="output"``, with any quantum. In the scope "link" each
    link loses messages for itself, in the scope "broadcast" a loss concerns all receivers of a
    layer, as with ``Timing(scope="broadcast")``. Shares that are lost one by one are not of one
    time, so nothing is heard `together`.

    Parameters
    ----------
    net, cue, target, scope, drift, tolerance
        As for `certify`.
    drop : float
        Probability that a message is lost, less than 1.
    heartbeat : float
        Longest time between two messages of a unit, in the unit of tau; with a clock, that and the
        longest gap between two ticks.
    delay : float
        Longest travel time of a message, jitter included.
    staleness : float, optional
        Age of messages to be certified; by default the largest that is proven, for each cue.

    Returns
    -------
    LossBound

    Raises
    ------
    TypeError, ValueError
        As for `certify`; and if the staleness is not longer than the delay.

    Examples
    --------
    A tenth of all messages is lost, but hardly a recall:

    >>> import amsim as am
    >>> from amsim.stability import loss_bound
    >>> patterns = am.patterns.random(10, 32, seed=0)
    >>> net = am.dense_am(patterns)
    >>> target = am.simulate(net, patterns[0]).final
    >>> cue = am.patterns.corrupt(patterns[0], flip=0.25, seed=1)
    >>> bound = loss_bound(net, cue, target, 0.1, heartbeat=0.05, delay=0.05)
    >>> bool(bound.failure < 1e-3)
    True
    """
    drop = checks.number("drop", drop, at_least=0.0, below=1.0)
    heartbeat = checks.number(
        "heartbeat", heartbeat, at_least=checks.SMALLEST, at_most=checks.LARGEST
    )
    delay = checks.number("delay", delay, at_least=0.0, at_most=checks.LARGEST)
    if staleness is None:
        limits = largest_staleness(
            net, cue, target, scope, drift=drift, tolerance=tolerance, attack=False
        )  # fmt: skip
        ages = np.asarray(limits.proven)
    else:
        age = checks.number("staleness", staleness, at_least=0.0, at_most=checks.LARGEST)
        if age <= delay:
            raise ValueError(
                f"staleness is {age:g}, but messages travel for {delay:g}: none could ever be "
                f"lost; give a larger staleness, or leave it out"
            )
        ages = np.asarray(age)
    time = np.full(ages.shape, np.nan)
    for age in np.unique(ages[(ages > 0) & np.isfinite(ages)]):
        found = certify(
            net, cue, target, scope, staleness=float(age), drift=drift, tolerance=tolerance
        )  # fmt: skip
        time = np.where(ages == age, found.time, time)
    time = np.where(np.isinf(ages), 0.0, time)
    ages = np.where(np.isnan(time), 0.0, ages)
    links = _links(net, scope)
    failure = [
        _failure(links, drop, heartbeat, delay, float(age), float(end))
        for age, end in zip(ages.flat, time.flat, strict=True)
    ]
    return LossBound(np.reshape(failure, ages.shape), ages, time, links)


def _links(net: Network, scope: Scope) -> int:
    """How many channels lose messages for themselves; links of weight 0 carry nothing."""
    count = 0
    for synapse in net.synapses:
        for _, link in links_of(synapse):  # type: ignore[arg-type]
            used = np.asarray(link.weights) != 0
            each = used.any(axis=1 if link.back else 0) if scope == "broadcast" else used
            count += int(np.count_nonzero(each))
    return count


def _failure(
    links: int, drop: float, heartbeat: float, delay: float, staleness: float, until: float
) -> float:
    """An upper bound on the chance that an age exceeds the staleness before `until`."""
    if not staleness > 0:
        return 1.0
    if np.isinf(staleness):
        return 0.0
    return min(1.0, links * old_message(drop, heartbeat, delay, staleness, until) * (1 + 8 * EPS))


def old_message(
    drop: float, heartbeat: float, delay: float, staleness: float, until: float
) -> float:
    """An upper bound on the chance that on one link an age exceeds the staleness by `until`.

    All copies of some j heartbeats were lost, which begin at a point of a grid with the step
    staleness - delay - j heartbeat; the least over j.
    """
    room = Fraction(staleness) - Fraction(delay)
    late = Fraction(until) * Fraction(1 + 4 * EPS) - Fraction(staleness)
    if late <= 0:
        return 0.0
    if room <= 0:
        return 1.0
    most = int(room // Fraction(heartbeat))
    least = 1.0
    for copies in range(max(0, most - _COPIES), most + 1):
        step = room - copies * Fraction(heartbeat)
        if step > 0:
            chance = drop**copies * (1 + 16 * EPS)
            least = min(least, float(-(-late // step)) * chance * (1 + 4 * EPS))
    return least
