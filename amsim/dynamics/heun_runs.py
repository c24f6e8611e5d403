"""Runs in steps of one length: on any network, and compiled on memories with Identity features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiled import draws
from ..compiled.jit import announced, require_compiler
from ..compiled.normal import normals
from ..progress import Progress
from ..synapses import Array
from . import heun_steps
from .heun_coefficients import SAME, Rates, Stretch, colours, stretches
from .noise import Ints
from .noise_runs import ATOL, RTOL, CompiledDrive, FreeRun, width_of_columns
from .problem import (
    BLOW_UP,
    DIVERGED,
    INTERRUPTED,
    TIME_LIMIT,
    Problem,
    Reader,
    Solution,
    recorded_times,
)  # fmt: skip
from .run import Run
from .two_layer import TwoLayerRun

# Multiply-adds between two looks at Ctrl-C: some tenths of a second.
_CHUNK = 3e8
# Fields of `Path`: those that move, and those that hold for the length of a step.
_MOVING = ("new", "first", "second", "slope", "bend", "jolt")
_BY_LENGTH = ("decay", "whole", "late", "curve", "kick", "carry", "swing", "fade", "fresh")


@dataclass
class Steps:
    """How a run steps, and what goes on from piece to piece.

    Attributes
    ----------
    length : float
    reuse : bool
        Whether the last drive serves the next step.
    free : bool
        Whether cues may choose the lengths of their steps, where that can be done.
    colours : dict of int to ndarray
        Coloured noise of the packed units of each cue.
    bent, jolted : float
        Sums of the squares of what bends of the drive and what jolts have moved units by.
    """

    length: float
    reuse: bool
    free: bool
    colours: dict[int, Array] = field(default_factory=dict)
    bent: float = 0.0
    jolted: float = 0.0

    def colour(self, problem: Problem) -> Array:
        """Coloured noise (B, N) as the piece before left it, or from its stationary law."""
        noise = problem.noise
        assert noise is not None  # see the callers
        (key,) = noise.keys(np.array([problem.t0]), draws.COLOUR)
        numbers = np.empty(noise.temperature.shape)
        normals(key, noise.places, numbers)
        numbers *= np.sqrt(noise.temperature * (problem.tau / noise.correlation))
        for b, place in enumerate(noise.places):
            numbers[b] = self.colours.get(int(place), numbers[b])
        return numbers

    def keep_colour(self, problem: Problem, colour: Array) -> None:
        """Let the next piece of the run begin with this (B, N)."""
        assert problem.noise is not None  # see the callers
        self.colours.update(zip(map(int, problem.noise.places), colour, strict=True))


def solve_all(steps: Steps, problem: Problem) -> Solution:
    """Run all cues to the end, some at a time."""
    kind: Any = _TwoLayers if TwoLayerRun.applies(problem) else _AnyNetwork
    if steps.free and problem.noise is not None and TwoLayerRun.applies(problem):
        kind = FreeRun
    progress = Progress(problem.t1, problem.batch, problem.deadline)
    # One row more than there are times, for a last state at another one.
    record = np.empty((len(problem.times) + 1, problem.batch, kind.width(problem)))
    runs, first, stopped = [], 0, False
    while first < problem.batch:
        size = problem.batch - first if stopped else kind.together(problem, first)
        cues = np.arange(first, min(first + size, problem.batch))
        run = kind(problem.select(cues), steps, record, first)
        first += len(cues)
        runs.append(run)
        try:
            if not stopped:
                run.to_end(progress, problem.batch - first)
        except KeyboardInterrupt:
            stopped = True  # the cues that are left keep their first state
        run.finish()
    progress.close()
    return _solution(problem, runs, record)


def _solution(problem: Problem, runs: Sequence[Any], record: Array) -> Solution:
    """Trim the record to what happened."""
    codes, ends, last, rhs, taken = (
        np.concatenate([getattr(run, name) for run in runs])
        if len(runs) > 1
        else getattr(runs[0], name)
        for name in ("codes", "ends", "last", "calls", "taken")
    )
    finished = bool((codes <= TIME_LIMIT).all())
    times = recorded_times(problem.times, problem.explicit, finished, float(ends.max()))
    record = record[: len(times)]
    if times[-1] >= ends.max():
        record[-1] = last
    reader = runs[0].reader
    return Solution(
        times=times,
        record=reader(problem, times, record),
        final=reader(problem, ends[:1], last[None]),
        codes=codes,
        ends=ends,
        rhs=rhs,
        accepted=int(taken.sum()),
        rejected=0,
    )


class _AnyNetwork:
    """Steps of some cues; columns are the packed units, and forces are evaluated in NumPy."""

    outermost: Any = heun_steps.predict
    together = staticmethod(Run.together)
    width = staticmethod(Run.width)

    def __init__(self, problem: Problem, steps: Steps, record: Array, ahead: int) -> None:
        self.problem, self.steps, self.record, self.ahead = problem, steps, record, ahead
        self.plan = list(stretches(problem.t0, problem.t1, steps.length))
        self.codes = np.full(problem.batch, INTERRUPTED)
        self.ends = np.zeros(problem.batch)
        self.walked, self.reached, self.looked = 0, 0.0, 0
        self.begin()

    def begin(self) -> None:
        """Lay out the columns."""
        network, tau = self.problem.network, self.problem.tau
        self.leak = np.concatenate([np.full(x.size, x.leak) for x in network.dynamic.values()])
        rates = Rates(self.leak / tau, 1.0 / tau)
        self.lay_out(network.pack(self.problem.initial), rates, np.arange(len(tau)))

    def lay_out(self, state: Array, rates: Rates, unit: NDArray[np.int64]) -> None:
        """Make the working arrays of columns (B, M) that belong to units, or to none (-1)."""
        problem, (batch, width) = self.problem, state.shape
        noise, own, fixed = problem.noise, unit >= 0, problem.clamped_units()
        root, held = np.zeros((batch, width)), np.zeros((batch, width), bool)
        held[:, own] = fixed[:, unit[own]]
        place, coloured = np.arange(batch, dtype=np.uint64), False
        if noise is not None:
            root[:, own] = np.sqrt(noise.temperature[:, unit[own]])
            place, coloured = noise.places, noise.correlation > 0
        colour = np.zeros((batch, width if coloured else 0))
        if coloured:
            colour[:, own] = self.steps.colour(problem)[:, unit[own]]
        several = {name: np.zeros((batch, width)) for name in _MOVING}
        single = {name: np.zeros(width) for name in _BY_LENGTH}
        self.running, self.size = np.arange(batch), batch
        # Few columns differ in these.
        kinds, self.kind = np.unique(rates.rate + 1j * rates.gain, return_inverse=True)
        self.rates, self.columns = Rates(kinds.real.copy(), kinds.imag.copy()), rates
        self.path = heun_steps.Path(
            x=state.copy(), before=state.copy(), colour=colour, shade=colour.copy(), root=root,
            held=held, unit=np.maximum(unit, 0).astype(np.uint64), place=place,
            limit=BLOW_UP * (1.0 + np.abs(state).max(axis=1) + root.max(axis=1)),
            taken=np.zeros(batch, np.int64), bent=np.zeros(batch), jolted=np.zeros(batch),
            within=np.zeros((batch, width)), numbers=np.zeros((2, int(unit.max()) + 1)),
            noisy=np.array([noise is not None]), reuse=np.array([self.steps.reuse]),
            known=np.zeros(1, np.bool_), **several, **single,
        )  # fmt: skip
        self.unit = unit

    def reader(self, problem: Problem, times: Array, columns: Array) -> Reader:
        """Read states of all cues at some times by layer, of columns (T, B, M)."""
        return problem.reader(times, columns)

    def work_per_step(self) -> float:
        """Multiply-adds of one step of all cues, roughly."""
        return 2.0 * self.path.x.size * int(self.path.x.shape[1])

    def walk(self, stretch: Stretch, keys: Ints, done: int, looks: heun_steps.Looks) -> None:
        """Steps with these keys, after `done` ones of a stretch."""
        path, length = self.path, stretch.length
        for number, key in enumerate(keys, done):
            alive = self.running[: self.size]
            if not len(alive):
                return
            begin = stretch.start + number * length
            if not path.known[0]:
                path.second[alive] = self.drive(alive, begin, path.x)
            heun_steps.predict(path, key, self.running, self.size)
            path.second[alive] = self.drive(alive, begin + length, path.new)
            self.size = heun_steps.correct(path, self.running, self.size)
            heun_steps.look(path, looks, number, self.running, self.size)

    def drive(self, cues: Array, time: float, states: Array) -> Array:
        """N = force + leak x of some cues."""
        chosen = states[cues]
        with np.errstate(over="ignore", invalid="ignore"):
            force = self.problem.select(cues).force(time, chosen)
        return np.asarray(force + self.leak * chosen)

    def set_length(self, length: float) -> None:
        """Let the next steps be so long."""
        path, noise, rates = self.path, self.problem.noise, self.rates
        decay, whole, late = rates.moves(length)
        found = {"decay": decay, "whole": whole, "late": late,
                 "curve": 0.5 * (rates.curved(length) - late)}  # fmt: skip
        if not path.colour.size:
            found["kick"] = np.sqrt(rates.variance(length))
        elif noise is not None:
            found |= colours(rates, noise.correlation, length)._asdict()
        for name, value in found.items():
            getattr(path, name)[:] = value[self.kind]
        path.known[0] = False

    def to_end(self, progress: Progress, waiting: int) -> None:
        """All steps, in calls after which Ctrl-C is noticed."""
        require_compiler("the integrator")
        with announced("the integrator", self.outermost):
            looks = self.looks(self.plan[0]._replace(moments=np.zeros(0)))
            self.walk(self.plan[0], np.zeros(0, np.uint64), 0, looks)
        chunk = int(min(max(_CHUNK / self.work_per_step(), 1), 20000))
        for stretch in self.plan:
            self.set_length(stretch.length)
            keys, looks = self.keys(stretch), self.looks(stretch)
            done, before, first = 0, self.walked, self.looked
            heun_steps.look(self.path, looks, -1, self.running, self.size)
            self.looked = first + int(looks.next[0])
            while done < len(keys) and self.size:
                ahead = min(done + chunk, len(keys))
                self.walk(stretch, keys[done:ahead], done, looks)
                self.walked += ahead - done
                done = ahead
                self.reached = stretch.start + done * stretch.length
                self.note_diverged(stretch, before)
                self.looked = first + int(looks.next[0])
                progress.update(self.reached, waiting + self.size)
        alive = self.running[: self.size]
        self.codes[alive], self.ends[alive] = TIME_LIMIT, self.problem.t1
        if self.path.colour.size:
            colour, own = np.zeros((len(self.path.x), len(self.problem.tau))), self.unit >= 0
            colour[:, self.unit[own]] = self.path.colour[:, own]
            self.steps.keep_colour(self.problem, colour)
        self.steps.bent += float(self.path.bent[alive].sum())
        self.steps.jolted += float(self.path.jolted[alive].sum())

    def keys(self, stretch: Stretch) -> Ints:
        """The streams of its steps."""
        if self.problem.noise is None:
            return np.zeros(len(stretch.moments), np.uint64)
        return self.problem.noise.keys(stretch.moments, draws.NOISE)

    def note_diverged(self, stretch: Stretch, before: int) -> None:
        """Cues that took fewer steps than the others have diverged where they are."""
        lost = (self.codes == INTERRUPTED) & (self.path.taken < self.walked)
        self.codes[lost] = DIVERGED
        self.ends[lost] = stretch.start + stretch.length * (self.path.taken[lost] - before)

    def looks(self, stretch: Stretch) -> heun_steps.Looks:
        """The output times that lie in these steps, of those that are left."""
        problem, first, length = self.problem, self.looked, stretch.length
        places = (problem.times[first:] - stretch.start) / length
        places = places[places <= len(stretch.moments) + SAME]
        step = np.ceil(places - SAME).astype(np.int64) - 1
        share = places - step
        ages = np.where(share < 1.0 - SAME, np.round(share, 12), 1.0)
        ages[step < 0] = 1.0
        inside = ages < 1.0
        again = np.append(False, inside[:-1] & (step[1:] == step[:-1]))[: len(step)]
        since = np.where(again, np.roll(ages, 1), 0.0) if len(ages) else ages
        pairs, row = np.unique(since + 1j * ages, return_inverse=True)
        keys = np.zeros(len(step), np.uint64)
        if problem.noise is not None:
            moments = problem.t0 + problem.times[first : first + len(step)]
            keys = problem.noise.keys(moments, draws.BRIDGE)
        return heun_steps.Looks(
            states=self.record[first : first + len(step)], ahead=self.ahead, step=step, share=ages,
            row=np.where(inside, row, -1), table=self.bridges(pairs.real, pairs.imag, length),
            kind=self.kind, now=np.zeros((7, len(self.kind))), rate=self.columns.rate,
            gain=self.columns.gain, keys=keys, length=length, next=np.zeros(1, np.int64),
        )  # fmt: skip

    def bridges(self, since: Array, share: Array, length: float) -> Array:
        """Coefficients (7, C, L) of looks after a share of a step, and after those at `since`."""
        rates, before, age = self.rates, length * since[:, None], length * share[:, None]
        decay, whole, late = rates.moves(age)
        curve = 0.5 * share[:, None] * (share[:, None] * rates.curved(age) - late)
        passed, fade = rates.variance(age - before), np.exp(-rates.rate * (length - age))
        pull = fade * passed / rates.variance(length - before)
        spread = np.sqrt(np.maximum(passed - pull * fade * passed, 0.0))
        keep = np.exp(-rates.rate * (age - before))
        keep = keep - pull * np.exp(-rates.rate * (length - before))
        keep = np.where(before > 0.0, keep, 0.0)
        return np.array([keep, pull, spread, decay, whole, share[:, None] * late, curve])

    @property
    def calls(self) -> NDArray[np.int64]:
        """Right-hand sides of each cue: two in a step, or one and one more for a first step."""
        taken = self.path.taken
        if not self.steps.reuse:
            return 2 * taken
        begun, firsts = 0, np.zeros_like(taken)
        for stretch in self.plan:
            firsts += taken > begun
            begun += len(stretch.moments)
        return taken + firsts

    @property
    def last(self) -> Array:
        """Where cues have ended."""
        return self.path.x

    @property
    def taken(self) -> NDArray[np.int64]:
        """Steps of each cue."""
        return self.path.taken

    def finish(self) -> None:
        """Where a run was interrupted, cues end where they are; they hold their last state."""
        self.ends[self.codes == INTERRUPTED] = self.reached
        part = slice(self.ahead, self.ahead + len(self.last))
        self.record[self.looked :, part] = self.last


class _TwoLayers(_AnyNetwork):
    """Steps whose columns are v, its followers y, and what h has beside Xi y + b: noise."""

    together = staticmethod(TwoLayerRun.together)
    width = staticmethod(width_of_columns)

    def begin(self) -> None:
        problem, network = self.problem, self.problem.network
        drive = self.compiled = CompiledDrive(problem, RTOL, ATOL, max_steps=0)
        drive.prepare()
        hidden, visible = (network.layers[name] for name in (drive.hidden, drive.visible))
        state = drive.start
        batch, count, units = len(state), hidden.size, visible.size
        numbers = network.pack({**{n: np.zeros(x.shape) for n, x in network.dynamic.items()},
                                drive.visible: np.ones(units)})  # fmt: skip
        own, other = np.flatnonzero(numbers), np.flatnonzero(numbers == 0)
        tau, unit = np.ravel(visible.tau), own
        if not hidden.algebraic:
            rest = drive.offset if drive.offset.size else np.zeros((batch, count))
            state = np.concatenate([state, rest], axis=1)
            tau = np.concatenate([tau, np.full(units + count, hidden.tau_runs[0][1])])
            unit = np.concatenate([own, np.full(units, -1), other])
        offset = np.zeros((batch, state.shape[1] - drive.start.shape[1]))
        self.memories = drive.memories._replace(rate=0.0, offset=offset)
        self.work = drive.narrow
        self.outermost = heun_steps.walk_of(self.memories.kind)
        self.lay_out(state, Rates(1.0 / tau, 1.0 / tau), unit)

    def reader(self, problem: Problem, times: Array, columns: Array) -> Reader:
        return self.compiled.read(columns)

    def work_per_step(self) -> float:
        return 4.0 * self.compiled.loop.weights.size * len(self.path.x)

    def walk(self, stretch: Stretch, keys: Ints, done: int, looks: heun_steps.Looks) -> None:
        self.size = self.outermost(
            self.path, keys, done, looks, self.memories, self.compiled.steps, self.work,
            self.running, self.size,
        )  # fmt: skip
