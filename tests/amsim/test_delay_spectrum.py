"""Characteristic roots: each is one, none is missing, and they cross where stability is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import brentq
from scipy.special import lambertw

from amsim import (
    Dense,
    EventDriven,
    Identity,
    Layer,
    LayerNorm,
    MultiBody,
    Network,
    Sigmoid,
    Softmax,
    Tanh,
    Timing,
    dense_am,
    patterns,
    simulate,
)
from amsim.stability import collocation, critical_delay, critical_tau, delay_spectrum, find

Array = npt.NDArray[Any]
Delays = dict[tuple[str, str], Array]


# Networks, each with a fixed point and delays per link


def pair() -> Network:
    rng = np.random.default_rng(0)
    return dense_am(
        rng.normal(size=(2, 3)), visible=Tanh(0.9), hidden=Tanh(0.7), tau_visible=[0.5, 1.0, 2.0],
        tau_hidden=[0.3, 0.8],
    )  # fmt: skip


def algebraic() -> Network:
    rng = np.random.default_rng(1)
    return dense_am(
        rng.normal(size=(3, 2)), hidden=Softmax(1.5), tau_visible=[0.7, 1.3], tau_hidden=0.0,
        bias_hidden=[0.1, 0.0, -0.3],
    )  # fmt: skip


def chain() -> Network:
    """Three layers, an inhibiting self-connection, leak 2, a normalised layer on top."""
    rng = np.random.default_rng(2)
    return Network(
        layers={
            "bottom": Layer(2, Tanh(1.1), tau=[0.5, 1.5], bias=[0.2, -0.1]),
            "middle": Layer(2, Sigmoid(2.0), tau=0.4, leak=2.0),
            "top": Layer(3, LayerNorm(0.7, eps=0.3), tau=1.0, bias=[0.5, 0.0, -1.0]),
        },
        synapses=[
            Dense(rng.normal(size=(2, 2)), between=("middle", "bottom")),
            Dense(rng.normal(size=(3, 2)), between=("top", "middle")),
            Dense([[-1.5, 0.3], [0.3, -0.8]], between=("bottom", "bottom"), name="self"),
        ],
    )


def three_body() -> Network:
    rng = np.random.default_rng(3)
    return Network(
        layers={
            "x": Layer(2, Tanh(), tau=1.0, bias=0.5),
            "y": Layer(2, Tanh(), tau=0.5, bias=[-0.3, 0.4]),
            "z": Layer(1, Identity(), tau=0.0, bias=0.7),
        },
        synapses=[MultiBody(rng.normal(size=(2, 2, 1)), between=("x", "y", "z"))],
    )


ZOO = [pair, algebraic, chain, three_body]
every = pytest.mark.parametrize("build", ZOO, ids=lambda build: build.__name__)


def rest(net: Network) -> dict[str, Array]:
    """Some fixed point."""
    start = {n: np.linspace(-0.2, 0.3, x.size).reshape(x.shape) for n, x in net.dynamic.items()}
    found = find(net, start)
    assert found.converged
    return found.states


def links(net: Network) -> list[tuple[str, str]]:
    pairs = [
        (a, b)
        for synapse in net.synapses
        for i, a in enumerate(synapse.between)
        for j, b in enumerate(synapse.between)
        if i != j
    ]
    return list(dict.fromkeys(pairs))


def random_delays(net: Network, seed: int, most: float) -> Delays:
    rng = np.random.default_rng(seed)
    return {
        (a, b): rng.uniform(0, most, size=(net.layers[a].size, net.layers[b].size))
        for a, b in links(net)
    }


def characteristic(net: Network, x: dict[str, Array], delays: Delays) -> Callable[[complex], Array]:
    """M(s), written out from finite differences of the forces by the activations."""
    names = list(net.layers)
    sizes = [net.layers[n].size for n in names]
    ends = np.cumsum([0, *sizes])
    span = {n: slice(a, b) for n, a, b in zip(names, ends[:-1], ends[1:])}
    active = net.activations(x)
    coupling = np.zeros((ends[-1], ends[-1]))
    lags = np.zeros_like(coupling)
    hessian = np.zeros_like(coupling)
    for source in names:
        for j in range(net.layers[source].size):
            moved = []
            for sign in (1, -1):
                shifted = {n: g.copy() for n, g in active.items()}
                shifted[source][j] += sign * 1e-6
                moved.append({n: net.synaptic_force(n, shifted) for n in names})
            for target in names:
                column = (moved[0][target] - moved[1][target]) / 2e-6
                coupling[span[target], span[source].start + j] = column
        lagrangian = net.layers[source].lagrangian
        for j in range(net.layers[source].size):
            e = 1e-6 * np.eye(net.layers[source].size)[j]
            slope = lagrangian.activation(x[source] + e) - lagrangian.activation(x[source] - e)
            hessian[span[source], span[source].start + j] = slope / 2e-6
    for (source, target), lag in delays.items():
        lags[span[target], span[source]] = lag.T
    tau = np.concatenate([np.ravel(layer.tau) for layer in net.layers.values()])
    leak = np.concatenate([np.full(layer.size, layer.leak) for layer in net.layers.values()])
    return lambda s: np.diag(s * tau + leak) - (coupling * np.exp(-s * lags)) @ hessian


def count_roots(
    matrix: Callable[[complex], Array], left: float, right: float, height: float
) -> int:
    """Zeros of det M in a rectangle around the real axis, by the argument principle."""

    def phase(s: complex) -> complex:
        return complex(np.linalg.slogdet(matrix(s))[0])

    def turn(a: complex, b: complex, at_a: complex, at_b: complex, depth: int = 40) -> float:
        step = float(np.angle(at_b / at_a))
        if abs(step) < 0.5:
            return step
        assert depth, "a root on the path"
        middle = (a + b) / 2
        at = phase(middle)
        return turn(a, middle, at_a, at, depth - 1) + turn(middle, b, at, at_b, depth - 1)

    corners = [left - 1j * height, right - 1j * height, right + 1j * height, left + 1j * height]
    turns = 0.0
    for a, b in zip(corners, corners[1:] + corners[:1]):
        # Fine enough that no step turns by more than pi: every unit turns by its share.
        path = a + (b - a) * np.linspace(0, 1, 1 + int(2 * len(matrix(a)) * abs(b - a)))
        values = [phase(s) for s in path]
        turns += sum(turn(*ends) for ends in zip(path, path[1:], values, values[1:]))
    return round(turns / (2 * np.pi))


@every
@pytest.mark.parametrize("most", [0.3, 3.0])
def test_every_root_is_one_and_none_is_missing(build: Callable[[], Network], most: float) -> None:
    net = build()
    x, delays = rest(net), random_delays(net, 5, most)
    matrix = characteristic(net, x, delays)
    roots = delay_spectrum(net, x, delays, count=8)
    smallest = [np.linalg.svd(matrix(s), compute_uv=False)[-1] for s in roots]
    assert max(smallest) < 1e-6
    assert (np.diff(roots.real) <= 1e-9).all()
    # Between the last two different real parts no root is cut in half.
    levels = np.unique(roots.real.round(6))
    left = (levels[0] + levels[1]) / 2 if len(roots) == 8 else levels[0] - 0.5
    inside = roots[roots.real > left]
    height = 1.5 * np.abs(inside.imag).max() + 20 / most
    assert count_roots(matrix, left, roots[0].real + 2.0, height) == len(inside)


@every
def test_without_delays_it_is_the_jacobian(build: Callable[[], Network]) -> None:
    net = build()
    x = rest(net)
    values = np.linalg.eigvals(net.jacobian({n: x[n] for n in net.dynamic}))
    expected = values[np.argsort(-values.real)]
    roots = delay_spectrum(net, x, count=len(expected))
    np.testing.assert_allclose(roots.real, expected.real, atol=1e-10)
    # A tiny delay moves them a little.
    np.testing.assert_allclose(delay_spectrum(net, x, 1e-7)[:2].real, roots[:2].real, atol=1e-4)


@every
def test_krylov_finds_the_same_rightmost_roots(
    build: Callable[[], Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = build()
    x, delays = rest(net), random_delays(net, 6, 2.0)
    whole = delay_spectrum(net, x, delays, count=6)
    monkeypatch.setattr(collocation, "_LARGEST_DENSE", 0)
    np.testing.assert_allclose(delay_spectrum(net, x, delays, count=6), whole, atol=1e-8)


def test_a_larger_network_by_arnoldi() -> None:
    stored = patterns.random(30, 34, seed=0)
    net = dense_am(stored, hidden=Softmax(0.03), tau_hidden=0.2)
    x = find(net, stored[0]).states
    late = {("visible", "hidden"): np.random.default_rng(0).choice([0.5, 1.0, 2.0], (34, 30))}
    assert collocation._LARGEST_DENSE < 64 * 24
    roots = delay_spectrum(net, x, late, count=3)
    matrix = characteristic(net, x, late)
    for s in roots:
        values = np.linalg.svd(matrix(s), compute_uv=False)
        assert values[-1] < 1e-6 * values[0]
    assert count_roots(matrix, roots[0].real + 1e-2, 0.5, 2.5) == 0


@every
def test_a_delay_can_be_given_in_several_ways(build: Callable[[], Network]) -> None:
    net = build()
    x = rest(net)
    number = delay_spectrum(net, x, 0.6)
    by_layer = delay_spectrum(net, x, dict.fromkeys(net.layers, 0.6))
    by_unit = delay_spectrum(net, x, {n: np.full(v.shape, 0.6) for n, v in net.layers.items()})
    by_link = delay_spectrum(net, x, dict.fromkeys(links(net), 0.6))
    # As in `Timing`, a pair counts before the layer.
    both = delay_spectrum(net, x, dict.fromkeys(net.layers, 0.4) | dict.fromkeys(links(net), 0.6))
    for other in (by_layer, by_unit, by_link, both):
        np.testing.assert_allclose(other, number, atol=1e-9)


def test_per_unit_delays_are_those_of_the_source() -> None:
    net = pair()
    x = rest(net)
    by_unit = delay_spectrum(net, x, {"visible": [0.1, 0.7, 1.5]})
    matrix = np.repeat([[0.1], [0.7], [1.5]], 2, axis=1)
    by_link = delay_spectrum(net, x, {("visible", "hidden"): matrix})
    np.testing.assert_allclose(by_unit, by_link, atol=1e-10)


def test_one_mapping_of_delays_says_the_same_to_timing_and_here() -> None:
    """Square weights, so that no shape tells senders from receivers: the growth does."""
    net = dense_am([[0.3, 0.9], [0.5, -0.7]], visible=Tanh(), hidden=Tanh(), tau_hidden=0.5)
    lag = np.array([[0.0, 4.0], [1.0, 0.0]])
    delays = {("visible", "hidden"): lag, "hidden": np.array([0.2, 0.0])}
    turned = {("visible", "hidden"): lag.T, "hidden": np.array([0.2, 0.0])}
    grows, otherwise = (delay_spectrum(net, np.zeros(2), d)[0].real for d in (delays, turned))
    assert abs(otherwise / grows - 1) > 0.2
    times = np.linspace(20.0, 35.0, 31)
    start = {"visible": [1e-4, -2e-5], "hidden": [0.0, 5e-5]}
    solver = EventDriven(1e-7, Timing(delay=delays, scope="link"))
    traj = simulate(net, start, times=[0.0, *times], until=None, solver=solver)
    size = np.abs(traj["visible"][1:]).max(axis=1)
    assert np.polyfit(times, np.log(size), 1)[0] == pytest.approx(grows, rel=0.02)


def test_the_other_order_is_refused_where_it_shows() -> None:
    net = pair()  # 3 visible, 2 hidden
    with pytest.raises(ValueError, match=r"one row per unit of 'visible'.*; transpose it, or name"):
        delay_spectrum(net, rest(net), {("visible", "hidden"): np.ones((2, 3))})
    with pytest.raises(ValueError, match=r"one row per unit of 'hidden'.*; transpose it, or name"):
        critical_delay(net, rest(net), {("hidden", "visible"): np.ones((3, 2), bool)})


def test_equal_roots_are_listed_as_often_as_they_are() -> None:
    """Orthogonal patterns of one norm: every mode of the pair is double."""
    net = dense_am([[1.0, 1.0], [1.0, -1.0]], visible=Tanh(), hidden=Tanh(0.4))
    roots = delay_spectrum(net, np.zeros(2), 0.5, count=6)
    np.testing.assert_allclose(roots[::2].real, roots[1::2].real, atol=1e-9)
    assert len(np.unique(roots.round(6))) == 3


def test_decay_of_a_simulation(method_of_steps: Callable[..., Array]) -> None:
    """Per-link delays of a nonlinear network, from a small deviation."""
    net = pair()
    weights = np.asarray(net.synapses[0].weights)  # type: ignore[attr-defined]
    tau = np.array([0.5, 1.0, 2.0, 0.3, 0.8])
    down = np.array([[0.2, 0.4, 0.6], [0.8, 1.0, 1.2]])
    up = np.array([[0.4, 0.2], [1.0, 0.6], [0.8, 1.4]])
    delays = np.unique(np.concatenate([down.ravel(), up.ravel()]))

    def velocity(x: Array, *late: Array) -> Array:
        by_delay = dict(zip(delays, late))
        v = sum(weights.T * (up == d) @ np.tanh(0.7 * past[3:]) for d, past in by_delay.items())
        h = sum(weights * (down == d) @ np.tanh(0.9 * past[:3]) for d, past in by_delay.items())
        return np.asarray((np.concatenate([v, h]) - x) / tau)

    x = rest(net)
    still = np.concatenate([x["visible"], x["hidden"]])
    roots = delay_spectrum(net, x, {("visible", "hidden"): down.T, ("hidden", "visible"): up.T})
    assert abs(roots[0].imag) < 1e-9 and roots[0].real - roots[1].real > 0.1
    run = method_of_steps(velocity, still + 1e-4, list(delays), 30.0, 0.05) - still
    late = np.abs(run[300:, 0])
    rate = np.polyfit(0.05 * np.arange(len(late)), np.log(late), 1)[0]
    assert rate == pytest.approx(roots[0].real, rel=1e-2)


@pytest.mark.parametrize(
    ("delay", "message"),
    [
        (-1.0, "not be negative"),
        (np.nan, "must be finite"),
        ({"nowhere": 1.0}, "nowhere"),
        ({"visible": [1.0, 2.0]}, "shape"),
        ({("visible", "visible"): 1.0}, "visible"),
    ],
)
def test_bad_delays(delay: Any, message: str) -> None:
    net = pair()
    with pytest.raises(ValueError, match=message):
        delay_spectrum(net, rest(net), delay)


def test_bad_count_and_size() -> None:
    net = pair()
    with pytest.raises(ValueError, match="count"):
        delay_spectrum(net, rest(net), count=0)
    large = dense_am(np.ones((2000, 2)))
    with pytest.raises(ValueError, match="2002 units"):
        delay_spectrum(large, np.ones(2), 1.0)
    with pytest.raises(ValueError, match="2002 units"):
        critical_delay(large, np.ones(2))


# Where stability is lost


def test_critical_delay_of_some_links() -> None:
    """The delay of the negative link at which the roots cross, by bisection of the spectrum."""
    net = dense_am([[0.6, 0.6], [0.6, -0.6]], visible=Tanh(), hidden=Tanh(), tau_hidden=0.5)
    negative = np.array([[False, False], [False, True]])
    chosen = {("hidden", "visible"): negative, ("visible", "hidden"): negative}
    found = critical_delay(net, np.zeros(2), chosen)

    def rightmost(delay: float) -> float:
        late = {pair: delay * mask for pair, mask in chosen.items()}
        return float(delay_spectrum(net, np.zeros(2), late)[0].real)

    assert found == pytest.approx(brentq(rightmost, 5.0, 12.0, xtol=1e-10), abs=1e-6)
    # No shorter delay destabilises.
    assert all(rightmost(delay) < 0 for delay in np.linspace(0.0, 0.999 * found, 25))


@pytest.mark.parametrize("tau", [0.2, 1.0, 3.0])
def test_critical_delay_within_a_layer(tau: float) -> None:
    """Negative feedback of -b: arccos(-1/b) tau / sqrt(b^2 - 1)."""
    net = Network(
        {"x": Layer(2, Tanh(), tau=tau)}, [Dense([[-3.0, 0.0], [0.0, 0.5]], between=("x", "x"))]
    )
    assert critical_delay(net, np.zeros(2)) == pytest.approx(tau * np.arccos(-1 / 3) / np.sqrt(8))
    assert critical_delay(net, np.zeros(2), ["x"]) == critical_delay(net, np.zeros(2))
    alone = {("x", "x"): np.array([[False, False], [False, True]])}
    assert critical_delay(net, np.zeros(2), alone) == np.inf


@pytest.mark.parametrize("delay", [0.3, 1.0, 2.0])
def test_a_layer_without_leak(delay: float) -> None:
    """x' = -x(t - d): the roots are W_k(-d) / d, and it oscillates from d = pi / 2 on."""
    net = Network({"x": Layer(1, Tanh(), leak=0.0)}, [Dense([[-1.0]], between=("x", "x"))])
    roots = delay_spectrum(net, np.zeros(1), delay, count=4)
    closed = lambertw(-delay, [0, -1, 1, -2]) / delay
    np.testing.assert_allclose(np.sort_complex(roots), np.sort_complex(closed), atol=1e-9)
    assert critical_delay(net, np.zeros(1)) == pytest.approx(np.pi / 2, rel=1e-12)


def test_a_tuple_of_two_names_is_one_pair() -> None:
    """A pair (source, target) alone is these links, not all that both layers send."""
    net = dense_am([[0.6, 0.6], [0.6, -0.6]], visible=Tanh(), hidden=Tanh(), tau_hidden=1.0)
    weights = Dense([[-1.2, 0.3], [0.3, 0.1]], between=("visible", "visible"))
    net = Network(net.layers, [*net.synapses, weights])
    forth = ("visible", "hidden")
    alone = critical_delay(net, np.zeros(2), forth)
    assert alone == critical_delay(net, np.zeros(2), [forth])
    assert alone != critical_delay(net, np.zeros(2), list(forth))


@pytest.mark.parametrize("number", [1.5, "1", None])
def test_counts_and_units_are_integers(number: Any) -> None:
    net = pair()
    with pytest.raises(TypeError, match="count must be a whole number from 1 to 1000"):
        delay_spectrum(net, rest(net), 1.0, count=number)
    with pytest.raises(TypeError, match=r"unit of layer 'hidden' must be .* from 0 to 1"):
        critical_tau(net, rest(net), "hidden", number)


def test_unstable_already_and_never() -> None:
    strong = dense_am([[2.0]], visible=Tanh(), hidden=Tanh())
    assert critical_delay(strong, np.zeros(1)) == 0.0
    weak = dense_am([[0.5]], visible=Tanh(), hidden=Tanh())
    assert critical_delay(weak, np.zeros(1)) == np.inf


@pytest.mark.parametrize("links", [{"visible": 1.0}, {"visible": [1, 0, 1]}])
def test_links_are_chosen_by_booleans(links: Any) -> None:
    net = pair()
    with pytest.raises(TypeError, match="booleans"):
        critical_delay(net, rest(net), links)
    with pytest.raises(ValueError, match="no link"):
        critical_delay(net, rest(net), {"visible": np.zeros(3, bool)})


def mixture(beta: float, tau: Array | float) -> Network:
    """One feature, memories at 3 and 4; their mean 3.5 is a fixed point with p = (1/2, 1/2)."""
    return dense_am([[3.0], [4.0]], hidden=Softmax(beta), similarity="euclidean", tau_hidden=tau)


@pytest.mark.parametrize("beta", [2.0, 3.0, 3.6])
def test_critical_tau_is_the_hopf_point(beta: float) -> None:
    def rightmost(tau: float) -> float:
        net = mixture(beta, np.array([tau, 1.0]))
        x = net.complete({"visible": np.array([3.5]), "hidden": np.array([6.0, 6.0])})
        return float(np.linalg.eigvals(net.jacobian(x)).real.max())

    found = critical_tau(mixture(beta, 1.0), [3.5], "hidden", 0)
    assert found == pytest.approx(brentq(rightmost, 1.0, 20.0, xtol=1e-12), rel=1e-9)
    assert rightmost(0.99 * found) < 0 < rightmost(1.01 * found)


def test_critical_tau_in_a_larger_group() -> None:
    stored = np.array([[3.0, 0.2], [4.0, -0.3], [3.6, 0.8], [0.0, 5.0]])
    net = dense_am(stored, hidden=Softmax(2.0), similarity="euclidean", tau_hidden=1.0)
    x = find(net, stored[:3].mean(axis=0)).states
    found = [critical_tau(net, x, "hidden", unit) for unit in range(4)]

    def stable(unit: int, tau: float) -> bool:
        taus = np.ones(4)
        taus[unit] = tau
        other = dense_am(stored, hidden=Softmax(2.0), similarity="euclidean", tau_hidden=taus)
        return bool(np.linalg.eigvals(other.jacobian(x)).real.max() < 0)

    assert 1 <= sum(np.isfinite(found)) < 4
    for unit, critical in enumerate(found):
        largest = min(0.999 * critical, 1e3)
        assert all(stable(unit, tau) for tau in np.geomspace(1.0, largest, 40))
        assert not np.isfinite(critical) or not stable(unit, 1.001 * critical)


def test_separable_layers_bear_any_tau() -> None:
    net = pair()
    assert critical_tau(net, rest(net), "hidden", 1) == np.inf


def test_critical_tau_of_bad_units() -> None:
    net = algebraic()
    with pytest.raises(ValueError, match="tau > 0"):
        critical_tau(net, rest(net), "hidden", 0)
    with pytest.raises(ValueError, match=r"unit of layer .visible. must be"):
        critical_tau(net, rest(net), "visible", 2)
    strong = dense_am([[2.0]], visible=Tanh(), hidden=Tanh())
    with pytest.raises(ValueError, match="not stable"):
        critical_tau(strong, np.zeros(1), "visible", 0)


def test_spectra_and_thresholds_are_those_of_fixed_points() -> None:
    net = dense_am(patterns.random(3, 16, seed=0), tau_hidden=1.0)
    nowhere = np.linspace(-3, 3, 16)
    for ask in (
        lambda: delay_spectrum(net, nowhere, 1.0),
        lambda: critical_delay(net, nowhere),
        lambda: critical_tau(net, nowhere, "hidden", 0),
    ):
        with pytest.raises(ValueError, match=r"no fixed point: .* in layer 'visible'; pass"):
            ask()


def test_delays_are_numbers() -> None:
    net = dense_am([[1.0, 1.0]], visible=Tanh(), hidden=Tanh())
    with pytest.raises(TypeError, match="must be real numbers, got"):
        delay_spectrum(net, [0.0, 0.0], "x")  # type: ignore[arg-type]
