"""The network linearised at a state, and the gains of its loops.

Deviations u_l of the states obey, with H the Hessians of the Lagrangians and C the derivatives of
the synaptic forces by the activations (for a `Dense` synapse its weights),

    tau_a du_a/dt = -leak_a u_a(t) + sum_b C_ab H_b u_b(t - d_ab)

H acts within a unit's output, before the link and its delay; C holds the links.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..lagrangians import Lagrangian, SeparableLagrangian, SimplexLagrangian
from ..network import Network
from ..synapses import Array, block_diagonal

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

# Units up to which eigenvalues come from dense matrices; beyond, from a Krylov method.
DENSE = 600
KINK_DISTANCE = 1e-9  # relative to 1 + |state|: as well as that a fixed point is known
_JUMP = 1e-3  # relative change of a slope within that distance: a kink
_RESTARTS = 2000
_RANGE = 1e100  # of magnitudes, so that products of three fit into floats
_LEAST_CHANGE = 1e-6  # the least change of a gain that counts as one


@dataclass(frozen=True, eq=False)
class Kink:
    """Slopes of the units of one layer on both sides of a state, each (units,).

    Attributes
    ----------
    at : ndarray of bool
        The units whose slope is not the same on both sides.
    left, right : ndarray
        The slopes beside the state.
    steepest : ndarray
        Bounds on all slopes around it; infinite at a step.
    """

    at: NDArray[np.bool_]
    left: Floats
    right: Floats
    steepest: Floats


class Linearisation:
    """Deviations from one state, over all layers, algebraic ones too.

    Parameters
    ----------
    network : Network
    states : mapping of layer name to ndarray (*shape)
        Of all layers.

    Attributes
    ----------
    spans : dict of layer name to slice
        Where a layer stands in vectors of length `size`.
    tau, leak : ndarray (size,)
    blocks : dict of (source, target) to ndarray (target units, source units)
        C, for the pairs of layers that a synapse joins.
    parallel : dict of (source, target) to ndarray (target units, source units)
        |C| where several synapses join the same layers: their links do not cancel.
    """

    def __init__(self, network: Network, states: Mapping[str, Array]) -> None:
        self.network = network
        self.states = {name: np.asarray(states[name], np.float64) for name in network.layers}
        layers = network.layers
        ends = np.cumsum([0, *(layer.size for layer in layers.values())])
        self.spans = {n: slice(a, b) for n, a, b in zip(layers, ends[:-1], ends[1:], strict=True)}
        self.size = int(ends[-1])
        self.tau = np.concatenate([np.ravel(layer.tau) for layer in layers.values()])
        self.leak = np.concatenate([np.full(layer.size, layer.leak) for layer in layers.values()])
        with np.errstate(all="ignore"):
            self.blocks, self.parallel = _couplings(network, self.states)
        self._check_range()

    def _check_range(self) -> None:
        """Refuse what leaves no room for products of a few factors in floats."""
        sizes = {
            "time constants": self.tau[self.tau > 0],
            "states": np.array([1.0, *(np.abs(x).max() for x in self.states.values())]),
            "couplings": np.array([1.0, *(np.abs(block).max() for block in self.blocks.values())]),
            "leaks": np.append(1.0, self.leak),
        }
        for what, values in sizes.items():
            smallest = float(values.min()) if what == "time constants" else 1.0
            if not (smallest >= 1 / _RANGE and values.max() <= _RANGE):
                raise ValueError(
                    f"the network cannot be linearised in floats: {what} reach from {smallest:.3g} "
                    f"to {values.max():.3g}; scale time and states to within {1 / _RANGE:.0e} and "
                    f"{_RANGE:.0e}"
                )

    @cached_property
    def dynamic(self) -> NDArray[np.bool_]:
        """Which entries belong to layers with tau > 0."""
        return np.asarray(self.tau > 0)

    @cached_property
    def kinks(self) -> dict[str, Kink]:
        """Layers with units at a kink or step of their activation, as their Lagrangians say.

        There the activation has slopes on both sides, and no derivative. Units that no synapse
        reads are left out.
        """
        found = {}
        for name, layer in self.network.layers.items():
            lagrangian, x = layer.lagrangian, self.states[name]
            near = KINK_DISTANCE * (1 + np.abs(x))
            below, above = x - near, x + near
            with np.errstate(over="ignore", invalid="ignore"):
                low, high = (s.ravel() for s in lagrangian.slope_bounds(below, above))
                least, most = (g.ravel() for g in lagrangian.activation_bounds(below, above))
                width = 2.0 * near.ravel()
                jump = most - least - 2 * high * width
                torn = lagrangian.separable & (jump > 1e-12 * (np.abs(least) + np.abs(most)))
                steepest = np.where(torn, np.inf, high)
                effect = (steepest - low) * self._reach[self.spans[name]]
            step = np.isinf(steepest) & (self._reach[self.spans[name]] > 0)
            at = step | ((steepest - low > _JUMP * steepest) & (effect > _LEAST_CHANGE))
            if at.any():
                left, right = (_diagonal(lagrangian, side) for side in (below, above))
                found[name] = Kink(at, left, right, steepest)
        return found

    @cached_property
    def kink(self) -> str | None:
        """What has a kink at the state, in words; None if the network has a derivative there."""
        if self.synapse_kink is not None:
            return f"synapse {self.synapse_kink!r} is at a kink of its force"
        for name in self.kinks:
            return f"layer {name!r} is at a kink of its activation"
        return None

    @cached_property
    def synapse_kink(self) -> str | None:
        """A synapse whose forces have no derivative by the activations, as it says itself."""
        active = {
            n: x.lagrangian.activation(self.states[n]) for n, x in self.network.layers.items()
        }
        for synapse in self.network.synapses:
            if synapse.kinked(*(active[name][None] for name in synapse.between)):
                return synapse.name
        return None

    @cached_property
    def at_step(self) -> bool:
        """Whether some activation is at a step."""
        return any(np.isinf(kink.steepest[kink.at]).any() for kink in self.kinks.values())

    @cached_property
    def unbounded(self) -> bool:
        """Whether no slopes of one side bound those around the state.

        So it is at a step, and for a layer of shares at a kink: between its sides slopes of some
        units fall where those of others rise, and the diagonal bounds nothing.
        """
        layers = self.network.layers
        shared = any(not layers[name].lagrangian.separable for name in self.kinks)
        return self.at_step or shared

    @cached_property
    def _reach(self) -> Floats:
        """The largest |C| / leak with which each unit acts on another."""
        out = np.zeros(self.size)
        for (source, target), block in self.blocks.items():
            leak = self.leak[self.spans[target]][:, None]
            size = np.abs(block) / np.where(leak > 0, leak, 1.0)
            own = self.spans[source]
            out[own] = np.maximum(out[own], size.max(axis=0))
        return out

    @cached_property
    def coupling(self) -> Floats:
        """C, dense."""
        return self.assemble(self.blocks)

    @cached_property
    def links(self) -> Floats:
        """|C|, dense; parallel synapses have links of their own and do not cancel."""
        return self.assemble(self._magnitudes)

    @cached_property
    def hessian(self) -> Floats:
        """H, dense and block-diagonal; at kinks of separable layers with the steeper slope."""
        out = np.zeros((self.size, self.size))
        for name, layer in self.network.layers.items():
            hessian = block_diagonal(layer.lagrangian.hessian(self.states[name][None]))[0]
            if name in self.kinks and layer.lagrangian.separable:
                np.fill_diagonal(hessian, self._steep(name))
            out[self.spans[name], self.spans[name]] = hessian
        return out

    def _steep(self, name: str) -> Floats:
        """Slopes of a layer at a kink: of the steeper side, or, where there is none, at the state.

        A step has no slope; gains say that they are infinite there.
        """
        kink, here = self.kinks[name], _diagonal(self.network.layers[name].lagrangian,
                                                 self.states[name])  # fmt: skip
        return np.where(kink.at & np.isfinite(kink.steepest), kink.steepest, here)

    def assemble(self, blocks: Mapping[tuple[str, str], Array]) -> Floats:
        """One matrix (size, size) out of blocks by (source, target)."""
        out = np.zeros((self.size, self.size), np.result_type(np.float64, *blocks.values()))
        for (source, target), block in blocks.items():
            out[self.spans[target], self.spans[source]] = block
        return out

    def split(self, vector: Array) -> dict[str, Array]:
        """A vector (size,) by layer, each of the layer's shape."""
        layers = self.network.layers.items()
        return {name: vector[self.spans[name]].reshape(layer.shape) for name, layer in layers}

    def product(self, vector: Array) -> Array:
        """C H u, without a dense matrix."""
        return self._through(self.blocks, self.respond(vector))

    def respond(self, vector: Array) -> Array:
        """H u."""
        return self._by_layer(lambda of, x, u: of.hessian_product(x, u), vector)

    def magnitude_product(self, vector: Array) -> Array:
        """|C| |H| u, entrywise absolute values, without a dense matrix."""
        return self.through_links(
            self._by_layer(lambda of, x, u: of.magnitude_product(x, u), vector)
        )

    def through_links(self, vector: Array) -> Array:
        """|C| u."""
        return self._through(self._magnitudes, vector)

    def _by_layer(self, product: Callable[[Lagrangian, Array, Array], Array], u: Array) -> Array:
        parts = []
        for name, layer in self.network.layers.items():
            part = u[self.spans[name]].reshape(layer.shape)
            if name in self.kinks and layer.lagrangian.separable:
                parts.append(self._steep(name) * part.ravel())
            else:
                parts.append(product(layer.lagrangian, self.states[name], part).ravel())
        return np.concatenate(parts)

    def _through(self, blocks: Mapping[tuple[str, str], Array], vector: Array) -> Array:
        out = np.zeros(self.size)
        for (source, target), block in blocks.items():
            out[self.spans[target]] += block @ vector[self.spans[source]]
        return out

    @cached_property
    def scale(self) -> Floats:
        """sqrt(diag H), bounded from below: in units of it H C is close to normal."""
        parts = []
        for name, layer in self.network.layers.items():
            state, lagrangian = self.states[name], layer.lagrangian
            if isinstance(lagrangian, SimplexLagrangian):
                # Rows of H have the sum 0: this is the diagonal, without cancellation.
                share = lagrangian.magnitude_product(state, np.ones(layer.shape)) / 2
            else:
                share = np.asarray(lagrangian.slope_bounds(state, state)[1], np.float64)
            parts.append(np.sqrt(share).ravel())
        scale = np.concatenate(parts)
        return np.asarray(np.maximum(scale, 1e-100 + 1e-30 * scale.max()))

    @cached_property
    def _magnitudes(self) -> dict[tuple[str, str], Array]:
        return {
            pair: np.abs(block) if pair not in self.parallel else self.parallel[pair]
            for pair, block in self.blocks.items()
        }

    @cached_property
    def gains(self) -> NDArray[Any]:
        """Eigenvalues of H C / leak; of large networks those at the ends.

        They belong to one pass through the network, and are real, in ascending order, unless
        synapses are directed. Two layers have them in pairs +-sqrt(s), with s the eigenvalues of
        the round trip Xi^T F Xi G.
        """
        if not self.leak.all():
            raise ValueError("gains need a leak in every layer")
        if self.network.directed:
            return self._directed_gains()
        if self.size > DENSE:
            ends = (_extreme(self, which, self.product, self.leak) for which in ("SR", "LR"))
            return np.array(list(ends))
        root = _root(self.hessian) / np.sqrt(self.leak)
        return np.asarray(np.linalg.eigvalsh(root @ self.coupling @ root.T))

    def _directed_gains(self) -> Complex:
        """Complex eigenvalues; of large networks the largest alone."""
        if self.size <= DENSE:
            matrix = (self.coupling @ self.hessian) / self.leak[:, None]
            return np.linalg.eigvals(matrix).astype(np.complex128)
        scale = self.scale

        def balanced(u: Array) -> Array:
            return np.asarray(scale * self.product(u / scale) / self.leak)

        if not balanced(np.ones(self.size)).any():
            return np.zeros(1, np.complex128)
        return np.asarray(krylov(balanced, self.size, "LM", 2)[0], np.complex128)

    @cached_property
    def curvatures(self) -> Floats:
        """Numbers with the signs of the curvatures of the energy, in descending order.

        The Hessian of the energy is leak H - H C H = R^T (leak - R C R^T) R with H = R^T R, and
        where H does not vanish the bracket has its signs.
        """
        if self.leak.all():
            return np.asarray(1 - self.gains)
        root = _root(self.hessian)
        bracket = np.diag(self.leak) - root @ self.coupling @ root.T
        return np.asarray(np.linalg.eigvalsh(bracket)[::-1])

    @cached_property
    def sigma(self) -> float:
        """Gain of a round trip: the square of the largest |gain|; NaN where a layer has no leak.

        For two layers, the largest |eigenvalue| of Xi^T F Xi G.
        """
        if not self.leak.all():
            return float("nan")
        return float("inf") if self.unbounded else float(np.abs(self.gains).max() ** 2)

    @cached_property
    def rho(self) -> float:
        """Gain of a round trip if nothing ever cancels; NaN where a layer has no leak.

        The squared spectral radius of |C| |H| / leak; for two layers, that of |Xi|^T|F||Xi||G|.
        """
        if not self.leak.all():
            return float("nan")
        return float("inf") if self.unbounded else self.magnitude_radius(self.leak) ** 2

    def magnitude_radius(self, size: Floats) -> float:
        """Spectral radius of |C| |H| / size, for positive numbers `size`, one a row."""
        if self.size > DENSE:
            return _extreme(self, "LR", self.magnitude_product, size)
        return float(np.abs(np.linalg.eigvals(self._magnitude / size[:, None])).max())

    @cached_property
    def _magnitude(self) -> Floats:
        return np.asarray(self.links @ np.abs(self.hessian))

    def jacobian_product(self, vector: Array) -> Array:
        """J u for deviations u of the dynamic layers (in the order of `Network.dynamic`)."""
        dynamic, full = self.dynamic, np.zeros(self.size)
        full[dynamic] = vector
        if not dynamic.all():
            full[~dynamic] = (self.product(full) / self._safe_leak)[~dynamic]
        moved = self.product(full) - self.leak * full
        return np.asarray(moved[dynamic] / self.tau[dynamic])

    @cached_property
    def _safe_leak(self) -> Floats:
        # Layers without leak are dynamic: their entry is not used.
        return np.where(self.leak > 0, self.leak, 1.0)

    @cached_property
    def modes(self) -> tuple[NDArray[np.complex128], Array, Array]:
        """Eigenvalues of the Jacobian, its modes, and those of its transpose, one a column.

        All of them for dense matrices, the rightmost ones beyond; over the dynamic layers.
        """
        from scipy.linalg import eig

        if self.size <= DENSE:
            states = {name: self.states[name] for name in self.network.dynamic}
            values, left, right = eig(self.network.jacobian(states), left=True)
            return values.astype(np.complex128), right, left
        scale = self.scale[self.dynamic]

        def balanced(u: Array) -> Array:
            return np.asarray(scale * self.jacobian_product(u / scale))

        values, right = krylov(balanced, len(scale), "LR", 2)
        right = right / scale[:, None]
        if self.network.directed:
            return values, right, self._left_modes(values, scale)
        # With one tau for a group, tau H turns modes into those of the transpose.
        full = self.completed(right)
        left = np.stack([self.respond(u.real) + 1j * self.respond(u.imag) for u in full.T], axis=1)
        return values, right, (self.tau[:, None] * left)[self.dynamic]

    def _left_modes(self, values: Array, scale: Floats) -> Array:
        """Modes of the transpose, conjugate, for eigenvalues that Arnoldi found, by themselves."""

        def balanced(u: Array) -> Array:
            full = np.zeros(self.size)
            full[self.dynamic] = scale * u / self.tau[self.dynamic]
            if not self.dynamic.all():
                full[~self.dynamic] = (self._transposed_product(full) / self._safe_leak)[
                    ~self.dynamic
                ]
            moved = self._transposed_product(full) - self.leak * full
            return np.asarray(moved[self.dynamic] / scale)

        found, left = krylov(balanced, len(scale), "LR", 2)
        nearest = np.abs(found.conj()[None] - values[:, None]).argmin(axis=1)
        return np.asarray(scale[:, None] * left[:, nearest])

    def completed(self, modes: Array) -> Array:
        """Modes (dynamic units, k) over all units: algebraic ones follow at once."""
        full = np.zeros((self.size, modes.shape[1]), np.complex128)
        full[self.dynamic] = modes
        return self._with_algebraic(full, self.product)

    def completed_left(self, modes: Array) -> Array:
        """Modes of the transpose, over all units, in units of the force: y with y M(s) = 0."""
        full = np.zeros((self.size, modes.shape[1]), np.complex128)
        full[self.dynamic] = modes / self.tau[self.dynamic, None]
        return self._with_algebraic(full, self._transposed_product)

    def _with_algebraic(self, full: Array, product: Callable[[Array], Array]) -> Array:
        if not self.dynamic.all():
            for column in full.T:
                value = product(column.real) + 1j * product(column.imag)
                column[~self.dynamic] = (value / self._safe_leak)[~self.dynamic]
        return full

    def _transposed_product(self, vector: Array) -> Array:
        """H C^T y."""
        out = np.zeros(self.size)
        for (source, target), block in self.blocks.items():
            out[self.spans[source]] += vector[self.spans[target]] @ block
        return self.respond(out)

    def slope_spread(self, near: Floats) -> Callable[[Array], Array]:
        """|dH| u for u >= 0, where dH bounds how H differs at states within `near`.

        For a group the diagonal is bounded, and what is beside it shared out in proportion.
        """
        spreads = []
        for name, layer in self.network.layers.items():
            x, width = self.states[name], near[self.spans[name]].reshape(layer.shape)
            low, high = layer.lagrangian.slope_bounds(x - width, x + width)
            spreads.append((self.spans[name], layer, np.maximum(high - low, 0.0)))

        def product(u: Array) -> Array:
            out = np.empty(self.size)
            for span, layer, spread in spreads:
                part = u[span].reshape(layer.shape)
                moved = spread * part
                if not layer.lagrangian.separable:
                    total = spread.sum(axis=-1, keepdims=True)
                    share = moved.sum(axis=-1, keepdims=True) / np.where(total > 0, total, 1.0)
                    moved = moved + spread * share
                out[span] = moved.ravel()
            return out

        return product

    @cached_property
    def slowest(self) -> tuple[complex, NDArray[np.complex128]]:
        """The rightmost eigenvalue of the Jacobian, and its mode over the dynamic layers."""
        values, modes, _ = self.modes
        # Of a conjugate pair, the one above the real axis.
        chosen = np.lexsort((-values.imag, -values.real))[0]
        return complex(values[chosen]), np.asarray(modes[:, chosen], np.complex128)


def _couplings(
    network: Network, states: Mapping[str, Array]
) -> tuple[dict[tuple[str, str], Array], dict[tuple[str, str], Array]]:
    """C by (source, target), and the summed magnitudes where synapses are parallel."""
    active = {n: x.lagrangian.activation(states[n])[None] for n, x in network.layers.items()}
    total: dict[tuple[str, str], Array] = {}
    magnitudes: dict[tuple[str, str], Array] = {}
    for synapse in network.synapses:
        own: dict[tuple[str, str], Array] = {}
        coupling = synapse.coupling(*(active[name] for name in synapse.between))
        for (a, b), block in coupling.items():
            pair = synapse.between[b], synapse.between[a]
            own[pair] = own[pair] + block[0] if pair in own else block[0]
        for pair, block in own.items():
            if pair in total:
                magnitudes[pair] = magnitudes.get(pair, np.abs(total[pair])) + np.abs(block)
                block = total[pair] + block
            total[pair] = block
    return total, magnitudes


def _diagonal(lagrangian: Lagrangian, state: Array) -> Floats:
    """The slopes of all units of a layer, (units,)."""
    if isinstance(lagrangian, SeparableLagrangian):
        return np.asarray(lagrangian.slope(state), np.float64).ravel()
    slopes = np.diagonal(lagrangian.hessian(state), axis1=-2, axis2=-1)
    return np.asarray(slopes, np.float64).ravel()


def _root(hessian: Floats) -> Floats:
    """R with R^T R = H; rows are scaled eigenvectors."""
    diagonal = np.diag(hessian)
    if not (hessian - np.diag(diagonal)).any():
        return np.diag(np.sqrt(np.maximum(diagonal, 0)))
    values, vectors = np.linalg.eigh(hessian)
    return np.asarray(np.sqrt(np.maximum(values, 0))[:, None] * vectors.T)


def _extreme(
    linear: Linearisation, which: str, product: Callable[[Array], Array], size: Floats
) -> float:
    """The eigenvalue of a product, divided by `size`, at one end of the real axis."""
    scale = linear.scale

    def balanced(u: Array) -> Array:
        return np.asarray(scale * product(u / scale) / size)

    if not balanced(np.ones(linear.size)).any():
        return 0.0
    values, _ = krylov(balanced, linear.size, which, 1)
    return float(values[0].real)


def solve_krylov(product: Any, right: Array) -> Array:
    """Solve A u = right for A given by its product, to rounding error if it can (GMRES)."""
    from scipy.sparse.linalg import LinearOperator, gmres

    size = len(right)
    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    solution = np.zeros(size)
    for _ in range(3):  # again for what is left: one solve is good to the tolerance below
        rest = right - product(solution)
        if not np.abs(rest).max() > 0:
            break
        solution = solution + gmres(operator, rest, restart=100, maxiter=5)[0]
    return np.asarray(solution)


def krylov(
    product: Any, size: int, which: str, count: int, kind: type = np.float64
) -> tuple[Any, Any]:
    """`count` eigenvalues at one end, by Arnoldi iteration (ARPACK)."""
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigs

    operator = LinearOperator((size, size), matvec=product, dtype=kind)
    # A start of our own: ARPACK's is random, and results would differ from run to run.
    start = np.random.default_rng(0).uniform(0.5, 1.5, size)
    try:
        found = eigs(operator, k=count, which=which, v0=start, tol=1e-11, maxiter=_RESTARTS)
    except ArpackError as error:
        raise ValueError(
            f"no eigenvalues were found for {size} unknowns (ARPACK: {error}); take a network of "
            f"fewer units, shorter delays, or states, weights and taus nearer to 1"
        ) from None
    return cast("tuple[Any, Any]", found)
