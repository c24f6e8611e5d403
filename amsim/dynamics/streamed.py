"""A run over memories that stand in a file: each step reads them once, for all cues."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, reduce
from itertools import islice
from typing import Any

import numpy as np

from .. import checks
from ..lagrangians import Softmax
from ..synapses import Array
from . import adams
from .attention import Partial, partial_attention
from .problem import Problem
from .run import Run
from .two_layer import TwoLayerRun, traits

# Cues that share a matrix product. Always so many, with zeros for those that are missing: the bits
# of a cue do not depend on how many there are, nor on its place. More rows than eight are split by
# some kernels of OpenBLAS into tiles of unlike bits, such as 12 + 4 by those for Haswell and AMD.
_GROUP = 8
# Values of a block of memories, which stays in a core's cache, and blocks that one thread reads.
_BLOCK, _BLOCKS = 1 << 17, 32


@cache
def _libraries() -> Any:
    """The libraries of products, whose threads would wait for each other."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


class StreamedRun(TwoLayerRun):
    """Steps of softmax memories whose products are those of NumPy, part by part of the file."""

    outermost: Any = adams.finish_running

    @staticmethod
    def applies(problem: Problem) -> bool:
        """Whether memories with one softmax are mapped from a file, or shared by processes."""
        loop, shared = problem.attention_loop, problem.ranks is not None
        return loop is not None and (shared or checks.is_mapped(loop.weights))

    @staticmethod
    def together(problem: Problem, first: int) -> int:
        """All cues of one precision and of one kind of start."""
        kinds = traits(problem.select(np.arange(first, problem.batch)))
        return int((kinds == kinds[0]).all(axis=1).cumprod().sum())

    def prepare(self) -> float:
        softmax = self.problem.network.layers[self.hidden].lagrangian
        assert isinstance(softmax, Softmax)  # see `applies`
        self.beta, self.outside = softmax.beta, self.external()
        self.single = self.is_single(self.loop.weights)
        self.fixed = self.clamped_units()
        self.rows = max(1, _BLOCK // self.loop.weights.shape[1])  # of a block
        self.passes, self.began = 0, time.monotonic()
        self.mine, ranks = slice(0, len(self.loop.weights)), self.problem.ranks
        if ranks is not None:
            self.mine = ranks.rows(len(self.loop.weights))
        return Run.prepare(self)

    @property
    def kind(self) -> tuple[str, ...]:
        return (type(self).__name__,)

    def steps_of_all(self, count: int) -> int:
        """The loop over steps, which is not compiled."""
        with _libraries().limit(limits=1):  # the threads are ours
            return Run.sweep(self, count)

    def arguments(self, size: int, drives: Array | None = None) -> tuple[Any, ...]:
        return Run.arguments(self, size, drives)

    def drive(self, cues: Array, times: Array, states: Array) -> Array:
        """Xi^T f(Xi y + b) + a of the running cues; of the quiet ones how memories move, too."""
        units = self.outside.shape[1]
        decay = np.exp(-self.rate * times)
        found: Array = self.outside[cues] + self.attend(cues, states[:, -units:], decay)
        quiet = self.steps.cues["status"][cues] == adams.QUIET
        if self.rate and quiet.any():
            near, x = cues[quiet], self.steps.x
            moved = self.furthest(near, x[near, :units] - x[near, units:], decay[quiet])
            self.steps.cues["beside"][near] = moved
        if self.clamped.size:
            found = np.where(self.clamped[cues], states[:, :units], found)
        return found

    def attend(self, cues: Array, queries: Array, decay: Array) -> Array:
        """The attention of each cue to all memories."""
        scaled, shown = self.grouped(self.beta * queries), decay[:, None]

        def part(rows: slice) -> Partial:
            shift = self.beta * self.bias[rows]
            if self.offset.shape[1]:
                shift = self.grouped(shift + self.beta * shown * self.offset[cues, rows], float)
            return partial_attention(scaled, self.loop.weights[rows], shift, self.rows)

        total = reduce(Partial.joined, self.each_part(part))
        if self.problem.ranks is not None:
            total = total.over(self.problem.ranks)
        return np.asarray(total.average.reshape(-1, queries.shape[1])[: len(queries)])

    def furthest(self, cues: Array, moves: Array, decay: Array) -> Array:
        """Largest |tau dh/dt| of the memory units of each cue, |Xi (v - y) - decay offset|."""
        turned = self.grouped(moves)

        def part(rows: slice) -> Array:
            largest: Array = np.zeros(len(moves))
            for first in range(rows.start, rows.stop, self.rows):
                block = slice(first, min(first + self.rows, rows.stop))
                change = turned @ self.loop.weights[block].astype(turned.dtype, copy=False).T
                change = change.reshape(-1, change.shape[-1])[: len(moves)]
                if self.offset.shape[1]:
                    change = change - decay[:, None] * self.offset[cues, block]
                np.maximum(largest, np.abs(change).max(axis=1), out=largest)
            return largest

        found = reduce(np.maximum, self.each_part(part))
        return found if self.problem.ranks is None else self.problem.ranks.largest(found)

    def grouped(self, rows: Array, kind: Any = None) -> Array:
        """Rows (B, N) as (groups, 8, N), with zeros behind, in the precision of products."""
        groups = -(-len(rows) // _GROUP)
        kind = kind or (np.float32 if self.single or self.problem.single else np.float64)
        padded = np.zeros((groups * _GROUP, rows.shape[1]), kind)
        padded[: len(rows)] = rows
        return padded.reshape(groups, _GROUP, -1)

    def besides(self) -> str:
        speed = self.passes * self.loop.weights.nbytes / (time.monotonic() - self.began)
        return f", {self.passes} passes at {speed / 1e9:.2g} GB/s"

    def each_part(self, part: Any) -> Iterator[Any]:
        """What `part` finds for each part of the memories, in their order, by all threads."""
        self.passes += 1
        stop, step = self.mine.stop, _BLOCKS * self.rows
        firsts = range(self.mine.start, stop, step)
        every = (slice(first, min(first + step, stop)) for first in firsts)
        workers = self.problem.workers
        if workers == 1:
            yield from map(part, every)
            return
        with ThreadPoolExecutor(workers) as pool:
            while some := list(islice(every, 4 * workers)):  # no more results than these at a time
                yield from pool.map(part, some)
