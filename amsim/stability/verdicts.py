"""Verdicts on delays: stability proven, refuted or open, for each setting of delays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from ..display import fields_repr
from .critical import LARGEST, first_crossing
from .delays import Delay, DelayedNetwork, Pair, by_link
from .linear import Linearisation
from .long_delays import falls_apart
from .spectrum import rightmost_roots, root_near
from .status import Status

Answer = Literal["proven", "refuted", "open"]

SETTINGS = {
    "uniform": "one delay for all messages",
    "per_unit": "a constant delay for each unit",
    "per_link": "a constant delay for each link",
    "varying": "delays that vary, reorder or lose messages",
}

# How far beyond the critical delay the offending one is.
_DELAY_FACTORS = (1.05, 1.2, 1.01)
# Multiply-adds, roughly, that the search for an offending delay of one unit may cost.
_SEARCH = 2e6
_MOST_CANDIDATES = 32
_FREQUENCIES = 32


@dataclass(frozen=True, eq=False)
class Verdict:
    """Whether the fixed point is stable for all delays of one kind.

    Attributes
    ----------
    status : {"proven", "refuted", "open"}
    reason : str
    delay : number or mapping, optional
        Of a refuted one: delays under which it is unstable, as `delay_spectrum` takes them. None
        where a theorem says that there are some and the network is too large to look for them.
    """

    status: Answer
    reason: str
    delay: Delay | None = None

    __repr__ = fields_repr

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it; pairs (source, target) become "source -> target"."""
        return {"status": self.status, "reason": self.reason, "delay": _plain(self.delay)}


def _plain(delay: Delay | None) -> Any:
    if delay is None:
        return None
    if not isinstance(delay, Mapping):
        return np.asarray(delay).tolist()
    return {
        key if isinstance(key, str) else " -> ".join(key): np.asarray(value).tolist()
        for key, value in delay.items()
    }


def judge(linear: Linearisation, status: Status) -> dict[str, Verdict]:
    """The verdict on every setting of `SETTINGS`, by the status without delays."""
    if linear.kink:
        return _beside_a_kink(linear, linear.kink, status)
    if status == "unstable":
        rate = linear.slowest[0].real
        text = f"unstable without delays: a mode grows at the rate {rate:.3g}"
        return dict.fromkeys(SETTINGS, Verdict("refuted", text, 0.0))
    if status == "neutral":
        text = "a mode is neutral: it neither grows nor decays to first order, within rounding"
        return dict.fromkeys(SETTINGS, Verdict("open", text))
    if not linear.leak.all():
        text = "a layer has no leak, and the theorems need one"
        return dict.fromkeys(SETTINGS, Verdict("open", text))
    if linear.rho < 1:
        text = (
            f"rho = {linear.rho:.3g} < 1: no pass through the network amplifies, whatever its age"
        )
        return dict.fromkeys(SETTINGS, Verdict("proven", text))
    uniform, per_unit = _directed(linear) if linear.network.directed else _symmetric(linear)
    per_link = per_unit if per_unit.status == "refuted" else _per_link(linear)
    return {
        "uniform": uniform,
        "per_unit": per_unit,
        "per_link": per_link,
        "varying": _varying(linear, per_link),
    }


def _beside_a_kink(linear: Linearisation, kink: str, status: Status) -> dict[str, Verdict]:
    """What the slopes of both sides say; where they decide nothing, nothing is claimed."""
    if status == "unstable":
        text = f"unstable without delays: {kink}, and to one side of it deviations grow"
        return dict.fromkeys(SETTINGS, Verdict("refuted", text, 0.0))
    verdicts = dict.fromkeys(SETTINGS, Verdict("open", f"{kink}, which has no slope there"))
    if linear.synapse_kink is not None:
        return verdicts
    if linear.rho < 1:
        text = f"{kink}, but rho = {linear.rho:.3g} < 1 with the slopes of the steeper side"
        return dict.fromkeys(SETTINGS, Verdict("proven", text))
    # A Lyapunov functional needs symmetry, and sectors only; `sigma` has the steeper slopes.
    layers, directed = linear.network.layers, linear.network.directed
    in_sectors = all(layers[name].lagrangian.separable for name in linear.kinks)
    if in_sectors and linear.sigma < 1 and not directed:
        text = f"{kink}, but sigma = {linear.sigma:.3g} < 1 with the slopes of the steeper side"
        groups = _groups(linear)
        if not any(_uneven(linear, name) for name in groups):
            verdicts["uniform"] = Verdict("proven", text)
        if not groups:
            verdicts["per_unit"] = Verdict("proven", f"{text}, and all layers are separable")
    return verdicts


def _symmetric(linear: Linearisation) -> tuple[Verdict, Verdict]:
    """The verdicts on one delay, and on delays of units, where forces have an energy."""
    uniform = _uniform(linear)
    return uniform, uniform if uniform.status == "refuted" else _per_unit(linear)


def _directed(linear: Linearisation) -> tuple[Verdict, Verdict]:
    """The same where synapses are directed: gains are complex, and sigma says less.

    Under one delay the linearised network falls apart into its modes only where one factor of time
    stands before all of them, or two layers with one each act on each other alone: with the gain
    g of a mode |1 + s tau|, or the product of two, is at least 1 for Re s >= 0, so that |g| < 1
    suffices, and where |g| > 1 some delay turns the mode to the imaginary axis and beyond.
    """
    found = _search(linear, {pair: np.ones(x.shape, bool) for pair, x in linear.blocks.items()})
    if found is not None:
        delay = max(float(np.max(d)) for d in found.values())
        text = f"oscillates with a delay of {delay:.3g} on every link"
        return (refuted := Verdict("refuted", text, delay)), refuted
    clocked = falls_apart(linear)
    if clocked and linear.sigma > 1:
        text = f"sigma = {linear.sigma:.3g} > 1: with some delays a mode turns and grows"
        return (refuted := Verdict("refuted", text)), refuted
    words = (
        f"rho = {linear.rho:.3g} >= 1, and synapses are directed, where sigma = "
        f"{linear.sigma:.3g} proves nothing"
    )
    per_unit = Verdict("open", f"{words} under unequal delays")
    if clocked and linear.sigma < 1:
        text = f"sigma = {linear.sigma:.3g} < 1, and each mode has an equation of its own"
        return Verdict("proven", text), per_unit
    return Verdict("open", f"{words}; {_search_in_words(linear)}"), per_unit


def _uniform(linear: Linearisation) -> Verdict:
    uneven = [name for name in _groups(linear) if _uneven(linear, name)]
    if linear.sigma < 1 and not uneven:
        return Verdict("proven", f"sigma = {linear.sigma:.3g} < 1")
    found = _search(linear, {pair: np.ones(x.shape, bool) for pair, x in linear.blocks.items()})
    if found is not None:
        delay = float(max(float(np.max(d)) for d in found.values()))
        return Verdict("refuted", f"oscillates with a delay of {delay:.3g} on every link", delay)
    if not uneven:  # sigma >= 1 and stable without delays: negative feedback
        return Verdict(
            "refuted",
            f"sigma = {linear.sigma:.3g} >= 1 with negative feedback: long delays oscillate",
        )
    return Verdict(
        "open",
        f"layer {uneven[0]!r} has unequal tau within a group, where sigma = {linear.sigma:.3g} < 1 "
        f"proves nothing, and rho = {linear.rho:.3g} >= 1; {_search_in_words(linear)}",
    )


def _per_unit(linear: Linearisation) -> Verdict:
    groups = _groups(linear)
    if linear.sigma < 1 and not groups:
        return Verdict("proven", f"sigma = {linear.sigma:.3g} < 1, and all layers are separable")
    for name, unit in _candidates(linear, groups):
        mask = np.zeros(linear.network.layers[name].size, bool)
        mask[unit] = True
        found = _search(linear, _links_from(linear, name, mask))
        if found is not None:
            delay = max(float(np.max(d)) for d in found.values())
            return Verdict(
                "refuted",
                f"oscillates when unit {unit} of layer {name!r} is late by {delay:.3g}",
                {name: delay * mask},
            )
    return Verdict(
        "open",
        f"members of layer {groups[0]!r} share a normaliser; with unequal delays sigma = "
        f"{linear.sigma:.3g} < 1 proves nothing, and rho = {linear.rho:.3g} >= 1; "
        f"{_search_in_words(linear)}",
    )


def _per_link(linear: Linearisation) -> Verdict:
    negative = {pair: block < 0 for pair, block in linear.blocks.items()}
    found = _search(linear, negative)
    if found is not None:
        delay = max(float(np.max(d)) for d in found.values())
        return Verdict(
            "refuted",
            f"rho = {linear.rho:.3g} >= 1: oscillates when negative links are late by {delay:.3g}",
            cast("Delay", by_link(found)),
        )
    if linear.rho > 1 and not _groups(linear) and not linear.parallel:
        return Verdict("refuted", f"rho = {linear.rho:.3g} > 1: some delays of the links oscillate")
    return Verdict(
        "open",
        f"rho = {linear.rho:.3g} >= 1, so nothing is proven; {_search_in_words(linear)}",
    )


def _varying(linear: Linearisation, per_link: Verdict) -> Verdict:
    if per_link.status == "refuted":
        return Verdict("refuted", f"constant delays suffice: {per_link.reason}", per_link.delay)
    return Verdict("open", f"rho = {linear.rho:.3g} >= 1, and rho < 1 is what a proof needs")


def _groups(linear: Linearisation) -> list[str]:
    """Layers whose units share something: their Hessian is not diagonal."""
    layers = linear.network.layers.items()
    return [name for name, layer in layers if not layer.lagrangian.separable]


def _uneven(linear: Linearisation, name: str) -> bool:
    return bool(np.ptp(linear.network.layers[name].tau, axis=-1).any())


def _candidates(linear: Linearisation, groups: list[str]) -> Iterator[tuple[str, int]]:
    """Units of groups, the most responsive first, as many as the search can afford."""
    tries = int(np.clip(_SEARCH / linear.size**3, 1, _MOST_CANDIDATES))
    ranked = [
        (-linear.scale[linear.spans[name]][unit], name, unit)
        for name in groups
        for unit in range(linear.network.layers[name].size)
    ]
    for _, name, unit in sorted(ranked)[:tries]:
        yield name, unit


def _links_from(linear: Linearisation, name: str, mask: Any) -> dict[Pair, Any]:
    return {
        pair: np.broadcast_to(mask, block.shape) if pair[0] == name else np.zeros(block.shape, bool)
        for pair, block in linear.blocks.items()
    }


def _search(linear: Linearisation, masks: Mapping[Pair, Any]) -> dict[Pair, Any] | None:
    """Delays, the same on all links of the masks, that make the network unstable; None if none."""
    if linear.size > LARGEST or not any(mask.any() for mask in masks.values()):
        return None
    critical, frequency = first_crossing(linear, masks, _FREQUENCIES)
    if not np.isfinite(critical):
        return None
    for factor in _DELAY_FACTORS:
        delays = {pair: factor * critical * mask for pair, mask in masks.items()}
        # The root that has crossed; another one, if it went too far to be found from there.
        root = root_near(DelayedNetwork(linear, delays), 1j * frequency / factor)
        if root is not None and root.real > 0:
            return delays
        with suppress(ValueError):  # too long a delay for a whole spectrum
            if rightmost_roots(linear, by_link(delays), 1)[0].real > 0:
                return delays
    return None


def _search_in_words(linear: Linearisation) -> str:
    if linear.size > LARGEST:
        return f"with more than {LARGEST} units no offending delay was looked for"
    return "a search found no offending delay"
