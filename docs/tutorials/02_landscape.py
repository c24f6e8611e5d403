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
# # 2 The landscape, and what beta does
#
# The energy of a memory is a landscape over its states: recall runs downhill,
# and comes to rest in a valley. This tutorial draws the landscape, first with
# a single feature, and shows how the number `beta` shapes it.

# %%
import matplotlib.pyplot as plt
import numpy as np

import amsim as am

plt.rcParams["figure.constrained_layout.use"] = True

# %% [markdown]
# ## One feature, two memories
#
# Store the two patterns +1 and -1. The memories are made infinitely fast here
# (`tau_hidden=0`): they always have the value that the feature $v$ gives them,
# so that $v$ alone is the state, and the energy is a curve. For these two
# patterns it is
#
# $$E(v) = \frac{v^2}{2} - \frac{1}{\beta} \log\left(e^{\beta v} + e^{-\beta v}\right).$$
#
# The first part pulls $v$ to 0, the second pulls it to the patterns.

# %%
pair = np.array([[1.0], [-1.0]])


def memory(beta):
    return am.dense_am(pair, hidden=am.Softmax(beta), tau_hidden=0.0)


v = np.linspace(-2.0, 2.0, 401)
figure, ax = plt.subplots(figsize=(7, 3.5))
for beta in (0.5, 1.0, 2.0, 8.0):
    energy = memory(beta).energy({"visible": v[:, None]})
    ax.plot(v, energy - energy.min(), label=f"beta = {beta:g}")
ax.set(
    xlabel="feature v", ylabel="energy above its minimum", ylim=(-0.03, 0.9)
)
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# A small beta makes a single valley in the middle: the network rests in a
# **blend** of both patterns. A large one makes two valleys, one at each
# pattern, with a ridge between them.
#
# ## Where the valley splits
#
# At rest the slope of the energy is zero, that is $v = \tanh(\beta v)$. Besides
# $v = 0$ this has solutions exactly if $\beta > 1$. Let us see where recalls end
# that start a little to the right of the ridge.

# %%
betas = np.linspace(0.4, 3.0, 53)
start = [[0.05], [-0.05]]
ends = [
    am.simulate(memory(beta), start, t1=500.0).final["visible"][:, 0]
    for beta in betas
]
right, left = np.transpose(ends)

root = np.linspace(0.01, 0.999, 200)  # v = tanh(beta v), solved for beta
figure, ax = plt.subplots(figsize=(7, 3.5))
ax.plot(np.arctanh(root) / root, root, color="0.6", label="v = tanh(beta v)")
ax.plot(np.arctanh(root) / root, -root, color="0.6")
ax.plot(betas, right, ".", color="#0072B2", label="end, from v = 0.05")
ax.plot(betas, left, ".", color="#D55E00", label="end, from v = -0.05")
ax.set(xlabel="beta", ylabel="v at rest", xlim=(betas[0], betas[-1]))
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# One valley becomes two at beta = 1: a *bifurcation*. At that point the slope
# that drives the state vanishes, so a recall near it takes very long; that is
# why the simulation was given so much time (`t1=500`).
#
# ## Five memories in the plane
#
# With two features the landscape can still be drawn. Each panel has the same
# five memories; white lines are recalls, and orange dots are where they end.
# The memories compare by distance here (`similarity="euclidean"`).

# %%
points = np.array(
    [[-1.0, -0.6], [-0.5, 0.9], [0.35, 0.25], [0.9, -0.7], [1.1, 0.6]]
)
side = np.linspace(-1.7, 1.7, 120)
grid = np.stack(np.meshgrid(side, side), axis=-1)
starts = np.stack(
    np.meshgrid(*[np.linspace(-1.5, 1.5, 6)] * 2), axis=-1
).reshape(-1, 2)

figure, axes = plt.subplots(1, 3, figsize=(9, 3.4), sharey=True)
for ax, beta in zip(axes, (1.0, 4.0, 16.0)):
    hidden = am.Softmax(beta)
    net = am.dense_am(
        points, hidden=hidden, similarity="euclidean", tau_hidden=0.0
    )
    ax.contourf(
        *grid.T.swapaxes(1, 2), net.energy({"visible": grid}), levels=24
    )
    path = am.simulate(net, starts, t1=60.0)["visible"]
    ax.plot(path[..., 0], path[..., 1], color="w", linewidth=0.6)
    ax.plot(*path[-1].T, "o", color="#E69F00", label="end")
    ax.plot(*points.T, "x", color="#D55E00", label="memory")
    ax.set(title=f"beta = {beta:g}", xlabel="feature 1", aspect="equal")
axes[0].set_ylabel("feature 2")
axes[0].legend(loc="upper left", fontsize=8)
figure.get_layout_engine().set(w_pad=0.08)

# %% [markdown]
# ## Choosing beta
#
# For real patterns no picture is needed: `suggest_beta` recalls damaged cues at
# many values of beta, and counts how many end at their own pattern.

# %%
digits = am.patterns.digits(20, seed=0)
found = am.suggest_beta(digits, am.patterns.corrupt(digits, flip=0.15, seed=0))
print(f"suggested: beta = {found.beta:.2g}")
found.plot()

# %% [markdown]
# ## Your turn
#
# Take two patterns of 64 pixels that differ in $d$ of them. At which beta does
# their common valley split in two? Guess from the bifurcation above, then
# change `d`. (The pixels that agree do not matter, so each of the $d$ others
# plays the part of $v$, and the memories receive the sum of all of them.)

# %%
d = 4
two = np.ones((2, 64))
two[1, :d] = -1
for beta in (0.8 / d, 1.2 / d):
    net = am.dense_am(two, hidden=am.Softmax(beta), tau_hidden=0.0)
    end = am.simulate(net, two[0], t1=500.0).final["visible"]
    print(f"beta = {beta:.2f}: first pixel at {end[0]:.2f}")
