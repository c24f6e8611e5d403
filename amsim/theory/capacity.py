"""Capacity of binary memories for random patterns, in closed form.

Signal and noise of the gradient rule without self terms, s_i <- sign(sum_mu xi_mu,i f(x_mu)),
f = x^(n - 1), at a stored pattern: its own term is N^(n - 1), N = D - 1; each other memory adds
+-f(x), with x the sum of N random signs. Krotov and Hopfield 2016, arXiv:1606.01164.
"""

from __future__ import annotations

import math
import operator
import sys
from statistics import NormalDist
from typing import Any

import numpy as np

from .. import checks

_LARGEST_ORDER = 200
# Memories that agree with a state in all other units, from which on their crosstalk is normal.
_MANY = 100

__all__ = [
    "bit_error_rate",
    "crosstalk_variance",
    "distinct_capacity",
    "exponential_bound",
    "k_max",
    "retrieval_beta",
    "separated_beta",
    "sequence_capacity",
    "transition_capacity",
]


def __dir__() -> list[str]:
    return __all__


def bit_error_rate(
    D: int,  # noqa: N803
    K: int,  # noqa: N803
    n: int | None = None,
    *,
    beta: float | None = None,
    rectified: bool = False,
) -> float:
    """Probability that the first update of a unit of a stored pattern is wrong.

    Q(N^(n-1) / sqrt((K - 1) m)), with Q the tail of the normal distribution, N = D - 1 and
    m = E[x^(2n-2)] of a sum of N signs: N for n = 2, 3 N^2 - 2 N for n = 3, 15 N^3 - 30 N^2 + 16 N
    for n = 4. Rectifying halves m. The noise is taken as normal: K must not be small, nor the
    order so large that a few memories make most of it.

    For F = exp(beta x) / beta they do, and those that agree in all N other units are counted
    exactly: each outweighs the pattern or adds to it, and the difference j of the two numbers is
    Skellam's, sum_j e^-c I_j(c) Q((1 + j) / s) with c = (K - 1) / 2^N. The rest is taken as normal,
    with the variance s^2 = (K - 1) (b^-N - 2^-N), b of `crosstalk_variance`: derived here, and
    close for beta of 1 and more. To leading order that is (K - 1) / 2^(D + 1). Of
    sequences, where the answer to a pattern is the next one, the same is true.

    Parameters
    ----------
    D, K : int
        Units and memories.
    n : int, optional
        Order of F = x^n, at least 2.
    beta : float, optional
        In place of n, of F = exp(beta x) / beta.
    rectified : bool
        Whether F = relu(x)^n.

    Returns
    -------
    float
        A tie, which would keep the unit, counts as half an error here.

    Raises
    ------
    TypeError, ValueError
        If D < 2, K < 1, n < 2 or n > 200, one is not an integer, or not exactly one of n and beta
        is given.

    Examples
    --------
    >>> from amsim.theory import capacity
    >>> print(f"{capacity.bit_error_rate(100, 19, 2):.5f}")
    0.00951
    >>> print(f"{capacity.bit_error_rate(12, 137, beta=1.0):.5f}")  # 136 / 2^13 = 0.0166
    0.01607
    """
    D, K = _integers(D=(D, 2), K=(K, 1))  # noqa: N806
    rectified = checks.flag("rectified", rectified)
    base = _base(n, beta)
    if base is not None and rectified:
        raise ValueError("rectified is for F = x^n: leave it out with beta")
    if K == 1:
        return 0.0
    if base is not None:
        return _exponential_error(D - 1, float(min(K - 1, int(sys.float_info.max))), base)
    (n,) = _integers(n=(n, 2))
    signal, noise = (D - 1) ** (2 * n - 2), (K - 1) * _even_moment(D - 1, 2 * n - 2)
    squared = _quotient(signal * (2 if rectified else 1), noise)
    return math.erfc(math.sqrt(squared / 2)) / 2


def _exponential_error(others: int, count: float, base: float) -> float:
    """Of a unit with so many others: `count` memories, of which few agree in all others."""
    from scipy.special import ive, ndtr

    agreeing = count / _power(2.0, others)
    variance = count / _power(base, others)
    if agreeing > _MANY:
        return float(ndtr(-1 / math.sqrt(variance)))
    spread = max(math.sqrt(max(variance - agreeing, 0.0)), sys.float_info.min)
    difference = np.arange(-_MANY, _MANY + 1)
    chances = ive(np.abs(difference), agreeing)
    with np.errstate(over="ignore"):
        return float(chances @ ndtr(-(1 + difference) / spread))


def k_max(D: int, n: int, *, error: float = 0.005, rectified: bool = False) -> float:  # noqa: N803
    """Memories at which the bit error rate reaches `error`, to leading order in D.

    D^(n-1) / (alpha^2 (2n - 3)!!) with Q(alpha) = error, and twice as many if rectified. An error
    of 0.005 gives 0.15 D for n = 2; the 0.14 D of Hopfield networks also allows for what the first
    errors cause.

    Parameters
    ----------
    D, n : int
        Units, and order of F = x^n, at least 2.
    error : float
        Between 0 and 1/2.
    rectified : bool
        Whether F = relu(x)^n.

    Returns
    -------
    float
        inf where it exceeds floating point.

    Raises
    ------
    TypeError, ValueError
        If D < 2, n < 2 or n > 200, one is not an integer, or the error is not between 0 and 1/2.

    Examples
    --------
    >>> from amsim.theory import capacity
    >>> print(f"{capacity.k_max(100, 2):.1f} {capacity.k_max(100, 3):.0f}")
    15.1 502
    """
    D, n = _integers(D=(D, 2), n=(n, 2))  # noqa: N806
    error = checks.number("error", error, above=0.0, below=0.5)
    rectified = checks.flag("rectified", rectified)
    alpha = -NormalDist().inv_cdf(error)
    order = _quotient(D ** (n - 1), _double_factorial(2 * n - 3))
    return (2 if rectified else 1) * order / alpha**2


def crosstalk_variance(D: int, K: int, n: int | None = None, *, beta: float | None = None) -> float:  # noqa: N803
    """Variance of what other patterns add to the field of a unit, over its signal squared.

    (K - 1) E[f(x)^2] / f(N)^2, x a sum of N = D - 1 random signs. For f = x^(n - 1) that is
    (2n - 3)!! K / D^(n - 1) to leading order. It is the same for memories and for the transitions
    of sequences, where the answer to a pattern is the next one (Chaudhry et al. 2023,
    arXiv:2306.04532; their separation x^d has d = n - 1). For f = exp(beta x) it is (K - 1) / b^N
    with b = exp(2 beta) / cosh(2 beta), derived here: E[exp(2 beta x)] is cosh(2 beta)^N, and
    f(N)^2 is exp(2 beta N). `bit_error_rate` is the tail of a normal
    distribution with it; with exp a few similar patterns make most of the crosstalk, which is not
    normal.

    Parameters
    ----------
    D, K : int
        Units, and patterns of the sequence.
    n : int, optional
        Order of F = x^n, at least 2; its slope x^(n - 1) separates the overlaps.
    beta : float, optional
        In place of n, of F = exp(beta x) / beta.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        As for `bit_error_rate`, or if not exactly one of n and beta is given.

    Examples
    --------
    >>> from amsim.theory import capacity
    >>> print(f"{capacity.crosstalk_variance(100, 20, 2):.4f}")  # 19 / 99
    0.1919
    """
    D, K = _integers(D=(D, 2), K=(K, 1))  # noqa: N806
    if (base := _base(n, beta)) is not None:
        return (K - 1) * math.exp(-min(D - 1, sys.float_info.max) * math.log(base))
    (n,) = _integers(n=(n, 2))
    return _quotient((K - 1) * _even_moment(D - 1, 2 * n - 2), (D - 1) ** (2 * n - 2))


def transition_capacity(D: int, n: int | None = None, *, beta: float | None = None) -> float:  # noqa: N803
    """Longest sequence of which one transition is right in all units, to leading order in D.

    The chance of a wrong unit, D Q(1 / sqrt(variance)), goes to 0 up to there: D^(n - 1) /
    (2 (2n - 3)!! ln D) (Chaudhry et al. 2023, arXiv:2306.04532), or b^(D - 1) / (2 ln D) for exp,
    by the same argument with b of `crosstalk_variance`: D exp(-b^(D - 1) / (2 K)) is then 1.

    Parameters
    ----------
    D, n, beta
        Units, and n or beta of the separation as for `crosstalk_variance`.

    Returns
    -------
    float
        inf where it exceeds floating point.

    Raises
    ------
    TypeError, ValueError
        As for `crosstalk_variance`.

    Examples
    --------
    >>> from amsim.theory import capacity
    >>> print(f"{capacity.transition_capacity(100, 3):.0f}")
    362
    """
    (D,) = _integers(D=(D, 2))  # noqa: N806
    base = _base(n, beta)
    if base is None:
        return _without_errors(D, n, 1)
    return _power(base, D - 1) / (2 * math.log(D))


def sequence_capacity(D: int, n: int | None = None, *, beta: float | None = None) -> float:  # noqa: N803
    """Longest sequence of which all transitions are right in all units, to leading order in D.

    There are about D^n units to be right in all, for which the single transition has D:
    D^(n - 1) / (2 n (2n - 3)!! ln D) (Chaudhry et al. 2023, arXiv:2306.04532). For exp there are
    about b^D, which gives b^(D - 1) / (2 D ln b): the same argument, derived here. That takes the
    crosstalk as normal; sequences of random patterns end at `distinct_capacity`, which is less
    for beta of 1 at 8 units and more.

    Parameters
    ----------
    D, n, beta
        Units, and n or beta of the separation as for `crosstalk_variance`.

    Returns
    -------
    float
        inf where it exceeds floating point.

    Raises
    ------
    TypeError, ValueError
        As for `crosstalk_variance`.

    Examples
    --------
    >>> from amsim.theory import capacity
    >>> print(f"{capacity.sequence_capacity(100, 2):.1f} {capacity.sequence_capacity(100, 3):.0f}")
    5.4 121
    >>> print(f"{capacity.sequence_capacity(30, beta=1.0):.2g}")  # all but exponential in D
    7.8e+06
    """
    (D,) = _integers(D=(D, 2))  # noqa: N806
    base = _base(n, beta)
    if base is None:
        return _without_errors(D, n)
    return _power(base, D - 1) / (2 * D * math.log(base))


def distinct_capacity(D: int) -> float:  # noqa: N803
    """Longest random sequence of patterns that differ enough: sqrt(2^(D + 2) / (D + 2)).

    Two equal patterns with different successors are never both answered rightly. Nor are two that
    differ in one unit, if their successors differ there: that unit decides by the others, which
    are equal. Of K (K - 1) / 2 pairs a share of (D + 2) / 2^(D + 1) is such, so that a sequence has
    none with the probability exp(-K (K - 1) / C^2), C = sqrt(2^(D + 2) / (D + 2)). Derived here;
    it holds for every separation, and with F = exp(beta x), beta of 1 and more, hardly anything
    else ends a sequence.

    Parameters
    ----------
    D : int
        Units.

    Returns
    -------
    float
        C, at which whole replays of a sequence are as rare as 1 / e; inf where it exceeds floating
        point.

    Raises
    ------
    TypeError, ValueError
        If D < 2 or is not an integer.

    Examples
    --------
    >>> from amsim.theory import capacity
    >>> print(f"{capacity.distinct_capacity(12):.1f} {capacity.distinct_capacity(30):.0f}")
    34.2 11585
    """
    (D,) = _integers(D=(D, 2))  # noqa: N806
    return _power(2.0, D + 2, 0.5) / math.sqrt(min(D + 2, int(sys.float_info.max)))


def _base(n: int | None, beta: float | None) -> float | None:
    """b of f = exp(beta x), for which f(N)^2 / E[f^2] is b^N; None for powers."""
    if (n is None) == (beta is None):
        raise TypeError("give one of n, the order of F = x^n, and beta, of F = exp(beta x) / beta")
    if beta is None:
        return None
    beta = checks.number("beta", beta, at_least=1e-6, at_most=checks.LARGEST)
    return 2 / (1 + math.exp(-4 * beta))


def _power(base: float, exponent: int, share: float = 1.0) -> float:
    """base ** (share exponent), inf if it exceeds floating point."""
    logarithm = share * min(exponent, sys.float_info.max) * math.log(base)
    return math.exp(logarithm) if logarithm < math.log(sys.float_info.max) else math.inf


def _without_errors(D: int, n: int | None, powers: int | None = None) -> float:  # noqa: N803
    """Patterns at which D^powers units are all right: with Q(a) ~ exp(-a^2 / 2), a^2 = 2 ln."""
    D, n = _integers(D=(D, 2), n=(n, 2))  # noqa: N806
    powers = n if powers is None else powers
    return _quotient(D ** (n - 1), _double_factorial(2 * n - 3)) / (2 * powers * math.log(D))


def exponential_bound(D: int, *, corrupted: float = 0.0) -> float:  # noqa: N803
    """Memories that F = exp holds: exp(D I(1 - 2 c) / 2), 2^(D/2) for intact cues.

    Up to exp(a D) random memories with any a < I(1 - 2 c) / 2 have, with a probability that goes
    to 1 for large D, each of their units corrected by one update from cues with a fraction c of
    the units flipped; I(x) = [(1 + x) ln(1 + x) + (1 - x) ln(1 - x)] / 2. Theorem 3 of Demircigil
    et al. 2017, arXiv:1702.01929.

    Parameters
    ----------
    D : int
        Units.
    corrupted : float
        Flipped fraction c of the cue, at least 0 and below 1/2.

    Returns
    -------
    float
        inf where it exceeds floating point.

    Raises
    ------
    TypeError, ValueError
        If D < 1 or is not an integer, or the fraction is outside [0, 1/2).

    Examples
    --------
    >>> from amsim.theory import capacity
    >>> round(capacity.exponential_bound(20)), round(capacity.exponential_bound(20, corrupted=0.1))
    (1024, 40)
    """
    (D,) = _integers(D=(D, 1))  # noqa: N806
    corrupted = checks.number("corrupted", corrupted, at_least=0.0, below=0.5)
    # I(1 - 2 c) = ln 2 - H(c), H the entropy in nats.
    if corrupted < 0.25:
        lost = sum(p * math.log(p) for p in (corrupted, 1 - corrupted) if p > 0)
        information = math.log(2) + lost
    else:  # x^2 / 2 for small x = 1 - 2 c, of which the difference would leave nothing
        x = 1 - 2 * corrupted
        information = x * math.atanh(x) + math.log1p(-x * x) / 2
    exponent = min(D, sys.float_info.max) * (information / 2)
    return math.exp(exponent) if exponent < math.log(sys.float_info.max) else math.inf


def separated_beta(separation: float, count: int, length: float) -> float:
    """Return the beta from which softmax memories provably hold a pattern of this separation.

    A pattern is well separated where Delta >= 2 / (beta K) + log(2 (K - 1) K beta M^2) / beta: then
    the update has a single fixed point near it, at a distance that falls exponentially with beta.
    Ramsauer et al. 2021, arXiv:2008.02217, definition 2 and theorem 5.

    Parameters
    ----------
    separation : float
        Delta of the pattern, as `patterns.separation` finds it.
    count : int
        K, the number of patterns.
    length : float
        M, the length of the longest pattern.

    Returns
    -------
    float
        The condition holds from there on; 0 where it holds for every beta, inf where for none.

    Raises
    ------
    TypeError, ValueError
        If the count is not an integer >= 1, or the length not positive.

    Examples
    --------
    >>> from amsim.theory import capacity
    >>> round(capacity.separated_beta(64.0, 10, 8.0), 3)
    0.116
    """
    from scipy.special import lambertw

    (count,) = _integers(count=(count, 1))
    length = checks.number("length", length, above=0.0, at_most=checks.LARGEST)
    if count == 1 or separation == math.inf:
        return 0.0
    separation = checks.number("separation", separation, at_most=checks.LARGEST)
    if separation <= 0:
        return math.inf
    # beta Delta - log(beta Delta) = c: the larger root.
    # The logarithm of each factor, since a product of extremes may be 0 or infinite.
    logs = math.log(2 * (count - 1) * count) + 2 * math.log(length) - math.log(separation)
    c = 2 / count + logs
    if c <= 1:
        return 0.0
    # exp(-c) underflows in the end; before it does, the iteration x = c + log x is exact.
    root = -float(lambertw(-math.exp(-c), -1).real) if c < 500 else c
    while (better := c + math.log(root)) > root * (1 + 1e-15):
        root = better
    return root / separation


def retrieval_beta(D: int, K: int) -> float:  # noqa: N803
    """Return the beta from which softmax memories retrieve a typical one of K random patterns.

    For entries that are standard normal and D and K = exp(a D) large, a stored pattern outweighs
    the sum of all others where a < beta - beta^2 / 2 for beta < 1, and where a < 1/2 beyond: the
    weights of the others are those of a random energy model. Lucibello and Mezard 2024,
    arXiv:2304.14964. For entries of the variance q, divide by q.

    Parameters
    ----------
    D, K : int
        Units and memories.

    Returns
    -------
    float
        inf where no beta retrieves.

    Raises
    ------
    TypeError, ValueError
        If D or K is not an integer >= 1.

    Examples
    --------
    >>> from amsim.theory import capacity
    >>> round(capacity.retrieval_beta(100, 1000), 4)
    0.0716
    """
    D, K = _integers(D=(D, 1), K=(K, 1))  # noqa: N806
    load = math.log(K) / min(D, sys.float_info.max)
    return 1 - math.sqrt(1 - 2 * load) if load < 0.5 else math.inf


def _even_moment(count: int, power: int) -> int:
    """E[x^power] of the sum x of `count` random signs: an integer.

    From M' cosh = count M sinh for M(t) = E[exp(t x)] = cosh(t)^count, order by order.
    """
    moments = [1]  # of the orders 0, 2, 4, ...: odd ones vanish
    for m in range(2, power + 1, 2):
        gain = sum(count * math.comb(m - 1, 2 * j) * x for j, x in enumerate(moments))
        loss = sum(math.comb(m - 1, 2 * j - 1) * moments[j] for j in range(1, m // 2))
        moments.append(gain - loss)
    return moments[-1]


def _quotient(a: int, b: int) -> float:
    """a / b, inf if it exceeds floating point; neither of the integers need fit."""
    try:
        return a / b
    except OverflowError:
        return math.inf


def _double_factorial(n: int) -> int:
    return math.prod(range(n, 0, -2))


def _integers(**values: tuple[Any, int]) -> tuple[int, ...]:
    """The values, each given with its least, as Python integers, which do not overflow."""
    for name, (value, least) in values.items():
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
            raise TypeError(f"{name} is {checks.shown(value)}; it must be an integer >= {least}")
        if value < least:
            raise ValueError(f"{name} is {value}; it must be at least {least}")
        if name == "n" and value > _LARGEST_ORDER:
            raise ValueError(f"n is {value}; sums of exact moments go up to {_LARGEST_ORDER}")
    return tuple(operator.index(value) for value, _ in values.values())
