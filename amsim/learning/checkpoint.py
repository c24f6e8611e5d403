"""What a training has reached, and its file: written after every epoch, and taken up again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..files import naming_damage, open_archive, write_atomically
from ..parameters import Tree
from ..synapses import Array
from .optimiser import leaves, with_leaves

FORMAT = "amsim training 2"
_TREES = ("parameters", "optimiser", "best", "chains")
_HISTORY = {"losses": float, "left_out": int, "validation": float}


@dataclass(eq=False)
class State:
    """Everything that a checkpoint holds."""

    parameters: Tree
    optimiser: Any
    best: Tree
    chains: dict[str, Array]
    losses: list[float] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """How many are done."""
        return len(self.losses)


def save(path: Path, state: State, about: Mapping[str, Any]) -> None:
    """Write a state, and what it is a state of."""
    arrays = {
        f"{name}_{k}": array
        for name in _TREES
        for k, array in enumerate(leaves(getattr(state, name)))
    }
    history = {name: getattr(state, name) for name in _HISTORY}
    document = json.dumps({"format": FORMAT, **about, **history})
    write_atomically(path, lambda file: np.savez(file, json=np.array(document), **arrays))  # type: ignore[arg-type]


def load(path: Path, start: State, about: Mapping[str, Any], validated: bool) -> State:
    """The state in a file, whose trees are like those of `start`.

    Raises
    ------
    ValueError
        If the file is damaged, or that of another training.
    """
    with naming_damage(path, "a checkpoint", "train"), open_archive(path) as archive:
        document = archive.json()
        if not isinstance(document, Mapping) or document.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT!r}")
        for name, value in about.items():
            if (old := document.get(name)) != value:
                counted = f"{name} {old!r}, not {value!r}"
                told = counted if isinstance(value, int) else f"another {name}"
                raise ValueError(
                    f"it is of a training with {told}: pass another path, or remove it"
                )
        history: dict[str, Any] = {
            name: _numbers(document, name, kind) for name, kind in _HISTORY.items()
        }
        counts = {name: len(values) for name, values in history.items()}
        if counts["validation"] != counts["losses"] * validated:
            raise ValueError(
                f"it has {counts['losses']} epochs, {counts['validation']} of them with a value of "
                f"validate: pass another path, or the validate that it had"
            )
        if counts["left_out"] != counts["losses"]:
            raise ValueError("its losses and left_out are of different lengths")
        trees: dict[str, Any] = {
            name: _tree(archive, name, getattr(start, name)) for name in _TREES
        }
        return State(**trees, **history)


def _numbers(document: Mapping[str, Any], name: str, kind: type) -> list[Any]:
    values = document.get(name)
    if not isinstance(values, list) or not all(type(x) in (int, float) for x in values):
        raise ValueError(f"its {name} are no list of numbers")
    return [kind(x) for x in values]


def _tree(archive: Mapping[str, Array], name: str, old: Any) -> Any:
    arrays = []
    for k, expected in enumerate(leaves(old)):
        if (key := f"{name}_{k}") not in archive:
            raise ValueError(f"it lacks {key!r}")
        found = archive[key]
        if found.shape != expected.shape or found.dtype.kind not in "biuf":
            raise ValueError(f"its {name} do not have the shapes of this network")
        if not np.isfinite(found).all():
            raise ValueError(f"its {name} are not finite")
        arrays.append(found)
    return with_leaves(old, iter(arrays))


def fingerprint(*given: Any) -> str:
    """The same text for the same values, in any process; objects count by what they say."""
    total = hashlib.sha256()
    for part in _parts(given):
        total.update(len(part).to_bytes(8, "little") + part)
    return total.hexdigest()[:32]


def _parts(value: Any) -> Iterator[bytes]:
    yield type(value).__qualname__.encode()
    if isinstance(value, np.ndarray):
        yield f"{value.dtype.str} {value.shape}".encode()
        yield value.tobytes()
    elif isinstance(value, Mapping):
        for name in sorted(value):
            yield str(name).encode()
            yield from _parts(value[name])
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from _parts(each)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for each in dataclasses.fields(value):
            yield from _parts(getattr(value, each.name))
    else:
        yield re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value)).encode()  # of this process alone
