"""Plans in NIR: back to an equal plan, and what a reader computes who knows only NIR."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import amsim as am
import hardware as hw
from hardware import export
from hardware.compare import rounded_network

nir = pytest.importorskip("nir", reason="NIR does not install everywhere")
PATTERNS = am.patterns.random(5, 24, seed=0)
NETWORKS = {
    "softmax": am.dense_am(PATTERNS, hidden=am.Softmax(0.5), tau_visible=np.linspace(1, 2, 24)),
    "tanh power": am.dense_am(PATTERNS, visible=am.Tanh(0.1), hidden=am.RectifiedPower(3)),
    "sign": am.dense_am(PATTERNS, visible=am.Sign(), hidden=am.Softmax(0.1)),
    "sign, algebraic": am.dense_am(
        PATTERNS, visible=am.Sign(), hidden=am.Softmax(0.1), tau_hidden=0.0, similarity="euclidean"
    ),
    "algebraic": am.dense_am(PATTERNS, hidden=am.Softmax(0.5), tau_hidden=0.0),
    "identity relu": am.dense_am(PATTERNS.astype(np.float32) / 16, hidden=am.ReLU()),
}


@pytest.fixture(scope="module", params=NETWORKS)
def plan(request: pytest.FixtureRequest) -> hw.Plan:
    return hw.compile(NETWORKS[request.param])


@pytest.fixture(scope="module")
def softmax() -> hw.Plan:
    return hw.compile(NETWORKS["softmax"])


def write(plan: hw.Plan, folder: Path) -> Path:
    return export.nir(plan, folder / "plan.nir", lossy="metadata", force=True)


def test_a_plan_comes_back_equal(plan: hw.Plan, tmp_path: Path) -> None:
    loaded = export.read_nir(write(plan, tmp_path))
    assert loaded == plan and repr(loaded) == repr(plan)
    cue = np.clip(PATTERNS[0], -0.05, 0.05)
    one, other = hw.run(plan, cue, steps=200), hw.run(loaded, cue, steps=200)
    np.testing.assert_array_equal(one.integers["visible"], other.integers["visible"])


def test_a_lossy_file_has_to_be_asked_for(plan: hw.Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.nir"
    with pytest.raises(hw.MappingError, match="lossy='metadata'") as refusal:
        export.nir(plan, path)
    memories = plan.network.layers["hidden"].lagrangian
    assert f"{memories!r} of layer 'hidden'" in str(refusal.value)
    features = plan.network.layers["visible"].lagrangian
    assert (repr(features) in str(refusal.value)) == isinstance(features, am.Tanh)
    with pytest.raises(ValueError, match="'refuse', 'metadata' or 'spikes'"):
        export.nir(plan, path, lossy="yes")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"hardware\.compile"):
        export.nir(plan.network, path, lossy="metadata")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_files_are_replaced_only_by_force(softmax: hw.Plan, tmp_path: Path) -> None:
    path = write(softmax, tmp_path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="force=True"):
        export.nir(softmax, path, lossy="metadata")
    assert path.read_bytes() == before
    with pytest.raises(OSError, match="missing"):
        export.nir(softmax, tmp_path / "missing" / "plan.nir", lossy="metadata")
    assert [p.name for p in tmp_path.iterdir()] == ["plan.nir"]


# What others read


class Reader:
    """The nodes of NIR as its paper defines them, and nothing else: Euler steps of all LI nodes.

    `activations` replaces the function of a node, for a reader who knows better.
    """

    def __init__(self, path: Path, activations: Any = None) -> None:
        self.graph = nir.read(path)
        self.activations = activations or {}
        self.states = {
            name: np.array(node.v_leak)
            for name, node in self.graph.nodes.items()
            if isinstance(node, nir.LI)
        }

    def output(self, name: str, given: dict[str, Any]) -> Any:
        node = self.graph.nodes[name]
        if isinstance(node, nir.LI):
            return self.states[name]
        if isinstance(node, nir.Input):
            return given.get(name, np.zeros(node.input_type["input"]))
        total = self.arriving(name, given)
        if name in self.activations:
            return self.activations[name](total)
        if isinstance(node, nir.Scale):
            return node.scale * total
        if isinstance(node, nir.Threshold):
            return (total > node.threshold).astype(float)
        if isinstance(node, nir.Affine):
            return node.weight @ total + node.bias
        if isinstance(node, nir.Linear):
            return node.weight @ total
        assert isinstance(node, nir.Output)
        return total

    def arriving(self, name: str, given: dict[str, Any]) -> Any:
        return sum(self.output(a, given) for a, b in self.graph.edges if b == name)

    def run(self, start: dict[str, Any], t1: float, dt: float, given: dict[str, Any]) -> Any:
        self.states |= {name: start[name] for name in self.states}
        for _ in range(round(t1 / dt)):
            moved = {}
            for name, v in self.states.items():
                node = self.graph.nodes[name]
                current = self.arriving(name, given)
                moved[name] = v + dt * (node.v_leak - v + node.r * current) / node.tau
            self.states = moved
        return self.output("output_visible", given)


def without_activations(plan: hw.Plan) -> am.Network:
    """The network that docs/export.md says is in the graph."""
    rounded = rounded_network(plan)
    layers = {
        name: am.Layer(
            layer.shape,
            layer.lagrangian if isinstance(layer.lagrangian, am.Sign) else am.Identity(),
            tau=layer.tau,
            bias=layer.bias,
        )
        for name, layer in rounded.layers.items()
    }
    return am.Network(layers, rounded.synapses)


@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")
def test_a_reader_without_metadata_computes_the_network_without_activations(
    plan: hw.Plan, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    linear = without_activations(plan)
    given = {f"input_{name}": 0.1 * rng.standard_normal(n) for name, n in
             (("visible", 24), ("hidden", 5))}  # fmt: skip
    start = {"visible": rng.standard_normal(24), "hidden": rng.standard_normal(5)}
    dynamic = {name: start[name] for name in linear.dynamic}
    inputs = {name.removeprefix("input_"): value for name, value in given.items()}
    t1 = 0.02  # without a softmax nothing holds it back: the state grows without bound
    ours = am.simulate(linear, dynamic, t1=t1, times=[t1], until=None, inputs=inputs)
    theirs = Reader(write(plan, tmp_path)).run(start, t1, t1 / 400, given)
    scale = np.abs(ours["visible"][0] - start["visible"]).max()
    np.testing.assert_allclose(theirs, ours["visible"][0], rtol=0, atol=0.02 * scale)
    assert scale > 1e-3


@pytest.mark.parametrize("name", ["softmax", "tanh power", "sign", "algebraic"])
@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")
def test_with_the_activations_that_the_metadata_name_it_is_the_network(
    name: str, tmp_path: Path
) -> None:
    plan = hw.compile(NETWORKS[name])
    path = write(plan, tmp_path)
    cue = PATTERNS[0] * np.where(np.arange(24) < 4, -1.0, 1.0)
    nodes = nir.read(path).nodes
    named = {n: node.metadata["activation"] for n, node in nodes.items() if node.metadata}
    known = {n: eval(text, vars(am)) for n, text in named.items()}  # repr of a Lagrangian
    for layer in ("visible", "hidden"):
        kind = plan.network.layers[layer].lagrangian
        assert known.get(f"{layer}_activation", kind) == kind
    network = rounded_network(plan)
    t1 = 0.3
    ours = am.simulate(network, cue, times=[0.0, t1], until=None)
    start = {layer: ours[layer][0] for layer in network.layers}
    reader = Reader(path, {n: kind.activation for n, kind in known.items()})
    theirs = reader.run(start, t1, 2e-4, {})
    moved = np.abs(ours["visible"][1] - cue).max()
    assert moved > 0.1
    np.testing.assert_allclose(theirs, ours["visible"][1], rtol=0, atol=0.01 * moved)


def test_nodes_and_weights(softmax: hw.Plan, tmp_path: Path) -> None:
    graph = nir.read(write(softmax, tmp_path))
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert kinds == {
        "input_visible": "Input", "visible": "LI", "visible_activation": "Scale",
        "output_visible": "Output", "visible_to_hidden": "Linear",
        "input_hidden": "Input", "hidden": "LI", "hidden_activation": "Scale",
        "output_hidden": "Output", "hidden_to_visible": "Linear",
    }  # fmt: skip
    np.testing.assert_array_equal(graph.nodes["visible_to_hidden"].weight, PATTERNS)
    np.testing.assert_array_equal(graph.nodes["hidden_to_visible"].weight, PATTERNS.T)
    np.testing.assert_array_equal(graph.nodes["visible"].tau, np.linspace(1, 2, 24))
    assert "Softmax" in graph.metadata["amsim"]["not_in_the_graph"]


# What is no plan


def refused(path: Path) -> str:
    with pytest.raises(ValueError, match="is not a plan in NIR or is damaged") as error:
        export.read_nir(path)
    assert str(path) in str(error.value)
    return str(error.value)


def test_a_folder_that_is_not_there_is_named(softmax: hw.Plan, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none; make it"):
        export.nir(softmax, tmp_path / "none" / "plan.nir", lossy="metadata")


def test_foreign_files_end_in_one_error(softmax: hw.Plan, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no file"):
        export.read_nir(tmp_path / "none.nir")
    path = tmp_path / "foreign.nir"
    for content in (b"", b"a letter", softmax.save(tmp_path / "plan.json").read_bytes()):
        path.write_bytes(content)
        refused(path)
    refused(tmp_path)
    neurons = nir.LI(tau=np.ones(3), r=np.ones(3), v_leak=np.zeros(3))
    nir.write(path, neurons)
    refused(path)
    nir.write(path, nir.NIRGraph.from_list(nir.Linear(weight=np.ones((3, 3))), neurons))
    assert "no metadata of amsim" in refused(path)


def test_a_graph_that_was_changed_is_refused(softmax: hw.Plan, tmp_path: Path) -> None:
    path = write(softmax, tmp_path)
    graph = nir.read(path)
    graph.nodes["visible_to_hidden"].weight[0, 0] += 1
    nir.write(path, graph)
    assert "not of the same network" in refused(path)
    graph.nodes["visible_to_hidden"].weight[0, 0] -= 1
    nir.write(path, graph)
    assert export.read_nir(path) == softmax  # rewritten by another program, but the same
    graph.metadata["amsim"]["arrays"]["weights"][0, 0] += 1
    nir.write(path, graph)
    assert "checksum" in refused(path)
    graph.metadata["amsim"]["format"] = "amsim plan in NIR 2"
    nir.write(path, graph)
    assert "its format is" in refused(path)


def test_truncated_and_flipped_files_never_give_another_plan(
    softmax: hw.Plan, tmp_path: Path
) -> None:
    content = write(softmax, tmp_path).read_bytes()
    path = tmp_path / "damaged.nir"
    for length in range(0, len(content), len(content) // 10):
        path.write_bytes(content[:length])
        refused(path)
    rng, damaged = random.Random(0), 0
    for _ in range(30):
        broken = bytearray(content)
        for _ in range(4):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        path.write_bytes(broken)
        try:
            assert export.read_nir(path) == softmax  # HDF5 has much unused room
        except ValueError:
            damaged += 1
            refused(path)
    assert damaged > 5


def test_without_nir_the_remedy_is_named(
    softmax: hw.Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(softmax, tmp_path)
    monkeypatch.setitem(sys.modules, "nir", None)
    with pytest.raises(am.MissingDependencyError, match="pip install nir"):
        export.read_nir(path)
    with pytest.raises(am.MissingDependencyError, match=r"Plan\.save"):
        export.nir(softmax, path, lossy="metadata", force=True)


def test_the_example_runs() -> None:
    import doctest
    import importlib

    result = doctest.testmod(importlib.import_module("hardware.export.nir"))
    assert result.attempted > 0 and result.failed == 0


def test_a_number_outside_its_domain_is_refused_with_a_right_checksum(
    softmax: hw.Plan, tmp_path: Path
) -> None:
    from hardware.export import nir as module_or_function

    digest = sys.modules[module_or_function.__module__]._digest
    path = write(softmax, tmp_path)
    graph = nir.read(path)
    own = graph.metadata["amsim"]
    scalars = json.loads(own["plan"])
    scalars["visible"]["gain"] = 63
    own["plan"] = json.dumps(scalars)
    own["sha256"] = digest(own["plan"], own["arrays"])
    nir.write(path, graph)
    with pytest.raises(
        ValueError, match=r"visible\.gain must be a whole number from 0 to 23, got 63"
    ):
        export.read_nir(path)


def test_links_and_arrays_without_measure_are_refused(softmax: hw.Plan, tmp_path: Path) -> None:
    import h5py

    path = write(softmax, tmp_path)
    with h5py.File(path, "a") as file:
        file["node/metadata/link"] = h5py.ExternalLink("/etc/hostname", "/")
    with pytest.raises(ValueError, match="'link' is a link to something else"):
        export.read_nir(path)
    path = write(softmax, tmp_path)
    with h5py.File(path, "a") as file:  # of 16 GiB, none of which is written
        file.create_dataset("node/metadata/large", (1 << 31,), "f8", chunks=(1 << 20,))
    with pytest.raises(ValueError, match="it unpacks to more than 1,073,741,824 bytes"):
        export.read_nir(path)


# Any layers

RNG = np.random.default_rng(0)
GRAPHS = {
    "chain": am.Network(
        {
            "visible": am.Layer(4, am.Tanh(0.8), tau=np.linspace(1, 2, 4), bias=0.1),
            "middle": am.Layer(3, am.Softmax(2.0), tau=0.0, bias=[0.1, 0.0, -0.2]),
            "top": am.Layer(2, am.Sign(), tau=0.7),
        },
        [
            am.Dense(RNG.standard_normal((3, 4)), between=("middle", "visible")),
            am.Dense(RNG.standard_normal((2, 3)), between=("top", "middle")),
            am.Directed(0.3 * RNG.standard_normal((4, 4)), source="visible", target="visible"),
        ],
    ),
    "transformer": am.models.analog_transformer(
        PATTERNS / 5, 0.05 * RNG.standard_normal((3, 24)), beta=4.0
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_plan_of_any_layers_comes_back_equal(name: str, tmp_path: Path) -> None:
    plan = hw.compile(GRAPHS[name])
    path = write(plan, tmp_path)
    loaded = export.read_nir(path)
    assert type(loaded) is hw.GraphPlan and loaded == plan
    with pytest.raises(hw.MappingError, match=r"Softmax.* of layer '(middle|attention)'"):
        export.nir(plan, tmp_path / "other.nir")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="not a plan in NIR"):
        export.read_nir(path)


@pytest.mark.parametrize("other", ["a_activation", "input_a", "output_a"])
def test_layers_named_as_nodes_of_others_are_refused(other: str, tmp_path: Path) -> None:
    layers = {name: am.Layer(2, am.Tanh()) for name in ("a", other, "c")}
    joins = [am.Dense(np.eye(2), between=("a", name)) for name in (other, "c")]
    plan = hw.compile(am.Network(layers, joins))
    with pytest.raises(hw.MappingError, match=f"layer '{other}' has the name of a node of .* 'a'"):
        write(plan, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_bias_that_no_weights_carry_is_told(tmp_path: Path) -> None:
    source = am.Layer(2, am.Identity(), tau=0.0, bias=[0.5, -0.2])
    net = am.Network(
        {"a": am.Layer(2, am.Tanh()), "s": source, "c": am.Layer(2, am.Tanh())},
        [
            am.Directed(np.eye(2), source="s", target="a"),
            am.Dense(np.eye(2), between=("c", "a")),
        ],
    )
    plan = hw.compile(net)
    with pytest.raises(hw.MappingError, match="the bias of layer 's', which no weights end in"):
        export.nir(plan, tmp_path / "plan.nir")
    told = nir.read(write(plan, tmp_path)).metadata["amsim"]["not_in_the_graph"]
    assert "the bias of layer 's'" in told and "layer 'a', which" not in told


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.filterwarnings("ignore::amsim.errors.GuaranteeWarning")
def test_with_its_activations_a_graph_of_any_layers_is_the_network(
    name: str, tmp_path: Path
) -> None:
    plan = hw.compile(GRAPHS[name])
    path = write(plan, tmp_path)
    named = {n: x.metadata["activation"] for n, x in nir.read(path).nodes.items() if x.metadata}
    known = {n: eval(text, vars(am)) for n, text in named.items()}
    size = plan.layers["visible"].size
    cue, t1 = np.where(np.arange(size) % 3, 0.2, -0.2), 0.3
    ours = am.simulate(plan.network, cue, times=[0.0, t1], until=None)
    start = {layer: ours[layer][0] for layer in plan.layers}
    reader = Reader(path, {n: kind.activation for n, kind in known.items()})
    theirs = reader.run(start, t1, 1e-3, {})
    moved = np.abs(ours["visible"][1] - cue).max()
    assert moved > 0.02
    np.testing.assert_allclose(theirs, ours["visible"][1], rtol=0, atol=0.05 * moved)


# For other frameworks


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_the_largest_logit_wins_in_a_graph_of_common_nodes(
    similarity: str, twice: bool, tmp_path: Path
) -> None:
    """All cues of six features; neurons as NIR has them, and those that may spike twice."""
    stored = np.random.default_rng(3).integers(-3, 4, (4, 6)).astype(float)
    net = am.dense_am(stored, hidden=am.Softmax(2.0), similarity=similarity, bias_visible=0.5)
    plan = hw.compile(net, cue_limit=3.0)
    graph = nir.read(export.nir(plan, tmp_path / "plan.nir", lossy="spikes"))
    kinds = {type(node).__name__ for node in graph.nodes.values()}
    assert kinds == {"Input", "Affine", "LIF", "Output"}
    cues = np.array(np.meshgrid(*[[-1.0, 1.0]] * 6)).reshape(6, -1).T
    values, node = cues.astype(np.float32), "input"
    following = dict(graph.edges)
    while (node := following[node]) != "output":
        part = graph.nodes[node]
        if isinstance(part, nir.Affine):
            values = values @ part.weight.T.astype(np.float32) + part.bias.astype(np.float32)
        else:
            assert len(np.unique(part.v_threshold)) == 1
            values = np.floor(values) if twice else values > part.v_threshold
            values = np.maximum(values, 0).astype(np.float32)
    logits = cues @ stored.T + net.layers["hidden"].bias
    first, second = np.sort(logits, axis=1)[:, :-3:-1].T
    won = (logits == first[:, None]) & (first > second)[:, None]  # nobody wins a tie
    assert (won.sum() < len(cues)) == (similarity == "dot")  # where there are ties
    np.testing.assert_allclose(values, won @ stored + 0.5, atol=1e-6)


def test_readers_of_nir_1_0_4_find_no_reset(softmax: hw.Plan, tmp_path: Path) -> None:
    import h5py

    with h5py.File(export.nir(softmax, tmp_path / "plan.nir", lossy="spikes")) as file:
        assert "v_reset" not in file["node/nodes/winner"]
    with pytest.raises(ValueError, match="it has no metadata of amsim"):
        export.read_nir(tmp_path / "plan.nir")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (NETWORKS["identity relu"], "takes plans of features and softmax memories"),
        (am.models.analog_transformer(PATTERNS / 5, PATTERNS[:2] / 64), "softmax memories"),
        (
            am.dense_am(PATTERNS[:1], hidden=am.Softmax(0.5)),
            "the 0 pairs of 1 memories, from 2 memories",
        ),
    ],
    ids=["relu", "graph", "one memory"],
)
def test_what_has_no_winner_is_refused(network: am.Network, message: str, tmp_path: Path) -> None:
    with pytest.raises(hw.MappingError, match=message):
        export.nir(hw.compile(network), tmp_path / "plan.nir", lossy="spikes")
