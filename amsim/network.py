"""`Layer` and `Network`: one energy, and the dynamics that descends it.

Directed synapses add forces to it that no energy has.

Every network of the project follows one sign convention. With activations g_l = grad L_l(x_l),
external input I_l = bias + input and hypersynapses s:

    E = sum_l leak_l [(x_l - I_l) . g_l - L_l(x_l)] + sum_s E_s(g)
    tau_l dx_l/dt = -dE/dg_l = leak_l (I_l - x_l) + sum_s force_s

Source: Krotov & Hopfield 2020, arXiv:2008.06996; Hoover et al. 2022 (HAMUX); Krotov et al. 2025,
arXiv:2507.06211, chapter 3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import checks, network_file
from .display import Named, brief, short, shortened, span, table, tabled
from .files import MAX_BYTES
from .lagrangians import Lagrangian
from .parameters import Given, Tree, energy_gradient, parameter_tree, replaced
from .synapses import Array, HyperSynapse, block_diagonal

States = Mapping[str, ArrayLike]
Found = TypeVar("Found")
_Acting = tuple[HyperSynapse, tuple[int, ...]]
_SYMMETRIC_PART = (
    "there is no energy; pass symmetric_part=True for that of the symmetric part of the couplings, "
    "which the dynamics does not descend"
)


@dataclass(frozen=True, eq=False, init=False)
class Layer:
    """A population of neurons with one Lagrangian.

    Parameters
    ----------
    shape : int or tuple of int
        Units; the Lagrangian acts on the last axis, the others are copies (tokens, positions).
    lagrangian : Lagrangian
    tau : float or array_like, default 1.0
        Time constant, in the user's unit of time; a number or one per unit (broadcast to shape).
        0 makes the whole layer algebraic: it has its stationary value at every moment.
    bias : float or array_like, default 0.0
        Constant external input I, in units of the state.
    leak : float, default 1.0
        Factor of the layer's own energy and decay. 0 drops both, and the bias with them: the layer
        descends the energy of its synapses alone (Hoover et al. 2023, arXiv:2302.07253).

    Raises
    ------
    ValueError
        If the shape, tau, bias or leak is not usable; the message names the remedy.
    TypeError
        If tau, bias or leak are no real numbers.

    Examples
    --------
    >>> from amsim import Layer, Tanh
    >>> Layer(64, Tanh(), tau=0.5).shape
    (64,)
    """

    shape: tuple[int, ...]
    lagrangian: Lagrangian
    tau: Array
    bias: Array
    leak: float

    def __init__(
        self,
        shape: int | Sequence[int],
        lagrangian: Lagrangian,
        tau: ArrayLike = 1.0,
        bias: ArrayLike = 0.0,
        leak: float = 1.0,
    ) -> None:
        checks.instance("lagrangian", lagrangian, Lagrangian, "a Lagrangian such as Identity()")
        leak = checks.number("leak", leak, at_least=0.0, at_most=checks.LARGEST)
        object.__setattr__(self, "shape", _checked_shape(shape))
        object.__setattr__(self, "lagrangian", lagrangian)
        object.__setattr__(self, "tau", self._unit_array("tau", tau))
        object.__setattr__(self, "bias", self._unit_array("bias", bias))
        object.__setattr__(self, "leak", leak)
        lowest, highest = float(self.tau.min()), float(self.tau.max())
        if lowest < 0 or (lowest == 0 < highest):
            raise ValueError(
                f"tau must be positive for every unit, or 0 for the whole layer (algebraic); "
                f"got values from {lowest:g} to {highest:g}"
            )
        if highest > 0 and lowest < checks.SMALLEST:
            raise ValueError(
                f"tau below {checks.SMALLEST:g} overflows; tau=0 makes a layer algebraic"
            )
        if leak == 0 and highest == 0:
            raise ValueError("a layer without leak needs tau > 0: it has no algebraic value")

    def _unit_array(self, what: str, value: ArrayLike) -> Array:
        """A read-only float64 copy of shape `shape`: what was checked cannot change afterwards."""
        array = checks.owned(checks.array(what, value, largest=checks.LARGEST))
        try:
            return np.broadcast_to(array, self.shape)
        except ValueError:
            raise ValueError(
                f"{what} has shape {array.shape}, the layer has shape {self.shape}; "
                f"give a number or one value per unit"
            ) from None

    @short
    def __repr__(self) -> str:
        leak = "" if self.leak == 1 else f", leak={self.leak:g}"
        return (
            f"Layer({self.shape}, {brief(self.lagrangian)}, tau={span(self.tau)}, "
            f"bias={span(self.bias)}{leak})"
        )

    @cached_property
    def size(self) -> int:
        """Number of units."""
        return math.prod(self.shape)

    @cached_property
    def algebraic(self) -> bool:
        """Whether tau is 0."""
        return not np.any(self.tau)

    @cached_property
    def tau_runs(self) -> list[tuple[int, float]]:
        """Runs of neighbouring units (of the flattened layer) with equal tau: (length, tau)."""
        tau = np.ravel(self.tau)
        ends = [*(1 + np.flatnonzero(np.diff(tau))), len(tau)]
        return [(int(b - a), float(tau[a])) for a, b in zip([0, *ends[:-1]], ends, strict=True)]

    def energy(self, state: Array, activation: Array, external: Array | float) -> Array:
        """leak [(x - I) . g - L(x)], one value per batch entry."""
        legendre = np.sum((state - external) * activation, axis=-1) - self.lagrangian.value(state)
        copies = tuple(range(-len(self.shape) + 1, 0))
        return np.asarray(self.leak * legendre.sum(axis=copies))


def _checked_shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    axes = tuple(shape) if isinstance(shape, (list, tuple)) else (shape,)
    if not axes:
        raise ValueError("layer shape must have an axis, got ()")
    found = tuple(checks.count("layer shape", n) for n in axes)
    checks.room("the layer", *found)
    return found


class Network:
    """Named layers joined by hypersynapses.

    Parameters
    ----------
    layers : mapping of str to Layer
    synapses : sequence of HyperSynapse

    Raises
    ------
    ValueError
        If a synapse names an unknown layer, shapes do not fit, two terms of the energy have one
        name, or algebraic layers depend on each other.

    Notes
    -----
    States are mappings from layer names to arrays of shape (*batch, *layer shape); the batch axes
    of all layers must be equal. Algebraic layers (tau = 0) may be left out: they follow from the
    others, and what is given for them is ignored.

    Examples
    --------
    >>> import numpy as np
    >>> from amsim import Dense, Identity, Layer, Network, Softmax
    >>> net = Network(
    ...     layers={"visible": Layer(3, Identity()), "hidden": Layer(2, Softmax(2.0), tau=0.1)},
    ...     synapses=[Dense([[1, 1, 1], [1, -1, 1]], between=("hidden", "visible"))],
    ... )
    >>> states = {"visible": np.array([1.0, 0.0, 1.0]), "hidden": np.zeros(2)}
    >>> {name: v.tolist() for name, v in net.velocity(states).items()}
    {'visible': [0.0, 0.0, 0.0], 'hidden': [20.0, 20.0]}
    """

    def __init__(self, layers: Mapping[str, Layer], synapses: Sequence[HyperSynapse]) -> None:
        checks.instance("layers", layers, Mapping, "a mapping of names to Layer")
        checks.instance("synapses", synapses, Sequence, "a list of synapses such as Dense(...)")
        self.layers: Mapping[str, Layer] = Named("layer", layers)
        self.synapses: tuple[HyperSynapse, ...] = tuple(synapses)
        self._known: dict[Callable[[Network], Any], Any] = {}
        _check_layers(self.layers)
        _check_synapses(self.layers, self.synapses)

    def __reduce__(self) -> tuple[type[Network], tuple[dict[str, Layer], Sequence[HyperSynapse]]]:
        """Pickle what it was built from: read-only mappings cannot be."""
        return Network, (dict(self.layers), self.synapses)

    @tabled
    def _repr_html_(self) -> str:
        layers: list[tuple[object, ...]] = [
            (name, brief(layer.shape), brief(layer.lagrangian), f"tau {span(layer.tau)}")
            for name, layer in self.layers.items()
        ]
        synapses = ((x.name, _ends(x), type(x).__name__, "") for x in self.synapses)
        head = ("name", "shape or layers", "kind", "time constant")
        return table("Network", [*layers, *synapses], head=head)

    @short
    def __repr__(self) -> str:
        layers = ", ".join(f"{shortened(n, 60)}: {x.shape}" for n, x in self.layers.items())
        synapses = ", ".join(shortened(synapse.name, 60) for synapse in self.synapses)
        return f"Network(layers={{{layers}}}, synapses=[{synapses}])"

    def save(self, path: str | Path, *, force: bool = False) -> Path:
        """Write the network to a file that `load` reads back to the bit; nothing is pickled.

        Parameters
        ----------
        path : str or Path
            ".json" writes text, with all digits; ".npz", which is added to other names, holds the
            arrays as they are and suits large networks.
        force : bool, default False
            Whether an existing file may be replaced.

        Returns
        -------
        Path
            Of the file.

        Raises
        ------
        FileExistsError
            If the file exists and force is false.
        TypeError
            If a Lagrangian or a synapse is of a class of one's own, whose code no file holds.
        ValueError
            If the JSON would be larger than 64 MB.

        Examples
        --------
        >>> import tempfile
        >>> import amsim as am
        >>> net = am.dense_am([[1, 1, -1], [1, -1, 1]], hidden=am.Softmax(beta=2.0))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     am.Network.load(net.save(f"{folder}/net.json"))
        Network(layers={visible: (3,), hidden: (2,)}, synapses=[hidden-visible])
        """
        return network_file.save(self, path, force=force)

    @classmethod
    def load(cls, path: str | Path, *, max_bytes: int = MAX_BYTES) -> Network:
        """Read a file that `save` wrote; every number is checked as if it were given by hand.

        Parameters
        ----------
        path : str or Path
            Of JSON if it ends in ".json", else of an archive.
        max_bytes : int, default 2**30
            What an archive may unpack to; one that is larger itself may unpack to its size.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged, something else, or unpacks to more.
        """
        return network_file.load(path, Layer, cls, max_bytes=max_bytes)

    def parameters(self) -> Tree:
        """What can be learned, as a nested mapping of arrays.

        Returns
        -------
        dict of str to dict of str to ndarray
            By the name of the layer or synapse, and of the parameter. Layers have "bias" (unless
            their leak is 0), "tau" (unless it is 0) and the "beta" of Lagrangians that have one;
            synapses have what their constructors take, as "weights". The arrays are copies.

        See Also
        --------
        with_parameters, parameter_gradient

        Examples
        --------
        >>> import amsim as am
        >>> net = am.dense_am([[1, 1, -1], [1, -1, 1]], hidden=am.Softmax(beta=2.0))
        >>> for name, part in net.parameters().items():
        ...     print(name, *(f"{key} {array.shape}" for key, array in part.items()))
        visible bias (3,) tau (3,)
        hidden bias (2,) tau (2,) beta ()
        hidden-visible weights (2, 3)
        """
        return parameter_tree(self.layers, self.synapses)

    def with_parameters(self, tree: Given) -> Network:
        """A network with other parameters; this one stays as it is.

        Parameters
        ----------
        tree : mapping of str to mapping of str to array_like
            As `parameters` gives them; those that are left out stay as they are.

        Returns
        -------
        Network

        Raises
        ------
        ValueError, TypeError
            If a name is unknown, or an array has another shape or is not what the layer or the
            synapse takes; the message names it.

        Examples
        --------
        >>> import amsim as am
        >>> net = am.dense_am([[1, 1, -1], [1, -1, 1]], hidden=am.Softmax(beta=2.0))
        >>> other = net.with_parameters({"hidden": {"beta": 3.0, "bias": [0.0, 0.5]}})
        >>> other.layers["hidden"]
        Layer((2,), Softmax(beta=3.0), tau=0.1, bias=0 to 0.5)
        """
        return Network(*replaced(self.layers, self.synapses, tree))

    def once(self, find: Callable[[Network], Found]) -> Found:
        """What a function finds out about this network, which does not change: it is called once.

        Parameters
        ----------
        find : callable
            Of a module, and of the network alone.
        """
        if find not in self._known:
            self._known[find] = find(self)
        found: Found = self._known[find]
        return found

    @cached_property
    def dynamic(self) -> Mapping[str, Layer]:
        """The layers with tau > 0, in the order in which `jacobian` and `pack` lay them out."""
        return Named("layer", {n: x for n, x in self.layers.items() if not x.algebraic})

    def complete(self, states: States, inputs: States | None = None) -> dict[str, Array]:
        """Validate states and add those of the algebraic layers.

        Parameters
        ----------
        states : mapping of str to array_like (*batch, *shape)
        inputs : mapping of str to array_like, optional
            External input added to the bias, broadcast against the states.

        Returns
        -------
        dict of str to ndarray

        Raises
        ------
        ValueError
            On a missing or unknown layer, a wrong shape, NaN, batch axes that differ, or inputs
            that do not fit the states.
        """
        for what, mapping in (("states", states), ("inputs", inputs)):
            if mapping is not None or what == "states":
                checks.instance(what, mapping, Mapping, "a mapping of layer names to arrays")
        given = {
            name: checks.array(f"state of layer {name!r}", state, finite=False)
            for name, state in states.items()
        }
        check_states(self.layers, given)
        external = {
            name: checks.array(f"input of layer {name!r}", value)
            for name, value in ({} if inputs is None else inputs).items()
        }
        check_inputs(self.layers, external, self._batch(given))
        return self._complete({name: _float(name, given[name]) for name in self.dynamic}, inputs)

    def activations(self, states: States, inputs: States | None = None) -> dict[str, Array]:
        """g_l = grad L_l(x_l) of every layer, shapes as the states."""
        return self._activate(self.complete(states, inputs))

    @cached_property
    def directed(self) -> tuple[str, ...]:
        """Names of the synapses whose forces no energy has, such as `Directed`."""
        return tuple(synapse.name for synapse in self.synapses if synapse.directed)

    def energy_tree(
        self, states: States, inputs: States | None = None, *, symmetric_part: bool = False
    ) -> dict[str, Array]:
        """The parts of the energy by the name of their layer or synapse; they sum to `energy`."""
        self._check_energy(symmetric_part)
        full = self.complete(states, inputs)
        active = self._activate(full)
        batch_axes = len(self._batch(full))
        tree = {
            name: layer.energy(full[name], active[name], self._external(name, inputs))
            for name, layer in self.layers.items()
        }
        for synapse in self.synapses:
            energy = synapse.energy(*(active[name] for name in synapse.between))
            tree[synapse.name] = energy.sum(axis=tuple(range(batch_axes, energy.ndim)))
        return tree

    def energy(
        self, states: States, inputs: States | None = None, *, symmetric_part: bool = False
    ) -> Array:
        """Total energy, shape (*batch).

        Parameters
        ----------
        states : mapping of str to array_like (*batch, *shape)
        inputs : mapping of str to array_like, optional
            External input added to the bias.
        symmetric_part : bool, default False
            Whether directed synapses count with the symmetric part of their couplings, which the
            dynamics does not descend: (W + W^T) / 2 for weights W within a layer.

        Raises
        ------
        ValueError
            If the states do not fit the layers, or a synapse is directed and `symmetric_part` is
            not set: then there is no energy.
        """
        tree = self.energy_tree(states, inputs, symmetric_part=symmetric_part)
        return np.asarray(sum(tree.values()))

    def force(self, states: States, inputs: States | None = None) -> dict[str, Array]:
        """-dE/dg_l = tau_l dx_l/dt of every dynamic layer, shapes as the states."""
        return self.unchecked_force(self.complete(states, inputs), inputs)

    def unchecked_force(
        self, states: Mapping[str, Array], inputs: States | None = None
    ) -> dict[str, Array]:
        """`force` for integrators: no validation, and NaN in gives NaN out."""
        full, active = self._follow(states, inputs)
        for name, layer in self._followers.items():
            active[name] = layer.lagrangian.activation(full[name])
        forces = {}
        for name, layer in self._leaders.items():
            force = self._external(name, inputs) - full[name]
            if layer.leak != 1:
                force = layer.leak * force
            forces[name] = force + self.synaptic_force(name, active)
        return forces

    def parameter_gradient(
        self, states: States, inputs: States | None = None, *, symmetric_part: bool = False
    ) -> Tree:
        """Derivative of the energy by the parameters of layers and synapses, at given states.

        For learning by gradients: there, states are those of patterns, or rests of recalls.

        Parameters
        ----------
        states, inputs, symmetric_part
            As for `energy`.

        Returns
        -------
        dict of str to dict of str to ndarray
            {name of the layer or synapse: {parameter: gradient}}, as in `parameters`, in the
            parameter's shape, summed over the batch. There is no "tau": no energy depends on it.

        Notes
        -----
        States are held. Algebraic layers need not be: where they have their stationary value the
        energy does not depend on them to first order, so these are the derivatives of
        E(dynamic states, parameters). dE/dbias = -leak g.

        Examples
        --------
        >>> import numpy as np
        >>> from amsim import Softmax, dense_am
        >>> net = dense_am([[1.0, 1.0], [1.0, -1.0]], hidden=Softmax(beta=50.0), tau_hidden=0.0)
        >>> gradient = net.parameter_gradient({"visible": np.array([0.5, 0.8])})
        >>> gradient["hidden-visible"]["weights"].round(3) + 0.0
        array([[-0.5, -0.8],
               [ 0. ,  0. ]])
        """
        self._check_energy(symmetric_part)
        return self.unchecked_parameter_gradient(self.complete(states, inputs), inputs)

    def unchecked_parameter_gradient(
        self, full: Mapping[str, Array], inputs: States | None = None
    ) -> Tree:
        """`parameter_gradient` at states of all layers, of which algebraic ones may be any."""
        active = self._activate(full)
        found: Tree = {}
        for name, layer in self.layers.items():
            x, g = (part[name].reshape(-1, *layer.shape) for part in (full, active))
            force = x
            if layer.lagrangian.tempered:
                force = layer.leak * (self._external(name, inputs) - full[name])
                force = (force + self.synaptic_force(name, active)).reshape(x.shape)
            found[name] = energy_gradient(layer, x, g, force)
        for synapse in self.synapses:
            own = synapse.parameter_gradient(*(active[name] for name in synapse.between))
            found[synapse.name] = own
        return found

    def velocity(self, states: States, inputs: States | None = None) -> dict[str, Array]:
        """dx_l/dt of every dynamic layer, shapes as the states, in state units per unit of time."""
        return {n: force / self.layers[n].tau for n, force in self.force(states, inputs).items()}

    def jacobian(self, states: States, inputs: States | None = None) -> NDArray[np.float64]:
        """Derivative of the velocity by the state, shape (*batch, N, N).

        Rows and columns run over the flattened dynamic layers in the order of `dynamic`;
        algebraic layers are eliminated by the chain rule. Dense: meant for N up to some thousands.
        """
        full = self.complete(states, inputs)
        batch = self._batch(full)
        flat = {n: x.reshape(-1, *self.layers[n].shape) for n, x in full.items()}
        residual = self._residual_derivative(flat)
        dynamic = np.concatenate(
            [np.full(layer.size, not layer.algebraic) for layer in self.layers.values()]
        )
        kept = residual[:, dynamic][:, :, dynamic]
        if not dynamic.all():
            inner = residual[:, ~dynamic][:, :, ~dynamic]
            back = residual[:, ~dynamic][:, :, dynamic]
            kept = kept - residual[:, dynamic][:, :, ~dynamic] @ np.linalg.solve(inner, back)
        tau = np.concatenate([np.ravel(layer.tau) for layer in self.dynamic.values()])
        jacobian: NDArray[np.float64] = (kept / tau[:, None]).reshape(*batch, *kept.shape[1:])
        return jacobian

    def pack(self, states: Mapping[str, Array]) -> Array:
        """Flatten the dynamic layers of (*batch, *shape) states into one array (*batch, N)."""
        parts = []
        for name, layer in self._leaders.items():
            state = states[name]
            if len(layer.shape) > 1:
                state = state.reshape(*state.shape[: -len(layer.shape)], layer.size)
            parts.append(state)
        return np.concatenate(parts, axis=-1)

    def unpack(self, vector: Array) -> dict[str, Array]:
        """The inverse of `pack`: (*batch, N) back to one array per dynamic layer (views)."""
        states, start = {}, 0
        for name, layer in self._leaders.items():
            part = vector[..., start : start + layer.size]
            if len(layer.shape) > 1:
                part = part.reshape(*vector.shape[:-1], *layer.shape)
            states[name] = part
            start += layer.size
        return states

    @cached_property
    def lost_guarantees(self) -> tuple[str, ...]:
        """Why energy descent, a bounded energy or an energy at all is lost, in words.

        Not listed: pairs of activations that grow as fast as the leak (Identity with Identity or
        ReLU), where the energy is bounded or not depending on the weights.
        """
        return (
            *_no_energy(self.directed),
            *_uneven_groups(self.layers),
            *_unbounded_products(self.layers, self.synapses),
        )

    def _check_energy(self, symmetric_part: bool) -> None:
        if not checks.flag("symmetric_part", symmetric_part) and self.directed:
            raise ValueError(f"{directed_in_words(self.directed)}; {_SYMMETRIC_PART}")

    def _external(self, name: str, inputs: States | None) -> Array:
        bias = np.asarray(self.layers[name].bias)
        return bias if inputs is None or name not in inputs else bias + np.asarray(inputs[name])

    def _complete(self, states: Mapping[str, Array], inputs: States | None) -> dict[str, Array]:
        return self._follow(states, inputs)[0]

    def _follow(
        self, states: Mapping[str, Array], inputs: States | None
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """States of all layers, and activations of the dynamic ones."""
        full = {name: states[name] for name in self._leaders}
        active = {n: layer.lagrangian.activation(full[n]) for n, layer in self._leaders.items()}
        if not self._followers:
            return full, active
        batch = self._batch(full)
        for name, layer in self._followers.items():
            drive = self.synaptic_force(name, active) / layer.leak
            # A layer that no synapse reaches has the batch axes of the others, too.
            rest = np.zeros((*batch, *layer.shape), _precision(active))
            full[name] = rest + self._external(name, inputs) + drive
        return {name: full[name] for name in self.layers}, active

    @cached_property
    def _leaders(self) -> dict[str, Layer]:
        """`dynamic`, for loops: a mapping that is no dict looks every name up."""
        return dict(self.dynamic)

    @cached_property
    def _followers(self) -> dict[str, Layer]:
        """The layers with tau = 0."""
        return {name: layer for name, layer in self.layers.items() if layer.algebraic}

    def _activate(self, full: Mapping[str, Array]) -> dict[str, Array]:
        return {
            name: layer.lagrangian.activation(full[name]) for name, layer in self.layers.items()
        }

    def _batch(self, states: Mapping[str, Array]) -> tuple[int, ...]:
        name, layer = next(iter(self._leaders.items()))
        return states[name].shape[: states[name].ndim - len(layer.shape)]

    def synaptic_force(self, name: str, active: Mapping[str, Array]) -> Array:
        """Sum of the forces on one layer by the synapses whose sources are in `active`."""
        total: Array | float = 0.0  # added to in any case: what a synapse keeps stays its own
        for synapse, acting in self._acting_on(name, tuple(active)):
            slots = [active.get(other) for other in synapse.between]
            whole = len(acting) == len(slots)  # all at once: they may share what they compute
            for force in synapse.force(*slots) if whole else _each(synapse, acting, slots):
                total = total + force
        if isinstance(total, float):
            return np.zeros(self.layers[name].shape, _precision(active))
        return total

    def _acting_on(self, name: str, known: tuple[str, ...]) -> list[_Acting]:
        """The synapses on a layer that read known layers alone, each with the slots it acts on."""
        if (name, known) not in self._acting:
            self._acting[name, known] = [
                (synapse, slots)
                for synapse in self.synapses
                if (slots := tuple(_slots(synapse, name, frozenset(known))))
            ]
        return self._acting[name, known]

    @cached_property
    def _acting(self) -> dict[tuple[str, tuple[str, ...]], list[_Acting]]:
        """What `_acting_on` found: solvers ask at every evaluation."""
        return {}

    def _residual_derivative(self, flat: Mapping[str, Array]) -> Array:
        """d(-dE/dg)/dx for all layers, algebraic ones too: (batch, N, N)."""
        batch = len(next(iter(flat.values())))
        ends = np.cumsum([0, *(layer.size for layer in self.layers.values())])
        span = {n: slice(a, b) for n, a, b in zip(self.layers, ends[:-1], ends[1:], strict=True)}
        out = np.zeros((batch, ends[-1], ends[-1]))
        active = self._activate(flat)
        for synapse in self.synapses:
            blocks = synapse.coupling(*(active[name] for name in synapse.between))
            for (a, b), block in blocks.items():
                out[:, span[synapse.between[a]], span[synapse.between[b]]] += block
        for name, layer in self.layers.items():
            hessian = block_diagonal(layer.lagrangian.hessian(flat[name]))
            out[:, :, span[name]] = out[:, :, span[name]] @ hessian
        leak = np.concatenate([np.full(layer.size, layer.leak) for layer in self.layers.values()])
        return np.asarray(out - np.diag(leak))


def check_states(layers: Mapping[str, Layer], states: Mapping[str, Array]) -> None:
    """Raise ValueError unless states name known layers, all dynamic ones, in shapes that fit."""
    for name in states:
        if name not in layers:
            raise ValueError(f"states name a layer {name!r}; the network has {', '.join(layers)}")
    batches = {}
    for name, layer in layers.items():
        if layer.algebraic:
            continue
        if name not in states:
            raise ValueError(
                f"states give no value for layer {name!r}, only for {', '.join(states)}; "
                f"layers with tau > 0 need one"
            )
        batches[name] = _batch_shape(name, states[name], layer)
    if len(set(batches.values())) > 1:
        raise ValueError(f"layers have different batch axes: {batches}")


def check_inputs(
    layers: Mapping[str, Layer], inputs: Mapping[str, Array], batch: tuple[int, ...]
) -> None:
    """Raise ValueError unless inputs name known layers and can be broadcast to their states."""
    for name, value in inputs.items():
        if name not in layers:
            raise ValueError(f"inputs name a layer {name!r}; the network has {', '.join(layers)}")
        shape = (*batch, *layers[name].shape)
        try:
            fits = np.broadcast_shapes(value.shape, shape) == shape
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(
                f"input of layer {name!r} has shape {value.shape}, its states have shape {shape}"
            )


def _batch_shape(name: str, state: Array, layer: Layer) -> tuple[int, ...]:
    axes = state.ndim - len(layer.shape)
    if axes < 0 or state.shape[axes:] != layer.shape:
        raise ValueError(
            f"state of layer {name!r} has shape {state.shape}, layer {name!r} has shape "
            f"{layer.shape}; further axes may only stand in front"
        )
    return state.shape[:axes]


def _float(name: str, state: Array) -> Array:
    if np.isnan(state).any():
        raise ValueError(f"state of layer {name!r} contains NaN; check the cue")
    return state


def _check_layers(layers: Mapping[str, Layer]) -> None:
    if not layers:
        raise ValueError("a network needs at least one layer")
    for name, layer in layers.items():
        checks.text("the name of a layer", name)
        checks.instance(f"layers[{name!r}]", layer, Layer, "a Layer")
    if all(layer.algebraic for layer in layers.values()):
        raise ValueError("every layer has tau = 0: at least one needs dynamics (tau > 0)")


def _check_synapses(layers: Mapping[str, Layer], synapses: Sequence[HyperSynapse]) -> None:
    names = list(layers)
    for synapse in synapses:
        checks.instance("each synapse", synapse, HyperSynapse, "a synapse such as Dense(...)")
        for name in synapse.between:
            if name not in layers:
                raise ValueError(
                    f"synapse {synapse.name!r} connects layer {name!r}, "
                    f"which is not among the layers {', '.join(layers)}"
                )
        if synapse.name in names:
            raise ValueError(f"two parts of the energy are named {synapse.name!r}; pass name=")
        names.append(synapse.name)
        synapse.check_shapes(*(layers[name].shape for name in synapse.between))
        synapse.check_layers(*(layers[name] for name in synapse.between))
        algebraic = [name for name in synapse.between if layers[name].algebraic]
        own = [n for n in algebraic if synapse.reads_own and _reads_itself(synapse, n)]
        if own:
            raise ValueError(
                f"synapse {synapse.name!r} is not linear in layer {own[0]!r}, which has "
                f"tau = 0 and so no explicit value: give it tau > 0"
            )
        if len(algebraic) > 1:
            raise ValueError(
                f"synapse {synapse.name!r} joins layers with tau = 0 "
                f"({' and '.join(map(repr, algebraic))}): each would define the other; "
                f"give one of them tau > 0"
            )


def _each(
    synapse: HyperSynapse, slots: Sequence[int], activations: Sequence[Array | None]
) -> Iterator[Array]:
    return (synapse.force_on(slot, activations) for slot in slots)


def _slots(synapse: HyperSynapse, name: str, known: frozenset[str]) -> Iterator[int]:
    """The slots of a layer on which a synapse acts that reads known layers alone."""
    for slot, read in synapse.dependencies():
        if synapse.between[slot] == name and known.issuperset(read):
            yield slot


def _reads_itself(synapse: HyperSynapse, name: str) -> bool:
    return any(synapse.between[slot] == name in read for slot, read in synapse.dependencies())


def _ends(synapse: HyperSynapse) -> str:
    """The layers of a synapse, and which way it acts if it is directed."""
    return (" - ", " -> ")[synapse.directed].join(synapse.between[:: -1 if synapse.directed else 1])


def directed_in_words(directed: Sequence[str]) -> str:
    """Which synapses are directed, in words."""
    one, named = len(directed) == 1, ", ".join(map(repr, directed))
    return f"synapse {named} is directed" if one else f"synapses {named} are directed"


def _no_energy(directed: Sequence[str]) -> Iterator[str]:
    if directed:
        yield (
            f"{directed_in_words(directed)}: there is no energy that falls, and the state may "
            f"cycle or be chaotic instead of settling"
        )


def _uneven_groups(layers: Mapping[str, Layer]) -> Iterator[str]:
    """Groups whose members share a normaliser but not a time constant."""
    for name, layer in layers.items():
        if not layer.lagrangian.separable and np.ptp(layer.tau, axis=-1).any():
            yield (
                f"layer {name!r} ({type(layer.lagrangian).__name__}) has unequal tau within a "
                f"group: the energy may rise and fixed points may lose their stability; "
                f"give the group one tau"
            )


def _unbounded_products(
    layers: Mapping[str, Layer], synapses: Sequence[HyperSynapse]
) -> Iterator[str]:
    """Synapses whose activations can outgrow what the layers themselves pay for them."""
    for synapse in synapses:
        growth = synapse.growth + sum(_growth(layers[name]) for name in synapse.between)
        if synapse.directed and not _answered(synapse, synapses):
            continue
        if growth > 1 and not synapse.bounded_below:
            loose = {n: type(layers[n].lagrangian) for n in synapse.between if _growth(layers[n])}
            kinds = ", ".join(f"{name!r} ({kind.__name__})" for name, kind in loose.items())
            bound = "" if synapse.directed else "the energy has no lower bound and "
            yield (
                f"synapse {synapse.name!r} joins unbounded activations that together grow faster "
                f"than the leak: {kinds}; {bound}the state may diverge; "
                f"bound a layer (Tanh, Sigmoid, Softmax)"
            )


def _answered(synapse: HyperSynapse, synapses: Sequence[HyperSynapse]) -> bool:
    """Whether what a directed synapse moves acts back on what it reads, through any synapses."""
    acts: dict[str, set[str]] = {}
    for other in synapses:
        for slot, read in other.dependencies():
            for name in read:
                acts.setdefault(name, set()).add(other.between[slot])
    reached, ahead = set[str](), [synapse.between[slot] for slot, _ in synapse.dependencies()]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += acts.get(name, ())
    return any(not reached.isdisjoint(read) for _, read in synapse.dependencies())


def _growth(layer: Layer) -> float:
    """`Lagrangian.growth`, which a layer without leak does not hold.

    By Young's inequality a product of activations is held while these numbers sum to 1 at most; at
    exactly 1, as for Identity with Identity or ReLU, the weights decide.
    """
    return math.inf if layer.leak == 0 and not layer.lagrangian.bounded else layer.lagrangian.growth


def _precision(active: Mapping[str, Array]) -> np.dtype[np.floating]:
    """The type that activations have: float32 in runs of that precision."""
    return next((x.dtype for x in active.values()), np.dtype(np.float64))
