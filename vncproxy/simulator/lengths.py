"""The simulator's own table of client messages: what each is called, and where it ends.

Source: RFC 6143, section 7.5; rfbproto, Client to Server Messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_CUT_TEXT_BYTES = 1 << 20
MAX_FENCE_BYTES = 64

QEMU_KEY = -258
QEMU_AUDIO = -259
EXTENDED_DESKTOP_SIZE = -308
XVP = -309
FENCE = -312
CONTINUOUS_UPDATES = -313
EXTENDED_BUTTONS = -316
EXTENDED_CLIPBOARD = 0xC0A1E5CE - (1 << 32)

_FIXED = {
    0: ("set-pixel-format", 20),
    3: ("update-request", 10),
    4: ("key", 8),
    150: ("continuous-updates", 10),
    250: ("xvp", 4),
}

INPUT_KINDS = frozenset({"key", "pointer", "qemu-key"})

NEEDS = {
    "continuous-updates": CONTINUOUS_UPDATES,
    "fence": FENCE,
    "xvp": XVP,
    "desktop-size": EXTENDED_DESKTOP_SIZE,
    "qemu-key": QEMU_KEY,
    "qemu-audio": QEMU_AUDIO,
    "extended-cut-text": EXTENDED_CLIPBOARD,
}
"""The pseudo-encoding that must have been agreed on before a client may send such a message."""


class UnknownMessage(Exception):  # noqa: N818 - what was found
    """A message type that is in no table."""


class InvalidMessage(Exception):  # noqa: N818 - what was found
    """A known message that no client may send so."""


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """One whole client message."""

    kind: str
    raw: bytes = field(repr=False)


def measure(head: bytes | bytearray, *, extended_buttons: bool) -> tuple[str, int] | None:
    """Kind and total length of the message that starts here, or None while too little is there.

    Raises:
        UnknownMessage: No message begins like this.
        InvalidMessage: The bytes break the protocol.
    """
    if not head:
        return None
    kind, known = head[0], len(head)
    if kind in _FIXED:
        return _FIXED[kind]
    if kind == 2:
        return ("set-encodings", 4 + 4 * _u16(head, 2)) if known >= 4 else None
    if kind == 5:
        if known < 2:
            return None
        return ("pointer", 7 if extended_buttons and head[1] & 0x80 else 6)
    if kind == 6:
        return _cut_text(head) if known >= 8 else None
    if kind == 248:
        return _fence(head) if known >= 9 else None
    if kind == 251:
        return ("desktop-size", 8 + 16 * head[6]) if known >= 7 else None
    if kind == 255:
        return _qemu(head)
    raise UnknownMessage(f"client message type {kind}")


def _u16(head: bytes | bytearray, at: int) -> int:
    return int.from_bytes(head[at : at + 2], "big")


def _cut_text(head: bytes | bytearray) -> tuple[str, int]:
    size = int.from_bytes(head[4:8], "big", signed=True)
    if abs(size) > MAX_CUT_TEXT_BYTES:
        raise InvalidMessage(f"cut text of {abs(size)} bytes")
    return ("cut-text" if size >= 0 else "extended-cut-text", 8 + abs(size))


def _fence(head: bytes | bytearray) -> tuple[str, int]:
    if head[8] > MAX_FENCE_BYTES:
        raise InvalidMessage(f"fence payload of {head[8]} bytes")
    return "fence", 9 + head[8]


def _qemu(head: bytes | bytearray) -> tuple[str, int] | None:
    if len(head) < 2:
        return None
    if head[1] == 0:
        return "qemu-key", 12
    if head[1] != 1:
        raise UnknownMessage(f"QEMU client message {head[1]}")
    if len(head) < 4:
        return None
    operation = _u16(head, 2)
    if operation > 2:
        raise InvalidMessage(f"QEMU audio operation {operation}")
    return "qemu-audio", 10 if operation == 2 else 4


def check(kind: str, raw: bytes) -> None:
    """Check a whole message's values.

    Raises:
        InvalidMessage: The bytes break the protocol.
    """
    if kind == "set-pixel-format" and raw[4] not in (8, 16, 32):
        raise InvalidMessage(f"{raw[4]} bits per pixel")
    if kind == "update-request" and raw[1] > 1:
        raise InvalidMessage(f"incremental is {raw[1]}")
    if kind == "key" and raw[1] > 1:
        raise InvalidMessage(f"down-flag is {raw[1]}")
    if kind == "qemu-key" and _u16(raw, 2) > 1:
        raise InvalidMessage(f"down-flag is {_u16(raw, 2)}")
