"""Tests of recall and of forces in JAX, which `test_interop.py` runs in a process of their own."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
import pytest

import amsim as am

RNG = np.random.default_rng(0)
CLAMP = np.arange(5) < 3
CUES = RNG.normal(size=(2, 5))
EXACT = am.Settled(1e-12)
SOLVER = am.FixedPoint(10_000)


def network() -> am.Network:
    return am.dense_am(
        np.random.default_rng(1).normal(size=(4, 5)) / 2, visible=am.Tanh(), hidden=am.Softmax(2.0)
    )


def test_jax_differentiates_a_recall() -> None:
    jax.config.update("jax_enable_x64", True)
    net, loss = network(), am.learning.SquaredError("visible", 0.5)
    recall = am.interop.jax.recall(net, clamp=CLAMP, solver=SOLVER, until=EXACT)

    def objective(parameters: Any, cue: Any) -> Any:
        return jax.numpy.sum((recall(parameters, cue)["visible"] - 0.5) ** 2) / 2

    exact = am.learning.gradient(net, CUES, loss, clamp=CLAMP, solver=SOLVER, until=EXACT)
    value, found = jax.jit(jax.value_and_grad(objective))(net.parameters(), CUES)
    assert float(value) == pytest.approx(exact.loss, rel=1e-12)
    for name, part in exact.parameters.items():
        for key, expected in part.items():
            np.testing.assert_allclose(found[name][key], expected, rtol=1e-9, atol=1e-14)
    by_cue = jax.grad(objective, argnums=1)(net.parameters(), CUES)
    assert by_cue[:, CLAMP].any() and not by_cue[:, ~CLAMP].any()


def test_optax_trains_as_it_is() -> None:
    loss = am.learning.SquaredError("visible", 0.5 * np.ones((2, 2)), units=[3, 4])
    found = am.learning.train(
        network(), CUES, loss, clamp=CLAMP, solver=SOLVER, epochs=30, optimiser=optax.adam(0.05)
    )
    assert found.losses[-1] < 0.2 * found.losses[0]


def unit_layer(size: int, kind: am.Lagrangian, tau: float = 1.0, leak: float = 1.0) -> am.Layer:
    return am.Layer(size, kind, tau=tau, bias=RNG.normal(size=size), leak=leak)


def two_layers() -> am.Network:
    """int8 memories that follow at once, and a lateral synapse."""
    layers = {"v": unit_layer(5, am.Tanh(1.5)), "h": unit_layer(4, am.Softmax(2.0), 0, 0.5)}
    memories, lateral = RNG.choice([-1, 1], (4, 5)).astype(np.int8), RNG.normal(size=(5, 5))
    synapses = [am.Dense(memories, ("h", "v")), am.Dense(lateral + lateral.T, ("v", "v"))]
    return am.Network(layers, synapses)


def three_layers(*kinds: am.Lagrangian) -> am.Network:
    """A chain, the middle without leak, with directed synapses within a layer and across."""
    layers = {n: unit_layer(4, k, 2.0, float(n != "b")) for n, k in zip("abc", kinds, strict=True)}
    weights = RNG.normal(size=(4, 4, 4)) / 2
    both = [am.Dense(weights[0], ("a", "b")), am.Dense(weights[1], ("b", "c"))]
    turn = am.Directed(weights[2], source="a", target="a")
    return am.Network(layers, [*both, turn, am.Directed(weights[3], source="a", target="c")])


def tokens() -> am.Network:
    layers = {
        "x": am.Layer((3, 4), am.LayerNorm(2.0, [0.1, 0.2, 0.3, 0.4])),
        "h": am.Layer((3, 6), am.RectifiedPower(2.5), tau=0.1),
    }
    return am.Network(layers, [am.Dense(RNG.normal(size=(6, 4)), ("h", "x"))])


NETWORKS = [
    two_layers(),
    three_layers(am.Identity(), am.Sigmoid(3.0), am.ReLU()),
    three_layers(am.RectifiedPower(3.0), am.SignedPower(2.0), am.Spherical(0.1)),
    three_layers(am.Exponential(0.5), am.LayerNorm(), am.SignedPower(3.5)),
    tokens(),
]


def cues_of(net: am.Network) -> dict[str, Any]:
    return {name: RNG.normal(size=(2, *layer.shape)) for name, layer in net.dynamic.items()}


def agree(found: Any, expected: Any, error: float) -> None:
    assert found.keys() == expected.keys()
    for name, exact in expected.items():
        allowed = error * max(1, np.abs(exact).max())
        np.testing.assert_allclose(found[name], exact, rtol=0, atol=allowed, err_msg=name)


def test_forces_are_those_of_the_network() -> None:
    jax.config.update("jax_enable_x64", True)
    for net in NETWORKS:
        force, states = jax.jit(am.interop.jax.force(net)), cues_of(net)
        inputs = {name: RNG.normal(size=layer.shape) for name, layer in net.layers.items()}
        agree(force(states, inputs), net.force(states, inputs), 1e-12)
        rough = force({name: x.astype(np.float32) for name, x in states.items()}, inputs)
        assert {x.dtype for x in rough.values()} == {np.dtype(np.float32)}
        agree(rough, net.force(states, inputs), 1e-5)


def check_jacobian(net: am.Network) -> None:
    force = am.interop.jax.force(net)
    point = net.pack({name: cue[0] for name, cue in cues_of(net).items()})
    point[:2] = 0.0

    def velocity(vector: Any) -> Any:
        forces = force(net.unpack(vector)).items()
        return jax.numpy.concatenate([(x / net.layers[n].tau).ravel() for n, x in forces])

    found = jax.jit(jax.jacobian(velocity))(point)
    np.testing.assert_allclose(found, net.jacobian(net.unpack(point)), rtol=0, atol=1e-11)


def check_parameters(net: am.Network) -> None:
    force, cues = am.interop.jax.force(net), cues_of(net)

    def scaled(factor: Any) -> Any:
        return jax.tree_util.tree_map(lambda x: factor * x, net.parameters())

    slope = jax.jit(jax.jacfwd(lambda factor: force(cues, None, scaled(factor))))(1.0)
    up, down = (net.with_parameters(scaled(factor)).force(cues) for factor in (1 + 1e-5, 1 - 1e-5))
    agree(slope, {name: (up[name] - down[name]) / 2e-5 for name in up}, 1e-7)


def test_a_recall_of_forces_over_a_batch() -> None:
    """Heun's steps, each cue by vmap, end at the fixed points."""
    jax.config.update("jax_enable_x64", True)
    net = network()
    force, dt = am.interop.jax.force(net), 0.02

    def velocity(states: Any) -> Any:
        return {name: x / net.layers[name].tau for name, x in force(states).items()}

    def step(x: Any, _: Any) -> Any:
        first = velocity(x)
        second = velocity({n: x[n] + dt * first[n] for n in x})
        return {n: x[n] + dt / 2 * (first[n] + second[n]) for n in x}, None

    start = {"visible": CUES, "hidden": np.zeros((2, 4))}
    found, _ = jax.jit(jax.vmap(lambda x: jax.lax.scan(step, x, length=2000)))(start)
    exact = am.simulate(net, CUES, solver=SOLVER, until=EXACT)
    agree(found, exact.final, 1e-9)


def test_forces_have_the_derivatives_of_the_network() -> None:
    """By the states, 0 among them, `Network.jacobian`; by all parameters, finite differences."""
    jax.config.update("jax_enable_x64", True)
    for net in NETWORKS:
        check_jacobian(net)
    for net in NETWORKS[:2]:
        check_parameters(net)


def test_forces_refuse_what_jax_has_not() -> None:
    jax.config.update("jax_enable_x64", False)
    rounded = am.interop.jax.force(network())
    jax.config.update("jax_enable_x64", True)
    force = am.interop.jax.force(network())
    v, h = np.ones(5), np.ones(4)
    entmax = am.Network({"x": am.Layer(2, am.Entmax())}, [])
    cubic = am.MultiBody(np.ones(()) * np.ones((2, 2, 2)), ("x", "x", "x"))
    with pytest.raises(TypeError, match=r"layer 'x' is Entmax; .*Softmax.*: use Network.force"):
        am.interop.jax.force(entmax)
    with pytest.raises(TypeError, match="is MultiBody; in JAX there are Dense"):
        am.interop.jax.force(am.Network({"x": am.Layer(2, am.Tanh())}, [cubic]))
    with pytest.raises(ValueError, match="rounded to float32: call amsim"):
        rounded({"visible": v, "hidden": h})
    for states, given, message in [
        ({"visible": v}, (), "no value for layer 'hidden'"),
        ({"visible": v, "hidden": v}, (), "'hidden' has shape"),
        ({"visible": v.astype("float32"), "hidden": h}, (), "give all float32 or float64"),
        ({"visible": v, "hidden": h}, ({"visible": np.ones((2, 5))},), "input of layer 'visible'"),
        ({"visible": v, "hidden": h}, (None, {"hidden": {"tua": 1.0}}), "name 'hidden', 'tua'"),
        ({"visible": v, "hidden": h}, (None, {"hidden": {"bias": 1.0}}), "must be .4,."),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            force(states, *given)
