"""Memories with directed synapses: sequences, and kernel machines."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import checks
from ..lagrangians import Exponential, Identity, Lagrangian, Softmax, Tanh
from ..network import Layer, Network
from ..synapses import Dense, Directed

Floats = NDArray[np.float64]

_STEPS = 100  # of Newton's method
_CONVERGED = 1e-10


def sequence_memory(
    patterns: ArrayLike,
    *,
    hidden: Lagrangian | None = None,
    stabiliser: Lagrangian | None = None,
    visible: Lagrangian | None = None,
    strength: float | None = None,
    cyclic: bool = False,
    scale: float | None = None,
    tau_visible: ArrayLike = 1.0,
    tau_hidden: ArrayLike = 2.0,
    tau_stabiliser: ArrayLike = 0.1,
) -> Network:
    r"""Sequence of patterns that is replayed in order: DenseNet and MixedNet, in continuous time.

    .. math::
        \tau_v \dot v = \lambda \sum_\mu \xi_{\mu+1} f_\mu(h) + \sum_\mu \xi_\mu s_\mu(k) - v,
        \qquad \tau_h \dot h = c\, \Xi\, g(v) - h, \qquad \tau_k \dot k = c\, \Xi\, g(v) - k

    Memories h see the features late, and drive them on to the next pattern. With a `stabiliser`
    (MixedNet) fast memories k hold each pattern until lambda times the drive of the slow ones takes
    over; without (DenseNet) the lag of h alone keeps a pattern for a while. Started from the first
    pattern, features are nearest to each in turn, about every 1.8 tau_visible as it stands, and
    every 2.5 with ``stabiliser=Softmax()``; a larger `tau_hidden` is slower.

    Parameters
    ----------
    patterns : array_like of shape (K, D)
        In order, one a row; at least two.
    hidden : Lagrangian, default Softmax(beta=1.0)
        Gives f, the separation of the overlaps. `RectifiedPower(n)` has x^(n - 1) of positive
        ones and 0 of negative ones, for odd and even powers alike; `SignedPower(n)` with an even n
        has the odd powers of the paper, signed, and `am.binary.SequenceMemory` every power.
        `Exponential(beta)` has exp(beta x). Between two patterns overlaps are about 1/2, and
        powers beyond x^4 are so small there that they need a stabiliser.
    stabiliser : Lagrangian, optional
        Gives s; None for no such term.
    visible : Lagrangian, optional
        Gives g. By default Identity() if f and s are bounded, else Tanh(30.0), which holds them.
    strength : float, optional
        lambda; 2 with a stabiliser and 1 without, by default.
    cyclic : bool, default False
        Whether the first pattern follows the last one. Otherwise the last one holds itself, and
        the run settles there, if patterns are about as different as random ones. Alike ones, such
        as digits, may end early or go round: look at the overlaps.
    scale : float, optional
        c, a factor of the overlaps xi . g; by default 1 if f and s are bounded, and 1 / D
        otherwise, so that the drive of a pattern is of its own size.
    tau_visible, tau_hidden, tau_stabiliser : float or array_like, default 1.0, 2.0 and 0.1
        Time constants.

    Returns
    -------
    Network
        With layers "visible" (D,), "hidden" (K,) and, with a stabiliser, "stabiliser" (K,).

    Raises
    ------
    ValueError
        If the patterns are not a finite matrix of at least two rows, or another argument is not
        usable.

    Notes
    -----
    Chaudhry et al. update units of -1 and +1 in steps (`am.binary.SequenceMemory`, with the
    capacities that they derive in `am.theory.capacity`); here time is continuous, and the delayed
    overlaps of their MixedNet are those of slow memories. Without a stabiliser the network is two
    layers joined by directed synapses, which `ExponentialIntegrator` runs compiled.

    References
    ----------
    Chaudhry, Zavatone-Veth, Krotov & Pehlevan 2023, "Long sequence Hopfield memory",
    arXiv:2306.04532; slow synapses: Sompolinsky & Kanter 1986, Phys. Rev. Lett. 57.

    Examples
    --------
    >>> import warnings
    >>> import amsim as am
    >>> patterns = am.patterns.random(5, 64, seed=0)
    >>> net = am.models.sequence_memory(patterns)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", am.GuaranteeWarning)  # there is no energy
    ...     traj = am.simulate(net, patterns[0], times=[0, 2, 4, 6, 8, 10])
    >>> traj.overlap(patterns).argmax(axis=1).tolist()
    [0, 1, 2, 3, 4, 4]
    """
    stored = _matrix(patterns, least=2)
    count, units = stored.shape
    f = Softmax() if hidden is None else hidden
    for name, given in (("hidden", f), ("stabiliser", stabiliser)):
        if given is not None:
            checks.instance(name, given, Lagrangian, "a Lagrangian such as Softmax()")
    bounded = f.bounded and (stabiliser is None or stabiliser.bounded)
    if visible is None:
        visible = Identity() if bounded else Tanh(30.0)
    if scale is None:
        scale = 1.0 if bounded else 1.0 / units
    scale = checks.number("scale", scale, above=0.0, at_most=checks.LARGEST)
    if strength is None:
        strength = 1.0 if stabiliser is None else 2.0
    strength = checks.number("strength", strength, above=0.0, at_most=checks.LARGEST)
    following = np.roll(stored, -1, axis=0)
    if not checks.flag("cyclic", cyclic):
        following[-1] = stored[-1]
    layers = {
        "visible": Layer(units, visible, tau_visible),
        "hidden": Layer(count, f, tau_hidden),
    }
    synapses: list[Dense | Directed] = [
        Directed(scale * stored, source="visible", target="hidden"),
        Directed(strength * following.T, source="hidden", target="visible"),
    ]
    if stabiliser is not None:
        layers["stabiliser"] = Layer(count, stabiliser, tau_stabiliser)
        if scale == 1.0:
            synapses.append(Dense(stored, between=("stabiliser", "visible")))
        else:
            synapses += [
                Directed(scale * stored, source="visible", target="stabiliser"),
                Directed(stored.T, source="stabiliser", target="visible"),
            ]
    return Network(layers, synapses)


def kernel_memory(
    patterns: ArrayLike,
    targets: ArrayLike | None = None,
    *,
    learning: Literal["interpolation", "logistic"] = "interpolation",
    beta: float | None = None,
    ridge: float = 1e-3,
    gain: float = 20.0,
    tau_visible: ArrayLike = 1.0,
    tau_hidden: ArrayLike = 0.1,
) -> Network:
    r"""Kernel memory: every unit is a kernel machine that learned its own state from all patterns.

    .. math::
        \tau_v \dot v = \sum_\mu \alpha_\mu k(\xi_\mu, g(v)) - v, \qquad
        k(\xi, s) = e^{-\frac{\beta}{2} |\xi - s|^2}, \qquad g = \tanh(\text{gain} \cdot v)

    Parameters
    ----------
    patterns : array_like of shape (K, D)
        Of -1 and +1.
    targets : array_like of shape (K, D), optional
        What each pattern is followed by, of -1 and +1; by default itself. With
        ``np.roll(patterns, -1, axis=0)`` a sequence, replayed if `tau_hidden` is about as large as
        `tau_visible`.
    learning : {"interpolation", "logistic"}
        How the weights alpha are found: by ridge regression, which for ``ridge=0`` puts each target
        exactly, or by logistic regression, which goes for a margin.
    beta : float, optional
        Of the kernel; 4 / D by default, with which k of two unrelated patterns is exp(-4). Texts
        that write exp(-gamma |x - y|^2) have gamma = beta / 2.
    ridge : float, default 1e-3
        Factor of alpha^T k alpha / 2 in what is minimised; 0 for interpolation alone.
    gain : float, default 20.0
        Of the units. The kernel is that of states -1 and +1: of graded ones |g|^2 counts as D.
    tau_visible, tau_hidden : float or array_like, default 1.0 and 0.1
        Time constants.

    Returns
    -------
    Network
        With layers "visible" (D,), and "hidden" (K,) whose outputs are the kernels.

    Raises
    ------
    ValueError
        If patterns or targets are not -1 and +1 or do not fit, or another argument is not usable.

    References
    ----------
    Iatropoulos, Brea & Gerstner 2022, "Kernel memory networks", arXiv:2208.09416; logistic
    regression: Tamamori 2025, "Kernel logistic regression learning for high-capacity Hopfield
    networks", arXiv:2504.07633.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> import amsim as am
    >>> patterns = am.patterns.digits(20, seed=0)  # as correlated as scans are
    >>> cues = am.patterns.corrupt(patterns, flip=0.1, seed=1)
    >>> net = am.models.kernel_memory(patterns)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", am.GuaranteeWarning)  # there is no energy
    ...     traj = am.simulate(net, cues)
    >>> bool((np.sign(traj.final["visible"]) == patterns).all())
    True
    """
    stored = _signs("patterns", patterns)
    count, units = stored.shape
    wanted = stored if targets is None else _signs("targets", targets)
    if wanted.shape != stored.shape:
        raise ValueError(
            f"targets have shape {wanted.shape}, patterns {stored.shape}; give one for each"
        )
    checks.choice("learning", learning, ("interpolation", "logistic"))
    beta = checks.number(
        "beta", 4.0 / units if beta is None else beta, above=0.0, at_most=checks.LARGEST
    )
    logistic = learning == "logistic"
    ridge = checks.number("ridge", ridge, at_least=0.0, at_most=checks.LARGEST)
    if logistic and ridge == 0:
        raise ValueError("ridge must be above 0 with logistic regression, whose weights would grow")
    gain = checks.number("gain", gain, above=0.0, at_most=checks.LARGEST)
    kernel = np.exp(beta * (stored @ stored.T - units))
    alpha = _logistic(kernel, wanted, ridge) if logistic else _regression(kernel, wanted, ridge)
    return Network(
        {
            "visible": Layer(units, Tanh(gain), tau_visible),
            # exp(beta (xi . g - D)), the kernel of two states of -1 and +1
            "hidden": Layer(count, Exponential(beta), tau_hidden, bias=-float(units)),
        },
        [
            Directed(stored, source="visible", target="hidden"),
            Directed(alpha.T, source="hidden", target="visible"),
        ],
    )


def _regression(kernel: Floats, wanted: Floats, ridge: float) -> Floats:
    """alpha (K, D) with (k + ridge) alpha = targets."""
    return np.asarray(np.linalg.lstsq(kernel + ridge * np.eye(len(kernel)), wanted, rcond=None)[0])


def _logistic(kernel: Floats, wanted: Floats, ridge: float) -> Floats:
    """alpha (K, D) that minimises sum log(1 + exp(-t (k alpha))) + ridge alpha k alpha / 2.

    By Newton's method on each unit: the gradient is k (ridge alpha - t s(-t k alpha)).
    """
    alpha = np.zeros_like(wanted)
    for unit, target in enumerate(wanted.T):
        found = np.zeros(len(kernel))
        for _ in range(_STEPS):
            doubt = 1.0 / (1.0 + np.exp(np.clip(target * (kernel @ found), -500, 500)))
            slope = doubt * (1.0 - doubt)
            rest = target * doubt - ridge * found
            if np.abs(rest).max() <= _CONVERGED:
                break
            curvature = ridge * np.eye(len(kernel)) + slope[:, None] * kernel
            found = found + np.linalg.solve(curvature, rest)
        alpha[:, unit] = found
    return alpha


def _matrix(patterns: ArrayLike, *, least: int) -> Floats:
    stored = checks.array("patterns", patterns, largest=checks.LARGEST)
    if stored.ndim != 2 or len(stored) < least or stored.size == 0:
        raise ValueError(
            f"patterns must have shape (patterns, units) with at least {least} patterns, got "
            f"{stored.shape}"
        )
    return np.asarray(stored, np.float64)


def _signs(what: str, rows: ArrayLike) -> Floats:
    array = checks.array(what, rows)
    if array.ndim != 2 or array.size == 0 or (np.abs(array) != 1).any():
        raise ValueError(f"{what} must be rows of -1 and +1, of shape (patterns, units)")
    return np.asarray(array, np.float64)
