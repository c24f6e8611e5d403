"""Runs with noise of memories on Identity features, in steps that each cue chooses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled import draws
from ..compiled.bundle import bundle
from ..compiled.jit import announced, in_memory, require_compiler
from ..compiled.vectors import WIDTH
from ..lagrangians import Softmax
from ..progress import Progress
from ..synapses import Array, project, project_each
from . import adams, noise_moves, noise_steps
from .loops import Loop
from .memory_force import BLOCK
from .noise import Disturbance
from .problem import DIVERGED, INTERRUPTED, TIME_LIMIT, Problem, Reader
from .two_layer import TwoLayerRun

if TYPE_CHECKING:
    from ..network import Network
    from .heun_runs import Steps

# Of the drive of memories: products in float32 where that is enough for the features.
RTOL, ATOL = 1e-6, 1e-9
# Multiply-adds between two looks at Ctrl-C: some tenths of a second.
_CHUNK = 3e8
# In units of the largest tau of features: cells, which steps divide or are multiples of, the
# longest step, and the first one.
_CELL, _LONGEST, _FIRST = 0.25, 2.0, 0.125
# Cells from edge to edge: looks change nothing there.
_EDGE = 4
# The shortest step, in cells, is 1 over 2 to the power of one of these.
_SHORT, _SHORTEST = 3, 28
# Of one of these, where the steepest drive decides: a cue that may take so short steps can be slow.
_STEEPEST = 12
# See `Rule`; odds are sums over blocks of memories, in float32 or float64.
_STEEP, _FORESEEN, _STIRRED = 0.5, 3.0, 0.01
_LEAST = {np.dtype(kind): float(BLOCK * np.finfo(kind).eps) for kind in (np.float32, np.float64)}
# Moments that are this near, relative to their size, are one.
_SAME = 1e-12
# Numbers that are kept for durations of looks, and kinds of units that they are kept for.
_KEPT, _SHELF = 1 << 17, 8


@bundle
class Asked(NamedTuple):
    """What the compiled drive is evaluated at, and by; see `adams.Steps`."""

    new: Array  # (B, D or 2 D) states
    used: Array  # (B, D)
    cues: Any  # (B,) records of the type adams.CUE


class CompiledDrive(TwoLayerRun):
    """The compiled drive alone, without the adaptive steps.

    Columns are v, its followers y if memories have a tau, and what h then has beside Xi y + b.
    """

    def begin(self, state: Array, segments: object) -> None:
        """Room for what the drive is asked."""
        batch, width = state.shape
        self.start = state
        self.steps: Any = Asked(
            new=np.zeros((batch, width)),
            used=np.zeros((batch, self.loop.weights.shape[1])),
            cues=np.zeros(batch, adams.CUE),
        )

    def compile(self) -> None:
        """Nothing: the steps with noise have loops of their own."""

    def read(self, columns: Array) -> Reader:
        """Read states of all cues by layer, of columns (T, B, M)."""
        weights, units = self.loop.weights, self.loop.weights.shape[1]
        start = units if self.rate else 0

        def read(name: str, rows: slice) -> Array:
            chosen = columns[rows]
            if name == self.visible:
                return chosen[..., :units]
            seen, rest = chosen[..., start : start + units], chosen[..., start + units :]
            states = np.asarray(project(seen, weights))
            if len(seen):  # with the bits of the final state
                states[-1] = project_each(seen[-1], weights)
            states += self.bias
            return states + rest if rest.shape[-1] else states

        return read


def width_of_columns(problem: Problem) -> int:
    """How many columns a cue has."""
    loop, layers = problem.loop, problem.network.layers
    assert loop is not None  # see `TwoLayerRun.applies`
    units, hidden = layers[loop.visible].size, layers[loop.hidden]
    return units if hidden.algebraic else 2 * units + hidden.size


class FreeRun:
    """Steps of some cues, of lengths that each chooses; see `noise_steps`."""

    together = staticmethod(TwoLayerRun.together)
    width = staticmethod(width_of_columns)

    def __init__(self, problem: Problem, steps: Steps, record: Array, ahead: int) -> None:
        self.problem, self.steps, self.record, self.ahead = problem, steps, record, ahead
        drive = self.drive = CompiledDrive(problem, RTOL, ATOL, max_steps=0)
        drive.prepare()
        self.outermost = noise_steps.walk_of(drive.memories.kind)
        self.codes = np.full(problem.batch, INTERRUPTED)
        self.ends = np.zeros(problem.batch)
        self.running, self.size = np.arange(problem.batch), problem.batch
        times, last = problem.times, problem.t1
        if times[-1] < last * (1.0 - _SAME):
            times = np.append(times, last)
        assert problem.noise is not None  # see `solve_all`
        self.lengths = Lengths.of(problem, steps.length)
        self.rule = self.rules(problem.noise)
        self.shelf = problem.network.once(_shelf)
        self.borrowed: list[tuple[Kind, dict[str, Any]]] = []
        self.path = self.begin(problem.noise)
        self.looks = noise_steps.Looks(
            time=times, moments=(problem.t0 + times).view(np.uint64), states=record, ahead=ahead,
            next=np.zeros(problem.batch, np.int64),
        )  # fmt: skip
        self.memories = drive.memories._replace(
            rate=0.0, offset=np.zeros((problem.batch, self.path.memories.x.shape[2]))
        )
        self.last = np.zeros((problem.batch, record.shape[2]))

    def begin(self, noise: Disturbance) -> noise_steps.Path:
        """The working arrays."""
        problem, drive, layers = self.problem, self.drive, self.problem.network.layers
        visible, hidden = layers[drive.visible], layers[drive.hidden]
        batch, units = problem.batch, visible.size
        count = hidden.size if drive.rate else 0
        rest = drive.offset if drive.offset.size else np.zeros((batch, count))
        warm = self.by_layer(noise.temperature)
        colour = self.by_layer(self.steps.colour(problem)) if noise.correlation else warm
        states = drive.start.reshape(batch, -1, units), rest[:, None]
        runs = visible.tau_runs, hidden.tau_runs if count else [(0, 1.0)]
        features, memories = map(self.units, runs, states, warm, colour)
        return noise_steps.Path(
            features=features,
            memories=memories._replace(driven=False, first=features.numbers.size),
            first=np.zeros((batch, units)), slope=np.zeros((batch, units)), rise=np.zeros(units),
            held=drive.clamped, place=noise.places, cues=np.zeros(batch, noise_steps.CUE),
            known=np.zeros(1, np.bool_),
        )  # fmt: skip

    def by_layer(self, packed: Array) -> list[Array]:
        """Numbers of packed units, of features and of memories, (B, U) each."""
        states, batch = self.problem.network.unpack(packed), len(packed)
        names = self.drive.visible, self.drive.hidden
        return [states[n].reshape(batch, -1) if n in states else packed[:, :0] for n in names]

    def units(
        self, tau_runs: Sequence[tuple[int, float]], state: Array, heat: Array, colour: Array
    ) -> noise_steps.Units:
        """Those of a layer, from states (B, links, U), temperatures and coloured noise (B, U)."""
        noise, lag = self.problem.noise, self.drive.rate
        assert noise is not None  # see `solve_all`
        lead = int(noise.correlation > 0.0)
        if lead:
            state = np.concatenate([colour[:, None], state], axis=1)
        lags = (lag,) * (state.shape[1] - lead - 1)
        kind = Kind(
            tuple(tau_runs), noise.correlation, lags, self.lengths.shortest, self.lengths.levels
        )
        kept = self.shelf.pop(kind, None) or _new_moves(kind)
        self.borrowed.append((kind, kept))
        return noise_steps.Units(
            lead=lead, driven=True, x=state.copy(), new=np.empty(state.shape),
            jolt=np.zeros(heat.shape), root=np.sqrt(heat, order="C"), warmth=np.zeros(len(heat)),
            first=0, numbers=np.zeros((1, state[0].size + 2 * WIDTH)),
            between=np.empty((4, *state.shape[1:])), known=np.zeros(1, np.uint64),
            colour=colour[:, : lead * colour.shape[1]].copy(), **kept,
        )  # fmt: skip

    def rules(self, noise: Disturbance) -> noise_steps.Rule:
        """What all steps have in common."""
        drive, lengths, colour = self.drive, self.lengths, noise.correlation
        tau = [each for _, each in self.problem.network.layers[drive.visible].tau_runs]
        beta, forth = drive.memories.parameter, drive.loop.forth
        chosen = lengths.levels > 1
        return noise_steps.Rule(
            shortest=lengths.shortest, edge=lengths.edge, spread=np.zeros((lengths.levels, 2)),
            apart=beta * forth.apart if chosen else 0.0,
            scatter=beta * forth.scatter if chosen else 0.0, beta=beta, steep=_STEEP,
            foreseen=_FORESEEN, least=_LEAST[drive.narrow.query.dtype],
            speed=1.0 / min(tau),
            inertia=1.0 / (drive.rate * min(tau)) if drive.rate else 0.0,
            quiet=_quiet(lengths.shortest, colour + 1.0 / drive.rate) if drive.rate else _SHORTEST,
            stirred=_STIRRED * (1.0 + colour * drive.rate) / (1.0 + colour / min(tau)),
            first=lengths.first, step_key=draws.stream(noise.seed, draws.NOISE),
            look_key=draws.stream(noise.seed, draws.BRIDGE),
            moment=np.float64(self.problem.t0).view(np.uint64),
        )  # fmt: skip

    def reader(self, problem: Problem, times: Array, columns: Array) -> Reader:
        """Read states of all cues by layer, of columns (T, B, M)."""
        return self.drive.read(columns)

    def walk(self, sweeps: int) -> None:
        """So many steps of each cue."""
        self.size = self.outermost(
            self.path, self.rule, self.looks, self.memories, self.drive.steps, self.drive.narrow,
            self.running, self.size, sweeps,
        )  # fmt: skip

    def to_end(self, progress: Progress, waiting: int) -> None:
        """All steps, in calls after which Ctrl-C is noticed."""
        require_compiler("the integrator")
        if not in_memory(self.outermost):
            with announced("the integrator", self.outermost):
                self.walk(0)
        work = 4.0 * self.drive.loop.weights.size * self.problem.batch
        chunk = int(min(max(_CHUNK / work, 1), 20000))
        while self.size:
            self.walk(chunk)
            progress.update(float(self.reached.min()), waiting + self.size)
        self.hand_on()

    def hand_on(self) -> None:
        """What a run that begins where this one ended needs to know of it."""
        path, names = self.path, self.problem.network.dynamic
        if path.features.lead:
            colours = {
                self.drive.visible: path.features.colour, self.drive.hidden: path.memories.colour
            }  # fmt: skip
            packed = np.concatenate([colours[name] for name in names], axis=1)
            self.steps.keep_colour(self.problem, packed)
        if self.lengths.levels == 1:  # else they are not measured
            ended = self.looks.next == len(self.looks.time)
            self.steps.bent += float(path.cues["bent"][ended].sum())
            self.steps.jolted += float(path.cues["jolted"][ended].sum())

    @property
    def reached(self) -> Array:
        """The time of each cue."""
        return np.asarray(np.minimum(self.path.cues["begin"] * self.rule.shortest, self.problem.t1))

    @property
    def taken(self) -> NDArray[np.int64]:
        """Steps of each cue."""
        return np.asarray(self.path.cues["taken"])

    @property
    def calls(self) -> NDArray[np.int64]:
        """Right-hand sides of each cue: one in a step, and one at first."""
        return np.asarray(self.path.cues["taken"] + int(self.path.known[0]))

    def give_back(self) -> None:
        """Let later runs of the network borrow its moves, but for those that were not for long."""
        self.shelf.update(self.borrowed)
        for oldest in list(self.shelf)[:-_SHELF]:
            self.shelf.pop(oldest, None)

    def finish(self) -> None:
        """Where cues have ended; those that did not come to the end hold their last state."""
        self.give_back()
        looked, looks = self.looks.next, len(self.looks.time)
        part = self.record[:, self.ahead : self.ahead + len(looked)]
        ended = looked == looks
        if ended.all():
            self.ends[:], self.codes[:], self.last = self.problem.t1, TIME_LIMIT, part[looks - 1]
            return
        parts = self.path.features, self.path.memories
        states = [units.x[:, units.lead :].reshape(len(looked), -1) for units in parts]
        lost = np.ones(len(looked), bool)
        lost[self.running[: self.size]] = False
        self.ends[:] = np.where(ended, self.problem.t1, self.reached)
        self.codes[lost] = DIVERGED
        self.codes[ended] = TIME_LIMIT
        self.last = np.where(ended[:, None], part[looks - 1], np.concatenate(states, axis=1))
        for b in np.flatnonzero(~ended):
            part[looked[b] :, b] = self.last[b]


class Lengths(NamedTuple):
    """Steps that a run may take."""

    shortest: float
    edge: int  # shortest steps from edge to edge
    levels: int  # a step has 2^level shortest ones
    first: int  # level of the first step

    @staticmethod
    def of(problem: Problem, wanted: float) -> Lengths:
        """Those of softmax memories that are not too steep; one for others, that which is wanted.

        How steep the drive of others may get is known of all of their states alone.
        """
        loop = problem.loop
        assert loop is not None  # see `TwoLayerRun.applies`
        tau = [each for _, each in problem.network.layers[loop.visible].tau_runs]
        cell = _CELL * max(tau)
        softmax = problem.network.layers[loop.hidden].lagrangian
        halvings = _STEEPEST + 1
        if problem.attention_loop is not None and isinstance(softmax, Softmax):
            slope = max(softmax.beta * loop.forth.apart / 4.0, 1.0)
            halvings = max(math.ceil(math.log2(cell * slope / (_STEEP * min(tau)))), _SHORT)
        if halvings > _STEEPEST:
            steps = math.ceil(cell / wanted * (1.0 - _SAME))
            return Lengths(cell / steps, _EDGE * steps, 1, 0)
        halvings = max(halvings, _stirred(problem, loop, cell))
        longest, first = (int(math.log2(length / _CELL)) for length in (_LONGEST, _FIRST))
        shortest, levels = cell / 2**halvings, halvings + 1 + longest
        return Lengths(shortest, _EDGE * 2**halvings, levels, halvings + first)


def _stirred(problem: Problem, loop: Loop, cell: float) -> int:
    """Halvings of a cell, to the steps that noise of memories asks for."""
    hidden = problem.network.layers[loop.hidden]
    if hidden.algebraic or problem.noise is None:
        return 0
    time = hidden.tau_runs[0][1] + problem.noise.correlation
    return min(math.ceil(math.log2(2.0 * cell / time)), _SHORTEST)


def _quiet(shortest: float, time: float) -> int:
    """The longest level of at most half the time in which noise of memories changes."""
    return max(math.floor(math.log2(0.5 * time / shortest)), 0)


class Kind(NamedTuple):
    """Units whose moves are the same."""

    runs: tuple[tuple[int, float], ...]
    correlation: float
    lags: tuple[float, ...]
    shortest: float
    levels: int


def _shelf(network: Network) -> dict[Kind, dict[str, Any]]:
    """Moves that runs of a network have found and later ones borrow, one at a time each.

    In the order of their return.
    """
    return {}


def _new_moves(kind: Kind) -> dict[str, Any]:
    """Room for the moves of units, by their names in `noise_steps.Units`."""
    start, rate, strength = _runs(kind)
    runs, links = rate.shape
    size = runs * noise_moves.MOVES * links * links
    slots = 1 << max(4, min(8, (_KEPT // size).bit_length()))

    def matrices(*shape: int) -> Array:
        return np.zeros((*shape, links, links))

    return {
        "start": start, "rate": rate, "strength": strength, "blur": np.zeros(runs),
        "table": matrices(kind.levels, runs, noise_moves.MOVES + 1),
        "times": np.full(slots, -1), "moves": matrices(slots, runs, noise_moves.MOVES),
        "keys": np.zeros(slots, np.uint64), "blurs": np.zeros((slots, runs)),
        "bridges": matrices(slots, runs, noise_moves.BRIDGE),
        "near": matrices(runs, noise_moves.MOVES), "room": matrices(noise_moves.ROOM),
    }  # fmt: skip


def _runs(kind: Kind) -> tuple[Array, Array, Array]:
    """Where runs of units begin, the rates of their links, and the strength of their noise."""
    correlation = kind.correlation
    lengths, tau = (np.array(each) for each in zip(*kind.runs, strict=True))
    start = np.concatenate([[0], np.cumsum(lengths)])
    rates = [1.0 / tau, *(np.full(len(tau), lag) for lag in kind.lags)]
    if not correlation:
        return start, np.stack(rates, axis=1), 2.0 / tau
    rates.insert(0, np.full(len(tau), 1.0 / correlation))
    return start, np.stack(rates, axis=1), 2.0 * tau / correlation / correlation
