"""Reports: gains, verdicts and rates against independent computations; what is said and drawn."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import lambertw

import amsim as am
from amsim.stability import analyse, delay_spectrum, find, linear
from amsim.theory import timing

Array = npt.NDArray[Any]


def statuses(report: am.stability.StabilityReport) -> list[str]:
    return [verdict.status for verdict in report.verdicts.values()]


def memories(beta: float) -> tuple[am.Network, Array]:
    stored = am.patterns.random(8, 24, seed=0)
    return am.dense_am(stored, hidden=am.Softmax(beta)), stored


# Numbers


@pytest.mark.parametrize("beta", [0.05, 0.12, 0.75])
def test_gains_of_two_layers(beta: float) -> None:
    net, stored = memories(beta)
    report = analyse(net, am.simulate(net, stored[3]).final)
    p = net.activations(report.states)["hidden"]
    hessian = beta * (np.diag(p) - np.outer(p, p))
    sigma = np.linalg.eigvals(stored.T @ hessian @ stored).real.max()
    size = np.abs(stored)
    rho = np.abs(np.linalg.eigvals(size.T @ np.abs(hessian) @ size)).max()
    assert report.sigma == pytest.approx(sigma, rel=1e-8, abs=1e-13)
    assert report.rho == pytest.approx(rho, rel=1e-8, abs=1e-13)
    assert report.sigma <= report.rho


def three_layers() -> am.Network:
    """A loop of three, an algebraic layer, a leak of 2, a normaliser."""
    rng = np.random.default_rng(0)
    return am.Network(
        {
            "a": am.Layer(3, am.Tanh(), tau=[0.5, 1.0, 2.0], bias=[0.1, 0.2, -0.3]),
            "b": am.Layer(2, am.Sigmoid(), tau=0.3, leak=2.0),
            "c": am.Layer(3, am.Spherical(eps=0.5), tau=0.7, bias=1.0),
            "d": am.Layer(2, am.Identity(), tau=0.0, bias=0.5),
        },
        [
            am.Dense(0.6 * rng.normal(size=(2, 3)), between=("b", "a")),
            am.Dense(0.6 * rng.normal(size=(3, 2)), between=("c", "b")),
            am.Dense(0.6 * rng.normal(size=(3, 3)), between=("a", "c")),
            am.Dense(0.3 * rng.normal(size=(2, 3)), between=("d", "a")),
        ],
    )


def test_gains_of_any_network_from_its_jacobian() -> None:
    """With tau = leak everywhere the Jacobian is one pass minus the identity."""
    net = three_layers()
    even = am.Network(
        {n: am.Layer(x.shape, x.lagrangian, x.leak, x.bias, x.leak) for n, x in net.layers.items()},
        net.synapses,
    )
    report = analyse(net, find(net, {"a": np.zeros(3), "b": np.zeros(2), "c": np.ones(3)}).states)
    one_pass = even.jacobian(report.states) + np.eye(10)
    assert report.sigma == pytest.approx(np.abs(np.linalg.eigvals(one_pass)).max() ** 2, rel=1e-9)
    values = np.linalg.eigvals(net.jacobian({n: report.states[n] for n in net.dynamic}))
    assert report.abscissa == pytest.approx(values.real.max(), rel=1e-9)


def test_the_slowest_mode_is_an_eigenvector() -> None:
    net = three_layers()
    report = analyse(net, find(net, {"a": np.zeros(3), "b": np.zeros(2), "c": np.ones(3)}).states)
    mode = net.pack(report.mode)
    jacobian = net.jacobian({n: report.states[n] for n in net.dynamic})
    np.testing.assert_allclose(jacobian @ mode, report.eigenvalue * mode, atol=1e-10)
    assert np.abs(mode).max() == pytest.approx(1.0)


@pytest.mark.parametrize("beta", [0.06, 0.2, 0.75, 5.0])
def test_large_networks_get_the_same_numbers(beta: float, monkeypatch: pytest.MonkeyPatch) -> None:
    net, stored = memories(beta)
    rest = find(net, stored[0]).states
    dense = analyse(net, rest)
    monkeypatch.setattr(linear, "DENSE", 0)
    krylov = analyse(net, rest)
    for name in ("sigma", "rho"):
        expected, found = getattr(dense, name), getattr(krylov, name)
        # Dense sums cancel where one memory has all the weight; the others do not.
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert krylov.abscissa == pytest.approx(dense.abscissa, rel=1e-7)
    assert statuses(krylov) == statuses(dense)


def test_parallel_synapses_do_not_cancel_in_rho() -> None:
    """Two synapses that cancel transmit nothing at rest, but their delays may differ."""
    weights = np.array([[0.6]])
    net = am.Network(
        {"v": am.Layer(1, am.Tanh()), "h": am.Layer(1, am.Tanh(), tau=0.5)},
        [
            am.Dense(weights, between=("h", "v"), name="one"),
            am.Dense(-weights, between=("h", "v"), name="other"),
        ],
    )
    report = analyse(net, {"v": [0.0], "h": [0.0]})
    assert report.sigma == 0.0
    assert report.rho == pytest.approx(1.2**2)
    assert report.verdicts["per_unit"].status == "proven"
    # A factor of -1 on the links of one synapse, which a long delay is to a slow mode: gain 1.2.
    assert report.verdicts["per_link"].status == "refuted"
    assert report.verdicts["per_link"].delay is None  # delays of parallel links have no name


@pytest.mark.parametrize("delay", [0.0, 0.1, 1.0, 7.0])
def test_rate_is_that_of_the_spectrum(delay: float) -> None:
    net, stored = memories(0.06)
    report = analyse(net, find(net, stored[0]).states)
    root = delay_spectrum(net, report.states, delay, count=1)[0]
    assert report.rate(delay) == pytest.approx(-root.real, rel=1e-8)
    closed = timing.uniform_delay_rate(report.sigma, 1.0, 0.1, 2 * delay)
    assert report.rate(delay) == pytest.approx(closed, rel=1e-8)


def test_rate_of_networks_without_a_closed_form() -> None:
    net = am.dense_am(
        [[0.5, 0.7]], visible=am.Tanh(), hidden=am.Tanh(), tau_visible=[0.4, 2.0], tau_hidden=0.3
    )
    report = analyse(net, [0.0, 0.0])
    for delay in (0.0, 0.5, 3.0):
        root = delay_spectrum(net, report.states, delay)[0]
        assert report.rate(delay) == pytest.approx(-root.real, rel=1e-9)
    with pytest.raises(ValueError, match="delay"):
        report.rate(-1.0)


# Verdicts


def test_a_stored_memory_bears_everything() -> None:
    net, stored = memories(0.75)
    report = analyse(net, am.simulate(net, stored[3]).final)
    assert statuses(report) == ["proven"] * 4
    assert report.stable and report.rho < 1


def test_a_softmax_mixture_bears_uniform_delays_only() -> None:
    """sigma < 1 < rho in a softmax group; one late memory makes it oscillate."""
    net = am.dense_am(
        [[3.0], [4.0]], hidden=am.Softmax(3.0), similarity="euclidean", tau_hidden=1.0
    )
    report = analyse(net, [3.5])
    assert report.sigma == pytest.approx(0.75)
    assert report.sigma < 1 < report.rho
    assert statuses(report) == ["proven", "refuted", "refuted", "refuted"]
    late = report.verdicts["per_unit"].delay
    assert isinstance(late, dict) and list(late) == ["hidden"]
    assert delay_spectrum(net, [3.5], late)[0].real > 0
    assert all(delay_spectrum(net, [3.5], d)[0].real < 0 for d in (0.1, 1.0, 10.0))


def test_unequal_tau_in_the_group_loses_the_proof_for_uniform_delays() -> None:
    net = am.dense_am(
        [[3.0], [4.0]], hidden=am.Softmax(3.0), similarity="euclidean", tau_hidden=[2.0, 1.0]
    )
    verdict = analyse(net, [3.5]).verdicts["uniform"]
    assert verdict.status == "refuted"
    assert delay_spectrum(net, [3.5], verdict.delay)[0].real > 0  # type: ignore[arg-type]


def test_separable_layers_bear_delays_of_units_but_not_of_links() -> None:
    weights = 0.6 * np.array([[1.0, 1.0], [1.0, -1.0]])
    net = am.dense_am(weights, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=0.5)
    report = analyse(net, [0.0, 0.0])
    assert statuses(report) == ["proven", "proven", "refuted", "refuted"]
    late = report.verdicts["per_link"].delay
    assert delay_spectrum(net, [0.0, 0.0], late)[0].real > 0  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    for _ in range(10):
        units = {name: rng.uniform(0, 20, 2) for name in ("visible", "hidden")}
        assert delay_spectrum(net, [0.0, 0.0], units)[0].real < 0


def test_mixed_tau_of_separable_layers_keeps_the_proof() -> None:
    rng = np.random.default_rng(1)
    for _ in range(5):
        weights = rng.normal(size=(3, 4))
        weights *= 0.95 / np.linalg.norm(weights, 2)
        net = am.dense_am(
            weights, visible=am.Tanh(), hidden=am.Tanh(), tau_visible=rng.uniform(0.1, 5, 4),
            tau_hidden=rng.uniform(0.1, 5, 3),
        )  # fmt: skip
        report = analyse(net, np.zeros(4))
        assert report.sigma == pytest.approx(0.95**2)
        assert report.verdicts["per_unit"].status == "proven"
        units = {"visible": rng.uniform(0, 9, 4), "hidden": rng.uniform(0, 9, 3)}
        assert delay_spectrum(net, np.zeros(4), units)[0].real < 0


def test_negative_feedback_is_refuted_with_the_delay_of_the_closed_form() -> None:
    net = am.Network({"x": am.Layer(1, am.Tanh())}, [am.Dense([[-2.0]], between=("x", "x"))])
    verdict = analyse(net, [0.0]).verdicts["uniform"]
    critical = timing.critical_delay_one_layer(2.0)
    assert verdict.status == "refuted"
    assert critical < verdict.delay < 1.1 * critical  # type: ignore[operator]


def test_an_unstable_state_is_refuted_without_delay() -> None:
    net = am.dense_am([[1.0, 1.0]], visible=am.Tanh(), hidden=am.Tanh())
    report = analyse(net, [0.0, 0.0])
    assert statuses(report) == ["refuted"] * 4 and not report.stable
    assert all(verdict.delay == 0.0 for verdict in report.verdicts.values())
    assert report.rate(1.0) < 0 and "growth" in str(report)


def test_marginal_and_leakless_states_are_open() -> None:
    net = am.Network({"x": am.Layer(1, am.Tanh())}, [am.Dense([[1.0]], between=("x", "x"))])
    assert statuses(analyse(net, [0.0])) == ["open"] * 4
    # Tokens: two weights on an inverted memory make the origin attracting, without any leak.
    tokens = am.Network(
        {"x": am.Layer(2, am.Tanh(), leak=0.0)}, [am.Dense(-np.eye(2), between=("x", "x"))]
    )
    report = analyse(tokens, np.zeros(2))
    assert report.stable and statuses(report) == ["open"] * 4
    assert np.isnan(report.sigma) and np.isnan(report.rho)
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert document["verdicts"]["uniform"]["status"] == "open"
    assert document["sigma"] is None and document["rho"] is None
    assert report.rate(1.0) == pytest.approx(-lambertw(-1.0).real / 1.0)
    assert len(report.plot().axes) == 2


def test_memories_at_their_kink() -> None:
    """ReLU memories at 0: on one side the slope is 0, on the other the state is unstable."""
    net = am.dense_am([[2.0, 0.0]], visible=am.Tanh(), hidden=am.ReLU())
    assert am.simulate(net, [1e-3, 0.0]).final["visible"][0] > 1
    report = analyse(net, [0.0, 0.0])
    assert statuses(report) == ["refuted"] * 4 and report.status == "unstable"
    assert "kink" in report.verdicts["uniform"].reason
    assert am.stability.classify(net, [0.0, 0.0], [[2.0, 0.0]]).stability == "saddle"
    settled = am.simulate(net, [1.0, 0.0]).final
    assert statuses(analyse(net, settled)) == ["proven"] * 4


def test_sigma_below_and_rho_above_one_at_load() -> None:
    """Weak competition among many memories: nothing found, nothing proven, and it says so."""
    stored = am.patterns.random(12, 16, seed=0)
    net = am.dense_am(stored, hidden=am.Softmax(0.06))
    report = analyse(net, find(net, np.zeros(16)).states)
    assert report.sigma < 1 < report.rho
    assert report.verdicts["uniform"].status == "proven"
    assert report.verdicts["varying"].status in ("open", "refuted")
    assert "rho" in report.verdicts["varying"].reason


def test_too_many_units_to_search() -> None:
    stored = am.patterns.random(300, 110, seed=0)
    net = am.dense_am(stored, hidden=am.Softmax(0.01))
    report = analyse(net, find(net, stored[0]).states)
    assert report.sigma < 1 < report.rho
    assert report.verdicts["per_link"].status == "open"
    assert "400 units" in report.verdicts["per_link"].reason


@pytest.mark.parametrize("seed", range(3))
def test_proofs_hold_in_simulation(seed: int, method_of_steps: Callable[..., Array]) -> None:
    """rho < 1: random delays of all links, from far away, and the state comes back."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(2, 3))
    weights *= 0.9 / np.sqrt(np.abs(np.linalg.eigvals(np.abs(weights).T @ np.abs(weights))).max())
    net = am.dense_am(weights, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=0.5)
    report = analyse(net, np.zeros(3))
    assert report.verdicts["per_link"].status == "proven"
    down, up = rng.integers(1, 40, (2, 3)), rng.integers(1, 40, (3, 2))
    steps = np.unique(np.concatenate([down.ravel(), up.ravel()]))

    def velocity(x: Array, *late: Array) -> Array:
        v = sum(weights.T * (up == k) @ np.tanh(past[3:]) for k, past in zip(steps, late))
        h = sum(weights * (down == k) @ np.tanh(past[:3]) for k, past in zip(steps, late))
        return np.concatenate([v - x[:3], (h - x[3:]) / 0.5])

    run = method_of_steps(velocity, rng.normal(size=5), list(0.1 * steps), 100.0, 0.1)
    assert np.abs(run[-1]).max() < 0.2 * np.abs(run[0]).max()


@pytest.mark.parametrize("delay", [0.5, 2.0, 5.0])
def test_rate_of_an_event_driven_run(delay: float) -> None:
    weights = 0.6 * np.array([[1.0, 1.0], [1.0, -1.0]])
    net = am.dense_am(weights, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=1.0)
    rate = analyse(net, [0.0, 0.0]).rate(delay)
    times = np.linspace(2.0, 3.5, 30) / rate
    solver = am.EventDriven(1e-6, am.Timing(delay=delay))
    traj = am.simulate(net, [0.05, 0.0], times=times, until=None, solver=solver)
    size = np.abs(traj["visible"]).max(axis=1)
    assert -np.polyfit(times, np.log(size), 1)[0] == pytest.approx(rate, rel=1e-2)


# Words and pictures


def test_report_in_words() -> None:
    net, stored = memories(0.75)
    text = str(analyse(net, am.simulate(net, stored[3]).final))
    for word in ("stable", "sigma", "rho", "proven", "each link", "lose messages"):
        assert word in text
    assert all(len(line) < 160 for line in text.splitlines())


def test_to_dict_is_json_and_complete() -> None:
    weights = 0.6 * np.array([[1.0, 1.0], [1.0, -1.0]])
    net = am.dense_am(weights, visible=am.Tanh(), hidden=am.Tanh())
    report = analyse(net, [0.0, 0.0])
    read = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert read["sigma"] == report.sigma and read["stable"] is True
    late = report.verdicts["per_link"].delay
    assert isinstance(late, dict)
    for (source, target), matrix in late.items():
        written = read["verdicts"]["per_link"]["delay"][f"{source} -> {target}"]
        np.testing.assert_array_equal(written, matrix)


def test_figure() -> None:
    net = am.dense_am([[0.6, 0.6]], visible=am.Tanh(), hidden=am.Tanh())
    figure = analyse(net, [0.0, 0.0]).plot()
    left, right = figure.axes
    assert "1/unit of τ" in left.get_xlabel() and "delay" in right.get_xlabel()
    delays, rates = right.lines[0].get_data()
    closed = timing.uniform_delay_rate(0.72, 1.0, 0.1, 2 * np.asarray(delays))
    np.testing.assert_allclose(rates, closed, rtol=1e-8)


# Input


def test_a_state_that_is_not_a_fixed_point() -> None:
    net, stored = memories(0.75)
    cue = am.patterns.corrupt(stored[0], flip=0.2, seed=0)
    with pytest.raises(ValueError, match=r"no fixed point.*find\(net, state\)"):
        analyse(net, cue)


def test_a_rough_fixed_point_is_polished() -> None:
    net, stored = memories(0.75)
    traj = am.simulate(net, stored[0], until=am.Settled(1e-3))
    assert analyse(net, traj.final).residual < 1e-12


def test_a_batch_is_refused() -> None:
    net, stored = memories(0.75)
    with pytest.raises(ValueError, match="batch of 3"):
        analyse(net, stored[:3])
