"""`Problem`, which a solver gets, and `Solution`, which it returns; the rules of a `Solver`.

Both have one batch axis, and are complete: nothing in them is optional.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..lagrangians import Softmax
from ..network import Network
from ..ranks import Ranks
from ..starts import algebraic_start
from ..synapses import Array
from .inputs import Drive
from .loops import Loop, loop_of
from .noise import Disturbance
from .recording import Recording

if TYPE_CHECKING:
    from .watch import Watched

Input = ArrayLike | Callable[[float], ArrayLike]
# From what one wants to what one does not: the worst of a batch is its largest code.
STATUSES = (
    "settled", "stopped", "time_limit", "diverged", "stalled", "interrupted", "max_events"
)  # fmt: skip
SETTLED, STOPPED, TIME_LIMIT, DIVERGED, STALLED, INTERRUPTED, MAX_EVENTS = range(7)

# Reads rows of the record of one layer: (name, rows) -> (rows, B, *shape).
Reader = Callable[[str, slice], Array]


class Stored:
    """A `Reader` of arrays that are in memory, (rows, B, *shape) by layer."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = arrays

    def __call__(self, name: str, rows: slice) -> Array:
        return self.arrays[name][rows]


# A state that grew by this factor is not coming back.
BLOW_UP = 1e9
# Recorded times where none are asked for: so many per decade, from this share of the smallest tau.
_PER_DECADE = 10
_FIRST = 1e-2
# With noise, so many in all.
_EVEN = 200
# The default horizon, in units of the largest tau.
_HORIZON = 1000.0


@dataclass(frozen=True, eq=False)
class Problem:
    """One initial value problem for B cues.

    Attributes
    ----------
    network : Network
    given : dict of str to ndarray (B, *shape)
        States at t = 0 that the user chose; the others follow from them.
    clamped : dict of str to bool ndarray (B, *shape)
        Units that keep their initial value, for the layers that have any.
    inputs : dict of str to ndarray (B, *shape), or Drive
    t1 : float
    times : ndarray (T,)
        When to record.
    explicit : bool
        Whether the user chose `times`; see `recorded_times`.
    tolerance : float
        Residual below which a cue has settled; 0 to run to t1.
    seed : int
        Of the random numbers that a solver may draw.
    naive : bool
        Whether a cue may settle while messages are under way.
    breakpoints : ndarray
        Increasing times within the run at which inputs jump.
    max_step : float
        Longest step where inputs are functions of the time.
    workers : int
        Threads that the solver may use; no bit of the solution depends on them.
    t0 : float
        What the user's clock shows when that of the problem shows 0.
    deadline : float
        When `Progress` interrupts the run, by `time.monotonic()`.
    noise : Disturbance or None
        What drives the state besides; for solvers that say `takes_noise`.
    ranks : Ranks or None
        The processes that share the memories, where there are several.
    single : bool
        Whether products with memories are float32 throughout, as the user asks.
    recording : Recording or None
        What is kept of the states; a solver may keep all of them, and leave the rest to `simulate`.
    watched : Watched or None
        What looks at the steps of a solver that says `shows_steps`.
    """

    network: Network
    given: dict[str, Array]
    clamped: dict[str, NDArray[np.bool_]]
    inputs: dict[str, Array | Drive]
    t1: float
    times: Array
    explicit: bool
    tolerance: float
    seed: int = 0
    naive: bool = False
    breakpoints: Array = field(default_factory=lambda: np.zeros(0))
    max_step: float = np.inf
    workers: int = 1
    t0: float = 0.0
    deadline: float = np.inf
    noise: Disturbance | None = None
    ranks: Ranks | None = None
    single: bool = False
    recording: Recording | None = None
    watched: Watched | None = None

    @cached_property
    def batch(self) -> int:
        """Number of cues."""
        return len(next(iter(self.given.values())))

    @cached_property
    def initial(self) -> dict[str, Array]:
        """States of the dynamic layers at t = 0, (B, *shape)."""
        if self.batch > 1 and self.loop is not None and self.loop.visible not in self.given:
            # Those that follow are of each cue alone, whose bits do not depend on the batch.
            alone = [self.select(np.array([b])).initial for b in range(self.batch)]
            return {name: np.concatenate([x[name] for x in alone]) for name in alone[0]}
        states = self.given
        if not states.keys() >= self.network.dynamic.keys():
            states = algebraic_start(self.network, states, self.inputs_at(0.0))
        return {
            name: np.array(np.broadcast_to(states[name], (self.batch, *layer.shape)))
            for name, layer in self.network.dynamic.items()
        }

    @cached_property
    def loop(self) -> Loop | None:
        """What the network is, if it is features and memories that nothing else acts on."""
        loop = None if self.driven else loop_of(self.network)
        free = loop is not None and loop.hidden not in self.clamped | self.inputs
        return loop if free else None

    @property
    def attention_loop(self) -> Loop | None:
        """The loop, if it is features and memories that share a softmax, by one Dense."""
        loop = self.loop
        if loop is None or loop.back is not None:
            return None
        hidden = self.network.layers[loop.hidden]
        return loop if type(hidden.lagrangian) is Softmax and len(hidden.shape) == 1 else None

    @cached_property
    def tau(self) -> Array:
        """Packed time constants (N,)."""
        return np.concatenate([np.ravel(layer.tau) for layer in self.network.dynamic.values()])

    @property
    def driven(self) -> bool:
        """Whether an input depends on time."""
        return any(isinstance(value, Drive) for value in self.inputs.values())

    @property
    def unforeseen(self) -> bool:
        """Whether an input is a function, of which nobody knows when it changes."""
        return any(isinstance(x, Drive) and not x.known for x in self.inputs.values())

    @property
    def settles_from(self) -> float:
        """When a cue may settle: not while a function may still change its input."""
        return self.t1 if self.unforeseen else 0.0

    def select(self, cues: Array) -> Problem:
        """The same problem for some of the cues."""
        if len(cues) == self.batch and (cues == np.arange(self.batch)).all():
            return self
        inputs = {
            n: x.select(cues) if isinstance(x, Drive) else x[cues] for n, x in self.inputs.items()
        }
        clamped = {name: mask[cues] for name, mask in self.clamped.items()}
        given = {name: state[cues] for name, state in self.given.items()}
        noise = self.noise.select(cues) if self.noise is not None else None
        watched = self.watched.select(cues) if self.watched is not None else None
        return replace(
            self, given=given, clamped=clamped, inputs=inputs, noise=noise, watched=watched
        )

    def having(self, **options: Any) -> Problem:
        """The same with other options, on which nothing depends that was derived before."""
        other = object.__new__(Problem)
        other.__dict__.update(self.__dict__, **options)
        return other

    def inputs_at(self, time: float) -> dict[str, Array]:
        """The inputs as arrays."""
        return {
            name: value(time) if isinstance(value, Drive) else value
            for name, value in self.inputs.items()
        }

    def force(self, time: float, vector: Array, inputs: Mapping[str, Array] | None = None) -> Array:
        """-dE/dg = tau dx/dt of packed states (B, N); 0 for clamped units.

        `inputs` are those of that time, if they are at hand.
        """
        network = self.network
        inputs = self.inputs_at(time) if inputs is None else inputs
        force = network.unchecked_force(network.unpack(vector), inputs)
        for name, mask in self.clamped.items():
            force[name] = np.where(mask, 0.0, force[name])
        return network.pack(force)

    def clamped_units(self) -> NDArray[np.bool_]:
        """Packed mask (B, N) of the units that keep their value."""
        if not self.clamped:
            return np.zeros((self.batch, len(self.tau)), bool)
        masks = {
            name: self.clamped.get(name, np.zeros((self.batch, *layer.shape), bool))
            for name, layer in self.network.dynamic.items()
        }
        return self.network.pack(masks)

    def reader(self, times: Array, vectors: Any) -> Reader:
        """Read packed states (T, B, N) by layer; algebraic layers are computed."""

        def read(name: str, rows: slice) -> Array:
            if not self.network.layers[name].algebraic:
                return self.network.unpack(vectors[rows])[name]
            found = [
                self.network.complete(self.network.unpack(vector), self.inputs_at(time))[name]
                for time, vector in zip(times[rows], vectors[rows], strict=True)
            ]
            return np.array(found).reshape(-1, vectors.shape[1], *self.network.layers[name].shape)

        return read


@dataclass(eq=False)
class Solution:
    """What happened to B cues.

    Attributes
    ----------
    times : ndarray (T,)
    record, final : Reader
        States at `times`, and at the end of each cue as a record of one row.
    codes : ndarray of int (B,)
        Positions in `STATUSES`.
    ends : ndarray (B,)
        Time at which each cue stopped.
    rhs : ndarray of int (B,)
        Right-hand sides evaluated for each cue.
    accepted, rejected : int or None
        Steps over all cues; None where the solver does not tell.
    updates : bool
        Whether `times` counts updates.
    stats : dict
        What else the solver counts: arrays (B,), or a dict of them.
    events : recarray, optional
        Messages of an event-driven run: time, layer, unit, value, cue.
    crossings : callable, optional
        Makes the record of what was watched; see `Trajectory`.
    smooth : bool
        Whether dx/dt is the force over tau at all times, so that states can be interpolated.
    note : str
        What else to say in the message.
    part : callable, optional
        The solution of some of the cues at the same times, where that is made without all of them.
    kept : dict of str to ndarray (T, B, *shape), optional
        What `Problem.recording` names, where the solver did not keep all states: `record` then has
        none.
    """

    times: Array
    record: Reader
    final: Reader
    codes: NDArray[np.int64]
    ends: Array
    rhs: NDArray[np.int64]
    accepted: int | None
    rejected: int | None
    updates: bool = False
    stats: dict[str, Any] = field(default_factory=dict)
    events: NDArray[Any] | None = None
    crossings: Callable[[], NDArray[Any]] | None = None
    smooth: bool = True
    note: str = ""
    part: Callable[[Array], Solution] | None = None
    kept: dict[str, Array] | None = None

    def select(self, cues: NDArray[np.int64]) -> Solution:
        """The same of some of the cues, at the same times."""
        record, final, crossings = self.record, self.final, self.crossings
        found = replace(
            self,
            record=lambda name, rows: record(name, rows)[:, cues],
            final=lambda name, rows: final(name, rows)[:, cues],
            codes=self.codes[cues],
            ends=self.ends[cues],
            rhs=self.rhs[cues],
            accepted=None,
            rejected=None,
            stats=of_cues(self.stats, cues),
            events=lines_of(self.events, cues),
            crossings=None if crossings is None else lambda: lines_of(crossings(), cues),
            kept=None if self.kept is None else {n: x[:, cues] for n, x in self.kept.items()},
            part=None,
        )
        if self.part is None:
            return found
        light = self.part(cues)
        return replace(found, record=light.record, final=light.final)


def of_cues(statistic: Any, cues: NDArray[np.int64]) -> Any:
    """Arrays (*batch) of some of the cues, (n,), also in a dict; other statistics are as before."""
    if isinstance(statistic, dict):
        return {name: of_cues(part, cues) for name, part in statistic.items()}
    return statistic.reshape(-1)[cues] if isinstance(statistic, np.ndarray) else statistic


def lines_of(found: Any, cues: NDArray[np.int64]) -> Any:
    """Events or crossings of some of the cues, which get new numbers; sorted as they were."""
    if found is None:
        return None
    place = np.full(max(cues.max(), found.cue.max(initial=0)) + 1, -1)
    place[cues] = np.arange(len(cues))
    lines = found[place[found.cue] >= 0].copy()
    lines.cue = place[lines.cue]
    return lines


Solve = Callable[[Problem], Solution]


class Solver(Protocol):
    """Anything that `simulate` can run: it has `solve`, and keeps these rules.

    `EventDriven` and `Brian2` are data alone; for them `simulate` has the function.

    1. A solver is a frozen dataclass of options, checked in `__post_init__`. `solve` changes
       neither it nor the problem, and the same problem gives the same solution again.
    2. A `Problem` is validated; what the method cannot do it refuses at once, by ValueError with
       its own name and a remedy: inputs that depend on time (`problem.driven`), a kind of synapse.
    3. States are packed, (B, N): ``x = network.pack(problem.initial)``. Only layers with tau > 0
       are in them. ``problem.force(t, x)`` is tau dx/dt with inputs, biases, clamped units and
       layers with tau = 0; over `problem.tau`, (N,), it is dx/dt. Time runs from 0 to `problem.t1`.
    4. Cues do not see each other: each ends as it would alone, but for rounding or steps that are
       shared. Clamped units (`problem.clamped_units()`) keep their value to the bit.
    5. Inputs may jump at `problem.breakpoints` and between steps: ``in_pieces(problem, stops,
       solve)`` of `pieces.py` calls `solve` for one smooth piece after the other and joins the
       solutions. Where an input is an unknown function (`problem.unforeseen`) no step exceeds
       `problem.max_step`, and `problem.times` are stops too.
    6. A cue has settled when |tau dx/dt| <= `problem.tolerance` in all its units, at a time from
       `problem.settles_from` on. With the tolerance 0 none settles. It then stops, or moves on with
       the batch if its steps are shared.
    7. A solver does not raise for what happens to states, nor warn. Every cue gets a code: SETTLED;
       TIME_LIMIT at t1; DIVERGED where a state is not finite or exceeds BLOW_UP times 1 + the
       largest initial one (+ the root of the largest temperature), and the last state before that
       is kept; STALLED where no step is short enough, or more were taken than a run may;
       INTERRUPTED for those that were under way when KeyboardInterrupt came: it is caught, and what
       was reached is returned.
    8. `Solution.times` are ``recorded_times(problem.times, problem.explicit, finished, last)``,
       with `last` the time at which the last cue stopped and `finished` whether all codes are
       SETTLED or TIME_LIMIT. Rows after the end of a cue repeat its last state; a row at `last` is
       `final`. `problem.reader` makes the readers of packed states, (T, B, N) for `record` and (1,
       B, N) for `final`.
    9. Random numbers come from `problem.seed` and the position of the cue alone.
    10. `rhs` counts evaluations of the force for each cue, also those at steps that were rejected.
        `Progress` of `amsim/progress.py` shows a person who waits how far a long run is.
    11. A solver that draws the noise of `problem.noise` has a class attribute ``takes_noise =
        True``; `simulate` gives noise to no other.
    12. One that calls ``problem.watched.look`` at its steps, and gives cues that stop there the
        code STOPPED, has a class attribute ``shows_steps = True``; others are run in pieces for it.
    """

    def solve(self, problem: Problem) -> Solution:
        """Solve for all cues."""


def default_times(network: Network, t1: float) -> Array:
    """0, then geometric from a small part of the smallest tau to t1: dense where things move."""
    # A copy may be written to, as times that are chosen: a loop is compiled for one type of them.
    return _geometric_times(_FIRST * shortest_tau(network), t1).copy()


@lru_cache(maxsize=16)
def _geometric_times(first: float, t1: float) -> Array:
    """Kept: they take longer than the steps of a small recall."""
    if first >= t1:
        return np.array([0.0, t1])
    count = max(2, round(_PER_DECADE * np.log10(t1 / first)) + 1)
    return np.concatenate([[0.0], np.geomspace(first, t1, count)])


def even_times(t1: float) -> Array:
    """Times for averages over them: noise does not end."""
    return np.linspace(0.0, t1, _EVEN + 1)


def horizon(network: Network) -> float:
    """The default t1."""
    return _HORIZON * longest_tau(network)


def longest_tau(network: Network) -> float:
    """The largest time constant, of any unit."""
    return max(network.once(_taus))


def shortest_tau(network: Network) -> float:
    """The smallest time constant, of any unit."""
    return min(network.once(_taus))


def _taus(network: Network) -> set[float]:
    """The time constants of all dynamic layers."""
    return {tau for layer in network.dynamic.values() for _, tau in layer.tau_runs}


def recorded_times(times: Array, explicit: bool, finished: bool, last: float) -> Array:
    """Times of the record of a run that ended at `last`.

    Times that the user chose stay if every cue got that far or settled; a run that broke off, and
    a record at default times, ends with the last state.
    """
    if finished and explicit:
        return times
    return np.concatenate([times[: np.searchsorted(times, last)], [last]])
