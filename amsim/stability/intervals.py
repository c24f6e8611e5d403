"""What one update of all layers makes of a box of states, rounded outwards.

The update is F_l(x) = bias_l + (sum of the forces on l) / leak_l, to which layer l relaxes.
A product W g over a box c +- r is W c +- |W| r. Floating point adds an error of at most
gamma_n |W| |c| to W c and a relative one of gamma_n to |W| r, in any order of summation (Higham,
"Accuracy and Stability of Numerical Algorithms", 2002, section 3.1); both go into the radius.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..lagrangians import Softmax
from ..network import Network
from ..synapses import Array, Dense, project, project_back
from .boxes import Box, Boxes

_EPS = float(np.finfo(np.float64).eps)
_TINY = 1e-300  # above everything that underflow can lose
_BLOCK = 1 << 20


@dataclass(frozen=True)
class _Link:
    """One direction of a Dense synapse; the weights are (sources, targets) if `back`."""

    source: str
    weights: Array
    back: bool
    largest: float
    magnitude: Array  # |weights|, or one value per source if all its weights are equal in size

    @property
    def relative_error(self) -> float:
        """At least gamma_n, with room for the few operations around the product."""
        return _EPS * (self.weights.shape[0 if self.back else 1] + 8)

    def product(self, x: Array) -> Array:
        return project_back(x, self.weights) if self.back else project(x, self.weights)

    def spread(self, radius: Array) -> Array:
        """|W| r from above; shape (batch, targets) or (batch, 1)."""
        if self.magnitude.ndim == 1:
            total: Array = (radius @ self.magnitude)[:, None]
        else:
            total = (project_back if self.back else project)(radius, self.magnitude)
        return total * (1 + 2 * self.relative_error) + _TINY

    def difference(self, radius: Array, winner: Array) -> Array:
        """|W - W_w| r from above, for the row w of the batch entry's winner."""
        if self.magnitude.ndim == 1:
            own = self.weights[:, winner].T if self.back else self.weights[winner]
            total = self.spread(radius)
            # |a - b| = |a| - a sign(b) where |a| = |b|.
            spread = total - self.product(np.sign(own) * radius) + 4 * self.relative_error * total
        else:
            rows = self.weights.T if self.back else self.weights
            spread = np.empty((len(radius), len(rows)))
            for w in np.unique(winner):
                spread[winner == w] = _distances(rows, int(w), radius[winner == w])
            spread = spread * (1 + 2 * self.relative_error) + _TINY
        np.put_along_axis(spread, winner[:, None], 0.0, axis=1)
        return np.asarray(np.maximum(spread, 0))


def _distances(rows: Array, w: int, radius: Array) -> Array:
    """|rows - rows[w]| radius, block by block."""
    out = np.empty((len(radius), len(rows)))
    own = rows[w].astype(np.float64)
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        block = np.abs(rows[start : start + step].astype(np.float64) - own)
        out[:, start : start + step] = radius @ block.T
    return out


def _links(synapse: Dense) -> list[tuple[str, _Link]]:
    """The target and link of both directions; a layer joined to itself has one."""
    first, second = synapse.between
    if first == second:
        symmetric = (synapse.weights + synapse.weights.T.astype(np.float64)) / 2
        return [(first, _link(first, symmetric, back=False))]
    return [
        (first, _link(second, synapse.weights, back=False)),
        (second, _link(first, synapse.weights, back=True)),
    ]


def _link(source: str, weights: Array, *, back: bool) -> _Link:
    magnitude = np.abs(weights)
    if weights.dtype == np.int8:
        magnitude = magnitude.view(np.uint8)  # |-128| does not fit int8
    largest = float(magnitude.max())
    one = magnitude[:, :1] if back else magnitude[:1]
    if (magnitude == one).all():
        magnitude = one.ravel().astype(np.float64)
    return _Link(source, weights, back, largest, magnitude)


@dataclass(frozen=True)
class Image:
    """What `BoxMap.image` returns.

    Attributes
    ----------
    given, new : Boxes
        The boxes of the kept layers, and their images.
    states, activations : Boxes
        Of all layers: the boxes given, the images of the other layers, and their activations.
    """

    given: Boxes
    states: Boxes
    activations: Boxes
    new: Boxes


@dataclass(frozen=True)
class BoxMap:
    """The interval image of the network's update.

    Layers in `kept` have a box of their own; those before them in `order` that no later layer
    needs at an earlier place are images of these. With `winners`, a Softmax layer has boxes of
    h_mu - h_w, w its winner: what all members read is then one and the same.

    Attributes
    ----------
    net : Network
    links : mapping of layer name to list of links that act on it
    order, kept : tuple of str
    winners : mapping of layer name to int array (batch,)
    """

    net: Network
    links: Mapping[str, list[_Link]]
    order: tuple[str, ...]
    kept: tuple[str, ...]
    winners: Mapping[str, Array]

    @classmethod
    def of(cls, net: Network, last: str, named: set[str]) -> BoxMap:
        """Per-link map of a network; `last` and the layers in `named` keep boxes of their own."""
        links: dict[str, list[_Link]] = {name: [] for name in net.layers}
        for synapse in net.synapses:
            assert isinstance(synapse, Dense)
            for target, link in _links(synapse):
                links[target].append(link)
        order = (*(name for name in net.layers if name != last), last)
        rank = {name: position for position, name in enumerate(order)}
        returning = {
            link.source for name in order for link in links[name] if rank[link.source] >= rank[name]
        }
        kept = tuple(name for name in order if name in returning | named | {last})
        return cls(net, links, order, kept, {})

    def at(self, winners: Mapping[str, Array]) -> BoxMap:
        return replace(self, winners=winners)

    def take(self, rows: Array) -> BoxMap:
        return self.at({name: winner[rows] for name, winner in self.winners.items()})

    def relative(self, name: str, states: Array) -> Array:
        """States as the boxes count them: from the winner, where there is one."""
        if name not in self.winners:
            return states
        winners = np.take_along_axis(states, self.winners[name][:, None], axis=1)
        return np.asarray(states - winners)

    def image(self, boxes: Boxes) -> Image:
        """The image of the boxes of the kept layers."""
        states, active = Boxes(boxes), Boxes()
        for name in self.kept:
            active[name] = self._activate(name, boxes[name])
        for name in self.order:
            if name not in self.kept:
                states[name] = self._drive(name, active)
                active[name] = self._activate(name, states[name])
        new = Boxes({name: self._drive(name, active) for name in self.kept})
        return Image(boxes, states, active, new)

    def update(self, name: str, states: Mapping[str, Array]) -> Array:
        """F on one layer at a point, not rounded outwards."""
        layer = self.net.layers[name]
        active = {n: self.net.layers[n].lagrangian.activation(x) for n, x in states.items()}
        force: Array = np.zeros((next(iter(states.values())).shape[0], layer.size))
        for link in self.links[name]:
            force = force + link.product(active[link.source])
        return np.asarray(layer.bias + force / layer.leak)

    def gain(self, image: Image, widths: Mapping[str, Array]) -> dict[str, Array]:
        """|dF| u from above over the boxes of an image, for widths u of the kept layers.

        |dF| is the entrywise bound of the derivative, with |Hessian| inside and |weights| outside
        (delays act before the sums). It is a contraction on the box if |dF| u < u for some u > 0.
        """
        moved = {n: self._slope(n, image, widths[n]) for n in self.kept}
        for name in self.order:
            if name not in self.kept:
                moved[name] = self._slope(name, image, self._spread(name, moved))
        return {name: self._spread(name, moved) for name in self.kept}

    def _activate(self, name: str, box: Box) -> Box:
        return self.net.layers[name].lagrangian.activation_bounds(*box)

    def _drive(self, name: str, active: Mapping[str, Box]) -> Box:
        """The box of F on one layer."""
        layer = self.net.layers[name]
        size = next(iter(active.values()))[0].shape[0], layer.size
        centre: Array = np.zeros(size)
        error: Array = np.zeros((size[0], 1))
        radii = {}
        for link in self.links[name]:
            middle, radii[link.source] = _middle(active[link.source])
            centre = centre + link.product(middle)
            error = error + 2 * link.relative_error * link.largest * (
                np.abs(middle).sum(axis=1, keepdims=True) + _TINY
            )
        centre, error = centre / layer.leak, error / layer.leak
        scale: Array = np.abs(centre)
        shifted = np.asarray(layer.bias) + centre
        if name in self.winners:
            scale = scale + np.take_along_axis(scale, self.winners[name][:, None], axis=1)
            scale = scale + np.abs(layer.bias).max()
            shifted = self.relative(name, shifted)
        radius = self._spread(name, radii) + 2 * error
        # 8 eps: the divisions, the bias, the shift and the two bounds round once each.
        radius = radius + 8 * _EPS * (scale + np.abs(layer.bias) + radius + np.abs(shifted))
        low, high = shifted - radius, shifted + radius
        if name in self.winners:
            for bound in (low, high):
                np.put_along_axis(bound, self.winners[name][:, None], 0.0, axis=1)
        return low, high

    def _spread(self, name: str, radii: Mapping[str, Array]) -> Array:
        """How far deviations `radii` of the activations move F on one layer, at most."""
        layer = self.net.layers[name]
        total: Array = np.zeros((next(iter(radii.values())).shape[0], layer.size))
        for link in self.links[name]:
            if name in self.winners:
                total = total + link.difference(radii[link.source], self.winners[name])
            else:
                total = total + link.spread(radii[link.source])
        return total / layer.leak * (1 + 8 * _EPS)

    def _slope(self, name: str, image: Image, width: Array) -> Array:
        """|H| u from above over the box of one layer."""
        lagrangian = self.net.layers[name].lagrangian
        if not isinstance(lagrangian, Softmax):
            slope: Array = lagrangian.slope_bounds(*image.states[name])[1]
            return slope * width * (1 + 2 * _EPS)
        # |H_mu nu| = beta p_mu p_nu off the diagonal, beta p_mu (1 - p_mu) on it.
        low, high = image.activations[name]
        others = (high * width).sum(axis=1, keepdims=True) - high * width
        slack = 1 + 4 * _EPS * (width.shape[1] + 4)
        total = (1 - low) * width + np.maximum(others, 0)
        total = total + (slack - 1) * (high * width).sum(axis=1, keepdims=True)
        return np.asarray(lagrangian.beta * high * total * slack + _TINY)


def _middle(box: Box) -> Box:
    """Centre and radius of a box; centre +- radius contains it."""
    low, high = box
    centre = low + (high - low) / 2
    return centre, np.maximum(high - centre, centre - low) * (1 + 4 * _EPS) + _TINY
