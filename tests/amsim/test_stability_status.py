"""Kinks and neutral modes: nothing is claimed from one side, or from the sign of rounding."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amsim as am
from amsim.stability import analyse, classify, critical_delay, critical_tau, delay_spectrum, find
from amsim.stability.linear import Linearisation
from amsim.stability.status import energy_shape

Array = npt.NDArray[Any]


def statuses(report: am.stability.StabilityReport) -> list[str]:
    return [verdict.status for verdict in report.verdicts.values()]


def lateral(weights: Any, lagrangian: am.Lagrangian, tau: Any = 1.0) -> am.Network:
    w = np.asarray(weights, float)
    return am.Network({"x": am.Layer(len(w), lagrangian, tau)}, [am.Dense(w, ("x", "x"))])


# Kinks


@pytest.mark.parametrize("lagrangian", [am.ReLU(), am.RectifiedPower(2)])
@pytest.mark.parametrize(
    ("weight", "status", "verdicts"),
    [
        (2.0, "unstable", ["refuted"] * 4),
        (0.5, "stable", ["proven"] * 4),
        (-0.5, "stable", ["proven"] * 4),
        (-1.5, "stable", ["open"] * 4),  # a late answer may overshoot
        (1.0, "unknown", ["open"] * 4),
    ],
)
def test_one_rectified_unit_at_its_kink(
    lagrangian: am.Lagrangian, weight: float, status: str, verdicts: list[str]
) -> None:
    net = lateral([[weight]], lagrangian)
    report = analyse(net, {"x": np.zeros(1)})
    assert (report.status, statuses(report)) == (status, verdicts)
    assert report.stable == (status == "stable")
    assert np.isnan(report.abscissa) and "kink" in str(report)
    assert "decay at" not in str(report) and "growth at" not in str(report)
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert document["status"] == status and document["eigenvalue"] == [None, None]
    for ask in (
        lambda: delay_spectrum(net, {"x": [0.0]}),
        lambda: critical_delay(net, {"x": [0.0]}),
        lambda: critical_tau(net, {"x": [0.0]}, "x", 0),
        lambda: report.rate(),
    ):
        with pytest.raises(ValueError, match="at a kink of its activation"):
            ask()


def settles(net: am.Network, count: int, seed: int) -> bool:
    """Whether starts near 0 stay near it: from random sides, and from all single ones."""
    starts = np.random.default_rng(seed).normal(size=(40, count))
    starts = 1e-4 * np.concatenate([starts, np.abs(starts), np.eye(count), -np.eye(count)])
    traj = am.simulate(net, {"x": starts}, t1=400.0, until=None)
    return bool(np.abs(traj["x"][-1]).max() < 1e-3)


@pytest.mark.parametrize("seed", range(15))
def test_what_is_said_at_kinks_is_what_simulations_do(seed: int) -> None:
    """ReLU networks at the origin, where all units have a kink; any taus."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 6))
    weights = rng.normal(size=(count, count)) * rng.uniform(0.2, 0.9)
    net = lateral((weights + weights.T) / 2, am.ReLU(), rng.uniform(0.5, 2, count))
    report = analyse(net, {"x": np.zeros(count)})
    assert report.status in ("stable", "unstable")
    assert report.stable == settles(net, count, seed)
    shape = classify(net, {"x": np.zeros(count)}, np.eye(count), layer="x")
    assert shape.stability == ("minimum" if report.stable else "saddle")
    assert (shape.index > 0) == (not report.stable)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_copositive_forms_by_a_grid_of_directions(seed: int) -> None:
    """The smallest value of the form over directions x >= 0 of three ReLU units."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(3, 3))
    weights = weights + weights.T
    a, b = np.meshgrid(*[np.linspace(0, np.pi / 2, 60)] * 2)
    x = np.stack([np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), np.sin(b)], axis=-1)
    least = np.einsum("abi,ij,abj->ab", x, np.eye(3) - weights, x).min()
    shape = energy_shape(Linearisation(lateral(weights, am.ReLU()), {"x": np.zeros(3)}))
    if abs(least) > 0.02:
        assert shape == ("minimum" if least > 0 else "saddle")


def test_smooth_units_beside_kinks_are_minimised_out() -> None:
    """Tanh features of gain k, one ReLU memory at 0: k^2 < 1 decides, for its positive side."""
    for gain in (0.9, 1.1):
        for tau in (0.0, 0.3):
            net = am.dense_am([[gain]], visible=am.Tanh(), hidden=am.ReLU(), tau_hidden=tau)
            report = analyse(net, [0.0])
            assert report.status == ("stable" if gain < 1 else "unstable")


@pytest.mark.parametrize(
    ("own", "status"), [(0.5, "unstable"), (0.0, "unstable"), (-0.5, "unknown")]
)
def test_a_step_at_zero(own: float, status: str) -> None:
    net = am.Network(
        {"x": am.Layer(1, am.Sign()), "y": am.Layer(1, am.Tanh())},
        [am.Dense([[own]], ("x", "x")), am.Dense([[1.0]], ("x", "y"))],
    )
    report = analyse(net, {"x": [0.0], "y": [0.0]})
    assert report.status == status and not report.stable
    assert report.sigma == report.rho == np.inf
    assert report.to_dict()["sigma"] is None
    if status == "unstable":
        start = {"x": np.array([1e-9]), "y": np.array([0.0])}
        assert am.simulate(net, start, t1=20.0, until=None).final["x"][0] > 0.4


class Bent(am.Tanh):
    """A Lagrangian of a user: a slope of 1 to the left of 0.3, and of 3 to its right."""

    def _activation(self, x: Array) -> Array:
        return np.where(x < 0.3, x, 0.3 + 3 * (x - 0.3))

    def _slope(self, x: Array) -> Array:
        return np.where(x < 0.3, 1.0, 3.0)

    _range = (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("weight", "status"), [(0.3, "stable"), (0.4, "unknown"), (1.2, "unknown"), (-2.0, "stable")]
)
def test_a_kink_is_asked_of_the_lagrangian_not_of_its_name(weight: float, status: str) -> None:
    """Slopes of 1 and 3: stable if 3 w < 1; beyond, the two sides may disagree."""
    bias = 0.3 - weight * 0.3
    net = am.Network(
        {"x": am.Layer(1, Bent(), bias=bias)}, [am.Dense([[weight]], between=("x", "x"))]
    )
    report = analyse(net, {"x": [0.3]})
    assert report.status == status
    assert analyse(lateral([[0.5]], Bent()), {"x": [0.0]}).status == "stable"  # away from it


def test_kinks_that_nobody_hears_do_not_matter() -> None:
    net = am.Network({"x": am.Layer(2, am.ReLU())}, [am.Dense(np.diag([0.0, 0.5]), ("x", "x"))])
    report = analyse(net, {"x": np.array([0.0, 0.0])})
    assert report.linear.kinks["x"].at.tolist() == [False, True]


def test_large_states_of_smooth_units_are_no_kinks() -> None:
    net = am.Network({"x": am.Layer(1, am.Identity(), bias=1e7)}, [am.Dense([[0.5]], ("x", "x"))])
    assert analyse(net, find(net, {"x": [1e7]}).states).stable


def test_kinks_of_synapses() -> None:
    """Integrated ReLU memories, and the edge of a kernel."""
    layer = {"visible": am.Layer(2, am.Tanh())}
    net = am.Network(layer, [am.Memories([[2.0, 0.0]])])
    report = analyse(net, [0.0, 0.0])
    assert report.status == "unknown" and statuses(report) == ["open"] * 4
    assert "synapse 'memories'" in str(report)
    with pytest.raises(ValueError, match="kink of its force"):
        delay_spectrum(net, [0.0, 0.0], 1.0)
    shifted = am.Network(layer, [am.Memories([[2.0, 0.0]], bias=-0.5)])
    assert analyse(shifted, [0.0, 0.0]).status == "stable"
    edge = am.Network(
        {"visible": am.Layer(1, am.Identity(), leak=0.0)},
        [am.Epanechnikov([[0.0], [np.sqrt(2.0)]], beta=1.0)],
    )
    assert analyse(edge, find(edge, [0.0]).states).status == "unknown"
    inside = analyse(edge, find(edge, [np.sqrt(0.5)]).states)
    assert inside.status == "stable"


# Neutral modes

ANGLES = 2 * np.pi * np.arange(32) / 32


def ring(gain: float) -> am.Network:
    return lateral(gain / 32 * np.cos(ANGLES[:, None] - ANGLES), am.Tanh())


@pytest.mark.parametrize("gain", [2.0, 2.2, 3.0])
def test_a_ring_is_neutral_at_every_phase(gain: float) -> None:
    """Gain 2 is the bifurcation itself: it settles by t^(-1/2), and far from the fixed point."""
    net = ring(gain)
    phases = np.array([0.7, 0.0, 2 * np.pi / 96])
    traj = am.simulate(net, {"x": np.cos(ANGLES - phases[:, None])}, t1=1e5)
    assert (traj.statuses == "settled").all()
    for i in range(len(phases)):
        final = {"x": traj.final["x"][i]}
        report = analyse(net, final)
        assert report.status == "neutral" and not report.stable
        assert statuses(report) == ["open"] * 4
        assert report.rate() == 0.0 and report.rate(1.0) == 0.0
        assert "neutral fixed point" in str(report) and "decay at" not in str(report)
        name = classify(net, final, np.cos(ANGLES)[None], layer="x")
        assert name.stability == "degenerate"
        with pytest.raises(ValueError, match="a mode is neutral"):
            critical_delay(net, final)


def test_a_coarse_ring_has_true_fixed_points() -> None:
    """Gain 5: unstable on the units, stable between them, and what drifts there is analysed."""
    net = ring(5.0)
    words = []
    for phase in (0.0, np.pi / 32, 0.05, 0.7):
        traj = am.simulate(net, {"x": np.cos(ANGLES - phase)})
        assert traj.status == "settled"
        words.append(analyse(net, traj.final).status)
    assert words == ["unstable", "stable", "neutral", "neutral"]


def test_continuous_symmetry() -> None:
    """Identity features with one gain of 1: a line of fixed points; a hair below it decays."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    for top, status in ((1.0, "neutral"), (1 - 1e-9, "stable"), (1 + 1e-9, "unstable")):
        weights = turn @ np.diag([top, 0.5, 0.2, -3.0]) @ turn.T
        net = lateral((weights + weights.T) / 2, am.Identity(), [1e-3, 1.0, 5.0, 1e3])
        assert analyse(net, {"x": np.zeros(4)}).status == status


def rotating(angle: float, stretch: float = 1.0, hidden: am.Lagrangian | None = None) -> am.Network:
    """Features and directions in a plane, turned by an angle on the way."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return am.Network(
        {"x": am.Layer(2, am.Identity()), "s": am.Layer(2, hidden or am.Spherical(), tau=0.3)},
        [am.Dense(2 * turn * [1.0, stretch], between=("s", "x"))],
    )


def test_a_ring_of_rotations_is_neutral_by_symmetry() -> None:
    net = rotating(0.4)
    rest = am.simulate(net, {"x": [1.0, 0.5]}, until=am.Settled(1e-12), t1=200.0).final
    report = analyse(net, rest)
    assert report.status == "neutral"
    # Directions share a norm: nothing is said of unequal delays within them.
    assert statuses(report) == ["neutral", "open", "open", "refuted"]
    assert (
        "a rotation of 'x' in the plane of units 0 and 1 and 's'"
        in report.verdicts["uniform"].reason
    )
    (generator,) = report.symmetry
    moved = {n: generator[n] @ report.states[n] for n in ("x", "s")}
    scale = moved["s"][0] / report.mode["s"][0]
    for name in moved:  # the null vector is the generator's
        np.testing.assert_allclose(moved[name], scale * report.mode[name], atol=1e-9)
    # With a delay, too, deviations end on the ring, and only the angle is kept.
    weights, step = net.synapses[0].weights, 0.02
    past = [{n: x + np.array([0.3, -0.2]) for n, x in rest.items()}] * 51  # a delay of 1
    for _ in range(2500):
        sent = {n: net.layers[n].lagrangian.activation(x) for n, x in past[0].items()}
        drive, now = {"x": sent["s"] @ weights, "s": weights @ sent["x"]}, past[-1]
        new = {n: x + step / net.layers[n].tau * (drive[n] - x) for n, x in now.items()}
        past = [*past[1:], new]
    ends = [(np.linalg.norm(x), np.arctan2(x[1], x[0])) for x in (rest["x"], past[-1]["x"])]
    assert abs(ends[0][0] - ends[1][0]) < 1e-6 and abs(ends[0][1] - ends[1][1]) > 0.02
    json.dumps(report.to_dict())


def test_three_dimensions_have_two_rotations_that_move_a_state() -> None:
    net = lateral(1.5 * np.eye(3), am.Spherical())
    rest = am.simulate(net, {"x": [1.0, 0.5, 0.2]}, until=am.Settled(1e-12), t1=200.0).final
    report = analyse(net, rest)
    assert len(report.symmetry) == 2 and report.verdicts["uniform"].status == "neutral"
    for each in report.symmetry:
        np.testing.assert_allclose(each["x"], -each["x"].T)
        assert abs(rest["x"] @ each["x"] @ rest["x"]) < 1e-12


def test_no_symmetry_is_claimed_where_there_is_none() -> None:
    """Stretched by 1e-6 there are two fixed points; with a bias, one; a line is no ring."""
    for net in (rotating(0.4, 1 + 1e-6), rotating(0.0, 1.0, am.Tanh())):
        rest = am.simulate(net, {"x": [1.0, 0.5]}, until=am.Settled(1e-12), t1=200.0).final
        report = analyse(net, find(net, rest).states)
        assert not report.symmetry and "neutral" not in statuses(report)
    line = lateral(np.diag([1.0, 0.5]), am.Identity())
    report = analyse(line, {"x": [2.0, 0.0]})
    assert report.status == "neutral" and not report.symmetry
    assert statuses(report)[0] == "open"


def test_bifurcations_are_neutral() -> None:
    """A pitchfork at 0, and a fold at cosh^2 x = 2, where rounding is 1e-8 in the state."""
    assert analyse(lateral([[1.0]], am.Tanh()), {"x": [1e-5]}).status == "neutral"
    x = np.arccosh(np.sqrt(2.0))
    net = am.Network(
        {"x": am.Layer(1, am.Tanh(), bias=x - 2 * np.tanh(x))},
        [am.Dense([[2.0]], between=("x", "x"))],
    )
    assert analyse(net, find(net, {"x": [x + 1e-4]}).states).status == "neutral"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([-1e-3, -1e-6, 1e-6, 1e-3]), st.floats(-40, 40))
def test_modes_beyond_rounding_keep_their_word(seed: int, rate: float, unit: float) -> None:
    """Whatever the unit of time, and beside saturated units, whose modes are defective."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    weights = turn @ np.diag([1 + rate, *rng.uniform(-2, 0.8, 4)]) @ turn.T
    weights = np.pad((weights + weights.T) / 2, (0, 2))
    weights[:2, 5:], weights[5:, :2] = 3.0, 3.0
    layer = am.Layer(7, am.Tanh(), 10.0**unit, bias=[0, 0, 0, 0, 0, 900.0, -900.0])
    weights[:2, 6], weights[6, :2] = 3.0, 3.0
    net = am.Network({"x": layer}, [am.Dense(weights, between=("x", "x"))])
    report = analyse(net, {"x": np.array([0, 0, 0, 0, 0, 900.0, -900.0])})
    assert report.status == ("stable" if rate < 0 else "unstable")
    assert report.abscissa * 10.0**unit == pytest.approx(rate, rel=1e-6)


def test_a_second_mode_that_grows_is_not_hidden_by_a_neutral_one() -> None:
    assert analyse(lateral(np.diag([1.0, 1.01]), am.Tanh()), {"x": [0.0, 0.0]}).status == "unstable"
    assert analyse(lateral(np.diag([1.0, 0.5]), am.Tanh()), {"x": [0.0, 0.0]}).status == "neutral"


def test_the_advice_of_a_refusal_works() -> None:
    net = am.dense_am(am.patterns.random(3, 16, seed=0))
    cue = am.patterns.corrupt(am.patterns.random(3, 16, seed=0)[0], flip=0.2, seed=1)
    with pytest.raises(ValueError, match=r"no fixed point.*find\(net, state\)\.states"):
        analyse(net, cue)
    assert analyse(net, find(net, cue).states).stable


@pytest.mark.parametrize("weight", [0.6, 1.05, 1.6])
def test_shares_at_a_kink_are_not_claimed(weight: float) -> None:
    """Where one share is just 1: deviations to one side grow at the rate weight - 1."""
    net = am.Network(
        {"x": am.Layer(2, am.Entmax(2.0), bias=[1.0 - weight, 0.0])},
        [am.Dense(weight * np.eye(2), between=("x", "x"))],
    )
    report = am.stability.analyse(net, {"x": [1.0, 0.0]})
    assert report.status == "unknown"
    assert (report.sigma, report.rho) == (np.inf, np.inf)
    assert {verdict.status for verdict in report.verdicts.values()} == {"open"}


def test_a_memory_whose_lead_is_just_one_over_beta_is_not_claimed() -> None:
    net = am.dense_am([[2.0], [-3.0]], hidden=am.Entmax(2.0, 0.1))
    rest = {"visible": [2.0], "hidden": [4.0, -6.0]}
    report = am.stability.analyse(net, rest)
    assert report.status == "unknown"
    assert {verdict.status for verdict in report.verdicts.values()} == {"open"}
    away = am.simulate(net, [1.9], t1=60.0, until=None).final["visible"]
    assert away < -2.9  # it is left, without any delay


@pytest.mark.parametrize(
    ("bias", "weight", "status", "verdict"),
    [(1e-8, 2.0, "unstable", "refuted"), (1e-3, 1e3, "unstable", "refuted"),
     (1e-8, 1e3, "neutral", "open")],
    ids=["slow", "strong", "both"],
)  # fmt: skip
def test_a_ring_hides_no_other_that_a_bias_has_broken(
    bias: float, weight: float, status: str, verdict: str
) -> None:
    """At -x the bias b makes a mode along the ring that grows at the rate b / 2."""
    sphere = am.Spherical(1e-3)
    layers = {"visible": am.Layer(3, sphere, bias=[bias, 0, 0]), "ring": am.Layer(3, sphere)}
    links = (2 * np.eye(3), weight * np.diag([1, 1, 0.3]))
    net = am.Network(
        layers, [am.Dense(w, (name, name)) for name, w in zip(layers, links, strict=True)]
    )
    start = {"visible": [bias - 2, 0, 0], "ring": [0.6 * weight, 0.8 * weight, 0]}
    report = analyse(net, find(net, start).states)
    assert report.status == status  # forces of 1e6 leave rates of 1e-8 undecided
    assert report.verdicts["uniform"].status == verdict


def test_a_layer_without_leak_beside_a_ring() -> None:
    layers = {"visible": am.Layer(2, am.Spherical(0.1)), "x": am.Layer(2, am.Identity(), leak=0)}
    net = am.Network(layers, [am.Dense(2 * np.eye(2), ("visible", "visible"))])
    assert analyse(net, {"visible": [3.9**0.5, 0.0], "x": [1.0, 0.0]}).status == "neutral"
