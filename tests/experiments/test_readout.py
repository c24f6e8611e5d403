"""Readings after t_read, and how errors decay before."""

import numpy as np
import pytest

from experiments import readout


@pytest.fixture(scope="module")
def data():
    return readout.run(staleness=(0.0, 2.0), distance=(0.05, 0.3), horizon=20.0)


def test_claims(data):
    claims = readout.judge(data)
    assert [claim.holds for claim in claims[:2]] == [True, True]
    assert 0.5 < claims[1].measured <= 1
    assert claims[2].measured == 0.5  # nothing is proven from 0.3


def test_time_to_read_is_where_the_bound_passes_the_margin(data):
    part = data.sel(distance=0.05)
    bound = readout.bound(part)
    safe = part.time >= part.t_read
    assert safe.any("time").all()
    assert not safe.all("time").any()
    assert (bound.where(safe, 0) <= 0.005 * (1 + 1e-9)).all()
    assert (bound.where(~safe, 1) > 0.005).all()
    # Without delays the rate is that of a contraction: below 1 / tau, and less with staleness.
    assert part.rate.sel(staleness=2.0).item() < part.rate.sel(staleness=0.0).item() < 1


def test_nothing_is_proven_beyond_the_reach(data):
    far = data.sel(distance=0.3)
    assert np.isinf(far.t_read).all()
    assert far.rate.isnull().all()
    assert (readout.last_unsafe(far) > 0).all()


def test_errors_start_at_the_distance_and_end_at_the_quantum(data):
    start, end = data.error.isel(time=0), data.error.isel(time=-1)
    assert (start <= data.distance).all()
    assert (start > 0.9 * data.distance).all()
    assert (end <= data.offset).all()


def test_jittered_readings_take_each_unit_at_its_own_time():
    errors = np.arange(5.0)[::-1, None, None] * np.ones((5, 1, 2))
    late = np.array([[0.1, 0.2]])
    # Unit 0 is read one step later, unit 1 two steps later.
    assert readout._read(errors, late, 0.2).tolist() == [3, 2, 1]
    errors[:, 0, 0] = 0
    assert readout._read(errors, late, 0.2).tolist() == [2, 1, 0]


def test_figure(data):
    figure = readout.draw(data)
    assert [ax.get_xlabel() for ax in figure.axes] == ["time (τ)", "staleness (τ)"]
