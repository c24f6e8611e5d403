"""Certificates and radii: what they say, against brute force, closed forms and theory."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am
from amsim import progress
from amsim.compiled import jit
from amsim.stability import certify, radius, radius_bound
from amsim.stability.pace import Pace

Array = npt.NDArray[Any]
EXACT = am.Settled(1e-12)
SCOPES = ("link", "broadcast")


def memories(count: int = 30, units: int = 32, beta: float = 1.0, seed: int = 0) -> am.Network:
    return am.dense_am(am.patterns.random(count, units, seed), hidden=am.Softmax(beta))


def stored(net: am.Network, row: int = 0) -> dict[str, Array]:
    """The fixed point at a memory."""
    return am.simulate(net, net.synapses[0].weights[row].astype(float), until=EXACT).final


def tanh_pair(a: float) -> am.Network:
    """Xi = a [[1, 1], [1, -1]]: at the origin sigma = 2 a^2 and rho = 4 a^2."""
    return am.dense_am(a * np.array([[1, 1], [1, -1]]), visible=am.Tanh(), hidden=am.Tanh())


def chain() -> am.Network:
    """Features, tanh units and softmax memories in a row."""
    rng = np.random.default_rng(3)
    middle = rng.choice([-1.0, 1.0], (12, 10)) / 2
    return am.Network(
        layers={
            "visible": am.Layer(10, am.Tanh(2.0), bias=0.1),
            "middle": am.Layer(12, am.Tanh(), tau=0.3, leak=2.0),
            "top": am.Layer(4, am.Softmax(3.0), tau=0.1),
        },
        synapses=[
            am.Dense(middle, between=("middle", "visible")),
            am.Dense(rng.normal(size=(4, 12)), between=("top", "middle")),
        ],
    )


# Cues


def test_light_damage_is_certified_heavy_damage_is_not() -> None:
    net = memories(100, 64)
    target, pattern = stored(net), net.synapses[0].weights[0]
    light, heavy = (am.patterns.corrupt(pattern, flip=flip, seed=1) for flip in (0.1, 0.35))
    for scope in SCOPES:
        assert certify(net, light, target, scope).holds
        assert not certify(net, heavy, target, scope).holds
    mirror = certify(net, -pattern, target)
    assert not mirror.holds
    assert "does not shrink" in mirror.message


@pytest.mark.parametrize("scope", SCOPES)
def test_box_is_invariant_under_sampled_updates(scope: Any) -> None:
    net = memories()
    xi, target = net.synapses[0].weights, stored(net)
    found = certify(net, am.patterns.corrupt(xi[0], flip=0.1, seed=2), target, scope)
    assert found.holds
    (lo, hi), rng = found.box["visible"], np.random.default_rng(0)
    corners = np.where(rng.random((500, 32)) < 0.5, lo, hi)
    hidden = corners @ xi.T
    if scope == "broadcast":
        winner = target["hidden"].argmax()
        hidden = hidden - hidden[:, [winner]]
    assert (hidden >= found.box["hidden"][0]).all()
    assert (hidden <= found.box["hidden"][1]).all()
    back = am.Softmax().activation(hidden) @ xi
    assert (back >= lo).all()
    assert (back <= hi).all()


def test_broadcast_certifies_whatever_link_does() -> None:
    net = memories(100, 64)
    xi = net.synapses[0].weights
    targets = am.simulate(net, xi, until=EXACT).final
    for flip in (0.1, 0.2, 0.25):
        cues = am.patterns.corrupt(xi, flip=flip, seed=4)
        link, broadcast = (certify(net, cues, targets, scope).holds for scope in SCOPES)
        assert (broadcast | ~link).all()
    assert broadcast.sum() > link.sum()


def test_batch_gives_what_single_cues_give() -> None:
    net = memories(100, 64)
    xi, target = net.synapses[0].weights, stored(net)
    cues = np.stack([am.patterns.corrupt(xi[0], flip=f, seed=5) for f in (0.1, 0.2, 0.22, 0.3)])
    for scope in SCOPES:
        batch = certify(net, cues.reshape(2, 2, 64), target, scope)
        assert batch.holds.shape == batch.iterations.shape == batch.margin.shape == (2, 2)
        assert batch.box["visible"][0].shape == (2, 2, 64)
        for i, cue in enumerate(cues):
            one = certify(net, cue, target, scope)
            assert one.holds.shape == ()
            assert one.holds == batch.holds.flat[i]
            assert one.iterations == batch.iterations.flat[i]
            np.testing.assert_allclose(one.margin, batch.margin.flat[i], rtol=1e-6)
    assert 0 < batch.holds.sum() < 4


def test_every_point_of_a_certified_box_is_certified() -> None:
    net = memories()
    target = stored(net)
    cue = am.patterns.corrupt(net.synapses[0].weights[0], flip=0.1, seed=2)
    lo, hi = certify(net, cue, target).box["visible"]
    inner = np.random.default_rng(1).uniform(lo, hi, (50, 32))
    assert certify(net, inner, target).holds.all()


def test_margin_and_distance() -> None:
    net = memories()
    target = stored(net)
    cue = net.synapses[0].weights[0]
    good = certify(net, cue, target, tolerance=1e-9)
    assert good.holds
    assert 0 < good.margin <= 1
    assert good.distance <= 1e-9
    # A rough target: the bound on the distance from the true fixed point has to hold.
    rough = target["visible"] + np.random.default_rng(0).uniform(-1e-4, 1e-4, 32)
    found = certify(net, cue, rough)
    assert found.holds
    size = np.abs(rough).max()  # a little more than 1
    assert np.abs(rough - target["visible"]).max() <= found.distance * size <= 1e-3


def test_target_that_is_no_fixed_point_gets_no_certificate() -> None:
    net = memories()
    off = stored(net)["visible"] + 0.01
    refused = certify(net, off, off)
    assert not refused.holds
    assert np.isnan(refused.distance)
    assert "take the last state of a longer run" in refused.message
    assert certify(net, off, off, tolerance=0.02).holds


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("staleness", [None, 0.1])
def test_every_layer_that_the_target_names_counts(scope: Any, staleness: float | None) -> None:
    """By one measure, whatever may be late: h of 32 may be off by 32 times as much as v."""
    net = memories()
    rest = stored(net)
    size = np.abs(rest["hidden"]).max()
    given: Any = {"scope": scope, "staleness": staleness}
    winner = rest["hidden"].argmax()
    beside = np.where(np.arange(len(rest["hidden"])) == winner, 0.0, 1.0)
    for amount, holds in ((0.0, True), (5e-4 * size, True), (5e-3 * size, False)):
        target = {**rest, "hidden": rest["hidden"] + amount * beside}
        found = certify(net, rest["visible"], target, **given)
        assert bool(found.holds) == holds
        if holds:
            assert 0.7 * amount / size <= found.distance <= 1e-3  # h - h_w are up to 42
    assert "fixed point" in found.message
    alone = certify(net, rest["visible"], rest["visible"], **given)
    assert alone.holds and alone.distance < 1e-6


def test_states_of_memories_in_the_cue_widen_their_box() -> None:
    net = memories()
    target = stored(net)
    cue = {"visible": target["visible"], "hidden": target["hidden"] + 40.0}
    assert certify(net, cue, target, "broadcast").holds  # a common shift is none for softmax
    cue["hidden"][1] += 100.0
    found = certify(net, cue, target)
    assert not found.holds
    assert found.box["hidden"][1][1] >= cue["hidden"][1]


# No certificate can exist


def test_says_so_if_stable_for_equal_delays_only() -> None:
    net = tanh_pair(0.6)
    zero = np.zeros(2)
    found = certify(net, [0.01, 0.0], zero)
    assert not found.holds
    assert "no certificate can exist" in found.message
    assert "sigma = 0.72, rho = 1.44" in found.message
    assert radius(net, zero) == 0.0


def test_rho_below_one_is_certified() -> None:
    net = tanh_pair(0.45)
    assert certify(net, [5.0, -5.0], np.zeros(2)).holds
    assert radius(net, np.zeros(2)) == math.inf


def test_says_so_if_the_target_is_unstable() -> None:
    found = certify(tanh_pair(0.9), [0.01, 0.0], np.zeros(2))
    assert "sigma >= 1: the target is not stable" in found.message


def test_growth_without_bound_ends() -> None:
    net = am.dense_am(2 * np.eye(3), visible=am.ReLU(), hidden=am.RectifiedPower(3))
    repelled = certify(net, np.full(3, 5.0), np.zeros(3))
    assert not repelled.holds
    assert repelled.iterations == 2  # with a margin, and without
    assert "does not shrink" in repelled.message
    growing = certify(net, np.full(3, 1e16), np.zeros(3))
    assert not growing.holds
    assert "no invariant box" in growing.message
    assert growing.margin == -np.inf


# Radii


def deviation(net: am.Network, state: Array, radius: float) -> float:
    """phi(r) of a two-layer softmax memory, from its definition and without rounding."""
    xi, layer = net.synapses[0].weights, net.layers["hidden"]
    beta = layer.lagrangian.beta
    centre, reach = xi @ state + layer.bias, np.abs(xi).sum(axis=1) * radius
    lo, hi = [], []
    for mu in range(len(xi)):
        others = np.arange(len(xi)) != mu
        for own, rest, out in ((-1, 1, lo), (1, -1, hi)):
            odds = beta * (centre + rest * reach)[others] - beta * (centre + own * reach)[mu]
            out.append(1 / (1 + np.exp(np.minimum(odds, 600)).sum()))
    low = np.where(xi > 0, np.array(lo)[:, None], np.array(hi)[:, None])
    high = np.where(xi > 0, np.array(hi)[:, None], np.array(lo)[:, None])
    return float(max((state - (xi * low).sum(0)).max(), ((xi * high).sum(0) - state).max()))


@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_radius_is_the_first_root(similarity: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    xi = rng.normal(size=(12, 16))
    net = am.dense_am(xi, hidden=am.Softmax(1.0), similarity=similarity)
    state = stored(net)["visible"]
    r = radius(net, state)
    assert 0.01 < r < 2
    assert all(deviation(net, state, x) < x for x in np.linspace(0.001, 1, 200) * r)
    assert deviation(net, state, r * (1 + 1e-5)) > r * (1 + 1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_radius_tends_to_half_the_least_difference(seed: int) -> None:
    """r -> (D - m) / 2D per link, with m the largest sum with another pattern; 1 in broadcast."""
    patterns = am.patterns.random(20, 40, seed)
    net = am.dense_am(patterns, hidden=am.Softmax(1e4))
    m = (patterns @ patterns[0])[1:].max()
    assert radius(net, patterns[0]) == pytest.approx((40 - m) / 80, rel=1e-3)
    assert radius(net, patterns[0], "broadcast") == pytest.approx(1, rel=1e-3)


def test_radius_does_not_depend_on_sign_or_scale() -> None:
    """Flipping a feature's sign in all memories changes nothing; scaling them scales r."""
    patterns = am.patterns.random(10, 24, seed=7)
    plain = am.dense_am(patterns, hidden=am.Softmax(1.0))
    flipped = patterns * np.random.default_rng(0).choice([-1, 1], 24)
    scaled = am.dense_am(2.0 * patterns, hidden=am.Softmax(0.25))
    for scope in SCOPES:
        r = radius(plain, stored(plain), scope)
        assert radius(am.dense_am(flipped), flipped[0], scope) == pytest.approx(r, rel=1e-4)
        assert radius(scaled, stored(scaled), scope) == pytest.approx(2 * r, rel=1e-4)


def test_cues_within_the_radius_are_certified() -> None:
    net = memories()
    target, rng = stored(net), np.random.default_rng(0)
    for scope in SCOPES:
        r = radius(net, target, scope)
        cues = target["visible"] + r * rng.choice([-1, 1], (50, 32))
        assert certify(net, cues, target, scope).holds.all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("beta", [0.5, 1.0, 4.0])
def test_closed_form_is_a_lower_bound(seed: int, beta: float) -> None:
    patterns = am.patterns.random(20, 48, seed)
    net = am.dense_am(patterns, hidden=am.Softmax(beta))
    state = stored(net)
    gap = 48 - (patterns @ patterns[0])[1:].max()
    bound = radius_bound(net, state)
    assert bound == pytest.approx((gap - math.log(4 * beta * 48 * 19) / beta) / 96, rel=1e-4)
    assert 0 < bound < radius(net, state)


def test_closed_form_takes_one_kind_of_network() -> None:
    with pytest.raises(ValueError, match="closed form"):
        radius_bound(tanh_pair(0.4), np.zeros(2))
    assert radius_bound(am.dense_am([[1.0, -1.0]]), [1.0, -1.0]) == math.inf
    assert radius_bound(memories(30, 32, beta=0.01), stored(memories(30, 32, beta=0.01))) == 0.0


# Any number of layers


@pytest.mark.parametrize("scope", SCOPES)
def test_chain_of_three_layers(scope: Any) -> None:
    net = chain()
    target = am.simulate(net, np.full(10, 0.3), until=EXACT).final
    cues = target["visible"] * np.array([1.0, 0.5, -1.0])[:, None]
    # By default "middle" starts without the force of "top", which has no state by then.
    found = certify(net, cues, target, scope)
    assert found.holds.tolist() == [True, False, False]
    assert "'middle' starts without" in found.message
    found = certify(net, {**target, "visible": cues}, target, scope)
    assert found.holds.tolist() == [True, True, False]
    assert set(found.box) == {"visible", "middle", "top"}
    r = radius(net, target, scope)
    assert r > 0
    inside = target["visible"] + r * np.random.default_rng(0).choice([-1, 1], (20, 10))
    assert certify(net, inside, target, scope).holds.all()


def test_layer_that_acts_on_itself() -> None:
    """One tanh unit with the gain w: globally certified for w < 1; at w = 2, within the sign."""
    half = am.Network({"visible": am.Layer(1, am.Tanh())}, [am.Dense([[0.5]], ("visible",) * 2)])
    assert certify(half, [100.0], [0.0]).holds
    two = am.Network({"visible": am.Layer(1, am.Tanh())}, [am.Dense([[2.0]], ("visible",) * 2)])
    point = am.simulate(two, [1.0], until=EXACT)["visible"][-1]
    assert certify(two, [[0.2], [50.0]], point).holds.all()
    assert not certify(two, [[-0.2], [0.0]], point).holds.any()
    # phi(r) = v* - 2 tanh(v* - r) reaches r where v* - r does: at the unstable origin.
    assert radius(two, point) == pytest.approx(point[0], rel=1e-5)


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.float64])
@pytest.mark.parametrize("scope", SCOPES)
def test_types_of_weights_agree(dtype: Any, scope: Any) -> None:
    rng = np.random.default_rng(5)
    whole = rng.integers(-3, 4, (8, 16))
    net = am.dense_am(whole.astype(dtype), hidden=am.Softmax(0.2))
    reference = am.dense_am(whole.astype(float), hidden=am.Softmax(0.2))
    target = stored(reference)
    assert radius(net, target, scope) == pytest.approx(radius(reference, target, scope), rel=1e-5)


@pytest.mark.parametrize("scope", SCOPES)
def test_order_of_the_layers_in_a_synapse_does_not_matter(scope: Any) -> None:
    xi = np.random.default_rng(6).normal(size=(6, 12))
    net = am.dense_am(xi)
    turned = am.Network(net.layers, [am.Dense(xi.T, between=("visible", "hidden"))])
    target = stored(net)
    assert radius(turned, target, scope) == pytest.approx(radius(net, target, scope), rel=1e-5)


# Refusals


def test_refuses_by_name_what_it_does_not_cover() -> None:
    visible, hidden = am.Layer(3, am.Identity()), am.Layer(2, am.Softmax())
    dense = am.Dense(np.ones((2, 3)))
    cases = [
        (
            am.Network(
                {"visible": visible, "hidden": hidden},
                [am.MultiBody(np.ones((2, 3)), between=("hidden", "visible"))],
            ),
            "'hidden-visible' is a MultiBody.*Dense",
        ),
        (
            am.Network({"visible": visible, "hidden": am.Layer(2, am.Spherical())}, [dense]),
            "'hidden' is Spherical.*Softmax and .* sums over units",
        ),
        (
            am.Network({"visible": am.Layer(3, am.Tanh(), leak=0), "hidden": hidden}, [dense]),
            "'visible' has no leak",
        ),
        (
            am.Network(
                {"visible": am.Layer((4, 3), am.Tanh()), "hidden": am.Layer((4, 2), am.Tanh())},
                [dense],
            ),
            r"'visible' has shape \(4, 3\).*batch the cues",
        ),
    ]
    for net, message in cases:
        with pytest.raises(ValueError, match=message):
            certify(net, np.zeros(3), np.zeros(3))
    uneven = am.dense_am(np.ones((2, 3)), tau_hidden=[0.1, 0.2])
    with pytest.raises(ValueError, match=r"unequal tau.*scope='link'"):
        certify(uneven, np.zeros(3), np.zeros(3), "broadcast")


@pytest.mark.parametrize(
    ("cue", "target", "options", "message"),
    [
        (np.zeros(4), np.zeros(3), {}, r"cue has shape \(4,\).*'visible' has shape \(3,\)"),
        (np.zeros(3), [0.0, math.nan, 0.0], {}, "target of layer 'visible' must be finite"),
        (np.zeros((2, 3)), np.zeros((5, 3)), {}, "different batch axes"),
        ({"eye": np.zeros(3)}, np.zeros(3), {}, "names layer 'eye'"),
        ({}, np.zeros(3), {}, "empty mapping"),
        (np.zeros((0, 3)), np.zeros(3), {}, "not empty"),
        (np.zeros(3), np.zeros(3), {"scope": "bus"}, "'link' or 'broadcast'"),
        (np.zeros(3), np.zeros(3), {"tolerance": 0.0}, "tolerance must be"),
    ],
)
def test_refuses_bad_input(cue: Any, target: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        certify(am.dense_am(np.ones((2, 3))), cue, target, **options)


def test_target_has_to_fix_every_layer() -> None:
    with pytest.raises(ValueError, match=r"no state for layer 'top'.*traj\.final"):
        certify(chain(), np.zeros(10), np.zeros(10))


def test_closed_form_wants_a_fixed_point() -> None:
    patterns = am.patterns.random(3, 32, seed=0)
    with pytest.raises(ValueError, match=r"state is no fixed point: .*; take the last state"):
        radius_bound(am.dense_am(patterns), 3 * patterns[0])


def test_certify_wants_a_cue() -> None:
    net = am.dense_am(am.patterns.random(3, 32, seed=0))
    with pytest.raises(TypeError, match="cue is None; give the state"):
        certify(net, None, np.ones(32))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"tolerance must be a finite number .* got 'a'"):
        certify(net, np.ones(32), np.ones(32), tolerance="a")  # type: ignore[arg-type]


def test_radius_takes_one_state() -> None:
    with pytest.raises(ValueError, match="batch axes"):
        radius(am.dense_am(np.ones((2, 3))), np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"no fixed point: one update moves it by 0\.5"):
        radius(am.dense_am([[1.0, -1.0]]), [0.5, -0.5])
    with pytest.raises(TypeError, match="real numbers"):
        radius(am.dense_am(np.ones((2, 3))), ["a", "b", "c"])
    with pytest.raises(TypeError, match="net must be a Network"):
        radius(None, np.zeros(3))  # type: ignore[arg-type]


@pytest.mark.parametrize("scope", SCOPES)
def test_a_target_that_is_no_fixed_point_is_called_so(scope: Any) -> None:
    """Gains elsewhere say nothing about what a certificate could do."""
    net = memories()
    rest = stored(net)["visible"]
    cue, far = rest + 0.1, 0.4 * rest
    alone = certify(net, cue, far, scope)
    assert not alone.holds and "the target is no fixed point" in alone.message
    assert "no certificate can exist" not in alone.message
    mixed = certify(net, [cue, cue], [rest, far], scope)
    assert mixed.holds.tolist() == [True, False]
    assert "1: the target is no fixed point" in mixed.message


# What is kept, and what is worked out later


@pytest.mark.parametrize("scope", SCOPES)
def test_magnitudes_that_are_kept_change_nothing(
    scope: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(2)
    xi = rng.normal(size=(20, 24))
    net = am.dense_am(xi)
    targets = am.simulate(net, xi, until=EXACT).final
    cues = am.patterns.corrupt(xi, flip=0.2, seed=3)
    quick = certify(net, cues, targets, scope)
    monkeypatch.setattr("amsim.stability.links._BLOCK", 100)
    slow = certify(net, cues, targets, scope)
    assert 0 < quick.holds.sum() < 20
    np.testing.assert_array_equal(quick.holds, slow.holds)
    np.testing.assert_array_equal(quick.iterations, slow.iterations)
    for name, box in quick.box.items():
        np.testing.assert_allclose(box, slow.box[name], rtol=1e-10, atol=1e-10)


def without_shortcuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """No margin at first, no refusal before a box is invariant, single steps of growth."""
    monkeypatch.setattr("amsim.stability.boxes.Boxes.with_margin", lambda boxes: boxes)
    monkeypatch.setattr(
        "amsim.stability.box_search.within_images",
        lambda boxes, new: np.zeros(len(new.reach()), bool),
    )
    monkeypatch.setattr(Pace, "leap", lambda pace, growth, boxes: np.zeros_like(growth))
    monkeypatch.setattr(Pace, "steps", lambda pace, growth: np.ones_like(growth))


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_shortcuts_certify_the_same_cues(
    beta: float, scope: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    xi = np.random.default_rng(2).normal(size=(20, 24))
    net = am.dense_am(xi, hidden=am.Softmax(beta))
    targets = am.simulate(net, xi, until=EXACT).final
    cues = am.patterns.corrupt(xi, flip=0.2, seed=3)
    quick = certify(net, cues, targets, scope)
    without_shortcuts(monkeypatch)
    slow = certify(net, cues, targets, scope)
    assert 0 < slow.holds.sum() < 20
    np.testing.assert_array_equal(quick.holds, slow.holds)
    assert quick.iterations.sum() < slow.iterations.sum()


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("beta", [0.4, 1.0, 8.0])
def test_shortcuts_certify_the_same_cues_beside_the_last_one(
    beta: float, scope: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Along a line from the target to a place that is not certified."""
    net = memories(count=60, units=48, beta=beta)
    target = stored(net)
    ends = am.patterns.corrupt(np.tile(target["visible"], (3, 1)), flip=0.4, seed=1)
    far, near = np.ones(3), np.zeros(3)
    for _ in range(3):  # to where all depends on the fourth digit
        along = np.linspace(near, far, 11)[..., None]
        cues = target["visible"] + along * (ends - target["visible"])
        quick = certify(net, cues, target, scope)
        with monkeypatch.context() as patch:
            without_shortcuts(patch)
            slow = certify(net, cues, target, scope)
        np.testing.assert_array_equal(quick.holds, slow.holds)
        last = quick.holds.sum(axis=0) - 1
        assert (last >= 0).all() and (last < 10).all()
        near, far = along[last, range(3), 0], along[last + 1, range(3), 0]


def test_a_leap_that_all_but_closes_a_box_is_followed_by_short_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the first growth a leap leaves 4 % in one of these cues, beside few units."""
    xi = np.random.default_rng(0).normal(size=(100, 64))
    net = am.dense_am(xi, hidden=am.Softmax(0.4))
    targets = am.simulate(net, xi, until=EXACT).final
    cues = am.patterns.corrupt(xi, flip=0.2, seed=1)
    quick = certify(net, cues, targets, "broadcast")
    without_shortcuts(monkeypatch)
    slow = certify(net, cues, targets, "broadcast")
    assert 0 < slow.holds.sum() < 100
    np.testing.assert_array_equal(quick.holds, slow.holds)


@pytest.mark.parametrize(
    ("xi", "visible", "beta"),
    [
        (am.patterns.random(2, 48, seed=0), am.Identity(), 0.1),
        (np.random.default_rng(0).normal(size=(2, 48)), am.ReLU(), 0.3),
    ],
)
def test_shortcuts_certify_the_same_cues_that_are_far_off_in_few_units(
    xi: Array, visible: am.Lagrangian, beta: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their boxes leap over growths that then slow down, for shares that hardly multiply."""
    rng = np.random.default_rng(0)
    net = am.dense_am(xi, visible=visible, hidden=am.Softmax(beta))
    target = stored(net)["visible"]
    cues = np.tile(target, (60, 1))
    for cue in cues:
        cue[rng.choice(48, 3, replace=False)] += 5 * rng.normal(size=3)
    quick = certify(net, cues, target)
    without_shortcuts(monkeypatch)
    slow = certify(net, cues, target)
    assert 0 < slow.holds.sum() < 60
    np.testing.assert_array_equal(quick.holds, slow.holds)


def test_growth_that_goes_to_and_fro_between_layers_is_not_hurried() -> None:
    """Its steps get longer at times. With 20 at once then 8 are certified, by single ones 14."""
    rng = np.random.default_rng(38)
    layers = {name: am.Layer(6, am.Tanh(1.5)) for name in ("visible", "middle", "top")}
    upwards = [("middle", "visible"), ("top", "middle")]
    net = am.Network(layers, [am.Dense(rng.normal(size=(6, 6)) / 3, between=b) for b in upwards])
    target = am.simulate(net, np.ones(6), until=EXACT).final
    direction = rng.choice([-1.0, 1.0], 6)
    cues = target["visible"] + np.linspace(0.02, 1.5, 38)[:, None] * direction
    assert certify(net, cues, target).holds.sum() >= 12


def test_boxes_that_grow_ever_faster_take_few_images() -> None:
    """By single steps growth takes up to 14 images, and that of some gets slower at first."""
    net = memories(count=100, units=64)
    xi = net.synapses[0].weights
    targets = am.simulate(net, xi, until=EXACT).final
    found = certify(net, am.patterns.corrupt(xi, flip=0.2, seed=1), targets)
    assert found.holds.sum() == 69
    assert found.iterations.max() <= 6


@pytest.mark.parametrize("scope", SCOPES)
def test_cues_of_a_batch_are_certified_as_by_themselves(scope: Any) -> None:
    """Though boxes that shrink take their images together with some that grow."""
    net = memories(count=100, units=64)
    xi = net.synapses[0].weights[:24]
    targets = am.simulate(net, xi, until=EXACT).final
    cues = am.patterns.corrupt(xi, flip=0.2 if scope == "link" else 0.26, seed=1)
    together = certify(net, cues, targets, scope)
    assert len(set(together.iterations.tolist())) > 2 and not together.holds.all()
    for number, cue in enumerate(cues):
        target = {name: state[number] for name, state in targets.items()}
        alone = certify(net, cue, target, scope)
        assert alone.holds == together.holds[number]
        assert alone.iterations == together.iterations[number]
        np.testing.assert_allclose(alone.margin, together.margin[number], rtol=1e-6)
        for name, box in alone.box.items():
            both = [bound[number] for bound in together.box[name]]
            np.testing.assert_allclose(box, both, rtol=1e-8, atol=1e-8)


def test_a_certificate_can_be_pickled_with_its_message() -> None:
    found = certify(tanh_pair(0.6), [0.01, 0.0], np.zeros(2))
    copy = pickle.loads(pickle.dumps(found))
    assert not copy.holds
    assert copy.message == found.message
    assert "rho = 1.44" in copy.message


@pytest.mark.parametrize("scope", ["link", "broadcast"])
def test_silence_is_certified_at_the_origin(scope: Any) -> None:
    net = am.dense_am(
        0.3 * np.array([[1, 1], [1, -1]]), visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=1.0
    )
    assert certify(net, np.zeros(2), np.zeros(2), scope).holds
    assert am.stability.distance_to_rest(net, np.zeros(2)) < 1e-100


@pytest.mark.parametrize("scope", ["link", "broadcast"])
def test_radius_next_to_a_memory_far_away(scope: Any) -> None:
    net = am.dense_am([[0.0], [1e8]], hidden=am.Softmax(1e-14), similarity="euclidean")
    assert am.simulate(net, [9e7]).final["visible"] > 9.9e7
    assert 1e7 < radius(net, [0.0], scope) < 5e7
    report = am.stability.analyse(net, [0.0])
    assert 1e7 < am.stability.reach(report) <= radius(net, [0.0]) * 1.001


def test_a_wait_for_the_compiler_is_announced(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_LOADING", 0.0)
    monkeypatch.setattr(jit, "in_memory", lambda *_: False)
    net = am.dense_am(np.eye(2))
    certify(net, np.ones(2), np.ones(2))
    assert not capsys.readouterr().err  # nothing is compiled
    certify(net, np.ones(2), np.ones(2), "broadcast")
    assert "amsim: compiled in" in capsys.readouterr().err
    monkeypatch.setattr(jit, "in_memory", lambda *_: True)
    certify(net, np.ones(2), np.ones(2), "broadcast")
    assert "amsim: compiled in" not in capsys.readouterr().err


def test_radius_is_never_smaller_for_broadcasts() -> None:
    for seed in range(6):
        net = am.dense_am(np.random.default_rng(seed).normal(size=(4, 3)), hidden=am.Softmax(0.5))
        rest = am.stability.find(net, np.zeros(3)).states
        assert radius(net, rest, "broadcast") >= radius(net, rest, "link")
