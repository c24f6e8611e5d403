"""The linear system behind implicit gradients: the transposed Jacobian of the forces, batched.

At rest F(x, theta) = 0, with F_l = leak_l (I_l - x_l) + sum_s force_s in every unit that is free,
and a loss L(x) has the derivative

    dL/dtheta = lambda . dF/dtheta,    (leak - H C^T) lambda = dL/dx

with H the Hessians of the Lagrangians and C the derivatives of the forces by the activations.
Neither is formed: there are products alone. Layers that no synapse joins follow from the others, so
that the unknowns are those of the others (a Schur complement).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..network import Network
from ..synapses import Array
from .krylov import solve

States = Mapping[str, Array]
Masks = Mapping[str, NDArray[np.bool_]]


class Adjoint:
    """Products with the transposed Jacobian at given states.

    Parameters
    ----------
    network : Network
    states : mapping of str to ndarray (B, *shape)
        Of all layers.
    clamped : mapping of str to bool ndarray (B, *shape)
    """

    def __init__(self, network: Network, states: States, clamped: Masks) -> None:
        self.network, self.states, self.clamped = network, states, clamped
        self.batch = len(next(iter(states.values())))
        self.activations = {
            n: layer.lagrangian.activation(states[n]) for n, layer in network.layers.items()
        }

    def pull_back(self, directions: States) -> dict[str, Array]:
        """C^T u, for the layers that feel any of the directions."""
        out: dict[str, Array] = {}
        for synapse in self.network.synapses:
            if not any(name in directions for name in synapse.between):
                continue
            parts = synapse.pull_back(
                [self.activations[name] for name in synapse.between],
                [directions.get(name) for name in synapse.between],
            )
            for name, part in zip(synapse.between, parts, strict=True):
                if part is not None:
                    out[name] = out[name] + part if name in out else part
        return out

    def through(self, directions: States, only: Iterable[str]) -> dict[str, Array]:
        """H C^T u of some layers, 0 in clamped units."""
        pulled = self.pull_back(directions)
        return {name: self.respond(name, pulled[name]) for name in only if name in pulled}

    def respond(self, name: str, u: Array) -> Array:
        """H u of one layer, 0 in clamped units."""
        moved = self.network.layers[name].lagrangian.hessian_product(self.states[name], u)
        return self.free(name, np.asarray(moved))

    def free(self, name: str, values: Array) -> Array:
        """Values with 0 in clamped units."""
        return np.where(self.clamped[name], 0.0, values) if name in self.clamped else values

    @cached_property
    def followers(self) -> list[str]:
        """Layers with leak that no synapse joins with each other or themselves."""
        layers, chosen = self.network.layers, list[str]()
        joined = {frozenset(x.between) for x in self.network.synapses}
        loops = {n for x in self.network.synapses for n in x.between
                 if x.reads_own or x.between.count(n) > 1}  # fmt: skip
        for name in sorted(layers, key=lambda n: -layers[n].size):
            apart = not any(name in pair and pair & {*chosen} for pair in joined)
            if layers[name].leak and name not in loops and apart:
                chosen.append(name)
        # Somebody has to be left.
        return chosen if len(chosen) < len(layers) else chosen[:-1]

    def solve(self, right: States, tolerance: float) -> tuple[dict[str, Array], Array]:
        """lambda for all layers, and what is left of each cue, relative to the right side (B,)."""
        layers = self.network.layers
        given = {n: self.free(n, right[n]) for n in layers if n in right}
        zero = {n: np.zeros((self.batch, *layer.shape)) for n, layer in layers.items()}
        full = {**zero, **given}
        kept = [n for n in layers if n not in self.followers]
        first = self._follow({}, full)
        rest = self._add({n: full[n] for n in kept}, self.through(first, kept))

        def product(vector: Array) -> Array:
            own = self._unpack(vector, kept)
            both = {**own, **self._follow(own, {})}
            pulled = self.through(both, kept)
            moved = {n: layers[n].leak * u - pulled.get(n, 0.0) for n, u in own.items()}
            return self._pack(moved, kept)

        found, _ = solve(product, self._pack(rest, kept), tolerance)
        own = self._unpack(found, kept)
        result = {**own, **self._follow(own, full)}
        return result, self._left(result, full)

    def _follow(self, own: States, right: States) -> dict[str, Array]:
        """Followers, (right + H C^T own) / leak; those that nothing moves are left out."""
        pulled = self.through(own, self.followers) if own else {}
        found = {}
        for name in self.followers:
            parts = [x[name] for x in (right, pulled) if name in x]
            if parts:
                found[name] = sum(parts[1:], parts[0]) / self.network.layers[name].leak
        return found

    def _left(self, found: States, right: States) -> Array:
        """The largest entry of what is left, over that of the right side, (B,)."""
        pulled = self.through(found, self.network.layers)
        left, size = np.zeros(self.batch), np.zeros(self.batch)
        for name, layer in self.network.layers.items():
            rest = right[name] - layer.leak * found[name] + pulled.get(name, 0.0)
            for total, part in ((left, rest), (size, right[name])):
                np.maximum(total, np.abs(part).reshape(self.batch, -1).max(axis=1), out=total)
        return np.asarray(np.where(size > 0, left / np.where(size > 0, size, 1.0), left))

    def _pack(self, parts: States, names: Iterable[str]) -> Array:
        return np.concatenate([parts[n].reshape(self.batch, -1) for n in names], axis=1)

    def _unpack(self, vector: Array, names: Iterable[str]) -> dict[str, Array]:
        found, start = {}, 0
        for name in names:
            layer = self.network.layers[name]
            part = vector[:, start : start + layer.size]
            found[name] = part.reshape(self.batch, *layer.shape)
            start += layer.size
        return found

    @staticmethod
    def _add(parts: dict[str, Array], others: States) -> dict[str, Array]:
        return {n: x + others[n] if n in others else x for n, x in parts.items()}
