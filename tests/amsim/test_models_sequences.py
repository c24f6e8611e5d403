"""Sequences, kernel machines, the ring attractor, random networks and rules in closed form."""

import numpy as np
import pytest
import scipy.special

import amsim as am
from amsim.learning.weights import storkey_weights

pytestmark = pytest.mark.filterwarnings("ignore::amsim.GuaranteeWarning")


def replay(net, patterns, t1):
    """When each pattern is first the nearest, and how well it is ever reached."""
    times = np.linspace(0.0, t1, int(10 * t1) + 1)
    states = am.simulate(net, patterns[0], times=times, until=None)["visible"]
    nearest = np.square(states[:, None] - patterns).sum(axis=-1).argmin(axis=1)
    order = nearest[np.flatnonzero(np.diff(nearest, prepend=-1))]
    best = (np.sign(states) @ patterns.T / patterns.shape[1]).max(axis=0)
    return (
        order,
        [float(times[nearest == k].min(initial=np.inf)) for k in range(len(patterns))],
        best,
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stabiliser": am.Softmax()},
        {"hidden": am.RectifiedPower(4)},
        {"hidden": am.SignedPower(4)},
        {"hidden": am.RectifiedPower(4), "stabiliser": am.RectifiedPower(4)},
        {"hidden": am.Exponential(10.0), "stabiliser": am.Exponential(10.0), "tau_hidden": 1.0},
    ],
    ids=[
        "DenseNet",
        "MixedNet",
        "DenseNet, powers",
        "DenseNet, x^3",
        "MixedNet, powers",
        "exponential",
    ],
)
@pytest.mark.parametrize("units", [32, 128])
def test_patterns_are_replayed_in_order_within_five_tau_each(options, units):
    patterns = am.patterns.random(8, units, seed=3)
    net = am.models.sequence_memory(patterns, **options)
    order, first, best = replay(net, patterns, 40.0)
    assert order.tolist() == list(range(8))
    assert all(time <= 5 * k for k, time in enumerate(first))
    assert (best[:-1] > 0.9).all()
    assert best[-1] == 1


@pytest.mark.parametrize("n", [4, 6])
def test_signed_powers_replay_the_negatives_too(n):
    """And drive the features as the odd powers of the paper do: lambda sum xi f(xi . g / D)."""
    power, patterns = am.SignedPower(n), am.patterns.random(6, 64, seed=0)
    net = am.models.sequence_memory(patterns, hidden=power, stabiliser=power)
    state = np.linspace(-0.1, 0.1, 64)
    g = np.tanh(30 * state)
    overlaps = patterns @ g / 64
    layers = {"visible": state, "hidden": overlaps, "stabiliser": overlaps}
    following = patterns[[1, 2, 3, 4, 5, 5]]
    force = (2 * following + patterns).T @ overlaps ** (n - 1) - state
    np.testing.assert_allclose(net.force(layers)["visible"], force, rtol=1e-12)
    found = [
        np.tanh(
            30 * am.simulate(net, s * patterns[0], times=np.arange(25.0), until=None)["visible"]
        )
        for s in (1, -1)
    ]
    np.testing.assert_allclose(found[1], -found[0], atol=1e-9)
    heard = (found[0] @ patterns.T / 64).argmax(axis=1)
    assert heard[np.diff(heard, prepend=-1) != 0].tolist() == list(range(6))
    with pytest.raises(ValueError, match="SignedPower"):
        am.simulate(net, patterns[0], solver=am.EventDriven(), t1=1.0)


def test_a_sequence_ends_or_goes_round():
    patterns = am.patterns.digits(6, seed=0)
    ended = am.simulate(am.models.sequence_memory(patterns), patterns[0])
    assert ended.status == "settled"
    assert np.abs(ended.final["visible"] - patterns[-1]).max() < 1e-3
    order, _, _ = replay(am.models.sequence_memory(patterns, cyclic=True), patterns, 30.0)
    assert len(order) > 12
    assert (order == np.arange(len(order)) % 6).all()


def test_a_larger_lag_is_slower():
    patterns = am.patterns.random(6, 64, seed=0)
    last = [
        replay(am.models.sequence_memory(patterns, tau_hidden=tau), patterns, 40.0)[1][-1]
        for tau in (1.0, 2.0, 4.0)
    ]
    assert last[0] < last[1] < last[2]


def test_events_replay_the_sequence_too():
    patterns = am.patterns.random(4, 16, seed=0)
    net = am.models.sequence_memory(patterns)
    times = np.arange(0.0, 6.0, 0.5)
    options = dict(times=times, until=None)
    ode = am.simulate(net, patterns[0], **options)["visible"]
    events = am.simulate(net, patterns[0], **options, solver=am.EventDriven(3e-3))["visible"]
    assert np.abs(events - ode).max() < 0.05


def test_arguments_of_sequences_are_checked():
    patterns = am.patterns.random(3, 16, seed=0)
    for options, words in (
        ({"strength": 0.0}, "strength"),
        ({"scale": -1.0}, "scale"),
        ({"cyclic": 1}, "cyclic"),
        ({"hidden": "softmax"}, "hidden"),
        ({"stabiliser": 3}, "stabiliser"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            am.models.sequence_memory(patterns, **options)
    for bad in (patterns[:1], patterns[0], [[np.nan, 1.0], [1.0, 1.0]]):
        with pytest.raises(ValueError, match="patterns"):
            am.models.sequence_memory(bad)


def test_interpolation_puts_every_target_exactly():
    patterns, targets = am.patterns.random(20, 30, seed=0), am.patterns.random(20, 30, seed=1)
    net = am.models.kernel_memory(patterns, targets, ridge=0.0)
    forth, back = (synapse.weights for synapse in net.synapses)
    kernels = net.layers["hidden"].lagrangian.activation(patterns @ forth.T - 30)
    distances = np.square(patterns[:, None] - patterns).sum(axis=-1)
    assert np.allclose(kernels, np.exp(-4 / 30 / 2 * distances))
    assert np.allclose(kernels @ back.T, targets)


def test_logistic_weights_are_where_the_gradient_vanishes():
    patterns = am.patterns.random(12, 16, seed=0)
    net = am.models.kernel_memory(patterns, learning="logistic", ridge=0.05, beta=0.1)
    alpha = net.synapses[1].weights.T
    kernel = np.exp(0.1 * (patterns @ patterns.T - 16))
    margin = patterns * (kernel @ alpha)
    gradient = kernel @ (0.05 * alpha - patterns * scipy.special.expit(-margin))
    assert np.abs(gradient).max() < 1e-8
    assert margin.min() > 0


@pytest.mark.parametrize("learning", ["interpolation", "logistic"])
def test_kernel_memories_hold_more_patterns_than_units(learning):
    patterns = am.patterns.random(60, 50, seed=0)
    cues = am.patterns.corrupt(patterns, flip=0.04, seed=1)
    net = am.models.kernel_memory(patterns, learning=learning, beta=0.2)
    final = np.sign(am.simulate(net, cues[:10], t1=50.0).final["visible"])
    assert (final == patterns[:10]).mean() > 0.99


def test_arguments_of_kernel_memories_are_checked():
    signs = am.patterns.random(3, 8, seed=0)
    for arguments, words in (
        (([[0.5, 1.0]],), "patterns"),
        ((signs, signs[:2]), "targets"),
        ((signs, signs * 2), "targets"),
    ):
        with pytest.raises(ValueError, match=words):
            am.models.kernel_memory(*arguments)
    for options in ({"learning": "svm"}, {"ridge": -1.0}, {"beta": 0.0}, {"gain": np.inf}):
        with pytest.raises(ValueError, match=next(iter(options))):
            am.models.kernel_memory(signs, **options)
    with pytest.raises(ValueError, match="ridge"):
        am.models.kernel_memory(signs, learning="logistic", ridge=0.0)


@pytest.mark.parametrize("speed", [0.3, -1.0])
@pytest.mark.parametrize("tau", [1.0, 0.5])
def test_a_ring_turns_at_the_speed_of_its_odd_weights(speed, tau):
    net = am.models.ring_attractor(48, speed=speed, tau=tau, strength=2.5)
    angles = 2 * np.pi * np.arange(48) / 48
    traj = am.simulate(net, np.cos(angles), times=np.linspace(0, 30, 61), until=None)
    bump = traj["visible"] @ np.exp(1j * angles) / 24
    turned = np.unwrap(np.angle(bump))
    assert np.isclose((turned[-1] - turned[20]) / 20, speed, rtol=1e-3)
    # A = a c(A), with the first coefficient of tanh(A cos).
    size = np.abs(bump[-1])
    grid = 2 * np.pi * np.arange(400) / 400
    assert np.isclose(size, 2.5 * 2 * np.mean(np.tanh(size * np.cos(grid)) * np.cos(grid)), 1e-4)


def test_a_ring_at_rest_has_an_energy():
    net = am.models.ring_attractor(16)
    assert net.directed == ()
    assert am.simulate(net, np.cos(2 * np.pi * np.arange(16) / 16)).status == "settled"


def largest_exponent(net, t1=40.0):
    """Lyapunov exponent, by the growth of a deviation that is made small again and again."""
    rng = np.random.default_rng(0)
    units = net.layers["visible"].size
    state = am.simulate(net, rng.normal(size=units), t1=30.0, until=None).final["visible"]
    deviation, grown, step = rng.normal(size=units), [], 1.0
    for _ in range(int(t1 / step)):
        deviation *= 1e-6 / np.linalg.norm(deviation)
        pair = am.simulate(
            net, np.stack([state, state + deviation]), t1=step, until=None,
            solver=am.ExponentialIntegrator(1e-11, 1e-14),
        ).final["visible"]  # fmt: skip
        state, deviation = pair[0], pair[1] - pair[0]
        grown.append(np.log(np.linalg.norm(deviation) / 1e-6) / step)
    return np.mean(grown[10:])


def test_random_networks_are_chaotic_from_a_gain_of_one_on():
    quiet, loud = (am.models.random_network(300, gain, seed=0) for gain in (0.7, 3.0))
    assert np.isclose(largest_exponent(quiet), -0.3, atol=0.12)
    assert largest_exponent(loud) > 0.05


def test_random_weights_follow_the_seed():
    one, two = (am.models.random_network(50, 1.0, seed=seed) for seed in (3, 3))
    assert (one.synapses[0].weights == two.synapses[0].weights).all()
    weights = one.synapses[0].weights
    assert not np.diag(weights).any()
    assert np.isclose(weights.std(), 1 / np.sqrt(50), rtol=0.05)


def test_storkey_weights_are_those_of_the_sum_written_out():
    patterns = am.patterns.random(4, 7, seed=0)
    units, weights = 7, np.zeros((7, 7))
    for xi in patterns:
        field = np.array(
            [
                [sum(weights[i, k] * xi[k] for k in range(units) if k not in (i, j))
                 for j in range(units)]
                for i in range(units)
            ]
        )  # fmt: skip
        change = np.outer(xi, xi) - xi[:, None] * field.T - field * xi[None]
        weights = weights + change / units
    np.fill_diagonal(weights, 0.0)
    assert np.allclose(storkey_weights(patterns), weights)


def test_rules_keep_what_they_promise():
    patterns = am.patterns.random(5, 40, seed=0)
    hebb = am.learning.hebbian(patterns).weights
    assert np.allclose(hebb, (patterns.T @ patterns - 5 * np.eye(40)) / 40)
    projection = am.learning.pseudo_inverse(patterns).weights
    assert np.allclose(projection @ projection, projection)
    assert np.allclose(patterns @ projection, patterns)
    # Storkey's rule leaves more stored patterns where they are.
    many = am.patterns.random(14, 60, seed=1)
    wrong = [
        (np.sign(many @ rule(many).weights) != many).mean()
        for rule in (am.learning.hebbian, am.learning.storkey)
    ]
    assert wrong[1] < wrong[0]
    with pytest.raises(ValueError, match="patterns"):
        am.learning.hebbian([1.0, -1.0])
