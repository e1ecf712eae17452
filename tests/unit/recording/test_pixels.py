"""Pixels of every format look the same in noVNC's."""

from __future__ import annotations

import pytest

from tests.unit.recording.painters import FORMATS, Painter
from vncproxy.recording.pixels import Pixels
from vncproxy.rfb.pixel_format import PixelFormat

each_format = pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS.keys())


@each_format
def test_rgbx(form: PixelFormat) -> None:
    """Red, green, blue, and a byte that doesn't count."""
    painter = Painter(form, 1)
    values = [painter.value() for _ in range(500)]
    made = Pixels(form, painter.colour_map).rgbx(b"".join(map(painter.pixel, values)))
    assert len(made) == 4 * len(values)
    found = [tuple(made[at : at + 3]) for at in range(0, len(made), 4)]
    assert found == [painter.seen(value) for value in values]


@each_format
def test_rgb(form: PixelFormat) -> None:
    """Tight's pixels, which are in that order already where they are three bytes."""
    painter = Painter(form, 2)
    values = [painter.value() for _ in range(500)]
    made = Pixels(form, painter.colour_map).rgb(b"".join(map(painter.tpixel, values)))
    found = [tuple(made[at : at + 3]) for at in range(0, len(made), 3)]
    assert found == [painter.seen(value) for value in values]


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"mapped"}))
def test_a_gradient(name: str) -> None:
    """What was taken off each channel is added again, in the format's own range."""
    form = FORMATS[name]
    painter = Painter(form, 3)
    width, height = 7, 5
    grid = [[painter.value() for _ in range(width)] for _ in range(height)]
    data = b""
    for y in range(height):
        for x in range(width):
            parts = []
            for channel, (value, top) in enumerate(painter.channels(grid[y][x])):

                def at(row: int, column: int, channel: int = channel) -> int:
                    inside = row >= 0 and column >= 0
                    return painter.channels(grid[row][column])[channel][0] if inside else 0

                guess = min(max(at(y - 1, x) + at(y, x - 1) - at(y - 1, x - 1), 0), top)
                parts.append((value - guess) & top)
            if form.tpixel_bytes == 3:
                data += bytes(parts)
            else:
                shifts = (form.red_shift, form.green_shift, form.blue_shift)
                data += painter.pixel(sum(p << s for p, s in zip(parts, shifts, strict=True)))
    made = Pixels(form).ungradient(data, width, height)
    found = [tuple(made[at : at + 3]) for at in range(0, len(made), 3)]
    assert found == [painter.seen(value) for row in grid for value in row]


def test_without_a_map_all_is_black() -> None:
    """As a viewer shows it that wasn't sent any colour."""
    assert Pixels(FORMATS["mapped"]).rgbx(b"\x05\x06") == bytes(8)


def test_a_map_in_part() -> None:
    """Colours from a number on."""
    raw = b"\x01\0" + b"\0\x05" + b"\0\x01" + b"\xff\xff\x80\x80\0\0"
    assert Pixels(FORMATS["mapped"], raw).rgbx(b"\x05\x06") == b"\xff\x80\0\0" + bytes(4)
