"""Characteristic roots of the linearised network with delays."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..network import Network
from .collocation import Collocation
from .delays import Delay, DelayedNetwork, link_delays
from .fixed_points import nearby_fixed_point
from .linear import Linearisation
from .long_delays import loop_of
from .states import State, in_range

LARGEST = 2000  # units, for matrices of all of them
MOST_ROOTS = 1000

Complex = NDArray[np.complex128]

_NEWTON = 30


@in_range
def delay_spectrum(net: Network, state: State, delay: Delay = 0.0, *, count: int = 10) -> Complex:
    """Rightmost characteristic roots of the network linearised at a fixed point, with delays.

    Deviations grow or decay like e^(s t): the fixed point is stable if all real parts are negative.

    Parameters
    ----------
    net : Network
        Of up to 2000 units in all.
    state : array_like or mapping of layer names to array_like
        One fixed point, such as `find(...).states`.
    delay : number or mapping, default 0.0
        How long a message is under way. A number: on every link, in both directions. A mapping
        sets some delays, the others are 0, and is read as `Timing` with scope="link" reads it: by
        the name of a layer, for all that its units send (a number, or one per unit), or by a pair
        (source, target), for the links from one layer to another (a number, or an array (source
        units, target units)), which counts before the name of its source.
    count : int, default 10
        How many roots at most; up to 1000.

    Returns
    -------
    ndarray of complex (at most count,)
        By descending real part, in 1 / (unit of tau); conjugates are both listed. Without delays
        these are eigenvalues of the Jacobian.

    Raises
    ------
    ValueError, TypeError
        If the state is no fixed point or at a kink, or it or the delays do not fit the network, or
        the network is too large.

    Notes
    -----
    Of one delay everywhere and one time constant, or of two layers with one of each that act only
    on each other, the roots are those of a scalar equation for each mode (branches of Lambert's W,
    and what they become for two time constants), at delays of any length; modes whose gain is lost
    in rounding are left out, with all roots to the left of where they may have some.

    Other networks: Chebyshev collocation of the infinitesimal generator (Breda, Maset and
    Vermiglio, SIAM J. Sci. Comput. 27, 2005), and Newton's method on every root. Small problems are
    solved whole; larger ones by Arnoldi iterations around points beside the imaginary axis, up to
    the frequency beyond which no root can lie as far to the right as those that were found. Delays
    in which a root may turn some fifty times are refused.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am([[1.0, 1.0], [1.0, -1.0]], visible=am.Tanh(), hidden=am.Tanh(0.4))
    >>> roots = am.stability.delay_spectrum(net, [0.0, 0.0], 0.5)
    >>> rate = am.theory.timing.uniform_delay_rate(0.8, 1.0, 0.1, 2 * 0.5)
    >>> bool(abs(roots[0] + rate) < 1e-12)
    True
    """
    count = checks.count("count", count, at_most=MOST_ROOTS)
    linear = smooth(Linearisation(net, nearby_fixed_point(net, state).states))
    return rightmost_roots(linear, delay, count)


def rightmost_roots(linear: Linearisation, delay: Delay, count: int) -> Complex:
    """`delay_spectrum` of a linearisation."""
    check_size(linear, LARGEST)
    system = DelayedNetwork(linear, link_delays(linear, delay))
    if system.longest == 0:
        states = {name: linear.states[name] for name in linear.network.dynamic}
        roots = np.linalg.eigvals(linear.network.jacobian(states)).astype(np.complex128)
        return _sorted(roots)[:count]
    loop = loop_of(system)
    closed = loop.roots(count) if loop is not None else None
    if closed is not None:
        return _sorted(closed)[:count]
    found: list[complex] = []
    for guess in Collocation(system, count).roots():
        if len(found) >= count:
            break
        root = root_near(system, complex(guess))
        if root is not None:
            # Collocation gives a root as often as its multiplicity, so equal ones are kept.
            found += [root, root.conjugate()] if abs(root.imag) > 1e-12 else [root]
    return _sorted(np.array(found, np.complex128))[:count]


def root_near(system: DelayedNetwork, guess: complex) -> complex | None:
    """The root near a guess, by Newton's method on M(s) x = 0; None if there is none near it."""
    from scipy.linalg import lu_factor, lu_solve

    s, x = guess, np.random.default_rng(0).uniform(0.5, 1.5, system.linear.size) + 0j
    for _ in range(_NEWTON):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # exactly singular: s is the root
            matrix, slope = system.matrix(s), system.derivative(s)
            if not np.isfinite(matrix).all():
                return None  # far to the left, where e^(-s d) overflows
            factors = lu_factor(matrix)
            for _ in range(3):
                y = lu_solve(factors, slope @ x, check_finite=False)
                growth = np.vdot(x, y) / np.vdot(x, x)
                x = y / np.linalg.norm(y)
        if not np.isfinite(growth):
            return s
        s -= complex(1 / growth)
        if abs(1 / growth) <= 1e-14 * (1 + abs(s)):
            break
    near = abs(s - guess) <= 0.02 * (1 + abs(guess))
    return complex(s.real, s.imag if abs(s.imag) > 1e-11 else 0.0) if near else None


def _sorted(roots: Complex) -> Complex:
    # To twelve digits, so that conjugates and multiple roots stay together.
    on_axis = np.abs(roots.real) < 1e-14 * np.abs(roots)
    digits, exponents = np.frexp(np.where(on_axis, 0.0, roots.real))
    real = np.ldexp((digits * 2.0**40).round() / 2.0**40, exponents)
    order = np.lexsort((-roots.imag, np.abs(roots.imag), -real))
    return np.asarray(roots[order])


def smooth(linear: Linearisation) -> Linearisation:
    """The same; ValueError at a kink, where slopes of one side would pass for a linearisation."""
    if linear.kink:
        raise ValueError(
            f"{linear.kink}: there is no linearisation, and so no spectrum; analyse(net, state) "
            f"says what the slopes of both sides prove"
        )
    return linear


def check_size(linear: Linearisation, largest: int) -> None:
    """Raise ValueError for networks that dense matrices of all units are too large for."""
    if linear.size > largest:
        raise ValueError(
            f"the network has {linear.size} units, of which this takes up to {largest}; "
            f"`analyse` and `certify` take more"
        )
