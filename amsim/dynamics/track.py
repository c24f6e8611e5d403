"""`Track`: a run of the exponential integrator is looked at, some steps at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..synapses import Array
from . import adams
from .look_order import in_order
from .looks import Group, Ints, Looks, Read

if TYPE_CHECKING:
    from .run import Run

# Steps of each cue between two looks: few where cues may be stopped, and no more than are so many
# numbers: memory that a run asks for anew costs more than the steps that are written there.
_STEPS, _TERMINAL, _NUMBERS = 256, 32, 1 << 19
# Looks further apart than this share of the smallest tau have one in between, and none are further
# apart than this share of the largest.
_APART = 0.5


def with_track(steps: adams.Steps, terminal: bool) -> tuple[adams.Steps, int]:
    """Room for the steps between two looks, and for those that these go back to; their number."""
    batch, width = steps.x.shape
    units = steps.used.shape[1]
    most = _TERMINAL if terminal else _STEPS
    count = min(most, max(1, _NUMBERS // (batch * (width + units))))
    rows = batch * (adams.HISTORY + count)
    steps.cues["tracked"] = -1
    tracked = steps._replace(
        track=np.zeros(rows, adams.TRACK),
        track_x=np.empty((rows, width)),
        track_drive=np.empty((rows, units)),
    )
    return tracked, count


class Track:
    """Looks at the steps that a run has made since the last look.

    Parameters
    ----------
    run : Run
        Of a problem that is watched.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.new = run, 0  # row of the first step that is looked at
        batch, width = run.steps.x.shape
        self.written = np.zeros(batch, np.int64)
        tau = run.problem.tau
        self.apart = _APART * tau.min(), _APART * tau.max()
        self.room = run.steps._replace(
            x=np.empty((1, width)),
            dd=np.empty((1, adams.HISTORY, run.steps.used.shape[1])),
            past=np.empty((1, adams.HISTORY)),
        )
        self.fixed = run.clamped_units() if run.problem.clamped else None

    def look(self) -> None:
        """Look at all new steps, stop the cues that are to stop, and forget what is not needed."""
        steps, problem = self.run.steps, self.run.problem
        if steps.tracked[0] == self.new:
            return
        assert problem.watched is not None
        for cue, (time, _) in problem.watched.look(self.looks(), problem).items():
            row = self.last_rows(np.array([cue]))[-1]
            while (before := int(steps.track["before"][row])) >= 0:
                if steps.track["time"][before] < time:
                    break
                row = before
            self.run.stop(cue, time, self.states(np.array([row]), np.array([time]))[0])
        self.forget()
        self.written = steps.cues["written"].copy()

    def looks(self) -> Looks:
        """Ends of steps, recorded times, and looks between these where they are far apart."""
        steps, recorded = self.run.steps, self.run.problem.times
        used, reached = slice(self.new, int(steps.tracked[0])), steps.cues["written"]
        cues, times, rows, sources = in_order(
            steps.track, used.start, used.stop, self.written, reached, recorded,
            *self.apart,
        )  # fmt: skip
        track = steps.track[used]
        groups = [self.group(track["cue"], track["time"], steps.track_x[used])]
        groups += self.recorded(reached)
        seen = sum(len(group.times) for group in groups)
        if len(cues) > seen:
            here = sources >= seen
            inner = self.states(rows[here], times[here])
            groups.append(self.group(cues[here], times[here], inner))

        def within(places: Ints, moments: Array) -> Read:
            states = self.states(rows[places + 1], moments)
            return self.group(cues[places], moments, states).read

        return Looks(groups, sources, cues, times, within)

    def recorded(self, reached: Ints) -> list[Group]:
        """What was recorded since the last look, by cue; nothing is copied."""
        times, outputs = self.run.problem.times, self.run.outputs
        batch, count, width = outputs.shape
        if not self.written.any() and (reached == count).all():
            cues = np.arange(batch).repeat(count)
            moments = times if batch == 1 else np.tile(times, batch)
            return [self.group(cues, moments, outputs.reshape(-1, width))]
        return [
            self.group(np.full(stop - start, b), times[start:stop], outputs[b, start:stop])
            for b, (start, stop) in enumerate(zip(self.written, reached, strict=True))
            if stop > start
        ]

    def group(self, cues: Ints, times: Array, vectors: Array) -> Group:
        """Looks at packed states."""
        if self.fixed is not None:
            np.copyto(vectors, self.run.start[cues], where=self.fixed[cues])
        return Group(times, self.run.states(cues, times, vectors))

    def states(self, rows: Ints, times: Array) -> Array:
        """Packed states at times within the steps that end in these rows."""
        run = self.run
        found = np.empty((1, len(rows), run.steps.x.shape[1]))
        adams.states_within(run.steps, run.segments, self.room, rows, times, run.scratch, found)
        return np.asarray(found[0])

    def last_rows(self, cues: Ints) -> Ints:
        """The rows of these cues that later ones may go back to, the last behind all others."""
        before, rows = self.run.steps.track["before"], [self.run.steps.cues["tracked"][cues]]
        for _ in range(adams.HISTORY - 1):
            rows.append(np.where(rows[-1] < 0, -1, before[rows[-1]]))
        found = np.concatenate(rows[::-1])
        return np.asarray(found[found >= 0])

    def forget(self) -> None:
        """Keep what later steps go back to; the last of each cue is looked at again."""
        steps = self.run.steps
        running = np.flatnonzero(steps.cues["status"] >= adams.RUNNING)
        if not len(running):
            self.new = int(steps.tracked[0])
            return
        rows = self.last_rows(running)
        place = np.full(len(steps.track) + 1, -1)  # the last of these is for -1
        place[rows] = np.arange(len(rows))
        kept = slice(0, len(rows))
        for array in (steps.track, steps.track_x, steps.track_drive):
            array[kept] = array[rows]
        steps.track["before"][kept] = place[steps.track["before"][kept]]
        steps.cues["tracked"][running] = place[steps.cues["tracked"][running]]
        steps.tracked[0], self.new = len(rows), len(rows) - len(running)
