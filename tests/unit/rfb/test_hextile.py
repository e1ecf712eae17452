"""HextileWalk finds where a rectangle ends."""

from __future__ import annotations

import random

import pytest

from tests.property.server_messages import hextile
from vncproxy.rfb.hextile import HextileWalk
from vncproxy.rfb.wire_error import WireError


def length(width: int, height: int, pixel_bytes: int, data: bytes) -> int:
    walk = HextileWalk(width, height, pixel_bytes)
    stop = walk.walk(data + b"\xee" * 9, 0, len(data) + 9)
    assert walk.done
    return stop


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (b"\x00", (16, 16)),
        (b"\x02ABCD", (16, 16)),
        (b"\x06ABCDEFGH", (16, 16)),
        (b"\x08\x02aabb", (16, 16)),
        (b"\x1a" + b"ABCD" + b"\x01" + b"ABCDxy", (16, 16)),
        (b"\x08\x00", (16, 16)),
        (b"\x01" + bytes(16 * 16 * 4), (16, 16)),
        (b"\x01" + bytes(3 * 2 * 4), (3, 2)),
        (b"\x1f" + bytes(3 * 2 * 4), (3, 2)),
        (b"\x00\x00\x00\x01" + bytes(1 * 4 * 4), (17, 20)),
        (b"\x00\x01" + bytes(1 * 16 * 4) + b"\x01" + bytes(16 * 4 * 4) + b"\x00", (17, 20)),
        (b"", (0, 5)),
    ],
)
def test_the_end_is_found(data: bytes, size: tuple[int, int]) -> None:
    """The walk stops right behind the last tile, also with smaller tiles at the edges."""
    assert length(*size, 4, data) == len(data)


def test_pixels_may_be_smaller() -> None:
    """Lengths follow the pixel format."""
    assert length(16, 16, 1, b"\x02A") == 2
    assert length(16, 16, 2, b"\x1e" + b"ABCD" + b"\x02" + b"abxyabxy") == 14


@pytest.mark.parametrize("mask", [32, 33, 64, 255])
def test_unknown_bits_of_a_mask_are_refused(mask: int) -> None:
    """A mask of ZlibHex, or none at all, is an error that names it."""
    with pytest.raises(WireError, match=str(mask)):
        HextileWalk(16, 16, 4).walk(bytes((mask,)), 0, 1)


def test_a_walk_goes_on_where_the_bytes_ended() -> None:
    """Fed byte by byte, it finds the same end and looks at no byte twice."""
    data = hextile(random.Random(3), 50, 70)
    walk = HextileWalk(50, 70, 4)
    for at in range(len(data)):
        assert not walk.done
        assert walk.walk(data, at, at + 1) == at + 1
    assert walk.done
