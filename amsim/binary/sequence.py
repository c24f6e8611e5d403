"""`SequenceMemory`: sequences of two-state patterns, replayed step by step."""

from __future__ import annotations

from decimal import localcontext
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from . import inputs
from .energies import Floats, Power, Separation
from .inputs import Signs
from .memory import MOST_STEPS
from .tables import _CONTEXT

_ORDERS = ("parallel", "random")
_TIE = 1e-13  # of the sum of the sizes of a field's terms


class SequenceMemory:
    r"""Sequence of patterns of -1 and +1, each of which recalls the next: DenseNet and MixedNet.

    .. math::
        s_i \leftarrow \mathrm{sign}\Big[\lambda \sum_\mu \xi_{\mu+1,i} f(\bar m_\mu)
            + \sum_\mu \xi_{\mu,i} f_S(m_\mu)\Big]

    m are the overlaps of the patterns with the present state, without unit i itself, and m-bar
    those with the states of the last `delay` sweeps, in the mean.

    Parameters
    ----------
    patterns : array_like (K, D)
        Rows of -1 and +1, in order; at least two.
    separation : Separation, default Power(2)
        F: f = dF/dx of the overlaps, x^(n - 1) for `Power(n)` (the separation of degree n - 1 of
        Chaudhry et al.), exp(beta x) for `Exponential(beta)`.
    stabiliser : Separation, optional
        The same for the term that holds each pattern (MixedNet); none by default (DenseNet).
    strength : float, default 1.0
        lambda, of f and f_S divided by their values at a stored pattern.
    delay : int, default 1
        Sweeps over which the overlaps of the transitions are taken, at least 1.
    cyclic : bool, default True
        Whether the first pattern follows the last one; otherwise the last holds itself.

    Raises
    ------
    TypeError, ValueError
        If the patterns are not -1 and +1, or an argument is out of its range.

    Notes
    -----
    Chaudhry, Zavatone-Veth, Krotov and Pehlevan 2023, arXiv:2306.04532. There is no energy. Their
    capacities for random patterns are `am.theory.capacity.transition_capacity` and
    `sequence_capacity`.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(40, 100, seed=0)  # Power(2) would hold some ten
    >>> memory = am.binary.SequenceMemory(patterns, am.binary.Power(3))
    >>> states = memory.replay(patterns[0], 40)
    >>> bool((states[:40] == patterns).all()), bool((states[40] == patterns[0]).all())
    (True, True)
    """

    def __init__(
        self,
        patterns: ArrayLike,
        separation: Separation | None = None,
        *,
        stabiliser: Separation | None = None,
        strength: float = 1.0,
        delay: int = 1,
        cyclic: bool = True,
    ) -> None:
        stored = inputs.memories(patterns)
        if len(stored) < 2:
            raise ValueError("a sequence needs at least two patterns")
        self.separation: Separation = Power(2) if separation is None else separation
        self.stabiliser = stabiliser
        for name, part in (("separation", self.separation), ("stabiliser", stabiliser)):
            if part is not None:
                inputs.check_function(name, part)
        self.strength = checks.number("strength", strength, above=0.0, at_most=1e9)
        self.delay = checks.count("delay", delay, at_most=10_000)
        self.cyclic = checks.flag("cyclic", cyclic)
        self._stored = stored.astype(np.float64)
        self._following = np.roll(self._stored, -1, axis=0)
        if not self.cyclic:
            self._following[-1] = self._stored[-1]
        units = stored.shape[1]
        self._forward = self.strength * _table(self.separation, units)
        self._hold = None if stabiliser is None else _table(stabiliser, units)

    @property
    def patterns(self) -> Floats:
        """The sequence, (K, D)."""
        return self._stored.copy()

    def __repr__(self) -> str:
        count, units = self._stored.shape
        return f"SequenceMemory({count} patterns of {units} units, {self.separation})"

    def fields(self, states: ArrayLike) -> Floats:
        """What each unit would decide by, if the state had been the same for `delay` sweeps.

        Parameters
        ----------
        states : array_like (*batch, D)

        Returns
        -------
        ndarray (*batch, D)
            In units of what one pattern exerts where the state is its predecessor.
        """
        rows, batch = self._rows(states)
        present = rows.astype(np.float64)
        return self._fields(present, present)[0].reshape(*batch, -1)

    def replay(
        self,
        states: ArrayLike,
        steps: int,
        *,
        order: str = "parallel",
        seed: checks.Seed = 0,
    ) -> Floats:
        """States over `steps` sweeps.

        Parameters
        ----------
        states : array_like (*batch, D)
            Where to start, of -1 and +1.
        steps : int
            Sweeps, at least 1.
        order : {"parallel", "random"}
            All units at once, or one after the other in a new random order in every sweep. One
            after the other, units read the present overlaps for what holds a pattern, and those
            at the ends of the last `delay` sweeps for the transitions.
        seed : int, SeedSequence or Generator
            Of the orders. Each cue has its own stream, chosen by its position.

        Returns
        -------
        ndarray (steps + 1, *batch, D)

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit.
        """
        rows, batch = self._rows(states)
        steps = checks.count("steps", steps, at_most=MOST_STEPS)
        checks.choice("order", order, _ORDERS)
        checks.room("the states", steps + 1, *rows.shape)
        source = checks.seed_sequence(seed)
        children = source.spawn(len(rows)) if order == "random" else []
        streams = [np.random.default_rng(child) for child in children]
        out = np.empty((steps + 1, *rows.shape))
        out[0] = rows
        for step in range(1, steps + 1):
            # Before the start the states were those of the cue.
            past = out[np.maximum(np.arange(step - self.delay, step), 0)].mean(axis=0)
            if streams:
                out[step] = [
                    self._sweep(cue, late, rng)
                    for cue, late, rng in zip(out[step - 1], past, streams, strict=True)
                ]
            else:
                out[step] = _decided(*self._fields(past, out[step - 1]), out[step - 1])
        return out.reshape(steps + 1, *batch, -1)

    def _fields(self, past: Floats, present: Floats) -> tuple[Floats, Floats]:
        """Fields (B, D) by states (B, D), and the sums (B, 1) of the sizes of their terms."""
        total, size = _drive(self._forward, past, self._stored, self._following)
        if self._hold is not None:
            held, more = _drive(self._hold, present, self._stored, self._stored)
            total, size = total + held, size + more
        return total, size

    def _sweep(self, start: Floats, past: Floats, rng: np.random.Generator) -> Floats:
        """One state after its units were updated one after the other."""
        state = start.copy()
        (late,), ((size,),) = _drive(self._forward, past[None], self._stored, self._following)
        overlaps = self._stored @ state
        for i in rng.permutation(len(state)):
            field, terms, column = late[i], size, self._stored[:, i]
            if self._hold is not None:
                held = _read(self._hold, overlaps - column * state[i])
                field, terms = field + column @ held, terms + np.abs(held).sum()
            new = _decided(field, terms, state[i])
            if new != state[i]:
                overlaps += (new - state[i]) * column
                state[i] = new
        return state

    def _rows(self, states: ArrayLike) -> tuple[Signs, tuple[int, ...]]:
        signs, units = inputs.signs(states, "states"), self._stored.shape[1]
        if signs.shape[-1] != units:
            raise ValueError(f"states have shape {signs.shape}, the patterns have {units} units")
        return signs.reshape(-1, units), signs.shape[:-1]


def _table(separation: Separation, units: int) -> Floats:
    """f over the overlaps -N, ..., N of N = units - 1 others, over f(N)."""
    others = units - 1
    with localcontext(_CONTEXT) as context:
        values = [separation.derivative(context.create_decimal(x)) for x in range(-others, units)]
        if not values[-1] > 0:
            raise ValueError(f"{separation} has no positive slope at an overlap of {others}")
        return np.array([float(value / values[-1]) for value in values])


def _read(table: Floats, overlaps: Floats) -> Floats:
    """f of overlaps, also between whole ones."""
    place = overlaps + (len(table) - 1) / 2
    low = np.floor(place).astype(np.int64).clip(0, len(table) - 2)
    return np.asarray(table[low] + (place - low) * (table[low + 1] - table[low]))


def _drive(table: Floats, states: Floats, asked: Floats, answers: Floats) -> tuple[Floats, Floats]:
    """sum_mu answers[mu, i] f(sum of asked[mu, j] states[j] over j other than i), and its size.

    (B, D), and the sum of the sizes of the terms, (B, 1).
    """
    overlaps, units = states @ asked.T, states.shape[1]
    if (np.abs(states) == 1).all():  # what a unit adds to an overlap is +1 or -1, and all are whole
        whole, place = _read(table, np.arange(-units - 1, units + 2)), overlaps.astype(int) + units
        below, at, above = whole[:-2], whole[1:-1], whole[2:]
        even, odd = ((below + above) / 2)[place], ((below - above) / 2)[place]
        size = np.abs(at)[place].sum(axis=1, keepdims=True)
        return even @ answers + states * (odd @ (answers * asked)), size
    size = np.abs(_read(table, overlaps)).sum(axis=1, keepdims=True)
    out = np.empty_like(states)
    for i in range(states.shape[1]):
        own = states[:, i : i + 1] * asked[:, i]
        out[:, i] = _read(table, overlaps - own) @ answers[:, i]
    return out, size


def _decided(fields: Any, size: Any, states: Any) -> Any:
    """The signs of fields, whose terms have this size; a tie keeps the state."""
    return np.where(np.abs(fields) > _TIE * size, np.sign(fields), states)
