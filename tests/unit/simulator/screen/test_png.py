"""Pictures as files."""

from __future__ import annotations

import io

from PIL import Image

from vncproxy.simulator.screen.png import png


def test_a_picture_in_true_colour_is_read_back() -> None:
    """By another program's reader."""
    rgb = bytes(range(3 * 4 * 2))
    with Image.open(io.BytesIO(png(4, 2, rgb))) as picture:
        assert (picture.format, picture.size, picture.mode) == ("PNG", (4, 2), "RGB")
        assert picture.tobytes() == rgb


def test_a_picture_of_few_colours_is_read_back() -> None:
    """Its pixels are indices."""
    colours = [(0, 0, 0), (255, 0, 10), (1, 2, 3)]
    with Image.open(io.BytesIO(png(3, 2, bytes((0, 1, 2, 2, 1, 0)), colours))) as picture:
        assert picture.convert("RGB").tobytes() == bytes(
            part for index in (0, 1, 2, 2, 1, 0) for part in colours[index]
        )
