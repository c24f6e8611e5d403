"""Attention, the Energy Transformer, and its analog block."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import softmax

import amsim as am
from amsim.gallery.transformer import masked_digits
from amsim.models import analog_transformer, attention, energy_transformer, modern_hopfield

Array = npt.NDArray[Any]


def waves(shape: tuple[int, ...], a: float) -> Array:
    """sin(a k + a) over the flat index k: weights without random numbers."""
    return np.sin(a * np.arange(math.prod(shape)) + a).reshape(shape)


D, H, Y, M, N = 6, 2, 3, 8, 4
WEIGHTS = waves((H, Y, D), 0.7), waves((H, Y, D), 1.3), waves((D, M), 0.9).T
TOKENS = 2 * waves((N, D), 2.1)


# Attention


def test_attention_is_scaled_dot_product_attention() -> None:
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(2, 3, 8)), rng.normal(size=(2, 5, 8)), rng.normal(size=(2, 5, 4))
    expected = softmax(q @ k.swapaxes(1, 2) / math.sqrt(8), axis=-1) @ v
    np.testing.assert_allclose(attention(q, k, v), expected, rtol=1e-13)
    expected = softmax(0.3 * q @ k.swapaxes(1, 2), axis=-1) @ v
    np.testing.assert_allclose(attention(q, k, v, beta=0.3), expected, rtol=1e-13)


def test_heads_attend_on_their_own() -> None:
    rng = np.random.default_rng(1)
    q, k, v = rng.normal(size=(3, 12)), rng.normal(size=(5, 12)), rng.normal(size=(5, 6))
    parts = [
        softmax(q[:, 4 * h : 4 * h + 4] @ k[:, 4 * h : 4 * h + 4].T / 2, axis=-1)
        @ v[:, 2 * h : 2 * h + 2]
        for h in range(3)
    ]
    np.testing.assert_allclose(attention(q, k, v, heads=3), np.hstack(parts), rtol=1e-13)


def test_attention_is_one_update_of_the_memory_of_its_keys() -> None:
    """Per head; the values are read out with the weights that recalled the keys."""
    rng = np.random.default_rng(2)
    q, k = rng.normal(size=(3, 8)), rng.normal(size=(5, 8))
    for head in (slice(0, 4), slice(4, 8)):
        net = modern_hopfield(k[:, head])
        step = am.simulate(net, q[:, head], solver=am.FixedPoint(1), until=None)
        np.testing.assert_allclose(
            attention(q, k, k, heads=2)[:, head], step["visible"][-1], rtol=1e-12
        )
        v = rng.normal(size=(5, 2))
        recalled = net.activations({"visible": q[:, head]})["hidden"] @ v
        np.testing.assert_allclose(attention(q[:, head], k[:, head], v), recalled, rtol=1e-12)


@pytest.mark.parametrize(
    ("shapes", "heads", "words"),
    [
        (((3, 4), (5, 6), (5, 4)), 1, "(3, 4)"),
        (((3, 4), (5, 4), (6, 4)), 1, "(6, 4)"),
        (((4,), (5, 4), (5, 4)), 1, "(4,)"),
        (((3, 4), (5, 4), (5, 4)), 3, "3 heads"),
    ],
)
def test_attention_names_what_does_not_fit(shapes: Any, heads: int, words: str) -> None:
    with pytest.raises(ValueError, match="attention") as caught:
        attention(*(np.ones(shape) for shape in shapes), heads=heads)
    assert words in str(caught.value)


# Energy Transformer


@pytest.mark.parametrize(("exclude_self", "energy"), [(True, -16.4435607), (False, -20.4237865)])
def test_known_energies(exclude_self: bool, energy: float) -> None:
    net = energy_transformer(*WEIGHTS, n_tokens=N, exclude_self=exclude_self)
    tree = net.energy_tree({"tokens": TOKENS})
    assert tree["attention"] == pytest.approx(energy, rel=0, abs=5e-8)
    assert tree["hopfield"] == pytest.approx(-0.7985838, rel=0, abs=5e-8)
    assert tree["tokens"] == 0.0
    assert net.energy({"tokens": TOKENS}) == pytest.approx(energy - 0.7985838, rel=0, abs=1e-7)


@pytest.mark.parametrize("exclude_self", [True, False])
def test_energy_and_dynamics_written_out(exclude_self: bool) -> None:
    """Explicit loops over heads and tokens; the force by differences in g."""
    wk, wq, xi = WEIGHTS
    net = energy_transformer(
        *WEIGHTS, n_tokens=N, beta=0.9, gamma=1.3, delta=0.2, exclude_self=exclude_self, tau=2.0
    )
    centred = TOKENS - TOKENS.mean(axis=-1, keepdims=True)
    g = 1.3 * centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5) + 0.2

    def energy(g: Array) -> float:
        total = -np.sum(np.maximum(g @ xi.T, 0) ** 2) / 2
        for head in range(H):
            for c in range(N):
                weights = [
                    math.exp(0.9 * float((wk[head] @ g[b]) @ (wq[head] @ g[c])))
                    for b in range(N)
                    if b != c or not exclude_self
                ]
                total -= math.log(sum(weights)) / 0.9
        return float(total)

    np.testing.assert_allclose(net.energy({"tokens": TOKENS}), energy(g), rtol=1e-12)
    steps = 1e-5 * np.eye(N * D).reshape(-1, N, D)
    gradient = np.array([(energy(g + s) - energy(g - s)) / 2e-5 for s in steps]).reshape(N, D)
    velocity = net.velocity({"tokens": TOKENS})["tokens"]
    np.testing.assert_allclose(velocity, -gradient / 2.0, rtol=1e-6, atol=1e-8)


def test_tokens_descend_and_never_decay() -> None:
    net = energy_transformer(*WEIGHTS, n_tokens=N)
    assert net.layers["tokens"].leak == 0
    assert net.lost_guarantees == ()
    cues = np.array([TOKENS, waves((N, D), 0.4), -TOKENS])
    traj = am.simulate(net, cues, t1=20.0, until=None)
    assert traj["tokens"].shape[1:] == (3, N, D)
    scale = np.abs(traj.energy).max()
    assert (np.diff(traj.energy, axis=0) <= 1e-6 * scale).all()
    assert (traj.energy[-1] < traj.energy[0] - 1).all()
    # dE/dt = -sum tau dx^T H dx, measured over one short step.
    early = am.simulate(net, TOKENS, times=[0.0, 1e-4], until=None)
    velocity = net.velocity({"tokens": TOKENS})["tokens"]
    hessian = net.layers["tokens"].lagrangian.hessian_product(TOKENS, velocity)
    slope = -np.sum(velocity * hessian)
    assert (early.energy[1] - early.energy[0]) / 1e-4 == pytest.approx(slope, rel=1e-3)


def test_tokens_are_a_set() -> None:
    """Without positions in the weights, permuted tokens stay permuted."""
    net = energy_transformer(*WEIGHTS, n_tokens=N)
    order = [2, 0, 3, 1]
    force = net.force({"tokens": TOKENS})["tokens"]
    np.testing.assert_allclose(net.force({"tokens": TOKENS[order]})["tokens"], force[order])


def test_masked_patches_of_a_digit_are_completed() -> None:
    stored, cues, recalled, traj = masked_digits(10)
    assert (cues == 0).sum(axis=1).tolist() == [16] * 10
    np.testing.assert_array_equal(cues[cues != 0], stored[cues != 0])
    np.testing.assert_array_equal(recalled, stored)
    assert (np.diff(traj.energy, axis=0) <= 1e-6 * np.abs(traj.energy).max()).all()


# Analog block


def test_analog_block_has_the_equations_of_its_circuit() -> None:
    rng = np.random.default_rng(3)
    context, memories = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    a, b, c = rng.normal(size=3), rng.normal(size=4), rng.normal(size=5)
    net = analog_transformer(
        context, memories, beta=1.7, bias_visible=a, bias_attention=b, bias_memories=c,
        tau_visible=2.0, tau_hidden=0.1,
    )  # fmt: skip
    v, h, z = rng.normal(size=3), rng.normal(size=4), rng.normal(size=5)
    velocity = net.velocity({"visible": v, "attention": h, "memories": z})
    force = context.T @ softmax(1.7 * h) + memories.T @ np.maximum(z, 0) + a - v
    np.testing.assert_allclose(velocity["visible"], force / 2.0, rtol=1e-12)
    np.testing.assert_allclose(velocity["attention"], (context @ v + b - h) / 0.1, rtol=1e-12)
    np.testing.assert_allclose(velocity["memories"], (memories @ v + c - z) / 0.1, rtol=1e-12)


def test_analog_block_adds_attention_and_memories() -> None:
    """With both hidden layers at rest, E = |v|^2 / 2 - lse / beta - relu^2 / 2."""
    context, memories, v = waves((4, 3), 0.7), 0.3 * waves((5, 3), 1.1), waves((3,), 0.4)
    net = analog_transformer(context, memories, beta=2.0, bias_memories=0.1)
    states = {"visible": v, "attention": context @ v, "memories": memories @ v + 0.1}
    energy = v @ v / 2 - math.log(np.exp(2 * context @ v).sum()) / 2
    energy -= np.sum(np.maximum(memories @ v + 0.1, 0) ** 2) / 2
    np.testing.assert_allclose(net.energy(states), energy, rtol=1e-12)
    assert am.simulate(net, v).status == "settled"


def test_heads_and_batches_of_attention_have_to_fit() -> None:
    x = np.ones((2, 3, 4))
    for heads in (0, 1.5, 3):
        with pytest.raises((TypeError, ValueError), match=r"heads (must be|do not divide)"):
            attention(x, x, x, heads=heads)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch axes"):
        attention(x, np.ones((3, 3, 4)), np.ones((3, 3, 4)))


def test_memories_take_a_lagrangian() -> None:
    with pytest.raises(TypeError, match="'relu'"):
        am.Memories([[1.0]], "relu")  # type: ignore[arg-type]
