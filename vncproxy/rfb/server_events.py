"""What an upstream sends, one event for each message or rectangle.

Source: RFC 6143, section 7.6; rfbproto, Server to Client Messages.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from vncproxy.rfb.encodings import PICTURE, RAW
from vncproxy.rfb.tight import TightLayout

_RECTANGLE = struct.Struct(">HHHHi")
_IDLE_BYTES = 8 << 10


@dataclass(frozen=True, slots=True)
class UpdateStarted:
    """A FramebufferUpdate begins; `count` rectangles follow, or, where None, any up to LastRect."""

    count: int | None


# Not frozen, as `TightLayout` isn't: there are many.
@dataclass(slots=True)
class RectangleReceived:
    """A complete, valid rectangle of the current update.

    A Raw rectangle comes as `RawStarted` and what follows it, unless it is empty. Pseudo-rectangles
    (cursors, sizes, names, confirmations) come as pictures do; LastRect doesn't.

    Args:
        data: Everything after the 12-byte header.
        tight: The layout of `data`, of a Tight rectangle that came in one piece.
    """

    x: int
    y: int
    width: int
    height: int
    encoding: int
    data: bytes = field(repr=False)
    tight: TightLayout | None = field(default=None, repr=False, compare=False)

    @property
    def message_bytes(self) -> bytes:
        """The rectangle as on the wire: 12-byte header and data."""
        return _RECTANGLE.pack(self.x, self.y, self.width, self.height, self.encoding) + self.data


@dataclass(frozen=True, slots=True)
class RawStarted:
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
        return _RECTANGLE.pack(self.x, self.y, self.width, self.height, RAW)


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


@dataclass(frozen=True, slots=True)
class RawReceived:
    """The next pixels of a Raw rectangle, cut anywhere; a slice of what was fed, not a copy."""

    data: bytes | memoryview = field(repr=False)


@dataclass(frozen=True, slots=True)
class RawEnded:
    """The Raw rectangle is complete."""


@dataclass(frozen=True, slots=True)
class UpdateEnded:
    """The current update is complete.

    Args:
        rectangles: As many have come since UpdateStarted.
        picture: At least one of them changed pixels of the framebuffer (no pseudo-encoding, and not
            empty).
    """

    rectangles: int
    picture: bool


@dataclass(frozen=True, slots=True)
class BellRung:
    """Bell."""


@dataclass(frozen=True, slots=True)
class CutTextReceived:
    """ServerCutText, also in its extended form; `raw` is the whole message."""

    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CutTextSkipped:
    """A ServerCutText over the limit was read and thrown away; `size` is its text's length."""

    size: int


@dataclass(frozen=True, slots=True)
class ColourMapSet:
    """SetColourMapEntries; `raw` is the whole message."""

    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FenceReceived:
    """ServerFence. Source: rfbproto, ServerFence."""

    flags: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class ContinuousUpdatesEnded:
    """EndOfContinuousUpdates."""


@dataclass(frozen=True, slots=True)
class XvpReceived:
    """Xvp; `raw` is the whole message."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """A QEMU audio message was read and thrown away; `size` is the length of its samples."""

    size: int


@dataclass(frozen=True, slots=True)
class StreamBroken:
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


def idle_work(events: Sequence[ServerEvent]) -> int:
    """How much of this changes no picture, in units: one is what a bell costs."""
    work = 0
    for event in events:
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
