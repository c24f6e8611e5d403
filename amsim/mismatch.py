"""`Mismatch`: a network as a chip would make it, with weights and units that deviate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from math import hypot, log, sqrt

import numpy as np

from . import checks
from .checks import Seed
from .compiled import draws
from .devices import DEVICES
from .network import Layer, Network
from .synapses import Array, Dense, Directed, HyperSynapse

_LARGEST = 10.0  # factors over e^80
_AT_MOST = {"bias": checks.LARGEST, "dead": 1.0, "left": 1.0}
# What is drawn; each has a stream of its own for every layer or synapse.
_BIAS, _GAIN, _TAU, _LEAK, _FORWARD, _BACKWARD = range(6)
_DEAD = -4  # beside the weights of a direction
_AT_READING = 500e-9  # s; noise of a reading is that of all times between this and the age


@dataclass(frozen=True)
class Mismatch:
    """Deviations that a chip has once and for all: how large they are.

    Parameters
    ----------
    weights : float, default 0.0
        Standard deviation of a weight over the weight: W (1 + s z), cut at 0, z normal. Both
        directions of a synapse are drawn apart.
    bias : float, default 0.0
        Standard deviation of the bias (a threshold) of a unit, in units of its state.
    gain : float, default 0.0
        A unit's drive, bias and all, is multiplied by exp(s z), as log-normal currents are.
    tau, leak : float, default 0.0
        So are its time constant and its leak. A larger leak makes a unit faster and its state
        smaller.
    symmetric : bool, default False
        Whether both directions of a synapse have the same weights, as one device has that is read
        from both sides. With `gain` or `leak` forces are not symmetric all the same.
    dead : float, default 0.0
        Probability that a weight is 0.
    left : float, default 1.0
        What is left of every weight, as of a conductance that has drifted.

    Raises
    ------
    ValueError, TypeError
        If a value is negative, or not usable.

    See Also
    --------
    amsim.Timing : its `tau_spread` is `tau` of event-driven runs alone.

    Notes
    -----
    To first order a fixed point moves by dx = (1 - W G)^-1 (dW g + db), with G the slopes of the
    outputs g; the drive of a unit has the standard deviation s sqrt(sum_j (W_ij g_j)^2).

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(3, 32, seed=0)
    >>> net = am.dense_am(patterns, hidden=am.Softmax(beta=0.5))
    >>> chip = am.Mismatch(weights=0.1, symmetric=True).of(net, seed=1)
    >>> traj = am.simulate(chip, am.patterns.corrupt(patterns[0], flip=0.2, seed=1))
    >>> traj.status, bool(traj.overlap(patterns)[-1].argmax() == 0)
    ('settled', True)
    """

    weights: float = 0.0
    bias: float = 0.0
    gain: float = 0.0
    tau: float = 0.0
    leak: float = 0.0
    symmetric: bool = False
    dead: float = 0.0
    left: float = 1.0

    def __post_init__(self) -> None:
        for each in fields(self):
            name, value = each.name, getattr(self, each.name)
            if name == "symmetric":
                found: float | bool = checks.flag("Mismatch: symmetric", value)
            else:
                most = _AT_MOST.get(name, _LARGEST)
                found = checks.number(f"Mismatch: {name}", value, at_least=0.0, at_most=most)
            object.__setattr__(self, name, found)

    @classmethod
    def device(
        cls, name: str, *, age: float | None = None, symmetric: bool = False, **given: float
    ) -> Mismatch:
        """Weights in memory devices, as far as they are published.

        Parameters
        ----------
        name : {"pcm", "reram"}
            Phase-change memory, or resistive memory of metal oxide.
        age : float, optional
            Seconds since programming, for those that drift; by default the first reading.
        symmetric : bool, default False
            Whether one device is read from both sides.
        **given
            Other numbers than those of ``amsim.devices.DEVICES[name]``, under their names there.

        Returns
        -------
        Mismatch
            With `weights`, `dead` and `left`. ``dataclasses.replace`` adds what else there is.

        Raises
        ------
        ValueError
            If there is no such device or number, or an age that nothing is known of.

        Notes
        -----
        Of phase-change memory (age / begin)^(-drift) is left. To first order what devices differ in
        adds up in squares: programming, drift_spread ln(age / begin), and
        read sqrt(ln(age / 500 ns)), a reading that is held during a run.

        Deviations are those of the largest conductance. That is every weight where all are of one
        size, as those of patterns of -1 and 1; smaller ones deviate by a larger share of
        themselves, and drift faster.

        Examples
        --------
        >>> import amsim as am
        >>> day = am.Mismatch.device("pcm", age=86400.0)
        >>> print(round(day.left, 3), round(day.weights, 3))
        0.664 0.091
        >>> am.Mismatch.device("reram", dead=0.0977).dead
        0.0977
        """
        figures = DEVICES[checks.choice("Mismatch.device: name", name, tuple(DEVICES))]
        for each in given:
            if each not in figures:
                raise ValueError(
                    f"Mismatch.device: {name} has no number {each!r}; there are "
                    f"{', '.join(figures)}"
                )
        value = {
            each: checks.number(f"Mismatch.device: {each}", given.get(each, figure.value),
                                at_least=_AT_READING if each == "begin" else 0.0,
                                at_most=checks.LARGEST)
            for each, figure in figures.items()
        }  # fmt: skip
        if "drift" not in figures:
            if age is not None:
                raise ValueError(
                    f"Mismatch.device: {name} does not drift: leave age out, and pass "
                    f"programming=... of that age ({figures['programming'].source})"
                )
            spread, left = hypot(value["programming"], value["read"]), 1.0
        else:
            begin = value["begin"]
            seconds = begin if age is None else checks.number(
                "Mismatch.device: age", age, at_least=begin, at_most=checks.LARGEST
            )  # fmt: skip
            aged = log(seconds / begin)
            read = value["read"] * sqrt(log(seconds / _AT_READING))
            spread = hypot(value["programming"], read, value["drift_spread"] * aged)
            left = float(np.exp(-value["drift"] * aged))
        return cls(weights=spread, dead=value["dead"], left=left, symmetric=symmetric)

    def of(self, network: Network, seed: Seed = 0) -> Network:
        """A network that deviates from `network`, which is returned itself where nothing does.

        Parameters
        ----------
        network : Network
            With `Dense` and `Directed` synapses.
        seed : int, SeedSequence or Generator, default 0

        Returns
        -------
        Network
            A `Dense` synapse becomes two `Directed` ones where its directions differ.

        Raises
        ------
        ValueError
            If the network has other synapses; or, with `gain` or `leak`, layers of several axes,
            whose copies share their weights.
        """
        checks.instance("network", network, Network, "a Network")
        if self == Mismatch(symmetric=self.symmetric):
            return network
        number = checks.seed_number(seed)
        factors = {}
        layers = {}
        for k, (name, layer) in enumerate(network.layers.items()):
            drive, speed = self._factors(name, layer, number, k)
            factors[name] = drive
            shift = self.bias * _normal(number, 6 * k + _BIAS, layer.size).reshape(layer.shape)
            layers[name] = Layer(
                layer.shape, layer.lagrangian, layer.tau * speed, (layer.bias + shift) * drive,
                layer.leak,
            )  # fmt: skip
        synapses: list[HyperSynapse] = []
        for k, synapse in enumerate(network.synapses):
            synapses += self._synapses(synapse, factors, number, 2**20 + 6 * k)
        return Network(layers, synapses)

    def _factors(self, name: str, layer: Layer, seed: int, k: int) -> tuple[Array, Array]:
        """Of the drive and of the time constant of every unit."""
        if (self.gain or self.leak) and len(layer.shape) > 1:
            raise ValueError(
                f"Mismatch: layer {name!r} has copies that share their weights, shape "
                f"{layer.shape}; gain and leak would need weights for each: leave them out"
            )
        gain, tau, leak = (
            np.exp(spread * _normal(seed, 6 * k + what, layer.size).reshape(layer.shape))
            for what, spread in ((_GAIN, self.gain), (_TAU, self.tau), (_LEAK, self.leak))
        )
        # tau dx/dt = drive - a x is (tau / a) dx/dt = drive / a - x.
        return gain / leak, tau / leak

    def _synapses(
        self, synapse: HyperSynapse, factors: dict[str, Array], seed: int, k: int
    ) -> Iterator[HyperSynapse]:
        """The synapse, or each of its directions."""
        if not isinstance(synapse, Dense | Directed):
            raise ValueError(
                f"Mismatch: synapse {synapse.name!r} is a {type(synapse).__name__}; only Dense and "
                f"Directed have a weight for each pair of units"
            )
        weights, ends = np.asarray(synapse.weights, np.float64), synapse.between
        forward = self._deviating(weights, seed, k + _FORWARD)
        if isinstance(synapse, Directed):
            yield _onto(forward, (ends[0], ends[1]), factors, synapse.name)
            return
        within = ends[0] == ends[1]
        if within and self.symmetric:
            forward = np.tril(forward) + np.tril(forward, -1).T
        even = not (self.gain or self.leak)
        if even and (self.symmetric or not (self.weights or self.dead)):
            yield Dense(forward, between=ends, name=synapse.name)
            return
        yield _onto(forward, (ends[0], ends[1]), factors, "")
        if not within:
            back = forward if self.symmetric else self._deviating(weights, seed, k + _BACKWARD)
            yield _onto(back.T, (ends[1], ends[0]), factors, "")

    def _deviating(self, weights: Array, seed: int, stream: int) -> Array:
        z = _normal(seed, stream, weights.size).reshape(weights.shape)
        factors = self.left * np.maximum(1.0 + self.weights * z, 0.0)
        if self.dead:
            factors[_uniform(seed, stream + _DEAD, weights.size).reshape(z.shape) < self.dead] = 0.0
        return np.asarray(weights * factors)


def _onto(weights: Array, ends: tuple[str, str], factors: dict[str, Array], name: str) -> Directed:
    """Weights onto units (target, source) whose drive has a factor."""
    target, source = ends
    drive = factors[target].reshape(-1, len(weights))[0]  # of one copy: they are equal
    return Directed(weights * drive[:, None], source=source, target=target, name=name)


def _normal(seed: int, stream: int, size: int) -> Array:
    """Normal numbers of one stream."""
    from scipy.special import ndtri

    return np.asarray(ndtri(_uniform(seed, stream, size)))


def _uniform(seed: int, stream: int, size: int) -> Array:
    """Numbers between 0 and 1 of one stream."""
    return np.asarray(draws.uniform(seed, draws.MISMATCH, size, stream << 40))
