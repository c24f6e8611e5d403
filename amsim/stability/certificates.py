"""Certified cues: proofs that every asynchronous execution from them ends at the target.

`docs/certificates.md` states the theorem and its hypotheses. In short: if the interval image of a
box of states lies in the box, and the update is a contraction on a box that the iterated images
reach, then no choice of delays, losses and clocks keeps an execution from the fixed point in it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..display import short, span, table, tabled
from ..network import Network
from ..synapses import Array
from .boxes import LARGEST, Box, Boxes
from .certification_problem import CertificationProblem, Scope, States
from .contraction import contraction, distance, least_gain, residual
from .intervals import Image
from .linear import Linearisation

_PASSES = 200
_STALLED = 0.99  # give up if no unit's box shrinks below this fraction of its width
_BEYOND, _FARTHEST = 1.2, 20.0  # of the estimated rest of a growth; steps at once
_NARROW = 1e-9  # width, relative to max(1, states), of a box that may be all rounding
_OPEN, _HOLDS, _STUCK, _GROWS, _INEXACT = range(5)
_REASONS = {
    _STUCK: "the smallest box of cue and target does not shrink to the target",
    _GROWS: f"no invariant box of cue and target was found in {_PASSES} images",
    _INEXACT: "the fixed point may be farther from the target than the tolerance; take the last "
    "state of a longer run as the target",
}


@dataclass(frozen=True, eq=False)
class Certificate:
    """What `certify` proved, for one cue or a batch of them.

    Attributes
    ----------
    holds : ndarray of bool (*batch)
        Whether every execution from the box converges to the fixed point at the target.
    box : dict of layer name to (lo, hi), each (*batch, units)
        The invariant box that holds cue and target; without a certificate, the last one tried. In
        the scope "broadcast" a Softmax layer's box counts from its winner, h - h_w.
    iterations : ndarray of int (*batch)
        Interval images of the network that were computed.
    margin : ndarray (*batch)
        1 - c, where c bounds the contraction factor of the update on the last box: positive where
        the certificate holds, -inf if there was no invariant box.
    distance : ndarray (*batch)
        Where it holds, an upper bound on the distance of the fixed point from the target, at most
        the tolerance; elsewhere NaN. Of a memory network, the distance of the features.
    message : str
        How many cues are certified, and why the others are not. It is worked out when it is first
        read, since the reasons can take longer to find than the certificates.
    """

    holds: NDArray[np.bool_]
    box: dict[str, Box] = field(repr=False)
    iterations: NDArray[np.int64]
    margin: Array
    distance: Array
    _search: _Search = field(repr=False)

    @cached_property
    def message(self) -> str:
        """See above."""
        return _message(self._search)

    @short
    def __repr__(self) -> str:  # without the message, which may take long to find
        held, cues = np.count_nonzero(self.holds), np.size(self.holds)
        return f"Certificate({held} of {cues} cues certified; batch {np.shape(self.holds)})"

    @tabled
    def _repr_html_(self) -> str:
        rows: list[tuple[object, ...]] = [
            ("certified", f"{np.count_nonzero(self.holds)} of {np.size(self.holds)} cues"),
            ("margin", span(self.margin)),
            ("iterations", span(self.iterations)),
        ]
        return table("Certificate", rows)

    def __getstate__(self) -> dict[str, Any]:
        """Networks cannot be pickled, so the message is."""
        kept = {name: value for name, value in vars(self).items() if name != "_search"}
        return {**kept, "message": self.message}


def certify(
    net: Network,
    cue: States,
    target: States,
    scope: Scope = "link",
    *,
    tolerance: float = 1e-3,
) -> Certificate:
    """Decide whether every asynchronous execution from a cue ends at the target.

    A certificate is a proof, also in floating point. Without one the question is open, unless the
    message says that no certificate can exist.

    Parameters
    ----------
    net : Network
        Layers of one axis, with Softmax or separable Lagrangians, joined by Dense or Directed
        synapses. An input is a bias.
    cue : array_like (*batch, units) or mapping of layer names to such arrays
        An array is the state of layer "visible". The other layers start as `simulate` starts them:
        at their algebraic value, for which layers without a state, such as those behind them in a
        chain, and lateral synapses do not count. A state in the cue overrides that.
    target : array_like (*batch, units) or mapping, such as `traj.final`
        A fixed point, or one per cue.
    scope : {"link", "broadcast"}, default "link"
        "link": each link has its own delays and losses. "broadcast": a message reaches all
        members of a Softmax layer at one time, and the members share one tau.
    tolerance : float, default 1e-3
        How far the fixed point may be from the target, relative to max(1, max |target|).

    Returns
    -------
    Certificate

    Raises
    ------
    TypeError, ValueError
        If the network is not covered, or the cue or the target does not fit it.

    Examples
    --------
    >>> import amsim as am
    >>> from amsim.stability import certify
    >>> patterns = am.patterns.random(20, 64, seed=0)
    >>> net = am.dense_am(patterns)
    >>> target = am.simulate(net, patterns[0]).final
    >>> cues = am.patterns.corrupt([patterns[0], patterns[0]], flip=0.15, seed=1)
    >>> certify(net, cues, target).holds.tolist()
    [True, True]
    """
    if cue is None:
        raise TypeError("cue is None; give the state from which executions start")
    tolerance = checks.number("tolerance", tolerance, above=0.0, at_most=checks.LARGEST)
    return prove(CertificationProblem.of(net, cue, target, scope), scope, tolerance)


def prove(problem: CertificationProblem, scope: Scope, tolerance: float) -> Certificate:
    """The certificate of a validated problem; `tolerance` is relative."""
    search = _Search(problem, scope, tolerance * np.maximum(1.0, problem.target.reach()))
    search.run()
    problem.map.clear()
    holds, batch = search.outcome == _HOLDS, problem.batch
    return Certificate(
        holds=holds.reshape(batch),
        box={
            name: (lo.reshape(*batch, -1), hi.reshape(*batch, -1))
            for name, (lo, hi) in search.found.items()
        },
        iterations=search.iterations.reshape(batch),
        margin=search.margin.reshape(batch),
        distance=np.where(holds, search.distance, np.nan).reshape(batch),
        _search=search,
    )


@dataclass
class _Search:
    """Boxes of all cues at once: they grow until invariant, then shrink until contracting."""

    problem: CertificationProblem
    scope: Scope
    limit: Array
    found: Boxes = field(default_factory=Boxes)

    def __post_init__(self) -> None:
        count = self.problem.count
        self.outcome = np.full(count, _OPEN)
        self.iterations = np.zeros(count, np.int64)
        self.margin = np.full(count, -np.inf)
        self.distance = np.full(count, np.inf)

    @np.errstate(over="ignore", invalid="ignore")  # boxes that grow without end
    def run(self) -> None:
        rows, part = np.arange(self.problem.count), self.problem
        boxes, invariant = part.start.hull(part.target), np.zeros(part.count, bool)
        last: Array = np.zeros(part.count)
        for _ in range(_PASSES):
            image = part.map.image(boxes)
            self.iterations[rows] += 1
            self._keep(rows[~invariant], image.states.take(~invariant))
            invariant |= image.new.within(boxes)
            if not invariant.all():
                self.outcome[rows[~invariant & _within_images(boxes, image.new)]] = _STUCK
                self.outcome[rows[~invariant & ~(image.new.reach() < LARGEST)]] = _GROWS
            smaller = image.new.meet(boxes, part.target)
            if invariant.any():
                self._judge(
                    rows[invariant],
                    part.take(invariant),
                    image.take(invariant),
                    smaller.take(invariant),
                )
            going = self.outcome[rows] == _OPEN
            if not going.any():
                return
            if invariant.all():
                boxes = smaller
            else:
                steps, last = _steps(boxes.growth(image.new), last)
                boxes = smaller.where(invariant, boxes.grow(image.new, steps))
            boxes, rows, part = boxes.take(going), rows[going], part.take(going)
            invariant, last = invariant[going], last[going]
        self.outcome[rows] = np.where(invariant, _STUCK, _GROWS)

    @cached_property
    def residual(self) -> dict[str, Array]:
        """Of all targets at once: many cues need it, at different times."""
        return residual(self.problem)

    def _keep(self, rows: Array, states: Boxes) -> None:
        """Remember the boxes as they are before they shrink."""
        for name, (lo, hi) in states.items():
            shape = (self.problem.count, lo.shape[1])
            kept = self.found.setdefault(name, (np.empty(shape), np.empty(shape)))
            kept[0][rows], kept[1][rows] = lo, hi

    def _judge(self, rows: Array, part: CertificationProblem, image: Image, smaller: Boxes) -> None:
        """Settle the outcome of the cues, with an invariant box, that need no further image."""
        factor, far = contraction(part.map, image), image.new.deviation(part.target)
        stalled = _best_shrinking(image.given, smaller) > _STALLED
        proven = factor < 1
        vague = proven & ~(far <= self.limit[rows])
        if vague.any():
            off = {name: moved[rows[vague]] for name, moved in self.residual.items()}
            box = image.given.take(vague)
            bound = distance(part.map.take(vague), off, box, factor[vague])
            far[vague] = np.minimum(far[vague], bound)
        exact = far <= self.limit[rows]
        result = np.where(proven & exact, _HOLDS, np.where(~stalled, _OPEN, _STUCK))
        result[proven & stalled & ~exact] = _INEXACT
        self.outcome[rows], self.margin[rows], self.distance[rows] = result, 1 - factor, far


def _within_images(boxes: Boxes, new: Boxes) -> Array:
    """Whether boxes lie in their images: then larger boxes never shrink below them; (batch,)."""
    inside = boxes.within(new)
    if inside.any():
        inside &= boxes.width() > _NARROW * np.maximum(1.0, boxes.reach())
    return inside


def _steps(growth: Array, last: Array) -> tuple[Array, Array]:
    """How many steps of a growth to take at once, and what to compare the next one with.

    Steps that shrink by a factor q add up to 1 / (1 - q) times the next one (Aitken). An invariant
    box is one, however it was found.
    """
    ratio = np.divide(growth, last, where=last > 0, out=np.full_like(growth, np.inf))
    rest = _BEYOND / np.maximum(1 - ratio, _BEYOND / _FARTHEST)
    steps = np.where(ratio < 1, np.maximum(rest, 1.0), 1.0)
    return steps, np.where(steps > 1, 0.0, growth)


def _best_shrinking(old: Boxes, new: Boxes) -> Array:
    """The smallest ratio of new to old widths, but for units that hardly have one; (batch,)."""
    ratios = []
    for name, (lo, hi) in old.items():
        width = hi - lo
        wide = width > 1e-9 * width.max(axis=1, keepdims=True)
        shrunk = np.divide(new[name][1] - new[name][0], width, where=wide, out=np.ones_like(width))
        ratios.append(shrunk.min(axis=1))
    return np.asarray(np.min(ratios, axis=0))


def _message(search: _Search) -> str:
    outcome = search.outcome
    total, held = len(outcome), int((outcome == _HOLDS).sum())
    parts = [f"{held} of {total} cues certified in the scope {search.scope!r}"]
    for code, reason in _REASONS.items():
        if count := int((outcome == code).sum()):
            parts.append(f"{count}: {reason}")
    if held < total:
        if layers := search.problem.map.partly_forced:
            parts.append(
                f"by default {' and '.join(map(repr, sorted(layers)))} starts without some of its "
                f"forces; give its state in the cue of certify and simulate to start elsewhere"
            )
        failed = outcome != _HOLDS
        parts.extend(
            _reasons_at_target(search.problem.take(failed), search.limit[failed], search.scope)
        )
    return "; ".join(parts)


def _reasons_at_target(problem: CertificationProblem, limit: Array, scope: Scope) -> list[str]:
    """What to say where the target is no fixed point, or boxes do not even shrink there."""
    moved = problem.map.image(problem.target).new.deviation(problem.target)
    astray = ~(moved <= limit)
    if not astray.any():
        return _reasons_without_contraction(problem, scope)
    told = [
        f"{astray.sum()}: the target is no fixed point: one update moves it by up to "
        f"{moved.max():.3g}; take the last state of a recall, such as simulate(net, cue).final"
    ]
    return (
        told if astray.all() else told + _reasons_without_contraction(problem.take(~astray), scope)
    )


def _reasons_without_contraction(problem: CertificationProblem, scope: Scope) -> list[str]:
    """What to say where boxes do not even shrink at the target."""
    hopeless = np.flatnonzero(least_gain(problem) > 1 + 1e-9)
    if not hopeless.size:
        return []
    part = problem.take(hopeless[:1])
    linear = Linearisation(part.map.net, part.points())
    where = f"sigma = {linear.sigma:.4g}, rho = {linear.rho:.4g} at the target"
    if linear.rho < 1:
        return [f"{hopeless.size}: boxes of this scope do not shrink even at the target ({where})"]
    if linear.sigma < 1:
        fate = "sigma < 1 < rho: stable for equal delays, which unequal ones may undo"
    else:
        fate = "sigma >= 1: the target is not stable"
    if part.map.net.directed:
        fate = "synapses are directed, and sigma alone says nothing"
    return [f"{hopeless.size}: no certificate can exist ({where}; {fate})"]
