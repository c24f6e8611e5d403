"""Plans on disk: numbers as JSON, arrays beside it as .npz; nothing is pickled.

``plan.json`` holds the format, the scalars of the plan by part, the proven ranges for a reader,
and the name and SHA-256 of the file with the arrays, whose names are those of the attributes:
"weights", "visible.decay", "network.patterns", ...

The checksum finds damage and files that were mixed up. It is no signature: who edits a file can
write the checksum anew. So nothing in a file is believed: `restore` checks every number and
repeats the proof.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import amsim as am
from amsim import checks
from amsim.files import (
    MAX_BYTES,
    open_archive,
    parse_json,
    read_text,
    refuse_existing,
    write_atomically,
)

from . import domain, origin, ranges
from .graphs import bounds
from .graphs.files import restore as restore_graph
from .graphs.files import to_parts as graph_parts
from .graphs.plan import GraphPlan
from .plan import Hidden, Normaliser, Plan, Visible
from .units import values

Arrays = dict[str, Any]  # of NumPy, by name
_FORMAT, _GRAPH_FORMAT = "amsim plan 1", "amsim graph plan 1"
_LAYERS = ("visible", "hidden")
_LAGRANGIANS: dict[str, type[am.Lagrangian]] = {
    kind.__name__: kind
    for kind in (am.Identity, am.Tanh, am.Sign, am.Softmax, am.ReLU, am.RectifiedPower)
}


def to_parts(plan: Plan) -> tuple[dict[str, Any], Arrays]:
    """The plan as nested scalars and named arrays."""
    layers = plan.network.layers
    whole: dict[str, dict[str, Any]] = {
        "plan": {
            "chip": plan.chip,
            "weight_bits": plan.weight_bits,
            "dt": plan.dt,
            "steps": plan.steps,
            "weight_scale": plan.weight_scale,
        },
        "visible": values(plan.visible),
        "hidden": values(plan.hidden),
    }
    if plan.normaliser is not None:
        whole["normaliser"] = values(plan.normaliser)
    arrays: Arrays = {"weights": plan.weights, "network.patterns": _patterns(plan.network)}
    scalars: dict[str, Any] = {}
    for part, contents in whole.items():
        scalars[part] = {n: x for n, x in contents.items() if not isinstance(x, np.ndarray)}
        arrays |= {f"{part}.{n}": x for n, x in contents.items() if isinstance(x, np.ndarray)}
    scalars["network"] = {name: _lagrangian(layer.lagrangian) for name, layer in layers.items()}
    for name, layer in layers.items():
        arrays[f"network.{name}.tau"] = np.array(layer.tau)
        arrays[f"network.{name}.bias"] = np.array(layer.bias)
    return scalars, arrays


def restore(scalars: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Plan:
    """The plan that `to_parts` took apart, with every number checked and the proof repeated.

    Raises
    ------
    ValueError, TypeError
        If something is missing or too much, a number is not in its domain (`hardware.domain`), a
        signal may not fit (`hardware.ranges`), or the numbers are those of another network.
    """
    parts: dict[str, type] = {"visible": Visible, "hidden": Hidden}
    if "normaliser" in scalars:
        parts["normaliser"] = Normaliser
    _same_names("the plan", scalars, ("plan", "network", *parts))
    _same_names("the arrays", arrays, array_names(scalars))
    whole = _part("plan", Plan, scalars, {"plan.weights": arrays["weights"]})
    built = {name: _part(name, kind, scalars, arrays) for name, kind in parts.items()}
    plan = Plan(
        network=_network(scalars["network"], arrays),
        visible=Visible(**built["visible"]),
        hidden=Hidden(**built["hidden"]),
        normaliser=Normaliser(**built["normaliser"]) if "normaliser" in built else None,
        **whole,
    )
    ranges.check(plan)
    origin.check_origin(plan)
    return plan


def array_names(scalars: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the arrays that belong to the scalars of a plan."""
    tables = (
        f"{prefix}.{name}"
        for prefix, part in (("visible", Visible), ("hidden", Hidden))
        for name, rule in domain.rules(part).items()
        if isinstance(rule, domain.Table)
    )
    network = (f"network.{layer}.{name}" for layer in _LAYERS for name in ("tau", "bias"))
    return ("weights", *tables, "network.patterns", *network)


def _part(
    name: str, kind: type, scalars: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, Any]:
    """The attributes of a part of a plan, by name."""
    rules = domain.rules(kind)
    tables = [each for each, rule in rules.items() if isinstance(rule, domain.Table)]
    _same_names(name, scalars[name], [each for each in rules if each not in tables])
    return {**scalars[name], **{each: arrays[f"{name}.{each}"] for each in tables}}


def _network(layers: Any, arrays: Mapping[str, NDArray[Any]]) -> am.Network:
    _same_names("network", layers, _LAYERS)
    patterns = arrays["network.patterns"]
    checks.array("network.patterns", patterns, ndim=2, dtype=patterns.dtype)
    sizes = dict(zip(("hidden", "visible"), patterns.shape, strict=True))
    built = {}
    for layer, chosen in layers.items():
        given: dict[str, Any] = {}
        for name in ("tau", "bias"):
            given[name] = checks.array(f"network.{layer}.{name}", arrays[f"network.{layer}.{name}"])
            if given[name].shape != (sizes[layer],):
                raise ValueError(
                    f"network.{layer}.{name} has shape {given[name].shape}, the layer has "
                    f"{sizes[layer]} units"
                )
        built[layer] = am.Layer(sizes[layer], _restored(f"network.{layer}", chosen), **given)
    return am.Network(built, [am.Dense(patterns, between=("hidden", "visible"))])


def _restored(where: str, chosen: Any) -> am.Lagrangian:
    _same_names(where, chosen, ("name", "parameters"))
    kind = _LAGRANGIANS[checks.choice(f"{where}.name", chosen["name"], tuple(_LAGRANGIANS))]
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    _same_names(f"{where}.parameters", chosen["parameters"], names)
    return kind(**{n: checks.number(f"{where}.{n}", chosen["parameters"][n]) for n in names})


def _same_names(where: str, found: Any, expected: Collection[str]) -> None:
    if not isinstance(found, Mapping):
        raise TypeError(f"{where} must have {', '.join(expected)}, got {checks.shown(found)}")
    missing = [name for name in expected if name not in found]
    unknown = [name for name in found if name not in expected]
    if missing:
        raise ValueError(f"{where} lacks {', '.join(missing)}")
    if unknown:
        raise ValueError(f"{where} has {checks.shown(unknown[0])}, which is not known")


def save(plan: Plan | GraphPlan, path: str | Path, *, force: bool = False) -> Path:
    """Write ``<name>.json`` and ``<name>.npz``.

    Parameters
    ----------
    plan : Plan or GraphPlan
    path : str or Path
        Of the JSON file; its suffix has to be ".json".
    force : bool, default False
        Whether existing files may be replaced.

    Raises
    ------
    ValueError
        If the suffix is another one.
    FileExistsError
        If a file exists and force is false.
    FileNotFoundError
        If there is no such folder.
    """
    path, force = checks.path("path", path), checks.flag("force", force)
    if path.suffix != ".json":
        raise ValueError(f"{path}: a plan is saved as .json, with its arrays beside it as .npz")
    require_folder(path)
    beside = path.with_suffix(".npz")
    for each in (path, beside):
        refuse_existing(each, force=force)
    if isinstance(plan, GraphPlan):
        form, (scalars, arrays), signals = _GRAPH_FORMAT, graph_parts(plan), bounds.check(plan)
    else:
        form, (scalars, arrays), signals = _FORMAT, to_parts(plan), ranges.check(plan)
    proven = [{**asdict(signal), "bits": signal.bits} for signal in signals]
    # What is not compressed can be read whatever its size.
    large = sum(array.nbytes for array in arrays.values()) > MAX_BYTES // 2
    packed = np.savez if large else np.savez_compressed
    write_atomically(beside, lambda file: packed(file, **arrays))
    document = {
        "format": form,
        "verified_on_hardware": False,
        **scalars,
        "ranges": proven,
        "arrays": {"file": beside.name, "sha256": digest(beside)},
    }
    text = json.dumps(document, indent=2)
    write_atomically(path, lambda file: file.write(text.encode() + b"\n"))
    return path


def load(path: str | Path) -> Plan | GraphPlan:
    """Read what `save` wrote, check every number, and prove the ranges again.

    Raises
    ------
    FileNotFoundError
        If one of the files is missing.
    ValueError
        If a file is damaged, is something else, or does not belong to the other, or if a number in
        it is not one of a plan that is proven to fit; the message names it.
    """
    path = checks.path("path", path)
    try:
        form, document = _document(path)
        names = document.pop("arrays")
        beside = path.with_name(_arrays_file(path, names["file"]))
        if digest(beside) != names["sha256"]:
            raise ValueError("its arrays are those of another plan, or are damaged")
        if form == _GRAPH_FORMAT:
            with open_archive(beside) as archive:
                return restore_graph(document, {name: archive[name] for name in archive})
        expected = array_names(document)
        with open_archive(beside) as archive:
            _same_names("the file of arrays", archive, expected)
            arrays = {name: archive[name] for name in expected}
        return restore(document, arrays)
    except OSError:
        raise
    except KeyError as error:
        raise ValueError(f"{path} is not a plan or is damaged: {error} is missing") from error
    except Exception as error:
        raise ValueError(f"{path} is not a plan or is damaged: {error}") from error


def _arrays_file(path: Path, name: Any) -> str:
    if not isinstance(name, str) or Path(name).name != name or not name.endswith(".npz"):
        raise ValueError(f"arrays.file must be an .npz file beside it, got {checks.shown(name)}")
    beside = path.with_name(name)
    if not beside.exists():
        why = f"no such file; it holds the arrays of {path.name} and belongs beside it"
        raise FileNotFoundError(errno.ENOENT, why, str(beside))
    if not beside.is_file():  # opening a pipe would wait for ever
        raise ValueError(f"{beside} is not a file")
    return name


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def _document(path: Path) -> tuple[str, dict[str, Any]]:
    """The format and the JSON, without what only a reader needs."""
    content = read_text(path)
    try:
        document = parse_json(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error})") from error
    if not isinstance(document, dict) or "format" not in document:
        raise ValueError("it is JSON of something else; amsim map and Plan.save write plans")
    form = document["format"]
    if form not in (_FORMAT, _GRAPH_FORMAT):
        raise ValueError(f"its format is {checks.shown(document['format'])}, not {_FORMAT!r}")
    if document.get("verified_on_hardware", False) is not False:
        raise ValueError("verified_on_hardware must be false: no plan has run on a chip")
    for name in ("format", "verified_on_hardware", "ranges"):
        document.pop(name, None)
    return form, document


def require_folder(path: Path) -> None:
    """Raise if the folder that a file is to go into is not there."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}; make it")


def _patterns(network: am.Network) -> NDArray[Any]:
    (synapse,) = network.synapses
    assert isinstance(synapse, am.Dense)
    return synapse.weights if synapse.between == ("hidden", "visible") else synapse.weights.T


def _lagrangian(lagrangian: am.Lagrangian) -> dict[str, Any]:
    parameters = asdict(lagrangian)  # type: ignore[call-overload]
    return {
        "name": type(lagrangian).__name__,
        "parameters": {name: float(value) for name, value in parameters.items()},
    }
