"""Tight and TightPNG, against an independent decoder."""

from __future__ import annotations

import pytest

from tests.unit.simulator.screen.samples import COLOURS, SHAPES, decoded, picture
from vncproxy.simulator.screen.pixels import Packer, WireFormat
from vncproxy.simulator.screen.tight import TightEncoder, compact, encode_png


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, b"\0"),
        (127, b"\x7f"),
        (128, b"\x80\1"),
        (10000, b"\x90\x4e"),
        (16383, b"\xff\x7f"),
        (16384, b"\x80\x80\1"),
        (4194303, b"\xff\xff\xff"),
    ],
)
def test_lengths_are_compact(size: int, expected: bytes) -> None:
    """As in rfbproto's example of 10000."""
    assert compact(size) == expected


def test_every_kind_of_picture_is_decoded() -> None:
    """Fill, two colours, palette, full colour, tiny; one after the other on the same streams."""
    encoder, packer = TightEncoder(), Packer(WireFormat())
    pieces = []
    for _ in range(2):
        for width, height in SHAPES:
            for colours in COLOURS:
                rows = picture(width, height, min(colours, 100))
                pieces.append((rows, encoder.encode(rows, packer)))
    assert all(decoded(7, pieces))
    assert {data[0] >> 4 for _, data in pieces} == {0, 4 | 1, 4 | 2, 8}


def test_png_pictures_are_decoded() -> None:
    """A fill for one colour, a PNG else."""
    packer = Packer(WireFormat())
    pieces = []
    for width, height in SHAPES:
        for colours in COLOURS:
            rows = picture(width, height, min(colours, 100))
            pieces.append((rows, encode_png(rows, packer)))
    assert all(decoded(-260, pieces))
    assert {data[0] >> 4 for _, data in pieces} == {8, 10}
