"""`BinaryMemory`: an associative memory of two-state units."""

from __future__ import annotations

import math
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from functools import cache, cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..dynamics.events import Timing
from ..progress import announce_compilation, check_whole
from . import inputs
from .clock_schedule import schedule
from .energies import Dot, Floats, Identity, Power, Scaling, Separation, Similarity
from .inputs import Signs
from .recall_result import INTERRUPTED, Integers, Recall
from .replay import Recorder
from .tables import BAND, FieldTable, Table, field_table, value_table

# Multiply-adds between two looks at Ctrl-C, if no cue settles: some tenths of a second.
_CHECKS = 10**9
RULES = ("flip", "difference", "gradient")
MOST_STEPS = 10**9


class BinaryMemory:
    """Memories xi_mu of D units that are -1 or +1, with E(s) = -Q[sum_mu F(S[xi_mu, s])].

    Parameters
    ----------
    patterns : array_like (K, D)
        Rows of -1 and +1. D is at most 65535.
    separation : Separation, default Power(2)
        F: `Power`, `Exponential`, `LogSumExp`, or any object with `value` and `derivative`.
    similarity : Similarity, default Dot()
        S: `Dot`, `SquaredDistance`, `Gaussian`, or any object with the same two methods.
    scaling : Identity or Log, optional
        Q; by default Identity(), and for `LogSumExp` its own logarithm.
    self_terms : bool, default False
        Whether the overlaps that the gradient rule reads contain the unit itself. The energy
        always has these terms, and the other rules do not depend on them.

    Raises
    ------
    TypeError, ValueError
        If the patterns are not -1 and +1.

    Notes
    -----
    Hopfield 1982; Krotov and Hopfield 2016, arXiv:1606.01164; Demircigil et al. 2017,
    arXiv:1702.01929; Krotov et al. 2025, arXiv:2507.06211, chapters 2 and 3.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(200, 100, seed=0)
    >>> memory = am.binary.BinaryMemory(patterns, separation=am.binary.Power(3))
    >>> cues = am.patterns.corrupt(patterns[:5], flip=0.1, seed=1)
    >>> recall = memory.recall(cues, seed=2)
    >>> recall.status, bool((recall.final == patterns[:5]).all()), recall.flips.tolist()
    ('settled', True, [10, 10, 10, 10, 10])
    """

    def __init__(
        self,
        patterns: ArrayLike,
        separation: Separation | None = None,
        *,
        similarity: Similarity | None = None,
        scaling: Scaling | None = None,
        self_terms: bool = False,
    ) -> None:
        stored = inputs.memories(patterns)
        self.separation: Separation = Power(2) if separation is None else separation
        self.similarity: Similarity = Dot() if similarity is None else similarity
        inputs.check_function("separation", self.separation)
        inputs.check_function("similarity", self.similarity)
        self.scaling = inputs.scaling(self.separation, scaling)
        self.self_terms = checks.flag("self_terms", self_terms)
        self._columns: Signs = np.ascontiguousarray(stored.T)
        self._field_tables: dict[bool, FieldTable] = {}

    @property
    def patterns(self) -> Floats:
        """The memories, (K, D)."""
        return self._columns.T.astype(np.float64)

    @property
    def shape(self) -> tuple[int, int]:
        """(K, D)."""
        units, memories = self._columns.shape
        return memories, units

    def __repr__(self) -> str:
        return f"BinaryMemory({self.shape[0]} memories of {self.shape[1]} units, {self.separation})"

    def energy(self, states: ArrayLike) -> Any:
        """Energy of states of -1 and +1.

        Parameters
        ----------
        states : array_like (*batch, D)

        Returns
        -------
        float or ndarray (*batch)
            -inf where an `Exponential` exceeds floating point.

        Examples
        --------
        >>> from amsim import binary
        >>> binary.BinaryMemory([[1] * 100]).energy([[1] * 100, [-1] + [1] * 99]).tolist()
        [-5000.0, -4802.0]
        """
        rows, batch = self._rows(states)
        with _announced():
            from ..compiled.jit import require_compiler
            from .kernels import energies, new_fields

            require_compiler("the energy of two-state memories")
            total, band = np.empty(len(rows)), np.empty(len(rows), np.int64)
            energies(self._memories, rows, self._values, new_fields(*self.shape), total, band)
        energy = self._energy(total, band).reshape(batch)
        return float(energy) if batch == () else energy

    def recall(
        self,
        states: ArrayLike,
        *,
        rule: str = "flip",
        order: str | ArrayLike = "random",
        staleness: int = 0,
        temperature: float = 0.0,
        max_sweeps: int = 100,
        timing: Timing | None = None,
        clamp: ArrayLike | None = None,
        seed: checks.Seed = 0,
        record: bool = False,
    ) -> Recall:
        """Update units until none would change.

        Parameters
        ----------
        states : array_like (*batch, D)
            Cues of -1 and +1.
        rule : {"flip", "difference", "gradient"}
            A unit takes the value with the lower energy ("flip"); the sign of
            sum_mu F(S(+1)) - F(S(-1)) ("difference", the same thing for one unit at a time);
            or the sign of sum_mu xi_mu,i dF/d(overlap) ("gradient"). Ties keep the value.
        order : {"random", "sweep", "parallel"} or array_like of int
            A new random order in every sweep; 0 to D - 1; all units at once; or the units to
            check in a sweep, in this order. Units that an array leaves out never change.
        staleness : int
            A unit reads the states that the units had so many checks ago (parallel: sweeps ago);
            before the first check they had those of the cue. Its own value, which a tie keeps, is
            the current one.
        temperature : float
            In units of the energy. A checked unit is +1 with probability
            1 / (1 + exp((E(+1) - E(-1)) / temperature)) (heat bath, Glauber 1963); the gradient
            rule takes twice its field for the difference.
        max_sweeps : int
            With a clock, ticks of each unit in the mean.
        timing : Timing, optional
            Continuous time, in place of `order` and `staleness`: a unit is checked at the ticks of
            its `clock` (needed), and sends its state when it changes. Messages have `delay`,
            `jitter`, `drop` (the last value is held), `heartbeat` and `arrival`. All cues share
            the clocks and messages' fates.
        clamp : mask (D,) or indices, optional
            Units that keep the value of the cue, in all cues.
        seed : int, SeedSequence or Generator
            Each cue has its own stream, chosen by its position.
        record : bool
            Whether to keep the energy after every check, and the flips.

        Returns
        -------
        Recall
            After Ctrl-C what was reached, with the status "interrupted".

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit; the message says which and how.

        Examples
        --------
        >>> from amsim import binary
        >>> memory = binary.BinaryMemory([[1, 1, 1, -1, -1]])
        >>> recall = memory.recall([1, -1, 1, -1, -1], order="sweep", record=True)
        >>> recall.energy[:3].tolist(), recall.events.unit.tolist()
        ([-4.5, -4.5, -12.5], [1])
        """
        start = time.perf_counter()
        rows, batch = self._rows(states)
        checks.choice("rule", rule, RULES)
        size = self.shape[1]
        free, parallel, shuffled = inputs.order(order, size)
        clamped = None if clamp is None else inputs.clamped(clamp, size)
        if clamped is not None:
            free = free[~clamped[free]]
        if not len(free):
            raise ValueError("clamp leaves no unit of the order to be updated: clamp fewer")
        staleness = checks.count("staleness", staleness, at_least=0, at_most=MOST_STEPS)
        max_sweeps = checks.count("max_sweeps", max_sweeps, at_most=MOST_STEPS)
        temperature = checks.number(
            "temperature", temperature, at_least=0.0, at_most=checks.LARGEST
        )
        number, record = checks.seed_number(seed), checks.flag("record", record)
        plan = None
        if timing is not None:
            inputs.check_alone("timing", order=(order, "random"), staleness=(staleness, 0))
            plan = schedule(timing, size, max_sweeps, number)
            if clamped is not None:
                plan = plan.of(~clamped)
        with _announced():
            clocked, kernels, loops = _compiled()
            heat = self._heat(temperature, rule == "gradient")
            parts = (self._memories, self._values, self._fields(rule), heat)

            seeds: Any = np.zeros(len(rows), np.uint64)
            if shuffled or temperature:
                seeds = np.random.SeedSequence(number).generate_state(len(rows), np.uint64)
            states, results = rows.copy(), np.zeros((len(rows), 4), dtype=np.int64)
            results[:, 0] = INTERRUPTED
            fields = kernels.new_fields(*self.shape)

            def update(cues: slice, log: Integers) -> Integers:
                """Some cues to their end; the log gets the first flips. How many there were."""
                states[cues], result = rows[cues], results[cues]
                given = *parts, states[cues], seeds[cues].copy(), fields
                if plan is not None:
                    room = clocked.new_units(size, len(plan.unit))
                    clocked.at_ticks(*given, room, log, plan, len(free), result)
                elif parallel:
                    past = np.empty((2, staleness + 1, size), np.int8)
                    loops.all_at_once(*given, past, staleness, max_sweeps, log, free, result)
                else:
                    units = loops.new_units(size, len(free), staleness)
                    loops.one_by_one(
                        *given, units, staleness, max_sweeps, log, free, shuffled, result
                    )
                return np.array(result[:, 3])

            recorder = Recorder(self._memories, self._values) if record else None
            nothing = np.empty((0, 2), dtype=np.int64)
            # Some cues at a time, so that Ctrl-C is noticed, whether they settle or not.
            some = max(1, _CHECKS // (math.prod(self.shape) * min(max_sweeps, _CHECKS)))
            at = 0
            try:
                for at in range(0, len(rows), some):
                    cues = slice(at, at + some)
                    if recorder is None:
                        update(cues, nothing)
                    else:
                        recorder.run(partial(update, cues), rows[cues])
            except KeyboardInterrupt:
                check_whole()
                states[at:], results[at:] = rows[at:], (INTERRUPTED, 0, 0, 0)
                if recorder is not None:
                    recorder.rest(rows[at:])
            recorded = None
            if recorder is not None:
                every = len(free) if parallel else 1
                recorded = recorder.record(self._energy, results[:, 2], every)
        codes, period, checked, flips = (column.reshape(batch) for column in results.T)
        return Recall(
            final=states.astype(np.float64).reshape(*batch, -1),
            flips=flips,
            checks=checked,
            period=period,
            codes=codes,
            checks_per_sweep=len(free),
            wall_time=time.perf_counter() - start,
            times=None if plan is None else plan.time[: max(1, checked.max())],
            recorded=recorded,
        )

    @cached_property
    def _memories(self) -> Any:
        from ..compiled.bits import STRIDE
        from .kernels import Memories

        bits = inputs.packed(self._columns.T, 64).view("<u8")
        masks = inputs.packed(self._columns, STRIDE).view("<u2")
        return Memories(self._columns, bits.astype(np.uint64), masks.astype(np.uint16))

    @cached_property
    def _values(self) -> Table:
        return value_table(self.separation, self.similarity, self.shape[1])

    def _fields(self, rule: str) -> FieldTable:
        gradient = rule == "gradient"
        if gradient not in self._field_tables:
            self._field_tables[gradient] = field_table(
                self.separation, self.similarity, self.shape[1],
                gradient=gradient, self_terms=self.self_terms,
            )  # fmt: skip
        return self._field_tables[gradient]

    def _energy(self, total: Floats, band: Integers) -> Floats:
        return -self.scaling.of_scaled(np.asarray(total), BAND * np.asarray(band))

    def _heat(self, temperature: float, gradient: bool) -> Any:
        if temperature == 0:
            return None
        from .kernels import Heat

        gain = (2.0 if gradient else 1.0) / temperature
        if isinstance(self.scaling, Identity):
            return Heat(gain, False, gradient)
        self._energy(self._values.hi, self._values.row)  # raises if a sum may not be positive
        return Heat(gain / self.scaling.beta, True, gradient)

    def _rows(self, states: ArrayLike) -> tuple[Signs, tuple[int, ...]]:
        """States as int8 (B, D), a copy, and the batch shape."""
        signs, units = inputs.signs(states, "states"), self.shape[1]
        if signs.shape[-1] != units:
            raise ValueError(f"states have shape {signs.shape}, the memories have {units} units")
        return np.ascontiguousarray(signs.reshape(-1, units)), signs.shape[:-1]


@cache
def _compiled() -> tuple[Any, Any, Any]:
    """What has to be compiled, or found, at the first call: to look for it takes time."""
    from ..compiled.jit import require_compiler
    from . import clocked, kernels, loops

    require_compiler("binary recall")
    return clocked, kernels, loops


def _announced() -> AbstractContextManager[None]:
    """Tell a user who waits for the compiler; nothing once the loops are in memory."""
    if f"{__package__}.loops" in sys.modules:
        return nullcontext()
    return announce_compilation("binary recall")
