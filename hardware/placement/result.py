"""A `Placement`: who is where, and what passes between."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from amsim import checks

from ..chips import Chip, Limit, System
from ..graphs import turns
from ..graphs.plan import GraphPlan
from ..plan import Plan
from ..run import Result
from ..schedule import KINDS
from . import mesh as meshes
from . import traffic
from .core import Held, Load, Sizes, Use, uses
from .mesh import Floats, Integers, Links, Mesh

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase


class AnyPlacement:
    """What placements of all networks have.

    Attributes
    ----------
    plan : Plan or GraphPlan
    chip : Chip
    system : System
    held : tuple of Held
        Units of each core.
    mesh : Mesh
    routers : ndarray of int (n_cores, 2)
    counts : Any
        Messages per cue of each unit, by kind.
    measured : bool
    """

    plan: Any
    chip: Chip
    system: System
    held: Any
    mesh: Mesh
    routers: Integers
    counts: Any
    measured: bool

    @property
    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """Units of the network, by the names that `held` has."""

    @property
    @abstractmethod
    def cores(self) -> dict[str, Integers]:
        """The core of every unit of each layer, (n,)."""

    @abstractmethod
    def flows_of(self, counts: Any) -> dict[str, Floats]:
        """The messages from core to core, by kind, for other counts."""

    @abstractmethod
    def use(self, core: int) -> tuple[Use, ...]:
        """What a core holds of each limit."""

    @abstractmethod
    def _node(self, core: int) -> dict[str, Any]:
        """What `to_networkx` says of a core's units."""

    @property
    def n_cores(self) -> int:
        """Neuro-cores that are used."""
        return len(self.held)

    @property
    def n_chips(self) -> int:
        """Chips that are used."""
        return self.mesh.chips

    @cached_property
    def chips(self) -> Integers:
        """The chip of each core, (n_cores,)."""
        return self.mesh.chip_of(self.routers)

    @cached_property
    def groups(self) -> dict[str, Integers]:
        """The core of every unit as `amsim.Fabric` counts them: router by router, in rows."""
        number = meshes.numbers(self.mesh, self.routers)
        return {name: number[cores] for name, cores in self.cores.items()}

    @property
    def columns(self) -> int:
        """Routers in a row of the mesh, all chips together."""
        return self.mesh.shape[1]

    @property
    def per_router(self) -> int:
        """Neuro-cores at a router."""
        return self.mesh.per_router

    @cached_property
    def flows(self) -> Floats:
        """Messages per cue from core to core, (n_cores, n_cores); the diagonal stays inside."""
        return total(self.flows_of(self.counts))

    @property
    def cut(self) -> float:
        """Messages per cue between different cores."""
        return float(self.flows.sum() - np.trace(self.flows))

    @property
    def hops(self) -> float:
        """Messages per cue times the hops that each takes."""
        return float((self.flows * meshes.distances(self.routers)).sum())

    @cached_property
    def links(self) -> Links:
        """Messages per cue over each link of the mesh."""
        return meshes.links(self.mesh, self.routers, self.flows)

    def to_networkx(self) -> Any:
        """The cores and what passes between them, as a `networkx.DiGraph`.

        Returns
        -------
        networkx.DiGraph
            Nodes are numbers of cores with "features", "memories" and "normaliser" (of a
            `GraphPlacement` "units" by layer and "normalisers"), "chip" and "router" (column,
            row); edges have "messages" per cue and "hops".

        Examples
        --------
        >>> import amsim as am
        >>> import hardware as hw
        >>> plan = hw.compile(am.dense_am(am.patterns.random(5, 64, seed=0)))
        >>> hw.place(plan).to_networkx().nodes[0]["features"]
        64
        """
        import networkx as nx

        graph = nx.DiGraph(chip=self.chip.name, system=self.system.name)
        for core in range(self.n_cores):
            graph.add_node(
                core,
                **self._node(core),
                chip=int(self.chips[core]),
                router=(int(self.routers[core, 0]), int(self.routers[core, 1])),
            )
        hops = meshes.distances(self.routers)
        for a, b in zip(*np.nonzero(self.flows), strict=True):
            if a != b:
                graph.add_edge(
                    int(a), int(b), messages=float(self.flows[a, b]), hops=int(hops[a, b])
                )
        return graph

    def report(self) -> str:
        """Cores, chips, how full they are, and the traffic."""
        from .placement_report import describe

        return describe(self)

    def plot(self, ax: Axes | None = None) -> FigureBase:
        """The mesh with its cores, how full they are, and the load of its links.

        In a new figure, or in `ax`.
        """
        from .figure import draw

        return draw(self, ax)


@dataclass(frozen=True, eq=False)
class Placement(AnyPlacement):
    """Neuro-cores for the units of a plan, and their places; made by `hardware.place`.

    Attributes
    ----------
    plan : Plan
    chip : Chip
    system : System
    visible, hidden : ndarray of int (D,), (K,)
        The core of every feature, of every memory.
    normaliser : int or None
        Its core.
    loads : tuple of Load
        Units of each core.
    mesh : Mesh
        The routers of the chips that are used.
    routers : ndarray of int (n_cores, 2)
        Column and row of the router of each core, over all chips.
    counts : Counts
        Messages per cue that the places were chosen for, by unit.
    measured : bool
        Whether the counts are those of a run, or those of units that are never silent.
    verified_on_hardware : bool
        Always False.
    """

    plan: Plan
    chip: Chip
    system: System
    visible: Integers
    hidden: Integers
    normaliser: int | None
    loads: tuple[Load, ...]
    mesh: Mesh
    routers: Integers
    counts: traffic.Counts
    measured: bool
    verified_on_hardware: bool = False

    @cached_property
    def held(self) -> tuple[Held, ...]:
        """Units of each core."""
        return tuple(
            Held(
                {n: count for n in ("features", "memories") if (count := getattr(load, n))},
                ("memories",) if load.normaliser else (),
            )
            for load in self.loads
        )

    @property
    def sizes(self) -> dict[str, int]:
        """Units of the network."""
        memories, features = self.plan.units
        return {"features": features, "memories": memories}

    @property
    def cores(self) -> dict[str, Integers]:
        """The core of every unit of each layer, (n,)."""
        return {"visible": self.visible, "hidden": self.hidden}

    def flows_of(self, counts: traffic.Counts) -> dict[str, Floats]:
        """The messages from core to core, by kind, for other counts."""
        return traffic.between_cores(
            counts, self.visible, self.hidden, self.normaliser, self.n_cores
        )

    def use(self, core: int) -> tuple[Use, ...]:
        """What a core holds of each limit."""
        core = checks.count("core", core, at_least=0, at_most=self.n_cores - 1)
        with_features = sum(load.features > 0 for load in self.loads)
        with_memories = sum(load.memories > 0 for load in self.loads)
        return uses(
            sizes_of(self.plan), self.chip, self.loads[core], (with_features, with_memories)
        )

    def _node(self, core: int) -> dict[str, Any]:
        return asdict(self.loads[core])

    def __repr__(self) -> str:
        return (
            f"Placement({self.plan.units[1]} x {self.plan.units[0]}, {self.system.name}, "
            f"n_cores={self.n_cores}, n_chips={self.n_chips}, verified_on_hardware=False)"
        )


def total(flows: Mapping[str, Floats]) -> Floats:
    """All kinds together."""
    return np.asarray(sum(flows.values()), np.float64)


def sizes_of(plan: Plan) -> Sizes:
    """The sizes of a plan."""
    memories, features = plan.units
    return Sizes(features, memories, plan.normaliser is not None, plan.weight_bits)


def cores_per_chip(chip: Chip, system: System) -> Limit:
    """Cores that can be used on each chip of a system."""
    return system.cores_per_chip or chip.limits["cores"]


def check_run(plan: Plan | GraphPlan, run: Result) -> None:
    """Raise if a run is not one of this plan, or did not count its messages."""
    if not isinstance(run, Result):
        raise TypeError(f"run must be what hardware.run returns, got {type(run).__name__}")
    if run.plan is not plan and run.plan != plan:
        raise ValueError(
            f"the run is one of another plan, {run.plan}; this is {plan}: run this plan, or place "
            f"that one"
        )
    if isinstance(plan, GraphPlan):
        kinds = turns.kinds(plan)
    else:
        kinds = KINDS if plan.normaliser is not None else KINDS[:2]
    missing = [kind for kind in kinds if kind not in run.messages]
    if missing:
        raise ValueError(
            f"backend {run.backend!r} did not count messages of {', '.join(missing)}; "
            f"run with backend='emulator'"
        )
    if run.steps < 1 or any(count.size == 0 for count in run.messages.values()):
        raise ValueError("the run is empty: it has no steps or no cues")
