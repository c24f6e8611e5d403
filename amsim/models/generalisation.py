"""The transition of diffusion models from memorisation over spurious states to generalisation.

References
----------
Pham, Raya, Negri, Zaki, Ambrogioni & Krotov 2025, "Memorization to generalization: emergence of
diffusion models from associative memory", arXiv:2505.21777.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from .diffusion import Floats, diffusion_memory, positive


def classify_samples(samples: ArrayLike, data: ArrayLike, distance: float) -> NDArray[np.str_]:
    """Tell memorised, spurious and generalised samples apart.

    Parameters
    ----------
    samples : array_like of shape (n, D)
        What a memory or a diffusion model ended at, from many independent starts.
    data : array_like of shape (K, D)
        What it was built from.
    distance : float
        Two points that are no further apart count as one.

    Returns
    -------
    ndarray of str (n,)
        "memorised" near a datum; "spurious" away from all data but near another sample: an
        attractor that nobody stored; "generalised" if it appeared once.

    References
    ----------
    Pham et al. 2025, arXiv:2505.21777, section 3.

    Examples
    --------
    >>> import amsim as am
    >>> kinds = am.models.classify_samples([[0.0], [0.5], [0.5], [0.8]], [[0.0]], distance=0.01)
    >>> kinds.tolist()
    ['memorised', 'spurious', 'spurious', 'generalised']
    """
    from scipy.spatial.distance import cdist

    points = checks.array("samples", samples, largest=checks.LARGEST)
    known = checks.array("data", data, largest=checks.LARGEST)
    if points.ndim != 2 or known.ndim != 2 or points.shape[1] != known.shape[1] or not known.size:
        raise ValueError(
            f"samples have shape {points.shape}, data {known.shape}; both must be (number, units) "
            f"with equal units"
        )
    stored = cdist(points, known).min(axis=1) <= positive("distance", distance)
    again = (cdist(points, points) <= distance).sum(axis=1) > 1
    return np.where(stored, "memorised", np.where(again, "spurious", "generalised"))


def transition(
    data: ArrayLike,
    sizes: Sequence[int],
    *,
    width: float,
    distance: float,
    samples: int = 100,
    shifts: int = 20,
    seed: checks.Seed = 0,
) -> dict[str, Floats]:
    """How many samples are memorised, spurious and generalised as the data grow.

    For each size the model of the first so many data draws noise that covers them, follows the
    probability flow down to tau = 1, and descends there for 20 mean shifts, x <- denoise(x).

    The time is finite on purpose: random data always leave shallow minima, and what counts as one
    attractor depends on how long one waits.

    Parameters
    ----------
    data : array_like of shape (K, D)
        In random order.
    sizes : sequence of int
        Amounts of data, at most K.
    width : float
        Standard deviation of the noise that remains: the resolution of the model.
    distance : float
        As for `classify_samples`.
    samples : int, default 100
    shifts : int, default 20
    seed : int, SeedSequence or Generator, default 0

    Returns
    -------
    dict of str to ndarray (len(sizes),)
        Shares of "memorised", "spurious" and "generalised" samples.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 2000)
    >>> circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    >>> shares = am.models.transition(circle, [2, 2000], width=0.1, distance=1e-3, samples=20)
    >>> float(shares["memorised"][0]), float(shares["memorised"][1])
    (1.0, 0.0)
    """
    points = checks.array("data", data, ndim=2, empty=False, largest=checks.LARGEST)
    amounts = checks.plain("sizes", sizes)
    if amounts.ndim != 1 or not amounts.size:
        raise ValueError(f"sizes must be a list of whole numbers, got {checks.shown(sizes)}")
    sizes = [checks.count("sizes", size, at_most=len(points)) for size in amounts]
    shifts = checks.count("shifts", shifts, at_least=0, at_most=10**6)
    samples = checks.count("samples", samples)
    width = positive("width", width)
    # A generator would draw other samples for each size.
    seed = checks.seed_sequence(seed)
    kinds = ("memorised", "spurious", "generalised")
    shares = {kind: np.zeros(len(sizes)) for kind in kinds}
    for i, size in enumerate(sizes):
        memory = diffusion_memory(points[:size], width)
        farthest = max(10.0, (np.ptp(memory.data, axis=0).max() / width) ** 2)
        x = memory.reverse_ode(memory.draw(samples, farthest, seed), np.geomspace(farthest, 1, 40))
        x = x[-1]
        for _ in range(shifts):
            x = memory.denoise(x, 1.0)
        found = classify_samples(x, memory.data, distance)
        for kind in kinds:
            shares[kind][i] = np.mean(found == kind)
    return shares


def circle_energy(radius: ArrayLike, beta: float) -> Floats:
    r"""Energy of infinitely many data on the unit circle, as a function of the distance R.

    .. math::
        E(R) = R^2 + 1 - \tfrac{1}{\beta} \log I_0(2 \beta R)

    This is :math:`-\tfrac{1}{\beta} \log` of the mean of :math:`\exp(-\beta |x - \xi|^2)`: beta is
    half of `DiffusionMemory.beta`. Source: Pham et al. 2025, arXiv:2505.21777.

    Examples
    --------
    >>> import amsim as am
    >>> round(float(am.models.circle_energy(1.0, beta=20.0)), 8)
    0.13801066
    """
    from scipy.special import i0e

    r = np.abs(checks.array("radius", radius, largest=checks.LARGEST))
    # i0e is scaled by exp(-2 beta R), which otherwise overflows.
    beta = positive("beta", beta)
    return np.asarray(r**2 + 1 - (np.log(i0e(2 * beta * r)) + 2 * beta * r) / beta)


def circle_radius(beta: float) -> float:
    """Where `circle_energy` is smallest: 0 for beta <= 1, else R = I1(2 beta R) / I0(2 beta R).

    Examples
    --------
    >>> import amsim as am
    >>> round(am.models.circle_radius(20.0), 8), am.models.circle_radius(1.0)
    (0.98725638, 0.0)
    """
    from scipy.optimize import brentq
    from scipy.special import i0e, i1e

    beta = positive("beta", beta)
    if beta <= 1:
        return 0.0

    def slope(r: float) -> float:
        return float(i1e(2 * beta * r) / i0e(2 * beta * r) / r - 1)

    # Near 0 the slope is beta - 1 - beta^3 r^2 / 2.
    return float(brentq(slope, min(0.5, math.sqrt((beta - 1) / beta**3)), 1.0, xtol=1e-15))
