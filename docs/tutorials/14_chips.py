# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 14 The timing of real chips
#
# In tutorial 5 every message had its own delay, whatever the others did. On a
# chip messages share wires: where many want to go, they queue. Load makes delays,
# delays change what the network does, and that changes the load. Times are in
# units of the features' time constant, tau, if nothing else is said. The memories
# start at 0 and know the cue, as receivers always know how a run begins; all that
# changes from then on has to come over the wires.

# %%
import matplotlib.pyplot as plt
import numpy as np

import amsim as am
from amsim.dynamics.events import FABRICS

plt.rcParams["figure.constrained_layout.use"] = True
quantum = 0.02
stored = am.patterns.digits(10, seed=0)
cue = am.patterns.corrupt(stored[3], flip=0.2, seed=1)
net = am.dense_am(
    stored, visible=am.Tanh(), hidden=am.Softmax(beta=0.75), tau_hidden=0.3
)
start = {"visible": cue, "hidden": np.zeros(10)}


def recall(**timing):
    solver = am.EventDriven(quantum, am.Timing(**timing))
    return am.simulate(
        net, start, solver=solver, times=np.linspace(0, 80, 801)
    )


# %% [markdown]
# ## One wire for all
#
# A `Fabric` holds the links that units share. Here it is a single one, a bus. Its
# `bandwidth` is the number of messages that it carries in a time of 1; a message
# that finds it busy waits for its turn.

# %%
figure, ax = plt.subplots(figsize=(7, 3.2))
slow = {}
for bandwidth in (300.0, 100.0, 30.0):
    slow[bandwidth] = traj = recall(fabric=am.Fabric(hop=am.Link(bandwidth)))
    ax.plot(
        traj.times,
        traj.overlap(stored)[:, 3],
        label=f"{bandwidth:g} messages per tau",
    )
    print(
        f"{bandwidth:g}: up to {int(traj.stats['link_most']['bus'])}",
        "messages in the queue",
    )
ax.set(
    xlabel="time (tau)", ylabel="overlap with the stored digit", xlim=(0, 60)
)
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# The digit is recalled on each bus, later on a slower one. Look at the queues,
# though: on the slowest bus most messages of the recall stand in line, and each
# that arrives tells what was true long ago.
#
# ## Why short queues are better than long ones
#
# Real queues are short. When all places of a link are taken, there are two ways
# out. The sender may have to *wait*: when its turn comes it sends what its output
# is then, so that old news are never put on the wire. Or the message is
# *dropped*, and nobody knows.

# %%
places = [1, 4, 16, 64, 256]
settled, wrong = {}, {}
for policy in ("wait", "drop"):
    runs = [
        recall(fabric=am.Fabric(hop=am.Link(30.0, fifo=n, on_full=policy)))
        for n in places
    ]
    settled[policy] = [float(run.settle_times) for run in runs]
    wrong[policy] = [
        float(run.stats["register_error"]) / quantum for run in runs
    ]

figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3.2))
for policy, marker in (("wait", "o"), ("drop", "s")):
    left.semilogx(places, settled[policy], marker + "-", label=policy)
    right.loglog(places, wrong[policy], marker + "-", label=policy)
left.axhline(
    float(slow[30.0].settle_times), color="0.5", linestyle=":", label="no end"
)
left.set(
    xlabel="places of the queue", ylabel="at rest at (tau)", ylim=(0, None)
)
right.set(
    xlabel="places of the queue", ylabel="error of what is known (quanta)"
)
left.legend(frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# With a few places and senders that wait, the slow bus loses next to no time: 30
# messages in a time of 1 are enough, if all of them are news. What receivers know
# in the end is then right to a quantum. Dropped messages leave it wrong for good,
# by tens of quanta: somebody never heard the end of the story. (`heartbeat=` of
# `Timing` repairs that, tutorial 4.)
#
# ## Chips by name
#
# `Fabric.chip` has the links of seven chips, with the source of every number. What
# nobody has published is marked as assumed, or has to be given.

# %%
for name in ("hop_time", "places", "on_full"):
    for chip in ("loihi1", "spinnaker1", "brainscales2"):
        number = FABRICS[chip][name]
        value = f"{number.value:.2g}" if name == "hop_time" else number.value
        print(f"{chip:12} {name:8} {value!s:8} {number.unit:8} {number.basis}")

# %% [markdown]
# Whether links matter depends on how fast the neurons are. Those of a brain have
# a tau of some 10 ms, analog circuits have microseconds. The features stand on
# four cores or chips here, the memories on a fifth.

# %%
groups = {"visible": np.arange(64) // 16, "hidden": np.full(10, 4)}
taus = np.array([1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 3.2))
ends, lost = {}, {}
for chip, marker in (
    ("loihi1", "o"),
    ("spinnaker1", "s"),
    ("brainscales2", "^"),
):
    runs = [
        recall(fabric=am.Fabric.chip(chip, tau=tau, groups=groups))
        for tau in taus
    ]
    ends[chip] = [run.overlap(stored)[-1].argmax() for run in runs]
    lost[chip] = [
        sum(int(n) for n in run.stats["link_dropped"].values()) for run in runs
    ]
    left.semilogx(
        taus,
        [float(run.settle_times) for run in runs],
        marker + "-",
        label=chip,
    )
    right.semilogx(taus, lost[chip], marker + "-", label=chip)
left.set(
    xlabel="tau of the features (s)", ylabel="at rest at (tau)", ylim=(0, None)
)
right.set(xlabel="tau of the features (s)", ylabel="copies of messages lost")
right.legend(frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# All of these recalls end nearest to the right digit, even those that lose most of
# their messages. This is a small network, and its features all start at one
# moment, which is the worst for a queue; with the barriers and clocks of a real
# chip it would be another run.
#
# ## Steps that wait for each other
#
# Digital chips often count time in steps: all cores exchange what they have to
# say, and the next step begins when everything has arrived. Such a *barrier*
# turns load into longer steps.

# %%
for bandwidth in (3000.0, 300.0, 30.0):
    clock = am.Barrier(step=0.05, overhead=0.005)
    traj = recall(clock=clock, fabric=am.Fabric(hop=am.Link(bandwidth)))
    longest, mean = (
        float(traj.stats[name]) for name in ("step_longest", "step_mean")
    )
    print(
        f"{bandwidth:6g} messages per tau: steps of {mean:.3f},",
        f"the longest {longest:.3f}",
    )

# %% [markdown]
# A step of the slow bus takes as long as its messages need, and the recall goes
# on unharmed: at a barrier nothing is old.
#
# ## Parts that fail
#
# Finally, some wires break: features that are *stuck* say +1 once and nothing ever
# after, whatever their states are. And no two chips are alike: `Mismatch` makes a network
# whose weights deviate, here by 30 % (standard deviation). How many features may
# be stuck, with and without it?

# %%
cues = am.patterns.corrupt(stored, flip=0.2, seed=1)
shares = np.linspace(0.0, 1.0, 6)
order = np.random.default_rng(0).permutation(64)
chip = am.Mismatch(weights=0.3, symmetric=True).of(net, seed=0)
figure, ax = plt.subplots(figsize=(7, 3.2))
kept = {}
for label, built in (("as designed", net), ("weights off by 30 %", chip)):
    kept[label] = []
    for share in shares:
        stuck = {"visible": order[: round(share * 64)]}
        faults = [am.Fault("stuck", units=stuck, value=1.0)] if share else []
        solver = am.EventDriven(0.05, am.Timing(faults=faults))
        found = am.simulate(built, cues, solver=solver).overlap(stored)[-1]
        kept[label].append((found.argmax(axis=1) == np.arange(10)).mean())
    ax.plot(100 * shares, 100 * np.array(kept[label]), "o-", label=label)
ax.set(xlabel="features that are stuck (%)", ylabel="digits recalled (%)")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# The memories add up what all features say, and a few liars are outvoted.
#
# ## Your turn
#
# There is a third policy: with `on_full="coalesce"` a message takes the place of
# an older one of the same unit that still waits. Is that as good as letting
# senders wait? Predict what it does to a queue of 4 places, which is fewer than
# there are units, and to one of 64, and look at the error of what is known.

# %%
for n in (4, 64):
    run = recall(
        fabric=am.Fabric(hop=am.Link(30.0, fifo=n, on_full="coalesce"))
    )
    error = float(run.stats["register_error"]) / quantum
    print(
        f"{n} places: at rest at {float(run.settle_times):.1f},",
        f"error of {error:.1f} quanta",
    )
