"""`Fault`: units and links that fail, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import ArrayLike

from ... import checks
from ...display import fields_repr

KINDS = ("silent", "stuck", "babbling", "dead")


@dataclass(frozen=True, eq=False)
class Fault:
    """Units that fail from some time on, or links that die.

    Parameters
    ----------
    kind : {"silent", "stuck", "babbling", "dead"}
        "silent": the units send nothing any more; receivers keep what they heard last. "stuck":
        they say `value` once, and then nothing. "babbling": besides all else they send their output
        at random times. "dead": links lose what is in them and all that comes.
    units : mapping of layer names to masks or indices, optional
        The units, but for "dead".
    links : sequence of str, optional
        Names of links of the `Fabric`, for "dead": those of ``traj.stats["link_served"]``.
    at : float, default 0.0
        When it happens, in the unit of tau from the start of the run.
    value : float, optional
        For "stuck".
    rate : float, optional
        For "babbling": mean number of messages of a unit per unit of time.

    Raises
    ------
    ValueError, TypeError
        If a value is not usable; `simulate` says what does not fit the network.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am([[0.4, 0.2]], visible=am.Tanh(), hidden=am.Tanh(), bias_visible=0.5)
    >>> stuck = am.Fault("stuck", units={"visible": [1]}, value=-1.0)
    >>> solver = am.EventDriven(1e-3, am.Timing(faults=[stuck]))
    >>> traj = am.simulate(net, [1.0, 1.0], solver=solver)
    >>> print(traj.status, traj.final["hidden"].round(2))
    settled [-0.02]
    """

    kind: Literal["silent", "stuck", "babbling", "dead"]
    units: Mapping[str, ArrayLike] | None = None
    links: Sequence[str] | None = None
    at: float = 0.0
    value: float | None = None
    rate: float | None = None

    __repr__ = fields_repr

    def __post_init__(self) -> None:
        checks.choice("Fault: kind", self.kind, KINDS)
        needed = {"dead": "links"}.get(self.kind, "units")
        known = {needed, {"stuck": "value", "babbling": "rate"}.get(self.kind, needed)}
        for name in ("units", "links", "value", "rate"):
            there = getattr(self, name) is not None
            if there != (name in known):
                verb = "needs" if not there else "has no use for"
                raise ValueError(f"Fault: {self.kind!r} {verb} {name}")
        at = checks.number("Fault: at", self.at, at_least=0.0, at_most=checks.LARGEST)
        object.__setattr__(self, "at", at)
        if self.value is not None:
            value = checks.number("Fault: value", self.value, at_least=-checks.LARGEST,
                                  at_most=checks.LARGEST)  # fmt: skip
            object.__setattr__(self, "value", value)
        if self.rate is not None:
            rate = checks.number("Fault: rate", self.rate, at_least=checks.SMALLEST,
                                 at_most=checks.LARGEST)  # fmt: skip
            object.__setattr__(self, "rate", rate)
        if self.units is not None:
            object.__setattr__(self, "units", _units(self.units))
        if self.links is not None:
            if isinstance(self.links, str) or not isinstance(self.links, Sequence):
                raise TypeError(
                    f"Fault: links must be a sequence of names, got {checks.shown(self.links)}"
                )
            links = tuple(checks.text("Fault: a link", name) for name in self.links)
            object.__setattr__(self, "links", links)


def _units(units: Any) -> dict[str, Any]:
    if not isinstance(units, Mapping):
        raise TypeError(
            f"Fault: units must be a mapping of layer names to masks or indices, "
            f"got {checks.shown(units)}"
        )
    return {
        checks.text("Fault: a layer of units", layer): checks.owned(
            checks.plain(f"Fault: units of layer {layer!r}", chosen)
        )
        for layer, chosen in units.items()
    }
