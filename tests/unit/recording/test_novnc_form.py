"""What viewers of every pixel format saw can be shown by noVNC."""

from __future__ import annotations

import random
import struct
import zlib

import pytest

from tests.decoder import Decoder
from tests.unit.recording.painters import FORMATS, Colour, Painter
from vncproxy.errors import RecordingError
from vncproxy.recording.novnc_form import NOVNC, NovncForm
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.viewer_messages import server_init

WIDTH, HEIGHT = 37, 21
each_format = pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS.keys())
Grid = list[list[int]]


class EncodedRectangle:
    """One rectangle of a screen, as its server encodes it, and what noVNC sees."""

    def __init__(self, form: PixelFormat, seed: int) -> None:
        self.painter = Painter(form, seed)
        self.rng = random.Random(seed)
        self.translator = NovncForm(server_init(WIDTH, HEIGHT, form, "näme"))
        assert self.translator.opening == server_init(WIDTH, HEIGHT, NOVNC, "näme")
        self.decoder = Decoder(WIDTH, HEIGHT, (0, 8, 16))
        self.decoder.feed(self.translator.translated(self.painter.colour_map))
        assert not self.decoder.messages, "noVNC knows no colour maps"

    def grid(self, colours: int) -> Grid:
        """Pixels of so many colours."""
        palette = [self.painter.value() for _ in range(colours)]
        return [[self.rng.choice(palette) for _ in range(WIDTH)] for _ in range(HEIGHT)]

    def wire(self, grid: Grid) -> bytes:
        """As whole pixels."""
        return b"".join(self.painter.pixel(value) for row in grid for value in row)

    def shown(self, encoding: int, data: bytes, width: int = WIDTH, height: int = HEIGHT) -> None:
        """One update with one rectangle."""
        header = struct.pack(">BxHHHHHi", 0, 1, 0, 0, width, height, encoding)
        self.decoder.feed(self.translator.translated(header + data))
        assert self.decoder.at_boundary

    def sees(self, grid: Grid) -> None:
        """Every pixel."""
        found = [[tuple(map(int, pixel)) for pixel in row] for row in self.decoder.frame]
        assert found == [[self.painter.seen(value) for value in row] for row in grid]


def deflated(data: bytes) -> bytes:
    """Tight's pixels in a stream of their own."""
    if len(data) < 12:
        return data
    packed = zlib.compress(data)
    assert len(packed) < 1 << 14
    return bytes((len(packed) & 127 | 128, len(packed) >> 7)) + packed


@each_format
def test_raw(form: PixelFormat) -> None:
    """Pixel by pixel."""
    scene = EncodedRectangle(form, 1)
    grid = scene.grid(50)
    scene.shown(0, scene.wire(grid))
    scene.sees(grid)


@each_format
def test_rre(form: PixelFormat) -> None:
    """A background and boxes."""
    scene = EncodedRectangle(form, 2)
    grid = scene.grid(1)
    background = grid[0][0]
    data = scene.painter.pixel(background)
    for number in range(5):
        colour = scene.painter.value()
        grid[number][2 * number] = colour
        data += scene.painter.pixel(colour) + struct.pack(">HHHH", 2 * number, number, 1, 1)
    scene.shown(2, struct.pack(">I", 5) + data)
    scene.sees(grid)


@each_format
def test_hextile(form: PixelFormat) -> None:
    """Tiles of every kind: raw, plain, with boxes of one colour or of many."""
    scene = EncodedRectangle(form, 3)
    grid = scene.grid(40)
    pixel = scene.painter.pixel
    data = b""
    background = 0
    for top in range(0, HEIGHT, 16):
        for left in range(0, WIDTH, 16):
            rows, columns = min(16, HEIGHT - top), min(16, WIDTH - left)
            kind = (left // 16 + top) % 4

            def fill(value: int, y: int, x: int, h: int, w: int) -> None:
                for row in grid[y : y + h]:
                    row[x : x + w] = [value] * w

            if kind == 0:
                data += b"\x01"
                for row in grid[top : top + rows]:
                    data += b"".join(map(pixel, row[left : left + columns]))
                continue
            background = scene.painter.value()
            fill(background, top, left, rows, columns)
            if kind == 1:
                data += b"\x02" + pixel(background)
            elif kind == 2:
                front = scene.painter.value()
                fill(front, top + 1, left + 2, 1, 1)
                data += b"\x0e" + pixel(background) + pixel(front) + b"\x01\x21\x00"
            else:
                front = scene.painter.value()
                fill(front, top, left, 2, 2)
                data += b"\x1a" + pixel(background) + b"\x01" + pixel(front) + b"\x00\x11"
    scene.shown(5, data)
    scene.sees(grid)


@each_format
@pytest.mark.parametrize("colours", [1, 2, 3, 200])
def test_tight_palettes(form: PixelFormat, colours: int) -> None:
    """Indices stay, colours are translated."""
    scene = EncodedRectangle(form, 4)
    palette = [scene.painter.value() for _ in range(colours)]
    indices = [[scene.rng.randrange(colours) for _ in range(WIDTH)] for _ in range(HEIGHT)]
    data = b""
    for row in indices:
        if colours <= 2:
            bits = "".join(map(str, row)).ljust((WIDTH + 7) // 8 * 8, "0")
            data += int(bits, 2).to_bytes((WIDTH + 7) // 8, "big")
        else:
            data += bytes(row)
    head = bytes((0x4F, 1, colours - 1)) + b"".join(map(scene.painter.tpixel, palette))
    scene.shown(7, head + deflated(data))
    scene.sees([[palette[index] for index in row] for row in indices])


@each_format
def test_tight_pixels(form: PixelFormat) -> None:
    """Plain pixels, few of which aren't compressed, and one colour for all."""
    scene = EncodedRectangle(form, 5)
    grid = scene.grid(30)
    pixels = b"".join(scene.painter.tpixel(value) for row in grid for value in row)
    scene.shown(7, b"\x0f" + deflated(pixels))
    scene.sees(grid)
    for count in (1, 2, 3, 5, 11):
        few = [scene.painter.value() for _ in range(count)]
        scene.shown(7, b"\x0f" + deflated(b"".join(map(scene.painter.tpixel, few))), count, 1)
        grid[0][:count] = few
        scene.sees(grid)
    colour = scene.painter.value()
    scene.shown(7, b"\x8f" + scene.painter.tpixel(colour))
    scene.sees([[colour] * WIDTH] * HEIGHT)


@pytest.mark.parametrize("name", ["565", "deep", "usual"])
def test_tight_gradient(name: str) -> None:
    """A filter that noVNC would undo in other ranges than it was made in."""
    scene = EncodedRectangle(FORMATS[name], 6)
    value = scene.painter.value()
    # Of one colour only the first pixel differs from what the gradient foretells.
    size = FORMATS[name].tpixel_bytes
    data = scene.painter.tpixel(value) + bytes(size * (WIDTH * HEIGHT - 1))
    scene.shown(7, b"\x4f\x02" + deflated(data))
    scene.sees([[value] * WIDTH] * HEIGHT)


@each_format
def test_a_cursor(form: PixelFormat) -> None:
    """Its pixels are translated, its mask stays."""
    scene = EncodedRectangle(form, 7)
    values = [scene.painter.value() for _ in range(9 * 2)]
    scene.shown(-239, b"".join(map(scene.painter.pixel, values)) + b"\xff\x80\x0f\0", 9, 2)
    assert scene.decoder.cursor is not None
    encoding, _, _, width, height, data = scene.decoder.cursor
    assert (encoding, width, height) == (-239, 9, 2)
    assert [tuple(data[4 * n : 4 * n + 3]) for n in range(18)] == list(
        map(scene.painter.seen, values)
    )
    assert data[72:] == b"\xff\x80\x0f\0"


def test_an_x_cursor() -> None:
    """Which noVNC doesn't know: it becomes one of the usual kind."""
    scene = EncodedRectangle(FORMATS["usual"], 8)
    front: Colour = (1, 2, 3)
    back: Colour = (7, 8, 9)
    scene.shown(-240, bytes(front) + bytes(back) + b"\xa0\0" + b"\xe0\0", 9, 1)
    assert scene.decoder.cursor is not None
    encoding, _, _, _, _, data = scene.decoder.cursor
    assert encoding == -239
    found = [tuple(data[4 * n : 4 * n + 3]) for n in range(9)]
    assert found == [front, back, front, *[back] * 6]
    assert data[36:] == b"\xe0\0"
    scene.shown(-240, b"", 0, 0)
    assert scene.decoder.cursor[3:] == (0, 0, b"")


def test_what_is_passed_on() -> None:
    """Copies, sizes, names, bells."""
    scene = EncodedRectangle(FORMATS["565"], 9)
    grid = scene.grid(9)
    scene.shown(0, scene.wire(grid))
    scene.shown(1, struct.pack(">HH", 0, 5), WIDTH, 1)
    grid[0] = grid[5]
    scene.sees(grid)
    scene.shown(-307, struct.pack(">I", 3) + b"new", 0, 0)
    assert scene.decoder.name == b"new"
    scene.shown(-223, b"", 10, 8)
    assert scene.decoder.size == (10, 8)
    scene.decoder.feed(scene.translator.translated(b"\x02"))
    assert scene.decoder.messages[2] == 1


def test_what_is_left_out() -> None:
    """Texts, and cursors that noVNC can't have in this format."""
    scene = EncodedRectangle(FORMATS["565"], 10)
    assert scene.translator.translated(b"\x03\0\0\0" + struct.pack(">i", 4) + b"text") == b""
    scene.shown(0x574D5664, b"\0\0" + bytes(2 * 2 * 4), 2, 2)
    assert scene.decoder.cursor is None
    assert scene.decoder.updates == 0


@pytest.mark.parametrize("data", [b"\x00", b"\x63", b"\0\0\0\1" + bytes(8) + b"\0\0\0\x63"])
def test_damage(data: bytes) -> None:
    """Half a message, or none that is known."""
    with pytest.raises(RecordingError, match="damaged"):
        NovncForm(server_init(9, 9, FORMATS["usual"], "x")).translated(data)
    with pytest.raises(RecordingError, match="damaged"):
        NovncForm(data)


def test_a_stream_that_is_not_reset() -> None:
    """Tight data that needs what came before can't be in a recording."""
    translator = NovncForm(server_init(9, 9, FORMATS["565"], "x"))
    rect = struct.pack(">BxHHHHHi", 0, 1, 0, 0, 9, 9, 7) + b"\0" + b"\x04abcd"
    with pytest.raises(RecordingError, match="damaged"):
        translator.translated(rect)
