"""Uncovered never forgets a pixel, whatever happens to it."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vncproxy.rfb.region import Uncovered

WIDTH = 40
HEIGHT = 30

RECTANGLES = st.tuples(
    st.booleans(),
    st.integers(0, WIDTH),
    st.integers(0, HEIGHT),
    st.integers(0, WIDTH),
    st.integers(0, HEIGHT),
)


def bitmap(region: Uncovered) -> np.typing.NDArray[np.bool_]:
    pixels = np.zeros((HEIGHT, WIDTH), np.bool_)
    for x, y, width, height in region.boxes:
        assert width > 0 and height > 0
        assert x + width <= WIDTH and y + height <= HEIGHT
        pixels[y : y + height, x : x + width] = True
    return pixels


@settings(max_examples=150)
@given(st.lists(RECTANGLES, max_size=40), st.sampled_from((4, 16, 256)))
def test_it_agrees_with_a_bitmap(
    steps: list[tuple[bool, int, int, int, int]], max_boxes: int
) -> None:
    """With boxes to spare it equals the bitmap; with few it holds at least the bitmap's pixels."""
    region = Uncovered(WIDTH, HEIGHT, max_boxes=max_boxes)
    truth = np.ones((HEIGHT, WIDTH), np.bool_)
    for cover, x, y, width, height in steps:
        truth[y : y + height, x : x + width] = not cover
        if cover:
            region.cover(x, y, width, height)
        else:
            region.uncover(x, y, width, height)
        found = bitmap(region)
        assert len(region.boxes) <= max_boxes
        assert not (truth & ~found).any()
        if max_boxes == 256:
            assert (truth == found).all()
            assert region.complete == (not truth.any())
    region.cover(0, 0, WIDTH, HEIGHT)
    assert region.complete
