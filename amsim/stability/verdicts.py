"""Verdicts on delays: stability proven, refuted or open, for each setting of delays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from ..display import fields_repr
from .critical import LARGEST
from .delays import Delay, Pair, by_link
from .frequencies import OnePass
from .linear import Linearisation
from .long_delays import falls_apart
from .offending_delays import MANY_FREQUENCIES, delays_of_links, delays_of_units, same_delay
from .status import Status
from .symmetry import Generator, explains, in_words

Answer = Literal["proven", "refuted", "neutral", "open"]

SETTINGS = {
    "uniform": "one delay for all messages",
    "per_unit": "a constant delay for each unit",
    "per_link": "a constant delay for each link",
    "varying": "delays that vary, reorder or lose messages",
}

# Multiply-adds, roughly, that the search for an offending delay of one unit may cost.
_SEARCH = 2e6
_MOST_CANDIDATES = 32
# Gains that nearer to 1 are not told from it, where nothing better bounds their errors.
_CLOSE = 1e-8


@dataclass(frozen=True, eq=False)
class Verdict:
    """Whether the fixed point is stable for all delays of one kind.

    Attributes
    ----------
    status : {"proven", "refuted", "neutral", "open"}
        "neutral": deviations along a continuous symmetry of the network stay, all others die out.
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


def judge(linear: Linearisation, status: Status, symmetry: list[Generator]) -> dict[str, Verdict]:
    """The verdict on every setting of `SETTINGS`, by the status without delays."""
    if linear.kink:
        return _beside_a_kink(linear, linear.kink, status)
    if status == "unstable":
        rate = linear.slowest[0].real
        text = f"unstable without delays: a mode grows at the rate {rate:.3g}"
        return dict.fromkeys(SETTINGS, Verdict("refuted", text, 0.0))
    if status == "neutral":
        return _neutral(linear, symmetry)
    if not linear.leak.all():
        text = "a layer has no leak, and the theorems need one"
        return dict.fromkeys(SETTINGS, Verdict("open", text))
    one = OnePass.of(linear) if linear.size <= LARGEST else None
    if one.rho_below_one() if one else linear.rho < 1 - _CLOSE:
        text = (
            f"rho = {linear.rho:.3g} < 1: no pass through the network amplifies, whatever its age"
        )
        return dict.fromkeys(SETTINGS, Verdict("proven", text))
    verdicts = _constant(linear, one)
    verdicts["varying"] = _varying(linear, one, verdicts["per_link"])
    return verdicts


def _neutral(linear: Linearisation, symmetry: list[Generator]) -> dict[str, Verdict]:
    """Where a mode is neutral: whether symmetry says that it is, and that nothing else is."""
    text = "a mode is neutral: it neither grows nor decays to first order, within rounding"
    verdicts = dict.fromkeys(SETTINGS, Verdict("open", text))
    if not explains(linear, symmetry):
        return verdicts
    groups = _groups(linear)
    kept = Verdict(
        "neutral",
        f"neutral by symmetry: {in_words(symmetry)} leaves the network as it is; deviations along "
        f"it stay, and all others die out",
    )
    if not any(_uneven(linear, name) for name in groups):
        verdicts["uniform"] = kept
        if not groups:
            verdicts["per_unit"] = kept
    one = OnePass.of(linear) if linear.size <= LARGEST else None
    if _rho_above_one(linear, one):
        verdicts["varying"] = _varying(linear, one, verdicts["per_link"])
    return verdicts


def _constant(linear: Linearisation, one: OnePass | None) -> dict[str, Verdict]:
    """On constant delays: what holds for links holds for units, and what for these for one."""
    settings = ("uniform", "per_unit", "per_link")
    if one is not None and one.links_bear_all():
        text = "scaled by units, no pass amplifies, whatever the phases of the links"
        return dict.fromkeys(settings, Verdict("proven", text))
    found: dict[str, Verdict] = {}
    for name, decide in zip(settings, (_uniform, _per_unit, _per_link), strict=True):
        last = next(reversed(found.values()), None)
        refuted = last is not None and last.status == "refuted"
        found[name] = last if last is not None and refuted else decide(linear, one)
    if found["per_unit"].status == "proven" and found["uniform"].status == "open":
        found["uniform"] = found["per_unit"]
    return found


def _beside_a_kink(linear: Linearisation, kink: str, status: Status) -> dict[str, Verdict]:
    """What the slopes of both sides say; where they decide nothing, nothing is claimed."""
    if status == "unstable":
        text = f"unstable without delays: {kink}, and to one side of it deviations grow"
        return dict.fromkeys(SETTINGS, Verdict("refuted", text, 0.0))
    verdicts = dict.fromkeys(SETTINGS, Verdict("open", f"{kink}, which has no slope there"))
    if linear.synapse_kink is not None:
        return verdicts
    if linear.rho < 1 - _CLOSE:
        text = f"{kink}, but rho = {linear.rho:.3g} < 1 with the slopes of the steeper side"
        return dict.fromkeys(SETTINGS, Verdict("proven", text))
    # A Lyapunov functional needs symmetry, and sectors only; `sigma` has the steeper slopes.
    layers, directed = linear.network.layers, linear.network.directed
    in_sectors = all(layers[name].lagrangian.separable for name in linear.kinks)
    if in_sectors and linear.sigma < 1 - _CLOSE and not directed:
        text = f"{kink}, but sigma = {linear.sigma:.3g} < 1 with the slopes of the steeper side"
        groups = _groups(linear)
        if not any(_uneven(linear, name) for name in groups):
            verdicts["uniform"] = Verdict("proven", text)
        if not groups:
            verdicts["per_unit"] = Verdict("proven", f"{text}, and all layers are separable")
    return verdicts


def _uniform(linear: Linearisation, one: OnePass | None) -> Verdict:
    """On one delay for all messages.

    With an energy and one tau for a group sigma decides. Where synapses are directed gains are
    complex; the linearised network falls apart into its modes only where one factor of time stands
    before all of them, or two layers with one each act on each other alone: with the gain g of a
    mode |1 + s tau|, or the product of two, is at least 1 for Re s >= 0, so that |g| < 1 suffices,
    and where |g| > 1 some delay turns the mode to the imaginary axis and beyond.
    """
    low, high = _sigma_bounds(linear, one)
    uneven = [name for name in _groups(linear) if _uneven(linear, name)]
    decides = falls_apart(linear) if linear.network.directed else not uneven
    if decides and high < 1:
        return Verdict("proven", f"sigma = {linear.sigma:.3g} < 1")
    everywhere = {pair: np.ones(x.shape, bool) for pair, x in linear.blocks.items()}
    found = same_delay(linear, everywhere)
    if found is None and decides and low > 1:  # stable without delays: the gain is not positive
        text = f"sigma = {linear.sigma:.3g} > 1: with some delays a mode turns and grows"
        return Verdict("refuted", text)
    if found is None and not decides:
        if one is not None and one.one_delay_bears_all():
            return Verdict("proven", "no mode has a gain of 1 or more, at any frequency")
        found = same_delay(linear, everywhere, MANY_FREQUENCIES)
    if found is not None:
        delay = float(max(float(np.max(d)) for d in found.values()))
        return Verdict("refuted", f"oscillates with a delay of {delay:.3g} on every link", delay)
    why = "synapses are directed" if linear.network.directed else "tau is unequal within a group"
    return Verdict(
        "open",
        f"sigma = {linear.sigma:.3g} proves nothing where {why}, and rho = {linear.rho:.3g} >= 1; "
        f"{_search_in_words(linear)}",
    )


def _per_unit(linear: Linearisation, one: OnePass | None) -> Verdict:
    groups = _groups(linear)
    if not (groups or linear.network.directed) and _sigma_bounds(linear, one)[1] < 1:
        return Verdict("proven", f"sigma = {linear.sigma:.3g} < 1, and all layers are separable")
    if one is not None and one.units_bear_all():
        return Verdict("proven", "scaled by units, no pass amplifies, whatever their phases")
    for name, unit in _candidates(linear, groups):
        mask = np.zeros(linear.network.layers[name].size, bool)
        mask[unit] = True
        late = same_delay(linear, _links_from(linear, name, mask))
        if late is not None:
            delay = max(float(np.max(d)) for d in late.values())
            return Verdict(
                "refuted",
                f"oscillates when unit {unit} of layer {name!r} is late by {delay:.3g}",
                {name: delay * mask},
            )
    found = delays_of_units(one) if one is not None else None
    if found is not None:
        return Verdict("refuted", "oscillates with delays that turn units into phase", found)
    why = "synapses are directed" if linear.network.directed else "units share a normaliser"
    return Verdict(
        "open",
        f"sigma = {linear.sigma:.3g} proves nothing for unequal delays where {why}, and rho = "
        f"{linear.rho:.3g} >= 1; {_search_in_words(linear)}",
    )


def _per_link(linear: Linearisation, one: OnePass | None) -> Verdict:
    negative = {pair: block < 0 for pair, block in linear.blocks.items()}
    late = same_delay(linear, negative)
    if late is not None:
        delay = max(float(np.max(d)) for d in late.values())
        return Verdict(
            "refuted",
            f"rho = {linear.rho:.3g} >= 1: oscillates when negative links are late by {delay:.3g}",
            cast("Delay", by_link(late)),
        )
    found = delays_of_links(one) if one is not None else None
    if found is not None:
        text = f"rho = {linear.rho:.3g} >= 1: oscillates with delays that turn links into phase"
        return Verdict("refuted", text, cast("Delay", by_link(found)))
    if not _groups(linear) and _rho_above_one(linear, one):
        return Verdict("refuted", f"rho = {linear.rho:.3g} > 1: some delays of the links oscillate")
    return Verdict(
        "open",
        f"rho = {linear.rho:.3g} >= 1, so nothing is proven; {_search_in_words(linear)}",
    )


def _varying(linear: Linearisation, one: OnePass | None, per_link: Verdict) -> Verdict:
    if per_link.status == "refuted":
        return Verdict("refuted", f"constant delays suffice: {per_link.reason}", per_link.delay)
    if _rho_above_one(linear, one):
        text = (
            f"rho = {linear.rho:.3g} > 1: links that deliver, of what was sent within some time, "
            f"what pushes their target on let deviations grow"
        )
        return Verdict("refuted", text)
    return Verdict("open", f"rho = {linear.rho:.6g} is not told from 1")


def _sigma_bounds(linear: Linearisation, one: OnePass | None) -> tuple[float, float]:
    if one is None or linear.network.directed:
        return linear.sigma * (1 - _CLOSE), linear.sigma * (1 + _CLOSE)
    return one.sigma_bounds()


def _rho_above_one(linear: Linearisation, one: OnePass | None) -> bool:
    return one.rho_above_one() if one is not None else linear.rho > 1 + _CLOSE


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


def _search_in_words(linear: Linearisation) -> str:
    if linear.size > LARGEST:
        return f"with more than {LARGEST} units no offending delay was looked for"
    return "a search found no offending delay"
