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
# # 6 Certificates: cues that no timing can spoil
#
# A recall that worked in a hundred simulations may fail in the next one, with
# other delays. A **certificate** is a proof, for one cue, that it cannot: every
# execution ends at the same state, however late messages are, in whatever order
# they come, and however unequal the units' speeds.

# %%
import matplotlib.pyplot as plt
import numpy as np

import amsim as am

plt.rcParams["figure.constrained_layout.use"] = True
stored = am.patterns.random(20, 64, seed=0)
net = am.dense_am(stored, hidden=am.Softmax(beta=1.0), tau_hidden=0.3)
rests = am.simulate(
    net, stored, until=am.Settled(1e-10)
).final  # where each memory rests

# %% [markdown]
# `certify` takes cues and the state in which each should end (the *target*).
# Its idea: draw a box around everything that the units may do. If the network
# maps the box into a smaller one, and that into a smaller one, down to the
# target, then late news are only older points of the same box, and nothing can
# escape.
#
# ## How many cues
#
# There are two settings. In `"link"` each link has its own delays. `"broadcast"`
# asks for more: a message of a feature reaches all memories at one time, as on
# a bus. We flip more and more of the 64 pixels of each pattern.

# %%
flips = np.arange(0, 29, 4)
shares = {"recalled": [], "broadcast": [], "link": []}
for flipped in flips:
    cues = am.patterns.corrupt(stored, flip=flipped / 64, seed=0)
    recalled = am.simulate(net, cues).overlap(stored)[-1].diagonal() > 0.9
    shares["recalled"].append(recalled.mean())
    for scope in ("broadcast", "link"):
        shares[scope].append(
            am.stability.certify(net, cues, rests, scope).holds.mean()
        )

names = (
    "recalled, without delays",
    "certified, broadcast",
    "certified, each link",
)
figure, ax = plt.subplots(figsize=(7, 3.5))
for name, share, mark in zip(names, shares.values(), "os^"):
    ax.plot(flips, share, mark + "-", label=name)
ax.set(
    xlabel="flipped pixels of 64",
    ylabel="share of the cues",
    ylim=(-0.03, 1.03),
)
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# The curves are nested: what is certified is recalled, and a certificate for
# every link is also one for broadcast messages. Between the curves the question
# is open: no proof, but no counterexample either.
#
# ## Attack a certificate
#
# Take a cue that is certified per link, and try to spoil it, with another delay
# for each link and each message.

# %%
cues = am.patterns.corrupt(stored, flip=16 / 64, seed=0)
certificate = am.stability.certify(net, cues, rests, "link")
print(certificate)
safe = int(certificate.holds.argmax())

ends = []
for seed in range(10):
    rng = np.random.default_rng(seed)
    delays = {
        ("visible", "hidden"): rng.uniform(
            0.5, 5.0, (64, 20)
        ),  # a row for each sender
        ("hidden", "visible"): rng.uniform(0.5, 5.0, (20, 64)),
    }
    attack = am.EventDriven(0.02, am.Timing(delays, scope="link", jitter=3.0))
    run = am.simulate(net, cues[safe], solver=attack, seed=seed)
    ends.append(abs(run.final["visible"] - rests["visible"][safe]).max())
print(f"ten attacks: the farthest end is {max(ends):.1e} from its memory")

# %% [markdown]
# All of them end at the memory, to much less than the quantum of 0.02.
#
# ## What a certificate does not say
#
# - It is about one cue and one target. Most damage, or another `beta`, may have
#   no certificate although the recall works.
# - It covers messages that say a unit's exact output, and receivers that hold
#   the last value they got. A quantum can leave an offset; values that are
#   read as 0 after a loss, noise, and rounding to few bits are not covered.
# - It does not say that the target is what you wanted. Ask it about a target
#   that is a blend, and it may certify the blend:

# %%
weak = am.dense_am(stored, hidden=am.Softmax(beta=0.005), tau_hidden=0.3)
blend = am.simulate(weak, stored[0], until=am.Settled(1e-10))
holds = bool(
    am.stability.certify(weak, stored[0], blend.final, "broadcast").holds
)
print(
    f"certified: {holds},",
    f"overlap with its pattern: {blend.overlap(stored)[-1, 0]:.2f}",
)

# %% [markdown]
# ## Your turn
#
# Certificates depend on `beta`. At a fixed damage, which beta certifies most
# cues? Why does a weak softmax not help? And what is the price of a strong one
# on a chip, whose memories send a message for each quantum of their share?

# %%
cues = am.patterns.corrupt(stored, flip=20 / 64, seed=0)
for beta in (0.2, 0.5, 1.0, 2.0, 4.0, 8.0):
    net = am.dense_am(stored, hidden=am.Softmax(beta=beta), tau_hidden=0.3)
    rests = am.simulate(net, stored, until=am.Settled(1e-10)).final
    found = am.stability.certify(net, cues, rests, "broadcast")
    print(f"beta = {beta}: {found.holds.sum()} of 20 certified in broadcast")
