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
# # 1 Recall a damaged digit
#
# An associative memory stores patterns and finds them again from a damaged
# copy. Here the patterns are small scans of digits. You will store twenty of
# them, flip some of their pixels, and watch the memory repair the damage.
#
# A pattern is a row of 64 pixels (8 x 8), each -1 (white) or +1 (black).

# %%
import amsim as am

stored = am.patterns.digits(20, seed=0)
cues = am.patterns.corrupt(stored[:8], flip=0.15, seed=0)
print(stored.shape, cues.shape)

# %% [markdown]
# ## The memory
#
# The network has two layers of units, which stand for neurons:
#
# - 64 **features**, one for each pixel (the layer `"visible"`),
# - 20 **memories**, one for each stored digit (the layer `"hidden"`).
#
# Each memory receives the product of the pixels with its digit, so that it is
# excited by what looks like it. The memories share their activity among
# themselves by a *softmax*, which favours the most excited one, and each draws
# its digit back onto the features, by as much as its share. The number `beta`
# says how strongly the softmax favours the winner.
#
# `dense_am` builds this network, a *dense associative memory*.

# %%
net = am.dense_am(stored, hidden=am.Softmax(beta=0.75), tau_hidden=0.1)
net

# %% [markdown]
# `tau_hidden=0.1` makes the memories ten times faster than the features, whose
# time constant is the unit of time. Tutorial 3 is about time constants.
#
# ## The recall
#
# A damaged digit is the first state of the features; it is called a **cue**.
# From there `simulate` follows the differential equations of all units until
# they rest. All cues are simulated at once.

# %%
traj = am.simulate(net, cues)
print(traj.message)

# %% [markdown]
# The picture has a column for each cue: the cue, the state in which the
# recall ended, and the digit from which the cue was made. Below it is the
# *energy*, a number that sums up the state of the whole network. It never
# rises, and where it stops falling the network rests.

# %%
am.plot.overview(traj, stored[:8])

# %% [markdown]
# ## At rest is not the same as recalled
#
# "Settled" says only that nothing moves any more. Whether that is the right
# digit is another question. The **overlap** of a state with a pattern answers
# it: the mean over the pixels of state times pattern, which is 1 for the
# pattern itself and near 0 for one that has nothing to do with it. (Digits have
# something to do with each other: they share their white border, and two of
# these overlap by 0.5 in the mean.)

# %%
overlap = traj.overlap(stored)  # axes: recorded times, cues, stored digits
own = overlap[:, range(8), range(8)]  # of each cue with its own digit
print("before", own[0].round(2))
print("after ", own[-1].round(2))

# %% [markdown]
# What happens to a cue that is like no digit at all? It comes to rest just as
# well, at whatever it happened to be most similar to; `nearest` says which
# digit that is.

# %%
noise = am.patterns.random(1, 64, seed=3)
lost = am.simulate(net, noise[0])
found = int(lost.nearest(stored).index)
print(
    f"{lost.status}: number {found} of the stored,",
    f"overlap {lost.overlap(stored)[-1, found]:.2f}",
)

# %%
am.plot.recall(
    noise, lost.final["visible"][None], stored[[found]], titles=["noise"]
)

# %% [markdown]
# ## Your turn
#
# How much damage can a cue take? Change `flip` and see where recalls begin to
# fail. Look at the cues that fail: which stored digit were they most similar
# to before the recall began? `am.patterns.overlap(cues, stored)` has a row for
# each cue.

# %%
for flip in (0.1, 0.2, 0.3, 0.4):
    cues = am.patterns.corrupt(stored, flip=flip, seed=0)
    recalled = am.simulate(net, cues).overlap(stored)[-1].diagonal() > 0.9
    print(f"{flip:.0%} of the pixels flipped: {recalled.sum()} of 20 recalled")
