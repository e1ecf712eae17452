"""Raw in strips: whole rows, however the pixels were cut."""

from __future__ import annotations

import pytest

from vncproxy.rfb import raw_strips
from vncproxy.rfb.raw_strips import RawStrips
from vncproxy.rfb.server_events import RawStarted, RectangleReceived


@pytest.mark.parametrize("piece", [1, 7, 12, 24, 25, 1000])
def test_strips_are_whole_rows(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """Together they are the rectangle; each is small."""
    monkeypatch.setattr(raw_strips, "STRIP_BYTES", 30)
    pixels = bytes(range(60))
    strips = RawStrips(RawStarted(3, 4, 3, 5, 60))
    got: list[RectangleReceived] = []
    for at in range(0, 60, piece):
        got += strips.take((pixels[at : at + piece],))
    assert [(rect.x, rect.y, rect.width, rect.height) for rect in got] == [
        (3, 4, 3, 2),
        (3, 6, 3, 2),
        (3, 8, 3, 1),
    ]
    assert b"".join(rect.data for rect in got) == pixels
    assert {rect.encoding for rect in got} == {0}


def test_a_row_that_is_longer_than_a_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a strip of its own."""
    monkeypatch.setattr(raw_strips, "STRIP_BYTES", 5)
    strips = RawStrips(RawStarted(0, 0, 3, 2, 24))
    assert [rect.height for rect in strips.take((bytes(24),))] == [1, 1]
