"""Noise in event-driven runs: its slots, and what it adds between their ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...compiled import draws
from ...compiled.normal import normals
from ..heun_coefficients import SAME, Rates, colours, stretches
from ..noise import Disturbance
from ..problem import Problem
from .engine.slots import Slots, begin_slot
from .engine.state import STOPPED, State
from .layout import Layout
from .layout.arrays import Floats
from .options import EventDriven

# The default slot, in units of the smallest tau.
_SLOT = 0.02
# Of a run at most: as many numbers for every unit.
_MOST_SLOTS = 1e8
_COEFFICIENTS = ("over", "kick", "carry", "swing", "fade", "fresh")


def slot_length(problem: Problem, options: EventDriven) -> float:
    """Of the slots of a problem; infinite without noise."""
    if problem.noise is None or not problem.noise.temperature.any():
        return np.inf
    times = {"tau": float(problem.tau.min())}
    if problem.noise.correlation:
        times["correlation time of the noise"] = problem.noise.correlation
    what, smallest = min(times.items(), key=lambda item: item[1])
    slot = _SLOT * smallest if options.noise_step is None else options.noise_step
    if slot > smallest:
        raise ValueError(
            f"EventDriven: noise_step must be at most the smallest {what}, {smallest:g}, got "
            f"{slot:g}"
        )
    if not problem.t1 / slot <= _MOST_SLOTS:
        raise ValueError(
            f"EventDriven: {problem.t1:g} / {slot:g} are more than {_MOST_SLOTS:g} slots of noise: "
            f"take a smaller t1 or a longer noise_step"
        )
    return slot


@dataclass(frozen=True, eq=False)
class Schedule:
    """Slots of all cues of a problem.

    Attributes
    ----------
    t0 : float
    noise : Disturbance
    rates : Rates
    lengths : ndarray (S,)
    slots : Slots
        Without what belongs to one cue.
    """

    t0: float
    noise: Disturbance
    rates: Rates
    lengths: Floats
    slots: Slots

    @classmethod
    def of(cls, problem: Problem, layout: Layout) -> Schedule | None:
        """The schedule of a problem, if it has noise."""
        slot, noise = float(layout.rules["slot"][0]), problem.noise
        if noise is None or slot == np.inf:
            return None
        count = noise.temperature.shape[1]
        rate = layout.units["rate"][:count]
        leak = layout.populations["leak"][layout.units["population"][:count]]
        rates, parts = Rates(rate, rate / leak), list(stretches(problem.t0, problem.t1, slot))
        sizes = [len(part.moments) for part in parts]
        begins = [part.start + part.length * np.arange(len(part.moments)) for part in parts]
        table = {name: np.zeros((len(parts), count)) for name in _COEFFICIENTS}
        for row, part in enumerate(parts):
            table["over"][row] = -1.0 / np.expm1(-rate * part.length)
            if noise.correlation:
                found = colours(rates, noise.correlation, part.length)._asdict()
            else:
                found = {"kick": np.sqrt(rates.variance(part.length))}
            for name, value in found.items():
                table[name][row] = value
        empty = np.zeros(0)
        slots = Slots(
            begins=np.concatenate([*begins, [np.inf]]),
            rows=np.repeat(np.arange(len(parts)), sizes),
            keys=noise.keys(np.concatenate([part.moments for part in parts]), draws.NOISE),
            place=np.zeros(1, np.uint64), root=empty, colour=empty, push=empty, change=empty,
            farthest=empty, number=np.zeros(1, np.int64), numbers=np.zeros((2, 0)), **table,
        )  # fmt: skip
        lengths = np.repeat([part.length for part in parts], sizes)
        return cls(problem.t0, noise, rates, lengths, slots)

    def begin(self, cue: int) -> Path | None:
        """The noise of a cue at its start; None where all its temperatures are 0."""
        noise, count = self.noise, self.noise.temperature.shape[1]
        if not noise.temperature[cue].any():
            return None
        root, place = np.sqrt(noise.temperature[cue]), noise.places[cue : cue + 1].copy()
        colour = np.zeros(0)
        if noise.correlation:
            (key,) = noise.keys(np.array([self.t0]), draws.COLOUR)
            deviation = np.sqrt(1.0 / (self.rates.gain * noise.correlation))
            colour = root * deviation * _drawn(key, place, count)
        slots = self.slots._replace(
            place=place, root=root, colour=colour, push=np.zeros(count), change=np.zeros(count),
            farthest=np.zeros(count), number=np.zeros(1, np.int64),
            numbers=np.zeros((2, count)),
        )  # fmt: skip
        return Path(self, slots)


class Path:
    """The noise of one cue on its way."""

    def __init__(self, schedule: Schedule, slots: Slots) -> None:
        self.schedule, self.slots = schedule, slots
        self.number, self.since, self.jolt = -1, 0.0, np.zeros(0)  # where the bridge has come to

    def run(self, to: Callable[[float], int], stop: float, layout: Layout, state: State) -> int:
        """Run an engine that has no slots of its own up to time `stop`, slot by slot."""
        while True:
            begin = float(self.slots.begins[self.slots.number[0]])
            ended = to(min(stop, begin))
            if ended != STOPPED or begin > stop:
                return ended
            begin_slot(layout, state, self.slots)

    def states(self, now: float, states: Floats) -> Floats:
        """States with the law of white noise at any time, from those with a constant input.

        What noise has added is drawn between what is known of it: 0 at the beginning of the slot,
        or what was drawn before, and what it adds in the whole slot.
        """
        slots, schedule = self.slots, self.schedule
        number = int(slots.number[0]) - 1
        if number < 0 or slots.colour.size:
            return states
        length, age = float(schedule.lengths[number]), now - float(slots.begins[number])
        if not SAME * length < age < (1.0 - SAME) * length:
            return states
        if number != self.number:
            self.number, self.since, self.jolt = number, 0.0, np.zeros(len(slots.root))
        rates, row = schedule.rates, slots.rows[number]
        left, ahead = length - self.since, length - age
        whole, passed = rates.variance(left), rates.variance(age - self.since)
        fade = np.exp(-rates.rate * ahead)
        rest = slots.push / slots.over[row] - np.exp(-rates.rate * left) * self.jolt
        spread = np.sqrt(np.maximum(passed - (fade * passed) ** 2 / whole, 0.0))
        (key,) = schedule.noise.keys(np.array([schedule.t0 + now]), draws.BRIDGE)
        known = np.exp(-rates.rate * (age - self.since)) * self.jolt + fade * passed / whole * rest
        self.jolt = known + slots.root * spread * _drawn(key, slots.place, len(slots.root))
        self.since = age
        smooth = -slots.push * np.expm1(-rates.rate * age)
        moved: Floats = states.copy()
        moved[: len(slots.root)] += self.jolt - smooth
        return moved


def _drawn(key: np.uint64, place: NDArray[Any], count: int) -> Floats:
    """Standard normal numbers of one cue."""
    numbers = np.empty((1, count))
    normals(key, place, numbers)
    return np.asarray(numbers[0])
