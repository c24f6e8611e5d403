"""The network in Lava computes the integers of the emulator, and in float the ODE."""

import logging
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import amsim as am
import hardware as hw
from hardware import kernels, random_plans
from hardware.lava import LavaError, Session, build, config, require_lava, sums
from hardware.lava.driven_input import DrivenInput
from hardware.lava.shared_job import SharedJob
from hardware.run import prepare, run

pytestmark = pytest.mark.timeout(120)
SIGNALS = ("visible", "hidden", "visible_out", "hidden_out")
NORMALISER = ("normaliser", "normaliser_out")
require_lava()  # claims the start method of processes: before any test uses one
INTEGER_BACKENDS = ("lava", "lava-fused")


def digits_plan(beta=2.0, count=100, **options):
    digits = am.patterns.digits(count, seed=0)
    net = am.dense_am(digits, hidden=am.Softmax(beta=beta), tau_hidden=0.1)
    return hw.compile(net, **options), digits


@pytest.fixture(scope="module")
def small():
    """A plan of 12 digits with long periods, so that recall takes few of them."""
    plan, digits = digits_plan(count=12, dt=0.5)
    return plan, am.patterns.corrupt(digits[:4], flip=0.3, seed=1)


def assert_same(result, expected, signals=()):
    for name, state in expected.integers.items():
        np.testing.assert_array_equal(result.integers[name], state, err_msg=name)
    for kind, count in expected.messages.items():
        np.testing.assert_array_equal(result.messages[kind], count, err_msg=kind)
    for name in signals:
        np.testing.assert_array_equal(result.states(name), expected.states(name), err_msg=name)


# Integers


def test_whole_recalls_of_digits():
    """In one process; that of populations is in `test_any_number_of_steps`."""
    plan, digits = digits_plan(count=30)
    cues = am.patterns.corrupt(digits[:4], flip=0.3, seed=1)
    steps = 300 * plan.period
    expected = run(plan, cues, steps=steps)
    result = run(plan, cues, steps=steps, backend="lava-fused")
    assert_same(result, expected)
    np.testing.assert_array_equal(result.settled, expected.settled)
    assert (result.settled > 0).all()
    assert result.final["visible"].shape == cues.shape


def test_random_networks_in_every_step():
    """`benchmarks/graphs.py --shapes two-layers --backends lava lava-fused` compares many."""
    kinds, seed = set(), 0
    while len(kinds) < 3:
        seed, rng = seed + 1, np.random.default_rng(seed)
        try:
            plan = random_plans.plan(rng, random_plans.network(rng))
        except (hw.RangeError, ValueError):
            continue
        kind = plan.visible.kind, plan.hidden.kind
        if kind in kinds or plan.period > 40:
            continue
        kinds.add(kind)
        cues = random_plans.hard_cues(rng, plan, 2)
        signals = SIGNALS if plan.normaliser is None else SIGNALS + NORMALISER
        steps = 3 * plan.period + 1
        expected = run(plan, cues, steps=steps, record=signals)
        for backend in INTEGER_BACKENDS:
            result = run(plan, cues, steps=steps, record=signals, backend=backend)
            assert_same(result, expected, signals)
    assert len({of for of, _ in kinds}) > 1
    assert {of for _, of in kinds} == {"softmax", "power"}


@pytest.mark.parametrize("backend", INTEGER_BACKENDS)
@pytest.mark.parametrize(("periods", "rest"), [(0, 1), (33, 3), (205, 7)])
def test_any_number_of_steps(small, backend, periods, rest):
    plan, cues = small
    steps = periods * plan.period + rest
    expected = run(plan, cues, steps=steps)
    result = run(plan, cues, steps=steps, backend=backend)
    assert_same(result, expected)
    np.testing.assert_array_equal(result.settled, expected.settled)
    assert periods < 100 or (result.settled > 0).all()


@pytest.mark.parametrize("backend", INTEGER_BACKENDS)
def test_clamped_and_driven(backend):
    digits = am.patterns.digits(6, seed=0)
    net = am.dense_am(digits, hidden=am.Softmax(beta=1.0), tau_hidden=0.2)
    plan = hw.compile(net, input_limits={"visible": 0.5, "hidden": 2.0})
    clamp = np.zeros(64, bool)
    clamp[::3] = True
    options = {
        "clamp": clamp,
        "inputs": {"visible": lambda t: 0.5 * np.sin(t) * np.ones(64), "hidden": [2.0] * 6},
        "record": SIGNALS + NORMALISER,
        "steps": 12 * plan.period,
    }
    cues = am.patterns.corrupt(digits[:2], flip=0.2, seed=3)
    expected = run(plan, cues, **options)
    assert_same(run(plan, cues, backend=backend, **options), expected, options["record"])


@pytest.mark.parametrize(
    ("visible", "hidden", "count", "recorded"),
    [
        (am.Identity(), am.Softmax(1.0), 1, True),
        (am.Identity(), am.Softmax(1.0), 2, False),
        (am.Sign(), am.Softmax(1.0), 2, True),
        (am.Tanh(0.5), am.RectifiedPower(3), 1, False),
        (am.Tanh(0.5), am.RectifiedPower(3), 2, True),
    ],
)
def test_compiled_populations(visible, hidden, count, recorded, monkeypatch):
    """As connections of many weights have them; here for a few."""
    monkeypatch.setattr(sums, "_WORTH_COMPILING", 0)
    digits = am.patterns.digits(6, seed=0)
    net = am.dense_am(digits / 8, visible=visible, hidden=hidden, tau_hidden=0.2)
    plan = hw.compile(net, cue_limit=1.0, input_limits={"visible": 0.5})
    signals = SIGNALS if plan.normaliser is None else SIGNALS + NORMALISER
    options = {
        "clamp": [1, 5],
        "inputs": {"visible": lambda t: 0.5 * np.sin(t) * np.ones(64)},
        "record": signals if recorded else (),
        "steps": 12 * plan.period + 1,
    }
    cues = am.patterns.corrupt(digits[:count], flip=0.2, seed=3)
    expected = run(plan, cues, **options)
    assert_same(run(plan, cues, backend="lava", **options), expected, options["record"])


@pytest.mark.parametrize("backend", INTEGER_BACKENDS)
def test_groups_follow_each_other_without_compiling(small, backend):
    plan, cues = small
    steps = 5 * plan.period
    process = build(plan, cues, steps=steps, batch=2, record=("visible",))
    expected = run(plan, cues, steps=steps, record=("visible",))
    length = 5 if backend == "lava-fused" else steps
    with Session(process, config(backend)) as session:
        session.run(2 * length)
        np.testing.assert_array_equal(process.job.signals["visible"], expected.states("visible"))
        np.testing.assert_array_equal(process.job.final["hidden"], expected.integers["hidden"])
        np.testing.assert_array_equal(process.h.get(), expected.integers["hidden"][2:])
        other, _ = prepare(plan, -cues, steps=steps)
        process.job.load(other)
        session.run(2 * length)
        expected = run(plan, -cues, steps=steps)
        np.testing.assert_array_equal(process.job.final["visible"], expected.integers["visible"])
        np.testing.assert_array_equal(process.job.messages["rounds"], expected.messages["rounds"])


def test_table_of_messages_is_the_kernel(small):
    from hardware.lava.graph.fixed import _Table

    part = small[0].normaliser
    table = _Table(part.exponential, part.sum_bits, part.logit_bits)
    logits = np.arange(-30 << part.logit_bits, 2 << part.logit_bits, 7)
    exact = kernels.boltzmann(logits, 0, part.logit_bits, part.sum_bits)
    np.testing.assert_array_equal(table(logits, 0), exact)
    assert exact[0] == 0
    with pytest.raises(OverflowError, match="beyond what the plan"):
        table(np.array([3 << part.logit_bits]), 0)


# Wiring


@pytest.mark.parametrize("backend", INTEGER_BACKENDS)
def test_wired_to_processes_of_lava(backend):
    from lava.proc.io.sink import RingBuffer as Sink
    from lava.proc.io.source import RingBuffer as Source

    digits = am.patterns.digits(6, seed=0)
    plan = hw.compile(am.dense_am(digits, tau_hidden=0.2), input_limits={"visible": 0.5})
    cue = am.patterns.corrupt(digits[0], flip=0.2, seed=3)
    given = 0.25 * digits[1]
    periods = 6
    steps = periods * plan.period
    length = periods if backend == "lava-fused" else steps
    drive = np.rint(given * plan.visible.scale).astype(int)
    # Once a period, in any step: the sum is the input of the period in which states move next.
    data = np.zeros((64, length), int)
    data[:, 1 :: length // periods] = drive[:, None]
    source, sink = Source(data=data), Sink(shape=(64,), buffer=length)
    process = build(plan, cue, steps=steps)
    source.s_out.connect(process.a_in)
    process.s_out.connect(sink.a_in)
    with Session(process, config(backend)) as session:
        session.run(length)
        states, heard = process.v.get(), sink.data.get()
    expected = run(plan, cue, steps=steps, inputs={"visible": given}, record=("visible_out",))
    np.testing.assert_array_equal(states, expected.integers["visible"])
    sent = expected.states("visible_out")
    np.testing.assert_array_equal(heard.T, sent[:: plan.period] if length == periods else sent)


def test_states_that_are_set_hold_from_the_next_step(small):
    plan, cues = small
    states = {}
    for backend, period in (("lava", plan.period), ("lava-fused", 1)):
        process = build(plan, cues[0])
        with Session(process, config(backend)) as session:
            session.run(3 * period)
            process.v.set(-process.v.get())
            process.h.set(process.h.get() - 1)
            session.run(period)
            states[backend] = process.v.get(), process.h.get()
    np.testing.assert_array_equal(states["lava"][0], states["lava-fused"][0])
    np.testing.assert_array_equal(states["lava"][1], states["lava-fused"][1])
    undisturbed = run(plan, cues[0], steps=4 * plan.period).integers["visible"]
    assert (states["lava"][0] != undisturbed).any()


def test_a_run_warns_of_nothing_and_leaves_no_handlers_and_no_processes(small):
    from lava.magma.core.process.process import ProcessServer
    from lava.magma.core.process.variable import VarServer

    plan, cues = small
    before = list(logging.getLogger().handlers)
    counts = len(ProcessServer().processes), len(VarServer().vars)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        run(plan, cues, steps=plan.period, backend="lava")
    assert logging.getLogger().handlers == before
    assert (len(ProcessServer().processes), len(VarServer().vars)) == counts


def test_code_of_the_documentation_runs():
    text = (Path(__file__).parents[2] / "docs" / "lava.md").read_text()
    names = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", text, re.S)), names)
    expected = run(names["plan"], names["cue"], steps=400, record=("visible_out",))
    np.testing.assert_allclose(names["features"][:5], [-1, -1, 1, 1, 1], atol=0.1)
    np.testing.assert_array_equal(names["messages"][:, :400].T, expected.states("visible_out"))


# Float

DIGITS = am.patterns.digits(30, seed=0)
UNIFORM = np.random.default_rng(0).uniform(-1, 1, (4, 6))
FLOAT_CASES = {
    "beta 8": am.dense_am(DIGITS, hidden=am.Softmax(8.0)),
    "algebraic": am.dense_am(DIGITS, hidden=am.Softmax(2.0), tau_hidden=0.0),
    "tanh": am.dense_am(DIGITS, visible=am.Tanh(1.0), hidden=am.Softmax(1.0), bias_visible=0.1),
    "relu": am.dense_am(DIGITS[:12] * 0.03, hidden=am.ReLU(), bias_hidden=0.1),
    "power": am.dense_am(
        UNIFORM, visible=am.Tanh(), hidden=am.RectifiedPower(3), tau_hidden=np.full(4, 0.3)
    ),
}


def float_recall(net, cues, *, periods, **options):
    """Largest difference to DOP853 over all units and periods, and the result."""
    limits = options.pop("limits", {})
    plan = hw.compile(net, cue_limit=1.0, input_limits=limits, dt=options.pop("dt", None))
    steps = (periods + 1) * plan.period  # period 0 only tells the memories where the features are
    result = run(plan, cues, steps=steps, backend="lava-float", record=True, **options)
    exact = am.simulate(
        net,
        cues,
        solver=am.ScipyODE("DOP853", rtol=1e-9, atol=1e-9),
        times=plan.dt * np.arange(periods + 1),
        until=None,
        **{name: value for name, value in options.items() if name in ("clamp", "inputs")},
    )
    found = result.states("visible")[:: plan.period] / plan.visible.scale
    return np.abs(found - exact["visible"]).max(), result


@pytest.mark.parametrize("case", FLOAT_CASES)
def test_float_model_agrees_with_scipy_in_every_period(case):
    net = FLOAT_CASES[case]
    cues = UNIFORM[:2] if case == "power" else am.patterns.corrupt(DIGITS[:2], flip=0.2, seed=1)
    error, result = float_recall(net, cues, periods=20)
    assert error < 1e-4
    last = result.states("visible")[-1] / result.plan.visible.scale
    np.testing.assert_allclose(result.final["visible"], last, rtol=1e-6)


def test_float_model_clamped_and_driven():
    inputs = {"visible": 0.3 * DIGITS[3], "hidden": np.linspace(-1, 1, 30)}
    error, _ = float_recall(
        am.dense_am(DIGITS, hidden=am.Softmax(1.0)),
        am.patterns.corrupt(DIGITS[0], flip=0.2, seed=1),
        periods=20,
        clamp=np.arange(64) % 3 == 0,
        inputs=inputs,
        limits={"visible": 0.3, "hidden": 1.0},
    )
    assert error < 1e-4


def test_error_of_the_float_model_is_of_fourth_order():
    net = am.dense_am(DIGITS[:5], hidden=am.Softmax(beta=0.3), tau_hidden=0.5)
    cue = am.patterns.corrupt(DIGITS[0], flip=0.3, seed=1)
    coarse, fine = (float_recall(net, cue, periods=n, dt=4.0 / n)[0] for n in (5, 10))
    assert 11 < coarse / fine < 24


def test_float_model_keeps_messages_and_follows_groups(small):
    plan, cues = small
    steps = 3 * plan.period
    signals = ("visible_out", "hidden_out", "normaliser_out")
    result = run(plan, cues, steps=steps, record=signals, backend="lava-float")
    told = result.states("visible_out").sum(axis=0) / plan.visible.output_scale
    np.testing.assert_allclose(told, result.final["visible"], rtol=0, atol=1e-6)
    p = result.states("hidden_out") / plan.hidden.output_scale
    speaks = np.arange(steps) % plan.period == plan.period - 1
    np.testing.assert_allclose(p.sum(axis=-1), np.tile(speaks[:, None], len(cues)), atol=1e-6)
    exchanges = 1 + 2 * 8 + 3
    assert hw.lava.float_steps(plan, steps) == 4 * exchanges
    assert (result.messages["normaliser"] == exchanges).all()
    process = build(plan, cues, steps=steps, batch=2)
    with Session(process, config("lava-float")) as session:
        session.run(2 * hw.lava.float_steps(plan, steps))
        final = process.job.final["visible"] / plan.visible.scale
    np.testing.assert_allclose(final, result.final["visible"], rtol=0, atol=1e-12)


# Wrong arguments


def test_wrong_arguments(small):
    plan, cues = small
    job, _ = prepare(plan, cues, steps=10)
    with pytest.raises(ValueError, match="batch must divide the 4 cues, got 3"):
        SharedJob(plan, job, batch=3)
    with pytest.raises(ValueError, match=r"periods must be a whole number from 1 to .*, got 0"):
        build(plan, cues, periods=0)
    with pytest.raises(ValueError, match=r"steps must be a whole number from 1 to .*, got -3"):
        hw.lava.float_steps(plan, -3)
    with pytest.raises(ValueError, match="cannot record 'v'"):
        SharedJob(plan, job, ("v",))
    with pytest.raises(ValueError, match="flat needs a batch of 1"):
        SharedJob(plan, job, flat=True)
    with pytest.raises(ValueError, match="no Lava backend 'loihi'"):
        config("loihi")
    shared = SharedJob(plan, job)
    with pytest.raises(ValueError, match=r"visible has shape \(2, 64\).* built for \(4, 64\)"):
        shared.load(prepare(plan, cues[:2], steps=10)[0])
    with pytest.raises(ValueError, match="steps"):
        shared.load(prepare(plan, cues, steps=11)[0])


# What arrives at ports


BACKENDS = (*INTEGER_BACKENDS, "lava-float")


def wired(plan, cue, data, backend, *, steps=1):
    """Run a plan with data (D,) at the port of its features, in every step."""
    from lava.proc.io.source import RingBuffer as Source

    process = build(plan, cue)
    Source(data=np.asarray(data)[:, None]).s_out.connect(process.a_in)
    with Session(process, config(backend)) as session:
        session.run(steps)
        return process.v.get()


def test_what_arrives_until_a_turn_adds_up_within_the_limit():
    """In the class that all models share; a graph is in the next test."""
    digits = am.patterns.digits(6, seed=0)
    plan = hw.compile(am.dense_am(digits), input_limits={"visible": 0.5})
    one = np.rint(np.full(64, 0.3) * plan.visible.scale).astype(int)
    driven = DrivenInput(plan, "visible", (1, 64))
    driven.arrive(one, 1)
    driven.arrive(-one, 2)
    driven.arrive(one, 3)
    bias = 5 * np.ones((1, 64), int)
    np.testing.assert_array_equal(driven.take(bias, bias, 4), bias + one)
    np.testing.assert_array_equal(driven.take(bias, bias, 5), bias)
    driven.arrive(one, 6)
    remedy = r"in step 7 is beyond \d+, .* compile\(..., input_limits={'visible': 0\.6}\)"
    with pytest.raises(OverflowError, match=remedy):
        driven.take(bias + one, bias, 7)  # with that of the job
    driven.arrive(one, 8)
    with pytest.raises(OverflowError, match=r"in step 9 is beyond .*'visible': 0\.6}"):
        driven.arrive(one, 9)
    driven.clear()
    np.testing.assert_array_equal(driven.take(bias, bias, 10), bias)


@pytest.mark.parametrize("backend", INTEGER_BACKENDS)
def test_inputs_of_job_and_port_count_together(backend):
    from lava.proc.io.source import RingBuffer as Source

    digits = am.patterns.digits(6, seed=0)
    plan = hw.compile(am.dense_am(digits), input_limits={"visible": 0.5})
    one = np.full(64, 0.3)
    process = build(plan, digits[0], inputs={"visible": one})
    data = np.zeros((64, 2 * plan.period), int)
    data[:, 0] = np.rint(one * plan.visible.scale)
    Source(data=data).s_out.connect(process.a_in)
    # At the first turn at which the features move.
    step = 2 if backend == "lava-fused" else plan.period + 1
    beyond = rf"in step {step} is beyond .*'visible': 0\.6\}}"
    expected = pytest.raises(LavaError, match=beyond)
    with Session(process, config(backend)) as session, expected:
        session.run(step)


@pytest.mark.parametrize("backend", INTEGER_BACKENDS)
def test_fractions_are_refused_before_they_are_cut(small, backend):
    plan, cues = small
    with pytest.raises(ValueError, match="Var 'data' of RingBuffer does not start with numbers of"):
        wired(plan, cues[0], np.full(64, 0.5), backend)


def test_infinity_is_refused_in_float(small):
    plan, cues = small
    with pytest.raises(LavaError, match="NaN or infinity arrived at a driven input in step 1"):
        wired(plan, cues[0], np.full(64, np.inf), "lava-float")
    assert np.isfinite(wired(plan, cues[0], np.zeros(64), "lava-float")).all()


@pytest.mark.parametrize("backend", INTEGER_BACKENDS)
def test_a_state_that_is_set_beyond_the_plan_is_an_error(small, backend):
    plan, cues = small
    process = build(plan, cues[0])
    with Session(process, config(backend)) as session:
        session.run(plan.period)
        process.v.set(np.full(64, 2**30))
        with pytest.raises(LavaError, match=r"OverflowError: v reached \d+ in step \d+: .* beyond"):
            session.run(plan.period)


@given(
    st.sampled_from(["i1", "u1", "i4", "i8", "u8"]),
    st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats()), min_size=1, max_size=4),
)
@settings(deadline=None)
def test_integers_hold_what_comes_back_equal(kind, values):
    from hardware.lava.integers import holds

    limits = np.iinfo(kind)
    for value in values:
        exact = np.isfinite(value) and value == int(value)
        expected = exact and limits.min <= int(value) <= limits.max
        assert holds(kind, np.array(value)) == expected
