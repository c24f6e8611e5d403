r"""Memories of constant size: kernels written as products of random features.

The energy -(1/beta) log sum_mu exp(-(beta/2) |x - xi_mu|^2) needs all memories. With features phi
whose products phi(x) . phi(xi) have the kernel as their mean, one vector T = sum_mu phi(xi_mu)
stands for any number of them.

References
----------
Hoover, Chau, Strobelt, Ram & Krotov 2024, "Dense associative memory through the lens of random
features" (DrDAM), arXiv:2410.24153; Rahimi & Recht 2007; Choromanski et al. 2021, arXiv:2009.14794.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..display import fields_repr
from ..lagrangians import Softmax

Floats = NDArray[np.float64]
Kernel = Literal["sincos", "expexp"]


def random_feature_memory(
    data: ArrayLike,
    beta: float,
    *,
    n_features: int | None = None,
    omega: ArrayLike | None = None,
    kernel: Kernel = "sincos",
    seed: checks.Seed = 0,
) -> RandomFeatureMemory:
    r"""Distribute data over random features.

    Parameters
    ----------
    data : array_like of shape (K, D)
        The memories; they are not kept.
    beta : float
        Inverse temperature of exp(-(beta/2) |x - xi|^2), as in
        ``dense_am(data, hidden=Softmax(beta), similarity="euclidean")``.
    n_features : int, optional
        Number Y of random directions; there are two features for each.
    omega : array_like of shape (Y, D), optional
        The directions themselves, standard normal, instead of n_features.
    kernel : {"sincos", "expexp"}, default "sincos"
        sincos: (cos, sin)(sqrt(beta) omega x) / sqrt(Y), with standard deviation
        (1 - k^2) / sqrt(2 Y) per memory where the kernel is k.
        expexp: exp(-beta |x|^2) (exp, exp)(+-sqrt(beta) omega x) / sqrt(2 Y), positive, and
        better where sqrt(beta) |x + xi| is small.
    seed : int, SeedSequence or Generator, default 0
        Of the directions; the first ones do not depend on n_features.

    Returns
    -------
    RandomFeatureMemory

    Raises
    ------
    ValueError
        If the arrays do not fit, or not exactly one of n_features and omega is given.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> data = np.random.default_rng(0).normal(size=(50, 2))
    >>> memory = am.models.random_feature_memory(data, beta=1.0, n_features=4000)
    >>> exact = am.dense_am(data, similarity="euclidean", tau_hidden=0.0)
    >>> error = memory.energy(data[0]) - exact.energy({"visible": data[0]})
    >>> memory.memory.shape, bool(abs(error) < 0.05)
    ((8000,), True)
    """
    xi = checks.array("data", data, ndim=2, empty=False, largest=checks.LARGEST)
    checks.choice("kernel", kernel, ("sincos", "expexp"))
    if (n_features is None) == (omega is None):
        raise ValueError("give either n_features or omega, and not both")
    if n_features is not None:
        n_features = checks.count("n_features", n_features)
        checks.room("omega", n_features, xi.shape[1])
        directions = checks.generator(seed).normal(size=(n_features, xi.shape[1]))
    else:
        directions = checks.array("omega", omega, largest=checks.LARGEST)
        if directions.ndim != 2 or directions.shape[1] != xi.shape[1] or not directions.size:
            raise ValueError(
                f"omega has shape {directions.shape}, the data have {xi.shape[1]} units"
            )
    directions = checks.owned(directions)
    empty = RandomFeatureMemory(directions, Softmax(beta).beta, kernel, np.zeros(0), 0.0)
    logs, signs = empty._features(xi)
    # exp-exp features of distant memories underflow: keep their common scale apart.
    scale = float(logs.max())
    memory = checks.owned(np.sum(signs * np.exp(logs - scale), axis=0))
    return RandomFeatureMemory(directions, empty.beta, kernel, memory, scale)


@dataclass(frozen=True, eq=False)
class RandomFeatureMemory:
    """A memory of 2 Y numbers; made by `random_feature_memory`.

    Attributes
    ----------
    omega : ndarray (Y, D)
        Random directions.
    beta : float
    kernel : {"sincos", "expexp"}
    memory : ndarray (2 Y,)
        T = sum_mu phi(xi_mu), over exp(scale): its size does not depend on the number of memories.
    scale : float
    """

    omega: Floats
    beta: float
    kernel: Kernel
    memory: Floats
    scale: float

    __repr__ = fields_repr

    def energy(self, x: ArrayLike) -> Floats:
        """-(1/beta) log(phi(x) . T), shape (*batch, D) to (*batch).

        inf where the estimate of the sum is not positive, as "sincos" can have it far from all
        memories: there it says no more than that the energy is high.
        """
        logs, signs = self._features(self._states(x))
        peak = logs.max(axis=-1, keepdims=True)
        total = np.sum(signs * np.exp(logs - peak) * self.memory, axis=-1)
        with np.errstate(divide="ignore"):
            log = np.log(np.maximum(total, 0)) + peak[..., 0] + self.scale
        return np.asarray(-log / self.beta)

    def force(self, x: ArrayLike) -> Floats:
        """Minus the gradient of the energy, (*batch, D); NaN where the energy is inf."""
        x = self._states(x)
        logs, signs = self._features(x)
        values = signs * np.exp(logs - logs.max(axis=-1, keepdims=True))
        total = np.sum(values * self.memory, axis=-1, keepdims=True)
        total = np.where(total > 0, total, np.nan)
        (plus, minus), (kept, turned) = np.split(values, 2, axis=-1), np.split(self.memory, 2)
        root = math.sqrt(self.beta)
        if self.kernel == "expexp":
            slope = root * (plus * kept - minus * turned) @ self.omega / total - 2 * self.beta * x
        else:
            # The derivative of cos is -sin, that of sin is cos.
            slope = root * (plus * turned - minus * kept) @ self.omega / total
        return np.asarray(slope / self.beta)

    def _states(self, x: ArrayLike) -> Floats:
        array = checks.array("x", x, largest=checks.LARGEST)
        if array.ndim == 0 or array.shape[-1] != self.omega.shape[1]:
            raise ValueError(
                f"x has shape {array.shape}, the memory has {self.omega.shape[1]} units"
            )
        return array

    def _features(self, x: Floats) -> tuple[Floats, Floats]:
        """Logarithms of the sizes of the features (*batch, 2 Y), and their signs."""
        angle = math.sqrt(self.beta) * x @ self.omega.T
        count = len(self.omega)
        if self.kernel == "expexp":
            square = self.beta * np.sum(x * x, axis=-1, keepdims=True)
            logs = np.concatenate([angle, -angle], axis=-1) - square - math.log(2 * count) / 2
            return logs, np.ones_like(logs)
        values = np.concatenate([np.cos(angle), np.sin(angle)], axis=-1)
        return np.full_like(values, -math.log(count) / 2), values
