"""Maximum likelihood by persistent chains: contrastive learning at a temperature.

With noise of temperature T a network of Identity units has the states exp(-E / T) / Z, and

    -d log p(data) / dtheta = (dE/dtheta at the data - mean of dE/dtheta over states) / T.

The mean is that over chains which go on from one gradient to the next, and so need not be run for
long each time (Tieleman 2008).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..checks import Seed
from ..display import fields_html, fields_repr
from ..dynamics import ExponentialHeun, simulate
from ..lagrangians import Identity
from ..network import Network, directed_in_words
from ..parameters import Tree
from ..progress import whole_runs
from ..synapses import Array

Given = ArrayLike | Mapping[str, ArrayLike]


@dataclass(frozen=True, eq=False)
class ChainGradient:
    """What `chain_gradient` returns.

    Attributes
    ----------
    parameters : dict of str to dict of str to ndarray
        The derivative of minus the mean log likelihood, by the names of `Network.parameters`.
    chains : dict of str to ndarray (chains, *shape)
        Where the chains are now: where the next gradient begins.
    """

    parameters: Tree
    chains: dict[str, Array]

    __repr__ = fields_repr
    _repr_html_ = fields_html


@dataclass(frozen=True, eq=False, init=False)
class Likelihood:
    """Minus the mean log likelihood of the cues, for `train`: its chains persist from step to step.

    Parameters
    ----------
    chains : array_like (chains, *shape) or mapping of layer names to such
        Where they begin, such as at some of the data.
    temperature, t1, step
        As for `chain_gradient`, which each step of training calls.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range, or none.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> data = 3.0 + np.random.default_rng(0).normal(size=(500, 1))  # to be learned by a bias
    >>> net = am.Network({"visible": am.Layer(1, am.Identity())}, [])
    >>> loss = am.learning.Likelihood(data[:100], temperature=1.0, t1=1.0)
    >>> found = am.learning.train(net, data, loss, epochs=4, optimiser=am.learning.SGD(0.5, 0.0))
    >>> print(found.network.parameters()["visible"]["bias"].round())
    [3.]
    """

    chains: Given
    temperature: float
    t1: float
    step: float | None

    __repr__ = fields_repr

    def __init__(
        self, chains: Given, *, temperature: float, t1: float, step: float | None = None
    ) -> None:
        for name, value in (("temperature", temperature), ("t1", t1)):
            number = checks.number(f"Likelihood: {name}", value, above=0.0, at_most=checks.LARGEST)
            object.__setattr__(self, name, number)
        object.__setattr__(self, "step", step)
        object.__setattr__(self, "chains", chains)

    def start(self, net: Network) -> dict[str, Array]:
        """Where the chains begin, by layer."""
        return _states(net, "chains", self.chains)

    def descend(
        self, net: Network, data: Given, chains: Given, seed: Seed
    ) -> tuple[ChainGradient, float]:
        """The gradient at some data, and their mean energy less that of the chains, over T."""
        found = chain_gradient(
            net, data, chains, temperature=self.temperature, t1=self.t1, step=self.step, seed=seed
        )
        own, others = (
            float(np.mean(net.energy(x))) for x in (_states(net, "data", data), found.chains)
        )
        return found, (own - others) / self.temperature


def chain_gradient(
    net: Network,
    data: Given,
    chains: Given,
    *,
    temperature: float,
    t1: float,
    step: float | None = None,
    seed: Seed = 0,
) -> ChainGradient:
    """The derivative of minus the log likelihood of data, by chains that persist.

    Parameters
    ----------
    net : Network
        With Identity layers, or layers with tau = 0, and an energy: there states are distributed
        as exp(-E / T).
    data : array_like (n, *shape) or mapping of layer names to such
        States of all layers with tau > 0; an array is that of the only one.
    chains : array_like (chains, *shape) or mapping
        Where the chains begin: at `chains` of the last gradient, or somewhere, such as the data.
    temperature : float
        T of the noise.
    t1 : float
        How long the chains go on; some tau are enough, if parameters change slowly.
    step : float, optional
        Of `ExponentialHeun`, whose error in the distribution falls with it.
    seed : optional
        A Generator is drawn from, so that each gradient has other noise; a number has the same
        noise in each call.

    Returns
    -------
    ChainGradient

    Raises
    ------
    ValueError, TypeError
        If an argument does not fit; if exp(-E / T) is not the law of the network; if chains run
        away, as where an energy has no lower bound.

    References
    ----------
    Tieleman 2008, "Training restricted Boltzmann machines using approximations to the likelihood
    gradient"; Du & Mordatch 2019, arXiv:1903.08689.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> rng = np.random.default_rng(0)
    >>> data = 3.0 + rng.normal(size=(500, 1))  # to be learned by a bias
    >>> net, chains = am.Network({"visible": am.Layer(1, am.Identity())}, []), data
    >>> for _ in range(10):
    ...     found = am.learning.chain_gradient(net, data, chains, temperature=1.0, t1=1.0, seed=rng)
    ...     chains = found.chains
    ...     bias = net.parameters()["visible"]["bias"] - 0.5 * found.parameters["visible"]["bias"]
    ...     net = net.with_parameters({"visible": {"bias": bias}})
    >>> print(bias.round(2))
    [2.94]
    """
    checks.instance("net", net, Network, "a Network")
    temperature = checks.number("temperature", temperature, above=0.0, at_most=checks.LARGEST)
    t1 = checks.number("t1", t1, above=0.0, at_most=checks.LARGEST)
    _check_law(net)
    known, start = (_states(net, what, x) for what, x in (("data", data), ("chains", chains)))
    with whole_runs():
        traj = simulate(
            net, start, noise=temperature, t1=t1, times=[t1], solver=ExponentialHeun(step),
            seed=seed,
        )  # fmt: skip
    if not (traj.statuses == "time_limit").all():
        raise ValueError(
            f"chains: {int((traj.statuses != 'time_limit').sum())} of {traj.statuses.size} ended "
            f"as {traj.status!r}; where an energy has no lower bound there is no distribution: "
            f"take smaller weights"
        )
    moved = {name: traj.final[name] for name in net.dynamic}
    positive, negative = (net.parameter_gradient(x) for x in (known, moved))
    count, free = len(next(iter(known.values()))), len(next(iter(moved.values())))
    tree = {
        name: {
            key: (value / count - negative[name][key] / free) / temperature
            for key, value in part.items()
        }
        for name, part in positive.items()
    }
    return ChainGradient(tree, moved)


def _check_law(net: Network) -> None:
    if net.directed:
        raise ValueError(f"{directed_in_words(net.directed)}, and there is no exp(-E / T)")
    for name, layer in net.dynamic.items():
        if not isinstance(layer.lagrangian, Identity) or not layer.leak:
            raise ValueError(
                f"states of layer {name!r} are not distributed as exp(-E / T): it has to be "
                f"Identity with a leak, or to have tau = 0"
            )


def _states(net: Network, what: str, given: Given) -> dict[str, Array]:
    """States (n, *shape) of all layers with tau > 0."""
    layers = net.dynamic
    if not isinstance(given, Mapping):
        if len(layers) != 1:
            raise ValueError(f"{what} must be a mapping with states of {', '.join(layers)}")
        given = {next(iter(layers)): given}
    if {*given} != {*layers}:
        raise ValueError(f"{what} has states of {', '.join(given)}, not of {', '.join(layers)}")
    found = {
        name: checks.array(f"{what}[{name!r}]", x, empty=False, largest=checks.LARGEST)
        for name, x in given.items()
    }
    counts = {len(x) if x.ndim else 0 for x in found.values()}
    for name, x in found.items():
        if x.shape[1:] != layers[name].shape or len(counts) > 1:
            raise ValueError(
                f"{what}[{name!r}] has shape {x.shape}; it must be (n, *{layers[name].shape}), "
                f"with one n for all layers"
            )
    return {name: np.asarray(x) for name, x in found.items()}
