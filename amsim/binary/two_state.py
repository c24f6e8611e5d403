"""`TwoStateNetwork`: two-state units with weights and thresholds of any kind."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import checks
from ..learning.weights import hebbian_weights, pseudo_inverse_weights, storkey_weights
from ..progress import check_whole
from . import inputs
from .energies import Floats
from .inputs import Signs
from .memory import MOST_STEPS
from .recall_result import STATUSES, Integers, Recall

SETTLED, CYCLE, SWEEP_LIMIT, INTERRUPTED = range(len(STATUSES))
_WORK = 10**8  # multiply-adds between two looks at Ctrl-C, at most
_ROUNDING = 1e-13  # of the sum of the sizes of a field's terms: a tie
_ONE_BY_ONE = (
    "allow more; with symmetric weights of a diagonal that is not negative, and no "
    "temperature, a run always settles"
)
_PARALLEL = "update one unit at a time (order='random'), where the weights are symmetric"


class TwoStateNetwork:
    """Units of -1 and +1, or of 0 and 1, with any weights and thresholds.

    A unit takes the upper value if its field h_i = sum_j W_ij s_j - threshold_i is positive, the
    lower one if it is negative, and keeps its value in a tie.

    Parameters
    ----------
    weights : array_like (D, D)
        Row i holds the weights onto unit i. They need be neither symmetric nor without a diagonal.
    thresholds : float or array_like (D,), default 0.0
    zero_one : bool, default False
        Whether the two values are 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If weights or thresholds are not finite numbers, or do not fit.

    Notes
    -----
    Symmetric weights have the energy E(s) = -s^T W s / 2 + threshold . s, which no update of a
    single unit raises if the diagonal is not negative (Hopfield 1982, 1984). Updated in parallel
    they settle or alternate between two states (Goles and Olivos 1981). Other weights may go
    through cycles of any length.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(4, 60, seed=0)
    >>> net = am.binary.TwoStateNetwork.hebbian(patterns)
    >>> cues = am.patterns.corrupt(patterns, flip=0.1, seed=1)
    >>> recall = net.recall(cues, seed=2)
    >>> recall.status, bool((recall.final == patterns).all())
    ('settled', True)
    """

    def __init__(
        self, weights: ArrayLike, thresholds: ArrayLike = 0.0, *, zero_one: bool = False
    ) -> None:
        matrix = checks.array("weights", weights, ndim=2, empty=False, largest=checks.LARGEST)
        if matrix.shape[0] != matrix.shape[1]:
            raise ValueError(f"weights have shape {matrix.shape}; one row and column for each unit")
        self.weights: Floats = checks.owned(np.ascontiguousarray(matrix, np.float64))
        given = checks.array("thresholds", thresholds, largest=checks.LARGEST)
        if given.shape not in {(), (len(matrix),)}:
            raise ValueError(
                f"thresholds have shape {given.shape}, the weights are of {len(matrix)} units; "
                f"give a number or one for each unit"
            )
        self.thresholds: Floats = checks.owned(np.broadcast_to(given, len(matrix)).astype(float))
        self.zero_one = checks.flag("zero_one", zero_one)

    @classmethod
    def hebbian(cls, patterns: ArrayLike) -> TwoStateNetwork:
        """With the weights of `am.learning.hebbian`, for patterns (K, D) of -1 and +1."""
        return cls(hebbian_weights(inputs.memories(patterns)))

    @classmethod
    def storkey(cls, patterns: ArrayLike) -> TwoStateNetwork:
        """With the weights of `am.learning.storkey`, for patterns (K, D) of -1 and +1."""
        return cls(storkey_weights(inputs.memories(patterns)))

    @classmethod
    def pseudo_inverse(cls, patterns: ArrayLike) -> TwoStateNetwork:
        """With the weights of `am.learning.pseudo_inverse` without their diagonal.

        That of the projection would hold units where they are: basins are larger without it
        (Kanter and Sompolinsky 1987), and stored patterns stay fixed points while K < D.
        """
        weights = pseudo_inverse_weights(inputs.memories(patterns))
        np.fill_diagonal(weights, 0.0)
        return cls(weights)

    @property
    def symmetric(self) -> bool:
        """Whether the weights are, up to rounding; there is an energy only then."""
        size = float(np.abs(self.weights).max())
        return bool(np.abs(self.weights - self.weights.T).max() <= 1e-12 * size)

    def __repr__(self) -> str:
        values = "0 and 1" if self.zero_one else "-1 and +1"
        return f"TwoStateNetwork({len(self.weights)} units of {values})"

    def energy(self, states: ArrayLike) -> Any:
        """E(s) = -s^T W s / 2 + threshold . s.

        Parameters
        ----------
        states : array_like (*batch, D)

        Returns
        -------
        float or ndarray (*batch)

        Raises
        ------
        ValueError
            If the weights are not symmetric: there is no energy then.

        Examples
        --------
        >>> from amsim import binary
        >>> net = binary.TwoStateNetwork([[0, 2], [2, 0]], thresholds=1.0, zero_one=True)
        >>> net.energy([[0, 0], [1, 0], [1, 1]]).tolist()
        [0.0, 1.0, 0.0]
        """
        if not self.symmetric:
            raise ValueError(
                "the weights are not symmetric, and there is no energy; that of the symmetric part "
                "is TwoStateNetwork((W + W.T) / 2, thresholds).energy(states)"
            )
        rows, batch = self._rows(states)
        values = self._values(rows)
        own = np.einsum("bi,ij,bj->b", values, self.weights, values, optimize=True)
        energy = (-own / 2 + values @ self.thresholds).reshape(batch)
        return float(energy) if batch == () else energy

    def recall(
        self,
        states: ArrayLike,
        *,
        order: str | ArrayLike = "random",
        temperature: float = 0.0,
        max_sweeps: int = 100,
        clamp: ArrayLike | None = None,
        seed: checks.Seed = 0,
    ) -> Recall:
        """Update units until none would change.

        Parameters
        ----------
        states : array_like (*batch, D)
            Cues.
        order : {"random", "sweep", "parallel"} or array_like of int
            A new random order in every sweep; 0 to D - 1; all units at once; or the units to
            check in a sweep, in this order. Units that an array leaves out never change.
        temperature : float
            A checked unit takes the upper value with probability 1 / (1 + exp(-d h / temperature)),
            d = 2 for -1 and +1 and 1 for 0 and 1 (Glauber 1963; Little 1974 in parallel). One at a
            time, for symmetric weights without diagonal, that samples exp(-E / temperature).
        max_sweeps : int
        clamp : mask (D,) or indices, optional
            Units that keep the value of the cue, in all cues.
        seed : int, SeedSequence or Generator
            Each cue has its own stream, chosen by its position.

        Returns
        -------
        Recall
            With `final` in the values of the units. After Ctrl-C what was reached.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit; the message says which and how.
        """
        start = time.perf_counter()
        rows, batch = self._rows(states)
        units, parallel, shuffled = inputs.order(order, len(self.weights))
        free = units[~inputs.clamped(clamp, len(self.weights))[units]]
        if not len(free):
            raise ValueError("clamp leaves no unit of the order to be updated: clamp fewer")
        max_sweeps = checks.count("max_sweeps", max_sweeps, at_most=MOST_STEPS)
        temperature = checks.number(
            "temperature", temperature, at_least=0.0, at_most=checks.LARGEST
        )
        gain = (1.0 if self.zero_one else 2.0) / temperature if temperature else 0.0
        seeds = np.random.SeedSequence(checks.seed_number(seed)).generate_state(
            len(rows), np.uint64
        )
        results = np.zeros((len(rows), 4), np.int64)
        results[:, 0] = INTERRUPTED
        update = self._in_parallel if parallel else self._one_by_one
        try:
            # Some cues at a time, so that Ctrl-C is noticed.
            work = len(self.weights) ** 2 * min(max_sweeps, _WORK)
            some = 1 if parallel else max(1, _WORK // work)
            for at in range(0, len(rows), some):
                part = slice(at, at + some)
                update(rows[part], seeds[part], free, shuffled, gain, max_sweeps, results[part])
        except KeyboardInterrupt:  # reported as a status: what was reached is not lost
            check_whole()
        codes, period, checked, flips = (column.reshape(batch) for column in results.T)
        return Recall(
            final=self._values(rows).reshape(*batch, -1),
            flips=flips,
            checks=checked,
            period=period,
            codes=codes,
            checks_per_sweep=len(free),
            wall_time=time.perf_counter() - start,
            remedies=(_PARALLEL, _ONE_BY_ONE),
        )

    def _one_by_one(
        self, rows: Signs, seeds: Any, free: Integers, shuffled: bool, gain: float, sweeps: int,
        results: Integers,
    ) -> None:  # fmt: skip
        from ..compiled.jit import announced
        from .weight_loops import one_by_one

        arguments = (
            self.weights, np.ascontiguousarray(self.weights.T), self.thresholds, self._ties(),
            0 if self.zero_one else -1, gain, rows, seeds, np.empty(len(self.weights)),
            np.empty(len(free), np.int64), free, shuffled, sweeps, results,
        )  # fmt: skip
        with announced("binary recall", one_by_one, *arguments):
            one_by_one(*arguments)

    def _in_parallel(
        self, rows: Signs, seeds: Any, free: Integers, shuffled: bool, gain: float, sweeps: int,
        results: Integers,
    ) -> None:  # fmt: skip
        (state,), ties = rows, self._ties()
        rng = np.random.default_rng(seeds)
        kept, kept_at, keep_next = state.copy(), 0, 1  # as in Brent 1980: any period is found
        code, period, flips, sweep = SWEEP_LIMIT, 0, 0, 0
        while code == SWEEP_LIMIT and sweep < sweeps:
            sweep += 1
            fields = self.weights @ self._values(state) - self.thresholds
            if gain:
                odds = np.clip(gain * fields[free], -700.0, 700.0)
                new = np.where(rng.uniform(size=len(free)) * (1 + np.exp(-odds)) < 1, 1, -1)
            else:
                decided = np.abs(fields) > ties
                new = np.where(decided, np.sign(fields), state)[free].astype(np.int8)
            moved = int((new != state[free]).sum())
            state[free] = new
            flips += moved
            if gain:
                continue
            if not moved:
                code, period = SETTLED, 1
            elif (state == kept).all():
                code, period = CYCLE, sweep - kept_at
            elif sweep == keep_next:
                kept, kept_at, keep_next = state.copy(), sweep, 2 * sweep
        results[0] = code, period, sweep * len(free), flips

    def _ties(self) -> Floats:
        total = np.abs(self.weights).sum(axis=1) + np.abs(self.thresholds)
        return np.asarray(_ROUNDING * total)

    def _values(self, signs: Signs) -> Floats:
        """-1 and +1 as the values of the units."""
        values = signs.astype(np.float64)
        return (values + 1) / 2 if self.zero_one else values

    def _rows(self, states: ArrayLike) -> tuple[Signs, tuple[int, ...]]:
        """States as int8 (B, D) of -1 and +1, a copy, and the batch shape."""
        if self.zero_one:
            given = checks.array("states", states, empty=False)
            if ((given != 0) & (given != 1)).any():
                raise ValueError("states must be 0 and 1 (zero_one=True)")
            signs = (2 * given - 1).astype(np.int8)
        else:
            signs = inputs.signs(states, "states")
        if signs.ndim == 0 or signs.shape[-1] != len(self.weights):
            raise ValueError(
                f"states have shape {signs.shape}, the network has {len(self.weights)} units"
            )
        return np.array(signs.reshape(-1, signs.shape[-1]), order="C"), signs.shape[:-1]
