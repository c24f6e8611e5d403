"""What a recall of any layers is made of: populations, and the projections between them.

Ports carry one array per step; 0 means that a unit is silent. Projections and normalisers are one
step late, as Lava's Dense is: a message that is sent in step t counts in step t + 1.
`hardware.graphs.turns` says who does what in which step.
"""

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from amsim.hardware.graphs.plan import GraphPlan, Projection
from amsim.hardware.lava.shared_graph import SharedGraph


class LayerUnits(AbstractProcess):  # type: ignore[misc]
    """The units of a layer.

    Ports
    -----
    a_in : scaled sums; what arrives from several projections adds up
    drive_in : driven input in integers of x; what arrives until x is updated adds up
    c_in : c of the normaliser (softmax units)
    e_out : what the normaliser sums, in its rounds
    s_out : changes of the output

    Vars
    ----
    x : states
    """

    def __init__(self, shared: SharedGraph, layer: str) -> None:
        super().__init__(shared=shared, layer=layer)
        shape, one = shared.shape(shared.plan.layers[layer].size), shared.shape(1)
        self.a_in = InPort(shape=shape)
        self.drive_in = InPort(shape=shape)
        self.c_in = InPort(shape=one)
        self.e_out = OutPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.x = Var(shape=shape, init=0)


class LayerNormaliser(AbstractProcess):  # type: ignore[misc]
    """The neuron that knows the logarithm of a softmax's sum; its synapses are part of it.

    Ports
    -----
    a_in : e of the units
    s_out : c, for all units

    Vars
    ----
    c : logarithm to base 2 of the sum
    """

    def __init__(self, shared: SharedGraph, layer: str) -> None:
        super().__init__(shared=shared, layer=layer)
        self.a_in = InPort(shape=shared.shape(shared.plan.layers[layer].size))
        self.s_out = OutPort(shape=shared.shape(1))
        self.c = Var(shape=shared.shape(1), init=0)


class LayerProjection(AbstractProcess):  # type: ignore[misc]
    """Weights from one layer to another, and the sum of what was sent through them.

    Ports
    -----
    s_in : changes of outputs
    a_out : the sum of all changes up to the step before, in the integers of the target

    Vars
    ----
    total : the sum
    """

    def __init__(self, shared: SharedGraph, projection: Projection) -> None:
        super().__init__(projection=projection)
        targets, sources = projection.weights.shape
        self.s_in = InPort(shape=shared.shape(sources))
        self.a_out = OutPort(shape=shared.shape(targets))
        self.total = Var(shape=shared.shape(targets), init=0)


class LayerGraph(AbstractProcess):  # type: ignore[misc]
    """The whole network.

    Lava's RunConfig chooses its model: a process for each population and projection
    (``select_tag="fixed_pt", select_sub_proc_model=True``), or one for all.

    Parameters
    ----------
    plan : GraphPlan
    shared : SharedGraph
        It is the attribute `job` as well.

    Ports
    -----
    visible_in : driven input of the layer "visible", in any step; that of a period is the sum of
        what arrives. So for every layer, by its name
    visible_out : changes of its output

    Vars
    ----
    visible_x : its states
    """

    def __init__(self, plan: GraphPlan, shared: SharedGraph) -> None:
        super().__init__(plan=plan, shared=shared)
        self.job = shared
        for name, units in plan.layers.items():
            shape = shared.shape(units.size)
            setattr(self, f"{name}_in", InPort(shape=shape))
            setattr(self, f"{name}_out", OutPort(shape=shape))
            setattr(self, f"{name}_x", Var(shape=shape, init=0))


def processes_of(shared: SharedGraph) -> dict[str, Any]:
    """All processes of a network by name, connected."""
    plan = shared.plan
    found: dict[str, Any] = {name: LayerUnits(shared, name) for name in plan.layers}
    for name, units in plan.layers.items():
        if units.normaliser is not None:
            normaliser = LayerNormaliser(shared, name)
            found[name].e_out.connect(normaliser.a_in)
            normaliser.s_out.connect(found[name].c_in)
            found[f"{name}.normaliser"] = normaliser
    for each in (*plan.projections, *_joints(plan)):
        projection = LayerProjection(shared, each)
        found[each.source].s_out.connect(projection.s_in)
        projection.a_out.connect(found[each.target].a_in)
        found[each.name] = projection
    return found


def _joints(plan: GraphPlan) -> list[Projection]:
    """Weights of 0 that join networks of several parts: Lava runs only what is connected."""
    parts = {name: frozenset([name]) for name in plan.layers}
    for each in plan.projections:
        both = parts[each.source] | parts[each.target]
        parts |= dict.fromkeys(both, both)
    first, *others = {part: name for name, part in parts.items()}.values()
    found = []
    for name in others:
        weights = np.zeros((plan.layers[name].size, plan.layers[first].size), np.int8)
        found.append(Projection(f"{name} joined", first, name, 0, weights, 1.0, 1, 0))
    return found
