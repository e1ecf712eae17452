"""Pixels of four bytes, rearranged for a viewer that wants its colours in another order.

Browsers and native viewers ask for the same 24 bits of colour in different bytes. What Tight sends
is the same for all of them. Source: RFC 6143, section 7.4; rfbproto, Tight Encoding (TPIXEL).
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from vncproxy.rfb import encodings as enc
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import RectangleReceived

PIXEL_BYTES = 4
_WHOLE_BYTES = frozenset({0, 8, 16, 24})
_VMWARE_HEAD_BYTES = 2
_VMWARE_CLASSIC = 0


@dataclass(frozen=True, slots=True)
class PixelOrder:
    """For each byte of a pixel in the new order, which byte of the old one it is."""

    origins: tuple[int, int, int, int]

    @classmethod
    def between(cls, old: PixelFormat, new: PixelFormat) -> PixelOrder | None:
        """What makes pixels of `new` from those of `old`; None where it takes more than that."""
        places = _places(old), _places(new)
        if not all(places):
            return None
        origins = [0] * PIXEL_BYTES
        for origin, place in zip(*places, strict=True):
            origins[place] = origin
        return cls((origins[0], origins[1], origins[2], origins[3]))

    def pixels(self, data: bytes) -> bytes:
        """Whole pixels in the new order."""
        out = bytearray(len(data))
        for place, origin in enumerate(self.origins):
            out[place::PIXEL_BYTES] = data[origin::PIXEL_BYTES]
        return bytes(out)

    @staticmethod
    def knows(encoding: int) -> bool:
        """Whether `rectangle` can rearrange this encoding; else a walk over its parts is needed."""
        return encoding not in (enc.HEXTILE, enc.RRE)

    def message(self, rect: RectangleReceived) -> bytes:
        """The whole rectangle, header and data, as `rectangle`."""
        return replace(rect, data=self.rectangle(rect), wire=b"").message_bytes

    def rectangle(self, rect: RectangleReceived) -> bytes:
        """The data of a rectangle whose encoding it `knows`, in the new order."""
        data = rect.data
        if rect.encoding == enc.RAW:
            return self.pixels(data)
        if rect.encoding == enc.CURSOR:
            size = rect.width * rect.height * PIXEL_BYTES
            return self.pixels(data[:size]) + data[size:]
        if rect.encoding == enc.VMWARE_CURSOR and data[0] == _VMWARE_CLASSIC:
            return data[:_VMWARE_HEAD_BYTES] + self.pixels(data[_VMWARE_HEAD_BYTES:])
        return data


def _places(pixels: PixelFormat) -> tuple[int, ...]:
    """Which byte red, green, blue and the rest are in; () if they have no byte each."""
    shifts = (pixels.red_shift, pixels.green_shift, pixels.blue_shift)
    if pixels.tpixel_bytes != 3 or len(set(shifts)) != 3 or not _WHOLE_BYTES.issuperset(shifts):
        return ()
    rest = sum(_WHOLE_BYTES) - sum(shifts)
    order = [shift // 8 for shift in (*shifts, rest)]
    return tuple(PIXEL_BYTES - 1 - byte for byte in order) if pixels.big_endian else tuple(order)
