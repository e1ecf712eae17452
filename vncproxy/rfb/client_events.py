"""What a viewer sent, one frozen value for each message.

`raw` is the whole message as it came, ready to be passed on; it never shows in a repr, since a
message may hold keys or clipboard text. A stream ends with `StreamBroken`, as the upstream's does.
Source: RFC 6143, section 7.5; rfbproto, Client to Server Messages.
"""

from __future__ import annotations

from typing import TypeAlias

from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import Event, StreamBroken

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


class PixelFormatSet(Event, frozen=True):
    """SetPixelFormat: the format in which the viewer wants pixels from now on."""

    raw: bytes
    pixel_format: PixelFormat


class EncodingsSet(Event, frozen=True):
    """SetEncodings: what the viewer can decode, as signed numbers, most wanted first."""

    raw: bytes
    encodings: tuple[int, ...]


class UpdateRequested(Event, frozen=True):
    """FramebufferUpdateRequest: the area may lie outside the framebuffer (it is to be cropped)."""

    raw: bytes
    incremental: bool
    x: int
    y: int
    width: int
    height: int


class KeySent(Event, frozen=True):
    """KeyEvent."""

    raw: bytes


class PointerSent(Event, frozen=True):
    """PointerEvent: 6 bytes, or 7 with the extended buttons."""

    raw: bytes


class CutTextSent(Event, frozen=True):
    """ClientCutText: `size` bytes follow the 8-byte header; extended clipboard if `extended`."""

    raw: bytes
    size: int
    extended: bool = False


class ContinuousUpdatesEnabled(Event, frozen=True):
    """EnableContinuousUpdates: switch them on for an area, or off."""

    raw: bytes
    enable: bool
    x: int
    y: int
    width: int
    height: int


class FenceSent(Event, frozen=True):
    """ClientFence: a request if bit 31 of `flags` is set, else the answer to one."""

    raw: bytes
    flags: int
    payload: bytes


class XvpSent(Event, frozen=True):
    """xvp client message: shut down, reboot or reset."""

    raw: bytes


class DesktopSizeSet(Event, frozen=True):
    """SetDesktopSize: the viewer asks for another screen layout."""

    raw: bytes


class QemuKeySent(Event, frozen=True):
    """QEMU extended key event."""

    raw: bytes


class QemuAudioSent(Event, frozen=True):
    """QEMU audio: on, off, or the sample format."""

    raw: bytes


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
