r"""How does a delay that is the same for all messages slow recall down?

Near a memory whose round trip has the gain sigma, deviations decay like e^(-lambda t) with

    (1 - lambda tau_v) (1 - lambda tau_h) e^(-lambda D) = sigma,

D the delay of a round trip (`amsim.theory.timing.uniform_delay_rate`). Delays slow recall and never
destabilise it, and 1 / lambda over D approaches a line of slope 1 / ln(1 / sigma).

Measured twice without that equation. By events: the memory is pushed along its slowest mode and
comes back by messages alone; the rate is that of the means over one round trip each, since a
constant history also excites modes that turn once per trip. And by the characteristic roots of the
linearised network. beta is set so that the memory has the gain that is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .runner.experiment import Claim, Experiment, Quantity
from .runner.tolerance import Mean, judged

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from amsim import Network
    from amsim.gallery.style import Floats

_PERTURBATION = 0.02  # of the visible state along the slowest mode
_QUANTUM = 2e-7  # of the memories' outputs; ten times as much for the features
_TRIPS, _SAMPLES = 10, 40  # round trips that are watched, and looks at each
_STEP = 0.1  # of log beta, in the search for a gain
_GAIN = 1e-9  # to which a gain is as asked; it is searched for to a thousandth of that
_ABOVE_NOISE = 200  # quanta above which a deviation is more than the noise of messages


def measure(
    *,
    seed: np.random.SeedSequence,
    sigma: float,
    delay: float,
    tau_hidden: float,
    features: int,
    memories: int,
) -> Mapping[str, float]:
    """Decay rate of the slowest mode at one memory."""
    import amsim as am

    stored = am.patterns.random(memories, features, int(seed.generate_state(1)[0]))
    net, rest, mode = memory_with_gain(stored, sigma, tau_hidden)
    roots = am.stability.delay_spectrum(net, rest, delay / 2, count=1)

    trip = delay + 1.0 + tau_hidden
    solver = am.EventDriven(
        {"visible": 10 * _QUANTUM, "hidden": _QUANTUM}, am.Timing(delay / 2), announce="ahead"
    )
    traj = am.simulate(
        net,
        rest + _PERTURBATION * mode,
        times=np.linspace(0, _TRIPS * trip, _TRIPS * _SAMPLES + 1),
        until=None,
        solver=solver,
    )
    deviation = (traj["visible"][1:] - rest) @ mode
    means = deviation.reshape(_TRIPS, _SAMPLES).mean(axis=1)
    return {"rate": -_slope(means) / trip, "root": -float(roots[0].real)}


def memory_with_gain(
    stored: Floats, sigma: float, tau_hidden: float
) -> tuple[Network, Floats, Floats]:
    """A Softmax memory of `stored` in which a round trip at the first one has the gain sigma.

    Returns
    -------
    Network, ndarray (D,), ndarray (D,)
        With the retrieved memory and the eigenvector of its largest gain.
    """
    from scipy.optimize import brentq

    import amsim as am

    def at(log_beta: float) -> tuple[Network, Floats, Floats, float]:
        hidden = am.Softmax(float(np.exp(log_beta)))
        net = am.dense_am(stored, hidden=hidden, tau_hidden=tau_hidden)
        rest = am.stability.find(net, stored[0]).states
        gains, modes = np.linalg.eigh(stored.T @ hidden.hessian(rest["hidden"]) @ stored)
        lost = am.patterns.overlap(rest["visible"], stored)[0] < 0.5
        excess = 1.0 if lost else float(gains[-1]) - sigma
        return net, rest["visible"], modes[:, -1], excess

    # The gain grows as beta falls, until the memory merges with others.
    high = 0.0
    while at(high - _STEP)[-1] < 0:
        high -= _STEP
        if high < -np.log(stored.shape[1]):  # beta |xi|^2 < 1
            raise ValueError(f"the first of the patterns is lost before its gain is {sigma:g}")
    log_beta = brentq(lambda b: at(b)[-1], high - _STEP, high, xtol=1e-3 * _GAIN)
    net, rest, mode, excess = at(log_beta)
    if abs(excess) > 1e-6:
        raise ValueError(f"the first of the patterns is lost before its gain is {sigma:g}")
    return net, rest, mode


def _slope(means: Floats) -> float:
    """Change of log |means| from one to the next, over those above the noise."""
    count = np.cumprod(np.abs(means) > _ABOVE_NOISE * _QUANTUM).sum()
    if count < 3:
        raise ValueError("the deviation was gone after two round trips; use a larger sigma")
    return float(np.polyfit(np.arange(1, count), np.log(np.abs(means[1:count])), 1)[0])


def draw(data: xr.Dataset) -> Figure:
    """1 / lambda over the delay, and how far the line is from it."""
    from amsim.gallery.style import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, label, panels

    figure, ((left, right),) = panels(1, 2, 3.6)
    tau, delays = float(data.attrs["tau_hidden"]), data.delay.values
    fine = np.linspace(0, delays.max(), 101)
    colours = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED)
    for sigma, colour in zip(data.sigma.values, colours * len(data.sigma), strict=False):
        times = (1 / data.rate.sel(sigma=sigma)).median("repeat")
        left.plot(delays, times, "o", color=colour, ms=5, label=f"$\\sigma$ = {sigma:g}")
        left.plot(fine, 1 / _rate(sigma, tau, fine), color=colour, lw=1.2)
        left.plot(fine, _line(sigma, tau, fine), "--", color=colour, lw=1)
        right.plot(delays, times / _line(sigma, tau, delays), "o", color=colour, ms=5)
        right.plot(
            fine, 1 / _rate(sigma, tau, fine) / _line(sigma, tau, fine), color=colour, lw=1.2
        )
    left.plot([], [], "k-", lw=1.2, label="theory")
    left.plot([], [], "k--", lw=1, label=r"line of slope 1/ln(1/$\sigma$)")
    left.legend(frameon=False, fontsize="small")
    right.axhline(1, color="k", ls="--", lw=1)
    round_trip = "delay of a round trip (units of τ)"
    label(left, round_trip, "time to fall e-fold, 1/λ (units of τ)")
    label(right, round_trip, "1/λ, relative to the line")
    return figure


def judge(data: xr.Dataset) -> Sequence[Claim]:
    """Rates against the equation, and slopes against 1 / ln(1 / sigma)."""
    tau = float(data.attrs["tau_hidden"])
    theory = _rate(data.sigma, tau, data.delay)
    roots = float(abs(data.root / theory - 1).max())
    text = "largest relative error of the characteristic root"
    claims: list[Claim | Mean] = [Claim(text, roots, 0.0, roots < _GAIN)]
    for sigma in data.sigma.values:
        for delay in data.delay.values:
            rate = data.rate.sel(sigma=sigma, delay=delay)
            text = f"sigma = {sigma:g}, D = {delay:g}: rate of decay, by events"
            claims.append(Mean(text, rate, float(theory.sel(sigma=sigma, delay=delay)), null=0.0))
    times = (1 / data.rate).median("repeat")
    if len(data.delay) > 1:
        far = times.isel(delay=[-2, -1])
        slopes = far.diff("delay").isel(delay=0) / float(far.delay.diff("delay")[0])
        for sigma in data.sigma.values:
            text = f"sigma = {sigma:g}: slope of 1 / lambda at the longest delays, over that line's"
            claims.append(Claim(text, float(-slopes.sel(sigma=sigma) * np.log(sigma))))
    over = float((times / _line(data.sigma, tau, data.delay)).max())
    text = "1 / lambda over the line (D + tau_v + tau_h) / ln(1 / sigma), where it fails most"
    return judged([*claims, Claim(text, over)])


def _rate(sigma: Any, tau_hidden: float, delay: Any) -> Any:
    """The closed form; of arrays, or of two coordinates."""
    import xarray as xr

    from amsim.theory.timing import uniform_delay_rate

    return xr.apply_ufunc(uniform_delay_rate, sigma, 1.0, tau_hidden, delay)


def _line(sigma: Any, tau_hidden: float, delay: Any) -> Any:
    """The time of decay for slow modes: lambda tau << 1."""
    return (delay + 1.0 + tau_hidden) / np.log(1 / sigma)


EXPERIMENT = Experiment(
    name="delay_rate",
    question="How does a delay that is the same for all messages slow recall down?",
    measure=measure,
    parameters={
        "sigma": Quantity("gain of a round trip"),
        "delay": Quantity("delay of a round trip", "tau"),
        "tau_hidden": Quantity("time constant of the memories", "tau"),
        "features": Quantity("units of a pattern"),
        "memories": Quantity("stored patterns"),
    },
    results={
        "rate": Quantity("rate of decay, by events", "1/tau"),
        "root": Quantity("rate of decay, by the characteristic root", "1/tau"),
    },
    sizes={
        "toy": {
            "sigma": (0.2, 0.4, 0.7),
            "delay": (0.0, 2.0, 5.0, 10.0, 20.0),
            "tau_hidden": 1.0,
            "features": 16,
            "memories": 4,
            "repeats": 4,
        },
        "paper": {
            "sigma": (0.2, 0.3, 0.4, 0.5, 0.6, 0.7),
            "delay": (0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0),
            "tau_hidden": 1.0,
            "features": 64,
            "memories": 16,
            "repeats": 100,
        },
    },
    draw=draw,
    judge=judge,
)
run = EXPERIMENT.run

if __name__ == "__main__":
    from .runner.command import main

    raise SystemExit(main(EXPERIMENT))
