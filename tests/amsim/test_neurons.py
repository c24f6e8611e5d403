"""The table of neurons agrees with the Lagrangians, in every column that an engine reads."""

from __future__ import annotations

import inspect
from abc import ABCMeta
from typing import Any

import numpy as np
import pytest

import amsim as am
from amsim import lagrangians, neurons
from amsim.compiled.neurons import activation, inverse, steepest
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
    for kind in (neurons.SOFTMAX, 42, -1):
        for function in (activation, inverse, steepest):
            with pytest.raises(ValueError, match="no single unit is of this kind"):
                function(kind, 1.0, 0.5)


def test_every_kind_of_a_single_unit_has_its_branches() -> None:
    kinds = {
        value for name, value in vars(neurons).items() if name.isupper() and type(value) is int
    }
    for kind in kinds - {neurons.SOFTMAX}:
        for function in (activation, inverse, steepest):
            assert not np.isnan(function(kind, 1.0, 0.5))


def test_only_these_groups_have_no_row() -> None:
    concrete = {
        value
        for value in vars(lagrangians).values()
        if isinstance(value, ABCMeta) and issubclass(value, am.Lagrangian)
        if not inspect.isabstract(value)
    }
    without = {kind.__name__ for kind in concrete if kind not in neurons._ROWS}
    assert without == {"Entmax", "LayerNorm", "Spherical"}


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
