"""Basins under constant delays where sigma < 1 < rho: a Lyapunov-Krasovskii functional.

With u = x - x*, phi = g(x) - g(x*), delays d of units and K a bound on the slopes of g around x*,

    V = 1/2 u^T tau K u + s/2 sum_j leak_j int_{t-d_j}^t phi_j^2 / K_j,
    s = |(K / leak)^(1/2) C (K / leak)^(1/2)|

falls while states are where K holds, if s < 1. docs/stability.md has the proof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .. import checks
from ..display import fields_html, fields_repr
from ..lagrangians import Softmax
from ..network import Network
from ..synapses import Array
from .boxes import EPS, Boxes
from .certification_problem import CertificationProblem
from .enclosures import enclosure
from .fixed_points import nearby_fixed_point
from .frequencies import LARGEST
from .intervals import BoxMap
from .linear import Floats, Linearisation
from .states import State, in_range, stacked_states
from .structured import norm_below_one

_CELLS = 48  # of the range of a deviation, in which slopes are bounded one by one
_RADII = 400
_FAR = 1e30  # a range that passes for all states
_FLOOR = 1e-2  # of the slopes in K: what hardly responds should die out, too
_LEVELS = 40
_ROUNDING = 1e-10


@dataclass(frozen=True, eq=False)
class LyapunovBasin:
    """States from which a network returns to a fixed point under constant delays of its units.

    Attributes
    ----------
    network : Network
    states : dict of str to ndarray (units,)
        The fixed point.
    delay : float
        The largest delay of a unit's messages, in the unit of tau.
    gain : float
        s, an upper bound: below 1.
    level : float
        Starts with V below it return.
    radius : float
        If every unit of the separable layers with dynamics starts within this of the fixed point,
        and all others where these put them, V is below the level.

    Examples
    --------
    >>> import amsim as am
    >>> stored = am.patterns.random(8, 24, seed=0)
    >>> net = am.dense_am(stored, hidden=am.Softmax(0.12))
    >>> rest = am.simulate(net, stored[0], until=am.Settled(1e-11)).final
    >>> basin = am.stability.lyapunov_basin(net, rest, delay=1.0)
    >>> basin.contains([rest["visible"] + basin.radius, stored[1]])
    array([ True, False])
    """

    network: Network
    states: dict[str, Array]
    delay: float
    gain: float
    level: float
    radius: float
    _bounds: _Bounds = field(repr=False)

    __repr__ = fields_repr
    _repr_html_ = fields_html

    def contains(self, cue: State) -> Array:
        """Whether executions from cues return, if outputs had the values of the start before it.

        Parameters
        ----------
        cue : array_like or mapping of layer names to array_like (..., units)
            Layers that are left out start at their default, as in `simulate`.

        Returns
        -------
        ndarray of bool, shape (batch,)

        Raises
        ------
        ValueError, TypeError
            If the cue does not fit the network.
        """
        start = stacked_states(self.network, cue)
        return self._bounds.values(start, self.delay) < self.level


@in_range
def lyapunov_radius(net: Network, state: State, delay: float) -> float:
    """How far from a fixed point units may start under constant delays: a lower bound.

    Unlike `radius` it needs no rho < 1, only sigma < 1, but delays have to be constant, and one for
    all that a unit sends.

    Parameters
    ----------
    net, state, delay
        As for `lyapunov_basin`.

    Returns
    -------
    float
        `LyapunovBasin.radius`; 0.0 if there is none, inf if all states return.

    Raises
    ------
    ValueError, TypeError
        As `lyapunov_basin`.

    Examples
    --------
    Weights without cancellation would have rho = 1.44; the pair is stable from everywhere.

    >>> import numpy as np
    >>> import amsim as am
    >>> weights = 0.6 * np.array([[1.0, 1.0], [1.0, -1.0]])
    >>> net = am.dense_am(weights, visible=am.Tanh(), hidden=am.Tanh())
    >>> am.stability.lyapunov_radius(net, [0.0, 0.0], delay=10.0)
    inf
    """
    return lyapunov_basin(net, state, delay).radius


@in_range
def lyapunov_basin(net: Network, state: State, delay: float) -> LyapunovBasin:
    """Starts from which the network returns to a fixed point, whatever delays its units have.

    Parameters
    ----------
    net : Network
        Of up to 400 units, with `Dense` and `Directed` synapses, layers of one axis with a leak,
        and separable or Softmax Lagrangians. Softmax layers have one tau each; they and algebraic
        layers hear separable layers with dynamics only.
    state : array_like or mapping of layer names to array_like
        One fixed point.
    delay : float
        The longest that a message takes. Each unit has a constant delay of at most that, the same
        for all that hear it.

    Returns
    -------
    LyapunovBasin
        Of radius 0.0, level 0.0 where s < 1 nowhere.

    Raises
    ------
    ValueError, TypeError
        If the state is no fixed point, or none is proven to exist beside it, or the network is of
        another kind.

    Examples
    --------
    >>> import amsim as am
    >>> stored = am.patterns.random(8, 24, seed=0)
    >>> net = am.dense_am(stored, hidden=am.Softmax(0.12))
    >>> rest = am.simulate(net, stored[0], until=am.Settled(1e-11)).final
    >>> am.stability.radius(net, rest), am.stability.analyse(net, rest).rho > 1
    (0.0, True)
    >>> print(f"{am.stability.lyapunov_basin(net, rest, delay=1.0).radius:.3f}")
    0.008
    """
    longest = checks.number("delay", delay, at_least=0.0, at_most=checks.LARGEST)
    linear = Linearisation(net, nearby_fixed_point(net, state).states)
    bounds = _Bounds.of(linear)
    # All states, then levels from high to low: the largest radius of those with s < 1.
    found = bounds.at_radius(np.full(int(bounds.held.sum()), _FAR))
    if found.gain < 1:
        return _basin(found, longest, math.inf, _FAR)
    best = _basin(found, longest, 0.0, 0.0)
    low, high = 1e-12, 1e12
    for _ in range(_LEVELS):
        level = math.sqrt(low * high)
        found = bounds.at_level(level)
        if not found.gain < 1:
            high = level
            continue
        low = level
        radius = found.radius(longest)
        if radius > best.radius:
            best = _basin(found, longest, radius, found.level)
    return best


def _basin(found: _Bounds, delay: float, radius: float, level: float) -> LyapunovBasin:
    linear = found.linear
    return LyapunovBasin(linear.network, linear.states, delay, found.gain, level, radius, found)


@dataclass(frozen=True, eq=False)
class _Bounds:
    """K, its root and s where the held units deviate by up to `reach`.

    Attributes
    ----------
    linear : Linearisation
    near : ndarray (units,)
        How far the true fixed point may be from the state.
    map : BoxMap
        In the scope "broadcast": boxes of groups are of differences.
    held : ndarray of bool (units,)
        Units of separable layers with dynamics, which V holds; the others follow from them.
    reach : ndarray (units,)
        Largest deviations of held units from the state.
    """

    linear: Linearisation
    near: Floats
    map: BoxMap
    held: Array
    reach: Floats

    @classmethod
    def of(cls, linear: Linearisation) -> _Bounds:
        net = linear.network
        if linear.size > LARGEST:
            raise ValueError(f"the network has {linear.size} units; this takes up to {LARGEST}")
        problem = CertificationProblem.of(net, None, linear.states, "broadcast", every=True)
        held = {
            name for name, x in net.layers.items() if x.lagrangian.separable and not x.algebraic
        }
        for name, layer in net.layers.items():
            if not (layer.lagrangian.separable or isinstance(layer.lagrangian, Softmax)):
                raise ValueError(
                    f"layer {name!r} is {type(layer.lagrangian).__name__}; this takes separable "
                    f"Lagrangians and Softmax"
                )
            astray = sorted({link.source for link in problem.map.links[name]} - held)
            if name not in held and astray:
                raise ValueError(
                    f"layer {name!r} hears {astray[0]!r}: Softmax and algebraic layers may hear "
                    f"separable layers with tau > 0 only"
                )
        near = enclosure(linear)
        if near is None:
            raise ValueError(
                "no fixed point is proven to exist beside the state: it is at a kink, or a mode is "
                "neutral within rounding; analyse(net, state) says which"
            )
        mask = np.concatenate([np.full(x.size, n in held) for n, x in net.layers.items()])
        return cls(linear, near, problem.map, mask, np.zeros(linear.size))

    def at_radius(self, radius: Floats) -> _Bounds:
        """The bounds for deviations of each held unit from the fixed point up to a radius."""
        reach = np.zeros(self.linear.size)
        reach[self.held] = (radius + self.near[self.held]) * (1 + 4 * EPS)
        return _Bounds(self.linear, self.near, self.map, self.held, reach)

    def at_level(self, level: float) -> _Bounds:
        """The bounds for what V <= level holds."""
        radii, energies = self._energies
        enough = energies >= level
        first = np.where(enough.any(axis=0), enough.argmax(axis=0), len(radii) - 1)
        return self.at_radius(radii[first])

    @cached_property
    def _energies(self) -> tuple[Floats, Floats]:
        """Radii (R,), and tau k r^2 / 2 for each held unit, (R, units): both grow."""
        size = max(1.0, float(np.abs(self._flat).max()))
        radii = np.geomspace(1e-6, 1e6, _RADII) * size
        slopes = np.stack([self._slopes(np.full(self.linear.size, r))[self.held] for r in radii])
        return radii, self.linear.tau[self.held] / 2 * slopes * radii[:, None] ** 2

    @cached_property
    def _flat(self) -> Floats:
        return np.concatenate([x.ravel() for x in self.linear.states.values()])

    def _slopes(self, radius: Floats) -> Floats:
        """k >= (g(x* + u) - g(x*)) / u for |u| <= radius, of all separable layers.

        A secant is the mean of the slopes between its ends. These are bounded in cells; over what
        has begun the last cell the mean lies between those of whole cells.
        """
        out = np.full(self.linear.size, _FLOOR)
        for name, layer in self.linear.network.layers.items():
            if not layer.lagrangian.separable:
                continue
            span = self.linear.spans[name]
            x, near = self._flat[span, None], self.near[span, None]
            edges = radius[span, None] * np.linspace(0, 1, _CELLS + 1) * (1 + 4 * EPS)
            for sign in (1, -1):
                ends = x + sign * edges[:, :-1], x + sign * edges[:, 1:]
                room = near + 4 * EPS * (np.abs(x) + edges[:, 1:])
                low, high = np.minimum(*ends) - room, np.maximum(*ends) + room
                steep = layer.lagrangian.slope_bounds(low, high)[1]
                means = np.cumsum(steep, axis=1) / np.arange(1, _CELLS + 1)
                out[span] = np.maximum(out[span], means.max(axis=1) * (1 + 1e-12))
        return out

    @cached_property
    def boxes(self) -> Boxes:
        """Boxes of all layers: held units within reach, the others where these put them."""
        net, sent, boxes = self.linear.network, Boxes(), Boxes()
        follow = [n for n in net.layers if not self.held[self.linear.spans[n]].all()]
        for name in (*(n for n in net.layers if n not in follow), *follow):
            span = self.linear.spans[name]
            if name in follow:
                boxes[name] = self.map.receive(name, sent)
            else:
                x, reach = self._flat[None, span], self.reach[None, span]
                boxes[name] = np.nextafter(x - reach, -np.inf), np.nextafter(x + reach, np.inf)
                sent[name] = self.map.send(name, self.map.activate(name, boxes[name]))
        return boxes

    @cached_property
    def slopes(self) -> Floats:
        """K of separable layers, by unit."""
        radius = self.reach.copy()
        for name, (lo, hi) in self.boxes.items():
            span = self.linear.spans[name]
            if not self.held[span].all() and self.linear.network.layers[name].lagrangian.separable:
                x = self._flat[span]
                radius[span] = np.maximum(hi[0] - x, x - lo[0]) + self.near[span]
        return self._slopes(radius)

    @cached_property
    def root(self) -> Floats:
        """R with R^T R = K, block by block; of a group K >= H where its box lies."""
        out = np.diag(np.sqrt(self.slopes) * (1 + 2 * EPS))
        for name, layer in self.linear.network.layers.items():
            if isinstance(layer.lagrangian, Softmax):
                span = self.linear.spans[name]
                share = self.map.activate(name, self.boxes[name])[1][0]
                out[span, span] = self._group_root(layer.lagrangian.beta, share, span)
        return out

    def _group_root(self, beta: float, share: Floats, span: slice) -> Floats:
        """Of the better of two bounds on H = beta (diag p - p p^T).

        H / beta is the Laplacian of the complete graph with weights p_i p_j, and grows with them;
        its eigenvalues are at most 1/2.
        """
        weights = beta * np.outer(share, share)
        np.fill_diagonal(weights, 0.0)
        local = np.diag(weights.sum(axis=1)) - weights
        whole = beta / 2 * (np.eye(len(share)) - 1 / len(share))
        across = self.linear.coupling[span] @ np.diag(np.sqrt(self.slopes / self.linear.leak))
        roots = [_upper_root(matrix) for matrix in (local, whole)]
        return min(roots, key=lambda root: float(np.linalg.norm(root @ across, 2)))

    @cached_property
    def gain(self) -> float:
        """s from above; inf where it is not below 1."""
        size, leak = self.linear.size, np.sqrt(self.linear.leak)
        side = self.root / leak
        if not np.isfinite(side).all():
            return math.inf
        matrix = side @ self.linear.coupling @ side.T
        error = 4 * (size + 8) * EPS * (np.abs(side) @ self.linear.links @ np.abs(side).T)
        bound = float(np.linalg.norm(matrix, 2)) * (1 + 1e-9) + float(np.linalg.norm(error)) + 1e-12
        if not bound < 1:
            return math.inf
        return bound if norm_below_one(matrix / bound, error / bound * (1 + 1e-9)) else math.inf

    @property
    def level(self) -> float:
        """V below it holds every held unit within reach."""
        radius = np.maximum(self.reach - 2 * self.near, 0.0)[self.held]
        energy = self.linear.tau[self.held] / 2 * self.slopes[self.held] * radius**2
        return float(energy.min() * (1 - _ROUNDING))

    def radius(self, delay: float) -> float:
        """The largest uniform deviation of held units with V below the level.

        Of the units that follow, leak u^T K u in total is at most s^2 that of the held ones.
        """
        tau, leak, held = self.linear.tau, self.linear.leak, self.held
        own = (tau + self.gain * leak * delay) * self.slopes
        slow = max((float(x) for x in (tau / leak)[~held]), default=0.0)
        follow = 0.0 if held.all() else self.gain**2 * (slow + self.gain * delay)
        total = float(np.sum((own + follow * leak * self.slopes)[held])) / 2
        start = math.sqrt(self.level / total) * (1 - _ROUNDING)
        return max(start - float(self.near[held].max()), 0.0)

    def values(self, start: dict[str, Array], delay: float) -> Array:
        """V from above for starts with a constant past; inf for those outside of the boxes."""
        tau, leak, count = self.linear.tau, self.linear.leak, len(next(iter(start.values())))
        total, inside = np.zeros(count), np.ones(count, bool)
        for name, layer in self.linear.network.layers.items():
            span, x = self.linear.spans[name], start[name].reshape(count, -1)
            here = self._flat[span]
            lo, hi = self.boxes[name]
            at, room = x, np.full_like(x, 4 * EPS) * np.abs(x).max(axis=1, keepdims=True)
            if name in self.map.winners:  # boxes count from it
                winner = self.map.winners[name][0]
                at = x - x[:, [winner]]
                room[:, winner] = 0.0
            if not self.held[span].all():
                inside &= ((at - room >= lo) & (at + room <= hi)).all(axis=1)
            else:
                inside &= (np.abs(x - here) + self.near[span] <= self.reach[span]).all(axis=1)
            own, past = tau[span], self.gain * leak[span] * delay
            if layer.lagrangian.separable:
                off = np.abs(x - here) * (1 + 4 * EPS) + self.near[span]
                total += (off**2 * ((own + past) * self.slopes[span])).sum(axis=1) / 2
            else:
                off = x - here
                off -= off.mean(axis=1, keepdims=True)
                moved = np.abs(off @ self.root[span, span].T)
                moved += (self.near[span] + 16 * EPS * np.abs(x).max()) @ np.abs(
                    self.root[span, span]
                ).T
                total += (moved**2).sum(axis=1) * (own + past).max() / 2
        return np.where(inside, total * (1 + _ROUNDING), np.inf)


def _upper_root(matrix: Floats) -> Floats:
    """R with R^T R >= M for symmetric M >= 0: what rounding may have taken is added."""
    room = 1e-11 * float(np.trace(matrix))
    values, vectors = np.linalg.eigh(matrix)
    root = (vectors * np.sqrt(np.maximum(values, 0.0) + room)).T
    if not float(np.linalg.eigvalsh(root.T @ root - matrix)[0]) >= room / 2:
        return np.full_like(matrix, np.inf)
    return np.asarray(root)
