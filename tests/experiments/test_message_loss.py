"""Which schemes bear lost messages, and what the others leave behind."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from experiments import message_loss


@pytest.fixture(scope="module")
def data() -> xr.Dataset:
    return message_loss.run(loss=(0.0, 0.3, 0.5, 0.9), repeats=2)


def test_predictions_that_two_draws_can_judge_hold(data: xr.Dataset) -> None:
    claims = message_loss.judge(data)
    judged = [claim for claim in claims if claim.predicted is not None]
    assert len(judged) == 1 + 3 + 3 + 3
    assert judged[0].holds and all(claim.holds is not False for claim in judged)


def test_resending_to_receivers_that_hold_is_exact_at_90_percent(data: xr.Dataset) -> None:
    assert (data.distance.sel(scheme="resend, hold") < 1e-9).all()


def test_reading_zero_moves_the_fixed_point_as_weaker_weights_do(data: xr.Dataset) -> None:
    zero = data.sel(scheme="resend, zero").mean("repeat")
    np.testing.assert_allclose(zero.overlap, zero.scaled, atol=0.03)
    assert float(zero.overlap.sel(loss=0.3)) == pytest.approx(0.7, abs=0.03)
    assert float(zero.overlap.sel(loss=0.5)) < 0.3  # the memory is lost


def test_only_a_heartbeat_repairs_send_on_delta(data: xr.Dataset) -> None:
    overlap = data.overlap.mean("repeat").sel(loss=0.5)
    assert float(overlap.sel(scheme="send on delta")) < 0.95
    assert float(overlap.sel(scheme="heartbeat")) > 0.995
    messages = data.messages.mean("repeat").sel(loss=0.5)
    assert messages.sel(scheme="heartbeat") < 0.25 * messages.sel(scheme="resend, hold")


def test_a_register_is_off_by_what_its_last_losses_make(data: xr.Dataset) -> None:
    """Against draws of the messages of a unit that moves by 17 quanta."""
    sent = np.random.default_rng(0).random((20_000, 17)) > 0.9
    last = np.where(sent.any(axis=1), sent[:, ::-1].argmax(axis=1), 17)
    assert float(message_loss.offset(data, 0.9)) == pytest.approx(0.05 * last.mean(), rel=0.03)


def test_an_unknown_scheme_is_an_error() -> None:
    with pytest.raises(ValueError, match="'send on delta'"):
        message_loss.measure(
            seed=np.random.SeedSequence(0), scheme="telepathy", loss=0.1, quantum=0.05, beta=0.5,
            features=8, memories=2,
        )  # fmt: skip


def test_the_figure_names_its_axes(data: xr.Dataset) -> None:
    left, right = message_loss.draw(data).axes
    assert "%" in left.get_xlabel() and "overlap" in left.get_ylabel()
    assert "messages" in right.get_ylabel()
