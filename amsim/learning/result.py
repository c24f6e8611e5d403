"""`LossGradient`: what `gradient` returns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..display import fields_html, fields_repr
from ..dynamics.problem import STATUSES as OF_RUNS
from ..parameters import Tree
from ..synapses import Array

# From what one wants to what one does not; "step_limit" and "unknown" are of integers.
STATUSES = ("settled", "stopped", "unsolved", "step_limit", "unknown", *OF_RUNS[2:])


@dataclass(frozen=True, eq=False)
class LossGradient:
    """The derivative of a loss by the parameters, and what became of the cues.

    Attributes
    ----------
    parameters : dict of str to dict of str to ndarray
        By the names of `Network.parameters`, in their shapes, summed over the cues in `used`.
    loss : float
        Of the free rest, summed over the cues in `used`.
    losses : ndarray (*batch)
        Of each cue, also of those that are not used.
    used : ndarray of bool (*batch)
        The cues that the sums are over: those that settled in every phase.
    statuses : ndarray of str (*batch)
        The worst of the phases of each cue, as results of runs have them; "unsolved" where the
        linear system of an implicit gradient was not solved.
    residuals : ndarray (*batch)
        With "implicit" what is left of the linear system, relative to the derivative of the loss;
        else the largest |tau dx/dt| at the end of any phase. NaN where there is none.
    states : dict of str to ndarray (*batch, *shape)
        Where the free phase ended.
    inputs : dict of str to ndarray (*batch, *shape)
        The derivative of the loss by constant inputs, with "implicit"; else empty.
    message : str
        What happened, and the remedy where it is not what one wants.
    method : str
    """

    parameters: Tree
    loss: float
    losses: Array
    used: NDArray[np.bool_]
    statuses: NDArray[np.str_]
    residuals: Array
    states: dict[str, Array]
    inputs: dict[str, Array]
    message: str
    method: str

    __repr__ = fields_repr
    _repr_html_ = fields_html

    @cached_property
    def status(self) -> str:
        """The worst of `statuses`."""
        return max(self.statuses.ravel().tolist(), key=STATUSES.index)
