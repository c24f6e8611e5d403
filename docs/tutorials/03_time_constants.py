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
# # 3 Neurons with time constants
#
# A real neuron does not jump to a new value, it *relaxes* to it: its state
# moves towards what its inputs ask for, within a time that is called its time
# constant tau. In amsim each layer has its own, and each unit may. What does
# that change?

# %%
import warnings

import matplotlib.pyplot as plt
import numpy as np

import amsim as am

plt.rcParams["figure.constrained_layout.use"] = True
stored = am.patterns.digits(20, seed=0)
cue = am.patterns.corrupt(stored[0], flip=0.15, seed=0)

# %% [markdown]
# The equations are
#
# $$\tau_v \frac{dv}{dt} = \Xi^T f(h) - v, \qquad
#   \tau_h \frac{dh}{dt} = \Xi v - h,$$
#
# with the states $v$ of the features and $h$ of the memories, the softmax $f$,
# and the stored patterns as the rows of $\Xi$. Here $\tau_v = 1$ is the unit of
# time.
#
# ## Fast and slow memories
#
# Memories that start at rest, $h = 0$, know nothing of the cue yet: they have
# to listen first.

# %%
figure, ax = plt.subplots(figsize=(7, 3.5))
for tau in (0.01, 0.3, 1.0, 3.0):
    net = am.dense_am(stored, hidden=am.Softmax(beta=0.75), tau_hidden=tau)
    start = {"visible": cue, "hidden": np.zeros(20)}
    traj = am.simulate(net, start, times=np.linspace(0, 10, 201))
    ax.plot(
        traj.times, traj.overlap(stored)[:, 0], label=f"tau_hidden = {tau:g}"
    )
ax.set(xlabel=traj.time_label, ylabel="overlap with the stored digit")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# While the memories listen, all have about equal shares, and what they draw
# onto the features is the mean of all digits: the overlap falls, and the slower
# the memories, the longer. Slow memories come late, but the recall still
# succeeds, because $h$ has been gathering what the features showed. All four
# recalls end at the same place: time constants change the way, not the places
# of rest.
#
# (Without a value for `"hidden"`, `simulate` starts the memories at what the cue
# makes of them, and nothing has to be waited for.)
#
# ## When the energy is certain to fall
#
# The energy falls along every recall if each time constant belongs to a whole
# layer. Softmax memories are coupled to each other, though, by sharing their
# activity. If some of them are slower than the others, that is no longer
# proven, and `simulate` says so with a `GuaranteeWarning`.

# %%
pair = [[3.0], [4.0]]  # two memories of one feature, on a line


def blend(slow):
    """The first memory is slower than the second."""
    hidden = am.Softmax(3.0)
    tau = [slow, 1.0]
    return am.dense_am(
        pair, hidden=hidden, similarity="euclidean", tau_hidden=tau
    )


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    am.simulate(blend(4.0), [3.51], t1=1.0)
print(caught[0].message)

# %% [markdown]
# ## A memory that is too slow
#
# At beta = 3 the two memories are too near to each other to be told apart: the
# network rests at their blend, 3.5, which is a minimum of the energy. Make one
# memory slower and slower. `critical_tau` computes when the blend becomes
# unstable: from there on it is still the lowest point of the landscape, but the
# state swings around it for ever.

# %%
even = am.dense_am(
    pair, hidden=am.Softmax(3.0), similarity="euclidean", tau_hidden=1.0
)
critical = am.stability.critical_tau(even, [3.5], "hidden", 0)
print(f"the blend is stable up to a ratio of {critical:.2f}")

warnings.simplefilter("ignore", am.GuaranteeWarning)
figure, axes = plt.subplots(2, 1, figsize=(7, 4.5), sharex=True)
for slow in (1.6, 4.0):
    times = np.linspace(0, 100, 1001)
    traj = am.simulate(blend(slow), [3.51], times=times, until=None)
    axes[0].plot(traj.times, traj["visible"][:, 0], label=f"ratio {slow}")
    axes[1].plot(traj.times, traj.energy)
axes[0].set(ylabel="feature")
axes[1].set(xlabel=traj.time_label, ylabel="energy")
axes[0].legend(frameon=False)
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# The energy of the slow network goes up and down: the warning was right.
#
# Stored patterns that are well apart are safe from this: at such a memory one
# share is nearly 1, the others nearly 0, and small changes of the memories'
# states change nothing.
#
# ## Your turn
#
# The ratio at which the blend starts to swing depends on beta. Which way? Try
# 2, 2.5 and 3.5. (From beta = 4 on the blend is no minimum any more.)

# %%
for beta in (2.0, 2.5, 3.0, 3.5):
    net = am.dense_am(
        pair, hidden=am.Softmax(beta), similarity="euclidean", tau_hidden=1.0
    )
    print(beta, round(am.stability.critical_tau(net, [3.5], "hidden", 0), 2))
