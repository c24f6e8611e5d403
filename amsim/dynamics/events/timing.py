"""`Timing`: delays, losses and clocks of messages, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import ArrayLike

from ... import checks
from ...display import fields_repr
from .chips import CLOCKS, FABRICS
from .clocks import Barrier, Periodic, Poisson, number_field
from .correlated import Bursts, CommonJitter, Distribution, check_distribution
from .drift import Drift
from .faults import Fault
from .links import Fabric

Delay = ArrayLike | Distribution
_LARGEST_SPREAD = 10.0  # taus over e^80, more than any accuracy resolves


@dataclass(frozen=True, eq=False)
class Timing:
    """Delays, losses and clocks of an asynchronous network; all times in the unit of tau.

    Parameters
    ----------
    delay : float, array_like, frozen scipy.stats distribution, or mapping; default 0.0
        Travel time of messages. A distribution is drawn once per sending unit, or once per link
        if scope="link". An array has one entry per unit of the network (layers one after the
        other), or with scope="link" the shape of the weights of the only synapse, for both
        directions. A mapping gives layers by name (their units as senders; arrays have the shape
        of the layer), or pairs (source, target) of layers, where an array has one row per
        sending and one column per receiving unit and needs scope="link". What a mapping leaves
        out has no delay.
    scope : {"broadcast", "link"}, default "broadcast"
        Whether a message reaches all units of a layer at one time, or each by its own link, with
        its own delay, jitter and loss.
    jitter : float or frozen scipy.stats distribution, default 0.0
        Further travel time of each message, drawn anew: uniform in [0, jitter], or distributed.
    drop : float, default 0.0
        Probability that a message gets lost, less than 1.
    on_drop : {"hold", "zero"}, default "hold"
        What a receiver reads from a link whose message was lost: the last value, or 0 until the
        next message comes.
    heartbeat : float, optional
        A unit that has sent nothing for so long sends its output again.
    arrival : {"timestamp", "latest"}, default "timestamp"
        Which message counts if one overtakes another: the one sent last, or the one that came
        last.
    tau_spread : float, default 0.0
        Mismatch of time constants: the tau of each unit is multiplied by exp(tau_spread * z), with
        z standard normal and fixed.
    clock : Poisson, Periodic or Barrier, optional
        When a unit may look at its output and send. By default it sends at the very moment at which
        its output has moved by a quantum.
    fabric : Fabric, optional
        Links with bandwidth that units share, on the way before all of this; see docs/fabric.md.
    faults : sequence of Fault, default none
        Units and links that fail during a run.
    common_jitter : CommonJitter, optional
        Further travel time that messages of a group share.
    bursts : Bursts, optional
        Losses that messages of a group share, in place of `drop`.
    drift : Drift, optional
        Time constants and delays that change during a run.
    refractory : float or mapping of layer names to array_like, default 0.0
        For so long after a message a unit does not send. If its output has moved by a quantum until
        then, it sends what its output is at the end; with a clock it sends at the next tick.
    quantum_spread : float, default 0.0
        Mismatch of comparators: the quantum of each unit is multiplied by exp(quantum_spread * z),
        with z standard normal and fixed.

    Raises
    ------
    ValueError, TypeError
        If a value is not usable; the message names the remedy. What depends on the network is
        checked by `simulate`.

    Notes
    -----
    All draws are functions of the seed of `simulate`, the unit and the number of its message or
    tick, so that they depend neither on the batch nor on the order of computation. The cues of a
    batch see the same delays, losses and clocks.

    Examples
    --------
    >>> from amsim import Periodic, Timing
    >>> Timing(delay=0.5, drop=0.1, heartbeat=5.0, clock=Periodic(0.01)).scope
    'broadcast'
    """

    delay: Delay | Mapping[Any, Delay] = 0.0
    scope: Literal["broadcast", "link"] = "broadcast"
    jitter: float | Distribution = 0.0
    drop: float = 0.0
    on_drop: Literal["hold", "zero"] = "hold"
    heartbeat: float | None = None
    arrival: Literal["timestamp", "latest"] = "timestamp"
    tau_spread: float = 0.0
    clock: Poisson | Periodic | Barrier | None = None
    fabric: Fabric | None = None
    faults: Sequence[Fault] = ()
    common_jitter: CommonJitter | None = None
    bursts: Bursts | None = None
    drift: Drift | None = None
    refractory: float | Mapping[str, ArrayLike] = 0.0
    quantum_spread: float = 0.0

    __repr__ = fields_repr

    def __post_init__(self) -> None:
        if isinstance(self.delay, Mapping):
            object.__setattr__(self, "delay", {k: _delay(part) for k, part in self.delay.items()})
        else:
            object.__setattr__(self, "delay", _delay(self.delay))
        if isinstance(self.jitter, Distribution):
            _delay(self.jitter, "jitter")
        else:
            number_field(self, "jitter")
        number_field(self, "drop", below=1.0)
        number_field(self, "tau_spread", at_most=_LARGEST_SPREAD)
        number_field(self, "quantum_spread", at_most=_LARGEST_SPREAD)
        object.__setattr__(self, "refractory", _refractory(self.refractory))
        if self.heartbeat is not None:
            number_field(self, "heartbeat", at_least=checks.SMALLEST)
        if not (self.clock is None or isinstance(self.clock, (Poisson, Periodic, Barrier))):
            raise TypeError(
                f"Timing: clock is {self.clock!r}; use Poisson(rate), Periodic(period), "
                f"Barrier(step), or None for units that send without a clock"
            )
        if self.fabric is not None:
            checks.instance("Timing: fabric", self.fabric, Fabric, "Fabric(...) or None")
        for name, kind, how in (
            ("common_jitter", CommonJitter, "CommonJitter(jitter, correlation) or None"),
            ("bursts", Bursts, "Bursts(good, bad) or None"),
            ("drift", Drift, "Drift(times, tau=..., delay=...) or None"),
        ):
            if getattr(self, name) is not None:
                checks.instance(f"Timing: {name}", getattr(self, name), kind, how)
        if self.bursts is not None and self.drop:
            raise ValueError(
                "Timing: bursts have a probability of loss in each state: leave drop out, and "
                "pass drop_good= to Bursts"
            )
        if isinstance(self.faults, Fault) or not isinstance(self.faults, Sequence):
            raise TypeError(
                f"Timing: faults must be a sequence of Fault(...), got {checks.shown(self.faults)}"
            )
        for fault in self.faults:
            checks.instance("Timing: a fault", fault, Fault, "Fault(...)")
        object.__setattr__(self, "faults", tuple(self.faults))
        checks.choice("Timing: scope", self.scope, ("broadcast", "link"))
        checks.choice("Timing: on_drop", self.on_drop, ("hold", "zero"))
        checks.choice("Timing: arrival", self.arrival, ("timestamp", "latest"))

    @classmethod
    def chip(cls, name: str, *, tau: float, fabric: Fabric | None = None, **given: float) -> Timing:
        """The clock of a chip with its links, as far as they are published.

        Parameters
        ----------
        name : {"loihi1", "loihi2", "spinnaker1", "truenorth"} or one of `Fabric.chip`
            Units of these send at barriers or ticks; the others have no clock.
        tau : float
            Seconds in the unit of time, which is that of the network's tau.
        fabric : Fabric, optional
            By default that of `Fabric.chip`, in which each layer is a group; none for TrueNorth, of
            whose links nothing is published. Clocks of SpiNNaker are those of its groups.
        **given
            Other numbers than those of ``amsim.dynamics.events.CLOCKS[name]``, under their names
            there, times in seconds.

        Returns
        -------
        Timing
            ``dataclasses.replace`` adds what else there is.

        Raises
        ------
        ValueError
            If there is no such chip or number.

        Examples
        --------
        >>> import amsim as am
        >>> am.Timing.chip("loihi1", tau=1e-5, step=1e-5, overhead=0.0).clock
        Barrier(step=1.0, overhead=0.0)
        """
        checks.choice("Timing.chip: name", name, tuple(dict.fromkeys((*CLOCKS, *FABRICS))))
        figures = CLOCKS.get(name, {})
        seconds = checks.number("Timing.chip: tau", tau, at_least=checks.SMALLEST,
                                at_most=checks.LARGEST)  # fmt: skip
        for each in given:
            if each not in figures:
                there = f"there are {', '.join(figures)}" if figures else "it has no clock"
                raise ValueError(f"Timing.chip: {name} has no number {each!r}; {there}")
        value: dict[str, Any] = {}
        for each, figure in figures.items():
            number = given.get(each, figure.value)
            timed = figure.unit == "s" and number is not None
            if timed:
                number = checks.number(f"Timing.chip: {each}", number, at_least=0.0) / seconds
            value[each] = number
        clock: Barrier | Periodic | None = None
        if figures:
            clock = Barrier(**value) if "step" in value else Periodic(per="group", **value)
        if fabric is None and name in FABRICS:
            fabric = Fabric.chip(name, tau=seconds)
        return cls(clock=clock, fabric=fabric)

    @property
    def shares(self) -> bool:
        """Whether a run needs the engine that knows groups, their links and clocks, and faults."""
        by_group = isinstance(self.clock, Periodic) and self.clock.per == "group"
        by_group = by_group or isinstance(self.clock, Barrier)
        correlated = self.common_jitter is not None or self.bursts is not None
        rests = bool(self.refractory)
        return self.fabric is not None or bool(self.faults) or by_group or correlated or rests


def _delay(value: Any, name: str = "delay") -> Any:
    """A distribution, a number, or a copy of an array; finite and not negative."""
    if isinstance(value, Distribution):
        check_distribution(f"Timing: {name}", value)
        return value
    what = f"Timing: {name} (a number, an array, or such as scipy.stats.uniform(0, 0.5))"
    array = checks.array(what, value, empty=False, largest=checks.LARGEST)
    if array.min() < 0:
        raise ValueError(f"Timing: {name} must not be negative, got {checks.shown(value)}")
    return checks.owned(array) if array.ndim else float(array)


def _refractory(value: Any) -> float | dict[str, Any]:
    """A number, or arrays by layer; finite and not negative."""
    if not isinstance(value, Mapping):
        return checks.number("Timing: refractory", value, at_least=0.0, at_most=checks.LARGEST)
    found = {}
    for layer, times in value.items():
        what = (
            f"Timing: refractory of layer {checks.text('Timing: a layer of refractory', layer)!r}"
        )
        array = checks.array(what, times, empty=False, largest=checks.LARGEST)
        if array.min() < 0:
            raise ValueError(f"{what} must not be negative, got {checks.shown(times)}")
        found[layer] = checks.owned(array)
    return found


def checked_quantum(what: str, quantum: Any) -> float | dict[str, float]:
    """One positive number, or one for each layer."""
    if isinstance(quantum, Mapping):
        return {
            checks.text(f"{what} of a layer", layer): _quantum(f"{what} of layer {layer!r}", value)
            for layer, value in quantum.items()
        }
    return _quantum(what, quantum)


def _quantum(what: str, value: Any) -> float:
    return checks.number(what, value, at_least=checks.SMALLEST, at_most=checks.LARGEST)
