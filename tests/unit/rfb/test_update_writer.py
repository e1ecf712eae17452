"""Framing for one viewer; what goes into it is tested in test_viewer_updates.py."""

from __future__ import annotations

import pytest

from tests.decoder import Decoder
from vncproxy.rfb.encodings import LAST_RECT, RAW
from vncproxy.rfb.server_events import plain_slices
from vncproxy.rfb.update_writer import EMPTY_RECTANGLE, MAX_WAITING_BYTES, UpdateWriter
from vncproxy.rfb.viewer_messages import desktop_size, framebuffer_update, rectangle_header

SIDE = 8


def pixel(x: int, grey: int = 1) -> bytes:
    """A Raw rectangle of one pixel in the first row."""
    return rectangle_header(x, 0, 1, 1, RAW) + bytes((grey,)) * 4


class Line:
    """A writer, and a viewer that decodes what it gives."""

    def __init__(self, hold_bytes: int = 1 << 20) -> None:
        self.writer = UpdateWriter(hold_bytes)
        self.decoder = Decoder(SIDE, SIDE)

    def update(self, count: int | None, *wires: bytes | None, last_rect: bool = False) -> None:
        """An upstream's; None: a rectangle that isn't for this viewer."""
        self.writer.begin(count, last_rect=last_rect)
        for wire in wires:
            if wire is not None:
                self.writer.put(wire)
            self.writer.end_rectangle()
        self.writer.end()

    def look(self) -> Decoder:
        """What the viewer sees; it stands between messages."""
        self.decoder.feed(b"".join(plain_slices(self.writer.take())))
        assert self.decoder.at_boundary
        return self.decoder


def test_the_upstreams_count_is_kept() -> None:
    """An empty rectangle stands for what isn't for the viewer; before the head is none needed."""
    line = Line()
    line.update(4, None, pixel(0), None, pixel(1))
    assert line.writer.take() == [
        framebuffer_update(3),
        pixel(0),
        EMPTY_RECTANGLE,
        pixel(1),
    ]


def test_an_upstream_that_ends_its_update_early() -> None:
    """By LastRect, which isn't passed on to who doesn't know it."""
    for last_rect in (True, False):
        line = Line()
        line.update(5, pixel(0), last_rect=last_rect)
        assert line.look().updates == 1
        assert line.decoder.encodings[RAW] == (1 if last_rect else 5)


def test_an_update_that_is_counted_first_is_held_within_bounds() -> None:
    """A larger one becomes several; of Raw as much as has come goes out."""
    line = Line(hold_bytes=40)
    line.writer.begin(None, last_rect=False)
    for x in range(3):
        line.writer.put(pixel(x))
        line.writer.end_rectangle()
    line.writer.start_raw(rectangle_header(0, 1, 8, 1, RAW), 32)
    line.writer.raw((bytes(29),), len(bytes(29)))
    sent = b"".join(plain_slices(line.writer.take()))
    line.decoder.feed(sent)
    assert line.decoder.updates == 1
    assert not line.decoder.at_boundary
    line.writer.raw((bytes(3),), len(bytes(3)))
    assert line.writer.raw_bytes == 32
    line.writer.end_rectangle()
    line.writer.put(pixel(5))
    line.writer.end_rectangle()
    line.writer.end()
    assert line.look().updates == 3
    assert line.decoder.pictures == 3


def test_of_what_is_still_held_nothing_is_made_up() -> None:
    """A Raw rectangle that isn't whole is left out."""
    line = Line()
    line.writer.begin(None, last_rect=False)
    line.writer.put(pixel(0))
    line.writer.end_rectangle()
    line.writer.start_raw(rectangle_header(0, 1, 8, 1, RAW), 32)
    line.writer.raw((bytes(20),), len(bytes(20)))
    line.writer.lose()
    assert not line.writer.is_filling
    assert line.look().updates == 1
    assert line.decoder.encodings[RAW] == 1


def test_a_cut_keeps_the_rectangle_under_way() -> None:
    """What follows it is made up for."""
    line = Line()
    line.writer.begin(3, last_rect=False)
    line.writer.start_raw(rectangle_header(0, 1, 8, 1, RAW), 32)
    line.writer.raw((bytes(20),), len(bytes(20)))
    line.writer.cut()
    line.writer.message(b"\x96")
    line.writer.raw((b"\x07" * 12,), len(b"\x07" * 12))
    line.writer.end_rectangle()
    line.writer.put(pixel(5))
    assert line.look().messages[150] == 1
    assert (line.decoder.frame[1, 5:] == 7).all()
    # What is put after that isn't part of it any more.
    assert line.decoder.updates == 2


def test_the_daemons_own_keep_their_order() -> None:
    """A size ends its update; messages stand where they came."""
    line = Line()
    line.writer.add(pixel(0))
    line.writer.message(b"\x02")
    line.writer.add(pixel(1))
    line.writer.add_size(desktop_size(4, 4))
    line.writer.add(pixel(2))
    assert line.writer.take() == [
        framebuffer_update(1),
        pixel(0),
        b"\x02",
        framebuffer_update(2),
        pixel(1),
        desktop_size(4, 4),
        framebuffer_update(1),
        pixel(2),
    ]


@pytest.mark.parametrize("last_rect", [True, False])
def test_a_size_is_the_last_of_its_update(last_rect: bool) -> None:
    """What was announced besides is made up before it, or called off after it."""
    line = Line()
    line.writer.begin(4, last_rect=last_rect)
    line.writer.put(pixel(0))
    line.writer.end_rectangle()
    line.writer.put_size(desktop_size(4, 4))
    before = b"" if last_rect else 2 * EMPTY_RECTANGLE
    after = rectangle_header(0, 0, 0, 0, LAST_RECT) if last_rect else b""
    assert b"".join(plain_slices(line.writer.take())) == b"".join(
        (framebuffer_update(4), pixel(0), before, desktop_size(4, 4), after)
    )


def test_an_update_knows_nothing_of_the_one_before() -> None:
    """A viewer that fell behind and caught up gets the next Raw rectangle whole, however large."""
    line = Line(hold_bytes=40)
    line.writer.begin(1, last_rect=False)
    line.writer.start_raw(rectangle_header(0, 0, 8, 1, RAW), 32)
    line.writer.raw((bytes(8),), 8)
    line.writer.fall_behind()
    line.writer.raw((bytes(24),), 24)
    line.writer.end_rectangle()
    line.writer.end()
    assert line.writer.has_begun
    line.writer.begin(1, last_rect=False)
    assert not line.writer.has_begun
    line.writer.start_raw(rectangle_header(0, 0, 8, 8, RAW), 256)
    line.writer.raw((b"\x07" * 256,), 256)
    assert not line.writer.is_filling
    line.writer.end_rectangle()
    line.writer.end()
    assert (line.look().frame == 7).all()


def test_two_in_the_place_of_one() -> None:
    """The second is in an update of its own: the first one's count was promised."""
    line = Line()
    line.writer.begin(2, last_rect=False)
    line.writer.put(pixel(0))
    line.writer.put(pixel(1))
    line.writer.put_size(desktop_size(4, 4))
    line.writer.end_rectangle()
    line.writer.put(pixel(2))
    line.writer.end_rectangle()
    line.writer.end()
    assert line.writer.take() == [
        framebuffer_update(2),
        pixel(0),
        pixel(2),
        framebuffer_update(2),
        pixel(1),
        desktop_size(4, 4),
    ]


@pytest.mark.parametrize("last_rect", [False, True])
@pytest.mark.parametrize("count", [None, 1, 2, 5, 7])
def test_a_whole_rectangle_is_put_and_over(count: int | None, last_rect: bool) -> None:
    """The short way of it gives what the long one gives, and counts it."""
    short, long = UpdateWriter(1 << 20), UpdateWriter(1 << 20)
    for writer in (short, long):
        writer.begin(count, last_rect=last_rect)
    for number in range(5 if count is None else min(count, 5)):
        if number == 2:
            short.end_rectangle()
            long.end_rectangle()
            continue
        short.put_whole([pixel(number)])
        long.put(pixel(number))
        long.end_rectangle()
        assert (short.is_open, short.has_begun) == (long.is_open, long.has_begun)
        assert short.take() == long.take()
        assert short.update_bytes == long.update_bytes
    short.end()
    long.end()
    assert short.take() == long.take()
    assert short.update_bytes == long.update_bytes > 0


@pytest.mark.parametrize("last_rect", [False, True])
@pytest.mark.parametrize("count", [None, 4, 5, 9])
def test_whole_rectangles_in_a_row(count: int | None, last_rect: bool) -> None:
    """Many at once give what one by one gives, after what was left out or not."""
    wires = [pixel(number) for number in range(4)]
    for before in range(2):
        together, singly = UpdateWriter(1 << 20), UpdateWriter(1 << 20)
        for writer in (together, singly):
            writer.begin(count, last_rect=last_rect)
            if before and count != len(wires):
                writer.end_rectangle()
        together.put_whole(wires)
        for wire in wires:
            singly.put(wire)
            singly.end_rectangle()
        assert (together.is_open, together.has_begun) == (singly.is_open, singly.has_begun)
        assert together.update_bytes == singly.update_bytes
        for writer in (together, singly):
            writer.end()
        assert together.take() == singly.take()
        assert together.update_bytes == singly.update_bytes > 0


def test_what_waits_is_bounded() -> None:
    """A viewer that asks for fence after fence in the middle of an update costs a MiB."""
    line = Line()
    line.writer.begin(2, last_rect=False)
    line.writer.put(pixel(0))
    line.writer.end_rectangle()
    for _ in range(100_000):
        line.writer.message(b"\x02")
    line.writer.lose()
    assert 0 < line.look().messages[2] <= MAX_WAITING_BYTES // 64 + 1
