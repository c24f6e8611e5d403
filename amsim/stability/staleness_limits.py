"""`largest_staleness`: how late messages may be, proven, beside how late they must not be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..display import short, span, table, tabled
from ..network import Network
from ..progress import Bar
from ..synapses import Array
from .box_search import HOLDS, BoxSearch
from .certification_problem import CertificationProblem, Scope, States
from .hostile import ELSEWHERE, attacked, strays
from .tube_search import TubeSearch, slowest_tau
from .tubes import Executions

_STEPS = 4  # grid points for a factor of two
_LEAST, _MOST = -9, 4  # powers of two: the grid, in slowest time constants
_ATTACKED = 3  # by how many powers of two later attacks begin: small ones take many steps


@dataclass(frozen=True, eq=False)
class StalenessLimits:
    """What `largest_staleness` found, for one cue or a batch of them; in the unit of tau.

    Attributes
    ----------
    proven : ndarray (*batch)
        The largest staleness at which a certificate was found: it holds for all smaller ones. inf
        if there is one for any age of messages, 0 if there is none at all.
    attacked : ndarray (*batch)
        The smallest staleness, above the proven one, at which a hostile execution was found that
        ends elsewhere; inf if none was, 0 if the recall does so without any delay. Attacks begin at
        1/64 of the slowest time constant.
    """

    proven: Array
    attacked: Array

    @short
    def __repr__(self) -> str:
        return f"StalenessLimits(proven {span(self.proven)}, attacked {span(self.attacked)})"

    @tabled
    def _repr_html_(self) -> str:
        rows = [("proven", span(self.proven)), ("attacked", span(self.attacked))]
        return table("StalenessLimits", rows)


def largest_staleness(
    net: Network,
    cue: States,
    target: States,
    scope: Scope = "link",
    *,
    drift: float = 0.0,
    offset: float | Mapping[str, float] = 0.0,
    noise: float | Mapping[str, float] = 0.0,
    together: bool = False,
    tolerance: float = 1e-3,
    attack: bool = True,
) -> StalenessLimits:
    """How late messages may be: the largest staleness proven, and the smallest one attacked.

    Between the two nothing is known. Both stand on a grid from 1/512 to 16 of the slowest time
    constants, with four points for each factor of two. The attacks have messages of any age within
    the bound, but neither drift nor offset nor noise: docs/certificates.md says what they do.

    Parameters
    ----------
    net, cue, target, scope, drift, offset, noise, together, tolerance
        As for `certify`.
    attack : bool, default True
        Whether to look for attacks; otherwise all of `attacked` is NaN.

    Returns
    -------
    StalenessLimits

    Raises
    ------
    TypeError, ValueError
        As for `certify`.

    Examples
    --------
    >>> import amsim as am
    >>> from amsim.stability import largest_staleness
    >>> patterns = am.patterns.random(10, 32, seed=0)
    >>> net = am.dense_am(patterns)
    >>> target = am.simulate(net, patterns[0]).final
    >>> cue = am.patterns.corrupt(patterns[0], flip=0.25, seed=1)
    >>> limits = largest_staleness(net, cue, target)
    >>> bool(0.5 < limits.proven < limits.attacked)
    True
    """
    if cue is None:
        raise TypeError("cue is None; give the state from which executions start")
    tolerance = checks.number("tolerance", tolerance, above=0.0, at_most=checks.LARGEST)
    attack = checks.flag("attack", attack)
    problem = CertificationProblem.of(net, cue, target, scope, every=True)
    executions = Executions.of(net, 0.0, drift, offset, noise, together)
    slowest = slowest_tau(problem)
    grid = slowest * 2.0 ** np.arange(_LEAST, _MOST + 0.5 / _STEPS, 1 / _STEPS)
    always = _always(problem, scope, tolerance, executions)

    def holds(staleness: float, rows: NDArray[Any]) -> Array:
        allowed = replace(executions, staleness=staleness)
        search = TubeSearch(problem.take(rows), scope, tolerance, allowed, shown=False)
        search.run()
        return np.asarray(search.outcome == HOLDS)

    def resists(staleness: float, rows: NDArray[Any]) -> Array:
        return ~attacked(problem.take(rows), scope, staleness, together, slowest)

    count = problem.count
    astray = _astray(problem, ~always, tolerance, slowest)
    if (
        doubted := np.flatnonzero(astray)
    ).size:  # a proof is worth more than a run that seems to rest
        astray[doubted] = ~holds(float(grid[0]), doubted)
    rows = np.flatnonzero(~(always | astray))
    last = _last(grid, np.full(count, -1), rows, holds)
    proven = np.where(always, np.inf, np.where(last >= 0, grid[last], 0.0))
    hit = np.full(count, np.nan)
    if attack:
        stood = _last(grid, np.maximum(last, _ATTACKED * _STEPS - 1), rows, resists) + 1
        hit = np.where(always, np.inf, np.where(astray, 0.0, np.append(grid, np.inf)[stood]))
    problem.map.clear()
    return StalenessLimits(proven.reshape(problem.batch), hit.reshape(problem.batch))


def _always(
    problem: CertificationProblem, scope: Scope, tolerance: float, executions: Executions
) -> Array:
    """Which cues are certified for any age of messages."""
    boxmap = problem.map.disturbed(executions.offset, executions.noise)
    search = BoxSearch(replace(problem, map=boxmap), scope, tolerance)
    search.run()
    return np.asarray(search.outcome == HOLDS)


def _astray(problem: CertificationProblem, asked: Array, tolerance: float, slowest: float) -> Array:
    """Which of some cues end elsewhere without delays, and farther than the tolerance."""
    found = np.zeros(problem.count, bool)
    if asked.any() and tolerance < ELSEWHERE:
        found[asked] = strays(problem.take(asked), slowest)
    return found


def _last(
    grid: Array,
    known: NDArray[Any],
    rows: NDArray[Any],
    holds: Callable[[float, NDArray[Any]], Array],
) -> NDArray[Any]:
    """Position of the last point of the grid that holds, by bisection from a known one, by row."""
    low, high = known.copy(), np.full(len(known), len(grid))
    with closing(Bar(total=len(rows), desc="largest staleness", unit="cue")) as bar:
        while (going := rows[high[rows] - low[rows] > 1]).size:
            middle = (low + high) // 2
            for position in np.unique(middle[going]):
                these = going[middle[going] == position]
                held = holds(float(grid[position]), these)
                low[these[held]], high[these[~held]] = position, position
                bar.show(int((high[rows] - low[rows] <= 1).sum()), f"B = {grid[position]:.3g}")
    return low
