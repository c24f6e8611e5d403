"""A run over memories in a file, or many: each step reads them once, for all cues."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from itertools import islice
from typing import Any

import numpy as np

from .. import checks
from ..lagrangians import Softmax
from ..neurons import SOFTMAX
from ..synapses import Array
from . import adams, memory_force
from .attention import Partial
from .problem import Problem
from .run import Run
from .two_layer import TwoLayerRun, traits, widened

# Values of the memories that one thread reads at a time, some milliseconds; and from how many on
# memories in RAM are read so, too: threads then share them for a single cue.
_PART, _LARGE = 1 << 22, 1 << 25


class StreamedRun(TwoLayerRun):
    """Steps of softmax memories that are read part by part, by one thread or several."""

    outermost: Any = staticmethod(memory_force.softmax_part)

    @staticmethod
    def applies(problem: Problem) -> bool:
        """Whether memories with one softmax are large, in a file, or shared by processes."""
        loop, shared = problem.attention_loop, problem.ranks is not None
        if loop is None:
            return False
        return shared or checks.is_mapped(loop.weights) or loop.weights.size >= _LARGE

    @staticmethod
    def together(problem: Problem, first: int) -> int:
        """All cues of one precision and of one kind of start."""
        kinds = traits(problem.select(np.arange(first, problem.batch)))
        return int((kinds == kinds[0]).all(axis=1).cumprod().sum())

    def prepare(self) -> float:
        softmax = self.problem.network.layers[self.hidden].lagrangian
        assert isinstance(softmax, Softmax)  # see `applies`
        self.beta, self.outside = softmax.beta, self.external()
        self.weights = self.loop.forth.compact  # those in a file as they are
        self.single = self.is_single(self.weights)
        self.fixed = self.clamped_units()
        self.passes, self.began = 0, time.monotonic()
        self.mine, ranks = slice(0, len(self.weights)), self.problem.ranks
        if ranks is not None:
            self.mine = ranks.rows(len(self.weights))
        return Run.prepare(self)

    @property
    def precision(self) -> type[np.floating[Any]]:
        """Of products."""
        return np.float32 if self.single or self.problem.single else np.float64

    @property
    def kind(self) -> tuple[str, ...]:
        kinds = self.weights.dtype, np.dtype(self.precision)
        return (type(self).__name__, *(kind.char for kind in kinds))

    def steps_of_all(self, count: int) -> int:
        """The loop over steps, which is not compiled."""
        if count == 0:
            memory_force.softmax_part(*self.arguments(0))
            memory_force.residual_part(*self.arguments(0))
        return Run.sweep(self, count)

    def refine(self) -> int:
        near = super().refine()
        self.compile()
        return near

    def arguments(self, size: int, drives: Array | None = None) -> tuple[Any, ...]:
        """Of the end of a step, with its drives; else of `outermost`, with no memories."""
        if drives is not None:
            return Run.arguments(self, size, drives)
        return self.of_part(slice(0, 0), self.running[:size])

    def of_part(self, rows: slice, cues: Array) -> tuple[Any, ...]:
        """Arguments of what is compiled, for these memories and cues."""
        weights = np.asarray(self.weights[rows])
        if self.problem.single and weights.dtype == np.float64:
            weights = weights.astype(np.float32)
        weights = widened(weights)
        weights.flags.writeable = False  # of one type, in a file or not
        memories = memory_force.Memories(
            weights=weights,
            back=weights[:0],
            bias=self.bias[rows],
            kind=SOFTMAX,
            parameter=self.beta,
            alpha=0.0,
            skip=self.negligible() / len(self.bias),
            rate=self.rate,
            offset=np.ascontiguousarray(self.offset[:, rows]),
            external=self.outside,
            clamped=self.clamped,
        )
        work = memory_force.new_work(memories, self.precision, np.zeros_like(self.outside))
        return memories, self.steps, cues, len(cues), work

    def negligible(self) -> float:
        """As little as rounding: results do not depend on who reads which memories."""
        return min(super().negligible(), float(np.finfo(self.precision).eps))

    def drive(self, cues: Array, times: Array, states: Array) -> Array:
        """Xi^T f(Xi y + b) + a of the running cues; of the quiet ones how memories move, too."""
        total = reduce(Partial.joined, self.each_part(lambda rows: self.attend(rows, cues)))
        if self.problem.ranks is not None:
            total = total.over(self.problem.ranks)
        drive: Array = self.outside[cues] + total.average
        quiet = cues[self.steps.cues["status"][cues] == adams.QUIET]
        if self.rate and quiet.size:
            self.steps.cues["beside"][quiet] = self.furthest(quiet)
        if self.clamped.size:
            drive = np.where(self.clamped[cues], states[:, : drive.shape[1]], drive)
        return drive

    def attend(self, rows: slice, cues: Array) -> Partial:
        """What some of the memories contribute to the attention of these cues."""
        *given, work = self.of_part(rows, cues)
        memory_force.softmax_part(*given, work)
        size = len(cues)
        return Partial(work.peak[:size, None], work.total[:size, None], work.drive[cues])

    def furthest(self, cues: Array) -> Array:
        """Largest |tau dh/dt| of the memory units of each cue, |Xi (v - y) - decay offset|."""

        def largest(rows: slice) -> Array:
            *given, work = self.of_part(rows, cues)
            memory_force.residual_part(*given, work)
            return np.asarray(work.peak[: len(cues)])

        found = reduce(np.maximum, self.each_part(largest))
        return found if self.problem.ranks is None else self.problem.ranks.largest(found)

    def besides(self) -> str:
        speed = self.passes * self.weights.nbytes / (time.monotonic() - self.began)
        return f", {self.passes} passes at {speed / 1e9:.2g} GB/s"

    def each_part(self, part: Any) -> Iterator[Any]:
        """What `part` finds for each part of the memories, in their order, by all threads."""
        self.passes += 1
        rows = max(1, _PART // self.weights.shape[1] // memory_force.BLOCK)
        stop, step = self.mine.stop, rows * memory_force.BLOCK
        firsts = range(self.mine.start, stop, step)
        every = (slice(first, min(first + step, stop)) for first in firsts)
        workers = self.problem.workers
        if workers == 1:
            yield from map(part, every)
            return
        with ThreadPoolExecutor(workers) as pool:
            while some := list(islice(every, 4 * workers)):  # no more results than these at a time
                yield from pool.map(part, some)
