"""Layers of other frameworks as networks, against attention written out for each head."""

from __future__ import annotations

import importlib.util
import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am
import hardware as hw
from amsim.interop import from_attention, from_hamux, from_hopfield_layers, read_safetensors

Array = npt.NDArray[Any]
RNG = np.random.default_rng(0)
STORED, INPUTS = RNG.normal(size=(5, 8)), RNG.normal(size=(3, 8))
ONCE: dict[str, Any] = {"solver": am.FixedPoint(1), "until": None}
EXACT: dict[str, float] = {"rtol": 0.0, "atol": 1e-12}


def draw(*shape: int) -> Array:
    return RNG.normal(size=shape)


def softmax(x: Array) -> Array:
    share = np.exp(x - x.max(axis=-1, keepdims=True))
    return share / share.sum(axis=-1, keepdims=True)


def attention(q: Array, k: Array, v: Array, heads: int, beta: float) -> Array:
    """Head by head, by loops: what the frameworks compute of projected tokens."""
    found = []
    for a, b, c in zip(*(np.split(x, heads, axis=1) for x in (q, k, v))):
        found.append(np.stack([softmax(beta * b @ row) @ c for row in a]))
    return np.concatenate(found, axis=1)


def layer_norm(x: Array, weight: Array, bias: Array) -> Array:
    """Without the mean and at length sqrt(n), but for eps."""
    return np.stack([(r - r.mean()) / np.sqrt(r.var() + 1e-5) * weight + bias for r in x])


def attend(layer: Any, inputs: Array, **options: Any) -> Array:
    traj = am.simulate(layer.network, layer.cues(inputs), **(options or ONCE))
    return np.asarray(layer.output(traj.final))


def multi_head(**more: Array) -> dict[str, Array]:
    return {
        "in_proj_weight": draw(24, 8),
        "in_proj_bias": draw(24),
        "out_proj.weight": draw(8, 8),
        "out_proj.bias": draw(8),
        **more,
    }


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_multi_head_attention(heads: int) -> None:
    state = multi_head()
    q, k, v = (
        x @ w.T + b
        for x, w, b in zip(
            (INPUTS, STORED, STORED),
            np.split(state["in_proj_weight"], 3),
            np.split(state["in_proj_bias"], 3),
        )
    )
    theirs = attention(q, k, v, heads, (8 / heads) ** -0.5)
    theirs = theirs @ state["out_proj.weight"].T + state["out_proj.bias"]
    named = {f"encoder.{name}": value for name, value in state.items()}
    layer = from_attention({**named, "head.weight": draw(2, 8)}, STORED, heads=heads,
                           prefix="encoder.")  # fmt: skip
    np.testing.assert_allclose(attend(layer, INPUTS), theirs, **EXACT)


def test_attention_is_the_rest_with_clamped_features_also_by_events_and_on_integers() -> None:
    state = multi_head()
    layer = from_attention(state, STORED, heads=2)
    cues = layer.cues(INPUTS)
    theirs = attend(layer, INPUTS)
    clamp = {name: np.ones(4, bool) for name in cues}
    rest = {"clamp": clamp, "until": am.Settled(1e-9)}
    np.testing.assert_allclose(attend(layer, INPUTS, **rest), theirs, rtol=0, atol=1e-6)
    events = am.EventDriven(1e-3, am.Timing(delay=0.1, jitter=0.2))
    given = {"clamp": clamp, "solver": events, "until": am.Settled(1e-2), "seed": 0}
    np.testing.assert_allclose(attend(layer, INPUTS, **given), theirs, rtol=0, atol=0.02)
    largest = {name: float(np.abs(x).max()) for name, x in cues.items()}
    plan = hw.compile(layer.network, weight_bits=8, cue_limit=largest)
    integers = layer.output(hw.run(plan, cues, clamp=clamp).final)
    np.testing.assert_allclose(integers, theirs, rtol=0, atol=0.1)


def test_other_widths_and_one_more_key() -> None:
    """kdim and vdim of their own, and bias_k and bias_v, which are attended to."""
    values = draw(5, 3)
    state = {
        "q_proj_weight": draw(6, 6), "k_proj_weight": draw(6, 8), "v_proj_weight": draw(6, 3),
        "bias_k": draw(1, 1, 6), "bias_v": draw(1, 1, 6), "out_proj.weight": draw(6, 6),
    }  # fmt: skip
    inputs = draw(2, 6)
    keys = np.concatenate([STORED @ state["k_proj_weight"].T, state["bias_k"][0]])
    found = np.concatenate([values @ state["v_proj_weight"].T, state["bias_v"][0]])
    theirs = attention(inputs @ state["q_proj_weight"].T, keys, found, 2, 3**-0.5)
    layer = from_attention(state, STORED, values=values, heads=2)
    np.testing.assert_allclose(attend(layer, inputs), theirs @ state["out_proj.weight"].T, **EXACT)


def hopfield(own: str = "hopfield.", **more: Array) -> dict[str, Array]:
    """As `HopfieldLayer(8, hidden_size=3, num_heads=2, quantity=5)` has it, with random numbers."""
    core = f"{own}association_core."
    norms = {
        f"{own}norm_{name}.{part}": draw(8)
        for name in ("stored_pattern", "state_pattern", "pattern_projection")
        for part in ("weight", "bias")
    }
    return {
        core + "in_proj_weight": draw(18, 8), core + "in_proj_bias": draw(18),
        core + "out_proj.weight": draw(7, 6), core + "out_proj.bias": draw(7), **norms, **more,
    }  # fmt: skip


def updated(state: dict[str, Array], stored: Array, values: Array, inputs: Array, updates: int,
            heads: int, beta: float, own: str = "hopfield.") -> Array:  # fmt: skip
    """What the package computes: q becomes softmax(beta q K^T) K, and at the end V is read."""
    core, parts = f"{own}association_core.", []
    for k, (name, x) in enumerate(
        {"state_pattern": inputs, "stored_pattern": stored, "pattern_projection": values}.items()
    ):
        norm = f"{own}norm_{name}."
        x = layer_norm(x, state[norm + "weight"], state[norm + "bias"])
        weight, bias = (np.split(state[f"{core}in_proj_{p}"], 3)[k] for p in ("weight", "bias"))
        parts.append(x @ weight.T + bias)
    q, k, v = parts
    for _ in range(updates - 1):
        q = attention(q, k, k, heads, beta)
    out = attention(q, k, v, heads, beta)
    return np.asarray(out @ state[core + "out_proj.weight"].T + state[core + "out_proj.bias"])


@pytest.mark.parametrize("updates", [1, 3])
def test_hopfield_layer(updates: int) -> None:
    lookup, targets = draw(1, 5, 8), draw(1, 5, 8)
    state = hopfield(lookup_weights=lookup, target_weights=targets)
    theirs = updated(state, lookup[0], targets[0], INPUTS, updates, 2, 3**-0.5)
    layer = from_hopfield_layers(state, heads=2)
    options = {"solver": am.FixedPoint(updates), "until": None}
    np.testing.assert_allclose(attend(layer, INPUTS, **options), theirs, **EXACT)


def test_hopfield_with_stored_patterns_and_pooling() -> None:
    state = hopfield(pooling_weights=draw(1, 2, 8))
    layer = from_hopfield_layers(state, STORED, heads=2, beta=0.7)
    theirs = updated(state, STORED, STORED, state["pooling_weights"][0], 1, 2, 0.7)
    np.testing.assert_allclose(attend(layer, layer.pooling), theirs, **EXACT)
    bare = {name.removeprefix("hopfield."): x for name, x in state.items() if name[0] == "h"}
    again = from_hopfield_layers(bare, STORED, heads=2, beta=0.7)
    np.testing.assert_array_equal(again.keys, layer.keys)


def test_patterns_that_are_not_projected() -> None:
    """Static patterns, part of them or all, and a norm within the association space."""
    core = "association_core."
    state = {core + "in_proj_weight": draw(8, 8), core + "p_norm_weight": draw(8),
             core + "p_norm_bias": draw(8)}  # fmt: skip
    norm = state[core + "p_norm_weight"], state[core + "p_norm_bias"]
    layer = from_hopfield_layers(state, STORED, static=["stored_pattern", "pattern_projection"])
    q = layer_norm(INPUTS @ state[core + "in_proj_weight"].T, *norm)
    theirs = attention(q, layer_norm(STORED, *norm), STORED, 1, 8**-0.5)
    np.testing.assert_allclose(attend(layer, INPUTS), theirs, **EXACT)
    alone = from_hopfield_layers({"lookup_weights": STORED[:, None]})
    np.testing.assert_allclose(
        attend(alone, INPUTS), attention(INPUTS, STORED, STORED, 1, 1.0), **EXACT
    )
    ends = am.simulate(alone.network, alone.cues(3 * STORED))
    found = am.stability.certify(alone.network, alone.cues(3 * STORED), ends.final, "broadcast")
    assert found.holds.any()


class Tensor:
    """What the importers ask of a tensor of PyTorch."""

    def __init__(self, value: Array) -> None:
        self.value = value

    def detach(self) -> Tensor:
        return self

    cpu = double = detach

    def numpy(self) -> Array:
        return self.value

    def __array__(self, *args: Any, **options: Any) -> Array:
        raise RuntimeError("a tensor that requires grad has no array")


def test_modules_and_tensors_are_read() -> None:
    state = multi_head()
    module = SimpleNamespace(state_dict=lambda: {n: Tensor(x) for n, x in state.items()})
    layer = from_attention(module, Tensor(STORED), heads=2)  # type: ignore[arg-type]
    np.testing.assert_array_equal(layer.keys, from_attention(state, STORED, heads=2).keys)
    module.num_heads = 2
    with pytest.raises(ValueError, match="heads is 1, but the module has 2"):
        from_attention(module, STORED)
    module.add_zero_attn = True
    with pytest.raises(ValueError, match="add_zero_attn"):
        from_attention(module, STORED, heads=2)


def test_safetensors(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    state = {name: x.astype(np.float32) for name, x in multi_head().items()}
    path = tmp_path / "layer.safetensors"
    safetensors.save_file(state, path)
    found = read_safetensors(path)
    assert all(np.array_equal(found[name], x) for name, x in state.items())
    first, second = (from_attention(s, STORED, heads=2) for s in (path, state))
    np.testing.assert_array_equal(first.keys, second.keys)
    whole = path.read_bytes()
    for broken in (whole[:-5], b""):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"layer\.safetensors: not a"):
            read_safetensors(path)
    header = json.dumps({"x": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\x80\x3f")
    if importlib.util.find_spec("ml_dtypes"):
        assert read_safetensors(path)["x"].tolist() == [1.0]
    else:
        with pytest.raises(ValueError, match="convert bfloat16"):
            read_safetensors(path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_safetensors(tmp_path / "none.safetensors")


WIDE = {"q_proj_weight": draw(4, 8), "k_proj_weight": draw(4, 8), "v_proj_weight": draw(4, 4)}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: from_attention(multi_head(), STORED, heads=3), "heads=3 does not divide the 8"),
        (lambda: from_attention(multi_head(), STORED[:, :6]), r"must be \(18, 6\)"),
        (lambda: from_attention(multi_head(), STORED[0]), "stored must have"),
        (lambda: from_attention(multi_head(), STORED, values=STORED[:4]), "5 stored .* 4 values"),
        (lambda: from_attention(multi_head(), STORED, prefix="a."), "no names that begin with 'a"),
        (lambda: from_attention({"a.x": STORED}, STORED), "state has a.x, which nn.Multihead"),
        (lambda: from_attention({"out_proj.bias": STORED[0]}, STORED), "no 'q_proj_weight'"),
        (lambda: from_attention(multi_head(bias_k=draw(1, 1, 8)), STORED), "no 'bias_v'"),
        (lambda: from_attention(multi_head(in_proj_weight=np.full((24, 8), np.nan)), STORED),
         "in_proj_weight must be finite"),
        (lambda: from_hopfield_layers(hopfield(), heads=2), "stored: .* pass those"),
        (lambda: from_hopfield_layers({"lookup_weights": draw(1, 5, 8)}, STORED), "leave it out"),
        (lambda: from_hopfield_layers({"lookup_weights": draw(2, 5, 8)}), "must be .1, patterns"),
        (lambda: from_hopfield_layers({"lookup_weights": draw(1, 5, 8)}, heads=2), "heads=1"),
        (lambda: from_hopfield_layers(hopfield(), STORED, heads=4), "heads=4 does not divide"),
        (lambda: from_hopfield_layers(hopfield(), STORED, static=["stored"]), "static must be"),
        (lambda: from_hopfield_layers(
            {"association_core.in_proj_weight": draw(9, 8)}, STORED, static=["state_pattern"]),
         "name in static= what is not projected"),
        (lambda: from_hopfield_layers(
            {f"association_core.{n}": x for n, x in WIDE.items()}, STORED), "may be connected"),
        (lambda: from_hopfield_layers({"association_core.bias_k": draw(1, 1, 8)}, STORED),
         "concat_bias_pattern"),
        (lambda: from_hopfield_layers(hopfield(), STORED[:, :6], heads=2), "have 6 units"),
    ],
    ids=range(19),
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_cues_and_states_are_checked() -> None:
    layer = from_attention(multi_head(), STORED)
    with pytest.raises(ValueError, match=r"inputs have shape \(3, 4\); the last axis must be 8"):
        layer.cues(INPUTS[:, :4])
    with pytest.raises(ValueError, match="states have no layer 'hidden'"):
        layer.output({"visible": INPUTS})


def lagr_softmax(x: Array, beta: float = 1.0) -> Any:
    return np.log(np.exp(beta * x).sum()) / beta


def lagr_identity(x: Array) -> Any:
    return (x**2).sum() / 2


class LinearSynapse(SimpleNamespace):
    def __call__(self, f: Array, g: Array) -> Any:
        return -f @ self.W @ g


class LinearSynapseWithBias(SimpleNamespace):
    def __call__(self, f: Array, g: Array) -> Any:
        return -f @ self.W @ g - self.b @ g


class Other(LinearSynapse):
    pass


class Model:
    """A HAM without JAX: the same attributes, activations in closed form, energies by sums."""

    def __init__(self, neurons: Any, synapses: Any, connections: Any) -> None:
        self.neurons, self.hypersynapses, self.connections = neurons, synapses, connections

    def energy(self, active: Any, states: Any) -> Any:
        own = sum(
            (active[n] * states[n]).sum() - x.lagrangian(states[n]) for n, x in self.neurons.items()
        )
        return own + sum(
            self.hypersynapses[name](*(active[n] for n in between))
            for between, name in self.connections
        )


def neurons(units: int, lagrangian: Any, activations: Any) -> Any:
    return SimpleNamespace(shape=(units,), lagrangian=lagrangian, activations=activations)


def ham(hidden: Any, beta: float = 2.0, kind: Any = LinearSynapse) -> Model:
    return Model(
        {"image": neurons(4, lagr_identity, lambda x: x),
         "memory": neurons(3, hidden, lambda x: softmax(beta * x))},
        {"w": kind(W=WIDE["v_proj_weight"][:3]), "b": LinearSynapseWithBias(
            W=WIDE["v_proj_weight"], b=WIDE["v_proj_weight"][0])},
        [(("memory", "image"), "w"), (("image", "image"), "b")],
    )  # fmt: skip


def test_a_ham_has_the_same_energy() -> None:
    model = ham(partial(lagr_softmax, beta=2.0))
    net = from_hamux(model, tau={"memory": 0.2})
    assert net.layers["memory"].lagrangian == am.Softmax(2.0)
    assert net.layers["memory"].tau[0] == 0.2
    states = {"image": draw(4), "memory": draw(3)}
    active = {n: x.activations(states[n]) for n, x in model.neurons.items()}
    assert float(net.energy(states)) == pytest.approx(model.energy(active, states), rel=1e-12)
    given = from_hamux(ham(lambda x: lagr_softmax(x, 2.0)), lagrangians={"memory": am.Softmax(2.0)})
    assert float(given.energy(states)) == pytest.approx(float(net.energy(states)), rel=1e-12)


def test_a_ham_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="neurons 'memory' have the Lagrangian"):
        from_hamux(ham(lambda x: lagr_softmax(x, 2.0)))
    with pytest.raises(ValueError, match="'memory' have other activations than Softmax"):
        from_hamux(ham(partial(lagr_softmax, beta=1.0)))
    with pytest.raises(ValueError, match="synapse 'w' is a Other"):
        from_hamux(ham(partial(lagr_softmax, beta=2.0), kind=Other))
    with pytest.raises(ValueError, match="tau names 'x'; the neurons are image, memory"):
        from_hamux(ham(lagr_softmax), tau={"x": 1.0})
    with pytest.raises(TypeError, match="must be a HAM"):
        from_hamux({"w": STORED})
    model = ham(partial(lagr_softmax, beta=2.0))
    model.energy = lambda active, states: 0.0  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="parts that are not known"):
        from_hamux(model)
