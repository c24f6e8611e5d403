"""The same view as a widget of Jupyter, by anywidget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ..errors import MissingDependencyError
from .recall import Explorer

_PAGE = Path(__file__).with_name("page")


def widget(stored: ArrayLike | None = None) -> Any:
    """A recall that can be watched and changed, in a notebook.

    Parameters
    ----------
    stored : array_like (K, N) or (K, h, w), optional
        As for `Explorer`.

    Returns
    -------
    anywidget.AnyWidget
        Shown by a notebook if it stands last in a cell.

    Raises
    ------
    MissingDependencyError
        If anywidget is not installed; it comes with the extra "notebook".
    """
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise MissingDependencyError(
            "the widget needs anywidget; install it with `pip install anywidget`"
        ) from error
    explorer = Explorer(stored)
    if stored is not None:
        explorer.source = f"np.asarray(patterns, float).reshape({len(explorer.stored)}, -1)"

    class Widget(anywidget.AnyWidget):
        _esm = _PAGE / "explore.js"
        _css = _PAGE / "explore.css"
        described = traitlets.Dict(explorer.describe()).tag(sync=True)

    shown = Widget()
    shown.on_msg(lambda _, asked, __: shown.send(_answer(explorer, asked)))
    return shown


def _answer(explorer: Explorer, asked: Any) -> dict[str, Any]:
    """The answer to a message of the view, which carries its number."""
    if not isinstance(asked, dict):
        return {"error": "a message is a mapping"}
    number = {"number": asked.pop("number", None)}
    try:
        return {**number, **explorer.answer(asked)}
    except (TypeError, ValueError) as error:
        return {**number, "error": str(error)}
