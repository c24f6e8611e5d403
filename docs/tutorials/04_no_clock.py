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
# # 4 No clock
#
# Brains and neuromorphic chips have no moment at which all units update.
# Units send messages when they have something to say, and others receive them
# some time later. amsim simulates that event by event.

# %%
import matplotlib.pyplot as plt
import numpy as np

import amsim as am

plt.rcParams["figure.constrained_layout.use"] = True
stored = am.patterns.digits(20, seed=0)
cue = am.patterns.corrupt(stored[0], flip=0.15, seed=0)
net = am.dense_am(stored, hidden=am.Softmax(beta=0.75), tau_hidden=0.3)
start = {"visible": cue, "hidden": np.zeros(20)}  # the memories are at rest

# %% [markdown]
# ## Messages
#
# Each unit relaxes towards what the last messages said, exactly as in
# tutorial 3. It sends its output whenever this has moved by a **quantum** since
# its last message; a unit that does not change is silent. `Timing` says how
# long a message travels: here 0.05, and up to 0.05 more, drawn for each message
# (*jitter*). Times are in units of the features' time constant. The shares of
# the memories are small numbers, and get a quantum ten times finer.

# %%
timing = am.Timing(delay=0.05, jitter=0.05)


def events(quantum, timing, **options):
    quanta = {"visible": quantum, "hidden": quantum / 10}
    return am.EventDriven(quanta, timing, **options)


traj = am.simulate(
    net, start, solver=events(0.05, timing, record_events=True), seed=0
)
print(traj.status, f"overlap {traj.overlap(stored)[-1, 0]:.3f}")
print(traj.stats["messages"])

# %% [markdown]
# The *raster* has a row for each unit and a mark for each message, above the
# features, below the memories. Time runs to the right.

# %%
figure, ax = plt.subplots(figsize=(8, 4.5))
am.plot.raster(traj, ax)
ax.set_xlim(0, 5)
ax.grid(False)

# %% [markdown]
# Pixels that are already right hardly move, and send next to nothing. The
# flipped pixels have a long way to go, and send much. Once the digit is
# recalled all are silent: that is why such systems may save energy.
#
# ## The same end
#
# Does the network end where the differential equation ends? Nearly: what is
# less than a quantum is not sent, so the ends differ by an amount that shrinks
# with the quantum.

# %%
rest = am.simulate(net, start).final["visible"]
quanta = np.geomspace(0.002, 0.2, 7)
apart, messages = [], []
for quantum in quanta:
    run = am.simulate(net, start, solver=events(quantum, timing), seed=0)
    apart.append(abs(run.final["visible"] - rest).max())
    messages.append(sum(run.stats["messages"].values()))

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.3))
left.loglog(quanta, apart, "o-")
left.loglog(quanta, quanta, ":", color="0.5", label="one quantum")
left.set(xlabel="quantum", ylabel="farthest pixel from the equation's end")
left.legend(frameon=False)
right.loglog(quanta, messages, "o-", color="#D55E00")
right.set(xlabel="quantum", ylabel="messages of a recall")
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# A coarse quantum saves messages, and costs accuracy.
#
# ## A bad network
#
# Let messages be late by up to two time constants, and lose a tenth of them.
# A **heartbeat** makes a silent unit repeat itself now and then, so that a loss
# does not last.

# %%
bad = am.Timing(delay=0.2, jitter=2.0, drop=0.1, heartbeat=3.0)
run = am.simulate(net, start, solver=events(0.01, bad), seed=1)
print(run.status, f"overlap {run.overlap(stored)[-1, 0]:.3f}")
print(
    "lost messages:",
    run.stats["drops"],
    "- overtaken by newer ones:",
    run.stats["late"],
)

# %% [markdown]
# The digit is recalled all the same. That is no accident, and no certainty
# either: tutorial 5 shows timing that breaks a memory, and tutorial 6 proves
# for single cues that none can.
#
# ## Your turn
#
# Leave out the heartbeat and lose half of all messages (`drop=0.5`). How far
# from the stored digit does the recall end now? Does a smaller quantum help?

# %%
for heartbeat in (3.0, None):
    bad = am.Timing(delay=0.2, jitter=2.0, drop=0.5, heartbeat=heartbeat)
    run = am.simulate(net, start, solver=events(0.01, bad), seed=1)
    far = abs(run.final["visible"] - rest).max()
    print(
        f"heartbeat {heartbeat}: {run.status},",
        f"{far:.3f} from the end of the equation",
    )
