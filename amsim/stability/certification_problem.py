"""The problem that a certificate solves: the map of a network, a start and a target.

`CertificationProblem.of` validates what a user gives to `certify`, `radius` and `reach`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..lagrangians import SimplexLagrangian
from ..network import Network
from ..synapses import Array, Pairwise
from .boxes import EPS, Boxes
from .intervals import COVERED, BoxMap

Scope: TypeAlias = Literal["link", "broadcast"]
States: TypeAlias = ArrayLike | Mapping[str, ArrayLike]


@dataclass(frozen=True)
class CertificationProblem:
    """A validated certification problem with one batch axis.

    Attributes
    ----------
    map : BoxMap
    visible : str
        The layer "visible", or the first one.
    start, target : Boxes
        Of the kept layers, as the boxes count them. The target is a point; the start holds the
        default start of `simulate` from the cue, but for layers that are images.
    batch : tuple of int
    goal : Boxes
        The layers of which the user gave a target, kept or not, as the boxes count them, which
        rounds: what is certified ends near all of them.
    """

    map: BoxMap
    visible: str
    start: Boxes
    target: Boxes
    batch: tuple[int, ...]
    goal: Boxes

    @classmethod
    def of(
        cls,
        net: Network,
        cue: States | None,
        target: States,
        scope: Scope,
        *,
        every: bool = False,
    ) -> CertificationProblem:
        """Validate; without a cue, executions start at the target, and a cue would be `visible`.

        With `every`, all layers have boxes of their own.
        """
        check_covered(net, scope)
        visible = "visible" if "visible" in net.layers else next(iter(net.layers))
        goal = _by_layer(net, target, "state" if cue is None else "target")
        given = _by_layer(net, cue, "cue") if cue is not None else {}
        boxmap = BoxMap.of(net, visible, given)
        own = boxmap.kept
        if every:
            boxmap = boxmap.of_all()
        shapes = [state.shape[:-1] for state in (*goal.values(), *given.values())]
        try:
            batch = np.broadcast_shapes(*shapes)
        except ValueError:
            raise ValueError(f"cue and target have different batch axes: {shapes}") from None
        goal = {n: _flat(x, batch) for n, x in goal.items()}
        points = _complete(boxmap, goal)
        groups = [
            n for n, x in net.layers.items()
            if scope == "broadcast" and isinstance(x.lagrangian, SimplexLagrangian)
        ]  # fmt: skip
        # A rough state of a layer that follows from the others would be in the way of its box.
        if every or groups:
            for name in (n for n in boxmap.order if n not in own):
                points[name] = boxmap.update(name, points)
            boxmap = boxmap.at({n: points[n].argmax(axis=1) for n in groups})
        ends = {n: boxmap.relative(n, points[n]) for n in boxmap.kept}
        target_boxes = Boxes.points(ends)
        wanted = boxmap.shifted({n: boxmap.relative(n, x) for n, x in goal.items()})
        if not given:
            return cls(boxmap, visible, target_boxes, target_boxes, batch, wanted)
        cues = {n: boxmap.relative(n, _flat(state, batch)) for n, state in given.items()}
        start = boxmap.start(boxmap.shifted(cues))
        return cls(boxmap, visible, start, target_boxes, batch, wanted)

    def off(self, boxes: Boxes) -> Array:
        """How far boxes of all layers reach from the target the user gave; (batch,).

        Each layer in units of its largest state there, or of 1 if that is less; rounded upwards.
        """
        return self._farthest(boxes, Boxes.deviation) * (1 + 8 * EPS)

    def apart(self, boxes: Boxes) -> Array:
        """How far boxes of all layers are from the target the user gave, in the same units."""
        return self._farthest(boxes, Boxes.distance)

    def _farthest(self, boxes: Boxes, measure: Callable[[Boxes, Boxes], Array]) -> Array:
        each = (
            measure(boxes.of((n,)), self.goal) / np.maximum(1.0, np.abs(point).max(axis=1))
            for n, (point, _) in self.goal.items()
        )
        return np.asarray(reduce(np.maximum, each))

    def reached(self, boxes: Boxes) -> Boxes:
        """Boxes of the kept layers, and those of the layers of `goal` that follow undisturbed."""
        if boxes.keys() >= self.goal.keys():
            return boxes
        return self.map.disturbed({}, {}).completed(boxes)

    @property
    def count(self) -> int:
        return len(self.target[self.visible][0])

    def points(self) -> dict[str, Array]:
        """States of all layers at the first target; a Softmax layer's may count from its winner."""
        known = {name: point for name, (point, _) in self.target.items()}
        return {name: state[0] for name, state in _complete(self.map, known).items()}

    def take(self, rows: Array) -> CertificationProblem:
        """The same problem for some of the cues, by a mask or by numbers."""
        if rows.all() if rows.dtype == bool else np.array_equal(rows, np.arange(self.count)):
            return self
        return replace(
            self,
            map=self.map.take(rows),
            start=self.start.take(rows),
            target=self.target.take(rows),
            goal=self.goal.take(rows),
        )


def check_covered(net: Network, scope: Scope) -> None:
    """Raise ValueError, with the remedy, for networks that certificates do not cover."""
    checks.instance("net", net, Network, "a Network")
    checks.choice("scope", scope, get_args(Scope))
    for synapse in net.synapses:
        if not isinstance(synapse, Pairwise):
            raise ValueError(
                f"synapse {synapse.name!r} is a {type(synapse).__name__}; certificates cover "
                f"networks of Dense and Directed synapses: write it as one of these, or test by "
                f"simulation"
            )
    for name, layer in net.layers.items():
        kind = type(layer.lagrangian).__name__
        if not isinstance(layer.lagrangian, COVERED):
            raise ValueError(
                f"layer {name!r} is {kind}; certificates cover Entmax, Softmax and the "
                f"Lagrangians that are sums over units (SeparableLagrangian)"
            )
        if layer.leak == 0:
            raise ValueError(f"layer {name!r} has no leak, so it has no map to iterate; set leak=1")
        if len(layer.shape) > 1:
            raise ValueError(
                f"layer {name!r} has shape {layer.shape}; certificates cover one axis: "
                f"build the network for one copy, and batch the cues"
            )
        if scope == "broadcast" and not layer.lagrangian.separable and np.ptp(layer.tau) > 0:
            raise ValueError(
                f"layer {name!r} has unequal tau; the scope 'broadcast' needs one tau for a "
                f"{kind} layer: give it one, or use scope='link'"
            )


def _by_layer(net: Network, given: States, what: str) -> dict[str, Array]:
    """States as finite float64 arrays (*batch, units) by layer."""
    if not isinstance(given, Mapping):
        if "visible" not in net.layers and len(net.layers) > 1:
            raise ValueError(
                f"the {what} is not a mapping and no layer is named 'visible': "
                f"pass {{layer: state}} with names from {', '.join(net.layers)}"
            )
        given = {"visible" if "visible" in net.layers else next(iter(net.layers)): given}
    if not given:
        raise ValueError(f"the {what} is an empty mapping: give at least one layer")
    return {name: _state(net, name, state, what) for name, state in given.items()}


def _state(net: Network, name: str, state: Any, what: str) -> Array:
    if name not in net.layers:
        raise ValueError(f"the {what} names layer {name!r}; there are {', '.join(net.layers)}")
    size = net.layers[name].size
    array = checks.array(f"{what} of layer {name!r}", state, largest=checks.LARGEST)
    if array.ndim == 0 or array.shape[-1] != size or array.size == 0:
        raise ValueError(
            f"{what} has shape {array.shape}, layer {name!r} has shape ({size},); further axes "
            f"may only stand in front, as a batch that is not empty"
        )
    return array


def _flat(state: Array, batch: tuple[int, ...]) -> Array:
    return np.broadcast_to(state, (*batch, state.shape[-1])).reshape(-1, state.shape[-1])


def _complete(boxmap: BoxMap, given: dict[str, Array]) -> dict[str, Array]:
    """Add the layers that follow from the others."""
    points = dict(given)
    for name in boxmap.order:
        if name in points:
            continue
        missing = {link.source for link in boxmap.links[name]} - set(points)
        if missing:
            raise ValueError(
                f"the target gives no state for layer {' and '.join(map(repr, sorted(missing)))}; "
                f"give all layers, as traj.final does"
            )
        points[name] = boxmap.update(name, points)
    return points
