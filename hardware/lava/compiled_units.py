"""What features and memories compute in a turn, in one call of the emulator's compiled loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from amsim.compiled.jit import allocating

from .. import compiled, kernels
from ..compiled import boltzmann, scale
from ..plan import Plan
from .recall_steps import BEYOND_THE_PLAN


class CompiledUnits:
    """Operations of a plan's turns; Vars are changed in place, with or without a batch axis."""

    def __init__(self, plan: Plan) -> None:
        self._features, self._memories = compiled.features(plan), compiled.memories(plan)

    def features(
        self, v: Any, sent: Any, arriving: Any, drive: Any, leak: Any, held: bool
    ) -> tuple[Any, Any]:
        """Messages, and how many numbers changed in each cue."""
        arrays = [_rows(a) for a in (v, sent, arriving, drive, _changeable(leak))]
        messages, moves = _features(*[*arrays, self._features, held])
        return messages.reshape(v.shape), moves

    def memories(
        self, h: Any, total: Any, logit: Any, arriving: Any, drive: Any, leak: Any, held: bool
    ) -> Any:
        """Set the logits, or f; returns how many numbers changed in each cue."""
        arrays = [_rows(a) for a in (h, total, logit, arriving, drive, _changeable(leak))]
        return _memories(*[*arrays, self._memories, held])

    def message(self, logit: Any, c: Any, bits: int) -> Any:
        """2**(logit - c) with so many bits.

        Raises
        ------
        OverflowError
            If a logit is further above c than the planner allows.
        """
        fraction = self._memories.logit_bits
        messages, highest = _boltzmanns(_rows(logit), _rows(c), fraction, bits)
        if highest >= 2 << fraction:
            raise OverflowError(BEYOND_THE_PLAN)
        return messages.reshape(logit.shape)

    def log_sum(self, c: int, total: int) -> int:
        """c of one cue after a round of the normaliser."""
        n = self._memories
        return int(kernels.log_sum(c, total, n.logit_bits, n.sum_bits, n.floor))


def _changeable(array: Any) -> Any:
    """A copy if it is read-only: to numba, such arrays are of another type."""
    return array if array.flags.writeable else array.copy()


def _rows(array: Any) -> Any:
    return array.reshape(-1, array.shape[-1])


@allocating
def _features(v, sent, arriving, drive, leak, n, held):  # type: ignore[no-untyped-def]
    """The turn of the features.

    Parameters
    ----------
    v, sent : arrays of int64 (B, D)
        Changed in place.
    arriving : array of int32 (B, D)
    drive : array of int64 (B, D)
        Bias and input.
    leak : array of int64 (1, D) or (B, D)
        12-bit mantissas; 0 for a clamped feature.
    n : Features
    held : bool
        Whether v keeps its value, as in period 0.
    """
    cues, moves = np.arange(len(v), dtype=np.int64), np.zeros(len(v), np.int64)
    g, messages = np.empty(v.shape, np.int64), np.empty(v.shape, np.int32)
    for i in cues:
        for d in range(v.shape[1]):
            g[i, d] = (np.int64(arriving[i, d]) << n.gain) + drive[i, d]
    if not held:
        compiled.move(cues, v, g, leak, moves)
    compiled.outputs(cues, v, n, g)
    counts = np.zeros((len(v), 4), np.int64)
    compiled.send_changes(cues, g, sent, n.threshold, messages, moves, counts)
    return messages, moves


@allocating
def _memories(h, total, logit, arriving, drive, leak, n, held):  # type: ignore[no-untyped-def]
    """What the memories compute in each turn that moves them.

    Parameters
    ----------
    h, total, logit : arrays of int64 (B, K)
        Changed in place; the logit is set, to f if there is no softmax.
    arriving : array of int32 (B, K)
    drive : array of int64 (B, K)
        Bias and input.
    leak : array of int64 (1, K)
    n : Memories
    held : bool
        Whether h keeps its value, as in period 0.
    """
    cues, moves = np.arange(len(h), dtype=np.int64), np.zeros(len(h), np.int64)
    for i in cues:
        for k in range(h.shape[1]):
            total[i, k] += arriving[i, k]
            logit[i, k] = total[i, k] + drive[i, k]
    if not held:
        compiled.move(cues, h, logit, leak, moves)
    if n.rounds == 0:
        compiled.powers(cues, h, n, logit)
        return moves
    for i in cues:
        for k in range(h.shape[1]):
            logit[i, k] = scale(h[i, k], n.mantissa, n.shift)
    return moves


@allocating
def _boltzmanns(logit, c, fraction, bits):  # type: ignore[no-untyped-def]
    messages = np.empty(logit.shape, np.int32)
    highest = -1
    for i in range(len(logit)):
        for k in range(logit.shape[1]):
            messages[i, k] = boltzmann(logit[i, k], c[i, 0], fraction, bits)
            highest = max(highest, logit[i, k] - c[i, 0])
    return messages, highest
