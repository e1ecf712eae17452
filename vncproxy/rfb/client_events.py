"""What a viewer sent, one frozen value for each message.

`raw` is the whole message as it came, ready to be passed on; it never shows in a repr, since a
message may hold keys or clipboard text. A stream ends with `StreamBroken`, as the upstream's does.
Source: RFC 6143, section 7.5; rfbproto, Client to Server Messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import StreamBroken

__all__ = [
    "ClientEvent",
    "ContinuousUpdatesEnabled",
    "CutTextSent",
    "DesktopSizeSet",
    "EncodingsSet",
    "FenceSent",
    "KeySent",
    "PixelFormatSet",
    "PointerSent",
    "QemuAudioSent",
    "QemuKeySent",
    "StreamBroken",
    "UpdateRequested",
    "XvpSent",
]


@dataclass(frozen=True, slots=True)
class PixelFormatSet:
    """SetPixelFormat: the format in which the viewer wants pixels from now on."""

    raw: bytes = field(repr=False)
    pixel_format: PixelFormat


@dataclass(frozen=True, slots=True)
class EncodingsSet:
    """SetEncodings: what the viewer can decode, as signed numbers, most wanted first."""

    raw: bytes = field(repr=False)
    encodings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class UpdateRequested:
    """FramebufferUpdateRequest: the area may lie outside the framebuffer (it is to be cropped)."""

    raw: bytes = field(repr=False)
    incremental: bool
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class KeySent:
    """KeyEvent."""

    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PointerSent:
    """PointerEvent: 6 bytes, or 7 with the extended buttons."""

    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class CutTextSent:
    """ClientCutText: `size` bytes follow the 8-byte header; extended clipboard if `extended`."""

    raw: bytes = field(repr=False)
    size: int
    extended: bool = False


@dataclass(frozen=True, slots=True)
class ContinuousUpdatesEnabled:
    """EnableContinuousUpdates: switch them on for an area, or off."""

    raw: bytes = field(repr=False)
    enable: bool
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class FenceSent:
    """ClientFence: a request if bit 31 of `flags` is set, else the answer to one."""

    raw: bytes = field(repr=False)
    flags: int
    payload: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class XvpSent:
    """xvp client message: shut down, reboot or reset."""

    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class DesktopSizeSet:
    """SetDesktopSize: the viewer asks for another screen layout."""

    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class QemuKeySent:
    """QEMU extended key event."""

    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class QemuAudioSent:
    """QEMU audio: on, off, or the sample format."""

    raw: bytes = field(repr=False)


ClientEvent: TypeAlias = (
    PixelFormatSet
    | EncodingsSet
    | UpdateRequested
    | KeySent
    | PointerSent
    | CutTextSent
    | ContinuousUpdatesEnabled
    | FenceSent
    | XvpSent
    | DesktopSizeSet
    | QemuKeySent
    | QemuAudioSent
    | StreamBroken
)
