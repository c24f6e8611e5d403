"""Networks: energy, velocity and Jacobian belong together; shapes and settings are checked."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from itertools import permutations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amsim import (
    Dense,
    Exponential,
    Identity,
    Layer,
    LayerNorm,
    MultiBody,
    Network,
    RectifiedPower,
    ReLU,
    Sigmoid,
    Softmax,
    Spherical,
    Tanh,
    dense_am,
)

Array = npt.NDArray[Any]
States = dict[str, Array]

seeds = st.integers(0, 2**32 - 1)


# Networks under test


def two_layer() -> Network:
    """Features with their own tau, memories with one tau, biases on both sides."""
    rng = np.random.default_rng(1)
    return dense_am(
        rng.normal(size=(4, 3)),
        hidden=Softmax(1.5),
        tau_visible=[0.5, 1.0, 2.0],
        tau_hidden=0.1,
        bias_visible=[0.3, -0.2, 0.1],
        bias_hidden=rng.normal(size=4),
    )


def algebraic_memories() -> Network:
    rng = np.random.default_rng(2)
    return dense_am(
        rng.normal(size=(4, 3)),
        visible=Tanh(1.3),
        hidden=Softmax(2.0),
        tau_visible=[0.5, 1.0, 2.0],
        tau_hidden=0.0,
        bias_hidden=0.2,
    )


def symmetric(weights: Array, axes: int = 2) -> Array:
    """The mean over the orders of the first axes, which belong to one layer."""
    orders = [(*order, *range(axes, weights.ndim)) for order in permutations(range(axes))]
    return np.asarray(sum(weights.transpose(order) for order in orders) / len(orders))


def three_layers() -> Network:
    """An algebraic layer in the middle with leak 2, a three-body synapse and a self-connection."""
    rng = np.random.default_rng(3)
    return Network(
        layers={
            "middle": Layer(4, Sigmoid(1.2), tau=0.0, leak=2.0, bias=0.5),
            "visible": Layer(3, Tanh(0.8), tau=[0.3, 1.0, 3.0], leak=0.5, bias=[0.1, 0.2, -0.4]),
            "top": Layer(2, LayerNorm(1.1, delta=0.3, eps=0.1), tau=0.7),
        },
        synapses=[
            Dense(rng.normal(size=(4, 3)), between=("middle", "visible")),
            MultiBody(rng.normal(size=(2, 4, 3)), between=("top", "middle", "visible")),
            Dense(symmetric(rng.normal(size=(3, 3))), ("visible", "visible"), name="self"),
        ],
    )


def tokens() -> Network:
    """Copies: tokens without leak, one tau each, and two layers with the same copies in front."""
    rng = np.random.default_rng(4)
    return Network(
        layers={
            "tokens": Layer((2, 3), LayerNorm(eps=0.1), tau=[[0.5], [2.0]], bias=9.0, leak=0.0),
            "memories": Layer((2, 4), Softmax(1.4), tau=0.2, bias=rng.normal(size=(2, 4))),
            "context": Layer((2, 2), Tanh(0.6), tau=0.0, bias=[0.4, -0.3]),
        },
        synapses=[
            Dense(rng.normal(size=(4, 3)), between=("memories", "tokens")),
            Dense(rng.normal(size=(2, 3)), between=("context", "tokens")),
            MultiBody(
                symmetric(rng.normal(size=(3, 3, 2))), between=("tokens", "tokens", "context")
            ),
        ],
    )


def many_kinds() -> Network:
    """The remaining Lagrangians, and a layer that no synapse reaches."""
    rng = np.random.default_rng(5)
    return Network(
        layers={
            "loose": Layer(2, Identity(), tau=0.0, bias=[1.0, -2.0]),
            "power": Layer(3, RectifiedPower(3), tau=[1.0, 0.2, 0.5]),
            "exponential": Layer(2, Exponential(0.5), tau=0.3, bias=-0.5),
            "rectified": Layer(2, ReLU(), tau=0.6),
            "sphere": Layer(4, Spherical(eps=0.1), tau=2.0),
        },
        synapses=[
            Dense(rng.normal(size=(3, 4)), between=("power", "sphere")),
            Dense(rng.normal(size=(2, 4)), between=("exponential", "sphere")),
            Dense(rng.normal(size=(2, 4)), between=("rectified", "sphere")),
        ],
    )


ZOO = [two_layer, algebraic_memories, three_layers, tokens, many_kinds]
every = pytest.mark.parametrize("build", ZOO, ids=lambda build: build.__name__)
batches = st.sampled_from([(), (1,), (3,), (2, 3)])


def example(net: Network, batch: tuple[int, ...], seed: int) -> tuple[States, States]:
    """States off the kinks of the rectified Lagrangians, and inputs for every layer."""
    rng = np.random.default_rng(seed)
    states = {}
    for name, layer in net.dynamic.items():
        x = rng.normal(size=(*batch, *layer.shape))
        states[name] = x + 0.05 * np.sign(x)
    inputs = {name: 0.1 * rng.normal(size=layer.shape) for name, layer in net.layers.items()}
    return states, inputs


def derivative(function: Callable[[Array], Array], x: Array) -> Array:
    """Derivatives by the last axis of x, put last; fourth order, errors of about 1e-10 here."""
    h, units = 1e-3, np.eye(x.shape[-1])

    def slope(step: float) -> Array:
        moved = [function(x + step * u) - function(x - step * u) for u in units]
        return np.stack(moved, axis=-1) / (2 * step)

    return np.asarray((4 * slope(h) - slope(2 * h)) / 3)


def close(actual: Array, expected: Array) -> None:
    np.testing.assert_allclose(actual, expected, rtol=1e-7, atol=1e-8)


# Derivatives


@every
@settings(deadline=None, max_examples=6)
@given(batch=batches, seed=seeds)
def test_energy_gradient_is_the_hessian_times_minus_tau_velocity(
    build: Callable[[], Network], batch: tuple[int, ...], seed: int
) -> None:
    """dE/dx = H dE/dg; algebraic layers follow the others, where dE/dg = 0."""
    net = build()
    states, inputs = example(net, batch, seed)
    velocity = net.velocity(states, inputs)
    assert set(velocity) == set(net.dynamic)
    expected = {}
    for name, layer in net.dynamic.items():
        assert velocity[name].shape == states[name].shape
        expected[name] = -layer.lagrangian.hessian_product(states[name], layer.tau * velocity[name])
    gradient = derivative(lambda x: net.energy(net.unpack(x), inputs), net.pack(states))
    close(gradient, net.pack(expected))


@settings(deadline=None, max_examples=10)
@given(batch=batches, seed=seeds)
def test_velocity_is_minus_the_gradient_by_the_activation_over_tau(
    batch: tuple[int, ...], seed: int
) -> None:
    """Invertible activations, so that the energy is a function of g."""
    rng = np.random.default_rng(seed)
    inverse: dict[str, Callable[[Array], Array]] = {
        "linear": lambda g: g,
        "spin": lambda g: np.arctanh(g) / 1.3,
        "rate": lambda g: np.log(g / (1 - g)) / 0.7,
    }
    net = Network(
        layers={
            "linear": Layer(3, Identity(), tau=[0.3, 1.0, 3.0], bias=0.4),
            "spin": Layer(4, Tanh(1.3), tau=[0.1, 1.0, 2.0, 5.0], leak=0.5),
            "rate": Layer((1, 2), Sigmoid(0.7), tau=[[0.2, 0.4]], leak=0.0),
        },
        synapses=[
            Dense(rng.normal(size=(3, 4)), between=("linear", "spin")),
            Dense(symmetric(rng.normal(size=(4, 4))), between=("spin", "spin")),
            Dense(symmetric(rng.normal(size=(2, 2))), between=("rate", "rate")),
        ],
    )
    # Away from saturation, where the inverse is too steep for a difference.
    states = {
        name: rng.uniform(-0.7, 0.7, (*batch, *layer.shape)) for name, layer in net.layers.items()
    }
    velocity = net.velocity(states)
    for name, layer in net.layers.items():
        g = layer.lagrangian.activation(states[name])

        def energy(flat: Array, name: str = name, shape: tuple[int, ...] = g.shape) -> Array:
            return net.energy({**states, name: inverse[name](flat.reshape(shape))})

        gradient = derivative(energy, g.reshape(*batch, -1)).reshape(g.shape)
        close(velocity[name], -gradient / layer.tau)


@every
@settings(deadline=None, max_examples=6)
@given(batch=batches, seed=seeds)
def test_jacobian_is_the_derivative_of_the_velocity(
    build: Callable[[], Network], batch: tuple[int, ...], seed: int
) -> None:
    net = build()
    states, inputs = example(net, batch, seed)
    size = sum(layer.size for layer in net.dynamic.values())
    jacobian = net.jacobian(states, inputs)
    assert jacobian.shape == (*batch, size, size)

    def velocity(x: Array) -> Array:
        return net.pack(net.velocity(net.unpack(x), inputs))

    close(jacobian, derivative(velocity, net.pack(states)))


# Closed forms


def test_two_layer_equations_are_the_published_ones() -> None:
    rng = np.random.default_rng(6)
    xi, a, b, beta = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=4), 1.5
    tau_v, tau_h = np.array([0.5, 1.0, 2.0]), np.array([0.1, 0.1, 0.1, 0.1])
    net = dense_am(
        xi, visible=Tanh(2.0), hidden=Softmax(beta), tau_visible=tau_v, tau_hidden=tau_h,
        bias_visible=a, bias_hidden=b,
    )  # fmt: skip
    v, h = rng.normal(size=3), rng.normal(size=4)
    g, f = np.tanh(2 * v), np.exp(beta * h) / np.exp(beta * h).sum()
    velocity = net.velocity({"visible": v, "hidden": h})
    np.testing.assert_allclose(velocity["visible"], (xi.T @ f + a - v) / tau_v, rtol=1e-13)
    np.testing.assert_allclose(velocity["hidden"], (xi @ g + b - h) / tau_h, rtol=1e-13)
    parts = {
        "visible": (v - a) @ g - np.log(np.cosh(2 * v)).sum() / 2,
        "hidden": (h - b) @ f - np.log(np.exp(beta * h).sum()) / beta,
        "hidden-visible": -f @ xi @ g,
    }
    tree = net.energy_tree({"visible": v, "hidden": h})
    assert set(tree) == set(parts)
    for name, energy in parts.items():
        np.testing.assert_allclose(tree[name], energy, rtol=1e-13)


@every
@settings(deadline=None, max_examples=6)
@given(batch=batches, seed=seeds)
def test_energy_tree_has_every_part_and_sums_to_the_energy(
    build: Callable[[], Network], batch: tuple[int, ...], seed: int
) -> None:
    net = build()
    states, inputs = example(net, batch, seed)
    tree = net.energy_tree(states, inputs)
    assert list(tree) == [*net.layers, *(synapse.name for synapse in net.synapses)]
    assert {energy.shape for energy in tree.values()} == {batch}
    np.testing.assert_allclose(net.energy(states, inputs), sum(tree.values()), rtol=1e-14)
    full, active = net.complete(states, inputs), net.activations(states, inputs)
    axes = tuple(range(len(batch), 4))
    for name, layer in net.layers.items():
        x, g, external = full[name], active[name], layer.bias + inputs[name]
        pairing = np.sum((x - external) * g, axis=axes[: len(layer.shape)])
        value = layer.lagrangian.value(x).sum(axis=axes[: len(layer.shape) - 1])
        expected = layer.leak * (pairing - value)
        np.testing.assert_allclose(tree[name], expected, rtol=1e-12, atol=1e-12)


@every
@settings(deadline=None, max_examples=6)
@given(batch=batches, seed=seeds)
def test_algebraic_layers_are_at_rest(
    build: Callable[[], Network], batch: tuple[int, ...], seed: int
) -> None:
    """They have the shape of their layer, balance their forces, and ignore what is given."""
    net = build()
    states, inputs = example(net, batch, seed)
    full = net.complete(states, inputs)
    active = net.activations(states, inputs)
    assert list(full) == list(net.layers)
    for name, layer in net.layers.items():
        assert full[name].shape == (*batch, *layer.shape)
        if not layer.algebraic:
            np.testing.assert_array_equal(full[name], states[name])
            continue
        force = np.zeros(layer.shape)
        for synapse in net.synapses:
            on = synapse.force(*(active[other] for other in synapse.between))
            force = force + sum(
                f for f, other in zip(on, synapse.between, strict=True) if other == name
            )
        expected = np.broadcast_to(layer.bias + inputs[name] + force / layer.leak, full[name].shape)
        np.testing.assert_allclose(full[name], expected, rtol=1e-12, atol=1e-12)
        states[name] = np.full((7,), np.nan)
    again = net.complete(states, inputs)
    for name in full:
        np.testing.assert_array_equal(again[name], full[name])


# Batches and layout


@every
@settings(deadline=None, max_examples=4)
@given(seed=seeds)
def test_a_batch_equals_its_cues_one_by_one(build: Callable[[], Network], seed: int) -> None:
    """Sums of at most 20 terms of order 1 to 10 may only differ in their order."""
    net = build()
    states, inputs = example(net, (2, 3), seed)
    own = np.random.default_rng(seed).normal(size=(2, 3, *next(iter(inputs.values())).shape))
    inputs[next(iter(inputs))] = own

    def evaluate(states: States, inputs: States) -> dict[str, Array]:
        found = {"energy": net.energy(states, inputs), "jacobian": net.jacobian(states, inputs)}
        for what in (net.velocity, net.force, net.activations, net.energy_tree):
            found |= {f"{what.__name__} {k}": x for k, x in what(states, inputs).items()}
        return found

    together = evaluate(states, inputs)
    for index in np.ndindex(2, 3):
        alone = evaluate(
            {name: x[index] for name, x in states.items()},
            {name: x[index] if x is own else x for name, x in inputs.items()},
        )
        for key, value in alone.items():
            np.testing.assert_allclose(
                together[key][index], value, rtol=1e-12, atol=1e-12, err_msg=key
            )


@every
@settings(deadline=None, max_examples=4)
@given(batch=batches, seed=seeds)
def test_unpack_is_the_inverse_of_pack(
    build: Callable[[], Network], batch: tuple[int, ...], seed: int
) -> None:
    net = build()
    states, _ = example(net, batch, seed)
    vector = net.pack(states)
    assert vector.shape == (*batch, sum(layer.size for layer in net.dynamic.values()))
    back = net.unpack(vector)
    assert list(back) == list(net.dynamic)
    for name in back:
        np.testing.assert_array_equal(back[name], states[name])
    np.testing.assert_array_equal(net.pack(back), vector)
    start = 0
    for name, layer in net.dynamic.items():
        part = vector[..., start : start + layer.size]
        np.testing.assert_array_equal(part, states[name].reshape(*batch, -1))
        start += layer.size


def test_force_is_tau_times_velocity_and_narrow_states_are_widened() -> None:
    net = three_layers()
    states, _ = example(net, (2,), 0)
    narrow = {name: x.astype(np.float32) for name, x in states.items()}
    wide = {name: x.astype(np.float64) for name, x in narrow.items()}
    velocity, force = net.velocity(narrow), net.force(wide)
    for name, layer in net.dynamic.items():
        assert velocity[name].dtype == np.float64
        np.testing.assert_allclose(velocity[name] * layer.tau, force[name], rtol=1e-14)
    whole = {"visible": np.array([1, 0, -1]), "hidden": np.array([0, 1, 2, 3])}
    floats = {name: x.astype(np.float64) for name, x in whole.items()}
    assert two_layer().energy(whole) == two_layer().energy(floats)


class Counted(Identity):
    """Identity units that count how often they are asked."""

    calls = 0

    def activation(self, x: npt.ArrayLike) -> Array:
        type(self).calls += 1
        return super().activation(x)


@pytest.mark.parametrize("tau", [0.0, 0.1])
def test_a_force_asks_for_each_activation_once(tau: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counted, "calls", 0)
    net = dense_am(np.eye(2, 3), visible=Counted(), hidden=Counted(), tau_hidden=tau)
    states = {n: np.ones(layer.shape) for n, layer in net.dynamic.items()}
    force = net.unchecked_force(states)
    assert Counted.calls == 2
    assert force["visible"].tolist() == [0.0, 0.0, -1.0]


def test_settings_cannot_change_behind_the_layer() -> None:
    tau, bias = np.array([1.0, 2.0]), np.array([0.5, 0.5])
    layer = Layer(2, Tanh(), tau=tau, bias=bias)
    tau[0], bias[0] = -1.0, np.nan
    assert np.asarray(layer.tau).tolist() == [1.0, 2.0]
    assert np.asarray(layer.bias).tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match="read-only"):
        np.asarray(layer.tau)[0] = 3.0
    net = two_layer()
    with pytest.raises(TypeError):
        net.layers["visible"] = layer  # type: ignore[index]


# Errors


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"shape": 0}, ValueError, ["whole number", "0"]),
        ({"shape": (2, -1)}, ValueError, ["whole number", "-1"]),
        ({"shape": ()}, ValueError, ["shape", "()"]),
        ({"shape": 2.5}, TypeError, ["whole number", "2.5"]),
        ({"shape": None}, TypeError, ["whole number", "None"]),
        ({"shape": "ab"}, TypeError, ["whole number", "'ab'"]),
        ({"lagrangian": Tanh}, TypeError, ["Lagrangian", "Identity()"]),
        ({"tau": -1.0}, ValueError, ["tau", "positive", "0 for the whole layer", "-1"]),
        ({"tau": [1.0, 0.0, 2.0]}, ValueError, ["tau", "whole layer", "from 0 to 2"]),
        ({"tau": [1.0, 2.0]}, ValueError, ["tau", "(2,)", "(3,)", "one value per unit"]),
        ({"tau": np.inf}, ValueError, ["tau", "finite"]),
        ({"tau": np.nan}, ValueError, ["tau", "finite"]),
        ({"bias": [1.0, 2.0]}, ValueError, ["bias", "(2,)", "(3,)", "one value per unit"]),
        ({"bias": np.ones((2, 3))}, ValueError, ["bias", "(2, 3)", "(3,)"]),
        ({"bias": [0.0, np.nan, 0.0]}, ValueError, ["bias", "finite"]),
        ({"leak": -1.0}, ValueError, ["leak", "-1"]),
        ({"leak": np.inf}, ValueError, ["leak", "finite"]),
        ({"leak": 0.0, "tau": 0.0}, ValueError, ["leak", "tau > 0"]),
        ({"tau": "slow"}, TypeError, ["tau", "real numbers", "text"]),
        ({"tau": None}, TypeError, ["tau", "real numbers", "None"]),
        ({"bias": np.full(3, 1j)}, TypeError, ["bias", "real numbers"]),
        ({"leak": "no"}, TypeError, ["leak", "finite number", "'no'"]),
    ],
)  # fmt: skip
def test_unusable_layers_are_refused(
    given: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        Layer(**{"shape": 3, "lagrangian": Tanh(), **given})
    for word in words:
        assert word in str(caught.value)


V, H = Layer(3, Tanh()), Layer(2, Softmax())
STILL = Layer(2, Tanh(), tau=0.0)


@pytest.mark.parametrize(
    ("layers", "synapses", "error", "words"),
    [
        ({}, [], ValueError, ["at least one layer"]),
        ({"v": 3}, [], TypeError, ["'v'", "Layer", "got 3"]),
        ({"v": STILL}, [], ValueError, ["tau = 0", "tau > 0"]),
        ({"v": V}, [np.ones((2, 3))], TypeError, ["synapse", "Dense", "array of shape"]),
        ({"v": V}, [Dense(np.ones((2, 3)), ("h", "v"))], ValueError, ["'h-v'", "'h'", "layers v"]),
        ({"v": V, "h": H}, [Dense(np.ones((2, 3)), ("h", "v"))] * 2, ValueError,
         ["'h-v'", "name="]),
        ({"v": V, "h": H}, [Dense(np.ones((2, 3)), ("h", "v"), name="v")], ValueError,
         ["'v'", "name="]),
        ({"v": V, "a": STILL, "b": STILL}, [Dense(np.ones((2, 2)), ("a", "b"))], ValueError,
         ["'a-b'", "tau = 0", "'a' and 'b'", "tau > 0"]),
        ({"v": V, "a": STILL}, [Dense(np.ones((2, 2)), ("a", "a"))], ValueError,
         ["'a' and 'a'", "tau > 0"]),
        ({"v": V, "a": STILL, "b": STILL}, [MultiBody(np.ones((2, 2, 3)), ("a", "b", "v"))],
         ValueError, ["'a-b-v'", "'a' and 'b'", "tau > 0"]),
    ],
)  # fmt: skip
def test_unusable_networks_are_refused(
    layers: Mapping[str, Any], synapses: list[Any], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        Network(layers, synapses)
    for word in words:
        assert word in str(caught.value)


@every
def test_copies_and_pickles_move_alike(build: Callable[[], Network]) -> None:
    net = build()
    states, inputs = example(net, (2,), seed=0)
    velocity = net.velocity(states, inputs)
    for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        for name, value in other.velocity(states, inputs).items():
            np.testing.assert_array_equal(value, velocity[name])


def test_what_is_found_out_once_is_of_this_network_alone() -> None:
    calls = []

    def size(network: Network) -> int:
        calls.append(network)
        return sum(layer.size for layer in network.layers.values())

    net, other = two_layer(), three_layers()
    sizes = [x.once(size) for x in (net, other, net, pickle.loads(pickle.dumps(net)))]
    assert sizes == [size(net), size(other), size(net), size(net)]
    assert calls[:2] == [net, other] and len(calls) == 3 + 4


def test_synapses_with_names_of_their_own_may_join_the_same_layers() -> None:
    rng = np.random.default_rng(7)
    first, second = rng.normal(size=(2, 2, 3))
    pair = Network(
        {"v": V, "h": H}, [Dense(first, ("h", "v")), Dense(second, ("h", "v"), name="second")]
    )
    sum_ = Network({"v": V, "h": H}, [Dense(first + second, ("h", "v"))])
    states, _ = example(pair, (), 0)
    np.testing.assert_allclose(pair.energy(states), sum_.energy(states), rtol=1e-13)


GOOD = {"visible": np.zeros(3), "hidden": np.zeros(4)}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"visible": np.zeros(4)}, ValueError, ["'visible'", "(4,)", "(3,)"]),
        ({"visible": np.zeros((3, 1))}, ValueError, ["(3, 1)", "(3,)", "in front"]),
        ({"visible": 0.0}, ValueError, ["'visible'", "()", "(3,)"]),
        ({"visible": [0.0, np.nan, 0.0]}, ValueError, ["'visible'", "NaN", "cue"]),
        ({"visible": [1j, 0, 0]}, TypeError, ["'visible'", "real", "complex"]),
        ({"visible": ["a", "b", "c"]}, TypeError, ["'visible'", "real"]),
        ({"visible": np.zeros((2, 3))}, ValueError,
         ["batch axes", "'visible': (2,)", "'hidden': ()"]),
        ({"visible": np.zeros((2, 3)), "hidden": np.zeros((3, 4))}, ValueError,
         ["batch axes", "(2,)", "(3,)"]),
        ({"extra": np.zeros(3)}, ValueError, ["'extra'", "visible, hidden"]),
        ({"hidden": None}, ValueError, ["'hidden'", "visible", "tau > 0"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "ask", ["energy", "energy_tree", "velocity", "force", "activations", "jacobian", "complete"]
)
def test_states_that_do_not_fit_are_named_with_both_sides(
    ask: str, change: dict[str, Any], error: type[Exception], words: list[str]
) -> None:
    states = {k: x for k, x in {**GOOD, **change}.items() if x is not None}
    with pytest.raises(error) as caught:
        getattr(two_layer(), ask)(states)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"vis": np.zeros(3)}, ["'vis'", "visible, hidden"]),
        ({"visible": np.zeros(4)}, ["'visible'", "(4,)", "(3,)"]),
        ({"visible": np.zeros((2, 3))}, ["'visible'", "(2, 3)", "(3,)"]),
    ],
)
@pytest.mark.parametrize("ask", ["energy", "velocity", "force", "activations", "jacobian"])
def test_inputs_that_do_not_fit_are_named_with_both_sides(
    ask: str, inputs: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ValueError, match="input") as caught:
        getattr(two_layer(), ask)(GOOD, inputs)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"patterns": [1.0, -1.0]}, ["(memories, units)", "(2,)", "in a list"]),
        ({"patterns": np.ones((2, 3, 4))}, ["(2, 3, 4)", "flatten"]),
        ({"patterns": np.ones((0, 4))}, ["(0, 4)"]),
        ({"patterns": [[1.0, np.nan]]}, ["NaN"]),
        ({"similarity": "chebyshev"}, ["'chebyshev'", "'dot'", "'euclidean'"]),
        ({"tau_hidden": [1.0, 2.0, 3.0]}, ["tau", "(3,)", "(2,)"]),
        ({"bias_visible": [1.0, 2.0]}, ["bias", "(2,)", "(3,)"]),
        ({"tau_visible": 0.0, "tau_hidden": 0.0}, ["tau = 0", "tau > 0"]),
    ],
)
def test_dense_am_refuses_what_does_not_fit(given: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        dense_am(**{"patterns": np.ones((2, 3)), **given})
    for word in words:
        assert word in str(caught.value)
