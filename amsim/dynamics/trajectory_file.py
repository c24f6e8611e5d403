"""Files of trajectories: .npz archives of arrays and one JSON text, without pickled objects."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..files import Archive, naming_damage, open_archive, refuse_existing, write_atomically
from ..synapses import Array
from .problem import SETTLED, STATUSES, Stored
from .recording import Kept

if TYPE_CHECKING:
    from .trajectory import Trajectory

FORMAT = "amsim trajectory 2"
_OF_SOME = re.compile(r"\d+ of \d+ cues of a run: ")  # the words are those of all its cues
_COUNTS = ("rhs", "accepted", "rejected")
_EVENTS = {"time": "f", "layer": "U", "unit": "i", "value": "f", "cue": "i"}


def save(traj: Trajectory, path: str | Path, *, force: bool) -> Path:
    """Write a trajectory; see `Trajectory.save`."""
    path, force = checks.path("path", path), checks.flag("force", force)
    if path.suffix != ".npz":
        path = path.with_name(f"{path.name}.npz")
    refuse_existing(path, force=force)
    meta = {
        "format": FORMAT,
        "layers": {name: state.shape[traj.codes.ndim :] for name, state in traj.final.items()},
        "message": traj.message,
        "time_label": traj.time_label,
        "stats": {k: v for k, v in traj.stats.items() if k != "rhs_per_cue"},
        "directed": traj.directed,
        "odd": traj.odd,
        "recorded": traj.recorded,
    }
    arrays = {
        "times": traj.times,
        **({"energy": traj.energy} if traj.has_energy else {}),
        "codes": traj.codes,
        "settle_times": traj.settle_times,
        "end_times": traj.end_times,
        "rhs_per_cue": traj.stats["rhs_per_cue"],
        "json": np.array(json.dumps(meta, default=np.ndarray.tolist)),
        **{f"state/{name}": traj[name] for name in traj},
        **{f"final/{name}": state for name, state in traj.final.items()},
    }
    if traj.events is not None:
        arrays["events"] = np.asarray(traj.events)
    if traj.crossings is not None:
        arrays["crossings"] = np.asarray(traj.crossings)
    write_atomically(path, lambda file: np.savez(file, **arrays))
    return path


def load(path: str | Path, *, max_bytes: int) -> dict[str, Any]:
    """What a trajectory is made of; see `Trajectory.load`."""
    path = checks.path("path", path)
    max_bytes = checks.count("max_bytes", max_bytes, at_least=0, at_most=sys.maxsize)
    with (
        naming_damage(path, "a trajectory", "Trajectory.save"),
        open_archive(path, max_bytes=max_bytes) as archive,
    ):
        return _read(archive)


def _read(archive: Archive) -> dict[str, Any]:
    meta = _meta(archive)
    layers, recorded = meta["layers"], meta["recorded"]
    kept = layers if recorded is None else {name: shape for name, (shape, _) in recorded.items()}
    batch = _array(archive, "codes", "i", None).shape
    count = len(_array(archive, "times", "f", None))
    shapes = {
        "times": ("f", (count,)),
        **({} if meta["directed"] or recorded is not None else {"energy": ("f", (count, *batch))}),
        "codes": ("i", batch),
        "settle_times": ("f", batch),
        "end_times": ("f", batch),
        "rhs_per_cue": ("i", batch),
        **{f"state/{name}": ("f", (count, *batch, *shape)) for name, shape in kept.items()},
        **{f"final/{name}": ("f", (*batch, *shape)) for name, shape in layers.items()},
    }
    more = set(archive) - {"json", "events", "crossings", *shapes}
    _require(not more, f"{sorted(more)} are none of its members")
    arrays = {name: _array(archive, name, *expected) for name, expected in shapes.items()}
    _check_values(arrays)
    _check_settled(arrays, layers)
    begins = _beginnings(arrays["codes"])
    fits = meta["message"].startswith(begins) or _OF_SOME.match(meta["message"])
    _require(bool(fits), "its 'message' does not fit its 'codes'")
    stats = _stats(meta["stats"], arrays["rhs_per_cue"])
    events = None
    if "events" in archive:
        events = _events(archive["events"], layers, arrays["end_times"])
    crossings = None
    if "crossings" in archive:
        crossings = _crossings(archive["crossings"], layers, arrays["end_times"])
    return dict(
        times=arrays["times"],
        layers=layers,
        record=Stored(_states(arrays, "state/", kept, (count, -1))),
        kept=None if recorded is None else {n: Kept(*entry) for n, entry in recorded.items()},
        final=Stored(_states(arrays, "final/", layers, (1, -1))),
        energy=lambda: arrays["energy"],
        directed=meta["directed"],
        odd=meta["odd"],
        codes=arrays["codes"],
        settle_times=arrays["settle_times"],
        end_times=arrays["end_times"],
        message=lambda: str(meta["message"]),
        stats=stats,
        batch=batch,
        time_label=meta["time_label"],
        events=events,
        crossings=None if crossings is None else lambda: crossings,
    )


def _require(holds: bool, why: str) -> None:
    if not holds:
        raise ValueError(why)


def _meta(archive: Archive) -> dict[str, Any]:
    """The JSON text, with the shapes of the layers as tuples."""
    meta = archive.json()
    _require(isinstance(meta, dict) and "format" in meta, "its 'json' is that of something else")
    _require(meta["format"] == FORMAT, f"its format is {meta['format']!r}, not {FORMAT!r}")
    for name, kind in (("layers", dict), ("stats", dict), ("message", str), ("time_label", str)):
        _require(isinstance(meta.get(name), kind), f"its 'json' lacks {name!r}")
    for name in ("message", "time_label"):
        _require(meta[name].isprintable(), f"its {name!r} has characters that are no text")
    for name, shape in meta["layers"].items():
        plain = isinstance(shape, list) and all(type(axis) is int and axis > 0 for axis in shape)
        _require(plain, f"its layer {name!r} has shape {shape!r}")
        _require(name.isprintable(), f"its layer {name!r} has characters that are no text")
    _require(bool(meta["layers"]), "it has no layers")
    for key in ("directed", "odd"):
        names = meta.setdefault(key, [])  # files of earlier versions know of none
        plain = isinstance(names, list) and all(isinstance(name, str) for name in names)
        _require(plain and all(map(str.isprintable, names)), f"its {key!r} is no list of names")
    layers = {name: tuple(shape) for name, shape in meta["layers"].items()}
    return {**meta, "layers": layers, "recorded": _recorded(meta.get("recorded"), layers)}


def _recorded(found: Any, layers: Mapping[str, tuple[int, ...]]) -> Any:
    """What was recorded, by name: its shape, and units of a layer if these are some of it."""
    if found is None:
        return None
    _require(isinstance(found, dict), "its 'recorded' is no mapping")
    entries = {}
    for name, entry in found.items():
        fits = isinstance(entry, list) and len(entry) == 2 and name.isprintable()
        _require(fits, f"its record of {name!r} has not a shape and units")
        shape, units = entry
        plain = isinstance(shape, list) and all(type(axis) is int and axis >= 0 for axis in shape)
        _require(plain, f"its record of {name!r} has shape {shape!r}")
        if units is not None:
            size = math.prod(layers.get(name, (0,)))
            of_layer = isinstance(units, list) and all(
                type(unit) is int and 0 <= unit < size for unit in units
            )
            _require(of_layer and shape == [len(units)], f"its record of {name!r} has other units")
            units = np.array(units, np.int64)
        elif name in layers:
            _require(tuple(shape) == layers[name], f"its record of {name!r} has another shape")
        entries[name] = tuple(shape), units
    return entries


def _array(archive: Archive, name: str, kind: str, shape: tuple[int, ...] | None) -> Array:
    """A member of 64-bit floats ("f") or integers ("i") in its shape; by default any."""
    _require(name in archive, f"it lacks {name!r}")
    array = archive[name]
    numbers = array.dtype.kind == kind and array.dtype.itemsize == 8
    _require(numbers, f"its {name!r} has dtype {array.dtype}, not {kind}8")
    if shape is not None:
        _require(array.shape == shape, f"its {name!r} has shape {array.shape}, expected {shape}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _check_values(arrays: Mapping[str, Array]) -> None:
    """Raise ValueError for numbers that no run writes."""
    times, codes, ends = arrays["times"], arrays["codes"], arrays["settle_times"]
    _require(times.ndim == 1 and times.size > 0, "its 'times' are no list of times")
    rising = np.isfinite(times).all() and bool((times[1:] > times[:-1]).all())
    _require(bool(rising), "its 'times' are not finite and increasing")
    _require(codes.size > 0, "it has no cues")
    known = codes.min() >= 0 and codes.max() < len(STATUSES)
    _require(known, f"its 'codes' are not from 0 to {len(STATUSES) - 1}")
    settled = codes == SETTLED
    as_said = np.isnan(ends[~settled]).all() and (ends == arrays["end_times"])[settled].all()
    _require(bool(as_said), "its 'settle_times' do not fit its 'codes' and 'end_times'")
    within = (arrays["end_times"] >= times[0]) & (arrays["end_times"] < np.inf)
    _require(bool(within.all()), "its 'end_times' are not within the run")
    _require(arrays["rhs_per_cue"].min() >= 0, "its 'rhs_per_cue' are negative")


def _check_settled(arrays: Mapping[str, Array], layers: Mapping[str, Any]) -> None:
    """Raise ValueError where a cue is said to have settled at no state."""
    settled = arrays["codes"] == SETTLED
    for name in layers:
        finite = np.isfinite(arrays[f"final/{name}"][settled]).all()
        _require(bool(finite), f"its final states of layer {name!r} are not finite, but settled")


def _beginnings(codes: Array) -> tuple[str, ...]:
    """How the message of a run with these codes begins; see `trajectory._message`."""
    number = {name: int(np.sum(codes == code)) for code, name in enumerate(STATUSES)}
    if number["interrupted"]:
        return ("interrupted",)
    for status, words in (("max_events", "sent"), ("stalled", "stalled"), ("diverged", "diverged")):
        if number[status]:
            return (f"{number[status]} of {codes.size} cues {words}",)
    if number["stopped"] and not number["time_limit"]:
        return (f"{number['stopped']} of {codes.size} cues stopped",)
    if number["time_limit"]:
        return ("ran to", f"{number['time_limit']} of {codes.size} cues did not settle")
    return (f"{codes.size} of {codes.size} cues settled",)


def _stats(found: Mapping[str, Any], per_cue: Array) -> dict[str, Any]:
    """Counts, the wall time, and what a solver adds: arrays (*batch) or a dict of them."""
    stats = dict(found)
    for name in _COUNTS:
        value = stats.get(name, "missing")
        plain = (value is None and name != "rhs") or (type(value) is int and 0 <= value < 2**63)
        _require(plain, f"its count {name!r} is {value!r}")
    _require(stats["rhs"] == per_cue.sum(), "its count 'rhs' is not that of all cues")
    wall = stats.get("wall_time", "missing")
    _require(type(wall) in (int, float) and 0 <= wall < math.inf, f"its 'wall_time' is {wall!r}")
    for name in stats.keys() - {*_COUNTS, "wall_time"}:
        stats[name] = _numbers(name, stats[name], per_cue.shape)
    return {**stats, "rhs_per_cue": per_cue}


def _numbers(name: str, value: Any, batch: tuple[int, ...]) -> Any:
    """Lists in JSON were arrays."""
    if isinstance(value, dict):
        return {part: _numbers(f"{name}/{part}", x, batch) for part, x in value.items()}
    array = np.asarray(value)  # uneven rows: a ValueError
    fits = array.dtype.kind in "if" and array.shape == batch
    _require(fits, f"its statistic {name!r} is not a number for each cue")
    return array


def _events(found: NDArray[Any], layers: Mapping[str, tuple[int, ...]], ends: Array) -> Any:
    """Messages, of units and cues that there are."""
    fields: Any = found.dtype.fields or {}
    kinds = {name: field[0].kind for name, field in fields.items()}
    _require(kinds == _EVENTS and found.ndim == 1, "its 'events' are no list of messages")
    events = found.view(np.recarray)
    within = (events.time > -np.inf) & (events.time <= ends.max())
    _require(bool(within.all()), "its 'events' have times that are not within the run")
    cue_known = (events.cue >= 0) & (events.cue < ends.size)
    _require(bool(cue_known.all()), "its 'events' are of cues that there are not")
    sizes = {name: math.prod(shape) for name, shape in layers.items()}
    for name in np.unique(events.layer):
        size = sizes.get(name, sizes.get(name.removesuffix(" normaliser"), 0))
        units = events.unit[events.layer == name]
        inside = units.min() >= 0 and units.max() < size
        _require(inside, f"its 'events' are of units that {str(name)!r} has not")
    return events


def _crossings(found: NDArray[Any], layers: Mapping[str, tuple[int, ...]], ends: Array) -> Any:
    """What was watched, of cues that there are, before they ended."""
    fields: Any = found.dtype.fields or {}
    kinds = {name: (field[0].base.kind, field[0].shape) for name, field in fields.items()}
    states = {name: ("f", shape) for name, shape in layers.items()}
    expected = {"time": ("f", ()), "name": ("U", ()), "cue": ("i", ()), **states}
    _require(kinds == expected and found.ndim == 1, "its 'crossings' are no list of crossings")
    crossings = found.view(np.recarray)
    known = (crossings.cue >= 0) & (crossings.cue < ends.size)
    _require(bool(known.all()), "its 'crossings' are of cues that there are not")
    within = crossings.time <= ends.ravel()[crossings.cue]
    _require(bool(within.all()), "its 'crossings' have times after the end of their cue")
    return crossings


def _states(
    arrays: Mapping[str, Array],
    prefix: str,
    layers: Mapping[str, tuple[int, ...]],
    axes: tuple[int, ...],
) -> dict[str, Array]:
    """States with one batch axis, as a `Reader` gives them."""
    return {name: arrays[prefix + name].reshape(*axes, *shape) for name, shape in layers.items()}
