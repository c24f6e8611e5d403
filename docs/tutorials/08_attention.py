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
# # 8 Attention is one step of recall
#
# The *attention* of transformers, the networks behind language models, is an
# associative memory that takes one step. This tutorial shows the equality, and
# then a transformer that has an energy.

# %%
import matplotlib.pyplot as plt
import numpy as np

import amsim as am

plt.rcParams["figure.constrained_layout.use"] = True
rng = np.random.default_rng(0)

# %% [markdown]
# ## One step
#
# Attention takes a *query* $q$, compares it with *keys* $k_\mu$, and returns the
# mean of *values*, weighted by how well the keys match:
#
# $$\sum_\mu p_\mu\, \text{value}_\mu, \qquad p = \text{softmax}(\beta\, k_\mu \cdot q),
#   \qquad \beta = 1 / \sqrt{\text{size of a key}}.$$
#
# A memory with infinitely fast softmax memories, whose features jump to what the
# memories ask for instead of relaxing to it, computes the same: the keys are the
# stored patterns, the query is the cue. `FixedPoint(1)` takes one such jump.

# %%
keys = rng.normal(size=(5, 16))
queries = rng.normal(size=(3, 16))
net = am.models.modern_hopfield(keys)  # beta = 1 / sqrt(16)
jump = am.simulate(net, queries, solver=am.FixedPoint(1), until=None).final[
    "visible"
]
attention = am.models.attention(queries, keys, keys)  # values = keys
print("largest difference:", f"{abs(jump - attention).max():.0e}")

# %% [markdown]
# In the plane one can see what a step does: arrows lead from queries to what
# attention returns. With a small beta everything goes to the mean of the keys,
# with a large one to the nearest key.

# %%
points = np.array(
    [[-1.0, -0.6], [-0.5, 0.9], [0.35, 0.25], [0.9, -0.7], [1.1, 0.6]]
)
start = np.stack(
    np.meshgrid(*[np.linspace(-1.6, 1.6, 9)] * 2), axis=-1
).reshape(-1, 2)
figure, axes = plt.subplots(1, 3, figsize=(9, 3.2), sharey=True)
for ax, beta in zip(axes, (0.5, 2.0, 20.0)):
    end = am.models.attention(start, points, points, beta=beta)
    ax.quiver(
        *start.T,
        *(end - start).T,
        angles="xy",
        scale_units="xy",
        scale=1,
        alpha=0.3,
        width=0.004,
    )
    ax.plot(*points.T, "x", color="#D55E00", label="keys = values")
    ax.plot(*end.T, "o", color="#E69F00", markersize=3, label="after one step")
    ax.set(title=f"beta = {beta:g}", xlabel="feature 1", aspect="equal")
axes[0].set_ylabel("feature 2")
axes[0].legend(fontsize=7, loc="upper left")
figure.get_layout_engine().set(w_pad=0.08)

# %% [markdown]
# Further steps go on to a state of rest. How many does it take? Near a stored
# pattern two or three, which is why one step does so well in transformers.

# %%
stored = am.patterns.random(20, 64, seed=0)
cue = am.patterns.corrupt(stored[0], flip=0.25, seed=0)
figure, ax = plt.subplots(figsize=(7, 3.2))
for beta in (0.06, 0.1, 0.2):
    net = am.models.modern_hopfield(stored, beta=beta)
    traj = am.simulate(
        net, cue, solver=am.FixedPoint(8, record=True), until=None
    )
    ax.plot(traj.overlap(stored)[:, 0], "o-", label=f"beta = {beta:g}")
ax.set(xlabel="steps", ylabel="overlap with the stored pattern")
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## A transformer with an energy
#
# The *Energy Transformer* (Hoover et al. 2023) makes attention and a memory two
# parts of one energy, and lets *tokens*, here patches of an image, descend it
# together. We complete digits of which one quarter is masked.
#
# A digit becomes four tokens, one for each quarter of 4 x 4 pixels; a token has
# 64 units and keeps its patch in its own block of 16 of them. Instead of training
# the weights we set them by hand: the queries are the digits, the keys their
# pseudo-inverse, so that attention over the visible quarters finds the digit
# that fits.

# %%
count = 10
digits = am.patterns.digits(count, seed=0)
quarters = (
    digits.reshape(count, 2, 4, 2, 4).swapaxes(2, 3).reshape(count, 4, 16)
)
block = np.repeat(np.eye(4), 16, axis=1)  # which 16 units a token uses
tokens = np.tile(quarters, 4) * block
flat = quarters.reshape(count, 64)

net = am.models.energy_transformer(
    np.linalg.pinv(flat).T[None],
    flat[None],
    0.03 * flat,
    n_tokens=4,
    beta=0.01,
)
hidden = np.repeat(np.arange(count)[:, None] % 4 == np.arange(4), 64).reshape(
    tokens.shape
)
cues = np.where(hidden, 0.01 * rng.normal(size=tokens.shape), tokens)
times = np.append(0.0, np.geomspace(1e-3, 50.0, 120))
traj = am.simulate(
    net, cues, clamp={"tokens": ~hidden}, times=times, until=None
)


def images(tokens):
    """Back from four tokens to an image of 8 x 8 pixels."""
    patches = (tokens * block).sum(axis=1).reshape(-1, 2, 2, 4, 4)
    return patches.swapaxes(2, 3).reshape(-1, 64)


ended = np.where(hidden, np.sign(traj.final["tokens"]), tokens)
am.plot.recall(
    images(np.where(hidden, 0.0, tokens)),
    images(ended),
    digits,
    labels=("masked", "completed", "stored"),
    titles=[""] * count,
)

# %% [markdown]
# `clamp` held the visible tokens fixed while the masked ones moved. The energy
# falls all the way, as it must:

# %%
figure, ax = plt.subplots(figsize=(7, 3))
ax.plot(traj.times, traj.energy, color="#0072B2", linewidth=1)
ax.set_xscale("symlog", linthresh=0.001, linscale=0.3)
ax.set(xlabel="time (tau of the tokens)", ylabel="energy", xlim=(0, 50))
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# ## Your turn
#
# How many pixels are wrong if more digits are stored? Change `count` to 20
# above. Attention here is a projection on the span of the digits: from how many
# digits on must it fail, if a visible part has 48 pixels?

# %%
wrong = (images(ended) != digits).mean()
print(f"{wrong:.1%} of the pixels are wrong")
