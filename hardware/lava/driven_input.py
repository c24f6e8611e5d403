"""What arrives at a port of Lava in any step, for a layer that takes it in its turns."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..plan import AnyPlan
from .integers import require_input, whole


class DrivenInput:
    """The sum of what arrived since the last turn of a layer.

    Its port has the type int64: Lava adds what several processes send there, of int32 each, in the
    type of the port.

    Parameters
    ----------
    plan : Plan or GraphPlan
    layer : str
    shape : tuple of int
        Of the sum.
    """

    def __init__(self, plan: AnyPlan, layer: str, shape: tuple[int, ...]) -> None:
        self.plan, self.layer = plan, layer
        self.charge = np.zeros(shape, np.int64)

    def clear(self) -> None:
        """Forget what arrived: a recall starts."""
        self.charge[...] = 0

    def arrive(self, values: Any, step: int) -> None:
        """Add what a port brought in a step of Lava.

        Raises
        ------
        OverflowError
            If the sum is more than the plan was made for.
        """
        if np.count_nonzero(values):
            values = whole("a driven input", values, step)
            np.add(self.charge, values.reshape(self.charge.shape), out=self.charge)
            require_input(self.plan, self.layer, self.charge, step)

    def take(self, given: Any, bias: Any, step: int) -> Any:
        """The drive of a turn, with what arrived; `given` is bias and the input of the job."""
        if not np.count_nonzero(self.charge):
            return given
        drive = given + self.charge
        self.charge[...] = 0
        require_input(self.plan, self.layer, drive - bias, step)
        return drive
