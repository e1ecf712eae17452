"""The screen as a command is shown it: questions, the lamps, a picture."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from vncproxy.commands.console_screen import ENCODINGS, ConsoleScreen, LivePicture
from vncproxy.errors import LocalError
from vncproxy.recording.novnc_form import NOVNC
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.client_messages import set_encodings, set_pixel_format
from vncproxy.rfb.tight import compact_length
from vncproxy.rfb.viewer_messages import framebuffer_update, rectangle_header, server_init

SIZE = (40, 30)
RED, BLUE = b"\xff\0\0\0", b"\0\0\xff\0"


def connected(picture: LivePicture | None = None) -> ConsoleScreen:
    """A screen of `SIZE`, after the handshake."""
    screen = ConsoleScreen(picture)
    assert screen.feed(b"RFB 003.008\n") == [b"RFB 003.008\n"]
    assert screen.feed(b"\x01\x01") == [b"\x01"]
    assert screen.feed(bytes(4)) == [b"\x01"]
    assert not screen.is_ready
    asked = [set_pixel_format(NOVNC), set_encodings(ENCODINGS)]
    assert screen.feed(server_init(*SIZE, NOVNC, "guest")) == asked
    assert screen.is_ready
    return screen


def raw(x: int, y: int, width: int, height: int, pixel: bytes = RED) -> bytes:
    """A rectangle of one colour."""
    return rectangle_header(x, y, width, height, enc.RAW) + width * height * pixel


def update(*rectangles: bytes) -> bytes:
    """A FramebufferUpdate."""
    return framebuffer_update(len(rectangles)) + b"".join(rectangles)


def pixels(picture: LivePicture) -> Image.Image:
    """The picture as one that has its PNG sees it."""
    with Image.open(io.BytesIO(picture.png())) as image:
        assert image.format == "PNG"
        return image.convert("RGB")


def test_the_server_says_how_its_keyboard_is() -> None:
    """Nothing at first; Caps Lock is one lamp of three."""
    screen = connected()
    assert (screen.caps_lock, screen.qemu_keys) == (None, False)
    lamps = rectangle_header(0, 0, 0, 0, enc.QEMU_LED_STATE)
    screen.feed(update(rectangle_header(0, 0, 0, 0, enc.QEMU_EXTENDED_KEY), lamps + b"\x06"))
    assert (screen.caps_lock, screen.qemu_keys) == (True, True)
    screen.feed(update(lamps + b"\x03"))
    assert screen.caps_lock is False


def test_a_question_is_answered_by_its_pixel() -> None:
    """Not by another one, nor by a size or the lamps, nor before the update is over."""
    screen = connected()
    assert screen.feed(update(raw(0, 0, 39, 30))) == []
    question = struct.pack(">BBHHHH", 3, 0, 39, 29, 1, 1)
    assert screen.question(last_corner=True) == question
    # What was under way is taken for the answer by the daemon: it has to be asked again.
    assert screen.feed(update(raw(0, 0, 39, 30))) == [question]
    assert screen.feed(update(rectangle_header(0, 0, *SIZE, enc.DESKTOP_SIZE))) == []
    assert not screen.is_answered
    answer = update(raw(24, 29, 16, 1))
    assert screen.feed(answer[:-1]) == []
    assert not screen.is_answered
    assert screen.feed(answer[-1:]) == []
    assert screen.is_answered
    assert screen.is_exact
    assert screen.feed(update(raw(0, 0, 39, 30))) == []
    assert screen.question(last_corner=False) == struct.pack(">BBHHHH", 3, 0, 0, 0, 1, 1)
    assert not screen.is_answered
    screen.feed(update(rectangle_header(0, 0, 20, 20, enc.RRE) + bytes(4) + BLUE))
    assert screen.is_answered
    assert not screen.is_exact


def test_a_picture_is_whole_once_all_of_it_has_come() -> None:
    """And the update is over in which the last of it came."""
    picture = LivePicture()
    screen = connected(picture)
    assert screen.whole() == struct.pack(">BBHHHH", 3, 0, 0, 0, *SIZE)
    screen.feed(update(raw(0, 0, 40, 20)))
    assert not picture.is_whole
    rest = update(raw(0, 20, 40, 10, BLUE), raw(0, 0, 1, 1, BLUE))
    screen.feed(rest[:-2])
    assert not picture.is_whole
    screen.feed(rest[-2:])
    assert picture.is_whole
    image = pixels(picture)
    assert image.size == SIZE
    found = [image.getpixel(at) for at in ((0, 0), (1, 0), (39, 19), (0, 20), (39, 29))]
    red, blue = (255, 0, 0), (0, 0, 255)
    assert found == [blue, red, red, blue, blue]


def test_zlib_streams_go_on_from_rectangle_to_rectangle() -> None:
    """As an upstream's do that a viewer sees from its beginning."""
    picture = LivePicture()
    screen = connected(picture)
    deflater = zlib.compressobj()
    halves = []
    for top, colour in ((0, b"\x01\x02\x03"), (15, b"\x04\x05\x06")):
        data = deflater.compress(40 * 15 * colour) + deflater.flush(zlib.Z_SYNC_FLUSH)
        head = rectangle_header(0, top, 40, 15, enc.TIGHT) + b"\0"
        halves.append(head + compact_length(len(data)) + data)
    screen.feed(update(*halves))
    image = pixels(picture)
    assert (image.getpixel((39, 14)), image.getpixel((0, 15))) == ((1, 2, 3), (4, 5, 6))


@pytest.mark.parametrize("encoding", [enc.DESKTOP_SIZE, enc.EXTENDED_DESKTOP_SIZE])
def test_another_size_begins_anew(encoding: int) -> None:
    """What came before doesn't count."""
    picture = LivePicture()
    screen = connected(picture)
    screen.feed(update(raw(0, 0, *SIZE)))
    assert picture.is_whole
    data = struct.pack(">Bxxx", 0) if encoding == enc.EXTENDED_DESKTOP_SIZE else b""
    screen.feed(update(rectangle_header(0, 0, 50, 20, encoding) + data))
    assert (screen.size, picture.is_whole) == ((50, 20), False)
    screen.feed(update(raw(0, 0, 50, 20, BLUE)))
    assert picture.is_whole
    assert pixels(picture).size == (50, 20)
    if encoding == enc.EXTENDED_DESKTOP_SIZE:
        # A size that was refused, and one that is the same.
        refused = rectangle_header(1, 3, 60, 20, encoding) + data
        screen.feed(update(refused, rectangle_header(0, 0, 50, 20, encoding) + data))
        assert picture.is_whole


@pytest.mark.parametrize(
    "data",
    [
        b"\x07",
        update(rectangle_header(39, 0, 2, 1, enc.RAW)),
        update(rectangle_header(0, 0, 40, 30, enc.TIGHT) + b"\0\x04none"),
    ],
)
def test_what_cannot_be_read_is_an_error(data: bytes) -> None:
    """In words."""
    with pytest.raises(LocalError, match="can't be read"):
        connected(LivePicture()).feed(data)


def test_a_server_that_speaks_something_else() -> None:
    """It isn't a console."""
    with pytest.raises(LocalError, match="can't be read"):
        ConsoleScreen().feed(b"HTTP/1.1 200 OK\r\n\r\n")


def test_a_picture_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A screen that never stops changing doesn't fill the memory."""
    monkeypatch.setattr("vncproxy.commands.console_screen.PICTURE_MAX_BYTES", 3 * 40 * 29 * 4)
    screen = connected(LivePicture())
    for _ in range(3):
        screen.feed(update(raw(0, 0, 40, 29)))
    with pytest.raises(LocalError, match="changes faster"):
        screen.feed(update(raw(0, 0, 40, 29)))
