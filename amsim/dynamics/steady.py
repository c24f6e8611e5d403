"""`steady_state`: whether a long run, which never comes to rest, has become stationary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..display import fields_html, fields_repr


@dataclass(frozen=True, eq=False)
class SteadyState:
    """What `steady_state` found.

    Attributes
    ----------
    steady : bool
        Whether no series has a trend at the given level.
    p_value : float
        The smallest of all series, times their number (Bonferroni); at most 1.
    trend : ndarray (*series)
        Kendall's tau of the means of windows: 1 if each is larger than the one before.
    correlation : ndarray (*series)
        Of the means of neighbouring windows. Where there is no trend and it is well above
        2 / sqrt(windows), windows are too short.
    means : ndarray (windows, *series)
    """

    steady: bool
    p_value: float
    trend: NDArray[np.float64]
    correlation: NDArray[np.float64]
    means: NDArray[np.float64]

    __repr__ = fields_repr
    _repr_html_ = fields_html


def steady_state(values: ArrayLike, *, windows: int = 20, level: float = 0.01) -> SteadyState:
    """Test a record of a run for a trend.

    Parameters
    ----------
    values : array_like (T, *series)
        What was recorded at equal distances in time, with the time in front: overlaps, means of
        states, messages sent in bins. The beginning is not left out.
    windows : int, default 20
        In which values are averaged, at least 8. They should be longer than the process is
        correlated.
    level : float, default 0.01
        Probability that a stationary run is called not steady.

    Returns
    -------
    SteadyState

    Raises
    ------
    ValueError, TypeError
        If there are fewer values than windows, or a value is not usable.

    Notes
    -----
    The means of windows that are long beside the correlation time are independent, and of a
    stationary run each order of them is equally likely: Kendall's tau (1938) of the means and their
    number has an exact distribution then, whatever that of the values. Windows that are too short
    make the test reject more often than `level`, not less. A trend that turns within the run can
    escape it, and so can states that are left once in many runs.

    It judges a run whose length was chosen before. Asked again and again until it says "steady", it
    would say so too early: that is why `until` of `simulate` does not know it.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.Network({"x": am.Layer(50, am.Identity())}, [])
    >>> times = np.linspace(0.1, 80.0, 800)
    >>> solver = am.EventDriven(0.5)
    >>> start = {"x": [20.0] * 50}
    >>> traj = am.simulate(net, start, solver=solver, noise=0.1, times=times, seed=1)
    >>> mean = traj["x"].mean(axis=1)
    >>> am.steady_state(mean[:200]).steady, am.steady_state(mean[200:]).steady
    (False, True)
    """
    from scipy.stats import kendalltau

    array = checks.array("steady_state: values", values, empty=False)
    count = checks.count("steady_state: windows", windows, at_least=8, at_most=10_000)
    level = checks.number("steady_state: level", level, above=0.0, below=1.0)
    if not array.ndim or len(array) < count:
        raise ValueError(
            f"steady_state: values have shape {array.shape}; there must be one or more for each of "
            f"the {count} windows: record more times, or take fewer windows"
        )
    size = len(array) // count
    late = array[len(array) - size * count :]
    means = late.reshape(count, size, *array.shape[1:]).mean(axis=1)
    series = means.reshape(count, -1).T
    found = [kendalltau(np.arange(count), each) for each in series]
    # Constant series have no order.
    p_values = np.nan_to_num([float(each.pvalue) for each in found], nan=1.0)
    trend = np.nan_to_num([float(each.statistic) for each in found])
    smallest = min(1.0, float(p_values.min()) * len(series))
    return SteadyState(
        steady=smallest >= level,
        p_value=smallest,
        trend=trend.reshape(array.shape[1:]),
        correlation=_neighbours(series).reshape(array.shape[1:]),
        means=means,
    )


def _neighbours(series: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation of neighbours in each row; 0 of constants."""
    centred = series - series.mean(axis=1, keepdims=True)
    power = (centred**2).sum(axis=1)
    shared = (centred[:, 1:] * centred[:, :-1]).sum(axis=1)
    return np.asarray(np.divide(shared, power, out=np.zeros_like(power), where=power > 0))
