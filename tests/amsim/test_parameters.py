"""Parameters as a nested mapping: all of them, exact round trips, checked replacements."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import amsim as am

RNG = np.random.default_rng(0)
STATES = {"v": RNG.normal(size=(3, 4)), "h": RNG.normal(size=(3, 2))}


def pair(visible: am.Lagrangian, hidden: am.Lagrangian, **of_hidden: Any) -> am.Network:
    layers = {
        "v": am.Layer(4, visible, bias=[0.1, 0.2, -0.3, 0.4], leak=1.5),
        "h": am.Layer(2, hidden, bias=0.2, **of_hidden),
    }
    rng = np.random.default_rng(1)
    return am.Network(layers, [am.Dense(rng.normal(size=(2, 4)), ("h", "v"))])


def networks() -> dict[str, am.Network]:
    rng = np.random.default_rng(2)
    square = rng.normal(size=(4, 4))
    layer, token = am.Layer(4, am.Tanh(2.0)), am.Layer((3, 4), am.LayerNorm(), leak=0.0)
    return {
        "pair": pair(am.Tanh(2.0), am.Softmax(3.0), tau=0.0),
        "int8": am.dense_am(am.patterns.random(3, 8, seed=0)),
        "float32": am.Network(
            {"v": layer}, [am.Dense((square + square.T).astype(np.float32), ("v", "v"))]
        ),
        "directed": am.Network({"v": layer}, [am.Directed(square, source="v", target="v")]),
        "cubic": am.Network(
            {x: am.Layer(2, am.Sigmoid()) for x in "xyz"},
            [am.MultiBody(rng.normal(size=(2, 2, 2)), ("x", "y", "z"))],
        ),
        "transformer": am.Network(
            {"tokens": token},
            [
                am.Attention(rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))),
                am.Memories(rng.normal(size=(5, 4)), between=("tokens",)),
            ],
        ),
        "kernel": am.Network(
            {"v": am.Layer(4, am.Identity(), leak=0.0)},
            [am.Epanechnikov(rng.normal(size=(3, 4)), between=("v",))],
        ),
        "convolution": am.Network(
            {"h": am.Layer((3, 2), am.Entmax()), "v": am.Layer((5, 1), am.Identity())},
            [am.Convolution(rng.normal(size=(2, 3, 1)), between=("h", "v"))],
        ),
        "manhattan": am.dense_am(rng.normal(size=(3, 4)), similarity="manhattan"),
    }


@pytest.mark.parametrize("name", networks())
def test_a_round_trip_is_exact_and_changes_arrive(name: str) -> None:
    net = networks()[name]
    tree = net.parameters()
    again = net.with_parameters(tree).parameters()
    assert {n: list(part) for n, part in again.items()} == {n: list(x) for n, x in tree.items()}
    for part, parameters in tree.items():
        for key, array in parameters.items():
            assert again[part][key].dtype == array.dtype
            np.testing.assert_array_equal(again[part][key], array)
            array *= 2  # a copy: symmetric, positive and finite as before
            changed = net.with_parameters({part: {key: array}}).parameters()
            np.testing.assert_array_equal(changed[part][key], array)
            others = {(n, k) for n, x in tree.items() for k in x} - {(part, key)}
            for n, k in others:
                np.testing.assert_array_equal(changed[n][k], net.parameters()[n][k])


def test_what_stays_the_same_is_the_same_object() -> None:
    net = networks()["pair"]
    again = net.with_parameters(net.parameters())
    assert again.synapses[0] is net.synapses[0]
    assert all(again.layers[name] is layer for name, layer in net.layers.items())


def test_gradients_have_the_names_and_shapes_of_the_parameters() -> None:
    for net in networks().values():
        states = {n: RNG.normal(size=(2, *layer.shape)) for n, layer in net.layers.items()}
        tree = net.parameters()
        gradient = net.parameter_gradient(states, symmetric_part=bool(net.directed))
        for name, part in tree.items():
            part.pop("tau", None)
            assert {k: x.shape for k, x in gradient[name].items()} == {
                k: x.shape for k, x in part.items()
            }


LAGRANGIANS = [
    am.Tanh(1.7), am.Sigmoid(0.6), am.Exponential(0.5), am.Softmax(2.0), am.Entmax(1.3, 1.5),
    am.Identity(),
]  # fmt: skip


@pytest.mark.parametrize("hidden", LAGRANGIANS, ids=repr)
@pytest.mark.parametrize("tau", [0.0, 0.5])
def test_gradients_of_layers_are_those_of_the_energy(hidden: am.Lagrangian, tau: float) -> None:
    """Away from rest, where the force does not vanish; with inputs; leak is not 1."""
    net = pair(am.Tanh(1.3), hidden, tau=tau, leak=0.7)
    inputs = {"v": RNG.normal(size=4)}
    tree = net.parameters()
    gradient = net.parameter_gradient(STATES, inputs)
    for name in ("v", "h"):
        for key, found in gradient[name].items():
            for index in np.ndindex(found.shape):
                sides = []
                for step in (1e-5, -1e-5):
                    moved = tree[name][key].copy()
                    moved[index] += step
                    other = net.with_parameters({name: {key: moved}})
                    sides.append(float(other.energy(STATES, inputs).sum()))
                slope = (sides[0] - sides[1]) / 2e-5
                np.testing.assert_allclose(found[index], slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"w": {}}, r"name 'w'; the network has v, h, h-v"),
        ({"h": {"tau": 1.0}}, r"parameters\['h'\] has 'tau'; 'h' has bias, beta"),
        ({"h-v": {"bias": 1.0}}, r"'h-v' has weights"),
        ({"h-v": {"weights": np.zeros((4, 2))}}, r"has shape \(4, 2\); it must be \(2, 4\)"),
        ({"v": {"bias": 1.0}}, r"has shape \(\); it must be \(4,\)"),
        ({"h-v": {"weights": np.full((2, 4), np.nan)}}, "must be finite"),
        ({"v": {"tau": -np.ones(4)}}, "tau must be positive"),
        ({"v": {"beta": -1.0}}, "Tanh: beta"),
    ],
)
def test_what_does_not_fit_is_refused(tree: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        networks()["pair"].with_parameters(tree)


@pytest.mark.parametrize("tree", [None, [1.0], {"v": [1.0]}, {"v": {"bias": ["a"] * 4}}])
def test_what_is_no_mapping_of_numbers_is_refused(tree: Any) -> None:
    with pytest.raises(TypeError):
        networks()["pair"].with_parameters(tree)


def test_layers_without_leak_have_no_bias_to_learn() -> None:
    net = networks()["kernel"]
    assert net.parameters()["v"].keys() == {"tau"}
    with pytest.raises(ValueError, match="'v' has tau"):
        net.with_parameters({"v": {"bias": np.ones(4)}})


def test_asymmetric_weights_within_a_layer_are_refused() -> None:
    net = networks()["float32"]
    with pytest.raises(ValueError, match="symmetric"):
        net.with_parameters({"v-v": {"weights": np.triu(np.ones((4, 4)))}})
