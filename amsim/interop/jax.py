"""`recall`: a settled state that JAX differentiates, by the implicit gradient; `force`, in JAX."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..dynamics import Settled
from ..errors import MissingDependencyError
from ..lagrangians import (
    Exponential,
    Identity,
    Lagrangian,
    LayerNorm,
    RectifiedPower,
    ReLU,
    Sigmoid,
    SignedPower,
    Softmax,
    Spherical,
    Tanh,
)
from ..network import Network, check_inputs, check_states
from ..synapses import Dense, Directed, HyperSynapse
from .rest import Rest

_SETTLED = Settled(1e-9)


def _jax() -> Any:
    try:
        import jax
    except ImportError as error:
        raise MissingDependencyError("amsim.interop.jax needs JAX: pip install jax") from error
    return jax


def recall(
    net: Network,
    *,
    clamp: ArrayLike | None = None,
    solver: Any = None,
    until: Settled = _SETTLED,
    t1: float | None = None,
) -> Callable[[Any, Any], Any]:
    """A function of parameters and cues that JAX can differentiate and compile.

    Parameters
    ----------
    net : Network
        With a layer "visible", to which the cues belong.
    clamp, solver, until, t1 : optional
        As for `simulate`.

    Returns
    -------
    callable
        ``f(parameters, cue)`` takes a tree as `Network.parameters` has it, or a part of it, and
        cues (*batch, *shape); it returns the states of all layers by name. Its derivative is that
        of the fixed point, however many steps led there (``jax.custom_vjp``); that by the cue is
        by its clamped units. Cues that do not settle are NaN, with a `SettlingWarning`.

    Raises
    ------
    MissingDependencyError
        If JAX is not installed.
    ValueError
        If there is no layer "visible".

    Notes
    -----
    The recall runs in NumPy, in float64, through ``jax.pure_callback``. In JAX's default precision
    results are rounded to float32; ``jax.config.update("jax_enable_x64", True)`` keeps them.

    Examples
    --------
    >>> import jax, numpy as np
    >>> import amsim as am
    >>> jax.config.update("jax_enable_x64", True)
    >>> net = am.dense_am(am.patterns.random(3, 8, seed=0), hidden=am.Softmax(0.5))
    >>> recall = am.interop.jax.recall(net, clamp=np.arange(8) < 6, solver=am.FixedPoint())
    >>> objective = lambda tree: (recall(tree, np.ones((2, 8)))["visible"] ** 2).sum()
    >>> jax.grad(objective)(net.parameters())["hidden-visible"]["weights"].shape
    (3, 8)
    """
    jax = _jax()
    if "visible" not in net.layers:
        raise ValueError(f"a layer 'visible' is needed; the network has {', '.join(net.layers)}")
    rest = Rest(net, clamp, solver, until, t1)
    shape = net.layers["visible"].shape

    def shapes(cue: Any) -> Any:
        batch, kind = cue.shape[: cue.ndim - len(shape)], jax.numpy.result_type(float)
        return {
            name: jax.ShapeDtypeStruct((*batch, *layer.shape), kind)
            for name, layer in net.layers.items()
        }

    def numpy_tree(tree: Any) -> Any:
        return jax.tree_util.tree_map(lambda x: np.asarray(x, np.float64), tree)

    def like(tree: Any, example: Any) -> Any:
        return jax.tree_util.tree_map(lambda x, e: np.asarray(x, e.dtype), tree, example)

    def run(parameters: Any, cue: Any) -> Any:
        expected = shapes(cue)
        return like(rest.states(numpy_tree(parameters), np.asarray(cue)), expected)

    def back(parameters: Any, states: Any, slopes: Any) -> Any:
        tree, moved = rest.pull_back(numpy_tree(parameters), numpy_tree(states), numpy_tree(slopes))
        return like(tree, parameters), np.asarray(moved, states["visible"].dtype)

    @jax.custom_vjp  # type: ignore[untyped-decorator]
    def settled(parameters: Any, cue: Any) -> Any:
        return jax.pure_callback(run, shapes(cue), parameters, cue)

    def forward(parameters: Any, cue: Any) -> Any:
        states = settled(parameters, cue)
        return states, (parameters, states)

    def backward(kept: Any, slopes: Any) -> Any:
        parameters, states = kept
        expected = (parameters, states["visible"])
        kinds = jax.tree_util.tree_map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), expected)
        return jax.pure_callback(back, kinds, parameters, states, slopes)

    settled.defvjp(forward, backward)

    def recalled(parameters: Any, cue: Any) -> Any:
        arrays = jax.tree_util.tree_map(jax.numpy.asarray, parameters)
        return settled(arrays, jax.numpy.asarray(cue, float))

    return recalled


def force(net: Network) -> Callable[..., dict[str, Any]]:
    """`Network.force`, computed by JAX on the device of the states: for accelerators.

    Parameters
    ----------
    net : Network
        Of `Dense` and `Directed` synapses. Its Lagrangians may be Identity, Tanh, Sigmoid, ReLU,
        RectifiedPower, SignedPower, Exponential, Softmax, Spherical and LayerNorm.

    Returns
    -------
    callable
        ``f(states, inputs=None, parameters=None)`` takes states and external inputs as
        `Network.force` does, and a tree as `Network.parameters` has it, or a part of it, in place
        of the network's own. It returns -dE/dg of every dynamic layer by name, shapes as the
        states; velocities are these by tau. It is pure: ``jax.jit``, ``jax.vmap`` and ``jax.grad``
        apply. States have one type, float32 or float64, and everything is computed in it.

    Raises
    ------
    MissingDependencyError
        If JAX is not installed.
    TypeError
        If a synapse or a Lagrangian is of another class; from the function, if states are of
        another type.
    ValueError
        From the function, if states, inputs or parameters do not fit the network.

    Notes
    -----
    The parameters are put on JAX's default device once, here; float64 needs ``jax_enable_x64``
    before. ``jax.jit`` makes them constants of what it compiles: pass weights that are large as
    an argument, ``jax.jit(f)(states, None, parameters)``. Accelerators may round products of
    float32 to fewer digits; ``jax.default_matmul_precision("highest")`` keeps them. NaN in a state
    gives NaN.

    Examples
    --------
    A recall by Euler steps of 0.1, whose memories follow at once:

    >>> import jax
    >>> import amsim as am
    >>> stored = am.patterns.random(3, 8, seed=0)
    >>> net = am.dense_am(stored, hidden=am.Softmax(2.0), tau_hidden=0.0)
    >>> force = am.interop.jax.force(net)
    >>> def step(v, _):
    ...     return v + 0.1 * force({"visible": v})["visible"], None
    >>> cue = jax.numpy.asarray(stored[0] * [-1, 1, 1, 1, 1, 1, 1, 1], "float32")
    >>> rest, _ = jax.jit(lambda v: jax.lax.scan(step, v, length=100))(cue)
    >>> print(abs(rest - stored[0]).max() < 1e-3)
    True
    """
    jax = _jax()
    jnp, layers = jax.numpy, net.layers
    outputs = {name: _output(jax, name, layer.lagrangian) for name, layer in layers.items()}
    links = [link for synapse in net.synapses for link in _links(synapse)]
    own = jax.tree_util.tree_map(jnp.asarray, net.parameters())
    rounded = not jax.config.jax_enable_x64

    def activations(states: Mapping[str, Any], tree: Any) -> dict[str, Any]:
        return {n: outputs[n](tree[n].get("beta", 1.0) * x) for n, x in states.items()}

    def drive(name: str, active: Mapping[str, Any], tree: Any) -> Any:
        acting = (link for link in links if link.target == name)
        return sum(link.force(active[link.source], tree[link.synapse]) for link in acting)

    def found(
        states: Mapping[str, Any], inputs: Any = None, parameters: Any = None
    ) -> dict[str, Any]:
        moving, kind = _checked(jnp, net, states, rounded)
        tree = _with_changes(jnp, own, {} if parameters is None else parameters)
        tree = jax.tree_util.tree_map(lambda x: x.astype(kind), tree)
        external = _external(jnp, net, moving, {} if inputs is None else inputs, tree)
        active = activations(moving, tree)
        still = {
            name: external[name] + drive(name, active, tree) / layer.leak
            for name, layer in layers.items()
            if layer.algebraic
        }
        active |= activations(still, tree)
        return {
            name: layers[name].leak * (external[name] - state) + drive(name, active, tree)
            for name, state in moving.items()
        }

    return found


def _checked(
    jnp: Any, net: Network, given: Mapping[str, Any], rounded: bool
) -> tuple[dict[str, Any], Any]:
    """States of the dynamic layers, and their one type."""
    checks.instance("states", given, Mapping, "a mapping of layer names to arrays")
    arrays = {name: jnp.asarray(state) for name, state in given.items()}
    check_states(net.layers, arrays)
    states = {name: arrays[name] for name in net.dynamic}
    kinds = {str(state.dtype) for state in states.values()}
    if kinds not in ({"float32"}, {"float64"}):
        raise TypeError(f"states are {' and '.join(sorted(kinds))}; give all float32 or float64")
    if rounded and kinds == {"float64"}:
        raise ValueError(
            "states are float64, but the parameters were rounded to float32: call "
            "amsim.interop.jax.force after jax.config.update('jax_enable_x64', True)"
        )
    return states, kinds.pop()


def _external(
    jnp: Any, net: Network, states: Mapping[str, Any], inputs: Mapping[str, Any], tree: Any
) -> dict[str, Any]:
    """Bias and input of every layer, (*batch, *shape)."""
    first, state = next(iter(states.items()))
    batch = state.shape[: state.ndim - len(net.layers[first].shape)]
    given = {name: jnp.asarray(value, state.dtype) for name, value in inputs.items()}
    check_inputs(net.layers, given, batch)
    zero = jnp.zeros((), state.dtype)
    return {
        name: jnp.broadcast_to(
            tree[name].get("bias", zero) + given.get(name, zero), (*batch, *layer.shape)
        )
        for name, layer in net.layers.items()
    }


def _with_changes(jnp: Any, own: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A tree of parameters with those that are given in place of its own."""
    tree = {name: dict(part) for name, part in own.items()}
    for name, part in given.items():
        for key, value in part.items():
            if key not in tree.get(name, {}):
                raise ValueError(f"parameters name {name!r}, {key!r}, which the network has not")
            shape, array = tree[name][key].shape, jnp.asarray(value)
            if array.shape != shape:
                raise ValueError(
                    f"parameters[{name!r}][{key!r}] has shape {array.shape}; it must be {shape}"
                )
            tree[name][key] = array
    return tree


class _Link(NamedTuple):
    """One direction of a synapse."""

    target: str
    source: str
    synapse: str
    turned: bool
    share: float

    def force(self, activation: Any, parameters: Mapping[str, Any]) -> Any:
        weights = parameters["weights"]
        return self.share * activation @ (weights.T if self.turned else weights)


def _links(synapse: HyperSynapse) -> Iterator[_Link]:
    if type(synapse) not in (Dense, Directed):
        raise TypeError(
            f"synapse {synapse.name!r} is {type(synapse).__name__}; in JAX there are Dense and "
            f"Directed: use Network.force"
        )
    first, second = synapse.between
    share = 0.5 if first == second and not synapse.directed else 1.0
    yield _Link(first, second, synapse.name, True, share)
    if not synapse.directed:
        yield _Link(second, first, synapse.name, False, share)


def _output(jax: Any, name: str, lagrangian: Lagrangian) -> Callable[[Any], Any]:
    """g(x) of a layer; of a tempered Lagrangian, as a function of beta x."""
    jnp, it = jax.numpy, cast(Any, lagrangian)

    def held(size: Any, n: float = 1.0) -> Any:
        """`largest_exponent` of the Lagrangians, or the n-th root of its exponential."""
        largest = 600.0 if size.dtype == np.float64 else 75.0
        return jnp.minimum(size, largest if n == 1 else math.exp(largest / n))

    def signed_power(x: Any) -> Any:
        sign = jnp.where(x < 0, -1, 1).astype(x.dtype)  # whose derivative is 0, at 0 as well
        return sign * held(sign * x, it.n) ** (it.n - 1)

    def layer_norm(x: Any) -> Any:
        centred = x - x.mean(axis=-1, keepdims=True)
        centred = centred - centred.mean(axis=-1, keepdims=True)
        norm = jnp.sqrt((centred**2).mean(axis=-1, keepdims=True) + it.eps)
        return it.gamma * centred / norm + jnp.asarray(it.delta, x.dtype)

    table: dict[type[Lagrangian], Callable[[Any], Any]] = {
        Identity: lambda x: x,
        Tanh: jnp.tanh,
        Sigmoid: jax.nn.sigmoid,
        ReLU: jax.nn.relu,
        RectifiedPower: lambda x: held(jax.nn.relu(x), it.n) ** (it.n - 1),
        SignedPower: signed_power,
        Exponential: lambda x: jnp.exp(held(x)),
        Softmax: jax.nn.softmax,
        Spherical: lambda x: x / jnp.sqrt((x**2).sum(axis=-1, keepdims=True) + it.eps),
        LayerNorm: layer_norm,
    }
    if type(lagrangian) not in table:
        raise TypeError(
            f"layer {name!r} is {type(lagrangian).__name__}; in JAX there are "
            f"{', '.join(kind.__name__ for kind in table)}: use Network.force"
        )
    return table[type(lagrangian)]
