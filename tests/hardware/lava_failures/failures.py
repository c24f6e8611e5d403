"""A process that counts its steps and fails as told, and one that waits for its messages."""

import os
import signal
import sys

import numpy as np
from lava.magma.compiler.channels.pypychannel import CspSelector
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyAsyncProcessModel, PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.async_protocol import AsyncProtocol
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Counter(AbstractProcess):
    def __init__(self, *, fault="none", size=3):
        super().__init__(fault=fault)
        self.total = Var(shape=(size,), init=0)
        self.scale = Var(shape=(1,), init=1.0)
        self.a_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))


@implements(proc=Counter, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class CounterModel(PyLoihiProcessModel):
    total: np.ndarray = LavaPyType(np.ndarray, np.int64)
    scale: float = LavaPyType(float, float)
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int64)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.fault = proc_params["fault"]
        if self.fault == "init":
            raise ArithmeticError("bad constant")
        if self.fault == "endless init":
            endless_loop()

    def run_spk(self):
        if self.fault == "deadlock":
            self.a_in.recv()
        if self.time_step == 3:
            fail(self.fault)
        self.total += 1
        self.s_out.send(self.total)
        if self.fault != "deadlock":
            self.a_in.recv()


def fail(fault):
    if fault == "step":
        raise ArithmeticError("bad step")
    if fault == "unpicklable":
        raise UnpicklableError(lambda: None)
    if fault == "exit":
        sys.exit(7)
    if fault == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault == "endless":
        endless_loop()


class UnpicklableError(Exception):
    pass


def endless_loop():
    while True:
        pass


class Doubler(AbstractProcess):
    """Receives through a selector of its own, on its own time."""

    def __init__(self, *, size=3):
        super().__init__()
        self.a_in = InPort(shape=(size,))
        self.doubled = Var(shape=(size,), init=0)


@implements(proc=Doubler, protocol=AsyncProtocol)
@requires(CPU)
class DoublerModel(PyAsyncProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int64)
    doubled: np.ndarray = LavaPyType(np.ndarray, np.int64)

    def run_async(self):
        (channel,) = self.a_in.csp_ports
        for _ in range(self.num_steps):
            self.doubled[:] = CspSelector().select((channel, lambda: 2 * channel.recv()))


def pair(fault="none", size=3):
    """Two counters in a loop: the second is stuck when the first fails."""
    first, second = Counter(fault=fault, size=size), Counter(size=size)
    first.s_out.connect(second.a_in)
    second.s_out.connect(first.a_in)
    if fault == "deadlock":
        second.proc_params.overwrite("fault", "deadlock")
    return first, second
