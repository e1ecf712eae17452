"""The type face's table."""

from __future__ import annotations

from vncproxy.simulator.screen.strokes import GLYPHS, UNKNOWN, strokes


def test_all_of_ascii_has_a_glyph_of_its_own() -> None:
    """No two look the same, and only the space is empty."""
    printable = [chr(code) for code in range(0x20, 0x7F)]
    assert [c for c in printable if c not in GLYPHS] == []
    assert len(set(GLYPHS.values())) == len(GLYPHS)
    assert [c for c in printable if not strokes(c)] == [" "]


def test_every_point_is_on_the_grid() -> None:
    """Five columns, ten rows."""
    for character in GLYPHS:
        for line in strokes(character):
            assert all(0 <= x <= 4 and 0 <= y <= 9 for x, y in line), character


def test_what_is_not_there_is_a_box() -> None:
    """A closed one."""
    (box,) = strokes("\u2603")
    assert box[0] == box[-1] == (0, 1)
    assert UNKNOWN
