"""What a backend returns: the last states, what was recorded, and counts of messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from amsim.display import fields_repr

from .units import Integers


@dataclass(frozen=True, eq=False)
class Trace:
    """What a backend returns.

    Attributes
    ----------
    final : dict of str to ndarray of int
        v (B, D) under "visible", h (B, K) under "hidden", c (B, 1) under "normaliser" (softmax
        memories only), after the last step.
    signals : dict of str to ndarray of int (T, B, n)
        The recorded signals, of `hardware.schedule.SIGNALS`; row t is the value at the end of
        step t.
    messages : dict of str to ndarray of int (B,)
        Messages that are not 0, by kind: "visible" (from features), "hidden" (p or f from
        memories), "rounds" (from memories to the normaliser), "normaliser".
    steps : int
        Steps that were asked for; the states are those after so many steps.
    seconds : dict of str to float
        Wall-clock times, "build" and "run".
    settled : ndarray of int (B,), optional
        Steps after which the integers of a cue no longer changed, -1 where they still did.
    """

    final: dict[str, Integers]
    signals: dict[str, Integers]
    messages: dict[str, Integers]
    steps: int
    seconds: dict[str, float] = field(default_factory=dict)
    settled: Integers | None = None

    __repr__ = fields_repr
