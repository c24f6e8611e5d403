"""Plans in the Neuromorphic Intermediate Representation, and back.

Source of the format: Pedersen et al. 2024, Nature Communications 15:8122.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from amsim import checks
from amsim.errors import MissingDependencyError
from amsim.files import MAX_BYTES, parse_json, refuse_existing, write_atomically

from ..errors import MappingError
from ..files import Arrays, require_folder, restore, to_parts
from ..graphs.files import restore as restore_graph
from ..graphs.files import to_parts as graph_parts
from ..graphs.plan import GraphPlan
from ..plan import Plan
from .nir_graph import describe, graph_of, losses, winner_of

_FORMAT = "amsim plan in NIR 1"
_KEY = "amsim"  # of the graph's metadata
# What any plan stays far below: entries of the file and how deep they lie, texts in an array.
_MOST_ENTRIES, _DEEPEST, _MOST_TEXTS = 1000, 10, 100


def nir(
    plan: Plan | GraphPlan,
    path: str | Path,
    *,
    lossy: Literal["refuse", "metadata", "spikes"] = "refuse",
    force: bool = False,
) -> Path:
    """Write what NIR can say of a plan, and the plan itself as metadata beside it.

    Parameters
    ----------
    plan : Plan or GraphPlan
    path : str or Path
        NIR's files end in .nir by custom; they are HDF5.
    lossy : {"refuse", "metadata", "spikes"}, default "refuse"
        NIR has leaky integrators, weights and thresholds, but no softmax, tanh or rectified power,
        no integers and no schedule. "metadata" writes the file all the same: the graph without
        them, and the whole plan as metadata, from which `read_nir` makes an equal plan. A reader
        that ignores the metadata computes something else: see docs/export.md. "spikes" writes a
        graph with one input, of nodes that other frameworks import: which of the softmax memories
        wins, and what it recalls; `read_nir` finds no plan in it.
    force : bool, default False
        Whether an existing file may be replaced.

    Returns
    -------
    Path

    Raises
    ------
    MappingError
        With lossy="refuse": names what NIR cannot say, which is never nothing. With "spikes": if
        there is no winner among softmax memories, or there are too many of them.
    FileExistsError
        If the file exists and force is false.
    MissingDependencyError
        If the package nir is not installed.

    Examples
    --------
    >>> import tempfile, amsim as am, hardware as hw
    >>> from hardware import export
    >>> plan = hw.compile(am.dense_am(am.patterns.random(3, 16, seed=0)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = export.nir(plan, f"{folder}/plan.nir", lossy="metadata")
    ...     export.read_nir(path) == plan
    True
    """
    if not isinstance(plan, GraphPlan):
        checks.instance("plan", plan, Plan, "a Plan (hardware.compile makes one)")
    checks.choice("lossy", lossy, ("refuse", "metadata", "spikes"))
    path, force = checks.path("path", path), checks.flag("force", force)
    if lossy == "refuse":
        raise MappingError(
            f"NIR cannot say: {'; '.join(losses(plan))}. A reader of the file would compute "
            f"another network; pass lossy='metadata' to write the rest, with the plan beside it "
            f"for read_nir"
        )
    require_folder(path)
    refuse_existing(path, force=force)
    library = _library()
    if lossy == "spikes":
        graph = winner_of(plan, library)
    else:
        graph = graph_of(plan, library)
        graph.metadata = {_KEY: _metadata(plan)}
    buffer = io.BytesIO()  # HDF5 reads what it writes
    library.write(buffer, graph)
    if lossy == "spikes":
        _leave_out_resets(buffer)
    write_atomically(path, lambda file: file.write(buffer.getbuffer()))
    return path


def read_nir(path: str | Path) -> Plan | GraphPlan:
    """Read a plan that `nir` wrote, check every number, and prove its ranges again.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is something else or damaged, has no plan in its metadata, or its graph was changed
        since; if a number is not one of a plan that is proven to fit; or if it is too large.
    """
    path = checks.path("path", path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    library = _library()
    try:
        _check_sizes(path)
        graph = library.read(path)
        plan = _plan(graph.metadata)
        if describe(graph) != describe(graph_of(plan, library)):
            raise ValueError("its graph and the plan in its metadata are not of the same network")
        return plan
    except Exception as error:
        cause = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f"{path} is not a plan in NIR or is damaged: {cause or type(error).__name__}"
        ) from error


def _leave_out_resets(file: io.BytesIO) -> None:
    """Of the potential that neurons are reset to, where it is the 0 that readers assume.

    NIR 1.0.4, which sinabs reads with, does not know it and fails.
    """
    import h5py

    with h5py.File(file, "r+") as opened:
        for node in opened["node/nodes"].values():
            if "v_reset" in node and not node["v_reset"][()].any():
                del node["v_reset"]


def _library() -> Any:
    try:
        return import_module("nir")
    except ImportError as error:
        raise MissingDependencyError(
            f"NIR files need the package nir ({error}): `pip install nir`, or keep plans with "
            f"Plan.save"
        ) from error


def _metadata(plan: Plan | GraphPlan) -> dict[str, Any]:
    scalars, arrays = graph_parts(plan) if isinstance(plan, GraphPlan) else to_parts(plan)
    text = json.dumps({"verified_on_hardware": False, **scalars})
    return {
        "format": _FORMAT,
        "not_in_the_graph": "; ".join(losses(plan)),
        "plan": text,
        "arrays": arrays,
        "sha256": _digest(text, arrays),
    }


def _plan(metadata: Mapping[str, Any]) -> Plan | GraphPlan:
    """The plan in the metadata of a graph."""
    if _KEY not in metadata:
        raise ValueError(
            "it has no metadata of amsim, and a graph alone has no activations and no integers: "
            "build the network with amsim and compile it"
        )
    own = metadata[_KEY]
    if own["format"] != _FORMAT:
        raise ValueError(f"its format is {own['format']!r}, not {_FORMAT!r}")
    if own["sha256"] != _digest(own["plan"], own["arrays"]):
        raise ValueError("its metadata do not have their checksum")
    scalars = parse_json(own["plan"])
    if not isinstance(scalars, dict) or scalars.pop("verified_on_hardware", False) is not False:
        raise ValueError("verified_on_hardware must be false: no plan has run on a chip")
    again = restore_graph if "graph" in scalars else restore
    return again(scalars, own["arrays"])


def _check_sizes(path: Path) -> None:
    """Raise unless a file ends, holds nothing but its own arrays, and those within limits."""
    import h5py

    if not path.is_file():
        raise ValueError("it is not a file")
    room, entries = max(MAX_BYTES, path.stat().st_size), 0
    with h5py.File(path, "r") as file:
        groups = [(file, 0)]
        while groups:
            group, depth = groups.pop()
            for name in group:
                entries += 1
                if entries > _MOST_ENTRIES or depth > _DEEPEST:
                    raise ValueError("it has more parts than any plan")
                if type(group.get(name, getlink=True)) is not h5py.HardLink:
                    raise ValueError(f"{name!r} is a link to something else")
                item = group[name]
                if isinstance(item, h5py.Group):
                    groups.append((item, depth + 1))
                    continue
                if item.external or item.is_virtual:
                    raise ValueError(f"{name!r} is in another file")
                if item.dtype.hasobject and item.size > _MOST_TEXTS:
                    raise ValueError(f"{name!r} has more texts than any plan")
                room -= item.size * item.dtype.itemsize
                if room < 0:
                    raise ValueError(f"it unpacks to more than {MAX_BYTES:,} bytes")


def _digest(text: str, arrays: Arrays) -> str:
    found = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()
