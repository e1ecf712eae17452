"""Lengths of the upstream's messages."""

from __future__ import annotations

import struct

import pytest

from vncproxy.rfb.server_message_lengths import measure
from vncproxy.rfb.wire_error import WireError

TABLE = [
    (b"\x01\x00" + struct.pack(">HH", 5, 256), 6 + 6 * 256),
    (b"\x02", 1),
    (b"\x03\x00\x00\x00" + struct.pack(">i", 5), 13),
    (b"\x03\x00\x00\x00" + struct.pack(">i", -5), 13),
    (b"\x03\x00\x00\x00" + struct.pack(">i", -(1 << 31)), 8 + (1 << 31)),
    (b"\x96", 1),
    (b"\xf8\x00\x00\x00" + struct.pack(">IB", 1, 64), 73),
    (b"\xfa", 4),
    (b"\xff\x01\x00\x00", 4),
    (b"\xff\x01\x00\x01", 4),
    (b"\xff\x01\x00\x02" + struct.pack(">I", 700), 708),
]


@pytest.mark.parametrize(("head", "expected"), TABLE)
def test_lengths_of_the_table(head: bytes, expected: int) -> None:
    """With just enough bytes the length is that of the table; with less, more are asked for."""
    assert measure(head, 0, len(head)) == expected
    assert measure(b"??" + head, 2, 2 + len(head)) == expected
    for have in range(1, len(head)):
        assert have < -measure(head, 0, have) <= len(head)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"\x04", "message type 4"),
        (b"\xfd", "message type 253"),
        (b"\xff\x00", "QEMU message 0"),
        (b"\xff\x01\x00\x03", "operation 3"),
        (b"\xf8\x00\x00\x00\x00\x00\x00\x01\x41", "fence of 65"),
    ],
)
def test_unknown_messages_are_named(head: bytes, reason: str) -> None:
    """What the daemon doesn't know is an error that names it."""
    with pytest.raises(WireError, match=reason):
        measure(head, 0, len(head))
