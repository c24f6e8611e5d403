"""Bounds on structured singular values: what unit factors in a cycle of matrices can amplify.

A cycle F_1, ..., F_m stands for the products D_1 F_1 ... D_m F_m with diagonal D_k whose entries
have modulus 1 or less, as delays have. mu is the largest spectral radius of any of them. With
positive diagonal S_k, S_(m+1) = S_1,

    spectral radius <= |S_1 F_1 S_2^-1| ... |S_m F_m S_1^-1|

in the spectral norm, since diagonal matrices commute (Doyle, IEE Proc. D 129, 1982). Scalings prove
from above, phases refute from below.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..synapses import Array
from .boxes import EPS
from .linear import Complex, Floats

Matrix = NDArray[Any]

_POWERS = (1, 8, 64)  # p of the Schatten norms 2p that lead to the spectral norm
_STEPS = 60
_SETTLED = 1e-7
_POWER_STEPS = 80
_WORK = 1e7  # cubes of units that may go into steps with all eigenvalues


def norm_below_one(matrix: Matrix, error: Floats) -> bool:
    """Whether every matrix B' with |B' - matrix| <= error, entry by entry, has a norm below 1.

    By a Cholesky factor of d - B^* B, with d < 1 less than what rounding can add (Rump, BIT 46,
    2006: where it runs to its end in floats, no eigenvalue is below -gamma_(n+1) times the trace).
    """
    rows, columns = matrix.shape
    slack = float(np.sqrt(error.sum(axis=0).max(initial=0.0) * error.sum(axis=1).max(initial=0.0)))
    room = 1 - slack * (1 + 8 * EPS * (rows + columns + 4))
    square = float((np.abs(matrix) ** 2).sum())
    if not (room > 0 and np.isfinite(square)):
        return False
    shift = 16 * (rows + columns + 8) * EPS * (columns + square)
    gram = matrix.conj().T @ matrix
    try:
        np.linalg.cholesky((room**2 * (1 - 4 * EPS) - shift) * np.eye(columns) - gram)
    except np.linalg.LinAlgError:
        return False
    return True


def scaled(factors: Sequence[Matrix], scales: Sequence[Floats]) -> list[Matrix]:
    """S_k F_k S_(k+1)^-1 for all k."""
    after = [*scales[1:], scales[0]]
    return [s[:, None] * f / t for f, s, t in zip(factors, scales, after, strict=True)]


def proven_below_one(
    factors: Sequence[Matrix], errors: Sequence[Floats], scales: Sequence[Floats]
) -> bool:
    """Whether the scales prove mu < 1, for all matrices within the errors of the factors."""
    parts = scaled(factors, scales)
    sizes = [float(np.linalg.norm(part, 2)) for part in parts]
    if not np.prod(sizes) < 1:
        return False
    # Norms are made equal; a factor on a scale leaves their product.
    even, level = list(scales), np.prod(sizes) ** (1 / len(sizes))
    for k in range(1, len(even)):
        even[k] = even[k] * np.prod([size / level for size in sizes[:k]])
    parts = scaled(factors, even)
    moved = scaled(errors, even)
    return all(
        norm_below_one(part, error * (1 + 8 * EPS) + 8 * EPS * np.abs(part))
        for part, error in zip(parts, moved, strict=True)
    )


def best_scales(factors: Sequence[Matrix], goal: float = 1 - 1e-6) -> tuple[list[Floats], float]:
    """Scales that make the product of norms small, and that product.

    The logarithm of a Schatten norm of e^X F e^-Y is convex in diagonal X and Y (three lines
    theorem); those of growing order tend to the spectral norm. Ends as soon as the product is below
    the goal.
    """
    from scipy.optimize import minimize

    sizes = [len(f) for f in factors]
    ends = np.cumsum(sizes)[:-1]
    logs = np.zeros(sum(sizes))
    product = _product(factors, np.split(logs, ends))
    for power in _POWERS:
        if product < goal:
            break
        found = minimize(
            lambda x, p=power: _schatten(factors, np.split(x, ends), p),
            logs, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS},
        )  # fmt: skip
        reached = _product(factors, np.split(found.x, ends))
        if reached < product:
            logs, product = found.x, reached
    return [np.exp(part) for part in np.split(logs, ends)], product


def _product(factors: Sequence[Matrix], logs: Sequence[Floats]) -> float:
    with np.errstate(all="ignore"):
        parts = scaled(factors, [np.exp(x) for x in logs])
    if not all(np.isfinite(part).all() for part in parts):
        return np.inf
    return float(np.prod([np.linalg.norm(part, 2) for part in parts]))


def _schatten(factors: Sequence[Matrix], logs: list[Floats], power: int) -> tuple[float, Floats]:
    """Sum of the logarithms of the Schatten norms of order 2p, and its gradient."""
    with np.errstate(all="ignore"):
        parts = scaled(factors, [np.exp(x) for x in logs])
    total, slopes = 0.0, [np.zeros(len(x)) for x in logs]
    for k, part in enumerate(parts):
        if not np.isfinite(part).all():
            return np.inf, np.concatenate(slopes)
        values, right = np.linalg.eigh(part.conj().T @ part)
        largest = values[-1]
        if not largest > 0:
            continue
        share = np.maximum(values / largest, 0.0) ** power
        total += float(np.log(largest) + np.log(share.sum()) / power) / 2
        weight = share / share.sum()
        # Left vectors are part @ right / root of the value: of those that count none is 0.
        live = share > 1e-16
        left = np.abs(part @ right[:, live]) ** 2 / values[live]
        slopes[k] += left @ weight[live]
        slopes[(k + 1) % len(parts)] -= np.abs(right) ** 2 @ weight
    return total, np.concatenate(slopes)


def best_phases(
    factors: Sequence[Matrix], first: list[Complex] | None = None, drawn: int = 0, seed: int = 0
) -> tuple[list[Complex], float]:
    """Unit factors D_k that make the spectral radius of D_1 F_1 ... D_m F_m large, and that radius.

    From `first`, or ones, and from random factors, by the power method for mu (Packard, Fan and
    Doyle, CDC 1988), and then by steps along the derivative of the largest |eigenvalue|: each entry
    turns so that its part grows. That of the product that is returned is real.
    """
    rng = np.random.default_rng(seed)
    ones = [np.ones(len(f), np.complex128) for f in factors]
    others = ([np.exp(2j * np.pi * rng.random(len(f))) for f in factors] for _ in range(drawn))
    found = (_by_powers(factors, phases) for phases in itertools.chain([first or ones], others))
    best = max(found, key=lambda each: each[1])[0]
    steps = int(np.clip(_WORK / len(factors[0]) ** 3, 1, _STEPS))
    starts = [best] if first is None else [best, first]
    return max((_ascend(factors, start, steps) for start in starts), key=lambda each: each[1])


def _by_powers(factors: Sequence[Matrix], phases: list[Complex]) -> tuple[list[Complex], float]:
    """b = D a with a along F b, and z = D^* w with w along F^* z, F the cycle as one matrix.

    Also the last |F b|, which is about the radius if the method has converged.
    """
    ahead = [np.ones(len(f)) * d for f, d in zip(factors, phases, strict=True)]
    behind = [np.ones(len(f), np.complex128) for f in factors]
    ahead, turns, size = _unit(ahead)[0], phases, 0.0
    for _ in range(_POWER_STEPS):
        after = [f @ b for f, b in zip(factors, [*ahead[1:], ahead[0]], strict=True)]
        turns = [_phase(w * a.conj()) for w, a in zip(behind, after, strict=True)]
        turned = [d.conj() * w for d, w in zip(turns, behind, strict=True)]
        received = [f.conj().T @ z for f, z in zip(factors, turned, strict=True)]
        behind, _ = _unit([received[-1], *received[:-1]])
        turns = [_phase(w * a.conj()) for w, a in zip(behind, after, strict=True)]
        ahead, size = _unit([d * a for d, a in zip(turns, after, strict=True)])
    return turns, size


def _phase(x: Array) -> Complex:
    size = np.abs(x)
    return np.asarray(np.where(size > 0, x / np.where(size > 0, size, 1.0), 1.0), np.complex128)


def _unit(vectors: list[Complex]) -> tuple[list[Complex], float]:
    norm = float(np.sqrt(sum(float(np.vdot(x, x).real) for x in vectors)))
    return [x / (norm or 1.0) for x in vectors], norm


def _ascend(
    factors: Sequence[Matrix], phases: list[Complex], steps: int
) -> tuple[list[Complex], float]:
    from scipy.linalg import eig

    reached: tuple[list[Complex], float] = phases, 0.0
    for step in range(steps):
        parts = [d[:, None] * f for d, f in zip(phases, factors, strict=True)]
        whole = parts[0] if len(parts) == 1 else np.linalg.multi_dot(parts)
        if step + 1 == steps:
            values = np.linalg.eigvals(whole)
        else:
            values, left, right = eig(whole, left=True)
        top = int(np.abs(values).argmax())
        value, size = complex(values[top]), float(abs(values[top]))
        if size <= reached[1] * (1 + _SETTLED):
            break
        turned = [phases[0] * (value.conjugate() / size), *phases[1:]]
        reached = turned, size
        if step + 1 < steps:
            phases = _turned(parts, phases, value, left[:, top].conj(), right[:, top])
    return reached


def _turned(
    parts: Sequence[Matrix], phases: Sequence[Complex], value: complex, left: Array, right: Array
) -> list[Complex]:
    """Phases with which all parts of the derivative of |eigenvalue| point the same way."""
    after = [right]
    for part in parts[::-1]:
        after.append(part @ after[-1])
    after.reverse()  # after[k] = D_k F_k ... D_m F_m right
    aligned, before = [], left * np.conj(value) / (left @ right)
    for k, part in enumerate(parts):
        terms = before * after[k]
        aligned.append(phases[k] * _phase(terms.conj()))
        before = before @ part
    return aligned
