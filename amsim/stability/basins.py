"""Certified radii: how far from a fixed point every unit may start."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np

from .. import checks
from ..lagrangians import Identity, Softmax
from ..network import Network
from ..synapses import Array, Dense
from .boxes import LARGEST, Box, Boxes
from .certificates import prove
from .certification_problem import CertificationProblem, Scope, States
from .contraction import contraction

_PRECISION = 1e-6  # relative
_PASSES = 300
_AT_ONCE = 15  # radii that are tried together, in hardly more time than one
_OFF = 1e-3


@np.errstate(over="ignore", invalid="ignore")  # boxes that grow without end
def radius(net: Network, state: States, scope: Scope = "link") -> float:
    r"""Largest uniform deviation from which every asynchronous execution returns: a lower bound.

    With phi(r) the largest deviation from v* in the interval image of the box v* +- r, the other
    layers in their images, this is the first root of phi(r) = r, to a relative 1e-6 from below.

    Where some layer does not start in its image, since it reads a layer that has no state by then
    (in chains, in cycles, with lateral synapses), the radius is the largest r for which a box of
    all starts, those of these layers from v* +- r included, has a certificate.

    Parameters
    ----------
    net : Network
        As for `certify`.
    state : array_like (units,) or mapping, such as `traj.final` of a single cue
        A fixed point.
    scope : {"link", "broadcast"}, default "link"
        As for `certify`; never smaller for "broadcast".

    Returns
    -------
    float
        In units of the state of layer "visible" (or of the first layer). 0.0 if the image of no
        uniform box is a smaller one: then rho >= 1, or the features need boxes of unequal widths,
        which `certify` finds, or other layers start too far from the state. inf if every box up
        to 1e30 times max(1, |state|) shrinks to it.

    Raises
    ------
    TypeError, ValueError
        As for `certify`; and if there is more than one state, or it is no fixed point to within
        1e-3 max(1, max |state|).

    Examples
    --------
    For patterns of -1 and +1 and a large beta the radius tends to (D - m) / 2D, with m the
    largest sum xi . xi' between two patterns, and to 1 with broadcast messages.

    >>> import amsim as am
    >>> from amsim.stability import radius
    >>> patterns = am.patterns.hamming()
    >>> net = am.dense_am(patterns, hidden=am.Softmax(beta=1000.0))
    >>> round(radius(net, patterns[1]), 2), round(radius(net, patterns[1], "broadcast"), 2)
    (0.43, 1.0)
    """
    problem = CertificationProblem.of(net, None, state, scope)
    _check_single(problem)
    found = _first_root(problem, scope)
    # Between mixed memories the boxes of h_mu - h_w can be the wider ones; what any links
    # cannot break, broadcasts cannot either.
    return max(found, radius(net, state, "link")) if scope == "broadcast" else found


def _first_root(problem: CertificationProblem, scope: Scope) -> float:
    size = max(1.0, float(problem.target.reach()[0]))
    shrunk = (
        partial(_proven, problem, scope) if problem.map.partly_forced else partial(_shrunk, problem)
    )
    good, known = 2 * size, None
    while (known := shrunk(good, None)) is None:
        good /= 2
        if good < 1e-12 * size:
            return 0.0
    bad = 2 * good
    while (boxes := shrunk(bad, known)) is not None:
        good, bad, known = bad, 2 * bad, boxes
        if bad > LARGEST * size:
            return math.inf
    if problem.map.partly_forced:
        return _sections(problem, scope, good, bad)
    while bad - good > _PRECISION * good:
        middle = (good + bad) / 2
        boxes = shrunk(middle, known)
        if boxes is None:
            bad = middle
        else:
            good, known = middle, boxes
    return good


def _proven(
    problem: CertificationProblem, scope: Scope, radius: float, known: Boxes | None
) -> Boxes | None:
    """The boxes of the default starts from a radius, if they have a certificate; else None."""
    start = _starts(problem, radius)
    return start if prove(replace(problem, start=start), scope, _OFF).holds else None


def _sections(problem: CertificationProblem, scope: Scope, good: float, bad: float) -> float:
    """The largest radius with a certificate between two, one of which has one: many at a time."""
    many = replace(problem.take(np.zeros(_AT_ONCE, np.intp)), batch=(_AT_ONCE,))
    while bad - good > _PRECISION * good:
        ends = np.linspace(good, bad, _AT_ONCE + 2)
        starts = Boxes.joined([_starts(problem, radius) for radius in ends[1:-1].tolist()])
        holds = prove(replace(many, start=starts), scope, _OFF).holds
        last = int(np.flatnonzero([True, *holds])[-1])
        good, bad = ends[last : last + 2].tolist()
    return good


def _shrunk(problem: CertificationProblem, radius: float, known: Boxes | None) -> Boxes | None:
    """The boxes of a radius from which phi iterates into `known`, or to a contraction; else None.

    Without `known`, only the contraction counts.
    """
    first = _boxes_around(problem, radius)
    if first is None:
        return None
    boxes = first
    for _ in range(_PASSES):
        image = problem.map.image(boxes)
        if not image.new.within(boxes)[0]:
            return None
        if contraction(problem.map, image)[0] < 1:
            return first
        if known is None:
            return None
        smaller = image.new.meet(boxes, problem.target)
        boxes = _uniform(problem, smaller)
        if boxes.within(known)[0]:
            return first
    return None


def _uniform(problem: CertificationProblem, boxes: Boxes) -> Boxes:
    """The same boxes, that of the visible layer widened to one radius for all units."""
    name = problem.visible
    lo, hi = problem.target[name]
    own, centre = Boxes({name: boxes[name]}), Boxes({name: (lo, hi)})
    reach = own.deviation(centre)[:, None]
    return Boxes({**boxes, name: _around((lo, hi), reach)})


def _around(point: Box, radius: Array | float) -> Box:
    """A box of one radius; what rounding loses stays inside."""
    lo, hi = np.nextafter(point[0] - radius, -np.inf), np.nextafter(point[1] + radius, np.inf)
    return lo, hi


def _boxes_around(problem: CertificationProblem, radius: float) -> Boxes | None:
    """The visible layer's box of a radius, and invariant boxes of the other kept layers for it."""
    boxes = _starts(problem, radius).hull(problem.target)
    own = boxes[problem.visible]
    if len(boxes) == 1:
        return boxes
    for _ in range(_PASSES):
        new = Boxes({**problem.map.image(boxes).new, problem.visible: own})
        if new.within(boxes)[0]:
            return boxes
        boxes = boxes.grow(new)
        if not boxes.reach()[0] < LARGEST:
            return None
    return None


def _starts(problem: CertificationProblem, radius: float) -> Boxes:
    """Boxes of the kept layers, the visible one within a radius, others at their default start."""
    own = _around(problem.target[problem.visible], radius)
    return problem.map.start(Boxes({problem.visible: own}))


def radius_bound(net: Network, state: States) -> float:
    r"""Closed-form lower bound of the per-link `radius` of Identity features and Softmax memories.

    .. math:: r \ge [\Delta - \ln(4 \beta A R (K - 1)) / \beta] / 2R

    with Delta the lead of the winner's h over the next, A the largest |xi|, R the largest sum of
    |xi| over a memory. It is the largest r at which the sum of the slopes of phi stays below 1:
    log p_mu / p_w moves by at most 2 R r.

    Parameters
    ----------
    net : Network
        One layer of Identity features and one of Softmax memories, joined by one Dense synapse.
    state : array_like (units,) or mapping
        A fixed point.

    Returns
    -------
    float
        0.0 where the bound says nothing.

    Raises
    ------
    ValueError
        If the network is another one, or as for `radius`.

    Examples
    --------
    >>> import amsim as am
    >>> from amsim.stability import radius, radius_bound
    >>> patterns = am.patterns.random(100, 64, seed=0)
    >>> net = am.dense_am(patterns)
    >>> 0.2 < radius_bound(net, patterns[0]) < radius(net, patterns[0])
    True
    """
    features, memories = _two_layers(net)
    problem = CertificationProblem.of(net, None, state, "link")
    _check_single(problem)
    layer, synapse = net.layers[memories], net.synapses[0]
    assert isinstance(synapse, Dense)
    assert isinstance(layer.lagrangian, Softmax)
    if layer.size == 1:
        return math.inf
    beta = layer.lagrangian.beta
    axis = 1 if synapse.between[0] == memories else 0
    size = float(np.abs(synapse.weights).max()) / net.layers[features].leak
    reach = float(np.abs(synapse.weights).sum(axis=axis, dtype=np.float64).max()) / layer.leak
    updated = problem.map.update(memories, {features: problem.target[features][0]})[0]
    second, first = np.sort(updated)[-2:]
    entropy = math.log(4 * beta * size * reach * (layer.size - 1)) / beta
    return max(0.0, (float(first - second) - entropy) / (2 * reach))


def _two_layers(net: Network) -> tuple[str, str]:
    """Names of the features and the memories."""
    checks.instance("net", net, Network, "a Network")
    kinds = {type(layer.lagrangian): name for name, layer in net.layers.items()}
    single = len(net.synapses) == 1 and isinstance(net.synapses[0], Dense)
    if len(net.layers) != 2 or not single or set(kinds) != {Identity, Softmax}:
        raise ValueError(
            "the closed form is for one layer of Identity features, one of Softmax memories and "
            "one Dense synapse between them; use radius() for other networks"
        )
    if len(set(net.synapses[0].between)) != 2:
        raise ValueError("the closed form needs a synapse between features and memories")
    return kinds[Identity], kinds[Softmax]


def _check_single(problem: CertificationProblem) -> None:
    if problem.batch:
        raise ValueError(f"state has batch axes {problem.batch}; give one state, or loop over them")
    image = problem.map.image(problem.target)
    if not (off := float(problem.off(Boxes({**image.states, **image.new}))[0])) <= _OFF:
        raise ValueError(
            f"state is no fixed point: one update moves it by {off:.3g} of its largest state; "
            f"take the last state of a recall, such as simulate(net, cue).final"
        )
