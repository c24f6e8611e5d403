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
# # 12 Noise, and how long a memory lasts
#
# Neurons and analog circuits are noisy. Noise shakes a memory in its valley, and
# now and then over the ridge into another one. How often?

# %%
import matplotlib.pyplot as plt
import numpy as np

import amsim as am

plt.rcParams["figure.constrained_layout.use"] = True

# %% [markdown]
# ## A noisy recall
#
# `noise=` adds white noise to each unit of a layer; the number is the
# *temperature* $T$, the strength of the shaking in units of the energy. The same
# damaged digit at three temperatures:

# %%
stored = am.patterns.digits(20, seed=0)
cue = am.patterns.corrupt(stored[0], flip=0.15, seed=0)
net = am.dense_am(stored, hidden=am.Softmax(beta=0.75), tau_hidden=0.0)
times = np.linspace(0, 10, 201)
figure, ax = plt.subplots(figsize=(7, 3.2))
for temperature in (0.0, 0.1, 1.0):
    traj = am.simulate(
        net, cue, times=times, until=None, noise=temperature, seed=0
    )
    ax.plot(
        traj.times, traj.overlap(stored)[:, 0], label=f"T = {temperature:g}"
    )
ax.set(xlabel=traj.time_label, ylabel="overlap with the stored digit")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# Noise of single pixels mostly averages out in the overlap: the memories see all
# 64 of them, and stay sure.
#
# ## Where the state is found
#
# Take the smallest memory, one feature and the patterns +1 and -1 (tutorial 2).
# After a long time the feature is found at $v$ with the probability density
# $e^{-E(v)/T}$, up to a factor: Gibbs's law. Eighty copies, for a long time:

# %%
pair = am.dense_am(
    [[1.0], [-1.0]], hidden=am.Softmax(beta=3.0), tau_hidden=0.0
)
temperature = 0.2
start = np.tile([[1.0], [-1.0]], (40, 1))
times = np.arange(20.0, 170.0, 0.5)
traj = am.simulate(
    pair, start, noise=temperature, times=times, until=None, seed=0
)

v = np.linspace(-2.5, 2.5, 501)
density = np.exp(-pair.energy({"visible": v[:, None]}) / temperature)
density /= density.sum() * (v[1] - v[0])
figure, ax = plt.subplots(figsize=(7, 3.2))
ax.hist(
    traj["visible"].ravel(),
    bins=60,
    density=True,
    color="0.8",
    label="simulated",
)
ax.plot(v, density, color="#D55E00", label="exp(-E / T)")
ax.set(xlabel="feature v", ylabel="probability density")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## How long it lasts
#
# A memory is lost when noise carries it over the ridge. `Watch` looks at a
# function of the state and notes when it crosses zero; with `terminal=True` that
# cue stops there. For cold networks Kramers (1940) found the mean time,
#
# $$\frac{2 \pi\, \tau}{\sqrt{E''(v_0)\, |E''(0)|}}\; e^{\Delta E / T},$$
#
# with the curvatures of the energy in the valley $v_0$ and on the ridge 0, and the
# height $\Delta E$ of the ridge above the valley.


# %%
def lasts(temperature, copies=100):
    """Mean time until a state that began at +1 is beyond the ridge."""
    gone = am.Watch(
        lambda time, states: states["visible"][0] + 0.5,
        direction=-1,
        terminal=True,
    )
    traj = am.simulate(
        pair,
        np.ones((copies, 1)),
        noise=temperature,
        t1=2000.0,
        times=[2000.0],
        watch={"gone": gone},
        seed=0,
    )
    return traj.stats["first_crossing"]["gone"].mean()


def curvature(v, h=1e-3):
    energy = pair.energy({"visible": np.array([[v - h], [v], [v + h]])})
    return (energy[0] - 2 * energy[1] + energy[2]) / h**2


valley = am.simulate(pair, [1.0]).final["visible"][0]
ridge = np.ptp(pair.energy({"visible": np.array([[valley], [0.0]])}))
rate = np.sqrt(curvature(valley) * abs(curvature(0.0)))
temperatures = np.array([0.08, 0.1, 0.12, 0.15, 0.2])
measured = np.array([lasts(t) for t in temperatures])
kramers = 2 * np.pi / rate * np.exp(ridge / temperatures)

figure, ax = plt.subplots(figsize=(7, 3.2))
ax.semilogy(1 / temperatures, measured, "o", label="measured, 100 copies")
ax.semilogy(1 / temperatures, kramers, label="Kramers")
ax.set(xlabel="1 / temperature", ylabel="mean time in the valley (tau)")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# A straight line: the time grows exponentially with the height of the ridge over
# the temperature. The formula holds where the ridge is much higher than the
# temperature, on the right.
#
# ## Your turn
#
# A larger beta makes a higher ridge. Predict how much longer a memory lasts at
# T = 0.1 if beta rises from 3 to 6, then measure it: make `pair` anew with the other
# beta, run the cells below it again, and compare what this one prints.

# %%
print(f"ridge of {ridge:.3f}, lasts for {lasts(0.1):.0f} tau at T = 0.1")
