"""Code that needs whole runs gets none that Ctrl-C cut short."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amsim.experiments.runner.sweep import work

import amsim as am
from amsim import gallery
from amsim.interop.rest import Rest
from amsim.progress import whole_runs

UNIT = [(0, {}, np.random.SeedSequence(0))]


def interrupt(*_: Any) -> int:
    raise KeyboardInterrupt


def interrupted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during the first step of every run of the integrator."""
    monkeypatch.setattr("amsim.dynamics.two_layer.TwoLayerRun.sweep", interrupt)
    monkeypatch.setattr("amsim.dynamics.run.Run.compile", lambda run: None)


def test_what_needs_whole_runs_takes_no_half_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure or a measured unit of a run that was interrupted would be wrong without a word."""
    net = am.dense_am(am.patterns.random(2, 8, seed=0))
    interrupted_at_once(monkeypatch)
    assert am.simulate(net, np.ones(8)).status == "interrupted"
    with whole_runs(), pytest.raises(KeyboardInterrupt):
        am.simulate(net, np.ones(8))
    with whole_runs():
        limited = am.simulate(net, np.ones(8), wall_limit=1e-9)  # asked for, so it is no surprise
    assert limited.status == "interrupted"
    with pytest.raises(KeyboardInterrupt):
        gallery.draw("models")
    rows: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        rows += work(lambda seed: {"end": am.simulate(net, np.ones(8)).final["visible"]}, UNIT, 0.0)
    assert rows == []


def test_what_goes_on_from_the_end_of_a_run_takes_no_half_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A gradient, a training and a verdict would be those of cues that had not settled."""
    patterns = am.patterns.random(2, 8, seed=0)
    net, loss = am.dense_am(patterns), am.learning.SquaredError("visible", 0.0)
    chain = am.Network({"visible": am.Layer(8, am.Identity())}, [])
    interrupted_at_once(monkeypatch)
    start = {"visible": patterns[:1], "hidden": np.zeros((1, 2))}
    options: list[dict[str, Any]] = [
        {}, {"method": "equilibrium_propagation"}, {"method": "unrolled", "t1": 1.0}
    ]  # fmt: skip
    for each in options:
        with pytest.raises(KeyboardInterrupt):
            am.learning.gradient(net, start, loss, **each)
    with pytest.raises(KeyboardInterrupt):
        am.learning.train(net, patterns, loss)
    with pytest.raises(KeyboardInterrupt):
        am.suggest_beta(patterns, cues=patterns, solver=am.ExponentialIntegrator())
    rest = Rest(net, None, None, am.Settled(), None)
    with pytest.raises(KeyboardInterrupt):
        rest.states(net.parameters(), patterns)
    monkeypatch.setattr("amsim.dynamics.heun_runs._AnyNetwork.walk", interrupt)
    with pytest.raises(KeyboardInterrupt):
        am.learning.chain_gradient(chain, patterns, patterns, temperature=1.0, t1=0.1)


def test_binary_recalls_that_have_to_be_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = am.binary.BinaryMemory(np.array([[1, 1, -1], [1, -1, 1]]))
    hopfield = am.binary.TwoStateNetwork(np.eye(3)[::-1])
    monkeypatch.setattr("amsim.binary.loops.one_by_one", interrupt)
    monkeypatch.setattr(am.binary.TwoStateNetwork, "_one_by_one", interrupt)
    for each in (memory, hopfield):
        assert each.recall(np.array([1, 1, 1])).status == "interrupted"
        with whole_runs(), pytest.raises(KeyboardInterrupt):
            each.recall(np.array([1, 1, 1]))
