"""A recording's messages in a form that noVNC's decoders take, whatever viewer they were made for.

noVNC decodes one pixel format only and knows neither colour maps nor X cursors. What needs no
change is passed on as it is. Source: RFC 6143, sections 7.6 to 7.8; rfbproto, Tight Encoding.
"""

from __future__ import annotations

import struct
import zlib

from vncproxy.errors import RecordingError
from vncproxy.recording.file_format import damaged
from vncproxy.recording.pixels import Pixels
from vncproxy.rfb import encodings as enc
from vncproxy.rfb import pixel_format as formats
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.raw_strips import RawStrips
from vncproxy.rfb.server_events import (
    BellRung,
    ColourMapSet,
    RawReceived,
    RawStarted,
    RectangleReceived,
    ServerEvent,
    StreamBroken,
    UpdateEnded,
)
from vncproxy.rfb.server_stream import ServerStream
from vncproxy.rfb.tight import TightFilter, TightKind, TightLayout, compact_length
from vncproxy.rfb.tight import layout as tight_layout
from vncproxy.rfb.viewer_messages import bell, framebuffer_update, rectangle_header, server_init

NOVNC = PixelFormat(red_shift=0, green_shift=8, blue_shift=16)
_AS_THEY_ARE = frozenset({enc.COPY_RECT, enc.DESKTOP_SIZE, enc.DESKTOP_NAME})
_SIZE_BYTES = 4
_SERVER_INIT_BYTES = _SIZE_BYTES + formats.SIZE + 4
_MAX_RECTANGLES = 0xFFFE
_MIN_TO_COMPRESS = 12
"""Shorter Tight pixels aren't compressed. Source: rfbproto, Tight Encoding."""


class NovncForm:
    """One block of a recording."""

    def __init__(self, opening: bytes) -> None:
        """Stand at a block's beginning.

        Args:
            opening: The block's ServerInit.

        Raises:
            RecordingError: It isn't a ServerInit.
        """
        try:
            width, height = struct.unpack_from(">HH", opening)
            pixel_format = PixelFormat.unpack(opening[_SIZE_BYTES : _SIZE_BYTES + formats.SIZE])
        except (struct.error, ValueError) as fault:
            raise damaged() from fault
        name = opening[_SERVER_INIT_BYTES:].decode(errors="replace")
        self.opening = server_init(width, height, NOVNC, name)
        self._format = pixel_format
        self._pixels = Pixels(pixel_format)
        self._stream = ServerStream(width, height, pixel_format)
        self._rectangles: list[bytes] = []
        self._raw: RawStrips | None = None

    def translated(self, data: bytes) -> bytes:
        """Whole messages, translated.

        Raises:
            RecordingError: They aren't whole messages.
        """
        out: list[bytes] = []
        for event in self._stream.feed(data):
            self._take(event, out)
        if not self._stream.at_boundary:
            raise damaged()
        return b"".join(out)

    def _take(self, event: ServerEvent, out: list[bytes]) -> None:
        match event:
            case RectangleReceived():
                self._take_rectangle(event)
            case RawStarted():
                self._raw = RawStrips(event)
            case RawReceived(data) if self._raw is not None:
                for strip in self._raw.take((data,)):
                    self._take_rectangle(strip)
            case UpdateEnded():
                while self._rectangles:
                    some = self._rectangles[:_MAX_RECTANGLES]
                    del self._rectangles[:_MAX_RECTANGLES]
                    out += [framebuffer_update(len(some)), *some]
            case ColourMapSet():
                self._pixels = Pixels(self._format, event.raw)
            case BellRung():
                out.append(bell())
            case StreamBroken():
                raise RecordingError(f"This recording is damaged: it holds {event.reason}.")
            case _:
                # Nothing else is seen.
                pass

    def _take_rectangle(self, rect: RectangleReceived) -> None:
        try:
            rectangle = self._rectangle(rect)
        except (ValueError, IndexError, struct.error, zlib.error) as fault:
            raise damaged() from fault
        if rectangle is not None:
            self._rectangles.append(rectangle)

    def _rectangle(self, rect: RectangleReceived) -> bytes | None:
        # ValueError, IndexError, struct.error and zlib.error mean a rectangle that can't be right.
        encoding = rect.encoding
        data: bytes
        if encoding in _AS_THEY_ARE:
            return rect.message_bytes
        if encoding == enc.RAW:
            data = self._pixels.rgbx(rect.data)
        elif encoding == enc.RRE:
            data = self._rre(rect.data)
        elif encoding == enc.HEXTILE:
            data = self._hextile(rect)
        elif encoding in (enc.TIGHT, enc.TIGHT_PNG):
            data = self._tight(rect)
        elif encoding == enc.CURSOR:
            size = rect.width * rect.height * self._pixels.bytes_per_pixel
            data = self._pixels.rgbx(rect.data[:size]) + rect.data[size:]
        elif encoding == enc.X_CURSOR:
            encoding, data = enc.CURSOR, _from_x_cursor(rect)
        elif encoding == enc.VMWARE_CURSOR and self._pixels.bytes_per_pixel == 4:
            data = rect.data
        else:
            return None
        return rectangle_header(rect.x, rect.y, rect.width, rect.height, encoding) + data

    def _rre(self, data: bytes) -> bytes:
        size = self._pixels.bytes_per_pixel
        out = [data[:4], self._pixels.rgbx(data[4 : 4 + size])]
        for at in range(4 + size, len(data), size + 8):
            out += [self._pixels.rgbx(data[at : at + size]), data[at + size : at + size + 8]]
        return b"".join(out)

    def _hextile(self, rect: RectangleReceived) -> bytes:
        """Source: RFC 6143, section 7.7.4."""
        data, rgbx, size = rect.data, self._pixels.rgbx, self._pixels.bytes_per_pixel
        out: list[bytes] = []
        at = 0
        for top in range(0, rect.height, 16):
            for left in range(0, rect.width, 16):
                mask = data[at]
                out.append(data[at : at + 1])
                at += 1
                if mask & 1:
                    length = min(16, rect.width - left) * min(16, rect.height - top) * size
                    out.append(rgbx(data[at : at + length]))
                    at += length
                    continue
                colours = (mask >> 1 & 1) + (mask >> 2 & 1)
                out.append(rgbx(data[at : at + colours * size]))
                at += colours * size
                if mask & 8:
                    count = data[at]
                    out.append(data[at : at + 1])
                    at += 1
                    if not mask & 16:
                        out.append(data[at : at + 2 * count])
                        at += 2 * count
                        continue
                    for _ in range(count):
                        out += [rgbx(data[at : at + size]), data[at + size : at + size + 2]]
                        at += size + 2
        return b"".join(out)

    def _tight(self, rect: RectangleReceived) -> bytes:
        if self._pixels.packed:
            return rect.data
        data, pixels = rect.data, self._pixels
        found = tight_layout(rect.encoding, rect.width, rect.height, data, self._format)
        assert found is not None, "asked for Tight only"
        if found.kind is TightKind.FILL:
            return data[:1] + pixels.rgb(data[1:])
        if found.kind is not TightKind.BASIC:
            return data
        if found.filter is TightFilter.PALETTE:
            return data[:3] + pixels.rgb(data[3 : found.length_at]) + data[found.length_at :]
        plain = inflated(data, found)
        if found.filter is TightFilter.GRADIENT:
            return _copied(pixels.ungradient(plain, rect.width, rect.height))
        return _copied(pixels.rgb(plain))


def inflated(data: bytes, found: TightLayout) -> bytes:
    """The pixels of a rectangle that resets its stream, as all in a recording do."""
    if not found.zlib:
        return data[found.data_at :]
    plain = zlib.decompressobj().decompress(data[found.data_at :], found.size)
    if len(plain) != found.size:
        raise ValueError("a rectangle that inflates to another size")
    return plain


def _copied(rgb: bytes) -> bytes:
    """RGB as Tight's basic rectangle without a filter, in stream 0, which it resets."""
    if len(rgb) < _MIN_TO_COMPRESS:
        return b"\x01" + rgb
    deflater = zlib.compressobj(1)
    deflated = deflater.compress(rgb) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return b"\x01" + compact_length(len(deflated)) + deflated


def _from_x_cursor(rect: RectangleReceived) -> bytes:
    """Source: rfbproto, X Cursor Pseudo-encoding."""
    if not rect.data:
        return b""
    front, back = rect.data[:3] + b"\0", rect.data[3:6] + b"\0"
    row = (rect.width + 7) // 8
    bitmap, mask = rect.data[6 : 6 + row * rect.height], rect.data[6 + row * rect.height :]
    out = [
        front if bitmap[y * row + x // 8] << x % 8 & 0x80 else back
        for y in range(rect.height)
        for x in range(rect.width)
    ]
    return b"".join(out) + mask
