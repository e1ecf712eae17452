"""Uncovered: examples; tests/property/test_region.py compares it with a bitmap."""

from __future__ import annotations

from vncproxy.rfb.region import Uncovered


def test_whole_until_covered_whole() -> None:
    """Tiles of a full update make it complete, with the last of them."""
    region = Uncovered(100, 50)
    for x in range(0, 100, 30):
        for y in range(0, 50, 20):
            assert not region.complete
            region.cover(x, y, 30, 20)
    assert region.complete
    assert region.boxes == []


def test_a_skipped_rectangle_has_to_come_again() -> None:
    """What was covered and then skipped is uncovered, within the framebuffer only."""
    region = Uncovered(100, 50)
    region.cover(0, 0, 100, 50)
    region.uncover(90, 40, 30, 30)
    region.uncover(200, 0, 5, 5)
    assert region.boxes == [(90, 40, 10, 10)]
    region.cover(90, 40, 10, 9)
    assert region.boxes == [(90, 49, 10, 1)]


def test_a_new_size_starts_over() -> None:
    """After a reset nothing is covered; an empty framebuffer is complete."""
    region = Uncovered(10, 10)
    region.cover(0, 0, 10, 10)
    region.reset(20, 20)
    region.cover(0, 0, 10, 10)
    assert not region.complete
    region.reset(0, 20)
    assert region.complete


def test_the_number_of_boxes_is_bounded() -> None:
    """A chessboard of skipped pixels keeps few boxes, and a full update still completes it."""
    region = Uncovered(200, 200, max_boxes=32)
    region.cover(0, 0, 200, 200)
    for x in range(0, 200, 5):
        for y in range(0, 200, 5):
            region.uncover(x, y, 1, 1)
            assert len(region.boxes) <= 32
    for y in range(200):
        region.cover(0, y, 200, 1)
    assert region.complete


def test_empty_rectangles_change_nothing() -> None:
    """A rectangle without pixels neither covers nor uncovers."""
    region = Uncovered(10, 10)
    region.cover(3, 3, 0, 5)
    assert region.boxes == [(0, 0, 10, 10)]
    region.cover(0, 0, 10, 10)
    region.uncover(3, 3, 5, 0)
    assert region.complete
