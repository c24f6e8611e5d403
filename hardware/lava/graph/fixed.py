"""Models of the populations in integers: turns of `hardware.schedule`, computed as they are there.

The operations of a turn are written out here, since the Vars of a process are changed in place and
exponentials are looked up; whose turn it is, and what is sent, is read from the schedule.
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

from amsim.hardware import kernels
from amsim.hardware.lava.driven_input import DrivenInput
from amsim.hardware.lava.graph.processes import (
    Connection,
    FeatureNeurons,
    LogNormaliser,
    MemoryUnits,
)
from amsim.hardware.lava.integers import STATE_LIMIT, require_state, whole
from amsim.hardware.lava.recall_steps import BEYOND_THE_PLAN, RecallSteps
from amsim.hardware.lava.sums import Sums, compiled_units
from amsim.hardware.plan import Normaliser, Plan

# NumPy takes as long for the steps of a logarithm as Python's integers for so many numbers.
_FEW = 12


@implements(proc=FeatureNeurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedFeatureNeurons(PyLoihiProcessModel):  # type: ignore[misc]
    """v relaxes towards what arrives; changes of the output are sent."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    drive_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)
    sent: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.plan: Plan = proc_params["plan"]
        self.recall = RecallSteps(self.plan, proc_params["job"])
        self.silence = np.zeros(proc_params["job"].shape(self.plan.units[1]), np.int32)
        self.clamped: Any = None  # a mask, or None if no feature is
        self.driven = DrivenInput(self.plan, "visible", self.silence.shape)
        self.compiled = compiled_units(self.plan)

    def run_spk(self) -> None:
        recall = self.recall
        if recall.begin(self.time_step):
            self.v[...] = recall.start_value("visible", self.v)
            self.sent[...] = 0
            self.driven.clear()
            clamped = recall.start_value("clamped", self.v)
            self.clamped = clamped if clamped.any() else None
        if recall.turn.population != "visible":
            self.s_out.send(self.silence)  # first, so that nobody waits for it
            self.a_in.recv()
            self.driven.arrive(self.drive_in.recv(), self.time_step)
            recall.record("visible", self.v)
            return
        arriving = whole("a_in of FeatureNeurons", self.a_in.recv(), self.time_step)
        self.driven.arrive(self.drive_in.recv(), self.time_step)
        visible = self.plan.visible
        drive = recall.drive("input_visible", visible.bias, self.v)
        if recall.period > 0:
            drive = self.driven.take(drive, visible.bias, self.time_step)
        if self.compiled is None:
            message = self._advance(arriving, drive)
        else:
            leak = visible.decay if self.clamped is None else visible.decay * ~self.clamped
            held = recall.period == 0
            message, moved = self.compiled.features(self.v, self.sent, arriving, drive, leak, held)
            recall.mark_changed("visible", moved)
        require_state("v", self.v, visible.limit, self.time_step)
        self.s_out.send(message.astype(np.int32))
        recall.record("visible", self.v, message)

    def _advance(self, arriving: Any, drive: Any) -> Any:
        visible, recall = self.plan.visible, self.recall
        if recall.period > 0:
            target = (arriving.astype(np.int64) << visible.gain) + drive
            moved = kernels.relax(self.v, target, visible.decay)
            if self.clamped is not None:
                moved = np.where(self.clamped, self.v, moved)
            recall.mark_changed("visible", self.v != moved)
            self.v[...] = moved
        message = visible.change(self.v, self.sent)
        recall.mark_changed("visible", message)
        np.add(self.sent, message, out=self.sent)
        return message


@implements(proc=MemoryUnits, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedMemoryUnits(PyLoihiProcessModel):  # type: ignore[misc]
    """h and its messages: e to the normaliser, p (or f) to the features."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    c_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    e_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    h: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)
    total: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.plan: Plan = proc_params["plan"]
        shared = proc_params["job"]
        self.recall = RecallSteps(self.plan, shared)
        self.silence = np.zeros(shared.shape(self.plan.units[0]), np.int32)
        self.logit = np.zeros(self.silence.shape, np.int64)  # f, if there is no softmax
        self.compiled = compiled_units(self.plan)
        self.c = np.zeros(shared.shape(1), np.int64)
        part = self.plan.normaliser
        if part is not None and self.compiled is None:
            self.messages = _Table(part.exponential, part.sum_bits, part.logit_bits)
            self.probabilities = _Table(part.probability, part.p_bits, part.logit_bits)

    def run_spk(self) -> None:
        recall = self.recall
        if recall.begin(self.time_step):
            self.h[...] = recall.start_value("hidden", self.h)
            self.total[...] = 0
            self.c[...] = recall.start_value("log_sum", self.c)
        turn = recall.turn
        silent, last = turn.population != "hidden", turn.sends == "p"
        # What is silent goes first, so that nobody waits for it.
        if silent or last:
            self.e_out.send(self.silence)
        if not last:
            self.s_out.send(self.silence)
        arriving, c = self.a_in.recv(), self.c_in.recv()
        arriving = whole("a_in of MemoryUnits", arriving, self.time_step)
        c = whole("c_in of MemoryUnits", c, self.time_step)
        if silent:
            recall.record("hidden", self.h)
            return
        if "h" in turn.sets:
            self._advance(arriving)
            require_state("h", self.h, STATE_LIMIT, self.time_step)
        message = self.logit if self.plan.normaliser is None else self._ask(c)
        (self.s_out if last else self.e_out).send(message.astype(np.int32))
        recall.record("hidden", self.h, message, turn.counted)

    def _advance(self, arriving: Any) -> None:
        """Move h; find the logits, or the messages of memories without a softmax."""
        hidden, recall = self.plan.hidden, self.recall
        drive, held = recall.drive("input_hidden", hidden.bias, self.h), recall.period == 0
        if self.compiled is not None:
            parts = self.h, self.total, self.logit
            moved = self.compiled.memories(*parts, arriving, drive, hidden.decay, held)
            recall.mark_changed("hidden", moved)
            return
        np.add(self.total, arriving, out=self.total)
        if not held:
            moved = kernels.relax(self.h, self.total + drive, hidden.decay)
            recall.mark_changed("hidden", self.h != moved)
            self.h[...] = moved
        self.logit[...] = (
            hidden.output(self.h) if self.plan.normaliser is None else hidden.logit(self.h)
        )

    def _ask(self, c: Any) -> Any:
        """Message of softmax memories: e to the normaliser, and at last p."""
        turn = self.recall.turn
        if "normaliser.rise" in turn.functions:
            np.add(self.c, _normaliser(self.plan).headroom, out=self.c)
        else:
            self.c[...] = c
        last = turn.sends == "p"
        if self.compiled is None:
            return (self.probabilities if last else self.messages)(self.logit, self.c)
        part = _normaliser(self.plan)
        return self.compiled.message(self.logit, self.c, part.p_bits if last else part.sum_bits)


class _Table:
    """Messages of memory units by logit - c, on which alone they depend.

    The steps of an exponential in NumPy cost more than to look up what they give.
    """

    def __init__(self, function: Any, bits: int, logit_bits: int) -> None:
        self._lowest = -((bits + 2) << logit_bits)  # rounded to 0, as all below
        # The planner proves less than 1.
        differences = np.arange(self._lowest, 2 << logit_bits, dtype=np.int64)
        self._messages = function(differences, 0).astype(np.int32)

    def __call__(self, logit: Any, c: Any) -> Any:
        try:
            places = logit - (c + self._lowest)
            return self._messages.take(np.maximum(places, 0, out=places))
        except IndexError:
            raise OverflowError(BEYOND_THE_PLAN) from None


@implements(proc=LogNormaliser, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedLogNormaliser(PyLoihiProcessModel):  # type: ignore[misc]
    """c follows the sum that arrives in its rounds."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    c: NDArray[Any] = LavaPyType(np.ndarray, np.int64, precision=24)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.plan: Plan = proc_params["plan"]
        self.recall = RecallSteps(self.plan, proc_params["job"])
        compiled = compiled_units(self.plan)
        self.log_sum = self._log_sum if compiled is None else compiled.log_sum
        # What arrives and what is sent in the next step, and c at the end of the last period.
        self.arriving, self.message, self.before = np.zeros(
            (3, *proc_params["job"].shape(1)), np.int64
        )

    def run_spk(self) -> None:
        self.s_out.send(self.message.astype(np.int32))
        messages = whole("a_in of LogNormaliser", self.a_in.recv(), self.time_step)
        recall = self.recall
        if recall.begin(self.time_step):
            self.c[...] = recall.start_value("log_sum", self.c)
            self.before[...] = self.c
        if recall.turn.population == "hidden":  # what is sent now counts in the next step
            self.arriving[...] = np.add.reduce(messages, axis=-1, dtype=np.int64, keepdims=True)
            self.message[...] = 0
            recall.record("normaliser", self.c)
        elif recall.turn.population == "normaliser":
            self._update()
            recall.record("normaliser", self.c, self.message)
        else:
            recall.record("normaliser", self.c)

    def _update(self) -> None:
        normaliser, recall = _normaliser(self.plan), self.recall
        c = self.c + normaliser.headroom if "normaliser.rise" in recall.turn.functions else self.c
        if c.size > _FEW:
            self.c[...] = normaliser.log_sum(c, self.arriving)
        else:
            pairs = zip(c.ravel().tolist(), self.arriving.ravel().tolist(), strict=True)
            self.c.flat[:] = [self.log_sum(one, total) for one, total in pairs]
        self.message[...] = self.c
        if recall.schedule[recall.phase + 1].sends == "p":  # the last round of the period
            recall.mark_changed("normaliser", self.before != self.c)
            self.before[...] = self.c

    def _log_sum(self, c: int, total: int) -> int:
        part = _normaliser(self.plan)
        return int(kernels.log_sum(c, total, part.logit_bits, part.sum_bits, part.floor))


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
        self._sums: Any = None
        # In a list, since Lava looks at every assignment to an attribute of a model.
        self._next: list[Any] = [None]

    def on_var_update(self) -> None:
        self._sums = None

    def run_spk(self) -> None:
        if self._sums is None:
            self._sums = Sums(self.weights)
            self._silence = np.zeros(self.a_out.shape, np.int32)
        (sums,) = self._next
        self.a_out.send(self._silence if sums is None else sums)
        messages = whole("s_in of Connection", self.s_in.recv(), self.time_step)
        self._next[0] = self._sums(messages)


def _normaliser(plan: Plan) -> Normaliser:
    if plan.normaliser is None:
        raise ValueError("this plan has no softmax memories, and no normaliser")
    return plan.normaliser
