"""Networks of any layers on a chip: proven, run bit for bit, and close to their equations."""

from __future__ import annotations

import copy
import json
import pickle
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import amsim as am
import hardware as hw
from hardware import emulator, exact, kernels, random_plans
from hardware.compare import rounded_network
from hardware.graphs import bounds, turns
from hardware.graphs import exact as graph_exact
from hardware.graphs.accuracy import residuals
from hardware.graphs.job import prepare
from hardware.graphs.plan import KINDS
from hardware.schedule import Receive

RNG = np.random.default_rng(0)
PATTERNS = am.patterns.random(3, 8, seed=0) / 4
TRANSFORMER = am.models.analog_transformer(
    PATTERNS, 0.2 * RNG.standard_normal((4, 8)), beta=8.0, bias_memories=0.1
)
CHAIN = am.models.hierarchical_memory(
    [0.5 * RNG.standard_normal((5, 6)), 0.5 * RNG.standard_normal((3, 5))],
    [am.Tanh(0.8), am.Sigmoid(2.0), am.Softmax(2.0)],
    tau=[1.0, 0.5, 0.2],
)
LATERAL = am.Network(
    {"x": am.Layer(4, am.Tanh(0.7), bias=[0.1, -0.2, 0.3, 0.0])},
    [am.Dense([[0, 0.5, 0, 0.2], [0.5, 0, -0.3, 0], [0, -0.3, 0, 0], [0.2, 0, 0, 0]],
              between=("x", "x"))],
)  # fmt: skip
RING = am.Network(
    {"a": am.Layer(3, am.Tanh()), "b": am.Layer(2, am.ReLU()), "c": am.Layer(2, am.Sign())},
    [
        am.Directed(RNG.standard_normal((2, 3)), source="a", target="b"),
        am.Directed(RNG.standard_normal((2, 2)), source="b", target="c"),
        am.Directed(RNG.standard_normal((3, 2)), source="c", target="a"),
    ],
)
SEQUENCE = am.models.sequence_memory(4 * PATTERNS, stabiliser=am.Softmax())
NETWORKS = {
    "transformer": TRANSFORMER,
    "chain": CHAIN,
    "lateral": LATERAL,
    "ring": RING,
    "sequence": SEQUENCE,
}


@pytest.fixture(scope="module", params=NETWORKS)
def plan(request: pytest.FixtureRequest) -> hw.GraphPlan:
    return hw.compile(NETWORKS[request.param])


def cues_of(plan: hw.GraphPlan, seed: int = 0, count: int = 2) -> dict[str, Any]:
    return random_plans.graph_cues(np.random.default_rng(seed), plan, count)


def recalls(plan: hw.GraphPlan, seed: int, steps: int) -> tuple[Any, list[Any], hw.Result]:
    """The job of two hard cues, exact recalls of it, and that of the emulator, all recorded."""
    rng = np.random.default_rng(seed)
    cues = cues_of(plan, seed)
    clamp = {name: rng.random((2, units.size)) < 0.2 for name, units in plan.layers.items()}
    options = {"steps": steps, "clamp": clamp}

    def inputs() -> Any:  # drawn anew when they are asked for
        return random_plans.jumping_inputs(np.random.default_rng(seed), plan, 2)

    job, _ = prepare(plan, cues, inputs=inputs(), **options)
    result = hw.run(plan, cues, inputs=inputs(), record=turns.signals(plan), **options)
    return job, [graph_exact.recall(plan, job, cue) for cue in range(2)], result


def check_equal(plan: hw.GraphPlan, seed: int, steps: int) -> None:
    """Signals of every step, counts of messages, and bounds."""
    _, found, result = recalls(plan, seed, steps)
    proven = {signal.name: signal.largest for signal in bounds.check(plan)}
    counts = {kind: np.zeros(2, int) for kind in turns.kinds(plan)}
    for name in turns.signals(plan):
        rows = np.array([rows[name] for rows, _ in found]).swapaxes(0, 1)
        np.testing.assert_array_equal(result.states(name), rows, err_msg=name)
        if name.endswith("_out"):
            counts[name.removesuffix("_out")] = np.count_nonzero(rows, axis=(0, 2))
    for kind, count in result.messages.items():
        np.testing.assert_array_equal(count, counts[kind], err_msg=kind)
    for _, seen in found:
        for name, value in seen.largest.items():
            assert value <= proven.get(name, value), name


def test_emulator_and_exact_integers_are_equal(plan: hw.GraphPlan) -> None:
    check_equal(plan, 0, 4 * plan.period + 1)


def test_what_is_seen_is_compared_with_what_is_proven() -> None:
    """By name: the check above looks at every signal but products and weights."""
    plan = hw.compile(CHAIN, input_limits={"visible": 0.1})
    _, ((_, one), (_, other)), _ = recalls(plan, 0, 3 * plan.period)
    proven = {signal.name for signal in bounds.signals(plan)}
    missing = proven - set(one.largest) - set(other.largest)
    assert all(name.startswith(("products", "weights", "octaves")) for name in missing)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_random_graphs(seed: int) -> None:
    """`benchmarks/graphs.py` draws 500 of these, and compares Lava, too."""
    rng = np.random.default_rng(seed)
    try:
        plan = random_plans.graph_plan(rng, random_plans.graph(rng))
    except hw.RangeError:
        return
    if plan.period < 100:  # exact arithmetic is slow
        check_equal(plan, seed, 3 * plan.period + 1)


def test_random_graphs_have_every_shape_and_kind() -> None:
    rng = np.random.default_rng(0)
    nets = [random_plans.graph(rng) for _ in range(60)]
    kinds = {type(layer.lagrangian).__name__ for net in nets for layer in net.layers.values()}
    assert kinds >= {"Identity", "Tanh", "Sign", "Sigmoid", "ReLU", "RectifiedPower", "Softmax"}
    synapses = [synapse for net in nets for synapse in net.synapses]
    assert {type(synapse) for synapse in synapses} == {am.Dense, am.Directed}
    assert any(isinstance(x, am.Dense) and len(set(x.between)) == 1 for x in synapses)
    assert {len(net.layers) for net in nets} == {1, 2, 3, 4}


@pytest.mark.parametrize("scaled", ["projection", "limit", "bias"])
def test_exact_arithmetic_notices_an_overflow(scaled: str) -> None:
    """The checks can fail: sixteen times as much arrives, and both find it."""
    plan = hw.compile(CHAIN)
    if scaled == "projection":
        # Of a bounded layer that no other one drives to its bounds.
        places = [i for i, each in enumerate(plan.projections) if each.name == "hidden1->visible"]
        wild = [
            replace(x, shift=x.shift - 4 * (i in places)) for i, x in enumerate(plan.projections)
        ]
        broken = replace(plan, projections=tuple(wild))
    else:
        units = plan.layers["visible"]
        more = {"limit": {"low": units.low // 4, "high": units.high // 4},
                "bias": {"bias": units.bias + (1 << 23)}}[scaled]  # fmt: skip
        broken = plan.changed(visible=replace(units, **more))
    with pytest.raises(hw.RangeError):
        bounds.check(broken)
    if scaled != "limit":
        job, _ = prepare(broken, np.zeros((1, 6)), steps=80 * plan.period)
        with pytest.raises(exact.Overflow):
            graph_exact.recall(broken, job)


@pytest.mark.parametrize("change", ["headroom", "rounds", "floor"])
def test_a_normaliser_that_is_too_weak_is_refused(change: str) -> None:
    plan = hw.compile(TRANSFORMER)
    units = plan.layers["attention"]
    assert units.normaliser is not None
    weaker = {"headroom": 0, "rounds": units.normaliser.rounds - 1, "floor": 1}[change]
    weak = replace(units, normaliser=replace(units.normaliser, **{change: weaker}))
    with pytest.raises(ValueError, match=rf"attention: normaliser.{change}|rounds must"):
        bounds.check(plan.changed(attention=weak))


def test_outputs_rise_with_the_state() -> None:
    """The proof takes outputs at the bounds of states for their bounds: over all octaves."""
    octaves = np.arange(18 << 10)
    assert (np.diff(kernels.tanh(octaves, 10)) >= 0).all()
    assert kernels.tanh(octaves, 10).max() <= 1 << 16


def test_probabilities_sum_to_one(plan: hw.GraphPlan) -> None:
    result = hw.run(plan, cues_of(plan), steps=40 * plan.period, record=turns.signals(plan))
    for name, units in plan.layers.items():
        if units.normaliser is not None:
            sent = result.states(f"{name}_out").cumsum(axis=0)[:: plan.period][3:]
            assert np.abs(sent.sum(axis=-1) / units.output_scale - 1).max() < 5e-3
            assert (sent >= 0).all()


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32))
def test_integers_rest_where_the_equations_do(seed: int) -> None:
    """|I + sum W g - x| of what rests is within the bound that the plan states, unit by unit."""
    rng = np.random.default_rng(seed)
    try:
        plan = random_plans.graph_plan(rng, random_plans.graph(rng))
    except hw.RangeError:
        return
    if any(units.kind == "sign" for units in plan.layers.values()):
        return  # on either side of a jump outputs differ by 2
    result = hw.run(plan, cues_of(plan, seed), steps=300 * plan.period)
    net, stated = rounded_network(plan), residuals(plan)
    rests = result.settled >= 0
    active = {n: net.layers[n].lagrangian.activation(x) for n, x in result.final.items()}
    for name, layer in net.layers.items():
        away = layer.bias + net.synaptic_force(name, active) - result.final[name]
        assert (np.abs(away)[rests] <= stated[name] * (1 + 1e-9)).all(), name


def test_a_chain_of_three_layers_ends_where_the_ode_does() -> None:
    """Within the residual that the plan states, through the inverse of the Jacobian."""
    plan, cues = hw.compile(CHAIN), 0.5 * RNG.standard_normal((3, 6)).clip(-1, 1)
    result = hw.run(plan, cues, steps=2000 * plan.period)
    assert result.status == "settled"
    net = rounded_network(plan)
    ode = am.simulate(net, cues, until=am.Settled(1e-9)).final
    stated = np.concatenate([residuals(plan)[name] for name in plan.layers])
    for cue in range(3):
        rest = {name: ode[name][cue] for name in plan.layers}
        inverse = np.abs(np.linalg.inv(net.jacobian(rest)))
        bound = np.split(2 * inverse @ stated, [6, 11])
        for name, most in zip(plan.layers, bound, strict=True):
            away = np.abs(result.final[name][cue] - rest[name])
            assert (away <= most).all(), name
            assert away.max() < 2e-3


def test_the_trajectory_is_that_of_the_ode_for_small_dt() -> None:
    """First order in dt: a quarter of it leaves a quarter of the error."""
    cue, errors = np.array([[0.4, -0.3, 0.2, 0.1]]), []
    for dt in (0.1, 0.025):
        plan = hw.compile(LATERAL, dt=dt)
        periods = round(1.0 / dt)
        result = hw.run(plan, cue, steps=(periods + 1) * plan.period)
        ode = am.simulate(rounded_network(plan), cue, times=[0.0, 1.0]).final["x"]
        errors.append(np.abs(result.final["x"] - ode).max())
    assert errors[0] < 2e-2
    assert 2.5 < errors[0] / errors[1] < 6


def test_a_sequence_is_replayed_in_order() -> None:
    patterns = am.patterns.random(4, 32, seed=0)
    plan = hw.compile(am.models.sequence_memory(patterns), dt=0.02)
    steps = round(10 / plan.dt) * plan.period
    states = hw.run(plan, patterns[0], steps=steps, record="visible").states("visible")
    nearest = (states[:: plan.period] @ patterns.T).argmax(axis=1)
    assert [int(k) for k, before in zip(nearest[1:], nearest[:-1], strict=True) if k != before] == [
        1, 2, 3,
    ]  # fmt: skip


def test_layers_that_are_not_joined_take_their_turns_together() -> None:
    plan = hw.compile(TRANSFORMER)
    assert turns.stages(plan) == [["visible"], ["attention", "memories"]]
    rounds = plan.layers["attention"].normaliser.rounds  # type: ignore[union-attr]
    assert plan.period == 2 + 2 * rounds
    assert turns.stages(hw.compile(CHAIN)) == [["visible", "hidden2"], ["hidden1"]]
    assert turns.stages(hw.compile(RING)) == [["a"], ["b"], ["c"]]


def test_algebraic_layers_come_last() -> None:
    layers = {
        "a": am.Layer(2, am.Identity()),
        "b": am.Layer(2, am.Tanh(), tau=0.0),
        "c": am.Layer(2, am.Tanh(), tau=0.5),
    }
    synapses = [am.Dense(np.eye(2), between=("b", "a")), am.Dense(np.eye(2), between=("c", "b"))]
    plan = hw.compile(am.Network(layers, synapses))
    assert turns.stages(plan) == [["a", "c"], ["b"]]
    assert (plan.layers["b"].decay == 1 << 12).all()


def test_what_arrives_was_sent_in_the_step_before(plan: hw.GraphPlan) -> None:
    steps = plan.schedule
    arrived = {each.name: 0 for each in plan.projections}
    for phase, step in enumerate(steps):
        sent = {turn.sends for turn in steps[phase - 1]}
        assert len({turn.population for turn in step}) == len(step)
        for turn in step:
            for operation in turn.operations:
                if isinstance(operation, Receive):
                    assert operation.message in sent
                    if operation.through in arrived:
                        arrived[operation.through] += 1
    assert set(arrived.values()) == {1}
    assert str(plan.schedule[0][0].operations[-1]) in turns.table(steps)


def test_a_saved_plan_comes_back_equal(plan: hw.GraphPlan, tmp_path: Path) -> None:
    loaded = hw.GraphPlan.load(plan.save(tmp_path / "plan.json"))
    assert loaded == plan
    assert repr(loaded) == repr(plan)
    cues = cues_of(plan)
    one, other = (hw.run(each, cues, steps=50) for each in (plan, loaded))
    for name in plan.layers:
        np.testing.assert_array_equal(one.integers[name], other.integers[name])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda d: d["layers"]["visible"].update(mantissa=1), "mantissa|output_scale"),
        (lambda d: d["layers"]["visible"].update(scale=1.0), "bias|mantissa|output_scale"),
        (lambda d: d["layers"]["attention"].update(shift=3), "shift|logits|headroom"),
        (lambda d: d["layers"]["attention"]["normaliser"].update(rounds=1), "rounds"),
        (lambda d: d["layers"]["attention"].update(threshold=400), "attention.threshold is 400"),
        (lambda d: d["layers"]["memories"].update(kind="tanh"), "kind"),
        (lambda d: d["layers"].pop("memories"), "ends in|layers"),
        (lambda d: d["projections"][0].update(mantissa=2), "mantissa and shift"),
        (lambda d: d["projections"][0].update(target="visible"), "shape|projections"),
        (lambda d: d["projections"][0].update(weight_scale=2.0), "weights|mantissa"),
        (lambda d: d["graph"].update(cued=["nobody"]), "cued"),
        (lambda d: d["graph"].update(dt=0.1), "decay"),
        (lambda d: d["graph"].update(more=1), "more"),
        (lambda d: d["network"]["layers"]["visible"].update(tau=3.0), "decay"),
        (lambda d: d.update(format="amsim plan 1"), "plan"),
    ],
)
def test_edited_plans_are_refused(edit: Any, message: str, tmp_path: Path) -> None:
    path = hw.compile(TRANSFORMER).save(tmp_path / "plan.json")
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=message):
        hw.GraphPlan.load(path)


@pytest.mark.parametrize("names", [("x", "json"), ("x", "file"), ("input", "normaliser")])
def test_golden_vectors_lose_no_array_to_another(names: tuple[str, str], tmp_path: Path) -> None:
    layers = {names[0]: am.Layer(2, am.Softmax()), names[1]: am.Layer(2, am.Tanh())}
    net = am.Network(
        {"visible": am.Layer(2, am.Tanh()), **layers},
        [am.Directed(np.eye(2), source="visible", target=name) for name in names],
    )
    with pytest.raises(hw.MappingError, match=f"{names[1]}.*give .*another name"):
        hw.compile(net).golden([0.1, 0.1], tmp_path / "golden.npz")
    assert not list(tmp_path.iterdir())


def test_each_kind_of_plan_says_who_reads_it(tmp_path: Path) -> None:
    graph = hw.compile(CHAIN).save(tmp_path / "graph.json")
    memory = hw.compile(am.dense_am(PATTERNS)).save(tmp_path / "memory.json")
    with pytest.raises(ValueError, match=r"hardware\.GraphPlan\.load"):
        hw.Plan.load(graph)
    with pytest.raises(ValueError, match=r"hardware\.Plan\.load"):
        hw.GraphPlan.load(memory)


def test_arrays_of_a_plan_are_read_only(plan: hw.GraphPlan) -> None:
    again = (plan, copy.deepcopy(plan), pickle.loads(pickle.dumps(plan)))
    for each in again:
        assert each == plan
        for part in (*each.layers.values(), *each.projections):
            array = part.weights if hasattr(part, "weights") else part.bias
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 1
        with pytest.raises(TypeError):
            each.layers["visible"] = None  # type: ignore[index]
    assert plan != hw.compile(plan.network, dt=0.013)


def test_the_report_names_every_signal(plan: hw.GraphPlan) -> None:
    text = plan.report()
    for signal in bounds.check(plan):
        assert signal.name in text
        assert signal.bits <= signal.available
    assert text.endswith("verified_on_hardware: false")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": am.Layer(2, am.Exponential())}, r"layer 'top' has Exponential"),
        ({"layer": am.Layer(2, am.LayerNorm())}, r"layer 'top' has LayerNorm"),
        ({"layer": am.Layer(2, am.RectifiedPower(2.5))}, r"RectifiedPower\(n=2.5\)"),
        ({"layer": am.Layer(2, am.Entmax())}, r"layer 'top' has Entmax"),
        ({"layer": am.Layer((3, 2), am.Tanh())}, r"layer 'visible' has shape \(3, 4\)"),
        ({"layer": am.Layer(2, am.Tanh(), leak=0.5)}, "leak 0.5"),
        ({"name": "a.b"}, "give it another name"),
        ({"name": "a_out"}, "give it another name"),
        ({"synapse": am.MultiBody(np.ones((2, 4)), between=("top", "visible"))}, "MultiBody"),
        ({"synapse": None}, "have no synapses"),
    ],
)
def test_what_has_no_plan_is_refused_by_name(change: dict[str, Any], message: str) -> None:
    name, layer = change.get("name", "top"), change.get("layer", am.Layer(2, am.Tanh()))
    bottom = am.Layer((3, 4) if len(layer.shape) > 1 else 4, am.Identity())
    synapse = change.get("synapse", am.Dense(np.ones((2, 4)), between=(name, "visible")))
    net = am.Network({"visible": bottom, name: layer}, [synapse] if synapse else [])
    with pytest.raises(hw.MappingError, match=message):
        hw.compile(net)


def test_weights_of_nothing_are_refused() -> None:
    net = am.models.hierarchical_memory(
        [np.ones((2, 3)), np.zeros((2, 2))], [am.Tanh(), am.Tanh(), am.Tanh()]
    )
    with pytest.raises(ValueError, match=r"all weights of synapse 'hidden2-hidden1' are 0"):
        hw.compile(net)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cue_limit": {}}, ValueError, "cue_limit names no layer"),
        (
            {"cue_limit": {"deep": 1.0}},
            ValueError,
            "cue_limit names 'deep'; the layers are visible",
        ),
        ({"cue_limit": {"visible": -1.0}}, ValueError, r"cue_limit\['visible'\] must be"),
        ({"cue_limit": "1"}, TypeError, "cue_limit must be"),
        ({"input_limits": {"deep": 1.0}}, ValueError, "input_limits names 'deep'"),
        ({"dt": -1.0}, ValueError, "dt must be"),
        ({"quantum": 1e30}, ValueError, "quantum must be at most"),
        ({"weight_bits": 9}, ValueError, "weight_bits must be"),
        ({"dt": 1e-7}, hw.RangeError, "decay of visible"),
        ({"cue_limit": 1e8}, hw.RangeError, r"state of visible needs \d+ bits.*smaller cue_limit"),
        (
            {"input_limits": {"hidden1": 1e6}},
            hw.RangeError,
            r"state of hidden1 needs \d+ bits.*smaller cue_limit, input limit or bias",
        ),
    ],
)
def test_bad_options_are_named(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        hw.compile(CHAIN, **options)


def test_a_loop_without_bound_is_refused() -> None:
    layers = [am.Identity(), am.ReLU(), am.Identity()]
    weights = [np.ones((3, 4)), np.ones((2, 3))]
    with pytest.raises(hw.RangeError, match=r"state of \w+ has no bound.*take bounded units"):
        hw.compile(am.models.hierarchical_memory(weights, layers))
    small = am.models.hierarchical_memory([0.1 * w for w in weights], layers)
    bounds.check(hw.compile(small))


def test_cues_and_inputs_beyond_the_plan_are_refused() -> None:
    plan = hw.compile(
        CHAIN, cue_limit={"visible": 1.0, "hidden1": 0.5}, input_limits={"hidden2": 1}
    )
    cue = {"visible": np.ones(6), "hidden1": 0.5 * np.ones(5)}
    hw.run(plan, cue, steps=5, inputs={"hidden2": -1.0})
    with pytest.raises(hw.RangeError, match=r"cue needs .* cue_limit=\{'hidden1': 90"):
        hw.run(plan, cue | {"hidden1": 90 * np.ones(5)}, steps=5)
    with pytest.raises(hw.RangeError, match=r"input_limits=\{'hidden2': 2"):
        hw.run(plan, cue, steps=5, inputs={"hidden2": 2.0})
    with pytest.raises(ValueError, match="the plan was made for cues of visible, hidden1"):
        hw.run(plan, {"visible": np.ones(6)}, steps=5)
    with pytest.raises(TypeError, match="mapping of visible, hidden1 to states"):
        hw.run(plan, np.ones(6), steps=5)
    with pytest.raises(ValueError, match=r"batch axes"):
        hw.run(plan, cue | {"visible": np.ones((2, 6))}, steps=5)
    with pytest.raises(ValueError, match=r"cue has shape \(5,\), layer 'visible'"):
        hw.run(plan, cue | {"visible": np.ones(5)}, steps=5)
    with pytest.raises(ValueError, match="clamp names 'deep'"):
        hw.run(plan, cue, steps=5, clamp={"deep": [0]})
    with pytest.raises(ValueError, match="record"):
        hw.run(plan, cue, steps=5, record="normaliser")


def test_compiled_loops_compute_the_integers_of_the_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """States, counts and rests, in the middle of a period, too; `settled` as well."""
    kinds, compared, seed = set(), 0, 0
    while compared < 40:
        seed, rng = seed + 1, np.random.default_rng(seed)
        try:
            plan = random_plans.graph_plan(rng, random_plans.graph(rng))
        except hw.RangeError:
            continue
        if plan.period > 30:
            continue
        compared, kinds = compared + 1, kinds | {units.kind for units in plan.layers.values()}
        cues = random_plans.graph_cues(rng, plan, 3)
        clamp = {name: rng.random((3, units.size)) < 0.2 for name, units in plan.layers.items()}
        steps = int(rng.integers(1, 12)) * plan.period + int(rng.integers(plan.period))
        found = []
        for worth in (0, 1 << 60):
            monkeypatch.setattr(emulator, "_WORTH_COMPILING", worth)
            inputs = random_plans.jumping_inputs(np.random.default_rng(seed), plan, 3)
            given = inputs if seed % 2 else None
            found.append(hw.run(plan, cues, clamp=clamp, steps=steps, inputs=given))
        one, other = (x.integers | {f"{n} sent": m for n, m in x.messages.items()} for x in found)
        assert one.keys() == other.keys()
        for name, value in one.items():
            np.testing.assert_array_equal(value, other[name], err_msg=f"{name}, seed {seed}")
        np.testing.assert_array_equal(found[0].settled, found[1].settled)
    assert kinds == set(KINDS)


def test_clamped_units_keep_their_state(plan: hw.GraphPlan) -> None:
    cues = cues_of(plan, 3)
    first = plan.cued[0]
    result = hw.run(plan, cues, steps=30 * plan.period, clamp=[0], record=True)
    states = result.states(first)[..., 0]
    assert (states == states[0]).all()
    assert set(result.final) == set(plan.layers)


def test_counts_and_states_are_those_of_all_steps_where_nothing_moves() -> None:
    """Periods at rest are counted and not computed; recording computes them."""
    plan = hw.compile(LATERAL)
    cues, steps = cues_of(plan), 1500 * plan.period + 1
    short, whole = hw.run(plan, cues, steps=steps), hw.run(plan, cues, steps=steps, record=True)
    assert short.status == "settled"
    np.testing.assert_array_equal(short.settled, whole.settled)
    for name in short.messages:
        np.testing.assert_array_equal(short.messages[name], whole.messages[name])
    for name in short.integers:
        np.testing.assert_array_equal(short.integers[name], whole.integers[name])


def test_results_tell_every_layer() -> None:
    plan = hw.compile(TRANSFORMER)
    result = hw.run(plan, PATTERNS, record=("attention", "attention.normaliser_out"), steps=60)
    dataset = result.to_xarray()
    assert {"final_visible", "final_attention", "final_memories"} <= set(dataset)
    assert result.states("attention").shape == (60, 3, 3)
    assert set(result.messages) == {
        "visible", "attention", "memories", "attention.rounds", "attention.normaliser",
    }  # fmt: skip


@pytest.mark.parametrize("backend", ["lava-float"])
def test_backends_that_take_two_layers_say_so(backend: str) -> None:
    plan = hw.compile(CHAIN)
    with pytest.raises(hw.BackendUnavailable, match="features and memories"):
        hw.run(plan, np.zeros(6), backend=backend)


def test_comparison_with_the_ode_of_any_layers() -> None:
    """Causes add up, and what the weights do is the difference of two equations at rest."""
    plan = hw.compile(CHAIN, weight_bits=4, quantum=0.01)
    assert isinstance(plan, hw.GraphPlan)
    (cue,) = cues_of(plan).values()
    found = hw.compare(plan, cue)
    assert found.good.all()
    assert (found.total <= sum(found.by_cause.values()) + 1e-12).all()
    ends = [
        am.simulate(net, cue, until=am.Settled(1e-9)).final["visible"]
        for net in (CHAIN, rounded_network(plan))
    ]
    expected = np.abs(ends[1] - ends[0]).max(axis=-1)
    np.testing.assert_allclose(found.by_cause["weights"], expected, atol=1e-5)
    assert (found.rounded <= found.by_cause["state"] + found.by_cause["quantum"] + 1e-12).all()
    assert found.weight_step == max(1 / each.weight_scale for each in plan.projections)
    labels = found.plot().axes[0].get_xticklabels()
    assert [each.get_text() for each in labels] == ["all", "weights", "state", "quantum"]


def test_comparison_of_cues_of_several_layers() -> None:
    rng = np.random.default_rng(0)
    net = am.Network(
        {"x": am.Layer(3, am.Tanh()), "y": am.Layer(2, am.Tanh())},
        [am.Directed(rng.uniform(-0.5, 0.5, (2, 3)), source="x", target="y")],
    )
    plan = hw.compile(net, cue_limit={"x": 1.0, "y": 1.0})
    cues = {"x": rng.uniform(-1, 1, (2, 3)), "y": rng.uniform(-1, 1, (2, 2))}
    found = hw.compare(plan, cues)
    assert found.good.all()
    assert found.total.shape == (2,)


def test_two_layers_still_become_a_plan() -> None:
    assert type(hw.compile(am.dense_am(PATTERNS))) is hw.Plan
    other = am.dense_am(PATTERNS, visible=am.Sigmoid())
    assert type(hw.compile(other)) is hw.GraphPlan


def test_a_two_layer_memory_as_a_graph_recalls_the_same() -> None:
    """Another schedule of messages and other scales, the same memory."""
    from hardware.planner import compile_graph

    patterns = am.patterns.random(5, 24, seed=0)
    net = am.dense_am(patterns, hidden=am.Softmax(0.5))
    cue = am.patterns.corrupt(patterns[2], flip=0.2, seed=1)
    one, other = hw.run(hw.compile(net), cue), hw.run(compile_graph(net), cue)
    np.testing.assert_allclose(one.final["visible"], other.final["visible"], rtol=0, atol=5e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(other.final["visible"], patterns[2], rtol=0, atol=2e-3)


def test_learned_roundings_of_synapses_are_those_of_memories() -> None:
    """As in a plan of two layers, whichever end stores; other synapses go to the nearest."""
    rng = np.random.default_rng(0)
    stored = rng.uniform(-1, 1, (4, 9))
    expected = hw.compile(am.dense_am(stored), weight_bits=2, rounding="learned").weights  # type: ignore[union-attr]
    assert (expected != np.rint(stored / np.abs(stored).max())).any()
    wide = np.pad(stored, ((0, 0), (0, 3)))
    lateral = rng.uniform(-1, 1, (12, 12))
    synapses = [
        am.Dense(wide.T, between=("visible", "memories")),
        am.Dense(lateral + lateral.T, between=("visible", "visible"), name="lateral"),
        am.Directed(stored[:, :2].T, source="memories", target="out"),
    ]
    layers = {
        "visible": am.Layer(12, am.Tanh()),
        "memories": am.Layer(4, am.Softmax()),
        "out": am.Layer(2, am.Identity()),
    }
    net = am.Network(layers, synapses)
    one, other = (hw.compile(net, weight_bits=2, rounding=x) for x in ("learned", "nearest"))
    assert isinstance(one, hw.GraphPlan)
    assert isinstance(other, hw.GraphPlan)
    up, down, *rest = one.projections
    np.testing.assert_array_equal(np.abs(up.weights.T - down.weights).max(), 0)
    memories = up.weights if up.target == "memories" else up.weights.T
    np.testing.assert_array_equal(memories, np.pad(expected, ((0, 0), (0, 3))))
    for each, nearest in zip(rest, other.projections[2:], strict=True):
        np.testing.assert_array_equal(each.weights, nearest.weights)
