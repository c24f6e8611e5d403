"""Other ODE solvers on one recall problem, each behind ``solve(rtol, atol) -> Solution``.

The problem is a dense associative memory with identity visible and softmax hidden units,

    tau_v dv/dt = Xi^T softmax(beta h) - v,    tau_h dh/dt = Xi v - h,    v(0) = cue, h(0) = 0.

Every builder takes the problem, imports its solver, does what is done once (compilation comes with
the first solve) and returns the function to time. A solver that is not installed raises ImportError
in its builder, one that gives up raises RuntimeError in its solve.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """Recall of `cues` (batch, D) among the stored `patterns` (K, D), reported at `times`."""

    patterns: Floats
    cues: Floats
    beta: float
    tau_visible: float = 1.0
    tau_hidden: float = 0.1
    times: tuple[float, ...] = (2.0, 4.0, 6.0, 8.0, 10.0)

    @property
    def unknowns(self) -> int:
        """Number of equations of the whole batch."""
        return len(self.cues) * sum(self.patterns.shape)


@dataclass(frozen=True)
class Solution:
    """States at the output times, (T, batch, units), and the right-hand sides each cue cost."""

    visible: Floats
    hidden: Floats
    rhs_per_cue: float


Solve = Callable[[float, float], Solution]


def scipy_ivp(method: str, problem: Problem) -> Solve:
    """``scipy.integrate.solve_ivp`` on the flattened batch."""
    from scipy.integrate import solve_ivp

    xi, beta = problem.patterns, problem.beta
    (batch, size), hidden = problem.cues.shape, len(xi)
    split = batch * size
    calls = 0  # counted here: nfev leaves out the finite differences of a Jacobian

    def velocity(_t: float, y: Floats) -> Floats:
        nonlocal calls
        calls += 1
        v, h = y[:split].reshape(batch, size), y[split:].reshape(batch, hidden)
        f = beta * h
        f -= f.max(axis=1, keepdims=True)
        np.exp(f, out=f)
        f /= f.sum(axis=1, keepdims=True)
        out = np.empty_like(y)
        out[:split] = ((f @ xi - v) / problem.tau_visible).ravel()
        out[split:] = ((v @ xi.T - h) / problem.tau_hidden).ravel()
        return out

    start = np.concatenate([problem.cues.ravel(), np.zeros(batch * hidden)])
    span = (0.0, problem.times[-1])

    def solve(rtol: float, atol: float) -> Solution:
        nonlocal calls
        calls = 0
        result = solve_ivp(
            velocity, span, start, method=method, t_eval=problem.times, rtol=rtol, atol=atol
        )
        if not result.success:
            raise RuntimeError(result.message)
        v, h = np.split(result.y.T, [split], axis=1)
        return Solution(v.reshape(-1, batch, size), h.reshape(-1, batch, hidden), float(calls))

    return solve


def diffrax(method: str, problem: Problem) -> Solve:
    """``diffrax.diffeqsolve`` on the whole batch, compiled, in float64.

    One step size for the batch is as fast here as ``jax.vmap`` with one per cue, or faster.
    """
    import diffrax as dfx
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    beta, tau_v, tau_h = problem.beta, problem.tau_visible, problem.tau_hidden
    solver = getattr(dfx, method)()
    start = jnp.asarray(problem.cues), jnp.zeros((len(problem.cues), len(problem.patterns)))

    def velocity(_t: Any, state: Any, xi: Any) -> Any:
        v, h = state
        return (jax.nn.softmax(beta * h) @ xi - v) / tau_v, (v @ xi.T - h) / tau_h

    def integrate(xi: Any, rtol: float, atol: float) -> Any:
        return dfx.diffeqsolve(
            dfx.ODETerm(velocity),
            solver,
            t0=0.0,
            t1=problem.times[-1],
            dt0=None,
            y0=start,
            args=xi,
            saveat=dfx.SaveAt(ts=jnp.asarray(problem.times)),
            stepsize_controller=dfx.PIDController(rtol=rtol, atol=atol),
            max_steps=100_000,
            adjoint=dfx.ForwardMode(),  # the cheapest one when nothing is differentiated
        )

    # An argument, since XLA would fold a constant of this size for minutes.
    run = partial(jax.jit(integrate), jnp.asarray(problem.patterns))
    per_step = solver.tableau.num_stages - 1  # the last stage is the first of the next step

    def solve(rtol: float, atol: float) -> Solution:
        result = run(rtol, atol)
        v, h = (np.asarray(state) for state in result.ys)
        # Three more: two to select the first step and one to begin it.
        return Solution(v, h, 3.0 + per_step * int(result.stats["num_steps"]))

    return solve


def hamux_euler(problem: Problem) -> Solve:
    """HAMUX's descent loop ``x -= step * dE/dg``, compiled, each layer at its own rate.

    The loop is Euler's method with a fixed step, so it has no tolerance. Its error is proportional
    to the step: ``step = 100 rtol tau_hidden`` lets it walk the same ladder as the others.
    """
    import equinox as eqx
    import hamux
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    hidden, size = problem.patterns.shape
    model = hamux.HAM(
        neurons={
            "visible": hamux.NeuronLayer(hamux.lagr_identity, (size,)),
            "hidden": hamux.NeuronLayer(partial(hamux.lagr_softmax, beta=problem.beta), (hidden,)),
        },
        hypersynapses={"dense": hamux.LinearSynapse(jnp.asarray(problem.patterns))},
        connections=[(("hidden", "visible"), "dense")],
    ).vectorize()
    tau = {"visible": problem.tau_visible, "hidden": problem.tau_hidden}
    start = {"visible": jnp.asarray(problem.cues), "hidden": jnp.zeros((len(problem.cues), hidden))}
    spans = np.diff((0.0, *problem.times))

    def integrate(model: Any, counts: Any, sizes: Any) -> Any:
        def descend(states: Any, step: Any) -> Any:
            gradient = model.dEdact(model.activations(states), states)
            return {name: x - step / tau[name] * gradient[name] for name, x in states.items()}

        def advance(states: Any, span: Any) -> Any:
            count, step = span
            states = jax.lax.fori_loop(0, count, lambda _, x: descend(x, step), states)
            return states, states

        return jax.lax.scan(advance, start, (counts, sizes))[1]

    run = eqx.filter_jit(integrate)

    def solve(rtol: float, atol: float) -> Solution:
        del atol
        counts = np.ceil(spans / (100 * rtol * problem.tau_hidden)).astype(int)
        states = run(model, jnp.asarray(counts), jnp.asarray(spans / counts))
        v, h = np.asarray(states["visible"]), np.asarray(states["hidden"])
        return Solution(v, h, float(counts.sum()))

    return solve


def numbalsoda(problem: Problem) -> Solve:
    """LSODA called by compiled code, on the unknowns that amsim has; one cue after another.

    With h(0) = 0 the memories are h = Xi y, where tau_h dy/dt = v - y and y(0) = 0.
    """
    import numba
    from numbalsoda import lsoda, lsoda_sig

    count, size = problem.patterns.shape
    beta, tau_v, tau_h = problem.beta, problem.tau_visible, problem.tau_hidden
    # The address of the patterns and a counter of calls.
    data = np.concatenate([[0.0], problem.patterns.ravel()])

    @numba.cfunc(lsoda_sig)
    def velocity(_t, u, du, data):  # type: ignore[no-untyped-def]
        xi = numba.carray(data, 1 + count * size)[1:].reshape(count, size)
        state, out = numba.carray(u, (2, size)), numba.carray(du, (2, size))
        f = beta * np.dot(xi, state[1])
        f = np.exp(f - f.max())
        out[0] = (np.dot(f / f.sum(), xi) - state[0]) / tau_v
        out[1] = (state[0] - state[1]) / tau_h
        data[0] += 1

    times = np.array((0.0, *problem.times))

    def solve(rtol: float, atol: float) -> Solution:
        data[0] = 0
        found = []
        for cue in problem.cues:
            start = np.concatenate([cue, np.zeros(size)])
            states, success = lsoda(velocity.address, start, times, data=data, rtol=rtol, atol=atol)
            if not success:
                raise RuntimeError("numbalsoda gives up")
            found.append(states[1:])
        v, y = np.split(np.stack(found, axis=1), 2, axis=2)
        return Solution(v, y @ problem.patterns.T, data[0] / len(problem.cues))

    return solve


def cvode(problem: Problem) -> Solve:
    """CVODE (SUNDIALS) with GMRES in its Newton steps, on the same unknowns."""
    from sksundae.cvode import CVODE

    xi, beta = problem.patterns, problem.beta
    batch, size = problem.cues.shape
    calls = 0

    def velocity(_t: float, u: Floats, du: Floats) -> None:
        nonlocal calls
        calls += 1
        v, y = u.reshape(2, batch, size)
        f = beta * (y @ xi.T)
        f -= f.max(axis=1, keepdims=True)
        np.exp(f, out=f)
        f /= f.sum(axis=1, keepdims=True)
        du[: v.size] = ((f @ xi - v) / problem.tau_visible).ravel()
        du[v.size :] = ((v - y) / problem.tau_hidden).ravel()

    start = np.concatenate([problem.cues.ravel(), np.zeros(batch * size)])

    def solve(rtol: float, atol: float) -> Solution:
        nonlocal calls
        calls = 0
        solver = CVODE(velocity, rtol=rtol, atol=atol, linsolver="gmres", max_num_steps=100_000)
        result = solver.solve(np.array((0.0, *problem.times)), start)
        if not result.success:
            raise RuntimeError(result.message)
        v, y = np.split(result.y[1:].reshape(len(problem.times), 2, batch, size), 2, axis=1)
        return Solution(v[:, 0], y[:, 0] @ xi.T, calls)

    return solve


PEERS: dict[str, Callable[[Problem], Solve]] = {
    "SciPy RK45": partial(scipy_ivp, "RK45"),
    "SciPy DOP853": partial(scipy_ivp, "DOP853"),
    "SciPy LSODA": partial(scipy_ivp, "LSODA"),
    "SciPy BDF": partial(scipy_ivp, "BDF"),
    "Diffrax Tsit5": partial(diffrax, "Tsit5"),
    "Diffrax Dopri8": partial(diffrax, "Dopri8"),
    "HAMUX Euler": hamux_euler,
    "numbalsoda": numbalsoda,
    "CVODE, GMRES": cvode,
}
# Implicit methods factorise a dense Jacobian of all the unknowns.
IMPLICIT = ("SciPy LSODA", "SciPy BDF", "numbalsoda")
