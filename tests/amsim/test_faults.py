"""Units and links that fail: each against a network in which the same is said otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import amsim as am

PATTERNS = am.patterns.random(3, 16, seed=0)
CUE = am.patterns.corrupt(PATTERNS[0], flip=0.2, seed=1)
NET = am.dense_am(PATTERNS, hidden=am.Tanh(0.1), visible=am.Tanh())
BROKEN = [1, 4, 5]


def run(timing: am.Timing, quantum: float = 0.02, **settings: Any) -> am.Trajectory:
    given = {"t1": 6.0, "until": None, "seed": 3, **settings}
    solver = am.EventDriven(quantum, timing, record_events=True)
    return am.simulate(NET, CUE, solver=solver, **given)


def test_a_fault_after_the_end_changes_nothing() -> None:
    faults = [am.Fault(kind, units={"visible": BROKEN}, at=6.5, **more)  # type: ignore[arg-type]
              for kind, more in (("silent", {}), ("stuck", {"value": 1.0}),
                                 ("babbling", {"rate": 5.0}))]  # fmt: skip
    ours, plain = run(am.Timing(delay=0.1, faults=faults)), run(am.Timing(delay=0.1))
    assert ours.events is not None and plain.events is not None
    assert ours.events.tobytes() == plain.events.tobytes()
    assert ours.final["visible"].tobytes() == plain.final["visible"].tobytes()


def test_receivers_of_a_silent_unit_hold_what_they_heard() -> None:
    """As if it were clamped at its start, to the bit; later, at what it said last."""
    others = np.setdiff1d(np.arange(16), BROKEN)
    silent = run(am.Timing(delay=0.1, faults=[am.Fault("silent", units={"visible": BROKEN})]))
    clamped = run(am.Timing(delay=0.1), clamp=np.array(BROKEN))
    assert silent.final["hidden"].tobytes() == clamped.final["hidden"].tobytes()
    assert silent.final["visible"][others].tobytes() == clamped.final["visible"][others].tobytes()
    late = run(am.Timing(faults=[am.Fault("silent", units={"visible": BROKEN}, at=1.0)]))
    events = late.events[(late.events.layer == "visible") & np.isin(late.events.unit, BROKEN)]
    assert len(events) > 10 and events.time.max() <= 1.0


@pytest.mark.parametrize("on_full", ["none", "wait"])
def test_a_stuck_unit_says_one_thing(on_full: str) -> None:
    fault = am.Fault("stuck", units={"visible": BROKEN}, at=0.5, value=-0.5)
    bus = am.Fabric(hop=am.Link(40.0, fifo=1)) if on_full == "wait" else None
    settings = {"until": am.Settled(1e-6), "t1": 1000.0}
    traj = run(am.Timing(fabric=bus, faults=[fault]), 1e-3, **settings)
    start = CUE.astype(float)
    start[BROKEN] = np.arctanh(-0.5)
    clamped = am.simulate(NET, start, clamp=np.array(BROKEN))
    assert traj.status == clamped.status == "settled"
    # 16 registers that are wrong by a quantum at most, and what this does around the loop.
    np.testing.assert_allclose(traj.final["hidden"], clamped.final["hidden"], atol=3 * 16e-3)
    said = traj.events[(traj.events.layer == "visible") & (traj.events.unit == BROKEN[0])]
    assert said.value[-1] == -0.5 and (said.value == -0.5).sum() == 1


def test_babblers_send_at_their_rate_and_load_the_bus() -> None:
    fault = am.Fault("babbling", units={"visible": BROKEN}, rate=50.0)
    alone = run(am.Timing(fabric=am.Fabric(hop=am.Link(1e4))), t1=20.0)
    traj = run(am.Timing(fabric=am.Fabric(hop=am.Link(1e4)), faults=[fault]), t1=20.0)
    more = sum(int(traj.stats["messages"][n] - alone.stats["messages"][n]) for n in traj)
    assert more == pytest.approx(3 * 50 * 20, abs=4 * np.sqrt(3000) + 60)
    assert traj.stats["link_arrived"]["bus"] > alone.stats["link_arrived"]["bus"] + 2500
    # They repeat what is known, and so a cue settles.
    rest = run(am.Timing(faults=[fault]), until=am.Settled(1e-4), t1=200.0)
    assert rest.status == "settled"


def test_behind_a_dead_bus_units_relax_alone() -> None:
    timing = am.Timing(fabric=am.Fabric(hop=am.Link(200.0)),
                       faults=[am.Fault("dead", links=["bus"], at=1.0)])  # fmt: skip
    traj = run(timing, times=[1.0, 2.0, 3.0, 4.0])
    for name, x in traj.items():
        decay = np.exp(-1 / NET.layers[name].tau)
        np.testing.assert_allclose(x[2] - x[1], (x[1] - x[0]) * decay, rtol=1e-9, atol=1e-12)
    stats = {k: int(traj.stats[f"link_{k}"]["bus"]) for k in
             ("arrived", "served", "dropped", "inside")}  # fmt: skip
    assert stats["dropped"] > 20 and stats["inside"] == 0
    assert stats["arrived"] == stats["served"] + stats["dropped"]
    assert stats["arrived"] == sum(int(n) for n in traj.stats["messages"].values())
    assert traj.stats["link_utilisation"]["bus"] <= 1.0 / 4.0 + 1e-12


@pytest.mark.parametrize("link", ["out visible", "bus", "into hidden", "into visible"])
def test_nobody_waits_for_a_dead_link(link: str) -> None:
    """All are full and block each other when one dies; then nothing is left inside."""
    tight = am.Link(60.0, 0.01, fifo=1)
    timing = am.Timing(fabric=am.Fabric(out=tight, hop=tight, into=tight),
                       faults=[am.Fault("dead", links=[link], at=0.3)])  # fmt: skip
    traj = run(timing, until=am.Settled(1e-4), t1=1000.0)
    assert traj.status == "settled"
    stats = {k: np.array(list(traj.stats[f"link_{k}"].values())) for k in
             ("arrived", "served", "dropped", "inside", "mean_number", "time_spent")}  # fmt: skip
    assert not stats["inside"].any()
    assert (stats["arrived"] == stats["served"] + stats["dropped"]).all()
    assert stats["dropped"].sum() > 0
    total = stats["mean_number"] * float(traj.settle_times)
    np.testing.assert_allclose(total, stats["time_spent"], rtol=1e-9)


def test_a_cue_does_not_settle_before_the_last_fault() -> None:
    faults = [am.Fault("silent", units={"visible": [0]}, at=t) for t in (5.0, 60.0)]
    traj = run(am.Timing(faults=faults), until=am.Settled(1e-4), t1=200.0)
    assert traj.status == "settled" and traj.settle_times >= 60.0
    assert run(am.Timing(), until=am.Settled(1e-4), t1=200.0).settle_times < 60.0


BAD = {
    "'dead' needs links": {"kind": "dead"},
    "'silent' needs units": {"kind": "silent"},
    "'stuck' needs value": {"kind": "stuck", "units": {"visible": [0]}},
    "'babbling' needs rate": {"kind": "babbling", "units": {"visible": [0]}},
    "'silent' has no use for rate": {"kind": "silent", "units": {"visible": [0]}, "rate": 1.0},
    "Fault: kind must be": {"kind": "tired"},
    "Fault: at must be": {"kind": "dead", "links": ["bus"], "at": -1.0},
    "Fault: units must be a mapping": {"kind": "silent", "units": [0]},
    "Fault: links must be a sequence": {"kind": "dead", "links": "bus"},
    "Fault: rate must be": {"kind": "babbling", "units": {"visible": [0]}, "rate": 0.0},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_faults_are_refused(message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        am.Fault(**BAD[message])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (am.Fault("silent", units={"deep": [0]}), "names a layer 'deep'"),
        (am.Fault("silent", units={"visible": [99]}), "must lie between"),
        # Of a longer mask the rest would be units of the next layer.
        (am.Fault("silent", units={"visible": [True] * 99}), r"mask of shape \(99,\)"),
        (am.Fault("silent", units={"visible": [[True], [True]]}), r"mask of shape \(2, 1\)"),
        (am.Fault("dead", links=["bus"]), "no link 'bus' has a bandwidth"),
    ],
)
def test_faults_that_do_not_fit_are_refused(fault: am.Fault, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(am.Timing(faults=[fault]))
    with pytest.raises(TypeError, match="Timing: faults must be a sequence"):
        am.Timing(faults=fault)  # type: ignore[arg-type]
