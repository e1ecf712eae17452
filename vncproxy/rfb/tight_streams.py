"""Tight's four zlib streams, kept right for viewers that missed a part of them.

Source: rfbproto, Tight Encoding (reset bits of the compression-control byte).
"""

from __future__ import annotations

import struct
import zlib

from vncproxy.rfb.tight import COMPACT_LIMIT, TightLayout, compact_length, with_resets

MAX_PIXELS_BYTES = 64 << 20
"""The largest rectangle, inflated, that StatelessTight takes."""

STEP_BYTES = 1 << 20
"""So much, inflated, is done at once; a rectangle of more is inflated in steps."""
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
_STEPS_BYTES = {0: STEP_BYTES, _FAST: STEP_BYTES // 4, _SMALL: STEP_BYTES // 16}
"""By the level at which it is deflated afresh as well, which takes longer."""
_PIECE_BYTES = 64 << 10
_SMALL_BYTES = 4 << 10
_SMALL_MEMORY_LEVEL = 5
"""Of pixels of so few bytes as good as zlib's own level 8, which clears 64 KiB for each of them: of
300 bytes, 5 µs instead of 79."""


class StreamResets:
    """For one viewer: which streams must be reset at their first use after a change of link.

    Attributes:
        pending: Bits of those that are still to be; 0: rectangles go as they come.
    """

    __slots__ = ("pending",)

    def __init__(self) -> None:
        """A new viewer's streams are as fresh as a new link's."""
        self.pending = 0

    def link_replaced(self) -> None:
        """The viewer's next Tight rectangle comes from another link."""
        self.pending = _ALL

    def apply(self, data: bytes, layout: TightLayout) -> bytes:
        """The rectangle's data, with the reset bit of its stream where it is due."""
        if not self.pending:
            return data
        pending = self.pending & ~layout.resets
        if layout.zlib:
            due = pending & 1 << layout.stream
            if due:
                data = with_resets(data, due, layout.control_at)
                pending &= ~due
        self.pending = pending
        return data


class InflatedTight:
    """A Tight rectangle that can be given to a viewer that missed earlier ones."""

    __slots__ = ("_data", "_layout", "_lost", "_pixels")

    def __init__(
        self, data: bytes, layout: TightLayout, pixels: bytes | None, *, lost: bool = False
    ) -> None:
        """Keep a rectangle's data and, if any viewer may need them, its pixels.

        Args:
            data: Everything after the rectangle's 12-byte header.
            layout: What `data` holds.
            pixels: The inflated bytes; None where nobody needs them, or they weren't kept.
            lost: They weren't kept, but somebody may need them: `restart` raises.
        """
        self._lost = lost
        self._data = data
        self._layout = layout
        self._pixels = pixels

    def restart(self) -> bytes:
        """Equivalent data that resets its zlib stream first; deflated at the first call only.

        Raises:
            ValueError: The pixels don't deflate to under 4 MiB.
        """
        if self._lost:
            raise ValueError("a Tight rectangle whose pixels weren't kept")
        if self._pixels is None:
            return self._data
        self._data = _with_zlib(self._data, self._layout, _deflate(self._pixels))
        self._pixels = None
        return self._data

    def stored(self) -> bytes:
        """As `restart`, but with zlib data that isn't compressed where that is known and fits.

        It costs hardly anything, and what comes out compresses better than compressed data does.
        Source: RFC 1950; RFC 1951, section 3.2.4.
        """
        if self._pixels is None or len(self._pixels) > MAX_STORED_BYTES:
            return self.restart()
        return _with_zlib(self._data, self._layout, *_stored(self._pixels))


class StatelessTight:
    """For one link: inflates what comes, in order, so that any rectangle can be started afresh.

    Every Tight rectangle of the link must be taken, from its first, or the streams get out of step.
    """

    __slots__ = ("_inflaters",)

    def __init__(self) -> None:
        """Four fresh streams."""
        # Made when needed: each holds 7 KiB, and many consoles never see Tight.
        self._inflaters: list[zlib._Decompress | None] = [None] * _STREAMS

    def _inflater(self, stream: int) -> zlib._Decompress:
        if (inflater := self._inflaters[stream]) is None:
            inflater = self._inflaters[stream] = zlib.decompressobj()
        return inflater

    def take(self, data: bytes, layout: TightLayout) -> InflatedTight:
        """Inflate the rectangle's data now.

        Raises:
            ValueError: The data doesn't inflate to exactly the rectangle's pixels; the streams
                can't be used any more then.
        """
        return InflatedTight(data, layout, self.inflate(data, layout))

    def inflate(self, data: bytes, layout: TightLayout) -> bytes | None:
        """As `take`, but gives the inflated bytes alone; None: nothing in it is deflated."""
        if layout.resets:
            self._reset(layout)
        if not layout.zlib:
            return None
        if layout.size > MAX_PIXELS_BYTES:
            raise ValueError(f"a Tight rectangle of {layout.size} bytes")
        try:
            # One byte more than is due: room to read the flush marker behind the last pixel, and
            # to tell that there is too much.
            inflater = self._inflaters[layout.stream] or self._inflater(layout.stream)
            pixels = inflater.decompress(memoryview(data)[layout.data_at :], layout.size + 1)
        except zlib.error as error:
            raise ValueError("a Tight rectangle that can't be inflated") from error
        if len(pixels) != layout.size:
            raise ValueError(f"Tight data that doesn't inflate to {layout.size} bytes")
        return pixels

    def begin(self, data: bytes, layout: TightLayout, *, restart: bool) -> Inflation:
        """As `take`, for a rectangle with zlib data of any size, in steps.

        Its steps have to be done before another rectangle is taken.

        Args:
            data: Everything after the rectangle's 12-byte header.
            layout: What `data` holds.
            restart: A viewer will want what `InflatedTight.restart` gives.
        """
        self._reset(layout)
        return Inflation(self._inflater(layout.stream), data, layout, restart=restart)

    def _reset(self, layout: TightLayout) -> None:
        for stream in range(_STREAMS):
            if layout.resets >> stream & 1:
                self._inflaters[stream] = None


class FreshStreams:
    """Deflates rectangles in a row, for viewers that missed earlier ones and get all of these.

    The first that uses a stream resets it, and the next ones go on from there: that costs half of
    what `InflatedTight.restart` costs for each of them, and is shorter.
    """

    __slots__ = ("_compressors", "_largest_bytes", "_size_bytes")

    def __init__(self, size_bytes: int, largest_bytes: int) -> None:
        """Begin with the first.

        Args:
            size_bytes: Of all their pixels.
            largest_bytes: Of one's, `STEP_BYTES` at most: what they deflate to isn't bounded here.
        """
        self._size_bytes = size_bytes
        self._largest_bytes = largest_bytes
        self._compressors: dict[int, zlib._Compress] = {}

    def data(self, data: bytes, layout: TightLayout, pixels: bytes | None) -> bytes:
        """The next rectangle's data, as they get it.

        Args:
            data: Everything after its 12-byte header.
            layout: What `data` holds.
            pixels: As `StatelessTight.inflate` gave them.
        """
        if layout.resets:
            # The viewer's decoder resets them, too.
            for stream in range(_STREAMS):
                if layout.resets >> stream & 1:
                    self._compressors.pop(stream, None)
        if pixels is None:
            return data
        head, stream = data[: layout.length_at], layout.stream
        if (compressor := self._compressors.get(stream)) is None:
            compressor = _compressor(_FAST, self._size_bytes, self._largest_bytes)
            self._compressors[stream] = compressor
            head = with_resets(head, 1 << stream, layout.control_at)
        deflated = compressor.compress(pixels) + compressor.flush(zlib.Z_SYNC_FLUSH)
        return b"".join((head, compact_length(len(deflated)), deflated))


class Inflation:
    """A large rectangle that is inflated in steps, and none of whose pixels are kept."""

    def __init__(
        self, inflater: zlib._Decompress, data: bytes, layout: TightLayout, *, restart: bool
    ) -> None:
        """Made by `StatelessTight.begin`.

        Raises:
            ValueError: It is too large.
        """
        if layout.size > MAX_PIXELS_BYTES:
            raise ValueError(f"a Tight rectangle of {layout.size} bytes")
        self._data = data
        self._layout = layout
        self._levels = [_FAST, _SMALL] if restart else []
        # A second try needs the stream as it was before the first.
        self._before = inflater.copy() if restart else inflater
        self._restarted: bytes | None = None
        self._begin_pass(inflater)

    def _begin_pass(self, inflater: zlib._Decompress) -> None:
        self._inflater = inflater
        self._at = self._layout.data_at
        self._tail: bytes | memoryview = b""
        # One byte more than is due, as in `take`.
        self._left = self._layout.size + 1
        level = self._levels.pop(0) if self._levels else 0
        self._step_bytes = _STEPS_BYTES[level]
        self._deflater = zlib.compressobj(level) if level else None
        self._deflated: list[bytes] = []

    def step(self) -> bool:
        """Do a part of it; gives whether it is done.

        Raises:
            ValueError: As of `take`.
        """
        if not self._tail:
            self._tail = memoryview(self._data)[self._at : self._at + _PIECE_BYTES]
            self._at += len(self._tail)
        try:
            pixels = self._inflater.decompress(self._tail, min(self._step_bytes, self._left))
        except zlib.error as error:
            raise ValueError("a Tight rectangle that can't be inflated") from error
        self._tail = self._inflater.unconsumed_tail
        self._left -= len(pixels)
        if self._deflater is not None:
            self._deflated.append(self._deflater.compress(pixels))
        if self._left and (pixels or self._tail or self._at < len(self._data)):
            return False
        if self._left != 1:
            raise ValueError(f"Tight data that doesn't inflate to {self._layout.size} bytes")
        return self._end_pass()

    def _end_pass(self) -> bool:
        if self._deflater is None:
            return True
        deflated = b"".join((*self._deflated, self._deflater.flush(zlib.Z_SYNC_FLUSH)))
        if len(deflated) >= COMPACT_LIMIT and self._levels:
            self._begin_pass(self._before)
            return False
        if len(deflated) < COMPACT_LIMIT:
            self._restarted = _with_zlib(self._data, self._layout, deflated)
        return True

    @property
    def result(self) -> InflatedTight:
        """The rectangle, once it is done."""
        if self._restarted is None:
            return InflatedTight(self._data, self._layout, None, lost=True)
        return InflatedTight(self._restarted, self._layout, None)


def _with_zlib(data: bytes, layout: TightLayout, *parts: bytes | memoryview) -> bytes:
    """The rectangle with other zlib data, before which its stream is reset."""
    head = with_resets(data[: layout.length_at], 1 << layout.stream, layout.control_at)
    return b"".join((head, compact_length(sum(map(len, parts))), *parts))


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
        compressor = _compressor(level, len(pixels), len(pixels))
        deflated = compressor.compress(pixels) + compressor.flush(zlib.Z_SYNC_FLUSH)
        if len(deflated) < COMPACT_LIMIT:
            return deflated
    raise ValueError(f"{len(pixels)} bytes of pixels that deflate to 4 MiB or more")


def _compressor(level: int, size_bytes: int, largest_bytes: int) -> zlib._Compress:
    """For so much in all, of which so much comes at once at most."""
    memory_level = _SMALL_MEMORY_LEVEL if largest_bytes <= _SMALL_BYTES else zlib.DEF_MEM_LEVEL
    return zlib.compressobj(level, zlib.DEFLATED, _window_bits(size_bytes), memory_level)


def _window_bits(size: int) -> int:
    """No larger a window than the data: making a compressor costs more than a small rectangle."""
    return min(max((size - 1).bit_length(), 9), zlib.MAX_WBITS)
