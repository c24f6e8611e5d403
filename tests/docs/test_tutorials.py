"""Each tutorial runs from top to bottom, and what its text says about the results is so."""

from __future__ import annotations

import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"
TUTORIALS = sorted(path.stem for path in FOLDER.glob("*.py"))


def damaged_digit(found):
    assert found["traj"].status == found["lost"].status == "settled"
    assert (found["own"][-1] > 0.99).all() and (found["own"][0] < 0.7).all()
    assert (found["noise"] == found["stored"]).mean(axis=1).max() < 0.8  # like no digit at all
    others = found["stored"] @ found["stored"].T / 64
    assert others[~np.eye(20, dtype=bool)].mean() == pytest.approx(0.5, abs=0.02)


def landscape(found):
    betas, right = found["betas"], found["right"]
    np.testing.assert_allclose(right[betas > 1.1], np.tanh(betas * right)[betas > 1.1], atol=1e-5)
    assert (right[betas > 1.1] > 0.4).all() and (right[betas < 0.9] < 1e-4).all()
    np.testing.assert_allclose(found["left"], -right, atol=1e-9)
    assert 0.1 < found["found"].beta < 1.0
    assert 0.5 < found["end"][0] < 0.8  # split at 1/d, here just above it


def time_constants(found):
    assert found["critical"] == pytest.approx(2.0746, abs=1e-3)
    calm, swinging = (line.get_ydata() for line in found["axes"][0].lines)
    assert np.ptp(calm[-300:]) < 0.01 and np.ptp(swinging[-300:]) > 0.5
    assert np.diff(found["traj"].energy).max() > 0
    assert "energy may rise" in str(found["caught"][0].message)


def no_clock(found):
    assert found["traj"].status == found["run"].status == "settled"
    assert found["apart"][0] < 0.01 < 0.1 < found["apart"][-1]
    assert (np.diff(found["messages"]) < 0).all()
    assert found["far"] > 0.02  # without a heartbeat, half of the messages lost


def timing_breaks(found):
    assert found["critical"] == pytest.approx(10.6939, abs=1e-3)
    calm, swinging = ([line.get_ydata() for line in ax.lines] for ax in found["axes"])
    assert np.ptp([y[-300:] for y in calm]) < 0.01
    assert np.ptp([y[-300:] for y in swinging]) > 1.0
    stable, unstable = (line.get_ydata() for line in found["ax"].lines)
    assert abs(stable - 1).max() < 0.1 < abs(unstable - 1).max()


def certificates(found):
    recalled, broadcast, link = map(np.array, found["shares"].values())
    assert (recalled >= broadcast).all() and (broadcast >= link).all()
    assert link[0] == 1.0 and recalled[-1] < 0.5
    assert max(found["ends"]) < 0.02
    assert found["holds"]


def capacity(found):
    assert found["pure"][0] == 0.0 and found["pure"][-1] == 1.0
    assert found["kinds"][0] == 1 and found["kinds"][-1] == 6
    theory, measured = (np.array(found[name][-2:]) for name in ("theory", "measured"))
    np.testing.assert_allclose(measured, theory, rtol=0.2)


def attention(found):
    np.testing.assert_allclose(found["jump"], found["attention"], rtol=1e-12)
    assert found["wrong"] == 0.0
    assert (np.diff(found["traj"].energy, axis=0) < 1e-6).all()


def chip(found):
    assert found["apart"].max() < 1e-3
    assert (np.array(found["errors"]) < 0.6 * found["step"]).all()
    assert (np.array(found["errors"]) > 0.4 * found["step"]).all()
    if "lava" in found:
        assert found["same"]


def experiment(found):
    assert (found["again"].error == found["data"].error[..., :2]).all()
    assert found["claim"].holds is None and found["judge"](found["data"])[0].holds
    assert abs(found["ours"] - found["scipy"]).max() < 1e-5


def sequences(found):
    heard = found["heard"]
    assert list(heard[np.append(True, np.diff(heard) != 0)]) == [3, 4, 5]
    whole = np.argmax([line.get_ydata() for line in found["lines"]], axis=0)
    assert list(whole[np.append(True, np.diff(whole) != 0)]) == [*range(6)]


def noise(found):
    np.testing.assert_allclose(found["measured"], found["kramers"], rtol=0.6)
    v = found["traj"]["visible"]
    mean = (found["v"] ** 2 * found["density"]).sum() / found["density"].sum()
    assert (v**2).mean() == pytest.approx(mean, rel=0.05)


def learning(found):
    assert found["accuracy"] > 0.95
    np.testing.assert_allclose(found["logits"], found["attention"], rtol=0, atol=1e-6)
    soon = found["times"] > 0.2
    assert (np.array(found["right"])[soon] > 0.9).all() and found["way"][10] > 0.5 * found["way"][0]
    assert 0 < found["proven"].sum() < 50 and found["correct"][found["proven"]].all()
    assert found["shares"][0] < 0.8 and min(found["shares"][2:]) > 0.9


def chips(found):
    assert {end for ends in found["ends"].values() for end in ends} == {3}
    assert max(found["wrong"]["wait"]) < 1.0001 < 10 < max(found["wrong"]["drop"])
    assert max(found["settled"]["wait"][:3]) < 20 < 60 < float(found["slow"][30.0].settle_times)
    assert all(run.status == "settled" for run in found["slow"].values())
    assert sum(found["lost"]["loihi1"]) == 0 < min(found["lost"]["brainscales2"])
    for share in found["kept"].values():
        assert share[0] >= 0.9 and share[-1] <= 0.2


SAID = [
    damaged_digit, landscape, time_constants, no_clock, timing_breaks, certificates,
    capacity, attention, chip, experiment, sequences, noise, learning, chips,
]  # fmt: skip


@pytest.mark.parametrize(("name", "said"), [*zip(TUTORIALS, SAID, strict=True)])
def test_a_tutorial_runs_and_is_right(name, said, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.setenv("MPLBACKEND", "Agg")
    plt.switch_backend("Agg")
    with plt.rc_context(), warnings.catch_warnings():
        found = runpy.run_path(str(FOLDER / f"{name}.py"))
        plt.close("all")
    assert said.__name__ in name or said in (timing_breaks, experiment)
    said(found)


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_ends_with_a_question(name):
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    asked = text.partition("# ## Your turn\n")[2].partition("# %%\n")[0]
    assert "?" in asked or "Predict" in asked
    assert f"# # {int(name[:2])} " in text
