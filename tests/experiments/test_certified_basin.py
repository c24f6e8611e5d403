"""Three nested curves, and what they tend to at large beta."""

import itertools

import numpy as np
import pytest

import amsim as am
from experiments import certified_basin


@pytest.fixture(scope="module")
def data():
    return certified_basin.run(flipped=(0, 11, 16, 20, 24), memories=60, cues=0, repeats=3)


def test_claims(data):
    claims = {claim.text: claim for claim in certified_basin.judge(data)}
    failed = [text for text, claim in claims.items() if claim.holds is False]
    # At beta = 1 certificates need a lead of several units: the limit is not reached there.
    assert failed and all("beta = 1" in text for text in failed)
    assert claims["beta = 8: cues for which a certificate differs from its limit"].holds
    assert claims["certified cues that were recalled elsewhere"].measured == 0


def test_nested_curves(data):
    assert (data.link <= data.broadcast).all()
    assert (data.broadcast <= data.recalled).all()
    for name in ("recalled", "broadcast", "link"):
        assert (data[name].diff("flipped") <= 0.02).all()
    # The curves are apart: none of the three is another one.
    middle = data.sel(patterns="random", beta=1.0, flipped=16).mean("repeat")
    assert float(middle.link.item()) < 0.2 < 0.8 < float(middle.broadcast.item())


def test_share_in_closed_form_is_the_mean_over_random_patterns():
    memories, flipped, draws = 20, 17, 40
    found = np.zeros(2)
    for seed in range(draws):
        stored = am.patterns.random(memories, 64, seed)
        cues = am.patterns.corrupt(stored, flip=flipped / 64, seed=seed)
        found += [share.mean() / draws for share in certified_basin.limits(stored, cues)]
    for share, scope in zip(found, ("link", "broadcast")):
        expected = certified_basin.share_certified(flipped, memories, scope)
        assert share == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(draws * memories))
    assert found[0] < 0.6 < found[1]


def test_what_is_certified_by_staleness_is_what_leads_at_worst():
    unit = {"patterns": "random", "beta": 8.0, "flipped": 19, "memories": 60, "cues": 20}
    found = certified_basin.measure(seed=np.random.SeedSequence(0), **unit)
    assert [found[name] for name in ("astray", "unnested", "older")] == [0, 0, 0]
    assert found["beyond_bounded_limit"] == 0
    link = found["link_bounded"]
    assert (np.diff(link) <= 0).all() and link[0] > 0.9 > 0.6 > link[-1]
    assert (link <= found["link_bounded_limit"]).all()
    assert (found["broadcast_bounded"] == found["broadcast_bounded"][0]).all()


@pytest.mark.parametrize(
    ("flipped", "shared", "staleness"), [(16, 9, 0.1), (20, 6, 0.5), (8, 8, 2)]
)
def test_worst_leads_are_those_of_the_low_pass(flipped, shared, staleness):
    """In small steps: w hears its flipped units late, the other one where it differs from w."""
    step, tau, intact = 1e-4, certified_basin.TAU_HIDDEN, 7
    times = np.arange(0, 6, step)
    new, old = (1 - 2 * np.exp(-np.maximum(times - late, 0)) for late in (0, staleness))
    other = intact + shared * new - (flipped - shared) * old
    heard = certified_basin.UNITS - flipped + flipped * old - other
    lead, leads = heard[0], []
    for x in heard:
        lead += -np.expm1(-step / tau) * (x - lead)
        leads.append(lead)
    found = certified_basin.worst_lead(flipped, intact, shared, staleness)
    assert found == pytest.approx(min(leads), abs=1e-3)


def test_worst_leads_between_none_and_any_age():
    stored = am.patterns.random(12, 64, seed=1)
    cues = am.patterns.corrupt(stored, flip=0.3, seed=0)
    link, broadcast = certified_basin.limits(stored, cues)
    assert ((certified_basin.least_leads(stored, cues, 60.0) > 0) == link).all()
    assert ((certified_basin.least_leads(stored, cues, 0.0) > 0) == broadcast).all()
    assert link.sum() < broadcast.sum()


def test_share_by_staleness_is_the_mean_over_random_patterns():
    memories, flipped, draws, staleness = 20, 20, 40, 0.3
    found = [
        (certified_basin.least_leads(stored, cues, staleness) > 0).mean()
        for seed in range(draws)
        for stored in [am.patterns.random(memories, 64, seed)]
        for cues in [am.patterns.corrupt(stored, flip=flipped / 64, seed=seed)]
    ]
    expected = certified_basin.share_certified(flipped, memories, "link", staleness)
    assert np.mean(found) == pytest.approx(expected, abs=4 * 0.5 / np.sqrt(draws * memories))
    assert 0.5 < expected < 0.95


def test_limits_are_decisions_over_the_corners_of_the_box():
    stored = am.patterns.random(5, 8, seed=2)
    cues = am.patterns.corrupt(stored, flip=0.25, seed=0)
    link, broadcast = certified_basin.limits(stored, cues)
    for row, (pattern, cue) in enumerate(zip(stored, cues)):
        sides = [sorted({a, b}) for a, b in zip(pattern, cue)]
        products = np.array(list(itertools.product(*sides))) @ stored.T
        others = np.delete(np.arange(5), row)
        assert link[row] == (products[:, others].max() < products[:, row].min())
        leads = products[:, [row]] - products[:, others]
        assert broadcast[row] == (leads.min() > 0)
    assert 0 < link.sum() < broadcast.sum()


def test_unknown_patterns():
    with pytest.raises(ValueError, match="use 'random' or 'digits'"):
        certified_basin.measure(
            seed=np.random.SeedSequence(0),
            patterns="faces",
            beta=1.0,
            flipped=0,
            memories=5,
            cues=0,
        )


def test_figure(data):
    figure = certified_basin.draw(data)
    assert [ax.get_title() for ax in figure.axes][:2] == [
        "60 random patterns, β = 1", "60 digits, β = 1",
    ]  # fmt: skip
    assert figure.axes[2].get_xlabel() == "flipped units (%)"
