"""`simulate`: recall from a cue by any solver."""

from __future__ import annotations

import time as clock
import warnings
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import checks
from ..checks import Seed, shown
from ..errors import GuaranteeWarning
from ..network import Network
from ..progress import check_whole
from ..ranks import Ranks
from .brian import Brian2
from .build_problem import build_problem
from .certified import check_certifiable, solve_certified
from .events import EventDriven
from .exponential import ExponentialIntegrator
from .fixed_point import FixedPoint
from .gradient_descent import GradientDescent
from .halting import Settled
from .heun import ExponentialAdams, ExponentialHeun
from .noise import Noise
from .pieces import solve_watched
from .problem import INTERRUPTED, Input, Problem, Solve, Solver
from .recording import Record, recording
from .scipy_ode import ScipyODE
from .trajectory import Trajectory
from .watch import Callback, Function, Watch, Watched, Watcher, checked_watches

_DEFAULT, _DEFAULT_SOLVER = Settled(), ExponentialIntegrator()


def simulate(
    network: Network,
    cue_or_states: ArrayLike | Mapping[str, ArrayLike] | Trajectory,
    *,
    t0: float | None = None,
    t1: float | None = None,
    times: ArrayLike | None = None,
    solver: Solver | EventDriven | Brian2 | str | None = None,
    until: Settled | None = _DEFAULT,
    clamp: Mapping[str, ArrayLike] | ArrayLike | None = None,
    inputs: Mapping[str, Input] | Input | None = None,
    breakpoints: ArrayLike | None = None,
    max_step: float | None = None,
    noise: Noise | float | Mapping[str, ArrayLike] | None = None,
    missing: ArrayLike | str | None = None,
    watch: Mapping[str, Watch | Function] | None = None,
    callback: Callback | None = None,
    record: Record = True,
    wall_limit: float | None = None,
    seed: Seed = 0,
    workers: int = 1,
    comm: Any = None,
    dtype: DTypeLike | None = None,
) -> Trajectory:
    """Integrate tau dx/dt = -dE/dg from a cue until it settles.

    Parameters
    ----------
    network : Network
    cue_or_states : array_like (*batch, *shape), mapping of layer names to such, or Trajectory
        An array is the state of layer "visible" (or of the only layer with tau > 0); the other
        layers start at their algebraic value for it. A mapping gives the layers by name; those
        it leaves out start at their algebraic value. With a `Trajectory` the run goes on at its
        last states and time; inputs and clamps are to be given again.
    t0 : float, default 0.0
        First time, in the unit of tau, on the clock of `times` and of inputs.
    t1 : float, optional
        Last time; by default the last of `times`, or 1000 times the largest tau after t0.
    times : array_like, optional
        Increasing times to record. By default t0 and a geometric grid, finest where the fastest
        layer moves, up to the time at which the last cue stopped.
    solver : solver object or str, optional
        `ExponentialIntegrator()` by default; `EventDriven()`; `FixedPoint()`; or a method of SciPy
        by name: "RK45", "DOP853", "Radau", "BDF", "LSODA" (`ScipyODE` sets its tolerances); or
        "brian2" (`Brian2` sets its step and timing).
    until : Settled or None, default Settled(1e-6)
        When a cue may stop before t1; None runs to t1, as noise does in any case.
    clamp : mapping of layer names to boolean masks or integer indices, optional
        Units that keep their initial value. A bare mask or index array is for the cue's layer.
    inputs : mapping of layer names to array_like, PiecewiseConstant or callable, optional
        External input added to the bias, broadcast to (*batch, *shape). A `PiecewiseConstant`
        jumps at times that every solver knows; any other callable takes the time and returns the
        input then. A bare one is for the cue's layer. No cue settles before the last jump, or, if
        there is a function, before t1.
    breakpoints : array_like, optional
        Times at which inputs that are functions jump: no step goes over one.
    max_step : float, optional
        Longest step where inputs are functions; by default the largest tau. Steps end at `times`,
        too, so that what lasts from one of them to the next is never stepped over.
    noise : float, mapping of layer names to array_like, or Noise, optional
        Noise in the state, by its temperature T: a unit with leak 1 and no synapse has the
        stationary variance T. By layer it may differ by unit and by cue; `Noise` also gives it a
        correlation time. The run then goes to t1, which must be given, by `ExponentialAdams` or, if
        that is the solver, by `EventDriven`.
    missing : bool array_like, broadcast to the cue, or "nan", optional
        Units of layer "visible" that the cue does not know; "nan" are those that are NaN. They are
        left out of the similarity with which a memory of `dense_am` begins, and start where that
        puts them; then they are units like others. ``clamp=~mask`` also keeps the known ones.
    watch : mapping of names to Watch or functions, optional
        Functions of the time and of the states of a cue whose crossings of 0 are noted in
        `Trajectory.crossings`; a `Watch` may also choose a direction, and stop the cue.
    callback : callable, optional
        callback(time, states) is called at the recorded times, in order, with states of all cues
        (*batch, *shape) by layer; where it returns True, all cues stop, and they go on after
        False or None. It gets the times of some units of tau together.
    record : True, layer names, or mapping of names, default True
        What is kept at the recorded times: all states; those of some layers; or by name. The name
        of a layer stands for some of its units, by a slice, a mask or indices (True: all); another
        name for a function(time, states) of the states of one cue by layer, which returns numbers
        in one shape. The last states of all layers are kept in any case, and the energy only with
        all states.
    wall_limit : float, optional
        Seconds after which the run is interrupted, as by Ctrl-C: what was reached is returned. It
        is looked at every second or so; a solver of yours has to use `Progress` for that.
    seed : int, SeedSequence or Generator, default 0
        For noise, and for the timing of `EventDriven` and `Brian2`; nothing else is random.
    workers : int, default 1
        Threads that share the cues of a batch, with `ExponentialIntegrator`; the result is the
        same to the bit. Each takes some cues at a time, 16 where memories act on Identity features.
        They share the memories in place of the cues where one softmax joins 2^25 weights or more,
        or a file.
    comm : mpi4py.MPI.Comm, optional
        Processes that make this call together and get the same result: each reads its own rows of
        the memories, which share a softmax. For `ExponentialIntegrator` and `FixedPoint`; the last
        digits depend on the number of processes.
    dtype : "float32", "float64" or None, optional
        float32: products with memories that share a softmax are single precision throughout, with
        `ExponentialIntegrator` and `FixedPoint`; `until` must not ask for more. By default they are
        where that serves, until a cue is nearly at rest.

    Returns
    -------
    Trajectory
        However it ended: `status` and `message` tell.

    Raises
    ------
    ValueError, TypeError
        If the cue, times, clamp or inputs do not fit the network; the message names both sides.

    Warns
    -----
    GuaranteeWarning
        Where the network, or a clamp within a group, loses a property that is proven for others.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(3, 32, seed=0)
    >>> net = am.dense_am(patterns, hidden=am.Softmax(beta=1.0))
    >>> cues = am.patterns.corrupt(patterns, flip=0.2, seed=1)
    >>> traj = am.simulate(net, cues)
    >>> traj["visible"].shape == (len(traj.times), 3, 32), traj.status
    (True, 'settled')
    """
    ranks = None if comm is None else Ranks(comm)
    with nullcontext() if ranks is None else ranks.agreed():
        noise = _noise(noise)
        if noise is not None:
            _check_restless(until)
            solver, until = _solver_with_noise(solver), None
        if isinstance(cue_or_states, Trajectory):
            _check_goes_on(solver, t0)
            cue_or_states, t0 = cue_or_states.continued(network)
        problem, batch = build_problem(
            network, cue_or_states,
            t0=0.0 if t0 is None else t0, t1=t1, times=times, until=until, clamp=clamp,
            inputs=inputs, breakpoints=breakpoints, max_step=max_step, noise=noise,
            missing=missing, seed=seed, workers=workers,
        )  # fmt: skip
        options: dict[str, Any] = {}
        if record is not True:
            options["recording"] = recording(record, problem)
        for lost in (*network.lost_guarantees, *_split_groups(network, problem.clamped)):
            warnings.warn(lost, GuaranteeWarning, stacklevel=2)
        solve = _solve(solver)
        watches, step = checked_watches(watch, network), None
        if (watches or callback) and isinstance(solver, ExponentialAdams | ExponentialHeun):
            step = solver.length(problem)
        shown = bool(watches) and (solver is None or getattr(solver, "shows_steps", False))
        watcher, callback = None, _callback(callback)
        if watches or callback is not None:
            watcher = Watcher(problem, watches, callback, batch, step, shown)
            _check_watchable(solver, until)
            if noise is not None and noise.correlation:
                raise ValueError(
                    "watch and callback: coloured noise would begin anew at each look: take white "
                    "noise, or look at the trajectory afterwards"
                )
            if shown:
                options["watched"] = Watched(watcher, np.arange(problem.batch))
            if not shown or callback is not None:
                solve = partial(solve_watched, solve, watcher)
        if wall_limit is not None:
            limit = checks.number("wall_limit", wall_limit, above=0.0)
            options["deadline"] = clock.monotonic() + limit
        if problem.workers > 1:
            _check_workers(solver)
        if dtype is not None and checks.float_type("dtype", dtype) == np.float32:
            problem = replace(problem, single=True)
            _check_single(solver, problem)
        if ranks is not None:
            problem = replace(problem, ranks=ranks)
            _check_shared(solver, problem, wall_limit is not None)
        if until is not None and until.certified:
            check_certifiable(problem)
            solve = partial(solve_certified, solve)
        if options:
            problem = problem.having(**options)
    if ranks is not None and problem.attention_loop is not None:
        ranks.check(problem.attention_loop.weights, _shared(solver, problem))
    start = clock.perf_counter()
    with nullcontext() if ranks is None else ranks.together():
        solution = solve(problem)
        if watcher is not None:
            watcher.note(solution)
    if INTERRUPTED in solution.codes:
        if clock.monotonic() > problem.deadline:
            limited = f"the wall_limit of {wall_limit:g} s is over"
            solution.note = "; ".join(filter(None, (solution.note, limited)))
        else:
            check_whole()
    return Trajectory.from_solution(problem, solution, batch, clock.perf_counter() - start)


def _callback(given: Callback | None) -> Callback | None:
    if given is not None and not callable(given):
        raise TypeError(f"callback must be a function of time and states, got {shown(given)}")
    if given is not None:
        checks.takes_time_and_states("callback", given)
    return given


def _check_watchable(
    solver: Solver | EventDriven | Brian2 | str | None, until: Settled | None
) -> None:
    """Raise ValueError where a run cannot be made in pieces that are looked at."""
    if solver == "brian2" or isinstance(
        solver, EventDriven | Brian2 | FixedPoint | GradientDescent
    ):
        raise ValueError(
            f"watch and callback: {shown(solver)} does not run in pieces, between which one could "
            f"look: take an ODE solver, or look at the trajectory afterwards"
        )
    if until is not None and until.certified:
        raise ValueError(
            "watch and callback: Settled(certified=True) may run a cue several times: leave "
            "certified out"
        )


def _check_goes_on(solver: Solver | EventDriven | Brian2 | str | None, t0: float | None) -> None:
    """Raise ValueError where a run from a trajectory would be no continuation of it."""
    if t0 is not None:
        raise ValueError("t0 is the last time of the trajectory: leave it out, or pass its final")
    if solver == "brian2" or isinstance(solver, EventDriven | Brian2):
        raise ValueError(
            f"{shown(solver)} cannot go on from a trajectory, which does not hold messages that "
            f"are on their way: pass its final, with t0=, for a run that begins there"
        )


def _noise(given: Noise | float | Mapping[str, ArrayLike] | None) -> Noise | None:
    """What `noise` means; temperatures that are all 0 are noise, too, with its solver."""
    return given if given is None or isinstance(given, Noise) else Noise(given)


def _solver_with_noise(solver: Solver | EventDriven | Brian2 | str | None) -> Any:
    """The solver, if it draws noise in the state."""
    if solver is None:
        return ExponentialAdams()
    if isinstance(solver, type) or not getattr(solver, "takes_noise", False):
        if isinstance(solver, type):
            raise TypeError(f"solver is the class {solver.__name__}: pass {solver.__name__}()")
        name = solver if isinstance(solver, str) else type(solver).__name__
        raise ValueError(
            f"noise: {name} draws none in the state: leave solver out, or pass ExponentialAdams(), "
            f"ExponentialHeun() or EventDriven()"
        )
    return solver


def _check_restless(until: Settled | None) -> None:
    """Raise ValueError where rest is asked for: with noise there is none."""
    if until is not None and until is not _DEFAULT:
        raise ValueError(
            "noise: a state that noise drives does not settle; leave until out, and look at "
            "averages over times and cues"
        )


def _solve(solver: Solver | EventDriven | Brian2 | str | None) -> Solve:
    """The function that runs a solver."""
    if solver is None:
        solver = _DEFAULT_SOLVER
    if isinstance(solver, str):
        solver = Brian2() if solver == "brian2" else ScipyODE(solver)
    # The options of these are data; what runs them is imported when it is needed, since numba and
    # Brian2 take longer to load than the rest of amsim together.
    if isinstance(solver, EventDriven) and solver.timing.shares:
        from .events.fabric import run as shared

        return partial(shared.solve, options=solver)
    if isinstance(solver, EventDriven):
        from .events import run as events

        return partial(events.solve, options=solver)
    if isinstance(solver, Brian2):
        from .brian import run_brian2

        return partial(run_brian2.solve, options=solver)
    if isinstance(solver, type):
        raise TypeError(f"solver is the class {solver.__name__}: pass {solver.__name__}()")
    if not hasattr(solver, "solve"):
        raise TypeError(
            f"solver must be a name such as 'RK45' or an object such as ExponentialIntegrator(), "
            f"got {shown(solver)}"
        )
    return solver.solve


def _check_workers(solver: Solver | EventDriven | Brian2 | str | None) -> None:
    """Refuse several threads where a solver has one."""
    if solver is not None and not isinstance(solver, ExponentialIntegrator):
        raise ValueError(
            f"workers: {shown(solver)} runs in one thread: leave workers out, use "
            f"ExponentialIntegrator(), or call simulate for parts of the batch in processes"
        )


def _check_single(solver: Solver | EventDriven | Brian2 | str | None, problem: Problem) -> None:
    """Raise ValueError where products in float32 are asked for, and there are none."""
    if isinstance(solver, GradientDescent):
        if problem.tolerance:
            raise ValueError(
                "dtype: GradientDescent makes a number of steps in float32, and does not look for "
                "rest: pass until=None, or float64"
            )
        return
    if not (solver is None or isinstance(solver, ExponentialIntegrator | FixedPoint)):
        raise ValueError(
            f"dtype: {shown(solver)} has float64 alone: leave dtype out, or use "
            f"ExponentialIntegrator(), FixedPoint() or GradientDescent()"
        )
    from .two_layer import check_single  # with numba

    if isinstance(solver, FixedPoint):
        check_single(problem, np.inf)
        solver.check(problem)
        return
    check_single(problem, (solver or ExponentialIntegrator()).rtol)


def _check_shared(
    solver: Solver | EventDriven | Brian2 | str | None, problem: Problem, limited: bool
) -> None:
    """Raise ValueError where processes cannot share the memories."""
    if not (solver is None or isinstance(solver, ExponentialIntegrator | FixedPoint)):
        raise ValueError(
            f"comm: {shown(solver)} runs in one process: leave comm out, or use "
            f"ExponentialIntegrator() or FixedPoint()"
        )
    if limited:
        raise ValueError(
            "comm: processes would reach a wall_limit at different steps: leave it out, and end "
            "the run by t1"
        )
    if isinstance(solver, FixedPoint):
        solver.check(problem)
    if problem.attention_loop is None:
        raise ValueError(
            "comm: processes share memories with a softmax that one Dense joins to Identity "
            "features, with constant inputs: leave comm out for other networks"
        )


def _shared(solver: Any, problem: Problem) -> Iterator[Any]:
    """What has to be the same in all processes, besides the memories."""
    yield from (solver, problem.t0, problem.t1, problem.tolerance, problem.times, problem.single)
    for part in (problem.given, problem.clamped, problem.inputs_at(0.0)):
        for name in sorted(part):
            yield from (name, part[name])
    for name, layer in problem.network.layers.items():
        yield from (name, layer.lagrangian, layer.tau, layer.bias)


def _split_groups(network: Network, clamped: Mapping[str, NDArray[np.bool_]]) -> Iterator[str]:
    """Groups of which some members are clamped and others are free."""
    for name, mask in clamped.items():
        lagrangian = network.layers[name].lagrangian
        if not lagrangian.separable and (mask.any(axis=-1) & ~mask.all(axis=-1)).any():
            yield (
                f"clamp splits a group of layer {name!r} ({type(lagrangian).__name__}): the energy "
                f"may rise; clamp whole groups (all units along the last axis)"
            )
