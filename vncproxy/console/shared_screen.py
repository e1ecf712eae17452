"""One upstream's picture for all viewers of a console, and the requests that drive it.

Pure: events in, bytes out; `now` is monotonic seconds. The console is its only shell.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce
from itertools import chain

from vncproxy.console.congestion_control import CongestionControl
from vncproxy.console.format_switch import FormatSwitch
from vncproxy.console.recorder import Recorder
from vncproxy.console.screen_state import ScreenState
from vncproxy.console.viewer_updates import Area, TightPart, ViewerUpdates, union
from vncproxy.rfb import client_messages
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.pixel_order import PixelOrder
from vncproxy.rfb.raw_strips import RawStrips
from vncproxy.rfb.server_events import (
    BellRung,
    ColourMapSet,
    CutTextReceived,
    Pixels,
    RawEnded,
    RawReceived,
    RawStarted,
    RectangleReceived,
    ServerEvent,
    UpdateEnded,
    UpdateStarted,
)
from vncproxy.rfb.tight import TightLayout
from vncproxy.rfb.tight import layout as tight_layout
from vncproxy.rfb.tight_streams import STEP_BYTES, Inflation, StatelessTight

_DEFLATES = 3
"""Deflating once for all who need it costs as much as showing it on so many screens."""
FULL_UPDATE_PAUSE_S = 1.0
"""Between two full updates that the daemon itself asks for to complete a viewer's picture."""

_FOR_ALL = enc.CURSORS | {enc.LAST_RECT}
"""Pseudo-encodings that the upstream is asked for only if all viewers know them."""

_UNASKED = enc.CURSORS | {enc.EXTENDED_DESKTOP_SIZE}
"""Not to be had while the format changes: cursors come unasked, so one in the old format could
follow the last probe's answer; and TigerVNC's server answers a request that isn't incremental with
the layout alone."""


class SharedScreen:
    """The screen of one console, over any number of links and viewers."""

    def __init__(self, memory: ScreenState, *, viewer_window_bytes: int) -> None:
        """Begin with the first link's ServerInit.

        Args:
            memory: What ServerInit says; brought up to date with all that follows it.
            viewer_window_bytes: No more than this is under way to a viewer, however fast.
        """
        self.memory = memory
        self._viewer_window_bytes = viewer_window_bytes
        self.viewers: dict[str, ViewerUpdates] = {}
        self.recorders: dict[str, Recorder] = {}
        self._zlib = StatelessTight()
        self._zlib_seen = False
        self._inflating: tuple[RectangleReceived, TightLayout, Inflation] | None = None
        # An upstream that was asked for nothing yet can change its format at once: no rectangle in
        # the old one can be under way.
        self._ever_asked = False
        # Servers keep one request only, and merge what comes on top of it; so one is kept under
        # way. A full one is of its own: until its picture came, what is missing may be in it.
        self._outstanding = False
        self._full_outstanding = False
        self._size_received = False
        self._full_at = float("-inf")
        self._asked: tuple[int, ...] | None = None
        # `_common` is worked out anew only where what it depends on, `_asked_by`, is different.
        self._asked_by: tuple[PixelFormat, bool, list[tuple[int, ...]]] | None = None
        self._common: tuple[int, ...] = ()
        self._switch: FormatSwitch | None = None
        self._raw: RawStarted | None = None
        self._strips: RawStrips | None = None
        self.next_request_at: float | None = None

    # Viewers

    def join(self, viewer_id: str) -> ViewerUpdates:
        """A viewer that is sent this console's ServerInit now."""
        pace = CongestionControl(self._viewer_window_bytes)
        screen = ViewerUpdates(
            self.memory, pace, hold_bytes=self._viewer_window_bytes, in_step=not self._zlib_seen
        )
        self.viewers[viewer_id] = screen
        return screen

    def leave(self, viewer_id: str) -> None:
        """The viewer is gone."""
        self.viewers.pop(viewer_id, None)
        self.recorders.pop(viewer_id, None)

    def became_ready(self, viewer_id: str) -> None:
        """A viewer that was behind has read all it was sent."""
        if (screen := self.viewers.get(viewer_id)) is not None:
            screen.caught_up()

    def fell_behind(self, viewer_id: str) -> None:
        """More waits for a viewer than may."""
        if (screen := self.viewers.get(viewer_id)) is not None:
            screen.fall_behind()

    # The upstream

    def link_lost(self) -> None:
        """The upstream is gone, perhaps in the middle of an update."""
        self._raw = self._strips = self._inflating = None
        for screen in self.viewers.values():
            screen.link_lost()
        for recorder in self.recorders.values():
            recorder.link_lost()

    def link_replaced(self, memory: ScreenState) -> list[bytes]:
        """Another link has replaced the lost one; what to send upstream first.

        The console's pixel format stays, if there are viewers whose decoders rely on it.
        """
        native = memory.pixel_format
        wanted = self.pixel_format if self.viewers else native
        self.memory = replace(memory, pixel_format=wanted)
        self._zlib = StatelessTight()
        self._inflating = None
        self._zlib_seen = self._outstanding = self._full_outstanding = False
        self._ever_asked = self._size_received = False
        self._full_at = float("-inf")
        self._asked = self._switch = None
        for screen in self._screens():
            screen.link_replaced(self.memory)
        return [client_messages.set_pixel_format(wanted)] if wanted != native else []

    @property
    def pixel_format(self) -> PixelFormat:
        """The format that the viewers were promised: `memory`'s, or the one being switched to."""
        return self._switch.pixel_format if self._switch else self.memory.pixel_format

    def choose_format(self, viewer_id: str, pixel_format: PixelFormat) -> list[bytes] | None:
        """A viewer's SetPixelFormat; what to send upstream now, None if it can't have this format.

        A sole viewer's becomes the console's. Beside others, one that wants the same colours in
        other bytes has them rearranged.
        """
        screen = self.viewers[viewer_id]
        if len(self.viewers) == 1:
            # First, since it forgets the cursor where that is of an old format.
            messages = self.set_pixel_format(pixel_format)
            screen.reorder(None)
            return messages
        if pixel_format == self.pixel_format:
            screen.reorder(None)
            return []
        order = PixelOrder.between(self.pixel_format, pixel_format)
        if order is None:
            return None
        screen.reorder(order)
        return []

    def set_pixel_format(self, pixel_format: PixelFormat) -> list[bytes]:
        """The sole viewer wants another format; what to send upstream now.

        `pixel_format` of `memory` changes at the moment at which the upstream is sent the new one.
        """
        if self._switch is None and pixel_format == self.memory.pixel_format:
            return []
        if not self._ever_asked:
            return self._reformat(pixel_format)
        if self._switch is not None:
            self._switch.pixel_format = pixel_format
            return []
        return self._probe_for(pixel_format)

    def _probe_for(self, pixel_format: PixelFormat) -> list[bytes]:
        self._switch = FormatSwitch(pixel_format, self.memory.width, self.memory.height)
        self.memory.cursor = None
        out = []
        if self._asked is not None and not _UNASKED.isdisjoint(self._asked):
            # A size of its own can be had all the same.
            sizes = {enc.EXTENDED_DESKTOP_SIZE: enc.DESKTOP_SIZE}
            codes = [sizes.get(code, code) for code in self._asked]
            self._asked = tuple(dict.fromkeys(code for code in codes if code not in _UNASKED))
            out.append(client_messages.set_encodings(self._asked))
        out.append(self._switch.probe())
        return out

    def _reformat(self, pixel_format: PixelFormat) -> list[bytes]:
        self._switch = None
        self._ever_asked = self._outstanding = self._full_outstanding = False
        # Encodings named anew make QEMU send the cursor again, which is in the new format then.
        self._asked = None
        self.memory.reformat(pixel_format)
        for screen in self._screens():
            screen.forget_picture()
        return [client_messages.set_pixel_format(pixel_format)]

    def upstream(self, event: ServerEvent) -> list[bytes]:
        """Take one event of the upstream; what to send upstream because of it.

        After a large rectangle `go_on` has to be called until it is done.

        Raises:
            ValueError: A Tight rectangle's zlib data is broken.
        """
        while not self.go_on():
            pass
        match event:
            case RawReceived(data):
                self.pixels((data,), len(data))
            case RawStarted():
                self._raw_started(event)
            case RawEnded():
                self._raw_ended()
            case RectangleReceived():
                self._rectangle(event)
            case UpdateStarted(count) if self._switch is None:
                for screen in self._screens():
                    screen.update_started(count)
            case UpdateEnded():
                return self._update_ended(picture=event.picture)
            case BellRung():
                self._to_all(b"\x02")
            case CutTextReceived():
                # The extended clipboard was never confirmed to a viewer, so it isn't passed on.
                if event.raw[4] < 0x80:
                    # Never recorded: it may hold a password that somebody copied.
                    for viewer in self.viewers.values():
                        viewer.message(event.raw)
            case ColourMapSet():
                self.memory.colour_map = event.raw
                for screen in self._screens():
                    screen.introduce()
            case _:
                # Nothing else was asked for; what an upstream says unasked is for nobody.
                pass
        return []

    def _screens(self) -> Iterable[ViewerUpdates | Recorder]:
        return chain(self.viewers.values(), self.recorders.values())

    def _to_all(self, raw: bytes) -> None:
        for screen in self._screens():
            screen.message(raw)

    def _rectangle(self, rect: RectangleReceived) -> None:
        if rect.encoding in (enc.DESKTOP_SIZE, enc.EXTENDED_DESKTOP_SIZE):
            self._size_received = True
        if self._switch is not None and rect.encoding in enc.CURSORS:
            # It is in the old format; after the switch it is asked for anew.
            self._pass_over()
            return
        if self.memory.take(rect):
            for screen in self._screens():
                screen.state_changed()
            return
        if rect.encoding == enc.EXTENDED_DESKTOP_SIZE:
            for screen in self._screens():
                screen.resize_refused(rect)
            return
        if rect.encoding not in enc.PICTURE or not (rect.width and rect.height):
            self._pass_over()
            return
        layout = tight_layout(
            rect.encoding, rect.width, rect.height, rect.data, self.memory.pixel_format
        )
        if layout is None:
            self._show(rect, None)
            return
        # Always inflated, since a stream's past can't be had later, when a viewer joins.
        if layout.zlib and layout.size > STEP_BYTES:
            self._zlib_seen = True
            restart = not all(screen.in_step for screen in self._screens())
            inflation = self._zlib.begin(rect.data, layout, restart=restart)
            self._inflating = (rect, layout, inflation)
            return
        tight = TightPart(layout, self._zlib.take(rect.data, layout))
        self._zlib_seen = self._zlib_seen or tight.moves_streams
        self._show(rect, tight)

    def go_on(self) -> bool:
        """Do a part of what is left of a large rectangle; gives whether it is done.

        Raises:
            ValueError: Its zlib data is broken.
        """
        if self._inflating is None:
            return True
        (rect, layout, inflation), self._inflating = self._inflating, None
        if not inflation.step():
            self._inflating = (rect, layout, inflation)
            return False
        self._show(rect, TightPart(layout, inflation.result))
        return True

    @property
    def busy(self) -> bool:
        """Whether something is left of a large rectangle."""
        return self._inflating is not None

    @property
    def screens(self) -> int:
        """On how many screens an event shows; more where pixels have to be deflated afresh."""
        count = len(self.viewers) + len(self.recorders)
        for screen in self._screens():
            if not screen.in_step:
                return count + _DEFLATES
        return count

    def _show(self, rect: RectangleReceived, tight: TightPart | None) -> None:
        if self._switch is not None:
            self._switch.rectangle(rect)
        wire = rect.message_bytes
        for screen in self._screens():
            if self._switch is None:
                screen.rectangle(rect, wire, tight)
            else:
                # The viewer has named its new format already and could not decode the old one.
                screen.missed(rect, tight)

    def _pass_over(self) -> None:
        for screen in self._screens():
            screen.passed_over()

    def _raw_started(self, start: RawStarted) -> None:
        self._raw = start
        self._strips = None
        if self._switch is not None:
            self._switch.rectangle(start)
            return
        if self.recorders:
            self._strips = RawStrips(start)
        header = start.header_bytes
        for viewer in self.viewers.values():
            viewer.raw_started(start, header)

    def pixels(self, slices: Sequence[Pixels], size_bytes: int) -> None:
        """More pixels of the Raw rectangle under way, `size_bytes` of them."""
        for viewer in self.viewers.values():
            viewer.raw(slices, size_bytes)
        if self._strips is None:
            return
        for strip in self._strips.take(slices):
            wire = strip.message_bytes
            for recorder in self.recorders.values():
                recorder.rectangle(strip, wire, None)

    def _raw_ended(self) -> None:
        assert self._raw is not None, "a Raw rectangle ends after it has begun"
        for viewer in self.viewers.values():
            viewer.raw_ended(self._raw)
        if self._strips is None:
            for recorder in self.recorders.values():
                recorder.missed(self._raw, None)
        self._raw = self._strips = None

    def _update_ended(self, *, picture: bool) -> list[bytes]:
        for screen in self._screens():
            screen.update_ended()
        if self._switch is not None:
            self._size_received = False
            if self._switch.size != (self.memory.width, self.memory.height):
                # The probes were for the old size, and may lie outside the new one. A size that
                # is the same says nothing: QEMU tells it with each answer.
                return self._probe_for(self._switch.pixel_format)
            if not self._switch.update_ended():
                return []
            if not self._switch.done:
                return [self._switch.probe()]
            return self._reformat(self._switch.pixel_format)
        # TigerVNC's server takes any update for the answer, one that has a cursor or a size only,
        # too; QEMU sends the picture all the same. One request too many is merged, one too few
        # would leave the screen still.
        self._outstanding = False
        if picture or self._size_received:
            self._full_outstanding = self._size_received = False
        return []

    # What drives it

    def requests(self, now: float) -> list[bytes]:
        """The messages that are due upstream: encodings that changed, and one frame request.

        A full update that a viewer asked for goes out at once; one that the daemon asks for, to
        complete the picture of a viewer that was behind, is rationed: `next_request_at` says when.
        """
        if self._switch is not None:
            overdue = self._switch.overdue(now)
            self.next_request_at = self._switch.again_at
            return [self._switch.probe()] if overdue else []
        out: list[bytes] = []
        encodings = self.encodings()
        if encodings and encodings != self._asked:
            self._asked = encodings
            self._ever_asked = True
            out.append(client_messages.set_encodings(encodings))
        self.next_request_at = None
        area = self._area_due(now)
        if area is not None:
            out.append(self._area_request(area, now))
        elif not self._outstanding and any(s.drives for s in self.viewers.values()):
            out.append(self._frame_request())
        return out

    def repeat_request(self) -> bytes:
        """The outstanding request once more, as a keepalive: servers merge it."""
        if self._switch is not None:
            return self._switch.probe()
        return self._frame_request()

    def question(self) -> list[bytes]:
        """What an upstream that is alive answers at once, whatever its screen does.

        While the format changes such a question is under way already.
        """
        if self._switch is not None:
            return []
        self._ever_asked = True
        return [client_messages.update_request(incremental=False, x=0, y=0, width=1, height=1)]

    def ask_all(self, now: float) -> list[bytes]:
        """The whole screen, for an upstream that doesn't answer `question`."""
        if self._switch is not None:
            return []
        return [self._area_request((0, 0, self.memory.width, self.memory.height), now)]

    def _area_request(self, area: Area, now: float) -> bytes:
        x, y, width, height = area
        self._ever_asked = self._outstanding = self._full_outstanding = True
        self._full_at = now
        return client_messages.update_request(
            incremental=False, x=x, y=y, width=width, height=height
        )

    def _frame_request(self) -> bytes:
        self._ever_asked = self._outstanding = True
        return client_messages.update_request(
            incremental=True, x=0, y=0, width=self.memory.width, height=self.memory.height
        )

    def _area_due(self, now: float) -> Area | None:
        able = [s for s in self.viewers.values() if s.drives]
        # Nothing is asked for a recording alone, and a key picture at best when all get it.
        recorders: Iterable[Recorder] = self.recorders.values() if able else ()
        asked = [s.take_asked_area() for s in able]
        all_take_part = False
        if recorders:
            all_take_part = len(able) == sum(s.started for s in self.viewers.values())
            asked += [r.take_asked_area(now, all_take_part=all_take_part) for r in recorders]
        areas = [area for area in asked if area is not None]
        # What the daemon asks for by itself waits for the full update under way, which may bring
        # it. What a viewer asks for goes out at once.
        if not areas and not self._full_outstanding:
            screens: list[ViewerUpdates | Recorder] = [*able, *recorders]
            missing = [area for s in screens if (area := s.missing) is not None]
            if missing and now < self._full_at + FULL_UPDATE_PAUSE_S:
                self.next_request_at = self._full_at + FULL_UPDATE_PAUSE_S
                return None
            areas = missing
        if not areas:
            times = [r.asks_at(now, all_take_part=all_take_part) for r in recorders]
            self.next_request_at = min((at for at in times if at is not None), default=None)
            return None
        # One rectangle around all of them: a second request would be merged by the server anyhow.
        x, y, width, height = reduce(union, areas)
        # An area may have been asked for while the screen was larger.
        width, height = min(width, self.memory.width - x), min(height, self.memory.height - y)
        return (x, y, width, height) if width > 0 and height > 0 else None

    def encodings(self) -> tuple[int, ...]:
        """What to ask the upstream for: what all viewers can show, in the first one's order.

        Confirmations and names are filtered for each viewer, so one that asks is enough; a cursor
        that only some can show must be drawn by the upstream. LastRect, too, must be known to all:
        servers cut their updates otherwise for it, and what isn't counted would have to be held for
        the others. A viewer that asks for a picture before it has named any encoding can show
        Raw only. While formats are mixed, nothing is asked for whose pixels aren't easily
        rearranged.
        """
        lists = [s.encodings for s in self.viewers.values() if s.has_chosen or s.started]
        if not lists:
            return ()
        mixed = any(s.reorders for s in self.viewers.values())
        asked_by = (self.pixel_format, mixed, lists)
        if asked_by != self._asked_by:
            self._asked_by = asked_by
            self._common = self._common_encodings(lists, mixed=mixed)
        return self._common

    def _common_encodings(self, lists: list[tuple[int, ...]], *, mixed: bool) -> tuple[int, ...]:
        unsafe = _unsafe_with(self.pixel_format)
        common = frozenset(lists[0]).intersection(*lists[1:])
        anybody = frozenset(lists[0]).union(*lists[1:])
        chosen = [
            code
            for code in lists[0]
            if enc.may_be_asked(code)
            and code not in unsafe
            and (PixelOrder.knows(code) or not mixed)
            and (code in common or code in enc.CARRIED_PSEUDO)
        ]
        chosen = [code for code in chosen if code not in _FOR_ALL or code in common]
        others = sorted(
            code
            for code in anybody
            if code in enc.CARRIED_PSEUDO and code not in _FOR_ALL and code not in lists[0]
        )
        return tuple(dict.fromkeys([*chosen, *others]))


def _unsafe_with(pixel_format: PixelFormat) -> frozenset[int]:
    """Encodings whose lengths servers count in different ways with this format.

    Tight's 3-byte pixels are meant for depth 24, but QEMU looks at the 32 bits only, and with 8
    bits it puts basic rectangles into TightPNG.
    """
    if pixel_format.bits_per_pixel == 32 and pixel_format.tpixel_bytes != 3:
        return frozenset({enc.TIGHT, enc.TIGHT_PNG})
    if pixel_format.bits_per_pixel == 8:
        return frozenset({enc.TIGHT_PNG})
    return frozenset()
