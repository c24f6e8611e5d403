"""`HyperSynapse`, the base class of all synapses, and checks and derivatives that they share."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks

if TYPE_CHECKING:
    from ..network import Layer

Array = NDArray[Any]
_ROUNDING = 1000  # units in the last place by which sums over many patterns may differ
# How far activations are moved for derivatives along a direction, and the central differences.
_ALONG = 1e-2
_STENCIL = ((1, 3 / 4), (-1, -3 / 4), (2, -3 / 20), (-2, 3 / 20), (3, 1 / 60), (-3, -1 / 60))
Shape = tuple[int, ...]


class HyperSynapse(ABC):
    """One term of the energy, shared by the layers named in `between`.

    Every synapse keeps these rules:

    1. It is immutable: a frozen dataclass with `eq=False`, whose arrays are read-only copies.
       `__post_init__` checks them: `checked_weights`, `checked_names` for `between`, `checked_name`
       for `name`, and `check_symmetric` where a layer may fill several slots.
    2. Methods get one array of activations per slot, (..., n_a), in the order of `between`: axes of
       the batch first, then axes of copies (tokens, positions) if the layers have them, units last.
       They do not change them.
    3. `energy` sums over the units. It may keep or sum the axes of copies, never those of the
       batch.
    4. `force_on(a)` is minus the derivative of the energy by what fills slot a. Where one layer
       fills several slots, the network adds their forces up, and an energy would count every
       pair of its units twice: divide energy and forces by `permutations(between)`.
    5. `force_on(a)` does not read entry a, which may be None, unless the class sets `reads_own` to
       True. It reads all others; if it needs fewer, override `dependencies`: a layer with tau = 0
       may fill a slot whose force does not read it.
    6. `coupling` has the derivatives of the forces, written out. Since the energy has second
       derivatives, block (a, b) is block (b, a) transposed. `every_copy` and `block_diagonal` make
       the blocks of copies.
    7. Where forces have a kink or a step, `kinked` says so; `coupling` is then that of one side.
    8. `parameter_gradient` has one entry for each array that could be learned, in its shape, and
       `learned` names them: attributes that the constructor takes by the same name.
       `force_gradient` and `pull_back` follow from these, and may be written out.
    9. `check_shapes` raises ValueError, naming the synapse, the layers and their shapes, unless
       they fit; nothing else is checked again.
    10. `check_layers` does the same for what else the layers have, where not all will do.
    11. `bounded_below` and `growth` are true: a `Network` asks them whether the energy has a lower
        bound.
    12. Forces that no energy has take ``directed = True``. `energy` and `parameter_gradient` are
        then those of the symmetric part of the couplings, which a `Network` gives only when it is
        asked for by name, and rules 4 and 6 do not bind the forces.

    Certificates, event-driven runs and Brian2 take `Dense` and `Directed` synapses alone, chips
    `Dense`, and they refuse others by name; all else works with any synapse.

    Attributes
    ----------
    between : tuple of str
        The connected layers, one name per slot. A layer may fill several slots.
    name : str
        Key of this term in `Network.energy_tree`; "a-b" for between=("a", "b") by default.
    reads_own : bool
        Whether the force on a slot depends on that slot's own activation. It does not where the
        energy is linear in every slot.
    bounded_below : bool
        Whether the energy has a lower bound for activations of any size.
    growth : float
        `Lagrangian.growth` of units that are integrated out, as memories without a layer; 0 if
        there are none.
    directed : bool
        Whether the forces are none of an energy.
    """

    between: tuple[str, ...]
    name: str
    directed: ClassVar[bool] = False
    reads_own: ClassVar[bool] = False
    bounded_below: ClassVar[bool] = False

    @property
    def growth(self) -> float:
        """See above."""
        return 0.0

    @property
    def learned(self) -> tuple[str, ...]:
        """Names of the parameters that could be learned: by default the fields with float arrays.

        Weights of small integers are among them.
        """
        owned = [field.name for field in fields(cast(Any, self)) if field.init]
        arrays = ((name, getattr(self, name)) for name in owned)
        return tuple(n for n, x in arrays if isinstance(x, np.ndarray) and x.dtype != bool)

    @abstractmethod
    def energy(self, *activations: Array) -> Array:
        """Energy of the activations, one array (..., n_a) per slot; sums over the last axis.

        Axes of copies (tokens, positions) may be left for `Network.energy` to sum.
        """

    @abstractmethod
    def force_on(self, slot: int, activations: Sequence[Array | None]) -> Array:
        """Minus the gradient of the energy by the activation of one slot, (..., n_slot).

        Unless `reads_own`, the entry of the slot itself is not read: it may be None.
        """

    def dependencies(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Every slot that the synapse acts on, with the layers that its force reads."""
        for slot, name in enumerate(self.between):
            others = self.between[:slot] + self.between[slot + 1 :]
            yield slot, (*others, name) if self.reads_own else others

    def force(self, *activations: Array | None) -> tuple[Array, ...]:
        """Minus the gradient of the energy, one array (..., n_a) per slot.

        Where one layer fills all slots it is asked for instead of `force_on`: override it where the
        slots share what they compute.
        """
        return tuple(self.force_on(slot, activations) for slot in range(len(self.between)))

    @abstractmethod
    def coupling(self, *activations: Array) -> dict[tuple[int, int], Array]:
        """Derivative of the force on slot a by the activation of slot b.

        Parameters
        ----------
        *activations : arrays of shape (batch, *copies, n_a)
            Exactly one batch axis.

        Returns
        -------
        dict
            {(a, b): array (batch or 1, size_a, size_b)} with size = prod(copies) * n; blocks that
            are zero are left out.
        """

    def kinked(self, *activations: Array) -> bool:
        """Whether the forces have a kink or step within rounding of these activations.

        Shapes as for `coupling`. There it holds the derivatives of one side.
        """
        return False

    @abstractmethod
    def parameter_gradient(self, *activations: Array) -> dict[str, Array]:
        """Derivative of the energy by the parameters, at given activations.

        Parameters
        ----------
        *activations : arrays (..., n_a)
            As for `energy`.

        Returns
        -------
        dict
            By the name of the parameter, in its shape: the gradient of the energies' sum over the
            batch and all copies. For one gradient per cue, call this per cue.
        """

    def pull_back(
        self, activations: Sequence[Array], directions: Sequence[Array | None]
    ) -> list[Array | None]:
        """Derivative of sum_a u_a . force_a by every activation: the transposed coupling times u.

        Parameters
        ----------
        activations : sequence of arrays (batch, *copies, n_a)
            One per slot; exactly one batch axis.
        directions : sequence of arrays (batch, *copies, n_a), or None
            u, one per slot; None stands for 0.

        Returns
        -------
        list of ndarray (batch, *copies, n_a), or None
            One per slot; None where no direction contributes.
        """
        if self.reads_own or self.directed:
            return self._pull_back_by_blocks(activations, directions)
        # Linear in every slot: the derivative by slot b of the force on a, times u_a, is the force
        # on b with u_a in place of the activation of a.
        out: list[Array | None] = [None] * len(self.between)
        for b in range(len(self.between)):
            for a, u in enumerate(directions):
                if a != b and u is not None:
                    part = self.force_on(b, [*activations[:a], u, *activations[a + 1 :]])
                    out[b] = part if (old := out[b]) is None else old + part
        return out

    def _pull_back_by_blocks(
        self, activations: Sequence[Array], directions: Sequence[Array | None]
    ) -> list[Array | None]:
        out: list[Array | None] = [None] * len(self.between)
        for (a, b), block in self.coupling(*activations).items():
            if (u := directions[a]) is not None:
                flat = (u.reshape(len(u), 1, -1) @ block)[:, 0]
                part = flat.reshape(len(u), *activations[b].shape[1:])
                out[b] = part if (old := out[b]) is None else old + part
        return out

    def force_gradient(
        self, activations: Sequence[Array], directions: Sequence[Array]
    ) -> dict[str, Array]:
        """Derivative of sum_a u_a . force_a by the parameters, at held activations.

        Parameters
        ----------
        activations, directions : sequences of arrays (..., n_a)
            g and u, one per slot.

        Returns
        -------
        dict
            As `parameter_gradient`, of which this is minus the derivative along u: by central
            differences of sixth order, unless a class writes it out. They are exact for energies
            of up to seven slots that are linear in each.
        """
        size = max(float(np.abs(u).max()) for u in directions)
        step = _ALONG / size if size > 0 else 1.0
        total: dict[str, Array] = {}
        for shift, weight in _STENCIL:
            moved = (g + shift * step * u for g, u in zip(activations, directions, strict=True))
            for name, value in self.parameter_gradient(*moved).items():
                total[name] = total.get(name, 0.0) - weight / step * value
        return total

    @abstractmethod
    def check_shapes(self, *shapes: Shape) -> None:
        """Raise ValueError unless layers of these shapes can fill the slots."""

    def check_layers(self, *layers: Layer) -> None:  # noqa: B027 (all of fitting shapes will do)
        """Raise ValueError unless these layers, whose shapes fit, can fill the slots."""


def checked_names(between: Any, slots: int, kind: str) -> tuple[str, ...]:
    """Validate the layer names of a synapse that has `slots` slots."""
    listed = isinstance(between, (list, tuple))
    if not listed or not all(isinstance(name, str) for name in between):
        raise TypeError(
            f"{kind}: between must be a tuple of layer names, got {checks.shown(between)}"
        )
    if len(between) != slots:
        raise ValueError(
            f"{kind}: between={tuple(between)!r} names {len(between)} layers, "
            f"its weights have {slots} axes; give one name per axis"
        )
    return tuple(between)


def permutations(between: tuple[str, ...]) -> int:
    """Orders in which repeated layers can fill their slots: 2 for ("v", "v"), 1 for ("h", "v")."""
    return math.prod(math.factorial(count) for count in Counter(between).values())


def checked_weights(
    weights: ArrayLike, kind: str, what: str = "weights", *, ndim: int | None = None
) -> Array:
    """A read-only copy of finite weights, as int8 or float32 if they are, else as float64.

    A file that is mapped into memory to be read stays where it is.
    """
    given = checks.plain(f"{kind}: {what}", weights)
    dtype = given.dtype if given.dtype in (np.int8, np.float32) else np.float64
    checked = checks.array(
        f"{kind}: {what}",
        given,
        ndim=ndim,
        dtype=dtype,
        empty=False,
        largest=checks.LARGEST if dtype == np.float64 else None,
    )
    stays = checks.is_mapped(checked) and checked.flags.c_contiguous
    return checked if stays else checks.owned(checked)


def checked_name(name: Any, kind: str, default: str) -> str:
    """The name of a synapse; "" is the default."""
    return checks.text(f"{kind}: name", name) or default


def check_symmetric(weights: Array, between: tuple[str, ...], kind: str) -> None:
    """Raise ValueError unless axes that belong to one layer can be exchanged.

    The energy has no other part of the weights: what is antisymmetric would be dropped.
    """
    for a, b in itertools.combinations(range(weights.ndim), 2):
        if between[a] != between[b]:
            continue
        if weights.shape[a] != weights.shape[b]:
            raise ValueError(
                f"{kind}: weights have shape {weights.shape}, but axes {a} and {b} belong to one "
                f"layer, {between[a]!r}"
            )
        other = weights.swapaxes(a, b)
        if weights.dtype == np.int8:
            symmetric = bool((weights == other).all())
        else:
            rounding = _ROUNDING * float(np.finfo(weights.dtype).eps)
            gap = np.abs(weights - other).max()
            symmetric = bool(gap <= rounding * np.abs(weights).max())
        if not symmetric:
            name, remedy = (
                between[a],
                "pass the mean over all orders of axes for the symmetric part",
            )
            if weights.ndim == 2:
                remedy = (
                    f"pass (W + W.T) / 2 for the symmetric part, or take Directed(W, "
                    f"source={name!r}, target={name!r}), which has no energy"
                )
            raise ValueError(
                f"{kind}: weights within layer {name!r} must be symmetric, since an energy "
                f"has no other part of them; {remedy}"
            )


def rows(x: Array) -> Array:
    """(..., n) as float64 (prod(...), n)."""
    return x.reshape(-1, x.shape[-1]).astype(np.float64, copy=False)


def every_copy(block: Array, activation: Array) -> Array:
    """The derivative of one copy's force, (n, m) or (batch, *copies, n, m), for all copies."""
    if block.ndim == 2:
        return np.kron(np.eye(math.prod(activation.shape[1:-1])), block)[None]
    return block_diagonal(block)


def block_diagonal(blocks: Array) -> Array:
    """(batch, *copies, n, m) as block-diagonal matrices (batch, prod(copies) n, prod(copies) m)."""
    batch, (n, m) = len(blocks), blocks.shape[-2:]
    flat = blocks.reshape(batch, -1, n, m)
    copies = flat.shape[1]
    out = np.zeros((batch, copies, n, copies, m), blocks.dtype)
    index = np.arange(copies)
    out[:, index, :, index, :] = flat.swapaxes(0, 1)
    return out.reshape(batch, copies * n, copies * m)
