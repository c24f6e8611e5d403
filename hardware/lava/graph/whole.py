"""Models of the whole network: a process per population, or all in one."""

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

from amsim.hardware.emulator import Machine
from amsim.hardware.lava.driven_input import DrivenInput
from amsim.hardware.lava.graph.processes import (
    Connection,
    DenseAM,
    FeatureNeurons,
    LogNormaliser,
    MemoryUnits,
)
from amsim.hardware.lava.integers import STATE_LIMIT, require_state
from amsim.hardware.lava.shared_job import SharedJob
from amsim.hardware.lava.sums import compiled_for, compiled_units
from amsim.hardware.plan import Job, Plan
from amsim.hardware.spec import read


class Populations(AbstractSubProcessModel):  # type: ignore[misc]
    """A process per population and per connection, as on a chip."""

    def wire(self, process: AbstractProcess, weights: Any) -> None:
        """Connect populations with the weights (K, D)."""
        plan: Plan = process.proc_params["plan"]
        job = process.proc_params["job"]
        self.features = FeatureNeurons(plan, job)
        self.memories = MemoryUnits(plan, job)
        self.up = Connection(weights, job)
        self.down = Connection(weights.T, job)
        self.features.s_out.connect(self.up.s_in)
        self.up.a_out.connect(self.memories.a_in)
        self.memories.s_out.connect(self.down.s_in)
        self.down.a_out.connect(self.features.a_in)
        if plan.normaliser is not None:
            self.normaliser = LogNormaliser(plan, job)
            self.memories.e_out.connect(self.normaliser.a_in)
            self.normaliser.s_out.connect(self.memories.c_in)
        process.a_in.connect(self.features.drive_in)
        self.features.s_out.connect(process.s_out)
        self.memories.s_out.connect(process.p_out)
        process.v.alias(self.features.v)
        process.h.alias(self.memories.h)


# Lava picks among SubProcessModels by tag only if they stand before other models.
@implements(proc=DenseAM)
@tag("fixed_pt")
class FixedPopulations(Populations):
    """With the integers of the plan."""

    def __init__(self, process: AbstractProcess) -> None:
        plan = process.proc_params["plan"]
        compiled_for(plan.weights)
        compiled_units(plan)
        self.wire(process, plan.weights)


@implements(proc=DenseAM)
@tag("floating_pt")
class FloatPopulations(Populations):
    """With the network's own weights."""

    def __init__(self, process: AbstractProcess) -> None:
        self.wire(process, read(process.proc_params["plan"].network).patterns)


@implements(proc=DenseAM, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FusedDenseAM(PyLoihiProcessModel):  # type: ignore[misc]
    """The emulator as a process: a step of Lava is a period of the plan, or several."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    p_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)
    h: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.plan: Plan = proc_params["plan"]
        self.shared: SharedJob = proc_params["job"]
        self._generation = -1
        self._origin = 0
        self.machine: Any = None
        self.driven = DrivenInput(self.plan, "visible", (self.shared.batch, self.plan.units[1]))

    def on_var_update(self) -> None:
        if self.machine is not None:
            values = self.machine.values
            for signal, var in (("v", self.v), ("h", self.h)):
                values[signal] = var.reshape(values[signal].shape).copy()

    def run_spk(self) -> None:
        first, end = self._begin()
        self.driven.arrive(self.a_in.recv(), self.time_step)
        machine, shared = self.machine, self.shared
        values = machine.values
        sent = values["sent"]
        moving = shared.moving["visible"][self.rows]
        for start in range(first, end, self.plan.period):
            self._set_drive(start // self.plan.period)
            before = machine.state()
            for t in range(start, min(start + self.plan.period, end)):
                machine.step(t)
                if shared.signals:
                    self._keep_signals(t)
            if start + self.plan.period <= end:
                moving[_changed(before, machine.state())] = start // self.plan.period + 1
            require_state("v", values["v"], self.plan.visible.limit, self.time_step)
            require_state("h", values["h"], STATE_LIMIT, self.time_step)
        self.v[...] = values["v"].reshape(self.v.shape)
        self.h[...] = values["h"].reshape(self.h.shape)
        self.s_out.send((values["sent"] - sent).reshape(self.v.shape))
        self.p_out.send(values["p"].reshape(self.h.shape))
        for name, state in machine.final().items():
            shared.final[name][self.rows] = state
        for name, count in machine.messages.items():
            shared.messages[name][self.rows] += count
            count[...] = 0

    def _keep_signals(self, step: int) -> None:
        for name, rows in self.shared.signals.items():
            rows[step, self.rows] = self.machine.signal(name)

    def _begin(self) -> tuple[int, int]:
        """First and last chip step of this step of Lava; a new machine where a recall starts."""
        shared, stride = self.shared, self.shared.periods * self.plan.period
        if shared.generation != self._generation:
            self._generation = shared.generation
            self._origin = self.time_step
        length = -(-shared.steps // stride)  # of a recall, in steps of Lava
        since = self.time_step - self._origin
        group = min(since // length, shared.groups - 1)
        first = (since - group * length) * stride + shared.skipped
        self.rows = slice(group * shared.batch, (group + 1) * shared.batch)
        if first == 0:
            self.machine = Machine(self.plan, self._job())
            self.driven.clear()
        # The last stretch of a recall may be cut short; if no other follows, it goes on.
        end = first + stride
        return first, min(end, shared.steps) if first < shared.steps else end

    def _job(self) -> Job:
        """The cues of this recall, with room for the input of one period."""
        job, rows = self.shared.job, self.rows
        return Job(
            visible=job.visible[rows],
            hidden=job.hidden[rows],
            log_sum=job.log_sum[rows],
            clamped=job.clamped[rows],
            input_visible=np.zeros((1, *job.visible[rows].shape), np.int64),
            input_hidden=np.zeros((1, *job.hidden[rows].shape), np.int64),
            steps=job.steps,
        )

    def _set_drive(self, period: int) -> None:
        job, now = self.shared.job, self.machine.job
        for given, used in (
            (job.input_visible, now.input_visible),
            (job.input_hidden, now.input_hidden),
        ):
            used[0] = given[min(period, len(given) - 1), self.rows]
        if period > 0:
            now.input_visible[0] = self.driven.take(now.input_visible[0], 0, self.time_step)


def _changed(before: tuple[Any, ...], after: tuple[Any, ...]) -> Any:
    """Which cues are in another state; most often the first arrays tell of all."""
    if len(before[0]) == 1:  # without an axis, NumPy looks ten times faster
        pairs = zip(before, after, strict=True)
        return [any(np.count_nonzero(old != new) for old, new in pairs)]
    changed = np.zeros(len(before[0]), bool)
    for old, new in zip(before, after, strict=True):
        changed |= (old != new).any(axis=1)
        if changed.all():
            break
    return changed
