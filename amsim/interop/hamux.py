"""Hierarchical associative memories of HAMUX as networks, compared with them before use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..lagrangians import (
    Exponential,
    Identity,
    Lagrangian,
    LayerNorm,
    RectifiedPower,
    ReLU,
    Sigmoid,
    Softmax,
    Spherical,
    Tanh,
)
from ..network import Layer, Network
from ..synapses import Array, Convolution, Dense, HyperSynapse

# Ours for each of theirs; keywords have the same names, but for the power.
_KINDS: dict[str, Any] = {
    "lagr_identity": Identity,
    "lagr_relu": ReLU,
    "lagr_repu": RectifiedPower,
    "lagr_exp": Exponential,
    "lagr_tanh": lambda beta=1.0: Tanh(beta),
    "lagr_sigmoid": lambda beta=1.0: Sigmoid(beta),
    "lagr_softmax": lambda beta=1.0: Softmax(beta),
    "lagr_layernorm": lambda gamma=1.0, delta=0.0, eps=1e-5: LayerNorm(gamma, delta, eps),
    "lagr_spherical_norm": lambda eps=1e-5: Spherical(eps),
}
_CLOSE = 1e-3  # HAMUX computes in single precision


def from_hamux(
    model: Any,
    *,
    lagrangians: Mapping[str, Lagrangian] | None = None,
    tau: Mapping[str, ArrayLike] | None = None,
) -> Network:
    """A HAM of HAMUX as a network of the same energy.

    Parameters
    ----------
    model : hamux.HAM or hamux.VectorizedHAM
        With synapses LinearSynapse, LinearSynapseWithBias, BiasSynapse and ConvSynapse (no padding,
        one stride for both axes).
    lagrangians : mapping of layer names to Lagrangian, optional
        For layers whose Lagrangian is a lambda, or is known to HAMUX alone. Functions of HAMUX, and
        a ``functools.partial`` of them, are recognised.
    tau : mapping of layer names to array_like, optional
        Time constants, which HAMUX does not have; 1 by default.

    Returns
    -------
    Network
        Layers by the names of the neurons, synapses by theirs.

    Raises
    ------
    ValueError, TypeError
        If something is not known; if an activation or the energy is not that of the model, both
        compared at random states to 1e-3.

    References
    ----------
    Hoover, Chau, Strobelt & Krotov 2022, "A universal abstraction for hierarchical Hopfield
    networks".

    Examples
    --------
    >>> import amsim as am
    >>> net = am.interop.from_hamux(model, tau={"hidden": 0.1})  # doctest: +SKIP
    """
    model = model.unvectorize() if hasattr(model, "unvectorize") else model
    if not all(hasattr(model, part) for part in ("neurons", "hypersynapses", "connections")):
        raise TypeError(f"model must be a HAM of HAMUX, got {checks.shown(model)}")
    given: Mapping[str, Lagrangian] = {} if lagrangians is None else lagrangians
    times: Mapping[str, ArrayLike] = {} if tau is None else tau
    for what, names in (("lagrangians", given), ("tau", times)):
        checks.instance(what, names, Mapping, "a mapping of layer names, or None")
        if strange := [name for name in names if name not in model.neurons]:
            raise ValueError(
                f"{what} names {strange[0]!r}; the neurons are {', '.join(model.neurons)}"
            )
    synapses: list[HyperSynapse] = []
    biases: dict[str, Array] = {}
    used: dict[str, int] = {}
    for between, name in model.connections:
        used[name] = used.get(name, 0) + 1
        own = name if used[name] == 1 else f"{name}{used[name]}"  # one that stands at several
        synapses += _synapse(model.hypersynapses[name], own, tuple(between), biases)
    layers = {
        name: Layer(
            neuron.shape,
            _lagrangian(name, neuron, given),
            tau=times.get(name, 1.0),
            bias=biases.get(name, 0.0),
        )
        for name, neuron in model.neurons.items()
    }
    network = Network(layers, synapses)
    _compare(network, model)
    return network


def _lagrangian(name: str, neuron: Any, given: Mapping[str, Lagrangian]) -> Lagrangian:
    if name in given:
        return given[name]
    function: Any = neuron.lagrangian
    options: dict[str, Any] = {}
    if isinstance(function, partial):
        function, options = function.func, dict(function.keywords)
    kind = _KINDS.get(getattr(function, "__name__", ""))
    try:
        assert kind is not None
        return kind(**{key: np.asarray(value).tolist() for key, value in options.items()})  # type: ignore[no-any-return]
    except (AssertionError, TypeError):
        raise ValueError(
            f"neurons {name!r} have the Lagrangian {checks.shown(neuron.lagrangian)}, which is not "
            f"known: pass lagrangians={{{name!r}: ...}}, such as Softmax(beta)"
        ) from None


def _synapse(
    synapse: Any, name: str, between: tuple[str, ...], biases: dict[str, Array]
) -> list[HyperSynapse]:
    """Our synapses for one of theirs; constant inputs are added to the biases."""
    kind = type(synapse).__name__
    if kind in ("BiasSynapse", "LinearSynapseWithBias"):
        bias, layer = np.asarray(synapse.b, np.float64), between[-1]
        biases[layer] = np.add(biases.get(layer, 0.0), bias)
    if kind == "BiasSynapse":
        return []
    if kind in ("LinearSynapse", "LinearSynapseWithBias"):
        weights = np.asarray(synapse.W, np.float64)
        if len(set(between)) == 1:
            weights = weights + weights.T  # ours has the energy -g^T W g / 2
        return [Dense(weights, between=between, name=name)]
    if kind == "ConvSynapse":
        strides = tuple(int(n) for n in synapse.window_strides)
        if synapse.padding != "VALID" or len(set(strides)) > 1:
            raise ValueError(
                f"synapse {name!r} has padding {synapse.padding!r} and strides {strides}: only "
                f"'VALID' and equal strides are known"
            )
        kernel = np.asarray(synapse.W, np.float64).transpose(0, 2, 3, 1)
        image, maps = between
        return [Convolution(kernel, (maps, image), strides[0], name=name)]
    raise ValueError(
        f"synapse {name!r} is a {kind}, which is not known: build the network from am.Layer and "
        f"synapses of amsim"
    )


def _compare(network: Network, model: Any) -> None:
    """Refuse a network that is not the model at random states."""
    rng = np.random.default_rng(0)
    states = {name: rng.normal(size=layer.shape) for name, layer in network.layers.items()}
    theirs = {name: neuron.activations(states[name]) for name, neuron in model.neurons.items()}
    for name, layer in network.layers.items():
        ours = layer.lagrangian.activation(states[name])
        if not np.allclose(ours, np.asarray(theirs[name]), rtol=_CLOSE, atol=_CLOSE):
            raise ValueError(
                f"neurons {name!r} have other activations than {layer.lagrangian!r}: pass "
                f"lagrangians={{{name!r}: ...}}"
            )
    own, other = float(network.energy(states)), float(model.energy(theirs, states))
    if not math.isclose(own, other, rel_tol=_CLOSE, abs_tol=_CLOSE):
        raise ValueError(
            f"the model has the energy {other:g} where the network has {own:g}: it has parts that "
            f"are not known, such as synapses of a class of their own"
        )
