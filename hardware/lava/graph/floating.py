"""Models in float: the network's own numbers and functions, to compare with solvers of ODEs.

States are in the units of the network. Between two exchanges of messages (`float_recall_steps` says
when) each population solves its leak exactly, for a drive that is a cubic in time: the one through
its last four values, an exponential Adams method. The memories receive the new features before they
move, so that their cubic ends where they do; the features continue theirs. The error is of
fourth order in `plan.dt`, and fixed points are those of the differential equation. Inputs are held
for a period, as on a chip.
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
from scipy.special import hyp1f1

from amsim.hardware.lava.float_recall_steps import EXCHANGES, FloatRecallSteps, moment
from amsim.hardware.lava.graph.processes import (
    Connection,
    FeatureNeurons,
    LogNormaliser,
    MemoryUnits,
)
from amsim.hardware.lava.integers import require_finite
from amsim.hardware.plan import Plan

_VALUES = 4  # that a drive is continued from
# A message smaller than 2**_FAINT of the sum is not sent; it would also be slow to multiply.
_FAINT = -100.0
_EXTREME = 1000.0  # octaves that a float64 can hold


class _Leak:
    """tau dx/dt = drive - x, from each exchange to the next.

    Parameters
    ----------
    tau : float or ndarray (n,)
        0 is allowed.
    spacing : float
        Time between even exchanges.
    """

    def __init__(self, tau: Any, spacing: float) -> None:
        with np.errstate(divide="ignore"):
            self._speed = spacing / np.asarray(tau, dtype=float)
        self._weights: dict[tuple[float, ...], Any] = {}

    def step(self, x: Any, exchange: int, drives: list[tuple[float, Any]], constant: Any) -> Any:
        """The state at an exchange, from that at the one before.

        Parameters
        ----------
        drives
            Values of the drive, and when; the drive is the polynomial through them.
        constant
            A further part of the drive.
        """
        start, end = moment(exchange - 1), moment(exchange)
        places = tuple((when - start) / (end - start) for when, _ in drives)
        key = (end - start, *places)
        if key not in self._weights:
            self._weights[key] = _adams(self._speed * (end - start), places)
        gain, weights = self._weights[key]
        pulls = (weight * drive for weight, (_, drive) in zip(weights, drives, strict=True))
        return x + gain * (constant - x) + sum(pulls)


def _adams(z: Any, places: tuple[float, ...]) -> tuple[Any, Any]:
    """Weights of a constant drive, and of each value of a polynomial one, in x after a time z tau.

    The integral of z e^(-z (1 - s)) s^j over 0 < s < 1 is z / (j + 1) 1F1(1; j + 2; -z).

    Parameters
    ----------
    z : ndarray
        Infinite for tau = 0.
    places
        Where the polynomial has its values, in units of the time: 0 at the start, 1 at the end.
    """
    powers = np.arange(len(places))[:, None]
    slow = np.minimum(np.atleast_1d(z), 1e300)
    with np.errstate(invalid="ignore"):
        integrals = slow / (powers + 1) * hyp1f1(1.0, powers + 2.0, -slow)
    integrals[:, np.isinf(np.atleast_1d(z))] = 1.0
    weights = np.linalg.solve(np.vander(places, increasing=True).T, integrals)
    return -np.expm1(-z), weights


@implements(proc=FeatureNeurons, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class FloatFeatureNeurons(PyLoihiProcessModel):  # type: ignore[misc]
    """v relaxes towards what arrives; changes of the output are sent."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    drive_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    v: NDArray[Any] = LavaPyType(np.ndarray, float)
    sent: NDArray[Any] = LavaPyType(np.ndarray, float)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.plan: Plan = proc_params["plan"]
        self.recall = FloatRecallSteps(self.plan, proc_params["job"])
        self.layer = self.plan.network.layers["visible"]
        self.leak = _Leak(self.layer.tau, self.plan.dt / EXCHANGES)
        # Driven input since the last exchange, as one of a whole period.
        self.charge = np.zeros(proc_params["job"].shape(self.plan.units[1]))

    def run_spk(self) -> None:
        arriving, driven = self.a_in.recv(), self.drive_in.recv()
        require_finite("a_in of FeatureNeurons", arriving, self.time_step)
        require_finite("a driven input", driven, self.time_step)
        recall, visible = self.recall, self.plan.visible
        if recall.begin(self.time_step):
            self.v[...] = recall.start_value("visible", self.v) / visible.scale
            self.drives: list[Any] = []
            self.sent[...] = self.charge[...] = 0
        np.add(self.charge, driven, out=self.charge)
        message = np.zeros_like(self.v)
        if recall.turn.population == "visible":
            if recall.exchange > 0:
                self._relax(arriving)
            message = self.layer.lagrangian.activation(self.v) - self.sent
            self.sent += message
            recall.keep("visible", self.v * visible.scale)
            recall.keep_message("visible", message * visible.output_scale, adds=True)
        self.s_out.send(message)

    def _relax(self, arriving: Any) -> None:
        recall, scale = self.recall, self.plan.visible.scale
        own = recall.drive("input_visible", self.layer.bias * scale, self.v)
        before = moment(recall.exchange - 1)
        self.drives = [*self.drives, (before, arriving)][-_VALUES:]
        driven = self.charge * (EXCHANGES / (moment(recall.exchange) - before))
        self.charge[...] = 0
        moved = self.leak.step(self.v, recall.exchange, self.drives, (own + driven) / scale)
        self.v[...] = np.where(recall.start_value("clamped", self.v), self.v, moved)


@implements(proc=MemoryUnits, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class FloatMemoryUnits(PyLoihiProcessModel):  # type: ignore[misc]
    """h, with e to the normaliser; p (or f) in the last turn of an exchange."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    c_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    e_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    h: NDArray[Any] = LavaPyType(np.ndarray, float)
    total: NDArray[Any] = LavaPyType(np.ndarray, float)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.plan: Plan = proc_params["plan"]
        self.recall = FloatRecallSteps(self.plan, proc_params["job"])
        self.layer = self.plan.network.layers["hidden"]
        self.leak = _Leak(self.layer.tau, self.plan.dt / EXCHANGES)
        self.octaves_per_state = getattr(self.layer.lagrangian, "beta", 0.0) / np.log(2)

    def run_spk(self) -> None:
        arriving, c = self.a_in.recv(), self.c_in.recv()
        require_finite("a_in of MemoryUnits", arriving, self.time_step)
        recall = self.recall
        if recall.begin(self.time_step):
            self.drives: list[Any] = []
            self.total[...] = 0
            self.c = _octaves(recall.start_value("log_sum", c), self.plan)
        ask = answer = np.zeros_like(self.h)
        turn = recall.turn
        if "h" in turn.sets:
            self._relax(arriving)
            if self.plan.normaliser is None:
                answer = self.layer.lagrangian.activation(self.h)
            else:
                ask = np.exp2(np.clip(self._octaves_above(self.c), -_EXTREME, _EXTREME))
                recall.count("rounds", ask)
        elif turn.sends == "p":
            self.c = c
            octaves = self._octaves_above(c)
            answer = np.where(octaves > _FAINT, np.exp2(np.maximum(octaves, _FAINT)), 0.0)
        self.e_out.send(ask)
        self.s_out.send(answer)
        if turn.sends == "p":
            hidden = self.plan.hidden
            recall.keep("hidden", self.h * hidden.scale)
            recall.keep_message("hidden", answer * hidden.output_scale)

    def _relax(self, arriving: Any) -> None:
        recall = self.recall
        self.total += arriving
        scale = self.plan.hidden.scale
        own = recall.drive("input_hidden", self.layer.bias * scale, self.h) / scale
        self.drives = [*self.drives, (moment(recall.exchange), self.total.copy())][-_VALUES:]
        if recall.exchange == 0:  # memories start at rest
            self.h[...] = self.total + own
        else:
            self.h[...] = self.leak.step(self.h, recall.exchange, self.drives, own)

    def _octaves_above(self, c: Any) -> Any:
        return self.octaves_per_state * self.h - c


@implements(proc=LogNormaliser, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class FloatLogNormaliser(PyLoihiProcessModel):  # type: ignore[misc]
    """c becomes the logarithm of the sum, in its one round."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    c: NDArray[Any] = LavaPyType(np.ndarray, float)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.plan: Plan = proc_params["plan"]
        self.recall = FloatRecallSteps(self.plan, proc_params["job"])
        self.arriving = self.message = np.zeros(proc_params["job"].shape(1))
        self.scale = 1 / _octaves(1.0, self.plan)

    def run_spk(self) -> None:
        self.s_out.send(self.message)
        arriving = self.arriving
        self.arriving = self.a_in.recv().sum(axis=-1, keepdims=True)
        if self.recall.begin(self.time_step):
            self.c[...] = _octaves(self.recall.start_value("log_sum", self.c), self.plan)
        self.message = np.zeros_like(self.c)
        if self.recall.turn.population == "normaliser":
            self.c += np.log2(arriving)
            self.message = self.c.copy()
            self.recall.keep("normaliser", self.c * self.scale)
            self.recall.keep_message("normaliser", self.c * self.scale)


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
