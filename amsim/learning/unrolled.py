"""Backpropagation through updates, through steps down the energy, and along trajectories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..dynamics import FixedPoint, GradientDescent, simulate
from ..dynamics.fixed_point import update_order
from ..dynamics.problem import BLOW_UP, Problem
from ..parameters import Tree, beta_slope
from ..progress import whole_runs
from ..synapses import Array
from .adjoint import Adjoint

Slopes = Callable[[Mapping[str, Array]], dict[str, Array]]
Unrolled = tuple[dict[str, Array], Tree, NDArray[np.str_]]
# Steps of the adjoint equation within the smallest tau, and the most of them.
_PER_TAU, _MOST_STEPS = 20, 10**5


def unroll(problem: Problem, solver: Any, slopes: Slopes, t1: float | None) -> Unrolled:
    """States at the end, the derivative of the loss, and the status of each cue.

    The derivative is that of all cues together: where one is not "stopped", it is none.
    """
    if isinstance(solver, FixedPoint):
        return _Updates(problem).run(solver.max_updates, slopes)
    if isinstance(solver, GradientDescent):
        return _Steps(problem).run(solver.step, solver.steps, slopes)
    return _Flow(problem).follow(solver, t1, slopes)


class _Chain:
    """Moves of layers, forwards and back."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.network = problem, problem.network
        # Of the derivatives by the parameters that are added up.
        self.weight = 1.0
        self.inputs = {n: x for n, x in problem.inputs.items() if isinstance(x, np.ndarray)}
        self.tree: Tree = {
            name: {key: np.zeros(x.shape) for key, x in part.items() if key != "tau"}
            for name, part in self.network.parameters().items()
        }

    def external(self, name: str) -> Array:
        return np.asarray(self.network.layers[name].bias + self.inputs.get(name, 0.0))

    def add(self, system: Adjoint, u: Mapping[str, Array]) -> dict[str, Array]:
        """Account for u . force at these states; returns the derivative by all states."""
        pulled = system.pull_back(u)
        if self.weight:
            self._add_parameters(system, u, pulled)
        layers = self.network.layers
        return {
            n: np.asarray(layers[n].lagrangian.hessian_product(system.states[n], part))
            for n, part in pulled.items()
        }

    def _add_parameters(
        self, system: Adjoint, u: Mapping[str, Array], pulled: Mapping[str, Array]
    ) -> None:
        for name, part in pulled.items():
            lagrangian = self.network.layers[name].lagrangian
            if lagrangian.tempered:
                total = np.sum(part * beta_slope(lagrangian, system.states[name]))
                self.tree[name]["beta"] = self.tree[name]["beta"] + self.weight * total
        for synapse in self.network.synapses:
            if not any(name in u for name in synapse.between):
                continue
            active = [system.activations[name] for name in synapse.between]
            along = [
                u.get(n, np.zeros_like(g)) for n, g in zip(synapse.between, active, strict=True)
            ]
            for key, value in synapse.force_gradient(active, along).items():
                found = self.tree[synapse.name][key]
                self.tree[synapse.name][key] = found + self.weight * value

    def add_bias(self, name: str, u: Array) -> None:
        if "bias" in self.tree[name] and self.weight:
            self.tree[name]["bias"] = self.tree[name]["bias"] + self.weight * u.sum(axis=0)

    def free(self, name: str, values: Array) -> Array:
        mask = self.problem.clamped.get(name)
        return values if mask is None else np.where(mask, 0.0, values)

    def ended(self, states: Mapping[str, Array]) -> NDArray[np.str_]:
        """Whether cues diverged, as runs say it."""
        start, last = (
            _largest({name: x[name] for name in self.network.dynamic})
            for x in (self.problem.initial, states)
        )
        return _statuses(last <= BLOW_UP * (1.0 + start))


class _Updates(_Chain):
    """Layers take their algebraic value one after the other, as `FixedPoint` does it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.order = update_order(problem.network)
        self._check_start()

    def _check_start(self) -> None:
        """Refuse starts that follow from the parameters and are read before they are replaced."""
        known = set(self.problem.given)
        for name in self.order:
            for synapse in self.network.synapses:
                for slot, read in synapse.dependencies():
                    unknown = set(read) - known
                    if synapse.between[slot] == name and unknown:
                        raise ValueError(
                            f"method='unrolled': layer {name!r} reads the start of "
                            f"{', '.join(sorted(unknown))}, which follows from the parameters: "
                            f"give the states of all layers in a mapping"
                        )
            known.add(name)

    def run(self, count: int, slopes: Slopes) -> Unrolled:
        layers, order = self.network.layers, self.order
        zero = {n: np.zeros((self.problem.batch, *x.shape)) for n, x in layers.items()}
        states = {**zero, **self.problem.initial}
        seen: list[tuple[str, dict[str, Array]]] = []
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(count):
                for name in order:
                    seen.append((name, states))
                    states = {**states, name: self.moved(name, states)}
            for name in order:  # layers with tau = 0 are read as they follow from the last states
                if layers[name].algebraic:
                    seen.append((name, states))
                    states = {**states, name: self.moved(name, states)}
        if (self.ended(states) != "stopped").any():
            return states, self.tree, self.ended(states)
        back = {**zero, **slopes(states)}
        for name, before in reversed(seen):
            whole = back[name]
            u = self.free(name, whole)
            self.add_bias(name, u)
            back = {**back, name: whole - u}  # what a clamped unit had, it had before
            system = Adjoint(self.network, before, {})
            for other, part in self.add(system, {name: u / layers[name].leak}).items():
                back[other] = back[other] + part
        return states, self.tree, _bounded(back)

    def moved(self, name: str, states: Mapping[str, Array]) -> Array:
        layer = self.network.layers[name]
        active = {n: x.lagrangian.activation(states[n]) for n, x in self.network.layers.items()}
        force = self.network.synaptic_force(name, active) / layer.leak
        new = np.broadcast_to(force + self.external(name), states[name].shape)
        mask = self.problem.clamped.get(name)
        return np.array(new if mask is None else np.where(mask, states[name], new))


class _Steps(_Chain):
    """Equal steps of all layers with tau > 0 down the energy, as `GradientDescent` takes them."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        unknown = [name for name in self.network.dynamic if name not in problem.given]
        if unknown:
            raise ValueError(
                f"method='unrolled': the start of {', '.join(unknown)} follows from the "
                f"parameters: give the states of all layers with tau > 0 in a mapping"
            )

    def run(self, step: float, count: int, slopes: Slopes) -> Unrolled:
        net = self.network
        states, seen = dict(self.problem.initial), []
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(count):
                full = net.complete(states, self.inputs)
                seen.append(full)
                force = net.unchecked_force(states, self.inputs)
                states = {n: x + step * self.free(n, force[n]) for n, x in states.items()}
            last = net.complete(states, self.inputs)
        if (self.ended(last) != "stopped").any():
            return last, self.tree, self.ended(last)
        back = self.end(last, slopes)
        for full in reversed(seen):
            u = {n: step * self.free(n, x) for n, x in back.items()}
            self.pull(Adjoint(net, full, {}), u, back)
        return last, self.tree, _bounded(back)

    def end(self, last: dict[str, Array], slopes: Slopes) -> dict[str, Array]:
        """The derivative by the last states of layers with tau > 0."""
        given = slopes(last)
        back = {n: given.get(n, np.zeros_like(last[n])) for n in self.network.dynamic}
        followed = {n: u for n, u in given.items() if n not in back}
        self.descend(Adjoint(self.network, last, {}), followed, back)
        return back

    def pull(self, system: Adjoint, u: Mapping[str, Array], back: dict[str, Array]) -> None:
        """Add the derivative of u . force by the states of layers with tau > 0."""
        for name, part in u.items():
            leak = self.network.layers[name].leak
            self.add_bias(name, leak * part)
            back[name] = back[name] - leak * part
        followed: dict[str, Array] = {}
        for name, part in self.add(system, u).items():
            place = back if name in back else followed
            place[name] = place[name] + part if name in place else part
        self.descend(system, followed, back)

    def descend(self, system: Adjoint, followed: Mapping[str, Array], back: dict[str, Any]) -> None:
        """Through layers with tau = 0, x = I + force / leak, to those that they follow."""
        for name, u in followed.items():
            self.add_bias(name, u)
            u = u / self.network.layers[name].leak
            for other, part in self.add(system, {name: u}).items():
                back[other] = back[other] + part


class _Flow(_Steps):
    """Along a trajectory: -da/dt = (dF/dx)^T a / tau from a = dL/dx at its end.

    The derivative of the loss is the integral of (a / tau) . dF/dtheta, and of -a F / tau^2 by tau.
    Each step of the classical Runge-Kutta method for a spans two recorded times and reads the
    states at both and between them; Simpson's rule for the integral has the same three.
    """

    def follow(self, solver: Any, t1: float | None, slopes: Slopes) -> Unrolled:
        net, problem = self.network, self.problem
        end = checks.number("t1", t1, above=0.0, at_most=checks.LARGEST)
        shortest = min(float(layer.tau.min()) for layer in net.dynamic.values())
        count = int(np.ceil(_PER_TAU * end / shortest))
        if count > _MOST_STEPS:
            raise ValueError(
                f"method='unrolled': t1={end:g} are {count} steps of tau / {_PER_TAU}, more than "
                f"{_MOST_STEPS}: take a smaller t1, or larger tau"
            )
        with whole_runs():
            traj = simulate(
                net, problem.given, clamp=problem.clamped, inputs=self.inputs, solver=solver,
                times=np.linspace(0.0, end, 2 * count + 1), until=None,
            )  # fmt: skip
        if (traj.statuses != "time_limit").any():
            early = np.where(traj.statuses == "time_limit", "stopped", traj.statuses)
            return dict(traj.final), self.tree, early
        systems = (
            Adjoint(net, {n: traj[n][k] for n in net.layers}, {}) for k in range(2 * count, -1, -1)
        )
        for name, layer in net.dynamic.items():
            self.tree[name]["tau"] = np.zeros(layer.tau.shape)
        a, step = self.end(dict(traj.final), slopes), end / count
        after = next(systems)
        for _ in range(count):
            middle, before = next(systems), next(systems)
            new, half = self.stride(a, step, after, middle, before)
            for weight, system, part in ((1, after, a), (4, middle, half), (1, before, new)):
                self.weight = weight * step / 6
                self.back(system, part)
            a, after = new, before
        return dict(traj.final), self.tree, _bounded(a)

    def stride(
        self, a: dict[str, Array], step: float, after: Adjoint, middle: Adjoint, before: Adjoint
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """a at the beginning of a step, and by the cubic through both ends at its middle."""
        self.weight = 0.0
        one = self.back(after, a)
        two = self.back(middle, _sum(a, (step / 2, one)))
        three = self.back(middle, _sum(a, (step / 2, two)))
        four = self.back(before, _sum(a, (step, three)))
        new = _sum(a, (step / 6, one), (step / 3, two), (step / 3, three), (step / 6, four))
        five = self.back(before, new)
        half = {n: (x + new[n]) / 2 + step / 8 * (one[n] - five[n]) for n, x in a.items()}
        return new, half

    def back(self, system: Adjoint, a: Mapping[str, Array]) -> dict[str, Array]:
        """-da/dt, and the integrand, which is added with the weight of its moment."""
        layers = self.network.dynamic
        u = {n: self.free(n, x) / layers[n].tau for n, x in a.items()}
        if self.weight:
            force = self.network.unchecked_force(system.states, self.inputs)
            for n, part in u.items():
                slope = -np.sum(part * force[n], axis=0) / layers[n].tau
                self.tree[n]["tau"] = self.tree[n]["tau"] + self.weight * slope
        back = {n: np.zeros_like(x) for n, x in a.items()}
        self.pull(system, u, back)
        return back


def _sum(start: Mapping[str, Array], *parts: tuple[float, Mapping[str, Array]]) -> dict[str, Array]:
    return {n: x + sum(size * part[n] for size, part in parts) for n, x in start.items()}


def _bounded(back: Mapping[str, Array]) -> NDArray[np.str_]:
    """Cues whose derivatives grew without limit on the way back have none."""
    return _statuses(_largest(back) <= checks.LARGEST)


def _largest(states: Mapping[str, Array]) -> Array:
    """The largest size of each cue, (B,); NaN where one is."""
    sizes = [np.abs(x).reshape(len(x), -1).max(axis=1) for x in states.values()]
    return np.asarray(np.max(sizes, axis=0))


def _statuses(within: NDArray[np.bool_]) -> NDArray[np.str_]:
    return np.where(within, "stopped", "diverged")
