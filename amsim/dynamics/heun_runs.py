"""Runs of `ExponentialHeun`: over any network, and compiled over memories on Identity features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiled import draws
from ..compiled.jit import announced, require_compiler
from ..compiled.normal import normals
from ..progress import Progress
from ..synapses import Array, project, project_each
from . import heun_steps
from .heun_coefficients import SAME, Rates, Stretch, colours, stretches
from .interpolation import cubic
from .noise import Disturbance, Ints
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
# Of the drive of memories: products in float32 where that is enough for the features.
_RTOL, _ATOL = 1e-6, 1e-9
# Fields of `Path`: those that move, and those that hold for the length of a step.
_MOVING = ("new", "first", "second", "jolt")
_BY_LENGTH = ("decay", "whole", "late", "kick", "carry", "swing", "fade", "fresh")


def solve_all(step: float, carried: dict[int, Array], problem: Problem) -> Solution:
    """Run all cues to the end, some at a time."""
    kind = _TwoLayers if TwoLayerRun.applies(problem) else _AnyNetwork
    progress = Progress(problem.t1, problem.batch, problem.deadline)
    runs, first, stopped = [], 0, False
    while first < problem.batch:
        size = problem.batch - first if stopped else kind.together(problem, first)
        cues = np.arange(first, min(first + size, problem.batch))
        first += len(cues)
        run = kind(problem.select(cues), step, carried)
        runs.append(run)
        try:
            if not stopped:
                run.to_end(progress, problem.batch - first)
        except KeyboardInterrupt:
            stopped = True  # the cues that are left keep their first state
        run.finish()
    progress.close()
    return _solution(problem, runs)


def _solution(problem: Problem, runs: Sequence[_AnyNetwork]) -> Solution:
    """Trim the record to what happened; cues that stopped hold their last state."""
    codes, ends = (np.concatenate([getattr(run, n) for run in runs]) for n in ("codes", "ends"))
    taken = np.concatenate([run.path.taken for run in runs])
    finished = bool((codes <= TIME_LIMIT).all())
    times = recorded_times(problem.times, problem.explicit, finished, float(ends.max()))
    last = np.concatenate([run.path.x for run in runs])
    record = np.empty((len(times), *last.shape))
    record[:] = last
    first = 0
    for run in runs:
        rows = run.rows[: len(times) - (times[-1] >= ends.max())]
        part = slice(first, first + len(run.codes))
        for row, columns in enumerate(rows):
            record[row, part] = columns
        first = part.stop
    return Solution(
        times=times,
        record=runs[0].reader(problem, times, record),
        final=runs[0].reader(problem, ends[:1], last[None]),
        codes=codes,
        ends=ends,
        rhs=2 * taken,
        accepted=int(taken.sum()),
        rejected=0,
    )


class _AnyNetwork:
    """Steps of some cues; columns are the packed units, and forces are evaluated in NumPy."""

    outermost: Any = heun_steps.predict
    together = staticmethod(Run.together)

    def __init__(self, problem: Problem, step: float, carried: dict[int, Array]) -> None:
        self.problem, self.carried = problem, carried
        self.plan = list(stretches(problem.t0, problem.t1, step))
        self.codes = np.full(problem.batch, INTERRUPTED)
        self.ends = np.zeros(problem.batch)
        self.rows: list[Array] = []
        self.walked, self.reached = 0, 0.0
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
        several = {name: np.zeros((batch, width)) for name in _MOVING}
        single = {name: np.zeros(width) for name in _BY_LENGTH}
        self.rates, self.running, self.size = rates, np.arange(batch), batch
        self.path = heun_steps.Path(
            x=state.copy(), before=state.copy(), colour=colour, shade=colour.copy(), root=root,
            held=held, unit=np.maximum(unit, 0).astype(np.uint64), place=place,
            limit=BLOW_UP * (1.0 + np.abs(state).max(axis=1) + root.max(axis=1)),
            taken=np.zeros(batch, np.int64), **several, **single,
        )  # fmt: skip
        if coloured and noise is not None:
            self.begin_colour(noise)

    def begin_colour(self, noise: Disturbance) -> None:
        """Coloured noise as the piece before left it, or from its stationary law."""
        path = self.path
        (key,) = noise.keys(np.array([self.problem.t0]), draws.COLOUR)
        deviation = np.sqrt(1.0 / (self.rates.gain * noise.correlation))
        path.colour[:] = path.root * deviation * self.drawn(key)
        for b, place in enumerate(path.place):
            path.colour[b] = self.carried.get(int(place), path.colour[b])

    def drawn(self, key: np.uint64) -> Array:
        """Standard normal numbers (B, M)."""
        numbers = np.empty((len(self.path.x), int(self.path.unit.max()) + 1))
        normals(key, self.path.place, numbers)
        return numbers[:, self.path.unit]

    def reader(self, problem: Problem, times: Array, columns: Array) -> Reader:
        """Read states of all cues at some times by layer, of columns (T, B, M)."""
        return problem.reader(times, columns)

    def work_per_step(self) -> float:
        """Multiply-adds of one step of all cues, roughly."""
        return 2.0 * self.path.x.size * int(self.path.x.shape[1])

    def walk(self, start: float, length: float, keys: Ints) -> None:
        """Steps with these keys, the first of which begins at `start`."""
        path = self.path
        for number, key in enumerate(keys):
            alive = self.running[: self.size]
            if not len(alive):
                return
            begin = start + number * length
            path.first[alive] = self.drive(alive, begin, path.x)
            heun_steps.predict(path, key, self.running, self.size)
            path.second[alive] = self.drive(alive, begin + length, path.new)
            self.size = heun_steps.correct(path, self.running, self.size)

    def drive(self, cues: Array, time: float, states: Array) -> Array:
        """N = force + leak x of some cues."""
        chosen = states[cues]
        with np.errstate(over="ignore", invalid="ignore"):
            force = self.problem.select(cues).force(time, chosen)
        return np.asarray(force + self.leak * chosen)

    def set_length(self, length: float) -> None:
        """Let the next steps be so long."""
        path, noise = self.path, self.problem.noise
        path.decay[:], path.whole[:], path.late[:] = self.rates.moves(length)
        if not path.colour.size:
            path.kick[:] = np.sqrt(self.rates.variance(length))
        elif noise is not None:
            for name, value in colours(self.rates, noise.correlation, length)._asdict().items():
                getattr(path, name)[:] = value

    def to_end(self, progress: Progress, waiting: int) -> None:
        """All steps, in calls after which Ctrl-C is noticed."""
        require_compiler("the integrator")
        with announced("the integrator", self.outermost):
            self.walk(0.0, 0.0, np.zeros(0, np.uint64))
        chunk = int(min(max(_CHUNK / self.work_per_step(), 1), 20000))
        times = self.problem.times
        for stretch in self.plan:
            self.set_length(stretch.length)
            places = (times - stretch.start) / stretch.length
            keys, done, before = self.keys(stretch), 0, self.walked
            self.write(stretch, places, 0)
            while done < len(keys) and self.size:
                wanted = places[len(self.rows) :][:1]
                ahead = int(np.ceil(wanted[0] - SAME)) if len(wanted) else len(keys)
                ahead = min(ahead, done + chunk, len(keys))
                self.walk(stretch.start + done * stretch.length, stretch.length, keys[done:ahead])
                self.walked += ahead - done
                done = ahead
                self.reached = stretch.start + done * stretch.length
                self.note_diverged(stretch, before)
                self.write(stretch, places, done)
                progress.update(self.reached, waiting + self.size)
        alive = self.running[: self.size]
        self.codes[alive], self.ends[alive] = TIME_LIMIT, self.problem.t1
        if self.path.colour.size:
            for b, place in enumerate(self.path.place):
                self.carried[int(place)] = self.path.colour[b]

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

    def write(self, stretch: Stretch, places: Array, done: int) -> None:
        """Record the output times up to here, which lie within the last step; `places` in steps."""
        since, jolt = 0.0, np.zeros_like(self.path.x)  # where the bridge has come to
        while len(self.rows) < len(places) and places[len(self.rows)] <= done + SAME:
            share = places[len(self.rows)] - (done - 1)
            if done == 0 or share >= 1.0 - SAME:
                self.rows.append(self.path.x.copy())
                continue
            age = share * stretch.length
            moment = self.problem.t0 + self.problem.times[len(self.rows)]
            jolt = self.jolt_within(stretch.length, moment, since, age, jolt)
            since = age
            columns = self.within(share, stretch.length, jolt)
            going = (self.codes == INTERRUPTED)[:, None] & ~self.path.held
            self.rows.append(np.where(going, columns, self.path.x))

    def within(self, share: float, length: float, jolt: Array) -> Array:
        """Columns within the last step, after a share of it."""
        path = self.path
        rise = path.second - path.first
        if path.colour.size:  # smooth: the cubic through both ends
            gain, rate = self.rates.gain, self.rates.rate
            slope = gain * (path.first + path.shade) - rate * path.before
            to = gain * (path.second + path.colour) - rate * path.x
            return cubic(path.before, slope, path.x, to, length, share)
        decay, whole, late = self.rates.moves(share * length)
        return np.asarray(decay * path.before + whole * path.first + share * late * rise + jolt)

    def jolt_within(
        self, length: float, moment: float, since: float, age: float, jolt: Array
    ) -> Array:
        """What white noise has added at `age` in the last step, drawn between what is known.

        That is `jolt` at `since`, and what it added in the whole step.
        """
        noise, rates, path = self.problem.noise, self.rates, self.path
        if noise is None or path.colour.size:
            return jolt
        left, ahead = length - since, length - age
        whole = rates.variance(left)
        variance, fade = rates.variance(age - since), np.exp(-rates.rate * ahead)
        rest = path.jolt - np.exp(-rates.rate * left) * jolt
        spread = np.sqrt(np.maximum(variance - (fade * variance) ** 2 / whole, 0.0))
        (key,) = noise.keys(np.array([moment]), draws.BRIDGE)
        known = np.exp(-rates.rate * (age - since)) * jolt + fade * variance / whole * rest
        return np.asarray(known + path.root * spread * self.drawn(key))

    def finish(self) -> None:
        """Where a run was interrupted, cues end where they are."""
        self.ends[self.codes == INTERRUPTED] = self.reached


class _Drive(TwoLayerRun):
    """The compiled drive alone, without the adaptive steps."""

    def compile(self) -> None:
        """Nothing: the steps here have a loop of their own."""


class _TwoLayers(_AnyNetwork):
    """Steps whose columns are v, its followers y, and what h has beside Xi y + b: noise."""

    together = staticmethod(TwoLayerRun.together)

    def begin(self) -> None:
        problem, network = self.problem, self.problem.network
        drive = self.compiled = _Drive(problem, _RTOL, _ATOL, max_steps=0)
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
        drive = self.compiled
        weights, units = drive.loop.weights, drive.loop.weights.shape[1]

        def read(name: str, rows: slice) -> Array:
            chosen = columns[rows]
            if name == drive.visible:
                return chosen[..., :units]
            start = units if drive.rate else 0
            seen, rest = chosen[..., start : start + units], chosen[..., start + units :]
            states = np.asarray(project(seen, weights))
            if len(seen):  # with the bits of the final state
                states[-1] = project_each(seen[-1], weights)
            states += drive.bias
            return states + rest if rest.shape[-1] else states

        return read

    def work_per_step(self) -> float:
        return 4.0 * self.compiled.loop.weights.size * len(self.path.x)

    def walk(self, start: float, length: float, keys: Ints) -> None:
        self.size = self.outermost(
            self.path, keys, self.memories, self.compiled.steps, self.work, self.running, self.size
        )
