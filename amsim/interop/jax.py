"""`recall`: a settled state that JAX differentiates, by the implicit gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..dynamics import Settled
from ..errors import MissingDependencyError
from ..network import Network
from .rest import Rest

_SETTLED = Settled(1e-9)


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
    try:
        import jax
    except ImportError as error:
        raise MissingDependencyError("amsim.interop.jax needs JAX: pip install jax") from error
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
