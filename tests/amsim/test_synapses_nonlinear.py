"""Attention, convolution and integrated memories: derivatives, closed forms, errors."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import logsumexp, softmax

import amsim as am
from amsim.synapses import (
    Attention,
    Convolution,
    Dense,
    Epanechnikov,
    HyperSynapse,
    Manhattan,
    Memories,
)

Array = npt.NDArray[Any]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def attention(**options: Any) -> Attention:
    """Two heads of three dimensions for tokens of four units."""
    draw = rng(1)
    return Attention(draw.normal(size=(2, 3, 4)), draw.normal(size=(2, 3, 4)), **options)


def crossed() -> Attention:
    """Keys of five units, queries of four."""
    draw = rng(2)
    keys, queries = draw.normal(size=(2, 3, 5)), draw.normal(size=(2, 3, 4))
    return Attention(keys, queries, between=("k", "q"))


XI, BIAS = rng(3).normal(size=(6, 4)), rng(4).normal(size=6)
# A synapse, and the shapes of its layers.
CASES: list[tuple[str, HyperSynapse, list[tuple[int, ...]]]] = [
    ("self", attention(), [(3, 4)] * 2),
    ("others", attention(exclude_self=True, beta=1.7), [(3, 4)] * 2),
    ("cross", crossed(), [(2, 5), (3, 4)]),
    ("line", Convolution(rng(5).normal(size=(3, 2, 4))), [(3, 3), (4, 4)]),
    ("image", Convolution(rng(6).normal(size=(2, 3, 2, 1)), stride=2), [(2, 3, 2), (5, 6, 1)]),
    ("hopfield", Memories(XI, bias=BIAS), [(3, 4)]),
    ("softmax", Memories(XI, am.Softmax(1.3)), [(4,)]),
    ("epanechnikov", Epanechnikov(XI, beta=0.2), [(4,)]),
    ("manhattan", Manhattan(XI, width=0.3), [(6,), (4,)]),
    ("manhattan, copies", Manhattan(XI, width=0.3), [(3, 6), (3, 4)]),
]
every = pytest.mark.parametrize(
    ("synapse", "shapes"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)


def example(shapes: list[tuple[int, ...]], batch: tuple[int, ...] = (2,)) -> list[Array]:
    draw = rng(7)
    return [draw.normal(size=(*batch, *shape)) for shape in shapes]


def derivative(function: Callable[[Array], Array], x: Array) -> Array:
    """Derivatives by every unit of x (one batch axis), first axis; error about 1e-11."""
    units = 1e-3 * np.eye(math.prod(x.shape[1:])).reshape(-1, 1, *x.shape[1:])

    def slope(steps: Array) -> Array:
        return (function(x + steps) - function(x - steps)) / 2e-3

    return np.asarray((4 * slope(units) - slope(2 * units) / 2) / 3)


def total(energy: Array, batch_axes: int) -> Array:
    return energy.sum(axis=tuple(range(batch_axes, energy.ndim)))


@every
def test_force_is_minus_the_gradient(synapse: HyperSynapse, shapes: list[tuple[int, ...]]) -> None:
    active = example(shapes)
    for slot, (force, g) in enumerate(zip(synapse.force(*active), active)):
        assert force.shape == g.shape

        def energy(moved: Array, slot: int = slot) -> Array:
            spread = [np.broadcast_to(a, (len(moved), *a.shape)) for a in active]
            return total(synapse.energy(*spread[:slot], moved, *spread[slot + 1 :]), 2)

        gradient = np.moveaxis(derivative(energy, g), 0, -1).reshape(g.shape)
        np.testing.assert_allclose(force, -gradient, rtol=1e-8, atol=1e-9)


@every
def test_coupling_is_the_derivative_of_the_force(
    synapse: HyperSynapse, shapes: list[tuple[int, ...]]
) -> None:
    active = example(shapes)
    blocks = synapse.coupling(*active)
    for a in range(len(shapes)):
        for b in range(len(shapes)):

            def force(moved: Array, a: int = a, b: int = b) -> Array:
                spread = [np.broadcast_to(g, (len(moved), *g.shape)) for g in active]
                slots = [*spread[:b], moved, *spread[b + 1 :]]
                return synapse.force_on(a, slots).reshape(*moved.shape[:2], -1)

            found = np.moveaxis(derivative(force, active[b]), 0, -1)
            block = blocks.get((a, b), np.zeros(()))
            np.testing.assert_allclose(
                np.broadcast_to(block, found.shape), found, rtol=1e-7, atol=1e-9
            )


@every
def test_products_backwards_are_those_of_the_coupling_and_of_differences(
    synapse: HyperSynapse, shapes: list[tuple[int, ...]]
) -> None:
    active, along = example(shapes), [rng(8).normal(size=(2, *shape)) for shape in shapes]
    blocks = synapse.coupling(*active)
    for told in ([True] * len(shapes), *np.eye(len(shapes), dtype=bool)):
        found = synapse.pull_back(active, [u if t else None for u, t in zip(along, told)])
        for b, pulled in enumerate(found):
            whole = np.zeros((2, active[b][0].size))
            for a in np.flatnonzero(told):
                if (a, b) in blocks:
                    whole += (along[a].reshape(2, 1, -1) @ blocks[a, b])[:, 0]
            part = np.zeros_like(active[b]) if pulled is None else pulled
            np.testing.assert_allclose(part, whole.reshape(active[b].shape), rtol=0, atol=1e-12)

    def slope(name: str) -> Any:
        def at(size: float) -> Any:
            moved = (g + size * u for g, u in zip(active, along))
            return synapse.parameter_gradient(*moved)[name]

        return (8 * (at(-1e-4) - at(1e-4)) - at(-2e-4) + at(2e-4)) / 12e-4

    for name, value in synapse.force_gradient(active, along).items():
        np.testing.assert_allclose(value, slope(name), rtol=1e-7, atol=1e-7)


PARAMETERS = {
    Attention: {"keys", "queries", "beta"},
    Convolution: {"kernel"},
    Memories: {"weights", "bias"},
    Epanechnikov: {"memories", "beta"},
    Manhattan: {"memories"},
}


def with_parameter(synapse: HyperSynapse, name: str, value: Array) -> HyperSynapse:
    other = copy.copy(synapse)
    object.__setattr__(other, name, value)
    return other


@every
def test_parameter_gradient_is_that_of_the_summed_energy(
    synapse: HyperSynapse, shapes: list[tuple[int, ...]]
) -> None:
    active = example(shapes, (2, 3))
    gradients = synapse.parameter_gradient(*active)
    assert set(gradients) == PARAMETERS[type(synapse)]
    for name, gradient in gradients.items():
        value = np.asarray(getattr(synapse, name))
        assert gradient.shape == value.shape
        for index in np.ndindex(value.shape):
            unit = np.zeros(value.shape)
            unit[index] = 1

            def slope(step: float, name: str = name, x: Array = value, unit: Array = unit) -> float:
                moved = (with_parameter(synapse, name, x + h * unit) for h in (step, -step))
                up, down = (float(other.energy(*active).sum()) for other in moved)
                return (up - down) / (2 * step)

            wide, near = slope(2e-3), slope(1e-3)
            np.testing.assert_allclose(gradient[index], (4 * near - wide) / 3, rtol=1e-7, atol=1e-8)


@every
def test_parameter_gradients_of_cues_add_up(
    synapse: HyperSynapse, shapes: list[tuple[int, ...]]
) -> None:
    active = example(shapes, (3,))
    single = [synapse.parameter_gradient(*(g[i] for g in active)) for i in range(3)]
    for name, gradient in synapse.parameter_gradient(*active).items():
        total = sum(part[name] for part in single)
        np.testing.assert_allclose(gradient, total, rtol=1e-12, atol=1e-13)


@every
def test_cues_of_a_batch_do_not_mix(synapse: HyperSynapse, shapes: list[tuple[int, ...]]) -> None:
    active = example(shapes, (2, 3))
    energy = total(synapse.energy(*active), 2)
    forces, blocks = synapse.force(*active), synapse.coupling(*(g[:, 1] for g in active))
    for i, j in np.ndindex(2, 3):
        one = [g[i, j] for g in active]
        np.testing.assert_allclose(energy[i, j], total(synapse.energy(*one), 0), rtol=1e-12)
        for force, alone in zip(forces, synapse.force(*one)):
            np.testing.assert_allclose(force[i, j], alone, rtol=1e-12, atol=1e-14)
    for slots, block in synapse.coupling(*(g[1:, 1] for g in active)).items():
        np.testing.assert_allclose(blocks[slots][-1:], block, rtol=1e-12, atol=1e-14)


# Attention


@pytest.mark.parametrize("exclude_self", [True, False])
def test_attention_is_the_sum_over_heads_queries_and_keys(exclude_self: bool) -> None:
    synapse = attention(exclude_self=exclude_self, beta=0.8)
    g = example([(3, 4)], ())[0]
    energy = 0.0
    for wk, wq in zip(synapse.keys, synapse.queries):
        for c in range(3):
            scores = [
                0.8 * float((wk @ g[b]) @ (wq @ g[c]))
                for b in range(3)
                if not (exclude_self and b == c)
            ]
            energy -= float(logsumexp(scores)) / 0.8
    np.testing.assert_allclose(synapse.energy(g, g), energy, rtol=1e-13)


def test_force_on_queries_is_scaled_dot_product_attention() -> None:
    """With one head, unit projections and beta = 1 / sqrt(Y)."""
    synapse = Attention([np.eye(4)], [np.eye(4)], between=("k", "q"))
    keys, queries = example([(5, 4), (3, 4)], ())
    expected = softmax(queries @ keys.T / math.sqrt(4), axis=-1) @ keys
    np.testing.assert_allclose(synapse.force_on(1, [keys, queries]), expected, rtol=1e-13)


def test_huge_scores_stay_finite() -> None:
    synapse = attention(exclude_self=True)
    g = 1e6 * example([(3, 4)])[0]
    assert np.isfinite(synapse.energy(g, g)).all()
    assert all(np.isfinite(force).all() for force in synapse.force(g, g))


# Convolution


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_convolution_is_the_dense_synapse_of_its_coupling(stride: int) -> None:
    synapse = Convolution(rng(8).normal(size=(3, 2, 2, 2)), stride=stride)
    shapes: list[tuple[int, ...]] = [(2, 3, 3), (stride + 2, 2 * stride + 2, 2)]
    synapse.check_shapes(*shapes)
    f, g = example(shapes)
    block = synapse.coupling(f, g)[0, 1][0]
    dense = Dense(block)
    flat = f.reshape(2, -1), g.reshape(2, -1)
    np.testing.assert_allclose(total(synapse.energy(f, g), 1), dense.energy(*flat), rtol=1e-12)
    for force, expected in zip(synapse.force(f, g), dense.force(*flat)):
        np.testing.assert_allclose(force.reshape(2, -1), expected, rtol=1e-12, atol=1e-14)
    # Every window has the same weights, in the order (*window, channels).
    rows = block.reshape(2, 3, 3, *shapes[1])
    window = rows[1, 2, :, stride : stride + 2, 2 * stride :]
    np.testing.assert_array_equal(window, synapse.kernel)
    assert np.count_nonzero(block) == 6 * synapse.kernel.size


def test_a_window_over_one_pixel_is_a_dense_synapse_with_copies() -> None:
    weights = rng(9).normal(size=(3, 4))
    f, g = example([(5, 3), (5, 4)])
    dense, convolution = Dense(weights), Convolution(weights[:, None])
    for force, expected in zip(convolution.force(f, g), dense.force(f, g)):
        np.testing.assert_allclose(force, expected, rtol=1e-13)


# Integrated memories


@pytest.mark.parametrize("lagrangian", [am.ReLU(), am.Softmax(2.0), am.RectifiedPower(3)], ids=repr)
def test_integrated_memories_are_a_layer_with_tau_zero(lagrangian: am.Lagrangian) -> None:
    hidden = am.dense_am(XI, visible=am.Tanh(), hidden=lagrangian, tau_hidden=0.0, bias_hidden=BIAS)
    visible = am.Network({"visible": am.Layer(4, am.Tanh())}, [Memories(XI, lagrangian, bias=BIAS)])
    states = {"visible": example([(4,)])[0]}
    np.testing.assert_allclose(visible.energy(states), hidden.energy(states), rtol=1e-12)
    np.testing.assert_allclose(
        visible.force(states)["visible"], hidden.force(states)["visible"], rtol=1e-12
    )
    np.testing.assert_allclose(visible.jacobian(states), hidden.jacobian(states), rtol=1e-10)


def test_epanechnikov_energy_of_two_memories() -> None:
    """E = -(1/beta) log(eps + sum relu(1 - beta d^2 / 2)), and nothing beyond its reach."""
    beta, eps = 2.0, 1e-12
    synapse = Epanechnikov([[0.0], [1.5]], beta=beta, eps=eps)
    g = np.array([[0.0], [0.75], [0.9], [1.5], [9.0]])
    kernels = [1.0, 2 * (1 - 0.5625), (1 - 0.81) + (1 - 0.36), 1.0, 0.0]
    np.testing.assert_allclose(synapse.energy(g), -np.log(np.add(kernels, eps)) / beta, rtol=1e-12)
    np.testing.assert_allclose(synapse.force_on(0, [g])[[0, 1, 3, 4]], 0, atol=1e-15)


def test_epanechnikov_memories_and_their_mean_are_all_minima() -> None:
    """Memories that overlap only at their ends: each keeps its minimum, and the mean is a third."""
    net = am.Network(
        {"visible": am.Layer(1, am.Identity(), leak=0.0)}, [Epanechnikov([[0.0], [1.5]], beta=2.0)]
    )
    assert net.lost_guarantees == ()
    cues = np.array([[-0.3], [0.2], [0.6], [0.9], [1.2], [1.9]])
    traj = am.simulate(net, cues)
    assert traj.status == "settled"
    expected = [[0.0], [0.0], [0.75], [0.75], [1.5], [1.5]]
    np.testing.assert_allclose(traj.final["visible"], expected, atol=2e-6)
    assert (np.diff(traj.energy, axis=0) <= 1e-9).all()
    # Steps at the border of stability, where the slope jumps, must not keep a cue from its rest.
    many = am.simulate(net, np.random.default_rng(0).uniform(-0.4, 1.9, (60, 1)))
    assert many.status == "settled"


# Networks


def test_unbounded_memories_are_warned_of_without_their_layer() -> None:
    layers = {"visible": am.Layer(4, am.Identity())}
    (lost,) = am.Network(layers, [Memories(XI, am.RectifiedPower(3))]).lost_guarantees
    assert "'memories'" in lost and "no lower bound" in lost
    assert am.Network(layers, [Memories(XI, am.Softmax())]).lost_guarantees == ()


def test_algebraic_layers_cannot_be_read_by_their_own_synapse() -> None:
    layers = {"visible": am.Layer(4, am.Tanh(), tau=0.0), "x": am.Layer(1, am.Tanh())}
    with pytest.raises(ValueError, match=r"'memories' is not linear in layer 'visible'.*tau > 0"):
        am.Network(layers, [Memories(XI)])


def test_a_layer_without_initial_state_starts_without_its_own_synapse() -> None:
    """The state of x is not known yet when its start is sought: only the bias counts."""
    layers = {"visible": am.Layer(2, am.Tanh()), "x": am.Layer(4, am.Tanh(), bias=0.5)}
    net = am.Network(layers, [Memories(XI, between=("x",))])
    traj = am.simulate(net, [0.1, 0.2], times=[0.0, 1.0], until=None)
    np.testing.assert_array_equal(traj["x"][0], np.full(4, 0.5))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Attention(np.ones((2, 3)), np.ones((2, 3))), ["(2, 3)", "heads"]),
        (lambda: Attention(np.ones((2, 3, 4)), np.ones((1, 3, 4))), ["(1, 3, 4)", "equal"]),
        (
            lambda: Attention(np.ones((1, 1, 1)), np.ones((1, 1, 1)), beta=0.0),
            ["beta", ">= 1e-100"],
        ),
        (lambda: Convolution(np.ones((2, 3))), ["(2, 3)", "window"]),
        (lambda: Convolution(np.ones((2, 3, 1)), stride=0), ["stride", "0"]),
        (lambda: Convolution(np.ones((2, 3, 2)), between=("x", "x")), ["two different layers"]),
        (lambda: Memories(np.ones(3)), ["2 axes", "(3,)"]),
        (lambda: Memories(np.ones((2, 3)), bias=np.ones(3)), ["(3,)", "2 memories"]),
        (lambda: Epanechnikov(np.ones((2, 3)), beta=-1.0), ["beta", "-1.0"]),
        (lambda: Epanechnikov(np.ones((2, 3)), eps=0.0), ["eps", ">= 1e-100"]),
    ],
)
def test_unusable_arguments_are_refused(make: Callable[[], object], words: list[str]) -> None:
    with pytest.raises(ValueError, match=re.escape(words[0])) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("synapse", "layers", "words"),
    [
        (attention(), {"tokens": (3, 5)}, ["(3, 5)", "(tokens, 4)"]),
        (attention(), {"tokens": (4,)}, ["(4,)", "(tokens, 4)"]),
        (attention(exclude_self=True), {"tokens": (1, 4)}, ["at least two", "1 and 1"]),
        (Convolution(np.ones((2, 3, 1)), stride=2), {"hidden": (2, 2), "visible": (6, 1)},
         ["(6, 1)", "stride 2", "pixels"]),
        (Convolution(np.ones((2, 3, 1))), {"hidden": (2,), "visible": (4, 1)}, ["(2,)"]),
        (Memories(XI), {"visible": (2, 5)}, ["(6, 4)", "(2, 5)"]),
        (Epanechnikov(XI), {"visible": (5,)}, ["(6, 4)", "(5,)"]),
    ],
)  # fmt: skip
def test_layers_that_do_not_fit_are_named(
    synapse: HyperSynapse, layers: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ValueError, match=synapse.name) as caught:
        am.Network({name: am.Layer(shape, am.Tanh()) for name, shape in layers.items()}, [synapse])
    for word in words:
        assert word in str(caught.value)
