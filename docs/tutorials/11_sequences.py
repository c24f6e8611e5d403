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
# # 11 Sequences
#
# Not everything that is remembered stands still: a melody, a way home, a
# movement is a sequence of patterns. It takes links in one direction, from each
# pattern to the next.

# %%
import textwrap
import warnings

import matplotlib.pyplot as plt
import numpy as np

import amsim as am

plt.rcParams["figure.constrained_layout.use"] = True
warnings.simplefilter("ignore", am.GuaranteeWarning)  # explained below
stored = am.patterns.digits(6, seed=0)

# %% [markdown]
# ## A memory that drives on
#
# In the memories so far, the synapses were symmetric: a memory that is excited
# by a pattern draws the same pattern. Let it draw the *next* one instead. Then
# the network would fall from pattern to pattern at once; what keeps each for a
# while is that the memories see the features late (their time constant is twice
# that of the features). `until=None` lets the run go on to the last of `times`,
# whether it rests or not.

# %%
net = am.models.sequence_memory(stored)
times = np.linspace(0.0, 16.0, 321)
traj = am.simulate(net, stored[0], times=times, until=None)
print([name for name in net.layers], traj.status)


# %%
def shape_of(traj):
    """How alike features and patterns are, whatever their size: cosines."""
    v = traj["visible"]
    return v @ stored.T / (np.linalg.norm(v, axis=-1, keepdims=True) * 8)


figure, ax = plt.subplots(figsize=(8, 3.3))
lines = ax.plot(traj.times, shape_of(traj))
for number, line in enumerate(lines):
    line.set_label(f"pattern {number}")
ax.set(xlabel=traj.time_label, ylabel="cosine with the stored digit")
ax.legend(frameon=False, ncols=6, loc="lower center", fontsize=8)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# One digit after the other comes up and makes way for the next. Here are the
# features at equal times:

# %%
chosen = traj["visible"][::32][:10]
figure, axes = plt.subplots(1, 10, figsize=(8, 1.3))
for ax, state, time in zip(axes, chosen, times[::32]):
    ax.imshow(state.reshape(8, 8), cmap="gray_r", vmin=-1, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.set_title(f"t = {time:.1f}", fontsize=8)

# %% [markdown]
# ## No energy
#
# A landscape in which everything runs downhill has no place for something that
# goes on: networks with directed synapses have no energy, and amsim does not
# make one up. `simulate` warns that the state may never come to rest (the
# warning was silenced above), and `traj.energy` refuses:

# %%
try:
    print(traj.energy)
except ValueError as error:
    print(*textwrap.wrap(str(error), 75), sep="\n")

# %% [markdown]
# ## How long does a digit stay?
#
# As long as the memories lag. Make them slower, and the sequence takes more
# time; make them fast, and digits blend into each other.

# %%
figure, axes = plt.subplots(3, 1, figsize=(8, 5.2), sharex=True, sharey=True)
times = np.linspace(0.0, 30.0, 601)
for ax, lag in zip(axes, (0.3, 1.0, 3.0)):
    net = am.models.sequence_memory(stored, tau_hidden=lag)
    traj = am.simulate(net, stored[0], times=times, until=None)
    ax.plot(traj.times, shape_of(traj))
    ax.set(title=f"tau_hidden = {lag:g}", ylabel="cosine")
    ax.spines[["top", "right"]].set_visible(False)
axes[-1].set_xlabel(traj.time_label)
figure.align_ylabels()

# %% [markdown]
# ## Your turn
#
# Begin with a damaged digit, or in the middle of the sequence. Does it go on
# from there? What happens after the last digit, and with `cyclic=True` of
# `sequence_memory`? The cell prints which digit is the most similar, one after the
# other.

# %%
net = am.models.sequence_memory(stored)
cue = am.patterns.corrupt(stored[3], flip=0.15, seed=0)
traj = am.simulate(net, cue, times=np.linspace(0.0, 16.0, 161), until=None)
heard = shape_of(traj).argmax(axis=1)
print(heard[np.append(True, np.diff(heard) != 0)])
