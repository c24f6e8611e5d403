"""`read_time`: when a recall from a cue may be read, whatever its timing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .. import checks
from ..network import Network
from ..synapses import Array
from .box_search import HOLDS
from .certification_problem import CertificationProblem, Scope, States
from .tube_search import ReadSearch
from .tubes import Executions


def read_time(
    net: Network,
    cue: States,
    target: States,
    staleness: float,
    margin: float,
    scope: Scope = "link",
    *,
    drift: float = 0.0,
    offset: float | Mapping[str, float] = 0.0,
    noise: float | Mapping[str, float] = 0.0,
    together: bool = False,
) -> Array:
    """Time from which on every reading of every execution from a cue is within a margin.

    It is proven, also in floating point, for the executions of `certify` with bounded staleness:
    at all times from then on, every unit of layer "visible" (or of the first layer) is within the
    margin of the target. Units may be read at different times. `t_read` answers for states near a
    fixed point, this for cues.

    Parameters
    ----------
    net, cue, target, scope
        As for `certify`; the target may be any state.
    staleness, drift, offset, noise, together
        As for `certify`. These hold for as long as one reads.
    margin : float
        In units of the state.

    Returns
    -------
    ndarray (*batch)
        In the unit of tau; inf where nothing was proven.

    Raises
    ------
    TypeError, ValueError
        As for `certify`; and where the features share a softmax, in the scope "broadcast".

    Examples
    --------
    Without delays the slowest unit, which starts 2 away, needs ln(2 / 0.05) = 3.7.

    >>> import amsim as am
    >>> from amsim.stability import read_time
    >>> patterns = am.patterns.random(20, 64, seed=0)
    >>> net = am.dense_am(patterns)
    >>> target = am.simulate(net, patterns[0]).final
    >>> cue = am.patterns.corrupt(patterns[0], flip=0.25, seed=1)
    >>> 3.68 < float(read_time(net, cue, target, 0.1, 0.05)) < 3.9
    True
    """
    if cue is None:
        raise TypeError("cue is None; give the state from which executions start")
    problem = CertificationProblem.of(net, cue, target, scope, every=True)
    if scope == "broadcast" and not net.layers[problem.visible].lagrangian.separable:
        raise ValueError(
            f"scope='broadcast' follows the differences within layer {problem.visible!r} alone, of "
            f"which no reading follows: take scope='link'"
        )
    executions = Executions.of(net, staleness, drift, offset, noise, together)
    within = checks.number("margin", margin, above=0.0, at_most=checks.LARGEST)
    search = ReadSearch(problem, scope, within, executions)
    search.run()
    problem.map.clear()
    return np.where(search.outcome == HOLDS, search.time, np.inf).reshape(problem.batch)
