"""Our own integrator: adaptive, exact on the leak, a step size and a halt for every cue."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..lagrangians import (
    Exponential, Identity, Lagrangian, RectifiedPower, ReLU, Sigmoid, Softmax, Tanh,
)  # fmt: skip
from ..synapses import Array, Dense, project
from .problem import Problem, Reader, Solution, recorded_times
from .progress import Progress, announce_compilation

# Error per step in units of the tolerance: leaves room for the errors of many steps to add up.
_SHARE = 0.3
# A state that grew by this factor is not coming back.
_BLOW_UP = 1e9
# Multiply-adds between two looks at Ctrl-C, some tenths of a second.
_CHUNK = 3e8
# Products in float32 are worth compiling for from this number of weights on. They leave errors
# below rtol = 1e-6, and a residual below this share of the largest weight.
_LARGE = 100_000
_FLOAT32_RTOL, _FLOAT32_RESIDUAL = 1e-6, 1e-5
_STATUSES = np.array(["interrupted", "settled", "time_limit", "diverged"])


@dataclass(frozen=True)
class ExponentialIntegrator:
    """Exponential Adams method of variable order and step, for every network.

    Parameters
    ----------
    rtol : float, default 1e-6
        Error at every output time, relative to the largest |x| of the layer.
    atol : float, default 1e-9
        Error allowed besides, in units of the state.

    Notes
    -----
    The decay of each unit is integrated exactly, so that a small tau costs no steps. Cues have
    their own step size, order and halt. Memories joined by one `Dense` synapse to Identity features
    run as one compiled loop over half of the state; other networks evaluate their forces in NumPy.

    Examples
    --------
    >>> import amsim as am
    >>> net = am.dense_am([[1, 1, -1, -1], [1, -1, 1, -1]], hidden=am.Softmax(beta=4.0))
    >>> solver = am.ExponentialIntegrator(rtol=1e-8)
    >>> am.simulate(net, [1, 1, -1, 0], solver=solver).final["visible"].round(3)
    array([ 1.,  1., -1., -1.])
    """

    rtol: float = 1e-6
    atol: float = 1e-9

    def __post_init__(self) -> None:
        for name, value, lowest in (("rtol", self.rtol, 1e-13), ("atol", self.atol, 1e-300)):
            if not (math.isfinite(value) and value >= lowest):
                raise ValueError(
                    f"ExponentialIntegrator: {name} must be at least {lowest:g}, got {value!r}"
                )

    def solve(self, problem: Problem) -> Solution:
        """Solve for all cues of the batch."""
        run = _TwoLayerRun if _is_two_layer(problem) else _GeneralRun
        return run(problem, _SHARE * self.rtol, _SHARE * self.atol).solve()


def _is_two_layer(problem: Problem) -> bool:
    """Whether the compiled loop applies: Dense, Identity features, memories with one tau."""
    network = problem.network
    if len(network.synapses) != 1 or problem.driven:
        return False
    synapse = network.synapses[0]
    if type(synapse) is not Dense or len(set(synapse.between)) != 2 or len(network.layers) != 2:
        return False
    hidden, visible = (network.layers[name] for name in synapse.between)
    hidden_input = np.ndim(problem.inputs.get(synapse.between[0], 0.0)) > 0
    return (
        type(visible.lagrangian) is Identity
        and _kind(hidden.lagrangian) is not None
        and len(visible.shape) == 1
        and hidden.leak == visible.leak == 1.0
        and not visible.algebraic
        and not np.ptp(hidden.tau)
        and not hidden_input
        and synapse.between[0] not in problem.clamped
    )


def _kind(lagrangian: Lagrangian) -> tuple[int, float] | None:
    """Code and parameter of an activation in the compiled loop, None where it has none."""
    from . import two_layer as compiled

    match lagrangian:
        case Softmax(beta=beta):
            return compiled.SOFTMAX, beta
        case Tanh(beta=beta):
            return compiled.TANH, beta
        case Sigmoid(beta=beta):
            return compiled.SIGMOID, beta
        case Exponential(beta=beta):
            return compiled.EXPONENTIAL, beta
        case RectifiedPower(n=n):
            return compiled.POWER, n - 1.0
        case ReLU():
            return compiled.POWER, 1.0
        case Identity():
            return compiled.IDENTITY, 1.0
    return None


class _GeneralRun:
    """Steps of any network: the state is all dynamic layers, the drive is NumPy."""

    def __init__(self, problem: Problem, rtol: float, atol: float) -> None:
        self.problem, self.rtol, self.atol = problem, rtol, atol
        self.begin(problem.network.pack(problem.initial), list(problem.network.dynamic))

    def begin(self, state: Array, names: list[str], lag: float = 0.0, width: int = 0) -> None:
        """Lay out segments and working arrays for the layers `names`, starting from `state`."""
        from . import adams

        self.adams = adams
        problem, layers = self.problem, self.problem.network.layers
        tau = np.concatenate([np.ravel(layers[name].tau) for name in names])
        leak = np.concatenate([np.full(layers[n].size, layers[n].leak) for n in names])
        layer = np.repeat(np.arange(len(names)), [layers[name].size for name in names])
        change = np.any(np.diff([tau, leak, layer], axis=1) != 0, axis=0)
        start = np.concatenate([[0], 1 + np.flatnonzero(change), [len(tau)]])
        first = start[:-1]
        self.segments = adams.Segments(
            start=start,
            rate=leak[first] / tau[first],
            gain=1.0 / tau[first],
            lag=np.full(len(first), lag),
            layer=layer[first],
        )
        batch, units, pieces = len(state), len(tau), len(first)
        width = width or units
        self.steps = adams.Steps(
            cues=np.zeros(batch, adams.CUE),
            x=np.zeros((batch, width)),
            new=np.zeros((batch, width)),
            used=np.zeros((batch, units)),
            dd=np.zeros((batch, adams.HISTORY, units)),
            past=np.zeros((batch, adams.HISTORY)),
            scale=np.zeros((batch, len(names))),
            weight=np.zeros((batch, pieces, 3)),
            gap=np.zeros((batch, pieces, adams.HISTORY)),
        )
        cues = self.steps.cues
        cues["h"] = min(1e-3 / max(lag, float(np.max(1.0 / tau))), problem.t1)
        cues["order"] = cues["known"] = 1
        cues["floor"] = np.inf
        self.running, self.lead = np.zeros(batch, np.int64), np.zeros(batch)
        self.steps.x[:, : state.shape[1]] = state
        self.outputs = np.empty((len(problem.times), batch, width))
        self.scratch = adams.scratch_rows(width)

    def start_history(self, drive: Array) -> None:
        """Enter the first drive, the scale of each layer and the outputs at t = 0."""
        steps, segments = self.steps, self.segments
        steps.dd[:, 0] = drive
        steps.cues["evaluated"] = 1
        size = np.maximum(np.abs(steps.x[:, : drive.shape[1]]), np.abs(drive))
        for layer in range(steps.scale.shape[1]):
            pieces = np.flatnonzero(segments.layer == layer)
            span = slice(segments.start[pieces[0]], segments.start[pieces[-1] + 1])
            steps.scale[:, layer] = size[:, span].max(axis=1)
        self.limit = _BLOW_UP * (1.0 + float(steps.scale.max()))
        at_start = int(np.searchsorted(self.problem.times, 0.0, side="right"))
        self.outputs[:at_start] = steps.x
        steps.cues["written"] = at_start

    def drive(self, cues: Array, times: Array, states: Array) -> Array:
        """N = force + leak x of packed states (size, N), at one time per cue."""
        problem = self.problem
        decay = self.leak * states
        if problem.driven:
            # An input may differ between cues only by their time.
            forces = [problem.force(t, x[None])[0] for t, x in zip(times, states, strict=True)]
            return np.array(forces) + decay
        return problem.select(cues).force(0.0, states) + decay

    def sweep(self, count: int) -> int:
        """Up to `count` steps of every running cue; how many cues still run."""
        adams, steps, problem = self.adams, self.steps, self.problem
        drives = np.empty_like(steps.used)
        size = len(drives)
        for _ in range(count):
            size = adams.predict_running(
                steps, self.segments, self.scratch, self.running, self.lead
            )
            if size == 0:
                break
            cues = self.running[:size]
            ahead = steps.past[cues, 0] + self.lead[cues]
            drives[cues] = self.drive(cues, ahead, steps.new[cues])
            quiet = adams.finish_running(
                steps, self.segments, self.running, size, drives, self.rtol, self.atol, self.limit,
                problem.tolerance, problem.t1, problem.times, self.outputs, self.scratch,
            )  # fmt: skip
            if quiet:
                self.settle(self.running[:quiet])
        return size

    def settle(self, cues: Array) -> None:
        """Look at the true residual of cues that seem settled."""
        steps = self.steps
        state = steps.x[cues]
        residual = self.drive(cues, steps.past[cues, 0], state) - self.leak * state
        rest = np.abs(residual).max(axis=1) <= self.problem.tolerance
        steps.cues["status"][cues[rest]] = self.adams.SETTLED
        steps.cues["evaluated"][cues] += 1

    def prepare(self) -> float:
        """Evaluate the first drive; returns the multiply-adds of one step, roughly."""
        network = self.problem.network
        self.leak = np.concatenate(
            [np.full(layer.size, layer.leak) for layer in network.dynamic.values()]
        )
        cues = np.arange(self.problem.batch)
        self.start_history(self.drive(cues, np.zeros(len(cues)), self.steps.x))
        return float(self.steps.x.shape[1]) ** 2 * len(cues)

    def solve(self) -> Solution:
        """Run to the end, in chunks short enough to notice Ctrl-C between them."""
        problem, steps = self.problem, self.steps
        with announce_compilation("the integrator"):
            work = self.prepare()
            self.sweep(0)
        chunk = int(np.clip(_CHUNK / work, 1, 20000))
        progress = Progress(problem.t1, problem.batch)
        running = problem.batch
        try:
            while running:
                running = self.sweep(chunk)
                progress.update(float(steps.past[:, 0].min()), running)
        except KeyboardInterrupt:
            pass  # reported as a status: what was reached is not lost
        finally:
            progress.close()
        return self.solution()

    def solution(self) -> Solution:
        """Trim the record to what happened; settled cues hold their last state."""
        problem, steps = self.problem, self.steps
        statuses, ends = _STATUSES[steps.cues["status"]], steps.past[:, 0].copy()
        finished = bool(np.isin(statuses, ["settled", "time_limit"]).all())
        times = recorded_times(problem.times, problem.explicit, finished, float(ends.max()))
        outputs = self.outputs
        if len(times) > len(outputs):
            outputs = np.concatenate([outputs, steps.x[None]])
        outputs = outputs[: len(times)]
        for row, time in enumerate(times):
            held = (row >= steps.cues["written"]) | (time >= ends)
            outputs[row, held] = steps.x[held]
        return Solution(
            times=times,
            record=self.reader(times, outputs),
            final=self.reader(ends.max(keepdims=True), steps.x[None]),
            statuses=statuses,
            ends=ends,
            rhs=steps.cues["evaluated"].copy(),
            accepted=int(steps.cues["accepted"].sum()),
            rejected=int(steps.cues["rejected"].sum()),
        )

    def reader(self, times: Array, vectors: Array) -> Reader:
        """Read states of the solver, (T, B, width), by layer."""
        return self.problem.reader(times, vectors)


class _TwoLayerRun(_GeneralRun):
    """Steps of memories and identity features: the state is v and its follower y."""

    def __init__(self, problem: Problem, rtol: float, atol: float) -> None:
        from . import two_layer as compiled

        self.problem, self.rtol, self.atol, self.compiled = problem, rtol, atol, compiled
        synapse = problem.network.synapses[0]
        assert isinstance(synapse, Dense)
        self.synapse = synapse
        self.hidden, self.visible = synapse.between
        layer = problem.network.layers[self.hidden]
        self.bias = np.ascontiguousarray(layer.bias)
        self.rate = 0.0 if layer.algebraic else 1.0 / float(np.ravel(layer.tau)[0])
        state = problem.initial[self.visible].astype(np.float64)
        self.offset = np.zeros((0, 0))
        if self.rate:
            follower, self.offset = self.split(state, problem.initial[self.hidden])
            state = np.concatenate([state, follower], axis=-1)
        self.begin(state, [self.visible], lag=self.rate, width=state.shape[1])

    def split(self, visible: Array, hidden: Array) -> tuple[Array, Array]:
        """y(0) and the rest h(0) - Xi y(0) - b, empty where that is zero."""
        rest = hidden - self.bias
        if not rest.any():
            return np.zeros_like(visible), np.zeros((0, 0))
        rest -= project(visible, self.synapse.weights)
        small = 1e-14 * (np.abs(hidden).max() + np.abs(self.bias).max())
        return visible, rest if np.abs(rest).max() > small else np.zeros((0, 0))

    def prepare(self) -> float:
        compiled, problem = self.compiled, self.problem
        weights, width = self.synapse.compact, self.synapse.weights.shape[1]
        batch = problem.batch
        kind, parameter = _kind(problem.network.layers[self.hidden].lagrangian) or (0, 0.0)
        self.memories = compiled.Memories(
            weights, self.bias, kind, float(parameter), 1e-3 * self.rtol / len(weights)
        )
        self.single = self.single_precision()
        self.work = self.allocate(np.float32 if self.single else np.float64)
        external = problem.network.layers[self.visible].bias + problem.inputs.get(self.visible, 0.0)
        self.external = np.ascontiguousarray(np.broadcast_to(external, (batch, width)))
        self.clamped = problem.clamped.get(self.visible, np.zeros((batch, 0), bool))
        compiled.evaluate(
            self.memories, self.offset, self.rate, self.external, self.clamped, self.steps.x,
            self.steps.past, self.lead, np.arange(batch), batch, self.work,
        )  # fmt: skip
        self.start_history(self.work.drive)
        return float(weights.size) * batch

    def allocate(self, precision: type) -> Any:
        """Working memory for products in float32 or float64."""
        compiled, batch, width = self.compiled, *self.steps.used.shape
        return compiled.Work(
            query=np.zeros((batch, width), precision),
            block=np.zeros(width, precision),
            logits=np.zeros((compiled.GROUP, compiled.BLOCK), precision),
            rows=np.zeros(compiled.BLOCK, np.int64),
            shares=np.zeros(compiled.BLOCK),
            peak=np.zeros(batch),
            total=np.zeros(batch),
            decay=np.zeros(batch),
            drive=np.zeros((batch, width)),
        )

    def single_precision(self) -> bool:
        """Whether float32 products are accurate enough and worth their compilation."""
        weights = self.memories.weights
        return (
            self.memories.kind == self.compiled.SOFTMAX
            and weights.dtype != np.float64
            and weights.size >= _LARGE
            and self.rtol >= _SHARE * _FLOAT32_RTOL
        )

    def sweep(self, count: int) -> int:
        problem, steps = self.problem, self.steps
        memory_tolerance = tolerance = problem.tolerance
        if self.single and tolerance:
            weights = self.memories.weights
            largest = max(float(weights.max()), -float(weights.min()))
            memory_tolerance, tolerance = np.inf, max(tolerance, _FLOAT32_RESIDUAL * largest)
        running: int = self.compiled.sweep(
            steps, self.segments, self.memories, self.offset, self.rate, self.external,
            self.clamped, self.rtol, self.atol, self.limit, tolerance, memory_tolerance,
            problem.t1, problem.times, self.outputs, self.scratch, self.work, self.running,
            self.lead, count,
        )  # fmt: skip
        if not running and self.single:
            return self.refine()
        return running

    def refine(self) -> int:
        """Go on in float64 with the cues that are as near to rest as float32 can tell."""
        near = self.steps.cues["status"] == self.adams.SETTLED
        self.single, self.work = False, self.allocate(np.float64)
        self.steps.cues["status"][near] = self.adams.RUNNING
        return int(near.sum())

    def reader(self, times: Array, vectors: Array) -> Reader:
        width = self.synapse.weights.shape[1]

        def read(name: str, rows: slice) -> Array:
            if name == self.visible:
                return vectors[rows, :, :width]
            hidden = project(vectors[rows, :, -width:], self.synapse.weights) + self.bias
            if self.offset.size:
                hidden += np.exp(-self.rate * times[rows])[:, None, None] * self.offset
            return hidden

        return read
