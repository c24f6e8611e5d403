"""What one update of all layers makes of a box of states, rounded outwards.

The update is F_l(x) = bias_l + (sum of the forces on l) / leak_l, to which layer l relaxes.
A product W g over a box c +- r is W c +- |W| r. Floating point adds an error of at most
gamma_n |W| |c| to W c and a relative one of gamma_n to |W| r, in any order of summation (Higham,
"Accuracy and Stability of Numerical Algorithms", 2002, section 3.1); both go into the radius.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..lagrangians import Softmax
from ..network import Network
from ..synapses import Array, Dense, project, project_back
from .boxes import Box, Boxes

_EPS = float(np.finfo(np.float64).eps)
_TINY = 1e-200  # above everything that underflow can lose, and its products are normal numbers
_BLOCK = 1 << 17
_FEW = 4


@dataclass(frozen=True)
class _Link:
    """One direction of a Dense synapse; the weights are (sources, targets) if `back`."""

    source: str
    weights: Array
    back: bool
    largest: float
    sizes: Array | None  # |weight| per source, where it is the same for all targets

    @property
    def relative_error(self) -> float:
        """At least gamma_n, with room for the few operations around the product."""
        return _EPS * (self.weights.shape[0 if self.back else 1] + 8)

    def product(self, x: Array) -> Array:
        return project_back(x, self.weights) if self.back else project(x, self.weights)

    def spread(self, radius: Array) -> Array:
        """|W| r from above; shape (batch, targets) or (batch, 1)."""
        if self.sizes is None:
            total = _absolute_product(radius, self.weights, self.back)
        else:
            total = (radius @ self.sizes)[:, None]
        return total * (1 + 2 * self.relative_error) + _TINY

    def apart(self, radius: Array, winner: Array) -> Array:
        """|W - W_w| r from above, with W_w the weights of the winner; radii above each other."""
        winner = np.tile(winner, len(radius) // len(winner))
        if self.sizes is not None:
            # |a - b| = |a| - a sign(b) where |a| = |b|.
            own = self.weights[:, winner].T if self.back else self.weights[winner]
            total = self.spread(radius)
            moved = total - self.product(np.sign(own) * radius) + 4 * self.relative_error * total
        else:
            moved = np.empty((len(radius), self.weights.shape[1 if self.back else 0]))
            for w in np.unique(winner):
                rows = winner == w
                moved[rows] = _absolute_product(radius[rows], self.weights, self.back, int(w))
            moved = moved * (1 + 2 * self.relative_error) + _TINY
        np.put_along_axis(moved, winner[:, None], 0.0, axis=1)
        return np.asarray(np.maximum(moved, 0))

    def error(self, centre: Array) -> Array:
        """What floating point may shift an entry of W c; shape (batch, 1)."""
        total: Array = np.abs(centre).sum(axis=1, keepdims=True) + _TINY
        return self.relative_error * self.largest * total


def _absolute_product(x: Array, weights: Array, back: bool, origin: int | None = None) -> Array:
    """|W| x, or |W - W_origin| x."""
    out = np.zeros((len(x), weights.shape[1 if back else 0]))
    for rows, block in _blocks(weights, back, origin):
        if back:
            out += _times(x[:, rows], block)
        else:
            out[:, rows] = _times(x, block.T)
    return out


def _times(x: Array, matrix: Array) -> Array:
    """x @ matrix; BLAS multiplies very few rows by a large matrix faster one by one."""
    if len(x) > _FEW or matrix.size < _BLOCK // 2:
        return np.asarray(x @ matrix)
    return np.stack([row @ matrix for row in x])


def _blocks(
    weights: Array, back: bool = False, origin: int | None = None
) -> Iterator[tuple[slice, Array]]:
    """|W|, or |W - W_origin|, by blocks of rows that stay in the cache; one buffer for all."""
    step = max(1, _BLOCK // weights.shape[1])
    buffer = np.empty((min(step, len(weights)), weights.shape[1]))
    for start in range(0, len(weights), step):
        rows = slice(start, min(start + step, len(weights)))
        block = buffer[: rows.stop - start]
        if origin is not None:
            own = weights[rows, [origin]] if back else weights[origin]
            np.subtract(weights[rows], own, out=block, dtype=np.float64)
            np.abs(block, out=block)
        elif weights.dtype == np.int8:  # |-128| is no int8
            np.abs(weights[rows].astype(np.float64), out=block)
        else:
            np.abs(weights[rows], out=block)
        yield rows, block


def _links(synapse: Dense) -> list[tuple[str, _Link]]:
    """The target and link of both directions; a layer joined to itself has one."""
    first, second = synapse.between
    weights, largest = synapse.weights, synapse.largest
    if first == second:
        weights = (weights + weights.T.astype(np.float64)) / 2
        return [(first, _Link(first, weights, False, largest, _sizes(weights)))]
    forward = _sizes(weights)
    if forward is not None and np.ptp(forward) == 0:
        backward: Array | None = np.full(len(weights), forward[0])
    else:
        backward = _sizes(weights, back=True)
    return [
        (first, _Link(second, weights, False, largest, forward)),
        (second, _Link(first, weights, True, largest, backward)),
    ]


def _sizes(weights: Array, *, back: bool = False) -> Array | None:
    """|weight| per source, if that is the same for all targets."""
    one: Array = np.abs((weights[:, :1] if back else weights[:1]).astype(np.float64))
    for rows, block in _blocks(weights):
        if (block != (one[rows] if back else one)).any():
            return None
    return one.ravel()


@dataclass(frozen=True)
class Image:
    """What `BoxMap.image` returns.

    Attributes
    ----------
    given, new : Boxes
        The boxes of the kept layers, and their images.
    states : Boxes
        Of all layers: the boxes given, and the images of the other layers.
    widths, gain : dict of layer name to ndarray (batch, units)
        Of the kept layers: u > 0, and |dF| u from above for all states in the box. |dF| is the
        entrywise bound of the derivative, with |Hessian| inside and |weights| outside: delays act
        before the sums. If |dF| u < u, the update is a contraction on the box.
    """

    given: Boxes
    states: Boxes
    new: Boxes
    widths: Mapping[str, Array]
    gain: Mapping[str, Array]


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

    def image(self, boxes: Boxes, widths: Mapping[str, Array]) -> Image:
        """The image of the boxes of the kept layers, and the gain of these widths."""
        states, sent = Boxes(boxes), {}
        for name in self.kept:
            sent[name] = self._send(name, boxes[name], widths[name])
        for name in self.order:
            if name not in self.kept:
                states[name], width = self._receive(name, sent)
                sent[name] = self._send(name, states[name], width)
        arrived = {name: self._receive(name, sent) for name in self.kept}
        new = Boxes({name: box for name, (box, _) in arrived.items()})
        gain = {name: width for name, (_, width) in arrived.items()}
        return Image(boxes, states, new, widths, gain)

    def update(self, name: str, states: Mapping[str, Array]) -> Array:
        """F on one layer at a point, not rounded outwards."""
        layer = self.net.layers[name]
        active = {n: self.net.layers[n].lagrangian.activation(x) for n, x in states.items()}
        force: Array = np.zeros((next(iter(states.values())).shape[0], layer.size))
        for link in self.links[name]:
            force = force + link.product(active[link.source])
        return np.asarray(layer.bias + force / layer.leak)

    def _send(self, name: str, box: Box, width: Array) -> tuple[Array, Array]:
        """The centre of a layer's activations, and above each other their radius and |H| width."""
        lagrangian = self.net.layers[name].lagrangian
        active = lagrangian.activation_bounds(*box)
        if isinstance(lagrangian, Softmax):
            moved = _softmax_slope(lagrangian.beta, active, width)
        else:
            moved = lagrangian.slope_bounds(*box)[1] * width * (1 + 2 * _EPS)
        centre, radius = _middle(active)
        return centre, np.concatenate([radius, moved])

    def _receive(self, name: str, sent: Mapping[str, tuple[Array, Array]]) -> tuple[Box, Array]:
        """The box of F on one layer, and the widths that reach it."""
        layer, winner = self.net.layers[name], self.winners.get(name)
        count = len(next(iter(sent.values()))[0])
        centre: Array = np.zeros((count, layer.size))
        error: Array = np.zeros((count, 1))
        spread: Array = np.zeros((2 * count, layer.size))
        for link in self.links[name]:
            middle, radii = sent[link.source]
            centre = centre + link.product(middle)
            error = error + link.error(middle)
            spread = spread + (link.spread(radii) if winner is None else link.apart(radii, winner))
        centre = centre / layer.leak
        spread = spread / layer.leak * (1 + 8 * _EPS)
        scale = np.abs(layer.bias) + np.abs(centre)
        state = self.relative(name, layer.bias + centre)
        if winner is not None:
            scale = scale + scale.max(axis=1, keepdims=True)
        # 8 eps: the divisions, the bias, the shift and the two bounds round once each.
        radius = spread[:count] + 4 * error / layer.leak
        radius = radius * (1 + 8 * _EPS) + 8 * _EPS * scale
        if winner is not None:
            np.put_along_axis(radius, winner[:, None], 0.0, axis=1)
        return (state - radius, state + radius), spread[count:]


def _softmax_slope(beta: float, active: Box, width: Array) -> Array:
    """|H| u from above: |H_mu nu| is beta p_mu p_nu, and beta p_mu (1 - p_mu) on the diagonal."""
    low, high = active
    slack = 4 * _EPS * (width.shape[1] + 4)
    whole = (high * width).sum(axis=1, keepdims=True)
    moved = (1 - low) * width + (whole * (1 + slack) - high * width)
    return np.asarray(beta * high * moved * (1 + slack) + _TINY)


def _middle(box: Box) -> Box:
    """Centre and radius of a box; centre +- radius contains it."""
    low, high = box
    centre = low + (high - low) / 2
    # Products with numbers that are not normal are slow; the radius takes them in.
    centre = np.where(np.abs(centre) < _TINY, 0.0, centre)
    return centre, np.maximum(high - centre, centre - low) * (1 + 4 * _EPS) + _TINY
