"""Valid server messages for property tests, with what they hold.

Written from rfbproto, with no code in common with `vncproxy.rfb`. 32 bits per pixel, depth 24.
"""

from __future__ import annotations

import random
import struct
import zlib
from dataclasses import dataclass

from hypothesis import strategies as st

WIDTH = 64
HEIGHT = 48
"""The framebuffer that every rectangle fits in; a change of size only makes it larger."""

PICTURES = (0, 1, 2, 5, 6, 7, 16, -260)
PSEUDO = (-223, -239, -240, -257, -258, -259, -261, -307, -308, -314, -316, 0x574D5664)
TIGHT_CONTROLS = (0x00, 0x13, 0x4F, 0x50, 0x60, 0x70, 0x80, 0x90)


@dataclass(frozen=True)
class Rectangle:
    """A rectangle and its encoded data."""

    x: int
    y: int
    width: int
    height: int
    encoding: int
    data: bytes

    @property
    def wire(self) -> bytes:
        """Header and data."""
        header = struct.pack(">HHHHi", self.x, self.y, self.width, self.height, self.encoding)
        return header + self.data

    @property
    def paints(self) -> bool:
        """Whether it changes a pixel."""
        return self.encoding in PICTURES and self.width > 0 and self.height > 0


@dataclass(frozen=True)
class Message:
    """A message; `rectangles` where it is an update, `open_count` where LastRect ends it."""

    wire: bytes
    rectangles: tuple[Rectangle, ...] | None = None
    open_count: bool = False


def _compact(length: int) -> bytes:
    low, middle, high = length & 127, length >> 7 & 127, length >> 14
    if high:
        return bytes((low | 128, middle | 128, high))
    return bytes((low | 128, middle)) if middle else bytes((low,))


def hextile(rng: random.Random, width: int, height: int) -> bytes:
    """Tiles of every kind."""
    out = bytearray()
    for top in range(0, height, 16):
        for left in range(0, width, 16):
            across, down = min(16, width - left), min(16, height - top)
            # The first tile says all that later ones may leave out.
            mask = rng.randrange(32) if out else 2
            out.append(mask)
            if mask & 1:
                out += rng.randbytes(across * down * 4)
                continue
            out += rng.randbytes(4 * ((mask >> 1 & 1) + (mask >> 2 & 1)))
            if mask & 8:
                count = rng.choice((0, 1, 2, 255))
                out.append(count)
                out += rng.randbytes(count * (6 if mask & 16 else 2))
    return bytes(out)


def tight(rng: random.Random, width: int, height: int, png: bool, tpixel: int = 3) -> bytes:
    """Any form of compression; basic data is a zlib stream of its own, whatever its resets say."""
    control = rng.choice((0x80, 0x90, 0xA0) if png else TIGHT_CONTROLS)
    head = bytes((control | rng.randrange(16),))
    if control >> 4 == 8:
        return head + rng.randbytes(tpixel)
    if control >> 4 in (9, 10):
        data = rng.randbytes(rng.choice((1, 127, 128, 16383, 16384)))
        return head + _compact(len(data)) + data
    size = width * height * tpixel
    if control & 0x40:
        kind = rng.randrange(3)
        head += bytes((kind,))
        if kind == 1:
            colours = rng.choice((2, 3, 256))
            head += bytes((colours - 1,)) + rng.randbytes(colours * tpixel)
            size = (width + 7) // 8 * height if colours == 2 else width * height
    pixels = rng.randbytes(size)
    if size < 12:
        return head + pixels
    deflater = zlib.compressobj(1)
    data = deflater.compress(pixels) + deflater.flush(zlib.Z_SYNC_FLUSH)
    return head + _compact(len(data)) + data


def _counted(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def picture_data(encoding: int, rng: random.Random, width: int, height: int, tpixel: int) -> bytes:
    """Data of a picture encoding, CopyRect excepted."""
    if encoding == 0:
        return rng.randbytes(width * height * 4)
    if encoding == 2:
        count = rng.randrange(4)
        return struct.pack(">I", count) + rng.randbytes(4 + 12 * count)
    if encoding == 5:
        return hextile(rng, width, height)
    if encoding in (7, -260):
        return tight(rng, width, height, encoding == -260, tpixel)
    return _counted(rng.randbytes(rng.randrange(300)))


@st.composite
def pictures(draw: st.DrawFn) -> Rectangle:
    """A rectangle that changes the framebuffer, now and then an empty one."""
    encoding = draw(st.sampled_from(PICTURES))
    x = draw(st.integers(0, WIDTH))
    y = draw(st.integers(0, HEIGHT))
    width = draw(st.integers(0, WIDTH - x))
    height = draw(st.integers(0, HEIGHT - y))
    if encoding == 1:
        source = draw(st.integers(0, WIDTH - width)), draw(st.integers(0, HEIGHT - height))
        return Rectangle(x, y, width, height, encoding, struct.pack(">HH", *source))
    rng = random.Random(draw(st.integers(0, 1 << 16)))
    data = picture_data(encoding, rng, width, height, 3)
    return Rectangle(x, y, width, height, encoding, data)


@st.composite
def pseudo_rectangles(draw: st.DrawFn) -> Rectangle:
    """A cursor, a size, a name, a confirmation; cursors may stand for inner Tight or Hextile."""
    encoding = draw(st.sampled_from(PSEUDO))
    rng = random.Random(draw(st.integers(0, 1 << 16)))
    x, y = rng.randrange(1 << 16), rng.randrange(1 << 16)
    width, height = rng.randrange(40), rng.randrange(40)
    mask = (width + 7) // 8 * height
    data = b""
    if encoding in (-223, -308):
        width, height = rng.randrange(WIDTH, 2 * WIDTH), rng.randrange(HEIGHT, 2 * HEIGHT)
    if encoding == -308:
        # A refusal carries a size that must not be followed.
        y = rng.choice((0, 1))
        screens = rng.choice((0, 1, 2, 255))
        data = bytes((screens, 0, 0, 0)) + rng.randbytes(16 * screens)
        if y:
            width, height = 1, 1
    elif encoding == -239:
        data = rng.randbytes(width * height * 4 + mask)
    elif encoding == -240:
        data = rng.randbytes(6 + 2 * mask) if mask else b""
    elif encoding == -314:
        inner = rng.choice((0, 2, 5, 7, 16, -260))
        data = struct.pack(">i", inner) + picture_data(inner, rng, width, height, 4)
    elif encoding == 0x574D5664:
        kind = rng.randrange(2)
        data = bytes((kind, 0)) + rng.randbytes(width * height * (4 if kind else 8))
    elif encoding == -307:
        data = _counted(rng.randbytes(rng.choice((0, 5, 4096))))
    elif encoding == -261:
        data = rng.randbytes(1)
    return Rectangle(x, y, width, height, encoding, data)


@st.composite
def updates(draw: st.DrawFn) -> Message:
    """A FramebufferUpdate with a count, an open one, or one that LastRect cuts short."""
    rectangles = tuple(draw(st.lists(pictures() | pseudo_rectangles(), max_size=5)))
    ending = draw(st.sampled_from(("counted", "open", "early")))
    count = {"counted": len(rectangles), "open": 0xFFFF, "early": len(rectangles) + 3}[ending]
    wire = struct.pack(">BBH", 0, draw(st.integers(0, 255)), count)
    wire += b"".join(rectangle.wire for rectangle in rectangles)
    if ending != "counted":
        wire += struct.pack(">HHHHi", 0, 0, 0, 0, -224)
    return Message(wire, rectangles, ending == "open")


@st.composite
def other_messages(draw: st.DrawFn) -> Message:
    """Any message that isn't an update."""
    payload = draw(st.binary(max_size=60))
    size = len(payload)
    pad = draw(st.binary(min_size=3, max_size=3))
    return Message(
        draw(
            st.sampled_from(
                (
                    b"\x02",
                    b"\x96",
                    b"\x03" + pad + struct.pack(">i", size) + payload,
                    b"\x03" + pad + struct.pack(">i", -size) + payload,
                    b"\x01" + pad[:1] + struct.pack(">HH", 7, size // 6) + payload[: size // 6 * 6],
                    b"\xf8" + pad + struct.pack(">IB", 0x80000001, size) + payload,
                    b"\xfa\x00\x01\x01",
                    b"\xff\x01\x00\x00",
                    b"\xff\x01\x00\x01",
                    b"\xff\x01\x00\x02" + _counted(payload),
                )
            )
        )
    )


def messages() -> st.SearchStrategy[Message]:
    """Any message."""
    return updates() | other_messages()


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in pieces: single bytes, or cut at a few places."""
    if len(data) < 3000 and draw(st.booleans()):
        return [data[at : at + 1] for at in range(len(data))]
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]
