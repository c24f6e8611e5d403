"""The same energies and gradients as HAMUX, which differentiates them automatically."""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am
from amsim.models import energy_transformer, hierarchical_memory

REASON = "HAMUX is not installed; run: uv run --group bench pytest tests/conformance"
pytest.importorskip("fastcore", reason=REASON)
jax = pytest.importorskip("jax", reason=REASON)
hamux = pytest.importorskip("hamux", reason=REASON)
jax.config.update("jax_enable_x64", True)
jnp = jax.numpy

Array = npt.NDArray[Any]
EXACT: dict[str, float] = {"rtol": 1e-10, "atol": 1e-10}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# Our Lagrangian and theirs; in HAMUX the energy of ReLU is 1/2 relu^2 too.
LAGRANGIANS: list[tuple[am.Lagrangian, Callable[[Any], Any]]] = [
    (am.Identity(), hamux.lagr_identity),
    (am.Tanh(2.0), lambda x: hamux.lagr_tanh(x, beta=2.0)),
    (am.Sigmoid(1.5), lambda x: hamux.lagr_sigmoid(x, beta=1.5)),
    (am.ReLU(), hamux.lagr_relu),
    (am.RectifiedPower(3), lambda x: hamux.lagr_repu(x, 3)),
    (am.Exponential(0.7), lambda x: hamux.lagr_exp(x, beta=0.7)),
    (am.Softmax(2.5), lambda x: hamux.lagr_softmax(x, beta=2.5)),
    (am.LayerNorm(1.3, 0.2), lambda x: hamux.lagr_layernorm(x, gamma=1.3, delta=0.2)),
    (am.Spherical(), hamux.lagr_spherical_norm),
]


def neurons(shape: tuple[int, ...], lagrangian: Callable[[Any], Any]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):  # it prints when a layer is made
        return hamux.NeuronLayer(lagrangian, shape)


@pytest.mark.parametrize(
    ("ours", "theirs"), LAGRANGIANS, ids=[repr(pair[0]) for pair in LAGRANGIANS]
)
def test_lagrangians(ours: am.Lagrangian, theirs: Callable[[Any], Any]) -> None:
    x = rng().normal(size=7)
    layer = neurons((7,), theirs)
    np.testing.assert_allclose(ours.value(x), theirs(jnp.array(x)), **EXACT)
    np.testing.assert_allclose(ours.activation(x), layer.activations(jnp.array(x)), **EXACT)
    np.testing.assert_allclose(ours.hessian(x), jax.hessian(theirs)(jnp.array(x)), **EXACT)


def compare(net: am.Network, states: dict[str, Array], theirs: Any) -> None:
    """Energies and -dE/dg of a network with one cue."""
    xs = {name: jnp.array(x) for name, x in states.items()}
    active = theirs.activations(xs)
    np.testing.assert_allclose(net.energy(states), theirs.energy(active, xs), **EXACT)
    gradient = theirs.dEdact(active, xs)
    for name, force in net.force(states).items():
        np.testing.assert_allclose(force, -gradient[name], **EXACT)


@pytest.mark.parametrize(
    ("ours", "theirs"), LAGRANGIANS, ids=[repr(pair[0]) for pair in LAGRANGIANS]
)
def test_three_layers(ours: am.Lagrangian, theirs: Callable[[Any], Any]) -> None:
    draw = rng()
    low, high = draw.normal(size=(5, 4)), draw.normal(size=(3, 5))
    net = hierarchical_memory([low, high], [am.Tanh(), ours, am.Softmax(2.0)])
    ham = hamux.HAM(
        {
            "visible": neurons((4,), hamux.lagr_tanh),
            "hidden1": neurons((5,), theirs),
            "hidden2": neurons((3,), lambda x: hamux.lagr_softmax(x, beta=2.0)),
        },
        {"low": hamux.LinearSynapse(jnp.array(low)), "high": hamux.LinearSynapse(jnp.array(high))},
        [(("hidden1", "visible"), "low"), (("hidden2", "hidden1"), "high")],
    )
    states = {name: draw.normal(size=layer.shape) for name, layer in net.layers.items()}
    compare(net, states, ham)


@pytest.mark.parametrize("stride", [1, 2])
def test_convolution(stride: int) -> None:
    draw = rng()
    kernel = draw.normal(size=(3, 2, 3, 2))
    shape = (3, 2)
    pixels = (2 * stride + 2, stride + 3)
    net = am.Network(
        {"image": am.Layer((*pixels, 2), am.Tanh()), "maps": am.Layer((*shape, 3), am.Sigmoid())},
        [am.Convolution(kernel, between=("maps", "image"), stride=stride)],
    )
    weights = jnp.array(kernel.transpose(0, 3, 1, 2))
    ham = hamux.HAM(
        {
            "image": neurons((*pixels, 2), hamux.lagr_tanh),
            "maps": neurons((*shape, 3), hamux.lagr_sigmoid),
        },
        {"conv": hamux.ConvSynapse(weights, (stride, stride), "VALID")},
        [(("image", "maps"), "conv")],
    )
    states = {name: draw.normal(size=layer.shape) for name, layer in net.layers.items()}
    compare(net, states, ham)


def test_many_body_synapse() -> None:
    draw = rng()
    tensor = draw.normal(size=(2, 3, 4))
    net = am.Network(
        {"x": am.Layer(2, am.Tanh()), "y": am.Layer(3, am.Tanh()), "z": am.Layer(4, am.Tanh())},
        [am.MultiBody(tensor, between=("x", "y", "z"))],
    )
    ham = hamux.HAM(
        {name: neurons(layer.shape, hamux.lagr_tanh) for name, layer in net.layers.items()},
        {"t": lambda x, y, z: -jnp.einsum("ijk,i,j,k->", jnp.array(tensor), x, y, z)},
        [(("x", "y", "z"), "t")],
    )
    states = {name: draw.normal(size=layer.shape) for name, layer in net.layers.items()}
    compare(net, states, ham)


@pytest.mark.parametrize("exclude_self", [True, False])
def test_energy_transformer(exclude_self: bool) -> None:
    """Its two energies as functions of the activations, without the tokens' own energy."""
    draw, beta = rng(), 0.6
    wk, wq = draw.normal(size=(2, 2, 3, 5))
    memories, x = draw.normal(size=(7, 5)), draw.normal(size=(4, 5))

    def attention(g: Any) -> Any:
        keys = jnp.einsum("hyd,bd->hby", wk, g)
        queries = jnp.einsum("hyd,cd->hcy", wq, g)
        scores = beta * jnp.einsum("hby,hcy->hcb", keys, queries)
        if exclude_self:
            scores = jnp.where(jnp.eye(4, dtype=bool), -jnp.inf, scores)
        return -jax.nn.logsumexp(scores, axis=-1).sum() / beta

    def hopfield(g: Any) -> Any:
        return -(jnp.maximum(g @ memories.T, 0) ** 2).sum() / 2

    token = neurons((5,), lambda x: hamux.lagr_layernorm(x, gamma=1.2, delta=0.1))
    g = jax.vmap(token.activations)(jnp.array(x))
    net = energy_transformer(
        wk, wq, memories, n_tokens=4, beta=beta, gamma=1.2, delta=0.1, exclude_self=exclude_self
    )
    tree = net.energy_tree({"tokens": x})
    np.testing.assert_allclose(tree["attention"], attention(g), **EXACT)
    np.testing.assert_allclose(tree["hopfield"], hopfield(g), **EXACT)
    gradient = jax.grad(lambda g: attention(g) + hopfield(g))(g)
    np.testing.assert_allclose(net.force({"tokens": x})["tokens"], -gradient, **EXACT)


def test_jacobian_of_the_energy_transformer() -> None:
    """The derivative of the force by the state, through both synapses and the layer norm."""
    draw = rng()
    wk, wq = draw.normal(size=(2, 2, 3, 5))
    memories, x = draw.normal(size=(7, 5)), draw.normal(size=(4, 5))

    def energy(g: Any) -> Any:
        keys, queries = jnp.einsum("hyd,bd->hby", wk, g), jnp.einsum("hyd,cd->hcy", wq, g)
        scores = jnp.einsum("hby,hcy->hcb", keys, queries) / jnp.sqrt(3)
        scores = jnp.where(jnp.eye(4, dtype=bool), -jnp.inf, scores)
        attention = jax.nn.logsumexp(scores, axis=-1).sum() * jnp.sqrt(3)
        return -attention - (jnp.maximum(g @ memories.T, 0) ** 2).sum() / 2

    def force(flat: Any) -> Any:
        g = jax.vmap(jax.grad(hamux.lagr_layernorm))(flat.reshape(4, 5))
        return -jax.grad(energy)(g).ravel()

    net = energy_transformer(wk, wq, memories, n_tokens=4)
    jacobian = jax.jacobian(force)(jnp.array(x.ravel()))
    np.testing.assert_allclose(net.jacobian({"tokens": x}), jacobian, rtol=1e-9, atol=1e-9)


def test_an_imported_model_has_the_same_energy_and_forces() -> None:
    draw = rng()
    square = draw.normal(size=(4, 4))
    ham = hamux.HAM(
        {
            "image": neurons((5, 4, 2), hamux.lagr_tanh),
            "maps": neurons((4, 3, 3), lambda x: hamux.lagr_sigmoid(x, beta=2.0)),
            "state": neurons((4,), functools.partial(hamux.lagr_softmax, beta=1.5)),
        },
        {
            "conv": hamux.ConvSynapse(jnp.array(draw.normal(size=(3, 2, 2, 2))), (1, 1), "VALID"),
            "loop": hamux.LinearSynapseWithBias(jnp.array(square), jnp.array(square[0])),
            "push": hamux.BiasSynapse(jnp.array(square[1])),
        },
        [(("image", "maps"), "conv"), (("state", "state"), "loop"), (("state",), "push")],
    )
    net = am.interop.from_hamux(ham, lagrangians={"maps": am.Sigmoid(2.0)})
    compare(net, {name: draw.normal(size=layer.shape) for name, layer in net.layers.items()}, ham)
    with pytest.raises(ValueError, match="neurons 'maps' have the Lagrangian"):
        am.interop.from_hamux(ham)
