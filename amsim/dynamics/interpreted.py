"""The compiled steps as plain Python over NumPy: slower, but there at once.

Compiling takes half a minute, once on a machine. A newcomer's first recalls are over long before:
they run through here, with the same source for everything but the innermost loops.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np

from ..compiled import neurons
from ..compiled.jit import in_memory, is_compiled, on_disk
from ..neurons import GROUPS, group
from ..synapses import Array
from . import adams, memory_force

# Steps of one cue that a process takes without compiled code, some seconds' worth, and the
# multiply-adds that take as long as the rest of a step.
_BUDGET, _WORK = 5000.0, 5e5
# Right-hand sides that most cues need.
_USUAL = 80
_taken = 0.0


def preferred(function: Any, arguments: tuple[Any, ...], work: float, batch: int) -> bool:
    """Whether `batch` cues should run without the compiled `function`.

    So it is for small jobs while there is no code for these arguments. `work` counts the
    multiply-adds of one step of one cue.
    """
    if not is_compiled(function):  # NUMBA_DISABLE_JIT
        return True
    if in_memory(function, *arguments) or on_disk(function, *arguments):
        return False
    return _taken + _USUAL * batch * (1.0 + work / _WORK) <= _BUDGET


def exhausted(steps: int, work: float) -> bool:
    """Count steps taken without compiled code; whether that is enough of it."""
    global _taken  # of the process, as is what it has compiled
    _taken += steps * (1.0 + work / _WORK)
    return _taken > _BUDGET


@cache
def interpreted() -> SimpleNamespace:
    """The functions of `adams` and `memory_force` in Python, and innermost loops as below."""
    modules = (neurons, adams, memory_force)
    names = {name: value for module in modules for name, value in vars(module).items()}
    for name, value in list(names.items()):
        function = getattr(value, "py_func", value)
        if getattr(function, "__module__", "") in {module.__name__ for module in modules} and (
            isinstance(function, FunctionType)
        ):
            names[name] = FunctionType(function.__code__, names, name, function.__defaults__)
    for function in (
        _combine,
        _add,
        _shift,
        _push,
        _largest,
        _distance,
        _project_one,
        memory_force_,
    ):
        names[function.__name__.rstrip("_")] = function
    for name in ("sweep", "predict_running", "finish_running"):
        names[name] = _quiet(names[name])
    return SimpleNamespace(**names)


def _quiet(function: Any) -> Any:
    """Let infinities come and go as they do in compiled code; records get their attributes."""

    def call(steps: Any, *arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(steps._replace(cues=steps.cues.view(np.recarray)), *arguments)

    return call


def _combine(
    x: Array, shift: int, keep: float, dd: Array, weight: Array, terms: int, b: int,
    start: int, stop: int, out: Array, row: int,
) -> None:  # fmt: skip
    ahead = slice(shift + start, shift + stop)
    out[row, ahead] = keep * x[b, ahead] + weight[:terms] @ dd[b, :terms, start:stop]


def _add(
    source: Array, b: int, factor: float, start: int, stop: int, out: Array, row: int, shift: int
) -> None:
    out[row, shift + start : shift + stop] += factor * source[b, start:stop]


def _shift(
    drive: Array, used: Array, b: int, weight: float, start: int, stop: int, new: Array, shift: int
) -> tuple[Any, Any]:
    change = drive[b, start:stop] - used[b, start:stop]
    new[b, shift + start : shift + stop] += weight * change
    return np.fmax.reduce(np.abs(change)), np.abs(drive[b, start:stop]).sum()


def _push(dd: Array, b: int, j: int, carry: Array, span: float, start: int, stop: int) -> Any:
    value = (carry[b, start:stop] - dd[b, j, start:stop]) / span
    dd[b, j, start:stop] = carry[b, start:stop]
    carry[b, start:stop] = value
    return np.fmax.reduce(np.abs(value))


def _largest(x: Array, b: int, start: int, stop: int) -> Any:
    return np.fmax.reduce(np.abs(x[b, start:stop]))


def _distance(
    drives: Array, leak: float, state: Array, b: int, start: int, stop: int
) -> tuple[Any, Any]:
    size = np.abs(drives[b, start:stop] - leak * state[b, start:stop])
    return np.fmax.reduce(size), size.sum()


def _project_one(
    weights: Array, first: int, count: int, query: Array, b: int, out: Array, c: int
) -> None:
    out[c, :count] = weights[first : first + count] @ query[b]


def memory_force_(memories: Any, cues: Array, size: int, work: Any) -> None:
    """All listed cues at once: two matrix products."""
    listed = cues[:size]
    weights = memories.weights.astype(np.float64)
    state = work.query[listed] @ weights.T + memories.bias
    if memories.offset.shape[1]:
        state += work.decay[listed, None] * memories.offset[listed]
    if memories.kind in GROUPS:
        shares = group(memories.kind, memories.parameter, memories.alpha).activation(state)
    else:
        shares = np.vectorize(interpreted().activation, otypes=[float])(
            memories.kind, memories.parameter, state
        )
    work.drive[listed] = shares @ weights
