"""One upstream's picture for all viewers of a console. Pure: events in, bytes out.

What the upstream is asked for is `UpdateRequests`'.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

from vncproxy.console.recorder import Recorder
from vncproxy.console.rectangle_runs import (
    RectangleRun,
    TightPart,
    leading_run,
    leading_update,
)
from vncproxy.console.update_requests import UpdateRequests
from vncproxy.console.viewer_updates import ViewerUpdates
from vncproxy.rfb import client_messages
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.congestion_control import CongestionControl
from vncproxy.rfb.raw_strips import RawStrips
from vncproxy.rfb.screen_state import ScreenState
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


class _BrokenRunError(ValueError):
    """Zlib data that is broken, after rectangles that are whole."""

    def __init__(self, text: str, before: RectangleRun) -> None:
        super().__init__(text)
        self.before = before


class SharedScreen:
    """The screen of one console, over any number of links and viewers.

    Attributes:
        memory: What is known of the screen besides its pixels.
        viewers, recorders: Those that it is shown to, by the viewer's id.
        requests: What the upstream is asked for on their behalf.
    """

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
        self.requests = UpdateRequests(memory, self.viewers, self.recorders)
        self._zlib = StatelessTight()
        self._zlib_seen = False
        self.inflating: tuple[RectangleReceived, TightLayout, Inflation] | None = None
        """What is left of a large rectangle; see `go_on`."""
        self._raw: RawStarted | None = None
        self._strips: RawStrips | None = None

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
        self._raw = self._strips = self.inflating = None
        for screen in self.viewers.values():
            screen.link_lost()
        for recorder in self.recorders.values():
            recorder.link_lost()

    def link_replaced(self, memory: ScreenState) -> list[bytes]:
        """Another link has replaced the lost one; what to send upstream first.

        The console's pixel format stays, if there are viewers whose decoders rely on it.
        """
        native = memory.pixel_format
        wanted = self.requests.pixel_format if self.viewers else native
        self.memory = replace(memory, pixel_format=wanted)
        self.requests.link_replaced(self.memory)
        self._zlib = StatelessTight()
        self.inflating = None
        self._zlib_seen = False
        for screen in self._screens():
            screen.link_replaced(self.memory)
        return [client_messages.set_pixel_format(wanted)] if wanted != native else []

    def take_next(self, events: list[ServerEvent]) -> list[bytes]:
        """As `upstream`, of the first event and of those behind it that go together with it.

        They leave the list. Text that scrolls is hundreds of rectangles a second, of a hundred
        bytes each; a key's echo is one or a few in an update of their own.
        """
        first = events[0]
        if type(first) is UpdateStarted and self.requests.switch is None and self.inflating is None:
            update, many = leading_update(events)
            if update:
                del events[:many]
                return self._whole_update(update)
        elif type(first) is RectangleReceived and self.inflating is None:
            run = leading_run(events)
            if len(run) > 1 and self.requests.switch is None:
                del events[: len(run)]
                self._run(run)
                return []
        return self.upstream(events.pop(0))

    def upstream(self, event: ServerEvent) -> list[bytes]:
        """Take one event of the upstream; what to send upstream because of it.

        After a large rectangle `go_on` has to be called until it is done.

        Raises:
            ValueError: A Tight rectangle's zlib data is broken.
        """
        while self.inflating is not None:
            self.go_on()
        if type(event) is RectangleReceived:
            self._rectangle(event)
            return []
        match event:
            case RawReceived(data):
                self.pixels((data,), len(data))
            case RawStarted():
                self._raw_started(event)
            case RawEnded():
                self._raw_ended()
            case UpdateStarted(count):
                self.requests.update_began = True
                if self.requests.switch is None:
                    for viewer in self.viewers.values():
                        try:
                            viewer.update_started(count)
                        except Exception:
                            viewer.failed()
                    for recorder in self.recorders.values():
                        recorder.update_started(count)
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

    def _whole_update(self, rects: Sequence[RectangleReceived]) -> list[bytes]:
        try:
            run = self._inflated(rects)
        except _BrokenRunError as broken:
            # What came before it counts, in whichever packets it came.
            self.upstream(UpdateStarted(len(rects)))
            self._show_run(broken.before)
            raise
        self.requests.update_began = True
        for viewer in self.viewers.values():
            try:
                viewer.whole_update(run)
            except Exception:
                viewer.failed()
        for recorder in self.recorders.values():
            recorder.update_started(len(rects))
            _record(recorder, run)
            recorder.update_ended()
        return self.requests.update_ended(picture=True)

    def _run(self, rects: Sequence[RectangleReceived]) -> None:
        try:
            run = self._inflated(rects)
        except _BrokenRunError as broken:
            self._show_run(broken.before)
            raise
        self._show_run(run)

    def _inflated(self, rects: Sequence[RectangleReceived]) -> RectangleRun:
        """What is shown of these. Raises: _BrokenRunError."""
        inflate, moves_streams = self._zlib.inflate, False
        pixels: list[bytes | None] = []
        try:
            for rect in rects:
                layout = rect.tight
                # Always inflated, since a stream's past can't be had later, when a viewer joins.
                if layout is not None and (layout.zlib or layout.resets):
                    moves_streams = True
                    pixels.append(inflate(rect.data, layout))
                else:
                    pixels.append(None)
        except ValueError as fault:
            before = RectangleRun(rects[: len(pixels)], pixels, moves_streams=True)
            raise _BrokenRunError(str(fault), before) from fault
        self._zlib_seen = self._zlib_seen or moves_streams
        return RectangleRun(rects, pixels, moves_streams=moves_streams)

    def _show_run(self, run: RectangleRun) -> None:
        if not run.rects:
            return
        for viewer in self.viewers.values():
            try:
                viewer.run(run)
            except Exception:
                viewer.failed()
        for recorder in self.recorders.values():
            _record(recorder, run)

    def _rectangle(self, rect: RectangleReceived) -> None:
        if rect.encoding == enc.TIGHT and rect.width and rect.height:
            # Most rectangles, so without a look at all that they aren't.
            self._tight(rect)
            return
        if rect.encoding in (enc.DESKTOP_SIZE, enc.EXTENDED_DESKTOP_SIZE):
            self.requests.size_was_told()
        if self.requests.switch is not None and rect.encoding in enc.CURSORS:
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
        self._tight(rect)

    def _tight(self, rect: RectangleReceived) -> None:
        """A picture rectangle, perhaps of Tight."""
        layout = rect.tight or tight_layout(
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
            self.inflating = (rect, layout, inflation)
            return
        tight = TightPart(layout, self._zlib.take(rect.data, layout))
        self._zlib_seen = self._zlib_seen or tight.moves_streams
        self._show(rect, tight)

    def go_on(self) -> None:
        """Do a part of what is left of a large rectangle, if anything is.

        Raises:
            ValueError: Its zlib data is broken.
        """
        if self.inflating is None:
            return
        (rect, layout, inflation), self.inflating = self.inflating, None
        if not inflation.step():
            self.inflating = (rect, layout, inflation)
            return
        self._show(rect, TightPart(layout, inflation.result))

    @property
    def screens(self) -> int:
        """On how many screens an event shows; more where pixels have to be deflated afresh."""
        count = len(self.viewers) + len(self.recorders)
        if self.recorders:
            return count + _DEFLATES
        for viewer in self.viewers.values():
            if not viewer.in_step:
                return count + _DEFLATES
        return count

    def _show(self, rect: RectangleReceived, tight: TightPart | None) -> None:
        switch = self.requests.switch
        if switch is not None:
            switch.rectangle(rect)
            for screen in self._screens():
                # The viewer has named its new format already and could not decode the old one.
                screen.missed(rect, tight)
            return
        wire = rect.message_bytes
        for viewer in self.viewers.values():
            viewer.rectangle(rect, wire, tight)
        for recorder in self.recorders.values():
            recorder.rectangle(rect, wire, tight)

    def _pass_over(self) -> None:
        for screen in self._screens():
            screen.passed_over()

    def _raw_started(self, start: RawStarted) -> None:
        self._raw = start
        self._strips = None
        if (switch := self.requests.switch) is not None:
            switch.rectangle(start)
            return
        if self.recorders:
            self._strips = RawStrips(start)
        header = start.header_bytes
        for viewer in self.viewers.values():
            try:
                viewer.raw_started(start, header)
            except Exception:
                viewer.failed()

    def pixels(self, slices: Sequence[Pixels], size_bytes: int) -> None:
        """More pixels of the Raw rectangle under way, `size_bytes` of them."""
        for viewer in self.viewers.values():
            try:
                viewer.raw(slices, size_bytes)
            except Exception:
                viewer.failed()
        if self._strips is not None:
            self.record_pixels(slices)

    def record_pixels(self, slices: Sequence[Pixels]) -> None:
        """Give pixels of the Raw rectangle under way to the recorders, and to no viewer."""
        if self._strips is None:
            return
        for strip in self._strips.take(slices):
            wire = strip.message_bytes
            for recorder in self.recorders.values():
                recorder.rectangle(strip, wire, None)

    def _raw_ended(self) -> None:
        assert self._raw is not None, "a Raw rectangle ends after it has begun"
        for viewer in self.viewers.values():
            try:
                viewer.raw_ended(self._raw)
            except Exception:
                viewer.failed()
        if self._strips is None:
            for recorder in self.recorders.values():
                recorder.missed(self._raw, None)
        self._raw = self._strips = None

    def _update_ended(self, *, picture: bool) -> list[bytes]:
        for viewer in self.viewers.values():
            try:
                viewer.update_ended()
            except Exception:
                viewer.failed()
        for recorder in self.recorders.values():
            recorder.update_ended()
        return self.requests.update_ended(picture=picture)


def _record(recorder: Recorder, run: RectangleRun) -> None:
    for rect, wire, tight in zip(run.rects, run.wires.each, run.parts(), strict=True):
        recorder.rectangle(rect, wire, tight)
