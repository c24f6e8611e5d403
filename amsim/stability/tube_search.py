"""Tubes of a batch of cues, followed until what happens from there on is proven."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np

from ..progress import Bar
from ..synapses import Array
from .box_search import HOLDS, OPEN, REASONS, BoxSearch, within_images
from .boxes import Boxes
from .certification_problem import CertificationProblem, Scope
from .tubes import Executions, Tube

_FINE, _SHORTEST, _LONGEST = (
    20,
    400,
    40,
)  # steps in the staleness; in the slowest tau, at most, least
_DOUBLED = (2.0, 4.0)  # slowest taus after which steps are twice as long
_SLOW = 20  # after that: steps in the staleness, and in the time that has passed, at least
_HORIZON = 15.0  # slowest taus
_EVERY, _LATER = 0.25, 0.1  # between looks: of the slowest tau, and of the time
_PEELS = 40  # passes of the search for a core
_WIDE = 4.0  # times the range of start and target
SPREAD, SWALLOWED, ELSEWHERE, LATE, UNPROVEN = range(len(REASONS) + 2, len(REASONS) + 7)
TUBE_REASONS = {
    **REASONS,
    SPREAD: "what executions may reach spreads too far",
    SWALLOWED: "what executions may reach holds a box that lies in its own image, so it never "
    "shrinks to a point",
    ELSEWHERE: "what executions may reach never leaves a box that the target is not in",
    LATE: "what executions may reach was not near enough to the target in time",
    UNPROVEN: "no bounds on a step were found",
}


@dataclass
class TubeSearch:
    """The tubes of all cues at once, each until it is handed over to a box that proves the rest.

    Attributes
    ----------
    outcome : ndarray of int (batch,)
        HOLDS, or a key of `TUBE_REASONS`.
    time : ndarray (batch,)
        When it was handed over.
    found : Boxes
        The box that executions keep to from then on; otherwise, where the tube was given up.
    """

    problem: CertificationProblem
    scope: Scope
    limit: float
    executions: Executions
    shown: bool = True  # whether a bar says how far it is
    found: Boxes = field(default_factory=Boxes)

    def __post_init__(self) -> None:
        count = self.problem.count
        self.outcome = np.full(count, OPEN)
        self.iterations = np.zeros(count, np.int64)
        self.time, self.distance = np.full(count, np.nan), np.full(count, np.nan)
        self.margin = np.full(count, -np.inf)
        self.found.update(
            {name: (lo.copy(), hi.copy()) for name, (lo, hi) in self.problem.start.items()}
        )

    @np.errstate(over="ignore", invalid="ignore")  # boxes that grow without end
    def run(self) -> None:
        slowest = slowest_tau(self.problem)
        tube = Tube(self.problem, self.executions, base_step(self.executions.staleness, slowest))
        horizon = _HORIZON * slowest + 4 * self.executions.staleness
        rows, widest, due = np.arange(self.problem.count), self._widest(tube), 0.0
        with closing(Bar(total=len(rows), desc="certificates", unit="cue")) as bar:
            while len(rows):
                going = np.ones(len(rows), bool)
                if tube.time >= due:
                    due = tube.time + max(_EVERY * slowest, _LATER * tube.time)
                    going = self._look(rows, tube, widest)
                    if self.shown:
                        bar.show(self.problem.count - int(going.sum()), f"t = {tube.time:.3g}")
                if tube.time > horizon:
                    self.outcome[rows[going]] = LATE
                    break
                rows, widest = rows[going], widest[going]
                tube.take(going)
                if len(rows):
                    going = self._step(rows, tube, self._stride(tube, slowest))
                    rows, widest = rows[going], widest[going]
                    tube.take(going)

    def _stride(self, tube: Tube, slowest: float) -> int:
        """Base steps to go on by: a power of two that grows with the time and the staleness."""
        doubled = sum(tube.time >= late * slowest for late in _DOUBLED)
        slow = int(min(self.executions.staleness, tube.time) / (_SLOW * tube.unit))
        return 1 << (doubled if doubled < len(_DOUBLED) else max(doubled, slow.bit_length() - 1))

    def _step(self, rows: Array, tube: Tube, stride: int) -> Array:
        """Whether the next step is proven; (batch,)."""
        before = tube.drives
        proven = tube.step(stride)
        self.iterations[rows] += tube.drives - before
        if not proven.all():
            self._give_up(rows[~proven], tube.visited().take(~proven), UNPROVEN)
        return proven

    def _look(self, rows: Array, tube: Tube, widest: Array) -> Array:
        """Which tubes have to go on; of the others, what became of them."""
        visited, going = tube.visited(), np.ones(len(rows), bool)
        part = replace(self.problem.take(rows), start=visited, map=tube.map)
        for lost, outcome in (
            (~(tube.boxes.width() <= widest), SPREAD),
            (self._has_core(tube), SWALLOWED),
        ):
            self._give_up(rows[going & lost], visited.take(going & lost), outcome)
            going &= ~lost
        for decided in (self._hand_over, self._keep_away):
            if going.any():
                going[going] = ~decided(rows[going], part.take(going), tube.time)
        return going

    def _has_core(self, tube: Tube) -> Array:
        """Which tubes hold a box that lies in its own image: they hold it for ever; (batch,).

        Each pass cuts off what is not in the image, and a little more, so that it comes to an end.
        """
        (boxmap, boxes), rows = tube.undelayed(), np.arange(tube.count)
        found = np.zeros(len(rows), bool)
        for _ in range(_PEELS):
            image = boxmap.image(boxes).new
            held = within_images(boxes, image) & self._matters(boxes)
            found[rows[held]] = True
            going = ~held & boxes.meets(image)
            if not going.any():
                break
            rows, boxmap = rows[going], boxmap.take(going)
            boxes = boxes.take(going).cut(image.take(going))
        return found

    def _matters(self, core: Boxes) -> Array:
        """Of which cores no tube that is handed over has one; (batch,)."""
        return np.ones(len(next(iter(core.values()))[0]), bool)

    def _keep_away(self, rows: Array, part: CertificationProblem, time: float) -> Array:
        """Whether executions keep to boxes that the target is not in; (batch,)."""
        away = (self._apart(part, part.start) > self.limit) & _turns_away(part)
        if away.any():
            search = Confinement(
                replace(part, target=part.start).take(away), self.scope, self.limit
            )
            search.run()
            self.iterations[rows[away]] += search.iterations
            kept = self._apart(part.take(away), search.found) > self.limit
            away[away] = (search.outcome == HOLDS) & kept
            self._give_up(rows[away], part.start.take(away), ELSEWHERE)
        return away

    def _apart(self, part: CertificationProblem, boxes: Boxes) -> Array:
        return part.apart(boxes)

    def _hand_over(self, rows: Array, part: CertificationProblem, time: float) -> Array:
        """Whether all that happens from boxes on is proven; (batch,)."""
        search = BoxSearch(part, self.scope, self.limit)
        search.run()
        done = search.outcome == HOLDS
        self.iterations[rows] += search.iterations
        held = rows[done]
        self.outcome[held], self.time[held] = HOLDS, time
        self.margin[held], self.distance[held] = search.margin[done], search.distance[done]
        self._store(held, search.found.take(done))
        return np.asarray(done)

    def _give_up(self, rows: Array, boxes: Boxes, outcome: int) -> None:
        self.outcome[rows] = outcome
        self._store(rows, boxes)

    def _store(self, rows: Array, boxes: Boxes) -> None:
        for name, (lo, hi) in boxes.items():
            self.found[name][0][rows], self.found[name][1][rows] = lo, hi

    def _widest(self, tube: Tube) -> Array:
        """Width at which a tube is given up, for each cue."""
        return _WIDE * np.maximum(_range(tube.boxes.hull(self.problem.target)), 1e-30)


@dataclass
class Confinement(BoxSearch):
    """Boxes that grow until they are invariant, whether the update contracts on them or not."""

    @np.errstate(over="ignore", invalid="ignore")  # boxes that grow without end
    def run(self) -> None:
        for rows, _, invariant in self._grow():
            self.outcome[rows[invariant]] = HOLDS


@dataclass
class ReadSearch(TubeSearch):
    """Tubes until executions keep within a limit of the target in the visible layer.

    `time` is since when they have done so.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.since = np.where(self._off(self.problem, self.problem.start) <= self.limit, 0, np.inf)

    def _off(self, part: CertificationProblem, boxes: Boxes) -> Array:
        visible = (part.visible,)
        return boxes.of(visible).deviation(part.target.of(visible))

    def _step(self, rows: Array, tube: Tube, stride: int) -> Array:
        proven = super()._step(rows, tube, stride)
        far = ~(self._off(self.problem.take(rows), tube.last) <= self.limit)
        self.since[rows[far]] = tube.time
        self.since[rows] = np.minimum(self.since[rows], tube.time)
        return proven

    def _matters(self, core: Boxes) -> Array:
        return core.of((self.problem.visible,)).width() > 2 * self.limit

    def _apart(self, part: CertificationProblem, boxes: Boxes) -> Array:
        visible = (part.visible,)
        return boxes.of(visible).distance(part.target.of(visible))

    def _hand_over(self, rows: Array, part: CertificationProblem, time: float) -> Array:
        near = self._off(part, part.start) <= self.limit
        done = np.zeros(len(rows), bool)
        if near.any():
            search = Confinement(part.take(near), self.scope, self.limit)
            search.run()
            self.iterations[rows[near]] += search.iterations
            kept = self._off(part.take(near), search.found) <= self.limit
            done[near] = (search.outcome == HOLDS) & kept
            self._store(rows[done], search.found.take(done[near]))
        self.outcome[rows[done]], self.time[rows[done]] = HOLDS, self.since[rows[done]]
        return done


def slowest_tau(problem: CertificationProblem) -> float:
    """The largest time constant, tau / leak."""
    layers = problem.map.net.layers.values()
    return max(float(layer.tau.max()) / layer.leak for layer in layers if not layer.algebraic)


def base_step(staleness: float, slowest: float) -> float:
    """The base step of a tube."""
    return min(max(staleness / _FINE, slowest / _SHORTEST), slowest / _LONGEST)


def _turns_away(part: CertificationProblem) -> Array:
    """Whether features go less far to where they are driven than that is from the target."""
    name = (part.visible,)
    start, target = part.start.of(name), part.target.of(name)
    image = part.map.image(part.start).new.of(name)
    return np.asarray(start.growth(image) < image.distance(target))


def _range(boxes: Boxes) -> Array:
    """Of all units of a layer, the largest; (batch,)."""
    each = [hi.max(axis=1) - lo.min(axis=1) for lo, hi in boxes.values()]
    size = [np.maximum(-lo, hi).max(axis=1) for lo, hi in boxes.values()]
    return np.asarray(np.max([*each, *size], axis=0))
