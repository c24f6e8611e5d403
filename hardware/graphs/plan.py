"""A `GraphPlan`: layers and projections as integers that provably fit.

Every layer keeps a state x and announces changes of its output, m. A projection adds up what its
source announced, total = W sent, and every sum has a multiplier of its own, that takes it to the
integers of the target: no two scales depend on each other. `hardware.graphs.turns` says which layer
computes what in which step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from amsim import Network, checks
from amsim.display import fields_repr, short, table, tabled

from .. import kernels
from ..chips import CHIPS
from ..domain import WIDE, Choice, Count, Positive, Table, rules
from ..plan import MOST_STEPS, AnyPlan
from ..spec import MOST_POWER
from ..units import MANTISSA_BITS, MOST_SHIFT, Integers, Normaliser, Outputs, Owner, values
from .turns import Step, begins, steps_of

KINDS = ("identity", "tanh", "sign", "sigmoid", "power", "softmax")

_Mantissa, _Shift = Count(0, (1 << MANTISSA_BITS) - 1), Count(0, MOST_SHIFT)


@dataclass(frozen=True, eq=False)
class Units(Owner, Outputs):
    """Integers of the n units of a layer.

    Attributes
    ----------
    kind : str
        "identity", "tanh", "sign", "sigmoid", "power" (rectified) or "softmax".
    decay : ndarray of int (n,)
        12-bit mantissas of the leak over one period.
    bias : ndarray of int (n,)
    low, high : ndarray of int (n,)
        Proven bounds on the state.
    input_limit : int
        Largest absolute driven input.
    mantissa, shift, saturation, level, power, down : int
        Of the output, which is by `kind`

        - "identity": scale(x, mantissa, shift),
        - "sign": level sign(x),
        - "tanh": s scale(t, level, 16) with s = sign(x) and t = tanh(scale(min(|x|, saturation),
          mantissa, shift), TANH_BITS),
        - "sigmoid": scale(2**16 + s t, level, 17),
        - "power": power(scale(max(x, 0), mantissa, shift), power) / 2**down,
        - "softmax": the probability of `normaliser`, of the logit scale(x, mantissa, shift).
    threshold : int
        Smallest change of the output that is sent.
    scale, output_scale : float
        Integers per unit of state, of output.
    normaliser : Normaliser or None
        Of softmax units alone.
    """

    kind: Annotated[str, Choice(KINDS)]
    decay: Annotated[Integers, Table(("units",), 1, 1 << kernels.DECAY_BITS)]
    bias: Annotated[Integers, Table(("units",), -WIDE, WIDE)]
    low: Annotated[Integers, Table(("units",), -WIDE, WIDE)]
    high: Annotated[Integers, Table(("units",), -WIDE, WIDE)]
    input_limit: Annotated[int, Count(0, WIDE)]
    mantissa: Annotated[int, _Mantissa]
    shift: Annotated[int, _Shift]
    saturation: Annotated[int, Count(0, WIDE)]
    level: Annotated[int, Count(0, (1 << 16) - 1)]
    power: Annotated[int, Count(1, MOST_POWER)]
    down: Annotated[int, Count(0, 16)]
    threshold: Annotated[int, Count(1, WIDE)]
    scale: Annotated[float, Positive()]
    output_scale: Annotated[float, Positive()]
    normaliser: Normaliser | None

    __repr__ = fields_repr

    @property
    def size(self) -> int:
        """The number of units."""
        return len(self.bias)

    def relax(
        self, x: Integers, drive: Integers, driven: Integers, clamped: NDArray[np.bool_]
    ) -> Integers:
        """x a period later, from the scaled sums of all projections and the driven input."""
        target = drive + self.bias + driven
        return np.where(clamped, x, kernels.relax(x, target, self.decay))

    def difference(self, p: Integers, sent: Integers) -> Integers:
        """The message of softmax units: the change of p since `sent`."""
        return np.asarray(kernels.delta(p, sent, self.threshold))


@dataclass(frozen=True, eq=False)
class Projection(Owner):
    """Weights from one layer to another, or within one.

    Attributes
    ----------
    name : str
    source, target : str
    synapse : int
        Of the network, by its place; both directions of a `Dense` have the same weights.
    weights : ndarray of int8 (targets, sources)
    weight_scale : float
        Integers per unit of weight.
    mantissa, shift : int
        What takes the sum of weighted outputs to the integers of the target's state.
    """

    name: str
    source: str
    target: str
    synapse: Annotated[int, Count(0, 1 << 16)]
    weights: Annotated[NDArray[np.int8], Table(("targets", "sources"), -127, 127, np.int8)]
    weight_scale: Annotated[float, Positive()]
    mantissa: Annotated[int, _Mantissa]
    shift: Annotated[int, _Shift]

    __repr__ = fields_repr

    def scaled(self, total: Integers) -> Integers:
        """A sum of weighted outputs in the integers of the target."""
        return np.asarray(kernels.scale(total, self.mantissa, self.shift))


@dataclass(frozen=True, eq=False)
class GraphPlan(AnyPlan):
    """What the emulator or Lava needs to run a network of any layers; made by `hardware.compile`.

    Its arrays are read-only, since the proof that nothing overflows is of these numbers.

    Attributes
    ----------
    network : Network
        The network it was made from.
    chip : str
    weight_bits : int
    dt : float
        Time that one period stands for, in the unit of tau.
    steps : int
        Steps that a recall takes unless told otherwise.
    cued : tuple of str
        Layers whose states a cue gives; the others start where these put them.
    layers : mapping of str to Units
        In the order of the network.
    projections : tuple of Projection
    """

    network: Network
    chip: Annotated[str, Choice(tuple(n for n, chip in CHIPS.items() if chip.programmable))]
    weight_bits: Annotated[int, Count(2, 8)]
    dt: Annotated[float, Positive()]
    steps: Annotated[int, Count(1, MOST_STEPS)]
    cued: tuple[str, ...]
    layers: Mapping[str, Units]
    projections: tuple[Projection, ...]
    form = "of other layers"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", MappingProxyType(dict(self.layers)))

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), tuple(
            dict(value) if name == "layers" else value for name, value in values(self).items()
        )

    @tabled
    def _repr_html_(self) -> str:
        rows: list[tuple[object, ...]] = [
            *((name, f"{part.size} {part.kind}") for name, part in self.layers.items()),
            ("chip", self.chip),
            ("weight_bits", self.weight_bits),
            ("dt", self.dt),
            ("steps", f"{self.steps}, {self.period} to a period"),
        ]
        return table("GraphPlan", rows)

    @short
    def __repr__(self) -> str:
        layers = ", ".join(f"{n}: {part.kind} ({part.size},)" for n, part in self.layers.items())
        return (
            f"GraphPlan({layers}, {self.chip}, weight_bits={self.weight_bits}, dt={self.dt:g}, "
            f"period={self.period}, steps={self.steps})"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GraphPlan):
            return NotImplemented
        mine, theirs = parts(self), parts(other)
        return mine.keys() == theirs.keys() and all(
            np.array_equal(x, theirs[name]) for name, x in mine.items()
        )

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def schedule(self) -> tuple[Step, ...]:
        """Who computes what in each step of a period; `hardware.graphs.turns.table` prints it."""
        return steps_of(self)

    @property
    def period(self) -> int:
        """Steps in a period."""
        return len(self.schedule)

    @cached_property
    def begins(self) -> dict[str, int]:
        """The step of a period in which each layer has its first turn, and takes its input."""
        return begins(self)

    def onto(self, layer: str) -> tuple[Projection, ...]:
        """The projections that end in a layer."""
        checks.choice("layer", layer, tuple(self.layers))
        return tuple(each for each in self.projections if each.target == layer)

    def changed(self, **layers: Units) -> GraphPlan:
        """The same with other units in some layers."""
        return replace(self, layers={**self.layers, **layers})

    def report(self) -> str:
        """Sizes, schedule, and the proven range of every signal."""
        from .report import describe

        return describe(self)


def parts(plan: GraphPlan) -> dict[str, Any]:
    """Every number of a plan by its name, the network left out."""
    found: dict[str, Any] = {
        name: value
        for name, value in values(plan).items()
        if name not in ("network", "layers", "projections")
    }
    for name, units in plan.layers.items():
        found |= {f"layers.{name}.{n}": x for n, x in values(units).items() if n != "normaliser"}
        if units.normaliser is not None:
            numbers = values(units.normaliser)
            found |= {f"layers.{name}.normaliser.{n}": x for n, x in numbers.items()}
    for each in plan.projections:
        found |= {f"projections.{each.name}.{n}": x for n, x in values(each).items()}
    return found


def check_domain(plan: GraphPlan) -> None:
    """Raise ValueError or TypeError, naming the number and its rule, unless all are kept."""
    for where, part, sizes in _owners(plan):
        for name, rule in rules(type(part)).items():
            rule.check(where + name, getattr(part, name), sizes)
    for name, units in plan.layers.items():
        if (units.normaliser is None) == (units.kind == "softmax"):
            raise ValueError(
                f"layers.{name}: a normaliser belongs to softmax units, and to no others"
            )
    names = [each.name for each in plan.projections]
    if len(set(names)) < len(names):
        raise ValueError("two projections have the same name")
    if not plan.cued or not set(plan.cued) <= set(plan.layers):
        raise ValueError(f"cued names {plan.cued}, the layers are {', '.join(plan.layers)}")


def _owners(plan: GraphPlan) -> Iterator[tuple[str, Any, Mapping[str, int]]]:
    """The parts of a plan with their names, and the sizes of their arrays."""
    yield "", plan, {}
    for name, units in plan.layers.items():
        shape: tuple[int, ...] = getattr(units.bias, "shape", ())
        if len(shape) != 1 or 0 in shape:
            raise ValueError(f"layers.{name}.bias must have shape (units,), got shape {shape}")
        yield f"layers.{name}.", units, {"units": shape[0]}
        if units.normaliser is not None:
            yield f"layers.{name}.normaliser.", units.normaliser, {}
    for each in plan.projections:
        for end in (each.source, each.target):
            if end not in plan.layers:
                raise ValueError(f"projection {each.name!r} ends in {end!r}, which is no layer")
        sizes = {"targets": plan.layers[each.target].size, "sources": plan.layers[each.source].size}
        yield f"projections.{each.name}.", each, sizes
