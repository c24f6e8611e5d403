"""Watch a memory being recalled: the page of ``amsim explore``, and the same view in a notebook."""

from .recall import Explorer, Knobs
from .server import Server
from .widget import widget

__all__ = ["Explorer", "Knobs", "Server", "widget"]
