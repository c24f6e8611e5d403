"""`Experiment`: a question, its unit of work, figure and verdict, and the rules that it keeps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from amsim.checks import Seed
from amsim.display import short

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    import xarray as xr
    from matplotlib.figure import Figure


SHARE, NOT_NEGATIVE = (0.0, 1.0), (0.0, math.inf)  # domains of results


@dataclass(frozen=True)
class Quantity:
    """A parameter or a result.

    Parameters
    ----------
    label : str
        In words, for axes and the long_name of netCDF.
    unit : str, default "1"
        "tau", "bit", ...; "1" is dimensionless.
    dims : tuple of str, default ()
        Of results: the dimensions that the value of one unit of work has.
    within : (float, float), default (-inf, inf)
        Of results: the least and the largest value, such as `SHARE`; NaN is always one.
    """

    label: str
    unit: str = "1"
    dims: tuple[str, ...] = ()
    within: tuple[float, float] = (-math.inf, math.inf)


@dataclass(frozen=True)
class Claim:
    """One line of a verdict.

    Parameters
    ----------
    text : str
        Such as "largest stable normaliser time constant at kappa = 4".
    measured : float
    predicted : float or None
        None for an observation about which theory says nothing.
    holds : bool or None
        Whether the two agree; None with an observation.
    """

    text: str
    measured: float
    predicted: float | None = None
    holds: bool | None = None


def no_coordinates(parameters: Mapping[str, Any]) -> Mapping[str, ArrayLike]:
    """Results have no dimensions of their own, or these are only numbered."""
    return {}


@dataclass(frozen=True)
class Experiment:
    """A question, and how it is answered by many units of work.

    A module of `experiments/` holds one as ``EXPERIMENT``; `experiments.find` and the command find
    it there. Every experiment keeps these rules:

    1. The docstring of its module begins with the question, and states the prediction with its
       source before what is measured.
    2. `measure` is a function of the module, so that worker processes can import it. It gets every
       parameter by name and `seed`, and returns exactly the names of `results`, as real numbers or
       arrays with one axis for each of their `dims`, `within` their domain. NaN stands for "does
       not exist".
    3. `measure` is deterministic: random numbers come from `seed` alone, which is the same at every
       point of the grid for one repeat, so that points compare like with like. It has no side
       effects and raises if it fails; the run goes on without that unit.
    4. Parameters are bool, int, float or str, and of one kind on an axis. An int is a count >= 0.
       Every size has all of them and "repeats". "toy" takes seconds, and is what tests run; "paper"
       is what the documentation shows.
    5. `judge` and `draw` see the dataset alone: the same record gives the same verdict and figure
       again. Both take any grid, also with one value per axis, and NaN in units that failed.
    6. A prediction is a `Claim` with `predicted` and `holds`, or a `tolerance.Mean` passed through
       `tolerance.judged` if it is about a mean of draws, whose tolerance follows from the draws. It
       can fail: there is a test in which wrong data refute it. What theory does not predict is a
       claim with `measured` alone.
    7. `draw` returns a `matplotlib.figure.Figure`, made without pyplot.

    Parameters
    ----------
    name : str
        That of its module.
    question : str
        One sentence.
    measure : callable
        ``measure(*, seed, **parameters)`` does one unit of work and returns its results by name,
        numbers or arrays. ``seed`` is a `numpy.random.SeedSequence`. A function of a module (worker
        processes import it), deterministic, without side effects; it raises if it fails.
    parameters, results : mapping of str to Quantity
    sizes : mapping of str to mapping
        "toy" and "paper": a value for every parameter, where a tuple is an axis of the grid and
        anything else is fixed; "repeats" is the number of seeds.
    draw : callable
        Makes a figure of the dataset.
    judge : callable
        Makes the claims of the verdict from the dataset.
    coordinates : callable, optional
        ``coordinates(parameters)`` returns the coordinates of the dimensions of results.
    at_most : mapping of str to str, optional
        Parameters that may not exceed another, such as the cues that are copies of patterns.
    """

    name: str
    question: str
    measure: Callable[..., Mapping[str, ArrayLike]]
    parameters: Mapping[str, Quantity]
    results: Mapping[str, Quantity]
    sizes: Mapping[str, Mapping[str, Any]]
    draw: Callable[[xr.Dataset], Figure]
    judge: Callable[[xr.Dataset], Sequence[Claim]]
    coordinates: Callable[[Mapping[str, Any]], Mapping[str, ArrayLike]] = no_coordinates
    at_most: Mapping[str, str] = field(default_factory=dict)

    @short
    def __repr__(self) -> str:
        return f"Experiment({self.name!r}, {self.question!r})"

    def __post_init__(self) -> None:
        for size, values in self.sizes.items():
            odd = sorted(set(values) ^ {*self.parameters, "repeats"})
            if odd:
                raise ValueError(
                    f"{self.name}: size {size!r} and the parameters differ in {', '.join(odd)}"
                )

    def run(
        self,
        *,
        size: str = "toy",
        seed: Seed = 0,
        out: str | Path | None = None,
        jobs: int = 1,
        scheduler: str | None = None,
        executor: Executor | None = None,
        resume: bool = False,
        **parameters: Any,
    ) -> xr.Dataset:
        """Measure every unit of the grid.

        Parameters
        ----------
        size : str, default "toy"
            Whose values the parameters have.
        seed : int, SeedSequence or Generator, default 0
            Repeat r of every point draws from ``SeedSequence(number, spawn_key=(r,))``, with the
            number that stands for the seed.
        out : str or Path, optional
            Folder for the record. Without one nothing is written.
        jobs : int, default 1
            Processes on this machine; 1 is this process. With `executor` the number of its workers.
        scheduler : str, optional
            Address of a Dask scheduler, such as ``"tcp://10.0.0.1:8786"``.
        executor : concurrent.futures.Executor, optional
            Any other, such as ``mpi4py.futures.MPIPoolExecutor()``.
        resume : bool, default False
            Go on with a run of the same parameters that the folder holds.
        **parameters
            Values other than those of the size, and "repeats": for an axis a number or several.

        Returns
        -------
        xr.Dataset
            With the axes of the grid, "repeat" and the dimensions of results; fixed parameters and
            the seed are attributes. Units that failed are NaN. It does not depend on where the
            units were measured.

        Raises
        ------
        ValueError
            If there is no such size or parameter, a value does not fit, or the folder is in use,
            holds something else or cannot be written.
        RuntimeError
            If the workers cannot be reached or are gone, or every unit failed.
        """
        from .design import Design
        from .record import run

        design = Design.of(self, size=size, seed=seed, **parameters)
        return run(design, out, jobs=jobs, scheduler=scheduler, executor=executor, resume=resume)
