"""What the gateway of the benchmark shows: pixels, the echo of a key, text that scrolls."""

from __future__ import annotations

import random
import struct
import zlib

RAW, COPY_RECT, TIGHT = 0, 1, 7
LAST_RECT, FENCE, CONTINUOUS_UPDATES = -224, -312, -313
FENCE_REQUEST = 1 << 31
PIXELS = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
ECHO_SIDE = 16
"""Pixels of the square that shows a key; the first of them is its keysym."""

_LENGTHS = {0: 20, 3: 10, 4: 8, 5: 6}
"""Of a client's messages, by their kind; SetEncodings says its own."""
_HEAD = struct.Struct(">BxH")
_RECTANGLE = struct.Struct(">HHHHi")
_LINE_PIXELS, _WORD_PIXELS = 13, 128
_COLOURS = (b"\xff\xff\xff\0\0\0", b"\x10\x10\x10\0\xc0\0", b"\0\0\x40\xe0\xe0\xe0")


def client_message_size(received: bytes | bytearray) -> int:
    """Bytes of the first message, or as many as it takes to know.

    Raises:
        ValueError: A kind that a daemon doesn't send.
    """
    kind = received[0]
    if kind == 2:
        return 4 + 4 * int.from_bytes(received[2:4], "big") if len(received) > 3 else 4
    if kind not in _LENGTHS:
        raise ValueError(f"message {kind}")
    return _LENGTHS[kind]


def raw(x: int, y: int, width: int, height: int) -> bytes:
    """An update of this area in Raw."""
    size = 4 * width * height
    pixels = (bytes(range(256)) + bytes(range(1, 256))) * (size // 511 + 1)
    return update([_RECTANGLE.pack(x, y, width, height, RAW) + pixels[:size]])


def echo(keysyms: list[int]) -> bytes:
    """An update of the square that shows a key, for each of these."""
    side = ECHO_SIDE
    head, rest = _RECTANGLE.pack(0, 0, side, side, RAW), bytes(4 * side * side - 4)
    return update([head + struct.pack(">I", keysym) + rest for keysym in keysyms])


def blank(x: int, y: int, width: int, height: int) -> bytes:
    """An update of this area in one colour, by Tight."""
    return update([_filled(x, y, width, height)])


def update(rectangles: list[bytes]) -> bytes:
    """A FramebufferUpdate."""
    return _HEAD.pack(0, len(rectangles)) + b"".join(rectangles)


def text(width: int, height: int, *, updates: int, words: int) -> list[bytes]:
    """Text that scrolls by a line in each update, as Xvnc sends a terminal's.

    A CopyRect, so many words in two colours, of some 140 bytes each, and half as many areas without
    any text. They may be played again and again: the first use of a zlib stream resets it.
    """
    chance = random.Random(1)
    streams = {number: zlib.compressobj(6) for number in (1, 2)}
    fresh = set(streams)
    made = []
    for _ in range(updates):
        scrolled = height - _LINE_PIXELS
        rectangles = [
            _RECTANGLE.pack(0, 0, width, scrolled, COPY_RECT) + struct.pack(">HH", 0, _LINE_PIXELS)
        ]
        for word in range(words):
            x = word * _WORD_PIXELS % (width - _WORD_PIXELS)
            stream = chance.choice((1, 1, 2))
            reset = 1 << stream if stream in fresh else 0
            fresh.discard(stream)
            deflated = streams[stream].compress(_word(chance))
            deflated += streams[stream].flush(zlib.Z_SYNC_FLUSH)
            rectangles.append(
                _RECTANGLE.pack(x, scrolled, _WORD_PIXELS, _LINE_PIXELS, TIGHT)
                + bytes((0x40 | stream << 4 | reset, 1, 1))
                + chance.choice(_COLOURS)
                + _compact(len(deflated))
                + deflated
            )
            if word % 2:
                rectangles.append(_filled(x, scrolled, _WORD_PIXELS, 3))
        made.append(update(rectangles))
    return made


def _filled(x: int, y: int, width: int, height: int) -> bytes:
    return _RECTANGLE.pack(x, y, width, height, TIGHT) + b"\x80\x20\x20\x20"


def _word(chance: random.Random) -> bytes:
    """A line of letters, a bit for each pixel: a few rows are empty, the others hardly repeat."""
    rows = [bytes(_WORD_PIXELS // 8)] * 3
    rows += [chance.randbytes(_WORD_PIXELS // 8) for _ in range(_LINE_PIXELS - 6)]
    return b"".join(rows + rows[:3])


def _compact(size: int) -> bytes:
    """A length as Tight has it, up to 16,383. Source: rfbproto, Tight."""
    return bytes((size & 127 | 128, size >> 7)) if size > 127 else bytes((size,))
