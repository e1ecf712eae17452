"""Rectangles in a row, which come together and go on together.

While text scrolls or keys are echoed, an update is small: it comes whole in one read, and most
viewers get it as it is. What has to be known of it is found out once, and for all its rectangles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vncproxy.rfb import encodings as enc
from vncproxy.rfb import viewer_messages
from vncproxy.rfb.server_events import (
    RECTANGLE_HEADER,
    RawEnded,
    RawReceived,
    RawStarted,
    RectangleReceived,
    ServerEvent,
    UpdateEnded,
    UpdateStarted,
)
from vncproxy.rfb.tight import TightLayout
from vncproxy.rfb.tight_streams import STEP_BYTES, FreshStreams, InflatedTight

_SMALL_BYTES = 8 << 10
"""A Raw rectangle of so many pixels' bytes is rather copied than cut through."""
_WITHOUT_STREAMS = frozenset({enc.COPY_RECT, enc.RRE, enc.HEXTILE})
"""Encodings of which nothing has to be known; Tight's rectangles have a layout besides."""


@dataclass(slots=True)
class TightPart:
    """What all viewers share of a Tight rectangle."""

    layout: TightLayout
    inflated: InflatedTight

    @property
    def moves_streams(self) -> bool:
        """Whether a viewer that misses it is out of step with the link's zlib streams."""
        return self.layout.zlib or self.layout.resets != 0


class Wires:
    """A run's rectangles, each as it is on the wire to a viewer.

    Attributes:
        each: In their order.
    """

    __slots__ = ("_message", "each")

    def __init__(self, each: list[bytes]) -> None:
        """Of any number."""
        self.each = each
        self._message = b""

    def update(self) -> bytes:
        """A FramebufferUpdate of them; made for the first that wants it."""
        if not self._message:
            head = viewer_messages.framebuffer_update(len(self.each))
            self._message = b"".join((head, *self.each))
        return self._message


class RectangleRun:
    """Picture rectangles in a row, each whole and none empty, as all viewers share them.

    Attributes:
        rects: The rectangles.
        wires: As they came.
        encodings: All that occur.
        moves_streams: Whether a viewer that misses one may be out of step.
    """

    __slots__ = ("_parts", "_pixels", "_restarted", "encodings", "moves_streams", "rects", "wires")

    def __init__(
        self,
        rects: Sequence[RectangleReceived],
        pixels: Sequence[bytes | None],
        *,
        moves_streams: bool,
    ) -> None:
        """Of the stream's rectangles; `pixels` is what `StatelessTight.inflate` gave for each."""
        self.rects = rects
        wires: list[bytes] = []
        self.encodings: set[int] = set()
        for rect in rects:
            wires.append(rect.wire or rect.message_bytes)
            self.encodings.add(rect.encoding)
        self.wires = Wires(wires)
        self.moves_streams = moves_streams
        self._pixels = pixels
        self._parts: list[TightPart | None] = []
        self._restarted: Wires | None = None

    def parts(self) -> list[TightPart | None]:
        """What a viewer that missed earlier ones needs of each; made for the first that does."""
        if not self._parts:
            self._parts = [
                TightPart(rect.tight, InflatedTight(rect.data, rect.tight, pixels))
                if rect.tight is not None
                else None
                for rect, pixels in zip(self.rects, self._pixels, strict=True)
            ]
        return self._parts

    def restarted(self) -> Wires:
        """As viewers get them who missed earlier ones; made for the first of those."""
        if self._restarted is None:
            sizes = [len(pixels) for pixels in self._pixels if pixels is not None]
            streams = FreshStreams(sum(sizes), max(sizes, default=0))
            wires = list(self.wires.each)
            for place, rect in enumerate(self.rects):
                if rect.tight is not None:
                    data = streams.data(rect.data, rect.tight, self._pixels[place])
                    wires[place] = wires[place][: RECTANGLE_HEADER.size] + data
            self._restarted = Wires(wires)
        return self._restarted


def leading_run(events: Sequence[ServerEvent]) -> list[RectangleReceived]:
    """The Tight rectangles that the events begin with, each small enough to be inflated at once."""
    run: list[RectangleReceived] = []
    for event in events:
        if (
            type(event) is not RectangleReceived
            or event.tight is None
            or event.tight.size > STEP_BYTES
            or not (event.width and event.height)
        ):
            break
        run.append(event)
    return run


def leading_update(events: Sequence[ServerEvent]) -> tuple[list[RectangleReceived], int]:
    """The update that the events begin with, if all of it is there and nothing but pictures.

    Returns:
        Its rectangles, and how many events it is; none if it is another, or cut.
    """
    started, end = events[0], len(events)
    if type(started) is not UpdateStarted or started.count is None:
        return [], 0
    count, at = started.count, 1
    if not 0 < count <= end - 2:
        return [], 0
    rects: list[RectangleReceived] = []
    while len(rects) < count and at < end:
        event = events[at]
        if type(event) is RectangleReceived:
            layout = event.tight
            if layout is None:
                can_be_taken = event.encoding in _WITHOUT_STREAMS
            else:
                can_be_taken = layout.size <= STEP_BYTES
            if not (can_be_taken and event.width and event.height):
                return [], 0
            rects.append(event)
            at += 1
        elif type(event) is RawStarted and (rect := _whole_raw(event, events[at + 1 : at + 3])):
            rects.append(rect)
            at += 3
        else:
            return [], 0
    if at >= end or type(events[at]) is not UpdateEnded:
        return [], 0
    return rects, at + 1


def _whole_raw(start: RawStarted, rest: Sequence[ServerEvent]) -> RectangleReceived | None:
    """A small one that came in one piece."""
    if start.size_bytes > _SMALL_BYTES or len(rest) < 2 or type(rest[1]) is not RawEnded:
        return None
    pixels = rest[0]
    assert type(pixels) is RawReceived, "a Raw rectangle has pixels"
    data = bytes(pixels.data)
    return RectangleReceived(start.x, start.y, start.width, start.height, enc.RAW, data)
