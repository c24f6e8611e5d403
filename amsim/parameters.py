"""The parameters of a network as a nested mapping, and networks with others.

Layers have "bias", "tau" and the "beta" of their Lagrangian; synapses their arrays by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike

from . import checks
from .lagrangians import Lagrangian
from .synapses import Array, HyperSynapse

if TYPE_CHECKING:
    from .network import Layer

Tree = dict[str, dict[str, Array]]
Given = Mapping[str, Mapping[str, ArrayLike]]


def parameter_tree(layers: Mapping[str, Layer], synapses: Sequence[HyperSynapse]) -> Tree:
    """See `Network.parameters`."""
    return {
        **{name: _of_layer(layer) for name, layer in layers.items()},
        **{synapse.name: _of_synapse(synapse) for synapse in synapses},
    }


def _of_layer(layer: Layer) -> dict[str, Array]:
    found: dict[str, Array] = {}
    if layer.leak:
        found["bias"] = np.array(layer.bias)
    if not layer.algebraic:
        found["tau"] = np.array(layer.tau)
    if layer.lagrangian.tempered:
        found["beta"] = np.array(beta_of(layer.lagrangian))
    return found


def _of_synapse(synapse: HyperSynapse) -> dict[str, Array]:
    return {name: np.array(getattr(synapse, name)) for name in synapse.learned}


def replaced(
    layers: Mapping[str, Layer], synapses: Sequence[HyperSynapse], given: Given
) -> tuple[dict[str, Layer], list[HyperSynapse]]:
    """Layers and synapses with these parameters; those that stay the same are the same objects."""
    here = parameter_tree(layers, synapses)
    checks.instance("parameters", given, Mapping, "a mapping of names of layers and synapses")
    changes = {name: _changes(name, here, part) for name, part in given.items()}
    return (
        {name: _layer(layer, changes.get(name, {})) for name, layer in layers.items()},
        [_synapse(synapse, changes.get(synapse.name, {})) for synapse in synapses],
    )


def _changes(name: str, here: Tree, given: Mapping[str, ArrayLike]) -> dict[str, Array]:
    """The parameters of one part that differ from those that it has, checked."""
    if name not in here:
        raise ValueError(f"parameters name {checks.shown(name)}; the network has {', '.join(here)}")
    what = f"parameters[{name!r}]"
    checks.instance(what, given, Mapping, "a mapping of parameters to arrays")
    own, changes = here[name], {}
    for parameter, value in given.items():
        if parameter not in own:
            known = f"has {', '.join(own)}" if own else "has none that can be learned"
            raise ValueError(f"{what} has {checks.shown(parameter)}; {name!r} {known}")
        where = f"{what}[{parameter!r}]"
        old = own[parameter]
        same = getattr(value, "dtype", None) == old.dtype
        array = checks.array(where, value, dtype=old.dtype if same else np.float64)
        if array.shape != old.shape:
            raise ValueError(f"{where} has shape {array.shape}; it must be {old.shape}")
        if not np.array_equal(array, old):
            changes[parameter] = array
    return changes


def _layer(layer: Layer, changes: Mapping[str, Array]) -> Layer:
    if not changes:
        return layer
    lagrangian = layer.lagrangian
    if "beta" in changes:
        # Every tempered Lagrangian is a frozen dataclass with a field of that name.
        lagrangian = replace(cast(Any, lagrangian), beta=float(changes["beta"]))
    tau, bias = changes.get("tau", layer.tau), changes.get("bias", layer.bias)
    return replace(layer, lagrangian=lagrangian, tau=tau, bias=bias)


def _synapse(synapse: HyperSynapse, changes: Mapping[str, Array]) -> HyperSynapse:
    if not changes:
        return synapse
    found: HyperSynapse = replace(cast(Any, synapse), **changes)  # all are frozen dataclasses
    return found


def beta_of(lagrangian: Lagrangian) -> float:
    """The inverse temperature of a tempered Lagrangian."""
    return float(cast(Any, lagrangian).beta)


def energy_gradient(
    layer: Layer, state: Array, activation: Array, force: Array
) -> dict[str, Array]:
    """Derivative of the energy by the parameters of a layer, at held states (B, *shape).

    dE/dbias = -leak g; and, since the activation depends on beta, dE/dbeta = -leak dL/dbeta -
    force . dg/dbeta, where the force -dE/dg is 0 at rest.
    """
    found: dict[str, Array] = {}
    if layer.leak:
        found["bias"] = -layer.leak * activation.sum(axis=0)
    if layer.lagrangian.tempered:
        slope = np.sum(force * beta_slope(layer.lagrangian, state))
        found["beta"] = np.asarray(-layer.leak * _beta_value(layer, state, activation) - slope)
    return found


def beta_slope(lagrangian: Lagrangian, state: Array) -> Array:
    """dg/dbeta = H x / beta: tempered Lagrangians are L(x) = L_1(beta x) / beta."""
    return np.asarray(lagrangian.hessian_product(state, state) / beta_of(lagrangian))


def _beta_value(layer: Layer, state: Array, activation: Array) -> Array:
    """dL/dbeta = (x . g - L) / beta, summed."""
    total = np.sum(state * activation) - np.sum(layer.lagrangian.value(state))
    return np.asarray(total / beta_of(layer.lagrangian))
