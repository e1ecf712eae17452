"""What is remembered of a screen."""

from __future__ import annotations

import struct

import pytest

from vncproxy.rfb import encodings as enc
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.screen_state import ScreenState, ToldState
from vncproxy.rfb.server_events import RectangleReceived


def memory() -> ScreenState:
    """A screen of which ServerInit is known."""
    return ScreenState(64, 48, "guest", PixelFormat())


def rect(encoding: int, width: int = 0, height: int = 0, data: bytes = b"") -> RectangleReceived:
    """A pseudo-rectangle at 0, 0."""
    return RectangleReceived(0, 0, width, height, encoding, data)


@pytest.mark.parametrize("encoding", sorted(enc.CURSORS))
def test_the_last_cursor_is_kept(encoding: int) -> None:
    """Whichever way its shape came."""
    screen = memory()
    screen.take(rect(enc.CURSOR, 1, 1, bytes(5)))
    last = rect(encoding, 2, 1, bytes(20))
    assert screen.take(last)
    assert screen.cursor is last


def test_a_size_is_followed() -> None:
    """A plain size leaves no layout behind that would contradict it."""
    screen = memory()
    layout = rect(enc.EXTENDED_DESKTOP_SIZE, 100, 50, bytes(20))
    assert screen.take(layout)
    assert (screen.width, screen.height, screen.layout) == (100, 50, layout)
    assert screen.take(rect(enc.DESKTOP_SIZE, 10, 20))
    assert (screen.width, screen.height, screen.layout) == (10, 20, None)


def test_a_refused_size_is_an_answer_and_no_size() -> None:
    """Its numbers are those of the request: they must not be believed."""
    screen = memory()
    refused = RectangleReceived(1, 1, 9999, 9999, enc.EXTENDED_DESKTOP_SIZE, bytes(4))
    assert not screen.take(refused)
    assert (screen.width, screen.height, screen.layout) == (64, 48, None)


def test_a_size_that_another_client_set_is_followed() -> None:
    """`x` says who asked for it, not whether it is so."""
    screen = memory()
    assert screen.take(RectangleReceived(2, 0, 80, 60, enc.EXTENDED_DESKTOP_SIZE, bytes(4)))
    assert (screen.width, screen.height) == (80, 60)


def test_names_leds_and_confirmations_are_kept() -> None:
    """Each can be informed to a viewer that comes later."""
    screen = memory()
    name = "büro".encode()
    assert screen.take(rect(enc.DESKTOP_NAME, data=struct.pack(">I", len(name)) + name))
    assert screen.take(leds := rect(enc.QEMU_LED_STATE, 1, 1, b"\x02"))
    assert screen.take(rect(enc.QEMU_EXTENDED_KEY))
    assert screen.take(rect(enc.EXTENDED_MOUSE_BUTTONS))
    assert screen.name == "büro"
    assert screen.led_state is leds
    assert (screen.qemu_keys, screen.extended_buttons) == (True, True)


def test_a_name_is_one_line_as_in_server_init() -> None:
    """What isn't UTF-8 is read as Latin-1; control characters are no part of it."""
    screen = memory()
    screen.take(rect(enc.DESKTOP_NAME, data=struct.pack(">I", 3) + b"\xff\x1b!"))
    assert screen.name == "ÿ !"


@pytest.mark.parametrize("encoding", sorted({*enc.PICTURE, enc.QEMU_POINTER_MOTION, enc.LAST_RECT}))
def test_the_rest_is_not_for_the_memory(encoding: int) -> None:
    """Pictures come again with a full update."""
    assert not memory().take(rect(encoding, 1, 1, bytes(4)))


def test_another_format_forgets_what_held_pixels() -> None:
    """A shape in the old format could not be decoded by who joins now."""
    screen = memory()
    screen.take(rect(enc.CURSOR, 1, 1, bytes(5)))
    screen.take(rect(enc.QEMU_LED_STATE, 1, 1, b"\x02"))
    screen.colour_map = b"map"
    screen.reformat(PixelFormat(16, 16, False, True, 31, 63, 31, 11, 5, 0))
    assert (screen.cursor, screen.colour_map) == (None, b"")
    assert screen.pixel_format.bits_per_pixel == 16
    assert screen.led_state is not None


# What a viewer was told of it


def test_each_thing_is_told_once() -> None:
    """A cursor, a name, a confirmation; and only to who knows it."""
    screen = memory()
    told, deaf = ToldState(screen), ToldState(screen)
    shape = rect(enc.CURSOR, 1, 1, bytes(5))
    for one in (shape, rect(enc.QEMU_EXTENDED_KEY), rect(enc.EXTENDED_MOUSE_BUTTONS)):
        screen.take(one)
    screen.name = "another"
    known = enc.CURSORS | {enc.DESKTOP_NAME, enc.QEMU_EXTENDED_KEY, enc.EXTENDED_MOUSE_BUTTONS}
    news = list(told.news(screen, known, None))
    assert len(news) == 4
    assert shape.message_bytes in news
    assert told.extended_buttons
    assert list(told.news(screen, known, None)) == []
    assert list(deaf.news(screen, frozenset({enc.RAW}), None)) == []
    assert not deaf.extended_buttons
    told.forget_cursor()
    assert list(told.news(screen, known, None)) == [shape.message_bytes]


@pytest.mark.parametrize(
    ("known", "told_size"),
    [({enc.DESKTOP_SIZE}, (10, 20)), ({enc.EXTENDED_DESKTOP_SIZE}, (10, 20)), (set(), (64, 48))],
)
def test_a_size_is_told_to_who_knows_one(known: set[int], told_size: tuple[int, int]) -> None:
    """Who knows none still believes in the old one."""
    screen = memory()
    told = ToldState(screen)
    assert told.news_of_size(screen, known) is None
    screen.take(rect(enc.DESKTOP_SIZE, 10, 20))
    assert (told.news_of_size(screen, known) is not None) == bool(known)
    assert told.size == told_size
    assert told.news_of_size(screen, known) is None


def test_a_colour_map_is_told_once() -> None:
    """And again when it is another."""
    screen = memory()
    told = ToldState(screen)
    assert told.news_of_colours(screen) == b""
    for colours in (b"\1one", b"\1two"):
        screen.colour_map = colours
        assert told.news_of_colours(screen) == colours
        assert told.news_of_colours(screen) == b""
