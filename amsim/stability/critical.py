"""Delays and time constants at which a fixed point loses its stability."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..network import Network
from .delays import DelayedNetwork, Links, Pair, chosen_links
from .fixed_points import nearby_fixed_point
from .linear import Floats, Linearisation
from .spectrum import Complex, check_size, smooth
from .states import State, in_range
from .status import status_of

LARGEST = 400  # units: a sweep solves one eigenvalue problem of that size per frequency
FREQUENCIES = 240
_LOWEST = 1e-4  # of the highest frequency at which a root can cross


@in_range
def critical_delay(net: Network, state: State, links: Links | None = None) -> float:
    """Smallest delay on some links, with none on the others, at which stability is lost.

    Parameters
    ----------
    net : Network
        Of up to 400 units in all.
    state : array_like or mapping of layer names to array_like
        One fixed point.
    links : str, pair, list or mapping, optional
        The links that are delayed, all by the same time: the name of a layer, for all that its
        units send, a pair (source, target), as for `Timing`, or a list of these; a mapping from
        these to boolean masks, (units,) for a layer and (source units, target units) for a pair,
        chooses some of them. All by default.

    Returns
    -------
    float
        In the unit of tau, one way; infinite if no delay on these links destabilises the fixed
        point, 0 if it is unstable without delays.

    Raises
    ------
    ValueError, TypeError
        If the state is no fixed point, has a neutral mode or is at a kink, or it or the links do
        not fit the network, or the network is too large.

    Notes
    -----
    A root is on the imaginary axis at i w for a delay d where e^(i w d) is an eigenvalue of
    (i w tau - R0)^-1 R1, with R1 the delayed links and R0 the rest. All frequencies up to the
    highest possible one are swept for eigenvalues of modulus 1 (Chen, Gu and Nett, Systems and
    Control Letters 26, 1995), on a grid of 240 points with root finding between them.

    Examples
    --------
    One tanh unit that inhibits itself by -2 oscillates for delays beyond arccos(-1/2) / sqrt(3).

    >>> import amsim as am
    >>> layer = am.Layer(1, am.Tanh())
    >>> net = am.Network({"x": layer}, [am.Dense([[-2.0]], between=("x", "x"))])
    >>> found = am.stability.critical_delay(net, [0.0])
    >>> print(f"{found:.6f} {am.theory.timing.critical_delay_one_layer(2.0):.6f}")
    1.209200 1.209200
    """
    linear = _resolved(net, state)
    return first_crossing(linear, chosen_links(linear, links))[0]


def _resolved(net: Network, state: State) -> Linearisation:
    """The linearisation at a fixed point that is known to be stable, or not to be."""
    rest = nearby_fixed_point(net, state)
    linear = smooth(Linearisation(net, rest.states))
    if status_of(linear, rest.residual) == "neutral":
        raise ValueError(
            "a mode is neutral without delays: nothing is critical that is not stable first; "
            "analyse(net, state) shows it"
        )
    return linear


def first_crossing(
    linear: Linearisation,
    masks: Mapping[Pair, NDArray[np.bool_]],
    frequencies: int = FREQUENCIES,
) -> tuple[float, float]:
    """`critical_delay` of a linearisation, for masks by (source, target), and its frequency."""
    check_size(linear, LARGEST)
    if linear.slowest[0].real >= 0:
        return 0.0, 0.0
    delayed = {pair: block * masks[pair] for pair, block in linear.blocks.items()}
    late = linear.assemble(delayed) @ linear.hessian
    prompt = linear.coupling @ linear.hessian - late - np.diag(linear.leak)
    rows = np.flatnonzero(late.any(axis=1))
    highest = DelayedNetwork(linear, {}).highest_frequency(0.0)
    if not len(rows) or highest == 0:
        return np.inf, 0.0

    def eigenvalues(frequency: float) -> Complex:
        inverse = np.linalg.inv(np.diag(1j * frequency * linear.tau) - prompt)
        values = np.linalg.eigvals((late @ inverse)[np.ix_(rows, rows)])
        return np.asarray(values[np.argsort(-np.abs(values))], np.complex128)

    grid = np.geomspace(_LOWEST * highest, highest, frequencies)
    sizes = np.array([np.abs(eigenvalues(w)) for w in grid])
    return min(
        ((_delay_at(w, k, eigenvalues), w) for w, k in _crossings(grid, sizes, eigenvalues)),
        default=(np.inf, 0.0),
    )


def _crossings(
    grid: Floats, sizes: Floats, eigenvalues: Callable[[float], Complex]
) -> list[tuple[float, int]]:
    """Frequencies at which the k-th largest modulus passes 1, and k."""
    from scipy.optimize import brentq

    def excess(frequency: float, k: int) -> float:
        return float(np.abs(eigenvalues(frequency)[k])) - 1

    above = sizes > 1
    changes = [(int(i), int(k)) for i, k in np.argwhere(above[1:] != above[:-1])]
    return [(float(brentq(excess, grid[i], grid[i + 1], (k,), 1e-14)), k) for i, k in changes]


def _delay_at(frequency: float, k: int, eigenvalues: Callable[[float], Complex]) -> float:
    """The smallest d with e^(i w d) equal to an eigenvalue as large as the k-th, which is 1."""
    values = eigenvalues(frequency)
    on = values[np.abs(np.abs(values) - abs(values[k])) < 1e-9]
    return float(np.min(np.angle(on) % (2 * np.pi)) / frequency)


@in_range
def critical_tau(net: Network, state: State, layer: str, unit: int) -> float:
    """Time constant of one unit, beyond its present one, at which stability is lost.

    Members of a Softmax group share a normaliser: one that is slow enough can destabilise a mixed
    state (a Hopf bifurcation), whatever the energy says.

    Parameters
    ----------
    net : Network
        Of up to 400 units in all; the taus of the other units stay as they are.
    state : array_like or mapping of layer names to array_like
        One fixed point.
    layer : str
        A layer with tau > 0.
    unit : int
        Position in the flattened layer.

    Returns
    -------
    float
        Infinite if the fixed point stays stable for all larger time constants.

    Raises
    ------
    ValueError, TypeError
        If there is no such unit, the state is not stable, at a kink or no fixed point, or the
        network is too large.

    Notes
    -----
    Seen from the unit, the rest of the network is a transfer function q(s), and s tau + q(s) = 0.
    Crossings are at frequencies where Re q(i w) = 0, which are zeros of q(s) + q(-s): eigenvalues,
    none of which is missed.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am(
    ...     [[3.0], [4.0]], hidden=am.Softmax(3.0), similarity="euclidean", tau_hidden=1.0
    ... )
    >>> print(f"{am.stability.critical_tau(net, [3.5], 'hidden', 0):.6f}")
    2.074638
    """
    linear = _resolved(net, state)
    check_size(linear, LARGEST)
    place = _position(linear, layer, unit)
    if linear.slowest[0].real >= 0:
        raise ValueError(
            f"the state is not stable (rightmost eigenvalue {linear.slowest[0]:.4g}): no time "
            f"constant is critical"
        )
    tau = linear.tau[linear.dynamic]
    states = {name: linear.states[name] for name in net.dynamic}
    matrix = tau[:, None] * net.jacobian(states)
    rest = np.arange(len(tau)) != place
    a = matrix[np.ix_(rest, rest)] / tau[rest, None]
    b = matrix[rest, place] / tau[rest]
    c, own = matrix[place, rest], -matrix[place, place]

    def drive(frequency: float) -> complex:
        return complex(own - c @ np.linalg.solve(1j * frequency * np.eye(len(a)) - a, b))

    critical = [-drive(w).imag / w for w in _balanced_frequencies(a, b, c, own, drive)]
    return min((t for t in critical if t > tau[place]), default=np.inf)


def _position(linear: Linearisation, layer: str, unit: int) -> int:
    """Where a unit stands among the dynamic ones."""
    dynamic = linear.network.dynamic
    checks.choice("layer", layer, tuple(dynamic), " (those with tau > 0)")
    size = dynamic[layer].size
    checks.count(f"unit of layer {layer!r}", unit, at_least=0, at_most=size - 1)
    return int(np.count_nonzero(linear.dynamic[: linear.spans[layer].start])) + unit


def _balanced_frequencies(
    a: Floats, b: Floats, c: Floats, own: float, drive: Callable[[float], complex]
) -> list[float]:
    """Frequencies w > 0 with Re q(i w) = 0, for q(s) = own - c (s - a)^-1 b."""
    from scipy.linalg import eigvals

    n = len(a)
    zero = np.zeros_like(a)
    pencil = np.block(
        [[a, zero, b[:, None]], [zero, -a, b[:, None]], [-c[None], c[None], np.array([[2 * own]])]]
    )
    weight = np.diag([*np.ones(2 * n), 0.0])
    zeros = eigvals(pencil, weight)
    zeros = zeros[np.isfinite(zeros)]
    near = zeros[(zeros.imag > 1e-9) & (np.abs(zeros.real) < 1e-4 * (1 + np.abs(zeros)))]
    found = []
    for w in near.imag:
        for _ in range(4):  # secant steps: the pencil loses digits
            step = 1e-6 * w
            here, there = drive(w).real, drive(w + step).real
            w = w - here * step / (there - here) if there != here else w
        if w > 0 and abs(drive(w).real) <= 1e-8 * (1 + abs(own)):
            found.append(float(w))
    return found
