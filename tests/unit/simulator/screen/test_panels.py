"""The panels beside the terminal."""

from __future__ import annotations

import pytest

from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.canvas import Area, Canvas
from vncproxy.simulator.screen.lettering import MEDIUM, SMALL, write
from vncproxy.simulator.screen.panels import KeyboardPanel, PointerPanel, TrafficPanel

AREA = Area(10, 10, 316, 260)


def canvas() -> Canvas:
    """Room for one."""
    return Canvas(340, 280)


def shows(picture: Canvas, text: str, ink: str, height: int = MEDIUM.height) -> bool:
    """Whether a text is somewhere on the picture, in this ink."""
    face = MEDIUM if height == MEDIUM.height else SMALL
    sample = Canvas(len(text) * face.width, face.height)
    write(sample, 0, 0, text, ink, face)
    wanted = list(sample.rows(sample.area))
    rows = list(picture.rows(picture.area))
    return any(
        all(rows[y + n][x : x + sample.width] == wanted[n] for n in range(sample.height))
        for y in range(picture.height - sample.height)
        for x in range(picture.width - sample.width)
        if rows[y + 6][x : x + sample.width] == wanted[6]
    )


def test_a_key_is_named_with_its_modifiers() -> None:
    """Until they are released."""
    picture = canvas()
    panel = KeyboardPanel(picture, AREA)
    for keysym in (0xFFE3, 0xFFE9, 0xFFFF):
        panel.key(keysym, down=True)
    assert shows(picture, "Ctrl+Alt+Delete ", "text")
    for keysym in (0xFFE3, 0xFFE9, 0xFFFF):
        panel.key(keysym, down=False)
    panel.key(0x61, down=True)
    assert shows(picture, "a         ", "text")
    assert panel.count == 4


def test_the_pointer_is_on_the_map() -> None:
    """One dot, which moves, and the place in figures."""
    picture = canvas()
    panel = PointerPanel(picture, AREA)
    empty = bytes(picture.pixels)
    panel.pointer(0, 0, 0)
    first = picture.pixels.index(palette.index("marker"))
    panel.pointer(339, 279, 0)
    assert picture.pixels.count(palette.index("marker")) == 25
    assert picture.pixels.index(palette.index("marker")) > first
    assert shows(picture, " 339, 279  buttons none", "text", SMALL.height)
    panel.pointer(170, 140, 5)
    assert shows(picture, "buttons 13", "text", SMALL.height)
    assert palette.index("marker-down") in picture.pixels
    assert bytes(picture.pixels) != empty


@pytest.mark.parametrize("height", [260, 80])
def test_the_chart_grows_with_input(height: int) -> None:
    """A second with input has a bar, if there is room; figures are written."""
    picture = canvas()
    panel = TrafficPanel(picture, AREA._replace(height=height))
    panel.tick([("keys", "12"), ("pointer", "3")], 0)
    quiet = bytes(picture.pixels)
    panel.tick([("keys", "12"), ("pointer", "3")], 8)
    assert (bytes(picture.pixels) != quiet) is (height == 260)
    assert shows(picture, "12", "text", SMALL.height)
