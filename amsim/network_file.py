"""Files of networks: JSON with its arrays beside it (.npz) or in it (.json), nothing pickled.

An object is written as the name of its class and its fields, and read back by its constructor,
which checks every number. `KINDS` has the classes: one that is a frozen dataclass, and takes its
fields as arguments of these names, needs no more than its place there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import checks, lagrangians, synapses
from .files import (
    naming_damage,
    open_archive,
    parse_json,
    read_text,
    refuse_existing,
    write_atomically,
)
from .synapses import Array

if TYPE_CHECKING:
    from .network import Layer, Network

FORMAT = "amsim network 1"
KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        lagrangians.Entmax,
        lagrangians.Exponential,
        lagrangians.Identity,
        lagrangians.LayerNorm,
        lagrangians.RectifiedPower,
        lagrangians.ReLU,
        lagrangians.Sigmoid,
        lagrangians.Sign,
        lagrangians.SignedPower,
        lagrangians.Softmax,
        lagrangians.Spherical,
        lagrangians.Tanh,
        synapses.Attention,
        synapses.Convolution,
        synapses.Dense,
        synapses.Directed,
        synapses.Epanechnikov,
        synapses.Manhattan,
        synapses.Memories,
        synapses.MultiBody,
    )
}
_DTYPES = {
    np.dtype(name).str[1:]: np.dtype(name) for name in ("float64", "float32", "int8", "bool")
}
# Bytes of a JSON file: numbers as text take some twenty bytes each, and their lists more memory.
MOST_JSON = 1 << 26

# Puts an array into a document; and takes it out, with the name of its place for what is refused.
Put = Callable[[Array], Any]
Take = Callable[[str, Any], Array]


def save(network: Network, path: str | Path, *, force: bool) -> Path:
    """Write a network; see `Network.save`."""
    path, force = checks.path("path", path), checks.flag("force", force)
    in_json = path.suffix.lower() == ".json"
    if not in_json and path.suffix != ".npz":
        path = path.with_name(f"{path.name}.npz")
    refuse_existing(path, force=force)
    if in_json:
        text = json.dumps(document_of(network, _as_lists), allow_nan=False).encode() + b"\n"
        if len(text) > MOST_JSON:
            raise ValueError(
                f"{path} would have {len(text):,} bytes, more than {MOST_JSON:,}: save as .npz"
            )
        write_atomically(path, lambda file: file.write(text))
        return path
    arrays: dict[str, Any] = {}

    def beside(array: Array) -> str:
        name = f"array_{len(arrays)}"
        arrays[name] = array
        return name

    document = json.dumps(document_of(network, beside), allow_nan=False)
    write_atomically(path, lambda file: np.savez(file, json=np.array(document), **arrays))
    return path


def load(
    path: str | Path, layer: type[Layer], network: type[Network], *, max_bytes: int
) -> Network:
    """Read a network of the given classes; see `Network.load`."""
    path = checks.path("path", path)
    max_bytes = checks.count("max_bytes", max_bytes, at_least=0, at_most=sys.maxsize)
    with naming_damage(path, "a network", "Network.save"):
        if path.suffix.lower() == ".json":
            return network_of(parse_json(read_text(path, MOST_JSON)), _from_lists, layer, network)
        with open_archive(path, max_bytes=max_bytes) as archive:
            read: set[str] = {"json"}

            def from_beside(where: str, name: Any) -> Array:
                if not isinstance(name, str) or name not in archive or name == "json":
                    raise ValueError(f"{where} is the array {checks.shown(name)}, which it lacks")
                read.add(name)
                return known_dtype(where, archive[name])

            found = network_of(archive.json(), from_beside, layer, network)
            if more := sorted(set(archive) - read):
                raise ValueError(f"{more} are none of its arrays")
            return found


def document_of(network: Network, put: Put) -> dict[str, Any]:
    """A network as JSON, with its arrays put elsewhere."""
    return {
        "format": FORMAT,
        "layers": {n: _value(f"layers.{n}", x, put) for n, x in network.layers.items()},
        "synapses": [_value(f"synapses.{x.name}", x, put) for x in network.synapses],
    }


def _value(where: str, value: Any, put: Put) -> Any:
    """What a field holds, as JSON."""
    if isinstance(value, np.ndarray):
        # A number for all units: of its broadcast array one is kept.
        if value.size and not any(value.strides):
            return value.flat[0].item()
        return {"array": put(value), "dtype": value.dtype.str[1:]}
    if isinstance(value, (list, tuple)):
        return [_value(where, item, put) for item in value]
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    kind = type(value)
    if kind.__name__ != "Layer" and KINDS.get(kind.__name__) is not kind:
        raise TypeError(
            f"{where} is of the class {kind.__name__!r}, which is not one of amsim's: no file can "
            f"hold its code; keep what it is made from, and build the network again"
        )
    parts = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
    return {"class": kind.__name__, **{n: _value(f"{where}.{n}", x, put) for n, x in parts.items()}}


def network_of(document: Any, take: Take, layer: type[Layer], network: type[Network]) -> Network:
    """The network of a document, with its arrays taken from elsewhere."""
    if not isinstance(document, Mapping) or "format" not in document:
        raise ValueError("its JSON is that of something else")
    if document["format"] != FORMAT:
        raise ValueError(f"its format is {checks.shown(document['format'])}, not {FORMAT!r}")
    _same_names("it", document, ("format", "layers", "synapses"))
    layers, links = document["layers"], document["synapses"]
    checks.instance("layers", layers, Mapping, "an object with names")
    checks.instance("synapses", links, list, "a list")
    kinds = {**KINDS, layer.__name__: layer}
    return network(
        {name: _object(f"layers.{name}", x, take, kinds) for name, x in layers.items()},
        [_object(f"synapses.{k}", x, take, kinds) for k, x in enumerate(links)],
    )


def _object(where: str, found: Any, take: Take, kinds: Mapping[str, type]) -> Any:
    if not isinstance(found, Mapping) or "class" not in found:
        raise ValueError(f"{where} must be an object with a class, got {checks.shown(found)}")
    kind = kinds[checks.choice(f"{where}.class", found["class"], tuple(kinds))]
    names = [field.name for field in fields(kind) if field.init]
    _same_names(where, found, ("class", *names))
    parts = {name: _field(f"{where}.{name}", found[name], take, kinds) for name in names}
    try:
        return kind(**parts)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


def _field(where: str, found: Any, take: Take, kinds: Mapping[str, type]) -> Any:
    if not isinstance(found, Mapping):
        return found
    if "array" not in found:
        return _object(where, found, take, kinds)
    _same_names(where, found, ("array", "dtype"))
    dtype = _DTYPES[checks.choice(f"{where}.dtype", found["dtype"], tuple(_DTYPES))]
    array = take(where, found["array"])
    exact = array.astype(dtype)
    if not np.array_equal(exact, array) or (array.dtype.kind == "b") != (dtype.kind == "b"):
        raise ValueError(f"{where} has numbers that are no {dtype}")
    return exact


def _as_lists(array: Array) -> Any:
    return array.tolist()


def _from_lists(where: str, found: Any) -> Array:
    if not isinstance(found, list):
        raise TypeError(f"{where} must be a list of numbers, got {checks.shown(found)}")
    given = checks.plain(where, found)
    return given if given.dtype == bool else checks.array(where, given, dtype=given.dtype)


def known_dtype(where: str, array: Array) -> Array:
    """An array of a type that is written here, in this machine's order of bytes."""
    if array.dtype.str[1:] not in _DTYPES:
        raise ValueError(f"{where} has dtype {array.dtype}, which no network has")
    if array.dtype == bool:
        return array
    return checks.array(where, array, dtype=array.dtype.newbyteorder("="))


def _same_names(where: str, found: Mapping[str, Any], expected: Collection[str]) -> None:
    if missing := [name for name in expected if name not in found]:
        raise ValueError(f"{where} lacks {', '.join(missing)}")
    if unknown := [name for name in found if name not in expected]:
        raise ValueError(f"{where} has {checks.shown(unknown[0])}, which is not known")
