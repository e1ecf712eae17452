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
from typing import Protocol, TypeAlias

import structlog

from vncproxy.console.fault_isolation import contained
from vncproxy.console.rectangle_runs import RectangleRun, TightPart, Wires
from vncproxy.rfb import encodings as enc
from vncproxy.rfb import viewer_messages
from vncproxy.rfb.congestion_control import CongestionControl
from vncproxy.rfb.pixel_order import PIXEL_BYTES, PixelOrder
from vncproxy.rfb.region import Uncovered
from vncproxy.rfb.screen_state import ScreenState, ToldState
from vncproxy.rfb.server_events import Pixels, RawStarted, RectangleReceived, plain_slices
from vncproxy.rfb.tight_streams import StreamResets
from vncproxy.rfb.update_writer import UpdateWriter

_log = structlog.get_logger("vncproxy.console")

_HEADER = struct.Struct(">HHHHi")
_FENCE_BLOCKS = 0b11
"""BlockBefore and BlockAfter, the flags that the daemon honours. Source: rfbproto, ServerFence."""
_FENCE_REQUEST = 1 << 31 | 1
Area: TypeAlias = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


class RawReceiver(Protocol):
    """What takes the pixels of a Raw rectangle under way for one viewer."""

    def raw(self, slices: Sequence[Pixels], size_bytes: int) -> None:
        """The next pixels, `size_bytes` of them."""


class _ReorderedRaw:
    """Rearranges the bytes of each pixel for a viewer with another order of them."""

    def __init__(self, writer: UpdateWriter, order: PixelOrder) -> None:
        self._writer = writer
        self._order = order
        self._rest = b""

    def raw(self, slices: Sequence[Pixels], size_bytes: int) -> None:
        """The next pixels, cut anywhere."""
        data = b"".join((self._rest, *plain_slices(slices)))
        whole_bytes = len(data) - len(data) % PIXEL_BYTES
        self._rest = data[whole_bytes:]
        self._writer.raw((self._order.pixels(data[:whole_bytes]),), whole_bytes)


class ViewerUpdates:
    """One viewer's view of the console's screen.

    Attributes:
        writer: Frames what the viewer is sent.
        congestion_control: Of the viewer's line.
        in_step: Whether its zlib streams of Tight are the link's own.
        told_state: What it was told besides pixels.
        is_paced: Its line is measured by fences, which it knows.
        reorders: Whether it has another order of bytes than the console's.
        raw_to: What takes the pixels of the Raw rectangle under way for this viewer; None: it gets
            none of them.
    """

    def __init__(
        self,
        memory: ScreenState,
        congestion_control: CongestionControl,
        *,
        hold_bytes: int,
        in_step: bool,
    ) -> None:
        """A viewer that got ServerInit from `memory` just now.

        Args:
            memory: What is known of the screen, brought up to date by `SharedScreen`.
            congestion_control: Of the viewer's line.
            hold_bytes: See `UpdateWriter`.
            in_step: No zlib rectangle of this link has passed yet.
        """
        self._memory = memory
        self.congestion_control = congestion_control
        self.writer = UpdateWriter(hold_bytes)
        self.raw_to: RawReceiver | None = None
        self.is_paced = False
        self._continuous = False
        self._taking = False
        self._marked_bytes = 0
        self._unmarked_since: float | None = None
        self._in_place = False
        self.told_state = ToldState(memory)
        self.in_step = in_step
        self._order: PixelOrder | None = None
        self.reorders = False
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
    def synced(self) -> bool:
        """Whether the viewer has the whole picture."""
        return self._uncovered.complete

    @property
    def missing(self) -> Area | None:
        """The smallest area that holds all that the viewer lacks."""
        if not self.started or self._uncovered.complete:
            return None
        area = None
        for box in self._uncovered.boxes:
            area = union(area, box)
        return area

    def set_encodings(self, encodings: tuple[int, ...], now: float) -> None:
        """The viewer's SetEncodings; what it may now be sent is sent."""
        self.encodings = encodings
        self._known = frozenset(encodings) | {enc.RAW}
        self.has_chosen = True
        self.introduce()
        if not self.is_paced and {enc.FENCE, enc.CONTINUOUS_UPDATES} <= self._known:
            self.is_paced = True
            # The first of each tells the viewer that the daemon knows them.
            self.writer.message(_fence(self.congestion_control.mark(0, now)))
            self.writer.message(viewer_messages.end_of_continuous_updates())

    def reorder(self, order: PixelOrder | None) -> None:
        """The viewer's SetPixelFormat, from here on.

        Args:
            order: None: the console's format.
        """
        if order == self._order:
            return
        self._order, self.reorders = order, order is not None
        self.told_state.forget_cursor()
        self.introduce()

    def requested(self, *, incremental: bool, x: int, y: int, width: int, height: int) -> None:
        """The viewer's FramebufferUpdateRequest."""
        if not self.started:
            self.started = True
            # Of a size, say, that it can't follow without having named any encodings.
            self.introduce()
        self.wants = True
        # In the middle of an update: it has seen its head, and asks for what follows it.
        self._asked_again = self.writer.has_begun
        if incremental:
            return
        width = max(0, min(width, self.told_state.size[0] - x))
        height = max(0, min(height, self.told_state.size[1] - y))
        if width and height:
            self._uncovered.uncover(x, y, width, height)
            self._asked_area = union(self._asked_area, (x, y, width, height))

    def enable_continuous(self, *, enable: bool) -> None:
        """The viewer's EnableContinuousUpdates; the area is taken to be the whole screen."""
        if not self.is_paced:
            return
        self.started = self.started or enable
        if self._continuous and not enable:
            # The viewer may change its pixel format at the end: no update of before may follow it.
            self.writer.cut()
            self._taking = False
            self.writer.message(viewer_messages.end_of_continuous_updates())
        self._continuous = enable

    def fence_asked(self, flags: int, payload: bytes) -> None:
        """A fence of the viewer's: answered in its place, since everything is sent in order."""
        if self.is_paced:
            self.writer.message(viewer_messages.server_fence(flags & _FENCE_BLOCKS, payload))

    def fence_answered(self, payload: bytes, now: float) -> None:
        """The viewer has read and decoded everything up to a fence."""
        self.congestion_control.answered(payload, now)

    @property
    def drives(self) -> bool:
        """Whether the upstream is to be asked for a frame for this viewer's sake."""
        if not self.ready or self.writer.is_filling:
            return False
        return self.congestion_control.open if self._continuous else self.wants

    # What `SharedScreen` calls for each message it guards itself: a call less than `contained`.

    def update_started(self, count: int | None) -> None:
        """The upstream begins an update: this viewer takes part in the whole of it, or not.

        Args:
            count: Of its rectangles; None: open.
        """
        self._taking = self.drives
        self._answered = self._asked_again = False
        if self._taking:
            self.writer.begin(count, last_rect=enc.LAST_RECT in self._known)

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
            if data is not rect.data:
                wire = wire[: _HEADER.size] + data
        elif self._order is not None:
            wire = self._order.message(rect)
        self._uncovered.cover(rect.x, rect.y, rect.width, rect.height)
        self._answered = True
        self.writer.put_whole((wire,))

    def run(self, run: RectangleRun) -> None:
        """Rectangles came as `rectangle` takes them, in a row: nothing else changes meanwhile."""
        if self._taking and (wires := self._wires(run)) is not None:
            if not self._uncovered.complete:
                self._cover(run)
            self._answered = True
            self.writer.put_whole(wires.each)
            return
        for rect, wire, tight in zip(run.rects, run.wires.each, run.parts(), strict=True):
            self.rectangle(rect, wire, tight)

    def whole_update(self, update: RectangleRun) -> None:
        """An update came of these rectangles alone: all that its beginning, they and its end do."""
        if self.drives and self.writer.is_idle and (wires := self._wires(update)) is not None:
            if not self._uncovered.complete:
                self._cover(update)
            self.wants = self._answered = self._asked_again = False
            self.writer.whole_update(wires.update())
            return
        self.update_started(len(update.rects))
        self.run(update)
        self.update_ended()

    def _wires(self, run: RectangleRun) -> Wires | None:
        """As this viewer gets them, if it takes all of them in a form that others share."""
        if (
            self.lost
            or self._order is not None
            or not run.encodings <= self._known
            or (enc.COPY_RECT in run.encodings and not self._uncovered.complete)
        ):
            return None
        if not run.moves_streams or (self.in_step and not self._resets.pending):
            return run.wires
        return None if self.in_step else run.restarted()

    def _cover(self, run: RectangleRun) -> None:
        for rect in run.rects:
            self._uncovered.cover(rect.x, rect.y, rect.width, rect.height)

    def raw_started(self, start: RawStarted, header: bytes) -> None:
        """A Raw rectangle begins; `header` is it on the wire, before its pixels."""
        self.raw_to = None
        if self._takes(enc.RAW):
            order, writer = self._order, self.writer
            self.raw_to = writer if order is None else _ReorderedRaw(writer, order)
            self._answered = True
            writer.start_raw(header, start.size_bytes)

    def raw(self, slices: Sequence[Pixels], size_bytes: int) -> None:
        """Its next pixels, `size_bytes` of them."""
        if self.raw_to is not None:
            self.raw_to.raw(slices, size_bytes)

    def raw_ended(self, start: RawStarted) -> None:
        """It is over, whether or not it was for this viewer.

        The rows that it was sent count, so that one that can't keep up comes closer each time.
        """
        rows = 0
        if self.raw_to is not None:
            rows = self.writer.raw_bytes * start.height // start.size_bytes
            if not self._uncovered.complete:
                self._uncovered.cover(start.x, start.y, start.width, rows)
        if rows < start.height:
            self._uncovered.uncover(start.x, start.y + rows, start.width, start.height - rows)
        self.writer.end_rectangle()

    def _tight_data(self, rect: RectangleReceived, tight: TightPart) -> bytes | None:
        if self.in_step:
            return self._resets.apply(rect.data, tight.layout)
        try:
            return tight.inflated.restart()
        except ValueError:
            # Deflated afresh it would be larger than Tight can say; it is missed like any other.
            return None

    def _takes(self, encoding: int) -> bool:
        return (
            self._taking
            and not self.lost
            and encoding in self._known
            and (encoding != enc.COPY_RECT or self.synced)
            and (self._order is None or self._order.knows(encoding))
        )

    @contained
    def missed(self, rect: RectangleReceived | RawStarted, tight: TightPart | None) -> None:
        """A picture rectangle isn't for this viewer."""
        self._uncovered.uncover(rect.x, rect.y, rect.width, rect.height)
        if tight is not None and tight.moves_streams:
            self.in_step = False
        self.writer.end_rectangle()

    @contained
    def passed_over(self) -> None:
        """A rectangle came that is for nobody."""
        self.writer.end_rectangle()

    @contained
    def state_changed(self) -> None:
        """A rectangle came that isn't picture; what was in it is in the screen's state."""
        self._in_place = True
        self.introduce()
        self._in_place = False
        self.writer.end_rectangle()

    @contained
    def resize_refused(self, rect: RectangleReceived) -> None:
        """The answer to this viewer's SetDesktopSize: it was refused."""
        if self.ready and enc.EXTENDED_DESKTOP_SIZE in self._known:
            self.writer.put(rect.message_bytes)
        self.writer.end_rectangle()

    def update_ended(self) -> None:
        """The upstream's update is over."""
        self.writer.end()
        if self._answered:
            # A cursor or a size alone, which some servers send first, is no answer to a request.
            self.wants, self._answered = self._asked_again, False

    @contained
    def message(self, raw: bytes) -> None:
        """A whole message between updates, such as a bell."""
        if self.ready:
            self.writer.message(raw)

    @contained
    def fall_behind(self) -> None:
        """More waits for the viewer than may: it is sent nothing more until it has read all."""
        self.ready = False
        self.writer.fall_behind()
        self._taking = False

    @contained
    def link_lost(self) -> None:
        """What came of an update is all that will come."""
        self.writer.lose()
        if self.writer.is_filling and self.ready:
            self.ready, self._has_read_all = False, True

    @contained
    def link_replaced(self, memory: ScreenState) -> None:
        """The link was replaced: the decoder is made to begin anew, and nothing is taken as known.

        Source: rfbproto, Tight Encoding (the four reset bits).
        """
        self._memory = memory
        self.in_step = True
        self._resets.link_replaced()
        self._uncovered.reset(memory.width, memory.height)
        self.wants = self.started
        self.introduce()

    def first_name(self) -> str:
        """The desktop's name for ServerInit."""
        return self.told_state.first_name(self._memory)

    @contained
    def introduce(self) -> None:
        """Send what the viewer asked for by its encodings and doesn't know yet."""
        if not self.ready:
            return
        memory, told, known = self._memory, self.told_state, self._known
        self._tell_size()
        for wire in told.news(memory, known, self._order):
            self._tell(wire)
        if message := told.news_of_colours(memory):
            self.writer.message(message)

    def _tell_size(self) -> None:
        memory, told = self._memory, self.told_state
        before = told.size
        wire = told.news_of_size(memory, self._known)
        if told.size != before:
            assert wire is not None, "it is told"
            (self.writer.put_size if self._in_place else self.writer.add_size)(wire)
            self._uncovered.reset(*told.size)
        elif wire is not None:
            self._tell(wire)
        elif told.size != (memory.width, memory.height):
            # One that has just come may yet say that it knows sizes.
            self.lost = self.has_chosen or self.started

    def _tell(self, wire: bytes) -> None:
        (self.writer.put if self._in_place else self.writer.add)(wire)

    @property
    def lacks_any(self) -> bool:
        """Whether it has an area to ask for: `take_asked_area`, or `missing`."""
        return self._asked_area is not None or (self.started and not self._uncovered.complete)

    @property
    def asks_for_area(self) -> bool:
        """Whether `take_asked_area` has one to give."""
        return self._asked_area is not None

    def take_asked_area(self) -> Area | None:
        """The area whose full update the viewer asked for since the last call."""
        area, self._asked_area = self._asked_area, None
        return area

    @contained
    def caught_up(self) -> None:
        """The viewer has read all that was sent: tell it what it wasn't told meanwhile."""
        if self.writer.is_filling:
            self._has_read_all = True
            return
        self.ready, self._has_read_all = True, False
        self.introduce()

    @contained
    def forget_picture(self) -> None:
        """The pixel format changed: nothing that was drawn counts any more."""
        self._uncovered.reset(*self.told_state.size)
        self.wants = self.started

    def probe(self, now: float) -> list[bytes]:
        """A fence that measures the line, to be sent on its own before what `take` gives.

        In one WebSocket message with more it would be seen only once all that has come.
        """
        writer = self.writer
        if not self.is_paced or writer.is_mid_message or writer.update_bytes == self._marked_bytes:
            return []
        payload = self.congestion_control.probe(now)
        return [] if payload is None else [_fence(payload)]

    def take(self, now: float, *, room: bool = True) -> list[Pixels]:
        """What is to be sent to the viewer now, and a fence after pictures.

        Args:
            now: Monotonic seconds.
            room: For pixels that must be made up: it isn't behind.
        """
        out = self.writer.take(room=room)
        if self._has_read_all and not self.writer.is_filling:
            self.caught_up()
            out += self.writer.take()
        if not self.is_paced:
            return out
        unmarked = self.writer.update_bytes - self._marked_bytes
        if unmarked and self._unmarked_since is None:
            self._unmarked_since = now
        if unmarked and not self.writer.is_open:
            out.append(
                _fence(self.congestion_control.mark(unmarked, now, since=self._unmarked_since))
            )
            self._marked_bytes = self.writer.update_bytes
            self._unmarked_since = None
        return out


def _fence(payload: bytes) -> bytes:
    return viewer_messages.server_fence(_FENCE_REQUEST, payload)


def union(first: Area | None, second: Area) -> Area:
    """The smallest area that holds both."""
    if first is None:
        return second
    left, top = min(first[0], second[0]), min(first[1], second[1])
    right = max(first[0] + first[2], second[0] + second[2])
    bottom = max(first[1] + first[3], second[1] + second[3])
    return left, top, right - left, bottom - top
