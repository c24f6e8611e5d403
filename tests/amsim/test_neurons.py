"""The table of neurons agrees with the Lagrangians, in every column that an engine reads."""

from __future__ import annotations

import inspect
from abc import ABCMeta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amsim as am
from amsim import lagrangians, neurons
from amsim.compiled.neurons import activation, height, inverse, share, steepest, threshold
from amsim.neurons import neuron

SEPARABLE = (
    am.Identity(),
    am.Tanh(1.7),
    am.Sigmoid(0.6),
    am.ReLU(),
    am.RectifiedPower(2),
    am.RectifiedPower(3.5),
    am.Exponential(0.8),
    am.Sign(),
)
ENTMAX = (am.Entmax(1.2), am.Entmax(1.5, 3.0), am.Entmax(2.0, 0.5))
GROUPS = (am.Softmax(1.5), *ENTMAX)
KINDS = [value for name, value in vars(neurons).items() if name.isupper() and type(value) is int]
STATES = np.linspace(-3.0, 3.0, 61)
every_one = pytest.mark.parametrize("lagrangian", SEPARABLE, ids=repr)


def row_of(lagrangian: am.Lagrangian) -> neurons.Neuron:
    row = neuron(lagrangian)
    assert row is not None
    return row


@every_one
def test_compiled_outputs_are_the_activation(lagrangian: Any) -> None:
    row = row_of(lagrangian)
    outputs = np.array([activation(row.kind, row.parameter, x) for x in STATES])
    np.testing.assert_allclose(outputs, lagrangian.activation(STATES), rtol=1e-14, atol=1e-15)
    assert (outputs >= row.least).all()
    assert (outputs <= row.most).all()


@every_one
def test_the_inverse_is_where_the_output_is_reached(lagrangian: Any) -> None:
    row = row_of(lagrangian)
    for x in STATES if not isinstance(lagrangian, am.Sign) else ():  # where it turns, it is 0
        y = float(activation(row.kind, row.parameter, x))
        found = inverse(row.kind, row.parameter, y)
        assert activation(row.kind, row.parameter, found) == pytest.approx(y, rel=1e-12, abs=1e-12)
    for outside in {row.least - 0.5, row.most + 0.5} - {-np.inf, np.inf}:
        assert inverse(row.kind, row.parameter, outside) == np.copysign(np.inf, outside)


@every_one
def test_no_slope_exceeds_the_steepest(lagrangian: Any) -> None:
    row = row_of(lagrangian)
    bound = steepest(row.kind, row.parameter, 3.0)
    slopes = np.abs(np.diff(lagrangian.activation(STATES)) / np.diff(STATES))
    assert slopes.max() <= bound * (1 + 1e-12)
    if not isinstance(lagrangian, am.Sign):
        assert slopes.max() >= 0.8 * bound


def test_functions_raise_for_what_is_no_single_unit() -> None:
    for kind in (*neurons.GROUPS, 42, -1):
        for function in (activation, inverse):
            with pytest.raises(ValueError, match="has no branch for this kind"):
                function(kind, 1.0, 0.5)
    with pytest.raises(ValueError, match="has no branch for this kind"):
        steepest(42, 1.0, 0.5)


def test_functions_raise_for_what_is_no_group_with_a_threshold() -> None:
    for kind in (neurons.SOFTMAX, neurons.IDENTITY, 42):
        for function in (share, height):
            with pytest.raises(ValueError, match="has no branch for this kind"):
                function(kind, 1.5, 0.5)
        with pytest.raises(ValueError, match="has no branch for this kind"):
            threshold(kind, 1.5, 1.0, STATES)
    for kind in {*KINDS} - {*neurons.GROUPS}:
        with pytest.raises(ValueError, match="no group is of this kind"):
            neurons.group(kind, 1.0, 1.0)


def test_every_kind_of_a_single_unit_has_its_branches() -> None:
    for kind in {*KINDS} - {*neurons.GROUPS}:
        for function in (activation, inverse):
            assert not np.isnan(function(kind, 1.0, 0.5))
    for kind in KINDS:
        assert not np.isnan(steepest(kind, 1.0, 0.5))


@pytest.mark.parametrize("lagrangian", GROUPS, ids=repr)
def test_groups_come_back_from_what_compiled_code_knows(lagrangian: am.Lagrangian) -> None:
    row = row_of(lagrangian)
    assert neurons.group(row.kind, row.parameter, row.alpha) == lagrangian
    rng = np.random.default_rng(0)
    for width in 10.0 ** rng.uniform(-3, 1, 200):
        x, u = width * rng.normal(size=(2, 5))
        moved = np.abs(lagrangian.activation(x + 1e-6 * u) - lagrangian.activation(x)).max()
        assert moved <= steepest(row.kind, row.parameter, 1.0) * 1e-6 * np.abs(u).max() * 1.001


@pytest.mark.parametrize("lagrangian", ENTMAX, ids=repr)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 30))
@settings(deadline=None)
def test_thresholds_give_the_outputs_of_the_group(lagrangian: Any, seed: int, n: int) -> None:
    row, rng = row_of(lagrangian), np.random.default_rng(seed)
    x = 10.0 ** rng.uniform(-2, 2) * rng.normal(size=n) + rng.normal() * 100
    peak, tau = threshold(row.kind, row.alpha, row.parameter, x)
    heights = row.parameter * (x - peak) - tau
    found = np.array([share(row.kind, row.alpha, u) for u in heights])
    np.testing.assert_allclose(found[:, 0], lagrangian.activation(x), rtol=1e-11, atol=1e-13)
    s = found[:, 1]
    slope = lagrangian.beta * (np.diag(s) - np.outer(s, s) / s.sum())
    np.testing.assert_allclose(slope, lagrangian.hessian(x), atol=1e-9 * lagrangian.beta)
    for u, (output, _) in zip(heights, found, strict=True):
        if output > 1e-6:
            assert height(row.kind, row.alpha, min(output, 1.0)) == pytest.approx(u, abs=1e-9)
    assert height(row.kind, row.alpha, 0.0) == pytest.approx(-1 / (row.alpha - 1))
    assert [height(row.kind, row.alpha, y) for y in (-0.1, 1.1)] == [-np.inf, np.inf]


def test_groups_by_norms_and_signed_powers_have_no_row() -> None:
    concrete = {
        value
        for value in vars(lagrangians).values()
        if isinstance(value, ABCMeta) and issubclass(value, am.Lagrangian)
        if not inspect.isabstract(value)
    }
    without = {kind.__name__ for kind in concrete if kind not in neurons._ROWS}
    assert without == {"LayerNorm", "SignedPower", "Spherical"}


def test_texts_of_brian2_say_the_activation() -> None:
    names = {"tanh": np.tanh, "exp": np.exp, "sign": np.sign, "int": lambda b: b.astype(int)}
    for lagrangian in SEPARABLE:
        value = eval(row_of(lagrangian).brian2, {**names, "x": STATES})
        np.testing.assert_allclose(value, lagrangian.activation(STATES), rtol=1e-13, atol=1e-15)
    c = np.log(np.exp(1.5 * STATES).sum())
    softmax = eval(row_of(am.Softmax(1.5)).brian2, {**names, "x": STATES, "c": c})
    np.testing.assert_allclose(softmax, am.Softmax(1.5).activation(STATES), rtol=1e-13)


def test_messages_name_what_an_engine_takes() -> None:
    assert neurons.named("feature") == "Identity, Tanh or Sign"
    assert neurons.named("memory") == "ReLU, RectifiedPower or Softmax"
