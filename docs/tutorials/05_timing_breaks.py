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
# # 5 When timing breaks a memory
#
# Messages take time. Most memories do not mind; some lose their rest because
# of nothing but late messages. Theory says which, and this tutorial measures
# it. Times are in units of the features' time constant.

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np

import amsim as am

plt.rcParams["figure.constrained_layout.use"] = True
stored = am.patterns.digits(20, seed=0)
cue = am.patterns.corrupt(stored[0], flip=0.15, seed=0)
net = am.dense_am(stored, hidden=am.Softmax(beta=0.75), tau_hidden=0.3)

# %% [markdown]
# ## The harmless case: late, but right
#
# Give all messages the same delay. The memories start at rest and hear of the
# cue one delay late; until then the features forget. The recall becomes slower,
# and ends at the same place. With a delay of 2 it has an echo: what the features
# lost in the beginning comes back once more, a round later.
#
# Delays need the event-driven solver of tutorial 4: a unit sends its output when
# that has moved by a *quantum*, here 0.01 for features and 0.001 for memories.

# %%
start = {"visible": cue, "hidden": np.zeros(20)}
times = np.linspace(0, 30, 601)
figure, ax = plt.subplots(figsize=(7, 3.2))
for delay in (0.0, 1.0, 2.0):
    solver = am.EventDriven(
        {"visible": 0.01, "hidden": 0.001}, am.Timing(delay=delay)
    )
    traj = am.simulate(net, start, solver=solver, times=times)
    ax.plot(traj.times, traj.overlap(stored)[:, 0], label=f"delay {delay:g}")
ax.set(xlabel=traj.time_label, ylabel="overlap with the stored digit")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# `analyse` says whether that is luck. It needs the recalled state to many
# digits, hence the tolerance of 1e-10. It looks at the network close to that
# state and computes two numbers: by how much a small change is multiplied when
# it goes once from the features to the memories and back (`sigma`), and the same
# if no contributions of different signs could cancel (`rho`). Below 1, a change
# gets smaller with every round, however late the round ends. The last lines ask
# that for delays of four kinds; `proven` means for all delays of the kind,
# however long.

# %%
rest = am.simulate(net, cue, until=am.Settled(1e-10)).final
print(am.stability.analyse(net, rest))

# %% [markdown]
# ## One late link
#
# Now a small network that does mind: two features, two memories, all with the
# activation tanh, and weights of equal size of which one is negative. It rests
# at 0. Without delays small changes shrink (`sigma` is below 1), but they do so
# because contributions of different signs cancel: `rho` is above 1. A delay of
# the negative link alone pulls these contributions apart. `late` says which links
# are late, for each direction (from, to): a row for each unit that sends, a column
# for each that receives, 1 where the link is late and 0 elsewhere.

# %%
weights = 0.6 * np.array([[1.0, 1.0], [1.0, -1.0]])
small = am.dense_am(
    weights, visible=am.Tanh(), hidden=am.Tanh(), tau_hidden=1.0
)
report = am.stability.analyse(small, [0.0, 0.0])
print(f"sigma = {report.sigma:.2f}, rho = {report.rho:.2f}")

late = {
    ("hidden", "visible"): weights < 0,
    ("visible", "hidden"): weights.T < 0,
}
critical = am.stability.critical_delay(small, [0.0, 0.0], late)
print(f"predicted: stable up to a delay of {critical:.2f}")

# %% [markdown]
# Does it happen? Start near 0, event by event, with the negative link late by
# somewhat less and somewhat more than predicted. With `scope="link"` each link
# has a delay of its own, and with `until=None` the run goes on to the last time,
# at rest or not.

# %%
start = {"visible": [0.1, 0.05], "hidden": [0.08, -0.1]}
figure, axes = plt.subplots(2, 1, figsize=(7, 4.2), sharex=True, sharey=True)
for ax, delay in zip(axes, (0.7 * critical, 1.5 * critical)):
    timing = am.Timing(
        {pair: delay * mask for pair, mask in late.items()}, scope="link"
    )
    traj = am.simulate(
        small,
        start,
        times=np.linspace(0, 600, 1501),
        until=None,
        solver=am.EventDriven(1e-3, timing),
    )
    ax.plot(traj.times, traj["visible"], linewidth=0.8)
    ax.set(title=f"negative link late by {delay:.1f}", ylabel="features")
    ax.spines[["top", "right"]].set_visible(False)
axes[1].set_xlabel(traj.time_label)
figure.align_ylabels()

# %% [markdown]
# Below the predicted delay the network comes to rest, above it swings for ever:
# a *frustrated* loop, which always corrects what is no longer true.
#
# ## A normaliser that lags
#
# In the digits, memories share their activity by a softmax. Something has to
# compute the sum that is shared, and on hardware that is a unit too, with a
# time constant of its own. If it is slow, a memory raises its activity before
# the normaliser takes it back, and a *stored pattern* loses its stability. For
# a single memory, with all other time constants equal to 1, theory has a
# formula; it depends on kappa, which is beta times the squared length of the
# pattern. (`simulate` warns that nothing is proven for such a normaliser; the
# warning is what this section is about, so it is silenced here.)

# %%
one = am.patterns.random(1, 16, seed=0)
kappa = 4.0
lone = am.dense_am(one, hidden=am.Softmax(kappa / 16), tau_hidden=1.0)
lag = am.theory.timing.critical_normaliser_lag(kappa)
print(f"predicted: stable up to a normaliser time constant of {lag:.3f}")

figure, ax = plt.subplots(figsize=(7, 3.2))
for factor in (0.7, 1.3):
    slow = am.EventDriven(
        1e-3, normaliser="neuron", normaliser_tau=factor * lag
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", am.GuaranteeWarning)
        traj = am.simulate(
            lone,
            1.05 * one[0],
            times=np.linspace(0, 20, 401),
            until=None,
            solver=slow,
        )
    ax.plot(
        traj.times,
        traj.overlap(one)[:, 0],
        label=f"time constant {factor:.1f} x predicted",
    )
ax.set(
    xlabel=traj.time_label, ylabel="overlap with the memory", ylim=(0.4, 2.2)
)
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# An overlap above 1 is a state larger than the pattern: a slow normaliser lets the
# memory run away from what was stored.
#
# ## Your turn
#
# In the small network, is it the negative link alone that is dangerous? Let the
# *positive* links be late instead, or all links by the same time, and ask
# `critical_delay` again. Then explain why a common delay does no harm.

# %%
positive = {
    ("hidden", "visible"): weights > 0,
    ("visible", "hidden"): weights.T > 0,
}
print(
    "positive links late:",
    round(am.stability.critical_delay(small, [0.0, 0.0], positive), 2),
)
print("all links late:", am.stability.critical_delay(small, [0.0, 0.0]))
