"""The table of neurons: kind, range, Brian2 text and chip name of each Lagrangian, for engines.

A Lagrangian has one row, and every engine asks for it: compiled code by `kind`, whose functions
stand in `amsim.compiled.neurons`; Brian2 by its text; a chip by the name of its integers. What a
row leaves out an engine refuses by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .lagrangians import (
    Entmax,
    Exponential,
    Identity,
    Lagrangian,
    RectifiedPower,
    ReLU,
    Sigmoid,
    Sign,
    Softmax,
    Tanh,
)

# The kinds of compiled code. In the event engine a SHARE, f = exp(beta (h - z)), gets the sum
# of its softmax by a NORMALISER.
IDENTITY, TANH, SIGMOID, RECTIFIED, EXPONENTIAL, SIGN = range(6)
SOFTMAX, ENTMAX, SHARE, NORMALISER = range(6, 10)
# Units that share a sum or a threshold, so that no output is a function of its own state alone.
GROUPS = (SOFTMAX, ENTMAX)


@dataclass(frozen=True)
class Neuron:
    """A row of the table.

    Attributes
    ----------
    kind : int
        The code of its functions in `amsim.compiled.neurons`.
    parameter : float
        What those functions take besides the state: beta, or the exponent of a rectified power.
    alpha : float
        The order of the entropy of a group; 1 for a softmax.
    least, most : float
        The range of the output.
    brian2 : str
        The output in Brian2's language, of a state x; c is the logarithm of a group's sum, or its
        threshold.
    brian2_sums, brian2_normaliser : tuple of str, str
        Of a group: what its normaliser sums over units, and how it follows with c.
    feature, memory : str
        The kind of integer unit that it is on a chip, as a feature and as a memory; empty where it
        has none.
    exponent : int
        The power of a chip's memory.
    """

    kind: int
    parameter: float = 1.0
    alpha: float = 1.0
    least: float = -math.inf
    most: float = math.inf
    brian2: str = ""
    brian2_sums: tuple[str, ...] = ()
    brian2_normaliser: str = ""
    feature: str = ""
    memory: str = ""
    exponent: int = 1

    @property
    def chip(self) -> str:
        """The kind of integer unit that it is in a network of any layers; empty if none."""
        return self.feature or self.memory or {SIGMOID: "sigmoid"}.get(self.kind, "")


def _power(of: RectifiedPower) -> Neuron:
    whole = of.n == int(of.n)
    return Neuron(
        RECTIFIED,
        of.n - 1.0,
        least=0.0,
        brian2=f"(x*int(x > 0))**{of.n - 1.0!r}",
        memory="power" if whole else "",
        exponent=int(of.n) - 1 if whole else 1,
    )


def _entmax(of: Entmax) -> Neuron:
    order, power = of.alpha - 1, 1 / (of.alpha - 1)
    above = f"(1 + {order!r}*({of.beta!r}*x{{pre}} - c{{post}}))"
    inside = f"({above}*int({above} > 0))"
    pair = {"pre": "_pre", "post": "_post"}
    # A step of Newton's method from the last c, as `Entmax` finds its threshold; where no unit is
    # above c, total and fall are 0, and c falls.
    total, fall = "(total + 0.5*int(total == 0))", "(fall + int(fall == 0))"
    return Neuron(
        ENTMAX, of.beta, of.alpha, least=0.0, most=1.0,
        brian2=f"{inside}**{power!r}".format(pre="", post=""),
        brian2_sums=(
            f"total_post = {inside}**{power!r}".format(**pair),
            f"fall_post = int({above} > 0)*({inside} + int({above} <= 0))**{power - 1!r}".format(
                **pair
            ),
        ),
        brian2_normaliser=f"c += {total}*(1 - {total}**(-{order!r}))/({order!r}*{fall})",
    )  # fmt: skip


_ROWS: dict[type[Lagrangian], Callable[[Any], Neuron]] = {
    Identity: lambda _: Neuron(IDENTITY, brian2="x", feature="identity"),
    Tanh: lambda of: Neuron(
        TANH, of.beta, least=-1.0, most=1.0, brian2=f"tanh({of.beta!r}*x)", feature="tanh"
    ),
    Sigmoid: lambda of: Neuron(
        SIGMOID, of.beta, least=0.0, most=1.0, brian2=f"(1 + tanh({of.beta / 2!r}*x))/2"
    ),
    ReLU: lambda _: Neuron(RECTIFIED, least=0.0, brian2="x*int(x > 0)", memory="power"),
    RectifiedPower: _power,
    Exponential: lambda of: Neuron(EXPONENTIAL, of.beta, least=0.0, brian2=f"exp({of.beta!r}*x)"),
    Sign: lambda _: Neuron(SIGN, least=-1.0, most=1.0, brian2="sign(x)", feature="sign"),
    Softmax: lambda of: Neuron(
        SOFTMAX, of.beta, least=0.0, most=1.0, brian2=f"exp({of.beta!r}*x - c)", memory="softmax",
        brian2_sums=(f"total_post = exp({of.beta!r}*x_pre - c_post)",),
        # Relative to the last c: nothing overflows, and c is exact at every step.
        brian2_normaliser="c += log(total)",
    ),
    Entmax: _entmax,
}  # fmt: skip


def neuron(lagrangian: Lagrangian) -> Neuron | None:
    """The row of a Lagrangian; None where the table has none, as for those of users."""
    row = _ROWS.get(type(lagrangian))
    return None if row is None else row(lagrangian)


def group(kind: int, parameter: float, alpha: float) -> Lagrangian:
    """The Lagrangian of a group, back from what compiled code knows of it."""
    if kind == SOFTMAX:
        return Softmax(parameter)
    if kind == ENTMAX:
        return Entmax(alpha, parameter)
    raise ValueError("group: no group is of this kind")


def named(having: str) -> str:
    """The Lagrangians whose rows have an entry, for messages: "Identity, Tanh or Sign"."""
    names = [kind.__name__ for kind in _ROWS if getattr(_example(kind), having) not in ("", None)]
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _example(kind: type[Lagrangian]) -> Neuron:
    return _ROWS[kind](RectifiedPower(2) if kind is RectifiedPower else kind())
