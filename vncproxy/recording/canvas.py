"""The picture that a recording's messages draw, in memory, for exports.

Source: RFC 6143, section 7.7; rfbproto, Tight Encoding and Tight PNG Encoding.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image

from vncproxy.errors import RecordingError
from vncproxy.recording.file_format import Kind, damaged
from vncproxy.recording.novnc_form import NOVNC, NovncForm, inflated
from vncproxy.recording.pixels import Pixels
from vncproxy.recording.reader import Recording
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.raw_strips import RawStrips
from vncproxy.rfb.server_events import RawReceived, RawStarted, RectangleReceived
from vncproxy.rfb.server_stream import ServerStream
from vncproxy.rfb.tight import TightFilter, TightKind
from vncproxy.rfb.tight import layout as tight_layout

Colour = tuple[int, int, int]
_PIXEL_BYTES = 4
_DRAWN = enc.PICTURE | {enc.DESKTOP_SIZE}
_MALFORMED = (
    ValueError,
    IndexError,
    OSError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
"""What drawing raises; Pillow has errors of its own for pictures that claim to be huge."""
_SIZE = struct.Struct(">HH")
_SUBRECTANGLE = struct.Struct(">HHHH")


class Canvas:
    """A screen of one size at a time; the pointer isn't drawn, since nobody knows where it was."""

    def __init__(self, opening: bytes) -> None:
        """Black.

        Args:
            opening: A ServerInit, of which only the size counts.
        """
        self.image = Image.new("RGB", _SIZE.unpack_from(opening))
        self._stream = ServerStream(*self.image.size, NOVNC)
        self._pixels = Pixels(NOVNC)
        self._raw: RawStrips | None = None

    def drawable(self, messages: bytes) -> list[RectangleReceived]:
        """What of whole messages, in noVNC's form, is for `draw`."""
        found: list[RectangleReceived] = []
        for event in self._stream.feed(messages):
            match event:
                case RectangleReceived() if event.encoding in _DRAWN:
                    found.append(event)
                case RawStarted():
                    self._raw = RawStrips(event)
                case RawReceived(data) if self._raw is not None:
                    found += self._raw.take((data,))
                case _:
                    pass
        return found

    def draw(self, rectangles: list[RectangleReceived]) -> None:
        """Draw them.

        Raises:
            RecordingError: They are malformed.
        """
        try:
            for rectangle in rectangles:
                self._rectangle(rectangle)
        except _MALFORMED as fault:
            raise damaged() from fault

    def _rectangle(self, rect: RectangleReceived) -> None:
        data, place = rect.data, (rect.x, rect.y)
        size = rect.width, rect.height
        match rect.encoding:
            case enc.DESKTOP_SIZE:
                before, self.image = self.image, Image.new("RGB", size)
                self.image.paste(before)
            case _ if 0 in size:
                pass
            case enc.RAW:
                self.image.paste(_rgbx(size, data), place)
            case enc.COPY_RECT:
                x, y = _SIZE.unpack_from(data)
                self.image.paste(self.image.crop((x, y, x + size[0], y + size[1])), place)
            case enc.RRE:
                self._rre(rect)
            case enc.HEXTILE:
                self._hextile(rect)
            case enc.TIGHT | enc.TIGHT_PNG:
                self.image.paste(self._tight(rect), place)

    def _fill(self, x: int, y: int, width: int, height: int, colour: bytes) -> None:
        self.image.paste(_colour(colour), (x, y, x + width, y + height))

    def _rre(self, rect: RectangleReceived) -> None:
        data = rect.data
        self._fill(rect.x, rect.y, rect.width, rect.height, data[_PIXEL_BYTES:])
        step = _PIXEL_BYTES + _SUBRECTANGLE.size
        for at in range(2 * _PIXEL_BYTES, len(data), step):
            x, y, width, height = _SUBRECTANGLE.unpack_from(data, at + _PIXEL_BYTES)
            self._fill(rect.x + x, rect.y + y, width, height, data[at:])

    def _hextile(self, rect: RectangleReceived) -> None:
        """Source: RFC 6143, section 7.7.4."""
        data, at = rect.data, 0
        back = front = bytes(_PIXEL_BYTES)
        for top in range(rect.y, rect.y + rect.height, 16):
            for left in range(rect.x, rect.x + rect.width, 16):
                size = min(16, rect.x + rect.width - left), min(16, rect.y + rect.height - top)
                mask, at = data[at], at + 1
                if mask & 1:
                    length = size[0] * size[1] * _PIXEL_BYTES
                    self.image.paste(_rgbx(size, data[at : at + length]), (left, top))
                    at += length
                    continue
                if mask & 2:
                    back, at = data[at : at + _PIXEL_BYTES], at + _PIXEL_BYTES
                if mask & 4:
                    front, at = data[at : at + _PIXEL_BYTES], at + _PIXEL_BYTES
                self._fill(left, top, *size, back)
                if not mask & 8:
                    continue
                count, at = data[at], at + 1
                for _ in range(count):
                    colour = front
                    if mask & 16:
                        colour, at = data[at : at + _PIXEL_BYTES], at + _PIXEL_BYTES
                    where, extent = data[at], data[at + 1]
                    at += 2
                    x, y = left + (where >> 4), top + (where & 15)
                    self._fill(x, y, (extent >> 4) + 1, (extent & 15) + 1, colour)

    def _tight(self, rect: RectangleReceived) -> Image.Image:
        data, size = rect.data, (rect.width, rect.height)
        found = tight_layout(rect.encoding, *size, data, NOVNC)
        assert found is not None, "asked for Tight only"
        if found.kind is TightKind.FILL:
            return Image.new("RGB", size, _colour(data[1:]))
        if found.kind is not TightKind.BASIC:
            with Image.open(io.BytesIO(data[found.data_at :]), formats=("PNG", "JPEG")) as image:
                if image.size != size:
                    raise ValueError("a picture of another size")
                return image.convert("RGB")
        plain = inflated(data, found)
        if found.filter is TightFilter.GRADIENT:
            plain = self._pixels.ungradient(plain, *size)
        if found.filter is not TightFilter.PALETTE:
            return Image.frombytes("RGB", size, plain)
        palette = data[3 : found.length_at]
        if len(palette) == 6:
            picture = Image.new("RGB", size, _colour(palette))
            picture.paste(_colour(palette[3:]), (0, 0, *size), Image.frombytes("1", size, plain))
            return picture
        indexed = Image.frombytes("P", size, plain)
        indexed.putpalette(palette)
        return indexed.convert("RGB")


def _rgbx(size: tuple[int, int], data: bytes) -> Image.Image:
    return Image.frombytes("RGB", size, data, "raw", "RGBX")


def _colour(pixel: bytes) -> Colour:
    return pixel[0], pixel[1], pixel[2]


def moments(recording: Recording) -> Iterator[tuple[int, int, Image.Image]]:
    """Each picture that was shown, and from when until when, in milliseconds.

    A picture may be drawn over once the next one is asked for. A part that is damaged is left out:
    what came before stays until the next whole picture.
    """
    canvas: Canvas | None = None
    image: Image.Image | None = None
    since_ms = 0
    for number, block in enumerate(recording.blocks):
        if not block.continues:
            canvas = None
        if canvas is None and number and not block.whole:
            # What it goes on from isn't known.
            continue
        anew = canvas is None
        form: NovncForm | None = None
        try:
            for record in recording.records(number):
                if form is None:
                    form = NovncForm(record.data)
                    canvas = canvas or Canvas(form.opening)
                    continue
                data = form.translated(record.data)
                assert canvas is not None, "made with the form"
                if not (anew or record.kind is Kind.LIVE):
                    continue
                if rectangles := canvas.drawable(data):
                    if image is not None and record.time_ms > since_ms:
                        yield since_ms, record.time_ms, image
                    canvas.draw(rectangles)
                    image, since_ms = canvas.image, record.time_ms
        except RecordingError:
            canvas = None
    if image is not None:
        yield since_ms, max(since_ms, recording.duration_ms), image
