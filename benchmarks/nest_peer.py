"""NEST delivers the messages of a run of amsim: spikes have no sizes, so that it cannot send them.

Its units hear as many messages, at the same times on a grid, by as many links with delays of their
own, and keep a state with a leak; they compute no outputs and send nothing themselves.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from event_floors import messages
from event_peers import Problem, Run
from numpy.typing import NDArray


def nest(grid: float, problem: Problem) -> Run:
    """The number of deliveries until t1, and the CPU seconds of one thread; a tau is one ms."""
    import nest as simulator

    sent = messages(problem)
    simulator.verbosity = simulator.VerbosityLevel.ERROR
    simulator.ResetKernel()
    simulator.SetKernelStatus({"resolution": grid, "local_num_threads": 1})
    sources = _linked_units(simulator, grid, problem)
    spikes_at = {
        name: [np.sort(_ticks(sent, name, i, grid)) * grid for i in range(len(units))]
        for name, units in sources.items()
    }
    count = _arrivals(problem, sent)

    def run() -> tuple[int, float]:
        now = simulator.GetKernelStatus("biological_time")
        for name, units in sources.items():
            units.set([{"spike_times": t.round(9), "origin": now} for t in spikes_at[name]])
        simulator.Prepare()
        begun = time.process_time()
        simulator.Run(problem.t1)
        seconds = time.process_time() - begun
        spikes = simulator.GetKernelStatus("local_spike_counter")
        simulator.Run(2 * problem.high)  # what was on its way does not reach the next run
        spikes += simulator.GetKernelStatus("local_spike_counter")
        simulator.Cleanup()
        assert spikes == len(sent.time), f"{spikes} of {len(sent.time)} messages were sent"
        return count, seconds

    return run


def _linked_units(simulator: Any, grid: float, problem: Problem) -> dict[str, Any]:
    """Make units and links; generators of the spikes of each layer."""
    sizes = {"visible": len(problem.cue), "hidden": len(problem.weights)}
    kind = {"tau_m": 1.0, "V_th": 1e12, "E_L": 0.0}
    units = {name: simulator.Create("iaf_psc_delta", n, params=kind) for name, n in sizes.items()}
    sources = {name: simulator.Create("spike_generator", n) for name, n in sizes.items()}
    # Spikes of generators do not take the way of spikes of units: these repeat them.
    senders = {name: simulator.Create("parrot_neuron", n) for name, n in sizes.items()}
    for name, source in sources.items():
        simulator.Connect(source, senders[name], "one_to_one", {"delay": grid})
    for a, (source, target) in enumerate((("visible", "hidden"), ("hidden", "visible"))):
        weights = problem.weights if target == "hidden" else problem.weights.T
        delay: Any = problem.delays(a, weights.T.shape)
        delay = delay if np.ndim(delay) == 0 else np.round(np.transpose(delay) / grid) * grid
        links = {"synapse_model": "static_synapse", "weight": weights, "delay": delay}
        simulator.Connect(senders[source], units[target], "all_to_all", links)
    return sources


def _ticks(sent: Any, layer: str, unit: int, grid: float) -> NDArray[np.float64]:
    mine = (sent.layer == layer) & (sent.unit == unit)
    return np.asarray(np.ceil(sent.time[mine] / grid) + 1)


def _arrivals(problem: Problem, sent: Any) -> int:
    """How many messages arrive until t1, on each link after its delay."""
    count = 0
    for a, name in enumerate(("visible", "hidden")):
        mine = sent.layer == name
        shape = problem.weights.T.shape if name == "visible" else problem.weights.shape
        delays = np.broadcast_to(problem.delays(a, shape), shape)
        left = zip(sent.unit[mine], problem.t1 - sent.time[mine], strict=True)
        count += sum(int((delays[unit] <= rest).sum()) for unit, rest in left)
    return count
