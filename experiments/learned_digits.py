r"""What is left of a learned memory on faulty hardware, and does learning through the faults help?

Digits are recalled with their labels: pixels are shown, label units are read. Memories are training
samples, then trained by equilibrium propagation, either on the ideal network and put on the faulty
one afterwards, or on the faulty one itself, whose phases they measure. The faults:

- mismatch: every weight is off by a factor of its own, 1 + 0.2 times a normal number;
- bits: the integers of a plan with weights of few bits;
- loss: messages with delays, of which every link loses a share; senders repeat themselves.

A nudged phase on a faulty network moves as that network does: what is descended is the loss that it
has, not the one that it should have. So learning through a fault should gain accuracy, and leave
more than learning before it where the fault moves the rest, as mismatch does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .runner.experiment import SHARE, Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from amsim import Network

_FAULTS = ("none", "mismatch", "bits", "loss")
_TRAINED = ("never", "before", "through")
_SHOWN = 64


@dataclass(frozen=True, eq=False)
class Mismatch:
    """Weights that are off by fixed factors, in every phase."""

    factors: Any
    fixed_point: Any
    until: Any

    def settle(self, network: Network, states: Any, *, clamp: Any, inputs: Any) -> Any:
        """Run the network that there is in place of the one that there should be."""
        import amsim as am

        weights = network.parameters()["hidden-visible"]["weights"] * self.factors
        there = network.with_parameters({"hidden-visible": {"weights": weights}})
        return am.simulate(
            there, states, clamp=clamp, inputs=inputs, solver=self.fixed_point, until=self.until
        )


def measure(
    *, seed: np.random.SeedSequence, fault: str, trained: str, mismatch: float, bits: int,
    loss: float, samples: int, held: int, memories: int, epochs: int, rate: float,
) -> Mapping[str, float]:  # fmt: skip
    """Accuracy on samples that were not shown."""
    import warnings

    from sklearn.datasets import load_digits

    import amsim as am
    from amsim.errors import SettlingWarning

    if fault not in _FAULTS or trained not in _TRAINED:
        raise ValueError(f"fault is one of {_FAULTS}, trained one of {_TRAINED}")
    rng = np.random.default_rng(seed)
    pixels, labels = load_digits(return_X_y=True)
    cues = np.concatenate([pixels / 8 - 1, np.full((len(pixels), 10), 0.1)], axis=1)
    rows, others = np.split(rng.permutation(len(cues))[: samples + held], [samples])
    each = [rng.permutation(rows[labels[rows] == c])[: memories // 10] for c in range(10)]
    chosen = np.concatenate(each)
    stored = np.concatenate([cues[chosen, :_SHOWN], np.eye(10)[labels[chosen]]], axis=1)
    net = am.dense_am(stored, hidden=am.Softmax(0.5), tau_hidden=0.1, similarity="euclidean")
    factors = 1 + mismatch * rng.normal(size=stored.shape)
    ideal: dict[str, Any] = {"solver": am.FixedPoint(), "until": am.Settled(1e-6)}
    faulty = _faulty(fault, ideal, factors, bits, loss)
    clamp = np.arange(cues.shape[1]) < _SHOWN
    left_out = 0
    if trained != "never":
        target = am.learning.SquaredError(
            "visible", np.eye(10)[labels[rows]], units=slice(_SHOWN, None)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SettlingWarning)  # counted below
            training = am.learning.train(
                net, cues[rows], target, clamp=clamp, epochs=epochs, batch_size=50, nudge=0.5,
                method="equilibrium_propagation", optimiser=am.learning.SGD(rate),
                seed=seed, **(ideal if trained == "before" else faulty),
            )  # fmt: skip
        net, left_out = training.network, int(training.left_out.sum())
    final = _recall(net, cues[others], clamp, faulty)["visible"]
    right = final[:, _SHOWN:].argmax(axis=1) == labels[others]
    return {"accuracy": float(right.mean()), "left_out": left_out / max(1, epochs * samples)}


def _faulty(fault: str, ideal: Mapping[str, Any], factors: Any, bits: int, loss: float) -> Any:
    """How a network with this fault is run."""
    import amsim as am
    from amsim import hardware as hw

    if fault == "mismatch":
        return {"solver": Mismatch(factors, ideal["solver"], ideal["until"])}
    if fault == "bits":
        return {"solver": hw.Integers(weight_bits=bits)}
    if fault == "loss":
        timing = am.Timing(0.1, drop=loss, heartbeat=2.0)
        return {"solver": am.EventDriven(5e-3, timing), "until": am.Settled(2e-2)}
    return ideal


def _recall(net: Network, cues: Any, clamp: Any, how: Mapping[str, Any]) -> Any:
    import amsim as am

    solver = how["solver"]
    if hasattr(solver, "settle"):
        held = {"visible": np.broadcast_to(clamp, cues.shape)}
        return solver.settle(net, {"visible": cues}, clamp=held, inputs={}).final
    return am.simulate(net, cues, clamp=clamp, **how).final


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Learning through a fault against learning before it, and against none."""
    claims: list[Claim | Mean] = []
    shown = set(data.trained.values.tolist())
    for fault in data.fault.values.tolist():
        part = data.accuracy.sel(fault=fault)
        if {"never", "through"} <= shown:
            gained = part.sel(trained="through") - part.sel(trained="never")
            text = f"{fault}: accuracy gained by learning through it"
            claims.append(Mean(text, gained, 0.0, side="above"))
        if fault == "mismatch" and {"before", "through"} <= shown:
            gained = part.sel(trained="through") - part.sel(trained="before")
            text = f"{fault}: accuracy through it beyond that of learning before it"
            claims.append(Mean(text, gained, 0.0, side="above"))
        for trained in ("before", "through"):
            if trained in shown:
                left = float(part.sel(trained=trained).mean())
                claims.append(Claim(f"{fault}: accuracy, trained {trained} it", left))
    return judged(claims)


def draw(data: xr.Dataset) -> Figure:
    """Accuracy by fault, for each way of training."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, label, panels

    figure, ((ax,),) = panels(1, 1, 4.2)
    faults = data.fault.values.tolist()
    words = {"never": "not trained", "before": "trained before", "through": "trained through it"}
    styles = zip(_TRAINED, (ORANGE, BLUE, GREEN), "s^o", strict=True)
    for shift, (trained, colour, marker) in enumerate(styles):
        if trained in data.trained:
            part = 100 * data.accuracy.sel(trained=trained)
            ax.errorbar(
                np.arange(len(faults)) + 0.2 * (shift - 1), part.mean("repeat"),
                part.std("repeat", ddof=1) / np.sqrt(part.sizes["repeat"]), fmt=marker,
                color=colour, ms=6, label=words[trained],
            )  # fmt: skip
    ax.set_xticks(np.arange(len(faults)), faults)
    ax.legend(frameon=False, fontsize="small")
    label(ax, "fault", "right labels of held-out digits (%)")
    return figure


_TOY: dict[str, Any] = {
    "fault": _FAULTS,
    "trained": _TRAINED,
    "mismatch": 0.2,
    "bits": 4,
    "loss": 0.05,
    "samples": 400,
    "held": 300,
    "memories": 50,
    "epochs": 3,
    "rate": 1.0,
    "repeats": 4,
}
EXPERIMENT = Experiment(
    name="learned_digits",
    question="What is left of a learned memory on faulty hardware?",
    measure=measure,
    parameters={
        "fault": Quantity("what is wrong with the hardware"),
        "trained": Quantity("whether memories are trained, before or through the fault"),
        "mismatch": Quantity("standard deviation of the factors of the weights"),
        "bits": Quantity("bits of the weights, sign included"),
        "loss": Quantity("share of messages that are lost"),
        "samples": Quantity("training samples"),
        "held": Quantity("samples that are held out"),
        "memories": Quantity("memories, one tenth for each class"),
        "epochs": Quantity("passes through the training samples"),
        "rate": Quantity("rate of the steps"),
    },
    results={
        "accuracy": Quantity("share of right labels of held-out samples", within=SHARE),
        "left_out": Quantity("share of cues that did not settle in training", within=SHARE),
    },
    sizes={
        "toy": _TOY,
        "paper": {
            **_TOY, "samples": 1198, "held": 599, "memories": 200, "epochs": 6, "repeats": 20,
        },
    },
    draw=draw,
    judge=judge,
)  # fmt: skip
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
