"""One layer that acts on itself: a ring attractor, and a random network."""

from __future__ import annotations

import numpy as np

from .. import checks
from ..lagrangians import Tanh
from ..network import Layer, Network
from ..synapses import Dense, Directed


def ring_attractor(
    units: int, *, strength: float = 3.0, speed: float = 0.0, tau: float = 1.0
) -> Network:
    r"""Ring of tanh units with a bump of activity, which odd weights let turn.

    .. math::
        \tau \dot x_i = \frac{2}{n} \sum_j [a \cos(\theta_i - \theta_j)
            + a \tau \omega \sin(\theta_i - \theta_j)] \tanh x_j - x_i

    Parameters
    ----------
    units : int
        n, at angles theta_i = 2 pi i / n; at least 3. With few units the bump prefers some angles,
        and a slow one gets stuck there.
    strength : float, default 3.0
        a, above 1: below there is no bump.
    speed : float, default 0.0
        omega, in radians per unit of time.
    tau : float, default 1.0
        Time constant.

    Returns
    -------
    Network
        With one layer, "visible" (n,). The even weights are a `Dense`; the odd ones, if the speed
        is not 0, are `Directed`, and then there is no energy.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Notes
    -----
    A bump x = A cos(theta - phi) stays one: with c(A) the first Fourier coefficient of its tanh,
    A = a c(A) at rest, and it turns by a tau omega c(A) / (A tau) = omega.

    References
    ----------
    Ben-Yishai, Bar-Or & Sompolinsky 1995, PNAS 92; odd weights: Zhang 1996, J. Neurosci. 16.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> import amsim as am
    >>> net = am.models.ring_attractor(64, speed=0.5)
    >>> angles = 2 * np.pi * np.arange(64) / 64
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", am.GuaranteeWarning)  # there is no energy
    ...     traj = am.simulate(net, 2 * np.cos(angles), times=[0, 10, 12], until=None)
    >>> bumps = np.angle(traj["visible"] @ np.exp(1j * angles))
    >>> print(f"{(bumps[2] - bumps[1]) / 2:.4f}")
    0.5000
    """
    units = checks.count("units", units, at_least=3)
    strength = checks.number("strength", strength, above=1.0, at_most=checks.LARGEST)
    speed = checks.number("speed", speed, at_least=-checks.LARGEST, at_most=checks.LARGEST)
    tau = checks.number("tau", tau, above=0.0, at_most=checks.LARGEST)
    checks.room("the weights", units, units)
    angles = 2 * np.pi * np.arange(units) / units
    apart = angles[:, None] - angles
    synapses: list[Dense | Directed] = [
        Dense(2 * strength / units * np.cos(apart), between=("visible", "visible"))
    ]
    if speed:
        odd = 2 * strength * tau * speed / units * np.sin(apart)
        synapses.append(Directed(odd, source="visible", target="visible"))
    return Network({"visible": Layer(units, Tanh(), tau)}, synapses)


def random_network(units: int, gain: float, *, tau: float = 1.0, seed: checks.Seed = 0) -> Network:
    r"""Tanh units with independent random weights: silent below a gain of 1, chaotic above.

    .. math::
        \tau \dot x_i = \sum_j J_{ij} \tanh x_j - x_i, \qquad J_{ij} \sim N(0, g^2 / n)

    Parameters
    ----------
    units : int
        n, at least 2.
    gain : float
        g. The state 0 is stable for g < 1; for g > 1 and many units the motion is chaotic.
    tau : float, default 1.0
        Time constant.
    seed : int, SeedSequence or Generator, default 0
        Of the weights.

    Returns
    -------
    Network
        With one layer, "visible" (n,), whose units do not act on themselves.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    References
    ----------
    Sompolinsky, Crisanti & Sommers 1988, "Chaos in random neural networks", Phys. Rev. Lett. 61.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> net = am.models.random_network(400, 0.8, seed=1)
    >>> values = np.linalg.eigvals(net.jacobian({"visible": np.zeros(400)}))
    >>> print(f"{abs(values + 1).max():.1f}")  # a disc of radius g around -1, for many units
    0.8
    """
    units = checks.count("units", units, at_least=2)
    gain = checks.number("gain", gain, above=0.0, at_most=checks.LARGEST)
    tau = checks.number("tau", tau, above=0.0, at_most=checks.LARGEST)
    checks.room("the weights", units, units)
    rng = checks.generator(seed)
    weights = gain / np.sqrt(units) * rng.standard_normal((units, units))
    np.fill_diagonal(weights, 0.0)
    return Network(
        {"visible": Layer(units, Tanh(), tau)},
        [Directed(weights, source="visible", target="visible")],
    )
