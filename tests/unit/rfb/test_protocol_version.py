"""How version lines are read and written."""

from __future__ import annotations

import pytest

from vncproxy.rfb.protocol_version import ProtocolVersion


@pytest.mark.parametrize(
    ("line", "version"),
    [
        (b"RFB 002.999\n", None),
        (b"RFB 003.000\n", ProtocolVersion.V3_3),
        (b"RFB 003.003\n", ProtocolVersion.V3_3),
        (b"RFB 003.005\n", ProtocolVersion.V3_3),
        (b"RFB 003.006\n", ProtocolVersion.V3_3),
        (b"RFB 003.007\n", ProtocolVersion.V3_7),
        (b"RFB 003.008\n", ProtocolVersion.V3_8),
        (b"RFB 003.889\n", ProtocolVersion.V3_8),
        (b"RFB 004.001\n", ProtocolVersion.V3_8),
        (b"RFB 005.000\n", ProtocolVersion.V3_8),
        (b"RFB 000.000\n", None),
        (b"RFB 003.008\r", None),
        (b"RFB 003.008", None),
        (b"RFB 3.8    \n", None),
        (b"GET / HTTP/1", None),
        ("RFB 00٣.008\n".encode(), None),
    ],
)
def test_every_line_is_one_of_three_handshakes_or_none(
    line: bytes, version: ProtocolVersion | None
) -> None:
    """Unpublished versions are read as 3.3 or 3.8; what is no version is nothing."""
    assert ProtocolVersion.understood(line) is version


def test_the_line_says_what_was_understood() -> None:
    """A version's own line is understood as itself, and the older is the smaller."""
    for version in ProtocolVersion:
        assert ProtocolVersion.understood(version.line) is version
    assert ProtocolVersion.V3_8.line == b"RFB 003.008\n"
    assert ProtocolVersion.V3_3 < ProtocolVersion.V3_7 < ProtocolVersion.V3_8
