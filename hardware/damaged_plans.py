"""Plans whose files were edited, with the checksum written anew, for tests and benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import exact, files, random_plans
from .jobs import prepare
from .plan import Plan

# What an edit may put in place of a number: edges of widths and kinds of JSON.
_VALUES: tuple[Any, ...] = (
    0, 1, -1, 2, 7, 23, 40, 63, 64, 127, -128, 255, 4095, 4096, 4097, 12288, 65535, 65536,
    2**22, 2**23 - 1, 2**23, 2**24, 2**31, 2**40, 2**52, 2**63 - 1, 2**63, -(2**63), 10**30,
    0.0, 0.5, 8.0, -1.0, 1e-300, 1e300, 1e9, float("nan"), float("inf"), float("-inf"),
    None, True, False, "", "x", "8", "banana", "tanh", "sign", "identity", "softmax", "power",
    [], [1], [[1, 2]], {}, {"name": "Tanh"},
)  # fmt: skip
_NUMBERS = [v for v in _VALUES if type(v) is float or (type(v) is int and -(2**63) <= v < 2**63)]


def edited(rng: np.random.Generator, plan: Plan, folder: Path) -> tuple[Path, str]:
    """Save a plan, change one to three numbers in its files, and make the checksum right.

    Returns
    -------
    path : Path
    what : str
        The changes, in words.
    """
    path = plan.save(folder / "plan.json", force=True)
    document = json.loads(path.read_text())
    with np.load(path.with_suffix(".npz")) as file:
        arrays = {name: file[name] for name in file.files}
    changes = []
    for _ in range(rng.integers(1, 4)):
        if rng.random() < 0.6:
            changes.append(_edit_number(rng, document))
        else:
            changes.append(_edit_array(rng, arrays))
    np.savez(path.with_suffix(".npz"), **arrays)
    document["arrays"]["sha256"] = files.digest(path.with_suffix(".npz"))
    path.write_text(json.dumps(document))
    return path, "; ".join(changes)


def overflow(rng: np.random.Generator, plan: Plan, periods: int = 4) -> str:
    """What overflows when hard cues are recalled in exact arithmetic; empty if nothing does."""
    if plan.period > 200:  # exact arithmetic is slow; the rounds of a period repeat each other
        periods = 1
    cues = random_plans.hard_cues(rng, plan, 2)
    inputs = random_plans.jumping_inputs(rng, plan, 2)
    job, _ = prepare(plan, cues, steps=periods * min(plan.period, 2000), inputs=inputs)
    try:
        for cue in range(2):
            exact.recall(plan, job, cue)
    except exact.Overflow as error:
        return str(error)
    return ""


def _edit_number(rng: np.random.Generator, document: dict[str, Any]) -> str:
    places = [
        (part, name)
        for part in ("plan", "visible", "hidden", "normaliser", "network")
        for name in document.get(part) or ()
        if isinstance(document[part], dict)
    ]
    if not places:
        return "nothing"
    part, name = places[rng.integers(len(places))]
    old = document[part][name]
    document[part][name] = new = _changed(rng, old)
    return f"{part}.{name}: {old!r} to {new!r}"


def _changed(rng: np.random.Generator, old: Any) -> Any:
    kind = rng.integers(4)
    if isinstance(old, (int, float)) and not isinstance(old, bool) and kind > 0:
        nearby = (old + 1, old - 1, old * 2, old // 2, -old, old + 3, float(old), old * 1.5)
        return nearby[rng.integers(len(nearby))]
    return _VALUES[rng.integers(len(_VALUES))]


def _edit_array(rng: np.random.Generator, arrays: dict[str, NDArray[Any]]) -> str:
    name = sorted(arrays)[rng.integers(len(arrays))]
    array = arrays[name].copy()
    kind = rng.integers(6)
    if kind == 0:
        shapes = (array[:0], array.ravel(), array[None], array.reshape(-1)[:1], array[..., None])
        arrays[name] = shapes[rng.integers(len(shapes))]
    elif kind == 1:
        dtypes = ("f8", "f4", "i4", "i8", ">i8", "u8", "i1", "?", "c16", "U3", "M8[s]")
        with np.errstate(invalid="ignore"):
            arrays[name] = array.astype(dtypes[rng.integers(len(dtypes))])
    elif kind == 2 and len(arrays) > 1:
        del arrays[name]
    elif array.size:
        new: Any = _NUMBERS[rng.integers(len(_NUMBERS))]
        if kind > 3:
            new = array.flat[0] * 2 if array.dtype.kind in "iuf" else new
        with np.errstate(invalid="ignore", over="ignore"):
            array.flat[rng.integers(array.size)] = np.array(new).astype(array.dtype)
        arrays[name] = array
    return f"{name} edited ({kind})"
