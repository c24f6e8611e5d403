"""`EventDriven`: the options of the event-driven solver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ... import checks
from .timing import Timing, checked_quantum


@dataclass(frozen=True, eq=False)
class EventDriven:
    """Asynchronous units: exact leaks between events, a message whenever an output has moved.

    Every unit integrates what its receive registers hold, and sends its output when that has moved
    by a quantum since the last message (send-on-delta). There is no time step: states follow their
    exponentials, and the moment of the next message is solved for.

    Parameters
    ----------
    quantum : float or mapping of layer names to float, default 1e-3
        How far an output moves before it is sent, in units of the output. It is absolute: memories
        with polynomial outputs, which may reach thousands, want a larger one than their features.
    timing : Timing
        Delays, losses and clocks; by default messages arrive at once.
    max_events : int, default 10_000_000
        Messages of a cue after which it ends with status "max_events". With scope="link" it also
        does with this number, or 2^27 if that is larger, of deliveries on their way (48 bytes
        each).
    announce : {"output", "ahead"}, default "output"
        What a message carries: the output itself, or half a quantum more in the direction in which
        it moves, which about halves the error at the same number of messages.
    normaliser : {"exact", "neuron"}, default "exact"
        How a softmax layer is normalised: by a sum that its units share at every moment, or by a
        neuron z with tau_z dz/dt = LSE(h) - z whose messages the units f = exp(beta (h - z)) read.
        Its quantum is quantum / beta.
    normaliser_tau, normaliser_delay : float, default 0.01 and 0.0
        Time constant of that neuron, and travel time of its messages.
    record_events : bool, default False
        Whether to keep every message as `Trajectory.events`.
    noise_step : float, optional
        With `noise` of `simulate`: the length of the slots in which it is a constant input, in the
        unit of tau. By default a fiftieth of the smallest tau or, if that is smaller, of the
        correlation time of the noise; these are also the longest slots.

    Notes
    -----
    Layers need tau > 0, a leak, one of the Lagrangians Identity, Tanh, Sigmoid, ReLU,
    RectifiedPower, Exponential, Sign, Softmax or Entmax, and `Dense` or `Directed` synapses; inputs
    are constant or `PiecewiseConstant`; noise is that of `ExponentialHeun`, in slots. See
    docs/events.md for the semantics and the rule of settling.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am([[1, 1, -1, -1], [1, -1, 1, -1]], hidden=am.Softmax(beta=4.0))
    >>> timing = am.Timing(delay=0.2, jitter=0.1)
    >>> traj = am.simulate(net, [1, 1, -1, 0], solver=am.EventDriven(1e-3, timing), seed=1)
    >>> traj.status, traj.final["visible"].round(2)
    ('settled', array([ 1.,  1., -1., -1.]))
    """

    quantum: float | Mapping[str, float] = 1e-3
    timing: Timing = field(default_factory=Timing)
    max_events: int = 10_000_000
    announce: Literal["output", "ahead"] = "output"
    normaliser: Literal["exact", "neuron"] = "exact"
    normaliser_tau: float = 0.01
    normaliser_delay: float = 0.0
    record_events: bool = False
    noise_step: float | None = None
    takes_noise: ClassVar = True

    def __post_init__(self) -> None:
        checks.instance("EventDriven: timing", self.timing, Timing, "Timing(...)")
        checks.choice("EventDriven: announce", self.announce, ("output", "ahead"))
        checks.choice("EventDriven: normaliser", self.normaliser, ("exact", "neuron"))
        tau, delay = "EventDriven: normaliser_tau", "EventDriven: normaliser_delay"
        for name, value in {
            "quantum": checked_quantum("EventDriven: quantum", self.quantum),
            "max_events": checks.count("EventDriven: max_events", self.max_events),
            "record_events": checks.flag("EventDriven: record_events", self.record_events),
            "normaliser_tau": checks.number(
                tau, self.normaliser_tau, at_least=checks.SMALLEST, at_most=checks.LARGEST
            ),
            "normaliser_delay": checks.number(
                delay, self.normaliser_delay, at_least=0.0, at_most=checks.LARGEST
            ),
        }.items():
            object.__setattr__(self, name, value)
        if self.noise_step is not None:
            step = checks.number("EventDriven: noise_step", self.noise_step,
                                 at_least=checks.SMALLEST)  # fmt: skip
            object.__setattr__(self, "noise_step", step)

    def quantum_of(self, layer: str) -> float:
        """The quantum of a layer."""
        quantum = self.quantum[layer] if isinstance(self.quantum, Mapping) else self.quantum
        return float(quantum)
