"""An integrator of delay differential equations that shares nothing with the project's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, np.dtype[np.float64]]


@pytest.fixture(scope="session")
def method_of_steps() -> Callable[..., Array]:
    return integrate


def integrate(
    velocity: Callable[..., Array],
    start: Array,
    delays: Sequence[float],
    t1: float,
    step: float,
    past: Array | None = None,
) -> Array:
    """States (T + 1, ...) at multiples of `step` of dx/dt = velocity(x(t), x(t - d1), ...).

    Classical Runge-Kutta steps with cubic Hermite interpolation of what is past, so of fourth
    order. Delays are whole numbers of steps; before time 0 the state was `past`, or the start.
    """
    lags = [round(d / step) for d in delays]
    assert np.allclose(np.array(lags) * step, delays, rtol=1e-9, atol=0) and min(lags) >= 1
    count = round(t1 / step)
    x = np.empty((count + 1, *np.shape(start)))
    slope = np.empty_like(x)
    x[0] = start
    before = x[0] if past is None else np.asarray(past, dtype=float)

    def between(k: int) -> Array:
        """The state half a step after point k."""
        if k < 0:
            return before
        return (x[k] + x[k + 1]) / 2 + step / 8 * (slope[k] - slope[k + 1])

    for i in range(count):
        slope[i] = velocity(x[i], *(x[i - lag] if i >= lag else before for lag in lags))
        middle = [between(i - lag) for lag in lags]
        late = [x[i + 1 - lag] if i + 1 >= lag else before for lag in lags]
        k2 = velocity(x[i] + step / 2 * slope[i], *middle)
        k3 = velocity(x[i] + step / 2 * k2, *middle)
        k4 = velocity(x[i] + step * k3, *late)
        x[i + 1] = x[i] + step / 6 * (slope[i] + 2 * k2 + 2 * k3 + k4)
    return x
