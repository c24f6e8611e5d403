"""Figures, axes and moving pictures that a notebook shows by themselves: once, without pyplot.

IPython shows a plain `matplotlib.figure.Figure` only after pyplot has made one. These say what they
look like themselves; where ``%matplotlib inline`` has set a way of its own, IPython prefers that.
What a cell draws and does not show, as its value or by `display`, is shown at its end.
"""

from __future__ import annotations

import base64
import html
import json
from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import matplotlib.axes
import matplotlib.figure

from .display import kernel

Png = tuple[bytes, dict[str, int]]
_SHARPNESS = 2  # pixels of the image for each that a notebook shows


class Shown:
    """What a notebook shows at the end of the cell that made it, unless it was shown before.

    IPython calls back at the end of a cell, for each that waits, in the order in which they were
    made. There is no other list of them, so that nothing waits where no notebook runs.
    """

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        if (shell := kernel()) is not None:
            shell.events.register("post_execute", self._at_the_end)

    def _at_the_end(self) -> None:
        if self._waits_no_more():
            from IPython import display

            show: Any = display.display  # it has no types
            show(self)

    def _waits_no_more(self) -> bool:
        """Be seen, and say whether that was still to be done."""
        shell = kernel()
        waiting = shell is not None and self._at_the_end in shell.events.callbacks["post_execute"]
        if waiting:
            shell.events.unregister("post_execute", self._at_the_end)
        return waiting

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Nothing of its own: IPython asks for this first of all, whatever formats are set."""
        self._waits_no_more()
        return {}


class Figure(Shown, matplotlib.figure.Figure):
    """A figure that is an image in a notebook; one that was saved is not shown as well."""

    def _at_the_end(self) -> None:
        if not self.axes:  # it was cleared
            self._waits_no_more()
        super()._at_the_end()

    def savefig(self, *given: Any, **options: Any) -> None:
        """As of any figure."""
        self._waits_no_more()
        super().savefig(*given, **options)

    def _repr_png_(self) -> Png:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=_SHARPNESS * self.dpi)
        width, height = (round(inches * self.dpi) for inches in self.get_size_inches())
        return buffer.getvalue(), {"width": width, "height": height}


class Axes(matplotlib.axes.Axes):
    """The only axes of a figure of their own: in a notebook they are that figure."""

    if TYPE_CHECKING:
        figure: Figure

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return self.figure._repr_mimebundle_()

    def _repr_png_(self) -> Png:
        return self.figure._repr_png_()


class Animation(Shown):
    """Pictures that a notebook plays, one after the other, with a slider over time.

    Parameters
    ----------
    frames : list of bytes
        Images in the format PNG.
    fps : int
        Frames in a second.
    width : int
        Pixels of the page that an image takes, at most.
    title : str
        For those who do not see it.
    """

    def __init__(self, frames: list[bytes], fps: int, width: int, title: str) -> None:
        super().__init__()
        self.frames, self.fps, self.width, self.title = frames, fps, width, title

    def __repr__(self) -> str:
        return f"Animation of {len(self.frames)} frames, {self.fps} in a second"

    def _repr_html_(self) -> str:
        images = [base64.b64encode(frame).decode() for frame in self.frames]
        # The first picture stands there where a page runs no scripts.
        return _PLAYER.format(
            name=f"amsim-{uuid4().hex}",
            title=html.escape(self.title),
            width=self.width,
            first=images[0],
            last=len(images) - 1,
            images=json.dumps(images),
            wait=1000 / self.fps,
        )


_PLAYER = """\
<div id="{name}" style="max-width: {width}px">
<img alt="{title}" style="width: 100%" src="data:image/png;base64,{first}">
<div style="display: flex; gap: 8px">
<button type="button" style="width: 5em">Play</button>
<input type="range" aria-label="frame" min="0" max="{last}" value="0" style="flex: 1">
</div>
<script>
(() => {{
  const images = {images};
  const root = document.getElementById("{name}");
  const [image, button, slider] = ["img", "button", "input"].map((k) => root.querySelector(k));
  let timer = null;
  const show = (frame) => {{
    slider.value = frame;
    image.src = "data:image/png;base64," + images[frame];
  }};
  const stop = () => {{
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  }};
  const play = () => {{
    button.textContent = "Pause";
    timer = setInterval(() => {{
      if (!root.isConnected) stop();
      else show((Number(slider.value) + 1) % images.length);
    }}, {wait});
  }};
  button.addEventListener("click", () => (timer === null ? play() : stop()));
  slider.addEventListener("input", () => {{
    stop();
    show(Number(slider.value));
  }});
  play();
}})();
</script>
</div>
"""
