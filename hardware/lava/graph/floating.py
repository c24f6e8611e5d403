"""Models in float: the same schedule, with the network's own numbers and functions.

States are in the units of the network. A period solves the leak over `plan.dt` exactly, for a drive
that is quadratic in time: the parabola through its last three values. The memories hear the new
features before they move, so that theirs ends at the end of the period; the features continue
theirs. The error is of third order in `plan.dt`, and fixed points are those of the differential
equation.
"""

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import NDArray

from hardware.lava.graph.processes import Connection, FeatureNeurons, LogNormaliser, MemoryUnits
from hardware.lava.recall import Recall
from hardware.plan import Plan

# A message smaller than 2**_FAINT of the sum is not sent; it would also be slow to multiply.
_FAINT = -100.0


class _Leak:
    """tau dx/dt = drive - x over a period, for a drive start + s (end - start) + s (s - 1) bend.

    s goes from 0 to 1. x becomes x + held (start - x) + sloped (end - start) + curved bend with
    held = 1 - e^-z, sloped = 1 - held / z, curved = 1 - sloped (1 + 2 / z), z = dt / tau; for
    tau = 0 the state is the drive at the end.
    """

    def __init__(self, tau: Any, dt: float) -> None:
        with np.errstate(divide="ignore"):
            z = dt / np.asarray(tau, dtype=float)
        self.held = -np.expm1(-z)
        self.sloped = 1 - self.held / z
        self.curved = 1 - self.sloped * (1 + 2 / z)
        self.algebraic = np.isinf(z)

    def step(self, x: Any, start: Any, end: Any, bend: Any) -> Any:
        return x + self.held * (start - x) + self.sloped * (end - start) + self.curved * bend


@implements(proc=FeatureNeurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class FloatFeatureNeurons(PyLoihiProcessModel):  # type: ignore[misc]
    """v relaxes towards what arrives; changes of g are sent in turn 0."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    drive_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    v: NDArray[Any] = LavaPyType(np.ndarray, float)
    sent: NDArray[Any] = LavaPyType(np.ndarray, float)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.plan: Plan = proc_params["plan"]
        self.recall = Recall(self.plan, proc_params["job"])
        self.layer = self.plan.network.layers["visible"]
        self.leak = _Leak(self.layer.tau, self.plan.dt)

    def run_spk(self) -> None:
        arriving, driven = self.a_in.recv(), self.drive_in.recv()
        scale = self.plan.visible.scale
        if self.recall.begin(self.time_step):
            self.v[...] = self.recall.start_value("visible", self.v) / scale
            self.drives: list[Any] = []  # the last three, the newest first
            self.sent[...] = 0
        message = np.zeros_like(self.v)
        if self.recall.turn == 0:
            if self.recall.period > 0:
                self._relax(arriving, driven, scale)
            message = self.layer.lagrangian.activation(self.v) - self.sent
            self.sent += message
        self.s_out.send(message)
        self.recall.note("visible", self.v * scale, message * self.plan.visible.output_scale)

    def _relax(self, arriving: Any, driven: Any, scale: float) -> None:
        own = self.recall.drive("input_visible", self.layer.bias * scale, self.v)
        drive = arriving + (own + driven) / scale
        self.drives = drives = [drive, *self.drives[:2]]
        slope = drive - drives[1] if len(drives) > 1 else np.zeros_like(drive)
        bend = (slope - (drives[1] - drives[2])) / 2 if len(drives) > 2 else np.zeros_like(drive)
        ahead = np.where(self.leak.algebraic, drive, drive + slope + 2 * bend)
        moved = self.leak.step(self.v, drive, ahead, bend)
        if self.recall.period == 2:  # the first period did not know the slope; make up for it
            moved += (1 - self.leak.held) * self.leak.sloped * (ahead - drive)
        self.v[...] = np.where(self.recall.start_value("clamped", self.v), self.v, moved)


@implements(proc=MemoryUnits, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class FloatMemoryUnits(PyLoihiProcessModel):  # type: ignore[misc]
    """h and its messages, in the odd turns."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    c_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    e_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    h: NDArray[Any] = LavaPyType(np.ndarray, float)
    total: NDArray[Any] = LavaPyType(np.ndarray, float)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.plan: Plan = proc_params["plan"]
        self.recall = Recall(self.plan, proc_params["job"])
        self.layer = self.plan.network.layers["hidden"]
        self.leak = _Leak(self.layer.tau, self.plan.dt)
        self.beta = getattr(self.layer.lagrangian, "beta", 0.0)

    def run_spk(self) -> None:
        arriving, c = self.a_in.recv(), self.c_in.recv()
        scale = self.plan.hidden.scale
        if self.recall.begin(self.time_step):
            self.h[...] = self.recall.start_value("hidden", self.h) / scale
            self.drives: list[Any] = []  # the last two, the newest first
            self.total[...] = 0
            self.c = _octaves(self.recall.start_value("log_sum", c), self.plan)
        if self.recall.turn == 1:
            self.total += arriving
            own = self.recall.drive("input_hidden", self.layer.bias * scale, self.h)
            drive = self.total + own / scale
            self._relax(drive)
        elif self.recall.turn % 2:
            self.c = c
        message = np.zeros_like(self.h)
        if self.recall.turn % 2:
            message = self._message()
        last = self.recall.turn == self.plan.period - 1
        silence = np.zeros_like(self.h)
        self.e_out.send(silence if last else message)
        self.s_out.send(message if last else silence)
        unit = self.plan.hidden.output_scale if last else self._round_scale()
        self.recall.note("hidden", self.h * scale, message * unit, "hidden" if last else "rounds")

    def _relax(self, drive: Any) -> None:
        drives = [drive, *self.drives]
        if len(drives) > 1:
            bend = (drive - 2 * drives[1] + drives[2]) / 2 if len(drives) > 2 else 0.0
            self.h[...] = self.leak.step(self.h, drives[1], drive, bend)
        self.drives = drives[:2]

    def _round_scale(self) -> float:
        normaliser = self.plan.normaliser
        return 1.0 if normaliser is None else 2.0**normaliser.sum_bits

    def _message(self) -> Any:
        if self.plan.normaliser is None:
            return self.layer.lagrangian.activation(self.h)
        octaves = self.beta * self.h / np.log(2) - self.c
        return np.where(octaves > _FAINT, np.exp2(np.maximum(octaves, _FAINT)), 0.0)


@implements(proc=LogNormaliser, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class FloatLogNormaliser(PyLoihiProcessModel):  # type: ignore[misc]
    """c becomes the logarithm of the sum, in the even turns but 0."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    c: NDArray[Any] = LavaPyType(np.ndarray, float)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.plan: Plan = proc_params["plan"]
        self.recall = Recall(self.plan, proc_params["job"])
        self.arriving = self.message = np.zeros(proc_params["job"].shape(1))
        self.scale = 1 / _octaves(1.0, self.plan)

    def run_spk(self) -> None:
        self.s_out.send(self.message)
        arriving = self.arriving
        self.arriving = self.a_in.recv().sum(axis=-1, keepdims=True)
        if self.recall.begin(self.time_step):
            self.c[...] = _octaves(self.recall.start_value("log_sum", self.c), self.plan)
        self.message = np.zeros_like(self.c)
        if self.recall.turn > 0 and self.recall.turn % 2 == 0:
            self.c += np.log2(arriving)
            self.message = self.c.copy()
        self.recall.note("normaliser", self.c * self.scale, self.message * self.scale)


@implements(proc=Connection, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class FloatConnection(PyLoihiProcessModel):  # type: ignore[misc]
    """Sums of weighted messages."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    weights: NDArray[Any] = LavaPyType(np.ndarray, float)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._sums: Any = 0.0

    def run_spk(self) -> None:
        self.a_out.send(np.broadcast_to(self._sums, self.a_out.shape))
        messages = self.s_in.recv()
        self._sums = messages @ self.weights.T if messages.any() else 0.0


def _octaves(value: Any, plan: Any) -> Any:
    bits = 0 if plan.normaliser is None else plan.normaliser.logit_bits
    return value / 2.0**bits
