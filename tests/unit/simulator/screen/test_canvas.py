"""The picture and its changes."""

from __future__ import annotations

import pytest

from vncproxy.simulator.screen.canvas import Area, Canvas, Moved


def test_areas_meet_and_cut() -> None:
    """Touching edges share no pixel."""
    area = Area(2, 2, 4, 4)
    assert area.meets(Area(5, 5, 1, 1))
    assert not area.meets(Area(6, 2, 1, 1))
    assert area.within(Area(0, 0, 3, 10)) == Area(2, 2, 1, 4)
    assert area.within(Area(6, 6, 9, 9)) is None


@pytest.mark.parametrize("area", [Area(-1, -1, 3, 3), Area(2, 1, 5, 5), Area(0, 0, 4, 3)])
def test_what_lies_outside_is_left_out(area: Area) -> None:
    """Every pixel inside is painted, no other, and the change is what is inside."""
    canvas = Canvas(4, 3)
    canvas.fill(area, 7)
    inside = area.within(canvas.area)
    assert inside is not None
    for y in range(3):
        for x in range(4):
            painted = Area(x, y, 1, 1).meets(area)
            assert canvas.pixels[y * 4 + x] == (7 if painted else 0)
    assert canvas.drain() == [inside]
    assert canvas.drain() == []


def test_pasting_beyond_the_edge_keeps_rows_straight() -> None:
    """The rest of a row isn't wrapped."""
    canvas = Canvas(3, 2)
    canvas.paste(Area(2, 0, 2, 2), b"\1\2\3\4")
    assert canvas.pixels == b"\0\0\1\0\0\3"
    canvas.paste(Area(9, 9, 1, 1), b"\1")
    assert canvas.drain() == [Area(2, 0, 1, 2)]


def test_moving_up_copies_rows() -> None:
    """And says where from."""
    canvas = Canvas(2, 3)
    canvas.paste(canvas.area, b"\1\2\3\4\5\6")
    canvas.drain()
    canvas.move_up(Area(1, 0, 1, 3), 1)
    assert canvas.pixels == b"\1\4\3\6\5\6"
    assert canvas.drain() == [Moved(Area(1, 0, 1, 2), 1, 1)]


def test_a_frame_is_a_line_along_the_inside() -> None:
    """Its middle stays."""
    canvas = Canvas(3, 3)
    canvas.frame(canvas.area, 1)
    assert canvas.pixels == b"\1\1\1\1\0\1\1\1\1"
    assert canvas.cut_out(Area(1, 0, 2, 2)) == b"\1\1\0\1"
