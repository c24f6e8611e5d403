"""Directed synapses: forces in one direction, in every engine, and no energy."""

import pickle

import numpy as np
import pytest
import scipy.special

import amsim as am
from amsim.dynamics.events import distance_bound
from amsim.dynamics.two_layer import TwoLayerRun
from amsim.stability import linear as linear_module

pytestmark = pytest.mark.filterwarnings("ignore::amsim.GuaranteeWarning")


def recurrent(weights, lagrangian=None, tau=1.0):
    layer = am.Layer(len(weights), am.Tanh() if lagrangian is None else lagrangian, tau=tau)
    return am.Network({"x": layer}, [am.Directed(weights, source="x", target="x")])


def loop(forth, back, hidden=None, tau_hidden=0.3, visible=None):
    """Features and memories with weights of their own for each direction."""
    count, units = np.shape(forth)
    return am.Network(
        {
            "visible": am.Layer(units, am.Identity() if visible is None else visible),
            "hidden": am.Layer(count, am.Softmax() if hidden is None else hidden, tau=tau_hidden),
        },
        [
            am.Directed(forth, source="visible", target="hidden"),
            am.Directed(back, source="hidden", target="visible"),
        ],
    )


def turning(gain, angle):
    """A gain and a turn in the plane."""
    return gain * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_only_the_target_feels_a_force(rng):
    weights, f, g = rng.normal(size=(3, 4)), rng.normal(size=3), rng.normal(size=4)
    synapse = am.Directed(weights, source="a", target="b")
    on_target, on_source = synapse.force(f, g)
    assert np.allclose(on_target, weights @ g)
    assert not on_source.any()
    net = am.Network({"a": am.Layer(4, am.Tanh()), "b": am.Layer(3, am.Tanh())}, [synapse])
    force = net.force({"a": g, "b": f})
    assert np.allclose(force["a"], -g)
    assert np.allclose(force["b"], weights @ np.tanh(g) - f)


@pytest.mark.parametrize("tau_hidden", [0.3, 0.0])
def test_jacobian_is_the_derivative_of_the_velocity(rng, tau_hidden):
    net = loop(rng.normal(size=(3, 4)), rng.normal(size=(4, 3)), tau_hidden=tau_hidden)
    within = am.Directed(rng.normal(size=(4, 4)), source="visible", target="visible")
    net = am.Network(net.layers, [*net.synapses, within])
    x = rng.normal(size=sum(layer.size for layer in net.dynamic.values()))

    def velocity(x):
        return net.pack(net.velocity(net.unpack(x)))

    steps = 1e-6 * np.eye(len(x))
    expected = np.stack([(velocity(x + e) - velocity(x - e)) / 2e-6 for e in steps], axis=1)
    assert np.allclose(net.jacobian(net.unpack(x)), expected, rtol=0, atol=1e-8)


def test_tokens_share_the_weights(rng):
    weights = rng.normal(size=(2, 3))
    layers = {"a": am.Layer((5, 3), am.Tanh()), "b": am.Layer((5, 2), am.Identity())}
    net = am.Network(layers, [am.Directed(weights, source="a", target="b")])
    a = rng.normal(size=(5, 3))
    force = net.force({"a": a, "b": np.zeros((5, 2))})["b"]
    assert np.allclose(force, np.tanh(a) @ weights.T)
    assert net.jacobian({"a": a, "b": np.zeros((5, 2))}).shape == (25, 25)


def test_energy_is_refused_and_that_of_the_symmetric_part_given_by_name(rng):
    weights, state = rng.normal(size=(4, 4)), {"x": rng.normal(size=(6, 4))}
    net = recurrent(weights)
    both = am.Network(net.layers, [am.Dense((weights + weights.T) / 2, between=("x", "x"))])
    for refused in (net.energy, net.energy_tree, net.parameter_gradient):
        with pytest.raises(ValueError, match="'x->x' is directed; there is no energy"):
            refused(state)
    assert np.allclose(net.energy(state, symmetric_part=True), both.energy(state))
    # Between two layers half of the coupling is that of a Dense synapse.
    forth = rng.normal(size=(3, 4))
    states = {"visible": rng.normal(size=4), "hidden": rng.normal(size=3)}
    given = loop(forth, forth.T).energy(states, symmetric_part=True)
    assert np.allclose(given, am.dense_am(forth, tau_hidden=0.3).energy(states))


def test_gradient_by_the_weights_is_that_of_the_symmetric_part(rng):
    weights, state = rng.normal(size=(3, 3)), {"x": rng.normal(size=3)}
    gradient = recurrent(weights).parameter_gradient(state, symmetric_part=True)["x->x"]["weights"]
    for i, j in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[i, j] = 1e-6
        up, down = (
            recurrent(weights + s * step).energy(state, symmetric_part=True) for s in (1, -1)
        )
        assert np.isclose(gradient[i, j], (up - down) / 2e-6, atol=1e-8)


def test_bad_weights_and_names_are_refused():
    for weights, words in (
        ([1.0], "array|ndim|2"),
        ([[np.nan]], "NaN|finite"),
        (np.ma.masked_array([[1.0]], mask=True), "masked"),
        (np.zeros((0, 2)), "empty"),
        ("text", "text|numbers"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            am.Directed(weights, source="x", target="x")
    with pytest.raises(TypeError, match="source"):
        am.Directed([[1.0]], source=3, target="x")
    with pytest.raises(ValueError, match="last axes must match"):
        am.Network({"x": am.Layer(2, am.Tanh())}, [am.Directed([[1.0]], source="x", target="x")])
    with pytest.raises(ValueError, match=r"Directed\(W, source='x', target='x'\)"):
        am.Dense([[0.0, 1.0], [0.0, 0.0]], between=("x", "x"))


def test_runs_warn_that_nothing_descends_and_of_loops_that_may_diverge():
    with pytest.warns(am.GuaranteeWarning, match="directed: there is no energy"):
        am.simulate(recurrent(turning(0.5, 1.0)), {"x": [1.0, 0.0]})
    wild = loop(np.eye(2), np.eye(2), am.RectifiedPower(3))
    assert any("may diverge" in words for words in wild.lost_guarantees)
    assert not any("lower bound" in words for words in wild.lost_guarantees)
    # Without a way back nothing grows.
    forward = am.Network(wild.layers, wild.synapses[:1])
    assert not any("may diverge" in words for words in forward.lost_guarantees)


def test_a_linear_rotation_has_its_closed_form():
    times = np.linspace(0.0, 3.0, 7)
    gain, angle = 1.0, 0.7
    net = recurrent(turning(gain, angle), am.Identity())
    rate = gain * np.exp(1j * angle) - 1
    exact = np.exp(rate * times)
    for solver in (am.ExponentialIntegrator(1e-9), "DOP853"):
        traj = am.simulate(net, {"x": [1.0, 0.0]}, times=times, until=None, solver=solver)
        found = traj["x"][:, 0] + 1j * traj["x"][:, 1]
        assert np.allclose(found, exact, atol=1e-5 if solver == "DOP853" else 1e-7)


@pytest.mark.parametrize("hidden", [am.Softmax(0.3), am.Tanh(0.3), am.Entmax(1.5, 0.3)])
@pytest.mark.parametrize("kind", ["bytes", "floats", "mixed"])
def test_two_layers_take_the_compiled_path_and_agree_with_another_solver(rng, hidden, kind):
    forth = np.sign(rng.normal(size=(6, 24)))
    back = np.roll(forth, -1, axis=0).T / (1.0 if kind == "bytes" else 1.7)
    net = loop(forth * (1.0 if kind != "floats" else 0.9), back, hidden)
    cues, times = forth[:2] + rng.normal(size=(2, 24)) / 10, np.linspace(0.0, 2.0, 5)
    taken = []
    applies = TwoLayerRun.applies
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            TwoLayerRun, "applies", staticmethod(lambda p: taken.append(applies(p)) or taken[-1])
        )
        solver = am.ExponentialIntegrator(1e-8)
        traj = am.simulate(net, cues, times=times, until=None, solver=solver)
    assert taken == [True]
    other = am.ScipyODE("DOP853", rtol=1e-10, atol=1e-11)
    reference = am.simulate(net, cues, times=times, until=None, solver=other)
    for name in net.layers:
        assert np.abs(traj[name] - reference[name]).max() < 3e-6


def test_memories_that_start_elsewhere_and_clamps_in_the_compiled_path(rng):
    forth, back = rng.normal(size=(3, 8)), rng.normal(size=(8, 3))
    net, times = loop(forth, back), np.linspace(0.0, 2.0, 5)
    start = {"visible": rng.normal(size=8), "hidden": rng.normal(size=3)}
    options = dict(times=times, until=None, clamp={"visible": [1, 4]}, inputs={"visible": 0.3})
    traj = am.simulate(net, start, **options)
    reference = am.simulate(net, start, **options, solver="DOP853")
    for name in net.layers:
        assert np.abs(traj[name] - reference[name]).max() < 1e-4
    assert (traj["visible"][:, [1, 4]] == start["visible"][[1, 4]]).all()


def test_starts_follow_the_direction():
    chain = am.Network(
        {name: am.Layer(1, am.Identity()) for name in ("visible", "b", "c")},
        [
            am.Directed([[2.0]], source="visible", target="b"),
            am.Directed([[3.0]], source="b", target="c"),
        ],
    )
    traj = am.simulate(chain, [1.0], t1=0.5, until=None)
    assert [traj[name][0, 0] for name in ("visible", "b", "c")] == [1.0, 2.0, 6.0]
    # Nothing acts on the first layer: the cue decays as it is.
    assert np.allclose(traj["visible"][:, 0], np.exp(-traj.times), atol=1e-5)


@pytest.mark.parametrize("scope", ["broadcast", "link"])  # the general engine, and windows
def test_events_go_in_the_direction_and_reach_the_same_rest(rng, scope):
    net = recurrent(0.4 * rng.normal(size=(5, 5)), tau=0.5)
    start = {"x": rng.normal(size=5)}
    rest = am.simulate(net, start, inputs={"x": 0.3}).final["x"]
    timing = am.Timing(delay=0.2, scope=scope)
    events = am.simulate(
        net, start, inputs={"x": 0.3}, solver=am.EventDriven(1e-4, timing=timing), t1=60.0
    )
    assert events.status == "settled"
    assert np.abs(events.final["x"] - rest).max() < 1e-3


@pytest.mark.parametrize("scope", ["broadcast", "link"])
def test_events_with_delays_grow_at_the_rate_of_the_spectrum(scope):
    net, delay = recurrent(turning(1.8, 2.0), am.Identity()), 1.5
    root = am.stability.delay_spectrum(net, {"x": [0.0, 0.0]}, delay)[0]
    assert root.real > 0
    assert root.imag > 0
    traj = am.simulate(
        net, {"x": [1.0, 0.0]}, times=np.linspace(0, 40, 401), until=None,
        solver=am.EventDriven(1e-2, timing=am.Timing(delay=delay, scope=scope)),
    )  # fmt: skip
    x = traj["x"] @ [1, 1j]
    turned = np.unwrap(np.angle(x))[[200, 400]]
    assert np.isclose(np.diff(turned) / 20, root.imag, rtol=0.01)
    assert np.isclose(np.diff(np.log(np.abs(x[[200, 400]]))) / 20, root.real, rtol=0.02)


def test_delays_are_named_by_the_pairs_that_there_are(rng):
    net = loop(rng.normal(size=(2, 3)), rng.normal(size=(3, 2)), am.Tanh())
    one = am.Network(net.layers, net.synapses[:1])
    good = am.Timing(delay={("visible", "hidden"): rng.uniform(size=(3, 2))}, scope="link")
    am.simulate(one, [1.0, 2.0, 3.0], t1=1.0, solver=am.EventDriven(0.01, timing=good))
    array = am.Timing(delay=np.full((2, 3), 0.1), scope="link")  # one for each weight
    am.simulate(one, [1.0, 2.0, 3.0], t1=1.0, solver=am.EventDriven(0.01, timing=array))
    bad = am.Timing(delay={("hidden", "visible"): 0.1}, scope="link")
    with pytest.raises(ValueError, match="delay names"):
        am.simulate(one, [1.0, 2.0, 3.0], t1=1.0, solver=am.EventDriven(0.01, timing=bad))
    with pytest.raises(ValueError, match="delay names"):
        am.stability.delay_spectrum(one, np.zeros(3), {("hidden", "visible"): 0.1})


def test_fixed_points_and_updates(rng):
    net = recurrent(0.5 * rng.normal(size=(6, 6)))
    start = {"x": rng.normal(size=(3, 6))}
    rest = am.simulate(net, start, until=am.Settled(1e-10)).final["x"]
    updated = am.simulate(net, start, solver=am.FixedPoint(), until=am.Settled(1e-10)).final["x"]
    assert np.allclose(rest, updated, atol=1e-8)
    found = am.stability.find(net, {"x": rest[0]})
    assert found.converged
    assert np.isnan(found.energy)
    assert len(am.stability.find_all(net, {"x": rest})) >= 1
    kind = am.stability.classify(net, {"x": rest[0]}, np.eye(6), layer="x")
    assert (kind.stability, kind.index) == ("unknown", 0)


def lambert(weights, delay):
    """Roots of (1 + s) e^(s d) = g for the eigenvalues g, rightmost first."""
    values = np.linalg.eigvals(weights)[:, None]
    roots = scipy.special.lambertw(delay * np.exp(delay) * values, np.arange(-40, 41)) / delay - 1
    return roots.ravel()[np.argsort(-roots.ravel().real)]


@pytest.mark.parametrize("delay", [0.3, 3.0, 300.0])
def test_spectra_of_one_time_constant_are_branches_of_lambert_w(rng, delay):
    weights = rng.normal(size=(5, 5)) / 3
    roots = am.stability.delay_spectrum(recurrent(weights), {"x": np.zeros(5)}, delay, count=8)
    expected = lambert(weights, delay)[:8]
    assert np.allclose(np.sort(roots.real), np.sort(expected.real), rtol=1e-9, atol=1e-12)
    nearest = np.abs(roots[:6, None] - expected).min(axis=1)
    assert (nearest < 1e-9).all()


@pytest.mark.parametrize("delay", [0.5, 50.0])
def test_spectra_of_two_layers_solve_their_equation(rng, delay):
    net = loop(rng.normal(size=(3, 4)) / 2, rng.normal(size=(4, 3)) / 2, am.Tanh())
    roots = am.stability.delay_spectrum(net, np.zeros(4), delay, count=6)
    round_trip = net.synapses[1].weights @ net.synapses[0].weights
    for s in roots:
        gain = (1 + s) * (1 + 0.3 * s) * np.exp(2 * s * delay)
        assert np.abs(np.linalg.eigvals(round_trip) - gain).min() < 1e-8


def test_spectra_of_unequal_time_constants_are_roots_of_the_determinant(rng):
    weights, tau = rng.normal(size=(3, 3)), np.array([1.0, 0.5, 2.0])
    roots = am.stability.delay_spectrum(recurrent(weights, tau=tau), {"x": np.zeros(3)}, 0.7)
    for s in roots[:4]:
        matrix = np.diag(s * tau + 1) - weights * np.exp(-0.7 * s)
        assert np.linalg.svd(matrix, compute_uv=False)[-1] < 1e-9


def test_sigma_alone_proves_nothing_where_time_constants_differ():
    # All eigenvalues of the weights are 0, and yet the state is unstable if one unit is slow.
    weights = np.array([[2.0, -4.0], [1.0, -2.0]])
    fast = recurrent(weights, tau=np.array([0.2, 1.0]))
    report = am.stability.analyse(fast, {"x": np.zeros(2)})
    assert report.sigma < 1e-12
    assert report.status == "unstable"
    assert {v.status for v in report.verdicts.values()} == {"refuted"}
    slow = am.stability.analyse(recurrent(weights, tau=np.array([1.0, 1.2])), {"x": np.zeros(2)})
    assert slow.status == "stable"
    # H Delta W has the one eigenvalue 2 (delta_1 - delta_2), which is small at all frequencies.
    assert slow.verdicts["uniform"].status == "proven"
    assert "frequency" in slow.verdicts["uniform"].reason
    even = am.stability.analyse(recurrent(weights), {"x": np.zeros(2)})
    assert even.verdicts["uniform"].status == "proven"
    late = even.verdicts["per_unit"]  # one unit in the opposite phase: a gain of 4
    assert late.status == "refuted" and late.delay is not None
    assert even.verdicts["per_link"].status == "refuted"


@pytest.mark.parametrize("gain", [0.9, 1.1])
def test_one_delay_is_judged_by_sigma_where_modes_have_an_equation_each(gain):
    report = am.stability.analyse(recurrent(turning(gain, 2.0)), {"x": np.zeros(2)})
    assert np.isclose(report.sigma, gain**2)
    assert report.status == "stable"
    verdict = report.verdicts["uniform"]
    if gain < 1:
        assert verdict.status == "proven"
        return
    assert verdict.status == "refuted"
    # |1 + i w| = gain at the crossing, where the delay makes up for the angle.
    frequency = np.sqrt(gain**2 - 1)
    critical = (2.0 - np.arctan(frequency)) / frequency
    other = (2 * np.pi - 2.0 - np.arctan(frequency)) / frequency
    found = am.stability.critical_delay(report.network, {"x": np.zeros(2)})
    assert np.isclose(found, min(critical, other), rtol=1e-9)
    roots = am.stability.delay_spectrum(report.network, {"x": np.zeros(2)}, verdict.delay)
    assert roots[0].real > 0


def test_rate_with_delays_is_that_of_the_spectrum(rng):
    net = loop(rng.normal(size=(3, 4)) / 2, rng.normal(size=(4, 3)) / 2, am.Tanh())
    report = am.stability.analyse(net, np.zeros(4))
    root = am.stability.delay_spectrum(net, np.zeros(4), 0.5)[0]
    assert np.isclose(report.rate(0.5), -root.real)
    assert report.sigma < 1 < report.rho
    assert report.verdicts["per_unit"].status == "proven"


def test_large_networks_have_the_modes_of_dense_matrices(rng, monkeypatch):
    weights = rng.normal(size=(40, 40)) / 8
    weights[0, 0] = 2.0
    net = recurrent(weights, tau=rng.uniform(0.5, 2.0, 40))
    states = {"x": rng.normal(size=40) / 10}
    dense = am.stability.linear.Linearisation(net, states)
    values, right, left = dense.modes
    first = np.lexsort((-values.imag, -values.real))[0]
    sigma, rho = dense.sigma, dense.rho
    monkeypatch.setattr(linear_module, "DENSE", 10)
    large = am.stability.linear.Linearisation(net, states)
    found, right_found, left_found = large.modes
    place = np.lexsort((-found.imag, -found.real))[0]
    assert np.isclose(found[place], values[first])
    for one, other in ((right[:, first], right_found), (left[:, first], left_found)):
        cosine = np.abs(np.vdot(one, other[:, place]))
        assert np.isclose(cosine, np.linalg.norm(one) * np.linalg.norm(other[:, place]))
    assert np.isclose(large.sigma, sigma)
    assert np.isclose(large.rho, rho)


def test_certificates_hold_for_executions_with_any_delays(rng):
    net = recurrent(0.15 * rng.normal(size=(5, 5)))
    net = am.Network({"x": am.Layer(5, am.Tanh(), bias=0.5)}, net.synapses)
    rest = am.simulate(net, {"x": np.zeros(5)}, until=am.Settled(1e-10)).final
    cue = {"x": rng.normal(size=5)}
    certificate = am.stability.certify(net, cue, rest)
    assert certificate.holds
    assert am.stability.radius(net, rest) > 0.1
    assert am.stability.distance_to_rest(net, rest) < 1e-8
    bound = distance_bound(net, rest, residual=1e-6)["x"]
    assert (bound < 1e-4).all()
    timing = am.Timing(delay=scipy.stats.uniform(0.0, 2.0), drop=0.2, heartbeat=1.0, scope="link")
    solver = am.EventDriven(1e-4, timing=timing)
    late = am.simulate(net, cue, solver=solver, t1=60.0, until=None, seed=3)
    assert np.abs(late.final["x"] - rest["x"]).max() < 1e-3


def test_images_of_boxes_hold_the_update_of_every_state(rng):
    from amsim.stability.boxes import Boxes
    from amsim.stability.intervals import BoxMap

    net = loop(rng.normal(size=(3, 4)), rng.normal(size=(4, 3)), am.Softmax(2.0))
    boxes = BoxMap.of(net, "visible", {"visible"})
    low = rng.normal(size=4)
    high = low + rng.uniform(0, 0.5, 4)
    lo, hi = boxes.image(Boxes({"visible": (low[None], high[None])})).new["visible"]
    forth, back = (synapse.weights for synapse in net.synapses)
    for share in rng.uniform(size=(200, 4)):
        updated = back @ scipy.special.softmax(2.0 * forth @ (low + share * (high - low)))
        assert (lo[0] <= updated).all()
        assert (updated <= hi[0]).all()


def test_certificates_say_nothing_of_sigma_alone():
    net = recurrent(turning(1.3, 2.0))
    message = am.stability.certify(net, {"x": [0.1, 0.0]}, {"x": [0.0, 0.0]}).message
    assert "directed" in message
    assert "not stable" not in message
    both = loop(np.eye(2), np.eye(2), am.Softmax())
    one = am.Network(both.layers, both.synapses[:1])
    with pytest.raises(ValueError, match="Dense synapse"):
        am.stability.radius_bound(one, [1.0, 0.0])


def test_results_without_an_energy_are_kept_shown_and_read(tmp_path):
    traj = am.simulate(recurrent(turning(0.5, 1.0)), {"x": np.eye(2)}, t1=2.0)
    with pytest.raises(ValueError, match=r"'x->x' is directed.*symmetric_part"):
        _ = traj.energy
    again = am.Trajectory.load(traj.save(tmp_path / "run"))
    for kept in (again, pickle.loads(pickle.dumps(traj))):
        assert kept.directed == ("x->x",)
        assert (kept["x"] == traj["x"]).all()
        with pytest.raises(ValueError, match="directed"):
            _ = kept.energy
    assert "energy" not in traj.to_xarray()
    assert len(traj.to_dataframe()) == 2
    assert len(traj.plot().axes) == 1
    with pytest.raises(ValueError, match="directed"):
        am.plot.energy(traj)
    assert "directed" in traj._repr_html_() or "Trajectory" in traj._repr_html_()
