"""A VNC server in miniature, which remembers what its screen looks like.

Written from the specifications, with no code in common with `vncproxy`. 32 bits per pixel, depth
24, little-endian. Its Tight streams are real ones: one persistent compressor for each, as a server
has them, so that who misses a part can't read on.
"""

from __future__ import annotations

import io
import itertools
import random
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Shifts = tuple[int, int, int]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""

NATIVE: Shifts = (16, 8, 0)
CURSOR_COLOUR = (250, 120, 3)
RAW, COPY_RECT, RRE, HEXTILE, TIGHT, TIGHT_PNG = 0, 1, 2, 5, 7, -260
CURSOR, DESKTOP_SIZE, LAST_RECT, EXTENDED_SIZE = -239, -223, -224, -308


def packed(pixels: Pixels, shifts: Shifts) -> bytes:
    """Pixels as the format's little-endian words."""
    red, green, blue = (pixels[..., i].astype(np.uint32) << s for i, s in enumerate(shifts))
    words = np.asarray(red | green | blue, "<u4")
    return words.tobytes()


def painting(rng: random.Random, width: int, height: int) -> Pixels:
    """One colour, a few colours, or noise that doesn't compress."""
    kind = rng.randrange(4)
    if kind == 0:
        return np.full((height, width, 3), [rng.randrange(256) for _ in range(3)], np.uint8)
    if kind == 1:
        noise = np.frombuffer(rng.randbytes(width * height * 3), np.uint8)
        return noise.reshape(height, width, 3).copy()
    colours = np.frombuffer(rng.randbytes(3 * (2 if kind == 2 else 9)), np.uint8).reshape(-1, 3)
    indices = [rng.randrange(len(colours)) for _ in range(width * height)]
    return colours[indices].reshape(height, width, 3)


class ModelServer:
    """The upstream of one link, after ServerInit.

    `frame` is what a client must see; `wire` is what was sent and hasn't arrived; `requests` counts
    full and incremental ones.

    Args:
        by_area: Answers a request within its area only, and takes a new size or a cursor alone for
            an answer, as TigerVNC's server does; else the whole damage is sent at any request, and
            what isn't picture unasked, as QEMU does.
    """

    def __init__(self, rng: random.Random, width: int, height: int, *, by_area: bool) -> None:
        """A screen on which something is to be seen."""
        self.frame = painting(rng, width, height)
        self.encodings: tuple[int, ...] = ()
        self.shifts = NATIVE
        self.cursor: bytes | None = None
        self.wire = bytearray()
        self.requests = {True: 0, False: 0}
        self._rng = rng
        self._arrived = 0
        self._pictures_until = 0
        self._by_area = by_area
        self._damage = np.zeros((height, width), np.bool_)
        self._wanted = np.zeros((height, width), np.bool_)
        self._cursor_is_news = False
        self._new_size: tuple[int, int] | None = None
        self._scrolls: list[tuple[Box, int, int]] = []
        self._deflaters = [zlib.compressobj() for _ in range(4)]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        height, width, _ = self.frame.shape
        return width, height

    @property
    def is_asked(self) -> bool:
        """Whether a request is outstanding."""
        return bool(self._wanted.any())

    # What the client says

    def take(self, messages: list[bytes]) -> None:
        """Whole messages, one each; anything but what a daemon has to say is a failure."""
        for raw in messages:
            if raw[0] == 0 and len(raw) == 20:
                assert not self._wanted.any(), "SetPixelFormat with a request outstanding"
                assert self._arrived >= self._pictures_until, "SetPixelFormat too early"
                self.shifts = (raw[14], raw[15], raw[16])
            elif raw[0] == 2:
                (count,) = struct.unpack_from(">H", raw, 2)
                self.encodings = struct.unpack_from(f">{count}i", raw, 4)
                self._queue_cursor()
            elif raw[0] == 3 and len(raw) == 10:
                self._asked(*struct.unpack(">xBHHHH", raw))
            else:
                raise AssertionError(f"message {raw[0]} of {len(raw)} bytes")

    def _asked(self, incremental: int, x: int, y: int, width: int, height: int) -> None:
        self.requests[bool(incremental)] += 1
        area = (slice(y, y + height), slice(x, x + width))
        if self._by_area:
            self._wanted[area] = True
        else:
            self._wanted[:] = True
        if not incremental:
            self._damage[area] = True

    def arrive(self, size: int) -> bytes:
        """The next bytes, at most so many, get to the client."""
        data = bytes(self.wire[:size])
        del self.wire[:size]
        self._arrived += len(data)
        return data

    # What happens on the screen

    def draw(self, box: Box) -> None:
        """Something new in a part of the screen."""
        width, height = self.size
        left, top, right, bottom = box
        left, right = sorted((left % width, right % width))
        top, bottom = sorted((top % height, bottom % height))
        area = (slice(top, bottom + 1), slice(left, right + 1))
        self.frame[area] = painting(self._rng, right + 1 - left, bottom + 1 - top)
        self._damage[area] = True

    def scroll(self, box: Box, from_x: int, from_y: int) -> None:
        """Part of the screen is moved; sent as a CopyRect where the client may have one."""
        self._scrolls = [*self._scrolls[-2:], (box, from_x, from_y)]

    def point(self, width: int, height: int) -> None:
        """Another cursor."""
        colour = np.full((height, width, 3), CURSOR_COLOUR, np.uint8)
        mask = self._rng.randbytes((width + 7) // 8 * height)
        self.cursor = struct.pack(">HHHHi", 0, 0, width, height, CURSOR) + packed(
            colour, self.shifts
        )
        self.cursor += mask
        self._queue_cursor()

    def _queue_cursor(self) -> None:
        self._cursor_is_news = self.cursor is not None and CURSOR in self.encodings
        if not self._by_area:
            self._send_cursor()

    def _send_cursor(self) -> None:
        if self.cursor is not None and self._cursor_is_news:
            self._cursor_is_news = False
            _, _, width, height, _ = struct.unpack_from(">HHHHi", self.cursor)
            mask = self.cursor[12 + 4 * width * height :]
            colour = np.full((height, width, 3), CURSOR_COLOUR, np.uint8)
            self.cursor = self.cursor[:12] + packed(colour, self.shifts) + mask
            self._send([self.cursor])

    def resize(self, width: int, height: int) -> None:
        """The screen gets another size, if the client could be informed."""
        if not {DESKTOP_SIZE, EXTENDED_SIZE}.isdisjoint(self.encodings):
            self._new_size = (width, height)

    def ring(self) -> None:
        """Bell."""
        self.wire += b"\x02"

    # What it sends

    def answer(self) -> bool:
        """Whether there was something to send."""
        if self._new_size is not None and (self._wanted.any() or not self._by_area):
            self._send_size(*self._new_size)
            return True
        if self._cursor_is_news and self._wanted.any():
            self._wanted[:] = False
            self._send_cursor()
            return True
        if not self._wanted.any() or not (self._scrolls or (self._damage & self._wanted).any()):
            return False
        rectangles = list(self._damaged())
        for box, from_x, from_y in self._scrolls:
            rectangles += self._scrolled(box, from_x, from_y)
        self._scrolls = []
        if not rectangles:
            return False
        self._wanted[:] = False
        self._send(rectangles)
        self._pictures_until = self._arrived + len(self.wire)
        return True

    def _send(self, rectangles: list[bytes]) -> None:
        if LAST_RECT in self.encodings and self._rng.randrange(2):
            end = struct.pack(">HHHHi", 0, 0, 0, 0, LAST_RECT)
            self.wire += struct.pack(">BxH", 0, 0xFFFF) + b"".join(rectangles) + end
        else:
            self.wire += struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles)

    def _send_size(self, width: int, height: int) -> None:
        self._new_size = None
        self._scrolls = []
        self.frame = painting(self._rng, width, height)
        self._damage = np.ones((height, width), np.bool_)
        still_asked = bool(self._wanted.any()) and not self._by_area
        self._wanted = np.full((height, width), still_asked)
        if EXTENDED_SIZE in self.encodings:
            screen = struct.pack(">IHHHHI", 1, 0, 0, width, height, 0)
            header = struct.pack(">HHHHi", 0, 0, width, height, EXTENDED_SIZE)
            self._send([header + b"\x01\0\0\0" + screen])
        else:
            self._send([struct.pack(">HHHHi", 0, 0, width, height, DESKTOP_SIZE)])

    def _damaged(self) -> Iterator[bytes]:
        """The damage in rectangles, cut at random."""
        mask = self._damage & self._wanted
        if not mask.any():
            return
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        left, right = int(columns[0]), int(columns[-1]) + 1
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        x_cuts = sorted({left, right, self._rng.randint(left, right)})
        y_cuts = sorted({top, bottom, self._rng.randint(top, bottom)})
        for y0, y1 in itertools.pairwise(y_cuts):
            for x0, x1 in itertools.pairwise(x_cuts):
                if mask[y0:y1, x0:x1].any():
                    self._damage[y0:y1, x0:x1] = False
                    yield self._rectangle(x0, y0, x1, y1)

    def _scrolled(self, box: Box, from_x: int, from_y: int) -> list[bytes]:
        width, height = self.size
        x, y = box[0] % width, box[1] % height
        from_x, from_y = from_x % width, from_y % height
        w = min(width - max(x, from_x), 1 + box[2])
        h = min(height - max(y, from_y), 1 + box[3])
        source = (slice(from_y, from_y + h), slice(from_x, from_x + w))
        stale = bool(self._damage[source].any())
        self.frame[y : y + h, x : x + w] = self.frame[source].copy()
        if COPY_RECT in self.encodings and not stale:
            self._damage[y : y + h, x : x + w] = False
            header = struct.pack(">HHHHi", x, y, w, h, COPY_RECT)
            return [header + struct.pack(">HH", from_x, from_y)]
        self._damage[y : y + h, x : x + w] = True
        return list(self._damaged())

    def _rectangle(self, left: int, top: int, right: int, bottom: int) -> bytes:
        pixels = self.frame[top:bottom, left:right]
        ways: dict[int, Callable[[Pixels], bytes]] = {
            RAW: lambda pixels: packed(pixels, self.shifts),
            RRE: self._rre,
            HEXTILE: self._hextile,
            TIGHT: self._tight,
            TIGHT_PNG: self._tight_png,
        }
        known = [e for e in (*self.encodings, RAW) if e in ways]
        # The dearest to go wrong is used most.
        encoding = TIGHT if TIGHT in known and self._rng.random() < 0.8 else self._rng.choice(known)
        header = struct.pack(">HHHHi", left, top, right - left, bottom - top, encoding)
        return header + ways[encoding](pixels)

    def _rre(self, pixels: Pixels) -> bytes:
        background = pixels[0, 0]
        others = np.argwhere((pixels != background).any(axis=2))
        out = struct.pack(">I", len(others)) + packed(background, self.shifts)
        for y, x in others:
            out += packed(pixels[y, x], self.shifts) + struct.pack(">HHHH", x, y, 1, 1)
        return out

    def _hextile(self, pixels: Pixels) -> bytes:
        out = bytearray()
        for top in range(0, pixels.shape[0], 16):
            for left in range(0, pixels.shape[1], 16):
                tile = pixels[top : top + 16, left : left + 16]
                if (tile == tile[0, 0]).all():
                    out += b"\x02" + packed(tile[0, 0], self.shifts)
                else:
                    out += b"\x01" + packed(tile, self.shifts)
        return bytes(out)

    def _tight(self, pixels: Pixels) -> bytes:
        height, width, _ = pixels.shape
        resets = 0
        if self._rng.random() < 0.1:
            resets = self._rng.randrange(16)
            for number in range(4):
                if resets >> number & 1:
                    self._deflaters[number] = zlib.compressobj()
        if (pixels == pixels[0, 0]).all() and self._rng.randrange(2):
            return bytes((0x80 | resets, *pixels[0, 0]))
        stream = self._rng.choice((0, 0, 1, 2, 3))
        control = stream << 4 | resets
        colours, indices = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
        if 2 <= len(colours) <= 16 and self._rng.randrange(4):
            head = bytes((control | 0x40, 1, len(colours) - 1)) + bytes(colours.tobytes())
            rows = indices.astype(np.uint8).reshape(height, width)
            data = np.packbits(rows, axis=1) if len(colours) == 2 else rows
            return head + self._deflated(stream, data.tobytes())
        if self._rng.randrange(3) == 0:
            return bytes((control | 0x40, 2)) + self._deflated(stream, _gradient(pixels))
        return bytes((control,)) + self._deflated(stream, pixels.tobytes())

    def _tight_png(self, pixels: Pixels) -> bytes:
        if (pixels == pixels[0, 0]).all():
            return bytes((0x80, *pixels[0, 0]))
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
        return b"\xa0" + _compact(len(file.getvalue())) + file.getvalue()

    def _deflated(self, stream: int, data: bytes) -> bytes:
        if len(data) < 12:
            return data
        deflater = self._deflaters[stream]
        deflated = deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
        return _compact(len(deflated)) + deflated


def _compact(length: int) -> bytes:
    low, middle, high = length & 127, length >> 7 & 127, length >> 14
    if high:
        return bytes((low | 128, middle | 128, high))
    return bytes((low | 128, middle)) if middle else bytes((low,))


def _gradient(pixels: Pixels) -> bytes:
    """Differences from what a gradient predicts. Source: rfbproto, Tight's gradient filter."""
    height, width, _ = pixels.shape
    wide = np.zeros((height + 1, width + 1, 3), np.int32)
    wide[1:, 1:] = pixels
    guess = np.clip(wide[:-1, 1:] + wide[1:, :-1] - wide[:-1, :-1], 0, 255)
    differences: Pixels = ((wide[1:, 1:] - guess) & 255).astype(np.uint8)
    return differences.tobytes()
