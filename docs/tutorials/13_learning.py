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
# # 13 From a trained classifier to a chip
#
# A *Hopfield layer* of a deep network (Ramsauer et al. 2020) is attention over
# stored patterns that were learned. This tutorial takes the weights of such a
# classifier, makes an associative memory of them, and asks what a framework for
# deep learning cannot answer: does it still work without a clock, what is
# guaranteed, and what is left of it in the integers of a chip?

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import amsim as am
import hardware as hw

plt.rcParams["figure.constrained_layout.use"] = True
rng = np.random.default_rng(0)
pixels, labels = load_digits(return_X_y=True)
pixels = pixels / 8 - 1  # 17 levels of gray, from -1 to 1
train, test = np.split(rng.permutation(len(pixels)), [1198])

# %% [markdown]
# ## A classifier
#
# In PyTorch, with the package *hopfield-layers*, it would be one layer,
# `HopfieldLayer(64, quantity=50, scaling=0.25, ...)`, whose state dict holds
# `lookup_weights`, the stored patterns, and `target_weights`, what they vote for.
# So that nobody needs PyTorch here, amsim trains the same: one update of a
# network, differentiated as autograd would do it (`method="unrolled"`). If you
# have a state dict, take yours.

# %%
beta = 0.25
stored = np.concatenate([train[labels[train] == c][:5] for c in range(10)])
layers = {
    "pixels": am.Layer(64, am.Identity()),
    "memories": am.Layer(50, am.Softmax(beta), tau=0.0),
    "labels": am.Layer(10, am.Identity()),
}
lookup = am.Dense(
    pixels[stored], between=("memories", "pixels"), name="lookup"
)
target = am.Dense(
    4 * np.eye(10)[labels[stored]],
    between=("memories", "labels"),
    name="target",
)
net = am.Network(layers, [lookup, target])
optimiser, velocity, losses = am.learning.SGD(rate=5.0), None, []
for _ in range(6):
    for rows in np.array_split(rng.permutation(train), 12):
        found = am.learning.gradient(
            net,
            {"pixels": pixels[rows], "labels": np.zeros((len(rows), 10))},
            am.learning.CrossEntropy("labels", labels[rows]),
            clamp={"pixels": np.ones(64, bool)},
            method="unrolled",
            solver=am.FixedPoint(1),
        )
        losses.append(found.loss / len(rows))
        weights = {
            n: {"weights": net.parameters()[n]["weights"]}
            for n in ("lookup", "target")
        }
        slope = {
            n: {"weights": found.parameters[n]["weights"] / len(rows)}
            for n in weights
        }
        velocity = optimiser.init(slope) if velocity is None else velocity
        step, velocity = optimiser.update(slope, velocity, weights)
        net = net.with_parameters(
            {
                n: {"weights": weights[n]["weights"] + step[n]["weights"]}
                for n in weights
            }
        )
state = {
    "lookup_weights": net.parameters()["lookup"]["weights"][None],
    "target_weights": net.parameters()["target"]["weights"][None],
}
print({name: array.shape for name, array in state.items()})

# %% [markdown]
# ## The same as a memory
#
# `from_hopfield_layers` reads the state dict, of NumPy arrays or of tensors.
# The layer becomes a network: its features are the query, its memories the
# stored patterns. `cues` projects inputs, `output` reads what the layer returns.

# %%
layer = am.interop.from_hopfield_layers(state, beta=beta)
print(layer.network)
cues, clamp = layer.cues(pixels[test]), {"visible": np.ones(64, bool)}
settled = am.simulate(layer.network, cues, clamp=clamp)
logits = layer.output(settled.final)
accuracy = (logits.argmax(axis=1) == labels[test]).mean()
print(f"right labels: {accuracy:.1%}")

# %% [markdown]
# With the features clamped the rest of the network is the attention of the layer,
# computed here by its formula, and by PyTorch where that is installed:

# %%
lookup, target = (array[0] for array in state.values())
attention = am.models.attention(pixels[test], lookup, target, beta=beta)
print("largest difference:", f"{abs(logits - attention).max():.0e}")
try:
    import torch
except ImportError:
    print("no PyTorch here")
else:
    q, k, v = map(torch.tensor, (pixels[test], lookup, target))
    theirs = torch.nn.functional.scaled_dot_product_attention(
        q, k, v, scale=beta
    ).numpy()
    print("from PyTorch:", f"{abs(logits - theirs).max():.0e}")

# %% [markdown]
# ## Without a clock
#
# In hardware there is no moment at which all memories have their scores. Here units
# send messages with delays and jitter, and react when something arrives. We also
# let go of the pixels: the layer is then a recurrent memory, and the image moves
# to what it resembles. Memories start undecided, and know the image that a run
# begins with; delayed are the news. When is the label right, and when is the image
# at rest?

# %%
shown = test[:60]
start = {**layer.cues(pixels[shown]), "hidden": np.zeros((60, 50))}
timing = am.Timing(delay=0.5, jitter=0.25)
times = np.append(0.0, np.geomspace(0.02, 10.0, 40))
late = am.simulate(
    layer.network,
    start,
    times=times,
    until=None,
    solver=am.EventDriven(0.02, timing),
)
right = [
    (layer.output({"hidden": state}).argmax(axis=1) == labels[shown]).mean()
    for state in late["hidden"]
]
way = np.linalg.norm(late["visible"] - late.final["visible"], axis=-1).mean(
    axis=1
)
figure, ax = plt.subplots(figsize=(7, 3.2))
ax.semilogx(times[1:], right[1:], "o-", ms=3, label="share of right labels")
ax.semilogx(
    times[1:],
    way[1:] / way[0],
    "s-",
    ms=3,
    label="distance of the image from its end",
)
ax.set(xlabel="time (tau of the features)", ylabel="share", ylim=(0, 1.05))
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# Nine of ten labels are right within a tenth of a tau, long before the image has
# come to rest.
#
# ## What is guaranteed
#
# That was one timing. A *certificate* (tutorial 6) proves for an image that it ends
# where it does whatever the delays, the order and the losses of messages.

# %%
free = am.simulate(layer.network, start)
certificate = am.stability.certify(
    layer.network, layer.cues(pixels[shown]), free.final, scope="broadcast"
)
proven = certificate.holds
correct = layer.output(free.final).argmax(axis=1) == labels[shown]
print(
    f"proven: {proven.sum()} of 60;",
    f"of these have the right label: {correct[proven].sum()}",
)

# %% [markdown]
# Few: what was trained for one update is no memory with wide basins, and a missing
# certificate leaves the question open.
#
# ## In the integers of a chip
#
# `compile` proves that nothing overflows (tutorial 9). The emulator then
# classifies with the pixels clamped; how many bits do the learned weights need?

# %%
cues = layer.cues(pixels[shown])["visible"]
bits, shares = range(2, 9), []
for width in bits:
    # No pixel of a cue is beyond +-2, which fixes the range of the integers.
    plan = hw.compile(layer.network, weight_bits=width, cue_limit=2.0)
    integers = hw.run(plan, cues, clamp=clamp["visible"])
    shares.append(
        (layer.output(integers.final).argmax(axis=1) == labels[shown]).mean()
    )
print(plan)
figure, ax = plt.subplots(figsize=(7, 3.2))
ax.plot(bits, shares, "o-", label="integers")
ax.axhline(
    (logits[:60].argmax(axis=1) == labels[shown]).mean(),
    linestyle=":",
    color="0.5",
    label="floating point",
)
ax.set(
    xlabel="bits of a weight", ylabel="share of right labels", ylim=(0, 1.05)
)
ax.legend(frameon=False)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# The same plan is a graph of Lava processes. `hw.lava.build` makes it, to be
# connected with others, and `hw.run(plan, cues, backend="lava")` runs it in the
# very same integers, as tutorial 9 does.

# %%
try:
    graph = hw.lava.build(plan, cues[0], clamp=clamp["visible"])
except (hw.BackendUnavailable, hw.lava.LavaError) as error:
    print("no Lava here:", str(error).splitlines()[0])
else:
    print(
        type(graph).__name__,
        "with ports",
        [port.name for port in graph.out_ports],
    )

# %% [markdown]
# ## Your turn
#
# A chip may be noisy, too: `am.Mismatch(weights=0.2)` gives every weight an error
# of 20 %. Predict how many labels are left, then look.

# %%
rough = am.Mismatch(weights=0.2, symmetric=True).of(layer.network, seed=0)
ended = am.simulate(rough, layer.cues(pixels[test]), clamp=clamp)
left = (layer.output(ended.final).argmax(axis=1) == labels[test]).mean()
print(f"right labels: {left:.1%}")
