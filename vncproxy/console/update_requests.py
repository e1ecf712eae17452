"""What the upstream of a console is asked for: encodings, frames, a pixel format.

One request that drives frames is outstanding at a time, repeated where the line is long; updates
are counted as they come, not matched to requests. Pure: `now` is monotonic seconds, and what is
given is to be sent upstream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

from vncproxy.console.recorder import Recorder
from vncproxy.console.viewer_updates import Area, ViewerUpdates, union
from vncproxy.rfb import client_messages
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.pixel_order import PixelOrder
from vncproxy.rfb.request_pipeline import RequestPipeline
from vncproxy.rfb.screen_state import ScreenState
from vncproxy.rfb.server_events import RawStarted, RectangleReceived

OVERDUE_S = 2.0
"""Far beyond what an answer takes: one sent twice may be answered in the new format."""
FULL_UPDATE_PAUSE_S = 1.0
"""Between two full updates that the daemon itself asks for to complete a viewer's picture."""

_FOR_ALL = enc.CURSORS | {enc.LAST_RECT}
"""Pseudo-encodings that the upstream is asked for only if all viewers know them."""

_UNASKED = enc.CURSORS | {enc.EXTENDED_DESKTOP_SIZE}
"""Not to be had while the format changes: cursors come unasked, so one in the old format could
follow the last probe's answer; and TigerVNC's server answers a request that isn't incremental with
the layout alone."""


class FormatSwitch:
    """One change of the pixel format under way: when SetPixelFormat is safe in mid-session.

    With a request outstanding the format of the next update is undefined (rfbproto,
    SetPixelFormat), and on a still screen one always is. So: no more requests; ask for one corner
    pixel, not incrementally, and wait for an update that covers it; then for the opposite corner.
    An update that was under way before the first probe can answer at most that one by chance; the
    second proves that nothing is outstanding.

    Some servers take an update without any picture, such as a cursor's, for the answer to a
    request; then the probe is lost, and is sent again once its answer is long overdue. One that was
    sent more than once may be answered as often: so after it the other corner is asked for, too.
    """

    def __init__(self, pixel_format: PixelFormat, width: int, height: int) -> None:
        """Begin with the corner at 0, 0."""
        self.pixel_format = pixel_format
        self.size = (width, height)
        self.again_at: float | None = None
        """When the probe is to be sent again; None: nothing hints that it was lost."""
        self.held_until: float | None = None
        """Several updates may be under way: nothing is asked for before this time."""
        self._doubtful = False
        self._repeated = False
        self._probes = [(0, 0), (max(0, width - 1), max(0, height - 1))]
        self._corners = tuple(self._probes)
        self._covered = False

    def probe(self) -> bytes:
        """The request to send upstream at the start and after each `update_ended` that says so."""
        x, y = self._probes[0]
        return client_messages.update_request(incremental=False, x=x, y=y, width=1, height=1)

    def repeat(self) -> bytes:
        """The request that is outstanding, to be sent once more."""
        self._repeated = True
        return self.probe()

    def rectangle(self, rect: RectangleReceived | RawStarted) -> None:
        """A picture rectangle came."""
        x, y = self._probes[0]
        if rect.x <= x < rect.x + rect.width and rect.y <= y < rect.y + rect.height:
            self._covered = True

    def update_ended(self) -> bool:
        """Whether the probe was answered; then either `done`, or the next one is to be sent."""
        answered, self._covered = self._covered and self.held_until is None, False
        if self.held_until is not None:
            return False
        self._doubtful = not answered
        if answered:
            self.again_at = None
            last = self._probes.pop(0)
            if self._repeated and not self._probes:
                self._probes.append(self._corners[last == self._corners[0]])
            self._repeated = False
        return answered

    def overdue(self, now: float) -> bool:
        """Whether to send the probe again now; `again_at` says when to ask next."""
        if not self._doubtful:
            return False
        if self.again_at is None:
            self.again_at = now + OVERDUE_S
        if now < self.again_at:
            return False
        self.again_at, self._doubtful = None, False
        return True

    @property
    def done(self) -> bool:
        """Nothing is outstanding any more."""
        return not self._probes


class UpdateRequests:
    """What is asked for on behalf of all who are shown the screen.

    Attributes:
        switch: The change of the pixel format under way; None: there is none.
        next_at: When `due` may give something that no event makes due; None: at no time.
    """

    def __init__(
        self,
        memory: ScreenState,
        viewers: Mapping[str, ViewerUpdates],
        recorders: Mapping[str, Recorder],
    ) -> None:
        """Nothing was asked for.

        Args:
            memory: What is known of the screen, brought up to date by `SharedScreen`.
            viewers: Those that are on, by id.
            recorders: As `viewers`.
        """
        self._memory = memory
        self._viewers = viewers
        self._recorders = recorders
        self.switch: FormatSwitch | None = None
        self.next_at: float | None = None
        # An upstream that was asked for nothing yet can change its format at once: no rectangle in
        # the old one can be under way.
        self._ever_asked = False
        # Servers keep one request only, and merge what comes on top of it; so one is kept under
        # way. A full one is of its own: until its picture came, what is missing may be in it.
        self._outstanding = False
        self._full_outstanding = False
        self._pipeline = RequestPipeline()
        self.update_began = False
        """An update of the upstream has begun since the last `due`."""
        self._updates_ended = 0
        self._size_told = False
        self._full_at = float("-inf")
        self._asked: tuple[int, ...] | None = None
        # `_common` is worked out anew only where what it depends on, `_asked_by`, is different.
        self._asked_by: tuple[PixelFormat, bool, list[tuple[int, ...]]] | None = None
        self._common: tuple[int, ...] = ()
        # It is the same each time: made for this size.
        self._request_for = (0, 0)
        self._request = b""

    def link_replaced(self, memory: ScreenState) -> None:
        """Another link has replaced the lost one: it was asked for nothing.

        Args:
            memory: What is known of its screen.
        """
        self._memory = memory
        self._ever_asked = self._outstanding = self._full_outstanding = self._size_told = False
        self._full_at = float("-inf")
        self._asked = self.switch = None
        self._pipeline = RequestPipeline()
        self.update_began = False
        self._updates_ended = 0

    # Frames and encodings

    def due(self, now: float) -> list[bytes]:
        """The messages that are due upstream: encodings that changed, and one frame request.

        A full update that a viewer asked for goes out at once; one that the daemon asks for, to
        complete the picture of a viewer that was behind, is rationed: `next_at` says when.
        """
        # What has come since the last call has come just now.
        if self.update_began:
            self.update_began = False
            self._pipeline.update_began(now)
        if self._updates_ended:
            self._pipeline.update_ended(now, self._updates_ended)
            self._updates_ended = 0
        if self.switch is not None:
            if (held_until := self.switch.held_until) is not None:
                if now < held_until:
                    self.next_at = held_until
                    return []
                self.next_at = self.switch.held_until = None
                return [self.switch.probe()]
            overdue = self.switch.overdue(now)
            self.next_at = self.switch.again_at
            return [self.switch.repeat()] if overdue else []
        out: list[bytes] = []
        encodings = self.encodings()
        if encodings and encodings != self._asked:
            self._asked = encodings
            self._ever_asked = True
            out.append(client_messages.set_encodings(encodings))
        self.next_at = None
        able: list[ViewerUpdates] = []
        has_areas = bool(self._recorders)
        for screen in self._viewers.values():
            if screen.drives:
                able.append(screen)
                has_areas = has_areas or screen.lacks_any
        if not able:
            # Nothing is asked for a recording alone.
            return out
        was_outstanding = self._outstanding
        asks_for_area = bool(self._recorders) and any(s.asks_for_area for s in able)
        if has_areas and (area := self._area_due(able, now)) is not None:
            out.append(self._area_request(area, now))
            is_whole = area == (0, 0, self._memory.width, self._memory.height)
            if asks_for_area and not (is_whole or was_outstanding):
                # Who asks for a corner only, as scripts do, isn't to work unseen.
                self._pipeline.asked(now, repeated=True)
                out.append(self._frame_request())
        elif not self._outstanding:
            self._pipeline.asked(now)
            out.append(self._frame_request())
        elif (at := self._pipeline.repeat_at()) is not None:
            if now >= at:
                self._pipeline.asked(now, repeated=True)
                out.append(self._frame_request())
                at = self._pipeline.repeat_at()
            times = (at, self.next_at)
            self.next_at = min((one for one in times if one is not None), default=None)
        return out

    def repeat(self) -> bytes:
        """The outstanding request once more, as a keepalive: servers merge it."""
        if self.switch is not None:
            return self.switch.repeat()
        return self._frame_request()

    def question(self) -> list[bytes]:
        """What an upstream that is alive answers at once, whatever its screen does.

        While the format changes such a question is under way already.
        """
        if self.switch is not None:
            return []
        self._ever_asked = True
        return [client_messages.update_request(incremental=False, x=0, y=0, width=1, height=1)]

    def ask_all(self, now: float) -> list[bytes]:
        """The whole screen, for an upstream that doesn't answer `question`."""
        if self.switch is not None:
            return []
        return [self._area_request((0, 0, self._memory.width, self._memory.height), now)]

    def _area_request(self, area: Area, now: float) -> bytes:
        x, y, width, height = area
        self._ever_asked = self._outstanding = self._full_outstanding = True
        self._full_at = now
        self._pipeline.asked(now)
        return client_messages.update_request(
            incremental=False, x=x, y=y, width=width, height=height
        )

    def _frame_request(self) -> bytes:
        self._ever_asked = self._outstanding = True
        size = self._memory.width, self._memory.height
        if size != self._request_for:
            self._request_for = size
            self._request = client_messages.update_request(True, 0, 0, *size)
        return self._request

    def _area_due(self, able: Sequence[ViewerUpdates], now: float) -> Area | None:
        recorders = self._recorders.values()
        areas = [area for s in able if (area := s.take_asked_area()) is not None]
        all_take_part = False
        if recorders:
            # A key picture is asked for at best when all get it.
            all_take_part = len(able) == sum(s.started for s in self._viewers.values())
            asked = [r.take_asked_area(now, all_take_part=all_take_part) for r in recorders]
            areas += [area for area in asked if area is not None]
        # What the daemon asks for by itself waits for the full update under way, which may bring
        # it. What a viewer asks for goes out at once.
        if not areas and not self._full_outstanding:
            screens: list[ViewerUpdates | Recorder] = [*able, *recorders]
            missing = [area for s in screens if (area := s.missing) is not None]
            if missing and now < self._full_at + FULL_UPDATE_PAUSE_S:
                self.next_at = self._full_at + FULL_UPDATE_PAUSE_S
                return None
            areas = missing
        if not areas:
            if recorders:
                times = [r.asks_at(now, all_take_part=all_take_part) for r in recorders]
                self.next_at = min((at for at in times if at is not None), default=None)
            return None
        # One rectangle around all of them: a second request would be merged by the server anyhow.
        x, y, width, height = reduce(union, areas)
        # An area may have been asked for while the screen was larger.
        width, height = min(width, self._memory.width - x), min(height, self._memory.height - y)
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
        lists: list[tuple[int, ...]] = []
        mixed = False
        for screen in self._viewers.values():
            mixed = mixed or screen.reorders
            if screen.has_chosen or screen.started:
                lists.append(screen.encodings)
        if not lists:
            return ()
        switch = self.switch
        pixel_format = self._memory.pixel_format if switch is None else switch.pixel_format
        asked_by = (pixel_format, mixed, lists)
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
        # Where nothing is common, that has to be said, too: what was named before stays in force.
        return tuple(dict.fromkeys([*chosen, *others])) or (enc.RAW,)

    # Answers

    def size_was_told(self) -> None:
        """An update has a size: some servers answer a request with that alone."""
        self._size_told = True

    def update_ended(self, *, picture: bool) -> list[bytes]:
        """An update of the upstream is over; what to send upstream because of it.

        Args:
            picture: It has rectangles of the picture.
        """
        self._updates_ended += 1
        if self.switch is not None:
            self._size_told = False
            if self.switch.size != (self._memory.width, self._memory.height):
                # The probes were for the old size, and may lie outside the new one. A size that
                # is the same says nothing: QEMU tells it with each answer.
                return self._probe_for(self.switch.pixel_format)
            if not self.switch.update_ended():
                return []
            if not self.switch.done:
                return [self.switch.probe()]
            return self._reformat(self.switch.pixel_format)
        # TigerVNC's server takes any update for the answer, one that has a cursor or a size only,
        # too; QEMU sends the picture all the same. One request too many is merged, one too few
        # would leave the screen still.
        self._outstanding = False
        if picture or self._size_told:
            self._full_outstanding = self._size_told = False
        return []

    # The pixel format

    @property
    def pixel_format(self) -> PixelFormat:
        """The format that the viewers were promised: `memory`'s, or the one being switched to."""
        return self.switch.pixel_format if self.switch else self._memory.pixel_format

    def choose_format(self, viewer_id: str, pixel_format: PixelFormat) -> list[bytes] | None:
        """A viewer's SetPixelFormat; what to send upstream now, None if it can't have this format.

        A sole viewer's becomes the console's. Beside others, one that wants the same colours in
        other bytes has them rearranged.
        """
        screen = self._viewers[viewer_id]
        if len(self._viewers) == 1:
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

        `pixel_format` of `memory` changes at the moment at which the upstream is told.
        """
        if self.switch is None and pixel_format == self._memory.pixel_format:
            return []
        if not self._ever_asked:
            return self._reformat(pixel_format)
        if self.switch is not None:
            self.switch.pixel_format = pixel_format
            return []
        return self._probe_for(pixel_format)

    def _probe_for(self, pixel_format: PixelFormat) -> list[bytes]:
        self.switch = FormatSwitch(pixel_format, self._memory.width, self._memory.height)
        self._memory.cursor = None
        out = []
        if self._asked is not None and not _UNASKED.isdisjoint(self._asked):
            # A size of its own can be had all the same.
            sizes = {enc.EXTENDED_DESKTOP_SIZE: enc.DESKTOP_SIZE}
            codes = [sizes.get(code, code) for code in self._asked]
            self._asked = tuple(dict.fromkeys(code for code in codes if code not in _UNASKED))
            out.append(client_messages.set_encodings(self._asked))
        self.switch.held_until = self._pipeline.settled_at
        if self.switch.held_until is None:
            out.append(self.switch.probe())
        return out

    def _reformat(self, pixel_format: PixelFormat) -> list[bytes]:
        self.switch = None
        self._ever_asked = self._outstanding = self._full_outstanding = False
        # Encodings named anew make QEMU send the cursor again, which is in the new format then.
        self._asked = None
        self._memory.reformat(pixel_format)
        for viewer in self._viewers.values():
            viewer.forget_picture()
        for recorder in self._recorders.values():
            recorder.forget_picture()
        return [client_messages.set_pixel_format(pixel_format)]


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
