"""Certified cues: proofs that every asynchronous execution from them ends at the target.

`docs/certificates.md` states the theorem and its hypotheses. In short: if the interval image of a
box of states lies in the box, and the update is a contraction on a box that the iterated images
reach, then no choice of delays, losses and clocks keeps an execution from the fixed point in it.
Where delays are bounded, tubes hold all executions until they are in such a box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..display import short, span, table, tabled
from ..network import Network
from ..ranks import Ranks
from ..synapses import Array
from .box_search import HOLDS, BoxSearch
from .boxes import Box, Boxes
from .certification_problem import CertificationProblem, Scope, States
from .contraction import least_gain
from .linear import Linearisation
from .schedules import Attack, attack
from .shared import compared, from_winners, shared_problem
from .tube_search import TUBE_REASONS, TubeSearch
from .tubes import Executions

_Asked: TypeAlias = tuple[Network, States, States, bool]  # network, cue, target, together


@dataclass(frozen=True, eq=False)
class Certificate:
    """What `certify` proved, for one cue or a batch of them.

    Attributes
    ----------
    holds : ndarray of bool (*batch)
        Whether every execution from the cue converges to the fixed point at the target; with an
        offset or noise, whether it stays in the box from `time` on.
    box : dict of layer name to (lo, hi), each (*batch, units)
        The invariant box that holds cue and target; with bounded staleness, all states over the
        staleness before `time` and the target. Without a certificate, the last one tried. In the
        scope "broadcast" a Softmax layer's box counts from its winner, h - h_w.
    iterations : ndarray of int (*batch)
        Interval images of the network that were computed.
    margin : ndarray (*batch)
        1 - c, where c bounds the contraction factor of the update on the last box: positive where
        the certificate holds, -inf if there was no invariant box.
    distance : ndarray (*batch)
        Where it holds, an upper bound on the distance of the fixed point from the target, over the
        layers that the target names, each in units of max(1, its largest state there): at most the
        tolerance. Elsewhere NaN.
    staleness : float or None
        The bound on the age of what is received; None for any age.
    time : ndarray (*batch)
        From when on every execution stays in the box, in the unit of tau; NaN without a
        certificate. 0 for any age.
    message : str
        How many cues are certified, and why the others are not. It is worked out when it is first
        read, since the reasons can take longer to find than the certificates.
    """

    holds: NDArray[np.bool_]
    box: dict[str, Box] = field(repr=False)
    iterations: NDArray[np.int64]
    margin: Array
    distance: Array
    staleness: float | None
    time: Array
    _search: BoxSearch | TubeSearch = field(repr=False)
    _asked: _Asked | None = field(repr=False)

    @cached_property
    def message(self) -> str:
        """See above."""
        return _message(self._search)

    def attack(self, cue: int = 0) -> Attack:
        """A schedule of delays that `simulate` executes and with which a recall ends elsewhere.

        Each link gets one delay for the whole run: none, or the staleness of the certificate; for
        a certificate of any age, one, three or ten of the slowest time constants. So where none is
        found the question is open.

        Parameters
        ----------
        cue : int, default 0
            Position in the batch, counted through all its axes.

        Returns
        -------
        Attack

        Raises
        ------
        ValueError
            If there is no such cue, or the certificate was pickled or made by several processes,
            and has no network.

        Examples
        --------
        >>> import amsim as am
        >>> from amsim.stability import certify
        >>> patterns = am.patterns.digits(30, seed=0)
        >>> net = am.dense_am(patterns, hidden=am.Softmax(0.5))
        >>> target = am.simulate(net, patterns[0], until=am.Settled(1e-8)).final
        >>> cue = am.patterns.corrupt(patterns[0], flip=0.25, seed=0)
        >>> attack = certify(net, cue, target).attack()
        >>> timing = am.Timing(delay=attack.delay, scope="link")
        >>> for solver in (am.ExponentialIntegrator(), am.EventDriven(1e-3, timing)):
        ...     end = am.simulate(net, cue, solver=solver).final["visible"]
        ...     print(float(abs(end - target["visible"]).max()) > 0.05)
        False
        True
        """
        asked = vars(self).get("_asked")
        if asked is None:
            raise ValueError(
                "a certificate from a pickle, or of several processes, has no network: call "
                "certify again in one"
            )
        net, start, target, together = asked
        position = checks.count("cue", cue, at_least=0)
        if position >= self.holds.size:
            raise ValueError(f"cue is {cue}; the certificate has {self.holds.size} cues")
        if self.holds.flat[position]:
            return Attack(False, {}, {}, "the cue is certified: no schedule of its class can")
        scope = self._search.scope
        problem = CertificationProblem.of(net, start, target, scope, every=True)
        return attack(problem.take(np.array([position])), scope, together, self.staleness)

    @short
    def __repr__(self) -> str:  # without the message, which may take long to find
        held, cues = np.count_nonzero(self.holds), np.size(self.holds)
        return f"Certificate({held} of {cues} cues certified; batch {np.shape(self.holds)})"

    @tabled
    def _repr_html_(self) -> str:
        rows: list[tuple[object, ...]] = [
            ("certified", f"{np.count_nonzero(self.holds)} of {np.size(self.holds)} cues"),
            ("margin", span(self.margin)),
            ("iterations", span(self.iterations)),
        ]
        return table("Certificate", rows)

    def __getstate__(self) -> dict[str, Any]:
        """Networks cannot be pickled, so the message is."""
        dropped = ("_search", "_asked")
        kept = {name: value for name, value in vars(self).items() if name not in dropped}
        return {**kept, "message": self.message}


def certify(
    net: Network,
    cue: States,
    target: States,
    scope: Scope = "link",
    *,
    staleness: float | None = None,
    drift: float = 0.0,
    offset: float | Mapping[str, float] = 0.0,
    noise: float | Mapping[str, float] = 0.0,
    together: bool = False,
    tolerance: float = 1e-3,
    comm: Any = None,
) -> Certificate:
    """Decide whether every asynchronous execution from a cue ends at the target.

    A certificate is a proof, also in floating point. Without one the question is open, unless the
    message says that no certificate can exist.

    Parameters
    ----------
    net : Network
        Layers of one axis, with Softmax or separable Lagrangians, joined by Dense or Directed
        synapses. An input is a bias.
    cue : array_like (*batch, units) or mapping of layer names to such arrays
        An array is the state of layer "visible". The other layers start as `simulate` starts them:
        at their algebraic value, for which layers without a state, such as those behind them in a
        chain, and lateral synapses do not count. A state in the cue overrides that.
    target : array_like (*batch, units) or mapping, such as `traj.final`
        A fixed point, or one per cue. Every layer that it names counts, in either scope and with
        any staleness; the others follow. In the scope "broadcast" states of a Softmax layer count
        up to a number that all its units share, here and in `distance`: it changes no output.
    scope : {"link", "broadcast"}, default "link"
        "link": each link has its own delays and losses. "broadcast": a message reaches all
        members of a Softmax layer at one time, and the members share one tau.
    staleness : float, optional
        Largest age of what is received, in the unit of tau. None for any age. The rest is for
        bounded staleness alone; docs/certificates.md says what it stands for in a run.
    drift : float, default 0.0
        Clocks run at rates between 1 - drift and 1 + drift; in the scope "broadcast" members of a
        Softmax layer share one.
    offset, noise : float or mapping of layer name to float, default 0.0
        How far what is received may be from an output of the layer (a quantum), and how far what
        drives a unit of the layer may be from its force (rounding). With either, `holds` says that
        executions are confined to the box, not that they converge.
    together : bool, default False
        Whether each unit hears the outputs of a Softmax layer of one time.
    tolerance : float, default 1e-3
        How far the fixed point may be from the target in any layer that the target names, in
        units of max(1, its largest state there).
    comm : mpi4py.MPI.Comm, optional
        Processes that make this call together and get the same certificate: each looks at its own
        rows of the memories, which share a softmax. For cues of the features and any age; the `box`
        is that of the features, of which alone the target counts.

    Returns
    -------
    Certificate

    Raises
    ------
    TypeError, ValueError
        If the network is not covered, or the cue or the target does not fit it.

    Examples
    --------
    >>> import amsim as am
    >>> from amsim.stability import certify
    >>> patterns = am.patterns.random(20, 64, seed=0)
    >>> net = am.dense_am(patterns)
    >>> target = am.simulate(net, patterns[0]).final
    >>> cues = am.patterns.corrupt([patterns[0], patterns[0]], flip=0.15, seed=1)
    >>> certify(net, cues, target).holds.tolist()
    [True, True]

    What any delay could spoil, delays of up to 0.2 tau cannot:

    >>> cue = am.patterns.corrupt(patterns[0], flip=0.3, seed=1)
    >>> bool(certify(net, cue, target).holds), bool(certify(net, cue, target, staleness=0.2).holds)
    (False, True)
    """
    if cue is None:
        raise TypeError("cue is None; give the state from which executions start")
    tolerance = checks.number("tolerance", tolerance, above=0.0, at_most=checks.LARGEST)
    if comm is not None:
        if staleness is not None:
            raise ValueError(
                "comm: processes certify for any age: leave staleness out, or certify in one "
                "process"
            )
        return _shared(net, cue, target, scope, tolerance, Ranks(comm))
    if staleness is None:
        _refuse_without_staleness(drift=drift, offset=offset, noise=noise, together=together)
        asked = net, cue, target, False
        return prove(CertificationProblem.of(net, cue, target, scope), scope, tolerance, asked)
    problem = CertificationProblem.of(net, cue, target, scope, every=True)
    executions = Executions.of(net, staleness, drift, offset, noise, together)
    asked = net, cue, target, executions.together
    return _certificate(TubeSearch(problem, scope, tolerance, executions), asked)


def _shared(
    net: Network, cue: States, target: States, scope: Scope, tolerance: float, ranks: Ranks
) -> Certificate:
    """The certificate of processes that share the memories."""
    with ranks.agreed():
        problem = shared_problem(net, cue, target, scope, ranks)
    weights, others = compared(net, problem)
    ranks.check(weights, (*others, scope, tolerance))
    with ranks.together():
        if scope == "broadcast":
            problem = from_winners(net, problem)
        found = prove(problem, scope, tolerance)
    box = {name: found.box[name] for name in problem.map.kept}
    found = replace(found, box=box)
    # Its reasons would take another look at all memories, by all processes.
    held = f"{np.count_nonzero(found.holds)} of {found.holds.size} cues certified in the scope"
    vars(found)["message"] = f"{held} {scope!r}, by {ranks.size} processes"
    return found


def _refuse_without_staleness(**options: object) -> None:
    """What goes with bounded staleness alone."""
    for name, value in options.items():
        if isinstance(value, Mapping) or value:
            raise ValueError(
                f"{name} is {value!r}, but staleness is None: without a bound on the age of what "
                f"is received, any clocks are covered and no offsets; give staleness=..."
            )


def prove(
    problem: CertificationProblem, scope: Scope, tolerance: float, asked: _Asked | None = None
) -> Certificate:
    """The certificate of a validated problem; `tolerance` is relative."""
    return _certificate(BoxSearch(problem, scope, tolerance), asked)


def _certificate(search: BoxSearch | TubeSearch, asked: _Asked | None) -> Certificate:
    search.run()
    problem = search.problem
    problem.map.clear()
    holds, batch = search.outcome == HOLDS, problem.batch
    none = np.where(holds, 0.0, np.nan)
    return Certificate(
        holds=holds.reshape(batch),
        box={
            name: (lo.reshape(*batch, -1), hi.reshape(*batch, -1))
            for name, (lo, hi) in search.found.items()
        },
        iterations=search.iterations.reshape(batch),
        margin=search.margin.reshape(batch),
        distance=np.where(holds, search.distance, np.nan).reshape(batch),
        staleness=search.executions.staleness if isinstance(search, TubeSearch) else None,
        time=(search.time if isinstance(search, TubeSearch) else none).reshape(batch),
        _search=search,
        _asked=asked,
    )


def _message(search: BoxSearch | TubeSearch) -> str:
    outcome = search.outcome
    total, held = len(outcome), int((outcome == HOLDS).sum())
    parts = [f"{held} of {total} cues certified in the scope {search.scope!r}"]
    for code, reason in TUBE_REASONS.items():
        if count := int((outcome == code).sum()):
            parts.append(f"{count}: {reason}")
    if held < total:
        if layers := search.problem.map.partly_forced:
            parts.append(
                f"by default {' and '.join(map(repr, sorted(layers)))} starts without some of its "
                f"forces; give its state in the cue of certify and simulate to start elsewhere"
            )
        failed = outcome != HOLDS
        parts.extend(_reasons_at_target(search.problem.take(failed), search.limit, search.scope))
    return "; ".join(parts)


def _reasons_at_target(problem: CertificationProblem, limit: float, scope: Scope) -> list[str]:
    """What to say where the target is no fixed point, or boxes do not even shrink there."""
    image = problem.map.image(problem.target)
    moved = problem.off(Boxes({**image.states, **image.new}))
    astray = ~(moved <= limit)
    if not astray.any():
        return _reasons_without_contraction(problem, scope)
    told = [
        f"{astray.sum()}: the target is no fixed point: one update moves it by up to "
        f"{moved.max():.3g} of its largest state; take the last state of a recall, such as "
        f"simulate(net, cue).final"
    ]
    return (
        told if astray.all() else told + _reasons_without_contraction(problem.take(~astray), scope)
    )


def _reasons_without_contraction(problem: CertificationProblem, scope: Scope) -> list[str]:
    """What to say where boxes do not even shrink at the target."""
    hopeless = np.flatnonzero(least_gain(problem) > 1 + 1e-9)
    if not hopeless.size:
        return []
    part = problem.take(hopeless[:1])
    linear = Linearisation(part.map.net, part.points())
    where = f"sigma = {linear.sigma:.4g}, rho = {linear.rho:.4g} at the target"
    if linear.rho < 1:
        return [f"{hopeless.size}: boxes of this scope do not shrink even at the target ({where})"]
    if linear.sigma < 1:
        fate = "sigma < 1 < rho: stable for equal delays, which unequal ones may undo"
    else:
        fate = "sigma >= 1: the target is not stable"
    if part.map.net.directed:
        fate = "synapses are directed, and sigma alone says nothing"
    return [f"{hopeless.size}: no certificate can exist ({where}; {fate})"]
