"""The length of a Hextile rectangle, found by a walk over its tiles.

Source: RFC 6143, section 7.7.4; rfbproto, Hextile Encoding.
"""

from __future__ import annotations

from vncproxy.rfb.wire_error import WireError

_RAW = 1
_BACKGROUND = 2
_FOREGROUND = 4
_ANY_SUBRECTS = 8
_SUBRECTS_COLOURED = 16
_SIDE = 16


class HextileWalk:
    """A walk that stops where the bytes end and goes on where it stopped, never looking twice.

    Only two kinds of bytes decide a length, a tile's mask and its count of subrectangles; the walk
    keeps how far the next of them is away.
    """

    __slots__ = (
        "_ahead",
        "_bytes_per_pixel",
        "_columns",
        "_height",
        "_reported",
        "_subrect",
        "_tile",
        "_tiles",
        "_width",
    )

    def __init__(self, width: int, height: int, bytes_per_pixel: int) -> None:
        """Start before the first tile."""
        self._width = width
        self._height = height
        self._bytes_per_pixel = bytes_per_pixel
        self._columns = -(-width // _SIDE)
        self._tiles = self._columns * -(-height // _SIDE)
        self._tile = 0
        self._reported = 0
        self._ahead = 0
        self._subrect = 0

    @property
    def done(self) -> bool:
        """Whether the whole rectangle was walked over."""
        return self._tile == self._tiles and not self._ahead

    def take_tiles(self) -> int:
        """How many tiles were walked over since the last call."""
        tiles, self._reported = self._tile - self._reported, self._tile
        return tiles

    def walk(self, buffer: bytes | memoryview, at: int, end: int) -> int:
        """Where the rectangle ends within `buffer[at:end]`, or `end` where it goes on.

        Raises:
            WireError: A tile's mask has unknown bits.
        """
        bytes_per_pixel = self._bytes_per_pixel
        tile = self._tile
        tiles = self._tiles
        subrect = self._subrect
        at += self._ahead
        while at < end and tile < tiles:
            if subrect:
                at += 1 + buffer[at] * subrect
                subrect = 0
                tile += 1
                continue
            mask = buffer[at]
            if mask > 31:
                raise WireError(f"Hextile mask {mask}")
            if mask & _RAW:
                at += 1 + self._tile_pixels(tile) * bytes_per_pixel
                tile += 1
                continue
            at += 1
            if mask & _BACKGROUND:
                at += bytes_per_pixel
            if mask & _FOREGROUND:
                at += bytes_per_pixel
            if mask & _ANY_SUBRECTS:
                subrect = bytes_per_pixel + 2 if mask & _SUBRECTS_COLOURED else 2
            else:
                tile += 1
        self._tile = tile
        self._subrect = subrect
        self._ahead = max(at - end, 0)
        return min(at, end)

    def _tile_pixels(self, tile: int) -> int:
        row, column = divmod(tile, self._columns)
        return min(_SIDE, self._width - column * _SIDE) * min(_SIDE, self._height - row * _SIDE)
