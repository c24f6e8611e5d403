"""Our own integrator: adaptive, exact on the leak, a step size and a halt for every cue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from .. import checks
from ..lagrangians.base import require
from ..network import Network
from .pieces import in_pieces
from .problem import Problem, Solution

if TYPE_CHECKING:
    from .run import Run

# Error per step in units of the tolerance: leaves room for the errors of many steps to add up, and
# for those at the kinks of an activation, which the polynomial through the past does not foresee.
_SHARE, _SHARE_KINKED = 0.3, 0.1


@dataclass(frozen=True)
class ExponentialIntegrator:
    """Exponential Adams method of variable order and step, for every network.

    Parameters
    ----------
    rtol : float, default 1e-6
        Error aimed at, relative to the largest |x| of the layer. Steps are chosen by their own
        errors, so the error at an output time may be up to about 3 times as large.
    atol : float, default 1e-9
        Error allowed besides, in units of the state.
    max_steps : int, default 1_000_000
        Steps besides one for each output time, those that were rejected included, after which a
        cue ends with status "stalled". They are counted anew after each jump of an input.

    Notes
    -----
    The decay of each unit is integrated exactly, so that a small tau costs no steps. Cues have
    their own step size, order and halt. Memories joined by one `Dense` synapse to Identity features
    run as one compiled loop over half of the state; other networks evaluate their forces in NumPy.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am([[1, 1, -1, -1], [1, -1, 1, -1]], hidden=am.Softmax(beta=4.0))
    >>> solver = am.ExponentialIntegrator(rtol=1e-8)
    >>> am.simulate(net, [1, 1, -1, 0], solver=solver).final["visible"].round(3)
    array([ 1.,  1., -1., -1.])
    """

    rtol: float = 1e-6
    atol: float = 1e-9
    max_steps: int = 1_000_000
    shows_steps: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(self, "rtol", at_least=1e-13)
        require(self, "atol", at_least=1e-300)
        steps = checks.count("ExponentialIntegrator: max_steps", self.max_steps)
        object.__setattr__(self, "max_steps", steps)

    def solve(self, problem: Problem) -> Solution:
        """Solve for all cues of the batch."""
        return in_pieces(problem, problem.breakpoints, self._solve_piece)

    def _solve_piece(self, problem: Problem) -> Solution:
        """Solve where no input jumps."""
        integrate, kinds = _runs()
        kind = next(kind for kind in kinds if kind.applies(problem))
        share = _SHARE_KINKED if problem.network.once(_is_kinked) else _SHARE
        return integrate(kind, problem, share * self.rtol, share * self.atol, self.max_steps)


@cache
def _runs() -> tuple[Callable[..., Solution], tuple[type[Run], ...]]:
    """What makes runs, and their kinds, the most special first.

    Loaded here: numba takes longer to load than the rest of amsim together. Once: to look for
    modules takes longer than some steps.
    """
    from .run import Run, integrate
    from .streamed import StreamedRun
    from .two_layer import TwoLayerRun

    return integrate, (StreamedRun, TwoLayerRun, Run)


def _is_kinked(network: Network) -> bool:
    return any(layer.lagrangian.kinked for layer in network.layers.values())
