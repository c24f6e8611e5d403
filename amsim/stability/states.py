"""Validation of the states that a user gives to functions of stability."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import ParamSpec, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..network import Network
from ..starts import algebraic_start
from ..synapses import Array

P = ParamSpec("P")
R = TypeVar("R")
State: TypeAlias = ArrayLike | Mapping[str, ArrayLike]


def in_range(function: Callable[P, R]) -> Callable[P, R]:
    """Numbers that leave the range of floats end in an answer or in a ValueError that says so."""

    @wraps(function)
    def bounded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with np.errstate(all="ignore"):
                return function(*args, **kwargs)
        except (np.linalg.LinAlgError, OverflowError, ZeroDivisionError, ValueError) as error:
            if type(error) is ValueError and "must not contain infs" not in str(error):
                raise
            raise ValueError(
                f"{function.__name__}: numbers leave the range of floats ({error}); scale states, "
                f"weights, delays and time constants to within 1e-100 and 1e100"
            ) from None

    return bounded


def stacked_states(network: Network, given: State) -> dict[str, Array]:
    """States of all layers, (B, *shape), whatever batch axes they came with.

    An array is the state of layer "visible", or of the only layer with tau > 0. Layers that are
    left out have their algebraic value, and so do the algebraic ones.
    """
    checks.instance("net", network, Network, "a Network")
    named = dict(given) if isinstance(given, Mapping) else {_main_layer(network): given}
    known = {}
    for name, value in named.items():
        if name not in network.layers:
            raise ValueError(
                f"the state names a layer {name!r}; the network has {', '.join(network.layers)}"
            )
        if not network.layers[name].algebraic:
            known[name] = _stacked(name, value, network.layers[name].shape)
    if not known:
        raise ValueError(
            f"the state gives no layer with tau > 0; give one of {', '.join(network.dynamic)}"
        )
    counts = {name: len(value) for name, value in known.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"the layers have different numbers of states: {counts}")
    states = algebraic_start(network, known, {})
    return network.complete({name: states[name] for name in network.dynamic})


def one_state(network: Network, given: State) -> dict[str, Array]:
    """State of all layers, each of the layer's shape."""
    states = stacked_states(network, given)
    count = len(next(iter(states.values())))
    if count != 1:
        raise ValueError(
            f"the state is a batch of {count}; pass one, such as "
            f"{{name: x[0] for name, x in traj.final.items()}}"
        )
    return {name: state[0] for name, state in states.items()}


def _main_layer(network: Network) -> str:
    if "visible" in network.layers:
        return "visible"
    dynamic = list(network.dynamic)
    if len(dynamic) > 1:
        raise ValueError(
            f"the state is not a mapping and no layer is named 'visible': "
            f"pass {{layer: state}} with names from {', '.join(network.layers)}"
        )
    return dynamic[0]


def _stacked(name: str, given: ArrayLike, shape: tuple[int, ...]) -> Array:
    value = checks.array(f"state of layer {name!r}", given, largest=checks.LARGEST)
    if value.shape == (0,):  # an empty list
        raise ValueError(f"state of layer {name!r} is empty; give one of shape {shape}")
    axes = value.ndim - len(shape)
    if axes < 0 or value.shape[axes:] != shape:
        raise ValueError(
            f"state of layer {name!r} has shape {value.shape}, layer {name!r} has shape {shape}; "
            f"further axes may only stand in front"
        )
    if value.size == 0:
        raise ValueError(f"state of layer {name!r} is empty, of shape {value.shape}; give a state")
    return value.reshape(-1, *shape).astype(np.float64)
