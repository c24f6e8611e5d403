"""Verdicts on delays: proofs by scalings and sweeps, refutations by phases, against spectra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import amsim as am
from amsim.stability import analyse, delay_spectrum, enclosures, find, structured
from amsim.stability.linear import Linearisation


def test_a_norm_of_one_is_not_below_one() -> None:
    turn = np.array([[0.6, 0.8], [-0.8, 0.6]])  # as close to a rotation as floats are
    none = np.zeros((2, 2))
    assert not structured.norm_below_one(turn, none)
    assert not structured.norm_below_one(turn * (1 - 1e-16), none)
    assert structured.norm_below_one(0.999 * turn, none)
    assert not structured.norm_below_one(0.999 * turn, np.full((2, 2), 0.0006))
    assert structured.norm_below_one(0.999j * turn, np.full((2, 2), 0.0004))
    assert not structured.norm_below_one(np.full((2, 2), np.nan), none)
    # All of its size is lost in rounding: with 1e8 on one side the norm is 1 + 1e-9.
    assert not structured.norm_below_one(np.array([[1.0, 3.2e-5], [3.2e-5, 0.0]]), none)


@pytest.mark.parametrize("size", [2, 3])
def test_scales_and_phases_meet_for_small_matrices(size: int) -> None:
    """Without structure beyond three phases mu equals its bound (Doyle 1982)."""
    rng = np.random.default_rng(size)
    matrix = 100 * rng.normal(size=(size, size))
    scales, above = structured.best_scales([matrix])
    phases, below = structured.best_phases([matrix], drawn=4)
    assert below <= above * (1 + 1e-12)
    assert below == pytest.approx(above, rel=1e-3)
    turned = phases[0][:, None] * matrix
    assert np.abs(np.linalg.eigvals(turned)).max() == pytest.approx(below)
    (part,) = structured.scaled([matrix], scales)
    assert np.linalg.norm(part, 2) == pytest.approx(above)
    assert not structured.proven_below_one([matrix / below], [np.zeros_like(matrix)], scales)


def test_a_fixed_point_is_enclosed() -> None:
    """x = 0.3 + 0.7 x has the root 1: the enclosure holds it, and not much else."""
    net = am.Network(
        {"x": am.Layer(1, am.Identity(), bias=0.3)},
        [am.Dense(np.array([[0.7]]), between=("x", "x"))],
    )
    for off in (0.0, 1e-12, -3e-9):
        state = np.array([1.0 + off])
        radius = enclosures.enclosure(Linearisation(net, {"x": state}))
        assert radius is not None
        assert abs(off) <= radius[0] <= 4 * abs(off) + 1e-13


def network(seed: int) -> am.Network:
    """A group with taus of its own members, and a tanh layer, directed synapses for odd seeds."""
    rng = np.random.default_rng(seed)
    layers = {
        "group": am.Layer(3, am.Softmax(2.0 + seed % 3), tau=rng.uniform(0.3, 2, 3)),
        "tanh": am.Layer(3, am.Tanh(), tau=rng.uniform(0.3, 2, 3)),
    }
    forth, back = rng.normal(size=(2, 3, 3))
    synapses: list[Any] = [am.Dense(0.8 * forth, between=("group", "tanh"))]
    if seed % 2:
        synapses = [
            am.Directed(forth, source="tanh", target="group"),
            am.Directed(back, source="group", target="tanh"),
        ]
    return am.Network(layers, synapses)


@pytest.mark.parametrize("seed", [1, 2, 15])
def test_verdicts_against_spectra(seed: int) -> None:
    """No delays of a kind that is proven let anything grow; those of refuted ones do."""
    net = network(seed)
    rng = np.random.default_rng(seed)
    rest = find(net, {name: rng.normal(size=3) for name in net.layers}).states
    report = analyse(net, rest)
    assert report.status == "stable" and report.rho > 1
    drawn: dict[str, Any] = {
        "uniform": lambda: rng.uniform(0, 20),
        "per_unit": lambda: {name: rng.uniform(0, 8, 3) for name in net.layers},
        "per_link": lambda: {p: rng.uniform(0, 8, (3, 3)) for p in report.linear.blocks},
    }
    for name, verdict in report.verdicts.items():
        assert verdict.status != "open"
        if verdict.status == "refuted" and verdict.delay is not None:
            assert delay_spectrum(net, rest, verdict.delay, count=1)[0].real > 0
        elif verdict.status == "proven":
            for _ in range(3):
                assert delay_spectrum(net, rest, drawn[name](), count=1)[0].real < 0


def test_links_are_proven_where_rho_is_above_one() -> None:
    """In a group of three no phases of links make all signs agree: gains of 0.8 in any case."""
    net = am.Network(
        {"x": am.Layer(3, am.Softmax(1.0))}, [am.Dense(2.4 * np.eye(3), between=("x", "x"))]
    )
    report = analyse(net, find(net, {"x": np.zeros(3)}).states)
    assert report.sigma == pytest.approx(0.64)
    assert report.rho == pytest.approx((3.2 / 3) ** 2)
    statuses = [verdict.status for verdict in report.verdicts.values()]
    assert statuses == ["proven", "proven", "proven", "refuted"]
    factors = [report.linear.hessian, 2.4 * np.eye(3)]
    assert structured.best_phases(factors, drawn=9)[1] == pytest.approx(0.8)


def test_late_values_that_vary_grow_where_constant_ones_decay() -> None:
    """The execution that refutes "varying" in that group: ages are bounded, deviations grow.

    In turn, for each unit and sign, each member hears of every unit the extreme value of the last
    round that suits it best, for 12 tau.
    """
    eye, wait, size = 2.4 * np.eye(3), 12.0, 1e-6
    rest = np.full(3, 0.8)
    x = rest + size * np.array([1.0, -0.5, -0.5])
    output = am.Softmax(1.0).activation
    low, high = output(rest) - 0.4 * size, output(rest) + 0.4 * size
    hessian = am.Softmax(1.0).hessian(rest)
    widths = []
    for _ in range(12):
        reached = []
        for unit in range(3):
            for sign in (-1, 1):
                wanted = sign * hessian[unit] > 0
                heard = np.where(wanted, high, low)
                x = eye @ heard + (x - eye @ heard) * np.exp(-wait)
                reached.append(output(x))
        low, high = np.min(reached, axis=0), np.max(reached, axis=0)
        widths.append(float((high - low).max()))
    ratios = np.array(widths[1:]) / widths[:-1]
    np.testing.assert_allclose(ratios, 3.2 / 3, rtol=1e-4)


@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_a_gain_of_one_is_not_told_from_one(turn: float) -> None:
    """rho = 1 up to rounding on either side: neither proven nor refuted where delays are free."""
    cosine, sine = np.cos(turn), np.sin(turn)
    weights = np.array([[1.0, 1.0], [1.0, -1.0]]) / 2
    weights = weights * [[cosine + sine, cosine + sine], [1.0, 1.0]]
    weights /= np.sqrt(np.abs(np.linalg.eigvals(np.abs(weights).T @ np.abs(weights))).max())
    report = analyse(am.dense_am(weights, visible=am.Tanh(), hidden=am.Tanh()), np.zeros(2))
    assert abs(report.rho - 1) < 1e-14 and report.sigma < 1
    assert [report.verdicts[n].status for n in ("per_link", "varying")] == ["open", "open"]
