"""Hextile, against an independent decoder."""

from __future__ import annotations

import pytest

from tests.unit.simulator.screen.samples import COLOURS, SHAPES, decoded, picture
from vncproxy.simulator.screen.hextile import encode
from vncproxy.simulator.screen.pixels import Packer, WireFormat


@pytest.mark.parametrize("colours", COLOURS)
@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_are_decoded(shape: tuple[int, int], colours: int) -> None:
    """Plain, two-coloured, many-coloured and raw tiles, at odd edges too."""
    rows = picture(*shape, min(colours, 100))
    assert decoded(5, [(rows, encode(rows, Packer(WireFormat())))]) == [True]


def test_a_plain_picture_names_its_colour_once() -> None:
    """The next tiles inherit it: a byte each."""
    rows = [bytes([3]) * 64] * 16
    data = encode(rows, Packer(WireFormat()))
    assert len(data) == 1 + 4 + 3
