"""Which part of a framebuffer a viewer hasn't been sent yet."""

from __future__ import annotations

_Box = tuple[int, int, int, int]
"""Left, top, right, bottom; right and bottom are outside."""


class Uncovered:
    """The part of a framebuffer that no rectangle has covered.

    At most `max_boxes` boxes are kept. Beyond, neighbours are merged into boxes that hold them, so
    more may count as uncovered than is, but never less.

    Attributes:
        complete: Whether every pixel is covered.
    """

    __slots__ = ("_boxes", "_height", "_max_boxes", "_width", "complete")

    def __init__(self, width: int, height: int, *, max_boxes: int = 256) -> None:
        """Nothing is covered."""
        self._max_boxes = max_boxes
        self.reset(width, height)

    def reset(self, width: int, height: int) -> None:
        """Nothing of a framebuffer of this size is covered."""
        self._width = width
        self._height = height
        self._boxes: list[_Box] = [(0, 0, width, height)] if width and height else []
        # Looked at for each rectangle and request.
        self.complete = not self._boxes

    @property
    def boxes(self) -> list[tuple[int, int, int, int]]:
        """The uncovered part as x, y, width, height; boxes may overlap."""
        return [(left, top, right - left, bottom - top) for left, top, right, bottom in self._boxes]

    def cover(self, x: int, y: int, width: int, height: int) -> None:
        """A rectangle was sent."""
        if not self._boxes or not width or not height:
            return
        self._boxes = self._without((x, y, x + width, y + height))
        self.complete = not self._boxes
        self._bound()

    def uncover(self, x: int, y: int, width: int, height: int) -> None:
        """A rectangle was skipped; what is outside the framebuffer doesn't count."""
        box = (x, y, min(x + width, self._width), min(y + height, self._height))
        if box[0] >= box[2] or box[1] >= box[3]:
            return
        self._boxes = [*self._without(box), box]
        self.complete = False
        self._bound()

    def _without(self, hole: _Box) -> list[_Box]:
        left, top, right, bottom = hole
        rest: list[_Box] = []
        for box in self._boxes:
            x0, y0, x1, y1 = box
            if x0 >= right or x1 <= left or y0 >= bottom or y1 <= top:
                rest.append(box)
                continue
            if y0 < top:
                rest.append((x0, y0, x1, top))
                y0 = top
            if y1 > bottom:
                rest.append((x0, bottom, x1, y1))
                y1 = bottom
            if x0 < left:
                rest.append((x0, y0, left, y1))
            if x1 > right:
                rest.append((right, y0, x1, y1))
        return rest

    def _bound(self) -> None:
        """Halve the number of boxes where there are too many."""
        while len(self._boxes) > self._max_boxes:
            ordered = sorted(self._boxes, key=lambda box: (box[1], box[0]))
            pairs = zip(ordered[::2], ordered[1::2], strict=False)
            merged = [
                (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
                for a, b in pairs
            ]
            if len(ordered) % 2:
                merged.append(ordered[-1])
            self._boxes = merged
