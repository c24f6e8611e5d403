"""Plans on disk: numbers as JSON, arrays beside it as .npz; nothing is pickled.

``plan.json`` holds the format, the scalars of the plan by part, the proven ranges for a reader,
and the name and SHA-256 of the file with the arrays, whose names are those of the attributes:
"weights", "visible.decay", "network.patterns", ...
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import amsim as am

from . import ranges
from .plan import Hidden, Normaliser, Plan, Visible
from .units import values

Arrays = dict[str, NDArray[Any]]
_FORMAT = "amsim plan 1"
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


def from_parts(scalars: dict[str, Any], arrays: Arrays) -> Plan:
    """The inverse of `to_parts`."""

    def part(name: str) -> dict[str, Any]:
        prefix = f"{name}."
        own = {n.removeprefix(prefix): x for n, x in arrays.items() if n.startswith(prefix)}
        return {**scalars[name], **own}

    network = am.Network(
        {
            name: am.Layer(
                len(arrays[f"network.{name}.tau"]),
                _LAGRANGIANS[chosen["name"]](**chosen["parameters"]),
                tau=arrays[f"network.{name}.tau"],
                bias=arrays[f"network.{name}.bias"],
            )
            for name, chosen in scalars["network"].items()
        },
        [am.Dense(arrays["network.patterns"], between=("hidden", "visible"))],
    )
    return Plan(
        network=network,
        weights=arrays["weights"],
        visible=Visible(**part("visible")),
        hidden=Hidden(**part("hidden")),
        normaliser=Normaliser(**scalars["normaliser"]) if "normaliser" in scalars else None,
        **scalars["plan"],
    )


def save(plan: Plan, path: str | Path, *, force: bool = False) -> Path:
    """Write ``<name>.json`` and ``<name>.npz``.

    Parameters
    ----------
    plan : Plan
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
    path = Path(path)
    if path.suffix != ".json":
        raise ValueError(f"{path}: a plan is saved as .json, with its arrays beside it as .npz")
    require_folder(path)
    beside = path.with_suffix(".npz")
    for each in (path, beside):
        if each.exists() and not force:
            raise FileExistsError(f"{each} exists; pass force=True to replace it")
    scalars, arrays = to_parts(plan)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    document = {
        "format": _FORMAT,
        "verified_on_hardware": False,
        **scalars,
        "ranges": [{**asdict(signal), "bits": signal.bits} for signal in ranges.check(plan)],
        "arrays": {"file": beside.name, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()},
    }
    text = json.dumps(document, indent=2)
    # Written beside and renamed: what breaks off leaves no half file under the name.
    for target, content in ((beside, buffer.getvalue()), (path, text.encode() + b"\n")):
        partial = target.with_name(target.name + ".partial")
        try:
            partial.write_bytes(content)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    return path


def load(path: str | Path) -> Plan:
    """Read what `save` wrote, and prove the ranges again.

    Raises
    ------
    FileNotFoundError
        If one of the files is missing.
    ValueError
        If a file is damaged, is something else, or does not belong to the other.
    """
    path = Path(path)
    try:
        document = _document(path)
        content = _arrays(path, Path(document["arrays"]["file"]).name)
        if hashlib.sha256(content).hexdigest() != document["arrays"]["sha256"]:
            raise ValueError("its arrays are those of another plan, or are damaged")
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        plan = from_parts(document, arrays)
        ranges.check(plan)
        return plan
    except OSError:
        raise
    except KeyError as error:
        raise ValueError(f"{path} is not a plan or is damaged: {error} is missing") from error
    except Exception as error:
        raise ValueError(f"{path} is not a plan or is damaged: {error}") from error


def _arrays(path: Path, name: str) -> bytes:
    beside = path.with_name(name)
    if not beside.exists():
        why = f"no such file; it holds the arrays of {path.name} and belongs beside it"
        raise FileNotFoundError(errno.ENOENT, why, str(beside))
    return beside.read_bytes()


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"it is not JSON ({error})") from error
    if not isinstance(document, dict) or "format" not in document:
        raise ValueError("it is JSON of something else; amsim map and Plan.save write plans")
    if document["format"] != _FORMAT:
        raise ValueError(f"its format is {document['format']!r}, not {_FORMAT!r}")
    return document


def require_folder(path: Path) -> None:
    """Raise if the folder that a file is to go into is not there."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}; make it")


def _patterns(network: am.Network) -> NDArray[Any]:
    (synapse,) = network.synapses
    assert isinstance(synapse, am.Dense)
    return synapse.weights if synapse.between == ("hidden", "visible") else synapse.weights.T


def _lagrangian(lagrangian: am.Lagrangian) -> dict[str, Any]:
    return {"name": type(lagrangian).__name__, "parameters": asdict(lagrangian)}  # type: ignore[call-overload]
