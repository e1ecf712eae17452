"""What an upstream sends, one event for each message or rectangle.

Source: RFC 6143, section 7.6; rfbproto, Server to Client Messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeAlias

from msgspec import Struct

from vncproxy.rfb.encodings import PICTURE, RAW
from vncproxy.rfb.tight import TightLayout

RECTANGLE_HEADER = struct.Struct(">HHHHi")
"""x, y, width, height, encoding. Source: RFC 6143, section 7.6.1."""
_IDLE_BYTES = 8 << 10


class Event(Struct, frozen=True, gc=False):
    """A message or a part of one, an immutable value.

    Bytes never show in its repr, since they may be keys or clipboard text. There are many events:
    a struct is made several times as fast as a frozen dataclass.
    """

    def __repr__(self) -> str:
        shown = (
            f"{name}={value!r}"
            for name in self.__struct_fields__
            if not isinstance(value := getattr(self, name), bytes | memoryview)
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class UpdateStarted(Event, frozen=True):
    """A FramebufferUpdate begins; `count` rectangles follow, or, where None, any up to LastRect."""

    count: int | None


class RectangleReceived(Event, frozen=True):
    """A complete, valid rectangle of the current update.

    A Raw rectangle comes as `RawStarted` and what follows it, unless it is empty. Pseudo-rectangles
    (cursors, sizes, names, confirmations) come as pictures do; LastRect doesn't.

    Args:
        data: Everything after the 12-byte header.
        tight: The layout of `data`, of a Tight rectangle that came in one piece.
        wire: That one as it came, with its header.
    """

    x: int
    y: int
    width: int
    height: int
    encoding: int
    data: bytes
    tight: TightLayout | None = None
    wire: bytes = b""

    def __eq__(self, other: object) -> bool:
        # Layout and wire only say again what the data says.
        return (
            isinstance(other, RectangleReceived)
            and self.data == other.data
            and (self.x, self.y, self.width, self.height, self.encoding)
            == (other.x, other.y, other.width, other.height, other.encoding)
        )

    def __hash__(self) -> int:
        return hash((self.x, self.y, self.width, self.height, self.encoding, self.data))

    @property
    def message_bytes(self) -> bytes:
        """The rectangle as on the wire: 12-byte header and data."""
        return (
            self.wire
            or RECTANGLE_HEADER.pack(self.x, self.y, self.width, self.height, self.encoding)
            + self.data
        )


class RawStarted(Event, frozen=True):
    """A Raw rectangle that isn't empty begins; its pixels follow, none of them is held.

    Args:
        size_bytes: Of its pixels.
    """

    x: int
    y: int
    width: int
    height: int
    size_bytes: int

    @property
    def header_bytes(self) -> bytes:
        """The 12 bytes before the pixels."""
        return RECTANGLE_HEADER.pack(self.x, self.y, self.width, self.height, RAW)


class Enclosed(Protocol):
    """Pixels in a form of the transport's own. Its length is that of the pixels, in bytes."""

    def __len__(self) -> int: ...

    def slices(self) -> Sequence[memoryview]:
        """The pixels themselves."""


Pixels: TypeAlias = bytes | memoryview | Enclosed


def plain_slices(pixels: Iterable[Pixels]) -> list[bytes | memoryview]:
    """The pixels, out of what encloses them."""
    found: list[bytes | memoryview] = []
    for slice_ in pixels:
        if isinstance(slice_, bytes | memoryview):
            found.append(slice_)
        else:
            found += slice_.slices()
    return found


class RawReceived(Event, frozen=True):
    """The next pixels of a Raw rectangle, cut anywhere; a slice of what was fed, not a copy."""

    data: bytes | memoryview


class RawEnded(Event, frozen=True):
    """The Raw rectangle is complete."""


class UpdateEnded(Event, frozen=True):
    """The current update is complete.

    Args:
        rectangles: As many have come since UpdateStarted.
        picture: At least one of them changed pixels of the framebuffer (no pseudo-encoding, and not
            empty).
    """

    rectangles: int
    picture: bool


class BellRung(Event, frozen=True):
    """Bell."""


class CutTextReceived(Event, frozen=True):
    """ServerCutText, also in its extended form; `raw` is the whole message."""

    raw: bytes


class CutTextSkipped(Event, frozen=True):
    """A ServerCutText over the limit was read and thrown away; `size` is its text's length."""

    size: int


class ColourMapSet(Event, frozen=True):
    """SetColourMapEntries; `raw` is the whole message."""

    raw: bytes


class FenceReceived(Event, frozen=True):
    """ServerFence. Source: rfbproto, ServerFence."""

    flags: int
    payload: bytes


class ContinuousUpdatesEnded(Event, frozen=True):
    """EndOfContinuousUpdates."""


class XvpReceived(Event, frozen=True):
    """Xvp; `raw` is the whole message."""

    raw: bytes


class AudioReceived(Event, frozen=True):
    """A QEMU audio message was read and thrown away; `size` is the length of its samples."""

    size: int


class StreamBroken(Event, frozen=True):
    """The bytes can't be RFB, or name what the daemon doesn't know; nothing follows.

    Args:
        reason: Plain words for the log, never payload.
        unknown: It may be RFB that the daemon doesn't know, rather than a broken rule.
    """

    reason: str
    unknown: bool = False


ServerEvent = (
    UpdateStarted
    | RectangleReceived
    | RawStarted
    | RawReceived
    | RawEnded
    | UpdateEnded
    | BellRung
    | CutTextReceived
    | CutTextSkipped
    | ColourMapSet
    | FenceReceived
    | ContinuousUpdatesEnded
    | XvpReceived
    | AudioReceived
    | StreamBroken
)


_OF_PICTURE = frozenset({UpdateStarted, RawStarted, RawReceived, RawEnded})


def idle_work(events: Sequence[ServerEvent]) -> int:
    """How much of this changes no picture, in units: one is what a bell costs."""
    work = 0
    for event in events:
        if type(event) in _OF_PICTURE or (
            type(event) is RectangleReceived and event.tight is not None and event.width > 0
        ):
            continue
        match event:
            case RectangleReceived(width=width, height=height, encoding=encoding, data=data):
                if encoding not in PICTURE or not (width and height):
                    work += 1 + len(data) // _IDLE_BYTES
            case UpdateEnded(picture=picture):
                work += not picture
            case CutTextReceived(raw) | ColourMapSet(raw):
                work += 1 + len(raw) // _IDLE_BYTES
            case BellRung() | FenceReceived() | ContinuousUpdatesEnded() | XvpReceived():
                work += 1
            case CutTextSkipped() | AudioReceived():
                work += 1
            case _:
                pass
    return work
