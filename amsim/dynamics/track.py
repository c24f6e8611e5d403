"""`Track`: a run of the exponential integrator is looked at, many steps at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..synapses import Array
from . import adams
from .look_order import in_order
from .looks import Group, Ints, Looks, Read, Source, joined
from .problem import longest_tau, shortest_tau

if TYPE_CHECKING:
    from .run import Run
    from .watch import Watched

# Steps of each cue between two looks, no more than are so many numbers, 8 MB. Where cues may be
# stopped they are few at first, then twice as many from look to look: little is computed in vain.
_STEPS, _FIRST, _NUMBERS = 256, 32, 1 << 20
# Multiply-adds up to which a step takes so little that they are twice as many at first.
_QUICK = 1e5
# Numbers that are copied sooner than a function is called once more.
_COPIED = 1 << 15
# Looks further apart than this share of the smallest tau have one in between, and none are further
# apart than this share of the largest.
_APART = 0.5


class Track:
    """Looks at the steps that a run has made since the last look.

    Parameters
    ----------
    run : Run
        It gets room for the steps.
    watched : Watched
        Looks at them.

    Attributes
    ----------
    steps : int
        There are always so many to the next look.
    """

    def __init__(self, run: Run, watched: Watched) -> None:
        self.run, self.watched = run, watched
        batch, width = run.steps.x.shape
        self.most = min(_STEPS, max(1, _NUMBERS // (batch * (width + run.steps.used.shape[1]))))
        self.steps = self.most
        if watched.watcher.terminal:
            quick = batch * run.work_per_cue() < _QUICK
            self.steps = min(2 * _FIRST if quick else _FIRST, self.most)
        # What is looked at begins there: rows, and recorded times of each cue.
        self.new, self.written = 0, np.zeros(batch, np.int64)
        network = run.problem.network
        self.names = tuple(network.layers)
        self.apart = _APART * shortest_tau(network), _APART * longest_tau(network)
        self.fixed = run.clamped_units() if run.problem.clamped else None
        self.make_room(adams.HISTORY + self.most)

    def make_room(self, count: int) -> None:
        """Have new arrays for so many steps of each cue; a user may hold views of the old ones."""
        steps = self.run.steps
        (batch, width), units = steps.x.shape, steps.used.shape[1]
        self.run.steps = steps._replace(
            track=np.empty(batch * count, adams.TRACK),
            track_x=np.empty((batch * count, width)),
            track_drive=np.empty((batch * count, units)),
        )
        self.room: adams.Room | None = None

    @property
    def left(self) -> int:
        """Steps until the next look, at most."""
        batch = len(self.written)
        rows = batch * (adams.HISTORY + self.steps)
        return int(rows - self.run.steps.tracked[0]) // batch

    def look(self, running: int = 0) -> None:
        """Look at all new steps, and stop cues that are to stop.

        Where so many go on, what is not needed is forgotten.
        """
        first, self.new = self.new, int(self.run.steps.tracked[0])
        if first == self.new:
            return
        for cue, (time, _) in self.watched.look(self.looks(first), self.run.problem).items():
            self.stop(cue, time)
        if running:
            (going,) = (self.run.steps.cues["status"] >= adams.RUNNING).nonzero()
            if len(going):
                self.forget(going)

    def stop(self, cue: int, time: float) -> None:
        """End a cue at a time within its new steps."""
        steps = self.run.steps
        row = steps.cues["tracked"][cue]
        while (before := int(steps.track["before"][row])) >= 0:
            if steps.track["time"][before] < time:
                break
            row = before
        self.run.stop(cue, time, self.states(np.array([row]), np.array([time]))[0])

    def looks(self, first: int) -> Looks:
        """Ends of steps, recorded times, and looks between these where they are far apart."""
        steps, reached, names = self.run.steps, self.run.steps.cues["written"], self.names
        (cues, rows, sources, whose), (times, when), seen = self.order(first, reached)
        states = [steps.track_x[first : self.new]]
        states += self.recorded(reached, seen - len(states[0]))
        if len(cues) > seen:
            here = sources >= seen
            states.append(self.states(rows[here], times[here]))
        parts = self.parts(whose, when, states)
        if sum(vectors.size for vectors in states) < _COPIED * (len(states) - 1):
            groups = [Group(when, Source(names, lambda n: joined([read(n) for _, read in parts])))]
        else:
            groups = [Group(moments, Source(names, read)) for moments, read in parts]

        def within(places: Ints, moments: Array) -> Source:
            found = self.states(rows[places], moments)
            return Source(names, self.read(cues[places], moments, found))

        return Looks(groups, sources, cues, times, within)

    def order(self, first: int, reached: Ints, most: int = 0) -> tuple[Ints, Array, int]:
        """Cues, rows and sources of looks, their times, and how many are none in between.

        Cues and times are in this order, and by source.
        """
        times, count = self.run.problem.times, self.new - first
        most = most or 2 * (count + len(reached) * len(times))  # which long steps may exceed
        looks, moments = np.empty((4, most), np.int64), np.empty((2, most))
        found, seen = in_order(
            self.run.steps.track, first, self.new, self.written, reached, times, *self.apart,
            np.empty(len(reached) + 2 + count, np.int64), looks, moments,
        )  # fmt: skip
        if found > most:
            return self.order(first, reached, found)
        return looks[:, :found], moments[:, :found], seen

    def recorded(self, reached: Ints, new: int) -> list[Array]:
        """States that were recorded since the last look, by cue; nothing is copied."""
        outputs = self.run.outputs
        batch, count, width = outputs.shape
        if new == batch * count:
            return [outputs.reshape(-1, width)]
        return [
            outputs[b, start:stop]
            for b, (start, stop) in enumerate(zip(self.written, reached, strict=True))
            if stop > start
        ]

    def parts(self, cues: Ints, times: Array, states: list[Array]) -> list[tuple[Array, Read]]:
        """Times of each part of all looks, and what reads its states."""
        found, start = [], 0
        for vectors in states:
            part = slice(start, start + len(vectors))
            found.append((times[part], self.read(cues[part], times[part], vectors)))
            start = part.stop
        return found

    def read(self, cues: Ints, times: Array, vectors: Array) -> Read:
        """What reads packed states (n, width), each of one cue at its own time."""
        if self.fixed is not None:
            np.copyto(vectors, self.run.start[cues], where=self.fixed[cues])
        return self.run.states(cues, times, vectors)

    def states(self, rows: Ints, times: Array) -> Array:
        """Packed states at times within the steps that end in these rows."""
        run, steps = self.run, self.run.steps
        width = steps.x.shape[1]
        if self.room is None:
            one = np.empty((1, width)), np.empty((1, *steps.dd.shape[1:])), steps.past[:1].copy()
            self.room = adams.Room(steps.track, steps.track_x, steps.track_drive, *one)
        found = np.empty((len(rows), width))
        adams.states_within(self.room, run.segments, rows, times, run.scratch, found[None])
        return found

    def forget(self, running: Ints) -> None:
        """Keep what later steps of some cues go back to; the last of each is looked at again."""
        steps = self.run.steps
        self.written = steps.cues["written"].copy()
        before = np.append(steps.track["before"], -1)  # before a step at -1, which is none, is none
        rows = [steps.cues["tracked"][running]]
        for _ in range(adams.HISTORY - 1):
            rows.append(before[rows[-1]])
        every = np.concatenate(rows[::-1])  # the last behind all others
        every = every[every >= 0]
        place = np.full(len(before), -1)  # the last of these is for -1
        place[every] = np.arange(len(every))
        count, last = len(every), len(every) - len(running)
        track, drives = steps.track[every], steps.track_drive[every]
        states = steps.track_x[every[last:]]  # later steps begin there
        track["before"] = place[track["before"]]
        steps.cues["tracked"][running] = place[steps.cues["tracked"][running]]
        steps.tracked[0], self.new = count, last
        del steps
        self.make_room(0)  # which frees memory that is taken again
        self.make_room(adams.HISTORY + self.most)
        self.steps = min(2 * self.steps, self.most)
        new = self.run.steps
        new.track[:count], new.track_drive[:count], new.track_x[last:count] = track, drives, states
