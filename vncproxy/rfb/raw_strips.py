"""A Raw rectangle in strips of whole rows, for those who can't use pixels cut anywhere."""

from __future__ import annotations

from collections.abc import Iterable

from vncproxy.rfb.encodings import RAW
from vncproxy.rfb.server_events import Pixels, RawStarted, RectangleReceived, plain_slices

STRIP_BYTES = 256 << 10
"""A strip has at most this many bytes, or one row."""


class RawStrips:
    """One Raw rectangle, delivered as several, each a strip of at most `STRIP_BYTES`, or one row.

    No more than one strip is held.
    """

    def __init__(self, start: RawStarted) -> None:
        """No pixels have come yet."""
        self._x, self._y, self._width = start.x, start.y, start.width
        self._row_bytes = start.size_bytes // start.height
        self._rows_left = start.height
        self._pixels = bytearray()

    def take(self, slices: Iterable[Pixels]) -> list[RectangleReceived]:
        """The strips that these pixels complete."""
        for slice_ in plain_slices(slices):
            self._pixels += slice_
        strips = []
        at = 0
        while self._rows_left:
            rows = min(max(STRIP_BYTES // self._row_bytes, 1), self._rows_left)
            end = at + rows * self._row_bytes
            if end > len(self._pixels):
                break
            data = bytes(memoryview(self._pixels)[at:end])
            strips.append(RectangleReceived(self._x, self._y, self._width, rows, RAW, data))
            self._y += rows
            self._rows_left -= rows
            at = end
        del self._pixels[:at]
        return strips
