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
# # 10 Your own experiment
#
# A question of a paper is a table: parameters, repeats, results. An
# `Experiment` measures such a table, keeps it with all that is needed to make
# it again, draws it, and says whether it agrees with a prediction. Here is a
# small one: how does recall fail when memories become more alike?

# %%
import tempfile
from pathlib import Path

import numpy as np

import amsim as am
from amsim.figure import Figure
from experiments.runner.experiment import SHARE, Claim, Experiment, Quantity

# %% [markdown]
# ## One unit of work
#
# `measure` does one measurement: it gets the parameters by name, and a seed
# from which all its random numbers come. Here the patterns share a given
# fraction of their pixels, so that a larger `alike` makes them harder to tell
# apart; a tenth of the pixels of each cue is flipped.


# %%
def measure(*, alike, beta, seed):
    patterns_seed, cue_seed = seed.spawn(2)
    patterns = am.patterns.random(
        10, 64, seed=np.random.default_rng(patterns_seed)
    )
    patterns[:, : round(64 * alike)] = 1.0
    cues = am.patterns.corrupt(
        patterns, flip=0.1, seed=np.random.default_rng(cue_seed)
    )
    net = am.dense_am(patterns, hidden=am.Softmax(beta), tau_hidden=0.1)
    final = am.simulate(net, cues).final["visible"]
    error = (np.sign(final) != patterns).mean()
    return {"error": error}


# %% [markdown]
# ## The figure and the verdict
#
# Both see only the table of results, an `xarray.Dataset` with named axes. A
# `Claim` compares something measured with something predicted; it must be able
# to turn out wrong.


# %%
def draw(data):
    figure = Figure(figsize=(7, 3.3), layout="constrained")
    ax = figure.subplots()
    for beta in data.beta.values:
        ax.plot(
            data.alike,
            data.error.sel(beta=beta).mean("repeat"),
            "o-",
            label=f"beta = {beta}",
        )
    ax.set(xlabel="share of equal pixels", ylabel="wrong pixels after recall")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def judge(data):
    means = data.error.mean(("alike", "repeat"))
    gap = float(means[0] - means[-1])
    return [
        Claim(
            "a larger beta makes fewer errors: difference", gap, 0.0, gap > 0
        ),
        Claim("errors at the largest beta", float(means[-1])),
    ]


experiment = Experiment(
    name="likeness",
    question="How does recall fail when memories become more alike?",
    measure=measure,
    parameters={
        "alike": Quantity("share of equal pixels"),
        "beta": Quantity("beta"),
    },
    results={"error": Quantity("share of wrong pixels", within=SHARE)},
    sizes={
        "toy": {
            "alike": (0.0, 0.25, 0.5, 0.75),
            "beta": (0.1, 0.2, 0.5),
            "repeats": 5,
        }
    },
    draw=draw,
    judge=judge,
)

# %% [markdown]
# ## Run it
#
# The run measures every point of the grid with each seed. `jobs=2` would share
# the work among two processes, for a function that stands in a module; the
# numbers are the same.

# %%
data = experiment.run(seed=0)
print(dict(data.sizes))
print(data.error.mean("repeat").round(3).values)

# %%
figure = draw(data)
for claim in judge(data):
    print(f"{claim.text}: {claim.measured:.4f}, holds: {claim.holds}")
figure

# %% [markdown]
# ## A record
#
# With `out=` the run leaves a folder: the table as netCDF, the figure, the
# verdict, and the versions of all that was involved. An interrupted run goes on
# with `resume=True`. The folder is a temporary one here.

# %%
with tempfile.TemporaryDirectory() as folder:
    out = Path(folder) / "likeness"
    again = experiment.run(seed=0, repeats=2, out=out)
    print(*sorted(path.name for path in out.iterdir()))
print("the same numbers:", bool((again.error == data.error[..., :2]).all()))

# %% [markdown]
# The experiments that come with amsim are made in the same way. From the
# command line (`amsim experiment list`) they can also be run again from their
# record: `amsim experiment rerun FOLDER` compares every number.
#
# ## The same network elsewhere
#
# A result should not depend on one program. `solver="RK45"` integrates with SciPy
# instead of amsim's own method, and `solver="brian2"` in the Brian2 simulator.

# %%
patterns = am.patterns.random(10, 64, seed=0)
cue = am.patterns.corrupt(patterns[0], flip=0.1, seed=0)
net = am.dense_am(patterns, hidden=am.Softmax(0.2), tau_hidden=0.1)
ours = am.simulate(net, cue).final["visible"]
scipy = am.simulate(net, cue, solver="RK45").final["visible"]
print(f"farthest apart: {abs(ours - scipy).max():.0e}")

# %% [markdown]
# ## Your turn
#
# Add a parameter `flip`, the share of flipped pixels, to `measure`,
# `parameters` and `sizes`. Which of the two, likeness or damage, is worse?
