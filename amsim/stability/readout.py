"""Readout times, and the distance of a state from rest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from .. import checks
from ..network import Network
from ..synapses import Array
from .boxes import EPS, LARGEST, Boxes
from .certificates import prove
from .certification_problem import CertificationProblem, check_covered
from .intervals import COVERED, BoxMap
from .linear import DENSE, Floats, Linearisation, solve_krylov
from .stability_report import StabilityReport
from .states import State

_PASSES = 60
_PRECISION = 1e-3  # relative, of the largest distance
_SLACK = 1e-12  # for what products of few units round


def t_read(
    report: StabilityReport,
    margin: float,
    staleness: float,
    *,
    distance: float | None = None,
    layer: str = "visible",
) -> float:
    r"""Time from which on a layer may be read at any moment.

    If the network contracts on a box around the fixed point, the error decays at least like
    R e^(-lambda t), whatever the delays of the links, as long as what a unit reads is never older
    than the staleness B. For two layers with one tau each and the factor c of a round trip

    .. math::
        (1 - \lambda \tau_v)(1 - \lambda \tau_h)\, e^{-2 \lambda B} = c, \qquad
        t = \ln(R / m) / \lambda

    and in general lambda is the largest rate at which a weighted max norm of the deviations is
    proven to decay (Halanay's inequality, unit by unit).

    Parameters
    ----------
    report : StabilityReport
    margin : float
        m: how far each unit of the layer may be from the fixed point when it is read.
    staleness : float
        B: the largest age of what a unit holds of another one, in the unit of tau.
    distance : float, optional
        How far each unit of the layer may be from the fixed point at time 0. The other layers
        start as `simulate` starts them by default, if it is given the state of this layer: in
        their images, but for those that read a layer which has no state by then (in chains, in
        cycles, with lateral synapses), whose distance is added. The messages under way say where
        the layers start. By default half of `reach(report)`, if that is finite.
    layer : str, default "visible"
        The layer that is read, and that starts off the fixed point.

    Returns
    -------
    float
        In the unit of tau. Infinite if no rate is proven for that distance: always if rho >= 1.

    Raises
    ------
    ValueError
        If an argument is not positive (the staleness may be 0), the layer is unknown, the reach is
        infinite and no distance is given, or the network is not one of Dense or Directed
        synapses with Softmax and separable layers.

    Notes
    -----
    Readouts may be jittered and need not be simultaneous. Before that time nothing is promised.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(5, 64, seed=0)
    >>> report = am.stability.analyse(am.dense_am(patterns), patterns[0])
    >>> times = [am.stability.t_read(report, 0.01, late, distance=0.2) for late in (0.0, 1.0)]
    >>> times[0] < times[1] < 40
    True
    """
    _check_report(report, layer)
    margin = checks.number("margin", margin, above=0.0, at_most=checks.LARGEST)
    staleness = checks.number("staleness", staleness, at_least=0.0, at_most=checks.LARGEST)
    if distance is not None:
        distance = checks.number("distance", distance, above=0.0, at_most=checks.LARGEST)
    if distance is None:
        distance = reach(report, layer=layer) / 2
        if math.isinf(distance):
            raise ValueError("a rate is proven from any distance: give distance, at time 0")
    boxes = _Boxes(report.linear, layer)
    box = boxes.invariant(distance) if distance > 0 else None
    if box is None:
        return math.inf
    rate, weights = boxes.rate(box, staleness)
    if not rate > 0:
        return math.inf
    error = float((box / weights).max() * weights[report.linear.spans[layer]].max())
    return max(0.0, math.log(error / margin) / rate)


def reach(report: StabilityReport, *, layer: str = "visible") -> float:
    """Largest distance from which a rate of decay is proven under any delays of the links.

    It is at most the certified `radius`, which needs convergence only.

    Parameters
    ----------
    report : StabilityReport
    layer : str, default "visible"
        The layer whose units start at most that far from the fixed point, the others as for
        `t_read`.

    Returns
    -------
    float
        In units of the state, to one part in a thousand from below; 0 if there is none.

    Raises
    ------
    ValueError
        As for `t_read`.
    """
    _check_report(report, layer)
    if not report.rho < 1:
        return 0.0
    boxes = _Boxes(report.linear, layer)
    scale = 1 + float(np.abs(report.states[layer]).max())
    good, bad = 0.0, scale
    while boxes.invariant(bad) is not None:
        good, bad = bad, 2 * bad
        if bad > LARGEST * scale:
            return math.inf
    while bad - good > _PRECISION * bad and bad > 1e-9 * scale:
        middle = (good + bad) / 2 if good else bad / 2
        good, bad = (middle, bad) if boxes.invariant(middle) is not None else (good, middle)
    return good


def distance_to_rest(net: Network, state: State) -> Array:
    """How far a state is from a fixed point, at most.

    A small residual alone says nothing about the distance. It does where the update contracts: with
    the factor L < 1 in a weighted max norm on a box around the state that the update maps into
    itself, there is one fixed point in the box, at most residual / (1 - L) away.
    `amsim.dynamics.events.distance_bound` asks for the box only: some fixed point is in it
    (Brouwer), but there may be others, and nothing need converge to it.

    Parameters
    ----------
    net : Network
        As for `certify`.
    state : array_like or mapping of layer names to array_like (*batch, units)

    Returns
    -------
    ndarray (*batch)
        Bounds on the distance of every unit of layer "visible" (or of the first layer), rounded up;
        infinite where no contraction is found.

    Raises
    ------
    ValueError, TypeError
        As for `certify`.

    Notes
    -----
    This is about the true state. Units that see only their registers can stop by a local rule: if
    all residuals, computed from the registers, are at most eta, no output moved by more than delta
    over the last B (the largest staleness), and outputs are announced when they move by more than
    delta_s, then the distance is at most (eta + L (delta + delta_s)) / (1 - L).

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(5, 64, seed=0)
    >>> net = am.dense_am(patterns)
    >>> bool(am.stability.distance_to_rest(net, patterns[0]) < 1e-9)
    True
    """
    checks.instance("net", net, Network, "a Network")
    name = "visible" if "visible" in net.layers else next(iter(net.layers))
    given = state if isinstance(state, Mapping) else {name: state}
    if name not in given:
        raise ValueError(f"state has no layer {name!r}; give all layers, as traj.final does")
    problem = CertificationProblem.of(net, None, given, "link")
    problem = replace(problem, goal=problem.goal.of((name,)))
    found = prove(problem, "link", tolerance=1.0)
    unit = np.maximum(1.0, problem.goal.reach()).reshape(problem.batch)  # of the certificate
    return np.where(found.holds, np.nextafter(found.distance * unit, np.inf), np.inf)


class _Boxes:
    """Boxes around a fixed point: half-widths (size,), the same on both sides."""

    def __init__(self, linear: Linearisation, layer: str) -> None:
        self.linear, self.layer = linear, layer
        self.centre = np.concatenate([x.ravel() for x in linear.states.values()])
        self.map = BoxMap.of(linear.network, layer, {layer})

    def invariant(self, distance: float) -> Floats | None:
        """A box with `distance` in the layer, images elsewhere, that contracts.

        Where a layer is partly forced, its start may drive this layer beyond the distance: then the
        box is only at least that wide.
        """
        own = self.linear.spans[self.layer]
        contracted = self.weights[own] / self.weights[own].min()
        equal = np.ones_like(contracted)
        # Equal widths first; widths with which the update contracts at the fixed point otherwise.
        for shape in (equal, contracted) if (contracted != equal).any() else (equal,):
            box = self._grown(distance * shape)
            if box is not None and (not self.map.partly_forced or self._contracts(box)):
                return box
        return None

    @cached_property
    def weights(self) -> Floats:
        """Some w > 0 with |C| |H| w < leak w at the fixed point; equal ones where there is none."""
        point, ones = np.zeros(self.linear.size), np.ones(self.linear.size)
        found = self._weights(point, ones, self._columns(point))
        return ones if found is None else found

    def _grown(self, width: Floats) -> Floats | None:
        """The box of these widths in the layer, and images elsewhere, if it shrinks."""
        own = self.linear.spans[self.layer]
        with np.errstate(over="ignore", invalid="ignore"):
            box = start = self._start(width)
            for inflation in 1 + 1e-9 * 2.0 ** np.arange(_PASSES).clip(max=25):
                moved = self.spread(box, box)
                if not self.map.partly_forced and not (moved[own] < width).all():
                    return None
                moved = np.maximum(moved, start)
                if (moved <= box).all():
                    return box
                box = np.where(moved > box, inflation * moved, box)
                if not np.isfinite(box).all():
                    return None
        return None

    def _start(self, width: Floats) -> Floats:
        """Half-widths of the box of the default starts, 0 for layers that start in their image."""
        layer, spans = self.layer, self.linear.spans
        box = np.zeros(self.linear.size)
        box[spans[layer]] = width
        if self.map.partly_forced:
            point = self.centre[spans[layer]]
            given = Boxes({layer: (point[None] - width, point[None] + width)})
            starts = self.map.start(given)
            for name in self.map.partly_forced:
                (low,), (high,) = starts[name]
                centre = self.centre[spans[name]]
                box[spans[name]] = np.maximum(high - centre, centre - low) * self.slack
        return box

    @property
    def slack(self) -> float:
        """What bounds are multiplied with for their rounding: sums over all units, twice."""
        return 1 + max(_SLACK, 4 * EPS * self.linear.size)

    def spread(self, box: Floats, deviation: Floats) -> Floats:
        """How far states move that read deviations within the box: |C| |H| u / leak."""
        moved = self.linear.through_links(self._slope(box, deviation))
        return np.asarray(moved / self.linear.leak * self.slack)

    def _slope(self, box: Floats, deviation: Floats) -> Floats:
        """|H| u, with |H| bounded over the box."""
        linear, parts = self.linear, []
        low, high = linear.split(self.centre - box), linear.split(self.centre + box)
        for name, layer in linear.network.layers.items():
            part, lagrangian = deviation[linear.spans[name]], layer.lagrangian
            assert isinstance(lagrangian, COVERED)  # see `check_covered`
            box_of = low[name], high[name]
            active = lagrangian.activation_bounds(*box_of)
            parts.append(lagrangian.response_bound(box_of, active, part))
        return np.concatenate(parts)

    def rate(self, box: Floats, staleness: float) -> tuple[float, Floats]:
        """The largest lambda with e^(lambda B) |C| |H| w < (leak - lambda tau) w, and w > 0."""
        linear = self.linear
        low, high = 0.0, 1 / float((linear.tau / linear.leak).max())
        found, weights, columns = 0.0, box, self._columns(box)
        while high - low > 1e-9 * high:
            rate = (low + high) / 2
            size = (1 - rate * linear.tau / linear.leak) * math.exp(-rate * staleness)
            vector = self._weights(box, size, columns)
            if vector is None:
                high = rate
            else:
                low = found = rate
                weights = vector
        return found, weights

    def _contracts(self, box: Floats) -> bool:
        return self._weights(box, np.ones(self.linear.size), self._columns(box)) is not None

    @np.errstate(over="ignore", invalid="ignore")
    def _columns(self, box: Floats) -> Floats | None:
        """|C| |H| / leak within the box, unit by unit, where there are not too many."""
        if self.linear.size > DENSE:
            return None
        return np.stack([self.spread(box, unit) for unit in np.eye(self.linear.size)], axis=1)

    @np.errstate(divide="ignore", over="ignore", invalid="ignore")  # a size of 0 proves nothing
    def _weights(self, box: Floats, size: Floats, columns: Floats | None) -> Floats | None:
        """Some w > 0 with |C| |H| w / leak < size w, of which there is none beyond a certain rate.

        (1 - A)^-1 1 is positive if and only if A >= 0 has a spectral radius below 1.
        """

        def reduced(u: Array) -> Array:
            return np.asarray(u - self.spread(box, u) / size)

        ones = np.ones(self.linear.size)
        if columns is None:
            vector = solve_krylov(reduced, ones)
        else:
            vector = np.linalg.solve(np.eye(len(ones)) - columns / size[:, None], ones)
        proven = (vector > 0).all() and (reduced(vector) > 0).all()
        return np.asarray(vector) if proven else None


def _check_report(report: StabilityReport, layer: str) -> None:
    checks.instance("report", report, StabilityReport, "what analyse(net, state) returns")
    check_covered(report.network, "link")
    checks.choice("layer", layer, tuple(report.network.layers))
