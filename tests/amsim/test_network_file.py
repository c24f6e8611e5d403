"""Networks on disk: read back to the bit, or refused with the file, the place and the remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import amsim as am
from amsim import network_file

RNG = np.random.default_rng(0)
PATTERNS = RNG.normal(size=(3, 5))
models = am.models

NETWORKS: dict[str, Callable[[], am.Network]] = {
    "dense_am": lambda: am.dense_am(
        PATTERNS, hidden=am.Softmax(0.1 + 0.2), similarity="euclidean", bias_visible=PATTERNS[0]
    ),
    "int8": lambda: am.dense_am(np.sign(PATTERNS).astype(np.int8), tau_hidden=[0.1, 0.2, 0.3]),
    "float32": lambda: am.dense_am(PATTERNS.astype(np.float32), hidden=am.Entmax(1.3, 2.0)),
    "modern_hopfield": lambda: models.modern_hopfield(PATTERNS),
    "model_a": lambda: models.model_a(PATTERNS, am.RectifiedPower(2.5)),
    "model_b": lambda: models.model_b(PATTERNS, 3.0),
    "model_c": lambda: models.model_c(PATTERNS),
    "hierarchy": lambda: models.hierarchical_memory(
        [PATTERNS, PATTERNS[:, :3]], [am.Tanh(0.7), am.Sigmoid(4.0), am.Exponential(0.1)]
    ),
    "energy_transformer": lambda: models.energy_transformer(
        *RNG.normal(size=(2, 1, 3, 5)), PATTERNS, n_tokens=4, delta=PATTERNS[1], gamma=1.1
    ),
    "analog_transformer": lambda: models.analog_transformer(PATTERNS, PATTERNS / 4),
    "diffusion": lambda: models.diffusion_memory(PATTERNS).network(0.3),
    "integrated": lambda: am.Network(
        {"visible": am.Layer(5, am.Identity(), leak=0.5)},
        [
            am.Memories(PATTERNS, am.ReLU(), bias=PATTERNS[:, 0]),
            am.Epanechnikov(PATTERNS, beta=0.3, name="near"),
        ],
    ),
    "manhattan": lambda: am.dense_am(PATTERNS, similarity="manhattan"),
    "directed": lambda: am.Network(
        {"a": am.Layer(5, am.Tanh()), "b": am.Layer(3, am.SignedPower(4))},
        [am.Directed(PATTERNS.astype(np.float32), source="a", target="b")],
    ),
    "convolution": lambda: am.Network(
        {"hidden": am.Layer((2, 3), am.Spherical()), "visible": am.Layer((5, 1), am.Sign())},
        [am.Convolution(RNG.normal(size=(3, 3, 1)), stride=2)],
    ),
    "three bodies, names of any text": lambda: am.Network(
        {name: am.Layer(2, am.Tanh(), tau=2.0) for name in ("a/b", "", "é\ud800")},
        [am.MultiBody(RNG.normal(size=(2, 2, 2)), ("a/b", "", "é\ud800"))],
    ),
}
every_network = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)


def parts(value: Any) -> Any:
    """All that a layer, synapse or Lagrangian holds, to the bit."""
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype, value.tobytes()
    if hasattr(value, "__dataclass_fields__"):
        return type(value), [(f.name, parts(getattr(value, f.name))) for f in fields(value)]
    return type(value), value


@every_network
@pytest.mark.parametrize("name", ["net.json", "net.npz"])
def test_a_network_comes_back_to_the_bit(make: Any, name: str, tmp_path: Path) -> None:
    net = make()
    path = net.save(tmp_path / name)
    again = am.Network.load(path)
    assert list(again.layers) == list(net.layers)
    for first, second in ((net.layers.values(), again.layers.values()),
                          (net.synapses, again.synapses)):  # fmt: skip
        assert list(map(parts, first)) == list(map(parts, second))
    start = {n: RNG.normal(size=(2, *layer.shape)) for n, layer in net.dynamic.items()}
    kept, read = net.force(start), again.force(start)
    for layer in kept:
        np.testing.assert_array_equal(kept[layer], read[layer])
    assert again.save(tmp_path / f"again-{name}").read_bytes() == path.read_bytes()


def test_recall_has_equal_bits(tmp_path: Path) -> None:
    net = NETWORKS["dense_am"]()
    for name in ("net", "net.json"):
        again = am.Network.load(net.save(tmp_path / name))
        first, second = (am.simulate(x, PATTERNS[:2] + 0.1) for x in (net, again))
        for layer in first:
            np.testing.assert_array_equal(first[layer], second[layer])


def test_every_class_of_amsim_has_its_place() -> None:
    bases = (am.Lagrangian, am.HyperSynapse)
    public = {getattr(am, name) for name in am.__all__}
    kinds = {x for x in public if isinstance(x, type) and issubclass(x, bases)} - set(bases)
    assert kinds == set(network_file.KINDS.values())
    made = [make() for make in NETWORKS.values()]
    used = {type(x) for net in made for x in net.synapses}
    used |= {type(x.lagrangian) for net in made for x in net.layers.values()}
    assert kinds == used


@dataclass(frozen=True)
class Softmax(am.Softmax):
    """A class of a user, of a name that is taken."""


def test_classes_of_users_are_refused_by_name(tmp_path: Path) -> None:
    net = am.dense_am(PATTERNS, hidden=Softmax(2.0))
    for name in ("net.json", "net.npz"):
        with pytest.raises(
            TypeError, match=r"layers\.hidden\.lagrangian is of the class 'Softmax'"
        ):
            net.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_files_are_not_replaced_unasked(tmp_path: Path) -> None:
    net = NETWORKS["dense_am"]()
    for name in ("net.json", "net.npz"):
        path = net.save(tmp_path / name)
        with pytest.raises(FileExistsError, match="pass force=True"):
            net.save(path)
        assert net.save(path, force=True) == path
    assert net.save(tmp_path / "beta_0.5").name == "beta_0.5.npz"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        am.Network.load(tmp_path / "nowhere.npz")


def test_json_has_a_size_that_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_file, "MOST_JSON", 500)
    with pytest.raises(ValueError, match=r"more than 500: save as \.npz"):
        NETWORKS["dense_am"]().save(tmp_path / "net.json")
    path = tmp_path / "large.json"
    path.write_text(" " * 501)
    assert "larger than 500 bytes" in refusal(path)


def refusal(path: Path) -> str:
    with pytest.raises(ValueError, match="is not a network or is damaged") as caught:
        am.Network.load(path)
    text = str(caught.value)
    assert path.name in text and text.endswith("wrote, or save it again")
    return text


def set_at(document: Any, place: str, value: Any) -> None:
    *way, last = (int(x) if x.isdigit() else x for x in place.split("/"))
    for step in way:
        document = document[step]
    if value is ...:
        del document[last]
    else:
        document[last] = value


DAMAGES: dict[str, tuple[str, Any, str]] = {
    "format": ("format", "amsim plan 1", "format is 'amsim plan 1'"),
    "no format": ("format", ..., "something else"),
    "more": ("more", 1, "'more'"),
    "no layers": ("layers", {}, "at least one layer"),
    "layers are a list": ("layers", [], "layers must be"),
    "synapses are no list": ("synapses", {}, "synapses must be"),
    "a layer is null": ("layers/hidden", None, "layers.hidden"),
    "a class that there is not": ("layers/hidden/lagrangian/class", "eval", "class must be"),
    "another kind of class": ("layers/hidden/lagrangian/class", "Layer", "lacks shape"),
    "class is a list": ("layers/hidden/lagrangian/class", [], "class must be"),
    "a field is missing": ("layers/hidden/leak", ..., "lacks leak"),
    "a parameter is missing": ("layers/hidden/lagrangian/beta", ..., "lacks beta"),
    "a parameter too much": ("layers/hidden/lagrangian/n", 3, "'n'"),
    "beta is negative": ("layers/hidden/lagrangian/beta", -1.0, "beta must be"),
    "beta is text": ("layers/hidden/lagrangian/beta", "1", "beta must be"),
    "beta is true": ("layers/hidden/lagrangian/beta", True, "beta must be"),
    "beta is NaN": ("layers/hidden/lagrangian/beta", float("nan"), "beta must be"),
    "tau is infinite": ("layers/hidden/tau", float("inf"), "tau must be finite"),
    "tau is long": ("layers/hidden/tau", 10**400, "layers.hidden"),
    "shape is a fraction": ("layers/hidden/shape", [3.0], "layer shape"),
    "shape is huge": ("layers/hidden/shape", [2**40], "layer"),
    "weights with NaN": ("synapses/0/weights/array/1/1", float("nan"), "finite"),
    "weights with text": ("synapses/0/weights/array/1/1", "x", "real numbers"),
    "weights with objects": ("synapses/0/weights/array/1/1", {}, "real numbers"),
    "uneven rows": ("synapses/0/weights/array/1", [1.0], "rows of one length"),
    "other weights": ("synapses/0/weights/array", [[1.0]], "last axes must match"),
    "no list": ("synapses/0/weights/array", "array_0", "a list of numbers"),
    "another type": ("synapses/0/weights/dtype", "O8", "dtype must be"),
    "rounded": ("synapses/0/weights/dtype", "f4", "no float32"),
    "cut off": ("synapses/0/weights/dtype", "i1", "no int8"),
    "a synapse of layers that there are not": ("synapses/0/between", ["hidden", "v"], "'v'"),
    "a layer where a synapse belongs": ("synapses/0", {"class": "Identity"}, "each synapse"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_json_that_is_edited_is_refused(damage: tuple[str, Any, str], tmp_path: Path) -> None:
    path = NETWORKS["dense_am"]().save(tmp_path / "net.json")
    document = json.loads(path.read_text())
    place, value, words = damage
    set_at(document, place, value)
    path.write_text(json.dumps(document))
    assert words in refusal(path)


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", "[" * 10**5, '{"format": 1, "format": 2}', "\x00", "\ufeff{}"]
)
def test_what_is_no_network_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(text, encoding="utf-8")
    refusal(path)
    other = path.with_suffix(".npz")
    other.write_text(text, encoding="utf-8")
    refusal(other)


@pytest.mark.parametrize("most", ["1", None, 1.5, True, np.array([10**9], dtype=object)], ids=repr)
@pytest.mark.parametrize("name", ["net.npz", "net.json"])
def test_a_limit_of_bytes_is_a_whole_number(name: str, most: Any, tmp_path: Path) -> None:
    path = NETWORKS["dense_am"]().save(tmp_path / name)
    with pytest.raises(TypeError, match="max_bytes must be a whole number"):
        am.Network.load(path, max_bytes=most)
    with pytest.raises(TypeError, match="max_bytes must be a whole number"):
        am.Trajectory.load(path, max_bytes=most)


def test_archives_with_other_members_are_refused(tmp_path: Path) -> None:
    path = NETWORKS["dense_am"]().save(tmp_path / "net.npz")
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    weights = arrays["array_2"]
    assert weights.shape == (3, 5)
    for change, words in (
        ({"array_9": weights}, "array_9"),
        ({"array_2": None}, "array_2"),
        ({"array_2": weights.astype(object)}, "Python objects"),
        ({"array_2": weights.astype(complex)}, "complex128"),
        ({"array_2": weights + np.nan}, "finite"),
        ({"array_2": weights[:2]}, "last axes must match"),
        ({"json": np.array(["{}"])}, "not a text"),
        ({"json": np.array("{}")}, "something else"),
        ({"json": None}, "lacks 'json'"),
    ):
        edited = {n: x for n, x in {**arrays, **change}.items() if x is not None}
        np.savez(path, **edited)
        assert words in refusal(path)
    # An archive of a machine with the other order of bytes holds the same numbers.
    np.savez(path, **{n: x.astype(x.dtype.newbyteorder()) for n, x in arrays.items()})
    assert parts(am.Network.load(path).synapses[0]) == parts(NETWORKS["dense_am"]().synapses[0])


def test_random_damage_is_refused_or_harmless(tmp_path: Path) -> None:
    """Bits flipped: what is read is what was written, or is refused."""
    net = NETWORKS["int8"]()
    path = net.save(tmp_path / "net.npz")
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    read = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            again = am.Network.load(path)
        except ValueError:
            continue
        read += 1
        assert [parts(x) for x in again.synapses] == [parts(x) for x in net.synapses]
    assert read < 150
