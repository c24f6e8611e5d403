"""Certificates over memories that processes share: each bounds the outputs of its own rows.

The features see sums over all memories. Partial sums, upper bounds and errors of rounding of all
processes are added in their order, so that all take the same steps; a bound of a sum is the sum of
the bounds, rounded outwards. In the scope "broadcast" states count from the winner of all memories:
each process has its weights too, and leaves its output to the process whose it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..lagrangians import Softmax
from ..lagrangians.numerics import fold_others
from ..network import Layer, Network
from ..ranks import Ranks
from ..synapses import Array, Dense
from .boxes import EPS, TINY, Box, Boxes
from .certification_problem import CertificationProblem, Scope, States, check_covered
from .intervals import NOTHING, BoxMap, Image
from .outward import WIDE, around, shares, sums_of_others, within_shares

_ROUNDED = 8 * EPS  # of each process's part in a sum of all


@dataclass(frozen=True)
class SharedMap(BoxMap):
    """The interval image where this process has some of the memories; its `net` has these alone.

    Attributes
    ----------
    ranks : Ranks
    hidden, visible : str
    count : int
        Of the memories of all processes.
    own : int
        Of those of this process, which stand in front of winners of others.
    """

    ranks: Ranks = field(kw_only=True)
    hidden: str = field(kw_only=True)
    visible: str = field(kw_only=True)
    count: int = field(kw_only=True)
    own: int = field(kw_only=True)

    def activate(self, name: str, box: Box) -> Box:
        if name != self.hidden:
            return super().activate(name, box)
        lagrangian = self.net.layers[name].lagrangian
        assert isinstance(lagrangian, Softmax)  # see `shared_problem`
        beta, (lo, hi) = lagrangian.beta, box
        ends = self.ranks.largest(np.stack([hi.max(axis=1), -lo.min(axis=1)], axis=1))
        peak, spread = ends[:, :1], beta * ends.sum(axis=1, keepdims=True)
        least, most = (np.exp(beta * (x - peak)) for x in box)
        least[:, self.own :] = most[:, self.own :] = 0.0
        beside = self._of_others(np.stack([least.sum(axis=1), most.sum(axis=1)], axis=1))
        # As in one process: 2 eps per unit of an exponent, one per term of a sum, and some more.
        error = 8 * self.count * EPS * (1 + spread)
        low = shares(least, sums_of_others(most) + beside[:, 1:], 1 + error)
        high = shares(most, sums_of_others(least) + beside[:, :1], 1 - error)
        near = spread < WIDE
        low, high = within_shares(np.where(near, low, 0.0), np.where(near, high, 1.0))
        low[:, self.own :] = high[:, self.own :] = 0.0
        return low, high

    def receive(self, name: str, sent: Boxes, forces: Mapping[int, Box] = NOTHING) -> Box:
        if name != self.visible:
            return super().receive(name, sent, forces)
        layer, (link,) = self.net.layers[name], self.links[name]
        centre, radius = sent[link.source]
        own = np.column_stack([link.product(centre), link.error(centre)])
        every = self.ranks.gathered(own)
        force, rounding = every[..., :-1], every[..., -1].sum(axis=0)
        rounding += self.ranks.size * _ROUNDED * np.abs(force).max(axis=-1).sum(axis=0)
        spread = self._spread(name, {link.source: radius})
        bias = np.full(layer.size, layer.bias, np.float64)
        return around(force.sum(axis=0), spread, rounding, bias, layer.leak, None)

    def _spread(
        self, name: str, radii: Mapping[str, Array], forces: Mapping[int, Box] = NOTHING
    ) -> Array:
        own = super()._spread(name, radii, forces)
        if name != self.visible:
            return own
        own = np.broadcast_to(own, (len(own), self.net.layers[name].size))  # as in all processes
        return np.asarray(self._sum(own) * (1 + self.ranks.size * _ROUNDED))

    def _respond(self, name: str, image: Image, width: Array) -> Array:
        """|Hessian| u, whose entries are beta p_i (1 - p_i) and beta p_i p_j."""
        if name != self.hidden:
            return super()._respond(name, image, width)
        lagrangian, (low, high) = self.net.layers[name].lagrangian, image.active[name]
        assert isinstance(lagrangian, Softmax)  # see `shared_problem`
        moved = high * width
        others = fold_others(np.add, moved, 0.0)
        others += self._of_others(moved.sum(axis=1, keepdims=True))
        bound = lagrangian.beta * high * ((1 - low) * width + others)
        return np.asarray(bound * (1 + 16 * (self.count + 8) * EPS) + TINY)

    def _sum(self, own: Array) -> Array:
        return np.asarray(self.ranks.gathered(own).sum(axis=0))

    def _of_others(self, own: Array) -> Array:
        """The sum of what the other processes have, without this one's: nothing cancels."""
        every = self.ranks.gathered(own)
        return np.asarray(np.delete(every, self.ranks.rank, axis=0).sum(axis=0))


def shared_problem(
    net: Network, cue: States, target: States, scope: Scope, ranks: Ranks
) -> CertificationProblem:
    """The problem for the rows of this process, whose states do not count from a winner yet.

    Raises
    ------
    ValueError
        If the network is not two layers, of which one shares a softmax, joined by one Dense; or if
        the cue gives states of the memories.
    """
    check_covered(net, scope)
    visible, hidden, synapse = _two_layers(net)
    if isinstance(cue, Mapping) and set(cue) != {visible}:
        raise ValueError(
            f"comm: processes certify cues of the features: give layer {visible!r} alone"
        )
    if len(synapse.weights) < ranks.size:
        raise ValueError(f"comm: {ranks.size} processes are more than the memories: start fewer")
    if isinstance(target, Mapping):
        target = {name: state for name, state in target.items() if name != hidden}
    own = np.arange(len(synapse.weights))[ranks.rows(len(synapse.weights))]
    problem = CertificationProblem.of(_part(net, own), cue, target, "link")
    plain: dict[str, Any] = {x.name: getattr(problem.map, x.name) for x in fields(BoxMap)}
    shared = SharedMap(
        **plain, ranks=ranks, hidden=hidden, visible=visible,
        count=len(synapse.weights), own=len(own),
    )  # fmt: skip
    return replace(problem, map=shared)


def from_winners(net: Network, problem: CertificationProblem) -> CertificationProblem:
    """The same in the scope "broadcast", with the winners of all processes at the target."""
    shared = problem.map
    assert isinstance(shared, SharedMap)
    own = np.arange(shared.count)[shared.ranks.rows(shared.count)]
    target = {shared.visible: problem.target[shared.visible][0]}
    states = shared.update(shared.hidden, target)
    best = states.argmax(axis=1)
    winners = shared.ranks.strongest(states[np.arange(len(best)), best], own[best])
    rows = np.concatenate([own, np.setdiff1d(winners, own)])
    part = _part(net, rows)
    links = BoxMap.of(part, shared.visible, {shared.visible}).links
    order = np.argsort(rows)
    places = order[np.searchsorted(rows, winners, sorter=order)]
    shared = replace(shared, net=part, links=links, winners={shared.hidden: places})
    return replace(problem, map=shared)


def _part(net: Network, rows: NDArray[np.int64]) -> Network:
    """The network with some of its memories."""
    _, hidden, synapse = _two_layers(net)
    memories, weights = net.layers[hidden], synapse.weights
    mine = weights[rows[0] : rows[-1] + 1] if (np.diff(rows) == 1).all() else weights[rows]
    layer = Layer(
        len(rows), memories.lagrangian, memories.tau[rows], memories.bias[rows], memories.leak
    )
    layers = {name: layer if name == hidden else other for name, other in net.layers.items()}
    return Network(layers, [Dense(mine, between=synapse.between)])


def compared(net: Network, problem: CertificationProblem) -> tuple[Array, list[Any]]:
    """The memories, and what else has to be the same in all processes."""
    _, _, synapse = _two_layers(net)
    layers = [(name, x.lagrangian, x.leak) for name, x in net.layers.items()]
    boxes = [x for box in (problem.start, problem.target) for ends in box.values() for x in ends]
    return synapse.weights, [*layers, *(x.bias for x in net.layers.values()), *boxes]


def _two_layers(net: Network) -> tuple[str, str, Dense]:
    """Names of features and memories, and what joins them."""
    groups = [n for n, x in net.layers.items() if type(x.lagrangian) is Softmax]
    synapses = net.synapses
    if len(net.layers) == 2 and len(groups) == 1 and len(synapses) == 1:
        (synapse,) = synapses
        if type(synapse) is Dense and synapse.between[0] == groups[0] != synapse.between[1]:
            return synapse.between[1], groups[0], synapse
    raise ValueError(
        "comm: processes share memories with a softmax that one Dense joins to features: leave "
        "comm out for other networks"
    )
