"""The pointer's shape."""

from __future__ import annotations

from vncproxy.simulator.screen.arrow import ROWS, cursor_rectangle
from vncproxy.simulator.screen.pixels import Packer, WireFormat


def test_the_shape_is_a_closed_arrow() -> None:
    """Every row has a black left edge; white is inside black."""
    assert len({len(row) for row in ROWS}) == 1
    for row in ROWS:
        assert row.startswith("#")
        assert row.rstrip().endswith("#")


def test_the_rectangle_has_pixels_and_a_mask() -> None:
    """Of the lengths that the encoding asks for, with the hot spot's pixel opaque."""
    for bits in (8, 16, 32):
        wire = WireFormat(bits, 8, maxima=(3, 3, 3), shifts=(0, 2, 4))
        width, height, data = cursor_rectangle(Packer(wire))
        mask = (width + 7) // 8 * height
        assert len(data) == width * height * bits // 8 + mask
        assert data[-mask] & 0x80
