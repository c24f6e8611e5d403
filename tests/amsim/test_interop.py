"""Recall differentiated by JAX and by PyTorch; what both call is tested without them."""

from __future__ import annotations

import doctest
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import amsim as am
from amsim.errors import MissingDependencyError, SettlingWarning
from amsim.interop.rest import Rest

Array = npt.NDArray[Any]
HERE = Path(__file__).parent
RNG = np.random.default_rng(0)
CLAMP = np.arange(5) < 3
CUES = RNG.normal(size=(2, 5))
EXACT = am.Settled(1e-12)
SOLVER = am.FixedPoint(10_000)


def network() -> am.Network:
    return am.dense_am(
        np.random.default_rng(1).normal(size=(4, 5)) / 2, visible=am.Tanh(), hidden=am.Softmax(2.0)
    )


REST = Rest(network(), CLAMP, SOLVER, EXACT, None)


def test_the_derivative_by_the_cue_is_that_by_its_clamped_units() -> None:
    parameters, slopes = network().parameters(), {"visible": RNG.normal(size=(2, 5))}
    states = REST.states(parameters, CUES)
    _, back = REST.pull_back(parameters, states, slopes)
    assert not back[:, ~CLAMP].any()
    step = RNG.normal(size=(2, 5)) * CLAMP
    ends = [REST.states(parameters, CUES + h * step)["visible"] for h in (1e-5, -1e-5)]
    slope = np.sum(slopes["visible"] * (ends[0] - ends[1])) / 2e-5
    assert np.sum(back * step) == pytest.approx(slope, rel=1e-7)


def test_the_derivative_by_parameters_is_that_of_gradient() -> None:
    loss = am.learning.SquaredError("visible", 0.5)
    exact = am.learning.gradient(
        network(), CUES, loss, clamp=CLAMP, solver=SOLVER, until=EXACT
    ).parameters
    parameters = network().parameters()
    states = REST.states(parameters, CUES)
    tree, _ = REST.pull_back(parameters, states, loss.gradient(states))
    for name, part in exact.items():
        for key, value in part.items():
            np.testing.assert_allclose(tree[name][key], value, rtol=1e-9, atol=1e-14)
    assert not tree["visible"]["tau"].any()


def test_cues_that_do_not_settle_are_nan_and_have_no_derivative() -> None:
    short = Rest(network(), CLAMP, am.FixedPoint(1), EXACT, None)
    parameters = network().parameters()
    with pytest.warns(SettlingWarning, match="2 of 2 cues did not settle"):
        states = short.states(parameters, CUES)
    assert np.isnan(states["visible"]).all()
    tree, back = short.pull_back(parameters, states, {"visible": np.ones((2, 5))})
    assert not back.any() and not tree["hidden-visible"]["weights"].any()


def test_a_missing_framework_is_named() -> None:
    if importlib.util.find_spec("jax") is None:
        with pytest.raises(MissingDependencyError, match="pip install jax"):
            am.interop.jax.recall(network())
    if importlib.util.find_spec("torch") is None:
        with pytest.raises(MissingDependencyError, match="pip install torch"):
            importlib.import_module("amsim.interop.torch")


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is in the group 'dev'")
def test_jax_in_a_process_of_its_own() -> None:
    """Its threads do not get on with the forks of other tests."""
    options = "addopts=--import-mode=importlib --doctest-modules -q"
    files = [HERE / "with_jax.py", HERE.parents[1] / "amsim" / "interop" / "jax.py"]
    compile_fast = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-o", options, "-p", "no:cacheprovider", *files],
        cwd=HERE.parents[1], capture_output=True, text=True, timeout=280,
        env={**os.environ, **compile_fast},
    )  # fmt: skip
    assert done.returncode == 0 and "8 passed" in done.stdout, done.stdout + done.stderr


def test_torch_checks_the_gradients_of_a_recall() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is in the group 'torch'")
    layer = am.interop.torch.Recall(network(), clamp=CLAMP, solver=SOLVER, until=EXACT)
    cue = torch.tensor(CUES, requires_grad=True)
    exact = am.simulate(network(), CUES, clamp=CLAMP, solver=SOLVER, until=EXACT)
    np.testing.assert_array_equal(layer(cue).detach().numpy(), exact.final["visible"])
    np.testing.assert_allclose(layer.energy(cue).numpy(), exact.energy[-1])
    clamped, rest = cue[:, :3].detach().requires_grad_(), cue[:, 3:].detach()
    assert torch.autograd.gradcheck(
        lambda x, *_: layer(torch.cat([x, rest], dim=1)), (clamped, *layer.parameters())
    )
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.05)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        value = ((layer(cue)[:, 3:] - 0.5) ** 2).sum()
        value.backward()
        optimiser.step()
        losses.append(float(value.detach()))
    assert losses[-1] < 0.2 * losses[0]
    assert layer.network.parameters()["hidden"]["beta"] != 2.0


@pytest.mark.parametrize("heads", [1, 4])
def test_a_network_is_the_attention_of_a_module_of_torch(heads: int) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is in the group 'torch'")
    module = torch.nn.MultiheadAttention(8, heads, batch_first=True, add_bias_kv=True).double()
    stored, inputs = (torch.tensor(RNG.normal(size=(1, n, 8))) for n in (6, 3))
    layer = am.interop.from_attention(module, stored[0], heads=heads)
    traj = am.simulate(
        layer.network, layer.cues(inputs[0].numpy()), solver=am.FixedPoint(1), until=None
    )
    theirs = module(inputs, stored, stored)[0][0].detach().numpy()
    np.testing.assert_allclose(layer.output(traj.final), theirs, rtol=0, atol=1e-6)


def test_examples_of_torch() -> None:
    """They are not collected, since they cannot be imported without PyTorch."""
    pytest.importorskip("torch", reason="PyTorch is in the group 'torch', not installed here")
    found = doctest.testmod(importlib.import_module("amsim.interop.torch"))
    assert found.attempted and not found.failed
