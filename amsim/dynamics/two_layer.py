"""A run of the exponential integrator over memories joined to identity features.

With one tau for all memory units their state is

    h = Xi y + b + e^(-t/tau) (h(0) - Xi y(0) - b),    tau dy/dt = v - y,

so that y, a follower of the features v with as many entries, replaces h exactly. Directed synapses
may have other weights for the way back to the features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiled.products import LANES, TOGETHER
from ..network import Layer, Network
from ..neurons import Neuron, neuron
from ..synapses import Array, project, project_each
from . import adams, memory_force
from .looks import Ints, Read
from .loops import Loop, loop_of
from .precision import LARGE, float32_serves
from .problem import Problem, Reader
from .run import Outcome, Rows, Run, segments_of

# Products in float32 serve errors per step down to the first of these, and residuals down to the
# second, times the largest weight.
_FLOAT32_RTOL, _FLOAT32_RESIDUAL = 3e-7, 1e-5
# Networks that are not large have them, from this number of weights on, for errors per step that
# are larger than the rounding of a logit.
_MEDIUM, _MEDIUM_RTOL = 50_000, 3e-6
# Cues side by side, and the weights that they read in one step, which nothing interrupts.
_TOGETHER, _SWEEP = 16, 5e8
# Rows for which products of a matrix with each take no longer than one with all.
_FEW = 8
# The features depend on each other, through the memories.
_COUPLED = np.ones((1, 1), bool)
# Memories are left out of the softmax if together they change no drive by more than this share of
# the tolerance.
_NEGLIGIBLE = 0.03


class TwoLayerRun(Run):
    """Steps whose state is v and its follower y and whose drive is one compiled pass."""

    def __init__(self, problem: Problem, rtol: float, atol: float, max_steps: int) -> None:
        self.problem, self.rtol, self.atol, self.max_steps = problem, rtol, atol, max_steps
        self.loop = _loop(problem)
        self.hidden, self.visible = self.loop.hidden, self.loop.visible
        self.rate, self.bias, self.row, segments = problem.network.once(_constants)
        if self.visible not in problem.given:
            state = problem.initial[self.visible]
        else:
            state = problem.given[self.visible]
        self.single = False
        self.offset = np.zeros((len(state), 0))
        follower = state  # memories that start at their algebraic value
        if self.rate and self.hidden in problem.given:
            follower, self.offset = self.split(state, problem.given[self.hidden])
        if self.rate:
            state = np.concatenate([state, follower], axis=-1)
        self.clamped = np.zeros((len(state), 0), bool)
        if self.visible in problem.clamped:
            self.clamped = np.array(problem.clamped[self.visible], order="C")
        self.begin(state, segments)

    @staticmethod
    def together(problem: Problem, first: int) -> int:
        """Cues that are integrated side by side: few, so that their history stays in the cache.

        They are of one precision and of one kind of start, so that a cue has the same bits whatever
        stands beside it.
        """
        if first + 1 == problem.batch:
            return 1
        size, group = _SWEEP / _loop(problem).weights.size, TOGETHER
        most = min(_TOGETHER, max(1, int(size) if size < group else int(size) // group * group))
        kinds = traits(problem.select(np.arange(first, min(first + most, problem.batch))))
        return int((kinds == kinds[0]).all(axis=1).cumprod().sum())

    @staticmethod
    def width(problem: Problem) -> int:
        loop, layers = _loop(problem), problem.network.layers
        units = layers[loop.visible].size
        return units if layers[loop.hidden].algebraic else 2 * units

    @staticmethod
    def applies(problem: Problem) -> bool:
        """Whether the network is a loop of Identity features and memories with one tau."""
        return problem.loop is not None

    def split(self, visible: Array, hidden: Array) -> tuple[Array, Array]:
        """y(0) and the rest h(0) - Xi y(0) - b, which is left out where h(0) = b."""
        rest = hidden - self.bias
        if not rest.any():
            return np.zeros(visible.shape), self.offset
        return visible, rest - project_each(visible, self.loop.weights)

    def prepare(self) -> float:
        problem, (weights, back) = self.problem, self.problem.network.once(_arrays)
        row, (batch, units) = self.row, self.steps.used.shape
        external = self.external()
        if problem.single and weights.dtype == np.float64:
            weights, back = weights.astype(np.float32), back.astype(np.float32)
        self.memories = memory_force.Memories(
            weights=weights,
            back=back,
            bias=self.bias,
            kind=row.kind,
            parameter=row.parameter,
            alpha=row.alpha,
            skip=self.negligible() / len(weights),
            rate=self.rate,
            offset=self.offset,
            external=external,
            clamped=self.clamped,
        )
        self.single = self.is_single(weights)
        self.outermost = memory_force.sweep_of(row.kind)
        self.drives = np.zeros((batch, units))
        single = self.single or problem.single
        self.narrow = self.wide = self.allocate(np.float32 if single else np.float64)
        if self.single:
            self.wide = self.allocate(np.float64)  # for `refine`; compiled alike where none follows
        return super().prepare()

    def states(self, cues: Ints, times: Array, vectors: Array) -> Read:
        loop, units, offset = self.loop, self.steps.used.shape[1], self.offset
        layers = self.problem.network.layers

        def read(name: str) -> Array:  # without the run, whose memory is freed when it has ended
            if name == loop.visible:
                return vectors[:, :units]
            hidden = layers[name]
            states = project_each(vectors[:, -units:], loop.weights) + hidden.bias
            if offset.shape[1]:
                states += _decay(hidden, times)[:, None] * offset[cues]
            return states

        return read

    def external(self) -> Array:
        """What drives the features besides, (B, D); of those that are clamped their value."""
        problem, (batch, units) = self.problem, self.steps.used.shape
        external = np.zeros((batch, units))
        external += problem.network.layers[self.visible].bias
        if self.visible in problem.inputs:
            external += problem.inputs_at(0.0)[self.visible]
        if self.clamped.size:
            np.copyto(external, self.start[:, :units], where=self.clamped)
        return external

    def is_single(self, weights: Array) -> bool:
        """Whether products are float32, until cues are as near to rest as these can tell."""
        if self.problem.single:  # all are
            return False
        least = _FLOAT32_RTOL if self.loop.weights.size >= LARGE else _MEDIUM_RTOL
        serves = self.rtol >= least and weights.dtype != np.float64
        return serves and bool(float32_serves(self.problem, self.loop, _MEDIUM).all())

    def work_per_cue(self) -> float:
        return 2.0 * self.loop.weights.size

    def negligible(self) -> float:
        """What all memories that are left out may have of the softmax, whose sum is 1."""
        wanted = min(self.rtol, self.problem.tolerance or np.inf)
        return _NEGLIGIBLE * wanted / max(self.loop.largest_back, 1.0)

    def allocate(self, precision: type) -> Any:
        """Working memory for products in float32 or float64."""
        return memory_force.new_work(self.memories, precision, self.drives)

    @property
    def kind(self) -> tuple[str, ...]:
        arrays = self.memories.weights, self.narrow.query, self.wide.query
        return *super().kind, self.outermost.__name__, *(x.dtype.char for x in arrays)

    def sweep(self, count: int) -> int:
        running = self.steps_of_all(count)
        if not running and self.single and self.problem.tolerance:
            return self.refine()
        return running

    def steps_of_all(self, count: int) -> int:
        """Call the compiled loop."""
        return memory_force.sweep(*self.arguments(count))

    @property
    def tolerance(self) -> float:
        """What is left out of the softmax must not hide that a unit is not at rest."""
        tolerance = (1.0 - _NEGLIGIBLE) * self.problem.tolerance
        if self.single and tolerance:
            tolerance = max(tolerance, _FLOAT32_RESIDUAL * self.loop.largest_back)
        return tolerance

    def arguments(self, size: int, drives: Array | None = None) -> tuple[Any, ...]:
        problem, tolerance = self.problem, self.tolerance
        return (
            self.steps, self.segments, self.memories, self.rtol, self.atol, tolerance, problem.t1,
            problem.times, self.outputs, self.scratch, self.narrow, self.wide, not self.single,
            self.running, size,
        )  # fmt: skip

    def refine(self) -> int:
        """Go on in float64 with the cues that are as near to rest as float32 can tell."""
        status = self.steps.cues["status"]
        near = status == adams.SETTLED
        self.single = False
        status[near] = adams.QUIET
        return int(near.sum())

    @staticmethod
    def reader(problem: Problem, offset: Array, times: Array, ends: Array, vectors: Rows) -> Reader:
        def read(name: str, rows: slice) -> Array:
            loop = _loop(problem)
            units = loop.weights.shape[1]
            hidden = problem.network.layers[loop.hidden]
            if name == loop.visible:
                return vectors[rows, :, :units]
            ended = times[rows, None] >= ends
            states = _seen_by_memories(vectors[rows, :, -units:], ended, loop.weights)
            states += hidden.bias
            if offset.shape[1]:
                clock = np.minimum.outer(times[rows], ends)
                states += _decay(hidden, clock)[..., None] * offset
            return states

        return read

    def outcome(self) -> Outcome:
        if self.single and self.problem.tolerance:
            status = self.steps.cues["status"]
            # Interrupted: float32 alone settles nothing.
            status[status == adams.SETTLED] = adams.RUNNING
        return super().outcome()

    def clamped_units(self) -> Array:
        if not self.clamped.size:
            return self.clamped
        mask = np.zeros(self.start.shape, bool)
        mask[:, : self.clamped.shape[1]] = self.clamped
        return mask


def check_single(problem: Problem, rtol: float) -> None:
    """Raise ValueError where products in float32 are asked for, and cannot serve."""
    loop = problem.attention_loop
    if loop is None:
        raise ValueError(
            "dtype: float32 is for memories with a softmax that one Dense joins to Identity "
            "features, with constant inputs: leave dtype out for other networks"
        )
    if rtol < _FLOAT32_RTOL:
        raise ValueError(
            f"dtype: float32 serves errors per step down to {_FLOAT32_RTOL:g}, and rtol is "
            f"{rtol:g}: take a larger one, or float64"
        )
    least = _FLOAT32_RESIDUAL * loop.largest_back
    if 0 < problem.tolerance < least:
        raise ValueError(
            f"dtype: float32 tells rest from motion down to {least:g}, and the tolerance is "
            f"{problem.tolerance:g}: pass until=Settled({least:g}) or a larger one, or float64"
        )


def _seen_by_memories(seen: Array, ended: NDArray[np.bool_], weights: Array) -> Array:
    """Xi y of features y (T, B, D), (T, B, K).

    Where it has ended (T, B), and another piece of the run may begin, a cue has bits of its own.
    """
    rows, batch, units = seen.shape
    if rows * batch <= _FEW:
        found = project_each(seen.reshape(-1, units), weights)
        return found.reshape(rows, batch, len(weights))
    if ended[0].all():
        return project_each(seen[-1], weights)[None].repeat(rows, axis=0)
    states, late = project(seen, weights), ended[-1]
    own = project_each(seen[-1, late], weights)
    when, cue = ended.nonzero()
    states[when, cue] = own[np.cumsum(late)[cue] - 1]
    return states


def _decay(memories: Layer, times: Array) -> Array:
    """What is left of the state that they had beside their followers."""
    return np.asarray(np.exp(-times / memories.tau_runs[0][1]))


def _constants(network: Network) -> tuple[float, Array, Neuron, adams.Segments]:
    """1 / tau of the memories, or 0; their bias and kind; the features."""
    loop = loop_of(network)
    assert loop is not None  # see `TwoLayerRun.applies`
    hidden = network.layers[loop.hidden]
    rate = 0.0 if hidden.algebraic else 1.0 / hidden.tau_runs[0][1]
    row = neuron(hidden.lagrangian)
    assert row is not None
    segments = segments_of([network.layers[loop.visible]], _COUPLED, rate)
    return rate, np.array(hidden.bias), row, segments


def _arrays(network: Network) -> tuple[Array, Array]:
    """Both weights for the compiled drive, of one type, with a row for each memory."""
    loop = loop_of(network)
    assert loop is not None  # see `TwoLayerRun.applies`
    forth = loop.forth.compact
    back = forth[:0] if loop.back is None else loop.back.turned
    if forth.dtype != back.dtype:
        forth, back = (x.astype(np.float64, copy=False) for x in (forth, back))
    forth, back = widened(forth), widened(back)
    for array in (forth, back):
        array.flags.writeable = False  # of one type, whether the user may write to it or not
    return forth, back


def widened(weights: Array) -> Array:
    """A view of the weights; of few columns a copy that fills a vector, with zeros behind."""
    missing = LANES - weights.shape[1]
    return weights.view() if missing <= 0 else np.pad(weights, [(0, 0), (0, missing)])


def traits(problem: Problem) -> NDArray[np.bool_]:
    """What decides how a cue is integrated, (B, 2): the precision of products, and its start."""
    loop = _loop(problem)
    moved = np.zeros(problem.batch, bool)
    if loop.hidden in problem.given:
        bias = problem.network.layers[loop.hidden].bias
        moved = (problem.given[loop.hidden] != bias).any(axis=1)
    return np.stack([float32_serves(problem, loop, _MEDIUM), moved], axis=1)


def _loop(problem: Problem) -> Loop:
    assert problem.loop is not None  # see `TwoLayerRun.applies`
    return problem.loop
