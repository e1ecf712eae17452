"""What a screen is besides its pixels, and what of that a viewer was told.

It is remembered, to tell it to a viewer that joins or was behind. Pixels aren't: a full update
brings them again.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from vncproxy.rfb import encodings as enc
from vncproxy.rfb import viewer_messages
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.pixel_order import PixelOrder
from vncproxy.rfb.safe_text import NAME_MAX_BYTES, one_line
from vncproxy.rfb.server_events import RectangleReceived

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


class ToldState:
    """What one viewer was told of a `ScreenState`.

    Attributes:
        size: Width and height of the screen, as the viewer knows them.
        name_prefix: Before the desktop's name, for this viewer.
        extended_buttons: It was told that it may send 7-byte pointer events.
    """

    def __init__(self, memory: ScreenState) -> None:
        """The viewer got ServerInit from `memory` just now, but for the name."""
        self.size = (memory.width, memory.height)
        self.name_prefix = ""
        self.extended_buttons = False
        self._name = memory.name
        self._cursor: RectangleReceived | None = None
        self._led: RectangleReceived | None = None
        self._layout: RectangleReceived | None = None
        self._qemu_keys = False
        self._map = b""

    def first_name(self, memory: ScreenState) -> str:
        """The desktop's name for ServerInit."""
        self._name = self.name_prefix + memory.name
        return self._name

    def forget_cursor(self) -> None:
        """The viewer wants it in another order of bytes."""
        self._cursor = None

    def news_of_size(self, memory: ScreenState, known: AbstractSet[int]) -> bytes | None:
        """The rectangle that is due for a size or a layout, if one is and the viewer knows any.

        Args:
            memory: What is known of the screen; `size` becomes its size once the viewer is told.
            known: The encodings that the viewer knows.
        """
        size, layout = (memory.width, memory.height), memory.layout
        is_news = size != self.size
        if not is_news and (layout is self._layout or layout is None):
            return None
        if enc.EXTENDED_DESKTOP_SIZE in known and (is_news or layout is not None):
            self._layout, self.size = layout, size
            return layout.message_bytes if layout else viewer_messages.extended_desktop_size(*size)
        if is_news and enc.DESKTOP_SIZE in known:
            self.size = size
            return viewer_messages.desktop_size(*size)
        return None

    def news(
        self, memory: ScreenState, known: AbstractSet[int], order: PixelOrder | None
    ) -> Iterator[bytes]:
        """The rectangles that are due for anything else.

        Args:
            memory: What is known of the screen.
            known: The encodings that the viewer knows.
            order: Of the bytes of its pixels; None: the console's.
        """
        name = self.name_prefix + memory.name
        if name != self._name and enc.DESKTOP_NAME in known:
            self._name = name
            yield _desktop_name(name)
        cursor = memory.cursor
        if cursor is not None and cursor is not self._cursor and cursor.encoding in known:
            self._cursor = cursor
            yield cursor.message_bytes if order is None else order.message(cursor)
        led = memory.led_state
        if led is not None and led is not self._led and enc.QEMU_LED_STATE in known:
            self._led = led
            yield led.message_bytes
        if memory.qemu_keys and not self._qemu_keys and enc.QEMU_EXTENDED_KEY in known:
            self._qemu_keys = True
            yield _confirmation(enc.QEMU_EXTENDED_KEY)
        buttons = memory.extended_buttons and enc.EXTENDED_MOUSE_BUTTONS in known
        if buttons and not self.extended_buttons:
            self.extended_buttons = True
            yield _confirmation(enc.EXTENDED_MOUSE_BUTTONS)

    def news_of_colours(self, memory: ScreenState) -> bytes:
        """The SetColourMapEntries message that is due; nothing if none is."""
        if memory.colour_map is self._map:
            return b""
        self._map = memory.colour_map
        return memory.colour_map


def _desktop_name(name: str) -> bytes:
    """Source: rfbproto, DesktopName Pseudo-encoding."""
    text = name.encode()
    return _confirmation(enc.DESKTOP_NAME) + struct.pack(">I", len(text)) + text


def _confirmation(encoding: int) -> bytes:
    return viewer_messages.rectangle_header(0, 0, 0, 0, encoding)
