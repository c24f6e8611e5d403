"""Layers of attention as networks: the stored patterns of each head are memories.

A head compares queries q with keys K and reads values V, softmax(beta K q) V (Ramsauer et al. 2020,
arXiv:2008.02217). Its memory has the features q and one unit for each key: one update of it, or its
rest with q clamped, has the shares of the attention, which the values read out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..display import fields_repr
from ..lagrangians import Identity, Softmax
from ..network import Layer, Network
from ..synapses import Array, Dense
from .state import Source, State

_ATTENTION = (
    "in_proj_weight", "in_proj_bias", "q_proj_weight", "k_proj_weight", "v_proj_weight", "bias_k",
    "bias_v", "out_proj.weight", "out_proj.bias",
)  # fmt: skip
_EPS = 1e-5  # of layer normalisation, the default of PyTorch


@dataclass(frozen=True, eq=False)
class ImportedAttention:
    """A layer of attention with stored patterns, as a network.

    Attributes
    ----------
    network : Network
        One head: layers "visible" (Y,) and "hidden" (N,), as of `dense_am`. More: "visible0" and
        "hidden0", "visible1" and "hidden1", ..., which do not act on each other.
    keys : ndarray (heads, N, Y)
    values : ndarray (heads, N, P)
    pooling : ndarray (M, E) or None
        The inputs that a HopfieldPooling brings along.

    Examples
    --------
    See `from_attention`.
    """

    network: Network
    keys: Array
    values: Array
    pooling: Array | None
    _query: _Projection
    _out: _Projection

    __repr__ = fields_repr

    def cues(self, inputs: ArrayLike) -> dict[str, Array]:
        """Queries of all heads: inputs (*batch, E), normalised and projected, by layer."""
        parts = _heads(self._query.apply("inputs", inputs), len(self.keys))
        return dict(zip(self._names("visible"), np.moveaxis(parts, -2, 0), strict=True))

    def output(self, states: Mapping[str, ArrayLike]) -> Array:
        """What the layer returns for these states of "hidden", (*batch, O): values by shares."""
        checks.instance("states", states, Mapping, "a mapping of layer names, as traj.final")
        read = []
        for name, values in zip(self._names("hidden"), self.values, strict=True):
            if name not in states:
                raise ValueError(f"states have no layer {name!r}: pass those of all, as traj.final")
            state = checks.array(f"states[{name!r}]", states[name])
            read.append(self.network.layers[name].lagrangian.activation(state) @ values)
        return self._out.apply("values", np.concatenate(read, axis=-1))

    def _names(self, kind: str) -> list[str]:
        return _names(kind, len(self.keys))


@dataclass(frozen=True, eq=False)
class _Norm:
    """Layer normalisation over the last axis."""

    weight: Array
    bias: Array

    def apply(self, x: Array) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        size = np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + _EPS)
        return np.asarray(centred / size * self.weight + self.bias)


@dataclass(frozen=True, eq=False)
class _Projection:
    """Normalise, multiply and add, and normalise each head; None leaves a step out."""

    units: int
    weight: Array | None = None
    bias: Array | None = None
    before: _Norm | None = None
    after: _Norm | None = None

    @property
    def size(self) -> int:
        """Units that come out."""
        return self.units if self.weight is None else len(self.weight)

    def apply(self, what: str, tokens: ArrayLike) -> Array:
        x = checks.array(what, tokens, largest=checks.LARGEST)
        if x.ndim < 1 or x.shape[-1] != self.units:
            raise ValueError(f"{what} have shape {x.shape}; the last axis must be {self.units}")
        x = x if self.before is None else self.before.apply(x)
        x = x if self.weight is None else x @ self.weight.T
        x = x if self.bias is None else x + self.bias
        if self.after is None:
            return np.asarray(x)
        parts = _heads(x, x.shape[-1] // len(self.after.weight))
        return self.after.apply(parts).reshape(x.shape)


def from_attention(
    state: Source,
    stored: ArrayLike,
    *,
    heads: int = 1,
    values: ArrayLike | None = None,
    beta: float | None = None,
    prefix: str = "",
    tau_hidden: float = 0.1,
) -> ImportedAttention:
    """The attention of PyTorch's ``nn.MultiheadAttention`` over stored tokens, as a network.

    Parameters
    ----------
    state : mapping of str to arrays, module, or path of a .safetensors file
        A state dict, of NumPy arrays or tensors.
    stored : array_like of shape (N, E)
        The tokens that are attended to: those that the module gets as key.
    heads : int, default 1
        As the module was made with; a state dict does not tell.
    values : array_like of shape (N, vdim), optional
        What the module gets as value; `stored` by default.
    beta : float, optional
        1 / sqrt(E / heads) by default, as in the module.
    prefix : str, default ""
        Of the names of the module within a larger model, such as "encoder.self_attn.".
    tau_hidden : float, default 0.1
        Time constant of the memories; that of the features is 1.

    Returns
    -------
    ImportedAttention

    Raises
    ------
    ValueError, TypeError
        If names or shapes do not fit.

    Notes
    -----
    A state dict does not tell of ``add_zero_attn`` and masks; a module with either is not what is
    imported. Store the tokens that a mask leaves.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> rng = np.random.default_rng(0)
    >>> state = {"in_proj_weight": rng.normal(size=(24, 8)), "out_proj.weight": np.eye(8)}
    >>> stored, inputs = rng.normal(size=(5, 8)), rng.normal(size=(3, 8))
    >>> layer = am.interop.from_attention(state, stored)
    >>> traj = am.simulate(
    ...     layer.network, layer.cues(inputs), solver=am.FixedPoint(1), until=None
    ... )
    >>> query, key, value = np.split(state["in_proj_weight"], 3)
    >>> shares = np.exp((inputs @ query.T) @ (stored @ key.T).T / np.sqrt(8))
    >>> attention = shares / shares.sum(axis=1, keepdims=True) @ (stored @ value.T)
    >>> bool(np.allclose(layer.output(traj.final), attention, rtol=0, atol=1e-12))
    True
    """
    entries = State(state, prefix)
    entries.only(_ATTENTION, "nn.MultiheadAttention")
    heads = _heads_of(state, heads)
    tokens = _tokens("stored", stored)
    read = tokens if values is None else _tokens("values", values)
    if "in_proj_weight" in entries:
        joint = entries.array("in_proj_weight", 3 * tokens.shape[1], tokens.shape[1])
        weights = np.split(joint, 3)
    else:
        query = entries.array("q_proj_weight", None, None)
        units = len(query)
        weights = [query, entries.array("k_proj_weight", units, tokens.shape[1]),
                   entries.array("v_proj_weight", units, read.shape[1])]  # fmt: skip
    units = len(weights[0])
    biases: Sequence[Array | None] = [None] * 3
    if "in_proj_bias" in entries:
        biases = np.split(entries.array("in_proj_bias", 3 * units), 3)
    query_map, key_map, value_map = (
        _Projection(w.shape[1], w, b) for w, b in zip(weights, biases, strict=True)
    )
    keys, found = key_map.apply("stored", tokens), value_map.apply("values", read)
    if "bias_k" in entries or "bias_v" in entries:  # one more key and value, after projection
        keys = np.concatenate([keys, entries.array("bias_k", 1, 1, units)[0]])
        found = np.concatenate([found, entries.array("bias_v", 1, 1, units)[0]])
    out = _out_projection(entries, units)
    return _imported(query_map, keys, found, out, heads, beta, tau_hidden)


def from_hopfield_layers(
    state: Source,
    stored: ArrayLike | None = None,
    *,
    heads: int = 1,
    values: ArrayLike | None = None,
    static: Sequence[str] = (),
    beta: float | None = None,
    prefix: str = "",
    tau_hidden: float = 0.1,
) -> ImportedAttention:
    """Hopfield, HopfieldLayer or HopfieldPooling of hopfield-layers, as a network.

    ``FixedPoint(k)`` on it are k updates of the package, whose update_steps_max counts those after
    the first.

    Parameters
    ----------
    state : mapping of str to arrays, module, or path of a .safetensors file
        A state dict, of NumPy arrays or tensors.
    stored : array_like of shape (N, E), optional
        Stored patterns; a HopfieldLayer has its own.
    heads : int, default 1
        As the module was made with; a state dict does not tell.
    values : array_like of shape (N, E), optional
        Pattern projections; `stored` by default.
    static : sequence of {"state_pattern", "stored_pattern", "pattern_projection"}, default ()
        What is not projected, where ``in_proj_weight`` has fewer than three parts.
    beta : float, optional
        The module's scaling; by default the package's, 1 / sqrt(Y) with Y units of a head, or 1 if
        nothing is projected.
    prefix : str, default ""
        Of the names of the module within a larger model, such as "2.".
    tau_hidden : float, default 0.1
        Time constant of the memories; that of the features is 1.

    Returns
    -------
    ImportedAttention

    Raises
    ------
    ValueError, TypeError
        If names or shapes do not fit; if patterns without projection have several heads; if the
        projection may be connected, or has a concatenated bias.

    Notes
    -----
    A state dict does not tell of normalisation without weights, of ``add_zero_association``, of
    ``association_activation`` and of masks; a module with any of these is not what is imported.

    References
    ----------
    Ramsauer et al. 2020, "Hopfield networks is all you need", arXiv:2008.02217.

    Examples
    --------
    >>> import numpy as np
    >>> import amsim as am
    >>> patterns = am.patterns.random(4, 16, seed=0)
    >>> layer = am.interop.from_hopfield_layers({"lookup_weights": patterns[None]}, beta=0.5)
    >>> cue = layer.cues(am.patterns.corrupt(patterns[0], flip=0.2, seed=1))
    >>> ended = layer.output(am.simulate(layer.network, cue).final)
    >>> bool(abs(ended - patterns[0]).max() < 0.05)
    True
    """
    entries = State(state, prefix)
    heads = _heads_of(getattr(getattr(state, "hopfield", state), "association_core", state), heads)
    owner = "hopfield." if any(n.startswith("hopfield.") for n in entries.entries) else ""
    core, norms = f"{owner}association_core.", ("state_pattern", "stored_pattern",
                                               "pattern_projection")  # fmt: skip
    entries.only(
        ["lookup_weights", "target_weights", "pooling_weights",
         *(core + name for name in _ATTENTION), core + "p_norm_weight", core + "p_norm_bias",
         *(f"{owner}norm_{name}.{part}" for name in norms for part in ("weight", "bias"))],
        "hopfield-layers",
    )  # fmt: skip
    if core + "bias_k" in entries or core + "bias_v" in entries:
        raise ValueError("concatenated bias patterns (concat_bias_pattern=True) are not imported")
    tokens, read = _own_patterns(entries, stored, values)
    units = {"stored_pattern": tokens.shape[1], "pattern_projection": read.shape[1]}
    weights, free = _parts(entries, core, _static(static, norms))
    query_units = weights[0].shape[1] if weights[0] is not None else units["stored_pattern"]
    if weights[0] is None and weights[1] is not None:
        query_units = len(weights[1])
    units["state_pattern"] = query_units
    biases = _biases(entries, core, weights, heads)
    inner = None
    if core + "p_norm_weight" in entries:
        scale = entries.array(core + "p_norm_weight", None)
        inner = _Norm(scale, entries.array(core + "p_norm_bias", len(scale)))
    maps = {}
    for name, weight, bias in zip(norms, weights, biases, strict=True):
        if weight is None and heads > 1:
            raise ValueError(f"{name} is not projected, which several heads cannot share: heads=1")
        if weight is not None and weight.shape[1] != units[name]:
            raise ValueError(
                f"the weights that project {name} have shape {weight.shape}; its tokens have "
                f"{units[name]} units"
            )
        norm = _norm(entries, f"{owner}norm_{name}", units[name])
        after = None if name == "pattern_projection" else inner
        maps[name] = _Projection(units[name], weight, bias, norm, after)
    keys = maps["stored_pattern"].apply("stored", tokens)
    found = maps["pattern_projection"].apply("values", read)
    out = _out_projection(entries, found.shape[1], core)
    static_alone = not free and out.weight is None and inner is None
    given = 1.0 if beta is None and static_alone else beta
    pooling = None
    if "pooling_weights" in entries:
        pooling = _squeezed(entries, "pooling_weights")
    return _imported(maps["state_pattern"], keys, found, out, heads, given, tau_hidden, pooling)


def _heads_of(module: Any, heads: int) -> int:
    """The number of heads; a module, unlike a state dict, tells of it, and of one more option."""
    heads = checks.count("heads", heads)
    if getattr(module, "num_heads", heads) != heads:
        raise ValueError(f"heads is {heads}, but the module has {module.num_heads}")
    if getattr(module, "add_zero_attn", False):
        raise ValueError("the module attends to a zero (add_zero_attn), which is not imported")
    return heads


def _static(static: Any, norms: Sequence[str]) -> list[str]:
    checks.instance("static", static, (list, tuple), "a list of names of normalisations")
    return [checks.choice("static", each, norms) for each in static]


def _own_patterns(
    entries: State, stored: ArrayLike | None, values: ArrayLike | None
) -> tuple[Array, Array]:
    """Stored patterns and their projections, from the module or the caller."""
    own = "lookup_weights" in entries
    if own == (stored is not None):
        raise ValueError(
            "stored: the module has its own stored patterns; leave it out" if own else
            "stored: the module has no stored patterns of its own (lookup_weights); pass those it "
            "is used with"
        )  # fmt: skip
    tokens = _squeezed(entries, "lookup_weights") if own else _tokens("stored", stored)
    if "target_weights" in entries:
        return tokens, _squeezed(entries, "target_weights")
    return tokens, tokens if values is None else _tokens("values", values)


def _squeezed(entries: State, name: str) -> Array:
    """(1, N, E) or (N, 1, E) as (N, E)."""
    found = entries.array(name, None, None, None)
    if 1 not in found.shape[:2]:
        raise ValueError(f"{name} has shape {found.shape}; it must be (1, patterns, units)")
    return found.reshape(-1, found.shape[2])


def _parts(
    entries: State, core: str, static: Sequence[str]
) -> tuple[list[Array | None], list[int]]:
    """The weights of queries, keys and values, None for those that are not projected."""
    order = ("state_pattern", "stored_pattern", "pattern_projection")
    if core + "in_proj_weight" in entries:
        joint = entries.array(core + "in_proj_weight", None, None)
        free = [k for k, name in enumerate(order) if name not in static]
        if not free or len(joint) % len(free):
            raise ValueError(
                f"{core}in_proj_weight has {len(joint)} rows, which are not {len(free)} equal "
                f"parts: name in static= what is not projected"
            )
        pieces = iter(np.split(joint, len(free)))
        return [next(pieces) if k in free else None for k in range(3)], free
    names = [f"{core}{letter}_proj_weight" for letter in "qkv"]
    weights = [entries.array(n, None, None) if n in entries else None for n in names]
    for name, weight in zip(order, weights, strict=True):
        if name in static and weight is not None:
            raise ValueError(f"static names {name}, which the state dict projects")
    key, value = weights[1:]
    if key is not None and value is not None and value.shape == (len(key), len(key)):
        raise ValueError(
            f"{names[2]} has shape {value.shape}: it may be connected to the stored patterns "
            f"(pattern_projection_as_connected), which the state dict does not tell; it is not "
            f"imported"
        )
    return weights, [k for k, weight in enumerate(weights) if weight is not None]


def _biases(
    entries: State, core: str, weights: Sequence[Array | None], heads: int
) -> list[Array | None]:
    """One bias for each projection; the package leaves room for that of values in any case."""
    name, found = core + "in_proj_bias", list[Array | None]()
    if name not in entries:
        return [None] * 3
    joint, start = entries.array(name, None), 0
    for weight in weights:
        found.append(None if weight is None else joint[start : start + len(weight)])
        start += 0 if weight is None else len(weight)
    if len(joint) < start or (weights[2] is not None and len(joint) != start):
        raise ValueError(f"{name} has {len(joint)} entries, its projections {start} rows")
    return found


def _norm(entries: State, name: str, units: int) -> _Norm | None:
    if f"{name}.weight" not in entries:
        return None
    return _Norm(entries.array(f"{name}.weight", units), entries.array(f"{name}.bias", units))


def _out_projection(entries: State, units: int, core: str = "") -> _Projection:
    name = core + "out_proj"
    if f"{name}.weight" not in entries:
        return _Projection(units)
    weight = entries.array(f"{name}.weight", None, units)
    bias = entries.array(f"{name}.bias", len(weight)) if f"{name}.bias" in entries else None
    return _Projection(units, weight, bias)


def _imported(
    query: _Projection, keys: Array, values: Array, out: _Projection, heads: int,
    beta: float | None, tau_hidden: float, pooling: Array | None = None,
) -> ImportedAttention:  # fmt: skip
    for what, array in (("keys", keys), ("values", values)):
        if array.shape[1] % heads:
            raise ValueError(f"heads={heads} does not divide the {array.shape[1]} units of {what}")
    if query.size != keys.shape[1]:
        raise ValueError(f"queries have {query.size} units, keys {keys.shape[1]}")
    if len(keys) != len(values):
        raise ValueError(f"there are {len(keys)} stored patterns, but {len(values)} values")
    split, units = (np.moveaxis(_heads(x, heads), 1, 0) for x in (keys, values))
    softmax = Softmax(split.shape[-1] ** -0.5 if beta is None else beta)
    layers, synapses = {}, []
    for visible, hidden, stored in zip(
        _names("visible", heads), _names("hidden", heads), split, strict=True
    ):
        layers[visible] = Layer(stored.shape[1], Identity())
        layers[hidden] = Layer(len(stored), softmax, tau=tau_hidden)
        synapses.append(Dense(stored, between=(hidden, visible)))
    network = Network(layers, synapses)
    return ImportedAttention(network, checks.owned(split), checks.owned(units), pooling, query, out)


def _names(kind: str, heads: int) -> list[str]:
    return [kind] if heads == 1 else [f"{kind}{head}" for head in range(heads)]


def _heads(x: Array, heads: int) -> Array:
    """(..., heads * Y) to (..., heads, Y)."""
    return x.reshape(*x.shape[:-1], heads, -1)


def _tokens(what: str, tokens: Any) -> Array:
    if hasattr(tokens, "detach"):
        tokens = tokens.detach().cpu().double().numpy()
    return checks.array(what, tokens, ndim=2, empty=False, largest=checks.LARGEST)
