"""Which core goes to which place: a quadratic assignment problem.

Cores that talk much should be near each other: minimise the sum over pairs of messages times hops.
Only places in the middle of the mesh are offered, at first as many as there are cores, then twice
as many. SciPy's FAQ (Vogelstein et al. 2015) finds a good arrangement; from there, and from a
random one, cores change places as long as that helps. SciPy has such exchanges as well ("2opt");
they try one pair at a time, and take minutes for a chip full of cores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .mesh import distances

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Beyond these numbers of places the exchanges, and then FAQ, would take more than some seconds.
_EXCHANGES, _FAQ = 512, 1024
_NO_GAIN = 1e-9  # of the largest flow


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
    cores = len(flows)
    routers = -(-cores // per_router)
    if routers * per_router > _FAQ:
        busiest = np.argsort(-(flows.sum(axis=0) + flows.sum(axis=1)), kind="stable")
        return np.asarray(slots[busiest.argsort()])
    talk = flows + flows.T
    np.fill_diagonal(talk, 0.0)
    talk /= talk.max(initial=0.0) or 1.0
    found = []
    for room in (1, 2):  # a second time with room around the middle
        offered = slots[: room * routers * per_router]
        if room == 1 or len(offered) <= _EXCHANGES:
            found += _assigned(talk, offered, seed)
    costs = [float((talk * distances(places)).sum()) for places in found]
    return found[int(np.argmin(costs))]


def _assigned(talk: Floats, offered: Integers, seed: int) -> list[Integers]:
    """Good places for each core; the places that stay empty belong to cores that are silent."""
    from scipy.optimize import quadratic_assignment

    size = len(offered)
    padded = np.zeros((size, size))
    padded[: len(talk), : len(talk)] = talk
    hops = distances(offered).astype(np.float64)
    rng = np.random.default_rng(seed)
    # FAQ from the middle draws nothing; with none given SciPy warns whoever seeded the global one.
    guesses = [quadratic_assignment(padded, hops, options={"rng": rng}).col_ind]
    if size <= _EXCHANGES:
        guesses.append(rng.permutation(size))
        guesses = [_exchanged(padded, hops, guess) for guess in guesses]
    return [np.asarray(offered[guess[: len(talk)]]) for guess in guesses]


def _exchanged(talk: Floats, hops: Floats, places: Integers) -> Integers:
    """Let the two cores change places that gain most, until none do."""
    places = places.copy()
    while True:
        between = hops[np.ix_(places, places)]
        # cost[r, s]: of core r if it were where s is.
        cost = talk @ between
        own = np.diag(cost)
        change = cost + cost.T - own[:, None] - own + 2 * talk * between
        r, s = np.unravel_index(np.argmin(change), change.shape)
        if change[r, s] >= -_NO_GAIN:
            return places
        places[[r, s]] = places[[s, r]]
