"""A viewer's eyes: decodes what a server sends after ServerInit into a picture.

Written from the specifications, with no code in common with `vncproxy.rfb`, so that the two can't
share a mistake. Little-endian, 32 bits per pixel of depth 24, or 16 bits, for which Tight isn't
known here. Slow and strict: anything that a viewer couldn't decode for sure raises DecodeError.
Source: RFC 6143; rfbproto.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from collections.abc import Generator

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
Read = Generator[int, bytes, bytes]
Run = Generator[int, bytes, None]


class DecodeError(Exception):
    """No viewer could make sense of these bytes."""


class Decoder:
    """Feed it complete server-to-client bytes, cut anywhere; look at `frame`.

    `frame` is (height, width, 3) of RGB; `painted` says which pixels any rectangle has painted;
    `encodings` counts rectangles by encoding, `messages` messages by type, `updates` complete
    updates; `at_boundary` is true between messages; `name`, `cursor` (encoding, x, y, width,
    height, data), `leds`, `screens` are the last of each.

    Args:
        width: Of ServerInit.
        height: As `width`.
        shifts: Of red, green and blue in a pixel.
    """

    def __init__(self, width: int, height: int, shifts: tuple[int, int, int] = (16, 8, 0)) -> None:
        """Start with a black, unpainted framebuffer."""
        self.shifts = shifts
        self.maxima = 255, 255, 255
        self.pixel_bytes = 4
        self.format_after_end: bytes | None = None
        """Pixels are in this format from the next EndOfContinuousUpdates on."""
        self.frame: Pixels = np.zeros((height, width, 3), np.uint8)
        self.painted = np.zeros((height, width), np.bool_)
        self.encodings: Counter[int] = Counter()
        self.messages: Counter[int] = Counter()
        self.received_bytes = 0
        self.updates = 0
        self.pictures = 0
        """Updates that held any pixels."""
        self.name: bytes | None = None
        self.cursor: tuple[int, int, int, int, int, bytes] | None = None
        self.leds: int | None = None
        self.screens = 0
        self.cut_texts: list[bytes] = []
        self.fences: list[tuple[int, bytes]] = []
        self.at_boundary = True
        self._inflaters = [zlib.decompressobj() for _ in range(4)]
        self._waiting = bytearray()
        self._messages = self._decode()
        self._wanted = next(self._messages)

    def set_format(self, pixels: bytes) -> None:
        """What comes from here on is in the format of these 16 bytes of a SetPixelFormat."""
        bits, _, _, _, *rest = struct.unpack(">BBBBHHHBBBxxx", pixels)
        self.pixel_bytes = bits // 8
        self.maxima = rest[0], rest[1], rest[2]
        self.shifts = rest[3], rest[4], rest[5]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the framebuffer."""
        height, width, _ = self.frame.shape
        return width, height

    def feed(self, data: bytes) -> None:
        """Decode what is complete.

        Raises:
            DecodeError: No viewer could decode it.
        """
        self.received_bytes += len(data)
        self._waiting += data
        at = 0
        while len(self._waiting) - at >= self._wanted:
            piece = bytes(self._waiting[at : at + self._wanted])
            at += self._wanted
            self._wanted = self._messages.send(piece)
        del self._waiting[:at]
        if self._waiting:
            self.at_boundary = False

    def _decode(self) -> Run:
        while True:
            self.at_boundary = True
            kind = (yield 1)[0]
            self.at_boundary = False
            self.messages[kind] += 1
            if kind == 0:
                yield from self._update()
            elif kind == 1:
                _, count = struct.unpack(">xHH", (yield 5))
                yield 6 * count
            elif kind == 3:
                (length,) = struct.unpack(">3xi", (yield 7))
                self.cut_texts.append((yield abs(length)))
            elif kind == 248:
                flags, length = struct.unpack(">3xIB", (yield 8))
                self.fences.append((flags, (yield length)))
            elif kind == 250:
                yield 3
            elif kind == 150:
                if self.format_after_end is not None:
                    self.set_format(self.format_after_end)
                    self.format_after_end = None
            elif kind != 2:
                raise DecodeError(f"message {kind}")

    def _update(self) -> Run:
        (left,) = struct.unpack(">xH", (yield 3))
        has_pixels = False
        while left:
            left -= 1
            x, y, width, height, encoding = struct.unpack(">HHHHi", (yield 12))
            self.encodings[encoding] += 1
            if encoding == -224:
                break
            if encoding in _PICTURES:
                frame_width, frame_height = self.size
                if x + width > frame_width or y + height > frame_height:
                    raise DecodeError(f"{width}x{height} at {x},{y} of {self.size}")
                pixels = yield from self._picture(encoding, x, y, width, height)
                self.frame[y : y + height, x : x + width] = pixels
                self.painted[y : y + height, x : x + width] = True
                has_pixels = has_pixels or width * height > 0
            else:
                yield from self._pseudo(encoding, x, y, width, height)
        self.updates += 1
        self.pictures += has_pixels

    def _picture(
        self, encoding: int, x: int, y: int, width: int, height: int
    ) -> Generator[int, bytes, Pixels]:
        if encoding == 0:
            return self._rgb((yield width * height * self.pixel_bytes)).reshape(height, width, 3)
        if encoding == 1:
            from_x, from_y = struct.unpack(">HH", (yield 4))
            source = slice(from_y, from_y + height), slice(from_x, from_x + width)
            pixels = self.frame[source].copy()
            if pixels.shape != (height, width, 3):
                raise DecodeError("CopyRect from outside")
            if not self.painted[source].all():
                raise DecodeError("CopyRect of pixels never received")
            return pixels
        if encoding == 2:
            return (yield from self._rre(width, height))
        if encoding == 5:
            return (yield from self._hextile(width, height))
        return (yield from self._tight(width, height, encoding == -260))

    def _rgb(self, data: bytes) -> Pixels:
        values = np.frombuffer(data, f"<u{self.pixel_bytes}").astype(np.uint32)
        pairs = zip(self.shifts, self.maxima, strict=True)
        channels = [
            ((values >> shift & most) * 255 // most).astype(np.uint8) for shift, most in pairs
        ]
        return np.stack(channels, axis=-1)

    def _colour(self, data: bytes) -> Pixels:
        value = int.from_bytes(data, "little")
        pairs = zip(self.shifts, self.maxima, strict=True)
        return np.array([(value >> shift & most) * 255 // most for shift, most in pairs], np.uint8)

    def _rre(self, width: int, height: int) -> Generator[int, bytes, Pixels]:
        (count,) = struct.unpack(">I", (yield 4))
        pixels = np.empty((height, width, 3), np.uint8)
        pixels[:] = self._colour((yield self.pixel_bytes))
        for _ in range(count):
            data = yield self.pixel_bytes + 8
            x, y, w, h = struct.unpack(">HHHH", data[self.pixel_bytes :])
            if x + w > width or y + h > height:
                raise DecodeError("RRE subrectangle outside")
            pixels[y : y + h, x : x + w] = self._colour(data[: self.pixel_bytes])
        return pixels

    def _hextile(self, width: int, height: int) -> Generator[int, bytes, Pixels]:
        pixels = np.empty((height, width, 3), np.uint8)
        background: Pixels | None = None
        foreground: Pixels | None = None
        for top in range(0, height, 16):
            for left in range(0, width, 16):
                tile = pixels[top : top + 16, left : left + 16]
                mask = (yield 1)[0]
                if mask > 31:
                    raise DecodeError(f"Hextile mask {mask}")
                if mask & 1:
                    size = tile.shape[0] * tile.shape[1] * self.pixel_bytes
                    tile[:] = self._rgb((yield size)).reshape(tile.shape)
                    background = foreground = None
                    continue
                if mask & 2:
                    background = self._colour((yield self.pixel_bytes))
                if mask & 4:
                    foreground = self._colour((yield self.pixel_bytes))
                if background is None:
                    raise DecodeError("Hextile tile without a background")
                tile[:] = background
                if mask & 8:
                    for _ in range((yield 1)[0]):
                        colour = self._colour((yield self.pixel_bytes)) if mask & 16 else foreground
                        if colour is None:
                            raise DecodeError("Hextile tile without a foreground")
                        where, extent = yield 2
                        x, y, w, h = where >> 4, where & 15, (extent >> 4) + 1, (extent & 15) + 1
                        if y + h > tile.shape[0] or x + w > tile.shape[1]:
                            raise DecodeError("Hextile subrectangle outside")
                        tile[y : y + h, x : x + w] = colour
                if mask & 16:
                    foreground = None
        return pixels

    def _tight(self, width: int, height: int, png: bool) -> Generator[int, bytes, Pixels]:
        if self.pixel_bytes != 4:
            raise DecodeError(f"Tight with {self.pixel_bytes} bytes a pixel")
        control = (yield 1)[0]
        for stream in range(4):
            if control >> stream & 1:
                self._inflaters[stream] = zlib.decompressobj()
        shape = (height, width, 3)
        method = control >> 4
        if method == 8:
            return np.broadcast_to(np.frombuffer((yield 3), np.uint8), shape)
        if method == 9 or (method == 10 and png):
            data = yield from self._compact()
            image = Image.open(io.BytesIO(data), formats=["JPEG" if method == 9 else "PNG"])
            if image.size != (width, height):
                raise DecodeError(f"an image of {image.size} in {width}x{height}")
            return np.asarray(image.convert("RGB"))
        if method > 7 or png:
            raise DecodeError(f"Tight method {method}")
        filter_id = (yield 1)[0] if method & 4 else 0
        inflater = self._inflaters[method & 3]
        if filter_id == 1:
            colours = (yield 1)[0] + 1
            palette = np.frombuffer((yield 3 * colours), np.uint8).reshape(colours, 3)
            row = (width + 7) // 8 if colours <= 2 else width
            data = yield from self._inflated(inflater, row * height)
            indices = np.frombuffer(data, np.uint8).reshape(height, row)
            if colours <= 2:
                indices = np.unpackbits(indices, axis=1)[:, :width]
            if indices.size and int(np.max(indices)) >= colours:
                raise DecodeError("Tight index outside the palette")
            return palette[indices]
        if filter_id > 2:
            raise DecodeError(f"Tight filter {filter_id}")
        data = yield from self._inflated(inflater, 3 * width * height)
        pixels = np.frombuffer(data, np.uint8).reshape(shape)
        return _ungradient(pixels) if filter_id == 2 else pixels

    def _compact(self) -> Read:
        length = 0
        for shift, last in ((0, False), (7, False), (14, True)):
            byte = (yield 1)[0]
            length |= (byte if last else byte & 127) << shift
            if byte < 128:
                break
        return (yield length)

    def _inflated(self, inflater: zlib._Decompress, size: int) -> Read:
        if size < 12:
            return (yield size)
        data = yield from self._compact()
        try:
            pixels = inflater.decompress(data, size + 1)
        except zlib.error as error:
            raise DecodeError("Tight data that can't be inflated") from error
        if len(pixels) != size or inflater.unconsumed_tail:
            raise DecodeError(f"Tight data of {len(pixels)} bytes, not {size}")
        return pixels

    def _pseudo(self, encoding: int, x: int, y: int, width: int, height: int) -> Run:
        mask = (width + 7) // 8 * height
        if encoding == -239:
            data = yield width * height * self.pixel_bytes + mask
        elif encoding == -240:
            data = (yield 6 + 2 * mask) if mask else b""
        elif encoding == -314:
            (inner,) = struct.unpack(">i", (yield 4))
            if inner != 0:
                raise DecodeError(f"a cursor in encoding {inner}")
            data = yield width * height * 4
        elif encoding == 0x574D5664:
            kind, _ = yield 2
            data = yield width * height * (4 if kind else 8)
        elif encoding == -223:
            self._resize(width, height)
            return
        elif encoding == -308:
            self.screens = (yield 4)[0]
            yield 16 * self.screens
            if y == 0:
                self._resize(width, height)
            return
        elif encoding == -307:
            (length,) = struct.unpack(">I", (yield 4))
            self.name = yield length
            return
        elif encoding == -261:
            self.leds = (yield 1)[0]
            return
        elif encoding in (-257, -258, -316):
            return
        else:
            raise DecodeError(f"encoding {encoding}")
        self.cursor = encoding, x, y, width, height, data

    def _resize(self, width: int, height: int) -> None:
        if self.size != (width, height):
            self.frame = np.zeros((height, width, 3), np.uint8)
            self.painted = np.zeros((height, width), np.bool_)


_PICTURES = frozenset({0, 1, 2, 5, 7, -260})


def _ungradient(differences: Pixels) -> Pixels:
    height, width, _ = differences.shape
    pixels = np.zeros((height + 1, width + 1, 3), np.int32)
    for y in range(height):
        for x in range(width):
            guess = np.clip(pixels[y, x + 1] + pixels[y + 1, x] - pixels[y, x], 0, 255)
            pixels[y + 1, x + 1] = (guess + differences[y, x]) & 255
    return pixels[1:, 1:].astype(np.uint8)
