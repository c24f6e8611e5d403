"""Links of chips by name: where numbers come from, what they become, what has to be asked."""

from __future__ import annotations

import numpy as np
import pytest

import amsim as am
import hardware as hw
from amsim.devices import BASES, DEVICES
from amsim.dynamics.events import CLOCKS, FABRICS

ASKED = ("out_time", "hop_time", "x_latency", "y_latency", "into_time")
UNKNOWN = {
    "neurogrid": {"out_time": 1e-8, "hop_latency": 1e-7, "into_time": 1e-8},
    **{name: dict.fromkeys(ASKED, 1e-8) for name in ("dynapse", "spinnaker2")},
}


def test_every_number_has_a_source_and_says_whether_it_is_assumed() -> None:
    for name, chip in FABRICS.items():
        for figure in chip.values():
            assert figure.basis in BASES and figure.source
            assert figure.unit == "s" or figure.value is not None
        assert any(figure.basis == "assumed" for figure in chip.values()), name
    for device in DEVICES.values():
        for figure in device.values():
            assert figure.basis in BASES and figure.source and figure.value is not None
    for name, figure in FABRICS["loihi2"].items():
        assert figure.basis == "assumed" or name == "per_router"
        assert figure.value == FABRICS["loihi1"][name].value


def test_seconds_become_units_of_tau() -> None:
    fabric = am.Fabric.chip("loihi1", tau=1e-3, columns=8)
    assert fabric.out.bandwidth == pytest.approx(1e-3 / 30e-9)
    assert isinstance(fabric.hop, dict)
    assert fabric.hop["x"].bandwidth == pytest.approx(3.44e6)
    assert fabric.hop["x"].latency == pytest.approx(4.1e-6)
    assert fabric.hop["y"].latency == pytest.approx(6.5e-6)
    assert (fabric.into.per, fabric.out.fifo, fabric.out.on_full) == ("listener", 16, "wait")
    assert (fabric.route, fabric.columns, fabric.per_router) == ("mesh", 8, 4)
    spinnaker = am.Fabric.chip("spinnaker1", tau=1e-3)
    assert (spinnaker.into.fifo, spinnaker.out.fifo, spinnaker.multicast) == (256, 6, True)
    mine = am.Fabric.chip("brainscales2", tau=1e-5, places=4, out_time=16e-9)
    assert (mine.out.bandwidth, mine.out.fifo) == (pytest.approx(625.0), 4)


def test_what_nobody_published_is_asked_of_the_user() -> None:
    for name, numbers in UNKNOWN.items():
        with pytest.raises(ValueError, match=f"of {name} nobody published {next(iter(numbers))}"):
            am.Fabric.chip(name, tau=1e-3)
        am.Fabric.chip(name, tau=1e-3, **numbers)
    with pytest.raises(ValueError, match="no number 'colour'; there are route"):
        am.Fabric.chip("loihi1", tau=1e-3, colour=1)
    with pytest.raises(ValueError, match="name must be 'loihi1'"):
        am.Fabric.chip("loihi9", tau=1e-3)
    with pytest.raises(ValueError, match=r"Fabric\.chip: tau"):
        am.Fabric.chip("loihi1", tau=0.0)
    with pytest.raises(ValueError, match=r"Fabric\.chip: out_time"):
        am.Fabric.chip("loihi1", tau=1.0, out_time=-1.0)


def test_cores_of_a_tile_share_a_router() -> None:
    """Cores 0 and 3 are on tile 0, core 4 on tile 1 beside it, core 8 below in two columns."""
    net = am.Network(
        {"one": am.Layer(1, am.Tanh()), "more": am.Layer(3, am.Identity())},
        [am.Dense(np.ones((3, 1)), between=("more", "one"))],
    )
    fabric = am.Fabric.chip("loihi1", tau=1e-6, groups={"one": 0, "more": [3, 4, 8]}, columns=2)
    solver = am.EventDriven(0.5, am.Timing(fabric=fabric))
    states = {"one": [0.0], "more": [0.0] * 3}
    traj = am.simulate(net, states, inputs={"one": 5.0}, solver=solver, t1=0.5, until=None)
    names = set(traj.stats["link_served"])
    assert {"out 0", "into 3", "into 4", "into 8", "x 0>1", "y 0>2"} <= names
    assert not [name for name in names if name.startswith(("x 0>3", "x 3"))]


def test_a_placement_gives_groups_and_the_mesh() -> None:
    """Links that the engine lays are those over which the placement counts messages."""
    net = am.dense_am(am.patterns.random(6, 64, seed=0), hidden=am.Softmax(beta=0.5))
    placement = hw.place(hw.compile(net), cores=12)
    fabric = am.Fabric.chip("loihi1", tau=1e-3, placement=placement)
    assert (fabric.columns, fabric.per_router) == (placement.columns, placement.per_router)
    groups, routers = placement.groups, placement.routers
    for layer, cores in (("visible", placement.visible), ("hidden", placement.hidden)):
        node = groups[layer] // placement.per_router
        assert (node % placement.columns == routers[cores, 0]).all()
        assert (node // placement.columns == routers[cores, 1]).all()
        assert len(np.unique(groups[layer])) == len(np.unique(cores))
    traj = am.simulate(
        net, {"visible": np.zeros(64)}, solver=am.EventDriven(0.02, am.Timing(fabric=fabric)),
        t1=0.1, until=None,
    )  # fmt: skip
    for axis, counts in (("x", (placement.links.east, placement.links.west)),
                         ("y", (placement.links.south, placement.links.north))):  # fmt: skip
        used = sum(int((count > 0).sum()) for count in counts)
        laid = [name for name in traj.stats["link_served"] if name.startswith(f"{axis} ")]
        assert 0 < len(laid) <= used
    with pytest.raises(ValueError, match="leave these out"):
        am.Fabric.chip("loihi1", tau=1e-3, placement=placement, columns=2)
    with pytest.raises(ValueError, match="groups of spinnaker1 are chips"):
        am.Fabric.chip("spinnaker1", tau=1e-3, placement=placement)
    with pytest.raises(TypeError, match=r"what hardware\.place returns"):
        am.Fabric.chip("loihi1", tau=1e-3, placement="oheo-gulch")  # type: ignore[arg-type]


def test_clocks_of_chips() -> None:
    for name, figures in CLOCKS.items():
        for figure in figures.values():
            assert figure.basis in BASES and figure.source
        clock = am.Timing.chip(name, tau=1e-2).clock
        assert isinstance(clock, am.Barrier if name.startswith("loihi") else am.Periodic)
    assert am.Timing.chip("loihi2", tau=1e-6).clock == am.Barrier(0.2, 0.2)
    loihi = am.Timing.chip("loihi1", tau=1e-4, step=1e-3)
    assert loihi.clock == am.Barrier(10.0, 0.00465) and loihi.fabric is not None
    spinnaker = am.Timing.chip("spinnaker1", tau=1e-2).clock
    assert isinstance(spinnaker, am.Periodic) and spinnaker.ticks_between == 2000
    assert (spinnaker.per, spinnaker.latch, spinnaker.drift) == ("group", True, 6.25e-6)
    # Two such clocks slip by a tick in 160 s.
    assert spinnaker.period * 1e-2 / spinnaker.drift == pytest.approx(160.0)
    assert am.Timing.chip("truenorth", tau=1e-2).fabric is None
    with pytest.raises(ValueError, match="no number 'places'; there are step, overhead"):
        am.Timing.chip("loihi1", tau=1e-4, places=3)
    free = am.Timing.chip("brainscales2", tau=1e-4)
    assert free.clock is None and free.fabric is not None
    with pytest.raises(ValueError, match="no number 'step'; it has no clock"):
        am.Timing.chip("brainscales2", tau=1e-4, step=1e-3)
    with pytest.raises(ValueError, match="of neurogrid nobody published out_time"):
        am.Timing.chip("neurogrid", tau=1e-4)
    with pytest.raises(ValueError, match=r"Timing\.chip: name"):
        am.Timing.chip("tianjic", tau=1e-4)


@pytest.mark.parametrize("name", FABRICS)
def test_a_slow_network_does_not_notice_the_chip(name: str) -> None:
    """At tau of a second, links of microseconds are as good as none."""
    patterns = am.patterns.random(3, 24, seed=0)
    net = am.dense_am(patterns, visible=am.Tanh(), hidden=am.Tanh(0.1))
    cue = am.patterns.corrupt(patterns[0], flip=0.2, seed=1)
    groups = {"visible": np.arange(24) // 6, "hidden": [4, 5, 5]}
    fabric = am.Fabric.chip(name, tau=1.0, groups=groups, **UNKNOWN.get(name, {}))
    ours, plain = (
        am.simulate(net, cue, solver=am.EventDriven(0.02, am.Timing(fabric=f)))
        for f in (fabric, None)
    )
    assert ours.status == plain.status == "settled"
    if fabric.out.on_full == "wait":
        assert ours.stats["register_error"] <= 0.02 * (1 + 1e-9)
        np.testing.assert_allclose(ours.final["visible"], plain.final["visible"], atol=0.5)
