"""Two-state units of any weights, and sequences of two-state patterns."""

import itertools

import numpy as np
import pytest

import amsim as am
from amsim.binary import Exponential, Power, SequenceMemory, TwoStateNetwork
from amsim.theory import capacity

SIGNS = np.array(list(itertools.product((-1, 1), repeat=6)))


def symmetric(rng, size):
    weights = rng.normal(size=(size, size))
    weights = weights + weights.T
    np.fill_diagonal(weights, 0.0)
    return weights


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("zero_one", [False, True])
def test_every_state_settles_in_a_local_minimum(rng, zero_one):
    weights, thresholds = symmetric(rng, 6), rng.normal(size=6)
    net = TwoStateNetwork(weights, thresholds, zero_one=zero_one)
    states = (SIGNS + 1) / 2 if zero_one else SIGNS
    energies = np.array([-s @ weights @ s / 2 + thresholds @ s for s in states])
    assert np.allclose(net.energy(states), energies)
    recall = net.recall(states, seed=1)
    assert recall.status == "settled"
    before, after = net.energy(states), net.energy(recall.final)
    assert (after <= before + 1e-12).all()
    for unit in range(6):
        other = recall.final.copy()
        other[:, unit] = 1 - other[:, unit] if zero_one else -other[:, unit]
        assert (net.energy(other) >= after - 1e-12).all()


@pytest.mark.parametrize("zero_one", [False, True])
def test_parallel_updates_are_the_signs_of_the_fields(rng, zero_one):
    weights, thresholds = rng.normal(size=(6, 6)), rng.normal(size=6)
    net = TwoStateNetwork(weights, thresholds, zero_one=zero_one)
    states = (SIGNS + 1) / 2 if zero_one else SIGNS
    fields = states @ weights.T - thresholds
    expected = (fields > 0).astype(float) if zero_one else np.sign(fields)
    found = net.recall(states, order="parallel", max_sweeps=1).final
    assert (found == expected).all()


def test_a_sweep_in_order_reads_what_was_updated_before(rng):
    weights, thresholds = rng.normal(size=(6, 6)), rng.normal(size=6)
    expected = SIGNS.astype(float)
    for state in expected:
        for i in (3, 0, 5):
            state[i] = np.sign(weights[i] @ state - thresholds[i])
    found = TwoStateNetwork(weights, thresholds).recall(SIGNS, order=[3, 0, 5], max_sweeps=1).final
    assert (found == expected).all()


def test_ties_keep_the_state_and_clamps_hold():
    net = TwoStateNetwork([[0, 1, 1], [1, 0, 0], [1, 0, 0]])
    assert net.recall([1, 1, -1], clamp=[1, 2]).final.tolist() == [1, 1, -1]
    assert net.recall([-1, 1, -1], clamp=[1, 2]).final.tolist() == [-1, 1, -1]
    with pytest.raises(ValueError, match="clamp"):
        net.recall([1, 1, 1], clamp=[0, 1, 2])


def test_directed_rings_go_round_and_have_no_energy():
    shift = np.roll(np.eye(5), 1, axis=0)
    net = TwoStateNetwork(shift)
    recall = net.recall([1, -1, -1, -1, -1], order="parallel")
    assert (recall.status, int(recall.period)) == ("cycle", 5)
    assert "symmetric" in recall.message
    with pytest.raises(ValueError, match="not symmetric"):
        net.energy([1, 1, 1, 1, 1])
    # Symmetric weights alternate at most.
    pair = TwoStateNetwork([[0, 1], [1, 0]]).recall([1, -1], order="parallel")
    assert int(pair.period) == 2


@pytest.mark.parametrize("zero_one", [False, True])
def test_temperature_samples_the_gibbs_distribution(rng, zero_one):
    weights, thresholds = symmetric(rng, 3), rng.normal(size=3) / 2
    net = TwoStateNetwork(weights, thresholds, zero_one=zero_one)
    states = np.array(list(itertools.product((0, 1) if zero_one else (-1, 1), repeat=3)))
    share = np.exp(-net.energy(states) / 1.5)
    share /= share.sum()
    start = np.tile(states[0], (20_000, 1))
    final = net.recall(start, temperature=1.5, max_sweeps=20, seed=3).final
    counted = np.array([(final == s).all(axis=1).mean() for s in states])
    assert np.abs(counted - share).max() < 5 * np.sqrt(0.25 / 20_000)


def test_cues_are_as_alone(rng):
    net = TwoStateNetwork(rng.normal(size=(30, 30)))
    cues = np.sign(rng.normal(size=(4, 30)))
    for options in ({}, {"temperature": 1.0}, {"order": "parallel", "temperature": 1.0}):
        together = net.recall(cues, seed=5, max_sweeps=7, **options).final
        first = net.recall(cues[:1], seed=5, max_sweeps=7, **options).final
        assert (together[0] == first[0]).all()


@pytest.mark.parametrize("rule", ["hebbian", "storkey", "pseudo_inverse"])
def test_rules_recall_what_they_learned(rule):
    patterns = am.patterns.random(8, 100, seed=0)
    net = getattr(TwoStateNetwork, rule)(patterns)
    assert np.allclose(
        net.weights, getattr(am.learning, rule)(patterns).weights * (1 - np.eye(100))
    )
    cues = am.patterns.corrupt(patterns, flip=0.1, seed=1)
    assert (net.recall(cues).final == patterns).mean() > 0.99


def test_hopfield_and_tank_find_the_shortest_tour(rng):
    """Unit (city, place) of 0 or 1; rows and columns cost 1, and so does way over the largest."""
    cities = rng.uniform(size=(5, 2))
    way = np.linalg.norm(cities[:, None] - cities, axis=-1)
    same = np.eye(5)
    beside = np.roll(same, 1, axis=0) + np.roll(same, -1, axis=0)
    penalty = 3 * way.max()
    rows = np.kron(same, 1 - same) + np.kron(1 - same, same)
    weights = -penalty * rows - np.kron(way, beside)
    net = TwoStateNetwork(weights, thresholds=-penalty, zero_one=True)
    starts = rng.integers(0, 2, size=(60, 25))
    recall = net.recall(starts, seed=0)
    assert recall.status == "settled"
    tours = recall.final.reshape(-1, 5, 5)
    assert (tours.sum(axis=1) == 1).all()
    assert (tours.sum(axis=2) == 1).all()

    def length(order):
        return sum(way[a, b] for a, b in zip(order, np.roll(order, -1), strict=True))

    found = [length(tour.argmax(axis=0)) for tour in tours]
    shortest = min(length(order) for order in itertools.permutations(range(5)))
    assert np.isclose(min(found), shortest)
    # The energy is the length, but for a constant.
    assert np.allclose(net.energy(recall.final) + 5 * penalty, found)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([[1.0, 2.0]],), "one row and column"),
        (([[np.nan]],), "NaN|finite"),
        (([[1.0]], [1.0, 2.0]), "thresholds"),
        (([],), "weights"),
    ],
)
def test_bad_networks_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        TwoStateNetwork(*arguments)


def test_bad_states_are_refused():
    net = TwoStateNetwork(np.eye(3), zero_one=True)
    for states in ([1, -1, 0], [0, 1], [], [0.5, 0, 1]):
        with pytest.raises(ValueError, match="states"):
            net.recall(states)
    with pytest.raises(ValueError, match="temperature"):
        net.recall([0, 1, 0], temperature=-1.0)
    with pytest.raises(ValueError, match="order"):
        net.recall([0, 1, 0], order="backwards")


def plain_step(patterns, state, power):
    """The formula of the paper, unit by unit."""
    following, out = np.roll(patterns, -1, axis=0), []
    for i in range(len(state)):
        overlaps = patterns @ state - patterns[:, i] * state[i]
        field = following[:, i] @ overlaps.astype(float) ** power
        out.append(state[i] if field == 0 else np.sign(field))
    return np.array(out)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_steps_are_those_of_the_formula(rng, n):
    patterns = am.patterns.random(7, 13, seed=n)
    states = np.sign(rng.normal(size=(5, 13)))
    found = SequenceMemory(patterns, Power(n)).replay(states, 1)[1]
    assert (found == [plain_step(patterns, s, n - 1) for s in states]).all()


def test_higher_orders_replay_longer_sequences():
    patterns = am.patterns.random(60, 60, seed=0)
    whole = [
        (SequenceMemory(patterns, f).replay(patterns[0], 60)[:60] == patterns).all()
        for f in (Power(2), Power(4), Exponential(1.0))
    ]
    assert whole == [False, True, True]


@pytest.mark.parametrize("order", ["parallel", "random"])
def test_a_stabiliser_holds_each_pattern_for_a_while(order):
    patterns = am.patterns.random(6, 80, seed=0)
    memory = SequenceMemory(
        patterns, Power(3), stabiliser=Power(3), strength=2.0, delay=6, cyclic=False
    )
    states = memory.replay(patterns[0], 60, order=order, seed=1)
    nearest = (states @ patterns.T).argmax(axis=1)
    assert nearest[np.flatnonzero(np.diff(nearest, prepend=-1))].tolist() == list(range(6))
    held = np.diff(np.flatnonzero(np.diff(nearest, prepend=-1)))[1:]
    assert held.min() >= 3
    assert (states[-1] == patterns[-1]).all()


@pytest.mark.parametrize("order", ["parallel", "random"])
@pytest.mark.parametrize("seed", [None, 1.5, np.array([3], dtype=object)], ids=repr)
def test_a_seed_is_one_whatever_the_order(order, seed):
    patterns = am.patterns.random(3, 8, seed=0)
    with pytest.raises(TypeError, match="seed must be a whole number"):
        SequenceMemory(patterns).replay(patterns[0], 1, order=order, seed=seed)


def test_one_at_a_time_replays_as_in_parallel_at_order_three():
    patterns = am.patterns.random(10, 60, seed=0)
    states = SequenceMemory(patterns, Power(3)).replay(patterns[0], 10, order="random")
    assert (states[:10] == patterns).all()


def test_fields_and_their_variance_at_stored_patterns():
    units, count, n = 40, 30, 3
    spread = []
    for seed in range(40):
        patterns = am.patterns.random(count, units, seed=seed)
        fields = SequenceMemory(patterns, Power(n)).fields(patterns)
        spread.append(fields * np.roll(patterns, -1, axis=0))
    spread = np.array(spread)
    assert np.isclose(spread.mean(), 1.0, atol=0.01)
    theory = capacity.crosstalk_variance(units, count, n)
    assert np.isclose(spread.var(), theory, rtol=0.05)
    assert np.isclose(theory, (count - 1) * (3 * 39**2 - 2 * 39) / 39**4)


def test_capacities_have_the_constants_of_the_paper():
    units = 10**6
    for n, odd in ((2, 1), (3, 3), (4, 15)):
        single = capacity.transition_capacity(units, n)
        assert np.isclose(single, units ** (n - 1) / (2 * odd * np.log(units)))
        assert np.isclose(capacity.sequence_capacity(units, n), single / n)
    for function in (capacity.transition_capacity, capacity.sequence_capacity):
        with pytest.raises(ValueError, match="n is 1"):
            function(100, 1)
    assert capacity.sequence_capacity(10**6, 200) == np.inf


def test_arguments_of_sequences_are_checked():
    patterns = am.patterns.random(3, 8, seed=0)
    for options, words in (
        ({"strength": 0.0}, "strength"),
        ({"delay": 0}, "delay"),
        ({"cyclic": "no"}, "cyclic"),
        ({"separation": 3}, "separation"),
        ({"stabiliser": "x"}, "stabiliser"),
    ):
        with pytest.raises((ValueError, TypeError), match=words):
            SequenceMemory(patterns, **options)
    with pytest.raises(ValueError, match="two patterns"):
        SequenceMemory(patterns[:1])
    memory = SequenceMemory(patterns)
    for arguments, words in (((patterns[:, :5], 3), "units"), ((patterns, 0), "steps")):
        with pytest.raises(ValueError, match=words):
            memory.replay(*arguments)
    with pytest.raises(ValueError, match="order"):
        memory.replay(patterns, 3, order="sweep")
