"""`Brian2`: the options of the Brian2 solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ... import checks
from ...network import Network
from ..events.timing import Timing, checked_quantum

# Steps, in units of the smallest tau.
_STEP = {"ode": 1e-2, "events": 1e-3}


@dataclass(frozen=True, eq=False)
class Brian2:
    """Brian2 on a grid of time, as an independent reference.

    Parameters
    ----------
    solver : {"ode", "events"}, default "ode"
        "ode": units see each other's outputs at every step. The leak is exact and the drive is
        that of the second-order Adams-Bashforth method, so that errors fall with dt^2.
        "events": units send when their output has moved by a quantum, as `EventDriven` does with
        announce="output", but at steps only, one quantum per step at most.
    timing : Timing, optional
        For "events": delays, by unit or by link, and `tau_spread`. Brian2 rounds delays to steps.
    quantum : float or mapping of layer names to float, default 1e-2
        For "events": how far an output moves before it is sent. Sign units send every change.
    dt : float, optional
        Step; 0.01 ("ode") or 0.001 ("events") of the smallest tau by default.

    Notes
    -----
    Layers need one of the Lagrangians Identity, Tanh, Sigmoid, Sign, ReLU, RectifiedPower,
    Exponential, Softmax or Entmax, and `Dense` or `Directed` synapses; inputs are constant or
    `PiecewiseConstant`, whose jumps count from the first step that begins no earlier. `simulate`
    runs Brian2 in this process, with NumPy as its target, and leaves Brian2's preferences as they
    were.

    Source: Stimberg, Brette and Goodman 2019, eLife 8:e47314.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am([[1, 1, -1, -1], [1, -1, 1, -1]], hidden=am.Softmax(beta=4.0))
    >>> traj = am.simulate(net, [1, 1, -1, 0], solver=am.Brian2(dt=0.01))
    >>> traj.status, traj.final["visible"].round(2)
    ('settled', array([ 1.,  1., -1., -1.]))
    """

    solver: Literal["ode", "events"] = "ode"
    timing: Timing | None = None
    quantum: float | Mapping[str, float] = 1e-2
    dt: float | None = None

    def __post_init__(self) -> None:
        checks.choice("Brian2: solver", self.solver, tuple(_STEP))
        if self.timing is not None:
            checks.instance("Brian2: timing", self.timing, Timing, "Timing(...) or None")
        quantum = checked_quantum("Brian2: quantum", self.quantum)
        object.__setattr__(self, "quantum", quantum)
        if self.dt is not None:
            dt = checks.number(
                "Brian2: dt", self.dt, at_least=checks.SMALLEST, at_most=checks.LARGEST
            )
            object.__setattr__(self, "dt", dt)

    def step(self, network: Network) -> float:
        """The step for a network."""
        if self.dt is not None:
            return float(self.dt)
        smallest = min(float(np.min(layer.tau)) for layer in network.dynamic.values())
        return _STEP[self.solver] * smallest

    def quantum_of(self, layer: str) -> float:
        """The quantum of a layer."""
        return float(self.quantum[layer] if isinstance(self.quantum, Mapping) else self.quantum)
