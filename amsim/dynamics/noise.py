"""`Noise` in the state: what the user says of it, and what a solver draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..compiled import draws
from ..display import fields_repr
from ..network import Network
from ..synapses import Array
from .inputs import fit

Ints = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise that drives units besides their force.

    White noise adds sqrt(2 T tau) dW to tau dx = force dt, independently for every unit with
    tau > 0, so that a unit with leak 1 and no synapse has the stationary variance T and the
    autocorrelation exp(-t / tau). In a network of `Identity` units with symmetric synapses states
    are distributed as exp(-E / T), whatever their tau. Of other networks neither holds, but what
    drives them is the same.

    Parameters
    ----------
    temperature : float, or mapping of layer names to float or array_like
        T, not negative, in units of the state squared; a mapping leaves the layers out of noise
        that it does not name. Arrays are broadcast to (*batch, *shape).
    correlation : float, default 0.0
        Correlation time c, in the unit of tau. With c > 0 the force has an Ornstein-Uhlenbeck
        process added to it, of variance T tau / c and autocorrelation exp(-t / c), which tends to
        the white noise as c tends to 0. It is stationary from the beginning.

    Examples
    --------
    >>> import amsim as am
    >>> import numpy as np
    >>> unit = am.Network({"x": am.Layer(1, am.Identity())}, [])
    >>> traj = am.simulate(unit, np.zeros((500, 1)), noise=0.5, t1=10.0)
    >>> print(traj.final["x"].var().round(2))
    0.5
    """

    temperature: float | Mapping[str, ArrayLike]
    correlation: float = 0.0

    __repr__ = fields_repr

    def __post_init__(self) -> None:
        if not isinstance(self.temperature, Mapping):
            found = checks.number("noise: temperature", self.temperature, at_least=0.0,
                                  at_most=checks.LARGEST)  # fmt: skip
            object.__setattr__(self, "temperature", found)
        time = checks.number("Noise: correlation", self.correlation, at_least=0.0,
                             at_most=checks.LARGEST)  # fmt: skip
        if 0 < time < checks.SMALLEST:
            raise ValueError(f"Noise: correlation below {checks.SMALLEST:g}; 0 is white noise")
        object.__setattr__(self, "correlation", time)


@dataclass(frozen=True, eq=False)
class Disturbance:
    """The noise of B cues.

    Attributes
    ----------
    temperature : ndarray (B, N)
        Of packed states.
    correlation : float
    seed : int
    places : ndarray of uint64 (B,)
        Of the cues in the batch of the user, which their random numbers depend on.
    """

    temperature: Array
    correlation: float
    seed: int
    places: Ints

    def select(self, cues: Array) -> Disturbance:
        """The noise of some of the cues."""
        return replace(self, temperature=self.temperature[cues], places=self.places[cues])

    def keys(self, times: Array, purpose: int) -> Ints:
        """A stream for each moment: it does not depend on how a run came there."""
        moments = np.array(times, np.float64).view(np.uint64)
        return draws.streams(self.seed, purpose, moments)


def disturbance(
    network: Network, noise: Noise, clamped: NDArray[np.bool_], batch: tuple[int, ...], seed: int
) -> Disturbance:
    """Noise checked against a network; clamped units (B, N) have none."""
    given, layers = noise.temperature, network.dynamic
    places = np.arange(len(clamped), dtype=np.uint64)
    if not isinstance(given, Mapping):
        temperature = np.where(clamped, 0.0, given)
        return Disturbance(temperature, noise.correlation, seed, places)
    for name in given:
        if name not in network.layers:
            raise ValueError(
                f"noise names a layer {name!r}; the network has {', '.join(network.layers)}"
            )
        if name not in layers:
            raise ValueError(
                f"noise: layer {name!r} has tau = 0 and no state of its own to disturb: leave it "
                f"out, or give the layer tau > 0"
            )
    full = {}
    for name, layer in layers.items():
        what = f"noise of layer {name!r}"
        found = checks.array(what, given.get(name, 0.0), largest=checks.LARGEST)
        if found.size and found.min() < 0:
            raise ValueError(f"{what} is a temperature and must not be negative, got {found.min()}")
        full[name] = fit(found, batch, layer.shape, what)
    temperature = np.where(clamped, 0.0, network.pack(full))
    return Disturbance(temperature, noise.correlation, seed, places)
