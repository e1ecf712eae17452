"""What the guest believes to be pressed, and where it believes the pointer to be.

One for each console, fed with what goes upstream: held keys and buttons must be released before a
link is replaced or control changes hands, or they stick in the guest.
"""

from __future__ import annotations

import struct
from typing import TypeAlias

from vncproxy.rfb.client_messages import key_event, pointer_event, qemu_key_event

MAX_HELD = 256
"""Keys tracked at once, more than any keyboard has; beyond it the oldest is forgotten."""

_KEY = struct.Struct(">B?xxI")
_QEMU_KEY = struct.Struct(">BBHII")
_POINTER = struct.Struct(">BBHH")

_Key: TypeAlias = tuple[str, int]


class HeldInput:
    """Tracks keys and buttons from the raw messages that went upstream."""

    def __init__(self) -> None:
        """Nothing is held and the pointer's place is unknown."""
        self._keys: dict[_Key, bytes] = {}
        """The press of each."""
        self._pointer: bytes | None = None
        self._pressed = False

    @property
    def last_pointer(self) -> bytes | None:
        """The last pointer message that was sent; None: there was none, so none may be made up."""
        return self._pointer

    def pointer_within(self, width: int, height: int) -> bool:
        """Whether the last pointer message names a place on a screen of this size."""
        if self._pointer is None:
            return False
        _, _, x, y = _POINTER.unpack_from(self._pointer)
        return bool(x < width and y < height)

    def track(self, raw: bytes) -> None:
        """Take note of one whole client message; those that are no input are ignored."""
        if raw[0] == 4:
            _, down, keysym = _KEY.unpack(raw)
            key = "keysym", keysym
        elif raw[0] == 255 and raw[1] == 0:
            _, _, down, keysym, keycode = _QEMU_KEY.unpack(raw)
            # The keycode says which key it is; the keysym may differ between press and release.
            key = ("keycode", keycode) if keycode else ("unknown keycode", keysym)
        else:
            if raw[0] == 5:
                self._pointer = raw
                high = raw[6] if len(raw) == 7 else raw[1] & 0x80
                self._pressed = bool(raw[1] & 0x7F) or bool(high)
            return
        if not down:
            self._keys.pop(key, None)
            return
        # Auto-repeat sends further presses: the first one keeps its place in the order.
        self._keys.setdefault(key, raw)
        if len(self._keys) > MAX_HELD:
            del self._keys[next(iter(self._keys))]

    def release(self) -> list[bytes]:
        """The messages that release everything: keys, the last pressed first, then buttons where
        the pointer is. Nothing is forgotten until they are tracked themselves, or `clear()`.
        """
        messages = [_release_of(press) for press in reversed(self._keys.values())]
        if self._pressed:
            messages.append(self._without_buttons())
        return messages

    def clear(self) -> None:
        """Forget what is held; the pointer's place is kept, with no button pressed.

        A button must not be pressed again by repeating the last message on another link.
        """
        self._keys.clear()
        if self._pointer is not None:
            self._pointer = self._without_buttons()
            self._pressed = False

    def _without_buttons(self) -> bytes:
        assert self._pointer is not None, "buttons are pressed by pointer messages only"
        _, _, x, y = _POINTER.unpack_from(self._pointer)
        return pointer_event(0, x, y)


def _release_of(press: bytes) -> bytes:
    if press[0] == 4:
        return key_event(False, _KEY.unpack(press)[2])
    _, _, _, keysym, keycode = _QEMU_KEY.unpack(press)
    return qemu_key_event(False, keysym, keycode)
