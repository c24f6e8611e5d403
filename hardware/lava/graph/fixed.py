"""Fixed-point models of the populations: the schedule of `hardware.plan`, bit by bit."""

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from numpy.typing import NDArray

from hardware import kernels
from hardware.lava.graph.processes import Connection, FeatureNeurons, LogNormaliser, MemoryUnits
from hardware.lava.graph.schedule import Population


@implements(proc=FeatureNeurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedFeatureNeurons(Population):
    """v relaxes towards what arrives; changes of g are sent in turn 0."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    drive_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)
    sent: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)

    def run_spk(self) -> None:
        arriving, driven = self.a_in.recv(), self.drive_in.recv()
        if self.begin():
            self.v[...] = self.start_value("visible", self.v)
            self.sent[...] = 0
        message = np.zeros_like(self.v)
        visible = self.plan.visible
        if self.turn == 0:
            if self.period > 0:
                self._relax(arriving.astype(np.int64), driven)
            message = kernels.delta(visible.output(self.v), self.sent, visible.threshold)
            self.sent += message
        self.s_out.send(message)
        self.note("visible", self.v, message)

    def _relax(self, arriving: Any, driven: Any) -> None:
        visible = self.plan.visible
        drive = self.drive("input_visible", self.v) + driven
        target = (arriving << visible.gain) + visible.bias + drive
        moved = kernels.relax(self.v, target, visible.decay)
        self.v[...] = np.where(self.start_value("clamped", self.v), self.v, moved)


@implements(proc=MemoryUnits, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedMemoryUnits(Population):
    """h and its messages, in the odd turns."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    c_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    e_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    h: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)
    total: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)

    def run_spk(self) -> None:
        arriving, c = self.a_in.recv(), self.c_in.recv()
        if self.begin():
            self.h[...] = self.start_value("hidden", self.h)
            self.total[...] = 0
            self.c = self.start_value("log_sum", c)
        if self.turn == 1:
            self._relax(arriving)
        silence = np.zeros_like(self.h)
        e, message = silence, silence
        if self.plan.normaliser is None:
            if self.turn == 1:
                message = self.plan.hidden.output(self.h)
        elif self.turn % 2:
            e, message = self._compare(c, silence)
        self.e_out.send(e)
        self.s_out.send(message)
        last = self.turn == self.plan.period - 1
        self.note("hidden", self.h, message if last else e, "hidden" if last else "rounds")

    def _relax(self, arriving: Any) -> None:
        self.total += arriving
        if self.period > 0:
            hidden = self.plan.hidden
            target = self.total + hidden.bias + self.drive("input_hidden", self.h)
            self.h[...] = kernels.relax(self.h, target, hidden.decay)

    def _compare(self, c: Any, silence: Any) -> tuple[Any, Any]:
        """Messages to the normaliser and to the features, in the odd steps."""
        normaliser = self.plan.normaliser
        if self.turn == 1:
            self.logit = self.plan.hidden.logit(self.h)
            self.c = self.c + normaliser.headroom
        else:
            self.c = c.astype(np.int64)
        if self.turn < self.plan.period - 1:
            return normaliser.message(self.logit, self.c), silence
        return silence, normaliser.probability(self.logit, self.c)


@implements(proc=LogNormaliser, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedLogNormaliser(Population):
    """c follows the sum that arrives, in the even turns but 0."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    c: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.arriving = self.message = np.zeros(self.shared.shape(1), np.int64)

    def run_spk(self) -> None:
        self.s_out.send(self.message)
        arriving = self.arriving
        self.arriving = self.a_in.recv().sum(axis=-1, keepdims=True, dtype=np.int64)
        if self.begin():
            self.c[...] = self.start_value("log_sum", self.c)
        self.message = np.zeros_like(self.c)
        normaliser = self.plan.normaliser
        if self.turn > 0 and self.turn % 2 == 0:
            if self.turn == 2:
                self.c += normaliser.headroom
            self.c[...] = normaliser.update(self.c, arriving)
            self.message = self.c.copy()
        self.note("normaliser", self.c, self.message)


@implements(proc=Connection, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedConnection(PyLoihiProcessModel):  # type: ignore[misc]
    """Sums of weighted messages; a step without messages costs no product."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    weights: NDArray[Any] = LavaPyType(np.ndarray, np.int8, precision=8)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._factors: Any = None
        self._sums: Any = None

    def on_var_update(self) -> None:
        self._factors = None

    def run_spk(self) -> None:
        if self._factors is None:
            # The planner keeps partial sums below 2**24, so float32 products are exact.
            self._factors = np.ascontiguousarray(self.weights.astype(np.float32).T)
        silence = np.zeros(self.a_out.shape, np.int32)
        self.a_out.send(silence if self._sums is None else self._sums)
        messages = self.s_in.recv()
        self._sums = messages.astype(np.float32) @ self._factors if messages.any() else None
