"""Delays that destabilise a fixed point: searched for, and confirmed by a root that grows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from ..synapses import Array
from .critical import LARGEST, first_crossing
from .delays import DelayedNetwork, Pair, by_link
from .frequencies import OnePass
from .linear import Complex, Floats, Linearisation
from .spectrum import rightmost_roots, root_near
from .structured import Matrix, best_phases

# How far beyond the critical delay the offending one is.
_DELAY_FACTORS = (1.05, 1.2, 1.01)
FEW_FREQUENCIES, MANY_FREQUENCIES = 32, 240
_OCTAVES = 24  # of frequencies, downwards from twice the fastest unit's
_DRAWN = 6  # random starts of a search for phases
_ABOVE = 1 + 1e-6
_GROWTH = 1e-9  # of a root's size: less may be rounding, where a gain is 1
_LARGEST_SPECTRUM = 60  # units, each with a delay of its own


def same_delay(
    linear: Linearisation, masks: Mapping[Pair, Any], frequencies: int = FEW_FREQUENCIES
) -> dict[Pair, Any] | None:
    """Delays, the same on all links of the masks, that make the network unstable; None if none."""
    if linear.size > LARGEST or not any(mask.any() for mask in masks.values()):
        return None
    critical, frequency = first_crossing(linear, masks, frequencies)
    if not np.isfinite(critical):
        return None
    for factor in _DELAY_FACTORS:
        delays = {pair: factor * critical * mask for pair, mask in masks.items()}
        # The root that has crossed; another one, if it went too far to be found from there.
        if _grows(linear, delays, 1j * frequency / factor):
            return delays
    return None


def delays_of_units(one: OnePass) -> dict[str, Floats] | None:
    """Delays, one for all that a unit sends, that make the network unstable; None if none found.

    Where some phases give one pass an eigenvalue v > 1 at the frequency w, the delays phase / w
    have a root near i w + w log(v) / pi.
    """
    linear = one.linear

    def factors(delta: Complex) -> list[Matrix]:
        return [(linear.hessian * delta) @ one.links]

    for frequency, (phases,), size in _amplified(one, factors):
        delays = _delays(phases, frequency)
        by_layer = {name: delays[span] for name, span in linear.spans.items()}
        blocks = {
            pair: np.broadcast_to(by_layer[pair[0]], block.shape)
            for pair, block in linear.blocks.items()
        }
        if _grows(linear, blocks, _guess(frequency, size)):
            return by_layer
    return None


def delays_of_links(one: OnePass) -> dict[Pair, Floats] | None:
    """The same for delays of links, (source, target): (target units, source units)."""
    linear = one.linear

    def factors(delta: Complex) -> list[Matrix]:
        return [linear.hessian, delta[:, None] * np.abs(one.links)]

    for frequency, (sent, received), size in _amplified(one, factors):
        turned = received[:, None] * sent * np.where(linear.coupling < 0, -1, 1)
        delays = np.where(linear.coupling == 0, 0.0, _delays(turned, frequency))
        blocks = {
            (source, target): delays[linear.spans[target], linear.spans[source]]
            for source, target in linear.blocks
        }
        if _grows(linear, blocks, _guess(frequency, size)):
            return blocks
    return None


def _amplified(one: OnePass, factors: Any) -> Iterator[tuple[float, list[Complex], float]]:
    """Frequencies at which phases amplify a pass, from high to low: (w, phases, by how much)."""
    times = one.linear.tau / one.linear.leak
    phases, size = best_phases(factors(np.ones(len(times))), drawn=_DRAWN)
    if size < _ABOVE and one.even:
        return  # Delta is at most 1, and commutes
    drawn = 0 if size > _ABOVE else _DRAWN
    for frequency in 2 / times[times > 0].min() * 0.5 ** np.arange(_OCTAVES):
        delta = 1 / (1 + 1j * frequency * times)
        phases, size = best_phases(factors(delta), phases, drawn)
        if size > _ABOVE:
            yield float(frequency), phases, size


def _delays(phases: Array, frequency: float) -> Floats:
    """d >= 0 with e^(-i w d) equal to phases."""
    turns = np.angle(phases.conj()) / (2 * np.pi) % 1.0
    return np.asarray(np.where(turns > 1 - 1e-9, 0.0, turns) * 2 * np.pi / frequency)


def _guess(frequency: float, size: float) -> complex:
    return complex(frequency * np.log(size) / np.pi, frequency)


def _grows(linear: Linearisation, delays: Mapping[Pair, Any], guess: complex) -> bool:
    """Whether the network has a root to the right with these delays: near the guess, or any."""
    system = DelayedNetwork(linear, delays)
    for near in (guess, 1j * guess.imag):
        root = root_near(system, near)
        if root is not None and root.real > _GROWTH * abs(root):
            return True
    if not system.few and linear.size > _LARGEST_SPECTRUM:
        return False
    with suppress(ValueError):  # too long a delay for a whole spectrum
        root = complex(rightmost_roots(linear, by_link(delays), 1)[0])
        return root.real > _GROWTH * abs(root)
    return False
