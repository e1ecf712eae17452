"""Lengths of rectangles, as in the table of rfbproto."""

from __future__ import annotations

import struct

import pytest

from vncproxy.rfb.rectangles import alpha_encoding, check_copy, check_framebuffer, measure
from vncproxy.rfb.wire_error import WireError

TABLE = [
    (0, b"", 10 * 7 * 4),
    (1, b"", 4),
    (2, struct.pack(">I", 3), 4 + 4 + 3 * 12),
    (6, struct.pack(">I", 99), 103),
    (16, struct.pack(">I", 99), 103),
    (7, b"\x80", 4),
    (-260, b"\xa0\x85\x01", 3 + 133),
    (-223, b"", 0),
    (-239, b"", 10 * 7 * 4 + 2 * 7),
    (-240, b"", 6 + 2 * 2 * 7),
    (-314, struct.pack(">i", 0), 4 + 10 * 7 * 4),
    (-314, struct.pack(">i", 7) + b"\x80", 4 + 1 + 4),
    (0x574D5664, b"\x00", 2 + 2 * 10 * 7 * 4),
    (0x574D5664, b"\x01", 2 + 4 * 10 * 7),
    (-257, b"", 0),
    (-258, b"", 0),
    (-259, b"", 0),
    (-316, b"", 0),
    (-308, b"\x02\x00\x00\x00", 4 + 32),
    (-307, struct.pack(">I", 12), 16),
    (-261, b"", 1),
]


def length(encoding: int, data: bytes, pixel_bytes: int = 4) -> int:
    tpixel_bytes = 3 if pixel_bytes == 4 else pixel_bytes
    return measure(encoding, 10, 7, pixel_bytes, tpixel_bytes, data, 0, len(data))


@pytest.mark.parametrize(("encoding", "data", "expected"), TABLE)
def test_lengths_of_the_table(encoding: int, data: bytes, expected: int) -> None:
    """With just enough data to tell, the length is that of the table."""
    assert length(encoding, data) == expected


@pytest.mark.parametrize(("encoding", "data", "_expected"), [row for row in TABLE if row[1]])
def test_less_data_than_needed_asks_for_more(encoding: int, data: bytes, _expected: int) -> None:
    """With less, the answer is how many bytes would tell more, never more than that."""
    for have in range(len(data)):
        needed = -length(encoding, data[:have])
        assert have < needed <= len(data)


def test_pixel_size_counts() -> None:
    """Raw, RRE and cursors follow the pixel format; an alpha cursor doesn't."""
    assert length(0, b"", 1) == 70
    assert length(2, struct.pack(">I", 1), 2) == 4 + 2 + 10
    assert length(-239, b"", 2) == 140 + 14
    assert length(-314, struct.pack(">i", 0), 1) == 4 + 280


@pytest.mark.parametrize("encoding", [3, 4, 8, 21, 50, -312, -313, -305, 0x574D5665, 1 << 30])
@pytest.mark.parametrize("data", [b"", bytes(40)])
def test_an_unknown_encoding_is_named(encoding: int, data: bytes) -> None:
    """What the daemon doesn't know is an error with its number, however little came."""
    with pytest.raises(WireError, match=str(encoding)):
        length(encoding, data)


def test_an_empty_x_cursor_has_no_data() -> None:
    """Not even its two colours."""
    assert measure(-240, 0, 9, 4, 3, b"", 0, 0) == 0
    assert measure(-240, 9, 0, 4, 3, b"", 0, 0) == 0


@pytest.mark.parametrize(
    ("encoding", "data", "reason"),
    [
        (0x574D5664, b"\x02", "type 2"),
        (-314, struct.pack(">i", 1), "encoding 1"),
        (-314, struct.pack(">i", -314), "encoding -314"),
        (-314, struct.pack(">i", -224), "encoding -224"),
    ],
)
def test_what_the_rules_forbid(encoding: int, data: bytes, reason: str) -> None:
    """An impossible value is an error that names it."""
    with pytest.raises(WireError, match=reason):
        length(encoding, data)


@pytest.mark.parametrize("encoding", [-239, -240, -314, 0x574D5664])
def test_a_huge_cursor_is_refused(encoding: int) -> None:
    """A cursor's size is bounded before its data comes."""
    for width, height in ((1025, 3), (3, 1025)):
        with pytest.raises(WireError, match=f"cursor of {width} by {height}"):
            measure(encoding, width, height, 4, 3, bytes(8), 0, 8)
    assert measure(encoding, 1024, 1024, 4, 3, bytes(8), 0, 8) > 0


def test_framebuffers_are_bounded() -> None:
    """16384 a side and 64 Mi pixels are the most."""
    check_framebuffer(16384, 4096)
    check_framebuffer(4096, 16384)
    check_framebuffer(0, 0)
    for size in ((16385, 1), (1, 16385), (16384, 4097)):
        with pytest.raises(WireError, match=str(size[0])):
            check_framebuffer(*size)


def test_copies_come_from_inside() -> None:
    """A CopyRect's source lies within the framebuffer."""
    check_copy(struct.pack(">HH", 90, 40), 10, 10, 100, 50)
    for source in ((91, 40), (90, 41)):
        with pytest.raises(WireError, match="CopyRect"):
            check_copy(struct.pack(">HH", *source), 10, 10, 100, 50)


def test_alpha_cursors_name_their_encoding() -> None:
    """The inner encoding is read where the data starts."""
    assert alpha_encoding(b"??" + struct.pack(">i", -260), 2) == -260
