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
# # 7 How much fits, and what nobody stored
#
# A memory that holds too much makes mistakes. How many patterns fit, and what
# do the mistakes look like?

# %%
import matplotlib.pyplot as plt
import numpy as np

import amsim as am
from amsim.theory import capacity

plt.rcParams["figure.constrained_layout.use"] = True

# %% [markdown]
# ## Capacity
#
# For this question the simplest units will do: each is -1 or +1, and takes the
# value that lowers the energy
#
# $$E(x) = - \sum_\mu F(\xi_\mu \cdot x),$$
#
# a sum over the stored patterns $\xi_\mu$. $F(z) = z^2$ is the network of
# Hopfield (1982). Krotov and Hopfield (2016) took higher powers: these let the
# best match count for more, so that the other patterns disturb it less.
#
# Take random patterns of 60 units, set the network to each stored pattern, and
# let every unit look once. A unit that flips is an error: the pattern is not at
# rest. Theory gives the probability of that, taking the disturbance as normally
# distributed.

# %%
units = 60
figure, ax = plt.subplots(figsize=(7, 3.8))
for power, most, color in (
    (2, 60, "#0072B2"),
    (3, 1500, "#E69F00"),
    (4, 6000, "#009E73"),
):
    counts = np.unique(np.geomspace(4, most, 12).astype(int))
    theory = [
        capacity.bit_error_rate(units, int(count), power) for count in counts
    ]
    measured = []
    for count in counts:
        patterns = am.patterns.random(int(count), units, seed=int(count))
        memory = am.binary.BinaryMemory(
            patterns, separation=am.binary.Power(power)
        )
        looked = memory.recall(
            patterns[:300], rule="gradient", order="parallel", max_sweeps=1
        )
        measured.append(looked.flips.mean() / units)
    ax.plot(counts, theory, color=color, label=f"F = z^{power}, theory")
    ax.plot(counts, measured, "o", color=color, markersize=4, label="measured")
ax.set(xscale="log", yscale="log", ylim=(1e-4, 1))
ax.set(xlabel="stored patterns", ylabel="share of units in error")
ax.legend(frameon=False, ncols=3, fontsize=8, loc="upper left")
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# Where no unit was wrong, there is no dot. The capacity, at half a percent of
# errors, grows as the number of units to the power $n - 1$ for $F = z^n$; with
# $F = e^z$ it even grows exponentially.

# %%
for power in (2, 3, 4):
    print(
        f"F = z^{power}: {capacity.k_max(units, power):.0f} patterns",
        f"of {units} units",
    )

# %% [markdown]
# Where errors are rare, higher powers make more of them than theory says: a few
# patterns that happen to look alike cause most of these, and the disturbance is
# not normally distributed.
#
# ## Spurious states
#
# Networks also come to rest where nobody stored anything. With softmax memories
# such a state is a blend of several patterns. `find_all` finds the states of rest
# from many starts, and `classify` names them.

# %%
patterns = am.patterns.random(6, 32, seed=1)
starts = [
    patterns[list(group)].mean(axis=0) for group in ((0,), (0, 1), (0, 1, 2))
]
for beta in (0.02, 0.08, 0.5):
    net = am.dense_am(patterns, hidden=am.Softmax(beta))
    print(f"beta = {beta}")
    for rest in am.stability.find_all(net, starts):
        found = am.stability.classify(net, rest.states, patterns)
        print(f"  {found.kind}, a {found.stability}, energy {rest.energy:.2f}")

# %% [markdown]
# A **minimum** is a valley of the energy: recalls end there. A **saddle** is
# downhill in some direction, so that a recall passes by. At a small beta the one
# valley is a blend of everything; at a large one the blends are still states of
# rest, but saddles, and the valleys are the stored patterns.
#
# Which of them do recalls reach? Start from random states, and look at the
# largest share that a memory has in the end: near 1 it is a stored pattern.

# %%
betas = np.geomspace(0.02, 1.0, 25)
noise = am.patterns.random(200, 32, seed=2)
pure, kinds = [], []
for beta in betas:
    net = am.dense_am(patterns, hidden=am.Softmax(beta), tau_hidden=0.0)
    final = am.simulate(net, noise).final
    pure.append((net.activations(final)["hidden"].max(axis=1) > 0.9).mean())
    kinds.append(len(np.unique(final["visible"].round(1), axis=0)))

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
left.semilogx(betas, pure, "o-", markersize=4)
left.set(xlabel="beta", ylabel="share that ends at a pattern")
right.semilogx(betas, kinds, "o-", markersize=4, color="#D55E00")
right.axhline(
    len(patterns), color="0.6", linestyle=":", label="stored patterns"
)
right.set(xlabel="beta", ylabel="different ends")
right.legend(frameon=False)
for ax in (left, right):
    ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Your turn
#
# Real data are not random. Store digits instead of random patterns in the
# network with $F = z^2$: how many of *those* fit, and why so few? Does $F = z^4$
# help?

# %%
for power in (2, 3, 4):
    for count in (3, 10, 30):
        digits = am.patterns.digits(count, seed=0)
        memory = am.binary.BinaryMemory(
            digits, separation=am.binary.Power(power)
        )
        looked = memory.recall(
            digits, rule="gradient", order="parallel", max_sweeps=1
        )
        print(
            f"F = z^{power}, {count} digits:",
            f"{looked.flips.mean() / 64:.1%} of the units in error",
        )
