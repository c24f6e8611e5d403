import numpy as np
import pytest

import amsim as am
from experiments import asynchrony


@pytest.fixture(scope="module")
def toy():
    return asynchrony.run(flip=[0.1, 0.4], cues=2, repeats=1)


def test_certified_cues_end_in_the_fixed_point_however_they_are_run(toy):
    claims = {claim.text: claim for claim in asynchrony.EXPERIMENT.judge(toy)}
    for execution in ("equation", "events", "everything"):
        claim = claims[f"{execution}: share of certified cues that end in the fixed point"]
        assert claim.measured == claim.predicted == 1.0
        assert claim.holds
    assert (toy.same.where(toy.certified == 1).fillna(1) == 1).all()
    assert toy.certified.sel(memories="random", flip=0.1).all()  # the claims are about something


def test_executions_of_one_repeat_see_the_same_cues(toy):
    assert (toy.certified == toy.certified.isel(execution=0)).all()


def test_the_equation_ends_in_its_own_fixed_point(toy):
    part = toy.sel(execution="equation")
    assert part.same.all()
    assert float(part.distance.max()) < 2e-3  # |tau dx/dt| <= 1e-3, and gains are far below 1
    assert np.isnan(part.messages).all()


def test_delays_cost_time_and_damage_costs_messages(toy):
    time = toy.time.median(("memories", "flip", "repeat", "cue"))
    assert time.sel(execution="everything") > time.sel(execution="equation")
    messages = toy.messages.sel(execution="events").mean(("memories", "repeat", "cue"))
    assert messages.sel(flip=0.4) > messages.sel(flip=0.1)


def test_the_target_is_the_fixed_point():
    stored = am.patterns.random(10, 32, seed=0)
    net = am.dense_am(stored, hidden=am.Softmax(1.0), tau_hidden=1.0)
    target, certified = asynchrony._target(net, stored[:2])
    weights = np.exp(target @ stored.T)
    update = weights @ stored / weights.sum(axis=1, keepdims=True)
    assert np.abs(update - target).max() < 1e-9
    assert certified.all()


def test_time_since_which_something_is_true():
    inside = np.array([[0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 1, 0]], dtype=bool)
    found = asynchrony._since(np.array([0.0, 1.0, 2.0]), inside)
    assert found.tolist()[:3] == [1.0, 2.0, 0.0]
    assert np.isnan(found[3])


def test_the_figure_draws_axes_of_one_value_and_failed_units(toy):
    part = toy.isel(flip=[0], memories=[1])
    asynchrony.EXPERIMENT.draw(part.where(part.flip > 1))
    figure = asynchrony.EXPERIMENT.draw(part)
    assert [ax.get_xlabel() for ax in figure.axes] == ["flipped units (%)"] * 3
