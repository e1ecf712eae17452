"""The picture that a recording's messages draw."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.recording.surroundings import new_file
from vncproxy.errors import RecordingError
from vncproxy.recording.canvas import Canvas, moments
from vncproxy.recording.file_format import CHUNK_HEADER_BYTES, Kind
from vncproxy.recording.novnc_form import NOVNC
from vncproxy.recording.reader import Recording
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.tight import compact_length
from vncproxy.rfb.viewer_messages import (
    desktop_size,
    framebuffer_update,
    rectangle_header,
    server_init,
)

SIDE = 20
RED, GREEN, BLUE = b"\xff\0\0\0", b"\0\xff\0\0", b"\0\0\xff\0"
OPENING = server_init(SIDE, SIDE, NOVNC, "x")


def update(x: int, y: int, width: int, height: int, encoding: int, data: bytes) -> bytes:
    """One update of one rectangle."""
    return framebuffer_update(1) + rectangle_header(x, y, width, height, encoding) + data


def drawn(*messages: bytes) -> NDArray[np.uint8]:
    """The pixels after these messages."""
    canvas = Canvas(OPENING)
    for one in messages:
        canvas.draw(canvas.drawable(one))
    return np.asarray(canvas.image)


def deflated(data: bytes) -> bytes:
    """With its compact length."""
    packed = zlib.compress(data)
    return compact_length(len(packed)) + packed


WHOLE = update(0, 0, SIDE, SIDE, enc.RAW, BLUE * SIDE * SIDE)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        (enc.RAW, RED * 8 + GREEN * 8),
        (enc.RRE, struct.pack(">I", 1) + RED + GREEN + struct.pack(">4H", 0, 2, 4, 2)),
        (enc.HEXTILE, b"\x01" + RED * 8 + GREEN * 8),
        (enc.HEXTILE, b"\x0e" + RED + GREEN + b"\x01" + b"\x02\x31"),
        (enc.HEXTILE, b"\x1a" + RED + b"\x01" + GREEN + b"\x02\x31"),
        (enc.TIGHT, b"\x01" + deflated(RED[:3] * 8 + GREEN[:3] * 8)),
        (enc.TIGHT, b"\x41\x01\x01" + RED[:3] + GREEN[:3] + b"\0\0\xf0\xf0"),
        (
            enc.TIGHT,
            b"\x41\x01\x02" + RED[:3] + GREEN[:3] + BLUE[:3] + deflated(b"\0" * 8 + b"\1" * 8),
        ),
    ],
)
def test_each_encoding(encoding: int, data: bytes) -> None:
    """Four rows of four pixels: two red ones, two green ones; nothing beside them."""
    found = drawn(WHOLE, update(3, 5, 4, 4, encoding, data))
    wanted = drawn(WHOLE).copy()
    wanted[5:7, 3:7] = (255, 0, 0)
    wanted[7:9, 3:7] = (0, 255, 0)
    assert np.array_equal(found, wanted)


def test_the_others() -> None:
    """A fill, a copy, a gradient that is flat, another size."""
    found = drawn(
        WHOLE,
        update(0, 0, 2, 2, enc.TIGHT, b"\x80" + RED[:3]),
        update(10, 10, 2, 2, enc.COPY_RECT, struct.pack(">HH", 0, 0)),
        update(4, 0, 2, 2, enc.TIGHT, b"\x41\x02" + deflated(GREEN[:3] + bytes(9))),
    )
    assert (found[0, 0] == (255, 0, 0)).all()
    assert (found[10:12, 10:12] == (255, 0, 0)).all()
    assert (found[0:2, 4:6] == (0, 255, 0)).all()
    grown = drawn(WHOLE, framebuffer_update(1) + desktop_size(30, 10))
    assert grown.shape == (10, 30, 3)
    assert (grown[:, :SIDE] == (0, 0, 255)).all()
    assert (grown[:, SIDE:] == 0).all()


def test_what_cannot_be_right() -> None:
    """Data that don't inflate to the rectangle's pixels."""
    with pytest.raises(RecordingError, match="damaged"):
        drawn(update(0, 0, 4, 4, enc.TIGHT, b"\x01" + deflated(bytes(12))))


def test_when_each_picture_was_shown(tmp_path: Path) -> None:
    """From its change to the next one; one that is damaged is left out, and the last one stays."""
    path = tmp_path / "one"
    file = new_file(path)
    for number, colour in enumerate((RED, GREEN, BLUE)):
        at_ms = 1000 * number
        picture = update(0, 0, SIDE, SIDE, enc.RAW, colour * SIDE * SIDE)
        file.begin(at_ms, OPENING, whole=True, continues=False)
        file.add(at_ms, Kind.KEY, [picture])
        file.add(at_ms + 400, Kind.LIVE, [update(0, 0, 1, 1, enc.RAW, bytes(4))])
    file.close(5000)

    def shown() -> list[tuple[int, int, tuple[int, ...]]]:
        recording = Recording(path)
        found = [
            (since, until, tuple(np.asarray(image)[9, 9]))
            for since, until, image in moments(recording)
        ]
        recording.close()
        return found

    red, green, blue = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    assert shown() == [
        (0, 400, red),
        (400, 1000, red),
        (1000, 1400, green),
        (1400, 2000, green),
        (2000, 2400, blue),
        (2400, 5000, blue),
    ]
    raw = bytearray(path.read_bytes())
    second = raw.index(b"BLOK", raw.index(b"BLOK") + 1)
    raw[second + CHUNK_HEADER_BYTES + 4] ^= 1
    path.write_bytes(raw)
    assert shown() == [(0, 400, red), (400, 2000, red), (2000, 2400, blue), (2400, 5000, blue)]
