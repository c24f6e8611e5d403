"""The hull of what happened within the last moments."""

from __future__ import annotations

from collections import deque
from itertools import islice

from ..synapses import Array
from .boxes import Boxes


class Window:
    """The hull of the boxes of those steps that ended less than `length` ago.

    Two stacks: one has hulls with all that is newer, oldest on top, the other what came since. A
    step costs two hulls, however many there are in the window, and none if nobody asks.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._older: list[tuple[int, Boxes]] = []
        self._newer: deque[tuple[int, Boxes]] = deque()
        self._recent: Boxes | None = None  # of all newer ones but the last few
        self._unseen = 0  # so many

    def add(self, end: int, boxes: Boxes) -> None:
        """The boxes of a step that ends at `end`."""
        self._newer.append((end, boxes))
        self._unseen += 1
        if self._unseen == len(self._newer):  # nobody asked since they were put there
            while self._newer and self._newer[0][0] <= end - self._length:
                self._newer.popleft()
            self._unseen = len(self._newer)

    def hull(self, now: int) -> Boxes | None:
        """Of the steps that end after now - length; None if there are none."""
        self._forget(now)
        if not self._older:
            joined: Boxes | None = None
            while self._newer:
                end, boxes = self._newer.pop()
                joined = _joined(joined, boxes)
                self._older.append((end, joined))
            self._recent, self._unseen = None, 0
            self._forget(now)
        for _, boxes in islice(self._newer, len(self._newer) - self._unseen, None):
            self._recent = _joined(self._recent, boxes)
        self._unseen = 0
        if not self._older:
            return None
        return _joined(self._recent, self._older[-1][1])

    def take(self, rows: Array) -> None:
        """Keep some entries of the batch."""
        if rows.dtype == bool and rows.all():
            return
        self._older = [(end, boxes.take(rows)) for end, boxes in self._older]
        self._newer = deque((end, boxes.take(rows)) for end, boxes in self._newer)
        if self._recent is not None:
            self._recent = self._recent.take(rows)

    def _forget(self, now: int) -> None:
        while self._older and self._older[-1][0] <= now - self._length:
            self._older.pop()


def _joined(one: Boxes | None, other: Boxes) -> Boxes:
    return other if one is None else one.hull(other)
