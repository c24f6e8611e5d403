"""Which pattern is near: similarities, separations, missing units, and memories by each of them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import amsim as am

RNG = np.random.default_rng(0)
PATTERNS = RNG.normal(size=(4, 6)) * np.array([[1.0], [2.0], [3.0], [0.5]])
BETAS = {"dot": 1.0, "euclidean": 8.0, "cosine": 40.0, "manhattan": 8.0}
every_kind = pytest.mark.parametrize("kind", BETAS)


def by_hand(v: Any, xi: Any, kind: str) -> float:
    if kind == "dot":
        return float(v @ xi)
    if kind == "euclidean":
        return float(-np.sum((v - xi) ** 2) / 2)
    if kind == "manhattan":
        return float(-np.abs(v - xi).sum())
    return float(v @ xi / np.linalg.norm(v) / np.linalg.norm(xi))


def memory(kind: Any, **options: Any) -> am.Network:
    hidden = am.Softmax(BETAS[kind])
    return am.dense_am(PATTERNS, hidden=hidden, similarity=kind, **options)


@every_kind
def test_similarities_and_separations_by_hand(kind: Any) -> None:
    states = RNG.normal(size=(2, 3, 6))
    found = am.patterns.similarity(states, PATTERNS, kind)
    assert found.shape == (2, 3, 4)
    missing = RNG.random((2, 3, 6)) < 0.4
    left_out = am.patterns.similarity(states, PATTERNS, kind, missing=missing)
    holes = np.where(missing, np.nan, states)
    np.testing.assert_array_equal(
        am.patterns.similarity(holes, PATTERNS, kind, missing="nan"), left_out
    )
    for cue in np.ndindex(2, 3):
        for mu, xi in enumerate(PATTERNS):
            known = ~missing[cue]
            assert found[cue][mu] == pytest.approx(by_hand(states[cue], xi, kind), rel=1e-12)
            part = by_hand(states[cue][known], xi[known], kind)
            assert left_out[cue][mu] == pytest.approx(part, rel=1e-12)
    table = np.array([[by_hand(a, b, kind) for b in PATTERNS] for a in PATTERNS])
    apart = [table[k, k] - np.delete(table[k], k).max() for k in range(4)]
    np.testing.assert_allclose(am.patterns.separation(PATTERNS, kind), apart, rtol=1e-12)


def test_separation_in_blocks_and_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = am.patterns.separation(PATTERNS, "manhattan")
    monkeypatch.setattr("amsim.patterns._BLOCK", 1)
    np.testing.assert_array_equal(am.patterns.separation(PATTERNS, "manhattan"), whole)
    assert am.patterns.separation(PATTERNS[:1]).tolist() == [np.inf]
    assert am.patterns.separation(PATTERNS[[0, 1, 0]], "euclidean")[0] == 0.0


def test_cosines_of_very_short_states() -> None:
    """Whose squares underflow."""
    found = am.patterns.similarity(PATTERNS * 1e-200, PATTERNS * 1e-180, "cosine")
    expected = am.patterns.similarity(PATTERNS, PATTERNS, "cosine")
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    weights = [am.dense_am(s * PATTERNS, similarity="cosine").synapses[0] for s in (1.0, 1e-90)]
    np.testing.assert_allclose(weights[0].weights, weights[1].weights, rtol=1e-14)  # type: ignore[attr-defined]
    assert am.patterns.similarity(np.zeros(6), PATTERNS, "cosine").tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "l1"}, "kind must be 'dot'"),
        ({"missing": "NaN"}, "missing must be 'nan' or a mask"),
        ({"missing": [0, 1, 0, 0, 0, 0]}, "missing must be booleans"),
        ({"missing": [True, False]}, r"missing has shape \(2,\)"),
    ],
)
def test_what_is_no_similarity_is_refused(options: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        am.patterns.similarity(PATTERNS, PATTERNS, **options)
    with pytest.raises(ValueError, match="NaN"):
        am.patterns.similarity(np.full(6, np.nan), PATTERNS)
    with pytest.raises(ValueError, match="NaN"):  # one that was not said to be missing
        am.patterns.similarity(np.full(6, np.nan), PATTERNS, missing=np.arange(6) < 3)


@every_kind
@pytest.mark.parametrize("tau_hidden", [0.0, 0.1])
def test_memories_recall_by_their_similarity(kind: Any, tau_hidden: float) -> None:
    net = memory(kind, tau_hidden=tau_hidden)
    cues = PATTERNS[:3] + 0.05 * RNG.normal(size=(3, 6))
    traj = am.simulate(net, cues)
    assert traj.status == "settled"
    assert (np.diff(traj.energy, axis=0) <= 1e-8).all()
    # The memories hold the similarity, but for what they have in common, and for the rounded kink.
    similar = am.patterns.similarity(traj.final["visible"], PATTERNS, kind)
    gap = traj.final["hidden"] - similar
    width = 6 * net.synapses[0].width if isinstance(net.synapses[0], am.Manhattan) else 0.0
    assert np.ptp(gap, axis=-1).max() <= width + 1e-5
    found = traj.nearest(PATTERNS)
    order = np.sort(traj.final["hidden"], axis=-1)
    np.testing.assert_array_equal(found.index, traj.final["hidden"].argmax(axis=-1))
    np.testing.assert_array_equal(found.pattern, PATTERNS[found.index])
    np.testing.assert_array_equal(found.margin, order[:, -1] - order[:, -2])
    if kind != "dot":  # products prefer long patterns
        assert found.index.tolist() == [0, 1, 2]


def test_the_energy_of_manhattan_memories_is_that_of_distances() -> None:
    net = memory("manhattan", tau_hidden=0.0)
    (synapse,) = net.synapses
    assert isinstance(synapse, am.Manhattan)
    v = RNG.normal(size=(5, 6))
    near = (np.hypot(v[:, None] - PATTERNS, synapse.width) - synapse.width).sum(axis=-1)
    expected = -np.log(np.exp(-8.0 * near).sum(axis=1)) / 8.0
    np.testing.assert_allclose(net.energy({"visible": v}), expected, rtol=1e-9)


def test_manhattan_memories_are_not_moved_by_one_wrong_unit() -> None:
    """Squares prefer the pattern that is a little off everywhere."""
    patterns = np.array([[0.0] * 6, [1.0] * 6])
    cue = np.array([5.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert am.patterns.similarity(cue, patterns, "manhattan").argmax() == 0
    nets = {k: am.dense_am(patterns, hidden=am.Softmax(9.0), similarity=k, tau_hidden=0.0)
            for k in ("euclidean", "manhattan")}  # fmt: skip
    found = {k: int(am.simulate(net, cue).nearest(patterns).index) for k, net in nets.items()}
    assert found == {"euclidean": 1, "manhattan": 0}


def test_engines_refuse_new_similarities_by_name() -> None:
    for kind, name in (("cosine", "Spherical"), ("manhattan", "Manhattan")):
        net = memory(kind)
        rest = {n: np.zeros(x.shape) for n, x in net.layers.items()}
        for run in (
            lambda n: am.simulate(n, PATTERNS[0], solver=am.EventDriven(1e-2)),
            lambda n: am.simulate(n, PATTERNS[0], solver="brian2"),
            lambda n, rest=rest: am.stability.certify(n, PATTERNS[:1], rest),
        ):
            with pytest.raises(ValueError, match=name):
                run(net)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"similarity": "cosine", "visible": am.Tanh()}, "needs features of length 1"),
        ({"similarity": "manhattan", "visible": am.Tanh()}, "compares the states themselves"),
        ({"similarity": "manhattan", "hidden": am.ReLU()}, "ReLU gives others"),
        ({"similarity": "manhattan", "bias_visible": 1.0}, "leave bias_visible out"),
        ({"similarity": "l1"}, "similarity must be 'dot', 'euclidean', 'cosine' or 'manhattan'"),
    ],
)
def test_what_does_not_go_together_is_refused(options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        am.dense_am(PATTERNS, **options)
    with pytest.raises(ValueError, match="pattern 1 is 0 and has no direction"):
        am.dense_am([[1.0, 0.0], [0.0, 0.0]], similarity="cosine")
    layers = {"visible": am.Layer(6, am.Identity()), "hidden": am.Layer(4, am.Softmax())}
    with pytest.raises(ValueError, match="leak="):
        am.Network(layers, [am.Manhattan(PATTERNS)])


@every_kind
def test_missing_units_start_where_the_known_ones_put_them(kind: Any) -> None:
    """The stationary value of a network that has only the known units."""
    known = np.array([True, True, False, True, False, True])
    cue = PATTERNS[2] + 0.3 * RNG.normal(size=6)
    net = memory(kind, tau_hidden=0.0)
    start = am.simulate(net, cue, missing=~known, times=[0.0, 1e-3], until=None)["visible"][0]
    holes = np.where(known, cue, np.nan)
    again = am.simulate(net, holes, missing="nan", times=[0.0, 1e-3], until=None)["visible"][0]
    np.testing.assert_array_equal(start, again)
    np.testing.assert_array_equal(start[known], cue[known])
    similar = am.patterns.similarity(cue[known], PATTERNS[:, known], kind)
    share = am.Softmax(BETAS[kind]).activation(similar)
    patterns = PATTERNS
    if kind == "cosine":
        patterns = PATTERNS / np.linalg.norm(PATTERNS, axis=1, keepdims=True)
    if kind == "manhattan":  # a minimum of sum_mu p_mu |v - xi_mu|
        for unit in np.flatnonzero(~known):
            cost = [share @ np.abs(value - patterns[:, unit]) for value in patterns[:, unit]]
            assert start[unit] in patterns[np.isclose(cost, min(cost)), unit]
    else:
        np.testing.assert_allclose(start[~known], (share @ patterns)[~known], rtol=1e-9)


def test_missing_units_with_memories_that_are_no_shares() -> None:
    """The common -|v|^2 / 2 of distances does not matter to shares, but to others."""
    net = am.dense_am(
        PATTERNS, hidden=am.Sigmoid(), visible=am.Tanh(), similarity="euclidean", tau_hidden=0.0
    )
    known = np.arange(6) < 4
    cue = RNG.normal(size=6)
    start = am.simulate(net, cue, missing=~known, times=[0.0, 1e-3], until=None)["visible"][0]
    h = PATTERNS[:, known] @ np.tanh(cue[known]) - (PATTERNS[:, known] ** 2).sum(axis=1) / 2
    np.testing.assert_allclose(start[~known], (am.Sigmoid().activation(h) @ PATTERNS)[~known])


def test_missing_units_help() -> None:
    """Digits in gray levels with half of the image missing, by the right similarity."""
    digits = am.patterns.digits_gray(100)
    missing = np.arange(64) < 32
    net = am.dense_am(digits, hidden=am.Softmax(20.0), similarity="euclidean", tau_hidden=0.0)
    with_nan = np.where(missing, np.nan, digits)
    left_out = am.simulate(net, with_nan, missing="nan", clamp=~missing).nearest(digits)
    as_zeros = am.simulate(net, np.where(missing, 0.0, digits), clamp=~missing).nearest(digits)
    right = np.arange(100)
    assert np.mean(left_out.index == right) > 0.95
    assert np.mean(as_zeros.index == right) < 0.6


def test_what_cannot_be_missing_is_refused() -> None:
    net = memory("dot")
    with pytest.raises(ValueError, match="NaN"):
        am.simulate(net, np.full(6, np.nan))
    with pytest.raises(ValueError, match="without bias_hidden"):
        am.simulate(memory("dot", bias_hidden=1.0), PATTERNS[0], missing="nan")
    with pytest.raises(ValueError, match="missing is for units of layer 'visible'"):
        am.simulate(net, {"hidden": np.zeros(4)}, missing="nan")
    chain = am.models.hierarchical_memory([PATTERNS], [am.Tanh(), am.Tanh()])
    with pytest.raises(ValueError, match="two-layer memory"):
        am.simulate(chain, PATTERNS[0], missing="nan")


def test_nearest_needs_all_patterns_and_their_layer() -> None:
    traj = am.simulate(memory("dot"), PATTERNS[:2], t1=1.0)
    with pytest.raises(ValueError, match="pass all patterns that the network stores"):
        traj.nearest(PATTERNS[:3])
    with pytest.raises(ValueError, match="pass those that the network stores"):
        traj.nearest(PATTERNS[:, :3])
    with pytest.raises(ValueError, match="there is no 'memories'"):
        traj.nearest(PATTERNS, layer="memories")
    again = copy.deepcopy(traj).nearest(PATTERNS)
    np.testing.assert_array_equal(again.index, traj.nearest(PATTERNS).index)
    single = am.simulate(am.dense_am(PATTERNS[:1]), PATTERNS[0], t1=1.0).nearest(PATTERNS[:1])
    assert single.margin == np.inf


def test_nearest_refuses_patterns_that_are_not_the_stored_ones() -> None:
    for kind in BETAS:
        traj = am.simulate(memory(kind), PATTERNS[:2], t1=1.0)
        for wrong in (-PATTERNS, np.roll(PATTERNS, 1, axis=0)):
            with pytest.raises(ValueError, match="not what the network stores in this place"):
                traj.nearest(wrong)
        longer = traj.nearest(3.0 * PATTERNS)  # lengths do not count, with cosines they cannot
        np.testing.assert_array_equal(longer.index, traj.nearest(PATTERNS).index)
    deviant = am.Mismatch(weights=0.1, symmetric=True).of(memory("dot"), seed=0)
    assert int(am.simulate(deviant, PATTERNS[1], t1=1.0).nearest(PATTERNS).index) == 1


@pytest.mark.parametrize(
    "hidden",
    [am.Identity(), am.Tanh(0.1), am.Sign(), am.Spherical()],
    ids=repr,
)
def test_odd_memories_hold_the_negatives_and_nearest_says_so(
    hidden: am.Lagrangian, tmp_path: Any
) -> None:
    """Each energy is even: what holds for a cue holds for its negative."""
    stored = am.patterns.random(3, 48, seed=0)
    net = am.dense_am(stored, visible=am.Tanh(2.0), hidden=hidden, tau_hidden=0.0)
    cues = np.concatenate([stored, -stored])
    traj = am.simulate(net, cues, t1=0.2, until=None)  # some end in a mixture later
    found = traj.nearest(stored)
    assert found.index.tolist() == [0, 1, 2, 0, 1, 2]
    assert found.sign.tolist() == [1, 1, 1, -1, -1, -1]
    np.testing.assert_array_equal(found.pattern, cues)
    assert (found.similarity > 20).all() and (found.margin > 0).all()
    again = am.Trajectory.load(traj.save(tmp_path / "run")).nearest(stored)
    np.testing.assert_array_equal(again.sign, found.sign)

    biased = am.dense_am(
        stored, visible=am.Tanh(2.0), hidden=hidden, tau_hidden=0.0, bias_hidden=0.1
    )
    assert (am.simulate(biased, stored, t1=0.2, until=None).nearest(stored).sign == 1).all()
