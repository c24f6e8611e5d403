"""Commands that several processes run together: ``mpiexec -n 4 amsim recall ...``.

The first process alone prints and writes. What is wrong in any of them it says, and all end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

from .console import UserError

if TYPE_CHECKING:
    from ..ranks import Ranks

# What MPICH, Open MPI and Slurm tell the processes that they start: which one it is, of how many.
_STARTED_BY = (
    ("PMI_RANK", "PMI_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMIX_RANK", "SLURM_NTASKS"),
)


def launched() -> tuple[int, int]:
    """Which process this is, and of how many, before MPI is asked; (0, 1) if nothing started it."""
    for rank, size in _STARTED_BY:
        if rank in os.environ and size in os.environ:
            return int(os.environ[rank]), int(os.environ[size])
    return 0, 1


@contextmanager
def only_first() -> Iterator[None]:
    """Nothing that another process than the first says is seen."""
    if launched()[0] == 0:
        yield
        return
    with (
        open(os.devnull, "w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(nowhere),
    ):
        yield


def world() -> Ranks | None:
    """The processes that run this command together; None if it is alone."""
    _, started = launched()
    if started == 1:
        return None
    try:
        from mpi4py import MPI
    except ImportError as error:
        from ..errors import MissingDependencyError

        raise MissingDependencyError(
            f"{started} processes need mpi4py to share memories ({error}): "
            f"pip install 'amsim[mpi]', or start one process"
        ) from error
    from ..ranks import Ranks

    if (found := MPI.COMM_WORLD.size) != started:
        raise UserError(
            f"{started} processes were started, and mpi4py finds {found}: its MPI is another than "
            f"that of mpiexec; take the mpiexec beside this Python, in {sys.prefix}"
        )
    return Ranks(MPI.COMM_WORLD)


@contextmanager
def agreed(ranks: Ranks | None) -> Iterator[None]:
    """`Ranks.agreed`, with an error that the user can put right."""
    if ranks is None:
        yield
        return
    try:
        with ranks.agreed():
            yield
    except ValueError as error:
        raise UserError(str(error)) from error
