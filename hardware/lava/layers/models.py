"""Models in integers: each population carries out its own turns of `hardware.graphs.turns`."""

from dataclasses import replace
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import NDArray

from amsim.hardware.graphs.machine import GraphMachine, functions
from amsim.hardware.graphs.plan import GraphPlan, Projection
from amsim.hardware.lava.driven_input import DrivenInput
from amsim.hardware.lava.integers import require_bounds, whole
from amsim.hardware.lava.layers.processes import (
    LayerGraph,
    LayerNormaliser,
    LayerProjection,
    LayerUnits,
    processes_of,
)
from amsim.hardware.lava.shared_graph import SharedGraph
from amsim.hardware.schedule import Compute, Turn


class Population:
    """The turns of one population, and its signals.

    Attributes
    ----------
    values : dict of str to ndarray of int (B, n)
        What `hardware.graphs.turns` calls its signals.
    """

    def __init__(self, shared: SharedGraph, name: str, layer: str) -> None:
        plan = shared.plan
        self.shared, self.name, self.layer = shared, name, layer
        self.functions = functions(plan)
        self.length = plan.period
        self.turns = {
            phase: turn
            for phase, step in enumerate(plan.schedule)
            for turn in step
            if turn.population == name and turn.sends
        }
        self.values: dict[str, Any] = {}
        self.before: Any = None

    def begin(self, time_step: int) -> int:
        """The step of the plan. Where a recall starts, fetch its start; at each period, inputs."""
        job, layer = self.shared.job, self.layer
        step = time_step - 1 + self.shared.skipped
        if step == 0:
            own = {n: x.copy() for n, x in job.start.items() if n.startswith(f"{layer}.")}
            self.values |= own
            self.values[f"{layer}.sent"] = np.zeros_like(own[f"{layer}.x"])
            self.before = None
        if step % self.length == 0:
            rows = job.inputs[layer]
            self.values[f"{layer}.input"] = rows[min(step // self.length, len(rows) - 1)]
        return step

    def take(self, step: int, arrived: dict[str, Any]) -> tuple[Turn | None, Any]:
        """The turn of a step and its message, if the population has one then.

        Parameters
        ----------
        arrived : dict of str to ndarray
            What the ports brought, by the signals that it is.
        """
        turn = self.turns.get(step % self.length)
        if turn is None:
            return None, None
        values = self.values
        for operation in turn.operations:
            name = operation.signal
            if not isinstance(operation, Compute) or operation.function.endswith(".gather"):
                if name in arrived:  # else it stands in the process of a projection
                    values[name] = arrived[name]
            elif step // self.length >= operation.first_period:
                function = self.functions[operation.function]
                values[name] = function(*(values[each] for each in operation.of))
        return turn, values[turn.sends]

    def finish(self, step: int, turn: Turn | None, message: Any, state: Any, *kept: Any) -> None:
        """Keep the results of a step; `kept` is what the next period depends on."""
        self.shared.keep(step, self.name, state, message, turn.counted if turn else "")
        if step % self.length == self.length - 1:
            now = np.concatenate(kept, axis=1)
            changed = np.ones(len(now), bool)
            if self.before is not None:
                changed = (now != self.before).any(axis=1)
            self.shared.mark(step // self.length, self.name, changed)
            self.before = now


@implements(proc=LayerUnits, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedLayerUnits(PyLoihiProcessModel):  # type: ignore[misc]
    """x relaxes towards what arrives; changes of the output are sent."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    drive_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64, precision=24)
    c_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    e_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    x: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        shared: SharedGraph = proc_params["shared"]
        self.layer: str = proc_params["layer"]
        self.population = Population(shared, self.layer, self.layer)
        self.units = shared.plan.layers[self.layer]
        self.begins, self.length = shared.plan.begins[self.layer], shared.plan.period
        self.silence = np.zeros(shared.shape(self.units.size), np.int32)
        self.driven = DrivenInput(shared.plan, self.layer, (shared.count, self.units.size))

    def on_var_update(self) -> None:
        self.population.values[f"{self.layer}.x"] = self._rows(self.x)

    def run_spk(self) -> None:
        layer, population = self.layer, self.population
        step = population.begin(self.time_step)
        if step == 0:
            self.driven.clear()
        drive = self._rows(whole(f"a_in of {layer}", self.a_in.recv(), self.time_step))
        c = self._rows(whole(f"c_in of {layer}", self.c_in.recv(), self.time_step))
        self.driven.arrive(self.drive_in.recv(), self.time_step)
        period, phase = divmod(step, self.length)
        if phase == self.begins and period > 0:
            given = population.values[f"{layer}.input"]
            population.values[f"{layer}.input"] = self.driven.take(given, 0, self.time_step)
        turn, message = population.take(step, {f"{layer}.drive": drive, f"{layer}.c_known": c})
        to_others = turn is not None and turn.sends == f"{layer}.m"
        to_own = turn is not None and not to_others
        sent = self.silence if message is None else message.reshape(self.x.shape).astype(np.int32)
        self.s_out.send(sent if to_others else self.silence)
        self.e_out.send(sent if to_own else self.silence)
        values = population.values
        x = values[f"{layer}.x"]
        require_bounds(layer, x, self.units, self.time_step)
        self.x[...] = x.reshape(self.x.shape)
        population.finish(step, turn, message, x, x, values[f"{layer}.sent"])

    def _rows(self, arrived: Any) -> Any:
        """What a port brought, (B, n)."""
        return arrived.reshape(len(self.driven.charge), -1).astype(np.int64)


@implements(proc=LayerNormaliser, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedLayerNormaliser(PyLoihiProcessModel):  # type: ignore[misc]
    """c follows the sum that arrives in its rounds."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    c: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        shared: SharedGraph = proc_params["shared"]
        self.layer: str = proc_params["layer"]
        self.population = Population(shared, f"{self.layer}.normaliser", self.layer)
        # What is sent, and what has arrived, in the step before.
        self.message, self.arrived = np.zeros((2, shared.count, 1), np.int64)

    def run_spk(self) -> None:
        self.s_out.send(self.message.reshape(self.c.shape).astype(np.int32))
        messages = whole(
            f"a_in of the normaliser of {self.layer}", self.a_in.recv(), self.time_step
        ).reshape(len(self.message), -1)
        layer, population = self.layer, self.population
        step = population.begin(self.time_step)
        turn, message = population.take(step, {f"{layer}.sum": self.arrived.copy()})
        self.message[...] = 0 if message is None else message
        self.arrived[...] = np.add.reduce(messages, axis=1, dtype=np.int64, keepdims=True)
        c = population.values[f"{layer}.c"]
        self.c[...] = c.reshape(self.c.shape)
        population.finish(step, turn, message, c, c)


@implements(proc=LayerProjection, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedLayerProjection(PyLoihiProcessModel):  # type: ignore[misc]
    """The sum of weighted messages; a step without messages costs no product."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    total: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.projection: Projection = proc_params["projection"]
        self.columns = np.ascontiguousarray(self.projection.weights.T.astype(np.float32))
        self.scaled: list[Any] = [None]  # Lava looks at every assignment to an attribute

    def on_var_update(self) -> None:
        self.scaled[0] = None

    def run_spk(self) -> None:
        if self.scaled[0] is None:
            self.scaled[0] = self.projection.scaled(self.total).astype(np.int32)
        self.a_out.send(self.scaled[0])
        messages = whole(f"s_in of {self.projection.name}", self.s_in.recv(), self.time_step)
        if np.count_nonzero(messages):
            # Sums stay below 2**23, and their changes below 2**24: exact.
            self.total += (messages.astype(np.float32) @ self.columns).astype(np.int64)
            self.scaled[0] = None


# Lava picks among SubProcessModels by tag only if they stand before other models.
@implements(proc=LayerGraph)
@tag("fixed_pt")
class FixedLayerGraph(AbstractSubProcessModel):  # type: ignore[misc]
    """A process for each population and each projection, as on a chip."""

    def __init__(self, process: AbstractProcess) -> None:
        shared: SharedGraph = process.proc_params["shared"]
        found = processes_of(shared)
        for name, each in found.items():
            setattr(self, f"process_{name}", each)
        for name in shared.plan.layers:
            getattr(process, f"{name}_in").connect(found[name].drive_in)
            found[name].s_out.connect(getattr(process, f"{name}_out"))
            getattr(process, f"{name}_x").alias(found[name].x)


class _NamedAfterLayers(type(PyLoihiProcessModel)):  # type: ignore[misc]
    """Types of ports and Vars that a class does not know: those of the layers of a plan."""

    def __getattr__(cls, name: str) -> Any:
        kinds = {"in": PyInPort.VEC_DENSE, "out": PyOutPort.VEC_DENSE}
        part = name.rpartition("_")[2]
        if part in kinds:
            wide = np.int64 if part == "in" else np.int32
            return LavaPyType(kinds[part], wide, precision=24)
        if part == "x":
            return LavaPyType(np.ndarray, np.int64, precision=24)
        raise AttributeError(name)


@implements(proc=LayerGraph, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FusedLayerGraph(PyLoihiProcessModel, metaclass=_NamedAfterLayers):  # type: ignore[misc]
    """The emulator as a process: a step of Lava is a period of the plan, or several."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.shared: SharedGraph = proc_params["shared"]
        self.plan: GraphPlan = proc_params["plan"]
        self.driven = {
            name: DrivenInput(self.plan, name, (self.shared.count, units.size))
            for name, units in self.plan.layers.items()
        }
        self.machine: Any = None

    def on_var_update(self) -> None:
        if self.machine is not None:
            for name, driven in self.driven.items():
                x = getattr(self, f"{name}_x").reshape(driven.charge.shape)
                self.machine.values[f"{name}.x"] = x.copy()

    def run_spk(self) -> None:
        shared, plan, now = self.shared, self.plan, self.time_step
        if self.machine is None:
            room = {name: rows[:1].copy() for name, rows in shared.job.inputs.items()}
            self.machine = GraphMachine(plan, replace(shared.job, inputs=room))
        for name, driven in self.driven.items():
            driven.arrive(getattr(self, f"{name}_in").recv(), now)
        machine, stride = self.machine, shared.periods * plan.period
        sent = {name: machine.values[f"{name}.sent"] for name in plan.layers}
        first = (now - 1) * stride + shared.skipped
        # The last stretch of a recall may be cut short; then it goes on.
        end = first + stride
        end = min(end, shared.job.steps) if first < shared.job.steps else end
        for start in range(first, end, plan.period):
            self._set_drive(start // plan.period)
            before = machine.state()
            for t in range(start, min(start + plan.period, end)):
                machine.step(t)
                if t < shared.job.steps:
                    for name, rows in shared.signals.items():
                        rows[t] = machine.signal(name)
            pairs = zip(before, machine.state(), strict=True)
            changed = np.any([(old != new).any(axis=1) for old, new in pairs], axis=0)
            shared.mark(start // plan.period, next(iter(shared.moving)), changed)
        for name, units in plan.layers.items():
            x, var = machine.values[f"{name}.x"], getattr(self, f"{name}_x")
            require_bounds(name, x, units, now)
            var[...] = x.reshape(var.shape)
            message = machine.values[f"{name}.sent"] - sent[name]
            getattr(self, f"{name}_out").send(message.reshape(var.shape).astype(np.int32))
        self._keep()

    def _set_drive(self, period: int) -> None:
        for name, rows in self.shared.job.inputs.items():
            given = rows[min(period, len(rows) - 1)]
            if period > 0:
                given = self.driven[name].take(given, 0, self.time_step)
            self.machine.job.inputs[name][0] = given

    def _keep(self) -> None:
        """States and counts at the end of a step of Lava."""
        for name, state in self.machine.final().items():
            self.shared.final[name][...] = state
        for kind, count in self.machine.messages.items():
            self.shared.messages[kind] += count
            count[...] = 0
