r"""Diffusion models with an exact score, as dense associative memories.

Data diffuse by dx = sigma dw from tau = 0; at tau each has become a Gaussian of width
s = sigma sqrt(tau), and their density is that of a memory at inverse temperature 1 / s^2:

.. math::
    p_\tau(x) \propto \exp(-E(x, \tau) / 2 s^2), \qquad
    E(x, \tau) = -2 s^2 \log \sum_\mu \exp(-|x - \xi_\mu|^2 / 2 s^2)

References
----------
Pham, Raya, Negri, Zaki, Ambrogioni & Krotov 2025, "Memorization to generalization: emergence of
diffusion models from associative memory", arXiv:2505.21777; Krotov et al. 2025, arXiv:2507.06211.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..display import fields_repr
from ..lagrangians import Softmax
from ..network import Network
from .two_layer import dense_am

Floats = NDArray[np.float64]
# Mean shifts before minima are polished.
_SHIFTS = 500
# Squares of larger numbers, summed over units, need not be finite.


def diffusion_memory(data: ArrayLike, sigma: float = 1.0) -> DiffusionMemory:
    """Diffusion model of some data with its exact score.

    Parameters
    ----------
    data : array_like of shape (K, D)
        The memories.
    sigma : float, default 1.0
        Width of the noise at tau = 1, in units of the data.

    Returns
    -------
    DiffusionMemory

    Raises
    ------
    ValueError
        If the data are not a finite matrix, or sigma is not positive.

    Examples
    --------
    >>> import amsim as am
    >>> memory = am.models.diffusion_memory([[-1.0], [1.0]])
    >>> float(memory.score([0.0], tau=1.0)[0])
    0.0
    >>> len(memory.minima(tau=0.5)), len(memory.minima(tau=2.0))  # they merge at tau = 1
    (2, 1)
    """
    return DiffusionMemory(checks.array("data", data), sigma)


@dataclass(frozen=True, eq=False)
class DiffusionMemory:
    """Data that diffuse, and the way back; made by `diffusion_memory`.

    Attributes
    ----------
    data : ndarray (K, D)
    sigma : float
    """

    data: Floats
    sigma: float

    __repr__ = fields_repr

    def __post_init__(self) -> None:
        data = checks.array("data", self.data, ndim=2, empty=False, largest=checks.LARGEST)
        object.__setattr__(self, "data", checks.owned(data))
        object.__setattr__(self, "sigma", positive("sigma", self.sigma))

    def beta(self, tau: float) -> float:
        """Inverse temperature 1 / (sigma^2 tau) of `network`; half of it where exp(-beta d^2)."""
        return 1.0 / (self.sigma**2 * positive("tau", tau))

    def energy(self, x: ArrayLike, tau: float) -> Floats:
        """E(x, tau) of the module's head: (*batch, D) to (*batch), in squared units of the data.

        It is twice the energy of `network`.
        """
        softmax = Softmax(self.beta(tau))
        return np.asarray(-2 * softmax.value(-self._squares(x) / 2))

    def denoise(self, x: ArrayLike, tau: float) -> Floats:
        """The mean of the data given x at tau, (*batch, D): attention to the data."""
        softmax = Softmax(self.beta(tau))
        return np.asarray(softmax.activation(-self._squares(x) / 2) @ self.data)

    def score(self, x: ArrayLike, tau: float) -> Floats:
        """Gradient of log p_tau, (*batch, D): (denoise(x) - x) / (sigma^2 tau)."""
        return np.asarray((self.denoise(x, tau) - checks.array("x", x)) * self.beta(tau))

    def network(self, tau: float) -> Network:
        """The two-layer network whose force is sigma^2 tau times the score.

        Layers "visible" (D,) and "hidden" (K,), the latter with tau = 0. One update of `FixedPoint`
        is `denoise`.
        """
        hidden = Softmax(self.beta(tau))
        return dense_am(self.data, hidden=hidden, similarity="euclidean", tau_hidden=0.0)

    def minima(self, tau: float, starts: ArrayLike | None = None) -> Floats:
        """Minima of the energy, (n, D), lowest first.

        Those that descend from `starts`, by default the data: a minimum into which none of them
        falls is not found.
        """
        from ..stability import find_all

        x = self.data if starts is None else checks.array("starts", starts, ndim=2, empty=False)
        near = 1e-3 * self.sigma * math.sqrt(positive("tau", tau))
        for _ in range(_SHIFTS):
            before, x = x, self.denoise(x, tau)
            if np.abs(x - before).max() < 1e-6 * near:
                break
        network = self.network(tau)
        rests = find_all(network, _distinct(x, near))
        found = [rest.states["visible"] for rest in rests if _is_minimum(network, rest.states)]
        return np.array(found).reshape(-1, x.shape[-1])

    def draw(self, count: int, tau: float, seed: checks.Seed = 0) -> Floats:
        """Noisy data at tau, (count, D)."""
        count, number = checks.count("count", count), checks.seed_number(seed)
        checks.room("the samples", count, self.data.shape[1])
        kept = np.random.default_rng([number, 0]).integers(len(self.data), size=count)
        noise = np.stack([rng.normal(size=self.data.shape[1]) for rng in _streams(number, count)])
        return np.asarray(self.data[kept] + self.sigma * math.sqrt(positive("tau", tau)) * noise)

    def reverse_ode(self, x: ArrayLike, taus: Sequence[float] | Floats) -> Floats:
        r"""Follow the probability flow dx/dtau = -(sigma^2 / 2) score back to small tau.

        Parameters
        ----------
        x : array_like of shape (*batch, D)
            At taus[0].
        taus : array_like (T,)
            Decreasing and positive; geometric is best. Each step is exact for a single datum and of
            second order otherwise.

        Returns
        -------
        ndarray (T, *batch, D)
        """
        path = [checks.array("x", x)]
        grid = _decreasing(taus)
        for tau, then in pairwise(grid):
            shrink, start = math.sqrt(then / tau), path[-1]
            first = self.denoise(start, tau)
            second = self.denoise(first + shrink * (start - first), then)
            mean = (first + second) / 2
            path.append(mean + shrink * (start - mean))
        return np.array(path)

    def reverse_sde(
        self, x: ArrayLike, taus: Sequence[float] | Floats, seed: checks.Seed = 0
    ) -> Floats:
        r"""Follow the reverse diffusion dx = sigma^2 score |dtau| + sigma dw back to small tau.

        As `reverse_ode`, with first order. Samples have their own random numbers: the first of a
        batch does not change with the size of the batch.
        """
        path = [checks.array("x", x)]
        grid, batch = _decreasing(taus), self._squares(path[0]).shape[:-1]
        units = self.data.shape[1]
        rngs = _streams(seed, math.prod(batch))
        for tau, then in pairwise(grid):
            kick = self.sigma * math.sqrt(then * (tau - then) / tau)
            noise = np.stack([rng.normal(size=units) for rng in rngs]).reshape(path[0].shape)
            goal = self.denoise(path[-1], tau)
            path.append(goal + then / tau * (path[-1] - goal) + kick * noise)
        return np.array(path)

    def _squares(self, x: ArrayLike) -> Floats:
        """|x - xi|^2, (*batch, K)."""
        x = checks.array("x", x, empty=False, largest=checks.LARGEST)
        if x.ndim == 0 or x.shape[-1] != self.data.shape[1]:
            raise ValueError(f"x has shape {x.shape}, the data have {self.data.shape[1]} units")
        # Differences, not expanded squares: near a memory these would cancel.
        from scipy.spatial.distance import cdist

        flat = cdist(x.reshape(-1, x.shape[-1]), self.data, "sqeuclidean")
        return np.asarray(flat.reshape(*x.shape[:-1], -1))


def _is_minimum(network: Network, states: Any) -> bool:
    slopes = np.linalg.eigvalsh(network.jacobian({"visible": states["visible"]}))
    return bool(slopes.max() < 0)


def _distinct(points: Floats, distance: float) -> Floats:
    """One of each group of points that lie within a distance of it."""
    kept: list[Floats] = []
    for point in points:
        if not kept or np.abs(np.array(kept) - point).max(axis=1).min() > distance:
            kept.append(point)
    return np.array(kept)


def _streams(seed: checks.Seed, count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(child) for child in checks.seed_sequence(seed).spawn(count)]


def positive(name: str, value: float) -> float:
    """The value, if it is positive and products of it are finite."""
    return checks.number(name, value, at_least=checks.SMALLEST, at_most=checks.LARGEST)


def _decreasing(taus: Sequence[float] | Floats) -> Floats:
    grid = checks.array("taus", taus, largest=checks.LARGEST)
    if grid.ndim != 1 or len(grid) < 2 or not (np.diff(grid) < 0).all() or not grid[-1] > 0:
        raise ValueError(
            "taus must be at least two decreasing positive numbers; end at a small tau and call "
            "denoise for tau = 0"
        )
    return grid
