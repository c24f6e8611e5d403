"""What a recall on a chip is made of: populations, and the connections between them.

Ports carry one array per step; 0 means that a unit is silent. A population receives what the
connections send in the same step, computes and sends; a connection is one step late, as Lava's
Dense is. So a message that is sent in step t arrives in step t + 1. `hardware.schedule` says
who does what in which step.
"""

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var

from amsim.hardware.lava.shared_job import SharedJob
from amsim.hardware.plan import Plan


class FeatureNeurons(AbstractProcess):  # type: ignore[misc]
    """The D feature units.

    Ports
    -----
    a_in : what arrives from the memories
    drive_in : driven input in integers of v; what arrives until v is updated adds up
    s_out : changes of g since the last message

    Vars
    ----
    v : states
    sent : g as the memories know it
    """

    def __init__(self, plan: Plan, job: SharedJob) -> None:
        super().__init__(plan=plan, job=job)
        shape = job.shape(plan.units[1])
        self.a_in = InPort(shape=shape)
        self.drive_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.v = Var(shape=shape, init=0)
        self.sent = Var(shape=shape, init=0)


class MemoryUnits(AbstractProcess):  # type: ignore[misc]
    """The K memory units.

    Ports
    -----
    a_in : what arrives from the features
    c_in : c of the normaliser (softmax memories)
    e_out : what the normaliser sums, in its rounds
    s_out : p (or f), for the features

    Vars
    ----
    h : states
    total : the sum of all changes that have arrived
    """

    def __init__(self, plan: Plan, job: SharedJob) -> None:
        super().__init__(plan=plan, job=job)
        shape, one = job.shape(plan.units[0]), job.shape(1)
        self.a_in = InPort(shape=shape)
        self.c_in = InPort(shape=one)
        self.e_out = OutPort(shape=shape)
        self.s_out = OutPort(shape=shape)
        self.h = Var(shape=shape, init=0)
        self.total = Var(shape=shape, init=0)


class LogNormaliser(AbstractProcess):  # type: ignore[misc]
    """The one neuron that knows the logarithm of the softmax's sum.

    Its synapses, all of weight 1, are part of it: both ports are one step late.

    Ports
    -----
    a_in : e of the memories
    s_out : c, for all memories

    Vars
    ----
    c : logarithm to base 2 of the sum
    """

    def __init__(self, plan: Plan, job: SharedJob) -> None:
        super().__init__(plan=plan, job=job)
        self.a_in = InPort(shape=job.shape(plan.units[0]))
        self.s_out = OutPort(shape=job.shape(1))
        self.c = Var(shape=job.shape(1), init=0)


class Connection(AbstractProcess):  # type: ignore[misc]
    """Weights from one population to another, one step late.

    Parameters
    ----------
    weights : ndarray (n_out, n_in)

    Ports
    -----
    s_in : messages
    a_out : sums of the messages of the step before

    Vars
    ----
    weights
    """

    def __init__(self, weights: Any, job: SharedJob) -> None:
        super().__init__()
        outputs, inputs = np.shape(weights)
        self.s_in = InPort(shape=job.shape(inputs))
        self.a_out = OutPort(shape=job.shape(outputs))
        self.weights = Var(shape=(outputs, inputs), init=weights)


class DenseAM(AbstractProcess):  # type: ignore[misc]
    """The whole network.

    Lava's RunConfig chooses its model: populations in fixed point
    (``select_tag="fixed_pt", select_sub_proc_model=True``), in float (``"floating_pt"``), or one
    process that does a period of `plan.period` steps per step (``"fixed_pt"`` without
    ``select_sub_proc_model``).

    Parameters
    ----------
    plan : Plan
    job : SharedJob

    Ports
    -----
    a_in : driven input of the features, in any step; that of a period is the sum of what arrives
    s_out : messages of the features
    p_out : messages of the memories to the features

    Vars
    ----
    v, h : states of the features and of the memories
    """

    def __init__(self, plan: Plan, job: SharedJob) -> None:
        super().__init__(plan=plan, job=job)
        memories, features = job.shape(plan.units[0]), job.shape(plan.units[1])
        self.job = job
        self.a_in = InPort(shape=features)
        self.s_out = OutPort(shape=features)
        self.p_out = OutPort(shape=memories)
        self.v = Var(shape=features, init=0)
        self.h = Var(shape=memories, init=0)
