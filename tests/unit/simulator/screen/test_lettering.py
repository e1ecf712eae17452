"""Text on a canvas."""

from __future__ import annotations

from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.canvas import Area, Canvas
from vncproxy.simulator.screen.lettering import LARGE, SMALL, TERMINAL, write


def test_text_takes_its_cells_and_no_more() -> None:
    """It ends where the next cell starts, over its own background."""
    canvas = Canvas(60, 30)
    assert write(canvas, 5, 4, "Hi", "text") == 5 + 2 * TERMINAL.width
    assert canvas.drain() == [Area(5, 4, 2 * TERMINAL.width, TERMINAL.height)]
    cells = set(canvas.cut_out(Area(5, 4, 20, 20)))
    assert cells <= {palette.shade("text", n) for n in range(palette.RAMP_STEPS)}
    assert {palette.index("text"), palette.solid("text")} <= cells


def test_glyphs_have_soft_edges_in_every_size() -> None:
    """Shades between background and ink."""
    for face in (SMALL, TERMINAL, LARGE):
        canvas = Canvas(face.width, face.height)
        write(canvas, 0, 0, "O", "text", face)
        assert len(set(canvas.pixels)) > 3


def test_a_vertical_stroke_stands_where_its_column_is() -> None:
    """An I is dark left and right, light in the middle."""
    canvas = Canvas(TERMINAL.width, TERMINAL.height)
    write(canvas, 0, 0, "I", "text")
    row = next(iter(canvas.rows(Area(0, 8, TERMINAL.width, 1))))
    assert row[0] == row[-1] == palette.index("text")
    assert max(row[4], row[5]) > palette.shade("text", 4)


def test_nothing_is_written_for_an_empty_text() -> None:
    """And nothing changes."""
    canvas = Canvas(9, 9)
    assert write(canvas, 3, 3, "", "text") == 3
    assert canvas.drain() == []
