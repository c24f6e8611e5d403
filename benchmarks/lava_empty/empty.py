"""Models of the populations that exchange the same messages and compute nothing.

In a folder of their own, since Lava's compiler executes the files beside a model.
"""

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from hardware.lava.graph.processes import Connection, FeatureNeurons, LogNormaliser, MemoryUnits


def _in() -> Any:
    return LavaPyType(PyInPort.VEC_DENSE, np.int32, precision=24)


def _out() -> Any:
    return LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)


def _state(kind: Any = np.int64) -> Any:
    return LavaPyType(np.ndarray, kind, precision=24)


@implements(proc=FeatureNeurons, protocol=LoihiProtocol)
@requires(CPU)
class EmptyFeatureNeurons(PyLoihiProcessModel):
    a_in, drive_in, s_out, v, sent = _in(), _in(), _out(), _state(), _state()

    def run_spk(self) -> None:
        self.a_in.recv()
        self.drive_in.recv()
        self.s_out.send(self.v)


@implements(proc=MemoryUnits, protocol=LoihiProtocol)
@requires(CPU)
class EmptyMemoryUnits(PyLoihiProcessModel):
    a_in, c_in, e_out, s_out, h, total = _in(), _in(), _out(), _out(), _state(), _state()

    def run_spk(self) -> None:
        self.a_in.recv()
        self.c_in.recv()
        self.e_out.send(self.h)
        self.s_out.send(self.h)


@implements(proc=LogNormaliser, protocol=LoihiProtocol)
@requires(CPU)
class EmptyLogNormaliser(PyLoihiProcessModel):
    a_in, s_out, c = _in(), _out(), _state()

    def run_spk(self) -> None:
        self.s_out.send(self.c)
        self.a_in.recv()


@implements(proc=Connection, protocol=LoihiProtocol)
@requires(CPU)
class EmptyConnection(PyLoihiProcessModel):
    s_in, a_out, weights = _in(), _out(), _state(np.int8)

    def run_spk(self) -> None:
        self.a_out.send(np.zeros(self.a_out.shape, np.int32))
        self.s_in.recv()


MODELS = {
    FeatureNeurons: EmptyFeatureNeurons,
    MemoryUnits: EmptyMemoryUnits,
    LogNormaliser: EmptyLogNormaliser,
    Connection: EmptyConnection,
}
