"""What the built-in screen shows."""

from __future__ import annotations

import pytest

from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.scene import Caption, Scene

CAPTION = Caption("demo", "i-1", "here", "Debian", ("one rule", "another"))
NOON_S = 12 * 3600.0


@pytest.mark.parametrize("size", [(1024, 768), (800, 600), (640, 480), (320, 320), (1920, 1080)])
def test_any_size_is_drawn_and_reacts(size: tuple[int, int]) -> None:
    """Input and time change the picture."""
    scene = Scene(CAPTION, *size, NOON_S)
    pictures = [bytes(scene.canvas.pixels)]
    assert len(set(pictures[0])) > 40
    scene.key(0x61, down=True)
    pictures.append(bytes(scene.canvas.pixels))
    scene.key(0xFF08, down=True)
    scene.key(0xFF0D, down=True)
    pictures.append(bytes(scene.canvas.pixels))
    scene.pointer(size[0] // 2, size[1] // 2, 1)
    pictures.append(bytes(scene.canvas.pixels))
    assert len(set(pictures)) == 4
    assert scene.inputs == 4


def test_the_clock_moves() -> None:
    """The same second looks the same, the next doesn't."""
    scene = Scene(CAPTION, 1024, 768, NOON_S)
    first = bytes(scene.canvas.pixels)
    scene.tick(NOON_S + 1, ())
    second = bytes(scene.canvas.pixels)
    scene.tick(NOON_S + 1, ())
    assert first != second
    assert bytes(scene.canvas.pixels) == second


def test_drawing_passes_beneath_the_marker() -> None:
    """Once the pointer is gone elsewhere nothing of it is left."""
    scene = Scene(CAPTION, 1024, 768, NOON_S)
    plain = Scene(CAPTION, 1024, 768, NOON_S)
    scene.pointer(160, 480, 0)
    for character in "hello":
        for each in (scene, plain):
            each.key(ord(character), down=True)
    scene.pointer(900, 60, 0)
    plain.pointer(160, 480, 0)
    plain.pointer(900, 60, 0)
    assert scene.canvas.pixels == plain.canvas.pixels
    assert palette.index("marker") in scene.canvas.pixels
