"""What must be remembered of an upstream's screen for a viewer that joins or was behind.

Pixels aren't remembered: a full update brings them again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from vncproxy.rfb import encodings as enc
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import RectangleReceived
from vncproxy.rfb.text import NAME_MAX_BYTES, one_line

DESKTOP_RESIZED_OK = 0
"""Status of an ExtendedDesktopSize rectangle. Source: rfbproto, ExtendedDesktopSize."""


@dataclass(slots=True)
class ScreenState:
    """The last of everything but pixels that the upstream of one link sent about its screen."""

    width: int
    height: int
    name: str
    pixel_format: PixelFormat
    cursor: RectangleReceived | None = None
    led_state: RectangleReceived | None = None
    layout: RectangleReceived | None = None
    qemu_keys: bool = False
    extended_buttons: bool = False
    colour_map: bytes = field(default=b"", repr=False)

    def take(self, rect: RectangleReceived) -> bool:
        """Remember a pseudo-rectangle; False if it is none, or only an answer to a request."""
        match rect.encoding:
            case enc.DESKTOP_SIZE:
                self.width, self.height, self.layout = rect.width, rect.height, None
            case enc.EXTENDED_DESKTOP_SIZE:
                if rect.y != DESKTOP_RESIZED_OK:
                    return False
                self.width, self.height, self.layout = rect.width, rect.height, rect
            case enc.CURSOR | enc.X_CURSOR | enc.VMWARE_CURSOR:
                self.cursor = rect
            case enc.QEMU_LED_STATE:
                self.led_state = rect
            case enc.DESKTOP_NAME:
                self.name = one_line(rect.data[4:], NAME_MAX_BYTES)
            case enc.QEMU_EXTENDED_KEY:
                self.qemu_keys = True
            case enc.EXTENDED_MOUSE_BUTTONS:
                self.extended_buttons = True
            case _:
                return False
        return True

    def reformat(self, pixel_format: PixelFormat) -> None:
        """Pixels come in another format from now on: what held pixels is forgotten."""
        self.pixel_format = pixel_format
        self.cursor = None
        self.colour_map = b""
