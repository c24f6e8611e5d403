"""`Drift`: time constants and delays that change during a run, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import checks
from ...display import fields_repr

_LARGEST = 1e6  # factor, or one over it


@dataclass(frozen=True, eq=False)
class Drift:
    """Time constants and delays that change at known times, and are constant between them.

    Parameters
    ----------
    times : array_like (T,)
        Increasing and > 0, in the unit of tau from the start of the run.
    tau : array_like (T,), or mapping of layer names to array_like (T,) or (T, *shape), optional
        Factors of the time constants from each time on, for all units, or for those of layers. What
        a mapping leaves out does not change.
    delay : array_like (T,), or mapping of layer names to array_like (T,) or (T, *shape), optional
        Likewise of the delays of messages, by their senders. A message under way keeps its own.

    Raises
    ------
    ValueError, TypeError
        If times do not increase, there is not one factor for each, or one lies outside of 1e-6 to
        1e6. `simulate` says what does not fit the network.

    Notes
    -----
    States are evaluated at each time, and go on exactly from there; what is sent or arrives at that
    very time comes before. Slow drifts are many small steps: a filter in subthreshold CMOS has
    tau = C U_T / (kappa I), which grows by 0.33 % with each kelvin at 300 K if its current stays.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> times = np.arange(1.0, 10.0)
    >>> warmer = am.Drift(times, tau=1 + 0.0033 * times, delay={"visible": 1 + 0.01 * times})
    >>> patterns = am.patterns.random(3, 16, seed=0)
    >>> net = am.dense_am(patterns, hidden=am.Softmax(beta=1.0))
    >>> timing = am.Timing(delay=0.1, drift=warmer)
    >>> am.simulate(net, patterns[0] * 0.5, solver=am.EventDriven(0.01, timing)).status
    'settled'
    """

    times: ArrayLike
    tau: ArrayLike | Mapping[str, ArrayLike] | None = None
    delay: ArrayLike | Mapping[str, ArrayLike] | None = None

    __repr__ = fields_repr

    def __post_init__(self) -> None:
        times = checks.array("Drift: times", self.times, ndim=1, largest=checks.LARGEST)
        if not len(times) or times[0] <= 0 or not (np.diff(times) > 0).all():
            raise ValueError(
                f"Drift: times must be one or more, > 0 and increasing, got "
                f"{checks.shown(self.times)}"
            )
        object.__setattr__(self, "times", checks.owned(times))
        if self.tau is None and self.delay is None:
            raise ValueError("Drift: nothing changes; pass tau=, delay= or both")
        for name in ("tau", "delay"):
            object.__setattr__(self, name, self._factors(name, getattr(self, name)))

    def _factors(self, name: str, given: Any) -> Any:
        if given is None:
            return None
        if isinstance(given, Mapping):
            return {
                checks.text(f"Drift: a layer of {name}", layer): self._rows(
                    f"Drift: {name} of layer {layer!r}", rows
                )
                for layer, rows in given.items()
            }
        rows = self._rows(f"Drift: {name}", given)
        if rows.ndim > 1:
            raise ValueError(
                f"Drift: {name} has shape {rows.shape}; pass one factor for each time, or a "
                f"mapping of layer names to factors by unit"
            )
        return rows

    def _rows(self, what: str, given: Any) -> NDArray[np.float64]:
        rows, count = checks.array(what, given, empty=False), len(np.asarray(self.times))
        if not rows.ndim or len(rows) != count:
            raise ValueError(f"{what} has shape {rows.shape}; there are {count} times")
        if rows.min() < 1 / _LARGEST or rows.max() > _LARGEST:
            raise ValueError(
                f"{what} must be factors from {1 / _LARGEST:g} to {_LARGEST:g}, got {rows.min():g} "
                f"to {rows.max():g}"
            )
        return checks.owned(rows)
