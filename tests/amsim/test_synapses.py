"""Hypersynapses: derivatives, precision of the weights, products in blocks, errors."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amsim.synapses.dense
from amsim import Dense, Layer, MultiBody, Network, Tanh
from amsim.synapses import HyperSynapse, project, project_back, project_each

Array = npt.NDArray[Any]
Kind = type[Dense] | type[MultiBody]

SIZE = {"v": 3, "h": 2, "x": 4, "y": 1}
DENSE = [("h", "v"), ("v", "v")]
BODIES = [
    ("h", "v"),
    ("v", "v"),
    ("h", "v", "x"),
    ("v", "v", "h"),
    ("v", "h", "v"),
    ("v", "v", "v"),
    ("h", "v", "x", "y"),
    ("v", "h", "v", "h"),
    ("v", "v", "v", "v"),
]
CASES = [*((Dense, between) for between in DENSE), *((MultiBody, between) for between in BODIES)]

every = pytest.mark.parametrize(
    ("kind", "between"), CASES, ids=[f"{kind.__name__}-{''.join(b)}" for kind, b in CASES]
)
seeds = st.integers(0, 2**32 - 1)
fronts = st.sampled_from([(), (1,), (2,), (2, 3)])  # batches and copies in front of the units


def whole(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Small whole numbers: sums and products of them are exact."""
    return rng.integers(-3, 4, shape).astype(np.float64)


def symmetric(weights: Array, between: tuple[str, ...]) -> Array:
    """The sum over the orders of axes that keep every axis with its layer."""
    orders = itertools.permutations(range(len(between)))
    kept = [order for order in orders if tuple(between[i] for i in order) == between]
    return np.asarray(sum(weights.transpose(order) for order in kept))


def example(
    kind: Kind, between: tuple[str, ...], front: tuple[int, ...], seed: int
) -> tuple[Dense | MultiBody, list[Array]]:
    """A synapse and one activation per slot; slots of one layer get different ones."""
    rng = np.random.default_rng(seed)
    weights = symmetric(whole(rng, tuple(SIZE[n] for n in between)), between)
    return kind(weights, between=between), [whole(rng, (*front, SIZE[n])) for n in between]


def derivative(function: Callable[[Array], Array], x: Array, copies: int = 0) -> Array:
    """Derivatives by the units, or units of all copies, of x; they run along the first axis.

    Differences of fourth order and step 1 are exact for polynomials up to degree four.
    """
    own = x.shape[x.ndim - 1 - copies :]
    units = np.eye(math.prod(own)).reshape(-1, *[1] * (x.ndim - len(own)), *own)
    near = function(x + units) - function(x - units)
    far = function(x + 2 * units) - function(x - 2 * units)
    return np.asarray((8 * near - far) / 12)


def same(actual: Array, expected: Array) -> None:
    """Equal but for the rounding of a division: whole numbers below 1e5 enter."""
    np.testing.assert_allclose(actual, expected, rtol=1e-14, atol=1e-10)


# Derivatives


@every
@settings(deadline=None, max_examples=5)
@given(front=fronts, seed=seeds)
def test_force_is_minus_the_gradient_by_each_slot(
    kind: Kind, between: tuple[str, ...], front: tuple[int, ...], seed: int
) -> None:
    synapse, active = example(kind, between, front, seed)
    forces = synapse.force(*active)
    assert synapse.energy(*active).shape == front
    assert [force.shape for force in forces] == [g.shape for g in active]
    for slot, force in enumerate(forces):

        def energy(g: Array, slot: int = slot) -> Array:
            return synapse.energy(*active[:slot], g, *active[slot + 1 :])

        same(np.moveaxis(force, -1, 0), -derivative(energy, active[slot]))
        unread: list[Array | None] = [*active]
        unread[slot] = None
        np.testing.assert_array_equal(synapse.force_on(slot, unread), force)


@every
@settings(deadline=None, max_examples=5)
@given(front=fronts, seed=seeds)
def test_forces_on_a_repeated_layer_add_up_to_its_gradient(
    kind: Kind, between: tuple[str, ...], front: tuple[int, ...], seed: int
) -> None:
    synapse, active = example(kind, between, front, seed)
    layers = dict(zip(between, active, strict=True))

    def energy(name: str, g: Array) -> Array:
        return synapse.energy(*(g if other == name else layers[other] for other in between))

    forces = synapse.force(*(layers[name] for name in between))
    for name, g in layers.items():
        total = sum(f for f, other in zip(forces, between, strict=True) if other == name)
        gradient = derivative(lambda moved, name=name: energy(name, moved), g)
        same(np.moveaxis(np.asarray(total), -1, 0), -gradient)


@every
@settings(deadline=None, max_examples=5)
@given(front=st.sampled_from([(1,), (4,), (2, 3), (2, 2, 3)]), seed=seeds)
def test_coupling_is_the_derivative_of_the_force(
    kind: Kind, between: tuple[str, ...], front: tuple[int, ...], seed: int
) -> None:
    """The first axis in front is the batch, the others are copies, which must not mix."""
    synapse, active = example(kind, between, front, seed)
    blocks = synapse.coupling(*active)
    batch = front[0]
    slots = range(len(between))
    assert set(blocks) == {(a, b) for a in slots for b in slots if a != b}
    for (a, b), block in blocks.items():
        sizes = (active[a][0].size, active[b][0].size)
        assert block.shape in {(batch, *sizes), (1, *sizes)}

        def force(g: Array, a: int = a, b: int = b) -> Array:
            moved = synapse.force_on(a, [*active[:b], g, *active[b + 1 :]])
            return np.broadcast_to(moved, (len(g), *active[a].shape)).reshape(len(g), batch, -1)

        expected = np.moveaxis(derivative(force, active[b], copies=len(front) - 1), 0, -1)
        same(np.broadcast_to(block, (batch, *sizes)), expected)


@every
@settings(deadline=None, max_examples=5)
@given(front=fronts, seed=seeds)
def test_parameter_gradient_is_that_of_the_summed_energy(
    kind: Kind, between: tuple[str, ...], front: tuple[int, ...], seed: int
) -> None:
    """The energy is linear in the weights, so that differences of step 1 are exact.

    Weights within a layer stay symmetric: entries in other orders of its axes move with them.
    """
    synapse, active = example(kind, between, front, seed)
    ((_, gradient),) = synapse.parameter_gradient(*active).items()
    weights = synapse.weights if isinstance(synapse, Dense) else synapse.tensor
    energy = synapse.energy(*active).sum()
    found, expected = [], []
    for index in np.ndindex(weights.shape):
        moved = weights.copy()
        together = {
            tuple(index[slot] for slot in order)
            for order in itertools.permutations(range(len(between)))
            if [between[slot] for slot in order] == list(between)
        }
        for each in together:
            moved[each] += 1
        expected.append(kind(moved, between=between).energy(*active).sum() - energy)
        found.append(sum(gradient[each] for each in together))
    same(np.array(found), np.array(expected))


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_parameter_gradient_of_small_weights_is_float64(dtype: Any) -> None:
    """The gradient of int8 weights: products of int8 activations would wrap."""
    synapse = Dense(np.ones((1, 1), dtype))
    (gradient,) = synapse.parameter_gradient(
        np.array([100], np.int8), np.array([100], np.int8)
    ).values()
    assert gradient.dtype == np.float64 and gradient == -1e4


# Closed forms


@every
@settings(deadline=None, max_examples=5)
@given(seed=seeds)
def test_energy_is_the_sum_over_all_entries(
    kind: Kind, between: tuple[str, ...], seed: int
) -> None:
    synapse, active = example(kind, between, (), seed)
    weights = synapse.weights if isinstance(synapse, Dense) else synapse.tensor
    total = sum(
        weight * math.prod(g[i] for g, i in zip(active, index, strict=True))
        for index, weight in np.ndenumerate(weights)
    )
    orders = math.prod(math.factorial(count) for count in Counter(between).values())
    same(synapse.energy(*active), np.asarray(-total / orders))


def test_symmetric_weights_on_one_layer_exert_the_usual_forces() -> None:
    rng = np.random.default_rng(0)
    g = whole(rng, (3,))
    w = whole(rng, (3, 3))
    w = w + w.T
    for synapse in (Dense(w, between=("v", "v")), MultiBody(w, between=("v", "v"))):
        same(np.asarray(sum(synapse.force(g, g))), w @ g)
        same(synapse.energy(g, g), -g @ w @ g / 2)
    t = whole(rng, (3, 3, 3))
    t = np.sum([t.transpose(order) for order in itertools.permutations(range(3))], axis=0)
    body = MultiBody(t, between=("v", "v", "v"))
    same(np.asarray(sum(body.force(g, g, g))), t @ g @ g / 2)


def test_a_matrix_is_the_same_synapse_as_dense_or_many_body() -> None:
    rng = np.random.default_rng(1)
    weights, f, g = whole(rng, (2, 3)), whole(rng, (5, 2)), whole(rng, (5, 3))
    dense, body = Dense(weights), MultiBody(weights, between=("hidden", "visible"))
    assert dense.name == body.name == "hidden-visible"
    same(dense.energy(f, g), body.energy(f, g))
    for first, second in zip(dense.force(f, g), body.force(f, g), strict=True):
        same(first, second)


# Precision


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.float64])
@settings(deadline=None, max_examples=5)
@given(front=fronts, seed=seeds)
def test_narrow_weights_give_the_float64_result(
    dtype: type, front: tuple[int, ...], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    count, units = 7, 11
    narrow = (20 * rng.normal(size=(count, units))).astype(dtype)
    f, g = rng.normal(size=(*front, count)), rng.normal(size=(*front, units))
    dense, exact = Dense(narrow), narrow.astype(np.float64)
    assert dense.weights.dtype == dtype
    # Each of two sums of n products is off by at most n eps times the sum of their sizes.
    unit = 2 * (count + units) * np.finfo(np.float64).eps
    for synapse in (dense, MultiBody(narrow, between=("hidden", "visible"))):
        on_f, on_g = synapse.force(f, g)
        assert on_f.dtype == on_g.dtype == np.float64
        assert (np.abs(on_f - g @ exact.T) <= unit * (np.abs(g) @ np.abs(exact.T))).all()
        assert (np.abs(on_g - f @ exact) <= unit * (np.abs(f) @ np.abs(exact))).all()
        size = np.sum(np.abs(f) * (np.abs(g) @ np.abs(exact.T)), axis=-1)
        energy = -np.sum(f * (g @ exact.T), axis=-1)
        assert (np.abs(synapse.energy(f, g) - energy) <= unit * size).all()


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.float64])
@pytest.mark.parametrize("activation", [np.float32, np.float64])
@pytest.mark.parametrize("block_bytes", [1, 2 * 8 * 5, 3 * 8 * 5, 1 << 20])
def test_products_in_blocks_equal_the_plain_product(
    dtype: type, activation: type, block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole numbers, so that equal means equal; 7 rows, so that blocks do not come out even."""
    monkeypatch.setattr(amsim.synapses.dense, "_BLOCK_BYTES", block_bytes)
    rng = np.random.default_rng(2)
    weights = rng.integers(-127, 128, (7, 5)).astype(dtype)
    f, g = whole(rng, (2, 3, 7)).astype(activation), whole(rng, (2, 3, 5)).astype(activation)
    there, back = project(g, weights), project_back(f, weights)
    assert there.dtype == back.dtype == activation
    np.testing.assert_array_equal(there, g @ weights.astype(np.float64).T)
    np.testing.assert_array_equal(back, f @ weights.astype(np.float64))


@pytest.mark.parametrize("integer", [np.int8, np.int64])
def test_whole_activations_neither_wrap_nor_round_the_weights(integer: type) -> None:
    half = Dense([[0.5, 0.5]])
    assert half.energy(np.ones(1, integer), np.ones(2, integer)) == -1.0
    on_hidden, on_visible = half.force(np.ones(1, integer), np.ones(2, integer))
    assert (on_hidden == [1.0]).all()
    assert (on_visible == [0.5, 0.5]).all()
    large = Dense(np.full((1, 4), 100, np.int8))
    assert large.force(np.ones(1, integer), np.full(4, 100, integer))[0] == [40000.0]


# Compact weights


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("value", "fits"),
    [(127.0, True), (-127.0, True), (0.0, True), (128.0, False), (-129.0, False), (0.5, False),
     (256.0, False), (1e30, False), (1e-30, False)],
)  # fmt: skip
@pytest.mark.parametrize("row", [0, 6])
def test_compact_weights_are_int8_only_where_that_is_exact(
    dtype: type, value: float, fits: bool, row: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amsim.synapses.dense, "_BLOCK_BYTES", 2 * 8 * 5)
    weights = np.ones((7, 5), dtype)
    weights[row, 3] = value
    dense = Dense(weights)
    assert dense.compact.dtype == (np.int8 if fits else dtype)
    np.testing.assert_array_equal(dense.compact, weights)


def test_int8_weights_are_compact_already() -> None:
    dense = Dense(np.array([[-128, 127]], np.int8))
    assert dense.compact is dense.weights


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float16])
def test_other_weights_become_float64(dtype: type) -> None:
    dense = Dense(np.array([[1, 200]], dtype))
    assert dense.weights.dtype == np.float64
    assert dense.weights.tolist() == [[1.0, 200.0]]


# Errors


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Dense([1.0, 2.0]), ValueError, ["2 axes", "(2,)"]),
        (lambda: Dense(np.ones((2, 2, 2))), ValueError, ["2 axes", "(2, 2, 2)"]),
        (lambda: Dense(np.ones((0, 3))), ValueError, ["must not be empty", "(0, 3)"]),
        (lambda: Dense([[1.0, np.nan]]), ValueError, ["must be finite", "NaN"]),
        (lambda: Dense(np.array([[np.inf]], np.float32)), ValueError, ["finite", "infinity"]),
        (lambda: Dense([[1j]]), TypeError, ["real", "complex"]),
        (lambda: Dense([[True]]), TypeError, ["real", "bool"]),
        (lambda: Dense([["a"]]), TypeError, ["real"]),
        (lambda: Dense([[1.0]], between=("v",)), ValueError, ["('v',)", "1 layers", "2 axes"]),
        (lambda: Dense([[1.0]], between=("a", "b", "c")), ValueError, ["3 layers", "one name"]),
        (lambda: Dense([[1.0]], between="hv"), TypeError, ["tuple of layer names", "'hv'"]),
        (lambda: Dense([[1.0]], between=(1, 2)), TypeError, ["tuple of layer names"]),
        (lambda: Dense(np.ones((2, 3)), between=("v", "v")), ValueError, ["(2, 3)", "'v'"]),
        (lambda: MultiBody([1.0], between=("v",)), ValueError, ["2 to", "has 1"]),
        (lambda: MultiBody([[[np.nan]]], between=("a", "b", "c")), ValueError, ["NaN"]),
        (lambda: MultiBody(np.ones((1, 1, 1)), between=("a", "b")), ValueError,
         ["2 layers", "3 axes", "one name per axis"]),
    ],
)  # fmt: skip
def test_unusable_weights_and_names_are_refused(
    make: Callable[[], object], error: type[Exception], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        make()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("synapse", "shapes", "words"),
    [
        (Dense(np.ones((2, 3))), {"hidden": 4, "visible": 3},
         ["'hidden-visible'", "(2, 3)", "'hidden'", "(4,)", "'visible'", "(3,)"]),
        (Dense(np.ones((2, 3))), {"hidden": 3, "visible": 2}, ["(2, 3)", "(3,)", "(2,)"]),
        (Dense(np.ones((2, 3)), name="s"), {"hidden": (5, 2), "visible": (4, 3)},
         ["'s'", "(5, 2)", "(4, 3)", "other axes"]),
        (Dense(np.ones((2, 3))), {"hidden": 2, "visible": (4, 3)}, ["(2,)", "(4, 3)"]),
        (MultiBody(np.ones((2, 3, 4)), between=("a", "b", "c")), {"a": 2, "b": 3, "c": 5},
         ["'a-b-c'", "(2, 3, 4)", "'a' (2,)", "'b' (3,)", "'c' (5,)", "must match"]),
        (MultiBody(np.ones((2, 3)), between=("a", "b")), {"a": (2, 2), "b": 3},
         ["'a' (2, 2)", "'b' (3,)", "other axes"]),
    ],
)  # fmt: skip
def test_layers_that_do_not_fit_are_named_with_their_shapes(
    synapse: HyperSynapse, shapes: dict[str, Any], words: list[str]
) -> None:
    layers = {name: Layer(shape, Tanh()) for name, shape in shapes.items()}
    with pytest.raises(ValueError, match="must match") as caught:
        Network(layers, [synapse])
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("rows", [1, 5, 9])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int8])
@pytest.mark.parametrize("units", [3, 700])
def test_products_of_rows_have_the_bits_of_each_alone(rows: int, kind: type, units: int) -> None:
    rng = np.random.default_rng(0)
    weights = np.rint(100 * rng.normal(size=(300, units))).clip(-127, 127).astype(kind)
    states = rng.normal(size=(rows, units))
    found = project_each(states, weights)
    np.testing.assert_allclose(found, states @ weights.astype(float).T, rtol=0, atol=1e-9)
    for row, alone in zip(states, found, strict=True):
        np.testing.assert_array_equal(project_each(row[None], weights)[0], alone)
    assert project_each(states[:0], weights).shape == (0, 300)
