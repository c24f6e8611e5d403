"""Memories in cells: what is left out of a softmax is bounded, and recalls end where they did."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import amsim as am

RNG = np.random.default_rng(5)
LABELS = np.repeat(np.arange(20), 30)
CENTRES = am.patterns.random(20, 32, seed=1)
CLUSTERED = CENTRES[LABELS] + 0.05 * RNG.normal(size=(600, 32))
CUES = am.patterns.corrupt(CENTRES[:6], flip=0.1, noise=0.1, seed=2)
PARTITIONS = {
    "clusters": LABELS,
    "random": RNG.integers(0, 15, 600),
    "alone": np.arange(600) - 300,
    "one": np.zeros(600, int),
}


def memory(patterns: Any = CLUSTERED, tau: float = 0.1, beta: float = 1.0, **more: Any) -> Any:
    return am.dense_am(patterns, hidden=am.Softmax(beta), tau_hidden=tau, **more)


def exact_states(net: am.Network, cells: am.Cells, queries: Any) -> Any:
    """xi . q + b in quadruple precision, in the order of the cells."""
    rows, bias = cells.rows.astype(np.longdouble), cells.bias.astype(np.longdouble)
    return queries.astype(np.longdouble) @ rows.T + bias


@pytest.mark.parametrize("labels", PARTITIONS.values(), ids=PARTITIONS)
@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_bounds_hold_in_floating_point(labels: Any, similarity: Any, scale: float) -> None:
    """Also where |q - c| and the radius are lost in the rounding of large numbers."""
    patterns = 1e3 + scale * CLUSTERED
    net = memory(patterns, similarity=similarity)
    cells = am.Cells(net, labels)
    queries = np.concatenate([patterns[::40], patterns[::40] + scale * RNG.normal(size=(15, 32))])
    states = exact_states(net, cells, queries)
    largest = np.maximum.reduceat(states, cells.starts[:-1], axis=1)
    assert (cells.bounds(queries) >= largest).all()


@pytest.mark.parametrize("labels", PARTITIONS.values(), ids=PARTITIONS)
@pytest.mark.parametrize("beta", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("error", [1e-2, 1e-8])
def test_what_is_left_out_changes_a_mean_by_no_more(labels: Any, beta: float, error: float) -> None:
    net = memory()
    cells = am.Cells(net, labels)
    queries = np.concatenate([CUES, CENTRES, 0.5 * (CENTRES[:5] + CENTRES[5:10])])
    found, read = cells.attention(queries, beta, error)
    logits = beta * exact_states(net, cells, queries)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    exact = shares @ cells.rows / shares.sum(axis=1, keepdims=True)
    assert (np.abs(found - exact) <= error + 1e-12).all()
    assert ((read >= 1) & (read <= len(LABELS))).all()
    if labels is LABELS and beta == 30.0:
        assert read[:20].mean() < 100  # of 600


@pytest.mark.parametrize("tau", [0.0, 0.1])
@pytest.mark.parametrize("similarity", ["dot", "euclidean"])
def test_recalls_end_where_they_end_without(tau: float, similarity: Any) -> None:
    net = memory(tau=tau, beta=3.0, similarity=similarity)
    given = {"clamp": np.arange(32) < 3, "inputs": np.linspace(-0.1, 0.1, 32)}
    exact = am.simulate(net, CUES, solver=am.FixedPoint(), until=am.Settled(1e-9), **given)
    cells = am.Cells(net, LABELS)
    found = am.simulate(net, CUES, solver=am.FixedPoint(index=cells), **given)
    assert found.status == exact.status == "settled"
    np.testing.assert_allclose(found.final["visible"], exact.final["visible"], rtol=0, atol=2e-6)
    assert (found.stats["read"] < 0.3 * 600 * found.stats["rhs_per_cue"]).all()
    force = net.force(dict(found.final), {"visible": given["inputs"]})
    force["visible"] = force["visible"][:, 3:]  # those that are free
    assert max(np.abs(x).max() for x in force.values()) <= 1e-6


def test_memories_without_clusters_are_all_read() -> None:
    """Random patterns, random cells: nothing can be left out, and nothing is lost but time."""
    patterns = am.patterns.random(600, 32, seed=3)
    net = memory(patterns, beta=0.5)
    cues = am.patterns.corrupt(patterns[:4], flip=0.1, seed=1)
    cells = am.Cells(net, PARTITIONS["random"])
    solver = am.FixedPoint(2, index=cells)
    found = am.simulate(net, cues, solver=solver, until=None)
    exact = am.simulate(net, cues, solver=am.FixedPoint(2), until=None)
    np.testing.assert_allclose(found.final["visible"], exact.final["visible"], rtol=0, atol=1e-13)
    assert (found.stats["read"] == 600 * 2).all()


def test_what_an_index_does_not_serve_is_refused() -> None:
    net, other = memory(), memory(tau=0.2)
    solver = am.FixedPoint(index=am.Cells(net, LABELS))
    start = {"visible": CUES[0], "hidden": np.zeros(600)}
    for network, cue, words in (
        (other, CUES[0], "that of another network"),
        (net, start, "without starts, inputs or clamps of the memories"),
    ):
        with pytest.raises(ValueError, match=words):
            am.simulate(network, cue, solver=solver)
    with pytest.raises(ValueError, match="labels have shape"):
        am.Cells(net, LABELS[1:])
    with pytest.raises(TypeError, match="labels must be whole numbers"):
        am.Cells(net, LABELS.astype(float))
    with pytest.raises(ValueError, match="memories with a softmax"):
        am.Cells(am.dense_am(CLUSTERED, hidden=am.ReLU()), LABELS)
    with pytest.raises(TypeError, match="index must be Cells"):
        am.FixedPoint(index=LABELS)
