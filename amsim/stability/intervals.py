"""Interval images of a network's update: bounds on all layers, rounded outwards.

The update is F_l(x) = bias_l + (sum of the forces on l) / leak_l, to which layer l relaxes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce

import numpy as np

from ..lagrangians import Identity, SeparableLagrangian, SimplexLagrangian, Softmax
from ..network import Network
from ..starts import start_order
from ..synapses import Array, Pairwise
from .boxes import EPS, Box, Boxes
from .links import Link, links_of
from .outward import around, middle, softmax_bounds, widened

# Lagrangians that bound |Hessian| u over a box.
COVERED = (SeparableLagrangian, SimplexLagrangian)
NOTHING: Mapping[int, Box] = {}


@dataclass(frozen=True)
class Image:
    """What `BoxMap.image` returns.

    Attributes
    ----------
    states, active : Boxes
        Of all layers: the boxes given, and the images of the other layers; the activations.
    new : Boxes
        The images of the boxes of the kept layers.
    """

    states: Boxes
    active: Boxes
    new: Boxes

    @property
    def given(self) -> Boxes:
        """The boxes of the kept layers."""
        return self.states.of(self.new)

    @classmethod
    def joined(cls, parts: Sequence[Image]) -> Image:
        """The images of several batches as one."""
        return cls(
            Boxes.joined([part.states for part in parts]),
            Boxes.joined([part.active for part in parts]),
            Boxes.joined([part.new for part in parts]),
        )

    def take(self, rows: Array) -> Image:
        """The images for some entries of the batch."""
        return Image(*(boxes.take(rows) for boxes in (self.states, self.active, self.new)))

    def split(self, count: int) -> tuple[Image, Image]:
        """The images for the first entries of the batch, and for the others."""
        first, others = zip(
            *(boxes.split(count) for boxes in (self.states, self.active, self.new)), strict=True
        )
        return Image(*first), Image(*others)


@dataclass(frozen=True)
class BoxMap:
    """The interval image of the network's update.

    Layers in `kept` have a box of their own; those before them in `order` that no later layer
    needs at an earlier place are images of these. So are algebraic layers, at all times; a layer
    that is partly forced has a box of its own. With `winners`, a layer of shares (Softmax, Entmax)
    has boxes of h_mu - h_w, w its winner: what all members read is then one and the same.

    Attributes
    ----------
    net : Network
    links : mapping of layer name to list of links that act on it
    order, kept : tuple of str
    partly_forced : frozenset of str
        Layers with dynamics whose default start need not lie in the image of the start of the
        others.
    winners : mapping of layer name to int array (batch,)
    offset, noise : mapping of layer name to float
        How far what is received may be from an output of the layer, and how far what drives a unit
        of the layer may be from F. A layer that is not named has none.
    """

    net: Network
    links: Mapping[str, list[Link]]
    order: tuple[str, ...]
    kept: tuple[str, ...]
    partly_forced: frozenset[str]
    winners: Mapping[str, Array]
    offset: Mapping[str, float] = field(default_factory=dict)
    noise: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, net: Network, last: str, given: Collection[str]) -> BoxMap:
        """Per-link map of a network that starts from states of the `given` layers, or of `last`.

        These, `last` and the partly forced layers keep boxes of their own.
        """
        links: dict[str, list[Link]] = {name: [] for name in net.layers}
        for synapse in net.synapses:
            assert isinstance(synapse, Pairwise)
            for target, link in links_of(synapse):
                links[target].append(link)
        order = (*(name for name in net.layers if name != last), last)
        rank = {name: position for position, name in enumerate(order)}
        returning = {
            link.source for name in order for link in links[name] if rank[link.source] >= rank[name]
        }
        partly_forced = _partly_forced(net, links, given or {last})
        kept = tuple(name for name in order if name in {*returning, *given, *partly_forced, last})
        return cls(net, links, order, kept, partly_forced, {})

    def at(self, winners: Mapping[str, Array]) -> BoxMap:
        return replace(self, winners=winners)

    def take(self, rows: Array) -> BoxMap:
        if not self.winners:
            return self
        return self.at({name: winner[rows] for name, winner in self.winners.items()})

    def of_all(self) -> BoxMap:
        """The same map with a box of its own for every layer."""
        return replace(self, kept=self.order)

    def disturbed(self, offset: Mapping[str, float], noise: Mapping[str, float]) -> BoxMap:
        return replace(self, offset=offset, noise=noise)

    @property
    def followers(self) -> tuple[str, ...]:
        """The layers that are images of the others."""
        return tuple(name for name in self.order if name not in self.kept)

    @property
    def is_disturbed(self) -> bool:
        return any([*self.offset.values(), *self.noise.values()])

    def clear(self) -> None:
        """Free what the links keep to be fast."""
        for links in self.links.values():
            for link in links:
                link.kept.clear()

    def relative(self, name: str, states: Array) -> Array:
        """States as the boxes count them: from the winner, where there is one."""
        if name not in self.winners:
            return states
        winners = np.take_along_axis(states, self.winners[name][:, None], axis=1)
        return np.asarray(states - winners)

    def shifted(self, relative: Mapping[str, Array]) -> Boxes:
        """Boxes that hold the states that were counted from a winner, which rounds."""
        boxes = Boxes.points(dict(relative))
        for name in self.winners.keys() & boxes.keys():
            point, _ = boxes[name]
            error = 2 * EPS * np.abs(point)  # both bounds round, by a quarter of it each
            boxes[name] = point - error, point + error
        return boxes

    @np.errstate(over="ignore", invalid="ignore")
    def image(self, boxes: Boxes) -> Image:
        """The image of the boxes of the kept layers."""
        states, active, sent = Boxes(boxes), Boxes(), Boxes()
        for name in (*self.kept, *self.followers):
            if name not in states:
                states[name] = self.receive(name, sent)
            active[name] = self.activate(name, states[name])
            sent[name] = self.send(name, active[name])
        new = Boxes({name: self.receive(name, sent) for name in self.kept})
        return Image(states, active, new)

    @np.errstate(over="ignore", invalid="ignore")
    def completed(self, boxes: Boxes) -> Boxes:
        """Boxes of the kept layers, and of those that are images of these."""
        states, sent = Boxes(boxes), Boxes()
        for name in (*self.kept, *self.followers):
            if name not in states:
                states[name] = self.receive(name, sent)
            if name not in self.followers[-1:]:  # nobody here hears the last one
                sent[name] = self.send(name, self.activate(name, states[name]))
        return states

    @np.errstate(over="ignore", invalid="ignore")
    def start(self, given: Boxes) -> Boxes:
        """Boxes of the kept layers that hold their default start from states in the given boxes."""
        states, sent = Boxes(given), Boxes()
        if given.keys() >= set(self.kept):
            return given.of(self.kept)
        for names in [list(given), *start_order(self.net, given)]:
            # A partly forced layer starts without the forces of layers that have no state by then.
            acting = {n: [x for x in self.links[n] if x.source in sent] for n in self.links}
            reached = replace(self, links=acting)
            for name in names:
                if name not in states:
                    states[name] = reached.receive(name, sent)
            for name in names:
                sent[name] = self.send(name, self.activate(name, states[name]))
        # An algebraic layer follows the others from the beginning.
        for name, layer in self.net.layers.items():
            if layer.algebraic and name not in given:
                states[name] = self.receive(name, sent)
        return states.of(self.kept)

    def gain(self, image: Image, widths: Mapping[str, Array]) -> dict[str, Array]:
        """|dF| u from above for all states in the boxes of an image, u >= 0 on the kept layers.

        |dF| is the entrywise bound of the derivative, with |Hessian| inside and |weights| outside:
        delays act before the sums. If |dF| u < u, the update is a contraction on the box.
        """
        moved = {name: self._respond(name, image, widths[name]) for name in self.kept}
        for name in self.followers:
            moved[name] = self._respond(name, image, self._moved(name, moved))
        return {name: self._moved(name, moved) for name in self.kept}

    def update(self, name: str, states: Mapping[str, Array]) -> Array:
        """F on one layer at a point, not rounded outwards."""
        layer = self.net.layers[name]
        active = {n: self.net.layers[n].lagrangian.activation(x) for n, x in states.items()}
        force: Array = np.zeros((next(iter(states.values())).shape[0], layer.size))
        for link in self.links[name]:
            force = force + link.product(active[link.source])
        return np.asarray(layer.bias + force / layer.leak)

    def activate(self, name: str, box: Box) -> Box:
        """Bounds on the activation of one layer."""
        lagrangian = self.net.layers[name].lagrangian
        if isinstance(lagrangian, Softmax):
            return softmax_bounds(lagrangian.beta, *box)
        if isinstance(lagrangian, Identity):
            return box
        return lagrangian.activation_bounds(*box)

    def send(self, name: str, active: Box) -> Box:
        """Centre and radius of what is received of a layer with these activations."""
        centre, radius = middle(*active)
        if offset := self.offset.get(name, 0.0):
            radius = (radius + offset) * (1 + 4 * EPS)
        return centre, radius

    def receive(self, name: str, sent: Boxes, forces: Mapping[int, Box] = NOTHING) -> Box:
        """The box of F on one layer, out of centres and radii of what it receives.

        `forces` are centres and radii, (batch, units), of the forces of some of the layer's links,
        by position, where more is known of them than of single outputs.
        """
        layer, winner = self.net.layers[name], self.winners.get(name)
        sources = {source: radius for source, (_, radius) in sent.items()}
        products, error = [], np.zeros(len(next(iter(sources.values()))))
        for position, link in enumerate(self.links[name]):
            if position in forces:
                centre = forces[position][0]
                products.append(centre)
                error += 9 * EPS * np.abs(centre).max(axis=1)  # of a sum with it
            else:
                centre, _ = sent[link.source]
                products.append(link.product(centre))
                error += link.error(centre)
        force = _sum(products, (len(error), layer.size))
        error *= 1 + (len(products) - 1) / 16  # each sum rounds by an 18th of it at most
        spread = self._spread(name, sources, forces)
        box = around(force, spread, error, layer.bias, layer.leak, winner)
        noise = self.noise.get(name, 0.0)
        return self._shaken(name, box, noise) if noise else box

    def _shaken(self, name: str, box: Box, noise: float) -> Box:
        """A box widened by noise; of h_mu - h_w by that of both."""
        lo, hi = box
        winner = self.winners.get(name)
        amount = np.full_like(lo, noise if winner is None else 2 * noise)
        if winner is not None:
            np.put_along_axis(amount, winner[:, None], 0.0, axis=1)
        return widened(box, amount + 4 * EPS * (np.maximum(np.abs(lo), np.abs(hi)) + amount))

    def _spread(
        self, name: str, radii: Mapping[str, Array], forces: Mapping[int, Box] = NOTHING
    ) -> Array:
        """How far radii of the activations move F on one layer, from above; (batch, units or 1)."""
        layer, winner = self.net.layers[name], self.winners.get(name)
        parts = []
        for position, link in enumerate(self.links[name]):
            if position in forces:
                parts.append(forces[position][1])
            elif winner is None:
                parts.append(link.spread(radii[link.source]))
            else:
                parts.append(link.spread_from_winner(radii[link.source], winner))
        total = _sum(parts, (len(next(iter(radii.values()))), 1))
        return total * ((1 + (12 + len(parts)) * EPS) / layer.leak)

    def _moved(self, name: str, radii: Mapping[str, Array]) -> Array:
        """`_spread` by unit."""
        spread = self._spread(name, radii)
        return np.broadcast_to(spread, (len(spread), self.net.layers[name].size))

    def _respond(self, name: str, image: Image, width: Array) -> Array:
        """|Hessian| u of one layer from above."""
        lagrangian = self.net.layers[name].lagrangian
        if isinstance(lagrangian, Identity):
            return width
        assert isinstance(lagrangian, COVERED)  # see `certification_problem.check_covered`
        return lagrangian.response_bound(image.states[name], image.active[name], width)


def _sum(parts: list[Array], shape: tuple[int, int]) -> Array:
    """The sum of arrays; what a layer receives that no link acts on."""
    return reduce(np.add, parts) if parts else np.zeros(shape)


def _partly_forced(
    net: Network, links: Mapping[str, list[Link]], given: Collection[str]
) -> frozenset[str]:
    """Layers with dynamics that start, by default, without a force or with one that never acts.

    That is, some layer that they read has no state at their turn (they themselves, through a
    lateral synapse), or is an algebraic layer of which that is true: it has another state as soon
    as all have one.
    """
    placed, partly_forced = set(given), set[str]()
    astray: set[str] = set()  # algebraic layers that are placed elsewhere than they will be
    for names in start_order(net, given):
        early = {
            name for name in names
            if not placed.issuperset(read := {link.source for link in links[name]})
            or not astray.isdisjoint(read)
        }  # fmt: skip
        astray |= {name for name in early if net.layers[name].algebraic}
        partly_forced |= early - astray
        placed.update(names)
    return frozenset(partly_forced)
