"""`Integers`: the integers of a plan as what runs the phases of `amsim.learning.gradient`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from amsim import Network, checks

from .errors import MappingError
from .planner import compile
from .run import Result, run

Arrays = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Integers:
    """Recall by the integers of a chip, for `amsim.learning.gradient` and `train` as `solver`.

    Each run compiles a plan of the network as it then is, and recalls with it. Its weights are
    those of the network, rounded; derivatives are of the network's own energy, at the states where
    the plan ends.

    Parameters
    ----------
    weight_bits : int, default 8
    chip : str, default "loihi2"
    dt : float, optional
    quantum : float, default 0.0
        As for `compile`.
    steps : int, optional
        Of a recall; `Plan.steps` by default.
    backend : str, default "emulator"
        As for `run`.

    Raises
    ------
    ValueError, TypeError
        If an argument is not usable.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> import hardware as hw
    >>> patterns = am.patterns.random(4, 16, seed=0)
    >>> net = am.dense_am(patterns + 0.1, hidden=am.Softmax(beta=0.3))
    >>> loss = am.learning.SquaredError("visible", patterns[:, 12:] / 2, units=slice(12, 16))
    >>> found = am.learning.gradient(
    ...     net, patterns, loss, clamp=np.arange(16) < 12, solver=hw.Integers(),
    ...     method="equilibrium_propagation", nudge=0.5,
    ... )
    >>> found.status, found.parameters["hidden-visible"]["weights"].shape
    ('settled', (4, 16))
    """

    weight_bits: int = 8
    chip: str = "loihi2"
    dt: float | None = None
    quantum: float = 0.0
    steps: int | None = None
    backend: str = "emulator"

    def __post_init__(self) -> None:
        bits = checks.count("Integers: weight_bits", self.weight_bits, at_least=2, at_most=8)
        object.__setattr__(self, "weight_bits", bits)
        for name in ("chip", "backend"):
            checks.text(f"Integers: {name}", getattr(self, name))

    def settle(
        self,
        network: Network,
        states: Arrays,
        *,
        clamp: Mapping[str, NDArray[np.bool_]],
        inputs: Arrays,
    ) -> Result:
        """Recall cues (B, D); memories start at rest for their features."""
        if "visible" not in states:
            raise MappingError(f"a plan starts from layer 'visible'; given are {', '.join(states)}")
        if other := [name for name in clamp if name != "visible" and clamp[name].any()]:
            raise MappingError(f"layer {other[0]!r} is clamped: a plan clamps features alone")
        features = states["visible"]
        plan = compile(
            network,
            self.chip,
            self.weight_bits,
            self.dt,
            quantum=self.quantum,
            cue_limit=float(np.abs(features).max()),
            input_limits={name: float(np.abs(x).max()) for name, x in inputs.items()},
        )
        held = {name: mask for name, mask in clamp.items() if name == "visible"}
        return run(
            plan, features, backend=self.backend, steps=self.steps, clamp=held, inputs=inputs
        )
