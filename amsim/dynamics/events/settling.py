"""How far a settled network can be from a fixed point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ... import checks
from ...network import Network
from ...synapses import Array, Dense, Directed, Pairwise

_ROUNDS = 1000
_HUGE = 1e6


def distance_bound(
    network: Network,
    states: Mapping[str, Array],
    *,
    residual: float = 1e-6,
    register_error: float = 0.0,
) -> dict[str, Array]:
    """Radius around states at rest within which there is a fixed point, one per unit.

    It may be one of several, and need not attract; `am.stability.distance_to_rest` also proves, by
    a contraction, that the fixed point is the only one in its box.

    Parameters
    ----------
    network : Network
        With `Dense` or `Directed` synapses, and leaks.
    states : mapping of str to ndarray (*batch, *shape)
        A state that has settled, such as `Trajectory.final`.
    residual : float, default 1e-6
        Largest |tau dx/dt|: the tolerance of `Settled`.
    register_error : float, default 0.0
        Largest distance between an output and what receivers hold of it: the quantum, or
        `Trajectory.stats["register_error"]`.

    Returns
    -------
    dict of str to ndarray (*batch, *shape)
        In units of the state; infinite where the argument fails. Where the network does not
        contract, bounded activations give a radius of the order of the whole range of states.
        Sign units that are within their radius of 0 may turn, which moves their output by 2.

    Raises
    ------
    TypeError, ValueError
        If states do not fit the network, an error is negative, or a synapse is another one.

    Notes
    -----
    With r the radii and D(r) the largest deviation of the outputs over the box of radius r (their
    interval images), a box with  residual + |W| (D(r) + register_error) <= r  is mapped into itself
    by x -> I + W g(x), so that it holds a fixed point (Brouwer). Where outputs deviate by at most
    L r this is  (residual + |W| register_error) / (1 - L), the bound for asynchronous networks with
    finite delays once every message has arrived. The radii are the limit of the iteration from 0.

    Examples
    --------
    >>> import amsim as am
    >>> from amsim.dynamics.events import distance_bound
    >>> net = am.dense_am([[0.4, 0.2]], visible=am.Tanh(), hidden=am.Tanh(), bias_visible=0.5)
    >>> traj = am.simulate(net, [1.0, 1.0], solver=am.EventDriven(1e-3))
    >>> bound = distance_bound(net, traj.final, register_error=1e-3)
    >>> print(bound["visible"].round(4))
    [0.0007 0.0004]
    """
    for name, value in (("residual", residual), ("register_error", register_error)):
        checks.number(f"distance_bound: {name}", value, at_least=0.0)
    states = network.complete(states)
    absolute = Network(network.layers, [_absolute(synapse) for synapse in network.synapses])
    radii = {name: np.zeros_like(states[name], dtype=np.float64) for name in network.layers}
    for _ in range(_ROUNDS):
        wider = _image(absolute, states, radii, residual, register_error)
        growth = max(float((wider[n] - radii[n]).max()) for n in radii)
        largest = max(float(radius.max()) for radius in wider.values())
        radii = wider
        if growth <= 1e-9 * largest or not largest < _HUGE:
            break
    # The limit itself is approached from below: a box slightly larger has to hold its image.
    radii = {name: radius * (1 + 1e-6) for name, radius in radii.items()}
    image = _image(absolute, states, radii, residual, register_error)
    held = np.ones(_batch(network, states), bool)
    for name, layer in network.layers.items():
        axes = tuple(range(-len(layer.shape), 0))
        held &= (image[name] <= radii[name]).all(axis=axes)
    return {
        name: np.where(held.reshape(held.shape + (1,) * len(layer.shape)), radii[name], np.inf)
        for name, layer in network.layers.items()
    }


def _absolute(synapse: object) -> Pairwise:
    """A synapse with the absolute weights."""
    if not isinstance(synapse, (Dense, Directed)):
        raise ValueError(
            f"distance_bound needs Dense or Directed synapses, got {type(synapse).__name__}"
        )
    weights = synapse.weights.astype(np.float64)
    if isinstance(synapse, Dense) and synapse.between[0] == synapse.between[1]:
        weights = (weights + weights.T) / 2
    return replace(synapse, weights=np.abs(weights))


def _batch(network: Network, states: Mapping[str, Array]) -> tuple[int, ...]:
    name, layer = next(iter(network.layers.items()))
    return np.shape(states[name])[: np.ndim(states[name]) - len(layer.shape)]


def _image(
    absolute: Network,
    states: Mapping[str, Array],
    radii: Mapping[str, Array],
    residual: float,
    register_error: float,
) -> dict[str, Array]:
    """How far the units may be from their targets if outputs may be anywhere in the box."""
    moved = {}
    for name, layer in absolute.layers.items():
        radius = np.minimum(radii[name], _HUGE)
        low, high = layer.lagrangian.activation_bounds(states[name] - radius, states[name] + radius)
        own = layer.lagrangian.activation(states[name])
        moved[name] = np.maximum(high - own, own - low) + register_error
    return {
        name: (residual + absolute.synaptic_force(name, moved)) / layer.leak
        for name, layer in absolute.layers.items()
    }
