"""Where two rules stop, and how deep recalls go."""

import numpy as np
import pytest

import amsim as am
from experiments import halting


@pytest.fixture(scope="module")
def data():
    return halting.run(delay=(0.0, 2.0, 8.0), lead=(0.3, 0.03, 0.01, 0.001, 1e-5))


def test_claims(data):
    claims = halting.judge(data)
    assert [claim.holds for claim in claims[:4]] == [True] * 4
    assert claims[0].measured == 0
    found = {claim.text: claim.measured for claim in claims[4:]}
    naive = found["naive stops farther from rest than promised"]
    assert naive >= found["all naive stops before any message"] >= 5
    assert claims[3].predicted == pytest.approx(1 / (np.sqrt(float(data.sigma.mean())) - 1))


def test_naive_rule_is_right_without_delays_and_wrong_with_long_ones(data):
    far = data.naive_distance > data.promise
    moving = data.first_quiet > 0
    assert not (far & moving).sel(delay=0.0).any()
    assert far.where(moving, True).sel(delay=8.0).all()
    # It saves messages, since it stops before there are any to wait for.
    assert (data.naive_messages <= data.windowed_messages).all()
    assert (data.naive_time <= data.windowed_time).all()


def test_cues_at_the_border_are_at_rest_for_both_rules(data):
    border = data.sel(delay=0.0, lead=1e-5, repeat=0)
    assert border.first_quiet == 0
    assert border.windowed_distance > 10 * border.promise


def test_gain_at_the_border_is_that_of_the_jacobian(data):
    # At the mixture two memories have p, the others q: p = w / (2 w + K - 2),
    # with w = e^(beta D (p - q)).
    beta, units, memories = (data.attrs[name] for name in ("beta", "units", "memories"))
    p = 0.5
    for _ in range(200):
        q = (1 - 2 * p) / (memories - 2)
        weight = np.exp(beta * units * (p - q))
        p = weight / (2 * weight + memories - 2)
    assert data.sigma.values == pytest.approx(beta * units * p, rel=1e-9)


def test_depth_of_the_reference_network():
    patterns = np.sin([[1 + 2 * mu + 3 * i + mu * i for i in range(5)] for mu in range(4)])
    net = am.dense_am(patterns, hidden=am.Softmax(8.0))
    cues = [(1 - a) * patterns[0] + a * patterns[1] for a in (0.0, 0.3, 0.49)]
    traj = am.simulate(net, cues, solver=am.FixedPoint(), until=am.Settled(1e-6))
    assert traj.settle_times.tolist() == [1, 4, 5]


def test_figure(data):
    figure = halting.draw(data)
    assert [ax.get_xlabel() for ax in figure.axes] == [
        "delay (τ)", "delay (τ)", "lead over the border",
    ]  # fmt: skip
