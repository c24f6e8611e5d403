"""`recall_on_chip`: whether a recall works on a chip whose links are known, whatever its timing."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from . import checks
from .checks import Seed
from .display import short, span, table, tabled
from .dynamics import EventDriven, Fabric, Timing, simulate
from .errors import GuaranteeWarning
from .mismatch import Mismatch
from .network import Network
from .progress import whole_runs
from .stability import Attack, read_time
from .stability.certification_problem import CertificationProblem, Scope, States
from .stability.schedules import attack as scheduled
from .synapses import Array

if TYPE_CHECKING:
    from .dynamics.events.fabric.ages import Ages

PROVEN, REFUTED, OPEN = "proven", "refuted", "open"
_LONG = 40.0  # of the slowest tau, and further of the age: when a run has to be at rest


@dataclass(frozen=True, eq=False)
class ChipRecall:
    """What `recall_on_chip` found, for one cue or a batch of them.

    Attributes
    ----------
    verdicts : ndarray of str (*batch)
        "proven": from `time` on every unit of the features is within the margin of the target, in
        every execution. "proven if no news is older than 1.4 tau": so it is as long as the links
        keep to that age, which those of this fabric need not do. "refuted": an execution ends
        elsewhere. "open": neither was found.
    proven : ndarray of bool (*batch)
        Where the verdict is one of the first two.
    time : ndarray (*batch)
        In the unit of tau; inf where nothing was proven.
    off : ndarray (*batch)
        How far the execution that refutes it ends from the target; NaN where there is none.
    attacks : dict of int to Attack
        For cues, by position, that are refuted by delays of links within `staleness`; the others
        are refuted by a run over the fabric as it is.
    margin : float
    staleness : float
        The largest age of what units receive, in the unit of tau; inf where there is no bound.
    scope : {"link", "broadcast"}
        "broadcast" where each layer of shares is in one group and has one tau.
    assumptions : tuple of str
        What is proven under, and what is not known of the fabric.
    """

    verdicts: NDArray[np.str_]
    time: Array
    off: Array
    attacks: Mapping[int, Attack] = field(repr=False)
    margin: float
    staleness: float
    scope: Scope
    assumptions: tuple[str, ...]

    @property
    def proven(self) -> NDArray[np.bool_]:
        """See above."""
        return np.asarray(np.char.startswith(self.verdicts, PROVEN))

    @property
    def _counts(self) -> dict[str, int]:
        words = dict.fromkeys([PROVEN, REFUTED, OPEN], 0)
        if self.proven.any():
            words = {str(self.verdicts[self.proven][0]): 0, REFUTED: 0, OPEN: 0}
        return {v: int((self.verdicts == v).sum()) for v in words}

    @property
    def message(self) -> str:
        """The verdicts, and under which assumptions they are."""
        count = self._counts
        parts = [f"of {self.verdicts.size}: " + ", ".join(f"{n} {v}" for v, n in count.items())]
        if self.proven.any():
            held = self.time[self.proven]
            parts.append(f"within {self.margin:g} from {held.max():.3g} tau on")
        if count[REFUTED]:
            runs = count[REFUTED] - len(self.attacks)
            parts.append(
                f"refuted by runs over these links {runs}, by delays within the age of messages "
                f"{len(self.attacks)}, up to {np.nanmax(self.off):.3g} off"
            )
        return "; ".join((*parts, *self.assumptions))

    def __str__(self) -> str:
        return self.message

    @short
    def __repr__(self) -> str:
        told = ", ".join(f"{n} {v}" for v, n in self._counts.items())
        return f"ChipRecall({told}; messages at most {self.staleness:.3g} tau old)"

    @tabled
    def _repr_html_(self) -> str:
        rows: list[tuple[object, ...]] = [
            (name, f"{n} of {self.verdicts.size}") for name, n in self._counts.items()
        ]
        rows += [("margin", self.margin), ("from", span(self.time)), ("scope", self.scope)]
        rows += [("assumed", each) for each in self.assumptions]
        return table("ChipRecall", rows)


def recall_on_chip(
    net: Network,
    cue: States,
    target: States,
    fabric: Fabric,
    *,
    quantum: float | Mapping[str, float] = 1e-3,
    margin: float = 0.5,
    bits: int | None = None,
    noise: float | Mapping[str, float] = 0.0,
    delay: float = 0.0,
    drift: float = 0.0,
    mismatch: Mismatch | None = None,
    seed: Seed = 0,
    attack: bool = True,
) -> ChipRecall:
    """Prove or refute that a recall works on a chip.

    The links say how old what a unit receives can be. With that age, quanta and rounding as
    offsets, and the weights and time constants of one chip, `read_time` proves that every
    execution comes to the target and stays there. Where it does not, or assumes something of the
    links, the recall is run over them as they are; and what is not proven is tried with delays
    within the age that are to spoil it.

    Parameters
    ----------
    net, cue, target
        As for `stability.read_time`: layers with tau > 0 that `EventDriven` runs; the target may be
        any state, such as the stored pattern.
    fabric : Fabric
        Such as ``Fabric.chip("loihi1", tau=1e-3, groups=...)``.
    quantum : float or mapping of layer name to float, default 1e-3
        As for `EventDriven`; memories want small ones, since all may be off at once.
    margin : float, default 0.5
        How far features may be from the target, in units of their state.
    bits : int, optional
        Fraction bits of the values in messages, rounded to nearest; by default they are exact. A
        unit sends when its output, not what was sent of it, has moved by a quantum: levels count
        from the output before it is rounded.
    noise : float or mapping of layer name to float, default 0.0
        What drives a unit may be so far from its force.
    delay : float, default 0.0
        Further travel time of all messages, in the unit of tau.
    drift : float, default 0.0
        Clocks run at rates between 1 - drift and 1 + drift.
    mismatch : Mismatch, optional
        Of the weights and units of this chip, which `seed` draws.
    seed : int, SeedSequence or Generator, default 0
        Of the mismatch.
    attack : bool, default True
        Whether to look for executions that refute what is not proven.

    Returns
    -------
    ChipRecall

    Raises
    ------
    TypeError, ValueError
        As for `stability.read_time` and `EventDriven`.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(10, 32, seed=0)
    >>> net = am.dense_am(patterns)
    >>> cue = am.patterns.corrupt(patterns[0], flip=0.2, seed=1)
    >>> quanta = {"visible": 0.02, "hidden": 1e-3}
    >>> fabric = am.Fabric.chip("loihi1", tau=1e-4)
    >>> found = am.recall_on_chip(net, cue, patterns[0], fabric, quantum=quanta)
    >>> print(found.verdicts, round(found.staleness, 3))
    proven 0.055
    """
    from .dynamics.events.fabric.ages import ages  # imports numba

    checks.instance("net", net, Network, "a Network")
    checks.instance("fabric", fabric, Fabric, "a Fabric, such as Fabric.chip('loihi1', tau=1e-3)")
    within = checks.number("margin", margin, above=0.0, at_most=checks.LARGEST)
    late = checks.number("delay", delay, at_least=0.0, at_most=checks.LARGEST)
    wants = checks.flag("attack", attack)
    if cue is None:
        raise TypeError("cue is None; give the state from which executions start")
    if mismatch is not None:
        checks.instance("mismatch", mismatch, Mismatch, "Mismatch(...) or None")
    number = checks.seed_number(seed)
    chip = net if mismatch is None else mismatch.of(net, number)
    scope = _scope(chip, fabric)
    solver = EventDriven(quantum, Timing(delay=late, fabric=fabric, scope=scope))
    found = ages(chip, solver)
    offset = _offsets(chip, solver, bits)
    # Any state of the batch shows what the arguments are worth, also where no age is bounded.
    problem = CertificationProblem.of(chip, cue, target, scope, every=True)
    time = np.full(problem.batch, np.inf)
    if np.isfinite(found.most):
        time = read_time(
            chip, cue, target, found.most, within, scope, drift=drift, offset=offset, noise=noise
        )
    proven = np.isfinite(time)
    off, attacks = np.full(problem.batch, np.nan), dict[int, Attack]()
    if wants and (found.assumed or not proven.all()):
        off, attacks = _refute(chip, cue, problem, solver, found, proven.ravel(), within)
    if (
        not found.assumed
    ):  # a run that is slow seems to rest before it is where it is proven to come
        off = np.where(proven, np.nan, off)
    word = f"{PROVEN} if no news is older than {found.most:.3g} tau" if found.assumed else PROVEN
    verdicts = np.where(off > within, REFUTED, np.where(proven, word, OPEN))
    assumed = _assumptions(found, bits, mismatch, number)
    return ChipRecall(np.asarray(verdicts), time, off, attacks, within, found.most, scope, assumed)


def _scope(net: Network, fabric: Fabric) -> Scope:
    """Broadcast, if all members of each layer of shares read at one time, at one pace."""
    for name, layer in net.layers.items():
        if layer.lagrangian.separable:
            continue
        given = 0 if fabric.groups is None else fabric.groups.get(name, 0)
        if np.ptp(np.asarray(given)) > 0 or np.ptp(layer.tau) > 0:
            return "link"
    return "broadcast"


def _offsets(net: Network, solver: EventDriven, bits: int | None) -> dict[str, float]:
    """How far registers are from outputs: by a quantum, and by rounding."""
    unit = 0.0 if bits is None else 0.5 ** checks.count("bits", bits, at_most=1000)
    return {name: solver.quantum_of(name) + unit / 2 for name in net.layers}


def _refute(
    net: Network,
    cue: States,
    problem: CertificationProblem,
    solver: EventDriven,
    found: Ages,
    proven: NDArray[np.bool_],
    margin: float,
) -> tuple[Array, dict[int, Attack]]:
    """Executions that end elsewhere: how far, and those with delays of links by cue."""
    slowest = max(float(x.tau.max()) / x.leak for x in net.layers.values())
    visible = problem.visible
    goal = problem.target[visible][0]
    end = _LONG * slowest + (10 * found.most if np.isfinite(found.most) else 0.0)
    with warnings.catch_warnings(), whole_runs():
        warnings.simplefilter("ignore", GuaranteeWarning)  # a chip may have no energy
        run = simulate(net, cue, solver=solver, t1=end)
    states = np.broadcast_to(run.final[visible], (*problem.batch, goal.shape[1]))
    off = np.abs(states.reshape(goal.shape) - goal).max(axis=1)
    settled = np.broadcast_to(run.statuses == "settled", problem.batch).ravel()
    off = np.where(settled & (off > margin), off, np.nan)
    attacks = {}
    for row in np.flatnonzero(~proven & np.isnan(off)) if np.isfinite(found.most) else ():
        alone = problem.take(np.array([row]))
        tried = scheduled(alone, solver.timing.scope, False, found.most)
        if tried.found and tried.off > margin:
            attacks[int(row)], off[row] = tried, tried.off
    return off.reshape(problem.batch), attacks


def _assumptions(
    found: Ages, bits: int | None, mismatch: Mismatch | None, seed: int
) -> tuple[str, ...]:
    """What verdicts stand on."""
    age = f"messages are at most {found.most:.3g} tau old" if np.isfinite(found.most) else (
        "the age of messages has no bound")  # fmt: skip
    told = [age, *found.assumed, "no unit or link fails"]
    if bits is not None:
        told.append(f"values in messages are rounded to {bits} fraction bits")
    if mismatch is not None:
        told.append(f"this is one chip: {mismatch!r}, seed {seed}")
    return tuple(told)
