"""`Recall`: a settled state as a PyTorch module, with implicit gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..dynamics import Settled
from ..errors import MissingDependencyError
from ..network import Network
from .rest import Rest

try:
    import torch
except ImportError as error:
    raise MissingDependencyError("amsim.interop.torch needs PyTorch: pip install torch") from error

_SETTLED = Settled(1e-9)


class Recall(torch.nn.Module):  # type: ignore[misc]
    """A network as a layer: cues in, the states where they settle out.

    The depth adapts to each cue. The parameters are those of `Network.parameters` but tau, under
    the names "layer_or_synapse__parameter"; without training the module recalls what the network
    stores. Gradients are those of the fixed point, by the parameters and by the clamped units of
    the cue; they agree with ``torch.autograd.gradcheck``.

    Parameters
    ----------
    net : Network
        With a layer "visible".
    clamp, solver, until, t1 : optional
        As for `simulate`.
    dtype : torch.dtype, default torch.float64
        Of the parameters; the recall runs in float64.

    Notes
    -----
    Cues that do not settle come out as NaN, with a `SettlingWarning`. The recall runs on the CPU.

    Examples
    --------
    >>> import torch
    >>> import amsim as am
    >>> layer = am.interop.torch.Recall(am.dense_am(am.patterns.random(3, 8, seed=0)))
    >>> layer(torch.ones(2, 8, dtype=torch.float64)).sum().backward()
    >>> dict(layer.named_parameters())["hidden-visible__weights"].grad.shape
    torch.Size([3, 8])
    """

    def __init__(
        self,
        net: Network,
        *,
        clamp: ArrayLike | None = None,
        solver: Any = None,
        until: Settled = _SETTLED,
        t1: float | None = None,
        dtype: Any = torch.float64,
    ) -> None:
        super().__init__()
        if "visible" not in net.layers:
            raise ValueError(
                f"a layer 'visible' is needed; the network has {', '.join(net.layers)}"
            )
        self.rest = Rest(net, clamp, solver, until, t1)
        self._places = [
            (name, key) for name, part in net.parameters().items() for key in part if key != "tau"
        ]
        for name, key in self._places:
            value = torch.tensor(net.parameters()[name][key], dtype=dtype)
            self.register_parameter(_attribute(name, key), torch.nn.Parameter(value))

    @property
    def network(self) -> Network:
        """The network with the parameters that the module has now."""
        return self.rest.network.with_parameters(self._tree())

    def forward(self, cue: Any) -> Any:
        """States of layer "visible" at rest, (*batch, *shape)."""
        own = [getattr(self, _attribute(name, key)) for name, key in self._places]
        return _Settled.apply(self.rest, self._places, cue, *own)

    def energy(self, cue: Any) -> Any:
        """Energy at the rest, (*batch); without derivatives."""
        states = self.rest.states(self._tree(), cue.detach().cpu().numpy())
        return torch.as_tensor(self.network.energy(states))

    def _tree(self) -> dict[str, dict[str, Any]]:
        values = [getattr(self, _attribute(name, key)).detach() for name, key in self._places]
        return _tree(self._places, values)


class _Settled(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, rest: Rest, places: Any, cue: Any, *own: Any) -> Any:
        states = rest.states(_tree(places, own), cue.detach().cpu().numpy())
        ctx.rest, ctx.places, ctx.states = rest, places, states
        ctx.save_for_backward(cue, *own)
        return torch.as_tensor(states["visible"], dtype=cue.dtype, device=cue.device)

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> Any:
        cue, *own = ctx.saved_tensors
        given = {"visible": slopes[0].detach().cpu().numpy()}
        tree, moved = ctx.rest.pull_back(_tree(ctx.places, own), ctx.states, given)
        found = [
            torch.as_tensor(tree[name][key], dtype=x.dtype, device=x.device)
            for (name, key), x in zip(ctx.places, own, strict=True)
        ]
        return None, None, torch.as_tensor(moved, dtype=cue.dtype, device=cue.device), *found


def _attribute(name: str, key: str) -> str:
    """The name of a parameter; PyTorch allows no dots."""
    return f"{name}__{key}".replace(".", "_")


def _tree(places: Any, values: Any) -> dict[str, dict[str, Any]]:
    tree: dict[str, dict[str, Any]] = {}
    for (name, key), value in zip(places, values, strict=True):
        tree.setdefault(name, {})[key] = value.detach().cpu().numpy().astype(np.float64)
    return tree
