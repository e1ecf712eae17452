"""The upstream's bytes, after ServerInit, as events.

Three laws. Any split of the bytes gives the same events, but for the pixels of Raw, which come as
they are split and are never held. No input raises: what can't be RFB ends the stream with one
StreamBroken. Memory is bounded by `rectangles.MAX_RECTANGLE_BYTES`, and time is linear in the
input: nothing is read twice but a few bytes of a header.

Source: RFC 6143, section 7.6; rfbproto, Server to Client Messages.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from functools import partial

from vncproxy.rfb import rectangles, server_message_lengths
from vncproxy.rfb.encodings import (
    COPY_RECT,
    CURSOR_WITH_ALPHA,
    DESKTOP_NAME,
    DESKTOP_SIZE,
    EXTENDED_DESKTOP_SIZE,
    HEXTILE,
    LAST_RECT,
    RAW,
    TIGHT,
)
from vncproxy.rfb.hextile import HextileWalk
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.safe_text import NAME_MAX_BYTES
from vncproxy.rfb.server_events import (
    RECTANGLE_HEADER,
    AudioReceived,
    BellRung,
    ColourMapSet,
    ContinuousUpdatesEnded,
    CutTextReceived,
    CutTextSkipped,
    FenceReceived,
    RawEnded,
    RawReceived,
    RawStarted,
    RectangleReceived,
    ServerEvent,
    StreamBroken,
    UpdateEnded,
    UpdateStarted,
    XvpReceived,
)
from vncproxy.rfb.tight import ALPHA_PIXEL_BYTES, measured
from vncproxy.rfb.wire_error import UnknownError, WireError

OPEN_COUNT = 0xFFFF
"""A count of rectangles that stands for any number up to LastRect."""

_INFLATED_WORK_BYTES = 2 << 10
_TILES_OF_WORK = 16
_WALK_BYTES = 4 << 10
_UPDATE_BYTES = 4
_RECTANGLE_BYTES = RECTANGLE_HEADER.size
_AUDIO_HEADER_BYTES = 8
_CUT_TEXT_HEADER_BYTES = 8
_NAME_BYTES = 4 + NAME_MAX_BYTES
_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")

_Buffer = bytes | memoryview


class ServerStream:
    """Feed it bytes, get events; it follows the framebuffer's size for its bounds.

    Args:
        width, height, pixel_format: As agreed at ServerInit, or by the daemon's SetPixelFormat.
        max_cut_text_bytes: A longer ServerCutText is skipped. A framebuffer that is too large
            breaks the stream at its first feed.
    """

    def __init__(
        self,
        width: int,
        height: int,
        pixel_format: PixelFormat,
        *,
        max_cut_text_bytes: int = 1 << 20,
    ) -> None:
        """Stand before the first message."""
        self.width = width
        self.height = height
        self._max_cut_text_bytes = max_cut_text_bytes
        self._events: list[ServerEvent] = []
        self._broken = False
        self._is_checked = False
        self._work = self._most_work = 0
        self.untaken = 0
        """How many of the last feed's bytes were left alone, since there was enough to do."""
        # Each step takes what it can from the bytes given, at least one, and returns where it
        # stopped; or it takes nothing and returns minus the bytes without which it can't go on.
        # Functions of the class: bound ones would be cycles, which only the collector ends.
        self._step: Callable[[ServerStream, _Buffer, int, int], int] = ServerStream._message
        self._held = bytearray()
        self._needed = 0
        self._body = bytearray()
        self._body_left = 0
        self._finish: Callable[[ServerStream, bytes], None] = ServerStream._finish_message
        self._skip_left = 0
        self._finish_skip: Callable[[ServerStream], None] = ServerStream._next_rectangle
        self._rectangles_left = 0
        self._delivered = 0
        self._picture = False
        self._header = (0, 0, 0, 0, 0)
        self.body_bytes = 0
        """Of what comes next so much are pixels of Raw: they may be counted by `passed` instead."""
        self._hextile_walk = HextileWalk(0, 0, 1)
        self.set_pixel_format(pixel_format)

    def passed(self, size_bytes: int) -> list[ServerEvent]:
        """Count pixels of Raw instead of feeding them; the events that follow them.

        Args:
            size_bytes: Of the pixels, `body_bytes` or less.
        """
        self.body_bytes -= size_bytes
        if self.body_bytes:
            return []
        events = self._events = []
        self._end_raw()
        self._events = []
        return events

    @property
    def at_boundary(self) -> bool:
        """Whether the bytes so far end with a whole message."""
        return self._step is ServerStream._message and not self._held and not self._broken

    def set_pixel_format(self, pixel_format: PixelFormat) -> None:
        """From the next rectangle on, pixels have this format."""
        self._pixel_bytes = pixel_format.bytes_per_pixel
        self._tpixel_bytes = pixel_format.tpixel_bytes

    def feed(
        self, data: bytes | bytearray | memoryview, most_work: int | None = None
    ) -> list[ServerEvent]:
        """The events that these bytes complete; pixels of Raw are slices of `data`. Never raises.

        Args:
            data: The next bytes, cut anywhere.
            most_work: Stop after the event with which this much is to be done, in units of what a
                short message costs; a rectangle of Tight costs as much as it inflates to. `untaken`
                bytes are then to be fed again.
        """
        self.untaken = 0
        if self._broken:
            return []
        events = self._events = []
        buffer = data if isinstance(data, bytes) else memoryview(data)
        try:
            if not self._is_checked:
                rectangles.check_framebuffer(self.width, self.height)
                self._is_checked = True
            self._run(buffer, len(buffer), most_work)
        except WireError as error:
            self._broken = True
            self._held.clear()
            self._body.clear()
            events.append(StreamBroken(str(error), unknown=isinstance(error, UnknownError)))
        self._events = []
        return events

    def _run(self, buffer: _Buffer, end: int, most_work: int | None) -> None:
        at = 0
        held = self._held
        self._work = 0
        self._most_work = sys.maxsize if most_work is None else most_work
        while at < end:
            if self._work >= self._most_work:
                self.untaken = end - at
                return
            self._work += 1
            if held:
                taken = min(self._needed - len(held), end - at)
                held += buffer[at : at + taken]
                at += taken
                if len(held) < self._needed:
                    return
                used = self._step(self, bytes(held), 0, len(held))
                if used >= 0:
                    # Exactly the bytes needed were held, so a step that goes on takes them all.
                    held.clear()
            else:
                used = self._step(self, buffer, at, end)
                if used >= 0:
                    at = used
                else:
                    held += buffer[at:end]
                    at = end
            self._needed = -used

    def _message(self, buffer: _Buffer, at: int, end: int) -> int:
        kind = buffer[at]
        if kind == server_message_lengths.UPDATE:
            if end - at < _UPDATE_BYTES:
                return -_UPDATE_BYTES
            count: int = _U16.unpack_from(buffer, at + 2)[0]
            self._events.append(UpdateStarted(None if count == OPEN_COUNT else count))
            self._rectangles_left = count
            self._delivered = 0
            self._picture = False
            self._next_rectangle()
            return at + _UPDATE_BYTES
        length = server_message_lengths.measure(buffer, at, end)
        if length < 0:
            return length
        if kind == server_message_lengths.QEMU:
            size = max(length - _AUDIO_HEADER_BYTES, 0)
            return self._skip(at, end, length, AudioReceived(size))
        size = length - _CUT_TEXT_HEADER_BYTES
        if kind == server_message_lengths.CUT_TEXT and size > self._max_cut_text_bytes:
            return self._skip(at, end, length, CutTextSkipped(size))
        return self._collect(buffer, at, end, length, ServerStream._finish_message)

    def _finish_message(self, raw: bytes) -> None:
        self._step = ServerStream._message
        kind = raw[0]
        event: ServerEvent
        if kind == server_message_lengths.BELL:
            event = BellRung()
        elif kind == server_message_lengths.CUT_TEXT:
            event = CutTextReceived(raw)
        elif kind == server_message_lengths.COLOUR_MAP:
            event = ColourMapSet(raw)
        elif kind == server_message_lengths.FENCE:
            event = FenceReceived(_U32.unpack_from(raw, 4)[0], raw[9:])
        elif kind == server_message_lengths.XVP:
            event = XvpReceived(raw)
        elif kind == server_message_lengths.END_OF_CONTINUOUS_UPDATES:
            event = ContinuousUpdatesEnded()
        else:
            raise AssertionError("only messages that could be measured get here")
        self._events.append(event)

    def _next_rectangle(self) -> None:
        if self._rectangles_left:
            self._step = ServerStream._rectangle
        else:
            self._step = ServerStream._message
            self._events.append(UpdateEnded(self._delivered, self._picture))

    def _rectangle(self, buffer: _Buffer, at: int, end: int) -> int:
        if end - at < _RECTANGLE_BYTES:
            return -_RECTANGLE_BYTES
        header = RECTANGLE_HEADER.unpack_from(buffer, at)
        x, y, width, height, encoding = header
        start = at + _RECTANGLE_BYTES
        if encoding == LAST_RECT:
            self._rectangles_left = 0
            self._next_rectangle()
            return start
        if encoding in rectangles.PICTURES and (x + width > self.width or y + height > self.height):
            raise WireError(
                f"a rectangle of {width} by {height} at {x}, {y}"
                f" outside the framebuffer of {self.width} by {self.height}"
            )
        if encoding == TIGHT and (stop := self._whole_tights(buffer, start, end, header)):
            return stop
        self._header = header
        if encoding == HEXTILE:
            return self._start_hextile(buffer, start, end, self._pixel_bytes)
        if encoding == RAW and width and height:
            self.body_bytes = width * height * self._pixel_bytes
            self._events.append(RawStarted(x, y, width, height, self.body_bytes))
            self._step = ServerStream._raw
            return start
        if encoding == CURSOR_WITH_ALPHA and end - start >= 4:
            rectangles.check_cursor(width, height)
            inner = rectangles.alpha_encoding(buffer, start)
            if inner == HEXTILE:
                self._body += buffer[start : start + 4]
                return self._start_hextile(buffer, start + 4, end, ALPHA_PIXEL_BYTES)
        length = rectangles.measure(
            encoding, width, height, self._pixel_bytes, self._tpixel_bytes, buffer, start, end
        )
        if length < 0:
            return length - _RECTANGLE_BYTES
        if encoding == DESKTOP_NAME and length > _NAME_BYTES:
            self._skip_left = length - _NAME_BYTES
            return self._collect(buffer, start, end, _NAME_BYTES, ServerStream._cut_name)
        if length > rectangles.MAX_RECTANGLE_BYTES:
            raise WireError(f"a rectangle of {length} bytes in encoding {encoding}")
        return self._collect(buffer, start, end, length, ServerStream._finish_rectangle)

    def _whole_tights(
        self, buffer: _Buffer, at: int, end: int, header: tuple[int, int, int, int, int]
    ) -> int:
        """The end of all Tight rectangles in a row that lie wholly in the buffer; 0: none does.

        What `_collect` and those that it calls do for all, for the many small ones at once, as far
        as a feed goes.

        Args:
            buffer: What was fed.
            at: Where the first one's data begins.
            end: Of the buffer.
            header: The first one's.
        """
        events, pixel_bytes, tpixel_bytes = self._events, self._pixel_bytes, self._tpixel_bytes
        done = 0
        while True:
            x, y, width, height, encoding = header
            length, layout = measured(
                buffer, at, end, width, height, pixel_bytes, tpixel_bytes, False
            )
            stop = at + length
            if layout is None or stop > end:
                return done
            wire = bytes(buffer[at - _RECTANGLE_BYTES : stop])
            data = wire[_RECTANGLE_BYTES:]
            events.append(RectangleReceived(x, y, width, height, encoding, data, layout, wire))
            self._delivered += 1
            self._work += width * height * tpixel_bytes // _INFLATED_WORK_BYTES
            if width and height:
                self._picture = True
            self._rectangles_left -= 1
            if not self._rectangles_left:
                self._next_rectangle()
                return stop
            if end - stop < _RECTANGLE_BYTES or self._work >= self._most_work:
                return stop
            header = x, y, width, height, encoding = RECTANGLE_HEADER.unpack_from(buffer, stop)
            if encoding != TIGHT or x + width > self.width or y + height > self.height:
                # For `_rectangle` to say what it is.
                return stop
            self._work += 1
            done, at = stop, stop + _RECTANGLE_BYTES

    def _cut_name(self, data: bytes) -> None:
        name = _U32.pack(NAME_MAX_BYTES) + data[4:]
        self._skip_rest(partial(ServerStream._finish_rectangle, data=name))

    def _finish_rectangle(self, data: bytes) -> None:
        x, y, width, height, encoding = self._header
        if encoding == COPY_RECT:
            rectangles.check_copy(data, width, height, self.width, self.height)
        self._deliver(RectangleReceived(x, y, width, height, encoding, data))
        if encoding == DESKTOP_SIZE or (encoding == EXTENDED_DESKTOP_SIZE and y == 0):
            rectangles.check_framebuffer(width, height)
            self.width, self.height = width, height
        self._rectangles_left -= 1
        self._next_rectangle()

    def _deliver(self, rectangle: RectangleReceived) -> None:
        self._events.append(rectangle)
        self._delivered += 1
        if rectangle.encoding == TIGHT:
            inflated_bytes = rectangle.width * rectangle.height * self._tpixel_bytes
            self._work += inflated_bytes // _INFLATED_WORK_BYTES
        if rectangle.encoding in rectangles.PICTURES and rectangle.width and rectangle.height:
            self._picture = True

    def _raw(self, buffer: _Buffer, at: int, end: int) -> int:
        stop = min(at + self.body_bytes, end)
        self._events.append(RawReceived(memoryview(buffer)[at:stop]))
        self.body_bytes -= stop - at
        if not self.body_bytes:
            self._end_raw()
        return stop

    def _end_raw(self) -> None:
        self._events.append(RawEnded())
        self._delivered += 1
        self._picture = True
        self._rectangles_left -= 1
        self._next_rectangle()

    def _start_hextile(self, buffer: _Buffer, at: int, end: int, pixel_bytes: int) -> int:
        _, _, width, height, _ = self._header
        self._hextile_walk = HextileWalk(width, height, pixel_bytes)
        self._step = ServerStream._hextile
        return self._hextile(buffer, at, end)

    def _hextile(self, buffer: _Buffer, at: int, end: int) -> int:
        stop = self._hextile_walk.walk(buffer, at, min(end, at + _WALK_BYTES))
        self._work += self._hextile_walk.take_tiles() // _TILES_OF_WORK
        body = self._body
        if self._hextile_walk.done and not body:
            self._finish_rectangle(bytes(buffer[at:stop]))
            return stop
        body += buffer[at:stop]
        if len(body) > rectangles.MAX_RECTANGLE_BYTES:
            raise WireError("a Hextile rectangle of more bytes than are held")
        if self._hextile_walk.done:
            self._finish_body(ServerStream._finish_rectangle)
        return stop

    def _collect(
        self,
        buffer: _Buffer,
        at: int,
        end: int,
        length: int,
        finish: Callable[[ServerStream, bytes], None],
    ) -> int:
        """Take `length` bytes, over as many feeds as it needs, and give them to `finish`."""
        stop = at + length
        if stop <= end:
            finish(self, bytes(buffer[at:stop]))
            return stop
        self._finish = finish
        self._body += buffer[at:end]
        self._body_left = stop - end
        self._step = ServerStream._collect_on
        return end

    def _collect_on(self, buffer: _Buffer, at: int, end: int) -> int:
        stop = min(at + self._body_left, end)
        self._body += buffer[at:stop]
        self._body_left -= stop - at
        if not self._body_left:
            self._finish_body(self._finish)
        return stop

    def _finish_body(self, finish: Callable[[ServerStream, bytes], None]) -> None:
        data = bytes(self._body)
        self._body = bytearray()
        finish(self, data)

    def _skip(self, at: int, end: int, length: int, event: ServerEvent) -> int:
        self._skip_left = length
        self._skip_rest(partial(ServerStream._finish_skipped, event=event))
        return self._skip_on(b"", at, end)

    def _skip_rest(self, finish: Callable[[ServerStream], None]) -> None:
        self._finish_skip = finish
        self._step = ServerStream._skip_on

    def _finish_skipped(self, event: ServerEvent) -> None:
        self._step = ServerStream._message
        self._events.append(event)

    def _skip_on(self, _buffer: _Buffer, at: int, end: int) -> int:
        stop = min(at + self._skip_left, end)
        self._skip_left -= stop - at
        if not self._skip_left:
            self._finish_skip(self)
        return stop
