"""Fixed points: found to rounding error, told apart, and named."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am
from amsim.stability import classify, find, find_all, fixed_points

Array = npt.NDArray[Any]

HIDDEN = [
    am.Softmax(0.5),
    am.Softmax(0.05),
    am.Tanh(0.2),
    am.Sigmoid(0.5),
    am.ReLU(),
    am.RectifiedPower(3),
    am.Exponential(0.1),
]


@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("tau_hidden", [0.0, 0.1, 3.0])
def test_residual_is_rounding_error(hidden: am.Lagrangian, tau_hidden: float) -> None:
    stored = am.patterns.random(4, 24, seed=0)
    visible = am.Identity() if isinstance(hidden, am.Softmax) else am.Tanh(0.5)
    net = am.dense_am(stored, visible=visible, hidden=hidden, tau_hidden=tau_hidden)
    for cue in (stored[1], am.patterns.corrupt(stored[2], flip=0.1, seed=1)):
        found = find(net, cue)
        assert found.converged
        force = net.force(found.states)
        largest = max(np.abs(f).max() for f in force.values())
        assert found.residual == pytest.approx(largest, rel=1e-6, abs=1e-18)
        size = max(np.abs(x).max() for x in found.states.values())
        assert found.residual <= 1e-12 * (1 + size)
        assert found.energy == pytest.approx(float(net.energy(found.states)))


def test_known_fixed_point_of_attention() -> None:
    """The network without random numbers of the known values, beta = 2: the flow leads there."""
    mu, i = np.arange(4)[:, None], np.arange(5)
    net = am.dense_am(np.sin(1 + 2 * mu + 3 * i + mu * i), hidden=am.Softmax(2.0))
    rest = find(net, np.cos(i)).states["visible"]
    known = [0.82758453, -0.72765951, 0.64374526, -0.52619289, 0.39850811]
    np.testing.assert_allclose(rest, known, atol=1e-8)


@pytest.mark.parametrize("beta", [0.6, 1.5, 4.0])
def test_pitchfork_of_one_tanh_unit(beta: float) -> None:
    """x = beta tanh x: 0, and beyond beta = 1 two more."""
    net = am.Network({"x": am.Layer(1, am.Tanh())}, [am.Dense([[beta]], between=("x", "x"))])
    found = find_all(net, np.linspace(-5, 5, 21)[:, None])
    states = sorted(float(rest.states["x"][0]) for rest in found)
    assert len(states) == (1 if beta < 1 else 3)
    np.testing.assert_allclose(states, beta * np.tanh(states), atol=1e-12)
    np.testing.assert_allclose(states, -np.array(states[::-1]), atol=1e-10)


def test_all_fixed_points_of_two_memories() -> None:
    """Two memories at +-a on a line, v = a tanh(beta a v): 1 or 3, and no more anywhere."""
    for beta, count in ((0.9, 1), (1.5, 3)):
        net = am.dense_am([[1.0, 0.0], [-1.0, 0.0]], hidden=am.Softmax(beta))
        rng = np.random.default_rng(0)
        starts = rng.normal(size=(3, 4, 2))  # any batch axes
        starts[0, 0] = 1e-4, 0.3  # beside the saddle
        found = find_all(net, starts)
        assert len(found) == count
        energies = [rest.energy for rest in found]
        assert energies == sorted(energies)
        for rest in found:
            v = rest.states["visible"]
            np.testing.assert_allclose(v, [np.tanh(beta * v[0]), 0.0], atol=1e-12)


def test_matrix_free_steps_agree_with_dense_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = am.patterns.random(12, 30, seed=3)
    net = am.dense_am(stored, hidden=am.Softmax(0.2), tau_visible=np.geomspace(0.5, 2, 30))
    cue = am.patterns.corrupt(stored[4], flip=0.1, seed=0)
    dense = find(net, cue)
    monkeypatch.setattr(fixed_points, "DENSE", 0)
    krylov = find(net, cue)
    assert dense.converged and krylov.converged
    np.testing.assert_allclose(
        dense.states["visible"], krylov.states["visible"], rtol=0, atol=1e-11
    )


def test_a_large_network() -> None:
    stored = am.patterns.random(1300, 100, seed=0)
    found = find(am.dense_am(stored, hidden=am.Softmax(0.5)), stored[7])
    assert found.converged and found.residual < 1e-10
    assert found.states["visible"] @ stored[7] > 99


def test_flat_directions_of_tokens_without_leak() -> None:
    """Adding a number to a token changes nothing: one fixed point, not a continuum."""
    net = am.Network(
        {
            "tokens": am.Layer((2, 3), am.LayerNorm(eps=0.1), leak=0.0),
            "memories": am.Layer((2, 6), am.Softmax(2.0), tau=0.3),
        },
        [am.Dense(np.concatenate([np.eye(3), -np.eye(3)]), between=("memories", "tokens"))],
    )
    start = 1e-3 * np.random.default_rng(0).normal(size=(2, 3))
    found = find_all(net, {"tokens": np.stack([start, start - 5.0])})
    assert len(found) == 1 and found[0].residual < 1e-11
    np.testing.assert_allclose(np.ptp(found[0].states["tokens"], axis=1), 0.0, atol=1e-9)


def test_a_state_that_is_at_rest_stays() -> None:
    net = am.dense_am([[1.0, 1.0, -1.0]], hidden=am.Softmax(1.0))
    found = find(net, [1.0, 1.0, -1.0])
    assert found.residual == 0 and found.iterations == 0


def test_a_network_that_never_rests() -> None:
    """x' = 1 without leak: the result says so."""
    net = am.Network(
        {"x": am.Layer(1, am.Tanh(), leak=0.0), "y": am.Layer(1, am.Identity(), bias=1.0)},
        [am.Dense([[0.5]], between=("x", "y"))],
    )
    found = find(net, {"x": [0.0], "y": [2.0]})
    assert not found.converged or found.residual < 1e-11
    assert find_all(net, {"x": [[0.0]], "y": [[2.0]]}) == [] or found.converged


# Names


def two() -> tuple[am.Network, Array]:
    stored = am.patterns.random(2, 32, seed=0)
    return am.dense_am(stored, hidden=am.Softmax(beta=1.0)), stored


def test_memories_and_the_saddle_between_them() -> None:
    net, stored = two()
    found = find_all(net, [*stored, stored.mean(axis=0)])
    names = [classify(net, rest.states, stored) for rest in found]
    assert [name.kind for name in names] == ["memory", "memory", "mixture"]
    assert {name.pattern for name in names[:2]} == {0, 1}
    assert [name.stability for name in names] == ["minimum", "minimum", "saddle"]
    assert [name.index for name in names] == [0, 0, 1]
    np.testing.assert_allclose(names[2].weights, [0.5, 0.5], atol=1e-9)


def test_a_mixture_can_be_a_minimum() -> None:
    """Two patterns that differ in d units merge below beta = 1 / d."""
    stored = np.ones((2, 16))
    stored[1, :3] = -1
    for beta, kind, stability in ((0.2, "mixture", "minimum"), (1.0, "mixture", "saddle")):
        net = am.dense_am(stored, hidden=am.Softmax(beta))
        name = classify(net, find(net, stored.mean(axis=0)).states, stored)
        assert (name.kind, name.stability) == (kind, stability)


def test_index_counts_the_falling_directions() -> None:
    """Against the Hessian of the energy by finite differences; the origin of a Hopfield network."""
    stored = am.patterns.random(3, 8, seed=1) / 2
    net = am.dense_am(stored, visible=am.Tanh(), hidden=am.Identity(), tau_hidden=0.0)
    rest = find(net, np.zeros(8))

    def energy(v: Array) -> float:
        return float(net.energy({"visible": v}))

    step, eye = 1e-4, np.eye(8)
    hessian = [
        [
            (energy(step * (a + b)) - energy(step * (a - b)) - energy(step * (b - a)))
            + energy(-step * (a + b))
            for a in eye
        ]
        for b in eye
    ]
    values = np.linalg.eigvalsh(np.array(hessian) / (4 * step**2))
    name = classify(net, rest.states, stored)
    assert name.index == (values < 0).sum() > 0
    assert name.stability == "saddle"


def test_three_pattern_mixture_of_a_hopfield_network() -> None:
    """sign(a + b + c) is the classical mixture state; correlated with each by 1/2."""
    stored = am.patterns.random(3, 400, seed=2)
    net = am.dense_am(stored / 20, visible=am.Tanh(8.0), hidden=am.Identity(), tau_hidden=0.0)
    rest = find(net, np.sign(stored.sum(axis=0)))
    name = classify(net, rest.states, stored)
    assert name.kind == "mixture" and (np.abs(name.weights) > 0.3).all()
    assert classify(net, find(net, stored[0]).states, stored).kind == "memory"


def test_a_negative_of_a_memory_is_that_memory_with_weight_minus_one() -> None:
    stored = am.patterns.random(2, 60, seed=0)
    net = am.dense_am(stored / 10, visible=am.Tanh(8.0), hidden=am.Identity(), tau_hidden=0.0)
    name = classify(net, find(net, -stored[1]).states, stored)
    assert name.kind == "memory" and name.pattern == 1 and name.weights[1] < 0


def test_what_no_pattern_explains_is_spurious() -> None:
    """A minimum that was planted, and is not among the patterns asked about."""
    stored = am.patterns.random(3, 200, seed=5)
    net = am.dense_am(stored, hidden=am.Softmax(1.0))
    name = classify(net, find(net, stored[2]).states, stored[:2])
    assert name.kind == "spurious" and name.stability == "minimum"


def test_flat_to_second_order_is_degenerate() -> None:
    """x = tanh x: the pitchfork itself."""
    net = am.Network({"x": am.Layer(1, am.Tanh())}, [am.Dense([[1.0]], between=("x", "x"))])
    assert classify(net, {"x": [0.0]}, [[1.0]], layer="x").stability == "degenerate"


def test_many_patterns_are_searched_among_the_similar_ones() -> None:
    stored = am.patterns.random(500, 64, seed=0)
    net = am.dense_am(stored, hidden=am.Softmax(1.0))
    name = classify(net, find(net, stored[321]).states, stored)
    assert (name.kind, name.pattern) == ("memory", 321)
    assert name.weights.shape == (500,)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (np.ones(31), "shape"),
        (np.full(32, np.nan), "NaN"),
        (np.ones((3, 32)), "batch of 3"),
        ({"nowhere": np.ones(32)}, "nowhere"),
        ({}, "no layer"),
        ([], "is empty; give one of shape"),
    ],
)
def test_bad_states(state: Any, message: str) -> None:
    net, _ = two()
    with pytest.raises(ValueError, match=message):
        find(net, state)


def test_bad_patterns_and_types() -> None:
    net, stored = two()
    with pytest.raises(ValueError, match=r"patterns have shape \(2, 31\)"):
        classify(net, stored[0], stored[:, 1:])
    with pytest.raises(ValueError, match="layer must be 'visible' or 'hidden', got 'nowhere'"):
        classify(net, stored[0], stored, layer="nowhere")
    with pytest.raises(TypeError, match="Network"):
        find("net", stored[0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="real numbers"):
        find(net, stored[0] + 1j)
    nameless = am.Network({"a": am.Layer(2, am.Tanh()), "b": am.Layer(2, am.Tanh())}, [])
    with pytest.raises(ValueError, match="no layer is named 'visible'"):
        find(nameless, [0.0, 1.0])
    with pytest.raises(ValueError, match="different numbers"):
        find_all(nameless, {"a": np.zeros((3, 2)), "b": np.zeros((2, 2))})


def test_classify_wants_a_fixed_point_and_finite_patterns() -> None:
    net, patterns = two()
    with pytest.raises(ValueError, match=r"no fixed point: .*; pass the last state"):
        classify(net, np.linspace(-3, 3, 32), patterns)
    with pytest.raises(ValueError, match="patterns must be finite"):
        classify(net, find(net, patterns[0]).states, np.full_like(patterns, np.nan))
