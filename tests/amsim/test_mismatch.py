"""Networks that deviate: each deviation against what it means in the equations."""

from __future__ import annotations

import numpy as np
import pytest

import amsim as am
from amsim.stability import find

pytestmark = pytest.mark.filterwarnings("ignore:.*directed:amsim.GuaranteeWarning")
PATTERNS = am.patterns.random(3, 12, seed=0)
NET = am.dense_am(PATTERNS / 6, hidden=am.Tanh(), visible=am.Tanh(), bias_visible=0.3 * PATTERNS[0])


def rest(net: am.Network) -> dict[str, np.ndarray]:
    return am.simulate(net, PATTERNS[0], until=am.Settled(1e-12), t1=1e4).final


def weights_of(net: am.Network) -> dict[tuple[str, str], np.ndarray]:
    found = {}
    for synapse in net.synapses:
        target, source = synapse.between
        found[target, source] = synapse.weights
        if isinstance(synapse, am.Dense):
            found[source, target] = synapse.weights.T
    return found


def test_nothing_deviates_by_nothing() -> None:
    assert am.Mismatch().of(NET) is NET
    assert am.Mismatch(symmetric=True).of(NET, seed=3) is NET


def test_weights_deviate_as_much_as_is_said() -> None:
    big = am.dense_am(np.ones((60, 80)), hidden=am.Tanh(), visible=am.Tanh())
    apart = weights_of(am.Mismatch(weights=0.2).of(big, seed=1))
    one, other = apart["hidden", "visible"], apart["visible", "hidden"].T
    for w in (one, other):
        assert w.mean() == pytest.approx(1.0, abs=4 * 0.2 / np.sqrt(w.size))
        assert w.std() == pytest.approx(0.2, rel=4 / np.sqrt(2 * w.size))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(w.size)
    same = am.Mismatch(weights=0.2, symmetric=True).of(big, seed=1)
    assert isinstance(same.synapses[0], am.Dense)
    np.testing.assert_array_equal(weights_of(same)["hidden", "visible"], one)
    wild = weights_of(am.Mismatch(weights=2.0).of(big, seed=1))["hidden", "visible"]
    assert wild.min() == 0.0 and (wild == 0).mean() == pytest.approx(0.3085, abs=0.03)
    again = weights_of(am.Mismatch(weights=0.2).of(big, seed=2))["hidden", "visible"]
    assert not np.array_equal(again, one)


def test_devices_are_those_of_their_fits() -> None:
    """Drawn device by device: programming, (age / 20 s)^-nu with nu by device, and a reading."""
    z = np.random.default_rng(0).normal(size=(3, 400_000))
    for age, dead in ((20.0, 0.0), (86400.0, 0.0), (3e7, 0.1)):
        nu = 0.049 + 0.008 * z[0]
        read = 0.0088 * np.sqrt(np.log(age / 500e-9))
        drawn = (1 + 0.042 * z[1]) * (age / 20) ** -nu * (1 + read * z[2])
        pcm = am.Mismatch.device("pcm", age=age, dead=dead)
        assert pcm.left == pytest.approx(drawn.mean(), rel=0.007)  # ln^2 of the age times 3e-5
        assert pcm.weights == pytest.approx(drawn.std() / drawn.mean(), rel=0.01)
    big = am.dense_am(np.ones((60, 80)), hidden=am.Tanh(), visible=am.Tanh())
    apart = weights_of(pcm.of(big, seed=1))
    for w in (apart["hidden", "visible"], apart["visible", "hidden"]):
        assert (w == 0).mean() == pytest.approx(0.1, abs=4 * 0.3 / np.sqrt(w.size))
        assert w[w > 0].mean() == pytest.approx(pcm.left, rel=0.01)
        assert w[w > 0].std() == pytest.approx(pcm.left * pcm.weights, rel=0.05)
    one, other = apart["hidden", "visible"] == 0, apart["visible", "hidden"].T == 0
    assert (one & other).mean() == pytest.approx(0.01, abs=0.006)
    reram = am.Mismatch.device("reram", symmetric=True)
    assert (reram.weights, reram.dead) == (pytest.approx(np.hypot(0.028, 0.01)), 0.1348)
    assert isinstance(reram.of(NET).synapses[0], am.Dense)
    for wrong, message in (
        (lambda: am.Mismatch.device("flash"), "name must be 'pcm'"),
        (lambda: am.Mismatch.device("pcm", age=1.0), r"Mismatch\.device: age"),
        (lambda: am.Mismatch.device("pcm", begin=0.0), r"Mismatch\.device: begin"),
        (lambda: am.Mismatch.device("pcm", colour=1.0), "no number 'colour'; there are programm"),
        (lambda: am.Mismatch.device("reram", age=86400.0), "does not drift: leave age out"),
        (lambda: am.Mismatch.device("reram", dead=1.1), "Mismatch: dead"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()


def test_within_a_layer_symmetric_means_so() -> None:
    lateral = am.Dense(PATTERNS.T @ PATTERNS / 24, between=("v", "v"))
    net = am.Network({"v": am.Layer(12, am.Tanh())}, [lateral])
    same = am.Mismatch(weights=0.3, symmetric=True).of(net).synapses[0]
    assert isinstance(same, am.Dense) and np.array_equal(same.weights, same.weights.T)
    apart = am.Mismatch(weights=0.3).of(net).synapses[0]
    assert isinstance(apart, am.Directed) and not np.array_equal(apart.weights, apart.weights.T)


def test_a_fixed_point_moves_as_the_first_order_says() -> None:
    """dx = (1 - W G)^-1 (dW g + db), from the network at rest alone."""
    here = rest(NET)
    x = np.concatenate([here["visible"], here["hidden"]])
    g, n = np.tanh(x), 12
    errors = []
    for s in (1e-3, 1e-4):
        chip = am.Mismatch(weights=s, bias=s).of(NET, seed=4)
        there = rest(chip)
        old, new = (np.zeros((15, 15)) for _ in range(2))
        for matrix, net in ((old, NET), (new, chip)):
            weights = weights_of(net)
            matrix[:n, n:] = weights["visible", "hidden"]
            matrix[n:, :n] = weights["hidden", "visible"]
        db = np.concatenate([chip.layers[k].bias - NET.layers[k].bias for k in NET.layers])
        predicted = np.linalg.solve(np.eye(15) - old * (1 - g**2), (new - old) @ g + db)
        moved = np.concatenate([there[k] - here[k] for k in ("visible", "hidden")])
        assert np.abs(moved).max() > s / 10
        errors.append(np.abs(moved - predicted).max())
    assert errors[1] < errors[0] / 50  # of second order


def test_gains_and_leaks_are_those_of_the_equations() -> None:
    """tau dx/dt = exp(g) (I + W r) - exp(l) x, at any state and time."""
    state = {"visible": np.linspace(-1.0, 1.3, 12), "hidden": np.array([0.3, -0.2, 1.0])}
    plain = NET.force(state)
    for mismatch in (am.Mismatch(gain=0.3), am.Mismatch(leak=0.3), am.Mismatch(tau=0.3)):
        chip = mismatch.of(NET, seed=2)
        velocity, force = {}, chip.force(state)
        for name, layer in chip.layers.items():
            velocity[name] = force[name] / layer.tau
            drive, tau = plain[name] + state[name], NET.layers[name].tau
            if mismatch.gain:
                factor = (force[name] + state[name]) / drive
                expected = (drive * factor - state[name]) / tau
            elif mismatch.leak:
                factor = tau / layer.tau
                expected = (drive - factor * state[name]) / tau
            else:
                factor = layer.tau / tau
                expected = plain[name] / (factor * tau)
            assert np.ptp(np.broadcast_to(factor, layer.shape)) > 0.1
            assert (factor > 0).all()
            np.testing.assert_allclose(velocity[name], expected, rtol=1e-12, atol=1e-12)
    # One factor for all that a unit receives: outputs of others do not change it.
    chip = am.Mismatch(gain=0.3).of(NET, seed=2)
    ratios = weights_of(chip)["hidden", "visible"] / weights_of(NET)["hidden", "visible"]
    np.testing.assert_allclose(ratios, ratios[:, :1] + np.zeros(12), rtol=1e-12)
    size = am.Network({"x": am.Layer(4000, am.Identity(), bias=1.0)}, [])
    logs = np.log(am.Mismatch(gain=0.4).of(size).layers["x"].bias)
    assert logs.std() == pytest.approx(0.4, rel=0.06) and abs(logs.mean()) < 0.03


def test_a_symmetric_chip_keeps_its_energy() -> None:
    chip = am.Mismatch(weights=0.3, bias=0.1, tau=0.3, symmetric=True).of(NET, seed=5)
    traj = am.simulate(chip, PATTERNS[0])
    assert traj.energy is not None and (np.diff(traj.energy) < 1e-9).all()
    found = find(chip, traj.final)
    assert found is not None


def test_what_has_no_weights_is_refused() -> None:
    layers = {name: am.Layer(2, am.Tanh()) for name in "xyz"}
    triple = am.Network(layers, [am.MultiBody(np.ones((2, 2, 2)), ("x", "y", "z"))])
    with pytest.raises(ValueError, match="is a MultiBody; only Dense and Directed"):
        am.Mismatch(weights=0.1).of(triple)
    shared = am.Network(
        {"a": am.Layer((2, 4), am.Tanh()), "b": am.Layer((2, 3), am.Tanh())},
        [am.Dense(np.ones((3, 4)), between=("b", "a"))],
    )
    assert am.Mismatch(weights=0.1, bias=0.1, tau=0.1).of(shared).layers["a"].shape == (2, 4)
    with pytest.raises(ValueError, match="copies that share their weights"):
        am.Mismatch(gain=0.1).of(shared)
    for bad in ({"weights": -0.1}, {"gain": 11.0}, {"bias": np.nan}):
        with pytest.raises(ValueError, match="Mismatch: "):
            am.Mismatch(**bad)
    with pytest.raises(TypeError, match="Mismatch: symmetric"):
        am.Mismatch(symmetric=1)  # type: ignore[arg-type]
