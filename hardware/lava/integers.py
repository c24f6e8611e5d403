"""Whether the integers of a model hold what is put into them: at ports, in Vars, in states."""

from typing import Any

import numpy as np

from ..graphs.plan import Units
from ..plan import AnyPlan

STATE_LIMIT = (1 << 23) - 1


def holds(dtype: Any, values: Any) -> bool:
    """Whether a type of integers holds the values exactly; other types hold any."""
    kind = np.dtype(dtype)
    if kind.kind not in "iu":
        return True
    given = np.asarray(values)
    if given.dtype == kind or given.size == 0:
        return True
    if given.dtype.kind not in "iufb":
        return False
    limits = np.iinfo(kind)
    # 2**63 - 1 is no float; 2**63 is.
    inside = (given >= limits.min) & (given < float(limits.max) + (kind.itemsize < 8))
    if given.dtype.kind == "f":
        inside &= np.floor(given) == given
    return bool(np.all(inside))


def whole(port: str, values: Any, step: int) -> Any:
    """What arrived at a port, as integers.

    Raises
    ------
    ValueError
        If it has a fraction, or is not finite.
    """
    if values.dtype.kind in "iu":
        return values
    if not holds(np.int64, values):
        wrong = values[np.floor(values) != values]
        raise ValueError(
            f"{wrong.flat[0]} arrived at {port} in step {step}: send whole numbers, in the "
            f"integers of the plan"
        )
    return values.astype(np.int64)


def require_finite(port: str, values: Any, step: int) -> None:
    """Raise ValueError for what is not finite."""
    if not np.isfinite(values).all():
        raise ValueError(f"NaN or infinity arrived at {port} in step {step}")


def require_input(plan: AnyPlan, layer: str, total: Any, step: int) -> None:
    """Raise OverflowError for driven input that the plan was not made for.

    Parameters
    ----------
    total : ndarray of int (..., n)
        What the job and the port say together.
    step : int
        Of Lava.
    """
    limit = plan.layers[layer].input_limit
    largest = int(np.abs(total).max())
    if largest > limit:
        needed = largest / plan.scales[layer]
        raise OverflowError(
            f"driven input of {largest} in step {step} is beyond {limit}, which the plan was made "
            f"for: compile(..., input_limits={{{layer!r}: {needed:.4g}}})"
        )


def require_state(name: str, values: Any, limit: Any, step: int) -> None:
    """Raise OverflowError for a state that the plan rules out."""
    if (np.abs(values) > limit).any():
        raise OverflowError(
            f"{name} reached {int(np.abs(values).max())} in step {step}: a Var was set, or input "
            f"arrived, beyond what the plan was made for (cue_limit, input_limits)"
        )


def require_bounds(layer: str, x: Any, units: Units, step: int) -> None:
    """Raise OverflowError for a state of a `GraphPlan` beyond its proven bounds."""
    if ((x < units.low) | (x > units.high)).any():
        raise OverflowError(
            f"x of {layer} left its bounds in step {step}: a Var was set, or input arrived, "
            f"beyond what the plan was made for (cue_limit, input_limits)"
        )
