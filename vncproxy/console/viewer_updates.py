"""What one viewer sees: cuts the upstream's updates to what this viewer asked for and can decode.

How they are framed is `UpdateWriter`'s. Laws (design, rules 3, 4, 5 and 8):

1. What the viewer didn't ask for is never sent to it; the picture under it counts as uncovered.
2. CopyRect goes only to a viewer that has the whole picture.
3. A viewer that missed a zlib rectangle of Tight gets them deflated afresh, each with its reset
   bit, until the next link.
4. An update is for a viewer that has asked for it or, with continuous updates, whose line has room.
5. A viewer may want its pixels in another order of bytes than the console's.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from vncproxy.console.congestion_control import CongestionControl
from vncproxy.console.faults import contained
from vncproxy.console.screen_state import ScreenState
from vncproxy.console.update_writer import UpdateWriter
from vncproxy.rfb import encodings as enc
from vncproxy.rfb import viewer_messages
from vncproxy.rfb.pixel_order import PIXEL_BYTES, PixelOrder
from vncproxy.rfb.region import Uncovered
from vncproxy.rfb.server_events import Pixels, RawStarted, RectangleReceived, plain_slices
from vncproxy.rfb.tight import TightLayout
from vncproxy.rfb.tight_streams import InflatedTight, StreamResets

_log = structlog.get_logger("vncproxy.console")

_HEADER = struct.Struct(">HHHHi")
_FENCE_BLOCKS = 0b11
"""BlockBefore and BlockAfter, the flags that the daemon honours. Source: rfbproto, ServerFence."""
_FENCE_REQUEST = 1 << 31 | 1
Area: TypeAlias = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


@dataclass(frozen=True, slots=True)
class TightPart:
    """What all viewers share of a Tight rectangle."""

    layout: TightLayout
    inflated: InflatedTight

    @property
    def moves_streams(self) -> bool:
        """Whether a viewer that misses it is out of step with the link's zlib streams."""
        return self.layout.zlib or self.layout.resets != 0


class ViewerUpdates:
    """One viewer's view of the console's screen."""

    def __init__(
        self, memory: ScreenState, pace: CongestionControl, *, hold_bytes: int, in_step: bool
    ) -> None:
        """A viewer that got ServerInit from `memory` just now.

        Args:
            memory: What is known of the screen, brought up to date by `SharedScreen`.
            pace: Of the viewer's line.
            hold_bytes: See `UpdateWriter`.
            in_step: No zlib rectangle of this link has passed yet.
        """
        self._memory = memory
        self._pace = pace
        self._writer = UpdateWriter(hold_bytes)
        self._offered = False
        self._continuous = False
        self._taking = False
        self._marked_bytes = 0
        self._unmarked_since: float | None = None
        self._in_place = False
        self._raw: RawStarted | None = None
        self._raw_order: PixelOrder | None = None
        self._raw_rest = b""
        self._size = (memory.width, memory.height)
        self._sent_name = memory.name
        self.name_prefix = ""
        self._sent_cursor: RectangleReceived | None = None
        self._sent_led: RectangleReceived | None = None
        self._sent_layout: RectangleReceived | None = None
        self._sent_qemu_keys = False
        self._sent_buttons = False
        self._sent_map = b""
        self._in_step = in_step
        self._order: PixelOrder | None = None
        self._resets = StreamResets()
        self._uncovered = Uncovered(memory.width, memory.height)
        self._answered = self._asked_again = False
        self.encodings: tuple[int, ...] = (enc.RAW,)
        self._known = frozenset(self.encodings)
        self._asked_area: Area | None = None
        self.has_chosen = False
        self.started = False
        self.wants = False
        self.ready = True
        self._has_read_all = False
        self.broken = False
        """The daemon had a fault with it: what follows isn't for its viewer."""
        self.lost = False
        """The screen has a size that the viewer doesn't understand: what follows isn't for it."""

    def failed(self) -> None:
        """A fault of the daemon with it: its viewer ends, the others' screens go on."""
        if not self.broken:
            self.broken = True
            _log.exception("screen.fault")

    @property
    def in_step(self) -> bool:
        """Whether its zlib streams of Tight are the link's own."""
        return self._in_step

    @property
    def synced(self) -> bool:
        """Whether the viewer has the whole picture."""
        return self._uncovered.complete

    @property
    def missing(self) -> Area | None:
        """The smallest area that holds all that the viewer lacks."""
        if not self.started:
            return None
        area = None
        for box in self._uncovered.boxes:
            area = union(area, box)
        return area

    @property
    def extended_buttons(self) -> bool:
        """Whether the viewer was sent that it may send 7-byte pointer events."""
        return self._sent_buttons

    def set_encodings(self, encodings: tuple[int, ...], now: float) -> None:
        """The viewer's SetEncodings; what it may now be sent is sent."""
        self.encodings = encodings
        self._known = frozenset(encodings) | {enc.RAW}
        self.has_chosen = True
        self.introduce()
        if not self._offered and {enc.FENCE, enc.CONTINUOUS_UPDATES} <= self._known:
            self._offered = True
            # The first of each shows the viewer that the daemon knows them.
            self._writer.message(_fence(self._pace.mark(0, now)))
            self._writer.message(viewer_messages.end_of_continuous_updates())

    def reorder(self, order: PixelOrder | None) -> None:
        """The viewer's SetPixelFormat, from here on.

        Args:
            order: None: the console's format.
        """
        if order == self._order:
            return
        self._order = order
        self._sent_cursor = None
        self.introduce()

    @property
    def reorders(self) -> bool:
        """Whether it has another order of bytes than the console's."""
        return self._order is not None

    def requested(self, *, incremental: bool, x: int, y: int, width: int, height: int) -> None:
        """The viewer's FramebufferUpdateRequest."""
        if not self.started:
            self.started = True
            # Of a size, say, that it can't follow without having named any encodings.
            self.introduce()
        self.wants = True
        # In the middle of an update: it has seen its head, and asks for what follows it.
        self._asked_again = self._writer.has_begun
        if incremental:
            return
        width = max(0, min(width, self._size[0] - x))
        height = max(0, min(height, self._size[1] - y))
        if width and height:
            self._uncovered.uncover(x, y, width, height)
            self._asked_area = union(self._asked_area, (x, y, width, height))

    def enable_continuous(self, *, enable: bool) -> None:
        """The viewer's EnableContinuousUpdates; the area is taken to be the whole screen."""
        if not self._offered:
            return
        self.started = self.started or enable
        if self._continuous and not enable:
            # The viewer may change its pixel format at the end: no update of before may follow it.
            self._writer.cut()
            self._taking = False
            self._writer.message(viewer_messages.end_of_continuous_updates())
        self._continuous = enable

    def fence_asked(self, flags: int, payload: bytes) -> None:
        """A fence of the viewer's: answered in its place, since everything is sent in order."""
        if self._offered:
            self._writer.message(viewer_messages.server_fence(flags & _FENCE_BLOCKS, payload))

    def fence_answered(self, payload: bytes, now: float) -> None:
        """The viewer has read and decoded everything up to a fence."""
        self._pace.answered(payload, now)

    @property
    def drives(self) -> bool:
        """Whether the upstream is to be asked for a frame for this viewer's sake."""
        if not (self.ready and self.started) or self._writer.is_filling:
            return False
        return self._pace.open if self._continuous else self.wants

    @contained
    def update_started(self, count: int | None) -> None:
        """The upstream begins an update: this viewer takes part in the whole of it, or not.

        Args:
            count: Of its rectangles; None: open.
        """
        self._taking = self.drives
        self._answered = self._asked_again = False
        if self._taking:
            self._writer.begin(count, last_rect=self._knows_last_rect)

    @property
    def _knows_last_rect(self) -> bool:
        return enc.LAST_RECT in self._known

    @contained
    def rectangle(self, rect: RectangleReceived, wire: bytes, tight: TightPart | None) -> None:
        """A picture rectangle came from the upstream; `wire` is it with its header."""
        if not self._takes(rect.encoding):
            self.missed(rect, tight)
            return
        if tight is not None and tight.moves_streams:
            data = self._tight_data(rect, tight)
            if data is None:
                self.missed(rect, tight)
                return
            wire = wire[: _HEADER.size] + data
        elif self._order is not None:
            wire = self._reordered(rect)
        self._uncovered.cover(rect.x, rect.y, rect.width, rect.height)
        self._answered = True
        self._writer.put(wire)
        self._writer.end_rectangle()

    @contained
    def raw_started(self, start: RawStarted, header: bytes) -> None:
        """A Raw rectangle begins; `header` is it on the wire, before its pixels."""
        self._raw = None
        if self._takes(enc.RAW):
            self._raw, self._raw_order, self._raw_rest = start, self._order, b""
            self._answered = True
            self._writer.start_raw(header, start.size_bytes)

    @contained
    def raw(self, slices: Sequence[Pixels], size_bytes: int) -> None:
        """Its next pixels, `size_bytes` of them."""
        if self._raw is None:
            return
        if self._raw_order is not None:
            data = b"".join((self._raw_rest, *plain_slices(slices)))
            size_bytes = len(data) - len(data) % PIXEL_BYTES
            slices = (self._raw_order.pixels(data[:size_bytes]),)
            self._raw_rest = data[size_bytes:]
        self._writer.raw(slices, size_bytes)

    def take_pixels(self) -> list[Pixels]:
        """What is to be sent now, in the midst of a Raw rectangle."""
        return self._writer.take_pixels()

    @contained
    def raw_ended(self, start: RawStarted) -> None:
        """It is over, whether or not it was for this viewer.

        The rows that it was sent count, so that one that can't keep up comes closer each time.
        """
        rows = 0
        if self._raw is not None:
            rows = self._writer.raw_bytes * start.height // start.size_bytes
            self._uncovered.cover(start.x, start.y, start.width, rows)
        self._uncovered.uncover(start.x, start.y + rows, start.width, start.height - rows)
        self._raw = None
        self._writer.end_rectangle()

    def _tight_data(self, rect: RectangleReceived, tight: TightPart) -> bytes | None:
        if self._in_step:
            return self._resets.apply(rect.data, tight.layout)
        try:
            return tight.inflated.restart()
        except ValueError:
            # Deflated afresh it would be larger than Tight can say; it is missed like any other.
            return None

    def _takes(self, encoding: int) -> bool:
        return (
            self._taking
            and self.ready
            and not self.lost
            and encoding in self._known
            and (encoding != enc.COPY_RECT or self.synced)
            and (self._order is None or self._order.knows(encoding))
        )

    def _reordered(self, rect: RectangleReceived) -> bytes:
        wire = rect.message_bytes
        if self._order is None:
            return wire
        return wire[: _HEADER.size] + self._order.rectangle(rect)

    @contained
    def missed(self, rect: RectangleReceived | RawStarted, tight: TightPart | None) -> None:
        """A picture rectangle isn't for this viewer."""
        self._uncovered.uncover(rect.x, rect.y, rect.width, rect.height)
        if tight is not None and tight.moves_streams:
            self._in_step = False
        self._writer.end_rectangle()

    @contained
    def passed_over(self) -> None:
        """A rectangle came that is for nobody."""
        self._writer.end_rectangle()

    @contained
    def state_changed(self) -> None:
        """A rectangle came that isn't picture; what was in it is in the screen's state."""
        self._in_place = True
        self.introduce()
        self._in_place = False
        self._writer.end_rectangle()

    @contained
    def resize_refused(self, rect: RectangleReceived) -> None:
        """The answer to this viewer's SetDesktopSize: it was refused."""
        if self.ready and enc.EXTENDED_DESKTOP_SIZE in self._known:
            self._writer.put(rect.message_bytes)
        self._writer.end_rectangle()

    @contained
    def update_ended(self) -> None:
        """The upstream's update is over."""
        self._writer.end()
        self._taking = False
        if self._answered:
            # A cursor or a size alone, which some servers send first, is no answer to a request.
            self.wants, self._answered = self._asked_again, False

    @contained
    def message(self, raw: bytes) -> None:
        """A whole message between updates, such as a bell."""
        if self.ready:
            self._writer.message(raw)

    @contained
    def fall_behind(self) -> None:
        """More waits for the viewer than may: it is sent nothing more until it has read all."""
        self.ready = False
        self._writer.fall_behind()
        self._taking = False

    @contained
    def link_lost(self) -> None:
        """What came of an update is all that will come."""
        self._writer.lose()
        self._raw = None
        self._taking = False
        if self._writer.is_filling and self.ready:
            self.ready, self._has_read_all = False, True

    @contained
    def link_replaced(self, memory: ScreenState) -> None:
        """The link was replaced: the decoder is made to begin anew, and nothing is taken as known.

        Source: rfbproto, Tight Encoding (the four reset bits).
        """
        self._memory = memory
        self._in_step = True
        self._resets.link_replaced()
        self._uncovered.reset(memory.width, memory.height)
        self.wants = self.started
        self.introduce()

    def first_name(self) -> str:
        """The desktop's name for ServerInit."""
        self._sent_name = self.name_prefix + self._memory.name
        return self._sent_name

    @contained
    def introduce(self) -> None:
        """Send what the viewer asked for by its encodings and doesn't know yet."""
        if not self.ready:
            return
        memory = self._memory
        self._send_size()
        name = self.name_prefix + memory.name
        if name != self._sent_name and enc.DESKTOP_NAME in self._known:
            self._sent_name = name
            self._add(_desktop_name(name))
        cursor = memory.cursor
        if (
            cursor is not None
            and cursor is not self._sent_cursor
            and cursor.encoding in self._known
        ):
            self._sent_cursor = cursor
            self._add(self._reordered(cursor))
        led = memory.led_state
        if led is not None and led is not self._sent_led and enc.QEMU_LED_STATE in self._known:
            self._sent_led = led
            self._add(led.message_bytes)
        if memory.qemu_keys and not self._sent_qemu_keys and enc.QEMU_EXTENDED_KEY in self._known:
            self._sent_qemu_keys = True
            self._add(_confirmation(enc.QEMU_EXTENDED_KEY))
        if (
            memory.extended_buttons
            and not self._sent_buttons
            and enc.EXTENDED_MOUSE_BUTTONS in self._known
        ):
            self._sent_buttons = True
            self._add(_confirmation(enc.EXTENDED_MOUSE_BUTTONS))
        if memory.colour_map and memory.colour_map is not self._sent_map:
            self._sent_map = memory.colour_map
            self._writer.message(memory.colour_map)

    def _send_size(self) -> None:
        memory = self._memory
        size = (memory.width, memory.height)
        news = size != self._size
        if not news and (memory.layout is self._sent_layout or memory.layout is None):
            return
        if enc.EXTENDED_DESKTOP_SIZE in self._known and (news or memory.layout is not None):
            self._sent_layout = memory.layout
            layout = memory.layout
            wire = layout.message_bytes if layout else viewer_messages.extended_desktop_size(*size)
        elif news and enc.DESKTOP_SIZE in self._known:
            wire = viewer_messages.desktop_size(*size)
        elif news:
            # One that has just come may yet say that it knows sizes.
            self.lost = self.has_chosen or self.started
            return
        else:
            return
        if not news:
            self._add(wire)
            return
        (self._writer.put_size if self._in_place else self._writer.add_size)(wire)
        self._size = size
        self._uncovered.reset(*size)

    def _add(self, wire: bytes) -> None:
        (self._writer.put if self._in_place else self._writer.add)(wire)

    def take_asked_area(self) -> Area | None:
        """The area whose full update the viewer asked for since the last call."""
        area, self._asked_area = self._asked_area, None
        return area

    @contained
    def caught_up(self) -> None:
        """The viewer has read all that was sent: send what was held back meanwhile."""
        if self._writer.is_filling:
            self._has_read_all = True
            return
        self.ready, self._has_read_all = True, False
        self.introduce()

    @property
    def has_more(self) -> bool:
        """Whether another `take` with room gives more."""
        return self._writer.is_filling

    @contained
    def forget_picture(self) -> None:
        """The pixel format changed: nothing that was drawn counts any more."""
        self._uncovered.reset(*self._size)
        self.wants = self.started

    def probe(self, now: float) -> list[bytes]:
        """A fence that measures the line, to be sent on its own before what `take` gives.

        In one WebSocket message with more it would be seen only once all that has come.
        """
        if not self._offered or not self._unmarked_bytes or self._writer.is_mid_message:
            return []
        payload = self._pace.probe(now)
        return [] if payload is None else [_fence(payload)]

    def take(self, now: float, *, room: bool = True) -> list[Pixels]:
        """What is to be sent to the viewer now, and a fence after pictures.

        Args:
            now: Monotonic seconds.
            room: For pixels that must be made up: it isn't behind.
        """
        out = self._writer.take(room=room)
        if self._has_read_all and not self._writer.is_filling:
            self.caught_up()
            out += self._writer.take()
        unmarked = self._unmarked_bytes
        if unmarked and self._unmarked_since is None:
            self._unmarked_since = now
        if self._offered and unmarked and not self._writer.is_open:
            out.append(_fence(self._pace.mark(unmarked, now, since=self._unmarked_since)))
            self._marked_bytes = self._writer.update_bytes
            self._unmarked_since = None
        return out

    @property
    def _unmarked_bytes(self) -> int:
        return self._writer.update_bytes - self._marked_bytes

    @property
    def unanswered_since(self) -> float | None:
        """Since when the viewer has shown by no answer that it reads; None: none is due."""
        return self._pace.unanswered_since


def _fence(payload: bytes) -> bytes:
    return viewer_messages.server_fence(_FENCE_REQUEST, payload)


def _desktop_name(name: str) -> bytes:
    """Source: rfbproto, DesktopName Pseudo-encoding."""
    text = name.encode()
    return _HEADER.pack(0, 0, 0, 0, enc.DESKTOP_NAME) + struct.pack(">I", len(text)) + text


def _confirmation(encoding: int) -> bytes:
    return _HEADER.pack(0, 0, 0, 0, encoding)


def union(first: Area | None, second: Area) -> Area:
    """The smallest area that holds both."""
    if first is None:
        return second
    left, top = min(first[0], second[0]), min(first[1], second[1])
    right = max(first[0] + first[2], second[0] + second[2])
    bottom = max(first[1] + first[3], second[1] + second[3])
    return left, top, right - left, bottom - top
