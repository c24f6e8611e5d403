"""Runs in which each cue takes steps of its own lengths: softmax memories with white noise."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled import draws
from ..compiled.bundle import bundle
from ..compiled.jit import announced, in_memory, require_compiler
from ..lagrangians import Softmax
from ..progress import Progress
from ..synapses import Array, project, project_each
from . import adams, noise_moves, noise_steps
from .loops import Loop
from .memory_force import BLOCK
from .noise import Disturbance
from .problem import BLOW_UP, DIVERGED, INTERRUPTED, TIME_LIMIT, Problem, Reader
from .two_layer import TwoLayerRun

# Of the drive of memories: products in float32 where that is enough for the features.
RTOL, ATOL = 1e-6, 1e-9
# Multiply-adds between two looks at Ctrl-C: some tenths of a second.
_CHUNK = 3e8
# In units of the largest tau of features: cells, between whose edges looks change nothing, the
# longest step, and the first one.
_CELL, _LONGEST, _FIRST = 0.25, 2.0, 0.125
# The shortest step, in cells, is 1 over 2 to the power of one of these.
_SHORT, _SHORTEST = 3, 28
# Of one of these, where the steepest drive decides: a cue that may take so short steps can be slow.
_STEEPEST = 12
# See `Rule`; odds are sums over blocks of memories, in float32 or float64.
_STEEP, _FORESEEN, _STIRRED = 0.5, 3.0, 0.01
_LEAST = {np.dtype(kind): float(BLOCK * np.finfo(kind).eps) for kind in (np.float32, np.float64)}
# Moments that are this near, relative to their size, are one.
_SAME = 1e-12
# Numbers that are kept for durations of looks.
_KEPT = 1 << 17


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

    @staticmethod
    def applies(problem: Problem) -> bool:
        """Whether memories share a softmax that is not too steep, and noise is white."""
        noise, loop = problem.noise, problem.attention_loop
        if noise is None or noise.correlation or loop is None:
            return False
        return _steepness(problem, loop) <= _STEEPEST

    def __init__(self, problem: Problem, steps: object, record: Array, ahead: int) -> None:
        self.problem, self.record, self.ahead = problem, record, ahead
        drive = self.drive = CompiledDrive(problem, RTOL, ATOL, max_steps=0)
        drive.prepare()
        self.codes = np.full(problem.batch, INTERRUPTED)
        self.ends = np.zeros(problem.batch)
        self.running, self.size = np.arange(problem.batch), problem.batch
        times, last = problem.times, problem.t1
        if times[-1] < last * (1.0 - _SAME):
            times = np.append(times, last)
        assert problem.noise is not None  # see `applies`
        # The first of them belongs to what lies between looks.
        keys = problem.noise.keys(problem.t0 + np.append(0.0, times), draws.BRIDGE)
        self.rule = self.rules(problem.noise, keys[0])
        self.path = self.begin(problem.noise)
        self.looks = noise_steps.Looks(
            time=times, keys=keys[1:], states=record, ahead=ahead,
            next=np.zeros(problem.batch, np.int64),
        )  # fmt: skip
        self.memories = drive.memories._replace(
            rate=0.0, offset=np.zeros((problem.batch, self.path.memories.shape[1]))
        )
        self.last = self.path.x

    def begin(self, noise: Disturbance) -> noise_steps.Path:
        """The working arrays."""
        problem, drive, network = self.problem, self.drive, self.problem.network
        hidden, visible = (network.layers[name] for name in (drive.hidden, drive.visible))
        state, units, batch = drive.start, visible.size, problem.batch
        count = 0 if hidden.algebraic else hidden.size
        if count:
            rest = drive.offset if drive.offset.size else np.zeros((batch, count))
            state = np.concatenate([state, rest], axis=1)
        warm = network.unpack(noise.temperature)
        both = [warm[name] for name in (drive.visible, drive.hidden)[: 2 if count else 1]]
        warmth = np.zeros((batch, 2))
        for i, temperature in enumerate(both):
            warmth[:, i] = temperature.max(axis=1)
        held = drive.clamped if drive.clamped.size else False
        width = state.shape[1]
        return noise_steps.Path(
            x=state.copy(), jolt=np.zeros((batch, width)), first=np.zeros((batch, units)),
            slope=np.zeros((batch, units)), root=np.sqrt(np.concatenate(both, axis=1)),
            held=drive.clamped,
            noisy=warmth > 0.0, warmth=warmth, place=noise.places,
            coldest=np.where(held, np.inf, both[0]).min(axis=1),
            limit=BLOW_UP * (1.0 + np.abs(state).max(axis=1) + np.sqrt(warmth.max(axis=1))),
            taken=np.zeros(batch, np.int64), begin=np.zeros(batch, np.int64),
            level=np.full(batch, self.first_level - 1), last=np.full(batch, -1),
            logit=np.zeros(batch), fall=np.zeros(batch), features=np.zeros((1, width - count)),
            memories=np.zeros((1, count)), noise=np.zeros((2, width)),
            known=np.zeros(1, np.bool_),
        )  # fmt: skip

    def rules(self, noise: Disturbance, edge_key: np.uint64) -> noise_steps.Rule:
        """What all steps have in common."""
        drive = self.drive
        all_runs = self.problem.network.layers[drive.visible].tau_runs
        tau = [each for _, each in all_runs]
        beta, apart = drive.memories.parameter, drive.loop.forth.apart
        halvings = _halvings(self.problem, drive.loop)
        shortest = _CELL * max(tau) / 2**halvings
        levels = halvings + 1 + int(math.log2(_LONGEST / _CELL))
        self.first_level = halvings + int(math.log2(_FIRST / _CELL))
        runs = len(tau) + 1
        slots = 1 << max(4, min(8, (_KEPT // (runs * noise_moves.MOVES)).bit_length()))
        start, rate, lag = _runs(tuple(all_runs), drive.rate)
        return noise_steps.Rule(
            start=start, rate=rate, lag=lag, shortest=shortest,
            cell=2**halvings, table=np.zeros((levels, runs, noise_moves.MOVES)),
            spread=np.zeros((levels, 2)), apart=beta * apart,
            scatter=beta * drive.loop.forth.scatter, beta=beta, steep=_STEEP,
            foreseen=_FORESEEN, least=_LEAST[drive.narrow.query.dtype],
            speed=1.0 / min(tau),
            inertia=1.0 / (drive.rate * min(tau)) if drive.rate else 0.0,
            quiet=_quiet(shortest * drive.rate), stirred=_STIRRED,
            step_key=noise.keys(np.array([self.problem.t0]), draws.NOISE)[0], edge_key=edge_key,
            found=np.full(slots, -1), kept=np.zeros((slots, runs, noise_moves.MOVES)),
            near=np.zeros((3, runs, noise_moves.MOVES)),
            across=np.zeros((runs, noise_moves.BRIDGE)),
        )  # fmt: skip

    def reader(self, problem: Problem, times: Array, columns: Array) -> Reader:
        """Read states of all cues by layer, of columns (T, B, M)."""
        return self.drive.read(columns)

    def walk(self, sweeps: int) -> None:
        """So many steps of each cue."""
        self.size = noise_steps.walk(
            self.path, self.rule, self.looks, self.memories, self.drive.steps, self.drive.narrow,
            self.running, self.size, sweeps,
        )  # fmt: skip

    def to_end(self, progress: Progress, waiting: int) -> None:
        """All steps, in calls after which Ctrl-C is noticed."""
        require_compiler("the integrator")
        if not in_memory(noise_steps.walk):
            with announced("the integrator", noise_steps.walk):
                self.walk(0)
        work = 4.0 * self.drive.loop.weights.size * self.problem.batch
        chunk = int(min(max(_CHUNK / work, 1), 20000))
        while self.size:
            self.walk(chunk)
            progress.update(float(self.reached.min()), waiting + self.size)

    @property
    def reached(self) -> Array:
        """The time of each cue."""
        return np.asarray(np.minimum(self.path.begin * self.rule.shortest, self.problem.t1))

    @property
    def taken(self) -> NDArray[np.int64]:
        """Steps of each cue."""
        return self.path.taken

    @property
    def calls(self) -> NDArray[np.int64]:
        """Right-hand sides of each cue: one in a step, and one at first."""
        return np.asarray(self.path.taken + int(self.path.known[0]))

    def finish(self) -> None:
        """Where cues have ended; those that did not come to the end hold their last state."""
        looked, looks = self.looks.next, len(self.looks.time)
        part = self.record[:, self.ahead : self.ahead + len(looked)]
        ended = looked == looks
        if ended.all():
            self.ends[:], self.codes[:], self.last = self.problem.t1, TIME_LIMIT, part[looks - 1]
            return
        lost = np.ones(len(looked), bool)
        lost[self.running[: self.size]] = False
        self.ends[:] = np.where(ended, self.problem.t1, self.reached)
        self.codes[lost] = DIVERGED
        self.codes[ended] = TIME_LIMIT
        self.last = np.where(ended[:, None], part[looks - 1], self.path.x)
        for b in np.flatnonzero(~ended):
            part[looked[b] :, b] = self.last[b]


def _steepness(problem: Problem, loop: Loop) -> int:
    """Halvings of a cell, to the step that the steepest drive of all asks for."""
    layers = problem.network.layers
    tau = [each for _, each in layers[loop.visible].tau_runs]
    softmax = layers[loop.hidden].lagrangian
    assert isinstance(softmax, Softmax)  # see `applies`
    slope = max(softmax.beta * loop.forth.apart / 4.0, 1.0)
    return max(math.ceil(math.log2(_CELL * max(tau) * slope / (_STEEP * min(tau)))), _SHORT)


def _halvings(problem: Problem, loop: Loop) -> int:
    """The same, to the shortest step: that of noise of memories may be shorter."""
    layers, least = problem.network.layers, _steepness(problem, loop)
    hidden, cell = layers[loop.hidden], _CELL * max(tau for _, tau in layers[loop.visible].tau_runs)
    if hidden.algebraic:
        return least
    return max(least, min(math.ceil(math.log2(2.0 * cell / hidden.tau_runs[0][1])), _SHORTEST))


def _quiet(share: float) -> int:
    """The longest level of at most half the tau of memories, from the share of a shortest step."""
    return max(math.floor(math.log2(0.5 / share)), 0) if share else _SHORTEST


@lru_cache(maxsize=16)
def _runs(runs: tuple[tuple[int, float], ...], lag: float) -> tuple[Array, Array, Array]:
    """Where runs of features begin, their rates and those of their followers, and of memories."""
    lengths, tau = zip(*runs, strict=True)
    start = np.concatenate([[0], np.cumsum(lengths)])
    return start, np.append(1.0 / np.array(tau), lag or 1.0), np.append([lag] * len(tau), 0.0)
