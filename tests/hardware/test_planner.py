"""What the planner accepts is proven, what it refuses is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amsim as am
import hardware as hw
from hardware import chips, exact, random_plans, ranges, rounding
from hardware.planner import scale_of
from hardware.rounding import learned, rounded
from hardware.run import prepare

BINARY = am.patterns.random(20, 48, seed=0)
GRAY = am.patterns.digits_gray(20)
NORMAL = np.random.default_rng(0).standard_normal((20, 48))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_accepted_plans_do_not_overflow(seed: int) -> None:
    """`benchmarks/overflow.py` draws 100,000 of these."""
    rng = np.random.default_rng(seed)
    try:
        plan = random_plans.plan(rng, random_plans.network(rng))
    except hw.RangeError:
        return
    cues = random_plans.hard_cues(rng, plan, 2)
    inputs = random_plans.jumping_inputs(rng, plan, 2)
    job, _ = prepare(plan, cues, steps=5 * plan.period, inputs=inputs)
    proven = {signal.name: signal.largest for signal in ranges.check(plan)}
    for cue in range(2):
        seen = exact.recall(plan, job, cue).largest
        assert seen.get("total", 0) <= proven["sum arriving at hidden"]
        assert seen.get("hidden", 0) <= proven["state of hidden"]
        assert seen.get("drive of hidden", 0) <= proven["target - state of hidden"]
        assert seen.get("arriving", 0) <= proven["sum arriving at visible"]
        assert seen.get("visible", 0) <= proven["state of visible"]
        assert seen.get("drive of visible", 0) <= proven["target - state of visible"]
        if plan.normaliser:
            assert seen.get("logit - c", 0) <= proven["logit - c"]
            assert seen["sum of a round"] <= proven["sum arriving at the normaliser"]


def test_exact_arithmetic_notices_an_overflow() -> None:
    """The check above can fail: a plan made eight times too fine overflows."""
    ones = np.ones((4, 6))
    plan = hw.compile(am.dense_am(ones, hidden=am.ReLU(), visible=am.Tanh(5.0)))
    fine = replace(plan, visible=replace(plan.visible, gain=plan.visible.gain + 3))
    job, _ = prepare(fine, ones[:1], steps=60 * plan.period)
    with pytest.raises(exact.Overflow, match="arriving"):
        exact.recall(fine, job)
    with pytest.raises(hw.RangeError, match=r"sum arriving at visible needs 2\d bits"):
        ranges.check(fine)


@pytest.mark.parametrize("change", ["headroom", "rounds", "floor"])
def test_a_normaliser_that_is_too_weak_is_refused(change: str) -> None:
    plan = hw.compile(am.dense_am(BINARY, hidden=am.Softmax(0.5)))
    assert plan.normaliser is not None
    weaker = {"headroom": 0, "rounds": plan.normaliser.rounds - 1, "floor": 8}[change]
    weak = replace(plan, normaliser=replace(plan.normaliser, **{change: weaker}))
    with pytest.raises(ValueError, match=r"headroom|rounds|floor"):
        ranges.check(weak)


@given(st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_sums_of_the_proof_are_exact(seed: int) -> None:
    """Against Python's integers: extreme weights, values of any width, more rows than a block."""
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(1, 300)), int(rng.integers(1, 40))
    weights = rng.choice([-128, -127, -1, 0, 3, 127], (rows, columns)).astype(np.int8)
    values = np.array(
        [int(rng.integers(2**62)) ** 2 >> int(rng.integers(124)) for _ in range(columns)]
    )
    values = values.astype(object)
    for of, exactly in (
        (np.abs, abs),
        (ranges.rising, lambda w: max(w, 0)),
        (ranges.falling, lambda w: max(-w, 0)),
    ):
        expected = [
            sum(exactly(int(w)) * v for w, v in zip(row, values, strict=True)) for row in weights
        ]
        assert ranges.sums(weights, values, of).tolist() == expected


@given(st.integers(2, 8), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_weights_are_rounded_with_one_scale(bits: int, seed: int) -> None:
    patterns = np.random.default_rng(seed).standard_normal((3, 5))
    scale = scale_of(patterns, bits)
    weights = np.rint(patterns * scale)
    assert np.abs(weights).max() == 2 ** (bits - 1) - 1
    assert np.abs(weights / scale - patterns).max() <= 0.5 / scale * (1 + 1e-12)


@pytest.mark.parametrize(
    ("patterns", "bits", "scale"),
    [(BINARY, 2, 1.0), (GRAY, 8, 16.0), (GRAY, 6, 16.0), (BINARY * 0.3, 8, 1 / 0.3)],
)
def test_whole_multiples_are_exact(patterns: Any, bits: int, scale: float) -> None:
    found = scale_of(patterns, bits)
    assert found == pytest.approx(scale)
    for how in ("nearest", "stochastic", "learned"):
        weights = rounded(patterns * found, how, np.random.default_rng(0))
        np.testing.assert_allclose(weights / found, patterns, rtol=1e-12)


def test_stochastic_rounding_is_right_on_average() -> None:
    values = np.random.default_rng(0).uniform(-3, 3, (4, 5))
    values[0] = [0, 1, -2, 3, -3]
    rng, draws = np.random.default_rng(1), 4000
    found = np.array([rounded(values, "stochastic", rng) for _ in range(draws)])
    assert (np.abs(found - values) < 1).all()
    share = values - np.floor(values)
    deviation = np.sqrt(share * (1 - share) / draws)
    assert (np.abs(found.mean(axis=0) - values) <= 5 * deviation).all()
    # Independent of each other.
    pair = np.corrcoef(found[:, 1, 0], found[:, 1, 1])[0, 1]
    assert abs(pair) < 5 / draws**0.5


def test_stochastic_rounding_keeps_symmetric_weights() -> None:
    lateral = np.random.default_rng(0).standard_normal((6, 6)) / 6
    net = am.Network({"x": am.Layer(6, am.Tanh())}, [am.Dense(lateral + lateral.T, ("x", "x"))])
    plans = [hw.compile(net, weight_bits=4, rounding="stochastic", seed=s) for s in (0, 0, 1)]
    weights = [plan.projections[0].weights for plan in plans]
    np.testing.assert_array_equal(weights[0], weights[0].T)
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).any()


def test_learned_rounding_lets_more_cues_find_their_memory() -> None:
    """Cues that it has not seen, with another damage; 2 bits."""
    rng = np.random.default_rng(0)
    gray = am.patterns.digits_gray(30, 0)
    stored = (gray - gray.mean(axis=0)) / gray.std()
    values = stored * scale_of(stored, 2)
    own = np.repeat(np.arange(30), 10)
    noise = rng.uniform(stored.min(), stored.max(), (300, 64))
    cues = np.where(rng.random((300, 64)) < 0.3, noise, stored[own])
    found = {
        how: ((cues @ rounded(values, how, np.random.default_rng(1)).T).argmax(axis=1) == own)
        for how in ("nearest", "stochastic", "learned")
    }
    assert found["learned"].mean() > found["nearest"].mean() + 0.1 > found["stochastic"].mean()


@pytest.mark.parametrize("bias", [0.0, np.array([3.0, 0.0, -3.0])])
def test_learned_rounding_lowers_its_loss_as_far_as_flips_can(bias: Any) -> None:
    """The loss and its slopes, by finite differences; what is left is a minimum by slopes."""
    values = np.random.default_rng(0).uniform(-3, 3, (3, 5))
    bias = np.broadcast_to(bias, 3)
    found = learned(values, bias, np.random.default_rng(1)).astype(float)
    assert (np.abs(found - values) < 1).all()
    cues, own = rounding._damaged_cues(values, np.random.default_rng(1))

    def loss(weights: Any) -> float:
        h = rounding._SHARPNESS / np.mean((values**2).sum(axis=1)) * (cues @ weights.T + bias)
        p = np.exp(h) / np.exp(h).sum(axis=1, keepdims=True)
        return float(-np.log(p[np.arange(len(own)), own]).sum())

    assert loss(found) < loss(np.rint(values))
    steps = np.sign(values - found)
    slopes = np.zeros((3, 5))
    for place in np.ndindex(3, 5):
        small = np.zeros((3, 5))
        small[place] = 1e-5
        slopes[place] = (loss(found + small) - loss(found - small)) / 2e-5
    best = np.unravel_index((steps * slopes).argmin(), (3, 5))
    flipped = found.copy()
    flipped[best] += steps[best]
    assert loss(flipped) >= loss(found)


def test_roundings_of_a_plan(tmp_path: Any) -> None:
    net = am.dense_am(NORMAL, hidden=am.Softmax(0.5))
    plans = [
        hw.compile(net, weight_bits=3, rounding=how) for how in ("nearest", "stochastic", "learned")
    ]
    assert len({plan.weights.tobytes() for plan in plans}) == 3
    for plan in plans:
        assert hw.Plan.load(plan.save(tmp_path / "plan.json", force=True)) == plan
    with pytest.raises(ValueError, match="rounding must be 'nearest', 'stochastic' or 'learned'"):
        hw.compile(net, rounding="up")
    with pytest.raises(hw.MappingError, match="rounding='learned' is for synapses that store"):
        hw.compile(
            am.models.hierarchical_memory([np.eye(2)] * 2, [am.Tanh()] * 3), rounding="learned"
        )


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("patterns", [BINARY, GRAY, NORMAL], ids=["binary", "gray", "normal"])
def test_every_signal_uses_its_bits(patterns: Any, bits: int) -> None:
    """States are as fine as they can be: within two bits of the 24 that there are."""
    plan = hw.compile(am.dense_am(patterns, hidden=am.Softmax(0.5)), weight_bits=bits)
    used = {signal.name: signal.bits for signal in ranges.check(plan)}
    # Either the sum is full, or messages have reached their 17 bits with sign.
    assert used["sum arriving at hidden"] >= 22 or used["messages of visible"] >= 17
    assert used["target - state of visible"] >= 22


def test_decay_is_that_of_the_time_constants() -> None:
    tau = np.linspace(0.5, 3.0, 48)
    plan = hw.compile(am.dense_am(BINARY, tau_visible=tau, tau_hidden=0.0), dt=0.1)
    np.testing.assert_allclose(plan.visible.decay / 4096, 1 - np.exp(-0.1 / tau), atol=0.5 / 4096)
    assert (plan.hidden.decay == 4096).all()


def network(**options: Any) -> am.Network:
    return am.dense_am(BINARY, **options)


@pytest.mark.parametrize(
    ("net", "options", "signal", "bits"),
    [
        (network(hidden=am.Softmax(1e4)), {}, "logits", 31),
        (network(bias_visible=1e6), {}, "state of visible", 36),
        (network(hidden=am.ReLU()), {}, "state of visible", None),
        (network(), {"dt": 1e-6}, "decay of visible", 20),
        (network(tau_hidden=1e6), {}, "decay of hidden", 25),
        (network(bias_hidden=1e12), {}, "sum arriving at hidden", None),
        (network(), {"cue_limit": 1e6}, "state of visible", None),
        (network(visible=am.Tanh(1.0), hidden=am.RectifiedPower(6)), {}, None, None),
    ],
)
def test_range_errors_name_signal_bits_and_remedy(
    net: am.Network, options: dict[str, Any], signal: str | None, bits: int | None
) -> None:
    with pytest.raises(hw.RangeError) as caught:
        hw.compile(net, **options)
    error = caught.value
    assert signal is None or error.signal == signal
    assert bits is None or error.bits == bits
    assert error.bits is None or error.bits > error.available
    assert error.remedy in str(error)


@pytest.mark.parametrize(
    ("net", "part"),
    [
        (network(hidden=am.Exponential()), r"layer 'hidden' has Exponential"),
        (network(hidden=am.RectifiedPower(2.5)), r"RectifiedPower\(n=2.5\)"),
        (network(visible=am.LayerNorm()), "layer 'visible' has LayerNorm"),
        (am.Network({"visible": am.Layer(2, am.Identity())}, []), "layers visible"),
        (
            am.Network(
                {"visible": am.Layer((2, 3), am.Identity()), "hidden": am.Layer((2, 4), am.ReLU())},
                [am.Dense(np.ones((4, 3)))],
            ),
            "layer 'visible' has shape",
        ),
        (
            am.Network(
                {"visible": am.Layer(3, am.Identity(), leak=0.5), "hidden": am.Layer(4, am.ReLU())},
                [am.Dense(np.ones((4, 3)))],
            ),
            "leak 0.5",
        ),
        (
            am.Network(
                {"visible": am.Layer(3, am.Identity()), "hidden": am.Layer(4, am.ReLU())},
                [am.MultiBody(np.ones((4, 3)), between=("hidden", "visible"))],
            ),
            "MultiBody",
        ),
    ],
)
def test_what_cannot_be_mapped_is_refused_by_name(net: am.Network, part: str) -> None:
    with pytest.raises(hw.MappingError, match=part):
        hw.compile(net)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chip": "loihi3"}, "no chip 'loihi3'; there are loihi1, loihi2"),
        ({"weight_bits": 9}, "weight_bits must be"),
        ({"weight_bits": 1}, "weight_bits must be"),
        ({"dt": -1.0}, "dt must be"),
        ({"dt": np.nan}, "dt must be"),
        ({"quantum": -0.1}, "quantum must be"),
        ({"quantum": 1e20}, r"quantum must be at most \d\.\d+e\+\d+ for this network, got 1e\+20"),
        ({"quantum": 1.7e308}, "quantum must be at most"),
        ({"cue_limit": np.inf}, "cue_limit must be"),
        ({"input_limits": {"deep": 1.0}}, "input_limits names 'deep'"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hw.compile(network(), **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weight_bits": float("nan")}, TypeError, "weight_bits must be .* from 2 to 8, got nan"),
        ({"weight_bits": 8.0}, TypeError, "weight_bits must be a whole number .* got 8.0"),
        ({"weight_bits": "8"}, TypeError, "weight_bits must be a whole number .* got '8'"),
        ({"dt": "fast"}, TypeError, "dt must be a finite number > 0, got 'fast'"),
        ({"cue_limit": "1"}, TypeError, "cue_limit must be a finite number >= 0, got '1'"),
    ],
)
def test_options_that_are_no_numbers_are_named(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        hw.compile(network(), **options)


@pytest.mark.parametrize("size", [1e-300, 1e-100, 1e-30, 1e30, 1e100, 1e300])
@pytest.mark.parametrize("hidden", [am.Softmax(1.0), am.ReLU(), am.RectifiedPower(3)])
@pytest.mark.parametrize("visible", [am.Identity(), am.Tanh(1.0)])
def test_extreme_patterns_have_a_plan_or_a_reason(
    size: float, hidden: am.Lagrangian, visible: am.Lagrangian
) -> None:
    patterns = am.patterns.random(4, 16, seed=0) * size
    try:
        plan = hw.compile(am.dense_am(patterns, visible=visible, hidden=hidden))
    except ValueError as error:
        reason = str(error)
    else:
        ranges.check(plan)
        return
    words = ("bits", "scale the network towards sizes of 1", "within +-1e+100")
    assert any(word in reason for word in words)


def test_a_fixed_neuron_chip_is_for_prices_only() -> None:
    with pytest.raises(hw.LimitError, match="fixed integrate-and-fire"):
        hw.compile(network(), chip="loihi1")
    with pytest.raises(TypeError, match=r"amsim\.Network"):
        hw.compile(BINARY)  # type: ignore[arg-type]


def test_a_chip_of_ones_own_is_for_placing() -> None:
    own = hw.CHIPS["loihi2"].assuming(cores=8)
    for chip in (own, replace(own, name="mine")):
        with pytest.raises(ValueError, match=r"a table of your own.*compile for 'loihi2'"):
            hw.compile(network(), chip=chip)  # type: ignore[arg-type]
    assert hw.place(hw.compile(network()), own).chip is own


def test_the_synapse_may_be_named_from_either_side() -> None:
    layers = {"visible": am.Layer(48, am.Identity()), "hidden": am.Layer(20, am.Softmax(0.5))}
    one = am.Network(layers, [am.Dense(BINARY, between=("hidden", "visible"))])
    other = am.Network(layers, [am.Dense(BINARY.T, between=("visible", "hidden"))])
    assert hw.compile(one) == hw.compile(other)


def test_every_limit_says_where_it_comes_from() -> None:
    for chip in hw.CHIPS.values():
        for limit in chip.limits.values():
            assert limit.source
            assert limit.basis in ("paper", "brief", "derived", "assumed")
            assert limit.value is not None or not limit.public


def test_validate_names_the_limit_and_the_change(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = hw.compile(network())
    validation = hw.validate(plan)
    assert not validation.verified_on_hardware
    assert {check.fits for check in validation.checks} == {True, None}
    assert "verified_on_hardware: false" in str(validation)
    one_core = dict(chips.LOIHI2.limits) | {"cores": hw.Limit(1, "cores", "test", "assumed")}
    one_core["synapse_bytes_per_core"] = hw.Limit(1919, "bytes", "test", "assumed")
    monkeypatch.setattr(chips, "CHIPS", {"loihi2": replace(chips.LOIHI2, limits=one_core)})
    with pytest.raises(
        hw.LimitError, match=r"1,920 needed, loihi2 has 1,919 .*at most 19 memories of \d+$"
    ):
        hw.validate(plan)


@pytest.mark.parametrize("seed", [5, 21, 49, 89, 126])
def test_features_stay_within_their_bound(seed: int) -> None:
    """ReLU memories feed back: targets grow with the bound that they have to stay within."""
    rng = np.random.default_rng(seed)
    plan = random_plans.plan(rng, random_plans.network(rng))
    assert (plan.visible.kind, plan.hidden.kind) == ("identity", "power")
    assert (ranges.bounds(plan).visible <= plan.visible.limit).all()


def test_a_limit_that_features_can_leave_is_refused() -> None:
    plan = hw.compile(am.dense_am(BINARY, hidden=am.Softmax(0.5)))
    narrow = replace(plan.visible, limit=plan.visible.limit // 2)
    with pytest.raises(hw.RangeError, match="state of visible has no bound"):
        ranges.check(replace(plan, visible=narrow))
