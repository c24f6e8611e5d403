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
# # 9 To a chip
#
# Neuromorphic chips such as Intel's Loihi 2 have no floating-point numbers:
# states, weights and messages are integers of a few bits. This tutorial turns a
# memory into such integers, runs them, and estimates what a chip would need.
# No chip is used here, and none has been used to test this: everything runs in
# an *emulator*, a program that computes the same integers.

# %%
import matplotlib.pyplot as plt
import numpy as np

import amsim as am
import hardware as hw

plt.rcParams["figure.constrained_layout.use"] = True
stored = am.patterns.digits(20, seed=0)
cues = am.patterns.corrupt(stored[:8], flip=0.15, seed=0)
net = am.dense_am(stored, hidden=am.Softmax(beta=0.75), tau_hidden=0.1)

# %% [markdown]
# ## A plan
#
# `compile` chooses how many units of an integer stand for 1, rounds weights and
# time constants, and makes a schedule: which unit computes what in which step.
# The result is a **plan**. Integers that grow too large would silently wrap
# around on a chip, so `compile` proves that none does, or refuses the network.

# %%
plan = hw.compile(net, chip="loihi2", weight_bits=8)
print(plan)

# %% [markdown]
# A `period` is the number of steps of the chip in which all layers have their
# turn once; in some of them the memories exchange messages with the unit that
# computes the sum of their softmax. It advances the time by `dt`, in units of
# the features' time constant, and a recall takes `steps` steps at most.
#
# ## The same recall, in integers
#
# `run` steps through the plan in the emulator. Do the integers end where the
# differential equation does?

# %%
result = hw.run(plan, cues)
traj = am.simulate(net, cues)
apart = abs(result.final["visible"] - traj.final["visible"]).max(axis=1)
print("farthest pixel of each cue:", apart.round(6))

# %% [markdown]
# Nearly to the last bit: digits are -1 and +1, which integers hold exactly. What
# if the stored values are gray, and weights have few bits? Then they are
# rounded, and so is what is recalled. These are random gray images. Their lengths
# differ, so the memories compare by distance, not by product
# (`similarity="euclidean"`); and the cues are
# noisy, so `cue_limit` tells the proof how large their values may be.

# %%
rng = np.random.default_rng(0)
gray = rng.uniform(-1.0, 1.0, (20, 64))
damaged = gray[:4] + 0.1 * rng.normal(size=(4, 64))
memory = am.dense_am(
    gray, hidden=am.Softmax(beta=4.0), similarity="euclidean", tau_hidden=0.1
)
ends = am.simulate(memory, damaged).final["visible"]
bits, errors = range(2, 9), []
for width in bits:
    small = hw.compile(memory, weight_bits=width, cue_limit=2.0)
    errors.append(abs(hw.run(small, damaged).final["visible"] - ends).max())

figure, ax = plt.subplots(figsize=(7, 3.2))
ax.semilogy(bits, errors, "o-", label="measured")
step = abs(gray).max() / (2.0 ** (np.array(bits) - 1) - 1)
ax.semilogy(
    bits, step / 2, ":", color="0.5", label="half a step of the weights"
)
ax.set(
    xlabel="bits of a weight", ylabel="farthest pixel from the equation's end"
)
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# Rounded to steps, a pixel is off by half a step at most, and each bit halves the
# steps.
#
# ## Where it goes on the chip, and what it costs
#
# A chip has many small processors, *neuro-cores*, each with room for some units
# and weights. `place` fills them; `estimate` multiplies what a recall did
# (messages, sums, updates) by energies and times that were measured and
# published for the chip. Prices of Loihi 2 have not been published in full, so
# these are of its predecessor, Loihi 1.

# %%
placement = hw.place(plan, run=result)
cost = hw.estimate(placement, result, prices="loihi1")
print(placement.n_cores, "core")
print(cost.report())

# %% [markdown]
# Each line names its source. They are estimates: a real chip has a host
# computer, input and output, and its own surprises.
#
# ## The same integers in Lava
#
# [Lava](https://lava-nc.org) is the software in which programs for Loihi are
# written; it has a simulator. If it is installed (`amsim doctor` says so), the
# plan runs there as well, in the very same integers.

# %%
try:
    lava = hw.run(plan, cues, backend="lava-fused")
except (hw.BackendUnavailable, hw.lava.LavaError) as error:
    print("no Lava here:", str(error).splitlines()[0])
else:
    same = all(
        (lava.integers[name] == result.integers[name]).all()
        for name in lava.integers
    )
    print("the same integers:", same)

# %% [markdown]
# ## Your turn
#
# A message on a chip costs energy. With `quantum=0.1` features send only when
# they have moved by 0.1. How many messages does that save, and what does it do
# to the recall?

# %%
for quantum in (0.0, 0.02, 0.1, 0.5):
    coarse = hw.compile(net, quantum=quantum)
    run = hw.run(coarse, cues)
    right = (
        am.patterns.overlap(run.final["visible"], stored)[range(8), range(8)]
        > 0.9
    ).sum()
    sent = {layer: int(np.sum(count)) for layer, count in run.messages.items()}
    print(f"quantum {quantum}: {right} of 8 recalled, messages {sent}")
