"""Four popular statements about timing that are false, each by its counterexample.

Next to each stands what is true instead.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import brentq

import amsim as am
from amsim.theory import timing

Array = npt.NDArray[np.float64]
Steps = Callable[..., Array]


# 1. "A convex Lagrangian is enough: time constants within a softmax group do not matter."


def mixture(beta: float, tau: list[float]) -> am.Network:
    """One feature, memories at 3 and 4; v = 3.5 with p = (1/2, 1/2) is a minimum of the energy."""
    return am.dense_am(
        [[3.0], [4.0]], hidden=am.Softmax(beta), similarity="euclidean", tau_hidden=tau
    )


def hopf(beta: float) -> float:
    """tau of the first memory at which the 3 x 3 Jacobian of the mixture crosses.

    With tau = 1 for the rest, F = (beta / 4) [[1, -1], [-1, 1]] and k = beta / 4 the roots obey
    (1 + s) = k [(9 - 12) / (1 + s t) + (16 - 12) / (1 + s)], a cubic. Routh and Hurwitz: it
    crosses where a2 a1 = a3 a0.
    """
    k = beta / 4

    def determinant(t: float) -> float:
        a3, a2, a1, a0 = t, 1 + 2 * t, 2 + t - k * (4 * t - 3), 1 - k
        return a2 * a1 - a3 * a0

    return float(brentq(determinant, 1.0, 50.0, xtol=1e-13))


@pytest.mark.parametrize("beta", [2.0, 3.0, 3.6])
def test_unequal_tau_in_a_softmax_group_destabilises_a_minimum(beta: float) -> None:
    critical = am.stability.critical_tau(mixture(beta, [1.0, 1.0]), [3.5], "hidden", 0)
    assert critical == pytest.approx(hopf(beta), rel=1e-9)

    rest = {"visible": np.array([3.5]), "hidden": np.array([6.0, 6.0])}
    for tau, sign in ((0.98 * critical, -1), (1.02 * critical, 1)):
        net = mixture(beta, [tau, 1.0])
        assert am.stability.classify(net, rest, [[3.0], [4.0]]).stability == "minimum"
        values = np.linalg.eigvals(net.jacobian(rest))
        fastest = values[values.real.argmax()]
        assert np.sign(fastest.real) == sign and abs(fastest.imag) > 0.1


def test_unequal_tau_in_a_softmax_group_oscillates_for_ever() -> None:
    start = {"visible": [3.5], "hidden": [6.1, 6.0]}
    beta, times = 3.0, np.linspace(0, 300, 1501)
    even = am.simulate(mixture(beta, [1.0, 1.0]), start, times=times)
    assert even.status == "settled"
    assert (np.diff(even.energy) <= 1e-8).all()
    with pytest.warns(am.GuaranteeWarning, match="unequal tau"):
        uneven = am.simulate(mixture(beta, [3.0, 1.0]), start, times=times, until=None)
    late = uneven["visible"][-250:, 0]
    assert np.ptp(late) > 0.05
    assert np.ptp(late[:125]) == pytest.approx(np.ptp(late[125:]), rel=0.05)
    assert np.diff(uneven.energy).max() > 1e-4


def test_separable_groups_bear_any_tau() -> None:
    """The same network with tanh memories: the energy still falls."""
    tau = np.geomspace(0.1, 30, 4)
    stored = am.patterns.random(4, 6, seed=0)
    net = am.dense_am(stored, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=tau)
    cue = am.patterns.corrupt(stored[0], noise=0.5, seed=1)
    traj = am.simulate(net, {"visible": cue, "hidden": np.zeros(4)})
    assert traj.status == "settled" and (np.diff(traj.energy) <= 1e-8).all()


# 2. "Symmetric weights make delays of single links harmless."


def late_links(size: float, extra: float) -> Callable[..., Array]:
    """tanh units, Xi = a [[1, 1], [1, -1]]; the links of weight -a are late by `extra`."""

    def velocity(x: Array, late: Array) -> Array:
        g, past = np.tanh(x), np.tanh(late)
        v = size * np.array([g[2] + g[3], g[2] - past[3]])
        h = size * np.array([g[0] + g[1], g[0] - past[1]])
        return np.concatenate([v, h]) - x

    return velocity


@pytest.mark.parametrize("size", [0.55, 0.6, 0.66])
def test_a_late_negative_link_destabilises_symmetric_weights(
    size: float, method_of_steps: Steps
) -> None:
    net = am.dense_am(
        size * np.array([[1.0, 1.0], [1.0, -1.0]]), visible=am.Tanh(), hidden=am.Tanh(),
        tau_hidden=1.0,
    )  # fmt: skip
    report = am.stability.analyse(net, np.zeros(2))
    assert report.sigma == pytest.approx(2 * size**2)
    assert report.rho == pytest.approx(4 * size**2)
    assert report.sigma < 1 < report.rho
    assert report.verdicts["per_unit"].status == "proven"
    assert report.verdicts["per_link"].status == "refuted"

    negative = np.array([[False, False], [False, True]])
    masks = {("hidden", "visible"): negative, ("visible", "hidden"): negative}
    critical = am.stability.critical_delay(net, np.zeros(2), masks)
    sizes = []
    for delay in (0.99 * critical, 1.01 * critical):
        run = method_of_steps(
            late_links(size, delay), 1e-3 * np.array([1.0, 2.0, 1.0, -1.0]), [delay], 80 * delay,
            delay / 40,
        )  # fmt: skip
        size_of = np.abs(run).max(axis=1)
        quarter = len(run) // 4
        sizes.append(size_of[-quarter:].max() / size_of[quarter : 2 * quarter].max())
    assert sizes[0] < 1 < sizes[1]


def test_the_oscillation_of_late_links_is_sustained_and_equal_delays_decay(
    method_of_steps: Steps,
) -> None:
    size, start = 0.66, np.array([0.5, -0.5, 0.5, 0.1])
    run = method_of_steps(late_links(size, 12.0), start, [12.0], 600.0, 0.1)
    assert np.ptp(run[-1000:], axis=0).max() > 0.3
    assert np.ptp(run[-1000:-500], axis=0).max() == pytest.approx(
        np.ptp(run[-500:], axis=0).max(), rel=0.05
    )

    def equal(x: Array, late: Array) -> Array:
        g = np.tanh(late)
        v = size * np.array([g[2] + g[3], g[2] - g[3]])
        h = size * np.array([g[0] + g[1], g[0] - g[1]])
        return np.concatenate([v, h]) - x

    decayed = method_of_steps(equal, start, [12.0], 1200.0, 0.2)
    rate = timing.uniform_delay_rate(2 * size**2, 1.0, 1.0, 24.0)
    assert np.abs(decayed[-1]).max() < 3 * np.exp(-rate * 1200.0)


# 3. "With one delay for all messages symmetric networks always settle."

FRUSTRATED = np.array([[1.5, -2.0, -1.0], [-1.5, 1.5, -1.5], [-1.5, -2.0, -2.0]])
ASTRAY = np.array([-2.11, 1.8, 0.96, 1.32, -3.15, 1.69])
DELAY = 3.0


def uniformly_late(x: Array, late: Array) -> Array:
    """Features and memories of tanh units, weights FRUSTRATED, all tau 1."""
    g = np.tanh(late)
    return np.concatenate([g[..., 3:] @ FRUSTRATED, g[..., :3] @ FRUSTRATED.T], axis=-1) - x


def test_a_uniform_delay_can_keep_a_symmetric_network_going(method_of_steps: Steps) -> None:
    coarse = method_of_steps(uniformly_late, ASTRAY, [DELAY], 400.0, 0.1)
    fine = method_of_steps(uniformly_late, ASTRAY, [DELAY], 400.0, 0.05)
    swing = np.ptp(fine[-2000:], axis=0)
    assert swing.max() > 5
    # Extrema between points of the coarse record are missed by some thousandths.
    np.testing.assert_allclose(np.ptp(coarse[-1000:], axis=0), swing, rtol=5e-3)
    # A cycle: it comes back to where it was, and has lost nothing since half-time.
    assert np.abs(fine[-1] - fine[-2000:-60]).max(axis=1).min() < 0.03 * swing.max()
    np.testing.assert_allclose(np.ptp(fine[4000:6000], axis=0), swing, rtol=5e-3)


def test_the_cycle_attracts(method_of_steps: Steps) -> None:
    """From histories around it, runs come back to one cycle, so noise does not end it."""
    rng = np.random.default_rng(0)
    starts = ASTRAY + rng.uniform(-0.1, 0.1, (6, 6))
    runs = method_of_steps(uniformly_late, starts, [DELAY], 400.0, 0.1)
    swings = np.ptp(runs[-1000:], axis=0)
    assert (swings.max(axis=1) > 5).all()
    np.testing.assert_allclose(swings, np.broadcast_to(swings[0], swings.shape), rtol=5e-3)


def test_memories_that_start_consistently_settle(method_of_steps: Steps) -> None:
    """h = Xi g(v) at the start, the default of `simulate`, avoids the cycle, and so does no delay.

    The states that it goes to are proven stable under every uniform delay.
    """
    consistent = np.concatenate([ASTRAY[:3], FRUSTRATED @ np.tanh(ASTRAY[:3])])
    run = method_of_steps(uniformly_late, consistent, [DELAY], 300.0, 0.1)
    assert np.ptp(run[-500:], axis=0).max() < 1e-6
    net = am.dense_am(FRUSTRATED, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=1.0)
    report = am.stability.analyse(net, {"visible": run[-1, :3], "hidden": run[-1, 3:]})
    assert report.verdicts["uniform"].status == "proven"
    prompt = am.simulate(net, {"visible": ASTRAY[:3], "hidden": ASTRAY[3:]})
    assert prompt.status == "settled"


# 4. "A small residual means that the state is close to rest."


def test_a_small_residual_says_nothing_before_the_first_message(method_of_steps: Steps) -> None:
    """Two tanh units that excite each other over a delay of 20; a bias holds the second one at 2.

    Until the first one hears of it, both rest: their residuals, and all changes, are exactly 0.
    """
    gain, delay, step = 1.5, 20.0, 0.05
    bias = np.array([0.0, 2.0])

    def velocity(x: Array, late: Array) -> Array:
        return bias + gain * np.tanh(late[::-1]) - x

    run = method_of_steps(velocity, bias, [delay], 100.0, step, past=np.zeros(2))
    arrival = round(delay / step)
    assert (run[:arrival] == bias).all()
    assert (velocity(run[arrival - 1], np.zeros(2)) == 0).all()
    assert np.abs(run[2 * arrival] - run[arrival - 1]).max() > 1.4


def test_the_naive_rule_stops_before_the_first_message() -> None:
    """By events: residuals are small from t = 7.3 on, the first message takes 20."""
    net = am.dense_am([[1.0, 1.0]], visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=1.0)
    start, late = {"visible": [0.0, 0.0], "hidden": [1.5]}, am.Timing(delay=20.0)
    solver = am.EventDriven(1e-2, late)
    naive = am.simulate(net, start, solver=solver, until=am.Settled(1e-2, naive=True))
    patient = am.simulate(net, start, solver=solver, until=am.Settled(1e-2))
    assert naive.status == patient.status == "settled"
    assert naive.settle_times < 20 < patient.settle_times
    rest = am.stability.find(net, patient.final).states
    assert np.abs(patient.final["hidden"] - rest["hidden"]).max() < 0.1
    assert np.abs(naive.final["hidden"] - rest["hidden"]).max() > 1.4


@pytest.mark.parametrize("gain", [0.3, 0.6, 0.9])
def test_with_a_contraction_the_distance_is_bounded(gain: float) -> None:
    """|x - x*| <= residual / (1 - L), and near L = 1 a residual of 0.01 can be 0.1 away."""
    net = am.Network(
        {"x": am.Layer(1, am.Tanh(), bias=0.1)}, [am.Dense([[gain]], between=("x", "x"))]
    )
    rest = am.stability.find(net, [0.0]).states["x"]
    for state in rest + np.linspace(-0.05, 0.05, 11)[:, None]:
        distance = float(np.abs(state - rest)[0])
        residual = float(np.abs(net.force({"x": state})["x"])[0])
        assert distance <= residual / (1 - gain) + 1e-12
        assert distance <= am.stability.distance_to_rest(net, {"x": state}) < 0.3
