"""Tight's four zlib streams, kept right for viewers that missed a part of them.

Source: rfbproto, Tight Encoding (reset bits of the compression-control byte).
"""

from __future__ import annotations

import struct
import zlib

from vncproxy.rfb.tight import COMPACT_LIMIT, TightLayout, compact_length, with_resets

MAX_PIXELS_BYTES = 64 << 20
"""The largest rectangle, inflated, that StatelessTight takes."""

MAX_STORED_BYTES = COMPACT_LIMIT - (8 << 10)
"""What still fits uncompressed: each block of 64 KiB adds 5 bytes."""
_ZLIB_HEADER = b"\x78\x01"
_STORED = struct.Struct("<BHH")
"""A block that isn't the last one and isn't compressed: its length, and the same inverted."""
_STORED_MAX_BYTES = 65535
_STREAMS = 4
_ALL = (1 << _STREAMS) - 1
_FAST = 1
_SMALL = 9


class StreamResets:
    """For one viewer: which streams must be reset at their first use after a change of link."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        """A new viewer's streams are as fresh as a new link's."""
        self._pending = 0

    def renewed(self) -> None:
        """The viewer's next Tight rectangle comes from another link."""
        self._pending = _ALL

    def apply(self, data: bytes, layout: TightLayout) -> bytes:
        """The rectangle's data, with the reset bit of its stream where it is due."""
        pending = self._pending & ~layout.resets
        if layout.zlib:
            due = pending & 1 << layout.stream
            if due:
                data = with_resets(data, due, layout.control_at)
                pending &= ~due
        self._pending = pending
        return data


class InflatedTight:
    """A Tight rectangle that can be given to a viewer that missed earlier ones."""

    __slots__ = ("_data", "_layout", "_pixels")

    def __init__(self, data: bytes, layout: TightLayout, pixels: bytes | None) -> None:
        """Args: pixels - the inflated bytes, None where there is no zlib data."""
        self._data = data
        self._layout = layout
        self._pixels = pixels

    def restart(self) -> bytes:
        """Equivalent data that resets its zlib stream first; deflated at the first call only.

        Raises: ValueError where the pixels don't deflate to under 4 MiB.
        """
        if self._pixels is None:
            return self._data
        self._data = self._with_zlib(_deflate(self._pixels))
        self._pixels = None
        return self._data

    def stored(self) -> bytes:
        """As `restart`, but with zlib data that isn't compressed where that is known and fits.

        It costs hardly anything, and what comes out compresses better than compressed data does.
        Source: RFC 1950; RFC 1951, section 3.2.4.
        """
        if self._pixels is None or len(self._pixels) > MAX_STORED_BYTES:
            return self.restart()
        return self._with_zlib(*_stored(self._pixels))

    def _with_zlib(self, *parts: bytes | memoryview) -> bytes:
        layout = self._layout
        head = with_resets(self._data[: layout.length_at], 1 << layout.stream, layout.control_at)
        return b"".join((head, compact_length(sum(map(len, parts))), *parts))


class StatelessTight:
    """For one link: inflates what comes, in order, so that any rectangle can be started afresh.

    Every Tight rectangle of the link must be taken, from its first, or the streams get out of step.
    """

    __slots__ = ("_inflaters",)

    def __init__(self) -> None:
        """Four fresh streams."""
        self._inflaters = [zlib.decompressobj() for _ in range(_STREAMS)]

    def take(self, data: bytes, layout: TightLayout) -> InflatedTight:
        """Inflate the rectangle's data now.

        Raises: ValueError for data that doesn't inflate to exactly the rectangle's pixels; the
        streams can't be used any more then.
        """
        for stream in range(_STREAMS):
            if layout.resets >> stream & 1:
                self._inflaters[stream] = zlib.decompressobj()
        if not layout.zlib:
            return InflatedTight(data, layout, None)
        if layout.size > MAX_PIXELS_BYTES:
            raise ValueError(f"a Tight rectangle of {layout.size} bytes")
        try:
            # One byte more than is due: room to read the flush marker behind the last pixel, and
            # to tell that there is too much.
            pixels = self._inflaters[layout.stream].decompress(
                memoryview(data)[layout.data_at :], layout.size + 1
            )
        except zlib.error as error:
            raise ValueError("a Tight rectangle that can't be inflated") from error
        if len(pixels) != layout.size:
            raise ValueError(f"Tight data that doesn't inflate to {layout.size} bytes")
        return InflatedTight(data, layout, pixels)


def _stored(pixels: bytes) -> list[bytes | memoryview]:
    """By hand: a compressor that doesn't compress takes ten times as long."""
    view = memoryview(pixels)
    parts: list[bytes | memoryview] = [_ZLIB_HEADER]
    for at in range(0, len(pixels), _STORED_MAX_BYTES):
        piece = view[at : at + _STORED_MAX_BYTES]
        parts += [_STORED.pack(0, len(piece), len(piece) ^ 0xFFFF), piece]
    return parts


def _deflate(pixels: bytes) -> bytes:
    for level in (_FAST, _SMALL):
        compressor = zlib.compressobj(level, zlib.DEFLATED, _window_bits(len(pixels)))
        deflated = compressor.compress(pixels) + compressor.flush(zlib.Z_SYNC_FLUSH)
        if len(deflated) < COMPACT_LIMIT:
            return deflated
    raise ValueError(f"{len(pixels)} bytes of pixels that deflate to 4 MiB or more")


def _window_bits(size: int) -> int:
    """No larger a window than the data: making a compressor costs more than a small rectangle."""
    return min(max((size - 1).bit_length(), 9), zlib.MAX_WBITS)
