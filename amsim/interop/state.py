"""State dicts of other frameworks as NumPy arrays, checked by name and shape."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from .. import checks
from ..errors import MissingDependencyError
from ..synapses import Array

Source = Any  # a mapping, a path, or a module with `state_dict`


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, Array]:
    """All arrays of a .safetensors file.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    MissingDependencyError
        If safetensors is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is damaged, or holds numbers that NumPy does not have, such as bfloat16.

    Examples
    --------
    >>> import amsim as am
    >>> state = am.interop.read_safetensors("classifier.safetensors")  # doctest: +SKIP
    """
    place = checks.path("path", path)
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError as error:
        raise MissingDependencyError(
            "files of this kind need safetensors: pip install 'amsim[safetensors]'"
        ) from error
    if not place.is_file():
        raise FileNotFoundError(f"there is no file {place}")
    with suppress(ImportError):
        import ml_dtypes  # noqa: F401 (NumPy knows bfloat16 from then on)
    try:
        found = dict(load_file(place))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{place}: not a .safetensors file of numbers that NumPy has ({error}); convert "
            f"bfloat16 to float32 where it was written"
        ) from error
    # bfloat16, where ml_dtypes is installed.
    return {n: x.astype(np.float32) if x.dtype.kind == "V" else x for n, x in found.items()}


class State:
    """Arrays under a prefix, by the rest of their names.

    Parameters
    ----------
    source : mapping, path of a .safetensors file, or module with `state_dict`
        Of NumPy arrays, or of tensors that have `detach`.
    prefix : str
        Names that do not begin with it are of other modules.
    """

    def __init__(self, source: Source, prefix: str) -> None:
        if isinstance(source, (str, os.PathLike)):
            source = read_safetensors(source)
        elif callable(getattr(source, "state_dict", None)):
            source = source.state_dict()
        checks.instance(
            "state", source, Mapping, "a state dict, a module, or the path of a .safetensors file"
        )
        if not isinstance(prefix, str):
            raise TypeError(f"prefix must be text, got {checks.shown(prefix)}")
        self.prefix = prefix
        self.entries = {n[len(prefix) :]: x for n, x in source.items() if n.startswith(prefix)}
        if not self.entries:
            raise ValueError(
                f"state has no names that begin with {prefix!r}; it has {_some(source)}"
            )

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def only(self, known: Iterable[str], what: str) -> None:
        """Refuse names that would be left out without a word."""
        if strange := [name for name in self.entries if name not in {*known}]:
            raise ValueError(
                f"state has {_some(strange)}, which {what} does not: pass prefix= of the module, "
                f"such as 'encoder.self_attn.'"
            )

    def array(self, name: str, *shape: int | None, why: str = "") -> Array:
        """An array of this shape; None stands for any length."""
        if name not in self.entries:
            raise ValueError(f"state has no {self.prefix + name!r}; it has {_some(self.entries)}")
        value = self.entries[name]
        if hasattr(value, "detach"):  # a tensor of PyTorch, on any device, in any precision
            value = value.detach().cpu().double().numpy()
        found = checks.array(self.prefix + name, value, largest=checks.LARGEST)
        fits = len(shape) == found.ndim and all(
            want in (None, have) for want, have in zip(shape, found.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if n is None else str(n) for n in shape)
            raise ValueError(
                f"{self.prefix + name} has shape {found.shape}; it must be ({wanted}){why}"
            )
        return np.asarray(found)


def _some(names: Iterable[str]) -> str:
    every = [str(name) for name in names]
    more = f" and {len(every) - 6} more" if len(every) > 6 else ""
    return (", ".join(every[:6]) or "nothing") + more
