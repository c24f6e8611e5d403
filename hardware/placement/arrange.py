"""Which core goes to which place: a quadratic assignment problem, solved by SciPy.

Cores that talk much should be near each other: minimise the sum over pairs of messages times hops.
Only the places in the middle of the mesh are offered, as many as there are cores, rounded up to
whole routers. SciPy's FAQ (Vogelstein et al. 2015) finds a good arrangement, and its pairwise
exchanges, from there and from a random one, improve it until no exchange does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .mesh import distances

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Beyond these numbers of cores the exchanges, and then FAQ, would take more than some seconds.
_EXCHANGES, _FAQ = 128, 1024


def arrange(flows: Floats, slots: Integers, per_router: int, seed: int) -> Integers:
    """Routers (n, 2) for n cores.

    Parameters
    ----------
    flows : ndarray (n, n)
        Messages from core to core.
    slots : ndarray of int (m, 2)
        Places, those in the middle first; m >= n.
    per_router : int
        Places at a router, next to each other in `slots`.
    seed : int
        Of the random start.
    """
    from scipy.optimize import quadratic_assignment

    cores = len(flows)
    offered = slots[: -(-cores // per_router) * per_router]
    if cores == 1:
        return np.asarray(offered[:1])
    size = len(offered)
    if size > _FAQ:
        busiest = np.argsort(-_talk(flows), kind="stable")
        return np.asarray(offered[busiest.argsort()])
    # Places that stay empty belong to cores that are silent.
    talk = np.zeros((size, size))
    talk[:cores, :cores] = flows + flows.T
    np.fill_diagonal(talk, 0.0)
    talk /= talk.max(initial=0.0) or 1.0
    hops = distances(offered).astype(np.float64)
    tried = [quadratic_assignment(talk, hops).col_ind]
    if size <= _EXCHANGES:
        tried.append(np.random.default_rng(seed).permutation(size))
        tried = [
            quadratic_assignment(
                talk,
                hops,
                method="2opt",
                options={"partial_guess": np.stack([np.arange(size), guess], axis=1)},
            ).col_ind
            for guess in tried
        ]
    costs = [float((talk * hops[np.ix_(places, places)]).sum()) for places in tried]
    return np.asarray(offered[tried[int(np.argmin(costs))][:cores]])


def _talk(flows: Floats) -> Floats:
    """Messages that a core sends and receives."""
    return np.asarray(flows.sum(axis=0) + flows.sum(axis=1))
