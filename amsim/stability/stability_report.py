"""`analyse` and `StabilityReport`: the stability of one fixed point, with and without delays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import checks
from ..display import brief, short, table, tabled
from ..network import Network
from ..synapses import Array
from ..theory.timing import uniform_delay_rate
from .fixed_points import nearby_fixed_point
from .linear import DENSE, KINK_DISTANCE, Linearisation
from .long_delays import Loop, taus_of_two_layers
from .spectrum import rightmost_roots
from .states import State, in_range
from .status import Status, status_of
from .symmetry import Generator, generators
from .verdicts import SETTINGS, Verdict, judge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WORDS = {
    "stable": "stable fixed point",
    "unstable": "unstable fixed point",
    "neutral": "neutral fixed point: neither stable nor unstable to first order",
    "unknown": "fixed point whose stability is unknown",
}


@dataclass(frozen=True, eq=False)
class StabilityReport:
    """What `analyse` found.

    Attributes
    ----------
    network : Network
    states : dict of str to ndarray (*shape)
        The fixed point, of all layers.
    residual : float
        Largest |tau dx/dt| there.
    status : {"stable", "unstable", "neutral", "unknown"}
        Without delays: small deviations die out; some grow; some do neither, as far as rounding and
        the accuracy of the state allow to say (along a continuum of fixed points, or at a
        bifurcation), and none is known to grow; or the state is at a kink of an activation or a
        synapse, where the slopes of both sides decide nothing.
    sigma : float
        Gain of a round trip: the largest |eigenvalue| of Xi^T F Xi G for two layers, in general the
        square of the largest |eigenvalue| of one pass C H / leak. NaN if a layer has no leak. At a
        kink, with the slopes of the steeper side; infinite at a step, and at a kink of a layer of
        shares.
    rho : float
        The same with absolute values throughout, where nothing cancels: never below sigma.
    eigenvalue : complex
        The rightmost eigenvalue of the Jacobian, in 1 / (unit of tau). NaN at a kink, where there
        is no Jacobian. Where `status` is "neutral" its sign is one of rounding.
    mode : dict of str to ndarray (*shape)
        Its eigenvector over the layers with tau > 0, of largest |entry| 1: what dies out last. NaN
        at a kink.
    verdicts : dict of str to Verdict
        Under "uniform" (one delay for all messages), "per_unit", "per_link" (constant delays) and
        "varying" (delays that vary, reorder, or lose messages while the last value is held).
    symmetry : list of dict of str to ndarray (units, units)
        Of a neutral fixed point: the rotations, as antisymmetric matrices J by layer, under which
        the network stays as it is and which move the state x, along J x.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.random(3, 32, seed=0)
    >>> report = am.stability.analyse(am.dense_am(patterns), patterns[0])
    >>> {name: verdict.status for name, verdict in report.verdicts.items()}
    {'uniform': 'proven', 'per_unit': 'proven', 'per_link': 'proven', 'varying': 'proven'}
    """

    network: Network
    states: dict[str, Array]
    residual: float
    status: Status
    sigma: float
    rho: float
    eigenvalue: complex
    mode: dict[str, Array]
    verdicts: dict[str, Verdict]
    symmetry: list[Generator]

    @short
    def __repr__(self) -> str:
        verdicts = ", ".join(f"{name} {verdict.status}" for name, verdict in self.verdicts.items())
        return (
            f"StabilityReport({self.status}, sigma={self.sigma:.4g}, rho={self.rho:.4g}, "
            f"eigenvalue={self.eigenvalue:.4g}, delays: {verdicts})"
        )

    @tabled
    def _repr_html_(self) -> str:
        rows: list[tuple[object, ...]] = [
            (name, getattr(self, name))
            for name in ("status", "residual", "sigma", "rho", "eigenvalue")
        ]
        rows += [("layers", brief(self.states))]
        rows += [(f"delays, {n}", f"{v.status}: {v.reason}") for n, v in self.verdicts.items()]
        return table("StabilityReport", rows)

    @property
    def abscissa(self) -> float:
        """The real part of the rightmost eigenvalue; NaN at a kink."""
        return self.eigenvalue.real

    @property
    def stable(self) -> bool:
        """Whether small deviations are known to die out without delays.

        False says nothing else: `status` tells unstable from neutral and unknown.
        """
        return self.status == "stable"

    @in_range
    def rate(self, delay: float = 0.0) -> float:
        """Rate at which small deviations die out if every message takes `delay`.

        Parameters
        ----------
        delay : float, default 0.0
            One way, as for `delay_spectrum`: a round trip between two layers takes twice that.

        Returns
        -------
        float
            Per unit of time; negative if they grow, 0 while neutral modes are the slowest.

        Raises
        ------
        ValueError
            If the state is at a kink, the delay is not finite or negative, or the network too
            large.
        """
        if self.linear.kink:
            raise ValueError(f"there is no rate: {self.linear.kink}; see verdicts")
        delay = checks.number("delay", delay, at_least=0.0, at_most=checks.LARGEST)
        rate = self._rate(delay)
        # Delays slow modes down: what is neutral without is so with them.
        unknown = max(1.01 * abs(self.abscissa), KINK_DISTANCE / float(self.linear.tau.max()))
        neutral = self.status == "neutral" and abs(rate) <= unknown
        return 0.0 if neutral else rate

    def _rate(self, delay: float) -> float:
        if delay == 0:
            return -self.abscissa
        # What round trips amplify is one real number only where synapses have an energy.
        taus = None if self.network.directed else taus_of_two_layers(self.linear)
        if taus is not None and self.sigma > 0:
            gain = np.array([self.sigma + 0j])
            roots = Loop(taus, (1.0, 1.0), 2 * delay, gain, 0.0).roots(1)
            if roots is not None:
                return float(-roots.real.max())
        if taus is not None:  # next to the pole, which this keeps the digits of
            return float(uniform_delay_rate(self.sigma, *taus, 2 * delay))
        return float(-rightmost_roots(self.linear, delay, 1)[0].real)

    @cached_property
    def linear(self) -> Linearisation:
        """The network linearised at the fixed point."""
        return Linearisation(self.network, self.states)

    def to_dict(self) -> dict[str, Any]:
        """All as numbers, strings, lists and dicts, for JSON; None for what is not finite."""
        return {
            "status": self.status,
            "stable": self.stable,
            "residual": self.residual,
            "sigma": _finite(self.sigma),
            "rho": _finite(self.rho),
            "eigenvalue": [_finite(self.eigenvalue.real), _finite(self.eigenvalue.imag)],
            "verdicts": {name: verdict.to_dict() for name, verdict in self.verdicts.items()},
            "states": {name: state.tolist() for name, state in self.states.items()},
            "symmetry": [{n: x.tolist() for n, x in each.items()} for each in self.symmetry],
            "mode": {
                name: None if self.linear.kink else [part.real.tolist(), part.imag.tolist()]
                for name, part in self.mode.items()
            },
        }

    def __str__(self) -> str:
        lines = [
            f"{_WORDS[self.status]}, residual {self.residual:.1e}",
            f"  {self._slowest_in_words()}",
            f"  gain of a round trip: sigma = {self.sigma:.4g}, without cancellation rho = "
            f"{self.rho:.4g}",
            "  stable under all delays of a kind?",
        ]
        told = ""
        for name, verdict in self.verdicts.items():
            reason = "the same" if verdict.reason == told else verdict.reason
            lines.append(f"    {SETTINGS[name]}: {verdict.status} ({reason})")
            told = verdict.reason
        return "\n".join(lines)

    def _slowest_in_words(self) -> str:
        if self.linear.kink:
            return f"no slowest mode: {self.linear.kink}"
        sizes = {name: float(np.linalg.norm(part)) for name, part in self.mode.items()}
        where = f"mostly in layer {max(sizes, key=lambda n: sizes[n])!r}"
        if self.status == "neutral":
            return (
                f"slowest mode: neither grows nor decays within rounding "
                f"(|rate| {abs(self.abscissa):.1g}), {where}"
            )
        rate = f"{'decay' if self.stable else 'growth'} at the rate {abs(self.abscissa):.4g}"
        if self.eigenvalue.imag:
            rate += f", turning at {abs(self.eigenvalue.imag):.4g}"
        return f"slowest mode: {rate}, {where}"

    def plot(self) -> Figure:
        """Draw the characteristic roots for some delays, and the rate over the delay.

        Returns
        -------
        matplotlib Figure
            With two axes, and so none is taken.

        Raises
        ------
        ValueError
            If the network is too large for `delay_spectrum`, or the state at a kink.
        """
        from .figure import stability

        return stability(self)


@in_range
def analyse(net: Network, state: State) -> StabilityReport:
    """Analyse a fixed point: how stable it is, under which delays, and why.

    Parameters
    ----------
    net : Network
    state : array_like or mapping of layer names to array_like
        A fixed point, or one to within 1 %, such as `traj.final` of a single cue; it is polished.

    Returns
    -------
    StabilityReport

    Raises
    ------
    ValueError, TypeError
        If the state does not fit the network, or is no fixed point.

    Notes
    -----
    All verdicts are about small deviations; `certify` and `radius` say from how far the network
    returns. What is proven: sigma < 1 for one delay per layer, and for constant delays and taus of
    units if the layers are separable (there and only there), all of it without directed synapses;
    with these sigma < 1 for one delay of all messages, if all time constants per leak are equal, or
    two layers have one each and act on each other only; rho < 1 for delays of links, for
    separable layers there and only there (Hofbauer and So, Appl. Math. Lett. 13, 2000), and for
    delays that vary and messages that get lost (Chazan and Miranker, Linear Algebra Appl. 2, 1969),
    there and only there. Up to 400 units scaled norms and sweeps over frequencies prove more, and a
    search for delays that destabilise, verified by their spectrum, refutes; docs/stability.md has
    the proofs.

    Examples
    --------
    >>> import amsim as am
    >>> patterns = am.patterns.hamming()[[0, 3, 5]]
    >>> net = am.dense_am(patterns, hidden=am.Softmax(beta=1.0))
    >>> report = am.stability.analyse(net, am.simulate(net, patterns[1]).final)
    >>> report.stable, report.sigma < report.rho < 1
    (True, True)
    """
    rest = nearby_fixed_point(net, state)
    linear = Linearisation(net, rest.states)
    status = status_of(linear, rest.residual)
    symmetry = generators(linear) if status == "neutral" and linear.size <= DENSE else []
    if linear.kink:
        value, mode = complex(np.nan, np.nan), np.full(int(linear.dynamic.sum()), np.nan)
    else:
        value, vector = linear.slowest
        mode = _normal(vector)
    return StabilityReport(
        network=net,
        states=rest.states,
        residual=rest.residual,
        status=status,
        sigma=linear.sigma,
        rho=linear.rho,
        eigenvalue=value,
        mode=net.unpack(mode),
        verdicts=judge(linear, status, symmetry),
        symmetry=symmetry,
    )


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _normal(mode: Array) -> Array:
    """Scaled to a largest entry of 1; real if it can be."""
    scaled = mode / mode[np.abs(mode).argmax()]
    return np.asarray(scaled.real if np.abs(scaled.imag).max() < 1e-9 else scaled)
