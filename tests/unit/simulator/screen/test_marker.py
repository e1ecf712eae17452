"""The ring that follows the pointer."""

from __future__ import annotations

import pytest

from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.canvas import Canvas
from vncproxy.simulator.screen.marker import Marker


@pytest.mark.parametrize("place", [(50, 40), (0, 0), (99, 79), (99, 0)])
def test_lifting_restores_the_picture(place: tuple[int, int]) -> None:
    """Also at the edge."""
    canvas = Canvas(100, 80)
    canvas.paste(canvas.area, bytes(n % 50 for n in range(8000)))
    before = bytes(canvas.pixels)
    marker = Marker(canvas)
    marker.put()
    assert canvas.pixels == before
    marker.move(*place, pressed=False)
    marker.put()
    assert canvas.pixels.count(palette.index("marker")) > 20
    marker.lift()
    assert canvas.pixels == before
    marker.lift()
    assert canvas.pixels == before


def test_a_pressed_button_shows() -> None:
    """By another colour."""
    canvas = Canvas(100, 80)
    marker = Marker(canvas)
    marker.move(50, 40, pressed=True)
    marker.put()
    assert canvas.pixels.count(palette.index("marker-down")) > 20
