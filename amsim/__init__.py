"""amsim: dense associative memories as physical, asynchronous systems.

Store patterns, recall them as coupled differential equations, and see what timing does.

>>> import amsim as am
>>> patterns = am.patterns.random(5, 64, seed=0)
>>> net = am.dense_am(patterns, hidden=am.Softmax(beta=0.5))
>>> cue = am.patterns.corrupt(patterns[0], flip=0.2, seed=1)
>>> traj = am.simulate(net, cue)
>>> traj.status
'settled'
>>> print(f"{traj.overlap(patterns)[-1, 0]:.3f}")
1.000
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from . import siblings

if TYPE_CHECKING:
    from .public import *

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that the command line can say a word before all is there.

    That is a module, or one of the packages beside this one, or all that is public.
    """
    if name.startswith("_") and name != "__all__":
        raise _unknown(name)
    if find_spec(f"{__name__}.{name}") is not None:
        return import_module(f".{name}", __name__)
    from . import public

    if name not in ("__all__", *public.__all__):
        raise _unknown(name)
    globals().update({each: getattr(public, each) for each in ("__all__", *public.__all__)})
    return getattr(public, name)


def _unknown(name: str) -> AttributeError:
    return AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What is public, so that completion shows no more."""
    from . import public

    return sorted([*public.__all__, "__version__", "estimators", "interop", *siblings.NAMES])
