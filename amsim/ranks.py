"""One run by several processes of MPI: each reads its own rows of the memories."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import checks

Array = NDArray[Any]

# Rows of the memories that every process compares with the others.
_SAMPLED = 64
# Seconds in which mpiexec passes on what a process has said: an abort may come before that.
_PASSED_ON = 0.5


class Ranks:
    """The processes of a communicator of mpi4py, which take the same steps.

    What they find together is combined in the order of the ranks, so that all of them have the same
    bits.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        Or what else has `rank`, `size`, `allgather`, `Allgather` and `Abort`.

    Raises
    ------
    TypeError
        If it is no communicator.
    """

    def __init__(self, comm: Any) -> None:
        needed = ("rank", "size", "allgather", "Allgather", "Abort")
        if isinstance(comm, type) or not all(hasattr(comm, name) for name in needed):
            raise TypeError("comm must be a communicator, such as mpi4py.MPI.COMM_WORLD")
        self.comm, self.rank, self.size = comm, int(comm.rank), int(comm.size)

    def rows(self, count: int, after: int = 0) -> slice:
        """The memories that this process reads, of so many; or one that comes after it, in turn."""
        rank = (self.rank + after) % self.size
        return slice(count * rank // self.size, count * (rank + 1) // self.size)

    def check(self, weights: Array, others: Iterable[Any]) -> None:
        """Refuse, in every process, what they cannot do together.

        Each process compares its own memories with those that the one before it sees there.

        Parameters
        ----------
        weights : ndarray (K, D)
        others : iterable of arrays, or of what has a repr
            What else has to be the same in all processes.

        Raises
        ------
        ValueError
            If it is not, or if there are more processes than memories.
        """
        if self.size == 1:
            return
        if len(weights) < self.size:
            raise ValueError(
                f"comm: {self.size} processes are more than the {len(weights)} memories that they "
                f"would share; start fewer"
            )
        sample = weights[:: max(1, len(weights) // _SAMPLED)]
        first = _digest([weights.shape, weights.dtype, sample])
        own, after = (_digest([weights[self.rows(len(weights), n)]]) for n in (0, 1))
        found = self.comm.allgather((first, _digest(others), own, after))
        for rank, (memories, rest, rows, _) in enumerate(found):
            before = (rank - 1) % self.size
            pairs = (0, memories, found[0][0]), (before, rows, found[before][3])
            for other, here, there in pairs:
                if here != there:
                    raise ValueError(
                        f"comm: rank {rank} has other memories than rank {other}; give all ranks "
                        f"one file, or copies of it"
                    )
            if rest != found[0][1]:
                raise ValueError(
                    f"comm: rank {rank} has other cues, parameters, times or options than rank 0; "
                    f"give all ranks the same"
                )

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """Work of each process alone: what fails in one of them raises in all.

        Raises
        ------
        ValueError
            In a process whose own work did not fail; it says whose did, and how.
        """
        failed: Exception | None = None
        try:
            yield
        except Exception as error:
            failed = error
        found = self.comm.allgather(None if failed is None else str(failed))
        if failed is not None:
            raise failed
        for rank, text in enumerate(found):
            if text is not None:
                raise ValueError(f"rank {rank}: {text}")

    @contextmanager
    def together(self) -> Iterator[None]:
        """Work in which processes wait for each other: what ends one of them ends all.

        The process says what happened, since MPI does not, and leaves it to MPI to end the others.
        """
        try:
            yield
        except BaseException as error:
            if self.size > 1:
                reason = "interrupted" if isinstance(error, KeyboardInterrupt) else error
                # Commands silence the other processes, and may have replaced stderr.
                print(f"amsim: rank {self.rank}: {reason!s}", file=sys.__stderr__, flush=True)
                try:
                    time.sleep(_PASSED_ON)
                finally:
                    self.comm.Abort(1)
            raise

    def largest(self, own: Array) -> Array:
        """The largest of the numbers of all processes, one by one."""
        return np.asarray(self.gathered(own).max(axis=0))

    def strongest(self, best: Array, memories: NDArray[np.int64]) -> NDArray[np.int64]:
        """The memory (B,) of each cue that is strongest of those that processes found strongest.

        Parameters
        ----------
        best : ndarray (B,)
            State of the strongest memory that this process reads.
        memories : ndarray of int (B,)
            Which of all memories it is.
        """
        found = self.gathered(np.stack([best, memories]))  # (size, 2, B)
        ranks = found[:, 0].argmax(axis=0)
        return np.asarray(found[ranks, 1, np.arange(len(best))].astype(np.int64))

    def gathered(self, own: Array) -> Array:
        """The arrays of all processes, (size, *shape); refused if their steps differ."""
        found = np.empty((self.size, *own.shape))
        self.comm.Allgather(np.ascontiguousarray(own), found)
        return found


def _digest(parts: Iterable[Any]) -> str:
    """A fingerprint of arrays and of what has a repr."""
    found = hashlib.sha256()
    for part in parts:
        array = isinstance(part, np.ndarray)
        found.update(f"{part.shape} {part.dtype}".encode() if array else repr(part).encode())
        for piece in checks.parts(part) if array else ():
            found.update(np.ascontiguousarray(piece).data)
    return found.hexdigest()
