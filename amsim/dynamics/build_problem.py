"""Validation of the arguments of `simulate`: the `Problem` that solvers get."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..network import Network
from ..patterns import known_units
from ..synapses import Array
from .halting import Settled
from .inputs import Drive, PiecewiseConstant, fit, numbers
from .missing import complete
from .noise import Noise, disturbance
from .problem import Input, Problem, default_times, even_times, horizon, longest_tau

Shape = tuple[int, ...]
Inputs = dict[str, "Array | Drive"]
# Times that are sums of steps may miss t1 by this for each of them, relative to it.
_ROUNDING = float(np.finfo(np.float64).eps)
_MOST_WORKERS = 4096


def build_problem(
    network: Network,
    cue_or_states: ArrayLike | Mapping[str, ArrayLike],
    *,
    t1: float | None = None,
    times: ArrayLike | None = None,
    until: Settled | None = None,
    clamp: Mapping[str, ArrayLike] | ArrayLike | None = None,
    inputs: Mapping[str, Input] | Input | None = None,
    breakpoints: ArrayLike | None = None,
    max_step: float | None = None,
    t0: float = 0.0,
    noise: Noise | None = None,
    missing: ArrayLike | str | None = None,
    seed: checks.Seed = 0,
    workers: int = 1,
) -> tuple[Problem, Shape]:
    """Check the arguments of `simulate`.

    Returns
    -------
    Problem
        With one batch axis.
    tuple of int
        The batch axes of the cue.

    Raises
    ------
    ValueError, TypeError
        As `simulate` does.
    """
    checks.instance("network", network, Network, "a Network")
    if until is not None:
        checks.instance("until", until, Settled, "Settled(...) or None")
    target = _cue_layer(network)
    absent = None
    if missing is not None:
        cue_or_states, absent = _known(network, cue_or_states, target, missing)
    states, batch = _states(network, cue_or_states, target)
    clamped = _clamped(network, clamp, target, batch)
    if noise is not None and t1 is None and times is None:
        raise ValueError("a run with noise does not come to rest: give t1, or times to record")
    t0 = checks.number("t0", t0, at_least=-checks.LARGEST, at_most=checks.LARGEST)
    t0 += 0.0  # no -0.0: paths with noise depend on the bits
    grid, last = _times(network, times, t1, t0, noise is not None)
    external = _inputs(network, inputs, target, batch, t0)
    if absent is not None:
        at_start = {n: x(0.0) if isinstance(x, Drive) else x for n, x in external.items()}
        cues = states["visible"]
        states["visible"] = complete(network, cues, absent.reshape(cues.shape), at_start)
    problem = Problem(
        network=network,
        given=states,
        clamped=clamped,
        inputs=external,
        t1=last,
        times=grid,
        explicit=times is not None,
        tolerance=until.tolerance if until is not None else 0.0,
        seed=checks.seed_number(seed),
        naive=until is not None and until.naive,
        breakpoints=_breakpoints(external, breakpoints, t0, last),
        t0=t0,
        max_step=_max_step(network, external, max_step),
        workers=checks.count("workers", workers, at_most=_MOST_WORKERS),
    )
    if times is None and noise is None and len(problem.breakpoints):
        problem = replace(problem, times=np.union1d(problem.times, problem.breakpoints))
    if noise is not None:
        disturbed = disturbance(network, noise, problem.clamped_units(), batch, problem.seed)
        problem = problem.having(noise=disturbed)
    return problem, batch


def _cue_layer(network: Network) -> str | None:
    """The layer that a bare array belongs to."""
    if "visible" in network.layers:
        return "visible"
    dynamic = list(network.dynamic)
    return dynamic[0] if len(dynamic) == 1 else None


def _by_layer(network: Network, given: Any, target: str | None, what: str) -> dict[str, Any]:
    """Turn a bare value or a mapping into a dict with known layer names."""
    if not isinstance(given, Mapping):
        if target is None:
            raise ValueError(
                f"{what} is not a mapping and no layer is named 'visible': "
                f"pass {{layer: value}} with names from {', '.join(network.layers)}"
            )
        return {target: given}
    for name in given:
        if name not in network.layers:
            raise ValueError(
                f"{what} names a layer {name!r}; the network has {', '.join(network.layers)}"
            )
    return dict(given)


def _states(network: Network, given: Any, target: str | None) -> tuple[dict[str, Array], Shape]:
    """Initial states as float64 (B, *shape) and the batch shape."""
    states, batches = {}, {}
    named = _by_layer(network, given, target, "the cue")
    for name, value in named.items():
        what = f"state of layer {name!r}" if isinstance(given, Mapping) else "cue"
        states[name], batches[name] = _finite(network, name, value, what)
    if not states:
        raise ValueError("the cue is an empty mapping: give at least one layer")
    if len(set(batches.values())) > 1:
        raise ValueError(f"layers have different batch axes: {batches}")
    batch = next(iter(batches.values()))
    if math.prod(batch) == 0:
        raise ValueError(
            f"the batch is empty: the cue has shape {np.shape(next(iter(named.values())))}"
        )
    return states, batch


def _known(
    network: Network, given: Any, target: str | None, missing: ArrayLike | str
) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """States of which the features have 0 where they are missing, and where that is."""
    states = _by_layer(network, given, target, "the cue")
    if "visible" not in states:
        raise ValueError(
            f"missing is for units of layer 'visible', and the cue gives {', '.join(states)}"
        )
    states["visible"], absent = known_units("cue", states["visible"], missing)
    return states, absent


def _finite(network: Network, name: str, value: ArrayLike, what: str) -> tuple[Array, Shape]:
    """One state as (B, *shape) and its batch shape."""
    shape = network.layers[name].shape
    array = checks.array(what, value, finite=False)
    if not checks.within(array, checks.LARGEST):
        if name == "visible" and np.isnan(array).any():
            raise ValueError(
                f"{what} has {int(np.isnan(array).sum())} values that are NaN: missing='nan' takes "
                f"them for units that are not known"
            )
        checks.array(what, array, largest=checks.LARGEST)
    axes = array.ndim - len(shape)
    if axes < 0 or array.shape[axes:] != shape:
        raise ValueError(
            f"{what} has shape {array.shape}, layer {name!r} has shape {shape}; "
            f"further axes may only stand in front, as a batch"
        )
    return array.reshape(-1, *shape).astype(np.float64), array.shape[:axes]


def _times(
    network: Network, times: ArrayLike | None, t1: float | None, t0: float, noisy: bool
) -> tuple[Array, float]:
    """Recorded times and the last time, both from t0 on."""
    if t1 is not None:
        t1 = checks.number("t1", t1, above=t0, at_most=checks.LARGEST)
    if times is None:
        last = t1 - t0 if t1 is not None else horizon(network)
        return even_times(last) if noisy else default_times(network, last), last
    grid = checks.array("times", times, ndim=1, empty=False, largest=checks.LARGEST).copy()
    if not (grid[0] >= t0 and (grid[1:] > grid[:-1]).all()):
        least = "not negative" if t0 == 0 else f"from t0 = {t0:g} on"
        raise ValueError(f"times must be increasing and {least}, got {checks.shown(grid.tolist())}")
    last = t1 if t1 is not None else float(grid[-1])
    if abs(grid[-1] - last) <= _ROUNDING * max(len(grid), 64) * abs(last):
        last = float(grid[-1])  # sums of steps are rounded, one by one
    if grid[-1] > last:
        raise ValueError(f"times go to {grid[-1]:g}, beyond t1 = {last:g}")
    if last == t0:
        raise ValueError(f"times end at {t0:g}: nothing to integrate; give a later time or t1")
    return grid - t0, last - t0


def _clamped(
    network: Network, clamp: Any, target: str | None, batch: Shape
) -> dict[str, NDArray[np.bool_]]:
    """Masks (B, *shape) of the units that keep their value."""
    masks: dict[str, NDArray[np.bool_]] = {}
    if clamp is None:
        return masks
    for name, value in _by_layer(network, clamp, target, "clamp").items():
        layer, what = network.layers[name], f"clamp of layer {name!r}"
        if layer.algebraic:
            raise ValueError(f"clamp: layer {name!r} has tau = 0 and cannot be clamped")
        masks[name] = fit(checks.units(what, value, layer.shape), batch, layer.shape, what)
    return masks


def _inputs(network: Network, inputs: Any, target: str | None, batch: Shape, t0: float) -> Inputs:
    """Constant inputs as (B, *shape), others as functions that return it."""
    found: Inputs = {}
    if inputs is None:
        return found
    for name, value in _by_layer(network, inputs, target, "inputs").items():
        shape, what = network.layers[name].shape, f"input of layer {name!r}"
        if callable(value):
            drive = found[name] = Drive(value, batch, shape, what, start=t0)
            drive(0.0)  # a wrong shape must not wait for the first step
        else:
            found[name] = fit(numbers(what, value), batch, shape, what)
    return found


def _breakpoints(inputs: Inputs, given: ArrayLike | None, t0: float, t1: float) -> Array:
    """Times within the run at which inputs are known to jump."""
    drives = [value for value in inputs.values() if isinstance(value, Drive)]
    jumps = [x.function.times for x in drives if isinstance(x.function, PiecewiseConstant)]
    if given is not None:
        _check_functions("breakpoints", drives)
        number = np.ndim(given) == 0 and isinstance(given, int | float | np.number)
        jumps.append(checks.array("breakpoints", [given] if number else given, ndim=1))
    if not jumps:
        return np.zeros(0)
    times: Array = np.unique(np.concatenate(jumps)) - t0
    return np.asarray(times[(times > 0) & (times < t1)])


def _max_step(network: Network, inputs: Inputs, given: float | None) -> float:
    """The longest step where inputs are functions of the time."""
    drives = [value for value in inputs.values() if isinstance(value, Drive)]
    if given is None:
        return longest_tau(network)
    _check_functions("max_step", drives)
    if given == np.inf:
        return np.inf
    return checks.number("max_step", given, above=0.0)


def _check_functions(what: str, drives: list[Drive]) -> None:
    if all(drive.known for drive in drives):
        raise ValueError(
            f"{what} is for inputs that are functions of the time, and there are none: leave it out"
        )
